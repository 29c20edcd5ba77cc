import { writeCr8 } from './apic';
import { flushCode } from './blocks';
import { CPL, CR0, CR2, CR3, CR4, CR8, DEBUG_ACTIVE, DR, EFER, SEG_ACCESS, SEG_CS } from './layout';
import { debugChanged, updateDebug } from './debugregs';
import { is64, isLong, updateMode } from './mode';
import { CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_DE, CR4_FSGSBASE, CR4_MCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE, CR4_PCE, CR4_PCIDE, CR4_PGE, CR4_PKE, CR4_PKS, CR4_PSE, CR4_SMAP, CR4_SMEP, CR4_TSD, CR4_UMIP, EFER_LMA, EFER_LME } from './crbits';
import { flushSpace, flushTlb, translationChanged } from './mmu';
import { AR_L, seg } from './segments';
import { DB, GP, raise, raiseError, UD } from './trap';
import { loadPdptes } from './walk';

// Control and debug registers (SDM vol. 3, 2.5 and 17.2).

const CR0_BITS: u64 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
const CR4_BITS: u64 = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS | CR4_OSXSAVE;
/** Changes of these flush the TLBs, global translations too (SDM vol. 3, 4.10.4.1). */
const CR4_FLUSHES: u64 = CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_PKE | CR4_PKS;
/** Changes of these load the PDPTEs again (SDM vol. 3, 4.4.1). */
const CR4_PDPTES: u64 = CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP, CR0_PDPTES: u64 = CR0_CD | CR0_NW | CR0_PG;
/** CR3 bits above the physical address width; with CR4.PCIDE bit 63 of the operand says "keep the translations". */
const CR3_RESERVED: u64 = 0xffffffff00000000, CR3_KEEP: u64 = 1 << 63;

/** DR6 and DR7 bits that always read as 1, and those that can be written. */
export const DR6_ONES: u64 = 0xffff0ff0, DR7_ONES: u64 = 0x400;
const DR6_WRITABLE: u64 = 0xe00f, DR7_WRITABLE: u64 = 0xffff23ff;
const DR6_BD: u64 = 0x2000, DR7_GD: u64 = 0x2000;

/** Whether MOV may access CR`n`: #UD for one that does not exist, whatever CPL is; then #GP(0) outside of CPL 0. */
function controlAllowed(cpu: usize, n: u32): bool {
  if (n != 0 && n != 2 && n != 3 && n != 4 && n != 8) { raise(cpu, UD); return false; }
  if (load<u32>(cpu, CPL) != 0) { raiseError(cpu, GP, 0); return false; }
  return true;
}

/** CR`n` as MOV reads it: 32 bits outside of 64-bit mode. */
export function readControl(cpu: usize, n: u32): u64 {
  if (!controlAllowed(cpu, n)) return 0;
  const v = load<u64>(cpu + (n == 8 ? CR8 : n == 4 ? CR4 : n == 3 ? CR3 : n == 2 ? CR2 : CR0));
  return is64(cpu) ? v : v & 0xffffffff;
}

export function writeControl(cpu: usize, n: u32, operand: u64): void {
  if (!controlAllowed(cpu, n)) return;
  const v = is64(cpu) ? operand : operand & 0xffffffff;
  switch (n) {
    case 0: writeCr0(cpu, v); break;
    case 2: store<u64>(cpu, v, CR2); break;
    case 3: writeCr3(cpu, v); break;
    case 4: writeCr4(cpu, v); break;
    default: if (v > 15) refuse(cpu); else writeCr8(cpu, <u32>v);
  }
}

function refuse(cpu: usize): void { raiseError(cpu, GP, 0); }

/** PAE paging outside of IA-32e mode, with these control registers. */
function usesPdptes(cpu: usize, cr0: u64, cr4: u64): bool { return (cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && !isLong(cpu); }

/** MOV to CR3 (SDM vol. 3, 4.10.4.1): with PCIDs, forgets the new address space's translations unless bit 63 of the operand is set. Also for task switches. */
export function writeCr3(cpu: usize, v: u64): void {
  const cr4 = load<u64>(cpu, CR4), tagged = (cr4 & CR4_PCIDE) != 0, next = tagged ? v & ~CR3_KEEP : v;
  if ((next & CR3_RESERVED) != 0) { refuse(cpu); return; }
  if (usesPdptes(cpu, load<u64>(cpu, CR0), cr4) && !loadPdptes(cpu, next)) { refuse(cpu); return; }
  store<u64>(cpu, next, CR3);
  if (!tagged) flushTlb(cpu, (cr4 & CR4_PGE) == 0);
  else if (next == v) flushSpace(cpu, v & 0xfff);
  else translationChanged(cpu);
}

/**
 * MOV to CR0 and LMSW (SDM vol. 3, 2.5 and 9.8.5): paging with EFER.LME set enters IA-32e mode, which it leaves with paging, but not from 64-bit mode or with PCIDs.
 * Reserved bits below bit 32 are ignored; ET is always set.
 */
export function writeCr0(cpu: usize, v: u64): void {
  const old = load<u64>(cpu, CR0), next = (v & CR0_BITS) | CR0_ET, changed = old ^ next, cr4 = load<u64>(cpu, CR4), efer = load<u64>(cpu, EFER);
  if (v >> 32 != 0 || (next & (CR0_PG | CR0_PE)) == CR0_PG || (next & (CR0_NW | CR0_CD)) == CR0_NW) { refuse(cpu); return; }
  const long = (next & CR0_PG) != 0 && (efer & EFER_LME) != 0;
  if ((changed & CR0_PG) != 0) {
    const cs = load<u32>(seg(cpu, SEG_CS), SEG_ACCESS);
    if ((next & CR0_PG) == 0) { if (is64(cpu) || (cr4 & CR4_PCIDE) != 0) { refuse(cpu); return; } }
    else if (long && ((cr4 & CR4_PAE) == 0 || (cs & AR_L) != 0)) { refuse(cpu); return; }
  }
  if (!long && (changed & CR0_PDPTES) != 0 && (next & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && !loadPdptes(cpu, load<u64>(cpu, CR3))) { refuse(cpu); return; }
  store<u64>(cpu, next, CR0);
  store<u64>(cpu, long ? efer | EFER_LMA : efer & ~EFER_LMA, EFER);
  if ((changed & (CR0_PG | CR0_PE)) != 0) flushTlb(cpu, true);
  // Fast entries were made under the old WP, which also counts for protection keys.
  else if ((changed & CR0_WP) != 0) translationChanged(cpu);
  updateMode(cpu);
}

function writeCr4(cpu: usize, v: u64): void {
  const old = load<u64>(cpu, CR4), changed = old ^ v, long = isLong(cpu);
  if ((v & ~CR4_BITS) != 0 || (long && (v & CR4_PAE) == 0)) { refuse(cpu); return; }
  // PCIDs exist in IA-32e mode only, and start with number 0.
  if ((changed & v & CR4_PCIDE) != 0 && (!long || (load<u64>(cpu, CR3) & 0xfff) != 0)) { refuse(cpu); return; }
  if ((changed & CR4_PDPTES) != 0 && usesPdptes(cpu, load<u64>(cpu, CR0), v) && !loadPdptes(cpu, load<u64>(cpu, CR3))) { refuse(cpu); return; }
  store<u64>(cpu, v, CR4);
  if ((changed & CR4_FLUSHES) != 0) flushTlb(cpu, true);
  if ((changed & CR4_DE) != 0) updateDebug(cpu);
  updateMode(cpu);
}

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE makes them undefined; DR7.GD catches every access. Returns the number, or 8 with `trap` set. */
function debugRegister(cpu: usize, n: u32): u32 {
  if (n >= 8 || ((n == 4 || n == 5) && (load<u64>(cpu, CR4) & CR4_DE) != 0)) { raise(cpu, UD); return 8; }
  if ((load<u64>(cpu, DR + 56) & DR7_GD) != 0) {
    store<u64>(cpu, load<u64>(cpu, DR + 48) | DR6_BD, DR + 48);
    // The handler must be able to look: GD is cleared on entry to it.
    store<u64>(cpu, load<u64>(cpu, DR + 56) & ~DR7_GD, DR + 56);
    raise(cpu, DB);
    return 8;
  }
  return n == 4 || n == 5 ? n + 2 : n;
}

export function readDebug(cpu: usize, n: u32): u64 {
  const r = debugRegister(cpu, n);
  return r == 8 ? 0 : load<u64>(cpu + DR + (<usize>r << 3));
}

export function writeDebug(cpu: usize, n: u32, v: u64): void {
  const r = debugRegister(cpu, n);
  if (r == 8) return;
  if (r >= 6 && v >> 32 != 0) { raiseError(cpu, GP, 0); return; }
  const next = r == 6 ? DR6_ONES | (v & DR6_WRITABLE) : r == 7 ? DR7_ONES | (v & DR7_WRITABLE) : v;
  const before = load<u32>(cpu, DEBUG_ACTIVE);
  store<u64>(cpu + DR + (<usize>r << 3), next);
  if (r != 6 && debugChanged(cpu, before)) flushCode();
}
