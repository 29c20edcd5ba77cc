import { readFileSync } from 'node:fs';

/** A file that cannot be read; the message names it and says why. */
export class InputError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InputError';
  }
}

/** Reads a file that should be `what` (`a driver`). Throws an {@link InputError}. */
export function readInput(path: string, what: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    const { code } = error as { code?: string };
    throw new InputError(
      code === 'ENOENT'
        ? `${path}: there is no such file`
        : code === 'EISDIR'
          ? `${path}: is a folder, not ${what}`
          : `${path}: cannot be read (${code ?? String(error)})`,
    );
  }
}
