import { APIC_BASE, DEBUG_ACTIVE } from './layout';
import { apicRead, apicWrite } from './apic';
import { codeOverlaps, invalidateCode } from './blocks';
import { noteAccess, noteHostWrite, touchesLinearWatch, WATCH_READ, WATCH_WRITE } from './debug';
import { dataBreakpointNear } from './debugregs';
import { mmioRead, mmioWrite } from './env';
import { ioapicRead, ioapicWrite } from './ioapic';
import { PAGE_FLAGS, PF_CODE, PF_DIRTY, PF_WATCH, RAM_BASE, ramSize } from './map';
import { dropFastWrites } from './mmu';
import { clockCycle } from './turns';

// The physical address space: RAM from 0, the local APIC page where IA32_APIC_BASE says, the I/O APIC at FEC00000, and the host's devices.

export const IOAPIC_ADDRESS: u32 = 0xfec00000;

/** Upper half of the host's last 8-byte answer. */
let mmioHigh: u32 = 0;
export function setMmioHigh(v: u32): void { mmioHigh = v; }

/** Whether an access of `size` bytes in one page has an effect outside of RAM, on decoded code, or on a watch range, so that it may only happen in an instruction that runs alone. */
export function mustBeAlone(cpu: usize, va: u64, pa: u32, size: u32, write: bool): bool {
  if (pa >= ramSize) return true;
  const flags = load<u8>(PAGE_FLAGS + <usize>(pa >> 12));
  if ((flags & PF_WATCH) != 0 || touchesLinearWatch(va) || (load<u32>(cpu, DEBUG_ACTIVE) != 0 && dataBreakpointNear(cpu, va))) return true;
  return write && (flags & PF_CODE) != 0 && codeOverlaps(pa, size);
}

/** After `size` bytes of RAM at `pa` changed, all in one page: marks the page dirty and drops code decoded from them. */
export function ramStored(pa: u32, size: u32): void {
  const at = PAGE_FLAGS + <usize>(pa >> 12), flags = load<u8>(at);
  if ((flags & PF_DIRTY) == 0) store<u8>(at, flags | PF_DIRTY);
  if ((flags & PF_CODE) != 0 && codeOverlaps(pa, size)) invalidateCode(pa, size);
}

/** A read of 1, 2, 4 or 8 bytes at a physical address that is not RAM. */
export function deviceRead(cpu: usize, pa: u32, size: u32): u64 {
  if (isLocalApic(cpu, pa)) return <u64>(apicRead(cpu, pa & 0xff0) >> ((pa & 3) << 3)) & sizeMask(size);
  if ((pa & 0xfffff000) == IOAPIC_ADDRESS) return <u64>ioapicRead(pa & 0xfff) & sizeMask(size);
  clockCycle(cpu);
  mmioHigh = 0;
  const lo = mmioRead(pa, size);
  return size == 8 ? <u64>lo | (<u64>mmioHigh << 32) : <u64>lo & sizeMask(size);
}

/** A write of 1, 2, 4 or 8 bytes at a physical address that is not RAM. */
export function deviceWrite(cpu: usize, pa: u32, size: u32, v: u64): void {
  if (isLocalApic(cpu, pa)) apicWrite(cpu, pa & 0xff0, <u32>v);
  else if ((pa & 0xfffff000) == IOAPIC_ADDRESS) ioapicWrite(pa & 0xfff, <u32>v);
  else {
    clockCycle(cpu);
    mmioWrite(pa, size, <u32>(v & sizeMask(size)), size == 8 ? <u32>(v >> 32) : 0);
  }
}

function sizeMask(size: u32): u64 { return size == 8 ? ~(<u64>0) : ((<u64>1 << (size << 3)) - 1); }

/** The local APIC's page, if it is enabled and not in x2APIC mode (IA32_APIC_BASE bits 11 and 10). */
function isLocalApic(cpu: usize, pa: u32): bool {
  const base = load<u64>(cpu, APIC_BASE);
  return (base & 0xc00) == 0x800 && (pa & 0xfffff000) == (<u32>base & 0xfffff000);
}

export function loadSized(at: usize, size: u32): u64 {
  switch (size) {
    case 1: return <u64>load<u8>(at);
    case 2: return <u64>load<u16>(at);
    case 4: return <u64>load<u32>(at);
    default: return load<u64>(at);
  }
}
export function storeSized(at: usize, size: u32, v: u64): void {
  switch (size) {
    case 1: store<u8>(at, <u8>v); break;
    case 2: store<u16>(at, <u16>v); break;
    case 4: store<u32>(at, <u32>v); break;
    default: store<u64>(at, v); break;
  }
}

/** A read of 1, 2, 4 or 8 bytes in one page, after all checks. */
export function loadTranslated(cpu: usize, va: u64, pa: u32, size: u32): u64 {
  noteAccess(va, pa, size, WATCH_READ);
  return pa < ramSize ? loadSized(RAM_BASE + <usize>pa, size) : deviceRead(cpu, pa, size);
}
/** A write of 1, 2, 4 or 8 bytes in one page, after all checks. */
export function storeTranslated(cpu: usize, va: u64, pa: u32, size: u32, v: u64): void {
  noteAccess(va, pa, size, WATCH_WRITE);
  if (pa >= ramSize) { deviceWrite(cpu, pa, size, v); return; }
  storeSized(RAM_BASE + <usize>pa, size, v);
  ramStored(pa, size);
}

/** The host wrote RAM: marks the pages dirty, drops decoded code, and notes watched ranges. Addresses outside of RAM are ignored. */
export function hostWrote(pa: u32, len: u32): void {
  let at = pa, left = len;
  while (left != 0 && at < ramSize) {
    const room: u32 = 0x1000 - (at & 0xfff), n = room < left ? room : left;
    ramStored(at, n);
    if ((load<u8>(PAGE_FLAGS + <usize>(at >> 12)) & PF_WATCH) != 0) noteHostWrite(at, n);
    at += n;
    left -= n;
  }
}

/** Forgets which pages are dirty. Fast write entries go, so that the next write of each page marks it again. */
export function clearDirty(): void {
  const pages = ramSize >> 12;
  for (let p: u32 = 0; p < pages; p++) {
    const at = PAGE_FLAGS + <usize>p;
    store<u8>(at, load<u8>(at) & ~PF_DIRTY);
  }
  dropFastWrites();
}

/** Eight bytes of a paging structure; all ones outside of RAM. */
export function ramLoad64(pa: u32): u64 { return pa < ramSize ? load<u64>(RAM_BASE + <usize>pa) : ~(<u64>0); }

/** Four bytes of a paging structure of 32-bit paging. */
export function ramLoad32(pa: u32): u32 { return pa < ramSize ? load<u32>(RAM_BASE + <usize>pa) : ~(<u32>0); }
export function ramStore32(pa: u32, v: u32): void {
  store<u32>(RAM_BASE + <usize>pa, v);
  ramStored(pa, 4);
}

/** Writes a paging-structure entry that ramLoad64 found in RAM. */
export function ramStore64(pa: u32, v: u64): void {
  store<u64>(RAM_BASE + <usize>pa, v);
  ramStored(pa, 8);
}
