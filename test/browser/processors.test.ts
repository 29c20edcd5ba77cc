import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatAddress } from '../../hal/bus/memory.ts';
import { openPage, press, stateHash, statusOf, waitForState } from './page.ts';
import type { OpenedPage } from './page.ts';

// A machine with two processors in the page: which one is looked at and stepped.

interface Kmode {
  kmode: { evaluate(text: string): Promise<number>; command(line: string): Promise<string[]> };
}

let opened: OpenedPage;

beforeAll(async () => {
  opened = await openPage('?cpus=2&seed=7&paused');
  await waitForState(opened.page, 'paused');
});

afterAll(async () => {
  expect(opened.problems).toEqual([]);
  await opened.close();
});

const chosen = async (): Promise<string> =>
  (await opened.page.locator('[data-testid=processors] [aria-pressed=true]').allTextContents()).join();

/** Waits until the registers panel shows processor `cpu`; gives what it shows of a register or control register. */
async function registerOf(cpu: number, name: string): Promise<string> {
  const panel = opened.page.locator('[data-testid=registers]');
  await panel.locator('h2', { hasText: `Registers of P${cpu}` }).waitFor();
  // The panel's answer comes after its title: the worker's own is waited for.
  const wanted = await opened.page.evaluate(
    `kmode.cpu().then(c => [...c.registers, ...c.control].find(r => r.name === '${name}').value.toString(16).padStart(16, '0'))`,
  );
  const shown = panel.locator('.reg', { has: opened.page.locator('b', { hasText: new RegExp(`^${name}$`) }) }).locator('span');
  await expect.poll(async () => (await shown.first().textContent())!.replace('`', '')).toBe(wanted);
  return String(wanted);
}

describe('the page with two processors', () => {
  it('shows the registers, stack and interrupts of the one that is chosen, and changes nothing by that', async () => {
    const { page } = opened;
    expect(await page.locator('[data-testid=processors] button').allTextContents()).toEqual(['P0', 'P1']);
    const before = await stateHash(page);
    const first = [];
    const second = [];
    await page.locator('[data-testid=processors] button').nth(0).click();
    for (const name of ['rsp', 'gs']) first.push(await registerOf(0, name));
    await page.locator('[data-tab=interrupts]').click();
    await page.locator('[data-testid=local-apic] th', { hasText: 'Local APIC 0' }).waitFor();
    await page.keyboard.press('F4');
    for (const name of ['rsp', 'gs']) second.push(await registerOf(1, name));
    expect(await chosen()).toBe('P1');
    // Each has its own stack and its own processor control region.
    for (const n of [0, 1]) expect(second[n]).not.toBe(first[n]);
    await page.locator('[data-testid=local-apic] th', { hasText: 'Local APIC 1' }).waitFor();
    await page.locator('[data-testid=stack] tr.frame').first().waitFor();
    const [rsp, frames] = await page.evaluate((): Promise<[number, string[]]> =>
      Promise.all([(window as unknown as Kmode).kmode.evaluate('rsp'), (window as unknown as Kmode).kmode.command('k')]),
    );
    // The debugger's commands are about that processor too: the innermost frame has its stack pointer.
    expect(frames[0]).toMatch(new RegExp(`^00 ${formatAddress(rsp)} `));
    expect(await stateHash(page)).toBe(before);
  });

  it('steps the chosen processor, forwards and back, and stays with it', async () => {
    const { page } = opened;
    await page.locator('[data-testid=processors] button').nth(1).click();
    await registerOf(1, 'gs');
    const before = { ...(await statusOf(page)), hash: await stateHash(page) };
    const after = await press(page, 'F11');
    expect(after).toMatchObject({ state: 'paused', message: 'stepped' });
    // The cycle that is shown is the one that every processor has reached: a step of one of them may leave it where it was, but it is a step.
    expect(after.cycle).toBeGreaterThanOrEqual(before.cycle);
    expect(await stateHash(page)).not.toBe(before.hash);
    expect(await chosen()).toBe('P1');
    // It waited for an interrupt, whose handler it has come to.
    expect(after.symbol).not.toBe(before.symbol);
    const further = await press(page, 'F11');
    await press(page, 'F8');
    expect(await statusOf(page)).toMatchObject({ symbol: after.symbol, state: 'paused' });
    expect(further.symbol).not.toBe(after.symbol);
    expect(await chosen()).toBe('P1');
  });

  it('goes to the processor that a breakpoint has stopped', async () => {
    const { page } = opened;
    const symbol = (await statusOf(page)).symbol;
    await page.evaluate(`kmode.addBreakpoint('${symbol}')`);
    const seen = new Set<string>();
    for (let n = 0; n < 8 && seen.size < 2; n++) {
      // Looking at the other one first shows that it is the stop that brings the page back; its answer must not be taken for that stop.
      const was = await chosen();
      await page.keyboard.press('Shift+F4');
      await expect.poll(chosen).not.toBe(was);
      await press(page, 'F5');
      const who = await chosen();
      seen.add(who);
      expect((await statusOf(page)).symbol).toBe(symbol);
    }
    expect([...seen].sort()).toEqual(['P0', 'P1']);
  });

  it('is another machine by the settings, with the seed kept', async () => {
    const { page } = opened;
    await page.locator('[data-testid=machine]').click();
    await page.locator('[data-testid=settings] select').selectOption('3');
    await page.locator('[data-testid=settings] [type=submit]').click();
    await page.waitForURL(/cpus=3/);
    await waitForState(page, 'paused');
    expect(await page.locator('[data-testid=processors] button').count()).toBe(3);
    expect(new URL(page.url()).searchParams.get('seed')).toBe('7');
  });
});
