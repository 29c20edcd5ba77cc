import { priorityChanged } from './mmu';
import { runningCpu, updateAttention } from './boundary';
import { EVENT_CR8, EVENT_EOI, tell } from './events';
import { requestExtInt } from './intr';
import { ioapicEoi } from './ioapic';
import { APIC, APIC_BASE, CPU_INDEX, CR8, INIT_PENDING, NMI_BLOCKED, NMI_PENDING } from './layout';
import { cpuAt, cpuCount } from './map';
import { initProcessor, startProcessor } from './reset';
import { arrived } from './turns';
import { LVT_TIMER, timerInitial, timerModeWritten, timerRead, timerReset, timerDivideWritten } from './apictimer';

// The local APIC (SDM vol. 3, chapter 11). Its registers are part of the CPU structure, from cpu + APIC on, and are reached at the addresses of xAPIC mode
// (apicRead, apicWrite) or as the MSRs of x2APIC mode (x2apic.ts).

const ID: usize = APIC, LDR: usize = APIC + 4, DFR: usize = APIC + 8, SVR: usize = APIC + 12;
/** Whole task-priority register; CR8 is its upper half and kept equal. */
const TPR: usize = APIC + 16;
const ESR: usize = APIC + 20, ESR_PENDING: usize = APIC + 24, ICR_LO: usize = APIC + 28, ICR_HI: usize = APIC + 32;
/** Local vector table: timer, thermal, performance, LINT0, LINT1, error; u32 each, in the order of their register addresses. */
export const LVT: usize = APIC + 36;
const LVT_COUNT: u32 = 6, LVT_LINT0: u32 = 3, LVT_ERROR: u32 = 5;
/** 256 bits each. */
const ISR: usize = APIC + 0x80, TMR: usize = APIC + 0xa0, IRR: usize = APIC + 0xc0;

export const LVT_MASKED: u32 = 0x10000;
const SVR_ENABLED: u32 = 0x100;
/** EOIs are not broadcast to the I/O APIC: software writes its EOI register. */
const SVR_NO_BROADCAST: u32 = 0x1000;
export const SVR_BITS: u32 = 0xff | SVR_ENABLED | SVR_NO_BROADCAST;
/** Version 14h (integrated APIC), six LVT entries, EOI broadcasts can be suppressed. */
const VERSION: u32 = 0x01050014;
/** Writable bits of the entries; LINT entries have polarity, remote IRR (read-only) and trigger mode; only the timer has a mode. */
export function lvtBits(index: u32): u32 { return index == LVT_TIMER ? 0x700ff : index == LVT_ERROR ? 0x100ff : index >= LVT_LINT0 ? 0x1a7ff : 0x107ff; }
const ICR_LOGICAL: u32 = 0x800;
const ESR_SEND_ILLEGAL: u32 = 0x20, ESR_RECEIVE_ILLEGAL: u32 = 0x40, ESR_REGISTER: u32 = 0x80;

/** Delivery modes of messages (SDM vol. 3, 11.6.1). */
export const MESSAGE_FIXED: u32 = 0, MESSAGE_LOWEST: u32 = 1, MESSAGE_SMI: u32 = 2, MESSAGE_NMI: u32 = 4, MESSAGE_INIT: u32 = 5, MESSAGE_STARTUP: u32 = 6, MESSAGE_EXTINT: u32 = 7;

/** IA32_APIC_BASE: globally enabled; x2APIC mode. */
export const BASE_ENABLED: u64 = 0x800, BASE_X2APIC: u64 = 0x400;
export function isX2apic(cpu: usize): bool { return (load<u64>(cpu, APIC_BASE) & BASE_X2APIC) != 0; }

/** State after power-up or reset (SDM vol. 3, 11.4.7.1); with `init` true after an INIT, which keeps the APIC ID. */
export function apicReset(cpu: usize, init: bool): void {
  const id = init ? load<u32>(cpu, ID) : load<u32>(cpu, CPU_INDEX) << 24;
  memory.fill(cpu + APIC, 0, 0xe0);
  store<u32>(cpu, id, ID);
  store<u32>(cpu, 0xffffffff, DFR);
  store<u32>(cpu, 0xff, SVR);
  store<u64>(cpu, 0, CR8);
  for (let i: u32 = 0; i < LVT_COUNT; i++) setLvt(cpu, i, LVT_MASKED);
  timerReset(cpu);
}

function setLvt(cpu: usize, index: u32, v: u32): void { store<u32>(cpu + (<usize>index << 2), v, LVT); }
function lvt(cpu: usize, index: u32): u32 { return load<u32>(cpu + (<usize>index << 2), LVT); }

/** LINT0 passes external interrupts on: unmasked, delivery mode ExtINT. */
export function hearsIntr(cpu: usize): bool { return (lvt(cpu, LVT_LINT0) & (LVT_MASKED | 0x700)) == MESSAGE_EXTINT << 8; }

function getBit(set: usize, vector: u32): bool { return (load<u32>(set + <usize>((vector >> 5) << 2)) >> (vector & 31) & 1) != 0; }
function setBit(set: usize, vector: u32): void { const at = set + <usize>((vector >> 5) << 2); store<u32>(at, load<u32>(at) | (1 << (vector & 31))); }
function clearBit(set: usize, vector: u32): void { const at = set + <usize>((vector >> 5) << 2); store<u32>(at, load<u32>(at) & ~(1 << (vector & 31))); }

/** Highest vector in a set of 256, or 0. */
function highest(set: usize): u32 {
  for (let i: i32 = 7; i >= 0; i--) {
    const word = load<u32>(set + <usize>(i << 2));
    if (word != 0) return <u32>(i << 5) + 31 - clz<u32>(word);
  }
  return 0;
}

/** Processor priority: the higher of TPR and the class in service (SDM vol. 3, 11.8.3.1). */
function ppr(cpu: usize): u32 {
  const tpr = load<u32>(cpu, TPR), isrv = highest(cpu + ISR);
  return (tpr & 0xf0) >= (isrv & 0xf0) ? tpr : isrv & 0xf0;
}

/** The vector that would be delivered if interrupts are enabled: the highest in IRR if its class is above PPR's; else 0. */
export function highestPending(cpu: usize): u32 {
  const vector = highest(cpu + IRR);
  return vector != 0 && (vector & 0xf0) > (ppr(cpu) & 0xf0) ? vector : 0;
}

/** The processor takes `vector`: from IRR to ISR. */
export function acceptInterrupt(cpu: usize, vector: u32): void {
  clearBit(cpu + IRR, vector);
  setBit(cpu + ISR, vector);
}

/** A fixed interrupt arrives at a local APIC. */
export function requestInterrupt(cpu: usize, vector: u32, levelTriggered: bool): void {
  if (vector < 16) { error(cpu, ESR_RECEIVE_ILLEGAL); return; }
  if ((load<u32>(cpu, SVR) & SVR_ENABLED) == 0) return;
  setBit(cpu + IRR, vector);
  if (levelTriggered) setBit(cpu + TMR, vector); else clearBit(cpu + TMR, vector);
  arrived(cpu);
}

/** Sends what a local vector table entry says. */
export function raiseLvt(cpu: usize, index: u32): void {
  const entry = lvt(cpu, index);
  if ((entry & LVT_MASKED) != 0) return;
  const mode = (entry >> 8) & 7;
  if (mode == MESSAGE_NMI && index != LVT_TIMER && index != LVT_ERROR) arrive(cpu, MESSAGE_NMI, 0, false);
  else if (mode == MESSAGE_FIXED || index == LVT_TIMER || index == LVT_ERROR) requestInterrupt(cpu, entry & 0xff, false);
}

function error(cpu: usize, bits: u32): void {
  const old = load<u32>(cpu, ESR_PENDING);
  store<u32>(cpu, old | bits, ESR_PENDING);
  // An illegal vector in the error entry itself must not raise itself again.
  if ((old & bits) == 0 && (lvt(cpu, LVT_ERROR) & 0xf0) != 0) raiseLvt(cpu, LVT_ERROR);
}

/** CR8: priority class 0 to 15. */
export function writeCr8(cpu: usize, value: u32): void {
  const old = load<u32>(cpu, CR8);
  tell(cpu, EVENT_CR8, value, old);
  priorityChanged(old, value);
  store<u64>(cpu, <u64>value, CR8);
  store<u32>(cpu, value << 4, TPR);
  updateAttention(cpu);
}

/** After the host wrote CR8 in the CPU structure. */
export function syncTpr(cpu: usize): void {
  if (load<u32>(cpu, TPR) >> 4 != load<u32>(cpu, CR8)) store<u32>(cpu, load<u32>(cpu, CR8) << 4, TPR);
}

function endOfInterrupt(cpu: usize): void {
  const vector = highest(cpu + ISR);
  if (vector == 0) return;
  clearBit(cpu + ISR, vector);
  tell(cpu, EVENT_EOI, vector, highest(cpu + ISR));
  if (getBit(cpu + TMR, vector) && (load<u32>(cpu, SVR) & SVR_NO_BROADCAST) == 0) ioapicEoi(vector);
  updateAttention(cpu);
}

/** Reads the register at `offset` (a multiple of 16). */
export function apicRead(cpu: usize, offset: u32): u32 {
  if (offset >= 0x100 && offset < 0x280) return load<u32>(cpu + <usize>(((offset - 0x100) >> 4) << 2), ISR);
  if (offset >= 0x320 && offset <= 0x370) return lvt(cpu, (offset - 0x320) >> 4);
  switch (offset) {
    case 0x20: return isX2apic(cpu) ? load<u32>(cpu, CPU_INDEX) : load<u32>(cpu, ID);
    case 0x30: return VERSION;
    case 0x80: return load<u32>(cpu, TPR);
    case 0x90: return 0; // arbitration priority: not on processors with a system-bus APIC
    case 0xa0: return ppr(cpu);
    case 0xd0: return isX2apic(cpu) ? x2apicLogical(cpu) : load<u32>(cpu, LDR);
    case 0xe0: return load<u32>(cpu, DFR);
    case 0xf0: return load<u32>(cpu, SVR);
    case 0x280: return load<u32>(cpu, ESR);
    case 0x300: return load<u32>(cpu, ICR_LO);
    case 0x310: return load<u32>(cpu, ICR_HI);
    case 0x380: case 0x390: case 0x3e0: return timerRead(cpu, offset);
    default:
      if (offset != 0xb0) error(cpu, ESR_REGISTER);
      return 0;
  }
}

/** Writes the register at `offset` (a multiple of 16). */
export function apicWrite(cpu: usize, offset: u32, v: u32): void {
  if (offset >= 0x320 && offset <= 0x370) { writeLvt(cpu, (offset - 0x320) >> 4, v); return; }
  switch (offset) {
    case 0x20: store<u32>(cpu, v & 0xff000000, ID); break;
    case 0x30: case 0x90: case 0xa0: case 0x390: break; // read-only
    case 0x80:
      tell(cpu, EVENT_CR8, (v >> 4) & 15, load<u32>(cpu, CR8));
      priorityChanged(load<u32>(cpu, CR8), (v >> 4) & 15);
      store<u32>(cpu, v & 0xff, TPR);
      store<u64>(cpu, <u64>((v >> 4) & 15), CR8);
      updateAttention(cpu);
      break;
    case 0xb0: endOfInterrupt(cpu); break;
    case 0xd0: store<u32>(cpu, v & 0xff000000, LDR); break;
    case 0xe0: store<u32>(cpu, v | 0x0fffffff, DFR); break;
    case 0xf0:
      store<u32>(cpu, v & SVR_BITS, SVR);
      // Software disable masks the whole local vector table (SDM vol. 3, 11.4.7.2).
      if ((v & SVR_ENABLED) == 0) for (let i: u32 = 0; i < LVT_COUNT; i++) setLvt(cpu, i, lvt(cpu, i) | LVT_MASKED);
      updateAttention(cpu);
      break;
    case 0x280:
      store<u32>(cpu, load<u32>(cpu, ESR_PENDING), ESR);
      store<u32>(cpu, 0, ESR_PENDING);
      break;
    case 0x300:
      // Bit 12, delivery status, always reads idle: messages arrive at once.
      store<u32>(cpu, v & 0x000ccfff, ICR_LO);
      sendIcr(cpu, v, load<u32>(cpu, ICR_HI) >> 24, false);
      break;
    case 0x310: store<u32>(cpu, v & 0xff000000, ICR_HI); break;
    case 0x380: timerInitial(cpu, v); break;
    case 0x3e0: timerDivideWritten(cpu, v); break;
    default: error(cpu, ESR_REGISTER);
  }
}

function writeLvt(cpu: usize, index: u32, v: u32): void {
  let entry = v & lvtBits(index);
  if ((load<u32>(cpu, SVR) & SVR_ENABLED) == 0) entry |= LVT_MASKED;
  if ((entry & 0xff) < 16 && (entry & LVT_MASKED) == 0 && ((entry >> 8) & 7) == MESSAGE_FIXED) error(cpu, ESR_RECEIVE_ILLEGAL);
  const old = lvt(cpu, index);
  setLvt(cpu, index, entry);
  if (index == LVT_TIMER) timerModeWritten(cpu, old, entry);
  if (index == LVT_LINT0) updateAttention(cpu);
}

/** x2APIC mode: the 64-bit ICR is one write. */
export function writeIcr(cpu: usize, lo: u32, destination: u32): void {
  store<u32>(cpu, lo, ICR_LO);
  store<u32>(cpu, destination, ICR_HI);
  sendIcr(cpu, lo, destination, true);
}

/** x2APIC mode's SELF_IPI register. */
export function selfIpi(cpu: usize, vector: u32): void {
  if (vector < 16) error(cpu, ESR_SEND_ILLEGAL); else requestInterrupt(cpu, vector, false);
}

/** `wide`: the destination has 32 bits. */
function sendIcr(cpu: usize, lo: u32, destination: u32, wide: bool): void {
  const mode = (lo >> 8) & 7, vector = lo & 0xff, shorthand = (lo >> 18) & 3;
  if ((mode == MESSAGE_FIXED || mode == MESSAGE_LOWEST) && vector < 16) { error(cpu, ESR_SEND_ILLEGAL); return; }
  // INIT with level de-assert only synchronises arbitration IDs, which nothing here has.
  if (mode == MESSAGE_INIT && (lo & 0xc000) == 0x8000) return;
  switch (shorthand) {
    case 1: arrive(cpu, mode, vector, false); break;
    case 2: case 3:
      for (let n: u32 = 0; n < cpuCount; n++) if (shorthand == 2 || cpuAt(n) != cpu) arrive(cpuAt(n), mode, vector, false);
      break;
    default: sendMessage(destination, (lo & ICR_LOGICAL) != 0, mode, vector, false, wide);
  }
}

/** A message on the system bus: from an ICR, the I/O APIC, or a message-signalled interrupt. `destination` is 8 bits or, with `wide`, 32, physical or logical. Returns whether some processor took it. */
export function sendMessage(destination: u32, logical: bool, mode: u32, vector: u32, levelTriggered: bool, wide: bool = false): bool {
  let best: usize = 0;
  let taken = false;
  for (let n: u32 = 0; n < cpuCount; n++) {
    const cpu = cpuAt(n);
    if (!addressed(cpu, destination, logical, wide)) continue;
    if (mode != MESSAGE_LOWEST) { arrive(cpu, mode, vector, levelTriggered); taken = true; }
    else if (best == 0 || ppr(cpu) < ppr(best)) best = cpu;
  }
  if (best != 0) { arrive(best, MESSAGE_FIXED, vector, levelTriggered); taken = true; }
  return taken;
}

/** Logical ID in x2APIC mode: cluster in the upper half, a bit in the lower (SDM vol. 3, 11.12.10.2). */
function x2apicLogical(cpu: usize): u32 {
  const id = load<u32>(cpu, CPU_INDEX);
  return ((id >> 4) << 16) | (1 << (id & 15));
}

/** SDM vol. 3, 11.6.2: physical ID (all ones: every processor), or logical in the flat (DFR 1111) or cluster (0000) model; 11.12.10 in x2APIC mode. */
function addressed(cpu: usize, destination: u32, logical: bool, wide: bool): bool {
  const base = load<u64>(cpu, APIC_BASE);
  if ((base & BASE_ENABLED) == 0) return false;
  if (destination == (wide ? 0xffffffff : 0xff) && (!logical || (base & BASE_X2APIC) != 0)) return true;
  if ((base & BASE_X2APIC) != 0) {
    if (!logical) return destination == load<u32>(cpu, CPU_INDEX);
    const own = x2apicLogical(cpu);
    return destination >> 16 == own >> 16 && (destination & own & 0xffff) != 0;
  }
  if (!logical) return destination == load<u32>(cpu, ID) >> 24;
  if (destination > 0xff) return false;
  const ldr = load<u32>(cpu, LDR) >> 24;
  if (load<u32>(cpu, DFR) >> 28 == 15) return (ldr & destination) != 0;
  return ((destination >> 4) == 15 || (ldr >> 4) == (destination >> 4)) && (ldr & destination & 15) != 0;
}

function arrive(cpu: usize, mode: u32, vector: u32, levelTriggered: bool): void {
  switch (mode) {
    case MESSAGE_FIXED: case MESSAGE_LOWEST: requestInterrupt(cpu, vector, levelTriggered); break;
    case MESSAGE_NMI: {
      // One NMI is held while another is in service; two that come before the first is taken are both delivered.
      const limit: u32 = load<u32>(cpu, NMI_BLOCKED) != 0 ? 1 : 2, pending = load<u32>(cpu, NMI_PENDING);
      if (pending < limit) store<u32>(cpu, pending + 1, NMI_PENDING);
      arrived(cpu);
      break;
    }
    case MESSAGE_INIT:
      // Who sends it to itself is inside of an instruction, which completes first.
      if (cpu != runningCpu()) { initProcessor(cpu); break; }
      store<u32>(cpu, 1, INIT_PENDING);
      updateAttention(cpu);
      break;
    case MESSAGE_STARTUP: startProcessor(cpu, vector); break;
    case MESSAGE_EXTINT: requestExtInt(cpu); break;
    default: // SMI: there is no SMM
  }
}

/** A message-signalled interrupt: a write of `data` to FEEx_xxxx `address` (SDM vol. 3, 11.11). */
export function msi(address: u32, data: u32): void {
  const hint = (address & 8) != 0, mode = (data >> 8) & 7;
  sendMessage((address >> 12) & 0xff, (address & 4) != 0, hint && mode == MESSAGE_FIXED ? MESSAGE_LOWEST : mode, data & 0xff, (data & 0x8000) != 0);
}
