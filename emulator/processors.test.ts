import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunControl } from './runcontrol.ts';
import { bareMachine, busyMachine, CODE, hex, PulseDevice } from './testing/longmode.ts';
import { Timeline } from './timeline.ts';
import type { Machine } from './machine.ts';

const WAIT_SIPI = 3;

/**
 * The first processor sends INIT and two start-up messages for 9000h to all others, and spins with PAUSE until each has counted itself.
 *
 *     mov ebx,0FEE00000h ; mov dword [rbx+0F0h],1FFh ; mov dword [rbx+300h],0C4500h ; mov dword [rbx+300h],0C4609h ; mov dword [rbx+300h],0C4609h
 *     L: pause ; cmp dword [18000h],3 ; jne L ; cli ; hlt
 *
 * The others, in real-address mode:
 *
 *     mov ax,1000h ; mov ds,ax ; mov ax,cs ; lock add [8004h],ax ; lock inc dword [8000h] ; cli ; hlt
 */
function startUp(scheduleSeed: number): Machine {
  const code = hex(`bb0000e0fe c783f0000000ff010000 c7830003000000450c00 c7830003000009460c00 c7830003000009460c00
    f390 833c250080010003 75f4 fa f4`);
  const machine = bareMachine({ code, config: { cpus: 4, scheduleSeed, ramBytes: 1 << 20 } });
  machine.ram.writeBytes(0x9000, hex('b80010 8ed8 8cc8 f001060480 f066ff060080 fa f4'));
  for (const cpu of machine.cpus.slice(1)) cpu.activity = WAIT_SIPI;
  return machine;
}

/**
 * Each of the processors has a periodic timer of its own and counts its interrupts, those of others that come while it computes, and the greatest lateness.
 *
 *     start:  mov ebx,0FEE00000h ; mov dword [rbx+0F0h],1FFh ; mov dword [rbx+3E0h],0Bh ; mov dword [rbx+320h],20040h ; mov dword [rbx+380h],PERIOD
 *             mov r8d,[rbx+20h] ; shr r8d,24 ; sti
 *     loop:   imul rax,rax,7 ; add rax,rcx ; inc rcx ; test cl,3Fh ; jnz loop ; hlt ; jmp loop
 *     +80:    inc qword [r8*8+18000h] ; mov dword [rbx+0B0h],0 ; iretq
 */
const TIMERS = ((): Uint8Array => {
  const bytes = new Uint8Array(0x100);
  bytes.set(
    hex(`bb0000e0fe c783f0000000ff010000 c783e00300000b000000 c7832003000040000200 c7838003000090020000
         448b4320 41c1e818 fb 486bc007 4801c8 48ffc1 f6c13f 75f1 f4 ebee`),
  );
  bytes.set(hex('4aff04c500800100 c783b000000000000000 48cf'), 0x80);
  return bytes;
})();
const PERIOD = 0x290;

describe('several processors', () => {
  it('start each other with INIT and start-up messages, in real-address mode', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = startUp(seed);
      expect(machine.run(1_000_000).reason).toBe('limit');
      // Each of the three added its CS once: 3 * 900h.
      expect([machine.ram.read32(0x18000), machine.ram.read32(0x18004)]).toEqual([3, 0x1b00]);
      expect(machine.cpus.map(cpu => cpu.halted)).toEqual([true, true, true, true]);
    }
  });

  it('stop with the processor that a breakpoint stopped', () => {
    const machine = startUp(1);
    machine.setBreakpoints([0x9000]);
    const stops = [1, 2, 3].map(() => machine.run(1_000_000));
    expect(stops.map(s => s.reason)).toEqual(['breakpoint', 'breakpoint', 'breakpoint']);
    expect(stops.map(s => s.cpu).sort()).toEqual([1, 2, 3]);
    expect(machine.run(1_000_000).reason).toBe('limit');
    expect(machine.ram.read32(0x18000)).toBe(3);
  });

  it('a triple fault shuts one down; the machine stops and names it', () => {
    const machine = startUp(1);
    machine.ram.writeBytes(0x9000, hex('fa 0f011e0070 0f0b')); // cli ; lidt [7000h] with limit 0 ; ud2
    machine.ram.writeBytes(0x7000, new Uint8Array(6));
    const stop = machine.run(1_000_000);
    expect([stop.reason, stop.cpu > 0, machine.cpus[stop.cpu].activity]).toEqual(['shutdown', true, 2]);
  });

  for (const cpus of [1, 4]) {
    it(`lose no timer interrupt and take it at its cycle, however the run is sliced (${cpus} processors)`, () => {
      const end = 60_000;
      const make = (): Machine => bareMachine({ code: TIMERS, handlers: { 0x40: 0x80 }, config: { cpus, ramBytes: 1 << 20 } });
      const whole = make();
      const begun: number[][] = whole.cpus.map(() => []);
      whole.addCoreSink(event => event.kind === 0 && void begun[event.cpu].push(event.cycle));
      whole.run(end);
      const state = whole.stateHash();
      for (let n = 0; n < cpus; n++) {
        const cycles = begun[n];
        expect(cycles.length, `processor ${n}`).toBe(
          whole.ram.read32(0x18000 + n * 8) + (whole.cpus[n].rip >= CODE + 0x80 ? 1 : 0),
        );
        expect(cycles.length).toBeGreaterThan(end / PERIOD - 3);
        // Each comes within one instruction of its cycle: the first period's start fixes the grid.
        const late = cycles.map(c => (((c - cycles[0]) % PERIOD) + PERIOD) % PERIOD).map(d => (d > PERIOD / 2 ? d - PERIOD : d));
        expect(Math.max(...late) - Math.min(...late)).toBeLessThan(30);
      }
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: end }), { maxLength: 40 }), fc.boolean(), (cuts, stops) => {
          const machine = make();
          if (stops) machine.setBreakpoints([CODE + 0x80]);
          for (const at of [...cuts.sort((a, b) => a - b), end]) while (machine.run(at).reason === 'breakpoint');
          expect(machine.stateHash()).toBe(state);
        }),
        { numRuns: 30 },
      );
    });
  }

  it('clocks never go back from one to the next', () => {
    // L: lock bts dword [18000h],0 ; jc L ; rdtsc ; mov edx,[18008h] ; cmp eax,edx ; jae ok ; inc dword [18010h] ; ok: mov [18008h],eax
    //    mov dx,700h ; in eax,dx ; cmp eax,[18020h] ; jae fine ; inc dword [18010h] ; fine: mov [18020h],eax
    //    inc dword [18018h] ; mov dword [18000h],0 ; jmp L
    const code = hex(`f00fba2c25008001000072f40f318b14250880010039d07307ff0425108001008904250880010066ba0007ed3b0425208001
      007307ff04251080010089042520800100ff042518800100c704250080010000000000eba9`);
    const machine = bareMachine({ code, config: { cpus: 4, ramBytes: 1 << 20 }, devices: [new PulseDevice()] });
    machine.run(200_000);
    expect(machine.ram.read32(0x18018)).toBeGreaterThan(1000);
    expect(machine.ram.read32(0x18010)).toBe(0);
  });

  it('step one processor forth and back through the same states', () => {
    const machine = busyMachine({ config: { cpus: 4 } });
    // Short turns, so that many lie between the steps.
    machine.core.setTurnLimit(20);
    const control = new RunControl(new Timeline(machine, { interval: 2_000 }));
    control.toCycle(7_000);
    // In the middle of a sleep is no boundary to come back to.
    control.stepInto();
    const own = machine.currentCpu,
      before = machine.instructions,
      states: string[] = [];
    for (let n = 0; n < 60; n++) {
      states.push(`${machine.position} ${machine.stateHash()}`);
      expect(control.stepInto()).toMatchObject({ reason: 'step', cpu: own });
    }
    // Others had turns between.
    expect(machine.instructions - before).toBeGreaterThan(100);
    for (const state of states.reverse()) {
      expect(control.stepBack()).toMatchObject({ reason: 'step', cpu: own });
      expect(`${machine.position} ${machine.stateHash()}`).toBe(state);
    }
  });

  it('run back to the last stop of any of them', () => {
    const machine = busyMachine({ config: { cpus: 3 } });
    const control = new RunControl(new Timeline(machine, { interval: 5_000 }));
    machine.setBreakpoints([CODE + 0x67]);
    const stops: string[] = [];
    const here = (): string => `${machine.currentCpu} ${machine.position} ${machine.stateHash()}`;
    while (control.run(20_000).reason === 'breakpoint') stops.push(here());
    expect(new Set(stops.map(stop => stop[0]))).toEqual(new Set(['0', '1', '2']));
    for (const stop of stops.reverse().slice(0, 25)) {
      expect(control.runBack().reason).toBe('breakpoint');
      expect(here()).toBe(stop);
    }
  });

  it('replay inputs and changes made where only the position tells moments apart', () => {
    const config = { cpus: 4 };
    const original = busyMachine({ config });
    original.setBreakpoints([CODE + 0x41]);
    for (let n = 1; n <= 12; n++) {
      expect(original.run(20_000).reason).toBe('breakpoint');
      if (n % 3 === 0) original.poke({ kind: 'memory', address: 0x20000 + n, bytes: Uint8Array.of(n) });
      else original.input('pulse0', 'in', new Uint8Array(n));
    }
    original.setBreakpoints([]);
    original.run(20_000);
    const replayed = busyMachine({ config });
    replayed.inputs.load(original.inputs.records, 0);
    replayed.run(20_000);
    expect(replayed.stateHash()).toBe(original.stateHash());
    const other = busyMachine({ config });
    other.run(20_000);
    expect(other.stateHash()).not.toBe(original.stateHash());
  });

  it('starts a branch when something is changed in the past', () => {
    const timeline = new Timeline(busyMachine({ config: { cpus: 2 } }), { interval: 2_000 }),
      { machine } = timeline;
    timeline.run(20_000);
    const old = machine.stateHash();
    timeline.goTo(8_000);
    machine.poke({ kind: 'memory', address: 0x20000, bytes: Uint8Array.of(1, 2, 3) });
    timeline.run(20_000);
    expect([timeline.branch.id, machine.stateHash() === old]).toEqual([1, false]);
    timeline.switchTo(0, 20_000);
    expect(machine.stateHash()).toBe(old);
  });
});
