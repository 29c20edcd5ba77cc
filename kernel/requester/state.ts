import type { Kernel } from '../kernel.ts';

/** Requests that have been taken from the port and are neither answered nor reported as pending: the machine is busy with them. */
export function requestsInProgress(k: Kernel): number {
  return k.global.get('ReqActive');
}
