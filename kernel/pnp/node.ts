/**
 * The device tree. A node stands for a device, present or bus; it points to the physical device object at the bottom of the device's stack (DEVOBJ_EXTENSION.DeviceNode points
 * back). Nodes lie in nonpaged pool.
 */
import type { Kernel } from '../kernel.ts';
import { cmCreatePath, cmOpenPath, cmQueryDword, cmSetValue, regDword, regMultiSz, regSz } from '../cm/registry.ts';
import { extensionOf, X } from '../io/device.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, readString } from '../ob/string.ts';
import { REG_DWORD, REG_MULTI_SZ, REG_SZ } from '../types/cm.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { array, ptr, struct, u32, u8 } from '../types/struct.ts';

/** The members up to ServiceName lie where NT has them; the others are what this kernel needs of NT's. */
export const DEVICE_NODE = struct('_DEVICE_NODE', {
  Sibling: ptr,
  Child: ptr,
  Parent: ptr,
  LastChild: ptr,
  PhysicalDeviceObject: ptr,
  InstancePath: UNICODE_STRING,
  ServiceName: UNICODE_STRING,
  State: u32,
  Problem: u32,
  /** Driver object whose AddDevice took the device, or 0. */
  FunctionDriver: ptr,
  /** CM_RESOURCE_LIST, raw and translated, or 0. */
  ResourceList: ptr,
  ResourceListTranslated: ptr,
  InterfaceType: u32,
  BusNumber: u32,
  Address: u32,
  Capabilities: u32,
  /** DNF_*. */
  Flags: u32,
  /** 0xffffffff when the bus has no such number. */
  UINumber: u32,
  BusTypeGuid: array(u8, 16),
  /** PNP_DEVICE_STATE as the drivers said it last. */
  PnpState: u32,
  /** CM_PROB_* that the device has when its drivers have let go of it; 0: the device itself is gone, and the node goes too. */
  AfterRemoval: u32,
  /** Interfaces that were enabled before the device has started: PENDING_INTERFACE blocks (pnp/interface.ts). */
  PendingInterfaces: ptr,
  /** Vector of the message that the device was given instead of its line, or 0. */
  MessageVector: u32,
});
export const N = DEVICE_NODE.f;

/** DEVICE_NODE.Flags. The driver of the parent reported the device; it holds a reference of its physical device object. */
export const DNF_REPORTED = 0x1,
  /** The parent's last list of children has it. */
  DNF_ENUMERATED = 0x2,
  /** Its children are to be asked for. */
  DNF_NEEDS_ENUMERATION = 0x4,
  /** Its PNP_DEVICE_STATE is to be asked for. */
  DNF_NEEDS_STATE = 0x8,
  /** It has been named and waits for drivers. */
  DNF_NEEDS_DRIVERS = 0x10,
  /** It runs without a function driver, by its bus driver alone. */
  DNF_RAW = 0x20,
  /** It is to be torn out: its parent does not report it any more, or it has failed. */
  DNF_GONE = 0x40,
  /** It is to be stopped and started with other resources. */
  DNF_RESTART = 0x80,
  /** A driver told of it (IoReportDetectedDevice) and is its function driver without AddDevice. */
  DNF_DETECTED = 0x100,
  /** It leaves together with a device that is being ejected. */
  DNF_RELATED = 0x200;

/** CM_PROB_*: why a device does not work (WDK, "Device Manager error messages"). */
export const CM_PROB_INVALID_DATA = 9,
  CM_PROB_FAILED_START = 10,
  CM_PROB_DISABLED = 22,
  CM_PROB_DEVICE_NOT_THERE = 24,
  CM_PROB_FAILED_INSTALL = 28,
  CM_PROB_HARDWARE_DISABLED = 29,
  CM_PROB_FAILED_ADD = 31,
  CM_PROB_DRIVER_FAILED_LOAD = 39,
  CM_PROB_DUPLICATE_DEVICE = 42,
  CM_PROB_FAILED_POST_START = 43,
  CM_PROB_HELD_FOR_EJECT = 47;

/** Names of those that this kernel gives. */
export const PROBLEM_NAMES: { readonly [problem: number]: string } = {
  9: 'CM_PROB_INVALID_DATA',
  10: 'CM_PROB_FAILED_START',
  22: 'CM_PROB_DISABLED',
  24: 'CM_PROB_DEVICE_NOT_THERE',
  28: 'CM_PROB_FAILED_INSTALL',
  29: 'CM_PROB_HARDWARE_DISABLED',
  31: 'CM_PROB_FAILED_ADD',
  39: 'CM_PROB_DRIVER_FAILED_LOAD',
  42: 'CM_PROB_DUPLICATE_DEVICE',
  43: 'CM_PROB_FAILED_POST_START',
  47: 'CM_PROB_HELD_FOR_EJECT',
};

/** Bits of DEVICE_CAPABILITIES.Flags, as DEVICE_NODE.Capabilities keeps them. */
export const CAPABILITY_EJECT_SUPPORTED = 1 << 3,
  CAPABILITY_REMOVABLE = 1 << 4,
  CAPABILITY_UNIQUE_ID = 1 << 6,
  CAPABILITY_RAW_DEVICE_OK = 1 << 8,
  CAPABILITY_SURPRISE_REMOVAL_OK = 1 << 9,
  CAPABILITY_HARDWARE_DISABLED = 1 << 14;

/** PNP_DEVNODE_STATE (the values of NT 5 and later). */
export const DeviceNodeUninitialized = 0x301,
  DeviceNodeInitialized = 0x302,
  DeviceNodeDriversAdded = 0x303,
  DeviceNodeStarted = 0x308,
  DeviceNodeStopped = 0x30e;
export const DeviceNodeRemoved = 0x312,
  DeviceNodeQueryStopped = 0x30c,
  DeviceNodeQueryRemoved = 0x30f,
  DeviceNodeAwaitingQueuedRemoval = 0x311;
export const NODE_STATE_NAMES: { readonly [state: number]: string } = {
  0x301: 'DeviceNodeUninitialized',
  0x302: 'DeviceNodeInitialized',
  0x303: 'DeviceNodeDriversAdded',
  0x308: 'DeviceNodeStarted',
  0x30c: 'DeviceNodeQueryStopped',
  0x30e: 'DeviceNodeStopped',
  0x30f: 'DeviceNodeQueryRemoved',
  0x311: 'DeviceNodeAwaitingQueuedRemoval',
  0x312: 'DeviceNodeRemoved',
};

export interface NodeSpec {
  parent: number;
  pdo: number;
  /** `PCI\VEN_1234&DEV_11E8&SUBSYS_11001AF4&REV_10\3&0&20` */
  instancePath: string;
  hardwareIds: readonly string[];
  compatibleIds: readonly string[];
  description: string;
  interfaceType: number;
  busNumber: number;
  address: number;
}

/** Makes a node without a name for a physical device, and links it under its parent. 0 without pool. */
export function newNode(k: Kernel, parent: number, pdo: number): number {
  const { mem } = k;
  const node = exAllocatePool(k, NonPagedPoolNx, DEVICE_NODE.size, poolTag('Devn'));
  if (!node) return 0;
  mem.fill(node, DEVICE_NODE.size, 0);
  N.PhysicalDeviceObject.set(mem, node, pdo);
  N.State.set(mem, node, DeviceNodeUninitialized);
  N.UINumber.set(mem, node, 0xffffffff);
  N.Parent.set(mem, node, parent);
  if (parent) {
    const last = N.LastChild.get(mem, parent);
    if (last) N.Sibling.set(mem, last, node);
    else N.Child.set(mem, parent, node);
    N.LastChild.set(mem, parent, node);
  }
  X.DeviceNode.set(mem, extensionOf(k, pdo), node);
  return node;
}

/** Makes a node, links it under its parent, and writes the device's key under `Enum`. 0 without pool. */
export function createNode(k: Kernel, s: NodeSpec): number {
  const { mem } = k;
  const node = newNode(k, s.parent, s.pdo);
  if (!node) return 0;
  if (!allocateString(k, node + N.InstancePath.offset, s.instancePath, poolTag('Devn'))) {
    unlinkNode(k, node);
    X.DeviceNode.set(mem, extensionOf(k, s.pdo), 0);
    exFreePool(k, node, 0);
    return 0;
  }
  N.State.set(mem, node, DeviceNodeInitialized);
  N.InterfaceType.set(mem, node, s.interfaceType);
  N.BusNumber.set(mem, node, s.busNumber);
  N.Address.set(mem, node, s.address);
  const key = cmCreatePath(k, enumPath(s.instancePath));
  if (key) {
    cmSetValue(k, key, 'DeviceDesc', REG_SZ, regSz(s.description));
    cmSetValue(k, key, 'Capabilities', REG_DWORD, regDword(0));
    if (cmQueryDword(k, key, 'ConfigFlags') === null) cmSetValue(k, key, 'ConfigFlags', REG_DWORD, regDword(0));
    if (s.hardwareIds.length) cmSetValue(k, key, 'HardwareID', REG_MULTI_SZ, regMultiSz(s.hardwareIds));
    if (s.compatibleIds.length) cmSetValue(k, key, 'CompatibleIDs', REG_MULTI_SZ, regMultiSz(s.compatibleIds));
  }
  return node;
}

/** Registry path of a device's own key. */
export const enumPath = (instancePath: string): string => `\\Registry\\Machine\\System\\CurrentControlSet\\Enum\\${instancePath}`;

export const nodeOf = (k: Kernel, pdo: number): number => X.DeviceNode.get(k.mem, extensionOf(k, pdo));
export const instancePath = (k: Kernel, node: number): string => readString(k, node + N.InstancePath.offset);
export const serviceName = (k: Kernel, node: number): string => readString(k, node + N.ServiceName.offset);

/** The children of a node in order. */
export function children(k: Kernel, node: number): number[] {
  const out: number[] = [];
  for (let at = N.Child.get(k.mem, node); at; at = N.Sibling.get(k.mem, at)) out.push(at);
  return out;
}

/** All nodes under `node`, parents before their children. */
export function descendants(k: Kernel, node: number): number[] {
  return children(k, node).flatMap(child => [child, ...descendants(k, child)]);
}

/** The nodes under `node` and itself, children before their parents: the order in which devices are removed. */
export const bottomUp = (k: Kernel, node: number): number[] => [...children(k, node).flatMap(c => bottomUp(k, c)), node];

export const nodeFlags = (k: Kernel, node: number): number => N.Flags.get(k.mem, node);
export function changeNodeFlags(k: Kernel, node: number, set: number, clear = 0): void {
  N.Flags.set(k.mem, node, (N.Flags.get(k.mem, node) & ~clear) | set);
}

/** The device's own key under Enum; 0 when there is none. */
export const enumKey = (k: Kernel, node: number): number => cmOpenPath(k, enumPath(instancePath(k, node)));

/** A driver has the device: its function driver, or its bus driver alone. */
export const hasDriver = (k: Kernel, node: number): boolean =>
  N.FunctionDriver.get(k.mem, node) !== 0 || (nodeFlags(k, node) & DNF_RAW) !== 0;

/** Nodes of the whole tree below the root. */
export const allNodes = (k: Kernel): number[] => {
  const root = k.global.get('IopRootDeviceNode');
  return root ? descendants(k, root) : [];
};

/** Takes a node out of the tree; its parts are the caller's to free. */
export function unlinkNode(k: Kernel, node: number): void {
  const { mem } = k;
  const parent = N.Parent.get(mem, node);
  if (!parent) return;
  const siblings = children(k, parent);
  const i = siblings.indexOf(node);
  if (i < 0) return;
  const next = N.Sibling.get(mem, node);
  if (i === 0) N.Child.set(mem, parent, next);
  else N.Sibling.set(mem, siblings[i - 1]!, next);
  if (N.LastChild.get(mem, parent) === node) N.LastChild.set(mem, parent, i === 0 ? 0 : siblings[i - 1]!);
  N.Parent.set(mem, node, 0);
  N.Sibling.set(mem, node, 0);
}
