/**
 * Which devices a driver gets. Windows decides by INF files; without them:
 *
 * 1. A device whose key under Enum has a Service value is for the driver of that service alone. That is what a setup program writes.
 * 2. If the service's Parameters key has a HardwareID value (REG_SZ or REG_MULTI_SZ), the driver gets the devices without a driver that have one of these among their hardware
 *    or compatible ids, children of bus drivers among them. Ids that begin with `ROOT\` make a device with these ids (as `devcon install` would).
 * 3. Without it, the driver gets every PCI function that has no driver yet and is not a bridge, in the order of the bus. Its AddDevice may refuse what it does not know.
 * 4. A driver for which that gives nothing gets a device of the root enumerator, `ROOT\SERVICE\nnnn`, without resources: what a driver of virtual devices expects.
 *
 * The filter drivers of a device are those that the UpperFilters and LowerFilters values of its key name. Its settings, which an INF file would put into the driver's key of
 * the device (HKR), are the values of the service's Parameters key.
 */
import {
  cmCreatePath,
  cmOpenPath,
  cmQueryDword,
  cmQueryString,
  cmQueryStrings,
  cmQueryValue,
  cmSetValue,
  keyValueNames,
  regSz,
  SERVICES_PATH,
} from '../cm/registry.ts';
import type { Kernel } from '../kernel.ts';
import { DRV, DRX } from '../io/driver.ts';
import { driverOfService } from '../io/load.ts';
import { directoryEntries } from '../ob/directory.ts';
import { obFind } from '../ob/attributes.ts';
import { equalNoCase, readString } from '../ob/string.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { REG_SZ } from '../types/cm.ts';
import { createRootDevice } from './enumerate.ts';
import {
  allNodes,
  children,
  CM_PROB_DUPLICATE_DEVICE,
  CM_PROB_HARDWARE_DISABLED,
  DeviceNodeInitialized,
  enumKey,
  hasDriver,
  N,
  serviceName,
} from './node.ts';

/** The setup class of devices for which nobody has named one. */
const UNKNOWN_CLASS = '{4d36e97e-e325-11ce-bfc1-08002be10318}';
const CLASS_PATH = '\\Registry\\Machine\\System\\CurrentControlSet\\Control\\Class';
const CONFIGFLAG_DISABLED = 1;

/** The name of the service of a driver. */
export const driverService = (k: Kernel, driver: number): string =>
  readString(k, DRV.DriverExtension.get(k.mem, driver) + DRX.ServiceKeyName.offset);
const parametersKey = (k: Kernel, service: string): number => cmOpenPath(k, `${SERVICES_PATH}\\${service}\\Parameters`);
const addDeviceOf = (k: Kernel, driver: number): number => DRX.AddDevice.get(k.mem, DRV.DriverExtension.get(k.mem, driver));

/** Hardware ids, the most special first, then compatible ids, in capitals. */
function idsOf(k: Kernel, node: number): string[] {
  const key = enumKey(k, node);
  return key
    ? [...cmQueryStrings(k, key, 'HardwareID'), ...cmQueryStrings(k, key, 'CompatibleIDs')].map(id => id.toUpperCase())
    : [];
}
/** The ids that a driver is for, in capitals. */
function wantedBy(k: Kernel, service: string): string[] {
  const parameters = parametersKey(k, service);
  return parameters ? cmQueryStrings(k, parameters, 'HardwareID').map(id => id.toUpperCase()) : [];
}

/** The service that a device was installed for; null when anybody may have it. */
function installedFor(k: Kernel, node: number): string | null {
  const key = enumKey(k, node);
  return key ? cmQueryString(k, key, 'Service') : null;
}

/** A device that could get a driver now. */
function isFree(k: Kernel, node: number): boolean {
  if (hasDriver(k, node) || N.State.get(k.mem, node) !== DeviceNodeInitialized) return false;
  if ([CM_PROB_DUPLICATE_DEVICE, CM_PROB_HARDWARE_DISABLED].includes(N.Problem.get(k.mem, node))) return false;
  const key = enumKey(k, node);
  return !key || !((cmQueryDword(k, key, 'ConfigFlags') ?? 0) & CONFIGFLAG_DISABLED);
}

const isPci = (k: Kernel, node: number): boolean => N.Parent.get(k.mem, node) === k.global.get('PciBusDeviceNode');
const isBridge = (ids: readonly string[]): boolean => ids.some(id => /^PCI\\CC_06/.test(id));

/** Devices without a driver that this one is for, in the order in which it gets them. */
export function matchingNodes(k: Kernel, driver: number): number[] {
  const service = driverService(k, driver);
  const wanted = wantedBy(k, service);
  return allNodes(k).filter(node => {
    if (!isFree(k, node)) return false;
    const installed = installedFor(k, node);
    if (installed !== null) return equalNoCase(installed, service);
    const ids = idsOf(k, node);
    return wanted.length ? ids.some(id => wanted.includes(id)) : isPci(k, node) && !isBridge(ids);
  });
}

/** The loaded driver with an AddDevice routine for a device that has just come: that of its service, or the one that names its most special id; 0 without one. */
export function driverFor(k: Kernel, node: number): number {
  const installed = installedFor(k, node);
  if (installed !== null) {
    const driver = driverOfService(k, installed);
    return driver && addDeviceOf(k, driver) ? driver : 0;
  }
  const directory = obFind(k, '\\Driver', 0);
  const type = exportedType(k, 'IoDriverObjectType');
  const drivers = (directory.object ? directoryEntries(k, directory.object) : [])
    .filter(object => obTypeOf(k, object) === type && addDeviceOf(k, object) !== 0)
    .map(driver => ({ driver, wanted: wantedBy(k, driverService(k, driver)) }));
  for (const id of idsOf(k, node)) {
    const found = drivers.find(d => d.wanted.includes(id));
    if (found) return found.driver;
  }
  return 0;
}

/** The drivers of a device's stack from the bottom up: lower filters, the function driver (0: none), upper filters. A filter that is not loaded is 0 too. */
export function stackDrivers(k: Kernel, node: number, functionDriver: number): number[] {
  const key = enumKey(k, node);
  const filters = (name: string): number[] =>
    key ? cmQueryStrings(k, key, name).map(service => driverOfService(k, service)) : [];
  return [...filters('LowerFilters'), ...(functionDriver ? [functionDriver] : []), ...filters('UpperFilters')];
}

/** Makes the driver's key of a device, if it has none of this driver, and puts the driver's settings there. Without pool there is none. */
export function installSoftwareKey(k: Kernel, node: number, driver: number): void {
  const key = enumKey(k, node);
  if (!key) return;
  const service = driverService(k, driver);
  const existing = cmQueryString(k, key, 'Driver');
  const old = existing === null ? 0 : cmOpenPath(k, `${CLASS_PATH}\\${existing}`);
  if (old) {
    const owner = cmQueryString(k, old, 'DriverDesc');
    // One that somebody has set up beforehand says nothing of who it is for.
    if (owner === null || owner === service) return;
  }
  const guid = cmQueryString(k, key, 'ClassGUID') ?? UNKNOWN_CLASS;
  let number = 0;
  const name = (): string => `${guid}\\${number.toString().padStart(4, '0')}`;
  while (cmOpenPath(k, `${CLASS_PATH}\\${name()}`)) number++;
  const made = cmCreatePath(k, `${CLASS_PATH}\\${name()}`);
  if (!made) return;
  cmSetValue(k, made, 'DriverDesc', REG_SZ, regSz(service));
  const parameters = parametersKey(k, service);
  for (const value of parameters ? keyValueNames(k, parameters) : []) {
    const v = equalNoCase(value, 'HardwareID') ? null : cmQueryValue(k, parameters, value);
    if (v) cmSetValue(k, made, value, v.type, v.data);
  }
  cmSetValue(k, key, 'Driver', REG_SZ, regSz(name()));
}

/** The device that a driver gets when no other is for it; 0 when it names hardware that is not there, or without pool. */
export function rootNodeFor(k: Kernel, driver: number): number {
  const service = driverService(k, driver);
  const parameters = parametersKey(k, service);
  const wanted = parameters ? cmQueryStrings(k, parameters, 'HardwareID') : [];
  const root = wanted.filter(id => /^root\\/i.test(id));
  if (wanted.length && !root.length) return 0;
  // The one that it had before it was unloaded is still there.
  const own = children(k, k.global.get('IopRootDeviceNode')).find(
    node => isFree(k, node) && equalNoCase(serviceName(k, node), service),
  );
  return own ?? createRootDevice(k, service, root);
}
