/** Variables of this manager in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Cm. */
export const cmGlobals = {} as const;
