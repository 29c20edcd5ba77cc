/** HAL routines: ports, bus data, interrupts. DMA is in kernel/io/dmacalls.ts. Source: the WDK pages, and ioaccess.h for the forms that x64 headers have inline. */
import { pciReadBytes, pciWriteBytes, type PciAddress } from '../../hal/nt/pci.ts';
import { interruptVector } from '../ke/interrupt.ts';
import type { Kernel } from '../kernel.ts';
import { PCIBus } from '../types/pnp.ts';
import { type ArgType, BOOLEAN, LONGLONG, type NtExport, ntExport, PVOID, UCHAR, ULONG, USHORT, VOID } from './declare.ts';

const hal = { module: 'hal.dll' as const };

const SIZES: readonly { name: string; size: number; type: ArgType<number> }[] = [
  { name: 'UCHAR', size: 1, type: UCHAR },
  { name: 'USHORT', size: 2, type: USHORT },
  { name: 'ULONG', size: 4, type: ULONG },
];

/** READ_PORT_x and WRITE_PORT_x, with their BUFFER forms. */
const ports: NtExport[] = SIZES.flatMap(({ name, size, type }) => [
  ntExport({
    ...hal,
    name: `READ_PORT_${name}`,
    doc: `Reads ${size} byte(s) from an I/O port.`,
    args: { Port: PVOID },
    returns: type,
    cycles: 30,
    status: 'full',
    impl: (k, { Port }) => k.cpu.portIn(Port & 0xffff, size),
  }),
  ntExport({
    ...hal,
    name: `WRITE_PORT_${name}`,
    doc: `Writes ${size} byte(s) to an I/O port.`,
    args: { Port: PVOID, Value: type },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, { Port, Value }) => k.cpu.portOut(Port & 0xffff, size, Value),
  }),
  ntExport({
    ...hal,
    name: `READ_PORT_BUFFER_${name}`,
    doc: `Reads units of ${size} byte(s) from an I/O port into a buffer.`,
    args: { Port: PVOID, Buffer: PVOID, Count: ULONG },
    returns: VOID,
    cycles: (_k, { Count }) => 20 + 20 * Math.min(Count, 4096),
    status: 'full',
    impl(k, { Port, Buffer, Count }) {
      if (Count) k.mem.probe(Buffer, Count * size, true);
      for (let i = 0; i < Count; i++) write(k, Buffer + i * size, size, k.cpu.portIn(Port & 0xffff, size));
    },
  }),
  ntExport({
    ...hal,
    name: `WRITE_PORT_BUFFER_${name}`,
    doc: `Writes units of ${size} byte(s) from a buffer to an I/O port.`,
    args: { Port: PVOID, Buffer: PVOID, Count: ULONG },
    returns: VOID,
    cycles: (_k, { Count }) => 20 + 20 * Math.min(Count, 4096),
    status: 'full',
    impl(k, { Port, Buffer, Count }) {
      if (Count) k.mem.probe(Buffer, Count * size, false);
      for (let i = 0; i < Count; i++) k.cpu.portOut(Port & 0xffff, size, read(k, Buffer + i * size, size));
    },
  }),
]);

const read = (k: Kernel, va: number, size: number): number => (size === 1 ? k.mem.read8(va) : size === 2 ? k.mem.read16(va) : k.mem.read32(va));
function write(k: Kernel, va: number, size: number, value: number): void {
  if (size === 1) k.mem.write8(va, value);
  else if (size === 2) k.mem.write16(va, value);
  else k.mem.write32(va, value);
}

/** BUS_DATA_TYPE: PCIConfiguration. */
const PCI_CONFIGURATION = 4;
/** PCI_SLOT_NUMBER: device in bits 0-4, function in 5-7. */
const slot = (bus: number, number: number): PciAddress => ({ bus, device: number & 0x1f, function: (number >> 5) & 7 });

const busArgs = { BusDataType: ULONG, BusNumber: ULONG, SlotNumber: ULONG, Buffer: PVOID } as const;

/** Reads PCI configuration space. A function that is not there gives two bytes of ones, as the WDK page says. */
function getBusData(k: Kernel, type: number, bus: number, number: number, buffer: number, offset: number, length: number): number {
  if (type !== PCI_CONFIGURATION || bus !== 0) return 0;
  const at = slot(bus, number);
  const bytes = pciReadBytes(k.cpu, at, offset, length);
  const vendor = pciReadBytes(k.cpu, at, 0, 2);
  if (vendor[0] === 0xff && vendor[1] === 0xff) {
    k.mem.writeBytes(buffer, new Uint8Array([0xff, 0xff]).subarray(0, Math.min(2, length)));
    return Math.min(2, length);
  }
  k.mem.writeBytes(buffer, bytes);
  return bytes.length;
}

const setBusData = (k: Kernel, type: number, bus: number, number: number, buffer: number, offset: number, length: number): number =>
  type === PCI_CONFIGURATION && bus === 0 ? pciWriteBytes(k.cpu, slot(bus, number), offset, k.mem.readBytes(buffer, length)) : 0;

const buses: NtExport[] = [
  ntExport({
    ...hal,
    name: 'HalGetBusData',
    doc: 'Reads from the configuration space of a slot.',
    args: { ...busArgs, Length: ULONG },
    returns: ULONG,
    cycles: 400,
    status: 'full',
    impl: (k, a) => getBusData(k, a.BusDataType, a.BusNumber, a.SlotNumber, a.Buffer, 0, a.Length),
  }),
  ntExport({
    ...hal,
    name: 'HalGetBusDataByOffset',
    doc: 'Reads from an offset in the configuration space of a slot.',
    args: { ...busArgs, Offset: ULONG, Length: ULONG },
    returns: ULONG,
    cycles: 400,
    status: 'full',
    impl: (k, a) => getBusData(k, a.BusDataType, a.BusNumber, a.SlotNumber, a.Buffer, a.Offset, a.Length),
  }),
  ntExport({
    ...hal,
    name: 'HalSetBusData',
    doc: 'Writes to the configuration space of a slot.',
    args: { ...busArgs, Length: ULONG },
    returns: ULONG,
    cycles: 400,
    status: 'full',
    impl: (k, a) => setBusData(k, a.BusDataType, a.BusNumber, a.SlotNumber, a.Buffer, 0, a.Length),
  }),
  ntExport({
    ...hal,
    name: 'HalSetBusDataByOffset',
    doc: 'Writes to an offset in the configuration space of a slot.',
    args: { ...busArgs, Offset: ULONG, Length: ULONG },
    returns: ULONG,
    cycles: 400,
    status: 'full',
    impl: (k, a) => setBusData(k, a.BusDataType, a.BusNumber, a.SlotNumber, a.Buffer, a.Offset, a.Length),
  }),
  ntExport({
    ...hal,
    name: 'HalTranslateBusAddress',
    doc: 'The processor\'s address for a bus address: on this machine the same.',
    args: { InterfaceType: ULONG, BusNumber: ULONG, BusAddress: LONGLONG, AddressSpace: PVOID, TranslatedAddress: PVOID },
    returns: BOOLEAN,
    cycles: 40,
    status: 'full',
    impl(k, { BusAddress, TranslatedAddress }) {
      k.mem.probe(TranslatedAddress, 8, true);
      k.mem.write64(TranslatedAddress, BigInt.asUintN(64, BusAddress));
      return true;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalGetInterruptVector',
    doc: 'Vector, IRQL and processors for a bus interrupt level.',
    args: { InterfaceType: ULONG, BusNumber: ULONG, BusInterruptLevel: ULONG, BusInterruptVector: ULONG, Irql: PVOID, Affinity: PVOID },
    returns: ULONG,
    cycles: 100,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.Irql, 1, true);
      k.mem.probe(a.Affinity, 8, true);
      if (a.BusInterruptLevel > 23) {
        k.mem.write8(a.Irql, 0);
        k.mem.write64(a.Affinity, 0n);
        return 0;
      }
      // An ISA interrupt is the pin of its number; a PCI one arrives with the pin that firmware put into the line register.
      const route = interruptVector(k, a.InterfaceType === PCIBus ? a.BusInterruptLevel : a.BusInterruptLevel === 0 ? 2 : a.BusInterruptLevel);
      k.mem.write8(a.Irql, route.irql);
      k.mem.write64(a.Affinity, route.affinity);
      return route.vector;
    },
  }),
];

/** The 8254 and port B of the PC: clock of the timer in Hz, its command and channel 2, and the speaker's gate and data bits (Intel 8254 datasheet; IBM PC AT technical reference). */
const PIT_HZ = 1193182,
  PIT_CHANNEL_2 = 0x42,
  PIT_COMMAND = 0x43,
  PORT_B = 0x61,
  SPEAKER_ON = 3,
  CHANNEL_2_SQUARE_WAVE = 0xb6;

const speaker: NtExport[] = [
  ntExport({
    ...hal,
    name: 'HalMakeBeep',
    doc: 'Lets the speaker sound with a frequency in Hz; 0 silences it. FALSE for a frequency that the timer cannot make.',
    args: { Frequency: ULONG },
    returns: BOOLEAN,
    cycles: 200,
    status: 'full',
    impl(k, { Frequency }) {
      k.cpu.portOut(PORT_B, 1, k.cpu.portIn(PORT_B, 1) & ~SPEAKER_ON);
      if (Frequency === 0) return true;
      const divisor = Math.trunc(PIT_HZ / Frequency);
      if (divisor === 0 || divisor > 0xffff) return false;
      k.cpu.portOut(PIT_COMMAND, 1, CHANNEL_2_SQUARE_WAVE);
      k.cpu.portOut(PIT_CHANNEL_2, 1, divisor & 0xff);
      k.cpu.portOut(PIT_CHANNEL_2, 1, divisor >>> 8);
      k.cpu.portOut(PORT_B, 1, k.cpu.portIn(PORT_B, 1) | SPEAKER_ON);
      return true;
    },
  }),
];

export const exports: NtExport[] = [...ports, ...buses, ...speaker];
