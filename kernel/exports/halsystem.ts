/** The HAL's ways out of the system, the screen at a stop, and hardware without Plug and Play. Source: hal.h; ACPI specification 6.5, 4.8.3.2 (PM1 control) and 7.4.2 (S5); 82371SB data sheet. */
import { PCI_COMMAND, PCI_COMMAND_IO, PCI_COMMAND_MEMORY, pciRead, pciWrite } from '../../hal/nt/pci.ts';
import { freeMapRegisters, takeBuffered } from '../io/dma.ts';
import { PDEVICE_OBJECT } from '../io/call.ts';
import type { Kernel } from '../kernel.ts';
import { exFreePool } from '../mm/pool.ts';
import { readString } from '../ob/string.ts';
import { claimCollides, claimKey, claimValue, writeClaim } from '../pnp/claims.ts';
import { buildResourceList, deviceResources, resourceListSize } from '../pnp/resources.ts';
import { PCIBus } from '../types/pnp.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_SUCH_DEVICE,
  STATUS_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, HIGH_LEVEL, jump, type NtExport, ntData, ntExport, NTSTATUS, pointer, PVOID, ULONG, VOID } from './declare.ts';

const hal = { module: 'hal.dll' as const };
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');

/** FIRMWARE_REENTRY: stand still, switch off; what comes after these (restart, reboot) resets. */
const HalHaltRoutine = 0,
  HalPowerDownRoutine = 1;
const RESET_CONTROL = 0xcf9,
  RESET_SYSTEM = 0x02,
  RESET_PULSE = 0x04;
/** PM1a control block of the board; SLP_EN with the sleep type of S5, which is 0. */
const PM1A_CONTROL = 0x644,
  SLEEP_ENABLE = 0x2000;

/** COM1: the kernel's prompt is there. */
const CONSOLE_PORT = 0x3f8;

const firmware: NtExport[] = [
  ntData({
    ...hal,
    name: 'KdComPortInUse',
    doc: 'I/O address of the serial port that the kernel keeps for itself, as a pointer: a driver of serial ports leaves it alone.',
    size: 8,
    status: 'full',
    init: (k, at) => k.mem.writePtr(at, CONSOLE_PORT),
  }),
  ntExport({
    ...hal,
    name: 'HalReturnToFirmware',
    doc: 'Ends the system: the machine is switched off or reset, or this processor stands still with interrupts off. Does not return.',
    args: { Routine: ULONG },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl(k, { Routine }) {
      k.cpu.cr8 = HIGH_LEVEL;
      k.cpu.rflags = 2;
      if (Routine === HalPowerDownRoutine) k.cpu.portOut(PM1A_CONTROL, 2, SLEEP_ENABLE);
      else if (Routine !== HalHaltRoutine) {
        k.cpu.portOut(RESET_CONTROL, 1, RESET_SYSTEM);
        k.cpu.portOut(RESET_CONTROL, 1, RESET_SYSTEM | RESET_PULSE);
      }
      return jump(k.address('nt!KiFreezeProcessor'));
    },
  }),
  ntExport({
    ...hal,
    name: 'HalAcquireDisplayOwnership',
    doc: 'A driver takes the display. Its routine is called when the system stops, with columns and rows, and gives the screen back in text mode.',
    irql: PASSIVE,
    args: { ResetDisplayParameters: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, a) => k.global.set('HalpResetDisplayParameters', a.ResetDisplayParameters),
  }),
];

/** Ports, memory and the line of a PCI function, claimed for a driver; its decoders are switched on. */
function assignSlot(
  k: Kernel,
  a: { DriverClassName: number; DriverObject: number; DeviceObject: number; BusType: number; BusNumber: number; SlotNumber: number; AllocatedResources: number },
): number {
  const { mem } = k;
  mem.probe(a.AllocatedResources, 8, true);
  mem.writePtr(a.AllocatedResources, 0);
  if (a.BusType !== PCIBus || a.BusNumber !== 0) return STATUS_NOT_FOUND;
  const at = { bus: 0, device: a.SlotNumber & 0x1f, function: (a.SlotNumber >> 5) & 7 };
  if (pciRead(k.cpu, at, 0, 2) === 0xffff) return STATUS_NO_SUCH_DEVICE;
  const resources = deviceResources(k, at);
  const list = buildResourceList(k, resources, PCIBus, 0, false);
  if (!list) return STATUS_INSUFFICIENT_RESOURCES;
  const bytes = mem.readBytes(list, resourceListSize(mem.read32(list + 16)));
  const key = claimKey(k, a.DriverObject, a.DriverClassName ? readString(k, a.DriverClassName) : '');
  const value = claimValue(k, a.DeviceObject);
  const status = claimCollides(k, bytes, a.DriverObject, key, value) ? STATUS_CONFLICTING_ADDRESSES : writeClaim(k, key, value, bytes);
  if (status !== STATUS_SUCCESS) {
    exFreePool(k, list, 0);
    return status;
  }
  const decoders = resources.bars.reduce((bits, b) => bits | (b.kind === 'memory' ? PCI_COMMAND_MEMORY : PCI_COMMAND_IO), 0);
  pciWrite(k.cpu, at, PCI_COMMAND, 2, pciRead(k.cpu, at, PCI_COMMAND, 2) | decoders);
  mem.writePtr(a.AllocatedResources, list);
  return STATUS_SUCCESS;
}

/** IoReportResourceUsage: a driver's list and a device's; both or none are written down. */
function reportUsage(
  k: Kernel,
  a: {
    DriverClassName: number;
    DriverObject: number;
    DriverList: number;
    DriverListSize: number;
    DeviceObject: number;
    DeviceList: number;
    DeviceListSize: number;
    OverrideConflict: boolean;
    ConflictDetected: number;
  },
): number {
  const { mem } = k;
  mem.probe(a.ConflictDetected, 1, true);
  const key = claimKey(k, a.DriverObject, a.DriverClassName ? readString(k, a.DriverClassName) : '');
  const lists = [
    { value: claimValue(k, 0), at: a.DriverList, size: a.DriverListSize, given: true },
    { value: claimValue(k, a.DeviceObject), at: a.DeviceList, size: a.DeviceListSize, given: a.DeviceObject !== 0 },
  ]
    .filter(l => l.given)
    .map(l => ({ value: l.value, bytes: l.at && l.size ? mem.readBytes(l.at, l.size) : new Uint8Array(0) }));
  const conflict = lists.some(l => claimCollides(k, l.bytes, a.DriverObject, key, l.value));
  mem.write8(a.ConflictDetected, conflict ? 1 : 0);
  if (conflict && !a.OverrideConflict) return STATUS_CONFLICTING_ADDRESSES;
  for (const l of lists) {
    const status = writeClaim(k, key, l.value, l.bytes);
    if (status !== STATUS_SUCCESS) return status;
  }
  return STATUS_SUCCESS;
}

const hardware: NtExport[] = [
  ntExport({
    ...hal,
    name: 'HalAssignSlotResources',
    doc: 'Claims what the device in a PCI slot uses for a driver, switches the device on, and returns the CM_RESOURCE_LIST, which the caller frees.',
    irql: PASSIVE,
    args: {
      RegistryPath: PUNICODE_STRING,
      DriverClassName: PUNICODE_STRING,
      DriverObject: PVOID,
      DeviceObject: PDEVICE_OBJECT,
      BusType: ULONG,
      BusNumber: ULONG,
      SlotNumber: ULONG,
      AllocatedResources: PVOID,
    },
    returns: NTSTATUS,
    cycles: 2000,
    status: 'full',
    impl: assignSlot,
  }),
  ntExport({
    name: 'IoReportResourceUsage',
    doc: 'Claims hardware for a driver and for one of its devices; says whether somebody else has it. An empty list takes a claim back.',
    irql: PASSIVE,
    args: {
      DriverClassName: PUNICODE_STRING,
      DriverObject: PVOID,
      DriverList: PVOID,
      DriverListSize: ULONG,
      DeviceObject: PDEVICE_OBJECT,
      DeviceList: PVOID,
      DeviceListSize: ULONG,
      OverrideConflict: BOOLEAN,
      ConflictDetected: PVOID,
    },
    returns: NTSTATUS,
    cycles: 2000,
    status: 'full',
    impl: reportUsage,
  }),
];

/** Map registers without a wait and without an AdapterControl routine: pages of theirs are there from the beginning. */
const mapRegisters: NtExport[] = [
  ntExport({
    ...hal,
    name: 'HalAllocateCrashDumpRegisters',
    doc: 'Map registers for writing a dump: their pages are allocated now, for nothing can be then. NULL when there are not so many.',
    irql: DISPATCH,
    args: { AdapterObject: PVOID, NumberOfMapRegisters: PVOID },
    returns: PVOID,
    cycles: 800,
    status: 'full',
    impl(k, { AdapterObject, NumberOfMapRegisters }) {
      k.mem.probe(NumberOfMapRegisters, 4, true);
      const set = takeBuffered(k, AdapterObject, k.mem.read32(NumberOfMapRegisters));
      if (!set) k.mem.write32(NumberOfMapRegisters, 0);
      return set;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalAllocateMapRegisters',
    doc: 'Fills an array of MAP_REGISTER_ENTRY with map register bases of so many map registers each.',
    irql: DISPATCH,
    args: { AdapterObject: PVOID, NumberOfMapRegisters: ULONG, BaseAddressCount: ULONG, MapRegisterArray: PVOID },
    returns: NTSTATUS,
    cycles: (_k, a) => 200 + 200 * Math.min(a.BaseAddressCount, 64),
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      if (a.BaseAddressCount) mem.probe(a.MapRegisterArray, a.BaseAddressCount * 16, true);
      for (let i = 0; i < a.BaseAddressCount; i++) {
        const set = takeBuffered(k, a.AdapterObject, a.NumberOfMapRegisters);
        mem.writePtr(a.MapRegisterArray + i * 16, set);
        mem.write8(a.MapRegisterArray + i * 16 + 8, 0);
        if (set) continue;
        for (let j = 0; j < i; j++) freeMapRegisters(k, mem.readPtr(a.MapRegisterArray + j * 16));
        return STATUS_INSUFFICIENT_RESOURCES;
      }
      return STATUS_SUCCESS;
    },
  }),
];

export const halSystemExports: NtExport[] = [...firmware, ...hardware, ...mapRegisters];
