import { describe, expect, it } from 'vitest';
import { fakeMemory } from '../testing/fakemem.ts';
import { GuestFault } from '../../hal/bus/memory.ts';
import { formatText } from './format.ts';
import { wideBytes } from './string.ts';

const BASE = -0x100000000000;
const LIST = BASE,
  TEXT = BASE + 0x1000;

/** Formats with arguments: numbers, bigints, or text that is put into memory (`w:` wide, `U:` UNICODE_STRING, `A:` ANSI_STRING). */
function format(text: string, args: readonly (number | bigint | string)[], wide = false): string {
  const mem = fakeMemory(BASE, 0x10000);
  let at = TEXT;
  const put = (bytes: Uint8Array): number => {
    const here = at;
    mem.writeBytes(at, bytes);
    at += (bytes.length + 17) & ~15;
    return here;
  };
  const latin = (s: string): Uint8Array => Uint8Array.from(`${s}\0`, c => c.charCodeAt(0));
  args.forEach((a, i) => {
    let value: number | bigint;
    if (typeof a !== 'string') value = a;
    else if (a.startsWith('w:')) value = put(wideBytes(`${a.slice(2)}\0`));
    else if (a.startsWith('U:') || a.startsWith('A:')) {
      const bytes = a.startsWith('U:') ? wideBytes(a.slice(2)) : latin(a.slice(2)).subarray(0, a.length - 2);
      const buffer = put(bytes);
      value = put(new Uint8Array(16));
      mem.write16(value, bytes.length);
      mem.writePtr(value + 8, buffer);
    } else value = put(latin(a));
    mem.write64(LIST + i * 8, BigInt.asUintN(64, BigInt(value)));
  });
  return formatText(mem, text, LIST, wide);
}

const double = (x: number): bigint => new BigUint64Array(new Float64Array([x]).buffer)[0]!;

describe('formatting', () => {
  it('prints integers of every size', () => {
    expect(format('%d %i %u', [-5, 0xffffffffn, 0xffffffffn])).toBe('-5 -1 4294967295');
    expect(format('%hd %hx %hhu', [0x18000, 0x12345, 0x1ff])).toBe('-32768 2345 255');
    expect(format('%I64d %lld %I64x %I64X', [-1n, -2n, 0x123456789abcdefn, 0xabcdefn])).toBe('-1 -2 123456789abcdef ABCDEF');
    expect(format('%ld %lu %lx', [0xffffffffffffffffn, 0x1_0000_0001n, 0x1_0000_000fn])).toBe('-1 1 f');
    expect(format('%o %#o %#x %#X %#x', [8, 8, 255, 255, 0])).toBe('10 010 0xff 0XFF 0');
  });
  it('keeps width, precision and flags', () => {
    expect(format('[%5d][%-5d][%05d][%+d][% d]', [42, 42, 42, 42, 42])).toBe('[   42][42   ][00042][+42][ 42]');
    expect(format('[%8.3x][%08.3x][%.0d][%*d][%-*d]', [0xab, 0xab, 0, 6, 7, 4, 9])).toBe('[     0ab][     0ab][][     7][9   ]');
    expect(format('[%08x]', [0xc0000005])).toBe('[c0000005]');
    expect(format('[%-*d]', [-6, 3])).toBe('[3     ]');
  });
  it('prints pointers as 16 digits', () => {
    expect(format('%p', [-0x80000000000])).toBe('FFFFF80000000000');
    expect(format('%p', [0])).toBe('0000000000000000');
  });
  it('tells narrow from wide strings by the format', () => {
    expect(format('%s %S %ws %ls %hs', ['abc', 'w:wide', 'w:ws', 'w:ls', 'hs'])).toBe('abc wide ws ls hs');
    expect(format('%s %S %hs', ['w:abc', 'narrow', 'h'], true)).toBe('abc narrow h');
    expect(format('%c%C%lc', [65, 0x100 + 66, 0x20ac])).toBe('A\u0142€');
    expect(format('[%.2s][%5s][%-5s]|%s', ['abc', 'ab', 'ab', 0])).toBe('[ab][   ab][ab   ]|(null)');
  });
  it('prints counted strings', () => {
    expect(format('%wZ|%Z|%lZ', ['U:unicode', 'A:ansi', 'U:x'])).toBe('unicode|ansi|x');
    expect(format('%wZ', [0])).toBe('(null)');
  });
  it('prints doubles exactly', () => {
    expect(format('%f %.2f %.0f', [double(0.1), double(2.675), double(2.5)])).toBe('0.100000 2.67 2');
    expect(format('%e %.3E', [double(123456), double(-0.00012345)])).toBe('1.234560e+005 -1.234E-004');
    expect(format('%g %g %g', [double(100000), double(1e6), double(0.0001)])).toBe('100000 1e+006 0.0001');
    expect(format('%f', [double(1e22)])).toBe('10000000000000000000000.000000');
    expect(format('%.20f', [double(0.1)])).toBe('0.10000000000000000555');
  });
  it('leaves percent signs and unknown conversions', () => {
    expect(format('100%% %y', [])).toBe('100% y');
    expect(format('end %', [])).toBe('end ');
  });
  it('faults where a driver that does the same would', () => {
    expect(() => format('%s', [0x1000])).toThrow(GuestFault);
    expect(() => format('%s', [0x1234567812345678n])).toThrow(GuestFault);
  });
});
