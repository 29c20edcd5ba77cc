/** The race in Chromium: a worker of a page that holds nothing else. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { BrowserContext } from 'playwright-core';
import { racesDriver } from '../races/driver.ts';
import type { Outcome } from '../races/race.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** A worker needs an origin; nothing is asked of the network. */
const PAGE = 'http://races.invalid/';

/** Outcomes of the seeds in a page of `context`. */
export async function raceInChromium(context: BrowserContext, seeds: readonly number[]): Promise<Outcome[]> {
  const bundle = await build({
    entryPoints: [here('../races/browser.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
  });
  const page = await context.newPage();
  try {
    await page.route(PAGE, route => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
    await page.goto(PAGE);
    const answer = await page.evaluate(
      async ({ source, core, driver, seeds }) => {
        const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
        return await new Promise<{ outcomes?: Outcome[]; error?: string }>((resolve, reject) => {
          worker.onmessage = event => resolve(event.data);
          worker.onerror = event => reject(new Error(event.message));
          worker.postMessage({ core, driver, seeds });
        });
      },
      {
        source: bundle.outputFiles[0]!.text,
        core: readFileSync(here('../../build/core.wasm')).toString('base64'),
        driver: Buffer.from(racesDriver()).toString('base64'),
        seeds: [...seeds],
      },
    );
    if (answer.outcomes === undefined) throw new Error(`in Chromium: ${answer.error}`);
    return answer.outcomes;
  } finally {
    await page.close();
  }
}
