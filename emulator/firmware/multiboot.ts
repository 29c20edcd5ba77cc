/**
 * Multiboot images (Multiboot Specification 0.6.96): finding the header, and where the parts of the image go. Three kinds are taken: ELF32, ELF64 whose entry lies below
 * 4 GiB, and anything whose header says itself where it goes (the "a.out kludge", flag bit 16).
 */

/** A file that cannot be booted; the message says what is wrong with it and where. */
export class BootImageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BootImageError';
  }
}

export interface BootSegment {
  /** Physical address. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes of memory that it takes; what lies behind `bytes` is zeroed. */
  readonly size: number;
}

export interface BootImage {
  readonly kind: 'ELF32' | 'ELF64' | 'header';
  /** Physical address of the first instruction. */
  readonly entry: number;
  /** In the order of their addresses. */
  readonly segments: readonly BootSegment[];
  /** Modules must start on a page boundary (header flag 0). */
  readonly alignModules: boolean;
}

const HEADER_MAGIC = 0x1badb002;
/** The header lies wholly in the first 8,192 bytes (3.1). */
const HEADER_SEARCH = 8192;
const FLAG_ALIGN_MODULES = 1,
  FLAG_VIDEO = 4,
  FLAG_ADDRESSES = 0x10000;
/** Flag bits 0 to 15 are requirements: a loader that does not know one must refuse. */
const KNOWN_REQUIREMENTS = 7;
const FOUR_GIB = 2 ** 32;
const PT_LOAD = 1,
  EM_386 = 3,
  EM_X86_64 = 62;

/** Reads a multiboot 1 image. Throws a {@link BootImageError} that names the file, the offset, and what was expected there. */
export function parseMultiboot(file: string, bytes: Uint8Array): BootImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = findHeader(view);
  if (header < 0) {
    throw new BootImageError(
      `${file}: not a multiboot image: there is no multiboot 1 header (1BADB002, flags, checksum) in its first ${HEADER_SEARCH} bytes${hint(view)}`,
    );
  }
  const flags = view.getUint32(header + 4, true);
  const unknown = flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown !== 0)
    throw new BootImageError(
      `${file}: the multiboot header at offset ${header} requires features 0x${unknown.toString(16)}, which this loader does not know`,
    );
  if (flags & FLAG_VIDEO)
    throw new BootImageError(`${file}: the multiboot header at offset ${header} requires a video mode; there is no display`);
  const parts = flags & FLAG_ADDRESSES ? byHeader(file, bytes, view, header) : byElf(file, bytes, view);
  return { ...parts, alignModules: (flags & FLAG_ALIGN_MODULES) !== 0 };
}

function findHeader(view: DataView): number {
  for (let at = 0; at + 12 <= Math.min(HEADER_SEARCH, view.byteLength); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % FOUR_GIB === 0) return at;
  }
  return -1;
}

/** What the file is instead, if that can be told. */
function hint(view: DataView): string {
  if (view.byteLength >= 2 && view.getUint16(0) === 0x4d5a)
    return '; it is a DOS or Windows program (a driver is run with kmode run)';
  for (let at = 0; at + 16 <= Math.min(32768, view.byteLength); at += 8)
    if (view.getUint32(at, true) === 0xe85250d6)
      return `; it has a multiboot 2 header at offset ${at}, which is another protocol`;
  return '';
}

/** Load addresses from the header itself (3.1.3). */
function byHeader(file: string, bytes: Uint8Array, view: DataView, header: number): Omit<BootImage, 'alignModules'> {
  if (header + 32 > view.byteLength) throw new BootImageError(`${file}: the multiboot header at offset ${header} is cut off`);
  const field = (offset: number): number => view.getUint32(header + offset, true);
  const headerAddress = field(12),
    load = field(16),
    loadEnd = field(20),
    bssEnd = field(24),
    entry = field(28);
  const start = header - (headerAddress - load);
  if (load > headerAddress || start < 0)
    throw new BootImageError(
      `${file}: the multiboot header says load_addr 0x${load.toString(16)} and header_addr 0x${headerAddress.toString(16)}, which would begin before the file does`,
    );
  const length = loadEnd === 0 ? bytes.length - start : loadEnd - load;
  if (length < 0 || start + length > bytes.length)
    throw new BootImageError(
      `${file}: the multiboot header asks for ${length} bytes from offset ${start}; the file has ${bytes.length} bytes`,
    );
  const size = Math.max(length, bssEnd === 0 ? 0 : bssEnd - load);
  const segment = { address: load, bytes: bytes.subarray(start, start + length), size };
  mustLieIn(file, entry, [segment]);
  return { kind: 'header', entry, segments: [segment] };
}

function byElf(file: string, bytes: Uint8Array, view: DataView): Omit<BootImage, 'alignModules'> {
  const size = bytes.length;
  const need = (end: number, what: string): void => {
    if (end > size) throw new BootImageError(`${file}: truncated: ${what} ends at offset ${end}; the file has ${size} bytes`);
  };
  need(52, 'the ELF header');
  if (view.getUint32(0) !== 0x7f454c46)
    throw new BootImageError(
      `${file}: neither an ELF file nor a multiboot header with load addresses (flag 16): there is no telling where it goes`,
    );
  const wide = bytes[4] === 2;
  if ((bytes[4] !== 1 && !wide) || bytes[5] !== 1)
    throw new BootImageError(
      `${file}: ELF class ${bytes[4]}, data encoding ${bytes[5]}; a little-endian file of 32 or 64 bits expected`,
    );
  if (wide) need(64, 'the ELF header');
  const machine = view.getUint16(18, true);
  if (machine !== EM_386 && machine !== EM_X86_64)
    throw new BootImageError(`${file}: an ELF file for machine ${machine}; 3 (i386) or 62 (x86-64) expected`);
  const word = (at: number): number => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
  // Virtual addresses of a kernel that is linked high do not fit into a double.
  const virtual = (at: number): bigint => (wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true)));
  const virtualEntry = virtual(24),
    table = word(wide ? 32 : 28),
    entrySize = view.getUint16(wide ? 54 : 42, true),
    count = view.getUint16(wide ? 56 : 44, true);
  if (count > 0 && entrySize < (wide ? 56 : 32))
    throw new BootImageError(`${file}: program headers of ${entrySize} bytes; at least ${wide ? 56 : 32} expected`);
  need(table + count * entrySize, 'the program header table');
  const segments: (BootSegment & { virtual: bigint })[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const [offset, address, stored, inMemory] = wide
      ? [word(at + 8), word(at + 24), word(at + 32), word(at + 40)]
      : [word(at + 4), word(at + 12), word(at + 16), word(at + 20)];
    if (inMemory === 0) continue;
    need(offset + stored, `segment ${i}`);
    if (stored > inMemory)
      throw new BootImageError(`${file}: segment ${i} has ${stored} bytes in the file and ${inMemory} in memory`);
    if (address + inMemory > FOUR_GIB)
      throw new BootImageError(`${file}: segment ${i} goes to 0x${address.toString(16)}; multiboot loads below 4 GiB`);
    segments.push({
      address,
      bytes: bytes.subarray(offset, offset + stored),
      size: inMemory,
      virtual: virtual(at + (wide ? 16 : 8)),
    });
  }
  if (segments.length === 0) throw new BootImageError(`${file}: an ELF file with nothing to load`);
  // The entry is a virtual address. Where a segment is linked somewhere else than it is loaded, its physical one is meant: paging is off.
  const home = segments.find(s => virtualEntry >= s.virtual && virtualEntry < s.virtual + BigInt(s.size));
  const entry = home === undefined ? Number(virtualEntry) : Number(virtualEntry - home.virtual) + home.address;
  if (entry >= FOUR_GIB)
    throw new BootImageError(
      `${file}: a 64-bit entry point, 0x${entry.toString(16)}; multiboot starts 32-bit code below 4 GiB (objcopy -O elf32-i386 makes such a file)`,
    );
  segments.sort((a, b) => a.address - b.address);
  for (let i = 1; i < segments.length; i++)
    if (segments[i].address < segments[i - 1].address + segments[i - 1].size)
      throw new BootImageError(`${file}: two segments overlap at 0x${segments[i].address.toString(16)}`);
  mustLieIn(file, entry, segments);
  return { kind: wide ? 'ELF64' : 'ELF32', entry, segments };
}

function mustLieIn(file: string, entry: number, segments: readonly BootSegment[]): void {
  if (!segments.some(s => entry >= s.address && entry < s.address + s.size))
    throw new BootImageError(`${file}: the entry point 0x${entry.toString(16)} lies in nothing that is loaded`);
}
