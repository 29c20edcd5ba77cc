import type { Kernel } from '../kernel.ts';
import { KTHREAD } from '../types/ke.ts';

/** The mode from which the current thread's service was called: KernelMode or UserMode (ExGetPreviousMode). */
export const previousMode = (k: Kernel): number => KTHREAD.f.PreviousMode.get(k.mem, k.currentThread());
export const setPreviousMode = (k: Kernel, mode: number): void => KTHREAD.f.PreviousMode.set(k.mem, k.currentThread(), mode);
