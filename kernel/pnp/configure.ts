/**
 * Devices get drivers and are started: AddDevice of each driver of the stack from the bottom up, then IRP_MN_START_DEVICE with the device's resources. Source: WDK, "Adding a
 * PnP Device to a Running System", IRP_MN_START_DEVICE.
 */
import type { Kernel } from '../kernel.ts';
import { cmSetValue, regDword } from '../cm/registry.ts';
import { extensionOf, setExtensionFlags, X } from '../io/device.ts';
import { DRV, DRX } from '../io/driver.ts';
import { ntSuccess } from '../io/irp.ts';
import { exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, freeString } from '../ob/string.ts';
import { REG_DWORD } from '../types/cm.ts';
import {
  DOE_START_PENDING,
  IRP_MN_FILTER_RESOURCE_REQUIREMENTS,
  IRP_MN_QUERY_CAPABILITIES,
  IRP_MN_QUERY_RESOURCE_REQUIREMENTS,
  IRP_MN_START_DEVICE,
} from '../types/io.ts';
import { DEVICE_CAPABILITIES } from '../types/pnp.ts';
import { STATUS_PLUGPLAY_NO_DEVICE, STATUS_SUCCESS, STATUS_UNSUCCESSFUL } from '../types/status.ts';
import { ptr, u32, u64 } from '../types/struct.ts';
import { call, type Frame, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret } from '../exports/declare.ts';
import { initializeCapabilities, keepCapabilities } from './identify.ts';
import { enablePendingInterfaces } from './interface.ts';
import { driverFor, driverService, installSoftwareKey, matchingNodes, rootNodeFor, stackDrivers } from './match.ts';
import { assignMessage } from './message.ts';
import {
  allNodes,
  CAPABILITY_RAW_DEVICE_OK,
  changeNodeFlags,
  children,
  CM_PROB_DRIVER_FAILED_LOAD,
  CM_PROB_FAILED_ADD,
  CM_PROB_FAILED_INSTALL,
  CM_PROB_FAILED_START,
  DeviceNodeDriversAdded,
  DeviceNodeStarted,
  DNF_GONE,
  DNF_NEEDS_DRIVERS,
  DNF_NEEDS_ENUMERATION,
  DNF_NEEDS_STATE,
  DNF_RAW,
  enumKey,
  N,
} from './node.ts';
import { stackOf } from './removal.ts';
import { sendFrame, sendPnp } from './send.ts';

const CONFIGFLAG_FAILEDINSTALL = 0x40;
const pdoOf = (k: Kernel, node: number): number => N.PhysicalDeviceObject.get(k.mem, node);

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
  if (!node) return call(k.address('nt!PipProcessTree'), [0, 0], 'processed');
  f.set('Node', node);
  return call(k.address('nt!PipAddDrivers'), [node, driver], 'added');
}

const loading: NtExport[] = [
  ntSteps({
    name: 'PipDriverLoaded',
    internal: true,
    doc: 'Gives a Plug and Play driver that was loaded the devices that it is for, and starts them. Succeeds when one has started.',
    args: { DriverObject: PVOID, Unused: PVOID },
    returns: NTSTATUS,
    cycles: 800,
    status: 'full',
    frame: addFrame,
    steps: {
      start(k, f, _rax, { DriverObject }) {
        for (const node of matchingNodes(k, DriverObject)) N.Problem.set(k.mem, node, 0);
        // A driver that has found its device by itself needs no other.
        f.set('Started', allNodes(k).some(n => N.FunctionDriver.get(k.mem, n) === DriverObject) ? 1 : 0);
        f.set('Failure', 0);
        f.set('RootTried', 0);
        return addNext(k, f, DriverObject);
      },
      added(k, f, rax, { DriverObject }) {
        if (ntSuccess(rax)) return call(k.address('nt!PipStartDevice'), [f.get('Node')], 'started');
        f.set('Failure', rax);
        return addNext(k, f, DriverObject);
      },
      started(k, f, rax, { DriverObject }) {
        if (ntSuccess(rax)) f.set('Started', f.get('Started') + 1);
        else f.set('Failure', rax);
        return addNext(k, f, DriverObject);
      },
      processed: (_k, f) => ret(f.get('Started') ? STATUS_SUCCESS : f.get('Failure') || STATUS_PLUGPLAY_NO_DEVICE),
    },
  }),
  ntSteps({
    name: 'PipConfigureDevice',
    internal: true,
    doc: 'Finds the drivers of a new device and starts it with them, or with its bus driver alone where that will do.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start(k, _f, _rax, { Node }) {
        const driver = driverFor(k, Node);
        const raw = (N.Capabilities.get(k.mem, Node) & CAPABILITY_RAW_DEVICE_OK) !== 0;
        if (driver || raw) return call(k.address('nt!PipAddDrivers'), [Node, driver], 'added');
        const key = enumKey(k, Node);
        if (key) cmSetValue(k, key, 'ConfigFlags', REG_DWORD, regDword(CONFIGFLAG_FAILEDINSTALL));
        N.Problem.set(k.mem, Node, CM_PROB_FAILED_INSTALL);
        return ret(STATUS_SUCCESS);
      },
      added: (k, _f, rax, { Node }) => (ntSuccess(rax) ? call(k.address('nt!PipStartDevice'), [Node], 'started') : ret(rax)),
      started: (_k, _f, rax) => ret(rax),
    },
  }),
];

const stackFrame = { Index: u32, Status: u32 } as const;

/** A driver's AddDevice routine; 0 for one that has none, or for no driver. */
const addDeviceOf = (k: Kernel, driver: number): number =>
  driver ? DRX.AddDevice.get(k.mem, DRV.DriverExtension.get(k.mem, driver)) : 0;

/** Calls AddDevice of the next driver of the stack. */
function addDriver(k: Kernel, f: Frame<typeof stackFrame>, node: number, functionDriver: number): Outcome {
  const { mem } = k;
  const drivers = stackDrivers(k, node, functionDriver);
  const index = f.get('Index');
  if (index < drivers.length) {
    const driver = drivers[index]!;
    return call(addDeviceOf(k, driver), [driver, pdoOf(k, node)], 'added');
  }
  N.FunctionDriver.set(mem, node, functionDriver);
  changeNodeFlags(k, node, functionDriver ? 0 : DNF_RAW, DNF_NEEDS_DRIVERS);
  N.State.set(mem, node, DeviceNodeDriversAdded);
  const key = enumKey(k, node);
  if (key) cmSetValue(k, key, 'ConfigFlags', REG_DWORD, regDword(0));
  if (!functionDriver) return ret(STATUS_SUCCESS);
  freeString(k, node + N.ServiceName.offset);
  allocateString(k, node + N.ServiceName.offset, driverService(k, functionDriver), poolTag('Devn'));
  return ret(STATUS_SUCCESS);
}

/** The stack cannot be built: what stands of it is taken down. */
function giveUp(
  k: Kernel,
  f: { get(n: 'Index'): number; set(n: 'Status', v: number): void },
  node: number,
  status: number,
): Outcome {
  N.Problem.set(k.mem, node, CM_PROB_FAILED_ADD);
  f.set('Status', status);
  return f.get('Index') ? call(k.address('nt!PipRemoveStack'), [node], 'undone') : ret(status);
}

const adding: NtExport[] = [
  ntSteps({
    name: 'PipAddDrivers',
    internal: true,
    doc: "Calls the AddDevice routines of a device's drivers, lower filters first. When one fails, those before it are told that the device is removed.",
    args: { Node: PVOID, FunctionDriver: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: stackFrame,
    steps: {
      start(k, f, _rax, { Node, FunctionDriver }) {
        f.set('Index', 0);
        // A filter driver that is not loaded, or that is none: nothing is begun.
        if (stackDrivers(k, Node, FunctionDriver).some(driver => !addDeviceOf(k, driver))) {
          N.Problem.set(k.mem, Node, CM_PROB_DRIVER_FAILED_LOAD);
          return ret(STATUS_UNSUCCESSFUL);
        }
        if (FunctionDriver) installSoftwareKey(k, Node, FunctionDriver);
        return addDriver(k, f, Node, FunctionDriver);
      },
      added(k, f, rax, { Node, FunctionDriver }) {
        if (!ntSuccess(rax)) return giveUp(k, f, Node, rax);
        f.set('Index', f.get('Index') + 1);
        return addDriver(k, f, Node, FunctionDriver);
      },
      undone(k, f, _rax, { Node }) {
        N.Problem.set(k.mem, Node, CM_PROB_FAILED_ADD);
        return ret(f.get('Status'));
      },
    },
  }),
];

const startFrame = { ...sendFrame, Requirements: u64, Capabilities: DEVICE_CAPABILITIES, Status: u32 } as const;

/** Frees what a request returned in its Information, when it is a pool block. */
function freeInformation(k: Kernel, value: bigint): void {
  if (value) exFreePool(k, Number(BigInt.asIntN(64, value)), 0);
}

function clearStartPending(k: Kernel, device: number): void {
  const x = extensionOf(k, device);
  X.ExtensionFlags.set(k.mem, x, X.ExtensionFlags.get(k.mem, x) & ~DOE_START_PENDING);
}

const starting: NtExport[] = [
  ntSteps({
    name: 'PipStartDevice',
    internal: true,
    doc: 'Starts a device with its resources, then asks for its capabilities; its state and children are asked for next. A device that fails to start is removed.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 800,
    status: 'partial',
    missing: 'requirements are not arbitrated: a device has the resources that firmware or its bus driver gave it',
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
        enablePendingInterfaces(k, Node);
        initializeCapabilities(k, f.get('Capabilities'));
        return sendPnp(k, f, pdoOf(k, Node), IRP_MN_QUERY_CAPABILITIES, [f.get('Capabilities')], 'capabilities');
      },
      capabilities(k, f, rax, { Node }) {
        if (ntSuccess(rax)) keepCapabilities(k, Node, f.get('Capabilities'));
        changeNodeFlags(k, Node, DNF_NEEDS_STATE | DNF_NEEDS_ENUMERATION);
        return ret(STATUS_SUCCESS);
      },
      removed(k, f, _rax, { Node }) {
        N.Problem.set(k.mem, Node, CM_PROB_FAILED_START);
        // A bus that does not come back after a stop has lost its children.
        for (const child of children(k, Node)) changeNodeFlags(k, child, DNF_GONE);
        return ret(f.get('Status'));
      },
    },
  }),
];

export const exports: NtExport[] = [...loading, ...adding, ...starting];
