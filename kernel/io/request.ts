/**
 * Requests on file handles: NtReadFile, NtWriteFile, NtDeviceIoControlFile, NtFsControlFile and the information calls. They differ in how they describe the buffers in the IRP; all
 * then go the same way (`send`): queue the IRP to the thread, call the driver, and for a synchronous file wait until it is done.
 */
import type { Kernel } from '../kernel.ts';
import { GuestFault } from '../../hal/bus/memory.ts';
import { keClearEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { ioAllocateMdl, ioFreeMdl, mmProbeAndLockPages } from '../mm/mdl.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { specialAllocate } from '../mm/specialpool.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode, probeCaller } from '../ob/mode.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import {
  DO_BUFFERED_IO,
  DO_DIRECT_IO,
  DRIVER_OBJECT,
  FILE_READ_ACCESS,
  FILE_WRITE_ACCESS,
  FO_ALERTABLE_IO,
  FO_SYNCHRONOUS_IO,
  IO_STATUS_BLOCK,
  IRP_BUFFERED_IO,
  IRP_DEALLOCATE_BUFFER,
  IRP_DEFER_IO_COMPLETION,
  IRP_INPUT_OPERATION,
  IRP_MJ_DEVICE_CONTROL,
  IRP_MJ_FILE_SYSTEM_CONTROL,
  IRP_MJ_FLUSH_BUFFERS,
  IRP_MJ_READ,
  IRP_MJ_WRITE,
  IRP_READ_OPERATION,
  IRP_WRITE_OPERATION,
  METHOD_BUFFERED,
  METHOD_NEITHER,
  Parameters,
} from '../types/io.ts';
import { IoReadAccess, IoWriteAccess, NonPagedPoolNx } from '../types/mm.ts';
import { KernelMode, UserMode } from '../types/ke.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_ACCESS_VIOLATION,
  STATUS_BUFFER_OVERFLOW,
  STATUS_END_OF_FILE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { i64, ptr, u32, u8 } from '../types/struct.ts';
import { call, HANDLE, type NtExport, NTSTATUS, type Outcome, PVOID, ret, ULONG, wait } from '../exports/declare.ts';
import { stepService } from '../exports/service.ts';
import { callDriverThen } from './call.ts';
import { completeInThread } from './complete.ts';
import { D } from './device.ts';
import { relatedDevice } from './devicecalls.ts';
import { F } from './file.ts';
import { SL_READ_ACCESS_GRANTED, SL_WRITE_ACCESS_GRANTED } from './harderror.ts';
import { I, ioAllocateIrp, ioFreeIrp, nextLocation, queueIrpToThread, S } from './irp.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const FILE_READ_DATA = 1,
  FILE_WRITE_DATA = 2,
  FILE_APPEND_DATA = 4,
  EVENT_MODIFY_STATE = 2;
/** FILE_INFORMATION_CLASS. */
const TAG = poolTag('Io  ');

/** What a request on a file keeps in its frame. */
const frame = {
  File: ptr,
  Device: ptr,
  Irp: ptr,
  Event: ptr,
  Deferred: u8,
  Synchronous: u8,
  Status: u32,
  /** Rights of the handle. */
  Access: u32,
  Offset: i64,
  Iosb: IO_STATUS_BLOCK,
} as const;
type Name = 'File' | 'Device' | 'Irp' | 'Event' | 'Deferred' | 'Synchronous' | 'Status' | 'Access' | 'Iosb';
export interface RequestFrame {
  get(n: Name): number;
  set(n: Exclude<Name, 'Iosb'>, v: number): void;
  address(n: 'Offset'): number;
}

/** The arguments that all requests begin with. */
export interface Common {
  FileHandle: number;
  Event?: number;
  ApcRoutine?: number;
  ApcContext?: number;
  IoStatusBlock: number;
}
export const commonArgs = {
  FileHandle: HANDLE,
  Event: HANDLE,
  ApcRoutine: PVOID,
  ApcContext: PVOID,
  IoStatusBlock: PVOID,
} as const;

/** Reads the handle and the event. STATUS_SUCCESS leaves both referenced in the frame; a failure leaves nothing. `access` is what a caller from user mode needs. */
function open(k: Kernel, f: RequestFrame, a: Common, access: number): number {
  k.mem.probe(a.IoStatusBlock, 0x10, true);
  const mode = previousMode(k);
  const file = obReferenceObjectByHandle(k, a.FileHandle, 0, exportedType(k, 'IoFileObjectType'), mode);
  if (file.status !== STATUS_SUCCESS) return file.status;
  f.set('File', file.object);
  f.set('Access', mode === KernelMode ? 0xffffffff : file.access);
  f.set('Event', 0);
  let status = mode !== KernelMode && access && !(file.access & access) ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
  if (status === STATUS_SUCCESS && a.Event) {
    const event = obReferenceObjectByHandle(k, a.Event, EVENT_MODIFY_STATE, exportedType(k, 'ExEventObjectType'), mode);
    status = event.status;
    if (status === STATUS_SUCCESS) {
      f.set('Event', event.object);
      keClearEvent(k, event.object);
    }
  }
  if (status !== STATUS_SUCCESS) {
    // A handle still holds the file, so this is not its last reference.
    obDereferenceDeferred(k, file.object);
    return status;
  }
  f.set('Synchronous', F.Flags.get(k.mem, file.object) & FO_SYNCHRONOUS_IO ? 1 : 0);
  f.set('Device', relatedDevice(k, file.object));
  return STATUS_SUCCESS;
}

/** Gives back what {@link open} took; the request was not sent. */
export function abandon(k: Kernel, f: RequestFrame, status: number): Outcome {
  const irp = f.get('Irp');
  if (irp) {
    const mdl = I.MdlAddress.get(k.mem, irp);
    if (mdl) ioFreeMdl(k, mdl);
    const buffer = I.SystemBuffer.get(k.mem, irp);
    if (buffer && I.Flags.get(k.mem, irp) & IRP_DEALLOCATE_BUFFER) exFreePool(k, buffer, 0);
    const auxiliary = I.AuxiliaryBuffer.get(k.mem, irp);
    if (auxiliary) exFreePool(k, auxiliary, 0);
    ioFreeIrp(k, irp);
  }
  const event = f.get('Event');
  if (event) obDereferenceDeferred(k, event);
  if (f.get('Synchronous')) unlockFile(k, f.get('File'));
  f.set('Status', status);
  return call(k.address('nt!ObfDereferenceObject'), [f.get('File')], 'done');
}

/** A synchronous file serves one request at a time: true when it is ours now, else the step ends with a wait for its lock and tries again. */
function lockFile(k: Kernel, file: number): boolean {
  const { mem } = k;
  for (;;) {
    if (F.Busy.get(mem, file) === 0) {
      F.Busy.set(mem, file, 1);
      return true;
    }
    F.Waiters.set(mem, file, F.Waiters.get(mem, file) + 1);
    if (keWait(k, [file + F.Lock.offset]) === 'blocked') return false;
    F.Waiters.set(mem, file, F.Waiters.get(mem, file) - 1);
  }
}

function unlockFile(k: Kernel, file: number): void {
  F.Busy.set(k.mem, file, 0);
  if (F.Waiters.get(k.mem, file)) keSetEvent(k, file + F.Lock.offset, 0);
}

/** An IRP for the file's device with everything that all requests have in common. 0 without pool. */
export function newIrp(k: Kernel, f: RequestFrame, a: Common, major: number): number {
  const { mem } = k;
  const file = f.get('File');
  keClearEvent(k, file + F.Event.offset);
  const irp = ioAllocateIrp(k, D.StackSize.get(mem, f.get('Device')));
  f.set('Irp', irp);
  if (!irp) return 0;
  I.RequestorMode.set(mem, irp, previousMode(k));
  I.UserIosb.set(mem, irp, a.IoStatusBlock);
  I.UserEvent.set(mem, irp, f.get('Event'));
  I.UserApcRoutine.set(mem, irp, a.ApcRoutine ?? 0);
  I.UserApcContext.set(mem, irp, a.ApcContext ?? 0);
  I.Thread.set(mem, irp, k.currentThread());
  I.OriginalFileObject.set(mem, irp, file);
  const stack = nextLocation(k, irp);
  S.MajorFunction.set(mem, stack, major);
  S.FileObject.set(mem, stack, file);
  return irp;
}

/** A system buffer of `length` bytes for a buffered request, filled from `from` if that is given. False without pool. */
export function systemBuffer(k: Kernel, irp: number, length: number, from: number, fromLength: number): boolean {
  if (!length) return true;
  // Under the verifier with a guard page behind it, so that a driver which writes more than the caller asked for is found at once.
  const buffer =
    (k.config.verifier && specialAllocate(k, NonPagedPoolNx, length, TAG)) || exAllocatePool(k, NonPagedPoolNx, length, TAG);
  if (!buffer) return false;
  if (from && fromLength) k.mem.copy(buffer, from, fromLength);
  I.SystemBuffer.set(k.mem, irp, buffer);
  I.Flags.set(k.mem, irp, I.Flags.get(k.mem, irp) | IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER);
  return true;
}

/** Describes a caller's buffer by an MDL with its pages locked. STATUS_SUCCESS or why not. */
export function lockBuffer(
  k: Kernel,
  irp: number,
  buffer: number,
  length: number,
  operation: number,
  mode = previousMode(k),
): number {
  if (!length) return STATUS_SUCCESS;
  const mdl = ioAllocateMdl(k, buffer, length, false, irp);
  if (!mdl) return STATUS_INSUFFICIENT_RESOURCES;
  try {
    mmProbeAndLockPages(k, mdl, mode, operation);
    return STATUS_SUCCESS;
  } catch (e) {
    if (!(e instanceof GuestFault)) throw e;
    return STATUS_ACCESS_VIOLATION;
  }
}

/** A caller's buffer in the way that the device asks for: buffered, direct, or as it is. `write`: the driver reads it. STATUS_SUCCESS or why not. */
export function describeBuffer(k: Kernel, irp: number, device: number, buffer: number, length: number, write: boolean): number {
  const { mem } = k;
  if (length) mem.probe(buffer, length, !write);
  const flags = D.Flags.get(mem, device);
  if (flags & DO_BUFFERED_IO) {
    I.UserBuffer.set(mem, irp, buffer);
    if (!systemBuffer(k, irp, length, write ? buffer : 0, length)) return STATUS_INSUFFICIENT_RESOURCES;
    if (!write && length) I.Flags.set(mem, irp, I.Flags.get(mem, irp) | IRP_INPUT_OPERATION);
    return STATUS_SUCCESS;
  }
  if (flags & DO_DIRECT_IO) return lockBuffer(k, irp, buffer, length, write ? IoReadAccess : IoWriteAccess);
  I.UserBuffer.set(mem, irp, buffer);
  return STATUS_SUCCESS;
}

/** Reads of a user buffer: a bad address is the caller's to hear of, as a status; from kernel mode it is a fault. */
export function guarded(k: Kernel, work: () => number): number {
  try {
    return work();
  } catch (e) {
    if (!(e instanceof GuestFault) || previousMode(k) === KernelMode) throw e;
    return STATUS_ACCESS_VIOLATION;
  }
}

/** Sends the IRP of the frame. `deferred`: completion happens here when the driver completes in the call (NT does so for all but device control). */
export function send(k: Kernel, f: RequestFrame, deferred: boolean): Outcome {
  const irp = f.get('Irp');
  f.set('Deferred', deferred ? 1 : 0);
  if (deferred) I.Flags.set(k.mem, irp, I.Flags.get(k.mem, irp) | IRP_DEFER_IO_COMPLETION);
  queueIrpToThread(k, irp);
  // The completion gives the file's reference back; a synchronous request looks at the file after that.
  if (f.get('Synchronous')) obReferenceObject(k, f.get('File'));
  return callDriverThen(k, f.get('Device'), irp, 'called');
}

/** The steps after {@link send}. Each request has them under these names. */
const sent = {
  called(k: Kernel, f: RequestFrame, rax: number): Outcome {
    f.set('Status', rax);
    if (f.get('Deferred') && rax !== STATUS_PENDING) {
      const file = completeInThread(k, f.get('Irp'), f.get('File'));
      if (file) return call(k.address('nt!ObfDereferenceObject'), [file], 'completed');
    }
    return sent.completed(k, f);
  },
  completed(k: Kernel, f: RequestFrame): Outcome {
    if (!f.get('Synchronous')) return ret(f.get('Status'));
    const file = f.get('File');
    if (f.get('Status') === STATUS_PENDING) {
      const alertable = (F.Flags.get(k.mem, file) & FO_ALERTABLE_IO) !== 0;
      // In the caller's mode: the end of its thread ends the wait.
      const w = keWait(k, [file + F.Event.offset], { alertable, mode: previousMode(k) });
      return w === 'blocked' ? wait('waited') : sent.waited(k, f, w.status);
    }
    unlockFile(k, file);
    return call(k.address('nt!ObfDereferenceObject'), [file], 'done');
  },
  waited(k: Kernel, f: RequestFrame, rax: number): Outcome {
    const file = f.get('File');
    // An alert ends the request: it is cancelled, and its end is waited for.
    if (rax !== STATUS_SUCCESS && rax !== 0) return call(k.address('nt!IoCancelIrp'), [f.get('Irp')], 'cancelled');
    f.set('Status', F.FinalStatus.get(k.mem, file));
    unlockFile(k, file);
    return call(k.address('nt!ObfDereferenceObject'), [file], 'done');
  },
  cancelled(k: Kernel, f: RequestFrame): Outcome {
    return keWait(k, [f.get('File') + F.Event.offset]) === 'blocked' ? wait('waited') : sent.waited(k, f, 0);
  },
  done: (_k: Kernel, f: RequestFrame): Outcome => ret(f.get('Status')),
} as const;

/** The first step of a request: handle, event, file lock; then `build`, which fills the IRP and sends it. */
export function begin<A extends Common>(access: (a: A) => number, build: (k: Kernel, f: RequestFrame, a: A) => Outcome) {
  const locked = (k: Kernel, f: RequestFrame, _rax: number, a: A): Outcome => {
    const file = f.get('File');
    F.Waiters.set(k.mem, file, F.Waiters.get(k.mem, file) - 1);
    return lockFile(k, file) ? build(k, f, a) : wait('locked');
  };
  const start = (k: Kernel, f: RequestFrame, _rax: number, a: A): Outcome => {
    f.set('Irp', 0);
    const status = open(k, f, a, access(a));
    if (status !== STATUS_SUCCESS) return ret(status);
    if (f.get('Synchronous') && !lockFile(k, f.get('File'))) return wait('locked');
    return build(k, f, a);
  };
  return { start, locked, ...sent };
}

/** The file offset of a read or write: the caller's, or a synchronous file's own. */
function byteOffset(k: Kernel, file: number, at: number): bigint {
  return at ? BigInt.asIntN(64, k.mem.read64(at)) : F.CurrentByteOffset.get(k.mem, file);
}

interface Transfer extends Common {
  Buffer: number;
  Length: number;
  ByteOffset: number;
  Key: number;
}
const transferArgs = { ...commonArgs, Buffer: PVOID, Length: ULONG, ByteOffset: PVOID, Key: PVOID } as const;

/** Of a write: at the end of the file. Of a transfer on a synchronous file: where the file is (ntddk.h, FILE_WRITE_TO_END_OF_FILE, FILE_USE_FILE_POINTER_POSITION). */
const FILE_WRITE_TO_END_OF_FILE = -1n,
  FILE_USE_FILE_POINTER_POSITION = -2n;

/** Is that a position that the request may have? */
function validOffset(f: RequestFrame, at: bigint, write: boolean): boolean {
  if (at === FILE_WRITE_TO_END_OF_FILE) return write;
  return at >= 0n || (at === FILE_USE_FILE_POINTER_POSITION && f.get('Synchronous') !== 0);
}

const transfer =
  (write: boolean) =>
  (k: Kernel, f: RequestFrame, a: Transfer): Outcome => {
    const { mem } = k;
    // Without a position of its own, only a synchronous file has one.
    if (!a.ByteOffset && !f.get('Synchronous')) return abandon(k, f, STATUS_INVALID_PARAMETER);
    const irp = newIrp(k, f, a, write ? IRP_MJ_WRITE : IRP_MJ_READ);
    if (!irp) return abandon(k, f, STATUS_INSUFFICIENT_RESOURCES);
    const status = guarded(k, () => {
      const stack = nextLocation(k, irp);
      const p = write ? Parameters.Write.f : Parameters.Read.f;
      const given = byteOffset(k, f.get('File'), a.ByteOffset);
      if (!validOffset(f, given, write)) return STATUS_INVALID_PARAMETER;
      const at = given === FILE_USE_FILE_POINTER_POSITION ? F.CurrentByteOffset.get(mem, f.get('File')) : given;
      p.Length.set(mem, stack, a.Length);
      p.Key.set(mem, stack, a.Key ? mem.read32(a.Key) : 0);
      p.ByteOffset.set(mem, stack, at);
      I.Flags.set(mem, irp, write ? IRP_WRITE_OPERATION : IRP_READ_OPERATION);
      return describeBuffer(k, irp, f.get('Device'), a.Buffer, a.Length, write);
    });
    return status === STATUS_SUCCESS ? send(k, f, true) : abandon(k, f, status);
  };

/** FAST_IO_DISPATCH: where its routines are. */
const FAST_IO_READ = 0x10,
  FAST_IO_WRITE = 0x18,
  FAST_IO_DEVICE_CONTROL = 0x50;

/** A fast I/O routine of the driver of a device, or 0. */
export function fastIo(k: Kernel, device: number, at: number): number {
  const dispatch = DRIVER_OBJECT.f.FastIoDispatch.get(k.mem, D.DriverObject.get(k.mem, device));
  return dispatch && k.mem.read32(dispatch) > at ? k.mem.readPtr(dispatch + at) : 0;
}

/** A read or write on a synchronous file that is cached tries the driver's fast path first. */
const transferFast =
  (write: boolean) =>
  (k: Kernel, f: RequestFrame, a: Transfer): Outcome => {
    const { mem } = k;
    const file = f.get('File');
    const fast = fastIo(k, f.get('Device'), write ? FAST_IO_WRITE : FAST_IO_READ);
    if (!fast || !f.get('Synchronous') || !F.PrivateCacheMap.get(mem, file)) return transfer(write)(k, f, a);
    const at = guarded(k, () => {
      if (a.Length) mem.probe(a.Buffer, a.Length, !write);
      if (!validOffset(f, byteOffset(k, file, a.ByteOffset), write)) return STATUS_INVALID_PARAMETER;
      const given = byteOffset(k, file, a.ByteOffset);
      const offset = given === FILE_USE_FILE_POINTER_POSITION ? F.CurrentByteOffset.get(mem, file) : given;
      mem.write64(f.address('Offset'), BigInt.asUintN(64, offset));
      return STATUS_SUCCESS;
    });
    if (at !== STATUS_SUCCESS) return abandon(k, f, at);
    // FileObject, FileOffset, Length, Wait, LockKey, Buffer, IoStatus, DeviceObject
    const key = a.Key ? mem.read32(a.Key) : 0;
    return call(fast, [file, f.address('Offset'), a.Length, 1, key, a.Buffer, f.get('Iosb'), f.get('Device')], 'fast');
  };

/** A status of FastIoRead and FastIoWrite that ends the request. */
const cacheAnswer = (status: number): boolean =>
  status === STATUS_SUCCESS || status === STATUS_BUFFER_OVERFLOW || status === STATUS_END_OF_FILE;

/** The fast path has answered; or declined, and the request becomes an IRP. */
export const fastAnswered =
  <A extends Common>(slow: (k: Kernel, f: RequestFrame, a: A) => Outcome, accepts: (status: number) => boolean) =>
  (k: Kernel, f: RequestFrame, rax: number, a: A): Outcome => {
    const status = k.mem.read32(f.get('Iosb'));
    if (!(rax & 0xff) || !accepts(status)) return slow(k, f, a);
    k.mem.copy(a.IoStatusBlock, f.get('Iosb'), 0x10);
    const event = f.get('Event');
    if (event) keSetEvent(k, event, 0);
    return abandon(k, f, status);
  };

interface Control extends Common {
  IoControlCode: number;
  InputBuffer: number;
  InputBufferLength: number;
  OutputBuffer: number;
  OutputBufferLength: number;
}
const controlArgs = {
  ...commonArgs,
  IoControlCode: ULONG,
  InputBuffer: PVOID,
  InputBufferLength: ULONG,
  OutputBuffer: PVOID,
  OutputBufferLength: ULONG,
} as const;

const buildControl =
  (major: number) =>
  (k: Kernel, f: RequestFrame, a: Control): Outcome => {
    const irp = newIrp(k, f, a, major);
    if (!irp) return abandon(k, f, STATUS_INSUFFICIENT_RESOURCES);
    const status = guarded(k, () =>
      describeControl(k, irp, a.IoControlCode, a.InputBuffer, a.InputBufferLength, a.OutputBuffer, a.OutputBufferLength),
    );
    if (status !== STATUS_SUCCESS) return abandon(k, f, status);
    const access = f.get('Access');
    S.Flags.set(
      k.mem,
      nextLocation(k, irp),
      (access & FILE_READ_DATA ? SL_READ_ACCESS_GRANTED : 0) | (access & FILE_WRITE_DATA ? SL_WRITE_ACCESS_GRANTED : 0),
    );
    return send(k, f, major === IRP_MJ_FILE_SYSTEM_CONTROL);
  };

/** Puts the buffers of a control request into an IRP, by the method in the code's low two bits. STATUS_SUCCESS or why not. */
export function describeControl(
  k: Kernel,
  irp: number,
  code: number,
  input: number,
  inputLength: number,
  output: number,
  outputLength: number,
  mode = previousMode(k),
): number {
  const { mem } = k;
  const stack = nextLocation(k, irp);
  const p = Parameters.DeviceIoControl.f;
  p.OutputBufferLength.set(mem, stack, outputLength);
  p.InputBufferLength.set(mem, stack, inputLength);
  p.IoControlCode.set(mem, stack, code);
  const method = code & 3;
  if (method === METHOD_NEITHER) {
    p.Type3InputBuffer.set(mem, stack, input);
    I.UserBuffer.set(mem, irp, output);
    return STATUS_SUCCESS;
  }
  if (mode === UserMode) {
    probeCaller(k, input);
    probeCaller(k, output);
  }
  if (inputLength && input) mem.probe(input, inputLength, false);
  const inLength = input ? inputLength : 0;
  if (method === METHOD_BUFFERED) {
    const outLength = output ? outputLength : 0;
    if (outLength) mem.probe(output, outLength, true);
    if (!systemBuffer(k, irp, Math.max(inLength, outLength), input, inLength)) return STATUS_INSUFFICIENT_RESOURCES;
    I.UserBuffer.set(mem, irp, output);
    if (outLength) I.Flags.set(mem, irp, I.Flags.get(mem, irp) | IRP_INPUT_OPERATION);
    return STATUS_SUCCESS;
  }
  if (!systemBuffer(k, irp, inLength, input, inLength)) return STATUS_INSUFFICIENT_RESOURCES;
  return output ? lockBuffer(k, irp, output, outputLength, method === 1 ? IoReadAccess : IoWriteAccess, mode) : STATUS_SUCCESS;
}

/** Device control tries the driver's fast path first, then an IRP. */
const buildDeviceControl = (k: Kernel, f: RequestFrame, a: Control): Outcome => {
  const fast = fastIo(k, f.get('Device'), FAST_IO_DEVICE_CONTROL);
  if (!fast || a.ApcRoutine) return buildControl(IRP_MJ_DEVICE_CONTROL)(k, f, a);
  // FileObject, Wait, InputBuffer, InputBufferLength, OutputBuffer, OutputBufferLength, IoControlCode, IoStatus, DeviceObject
  return call(
    fast,
    [
      f.get('File'),
      1,
      a.InputBuffer,
      a.InputBufferLength,
      a.OutputBuffer,
      a.OutputBufferLength,
      a.IoControlCode,
      f.get('Iosb'),
      f.get('Device'),
    ],
    'fast',
  );
};

const deviceControl = begin<Control>(controlAccess, buildDeviceControl);

/** Rights that a control code demands in its bits 14-15. */
function controlAccess(a: Control): number {
  const access = (a.IoControlCode >>> 14) & 3;
  return (access & FILE_READ_ACCESS ? FILE_READ_DATA : 0) | (access & FILE_WRITE_ACCESS ? FILE_WRITE_DATA : 0);
}

const flush = begin<Common>(
  () => 0,
  (k, f, a) => (newIrp(k, f, a, IRP_MJ_FLUSH_BUFFERS) ? send(k, f, true) : abandon(k, f, STATUS_INSUFFICIENT_RESOURCES)),
);

export const base = { irql: PASSIVE, returns: NTSTATUS, cycles: 900, status: 'full' as const, frame };

export const exports: NtExport[] = [
  ...stepService({
    ...base,
    name: 'ReadFile',
    doc: 'Reads from an open file or device.',
    args: transferArgs,
    steps: { ...begin<Transfer>(() => FILE_READ_DATA, transferFast(false)), fast: fastAnswered(transfer(false), cacheAnswer) },
  }),
  ...stepService({
    ...base,
    name: 'WriteFile',
    doc: 'Writes to an open file or device.',
    args: transferArgs,
    steps: {
      ...begin<Transfer>(() => FILE_WRITE_DATA | FILE_APPEND_DATA, transferFast(true)),
      fast: fastAnswered(transfer(true), cacheAnswer),
    },
  }),
  ...stepService({
    ...base,
    name: 'DeviceIoControlFile',
    doc: 'Sends a control code to a device.',
    args: controlArgs,
    steps: {
      ...deviceControl,
      fast: fastAnswered(buildControl(IRP_MJ_DEVICE_CONTROL), () => true),
    },
  }),
  ...stepService({
    ...base,
    name: 'FsControlFile',
    doc: 'Sends a control code to a file system or file system filter.',
    args: controlArgs,
    steps: begin<Control>(controlAccess, buildControl(IRP_MJ_FILE_SYSTEM_CONTROL)),
  }),
  ...stepService({
    ...base,
    name: 'FlushBuffersFile',
    doc: 'Asks a driver to write out what it has buffered.',
    args: { FileHandle: HANDLE, IoStatusBlock: PVOID },
    steps: flush,
  }),
];
