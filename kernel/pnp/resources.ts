/** Resource lists: what START_DEVICE tells a driver about its device's ports, memory and interrupt, raw (as the bus has it) and translated (as the processor sees it). */
import type { Kernel } from '../kernel.ts';
import { PCI_INTERRUPT_LINE, PCI_INTERRUPT_PIN, type PciAddress, type PciBar, pciBars, pciRead } from '../../hal/nt/pci.ts';
import { interruptVector, type PinVector } from '../ke/interrupt.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  CM_FULL_RESOURCE_DESCRIPTOR,
  CM_PARTIAL_RESOURCE_DESCRIPTOR,
  CM_PARTIAL_RESOURCE_LIST,
  CM_RESOURCE_INTERRUPT_LATCHED,
  CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
  CM_RESOURCE_INTERRUPT_MESSAGE,
  CM_RESOURCE_LIST,
  CM_RESOURCE_MEMORY_READ_WRITE,
  CM_RESOURCE_PORT_16_BIT_DECODE,
  CM_RESOURCE_PORT_IO,
  CmResourceShareDeviceExclusive,
  CmResourceShareShared,
  CmResourceTypeDeviceSpecific,
  CmResourceTypeInterrupt,
  CmResourceTypeMemory,
  CmResourceTypePort,
} from '../types/pnp.ts';

const D = CM_PARTIAL_RESOURCE_DESCRIPTOR.f;

/** What one device uses. */
export interface DeviceResources {
  bars: readonly PciBar[];
  /** I/O APIC pin of the interrupt line, or null. */
  pin: number | null;
  /** A message instead of the line. */
  message?: PinVector;
}

/** Descriptors start here in a CM_RESOURCE_LIST of one full descriptor. */
export const DESCRIPTORS =
  CM_RESOURCE_LIST.f.List.offset +
  CM_FULL_RESOURCE_DESCRIPTOR.f.PartialResourceList.offset +
  CM_PARTIAL_RESOURCE_LIST.f.PartialDescriptors.offset;

/** Addresses of the partial descriptors of a CM_RESOURCE_LIST, whatever bus they are of. A device-specific descriptor, which must be the last, has its data after it. */
export function resourceDescriptors(k: Kernel, list: number): number[] {
  const out: number[] = [];
  walkList(k, list, at => out.push(at));
  return out;
}

/** Bytes that a CM_RESOURCE_LIST has. */
export const resourceListBytes = (k: Kernel, list: number): number => walkList(k, list, () => undefined) - list;

/** Makes a raw list what the processor sees: each interrupt line gets its vector, IRQL and processors; addresses are the same. */
export function translateResources(k: Kernel, list: number): void {
  for (const at of resourceDescriptors(k, list)) {
    const pin = D.Vector.get(k.mem, at);
    if (D.Type.get(k.mem, at) !== CmResourceTypeInterrupt || pin >= 24) continue;
    const route = interruptVector(k, pin);
    D.Level.set(k.mem, at, route.irql);
    D.Vector.set(k.mem, at, route.vector);
    D.Affinity.set(k.mem, at, route.affinity);
  }
}

/** Goes through a list; the address after it. */
function walkList(k: Kernel, list: number, each: (at: number) => void): number {
  const { mem } = k;
  let at = list + CM_RESOURCE_LIST.f.List.offset;
  for (let full = mem.read32(list); full > 0; full--) {
    const partial = at + CM_FULL_RESOURCE_DESCRIPTOR.f.PartialResourceList.offset;
    at = partial + CM_PARTIAL_RESOURCE_LIST.f.PartialDescriptors.offset;
    for (let i = CM_PARTIAL_RESOURCE_LIST.f.Count.get(mem, partial); i > 0; i--) {
      each(at);
      const more = D.Type.get(mem, at) === CmResourceTypeDeviceSpecific ? D.DataSize.get(mem, at) : 0;
      at += CM_PARTIAL_RESOURCE_DESCRIPTOR.size + more;
    }
  }
  return at;
}

/** Bytes of a CM_RESOURCE_LIST with one full descriptor and `count` partial ones. */
export const resourceListSize = (count: number): number => DESCRIPTORS + count * CM_PARTIAL_RESOURCE_DESCRIPTOR.size;

/**
 * Writes a CM_RESOURCE_LIST into pool: 0 without pool or without resources. On this machine bus and processor addresses are the same; what translation changes is the
 * interrupt: raw it is the I/O APIC pin, translated its vector, IRQL and processors.
 */
export function buildResourceList(
  k: Kernel,
  r: DeviceResources,
  interfaceType: number,
  busNumber: number,
  translated: boolean,
): number {
  const { mem } = k;
  const count = r.bars.length + (r.pin === null && !r.message ? 0 : 1);
  if (!count) return 0;
  const list = exAllocatePool(k, NonPagedPoolNx, resourceListSize(count), poolTag('Cmrl'));
  if (!list) return 0;
  mem.fill(list, resourceListSize(count), 0);
  CM_RESOURCE_LIST.f.Count.set(mem, list, 1);
  const full = list + CM_RESOURCE_LIST.f.List.offset;
  CM_FULL_RESOURCE_DESCRIPTOR.f.InterfaceType.set(mem, full, interfaceType);
  CM_FULL_RESOURCE_DESCRIPTOR.f.BusNumber.set(mem, full, busNumber);
  const partial = full + CM_FULL_RESOURCE_DESCRIPTOR.f.PartialResourceList.offset;
  CM_PARTIAL_RESOURCE_LIST.f.Version.set(mem, partial, 1);
  CM_PARTIAL_RESOURCE_LIST.f.Revision.set(mem, partial, 1);
  CM_PARTIAL_RESOURCE_LIST.f.Count.set(mem, partial, count);
  let at = list + DESCRIPTORS;
  for (const bar of r.bars) {
    const memory = bar.kind === 'memory';
    D.Type.set(mem, at, memory ? CmResourceTypeMemory : CmResourceTypePort);
    D.ShareDisposition.set(mem, at, CmResourceShareDeviceExclusive);
    D.Flags.set(
      mem,
      at,
      memory ? CM_RESOURCE_MEMORY_READ_WRITE | (bar.prefetchable ? 4 : 0) : CM_RESOURCE_PORT_IO | CM_RESOURCE_PORT_16_BIT_DECODE,
    );
    D.Start.set(mem, at, BigInt(bar.base));
    D.Length.set(mem, at, bar.length);
    at += CM_PARTIAL_RESOURCE_DESCRIPTOR.size;
  }
  if (r.message) {
    const { vector, irql, affinity } = r.message;
    D.Type.set(mem, at, CmResourceTypeInterrupt);
    D.ShareDisposition.set(mem, at, CmResourceShareDeviceExclusive);
    D.Flags.set(mem, at, CM_RESOURCE_INTERRUPT_MESSAGE | CM_RESOURCE_INTERRUPT_LATCHED);
    // Raw: how many messages and their first vector; translated: one message as the processor sees it.
    D.Level.set(mem, at, translated ? irql : 0);
    D.Group.set(mem, at, translated ? 0 : 1);
    D.Vector.set(mem, at, vector);
    D.Affinity.set(mem, at, affinity);
  } else if (r.pin !== null) {
    const route = interruptVector(k, r.pin);
    D.Type.set(mem, at, CmResourceTypeInterrupt);
    // PCI interrupt lines are level-triggered and may be shared by any number of functions.
    D.ShareDisposition.set(mem, at, CmResourceShareShared);
    D.Flags.set(mem, at, CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE);
    D.Level.set(mem, at, translated ? route.irql : r.pin);
    D.Group.set(mem, at, 0);
    D.Vector.set(mem, at, translated ? route.vector : r.pin);
    D.Affinity.set(mem, at, translated ? route.affinity : 0xffffffffffffffffn);
  }
  return list;
}

export interface FoundInterrupt {
  vector: number;
  irql: number;
  latched: boolean;
  shared: boolean;
  /** It is a message, not a line. */
  message: boolean;
  affinity: bigint;
}

/** The ranges and the line of a PCI function. Firmware leaves the interrupt's pin of the I/O APIC in the line register. */
export function deviceResources(k: Kernel, at: PciAddress): DeviceResources {
  const pin = pciRead(k.cpu, at, PCI_INTERRUPT_PIN, 1) ? pciRead(k.cpu, at, PCI_INTERRUPT_LINE, 1) : 0xff;
  return { bars: pciBars(k.cpu, at), pin: pin < 24 ? pin : null };
}

/** The interrupt in a translated list, for IoConnectInterruptEx; null when there is none. */
export function findInterrupt(k: Kernel, list: number): FoundInterrupt | null {
  if (!list) return null;
  const { mem } = k;
  const count = mem.read32(list + DESCRIPTORS - 4);
  for (let i = 0; i < count; i++) {
    const at = list + DESCRIPTORS + i * CM_PARTIAL_RESOURCE_DESCRIPTOR.size;
    if (D.Type.get(mem, at) !== CmResourceTypeInterrupt) continue;
    return {
      vector: D.Vector.get(mem, at),
      irql: D.Level.get(mem, at),
      latched: (D.Flags.get(mem, at) & 1) !== 0,
      shared: D.ShareDisposition.get(mem, at) === CmResourceShareShared,
      message: (D.Flags.get(mem, at) & CM_RESOURCE_INTERRUPT_MESSAGE) !== 0,
      affinity: D.Affinity.get(mem, at),
    };
  }
  return null;
}
