import { describe, expect, it } from 'vitest';
import { Machine } from '../../emulator/index.ts';
import type { MachineConfig } from '../../hal/bus/index.ts';
import { kernelMachine, type KernelMachine, runToIdle, startDriver } from './kernelmachine.ts';
import { machineWith, sample, u32, u32s } from './support.ts';

const RACES = { unlocked: 0x222000, locked: 0x222004, interlocked: 0x222008 } as const;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

describe.each([1, 2, 4, 8])('the kernel on %i processor(s)', cpus => {
  it('starts all of them, and lets them sleep', () => {
    const machine = Machine.create({ cpus });
    const running = machine.guest.command('!running').slice(1);
    expect(running).toHaveLength(cpus);
    expect(machine.cpus.map(c => c.halted)).toEqual(Array.from({ length: cpus }, () => true));
    expect(machine.cpus.map(c => c.cr8)).toEqual(Array.from({ length: cpus }, () => 2));
    // Each has its own KPCR, descriptor tables and stack.
    for (const get of [c => c.gdtr().base, c => c.idtr().base, c => c.gpr(4), c => c.rdmsr(0xc0000101)] as ((
      c: Machine['cpus'][number],
    ) => number | bigint)[])
      expect(new Set(machine.cpus.map(get)).size).toBe(cpus);
    expect(machine.bugCheck()).toBeNull();
  });

  it('runs the samples with the same results', () => {
    const machine = Machine.create({ cpus, limitSeconds: 10 });
    for (const name of ['hello', 'echo', 'ticker', 'edu']) machine.load(sample(name));
    const echo = machine.open('\\\\.\\Echo');
    const first = echo.read(16);
    expect(first.outcome).toBe('pending');
    echo.write(text('one'));
    expect(machine.result(first.id, true)).toMatchObject({ outcome: 'done', data: text('one') });
    expect(echo.ioctl(0x222000, text('stressed')).data).toEqual(text('desserts'));
    expect(echo.ioctl(0x222006, Uint8Array.of(0xa5), 10_000).data).toEqual(new Uint8Array(10_000).fill(0xa5));
    const edu = machine.open('driver:edu');
    expect(u32s(edu.ioctl(0x222000, u32(10)).data)[0]).toBe(3628800);
    const sent = Uint8Array.from({ length: 4096 }, (_, i) => i * 7);
    expect(edu.ioctl(0x222004, sent).data).toEqual(sent);
    const ticker = machine.open('driver:ticker');
    machine.runFor(1);
    const [dpcs, wakes, works, irqls] = u32s(ticker.ioctl(0x222000).data);
    // Every 10 ms, of a clock that ticks every 15.625 ms: one for each tick.
    expect(Math.abs(dpcs! - 65)).toBeLessThan(3);
    expect([wakes, works, irqls]).toEqual([dpcs, Math.floor(dpcs! / 8), 0x000002]);
    for (const open of [echo, edu, ticker]) open.close();
    for (const name of ['edu', 'ticker', 'echo', 'hello']) expect(machine.unload(name).status).toBe(0);
    expect(machine.bugCheck()).toBeNull();
  });

  it('adds without losses under a lock', () => {
    const races = machineWith('races', { cpus }).open('\\\\.\\Races');
    for (const code of [RACES.locked, RACES.interlocked])
      expect(u32s(races.ioctl(code, u32(500), 12).data)).toEqual([500 * cpus, 500 * cpus, cpus]);
  });
});

function runDriver(name: string, config: Partial<MachineConfig>, limit = 300_000_000): KernelMachine {
  const m = kernelMachine(config);
  runToIdle(m);
  startDriver(m, name);
  const start = m.machine.cycle;
  while (m.machine.cycle < start + limit && m.os.bugCheck() === null && !m.lines.includes('processors done'))
    m.machine.run(m.machine.cycle + 1_000_000);
  return m;
}

describe('processors work together', () => {
  it.each([
    [1, 1],
    [2, 1],
    [4, 1],
    [4, 2],
    [4, 3],
    [8, 1],
  ])('%i of them, schedule seed %i', (cpus, scheduleSeed) => {
    const m = runDriver('processors', { cpus, scheduleSeed });
    expect(m.os.bugCheck()).toBeNull();
    expect(m.lines).toEqual([
      'targeted DPCs done',
      'flushed: all',
      'generic DPC: all, first 3, too early 0, irqls 4',
      'generic call: all, result 42, irqls 4000, irql 0',
      'NMI: all, irqls 8000, told right, 0 c0000008, irql 0',
      'affinity: kept',
      ...['mutex', 'fast mutex', 'guarded mutex', 'resource', 'spin lock', 'queued spin lock', 'event', 'semaphore'].map(
        name => `${name}: none lost`,
      ),
      'mappings: 0 wrong',
      "APC: on the thread's processor",
      'processors done',
    ]);
  });

  it.each([1, 2, 4])('YMM and x87 registers belong to the threads that saved them, on %i', cpus => {
    const m = runDriver('xstate', { cpus });
    expect(m.os.bugCheck()).toBeNull();
    expect(m.lines).toEqual([
      ...['waits', 'preemption', 'migration', 'nesting', 'DPCs'].map(name => `${name}: 0 wrong`),
      'DPCs ran: often',
      'processors done',
    ]);
  });

  it.each([2, 4])('a mapping that one of %i takes back is gone for the others', cpus => {
    const m = runDriver('stale', { cpus }, 20_000_000);
    expect(m.lines.filter(l => l.startsWith('read'))).toEqual([]);
    expect(m.os.bugCheck()).toMatchObject({ name: 'PAGE_FAULT_IN_NONPAGED_AREA', cpu: cpus - 1 });
  });
});

describe('the debugger', () => {
  it('shows each processor', () => {
    const machine = Machine.create({ cpus: 4 });
    const command = (line: string): string[] => machine.guest.command(line);
    expect(command('~').slice(1)).toHaveLength(4);
    for (const line of command('~').slice(1)) expect(line).toMatch(/^\d\s+idle\s+2\s+nt!KiIdleLoop/);
    expect(command('!pcr 3')[0]).toMatch(/^KPCR for Processor 3 at fffff880`00980000/);
    expect(command('!prcb 2').join('\n')).toMatch(/Processor Index 2 .* GroupSetMember 0x4 APIC ID 2/);
    expect(() => command('!pcr 4')).toThrow(/no processor 4/);
    expect(command('!irql 3')).toEqual(['Current IRQL of processor 3 -- 2 (DISPATCH_LEVEL)']);
  });
});

describe('a bug check on several processors', () => {
  it('stops all of them and names the one at fault', () => {
    const machine = machineWith('crash', { cpus: 4 });
    const result = machine.open('\\\\.\\Crash').ioctl(0x22200c);
    expect(result.outcome).toBe('bugcheck');
    const report = machine.bugCheck()!;
    expect(report.driver).toBe('crash.sys');
    expect(report.cpu).toBeLessThan(4);
    machine.run(machine.cycle + 100_000);
    for (const line of machine.guest.command('~').slice(1)) expect(line).toContain('frozen');
    expect(machine.cpus.map(c => [machine.guest.symbolAt(c.rip)?.split('+')[0], c.rflags & 0x200, c.cr8])).toEqual(
      Array.from({ length: 4 }, () => ['nt!KiFreezeProcessor', 0, 15]),
    );
  });
});
