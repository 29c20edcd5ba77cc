import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { Machine } from '../../emulator/index.ts';
import { drivers } from '../determinism/drivers.ts';
import { CHECKPOINTS, play } from '../determinism/script.ts';
import { launchChromium } from './chromium.ts';
import type { TestBrowser } from './chromium.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let browser: TestBrowser;
beforeAll(async () => {
  browser = await launchChromium(inject('browser'));
});
afterAll(() => browser.close());

it('leaves the same state in Chromium as in Node after 1 M, 10 M and 100 M cycles', async () => {
  const bundle = await build({
    entryPoints: [here('../determinism/browser.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
  });
  const files = { core: new Uint8Array(readFileSync(here('../../build/core.wasm'))), ...drivers() };
  const encoded = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]));

  const page = await browser.context.newPage();
  // Any address of the server: a worker needs an origin, and the real page would boot a machine of its own.
  await page.goto(`${inject('address')}there-is-no-such-page`);
  const inChromium = await page.evaluate(
    async ({ source, encoded, cycles }) => {
      const decode = (text: string): Uint8Array => Uint8Array.from(atob(text), c => c.charCodeAt(0));
      const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
      const { core, ...rest } = Object.fromEntries(Object.entries(encoded).map(([name, text]) => [name, decode(text)]));
      return await new Promise<{ hashes?: string[]; instructions?: number; error?: string }>((resolve, reject) => {
        worker.onmessage = event => resolve(event.data);
        worker.onerror = event => reject(new Error(event.message));
        worker.postMessage({ core, drivers: rest, cycles });
      });
    },
    { source: bundle.outputFiles[0]!.text, encoded, cycles: [...CHECKPOINTS] },
  );
  await page.close();

  const machine = Machine.create({ boot: false });
  const hashes = play(machine, drivers());
  expect(inChromium).toEqual({ hashes, instructions: machine.instructions });
});
