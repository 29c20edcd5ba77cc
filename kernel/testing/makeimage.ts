/** Builds small PE32+ files for the loader's tests, field by field, so that each can be made wrong. */

export interface TestSection {
  name: string;
  rva: number;
  data: Uint8Array;
  virtualSize?: number;
  characteristics: number;
}

export interface TestImage {
  machine?: number;
  characteristics?: number;
  magic?: number;
  subsystem?: number;
  imageBase?: bigint;
  entry?: number;
  sectionAlignment?: number;
  fileAlignment?: number;
  sizeOfImage?: number;
  directories?: { readonly [index: number]: readonly [rva: number, size: number] };
  sections: readonly TestSection[];
}

export const CODE = 0x60000020,
  DATA = 0xc0000040,
  RDATA = 0x40000040,
  INIT = 0x62000020;

/** Offset of the PE signature in the files made here. */
export const NT = 0x80;
/** Offset of the optional header. */
export const OPT = NT + 24;
export const SECTION_TABLE = OPT + 0xf0;

/** A file. With a section alignment below a page, sections lie at their RVA in the file. */
export function makeImage(spec: TestImage): Uint8Array {
  const alignment = spec.sectionAlignment ?? 0x1000,
    fileAlignment = spec.fileAlignment ?? (alignment < 0x1000 ? alignment : 0x200);
  const up = (n: number, to: number): number => Math.ceil(n / to) * to;
  const headers = up(SECTION_TABLE + spec.sections.length * 40, fileAlignment);
  let offset = headers;
  const placed = spec.sections.map(s => {
    const at = alignment < 0x1000 ? s.rva : offset;
    offset = Math.max(offset, at) + up(s.data.length, fileAlignment);
    return { ...s, at };
  });
  const last = spec.sections[spec.sections.length - 1]!;
  const sizeOfImage = spec.sizeOfImage ?? up(last.rva + Math.max(last.virtualSize ?? 0, last.data.length), alignment);
  const file = new Uint8Array(Math.max(offset, ...placed.map(s => s.at + s.data.length)));
  const v = new DataView(file.buffer);
  v.setUint16(0, 0x5a4d, true);
  v.setUint32(0x3c, NT, true);
  v.setUint32(NT, 0x4550, true);
  v.setUint16(NT + 4, spec.machine ?? 0x8664, true);
  v.setUint16(NT + 6, spec.sections.length, true);
  v.setUint16(NT + 20, 0xf0, true);
  v.setUint16(NT + 22, spec.characteristics ?? 0x22, true);
  v.setUint16(OPT, spec.magic ?? 0x20b, true);
  v.setUint32(OPT + 16, spec.entry ?? 0x1000, true);
  v.setBigUint64(OPT + 24, spec.imageBase ?? 0x140000000n, true);
  v.setUint32(OPT + 32, alignment, true);
  v.setUint32(OPT + 36, fileAlignment, true);
  v.setUint32(OPT + 56, sizeOfImage, true);
  v.setUint32(OPT + 60, headers, true);
  v.setUint16(OPT + 68, spec.subsystem ?? 1, true);
  v.setUint32(OPT + 108, 16, true);
  for (const [index, [rva, size]] of Object.entries(spec.directories ?? {})) {
    v.setUint32(OPT + 112 + Number(index) * 8, rva, true);
    v.setUint32(OPT + 116 + Number(index) * 8, size, true);
  }
  placed.forEach((s, i) => {
    const h = SECTION_TABLE + i * 40;
    for (let c = 0; c < Math.min(8, s.name.length); c++) file[h + c] = s.name.charCodeAt(c);
    v.setUint32(h + 8, s.virtualSize ?? s.data.length, true);
    v.setUint32(h + 12, s.rva, true);
    v.setUint32(h + 16, up(s.data.length, fileAlignment), true);
    v.setUint32(h + 20, s.at, true);
    v.setUint32(h + 36, s.characteristics, true);
    file.set(s.data, s.at);
  });
  return file;
}

/** Import directory for one module at `rva`: descriptors, lookup table, address table, names. */
export function importSection(
  rva: number,
  module: string,
  routines: readonly (string | number)[],
): { data: Uint8Array; iat: number } {
  const lookup = 40,
    table = (routines.length + 1) * 8,
    iat = lookup + table,
    names = iat + table;
  const bytes = new Uint8Array(0x1000);
  const v = new DataView(bytes.buffer);
  let at = names;
  const put = (text: string): number => {
    const start = at;
    for (const c of text) bytes[at++] = c.charCodeAt(0);
    at += 2;
    return start;
  };
  v.setUint32(0, rva + lookup, true);
  v.setUint32(12, rva + put(module), true);
  v.setUint32(16, rva + iat, true);
  routines.forEach((r, i) => {
    let value: bigint;
    if (typeof r === 'number') value = (1n << 63n) | BigInt(r);
    else {
      at += at & 1;
      at += 2; // hint
      value = BigInt(rva + put(r) - 2);
    }
    v.setBigUint64(lookup + i * 8, value, true);
    v.setBigUint64(iat + i * 8, value, true);
  });
  return { data: bytes, iat: rva + iat };
}

/** A relocation block. */
export function relocationBlock(page: number, entries: readonly (readonly [type: number, offset: number])[]): Uint8Array {
  const bytes = new Uint8Array(8 + entries.length * 2);
  const v = new DataView(bytes.buffer);
  v.setUint32(0, page, true);
  v.setUint32(4, bytes.length, true);
  entries.forEach(([type, offset], i) => v.setUint16(8 + i * 2, (type << 12) | offset, true));
  return bytes;
}
