/** FsRtlGetFileSize: how long a file is, by the file system's own word. Source: ntifs.h; FILE_STANDARD_INFORMATION, FastIoQueryStandardInfo (WDK). */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { IO_STATUS_BLOCK, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_QUERY_INFORMATION, Parameters } from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { STATUS_FILE_IS_A_DIRECTORY, STATUS_INSUFFICIENT_RESOURCES, STATUS_PENDING, STATUS_SUCCESS } from '../types/status.ts';
import { i64, ptr, struct, u32, u8 } from '../types/struct.ts';
import { call, type Frame, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, wait } from '../exports/declare.ts';
import { callDriverThen } from './call.ts';
import { relatedDevice } from './devicecalls.ts';
import { I, nextLocation, ntSuccess, S } from './irp.ts';
import { fastIo } from './request.ts';

const FILE_STANDARD_INFORMATION = struct('_FILE_STANDARD_INFORMATION', {
  AllocationSize: i64,
  EndOfFile: i64,
  NumberOfLinks: u32,
  DeletePending: u8,
  Directory: u8,
});
const FileStandardInformation = 5;
const FAST_IO_QUERY_STANDARD_INFO = 0x28;

const frame = { Device: ptr, Event: KEVENT, Iosb: IO_STATUS_BLOCK, Information: FILE_STANDARD_INFORMATION } as const;
type F = Frame<typeof frame>;
interface Args {
  FileObject: number;
  FileSize: number;
}

/** Asks by an IRP. It is built as a flush, which needs no buffer, and then made what it is to be. */
function ask(k: Kernel, f: F): Outcome {
  keInitializeEvent(k, f.address('Event'), 0, false);
  const args = [IRP_MJ_FLUSH_BUFFERS, f.get('Device'), 0, 0, 0, f.address('Event'), f.address('Iosb')];
  return call(k.address('nt!IoBuildSynchronousFsdRequest'), args, 'built');
}

/** The answer is in the frame. */
function answered(k: Kernel, f: F, status: number, a: Args): Outcome {
  if (!ntSuccess(status)) return ret(status);
  const { mem } = k;
  const information = f.address('Information');
  if (FILE_STANDARD_INFORMATION.f.Directory.get(mem, information)) return ret(STATUS_FILE_IS_A_DIRECTORY);
  mem.write64(a.FileSize, BigInt.asUintN(64, FILE_STANDARD_INFORMATION.f.EndOfFile.get(mem, information)));
  return ret(STATUS_SUCCESS);
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'FsRtlGetFileSize',
    doc: 'Asks the file system how long a file is: by its fast path, else by an IRP. STATUS_FILE_IS_A_DIRECTORY for a directory.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { FileObject: PVOID, FileSize: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a.FileSize, 8, true);
        k.mem.fill(f.address('Information'), FILE_STANDARD_INFORMATION.size, 0);
        const device = relatedDevice(k, a.FileObject);
        f.set('Device', device);
        const fast = fastIo(k, device, FAST_IO_QUERY_STANDARD_INFO);
        // FileObject, Wait, Buffer, IoStatus, DeviceObject
        return fast ? call(fast, [a.FileObject, 1, f.address('Information'), f.address('Iosb'), device], 'fast') : ask(k, f);
      },
      fast: (k, f, rax, a) => ((rax & 0xff) === 0 ? ask(k, f) : answered(k, f, k.mem.read32(f.address('Iosb')), a)),
      built(k, f, _rax, a) {
        const { mem } = k;
        const irp = Number(BigInt.asIntN(64, k.rax64()));
        if (!irp) return ret(STATUS_INSUFFICIENT_RESOURCES);
        const stack = nextLocation(k, irp);
        S.MajorFunction.set(mem, stack, IRP_MJ_QUERY_INFORMATION);
        S.FileObject.set(mem, stack, a.FileObject);
        Parameters.QueryFile.f.Length.set(mem, stack, FILE_STANDARD_INFORMATION.size);
        Parameters.QueryFile.f.FileInformationClass.set(mem, stack, FileStandardInformation);
        mem.writePtr(irp + I.SystemBuffer.offset, f.address('Information'));
        return callDriverThen(k, f.get('Device'), irp, 'sent');
      },
      sent(k, f, rax, a) {
        if (rax !== STATUS_PENDING) return answered(k, f, rax, a);
        const waited = keWait(k, [f.address('Event')]);
        return waited === 'blocked' ? wait('waited') : answered(k, f, k.mem.read32(f.address('Iosb')), a);
      },
      waited: (k, f, _rax, a) => answered(k, f, k.mem.read32(f.address('Iosb')), a),
    },
  }),
];
