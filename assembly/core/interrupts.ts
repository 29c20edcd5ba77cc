import { ACTIVITY_SHUTDOWN, updateAttention } from './boundary';
import { EVENT_EXCEPTION, tell } from './events';
import { getFlags, IF, NT, RF, TF, VM } from './flags';
import { ACTIVITY, ATTENTION, CPL, CR0, CYCLES, FAST_IMPLICIT, FLAGS_REST, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, INT_SHADOW, REPEATING, RIP, RSP, SEG_BASE, SEG_CS, SEG_LIMIT, SEG_SELECTOR, SEG_SS, SEG_TR } from './layout';
import { FAST_WRITE, ramSize } from './map';
import { canonical, FAST_INDEX, PAGE, sysLoad, sysSpan } from './mem';
import { CR0_PE } from './crbits';
import { ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, enterFast, translateData } from './mmu';
import { storeTranslated } from './physical';
import { is64, isLong, updateMode } from './mode';
import { enterProtected, enterReal } from './interrupts_legacy';
import { accessOf, AR_ACCESSED, AR_CODE, AR_CONFORMING, AR_DB, AR_L, AR_P, AR_S, descriptor, dplOf, isNull, markAccessed, readDescriptor, seg, selectorOf, setCode, setFlatSegment, setSegment, TYPE_INTERRUPT_GATE, TYPE_TRAP_GATE } from './segments';
import { clearTrap, DE, DF, GP, NO_ERROR_CODE, noteEntry, NP, PF, raiseError, settleCanonical, SS, trap, trapError, trapVector, TS } from './trap';

// Delivery of interrupts and exceptions (SDM vol. 3, chapter 6): through the 64-bit IDT here, otherwise interrupts_legacy.ts.

/** What asks for delivery: INT n, INT3, INTO (the gate's DPL counts); an exception; an external interrupt, NMI or INT1. */
export const SOURCE_SOFTWARE: u32 = 0, SOURCE_EXCEPTION: u32 = 1, SOURCE_EXTERNAL: u32 = 2;

/** Cycles of a delivery under the flat timing model: gate, descriptor and TSS reads, frame, new code stream. */
const DELIVERY_CYCLES: u64 = 60;
const IDT_BIT: u32 = 2, EXT_BIT: u32 = 1;

/** The new stack's frame: at most SS, RSP, RFLAGS, CS, RIP, error code. */
let frameAt: u64 = 0, framePa: u32 = 0, framePaLow: u32 = 0, frameHost: usize = 0;

/**
 * Delivers an event; `rip` is what the frame gets. Exceptions during delivery follow the double-fault rules (SDM vol. 3,
 * table 6-5); a triple fault shuts the processor down (ACTIVITY). Afterwards the processor is at the handler's first instruction.
 */
export function deliver(cpu: usize, vector: u32, source: u32, error: u32, rip: u64): void {
  let v = vector, e = error, from = source;
  while (true) {
    if (from == SOURCE_EXCEPTION) tell(cpu, EVENT_EXCEPTION, v, e);
    if (enter(cpu, v, from, e, rip)) return;
    settleCanonical(cpu, 1);
    const second = trapVector, secondError = trapError;
    clearTrap();
    const firstClass = from == SOURCE_EXCEPTION ? faultClass(v) : 0, secondClass = faultClass(second);
    if (firstClass == 3) {
      store<u32>(cpu, ACTIVITY_SHUTDOWN, ACTIVITY);
      updateAttention(cpu);
      return;
    }
    if ((firstClass == 1 && secondClass == 1) || (firstClass == 2 && secondClass != 0)) { v = DF; e = 0; }
    else { v = second; e = secondError; }
    from = SOURCE_EXCEPTION;
  }
}

/** Classes of SDM vol. 3, table 6-4: 0 benign, 1 contributory, 2 page fault, 3 double fault. */
function faultClass(vector: u32): u32 {
  if (vector == PF) return 2;
  if (vector == DF) return 3;
  return vector == DE || (vector >= TS && vector <= GP) ? 1 : 0;
}

/** The fault in trap/trapVector/trapError, raised by the instruction at RIP. `stackSegment` is bit 0 of its op's flags. */
export function deliverFault(cpu: usize, stackSegment: u32): void {
  settleCanonical(cpu, stackSegment);
  const v = trapVector, e = trapError;
  clearTrap();
  deliver(cpu, v, SOURCE_EXCEPTION, e, load<u64>(cpu, RIP));
}

/** INT n, INT3, INT1: goes through the gate now, or leaves the fault of the instruction in `trap`. `next` is the RIP after it. */
export function softwareInterrupt(cpu: usize, vector: u32, source: u32, next: u64): void {
  enter(cpu, vector, source, NO_ERROR_CODE, next);
}

/** One attempt. Nothing but accessed flags has changed when it returns false with `trap` set. */
function enter(cpu: usize, vector: u32, source: u32, error: u32, rip: u64): bool {
  if (isLong(cpu)) return enterQuickly(cpu, vector, source, error, rip) || enterLong(cpu, vector, source, error, rip);
  const real = (load<u64>(cpu, CR0) & CR0_PE) == 0;
  if (real ? !enterReal(cpu, vector, rip) : !enterProtected(cpu, vector, source, error, rip)) return false;
  noteEntry();
  store<u32>(cpu, 0, INT_SHADOW);
  store<u32>(cpu, 0, REPEATING);
  store<u64>(cpu, load<u64>(cpu, CYCLES) + DELIVERY_CYCLES, CYCLES);
  updateMode(cpu);
  updateAttention(cpu);
  return true;
}

/**
 * The usual case of enterLong in few steps: everything it reads and writes is in the fast tables, the gate leads to an accessed code segment, to level 0, 1 or 2. False, with nothing
 * done, if something is otherwise.
 */
function enterQuickly(cpu: usize, vector: u32, source: u32, error: u32, rip: u64): bool {
  const set = <usize>load<u32>(cpu, FAST_IMPLICIT), cpl = load<u32>(cpu, CPL);
  const gateAt = load<u64>(cpu, IDTR_BASE) + <u64>(vector << 4), g = set + <usize>(<u32>(gateAt >> 8) & FAST_INDEX);
  if ((vector << 4) + 15 > load<u32>(cpu, IDTR_LIMIT) || load<u64>(g) != ((gateAt + 15) & PAGE)) return false;
  const gateHost = <usize>(<u32>gateAt + load<u32>(g, 8)), lo = load<u64>(gateHost), rights = <u32>(lo >> 40);
  // A present interrupt or trap gate.
  if ((rights & 0x9e) != (AR_P | TYPE_INTERRUPT_GATE) || (source == SOURCE_SOFTWARE && dplOf(rights) < cpl)) return false;
  const selector = <u32>(lo >> 16) & 0xffff, at = load<u64>(cpu, GDTR_BASE) + <u64>(selector & 0xfff8), d = set + <usize>(<u32>(at >> 8) & FAST_INDEX);
  if (selector < 8 || (selector & 4) != 0 || (selector | 7) > load<u32>(cpu, GDTR_LIMIT) || load<u64>(d) != ((at + 7) & PAGE)) return false;
  const code = load<u64>(<usize>(<u32>at + load<u32>(d, 8))), access = accessOf(code), level = dplOf(access);
  if ((access & (AR_P | AR_S | AR_CODE | AR_CONFORMING | AR_ACCESSED | AR_L | AR_DB)) != (AR_P | AR_S | AR_CODE | AR_ACCESSED | AR_L) || level > cpl || level == 3) return false;
  const target = (lo & 0xffff) | ((lo >> 32) & 0xffff0000) | (load<u64>(gateHost, 8) << 32);
  if (!canonical(target)) return false;

  const ist = <u32>(lo >> 32) & 7, rsp = load<u64>(cpu, RSP);
  let stack = rsp;
  if (ist != 0 || level < cpl) {
    const tr = seg(cpu, SEG_TR), offset: u32 = ist != 0 ? 0x1c + (ist << 3) : 4 + (level << 3), entryAt = load<u64>(tr, SEG_BASE) + <u64>offset;
    const t = set + <usize>(<u32>(entryAt >> 8) & FAST_INDEX);
    if (offset + 7 > load<u32>(tr, SEG_LIMIT) || load<u64>(t) != ((entryAt + 7) & PAGE)) return false;
    stack = load<u64>(<usize>(<u32>entryAt + load<u32>(t, 8)));
  }
  const bytes: u64 = error == NO_ERROR_CODE ? 40 : 48, frame = (stack & ~(<u64>15)) - bytes;
  const w = set + FAST_WRITE + <usize>(<u32>(frame >> 8) & FAST_INDEX);
  if (load<u64>(w) != ((frame + bytes - 1) & PAGE)) return false;

  let f = <usize>(<u32>frame + load<u32>(w, 8));
  if (error != NO_ERROR_CODE) { store<u64>(f, <u64>error); f += 8; }
  const resumes = source == SOURCE_EXCEPTION ? vector != DF : load<u32>(cpu, REPEATING) != 0;
  store<u64>(f, rip);
  store<u64>(f, <u64>selectorOf(cpu, SEG_CS), 8);
  store<u64>(f, <u64>(getFlags(cpu) | (resumes ? RF : 0)), 16);
  store<u64>(f, rsp, 24);
  store<u64>(f, <u64>selectorOf(cpu, SEG_SS), 32);

  const remode = level != cpl || !is64(cpu);
  setFlatSegment(cpu, SEG_CS, (selector & 0xfffc) | level, access, code);
  store<u32>(cpu, level, CPL);
  if (level != cpl) setSegment(cpu, SEG_SS, level, level << 5, 0, 0);
  entered(cpu, frame, target, (rights & 1) == 0);
  if (remode) updateMode(cpu);
  return true;
}

/** The end of a delivery: stack and instruction pointer, flags, cycles. */
function entered(cpu: usize, stack: u64, target: u64, clearIf: bool): void {
  store<u64>(cpu, stack, RSP);
  store<u64>(cpu, target, RIP);
  store<u32>(cpu, load<u32>(cpu, FLAGS_REST) & ~(TF | NT | RF | VM | (clearIf ? IF : 0)), FLAGS_REST);
  store<u32>(cpu, 0, REPEATING);
  store<u32>(cpu, 0, INT_SHADOW);
  noteEntry();
  store<u64>(cpu, load<u64>(cpu, CYCLES) + DELIVERY_CYCLES, CYCLES);
  // A delivery takes reasons away and brings none.
  if (load<u32>(cpu, ATTENTION) != 0) updateAttention(cpu);
}

/** IA-32e mode: gates of 16 bytes, handlers in 64-bit code (SDM vol. 3, 6.14). */
function enterLong(cpu: usize, vector: u32, source: u32, error: u32, rip: u64): bool {
  const ext: u32 = source == SOURCE_SOFTWARE ? 0 : EXT_BIT, gateError = (vector << 3) | IDT_BIT | ext;
  if ((vector << 4) + 15 > load<u32>(cpu, IDTR_LIMIT)) return refuse(cpu, GP, gateError);
  const at = load<u64>(cpu, IDTR_BASE) + <u64>(vector << 4);
  const lo = sysLoad(cpu, at, 8);
  if (trap) return false;
  const hi = sysLoad(cpu, at + 8, 8);
  if (trap) return false;
  const gate = <u32>(lo >> 40), type = gate & 0x1f;
  if (type != TYPE_INTERRUPT_GATE && type != TYPE_TRAP_GATE) return refuse(cpu, GP, gateError);
  const cpl = load<u32>(cpu, CPL);
  if (source == SOURCE_SOFTWARE && dplOf(gate) < cpl) return refuse(cpu, GP, gateError);
  if ((gate & AR_P) == 0) return refuse(cpu, NP, gateError);

  const selector = <u32>(lo >> 16) & 0xffff;
  if (isNull(selector)) return refuse(cpu, GP, ext);
  if (!readDescriptor(cpu, selector, ext)) return false;
  const access = accessOf(descriptor), dpl = dplOf(access), codeError = (selector & 0xfffc) | ext;
  if ((access & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || dpl > cpl) return refuse(cpu, GP, codeError);
  if ((access & AR_P) == 0) return refuse(cpu, NP, codeError);
  if ((access & (AR_L | AR_DB)) != AR_L) return refuse(cpu, GP, codeError);
  const level = (access & AR_CONFORMING) != 0 ? cpl : dpl;
  const target = (lo & 0xffff) | ((lo >> 32) & 0xffff0000) | (hi << 32);
  if (!canonical(target)) return refuse(cpu, GP, ext);

  // The stack: an IST entry, RSP0-2 of the TSS for a more privileged level, or the present one; aligned to 16 bytes.
  const ist = <u32>(lo >> 32) & 7;
  let stack = load<u64>(cpu, RSP);
  if (ist != 0 || level < cpl) {
    stack = tssStack(cpu, ist != 0 ? 0x1c + (ist << 3) : 4 + (level << 3), ext);
    if (trap) return false;
  }
  const words: u32 = error == NO_ERROR_CODE ? 5 : 6;
  frameAt = (stack & ~(<u64>15)) - <u64>(words << 3);
  if (!reserveFrame(cpu, words, level, ext)) return false;
  markAccessed(cpu);
  if (trap) return false;

  const flags = getFlags(cpu);
  const first = words - 5;
  if (first != 0) pushed(cpu, 0, <u64>error);
  pushed(cpu, first, rip);
  pushed(cpu, first + 1, <u64>selectorOf(cpu, SEG_CS));
  // The frame of a fault, or of an interrupt between two elements of a string instruction, has RF set, so that an instruction breakpoint does not stop the instruction again.
  const resumes = source == SOURCE_EXCEPTION ? vector != DF : load<u32>(cpu, REPEATING) != 0;
  pushed(cpu, first + 2, <u64>(flags | (resumes ? RF : 0)));
  pushed(cpu, first + 3, load<u64>(cpu, RSP));
  pushed(cpu, first + 4, <u64>selectorOf(cpu, SEG_SS));

  setCode(cpu, selector, level);
  if (level != cpl) setSegment(cpu, SEG_SS, level, level << 5, 0, 0);
  entered(cpu, frameAt, target, type == TYPE_INTERRUPT_GATE);
  updateMode(cpu);
  return true;
}

function refuse(cpu: usize, vector: u32, code: u32): bool {
  raiseError(cpu, vector, code);
  return false;
}

/** A stack pointer in the 64-bit TSS (SDM vol. 3, 7.7); #TS(TR) outside of its limit. */
function tssStack(cpu: usize, offset: u32, ext: u32): u64 {
  const tr = seg(cpu, SEG_TR);
  if (offset + 7 > load<u32>(tr, SEG_LIMIT)) { raiseError(cpu, TS, (load<u32>(tr, SEG_SELECTOR) & 0xfffc) | ext); return 0; }
  return sysLoad(cpu, load<u64>(tr, SEG_BASE) + offset, 8);
}

/**
 * Checks that the frame can be written, in the order in which its words are pushed, and remembers where it is: in linear memory if
 * nothing but RAM is concerned (frameHost), else its physical pages.
 */
function reserveFrame(cpu: usize, words: u32, level: u32, ext: u32): bool {
  const top = frameAt + <u64>((words - 1) << 3);
  frameHost = level == 3 ? 0 : sysSpan(cpu, frameAt, words << 3);
  if (frameHost != 0) return true;
  if (!canonical(frameAt) || !canonical(top + 7)) return refuse(cpu, SS, ext);
  const access = ACCESS_WRITE | (level == 3 ? ACCESS_USER : ACCESS_IMPLICIT);
  framePa = translateData(cpu, top, access);
  if (trap) return false;
  if (((top ^ frameAt) >> 12) == 0) {
    framePa &= 0xfffff000;
    framePaLow = framePa;
    if (level != 3 && framePa < ramSize) enterFast(cpu, load<u32>(cpu, FAST_IMPLICIT), frameAt, framePa, ACCESS_WRITE);
    return true;
  }
  // The highest word in the lower page is the first to fault there.
  framePaLow = translateData(cpu, (top & ~(<u64>0xfff)) - 8, access) & 0xfffff000;
  framePa &= 0xfffff000;
  return trap == 0;
}

/** Writes word `index` of the reserved frame, counted from its lowest address. */
function pushed(cpu: usize, index: u32, v: u64): void {
  if (frameHost != 0) { store<u64>(frameHost + <usize>(index << 3), v); return; }
  const va = frameAt + <u64>(index << 3);
  storeTranslated(cpu, va, (((va ^ frameAt) >> 12) == 0 ? framePaLow : framePa) | (<u32>va & 0xfff), 8, v);
}
