/** The service key that a driver brought from outside gets, as `sc create` would make it. */
import { cmCreatePath, cmSetValue, regDword, regMultiSz, regSz, SERVICES_PATH } from '../cm/registry.ts';
import type { Kernel } from '../kernel.ts';
import { REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ, REG_SZ } from '../types/cm.ts';

const SERVICE_KERNEL_DRIVER = 1,
  SERVICE_DEMAND_START = 3,
  SERVICE_ERROR_NORMAL = 1;

/**
 * Makes `Services\NAME` with its values and its Parameters key. The name may be followed by `=` and hardware ids with `;` between them: the devices that the
 * driver is for, which go to Parameters\HardwareID (pnp/match.ts has the rule). An empty string for a name that no key can have, or without pool.
 */
export function createService(k: Kernel, request: string): string {
  const [name = '', ids = ''] = request.split('=', 2);
  if (!/^[^\\/:*?"<>|\0]{1,80}$/.test(name)) return '';
  const path = `${SERVICES_PATH}\\${name}`;
  const key = cmCreatePath(k, path);
  const parameters = cmCreatePath(k, `${path}\\Parameters`);
  if (!key || !parameters) return '';
  cmSetValue(k, key, 'Type', REG_DWORD, regDword(SERVICE_KERNEL_DRIVER));
  cmSetValue(k, key, 'Start', REG_DWORD, regDword(SERVICE_DEMAND_START));
  cmSetValue(k, key, 'ErrorControl', REG_DWORD, regDword(SERVICE_ERROR_NORMAL));
  cmSetValue(k, key, 'ImagePath', REG_EXPAND_SZ, regSz(`\\SystemRoot\\System32\\drivers\\${name}.sys`));
  cmSetValue(k, key, 'DisplayName', REG_SZ, regSz(name));
  const list = ids
    .split(';')
    .map(id => id.trim())
    .filter(id => id !== '');
  if (list.length) cmSetValue(k, parameters, 'HardwareID', REG_MULTI_SZ, regMultiSz(list));
  return name;
}
