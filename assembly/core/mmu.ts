import { CR4_PCIDE } from './crbits';
import { CPL, CR3, CR4, DEBUG_ACTIVE, FAST, FAST_CODE, PAGEABLE, TLB_LARGE } from './layout';
import { CODE_WRITE_ENTRIES, CODE_WRITE_SET, CODE_WRITES, FAST_SETS, FAST_SET_SIZE, FAST_WRITE, ITLB, ITLB_ENTRIES, PAGE_FLAGS, PF_CODE, PF_DIRTY, PF_WATCH, RAM_BASE, TLB, TLB_ENTRIES, cpuAt, cpuCount, ramSize, FAST_LOG, LOG_ENTRIES, TLB_LOG } from './map';
import { canonical, NO_TAG, PAGE } from './mem';
import { touchesLinearWatch } from './debug';
import { dataBreakpointNear } from './debugregs';
import { GP, raiseError, raisePage } from './trap';
import { allowed, walk, walkError, walkPage, walkRights } from './walk';

// Linear to physical through the TLBs; walk.ts has the paging structures.
//
// The TLBs are architecture: an entry lives on after the paging structures changed, until INVLPG, MOV to CR3 or an eviction.
// They are direct-mapped, so their contents depend on nothing but the addresses that were translated, and are saved with the
// machine. Large pages enter as 4 KiB fragments. An entry is 16 bytes:
//
//   0 u64  linear address of the page | PCID of its address space, or TLB_EMPTY
//   8 u32  physical address of the page
//  12 u32  rights over all levels: ENTRY_W, ENTRY_U, ENTRY_D, ENTRY_LARGE, ENTRY_G, ENTRY_NX, protection key << ENTRY_KEY

/** What an access is: 0 is a supervisor's read. ACCESS_WRITE, ACCESS_EXECUTE and ACCESS_USER are the ABI's `translate` bits. */
export const ACCESS_WRITE: u32 = 1, ACCESS_EXECUTE: u32 = 2, ACCESS_USER: u32 = 4;
/** A supervisor access that the instruction did not ask for (descriptors, frames): SMAP applies whatever EFLAGS.AC is. */
export const ACCESS_IMPLICIT: u32 = 8;

export const ENTRY_W: u32 = 2, ENTRY_U: u32 = 4, ENTRY_D: u32 = 0x40, ENTRY_LARGE: u32 = 0x80, ENTRY_G: u32 = 0x100;
/** Bits of our own: a 1 GiB page (with ENTRY_LARGE: a 4 MiB page); execute-disable (bit 63 of a paging-structure entry, with EFER.NXE); the protection key. */
export const ENTRY_HUGE: u32 = 0x400, ENTRY_NX: u32 = 0x8000, ENTRY_KEY: u32 = 16;
/** No translation: no linear address is like it. */
const TLB_EMPTY: u64 = 1 << 62;



/** Links between decoded blocks are valid for one generation (core/blocks.ts). */
export let linkGeneration: u32 = 1;
export function bumpLinks(): void { linkGeneration++; }

function tlbIndex(va: u64, entries: u32): usize {
  const page = <u32>(va >> 12);
  return <usize>((page ^ (page >> 10) ^ <u32>(va >> 39)) & (entries - 1)) << 4;
}

/** The number of the address space whose translations are used now; 0 without CR4.PCIDE. */
function pcid(cpu: usize): u64 { return (load<u64>(cpu, CR4) & CR4_PCIDE) != 0 ? load<u64>(cpu, CR3) & 0xfff : 0; }

/** Whether the TLB entry at `e` translates the page of `va` in the present address space. */
function matches(cpu: usize, e: usize, page: u64): bool {
  const tag = load<u64>(e);
  if (((tag ^ page) & PAGE) != 0) return false;
  return tag == (page | pcid(cpu)) || (load<u32>(e, 12) & ENTRY_G) != 0;
}

/** Physical address of a data access at a canonical `va`, through the TLB; raises #PF. The caller handles page crossing. */
export function translateData(cpu: usize, va: u64, access: u32): u32 {
  const e = cpu + TLB + tlbIndex(va, TLB_ENTRIES), page = va & PAGE;
  if (matches(cpu, e, page)) {
    const rights = load<u32>(e, 12);
    if (allowed(cpu, rights, access) && ((access & ACCESS_WRITE) == 0 || (rights & ENTRY_D) != 0)) return load<u32>(e, 8) | (<u32>va & 0xfff);
  }
  // Also when the TLB's rights do not suffice: a fault is only raised by what is in memory now (SDM vol. 3, 4.10.4.1).
  if (!walk(cpu, va, access, true)) {
    if (matches(cpu, e, page)) { dropFast(cpu, page); store<u64>(e, TLB_EMPTY); }
    raisePage(cpu, va, walkError);
    return 0;
  }
  const old = load<u64>(e);
  if (old != TLB_EMPTY) dropFast(cpu, old & PAGE);
  fill(cpu, e, page);
  return walkPage | (<u32>va & 0xfff);
}

// Flushes are frequent and mostly find little: what was filled since the last one is remembered, as long as that is not too much.

/** Notes the entry at `e` in a log (TLB_LOG, FAST_LOG); a full log says nothing any more. */
function note(log: usize, e: usize): void {
  const count = load<u32>(log);
  if (count == LOG_ENTRIES) return;
  store<u32>(log + 16 + (<usize>count << 2), <u32>e);
  store<u32>(log, count + 1);
}

/** The TLBs were replaced (reset, restored state): nothing is known of them. */
export function forgetLogs(cpu: usize): void {
  store<u32>(cpu + TLB_LOG, LOG_ENTRIES);
  store<u32>(cpu + FAST_LOG, LOG_ENTRIES);
}

function fill(cpu: usize, e: usize, page: u64): void {
  note(cpu + TLB_LOG, e);
  store<u64>(e, page | pcid(cpu));
  store<u32>(e, walkPage, 8);
  store<u32>(e, walkRights, 12);
  if ((walkRights & (ENTRY_LARGE | ENTRY_HUGE)) != 0) store<u32>(cpu, 1, TLB_LARGE);
}

/** Physical address of the instruction byte at `va`, through the instruction TLB; raises #GP(0) for a non-canonical address, #PF. */
export function fetch(cpu: usize, va: u64): u32 {
  if (!canonical(va)) { raiseError(cpu, GP, 0); return 0; }
  const access = ACCESS_EXECUTE | (load<u32>(cpu, CPL) == 3 ? ACCESS_USER : 0);
  const e = cpu + ITLB + tlbIndex(va, ITLB_ENTRIES), page = va & PAGE;
  if (matches(cpu, e, page) && allowed(cpu, load<u32>(e, 12), access)) {
    if (load<u32>(e, 12) >> ENTRY_KEY != 0) pageableCode = true;
    return load<u32>(e, 8) | (<u32>va & 0xfff);
  }
  if (!walk(cpu, va, access, true)) {
    if (matches(cpu, e, page)) { store<u64>(e, TLB_EMPTY); bumpLinks(); }
    raisePage(cpu, va, walkError);
    return 0;
  }
  if (load<u64>(e) != TLB_EMPTY) bumpLinks();
  fill(cpu, e, page);
  if (walkRights >> ENTRY_KEY != 0) pageableCode = true;
  return walkPage | (<u32>va & 0xfff);
}

/** Whether the page of `va`, which was just translated, has a key of PAGEABLE: each access to it is checked against CR8. */
function isPageable(cpu: usize, va: u64): bool {
  const e = cpu + TLB + tlbIndex(va, TLB_ENTRIES);
  return matches(cpu, e, va & PAGE) && (load<u32>(cpu, PAGEABLE) & (1 << ((load<u32>(e, 12) >> ENTRY_KEY) & 15))) != 0;
}

/** Code was fetched from a pageable page: links between blocks then depend on CR8. Only tells whether they must be dropped, so it is no state. */
let pageableCode = false;
/** CR8 changed from `old` to `value`. */
export function priorityChanged(old: u32, value: u32): void {
  if (pageableCode && old < 2 != value < 2) bumpLinks();
}

/** Enters an access that just succeeded, with the rights that the set at `set` stands for, into the fast tables. `access` is 0 or ACCESS_WRITE. */
export function enterFast(cpu: usize, set: u32, va: u64, pa: u32, access: u32): void {
  if (set == <u32>(cpu + FAST_SETS + 3 * FAST_SET_SIZE)) return;
  const flags = load<u8>(PAGE_FLAGS + <usize>(pa >> 12));
  if ((flags & PF_WATCH) != 0 || touchesLinearWatch(va) || (load<u32>(cpu, DEBUG_ACTIVE) != 0 && dataBreakpointNear(cpu, va))) return;
  if (load<u32>(cpu, PAGEABLE) != 0 && isPageable(cpu, va)) return;
  const page = va & PAGE, addend = <u32>RAM_BASE + (pa & 0xfffff000) - <u32>page;
  const e = <usize>set + <usize>(<u32>(va >> 8) & 0x1ff0);
  note(cpu + FAST_LOG, e);
  store<u64>(e, page);
  store<u32>(e, addend, 8);
  if (access == 0 || (flags & PF_DIRTY) == 0) return;
  if ((flags & PF_CODE) != 0) {
    if (set != load<u32>(cpu, FAST)) return;
    const c = <usize>load<u32>(cpu, FAST_CODE) + codeWriteIndex(va);
    note(cpu + FAST_LOG, c);
    store<u64>(c, page);
    store<u32>(c, addend, 8);
    return;
  }
  note(cpu + FAST_LOG, e + FAST_WRITE);
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
  const log = cpu + FAST_LOG, count = load<u32>(log);
  store<u32>(log, 0);
  if (count != LOG_ENTRIES) {
    for (let i: u32 = 0; i < count; i++) store<u64>(<usize>load<u32>(log + 16 + (<usize>i << 2)), NO_TAG);
    return;
  }
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

/** Whether the TLB entry at `e` translates `page`, or is another fragment of the same large page, in address space `id` or (with `globals`) in all. */
function sameMapping(e: usize, page: u64, id: u64, globals: bool): bool {
  const tag = load<u64>(e), rights = load<u32>(e, 12), size = rights & (ENTRY_LARGE | ENTRY_HUGE);
  if (tag == TLB_EMPTY || ((tag & 0xfff) != id && !(globals && (rights & ENTRY_G) != 0))) return false;
  const shift: u64 = size == ENTRY_HUGE ? 30 : size == ENTRY_LARGE ? 21 : size != 0 ? 22 : 12;
  return (((tag & PAGE) ^ page) >> shift) == 0 && (globals || (rights & ENTRY_G) == 0);
}

function invalidateEntry(cpu: usize, e: usize, page: u64, id: u64, globals: bool): void {
  if (!sameMapping(e, page, id, globals)) return;
  dropFast(cpu, load<u64>(e) & PAGE);
  store<u64>(e, TLB_EMPTY);
}
function invalidateAll(cpu: usize, table: usize, entries: u32, page: u64, id: u64, globals: bool): void {
  for (let i: u32 = 0; i < entries; i++) invalidateEntry(cpu, table + (<usize>i << 4), page, id, globals);
}

/** INVLPG: forgets every translation of the page that holds `va` in this address space, and global ones. */
export function invalidatePage(cpu: usize, va: u64): void { invalidatePageIn(cpu, va, pcid(cpu), true); }

/** INVPCID type 0: forgets the translations of the page that holds `va` in address space `id`; global ones only if `globals`. */
export function invalidatePageIn(cpu: usize, va: u64, id: u64, globals: bool): void {
  const page = va & PAGE;
  dropFast(cpu, page);
  const log = cpu + TLB_LOG, count = load<u32>(log);
  if (load<u32>(cpu, TLB_LARGE) == 0) {
    invalidateEntry(cpu, cpu + TLB + tlbIndex(page, TLB_ENTRIES), page, id, globals);
    invalidateEntry(cpu, cpu + ITLB + tlbIndex(page, ITLB_ENTRIES), page, id, globals);
  } else if (count != LOG_ENTRIES) {
    for (let i: u32 = 0; i < count; i++) invalidateEntry(cpu, <usize>load<u32>(log + 16 + (<usize>i << 2)), page, id, globals);
  } else {
    invalidateAll(cpu, cpu + TLB, TLB_ENTRIES, page, id, globals);
    invalidateAll(cpu, cpu + ITLB, ITLB_ENTRIES, page, id, globals);
  }
  bumpLinks();
}

/** Address spaces that flushTable forgets: a PCID, or all. */
const ALL_SPACES: u64 = 0x1000;
/** Empties the entry at `e` unless it stays; answers whether it is empty now. */
function flushEntry(e: usize, globals: bool, id: u64): bool {
  if (!globals && ((load<u32>(e, 12) & ENTRY_G) != 0 || (id != ALL_SPACES && (load<u64>(e) & 0xfff) != id))) return false;
  // The whole entry, so that equal states are equal bytes.
  store<u64>(e, TLB_EMPTY);
  store<u64>(e, 0, 8);
  return true;
}

/** Empties a whole table, and notes what stays. */
function flushTable(log: usize, table: usize, entries: u32, globals: bool, id: u64): void {
  for (let i: u32 = 0; i < entries; i++) {
    const e = table + (<usize>i << 4);
    if (!flushEntry(e, globals, id)) note(log, e);
  }
}

function flush(cpu: usize, globals: bool, id: u64): void {
  const log = cpu + TLB_LOG, count = load<u32>(log);
  if (count != LOG_ENTRIES) {
    let kept: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const e = load<u32>(log + 16 + (<usize>i << 2));
      if (flushEntry(<usize>e, globals, id)) continue;
      store<u32>(log + 16 + (<usize>kept << 2), e);
      kept++;
    }
    store<u32>(log, kept);
  } else {
    store<u32>(log, 0);
    flushTable(log, cpu + TLB, TLB_ENTRIES, globals, id);
    flushTable(log, cpu + ITLB, ITLB_ENTRIES, globals, id);
  }
  if (globals) store<u32>(cpu, 0, TLB_LARGE);
  translationChanged(cpu);
}

/** Forgets all translations of all address spaces; those of global pages only if `globals`. */
export function flushTlb(cpu: usize, globals: bool): void { flush(cpu, globals, ALL_SPACES); }
/** Forgets the translations of address space `id`, except global ones (MOV to CR3, INVPCID). */
export function flushSpace(cpu: usize, id: u64): void { flush(cpu, false, id); }

/** Another address space, or other rights: what is derived from the TLBs goes; they themselves stay. */
export function translationChanged(cpu: usize): void {
  dropFastAll(cpu);
  bumpLinks();
}

/** Linear to physical as an access of that kind (ACCESS_*) would by the paging structures, without side effects; 0xFFFFFFFF if it would fault. */
export function translateQuiet(cpu: usize, va: u64, access: u32): u32 {
  if (!canonical(va) || !walk(cpu, va, access, false)) return 0xffffffff;
  return walkPage | (<u32>va & 0xfff);
}
