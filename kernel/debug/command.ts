import type { Kernel } from '../kernel.ts';

/** A debugger command. It reads guest memory and changes nothing. */
export interface DebugCommand {
  /** As it is typed: `!irp`, `dt`. */
  readonly name: string;
  /** Arguments: `address`, `[address [fields]]`. */
  readonly usage: string;
  /** One sentence. */
  readonly doc: string;
  /** Lines of text. A bad argument throws a {@link CommandError}. */
  run(k: Kernel, args: readonly string[]): string[];
}

/** The person at the keyboard made a mistake; the message says which. */
export class CommandError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CommandError';
  }
}
