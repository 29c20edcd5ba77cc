import type { Kernel } from '../kernel.ts';
import { replaceUserRequester } from './user.ts';

/** Requests that have been taken from the port and are neither answered nor reported as pending: the machine is busy with them. */
export function requestsInProgress(k: Kernel): number {
  return k.global.get('ReqActive');
}

/** A process has ended: if it was the requester's, what it was asked to do is answered, and another process takes its place. */
export function requesterProcessEnded(k: Kernel, process: number): void {
  if (process === k.global.get('ReqProcess')) replaceUserRequester(k, process);
}
