/** Before the browser tests: builds the page if it is out of date, serves it, and unpacks the packaged browser where it is needed. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { build } from '../../scripts/build.ts';
import { serveStatic } from '../../scripts/static.ts';
import { installedChromium, packagedChromium } from './chromium.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the page is served. */
    address: string;
    /** The browser to start. */
    browser: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  build(['core', 'web']);
  const server = await serveStatic(resolve(fileURLToPath(import.meta.url), '../../../dist/web'), 0);
  project.provide('address', server.address);
  project.provide('browser', installedChromium() ?? (await packagedChromium()));
  return () => server.close();
}
