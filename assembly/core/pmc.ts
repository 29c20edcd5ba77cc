import { LVT, LVT_MASKED, raiseLvt } from './apic';
import { bumpLinks } from './mmu';
import { MODE_COUNT } from './block';
import { BRANCHES, CYCLES, INSTRUCTIONS, MODE, PMC, PMC_ACTIVE } from './layout';
import { GP, raiseError } from './trap';

// Architectural performance monitoring, version 2 (SDM vol. 3, chapter 20): four general counters and three fixed ones, 48 bits each.
//
// Nothing counts while code runs. The run loop calls pmcSync at each boundary that it sees, which adds what has passed since the last
// call to the counters that are enabled for the privilege level of that time. While a counter is active, every change of level is such a
// boundary (ATTENTION_COUNT). Branches are counted by an op that the decoder puts before each of them under MODE_COUNT.

const GENERAL: u32 = 4, FIXED: u32 = 3, COUNTERS: u32 = 7;
const COUNTER_MASK: u64 = 0xffffffffffff;
/** Counters (general, then fixed), event selects, then the rest; u64 each. */
const SELECT: usize = PMC + 56, FIXED_CTRL: usize = PMC + 88, GLOBAL_CTRL: usize = PMC + 96, GLOBAL_STATUS: usize = PMC + 104;
const LAST_CYCLES: usize = PMC + 112, LAST_INSTRUCTIONS: usize = PMC + 120, LAST_BRANCHES: usize = PMC + 128;

/** CPUID leaf 0AH: version 2, four counters of 48 bits, seven events in EBX of which last-level cache and mispredicted branches (there are neither) are not there; three fixed counters. */
export const LEAF_A_EAX: u32 = 0x07300402, LEAF_A_EBX: u32 = 0x58, LEAF_A_EDX: u32 = 0x603;

const SELECT_USR: u64 = 0x10000, SELECT_OS: u64 = 0x20000, SELECT_INT: u64 = 0x100000, SELECT_EN: u64 = 0x400000;
/** Event, unit mask, USR, OS, E, PC, INT, EN, INV, CMASK. */
const SELECT_WRITABLE: u64 = 0xffdfffff;
const GLOBAL_BITS: u64 = 0x70000000f;
/** Bits of status and overflow control besides the counters': condition changed. */
const STATUS_CHANGED: u64 = 1 << 63;

/** What a counter counts. */
const NOTHING: u32 = 0, COUNT_CYCLES: u32 = 1, COUNT_INSTRUCTIONS: u32 = 2, COUNT_BRANCHES: u32 = 3;
const LVT_PERFORMANCE: u32 = 2;

function u64At(cpu: usize, base: usize, n: u32): usize { return cpu + base + (<usize>n << 3); }
/** Its bit in GLOBAL_CTRL and GLOBAL_STATUS. */
function bitOf(n: u32): u64 { return <u64>1 << <u64>(n < GENERAL ? n : 32 + n - GENERAL); }
/** The fixed counter's four control bits: OS, USR, any thread, PMI. */
function fixedControl(cpu: usize, n: u32): u32 { return <u32>(load<u64>(cpu, FIXED_CTRL) >> <u64>((n - GENERAL) << 2)) & 15; }

function eventOf(cpu: usize, n: u32): u32 {
  if (n >= GENERAL) return n == GENERAL ? COUNT_INSTRUCTIONS : COUNT_CYCLES;
  switch (<u32>load<u64>(u64At(cpu, SELECT, n)) & 0xffff) {
    case 0x003c: case 0x013c: return COUNT_CYCLES; // core cycles, reference cycles
    case 0x00c0: return COUNT_INSTRUCTIONS;
    case 0x00c4: return COUNT_BRANCHES;
    default: return NOTHING;
  }
}
function enabled(cpu: usize, n: u32): bool {
  if ((load<u64>(cpu, GLOBAL_CTRL) & bitOf(n)) == 0) return false;
  return n < GENERAL ? (load<u64>(u64At(cpu, SELECT, n)) & SELECT_EN) != 0 : (fixedControl(cpu, n) & 3) != 0;
}
function countsAt(cpu: usize, n: u32, level: u32): bool {
  if (n >= GENERAL) return (fixedControl(cpu, n) & (level == 0 ? 1 : 2)) != 0;
  return (load<u64>(u64At(cpu, SELECT, n)) & (level == 0 ? SELECT_OS : SELECT_USR)) != 0;
}
function interrupts(cpu: usize, n: u32): bool {
  return n < GENERAL ? (load<u64>(u64At(cpu, SELECT, n)) & SELECT_INT) != 0 : (fixedControl(cpu, n) & 8) != 0;
}

/** State after power-up or RESET (SDM vol. 3, table 10-1): all general counters globally enabled, none selected. */
export function pmcReset(cpu: usize): void { store<u64>(cpu, 15, GLOBAL_CTRL); }

/** Recomputes PMC_ACTIVE (1 a counter is enabled, 2 one counts branches); after a control register or the whole state changed. */
export function pmcUpdate(cpu: usize): void {
  let active: u32 = 0;
  for (let n: u32 = 0; n < COUNTERS; n++) {
    if (enabled(cpu, n)) active |= eventOf(cpu, n) == COUNT_BRANCHES ? 3 : 1;
  }
  store<u32>(cpu, active, PMC_ACTIVE);
  const mode = load<u32>(cpu, MODE), next = (active & 2) != 0 ? mode | MODE_COUNT : mode & ~MODE_COUNT;
  if (mode != next) { store<u32>(cpu, next, MODE); bumpLinks(); }
}

/** What passes from here on counts: a counter was switched on, or a halted processor runs again. */
export function pmcRestart(cpu: usize): void {
  store<u64>(cpu, load<u64>(cpu, CYCLES), LAST_CYCLES);
  store<u64>(cpu, load<u64>(cpu, INSTRUCTIONS), LAST_INSTRUCTIONS);
  store<u64>(cpu, load<u64>(cpu, BRANCHES), LAST_BRANCHES);
}

/** Adds what has passed at privilege `level` since the last call; an overflow sets its status bit and, when asked for, raises the interrupt of the local vector table. */
export function pmcSync(cpu: usize, level: u32): void {
  const cycles = load<u64>(cpu, CYCLES) - load<u64>(cpu, LAST_CYCLES), instructions = load<u64>(cpu, INSTRUCTIONS) - load<u64>(cpu, LAST_INSTRUCTIONS), branches = load<u64>(cpu, BRANCHES) - load<u64>(cpu, LAST_BRANCHES);
  pmcRestart(cpu);
  let pmi = false;
  for (let n: u32 = 0; n < COUNTERS; n++) {
    if (!enabled(cpu, n) || !countsAt(cpu, n, level)) continue;
    const event = eventOf(cpu, n), by = event == COUNT_CYCLES ? cycles : event == COUNT_INSTRUCTIONS ? instructions : event == COUNT_BRANCHES ? branches : 0;
    const at = u64At(cpu, PMC, n), sum = load<u64>(at) + by;
    store<u64>(at, sum & COUNTER_MASK);
    if (sum <= COUNTER_MASK) continue;
    store<u64>(cpu, load<u64>(cpu, GLOBAL_STATUS) | bitOf(n), GLOBAL_STATUS);
    pmi = pmi || interrupts(cpu, n);
  }
  if (!pmi) return;
  const entry = cpu + LVT + (LVT_PERFORMANCE << 2);
  raiseLvt(cpu, LVT_PERFORMANCE);
  // The entry masks itself (SDM vol. 3, 11.5.1); the handler opens it again.
  store<u32>(entry, load<u32>(entry) | LVT_MASKED);
}

/** Cycles that may pass before a counter that interrupts can overflow: no instruction or branch takes less than one. */
export function pmcRoom(cpu: usize): u64 {
  let room: u64 = COUNTER_MASK;
  for (let n: u32 = 0; n < COUNTERS; n++) {
    if (!enabled(cpu, n) || !interrupts(cpu, n)) continue;
    const left = COUNTER_MASK + 1 - load<u64>(u64At(cpu, PMC, n));
    if (left < room) room = left;
  }
  return room;
}

/** RDPMC: ECX is a general counter's number, or 40000000H plus a fixed one's. #GP(0) for any other. */
export function readCounter(cpu: usize, index: u32): u64 {
  const n = (index & 0x40000000) != 0 ? GENERAL + (index & 0xbfffffff) : index;
  if (n >= COUNTERS || ((index & 0x40000000) == 0 && n >= GENERAL)) { raiseError(cpu, GP, 0); return 0; }
  return load<u64>(u64At(cpu, PMC, n));
}

/** Where a register lies by its MSR number, or 0. GLOBAL_OVF_CTRL (390H) reads as 0 and is not stored. */
function place(msr: u32): usize {
  if (msr >= 0xc1 && msr < 0xc1 + GENERAL) return PMC + (<usize>(msr - 0xc1) << 3);
  if (msr >= 0x186 && msr < 0x186 + GENERAL) return SELECT + (<usize>(msr - 0x186) << 3);
  if (msr >= 0x309 && msr < 0x309 + FIXED) return PMC + (<usize>(msr - 0x309 + GENERAL) << 3);
  switch (msr) {
    case 0x38d: return FIXED_CTRL;
    case 0x38e: return GLOBAL_STATUS;
    case 0x38f: return GLOBAL_CTRL;
    default: return 0;
  }
}
export function isPmcMsr(msr: u32): bool { return place(msr) != 0 || msr == 0x390; }

export function readPmcMsr(cpu: usize, msr: u32): u64 { return msr == 0x390 ? 0 : load<u64>(cpu + place(msr)); }

/** Reserved bits and writes of the status are #GP(0). A general counter takes a sign-extended 32-bit value (no full-width writes). */
export function writePmcMsr(cpu: usize, msr: u32, v: u64): void {
  const at = place(msr);
  let value = v, good = true;
  if (msr == 0x390) good = (v & ~(GLOBAL_BITS | STATUS_CHANGED)) == 0;
  else if (msr == 0x38e) good = false;
  else if (msr == 0x38f) good = (v & ~GLOBAL_BITS) == 0;
  else if (msr == 0x38d) good = (v & ~(<u64>0xbbb)) == 0;
  else if (at >= SELECT) good = (v & ~SELECT_WRITABLE) == 0;
  else if (msr < 0x186) value = <u64><i64><i32>v & COUNTER_MASK;
  else good = (v & ~COUNTER_MASK) == 0;
  if (!good) { raiseError(cpu, GP, 0); return; }
  if (msr == 0x390) { store<u64>(cpu, load<u64>(cpu, GLOBAL_STATUS) & ~v, GLOBAL_STATUS); return; }
  const before = load<u32>(cpu, PMC_ACTIVE);
  store<u64>(cpu + at, value);
  pmcUpdate(cpu);
  if (before == 0) pmcRestart(cpu);
}
