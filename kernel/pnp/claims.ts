/**
 * Hardware that drivers claim for themselves, without Plug and Play: resource lists in `\\Registry\\Machine\\Hardware\\ResourceMap`, under the driver's class and name. A claim is
 * refused when it collides with another driver's, or with a device that Plug and Play has started. Source: IoReportResourceUsage, CM_PARTIAL_RESOURCE_DESCRIPTOR (WDK).
 */
import type { Kernel } from '../kernel.ts';
import { cmCreatePath, cmDeleteValue, cmOpenPath, cmQueryValue, cmSetValue, keyValues, subKeys } from '../cm/registry.ts';
import { readString } from '../ob/string.ts';
import { objectFullName } from '../ob/named.ts';
import { CM_KEY_VALUE } from '../cm/registry.ts';
import { REG_RESOURCE_LIST } from '../types/cm.ts';
import { DRIVER_OBJECT } from '../types/io.ts';
import {
  CM_PARTIAL_RESOURCE_DESCRIPTOR,
  CmResourceShareDriverExclusive,
  CmResourceShareShared,
  CmResourceTypeDeviceSpecific,
  CmResourceTypeDma,
  CmResourceTypeInterrupt,
  CmResourceTypeMemory,
  CmResourceTypePort,
} from '../types/pnp.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { allNodes, DeviceNodeStarted, N } from './node.ts';

const ROOT = '\\Registry\\Machine\\Hardware\\ResourceMap';
/** Where drivers without a class are. */
const NO_CLASS = 'OtherDrivers';
const HEADER = 4,
  FULL_HEADER = 16,
  SIZE = CM_PARTIAL_RESOURCE_DESCRIPTOR.size;

/** One resource of a list; `first` to `last` are addresses, a vector or a channel. */
interface Claimed {
  type: number;
  share: number;
  first: number;
  last: number;
}

/** The ports, memory, interrupts and DMA channels in the bytes of a CM_RESOURCE_LIST. Data of the driver's own is passed over. */
export function claimedIn(bytes: Uint8Array): Claimed[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Claimed[] = [];
  if (bytes.length < HEADER) return found;
  let at = HEADER;
  for (let full = view.getUint32(0, true); full > 0 && at + FULL_HEADER <= bytes.length; full--) {
    let count = view.getUint32(at + 12, true);
    for (at += FULL_HEADER; count > 0 && at + SIZE <= bytes.length; count--, at += SIZE) {
      const type = bytes[at]!;
      const low = view.getUint32(at + 4, true),
        length = view.getUint32(at + 12, true);
      const start = low + view.getUint32(at + 8, true) * 0x100000000;
      const share = bytes[at + 1]!;
      if (type === CmResourceTypePort || type === CmResourceTypeMemory)
        found.push({ type, share, first: start, last: start + length - 1 });
      else if (type === CmResourceTypeInterrupt) {
        const vector = view.getUint32(at + 8, true);
        found.push({ type, share, first: vector, last: vector });
      } else if (type === CmResourceTypeDma) found.push({ type, share, first: low, last: low });
      else if (type === CmResourceTypeDeviceSpecific) at += low;
    }
  }
  return found;
}

const collide = (a: Claimed, b: Claimed, sameDriver: boolean): boolean =>
  a.type === b.type &&
  a.first <= b.last &&
  b.first <= a.last &&
  !(a.share === CmResourceShareShared && b.share === CmResourceShareShared) &&
  !(sameDriver && a.share === CmResourceShareDriverExclusive && b.share === CmResourceShareDriverExclusive);

/** Key of a driver's claims, below ROOT. */
export function claimKey(k: Kernel, driver: number, className: string): string {
  const name = readString(k, driver + DRIVER_OBJECT.f.DriverName.offset);
  return `${ROOT}\\${className || NO_CLASS}\\${name.slice(name.lastIndexOf('\\') + 1)}`;
}
/** Name of the value for a device's claim, by its name or else its address; or for the driver's own. */
export const claimValue = (k: Kernel, device: number): string =>
  `${device ? objectFullName(k, device) || BigInt.asUintN(64, BigInt(device)).toString(16) : ''}.Raw`;

/** Whether a list collides with what somebody else has: claims but that of `key` and `value`, and devices that were started for other drivers, or (`idle`) that could be. */
export function claimCollides(k: Kernel, bytes: Uint8Array, driver: number, key: string, value: string, idle = false): boolean {
  const wanted = claimedIn(bytes);
  const against = (others: Claimed[], same: boolean): boolean => wanted.some(w => others.some(o => collide(w, o, same)));
  const root = cmOpenPath(k, ROOT);
  const own = cmOpenPath(k, key);
  for (const group of root ? subKeys(k, root) : [])
    for (const other of subKeys(k, group))
      for (const at of keyValues(k, other)) {
        const name = readString(k, at + CM_KEY_VALUE.f.Name.offset);
        if (other === own && name.toLowerCase() === value.toLowerCase()) continue;
        if (against(claimedIn(cmQueryValue(k, other, name)?.data ?? new Uint8Array(0)), other === own)) return true;
      }
  return allNodes(k).some(node => {
    const list = N.ResourceList.get(k.mem, node);
    if (!list || (!idle && N.State.get(k.mem, node) !== DeviceNodeStarted)) return false;
    if (driver && N.FunctionDriver.get(k.mem, node) === driver) return false;
    return against(claimedIn(k.mem.readBytes(list, HEADER + FULL_HEADER + k.mem.read32(list + 16) * SIZE)), false);
  });
}

/** Writes a claim down, or takes it back when the list is empty. STATUS_INSUFFICIENT_RESOURCES without pool. */
export function writeClaim(k: Kernel, key: string, value: string, bytes: Uint8Array): number {
  if (claimedIn(bytes).length === 0) {
    const at = cmOpenPath(k, key);
    if (at) cmDeleteValue(k, at, value);
    return STATUS_SUCCESS;
  }
  const at = cmCreatePath(k, key);
  return at ? cmSetValue(k, at, value, REG_RESOURCE_LIST, bytes) : STATUS_INSUFFICIENT_RESOURCES;
}
