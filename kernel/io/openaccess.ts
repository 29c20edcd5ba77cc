/** The access check when a device, or a path on one, is opened. Source: "Controlling Device Namespace Access", WDK. */
import type { Kernel } from '../kernel.ts';
import { previousMode } from '../ob/mode.ts';
import { obCheckAccess } from '../ob/security.ts';
import { exportedType, mapAccess } from '../ob/type.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { attachedDevice, D } from './device.ts';

/** FILE_DEVICE_SECURE_OPEN: the descriptor of the device counts for every path on it. */
const FILE_DEVICE_SECURE_OPEN = 0x100;

/** The access check of an open: on the device itself, or for a path on it only if the device says so; else its driver decides. */
export function openAccess(
  k: Kernel,
  device: number,
  path: string,
  desired: number,
  attributes: number,
): { status: number; granted: number } {
  const top = attachedDevice(k, device);
  const secure = ((D.Characteristics.get(k.mem, device) | D.Characteristics.get(k.mem, top)) & FILE_DEVICE_SECURE_OPEN) !== 0;
  if (path === '' || secure) return obCheckAccess(k, device, desired, previousMode(k), attributes);
  return { status: STATUS_SUCCESS, granted: mapAccess(k, exportedType(k, 'IoDeviceObjectType'), desired) };
}
