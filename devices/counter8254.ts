/**
 * One counter of an 8254: the six modes of the data sheet ("Mode definitions"), writing and reading its count a byte at a time, latches.
 * Times are CLK pulses (ticks) since reset. A counter is brought to the present by {@link settle} before anything is done to it.
 */

export type Counter = {
  /** Mode 0-5; -1 before the first control word, when the counter does nothing. */
  mode: number;
  bcd: boolean;
  /** How software reads and writes the count: 1 low byte, 2 high byte, 3 low then high. */
  access: number;
  /** The count register, 1 to 65536 (10000 in BCD); 0 when nothing was written since the control word. */
  initial: number;
  /** Low byte of a two-byte write that is not complete, or -1. */
  lowByte: number;
  /** The next byte read of a two-byte count is the high one. */
  readHigh: boolean;
  /** Latched count (as it is read) and latched status, or -1. */
  latch: number;
  status: number;
  gate: boolean;
  out: boolean;
  /** The count register was written and has not gone into the counting element yet. */
  nullCount: boolean;
  /** The counting element was loaded, and nothing stopped it since. */
  started: boolean;
  /** What the counting element held at tick `at` (in mode 3: at the start of the half period). */
  count: number;
  at: number;
  /** Tick at which the count register goes into the counting element, or -1. */
  loadAt: number;
  /** Modes 0, 1, 4, 5: OUT has still to react to the end of the count. */
  armed: boolean;
};

/** A counter that was never programmed. */
export function idleCounter(gate: boolean): Counter {
  return {
    mode: -1,
    bcd: false,
    access: 3,
    initial: 0,
    lowByte: -1,
    readHigh: false,
    latch: -1,
    status: -1,
    gate,
    out: false,
    nullCount: true,
    started: false,
    count: 0,
    at: 0,
    loadAt: -1,
    armed: false,
  };
}

const modulus = (c: Counter) => (c.bcd ? 10_000 : 65_536);
const periodic = (c: Counter) => c.mode === 2 || c.mode === 3;
const triggered = (c: Counter) => c.mode === 1 || c.mode === 5;
const running = (c: Counter) => c.started && (c.gate || triggered(c));

/** A control word that programs a mode: the counter forgets its count and waits for a new one. */
export function controlWord(c: Counter, word: number): void {
  const mode = (word >>> 1) & 7;
  // Modes 2 and 3 are told by two bits; the third does not matter.
  const programmed = {
    ...idleCounter(c.gate),
    mode: mode > 5 ? mode - 4 : mode,
    bcd: (word & 1) !== 0,
    access: (word >>> 4) & 3,
  };
  Object.assign(c, programmed, { count: c.count, out: programmed.mode !== 0 });
}

/** A byte written to the counter's port at tick `now`. Before a control word it is lost. */
export function writeCount(c: Counter, now: number, byte: number): void {
  if (c.mode < 0) return;
  if (c.mode === 0) c.out = false;
  if (c.access === 3 && c.lowByte < 0) {
    c.lowByte = byte;
    // In mode 0 the first byte stops the count; the others go on with what they have.
    if (c.mode === 0) stop(c, now);
    return;
  }
  const written = c.access === 1 ? byte : c.access === 2 ? byte << 8 : c.lowByte | (byte << 8);
  const value = c.bcd ? fromBcd(written) : written;
  const first = c.initial === 0;
  c.lowByte = -1;
  // A count of 1 is illegal in modes 2 and 3; it counts as the least legal one.
  c.initial = value === 0 ? modulus(c) : periodic(c) ? Math.max(value, 2) : value;
  c.nullCount = true;
  if (c.mode === 0 || c.mode === 4) c.loadAt = now + 1;
  // Modes 1 and 5 wait for the gate; a running 2 or 3 takes the new count when its period or half period ends.
  else if (periodic(c) && first && c.gate) c.loadAt = now + 1;
}

/** The gate input goes to `level` at tick `now` (data sheet, figure 21: "Gate pin operations summary"). */
export function setGate(c: Counter, now: number, level: boolean): void {
  if (level === c.gate) return;
  if (!triggered(c) && !periodic(c)) rebase(c, now);
  c.gate = level;
  if (c.initial === 0 || c.mode === 0 || c.mode === 4) return;
  if (level) {
    c.loadAt = now + 1;
  } else if (periodic(c)) {
    c.out = true;
    c.loadAt = -1;
    stop(c, now);
  }
}

/** Brings the counter to tick `now`. */
export function settle(c: Counter, now: number): void {
  if (periodic(c) && running(c) && c.loadAt < 0 && c.initial === c.count) {
    // Whole periods leave everything as it was; the last one is walked through.
    c.at += Math.max(0, Math.floor((now - c.at) / c.count) - 1) * c.count;
  }
  for (let next = nextStep(c); next <= now; next = nextStep(c)) step(c, next);
}

/** Tick of the next change of OUT; Infinity when nothing will change it. */
export function nextChange(c: Counter): number {
  const ahead = { ...c };
  for (let next = nextStep(ahead); next !== Infinity; next = nextStep(ahead)) {
    step(ahead, next);
    if (ahead.out !== c.out) return next;
  }
  return Infinity;
}

/** The counting element at tick `now`, 0 to 65535 (9999 in BCD). */
export function currentCount(c: Counter, now: number): number {
  if (!running(c)) return c.count % modulus(c);
  // In mode 3 it counts by two, from an even number.
  if (c.mode === 3) return ((c.count & ~1) - 2 * (now - c.at)) % modulus(c);
  const count = (c.count - (now - c.at)) % modulus(c);
  return count < 0 ? count + modulus(c) : count;
}

/** Counter latch command: holds the count until it is read; ignored while one is held. */
export function latchCount(c: Counter, now: number): void {
  if (c.latch < 0) c.latch = asRead(c, now);
}

/** Read-back command for the status: OUT, null count, and the control word's bits. */
export function latchStatus(c: Counter): void {
  if (c.status >= 0) return;
  c.status = (c.out ? 0x80 : 0) | (c.nullCount ? 0x40 : 0) | (c.access << 4) | (Math.max(c.mode, 0) << 1) | (c.bcd ? 1 : 0);
}

/** The byte that a read of the counter's port gives at tick `now`: latched status, latched count, or the count as it is. */
export function nextByte(c: Counter, now: number): number {
  if (c.status >= 0) return c.status;
  const count = c.latch >= 0 ? c.latch : asRead(c, now);
  const high = c.access === 2 || (c.access === 3 && c.readHigh);
  return high ? count >>> 8 : count & 0xff;
}

/** What that read does: it uses up the latch, and the next byte of a two-byte count is the other one. */
export function takeByte(c: Counter): void {
  if (c.status >= 0) {
    c.status = -1;
    return;
  }
  const last = c.access !== 3 || c.readHigh;
  c.readHigh = !last;
  if (last) c.latch = -1;
}

function asRead(c: Counter, now: number): number {
  const count = currentCount(c, now);
  return c.bcd ? toBcd(count) : count;
}

/** Makes `now` the tick that `count` belongs to. */
function rebase(c: Counter, now: number): void {
  c.count = currentCount(c, now);
  c.at = now;
}

function stop(c: Counter, now: number): void {
  rebase(c, now);
  c.started = false;
  c.loadAt = -1;
}

/** Ticks of the half period of mode 3 that runs: an odd count is a tick longer high than low. */
function half(c: Counter): number {
  return c.out ? (c.count + 1) >> 1 : c.count >> 1;
}

/** Tick of the next thing that happens to the counter by itself. */
function nextStep(c: Counter): number {
  const load = c.loadAt < 0 ? Infinity : c.loadAt;
  return Math.min(load, running(c) ? nextEnd(c) : Infinity);
}

function nextEnd(c: Counter): number {
  if (c.mode === 2) return c.at + c.count - (c.out ? 1 : 0);
  if (c.mode === 3) return c.at + half(c);
  if (!c.armed) return Infinity;
  // The strobe of modes 4 and 5 lasts one pulse.
  return c.at + c.count + ((c.mode === 4 || c.mode === 5) && !c.out ? 1 : 0);
}

function step(c: Counter, tick: number): void {
  if (tick === c.loadAt) {
    load(c, tick);
    c.armed = !periodic(c);
    c.out = c.mode !== 0 && c.mode !== 1;
  } else if (c.mode === 2) {
    if (!c.out) load(c, tick);
    c.out = !c.out;
  } else if (c.mode === 3) {
    load(c, tick);
    c.out = !c.out;
  } else if (c.mode === 0 || c.mode === 1) {
    c.out = true;
    c.armed = false;
  } else {
    c.armed = c.out;
    c.out = !c.out;
  }
}

function load(c: Counter, tick: number): void {
  c.count = c.initial;
  c.at = tick;
  c.started = true;
  c.nullCount = false;
  c.loadAt = -1;
}

function fromBcd(value: number): number {
  return (value >>> 12) * 1000 + ((value >>> 8) & 15) * 100 + ((value >>> 4) & 15) * 10 + (value & 15);
}

function toBcd(value: number): number {
  return (
    (Math.floor(value / 1000) << 12) |
    (Math.floor((value % 1000) / 100) << 8) |
    (Math.floor((value % 100) / 10) << 4) |
    (value % 10)
  );
}
