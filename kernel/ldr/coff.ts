import type { Section } from './parse.ts';
import type { Reader } from './reader.ts';

/** A symbol of the COFF symbol table that gcc and clang leave in images (PE specification, "COFF symbol table"). */
export interface CoffSymbol {
  rva: number;
  name: string;
}

const EXTERNAL = 2,
  STATIC = 3;
const ENTRY = 18;

/** Functions and variables of the symbol table, ascending by address; at one address functions come last, so that they win over the linker's own marks. A table that lies outside the file is as good as none: only names are lost. */
export function parseCoffSymbols(r: Reader, at: number, count: number, sections: readonly Section[]): CoffSymbol[] {
  if (!at || !count || count > 1 << 20 || at + count * ENTRY > r.size) return [];
  const strings = at + count * ENTRY;
  const list: (CoffSymbol & { isFunction: boolean })[] = [];
  for (let i = 0; i < count; i++) {
    const e = at + i * ENTRY;
    const section = r.u16(e + 12),
      type = r.u16(e + 14),
      storage = r.u8(e + 16);
    const auxiliary = r.u8(e + 17);
    const isFunction = type >>> 4 === 2;
    if (
      (storage === EXTERNAL || (storage === STATIC && (isFunction || auxiliary === 0))) &&
      section >= 1 &&
      section <= sections.length
    ) {
      const name = r.u32(e) === 0 ? r.text(strings + r.u32(e + 4), 256) : r.text(e, 8);
      if (name && !name.startsWith('.')) list.push({ rva: sections[section - 1]!.rva + r.u32(e + 8), name, isFunction });
    }
    i += auxiliary;
  }
  return list
    .sort((a, b) => a.rva - b.rva || Number(a.isFunction) - Number(b.isFunction) || (a.name < b.name ? -1 : 1))
    .map(({ rva, name }) => ({ rva, name }));
}
