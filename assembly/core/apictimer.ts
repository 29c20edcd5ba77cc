import { APIC, CYCLES, TIMER_DUE, TSC_OFFSET } from './layout';
import { LVT, raiseLvt } from './apic';

// The local APIC timer (SDM vol. 3, 11.5.4): one-shot, periodic and TSC-deadline, exact to the cycle. It counts one tick each
// apicDivider * divide-configuration cycles. Nothing runs while it counts: the state says when it was started, and TIMER_DUE,
// derived from that, when it fires.

const DIVIDE: usize = APIC + 60, INITIAL: usize = APIC + 64;
/** Ticks that were left at cycle START; 0 when the timer does not count. */
const COUNT: usize = APIC + 68, START: usize = APIC + 72;
/** IA32_TSC_DEADLINE; 0 when not armed. */
const DEADLINE: usize = APIC + 80;

export const LVT_TIMER: u32 = 0;
export const NEVER: u64 = ~(<u64>0);
const MODE_MASK: u32 = 0x60000, MODE_PERIODIC: u32 = 0x20000, MODE_DEADLINE: u32 = 0x40000;

/** Processor cycles a cycle of the APIC's bus clock: machine configuration. */
let apicDivider: u32 = 16;
export function setApicDivider(cycles: u32): void { apicDivider = cycles != 0 ? cycles : 1; }
export function getApicDivider(): u32 { return apicDivider; }

function mode(cpu: usize): u32 { return load<u32>(cpu, LVT) & MODE_MASK; }

/** Cycles a tick. Bits 3, 1 and 0 of the divide configuration select 2, 4, ... 128, 1. */
function tick(cpu: usize): u64 {
  const d = load<u32>(cpu, DIVIDE);
  return <u64>apicDivider << <u64>((((d & 3) | ((d >> 1) & 4)) + 1) & 7);
}

/** Recomputes TIMER_DUE; also after a restore and after the TSC moved. */
export function timerUpdate(cpu: usize): void {
  let due = NEVER;
  if (mode(cpu) == MODE_DEADLINE) {
    const deadline = load<u64>(cpu, DEADLINE), offset = load<u64>(cpu, TSC_OFFSET);
    // A deadline that lies before cycle 0 has passed.
    if (deadline != 0) due = <i64>(deadline - offset) < 0 && deadline < offset ? 0 : deadline - offset;
  } else if (load<u32>(cpu, COUNT) != 0) {
    due = load<u64>(cpu, START) + <u64>load<u32>(cpu, COUNT) * tick(cpu);
  }
  store<u64>(cpu, due, TIMER_DUE);
}

export function timerReset(cpu: usize): void {
  store<u64>(cpu, NEVER, TIMER_DUE);
}

function current(cpu: usize): u32 {
  const count = load<u32>(cpu, COUNT);
  if (count == 0) return 0;
  const passed = (load<u64>(cpu, CYCLES) - load<u64>(cpu, START)) / tick(cpu);
  return passed < <u64>count ? count - <u32>passed : 0;
}

export function timerRead(cpu: usize, offset: u32): u32 {
  if (offset == 0x3e0) return load<u32>(cpu, DIVIDE);
  if (mode(cpu) == MODE_DEADLINE) return 0;
  return offset == 0x380 ? load<u32>(cpu, INITIAL) : current(cpu);
}

/** A write of the initial count starts the timer; 0 stops it. Ignored in TSC-deadline mode. */
export function timerInitial(cpu: usize, v: u32): void {
  if (mode(cpu) == MODE_DEADLINE) return;
  store<u32>(cpu, v, INITIAL);
  startAt(cpu, v);
}

function startAt(cpu: usize, count: u32): void {
  store<u32>(cpu, count, COUNT);
  store<u64>(cpu, load<u64>(cpu, CYCLES), START);
  timerUpdate(cpu);
}

/** The count goes on from where it is, at the new rate. */
export function timerDivideWritten(cpu: usize, v: u32): void {
  const left = current(cpu);
  store<u32>(cpu, v & 11, DIVIDE);
  startAt(cpu, left);
}

/** Going into or out of TSC-deadline mode disarms the timer (SDM vol. 3, 11.5.4.1). */
export function timerModeWritten(cpu: usize, before: u32, now: u32): void {
  if (((before ^ now) & MODE_DEADLINE) != 0) {
    store<u32>(cpu, 0, INITIAL);
    store<u32>(cpu, 0, COUNT);
    store<u64>(cpu, 0, DEADLINE);
  }
  timerUpdate(cpu);
}

/** IA32_TSC_DEADLINE: reads 0 and ignores writes outside of TSC-deadline mode. */
export function readDeadline(cpu: usize): u64 { return load<u64>(cpu, DEADLINE); }
export function writeDeadline(cpu: usize, v: u64): void {
  if (mode(cpu) != MODE_DEADLINE) return;
  store<u64>(cpu, v, DEADLINE);
  timerUpdate(cpu);
}

/** CYCLES has reached TIMER_DUE: sends the interrupt and, in periodic mode, starts the next period at the cycle at which this one ended. */
export function apicTimerFire(cpu: usize): void {
  if (mode(cpu) == MODE_DEADLINE) {
    store<u64>(cpu, 0, DEADLINE);
  } else if (mode(cpu) == MODE_PERIODIC && load<u32>(cpu, INITIAL) != 0) {
    const due = load<u64>(cpu, TIMER_DUE), period = <u64>load<u32>(cpu, INITIAL) * tick(cpu);
    // Periods that ended inside one instruction (or a gate's charge) are one interrupt: IRR holds one bit.
    store<u64>(cpu, due + (load<u64>(cpu, CYCLES) - due) / period * period, START);
    store<u32>(cpu, load<u32>(cpu, INITIAL), COUNT);
  } else {
    store<u32>(cpu, 0, COUNT);
  }
  timerUpdate(cpu);
  raiseLvt(cpu, LVT_TIMER);
}
