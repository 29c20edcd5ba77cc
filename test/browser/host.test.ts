import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, expect, it } from 'vitest';
import { serveStatic } from '../../scripts/static.ts';
import { launchChromium } from './chromium.ts';
import { waitForState } from './page.ts';

it('works from a folder of any static host', async () => {
  const root = mkdtempSync(join(tmpdir(), 'kmode-host-'));
  cpSync(join(import.meta.dirname, '../../dist/web'), join(root, 'some/folder'), { recursive: true });
  const server = await serveStatic(root, 0);
  const browser = await launchChromium(inject('browser'));
  try {
    const page = browser.context.pages()[0] ?? (await browser.context.newPage());
    const missing: string[] = [];
    page.on('response', r => void (r.status() >= 400 && missing.push(r.url())));
    await page.goto(`${server.address}some/folder/`);
    await waitForState(page);
    expect(missing).toEqual([]);
    expect(await page.evaluate(`kmode.modules().then(list => list.map(m => m.name))`)).toContain('edu.sys');
  } finally {
    await browser.close();
    await server.close();
    rmSync(root, { recursive: true });
  }
});
