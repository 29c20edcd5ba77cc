/** The package for Node: `dist/index.js` (library), `dist/cli.js` (command line), `dist/core.wasm`, declarations in `dist/types/`. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const DIST = join(ROOT, 'dist');

mkdirSync(DIST, { recursive: true });
// The page is built apart, into dist/web.
for (const name of readdirSync(DIST)) if (name !== 'web') rmSync(join(DIST, name), { recursive: true });

const tsc = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.lib.json')], {
  stdio: 'inherit',
});
if (tsc.status !== 0) process.exit(1);

copyFileSync(join(ROOT, 'build/core.wasm'), join(DIST, 'core.wasm'));
await build({
  absWorkingDir: ROOT,
  entryPoints: { index: 'emulator/index.ts', cli: 'emulator/cli/main.ts' },
  outdir: DIST,
  bundle: true,
  // What both share is in one file, so that there is one `Machine`.
  splitting: true,
  chunkNames: 'kmode-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  legalComments: 'none',
  logLevel: 'warning',
});
