/**
 * One run of the races sample: a machine of four processors from reset to the answer. Data and plain functions only, so that Node and a browser run the same.
 */
import { Machine } from '../../emulator/index.ts';
import type { CreateOptions } from '../../emulator/index.ts';

export const CPUS = 4;
/** The sample's control codes: how its threads add. */
export const UNLOCKED = 0x222000,
  LOCKED = 0x222004,
  INTERLOCKED = 0x222008;
/** How often each thread adds. */
export const TIMES = 500;

/** What a run left: the counter, what it should be, and the hash of the machine's whole state. */
export interface Outcome {
  counter: number;
  expected: number;
  hash: string;
}

/** Boots a machine whose processors take turns as `scheduleSeed` says, loads the driver, and lets its threads race. */
export function race(driver: Uint8Array, scheduleSeed: number, code = UNLOCKED, options: CreateOptions = {}): Outcome {
  const machine = Machine.create({ ...options, cpus: CPUS, scheduleSeed, ramBytes: 16 << 20 });
  machine.load(driver, 'races');
  const input = Uint8Array.of(TIMES, TIMES >> 8, 0, 0);
  const { outcome, status, data } = machine.open('\\\\.\\Races').ioctl(code, input, 12);
  if (outcome !== 'done' || status !== 0 || data.length !== 12)
    throw new Error(`seed ${scheduleSeed}: ${outcome}, status 0x${status.toString(16)}`);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return { counter: view.getUint32(0, true), expected: view.getUint32(4, true), hash: machine.stateHash() };
}
