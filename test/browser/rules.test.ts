import { afterAll, beforeAll, expect, it } from 'vitest';
import { crashCases } from '../crashcases.ts';
import { openPage, statusOf, waitForState, waitForText } from './page.ts';
import type { OpenedPage } from './page.ts';

// Every way in which `crash` stops the machine, in the page: the card says which rule was broken, and leads back to the driver's mistake. One page for all of them: each
// begins where the driver has been loaded, on a course of events of its own. (Typing at the console is tested elsewhere; here the lines come by the way that the terminal's keys take.)

let opened: OpenedPage;
let start = 0;

interface Api {
  goTo(cycle: number): Promise<void>;
  setSpeed(speed: number): void;
  consoleInput(bytes: Uint8Array): void;
  run(): void;
}

beforeAll(async () => {
  opened = await openPage('?driver=crash&paused');
  const { page } = opened;
  await waitForState(page, 'paused');
  // No guest second is waited for.
  await page.evaluate(() => (window as unknown as { kmode: Api }).kmode.setSpeed(100));
  start = (await statusOf(page)).cycle;
});
afterAll(async () => {
  const { problems } = opened;
  await opened.close();
  expect(problems).toEqual([]);
});

/** Gives the console a line; with `cycle`, from that moment of the past the machine runs on. */
async function enter(line: string, cycle: number | null): Promise<void> {
  await opened.page.evaluate(
    async ([text, at]) => {
      const { kmode } = window as unknown as { kmode: Api };
      if (at !== null) await kmode.goTo(at);
      await kmode.consoleInput(new TextEncoder().encode(`${text}\r`));
      if (at !== null) await kmode.run();
    },
    [line, cycle] as const,
  );
}

it.each(crashCases())('$what: $name', async row => {
  const { page } = opened;
  await enter(`ioctl crash ${row.ioctl}`, start);
  if (row.unload) {
    await waitForText(page, new RegExp(`ioctl crash ${row.ioctl}\\n[^]*\\nkmode>$`));
    await enter('unload crash', null);
  }
  await waitForState(page, 'crashed');
  const heading = `${row.name} (0x${row.code.toString(16)})`;
  await page.locator('[data-testid=bugcheck] h2', { hasText: heading }).waitFor();
  const text = await page.locator('[data-testid=rule-card]').textContent();
  if (row.title !== null) expect(text).toContain(row.title);
  expect(text).toContain('To mend it:');

  await page.locator('[data-testid=crash-back]').click();
  await waitForState(page, 'paused');
  expect((await statusOf(page)).symbol.replace(/\+.*/, '')).toBe(`crash!${row.back}`);
});
