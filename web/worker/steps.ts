import { codeAddress, instructionAt } from '../../emulator/inspect/code.ts';
import * as abi from '../../emulator/core/abi.ts';
import type { DriverMachine } from '../../emulator/library.ts';
import type { ControlStop, RunControl } from '../../emulator/runcontrol.ts';
import type { Timeline } from '../../emulator/timeline.ts';
import type { InterruptFilter, StepKind } from '../protocol.ts';
import { connectedVectors, stackFrames } from './views.ts';

// The debugger's steps. A step may run long (over a call that waits, to an interrupt that does not come), so each goes in slices between which the page is
// answered and can say stop.

/** Cycles between two looks at whether the page wants something. Running that many takes a few milliseconds. */
const SLICE = 1_000_000;
/** Guest cycles after which a step gives up: ten guest seconds at 100 MHz. */
const REACH = 1_000_000_000;
const RSP = 4;

export interface StepContext {
  machine: DriverMachine;
  timeline: Timeline;
  control: RunControl;
  /** Number of the processor that is stepped. */
  cpu: number;
  /** Lets messages in; whether the step is to end here. */
  breathe(): Promise<boolean>;
}

/** Does one step; resolves with where and why it ended. Throws an Error for the reader where the step makes no sense. */
export async function step(c: StepContext, kind: StepKind, filter: InterruptFilter): Promise<ControlStop> {
  const { control, timeline, machine } = c;
  control.reach = REACH / 10;
  switch (kind) {
    case 'into':
      return control.stepInto(c.cpu);
    case 'over':
      return stepOver(c);
    case 'out': {
      const [frame] = stackFrames(machine, c.cpu);
      if (frame === undefined) throw new Error('no caller was found: the stack walk ends here');
      const depth = stackPointer(c);
      return runTo(c, frame.address, () => isTurn(c) && stackPointer(c) > depth);
    }
    case 'back':
      return control.stepBack(c.cpu);
    case 'back-over':
      return stepBackOver(c);
    case 'back-out':
      return stepBackOut(c);
    case 'interrupt':
      return nextInterrupt(c, filter);
    case 'back-interrupt':
      return previousInterrupt(c, filter);
    case 'back-cause':
      return stepBackToCause(c);
    case 'back-breakpoint':
      if (machine.breakpoints.length === 0) throw new Error('there is no breakpoint to run back to: set one first');
      return control.runBack();
    case 'to-end':
      return arrived(c, control.toCycle(timeline.branch.end));
    case 'to-start':
      return arrived(c, control.toCycle(timeline.start));
  }
}

/** Whoever goes to a cycle is there when it is reached, and goes on looking at the same processor. */
export const arrived = (c: StepContext, stop: ControlStop): ControlStop =>
  stop.reason === 'limit' ? { ...stop, cpu: c.cpu, reason: 'address' } : stop;

const processor = (c: StepContext) => c.machine.cpus[c.cpu]!;
/** Several processors may come to the same address; the stop there is of the one whose turn it is. */
const isTurn = (c: StepContext): boolean => c.machine.currentCpu === c.cpu;
const stackPointer = (c: StepContext): bigint => processor(c).gpr(RSP);

function stepOver(c: StepContext): Promise<ControlStop> | ControlStop {
  const cpu = processor(c);
  const d = instructionAt(cpu, codeAddress(cpu));
  if (d.kind !== 'call') return c.control.stepOver(c.cpu);
  const depth = stackPointer(c);
  return runTo(c, cpu.rip + d.length, () => isTurn(c) && stackPointer(c) >= depth);
}

/** Runs to `address`, as often as it takes until `holds` (the frame is the right one). Breakpoints of the person stop it too. */
export async function runTo(c: StepContext, address: number, holds: () => boolean): Promise<ControlStop> {
  const own = c.machine.breakpoints.includes(address);
  return inSlices(c, () => {
    const stop = c.control.toAddress(address);
    if (stop.reason !== 'address' || holds()) return stop;
    return own ? { ...stop, reason: 'breakpoint' } : null;
  });
}

/** From a bug check back to before the instruction of the driver that led to it; without a driver, to before the bug check began. */
function stepBackToCause(c: StepContext): ControlStop {
  const stop = c.control.toCause();
  return stop.reason === 'limit' ? { ...stop, reason: 'address' } : stop;
}

/** Back to the instruction before this one of the same function: when a call has just returned, to that call. */
function stepBackOver(c: StepContext): ControlStop {
  const here = processor(c).rip,
    depth = stackPointer(c);
  const stop = c.control.stepBack(c.cpu);
  if (stop.reason !== 'step' || stackPointer(c) >= depth) return stop;
  return callBefore(c, here) === null ? stop : backToCall(c, here, () => isTurn(c) && stackPointer(c) === depth);
}

/** Back to the call that this function was called by. */
function stepBackOut(c: StepContext): ControlStop {
  const [frame] = stackFrames(c.machine, c.cpu);
  if (frame === undefined || callBefore(c, frame.address) === null) throw new Error('no call was found that led here');
  // At the call, the return address has not been pushed yet.
  return backToCall(c, frame.address, () => isTurn(c) && stackPointer(c) === BigInt.asUintN(64, BigInt(frame.slot + 8)));
}

/** Address of the call instruction that ends at `returnAddress`, or null. */
function callBefore(c: StepContext, returnAddress: number): number | null {
  for (const length of [5, 6, 2, 3, 7, 4, 8]) {
    const d = instructionAt(processor(c), returnAddress - length);
    if (d.kind === 'call' && d.length === length) return returnAddress - length;
  }
  return null;
}

function backToCall(c: StepContext, returnAddress: number, holds: () => boolean): ControlStop {
  const { machine, control } = c;
  const own = machine.breakpoints;
  machine.setBreakpoints([callBefore(c, returnAddress)!]);
  try {
    for (;;) {
      const stop = control.runBack();
      if (stop.reason !== 'breakpoint') return stop;
      if (holds()) return { ...stop, reason: 'step' };
    }
  } finally {
    machine.setBreakpoints(own);
  }
}

function nextInterrupt(c: StepContext, filter: InterruptFilter): Promise<ControlStop> {
  return watchingInterrupts(c, filter, wanted =>
    inSlices(c, () => {
      const stop = c.control.nextInterrupt();
      return stop.reason === 'interrupt' && !wanted() ? null : stop;
    }),
  );
}

function previousInterrupt(c: StepContext, filter: InterruptFilter): Promise<ControlStop> {
  return watchingInterrupts(c, filter, wanted =>
    inSlices(c, () => {
      const stop = c.control.previousInterrupt();
      return stop.reason === 'interrupt' && !wanted() ? null : stop;
    }),
  );
}

/** Does `act` while noting which interrupt came last; `wanted` says whether that is one of those that were asked for. */
async function watchingInterrupts(
  c: StepContext,
  filter: InterruptFilter,
  act: (wanted: () => boolean) => Promise<ControlStop>,
): Promise<ControlStop> {
  const vectors = filter === 'all' ? null : new Set(filter === 'devices' ? connectedVectors(c.machine) : [filter]);
  let last = -1;
  const detach = c.machine.addCoreSink(event => {
    if (event.kind === abi.EVENT_INTERRUPT || event.kind === abi.EVENT_EXCEPTION) last = event.a;
  });
  try {
    // An exception is always worth a stop, but for those that were not asked for by number.
    return await act(() => vectors === null || vectors.has(last) || (filter === 'devices' && last < 32));
  } finally {
    detach();
  }
}

/** Repeats `once`, which runs at most a slice, until it gives a stop that counts (null: go on), the page says stop, or the reach is used up. */
async function inSlices(c: StepContext, once: () => ControlStop | null): Promise<ControlStop> {
  const { machine, control } = c;
  const from = machine.cycle;
  for (;;) {
    control.reach = SLICE;
    const stop = once();
    if (stop !== null && stop.reason !== 'limit') return stop;
    const here = { cpu: c.cpu, cycle: machine.cycle };
    if (await c.breathe()) return { ...here, reason: 'stopped' };
    if (Math.abs(machine.cycle - from) >= REACH) return { ...here, reason: 'limit' };
  }
}
