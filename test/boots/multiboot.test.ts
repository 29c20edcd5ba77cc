import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PcMachine } from '../../emulator/pcmachine.ts';
import type { PcOptions } from '../../emulator/pcmachine.ts';
import { kmode } from './support.ts';

const GUEST = new URL('guest/guest.elf', import.meta.url);

function boot(options: Partial<PcOptions> = {}) {
  const machine = PcMachine.create({ image: new Uint8Array(readFileSync(GUEST)), file: 'guest.elf', ...options });
  const end = machine.runFor(5);
  return { end, text: machine.serialText(), hash: machine.stateHash() };
}

describe('a multiboot guest', () => {
  it('finds its command line and module, takes the timer through both controllers, starts the other processors, and ends with its status', () => {
    const modules = [{ name: 'm', bytes: new TextEncoder().encode('a module\n\0') }];
    const { end, text } = boot({ cpus: 4, append: 'quiet x=1', modules });
    expect(text).toBe('guest: guest.elf quiet x=1\na module\ntimer through the 8259\ntimer through the I/O APIC\n4 processors\n');
    expect(end).toEqual({ reason: 'power', power: { kind: 'exit', code: 0x21 }, exitCode: 0x21 });
  });

  it('leaves the same state for the same seed of the schedule', () => {
    const first = boot({ cpus: 3, scheduleSeed: 5 });
    expect(boot({ cpus: 3, scheduleSeed: 5 })).toEqual(first);
  });

  it('does not fit into a megabyte', () => {
    expect(() => boot({ ramBytes: 1 << 20 })).toThrow(/guest.elf: its part at 0x100000.*does not fit/);
  });

  it('boots from the command line, which ends with its status; files that cannot be booted are named', () => {
    const done = kmode('boot', '--multiboot', GUEST.pathname, '--cpus', '2', '--memory', '16M');
    expect(done.stdout).toContain('2 processors');
    expect(done.status).toBe(0x21);
    const bad = kmode('boot', '--multiboot', new URL('guest/build.sh', import.meta.url).pathname);
    expect([bad.status, bad.stdout, bad.stderr]).toEqual([
      64,
      '',
      expect.stringMatching(/^kmode: build.sh: not a multiboot image/),
    ]);
    const none = kmode('boot', '--cpus', '9', '--multiboot', 'x');
    expect([none.status, none.stderr]).toEqual([64, expect.stringMatching(/--cpus '9' is not a whole number from 1 to 8/)]);
  });
});
