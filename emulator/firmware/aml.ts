/** Writes ACPI machine language: just what the tables here need (ACPI specification 6.5, chapter 20). Every function gives the bytes of one object. */

export type Aml = readonly number[];

const NAME_OP = 0x08,
  STRING_PREFIX = 0x0d,
  SCOPE_OP = 0x10,
  BUFFER_OP = 0x11,
  PACKAGE_OP = 0x12,
  EXT_OP = 0x5b,
  DEVICE_OP = 0x82;

/** 20.2.4: the length counts itself. */
function packageLength(content: number): Aml {
  for (let bytes = 1; bytes <= 4; bytes++) {
    const total = content + bytes;
    if (bytes === 1 ? total < 0x40 : total < 2 ** (4 + 8 * (bytes - 1))) {
      if (bytes === 1) return [total];
      const rest = Array.from({ length: bytes - 1 }, (_, i) => (total >>> (4 + 8 * i)) & 0xff);
      return [((bytes - 1) << 6) | (total & 15), ...rest];
    }
  }
  throw new RangeError(`an AML package of ${content} bytes`);
}

function packaged(op: Aml, ...content: readonly Aml[]): Aml {
  const body = content.flat();
  return [...op, ...packageLength(body.length), ...body];
}

/** A name: segments of up to four characters, separated by dots, `\` in front for the root (20.2.2). */
function name(path: string): Aml {
  const root = path.startsWith('\\') ? [0x5c] : [];
  const segments = path.replace('\\', '').split('.');
  const bytes = segments.flatMap(s => [...s.padEnd(4, '_')].map(c => c.charCodeAt(0)));
  if (segments.length === 1) return [...root, ...bytes];
  return segments.length === 2 ? [...root, 0x2e, ...bytes] : [...root, 0x2f, segments.length, ...bytes];
}

/** The shortest form of an integer (20.2.3). */
export function integer(value: number): Aml {
  const bytes = (count: number): Aml => Array.from({ length: count }, (_, i) => Math.floor(value / 256 ** i) % 256);
  if (value === 0 || value === 1) return [value];
  if (value < 0x100) return [0x0a, ...bytes(1)];
  return value < 0x10000 ? [0x0b, ...bytes(2)] : [0x0c, ...bytes(4)];
}

export function string(text: string): Aml {
  return [STRING_PREFIX, ...[...text].map(c => c.charCodeAt(0)), 0];
}

export function named(path: string, value: Aml): Aml {
  return [NAME_OP, ...name(path), ...value];
}
export function scope(path: string, ...content: readonly Aml[]): Aml {
  return packaged([SCOPE_OP], name(path), ...content);
}
export function device(path: string, ...content: readonly Aml[]): Aml {
  return packaged([EXT_OP, DEVICE_OP], name(path), ...content);
}
export function packageOf(...elements: readonly Aml[]): Aml {
  return packaged([PACKAGE_OP], [elements.length], ...elements);
}

/** A compressed EISA identifier: `PNP0A03` (19.3.4). */
export function eisaId(text: string): Aml {
  const letters = [...text.slice(0, 3)].map(c => c.charCodeAt(0) - 0x40);
  const value = (letters[0] << 26) | (letters[1] << 21) | (letters[2] << 16) | parseInt(text.slice(3), 16);
  // Stored with its bytes swapped.
  return [0x0c, (value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

// ---- resource descriptors (6.4) ----

/** A resource template: a buffer of descriptors with an end tag whose checksum of 0 means that there is none to check. */
export function resources(...descriptors: readonly Aml[]): Aml {
  const body = [...descriptors.flat(), 0x79, 0];
  return packaged([BUFFER_OP], integer(body.length), body);
}
/** Ports that are decoded with 16 bits of address. */
export function io(base: number, length: number): Aml {
  return [0x47, 1, base & 0xff, base >>> 8, base & 0xff, base >>> 8, 1, length];
}
/** Edge-triggered, active high, exclusive interrupt of the ISA bus. */
export function irqNoFlags(irq: number): Aml {
  const mask = 1 << irq;
  return [0x22, mask & 0xff, mask >>> 8];
}
export function memory32Fixed(base: number, length: number, writable: boolean): Aml {
  return [0x86, 9, 0, writable ? 1 : 0, ...dword(base), ...dword(length)];
}

export type AddressSpace = 'memory' | 'io' | 'bus';
/** A window that a bridge passes on, from `first` to `last` (6.4.3.5). */
export function addressWindow(space: AddressSpace, first: number, last: number): Aml {
  // Minimum and maximum are fixed, the bridge produces the range and decodes it positively; memory is writable, I/O is the entire range.
  const general = 0x0c;
  const [type, specific] = space === 'memory' ? [0, 1] : space === 'io' ? [1, 3] : [2, 0];
  const put = space === 'memory' ? dword : word;
  const body = [type, general, specific, ...put(0), ...put(first), ...put(last), ...put(0), ...put(last - first + 1)];
  return [space === 'memory' ? 0x87 : 0x88, ...word(body.length), ...body];
}

function word(value: number): Aml {
  return [value & 0xff, (value >>> 8) & 0xff];
}
function dword(value: number): Aml {
  return [...word(value), (value >>> 16) & 0xff, value >>> 24];
}
