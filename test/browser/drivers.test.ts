import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, openPage, waitForState } from './page.ts';
import type { OpenedPage } from './page.ts';

// Driver files from outside: dropped on the page or chosen, good and bad.

let opened: OpenedPage;
const PROMPT = /\nkmode>$/;
const echo = readFileSync(new URL('../../samples/echo/echo.sys', import.meta.url));

beforeAll(async () => {
  opened = await openPage();
  await waitForState(opened.page);
});

afterAll(async () => {
  expect(opened.problems).toEqual([]);
  await opened.close();
});

async function drop(name: string, bytes: Uint8Array): Promise<void> {
  await opened.page.evaluate(
    ([file, data]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(data as number[])], file as string));
      window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    [name, [...bytes]] as const,
  );
}

async function notice(text: RegExp): Promise<string> {
  const found = opened.page.locator('[data-testid=notice]', { hasText: text });
  await found.waitFor();
  return (await found.textContent())!;
}

describe('a driver file', () => {
  it('that is damaged or no driver is refused with its name and what was expected, and nothing breaks', async () => {
    const { page } = opened;
    const i386 = Uint8Array.from(echo);
    const pe = new DataView(i386.buffer).getUint32(0x3c, true);
    new DataView(i386.buffer).setUint16(pe + 4, 0x14c, true);
    for (const [name, bytes] of [
      ['text.sys', new TextEncoder().encode('this is no driver')],
      ['cut.sys', echo.subarray(0, 0x300)],
      ['old.sys', i386],
      ['empty.sys', new Uint8Array(0)],
    ] as const) {
      await drop(name, bytes);
      const said = await notice(new RegExp(name.replace('.', '\\.') + ':'));
      expect(said, name).toMatch(/0x[0-9a-f]+|offset|expected|MZ/i);
    }
    expect(await command(page, 'drivers', PROMPT)).toMatch(/edu\.sys/);
  });

  it('that is dropped is loaded, and can be loaded again at the prompt', async () => {
    const { page } = opened;
    await drop('mine.sys', echo);
    expect(await notice(/mine\.sys is loaded/)).toMatch(/0x[0-9a-f]{16}/);
    expect(await command(page, 'drivers', PROMPT)).toMatch(/mine/);
    expect(await command(page, 'unload mine', PROMPT)).toMatch(/unloaded/);
    expect(await command(page, 'load mine', PROMPT)).toMatch(/mine loaded at/);
  });

  it('can be chosen with the button too; a second one of that name is refused by the kernel', async () => {
    await opened.page
      .locator('[data-testid=file]')
      .setInputFiles({ name: 'mine.sys', mimeType: 'application/octet-stream', buffer: echo });
    expect(await notice(/mine\.sys was not loaded/)).toMatch(/STATUS_[A-Z_]+/);
  });
});
