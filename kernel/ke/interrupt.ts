import { enablePin, maskPin } from '../../hal/nt/apic.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { InterruptObject, KINTERRUPT, LevelSensitive } from '../types/ke.ts';
import { prcbAddress } from '../mm/layout.ts';
import { KPRCB } from '../types/prcb.ts';
import { activeProcessors, processorsOf } from './processor.ts';
import { insertTailList, initializeListHead, listEntries, removeEntryList } from './list.ts';

const I = KINTERRUPT.f;
const TAG = 0x746e494b; // 'KInt'
const NonPagedPoolNx = 512;

/** Lowest and highest IRQL that device interrupts get, by turns of the pins. */
const FIRST_DEVICE_IRQL = 5,
  DEVICE_IRQLS = 7;

/** Below are exceptions and software interrupts. */
const LOWEST_DEVICE_VECTOR = 0x30;

export interface PinVector {
  vector: number;
  irql: number;
  /** KAFFINITY */
  affinity: bigint;
}

/**
 * The vector that an I/O APIC pin has, given on first use and kept (HalGetInterruptVector). Its class, vector >> 4, is the IRQL of the interrupt, so pins spread over
 * the device IRQLs. Throws a RangeError for a pin that the I/O APIC does not have.
 */
export function interruptVector(k: Kernel, pin: number): PinVector {
  if (!(pin >= 0 && pin < 24)) throw new RangeError(`there is no I/O APIC pin ${pin}`);
  const table = k.global.address('HalpPinVector') + pin * 4;
  const irql = FIRST_DEVICE_IRQL + (pin % DEVICE_IRQLS);
  const vector = (irql << 4) | (1 + Math.floor(pin / DEVICE_IRQLS));
  k.mem.write32(table, vector);
  return { vector, irql, affinity: BigInt(activeProcessors(k)) };
}

/** The pin that was given `vector`, or -1. */
export function pinOf(k: Kernel, vector: number): number {
  const table = k.global.address('HalpPinVector');
  for (let pin = 0; pin < 24; pin++) if (k.mem.read32(table + pin * 4) === vector) return pin;
  return -1;
}

export interface InterruptSpec {
  vector: number;
  irql: number;
  /** At least `irql`; service routines of several vectors that share a lock run at the highest of them. Default `irql`. */
  synchronizeIrql?: number;
  /** LevelSensitive 0, Latched 1. */
  mode: number;
  serviceRoutine: number;
  /** PKMESSAGE_SERVICE_ROUTINE instead of `serviceRoutine`. */
  messageService?: { routine: number; id: number };
  context: number;
  /** Address of the driver's KSPIN_LOCK; 0: the one in the KINTERRUPT. */
  spinLock?: number;
  shareVector: boolean;
  activeLow?: boolean;
  /** The processors that may get the interrupt, at least one of them active. Default: all active ones. The first who connects to a vector decides for those who share it. */
  affinity?: number;
}

const slot = (processor: number, vector: number): number => prcbAddress(processor) + KPRCB.f.InterruptObject.offset + vector * 8;

/** First KINTERRUPT that is connected to `vector` on this processor, or 0. */
export const connectedInterrupt = (k: Kernel, vector: number): number => k.mem.readPtr(slot(k.cpu.index, vector));

/** The processors on which a vector is connected, and its first KINTERRUPT (the same on all); 0 when it is not connected. */
function vectorOwner(k: Kernel, vector: number): { first: number; processors: number[] } {
  const processors = processorsOf(activeProcessors(k)).filter(n => k.mem.readPtr(slot(n, vector)) !== 0);
  return { first: processors.length === 0 ? 0 : k.mem.readPtr(slot(processors[0]!, vector)), processors };
}

/**
 * Connects a service routine (IoConnectInterrupt and IoConnectInterruptEx, KeConnectInterrupt): the address of its KINTERRUPT, or 0 when memory is short, there is no such vector, or it
 * is taken by somebody who does not share it. The pin is let through on the first connection.
 */
export function connectInterrupt(k: Kernel, spec: InterruptSpec): number {
  const m = k.mem;
  if (spec.vector < LOWEST_DEVICE_VECTOR || spec.vector > 255) return 0;
  if (vectorTaken(k, spec)) return 0;
  const { first } = vectorOwner(k, spec.vector);
  const interrupt = exAllocatePool(k, NonPagedPoolNx, KINTERRUPT.size, TAG);
  if (!interrupt) return 0;
  m.fill(interrupt, KINTERRUPT.size, 0);
  I.Type.set(m, interrupt, InterruptObject);
  I.Size.set(m, interrupt, KINTERRUPT.size);
  I.ServiceRoutine.set(m, interrupt, spec.serviceRoutine);
  I.MessageServiceRoutine.set(m, interrupt, spec.messageService?.routine ?? 0);
  I.MessageIndex.set(m, interrupt, spec.messageService?.id ?? 0);
  I.ServiceContext.set(m, interrupt, spec.context);
  I.ActualLock.set(m, interrupt, spec.spinLock || interrupt + I.SpinLock.offset);
  I.DispatchAddress.set(m, interrupt, k.address('nt!KiInterruptDispatch'));
  I.Vector.set(m, interrupt, spec.vector);
  I.Irql.set(m, interrupt, spec.irql);
  I.SynchronizeIrql.set(m, interrupt, Math.max(spec.synchronizeIrql ?? spec.irql, spec.irql));
  I.ShareVector.set(m, interrupt, spec.shareVector ? 1 : 0);
  I.Mode.set(m, interrupt, spec.mode);
  I.Polarity.set(m, interrupt, spec.activeLow ? 1 : 0);
  const active = activeProcessors(k);
  const processors = (spec.affinity ?? active) & active || active;
  I.Number.set(m, interrupt, 31 - Math.clz32(processors & -processors));
  I.Connected.set(m, interrupt, 1);
  const link = interrupt + I.InterruptListEntry.offset;
  if (first !== 0) insertTailList(m, first + I.InterruptListEntry.offset, link);
  else {
    initializeListHead(m, link);
    for (const n of processorsOf(processors)) m.writePtr(slot(n, spec.vector), interrupt);
    letPinThrough(k, interrupt, processors);
  }
  return interrupt;
}

function letPinThrough(k: Kernel, interrupt: number, processors: number): void {
  const vector = I.Vector.get(k.mem, interrupt);
  const pin = pinOf(k, vector);
  if (pin < 0) return;
  const level = I.Mode.get(k.mem, interrupt) === LevelSensitive;
  enablePin(k.cpu, pin, { vector, level, activeLow: I.Polarity.get(k.mem, interrupt) !== 0, processors });
}

/** KINTERRUPT.InternalState: its service routine is not called (IoReportInterruptInactive). */
export const INTERRUPT_INACTIVE = 1;

/** Says whether a vector has a KINTERRUPT already with which this one could not share it. */
export function vectorTaken(k: Kernel, spec: Pick<InterruptSpec, 'vector' | 'shareVector' | 'mode'>): boolean {
  const { first } = vectorOwner(k, spec.vector);
  return first !== 0 && (!spec.shareVector || I.ShareVector.get(k.mem, first) === 0 || I.Mode.get(k.mem, first) !== spec.mode);
}

/**
 * Makes a service routine active or inactive: an inactive one stays connected and is not called. While all of a vector are inactive its pin is masked. Returns whether one of the
 * vector's is active, for who has to do the same to a message.
 */
export function setInterruptActive(k: Kernel, interrupt: number, active: boolean): boolean {
  const vector = I.Vector.get(k.mem, interrupt);
  I.InternalState.set(k.mem, interrupt, active ? 0 : INTERRUPT_INACTIVE);
  const any = interruptChain(k, vector).some(i => I.InternalState.get(k.mem, i) !== INTERRUPT_INACTIVE);
  const { processors } = vectorOwner(k, vector);
  const pin = pinOf(k, vector);
  if (!any && pin >= 0) maskPin(k.cpu, pin);
  else if (any)
    letPinThrough(
      k,
      interrupt,
      processors.reduce((mask, n) => mask | (1 << n), 0),
    );
  return any;
}

/**
 * IoDisconnectInterrupt: takes the service routine off its vector; the last one masks the pin. The KINTERRUPT is freed. False, and nothing done, while a processor is in the
 * service routines of the vector.
 */
export function disconnectInterrupt(k: Kernel, interrupt: number): boolean {
  const m = k.mem;
  const vector = I.Vector.get(m, interrupt);
  const { first, processors } = vectorOwner(k, vector);
  if (first !== 0 && I.ActiveCount.get(m, first) !== 0) return false;
  const replaceFirst = (by: number): void => {
    for (const n of processors) m.writePtr(slot(n, vector), by);
  };
  const next = m.readPtr(interrupt + I.InterruptListEntry.offset) - I.InterruptListEntry.offset;
  if (next !== interrupt) removeEntryList(k, interrupt + I.InterruptListEntry.offset);
  if (next === interrupt) {
    replaceFirst(0);
    const pin = pinOf(k, vector);
    if (pin >= 0) maskPin(k.cpu, pin);
  } else if (first === interrupt) replaceFirst(next);
  I.Connected.set(m, interrupt, 0);
  exFreePool(k, interrupt, TAG);
  return true;
}

/** All KINTERRUPTs of a vector, in the order in which they are called: for `!idt`. */
export function interruptChain(k: Kernel, vector: number): number[] {
  const { first } = vectorOwner(k, vector);
  if (first === 0) return [];
  const head = first + I.InterruptListEntry.offset;
  return [first, ...[...listEntries(k.mem, head, 64)].map(link => link - I.InterruptListEntry.offset)];
}
