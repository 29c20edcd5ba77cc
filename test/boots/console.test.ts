import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DriverMachine } from '../../emulator/library.ts';
import { offerFile } from '../../emulator/requests.ts';
import type { GuestOs, Platform } from '../../hal/bus/index.ts';
import { conDebugText, say } from '../../kernel/console/screen.ts';
import { Kernel } from '../../kernel/kernel.ts';

const SAMPLES = ['hello', 'echo', 'ticker', 'edu', 'crash'];
const PROMPT = 'kmode> ';
const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../samples/${name}/${name}.sys`, import.meta.url)));

function machineWithSamples(): DriverMachine {
  const machine = DriverMachine.create();
  for (const name of SAMPLES) offerFile(machine, `${name}.sys`, sample(name));
  return machine;
}

/** The rows that a terminal shows for what was sent to it; knows the control sequences that the console uses. */
function render(sent: string): string[] {
  let rows = [''];
  let at = 0;
  const put = (c: string): void => {
    const row = rows.at(-1)!.padEnd(at);
    rows[rows.length - 1] = row.slice(0, at) + c + row.slice(at + 1);
    at++;
  };
  for (let i = 0; i < sent.length; i++) {
    const m = /^\x1b\[(\d*)([A-Z])/.exec(sent.slice(i, i + 8));
    if (m) {
      const n = Number(m[1] || 1);
      if (m[2] === 'C') at += n;
      else if (m[2] === 'D') at -= n;
      else if (m[2] === 'K') rows[rows.length - 1] = rows.at(-1)!.slice(0, at);
      else if (m[2] === 'J') rows = [''];
      else if (m[2] === 'H') at = 0;
      else throw new Error(`the console sent ESC [ ${m[1]} ${m[2]}`);
      i += m[0].length - 1;
    } else if (sent[i] === '\r') at = 0;
    else if (sent[i] === '\n') rows.push('');
    else if (sent[i] !== '\x07') put(sent[i]!);
  }
  return rows;
}

const screen = (machine: DriverMachine): string[] => render(machine.consoleText());

/** Runs until the screen's last row is what is wanted and nothing more happens. */
function runUntil(machine: DriverMachine, lastRow: string, seconds = 5): void {
  const end = machine.cycle + seconds * machine.config.tscHz;
  for (;;) {
    const before = machine.output.count;
    machine.runFor(0.01);
    if (machine.bugCheck() !== null) throw new Error(`bug check ${machine.bugCheck()!.name}`);
    if (machine.output.count === before && screen(machine).at(-1) === lastRow) return;
    if (machine.cycle >= end)
      throw new Error(`the screen ends with '${screen(machine).slice(-3).join('\n')}', not with '${lastRow}'`);
  }
}

/** Types a line and gives the rows between it and the next prompt. */
function command(machine: DriverMachine, line: string, seconds = 5): string[] {
  runUntil(machine, PROMPT);
  const from = screen(machine).length - 1;
  machine.type(`${line}\r`);
  runUntil(machine, PROMPT, seconds);
  const rows = screen(machine).slice(from);
  expect(rows[0]).toBe(PROMPT + line.trim());
  return rows.slice(1, -1);
}

function kernelOf(machine: DriverMachine): Kernel {
  return new Kernel(machine as Platform, (machine.guest as GuestOs as unknown as { kernel: Kernel }).kernel.images);
}

describe('the console on COM1', () => {
  it('greets and lists its commands', () => {
    const machine = machineWithSamples();
    runUntil(machine, PROMPT);
    expect(screen(machine).slice(0, -1)).toEqual([
      '',
      'kmode: NT kernel 10.0.19045 for x64, 64 MiB of RAM, 1 processor',
      "Type 'help' for the commands.",
      '',
    ]);
    const help = command(machine, 'help');
    for (const name of [
      'help',
      'drivers',
      'devices',
      'devtree',
      'threads',
      'objects',
      'load',
      'unload',
      'read',
      'write',
      'ioctl',
      'requests',
      'cancel',
      'mem',
      'time',
      'uptime',
      'clear',
    ]) {
      expect(
        help.some(row => new RegExp(`^${name}( [A-Z[][^ ]*)*  `).test(row)),
        name,
      ).toBe(true);
      expect(command(machine, `help ${name}`)[0]).toMatch(new RegExp(`^${name}`));
    }
    expect(help.every(row => row.length < 80)).toBe(true);
  });

  it('loads echo, writes to it and reads back', () => {
    const machine = machineWithSamples();
    expect(command(machine, 'load')).toEqual([
      'offered:',
      ...SAMPLES.map(s => expect.stringMatching(new RegExp(`^  ${s}\\.sys +${sample(s).length} bytes$`))),
    ]);
    expect(command(machine, 'load echo').at(-1)).toMatch(/^echo loaded at fffff800`[0-9a-f]{8}$/);
    expect(
      command(machine, 'drivers').some(row => /^echo\.sys +fffff800`\w{8} +0x\w+ +\w{8}`\w{8} +\\Driver\\echo$/.test(row)),
    ).toBe(true);
    expect(command(machine, 'devices').some(row => /\\Device\\Echo +\\Driver\\echo +FILE_DEVICE_UNKNOWN/.test(row))).toBe(true);
    expect(command(machine, 'write echo "hi"')).toEqual(['STATUS_SUCCESS, 2 bytes']);
    expect(command(machine, 'read \\\\.\\Echo 2')).toEqual(['STATUS_SUCCESS, 2 bytes', `00000000  68 69${' '.repeat(42)}  hi`]);
    expect(command(machine, 'unload echo').at(-1)).toBe('echo unloaded');
  });

  it('reads and writes from an offset', () => {
    const machine = DriverMachine.create();
    offerFile(machine, 'io.sys', new Uint8Array(readFileSync(new URL('drivers/io.sys', import.meta.url))));
    command(machine, 'load io', 60);
    expect(command(machine, 'write IoTest 0102 @0x200')).toEqual(['STATUS_SUCCESS, 2 bytes']);
    expect(command(machine, 'read IoTest 16 @0x1000')[1]).toMatch(/^00000000  00 10 00 00 00 00 00 00-00 02 00 00 00 00 00 00  /);
    expect(command(machine, 'read IoTest 16 0x1000')).toEqual([expect.stringMatching(/@N expected, like @0x200, not '0x1000'/)]);
    expect(command(machine, 'read IoTest 16 @x')).toEqual([expect.stringMatching(/N is a number from 0/)]);
  });

  it('computes a factorial on the edu device', () => {
    const machine = machineWithSamples();
    expect(command(machine, 'load edu').at(-1)).toMatch(/^edu loaded at /);
    expect(command(machine, 'devtree').some(row => /^ +PCI\\VEN_1234&DEV_11E8.* edu +DeviceNodeStarted$/.test(row))).toBe(true);
    expect(command(machine, 'ioctl edu 0x222000 0a000000')).toEqual([
      'STATUS_SUCCESS, 4 bytes',
      `00000000  00 5f 37 00${' '.repeat(36)}  ._7.`,
    ]);
  });

  it('says that a request is pending, and announces its end above the line that is being typed', () => {
    const machine = machineWithSamples();
    command(machine, 'load echo');
    expect(command(machine, 'read echo 3')).toEqual(['pending (request 1)']);
    expect(command(machine, 'requests')).toEqual(['1  read echo 3  pending']);
    machine.type('uptim');
    runUntil(machine, `${PROMPT}uptim`);
    machine.open('\\\\.\\Echo').write(new TextEncoder().encode('abc'));
    runUntil(machine, `${PROMPT}uptim`);
    expect(screen(machine).slice(-3, -1)).toEqual([
      'request 1 (read echo 3): STATUS_SUCCESS, 3 bytes',
      `00000000  61 62 63${' '.repeat(39)}  abc`,
    ]);
    machine.type('e\r');
    runUntil(machine, PROMPT);
    expect(screen(machine).at(-2)).toMatch(/^00:00:\d\d\.\d{3}$/);
    expect(command(machine, 'requests')).toEqual(['none is outstanding']);
  });

  it('cancels a request', () => {
    const machine = machineWithSamples();
    command(machine, 'load echo');
    command(machine, 'read echo 3');
    const rows = command(machine, 'cancel 1');
    expect(rows).toContain('cancel 1: STATUS_SUCCESS');
    expect(rows).toContain('request 1 (read echo 3): STATUS_CANCELLED, 0 bytes');
    expect(command(machine, 'cancel 1')).toEqual(["there is no request 1: 'requests' lists them"]);
  });

  it('says what is wrong and what to do', () => {
    const machine = machineWithSamples();
    expect(command(machine, 'frobnicate')).toEqual(["'frobnicate' is not a command; 'help' lists them"]);
    expect(command(machine, 'load nothing')).toEqual([
      `no driver nothing is offered; there are: ${SAMPLES.map(s => `${s}.sys`).join(' ')}`,
    ]);
    expect(command(machine, 'read nothing 1')[0]).toMatch(/^cannot open nothing: STATUS_OBJECT_NAME_NOT_FOUND/);
    expect(command(machine, 'write echo')).toEqual(['usage: write NAME HEX|"TEXT" [@N]']);
    expect(command(machine, 'write echo xyz')).toEqual([`'xyz' is neither pairs of hexadecimal digits (0a0b) nor "text"`]);
    expect(command(machine, 'unload nothing')).toEqual(['cannot unload nothing: STATUS_OBJECT_NAME_NOT_FOUND']);
    expect(command(machine, 'mem 0 16')).toEqual([
      `00000000\`00000000  ${'?? '.repeat(7)}??-${'?? '.repeat(7)}??  ................`,
    ]);
    offerFile(machine, 'text.sys', new TextEncoder().encode('no image at all'));
    expect(command(machine, 'load text')[0]).toMatch(/^cannot load text: STATUS_INVALID_IMAGE\w+: .*text/);
  });

  it('remembers lines and takes keys that edit', () => {
    const machine = machineWithSamples();
    command(machine, 'objects \\Device');
    command(machine, 'time');
    machine.type('xx\x1b[A\x1b[A');
    runUntil(machine, `${PROMPT}objects \\Device`);
    machine.type('\x15');
    runUntil(machine, PROMPT);
    machine.type('hel\x7f\x7felp\x03');
    runUntil(machine, PROMPT);
    expect(screen(machine).at(-2)).toBe(`${PROMPT}help^C`);
  });

  it('sends output that is longer than its ring, all of it', () => {
    const machine = machineWithSamples();
    const wanted = machine.guest.command('x nt!*');
    expect(wanted.join('\r\n').length).toBeGreaterThan(0x2000);
    expect(command(machine, 'x nt!*', 20)).toEqual(wanted.map(line => line.trimEnd()));
  });

  it('stops long output at Ctrl+C, and stops waiting for a request', () => {
    const machine = machineWithSamples();
    const all = machine.guest.command('x nt!*').length;
    runUntil(machine, PROMPT);
    machine.type('x nt!*\r');
    machine.runFor(0.2);
    machine.type('\x03');
    runUntil(machine, PROMPT);
    const rows = screen(machine);
    expect(rows.at(-2)).toMatch(/\^C$/);
    expect(rows.length).toBeLessThan(all);

    machine.type('load echo\r\x03');
    runUntil(machine, PROMPT);
    expect(screen(machine)).toContain('request 1 (load echo) goes on; its end will be announced');
    expect(screen(machine).some(row => /^request 1 \(load echo\): echo loaded at /.test(row))).toBe(true);
  });

  it("shows drivers' text above the line that is being typed", () => {
    const machine = machineWithSamples();
    runUntil(machine, PROMPT);
    machine.type('upt');
    runUntil(machine, `${PROMPT}upt`);
    machine.load(sample('hello'), 'hello');
    runUntil(machine, `${PROMPT}upt`);
    expect(screen(machine).at(-2)).toMatch(/^hello: loaded/);
    expect(screen(machine).at(-3)).toBe('');
  });

  it("drops drivers' text that does not fit, says so, and never blocks", () => {
    const machine = machineWithSamples();
    runUntil(machine, PROMPT);
    const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
    for (const line of lines) conDebugText(kernelOf(machine), `${line}\n`);
    runUntil(machine, PROMPT, 20);
    const rows = screen(machine);
    const mark = rows.findIndex(row => /^\[\d+ characters dropped\]$/.test(row));
    expect(mark).toBeGreaterThan(0);
    const shown = rows
      .slice(rows.indexOf('line 0'), mark)
      .filter(row => row !== '')
      .join('\r\n').length;
    const dropped = Number(/\d+/.exec(rows[mark]!)![0]);
    expect(shown + dropped).toBe(lines.join('\r\n').length + 2);
    expect(command(machine, 'uptime')).toHaveLength(1);
  });

  it('puts the mark before what the console says next, and that on a line of its own', () => {
    const machine = machineWithSamples();
    runUntil(machine, PROMPT);
    const k = kernelOf(machine);
    conDebugText(k, 'x'.repeat(10_000));
    say(k, ['and then this']);
    runUntil(machine, PROMPT, 20);
    const rows = screen(machine);
    const shown = /^x+$/.exec(rows.at(-4)!)![0].length;
    expect(rows.slice(-3)).toEqual([`[${10_000 - shown} characters dropped]`, 'and then this', PROMPT]);
  });

  it('keeps its prompt whatever a driver does', () => {
    const machine = machineWithSamples();
    const driver = new Uint8Array(readFileSync(new URL('drivers/console.sys', import.meta.url)));
    offerFile(machine, 'console.sys', driver);
    command(machine, 'load console');

    machine.type('read console 1\r');
    machine.runFor(0.5);
    expect(screen(machine).at(-2)).toBe('console: waiting');
    machine.type('\x03');
    runUntil(machine, PROMPT);
    expect(command(machine, 'requests')).toEqual(['1  read console 1  in the driver']);
    machine.runFor(2);
    runUntil(machine, PROMPT);
    expect(screen(machine).slice(-3)).toEqual(['console: done', 'request 1 (read console 1): STATUS_SUCCESS, 0 bytes', PROMPT]);

    const before = machine.cycle;
    const flood = command(machine, 'write console "x"');
    expect((machine.cycle - before) / machine.config.tscHz).toBeLessThan(2);
    expect(flood[0]).toBe('line 0');
    expect(flood.slice(-2)).toEqual([expect.stringMatching(/^\[\d+ characters dropped\]$/), 'STATUS_SUCCESS, 0 bytes']);
    expect(machine.debugLines().at(-1)).toBe('line 2999');

    machine.type('ioctl console 0\r');
    machine.runFor(0.5);
    machine.type('\x03');
    machine.runFor(0.5);
    machine.type('requests\r');
    machine.runFor(0.5);
    expect(screen(machine).slice(-2)).toEqual(['2  ioctl console 0x0  in the driver', PROMPT]);
  });

  it('does the same in slices of any length, and again after a restore in the middle of its output', () => {
    const session = (machine: DriverMachine, slice: number): string => {
      machine.type('load echo\rwrite echo "hi"\rdrivers\r');
      const end = machine.cycle + machine.config.tscHz;
      while (machine.cycle < end) machine.run(Math.min(end, machine.cycle + slice));
      return machine.stateHash();
    };
    const whole = session(machineWithSamples(), Infinity);
    expect(session(machineWithSamples(), 9_973)).toBe(whole);
    const machine = machineWithSamples();
    const start = machine.checkpoint();
    session(machine, Infinity);
    machine.restore(start);
    expect(session(machine, Infinity)).toBe(whole);
  });
});
