import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
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

let bundle: string | null = null;

/** The command line as the package has it, bundled from the present sources: it starts in a tenth of the time that they take to be translated. */
function commandLine(): string {
  if (bundle !== null) return bundle;
  const folder = mkdtempSync(join(tmpdir(), 'kmode-bundle-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, 'dist/cli.js');
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: ['emulator/cli/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  copyFileSync(join(ROOT, 'build/core.wasm'), join(folder, 'dist/core.wasm'));
  writeFileSync(join(folder, 'package.json'), readFileSync(join(ROOT, 'package.json')));
  return (bundle = outfile);
}

/** Runs the command line, as `npm run -s kmode -- ...` does. */
export function kmode(...args: string[]): Invocation {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [commandLine(), ...args], { encoding: 'utf8' });
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
