/** Names of devices as people give them. */
import type { Kernel } from '../kernel.ts';
import { driverOfService } from '../io/load.ts';
import { attachedDevice, baseDevice, D, driverDevices } from '../io/device.ts';
import { obFind } from '../ob/attributes.ts';
import { directoryEntries, linkTarget, obLookup, obName, obPath } from '../ob/directory.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { STATUS_SUCCESS } from '../types/status.ts';

/**
 * The NT path to open for a name: `\\.\Echo` and `\\?\Echo` are Win32's, `\Device\Echo` is NT's, `Echo` is short for `\\.\Echo`. `driver:echo` and `\Driver\echo` mean "the device of that driver": one that
 * a symbolic link leads to, if there is one, as a program would open it; else one with a name; else the device that it is attached to. Empty when the driver has none.
 */
export function devicePath(k: Kernel, name: string): string {
  const service = /^driver:(.+)$/.exec(name);
  if (service) {
    const driver = driverOfService(k, service[1]!);
    return driver ? driverDevicePath(k, driver) : '';
  }
  const win32 = /^\\\\[.?]\\(.+)$/.exec(name);
  if (win32) return `\\??\\${win32[1]!}`;
  if (!name.startsWith('\\')) return name ? `\\??\\${name}` : '';
  const driver = obFind(k, name, exportedType(k, 'IoDriverObjectType'));
  return driver.status === STATUS_SUCCESS ? driverDevicePath(k, driver.object) : name;
}

function driverDevicePath(k: Kernel, driver: number): string {
  // Oldest first: a driver makes its main device first.
  const devices = driverDevices(k, driver).reverse();
  const links = directoryEntries(k, k.global.get('ObpGlobalDosDevices')).filter(
    o => obTypeOf(k, o) === k.global.get('ObpSymbolicLinkObjectType'),
  );
  for (const device of devices) {
    const linked = links
      .map(link => ({ name: obName(k, link), target: obLookup(k, linkTarget(k, link)) }))
      .filter(l => l.target.status === STATUS_SUCCESS && leadsTo(k, l.target.object, device));
    // Of several links the first by name, so that the choice does not hang on a hash.
    linked.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    if (linked[0]) return `\\??\\${linked[0].name}`;
  }
  const named = devices.find(d => obName(k, d) !== '');
  if (named) return obPath(k, named);
  const base = devices.map(d => baseDevice(k, d)).find(d => obName(k, d) !== '');
  return base ? obPath(k, base) : '';
}

/** Does opening `target` reach `device`? It does when both are in one stack. */
const leadsTo = (k: Kernel, target: number, device: number): boolean =>
  obTypeOf(k, target) === exportedType(k, 'IoDeviceObjectType') &&
  D.Type.get(k.mem, target) === 3 &&
  attachedDevice(k, target) === attachedDevice(k, device);
