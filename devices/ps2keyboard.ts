/**
 * A PS/2 keyboard (IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device controller"): commands from the
 * host, scan code sets 1 and 2, and a buffer of what it has to send. Keys do not repeat by themselves: whoever holds one down repeats it.
 */
import { set1ToSet2 } from './scancodes.ts';

export type Keyboard = {
  scanCodeSet: number;
  scanning: boolean;
  /** Scroll, Num and Caps Lock: bits 0-2. */
  leds: number;
  typematic: number;
  /** Command whose argument is expected, or 0. */
  command: number;
  /** Bytes to send, first to last. */
  queue: number[];
  /** Last byte sent, for the resend command. */
  last: number;
};

/** Bytes of keys that the keyboard holds; replies to commands go beside it. */
const BUFFER = 16;
const ACK = 0xfa,
  RESEND = 0xfe,
  OVERRUN = 0x00,
  SELF_TEST_PASSED = 0xaa;
const SET_LEDS = 0xed,
  ECHO = 0xee,
  SCAN_CODE_SET = 0xf0,
  IDENTIFY = 0xf2,
  SET_TYPEMATIC = 0xf3,
  ENABLE = 0xf4;
const DISABLE = 0xf5,
  DEFAULTS = 0xf6,
  RESEND_LAST = 0xfe,
  RESET = 0xff;
const IDENTITY = [0xab, 0x83];
/** 10.9 characters a second after half a second. */
const DEFAULT_TYPEMATIC = 0x2b;

/** As it is when power comes on; the self test then reports through {@link selfTestPassed}. */
export function newKeyboard(): Keyboard {
  return { scanCodeSet: 2, scanning: true, leds: 0, typematic: DEFAULT_TYPEMATIC, command: 0, queue: [], last: 0 };
}

/** The basic assurance test has ended (500 to 750 ms after power on or reset on real keyboards). */
export function selfTestPassed(k: Keyboard): void {
  k.queue.push(SELF_TEST_PASSED);
}

/** Keys pressed and released, as bytes of set 1. Dropped while scanning is off. */
export function typeSet1(k: Keyboard, bytes: Iterable<number>): void {
  if (!k.scanning) return;
  for (const byte of bytes) {
    const codes = k.scanCodeSet === 1 ? [byte] : set1ToSet2(byte);
    if (k.queue.length + codes.length <= BUFFER) k.queue.push(...codes);
    // The last place says that keys were lost.
    else if (k.queue.length <= BUFFER) {
      k.queue.push(k.scanCodeSet === 1 ? 0xff : OVERRUN);
      return;
    } else return;
  }
}

/** A byte from the host. True when it was the reset command: the self test starts. */
export function hostByte(k: Keyboard, byte: number): boolean {
  const command = k.command;
  k.command = 0;
  // A byte that can only be a command ends the wait for an argument.
  if (command !== 0 && byte < 0xed) {
    argument(k, command, byte);
    return false;
  }
  switch (byte) {
    case ECHO:
      k.queue.push(ECHO);
      return false;
    case RESEND_LAST:
      k.queue.unshift(k.last);
      return false;
    case SET_LEDS:
    case SCAN_CODE_SET:
    case SET_TYPEMATIC:
      k.command = byte;
      k.queue.push(ACK);
      return false;
    case IDENTIFY:
      k.queue.push(ACK, ...IDENTITY);
      return false;
    case ENABLE:
      k.queue = [ACK];
      k.scanning = true;
      return false;
    case DISABLE:
    case DEFAULTS:
      Object.assign(k, newKeyboard(), { last: k.last, leds: k.leds, scanning: byte === DEFAULTS, queue: [ACK] });
      return false;
    case RESET:
      Object.assign(k, newKeyboard(), { queue: [ACK] });
      return true;
    default:
      k.queue.push(RESEND);
      return false;
  }
}

function argument(k: Keyboard, command: number, byte: number): void {
  if (command === SET_LEDS) {
    k.leds = byte & 7;
    k.queue.push(ACK);
  } else if (command === SET_TYPEMATIC) {
    k.typematic = byte & 0x7f;
    k.queue.push(ACK);
  } else if (byte === 0) {
    k.queue.push(ACK, k.scanCodeSet);
  } else if (byte === 1 || byte === 2) {
    k.scanCodeSet = byte;
    k.queue = [ACK];
  } else {
    // This keyboard has no set 3.
    k.queue.push(RESEND);
  }
}

/** The next byte that the keyboard sends, which is not sent again except on request; -1 when it has none. */
export function nextKeyboardByte(k: Keyboard): number {
  const byte = k.queue.shift();
  if (byte === undefined) return -1;
  k.last = byte;
  return byte;
}
