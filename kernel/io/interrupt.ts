/** Connecting interrupts. Source: the WDK pages of IoConnectInterrupt, IoConnectInterruptEx and IO_CONNECT_INTERRUPT_PARAMETERS. */
import type { Kernel } from '../kernel.ts';
import { connectInterrupt, disconnectInterrupt } from '../ke/interrupt.ts';
import { activeProcessors } from '../ke/processor.ts';
import { findInterrupt } from '../pnp/resources.ts';
import { N, nodeOf } from '../pnp/node.ts';
import {
  CONNECT_FULLY_SPECIFIED,
  CONNECT_FULLY_SPECIFIED_GROUP,
  CONNECT_LINE_BASED,
  CONNECT_MESSAGE_BASED,
  IO_CONNECT_INTERRUPT_PARAMETERS,
} from '../types/io.ts';
import { Latched, LevelSensitive } from '../types/ke.ts';
import { STATUS_INVALID_PARAMETER, STATUS_NOT_FOUND, STATUS_NOT_SUPPORTED, STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, KIRQL, type NtExport, ntExport, NTSTATUS, PVOID, retry, ULONG, ULONG64, VOID } from '../exports/declare.ts';
import { baseDevice } from './device.ts';

const P = IO_CONNECT_INTERRUPT_PARAMETERS.f;
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
  /** KAFFINITY of the processors that may get it; absent: all. */
  affinity?: bigint;
}

/** Connects, or says why not: a vector that no interrupt has, an IRQL that does not fit it, a vector that is taken. */
function connect(k: Kernel, w: Wanted, out: number): number {
  if (w.vector < 0x30 || w.vector > 0xff || w.irql !== w.vector >> 4 || w.synchronizeIrql < w.irql)
    return STATUS_INVALID_PARAMETER;
  const interrupt = connectInterrupt(k, {
    vector: w.vector,
    irql: w.irql,
    synchronizeIrql: w.synchronizeIrql,
    mode: w.latched ? Latched : LevelSensitive,
    serviceRoutine: w.routine,
    context: w.context,
    spinLock: w.lock,
    shareVector: w.shared,
    ...(w.affinity === undefined ? {} : { affinity: Number(w.affinity & 0xffn) }),
  });
  if (!interrupt) return STATUS_INVALID_PARAMETER;
  k.mem.writePtr(out, interrupt);
  return STATUS_SUCCESS;
}

/** The interrupt that the device's resources name, for the forms that leave it to the system. */
function lineBased(
  k: Kernel,
  p: number,
  routine: number,
  context: number,
  lock: number,
  synchronizeIrql: number,
  out: number,
): number {
  const pdo = P.PhysicalDeviceObject.get(k.mem, p);
  const node = pdo ? nodeOf(k, baseDevice(k, pdo)) : 0;
  const found = node ? findInterrupt(k, N.ResourceListTranslated.get(k.mem, node)) : null;
  if (!found) return STATUS_NOT_FOUND;
  return connect(k, { ...found, synchronizeIrql: Math.max(synchronizeIrql, found.irql), routine, context, lock }, out);
}

function connectEx(k: Kernel, p: number): number {
  const { mem } = k;
  const version = P.Version.get(mem, p);
  const out = P.InterruptObject.get(mem, p);
  mem.probe(out, 8, true);
  const lock = P.SpinLock.get(mem, p);
  const synchronizeIrql = P.SynchronizeIrql.get(mem, p);
  const context = P.ServiceContext.get(mem, p);
  switch (version) {
    case CONNECT_FULLY_SPECIFIED:
    case CONNECT_FULLY_SPECIFIED_GROUP:
      return connect(
        k,
        {
          vector: P.Vector.get(mem, p),
          irql: P.Irql.get(mem, p),
          synchronizeIrql: synchronizeIrql || P.Irql.get(mem, p),
          latched: P.InterruptMode.get(mem, p) === Latched,
          shared: P.ShareVector.get(mem, p) !== 0,
          routine: P.ServiceRoutine.get(mem, p),
          context,
          lock,
          affinity: P.ProcessorEnableMask.get(mem, p),
        },
        out,
      );
    case CONNECT_LINE_BASED:
      return lineBased(k, p, P.ServiceRoutine.get(mem, p), context, lock, synchronizeIrql, out);
    case CONNECT_MESSAGE_BASED: {
      // The devices of this machine get their line interrupts; the routine for that case is the fallback.
      const fallback = mem.readPtr(p + MESSAGE_FALLBACK_ROUTINE);
      if (!fallback) return STATUS_NOT_FOUND;
      const status = lineBased(k, p, fallback, context, lock, synchronizeIrql, out);
      if (status === STATUS_SUCCESS) P.Version.set(mem, p, CONNECT_LINE_BASED);
      return status;
    }
    default:
      return STATUS_NOT_SUPPORTED;
  }
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
        affinity: a.ProcessorEnableMask,
      };
      return connect(k, w, a.InterruptObject);
    },
  }),
  ntExport({
    name: 'IoConnectInterruptEx',
    doc: "Registers an interrupt service routine for a vector, for a device's line, or for its messages.",
    irql: PASSIVE,
    args: { Parameters: PVOID },
    returns: NTSTATUS,
    cycles: 1600,
    status: 'partial',
    missing:
      'message-signalled interrupts: a request for them gets the line interrupt if it names a fallback routine, else STATUS_NOT_FOUND',
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
    impl: (k, { InterruptObject }) => (disconnectInterrupt(k, InterruptObject) ? undefined : retry),
  }),
  ntExport({
    name: 'IoDisconnectInterruptEx',
    doc: 'Takes back what IoConnectInterruptEx registered.',
    irql: PASSIVE,
    args: { Parameters: PVOID },
    returns: VOID,
    cycles: 800,
    status: 'full',
    // IO_DISCONNECT_INTERRUPT_PARAMETERS: version, then the interrupt object.
    impl: (k, { Parameters }) => (disconnectInterrupt(k, k.mem.readPtr(Parameters + 8)) ? undefined : retry),
  }),
];
