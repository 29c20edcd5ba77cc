/** The page in a browser, for tests: opened anew each time, with everything that went wrong in it noted. */
import type { Page } from 'playwright-core';
import { inject } from 'vitest';
import { launchChromium } from './chromium.ts';

export interface OpenedPage {
  page: Page;
  /** Errors that the page threw or wrote to its console, requests that failed, and requests to another host. */
  problems: string[];
  close(): Promise<void>;
}

/** Opens the served page in a fresh browser. `query` is put behind its address (`?driver=none`). */
export async function openPage(query = ''): Promise<OpenedPage> {
  const address = inject('address');
  const browser = await launchChromium(inject('browser'));
  const page = browser.context.pages()[0] ?? (await browser.context.newPage());
  const problems: string[] = [];
  page.on('pageerror', error => problems.push(`threw ${error.message}`));
  page.on('console', message => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  page.on('requestfailed', request => problems.push(`failed: ${request.url()}`));
  page.on('response', response => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`);
  });
  page.on('request', request => {
    if (!request.url().startsWith(address) && !/^(data|blob):/.test(request.url()))
      problems.push(`asks another host: ${request.url()}`);
  });
  await page.goto(address + query);
  return { page, problems, close: () => browser.close() };
}
