/** When a device that is gone can be taken apart: a surprise removal is told at once, but the drivers keep the device until nobody has it open. */
import type { Kernel } from '../kernel.ts';
import { baseDevice, D, extensionFlags } from '../io/device.ts';
import { DOE_REMOVE_PENDING } from '../types/io.ts';
import { bottomUp, DeviceNodeAwaitingQueuedRemoval, DeviceNodeRemoved, N, nodeOf } from './node.ts';

/** The devices of a node's stack from the bottom up. */
export function stackOf(k: Kernel, node: number): number[] {
  const out: number[] = [];
  for (let device = N.PhysicalDeviceObject.get(k.mem, node); device; device = D.AttachedDevice.get(k.mem, device))
    out.push(device);
  return out;
}

/** Is a handle open on any device of the stack? */
export const inUse = (k: Kernel, node: number): boolean => stackOf(k, node).some(d => D.ReferenceCount.get(k.mem, d) > 0);

/**
 * For the I/O manager, when a device that waits for its removal was closed: the uppermost node that was torn out with it, if nothing under that is open any more, or 0. Who
 * gets it removes it: it is given once.
 */
export function removalDue(k: Kernel, device: number): number {
  if (!(extensionFlags(k, device) & DOE_REMOVE_PENDING)) return 0;
  const waits = (n: number): boolean => N.State.get(k.mem, n) === DeviceNodeAwaitingQueuedRemoval;
  let node = nodeOf(k, baseDevice(k, device));
  if (!node || !waits(node)) return 0;
  for (let parent = N.Parent.get(k.mem, node); parent && waits(parent); parent = N.Parent.get(k.mem, node)) node = parent;
  if (bottomUp(k, node).some(n => inUse(k, n))) return 0;
  N.State.set(k.mem, node, DeviceNodeRemoved);
  return node;
}
