import {
  call,
  type Frame,
  type NtExport,
  ntExport,
  NTSTATUS,
  ntSteps,
  type Outcome,
  PASSIVE_LEVEL,
  ULONG,
  VOID,
  wait,
} from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { prcbAddress } from '../mm/layout.ts';
import { psCreateSystemThread } from '../ps/thread.ts';
import { IRQL_NOT_DISPATCH_LEVEL } from '../types/bugcodes.ts';
import { KDPC, KDPC_DATA, KTHREAD } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { dequeueDpc, threadedQueue } from './dpc.ts';
import { keInitializeEvent } from './event.ts';
import { activeProcessors, processorsOf } from './processor.ts';
import { setThreadAffinity } from './ready.ts';
import { keWait } from './wait.ts';

/**
 * Threaded DPCs: a thread of the highest priority on each processor runs them at PASSIVE_LEVEL, in the order in which they were queued (WDK, "Introduction to Threaded DPCs").
 * KPRCB.DpcData[1] is their queue and its ActiveDpc the one that runs; KPRCB.DpcGate wakes the thread.
 */

const P = KPRCB.f;
const D = KDPC.f;
const T = KTHREAD.f;
/** KWAIT_REASON */
const WR_DISPATCH_INT = 31;
const HIGHEST_PRIORITY = 31;

const frame = { Dpc: ptr, Routine: ptr };

/** Runs the next threaded DPC of this processor, or waits for one. */
function nextDpc(k: Kernel, f: Frame<typeof frame>): Outcome {
  const { mem, prcb } = k;
  KDPC_DATA.f.ActiveDpc.set(mem, threadedQueue(prcb), 0);
  for (;;) {
    const dpc = dequeueDpc(k, threadedQueue(prcb));
    if (dpc !== 0) return run(k, f, dpc);
    if (keWait(k, [prcb + P.DpcGate.offset], { reason: WR_DISPATCH_INT }) === 'blocked') return wait('woken');
  }
}

function run(k: Kernel, f: Frame<typeof frame>, dpc: number): Outcome {
  const { mem, prcb } = k;
  const routine = D.DeferredRoutine.get(mem, dpc);
  f.set('Dpc', dpc);
  f.set('Routine', routine);
  KDPC_DATA.f.ActiveDpc.set(mem, threadedQueue(prcb), dpc);
  const argument = (field: { offset: number }): bigint => mem.read64(dpc + field.offset);
  return call(routine, [dpc, argument(D.DeferredContext), argument(D.SystemArgument1), argument(D.SystemArgument2)], 'done');
}

export const threadedDpcRoutines: readonly NtExport[] = [
  ntExport({
    name: 'KiStartDpcThreads',
    internal: true,
    doc: 'Makes the thread of each processor that runs its threaded DPCs.',
    args: {},
    returns: NTSTATUS,
    cycles: 1000,
    status: 'full',
    impl(k) {
      const system = k.mem.readPtr(k.address('nt!PsInitialSystemProcess'));
      for (const n of processorsOf(activeProcessors(k))) {
        const prcb = prcbAddress(n);
        keInitializeEvent(k, prcb + P.DpcGate.offset, 1, false);
        const thread = psCreateSystemThread(k, system, k.address('nt!KiExecuteDpc'), n, HIGHEST_PRIORITY);
        if (thread === 0) return STATUS_INSUFFICIENT_RESOURCES;
        k.mem.write64(thread + T.UserAffinity.offset, 1n << BigInt(n));
        setThreadAffinity(k, thread, 1 << n);
        P.ThreadDpcEnable.set(k.mem, prcb, 1);
      }
      return STATUS_SUCCESS;
    },
  }),
  ntSteps({
    name: 'KiExecuteDpc',
    internal: true,
    doc: "A processor's thread for threaded DPCs: runs them for ever.",
    args: { Processor: ULONG },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame,
    steps: {
      start: (k, f) => nextDpc(k, f),
      woken: (k, f) => nextDpc(k, f),
      done(k, f) {
        if (k.irql !== PASSIVE_LEVEL)
          k.bugCheck(
            IRQL_NOT_DISPATCH_LEVEL,
            f.get('Routine'),
            k.irql,
            f.get('Dpc'),
            0,
            `a threaded DPC routine returned at IRQL ${k.irql}: it is called at PASSIVE_LEVEL and must return there`,
          );
        return nextDpc(k, f);
      },
    },
  }),
];
