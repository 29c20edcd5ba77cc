/** The package for Node: `dist/index.js` (library), `dist/cli.js` (command line), `dist/core.wasm`, declarations in `dist/types/`. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

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
  root: ROOT,
  configFile: false,
  publicDir: false,
  logLevel: 'warn',
  // What is not Node's is bundled: the package has no dependencies.
  ssr: { noExternal: true },
  build: {
    ssr: true,
    target: 'node20',
    outDir: DIST,
    emptyOutDir: false,
    minify: false,
    rolldownOptions: {
      input: { index: 'emulator/index.ts', cli: 'emulator/cli/main.ts' },
      output: {
        // What both share is in one file, so that there is one `Machine`.
        entryFileNames: '[name].js',
        chunkFileNames: 'kmode-[hash].js',
        // A module's constants stay `const`: as `var` a request took a tenth longer.
        topLevelVar: false,
      },
    },
  },
});
