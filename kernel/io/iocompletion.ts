/**
 * Completion ports. A port is a queue object: an asynchronous request on a file that belongs to a port queues its IRP there when it is done, and IoSetIoCompletion a packet of its
 * own. Threads take entries from it, no more of them running at a time than the port allows. Source: NtCreateIoCompletion, IoSetIoCompletion, FILE_COMPLETION_INFORMATION.
 */
import type { Kernel } from '../kernel.ts';
import { keInitializeQueue, keInsertQueue, keRundownQueue } from '../ke/queue.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { insertAndOpen, openNamed } from '../ob/named.ts';
import { obCreateObject, obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { FILE_OBJECT, IO_COMPLETION_CONTEXT, IO_MINI_COMPLETION_PACKET, PACKET_IRP, PACKET_MINI } from '../types/io.ts';
import { KQUEUE } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  STATUS_USER_APC,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  HANDLE,
  type NtExport,
  ntExport,
  NTSTATUS,
  pointer,
  PVOID,
  ret,
  ULONG,
  ULONG64,
  VOID,
} from '../exports/declare.ts';
import { service, stepService } from '../exports/service.ts';
import { I, ioFreeIrp } from './irp.ts';

const M = IO_MINI_COMPLETION_PACKET.f;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const IO_COMPLETION_QUERY_STATE = 1,
  IO_COMPLETION_MODIFY_STATE = 2;

const portType = (k: Kernel): number => exportedType(k, 'IoCompletionObjectType');

/** Queues a packet with what its taker gets. STATUS_INSUFFICIENT_RESOURCES without pool. */
function setIoCompletion(k: Kernel, port: number, key: number, context: number, status: number, information: bigint): number {
  const packet = exAllocatePool(k, NonPagedPoolNx, IO_MINI_COMPLETION_PACKET.size, poolTag('Icp '));
  if (!packet) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.fill(packet, IO_MINI_COMPLETION_PACKET.size, 0);
  M.PacketType.set(k.mem, packet, PACKET_MINI);
  M.KeyContext.set(k.mem, packet, key);
  M.ApcContext.set(k.mem, packet, context);
  M.IoStatus.set(k.mem, packet, status | 0);
  M.IoStatusInformation.set(k.mem, packet, information);
  keInsertQueue(k, port, packet, false);
  return STATUS_SUCCESS;
}

interface Packet {
  key: number;
  context: number;
  status: number;
  information: bigint;
}

/** What an entry of a port says; the entry is freed. */
function openPacket(k: Kernel, entry: number): Packet {
  const { mem } = k;
  if (M.PacketType.get(mem, entry) === PACKET_IRP) {
    const irp = entry - I.ListEntry.offset;
    const packet = {
      key: I.CompletionKey.get(mem, irp),
      context: I.UserApcContext.get(mem, irp),
      status: mem.read32(irp + I.IoStatus.offset),
      information: mem.read64(irp + I.IoStatus.offset + 8),
    };
    ioFreeIrp(k, irp);
    return packet;
  }
  const packet = {
    key: M.KeyContext.get(mem, entry),
    context: M.ApcContext.get(mem, entry),
    status: M.IoStatus.get(mem, entry) >>> 0,
    information: M.IoStatusInformation.get(mem, entry),
  };
  exFreePool(k, entry, 0);
  return packet;
}

/** FileCompletionInformation: { HANDLE Port; PVOID Key }. STATUS_INVALID_PARAMETER for a synchronous file, or one that has a port. */
export function associatePort(k: Kernel, file: number, information: number, length: number): number {
  const F = FILE_OBJECT.f;
  const FO_SYNCHRONOUS_IO = 2;
  if (length < 16) return STATUS_INFO_LENGTH_MISMATCH;
  if (F.Flags.get(k.mem, file) & FO_SYNCHRONOUS_IO || F.CompletionContext.get(k.mem, file)) return STATUS_INVALID_PARAMETER;
  const handle = k.mem.readPtr(information);
  const port = obReferenceObjectByHandle(k, handle, IO_COMPLETION_MODIFY_STATE, portType(k), previousMode(k));
  if (port.status !== STATUS_SUCCESS) return port.status;
  const context = exAllocatePool(k, NonPagedPoolNx, IO_COMPLETION_CONTEXT.size, poolTag('IoCc'));
  if (!context) {
    obDereferenceDeferred(k, port.object);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  k.mem.fill(context, IO_COMPLETION_CONTEXT.size, 0);
  IO_COMPLETION_CONTEXT.f.Port.set(k.mem, context, port.object);
  IO_COMPLETION_CONTEXT.f.Key.set(k.mem, context, k.mem.readPtr(information + 8));
  F.CompletionContext.set(k.mem, file, context);
  return STATUS_SUCCESS;
}

/** Takes a file from its port, when the file goes. */
export function releasePort(k: Kernel, file: number): void {
  const context = FILE_OBJECT.f.CompletionContext.get(k.mem, file);
  if (!context) return;
  FILE_OBJECT.f.CompletionContext.set(k.mem, file, 0);
  obDereferenceDeferred(k, IO_COMPLETION_CONTEXT.f.Port.get(k.mem, context));
  exFreePool(k, context, 0);
}

export const exports: NtExport[] = [
  ...service({
    name: 'CreateIoCompletion',
    doc: 'Creates a completion port for at most so many running threads; 0 means as many as there are processors.',
    irql: PASSIVE,
    args: { IoCompletionHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: PVOID, Count: ULONG },
    returns: NTSTATUS,
    cycles: 800,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.IoCompletionHandle, 8, true);
      const port = obCreateObject(k, portType(k), KQUEUE.size, { named: true });
      if (!port) return STATUS_INSUFFICIENT_RESOURCES;
      keInitializeQueue(k, port, a.Count);
      return insertAndOpen(k, port, a.ObjectAttributes, a.DesiredAccess, a.IoCompletionHandle);
    },
  }),
  ...service({
    name: 'OpenIoCompletion',
    doc: 'Opens a completion port by its name.',
    irql: PASSIVE,
    args: { IoCompletionHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: PVOID },
    returns: NTSTATUS,
    cycles: 600,
    status: 'full',
    impl: (k, a) => openNamed(k, a.ObjectAttributes, portType(k), a.DesiredAccess, a.IoCompletionHandle),
  }),
  ...service({
    name: 'SetIoCompletion',
    doc: 'Queues a packet to a completion port.',
    irql: PASSIVE,
    args: { IoCompletionHandle: HANDLE, KeyContext: PVOID, ApcContext: PVOID, IoStatus: NTSTATUS, IoStatusInformation: ULONG64 },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    impl(k, a) {
      const port = obReferenceObjectByHandle(k, a.IoCompletionHandle, IO_COMPLETION_MODIFY_STATE, portType(k), previousMode(k));
      if (port.status !== STATUS_SUCCESS) return port.status;
      const status = setIoCompletion(k, port.object, a.KeyContext, a.ApcContext, a.IoStatus, a.IoStatusInformation);
      obDereferenceDeferred(k, port.object);
      return status;
    },
  }),
  ...service({
    name: 'QueryIoCompletion',
    doc: 'The number of entries of a completion port (IoCompletionBasicInformation).',
    irql: PASSIVE,
    args: {
      IoCompletionHandle: HANDLE,
      IoCompletionInformationClass: ULONG,
      IoCompletionInformation: PVOID,
      Length: ULONG,
      ReturnLength: PVOID,
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      if (a.IoCompletionInformationClass !== 0) return STATUS_INVALID_INFO_CLASS;
      if (a.Length !== 4) return STATUS_INFO_LENGTH_MISMATCH;
      const port = obReferenceObjectByHandle(k, a.IoCompletionHandle, IO_COMPLETION_QUERY_STATE, portType(k), previousMode(k));
      if (port.status !== STATUS_SUCCESS) return port.status;
      k.mem.write32(a.IoCompletionInformation, k.mem.read32(port.object + 4));
      if (a.ReturnLength) k.mem.write32(a.ReturnLength, 4);
      obDereferenceDeferred(k, port.object);
      return STATUS_SUCCESS;
    },
  }),
  ...stepService({
    name: 'RemoveIoCompletion',
    doc: 'Takes an entry from a completion port, waiting for one.',
    irql: PASSIVE,
    args: { IoCompletionHandle: HANDLE, KeyContext: PVOID, ApcContext: PVOID, IoStatusBlock: PVOID, Timeout: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: { Port: ptr },
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a.KeyContext, 8, true);
        k.mem.probe(a.ApcContext, 8, true);
        k.mem.probe(a.IoStatusBlock, 0x10, true);
        const mode = previousMode(k);
        const port = obReferenceObjectByHandle(k, a.IoCompletionHandle, IO_COMPLETION_MODIFY_STATE, portType(k), mode);
        if (port.status !== STATUS_SUCCESS) return ret(port.status);
        f.set('Port', port.object);
        return call(k.address('nt!KeRemoveQueue'), [port.object, mode, a.Timeout], 'taken');
      },
      taken(k, f, rax, a) {
        const entry = Number(BigInt.asIntN(64, k.rax64()));
        obDereferenceDeferred(k, f.get('Port'));
        if (entry === STATUS_TIMEOUT || entry === STATUS_USER_APC || (entry >= 0 && entry < 0x200)) return ret(rax);
        const packet = openPacket(k, entry);
        k.mem.writePtr(a.KeyContext, packet.key);
        k.mem.writePtr(a.ApcContext, packet.context);
        k.mem.write32(a.IoStatusBlock, packet.status);
        k.mem.write64(a.IoStatusBlock + 8, packet.information);
        return ret(STATUS_SUCCESS);
      },
    },
  }),
  ntExport({
    name: 'IoSetIoCompletion',
    doc: 'Queues a packet to a completion port that the driver has referenced.',
    irql: DISPATCH,
    args: {
      IoCompletion: pointer('PKQUEUE'),
      KeyContext: PVOID,
      ApcContext: PVOID,
      IoStatus: NTSTATUS,
      IoStatusInformation: ULONG64,
      Quota: BOOLEAN,
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl: (k, a) => setIoCompletion(k, a.IoCompletion, a.KeyContext, a.ApcContext, a.IoStatus, a.IoStatusInformation),
  }),
  ntExport({
    name: 'IopDeleteIoCompletion',
    internal: true,
    doc: 'Delete procedure of completion ports: frees what nobody took.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl(k, { Object }) {
      const first = keRundownQueue(k, Object);
      if (!first) return;
      for (let entry = first, next = 0; next !== first; entry = next) {
        next = k.mem.readPtr(entry);
        openPacket(k, entry);
      }
    },
  }),
];
