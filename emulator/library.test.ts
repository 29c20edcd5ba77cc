import { describe, expect, it } from 'vitest';
import { compiledCore } from './testing/longmode.ts';
import { Machine } from './index.ts';
import type { CreateOptions } from './index.ts';

const create = (options: CreateOptions = {}): Machine => Machine.create({ core: compiledCore(), ...options });

describe('Machine.create', () => {
  it('boots to idle, the same every time', () => {
    const one = create(),
      other = create();
    expect([one.guest.booted(), one.guest.idle(), one.bugCheck()]).toEqual([true, true, null]);
    expect(other.stateHash()).toBe(one.stateHash());
    expect(create({ seed: 7 }).stateHash()).not.toBe(one.stateHash());
    expect(one.guest.modules().map(m => m.name)).toEqual(expect.arrayContaining(['ntoskrnl.exe', 'hal.dll']));
  });

  it('refuses machines that cannot be, naming the setting', () => {
    expect(() => create({ ramBytes: 1000 })).toThrow(/'ramBytes'/);
    expect(() => create({ cpus: 9 })).toThrow(/'cpus'/);
    expect(() => create({ tscHz: 100_000_000, apicHz: 30_000_000 })).toThrow(/'apicHz' divides 'tscHz'/);
    expect(() => create({ ram: 5 } as CreateOptions)).toThrow(/no machine setting 'ram'/);
  });
});

describe('a booted machine', () => {
  it('comes to the same state whatever the slices, with tracing, stepping and restores', () => {
    const end = 8_000_000,
      machine = create(),
      start = machine.checkpoint();
    machine.run(end);
    const whole = machine.stateHash();
    expect(machine.instructions).toBeGreaterThan(start.instructions);

    machine.restore(start);
    const trace = machine.startTrace();
    for (let at = start.cycle; at < end; at += 99_991) machine.run(at);
    machine.run(end);
    expect(machine.stateHash()).toBe(whole);
    expect(trace.events.filter(e => e.kind === 'interrupt').length).toBeGreaterThan(3);
    trace.stop();

    machine.restore(start);
    for (let n = 0; n < 300; n++) machine.control.stepInto();
    for (let n = 0; n < 20; n++) machine.control.stepBack();
    machine.control.toCycle(end);
    expect(machine.stateHash()).toBe(whole);

    const other = create();
    other.restore(start);
    other.run(end);
    expect(other.stateHash()).toBe(whole);
  });

  it('goes back to an interrupt and forward again to the same state', () => {
    const machine = create({ timeline: { interval: 500_000 } });
    machine.control.run(machine.cycle + 10_000_000);
    const end = machine.cycle,
      hash = machine.stateHash();
    expect(machine.control.previousInterrupt().reason).toBe('interrupt');
    const first = machine.cycle;
    expect(machine.control.previousInterrupt().reason).toBe('interrupt');
    expect(machine.cycle).toBeLessThan(first);
    expect(machine.control.nextInterrupt()).toMatchObject({ reason: 'interrupt', cycle: first });
    machine.timeline.goTo(end);
    expect(machine.stateHash()).toBe(hash);
  });

  it('begins its past anew where it is restored', () => {
    const machine = create({ timeline: true }),
      start = machine.checkpoint(),
      old = machine.timeline;
    machine.control.run(machine.cycle + 3_000_000);
    machine.keys('KeyA');
    machine.runFor(0.01);
    machine.restore(start);
    expect(machine.timeline).not.toBe(old);
    expect([machine.timeline.start, machine.inputs.records.length, machine.timeline.inPast]).toEqual([start.cycle, 0, false]);
    machine.control.run(machine.cycle + 1_000_000);
    machine.control.previousInterrupt();
    expect(machine.timeline.branches.length).toBe(1);
  });

  it('shows and changes registers and memory', () => {
    const machine = create();
    const { rip, rsp } = machine.registers();
    expect(machine.guest.symbolAt(Number(BigInt.asIntN(64, rip)))).toMatch(/^nt!/);
    const at = Number(BigInt.asIntN(64, rsp)) - 64;
    machine.writeMemory(at, Uint8Array.of(1, 2, 3));
    expect(machine.readMemory(at, 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(() => machine.writeMemory(0x10, Uint8Array.of(1))).toThrow(/nothing is mapped/);
    machine.poke({ kind: 'register', cpu: 0, register: 3, value: 0xffff_ffff_ffff_fff0n });
    expect(machine.registers().rbx).toBe(0xffff_ffff_ffff_fff0n);
  });

  it('names instructions that the processor does not have', () => {
    const machine = create();
    const { rip } = machine.registers();
    // The opcode map of SDM vol. 2, table A-5 has nothing at 0F 3A FF: #UD, in the kernel.
    machine.writeMemory(Number(BigInt.asIntN(64, rip)), Uint8Array.of(0x0f, 0x3a, 0xff));
    expect(machine.missingOpcodes()).toEqual([]);
    machine.runFor(1);
    expect(machine.bugCheck()).not.toBeNull();
    expect(machine.missingOpcodes()).toEqual([{ opcode: '0F 3A FF', count: 1 }]);
  });

  it('takes keys and says what it does not know', () => {
    const machine = create();
    machine.keys('KeyA');
    machine.type('x');
    machine.runFor(0.01);
    expect(machine.inputs.position).toBe(2);
    expect(() => machine.input('mouse', 'move', Uint8Array.of(1))).toThrow(/no device 'mouse'/);
  });
});
