/**
 * The 8042 keyboard controller of a PC/AT with the PS/2 extensions: data port 0x60, command and status port 0x64, a keyboard on the
 * first port, nothing on the second (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device controller").
 *
 * Commands take effect at once, so the input buffer is never full; bytes of the keyboard take the time that they need on its wire. Input channels:
 * `key` (bytes of scan code set 1, as the guest will read them) and `keyname` (names as in `scancodes.ts`, separated by spaces). Software can pull the
 * processors' reset line. Gate A20 is a bit that can be set and read; a 64-bit machine has all of its address lines.
 */
import type { Bus, Device, InterruptLine, RegisterRow } from '../hal/bus/index.ts';
import { hostByte, newKeyboard, nextKeyboardByte, selfTestPassed, typeSet1 } from './ps2keyboard.ts';
import type { Keyboard } from './ps2keyboard.ts';
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
import { keyToSet1, translateByte } from './scancodes.ts';
import { microseconds } from './time.ts';

type State = {
  keyboard: Keyboard;
  /** The controller's 32 bytes of RAM; byte 0 is the command byte. */
  ram: Uint8Array;
  /** Controller command whose argument is expected at the data port, or 0. */
  command: number;
  /** Replies of the controller that wait for the output buffer: byte, and bit 8 for the second port, bit 9 for a timeout. */
  replies: number[];
  /** The last byte of the keyboard was F0: the next is a break code. */
  breakPrefix: boolean;
  /** A byte is on the keyboard's wire. */
  receiving: boolean;
};

interface Controller {
  device: Device;
  bus: Bus;
  keyboardLine: InterruptLine;
  auxLine: InterruptLine;
  r: Record<'DATA_OUT' | 'STATUS' | 'OUTPUT_PORT', number>;
  s: State;
}

const STATUS_OBF = 0x01,
  STATUS_SYS = 0x04,
  STATUS_COMMAND = 0x08,
  STATUS_UNLOCKED = 0x10,
  STATUS_AUX = 0x20,
  STATUS_TIMEOUT = 0x40;
const CTR_INT = 0x01,
  CTR_AUX_INT = 0x02,
  CTR_SYS = 0x04,
  CTR_DISABLE = 0x10,
  CTR_AUX_DISABLE = 0x20,
  CTR_TRANSLATE = 0x40;
const PORT_NOT_RESET = 0x01,
  PORT_A20 = 0x02;
const FROM_AUX = 0x100,
  TIMED_OUT = 0x200;
/** 11 bits at 12.5 kHz. */
const BYTE_US = 880;
const SELF_TEST_US = 500_000;
const DEVICE_TIMEOUT = 0xfe;

const reg = registersOf<Controller>();

const REGISTERS = registerTable<Controller>([
  reg('DATA_OUT', { offset: 0, access: 'ro', reset: 0, onRead: taken }),
  reg('DATA_IN', { offset: 0, access: 'wo', onWrite: dataIn }),
  reg('STATUS', {
    offset: 4,
    access: 'ro',
    reset: STATUS_UNLOCKED | STATUS_SYS,
    bits: { OBF: 0, IBF: 1, SYS: 2, COMMAND: 3, UNLOCKED: 4, AUX: 5, TIMEOUT: 6, PARITY: 7 },
  }),
  reg('COMMAND', { offset: 4, access: 'wo', onWrite: commandIn }),
  reg('OUTPUT_PORT', { reset: PORT_NOT_RESET | PORT_A20, bits: { NOT_RESET: 0, A20: 1, OBF: 4, AUX_OBF: 5 }, value: outputPort }),
]);

/** Interrupts of the keyboard on pin 1 and of the second port on pin 12 unless said. */
export function createI8042(options: { id?: string; base?: number; pin?: number; auxPin?: number } = {}): Device {
  const { id = 'i8042', base = 0x60, pin = 1, auxPin = 12 } = options;
  let c!: Controller;
  const device: Device = {
    id,
    title: 'Keyboard controller (8042)',
    attach(bus) {
      const [keyboardLine, auxLine] = [bus.interruptLine(pin), bus.interruptLine(auxPin)];
      c = { device, bus, keyboardLine, auxLine, r: {} as Controller['r'], s: initialState() };
      resetRegisters(REGISTERS, c);
      bus.claimPorts(device, base, 1);
      bus.claimPorts(device, base + 4, 1);
    },
    reset() {
      resetRegisters(REGISTERS, c);
      Object.assign(c.s, initialState());
      c.bus.clock.cancel(device, 'byte');
      c.bus.clock.cancel(device, 'selftest');
      driveLines(c);
    },
    save: () => saveState(c.r, c.s),
    load: state => loadState(id, c.r, c.s, state),
    portRead: (port, size) => readRegisters(REGISTERS, c, port - base, size),
    portWrite: (port, size, value) => writeRegisters(REGISTERS, c, port - base, size, value),
    event(name) {
      if (name === 'byte') byteArrived(c);
      else selfTestPassed(c.s.keyboard);
      listen(c);
    },
    input(channel, data) {
      typeSet1(c.s.keyboard, keysOf(id, channel, data));
      listen(c);
    },
    inspect: () => [...inspectRegisters(REGISTERS, c, base), ...inspectState(c.s)],
  };
  return device;
}

/** What firmware leaves: keyboard enabled and translated, its interrupt on, the second port off. */
function initialState(): State {
  const ram = new Uint8Array(32);
  ram[0] = CTR_INT | CTR_SYS | CTR_AUX_DISABLE | CTR_TRANSLATE;
  return { keyboard: newKeyboard(), ram, command: 0, replies: [], breakPrefix: false, receiving: false };
}

function keysOf(id: string, channel: string, data: Uint8Array): Iterable<number> {
  if (channel === 'key') return data;
  if (channel !== 'keyname') throw new Error(`${id} has no input channel "${channel}": it takes "key" and "keyname"`);
  const names = new TextDecoder().decode(data).split(/\s+/);
  return names.filter(name => name !== '').flatMap(keyToSet1);
}

function inspectState(s: State): RegisterRow[] {
  const { keyboard } = s;
  return [
    { name: 'CTR', value: s.ram[0]! },
    { name: 'KBD_SET', value: keyboard.scanCodeSet },
    { name: 'KBD_LEDS', value: keyboard.leds },
    { name: 'KBD_QUEUE', value: keyboard.queue.length },
  ];
}

function commandByte(c: Controller): number {
  return c.s.ram[0]!;
}

/** Puts a byte into the output buffer, which must be empty. */
function give(c: Controller, byte: number): void {
  c.r.DATA_OUT = byte & 0xff;
  c.r.STATUS = (c.r.STATUS & ~(STATUS_AUX | STATUS_TIMEOUT)) | STATUS_OBF;
  if (byte & FROM_AUX) c.r.STATUS |= STATUS_AUX;
  if (byte & TIMED_OUT) c.r.STATUS |= STATUS_TIMEOUT;
  driveLines(c);
}

function reply(c: Controller, byte: number): void {
  c.s.replies.push(byte);
  listen(c);
}

function taken(c: Controller): void {
  if (!(c.r.STATUS & STATUS_OBF)) return;
  c.r.STATUS &= ~(STATUS_OBF | STATUS_AUX | STATUS_TIMEOUT);
  driveLines(c);
  listen(c);
}

/** The interrupt lines are outputs of the controller that follow its output buffer, if the command byte lets them. */
function driveLines(c: Controller): void {
  const full = (c.r.STATUS & STATUS_OBF) !== 0;
  const aux = (c.r.STATUS & STATUS_AUX) !== 0;
  c.keyboardLine.set(full && !aux && (commandByte(c) & CTR_INT) !== 0);
  c.auxLine.set(full && aux && (commandByte(c) & CTR_AUX_INT) !== 0);
}

/** With an empty output buffer: replies of the controller go first; else, if its clock is not held, the keyboard may send. */
function listen(c: Controller): void {
  if (c.r.STATUS & STATUS_OBF) return;
  const byte = c.s.replies.shift();
  if (byte !== undefined) {
    give(c, byte);
    return;
  }
  if (c.s.receiving || c.s.keyboard.queue.length === 0 || commandByte(c) & CTR_DISABLE) return;
  c.s.receiving = true;
  const { clock } = c.bus;
  clock.schedule(c.device, 'byte', clock.now() + microseconds(clock.frequency, BYTE_US));
}

/** A byte of the keyboard is whole. When the host has disabled the keyboard or the buffer filled meanwhile, the keyboard sends it again later. */
function byteArrived(c: Controller): void {
  c.s.receiving = false;
  if (c.r.STATUS & STATUS_OBF || commandByte(c) & CTR_DISABLE) return;
  const byte = nextKeyboardByte(c.s.keyboard);
  if (byte < 0) return;
  if (!(commandByte(c) & CTR_TRANSLATE)) {
    give(c, byte);
  } else if (byte === 0xf0) {
    c.s.breakPrefix = true;
  } else {
    give(c, translateByte(byte) | (c.s.breakPrefix ? 0x80 : 0));
    c.s.breakPrefix = false;
  }
}

function sendToKeyboard(c: Controller, byte: number): void {
  // A byte to the keyboard turns its clock on again.
  c.s.ram[0]! &= ~CTR_DISABLE;
  if (hostByte(c.s.keyboard, byte)) {
    const { clock } = c.bus;
    clock.schedule(c.device, 'selftest', clock.now() + microseconds(clock.frequency, SELF_TEST_US));
  }
  listen(c);
}

function dataIn(c: Controller, byte: number): void {
  c.r.STATUS &= ~STATUS_COMMAND;
  const { command } = c.s;
  c.s.command = 0;
  if (command === 0) sendToKeyboard(c, byte);
  else if (command >= 0x60 && command < 0x80) writeRam(c, command & 0x1f, byte);
  else if (command === 0xd1) writeOutputPort(c, byte);
  else if (command === 0xd2) reply(c, byte);
  else if (command === 0xd3) reply(c, byte | FROM_AUX);
  // 0xD4: nothing is on the second port to answer.
  else reply(c, DEVICE_TIMEOUT | FROM_AUX | TIMED_OUT);
}

function writeRam(c: Controller, at: number, byte: number): void {
  c.s.ram[at] = byte;
  if (at !== 0) return;
  c.r.STATUS = byte & CTR_SYS ? c.r.STATUS | STATUS_SYS : c.r.STATUS & ~STATUS_SYS;
  driveLines(c);
  listen(c);
}

function setCommandByte(c: Controller, on: number, off: number): void {
  writeRam(c, 0, (commandByte(c) | on) & ~off);
}

function commandIn(c: Controller, byte: number): void {
  c.r.STATUS |= STATUS_COMMAND;
  c.s.command = 0;
  if (byte >= 0x20 && byte < 0x40) reply(c, c.s.ram[byte & 0x1f]!);
  else if (byte >= 0x60 && byte < 0x80) c.s.command = byte;
  // Pulse the output port's low bits that are 0; bit 0 is the processor's reset line.
  else if (byte >= 0xf0) {
    if (!(byte & PORT_NOT_RESET)) resetLine(c);
  } else COMMANDS[byte]?.(c, byte);
}

const takesByte = (c: Controller, byte: number) => {
  c.s.command = byte;
};

/** The commands that have a number of their own; any other byte does nothing. */
const COMMANDS: { readonly [byte: number]: (c: Controller, byte: number) => void } = {
  0xa7: c => setCommandByte(c, CTR_AUX_DISABLE, 0),
  0xa8: c => setCommandByte(c, 0, CTR_AUX_DISABLE),
  // Interface tests: 0 is "no error found", which holds for lines that are pulled up and not shorted.
  0xa9: c => reply(c, 0x00),
  // The self test leaves the system flag set.
  0xaa: c => {
    setCommandByte(c, CTR_SYS, 0);
    reply(c, 0x55);
  },
  0xab: c => reply(c, 0x00),
  0xad: c => setCommandByte(c, CTR_DISABLE, 0),
  0xae: c => setCommandByte(c, 0, CTR_DISABLE),
  // Input port: keyboard not locked, manufacturing jumper absent.
  0xc0: c => reply(c, 0xa0),
  0xd0: c => reply(c, outputPort(c, c.r.OUTPUT_PORT)),
  0xd1: takesByte,
  0xd2: takesByte,
  0xd3: takesByte,
  0xd4: takesByte,
  // Test inputs: clock and data lines are high.
  0xe0: c => reply(c, 0x03),
};

function outputPort(c: Controller, stored: number): number {
  const full = (c.r.STATUS & STATUS_OBF) !== 0;
  const aux = (c.r.STATUS & STATUS_AUX) !== 0;
  return stored | (full && !aux ? 0x10 : 0) | (full && aux ? 0x20 : 0);
}

function writeOutputPort(c: Controller, byte: number): void {
  c.r.OUTPUT_PORT = byte & 0xcf;
  if (!(byte & PORT_NOT_RESET)) resetLine(c);
}

function resetLine(c: Controller): void {
  c.bus.power({ kind: 'reset', by: c.device.id });
}
