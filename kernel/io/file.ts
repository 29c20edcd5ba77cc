/**
 * File objects: what an open device is to the one who opened it. Opening sends IRP_MJ_CREATE; closing the last handle IRP_MJ_CLEANUP; the end of the last
 * reference IRP_MJ_CLOSE.
 */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateObject, obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { previousMode } from '../ob/mode.ts';
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
  STATUS_INVALID_PARAMETER,
  STATUS_NO_SUCH_DEVICE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { array, ptr, u32, u8 } from '../types/struct.ts';
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
import { I, ioAllocateIrp, irpStatus, nextLocation, ntError, ntSuccess, queueIrpToThread, S } from './irp.ts';

export const F = FILE_OBJECT.f;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

/** CreateOptions. */
const FILE_SYNCHRONOUS_IO_ALERT = 0x10,
  FILE_SYNCHRONOUS_IO_NONALERT = 0x20,
  FILE_NO_INTERMEDIATE_BUFFERING = 0x08;
const SYNCHRONIZE = 0x100000;
/** Access rights that the FILE_OBJECT's booleans repeat. */
const FILE_READ_DATA = 1,
  FILE_WRITE_DATA = 2,
  FILE_APPEND_DATA = 4,
  DELETE = 0x10000;
const NotificationEvent = 0,
  SynchronizationEvent = 1;
/** Bytes of an ACCESS_STATE; its OriginalDesiredAccess, RemainingDesiredAccess and PreviouslyGrantedAccess. */
const ACCESS_STATE_SIZE = 0xa0,
  ACCESS_STATE_REMAINING = 0x10,
  ACCESS_STATE_GRANTED = 0x14,
  ACCESS_STATE_ORIGINAL = 0x18;

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

const opening: NtExport[] = [
  ...stepService({
    name: 'CreateFile',
    doc: 'Opens a device (or a file on one) and returns a handle.',
    irql: PASSIVE,
    args: createArgs,
    returns: NTSTATUS,
    cycles: 1500,
    status: 'partial',
    missing: 'there are no file systems; extended attributes are not passed on',
    frame: {
      File: ptr,
      Irp: ptr,
      Iosb: IO_STATUS_BLOCK,
      Security: IO_SECURITY_CONTEXT,
      AccessState: array(u8, ACCESS_STATE_SIZE),
      Attributes: u32,
      Status: u32,
    },
    steps: {
      start(k, f, _rax, a) {
        const { mem } = k;
        mem.probe(a.FileHandle, 8, true);
        mem.probe(a.IoStatusBlock, 0x10, true);
        const synchronous = (a.CreateOptions & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) !== 0;
        if (synchronous && !(a.DesiredAccess & SYNCHRONIZE)) return ret(STATUS_INVALID_PARAMETER);
        if ((a.CreateOptions & 0x30) === 0x30 || a.CreateDisposition > 5) return ret(STATUS_INVALID_PARAMETER);
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
        const file = createFileObject(k, device, found.remaining, a.CreateOptions);
        if (!file) return ret(STATUS_INSUFFICIENT_RESOURCES);
        f.set('File', file);
        if (related) {
          obReferenceObject(k, related);
          F.RelatedFileObject.set(mem, file, related);
        }
        const top = attachedDevice(k, device);
        const irp = ioAllocateIrp(k, D.StackSize.get(mem, top));
        if (!irp) return fail(k, f, STATUS_INSUFFICIENT_RESOURCES);
        f.set('Irp', irp);
        fillCreateIrp(k, irp, file, a, f.get('Iosb'), f.get('Security'), f.address('AccessState'));
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
    status: 'partial',
    missing: 'there are no file systems',
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
  ntSteps({
    name: 'IoCreateFile',
    doc: 'ZwCreateFile with options for drivers.',
    irql: PASSIVE,
    args: { ...createArgs, CreateFileType: ULONG, InternalParameters: PVOID, Options: ULONG },
    returns: NTSTATUS,
    cycles: 60,
    status: 'partial',
    missing: 'there are no file systems, named pipes or mailslots; the options that force checks are ignored',
    frame: {},
    steps: {
      start: (k, _f, _rax, a) =>
        call(
          k.address('nt!NtCreateFile'),
          [
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
          ],
          'done',
        ),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ntExport({
    name: 'IoCreateStreamFileObject',
    doc: 'Makes a file object for a device without opening it.',
    irql: PASSIVE,
    args: { FileObject: PVOID, DeviceObject: PVOID },
    returns: PVOID,
    cycles: 600,
    status: 'full',
    impl(k, { FileObject, DeviceObject }) {
      const file = createFileObject(k, FileObject ? F.DeviceObject.get(k.mem, FileObject) : DeviceObject, '', 0);
      if (file) F.Flags.set(k.mem, file, F.Flags.get(k.mem, file) | 0x1000 | FO_FILE_OPEN);
      return file;
    },
  }),
];

type CreateFrame = { get(n: 'File' | 'Irp' | 'Iosb' | 'Status' | 'Attributes'): number; set(n: 'Status', v: number): void };
type CreateValues = {
  FileHandle: number;
  DesiredAccess: number;
  IoStatusBlock: number;
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
  mem.fill(accessState, ACCESS_STATE_SIZE, 0);
  mem.write32(accessState + ACCESS_STATE_ORIGINAL, a.DesiredAccess);
  mem.write32(accessState + ACCESS_STATE_GRANTED, a.DesiredAccess);
  mem.write32(accessState + ACCESS_STATE_REMAINING, 0);
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
}

/** The driver has answered the create request. */
function opened(k: Kernel, f: CreateFrame, status: number, a: CreateValues): Outcome {
  const { mem } = k;
  const file = f.get('File');
  if (!ntSuccess(status)) return fail(k, f, status, a);
  F.Flags.set(mem, file, F.Flags.get(mem, file) | FO_FILE_OPEN);
  if (!F.ReadAccess.get(mem, file)) setAccess(k, file, a.DesiredAccess, a.ShareAccess);
  const h = obCreateHandle(k, file, a.DesiredAccess, f.get('Attributes'));
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
