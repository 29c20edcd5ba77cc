import { readFileSync } from 'node:fs';
import type { Drivers } from './script.ts';

const file = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));

/** The drivers of the script, from the disk. */
export const drivers = (): Drivers => ({
  busy: file('test/determinism/busy.sys'),
  edu: file('samples/edu/edu.sys'),
  ticker: file('samples/ticker/ticker.sys'),
});
