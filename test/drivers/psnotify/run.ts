/** Loads another driver, for the image notify routines to be told of. */
import { readFileSync } from 'node:fs';
import type { Machine } from '../../../emulator/index.ts';

export function run(machine: Machine): void {
  machine.load(new Uint8Array(readFileSync(new URL('../../../samples/hello/hello.sys', import.meta.url))), 'hello');
}
