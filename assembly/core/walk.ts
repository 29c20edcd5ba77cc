import { AC as FLAG_AC } from './flags';
import { CR0, CR3, CR4, CR8, EFER, FLAGS_REST, PAGEABLE, PDPTE, PKRS, PKRU } from './layout';
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PKE, CR4_PKS, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_LMA, EFER_NXE } from './crbits';
import { ACCESS_EXECUTE, ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, ENTRY_D, ENTRY_G, ENTRY_HUGE, ENTRY_KEY, ENTRY_LARGE, ENTRY_NX, ENTRY_U, ENTRY_W } from './mmu';
import { ramLoad32, ramLoad64, ramStore32, ramStore64 } from './physical';

// The paging structures (SDM vol. 3, chapter 4): no paging, 32-bit, PAE and 4-level paging.

const PTE_P: u64 = 1, PTE_A: u64 = 0x20, PTE_D: u64 = 0x40, PTE_PS: u64 = 0x80, PTE_XD: u64 = 1 << 63;
/** Physical addresses have 32 bits (CPUID 80000008). */
const PTE_ADDRESS: u64 = 0xfffff000;
/** Reserved bits of an entry: bits 51:32 in 4-level paging, 62:32 in PAE paging. */
const RESERVED_4LEVEL: u64 = 0x000fffff00000000, RESERVED_PAE: u64 = 0x7fffffff00000000;
/** Reserved bits of a PDPTE register's value (SDM vol. 3, table 4-8), and of a PDE that maps 4 MiB with 32 physical address bits (table 4-4). */
const RESERVED_PDPTE: u64 = 0xffffffff000001e6, RESERVED_4M: u32 = 0x3fe000;

/** #PF error code (SDM vol. 3, 4.7). */
const PF_P: u32 = 1, PF_W: u32 = 2, PF_U: u32 = 4, PF_RSVD: u32 = 8, PF_ID: u32 = 16, PF_PK: u32 = 32;

/** Result of walk(): the page's physical address and rights. */
export let walkPage: u32 = 0, walkRights: u32 = 0;
/** Error code of a walk that failed. */
export let walkError: u32 = 0;

/** Whether the protection key in `rights` forbids a data access: PKRU has the rights for user-mode pages, IA32_PKRS for supervisor-mode ones (SDM vol. 3, 4.6.2). */
function keyForbids(cpu: usize, rights: u32, access: u32): bool {
  const user = (rights & ENTRY_U) != 0;
  if ((access & ACCESS_EXECUTE) != 0 || (load<u64>(cpu, CR4) & (user ? CR4_PKE : CR4_PKS)) == 0 || (load<u64>(cpu, EFER) & EFER_LMA) == 0) return false;
  // No access from user mode gets as far as the key of a supervisor-mode page.
  if (!user && (access & ACCESS_USER) != 0) return false;
  const key = (user ? load<u32>(cpu, PKRU) : load<u32>(cpu, PKRS)) >> (((rights >> ENTRY_KEY) & 15) << 1);
  return (key & 1) != 0 || ((key & 2) != 0 && (access & ACCESS_WRITE) != 0 && ((access & ACCESS_USER) != 0 || (load<u64>(cpu, CR0) & CR0_WP) != 0));
}

/** Whether a page of these rights is pageable, and the priority is one at which pageable memory may not be touched. */
function pagedOut(cpu: usize, rights: u32): bool {
  const keys = load<u32>(cpu, PAGEABLE);
  return keys != 0 && (rights & ENTRY_U) == 0 && load<u64>(cpu, CR8) >= 2 && (keys & (1 << ((rights >> ENTRY_KEY) & 15))) != 0;
}

/** Whether `rights` allow `access` now (SDM vol. 3, 4.6). */
export function allowed(cpu: usize, rights: u32, access: u32): bool {
  if (pagedOut(cpu, rights)) return false;
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
  return ((access & ACCESS_EXECUTE) == 0 || (rights & ENTRY_NX) == 0) && !keyForbids(cpu, rights, access);
}

function fail(cpu: usize, access: u32, code: u32): bool {
  walkError = code | ((access & ACCESS_WRITE) != 0 ? PF_W : 0) | ((access & ACCESS_USER) != 0 ? PF_U : 0);
  // I/D is reported only where fetches can be told from reads: with execute-disable (which 32-bit paging has not) or SMEP on.
  const cr4 = load<u64>(cpu, CR4), nx = (cr4 & CR4_PAE) != 0 && (load<u64>(cpu, EFER) & EFER_NXE) != 0;
  if ((access & ACCESS_EXECUTE) != 0 && (nx || (cr4 & CR4_SMEP) != 0)) walkError |= PF_ID;
  return false;
}
function refuse(cpu: usize, access: u32, rights: u32): bool { return pagedOut(cpu, rights) ? fail(cpu, access, 0) : fail(cpu, access, PF_P | (keyForbids(cpu, rights, access) ? PF_PK : 0)); }

/**
 * Walks the paging structures for `access` at a canonical `va`. Leaves walkPage and walkRights, or walkError. With `mark`, a
 * successful walk sets the accessed flags and, for a write, the dirty flag; a failing one changes nothing.
 */
export function walk(cpu: usize, va: u64, access: u32, mark: bool): bool {
  if ((load<u64>(cpu, CR0) & CR0_PG) == 0) {
    walkPage = <u32>(va & PTE_ADDRESS);
    walkRights = ENTRY_W | ENTRY_U | ENTRY_D;
    return va >> 32 == 0 ? true : fail(cpu, access, 0);
  }
  if ((load<u64>(cpu, CR4) & CR4_PAE) == 0) return walk32(cpu, <u32>va, access, mark);
  const efer = load<u64>(cpu, EFER), long = (efer & EFER_LMA) != 0;
  const reserved = (long ? RESERVED_4LEVEL : RESERVED_PAE) | ((efer & EFER_NXE) != 0 ? 0 : PTE_XD);
  let table: u32, shift: u32 = 39, rights: u32 = ENTRY_W | ENTRY_U;
  if (long) table = <u32>(load<u64>(cpu, CR3) & PTE_ADDRESS);
  else {
    const pdpte = load<u64>(cpu + PDPTE + (<usize>((va >> 30) & 3) << 3));
    if ((pdpte & PTE_P) == 0) return fail(cpu, access, 0);
    table = <u32>(pdpte & PTE_ADDRESS);
    shift = 21;
  }
  // Where the entry of each level is, for the accessed flags.
  let at4: u32 = 0, at3: u32 = 0, at2: u32 = 0, at: u32 = 0;
  let entry: u64 = 0;
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
      if (shift == 39 || (entry & ((<u64>1 << shift) - 1) & 0xfffffffffe000) != 0) return fail(cpu, access, PF_P | PF_RSVD);
      break;
    }
    if (shift == 39) at4 = at; else if (shift == 30) at3 = at; else at2 = at;
    table = <u32>(entry & PTE_ADDRESS);
    shift -= 9;
  }
  rights |= <u32>entry & (ENTRY_D | ENTRY_G);
  if (shift == 21) rights |= ENTRY_LARGE;
  if (shift == 30) rights |= ENTRY_HUGE;
  if (long) rights |= (<u32>(entry >> 59) & 15) << ENTRY_KEY;
  if (!allowed(cpu, rights, access)) return refuse(cpu, access, rights);
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

/** 32-bit paging (SDM vol. 3, 4.3): 4 KiB pages, and 4 MiB pages with CR4.PSE. */
function walk32(cpu: usize, va: u32, access: u32, mark: bool): bool {
  const directory = (load<u32>(cpu, CR3) & <u32>PTE_ADDRESS) + ((va >> 22) << 2), pde = ramLoad32(directory);
  if ((pde & <u32>PTE_P) == 0) return fail(cpu, access, 0);
  const large = (pde & <u32>PTE_PS) != 0 && (load<u64>(cpu, CR4) & CR4_PSE) != 0;
  if (large && (pde & RESERVED_4M) != 0) return fail(cpu, access, PF_P | PF_RSVD);
  const at = large ? directory : (pde & <u32>PTE_ADDRESS) + ((va >> 10) & 0xffc), entry = large ? pde : ramLoad32(at);
  if ((entry & <u32>PTE_P) == 0) return fail(cpu, access, 0);
  let rights = (entry & pde & (ENTRY_W | ENTRY_U)) | (entry & (ENTRY_D | ENTRY_G)) | (large ? ENTRY_LARGE | ENTRY_HUGE : 0);
  if (!allowed(cpu, rights, access)) return refuse(cpu, access, rights);
  if (mark) {
    if (!large && (pde & <u32>PTE_A) == 0) ramStore32(directory, pde | <u32>PTE_A);
    const want = <u32>PTE_A | ((access & ACCESS_WRITE) != 0 ? <u32>PTE_D : 0);
    if ((entry & want) != want) ramStore32(at, entry | want);
    if ((access & ACCESS_WRITE) != 0) rights |= ENTRY_D;
  }
  walkPage = large ? (entry & 0xffc00000) | (va & 0x3ff000) : entry & <u32>PTE_ADDRESS;
  walkRights = rights;
  return true;
}

function setAccessed(at: u32): void {
  const entry = ramLoad64(at);
  if ((entry & PTE_A) == 0) ramStore64(at, entry | PTE_A);
}

/** Loads the four PDPTEs that `cr3` points at (SDM vol. 3, 4.4.1); false, with nothing loaded, if a present one has reserved bits set. */
export function loadPdptes(cpu: usize, cr3: u64): bool {
  const table = <u32>cr3 & 0xffffffe0;
  for (let i: u32 = 0; i < 4; i++) {
    const entry = ramLoad64(table + (i << 3));
    if ((entry & PTE_P) != 0 && (entry & RESERVED_PDPTE) != 0) return false;
  }
  for (let i: u32 = 0; i < 4; i++) store<u64>(cpu + PDPTE + (<usize>i << 3), ramLoad64(table + (i << 3)));
  return true;
}
