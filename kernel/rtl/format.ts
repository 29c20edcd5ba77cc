import { GuestFault, type VirtualMemory } from '../../hal/bus/memory.ts';
import { formatDouble } from './float.ts';
import { readAnsiString, readAnsiZ, readUnicodeString, readWideZ } from './string.ts';

/**
 * The printf formatter that DbgPrint, the kernel's sprintf family and the safe-string routines share. Arguments are the 8-byte slots of a va_list (variadic
 * doubles are in the integer slots too). Microsoft's rules: `%S` and `%C` are the other width than the format, `%I64`, `%I32`, `%I` and `%w`, `%Z` a STRING or (`%wZ`)
 * UNICODE_STRING, `%p` 16 hex digits.
 */

interface Spec {
  minus: boolean;
  plus: boolean;
  space: boolean;
  alternate: boolean;
  zero: boolean;
  width: number;
  precision: number;
  size: '' | 'h' | 'hh' | 'l' | 'll' | 'w' | 'I64' | 'I32' | 'I' | 'z' | 't' | 'j' | 'L';
  conversion: string;
}

const ADDRESS_LIMIT = 0x800000000000n;

/** Reads the arguments one after the other. */
class Arguments {
  private readonly mem: VirtualMemory;
  private at: number;
  constructor(mem: VirtualMemory, list: number) {
    this.mem = mem;
    this.at = list;
  }
  next(): bigint {
    const value = this.mem.read64(this.at);
    this.at += 8;
    return value;
  }
  /** A pointer; 0 for NULL. A non-canonical one is a #GP, as using it would be. */
  pointer(): number {
    const value = BigInt.asIntN(64, this.next());
    if (value < -ADDRESS_LIMIT || value >= ADDRESS_LIMIT) throw new GuestFault(13, 0, this.at - 8);
    return Number(value);
  }
}

/** Bits of an integer argument, by its size prefix. */
function integerBits(s: Spec): number {
  if (s.size === 'I64' || s.size === 'll' || s.size === 'I' || s.size === 'z' || s.size === 't' || s.size === 'j') return 64;
  return s.size === 'h' ? 16 : s.size === 'hh' ? 8 : 32;
}

/** Puts sign, prefix, zeros and blanks round digits. */
function pad(s: Spec, sign: string, digits: string): string {
  const length = sign.length + digits.length;
  if (length >= s.width) return sign + digits;
  if (s.minus) return sign + digits + ' '.repeat(s.width - length);
  return s.zero ? sign + '0'.repeat(s.width - length) + digits : ' '.repeat(s.width - length) + sign + digits;
}

function integer(s: Spec, value: bigint): string {
  const bits = integerBits(s);
  const signed = s.conversion === 'd' || s.conversion === 'i';
  const v = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  const magnitude = v < 0n ? -v : v;
  const radix = s.conversion === 'x' || s.conversion === 'X' ? 16 : s.conversion === 'o' ? 8 : 2 * 5;
  let digits = magnitude === 0n && s.precision === 0 ? '' : magnitude.toString(radix);
  if (s.precision > digits.length) digits = digits.padStart(s.precision, '0');
  if (s.conversion === 'X') digits = digits.toUpperCase();
  let sign = '';
  if (signed) sign = v < 0n ? '-' : s.plus ? '+' : s.space ? ' ' : '';
  else if (s.alternate && radix === 16 && v !== 0n) sign = `0${s.conversion}`;
  else if (s.alternate && radix === 8 && !digits.startsWith('0')) digits = `0${digits}`;
  // A precision turns the zero flag off.
  return pad(s.precision >= 0 ? { ...s, zero: false } : s, sign, digits);
}

function stringText(mem: VirtualMemory, s: Spec, at: number, wideFormat: boolean): string {
  if (at === 0) return '(null)';
  // `s` is the format's own width, `S` the other; h forces narrow, l and w force wide.
  const wide = s.size === 'h' ? false : s.size === 'l' || s.size === 'w' ? true : s.conversion === 'S' ? !wideFormat : wideFormat;
  const limit = s.precision >= 0 ? s.precision : undefined;
  return wide ? readWideZ(mem, at, limit) : readAnsiZ(mem, at, limit);
}

function convert(mem: VirtualMemory, s: Spec, args: Arguments, wideFormat: boolean): string {
  const c = s.conversion;
  const cut = (text: string): string =>
    pad({ ...s, zero: s.zero && !s.minus }, '', s.precision >= 0 ? text.slice(0, s.precision) : text);
  if ('diuxXo'.includes(c)) return integer(s, args.next());
  if (c === 'p' || c === 'P') return pad({ ...s, zero: false }, '', args.next().toString(16).toUpperCase().padStart(16, '0'));
  if (c === 's' || c === 'S') return cut(stringText(mem, s, args.pointer(), wideFormat));
  if (c === 'c' || c === 'C') {
    const wide = s.size === 'l' || s.size === 'w' ? true : s.size === 'h' ? false : c === 'C' ? !wideFormat : wideFormat;
    return cut(String.fromCharCode(Number(args.next() & (wide ? 0xffffn : 0xffn))));
  }
  if (c === 'Z') {
    const at = args.pointer();
    if (at === 0 || mem.readPtr(at + 8) === 0) return cut('(null)');
    return cut(s.size === 'w' || s.size === 'l' ? readUnicodeString(mem, at) : readAnsiString(mem, at));
  }
  if ('eEfFgGaA'.includes(c)) {
    const { text, negative } = formatDouble(args.next(), c === 'F' ? 'f' : c, s.precision < 0 ? 6 : s.precision, s.alternate);
    return pad(s, negative ? '-' : s.plus ? '+' : s.space ? ' ' : '', text);
  }
  // Microsoft's run-time library prints an unknown conversion's letter.
  return c;
}

/**
 * Formats. `format` is text already read (one character a code unit), `list` the address of the va_list.
 * @param wideFormat whether the format was UTF-16: what `%s` means depends on it
 */
export function formatText(mem: VirtualMemory, format: string, list: number, wideFormat: boolean): string {
  const args = new Arguments(mem, list);
  let out = '';
  for (let i = 0; i < format.length; i++) {
    const c = format[i]!;
    if (c !== '%') {
      out += c;
      continue;
    }
    const s: Spec = {
      minus: false,
      plus: false,
      space: false,
      alternate: false,
      zero: false,
      width: 0,
      precision: -1,
      size: '',
      conversion: '',
    };
    i++;
    for (; i < format.length; i++) {
      const f = format[i]!;
      if (f === '-') s.minus = true;
      else if (f === '+') s.plus = true;
      else if (f === ' ') s.space = true;
      else if (f === '#') s.alternate = true;
      else if (f === '0') s.zero = true;
      else break;
    }
    const number = (): number => {
      if (format[i] === '*') {
        i++;
        return Number(BigInt.asIntN(32, args.next()));
      }
      let n = 0;
      for (; i < format.length && format[i]! >= '0' && format[i]! <= '9'; i++) n = Math.min(n * 10 + Number(format[i]), 0x7fff);
      return n;
    };
    s.width = number();
    if (s.width < 0) {
      s.minus = true;
      s.width = -s.width;
    }
    if (format[i] === '.') {
      i++;
      s.precision = number();
    }
    const size = /^(I64|I32|I|hh|h|ll|l|w|z|t|j|L)/.exec(format.slice(i, i + 3));
    if (size) {
      s.size = size[1] as Spec['size'];
      i += s.size.length;
    }
    if (i >= format.length) break;
    s.conversion = format[i]!;
    out += s.conversion === '%' ? '%' : s.conversion === 'n' ? (args.next(), '') : convert(mem, s, args, wideFormat);
  }
  return out;
}
