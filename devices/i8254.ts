/**
 * The 8254 programmable interval timer (Intel 8254 data sheet, order 231164): three counters in modes 0 to 5, wired as on a PC. Counter 0 drives an interrupt pin,
 * counter 1 was memory refresh, counter 2 the speaker; port 0x61 has counter 2's gate and output.
 *
 * A counter is not ticked (`counter8254.ts`): its state is the count at some CLK pulse, from which count and output at any later pulse follow.
 */
import type { Bus, Device, InterruptLine, RegisterRow } from '../hal/bus/index.ts';
import {
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';
import {
  controlWord,
  currentCount,
  idleCounter,
  latchCount,
  latchStatus,
  nextByte,
  nextChange,
  setGate,
  settle,
  takeByte,
  writeCount,
} from './counter8254.ts';
import type { Counter } from './counter8254.ts';
import { cyclesOf, ticksIn } from './time.ts';

type State = { counters: [Counter, Counter, Counter] };

interface Pit {
  device: Device;
  bus: Bus;
  line: InterruptLine;
  r: Record<'PORT_B', number>;
  s: State;
}

/** CLK of all counters on a PC, in Hz. */
export const PIT_FREQUENCY = 1_193_182;
/** Counter 1 refreshed memory every 18 pulses; port 0x61 bit 4 still toggles at that rate, and software times delays by it. */
const REFRESH_TICKS = 18;
const PORT_B_GATE2 = 0x01,
  PORT_B_SPEAKER = 0x02,
  PORT_B_REFRESH = 0x10,
  PORT_B_OUT2 = 0x20;

const reg = registersOf<Pit>();

const counterRegister = (n: 0 | 1 | 2) =>
  reg(`COUNTER${n}`, {
    offset: n,
    value: p => nextByte(counterAt(p, n), tickNow(p)),
    onRead: p => takeByte(counterNow(p, n)),
    onWrite: (p, written) => {
      writeCount(counterNow(p, n), tickNow(p), written);
      update(p);
    },
  });

const REGISTERS = registerTable<Pit>([
  counterRegister(0),
  counterRegister(1),
  counterRegister(2),
  reg('CONTROL', { offset: 3, access: 'wo', onWrite: control }),
]);

/** System control port B of the PC, at 0x61. */
const PORT_B = registerTable<Pit>([
  reg('PORT_B', {
    offset: 0,
    reset: 0,
    writable: PORT_B_GATE2 | PORT_B_SPEAKER,
    bits: { GATE2: 0, SPEAKER: 1, REFRESH: 4, OUT2: 5 },
    value: (p, stored) => {
      const tick = tickNow(p);
      const refresh = Math.floor(tick / REFRESH_TICKS) % 2 === 1 ? PORT_B_REFRESH : 0;
      return stored | refresh | (counterAt(p, 2).out ? PORT_B_OUT2 : 0);
    },
    onWrite: (p, written) => setGate(counterNow(p, 2), tickNow(p), (written & PORT_B_GATE2) !== 0),
  }),
]);

/** The timer at ports `base` to `base` + 3 and 0x61; counter 0 on I/O APIC pin `pin`, or on the wire `line`. 0x40 and 2 unless said. */
export function createI8254(options: { id?: string; base?: number; pin?: number; line?: InterruptLine } = {}): Device {
  const { id = 'pit', base = 0x40, pin = 2 } = options;
  const portB = 0x61;
  let p!: Pit;
  const device: Device = {
    id,
    title: 'Interval timer (8254)',
    attach(bus) {
      p = {
        device,
        bus,
        line: options.line ?? bus.interruptLine(pin),
        r: {} as Pit['r'],
        s: { counters: [idleCounter(true), idleCounter(true), idleCounter(false)] },
      };
      resetRegisters(PORT_B, p);
      bus.claimPorts(device, base, 4);
      bus.claimPorts(device, portB, 1);
    },
    reset() {
      resetRegisters(PORT_B, p);
      p.s.counters = [idleCounter(true), idleCounter(true), idleCounter(false)];
      update(p);
    },
    save: () => saveState(p.r, p.s),
    load: state => loadState(id, p.r, p.s, state),
    portRead: (port, size) =>
      port === portB ? readRegisters(PORT_B, p, 0, size) : readRegisters(REGISTERS, p, port - base, size),
    portWrite(port, size, value) {
      if (port === portB) writeRegisters(PORT_B, p, 0, size, value);
      else writeRegisters(REGISTERS, p, port - base, size, value);
    },
    event: () => update(p),
    inspect: () => [
      ...inspectRegisters(REGISTERS, p, base),
      ...inspectRegisters(PORT_B, p, portB),
      ...[0, 1, 2].flatMap(n => inspectCounter(p, n)),
    ],
  };
  return device;
}

function inspectCounter(p: Pit, n: number): RegisterRow[] {
  const counter = counterAt(p, n);
  const bits = [`MODE=${counter.mode}`, counter.bcd ? 'BCD' : '', counter.gate ? 'GATE' : '', counter.out ? 'OUT' : ''].filter(
    text => text !== '',
  );
  return [{ name: `COUNT${n}`, value: currentCount(counter, tickNow(p)), bits: bits.join(' ') }];
}

function tickNow(p: Pit): number {
  return ticksIn(p.bus.clock.frequency, p.bus.clock.now(), PIT_FREQUENCY);
}

/** The counter itself, brought to the present. */
function counterNow(p: Pit, n: number): Counter {
  const counter = p.s.counters[n]!;
  settle(counter, tickNow(p));
  return counter;
}

/** A copy brought to the present, for looks without effects. */
function counterAt(p: Pit, n: number): Counter {
  const counter = { ...p.s.counters[n]! };
  settle(counter, tickNow(p));
  return counter;
}

function control(p: Pit, word: number): void {
  const select = word >>> 6;
  if (select === 3) {
    readBack(p, word);
    return;
  }
  const counter = counterNow(p, select);
  if (((word >>> 4) & 3) === 0) latchCount(counter, tickNow(p));
  else controlWord(counter, word);
  update(p);
}

/** The read-back command latches counts and status of the counters it selects; its latch bits are active low. */
function readBack(p: Pit, word: number): void {
  for (const n of [0, 1, 2]) {
    if (!(word & (2 << n))) continue;
    const counter = counterNow(p, n);
    if (!(word & 0x20)) latchCount(counter, tickNow(p));
    if (!(word & 0x10)) latchStatus(counter);
  }
}

/** Drives counter 0's pin, and wakes when its output will change. */
function update(p: Pit): void {
  const counter = counterNow(p, 0);
  p.line.set(counter.out);
  const next = nextChange(counter);
  const { clock } = p.bus;
  if (next === Infinity) clock.cancel(p.device, 'out');
  else clock.schedule(p.device, 'out', cyclesOf(clock.frequency, next, PIT_FREQUENCY));
}
