/** What drivers ask about devices: properties and registry keys. Source: the WDK page of each routine. */
import {
  cmCreatePath,
  cmDeleteValue,
  cmOpenPath,
  cmQueryDword,
  cmQueryString,
  cmQueryValue,
  cmSetValue,
  regDword,
} from '../cm/registry.ts';
import { openHandle } from '../cm/services.ts';
import type { Kernel } from '../kernel.ts';
import { PDEVICE_OBJECT } from '../io/call.ts';
import { obPath } from '../ob/directory.ts';
import { wide } from '../ob/string.ts';
import { OBJ_KERNEL_HANDLE } from '../types/ob.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_2,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { type NtExport, ntExport, NTSTATUS, PVOID, ULONG } from '../exports/declare.ts';
import { guidText } from './interface.ts';
import {
  CAPABILITY_REMOVABLE,
  CAPABILITY_SURPRISE_REMOVAL_OK,
  DeviceNodeUninitialized,
  enumKey,
  enumPath,
  instancePath,
  N,
  nodeOf,
  serviceName,
} from './node.ts';
import { pciAddressOf } from './pdo.ts';
import { resourceListBytes } from './resources.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const CLASS_PATH = '\\Registry\\Machine\\System\\CurrentControlSet\\Control\\Class';
const HARDWARE_PROFILE = '\\Registry\\Machine\\System\\CurrentControlSet\\Hardware Profiles\\Current';
const PLUGPLAY_REGKEY_DEVICE = 1,
  PLUGPLAY_REGKEY_DRIVER = 2,
  PLUGPLAY_REGKEY_CURRENT_HWPROFILE = 4;

/** DEVICE_REGISTRY_PROPERTY */
const Property = {
  DeviceDescription: 0,
  HardwareID: 1,
  CompatibleIDs: 2,
  BootConfiguration: 3,
  BootConfigurationTranslated: 4,
  ClassName: 5,
  ClassGuid: 6,
  DriverKeyName: 7,
  Manufacturer: 8,
  FriendlyName: 9,
  LocationInformation: 10,
  PhysicalDeviceObjectName: 11,
  BusTypeGuid: 12,
  LegacyBusType: 13,
  BusNumber: 14,
  EnumeratorName: 15,
  Address: 16,
  UINumber: 17,
  InstallState: 18,
  RemovalPolicy: 19,
  ContainerID: 0x16,
} as const;

/** Names of the values in the device's key that are properties as they stand. */
const VALUES: { readonly [property: number]: string } = {
  [Property.DeviceDescription]: 'DeviceDesc',
  [Property.HardwareID]: 'HardwareID',
  [Property.CompatibleIDs]: 'CompatibleIDs',
  [Property.ClassName]: 'Class',
  [Property.ClassGuid]: 'ClassGUID',
  [Property.DriverKeyName]: 'Driver',
  [Property.Manufacturer]: 'Mfg',
  [Property.FriendlyName]: 'FriendlyName',
  [Property.LocationInformation]: 'LocationInformation',
  [Property.ContainerID]: 'ContainerID',
};
/** Container of what is part of the computer itself. */
const COMPUTER = '{00000000-0000-0000-ffff-ffffffffffff}';

/** Bits of the registry's ConfigFlags, and DEVICE_INSTALL_STATE. */
const CONFIGFLAG_REINSTALL = 0x20,
  CONFIGFLAG_FAILEDINSTALL = 0x40,
  CONFIGFLAG_FINISH_INSTALL = 0x400;
const InstallStateInstalled = 0,
  InstallStateNeedsReinstall = 1,
  InstallStateFailedInstall = 2,
  InstallStateFinishInstall = 3;
/** DEVICE_REMOVAL_POLICY */
const RemovalPolicyExpectNoRemoval = 1,
  RemovalPolicyExpectOrderlyRemoval = 2,
  RemovalPolicyExpectSurpriseRemoval = 3;

const text = (s: string): Uint8Array => wide(`${s}\0`);

function installState(k: Kernel, node: number): number {
  const key = enumKey(k, node);
  const flags = (key && cmQueryDword(k, key, 'ConfigFlags')) || 0;
  if (flags & CONFIGFLAG_REINSTALL) return InstallStateNeedsReinstall;
  if (flags & CONFIGFLAG_FAILEDINSTALL) return InstallStateFailedInstall;
  return flags & CONFIGFLAG_FINISH_INSTALL ? InstallStateFinishInstall : InstallStateInstalled;
}

function removalPolicy(k: Kernel, node: number): number {
  const capabilities = N.Capabilities.get(k.mem, node);
  if (capabilities & CAPABILITY_SURPRISE_REMOVAL_OK) return RemovalPolicyExpectSurpriseRemoval;
  return capabilities & CAPABILITY_REMOVABLE ? RemovalPolicyExpectOrderlyRemoval : RemovalPolicyExpectNoRemoval;
}

/** GUID_BUS_TYPE_PCI as it lies in memory. */
const GUID_BUS_TYPE_PCI = [0x93, 0x1a, 0xdf, 0xc8, 0x9f, 0xdc, 0xd2, 0x11, 0x84, 0xc2, 0x00, 0xc0, 0x4f, 0x9f, 0x2e, 0xeb];

/** DEVICE_REGISTRY_PROPERTY: the bytes of a property, or a status. */
function property(k: Kernel, node: number, pdo: number, which: number): Uint8Array | number {
  const name = VALUES[which];
  if (name !== undefined) {
    const key = enumKey(k, node);
    const value = key && cmQueryValue(k, key, name);
    if (value) return value.data;
    return which === Property.ContainerID ? text(COMPUTER) : STATUS_OBJECT_NAME_NOT_FOUND;
  }
  const list = (address: number): Uint8Array =>
    address ? k.mem.readBytes(address, resourceListBytes(k, address)) : new Uint8Array(0);
  switch (which) {
    case Property.BootConfiguration:
      return list(N.ResourceList.get(k.mem, node));
    case Property.BootConfigurationTranslated:
      return list(N.ResourceListTranslated.get(k.mem, node));
    case Property.PhysicalDeviceObjectName:
      return text(obPath(k, pdo));
    case Property.BusTypeGuid: {
      if (pciAddressOf(k, node)) return Uint8Array.from(GUID_BUS_TYPE_PCI);
      const guid = k.mem.readBytes(node + N.BusTypeGuid.offset, 16);
      return guid.some(b => b !== 0) ? guid : STATUS_OBJECT_NAME_NOT_FOUND;
    }
    case Property.LegacyBusType:
    case Property.BusNumber: {
      const value = (which === Property.BusNumber ? N.BusNumber : N.InterfaceType).get(k.mem, node);
      return value === 0xffffffff ? STATUS_OBJECT_NAME_NOT_FOUND : regDword(value);
    }
    case Property.EnumeratorName:
      return text(instancePath(k, node).split('\\')[0]!);
    case Property.Address:
      return regDword(N.Address.get(k.mem, node));
    case Property.UINumber:
      return regDword(N.UINumber.get(k.mem, node));
    case Property.InstallState:
      return regDword(installState(k, node));
    case Property.RemovalPolicy:
      return regDword(removalPolicy(k, node));
    default:
      return STATUS_INVALID_PARAMETER_2;
  }
}

/** Where a driver's settings for a device are: the key that its `Driver` value names, as a setup program makes it; without one, its service's Parameters. */
function softwareKey(k: Kernel, node: number): string {
  const key = enumKey(k, node);
  const driver = key ? cmQueryString(k, key, 'Driver') : null;
  return driver === null
    ? `\\Registry\\Machine\\System\\CurrentControlSet\\Services\\${serviceName(k, node)}\\Parameters`
    : `${CLASS_PATH}\\${driver}`;
}

/** The path of a device's key for a driver; null for a combination of flags that there is not. */
function registryKeyPath(k: Kernel, node: number, flags: number): string | null {
  if (flags & ~(PLUGPLAY_REGKEY_DEVICE | PLUGPLAY_REGKEY_DRIVER | PLUGPLAY_REGKEY_CURRENT_HWPROFILE)) return null;
  const kind = flags & (PLUGPLAY_REGKEY_DEVICE | PLUGPLAY_REGKEY_DRIVER);
  if (kind !== PLUGPLAY_REGKEY_DEVICE && kind !== PLUGPLAY_REGKEY_DRIVER) return null;
  const path = kind === PLUGPLAY_REGKEY_DEVICE ? `${enumPath(instancePath(k, node))}\\Device Parameters` : softwareKey(k, node);
  return flags & PLUGPLAY_REGKEY_CURRENT_HWPROFILE ? path.replace('\\Registry\\Machine', HARDWARE_PROFILE) : path;
}

/** DEVPROPKEY: a GUID and a number. */
const PROPERTY_KEY_PID = 16;
const FIRST_PROPERTY_ID = 2;
/** A value's type in the registry says that it is a property, and of which DEVPROPTYPE. */
const PROPERTY_VALUE = 0xffff0000;
const DEVPROP_TYPE_EMPTY = 0;

/** The key and the value's name of a unified property: one value for each locale, the neutral one without a name. */
const propertyPath = (k: Kernel, node: number, key: number): string =>
  `${enumPath(instancePath(k, node))}\\Properties\\${guidText(k, key)}\\${k.mem
    .read32(key + PROPERTY_KEY_PID)
    .toString(16)
    .toUpperCase()
    .padStart(4, '0')}`;
const localeName = (lcid: number): string => (lcid === 0 ? '' : lcid.toString(16).padStart(4, '0'));

/** The node of a physical device object that has its name; 0 for others. */
function namedNode(k: Kernel, pdo: number): number {
  const node = nodeOf(k, pdo);
  return node && N.State.get(k.mem, node) !== DeviceNodeUninitialized ? node : 0;
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
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.ResultLength, 4, true);
      const node = namedNode(k, a.DeviceObject);
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
      const node = namedNode(k, a.DeviceObject);
      const path = node ? registryKeyPath(k, node, a.DevInstKeyType) : null;
      if (path === null) return STATUS_INVALID_PARAMETER;
      const key = cmCreatePath(k, path);
      return key ? openHandle(k, key, a.DesiredAccess, OBJ_KERNEL_HANDLE, a.DeviceRegKey) : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ntExport({
    name: 'IoSetDevicePropertyData',
    doc: 'Sets a unified property of a device, or deletes it.',
    irql: { max: 'APC_LEVEL' },
    args: {
      Pdo: PDEVICE_OBJECT,
      PropertyKey: PVOID,
      Lcid: ULONG,
      Flags: ULONG,
      Type: ULONG,
      Size: ULONG,
      Data: PVOID,
    },
    returns: NTSTATUS,
    cycles: 1000,
    status: 'full',
    impl(k, a) {
      const node = namedNode(k, a.Pdo);
      if (!node) return STATUS_INVALID_DEVICE_REQUEST;
      if (k.mem.read32(a.PropertyKey + PROPERTY_KEY_PID) < FIRST_PROPERTY_ID || a.Type > 0xffff) return STATUS_INVALID_PARAMETER;
      const path = propertyPath(k, node, a.PropertyKey);
      if (!a.Data || a.Type === DEVPROP_TYPE_EMPTY) {
        const key = cmOpenPath(k, path);
        return key ? cmDeleteValue(k, key, localeName(a.Lcid)) : STATUS_OBJECT_NAME_NOT_FOUND;
      }
      const data = k.mem.readBytes(a.Data, a.Size);
      const key = cmCreatePath(k, path);
      return key ? cmSetValue(k, key, localeName(a.Lcid), (PROPERTY_VALUE | a.Type) >>> 0, data) : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ntExport({
    name: 'IoGetDevicePropertyData',
    doc: 'Reads a unified property of a device that was set with IoSetDevicePropertyData.',
    irql: { max: 'APC_LEVEL' },
    args: {
      Pdo: PDEVICE_OBJECT,
      PropertyKey: PVOID,
      Lcid: ULONG,
      Flags: ULONG,
      Size: ULONG,
      Data: PVOID,
      RequiredSize: PVOID,
      Type: PVOID,
    },
    returns: NTSTATUS,
    cycles: 1000,
    status: 'partial',
    missing: 'the properties that the system itself keeps (DEVPKEY_Device_*): only those that were set can be read',
    impl(k, a) {
      k.mem.probe(a.RequiredSize, 4, true);
      k.mem.probe(a.Type, 4, true);
      const node = namedNode(k, a.Pdo);
      if (!node) return STATUS_INVALID_DEVICE_REQUEST;
      const key = cmOpenPath(k, propertyPath(k, node, a.PropertyKey));
      const value = key ? cmQueryValue(k, key, localeName(a.Lcid)) : null;
      if (!value) return STATUS_OBJECT_NAME_NOT_FOUND;
      k.mem.write32(a.RequiredSize, value.data.length);
      if (a.Size < value.data.length) return STATUS_BUFFER_TOO_SMALL;
      k.mem.writeBytes(a.Data, value.data);
      k.mem.write32(a.Type, value.type & 0xffff);
      return STATUS_SUCCESS;
    },
  }),
];
