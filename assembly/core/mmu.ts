import { CPL, CR0, CR3, CR4, DEBUG_ACTIVE, EFER, FAST, FAST_CODE, FLAGS_REST, TLB_LARGE } from './layout';
import { AC as FLAG_AC } from './flags';
import { CODE_WRITE_ENTRIES, CODE_WRITE_SET, CODE_WRITES, FAST_SETS, FAST_SET_SIZE, FAST_WRITE, ITLB, ITLB_ENTRIES, PAGE_FLAGS, PF_CODE, PF_DIRTY, PF_WATCH, RAM_BASE, TLB, TLB_ENTRIES, cpuAt, cpuCount, ramSize } from './map';
import { canonical, NO_TAG, PAGE } from './mem';
import { ramLoad64, ramStore64 } from './physical';
import { touchesLinearWatch } from './debug';
import { dataBreakpointNear } from './debugregs';
import { clearTrap, GP, raiseError, raisePage, trap } from './trap';

// Linear to physical: 4-level paging (SDM vol. 3, chapter 4) with 4 KiB, 2 MiB and 1 GiB pages, and the TLBs.
//
// The TLBs are architecture: an entry lives on after the paging structures changed, until INVLPG, MOV to CR3 or an eviction.
// They are direct-mapped, so their contents depend on nothing but the addresses that were translated, and are saved with the
// machine. Large pages enter as 4 KiB fragments. An entry is 16 bytes:
//
//   0 u64  linear address of the page, or an odd value for "nothing"
//   8 u32  physical address of the page
//  12 u32  rights over all levels: ENTRY_W, ENTRY_U, ENTRY_D, ENTRY_LARGE, ENTRY_G, ENTRY_NX

/** What an access is: 0 is a supervisor's read. ACCESS_WRITE, ACCESS_EXECUTE and ACCESS_USER are the ABI's `translate` bits. */
export const ACCESS_WRITE: u32 = 1, ACCESS_EXECUTE: u32 = 2, ACCESS_USER: u32 = 4;
/** A supervisor access that the instruction did not ask for (descriptors, frames): SMAP applies whatever EFLAGS.AC is. */
export const ACCESS_IMPLICIT: u32 = 8;

export const ENTRY_W: u32 = 2, ENTRY_U: u32 = 4, ENTRY_D: u32 = 0x40, ENTRY_LARGE: u32 = 0x80, ENTRY_G: u32 = 0x100;
/** Bits of our own: a 1 GiB page; execute-disable (bit 63 of a paging-structure entry, with EFER.NXE). */
export const ENTRY_HUGE: u32 = 0x400, ENTRY_NX: u32 = 0x8000;

const PTE_P: u64 = 1, PTE_A: u64 = 0x20, PTE_D: u64 = 0x40, PTE_PS: u64 = 0x80, PTE_XD: u64 = 1 << 63;
/** Physical addresses have 32 bits (CPUID 80000008), so bits 51:32 of an entry are reserved. */
const PTE_ADDRESS: u64 = 0xfffff000, PTE_RESERVED: u64 = 0x000fffff00000000;

export const CR0_PE: u64 = 1, CR0_MP: u64 = 2, CR0_EM: u64 = 4, CR0_TS: u64 = 8, CR0_ET: u64 = 16, CR0_NE: u64 = 0x20, CR0_WP: u64 = 0x10000, CR0_AM: u64 = 0x40000, CR0_NW: u64 = 0x20000000, CR0_CD: u64 = 0x40000000, CR0_PG: u64 = 0x80000000;
export const CR4_TSD: u64 = 4, CR4_DE: u64 = 8, CR4_PSE: u64 = 0x10, CR4_PAE: u64 = 0x20, CR4_MCE: u64 = 0x40, CR4_PGE: u64 = 0x80, CR4_PCE: u64 = 0x100, CR4_OSFXSR: u64 = 0x200, CR4_OSXMMEXCPT: u64 = 0x400, CR4_UMIP: u64 = 0x800, CR4_FSGSBASE: u64 = 0x10000, CR4_OSXSAVE: u64 = 0x40000, CR4_SMEP: u64 = 0x100000, CR4_SMAP: u64 = 0x200000;
export const EFER_SCE: u64 = 1, EFER_LME: u64 = 0x100, EFER_LMA: u64 = 0x400, EFER_NXE: u64 = 0x800;

/** #PF error code (SDM vol. 3, 4.7). */
const PF_P: u32 = 1, PF_W: u32 = 2, PF_U: u32 = 4, PF_RSVD: u32 = 8, PF_ID: u32 = 16;

/** Links between decoded blocks are valid for one generation (core/blocks.ts). */
export let linkGeneration: u32 = 1;
export function bumpLinks(): void { linkGeneration++; }

/** Result of walk(): the page's physical address and rights. */
let walkPage: u32 = 0, walkRights: u32 = 0;
/** Error code of a walk that failed. */
let walkError: u32 = 0;

function tlbIndex(va: u64, entries: u32): usize {
  const page = <u32>(va >> 12);
  return <usize>((page ^ (page >> 10) ^ <u32>(va >> 39)) & (entries - 1)) << 4;
}

/** Whether `rights` allow `access` now (SDM vol. 3, 4.6). */
function allowed(cpu: usize, rights: u32, access: u32): bool {
  if ((access & ACCESS_USER) != 0) {
    if ((rights & ENTRY_U) == 0 || ((access & ACCESS_WRITE) != 0 && (rights & ENTRY_W) == 0)) return false;
  } else {
    if ((access & ACCESS_WRITE) != 0 && (rights & ENTRY_W) == 0 && (load<u64>(cpu, CR0) & CR0_WP) != 0) return false;
    if ((rights & ENTRY_U) != 0) {
      const cr4 = load<u64>(cpu, CR4);
      if ((access & ACCESS_EXECUTE) != 0) {
        if ((cr4 & CR4_SMEP) != 0) return false;
      } else if ((cr4 & CR4_SMAP) != 0 && ((access & ACCESS_IMPLICIT) != 0 || (load<u32>(cpu, FLAGS_REST) & FLAG_AC) == 0)) return false;
    }
  }
  return (access & ACCESS_EXECUTE) == 0 || (rights & ENTRY_NX) == 0;
}

function fail(cpu: usize, access: u32, code: u32): bool {
  walkError = code | ((access & ACCESS_WRITE) != 0 ? PF_W : 0) | ((access & ACCESS_USER) != 0 ? PF_U : 0);
  // I/D is reported only where fetches can be told from reads: with execute-disable or SMEP on.
  if ((access & ACCESS_EXECUTE) != 0 && ((load<u64>(cpu, EFER) & EFER_NXE) != 0 || (load<u64>(cpu, CR4) & CR4_SMEP) != 0)) walkError |= PF_ID;
  return false;
}

/**
 * Walks the paging structures for `access` at a canonical `va`. Leaves walkPage and walkRights, or walkError. With `mark`, a
 * successful walk sets the accessed flags and, for a write, the dirty flag; a failing one changes nothing.
 */
function walk(cpu: usize, va: u64, access: u32, mark: bool): bool {
  if ((load<u64>(cpu, CR0) & CR0_PG) == 0) {
    walkPage = <u32>(va & PTE_ADDRESS);
    walkRights = ENTRY_W | ENTRY_U | ENTRY_D;
    return va >> 32 == 0 ? true : fail(cpu, access, 0);
  }
  const nxe = (load<u64>(cpu, EFER) & EFER_NXE) != 0;
  const reserved = PTE_RESERVED | (nxe ? 0 : PTE_XD);
  let table = <u32>(load<u64>(cpu, CR3) & PTE_ADDRESS);
  let rights: u32 = ENTRY_W | ENTRY_U;
  // Where the entry of each level is, for the accessed flags.
  let at4: u32 = 0, at3: u32 = 0, at2: u32 = 0, at: u32 = 0;
  let shift: u32 = 39, entry: u64 = 0;
  while (true) {
    at = table + ((<u32>(va >> shift) & 511) << 3);
    entry = ramLoad64(at);
    if ((entry & PTE_P) == 0) return fail(cpu, access, 0);
    if ((entry & reserved) != 0) return fail(cpu, access, PF_P | PF_RSVD);
    rights &= <u32>entry | ~(ENTRY_W | ENTRY_U);
    if ((entry & PTE_XD) != 0) rights |= ENTRY_NX;
    if (shift == 12) break;
    if ((entry & PTE_PS) != 0) {
      // Reserved: PS in a PML4 entry; address bits below the page size, PAT (bit 12) excepted.
      if (shift == 39 || (entry & ((<u64>1 << shift) - 1) & 0xfffffffffffe000) != 0) return fail(cpu, access, PF_P | PF_RSVD);
      break;
    }
    if (shift == 39) at4 = at; else if (shift == 30) at3 = at; else at2 = at;
    table = <u32>(entry & PTE_ADDRESS);
    shift -= 9;
  }
  rights |= <u32>entry & (ENTRY_D | ENTRY_G);
  if (shift == 21) rights |= ENTRY_LARGE;
  if (shift == 30) rights |= ENTRY_HUGE;
  if (!allowed(cpu, rights, access)) return fail(cpu, access, PF_P);
  if (mark) {
    if (at4 != 0) setAccessed(at4);
    if (at3 != 0) setAccessed(at3);
    if (at2 != 0) setAccessed(at2);
    const want = PTE_A | ((access & ACCESS_WRITE) != 0 ? PTE_D : 0);
    if ((entry & want) != want) ramStore64(at, entry | want);
    if ((access & ACCESS_WRITE) != 0) rights |= ENTRY_D;
  }
  const offset = (<u64>1 << shift) - 1;
  walkPage = <u32>(((entry & PTE_ADDRESS & ~offset) | (va & offset)) & PTE_ADDRESS);
  walkRights = rights;
  return true;
}

function setAccessed(at: u32): void {
  const entry = ramLoad64(at);
  if ((entry & PTE_A) == 0) ramStore64(at, entry | PTE_A);
}

/** Physical address of a data access at a canonical `va`, through the TLB; raises #PF. The caller handles page crossing. */
export function translateData(cpu: usize, va: u64, access: u32): u32 {
  const e = cpu + TLB + tlbIndex(va, TLB_ENTRIES), page = va & PAGE;
  if (load<u64>(e) == page) {
    const rights = load<u32>(e, 12);
    if (allowed(cpu, rights, access) && ((access & ACCESS_WRITE) == 0 || (rights & ENTRY_D) != 0)) return load<u32>(e, 8) | (<u32>va & 0xfff);
  }
  // Also when the TLB's rights do not suffice: a fault is only raised by what is in memory now (SDM vol. 3, 4.10.4.1).
  if (!walk(cpu, va, access, true)) {
    if (load<u64>(e) == page) { dropFast(cpu, page); store<u64>(e, NO_TAG); }
    raisePage(cpu, va, walkError);
    return 0;
  }
  const old = load<u64>(e);
  if (old != NO_TAG) dropFast(cpu, old);
  fill(cpu, e, page);
  return walkPage | (<u32>va & 0xfff);
}

function fill(cpu: usize, e: usize, page: u64): void {
  store<u64>(e, page);
  store<u32>(e, walkPage, 8);
  store<u32>(e, walkRights, 12);
  if ((walkRights & (ENTRY_LARGE | ENTRY_HUGE)) != 0) store<u32>(cpu, 1, TLB_LARGE);
}

/** Physical address of the instruction byte at `va`, through the instruction TLB; raises #GP(0) for a non-canonical address, #PF. */
export function fetch(cpu: usize, va: u64): u32 {
  if (!canonical(va)) { raiseError(cpu, GP, 0); return 0; }
  const access = ACCESS_EXECUTE | (load<u32>(cpu, CPL) == 3 ? ACCESS_USER : 0);
  const e = cpu + ITLB + tlbIndex(va, ITLB_ENTRIES), page = va & PAGE;
  if (load<u64>(e) == page && allowed(cpu, load<u32>(e, 12), access)) return load<u32>(e, 8) | (<u32>va & 0xfff);
  if (!walk(cpu, va, access, true)) {
    if (load<u64>(e) == page) { store<u64>(e, NO_TAG); bumpLinks(); }
    raisePage(cpu, va, walkError);
    return 0;
  }
  if (load<u64>(e) != NO_TAG) bumpLinks();
  fill(cpu, e, page);
  return walkPage | (<u32>va & 0xfff);
}

/** Enters an access that just succeeded, with the rights that the set at `set` stands for, into the fast tables. `access` is 0 or ACCESS_WRITE. */
export function enterFast(cpu: usize, set: u32, va: u64, pa: u32, access: u32): void {
  if (set == <u32>(cpu + FAST_SETS + 3 * FAST_SET_SIZE)) return;
  const flags = load<u8>(PAGE_FLAGS + <usize>(pa >> 12));
  if ((flags & PF_WATCH) != 0 || touchesLinearWatch(va) || (load<u32>(cpu, DEBUG_ACTIVE) != 0 && dataBreakpointNear(cpu, va))) return;
  const page = va & PAGE, addend = <u32>RAM_BASE + (pa & 0xfffff000) - <u32>page;
  const e = <usize>set + <usize>(<u32>(va >> 8) & 0x1ff0);
  store<u64>(e, page);
  store<u32>(e, addend, 8);
  if (access == 0 || (flags & PF_DIRTY) == 0) return;
  if ((flags & PF_CODE) != 0) {
    if (set != load<u32>(cpu, FAST)) return;
    const c = <usize>load<u32>(cpu, FAST_CODE) + codeWriteIndex(va);
    store<u64>(c, page);
    store<u32>(c, addend, 8);
    return;
  }
  store<u64>(e, page, FAST_WRITE);
  store<u32>(e, addend, FAST_WRITE + 8);
}

/** Offset in a code-write set (mem.ts) of the entry for the page of `va`. */
export function codeWriteIndex(va: u64): usize { return <usize>(<u32>(va >> 12) & (CODE_WRITE_ENTRIES - 1)) << 4; }

/** Drops the fast entries of one page, in every set. */
function dropFast(cpu: usize, page: u64): void {
  let e = cpu + FAST_SETS + <usize>(<u32>(page >> 8) & 0x1ff0);
  for (let set: u32 = 0; set < 3; set++, e += FAST_SET_SIZE) {
    if (load<u64>(e) == page) store<u64>(e, NO_TAG);
    if (load<u64>(e, FAST_WRITE) == page) store<u64>(e, NO_TAG, FAST_WRITE);
    const c = cpu + CODE_WRITES + <usize>set * CODE_WRITE_SET + codeWriteIndex(page);
    if (load<u64>(c) == page) store<u64>(c, NO_TAG);
  }
}

/** Empties a processor's fast tables. Never changes what the guest sees. */
export function dropFastAll(cpu: usize): void {
  memory.fill(cpu + FAST_SETS, 0xff, 4 * FAST_SET_SIZE);
  memory.fill(cpu + CODE_WRITES, 0xff, 4 * CODE_WRITE_SET);
}

/** Empties every processor's fast write tables. */
export function dropFastWrites(): void {
  for (let n: u32 = 0; n < cpuCount; n++) {
    const sets = cpuAt(n) + FAST_SETS;
    for (let set: u32 = 0; set < 4; set++) memory.fill(sets + <usize>set * FAST_SET_SIZE + FAST_WRITE, 0xff, FAST_WRITE);
    memory.fill(cpuAt(n) + CODE_WRITES, 0xff, 4 * CODE_WRITE_SET);
  }
}

/** Drops the fast write entries that lead to one physical page, because code was decoded from it. */
export function dropFastWritesTo(pa: u32): void {
  const host = <u32>RAM_BASE + (pa & 0xfffff000);
  for (let n: u32 = 0; n < cpuCount; n++) {
    const sets = cpuAt(n) + FAST_SETS;
    for (let set: u32 = 0; set < 3; set++) {
      const table = sets + <usize>set * FAST_SET_SIZE + FAST_WRITE;
      for (let i: usize = 0; i < FAST_WRITE; i += 16) {
        if (<u32>load<u64>(table + i) + load<u32>(table + i, 8) == host) store<u64>(table + i, NO_TAG);
      }
    }
  }
}

/** Whether the TLB entry at `e` translates a page that INVLPG of `page` must drop: the page itself, or another fragment of the same large page. */
function sameMapping(e: usize, page: u64): bool {
  const rights = load<u32>(e, 12);
  const shift: u64 = (rights & ENTRY_HUGE) != 0 ? 30 : (rights & ENTRY_LARGE) != 0 ? 21 : 12;
  return ((load<u64>(e) ^ page) >> shift) == 0;
}

function invalidateIn(cpu: usize, table: usize, entries: u32, page: u64): void {
  if (load<u32>(cpu, TLB_LARGE) == 0) {
    const e = table + tlbIndex(page, entries);
    if (load<u64>(e) == page) store<u64>(e, NO_TAG);
    return;
  }
  for (let i: u32 = 0; i < entries; i++) {
    const e = table + (<usize>i << 4), tag = load<u64>(e);
    if ((tag & 1) == 0 && sameMapping(e, page)) { dropFast(cpu, tag); store<u64>(e, NO_TAG); }
  }
}

/** INVLPG: forgets every translation of the page that holds `va`, global ones too. */
export function invalidatePage(cpu: usize, va: u64): void {
  const page = va & PAGE;
  dropFast(cpu, page);
  invalidateIn(cpu, cpu + TLB, TLB_ENTRIES, page);
  invalidateIn(cpu, cpu + ITLB, ITLB_ENTRIES, page);
  bumpLinks();
}

function flushTable(table: usize, entries: u32, globals: bool): void {
  for (let i: u32 = 0; i < entries; i++) {
    const e = table + (<usize>i << 4);
    if (globals || (load<u32>(e, 12) & ENTRY_G) == 0) {
      // The whole entry, so that equal states are equal bytes.
      store<u64>(e, NO_TAG);
      store<u64>(e, 0, 8);
    }
  }
}

/** Forgets all translations; those of global pages only if `globals` (MOV to CR3 keeps them when CR4.PGE is set). */
export function flushTlb(cpu: usize, globals: bool): void {
  flushTable(cpu + TLB, TLB_ENTRIES, globals);
  flushTable(cpu + ITLB, ITLB_ENTRIES, globals);
  if (globals) store<u32>(cpu, 0, TLB_LARGE);
  dropFastAll(cpu);
  bumpLinks();
}

/** Linear to physical as an access of that kind (ACCESS_*) would by the paging structures, without side effects; 0xFFFFFFFF if it would fault. */
export function translateQuiet(cpu: usize, va: u64, access: u32): u32 {
  if (!canonical(va) || !walk(cpu, va, access, false)) return 0xffffffff;
  return walkPage | (<u32>va & 0xfff);
}
