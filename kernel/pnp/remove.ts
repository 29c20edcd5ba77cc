/**
 * How devices leave: asked and removed, or torn out. The requests go to the drivers of the children before those of the parent. What a removed device leaves is either its
 * node, with a problem code, because it is still there, or nothing. Source: WDK, "Removing a Device", IRP_MN_QUERY_REMOVE_DEVICE and the requests that follow it.
 */
import type { Kernel } from '../kernel.ts';
import { extensionOf, driverDevices, setExtensionFlags, X } from '../io/device.ts';
import { DRV } from '../io/driver.ts';
import { ntSuccess } from '../io/irp.ts';
import { LOAD_PACKET } from '../io/load.ts';
import { exFreePool } from '../mm/pool.ts';
import { equalNoCase, freeString } from '../ob/string.ts';
import {
  DOE_REMOVE_PENDING,
  DRVO_UNLOAD_INVOKED,
  IRP_MN_CANCEL_REMOVE_DEVICE,
  IRP_MN_CANCEL_STOP_DEVICE,
  IRP_MN_EJECT,
  IRP_MN_QUERY_DEVICE_RELATIONS,
  IRP_MN_QUERY_REMOVE_DEVICE,
  IRP_MN_QUERY_STOP_DEVICE,
  IRP_MN_REMOVE_DEVICE,
  IRP_MN_STOP_DEVICE,
  IRP_MN_SURPRISE_REMOVAL,
} from '../types/io.ts';
import { STATUS_DEVICE_BUSY, STATUS_INVALID_DEVICE_STATE, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, type Frame, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, VOID } from '../exports/declare.ts';
import { endInterfaces } from './interface.ts';
import {
  allNodes,
  bottomUp,
  CAPABILITY_EJECT_SUPPORTED,
  changeNodeFlags,
  CM_PROB_DISABLED,
  CM_PROB_DUPLICATE_DEVICE,
  CM_PROB_HELD_FOR_EJECT,
  DeviceNodeAwaitingQueuedRemoval,
  DeviceNodeInitialized,
  DeviceNodeRemoved,
  DeviceNodeStarted,
  DeviceNodeStopped,
  DeviceNodeUninitialized,
  DNF_GONE,
  DNF_NEEDS_ENUMERATION,
  DNF_NEEDS_STATE,
  DNF_RAW,
  DNF_RELATED,
  DNF_REPORTED,
  DNF_RESTART,
  hasDriver,
  instancePath,
  N,
  nodeFlags,
  nodeOf,
  unlinkNode,
} from './node.ts';
import { TARGET_DEVICE_QUERY_REMOVE, TARGET_DEVICE_REMOVE_CANCELLED, TARGET_DEVICE_REMOVE_COMPLETE } from './notify.ts';
import { EjectionRelations, relationObjects, releaseRelations, RemovalRelations } from './relations.ts';
import { inUse, stackOf } from './removal.ts';
import { sendFrame, sendPnp } from './send.ts';
import { withTree } from './tree.ts';

const pdoOf = (k: Kernel, node: number): number => N.PhysicalDeviceObject.get(k.mem, node);

/** Tells the drivers that registered for files on the device. */
const tellTargets = (k: Kernel, node: number, event: number, then: string): Outcome =>
  call(k.address('nt!PipNotifyTargetDeviceChange'), [pdoOf(k, node), event], then);

/** The device has no driver any more. */
function forgetDriver(k: Kernel, node: number, problem: number): void {
  const pdo = extensionOf(k, pdoOf(k, node));
  X.ExtensionFlags.set(k.mem, pdo, X.ExtensionFlags.get(k.mem, pdo) & ~DOE_REMOVE_PENDING);
  N.FunctionDriver.set(k.mem, node, 0);
  N.State.set(k.mem, node, DeviceNodeInitialized);
  N.Problem.set(k.mem, node, problem);
  changeNodeFlags(k, node, 0, DNF_RAW | DNF_GONE | DNF_RESTART | DNF_NEEDS_ENUMERATION | DNF_NEEDS_STATE);
}

const stopping: NtExport[] = [
  ntSteps({
    name: 'PipStopDevice',
    internal: true,
    doc: 'Asks the drivers whether the device may be stopped, and stops it.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { ...sendFrame, Status: u32 },
    steps: {
      start(k, f, _rax, { Node }) {
        if (N.State.get(k.mem, Node) !== DeviceNodeStarted) return ret(STATUS_INVALID_DEVICE_STATE);
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_QUERY_STOP_DEVICE, [], 'asked');
      },
      asked(k, f, rax, { Node }) {
        f.set('Status', rax);
        if (!ntSuccess(rax)) return sendPnp(k, f, pdoOf(k, Node), IRP_MN_CANCEL_STOP_DEVICE, [], 'refused');
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_STOP_DEVICE, [], 'stopped');
      },
      refused: (_k, f) => ret(f.get('Status')),
      stopped(k, _f, _rax, { Node }) {
        N.State.set(k.mem, Node, DeviceNodeStopped);
        return ret(STATUS_SUCCESS);
      },
    },
  }),
  ntSteps({
    name: 'PipRestartDevice',
    internal: true,
    doc: 'Stops a device whose needs have changed and starts it again; one that does not want to be stopped goes on as it is.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start: (k, _f, _rax, { Node }) => call(k.address('nt!PipStopDevice'), [Node], 'stopped'),
      stopped: (k, _f, rax, { Node }) => (ntSuccess(rax) ? call(k.address('nt!PipStartDevice'), [Node], 'started') : ret(rax)),
      started: (_k, _f, rax) => ret(rax),
    },
  }),
];

/** The devices that go when `node` does, and that have to be asked: those related to it, its children, itself, as far as they have drivers. */
const leaving = (k: Kernel, node: number): number[] => departing(k, node).filter(n => hasDriver(k, n));

/** The same with the children that have no drivers: they go too. */
function departing(k: Kernel, node: number): number[] {
  const roots = [...allNodes(k).filter(n => nodeFlags(k, n) & DNF_RELATED), node];
  return [...new Set(roots.flatMap(root => bottomUp(k, root).filter(n => n !== root || hasDriver(k, n))))];
}

const removeFrame = { ...sendFrame, Status: u32, Index: u32, Current: ptr, Driver: ptr } as const;
type RemoveFrame = Frame<typeof removeFrame>;

/** Asks the next device; when all have agreed they are removed. */
function askNext(k: Kernel, f: RemoveFrame, node: number): Outcome {
  const device = leaving(k, node)[f.get('Index')];
  if (!device) return removeNext(k, f, node);
  f.set('Current', device);
  return tellTargets(k, device, TARGET_DEVICE_QUERY_REMOVE, 'allowed');
}

/** Tells those that had agreed that nothing comes of it. */
function cancelNext(k: Kernel, f: RemoveFrame, node: number): Outcome {
  const index = f.get('Index');
  if (index === 0) return ret(f.get('Status'));
  f.set('Index', index - 1);
  f.set('Current', leaving(k, node)[index - 1]!);
  return sendPnp(k, f, pdoOf(k, f.get('Current')), IRP_MN_CANCEL_REMOVE_DEVICE, [], 'refused');
}

function removeNext(k: Kernel, f: RemoveFrame, node: number): Outcome {
  const [device] = departing(k, node);
  if (!device) return ret(STATUS_SUCCESS);
  f.set('Current', device);
  f.set('Driver', N.FunctionDriver.get(k.mem, device));
  return tellTargets(k, device, TARGET_DEVICE_REMOVE_COMPLETE, 'told');
}

const removing: NtExport[] = [
  ntSteps({
    name: 'PipRemoveStack',
    internal: true,
    doc: 'Sends IRP_MN_REMOVE_DEVICE: the drivers let go of the device; its interfaces end.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: sendFrame,
    steps: {
      start: (k, f, _rax, { Node }) => sendPnp(k, f, pdoOf(k, Node), IRP_MN_REMOVE_DEVICE, [], 'removed'),
      removed(k, _f, _rax, { Node }) {
        endInterfaces(k, Node);
        forgetDriver(k, Node, CM_PROB_DISABLED);
        return ret(STATUS_SUCCESS);
      },
    },
  }),
  ntSteps({
    name: 'PipRemoveDevice',
    internal: true,
    doc: 'Asks the drivers of a device, and of its children before it, whether it may be removed, and removes it. Open handles are a veto.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: removeFrame,
    steps: {
      start(k, f, _rax, { Node }) {
        if (!hasDriver(k, Node)) return ret(STATUS_INVALID_DEVICE_STATE);
        f.set('Index', 0);
        return askNext(k, f, Node);
      },
      allowed(k, f, rax) {
        f.set('Status', rax);
        if (!ntSuccess(rax)) return tellTargets(k, f.get('Current'), TARGET_DEVICE_REMOVE_CANCELLED, 'cancelled');
        return sendPnp(k, f, pdoOf(k, f.get('Current')), IRP_MN_QUERY_REMOVE_DEVICE, [], 'asked');
      },
      asked(k, f, rax, { Node }) {
        const status = ntSuccess(rax) && inUse(k, f.get('Current')) ? STATUS_DEVICE_BUSY : rax;
        f.set('Status', status);
        if (!ntSuccess(status)) return sendPnp(k, f, pdoOf(k, f.get('Current')), IRP_MN_CANCEL_REMOVE_DEVICE, [], 'refused');
        f.set('Index', f.get('Index') + 1);
        return askNext(k, f, Node);
      },
      refused: (k, f) => tellTargets(k, f.get('Current'), TARGET_DEVICE_REMOVE_CANCELLED, 'cancelled'),
      cancelled: (k, f, _rax, { Node }) => cancelNext(k, f, Node),
      told: (k, f) => call(k.address('nt!PipRemoveStack'), [f.get('Current')], 'removed'),
      removed(k, f, _rax, { Node }) {
        const device = f.get('Current');
        if (device === Node) return ret(STATUS_SUCCESS);
        // A related device is still there; a child goes with its parent.
        if (nodeFlags(k, device) & DNF_RELATED) return removeNext(k, f, Node);
        return call(k.address('nt!PipDeleteNode'), [device], 'deleted');
      },
      deleted: (k, f, _rax, { Node }) =>
        f.get('Driver') ? call(k.address('nt!PipUnloadIfUnused'), [f.get('Driver')], 'unloaded') : removeNext(k, f, Node),
      unloaded: (k, f, _rax, { Node }) => removeNext(k, f, Node),
    },
  }),
  ntSteps({
    name: 'PipDeleteNode',
    internal: true,
    doc: 'Takes a device that no driver has any more out of the tree, and the nodes under it; their physical device objects are given back, or deleted where they are the bus drivers of this kernel.',
    args: { Node: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: { Last: u32 },
    steps: {
      start: (k, f, _rax, { Node }) => deleteNext(k, f, Node),
      gone: (k, f, _rax, { Node }) => (f.get('Last') ? ret() : deleteNext(k, f, Node)),
    },
  }),
];

function deleteNext(k: Kernel, f: { set(n: 'Last', v: number): void }, top: number): Outcome {
  const node = bottomUp(k, top)[0]!;
  f.set('Last', node === top ? 1 : 0);
  const device = pdoOf(k, node);
  const reported = (nodeFlags(k, node) & DNF_REPORTED) !== 0;
  freeNode(k, node);
  return call(k.address(reported ? 'nt!ObfDereferenceObject' : 'nt!IoDeleteDevice'), [device], 'gone');
}

/** Frees a node without children with what hangs on it. Another device that bore its name and had to wait can be itself now. */
function freeNode(k: Kernel, node: number): void {
  const { mem } = k;
  const path = instancePath(k, node);
  endInterfaces(k, node);
  unlinkNode(k, node);
  X.DeviceNode.set(mem, extensionOf(k, pdoOf(k, node)), 0);
  for (const list of [N.ResourceList.get(mem, node), N.ResourceListTranslated.get(mem, node)]) if (list) exFreePool(k, list, 0);
  freeString(k, node + N.InstancePath.offset);
  freeString(k, node + N.ServiceName.offset);
  exFreePool(k, node, 0);
  const heir = allNodes(k).find(n => N.Problem.get(mem, n) === CM_PROB_DUPLICATE_DEVICE && equalNoCase(instancePath(k, n), path));
  if (!heir) return;
  N.Problem.set(mem, heir, 0);
  N.State.set(mem, heir, DeviceNodeUninitialized);
}

const surpriseFrame = { ...sendFrame, Index: u32 } as const;

/** Tells the drivers of the next device in the tree under `node`; when all know, they have the devices until nobody has one of them open. */
function tearNext(k: Kernel, f: Frame<typeof surpriseFrame>, node: number): Outcome {
  const all = bottomUp(k, node);
  let index = f.get('Index');
  while (index < all.length && !hasDriver(k, all[index]!)) index++;
  f.set('Index', index);
  const device = all[index];
  if (device) {
    for (const d of stackOf(k, device)) setExtensionFlags(k, d, DOE_REMOVE_PENDING);
    return sendPnp(k, f, pdoOf(k, device), IRP_MN_SURPRISE_REMOVAL, [], 'surprised');
  }
  for (const n of all) N.State.set(k.mem, n, DeviceNodeAwaitingQueuedRemoval);
  if (all.some(n => inUse(k, n))) return ret(STATUS_SUCCESS);
  N.State.set(k.mem, node, DeviceNodeRemoved);
  return call(k.address('nt!PipCompleteRemoval'), [node], 'gone');
}

const completeFrame = { Driver: ptr, Current: ptr } as const;
type CompleteFrame = Frame<typeof completeFrame>;

/** Removes the next device of those that were torn out with `node`, which is the last. */
function completeNext(k: Kernel, f: CompleteFrame, node: number): Outcome {
  if (f.get('Current') === node) return ret();
  const device = bottomUp(k, node)[0]!;
  f.set('Current', device);
  f.set('Driver', N.FunctionDriver.get(k.mem, device));
  return call(k.address('nt!PipRemoveStack'), [device], 'removed');
}

const unload = (k: Kernel, f: CompleteFrame, node: number): Outcome =>
  f.get('Driver') ? call(k.address('nt!PipUnloadIfUnused'), [f.get('Driver')], 'unloaded') : completeNext(k, f, node);

const tearing: NtExport[] = [
  ntSteps({
    name: 'PipSurpriseRemove',
    internal: true,
    doc: 'Tells the drivers that the device is gone, with what is under it; the removal follows when the last handle is closed.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: surpriseFrame,
    steps: {
      start(k, f, _rax, { Node }) {
        f.set('Index', 0);
        return tearNext(k, f, Node);
      },
      surprised: (k, f, _rax, { Node }) =>
        tellTargets(k, bottomUp(k, Node)[f.get('Index')]!, TARGET_DEVICE_REMOVE_COMPLETE, 'told'),
      told(k, f, _rax, { Node }) {
        const index = f.get('Index');
        endInterfaces(k, bottomUp(k, Node)[index]!);
        f.set('Index', index + 1);
        return tearNext(k, f, Node);
      },
      gone: () => ret(STATUS_SUCCESS),
    },
  }),
  ntSteps({
    name: 'PipCompleteRemoval',
    internal: true,
    doc: 'Removes a device that was torn out, with what is under it. Its node stays where the device is still there and has a problem.',
    args: { Node: PVOID },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: completeFrame,
    steps: {
      start(k, f, _rax, { Node }) {
        f.set('Current', 0);
        return completeNext(k, f, Node);
      },
      removed(k, f, _rax, { Node }) {
        const device = f.get('Current');
        const problem = device === Node ? N.AfterRemoval.get(k.mem, Node) : 0;
        if (!problem) return call(k.address('nt!PipDeleteNode'), [device], 'deleted');
        N.AfterRemoval.set(k.mem, Node, 0);
        N.Problem.set(k.mem, Node, problem);
        return unload(k, f, Node);
      },
      deleted: (k, f, _rax, { Node }) => unload(k, f, Node),
      unloaded: (k, f, _rax, { Node }) => completeNext(k, f, Node),
    },
  }),
  ntSteps({
    name: 'PipCompleteRemovalThread',
    internal: true,
    doc: 'System thread: finishes the removal of a device when its last handle was closed, and what that makes possible.',
    args: { Node: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start: (k, _f, _rax, { Node }) => withTree(k, 'PipCompleteRemoval', Node, 0, 'removed'),
      removed: k => withTree(k, 'PipProcessTree', 0, 0, 'done'),
      done: () => ret(),
    },
  }),
  ntSteps({
    name: 'PipUnloadIfUnused',
    internal: true,
    doc: 'Unloads a Plug and Play driver whose last device has gone.',
    args: { DriverObject: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    frame: { Packet: LOAD_PACKET },
    steps: {
      start(k, f, _rax, { DriverObject }) {
        const { mem } = k;
        const flags = DRV.Flags.get(mem, DriverObject);
        if (driverDevices(k, DriverObject).length || !DRV.DriverUnload.get(mem, DriverObject) || flags & DRVO_UNLOAD_INVOKED)
          return ret(STATUS_SUCCESS);
        DRV.Flags.set(mem, DriverObject, flags | DRVO_UNLOAD_INVOKED);
        const packet = f.get('Packet');
        mem.fill(packet, LOAD_PACKET.size, 0);
        LOAD_PACKET.f.DriverObject.set(mem, packet, DriverObject);
        LOAD_PACKET.f.Unload.set(mem, packet, 1);
        return call(k.address('nt!IopSubmitLoad'), [packet], 'done');
      },
      done: (_k, _f, rax) => ret(rax),
    },
  }),
  ntSteps({
    name: 'PipRemoveDriverDevices',
    internal: true,
    doc: 'Removes every device of a driver, before it is unloaded. Stops at the first that refuses.',
    args: { DriverObject: PVOID, Unused: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: { Unused2: u32 },
    steps: {
      start: (k, _f, _rax, { DriverObject }) => removeNextOf(k, DriverObject),
      removed: (k, _f, rax, { DriverObject }) => (ntSuccess(rax) ? removeNextOf(k, DriverObject) : ret(rax)),
    },
  }),
];

function removeNextOf(k: Kernel, driver: number): Outcome {
  const node = allNodes(k).find(n => N.FunctionDriver.get(k.mem, n) === driver);
  return node ? call(k.address('nt!PipRemoveDevice'), [node], 'removed') : ret(STATUS_SUCCESS);
}

const ejectFrame = { ...sendFrame, Relations: ptr, Index: u32, Kind: u32, Status: u32 } as const;
type EjectFrame = Frame<typeof ejectFrame>;

const askRelations = (k: Kernel, f: EjectFrame, node: number): Outcome =>
  sendPnp(k, f, pdoOf(k, node), IRP_MN_QUERY_DEVICE_RELATIONS, [f.get('Kind')], 'related');

/** The relations of one kind are known; the other kind, then the removal. */
function nextRelations(k: Kernel, f: EjectFrame, node: number): Outcome {
  if (f.get('Kind') === RemovalRelations) {
    f.set('Kind', EjectionRelations);
    return askRelations(k, f, node);
  }
  return hasDriver(k, node) ? call(k.address('nt!PipRemoveDevice'), [node], 'removed') : ejectNow(k, f, node);
}

function ejectNow(k: Kernel, f: EjectFrame, node: number): Outcome {
  endRelations(k);
  N.Problem.set(k.mem, node, CM_PROB_HELD_FOR_EJECT);
  const parent = N.Parent.get(k.mem, node);
  if (parent) changeNodeFlags(k, parent, DNF_NEEDS_ENUMERATION);
  if (!(N.Capabilities.get(k.mem, node) & CAPABILITY_EJECT_SUPPORTED)) return ret(STATUS_SUCCESS);
  return sendPnp(k, f, pdoOf(k, node), IRP_MN_EJECT, [], 'ejected');
}

function endRelations(k: Kernel): void {
  for (const n of allNodes(k)) changeNodeFlags(k, n, 0, DNF_RELATED);
}

const ejecting: NtExport[] = [
  ntSteps({
    name: 'PipEjectDevice',
    internal: true,
    doc: 'Removes a device in order, with those that leave when it does, and has its bus driver eject it. A device that cannot be ejected stays removed until it is taken out.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: ejectFrame,
    steps: {
      start(k, f, _rax, { Node }) {
        f.set('Kind', RemovalRelations);
        return askRelations(k, f, Node);
      },
      related(k, f, rax, { Node }) {
        const relations = ntSuccess(rax) ? Number(BigInt.asIntN(64, f.get('Information'))) : 0;
        for (const device of relationObjects(k, relations)) {
          const other = device ? nodeOf(k, device) : 0;
          if (other && other !== Node) changeNodeFlags(k, other, DNF_RELATED);
        }
        f.set('Relations', relations);
        f.set('Index', 0);
        return releaseRelations(k, f, 'released', () => nextRelations(k, f, Node));
      },
      released: (k, f, _rax, { Node }) => releaseRelations(k, f, 'released', () => nextRelations(k, f, Node)),
      removed(k, f, rax, { Node }) {
        if (ntSuccess(rax)) return ejectNow(k, f, Node);
        endRelations(k);
        return ret(rax);
      },
      ejected: (_k, _f, rax) => ret(rax),
    },
  }),
];

export const exports: NtExport[] = [...stopping, ...removing, ...tearing, ...ejecting];
