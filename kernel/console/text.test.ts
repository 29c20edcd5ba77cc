import { describe, expect, it } from 'vitest';
import { CommandError } from '../debug/command.ts';
import { columns, hexDump, parseBytes, parseNumber, words } from './text.ts';

describe('words of a command line', () => {
  it('are separated by blanks; a text in quotation marks is one', () => {
    expect(words('  write echo "a b\\n\\"" 0a ')).toEqual([
      { text: 'write', quoted: false },
      { text: 'echo', quoted: false },
      { text: 'a b\n"', quoted: true },
      { text: '0a', quoted: false },
    ]);
    expect(words('')).toEqual([]);
    expect(words('   ')).toEqual([]);
  });

  it('must end their texts', () => {
    expect(() => words('write echo "hi')).toThrow(CommandError);
  });
});

describe('values', () => {
  it('numbers are decimal or 0x', () => {
    expect(parseNumber('12', 'n')).toBe(12);
    expect(parseNumber('0x222000', 'n')).toBe(0x222000);
    expect(() => parseNumber('12h', 'the length')).toThrow(/the length/);
    expect(() => parseNumber('4294967296', 'n')).toThrow(CommandError);
    expect(() => parseNumber('-1', 'n')).toThrow(CommandError);
  });

  it('bytes are hexadecimal pairs or text', () => {
    expect(parseBytes(words('0a00 ff "hi"'))).toEqual(Uint8Array.of(10, 0, 255, 0x68, 0x69));
    expect(() => parseBytes(words('0a0'))).toThrow(/0a0/);
  });
});

describe('forms', () => {
  it('dumps bytes with what cannot be read', () => {
    const lines = hexDump([...Array.from({ length: 16 }, (_, i) => 0x3f + i), null, 0x41], at =>
      at.toString(16).padStart(4, '0'),
    );
    expect(lines).toEqual([
      '0000  3f 40 41 42 43 44 45 46-47 48 49 4a 4b 4c 4d 4e  ?@ABCDEFGHIJKLMN',
      `0010  ?? 41${' '.repeat(44)}.A`,
    ]);
  });

  it('lines columns up', () => {
    expect(
      columns(
        [
          ['a', '1', 'x'],
          ['long', '200', ''],
        ],
        [1],
      ),
    ).toEqual(['a       1  x', 'long  200']);
  });
});
