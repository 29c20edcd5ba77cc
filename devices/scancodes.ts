/**
 * Scan codes of PC keyboards ("Keyboard Scan Code Specification", Microsoft, 2000): the keyboard speaks set 2, the 8042 turns it into set 1, which is
 * what operating systems read. The translation table is the only table: set 2 is its inverse.
 */

// prettier-ignore
const TRANSLATION = Uint8Array.of(
  0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
  0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
  0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
  0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
  0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
  0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
  0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
  0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
);

/** What the 8042 makes of a byte of set 2 that is not a prefix. F7 (83) and SysRq (84) are the only keys above 7F. */
export function translateByte(set2: number): number {
  if (set2 === 0x83) return 0x41;
  if (set2 === 0x84) return 0x54;
  return set2 < 0x80 ? TRANSLATION[set2]! : set2;
}

const SET2_OF = inverse();

function inverse(): Uint8Array {
  const table = new Uint8Array(128);
  for (let set2 = 0; set2 < 0x80; set2++) if (TRANSLATION[set2]! < 0x80) table[TRANSLATION[set2]!] = set2;
  table[0x41] = 0x83;
  table[0x54] = 0x84;
  return table;
}

/** What a keyboard sends in set 2 for a byte of set 1: prefixes stay, a break code becomes F0 and the make code. */
export function set1ToSet2(byte: number): number[] {
  if (byte === 0xe0 || byte === 0xe1) return [byte];
  return byte & 0x80 ? [0xf0, SET2_OF[byte & 0x7f]!] : [SET2_OF[byte]!];
}

/** Make codes of set 1 by the names that `KeyboardEvent.code` gives keys (W3C UI Events KeyboardEvent code Values); E0 keys as E0xx. */
const KEYS: { readonly [name: string]: number } = {
  ...row(0x01, 'Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab'),
  ...row(0x10, 'KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft'),
  ...row(0x1e, 'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash'),
  ...row(0x2c, 'KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock'),
  ...row(
    0x3b,
    'F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd',
  ),
  ...row(0x4f, 'Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal'),
  IntlBackslash: 0x56,
  F11: 0x57,
  F12: 0x58,
  NumpadEnter: 0xe01c,
  ControlRight: 0xe01d,
  NumpadDivide: 0xe035,
  PrintScreen: 0xe037,
  AltRight: 0xe038,
  Home: 0xe047,
  ArrowUp: 0xe048,
  PageUp: 0xe049,
  ArrowLeft: 0xe04b,
  ArrowRight: 0xe04d,
  End: 0xe04f,
  ArrowDown: 0xe050,
  PageDown: 0xe051,
  Insert: 0xe052,
  Delete: 0xe053,
  MetaLeft: 0xe05b,
  MetaRight: 0xe05c,
  ContextMenu: 0xe05d,
};

function row(first: number, names: string): { [name: string]: number } {
  return Object.fromEntries(names.split(' ').map((name, i) => [name, first + i]));
}

/** Pause has no break code: it sends make and break at once. */
const PAUSE = [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5];

/**
 * Set 1 bytes of a key by name: `KeyA` pressed and released, `+KeyA` pressed, `-KeyA` released. A name that no key has throws a RangeError.
 */
export function keyToSet1(text: string): number[] {
  const down = !text.startsWith('-');
  const up = !text.startsWith('+');
  const name = text.replace(/^[+-]/, '');
  if (name === 'Pause') return down ? PAUSE : [];
  const code = Object.hasOwn(KEYS, name) ? KEYS[name]! : undefined;
  if (code === undefined)
    throw new RangeError(`there is no key "${name}"; keys have the names of KeyboardEvent.code: KeyA, Digit1, Enter, ArrowUp`);
  const prefix = code > 0xff ? [0xe0] : [];
  const make = [...prefix, code & 0xff];
  const release = [...prefix, (code & 0xff) | 0x80];
  return [...(down ? make : []), ...(up ? release : [])];
}
