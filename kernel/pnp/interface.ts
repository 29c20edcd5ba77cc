/**
 * Device interfaces: names by which programs and drivers find devices of a class. An interface is a device, a class and a reference string; its key is
 * `DeviceClasses\{class}\##?#DEVICE#{class}\#reference`, with `Control\Linked` saying whether it is enabled. While one of a device and class is, the symbolic link
 * `\??\DEVICE#{class}` leads to the device; a reference string comes after it, as the name of a file on the device. Source: the WDK page of each routine.
 */
import type { Kernel } from '../kernel.ts';
import { cmCreatePath, cmOpenPath, cmQueryDword, cmSetValue, keyName, regDword, regSz, subKeys } from '../cm/registry.ts';
import { openHandle } from '../cm/services.ts';
import { PDEVICE_OBJECT } from '../io/call.ts';
import { systemTime } from '../ke/time.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { createLinkObject, directoryInsert, obLookup, obLookupForCreate, obPath } from '../ob/directory.ts';
import { poolTag } from '../ob/globals.ts';
import { obMakeTemporary } from '../ob/named.ts';
import { deferDeletion, dereference } from '../ob/object.ts';
import { allocateString, equalNoCase, freeString, readString, wide } from '../ob/string.ts';
import { REG_DWORD, REG_SZ } from '../types/cm.ts';
import { NonPagedPoolNx, PagedPool } from '../types/mm.ts';
import { OBJ_KERNEL_HANDLE, OBJ_OPENLINK } from '../types/ob.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_EXISTS,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_PATH_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, struct } from '../types/struct.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG } from '../exports/declare.ts';
import {
  allNodes,
  DeviceNodeAwaitingQueuedRemoval,
  DeviceNodeDriversAdded,
  DeviceNodeInitialized,
  DeviceNodeRemoved,
  DeviceNodeUninitialized,
  instancePath,
  N,
  nodeOf,
} from './node.ts';
import { DEVICE_INTERFACE_ARRIVAL, DEVICE_INTERFACE_REMOVAL, postInterfaceChange } from './notify.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const CLASSES = '\\Registry\\Machine\\System\\CurrentControlSet\\Control\\DeviceClasses';
const DEVICE_INTERFACE_INCLUDE_NONACTIVE = 1;
const OBJ_CASE_INSENSITIVE = 0x40;
const TAG = poolTag('Inte');

/** An interface that a driver has enabled before its device is started: it is, once the device has. Hangs on DEVICE_NODE.PendingInterfaces. */
const PENDING_INTERFACE = struct('_PENDING_SET_INTERFACE_STATE', { Next: ptr, LinkName: UNICODE_STRING });
const P = PENDING_INTERFACE.f;

/** `{a5dcbf10-6530-11d2-901f-00c04fb951ed}` of the GUID at `at`. */
export function guidText(k: Kernel, at: number): string {
  const h = (v: number, digits: number): string => v.toString(16).padStart(digits, '0');
  const b = k.mem.readBytes(at + 8, 8);
  const tail = Array.from(b, x => h(x, 2));
  return `{${h(k.mem.read32(at), 8)}-${h(k.mem.read16(at + 4), 4)}-${h(k.mem.read16(at + 6), 4)}-${tail.slice(0, 2).join('')}-${tail.slice(2).join('')}}`;
}

/** A GUID as it lies in memory, from its text in braces. */
function guidBytes(text: string): Uint8Array {
  const hex = text.replace(/[{}-]/g, '');
  const at = (i: number): number => parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  return Uint8Array.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(at));
}

interface Interface {
  /** `PCI#VEN_1234&DEV_11E8#3&0&20#{guid}` */
  name: string;
  guid: string;
  /** The part after the name; empty without one. */
  reference: string;
}

const nameFor = (path: string, guid: string): string => `${path.replaceAll('\\', '#')}#${guid}`;
const linkOf = (i: Interface): string => `\\??\\${i.name}${i.reference === '' ? '' : `\\${i.reference}`}`;
const classKey = (i: Interface): string => `${CLASSES}\\${i.guid}`;
const deviceKey = (i: Interface): string => `${classKey(i)}\\##?#${i.name}`;
const instanceKey = (i: Interface): string => `${deviceKey(i)}\\#${i.reference}`;

/** What the name of a symbolic link says; null for something else. */
function parseLink(link: string): Interface | null {
  const m = /^\\(?:\?\?|DosDevices)\\([^\\]*#(\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}))(?:\\([^\\]*))?$/i.exec(link);
  return m ? { name: m[1]!, guid: m[2]!, reference: m[3] ?? '' } : null;
}

function enabled(k: Kernel, i: Interface): boolean {
  const key = cmOpenPath(k, `${instanceKey(i)}\\Control`);
  return key !== 0 && cmQueryDword(k, key, 'Linked') === 1;
}

const deviceOf = (k: Kernel, i: Interface): number =>
  allNodes(k).find(n => equalNoCase(nameFor(instancePath(k, n), i.guid), i.name)) ?? 0;

/** All interfaces of a device and class that were registered, enabled or not. */
function instances(k: Kernel, node: number, guid: string): Interface[] {
  const one = { name: nameFor(instancePath(k, node), guid), guid, reference: '' };
  const key = cmOpenPath(k, deviceKey(one));
  return key
    ? subKeys(k, key)
        .map(sub => keyName(k, sub))
        .filter(name => name.startsWith('#'))
        .map(name => ({ ...one, reference: name.slice(1) }))
    : [];
}

/** Interfaces of a class: the names of their links, in the order of the devices. */
export function interfaceLinks(k: Kernel, guid: string, onlyPdo: number, all: boolean): string[] {
  return allNodes(k)
    .filter(node => !onlyPdo || N.PhysicalDeviceObject.get(k.mem, node) === onlyPdo)
    .flatMap(node => instances(k, node, guid))
    .filter(i => all || enabled(k, i))
    .map(linkOf);
}

/** Makes the symbolic link of a device and class. */
function makeLink(k: Kernel, i: Interface, node: number): number {
  const place = obLookupForCreate(k, `\\??\\${i.name}`);
  if (place.status !== STATUS_SUCCESS) return place.status;
  const link = createLinkObject(k, obPath(k, N.PhysicalDeviceObject.get(k.mem, node)), { permanent: true, time: systemTime(k) });
  if (!link) return STATUS_INSUFFICIENT_RESOURCES;
  directoryInsert(k, place.directory, place.name, link);
  if (dereference(k, link) === 0) deferDeletion(k, link);
  return STATUS_SUCCESS;
}

/** Enables or disables an interface of a device that there is; tells who wants to know. */
function switchInterface(k: Kernel, i: Interface, node: number, on: boolean): number {
  const others = instances(k, node, i.guid).some(o => !equalNoCase(o.reference, i.reference) && enabled(k, o));
  if (on && !others) {
    const status = makeLink(k, i, node);
    if (status !== STATUS_SUCCESS) return status;
  }
  if (!on && !others) {
    const link = obLookup(k, `\\??\\${i.name}`, { attributes: OBJ_CASE_INSENSITIVE | OBJ_OPENLINK });
    if (link.status === STATUS_SUCCESS) obMakeTemporary(k, link.object);
  }
  const control = cmCreatePath(k, `${instanceKey(i)}\\Control`);
  if (!control) return STATUS_INSUFFICIENT_RESOURCES;
  const status = cmSetValue(k, control, 'Linked', REG_DWORD, regDword(on ? 1 : 0));
  postInterfaceChange(k, on ? DEVICE_INTERFACE_ARRIVAL : DEVICE_INTERFACE_REMOVAL, guidBytes(i.guid), linkOf(i));
  return status;
}

/** Takes an interface out of those that wait for the start of their device; false when it is not among them. */
function forgetPending(k: Kernel, node: number, link: string): boolean {
  let at = node + N.PendingInterfaces.offset;
  for (let block = k.mem.readPtr(at); block; block = k.mem.readPtr(at)) {
    if (equalNoCase(readString(k, block + P.LinkName.offset), link)) {
      k.mem.writePtr(at, P.Next.get(k.mem, block));
      freeString(k, block + P.LinkName.offset);
      exFreePool(k, block, TAG);
      return true;
    }
    at = block + P.Next.offset;
  }
  return false;
}

/** Has an interface enabled when its device has started. */
function addPending(k: Kernel, node: number, link: string): number {
  const block = exAllocatePool(k, NonPagedPoolNx, PENDING_INTERFACE.size, TAG);
  if (!block) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.fill(block, PENDING_INTERFACE.size, 0);
  if (!allocateString(k, block + P.LinkName.offset, link, TAG)) {
    exFreePool(k, block, TAG);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  let at = node + N.PendingInterfaces.offset;
  while (k.mem.readPtr(at)) at = k.mem.readPtr(at) + P.Next.offset;
  k.mem.writePtr(at, block);
  return STATUS_SUCCESS;
}

/** The device has started: its interfaces that waited for it are enabled. */
export function enablePendingInterfaces(k: Kernel, node: number): void {
  for (let block = N.PendingInterfaces.get(k.mem, node); block; block = N.PendingInterfaces.get(k.mem, node)) {
    const link = readString(k, block + P.LinkName.offset);
    const i = parseLink(link);
    forgetPending(k, node, link);
    if (i && !enabled(k, i)) switchInterface(k, i, node, true);
  }
}

/** The device goes: its interfaces are disabled. */
export function endInterfaces(k: Kernel, node: number): void {
  for (let block = N.PendingInterfaces.get(k.mem, node); block; block = N.PendingInterfaces.get(k.mem, node))
    forgetPending(k, node, readString(k, block + P.LinkName.offset));
  const classes = cmOpenPath(k, CLASSES);
  for (const key of classes ? subKeys(k, classes) : [])
    for (const i of instances(k, node, keyName(k, key))) if (enabled(k, i)) switchInterface(k, i, node, false);
}

/** Its drivers have not been told to start it yet, or not all of them have. */
function notStarted(k: Kernel, node: number): boolean {
  const state = N.State.get(k.mem, node);
  return state === DeviceNodeUninitialized || state === DeviceNodeInitialized || state === DeviceNodeDriversAdded;
}

const isLeaving = (k: Kernel, node: number): boolean =>
  [DeviceNodeAwaitingQueuedRemoval, DeviceNodeRemoved].includes(N.State.get(k.mem, node));

function setState(k: Kernel, link: string, on: boolean): number {
  const i = parseLink(link);
  if (!i || !cmOpenPath(k, instanceKey(i))) return STATUS_OBJECT_NAME_NOT_FOUND;
  const node = deviceOf(k, i);
  if (!node) return STATUS_OBJECT_NAME_NOT_FOUND;
  const is = enabled(k, i);
  if (on) {
    if (is) return STATUS_OBJECT_NAME_EXISTS;
    if (isLeaving(k, node)) return STATUS_INVALID_DEVICE_REQUEST;
    if (!notStarted(k, node)) return switchInterface(k, i, node, true);
    const waits = forgetPending(k, node, linkOf(i));
    const status = addPending(k, node, linkOf(i));
    return waits ? STATUS_OBJECT_NAME_EXISTS : status;
  }
  if (forgetPending(k, node, linkOf(i))) return STATUS_SUCCESS;
  return is ? switchInterface(k, i, node, false) : STATUS_OBJECT_NAME_NOT_FOUND;
}

export const exports: NtExport[] = [
  ntExport({
    name: 'IoRegisterDeviceInterface',
    doc: 'Registers an interface of a device, by which programs find it; returns the name of its symbolic link.',
    irql: PASSIVE,
    args: {
      PhysicalDeviceObject: PDEVICE_OBJECT,
      InterfaceClassGuid: PVOID,
      ReferenceString: PUNICODE_STRING,
      SymbolicLinkName: PUNICODE_STRING,
    },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.SymbolicLinkName, 16, true);
      const node = nodeOf(k, a.PhysicalDeviceObject);
      if (!node || N.State.get(k.mem, node) === DeviceNodeUninitialized) return STATUS_INVALID_DEVICE_REQUEST;
      const reference = readString(k, a.ReferenceString);
      if (/[\\/]/.test(reference)) return STATUS_INVALID_DEVICE_REQUEST;
      const guid = guidText(k, a.InterfaceClassGuid);
      const i = { name: nameFor(instancePath(k, node), guid), guid, reference };
      const known = cmOpenPath(k, instanceKey(i)) !== 0;
      const device = cmCreatePath(k, deviceKey(i));
      const key = cmCreatePath(k, instanceKey(i));
      if (!device || !key) return STATUS_INSUFFICIENT_RESOURCES;
      const link = linkOf(i);
      cmSetValue(k, device, 'DeviceInstance', REG_SZ, regSz(instancePath(k, node)));
      cmSetValue(k, key, 'SymbolicLink', REG_SZ, regSz(link.replace('\\??\\', '\\\\?\\')));
      if (!allocateString(k, a.SymbolicLinkName, link, TAG)) return STATUS_INSUFFICIENT_RESOURCES;
      return known ? STATUS_OBJECT_NAME_EXISTS : STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'IoSetDeviceInterfaceState',
    doc: 'Enables or disables a registered interface: its symbolic link comes or goes. Before the device has started it is put off until then.',
    irql: PASSIVE,
    args: { SymbolicLinkName: PUNICODE_STRING, Enable: BOOLEAN },
    returns: NTSTATUS,
    cycles: 1200,
    status: 'full',
    impl: (k, { SymbolicLinkName, Enable }) => setState(k, readString(k, SymbolicLinkName), Enable),
  }),
  ntExport({
    name: 'IoGetDeviceInterfaces',
    doc: 'The symbolic links of the interfaces of a class, as one list of strings: those that are enabled, or all.',
    irql: PASSIVE,
    args: { InterfaceClassGuid: PVOID, PhysicalDeviceObject: PDEVICE_OBJECT, Flags: ULONG, SymbolicLinkList: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.SymbolicLinkList, 8, true);
      if (a.PhysicalDeviceObject && !nodeOf(k, a.PhysicalDeviceObject)) return STATUS_INVALID_DEVICE_REQUEST;
      const all = (a.Flags & DEVICE_INTERFACE_INCLUDE_NONACTIVE) !== 0;
      const links = interfaceLinks(k, guidText(k, a.InterfaceClassGuid), a.PhysicalDeviceObject, all);
      const bytes = wide(`${links.map(s => `${s}\0`).join('')}\0`);
      const block = exAllocatePool(k, PagedPool, bytes.length, TAG);
      if (!block) return STATUS_INSUFFICIENT_RESOURCES;
      k.mem.writeBytes(block, bytes);
      k.mem.writePtr(a.SymbolicLinkList, block);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'IoGetDeviceInterfaceAlias',
    doc: 'The name of the interface of another class that the same device has with the same reference string.',
    irql: PASSIVE,
    args: { SymbolicLinkName: PUNICODE_STRING, AliasInterfaceClassGuid: PVOID, AliasSymbolicLinkName: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 1200,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.AliasSymbolicLinkName, 16, true);
      const i = parseLink(readString(k, a.SymbolicLinkName));
      if (!i) return STATUS_INVALID_HANDLE;
      if (!cmOpenPath(k, instanceKey(i))) return STATUS_OBJECT_NAME_NOT_FOUND;
      const guid = guidText(k, a.AliasInterfaceClassGuid);
      const alias = { guid, name: `${i.name.slice(0, i.name.lastIndexOf('#'))}#${guid}`, reference: i.reference };
      if (!cmOpenPath(k, classKey(alias))) return STATUS_OBJECT_PATH_NOT_FOUND;
      if (!cmOpenPath(k, instanceKey(alias))) return STATUS_OBJECT_NAME_NOT_FOUND;
      return allocateString(k, a.AliasSymbolicLinkName, linkOf(alias), TAG) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ntExport({
    name: 'IoOpenDeviceInterfaceRegistryKey',
    doc: 'Opens the key in which a driver keeps what it wants to know of a device interface.',
    irql: PASSIVE,
    args: { SymbolicLinkName: PUNICODE_STRING, DesiredAccess: ULONG, DeviceInterfaceRegKey: PVOID },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.DeviceInterfaceRegKey, 8, true);
      const i = parseLink(readString(k, a.SymbolicLinkName));
      if (!i) return STATUS_INVALID_PARAMETER;
      if (!cmOpenPath(k, classKey(i))) return STATUS_OBJECT_PATH_NOT_FOUND;
      if (!cmOpenPath(k, instanceKey(i))) return STATUS_OBJECT_NAME_NOT_FOUND;
      const key = cmCreatePath(k, `${instanceKey(i)}\\Device Parameters`);
      return key
        ? openHandle(k, key, a.DesiredAccess, OBJ_KERNEL_HANDLE, a.DeviceInterfaceRegKey)
        : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
];
