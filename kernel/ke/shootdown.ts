import { RAX, RSP } from '../../hal/bus/cpu.ts';
import type { CpuView } from '../../hal/bus/cpu.ts';
import { IPI_LEVEL, type NtExport, ntCode, VOID } from '../exports/declare.ts';
import { mem } from '../image/asm.ts';
import type { Kernel } from '../kernel.ts';
import { KTB_FLUSH_PACKET, MAXIMUM_FLUSH_ADDRESSES } from '../types/ke.ts';
import { IPI_FLUSH_TB, sendIpiRequest } from './ipirequest.ts';
import { activeProcessors, otherProcessors, processorsOf } from './processor.ts';

/**
 * Translations that other processors may still have in their TLBs. A routine that took one back (Kernel.invalidate) ends in interrupting them, and does not return to its caller
 * before all of them have dropped it. Pages that the routine freed go to the end of the list of free pages, and address space is given out in a circle, so neither is in use again by then.
 */

/** KTB_FLUSH_PACKET.Count for everything. */
const ALL = 0xffffffff;
const F = KTB_FLUSH_PACKET.f;

const packetOf = (k: Kernel, processor: number): number =>
  k.global.address('KiTbFlushPacket') + processor * KTB_FLUSH_PACKET.size;

const RFLAGS_IF = 0x200;

/**
 * The end of a gate in which translations were taken back: asks the other processors to drop them, and lets this one go on where it stands only when they have. With interrupts off, or
 * at IPI_LEVEL, two processors could wait for each other for ever: then the translations are dropped at once, as INVLPGB does (AMD APM vol. 3).
 */
export function shootDown(k: Kernel, cpu: CpuView, stale: readonly number[]): void {
  const others = otherProcessors(k);
  if (others.length === 0) return;
  const all = stale.length > MAXIMUM_FLUSH_ADDRESSES;
  if ((cpu.rflags & RFLAGS_IF) === 0 || cpu.cr8 >= IPI_LEVEL) {
    for (const n of others) {
      if (all) k.platform.cpus[n]!.invalidate();
      else for (const va of stale) k.platform.cpus[n]!.invalidate(va);
    }
    return;
  }
  const packet = packetOf(k, cpu.index);
  const { mem } = cpu;
  // A thread that waited here was switched away before the last flush was over: the two become one.
  const together = all || F.Pending.get(mem, packet) !== 0;
  F.Count.set(mem, packet, together ? ALL : stale.length);
  if (!together) stale.forEach((va, i) => mem.writePtr(packet + F.Addresses.offset + i * 8, va));
  F.Pending.set(mem, packet, activeProcessors(k) & ~(1 << cpu.index));
  for (const n of others) sendIpiRequest(k, n, IPI_FLUSH_TB);
  const rsp = cpu.gprPtr(RSP) - 16;
  mem.writePtr(rsp + 8, cpu.rip);
  mem.writePtr(rsp, packet);
  cpu.setGprPtr(RSP, rsp);
  cpu.rip = k.address('nt!KiWaitForTbFlush');
}

/** The interrupt's part: drops what the packets name that wait for this processor. */
export function flushRequestedTb(k: Kernel): void {
  const bit = 1 << k.cpu.index;
  for (const n of processorsOf(activeProcessors(k))) {
    const packet = packetOf(k, n);
    const pending = F.Pending.get(k.mem, packet);
    if ((pending & bit) === 0) continue;
    const count = F.Count.get(k.mem, packet);
    if (count === ALL) k.cpu.invalidate();
    else for (let i = 0; i < count; i++) k.cpu.invalidate(k.mem.readPtr(packet + F.Addresses.offset + i * 8));
    F.Pending.set(k.mem, packet, pending & ~bit);
  }
}

export const shootdownRoutines: readonly NtExport[] = [
  ntCode({
    name: 'KiWaitForTbFlush',
    internal: true,
    doc: 'Waits until the other processors have dropped the translations of the packet whose address is on the stack, then goes on at the address above it, with all registers as they were.',
    args: {},
    returns: VOID,
    cycles: 0,
    status: 'full',
    code(a) {
      a.prologAllocated(8);
      a.prologPush(RAX);
      a.pushfq();
      a.prologAllocated(8);
      a.mov(RAX, mem(RSP, 0x10));
      a.label('pending');
      a.cmpImm(mem(RAX, F.Pending.offset), 0, 4);
      a.jcc('e', 'done');
      a.pause();
      a.jmp('pending');
      a.label('done');
      a.popfq();
      a.pop(RAX);
      a.lea(RSP, mem(RSP, 8));
      a.ret();
    },
  }),
];
