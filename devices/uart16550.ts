/**
 * The 16550A UART (National Semiconductor PC16550D data sheet), wired as on a PC: OUT2 lets its interrupt through.
 *
 * A character takes the time that its bits take at the programmed rate, in both directions. Bytes sent leave on output channel `tx` when their stop bit
 * ends. Input channels: `rx` (bytes; they arrive one after another at the line's speed), `break` (the line is held at space for a character), `modem`
 * (one byte: new levels of CTS, DSR, RI, DCD in bits 0-3).
 */
import type { Bus, Device, DeviceState, InterruptLine } from '../hal/bus/index.ts';
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
import { cyclesOf } from './time.ts';

type State = {
  /** Receiver FIFO (or the one receiver buffer): character in bits 0-7, its LSR error bits (PE, FE, BI) in bits 8-15. */
  rx: number[];
  /** Transmitter FIFO (or the one holding register). */
  tx: number[];
  /** Character in the transmitter shift register, or -1. */
  shift: number;
  /** Most characters that were in the transmitter FIFO at once since it was last empty. */
  peak: number;
  /** On their way from outside, in the form of `rx`. */
  wire: number[];
  /** Interrupt sources that are latched; the others follow from the registers. */
  transmitterEmpty: boolean;
  timeout: boolean;
  overrun: boolean;
  /** CTS, DSR, RI, DCD as the far side drives them, bits 0-3. */
  modem: number;
};

interface Uart {
  device: Device;
  bus: Bus;
  line: InterruptLine;
  r: Record<'DLL' | 'DLM' | 'IER' | 'FCR' | 'LCR' | 'MCR' | 'DMSR' | 'SCR', number>;
  s: State;
}

/** The crystal of the PC's serial port; the UART divides it by 16 times the divisor. */
const CLOCK = 1_843_200;
const FIFO_DEPTH = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14];

const IER_RECEIVED = 1,
  IER_TRANSMITTER_EMPTY = 2,
  IER_LINE_STATUS = 4,
  IER_MODEM_STATUS = 8;
const FCR_ENABLE = 1,
  FCR_CLEAR_RX = 2,
  FCR_CLEAR_TX = 4,
  FCR_DMA_MODE = 8;
const LCR_DLAB = 0x80,
  LCR_BREAK = 0x40;
const MCR_OUT2 = 8,
  MCR_LOOP = 0x10;
const LSR_DR = 0x01,
  LSR_OE = 0x02,
  LSR_BI = 0x10,
  LSR_THRE = 0x20,
  LSR_TEMT = 0x40,
  LSR_FIFO_ERROR = 0x80;
const LSR_CHARACTER_ERRORS = 0x1c;
const MODEM_RI = 4;
/** IIR identification codes, in the order of their priority (table IV of the data sheet). */
const IIR_NONE = 0x01,
  IIR_LINE_STATUS = 0x06,
  IIR_RECEIVED = 0x04,
  IIR_TIMEOUT = 0x0c,
  IIR_TRANSMITTER_EMPTY = 0x02,
  IIR_MODEM_STATUS = 0x00;

const dlab = (u: Uart) => (u.r.LCR & LCR_DLAB) !== 0;
const notDlab = (u: Uart) => !dlab(u);
const reg = registersOf<Uart>();

const REGISTERS = registerTable<Uart>([
  reg('RBR', { offset: 0, access: 'ro', when: notDlab, value: u => (u.s.rx[0] ?? 0) & 0xff, onRead: takeReceived }),
  reg('THR', { offset: 0, access: 'wo', when: notDlab, onWrite: transmit }),
  // The data sheet leaves the divisor open at reset; firmware leaves 115,200 baud.
  reg('DLL', { offset: 0, reset: 1, when: dlab }),
  reg('DLM', { offset: 1, reset: 0, when: dlab }),
  reg('IER', {
    offset: 1,
    reset: 0,
    writable: 0x0f,
    when: notDlab,
    bits: { ERBFI: 0, ETBEI: 1, ELSI: 2, EDSSI: 3 },
    onWrite: (u, written, old) => {
      // Enabling the interrupt while the holding register is empty raises it.
      if (written & ~old & IER_TRANSMITTER_EMPTY && u.s.tx.length === 0) u.s.transmitterEmpty = true;
      update(u);
    },
  }),
  reg('IIR', {
    offset: 2,
    access: 'ro',
    value: u => identify(u) | (fifo(u) ? 0xc0 : 0),
    bits: { FIFO: [7, 6], ID: [3, 1], NONE: 0 },
    onRead: (u, value) => {
      if ((value & 0x0f) === IIR_TRANSMITTER_EMPTY) u.s.transmitterEmpty = false;
      update(u);
    },
  }),
  reg('FCR', { offset: 2, access: 'wo', reset: 0, bits: { ENABLE: 0, DMA: 3, TRIGGER: [7, 6] }, onWrite: controlFifo }),
  reg('LCR', { offset: 3, reset: 0, bits: { WLS: [1, 0], STB: 2, PEN: 3, EPS: 4, STICK: 5, BRK: 6, DLAB: 7 } }),
  reg('MCR', {
    offset: 4,
    reset: 0,
    writable: 0x1f,
    bits: { DTR: 0, RTS: 1, OUT1: 2, OUT2: 3, LOOP: 4 },
    onWrite: (u, _written, old) => {
      noteModemChange(u, modemLines(u, old), modemLines(u, u.r.MCR));
      update(u);
    },
  }),
  reg('LSR', {
    offset: 5,
    access: 'ro',
    value: lineStatus,
    bits: { DR: 0, OE: 1, PE: 2, FE: 3, BI: 4, THRE: 5, TEMT: 6, FIFOERR: 7 },
    onRead: u => {
      u.s.overrun = false;
      if (u.s.rx.length > 0) u.s.rx[0]! &= 0xff;
      update(u);
    },
  }),
  reg('MSR', {
    offset: 6,
    access: 'ro',
    value: u => (modemLines(u, u.r.MCR) << 4) | u.r.DMSR,
    bits: { DCTS: 0, DDSR: 1, TERI: 2, DDCD: 3, CTS: 4, DSR: 5, RI: 6, DCD: 7 },
    onRead: u => {
      u.r.DMSR = 0;
      update(u);
    },
  }),
  reg('SCR', { offset: 7, reset: 0 }),
  // The low half of MSR: which lines changed since it was last read.
  reg('DMSR', { reset: 0 }),
]);

/** A serial port at I/O port `base`, on I/O APIC pin `pin`; COM1 (0x3F8, 4) unless said. */
export function createUart16550(options: { id?: string; title?: string; base?: number; pin?: number } = {}): Device {
  const { id = 'uart0', title = 'Serial port (16550A)', base = 0x3f8, pin = 4 } = options;
  let u!: Uart;
  const device: Device = {
    id,
    title,
    attach(bus) {
      u = { device, bus, line: bus.interruptLine(pin), r: {} as Uart['r'], s: initialState() };
      resetRegisters(REGISTERS, u);
      bus.claimPorts(device, base, 8);
    },
    reset() {
      resetRegisters(REGISTERS, u);
      Object.assign(u.s, initialState());
      for (const name of ['tx', 'rx', 'timeout', 'thre']) u.bus.clock.cancel(device, name);
      update(u);
    },
    save: () => saveState(u.r, u.s),
    load: state => loadState(id, u.r, u.s, state),
    portRead: (port, size) => readRegisters(REGISTERS, u, port - base, size),
    portWrite: (port, size, value) => writeRegisters(REGISTERS, u, port - base, size, value),
    event: name => EVENTS[name]!(u),
    input: (channel, data) => input(u, channel, data),
    inspect: () => inspectRegisters(REGISTERS, u, base),
  };
  return device;
}

const EVENTS: { readonly [name: string]: (u: Uart) => void } = {
  tx: sent,
  rx: arrived,
  timeout(u) {
    u.s.timeout = true;
    update(u);
  },
  thre(u) {
    u.s.transmitterEmpty = true;
    update(u);
  },
};

/** Someone is connected at power on: CTS, DSR and DCD are asserted. */
function initialState(): State {
  return { rx: [], tx: [], shift: -1, peak: 0, wire: [], transmitterEmpty: false, timeout: false, overrun: false, modem: 0b1011 };
}

function fifo(u: Uart): boolean {
  return (u.r.FCR & FCR_ENABLE) !== 0;
}

/** Length of a character in half bit times: start, data, parity and stop bits (one and a half stop bits with 5 data bits). */
function halfBits(u: Uart): number {
  const data = 5 + (u.r.LCR & 3);
  const parity = u.r.LCR & 8 ? 1 : 0;
  return 2 * (1 + data + parity) + stopHalfBits(u);
}

function stopHalfBits(u: Uart): number {
  if (!(u.r.LCR & 4)) return 2;
  return (u.r.LCR & 3) === 0 ? 3 : 4;
}

/** A divisor of 0 counts through all of its 16 bits. */
function cyclesOfHalfBits(u: Uart, count: number): number {
  const divisor = (u.r.DLM << 8) | u.r.DLL || 0x10000;
  return cyclesOf(u.bus.clock.frequency, count * 8 * divisor, CLOCK);
}

function after(u: Uart, name: string, halfBitCount: number): void {
  const { clock } = u.bus;
  clock.schedule(u.device, name, clock.now() + cyclesOfHalfBits(u, halfBitCount));
}

function transmit(u: Uart, character: number): void {
  const { s } = u;
  s.transmitterEmpty = false;
  u.bus.clock.cancel(u.device, 'thre');
  if (!fifo(u)) s.tx = [character];
  else if (s.tx.length < FIFO_DEPTH) s.tx.push(character);
  s.peak = Math.max(s.peak, s.tx.length);
  startShifting(u);
  update(u);
}

function startShifting(u: Uart): void {
  const { s } = u;
  if (s.shift >= 0 || s.tx.length === 0) return;
  s.shift = s.tx.shift()!;
  after(u, 'tx', halfBits(u));
  if (s.tx.length > 0) return;
  // "FIFO interrupt mode operation": after a lone character the interrupt waits for a character time less the last stop bit,
  // so that software which sends single characters is not interrupted twice.
  if (fifo(u) && s.peak < 2) after(u, 'thre', halfBits(u) - stopHalfBits(u));
  else s.transmitterEmpty = true;
  s.peak = 0;
}

function sent(u: Uart): void {
  const { s } = u;
  const character = s.shift & dataMask(u);
  s.shift = -1;
  if (u.r.MCR & MCR_LOOP) receive(u, character);
  // A break holds the line at space, whatever the transmitter shifts.
  else if (!(u.r.LCR & LCR_BREAK)) u.bus.output(u.device, 'tx', Uint8Array.of(character));
  startShifting(u);
  update(u);
}

function input(u: Uart, channel: string, data: Uint8Array): void {
  const { s } = u;
  if (channel === 'modem') {
    if (data.length !== 1 || data[0]! > 15) throw new RangeError(`${u.device.id}: modem lines are one byte of 0 to 15`);
    const old = modemLines(u, u.r.MCR);
    s.modem = data[0]!;
    noteModemChange(u, old, modemLines(u, u.r.MCR));
    update(u);
    return;
  }
  if (channel !== 'rx' && channel !== 'break')
    throw new Error(`${u.device.id} has no input channel "${channel}": it takes "rx", "break", "modem"`);
  const idle = s.wire.length === 0;
  if (channel === 'break') s.wire.push(LSR_BI << 8);
  else s.wire.push(...data);
  if (idle && s.wire.length > 0) after(u, 'rx', halfBits(u));
}

function arrived(u: Uart): void {
  const { s } = u;
  const character = s.wire.shift()!;
  if (s.wire.length > 0) after(u, 'rx', halfBits(u));
  // The loop disconnects the receiver from its pin.
  if (u.r.MCR & MCR_LOOP) return;
  receive(u, (character & 0xff00) | (character & dataMask(u)));
  update(u);
}

function dataMask(u: Uart): number {
  return 0xff >>> (3 - (u.r.LCR & 3));
}

function receive(u: Uart, character: number): void {
  const { s } = u;
  const full = s.rx.length >= (fifo(u) ? FIFO_DEPTH : 1);
  if (full) s.overrun = true;
  // A full FIFO keeps what it has and the new character is lost; the single buffer is overwritten.
  if (full && fifo(u)) return;
  if (full) s.rx = [character];
  else s.rx.push(character);
  restartTimeout(u);
}

function takeReceived(u: Uart): void {
  u.s.rx.shift();
  restartTimeout(u);
  update(u);
}

/** Characters that lie in the FIFO untouched for four character times raise the timeout interrupt. */
function restartTimeout(u: Uart): void {
  u.s.timeout = false;
  if (fifo(u) && u.s.rx.length > 0) after(u, 'timeout', 4 * halfBits(u));
  else u.bus.clock.cancel(u.device, 'timeout');
}

function controlFifo(u: Uart, written: number, old: number): void {
  // The other bits are only programmed together with the enable bit.
  u.r.FCR = written & FCR_ENABLE ? written & (FCR_ENABLE | FCR_DMA_MODE | 0xc0) : 0;
  const switched = ((written ^ old) & FCR_ENABLE) !== 0;
  const enabled = (written & FCR_ENABLE) !== 0;
  if (switched || (enabled && written & FCR_CLEAR_RX)) {
    u.s.rx = [];
    restartTimeout(u);
  }
  if (switched || (enabled && written & FCR_CLEAR_TX)) {
    if (u.s.tx.length > 0) u.s.transmitterEmpty = true;
    u.s.tx = [];
    u.s.peak = 0;
  }
  update(u);
}

function lineStatus(u: Uart): number {
  const { s } = u;
  let status = s.rx.length > 0 ? LSR_DR | ((s.rx[0]! >>> 8) & LSR_CHARACTER_ERRORS) : 0;
  if (s.overrun) status |= LSR_OE;
  if (s.tx.length === 0) status |= s.shift < 0 ? LSR_THRE | LSR_TEMT : LSR_THRE;
  if (fifo(u) && s.rx.some(character => character > 0xff)) status |= LSR_FIFO_ERROR;
  return status;
}

/** CTS, DSR, RI, DCD in bits 0-3. In the loop they are RTS, DTR, OUT1, OUT2. */
function modemLines(u: Uart, mcr: number): number {
  if (!(mcr & MCR_LOOP)) return u.s.modem;
  return ((mcr >>> 1) & 1) | ((mcr & 1) << 1) | (mcr & 0x0c);
}

function noteModemChange(u: Uart, old: number, now: number): void {
  const changed = old ^ now;
  // The ring indicator counts only when it ends (TERI).
  u.r.DMSR |= (changed & ~MODEM_RI) | (old & ~now & MODEM_RI);
}

function identify(u: Uart): number {
  const { s, r } = u;
  if (r.IER & IER_LINE_STATUS && lineStatus(u) & (LSR_OE | LSR_CHARACTER_ERRORS)) return IIR_LINE_STATUS;
  if (r.IER & IER_RECEIVED) {
    const level = fifo(u) ? TRIGGER_LEVELS[r.FCR >>> 6]! : 1;
    if (s.rx.length >= level) return IIR_RECEIVED;
    if (s.timeout) return IIR_TIMEOUT;
  }
  if (r.IER & IER_TRANSMITTER_EMPTY && s.transmitterEmpty) return IIR_TRANSMITTER_EMPTY;
  if (r.IER & IER_MODEM_STATUS && r.DMSR !== 0) return IIR_MODEM_STATUS;
  return IIR_NONE;
}

/** OUT2 gates the interrupt on a PC; the loop forces that output inactive. */
function update(u: Uart): void {
  const gated = (u.r.MCR & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
  u.line.set(gated && identify(u) !== IIR_NONE);
}

/** Characters that a UART still has to send, from its saved state: what is on its way when the power goes off. */
export function unsentCharacters(state: DeviceState): Uint8Array {
  const { shift, tx } = state as State;
  return Uint8Array.from(shift < 0 ? tx : [shift, ...tx]);
}
