import { highHalf } from '../../hal/bus/memory.ts';
/** Writes PE32+ images ("PE Format", Microsoft Learn). Section and file alignment are a page, so an image's file is what is mapped. */

export interface SectionSpec {
  name: string;
  data: Uint8Array;
  /** IMAGE_SCN_* */
  characteristics: number;
}

export interface PeSpec {
  base: number;
  entry: number;
  sections: readonly SectionSpec[];
  exportDirectory: { rva: number; size: number };
  exceptionDirectory: { rva: number; size: number };
}

export const SCN_CODE = 0x60000020;
export const SCN_RDATA = 0x40000040;
export const SCN_DATA = 0xc0000040;

export const pageRound = (n: number): number => Math.ceil(n / 0x1000) * 0x1000;

/** RVAs that the sections will have, in order. */
export function sectionRvas(sizes: readonly number[]): number[] {
  const rvas: number[] = [];
  let rva = 0x1000;
  for (const size of sizes) {
    rvas.push(rva);
    rva += pageRound(Math.max(size, 1));
  }
  return rvas;
}

/** IMAGE_OPTIONAL_HEADER.CheckSum as ImageHlp computes it: 16-bit one's complement sum of the file plus its length. */
function peChecksum(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let sum = 0;
  for (let i = 0; i + 1 < file.length; i += 2) {
    sum += view.getUint16(i, true);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ((sum & 0xffff) + (sum >>> 16) + file.length) >>> 0;
}

/** The image as a file, which is also how it is mapped: every section lies at its RVA. */
export function writePe(spec: PeSpec): Uint8Array {
  const rvas = sectionRvas(spec.sections.map(s => s.data.length));
  const last = spec.sections.length - 1;
  const imageSize = rvas[last]! + pageRound(spec.sections[last]!.data.length);
  const file = new Uint8Array(imageSize);
  const v = new DataView(file.buffer);
  const PE = 0x80;
  v.setUint16(0, 0x5a4d, true);
  v.setUint32(0x3c, PE, true);
  v.setUint32(PE, 0x4550, true);
  v.setUint16(PE + 4, 0x8664, true);
  v.setUint16(PE + 6, spec.sections.length, true);
  v.setUint32(PE + 8, 0x5f000000, true);
  v.setUint16(PE + 20, 0xf0, true);
  v.setUint16(PE + 22, 0x2022, true); // executable, large address aware, DLL
  const o = PE + 24;
  const sum = (wanted: number): number =>
    spec.sections.reduce((n, s) => n + (s.characteristics & wanted ? pageRound(s.data.length) : 0), 0);
  v.setUint16(o, 0x20b, true);
  v.setUint8(o + 2, 14);
  v.setUint32(o + 4, sum(0x20), true);
  v.setUint32(o + 8, sum(0x40), true);
  v.setUint32(o + 16, spec.entry, true);
  v.setUint32(o + 20, 0x1000, true);
  v.setUint32(o + 24, spec.base >>> 0, true);
  v.setUint32(o + 28, highHalf(spec.base), true);
  v.setUint32(o + 32, 0x1000, true);
  v.setUint32(o + 36, 0x1000, true);
  for (const at of [40, 44, 48]) v.setUint16(o + at, 10, true); // OS, image and subsystem version 10.0
  v.setUint32(o + 56, imageSize, true);
  v.setUint32(o + 60, 0x1000, true);
  v.setUint16(o + 68, 1, true); // native
  v.setUint16(o + 70, 0x0160, true); // NX compatible, dynamic base, high-entropy VA
  v.setUint32(o + 72, 0x80000, true);
  v.setUint32(o + 80, 0x1000, true);
  v.setUint32(o + 88, 0x100000, true);
  v.setUint32(o + 96, 0x1000, true);
  v.setUint32(o + 108, 16, true);
  v.setUint32(o + 112, spec.exportDirectory.rva, true);
  v.setUint32(o + 116, spec.exportDirectory.size, true);
  v.setUint32(o + 112 + 3 * 8, spec.exceptionDirectory.rva, true);
  v.setUint32(o + 116 + 3 * 8, spec.exceptionDirectory.size, true);
  spec.sections.forEach((s, i) => {
    const h = o + 0xf0 + i * 40;
    for (let j = 0; j < s.name.length; j++) file[h + j] = s.name.charCodeAt(j);
    v.setUint32(h + 8, s.data.length, true);
    v.setUint32(h + 12, rvas[i]!, true);
    v.setUint32(h + 16, pageRound(s.data.length), true);
    v.setUint32(h + 20, rvas[i]!, true);
    v.setUint32(h + 36, s.characteristics >>> 0, true);
    file.set(s.data, rvas[i]!);
  });
  v.setUint32(o + 64, peChecksum(file), true);
  return file;
}

export interface ExportEntry {
  name: string;
  /** RVA, or the name that a forwarder gives (`hal.KeStallExecutionProcessor`). */
  target: number | string;
}

/** An export directory at `rva`: names sorted as the loader's binary search needs them, ordinals from 1 in that order. */
export function writeExportDirectory(moduleName: string, entries: readonly ExportEntry[], rva: number): Uint8Array {
  const byName = (a: ExportEntry, b: ExportEntry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  const sorted = [...entries].sort(byName);
  const n = sorted.length;
  const functions = 40,
    names = functions + n * 4,
    ordinals = names + n * 4;
  let strings = ordinals + n * 2;
  const texts: { at: number; text: string }[] = [];
  const place = (text: string): number => {
    const at = strings;
    texts.push({ at, text });
    strings += text.length + 1;
    return rva + at;
  };
  const moduleRva = place(moduleName);
  const rows = sorted.map(e => ({ name: place(e.name), target: typeof e.target === 'number' ? e.target : place(e.target) }));
  const out = new Uint8Array(strings);
  const v = new DataView(out.buffer);
  v.setUint32(12, moduleRva, true);
  v.setUint32(16, 1, true);
  v.setUint32(20, n, true);
  v.setUint32(24, n, true);
  v.setUint32(28, rva + functions, true);
  v.setUint32(32, rva + names, true);
  v.setUint32(36, rva + ordinals, true);
  rows.forEach((r, i) => {
    v.setUint32(functions + i * 4, r.target, true);
    v.setUint32(names + i * 4, r.name, true);
    v.setUint16(ordinals + i * 2, i, true);
  });
  for (const t of texts) for (let j = 0; j < t.text.length; j++) out[t.at + j] = t.text.charCodeAt(j);
  return out;
}
