import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { kmode, sample } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'kmode-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Report {
  ok: boolean;
  error: string | null;
  cycles: number;
  instructions: number;
  stateHash: string;
  debug: string[];
  results: { op: string; status: string; outcome: string; information: number; data: string }[];
  bugcheck: unknown;
}
const json = (stdout: string): Report => JSON.parse(stdout) as Report;

/** An event of the Chrome trace-event format, as far as it is looked at. */
interface Event {
  ph: string;
  name: string;
  cat?: string;
  ts?: number;
  tid?: number;
  id?: string;
  args?: Record<string, unknown>;
}

const BYTES = Array.from({ length: 4096 }, (_, i) => ((i * 31) & 0xff).toString(16).padStart(2, '0')).join('');

describe('kmode run', () => {
  it('runs hello', () => {
    const { status, stdout, stderr } = kmode('run', sample('hello'), '--unload');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /^hello: loaded at FFFFF8[0-9A-F]+, registry path \\REGISTRY\\MACHINE\\SYSTEM\\.*\\Services\\hello\nhello: goodbye\n/,
    );
    expect(stdout).toMatch(/\d+ cycles, \d+ instructions, state [0-9a-f]{16}\n$/);
  });

  it('runs echo: a read that waits for the write after it', () => {
    const { status, stdout, stderr } = kmode(
      'run',
      sample('echo'),
      '--read',
      '5',
      '--write',
      '68656c6c6f',
      '--ioctl',
      '0x222000:010203',
      '--unload',
      '--json',
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const report = json(stdout);
    expect(report.results).toEqual([
      { op: 'read 5', status: '0x00000000', outcome: 'done', information: 5, data: '68656c6c6f' },
      { op: 'write 5', status: '0x00000000', outcome: 'done', information: 5, data: '' },
      { op: 'ioctl 0x222000', status: '0x00000000', outcome: 'done', information: 3, data: '030201' },
    ]);
    expect(report).toMatchObject({ ok: true, error: null, debug: ['echo: ready', 'echo: unloaded'], bugcheck: null });
    expect(report.stateHash).toMatch(/^[0-9a-f]{16}$/);
    expect(Number.isInteger(report.cycles) && report.cycles > report.instructions && report.instructions > 0).toBe(true);
  });

  it('runs ticker', () => {
    const { status, stdout } = kmode('run', sample('ticker'), '--ioctl', '0x222000', '--unload', '--json');
    expect(status).toBe(0);
    expect(json(stdout).results[0]).toMatchObject({ status: '0x00000000', information: 16 });
    expect(json(stdout).debug[0]).toBe('ticker: every 10 ms');
  });

  it('leaves the same state every time, traced or not', () => {
    const run = (...options: string[]): Report =>
      json(kmode('run', sample('edu'), '--ioctl', '0x222000:05000000', '--json', ...options).stdout);
    const once = run();
    expect(run()).toEqual(once);
    expect(run('--trace', join(folder, 'same.json'))).toEqual(once);
  });

  it('runs edu, and its trace shows ISR at DIRQL, DPC at DISPATCH_LEVEL, end of the IRP, in this order', () => {
    const file = join(folder, 'edu.json');
    const { status, stdout, stderr } = kmode(
      'run',
      sample('edu'),
      '--ioctl',
      '0x222000:0a000000',
      '--ioctl',
      `0x222004:${BYTES}`,
      '--trace',
      file,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('ioctl 0x222000: status 0x00000000, 4 bytes 005f3700\n');
    expect(stdout).toContain(`ioctl 0x222004: status 0x00000000, 4096 bytes ${BYTES}\n`);

    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: Event[] };
    const dirql = Number(/at IRQL (\d+)/.exec(stdout)![1]);
    const isr = traceEvents.findIndex(e => e.ph === 'B' && e.cat === 'isr' && e.name === 'edu!EduIsr');
    const isrEnd = traceEvents.findIndex((e, i) => i > isr && e.ph === 'E' && e.cat === 'isr');
    const dpc = traceEvents.findIndex((e, i) => i > isr && e.ph === 'B' && e.cat === 'dpc' && e.name === 'edu!EduDpcForIsr');
    const dpcEnd = traceEvents.findIndex((e, i) => i > dpc && e.ph === 'E' && e.cat === 'dpc');
    const begin = traceEvents.findLastIndex(
      (e, i) => i < isr && e.ph === 'b' && e.cat === 'irp' && e.name.startsWith('edu!') && /DEVICE_CONTROL/.test(e.name),
    );
    const end = traceEvents.findIndex((e, i) => i > begin && e.ph === 'e' && e.cat === 'irp' && e.id === traceEvents[begin]!.id);
    expect([begin, isr, isrEnd, dpc, end, dpcEnd]).toEqual([begin, isr, isrEnd, dpc, end, dpcEnd].toSorted((a, b) => a - b));
    expect(begin).toBeGreaterThan(-1);
    /** The counter's value at an event: what it was set to last. */
    const irqlAt = (i: number): unknown =>
      Object.values(traceEvents.findLast((e, j) => j < i && e.ph === 'C' && e.name === 'irql')!.args!)[0];
    expect(irqlAt(isr)).toBe(dirql);
    expect(irqlAt(isrEnd)).toBe(dirql);
    expect(irqlAt(dpc)).toBe(2);
    expect(irqlAt(dpcEnd)).toBe(2);

    // What Perfetto needs: times that do not run back, slices that nest, async ends that have a begin.
    const open = new Map<number | undefined, string[]>(),
      begun = new Set<string>();
    let last = 0;
    for (const e of traceEvents) {
      if (e.ph === 'M') continue;
      expect(e.ts!).toBeGreaterThanOrEqual(last);
      last = e.ts!;
      if (e.ph === 'B') open.set(e.tid, [...(open.get(e.tid) ?? []), e.name]);
      if (e.ph === 'E') expect(open.get(e.tid)!.pop()).toBe(e.name);
      if (e.ph === 'b') begun.add(e.id!);
      if (e.ph === 'e') expect(begun.has(e.id!)).toBe(true);
    }
    expect([...open.values()].flat()).toEqual([]);
    expect(traceEvents.some(e => e.cat === 'isr' && e.name.startsWith('nt!'))).toBe(true);
  });

  it('opens the device that --device names', () => {
    const { status, stdout } = kmode('run', sample('echo'), '--device', '\\Device\\Echo', '--write', '01', '--json');
    expect(status).toBe(0);
    expect(json(stdout).results[0]!.information).toBe(1);
  });

  it('reports a refused operation and goes on', () => {
    const { status, stdout } = kmode('run', sample('echo'), '--ioctl', '0x222abc', '--write', '01');
    expect(status).toBe(0);
    expect(stdout).toContain('ioctl 0x222abc: failed, status 0xc0000010');
    expect(stdout).toContain('write 1: status 0x00000000, 1 bytes');
  });

  it('names the limit and the request when one never completes', () => {
    const { status, stdout, stderr } = kmode('run', sample('echo'), '--read', '5');
    expect(status).toBe(1);
    expect(stdout).toContain('read 5: pending');
    expect(stderr).toMatch(/^kmode: read 5 was never completed: .*60 seconds of guest time.*READ 5 bytes .*\\Driver\\echo/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('stops at --cycles and says where', () => {
    const { status, stdout, stderr } = kmode('run', sample('crash'), '--ioctl', '0x222010', '--cycles', '5_000_000', '--json');
    expect(status).toBe(1);
    expect(stderr).toBe('');
    const report = json(stdout);
    expect(report.cycles).toBe(5_000_000);
    expect(report.ok).toBe(false);
    expect(report.error).toMatch(/^stopped at cycle 5000000; .*crash!CrashLoop/);
  });
});

describe('kmode info', () => {
  it('shows sections and imports, and which of them exist here', () => {
    const { status, stdout } = kmode('info', sample('edu'));
    expect(status).toBe(0);
    expect(stdout).toMatch(/\.text +0x1000 .*r-x/);
    expect(stdout).toMatch(/ntoskrnl\.exe\n(?:.*\n)*? +IoConnectInterrupt\n/);
    expect(stdout).toMatch(/\d+ imports: \d+ here, \d+ in part, 0 absent/);
    const info = JSON.parse(kmode('info', '--json', sample('hello')).stdout) as {
      imports: { module: string; routines: { name: string; status: string }[] }[];
    };
    expect(info.imports).toEqual([{ module: 'ntoskrnl.exe', routines: [{ name: 'DbgPrint', status: 'full' }] }]);
  });
});

describe('what the user gets wrong', () => {
  const notes = join(folder, 'notes.sys');
  writeFileSync(notes, 'not a driver');
  writeFileSync(join(folder, 'empty.sys'), '');

  it.each([
    [['run'], /which driver\?/],
    [['run', 'a.sys', 'b.sys'], /'b\.sys' is a second one/],
    [['run', '--frobnicate', 'a.sys'], /unknown option '--frobnicate'/],
    [['run', 'a.sys', '--ioctl', '0x222000:abc'], /--ioctl: 'abc' has an odd number/],
    [['run', 'a.sys', '--read'], /--read needs a value/],
    [['run', 'a.sys', '--cycles', 'many'], /--cycles: 'many' is not a number/],
    [['fly'], /unknown command 'fly'/],
    [['info'], /which file\?/],
    [['run', join(folder, 'absent.sys')], /absent\.sys: there is no such file/],
    [['run', folder], /is a folder, not a driver/],
    [['run', notes], /notes\.sys: at offset 0x0: the file starts with 0x6f6e; expected the letters 'MZ'/],
    [['info', join(folder, 'empty.sys')], /empty\.sys: at offset 0x0: the file has 0 bytes; expected/],
    [['run', sample('hello'), '--read', '1'], /hello\.sys has no device/],
    [['run', sample('echo'), '--device', '\\\\.\\Nobody', '--read', '1'], /open of \\\\\.\\Nobody: STATUS_OBJECT_NAME_NOT_FOUND/],
    [['run', sample('hello'), '--trace', join(folder, 'no', 'such', 'folder.json')], /folder\.json: there is no folder/],
  ])('%j: one line and status 1', (args, message) => {
    const { status, stderr } = kmode(...args);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^kmode: /);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect(status).toBe(1);
  });

  it('gets help when asked for, on standard output', () => {
    for (const args of [['--help'], ['run', '--help'], ['info', '-h'], []]) {
      const { status, stdout, stderr } = kmode(...args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain('Usage:');
    }
    expect(kmode('--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
