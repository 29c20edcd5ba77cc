import { RSP } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { currentContext, type StackEntry, trapContext, walkStack } from '../ke/stackwalk.ts';
import { savedContext } from '../ke/swap.ts';
import { prcbAddress } from '../mm/layout.ts';
import { KTHREAD } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import type { DebugCommand } from './command.ts';
import { address, parseAddress } from './text.ts';

/** Stacks, by the images' unwind data. */

const isRunning = (k: Kernel, thread: number): number =>
  k.platform.cpus.findIndex(c => KPRCB.f.CurrentThread.get(k.mem, prcbAddress(c.index)) === thread);

/** Return addresses of a thread, innermost first: of one that runs from the processor's registers, of another from what it saved when it gave up the processor. */
export function walkThreadStack(k: Kernel, thread: number): StackEntry[] {
  const cpu = isRunning(k, thread);
  if (cpu >= 0) {
    const saved = k.cpu;
    k.cpu = k.platform.cpus[cpu]!;
    // A processor that another one's bug check has stopped stands in the kernel's loop; what it ran is in its trap frame.
    const frame = k.mem.readPtr(k.global.address('KiFrozenTrapFrame') + cpu * 8);
    const frames = walkStack(k, frame === 0 ? currentContext(k) : trapContext(k, frame));
    k.cpu = saved;
    return frames;
  }
  const top = KTHREAD.f.KernelStack.get(k.mem, thread);
  if (!top || k.mem.translate(top) < 0) return [];
  const saved = savedContext(k, thread);
  const registers = new Array<number>(16).fill(0);
  for (const [r, value] of saved.registers) registers[r] = value;
  registers[RSP] = saved.rsp;
  return walkStack(k, { rip: saved.rip, registers });
}

export const stack: DebugCommand = {
  name: 'k',
  usage: '[thread]',
  doc: 'Shows the stack of a thread; without one that of the code which the processor is in.',
  run: (k, args) =>
    (args[0] ? walkThreadStack(k, parseAddress(k, args[0])) : walkStack(k, currentContext(k))).map(
      (f, i) => `${i.toString(16).padStart(2, '0')} ${address(f.rsp)} ${address(f.address)} ${f.symbol}`,
    ),
};

/** Slots and return addresses of what the processor runs, for the stack panel. */
export function stackSlots(k: Kernel): { slot: number; address: number }[] {
  // The innermost frame is the instruction itself; each other's return address lies just below the stack pointer that its caller goes on with.
  return walkStack(k, currentContext(k))
    .slice(1)
    .map(f => ({ slot: f.rsp - 8, address: f.address }));
}
