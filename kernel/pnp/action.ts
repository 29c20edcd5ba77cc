/**
 * What drivers want done to devices, from any IRQL: it goes into a list, which a worker thread works off with the tree locked. Source: the WDK page of each routine.
 */
import type { Kernel } from '../kernel.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { PDEVICE_OBJECT } from '../io/call.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObject } from '../ob/object.ts';
import { initializeListHead, insertTailList, removeHeadList } from '../rtl/list.ts';
import { CriticalWorkQueue, WORK_QUEUE_ITEM } from '../types/ex.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, ULONG, VOID } from '../exports/declare.ts';
import { changeNodeFlags, DNF_NEEDS_ENUMERATION, DNF_NEEDS_STATE, nodeOf } from './node.ts';
import { BusRelations, nodeOfPdo, SingleBusRelations } from './relations.ts';
import { withTree } from './tree.ts';

/** A wish. It holds a reference of the device. */
const REQUEST = struct('_PI_DEVICE_REQUEST', { Link: LIST_ENTRY, Device: ptr, Action: u32 });
const R = REQUEST.f;
const ENUMERATE = 0,
  QUERY_STATE = 1,
  EJECT = 2;
const TAG = poolTag('PnpR');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

const head = (k: Kernel): number => {
  const at = k.global.address('PnpEnumerationRequestList');
  if (k.mem.readPtr(at) === 0) initializeListHead(k.mem, at);
  return at;
};

/** Puts a wish into the list and sees that somebody works at it. Without pool it is lost, as there is nobody to tell. */
function request(k: Kernel, device: number, action: number): void {
  const { mem } = k;
  const at = exAllocatePool(k, NonPagedPoolNx, REQUEST.size, TAG);
  if (!at) return;
  obReferenceObject(k, device);
  R.Device.set(mem, at, device);
  R.Action.set(mem, at, action);
  insertTailList(mem, head(k), at);
  if (k.global.get('PnpEnumerationInProgress')) return;
  k.global.set('PnpEnumerationInProgress', 1);
  const item = k.global.address('PnpDeviceEnumerationWorkItem');
  WORK_QUEUE_ITEM.f.WorkerRoutine.set(mem, item, k.address('nt!PnpDeviceActionWorker'));
  WORK_QUEUE_ITEM.f.Parameter.set(mem, item, 0);
  exQueueWorkItem(k, item, CriticalWorkQueue);
}

const nextFrame = { Device: ptr, Action: u32 } as const;

function nextRequest(k: Kernel, f: { set(n: 'Device' | 'Action', v: number): void }): Outcome {
  const at = removeHeadList(k.mem, head(k));
  if (!at) {
    k.global.set('PnpEnumerationInProgress', 0);
    return ret();
  }
  const device = R.Device.get(k.mem, at);
  const action = R.Action.get(k.mem, at);
  exFreePool(k, at, TAG);
  f.set('Device', device);
  f.set('Action', action);
  return withTree(k, 'PipProcessRequest', device, action, 'done');
}

export const exports: NtExport[] = [
  ntExport({
    name: 'IoInvalidateDeviceRelations',
    doc: 'Tells the Plug and Play manager that the children of a device have changed: it asks for them again. Other relations are asked for when they are needed.',
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT, Type: ULONG },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl(k, { DeviceObject, Type }) {
      nodeOfPdo(k, 'IoInvalidateDeviceRelations', DeviceObject);
      if (Type === BusRelations || Type === SingleBusRelations) request(k, DeviceObject, ENUMERATE);
    },
  }),
  ntExport({
    name: 'IoInvalidateDeviceState',
    doc: 'Has the Plug and Play manager ask for the state of a device again, and act on it.',
    irql: DISPATCH,
    args: { PhysicalDeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl(k, { PhysicalDeviceObject }) {
      nodeOfPdo(k, 'IoInvalidateDeviceState', PhysicalDeviceObject);
      request(k, PhysicalDeviceObject, QUERY_STATE);
    },
  }),
  ntExport({
    name: 'IoRequestDeviceEject',
    doc: 'Says that somebody wants a device ejected: it is removed in order, with what depends on it, and ejected.',
    irql: DISPATCH,
    args: { PhysicalDeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl(k, { PhysicalDeviceObject }) {
      nodeOfPdo(k, 'IoRequestDeviceEject', PhysicalDeviceObject);
      request(k, PhysicalDeviceObject, EJECT);
    },
  }),
  ntSteps({
    name: 'PnpDeviceActionWorker',
    internal: true,
    doc: 'Worker: does to devices what drivers asked for, one after the other.',
    args: { Parameter: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: nextFrame,
    steps: {
      start: (k, f) => nextRequest(k, f),
      done: (k, f) => call(k.address('nt!ObfDereferenceObject'), [f.get('Device')], 'released'),
      released: (k, f) => nextRequest(k, f),
    },
  }),
  ntSteps({
    name: 'PipProcessRequest',
    internal: true,
    doc: 'Carries out one wish, and what the tree needs after it.',
    args: { Device: PVOID, Action: ULONG },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start(k, _f, _rax, { Device, Action }) {
        // The device may have gone since.
        const node = nodeOf(k, Device);
        if (!node) return ret(STATUS_SUCCESS);
        if (Action === EJECT) return call(k.address('nt!PipEjectDevice'), [node], 'acted');
        changeNodeFlags(k, node, Action === QUERY_STATE ? DNF_NEEDS_STATE : DNF_NEEDS_ENUMERATION);
        return call(k.address('nt!PipProcessTree'), [0, 0], 'done');
      },
      acted: k => call(k.address('nt!PipProcessTree'), [0, 0], 'done'),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
];
