import { DEBUG_TABLES, PAGE_FLAGS, PF_WATCH, cpuCount, cpuAt, ramSize } from './map';
import { EXIT_WATCH, requestExit } from './boundary';
import { dropFastAll } from './mmu';

// What a debugger asks of the core: watch ranges and gate ranges. All of it belongs to the host and never changes what the guest sees.

export const WATCH_READ: u32 = 1, WATCH_WRITE: u32 = 2;
/** The range is of physical addresses, not linear ones. */
export const WATCH_PHYSICAL: u32 = 4;
export const WATCH_MAX: u32 = 32;

/** WATCH_MAX entries of 32 bytes: start u64, end u64 (exclusive), WATCH_* u32. The host fills them in, then calls setWatch. */
const WATCHES: usize = DEBUG_TABLES;
/** Four gate ranges of 16 bytes: start u64, end u64 (exclusive). */
const GATES: usize = DEBUG_TABLES + 0x800;
const GATE_RANGES: u32 = 4;

let watchCount: u32 = 0;
let linearCount: u32 = 0;

let hitIndex: u32 = 0, hitKind: u32 = 0;
let hitAddress: u64 = 0;

/** The access that hit last: index of the watch range. */
export function watchHit(): u32 { return hitIndex; }
/** WATCH_READ or WATCH_WRITE. */
export function watchKind(): u32 { return hitKind; }
/** Its address as the range counts, linear or physical. */
export function watchAddressLo(): u32 { return <u32>hitAddress; }
export function watchAddressHi(): u32 { return <u32>(hitAddress >> 32); }

/** Address of the watch table in linear memory. */
export function watchTable(): usize { return WATCHES; }

/** Takes over the first `count` (at most WATCH_MAX) entries of the watch table; 0 turns watching off. */
export function setWatch(count: u32): void {
  watchCount = count < WATCH_MAX ? count : WATCH_MAX;
  linearCount = 0;
  const pages = ramSize >> 12;
  for (let p: u32 = 0; p < pages; p++) {
    const at = PAGE_FLAGS + <usize>p, flags = load<u8>(at);
    if ((flags & PF_WATCH) != 0) store<u8>(at, flags & ~PF_WATCH);
  }
  for (let i: u32 = 0; i < watchCount; i++) {
    const w = WATCHES + (<usize>i << 5);
    if ((load<u32>(w, 16) & WATCH_PHYSICAL) == 0) { linearCount++; continue; }
    if (load<u64>(w, 8) <= load<u64>(w)) continue;
    const last = (load<u64>(w, 8) - 1) >> 12;
    for (let p = load<u64>(w) >> 12; p <= last && p < <u64>pages; p++) {
      const at = PAGE_FLAGS + <usize>p;
      store<u8>(at, load<u8>(at) | PF_WATCH);
    }
  }
  for (let n: u32 = 0; n < cpuCount; n++) dropFastAll(cpuAt(n));
}

/** Whether a linear watch range touches the page of `va`. */
export function touchesLinearWatch(va: u64): bool {
  if (linearCount == 0) return false;
  const page = va & ~(<u64>0xfff);
  for (let i: u32 = 0; i < watchCount; i++) {
    const w = WATCHES + (<usize>i << 5);
    if ((load<u32>(w, 16) & WATCH_PHYSICAL) == 0 && load<u64>(w) <= (page | 0xfff) && load<u64>(w, 8) > page) return true;
  }
  return false;
}

/** An access happens now: leaves with EXIT_WATCH after the instruction if a range has some of it. */
export function noteAccess(va: u64, pa: u32, size: u32, kind: u32): void {
  if (watchCount == 0) return;
  for (let i: u32 = 0; i < watchCount; i++) {
    const w = WATCHES + (<usize>i << 5), flags = load<u32>(w, 16);
    const at = (flags & WATCH_PHYSICAL) != 0 ? <u64>pa : va;
    if ((flags & kind) == 0 || at >= load<u64>(w, 8) || at + size <= load<u64>(w)) continue;
    hit(i, kind, at);
    return;
  }
}

/** As noteAccess, for writes of the host (device DMA, kernel routines), which have only a physical address. */
export function noteHostWrite(pa: u32, len: u32): void {
  for (let i: u32 = 0; i < watchCount; i++) {
    const w = WATCHES + (<usize>i << 5), flags = load<u32>(w, 16);
    if ((flags & WATCH_PHYSICAL) == 0 || (flags & WATCH_WRITE) == 0 || <u64>pa >= load<u64>(w, 8) || <u64>pa + len <= load<u64>(w)) continue;
    hit(i, WATCH_WRITE, <u64>pa);
    return;
  }
}

function hit(index: u32, kind: u32, at: u64): void {
  hitIndex = index; hitKind = kind; hitAddress = at;
  requestExit(EXIT_WATCH);
}

/** Declares linear [start, end) as a place where 0F 01 C1 at CPL 0 is a gate; `index` is 0 to 3, start = end removes the range. */
export function setGateRange(index: u32, startLo: u32, startHi: u32, endLo: u32, endHi: u32): void {
  if (index >= GATE_RANGES) return;
  const g = GATES + (<usize>index << 4);
  store<u32>(g, startLo); store<u32>(g, startHi, 4);
  store<u32>(g, endLo, 8); store<u32>(g, endHi, 12);
}

export function isGate(rip: u64): bool {
  for (let i: u32 = 0; i < GATE_RANGES; i++) {
    const g = GATES + (<usize>i << 4);
    if (rip >= load<u64>(g) && rip < load<u64>(g, 8)) return true;
  }
  return false;
}
