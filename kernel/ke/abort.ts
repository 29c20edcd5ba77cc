import type { Kernel } from '../kernel.ts';
import { abortFrame } from '../rtl/frames.ts';
import { currentContext, walkStack } from './stackwalk.ts';

/**
 * The current thread ends in the middle of step routines: each of those on its stack, innermost first, gives back what its frame holds (its abort step). Driver
 * routines in between get no chance to, as on NT.
 */
export function abortFrames(k: Kernel): void {
  for (const { address, rsp } of walkStack(k, currentContext(k), 512)) abortFrame(k, address, rsp);
}
