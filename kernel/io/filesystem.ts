/**
 * What file systems and their filters ask of the I/O manager: registering, hearing of each other, volumes and their names. This machine mounts no volume by itself; a driver that
 * registers a file system is known to filters, and a VPB that a driver fills in is honoured. Source: the WDK page of each routine.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { directoryEntries, linkTarget, obName, obPath } from '../ob/directory.ts';
import { poolTag } from '../ob/globals.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { readString, wide } from '../ob/string.ts';
import { obTypeOf } from '../ob/type.ts';
import { insertHeadList, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { DEVICE_OBJECT, DO_DEVICE_INITIALIZING, FILE_OBJECT, VPB } from '../types/io.ts';
import { NonPagedPoolNx, PagedPool } from '../types/mm.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_DEVICE_ALREADY_ATTACHED,
  STATUS_EA_LIST_INCONSISTENT,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
  STATUS_VOLUME_DISMOUNTED,
} from '../types/status.ts';
import { u32 } from '../types/struct.ts';
import {
  call,
  KIRQL,
  next,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  PVOID,
  ret,
  retry,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { PDEVICE_OBJECT, PDRIVER_OBJECT } from './call.ts';
import { baseDevice, D } from './device.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const DISPATCH_LEVEL = 2;
const QUEUE = DEVICE_OBJECT.f.Queue.offset;

/** DEVICE_OBJECT.DeviceType of file systems' control devices (ntddk.h), and the list that each belongs to. */
const LISTS = {
  0x08: 'IopDiskFileSystemQueueHead',
  0x03: 'IopCdRomFileSystemQueueHead',
  0x20: 'IopTapeFileSystemQueueHead',
  0x14: 'IopNetworkFileSystemQueueHead',
} as const;
const ALL_LISTS = Object.values(LISTS);
/** DO_LOW_PRIORITY_FILESYSTEM: asked after the others. */
const DO_LOW_PRIORITY_FILESYSTEM = 0x10000;

/** A registration for changes: links, driver, routine. */
const PACKET_SIZE = 0x20,
  PACKET_DRIVER = 0x10,
  PACKET_ROUTINE = 0x18;

/** The control devices of all registered file systems. */
export const fileSystems = (k: Kernel): number[] =>
  ALL_LISTS.flatMap(name => [...listEntries(k.mem, k.global.address(name))].map(link => link - QUEUE));
const packets = (k: Kernel): number[] => [...listEntries(k.mem, k.global.address('IopFsNotifyChangeQueueHead'))];

/** Tells the `Index`th filter and those after it of a file system. */
function notify(
  k: Kernel,
  f: { get(n: 'Index'): number; set(n: 'Index', v: number): void },
  device: number,
  active: boolean,
): Outcome {
  const i = f.get('Index');
  const packet = packets(k)[i];
  if (!packet) return ret();
  f.set('Index', i + 1);
  return call(k.mem.readPtr(packet + PACKET_ROUTINE), [device, active ? 1 : 0], 'told');
}

const registration: NtExport[] = [
  ntSteps({
    name: 'IoRegisterFileSystem',
    doc: "Makes a file system's control device known: filters that asked for it are told.",
    irql: { max: 'APC_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: { Index: u32 },
    steps: {
      start(k, f, _rax, { DeviceObject }) {
        const { mem } = k;
        const list = LISTS[D.DeviceType.get(mem, DeviceObject) as keyof typeof LISTS];
        f.set('Index', 0);
        D.ReferenceCount.set(mem, DeviceObject, D.ReferenceCount.get(mem, DeviceObject) + 1);
        const flags = D.Flags.get(mem, DeviceObject);
        D.Flags.set(mem, DeviceObject, flags & ~DO_DEVICE_INITIALIZING);
        if (list !== undefined) {
          const insert = flags & DO_LOW_PRIORITY_FILESYSTEM ? insertTailList : insertHeadList;
          insert(mem, k.global.address(list), DeviceObject + QUEUE);
        }
        return notify(k, f, DeviceObject, true);
      },
      told: (k, f, _rax, { DeviceObject }) => notify(k, f, DeviceObject, true),
    },
  }),
  ntSteps({
    name: 'IoUnregisterFileSystem',
    doc: "Takes a file system's control device back: filters that asked for it are told.",
    irql: { max: 'APC_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: { Index: u32 },
    steps: {
      start(k, f, _rax, { DeviceObject }) {
        f.set('Index', 0);
        if (fileSystems(k).includes(DeviceObject)) {
          removeEntryList(k.mem, DeviceObject + QUEUE);
          k.mem.writePtr(DeviceObject + QUEUE, 0);
          k.mem.writePtr(DeviceObject + QUEUE + 8, 0);
        }
        return next('told');
      },
      told(k, f, _rax, { DeviceObject }) {
        const outcome = notify(k, f, DeviceObject, false);
        return outcome.do === 'ret' ? call(k.address('nt!IopDereferenceDevice'), [DeviceObject], 'done') : outcome;
      },
      done: () => ret(),
    },
  }),
  ...(['IoRegisterFsRegistrationChange', 'IoRegisterFsRegistrationChangeMountLatency'] as const).map(name =>
    ntSteps({
      name,
      doc: 'Has a filter told of every file system that registers or goes; of those that there are at once.',
      irql: { max: 'APC_LEVEL' },
      args: { DriverObject: PDRIVER_OBJECT, DriverNotificationRoutine: PVOID },
      returns: NTSTATUS,
      cycles: 300,
      status: 'full',
      frame: { Index: u32 },
      steps: {
        start(k, f, _rax, { DriverObject, DriverNotificationRoutine }) {
          const { mem } = k;
          const last = packets(k).at(-1);
          if (
            last !== undefined &&
            mem.readPtr(last + PACKET_DRIVER) === DriverObject &&
            mem.readPtr(last + PACKET_ROUTINE) === DriverNotificationRoutine
          )
            return ret(STATUS_DEVICE_ALREADY_ATTACHED);
          const packet = exAllocatePool(k, NonPagedPoolNx, PACKET_SIZE, poolTag('IoFs'));
          if (!packet) return ret(STATUS_INSUFFICIENT_RESOURCES);
          mem.writePtr(packet + PACKET_DRIVER, DriverObject);
          mem.writePtr(packet + PACKET_ROUTINE, DriverNotificationRoutine);
          insertTailList(mem, k.global.address('IopFsNotifyChangeQueueHead'), packet);
          obReferenceObject(k, DriverObject);
          f.set('Index', 0);
          return tellExisting(k, f, DriverNotificationRoutine);
        },
        told: (k, f, _rax, { DriverNotificationRoutine }) => tellExisting(k, f, DriverNotificationRoutine),
      },
    }),
  ),
  ntExport({
    name: 'IoUnregisterFsRegistrationChange',
    doc: 'Ends what IoRegisterFsRegistrationChange began.',
    irql: { max: 'APC_LEVEL' },
    args: { DriverObject: PDRIVER_OBJECT, DriverNotificationRoutine: PVOID },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl(k, { DriverObject, DriverNotificationRoutine }) {
      const { mem } = k;
      const packet = packets(k).find(
        p => mem.readPtr(p + PACKET_DRIVER) === DriverObject && mem.readPtr(p + PACKET_ROUTINE) === DriverNotificationRoutine,
      );
      if (packet === undefined) return;
      removeEntryList(mem, packet);
      exFreePool(k, packet, 0);
      obDereferenceDeferred(k, DriverObject);
    },
  }),
  ntExport({
    name: 'IoEnumerateRegisteredFiltersList',
    doc: 'The drivers that asked for changes of file systems, the farthest from the file system first, each with a reference.',
    irql: { max: 'APC_LEVEL' },
    args: { DriverObjectList: PVOID, DriverObjectListSize: ULONG, ActualNumberDriverObjects: PVOID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl(k, a) {
      const drivers = packets(k)
        .reverse()
        .map(p => k.mem.readPtr(p + PACKET_DRIVER));
      const fits = Math.min(drivers.length, a.DriverObjectListSize >>> 3);
      k.mem.probe(a.ActualNumberDriverObjects, 4, true);
      if (fits) k.mem.probe(a.DriverObjectList, fits * 8, true);
      k.mem.write32(a.ActualNumberDriverObjects, drivers.length);
      drivers.slice(0, fits).forEach((driver, i) => {
        obReferenceObject(k, driver);
        k.mem.writePtr(a.DriverObjectList + i * 8, driver);
      });
      return fits === drivers.length ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
    },
  }),
];

function tellExisting(k: Kernel, f: { get(n: 'Index'): number; set(n: 'Index', v: number): void }, routine: number): Outcome {
  const i = f.get('Index');
  const device = fileSystems(k)[i];
  if (!device) return ret(STATUS_SUCCESS);
  f.set('Index', i + 1);
  return call(routine, [device, 1], 'told');
}

/** `\Device\X` as a user knows it: the drive letter or other name in `\GLOBAL??` whose link leads there; empty when there is none. */
function dosNameOf(k: Kernel, device: number): string {
  const path = obPath(k, device);
  if (!path) return '';
  const links = directoryEntries(k, k.global.get('ObpGlobalDosDevices'))
    .filter(
      o => obTypeOf(k, o) === k.global.get('ObpSymbolicLinkObjectType') && linkTarget(k, o).toLowerCase() === path.toLowerCase(),
    )
    .map(o => obName(k, o));
  return links.find(name => /^[A-Za-z]:$/.test(name)) ?? links[0] ?? '';
}

/** Fills in a UNICODE_STRING whose buffer the caller gives. */
function putString(k: Kernel, at: number, buffer: number, text: string): void {
  k.mem.write16(at, text.length * 2);
  k.mem.write16(at + 2, text.length * 2 + 2);
  k.mem.writePtr(at + 8, buffer);
  k.mem.writeBytes(buffer, wide(`${text}\0`));
}

const volumes: NtExport[] = [
  ntExport({
    name: 'IoAcquireVpbSpinLock',
    doc: 'Takes the lock of all volume parameter blocks and raises to DISPATCH_LEVEL.',
    irql: DISPATCH,
    args: { Irql: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl(k, { Irql }) {
      k.mem.probe(Irql, 1, true);
      if (k.global.get('IopVpbSpinLock') !== 0n) return retry;
      const before = k.irql;
      if (before < DISPATCH_LEVEL) k.irql = DISPATCH_LEVEL;
      k.global.set('IopVpbSpinLock', 1n);
      k.mem.write8(Irql, before);
    },
  }),
  ntExport({
    name: 'IoReleaseVpbSpinLock',
    doc: 'Gives the lock of volume parameter blocks back and goes to the given IRQL.',
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { Irql: KIRQL },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl(k, { Irql }) {
      k.global.set('IopVpbSpinLock', 0n);
      k.irql = Irql;
    },
  }),
  ntExport({
    name: 'IoGetDiskDeviceObject',
    doc: 'The storage device of a file system volume device, with a reference.',
    irql: DISPATCH,
    args: { FileSystemDeviceObject: PDEVICE_OBJECT, DiskDeviceObject: PVOID },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl(k, { FileSystemDeviceObject, DiskDeviceObject }) {
      const { mem } = k;
      mem.probe(DiskDeviceObject, 8, true);
      // A volume device of a file system has no VPB of its own: it hangs on that of the device on which it is mounted.
      if (D.Vpb.get(mem, FileSystemDeviceObject)) return STATUS_INVALID_PARAMETER;
      const x = D.DeviceObjectExtension.get(mem, FileSystemDeviceObject);
      const vpb = mem.readPtr(x + 0x48);
      if (!vpb) return STATUS_INVALID_PARAMETER;
      const MOUNTED = 1;
      if (!(VPB.f.Flags.get(mem, vpb) & MOUNTED)) return STATUS_VOLUME_DISMOUNTED;
      const disk = VPB.f.RealDevice.get(mem, vpb);
      obReferenceObject(k, disk);
      mem.writePtr(DiskDeviceObject, disk);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'IoGetBaseFileSystemDeviceObject',
    doc: 'The device of the file system itself that serves a file: below all filters.',
    irql: DISPATCH,
    args: { FileObject: PVOID },
    returns: PDEVICE_OBJECT,
    cycles: 40,
    status: 'full',
    impl(k, { FileObject }) {
      const mounted = (vpb: number): number => (vpb ? VPB.f.DeviceObject.get(k.mem, vpb) : 0);
      const device = FILE_OBJECT.f.DeviceObject.get(k.mem, FileObject);
      return mounted(FILE_OBJECT.f.Vpb.get(k.mem, FileObject)) || mounted(D.Vpb.get(k.mem, device)) || device;
    },
  }),
  ...(['IoVolumeDeviceToDosName', 'RtlVolumeDeviceToDosName'] as const).map(name =>
    ntExport({
      name,
      doc: 'The name by which users know a volume device (`C:`), in a buffer of paged pool that the caller frees.',
      irql: PASSIVE,
      args: { VolumeDeviceObject: PDEVICE_OBJECT, DosName: PVOID },
      returns: NTSTATUS,
      cycles: 900,
      status: 'full',
      impl(k, { VolumeDeviceObject, DosName }) {
        k.mem.probe(DosName, 16, true);
        const text = dosNameOf(k, baseDevice(k, VolumeDeviceObject)) || dosNameOf(k, VolumeDeviceObject);
        if (!text) return STATUS_OBJECT_NAME_NOT_FOUND;
        const buffer = exAllocatePool(k, PagedPool, text.length * 2 + 2, poolTag('Dosn'));
        if (!buffer) return STATUS_INSUFFICIENT_RESOURCES;
        putString(k, DosName, buffer, text);
        return STATUS_SUCCESS;
      },
    }),
  ),
  ntExport({
    name: 'IoQueryFileDosDeviceName',
    doc: 'The name of a file as users know it, in an OBJECT_NAME_INFORMATION of paged pool that the caller frees.',
    irql: PASSIVE,
    args: { FileObject: PVOID, ObjectNameInformation: PVOID },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, { FileObject, ObjectNameInformation }) {
      k.mem.probe(ObjectNameInformation, 8, true);
      const dos = dosNameOf(k, FILE_OBJECT.f.DeviceObject.get(k.mem, FileObject));
      if (!dos) return STATUS_OBJECT_NAME_NOT_FOUND;
      const text = dos + readString(k, FileObject + FILE_OBJECT.f.FileName.offset);
      const block = exAllocatePool(k, PagedPool, 0x10 + text.length * 2 + 2, poolTag('Dosn'));
      if (!block) return STATUS_INSUFFICIENT_RESOURCES;
      putString(k, block, block + 0x10, text);
      k.mem.writePtr(ObjectNameInformation, block);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'IoCheckEaBufferValidity',
    doc: 'Whether a list of extended attributes (FILE_FULL_EA_INFORMATION) is well formed; if not, where it goes wrong.',
    irql: { max: 'APC_LEVEL' },
    args: { EaBuffer: PVOID, EaLength: ULONG, ErrorOffset: PVOID },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl(k, { EaBuffer, EaLength, ErrorOffset }) {
      const bad = badEa(k, EaBuffer, EaLength);
      if (bad < 0) return STATUS_SUCCESS;
      k.mem.write32(ErrorOffset, bad);
      return STATUS_EA_LIST_INCONSISTENT;
    },
  }),
];

/** Offset of the first malformed entry of a list of extended attributes, or -1. */
export function badEa(k: Kernel, buffer: number, length: number): number {
  const { mem } = k;
  // NextEntryOffset, Flags, EaNameLength, EaValueLength, EaName.
  const NAME = 8;
  for (let at = 0; ;) {
    if (length - at < NAME + 1) return at;
    const next = mem.read32(buffer + at);
    const name = mem.read8(buffer + at + 5);
    const size = NAME + name + 1 + mem.read16(buffer + at + 6);
    if (size > length - at) return at;
    if (mem.read8(buffer + at + NAME + name) !== 0) return at;
    if (next === 0) return -1;
    if (next % 4 !== 0 || next < size || next > length - at) return at;
    at += next;
  }
}

export const exports: NtExport[] = [...registration, ...volumes];
