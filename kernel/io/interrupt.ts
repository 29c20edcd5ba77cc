/** Connecting interrupts. Source: the WDK pages of IoConnectInterrupt, IoConnectInterruptEx and IO_CONNECT_INTERRUPT_PARAMETERS. */
import { messageFor, type MessageRoute } from '../../hal/nt/apic.ts';
import type { Kernel } from '../kernel.ts';
import {
  connectInterrupt,
  disconnectInterrupt,
  interruptChain,
  pinOf,
  setInterruptActive,
  vectorTaken,
} from '../ke/interrupt.ts';
import { activeProcessors } from '../ke/processor.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { disableMessage, enableMessage, messageOwner } from '../pnp/message.ts';
import { findInterrupt, type FoundInterrupt } from '../pnp/resources.ts';
import { N, nodeOf } from '../pnp/node.ts';
import {
  CONNECT_FULLY_SPECIFIED,
  CONNECT_FULLY_SPECIFIED_GROUP,
  CONNECT_LINE_BASED,
  CONNECT_MESSAGE_BASED,
  IO_CONNECT_INTERRUPT_PARAMETERS,
  IO_INTERRUPT_MESSAGE_INFO,
  IO_INTERRUPT_MESSAGE_INFO_ENTRY,
} from '../types/io.ts';
import { KINTERRUPT, Latched, LevelSensitive } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_10,
  STATUS_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, KIRQL, type NtExport, ntExport, NTSTATUS, PVOID, retry, ULONG, ULONG64, VOID } from '../exports/declare.ts';
import { baseDevice } from './device.ts';

const P = IO_CONNECT_INTERRUPT_PARAMETERS.f;
const I = KINTERRUPT.f;
const TAG = 0x69536d49; // 'ImSi'
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
/** Members of the message-based form that lie elsewhere than those of the other forms. */
const MESSAGE_FALLBACK_ROUTINE = 0x38;

interface Wanted {
  vector: number;
  irql: number;
  synchronizeIrql: number;
  latched: boolean;
  shared: boolean;
  routine: number;
  context: number;
  lock: number;
  /** `routine` is a PKMESSAGE_SERVICE_ROUTINE. */
  message: boolean;
  /** KAFFINITY of the processors that may get it; absent: all. */
  affinity?: bigint;
}

/** Connects, or says why not: a vector that no interrupt has, an IRQL that does not fit it, a vector that is taken. */
function connect(k: Kernel, w: Wanted): { status: number; interrupt: number } {
  const refuse = (status: number): { status: number; interrupt: number } => ({ status, interrupt: 0 });
  if (w.vector < 0x30 || w.vector > 0xff || w.irql !== w.vector >> 4 || w.synchronizeIrql < w.irql)
    return refuse(STATUS_INVALID_PARAMETER);
  const mode = w.latched ? Latched : LevelSensitive;
  if (vectorTaken(k, { vector: w.vector, shareVector: w.shared, mode })) return refuse(STATUS_INVALID_PARAMETER);
  const affinity = w.affinity === undefined ? activeProcessors(k) : Number(w.affinity & 0xffn);
  const interrupt = connectInterrupt(k, {
    vector: w.vector,
    irql: w.irql,
    synchronizeIrql: w.synchronizeIrql,
    mode,
    serviceRoutine: w.routine,
    ...(w.message ? { messageService: { routine: w.routine, id: 0 } } : {}),
    context: w.context,
    spinLock: w.lock,
    shareVector: w.shared,
    affinity,
  });
  if (!interrupt) return refuse(STATUS_INSUFFICIENT_RESOURCES);
  const owner = messageOwner(k, w.vector);
  if (owner) enableMessage(k, owner, routeOf(k, w.vector, affinity));
  return { status: STATUS_SUCCESS, interrupt };
}

const routeOf = (k: Kernel, vector: number, affinity: number): MessageRoute =>
  messageFor(vector, affinity & activeProcessors(k) || activeProcessors(k));

/** Takes a service routine back; false while a processor is in it. */
function disconnect(k: Kernel, interrupt: number): boolean {
  const vector = I.Vector.get(k.mem, interrupt);
  if (!disconnectInterrupt(k, interrupt)) return false;
  const owner = messageOwner(k, vector);
  if (owner && interruptChain(k, vector).length === 0) disableMessage(k, owner);
  return true;
}

/** The interrupt that the system gave to a device, for the forms that leave it to the system; a status when there is none. */
function deviceInterrupt(k: Kernel, p: number): FoundInterrupt | number {
  const pdo = P.PhysicalDeviceObject.get(k.mem, p);
  if (!pdo) return STATUS_INVALID_PARAMETER;
  const node = nodeOf(k, baseDevice(k, pdo));
  return (node ? findInterrupt(k, N.ResourceListTranslated.get(k.mem, node)) : null) ?? STATUS_NOT_FOUND;
}

/** A connection by what IO_CONNECT_INTERRUPT_PARAMETERS says, of the interrupt that the system gave to the device. */
function connectFound(
  k: Kernel,
  p: number,
  found: FoundInterrupt,
  routine: number,
  message: boolean,
): ReturnType<typeof connect> {
  return connect(k, {
    ...found,
    synchronizeIrql: Math.max(P.SynchronizeIrql.get(k.mem, p), found.irql),
    routine,
    message,
    context: P.ServiceContext.get(k.mem, p),
    lock: P.SpinLock.get(k.mem, p),
  });
}

function lineBased(k: Kernel, p: number, routine: number): number {
  const found = deviceInterrupt(k, p);
  if (typeof found === 'number') return found;
  const { status, interrupt } = connectFound(k, p, found, routine, false);
  if (interrupt) k.mem.writePtr(P.InterruptObject.get(k.mem, p), interrupt);
  return status;
}

/** Connects a device's message, and describes it in an IO_INTERRUPT_MESSAGE_INFO. A device with a line gets the fallback routine on it. */
function messageBased(k: Kernel, p: number): number {
  const { mem } = k;
  const found = deviceInterrupt(k, p);
  if (typeof found === 'number') return found;
  if (!found.message) {
    const fallback = mem.readPtr(p + MESSAGE_FALLBACK_ROUTINE);
    if (!fallback) return STATUS_NOT_FOUND;
    const status = lineBased(k, p, fallback);
    if (status === STATUS_SUCCESS) P.Version.set(mem, p, CONNECT_LINE_BASED);
    return status;
  }
  const table = exAllocatePool(k, NonPagedPoolNx, IO_INTERRUPT_MESSAGE_INFO.size, TAG);
  if (!table) return STATUS_INSUFFICIENT_RESOURCES;
  const { status, interrupt } = connectFound(k, p, found, P.ServiceRoutine.get(mem, p), true);
  if (!interrupt) {
    exFreePool(k, table, TAG);
    return status;
  }
  mem.fill(table, IO_INTERRUPT_MESSAGE_INFO.size, 0);
  const M = IO_INTERRUPT_MESSAGE_INFO.f;
  const entry = table + M.MessageInfo.offset;
  const E = IO_INTERRUPT_MESSAGE_INFO_ENTRY.f;
  const route = routeOf(k, found.vector, Number(found.affinity & 0xffn));
  M.UnifiedIrql.set(mem, table, I.SynchronizeIrql.get(mem, interrupt));
  M.MessageCount.set(mem, table, 1);
  E.MessageAddress.set(mem, entry, BigInt(route.address));
  E.TargetProcessorSet.set(mem, entry, found.affinity);
  E.InterruptObject.set(mem, entry, interrupt);
  E.MessageData.set(mem, entry, route.data);
  E.Vector.set(mem, entry, found.vector);
  E.Irql.set(mem, entry, found.irql);
  E.Mode.set(mem, entry, Latched);
  mem.writePtr(P.InterruptObject.get(mem, p), table);
  return STATUS_SUCCESS;
}

function fullySpecified(k: Kernel, p: number, group: boolean): number {
  const { mem } = k;
  const affinity = P.ProcessorEnableMask.get(mem, p);
  if (!(affinity & BigInt(activeProcessors(k))) || (group && P.Group.get(mem, p) !== 0)) return STATUS_INVALID_PARAMETER_10;
  const vector = P.Vector.get(mem, p);
  if (pinOf(k, vector) < 0 && !messageOwner(k, vector)) return STATUS_NOT_FOUND;
  const { status, interrupt } = connect(k, {
    vector,
    irql: P.Irql.get(mem, p),
    synchronizeIrql: P.SynchronizeIrql.get(mem, p) || P.Irql.get(mem, p),
    latched: P.InterruptMode.get(mem, p) === Latched,
    shared: P.ShareVector.get(mem, p) !== 0,
    routine: P.ServiceRoutine.get(mem, p),
    message: false,
    context: P.ServiceContext.get(mem, p),
    lock: P.SpinLock.get(mem, p),
    affinity,
  });
  if (interrupt) mem.writePtr(P.InterruptObject.get(mem, p), interrupt);
  return status;
}

function connectEx(k: Kernel, p: number): number {
  const version = P.Version.get(k.mem, p);
  if (version < CONNECT_FULLY_SPECIFIED || version > CONNECT_FULLY_SPECIFIED_GROUP) return STATUS_INVALID_PARAMETER_1;
  k.mem.probe(P.InterruptObject.get(k.mem, p), 8, true);
  if (version === CONNECT_LINE_BASED) return lineBased(k, p, P.ServiceRoutine.get(k.mem, p));
  if (version === CONNECT_MESSAGE_BASED) return messageBased(k, p);
  return fullySpecified(k, p, version === CONNECT_FULLY_SPECIFIED_GROUP);
}

/** The KINTERRUPT behind a connection context: itself, or that of the table's message. `at` is an IO_DISCONNECT_INTERRUPT_PARAMETERS or IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS. */
function contextOf(k: Kernel, at: number): { interrupt: number; table: number } {
  const context = k.mem.readPtr(at + 8);
  if (k.mem.read32(at) !== CONNECT_MESSAGE_BASED) return { interrupt: context, table: 0 };
  const entry = context + IO_INTERRUPT_MESSAGE_INFO.f.MessageInfo.offset;
  return { interrupt: IO_INTERRUPT_MESSAGE_INFO_ENTRY.f.InterruptObject.get(k.mem, entry), table: context };
}

function reportActive(k: Kernel, at: number, active: boolean): void {
  const { interrupt } = contextOf(k, at);
  const vector = I.Vector.get(k.mem, interrupt);
  const any = setInterruptActive(k, interrupt, active);
  const owner = messageOwner(k, vector);
  if (owner && any) enableMessage(k, owner, routeOf(k, vector, activeProcessors(k)));
  else if (owner) disableMessage(k, owner);
}

export const exports: NtExport[] = [
  ntExport({
    name: 'IoConnectInterrupt',
    doc: 'Registers an interrupt service routine for a vector.',
    irql: PASSIVE,
    args: {
      InterruptObject: PVOID,
      ServiceRoutine: PVOID,
      ServiceContext: PVOID,
      SpinLock: PVOID,
      Vector: ULONG,
      Irql: KIRQL,
      SynchronizeIrql: KIRQL,
      InterruptMode: ULONG,
      ShareVector: BOOLEAN,
      ProcessorEnableMask: ULONG64,
      FloatingSave: BOOLEAN,
    },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.InterruptObject, 8, true);
      k.mem.writePtr(a.InterruptObject, 0);
      if (!(a.ProcessorEnableMask & BigInt(activeProcessors(k)))) return STATUS_INVALID_PARAMETER;
      const w = {
        vector: a.Vector,
        irql: a.Irql,
        synchronizeIrql: a.SynchronizeIrql,
        latched: a.InterruptMode === Latched,
        shared: a.ShareVector,
        routine: a.ServiceRoutine,
        context: a.ServiceContext,
        lock: a.SpinLock,
        message: false,
        affinity: a.ProcessorEnableMask,
      };
      const { status, interrupt } = connect(k, w);
      k.mem.writePtr(a.InterruptObject, interrupt);
      return status;
    },
  }),
  ntExport({
    name: 'IoConnectInterruptEx',
    doc: "Registers an interrupt service routine for a vector, for a device's line, or for its messages.",
    irql: PASSIVE,
    args: { Parameters: PVOID },
    returns: NTSTATUS,
    cycles: 1600,
    status: 'full',
    impl: (k, { Parameters }) => connectEx(k, Parameters),
  }),
  ntExport({
    name: 'IoDisconnectInterrupt',
    doc: 'Takes back what IoConnectInterrupt registered.',
    irql: PASSIVE,
    args: { InterruptObject: PVOID },
    returns: VOID,
    cycles: 800,
    status: 'full',
    impl: (k, { InterruptObject }) => (disconnect(k, InterruptObject) ? undefined : retry),
  }),
  ntExport({
    name: 'IoDisconnectInterruptEx',
    doc: 'Takes back what IoConnectInterruptEx registered.',
    irql: PASSIVE,
    args: { Parameters: PVOID },
    returns: VOID,
    cycles: 800,
    status: 'full',
    impl(k, { Parameters }) {
      const { interrupt, table } = contextOf(k, Parameters);
      if (!disconnect(k, interrupt)) return retry;
      if (table) exFreePool(k, table, TAG);
      return undefined;
    },
  }),
  ...(
    [
      ['IoReportInterruptActive', 'Lets a connected service routine be called again.', true],
      [
        'IoReportInterruptInactive',
        'Keeps a service routine connected without calling it; the line of nobody but inactive ones is masked.',
        false,
      ],
    ] as const
  ).map(([name, doc, active]) =>
    ntExport({
      name,
      doc,
      irql: { max: 'DISPATCH_LEVEL' },
      args: { Parameters: PVOID },
      returns: VOID,
      cycles: 200,
      status: 'full',
      impl: (k, { Parameters }) => reportActive(k, Parameters, active),
    }),
  ),
];
