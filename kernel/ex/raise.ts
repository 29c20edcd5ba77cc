import type { Kernel } from '../kernel.ts';

/** A routine raises an NTSTATUS as an exception, as ExRaiseStatus does for a driver: the handlers of its caller are asked. It cannot be continued. */
export function raiseStatus(k: Kernel, status: number): never {
  k.raise(status);
}
