/**
 * What happens to a device: it gets a driver (AddDevice), resources and a start; it is stopped, removed, or torn out. Each sequence is a routine with steps that runs in the thread
 * of whoever asked; the requests go to the whole stack of the device.
 */
import type { Kernel } from '../kernel.ts';
import { driverDevices, extensionOf, setExtensionFlags, X } from '../io/device.ts';
import { DRV, DRX } from '../io/driver.ts';
import { LOAD_PACKET } from '../io/load.ts';
import { ntSuccess } from '../io/irp.ts';
import { exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, equalNoCase, freeString, readString } from '../ob/string.ts';
import {
  DOE_REMOVE_PENDING,
  DOE_START_PENDING,
  DRVO_UNLOAD_INVOKED,
  IRP_MN_CANCEL_REMOVE_DEVICE,
  IRP_MN_CANCEL_STOP_DEVICE,
  IRP_MN_FILTER_RESOURCE_REQUIREMENTS,
  IRP_MN_QUERY_CAPABILITIES,
  IRP_MN_QUERY_DEVICE_RELATIONS,
  IRP_MN_QUERY_PNP_DEVICE_STATE,
  IRP_MN_QUERY_REMOVE_DEVICE,
  IRP_MN_QUERY_RESOURCE_REQUIREMENTS,
  IRP_MN_QUERY_STOP_DEVICE,
  IRP_MN_REMOVE_DEVICE,
  IRP_MN_START_DEVICE,
  IRP_MN_STOP_DEVICE,
  IRP_MN_SURPRISE_REMOVAL,
} from '../types/io.ts';
import { DEVICE_CAPABILITIES } from '../types/pnp.ts';
import {
  STATUS_DEVICE_BUSY,
  STATUS_INVALID_DEVICE_STATE,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_SUCH_DEVICE,
  STATUS_PLUGPLAY_NO_DEVICE,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, u32, u64 } from '../types/struct.ts';
import {
  call,
  type Frame,
  type NtExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { enumeratePci } from './enumerate.ts';
import { driverService, matchingNodes, rootNodeFor } from './match.ts';
import {
  allNodes,
  DeviceNodeAwaitingQueuedRemoval,
  DeviceNodeDriversAdded,
  DeviceNodeInitialized,
  DeviceNodeRemoved,
  DeviceNodeStarted,
  DeviceNodeStopped,
  instancePath,
  N,
  serviceName,
  unlinkNode,
} from './node.ts';
import { assignMessage } from './message.ts';
import { TARGET_DEVICE_QUERY_REMOVE, TARGET_DEVICE_REMOVE_CANCELLED, TARGET_DEVICE_REMOVE_COMPLETE } from './notify.ts';
import { inUse, stackOf } from './removal.ts';
import { sendFrame, sendPnp } from './send.ts';
import { driverOfService } from '../io/load.ts';

/** CM_PROB_*: why a device has no working driver. */
const CM_PROB_FAILED_START = 10,
  CM_PROB_FAILED_ADD = 31,
  CM_PROB_DISABLED = 22;
const BusRelations = 0;
/** Actions of PipDeviceAction: OP_PNP's codes. */
const ENUMERATE = 0,
  START = 1,
  STOP = 2,
  REMOVE = 3,
  SURPRISE = 4;

const pdoOf = (k: Kernel, node: number): number => N.PhysicalDeviceObject.get(k.mem, node);

/** Tells the drivers that registered for files on the device. */
const tellTargets = (k: Kernel, node: number, event: number, then: string): Outcome =>
  call(k.address('nt!PipNotifyTargetDeviceChange'), [pdoOf(k, node), event], then);

const addFrame = { Node: ptr, Started: u32, Failure: u32, RootTried: u32 } as const;
type AddFrame = Frame<typeof addFrame>;

/** Gives the driver its next device. A device that was tried has a problem code until the round is over. */
function addNext(k: Kernel, f: AddFrame, driver: number): Outcome {
  const { mem } = k;
  let node = matchingNodes(k, driver).find(n => !N.Problem.get(mem, n)) ?? 0;
  if (!node && !f.get('Started') && !f.get('Failure') && !f.get('RootTried')) {
    f.set('RootTried', 1);
    node = rootNodeFor(k, driver);
  }
  if (!node) {
    if (f.get('Started')) return ret(STATUS_SUCCESS);
    return ret(f.get('Failure') || STATUS_PLUGPLAY_NO_DEVICE);
  }
  f.set('Node', node);
  const addDevice = DRX.AddDevice.get(mem, DRV.DriverExtension.get(mem, driver));
  return call(addDevice, [driver, pdoOf(k, node)], 'added');
}

const startFrame = { ...sendFrame, Requirements: u64, Capabilities: DEVICE_CAPABILITIES, Status: u32 } as const;

/** Frees what a request returned in its Information, when it is a pool block. */
function freeInformation(k: Kernel, value: bigint): void {
  if (value) exFreePool(k, Number(BigInt.asIntN(64, value)), 0);
}

function relationObjects(k: Kernel, relations: bigint): number[] {
  if (!relations) return [];
  const at = Number(BigInt.asIntN(64, relations));
  return Array.from({ length: Math.min(k.mem.read32(at), 1024) }, (_, i) => k.mem.readPtr(at + 8 + i * 8));
}

const starting: NtExport[] = [
  ntSteps({
    name: 'PipDriverLoaded',
    internal: true,
    doc: "Calls a Plug and Play driver's AddDevice for each device that it is for, and starts them. Succeeds when one has started, or for a driver without AddDevice.",
    args: { DriverObject: PVOID },
    returns: NTSTATUS,
    cycles: 800,
    status: 'full',
    frame: addFrame,
    steps: {
      start(k, f, _rax, { DriverObject }) {
        if (!DRX.AddDevice.get(k.mem, DRV.DriverExtension.get(k.mem, DriverObject))) return ret(STATUS_SUCCESS);
        for (const node of allNodes(k)) if (!N.FunctionDriver.get(k.mem, node)) N.Problem.set(k.mem, node, 0);
        f.set('Started', 0);
        f.set('Failure', 0);
        f.set('RootTried', 0);
        return addNext(k, f, DriverObject);
      },
      added(k, f, rax, { DriverObject }) {
        const node = f.get('Node');
        if (!ntSuccess(rax)) {
          N.Problem.set(k.mem, node, CM_PROB_FAILED_ADD);
          f.set('Failure', rax);
          return addNext(k, f, DriverObject);
        }
        N.FunctionDriver.set(k.mem, node, DriverObject);
        N.State.set(k.mem, node, DeviceNodeDriversAdded);
        freeString(k, node + N.ServiceName.offset);
        allocateString(k, node + N.ServiceName.offset, driverService(k, DriverObject), poolTag('Devn'));
        return call(k.address('nt!PipStartDevice'), [node], 'started');
      },
      started(k, f, rax, { DriverObject }) {
        if (ntSuccess(rax)) f.set('Started', f.get('Started') + 1);
        else {
          N.Problem.set(k.mem, f.get('Node'), CM_PROB_FAILED_START);
          f.set('Failure', rax);
        }
        return addNext(k, f, DriverObject);
      },
    },
  }),
  ntSteps({
    name: 'PipStartDevice',
    internal: true,
    doc: 'Starts a device with its resources, then asks for its capabilities, state and children. A device that fails to start is removed.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 800,
    status: 'partial',
    missing: 'children that a driver reports are not enumerated',
    frame: startFrame,
    steps: {
      start(k, f, _rax, { Node }) {
        for (const device of stackOf(k, Node)) setExtensionFlags(k, device, DOE_START_PENDING);
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_QUERY_RESOURCE_REQUIREMENTS, [], 'requirements');
      },
      requirements(k, f, rax, { Node }) {
        f.set('Requirements', ntSuccess(rax) ? f.get('Information') : 0n);
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_FILTER_RESOURCE_REQUIREMENTS, [f.get('Requirements')], 'filtered');
      },
      filtered(k, f, rax, { Node }) {
        const own = f.get('Requirements');
        const filtered = ntSuccess(rax) ? f.get('Information') : 0n;
        // A filter that replaces the list frees the one that it was given.
        freeInformation(k, filtered !== 0n ? filtered : own);
        assignMessage(k, Node);
        const lists = [N.ResourceList.get(k.mem, Node), N.ResourceListTranslated.get(k.mem, Node)];
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_START_DEVICE, lists, 'started');
      },
      started(k, f, rax, { Node }) {
        f.set('Status', rax);
        for (const device of stackOf(k, Node)) clearStartPending(k, device);
        if (!ntSuccess(rax)) return call(k.address('nt!PipRemoveStack'), [Node], 'removed');
        N.State.set(k.mem, Node, DeviceNodeStarted);
        N.Problem.set(k.mem, Node, 0);
        const c = f.get('Capabilities');
        k.mem.fill(c, DEVICE_CAPABILITIES.size, 0);
        DEVICE_CAPABILITIES.f.Size.set(k.mem, c, DEVICE_CAPABILITIES.size);
        DEVICE_CAPABILITIES.f.Version.set(k.mem, c, 1);
        DEVICE_CAPABILITIES.f.Address.set(k.mem, c, 0xffffffff);
        DEVICE_CAPABILITIES.f.UINumber.set(k.mem, c, 0xffffffff);
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_QUERY_CAPABILITIES, [c], 'capabilities');
      },
      capabilities(k, f, rax, { Node }) {
        if (ntSuccess(rax)) N.Capabilities.set(k.mem, Node, DEVICE_CAPABILITIES.f.Flags.get(k.mem, f.get('Capabilities')));
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_QUERY_PNP_DEVICE_STATE, [], 'state');
      },
      state: (k, f, _rax, { Node }) => sendPnp(k, f, pdoOf(k, Node), IRP_MN_QUERY_DEVICE_RELATIONS, [BusRelations], 'relations'),
      relations(k, f, rax) {
        if (!ntSuccess(rax)) return ret(STATUS_SUCCESS);
        f.set('Requirements', f.get('Information'));
        return release(k, f, 0);
      },
      released: (k, f) => release(k, f, f.get('Status') + 1),
      removed: (_k, f) => ret(f.get('Status')),
    },
  }),
];

function clearStartPending(k: Kernel, device: number): void {
  const x = extensionOf(k, device);
  X.ExtensionFlags.set(k.mem, x, X.ExtensionFlags.get(k.mem, x) & ~DOE_START_PENDING);
}

/** Gives the references of a relations list back, one at a time, then the list. */
function release(k: Kernel, f: { get(n: 'Requirements'): bigint; set(n: 'Status', v: number): void }, index: number): Outcome {
  const relations = f.get('Requirements');
  const object = relationObjects(k, relations)[index];
  if (object === undefined) {
    freeInformation(k, relations);
    return ret(STATUS_SUCCESS);
  }
  f.set('Status', index);
  return call(k.address('nt!ObfDereferenceObject'), [object], 'released');
}

/** The device has no driver any more. */
function forgetDriver(k: Kernel, node: number, problem: number): void {
  N.FunctionDriver.set(k.mem, node, 0);
  N.State.set(k.mem, node, DeviceNodeInitialized);
  N.Problem.set(k.mem, node, problem);
}

const ending: NtExport[] = [
  ntSteps({
    name: 'PipRemoveStack',
    internal: true,
    doc: 'Sends IRP_MN_REMOVE_DEVICE: the drivers let go of the device.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: sendFrame,
    steps: {
      start: (k, f, _rax, { Node }) => sendPnp(k, f, pdoOf(k, Node), IRP_MN_REMOVE_DEVICE, [], 'removed'),
      removed(k, _f, _rax, { Node }) {
        forgetDriver(k, Node, CM_PROB_DISABLED);
        return ret(STATUS_SUCCESS);
      },
    },
  }),
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
    name: 'PipRemoveDevice',
    internal: true,
    doc: 'Asks the drivers whether the device may be removed, and removes it. Open handles are a veto.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { ...sendFrame, Status: u32 },
    steps: {
      start(k, _f, _rax, { Node }) {
        if (!N.FunctionDriver.get(k.mem, Node)) return ret(STATUS_INVALID_DEVICE_STATE);
        return tellTargets(k, Node, TARGET_DEVICE_QUERY_REMOVE, 'allowed');
      },
      allowed(k, f, rax, { Node }) {
        f.set('Status', rax);
        if (!ntSuccess(rax)) return tellTargets(k, Node, TARGET_DEVICE_REMOVE_CANCELLED, 'cancelled');
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_QUERY_REMOVE_DEVICE, [], 'asked');
      },
      asked(k, f, rax, { Node }) {
        const status = ntSuccess(rax) && inUse(k, Node) ? STATUS_DEVICE_BUSY : rax;
        f.set('Status', status);
        if (!ntSuccess(status)) return sendPnp(k, f, pdoOf(k, Node), IRP_MN_CANCEL_REMOVE_DEVICE, [], 'refused');
        return tellTargets(k, Node, TARGET_DEVICE_REMOVE_COMPLETE, 'told');
      },
      told: (k, _f, _rax, { Node }) => call(k.address('nt!PipRemoveStack'), [Node], 'removed'),
      refused: (k, _f, _rax, { Node }) => tellTargets(k, Node, TARGET_DEVICE_REMOVE_CANCELLED, 'cancelled'),
      cancelled: (_k, f) => ret(f.get('Status')),
      removed: () => ret(STATUS_SUCCESS),
    },
  }),
  ntSteps({
    name: 'PipSurpriseRemove',
    internal: true,
    doc: 'Tells the drivers that the device is gone; the removal follows when the last handle is closed.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: sendFrame,
    steps: {
      start(k, f, _rax, { Node }) {
        for (const device of stackOf(k, Node)) setExtensionFlags(k, device, DOE_REMOVE_PENDING);
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_SURPRISE_REMOVAL, [], 'surprised');
      },
      surprised: (k, _f, _rax, { Node }) => tellTargets(k, Node, TARGET_DEVICE_REMOVE_COMPLETE, 'told'),
      told(k, _f, _rax, { Node }) {
        const open = inUse(k, Node);
        N.State.set(k.mem, Node, open ? DeviceNodeAwaitingQueuedRemoval : DeviceNodeRemoved);
        return open ? ret(STATUS_SUCCESS) : call(k.address('nt!PipCompleteRemoval'), [Node], 'gone');
      },
      gone: () => ret(STATUS_SUCCESS),
    },
  }),
  ntSteps({
    name: 'PipCompleteRemoval',
    internal: true,
    doc: 'Removes a device that is not there any more, with its node and its physical device object.',
    args: { Node: PVOID },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: { Driver: ptr, Device: ptr },
    steps: {
      start(k, f, _rax, { Node }) {
        f.set('Driver', N.FunctionDriver.get(k.mem, Node));
        f.set('Device', pdoOf(k, Node));
        return call(k.address('nt!PipRemoveStack'), [Node], 'removed');
      },
      removed(k, f, _rax, { Node }) {
        const device = f.get('Device');
        unlinkNode(k, Node);
        X.DeviceNode.set(k.mem, extensionOf(k, device), 0);
        for (const list of [N.ResourceList.get(k.mem, Node), N.ResourceListTranslated.get(k.mem, Node)])
          if (list) exFreePool(k, list, 0);
        freeString(k, Node + N.InstancePath.offset);
        freeString(k, Node + N.ServiceName.offset);
        exFreePool(k, Node, 0);
        return call(k.address('nt!IoDeleteDevice'), [device], 'deleted');
      },
      deleted: (k, f) => (f.get('Driver') ? call(k.address('nt!PipUnloadIfUnused'), [f.get('Driver')], 'done') : ret()),
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
    args: { DriverObject: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { DriverObject }) => removeNext(k, DriverObject),
      removed: (k, _f, rax, { DriverObject }) => (ntSuccess(rax) ? removeNext(k, DriverObject) : ret(rax)),
    },
  }),
];

function removeNext(k: Kernel, driver: number): Outcome {
  const node = allNodes(k).find(n => N.FunctionDriver.get(k.mem, n) === driver);
  return node ? call(k.address('nt!PipRemoveDevice'), [node], 'removed') : ret(STATUS_SUCCESS);
}

/** The node whose instance path is, or begins with, a text; several that begin with it are ambiguous, and the first in the tree is taken. */
export function findNode(k: Kernel, path: string): number {
  const nodes = allNodes(k);
  return (
    nodes.find(n => equalNoCase(instancePath(k, n), path)) ??
    nodes.find(n => path !== '' && instancePath(k, n).toUpperCase().startsWith(path.toUpperCase())) ??
    0
  );
}

const acting: NtExport[] = [
  ntSteps({
    name: 'PipDeviceAction',
    internal: true,
    doc: 'Does to a device, named by its instance path, what somebody outside asks for: enumerate (0), start (1), stop (2), query-remove and remove (3), surprise removal (4).',
    args: { InstancePath: pointer('PUNICODE_STRING'), Action: ULONG },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Driver: ptr },
    steps: {
      start(k, f, _rax, { InstancePath, Action }) {
        const { mem } = k;
        f.set('Driver', 0);
        if (Action === ENUMERATE) {
          enumeratePci(k);
          return ret(STATUS_SUCCESS);
        }
        const node = findNode(k, readString(k, InstancePath));
        if (!node) return ret(STATUS_NO_SUCH_DEVICE);
        const driver = N.FunctionDriver.get(mem, node);
        f.set('Driver', driver);
        switch (Action) {
          case START: {
            if (driver)
              return N.State.get(mem, node) === DeviceNodeStarted
                ? ret(STATUS_INVALID_DEVICE_STATE)
                : call(k.address('nt!PipStartDevice'), [node], 'done');
            const service = serviceName(k, node);
            const loaded = service ? driverOfService(k, service) : 0;
            return loaded ? call(k.address('nt!PipDriverLoaded'), [loaded], 'done') : ret(STATUS_PLUGPLAY_NO_DEVICE);
          }
          case STOP:
            return call(k.address('nt!PipStopDevice'), [node], 'done');
          case REMOVE:
            return call(k.address('nt!PipRemoveDevice'), [node], 'removed');
          case SURPRISE:
            return call(k.address('nt!PipSurpriseRemove'), [node], 'done');
          default:
            return ret(STATUS_INVALID_PARAMETER);
        }
      },
      removed(k, f, rax) {
        return ntSuccess(rax) && f.get('Driver')
          ? call(k.address('nt!PipUnloadIfUnused'), [f.get('Driver')], 'unloaded')
          : ret(rax);
      },
      unloaded: () => ret(STATUS_SUCCESS),
      done: (_k, _f, rax) => ret(rax),
    },
  }),
];

export const exports: NtExport[] = [...starting, ...ending, ...acting];
