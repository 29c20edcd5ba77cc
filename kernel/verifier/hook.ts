import type { Outcome, ReturnValue } from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';

/** A routine's arguments as the rules see them: addresses, counts, flags; BOOLEANs are true or false. */
export type HookArgs = { readonly [name: string]: number };

/**
 * What the verifier does around a routine. `before` sees every call, before its effects (again when the gate runs again: it must not count twice); an outcome that it
 * returns takes the routine's place. `after` sees what the routine returned.
 */
export interface Hook {
  before?(k: Kernel, a: HookArgs): Outcome | void;
  after?(k: Kernel, a: HookArgs, value: ReturnValue): void;
}

export type Hooks = { readonly [routine: string]: Hook };

/** A returned address or status as a number. */
export const returned = (value: ReturnValue): number => (typeof value === 'number' ? value : Number(value ?? 0));
