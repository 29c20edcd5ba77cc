/** The package as a user gets it: packed, installed into a project of its own, imported, run and type-checked there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');
const project = mkdtempSync(join(tmpdir(), 'kmode-install-'));

function npm(cwd: string, ...options: string[]): void {
  execFileSync('npm', [...options, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    stdio: 'pipe',
    shell: process.platform === 'win32',
  });
}

function node(...options: string[]): string {
  return execFileSync(process.execPath, options, { cwd: project, encoding: 'utf8' });
}

beforeAll(() => {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  npm(ROOT, 'pack', '--pack-destination', project);
  const packed = readdirSync(project).find(name => name.endsWith('.tgz'))!;
  // Nothing else may be needed: a package with dependencies could not be installed offline.
  npm(project, 'install', '--offline', `./${packed}`);
});

afterAll(() => rmSync(project, { recursive: true }));

describe('the installed package', () => {
  it('runs a driver from a program that imports it', () => {
    writeFileSync(
      join(project, 'use.js'),
      `import { Machine } from 'kmode';
       const machine = Machine.create();
       machine.load('node_modules/kmode/samples/hello/hello.sys');
       console.log(JSON.stringify({ lines: machine.debugLines(), modules: machine.guest.modules().map(module => module.name) }));`,
    );
    const { lines, modules } = JSON.parse(node('use.js')) as { lines: string[]; modules: string[] };
    expect(lines.join('\n')).toMatch(/hello/i);
    expect(modules).toContain('hello.sys');
  });

  it('has a command line', () => {
    const bin = join(project, 'node_modules/kmode/bin/kmode.js');
    expect(node(bin, '--help')).toMatch(/kmode run/);
    const report = JSON.parse(node(bin, 'run', 'node_modules/kmode/samples/hello/hello.sys', '--json')) as {
      ok: boolean;
      debug: string[];
    };
    expect(report.ok).toBe(true);
    expect(report.debug.join('\n')).toMatch(/hello/i);
  });

  it('has types that a strict project accepts, and that catch mistakes', () => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const check = (text: string) => {
      writeFileSync(join(project, 'use.ts'), text);
      try {
        node(tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2023,dom', 'use.ts');
        return '';
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    expect(check(`import { Machine } from 'kmode';\nexport const cycle: number = Machine.create().cycle;\n`)).toBe('');
    expect(check(`import { Machine } from 'kmode';\nexport const cycle: string = Machine.create().cycle;\n`)).toMatch(/TS2322/);
  });
});
