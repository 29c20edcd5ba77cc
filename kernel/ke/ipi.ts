import { endOfInterrupt } from '../../hal/nt/apic.ts';
import {
  call,
  type Frame,
  CLOCK_LEVEL,
  IPI_LEVEL,
  next,
  type NtExport,
  ntSteps,
  type Outcome,
  pointer,
  PVOID,
  ret,
  retry,
  ULONG,
  ULONG64,
  VOID,
} from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { u64, u8 } from '../types/struct.ts';
import { IPI_FLUSH_TB, IPI_GENERIC_CALL, sendIpiRequest, takeIpiRequests } from './ipirequest.ts';
import { activeProcessorCount, otherProcessors } from './processor.ts';
import { flushRequestedTb } from './shootdown.ts';

/** Cycles of a turn of waiting for other processors. */
export const POLL_CYCLES = 40;

const count = (k: Kernel, what: 'KiIpiCallArrived' | 'KiIpiCallDone'): void => k.global.set(what, k.global.get(what) + 1);

/** Waits until every processor has come to the call, then makes it, so that all of them run the routine at once. */
function callTogether(k: Kernel): Outcome {
  if (k.global.get('KiIpiCallArrived') < activeProcessorCount(k)) return next('together', POLL_CYCLES);
  return call(k.global.get('KiIpiCallRoutine'), [k.global.get('KiIpiCallContext')], 'called');
}

function ended(k: Kernel): Outcome {
  endOfInterrupt(k.cpu);
  return ret();
}

const callFrame = { Result: u64, OldIrql: u8 };

/** The caller has made its own call: waits for those of the others. */
function finish(k: Kernel, f: Frame<typeof callFrame>): Outcome {
  if (k.global.get('KiIpiCallDone') < activeProcessorCount(k)) return next('finish', POLL_CYCLES);
  k.global.set('KiIpiCallActive', 0);
  k.irql = f.get('OldIrql');
  return ret(f.get('Result'));
}

export const ipiRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'KiIpiProcessRequests',
    internal: true,
    doc: 'Interprocessor interrupt: carries out what other processors asked of this one.',
    args: { TrapFrame: pointer('PKTRAP_FRAME'), Vector: ULONG },
    returns: VOID,
    cycles: 30,
    status: 'full',
    frame: { Spare: u64 },
    steps: {
      start(k) {
        const requests = takeIpiRequests(k);
        if (requests & IPI_FLUSH_TB) flushRequestedTb(k);
        if ((requests & IPI_GENERIC_CALL) === 0) return ended(k);
        count(k, 'KiIpiCallArrived');
        return callTogether(k);
      },
      together: k => callTogether(k),
      called(k) {
        count(k, 'KiIpiCallDone');
        return ended(k);
      },
    },
  }),
  ntSteps({
    name: 'KeIpiGenericCall',
    doc: 'Calls a routine on all processors at once, at IPI_LEVEL; returns what it returns on this one.',
    irql: { max: CLOCK_LEVEL },
    args: { BroadcastFunction: PVOID, Context: ULONG64 },
    returns: ULONG64,
    cycles: 100,
    status: 'full',
    frame: callFrame,
    steps: {
      start(k, f, _rax, a) {
        // Another call is under way: this processor is interrupted for it while it tries again.
        if (k.global.get('KiIpiCallActive') !== 0) return retry;
        k.global.set('KiIpiCallActive', 1);
        k.global.set('KiIpiCallRoutine', a.BroadcastFunction);
        k.global.set('KiIpiCallContext', a.Context);
        k.global.set('KiIpiCallArrived', 1);
        k.global.set('KiIpiCallDone', 0);
        f.set('OldIrql', k.irql);
        k.irql = IPI_LEVEL;
        for (const n of otherProcessors(k)) sendIpiRequest(k, n, IPI_GENERIC_CALL);
        return callTogether(k);
      },
      together: k => callTogether(k),
      called(k, f) {
        f.set('Result', k.rax64());
        count(k, 'KiIpiCallDone');
        return finish(k, f);
      },
      finish: (k, f) => finish(k, f),
    },
  }),
];
