/**
 * Builds what is out of date: the core (`build/core.wasm`), the library and command line for Node (`dist/`), the page (`dist/web/`).
 *
 *     tsx scripts/build.ts [core] [lib] [web] [--force]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');

interface Target {
  inputs: string[];
  output: string;
  /** Arguments of node: a script run by tsx, or a tool of the project. */
  command: string[];
}

const TYPESCRIPT = ['hal', 'devices', 'kernel', 'emulator', 'assembly/isa'];
const CONFIGURATION = ['package.json', 'tsconfig.json'];

export const TARGETS: { readonly [name: string]: Target } = {
  core: {
    inputs: ['assembly', 'scripts/build-core.ts', 'scripts/optimize-core.ts'],
    output: 'build/core.wasm',
    command: [tool('tsx/dist/cli.mjs'), 'scripts/build-core.ts'],
  },
  lib: {
    inputs: [...TYPESCRIPT, ...CONFIGURATION, 'build/core.wasm', 'scripts/build-lib.ts'],
    output: 'dist/index.js',
    command: [tool('tsx/dist/cli.mjs'), 'scripts/build-lib.ts'],
  },
  web: {
    inputs: [...TYPESCRIPT, ...CONFIGURATION, 'build/core.wasm', 'web', 'samples', 'vite.config.ts'],
    output: 'dist/web/index.html',
    command: [tool('vite/bin/vite.js'), 'build', '--logLevel', 'warn'],
  },
};

/** Builds the named targets that are older than what they are made from, in order. A build that fails throws an Error naming it. */
export function build(names: readonly string[] = Object.keys(TARGETS), force = false): void {
  for (const name of names) {
    const target = TARGETS[name];
    if (!target) throw new Error(`there is nothing to build called "${name}"; there are ${Object.keys(TARGETS).join(', ')}`);
    if (!force && upToDate(target)) continue;
    const { status, signal } = spawnSync(process.execPath, target.command, { cwd: ROOT, stdio: 'inherit' });
    if (status !== 0) throw new Error(`building ${name} failed (${signal ?? `exit status ${status}`})`);
  }
}

function upToDate({ inputs, output }: Target): boolean {
  const made = join(ROOT, output);
  return existsSync(made) && Math.max(...inputs.map(input => newest(join(ROOT, input)))) <= statSync(made).mtimeMs;
}

/** When the newest file at or below a path changed; generated files do not count. */
function newest(path: string): number {
  if (!existsSync(path)) return 0;
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  const entries = readdirSync(path).filter(name => name !== 'generated' && !name.endsWith('.test.ts'));
  return Math.max(0, ...entries.map(name => newest(join(path, name))));
}

function tool(path: string): string {
  return join(ROOT, 'node_modules', path);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const force = process.argv.includes('--force');
  const names = process.argv.slice(2).filter(argument => !argument.startsWith('--'));
  try {
    build(names.length > 0 ? names : undefined, force);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
