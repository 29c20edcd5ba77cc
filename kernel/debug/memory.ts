import type { Kernel } from '../kernel.ts';
import { moduleEntries } from '../ldr/modules.ts';
import { moduleShortName, moduleSymbols } from '../ldr/symbols.ts';
import { readAnsiString, readAnsiZ, readUnicodeString, readWideZ } from '../rtl/string.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { address, parseAddress, parseNumber, symbol } from './text.ts';

/** Number of elements from `L20`, `l20` or `20`. */
function count(k: Kernel, text: string | undefined, otherwise: number): number {
  const n = text === undefined ? otherwise : parseNumber(k, text.replace(/^l/i, ''), otherwise);
  if (!(n >= 0 && n <= 0x10000)) throw new CommandError(`${text} is not a length up to 0x10000`);
  return n;
}

const byteText = (b: number): string => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.');

const dump = (name: string, size: 1 | 2 | 4 | 8, what: string): DebugCommand => ({
  name,
  usage: 'address [L count]',
  doc: `Shows memory as ${what}.`,
  run(k, args) {
    const base = parseAddress(k, args[0]),
      total = count(k, args[1] === 'L' || args[1] === 'l' ? args[2] : args[1], 128 / size) * size;
    const lines: string[] = [];
    for (let off = 0; off < total; off += 16) {
      const length = Math.min(16, total - off),
        cells: string[] = [],
        text: string[] = [];
      for (let i = 0; i < length; i += size) {
        const mapped = k.mem.translate(base + off + i) >= 0;
        cells.push(
          mapped
            ? Array.from({ length: size }, (_, j) =>
                k.mem
                  .read8(base + off + i + size - 1 - j)
                  .toString(16)
                  .padStart(2, '0'),
              )
                .join('')
                .replace(/^(.{8})(.{8})$/, '$1`$2')
            : '?'.repeat(size * 2),
        );
        if (size === 1) text.push(mapped ? byteText(k.mem.read8(base + off + i)) : '?');
      }
      lines.push(
        `${address(base + off)}  ${cells.join(' ').padEnd(size === 1 ? 47 : 0)}${size === 1 ? `  ${text.join('')}` : ''}`,
      );
    }
    return lines;
  },
});

export const db = dump('db', 1, 'bytes and characters');
export const dw = dump('dw', 2, '16-bit values');
export const dd = dump('dd', 4, '32-bit values');
export const dq = dump('dq', 8, '64-bit values');

export const da: DebugCommand = {
  name: 'da',
  usage: 'address',
  doc: 'Shows a zero-terminated string of bytes.',
  run: (k, args) => [`"${readAnsiZ(k.mem, parseAddress(k, args[0]), 4096)}"`],
};
export const du: DebugCommand = {
  name: 'du',
  usage: 'address',
  doc: 'Shows a zero-terminated wide string.',
  run: (k, args) => [`"${readWideZ(k.mem, parseAddress(k, args[0]), 4096)}"`],
};
export const dS: DebugCommand = {
  name: 'dS',
  usage: 'address',
  doc: 'Shows a UNICODE_STRING.',
  run: (k, args) => [`"${readUnicodeString(k.mem, parseAddress(k, args[0]))}"`],
};
export const ds: DebugCommand = {
  name: 'ds',
  usage: 'address',
  doc: 'Shows an ANSI_STRING.',
  run: (k, args) => [`"${readAnsiString(k.mem, parseAddress(k, args[0]))}"`],
};

export const dps: DebugCommand = {
  name: 'dps',
  usage: 'address [L count]',
  doc: 'Shows 64-bit values with the symbols that they are the address of.',
  run(k, args) {
    const base = parseAddress(k, args[0]),
      n = count(k, args[1] === 'L' || args[1] === 'l' ? args[2] : args[1], 16);
    return Array.from({ length: n }, (_, i) => {
      const at = base + i * 8,
        value = k.mem.read64(at),
        signed = BigInt.asIntN(64, value);
      const name = BigInt.asIntN(48, signed) === signed ? symbol(k, Number(signed)) : '';
      return `${address(at)}  ${value
        .toString(16)
        .padStart(16, '0')
        .replace(/^(.{8})/, '$1`')}${name.includes('!') ? `  ${name}` : ''}`;
    });
  },
};

export const ln: DebugCommand = {
  name: 'ln',
  usage: 'address',
  doc: 'Shows the symbol nearest to an address.',
  run: (k, args) => [`(${address(parseAddress(k, args[0]))})   ${symbol(k, parseAddress(k, args[0]))}`],
};

export const x: DebugCommand = {
  name: 'x',
  usage: 'module!pattern',
  doc: 'Lists symbols; * stands for any letters.',
  run(k, args) {
    const [module, pattern] = (args[0] ?? '').split('!');
    if (!module || !pattern) throw new CommandError('a pattern is expected, for example: x nt!Ke*Event');
    const wild = (text: string): RegExp =>
      new RegExp(`^${text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*')}$`, 'i');
    const own = [...k.images.symbols].map(([name, at]) => ({
      module: name.split('!')[0]!,
      name: name.split('!')[1]!,
      address: at,
    }));
    const drivers = moduleEntries(k)
      .slice(2)
      .flatMap(e => moduleSymbols(k, e).map(s => ({ module: moduleShortName(k, e), name: s.name, address: s.address })));
    return [...own, ...drivers]
      .filter(s => wild(module).test(s.module) && wild(pattern).test(s.name))
      .sort((a, b) => a.address - b.address)
      .map(s => `${address(s.address)}  ${s.module}!${s.name}`);
  },
};
