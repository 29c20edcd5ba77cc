import { STEP_RESUME } from '../image/build.ts';
import type { Kernel } from '../kernel.ts';
import { frameAt } from '../steps.ts';
import { currentContext, walkStack } from './stackwalk.ts';

/**
 * The current thread ends in the middle of step routines: each of those on its stack, innermost first, gives back what its frame holds (its abort step). Driver
 * routines in between get no chance to, as on NT.
 */
export function abortFrames(k: Kernel): void {
  const { nt, hal } = k.images;
  for (const { address, rsp } of walkStack(k, currentContext(k), 512)) {
    const image = address >= hal.base && address < hal.base + hal.bytes.length ? hal : nt;
    // A routine that has called something stands at its resume gate, and RSP is where its frame starts.
    const gate = image.gates.get(address - image.base + 3);
    if (gate?.kind !== 'resume' || gate.stub + STEP_RESUME !== address - image.base) continue;
    gate.steps?.abort?.(k, frameAt(gate, k.mem, rsp));
  }
}
