import { apicRead, apicWrite, syncTpr } from './apic';
import { NEVER, timerUpdate } from './apictimer';
import { ACTIVITY_SHUTDOWN, updateAttention } from './boundary';
import { updateDebug } from './debugregs';
import { deliver, SOURCE_EXCEPTION } from './interrupts';
import { ACTIVITY, CR2, RIP, TIMER_DUE } from './layout';
import { cpuAt } from './map';
import { bumpLinks, dropFastAll, flushTlb, forgetLogs, invalidatePage, translateQuiet } from './mmu';
import { updateMode } from './mode';
import { pmcUpdate } from './pmc';
import { clearTrap, NO_ERROR_CODE, PF } from './trap';

// The part of the ABI (README) that asks about or changes a processor from outside. A `cpu` here is the processor's number.

/**
 * After the host changed CR0, CR3, CR4, CR8, EFER, segments, RFLAGS, CPL or APIC state in the CPU structure, or restored all of it:
 * recomputes what is derived. The TLBs stay as they are; call hostTlbFlush when the change asks for it.
 */
export function setState(cpu: u32): void {
  const at = cpuAt(cpu);
  forgetLogs(at);
  dropFastAll(at);
  bumpLinks();
  syncTpr(at);
  timerUpdate(at);
  updateMode(at);
  updateDebug(at);
  pmcUpdate(at);
  updateAttention(at);
}

/** Linear to physical by the paging structures as an access of that kind would (1 write, 2 execute, 4 user, sum of them), without side effects; 0xFFFFFFFF if it would fault. */
export function translate(cpu: u32, lo: u32, hi: u32, access: u32): u32 {
  return translateQuiet(cpuAt(cpu), (<u64>hi << 32) | <u64>lo, access);
}

/** After the host edited page tables: as MOV to CR3 with `all` 0, with global translations too otherwise. */
export function hostTlbFlush(cpu: u32, all: u32): void { flushTlb(cpuAt(cpu), all != 0); }

/** After the host edited one page table entry: as INVLPG. */
export function hostInvalidate(cpu: u32, lo: u32, hi: u32): void { invalidatePage(cpuAt(cpu), (<u64>hi << 32) | <u64>lo); }

/**
 * Delivers an exception through the IDT now, as if the instruction at RIP had raised it. CR2 is set for #PF only. Returns 1, or 0 if
 * that ended in a triple fault.
 */
export function raiseException(cpu: u32, vector: u32, hasError: u32, error: u32, cr2lo: u32, cr2hi: u32): u32 {
  const at = cpuAt(cpu);
  if (vector == PF) store<u64>(at, (<u64>cr2hi << 32) | <u64>cr2lo, CR2);
  clearTrap();
  deliver(at, vector, SOURCE_EXCEPTION, hasError != 0 ? error : NO_ERROR_CODE, load<u64>(at, RIP));
  return load<u32>(at, ACTIVITY) == ACTIVITY_SHUTDOWN ? 0 : 1;
}

/** Local APIC register at `offset`, as a guest access of 4 bytes. */
export function localApicRead(cpu: u32, offset: u32): u32 { return apicRead(cpuAt(cpu), offset & 0xff0); }
export function localApicWrite(cpu: u32, offset: u32, v: u32): void { apicWrite(cpuAt(cpu), offset & 0xff0, v); }

/** Cycle at which the local APIC timer fires next, or Infinity. */
export function nextTimer(cpu: u32): f64 {
  const due = load<u64>(cpuAt(cpu), TIMER_DUE);
  return due == NEVER ? Infinity : <f64>due;
}
