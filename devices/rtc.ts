/**
 * The real-time clock and CMOS RAM (Motorola MC146818A data sheet), at index port 0x70 and data port 0x71 as on a PC.
 *
 * Seconds are counted from the cycle at which the divider was started, one update a second; the date at reset is machine configuration. The update
 * cycle is 1,984 us long, with UIP set 244 us before it; registers can be read during it and still hold the old time. Daylight saving (DSE) is stored and does
 * nothing, as in the clocks that PCs have had for decades.
 */
import type { Bus, Device, InterruptLine, RegisterRow } from '../hal/bus/index.ts';
import {
  describeBits,
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';
import { cyclesOf, microseconds, ticksIn } from './time.ts';

type State = {
  /** The 128 bytes that the index reaches: time, alarm, registers A to D, then RAM. */
  cmos: Uint8Array;
  /** The divider chain runs, since cycle `started` (which may lie before reset). */
  running: boolean;
  started: number;
  /** Updates since then. */
  seconds: number;
};

interface Rtc {
  device: Device;
  bus: Bus;
  line: InterruptLine;
  epoch: number;
  r: Record<'INDEX', number>;
  s: State;
}

const SECONDS = 0,
  SECONDS_ALARM = 1,
  MINUTES = 2,
  MINUTES_ALARM = 3,
  HOURS = 4,
  HOURS_ALARM = 5,
  WEEKDAY = 6,
  DAY = 7,
  MONTH = 8,
  YEAR = 9;
const A = 0x0a,
  B = 0x0b,
  C = 0x0c,
  D = 0x0d;
/** Where PC firmware keeps the century, in the format of the date. */
const CENTURY = 0x32;
const A_UIP = 0x80;
const B_SET = 0x80,
  B_PIE = 0x40,
  B_AIE = 0x20,
  B_UIE = 0x10,
  B_BINARY = 0x04,
  B_24H = 0x02;
const C_IRQF = 0x80,
  C_PF = 0x40,
  C_AF = 0x20,
  C_UF = 0x10;
const D_VRT = 0x80;
const PM = 0x80;
/** DV = 010: the 32,768 Hz crystal of a PC, dividers running. */
const DIVIDERS_ON = 0x20;
const CRYSTAL = 32_768;
const UPDATE_US = 1984 + 244;

const BITS: { readonly [index: number]: { name: string; bits: { [name: string]: number | [number, number] } } } = {
  [A]: { name: 'A', bits: { UIP: 7, DV: [6, 4], RS: [3, 0] } },
  [B]: { name: 'B', bits: { SET: 7, PIE: 6, AIE: 5, UIE: 4, SQWE: 3, DM: 2, '24/12': 1, DSE: 0 } },
  [C]: { name: 'C', bits: { IRQF: 7, PF: 6, AF: 5, UF: 4 } },
  [D]: { name: 'D', bits: { VRT: 7 } },
};

const reg = registersOf<Rtc>();

const REGISTERS = registerTable<Rtc>([
  // Bit 7 of the index port masks NMI on a PC and is not part of the index. The port is write-only on the chip.
  reg('INDEX', { offset: 0, access: 'wo', reset: 0, bits: { NMI_OFF: 7, INDEX: [6, 0] } }),
  reg('DATA', { offset: 1, value: c => cell(c, index(c)), onRead: readData, onWrite: writeData }),
]);

/** `epoch`: what the clock says at reset, seconds since 1970-01-01 UTC, from 1980 to 2099. Pin 8 unless said, or the wire `line`. */
export function createRtc(options: { id?: string; base?: number; pin?: number; line?: InterruptLine; epoch: number }): Device {
  const { id = 'rtc', base = 0x70, pin = 8, epoch } = options;
  if (!Number.isSafeInteger(epoch) || epoch < Date.UTC(1980, 0) / 1000 || epoch >= Date.UTC(2100, 0) / 1000) {
    throw new RangeError(`the clock holds dates from 1980 to 2099, not ${epoch} seconds after 1970`);
  }
  let c!: Rtc;
  const device: Device = {
    id,
    title: 'Real-time clock and CMOS RAM (MC146818A)',
    attach(bus) {
      c = {
        device,
        bus,
        line: options.line ?? bus.interruptLine(pin),
        epoch,
        r: {} as Rtc['r'],
        s: { cmos: new Uint8Array(128), running: false, started: 0, seconds: 0 },
      };
      resetRegisters(REGISTERS, c);
      bus.claimPorts(device, base, 2);
    },
    reset() {
      resetRegisters(REGISTERS, c);
      powerOn(c);
    },
    save: () => saveState(c.r, c.s),
    load: state => loadState(id, c.r, c.s, state),
    portRead: (port, size) => readRegisters(REGISTERS, c, port - base, size),
    portWrite: (port, size, value) => writeRegisters(REGISTERS, c, port - base, size, value),
    event(name) {
      if (name === 'update') update(c);
      else raise(c, C_PF);
    },
    inspect: () => [...inspectRegisters(REGISTERS, c, base), ...inspectCells(c)],
  };
  return device;
}

function inspectCells(c: Rtc): RegisterRow[] {
  const names = [
    'seconds',
    'seconds alarm',
    'minutes',
    'minutes alarm',
    'hours',
    'hours alarm',
    'weekday',
    'day',
    'month',
    'year',
  ];
  const time = names.map((name, at) => ({ name, value: c.s.cmos[at]! }));
  const control = [A, B, C, D].map(at => ({
    name: BITS[at]!.name,
    value: cell(c, at),
    bits: describeBits(BITS[at]!.bits, cell(c, at)),
  }));
  return [...time, ...control];
}

/** As firmware leaves it: BCD, 24 hours, 1,024 Hz selected, no interrupts, the configured date. */
function powerOn(c: Rtc): void {
  const { s, bus } = c;
  s.cmos = new Uint8Array(128);
  s.cmos[A] = DIVIDERS_ON | 6;
  s.cmos[B] = B_24H;
  s.cmos[D] = D_VRT;
  setDate(c, c.epoch);
  startDividers(c, bus.clock.now());
  updateLine(c);
}

function index(c: Rtc): number {
  return c.r.INDEX & 0x7f;
}

/** What a byte reads as; register C clears on a read, which is not done here. */
function cell(c: Rtc, at: number): number {
  const value = c.s.cmos[at]!;
  if (at !== A) return value;
  return value | (updateInProgress(c) ? A_UIP : 0);
}

function readData(c: Rtc): void {
  if (index(c) !== C) return;
  c.s.cmos[C] = 0;
  updateLine(c);
  schedulePeriodic(c);
}

function writeData(c: Rtc, written: number): void {
  const { s } = c;
  const at = index(c);
  if (at === C || at === D) return;
  if (at === A) {
    const before = s.cmos[A]!;
    s.cmos[A] = written & ~A_UIP;
    changeDividers(c, before);
  } else if (at === B) {
    s.cmos[B] = written;
    // SET stops an update under way and clears UIE (data sheet, "Register B").
    if (written & B_SET) s.cmos[B] &= ~B_UIE;
    updateLine(c);
  } else {
    s.cmos[at] = written;
  }
}

function startDividers(c: Rtc, at: number): void {
  c.s.running = true;
  c.s.started = at;
  c.s.seconds = 0;
  c.bus.clock.schedule(c.device, 'update', at + c.bus.clock.frequency);
  schedulePeriodic(c);
}

/** Any DV but the crystal's own holds the chain; the first update comes half a second after it is released. */
function changeDividers(c: Rtc, before: number): void {
  const { clock } = c.bus;
  const on = (c.s.cmos[A]! & 0x70) === DIVIDERS_ON;
  if (!on) {
    c.s.running = false;
    clock.cancel(c.device, 'update');
    clock.cancel(c.device, 'periodic');
  } else if (!c.s.running) {
    startDividers(c, clock.now() - (clock.frequency - cyclesOf(clock.frequency, 1, 2)));
  } else if ((before ^ c.s.cmos[A]!) & 0x0f) {
    schedulePeriodic(c);
  }
}

function nextUpdate(c: Rtc): number {
  return c.s.started + (c.s.seconds + 1) * c.bus.clock.frequency;
}

function updateInProgress(c: Rtc): boolean {
  if (!c.s.running || c.s.cmos[B]! & B_SET) return false;
  const { clock } = c.bus;
  return clock.now() >= nextUpdate(c) - microseconds(clock.frequency, UPDATE_US);
}

function update(c: Rtc): void {
  const { s } = c;
  s.seconds++;
  c.bus.clock.schedule(c.device, 'update', nextUpdate(c));
  if (s.cmos[B]! & B_SET) return;
  addSecond(c);
  if (alarmMatches(c)) raise(c, C_AF);
  raise(c, C_UF);
}

/** Crystal pulses of the periodic rate RS: 2^(RS-1); rates 1 and 2 are those of 8 and 9. 0 is off. */
function periodicPulses(c: Rtc): number {
  const rs = c.s.cmos[A]! & 0x0f;
  if (rs === 0) return 0;
  return 2 ** (rs < 3 ? rs + 6 : rs - 1);
}

/** The next edge that will set PF. While PF is set another edge changes nothing, so none is waited for until register C is read. */
function schedulePeriodic(c: Rtc): void {
  const { clock } = c.bus;
  const pulses = periodicPulses(c);
  if (!c.s.running || pulses === 0 || c.s.cmos[C]! & C_PF) {
    clock.cancel(c.device, 'periodic');
    return;
  }
  const done = Math.floor(ticksIn(clock.frequency, clock.now() - c.s.started, CRYSTAL) / pulses);
  clock.schedule(c.device, 'periodic', c.s.started + cyclesOf(clock.frequency, (done + 1) * pulses, CRYSTAL));
}

function raise(c: Rtc, flag: number): void {
  c.s.cmos[C]! |= flag;
  updateLine(c);
}

/** IRQF = PF.PIE + AF.AIE + UF.UIE; the enables of B and the flags of C are the same bits. */
function updateLine(c: Rtc): void {
  const { cmos } = c.s;
  const active = (cmos[C]! & cmos[B]! & (B_PIE | B_AIE | B_UIE)) !== 0;
  cmos[C] = active ? cmos[C]! | C_IRQF : cmos[C]! & ~C_IRQF;
  c.line.set(active);
}

function decode(c: Rtc, value: number): number {
  return c.s.cmos[B]! & B_BINARY ? value : (value >>> 4) * 10 + (value & 15);
}

function encode(c: Rtc, value: number): number {
  return c.s.cmos[B]! & B_BINARY ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decodeHour(c: Rtc, value: number): number {
  if (c.s.cmos[B]! & B_24H) return decode(c, value);
  const hour = decode(c, value & ~PM) % 12;
  return value & PM ? hour + 12 : hour;
}

function encodeHour(c: Rtc, hour: number): number {
  if (c.s.cmos[B]! & B_24H) return encode(c, hour);
  return encode(c, hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? PM : 0);
}

function setDate(c: Rtc, epoch: number): void {
  const date = new Date(epoch * 1000);
  const { cmos } = c.s;
  cmos[SECONDS] = encode(c, date.getUTCSeconds());
  cmos[MINUTES] = encode(c, date.getUTCMinutes());
  cmos[HOURS] = encodeHour(c, date.getUTCHours());
  cmos[WEEKDAY] = encode(c, date.getUTCDay() + 1);
  cmos[DAY] = encode(c, date.getUTCDate());
  cmos[MONTH] = encode(c, date.getUTCMonth() + 1);
  cmos[YEAR] = encode(c, date.getUTCFullYear() % 100);
  cmos[CENTURY] = encode(c, Math.floor(date.getUTCFullYear() / 100));
}

/** Counts on from whatever the registers hold, as the chip does: software may have set them to anything. */
function addSecond(c: Rtc): void {
  const { cmos } = c.s;
  const carry = (at: number, limit: number, first = 0) => {
    const next = decode(c, cmos[at]!) + 1;
    cmos[at] = encode(c, next >= limit ? first : next);
    return next >= limit;
  };
  if (!carry(SECONDS, 60) || !carry(MINUTES, 60)) return;
  const hour = decodeHour(c, cmos[HOURS]!) + 1;
  cmos[HOURS] = encodeHour(c, hour % 24);
  if (hour < 24) return;
  carry(WEEKDAY, 8, 1);
  if (!carry(DAY, daysOfMonth(c) + 1, 1) || !carry(MONTH, 13, 1) || !carry(YEAR, 100)) return;
  carry(CENTURY, 100);
}

/** Leap years are those that four divides: right until 2099, as the chip has it. */
function daysOfMonth(c: Rtc): number {
  const month = decode(c, c.s.cmos[MONTH]!);
  if (month === 2) return decode(c, c.s.cmos[YEAR]!) % 4 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** An alarm byte from C0 to FF matches every value. */
function alarmMatches(c: Rtc): boolean {
  const { cmos } = c.s;
  const pairs = [
    [SECONDS_ALARM, SECONDS],
    [MINUTES_ALARM, MINUTES],
    [HOURS_ALARM, HOURS],
  ] as const;
  return pairs.every(([alarm, time]) => cmos[alarm]! >= 0xc0 || cmos[alarm] === cmos[time]);
}
