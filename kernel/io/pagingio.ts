/**
 * Requests that the kernel itself sends to a file system: paging I/O, whose data lie in page frames that an MDL names and nobody has mapped, and information about a file.
 * Source: the page of each routine (ntifs.h); "IRP_MJ_READ (IFS)", "IRP_MJ_WRITE (IFS)" for the flags that a file system sees.
 */
import {
  call,
  type Frame,
  jump,
  type NtExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
  wait,
} from '../exports/declare.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import {
  IO_STATUS_BLOCK,
  IRP_INPUT_OPERATION,
  IRP_MJ_QUERY_INFORMATION,
  IRP_MJ_READ,
  IRP_MJ_SET_INFORMATION,
  IRP_MJ_WRITE,
  IRP_NOCACHE,
  IRP_PAGING_IO,
  IRP_SYNCHRONOUS_API,
  IRP_SYNCHRONOUS_PAGING_IO,
  Parameters,
} from '../types/io.ts';
import { KernelMode, KEVENT } from '../types/ke.ts';
import { MDL } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_PENDING } from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { D } from './device.ts';
import { relatedDevice } from './devicecalls.ts';
import { I, ioAllocateIrp, nextLocation, queueIrpToThread, S } from './irp.ts';

const PFILE_OBJECT = pointer('PFILE_OBJECT');
const APC = { max: 'APC_LEVEL' } as const,
  PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

/** An IRP of the current thread for a file, and the device that it goes to; 0 without pool. */
export function fileIrp(k: Kernel, file: number, major: number, event: number, iosb: number): { irp: number; device: number } {
  const device = relatedDevice(k, file);
  const irp = ioAllocateIrp(k, D.StackSize.get(k.mem, device));
  if (irp) {
    const stack = nextLocation(k, irp);
    S.MajorFunction.set(k.mem, stack, major);
    S.FileObject.set(k.mem, stack, file);
    I.UserEvent.set(k.mem, irp, event);
    I.UserIosb.set(k.mem, irp, iosb);
    I.Thread.set(k.mem, irp, k.currentThread());
    I.OriginalFileObject.set(k.mem, irp, file);
    I.RequestorMode.set(k.mem, irp, KernelMode);
  }
  return { irp, device };
}

interface PageArguments {
  FileObject: number;
  MemoryDescriptorList: number;
  StartingOffset: number;
  Event: number;
  IoStatusBlock: number;
}

/** Sends pages on their way. The status is the dispatch routine's; the event tells of the end in any case, and the IRP goes by itself. */
function sendPages(k: Kernel, a: PageArguments, write: boolean): Outcome {
  const { mem } = k;
  const { irp, device } = fileIrp(k, a.FileObject, write ? IRP_MJ_WRITE : IRP_MJ_READ, a.Event, a.IoStatusBlock);
  if (!irp) return ret(STATUS_INSUFFICIENT_RESOURCES);
  const mdl = a.MemoryDescriptorList;
  // IRP_SYNCHRONOUS_PAGING_IO and IRP_INPUT_OPERATION are one bit.
  I.Flags.set(mem, irp, IRP_PAGING_IO | IRP_NOCACHE | IRP_SYNCHRONOUS_PAGING_IO);
  I.MdlAddress.set(mem, irp, mdl);
  I.UserBuffer.set(mem, irp, MDL.f.StartVa.get(mem, mdl) + MDL.f.ByteOffset.get(mem, mdl));
  const p = write ? Parameters.Write.f : Parameters.Read.f;
  const stack = nextLocation(k, irp);
  p.Length.set(mem, stack, MDL.f.ByteCount.get(mem, mdl));
  mem.copy(stack + p.ByteOffset.offset, a.StartingOffset, 8);
  return jump(k.address('nt!IofCallDriver'), device, irp);
}

const pageArgs = {
  FileObject: PFILE_OBJECT,
  MemoryDescriptorList: pointer('PMDL'),
  StartingOffset: PVOID,
  Event: PVOID,
  IoStatusBlock: PVOID,
} as const;

/** A request for information, from a buffer of the kernel's own; the caller waits. */
const informationFrame = { Event: KEVENT, Iosb: IO_STATUS_BLOCK, Device: ptr };
type InformationFrame = Frame<typeof informationFrame>;

function sendInformation(
  k: Kernel,
  f: InformationFrame,
  a: { FileObject: number; FileInformationClass: number; Length: number; FileInformation: number },
  set: boolean,
): Outcome {
  const { mem } = k;
  const event = f.address('Event'),
    iosb = f.address('Iosb');
  keInitializeEvent(k, event, 0, false);
  mem.fill(iosb, 16, 0);
  const { irp, device } = fileIrp(k, a.FileObject, set ? IRP_MJ_SET_INFORMATION : IRP_MJ_QUERY_INFORMATION, event, iosb);
  if (!irp) return ret(STATUS_INSUFFICIENT_RESOURCES);
  I.OriginalFileObject.set(mem, irp, 0);
  I.Flags.set(mem, irp, IRP_SYNCHRONOUS_API | (set ? 0 : IRP_INPUT_OPERATION));
  I.SystemBuffer.set(mem, irp, a.FileInformation);
  const stack = nextLocation(k, irp);
  Parameters.QueryFile.f.Length.set(mem, stack, a.Length);
  Parameters.QueryFile.f.FileInformationClass.set(mem, stack, a.FileInformationClass);
  queueIrpToThread(k, irp);
  return call(k.address('nt!IofCallDriver'), [device, irp], 'sent');
}

const informationSteps = {
  sent(k: Kernel, f: InformationFrame, rax: number, a: object): Outcome {
    if (rax === STATUS_PENDING) {
      if (keWait(k, [f.address('Event')]) === 'blocked') return wait('done');
      return informationSteps.done(k, f, 0, a);
    }
    // An error that the driver returned at once is in no status block.
    if ((rax | 0) < 0) return ret(rax);
    return informationSteps.done(k, f, 0, a);
  },
  done(k: Kernel, f: InformationFrame, _rax: number, a: object): Outcome {
    const returned = 'ReturnedLength' in a ? (a.ReturnedLength as number) : 0;
    if (returned) k.mem.write32(returned, k.mem.read32(f.address('Iosb') + 8));
    return ret(k.mem.read32(f.address('Iosb')));
  },
};

export const exports: NtExport[] = [
  ntSteps({
    name: 'IoPageRead',
    doc: 'Reads pages of a file into the frames of an MDL, past every cache.',
    irql: APC,
    args: pageArgs,
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: {},
    steps: { start: (k, _f, _rax, a) => sendPages(k, a, false) },
  }),
  ntSteps({
    name: 'IoSynchronousPageWrite',
    doc: 'Writes the frames of an MDL to pages of a file, past every cache.',
    irql: APC,
    args: pageArgs,
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: {},
    steps: { start: (k, _f, _rax, a) => sendPages(k, a, true) },
  }),
  ntSteps({
    name: 'IoQueryFileInformation',
    doc: 'Asks the driver of a file object for information about the file.',
    irql: PASSIVE,
    args: { FileObject: PFILE_OBJECT, FileInformationClass: ULONG, Length: ULONG, FileInformation: PVOID, ReturnedLength: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: informationFrame,
    steps: { start: (k, f, _rax, a) => sendInformation(k, f, a, false), ...informationSteps },
  }),
  ntSteps({
    name: 'IoSetInformation',
    doc: 'Has the driver of a file object change information about the file.',
    irql: PASSIVE,
    args: { FileObject: PFILE_OBJECT, FileInformationClass: ULONG, Length: ULONG, FileInformation: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: informationFrame,
    steps: { start: (k, f, _rax, a) => sendInformation(k, f, a, true), sent: informationSteps.sent, done: informationSteps.done },
  }),
];
