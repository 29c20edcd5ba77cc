/** Work on all processors: DPC routines everywhere, the end of all DPCs. Source: the WDK pages; ntosp.h for the signals of KeGenericCallDpc. */
import { keInitializeDpc, keInsertQueueDpc, threadedQueue, keSetImportanceDpc, keSetTargetProcessorDpc } from '../ke/dpc.ts';
import { POLL_CYCLES } from '../ke/ipi.ts';
import { activeProcessorCount, activeProcessors, otherProcessors, processorsOf } from '../ke/processor.ts';
import { requestDpcInterrupt } from '../ke/ready.ts';
import type { Kernel } from '../kernel.ts';
import { prcbAddress } from '../mm/layout.ts';
import { HighImportance, KDPC_DATA } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { u32, u8 } from '../types/struct.ts';
import { BOOLEAN, call, DISPATCH_LEVEL, type Frame, next, type NtExport, ntExport, ntSteps, type Outcome, PVOID, ret, retry, VOID } from './declare.ts';

const P = KPRCB.f;

/**
 * What KeGenericCallDpc hands to the routines: a count of those that have not said that they are done, and a DEFERRED_REVERSE_BARRIER: how many have yet to come to the meeting point, and
 * of how many. Bit 31 of the first changes each time that all have come.
 */
const genericFrame = { Barrier: u32, ReverseBarrier: u32, TotalProcessors: u32, OldIrql: u8 };
const MEETING = 0x80000000;

function finishGeneric(k: Kernel, f: Frame<typeof genericFrame>): Outcome {
  if (f.get('Barrier') !== 0) return next('finish', POLL_CYCLES);
  k.global.set('KiGenericCallDpcActive', 0);
  k.irql = f.get('OldIrql');
  return ret();
}

const generic: NtExport[] = [
  ntSteps({
    name: 'KeGenericCallDpc',
    doc: 'Runs a DPC routine on every processor at once and waits until all of them have said that they are done.',
    irql: { max: 'APC_LEVEL' },
    args: { Routine: PVOID, Context: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: genericFrame,
    steps: {
      start(k, f, _rax, a) {
        if (k.global.get('KiGenericCallDpcActive') !== 0) return retry;
        k.global.set('KiGenericCallDpcActive', 1);
        f.set('OldIrql', k.irql);
        k.irql = DISPATCH_LEVEL;
        const count = activeProcessorCount(k);
        f.set('Barrier', count);
        f.set('ReverseBarrier', count);
        f.set('TotalProcessors', count);
        const signals = [f.address('Barrier'), f.address('ReverseBarrier')] as const;
        for (const n of otherProcessors(k)) {
          const dpc = prcbAddress(n) + P.CallDpc.offset;
          keInitializeDpc(k, dpc, a.Routine, a.Context);
          keSetTargetProcessorDpc(k, dpc, n);
          keSetImportanceDpc(k, dpc, HighImportance);
          keInsertQueueDpc(k, dpc, ...signals);
        }
        return call(a.Routine, [k.prcb + P.CallDpc.offset, a.Context, ...signals], 'finish');
      },
      finish: (k, f) => finishGeneric(k, f),
    },
  }),
  ntExport({
    name: 'KeSignalCallDpcDone',
    doc: 'Says that the routine of KeGenericCallDpc is done on this processor.',
    args: { SystemArgument1: PVOID },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: (k, { SystemArgument1 }) => k.mem.write32(SystemArgument1, k.mem.read32(SystemArgument1) - 1),
  }),
  ntSteps({
    name: 'KeSignalCallDpcSynchronize',
    doc: 'Waits for the other processors in a routine of KeGenericCallDpc; TRUE on the one that comes last.',
    args: { SystemArgument2: PVOID },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    frame: { Meeting: u32 },
    steps: {
      start(k, f, _rax, { SystemArgument2: at }) {
        const value = k.mem.read32(at);
        const meeting = value & MEETING;
        const left = (value & ~MEETING) - 1;
        f.set('Meeting', meeting >>> 0);
        if (left !== 0) {
          k.mem.write32(at, (meeting | left) >>> 0);
          return next('others', POLL_CYCLES);
        }
        k.mem.write32(at, ((meeting ^ MEETING) | k.mem.read32(at + 4)) >>> 0);
        return ret(true);
      },
      others: (k, f, _rax, { SystemArgument2: at }) =>
        (k.mem.read32(at) & MEETING) >>> 0 === f.get('Meeting') ? next('others', POLL_CYCLES) : ret(false),
    },
  }),
];

const flushFrame = { Left: u32 };

/** Asks each processor that has DPCs to run them, until each has been seen without any. */
function flushDpcs(k: Kernel, f: Frame<typeof flushFrame>): Outcome {
  let left = f.get('Left');
  for (const n of processorsOf(left)) {
    const prcb = prcbAddress(n);
    const queued = KDPC_DATA.f.DpcQueueDepth.get(k.mem, prcb + P.DpcData.offset) !== 0;
    const queue = threadedQueue(prcb);
    const threaded = KDPC_DATA.f.DpcQueueDepth.get(k.mem, queue) !== 0 || KDPC_DATA.f.ActiveDpc.get(k.mem, queue) !== 0;
    if (queued) requestDpcInterrupt(k, undefined, n);
    else if (!threaded && P.DpcRoutineActive.get(k.mem, prcb) === 0) left &= ~(1 << n);
  }
  f.set('Left', left);
  return left === 0 ? ret() : next('again', POLL_CYCLES);
}

const flush: NtExport[] = [
  ntSteps({
    name: 'KeFlushQueuedDpcs',
    doc: 'Returns when every DPC that was queued, on any processor, has run.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: {},
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: flushFrame,
    steps: {
      start(k, f) {
        f.set('Left', activeProcessors(k));
        return flushDpcs(k, f);
      },
      again: (k, f) => flushDpcs(k, f),
    },
  }),
];

export const exports: NtExport[] = [...generic, ...flush];
