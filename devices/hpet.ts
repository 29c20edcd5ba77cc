/**
 * High precision event timers (IA-PC HPET specification 1.0a): a 64-bit counter at 100 MHz and three timers, each one-shot or periodic, of 64 or 32 bits, with level,
 * edge or message (FSB) interrupts, and the legacy replacement route in which timers 0 and 1 take the wires of the PIT and the RTC.
 *
 * The counter is not ticked: it follows from the cycle. An edge interrupt leaves its wire high until the timer's next one, so that an 8259, which wants to see the level
 * until it is acknowledged, gets it too.
 */
import type { Bus, Device, InterruptLine, RegisterRow, StateValue } from '../hal/bus/index.ts';
import { cyclesOf, ticksIn } from './time.ts';

/** 10 ns, in femtoseconds: the highest frequency that the period register of real parts comes near to. */
const PERIOD_FS = 10_000_000;
const FREQUENCY = 100_000_000;
export const HPET_BASE = 0xfed00000;
const LENGTH = 0x400;
export const HPET_TIMERS = 3;

const CAPABILITIES = 0x000,
  CONFIGURATION = 0x010,
  STATUS = 0x020,
  COUNTER = 0x0f0,
  TIMERS = 0x100,
  TIMER_SIZE = 0x20;
/** Revision 1, three timers, 64-bit counter, legacy replacement, vendor 8086h: also what the ACPI table announces. */
export const HPET_ID = 0x8086a201;
const CNF_ENABLE = 1n,
  CNF_LEGACY = 2n;
const T_LEVEL = 1n << 1n,
  T_ENABLE = 1n << 2n,
  T_PERIODIC = 1n << 3n,
  T_PERIODIC_CAP = 1n << 4n,
  T_SIZE_CAP = 1n << 5n,
  T_SET = 1n << 6n,
  T_32 = 1n << 8n,
  T_FSB = 1n << 14n,
  T_FSB_CAP = 1n << 15n;
const T_WRITABLE = T_LEVEL | T_ENABLE | T_PERIODIC | T_SET | T_32 | 0x3e00n | T_FSB;
/** I/O APIC pins 20 to 23: the others have owners. */
const ROUTES = 0x00f00000;
/** Where timers 0 and 1 go in legacy replacement: pin 2 (IRQ 0) and pin 8. */
const LEGACY_PINS = [2, 8] as const;
const MASK64 = (1n << 64n) - 1n,
  MASK32 = (1n << 32n) - 1n;

type Timer = { config: bigint; comparator: bigint; period: bigint; fsb: bigint };
type State = {
  config: bigint;
  status: number;
  /** Counter at tick `since`; it stands while the device is off. */
  count: bigint;
  since: number;
  timers: Timer[];
  /** Levels of the PIT's and the RTC's outputs. */
  legacy: boolean[];
};

export interface Hpet extends Device {
  /** Where the PIT (0) and the RTC (1) are wired to: passed on unless legacy replacement is on. */
  readonly legacyInput: readonly [InterruptLine, InterruptLine];
}

/** The block at FED00000. */
export function createHpet(options: { id?: string } = {}): Hpet {
  const { id = 'hpet' } = options;
  let bus!: Bus;
  let lines: InterruptLine[] = [];
  const s: State = initialState();

  const tick = (): number => ticksIn(bus.clock.frequency, bus.clock.now(), FREQUENCY);
  const counter = (): bigint => (s.config & CNF_ENABLE ? (s.count + BigInt(tick() - s.since)) & MASK64 : s.count);
  const legacyOn = (): boolean => (s.config & CNF_LEGACY) !== 0n;
  const pinOf = (n: number): number => (legacyOn() && n < 2 ? LEGACY_PINS[n]! : Number((s.timers[n]!.config >> 9n) & 31n));
  const drive = (n: number, level: boolean): void => lines[pinOf(n)]?.set(level);

  /** Waits for the counter to meet the comparator; a match in more than half a century is not waited for. */
  const arm = (n: number): void => {
    const t = s.timers[n]!;
    if (!(s.config & CNF_ENABLE)) {
      bus.clock.cancel(device, `timer${n}`);
      return;
    }
    const mask = t.config & T_32 ? MASK32 : MASK64;
    const distance = (t.comparator - counter()) & mask;
    const wait = distance === 0n ? mask + 1n : distance;
    if (wait > 1n << 58n) bus.clock.cancel(device, `timer${n}`);
    else {
      const due = cyclesOf(bus.clock.frequency, tick() + Number(wait), FREQUENCY);
      if (Number.isSafeInteger(due)) bus.clock.schedule(device, `timer${n}`, due);
      else bus.clock.cancel(device, `timer${n}`);
    }
  };
  const fire = (n: number): void => {
    const t = s.timers[n]!;
    const mask = t.config & T_32 ? MASK32 : MASK64;
    if (t.config & T_PERIODIC && t.period !== 0n) t.comparator = (t.comparator + t.period) & mask;
    if (t.config & T_LEVEL) s.status |= 1 << n;
    if (t.config & T_ENABLE) {
      if (t.config & T_FSB && !(legacyOn() && n < 2)) bus.msi(Number(t.fsb >> 32n), Number(t.fsb & MASK32));
      else {
        if (!(t.config & T_LEVEL)) drive(n, false);
        drive(n, true);
      }
    }
    arm(n);
  };

  const readTimer = (t: Timer, n: number, register: number): bigint => {
    if (register === 0)
      return (
        t.config |
        T_PERIODIC_CAP |
        T_SIZE_CAP |
        T_FSB_CAP |
        (BigInt(n === 0 ? ROUTES | 4 : n === 1 ? ROUTES | 0x100 : ROUTES) << 32n)
      );
    if (register === 8) return t.comparator;
    return register === 16 ? t.fsb : 0n;
  };
  const read64 = (register: number): bigint => {
    switch (register) {
      case CAPABILITIES:
        return (BigInt(PERIOD_FS) << 32n) | BigInt(HPET_ID);
      case CONFIGURATION:
        return s.config;
      case STATUS:
        return BigInt(s.status);
      case COUNTER:
        return counter();
      default: {
        const n = Math.floor((register - TIMERS) / TIMER_SIZE);
        const t = register >= TIMERS ? s.timers[n] : undefined;
        return t === undefined ? 0n : readTimer(t, n, register % TIMER_SIZE);
      }
    }
  };
  const writeConfiguration = (value: bigint): void => {
    const now = counter();
    const before = s.config;
    // The wires that the timers leave fall; the PIT and the RTC get theirs back.
    if ((before ^ value) & CNF_LEGACY) for (const n of [0, 1]) drive(n, false);
    s.config = value & (CNF_ENABLE | CNF_LEGACY);
    s.count = now;
    s.since = tick();
    if ((before ^ value) & CNF_LEGACY) LEGACY_PINS.forEach((pin, i) => lines[pin]!.set(!legacyOn() && s.legacy[i]!));
    s.timers.forEach((_, n) => arm(n));
  };
  const writeTimer = (t: Timer, n: number, register: number, value: bigint, mask: bigint): void => {
    if (register === 0) {
      const old = t.config;
      if (old & T_ENABLE) drive(n, false);
      t.config = (old & ~T_WRITABLE) | (((old & ~mask) | (value & mask)) & T_WRITABLE);
      if (t.config & T_32) {
        t.comparator &= MASK32;
        t.period &= MASK32;
      }
      if (t.config & T_ENABLE && s.status & (1 << n)) drive(n, true);
    } else if (register === 8) {
      const wide = t.config & T_32 ? MASK32 : MASK64;
      // A periodic timer takes what is written as its period; with VAL_SET also as its comparator, once (2.3.9.2.2).
      if (!(t.config & T_PERIODIC) || t.config & T_SET) t.comparator = ((t.comparator & ~mask) | (value & mask)) & wide;
      if (t.config & T_PERIODIC) t.period = ((t.period & ~mask) | (value & mask)) & wide;
      // The two halves of a 64-bit value arrive one after the other: the upper one ends it.
      if (mask >> 32n || t.config & T_32) t.config &= ~T_SET;
    } else if (register === 16) t.fsb = (t.fsb & ~mask) | (value & mask);
    arm(n);
  };
  const write64 = (register: number, value: bigint, mask: bigint): void => {
    switch (register) {
      case CONFIGURATION:
        if (mask & 1n) writeConfiguration(value);
        break;
      case STATUS:
        s.timers.forEach((t, n) => {
          if (!((value >> BigInt(n)) & 1n) || !(t.config & T_LEVEL)) return;
          s.status &= ~(1 << n);
          drive(n, false);
        });
        break;
      case COUNTER:
        // Only while it stands: writing a running counter is undefined (2.3.7).
        if (!(s.config & CNF_ENABLE)) s.count = (s.count & ~mask) | (value & mask);
        break;
      default: {
        const n = Math.floor((register - TIMERS) / TIMER_SIZE);
        const t = register >= TIMERS ? s.timers[n] : undefined;
        if (t !== undefined) writeTimer(t, n, register % TIMER_SIZE, value, mask);
      }
    }
  };
  const legacyLine = (i: 0 | 1): InterruptLine => ({
    set(level) {
      s.legacy[i] = level;
      if (!legacyOn()) lines[LEGACY_PINS[i]]!.set(level);
    },
  });

  const device: Hpet = {
    id,
    title: 'High precision event timers',
    legacyInput: [legacyLine(0), legacyLine(1)],
    attach(to) {
      bus = to;
      lines = Array.from({ length: 24 }, (_, pin) => bus.interruptLine(pin));
      bus.claimMmio(device, HPET_BASE, LENGTH);
    },
    reset() {
      s.timers.forEach((_, n) => drive(n, false));
      const { legacy } = s;
      Object.assign(s, initialState(), { legacy });
      s.timers.forEach((_, n) => bus.clock.cancel(device, `timer${n}`));
    },
    save: () => structuredClone(s) as { [name: string]: StateValue },
    load: state => void Object.assign(s, structuredClone(state)),
    mmioRead(address, size) {
      const offset = address - HPET_BASE;
      const value = read64(offset & ~7) >> BigInt(8 * (offset & 7));
      return Number(value & ((1n << BigInt(8 * size)) - 1n));
    },
    mmioWrite(address, size, value) {
      const offset = address - HPET_BASE,
        shift = BigInt(8 * (offset & 7));
      write64(offset & ~7, BigInt(value >>> 0) << shift, ((1n << BigInt(8 * size)) - 1n) << shift);
    },
    event: name => fire(Number(name.slice(5))),
    inspect: () => inspect(read64),
  };
  return device;
}

function initialState(): State {
  return {
    config: 0n,
    status: 0,
    count: 0n,
    since: 0,
    timers: Array.from({ length: HPET_TIMERS }, () => ({ config: 0n, comparator: MASK64, period: 0n, fsb: 0n })),
    legacy: [false, false],
  };
}

function inspect(read64: (register: number) => bigint): RegisterRow[] {
  const rows: RegisterRow[] = [
    { name: 'GEN_CONF', value: read64(CONFIGURATION), address: HPET_BASE + CONFIGURATION },
    { name: 'GINTR_STA', value: read64(STATUS), address: HPET_BASE + STATUS },
    { name: 'MAIN_CNT', value: read64(COUNTER), address: HPET_BASE + COUNTER },
  ];
  for (let n = 0; n < HPET_TIMERS; n++) {
    const at = TIMERS + n * TIMER_SIZE;
    rows.push({ name: `T${n}_CONF`, value: read64(at), address: HPET_BASE + at });
    rows.push({ name: `T${n}_COMP`, value: read64(at + 8), address: HPET_BASE + at + 8 });
  }
  return rows;
}
