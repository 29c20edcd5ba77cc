import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { footprint, thinnest } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import { bareMachine, busyMachine, CODE, hex } from './testing/longmode.ts';
import { RunControl } from './runcontrol.ts';
import { Timeline } from './timeline.ts';
import type { Machine } from './machine.ts';

const HANDLER_TIMER = CODE + 0x100;

/** Hash of an untouched machine at each of these cycles. */
function truth(cycles: readonly number[], make = busyMachine): Map<number, string> {
  const machine = make(),
    out = new Map<number, string>();
  for (const cycle of [...cycles].sort((a, b) => a - b)) {
    machine.run(cycle);
    out.set(cycle, machine.stateHash());
  }
  return out;
}

describe('checkpoint and restore', () => {
  it('comes back to the same state from anywhere, in this machine and in another', () => {
    const machine = busyMachine(),
      checkpoints: { checkpoint: Checkpoint; hash: string }[] = [];
    for (let at = 0; at <= 50_000; at += 5_000) {
      machine.run(at);
      checkpoints.push({ checkpoint: machine.checkpoint(), hash: machine.stateHash() });
    }
    const last = checkpoints[checkpoints.length - 1].hash;
    for (const i of [7, 2, 9, 0, 5, 10]) {
      machine.restore(checkpoints[i].checkpoint);
      expect(machine.stateHash()).toBe(checkpoints[i].hash);
      machine.run(50_000);
      expect(machine.stateHash()).toBe(last);
    }
    const other = busyMachine();
    other.run(12_345);
    other.restore(checkpoints[3].checkpoint);
    expect(other.stateHash()).toBe(checkpoints[3].hash);
    other.run(50_000);
    expect(other.stateHash()).toBe(last);
  });

  it('copies only what changed', () => {
    const machine = busyMachine();
    machine.run(20_000);
    const first = machine.checkpoint();
    expect(machine.checkpoint().copied).toBe(0);
    machine.run(20_500);
    const second = machine.checkpoint();
    expect(second.copied).toBeGreaterThan(0);
    expect(second.copied).toBeLessThanOrEqual(12 * 4096);
    expect(footprint([first, second]) - footprint([first])).toBeLessThan(second.copied + (80 << 10));
  });

  it('forgets what is put in afterwards, and brings back what the machine had put out', () => {
    // mov edx,704h ; mov al,'a' ; L: out dx,al ; inc al ; jmp L
    const machine = bareMachineWithOutput();
    machine.run(30);
    const checkpoint = machine.checkpoint(),
      before = machine.output.count;
    machine.run(90);
    machine.input('pulse0', 'in', Uint8Array.of(1));
    machine.run(120);
    expect(machine.output.count).toBeGreaterThan(before);
    machine.restore(checkpoint);
    expect(machine.output.count).toBe(before);
    expect(machine.inputs.records).toEqual([]);
  });

  it('misses no page that changed: hashing all of RAM anew gives the same', () => {
    const machine = busyMachine();
    // Each round, accessed and dirty bits of page tables are set, stacks and data written, and the flags collected.
    for (let at = 0; at < 40_000; at += 3_001) {
      machine.run(at);
      machine.stateHash();
      machine.checkpoint();
      machine.ram.write32(0x1000 * (100 + (at % 50)), at);
      machine.cpus[0].mem.write16(0x300000 + at, at);
    }
    const hash = machine.stateHash(),
      last = machine.checkpoint();
    machine.core.hostWrote(0, machine.ram.size);
    expect(machine.stateHash()).toBe(hash);
    expect(machine.checkpoint().copied).toBe(machine.ram.size);
    machine.restore(last);
    expect(machine.stateHash()).toBe(hash);
  });

  it('refuses a checkpoint of another machine', () => {
    expect(() => busyMachine().restore(busyMachine({ config: { seed: 2 } }).checkpoint())).toThrow(/another configuration/);
  });

  it('thins the distant past first', () => {
    const at = (cycle: number): Checkpoint => ({ cycle }) as Checkpoint;
    expect(thinnest([0, 100, 200, 300, 400, 500].map(at), 500)).toBe(1);
    expect(thinnest([0, 400, 410, 420, 500].map(at), 500)).toBe(2);
    expect(thinnest([0, 500].map(at), 500)).toBe(-1);
  });
});

describe('Timeline', () => {
  it('goes to any moment, past or future, in the state that it was in', () => {
    const cycles = [1, 333, 5_000, 12_345, 20_000, 29_999, 40_000],
      states = truth(cycles);
    const timeline = new Timeline(busyMachine(), { interval: 3_000 });
    timeline.run(30_000);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...cycles), { maxLength: 8 }), visits => {
        for (const cycle of visits) {
          timeline.goTo(cycle);
          expect(timeline.machine.stateHash(), `at ${cycle}`).toBe(states.get(cycle));
        }
      }),
      { numRuns: 15 },
    );
    expect(timeline.branches.length).toBe(1);
  });

  it('replays inputs, and tells sinks of nothing twice', () => {
    const machine = busyMachine(),
      timeline = new Timeline(machine, { interval: 2_000 });
    const told: number[] = [];
    machine.addOutputSink((_d, _c, data) => told.push(data.length));
    timeline.run(5_000);
    machine.input('pulse0', 'in', Uint8Array.of(1, 2));
    timeline.run(15_000);
    const end = machine.stateHash(),
      before = told.length;
    timeline.goTo(4_000);
    timeline.goTo(15_000);
    expect(machine.stateHash()).toBe(end);
    expect(told.length).toBe(before);
  });

  it('starts a branch when the past is changed, and keeps the old course', () => {
    const machine = busyMachine(),
      timeline = new Timeline(machine, { interval: 2_000 });
    timeline.run(7_000);
    machine.input('pulse0', 'in', Uint8Array.of(9));
    timeline.run(20_000);
    const original = machine.stateHash();

    timeline.goTo(5_000);
    machine.poke({ kind: 'memory', address: 0x18000, bytes: Uint8Array.of(0xff) });
    expect(machine.ram.read8(0x18000)).toBe(0xff);
    timeline.run(20_000);
    const changed = machine.stateHash();
    expect(changed).not.toBe(original);
    expect(timeline.branches.map(b => [b.id, b.parent?.id ?? null])).toEqual([
      [0, null],
      [1, 0],
    ]);
    expect(machine.inputs.records.length).toBe(1);

    timeline.switchTo(0, 20_000);
    expect(machine.stateHash()).toBe(original);
    timeline.switchTo(1, 20_000);
    expect(machine.stateHash()).toBe(changed);
    timeline.goTo(4_999);
    timeline.goTo(20_000);
    expect(machine.stateHash()).toBe(changed);
  });

  it('changes a register as it changes memory', () => {
    const machine = busyMachine(),
      timeline = new Timeline(machine);
    timeline.run(3_000);
    machine.poke({ kind: 'register', cpu: 0, register: 9, value: 0x1234_5678_9abc_def0n });
    timeline.run(9_000);
    const hash = machine.stateHash();
    timeline.goTo(100);
    timeline.goTo(9_000);
    expect(machine.stateHash()).toBe(hash);
  });

  it('keeps within its budget and still reaches every moment', () => {
    const states = truth([1_000, 30_000, 77_777]);
    const timeline = new Timeline(busyMachine(), { interval: 500, budget: 4 << 20 });
    timeline.run(90_000);
    expect(timeline.branch.checkpoints.length).toBeLessThan(90);
    expect(footprint(timeline.branch.checkpoints)).toBeLessThan(4 << 20);
    for (const [cycle, hash] of states) {
      timeline.goTo(cycle);
      expect(timeline.machine.stateHash()).toBe(hash);
    }
  });

  it('does not know what was before its beginning', () => {
    const machine = busyMachine();
    machine.run(1_000);
    expect(() => new Timeline(machine).goTo(10)).toThrow(RangeError);
  });
});

describe('RunControl', () => {
  const controlled = (cycle: number): { control: RunControl; machine: Machine } => {
    const machine = busyMachine(),
      timeline = new Timeline(machine, { interval: 1_500 });
    timeline.run(cycle);
    return { control: new RunControl(timeline), machine };
  };

  it('steps back over exactly what a step forward did', () => {
    const { control, machine } = controlled(6_000);
    const path: string[] = [];
    const place = (): string => `${machine.cycle} ${machine.cpus[0].rip.toString(16)} ${machine.stateHash()}`;
    for (let n = 0; n < 60; n++) {
      path.push(place());
      expect(control.stepInto().reason).toBe('step');
    }
    // The path goes through an interrupt: its delivery is a step of its own.
    for (let n = 0; path.every(p => !p.includes(` ${HANDLER_TIMER.toString(16)} `)) && n < 2_000; n++) {
      path.push(place());
      control.stepInto();
    }
    for (let n = 0; n < 5; n++) {
      path.push(place());
      control.stepInto();
    }
    for (const before of path.slice(-70).reverse()) {
      expect(control.stepBack().reason).toBe('step');
      expect(place()).toBe(before);
    }
  });

  it('steps back without running much again, however far the last checkpoint is', () => {
    const machine = busyMachine(),
      timeline = new Timeline(machine, { interval: 100_000_000 }),
      control = new RunControl(timeline);
    timeline.run(1_000_000);
    const instructions = (): number => machine.instructions;
    const end = instructions();
    control.stepBack();
    expect(timeline.branch.checkpoints.length).toBe(2);
    for (let n = 2; n <= 20; n++) {
      control.stepBack();
      expect(end - instructions()).toBe(n);
    }
    expect(timeline.branch.checkpoints.length).toBe(2);
  });

  it('ends stepping back at the beginning', () => {
    const { control } = controlled(40);
    let steps = 0;
    while (control.stepBack().reason === 'step') steps++;
    expect(steps).toBeGreaterThan(5);
    expect(control.machine.cycle).toBe(0);
  });

  it('steps through HLT to the handler of what wakes the processor, and back', () => {
    const { control, machine } = controlled(0);
    machine.setBreakpoints([CODE + 0x79]);
    expect(control.run().reason).toBe('breakpoint');
    machine.setBreakpoints([]);
    control.stepInto();
    expect(machine.cpus[0].halted).toBe(true);
    const asleep = machine.cycle;
    control.stepInto();
    expect([CODE + 0x100, CODE + 0x140]).toContain(machine.cpus[0].rip);
    expect(machine.cpus[0].halted).toBe(false);
    control.stepBack();
    expect([machine.cycle, machine.cpus[0].halted]).toEqual([asleep, true]);
    control.stepBack();
    expect(machine.cpus[0].rip).toBe(CODE + 0x79);
  });

  it('runs to the next interrupt and back to the one before', () => {
    const { control, machine } = controlled(0);
    const seen: string[] = [];
    for (let n = 0; n < 6; n++) {
      expect(control.nextInterrupt().reason).toBe('interrupt');
      expect([CODE + 0x100, CODE + 0x140]).toContain(machine.cpus[0].rip);
      seen.push(machine.stateHash());
    }
    for (const hash of seen.slice(0, -1).reverse()) {
      expect(control.previousInterrupt().reason).toBe('interrupt');
      expect(machine.stateHash()).toBe(hash);
    }
    expect(control.previousInterrupt().reason).toBe('start');
  });

  it('runs back to the last breakpoint, over several checkpoints', () => {
    const { control, machine } = controlled(0);
    machine.setBreakpoints([CODE + 0x6d]);
    const hits: string[] = [];
    for (let n = 0; n < 8; n++) {
      expect(control.run().reason).toBe('breakpoint');
      hits.push(`${machine.cycle} ${machine.stateHash()}`);
    }
    for (const hit of hits.slice(0, -1).reverse()) {
      expect(control.runBack().reason).toBe('breakpoint');
      expect(`${machine.cycle} ${machine.stateHash()}`).toBe(hit);
    }
    // And forward again from there.
    expect(control.run().reason).toBe('breakpoint');
    expect(`${machine.cycle} ${machine.stateHash()}`).toBe(hits[1]);
  });

  it('finds the last write of an address', () => {
    const { control, machine } = controlled(25_000);
    const count = machine.ram.read32(0x18000);
    expect(count).toBeGreaterThan(3);
    expect(control.lastWrite(0x18000, 4).reason).toBe('watch');
    expect(machine.cpus[0].rip).toBe(CODE + 0x109);
    expect(machine.ram.read32(0x18000)).toBe(count);
    expect(control.lastWrite(0x18000, 4).reason).toBe('watch');
    expect(machine.ram.read32(0x18000)).toBe(count - 1);
    expect(machine.watches).toEqual([]);
    expect(control.lastWrite(0x3f0000, 4).reason).toBe('start');
  });

  it('steps over a call and out of one', () => {
    // call +5 (to 10h) ; inc ebx ; jmp $ ; ... 10h: inc ecx ; call 20h ; ret ; ... 20h: inc edx ; ret
    const code = new Uint8Array(0x30);
    code.set(hex('e80b000000 ffc3 ebfe'));
    code.set(hex('ffc1 e809000000 c3'), 0x10);
    code.set(hex('ffc2 c3'), 0x20);
    const machine = bareMachine({ code }),
      control = new RunControl(new Timeline(machine)),
      cpu = machine.cpus[0];
    expect(control.stepOver().reason).toBe('address');
    expect([cpu.rip - CODE, cpu.gprLo(1), cpu.gprLo(2), cpu.gprLo(3)]).toEqual([5, 1, 1, 0]);
    control.stepBack();
    while (cpu.rip !== CODE + 0x20) expect(control.stepBack().reason).toBe('step');
    expect(control.stepOut(CODE + 0x17).reason).toBe('address');
    expect([cpu.rip - CODE, cpu.gprLo(2)]).toEqual([0x17, 1]);
    expect(control.toAddress(CODE + 5).reason).toBe('address');
    expect(control.stepOver().reason).toBe('step');
    expect(cpu.gprLo(3)).toBe(1);
  });
});

function bareMachineWithOutput(): Machine {
  return busyMachineWith(hex('ba04070000 b061 ee fec0 ebfb'));
}

function busyMachineWith(code: Uint8Array): Machine {
  const machine = busyMachine();
  machine.ram.writeBytes(CODE, code);
  return machine;
}
