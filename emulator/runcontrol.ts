import type { CpuView } from '../hal/bus/index.ts';
import * as abi from './core/abi.ts';
import type { Machine, Stop, StopReason } from './machine.ts';
import type { Timeline } from './timeline.ts';
import type { Checkpoint } from './checkpoint.ts';

/** Why a debugger command ended: what the machine says, or what the command was looking for. */
export type ControlReason = StopReason | 'step' | 'address' | 'interrupt' | 'start';
export interface ControlStop {
  reason: ControlReason;
  cpu: number;
  cycle: number;
}

/** Length of the instruction at `va` and whether it is a call; from the disassembler. */
export interface InstructionInfo {
  length: number;
  call: boolean;
}

const RSP = 4,
  GS = 5;
/** Cycles that are run again in no time. */
const NEAR = 200_000;
/** Cycles before a recorded moment in which the instruction that led to it is looked for, one instruction after the other. */
const CAUSE_REACH = 1_000_000;
/** How far a command looks before it gives up, in cycles: ten guest seconds at 100 MHz. */
const DEFAULT_REACH = 1_000_000_000;

/**
 * What a debugger does with time: forwards and, over a {@link Timeline}, backwards. A command ends at the latest `reach` cycles away with reason `limit`
 * (backwards: at the beginning with reason `start`).
 */
export class RunControl {
  readonly timeline: Timeline;
  readonly machine: Machine;
  private readonly instruction: (cpu: CpuView, va: number) => InstructionInfo;
  reach = DEFAULT_REACH;

  /** @param instruction tells the length of an instruction and whether it is a call */
  constructor(timeline: Timeline, instruction: (cpu: CpuView, va: number) => InstructionInfo = decodeCall) {
    this.timeline = timeline;
    this.machine = timeline.machine;
    this.instruction = instruction;
  }

  private get cpu(): CpuView {
    return this.machine.cpus[this.machine.currentCpu];
  }

  // ---- forwards ----

  /** Runs to a breakpoint, a watch hit, a bug check, or cycle `until`. */
  run(until: number = this.machine.cycle + this.reach): ControlStop {
    return this.timeline.run(until);
  }

  /** Runs to the first boundary at or after `cycle`, past breakpoints. */
  toCycle(cycle: number): ControlStop {
    return this.timeline.goTo(cycle);
  }

  /**
   * One instruction; or the delivery of an interrupt, which ends at the first instruction of its handler. A halted processor waits for what wakes it. With several
   * processors it is an instruction of processor `own` (the current one if not said): the others take the turns that they would take.
   */
  stepInto(own: number = this.machine.currentCpu): ControlStop {
    return this.machine.withoutStops(() => this.stepOnce(this.machine.cycle + this.reach, own));
  }

  /** One instruction of processor `own`; a call is run to its return. An interrupt that comes first is run to its end. */
  stepOver(own: number = this.machine.currentCpu): ControlStop {
    const cpu = this.machine.cpus[own],
      before = cpu.rip,
      depth = cpu.gpr(RSP);
    const { length, call } = this.instruction(cpu, before);
    // Another thread may come by there first: in user mode its GS base is another one.
    const gs = cpu.segment(GS).base;
    if (call) return this.untilAt(before + length, r => r.index === own && r.gpr(RSP) >= depth && r.segment(GS).base === gs);
    for (;;) {
      const stop = this.stepInto(own);
      if (stop.reason !== 'step' || cpu.gpr(RSP) >= depth || !isInterruptFrame(cpu, before)) return stop;
      const back = this.untilAt(before, r => r.index === own && r.gpr(RSP) >= depth);
      if (back.reason !== 'address') return back;
    }
  }

  /** Runs to where the present function of processor `own` returns to, found by `returnAddress` (the caller knows how to unwind). */
  stepOut(returnAddress: number, own: number = this.machine.currentCpu): ControlStop {
    const depth = this.machine.cpus[own].gpr(RSP);
    return this.untilAt(returnAddress, r => r.index === own && r.gpr(RSP) > depth);
  }

  /** Runs to an address. Other breakpoints stop it too. */
  toAddress(address: number): ControlStop {
    return this.untilAt(address, () => true);
  }

  /** Runs until an interrupt or exception has been delivered: RIP is at the first instruction of its handler. */
  nextInterrupt(): ControlStop {
    const limit = this.machine.cycle + this.reach;
    return this.withInterruptStops(() => {
      const stop = this.timeline.run(limit);
      return stop.reason === 'stopped' ? { ...stop, reason: 'interrupt' } : stop;
    });
  }

  // ---- backwards ----

  /** To the boundary before the previous instruction (or interrupt delivery) of processor `own`: where the step that led here began. */
  stepBack(own: number = this.machine.currentCpu): ControlStop {
    const { machine } = this,
      here = machine.position,
      cycle = machine.cycle;
    return machine.withoutStops(() => {
      this.approach(cycle);
      // The previous boundary is the last one of those that are counted from some place before it. Far back enough is found by trying.
      for (let window = 64; ; window *= 16) {
        const from = Math.max(this.timeline.start, cycle - window);
        this.timeline.goTo(from);
        // Where the window begins is a boundary of the processor unless it is in the middle of a sleep, or of the others' turns.
        const begins = from === this.timeline.start || (machine.cpus.length === 1 && !this.cpu.halted);
        let last = begins && machine.position < here ? machine.position : -1;
        while (machine.position < here) {
          const { cycle: before, halted } = machine.cpus[own];
          if (this.stepOnce(Infinity, null, here).reason !== 'step') break;
          const cpu = machine.cpus[own];
          if (machine.position < here && cpu.cycle > before && !(halted && cpu.halted)) last = machine.position;
        }
        if (last >= 0) {
          this.timeline.goToPosition(last);
          return this.at('step', own);
        }
        if (from === this.timeline.start) {
          this.timeline.goTo(from);
          return this.at('start');
        }
      }
    });
  }

  /** To where the machine last stopped before this for a breakpoint or a watch hit; to the beginning if it never did. */
  runBack(): ControlStop {
    return this.lastStop(['breakpoint', 'watch']);
  }

  /** To the last moment before this one at which an interrupt or exception had just been delivered. */
  previousInterrupt(): ControlStop {
    const stop = this.withInterruptStops(() => this.lastStop(['stopped']));
    return stop.reason === 'stopped' ? { ...stop, reason: 'interrupt' } : stop;
  }

  /** To after the last instruction before this moment that wrote any of `length` bytes at physical address `pa`. */
  lastWrite(pa: number, length: number): ControlStop {
    const { machine } = this;
    const breakpoints = machine.breakpoints,
      watches = machine.watches;
    machine.setBreakpoints([]);
    machine.setWatches([{ start: pa, end: pa + length, physical: true, read: false, write: true }]);
    try {
      return this.lastStop(['watch']);
    } finally {
      machine.setBreakpoints(breakpoints);
      machine.setWatches(watches);
    }
  }

  /**
   * From a bug check to its cause: processor `cpu` of the stop stands before the instruction of the driver that made the mistake (BugCheck.cause says which that is), with reason
   * `step`. Where that cannot be found, to the last instruction of the driver's before. Throws an Error without a bug check; reason `limit` when no driver is at fault or none was found.
   */
  toCause(): ControlStop {
    const { machine } = this;
    const bug = machine.bugCheck();
    if (bug === null) throw new Error('there is no bug check to go back from');
    const { cause } = bug;
    if (cause === undefined)
      return { ...this.timeline.goTo(Math.max(this.timeline.start, bug.cycle - 1)), cpu: bug.cpu, reason: 'limit' };
    let { cpu, cycle } = cause;
    if (cause.written !== undefined) {
      const stop = this.lastWrite(cause.written.start, cause.written.end - cause.written.start);
      if (stop.reason === 'watch') {
        cpu = stop.cpu;
        cycle = machine.cpus[cpu].cycle;
      }
    }
    const inDriver = (p: CpuView): boolean =>
      p.rip >= cause.code.start &&
      p.rip < cause.code.end &&
      (cause.irql === undefined || p.cr8 <= cause.irql) &&
      !isImportJump(p);
    if (cause.returns !== undefined) {
      const exact = this.lastBoundary(cpu, cycle, p => {
        if (!inDriver(p)) return false;
        const { length, call } = this.instruction(p, p.rip);
        return call && p.rip + length === cause.returns;
      });
      if (exact.reason === 'step') return exact;
    }
    return this.lastBoundary(cpu, cycle, inDriver);
  }

  // ---- parts ----

  /** To the last boundary before its cycle `before` at which processor `own` was about to execute an instruction for which `holds`; reason `limit` when there is none near. */
  private lastBoundary(own: number, before: number, holds: (cpu: CpuView) => boolean): ControlStop {
    const { machine, timeline } = this;
    const cpu = machine.cpus[own];
    return machine.withoutStops(() => {
      for (let window = 256; ; window *= 16) {
        const from = Math.max(timeline.start, before - window);
        timeline.goTo(from);
        let found = -1;
        for (let seen = -1; cpu.cycle < before;) {
          // With several processors the others come in between: the boundary counts at which this one came to its instruction.
          if (cpu.cycle !== seen) {
            seen = cpu.cycle;
            if (holds(cpu)) found = machine.position;
          }
          if (this.stepOnce(Infinity, null).reason !== 'step') break;
        }
        if (found >= 0) {
          timeline.goToPosition(found);
          return this.at('step', own);
        }
        if (from === timeline.start || window >= CAUSE_REACH) {
          timeline.goTo(Math.max(timeline.start, Math.min(before, timeline.branch.end) - 1));
          return this.at('limit', own);
        }
      }
    });
  }

  /** Leaves a checkpoint a little before `cycle`, if the last one is far: whoever steps back once will do it again. */
  private approach(cycle: number): void {
    if (cycle - this.timeline.lastCheckpoint(cycle).cycle <= 2 * NEAR) return;
    this.timeline.goTo(cycle - NEAR);
    if (this.machine.cycle < cycle) this.timeline.mark();
  }

  private at(reason: ControlReason, cpu: number = this.machine.currentCpu): ControlStop {
    return { reason, cpu, cycle: this.machine.cycle };
  }

  /**
   * To the next boundary at which the processor (of several: `own`, or with null whichever has its turn) has executed something and is not halted, or to cycle `limit` or position `end`.
   * Every instruction and every delivery costs at least one cycle, so that one position more is one of them, a little of a sleep, or a turn.
   */
  private stepOnce(limit: number, own: number | null, end = Infinity): ControlStop {
    const { machine } = this;
    for (;;) {
      const before = machine.cpus.map(cpu => ({ cycle: cpu.cycle, halted: cpu.halted }));
      const asleep = machine.cpus.every(cpu => machine.core.isAwake(cpu.index) === 0),
        next = machine.nextActivity(limit);
      const stop =
        asleep && next > machine.cycle + 1
          ? this.timeline.run(next, end)
          : this.timeline.run(limit, Math.min(end, machine.position + 1));
      if (stop.reason !== 'limit') return stop;
      const cpu = machine.cpus[own ?? machine.currentCpu],
        was = before[cpu.index];
      if (cpu.cycle > was.cycle && !(was.halted && cpu.halted)) return this.at('step', cpu.index);
      if (machine.cycle >= limit || machine.position >= end) return stop;
    }
  }

  private untilAt(address: number, holds: (cpu: CpuView) => boolean): ControlStop {
    const { machine } = this,
      limit = machine.cycle + this.reach,
      own = machine.breakpoints;
    machine.setBreakpoints([...own, address]);
    try {
      for (;;) {
        const stop = this.timeline.run(limit);
        if (stop.reason !== 'breakpoint') return stop;
        const { cpu } = this;
        if (cpu.rip === address && holds(cpu)) return this.at('address');
        if (own.includes(cpu.rip)) return stop;
      }
    } finally {
      machine.setBreakpoints(own);
    }
  }

  /**
   * The last stop of one of these kinds before the present moment. The stretches between checkpoints are run again from the latest to the earliest, until one has
   * such a stop; then that stretch is run once more, to that stop. Stops are counted, not found by their cycle, so that the machine ends exactly there.
   */
  private lastStop(reasons: readonly StopReason[]): ControlStop {
    const { timeline, machine } = this;
    let end = machine.position;
    for (;;) {
      const checkpoint = timeline.lastCheckpointBefore(end);
      const hits = this.countStops(checkpoint, end, reasons, Infinity).count;
      if (hits > 0) return this.countStops(checkpoint, end, reasons, hits).stop;
      if (checkpoint === timeline.branch.checkpoints[0]) {
        timeline.goTo(timeline.start);
        return this.at('start');
      }
      end = checkpoint.position;
    }
  }

  /** Runs from a checkpoint to before position `end` and counts the stops; ends at stop number `last`. */
  private countStops(
    checkpoint: Checkpoint,
    end: number,
    reasons: readonly StopReason[],
    last: number,
  ): { count: number; stop: ControlStop } {
    const { timeline } = this;
    timeline.restore(checkpoint);
    for (let count = 0; ;) {
      const stop: Stop = timeline.run(Infinity, end);
      if (timeline.machine.position >= end || stop.reason === 'limit') return { count, stop };
      if (reasons.includes(stop.reason)) count++;
      else if (stop.reason !== 'breakpoint' && stop.reason !== 'watch' && stop.reason !== 'stopped') return { count, stop };
      if (count >= last) return { count, stop };
    }
  }

  private withInterruptStops<T>(act: () => T): T {
    const { machine } = this,
      breakpoints = machine.breakpoints,
      watches = machine.watches;
    machine.setBreakpoints([]);
    machine.setWatches([]);
    const undo = machine.addCoreSink(event => {
      if (event.kind === abi.EVENT_INTERRUPT || event.kind === abi.EVENT_EXCEPTION) machine.stop();
    });
    try {
      return act();
    } finally {
      undo();
      machine.setBreakpoints(breakpoints);
      machine.setWatches(watches);
    }
  }
}

/** `jmp [rip+...]`, by which an image goes to an imported routine (FF /4): the call is the instruction before it. */
function isImportJump(cpu: CpuView): boolean {
  return cpu.mem.translate(cpu.rip) >= 0 && cpu.mem.translate(cpu.rip + 1) >= 0 && cpu.mem.read16(cpu.rip) === 0x25ff;
}

/** Whether the stack's top is an interrupt frame that returns to `rip` (SDM vol. 3, figure 6-9). */
function isInterruptFrame(cpu: CpuView, rip: number): boolean {
  const rsp = cpu.gprPtr(RSP);
  for (const at of [rsp, rsp + 8]) {
    if (cpu.mem.translate(at) >= 0 && cpu.mem.translate(at + 7) >= 0 && cpu.mem.read64(at) === BigInt.asUintN(64, BigInt(rip)))
      return true;
  }
  return false;
}

/** The calls of 64-bit code, by their encodings: E8 rel32, FF /2, FF /3, with their prefixes, and SYSCALL (SDM vol. 2, CALL); anything else counts as no call. */
export function decodeCall(cpu: CpuView, va: number): InstructionInfo {
  const none = { length: 0, call: false };
  let at = va;
  const byte = (): number => (cpu.mem.translate(at) < 0 ? -1 : cpu.mem.read8(at++));
  let op = byte();
  for (
    let n = 0;
    n < 14 &&
    ((op >= 0x40 && op <= 0x4f) ||
      op === 0x66 ||
      op === 0xf2 ||
      op === 0xf3 ||
      op === 0x2e ||
      op === 0x3e ||
      op === 0x64 ||
      op === 0x65);
    n++
  )
    op = byte();
  if (op === 0xe8) return { length: at - va + 4, call: true };
  // SYSCALL: the kernel comes back to the instruction after it.
  if (op === 0x0f && byte() === 0x05) return { length: at - va, call: true };
  if (op !== 0xff) return none;
  const modrm = byte(),
    mod = modrm >> 6,
    rm = modrm & 7,
    reg = (modrm >> 3) & 7;
  if (modrm < 0 || (reg !== 2 && reg !== 3)) return none;
  let length = at - va;
  if (mod !== 3 && rm === 4) {
    const sib = byte();
    length += 1;
    if (mod === 0 && (sib & 7) === 5) length += 4;
  } else if (mod === 0 && rm === 5) length += 4;
  if (mod === 1) length += 1;
  if (mod === 2) length += 4;
  return { length, call: true };
}
