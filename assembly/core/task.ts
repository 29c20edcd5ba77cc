import { updateAttention } from './boundary';
import { writeCr3 } from './control';
import { DR6_BT, pend, updateDebug } from './debugregs';
import { getFlags, NT, setFlags, VM } from './flags';
import { beginFrame, checkFrame, frameWord, writeFrame } from './frame';
import { deliver, SOURCE_EXCEPTION } from './interrupts';
import { CPL, CR0, CR3, CYCLES, DR, FLAGS_REST, NMI_BLOCKED, RIP, RSP, SEG_ACCESS, SEG_BASE, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_LIMIT, SEG_SELECTOR, SEG_SS, SEG_TR } from './layout';
import { sysLoad, sysStore } from './mem';
import { CR0_PG, CR0_TS } from './crbits';
import { updateMode } from './mode';
import { accessOf, AR_CODE, AR_CONFORMING, AR_P, AR_READABLE, AR_S, AR_WRITABLE, baseOf, descriptor, dplOf, findDescriptor, isNull, limitOf, markAccessed, seg, selectorOf, setBusy, setFromDescriptor, setReal, setSegment, targetInside, TSS_WIDE, TYPE_LDT, TYPE_TSS16, TYPE_TSS16_BUSY } from './segments';
import { clearTrap, GP, NO_ERROR_CODE, NP, raiseError, SS, trap, trapError, trapVector, TS } from './trap';

// Hardware task switches of protected mode (SDM vol. 3, chapter 8). IA-32e mode has none.

/** What switches: JMP, CALL, an interrupt or exception, IRET. */
export const TASK_JUMP: u32 = 0, TASK_CALL: u32 = 1, TASK_INTERRUPT: u32 = 2, TASK_RETURN: u32 = 3;

/** Cycles of a switch under the flat timing model, beside those of the instruction. */
const SWITCH_CYCLES: u64 = 200;

/** Offsets in a 32-bit and a 16-bit TSS (SDM vol. 3, figures 8-2 and 8-10). */
const LINK: u32 = 0, CR3_32: u32 = 0x1c, EIP_32: u32 = 0x20, FLAGS_32: u32 = 0x24, REGISTERS_32: u32 = 0x28, SEGMENTS_32: u32 = 0x48, LDT_32: u32 = 0x60, TRAP_32: u32 = 0x64;
const IP_16: u32 = 0x0e, FLAGS_16: u32 = 0x10, REGISTERS_16: u32 = 0x12, SEGMENTS_16: u32 = 0x22, LDT_16: u32 = 0x2a;

function refuse(cpu: usize, vector: u32, code: u32): bool {
  raiseError(cpu, vector, code);
  return false;
}

/**
 * Switches to the TSS that a task gate names, or (TASK_RETURN) that the previous-task link names; `rip` is where the old task goes on. An error code goes onto the new
 * stack. False with `trap` set when the old task still runs.
 */
export function taskGate(cpu: usize, selector: u32, reason: u32, ext: u32, rip: u64, error: u32): bool {
  const code = (selector & 0xfffc) | ext, vector = reason == TASK_RETURN ? TS : GP;
  if ((selector & 4) != 0 || isNull(selector) || !findDescriptor(cpu, selector, 8)) return trap ? false : refuse(cpu, vector, code);
  if (trap) return false;
  const access = accessOf(descriptor), type = access & 0x1f & ~TSS_WIDE;
  if (type != (reason == TASK_RETURN ? TYPE_TSS16_BUSY : TYPE_TSS16)) return refuse(cpu, vector, code);
  if ((access & AR_P) == 0) return refuse(cpu, NP, code);
  return switchTask(cpu, selector, reason, ext, rip, error);
}

/** IRET with NT set: back to the task that the present one was nested in. */
export function taskReturn(cpu: usize, rip: u64): bool {
  const link = <u32>sysLoad(cpu, load<u64>(seg(cpu, SEG_TR), SEG_BASE) + LINK, 2);
  return trap ? false : taskGate(cpu, link, TASK_RETURN, 0, rip, NO_ERROR_CODE);
}

/** Word of the TSS at `base`: `wide` selects four bytes. */
function take(cpu: usize, base: u64, offset: u32, bytes: u32): u32 { return <u32>sysLoad(cpu, (base + offset) & 0xffffffff, bytes); }
function put(cpu: usize, base: u64, offset: u32, bytes: u32, v: u32): void { sysStore(cpu, (base + offset) & 0xffffffff, bytes, <u64>v); }

/** Switches to the checked TSS whose descriptor was read last. */
export function switchTask(cpu: usize, selector: u32, reason: u32, ext: u32, rip: u64, error: u32): bool {
  const d = descriptor, access = accessOf(d), wide = (access & TSS_WIDE) != 0, base = baseOf(d), limit = limitOf(d);
  const least: u32 = wide ? 0x67 : 0x2b;
  if (limit < least) return refuse(cpu, TS, (selector & 0xfffc) | ext);
  const tr = seg(cpu, SEG_TR), old = load<u32>(tr, SEG_SELECTOR), oldWide = (load<u32>(tr, SEG_ACCESS) & TSS_WIDE) != 0, oldBase = load<u64>(tr, SEG_BASE);

  // Everything that the switch touches is read, and the writes are checked by rewriting what is there, before anything changes.
  const cr3 = wide ? take(cpu, base, CR3_32, 4) : 0; if (trap) return false;
  const eip = wide ? take(cpu, base, EIP_32, 4) : take(cpu, base, IP_16, 2); if (trap) return false;
  const flags = wide ? take(cpu, base, FLAGS_32, 4) : take(cpu, base, FLAGS_16, 2); if (trap) return false;
  const ldt = take(cpu, base, wide ? LDT_32 : LDT_16, 2); if (trap) return false;
  const debugTrap = wide ? take(cpu, base, TRAP_32, 2) & 1 : 0; if (trap) return false;
  const registers: usize = memory.data(32, 4), segments: usize = memory.data(24, 4);
  for (let i: u32 = 0; i < 8; i++) { store<u32>(registers + (<usize>i << 2), wide ? take(cpu, base, REGISTERS_32 + (i << 2), 4) : take(cpu, base, REGISTERS_16 + (i << 1), 2) | 0xffff0000); if (trap) return false; }
  for (let i: u32 = 0; i < 6; i++) { store<u32>(segments + (<usize>i << 2), wide ? take(cpu, base, SEGMENTS_32 + (i << 2), 2) : i < 4 ? take(cpu, base, SEGMENTS_16 + (i << 1), 2) : 0); if (trap) return false; }
  const last: u32 = oldWide ? 0x5c : 0x28, first = oldWide ? EIP_32 : IP_16;
  put(cpu, oldBase, last, 2, take(cpu, oldBase, last, 2)); if (trap) return false;
  put(cpu, oldBase, first, 2, take(cpu, oldBase, first, 2)); if (trap) return false;

  // The old task: its busy flag goes unless it nests the new one; then its state is saved.
  if (reason == TASK_JUMP || reason == TASK_RETURN) {
    if (findDescriptor(cpu, old, 8) && !trap) setBusy(cpu, false);
    if (trap) return false;
  }
  const oldFlags = reason == TASK_RETURN ? getFlags(cpu) & ~NT : getFlags(cpu);
  if (oldWide) {
    put(cpu, oldBase, EIP_32, 4, <u32>rip);
    put(cpu, oldBase, FLAGS_32, 4, oldFlags);
    for (let i: u32 = 0; i < 8; i++) put(cpu, oldBase, REGISTERS_32 + (i << 2), 4, load<u32>(cpu + (<usize>i << 3)));
    for (let i: u32 = 0; i < 6; i++) put(cpu, oldBase, SEGMENTS_32 + (i << 2), 2, selectorOf(cpu, <usize>i));
  } else {
    put(cpu, oldBase, IP_16, 2, <u32>rip);
    put(cpu, oldBase, FLAGS_16, 2, oldFlags);
    for (let i: u32 = 0; i < 8; i++) put(cpu, oldBase, REGISTERS_16 + (i << 1), 2, load<u32>(cpu + (<usize>i << 3)));
    for (let i: u32 = 0; i < 4; i++) put(cpu, oldBase, SEGMENTS_16 + (i << 1), 2, selectorOf(cpu, <usize>i));
  }
  const nested = reason == TASK_CALL || reason == TASK_INTERRUPT;
  if (nested) put(cpu, base, LINK, 2, old);
  if (trap) return false;

  // The new task: from here on faults are its own.
  if (findDescriptor(cpu, selector, 8) && reason != TASK_RETURN) setBusy(cpu, true);
  setSegment(cpu, SEG_TR, selector, access | 2, base, limit);
  store<u64>(cpu, load<u64>(cpu, CR0) | CR0_TS, CR0);
  store<u64>(cpu, load<u64>(cpu, DR + 56) & ~(<u64>0x55), DR + 56);
  updateDebug(cpu);
  if (wide && (load<u64>(cpu, CR0) & CR0_PG) != 0 && <u64>cr3 != load<u64>(cpu, CR3)) writeCr3(cpu, <u64>cr3);
  for (let i: u32 = 0; i < 8; i++) store<u64>(cpu + (<usize>i << 3), <u64>load<u32>(registers + (<usize>i << 2)));
  store<u64>(cpu, <u64>eip, RIP);
  setFlags(cpu, (flags | (nested ? NT : 0)) & 0x3f7fd7);
  store<u64>(cpu, load<u64>(cpu, CYCLES) + SWITCH_CYCLES, CYCLES);
  if (reason == TASK_RETURN) store<u32>(cpu, 0, NMI_BLOCKED);
  if (!trap) loadSegments(cpu, segments, ldt, ext);
  if (!trap && error != NO_ERROR_CODE) pushError(cpu, wide ? 4 : 2, error, ext);
  updateMode(cpu);
  updateAttention(cpu);
  if (trap) {
    const v = trapVector, e = trapError;
    clearTrap();
    deliver(cpu, v, SOURCE_EXCEPTION, e, load<u64>(cpu, RIP));
  } else if (debugTrap != 0) pend(cpu, DR6_BT);
  return true;
}

function pushError(cpu: usize, bytes: u32, error: u32, ext: u32): void {
  beginFrame(cpu, bytes);
  frameWord(<u64>error);
  if (checkFrame(cpu, ext)) store<u64>(cpu, writeFrame(cpu), RSP);
}

/** Loads LDTR and the segment registers of the new task; first all selectors without descriptors, so that a fault finds none of the old task's. */
function loadSegments(cpu: usize, segments: usize, ldt: u32, ext: u32): void {
  for (let i: usize = 0; i < 6; i++) setSegment(cpu, i, load<u32>(segments + (i << 2)), 0, 0, 0);
  setSegment(cpu, SEG_LDTR, ldt, 0, 0, 0);
  const cs = load<u32>(segments, SEG_CS << 2), virtual = (load<u32>(cpu, FLAGS_REST) & VM) != 0;
  // The privilege that a fault below has.
  store<u32>(cpu, virtual ? 3 : cs & 3, CPL);
  if (!isNull(ldt)) {
    if ((ldt & 4) != 0 || !findDescriptor(cpu, ldt, 8) || (accessOf(descriptor) & 0x9f) != (AR_P | TYPE_LDT)) { if (!trap) raiseError(cpu, TS, (ldt & 0xfffc) | ext); return; }
    setFromDescriptor(cpu, SEG_LDTR, ldt, descriptor);
  }
  if (virtual) {
    for (let i: usize = 0; i < 6; i++) setReal(cpu, i, load<u32>(segments + (i << 2)));
    return;
  }
  if (!loadCode(cpu, cs, ext) || !loadStack(cpu, load<u32>(segments, SEG_SS << 2), cs & 3, ext)) return;
  if (loadData(cpu, SEG_DS, load<u32>(segments, SEG_DS << 2), cs & 3, ext) && loadData(cpu, SEG_ES, load<u32>(segments, SEG_ES << 2), cs & 3, ext) && loadData(cpu, SEG_FS, load<u32>(segments, SEG_FS << 2), cs & 3, ext) && loadData(cpu, SEG_GS, load<u32>(segments, SEG_GS << 2), cs & 3, ext))
    targetInside(cpu, codeDescriptor, load<u64>(cpu, RIP), ext);
}

let codeDescriptor: u64 = 0;

/** Reads the descriptor of a selector; #TS if there is none. */
function find(cpu: usize, selector: u32, ext: u32): bool {
  const found = !isNull(selector) && findDescriptor(cpu, selector, 8);
  if (!found && !trap) raiseError(cpu, TS, (selector & 0xfffc) | ext);
  return !trap;
}

function loadCode(cpu: usize, selector: u32, ext: u32): bool {
  if (!find(cpu, selector, ext)) return false;
  const access = accessOf(descriptor), dpl = dplOf(access), rpl = selector & 3;
  if ((access & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || ((access & AR_CONFORMING) != 0 ? dpl > rpl : dpl != rpl)) return refuse(cpu, TS, (selector & 0xfffc) | ext);
  if ((access & AR_P) == 0) return refuse(cpu, NP, (selector & 0xfffc) | ext);
  return loaded(cpu, SEG_CS, selector);
}

function loaded(cpu: usize, index: usize, selector: u32): bool {
  markAccessed(cpu);
  if (trap) return false;
  if (index == SEG_CS) codeDescriptor = descriptor;
  setFromDescriptor(cpu, index, selector, descriptor);
  return true;
}

function loadStack(cpu: usize, selector: u32, cpl: u32, ext: u32): bool {
  if (!find(cpu, selector, ext)) return false;
  const access = accessOf(descriptor);
  if ((access & (AR_S | AR_CODE | AR_WRITABLE)) != (AR_S | AR_WRITABLE) || dplOf(access) != cpl || (selector & 3) != cpl) return refuse(cpu, TS, (selector & 0xfffc) | ext);
  if ((access & AR_P) == 0) return refuse(cpu, SS, (selector & 0xfffc) | ext);
  return loaded(cpu, SEG_SS, selector);
}

function loadData(cpu: usize, index: usize, selector: u32, cpl: u32, ext: u32): bool {
  if (isNull(selector)) return true;
  if (!find(cpu, selector, ext)) return false;
  const access = accessOf(descriptor), dpl = dplOf(access), code = (access & AR_CODE) != 0;
  const reachable = (access & (AR_CODE | AR_CONFORMING)) == (AR_CODE | AR_CONFORMING) || ((selector & 3) <= dpl && cpl <= dpl);
  if ((access & AR_S) == 0 || (code && (access & AR_READABLE) == 0) || !reachable) return refuse(cpu, TS, (selector & 0xfffc) | ext);
  if ((access & AR_P) == 0) return refuse(cpu, NP, (selector & 0xfffc) | ext);
  return loaded(cpu, index, selector);
}
