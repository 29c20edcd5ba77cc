import { afterAll, beforeAll, expect, it } from 'vitest';
import { crashCases } from '../crashcases.ts';
import { openPage, statusOf, typeLine, waitForState, waitForText } from './page.ts';
import type { OpenedPage } from './page.ts';

// Every way in which `crash` stops the machine, in the page: the card says which rule was broken, and leads back to the driver's mistake. One page for all of them: each
// begins where the driver has been loaded, on a course of events of its own.

let opened: OpenedPage;
let start = 0;

interface Api {
  goTo(cycle: number): Promise<void>;
  setSpeed(speed: number): void;
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

it.each(crashCases())('$what: $name', async row => {
  const { page } = opened;
  await page.evaluate(at => (window as unknown as { kmode: Api }).kmode.goTo(at), start);
  await page.locator('[data-testid=bugcheck]').waitFor({ state: 'detached' });
  await typeLine(page, `ioctl crash ${row.ioctl}`);
  await page.keyboard.press('F5');
  if (row.unload) {
    await waitForText(page, new RegExp(`ioctl crash ${row.ioctl}\\n[^]*\\nkmode>$`));
    await typeLine(page, 'unload crash');
  }
  await waitForState(page, 'crashed');
  const card = page.locator('[data-testid=rule-card]');
  await card.waitFor();
  const text = await card.textContent();
  if (row.title !== null) expect(text).toContain(row.title);
  expect(text).toContain('To mend it:');
  const heading = await page.locator('[data-testid=bugcheck] h2').textContent();
  expect(heading).toBe(`${row.name} (0x${row.code.toString(16)})`);

  await page.locator('[data-testid=crash-back]').click();
  await waitForState(page, 'paused');
  expect((await statusOf(page)).symbol.replace(/\+.*/, '')).toBe(`crash!${row.back}`);
});
