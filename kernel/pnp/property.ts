/** What drivers ask about devices: properties, registry keys, interfaces. Source: the WDK page of each routine. */
import { DEVICE_INTERFACE_ARRIVAL, DEVICE_INTERFACE_REMOVAL, postInterfaceChange } from './notify.ts';
import {
  cmCreatePath,
  cmOpenPath,
  cmQueryDword,
  cmQueryValue,
  cmSetValue,
  regDword,
  regSz,
  SERVICES_PATH,
} from '../cm/registry.ts';
import { openHandle } from '../cm/services.ts';
import type { Kernel } from '../kernel.ts';
import { systemTime } from '../ke/time.ts';
import { PDEVICE_OBJECT } from '../io/call.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { createLinkObject, directoryInsert, obLookup, obLookupForCreate, obPath } from '../ob/directory.ts';
import { poolTag } from '../ob/globals.ts';
import { deferDeletion, dereference } from '../ob/object.ts';
import { obMakeTemporary } from '../ob/named.ts';
import { allocateString, readString, wide } from '../ob/string.ts';
import { REG_DWORD, REG_SZ } from '../types/cm.ts';
import { OBJ_KERNEL_HANDLE, OBJ_OPENLINK } from '../types/ob.ts';
import { PagedPool } from '../types/mm.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_2,
  STATUS_OBJECT_NAME_EXISTS,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG } from '../exports/declare.ts';
import { allNodes, enumPath, instancePath, N, nodeOf, serviceName } from './node.ts';
import { DESCRIPTORS, resourceListSize } from './resources.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const CLASSES = '\\Registry\\Machine\\System\\CurrentControlSet\\Control\\DeviceClasses';
const PLUGPLAY_REGKEY_DEVICE = 1,
  PLUGPLAY_REGKEY_DRIVER = 2;

/** `{a5dcbf10-6530-11d2-901f-00c04fb951ed}` of the GUID at `at`. */
export function guidText(k: Kernel, at: number): string {
  const h = (v: number, digits: number): string => v.toString(16).padStart(digits, '0');
  const b = k.mem.readBytes(at + 8, 8);
  const tail = Array.from(b, x => h(x, 2));
  return `{${h(k.mem.read32(at), 8)}-${h(k.mem.read16(at + 4), 4)}-${h(k.mem.read16(at + 6), 4)}-${tail.slice(0, 2).join('')}-${tail.slice(2).join('')}}`;
}

const text = (s: string): Uint8Array => wide(`${s}\0`);
function dword(v: number): Uint8Array {
  return regDword(v);
}

/** DEVICE_REGISTRY_PROPERTY: the bytes of a property, or a status. */
function property(k: Kernel, node: number, pdo: number, which: number): Uint8Array | number {
  const key = cmOpenPath(k, enumPath(instancePath(k, node)));
  const value = (name: string): Uint8Array | number => (key && cmQueryValue(k, key, name)?.data) || STATUS_OBJECT_NAME_NOT_FOUND;
  switch (which) {
    case 0x0:
      return value('DeviceDesc');
    case 0x1:
      return value('HardwareID');
    case 0x2:
      return value('CompatibleIDs');
    case 0x3:
    case 0x4: {
      const list = which === 3 ? N.ResourceList.get(k.mem, node) : N.ResourceListTranslated.get(k.mem, node);
      return list ? k.mem.readBytes(list, resourceListSize(k.mem.read32(list + DESCRIPTORS - 4))) : new Uint8Array(0);
    }
    case 0x5:
      return value('Class');
    case 0x6:
      return value('ClassGUID');
    case 0x7:
      return text(serviceName(k, node));
    case 0x8:
      return value('Mfg');
    case 0x9:
      return value('FriendlyName');
    case 0xa:
      return value('LocationInformation');
    case 0xb:
      return text(obPath(k, pdo));
    case 0xd:
      return dword(N.InterfaceType.get(k.mem, node));
    case 0xe:
      return dword(N.BusNumber.get(k.mem, node));
    case 0xf:
      return text(instancePath(k, node).split('\\')[0]!);
    case 0x10:
      return dword(N.Address.get(k.mem, node));
    case 0x11:
      return dword(0xffffffff);
    case 0x14:
      return dword(0);
    default:
      return STATUS_INVALID_PARAMETER_2;
  }
}

/** The symbolic link of an interface: `\??\PCI#VEN_1234&DEV_11E8#3&0&20#{guid}`, and its part after a reference string. */
const interfaceName = (path: string, guid: string): string => `${path.replaceAll('\\', '#')}#${guid}`;
/** The key of an interface in DeviceClasses. */
const interfaceKey = (guid: string, name: string): string => `${CLASSES}\\${guid}\\##?#${name}`;

/** Splits `\??\NAME` into the name without a reference string; empty for something else. */
function nameOfLink(link: string): { name: string; guid: string } {
  const m = /^\\(?:\?\?|DosDevices)\\(.*#(\{[0-9a-f-]{36}\}))(?:\\.*)?$/i.exec(link);
  return { name: m?.[1] ?? '', guid: m?.[2] ?? '' };
}

/** A GUID as it lies in memory, from its text in braces. */
function guidBytes(text: string): Uint8Array {
  const hex = text.replace(/[{}-]/g, '');
  const at = (i: number): number => parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  return Uint8Array.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(at));
}

/** Enabled interfaces of a class: their links, in order of the devices. */
export function enabledInterfaces(k: Kernel, guid: string, onlyPdo: number): string[] {
  const out: string[] = [];
  for (const node of allNodes(k)) {
    if (onlyPdo && N.PhysicalDeviceObject.get(k.mem, node) !== onlyPdo) continue;
    const name = interfaceName(instancePath(k, node), guid);
    const key = cmOpenPath(k, interfaceKey(guid, name));
    if (key && cmQueryDword(k, key, 'Linked') === 1) out.push(`\\??\\${name}`);
  }
  return out;
}

export const exports: NtExport[] = [
  ntExport({
    name: 'IoGetDeviceProperty',
    doc: 'Reads a property of a device.',
    irql: PASSIVE,
    args: {
      DeviceObject: PDEVICE_OBJECT,
      DeviceProperty: ULONG,
      BufferLength: ULONG,
      PropertyBuffer: PVOID,
      ResultLength: PVOID,
    },
    returns: NTSTATUS,
    cycles: 800,
    status: 'partial',
    missing: 'removal policy, install state and container id',
    impl(k, a) {
      k.mem.probe(a.ResultLength, 4, true);
      const node = nodeOf(k, a.DeviceObject);
      if (!node) return STATUS_INVALID_DEVICE_REQUEST;
      const value = property(k, node, a.DeviceObject, a.DeviceProperty);
      if (typeof value === 'number') return value;
      k.mem.write32(a.ResultLength, value.length);
      if (a.BufferLength < value.length) return STATUS_BUFFER_TOO_SMALL;
      k.mem.writeBytes(a.PropertyBuffer, value);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'IoOpenDeviceRegistryKey',
    doc: "Opens the key of a device, or of its driver's settings for it.",
    irql: PASSIVE,
    args: { DeviceObject: PDEVICE_OBJECT, DevInstKeyType: ULONG, DesiredAccess: ULONG, DeviceRegKey: PVOID },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.DeviceRegKey, 8, true);
      const node = nodeOf(k, a.DeviceObject);
      if (!node) return STATUS_INVALID_DEVICE_REQUEST;
      const kind = a.DevInstKeyType & 3;
      if (kind !== PLUGPLAY_REGKEY_DEVICE && kind !== PLUGPLAY_REGKEY_DRIVER) return STATUS_INVALID_PARAMETER;
      // Without a setup program there is no class key; a driver's own settings are in its service's Parameters.
      const path =
        kind === PLUGPLAY_REGKEY_DEVICE
          ? `${enumPath(instancePath(k, node))}\\Device Parameters`
          : `${SERVICES_PATH}\\${serviceName(k, node)}\\Parameters`;
      const key = cmCreatePath(k, path);
      return key ? openHandle(k, key, a.DesiredAccess, OBJ_KERNEL_HANDLE, a.DeviceRegKey) : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
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
      if (!node) return STATUS_INVALID_DEVICE_REQUEST;
      const guid = guidText(k, a.InterfaceClassGuid);
      const reference = readString(k, a.ReferenceString);
      const name = interfaceName(instancePath(k, node), guid);
      const key = cmCreatePath(k, interfaceKey(guid, name));
      if (!key) return STATUS_INSUFFICIENT_RESOURCES;
      cmSetValue(k, key, 'DeviceInstance', REG_SZ, regSz(instancePath(k, node)));
      if (cmQueryDword(k, key, 'Linked') === null) cmSetValue(k, key, 'Linked', REG_DWORD, regDword(0));
      const link = `\\??\\${name}${reference ? `\\${reference}` : ''}`;
      return allocateString(k, a.SymbolicLinkName, link, poolTag('Inte')) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ntExport({
    name: 'IoSetDeviceInterfaceState',
    doc: 'Enables or disables a registered interface: its symbolic link comes or goes.',
    irql: PASSIVE,
    args: { SymbolicLinkName: PUNICODE_STRING, Enable: BOOLEAN },
    returns: NTSTATUS,
    cycles: 1200,
    status: 'full',
    impl(k, { SymbolicLinkName, Enable }) {
      const { name, guid } = nameOfLink(readString(k, SymbolicLinkName));
      const key = name ? cmOpenPath(k, interfaceKey(guid, name)) : 0;
      if (!key) return STATUS_OBJECT_NAME_NOT_FOUND;
      const enabled = cmQueryDword(k, key, 'Linked') === 1;
      if (enabled === Enable) return Enable ? STATUS_OBJECT_NAME_EXISTS : STATUS_OBJECT_NAME_NOT_FOUND;
      const node = allNodes(k).find(n => interfaceName(instancePath(k, n), guid).toUpperCase() === name.toUpperCase());
      if (!node) return STATUS_OBJECT_NAME_NOT_FOUND;
      const path = `\\??\\${name}`;
      if (!Enable) {
        const link = obLookup(k, path, { attributes: 0x40 | OBJ_OPENLINK });
        if (link.status === STATUS_SUCCESS) obMakeTemporary(k, link.object);
      } else {
        const place = obLookupForCreate(k, path);
        if (place.status !== STATUS_SUCCESS) return place.status;
        const link = createLinkObject(k, obPath(k, N.PhysicalDeviceObject.get(k.mem, node)), {
          permanent: true,
          time: systemTime(k),
        });
        if (!link) return STATUS_INSUFFICIENT_RESOURCES;
        directoryInsert(k, place.directory, place.name, link);
        if (dereference(k, link) === 0) deferDeletion(k, link);
      }
      const status = cmSetValue(k, key, 'Linked', REG_DWORD, regDword(Enable ? 1 : 0));
      postInterfaceChange(k, Enable ? DEVICE_INTERFACE_ARRIVAL : DEVICE_INTERFACE_REMOVAL, guidBytes(guid), path);
      return status;
    },
  }),
  ntExport({
    name: 'IoGetDeviceInterfaces',
    doc: 'The symbolic links of the enabled interfaces of a class, as one list of strings.',
    irql: PASSIVE,
    args: { InterfaceClassGuid: PVOID, PhysicalDeviceObject: PDEVICE_OBJECT, Flags: ULONG, SymbolicLinkList: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.SymbolicLinkList, 8, true);
      const bytes = wide(
        `${enabledInterfaces(k, guidText(k, a.InterfaceClassGuid), a.PhysicalDeviceObject)
          .map(s => `${s}\0`)
          .join('')}\0`,
      );
      const block = exAllocatePool(k, PagedPool, bytes.length, poolTag('Inte'));
      if (!block) return STATUS_INSUFFICIENT_RESOURCES;
      k.mem.writeBytes(block, bytes);
      k.mem.writePtr(a.SymbolicLinkList, block);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'IoOpenDeviceInterfaceRegistryKey',
    doc: 'Opens the key of a device interface.',
    irql: PASSIVE,
    args: { SymbolicLinkName: PUNICODE_STRING, DesiredAccess: ULONG, DeviceInterfaceRegKey: PVOID },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.DeviceInterfaceRegKey, 8, true);
      const { name, guid } = nameOfLink(readString(k, a.SymbolicLinkName));
      if (!name || !cmOpenPath(k, interfaceKey(guid, name))) return STATUS_OBJECT_NAME_NOT_FOUND;
      const key = cmCreatePath(k, `${interfaceKey(guid, name)}\\#\\Device Parameters`);
      return key
        ? openHandle(k, key, a.DesiredAccess, OBJ_KERNEL_HANDLE, a.DeviceInterfaceRegKey)
        : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
];
