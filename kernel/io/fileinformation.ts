/** Information about files and volumes: NtQueryInformationFile, NtSetInformationFile, NtQueryVolumeInformationFile. Their way is that of kernel/io/request.ts. */
import type { Kernel } from '../kernel.ts';
import {
  FO_SKIP_COMPLETION_PORT,
  FO_SKIP_SET_EVENT,
  FO_SYNCHRONOUS_IO,
  IRP_INPUT_OPERATION,
  IRP_MJ_QUERY_INFORMATION,
  IRP_MJ_QUERY_VOLUME_INFORMATION,
  IRP_MJ_SET_INFORMATION,
  Parameters,
} from '../types/io.ts';
import { STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { call, HANDLE, type NtExport, type Outcome, PVOID, ULONG } from '../exports/declare.ts';
import { stepService } from '../exports/service.ts';
import { F } from './file.ts';
import { associatePort } from './iocompletion.ts';
import { I, nextLocation } from './irp.ts';
import {
  abandon,
  base,
  begin,
  type Common,
  fastAnswered,
  fastIo,
  guarded,
  newIrp,
  type RequestFrame,
  send,
  systemBuffer,
} from './request.ts';

const FileBasicInformation = 4,
  FileStandardInformation = 5,
  FileNameInformation = 9,
  FilePositionInformation = 14,
  FileCompletionInformation = 30,
  FileIoCompletionNotificationInformation = 41;
const FILE_SKIP_COMPLETION_PORT_ON_SUCCESS = 1,
  FILE_SKIP_SET_EVENT_ON_HANDLE = 2;
/** Offsets in FAST_IO_DISPATCH. */
const FAST_IO_QUERY_BASIC_INFO = 0x20,
  FAST_IO_QUERY_STANDARD_INFO = 0x28;

interface Information extends Common {
  FileInformation: number;
  Length: number;
  FileInformationClass: number;
}

const informationArgs = {
  FileHandle: HANDLE,
  IoStatusBlock: PVOID,
  FileInformation: PVOID,
  Length: ULONG,
  FileInformationClass: ULONG,
} as const;

/** Information requests: what the I/O manager knows itself, it answers; the rest is an IRP to the driver. */
function information(major: number, set: boolean) {
  return begin<Information>(
    () => 0,
    (k, f, a) => {
      // The classes of volumes have numbers of their own.
      const own = major === IRP_MJ_QUERY_VOLUME_INFORMATION ? null : ownInformation(k, f.get('File'), a, set);
      if (own !== null) {
        k.mem.write32(a.IoStatusBlock, own.status);
        k.mem.write64(a.IoStatusBlock + 8, BigInt(own.length));
        return abandon(k, f, own.status);
      }
      const fast = major === IRP_MJ_QUERY_INFORMATION ? fastInformation(k, f, a.FileInformationClass) : 0;
      if (fast) {
        const status = guarded(k, () => (k.mem.probe(a.FileInformation, a.Length, true), STATUS_SUCCESS));
        if (status !== STATUS_SUCCESS) return abandon(k, f, status);
        // FileObject, Wait, Buffer, IoStatus, DeviceObject
        return call(fast, [f.get('File'), 1, a.FileInformation, f.get('Iosb'), f.get('Device')], 'fast');
      }
      return slowInformation(major, set)(k, f, a);
    },
  );
}

/** FastIoQueryBasicInfo or FastIoQueryStandardInfo of the driver of a synchronous file, if it has them; or 0. */
function fastInformation(k: Kernel, f: RequestFrame, what: number): number {
  if (!f.get('Synchronous')) return 0;
  if (what === FileBasicInformation) return fastIo(k, f.get('Device'), FAST_IO_QUERY_BASIC_INFO);
  return what === FileStandardInformation ? fastIo(k, f.get('Device'), FAST_IO_QUERY_STANDARD_INFO) : 0;
}

const slowInformation =
  (major: number, set: boolean) =>
  (k: Kernel, f: RequestFrame, a: Information): Outcome => {
    const irp = newIrp(k, f, a, major);
    if (!irp) return abandon(k, f, STATUS_INSUFFICIENT_RESOURCES);
    const status = guarded(k, () => {
      if (a.Length) k.mem.probe(a.FileInformation, a.Length, !set);
      const stack = nextLocation(k, irp);
      Parameters.QueryFile.f.Length.set(k.mem, stack, a.Length);
      Parameters.QueryFile.f.FileInformationClass.set(k.mem, stack, a.FileInformationClass);
      I.UserBuffer.set(k.mem, irp, a.FileInformation);
      if (!systemBuffer(k, irp, a.Length, set ? a.FileInformation : 0, a.Length)) return STATUS_INSUFFICIENT_RESOURCES;
      if (!set) I.Flags.set(k.mem, irp, I.Flags.get(k.mem, irp) | IRP_INPUT_OPERATION);
      return STATUS_SUCCESS;
    });
    return status === STATUS_SUCCESS ? send(k, f, true) : abandon(k, f, status);
  };

/** Position and name are the I/O manager's own. Null for what the driver must answer. */
function ownInformation(k: Kernel, file: number, a: Information, set: boolean): { status: number; length: number } | null {
  const { mem } = k;
  const short = { status: STATUS_INFO_LENGTH_MISMATCH, length: 0 };
  if (a.FileInformationClass === FilePositionInformation && F.Flags.get(mem, file) & FO_SYNCHRONOUS_IO) {
    if (a.Length < 8) return short;
    if (set) F.CurrentByteOffset.set(mem, file, BigInt.asIntN(64, mem.read64(a.FileInformation)));
    else mem.write64(a.FileInformation, BigInt.asUintN(64, F.CurrentByteOffset.get(mem, file)));
    return { status: STATUS_SUCCESS, length: set ? 0 : 8 };
  }
  if (a.FileInformationClass === FileCompletionInformation && set)
    return { status: associatePort(k, file, a.FileInformation, a.Length), length: 0 };
  if (a.FileInformationClass === FileIoCompletionNotificationInformation && set) {
    if (a.Length < 4) return short;
    const modes = mem.read32(a.FileInformation);
    F.Flags.set(
      mem,
      file,
      F.Flags.get(mem, file) |
        (modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS ? FO_SKIP_COMPLETION_PORT : 0) |
        (modes & FILE_SKIP_SET_EVENT_ON_HANDLE ? FO_SKIP_SET_EVENT : 0),
    );
    return { status: STATUS_SUCCESS, length: 0 };
  }
  if (a.FileInformationClass === FileNameInformation && !set) {
    const bytes = mem.read16(file + F.FileName.offset);
    if (a.Length < 4 + bytes) return short;
    mem.write32(a.FileInformation, bytes);
    if (bytes) mem.copy(a.FileInformation + 4, mem.readPtr(file + F.FileName.offset + 8), bytes);
    return { status: STATUS_SUCCESS, length: 4 + bytes };
  }
  return null;
}

const queryInformation = information(IRP_MJ_QUERY_INFORMATION, false);
const setInformation = information(IRP_MJ_SET_INFORMATION, true);
const queryVolume = information(IRP_MJ_QUERY_VOLUME_INFORMATION, false);

export const exports: NtExport[] = [
  ...stepService({
    ...base,
    name: 'QueryInformationFile',
    doc: 'Asks for information about a file.',
    args: informationArgs,
    steps: { ...queryInformation, fast: fastAnswered(slowInformation(IRP_MJ_QUERY_INFORMATION, false), () => true) },
  }),
  ...stepService({
    ...base,
    name: 'SetInformationFile',
    doc: 'Changes information about a file.',
    args: informationArgs,
    steps: setInformation,
  }),
  ...stepService({
    ...base,
    name: 'QueryVolumeInformationFile',
    doc: 'Asks for information about the volume or device of a file.',
    args: informationArgs,
    steps: queryVolume,
  }),
];
