import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CpuView, GuestOs } from '../hal/bus/index.ts';
import { GuestFault } from '../hal/bus/index.ts';
import { bareMachine, busyMachine, CODE, hex, PulseDevice, routePulse } from './testing/longmode.ts';
import type { Machine } from './machine.ts';

/** Runs to `end` past everything that only a debugger stops for. */
function runTo(machine: Machine, end: number): void {
  for (;;) {
    const { reason } = machine.run(end);
    if (reason === 'limit') return;
    if (reason !== 'breakpoint' && reason !== 'watch')
      throw new Error(`stopped: ${reason} at rip ${machine.cpus[0].rip.toString(16)}`);
  }
}

const hashAt = (machine: Machine, cycle: number): string => {
  machine.run(cycle);
  return machine.stateHash();
};

describe('Machine', () => {
  it('runs a guest and stops at the first boundary at or after the limit', () => {
    // mov eax,1 ; mov ecx,2 ; add eax,ecx ; jmp $
    const machine = bareMachine({ code: hex('b801000000 b902000000 01c8 ebfe') });
    expect(machine.run(1)).toMatchObject({ reason: 'limit', cpu: 0 });
    expect([machine.cpus[0].rip - CODE, machine.cpus[0].gpr(0), machine.instructions]).toEqual([5, 1n, 1]);
    machine.run(1000);
    expect(machine.cpus[0].gpr(0)).toBe(3n);
    expect(machine.cpus[0].rip - CODE).toBe(12);
    expect(machine.cycle).toBeGreaterThanOrEqual(1000);
  });

  it('leaves the same state however a run is cut up', () => {
    const whole = hashAt(busyMachine(), 60_000);
    for (const slice of [1, 7, 997, 20_000]) {
      const machine = busyMachine();
      for (let at = slice; at < 60_000; at += slice) machine.run(at);
      expect(hashAt(machine, 60_000), `slices of ${slice}`).toBe(whole);
      expect(machine.ram.read32(0x18000)).toBeGreaterThan(20);
      expect(machine.ram.read32(0x18008)).toBeGreaterThan(0);
    }
  });

  for (const cpus of [1, 2, 4]) {
    it(`leaves the same state whatever the slices and the stops of a debugger are, with ${cpus} processors`, () => {
      const end = 30_000 / cpus,
        config = { cpus },
        whole = hashAt(busyMachine({ config }), end);
      const cut = fc.record({
        cuts: fc.array(fc.integer({ min: 1, max: end }), { maxLength: 12 }),
        // Instructions of the loop, both handlers, and the one after STI.
        breakpoints: fc.uniqueArray(fc.constantFrom(0x2e, 0x41, 0x44, 0x67, 0x6c, 0x6d, 0x79, 0x7a, 0x100, 0x119, 0x140, 0x147), {
          maxLength: 4,
        }),
        watch: fc.option(fc.constantFrom(0x18000, 0x20000, 0x28100)),
        trace: fc.boolean(),
        checkpointAt: fc.option(fc.integer({ min: 1, max: end })),
      });
      fc.assert(
        fc.property(cut, ({ cuts, breakpoints, watch, trace, checkpointAt }) => {
          const machine = busyMachine({ config });
          machine.setBreakpoints(breakpoints.map(b => CODE + b));
          if (watch !== null) machine.setWatches([{ start: watch, end: watch + 16, physical: true, read: false, write: true }]);
          let told = 0;
          if (trace) machine.addCoreSink(() => void told++);
          for (const at of [...cuts].sort((a, b) => a - b)) machine.run(at);
          if (checkpointAt !== null && machine.cycle < checkpointAt) {
            runTo(machine, checkpointAt);
            const checkpoint = machine.checkpoint(),
              hash = machine.stateHash();
            machine.run(end);
            machine.restore(checkpoint);
            expect(machine.stateHash()).toBe(hash);
          }
          runTo(machine, end);
          expect(machine.stateHash()).toBe(whole);
          if (trace) expect(told).toBeGreaterThan(0);
        }),
        { numRuns: 40 },
      );
    });
  }

  it('stops at breakpoints before the instruction and passes them when it goes on', () => {
    const machine = busyMachine();
    machine.setBreakpoints([CODE + 0x67]);
    for (let n = 1; n <= 3; n++) {
      expect(machine.run(100_000).reason).toBe('breakpoint');
      expect(machine.cpus[0].rip).toBe(CODE + 0x67);
      expect(machine.cpus[0].gprLo(1)).toBe(64 * n);
    }
  });

  it('stops after a write to a watched range, by the guest or by a device', () => {
    const machine = busyMachine();
    machine.setWatches([{ start: 0x18000, end: 0x18008, physical: true, read: false, write: true }]);
    expect(machine.run(100_000).reason).toBe('watch');
    expect(machine.cpus[0].rip).toBe(CODE + 0x109);
    expect(machine.ram.read32(0x18000)).toBe(1);
    machine.ram.write8(0x18004, 1);
    expect(machine.run(100_000)).toMatchObject({ reason: 'watch' });
  });

  it('gives devices the exact cycle of an access', () => {
    // mov edx,700h ; nop*n ; in eax,dx ; jmp $
    const cycles = [0, 1, 2, 3].map(nops => {
      const machine = bareMachine({ code: hex(`ba00070000 ${'90'.repeat(nops)} ed ebfe`), devices: [new PulseDevice()] });
      machine.run(10_000);
      return machine.cpus[0].gprLo(0);
    });
    expect(cycles.map(c => c - cycles[0])).toEqual([0, 1, 2, 3]);
  });

  it('sleeps through HLT to the event that wakes it', () => {
    // mov edx,700h ; mov eax,3FFh ; out dx,eax ; sti ; hlt ; in eax,dx ; cli ; hlt
    const code = new Uint8Array(0x90);
    code.set(hex('ba00070000 b8ff030000 ef fb f4 ed fa f4'));
    code.set(hex('48cf'), 0x80);
    const machine = bareMachine({ code, handlers: { 0x51: 0x80 }, devices: [new PulseDevice()] });
    machine.cpus[0].physWrite(0xfee000f0, 4, 0x1ff);
    routePulse(machine);
    expect(machine.run().reason).toBe('idle');
    expect(machine.cpus[0].halted).toBe(true);
    expect(machine.cpus[0].gprLo(0)).toBeGreaterThan(0x3ff + 20);
    expect(machine.instructions).toBeLessThan(20);
    // Nothing can wake it any more; time still goes where it is told to.
    expect(machine.run(1_000_000)).toMatchObject({ reason: 'limit', cycle: 1_000_000 });
  });

  it('throws what a device throws from run(), and can go on', () => {
    // mov edx,705h ; out dx,al ; jmp $
    const machine = bareMachine({ code: hex('ba05070000 ee ebfe'), devices: [new PulseDevice()] });
    expect(() => machine.run(1000)).toThrow('the pulse generator is broken');
    expect(machine.cpus[0].rip).toBe(CODE + 6);
    expect(machine.run(1000).reason).toBe('limit');
  });

  it('reads all ones where nobody answers', () => {
    // mov edx,777h ; in eax,dx ; mov ebx,0D0000000h ; mov rcx,[rbx] ; jmp $
    const machine = bareMachine({ code: hex('ba77070000 ed bb000000d0 488b0b ebfe') });
    machine.run(1000);
    expect([machine.cpus[0].gprLo(0), machine.cpus[0].gpr(1)]).toEqual([0xffffffff, 0xffffffffffffffffn]);
  });

  it('reports a triple fault as a shutdown', () => {
    const machine = bareMachine({ code: hex('0f0b') });
    expect(machine.run(1000).reason).toBe('shutdown');
  });

  it('records inputs at their cycle and replays them from the log', () => {
    const original = busyMachine();
    original.run(5_000);
    original.input('pulse0', 'in', Uint8Array.of(1, 2, 3));
    original.run(9_321);
    original.input('pulse0', 'in', Uint8Array.of(4));
    original.input('pulse0', 'in', Uint8Array.of(5, 6), 11_111);
    original.run(20_000);
    expect(original.inputs.records.map(r => r.data.length)).toEqual([3, 1, 2]);

    const replayed = busyMachine();
    replayed.inputs.load(original.inputs.records, 0);
    expect(hashAt(replayed, 20_000)).toBe(original.stateHash());
    expect(hashAt(busyMachine(), 20_000)).not.toBe(original.stateHash());
  });

  it('refuses inputs for the past and for devices that are not there', () => {
    const machine = busyMachine();
    machine.run(1000);
    expect(() => machine.input('pulse0', 'in', Uint8Array.of(1), 10)).toThrow(RangeError);
    expect(() => machine.input('uart7', 'in', Uint8Array.of(1))).toThrow(/no device 'uart7'/);
  });

  it('lets a guest operating system in at a gate, with time, memory and exceptions', () => {
    const calls: string[] = [];
    const guestOs = bareGuest(cpu => {
      calls.push(`${(cpu.rip - CODE).toString(16)} rcx=${cpu.gprLo(1)}`);
      cpu.setGpr(0, 7n);
      cpu.mem.write32(0x18000, 0x1234);
      cpu.charge(500);
      expect(() => cpu.mem.read8(0x8000_0000_0000)).toThrow(GuestFault);
    });
    // mov ecx,5 ; gate ; mov ebx,eax ; jmp $
    const machine = bareMachine({ code: hex('b905000000 0f01c1 89c3 ebfe'), guestOs });
    machine.setGateRanges([{ start: CODE, end: CODE + 0x100 }]);
    machine.run(100);
    expect(calls).toEqual(['8 rcx=5']);
    expect([machine.cpus[0].gprLo(3), machine.ram.read32(0x18000)]).toEqual([0, 0x1234]);
    expect(machine.cycle).toBeGreaterThan(500);
    machine.run(machine.cycle + 10);
    expect(machine.cpus[0].gprLo(3)).toBe(7);
  });

  it('keeps several processors in step', () => {
    const machine = busyMachine({ config: { cpus: 4 } });
    for (let at = 331; at < 20_000; at += 331) {
      expect(machine.run(at).reason).toBe('limit');
      expect(machine.cycle).toBeGreaterThanOrEqual(at);
      const cycles = machine.cpus.filter(cpu => !cpu.halted).map(cpu => cpu.cycle);
      if (cycles.length > 0) expect(Math.max(...cycles) - Math.min(...cycles)).toBeLessThan(1200);
    }
    expect(machine.cpus.every(cpu => cpu.instructions > 1000)).toBe(true);
  });

  it('takes other turns with another schedule seed, and the same ones with the same', () => {
    const states = [1, 2, 3, 1, 2, 3].map(scheduleSeed => counterRace(scheduleSeed, 'apart').ram.read32(COUNTER));
    expect(states.slice(3)).toEqual(states.slice(0, 3));
    expect(new Set(states).size).toBeGreaterThan(1);
  });

  it.each(['apart', 'increment'] as const)('loses updates of an unlocked counter (%s) in many ways', how => {
    const results = new Set<number>();
    for (let seed = 0; seed < 100; seed++) results.add(counterRace(seed, how).ram.read32(COUNTER));
    expect(results.size).toBeGreaterThan(20);
    expect(Math.min(...results)).toBeLessThan(4 * ROUNDS - 100);
  });
  it.each(['locked', 'exchanged'] as const)('loses none of a counter that is %s', how => {
    for (let seed = 0; seed < 50; seed++) expect(counterRace(seed, how).ram.read32(COUNTER)).toBe(4 * ROUNDS);
  });
});

const COUNTER = 0x18000,
  ROUNDS = 500;

/** Ways to count to ROUNDS in the variable at 18000h: mov ecx,500 ; L: ... ; dec ecx ; jnz L ; cli ; hlt. */
const COUNTING = {
  /** mov eax,[18000h] ; inc eax ; mov [18000h],eax */
  apart: 'b9f4010000 8b042500800100 ffc0 89042500800100 ffc9 75ec fa f4',
  /** inc dword [18000h] */
  increment: 'b9f4010000 ff042500800100 ffc9 75f5 fa f4',
  /** lock inc dword [18000h] */
  locked: 'b9f4010000 f0ff042500800100 ffc9 75f4 fa f4',
  /** S: mov eax,1 ; xchg eax,[18010h] ; test eax,eax ; jnz S ; inc dword [18000h] ; mov dword [18010h],0 */
  exchanged: 'b9f4010000 b801000000 87042510800100 85c0 75f0 ff042500800100 c704251080010000000000 ffc9 75da fa f4',
};

/** Four processors count to ROUNDS each in one variable, and halt. */
function counterRace(scheduleSeed: number, how: keyof typeof COUNTING): Machine {
  const machine = bareMachine({ code: hex(COUNTING[how]), config: { cpus: 4, scheduleSeed, ramBytes: 1 << 20 } });
  expect(machine.run().reason).toBe('idle');
  return machine;
}

function bareGuest(gate: (cpu: CpuView) => void): GuestOs {
  return {
    name: 'test',
    boot: () => {},
    gate,
    booted: () => true,
    idle: () => true,
    bugCheck: () => null,
    modules: () => [],
    symbolAt: () => null,
    addressOf: () => null,
    command: () => [],
    inspect: () => null,
    restored: () => {},
    exportStatus: () => null,
  };
}
