/** `npm start`: builds what is out of date, serves the page and prints its address. `--port N` chooses the port. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.ts';
import { serveStatic } from './static.ts';

const FIRST_PORT = 4173;

function chosenPort(): number | null {
  const at = process.argv.indexOf('--port');
  if (at < 0) return null;
  const port = Number(process.argv[at + 1]);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error('--port takes a number from 0 to 65535');
  return port;
}

try {
  const port = chosenPort();
  build(['core', 'web']);
  const folder = resolve(fileURLToPath(import.meta.url), '../../dist/web');
  // Somebody else may have the usual port; any free one will do unless one was asked for.
  const server = await serveStatic(folder, port ?? FIRST_PORT).catch((error: unknown) => {
    if (port !== null) throw error;
    return serveStatic(folder, 0);
  });
  console.log(`kmode is at ${server.address}  (Ctrl+C ends)`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
