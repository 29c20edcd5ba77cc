import { describe, expect, it } from 'vitest';
import type { Machine } from '../../emulator/index.ts';
import { crashCases } from '../crashcases.ts';
import { kmode, machineWith, sample, signed, u32s, u64, unsigned } from './support.ts';

/**
 * Every way that `crash` kills the machine, and what the bug check says. What a parameter must be is found out without the report: from the image, its symbols
 * and the machine's state before the crash.
 */

/** Address of a symbol; it must be there. */
function symbol(machine: Machine, name: string): number {
  const address = machine.guest.addressOf(name);
  if (address === null) throw new Error(`${name} has no address`);
  return address;
}

/** Address of the only instruction of a routine that has these bytes. */
function instruction(machine: Machine, routine: string, ...bytes: number[]): number {
  const start = symbol(machine, routine);
  const code = machine.readMemory(start, 0x40);
  const hits = Array.from(code.keys()).filter(at => bytes.every((b, i) => code[at + i] === b));
  if (hits.length !== 1)
    throw new Error(`${routine} has ${hits.length} instructions with the bytes ${bytes.map(b => b.toString(16)).join(' ')}`);
  return start + hits[0]!;
}

const inModule = (machine: Machine, address: bigint, name: string): boolean => {
  const m = machine.guest.modules().find(module => module.name === name)!;
  return signed(address) >= m.base && signed(address) < m.base + m.size;
};

interface Case {
  ioctl: number;
  what: string;
  code: number;
  name: string;
  irql: number;
  /** Routine that the report names. */
  routine: string;
  driver: string;
  /** Looks at the machine as it stands at the first instruction of `stopAt` (for the `pass`th time), before the crash. */
  stopAt?: { symbol: string; pass: number };
  parameters: (
    machine: Machine,
    before: { rcx: bigint; rdx: bigint; memory: (va: bigint, length: number) => Uint8Array },
  ) => (bigint | 'checked below')[];
  check?: (machine: Machine, parameters: readonly bigint[]) => void;
}

const CASES: readonly Case[] = [
  {
    ioctl: 0x222000,
    what: 'a bad pointer at DISPATCH_LEVEL',
    code: 0xd1,
    name: 'DRIVER_IRQL_NOT_LESS_OR_EQUAL',
    irql: 2,
    routine: 'crash!CrashBadPointer',
    driver: 'crash.sys',
    // mov dword ptr [rdx], 1
    parameters: m => [
      u64(m.readMemory(symbol(m, 'crash!BadPointer'), 8)),
      2n,
      1n,
      unsigned(instruction(m, 'crash!CrashBadPointer', 0xc7, 0x02, 1, 0, 0, 0)),
    ],
    check: (_m, [address]) => expect(address).toBe(0xffff8b0deadbeef0n),
  },
  {
    ioctl: 0x222004,
    what: 'a pool block freed twice',
    code: 0xc1,
    name: 'SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION',
    irql: 0,
    routine: 'crash!',
    driver: 'crash.sys',
    stopAt: { symbol: 'nt!ExFreePoolWithTag', pass: 2 },
    parameters: (_m, before) => [before.rcx, 0x40n, 0n, 0x20n],
  },
  {
    ioctl: 0x222008,
    what: 'an IRP completed twice',
    code: 0x44,
    name: 'MULTIPLE_IRP_COMPLETE_REQUESTS',
    irql: 0,
    routine: 'crash!CrashDeviceControl',
    driver: 'crash.sys',
    stopAt: { symbol: 'crash!CrashDeviceControl', pass: 1 },
    // The second is reserved: a line of Windows' source.
    parameters: (_m, before) => [before.rdx, 'checked below', 0n, 0n],
  },
  {
    ioctl: 0x22200c,
    what: 'a division by zero',
    code: 0x3b,
    name: 'SYSTEM_SERVICE_EXCEPTION',
    irql: 0,
    routine: 'crash!CrashDivide',
    driver: 'crash.sys',
    // div r32 (F7 /6)
    parameters: m => [0xc0000094n, unsigned(instruction(m, 'crash!CrashDivide', 0xf7, 0xf1)), 'checked below', 0n],
    check: (m, p) => {
      const context = signed(p[2]!);
      const CONTEXT_FULL = 0x10000b;
      expect(u32s(m.readMemory(context + 0x30, 4))[0]! & CONTEXT_FULL).toBe(CONTEXT_FULL);
      expect(u64(m.readMemory(context + 0xf8, 8))).toBe(p[1]);
      // 1000 / 0: the dividend is in EDX:EAX, the divisor in ECX.
      expect(u32s(m.readMemory(context + 0x78, 8))[0]).toBe(1000);
      expect(u32s(m.readMemory(context + 0x80, 8))[0]).toBe(0);
      expect(u32s(m.readMemory(context + 0x88, 8))[0]).toBe(0);
    },
  },
  {
    ioctl: 0x222010,
    what: 'an endless loop at DISPATCH_LEVEL',
    code: 0x133,
    name: 'DPC_WATCHDOG_VIOLATION',
    irql: 2,
    routine: 'crash!CrashLoop',
    driver: 'crash.sys',
    parameters: m => [1n, BigInt(m.config.dpcWatchdogTicks), 'checked below', 0n],
    check: (m, p) => {
      const TRIAGE_BLOCK_SIGNATURE = 0xaebecede;
      expect(inModule(m, p[2]!, 'ntoskrnl.exe')).toBe(true);
      expect(u32s(m.readMemory(signed(p[2]!), 4))[0]).toBe(TRIAGE_BLOCK_SIGNATURE);
      // One guest second, up to a tick more.
      const seconds = (m.bugCheck()!.cycle - loopedFrom(m)) / m.config.tscHz;
      expect(seconds).toBeGreaterThan(0.98);
      expect(seconds).toBeLessThan(1.04);
    },
  },
  {
    ioctl: 0x222014,
    what: 'a return with a raised IRQL',
    code: 0xc9,
    name: 'DRIVER_VERIFIER_IOMANAGER_VIOLATION',
    irql: 2,
    routine: 'crash!CrashDeviceControl',
    driver: 'crash.sys',
    stopAt: { symbol: 'crash!CrashDeviceControl', pass: 1 },
    parameters: (_m, before) => [5n, before.rcx, 0n, 2n],
  },
];

/** Cycle of the request that entered the loop: the last one that was put in. */
const loopedFrom = (machine: Machine): number => machine.inputs.records.at(-1)!.cycle;

describe('crash', () => {
  it.each(CASES)('dies of $what: $name', c => {
    const machine = machineWith('crash');
    const file = machine.open('\\\\.\\Crash');
    if (c.stopAt) machine.setBreakpoints([symbol(machine, c.stopAt.symbol)]);
    let result = file.ioctl(c.ioctl);
    for (let pass = 1; c.stopAt && pass < c.stopAt.pass; pass++) {
      expect(result.outcome).toBe('breakpoint');
      result = machine.result(result.id, true);
    }
    const { rcx, rdx } = machine.registers();
    const memory = (va: bigint, length: number): Uint8Array => machine.readMemory(signed(va), length);
    const expected = c.parameters(machine, { rcx, rdx, memory });
    if (c.stopAt) {
      expect(result.outcome).toBe('breakpoint');
      expect(machine.bugCheck()).toBeNull();
      machine.setBreakpoints([]);
      result = machine.result(result.id, true);
    }
    expect(result.outcome).toBe('bugcheck');

    const b = machine.bugCheck()!;
    expect(b.code).toBe(c.code);
    expect(b.name).toBe(c.name);
    expect(b.irql).toBe(c.irql);
    expect(b.driver).toBe(c.driver);
    expect(b.routine).toContain(c.routine);
    expect(b.parameters).toEqual(expected.map((p, i) => (p === 'checked below' ? b.parameters[i] : p)));
    c.check?.(machine, b.parameters);
    expect(b.stack.map(f => f.symbol).join('\n')).toContain('nt!');
  });

  it('is described by the table of its README', () => {
    const described = crashCases().filter(row => row.title === null);
    expect(described.map(row => [Number(row.ioctl), row.code, row.name])).toEqual(CASES.map(c => [c.ioctl, c.code, c.name]));
  });

  it('ends the command line with status 2 and the report', () => {
    const { status, stdout, stderr } = kmode('run', sample('crash'), '--ioctl', '0x22200c');
    expect(status).toBe(2);
    expect(stderr).toBe('');
    expect(stdout).toContain('*** STOP 0x3b SYSTEM_SERVICE_EXCEPTION');
    expect(stdout).toMatch(/driver +crash\.sys/);
    expect(stdout).toMatch(/routine +crash!CrashDivide\+0x/);
    expect(stdout).toMatch(/IRQL +0 \(PASSIVE_LEVEL\)/);
    // From the driver through the system service to the program that asked.
    expect(stdout).toMatch(
      /nt!NtDeviceIoControlFile[^]*ntdll!NtDeviceIoControlFile[^]*requester!ReqMain[^]*ntdll!RtlUserThreadStart/,
    );
    expect(stdout).toMatch(/cause +crash!CrashDivide\+0x[0-9a-f]+ at cycle \d+, processor 0: /);
  });

  it('ends --json with the bug check in the object', () => {
    const { status, stdout } = kmode('run', sample('crash'), '--ioctl', '0x222000', '--json');
    expect(status).toBe(2);
    const report = JSON.parse(stdout) as { ok: boolean; bugcheck: Record<string, unknown>; results: { outcome: string }[] };
    expect(report.ok).toBe(false);
    expect(report.bugcheck).toMatchObject({
      code: '0xd1',
      name: 'DRIVER_IRQL_NOT_LESS_OR_EQUAL',
      driver: 'crash.sys',
      irql: 2,
      parameters: ['0xffff8b0deadbeef0', '0x0000000000000002', '0x0000000000000001', expect.stringMatching(/^0xfffff8/)],
    });
    expect(report.bugcheck.routine).toMatch(/^crash!CrashBadPointer\+0x/);
    expect(report.results[0]!.outcome).toBe('bugcheck');
  });
});
