/** Built drivers are committed, so that nobody needs a Windows compiler. Where that compiler is installed, this proves that they are what their sources build to. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');

/** Those that the committed drivers come from (Debian 12): another release makes other bytes of the same source. clang has __try. */
const COMPILERS = [
  { name: 'x86_64-w64-mingw32-gcc', version: '12' },
  { name: 'clang', version: '14' },
];

/** Folders with a build.sh that builds all their drivers. */
const FOLDERS = ['samples', 'test/badinput/fixtures', 'test/boots/drivers', 'test/determinism'];

const installed = COMPILERS.every(({ name, version }) => {
  const { stdout, error } = spawnSync(name, ['-dumpversion'], { encoding: 'utf8' });
  return !error && stdout.split(/[.-]/)[0] === version;
});

function drivers(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.sys'))
    .sort();
}

describe.skipIf(!installed)('built drivers', () => {
  it.each(FOLDERS)('in %s are what their sources build to', folder => {
    const copy = mkdtempSync(join(tmpdir(), 'kmode-drivers-'));
    try {
      cpSync(join(ROOT, folder), copy, { recursive: true });
      const committed = drivers(copy);
      expect(committed.length).toBeGreaterThan(0);
      for (const name of committed) rmSync(join(copy, name));
      const { status, stderr } = spawnSync('sh', [join(copy, 'build.sh')], { encoding: 'utf8' });
      expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
      expect(drivers(copy)).toEqual(committed);
      const other = committed.filter(name => !readFileSync(join(copy, name)).equals(readFileSync(join(ROOT, folder, name))));
      expect(other).toEqual([]);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});
