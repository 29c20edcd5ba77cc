/** IRPs that drivers make themselves. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { ioAllocateMdl, ioFreeMdl, mmProbeAndLockPages } from '../mm/mdl.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import {
  DO_BUFFERED_IO,
  DO_DIRECT_IO,
  IRP_ASSOCIATED_IRP,
  IRP_BUFFERED_IO,
  IRP_DEALLOCATE_BUFFER,
  IRP_INPUT_OPERATION,
  IRP_MJ_DEVICE_CONTROL,
  IRP_MJ_INTERNAL_DEVICE_CONTROL,
  IRP_MJ_READ,
  IRP_MJ_WRITE,
  IRP_READ_OPERATION,
  IRP_WRITE_OPERATION,
  Parameters,
  SL_INVOKE_ON_CANCEL,
  SL_INVOKE_ON_ERROR,
  SL_INVOKE_ON_SUCCESS,
} from '../types/io.ts';
import { KernelMode, KEVENT, KTHREAD } from '../types/ke.ts';
import { IoReadAccess, IoWriteAccess, NonPagedPoolNx } from '../types/mm.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_MORE_PROCESSING_REQUIRED,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  CCHAR,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  PVOID,
  ret,
  ULONG,
  USHORT,
  VOID,
  wait,
} from '../exports/declare.ts';
import { callDriverThen, PDEVICE_OBJECT, PIRP } from './call.ts';
import {
  currentLocation,
  I,
  ioAllocateIrp,
  ioFreeIrp,
  ioInitializeIrp,
  irpSize,
  irpStatus,
  nextLocation,
  queueIrpToThread,
  S,
  setIrpStatus,
} from './irp.ts';
import { D } from './device.ts';
import { describeControl } from './request.ts';

/** What IoSetCompletionRoutineEx keeps until its routine has run. */
const UNLOAD_SAFE = struct('_IO_UNLOAD_SAFE_COMPLETION_CONTEXT', { DeviceObject: ptr, Context: ptr, Routine: ptr });

const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const APC = { max: 'APC_LEVEL' } as const;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

/** An IRP for a read, write or other request on a device, with its buffer described the way that the device asks for. 0 without pool. */
function fsdRequest(k: Kernel, major: number, device: number, buffer: number, length: number, offset: number): number {
  const { mem } = k;
  const irp = ioAllocateIrp(k, D.StackSize.get(mem, device));
  if (!irp) return 0;
  const stack = nextLocation(k, irp);
  S.MajorFunction.set(mem, stack, major);
  I.Thread.set(mem, irp, k.currentThread());
  if (major !== IRP_MJ_READ && major !== IRP_MJ_WRITE) return irp;
  const write = major === IRP_MJ_WRITE;
  const p = write ? Parameters.Write.f : Parameters.Read.f;
  p.Length.set(mem, stack, length);
  if (offset) p.ByteOffset.set(mem, stack, BigInt.asIntN(64, mem.read64(offset)));
  let flags = write ? IRP_WRITE_OPERATION : IRP_READ_OPERATION;
  const how = D.Flags.get(mem, device);
  if (how & DO_BUFFERED_IO) {
    const system = length ? exAllocatePool(k, NonPagedPoolNx, length, poolTag('IoBu')) : 0;
    if (length && !system) {
      ioFreeIrp(k, irp);
      return 0;
    }
    if (write && length) mem.copy(system, buffer, length);
    I.SystemBuffer.set(mem, irp, system);
    if (system) flags |= IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | (write ? 0 : IRP_INPUT_OPERATION);
    if (!write) I.UserBuffer.set(mem, irp, buffer);
  } else if (how & DO_DIRECT_IO) {
    const mdl = length ? ioAllocateMdl(k, buffer, length, false, irp) : 0;
    if (length && !mdl) {
      ioFreeIrp(k, irp);
      return 0;
    }
    if (mdl) mmProbeAndLockPages(k, mdl, KernelMode, write ? IoReadAccess : IoWriteAccess);
  } else {
    I.UserBuffer.set(mem, irp, buffer);
  }
  I.Flags.set(mem, irp, flags);
  return irp;
}

/** The request belongs to the current thread, which hears of its end by an event and a status block. */
function makeSynchronous(k: Kernel, irp: number, event: number, iosb: number): number {
  I.UserEvent.set(k.mem, irp, event);
  I.UserIosb.set(k.mem, irp, iosb);
  I.Thread.set(k.mem, irp, k.currentThread());
  queueIrpToThread(k, irp);
  return irp;
}

function setCompletion(k: Kernel, irp: number, routine: number, context: number, control: number): void {
  const stack = nextLocation(k, irp);
  S.CompletionRoutine.set(k.mem, stack, routine);
  S.Context.set(k.mem, stack, context);
  S.Control.set(k.mem, stack, control);
}

const allocation: NtExport[] = [
  ntExport({
    name: 'IoAllocateIrp',
    doc: 'Allocates an IRP with a given number of stack locations.',
    irql: DISPATCH,
    args: { StackSize: CCHAR, ChargeQuota: BOOLEAN },
    returns: PIRP,
    cycles: 300,
    status: 'full',
    impl: (k, { StackSize }) => (StackSize > 0 ? ioAllocateIrp(k, StackSize) : 0),
  }),
  ntExport({
    name: 'IoAllocateIrpEx',
    doc: 'Allocates an IRP for a device.',
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT, StackSize: CCHAR, ChargeQuota: BOOLEAN },
    returns: PIRP,
    cycles: 300,
    status: 'full',
    impl: (k, { StackSize }) => (StackSize > 0 ? ioAllocateIrp(k, StackSize) : 0),
  }),
  ntExport({
    name: 'IoFreeIrp',
    doc: 'Frees an IRP that the driver allocated.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl: (k, { Irp }) => ioFreeIrp(k, Irp),
  }),
  ntExport({
    name: 'IoInitializeIrp',
    doc: 'Makes an IRP of memory that the driver allocated.',
    irql: DISPATCH,
    args: { Irp: PIRP, PacketSize: USHORT, StackSize: CCHAR },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, a) => ioInitializeIrp(k, a.Irp, Math.max(a.PacketSize, irpSize(0)), a.StackSize),
  }),
  ntExport({
    name: 'IoReuseIrp',
    doc: 'Makes an IRP that the driver allocated ready to be sent again.',
    irql: DISPATCH,
    args: { Irp: PIRP, Status: NTSTATUS },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl(k, { Irp, Status }) {
      const kept = I.AllocationFlags.get(k.mem, Irp);
      ioInitializeIrp(k, Irp, I.Size.get(k.mem, Irp), I.StackCount.get(k.mem, Irp));
      I.AllocationFlags.set(k.mem, Irp, kept);
      setIrpStatus(k, Irp, Status);
    },
  }),
  ntExport({
    name: 'IoMakeAssociatedIrp',
    doc: 'Allocates an IRP that is part of a master IRP: the master completes when all of its parts have.',
    irql: DISPATCH,
    args: { Irp: PIRP, StackSize: CCHAR },
    returns: PIRP,
    cycles: 320,
    status: 'full',
    impl(k, { Irp, StackSize }) {
      const part = StackSize > 0 ? ioAllocateIrp(k, StackSize) : 0;
      if (!part) return 0;
      I.Flags.set(k.mem, part, IRP_ASSOCIATED_IRP);
      I.Thread.set(k.mem, part, I.Thread.get(k.mem, Irp));
      I.MasterIrp.set(k.mem, part, Irp);
      return part;
    },
  }),
];

const building: NtExport[] = [
  ntExport({
    name: 'IoBuildAsynchronousFsdRequest',
    doc: 'Makes an IRP that the caller frees itself, in a completion routine.',
    irql: APC,
    args: {
      MajorFunction: ULONG,
      DeviceObject: PDEVICE_OBJECT,
      Buffer: PVOID,
      Length: ULONG,
      StartingOffset: PVOID,
      IoStatusBlock: PVOID,
    },
    returns: PIRP,
    cycles: 500,
    status: 'full',
    impl(k, a) {
      const irp = fsdRequest(k, a.MajorFunction, a.DeviceObject, a.Buffer, a.Length, a.StartingOffset);
      if (irp) I.UserIosb.set(k.mem, irp, a.IoStatusBlock);
      return irp;
    },
  }),
  ntExport({
    name: 'IoBuildSynchronousFsdRequest',
    doc: 'Makes an IRP whose end the calling thread waits for by an event.',
    irql: APC,
    args: {
      MajorFunction: ULONG,
      DeviceObject: PDEVICE_OBJECT,
      Buffer: PVOID,
      Length: ULONG,
      StartingOffset: PVOID,
      Event: PVOID,
      IoStatusBlock: PVOID,
    },
    returns: PIRP,
    cycles: 550,
    status: 'full',
    impl(k, a) {
      const irp = fsdRequest(k, a.MajorFunction, a.DeviceObject, a.Buffer, a.Length, a.StartingOffset);
      return irp ? makeSynchronous(k, irp, a.Event, a.IoStatusBlock) : 0;
    },
  }),
  ntExport({
    name: 'IoBuildDeviceIoControlRequest',
    doc: 'Makes an IRP with a control code, whose end the calling thread waits for by an event.',
    irql: APC,
    args: {
      IoControlCode: ULONG,
      DeviceObject: PDEVICE_OBJECT,
      InputBuffer: PVOID,
      InputBufferLength: ULONG,
      OutputBuffer: PVOID,
      OutputBufferLength: ULONG,
      InternalDeviceIoControl: BOOLEAN,
      Event: PVOID,
      IoStatusBlock: PVOID,
    },
    returns: PIRP,
    cycles: 550,
    status: 'full',
    impl(k, a) {
      const irp = ioAllocateIrp(k, D.StackSize.get(k.mem, a.DeviceObject));
      if (!irp) return 0;
      S.MajorFunction.set(
        k.mem,
        nextLocation(k, irp),
        a.InternalDeviceIoControl ? IRP_MJ_INTERNAL_DEVICE_CONTROL : IRP_MJ_DEVICE_CONTROL,
      );
      const described = describeControl(
        k,
        irp,
        a.IoControlCode,
        a.InputBuffer,
        a.InputBufferLength,
        a.OutputBuffer,
        a.OutputBufferLength,
        KernelMode,
      );
      if (described !== STATUS_SUCCESS) {
        const mdl = I.MdlAddress.get(k.mem, irp);
        if (mdl) ioFreeMdl(k, mdl);
        if (I.Flags.get(k.mem, irp) & IRP_DEALLOCATE_BUFFER) exFreePool(k, I.SystemBuffer.get(k.mem, irp), 0);
        ioFreeIrp(k, irp);
        return 0;
      }
      return makeSynchronous(k, irp, a.Event, a.IoStatusBlock);
    },
  }),
  ntExport({
    name: 'IoSetCompletionRoutineEx',
    doc: 'Sets a completion routine; the inline IoSetCompletionRoutine with a device that is kept for its time.',
    irql: DISPATCH,
    args: {
      DeviceObject: PDEVICE_OBJECT,
      Irp: PIRP,
      CompletionRoutine: PVOID,
      Context: PVOID,
      InvokeOnSuccess: BOOLEAN,
      InvokeOnError: BOOLEAN,
      InvokeOnCancel: BOOLEAN,
    },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      const kept = exAllocatePool(k, NonPagedPoolNx, UNLOAD_SAFE.size, poolTag('IoUs'));
      if (!kept) return STATUS_INSUFFICIENT_RESOURCES;
      obReferenceObject(k, a.DeviceObject);
      UNLOAD_SAFE.f.DeviceObject.set(mem, kept, a.DeviceObject);
      UNLOAD_SAFE.f.Routine.set(mem, kept, a.CompletionRoutine);
      UNLOAD_SAFE.f.Context.set(mem, kept, a.Context);
      const control =
        (a.InvokeOnSuccess ? SL_INVOKE_ON_SUCCESS : 0) |
        (a.InvokeOnError ? SL_INVOKE_ON_ERROR : 0) |
        (a.InvokeOnCancel ? SL_INVOKE_ON_CANCEL : 0);
      setCompletion(k, a.Irp, k.address('nt!IopUnloadSafeCompletion'), kept, control);
      return STATUS_SUCCESS;
    },
  }),
  ntSteps({
    name: 'IopUnloadSafeCompletion',
    internal: true,
    doc: 'Completion routine of IoSetCompletionRoutineEx: calls the real one, and lets go of the device when that has returned.',
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP, Kept: PVOID },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame: { Device: ptr },
    steps: {
      start(k, f, _rax, { DeviceObject, Irp, Kept }) {
        const { mem } = k;
        f.set('Device', UNLOAD_SAFE.f.DeviceObject.get(mem, Kept));
        const routine = UNLOAD_SAFE.f.Routine.get(mem, Kept);
        const context = UNLOAD_SAFE.f.Context.get(mem, Kept);
        exFreePool(k, Kept, 0);
        return call(routine, [DeviceObject, Irp, context], 'returned');
      },
      returned(k, f, rax) {
        obDereferenceDeferred(k, f.get('Device'));
        return ret(rax);
      },
    },
  }),
  ntExport({
    name: 'IopSynchronousCompletion',
    internal: true,
    doc: 'Completion routine of IoForwardIrpSynchronously and IoSynchronousCallDriver: wakes the sender, who has the IRP back.',
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP, Event: PVOID },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl(k, { Irp, Event }) {
      if (I.PendingReturned.get(k.mem, Irp)) keSetEvent(k, Event, 0);
      return STATUS_MORE_PROCESSING_REQUIRED;
    },
  }),
  ntSteps({
    name: 'IoForwardIrpSynchronously',
    doc: 'Sends an IRP to the next lower driver and waits until that has done with it.',
    irql: APC,
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    frame: { Event: KEVENT },
    steps: {
      start(k, f, _rax, { DeviceObject, Irp }) {
        if (I.CurrentLocation.get(k.mem, Irp) <= 1) return ret(false);
        keInitializeEvent(k, f.get('Event'), 1, false);
        // All of the location but its completion routine (IoCopyCurrentIrpStackLocationToNext).
        k.mem.copy(nextLocation(k, Irp), currentLocation(k, Irp), S.CompletionRoutine.offset);
        setCompletion(
          k,
          Irp,
          k.address('nt!IopSynchronousCompletion'),
          f.get('Event'),
          SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL,
        );
        return callDriverThen(k, DeviceObject, Irp, 'called');
      },
      called: (k, f, rax) => (rax === STATUS_PENDING && keWait(k, [f.get('Event')]) === 'blocked' ? wait('done') : ret(true)),
      done: () => ret(true),
    },
  }),
  ntSteps({
    name: 'IoSynchronousCallDriver',
    doc: 'Sends an IRP whose next stack location the caller has set up, and waits for it.',
    irql: PASSIVE,
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    frame: { Event: KEVENT, Status: u32 },
    steps: {
      start(k, f, _rax, { DeviceObject, Irp }) {
        keInitializeEvent(k, f.get('Event'), 1, false);
        setCompletion(
          k,
          Irp,
          k.address('nt!IopSynchronousCompletion'),
          f.get('Event'),
          SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL,
        );
        return callDriverThen(k, DeviceObject, Irp, 'called');
      },
      called(k, f, rax, { Irp }) {
        if (rax === STATUS_PENDING && keWait(k, [f.get('Event')]) === 'blocked') return wait('done');
        return ret(irpStatus(k, Irp));
      },
      done: (k, _f, _rax, { Irp }) => ret(irpStatus(k, Irp)),
    },
  }),
];

/** Small questions about IRPs and threads. */
const asking: NtExport[] = [
  ntExport({
    name: 'IoGetRequestorProcess',
    doc: 'The process of the thread that made a request.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: PVOID,
    cycles: 30,
    status: 'full',
    impl(k, { Irp }) {
      const thread = I.Thread.get(k.mem, Irp);
      return thread ? KTHREAD.f.Process.get(k.mem, thread) : 0;
    },
  }),
  ntExport({
    name: 'IoGetRequestorProcessId',
    doc: 'The id of the process of the thread that made a request.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: ULONG,
    cycles: 30,
    status: 'full',
    impl(k, { Irp }) {
      const thread = I.Thread.get(k.mem, Irp);
      return thread ? EPROCESS.f.UniqueProcessId.get(k.mem, KTHREAD.f.Process.get(k.mem, thread)) : 0;
    },
  }),
  ntExport({
    name: 'IoIsOperationSynchronous',
    doc: 'Whether the issuer of a request waits for it.',
    args: { Irp: PIRP },
    returns: BOOLEAN,
    cycles: 40,
    status: 'full',
    impl(k, { Irp }) {
      const file = I.OriginalFileObject.get(k.mem, Irp);
      // IRP_SYNCHRONOUS_API; FO_SYNCHRONOUS_IO in FILE_OBJECT.Flags.
      return (I.Flags.get(k.mem, Irp) & 4) !== 0 || (file !== 0 && (k.mem.read32(file + 0x50) & 2) !== 0);
    },
  }),
  ntExport({
    name: 'IoGetTopLevelIrp',
    doc: 'What the current thread has as its top-level IRP.',
    irql: DISPATCH,
    args: {},
    returns: PIRP,
    cycles: 20,
    status: 'full',
    impl: k => k.mem.readPtr(k.currentThread() + ETHREAD.f.TopLevelIrp.offset),
  }),
  ntExport({
    name: 'IoSetTopLevelIrp',
    doc: "Sets the current thread's top-level IRP.",
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Irp }) => k.mem.writePtr(k.currentThread() + ETHREAD.f.TopLevelIrp.offset, Irp),
  }),
  ntExport({
    name: 'IoGetInitialStack',
    doc: 'Where the kernel stack of the current thread begins.',
    irql: APC,
    args: {},
    returns: PVOID,
    cycles: 15,
    status: 'full',
    impl: k => KTHREAD.f.InitialStack.get(k.mem, k.currentThread()),
  }),
  ntExport({
    name: 'IoGetStackLimits',
    doc: "The bounds of the current thread's kernel stack.",
    args: { LowLimit: PVOID, HighLimit: PVOID },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl(k, { LowLimit, HighLimit }) {
      k.mem.probe(LowLimit, 8, true);
      k.mem.probe(HighLimit, 8, true);
      const thread = k.currentThread();
      k.mem.writePtr(LowLimit, KTHREAD.f.StackLimit.get(k.mem, thread));
      k.mem.writePtr(HighLimit, KTHREAD.f.StackBase.get(k.mem, thread));
    },
  }),
  ntExport({
    name: 'IoQueueThreadIrp',
    doc: 'Makes the current thread answer for an IRP.',
    irql: APC,
    args: { Irp: PIRP },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { Irp }) => queueIrpToThread(k, Irp),
  }),
];

export const exports: NtExport[] = [...allocation, ...building, ...asking];
