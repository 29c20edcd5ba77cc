import { writeCr8 } from './apic';
import { flushCode } from './blocks';
import { CPL, CR0, CR2, CR3, CR4, CR8, DEBUG_ACTIVE, DR, EFER } from './layout';
import { debugChanged, updateDebug } from './debugregs';
import { updateMode } from './mode';
import { bumpLinks, CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_DE, CR4_FSGSBASE, CR4_MCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE, CR4_PCE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, CR4_TSD, CR4_UMIP, dropFastAll, EFER_LMA, flushTlb } from './mmu';
import { HAS_XSAVE } from './cpuid';
import { DB, GP, raise, raiseError, UD } from './trap';

// Control and debug registers (SDM vol. 3, 2.5 and 17.2).

const CR0_BITS: u64 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
const CR4_BITS: u64 = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_SMEP | CR4_SMAP | (HAS_XSAVE ? CR4_OSXSAVE : 0);
/** Changes of these flush the TLBs, global translations too (SDM vol. 3, 4.10.4.1). */
const CR4_FLUSHES: u64 = CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP;
/** CR3 bits above the physical address width. */
const CR3_RESERVED: u64 = 0xffffffff00000000;

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

/** CR`n` as MOV reads it. */
export function readControl(cpu: usize, n: u32): u64 {
  if (!controlAllowed(cpu, n)) return 0;
  switch (n) {
    case 0: return load<u64>(cpu, CR0);
    case 2: return load<u64>(cpu, CR2);
    case 3: return load<u64>(cpu, CR3);
    case 4: return load<u64>(cpu, CR4);
    default: return load<u64>(cpu, CR8);
  }
}

export function writeControl(cpu: usize, n: u32, v: u64): void {
  if (!controlAllowed(cpu, n)) return;
  switch (n) {
    case 0: writeCr0(cpu, v); break;
    case 2: store<u64>(cpu, v, CR2); break;
    case 3:
      if ((v & CR3_RESERVED) != 0) { raiseError(cpu, GP, 0); return; }
      store<u64>(cpu, v, CR3);
      flushTlb(cpu, (load<u64>(cpu, CR4) & CR4_PGE) == 0);
      break;
    case 4: writeCr4(cpu, v); break;
    default: if (v > 15) raiseError(cpu, GP, 0); else writeCr8(cpu, <u32>v);
  }
}

/** Paging cannot be switched off in 64-bit mode. Reserved bits below bit 32 are ignored; ET is always set. */
export function writeCr0(cpu: usize, v: u64): void {
  const old = load<u64>(cpu, CR0), next = (v & CR0_BITS) | CR0_ET;
  const longMode = (load<u64>(cpu, EFER) & EFER_LMA) != 0;
  if (v >> 32 != 0 || (next & (CR0_PG | CR0_PE)) == CR0_PG || (next & (CR0_NW | CR0_CD)) == CR0_NW || (longMode && (next & CR0_PG) == 0)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, next, CR0);
  if (((old ^ next) & (CR0_PG | CR0_PE)) != 0) flushTlb(cpu, true);
  // Fast write entries were made under the old WP.
  else if (((old ^ next) & CR0_WP) != 0) { dropFastAll(cpu); bumpLinks(); }
  updateMode(cpu);
}

function writeCr4(cpu: usize, v: u64): void {
  const old = load<u64>(cpu, CR4);
  if ((v & ~CR4_BITS) != 0 || ((v & CR4_PAE) == 0 && (load<u64>(cpu, EFER) & EFER_LMA) != 0)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu, v, CR4);
  if (((old ^ v) & CR4_FLUSHES) != 0) flushTlb(cpu, true);
  if (((old ^ v) & CR4_DE) != 0) updateDebug(cpu);
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
