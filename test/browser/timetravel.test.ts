import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, consoleText, openPage, press, stateHash, statusOf, typeLine, waitForState, waitForText } from './page.ts';
import type { OpenedPage } from './page.ts';

// Forwards and backwards through edu's interrupt, while a read is outstanding in echo and a thread is blocked inside echo's dispatch routine.

let opened: OpenedPage;
const PROMPT = /\nkmode>$/;

beforeAll(async () => {
  opened = await openPage();
  await waitForState(opened.page);
});

afterAll(async () => {
  expect(opened.problems).toEqual([]);
  await opened.close();
});

async function breakAt(symbol: string): Promise<void> {
  const { page } = opened;
  await page.locator('[data-tab=breakpoints]').click();
  const field = page.locator('[data-testid=lower] input');
  await field.fill(symbol);
  await field.press('Enter');
  await page.locator('[data-testid=breakpoints] tr', { hasText: symbol }).waitFor();
}

describe('going back in time', () => {
  it('has a read outstanding and a thread blocked in a dispatch routine', async () => {
    const { page } = opened;
    await command(page, 'load echo', PROMPT);
    expect(await command(page, 'read echo 5', PROMPT)).toMatch(/pending/);
    // 0x222008 waits for an event inside of the dispatch routine; Ctrl+C gives the prompt back.
    await typeLine(page, 'ioctl echo 0x222008');
    await page.locator('[data-tab=irps]').click();
    await page.locator('[data-testid=kernel-irps] tbody tr', { hasText: '0x222008' }).waitFor();
    await page.locator('[data-testid=console] textarea').focus();
    await page.keyboard.press('Control+C');
    await waitForText(page, /0x222008\n[\s\S]*\nkmode>$/);
    await page.locator('[data-tab=irps]').click();
    for (const request of ['READ', '0x222008'])
      await page
        .locator('[data-testid=kernel-irps] tbody tr', { hasText: request })
        .filter({ hasText: '\\Driver\\echo' })
        .waitFor();
    const threads = await page.evaluate(() =>
      (window as unknown as { kmode: { command(line: string): Promise<string[]> } }).kmode.command('!process 0 6'),
    );
    expect(threads.join('\n')).toMatch(/WAIT[\s\S]*echo!EchoDeviceControl/);
  });

  it('stops at the edu interrupt, in the ISR and in the DPC, goes back to before it and forward to the same state', async () => {
    const { page } = opened;
    await breakAt('edu!EduStartIo');
    await typeLine(page, 'ioctl edu 0x222000 0a000000');
    await waitForState(page, 'paused');
    expect(await statusOf(page)).toMatchObject({
      symbol: 'edu!EduStartIo',
      message: expect.stringMatching(/breakpoint 1: edu!EduStartIo/),
    });
    const before = { cycle: (await statusOf(page)).cycle, hash: await stateHash(page) };

    // Next interrupt of edu: the processor stands at the first instruction of the vector's stub, with the vector in service.
    const filter = page.locator('[data-testid=interrupt-filter]');
    await filter.selectOption({ label: (await filter.locator('option', { hasText: 'edu!EduIsr' }).textContent())! });
    const atInterrupt = await press(page, 'F9');
    expect(atInterrupt.message).toMatch(/interrupt/);
    const interrupt = { cycle: atInterrupt.cycle, hash: await stateHash(page) };
    await page.locator('[data-tab=interrupts]').click();
    const inService = await page.locator('[data-testid=local-apic] [data-register=isr]').textContent();
    const eduVector = await page
      .locator('[data-testid=interrupts] tr', { hasText: 'edu!EduIsr' })
      .locator('td')
      .first()
      .textContent();
    expect(inService).toContain(eduVector!.trim());

    // Into the ISR at DIRQL, then the DPC at DISPATCH_LEVEL.
    await breakAt('edu!EduIsr');
    await breakAt('edu!EduDpcForIsr');
    const isr = await press(page, 'F5');
    expect(isr.symbol).toBe('edu!EduIsr');
    expect(await page.locator('.status .irql').textContent()).toMatch(/DIRQL/);
    const into = await press(page, 'F11');
    expect(into.symbol).toMatch(/^edu!EduIsr\+0x/);
    const dpc = await press(page, 'F5');
    expect(dpc.symbol).toBe('edu!EduDpcForIsr');
    expect(await page.locator('.status .irql').textContent()).toMatch(/DISPATCH/);
    const atDpc = { cycle: dpc.cycle, hash: await stateHash(page) };
    await page.locator('[data-tab=irps]').click();
    for (const [request, driver] of [
      ['READ', 'echo'],
      ['0x222008', 'echo'],
      ['0x222000', 'edu'],
    ] as const)
      await page
        .locator('[data-testid=kernel-irps] tbody tr', { hasText: request })
        .filter({ hasText: `\\Driver\\${driver}` })
        .waitFor();

    // Back: one instruction and again forward; to the interrupt; to before it.
    await press(page, 'F8');
    expect((await statusOf(page)).cycle).toBeLessThan(atDpc.cycle);
    await press(page, 'F11');
    expect([(await statusOf(page)).cycle, await stateHash(page)]).toEqual([atDpc.cycle, atDpc.hash]);
    const back = await press(page, 'Shift+F9');
    expect([back.cycle, await stateHash(page)]).toEqual([interrupt.cycle, interrupt.hash]);
    await press(page, 'F8');
    expect((await statusOf(page)).cycle).toBeLessThan(interrupt.cycle);
    expect((await statusOf(page)).symbol).not.toMatch(/Interrupt/);
    await press(page, 'Shift+F5');
    expect([(await statusOf(page)).cycle, await stateHash(page)]).toEqual([before.cycle, before.hash]);

    // And forward to the same states.
    await press(page, 'F5');
    expect((await statusOf(page)).symbol).toBe('edu!EduIsr');
    await press(page, 'F5');
    expect([(await statusOf(page)).symbol, (await statusOf(page)).cycle, await stateHash(page)]).toEqual([
      'edu!EduDpcForIsr',
      atDpc.cycle,
      atDpc.hash,
    ]);
  });

  it('ends the request with the right answer', async () => {
    const { page } = opened;
    await page.locator('[data-tab=breakpoints]').click();
    const remove = page.locator('[data-testid=breakpoints] button');
    for (let left = await remove.count(); left > 0; left--) {
      await remove.first().click();
      await page.waitForFunction(n => document.querySelectorAll('[data-testid=breakpoints] button').length < n, left);
    }
    await page.keyboard.press('F5');
    await waitForText(page, /STATUS_SUCCESS, 4 bytes\n00000000 {2}00 5f 37 00[^\n]*\nkmode>$/);
  });

  it('shows on the console what had been sent by then; what is typed in the past begins another course of events', async () => {
    const { page } = opened;
    const { cycle } = await press(page, 'F5');
    const text = await consoleText(page);
    await page.keyboard.press('F5');
    await waitForState(page);
    expect(await command(page, 'write echo "later"', /request 1[\s\S]*\nkmode>$/)).toContain('later');
    await press(page, 'F5');

    // Back to before that was typed: it is not there, and the read is outstanding again.
    await moveTo(cycle);
    expect(await consoleText(page)).toBe(text);
    await page.locator('[data-tab=irps]').click();
    await page.locator('[data-testid=kernel-irps] tbody tr', { hasText: 'READ' }).waitFor();
    const there = (await statusOf(page)).cycle;

    // To the present, and it is there again.
    await page.locator('[data-testid=to-end]').click();
    await page.locator('[data-testid=to-end]').waitFor({ state: 'detached' });
    expect(await consoleText(page)).toContain('later');

    // Another line in the past: a second course of events, and the first can still be reached.
    await moveTo(there);
    await typeLine(page, 'write echo "other"');
    await page.keyboard.press('F5');
    await waitForText(page, /write echo "other"\nrequest 1[\s\S]*other[\s\S]*\nkmode>$/);
    await press(page, 'F5');
    const branches = page.locator('.timeline select');
    expect(await branches.locator('option').count()).toBe(2);
    expect(await consoleText(page)).not.toContain('later');
    await branches.selectOption('0');
    await page.waitForFunction(() => document.querySelector('.status')!.textContent!.includes('branch 1 of 2'));
    expect(await consoleText(page)).toContain('later');
    expect(await consoleText(page)).not.toContain('other');
  });
});

async function moveTo(cycle: number): Promise<void> {
  const { page } = opened;
  await page.evaluate(at => (window as unknown as { kmode: { goTo(cycle: number): Promise<void> } }).kmode.goTo(at), cycle);
  // The nearest boundary of an instruction at or after it.
  await page.waitForFunction(
    at => Math.abs(Number(document.querySelector<HTMLElement>('[data-testid=status]')!.dataset.cycle) - at) < 1000,
    cycle,
  );
}
