import * as codes from './bugcodes.ts';

// The members of a module come in another order where it was bundled or transformed: sorted, so that what the guest sees of them is the same everywhere.
const byCode: ReadonlyMap<number, string> = new Map(
  Object.entries(codes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, code]) => [code, name]),
);

/** `DRIVER_IRQL_NOT_LESS_OR_EQUAL`, or `BUGCODE_xx` for a code without a public name (drivers may use any). */
export function bugCheckName(code: number): string {
  return byCode.get(code >>> 0) ?? `BUGCODE_${(code >>> 0).toString(16).toUpperCase()}`;
}

/** Codes and texts that KeGetBugMessageText knows: one text a code. */
export const bugCheckTexts = (): readonly (readonly [code: number, text: string])[] =>
  [...byCode].sort(([a], [b]) => a - b);
