/**
 * Security of files. What was opened on a device without a name behind it is as secure as the device; a file of a file system has a descriptor of its own, which the file system is
 * asked for. Source: "IRP_MJ_QUERY_SECURITY" and "IRP_MJ_SET_SECURITY" (WDK).
 */
import {
  BOOLEAN,
  call,
  type Frame,
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
  FILE_OBJECT,
  FO_DIRECT_DEVICE_OPEN,
  IO_STATUS_BLOCK,
  IRP_MJ_QUERY_SECURITY,
  IRP_MJ_SET_SECURITY,
  IRP_SYNCHRONOUS_API,
  Parameters,
} from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { allow } from '../se/acl.ts';
import { WORLD } from '../se/sid.ts';
import { writePart } from '../se/assign.ts';
import type { Descriptor } from '../se/descriptor.ts';
import { I, nextLocation, queueIrpToThread } from './irp.ts';
import { fileIrp } from './pagingio.ts';

/** Whether the driver of a file object has a descriptor for it, and not its device. */
export function hasOwnSecurity(k: Kernel, file: number): boolean {
  const f = FILE_OBJECT.f;
  if (f.Flags.get(k.mem, file) & FO_DIRECT_DEVICE_OPEN) return false;
  return k.mem.read16(file + f.FileName.offset) !== 0 || f.RelatedFileObject.get(k.mem, file) !== 0;
}

const frame = { Event: KEVENT, Iosb: IO_STATUS_BLOCK } as const;
type Fr = Frame<typeof frame>;
interface Arguments {
  FileObject: number;
  SecurityInformation: number;
  SecurityDescriptor: number;
  Length: number;
  Set: boolean;
}

/** Who a file of a driver that knows nothing of security belongs to: everybody. */
const OPEN_TO_ALL: Descriptor = {
  control: 4,
  owner: WORLD,
  group: WORLD,
  dacl: { revision: 2, aces: [allow(0x10000000, WORLD)] },
  sacl: null,
};

function answered(k: Kernel, f: Fr, a: Arguments, status: number): Outcome {
  // A driver that does not know these requests has no descriptors: none can be lost, and everybody has access.
  if (status === STATUS_INVALID_DEVICE_REQUEST)
    return ret(a.Set ? STATUS_SUCCESS : writePart(k, OPEN_TO_ALL, a.SecurityInformation, a.SecurityDescriptor, a.Length));
  if (!a.Set) k.mem.write32(a.Length, k.mem.read32(f.address('Iosb') + 8));
  return ret(status === STATUS_BUFFER_OVERFLOW ? STATUS_BUFFER_TOO_SMALL : status);
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'IopGetSetSecurityObject',
    internal: true,
    doc: "Asks the driver of a file for parts of the file's security descriptor, or has it change them.",
    args: {
      FileObject: pointer('PFILE_OBJECT'),
      SecurityInformation: ULONG,
      SecurityDescriptor: PVOID,
      Length: PVOID,
      Set: BOOLEAN,
    },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        const { mem } = k;
        keInitializeEvent(k, f.address('Event'), 0, false);
        mem.fill(f.address('Iosb'), IO_STATUS_BLOCK.size, 0);
        const major = a.Set ? IRP_MJ_SET_SECURITY : IRP_MJ_QUERY_SECURITY;
        const { irp, device } = fileIrp(k, a.FileObject, major, f.address('Event'), f.address('Iosb'));
        if (!irp) return ret(STATUS_INSUFFICIENT_RESOURCES);
        I.OriginalFileObject.set(mem, irp, 0);
        I.Flags.set(mem, irp, IRP_SYNCHRONOUS_API);
        const stack = nextLocation(k, irp);
        Parameters.QuerySecurity.f.SecurityInformation.set(mem, stack, a.SecurityInformation);
        if (a.Set) Parameters.SetSecurity.f.SecurityDescriptor.set(mem, stack, a.SecurityDescriptor);
        else {
          Parameters.QuerySecurity.f.Length.set(mem, stack, mem.read32(a.Length));
          I.UserBuffer.set(mem, irp, a.SecurityDescriptor);
        }
        queueIrpToThread(k, irp);
        return call(k.address('nt!IofCallDriver'), [device, irp], 'sent');
      },
      sent(k, f, rax, a) {
        if (rax === STATUS_PENDING) {
          if (keWait(k, [f.address('Event')]) === 'blocked') return wait('done');
          return answered(k, f, a, k.mem.read32(f.address('Iosb')));
        }
        return answered(k, f, a, rax);
      },
      done: (k, f, _rax, a) => answered(k, f, a, k.mem.read32(f.address('Iosb'))),
    },
  }),
];
