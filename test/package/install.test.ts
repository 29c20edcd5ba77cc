/** The package as a user gets it: packed, installed into a project of its own, imported, run and type-checked there; and what the README says of it. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  // Where the README's lines expect them.
  cpSync(join(project, 'node_modules/kmode/samples'), join(project, 'samples'), { recursive: true });
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

describe('the README', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

  /** The blocks of code (indented by four) below a heading, without the indent. */
  function blocks(heading: string): string[] {
    const section = readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0];
    if (section === undefined) throw new Error(`README.md has no heading "${heading}"`);
    const found = section.match(/(?:^ {4}.*\n(?:\n(?= {4}))?)+/gm) ?? [];
    return found.map(block => block.replace(/^ {4}/gm, ''));
  }

  it('has a test that runs as it is printed', () => {
    const [code] = blocks('In a test');
    writeFileSync(join(project, 'readme.test.js'), code!);
    symlinkSync(join(ROOT, 'node_modules/vitest'), join(project, 'node_modules/vitest'), 'junction');
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const output = node(vitest, 'run', '--root', project, '--reporter=json', '--testTimeout=240000');
    const { numPassedTests, numTotalTests } = JSON.parse(output) as { numPassedTests: number; numTotalTests: number };
    expect({ numPassedTests, numTotalTests }).toEqual({ numPassedTests: 1, numTotalTests: 1 });
  });

  const RUN = 'npm run -s kmode -- ';
  const commands = blocks('From the command line').flatMap(block => block.trim().split('\n'));

  it('has command lines to try', () => {
    expect(commands.length).toBeGreaterThan(2);
    expect(commands.filter(line => !line.startsWith(RUN))).toEqual([]);
  });

  it.each(commands)('%s', line => {
    // A status other than 0 throws.
    const output = node(join(project, 'node_modules/kmode/bin/kmode.js'), ...line.slice(RUN.length).split(' '));
    expect(output.trim()).not.toBe('');
  });

  it('names no script that is not there', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const named = [...readme.matchAll(/npm (?:run (?:-s )?([\w:]+)|(start|test)\b)/g)].map(match => (match[1] ?? match[2])!);
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter(name => !(name in scripts))).toEqual([]);
  });
});
