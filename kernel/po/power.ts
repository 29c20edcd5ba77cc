/** Power: requests that change the power state of a device. The system itself stays in S0. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { attachedDevice, D, extensionOf, X } from '../io/device.ts';
import { callDriverThen, PDEVICE_OBJECT, PIRP } from '../io/call.ts';
import { I, ioAllocateIrp, ioFreeIrp, irpStatus, nextLocation, S, setIrpStatus } from '../io/irp.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import {
  IRP_MJ_POWER,
  IRP_MN_QUERY_POWER,
  IRP_MN_SET_POWER,
  IRP_MN_WAIT_WAKE,
  Parameters,
  SL_INVOKE_ON_CANCEL,
  SL_INVOKE_ON_ERROR,
  SL_INVOKE_ON_SUCCESS,
  IO_STATUS_BLOCK,
} from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER_2,
  STATUS_MORE_PROCESSING_REQUIRED,
  STATUS_NOT_SUPPORTED,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, pointer, PVOID, ret, UCHAR, ULONG, VOID } from '../exports/declare.ts';

const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
/** POWER_STATE_TYPE. */
const SystemPowerState = 0,
  DevicePowerState = 1;

/** What PoRequestPowerIrp keeps of a request until it is done. */
const POWER_REQUEST = struct('_POP_POWER_REQUEST', {
  DeviceObject: ptr,
  MinorFunction: u32,
  PowerState: u32,
  CompletionFunction: ptr,
  Context: ptr,
  IoStatus: IO_STATUS_BLOCK,
});
const P = POWER_REQUEST.f;

/** DEVOBJ_EXTENSION.PowerFlags: the system state in bits 0-3, the device state in bits 4-7. */
function exchangeState(k: Kernel, device: number, type: number, state: number): number {
  const x = extensionOf(k, device);
  const flags = X.PowerFlags.get(k.mem, x);
  const shift = type === SystemPowerState ? 0 : 4;
  X.PowerFlags.set(k.mem, x, (flags & ~(0xf << shift)) | ((state & 0xf) << shift));
  return (flags >> shift) & 0xf;
}

export const exports: NtExport[] = [
  ntExport({
    name: 'PoStartNextPowerIrp',
    doc: 'Says that a driver is ready for the next power IRP. Since Windows Vista the power manager does not wait for it, so that there is nothing to do.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: () => undefined,
  }),
  ntExport({
    name: 'PoSetPowerState',
    doc: 'Notes the power state that a device has now; returns the one before.',
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT, Type: ULONG, State: ULONG },
    returns: ULONG,
    cycles: 60,
    status: 'full',
    impl: (k, { DeviceObject, Type, State }) => exchangeState(k, DeviceObject, Type, State),
  }),
  ntSteps({
    name: 'PoRequestPowerIrp',
    doc: "Makes a power IRP and sends it to the top of a device's stack; a routine of the caller is told of its end.",
    irql: DISPATCH,
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
    frame: {},
    steps: {
      start(k, _f, _rax, a) {
        const { mem } = k;
        if (
          a.MinorFunction !== IRP_MN_SET_POWER &&
          a.MinorFunction !== IRP_MN_QUERY_POWER &&
          a.MinorFunction !== IRP_MN_WAIT_WAKE
        )
          return ret(STATUS_INVALID_PARAMETER_2);
        const top = attachedDevice(k, a.DeviceObject);
        const irp = ioAllocateIrp(k, D.StackSize.get(mem, top) + 1);
        const request = irp ? exAllocatePool(k, NonPagedPoolNx, POWER_REQUEST.size, poolTag('Powr')) : 0;
        if (!request) {
          if (irp) ioFreeIrp(k, irp);
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        }
        P.DeviceObject.set(mem, request, a.DeviceObject);
        P.MinorFunction.set(mem, request, a.MinorFunction);
        P.PowerState.set(mem, request, a.PowerState);
        P.CompletionFunction.set(mem, request, a.CompletionFunction);
        P.Context.set(mem, request, a.Context);
        setIrpStatus(k, irp, STATUS_NOT_SUPPORTED);
        // The first location is the power manager's own: its completion routine is in the next.
        I.CurrentLocation.set(mem, irp, I.CurrentLocation.get(mem, irp) - 1);
        I.CurrentStackLocation.set(mem, irp, nextLocation(k, irp));
        const stack = nextLocation(k, irp);
        S.MajorFunction.set(mem, stack, IRP_MJ_POWER);
        S.MinorFunction.set(mem, stack, a.MinorFunction);
        if (a.MinorFunction === IRP_MN_WAIT_WAKE) Parameters.WaitWake.f.PowerState.set(mem, stack, a.PowerState);
        else {
          Parameters.Power.f.Type.set(mem, stack, DevicePowerState);
          Parameters.Power.f.State.set(mem, stack, a.PowerState);
        }
        S.CompletionRoutine.set(mem, stack, k.address('nt!PopRequestCompletion'));
        S.Context.set(mem, stack, request);
        S.Control.set(mem, stack, SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL);
        if (a.Irp) mem.writePtr(a.Irp, irp);
        return callDriverThen(k, top, irp, 'sent');
      },
      // The caller hears of the end by its routine only.
      sent: () => ret(STATUS_PENDING),
    },
  }),
  ntSteps({
    name: 'PopRequestCompletion',
    internal: true,
    doc: 'Completion routine of IRPs from PoRequestPowerIrp: tells the requester and frees the IRP.',
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP, Request: PVOID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Irp, Request }) {
        const { mem } = k;
        mem.copy(Request + P.IoStatus.offset, Irp + I.IoStatus.offset, 0x10);
        if (P.MinorFunction.get(mem, Request) === IRP_MN_SET_POWER && irpStatus(k, Irp) === STATUS_SUCCESS) {
          exchangeState(k, P.DeviceObject.get(mem, Request), DevicePowerState, P.PowerState.get(mem, Request));
        }
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
    },
  }),
  ntExport({
    name: 'PoRegisterDeviceForIdleDetection',
    doc: "Starts or stops counting a device's idle time; returns the counter to reset when it is used, or NULL.",
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT, ConservationIdleTime: ULONG, PerformanceIdleTime: ULONG, State: ULONG },
    returns: pointer('PULONG'),
    cycles: 60,
    status: 'partial',
    missing:
      'the machine runs at full power always: no device is ever idle, and NULL is returned, as on a system that does not save power',
    impl: () => 0,
  }),
];

function end(k: Kernel, irp: number, request: number) {
  exFreePool(k, request, 0);
  ioFreeIrp(k, irp);
  return ret(STATUS_MORE_PROCESSING_REQUIRED);
}
