/**
 * PCI configuration space through configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2): an address to CF8h, data at CFCh. A function that is not there reads as ones.
 */
import type { CpuView } from '../bus/cpu.ts';

const CONFIG_ADDRESS = 0xcf8,
  CONFIG_DATA = 0xcfc,
  ENABLE = 0x80000000;

/** Bytes of a function's configuration space. */
export const PCI_CONFIG_SIZE = 256;

export interface PciAddress {
  bus: number;
  device: number;
  function: number;
}

/** Offsets of the header (type 0). */
export const PCI_VENDOR_ID = 0x00,
  PCI_DEVICE_ID = 0x02,
  PCI_COMMAND = 0x04,
  PCI_REVISION = 0x08,
  PCI_PROG_IF = 0x09,
  PCI_SUBCLASS = 0x0a,
  PCI_BASE_CLASS = 0x0b;
export const PCI_HEADER_TYPE = 0x0e,
  PCI_BAR0 = 0x10,
  PCI_SUBSYSTEM_VENDOR = 0x2c,
  PCI_SUBSYSTEM_ID = 0x2e,
  PCI_INTERRUPT_LINE = 0x3c,
  PCI_INTERRUPT_PIN = 0x3d;
/** Bits of the command register. */
export const PCI_COMMAND_IO = 1,
  PCI_COMMAND_MEMORY = 2,
  PCI_COMMAND_MASTER = 4;

function select(cpu: CpuView, at: PciAddress, offset: number): void {
  cpu.portOut(CONFIG_ADDRESS, 4, (ENABLE | (at.bus << 16) | (at.device << 11) | (at.function << 8) | (offset & 0xfc)) >>> 0);
}

/** Reads 1, 2 or 4 bytes at a naturally aligned offset. */
export function pciRead(cpu: CpuView, at: PciAddress, offset: number, size: 1 | 2 | 4): number {
  select(cpu, at, offset);
  return cpu.portIn(CONFIG_DATA + (offset & 3), size) >>> 0;
}

export function pciWrite(cpu: CpuView, at: PciAddress, offset: number, size: 1 | 2 | 4, value: number): void {
  select(cpu, at, offset);
  cpu.portOut(CONFIG_DATA + (offset & 3), size, value >>> 0);
}

/** Bytes from `offset`; those past the end of the space are left out. */
export function pciReadBytes(cpu: CpuView, at: PciAddress, offset: number, length: number): Uint8Array {
  const end = Math.min(PCI_CONFIG_SIZE, offset + length);
  const out = new Uint8Array(Math.max(0, end - offset));
  for (let i = 0; i < out.length; i++) out[i] = pciRead(cpu, at, offset + i, 1);
  return out;
}

/** Writes bytes with the widest aligned accesses, so that a 32-bit register is written at once. Returns how many were written. */
export function pciWriteBytes(cpu: CpuView, at: PciAddress, offset: number, bytes: Uint8Array): number {
  const end = Math.min(PCI_CONFIG_SIZE, offset + bytes.length);
  for (let i = offset; i < end;) {
    const size = i % 4 === 0 && end - i >= 4 ? 4 : i % 2 === 0 && end - i >= 2 ? 2 : 1;
    let value = 0;
    for (let b = 0; b < size; b++) value |= bytes[i - offset + b]! << (8 * b);
    pciWrite(cpu, at, i, size, value);
    i += size;
  }
  return Math.max(0, end - offset);
}

/** Every function on bus 0, in order of device and function numbers; functions above 0 only of multifunction devices. */
export function pciFunctions(cpu: CpuView): PciAddress[] {
  const found: PciAddress[] = [];
  for (let device = 0; device < 32; device++) {
    for (let fn = 0; fn < 8; fn++) {
      const at = { bus: 0, device, function: fn };
      if (pciRead(cpu, at, PCI_VENDOR_ID, 2) === 0xffff) {
        if (fn === 0) break;
        continue;
      }
      found.push(at);
      if (fn === 0 && !(pciRead(cpu, at, PCI_HEADER_TYPE, 1) & 0x80)) break;
    }
  }
  return found;
}

export interface PciBar {
  /** Number of the base address register (the lower of a 64-bit pair). */
  index: number;
  kind: 'memory' | 'port';
  base: number;
  length: number;
  prefetchable: boolean;
}

/** The ranges that a function decodes. Sizes are found by writing ones (PCI 3.0, 6.2.5.1) with decoding off, and everything is put back. */
export function pciBars(cpu: CpuView, at: PciAddress): PciBar[] {
  const bars: PciBar[] = [];
  const command = pciRead(cpu, at, PCI_COMMAND, 2);
  pciWrite(cpu, at, PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
  for (let index = 0; index < 6; index++) {
    const offset = PCI_BAR0 + index * 4;
    const value = pciRead(cpu, at, offset, 4);
    pciWrite(cpu, at, offset, 4, 0xffffffff);
    const mask = pciRead(cpu, at, offset, 4);
    pciWrite(cpu, at, offset, 4, value);
    if (mask === 0) continue;
    if (value & 1) {
      bars.push({ index, kind: 'port', base: (value & ~3) >>> 0, length: (~(mask & ~3) & 0xffff) + 1, prefetchable: false });
      continue;
    }
    const wide = (value & 6) === 4;
    const high = wide ? pciRead(cpu, at, offset + 4, 4) : 0;
    bars.push({
      index,
      kind: 'memory',
      base: high * 0x100000000 + ((value & ~15) >>> 0),
      length: (~(mask & ~15) >>> 0) + 1,
      prefetchable: (value & 8) !== 0,
    });
    if (wide) index++;
  }
  pciWrite(cpu, at, PCI_COMMAND, 2, command);
  return bars;
}

const PCI_STATUS = 0x06,
  PCI_STATUS_CAPABILITIES = 0x10,
  PCI_CAPABILITIES_POINTER = 0x34;
/** Capability IDs, and the registers of the MSI capability (PCI 3.0, 6.8.1). */
export const PCI_CAPABILITY_MSI = 5;
export const MSI_CONTROL = 2,
  MSI_ADDRESS_LOW = 4,
  MSI_CONTROL_ENABLE = 1,
  MSI_CONTROL_64BIT = 0x80;

/** Offset of a capability in a function's configuration space, 0 when it has none of this ID. */
export function pciCapability(cpu: CpuView, at: PciAddress, id: number): number {
  if (!(pciRead(cpu, at, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES)) return 0;
  let offset = pciRead(cpu, at, PCI_CAPABILITIES_POINTER, 1) & ~3;
  // A list that bites its tail ends too: there is no room for more than 48.
  for (let i = 0; offset >= 0x40 && i < 48; i++) {
    if (pciRead(cpu, at, offset, 1) === id) return offset;
    offset = pciRead(cpu, at, offset + 1, 1) & ~3;
  }
  return 0;
}
