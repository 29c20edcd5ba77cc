import { apicRead, apicReset, apicWrite, BASE_ENABLED, BASE_X2APIC, isX2apic, lvtBits, selfIpi, SVR_BITS, writeIcr } from './apic';
import { updateAttention } from './boundary';
import { APIC_BASE, CPU_INDEX } from './layout';
import { flushTlb } from './mmu';
import { GP, raiseError } from './trap';

// IA32_APIC_BASE and x2APIC mode (SDM vol. 3, 11.4.4 and 11.12): the registers of the local APIC as MSRs 800h to 8FFh, number 800h + offset / 16.

const BASE_BSP: u64 = 0x100, BASE_ADDRESS: u64 = 0xfffff000;
/** ICR: reserved bits of the lower half in x2APIC mode, where there is no delivery status. */
const ICR_RESERVED: u32 = 0xfff33000;

function refuse(cpu: usize): u64 { raiseError(cpu, GP, 0); return 0; }

export function readApicBase(cpu: usize): u64 { return load<u64>(cpu, APIC_BASE) | (load<u32>(cpu, CPU_INDEX) == 0 ? BASE_BSP : 0); }

/** Enables, disables, moves the local APIC, or changes its mode. x2APIC mode is entered from xAPIC mode and left by disabling; anything else, and a reserved bit, is #GP(0) (figure 11-27). */
export function writeApicBase(cpu: usize, v: u64): void {
  const old = load<u64>(cpu, APIC_BASE), enabled = (v & BASE_ENABLED) != 0, extended = (v & BASE_X2APIC) != 0;
  if ((v & ~(BASE_ADDRESS | BASE_ENABLED | BASE_X2APIC | BASE_BSP)) != 0 || (extended && !enabled)) { refuse(cpu); return; }
  if ((extended && (old & BASE_ENABLED) == 0) || (!extended && enabled && (old & BASE_X2APIC) != 0)) { refuse(cpu); return; }
  store<u64>(cpu, v & ~BASE_BSP, APIC_BASE);
  // Disabled, it forgets everything.
  if (!enabled && (old & BASE_ENABLED) != 0) apicReset(cpu, false);
  // The page that stops being the APIC, or becomes it, may be in the translation caches' fast tables.
  flushTlb(cpu, true);
  updateAttention(cpu);
}

/** RDMSR of 800h to 8FFh. */
export function readX2apic(cpu: usize, msr: u32): u64 {
  if (!isX2apic(cpu)) return refuse(cpu);
  const offset = (msr & 0xff) << 4;
  switch (offset) {
    case 0x300: return (<u64>apicRead(cpu, 0x310) << 32) | <u64>apicRead(cpu, 0x300);
    case 0x20: case 0x30: case 0x80: case 0xa0: case 0xd0: case 0xf0: case 0x280: case 0x380: case 0x390: case 0x3e0: return <u64>apicRead(cpu, offset);
    default: return (offset >= 0x100 && offset < 0x280) || (offset >= 0x320 && offset <= 0x370) ? <u64>apicRead(cpu, offset) : refuse(cpu);
  }
}

/** Bits that a register has; 0 for one that cannot be written. EOI and ESR take 0 alone. */
function writable(offset: u32): u32 {
  switch (offset) {
    case 0x80: case 0x3f0: return 0xff;
    case 0xf0: return SVR_BITS;
    case 0x380: return 0xffffffff;
    case 0x3e0: return 11;
    // Delivery status and remote IRR are read-only, not reserved.
    default: return offset >= 0x320 && offset <= 0x370 ? lvtBits((offset - 0x320) >> 4) | 0x1000 | (offset == 0x350 || offset == 0x360 ? 0x4000 : 0) : 0;
  }
}

/** WRMSR of 800h to 8FFh. */
export function writeX2apic(cpu: usize, msr: u32, v: u64): void {
  if (!isX2apic(cpu)) { refuse(cpu); return; }
  const offset = (msr & 0xff) << 4, lo = <u32>v;
  if (offset == 0x300) {
    if ((lo & ICR_RESERVED) != 0) refuse(cpu); else writeIcr(cpu, lo, <u32>(v >> 32));
    return;
  }
  const bits = writable(offset);
  if ((bits == 0 && offset != 0xb0 && offset != 0x280) || (v & ~(<u64>bits)) != 0) { refuse(cpu); return; }
  if (offset == 0x3f0) selfIpi(cpu, lo); else apicWrite(cpu, offset, lo);
}
