import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { command, openPage, statusOf, stateHash, typeLine, waitForState } from './page.ts';
import type { OpenedPage } from './page.ts';

// Each sample, loaded and used at the console's prompt.

let opened: OpenedPage;

beforeEach(async () => {
  opened = await openPage();
  await waitForState(opened.page);
});

afterEach(async () => {
  expect(opened.problems).toEqual([]);
  await opened.close();
});

const PROMPT = /\nkmode>$/;

describe('the samples at the console', () => {
  it('hello greets and says goodbye', async () => {
    const { page } = opened;
    expect(await command(page, 'load hello', PROMPT)).toMatch(/hello: loaded at [0-9A-F]{16}, registry path .*Services\\hello/);
    expect(await command(page, 'unload hello', PROMPT)).toMatch(/hello: goodbye/);
    expect(await command(page, 'drivers', PROMPT)).not.toMatch(/hello/);
  });

  it('echo: a read waits until a write comes', async () => {
    const { page } = opened;
    await command(page, 'load echo', PROMPT);
    expect(await command(page, 'read echo 5', PROMPT)).toMatch(/pending/);
    // The request can be seen, and a click on it explains it.
    await page.locator('[data-tab=irps]').click();
    const irp = page.locator('[data-testid=kernel-irps] tbody tr', { hasText: 'READ' });
    await irp.waitFor();
    expect(await irp.textContent()).toMatch(/\\Driver\\echo/);
    await irp.locator('a').first().click();
    await page.locator('[data-testid=command-output]', { hasText: /echo/i }).waitFor();
    await page.locator('[data-tab=console]').click();
    expect(await command(page, 'write echo "hello"', /request 1[\s\S]*\nkmode>$/)).toMatch(/68 65 6c 6c 6f +hello/);
    await page.locator('.empty', { hasText: 'No I/O request is in flight' }).waitFor();
  });

  it('ticker counts', async () => {
    const { page } = opened;
    await command(page, 'load ticker', PROMPT);
    const count = async (): Promise<number> => {
      const bytes = /00000000 {2}((?:[0-9a-f]{2}[ -]){4})/.exec(await command(page, 'ioctl ticker 0x222000', PROMPT))![1]!;
      return bytes
        .trim()
        .split(/[ -]/)
        .reduceRight((sum, b) => sum * 256 + parseInt(b, 16), 0);
    };
    const first = await count();
    expect(first).toBeGreaterThan(0);
    // Every 10 ms of guest time.
    const { cycle } = await statusOf(page);
    await page.waitForFunction(
      from => Number(document.querySelector<HTMLElement>('[data-testid=status]')!.dataset.cycle) > from + 20_000_000,
      cycle,
    );
    expect(await count()).toBeGreaterThanOrEqual(first + 19);
    await page.locator('[data-tab=timers]').click();
    await page.locator('[data-testid=kernel-timers]', { hasText: 'ticker!' }).waitFor();
  });

  it('edu computes a factorial and carries bytes by DMA', async () => {
    const { page } = opened;
    expect(await command(page, 'ioctl edu 0x222000 0a000000', PROMPT)).toMatch(
      /STATUS_SUCCESS, 4 bytes\n00000000 {2}00 5f 37 00/,
    );
    const text = 'the quick brown fox';
    expect(await command(page, `ioctl edu 0x222004 "${text}"`, PROMPT)).toMatch(
      /STATUS_SUCCESS, 19 bytes\n00000000 {2}74 68 65 20 71 75 69 63-6b 20 62 72 6f 77 6e 20/,
    );
  });

  it('crash: the machine stops, the page explains, and one can go back to the cause', async () => {
    const { page } = opened;
    await command(page, 'load crash', PROMPT);
    await typeLine(page, 'ioctl crash 0x22200c');
    await waitForState(page, 'crashed');
    const card = page.locator('[data-testid=bugcheck]');
    await card.waitFor();
    expect(await card.textContent()).toMatch(/0x[0-9a-f]+[\s\S]*crash!CrashDivide[\s\S]*crash\.sys/);
    // The instruction at fault is shown.
    expect(await page.locator('[data-testid=disassembly] .row.focus .text').textContent()).toMatch(/^div /);
    const hash = await stateHash(page);

    await page.locator('[data-testid=crash-back]').click();
    await waitForState(page, 'paused');
    expect((await statusOf(page)).symbol).toMatch(/^crash!CrashDivide/);
    expect(await page.locator('[data-testid=disassembly] .row.current .text').textContent()).toMatch(/^div /);
    expect(await card.count()).toBe(0);

    // And forward again into the same end.
    await page.keyboard.press('F5');
    await waitForState(page, 'crashed');
    expect(await stateHash(page)).toBe(hash);
  });
});
