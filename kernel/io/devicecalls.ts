/** Routines for device objects, their names and their stacks. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { systemTime } from '../ke/time.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { createLinkObject, directoryInsert, obLookup, obLookupForCreate } from '../ob/directory.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { deferDeletion, dereference, obReferenceObject, setPermanent } from '../ob/object.ts';
import { obMakeTemporary } from '../ob/named.ts';
import { readString } from '../ob/string.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { psCreateSystemThread } from '../ps/thread.ts';
import { insertHeadList } from '../rtl/list.ts';
import {
  DO_SHUTDOWN_REGISTERED,
  DOE_DELETE_PENDING,
  DOE_REMOVE_PENDING,
  DOE_UNLOAD_PENDING,
  DRVO_UNLOAD_INVOKED,
  FILE_OBJECT,
  FO_DIRECT_DEVICE_OPEN,
  IO_STATUS_BLOCK,
  VPB,
} from '../types/io.ts';
import { KernelMode } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { OBJ_KERNEL_HANDLE, OBJ_OPENLINK, OBJECT_ATTRIBUTES } from '../types/ob.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_SUCH_DEVICE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  UCHAR,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { PDEVICE_OBJECT, PDRIVER_OBJECT } from './call.ts';
import {
  attachDevice,
  attachedDevice,
  baseDevice,
  D,
  deletable,
  detachDevice,
  driverDevices,
  extensionFlags,
  extensionOf,
  freeDeviceParts,
  ioCreateDevice,
  setExtensionFlags,
  unloadable,
  withdrawDevice,
  X,
} from './device.ts';
import { allocateDriverExtension, DRV, findDriverExtension, freeDriverParts, REINIT_SIZE } from './driver.ts';
import { deviceHint } from './fileextension.ts';
import { ntSuccess } from './irp.ts';
import { endIdleDetection } from '../po/idle.ts';
import { removalDue } from '../pnp/removal.ts';
import { unregisterShutdown } from './shutdown.ts';
import { stopDeviceTimer } from './timer.ts';

const PUNICODE_STRING = pointer('PUNICODE_STRING');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const APC = { max: 'APC_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

/** Device type and characteristics as IoCreateDevice gets them; shared with IoCreateDeviceSecure. */
function create(
  k: Kernel,
  driver: number,
  size: number,
  name: number,
  type: number,
  characteristics: number,
  exclusive: boolean,
  out: number,
): number {
  k.mem.probe(out, 8, true);
  const made = ioCreateDevice(k, driver, size, name ? readString(k, name) || null : null, type, characteristics, exclusive);
  if (made.device) k.mem.writePtr(out, made.device);
  return made.status;
}

const createArgs = {
  DriverObject: PDRIVER_OBJECT,
  DeviceExtensionSize: ULONG,
  DeviceName: PUNICODE_STRING,
  DeviceType: ULONG,
  DeviceCharacteristics: ULONG,
  Exclusive: BOOLEAN,
} as const;

const devices: NtExport[] = [
  ntExport({
    name: 'IoCreateDevice',
    doc: 'Creates a device object for a driver.',
    irql: APC,
    args: { ...createArgs, DeviceObject: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl: (k, a) =>
      create(
        k,
        a.DriverObject,
        a.DeviceExtensionSize,
        a.DeviceName,
        a.DeviceType,
        a.DeviceCharacteristics,
        a.Exclusive,
        a.DeviceObject,
      ),
  }),
  ntExport({
    name: 'WdmlibIoCreateDeviceSecure',
    doc: 'Creates a named device object with a default security descriptor (IoCreateDeviceSecure of wdmsec.lib).',
    irql: PASSIVE,
    args: { ...createArgs, DefaultSDDLString: PUNICODE_STRING, DeviceClassGuid: PVOID, DeviceObject: PVOID },
    returns: NTSTATUS,
    cycles: 2000,
    status: 'partial',
    missing: 'the security descriptor is not parsed: everybody may open the device',
    impl: (k, a) =>
      create(
        k,
        a.DriverObject,
        a.DeviceExtensionSize,
        a.DeviceName,
        a.DeviceType,
        a.DeviceCharacteristics,
        a.Exclusive,
        a.DeviceObject,
      ),
  }),
  ntSteps({
    name: 'IoDeleteDevice',
    doc: 'Removes a device object; while it is open or has another on top, the removal is put off.',
    irql: APC,
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 600,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { DeviceObject }) {
        if (D.Flags.get(k.mem, DeviceObject) & DO_SHUTDOWN_REGISTERED) unregisterShutdown(k, DeviceObject);
        stopDeviceTimer(k, DeviceObject);
        endIdleDetection(k, DeviceObject);
        setExtensionFlags(k, DeviceObject, DOE_DELETE_PENDING);
        return deletable(k, DeviceObject) ? call(k.address('nt!IopCompleteUnloadOrDelete'), [DeviceObject], 'done') : ret();
      },
      done: () => ret(),
    },
  }),
  ntSteps({
    name: 'IopCompleteUnloadOrDelete',
    internal: true,
    doc: 'Finishes the deletion of a device, or the unloading of its driver, that waited for the last reference.',
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: { Driver: ptr },
    steps: {
      start(k, f, _rax, { DeviceObject }) {
        const node = removalDue(k, DeviceObject);
        if (node) startSystemThread(k, 'nt!PipCompleteRemovalThread', node);
        const flags = extensionFlags(k, DeviceObject);
        f.set('Driver', flags & DOE_UNLOAD_PENDING ? D.DriverObject.get(k.mem, DeviceObject) : 0);
        if (!(flags & DOE_DELETE_PENDING) || !deletable(k, DeviceObject)) return unloadIfIdle(k, f.get('Driver'));
        withdrawDevice(k, DeviceObject);
        return call(k.address('nt!ObfDereferenceObject'), [DeviceObject], 'deleted');
      },
      deleted: (k, f) => unloadIfIdle(k, f.get('Driver')),
    },
  }),
  ntSteps({
    name: 'IopDereferenceDevice',
    internal: true,
    doc: 'Gives back what an open file object held of a device.',
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { DeviceObject }) {
        const count = D.ReferenceCount.get(k.mem, DeviceObject) - 1;
        D.ReferenceCount.set(k.mem, DeviceObject, count);
        const waiting = extensionFlags(k, DeviceObject) & (DOE_DELETE_PENDING | DOE_UNLOAD_PENDING | DOE_REMOVE_PENDING);
        return count === 0 && waiting ? call(k.address('nt!IopCompleteUnloadOrDelete'), [DeviceObject], 'done') : ret();
      },
      done: () => ret(),
    },
  }),
  ntSteps({
    name: 'IopDeleteDevice',
    internal: true,
    doc: 'Delete procedure of device objects.',
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { DeviceObject }) {
        freeDeviceParts(k, DeviceObject);
        const driver = D.DriverObject.get(k.mem, DeviceObject);
        return driver ? call(k.address('nt!ObfDereferenceObject'), [driver], 'done') : ret();
      },
      done: () => ret(),
    },
  }),
  ntExport({
    name: 'IopDeleteDriver',
    internal: true,
    doc: 'Delete procedure of driver objects: frees names and extensions, unmaps the image.',
    args: { DriverObject: PDRIVER_OBJECT },
    returns: VOID,
    cycles: 2000,
    status: 'full',
    impl: (k, { DriverObject }) => freeDriverParts(k, DriverObject),
  }),
  ntExport({
    name: 'IoAllocateDriverObjectExtension',
    doc: 'Adds a memory block to a driver object under an identification address.',
    irql: DISPATCH,
    args: {
      DriverObject: PDRIVER_OBJECT,
      ClientIdentificationAddress: PVOID,
      DriverObjectExtensionSize: ULONG,
      DriverObjectExtension: PVOID,
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.DriverObjectExtension, 8, true);
      const r = allocateDriverExtension(k, a.DriverObject, a.ClientIdentificationAddress, a.DriverObjectExtensionSize);
      k.mem.writePtr(a.DriverObjectExtension, r.extension);
      return r.status;
    },
  }),
  ntExport({
    name: 'IoGetDriverObjectExtension',
    doc: 'The memory block that a driver object has under an identification address.',
    irql: DISPATCH,
    args: { DriverObject: PDRIVER_OBJECT, ClientIdentificationAddress: PVOID },
    returns: PVOID,
    cycles: 60,
    status: 'full',
    impl: (k, a) => findDriverExtension(k, a.DriverObject, a.ClientIdentificationAddress),
  }),
  ...(['IoRegisterDriverReinitialization', 'IoRegisterBootDriverReinitialization'] as const).map(name =>
    ntExport({
      name,
      doc: 'Has a routine of the driver called after its DriverEntry has returned.',
      irql: PASSIVE,
      args: { DriverObject: PDRIVER_OBJECT, DriverReinitializationRoutine: PVOID, Context: PVOID },
      returns: VOID,
      cycles: 200,
      status: 'full',
      impl(k, a) {
        const entry = exAllocatePool(k, NonPagedPoolNx, REINIT_SIZE, poolTag('IoRi'));
        if (!entry) return;
        k.mem.writePtr(entry + 0x10, a.DriverObject);
        k.mem.writePtr(entry + 0x18, a.DriverReinitializationRoutine);
        k.mem.writePtr(entry + 0x20, a.Context);
        // The list is used from its front; a new request goes behind the others.
        const head = k.global.address('IopDriverReinitializeQueueHead');
        insertHeadList(k.mem, k.mem.readPtr(head + 8), entry);
      },
    }),
  ),
];

/** Starts the unloading of a driver whose devices are all idle. */
function unloadIfIdle(k: Kernel, driver: number): Outcome {
  // Without memory for the thread the driver stays, and can be unloaded later.
  if (driver && unloadable(k, driver) && startSystemThread(k, 'nt!IopUnloadDriverThread', driver))
    DRV.Flags.set(k.mem, driver, DRV.Flags.get(k.mem, driver) | DRVO_UNLOAD_INVOKED);
  return ret();
}

/** Work that calls drivers and may wait, for whoever cannot: a thread of its own in the system process. */
function startSystemThread(k: Kernel, routine: string, context: number): boolean {
  return psCreateSystemThread(k, k.mem.readPtr(k.address('nt!PsInitialSystemProcess')), k.address(routine), context) !== 0;
}

/** IoDetachDevice and the ends of deletions that waited for it. */
const stacks: NtExport[] = [
  ntExport({
    name: 'IoAttachDeviceToDeviceStack',
    doc: 'Puts a device on top of the stack that another is in; returns the device that is below it now.',
    irql: DISPATCH,
    args: { SourceDevice: PDEVICE_OBJECT, TargetDevice: PDEVICE_OBJECT },
    returns: PDEVICE_OBJECT,
    cycles: 120,
    status: 'full',
    impl: (k, a) => attachDevice(k, a.SourceDevice, a.TargetDevice),
  }),
  ntExport({
    name: 'IoAttachDeviceToDeviceStackSafe',
    doc: 'IoAttachDeviceToDeviceStack that stores the lower device before the attachment can be seen.',
    irql: DISPATCH,
    args: { SourceDevice: PDEVICE_OBJECT, TargetDevice: PDEVICE_OBJECT, AttachedToDeviceObject: PVOID },
    returns: NTSTATUS,
    cycles: 140,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.AttachedToDeviceObject, 8, true);
      const lower = attachDevice(k, a.SourceDevice, a.TargetDevice);
      if (!lower) return STATUS_NO_SUCH_DEVICE;
      k.mem.writePtr(a.AttachedToDeviceObject, lower);
      return STATUS_SUCCESS;
    },
  }),
  ntSteps({
    name: 'IoDetachDevice',
    doc: 'Takes the device that is attached to the given one off it.',
    irql: PASSIVE,
    args: { TargetDevice: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { TargetDevice }) {
        detachDevice(k, TargetDevice);
        const waiting = extensionFlags(k, TargetDevice) & (DOE_DELETE_PENDING | DOE_UNLOAD_PENDING | DOE_REMOVE_PENDING);
        return waiting && deletable(k, TargetDevice)
          ? call(k.address('nt!IopCompleteUnloadOrDelete'), [TargetDevice], 'done')
          : ret();
      },
      done: () => ret(),
    },
  }),
  ntExport({
    name: 'IoGetAttachedDevice',
    doc: 'The top of the stack that a device is in.',
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: PDEVICE_OBJECT,
    cycles: 30,
    status: 'full',
    impl: (k, { DeviceObject }) => attachedDevice(k, DeviceObject),
  }),
  ntExport({
    name: 'IoGetAttachedDeviceReference',
    doc: 'The top of the stack that a device is in, with a reference.',
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: PDEVICE_OBJECT,
    cycles: 60,
    status: 'full',
    impl(k, { DeviceObject }) {
      const top = attachedDevice(k, DeviceObject);
      obReferenceObject(k, top);
      return top;
    },
  }),
  ntExport({
    name: 'IoGetDeviceAttachmentBaseRef',
    doc: 'The bottom of the stack that a device is in, with a reference.',
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: PDEVICE_OBJECT,
    cycles: 60,
    status: 'full',
    impl(k, { DeviceObject }) {
      const base = baseDevice(k, DeviceObject);
      obReferenceObject(k, base);
      return base;
    },
  }),
  ntExport({
    name: 'IoGetLowerDeviceObject',
    doc: 'The device below the given one, with a reference; NULL at the bottom.',
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: PDEVICE_OBJECT,
    cycles: 60,
    status: 'full',
    impl(k, { DeviceObject }) {
      if (extensionFlags(k, DeviceObject) & (DOE_UNLOAD_PENDING | DOE_DELETE_PENDING | DOE_REMOVE_PENDING)) return 0;
      const below = X.AttachedTo.get(k.mem, extensionOf(k, DeviceObject));
      if (below) obReferenceObject(k, below);
      return below;
    },
  }),
  ntExport({
    name: 'IoGetRelatedDeviceObject',
    doc: "The device to which requests for a file object go: the top of its device's stack.",
    irql: DISPATCH,
    args: { FileObject: pointer('PFILE_OBJECT') },
    returns: PDEVICE_OBJECT,
    cycles: 40,
    status: 'full',
    impl: (k, { FileObject }) => relatedDevice(k, FileObject),
  }),
  ntExport({
    name: 'IoEnumerateDeviceObjectList',
    doc: 'The devices of a driver, each with a reference.',
    irql: DISPATCH,
    args: {
      DriverObject: PDRIVER_OBJECT,
      DeviceObjectList: PVOID,
      DeviceObjectListSize: ULONG,
      ActualNumberDeviceObjects: PVOID,
    },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl(k, a) {
      const list = driverDevices(k, a.DriverObject);
      const fits = Math.min(list.length, Math.floor(a.DeviceObjectListSize / 8));
      k.mem.probe(a.ActualNumberDeviceObjects, 4, true);
      if (fits) k.mem.probe(a.DeviceObjectList, fits * 8, true);
      k.mem.write32(a.ActualNumberDeviceObjects, list.length);
      list.slice(0, fits).forEach((device, i) => {
        obReferenceObject(k, device);
        k.mem.writePtr(a.DeviceObjectList + i * 8, device);
      });
      return fits === list.length ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
    },
  }),
];

/** Where the requests for a file object go: the top of the stack of the volume that is mounted on its device, or of the device itself. */
export function relatedDevice(k: Kernel, file: number): number {
  const f = FILE_OBJECT.f;
  const hint = deviceHint(k, file);
  if (hint) return hint;
  const device = f.DeviceObject.get(k.mem, file);
  const direct = (f.Flags.get(k.mem, file) & FO_DIRECT_DEVICE_OPEN) !== 0;
  const volume = mountedOn(k, f.Vpb.get(k.mem, file)) || (direct ? 0 : mountedOn(k, D.Vpb.get(k.mem, device)));
  return attachedDevice(k, volume || device);
}

/** The device of the volume that a VPB stands for; 0 for none. */
const mountedOn = (k: Kernel, vpb: number): number => (vpb ? VPB.f.DeviceObject.get(k.mem, vpb) : 0);

const linkRoutine = (name: string, doc: string): NtExport =>
  ntExport({
    name,
    doc,
    irql: PASSIVE,
    args: { SymbolicLinkName: PUNICODE_STRING, DeviceName: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, { SymbolicLinkName, DeviceName }) {
      const place = obLookupForCreate(k, readString(k, SymbolicLinkName));
      if (place.status !== STATUS_SUCCESS) return place.status;
      const link = createLinkObject(k, readString(k, DeviceName), { permanent: true, time: systemTime(k) });
      if (!link) return STATUS_INSUFFICIENT_RESOURCES;
      const status = directoryInsert(k, place.directory, place.name, link);
      // The name keeps the link; the creator's reference goes in any case.
      setPermanent(k, link, status === STATUS_SUCCESS);
      if (dereference(k, link) === 0) deferDeletion(k, link);
      return status;
    },
  });

const links: NtExport[] = [
  linkRoutine('IoCreateSymbolicLink', 'Makes a symbolic link from a name that user programs see to a device.'),
  linkRoutine('IoCreateUnprotectedSymbolicLink', 'Makes a symbolic link that everybody may change.'),
  ntExport({
    name: 'IoDeleteSymbolicLink',
    doc: 'Removes a symbolic link.',
    irql: PASSIVE,
    args: { SymbolicLinkName: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 600,
    status: 'full',
    impl(k, { SymbolicLinkName }) {
      const found = obLookup(k, readString(k, SymbolicLinkName), { attributes: 0x40 | OBJ_OPENLINK });
      if (found.status !== STATUS_SUCCESS) return found.status;
      if (obTypeOf(k, found.object) !== k.global.get('ObpSymbolicLinkObjectType')) return STATUS_OBJECT_TYPE_MISMATCH;
      obMakeTemporary(k, found.object);
      return STATUS_SUCCESS;
    },
  }),
  ntSteps({
    name: 'IoGetDeviceObjectPointer',
    doc: 'Opens a device by name and returns its top device and a file object that keeps it.',
    irql: PASSIVE,
    args: { ObjectName: PUNICODE_STRING, DesiredAccess: ULONG, FileObject: PVOID, DeviceObject: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Handle: ptr, Attributes: OBJECT_ATTRIBUTES, Iosb: IO_STATUS_BLOCK, Status: ptr },
    steps: {
      start(k, f, _rax, { ObjectName, DesiredAccess, FileObject, DeviceObject }) {
        const { mem } = k;
        mem.probe(FileObject, 8, true);
        mem.probe(DeviceObject, 8, true);
        const a = f.get('Attributes');
        mem.fill(a, OBJECT_ATTRIBUTES.size, 0);
        OBJECT_ATTRIBUTES.f.Length.set(mem, a, OBJECT_ATTRIBUTES.size);
        OBJECT_ATTRIBUTES.f.ObjectName.set(mem, a, ObjectName);
        OBJECT_ATTRIBUTES.f.Attributes.set(mem, a, OBJ_KERNEL_HANDLE);
        // FILE_NON_DIRECTORY_FILE, nothing shared.
        return call(k.address('nt!ZwOpenFile'), [f.address('Handle'), DesiredAccess, a, f.get('Iosb'), 0, 0x40], 'opened');
      },
      opened(k, f, rax, { FileObject, DeviceObject }) {
        if (!ntSuccess(rax)) return ret(rax);
        const r = obReferenceObjectByHandle(k, f.get('Handle'), 0, exportedType(k, 'IoFileObjectType'), KernelMode);
        if (r.status === STATUS_SUCCESS) {
          k.mem.writePtr(FileObject, r.object);
          k.mem.writePtr(DeviceObject, relatedDevice(k, r.object));
        }
        f.set('Status', r.status);
        return call(k.address('nt!ZwClose'), [f.get('Handle')], 'closed');
      },
      closed: (_k, f) => ret(f.get('Status')),
    },
  }),
  ntExport({
    name: 'IoIsWdmVersionAvailable',
    doc: 'Whether the system supports a WDM version.',
    irql: PASSIVE,
    args: { MajorVersion: UCHAR, MinorVersion: UCHAR },
    returns: BOOLEAN,
    cycles: 20,
    status: 'full',
    // Windows 7 and everything after it report WDM 6.0.
    impl: (_k, a) => a.MajorVersion < 6 || (a.MajorVersion === 6 && a.MinorVersion === 0),
  }),
];

export const exports: NtExport[] = [...devices, ...stacks, ...links];
