import { ATTENTION_DEBUG } from './boundary';
import { ATTENTION, CR4, DB_PENDING, DEBUG_ACTIVE, DEBUGCTL, DR, RUN_LIMIT } from './layout';
import { CR4_DE } from './crbits';
import { dropFastAll } from './mmu';

// Debug registers (SDM vol. 3, 18.2): what DR0 to DR3, DR6, DR7 and IA32_DEBUGCTL make the processor do. MOV is in control.ts.
//
// A page with a data breakpoint is in no fast table, so that every access to it takes the slow path (mem.ts), runs alone and is
// seen by noteData. A block ends before an instruction breakpoint; the block that starts there says so (B_BREAK).

/** DEBUG_ACTIVE: some enabled breakpoint is on data, on instructions, on ports. */
export const DEBUG_DATA: u32 = 1, DEBUG_CODE: u32 = 2, DEBUG_PORT: u32 = 4;
/** DR6.BS. */
export const DR6_BS: u32 = 0x4000, DR6_BT: u32 = 0x8000;
const DR7_GD: u64 = 0x2000;
export const DEBUGCTL_BTF: u64 = 2;
/** R/W field of DR7: instruction, write, port (with CR4.DE), read or write. */
const ON_CODE: u32 = 0, ON_WRITE: u32 = 1, ON_PORT: u32 = 2, ON_ACCESS: u32 = 3;

const DR7_AT: usize = DR + 56, DR6_AT: usize = DR + 48;

function enabled(cpu: usize, n: u32): bool { return (load<u32>(cpu, DR7_AT) >> (n << 1) & 3) != 0; }
function kind(cpu: usize, n: u32): u32 { return load<u32>(cpu, DR7_AT) >> (16 + (n << 2)) & 3; }
/** Bytes of breakpoint `n`: LEN 00, 01, 11, 10 are 1, 2, 4, 8. */
function lengthOf(cpu: usize, n: u32): u64 {
  const len = load<u32>(cpu, DR7_AT) >> (18 + (n << 2)) & 3;
  return len == 0 ? 1 : len == 1 ? 2 : len == 3 ? 4 : 8;
}
function address(cpu: usize, n: u32): u64 { return load<u64>(cpu + (<usize>n << 3), DR); }
/** The address without the bits below the length: a breakpoint lies on its natural boundary. */
function start(cpu: usize, n: u32): u64 { return address(cpu, n) & ~(lengthOf(cpu, n) - 1); }

/** Recomputes DEBUG_ACTIVE; after DR7 or CR4.DE changed, or the host replaced the state. */
export function updateDebug(cpu: usize): void {
  let active: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if (!enabled(cpu, n)) continue;
    const k = kind(cpu, n);
    if (k == ON_CODE) active |= DEBUG_CODE;
    else if (k != ON_PORT) active |= DEBUG_DATA;
    else if ((load<u64>(cpu, CR4) & CR4_DE) != 0) active |= DEBUG_PORT;
  }
  store<u32>(cpu, active, DEBUG_ACTIVE);
}

/** After MOV to a debug register; `before` is DEBUG_ACTIVE until then. Answers whether decoded code has to be dropped, because blocks end at instruction breakpoints. */
export function debugChanged(cpu: usize, before: u32): bool {
  updateDebug(cpu);
  const either = before | load<u32>(cpu, DEBUG_ACTIVE);
  if ((either & DEBUG_DATA) != 0) dropFastAll(cpu);
  return (either & DEBUG_CODE) != 0;
}

/** Whether a data breakpoint of the processor is in the page of `va`. */
export function dataBreakpointNear(cpu: usize, va: u64): bool {
  if ((load<u32>(cpu, DEBUG_ACTIVE) & DEBUG_DATA) == 0) return false;
  for (let n: u32 = 0; n < 4; n++) {
    if (enabled(cpu, n) && (kind(cpu, n) & 1) != 0 && ((address(cpu, n) ^ va) >> 12) == 0) return true;
  }
  return false;
}

/** An instruction reads or writes `size` bytes at `va` now: notes the data breakpoints that it meets. */
export function noteData(cpu: usize, va: u64, size: u32, write: bool): void {
  let hits: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    const k = kind(cpu, n);
    if (!enabled(cpu, n) || !(k == ON_ACCESS || (k == ON_WRITE && write))) continue;
    const from = start(cpu, n);
    if (va < from + lengthOf(cpu, n) && from < va + size) hits |= 1 << n;
  }
  if (hits != 0) pend(cpu, hits);
}

/** IN or OUT of `size` bytes at `port` happens now. */
export function notePort(cpu: usize, port: u32, size: u32): void {
  if ((load<u32>(cpu, DEBUG_ACTIVE) & DEBUG_PORT) == 0) return;
  let hits: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if (!enabled(cpu, n) || kind(cpu, n) != ON_PORT) continue;
    const from = <u32>start(cpu, n);
    if (port < from + <u32>lengthOf(cpu, n) && from < port + size) hits |= 1 << n;
  }
  if (hits != 0) pend(cpu, hits);
}

/** A #DB trap with these DR6 bits is due after the instruction. A repeated string instruction stops at its next element. */
export function pend(cpu: usize, bits: u32): void {
  store<u32>(cpu, load<u32>(cpu, DB_PENDING) | bits, DB_PENDING);
  store<u32>(cpu, load<u32>(cpu, ATTENTION) | ATTENTION_DEBUG, ATTENTION);
  store<u64>(cpu, 0, RUN_LIMIT);
}

/** DR6 bits of the enabled instruction breakpoints at `rip`. */
export function codeBreakpoints(cpu: usize, rip: u64): u32 {
  if ((load<u32>(cpu, DEBUG_ACTIVE) & DEBUG_CODE) == 0) return 0;
  let hits: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if (enabled(cpu, n) && kind(cpu, n) == ON_CODE && address(cpu, n) == rip) hits |= 1 << n;
  }
  return hits;
}

/** A #DB for `bits` is delivered now: DR6 says why (SDM vol. 3, 18.2.3); its B0 to B3 are those of this exception. DR7.GD and BTF are cleared. */
export function reportDebug(cpu: usize, bits: u32): void {
  store<u64>(cpu, (load<u64>(cpu, DR6_AT) & ~(<u64>15)) | <u64>bits, DR6_AT);
  store<u64>(cpu, load<u64>(cpu, DR7_AT) & ~DR7_GD, DR7_AT);
  store<u64>(cpu, load<u64>(cpu, DEBUGCTL) & ~DEBUGCTL_BTF, DEBUGCTL);
}
