import { codeOverlaps } from './blocks';
import { noteData } from './debugregs';
import { CPL, DEBUG_ACTIVE, FAST, FAST_CODE, FAST_IMPLICIT } from './layout';
import { legacy } from './linear';
import { FAST_SETS, FAST_WRITE, PAGE_FLAGS, PF_CODE, RAM_BASE, ramSize } from './map';
import { ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, codeWriteIndex, enterFast, translateData } from './mmu';
import { loadSized, loadTranslated, mustBeAlone, storeSized, storeTranslated } from './physical';
import { dontHold, drain, hold, holdsUnchecked, isHolding } from './storebuffer';
import { AC, alone, GP, raiseCanonical, raiseError, raiseRedo, trap } from './trap';

// Loads and stores of instructions, at linear addresses.
//
// The fast lookup tables. `load<u32>(cpu, FAST)` is the address of the set for the current privilege (mode.ts switches it).
// A set is a read table of 512 entries and, FAST_WRITE bytes after it, a write table of 512. An entry is 16 bytes:
//
//   0 u64  tag: the linear address of the page, or an odd value for "nothing"
//   8 u32  addend: linear-memory address = low half of the linear address + addend
//
// and page p is looked up in entry p & 511. So an access of `size` bytes at `va` hits when
//
//   e = load<u32>(cpu, FAST) + (<u32>(va >> 8) & 0x1ff0)           (+ FAST_WRITE for a write or the read of a read-modify-write)
//   load<u64>(e) == ((va + size - 1) & ~0xfff)
//
// and is then at <u32>va + load<u32>(e, 8). An access that crosses into the next page compares with that page's address, which
// can never be in the entry of the first page; so one comparison checks presence, permission, canonical form and crossing.
//
// An entry exists only where the TLB has one; a write entry only if the page is dirty, holds no decoded code and is not
// watched; MMIO and APIC pages never. Everything else takes the slow path, which may raise TRAP_REDO: see README.
//
// A stack or a variable may share its page with code. Such a page has an entry of the same form in a small set of its own
// (FAST_CODE), where the slow path looks first: a write that misses every decoded byte is done there and then.

/** The table set in which nothing is ever entered: user mode with alignment checking on. */
export const SET_SUPERVISOR: u32 = 0, SET_SUPERVISOR_SMAP: u32 = 1, SET_USER: u32 = 2, SET_CHECKED: u32 = 3;
export const FAST_INDEX: u32 = 0x1ff0;
export const PAGE: u64 = ~(<u64>0xfff);
/** A tag that no access can have. */
export const NO_TAG: u64 = 1;

/** Loads of 1, 2, 4 and 8 bytes. After each: `if (trap) return`. */
export function ld8(cpu: usize, va: u64): u8 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e) == (va & PAGE)) return load<u8>(<usize>(<u32>va + load<u32>(e, 8)));
  return <u8>loadSlow(cpu, va, 1);
}
export function ld16(cpu: usize, va: u64): u16 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e) == ((va + 1) & PAGE)) return load<u16>(<usize>(<u32>va + load<u32>(e, 8)));
  return <u16>loadSlow(cpu, va, 2);
}
export function ld32(cpu: usize, va: u64): u32 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e) == ((va + 3) & PAGE)) return load<u32>(<usize>(<u32>va + load<u32>(e, 8)));
  return <u32>loadSlow(cpu, va, 4);
}
export function ld64(cpu: usize, va: u64): u64 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e) == ((va + 7) & PAGE)) return load<u64>(<usize>(<u32>va + load<u32>(e, 8)));
  return loadSlow(cpu, va, 8);
}

/** The read of a read-modify-write: faults as a write would, so that nothing has happened when the store is refused. */
export function ldw8(cpu: usize, va: u64): u8 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == (va & PAGE)) return load<u8>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)));
  return <u8>loadForWriteSlow(cpu, va, 1);
}
export function ldw16(cpu: usize, va: u64): u16 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 1) & PAGE)) return load<u16>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)));
  return <u16>loadForWriteSlow(cpu, va, 2);
}
export function ldw32(cpu: usize, va: u64): u32 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 3) & PAGE)) return load<u32>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)));
  return <u32>loadForWriteSlow(cpu, va, 4);
}
export function ldw64(cpu: usize, va: u64): u64 {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 7) & PAGE)) return load<u64>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)));
  return loadForWriteSlow(cpu, va, 8);
}

/** Stores of 1, 2, 4 and 8 bytes. After each: `if (trap) return`. */
export function st8(cpu: usize, va: u64, v: u8): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == (va & PAGE)) store<u8>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)), v);
  else storeSlow(cpu, va, 1, <u64>v);
}
export function st16(cpu: usize, va: u64, v: u16): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 1) & PAGE)) store<u16>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)), v);
  else storeSlow(cpu, va, 2, <u64>v);
}
export function st32(cpu: usize, va: u64, v: u32): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 3) & PAGE)) store<u32>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)), v);
  else storeSlow(cpu, va, 4, <u64>v);
}
export function st64(cpu: usize, va: u64, v: u64): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 7) & PAGE)) store<u64>(<usize>(<u32>va + load<u32>(e, FAST_WRITE + 8)), v);
  else storeSlow(cpu, va, 8, v);
}

/** Loads 16 bytes into linear memory at `to`. */
export function ld128(cpu: usize, va: u64, to: usize): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e) == ((va + 15) & PAGE)) {
    const at = <usize>(<u32>va + load<u32>(e, 8)), lo = load<u64>(at);
    store<u64>(to, load<u64>(at, 8), 8);
    store<u64>(to, lo);
    return;
  }
  loadBytes(cpu, va, to, 0);
}
/** Stores 16 bytes from linear memory at `from`. */
export function st128(cpu: usize, va: u64, from: usize): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 15) & PAGE)) {
    const at = <usize>(<u32>va + load<u32>(e, FAST_WRITE + 8));
    store<u64>(at, load<u64>(from));
    store<u64>(at, load<u64>(from, 8), 8);
    return;
  }
  storeBytes(cpu, va, from);
}
/** Loads 32 bytes into linear memory at `to`. */
export function ld256(cpu: usize, va: u64, to: usize): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e) == ((va + 31) & PAGE)) {
    const at = <usize>(<u32>va + load<u32>(e, 8));
    v128.store(to, v128.load(at));
    v128.store(to, v128.load(at, 16), 16);
    return;
  }
  if (!probe(cpu, va, 32, 0)) return;
  loadBytes(cpu, va, to, 0);
  if (!trap) loadBytes(cpu, va + 16, to + 16, 0);
}
/** Stores 32 bytes from linear memory at `from`. */
export function st256(cpu: usize, va: u64, from: usize): void {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e, FAST_WRITE) == ((va + 31) & PAGE)) {
    const at = <usize>(<u32>va + load<u32>(e, FAST_WRITE + 8));
    v128.store(at, v128.load(from));
    v128.store(at, v128.load(from, 16), 16);
    return;
  }
  if (!probe(cpu, va, 32, ACCESS_WRITE)) return;
  dontHold(cpu);
  storeBytes(cpu, va, from);
  if (!trap) storeBytes(cpu, va + 16, from + 16);
}
/** As ld128, faulting as a write would (CMPXCHG16B). */
export function ldw128(cpu: usize, va: u64, to: usize): void { loadBytes(cpu, va, to, ACCESS_WRITE); }

/**
 * Where in linear memory the byte at `va` is, if its whole page can be read (or written) without further checks; else 0.
 * For bulk work in string instructions: handle one element with ld/st first, which makes the fast entry if there can be one.
 */
export function span(cpu: usize, va: u64, write: bool): usize {
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(va >> 8) & FAST_INDEX) + (write ? FAST_WRITE : 0);
  return load<u64>(e) == (va & PAGE) ? <usize>(<u32>va + load<u32>(e, 8)) : 0;
}

export function canonical(va: u64): bool { return (<i64>(va << 16) >> 16) == <i64>va; }

function dataAccess(cpu: usize, write: u32): u32 { return write | (load<u32>(cpu, CPL) == 3 ? ACCESS_USER : 0); }

/** #AC is checked at CPL 3 with CR0.AM and EFLAGS.AC (SDM vol. 3, 6.15, "Interrupt 17"): exactly when SET_CHECKED is selected. */
export function alignmentChecked(cpu: usize): bool { return load<u32>(cpu, FAST) == <u32>cpu + <u32>FAST_SETS + (SET_CHECKED << 14) && !holdsUnchecked(); }
function aligned(cpu: usize, va: u64, size: u32): bool { return (<u32>va & (size - 1)) == 0 || !alignmentChecked(cpu); }

/** Canonical form and alignment of `size` bytes at `va`. */
function addressable(cpu: usize, va: u64, size: u32): bool {
  if (!canonical(va) || !canonical(va + size - 1)) { raiseCanonical(); return false; }
  if (!aligned(cpu, va, size)) { raiseError(cpu, AC, 0); return false; }
  return true;
}

function loadSlow(cpu: usize, va: u64, size: u32): u64 { return loadAs(cpu, va, size, dataAccess(cpu, 0)); }
function loadForWriteSlow(cpu: usize, va: u64, size: u32): u64 {
  const at = besideCode(cpu, va, size);
  if (at != 0) return loadSized(at, size);
  return loadAs(cpu, va, size, dataAccess(cpu, ACCESS_WRITE));
}

/** Where in linear memory the `size` bytes at `va` are, if they can be written, share their page with decoded code, and are none of it; else 0. */
function besideCode(cpu: usize, va: u64, size: u32): usize {
  const c = <usize>load<u32>(cpu, FAST_CODE) + codeWriteIndex(va);
  if (load<u64>(c) != ((va + size - 1) & PAGE)) return 0;
  const at = <u32>va + load<u32>(c, 8), pa = at - <u32>RAM_BASE;
  // Without PF_CODE the page can have an ordinary entry again, which the long way makes.
  return (load<u8>(PAGE_FLAGS + <usize>(pa >> 12)) & PF_CODE) == 0 || codeOverlaps(pa, size) ? 0 : <usize>at;
}

/** Linear addresses wrap at 4 GiB outside 64-bit mode. */
function wrapped(cpu: usize, va: u64): u64 { return va >> 32 != 0 && legacy(cpu) ? va & 0xffffffff : va; }

/** Bytes of an access of `size` at `va` that lie in its first page. */
function inFirstPage(va: u64, size: u32): u32 {
  const room: u32 = 0x1000 - (<u32>va & 0xfff);
  return room < size ? room : size;
}

/** Whether an access in two parts (linear va, physical pa and pb, `first` bytes in the first page) has to be put off until the instruction runs alone. */
function putOff(cpu: usize, va: u64, pa: u32, pb: u32, first: u32, size: u32, write: bool): bool {
  if (alone) return false;
  if (!mustBeAlone(cpu, va, pa, first, write) && (first == size || !mustBeAlone(cpu, va + first, pb, size - first, write))) return false;
  raiseRedo();
  return true;
}

function loadAs(cpu: usize, at: u64, size: u32, access: u32): u64 {
  const va = wrapped(cpu, at);
  if (!addressable(cpu, va, size)) return 0;
  const first = inFirstPage(va, size), second = wrapped(cpu, va + first);
  const pa = translateData(cpu, va, access);
  if (trap) return 0;
  let pb: u32 = 0;
  if (first != size) {
    pb = translateData(cpu, second, access);
    if (trap) return 0;
  }
  if (putOff(cpu, va, pa, pb, first, size, false)) return 0;
  if (first == size) return readAt(cpu, va, pa, size);
  let v: u64 = 0;
  for (let i: u32 = 0; i < size; i++) v |= (i < first ? readAt(cpu, va + i, pa + i, 1) : readAt(cpu, second + (i - first), pb + (i - first), 1)) << (i << 3);
  return v;
}

/** One read that lies in one page and has been checked. */
function readAt(cpu: usize, va: u64, pa: u32, size: u32): u64 {
  if (load<u32>(cpu, DEBUG_ACTIVE) != 0) noteData(cpu, va, size, false);
  if (pa < ramSize) enterFast(cpu, load<u32>(cpu, FAST), va, pa, 0);
  if (isHolding()) drain(cpu);
  return loadTranslated(cpu, va, pa, size);
}

function storeSlow(cpu: usize, address: u64, size: u32, v: u64): void {
  const va = wrapped(cpu, address);
  const at = besideCode(cpu, va, size);
  if (at != 0) { storeSized(at, size, v); return; }
  if (!addressable(cpu, va, size)) return;
  const access = dataAccess(cpu, ACCESS_WRITE);
  const first = inFirstPage(va, size), second = wrapped(cpu, va + first);
  const pa = translateData(cpu, va, access);
  if (trap) return;
  let pb: u32 = 0;
  if (first != size) {
    pb = translateData(cpu, second, access);
    if (trap) return;
  }
  if (putOff(cpu, va, pa, pb, first, size, true)) return;
  if (first == size) { writeAt(cpu, va, pa, size, v); return; }
  for (let i: u32 = 0; i < size; i++) {
    const byte = (v >> (i << 3)) & 0xff;
    if (i < first) writeAt(cpu, va + i, pa + i, 1, byte); else writeAt(cpu, second + (i - first), pb + (i - first), 1, byte);
  }
}

/** One write that lies in one page and has been checked. */
function writeAt(cpu: usize, va: u64, pa: u32, size: u32, v: u64): void {
  if (load<u32>(cpu, DEBUG_ACTIVE) != 0) noteData(cpu, va, size, true);
  if (isHolding() && pa < ramSize) { hold(cpu, va, pa, size, v); return; }
  storeTranslated(cpu, va, pa, size, v);
  if (pa < ramSize) enterFast(cpu, load<u32>(cpu, FAST), va, pa, ACCESS_WRITE);
}

/** Slow path of 16-byte loads: as two accesses of 8, both checked before the first is made. */
function loadBytes(cpu: usize, va: u64, to: usize, access: u32): void {
  if (!probe(cpu, va, 16, access)) return;
  const lo = loadAs(cpu, va, 8, dataAccess(cpu, access));
  if (trap) return;
  const hi = loadAs(cpu, va + 8, 8, dataAccess(cpu, access));
  if (trap) return;
  store<u64>(to, lo);
  store<u64>(to, hi, 8);
}

function storeBytes(cpu: usize, va: u64, from: usize): void {
  if (!probe(cpu, va, 16, ACCESS_WRITE)) return;
  dontHold(cpu);
  storeSlow(cpu, va, 8, load<u64>(from));
  if (trap) return;
  storeSlow(cpu, va + 8, 8, load<u64>(from, 8));
}

/**
 * Checks that `size` bytes (at most 4096) at `va` can be accessed, without accessing them: ACCESS_WRITE or 0. Returns false
 * with `trap` set if not, or if the instruction has to run alone. For instructions that touch several places before they commit.
 */
export function probe(cpu: usize, va: u64, size: u32, access: u32): bool {
  if (!canonical(va) || !canonical(va + size - 1)) { raiseCanonical(); return false; }
  const as = dataAccess(cpu, access), first = inFirstPage(va, size);
  const pa = translateData(cpu, va, as);
  if (trap) return false;
  let pb: u32 = 0;
  if (first != size) {
    pb = translateData(cpu, wrapped(cpu, va + first), as);
    if (trap) return false;
  }
  return !putOff(cpu, va, pa, pb, first, size, access != 0);
}

/**
 * The processor's own accesses to descriptor tables, TSS and interrupt frames: with supervisor rights whatever CPL is
 * ("implicit supervisor-mode accesses", SDM vol. 3, 4.6). `size` is 1, 2, 4 or 8. A table may reach beyond
 * the canonical addresses: #GP(0) there.
 */
export function sysLoad(cpu: usize, va: u64, size: u32): u64 {
  const e = <usize>load<u32>(cpu, FAST_IMPLICIT) + <usize>(<u32>(va >> 8) & FAST_INDEX);
  if (load<u64>(e) == ((va + size - 1) & PAGE)) return loadSized(<usize>(<u32>va + load<u32>(e, 8)), size);
  if (!canonical(va) || !canonical(va + size - 1)) { raiseError(cpu, GP, 0); return 0; }
  const first = inFirstPage(va, size);
  const pa = translateData(cpu, va, ACCESS_IMPLICIT);
  if (trap) return 0;
  if (first == size) {
    if (pa < ramSize) enterFast(cpu, load<u32>(cpu, FAST_IMPLICIT), va, pa, 0);
    return loadTranslated(cpu, va, pa, size);
  }
  const pb = translateData(cpu, va + first, ACCESS_IMPLICIT);
  if (trap) return 0;
  let v: u64 = 0;
  for (let i: u32 = 0; i < size; i++) v |= loadTranslated(cpu, va + i, i < first ? pa + i : pb + (i - first), 1) << (i << 3);
  return v;
}

/** As sysLoad, for writing. */
export function sysStore(cpu: usize, va: u64, size: u32, v: u64): void {
  const at = sysSpan(cpu, va, size);
  if (at != 0) { storeSized(at, size, v); return; }
  if (!canonical(va) || !canonical(va + size - 1)) { raiseError(cpu, GP, 0); return; }
  const first = inFirstPage(va, size);
  const pa = translateData(cpu, va, ACCESS_IMPLICIT | ACCESS_WRITE);
  if (trap) return;
  if (first == size) {
    storeTranslated(cpu, va, pa, size, v);
    if (pa < ramSize) enterFast(cpu, load<u32>(cpu, FAST_IMPLICIT), va, pa, ACCESS_WRITE);
    return;
  }
  const pb = translateData(cpu, va + first, ACCESS_IMPLICIT | ACCESS_WRITE);
  if (trap) return;
  for (let i: u32 = 0; i < size; i++) storeTranslated(cpu, va + i, i < first ? pa + i : pb + (i - first), 1, (v >> (i << 3)) & 0xff);
}

/** Where in linear memory `size` bytes (at most 4096) at `va` are, if the processor's own writes to them need no further checks; else 0. */
export function sysSpan(cpu: usize, va: u64, size: u32): usize {
  const e = <usize>load<u32>(cpu, FAST_IMPLICIT) + FAST_WRITE + <usize>(<u32>(va >> 8) & FAST_INDEX);
  return load<u64>(e) == ((va + size - 1) & PAGE) ? <usize>(<u32>va + load<u32>(e, 8)) : 0;
}
