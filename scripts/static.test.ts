import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveStatic } from './static.ts';
import type { StaticServer } from './static.ts';

const folder = mkdtempSync(join(tmpdir(), 'kmode-static-'));
let server: StaticServer;

beforeAll(async () => {
  mkdirSync(join(folder, 'site/assets'), { recursive: true });
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  writeFileSync(join(folder, 'site/index.html'), '<p>page</p>');
  writeFileSync(join(folder, 'site/assets/core-abcd1234.wasm'), Uint8Array.of(0, 0x61, 0x73, 0x6d));
  server = await serveStatic(join(folder, 'site'), 0);
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Sends the path as it is: `fetch` would tidy it up first. */
function status(path: string, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(server.address);
    request({ host: 'localhost', port, path, method }, response => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}

describe('static server', () => {
  it('gives the page for its folder, and files with their types', async () => {
    const page = await fetch(server.address);
    expect([page.status, page.headers.get('content-type'), await page.text()]).toEqual([
      200,
      'text/html; charset=utf-8',
      '<p>page</p>',
    ]);
    const wasm = await fetch(`${server.address}assets/core-abcd1234.wasm`);
    expect([wasm.headers.get('content-type'), wasm.headers.get('cache-control')]).toEqual([
      'application/wasm',
      'max-age=31536000, immutable',
    ]);
    expect([...new Uint8Array(await wasm.arrayBuffer())]).toEqual([0, 0x61, 0x73, 0x6d]);
  });

  it('gives nothing from outside of it', async () => {
    for (const path of [
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/assets/../../secret.txt',
      '/%00',
      '/%zz',
      '/assets',
      '/none',
    ]) {
      expect([path, await status(path)]).toEqual([path, 404]);
    }
    expect(await status('/', 'POST')).toBe(405);
    expect(await status('/', 'HEAD')).toBe(200);
  });

  it('says when a port is taken', async () => {
    await expect(serveStatic(folder, Number(new URL(server.address).port))).rejects.toThrow(/is taken/);
  });
});
