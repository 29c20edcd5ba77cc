/** The page in a browser, for tests: opened anew each time, with everything that went wrong in it noted. */
import type { Page } from 'playwright-core';
import { inject } from 'vitest';
import { launchChromium } from './chromium.ts';
import type { TestBrowser } from './chromium.ts';

export interface OpenedPage {
  page: Page;
  /** Errors that the page threw or wrote to its console, requests that failed, and requests to another host. */
  problems: string[];
  browser: TestBrowser;
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
  return { page, problems, browser, close: () => browser.close() };
}

/** Waits until the machine behind the page has booted, and is in one of `states`. */
export async function waitForState(page: Page, ...states: string[]): Promise<void> {
  const wanted = states.length > 0 ? states : ['running', 'halted', 'behind'];
  await page.waitForFunction(
    list => list.includes(document.querySelector<HTMLElement>('[data-testid=status]')?.dataset.state ?? ''),
    wanted,
    { timeout: 60_000 },
  );
}

/** What the status bar says of the machine. */
export async function statusOf(page: Page): Promise<{ state: string; cycle: number; symbol: string; message: string }> {
  return page.evaluate(() => {
    const bar = document.querySelector<HTMLElement>('[data-testid=status]')!;
    return {
      state: bar.dataset.state!,
      cycle: Number(bar.dataset.cycle),
      symbol: bar.dataset.symbol!,
      message: document.querySelector('[data-testid=message]')!.textContent!,
    };
  });
}

interface Terminal {
  buffer: {
    active: { length: number; getLine(y: number): { translateToString(trim: boolean): string; isWrapped: boolean } | undefined };
  };
}

/** What the console shows, with what has scrolled out of sight; lines that the screen wrapped are joined. */
export function consoleText(page: Page): Promise<string> {
  return page.evaluate(() => {
    const { active } = (window as unknown as { kmodeTerminal: Terminal }).kmodeTerminal.buffer;
    let text = '';
    for (let y = 0; y < active.length; y++) {
      const line = active.getLine(y)!;
      text += (line.isWrapped || y === 0 ? '' : '\n') + line.translateToString(true);
    }
    return text.trimEnd();
  });
}

/** Types a line at the console's prompt, as a person does. */
export async function typeLine(page: Page, line: string): Promise<void> {
  await page.locator('[data-testid=console] textarea').focus();
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}

/** Types a line and waits until what the console shows after it matches; returns that text. */
export async function command(page: Page, line: string, answer: RegExp): Promise<string> {
  const asked = `kmode> ${line}\n`;
  const before = (await consoleText(page)).split(asked).length;
  await typeLine(page, line);
  return waitForText(page, answer, text => {
    const parts = `${text}\n`.split(asked);
    return parts.length > before ? parts.slice(before).join(asked).trimEnd() : null;
  });
}

/** Waits until what `part` takes of the console's text (all of it; null: not there yet) matches. Says what there was if it does not come to that. */
export async function waitForText(
  page: Page,
  wanted: RegExp,
  part: (text: string) => string | null = text => text,
): Promise<string> {
  const end = Date.now() + 30_000;
  for (;;) {
    const text = part(await consoleText(page));
    if (text !== null && wanted.test(text)) return text;
    if (Date.now() > end)
      throw new Error(
        `the console does not show ${wanted}, but ${JSON.stringify(await consoleText(page))}; the machine: ${JSON.stringify(await statusOf(page))}`,
      );
    await page.waitForTimeout(50);
  }
}

/** Presses a key and waits until the machine has come to stand again after it. */
export async function press(page: Page, key: string): Promise<{ state: string; cycle: number; symbol: string; message: string }> {
  const version = await versionOf(page);
  await page.keyboard.press(key);
  await page.waitForFunction(
    before => {
      const { state, version: now } = document.querySelector<HTMLElement>('[data-testid=status]')!.dataset;
      return Number(now) > before && (state === 'paused' || state === 'crashed');
    },
    version,
    { timeout: 60_000 },
  );
  return statusOf(page);
}

const versionOf = (page: Page): Promise<number> =>
  page.evaluate(() => Number(document.querySelector<HTMLElement>('[data-testid=status]')!.dataset.version));

/** Hash of the whole machine's state. */
export const stateHash = (page: Page): Promise<string> =>
  page.evaluate(() => (window as unknown as { kmode: { stateHash(): Promise<string> } }).kmode.stateHash());
