import { describe, expect, it } from 'vitest';
import { KUSER_SHARED_DATA } from '../../kernel/types/ke.ts';
import { KUSER_SHARED_DATA as SHARED_PAGE } from '../../kernel/mm/layout.ts';
import { UNIX_EPOCH_IN_NT_TIME } from '../../kernel/ke/time.ts';
import { kernelMachine, runToIdle } from './kernelmachine.ts';

describe('boot', () => {
  it('comes up idle, with the kernel, the HAL and the system process in their lists', () => {
    const m = kernelMachine();
    runToIdle(m);
    expect(m.os.bugCheck()).toBeNull();
    expect(m.os.modules().map(x => x.name)).toEqual(['ntoskrnl.exe', 'hal.dll']);
    const cpu = m.machine.cpus[0]!;
    expect(cpu.halted).toBe(true);
    expect(cpu.cr8).toBe(2);
    expect(m.os.symbolAt(cpu.rip)).toMatch(/^nt!KiIdleLoop/);
    expect(m.os.addressOf('nt!KeSetEvent')).toBeLessThan(0);
    expect(m.os.exportStatus('ntoskrnl.exe', 'KeSetEvent')).toBe('full');
    expect(m.os.exportStatus('ntoskrnl.exe', 'KiIdleLoop')).toBeNull();
  });

  it('keeps KUSER_SHARED_DATA by the clock interrupt', () => {
    const m = kernelMachine();
    runToIdle(m);
    const { mem } = m.machine.cpus[0]!;
    const f = KUSER_SHARED_DATA.f;
    const time = (at: number): bigint =>
      (BigInt(mem.readI32(SHARED_PAGE + at + 4)) << 32n) | BigInt(mem.read32(SHARED_PAGE + at));
    m.machine.run(1_000_000_000);
    // Ten seconds of 15.625 ms ticks, the first of which is a period after the clock was started.
    expect(f.TickCountQuad.get(mem, SHARED_PAGE)).toBe(639n);
    expect(time(f.InterruptTime.offset)).toBe(639n * 156250n);
    expect(time(f.SystemTime.offset)).toBe(1767225600n * 10_000_000n + UNIX_EPOCH_IN_NT_TIME + 639n * 156250n);
    expect(mem.read32(0x7ffe0000 + f.NtBuildNumber.offset) & 0xffff).toBe(19045);
  });

  it('is the same whatever the slices', () => {
    const run = (slice: number): string => {
      const m = kernelMachine();
      for (let at = slice; at < 7_000_000; at += slice) m.machine.run(at);
      m.machine.run(7_000_000);
      return m.machine.stateHash();
    };
    const whole = run(7_000_000);
    expect(run(997)).toBe(whole);
    expect(run(1_000_000)).toBe(whole);
  });
});
