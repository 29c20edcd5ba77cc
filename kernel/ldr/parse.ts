import {
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_INVALID_IMAGE_NE_FORMAT,
  STATUS_INVALID_IMAGE_NOT_MZ,
  STATUS_INVALID_IMAGE_PROTECT,
  STATUS_INVALID_IMAGE_WIN_32,
} from '../types/status.ts';
import * as pe from '../types/pe.ts';
import { parseCoffSymbols, type CoffSymbol } from './coff.ts';
import { ImageError } from './error.ts';
import { Reader } from './reader.ts';
import { parseImports, parseLoadConfig, parseRelocations, type ImportedModule, type Relocation } from './directories.ts';

export interface Section {
  name: string;
  /** Offset of its header in the file. */
  header: number;
  rva: number;
  virtualSize: number;
  rawOffset: number;
  rawSize: number;
  characteristics: number;
}

export interface Directory {
  rva: number;
  size: number;
}

/** A PE32+ file, read and checked. Nothing in it refers to a place outside the file or the image any more. */
export interface ParsedImage {
  file: string;
  bytes: Uint8Array;
  machine: number;
  characteristics: number;
  subsystem: number;
  timeDateStamp: number;
  checksum: number;
  dllCharacteristics: number;
  entry: number;
  imageBase: bigint;
  sectionAlignment: number;
  fileAlignment: number;
  sizeOfImage: number;
  sizeOfHeaders: number;
  /** Sections lie in memory as they do in the file: alignment below a page. */
  flat: boolean;
  /** No relocation information: the image works at its base only, unless it is position-independent. */
  relocsStripped: boolean;
  sections: Section[];
  directories: Directory[];
  imports: ImportedModule[];
  relocations: Relocation[];
  /** RVA of `__security_cookie`, or 0. */
  securityCookie: number;
  symbols: CoffSymbol[];
}

const PAGE = 0x1000;
/** Largest image that is accepted: what the address space for drivers could hold a few of. */
const MAX_IMAGE = 0x08000000;

const hex = (n: number): string => `0x${n.toString(16)}`;

const machines: ReadonlyMap<number, string> = new Map([
  [pe.IMAGE_FILE_MACHINE_I386, '32-bit x86'],
  [pe.IMAGE_FILE_MACHINE_ARM64, 'ARM64'],
  [pe.IMAGE_FILE_MACHINE_ARMNT, '32-bit ARM'],
  [pe.IMAGE_FILE_MACHINE_IA64, 'Itanium'],
]);
const subsystems: ReadonlyMap<number, string> = new Map([
  [2, 'a Windows GUI program'],
  [3, 'a Windows console program'],
  [7, 'a POSIX program'],
  [9, 'a Windows CE program'],
  [10, 'an EFI application'],
  [11, 'an EFI boot driver'],
  [12, 'an EFI run-time driver'],
  [16, 'a boot application'],
]);

function parseSections(
  r: Reader,
  table: number,
  count: number,
  image: { sectionAlignment: number; sizeOfImage: number; flat: boolean; sizeOfHeaders: number },
): Section[] {
  const sections: Section[] = [];
  let end = image.flat ? 0 : Math.ceil(image.sizeOfHeaders / image.sectionAlignment) * image.sectionAlignment;
  for (let i = 0; i < count; i++) {
    const h = table + i * 40;
    r.need(h, 40, `header ${i + 1} of ${count} sections`);
    const name = r.text(h, 8);
    const s: Section = {
      name,
      header: h,
      virtualSize: r.u32(h + 8),
      rva: r.u32(h + 12),
      rawSize: r.u32(h + 16),
      rawOffset: r.u32(h + 20),
      characteristics: r.u32(h + 36),
    };
    if (s.rawSize && s.characteristics & pe.IMAGE_SCN_CNT_UNINITIALIZED_DATA && s.rawOffset === 0) s.rawSize = 0;
    if (s.rawSize && s.rawOffset + s.rawSize > r.size)
      r.fail(
        h + 16,
        `section ${name} has ${hex(s.rawSize)} bytes at file offset ${hex(s.rawOffset)}, beyond the end of the file (${hex(r.size)})`,
        'the data of a section inside the file',
      );
    const size = Math.max(s.virtualSize, image.flat ? s.rawSize : 0) || s.rawSize;
    if (s.rva % image.sectionAlignment !== 0 && !image.flat)
      r.fail(
        h + 12,
        `section ${name} starts at RVA ${hex(s.rva)}`,
        `a multiple of the section alignment ${hex(image.sectionAlignment)}`,
      );
    if (image.flat && s.rawSize && s.rva !== s.rawOffset)
      r.fail(
        h + 20,
        `section ${name} is at file offset ${hex(s.rawOffset)} and RVA ${hex(s.rva)}`,
        `equal ones, because the section alignment ${hex(image.sectionAlignment)} is less than a page`,
      );
    if (s.rva < end)
      r.fail(
        h + 12,
        `section ${name} starts at RVA ${hex(s.rva)}`,
        `${hex(end)} or more, where the headers or the section before it end`,
      );
    if (size > image.sizeOfImage || s.rva + size > Math.ceil(image.sizeOfImage / PAGE) * PAGE)
      r.fail(
        h + 8,
        `section ${name} covers RVA ${hex(s.rva)} to ${hex(s.rva + size)}`,
        `sections inside SizeOfImage (${hex(image.sizeOfImage)})`,
      );
    end = image.flat ? s.rva : s.rva + Math.ceil(size / image.sectionAlignment) * image.sectionAlignment;
    sections.push(s);
  }
  return sections;
}

/**
 * Reads and checks an x64 kernel driver (PE32+). Anything that the loader could not map, relocate or bind throws an {@link ImageError} that names the file, the offset and
 * what was expected.
 * @param file name for the messages
 * @param anySubsystem programs and libraries too, not drivers only: for sections of images
 */
export function ldrParse(bytes: Uint8Array, file = 'image', anySubsystem = false): ParsedImage {
  const r = new Reader(bytes, file);
  if (bytes.length < 2 || r.u16(0) !== 0x5a4d)
    r.fail(
      0,
      bytes.length < 2 ? `the file has ${bytes.length} bytes` : `the file starts with ${hex(r.u16(0))}`,
      "the letters 'MZ' (0x5a4d) with which an executable starts",
      STATUS_INVALID_IMAGE_NOT_MZ,
    );
  r.need(0, 64, 'a DOS header');
  const nt = r.u32(0x3c);
  if (nt % 4 !== 0) r.fail(0x3c, `e_lfanew is ${hex(nt)}`, 'a multiple of 4');
  if (nt + 24 > r.size)
    r.fail(
      0x3c,
      `e_lfanew is ${hex(nt)}, but the file has only ${hex(r.size)} bytes`,
      'the offset of a PE header inside the file',
    );
  if (r.u32(nt) !== 0x4550) {
    const ne = r.u16(nt) === 0x454e;
    r.fail(
      nt,
      ne ? "the signature is 'NE' (16-bit Windows)" : `the signature is ${hex(r.u32(nt))}`,
      "'PE\\0\\0' (0x4550)",
      ne ? STATUS_INVALID_IMAGE_NE_FORMAT : STATUS_INVALID_IMAGE_PROTECT,
    );
  }
  const machine = r.u16(nt + 4);
  if (machine !== pe.IMAGE_FILE_MACHINE_AMD64)
    r.fail(
      nt + 4,
      `the machine is ${hex(machine)}${machines.has(machine) ? ` (${machines.get(machine)})` : ''}`,
      'an x64 image (0x8664)',
      machine === pe.IMAGE_FILE_MACHINE_I386 ? STATUS_INVALID_IMAGE_WIN_32 : STATUS_INVALID_IMAGE_FORMAT,
    );
  const sectionCount = r.u16(nt + 6),
    optionalSize = r.u16(nt + 20),
    characteristics = r.u16(nt + 22);
  if (!(characteristics & pe.IMAGE_FILE_EXECUTABLE_IMAGE))
    r.fail(nt + 22, `characteristics ${hex(characteristics)}: not an executable image`, 'a linked image, not an object file');
  const opt = nt + 24;
  if (optionalSize < 112)
    r.fail(nt + 20, `SizeOfOptionalHeader is ${hex(optionalSize)}`, 'at least 0x70, a PE32+ optional header');
  r.need(opt, optionalSize, 'the optional header');
  if (r.u16(opt) !== 0x20b) r.fail(opt, `the optional header's magic is ${hex(r.u16(opt))}`, 'PE32+ (0x20b)');
  const image = {
    file,
    bytes,
    machine,
    characteristics,
    timeDateStamp: r.u32(nt + 8),
    entry: r.u32(opt + 16),
    imageBase: r.u64(opt + 24),
    sectionAlignment: r.u32(opt + 32),
    fileAlignment: r.u32(opt + 36),
    sizeOfImage: r.u32(opt + 56),
    sizeOfHeaders: r.u32(opt + 60),
    checksum: r.u32(opt + 64),
    dllCharacteristics: r.u16(opt + 70),
    subsystem: r.u16(opt + 68),
    flat: r.u32(opt + 32) < PAGE,
    relocsStripped: (characteristics & pe.IMAGE_FILE_RELOCS_STRIPPED) !== 0,
  };
  if (!anySubsystem && image.subsystem !== pe.IMAGE_SUBSYSTEM_NATIVE)
    r.fail(
      opt + 68,
      `the subsystem is ${image.subsystem}${subsystems.has(image.subsystem) ? ` (${subsystems.get(image.subsystem)})` : ''}`,
      'a kernel driver (subsystem 1, native)',
    );
  const powerOf2 = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;
  if (!powerOf2(image.sectionAlignment)) r.fail(opt + 32, `SectionAlignment is ${hex(image.sectionAlignment)}`, 'a power of two');
  if (!powerOf2(image.fileAlignment) || image.fileAlignment > image.sectionAlignment)
    r.fail(
      opt + 36,
      `FileAlignment is ${hex(image.fileAlignment)}`,
      `a power of two up to SectionAlignment (${hex(image.sectionAlignment)})`,
    );
  if (image.sizeOfImage === 0 || image.sizeOfImage > MAX_IMAGE)
    r.fail(opt + 56, `SizeOfImage is ${hex(image.sizeOfImage)}`, `1 to ${hex(MAX_IMAGE)}`);
  if (image.sizeOfHeaders > r.size || image.sizeOfHeaders > image.sizeOfImage)
    r.fail(
      opt + 60,
      `SizeOfHeaders is ${hex(image.sizeOfHeaders)}`,
      `no more than the file (${hex(r.size)}) and SizeOfImage (${hex(image.sizeOfImage)})`,
    );
  if (image.entry >= image.sizeOfImage)
    r.fail(opt + 16, `the entry point is RVA ${hex(image.entry)}`, `an address inside the image (${hex(image.sizeOfImage)})`);
  const directoryCount = Math.min(r.u32(opt + 108), 16);
  if (112 + directoryCount * 8 > optionalSize)
    r.fail(
      opt + 108,
      `${directoryCount} data directories`,
      `as many as SizeOfOptionalHeader (${hex(optionalSize)}) has room for`,
    );
  const table = opt + optionalSize;
  if (table + sectionCount * 40 > image.sizeOfHeaders)
    r.fail(
      nt + 6,
      `${sectionCount} section headers end at ${hex(table + sectionCount * 40)}`,
      `an end inside SizeOfHeaders (${hex(image.sizeOfHeaders)})`,
    );
  const sections = parseSections(r, table, sectionCount, image);

  const directories: Directory[] = [];
  for (let i = 0; i < 16; i++) {
    const at = opt + 112 + i * 8;
    const d = i < directoryCount ? { rva: r.u32(at), size: r.u32(at + 4) } : { rva: 0, size: 0 };
    // The certificate table (4) is not mapped: its address is a file offset.
    if (d.rva && i !== 4 && (d.rva >= image.sizeOfImage || d.rva + d.size > Math.ceil(image.sizeOfImage / PAGE) * PAGE))
      r.fail(
        at,
        `data directory ${i} covers RVA ${hex(d.rva)} to ${hex(d.rva + d.size)}`,
        `a place inside the image (${hex(image.sizeOfImage)})`,
      );
    directories.push(d);
  }
  const parsed: ParsedImage = { ...image, sections, directories, imports: [], relocations: [], securityCookie: 0, symbols: [] };
  if (
    image.entry &&
    !parsed.flat &&
    !sections.some(
      s =>
        image.entry >= s.rva &&
        image.entry < s.rva + Math.max(s.virtualSize, s.rawSize) &&
        s.characteristics & pe.IMAGE_SCN_MEM_EXECUTE,
    )
  )
    r.fail(
      opt + 16,
      `the entry point is RVA ${hex(image.entry)}, which is in no executable section`,
      'the address of DriverEntry in a section with code',
    );
  parsed.imports = parseImports(r, parsed, opt + 112 + 8);
  parsed.relocations = parseRelocations(r, parsed, opt + 112 + 5 * 8);
  parsed.securityCookie = parseLoadConfig(r, parsed);
  parsed.symbols = parseCoffSymbols(r, r.u32(nt + 12), r.u32(nt + 16), sections);
  return parsed;
}

/** Offset in the file of the byte at `rva`, or -1 when it is not in the file (zero-filled, or outside). */
export function fileOffset(image: Pick<ParsedImage, 'sections' | 'flat' | 'sizeOfHeaders' | 'bytes'>, rva: number): number {
  if (image.flat) return rva < image.bytes.length ? rva : -1;
  if (rva < image.sizeOfHeaders) return rva;
  for (const s of image.sections)
    if (rva >= s.rva && rva < s.rva + Math.min(s.rawSize, Math.ceil((s.virtualSize || s.rawSize) / 0x1000) * 0x1000))
      return s.rawOffset + (rva - s.rva);
  return -1;
}

export { ImageError };
