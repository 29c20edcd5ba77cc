/**
 * Which devices a driver gets. Windows decides by INF files; without them:
 *
 * 1. If the service's Parameters key has a HardwareID value (REG_SZ or REG_MULTI_SZ), the driver gets the devices without a driver that have one of these among their hardware
 *    or compatible ids. An id that begins with `ROOT\` makes a device of that id (as `devcon install` would).
 * 2. Without it, the driver gets every PCI function that has no driver yet and is not a bridge, in the order of the bus. Its AddDevice may refuse what it does not know.
 * 3. A driver for which that gives nothing gets a device of the root enumerator, `ROOT\SERVICE\nnnn`, without resources: what a driver of virtual devices expects.
 */
import { cmOpenPath, cmQueryStrings, SERVICES_PATH } from '../cm/registry.ts';
import type { Kernel } from '../kernel.ts';
import { DRV, DRX } from '../io/driver.ts';
import { readString } from '../ob/string.ts';
import { createRootDevice } from './enumerate.ts';
import { allNodes, enumPath, instancePath, N } from './node.ts';

/** The name of the service of a driver. */
export const driverService = (k: Kernel, driver: number): string =>
  readString(k, DRV.DriverExtension.get(k.mem, driver) + DRX.ServiceKeyName.offset);

function idsOf(k: Kernel, node: number): string[] {
  const key = cmOpenPath(k, enumPath(instancePath(k, node)));
  return key
    ? [...cmQueryStrings(k, key, 'HardwareID'), ...cmQueryStrings(k, key, 'CompatibleIDs')].map(id => id.toUpperCase())
    : [];
}

const isPci = (k: Kernel, node: number): boolean => N.Parent.get(k.mem, node) === k.global.get('PciBusDeviceNode');
const isBridge = (ids: readonly string[]): boolean => ids.some(id => /^PCI\\CC_06/.test(id));

/** Devices without a driver that this one is for, in the order in which it gets them. */
export function matchingNodes(k: Kernel, driver: number): number[] {
  const parameters = cmOpenPath(k, `${SERVICES_PATH}\\${driverService(k, driver)}\\Parameters`);
  const wanted = (parameters ? cmQueryStrings(k, parameters, 'HardwareID') : []).map(id => id.toUpperCase());
  const free = allNodes(k).filter(node => !N.FunctionDriver.get(k.mem, node));
  if (wanted.length) return free.filter(node => idsOf(k, node).some(id => wanted.includes(id)));
  return free.filter(node => isPci(k, node) && !isBridge(idsOf(k, node)));
}

/** The device that a driver gets when no other is for it; 0 when it names hardware that is not there, or without pool. */
export function rootNodeFor(k: Kernel, driver: number): number {
  const service = driverService(k, driver);
  const parameters = cmOpenPath(k, `${SERVICES_PATH}\\${service}\\Parameters`);
  const wanted = parameters ? cmQueryStrings(k, parameters, 'HardwareID') : [];
  if (wanted.length && !wanted.some(id => /^root\\/i.test(id))) return 0;
  return createRootDevice(k, service, wanted);
}
