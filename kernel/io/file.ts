/**
 * File objects: what an open device is to the one who opened it. Opening sends IRP_MJ_CREATE; closing the last handle IRP_MJ_CLEANUP; the end of the last
 * reference IRP_MJ_CLOSE.
 */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateObject, obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { previousMode, setPreviousMode } from '../ob/mode.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { KernelMode } from '../types/ke.ts';
import { OBJ_FORCE_ACCESS_CHECK, OBJ_KERNEL_HANDLE } from '../types/ob.ts';
import { openAccess } from './openaccess.ts';
import { createAccessState, deleteAccessState, grantAccessState } from '../se/accessstate.ts';
import { ACCESS_STATE, AUX_ACCESS_DATA } from '../types/se.ts';
import { allocateString, freeString } from '../ob/string.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { lookupAttributes, readAttributes } from '../ob/attributes.ts';
import { obCreateHandle } from '../ob/handle.ts';
import {
  DO_DEVICE_INITIALIZING,
  DO_EXCLUSIVE,
  DOE_DELETE_PENDING,
  DOE_REMOVE_PENDING,
  DOE_REMOVE_PROCESSED,
  DOE_UNLOAD_PENDING,
  FILE_OBJECT,
  FO_ALERTABLE_IO,
  FO_CLEANUP_COMPLETE,
  FO_DELETE_ON_CLOSE,
  FO_MAILSLOT,
  FO_NAMED_PIPE,
  FO_RANDOM_ACCESS,
  FO_SEQUENTIAL_ONLY,
  FO_STREAM_FILE,
  FO_WRITE_THROUGH,
  IRP_BUFFERED_IO,
  IRP_DEALLOCATE_BUFFER,
  IRP_MJ_CREATE_MAILSLOT,
  IRP_MJ_CREATE_NAMED_PIPE,
  FO_FILE_OPEN,
  FO_HANDLE_CREATED,
  FO_NO_INTERMEDIATE_BUFFERING,
  FO_SYNCHRONOUS_IO,
  IO_SECURITY_CONTEXT,
  IO_STATUS_BLOCK,
  IO_TYPE_FILE,
  IRP_CLOSE_OPERATION,
  IRP_CREATE_OPERATION,
  IRP_DEFER_IO_COMPLETION,
  IRP_MJ_CLEANUP,
  IRP_MJ_CLOSE,
  IRP_MJ_CREATE,
  IRP_SYNCHRONOUS_API,
  Parameters,
} from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_EA_LIST_INCONSISTENT,
  STATUS_INVALID_DEVICE_OBJECT_PARAMETER,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_SUCH_DEVICE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { array, ptr, struct, u32, u8 } from '../types/struct.ts';
import {
  call,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  PVOID,
  ret,
  ULONG,
  VOID,
  wait,
} from '../exports/declare.ts';
import { stepService } from '../exports/service.ts';
import { callDriverThen } from './call.ts';
import { completeInThread } from './complete.ts';
import { attachedDevice, D, extensionFlags } from './device.ts';
import { relatedDevice } from './devicecalls.ts';
import { releasePort } from './iocompletion.ts';
import { badEa } from './filesystem.ts';
import { extendFile } from './fileextension.ts';
import { I, ioAllocateIrp, ioFreeIrp, irpStatus, nextLocation, ntError, ntSuccess, queueIrpToThread, S } from './irp.ts';

export const F = FILE_OBJECT.f;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

/** CreateOptions. */
const FILE_SYNCHRONOUS_IO_ALERT = 0x10,
  FILE_SYNCHRONOUS_IO_NONALERT = 0x20,
  FILE_NO_INTERMEDIATE_BUFFERING = 0x08;
const SYNCHRONIZE = 0x100000,
  GENERIC_ALL = 0x10000000,
  MAXIMUM_ALLOWED = 0x2000000;
/** Access rights that the FILE_OBJECT's booleans repeat. */
const FILE_READ_DATA = 1,
  FILE_WRITE_DATA = 2,
  FILE_APPEND_DATA = 4,
  DELETE = 0x10000;
const NotificationEvent = 0,
  SynchronizationEvent = 1;
/** Makes a file object for a device; it holds the device open (ReferenceCount). 0 without pool. */
export function createFileObject(k: Kernel, device: number, name: string, options: number): number {
  const { mem } = k;
  const file = obCreateObject(k, exportedType(k, 'IoFileObjectType'), FILE_OBJECT.size);
  if (!file) return 0;
  F.Type.set(mem, file, IO_TYPE_FILE);
  F.Size.set(mem, file, FILE_OBJECT.size);
  F.DeviceObject.set(mem, file, device);
  let flags = 0;
  if (options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) flags |= FO_SYNCHRONOUS_IO;
  if (options & FILE_SYNCHRONOUS_IO_ALERT) flags |= FO_ALERTABLE_IO;
  if (options & FILE_NO_INTERMEDIATE_BUFFERING) flags |= FO_NO_INTERMEDIATE_BUFFERING;
  if (options & FILE_WRITE_THROUGH) flags |= FO_WRITE_THROUGH;
  if (options & FILE_SEQUENTIAL_ONLY) flags |= FO_SEQUENTIAL_ONLY;
  if (options & FILE_RANDOM_ACCESS) flags |= FO_RANDOM_ACCESS;
  if (options & FILE_DELETE_ON_CLOSE) flags |= FO_DELETE_ON_CLOSE;
  F.Flags.set(mem, file, flags);
  keInitializeEvent(k, file + F.Lock.offset, SynchronizationEvent, false);
  keInitializeEvent(k, file + F.Event.offset, NotificationEvent, false);
  const list = file + F.IrpList.offset;
  mem.writePtr(list, list);
  mem.writePtr(list + 8, list);
  if (name && !allocateString(k, file + F.FileName.offset, name, poolTag('IoNm'))) {
    F.DeviceObject.set(mem, file, 0);
    obDereferenceDeferred(k, file);
    return 0;
  }
  D.ReferenceCount.set(mem, device, D.ReferenceCount.get(mem, device) + 1);
  return file;
}

/** May this device be opened? STATUS_SUCCESS, or what IopParseDevice returns. */
function mayOpen(k: Kernel, device: number): number {
  const flags = D.Flags.get(k.mem, device);
  if (flags & DO_DEVICE_INITIALIZING) return STATUS_NO_SUCH_DEVICE;
  if (extensionFlags(k, device) & (DOE_UNLOAD_PENDING | DOE_DELETE_PENDING | DOE_REMOVE_PENDING | DOE_REMOVE_PROCESSED))
    return STATUS_NO_SUCH_DEVICE;
  if (flags & DO_EXCLUSIVE && D.ReferenceCount.get(k.mem, device) !== 0) return STATUS_ACCESS_DENIED;
  return STATUS_SUCCESS;
}

/** An IRP for the file's device that completes to an event on a stack and is freed by completion: CLEANUP and CLOSE. 0 without pool. */
function closeIrp(k: Kernel, file: number, major: number, event: number, iosb: number): { irp: number; device: number } {
  const { mem } = k;
  const device = relatedDevice(k, file);
  const irp = ioAllocateIrp(k, D.StackSize.get(mem, device));
  if (!irp) return { irp, device };
  keInitializeEvent(k, event, NotificationEvent, false);
  I.Flags.set(mem, irp, IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API);
  I.UserIosb.set(mem, irp, iosb);
  I.UserEvent.set(mem, irp, event);
  I.Thread.set(mem, irp, k.currentThread());
  I.OriginalFileObject.set(mem, irp, file);
  const stack = nextLocation(k, irp);
  S.MajorFunction.set(mem, stack, major);
  S.FileObject.set(mem, stack, file);
  return { irp, device };
}

const closeFrame = { Event: KEVENT, Iosb: IO_STATUS_BLOCK, Device: ptr } as const;

const closing: NtExport[] = [
  ntSteps({
    name: 'IopCloseFile',
    internal: true,
    doc: 'Close procedure of file objects: with the last handle the driver gets IRP_MJ_CLEANUP.',
    args: { Process: PVOID, Object: PVOID, ProcessHandleCount: ULONG, SystemHandleCount: ULONG },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: closeFrame,
    steps: {
      start(k, f, _rax, { Object, SystemHandleCount }) {
        if (SystemHandleCount !== 1) return ret();
        const { irp, device } = closeIrp(k, Object, IRP_MJ_CLEANUP, f.get('Event'), f.get('Iosb'));
        return irp ? callDriverThen(k, device, irp, 'called') : ret();
      },
      called(k, f, rax, { Object }) {
        if (rax === STATUS_PENDING && keWait(k, [f.get('Event')]) === 'blocked') return wait('waited');
        return cleaned(k, Object);
      },
      waited: (k, _f, _rax, { Object }) => cleaned(k, Object),
    },
  }),
  ntSteps({
    name: 'IopDeleteFile',
    internal: true,
    doc: 'Delete procedure of file objects: the driver gets IRP_MJ_CLOSE, the device loses a reference.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: closeFrame,
    steps: {
      start(k, f, _rax, { Object }) {
        const device = F.DeviceObject.get(k.mem, Object);
        f.set('Device', device);
        if (!device) return release(k, Object, 0);
        // An open that failed leaves nothing to close.
        if (!(F.Flags.get(k.mem, Object) & FO_FILE_OPEN)) return release(k, Object, device);
        const made = closeIrp(k, Object, IRP_MJ_CLOSE, f.get('Event'), f.get('Iosb'));
        return made.irp ? callDriverThen(k, made.device, made.irp, 'called') : release(k, Object, device);
      },
      called(k, f, rax, { Object }) {
        if (rax === STATUS_PENDING && keWait(k, [f.get('Event')]) === 'blocked') return wait('waited');
        return release(k, Object, f.get('Device'));
      },
      waited: (k, f, _rax, { Object }) => release(k, Object, f.get('Device')),
      related: (k, f) => (f.get('Device') ? call(k.address('nt!IopDereferenceDevice'), [f.get('Device')], 'done') : ret()),
      done: () => ret(),
    },
  }),
  ntExport({
    name: 'IopParseDevice',
    internal: true,
    doc: 'Parse procedure of devices: marks the type as one that parses the rest of a path; opening goes through NtCreateFile.',
    args: { ParseObject: PVOID },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: () => STATUS_OBJECT_TYPE_MISMATCH,
  }),
  ntExport({
    name: 'IopParseFile',
    internal: true,
    doc: 'Parse procedure of files: see IopParseDevice.',
    args: { ParseObject: PVOID },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: () => STATUS_OBJECT_TYPE_MISMATCH,
  }),
];

function cleaned(k: Kernel, file: number): Outcome {
  F.Flags.set(k.mem, file, F.Flags.get(k.mem, file) | FO_CLEANUP_COMPLETE);
  return ret();
}

/** The end of a file object after its close: its name, the file it was opened relative to, its hold on the device. */
function release(k: Kernel, file: number, device: number): Outcome {
  freeString(k, file + F.FileName.offset);
  releasePort(k, file);
  const extension = F.FileObjectExtension.get(k.mem, file);
  if (extension) exFreePool(k, extension, 0);
  F.FileObjectExtension.set(k.mem, file, 0);
  const related = F.RelatedFileObject.get(k.mem, file);
  if (related) return call(k.address('nt!ObfDereferenceObject'), [related], 'related');
  return device ? call(k.address('nt!IopDereferenceDevice'), [device], 'done') : ret();
}

const createArgs = {
  FileHandle: PVOID,
  DesiredAccess: ULONG,
  ObjectAttributes: PVOID,
  IoStatusBlock: PVOID,
  AllocationSize: PVOID,
  FileAttributes: ULONG,
  ShareAccess: ULONG,
  CreateDisposition: ULONG,
  CreateOptions: ULONG,
  EaBuffer: PVOID,
  EaLength: ULONG,
} as const;

/** What the callers of IopCreateFile say beside NtCreateFile's arguments. */
const CREATE_EXTRA = struct('_IOP_CREATE_EXTRA', { FileType: u32, Options: u32, Parameters: ptr, DeviceHint: ptr });
const E = CREATE_EXTRA.f;
/** IoCreateFile's Options. */
const IO_FORCE_ACCESS_CHECK = 0x1,
  IO_OPEN_TARGET_DIRECTORY = 0x4,
  IO_STOP_ON_SYMLINK = 0x8,
  IO_NO_PARAMETER_CHECKING = 0x100,
  IO_IGNORE_SHARE_ACCESS_CHECK = 0x800;
/** IO_STACK_LOCATION.Flags of a create request. */
const SL_FORCE_ACCESS_CHECK = 1,
  SL_OPEN_TARGET_DIRECTORY = 4,
  SL_STOP_ON_SYMLINK = 8;
const FILE_DIRECTORY_FILE = 0x1,
  FILE_WRITE_THROUGH = 0x2,
  FILE_SEQUENTIAL_ONLY = 0x4,
  FILE_NON_DIRECTORY_FILE = 0x40,
  FILE_COMPLETE_IF_OPLOCKED = 0x100,
  FILE_RANDOM_ACCESS = 0x800,
  FILE_DELETE_ON_CLOSE = 0x1000,
  FILE_RESERVE_OPFILTER = 0x100000;
/** Options that can go with FILE_DIRECTORY_FILE, and FILE_ATTRIBUTE_VALID_FLAGS. */
const DIRECTORY_OPTIONS = 0x1 | 0x2 | 0x10 | 0x20 | 0x100 | 0x1000 | 0x2000 | 0x4000 | 0x200000 | 0x800000,
  VALID_ATTRIBUTES = 0x7fb7;
const FILE_OPEN = 1,
  FILE_CREATE = 2,
  FILE_OPEN_IF = 3,
  FILE_OVERWRITE_IF = 5;

/** NtCreateFile's rules for its arguments (its WDK page): STATUS_SUCCESS or what is wrong. */
function checkCreate(k: Kernel, a: CreateValues): number {
  const o = a.CreateOptions;
  const bad =
    (a.FileAttributes & ~VALID_ATTRIBUTES) !== 0 ||
    (a.ShareAccess & ~7) !== 0 ||
    a.CreateDisposition > FILE_OVERWRITE_IF ||
    (o & 0xff000000) !== 0 ||
    ((o & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) !== 0 && !(a.DesiredAccess & SYNCHRONIZE)) ||
    (o & 0x30) === 0x30 ||
    ((o & FILE_DELETE_ON_CLOSE) !== 0 && !(a.DesiredAccess & (DELETE | GENERIC_ALL | MAXIMUM_ALLOWED))) ||
    ((o & FILE_DIRECTORY_FILE) !== 0 &&
      ((o & FILE_NON_DIRECTORY_FILE) !== 0 ||
        (o & ~DIRECTORY_OPTIONS) !== 0 ||
        ![FILE_OPEN, FILE_CREATE, FILE_OPEN_IF].includes(a.CreateDisposition))) ||
    ((o & FILE_COMPLETE_IF_OPLOCKED) !== 0 && (o & FILE_RESERVE_OPFILTER) !== 0) ||
    ((o & FILE_NO_INTERMEDIATE_BUFFERING) !== 0 && (a.DesiredAccess & FILE_APPEND_DATA) !== 0) ||
    (a.AllocationSize !== 0 && BigInt.asIntN(64, k.mem.read64(a.AllocationSize)) < 0n);
  return bad ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

/** A list of extended attributes goes with the request in its system buffer. STATUS_SUCCESS or what is wrong. */
function attachAttributes(k: Kernel, irp: number, buffer: number, length: number): number {
  if (!buffer || !length) return STATUS_SUCCESS;
  if (badEa(k, buffer, length) >= 0) return STATUS_EA_LIST_INCONSISTENT;
  const copy = exAllocatePool(k, NonPagedPoolNx, length, poolTag('IoEa'));
  if (!copy) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.copy(copy, buffer, length);
  I.SystemBuffer.set(k.mem, irp, copy);
  I.Flags.set(k.mem, irp, I.Flags.get(k.mem, irp) | IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER);
  Parameters.Create.f.EaLength.set(k.mem, nextLocation(k, irp), length);
  return STATUS_SUCCESS;
}

/** What IoCreateFile's caller wants besides: kind of file, options, the device to begin with. STATUS_SUCCESS or what is wrong. */
function applyExtra(k: Kernel, file: number, irp: number, extra: number): number {
  const { mem } = k;
  const options = E.Options.get(mem, extra);
  const stack = nextLocation(k, irp);
  S.Flags.set(
    mem,
    stack,
    (options & IO_FORCE_ACCESS_CHECK ? SL_FORCE_ACCESS_CHECK : 0) |
      (options & IO_OPEN_TARGET_DIRECTORY ? SL_OPEN_TARGET_DIRECTORY : 0) |
      (options & IO_STOP_ON_SYMLINK ? SL_STOP_ON_SYMLINK : 0),
  );
  const type = E.FileType.get(mem, extra);
  if (type > 2) return STATUS_INVALID_PARAMETER;
  if (type) {
    S.MajorFunction.set(mem, stack, type === 1 ? IRP_MJ_CREATE_NAMED_PIPE : IRP_MJ_CREATE_MAILSLOT);
    mem.writePtr(stack + S.Argument4.offset, E.Parameters.get(mem, extra));
    F.Flags.set(mem, file, F.Flags.get(mem, file) | (type === 1 ? FO_NAMED_PIPE : FO_MAILSLOT));
  }
  const ignoreShare = (options & IO_IGNORE_SHARE_ACCESS_CHECK) !== 0;
  const hint = E.DeviceHint.get(mem, extra);
  return hint || ignoreShare ? extendFile(k, file, hint, ignoreShare) : STATUS_SUCCESS;
}

const opening: NtExport[] = [
  ntSteps({
    name: 'IopCreateFile',
    internal: true,
    doc: 'Opens a device or a file on one: what all the create routines end in.',
    args: { ...createArgs, Extra: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    frame: {
      File: ptr,
      Irp: ptr,
      Iosb: IO_STATUS_BLOCK,
      Security: IO_SECURITY_CONTEXT,
      AccessState: array(u8, ACCESS_STATE.size),
      AuxData: array(u8, AUX_ACCESS_DATA.size),
      Granted: u32,
      Attributes: u32,
      Status: u32,
    },
    steps: {
      start(k, f, _rax, a) {
        const { mem } = k;
        // A caller in kernel mode is trusted: nothing of its own is touched before there is something to say.
        if (previousMode(k) !== KernelMode) {
          mem.probe(a.FileHandle, 8, true);
          mem.probe(a.IoStatusBlock, 0x10, true);
        }
        if (!a.Extra || !(E.Options.get(mem, a.Extra) & IO_NO_PARAMETER_CHECKING)) {
          const checked = checkCreate(k, a);
          if (checked !== STATUS_SUCCESS) return ret(checked);
        }
        const attributes = readAttributes(k, a.ObjectAttributes);
        const found = lookupAttributes(k, { ...attributes, attributes: attributes.attributes | 0x40 }, previousMode(k));
        if (found.status !== STATUS_SUCCESS) return ret(found.status);
        f.set('Attributes', attributes.attributes);
        let device = found.object;
        let related = 0;
        if (obTypeOf(k, found.object) === exportedType(k, 'IoFileObjectType')) {
          related = found.object;
          device = F.DeviceObject.get(mem, related);
        } else if (obTypeOf(k, found.object) !== exportedType(k, 'IoDeviceObjectType')) {
          return ret(STATUS_OBJECT_TYPE_MISMATCH);
        }
        const status = mayOpen(k, device);
        if (status !== STATUS_SUCCESS) return ret(status);
        const forced = a.Extra && E.Options.get(mem, a.Extra) & IO_FORCE_ACCESS_CHECK ? OBJ_FORCE_ACCESS_CHECK : 0;
        const access = openAccess(k, device, found.remaining, a.DesiredAccess, attributes.attributes | forced);
        if (access.status !== STATUS_SUCCESS) return ret(access.status);
        f.set('Granted', access.granted);
        const hint = a.Extra ? E.DeviceHint.get(mem, a.Extra) : 0;
        if (hint && !inStackOf(k, device, hint)) return ret(STATUS_INVALID_DEVICE_OBJECT_PARAMETER);
        const file = createFileObject(k, device, found.remaining, a.CreateOptions);
        if (!file) return ret(STATUS_INSUFFICIENT_RESOURCES);
        f.set('File', file);
        if (related) {
          obReferenceObject(k, related);
          F.RelatedFileObject.set(mem, file, related);
        }
        const top = hint || attachedDevice(k, device);
        const irp = ioAllocateIrp(k, D.StackSize.get(mem, top));
        if (!irp) return fail(k, f, STATUS_INSUFFICIENT_RESOURCES);
        f.set('Irp', irp);
        fillCreateIrp(k, irp, file, a, f.get('Iosb'), f.get('Security'), f.address('AccessState'));
        let ready = attachAttributes(k, irp, a.EaBuffer, a.EaLength);
        if (ready === STATUS_SUCCESS && a.Extra) ready = applyExtra(k, file, irp, a.Extra);
        if (ready !== STATUS_SUCCESS) {
          const buffer = I.SystemBuffer.get(mem, irp);
          if (buffer) exFreePool(k, buffer, 0);
          ioFreeIrp(k, irp);
          return fail(k, f, ready);
        }
        createAccessState(k, f.address('AccessState'), f.address('AuxData'), a.DesiredAccess, k.address('nt!IopFileMapping'));
        grantAccessState(k, f.address('AccessState'), access.granted);
        queueIrpToThread(k, irp);
        return callDriverThen(k, top, irp, 'called');
      },
      called(k, f, rax, a) {
        const file = f.get('File');
        if (rax === STATUS_PENDING)
          return keWait(k, [file + F.Event.offset]) === 'blocked' ? wait('waited') : opened(k, f, k.mem.read32(f.get('Iosb')), a);
        // Completed in the call: what the driver said in the IRP counts, as it does for the asynchronous case.
        const status = irpStatus(k, f.get('Irp'));
        k.mem.copy(f.get('Iosb'), f.get('Irp') + I.IoStatus.offset, 0x10);
        completeInThread(k, f.get('Irp'), file);
        return opened(k, f, status, a);
      },
      waited: (k, f, _rax, a) => opened(k, f, k.mem.read32(f.get('Iosb')), a),
      undone: (_k, f) => ret(f.get('Status')),
      done: (_k, f) => ret(f.get('Status')),
    },
  }),
  ...stepService({
    name: 'CreateFile',
    doc: 'Opens a device (or a file on one) and returns a handle.',
    irql: PASSIVE,
    args: createArgs,
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, a) => call(k.address('nt!IopCreateFile'), [...createValues(a), 0], 'done'),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ...stepService({
    name: 'OpenFile',
    doc: 'Opens an existing device or file and returns a handle.',
    irql: PASSIVE,
    args: {
      FileHandle: PVOID,
      DesiredAccess: ULONG,
      ObjectAttributes: PVOID,
      IoStatusBlock: PVOID,
      ShareAccess: ULONG,
      OpenOptions: ULONG,
    },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      // FILE_OPEN is disposition 1.
      start: (k, _f, _rax, a) =>
        call(
          k.address('nt!NtCreateFile'),
          [a.FileHandle, a.DesiredAccess, a.ObjectAttributes, a.IoStatusBlock, 0, 0, a.ShareAccess, 1, a.OpenOptions, 0, 0],
          'done',
        ),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  createRoutine('IoCreateFile', 'ZwCreateFile with options for drivers.', {}, () => 0),
  createRoutine(
    'IoCreateFileSpecifyDeviceObjectHint',
    'IoCreateFile that begins at a given device of the stack: the filters above it do not see the file.',
    { DeviceObject: PVOID },
    (_k, a) => a['DeviceObject']!,
  ),
  createRoutine(
    'IoCreateFileEx',
    'IoCreateFile with an IO_DRIVER_CREATE_CONTEXT, whose device hint is honoured.',
    { DriverContext: PVOID },
    // IO_DRIVER_CREATE_CONTEXT.DeviceObjectHint.
    (k, a) => (a['DriverContext'] ? k.mem.readPtr(a['DriverContext'] + 0x10) : 0),
  ),
  streamFile(
    'IoCreateStreamFileObject',
    'Makes a file object for a device without opening it; closing its handle sends IRP_MJ_CLEANUP.',
    true,
  ),
  streamFile('IoCreateStreamFileObjectLite', 'Makes a file object for a device without opening it, and without a handle.', false),
];

/** The eleven arguments of NtCreateFile, in order. */
const createValues = (a: { [K in keyof typeof createArgs]: number }): number[] => [
  a.FileHandle,
  a.DesiredAccess,
  a.ObjectAttributes,
  a.IoStatusBlock,
  a.AllocationSize,
  a.FileAttributes,
  a.ShareAccess,
  a.CreateDisposition,
  a.CreateOptions,
  a.EaBuffer,
  a.EaLength,
];

/** IoCreateFile and its kin: NtCreateFile's arguments, a kind, options, and what each has besides. `hint` is the device to begin with, or 0. */
function createRoutine(
  name: string,
  doc: string,
  more: { readonly [name: string]: typeof PVOID },
  hint: (k: Kernel, a: { readonly [name: string]: number }) => number,
): NtExport {
  return ntSteps({
    name,
    doc,
    irql: PASSIVE,
    args: { ...createArgs, CreateFileType: ULONG, InternalParameters: PVOID, Options: ULONG, ...more },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    frame: { Extra: CREATE_EXTRA, PreviousMode: u8 },
    steps: {
      start(k, f, _rax, a) {
        const extra = f.get('Extra');
        E.FileType.set(k.mem, extra, a.CreateFileType);
        E.Options.set(k.mem, extra, a.Options);
        E.Parameters.set(k.mem, extra, a.InternalParameters);
        E.DeviceHint.set(k.mem, extra, hint(k, a as unknown as { readonly [name: string]: number }));
        // Drivers own these routines: the caller is trusted, but for IO_FORCE_ACCESS_CHECK.
        f.set('PreviousMode', previousMode(k));
        setPreviousMode(k, a.Options & IO_FORCE_ACCESS_CHECK ? previousMode(k) : KernelMode);
        return call(k.address('nt!IopCreateFile'), [...createValues(a), extra], 'done');
      },
      done(k, f, rax) {
        setPreviousMode(k, f.get('PreviousMode'));
        return ret(rax);
      },
    },
    abort: (k, f) => setPreviousMode(k, f.get('PreviousMode')),
  });
}

/** IoCreateStreamFileObject makes a handle and closes it at once, so that the file system gets its CLEANUP; the Lite form does not. */
function streamFile(name: string, doc: string, handle: boolean): NtExport {
  return ntSteps({
    name,
    doc,
    irql: { max: handle ? 'DISPATCH_LEVEL' : 'APC_LEVEL' },
    args: { FileObject: PVOID, DeviceObject: PVOID },
    returns: PVOID,
    cycles: 600,
    status: 'full',
    frame: { File: ptr },
    steps: {
      start(k, f, _rax, { FileObject, DeviceObject }) {
        const file = createFileObject(k, FileObject ? F.DeviceObject.get(k.mem, FileObject) : DeviceObject, '', 0);
        f.set('File', file);
        if (!file) return ret(0);
        F.Flags.set(k.mem, file, F.Flags.get(k.mem, file) | FO_STREAM_FILE | FO_FILE_OPEN);
        if (!handle) return ret(file);
        const h = obCreateHandle(k, file, 0, OBJ_KERNEL_HANDLE);
        if (h.status !== STATUS_SUCCESS) return call(k.address('nt!ObfDereferenceObject'), [file], 'failed');
        return call(k.address('nt!ZwClose'), [h.handle], 'closed');
      },
      failed: () => ret(0),
      closed: (_k, f) => ret(f.get('File')),
    },
  });
}

/** Is `wanted` `device`, or attached somewhere above it? */
function inStackOf(k: Kernel, device: number, wanted: number): boolean {
  for (let at = device; at; at = D.AttachedDevice.get(k.mem, at)) if (at === wanted) return true;
  return false;
}

type CreateFrame = {
  get(n: 'File' | 'Irp' | 'Iosb' | 'Status' | 'Attributes' | 'Granted'): number;
  set(n: 'Status', v: number): void;
  address(n: 'AccessState'): number;
};
type CreateValues = {
  FileHandle: number;
  DesiredAccess: number;
  IoStatusBlock: number;
  AllocationSize: number;
  FileAttributes: number;
  ShareAccess: number;
  CreateDisposition: number;
  CreateOptions: number;
};

function fillCreateIrp(
  k: Kernel,
  irp: number,
  file: number,
  a: CreateValues,
  iosb: number,
  security: number,
  accessState: number,
): void {
  const { mem } = k;
  I.Flags.set(mem, irp, IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API | IRP_DEFER_IO_COMPLETION);
  I.RequestorMode.set(mem, irp, previousMode(k));
  I.UserIosb.set(mem, irp, iosb);
  I.Thread.set(mem, irp, k.currentThread());
  I.OriginalFileObject.set(mem, irp, file);
  mem.fill(security, IO_SECURITY_CONTEXT.size, 0);
  IO_SECURITY_CONTEXT.f.AccessState.set(mem, security, accessState);
  IO_SECURITY_CONTEXT.f.DesiredAccess.set(mem, security, a.DesiredAccess);
  IO_SECURITY_CONTEXT.f.FullCreateOptions.set(mem, security, a.CreateOptions);
  const stack = nextLocation(k, irp);
  S.MajorFunction.set(mem, stack, IRP_MJ_CREATE);
  S.FileObject.set(mem, stack, file);
  const p = Parameters.Create.f;
  p.SecurityContext.set(mem, stack, security);
  p.Options.set(mem, stack, ((a.CreateDisposition << 24) | (a.CreateOptions & 0xffffff)) >>> 0);
  p.FileAttributes.set(mem, stack, a.FileAttributes & 0xffff);
  p.ShareAccess.set(mem, stack, a.ShareAccess & 0xffff);
  p.EaLength.set(mem, stack, 0);
  if (a.AllocationSize) I.AllocationSize.set(mem, irp, BigInt.asIntN(64, mem.read64(a.AllocationSize)));
}

/** The driver has answered the create request. */
function opened(k: Kernel, f: CreateFrame, status: number, a: CreateValues): Outcome {
  const { mem } = k;
  const file = f.get('File');
  deleteAccessState(k, f.address('AccessState'));
  if (!ntSuccess(status)) return fail(k, f, status, a);
  F.Flags.set(mem, file, F.Flags.get(mem, file) | FO_FILE_OPEN);
  if (!F.ReadAccess.get(mem, file)) setAccess(k, file, f.get('Granted'), a.ShareAccess);
  const h = obCreateHandle(k, file, f.get('Granted'), f.get('Attributes'));
  if (h.status === STATUS_SUCCESS) {
    F.Flags.set(mem, file, F.Flags.get(mem, file) | FO_HANDLE_CREATED);
    mem.writePtr(a.FileHandle, h.handle);
    mem.copy(a.IoStatusBlock, f.get('Iosb'), 0x10);
  }
  f.set('Status', h.status === STATUS_SUCCESS ? status : h.status);
  return call(k.address('nt!ObfDereferenceObject'), [file], 'done');
}

/** What the FILE_OBJECT repeats of the access that was asked for; IoSetShareAccess does it for drivers that use it. */
function setAccess(k: Kernel, file: number, access: number, share: number): void {
  const { mem } = k;
  const all = (access & 0x10000000) !== 0;
  F.ReadAccess.set(mem, file, all || access & (FILE_READ_DATA | 0x80000000) ? 1 : 0);
  F.WriteAccess.set(mem, file, all || access & (FILE_WRITE_DATA | FILE_APPEND_DATA | 0x40000000) ? 1 : 0);
  F.DeleteAccess.set(mem, file, all || access & DELETE ? 1 : 0);
  F.SharedRead.set(mem, file, share & 1);
  F.SharedWrite.set(mem, file, (share >> 1) & 1);
  F.SharedDelete.set(mem, file, (share >> 2) & 1);
}

/** The open failed: the file object goes without a close. */
function fail(k: Kernel, f: CreateFrame, status: number, a?: CreateValues): Outcome {
  if (a && !ntError(status)) k.mem.copy(a.IoStatusBlock, f.get('Iosb'), 0x10);
  f.set('Status', status);
  return call(k.address('nt!ObfDereferenceObject'), [f.get('File')], 'undone');
}

export const exports: NtExport[] = [...closing, ...opening];
