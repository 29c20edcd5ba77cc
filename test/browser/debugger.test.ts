import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPage, press, stateHash, statusOf, typeLine, waitForState } from './page.ts';
import type { OpenedPage } from './page.ts';

// Breakpoints by symbol and address, and the stepping keys.

let opened: OpenedPage;

beforeAll(async () => {
  opened = await openPage();
  await waitForState(opened.page);
});

afterAll(async () => {
  expect(opened.problems).toEqual([]);
  await opened.close();
});

/** Text of the line that the processor stands before. */
const currentLine = async (): Promise<string> =>
  (await opened.page.locator('[data-testid=disassembly] .row.current .text').textContent())!;

/** Presses F11 until the line matches; at most `limit` times. */
async function stepUntil(line: RegExp, limit: number): Promise<void> {
  for (let n = 0; n < limit && !line.test(await currentLine()); n++) {
    const { cycle } = await press(opened.page, 'F11');
    await opened.page.waitForFunction(
      at => Number(document.querySelector<HTMLElement>('[data-testid=status]')!.dataset.cycle) === at,
      cycle,
    );
    await opened.page.locator('[data-testid=disassembly] .row.current').waitFor();
  }
  expect(await currentLine()).toMatch(line);
}

describe('the debugger', () => {
  it('refuses what is no symbol, and stops at one that is', async () => {
    const { page } = opened;
    await page.locator('[data-tab=breakpoints]').click();
    const field = page.locator('[data-testid=lower] input');
    await field.fill('edu!NoSuchRoutine');
    await field.press('Enter');
    await page
      .locator('[data-testid=notice]', { hasText: "there is no symbol, register or address 'edu!NoSuchRoutine'" })
      .waitFor();
    await field.fill('edu!EduDeviceControl');
    await field.press('Enter');
    await page.locator('[data-testid=breakpoints] tr', { hasText: 'edu!EduDeviceControl' }).waitFor();
    await typeLine(page, 'ioctl edu 0x222000 03000000');
    await waitForState(page, 'paused');
    expect(await statusOf(page)).toMatchObject({ symbol: 'edu!EduDeviceControl', message: 'breakpoint 1: edu!EduDeviceControl' });
  });

  it('steps into, over, out and back, and marks the registers that changed', async () => {
    const { page } = opened;
    await stepUntil(/^call /, 60);
    // The instruction before the call has loaded RCX, and nothing else.
    await page.waitForFunction(
      () =>
        [...document.querySelectorAll('[data-testid=registers] .changed')]
          .map(e => e.closest<HTMLElement>('[data-register]')?.dataset.register)
          .join() === 'rcx',
    );
    const atCall = { cycle: (await statusOf(page)).cycle, hash: await stateHash(page) };
    const over = await press(page, 'F10');
    expect(over.symbol).toMatch(/^edu!EduDeviceControl\+0x/);
    expect(over.cycle).toBeGreaterThan(atCall.cycle);
    // IoAcquireRemoveLockEx gives STATUS_SUCCESS in RAX, and leaves RCX as it was.
    await page.waitForFunction(
      () =>
        [...document.querySelectorAll('[data-testid=registers] .changed')]
          .map(e => e.closest<HTMLElement>('[data-register]')?.dataset.register)
          .join() === 'rax',
    );
    const after = await stateHash(page);

    // Back over the call in one step, then into it and out again: the same place.
    expect((await press(page, 'F7')).cycle).toBe(atCall.cycle);
    expect(await stateHash(page)).toBe(atCall.hash);
    const into = await press(page, 'F11');
    expect(into.symbol).not.toMatch(/^edu!EduDeviceControl/);
    await press(page, 'F8');
    expect(await stateHash(page)).toBe(atCall.hash);
    await press(page, 'F11');
    const out = await press(page, 'Shift+F11');
    expect([out.cycle, await stateHash(page)]).toEqual([over.cycle, after]);
  });
});
