import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { command, openPage, statusOf, typeLine, waitForState } from './page.ts';
import type { OpenedPage } from './page.ts';

// Rules that `crash` breaks: the card says which, and leads back. (test/boots/rules.test.ts runs all of them.)

const PROMPT = /\nkmode>$/;
const readme = readFileSync(new URL('../../samples/crash/README.md', import.meta.url), 'utf8');
/** Pool at both ends, after its end, with a wrong tag, left behind; locks; a thread at unload. */
const CASES = ['0x222018', '0x22201c', '0x222020', '0x222024', '0x222028', '0x222048', '0x222084'];
const rows = readme
  .slice(readme.indexOf('## Rules'))
  .split('\n')
  .filter(line => line.startsWith('| 0x2220'))
  .map(line => line.split('|').map(cell => cell.trim()))
  .map(([, ioctl, what, stop, , title]) => ({ ioctl: ioctl!, what: what!, code: stop!.split(' ')[0]!, title: title! }))
  .filter(row => CASES.includes(row.ioctl));

let opened: OpenedPage;

// A page for each: one that went back would play its recorded keys again.
beforeEach(async () => {
  opened = await openPage();
  await waitForState(opened.page);
  await command(opened.page, 'load crash', PROMPT);
});
afterEach(async () => {
  const { problems } = opened;
  await opened.close();
  expect(problems).toEqual([]);
});

it.each(rows)('$what: the card says "$title"', async row => {
  const { page } = opened;
  if (row.what.includes('--unload')) {
    await command(page, `ioctl crash ${row.ioctl}`, PROMPT);
    await typeLine(page, 'unload crash');
  } else await typeLine(page, `ioctl crash ${row.ioctl}`);
  await waitForState(page, 'crashed');
  const card = page.locator('[data-testid=rule-card]');
  await card.waitFor();
  const text = await card.textContent();
  expect(text).toContain(row.title);
  expect(text).toContain('To mend it:');
  expect((await page.locator('[data-testid=bugcheck] h2').textContent())!.toLowerCase()).toContain(row.code.toLowerCase());
  // The first thing that happened before is a place to go to; else to before the request.
  const go = page.locator('[data-testid=card-go]');
  if ((await go.count()) > 0) {
    await go.first().click();
    await waitForState(page, 'paused');
    expect((await statusOf(page)).symbol).toMatch(/^nt!/);
  }
});
