import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { MM_USER_PROBE_ADDRESS } from '../mm/layout.ts';
import { KTHREAD, UserMode } from '../types/ke.ts';

/** The mode from which the current thread's service was called: KernelMode or UserMode (ExGetPreviousMode). */
export const previousMode = (k: Kernel): number => KTHREAD.f.PreviousMode.get(k.mem, k.currentThread());
export const setPreviousMode = (k: Kernel, mode: number): void => KTHREAD.f.PreviousMode.set(k.mem, k.currentThread(), mode);

/**
 * An address that the caller of a system service gave: from user mode it must be one of user mode. Otherwise the fault is that of an access to MmUserProbeAddress, as
 * ProbeForRead makes it, which becomes the service's status. A null pointer is left to whoever uses it.
 */
export function probeCaller(k: Kernel, address: number): void {
  if (address >= 0 && address < MM_USER_PROBE_ADDRESS) return;
  if (k.gate?.name.startsWith('nt!Nt') && previousMode(k) === UserMode) throw new GuestFault(14, 0, MM_USER_PROBE_ADDRESS);
}
