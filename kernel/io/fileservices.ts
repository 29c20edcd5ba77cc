/**
 * Services on file handles that become one IRP each, for file systems and for drivers that serve files: extended attributes, quotas, directories, locks, volumes. Each says how its
 * arguments lie in the IRP; the way of all of them is that of kernel/io/request.ts. Source: the WDK and MS-FSA pages of each service and of its IRP.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import {
  IO_STATUS_BLOCK,
  IRP_MJ_DIRECTORY_CONTROL,
  IRP_MJ_LOCK_CONTROL,
  IRP_MJ_QUERY_EA,
  IRP_MJ_QUERY_QUOTA,
  IRP_MJ_SET_EA,
  IRP_MJ_SET_QUOTA,
  IRP_MJ_SET_VOLUME_INFORMATION,
  Parameters,
} from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import {
  STATUS_EA_LIST_INCONSISTENT,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, call, HANDLE, type NtExport, NTSTATUS, type Outcome, PVOID, ret, ULONG } from '../exports/declare.ts';

import { array, ptr, u32, u8 } from '../types/struct.ts';
import { stepService } from '../exports/service.ts';
import { F } from './file.ts';
import { badEa } from './filesystem.ts';
import { I, nextLocation, ntSuccess, S } from './irp.ts';
import {
  abandon,
  base,
  begin,
  type Common,
  commonArgs,
  describeBuffer,
  guarded,
  newIrp,
  type RequestFrame,
  send,
  systemBuffer,
} from './request.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const IRP_MN_QUERY_DIRECTORY = 1,
  IRP_MN_NOTIFY_CHANGE_DIRECTORY = 2,
  IRP_MN_LOCK = 1,
  IRP_MN_UNLOCK_SINGLE = 2;
/** IO_STACK_LOCATION.Flags. */
const SL_RESTART_SCAN = 1,
  SL_RETURN_SINGLE_ENTRY = 2,
  SL_INDEX_SPECIFIED = 4,
  SL_WATCH_TREE = 1,
  SL_FAIL_IMMEDIATELY = 1,
  SL_EXCLUSIVE_LOCK = 2;
const FILE_READ_DATA = 1,
  FILE_WRITE_DATA = 2,
  FILE_READ_EA = 8,
  FILE_WRITE_EA = 0x10;
const FILE_NOTIFY_VALID_MASK = 0xfff;

/** A request whose IRP `fill` completes: it returns STATUS_SUCCESS, or why the request cannot be. */
const request = <A extends Common>(
  access: number,
  major: number,
  fill: (k: Kernel, f: RequestFrame, irp: number, stack: number, a: A) => number,
) =>
  begin<A>(
    () => access,
    (k, f, a): Outcome => {
      const irp = newIrp(k, f, a, major);
      if (!irp) return abandon(k, f, STATUS_INSUFFICIENT_RESOURCES);
      const status = guarded(k, () => fill(k, f, irp, nextLocation(k, irp), a));
      return status === STATUS_SUCCESS ? send(k, f, true) : abandon(k, f, status);
    },
  );

/** A copy of something small in the IRP's auxiliary buffer, which is freed with it; 0 without pool. */
function auxiliary(k: Kernel, irp: number, from: number, length: number, extra = 0): number {
  const block = exAllocatePool(k, NonPagedPoolNx, length + extra, poolTag('Io  '));
  if (!block) return 0;
  I.AuxiliaryBuffer.set(k.mem, irp, block);
  if (length) k.mem.copy(block + extra, from, length);
  return block;
}

interface Ea extends Common {
  Buffer: number;
  Length: number;
  ReturnSingleEntry: boolean;
  EaList: number;
  EaListLength: number;
  EaIndex: number;
  RestartScan: boolean;
}

interface Quota extends Common {
  Buffer: number;
  Length: number;
  ReturnSingleEntry: boolean;
  SidList: number;
  SidListLength: number;
  StartSid: number;
  RestartScan: boolean;
}

const scanFlags = (a: { ReturnSingleEntry: boolean; RestartScan: boolean }): number =>
  (a.RestartScan ? SL_RESTART_SCAN : 0) | (a.ReturnSingleEntry ? SL_RETURN_SINGLE_ENTRY : 0);

const attributes: NtExport[] = [
  ...stepService({
    ...base,
    name: 'QueryEaFile',
    doc: 'Asks for the extended attributes of a file.',
    args: {
      FileHandle: HANDLE,
      IoStatusBlock: PVOID,
      Buffer: PVOID,
      Length: ULONG,
      ReturnSingleEntry: BOOLEAN,
      EaList: PVOID,
      EaListLength: ULONG,
      EaIndex: PVOID,
      RestartScan: BOOLEAN,
    },
    steps: request<Ea>(FILE_READ_EA, IRP_MJ_QUERY_EA, (k, f, irp, stack, a) => {
      const p = Parameters.QueryEa.f;
      if (a.EaList && a.EaListLength) {
        const list = auxiliary(k, irp, a.EaList, a.EaListLength);
        if (!list) return STATUS_INSUFFICIENT_RESOURCES;
        p.EaList.set(k.mem, stack, list);
        p.EaListLength.set(k.mem, stack, a.EaListLength);
      }
      p.Length.set(k.mem, stack, a.Length);
      if (a.EaIndex) p.EaIndex.set(k.mem, stack, k.mem.read32(a.EaIndex));
      S.Flags.set(k.mem, stack, scanFlags(a) | (a.EaIndex ? SL_INDEX_SPECIFIED : 0));
      return describeBuffer(k, irp, f.get('Device'), a.Buffer, a.Length, false);
    }),
  }),
  ...stepService({
    ...base,
    name: 'SetEaFile',
    doc: 'Sets extended attributes of a file.',
    args: { FileHandle: HANDLE, IoStatusBlock: PVOID, Buffer: PVOID, Length: ULONG },
    steps: request<Common & { Buffer: number; Length: number }>(FILE_WRITE_EA, IRP_MJ_SET_EA, (k, f, irp, stack, a) => {
      const bad = badEa(k, a.Buffer, a.Length);
      if (bad >= 0) {
        k.mem.write64(a.IoStatusBlock + 8, BigInt(bad));
        return STATUS_EA_LIST_INCONSISTENT;
      }
      Parameters.QueryEa.f.Length.set(k.mem, stack, a.Length);
      return describeBuffer(k, irp, f.get('Device'), a.Buffer, a.Length, true);
    }),
  }),
  ...stepService({
    ...base,
    name: 'QueryQuotaInformationFile',
    doc: 'Asks for the quota entries of a volume.',
    args: {
      FileHandle: HANDLE,
      IoStatusBlock: PVOID,
      Buffer: PVOID,
      Length: ULONG,
      ReturnSingleEntry: BOOLEAN,
      SidList: PVOID,
      SidListLength: ULONG,
      StartSid: PVOID,
      RestartScan: BOOLEAN,
    },
    steps: request<Quota>(0, IRP_MJ_QUERY_QUOTA, (k, f, irp, stack, a) => {
      const p = Parameters.QueryQuota.f;
      if (a.SidList && a.SidListLength) {
        const list = auxiliary(k, irp, a.SidList, a.SidListLength);
        if (!list) return STATUS_INSUFFICIENT_RESOURCES;
        p.SidList.set(k.mem, stack, list);
        p.SidListLength.set(k.mem, stack, a.SidListLength);
      } else if (a.StartSid) {
        // A SID: revision, number of sub-authorities, 6 bytes of authority, 4 bytes for each.
        const sid = auxiliary(k, irp, a.StartSid, 8 + k.mem.read8(a.StartSid + 1) * 4);
        if (!sid) return STATUS_INSUFFICIENT_RESOURCES;
        p.StartSid.set(k.mem, stack, sid);
      }
      p.Length.set(k.mem, stack, a.Length);
      S.Flags.set(k.mem, stack, scanFlags(a) | (a.StartSid ? SL_INDEX_SPECIFIED : 0));
      return describeBuffer(k, irp, f.get('Device'), a.Buffer, a.Length, false);
    }),
  }),
  ...stepService({
    ...base,
    name: 'SetQuotaInformationFile',
    doc: 'Changes quota entries of a volume.',
    args: { FileHandle: HANDLE, IoStatusBlock: PVOID, Buffer: PVOID, Length: ULONG },
    steps: request<Common & { Buffer: number; Length: number }>(FILE_WRITE_DATA, IRP_MJ_SET_QUOTA, (k, f, irp, stack, a) => {
      Parameters.QueryQuota.f.Length.set(k.mem, stack, a.Length);
      return describeBuffer(k, irp, f.get('Device'), a.Buffer, a.Length, true);
    }),
  }),
  ...stepService({
    ...base,
    name: 'SetVolumeInformationFile',
    doc: 'Changes information about the volume of a file.',
    args: { FileHandle: HANDLE, IoStatusBlock: PVOID, FsInformation: PVOID, Length: ULONG, FsInformationClass: ULONG },
    steps: request<Common & { FsInformation: number; Length: number; FsInformationClass: number }>(
      FILE_WRITE_DATA,
      IRP_MJ_SET_VOLUME_INFORMATION,
      (k, _f, irp, stack, a) => {
        if (a.Length) k.mem.probe(a.FsInformation, a.Length, false);
        Parameters.QueryFile.f.Length.set(k.mem, stack, a.Length);
        Parameters.QueryFile.f.FileInformationClass.set(k.mem, stack, a.FsInformationClass);
        return systemBuffer(k, irp, a.Length, a.FsInformation, a.Length) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
      },
    ),
  }),
];

/** FILE_INFORMATION_CLASS values that name entries of a directory, with the bytes of the smallest. */
const DIRECTORY_CLASSES = new Map([
  [1, 0x40],
  [2, 0x48],
  [3, 0x60],
  [12, 0x0c],
  [37, 0x68],
  [38, 0x50],
  [50, 0x68],
]);

interface Directory extends Common {
  FileInformation: number;
  Length: number;
  FileInformationClass: number;
  ReturnSingleEntry: boolean;
  FileName: number;
  RestartScan: boolean;
}

interface Lock extends Common {
  ByteOffset: number;
  Length: number;
  Key: number;
  FailImmediately: boolean;
  ExclusiveLock: boolean;
}

/** Where a lock begins, its length (in a block of its own) and its key. STATUS_SUCCESS or why not. */
function describeLock(
  k: Kernel,
  f: RequestFrame,
  irp: number,
  stack: number,
  a: Pick<Lock, 'ByteOffset' | 'Length' | 'Key'>,
): number {
  const p = Parameters.LockControl.f;
  p.ByteOffset.set(k.mem, stack, BigInt.asIntN(64, k.mem.read64(a.ByteOffset)));
  const length = auxiliary(k, irp, a.Length, 8);
  if (!length) return STATUS_INSUFFICIENT_RESOURCES;
  p.Length.set(k.mem, stack, length);
  p.Key.set(k.mem, stack, a.Key);
  F.LockOperation.set(k.mem, f.get('File'), 1);
  return STATUS_SUCCESS;
}

const directories: NtExport[] = [
  ...stepService({
    ...base,
    name: 'QueryDirectoryFile',
    doc: 'Asks for entries of a directory.',
    args: {
      ...commonArgs,
      FileInformation: PVOID,
      Length: ULONG,
      FileInformationClass: ULONG,
      ReturnSingleEntry: BOOLEAN,
      FileName: PVOID,
      RestartScan: BOOLEAN,
    },
    steps: request<Directory>(FILE_READ_DATA, IRP_MJ_DIRECTORY_CONTROL, (k, f, irp, stack, a) => {
      const least = DIRECTORY_CLASSES.get(a.FileInformationClass);
      if (least === undefined) return STATUS_INVALID_INFO_CLASS;
      if (a.Length < least) return STATUS_INFO_LENGTH_MISMATCH;
      S.MinorFunction.set(k.mem, stack, IRP_MN_QUERY_DIRECTORY);
      const p = Parameters.QueryDirectory.f;
      if (a.FileName) {
        const bytes = k.mem.read16(a.FileName);
        const name = auxiliary(k, irp, bytes ? k.mem.readPtr(a.FileName + 8) : 0, bytes, UNICODE_STRING.size);
        if (!name) return STATUS_INSUFFICIENT_RESOURCES;
        k.mem.write16(name, bytes);
        k.mem.write16(name + 2, bytes);
        k.mem.writePtr(name + 8, name + UNICODE_STRING.size);
        p.FileName.set(k.mem, stack, name);
      }
      p.Length.set(k.mem, stack, a.Length);
      p.FileInformationClass.set(k.mem, stack, a.FileInformationClass);
      S.Flags.set(k.mem, stack, scanFlags(a));
      return describeBuffer(k, irp, f.get('Device'), a.FileInformation, a.Length, false);
    }),
  }),
  ...stepService({
    ...base,
    name: 'NotifyChangeDirectoryFile',
    doc: 'Has the caller told of the next change in a directory.',
    args: { ...commonArgs, Buffer: PVOID, Length: ULONG, CompletionFilter: ULONG, WatchTree: BOOLEAN },
    steps: request<Common & { Buffer: number; Length: number; CompletionFilter: number; WatchTree: boolean }>(
      FILE_READ_DATA,
      IRP_MJ_DIRECTORY_CONTROL,
      (k, f, irp, stack, a) => {
        if (!a.CompletionFilter || a.CompletionFilter & ~FILE_NOTIFY_VALID_MASK) return STATUS_INVALID_PARAMETER;
        S.MinorFunction.set(k.mem, stack, IRP_MN_NOTIFY_CHANGE_DIRECTORY);
        Parameters.NotifyDirectory.f.Length.set(k.mem, stack, a.Length);
        Parameters.NotifyDirectory.f.CompletionFilter.set(k.mem, stack, a.CompletionFilter);
        S.Flags.set(k.mem, stack, a.WatchTree ? SL_WATCH_TREE : 0);
        return describeBuffer(k, irp, f.get('Device'), a.Buffer, a.Length, false);
      },
    ),
  }),
  ...stepService({
    ...base,
    name: 'LockFile',
    doc: 'Locks a range of bytes of a file.',
    args: { ...commonArgs, ByteOffset: PVOID, Length: PVOID, Key: ULONG, FailImmediately: BOOLEAN, ExclusiveLock: BOOLEAN },
    steps: request<Lock>(FILE_READ_DATA | FILE_WRITE_DATA, IRP_MJ_LOCK_CONTROL, (k, f, irp, stack, a) => {
      S.MinorFunction.set(k.mem, stack, IRP_MN_LOCK);
      S.Flags.set(k.mem, stack, (a.FailImmediately ? SL_FAIL_IMMEDIATELY : 0) | (a.ExclusiveLock ? SL_EXCLUSIVE_LOCK : 0));
      return describeLock(k, f, irp, stack, a);
    }),
  }),
  ...stepService({
    ...base,
    name: 'UnlockFile',
    doc: 'Unlocks a range of bytes of a file.',
    args: { FileHandle: HANDLE, IoStatusBlock: PVOID, ByteOffset: PVOID, Length: PVOID, Key: ULONG },
    steps: request<Common & { ByteOffset: number; Length: number; Key: number }>(
      0,
      IRP_MJ_LOCK_CONTROL,
      (k, f, irp, stack, a) => {
        S.MinorFunction.set(k.mem, stack, IRP_MN_UNLOCK_SINGLE);
        return describeLock(k, f, irp, stack, a);
      },
    ),
  }),
];

const DELETE = 0x10000,
  SYNCHRONIZE = 0x100000,
  FILE_READ_ATTRIBUTES = 0x80,
  FILE_SHARE_ALL = 7,
  FILE_OPEN = 1,
  FILE_DELETE_ON_CLOSE = 0x1000,
  FILE_SYNCHRONOUS_IO_NONALERT = 0x20,
  FILE_OPEN_REPARSE_POINT = 0x200000;
const FileBasicInformation = 4,
  FileNetworkOpenInformation = 34;

/** Services that open a file, do one thing, and close it. */
const openFrame = { Handle: ptr, Iosb: IO_STATUS_BLOCK, Status: u32, Spare: array(u8, 8) } as const;

const attributesOf = (name: string, doc: string, what: number, size: number): NtExport[] =>
  stepService({
    name,
    doc,
    irql: PASSIVE,
    args: { ObjectAttributes: PVOID, FileInformation: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: openFrame,
    steps: {
      start: (k, f, _rax, { ObjectAttributes }) =>
        call(
          k.address('nt!NtOpenFile'),
          [
            f.address('Handle'),
            FILE_READ_ATTRIBUTES | SYNCHRONIZE,
            ObjectAttributes,
            f.get('Iosb'),
            FILE_SHARE_ALL,
            FILE_OPEN_REPARSE_POINT | FILE_SYNCHRONOUS_IO_NONALERT,
          ],
          'opened',
        ),
      opened(k, f, rax, { FileInformation }) {
        if (!ntSuccess(rax)) return ret(rax);
        return call(
          k.address('nt!NtQueryInformationFile'),
          [f.get('Handle'), f.get('Iosb'), FileInformation, size, what],
          'asked',
        );
      },
      asked(k, f, rax) {
        f.set('Status', rax);
        return call(k.address('nt!NtClose'), [f.get('Handle')], 'closed');
      },
      closed: (_k, f) => ret(f.get('Status')),
    },
  });

const byName: NtExport[] = [
  ...stepService({
    name: 'DeleteFile',
    doc: 'Deletes a file by its name: it is opened to be deleted when it is closed.',
    irql: PASSIVE,
    args: { ObjectAttributes: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: openFrame,
    steps: {
      start: (k, f, _rax, { ObjectAttributes }) =>
        call(
          k.address('nt!NtCreateFile'),
          [
            f.address('Handle'),
            DELETE,
            ObjectAttributes,
            f.get('Iosb'),
            0,
            0,
            FILE_SHARE_ALL,
            FILE_OPEN,
            FILE_DELETE_ON_CLOSE,
            0,
            0,
          ],
          'opened',
        ),
      opened: (k, f, rax) => (ntSuccess(rax) ? call(k.address('nt!NtClose'), [f.get('Handle')], 'closed') : ret(rax)),
      closed: () => ret(STATUS_SUCCESS),
    },
  }),
  ...attributesOf('QueryAttributesFile', 'Asks for the times and attributes of a file by its name.', FileBasicInformation, 0x28),
  ...attributesOf(
    'QueryFullAttributesFile',
    'Asks for times, attributes and sizes of a file by its name.',
    FileNetworkOpenInformation,
    0x38,
  ),
];

export const exports: NtExport[] = [...attributes, ...directories, ...byName];
