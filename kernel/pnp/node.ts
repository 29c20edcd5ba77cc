/**
 * The device tree. A node stands for a device, present or bus; it points to the physical device object at the bottom of the device's stack (DEVOBJ_EXTENSION.DeviceNode points
 * back). Nodes lie in nonpaged pool.
 */
import type { Kernel } from '../kernel.ts';
import { cmCreatePath, cmSetValue, regDword, regMultiSz, regSz } from '../cm/registry.ts';
import { extensionOf, X } from '../io/device.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, readString } from '../ob/string.ts';
import { REG_DWORD, REG_MULTI_SZ, REG_SZ } from '../types/cm.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { ptr, struct, u32 } from '../types/struct.ts';

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
  /** Vector of the message that the device was given instead of its line, or 0. */
  MessageVector: u32,
});
export const N = DEVICE_NODE.f;

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

/** Makes a node, links it under its parent, and writes the device's key under `Enum`. 0 without pool. */
export function createNode(k: Kernel, s: NodeSpec): number {
  const { mem } = k;
  const node = exAllocatePool(k, NonPagedPoolNx, DEVICE_NODE.size, poolTag('Devn'));
  if (!node) return 0;
  mem.fill(node, DEVICE_NODE.size, 0);
  if (!allocateString(k, node + N.InstancePath.offset, s.instancePath, poolTag('Devn'))) return 0;
  N.PhysicalDeviceObject.set(mem, node, s.pdo);
  N.State.set(mem, node, DeviceNodeInitialized);
  N.InterfaceType.set(mem, node, s.interfaceType);
  N.BusNumber.set(mem, node, s.busNumber);
  N.Address.set(mem, node, s.address);
  N.Parent.set(mem, node, s.parent);
  if (s.parent) {
    const last = N.LastChild.get(mem, s.parent);
    if (last) N.Sibling.set(mem, last, node);
    else N.Child.set(mem, s.parent, node);
    N.LastChild.set(mem, s.parent, node);
  }
  X.DeviceNode.set(mem, extensionOf(k, s.pdo), node);
  const key = cmCreatePath(k, enumPath(s.instancePath));
  if (key) {
    cmSetValue(k, key, 'DeviceDesc', REG_SZ, regSz(s.description));
    cmSetValue(k, key, 'Capabilities', REG_DWORD, regDword(0));
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
