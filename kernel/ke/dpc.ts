import type { Kernel } from '../kernel.ts';
import {
  DpcObject,
  HighImportance,
  KDPC,
  KDPC_DATA,
  MediumHighImportance,
  MediumImportance,
  ThreadedDpcObject,
} from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { prcbAddress } from '../mm/layout.ts';
import { activeProcessors } from './processor.ts';
import { keSetEvent } from './event.ts';
import { requestDpcInterrupt } from './ready.ts';

const D = KDPC.f;
const Q = KDPC_DATA.f;
const P = KPRCB.f;

/** Depth of the queue at which a DPC of low importance asks for an interrupt after all (MaximumDpcQueueDepth's default). */
export const DEFAULT_MAXIMUM_DPC_QUEUE_DEPTH = 4;

const queueOf = (prcb: number): number => prcb + P.DpcData.offset;
/** The queue of a processor's threaded DPCs. */
export const threadedQueue = (prcb: number): number => queueOf(prcb) + KDPC_DATA.size;

/** KDPC.Number of a DPC for processor n is this plus n; without a target it is 0. */
const TARGETED = 0x800;

/** The processor on whose queue a DPC goes: its target, if it has one that runs, else this one. */
export function dpcProcessor(k: Kernel, dpc: number): number {
  const number = D.Number.get(k.mem, dpc);
  const target = number - TARGETED;
  return number >= TARGETED && target < 32 && (activeProcessors(k) >> target) & 1 ? target : k.cpu.index;
}

/**
 * Whether a DPC that was queued asks for an interrupt at once (WDK, KeSetImportanceDpc; Windows Internals, "DPC interrupt generation rules"): on this processor unless it is of
 * low importance, on another one if it is of more than medium importance or nothing runs there. When the queue is deep, always.
 */
function isUrgent(k: Kernel, importance: number, processor: number, depth: number): boolean {
  const { mem } = k;
  const prcb = prcbAddress(processor);
  if (importance === HighImportance || importance === MediumHighImportance || depth >= P.MaximumDpcQueueDepth.get(mem, prcb))
    return true;
  if (processor === k.cpu.index) return importance === MediumImportance;
  return P.CurrentThread.get(mem, prcb) === P.IdleThread.get(mem, prcb);
}

/** KeInitializeDpc (`threaded`: KeInitializeThreadedDpc). */
export function keInitializeDpc(k: Kernel, dpc: number, routine: number, context: number, threaded = false): void {
  const m = k.mem;
  m.write32(dpc, 0);
  D.Type.set(m, dpc, threaded ? ThreadedDpcObject : DpcObject);
  D.Importance.set(m, dpc, MediumImportance);
  D.Number.set(m, dpc, 0);
  D.ProcessorHistory.set(m, dpc, 0n);
  D.DeferredRoutine.set(m, dpc, routine);
  D.DeferredContext.set(m, dpc, context);
  D.DpcData.set(m, dpc, 0);
}

/**
 * KeInsertQueueDpc: false if the DPC is queued already. High importance goes to the front. A DPC that is not urgent waits for the next interrupt of its processor's queue,
 * for the clock, or for the idle loop.
 */
export function keInsertQueueDpc(k: Kernel, dpc: number, argument1: number | bigint, argument2: number | bigint): boolean {
  const m = k.mem;
  m.probe(dpc, KDPC.size, true);
  if (D.DpcData.get(m, dpc) !== 0) return false;
  const processor = dpcProcessor(k, dpc);
  const prcb = prcbAddress(processor);
  const threaded = D.Type.get(m, dpc) === ThreadedDpcObject && P.ThreadDpcEnable.get(m, prcb) !== 0;
  const queue = threaded ? threadedQueue(prcb) : queueOf(prcb);
  const importance = D.Importance.get(m, dpc);
  m.write64(dpc + D.SystemArgument1.offset, BigInt.asUintN(64, BigInt(argument1)));
  m.write64(dpc + D.SystemArgument2.offset, BigInt.asUintN(64, BigInt(argument2)));
  D.DpcData.set(m, dpc, queue);
  const link = dpc + D.DpcListEntry.offset;
  const head = queue; // KDPC_LIST: ListHead.Next, LastEntry
  const first = m.readPtr(head);
  if (first === 0) {
    m.writePtr(link, 0);
    m.writePtr(head, link);
    m.writePtr(head + 8, link);
  } else if (importance === HighImportance) {
    m.writePtr(link, first);
    m.writePtr(head, link);
  } else {
    m.writePtr(link, 0);
    m.writePtr(m.readPtr(head + 8), link);
    m.writePtr(head + 8, link);
  }
  const depth = Q.DpcQueueDepth.get(m, queue) + 1;
  Q.DpcQueueDepth.set(m, queue, depth);
  Q.DpcCount.set(m, queue, Q.DpcCount.get(m, queue) + 1);
  if (threaded) keSetEvent(k, prcb + P.DpcGate.offset, 0);
  else if (isUrgent(k, importance, processor, depth)) requestDpcInterrupt(k, undefined, processor);
  return true;
}

/** Clock interrupt: DPCs that are queued without an interrupt having been requested get one, so that a busy processor runs them within a tick. */
export function requestQueuedDpcs(k: Kernel): void {
  if (Q.DpcQueueDepth.get(k.mem, queueOf(k.prcb)) !== 0 && P.DpcRequestSummary.get(k.mem, k.prcb) === 0) requestDpcInterrupt(k);
}

/** Takes the first DPC from a queue of this processor; 0 when it is empty. The DPC may be queued again from now on. */
export function dequeueDpc(k: Kernel, queue = queueOf(k.prcb)): number {
  const m = k.mem;
  const link = m.readPtr(queue);
  if (link === 0) return 0;
  const following = m.readPtr(link);
  m.writePtr(queue, following);
  if (following === 0) m.writePtr(queue + 8, 0);
  Q.DpcQueueDepth.set(m, queue, Q.DpcQueueDepth.get(m, queue) - 1);
  const dpc = link - D.DpcListEntry.offset;
  D.DpcData.set(m, dpc, 0);
  return dpc;
}

/** KeRemoveQueueDpc: true if the DPC was in the queue and is not any more. */
export function keRemoveQueueDpc(k: Kernel, dpc: number): boolean {
  const m = k.mem;
  const queue = D.DpcData.get(m, dpc);
  if (queue === 0) return false;
  const wanted = dpc + D.DpcListEntry.offset;
  let previous = 0;
  for (let link = m.readPtr(queue); link !== 0; previous = link, link = m.readPtr(link)) {
    if (link !== wanted) continue;
    const following = m.readPtr(link);
    m.writePtr(previous === 0 ? queue : previous, following);
    if (following === 0) m.writePtr(queue + 8, previous);
    Q.DpcQueueDepth.set(m, queue, Q.DpcQueueDepth.get(m, queue) - 1);
    D.DpcData.set(m, dpc, 0);
    return true;
  }
  return false;
}

export function keSetImportanceDpc(k: Kernel, dpc: number, importance: number): void {
  D.Importance.set(k.mem, dpc, importance);
}

/** KeSetTargetProcessorDpc. */
export function keSetTargetProcessorDpc(k: Kernel, dpc: number, processor: number): void {
  D.Number.set(k.mem, dpc, (processor + TARGETED) & 0xffff);
}
