/** A static file server for the built page: plain files, no special headers, because the page must work from any static host. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

export interface StaticServer {
  /** `http://localhost:4173/` */
  address: string;
  close(): Promise<void>;
}

/** Serves `folder` on the loopback interface. Port 0 takes any free one; a port that is taken rejects with a message that says so. */
export function serveStatic(folder: string, port: number): Promise<StaticServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(response, 405, 'only GET and HEAD');
      return;
    }
    send(folder, request.url ?? '/', request.method === 'HEAD', response).catch((error: unknown) => {
      console.error(error);
      if (!response.headersSent) answer(response, 500, 'error');
      else response.destroy();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new Error(`port ${port} is taken: choose another with --port N`) : error);
    });
    server.listen(port, 'localhost', () => {
      const { port: taken } = server.address() as AddressInfo;
      resolve({
        address: `http://localhost:${taken}/`,
        close: () =>
          new Promise((done, failed) => {
            server.close(error => (error ? failed(error) : done()));
            server.closeAllConnections();
          }),
      });
    });
  });
}

async function send(folder: string, url: string, headOnly: boolean, response: ServerResponse): Promise<void> {
  const path = filePath(folder, url);
  const info = path === null ? null : await stat(path).catch(() => null);
  if (path === null || !info?.isFile()) {
    answer(response, 404, 'not found');
    return;
  }
  response.writeHead(200, {
    'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    'content-length': info.size,
    // Files with a hash in their name never change; the others are asked for again.
    'cache-control': /-[\w-]{8}\.\w+$/.test(path) ? 'max-age=31536000, immutable' : 'no-cache',
  });
  if (headOnly) response.end();
  else
    createReadStream(path)
      .on('error', () => response.destroy())
      .pipe(response);
}

/** The file that a URL names inside of `folder`; null when it would be outside or is not a path at all. */
function filePath(folder: string, url: string): string | null {
  let path: string;
  try {
    path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
  } catch {
    return null;
  }
  const full = normalize(join(folder, path.endsWith('/') ? `${path}index.html` : path));
  return full.startsWith(normalize(folder) + sep) && !full.includes('\0') ? full : null;
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(text);
}
