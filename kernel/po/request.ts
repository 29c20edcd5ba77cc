/**
 * Power requests of drivers: PoRequestPowerIrp. A device has one IRP_MN_SET_POWER or IRP_MN_QUERY_POWER at a time, and the system one that turns a device with an inrush of
 * current on; others wait in a list until it is done. Source: WDK, PoRequestPowerIrp, PowerCompletion, "Setting Device Object Flags for Power Management".
 */
import type { Kernel } from '../kernel.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { callDriverThen, PDEVICE_OBJECT, PIRP } from '../io/call.ts';
import { attachedDevice, baseDevice, D } from '../io/device.ts';
import { I, ioAllocateIrp, ioFreeIrp, nextLocation, S, setIrpStatus } from '../io/irp.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObject } from '../ob/object.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { DelayedWorkQueue, WORK_QUEUE_ITEM } from '../types/ex.ts';
import {
  DO_POWER_INRUSH,
  IO_STATUS_BLOCK,
  IRP_MJ_POWER,
  IRP_MN_QUERY_POWER,
  IRP_MN_SET_POWER,
  IRP_MN_WAIT_WAKE,
  Parameters,
  SL_INVOKE_ON_CANCEL,
  SL_INVOKE_ON_ERROR,
  SL_INVOKE_ON_SUCCESS,
} from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER_2,
  STATUS_MORE_PROCESSING_REQUIRED,
  STATUS_NOT_SUPPORTED,
  STATUS_PENDING,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { call, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, UCHAR, ULONG, VOID } from '../exports/declare.ts';
import { DevicePowerState, isPageable, PowerDeviceD0 } from './power.ts';

/** A request until it is done. It holds a reference of its device. */
const REQUEST = struct('_POP_POWER_REQUEST', {
  Item: WORK_QUEUE_ITEM,
  Link: LIST_ENTRY,
  Irp: ptr,
  DeviceObject: ptr,
  /** The bottom and the top of the stack. */
  Base: ptr,
  Top: ptr,
  MinorFunction: u32,
  PowerState: u32,
  CompletionFunction: ptr,
  Context: ptr,
  /** It has been sent. */
  Active: u32,
  Inrush: u32,
  IoStatus: IO_STATUS_BLOCK,
});
const P = REQUEST.f;
const LINK = P.Link.offset;
const TAG = poolTag('Powr');

const head = (k: Kernel): number => {
  const at = k.global.address('PopIrpList');
  if (k.mem.readPtr(at) === 0) initializeListHead(k.mem, at);
  return at;
};
const requests = (k: Kernel): number[] => [...listEntries(k.mem, head(k))].map(at => at - LINK);

/** Another request that must be done before this one. */
function mustWait(k: Kernel, request: number): boolean {
  const { mem } = k;
  return requests(k).some(
    other =>
      other !== request &&
      P.Active.get(mem, other) !== 0 &&
      (P.Base.get(mem, other) === P.Base.get(mem, request) ||
        (P.Inrush.get(mem, other) !== 0 && P.Inrush.get(mem, request) !== 0)),
  );
}

/** The oldest request that can be sent now, or 0. */
const nextRequest = (k: Kernel): number =>
  requests(k).find(r => P.Active.get(k.mem, r) === 0 && P.MinorFunction.get(k.mem, r) !== IRP_MN_WAIT_WAKE && !mustWait(k, r)) ??
  0;

/** Sends a request from where we are, or from a worker thread if its drivers want PASSIVE_LEVEL and this is not. */
function send(k: Kernel, request: number, then: string, immediately: () => Outcome): Outcome {
  const { mem } = k;
  P.Active.set(mem, request, 1);
  if (k.irql > 0 && isPageable(k, P.Top.get(mem, request))) {
    mem.writePtr(request + WORK_QUEUE_ITEM.f.WorkerRoutine.offset, k.address('nt!PopDispatchRequest'));
    mem.writePtr(request + WORK_QUEUE_ITEM.f.Parameter.offset, request);
    exQueueWorkItem(k, request, DelayedWorkQueue);
    return immediately();
  }
  return callDriverThen(k, P.Top.get(mem, request), P.Irp.get(mem, request), then);
}

/** The IRP for a request: its first location is the power manager's own, whose completion routine is in the next. */
function buildIrp(k: Kernel, request: number, irp: number): void {
  const { mem } = k;
  setIrpStatus(k, irp, STATUS_NOT_SUPPORTED);
  I.CurrentLocation.set(mem, irp, I.CurrentLocation.get(mem, irp) - 1);
  I.CurrentStackLocation.set(mem, irp, nextLocation(k, irp));
  const stack = nextLocation(k, irp);
  const minor = P.MinorFunction.get(mem, request);
  S.MajorFunction.set(mem, stack, IRP_MJ_POWER);
  S.MinorFunction.set(mem, stack, minor);
  if (minor === IRP_MN_WAIT_WAKE) Parameters.WaitWake.f.PowerState.set(mem, stack, P.PowerState.get(mem, request));
  else {
    Parameters.Power.f.Type.set(mem, stack, DevicePowerState);
    Parameters.Power.f.State.set(mem, stack, P.PowerState.get(mem, request));
  }
  S.CompletionRoutine.set(mem, stack, k.address('nt!PopRequestCompletion'));
  S.Context.set(mem, stack, request);
  S.Control.set(mem, stack, SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL);
}

const MINORS: readonly number[] = [IRP_MN_SET_POWER, IRP_MN_QUERY_POWER, IRP_MN_WAIT_WAKE];

export const exports: NtExport[] = [
  ntSteps({
    name: 'PoRequestPowerIrp',
    doc: "Makes a power IRP and sends it to the top of a device's stack, when the one before it is done; a routine of the caller is told of its end.",
    irql: { max: 'DISPATCH_LEVEL' },
    args: {
      DeviceObject: PDEVICE_OBJECT,
      MinorFunction: UCHAR,
      PowerState: ULONG,
      CompletionFunction: PVOID,
      Context: PVOID,
      Irp: PVOID,
    },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start(k, _f, _rax, a) {
        const { mem } = k;
        if (!MINORS.includes(a.MinorFunction)) return ret(STATUS_INVALID_PARAMETER_2);
        const top = attachedDevice(k, a.DeviceObject);
        const irp = ioAllocateIrp(k, D.StackSize.get(mem, top) + 1);
        const request = irp ? exAllocatePool(k, NonPagedPoolNx, REQUEST.size, TAG) : 0;
        if (!request) {
          if (irp) ioFreeIrp(k, irp);
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        }
        mem.fill(request, REQUEST.size, 0);
        obReferenceObject(k, a.DeviceObject);
        P.Irp.set(mem, request, irp);
        P.DeviceObject.set(mem, request, a.DeviceObject);
        P.Base.set(mem, request, baseDevice(k, a.DeviceObject));
        P.Top.set(mem, request, top);
        P.MinorFunction.set(mem, request, a.MinorFunction);
        P.PowerState.set(mem, request, a.PowerState);
        P.CompletionFunction.set(mem, request, a.CompletionFunction);
        P.Context.set(mem, request, a.Context);
        const on = a.MinorFunction === IRP_MN_SET_POWER && a.PowerState === PowerDeviceD0;
        P.Inrush.set(mem, request, on && D.Flags.get(mem, top) & DO_POWER_INRUSH ? 1 : 0);
        buildIrp(k, request, irp);
        if (a.Irp) mem.writePtr(a.Irp, irp);
        // A wait for a wake-up signal is outstanding for long: it holds up nobody.
        if (a.MinorFunction === IRP_MN_WAIT_WAKE) {
          initializeListHead(mem, request + LINK);
          return send(k, request, 'sent', () => ret(STATUS_PENDING));
        }
        insertTailList(mem, head(k), request + LINK);
        return mustWait(k, request) ? ret(STATUS_PENDING) : send(k, request, 'sent', () => ret(STATUS_PENDING));
      },
      // The caller hears of the end by its routine only.
      sent: () => ret(STATUS_PENDING),
    },
  }),
  ntSteps({
    name: 'PopDispatchRequest',
    internal: true,
    doc: 'Worker: sends a power request at PASSIVE_LEVEL.',
    args: { Request: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start: (k, _f, _rax, { Request }) => callDriverThen(k, P.Top.get(k.mem, Request), P.Irp.get(k.mem, Request), 'sent'),
      sent: () => ret(),
    },
  }),
  ntSteps({
    name: 'PopRequestCompletion',
    internal: true,
    doc: 'Completion routine of IRPs from PoRequestPowerIrp: tells the requester, frees the IRP, and sends what waited for it.',
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP, Request: PVOID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start(k, _f, _rax, { Irp, Request }) {
        const { mem } = k;
        mem.copy(Request + P.IoStatus.offset, Irp + I.IoStatus.offset, IO_STATUS_BLOCK.size);
        const routine = P.CompletionFunction.get(mem, Request);
        const args = [
          P.DeviceObject.get(mem, Request),
          P.MinorFunction.get(mem, Request),
          P.PowerState.get(mem, Request),
          P.Context.get(mem, Request),
          Request + P.IoStatus.offset,
        ];
        return routine ? call(routine, args, 'told') : end(k, Irp, Request);
      },
      told: (k, _f, _rax, { Irp, Request }) => end(k, Irp, Request),
      released(k) {
        const next = nextRequest(k);
        return next
          ? send(k, next, 'released', () => ret(STATUS_MORE_PROCESSING_REQUIRED))
          : ret(STATUS_MORE_PROCESSING_REQUIRED);
      },
    },
  }),
];

function end(k: Kernel, irp: number, request: number): Outcome {
  const device = P.DeviceObject.get(k.mem, request);
  removeEntryList(k.mem, request + LINK);
  exFreePool(k, request, TAG);
  ioFreeIrp(k, irp);
  return call(k.address('nt!ObfDereferenceObject'), [device], 'released');
}
