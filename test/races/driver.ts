import { readFileSync } from 'node:fs';

/** The races sample, from the disk. */
export const racesDriver = (): Uint8Array =>
  new Uint8Array(readFileSync(new URL('../../samples/races/races.sys', import.meta.url)));
