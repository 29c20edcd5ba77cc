/** Smaller services of the I/O manager: share access, named events, rights of files. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { obFind } from '../ob/attributes.ts';
import { obInsertNamed } from '../ob/directory.ts';
import { obCreateHandle } from '../ob/handle.ts';
import { deferDeletion, dereference, obCreateObject, obDereferenceDeferred } from '../ob/object.ts';
import { readString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { FILE_OBJECT, SHARE_ACCESS } from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { OBJ_KERNEL_HANDLE } from '../types/ob.ts';
import {
  STATUS_INVALID_PARAMETER,
  STATUS_SHARING_VIOLATION,
  STATUS_SUCCESS,
  STATUS_WMI_GUID_NOT_FOUND,
} from '../types/status.ts';
import { BOOLEAN, type NtExport, ntData, ntExport, NTSTATUS, pointer, PVOID, ULONG, VOID } from '../exports/declare.ts';
import { PDEVICE_OBJECT, PIRP } from './call.ts';
import { ignoresShareAccess } from './fileextension.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const F = FILE_OBJECT.f;
const A = SHARE_ACCESS.f;
const FILE_READ = 0x1 | 0x20 | 0x80000000,
  FILE_WRITE = 0x2 | 0x4 | 0x40000000,
  DELETE = 0x10000;

/** The six counters of a SHARE_ACCESS and the FILE_OBJECT's flag that each counts. */
const COUNTERS = [
  ['Readers', 'ReadAccess'],
  ['Writers', 'WriteAccess'],
  ['Deleters', 'DeleteAccess'],
  ['SharedRead', 'SharedRead'],
  ['SharedWrite', 'SharedWrite'],
  ['SharedDelete', 'SharedDelete'],
] as const;

/** Notes in a file object which access was asked for and what its opener shares. */
function note(k: Kernel, file: number, access: number, share: number): void {
  F.ReadAccess.set(k.mem, file, access & FILE_READ ? 1 : 0);
  F.WriteAccess.set(k.mem, file, access & FILE_WRITE ? 1 : 0);
  F.DeleteAccess.set(k.mem, file, access & DELETE ? 1 : 0);
  if (!(access & (FILE_READ | FILE_WRITE | DELETE))) return;
  F.SharedRead.set(k.mem, file, share & 1);
  F.SharedWrite.set(k.mem, file, (share >> 1) & 1);
  F.SharedDelete.set(k.mem, file, (share >> 2) & 1);
}

/** Only an open that reads, writes or deletes takes part in sharing. */
const takesPart = (k: Kernel, file: number): boolean =>
  F.ReadAccess.get(k.mem, file) !== 0 || F.WriteAccess.get(k.mem, file) !== 0 || F.DeleteAccess.get(k.mem, file) !== 0;

/** Adds an open to the counters, or takes it out of them. */
function count(k: Kernel, file: number, share: number, by: 1 | -1): void {
  if (!takesPart(k, file) || ignoresShareAccess(k, file)) return;
  A.OpenCount.set(k.mem, share, A.OpenCount.get(k.mem, share) + by);
  for (const [counter, flag] of COUNTERS)
    if (F[flag].get(k.mem, file)) A[counter].set(k.mem, share, A[counter].get(k.mem, share) + by);
}

function check(k: Kernel, access: number, shareWanted: number, file: number, share: number, update: boolean): number {
  note(k, file, access, shareWanted);
  if (!takesPart(k, file) || ignoresShareAccess(k, file)) return STATUS_SUCCESS;
  const opens = A.OpenCount.get(k.mem, share);
  const refused = (
    [
      ['ReadAccess', 'SharedRead', 'Readers'],
      ['WriteAccess', 'SharedWrite', 'Writers'],
      ['DeleteAccess', 'SharedDelete', 'Deleters'],
    ] as const
  ).some(
    // What is wanted must be shared by all that have it open, and what they do must be shared by the new one.
    ([wanted, shared, doing]) =>
      (F[wanted].get(k.mem, file) !== 0 && A[shared].get(k.mem, share) < opens) ||
      (A[doing].get(k.mem, share) !== 0 && F[shared].get(k.mem, file) === 0),
  );
  if (refused) return STATUS_SHARING_VIOLATION;
  if (update) count(k, file, share, 1);
  return STATUS_SUCCESS;
}

const PFILE_OBJECT = pointer('PFILE_OBJECT');
const PSHARE_ACCESS = pointer('PSHARE_ACCESS');

const sharing: NtExport[] = [
  ntExport({
    name: 'IoSetShareAccess',
    doc: 'Starts the sharing of a file with its first open.',
    irql: PASSIVE,
    args: { DesiredAccess: ULONG, DesiredShareAccess: ULONG, FileObject: PFILE_OBJECT, ShareAccess: PSHARE_ACCESS },
    returns: VOID,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      note(k, a.FileObject, a.DesiredAccess, a.DesiredShareAccess);
      k.mem.fill(a.ShareAccess, SHARE_ACCESS.size, 0);
      count(k, a.FileObject, a.ShareAccess, 1);
    },
  }),
  ntExport({
    name: 'IoCheckShareAccess',
    doc: 'Whether a further open agrees with those that there are; it may be counted at once.',
    irql: PASSIVE,
    args: {
      DesiredAccess: ULONG,
      DesiredShareAccess: ULONG,
      FileObject: PFILE_OBJECT,
      ShareAccess: PSHARE_ACCESS,
      Update: BOOLEAN,
    },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl: (k, a) => check(k, a.DesiredAccess, a.DesiredShareAccess, a.FileObject, a.ShareAccess, a.Update),
  }),
  ntExport({
    name: 'IoUpdateShareAccess',
    doc: 'Counts an open that IoCheckShareAccess allowed.',
    irql: PASSIVE,
    args: { FileObject: PFILE_OBJECT, ShareAccess: PSHARE_ACCESS },
    returns: VOID,
    cycles: 80,
    status: 'full',
    impl: (k, a) => count(k, a.FileObject, a.ShareAccess, 1),
  }),
  ntExport({
    name: 'IoRemoveShareAccess',
    doc: 'Takes an open that ends out of the counters.',
    irql: PASSIVE,
    args: { FileObject: PFILE_OBJECT, ShareAccess: PSHARE_ACCESS },
    returns: VOID,
    cycles: 80,
    status: 'full',
    impl: (k, a) => count(k, a.FileObject, a.ShareAccess, -1),
  }),
  ntExport({
    name: 'IoGetFileObjectGenericMapping',
    doc: 'What the generic rights mean for files.',
    irql: PASSIVE,
    args: {},
    returns: PVOID,
    cycles: 20,
    status: 'full',
    impl: k => k.address('nt!IopFileMapping'),
  }),
  ntData({
    name: 'IopFileMapping',
    internal: true,
    doc: 'GENERIC_MAPPING of files.',
    size: 16,
    status: 'full',
    init: (k, at) => [0x120089, 0x120116, 0x1200a0, 0x1f01ff].forEach((mask, i) => k.mem.write32(at + i * 4, mask)),
  }),
];

/** IoCreateNotificationEvent and IoCreateSynchronizationEvent: a named event that is made, signaled, or found. */
const namedEvent = (name: string, doc: string, type: number): NtExport =>
  ntExport({
    name,
    doc,
    irql: PASSIVE,
    args: { EventName: pointer('PUNICODE_STRING'), EventHandle: PVOID },
    returns: pointer('PKEVENT'),
    cycles: 900,
    status: 'full',
    impl(k, { EventName, EventHandle }) {
      k.mem.probe(EventHandle, 8, true);
      const path = readString(k, EventName);
      const eventType = exportedType(k, 'ExEventObjectType');
      let event = obFind(k, path, eventType).object;
      const made = !event;
      if (!event) {
        event = obCreateObject(k, eventType, KEVENT.size, { named: true });
        if (!event) return 0;
        keInitializeEvent(k, event, type, true);
        if (obInsertNamed(k, path, event) !== STATUS_SUCCESS) {
          obDereferenceDeferred(k, event);
          return 0;
        }
      }
      const h = obCreateHandle(k, event, 0x1f0003, OBJ_KERNEL_HANDLE);
      if (made && dereference(k, event) === 0) deferDeletion(k, event);
      if (h.status !== STATUS_SUCCESS) return 0;
      k.mem.writePtr(EventHandle, h.handle);
      return event;
    },
  });

/** CONFIGURATION_INFORMATION: counts of devices by kind, which drivers of disks and ports keep. */
const CONFIGURATION_SIZE = 0x28,
  CONFIGURATION_VERSION = 0x20;

const rest: NtExport[] = [
  namedEvent('IoCreateNotificationEvent', 'Makes, or opens, a named notification event.', 0),
  namedEvent('IoCreateSynchronizationEvent', 'Makes, or opens, a named synchronization event.', 1),
  ntExport({
    name: 'IoIs32bitProcess',
    doc: 'Whether a request comes from a 32-bit process; this machine has none.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: BOOLEAN,
    cycles: 20,
    status: 'full',
    impl: () => false,
  }),
  ntExport({
    name: 'IoGetConfigurationInformation',
    doc: 'The counts of disks, ports and other devices that drivers keep for each other.',
    irql: PASSIVE,
    args: {},
    returns: PVOID,
    cycles: 20,
    status: 'full',
    impl: k => k.address('nt!IopConfigurationInformation'),
  }),
  ntData({
    name: 'IopConfigurationInformation',
    internal: true,
    doc: 'CONFIGURATION_INFORMATION.',
    size: CONFIGURATION_SIZE,
    status: 'full',
    init: (k, at) => k.mem.write32(at + CONFIGURATION_VERSION, CONFIGURATION_SIZE),
  }),
  ntExport({
    name: 'IoWMIRegistrationControl',
    doc: 'Registers a device as a WMI data provider.',
    irql: PASSIVE,
    args: { DeviceObject: PDEVICE_OBJECT, Action: ULONG },
    returns: NTSTATUS,
    cycles: 60,
    status: 'partial',
    missing: 'there is no WMI: nobody will ask the provider for anything',
    // WMIREG_ACTION_REGISTER to _BLOCK_IRPS; flags are above.
    impl: (_k, { Action }) => ((Action & 0xffff) >= 1 && (Action & 0xffff) <= 5 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER),
  }),
  ntExport({
    name: 'IoWMIOpenBlock',
    doc: 'Opens a WMI class by its GUID.',
    irql: { max: 'APC_LEVEL' },
    args: { DataBlockGuid: PVOID, DesiredAccess: ULONG, DataBlockObject: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'partial',
    missing: 'providers that drivers register are not asked which classes they have, so no class is found',
    impl: () => STATUS_WMI_GUID_NOT_FOUND,
  }),
  ntExport({
    name: 'IoWMIQueryAllData',
    doc: 'Asks for all data of a WMI class that IoWMIOpenBlock opened.',
    irql: { max: 'APC_LEVEL' },
    args: { DataBlockObject: PVOID, InOutBufferSize: PVOID, OutBuffer: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'partial',
    missing: 'no class can be opened (IoWMIOpenBlock), so there is nothing to ask',
    impl: () => STATUS_WMI_GUID_NOT_FOUND,
  }),
];

export const exports: NtExport[] = [...sharing, ...rest];
