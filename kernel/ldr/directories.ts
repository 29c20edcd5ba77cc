import {
  IMAGE_DIRECTORY_ENTRY_BASERELOC,
  IMAGE_DIRECTORY_ENTRY_IMPORT,
  IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG,
  IMAGE_REL_BASED_ABSOLUTE,
  IMAGE_REL_BASED_DIR64,
  IMAGE_REL_BASED_HIGH,
  IMAGE_REL_BASED_HIGHLOW,
  IMAGE_REL_BASED_LOW,
  LOAD_CONFIG_SECURITY_COOKIE,
} from '../types/pe.ts';
import { fileOffset, type ParsedImage } from './parse.ts';
import type { Reader } from './reader.ts';

export interface ImportedSymbol {
  /** Null for an import by ordinal. */
  name: string | null;
  ordinal: number;
  /** Where the address is to be stored. */
  iatRva: number;
}
export interface ImportedModule {
  /** As the image says it: `ntoskrnl.exe`. */
  module: string;
  symbols: ImportedSymbol[];
}
export interface Relocation {
  rva: number;
  type: number;
}

const hex = (n: number): string => `0x${n.toString(16)}`;
const MAX_IMPORTS = 16384;

/** File offset of `rva`, which something at file offset `from` refers to. */
function locate(r: Reader, image: ParsedImage, rva: number, from: number, what: string): number {
  const at = rva < image.sizeOfImage ? fileOffset(image, rva) : -1;
  if (at < 0) r.fail(from, `${what} is at RVA ${hex(rva)}, which no section has in the file`, 'the RVA of data in a section');
  return at;
}

function importName(r: Reader, at: number, what: string): string {
  const name = r.text(at, 512);
  if (name.length === 0 || name.length === 512 || !/^[\x21-\x7e]+$/.test(name))
    r.fail(at, `${what} is not a name`, 'a printable zero-terminated name of less than 512 characters');
  return name;
}

/** Import directory: for each module the names and where their addresses go. */
export function parseImports(r: Reader, image: ParsedImage, entry: number): ImportedModule[] {
  const d = image.directories[IMAGE_DIRECTORY_ENTRY_IMPORT]!;
  const modules: ImportedModule[] = [];
  if (!d.rva || !d.size) return modules;
  let total = 0;
  let at = locate(r, image, d.rva, entry, 'the import directory');
  for (; ; at += 20) {
    r.need(at, 20, 'an import descriptor');
    const lookupRva = r.u32(at),
      nameRva = r.u32(at + 12),
      iatRva = r.u32(at + 16);
    if (!nameRva && !iatRva) return modules;
    const module = importName(
      r,
      locate(r, image, nameRva, at + 12, 'the name of an imported module'),
      'the name of an imported module',
    );
    const symbols: ImportedSymbol[] = [];
    const lookup = lookupRva || iatRva;
    let thunk = locate(r, image, lookup, lookupRva ? at : at + 16, `the import list of ${module}`);
    for (let i = 0; ; i++, thunk += 8) {
      const value = r.u64(thunk);
      if (value === 0n) break;
      const place = iatRva + i * 8;
      // Nothing asks for alignment: linkers of other makers than Microsoft leave the table where the section's parts end.
      if (place + 8 > image.sizeOfImage)
        r.fail(
          at + 16,
          `the import address table of ${module} is at RVA ${hex(iatRva)}`,
          `a place inside the image (${hex(image.sizeOfImage)}) for all its entries`,
        );
      if (++total > MAX_IMPORTS) r.fail(thunk, `more than ${MAX_IMPORTS} imports`, 'a zero that ends the import list');
      if (value >> 63n) {
        symbols.push({ name: null, ordinal: Number(value & 0xffffn), iatRva: place });
        continue;
      }
      if (value > 0x7fffffffn)
        r.fail(thunk, `import ${i + 1} of ${module} is 0x${value.toString(16)}`, 'an ordinal (bit 63) or the RVA of a name');
      const name = locate(r, image, Number(value), thunk, `the name of import ${i + 1} of ${module}`);
      symbols.push({ name: importName(r, name + 2, `import ${i + 1} of ${module}`), ordinal: r.u16(name), iatRva: place });
    }
    modules.push({ module, symbols });
  }
}

/** Base relocations: places that hold an absolute address. */
export function parseRelocations(r: Reader, image: ParsedImage, entry: number): Relocation[] {
  const d = image.directories[IMAGE_DIRECTORY_ENTRY_BASERELOC]!;
  const list: Relocation[] = [];
  if (!d.rva || !d.size) return list;
  let at = locate(r, image, d.rva, entry, 'the relocation directory');
  const end = at + d.size;
  while (at + 8 <= end) {
    r.need(at, 8, 'a relocation block');
    const page = r.u32(at),
      size = r.u32(at + 4);
    if (page === 0 && size === 0) break;
    if (size < 8 || size % 2 !== 0 || at + size > end)
      r.fail(
        at + 4,
        `a relocation block of ${hex(size)} bytes`,
        `8 or more, even, and inside the directory (${hex(end - at)} bytes are left)`,
      );
    r.need(at, size, 'a relocation block');
    for (let i = 8; i < size; i += 2) {
      const value = r.u16(at + i);
      const type = value >>> 12,
        rva = page + (value & 0xfff);
      if (type === IMAGE_REL_BASED_ABSOLUTE) continue;
      const width =
        type === IMAGE_REL_BASED_DIR64
          ? 8
          : type === IMAGE_REL_BASED_HIGHLOW
            ? 4
            : type === IMAGE_REL_BASED_HIGH || type === IMAGE_REL_BASED_LOW
              ? 2
              : 0;
      if (!width) r.fail(at + i, `a relocation of type ${type}`, 'DIR64 (10), HIGHLOW (3), HIGH (1), LOW (2) or ABSOLUTE (0)');
      if (rva + width > image.sizeOfImage)
        r.fail(at + i, `a relocation of RVA ${hex(rva)}`, `an address inside the image (${hex(image.sizeOfImage)})`);
      list.push({ rva, type });
    }
    at += size;
  }
  return list;
}

/** RVA of the security cookie that the load configuration names, or 0. */
export function parseLoadConfig(r: Reader, image: ParsedImage): number {
  const d = image.directories[IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG]!;
  if (!d.rva) return 0;
  const at = fileOffset(image, d.rva);
  if (at < 0 || at + LOAD_CONFIG_SECURITY_COOKIE + 8 > r.size || r.u32(at) < LOAD_CONFIG_SECURITY_COOKIE + 8) return 0;
  const cookie = r.u64(at + LOAD_CONFIG_SECURITY_COOKIE);
  if (cookie === 0n) return 0;
  const rva = cookie - image.imageBase;
  if (rva < 0n || rva + 8n > BigInt(image.sizeOfImage))
    r.fail(
      at + LOAD_CONFIG_SECURITY_COOKIE,
      `the security cookie is at address 0x${cookie.toString(16)}`,
      `an address inside the image at 0x${image.imageBase.toString(16)}`,
    );
  return Number(rva);
}
