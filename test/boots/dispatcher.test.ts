import { describe, expect, it } from 'vitest';
import { kernelMachine, type KernelMachine, runToIdle, startDriver } from './kernelmachine.ts';

function runDriver(name: string, until: string, limit = 300_000_000): KernelMachine {
  const m = kernelMachine();
  runToIdle(m);
  startDriver(m, name);
  const start = m.machine.cycle;
  while (m.machine.cycle < start + limit && m.os.bugCheck() === null && !m.lines.includes(until))
    m.machine.run(m.machine.cycle + 5_000_000);
  return m;
}

describe('the dispatcher', () => {
  it('runs timers, DPCs, waits, mutexes, semaphores and threads', () => {
    const m = runDriver('dispatcher', 'dispatcher done');
    expect(m.os.bugCheck()).toBeNull();
    expect(m.lines).toEqual([
      'tick 0 status 0 dpcs 1',
      'tick 1 status 0 dpcs 2',
      'tick 2 status 0 dpcs 3',
      'tick 3 status 0 dpcs 4',
      'tick 4 status 0 dpcs 5',
      'timeout 102',
      'shared 15 spinners 1 1',
      'joined 0',
      'dpcs on release 1 irql 0',
      'low, waiting: 0',
      'low, spinning: 1',
      'delay 0',
      'dispatcher done',
    ]);
  });

  it('delivers kernel APCs into waits and goes on with the waits', () => {
    const m = runDriver('apc', 'apc done');
    expect(m.os.bugCheck()).toBeNull();
    expect(m.lines).toEqual([
      'kernel routine irql 1 argument 0000000000000005',
      'kernel routine irql 1 argument 0000000000000006',
      'normal routine irql 0 context 0000000000000077',
      'one is still 1',
      'all 0 after 1',
      'any 1 after 1',
      'one 0 two 1',
      'kernel routine irql 1 argument 0000000000000007',
      'normal routine irql 0 context 0000000000000077',
      'one 102 after 2',
      'abandoned 80 state 0 apcs disabled 0',
      'callout 0000000000000099 2',
      'expanded 0 apcs disabled 0',
      'in the region',
      'kernel routine irql 1 argument 0000000000000009',
      'leaving',
      'kernel routine irql 1 argument 0000000000000008',
      'normal routine irql 0 context 0000000000000078',
      'apc done',
    ]);
  });

  it('leaves the same state whatever the slices, threads being switched in the middle', () => {
    const run = (slice: number): string => {
      const m = kernelMachine();
      runToIdle(m);
      startDriver(m, 'dispatcher');
      const end = m.machine.cycle + 60_000_000;
      while (m.machine.cycle < end) m.machine.run(Math.min(end, m.machine.cycle + slice));
      return m.machine.stateHash();
    };
    const whole = run(60_000_000);
    expect(run(99_991)).toBe(whole);
    expect(run(5_000_011)).toBe(whole);
  });

  it('leaves the same state when it is run a cycle at a time', () => {
    const run = (slice: number): string => {
      const m = kernelMachine();
      runToIdle(m);
      startDriver(m, 'dispatcher');
      const fine = m.machine.cycle + 40_000;
      while (m.machine.cycle < fine) m.machine.run(Math.min(fine, m.machine.cycle + slice));
      m.machine.run(fine + 2_000_000);
      return m.machine.stateHash();
    };
    expect(run(1)).toBe(run(40_000));
  });
});

/** Bug checks as Windows documents them for build 19045. `rip` stands for an address in the driver, `frame` for one on a kernel stack, `nt` for one in the kernel. */
const FAULTS: readonly {
  case: number;
  what: string;
  code: number;
  parameters: readonly (bigint | 'rip' | 'frame' | 'nt' | 'pte' | 'object')[];
  irql?: number;
  text?: RegExp;
}[] = [
  {
    case: 1,
    what: 'a write through a bad pointer at DISPATCH_LEVEL',
    code: 0xd1,
    parameters: [0xdeadbeef000n, 2n, 1n, 'rip'],
    irql: 2,
  },
  { case: 2, what: 'a read of an unmapped system address', code: 0x50, parameters: [0xfffff8a012345678n, 0n, 'rip', 2n] },
  {
    case: 3,
    what: 'a write to a user address that nobody mapped',
    code: 0x7e,
    parameters: [0xffffffffc0000005n, 'rip', 'frame', 'frame'],
  },
  { case: 4, what: 'a division by zero', code: 0x7e, parameters: [0xffffffffc0000094n, 'rip', 'frame', 'frame'] },
  { case: 5, what: 'an endless loop at DISPATCH_LEVEL', code: 0x133, parameters: [1n, 64n, 'nt', 0n], irql: 2 },
  { case: 6, what: 'an endless DPC', code: 0x133, parameters: [0n, 65n, 64n, 'nt'], irql: 2 },
  { case: 7, what: 'a bad pointer in a DPC', code: 0xd1, parameters: [0x1234n, 2n, 1n, 'rip'], irql: 2 },
  {
    case: 8,
    what: 'a wait in a DPC',
    code: 0xc4,
    parameters: [0x121n, 'nt', 'object', 0n],
    irql: 2,
    text: /KeWaitForSingleObject must be called at IRQL <= APC_LEVEL/,
  },
  { case: 9, what: 'a division by zero in a DPC', code: 0x1e, parameters: [0xffffffffc0000094n, 'rip', 0n, 0n], irql: 2 },
  { case: 10, what: 'a recursion without end', code: 0x7f, parameters: [8n, 'frame', 'frame', 'rip'] },
  { case: 11, what: 'int 29h', code: 0x139, parameters: [3n, 'frame', 'frame', 0n] },
  { case: 12, what: 'a thread that returns at a raised IRQL', code: 0x4a, parameters: ['rip', 2n, 0n, 0n], irql: 2 },
  { case: 13, what: 'KeBugCheckEx', code: 0xe2, parameters: [1n, 2n, 3n, 4n] },
  { case: 14, what: 'a write to code', code: 0xbe, parameters: ['rip', 'pte', 'frame', 0xbn] },
  { case: 15, what: 'a jump into data', code: 0xfc, parameters: ['rip', 'pte', 'frame', 2n] },
  { case: 16, what: 'a non-canonical address', code: 0x7e, parameters: [0xffffffffc0000005n, 'rip', 'frame', 'frame'] },
  { case: 17, what: 'ud2', code: 0x7e, parameters: [0xffffffffc000001dn, 'rip', 'frame', 'frame'] },
  {
    case: 18,
    what: 'a bad pointer given to a kernel routine',
    code: 0x7e,
    parameters: [0xffffffffc0000005n, 'nt', 'frame', 'frame'],
  },
  {
    case: 19,
    what: 'a kernel routine called at HIGH_LEVEL',
    code: 0xc4,
    parameters: [0x80n, 15n, 'object', 0n],
    irql: 15,
    text: /KeSetEvent/,
  },
  {
    case: 20,
    what: 'a bad pointer given to a kernel routine at DISPATCH_LEVEL',
    code: 0x0a,
    parameters: [0xfffff8a012345678n, 2n, 1n, 'nt'],
    irql: 2,
  },
  { case: 21, what: 'int 3 without a debugger', code: 0x7e, parameters: [0xffffffff80000003n, 'rip', 'frame', 'frame'] },
  { case: 22, what: 'a division that overflows', code: 0x7e, parameters: [0xffffffffc0000095n, 'rip', 'frame', 'frame'] },
  { case: 23, what: 'a DPC that returns at a raised IRQL', code: 0x08, parameters: ['rip', 5n, 'rip', 0n], irql: 5 },
];

describe('bug checks', () => {
  it('a wait in a DPC is ATTEMPTED_SWITCH_FROM_DPC where nothing checks IRQL rules', () => {
    const m = kernelMachine({ verifier: false });
    runToIdle(m);
    startDriver(m, 'fault-8');
    m.machine.run(m.machine.cycle + 5_000_000);
    expect(m.os.bugCheck()).toMatchObject({ code: 0xb8, name: 'ATTEMPTED_SWITCH_FROM_DPC', driver: 'test.sys', irql: 2 });
  });

  it.each(FAULTS)('$what is bug check $code', f => {
    const m = runDriver(`fault-${f.case}`, '', 150_000_000);
    const b = m.os.bugCheck();
    expect(b).not.toBeNull();
    expect(b!.code).toBe(f.code);
    const image = m.os.modules().find(x => x.name === 'test.sys')!;
    const nt = m.os.modules()[0]!;
    f.parameters.forEach((expected, i) => {
      const value = b!.parameters[i]!;
      const address = Number(BigInt.asIntN(64, value));
      if (expected === 'rip') expect(address >= image.base && address < image.base + image.size).toBe(true);
      else if (expected === 'nt') expect(address >= nt.base && address < nt.base + nt.size).toBe(true);
      // An object on a kernel stack or in the image.
      else if (expected === 'object')
        expect(value >> 32n === 0xfffff880n || (address >= image.base && address < image.base + image.size)).toBe(true);
      else if (expected === 'frame') expect(value >> 32n).toBe(0xfffff880n);
      else if (expected === 'pte') expect(value & 1n).toBe(1n);
      else expect(value).toBe(expected);
    });
    expect(b!.driver).toBe('test.sys');
    expect(b!.routine).toMatch(/^test[!+]/);
    expect(b!.irql).toBe(f.irql ?? 0);
    if (f.text) expect(b!.text).toMatch(f.text);
    expect(b!.stack.length).toBeGreaterThan(0);
    // The machine stays stopped.
    const hash = m.os.bugCheck();
    m.machine.run(m.machine.cycle + 5_000_000);
    expect(m.os.bugCheck()).toEqual(hash);
  });
});
