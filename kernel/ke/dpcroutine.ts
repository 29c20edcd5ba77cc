import { endOfInterrupt } from '../../hal/nt/apic.ts';
import {
  call,
  DISPATCH_LEVEL,
  type Frame,
  next,
  type NtExport,
  ntExport,
  ntSteps,
  type Outcome,
  ret,
  VOID,
  wait,
} from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { IRQL_NOT_DISPATCH_LEVEL, TIMER_OR_DPC_INVALID } from '../types/bugcodes.ts';
import { KDPC, KTHREAD } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ptr, u32 } from '../types/struct.ts';
import { dequeueDpc } from './dpc.ts';
import {
  LOW_REALTIME_PRIORITY,
  promoteReadyThread,
  requeuePreempted,
  setThreadPriority,
  takeBestThread,
  threadAffinity,
} from './ready.ts';
import { modulesOf, symbolAt } from './stackwalk.ts';
import { resetQuantum } from './thread.ts';
import { expireTimers, timersDue } from './timer.ts';

const P = KPRCB.f;
const D = KDPC.f;
const T = KTHREAD.f;

const frame = { Dpc: ptr, Routine: ptr, ApcDisable: u32 };
type F = Frame<typeof frame>;

/** Name of a routine for the trace: `driver!routine`. */
export const traceName = (k: Kernel, address: number): string =>
  symbolAt(k, modulesOf(k), address) ?? `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

/** Calls the next DPC routine, or ends when the queue is empty and no timer is due. */
function retire(k: Kernel, f: F): Outcome {
  const { mem, prcb } = k;
  P.DpcRoutineActive.set(mem, prcb, 1);
  if (timersDue(k)) expireTimers(k);
  const dpc = dequeueDpc(k);
  if (dpc === 0) {
    P.DpcRequestSummary.set(mem, prcb, 0);
    P.DpcRoutineActive.set(mem, prcb, 0);
    P.CurrentDpcRoutine.set(mem, prcb, 0);
    return ret();
  }
  const routine = D.DeferredRoutine.get(mem, dpc);
  f.set('Dpc', dpc);
  f.set('Routine', routine);
  f.set('ApcDisable', T.CombinedApcDisable.get(mem, k.currentThread()));
  P.CurrentDpcRoutine.set(mem, prcb, routine);
  P.CurrentDpcStartTime.set(mem, prcb, BigInt(k.cpu.cycle));
  P.DpcTimeCount.set(mem, prcb, 0);
  if (k.tracing) k.trace('dpc', 'begin', traceName(k, routine));
  return call(
    routine,
    [
      dpc,
      mem.read64(dpc + D.DeferredContext.offset),
      mem.read64(dpc + D.SystemArgument1.offset),
      mem.read64(dpc + D.SystemArgument2.offset),
    ],
    'done',
  );
}

export const dpcRoutines: readonly NtExport[] = [
  ntExport({
    name: 'KiAcknowledgeDispatch',
    internal: true,
    doc: 'EOI of the dispatch interrupt, before the queue is drained: what is queued from then on asks again.',
    args: {},
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl(k) {
      endOfInterrupt(k.cpu);
    },
  }),
  ntSteps({
    name: 'KiRetireDpcList',
    internal: true,
    doc: 'Fires due timers and calls the routines of the DPC queue until it is empty, at DISPATCH_LEVEL.',
    args: {},
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame,
    steps: {
      start: (k, f) => retire(k, f),
      done(k, f) {
        const routine = f.get('Routine');
        if (k.tracing) k.trace('dpc', 'end', traceName(k, routine));
        if (k.irql !== DISPATCH_LEVEL)
          k.bugCheck(IRQL_NOT_DISPATCH_LEVEL, routine, k.irql, f.get('Dpc'), 0, `a DPC routine returned at IRQL ${k.irql}`);
        const disable = T.CombinedApcDisable.get(k.mem, k.currentThread());
        if (disable !== f.get('ApcDisable')) k.bugCheck(TIMER_OR_DPC_INVALID, 4, routine, f.get('ApcDisable'), disable);
        return next('more', 10);
      },
      more: (k, f) => retire(k, f),
    },
  }),
  ntExport({
    name: 'KiSwapThread',
    internal: true,
    doc: 'At DISPATCH_LEVEL: ends a quantum that has run out, and gives the processor to the thread that was chosen over the current one, or to another when the current one may not stay here.',
    args: {},
    returns: VOID,
    cycles: 80,
    status: 'full',
    impl(k) {
      const { mem, prcb } = k;
      const thread = k.currentThread();
      const idle = thread === P.IdleThread.get(mem, prcb);
      const quantumEnd = P.QuantumEnd.get(mem, prcb) !== 0;
      P.QuantumEnd.set(mem, prcb, 0);
      const mustLeave = !idle && ((threadAffinity(k, thread) >> k.cpu.index) & 1) === 0;
      if (mustLeave) {
        if (P.NextThread.get(mem, prcb) === 0) P.NextThread.set(mem, prcb, takeBestThread(k) || P.IdleThread.get(mem, prcb));
      } else if (quantumEnd && !idle) endQuantum(k, thread);
      if (P.NextThread.get(mem, prcb) === 0) return undefined;
      T.WaitIrql.set(mem, thread, DISPATCH_LEVEL);
      T.WaitStatus.set(mem, thread, 0n);
      if (!idle) requeuePreempted(k, thread, !quantumEnd);
      return wait();
    },
  }),
];

/** A thread has used up its quantum: its boost decays by one, and another thread of its priority may have the processor. */
function endQuantum(k: Kernel, thread: number): void {
  const { mem, prcb } = k;
  const priority = T.Priority.get(mem, thread);
  if (priority < LOW_REALTIME_PRIORITY) {
    const base = T.BasePriority.get(mem, thread);
    T.PriorityDecrement.set(mem, thread, 0);
    if (priority > base) setThreadPriority(k, thread, priority - 1);
  }
  resetQuantum(k, thread);
  if (P.NextThread.get(mem, prcb) !== 0) return;
  promoteReadyThread(k, T.Priority.get(mem, thread));
}
