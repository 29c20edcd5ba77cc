import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Machine } from '../../emulator/index.ts';
import type { CreateOptions } from '../../emulator/index.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Path of a sample's built driver. */
export const sample = (name: string): string => `${ROOT}samples/${name}/${name}.sys`;
export const sampleBytes = (name: string): Uint8Array => new Uint8Array(readFileSync(sample(name)));

/** A booted machine with a sample loaded. */
export function machineWith(name: string, options: CreateOptions = {}): Machine {
  const machine = Machine.create({ limitSeconds: 10, ...options });
  machine.load(sample(name));
  return machine;
}

export interface Invocation {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command line from its sources, as `npm run -s kmode -- ...` does. */
export function kmode(...args: string[]): Invocation {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, ['--import', 'tsx', 'emulator/cli/main.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

export const u32 = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
export const u32s = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(i * 4, true));
};
export const u64 = (bytes: Uint8Array): bigint => new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
/** An address as 64-bit registers and parameters show it. */
export const unsigned = (address: number): bigint => BigInt.asUintN(64, BigInt(address));
export const signed = (address: bigint): number => Number(BigInt.asIntN(64, address));
