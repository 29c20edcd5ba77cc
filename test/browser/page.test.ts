import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openPage } from './page.ts';
import type { OpenedPage } from './page.ts';

let opened: OpenedPage;

beforeAll(async () => {
  opened = await openPage();
});

afterAll(() => opened.close());

describe('the page', () => {
  it('comes from a plain static host, without isolation headers', async () => {
    const { headers } = await fetch(inject('address'));
    expect([headers.get('cross-origin-opener-policy'), headers.get('cross-origin-embedder-policy')]).toEqual([null, null]);
    expect(await opened.page.evaluate('globalThis.crossOriginIsolated')).toBe(false);
  });

  it('opens with its name and nothing wrong, asking no other host', async () => {
    expect(await opened.page.title()).toBe('kmode');
    await opened.page.waitForSelector('#app > *');
    // The worker has fetched and compiled the core by the time that it reports a state.
    await opened.page.waitForFunction(`!/starting|booting/.test(document.body.innerText)`, undefined, { timeout: 20_000 });
    expect(opened.problems).toEqual([]);
  });
});
