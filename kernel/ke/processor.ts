import { sendInterrupt, sendSelfInterrupt } from '../../hal/nt/apic.ts';
import type { Kernel } from '../kernel.ts';

/**
 * Processors by number. There is one group, so a KAFFINITY of the first eight bits says everything, and a number serves for it. A processor's APIC ID is its number.
 */

/** Most processors that the machine can have: the bits of a flat logical APIC destination. */
export const MAXIMUM_PROCESSORS = 8;

/** KeActiveProcessors: the processors that have been started, a bit each. */
export const activeProcessors = (k: Kernel): number => k.mem.read32(k.global.address('KeActiveProcessors'));

/** Number of processors that have been started: they are started in order. */
export const activeProcessorCount = (k: Kernel): number => 32 - Math.clz32(activeProcessors(k));

/** The machine has one processor, so nobody else can be running. */
export const isUniprocessor = (k: Kernel): boolean => k.platform.cpus.length === 1;

/** The processors in a mask, in order. */
export function processorsOf(mask: number): number[] {
  const numbers: number[] = [];
  for (let n = 0; n < MAXIMUM_PROCESSORS; n++) if ((mask >> n) & 1) numbers.push(n);
  return numbers;
}

/** The active processors but this one. */
export const otherProcessors = (k: Kernel): number[] => processorsOf(activeProcessors(k) & ~(1 << k.cpu.index));

/**
 * Requests a software interrupt on a processor (HalRequestSoftwareInterrupt, HalSendSoftwareInterrupt): a self-IPI or one to the other, which the local APIC there
 * holds back while the IRQL masks it.
 */
export function requestSoftwareInterrupt(k: Kernel, vector: number, processor = k.cpu.index): void {
  if (processor === k.cpu.index) sendSelfInterrupt(k.cpu, vector);
  else sendInterrupt(k.cpu, processor, vector);
}
