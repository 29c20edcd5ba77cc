/**
 * Drivers' pageable sections: those whose names begin with PAGE, or all of a driver's after MmPageEntireDriver. The handle of a section is its header in the image, and
 * its lock count lies there too, in the field for line numbers, which images no longer use.
 */
import type { Kernel } from '../kernel.ts';
import { moduleOf } from '../ldr/modules.ts';
import { MEMORY_MANAGEMENT } from '../types/bugcodes.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { IMAGE_SCN_MEM_DISCARDABLE } from '../types/pe.ts';
import { PAGE_SIZE, PTE_VALID } from './layout.ts';
import { mmIsPagedOut, mmPageIn, mmSetPageable, PTE_KEY_DRIVER } from './paging.ts';
import { mmGetPte } from './pte.ts';

const L = KLDR_DATA_TABLE_ENTRY.f;

// Fields of the headers (PE format).
const NT_HEADERS = 0x3c,
  SECTION_COUNT = 6,
  OPTIONAL_SIZE = 20,
  OPTIONAL = 24,
  SECTION_ALIGNMENT = OPTIONAL + 32;
const HEADER_SIZE = 40,
  VIRTUAL_SIZE = 8,
  VIRTUAL_ADDRESS = 12,
  RAW_SIZE = 16,
  LOCKS = 28,
  CHARACTERISTICS = 36;

interface Section {
  /** Address of its IMAGE_SECTION_HEADER. */
  header: number;
  start: number;
  pages: number;
}

/** The sections of the image at `base` that have pages of their own and stay. */
function sectionsOf(k: Kernel, base: number, size: number): Section[] {
  const nt = base + k.mem.read32(base + NT_HEADERS);
  const count = k.mem.read16(nt + SECTION_COUNT);
  if (k.mem.read32(nt + SECTION_ALIGNMENT) < PAGE_SIZE) return [];
  const found: Section[] = [];
  for (let i = 0; i < count; i++) {
    const header = nt + OPTIONAL + k.mem.read16(nt + OPTIONAL_SIZE) + i * HEADER_SIZE;
    const rva = k.mem.read32(header + VIRTUAL_ADDRESS);
    const bytes = k.mem.read32(header + VIRTUAL_SIZE) || k.mem.read32(header + RAW_SIZE);
    if (
      rva < PAGE_SIZE ||
      rva % PAGE_SIZE !== 0 ||
      rva >= size ||
      k.mem.read32(header + CHARACTERISTICS) & IMAGE_SCN_MEM_DISCARDABLE
    )
      continue;
    found.push({ header, start: base + rva, pages: Math.ceil(Math.min(bytes, size - rva) / PAGE_SIZE) });
  }
  return found;
}

/** Whether a section's name begins with PAGE. */
const isNamedPage = (k: Kernel, header: number): boolean => k.mem.read32(header) === 0x45474150;

const locksOf = (k: Kernel, header: number): number => k.mem.read32(header + LOCKS);
/** The headers are read-only; the count is written by physical address. */
function setLocks(k: Kernel, header: number, count: number): void {
  k.platform.memory.write32(k.mem.translate(header + LOCKS), count);
}

/** Sets whether a section can be trimmed; when not, all of it is brought in. False when there is no memory for that. */
function setSectionPageable(k: Kernel, s: Section, pageable: boolean): boolean {
  for (let i = 0; i < s.pages; i++) {
    const va = s.start + i * PAGE_SIZE;
    if (!pageable && mmIsPagedOut(k, va) && !mmPageIn(k, va)) return false;
    if (mmGetPte(k, va) & PTE_VALID) mmSetPageable(k, va, pageable ? PTE_KEY_DRIVER : 0n);
  }
  return true;
}

/** A driver was loaded: its PAGE sections can be trimmed, and nothing is locked. */
export function mmMarkPageableSections(k: Kernel, base: number, size: number): void {
  for (const s of sectionsOf(k, base, size)) {
    setLocks(k, s.header, 0);
    if (isNamedPage(k, s.header)) setSectionPageable(k, s, true);
  }
}

const image = (k: Kernel, address: number): { entry: number; base: number; size: number } => {
  const entry = moduleOf(k, address);
  return entry
    ? { entry, base: L.DllBase.get(k.mem, entry), size: L.SizeOfImage.get(k.mem, entry) }
    : { entry: 0, base: 0, size: 0 };
};

function sectionAt(k: Kernel, address: number): Section | undefined {
  const { base, size } = image(k, address);
  return base === 0
    ? undefined
    : sectionsOf(k, base, size).find(s => address >= s.start && address < s.start + s.pages * PAGE_SIZE);
}
function sectionByHandle(k: Kernel, handle: number): Section | undefined {
  const { base, size } = image(k, handle);
  return base === 0 ? undefined : sectionsOf(k, base, size).find(s => s.header === handle);
}

function lock(k: Kernel, s: Section): number {
  const count = locksOf(k, s.header);
  if (count === 0 && !setSectionPageable(k, s, false)) return 0;
  setLocks(k, s.header, count + 1);
  return s.header;
}

const NO_SUCH_SECTION = 0x1234,
  SECTION_NOT_LOCKED = 0x1010;

/** MmLockPagableDataSection: the section that holds `address` becomes resident and stays. Its handle. */
export function mmLockSection(k: Kernel, address: number): number {
  const s = sectionAt(k, address);
  if (!s)
    k.bugCheck(
      MEMORY_MANAGEMENT,
      NO_SUCH_SECTION,
      address,
      1,
      0,
      'the address is not in a section of a driver that could be locked',
    );
  return lock(k, s);
}

/** MmLockPagableSectionByHandle. */
export function mmLockSectionByHandle(k: Kernel, handle: number): void {
  const s = sectionByHandle(k, handle);
  if (!s) k.bugCheck(MEMORY_MANAGEMENT, NO_SUCH_SECTION, handle, 0, 0, 'the handle is not that of a pageable section');
  lock(k, s);
}

/** MmUnlockPagableImageSection: with the last lock the section is what it was before: pageable by its name, or because all of the driver is. */
export function mmUnlockSection(k: Kernel, handle: number): void {
  const s = sectionByHandle(k, handle);
  if (!s) k.bugCheck(MEMORY_MANAGEMENT, NO_SUCH_SECTION, handle, 0, 0, 'the handle is not that of a pageable section');
  const count = locksOf(k, handle);
  if (count === 0)
    k.bugCheck(MEMORY_MANAGEMENT, SECTION_NOT_LOCKED, handle, 0, 0, 'a pageable section is unlocked that is not locked');
  setLocks(k, handle, count - 1);
  if (count === 1 && (isNamedPage(k, handle) || isEntirelyPaged(k, handle))) setSectionPageable(k, s, true);
}

/** KLDR_DATA_TABLE_ENTRY.Flags of a driver that MmPageEntireDriver was called for. Ours: NT has no such flag in the entry. */
const LDRP_ENTIRELY_PAGED = 0x10;
const isEntirelyPaged = (k: Kernel, address: number): boolean => {
  const { entry } = image(k, address);
  return entry !== 0 && (L.Flags.get(k.mem, entry) & LDRP_ENTIRELY_PAGED) !== 0;
};

/** MmPageEntireDriver: every section that is not locked can be trimmed. Base of the image, 0 for an address in no driver. */
export function mmPageEntireDriver(k: Kernel, address: number): number {
  const { entry, base, size } = image(k, address);
  if (!entry) return 0;
  L.Flags.set(k.mem, entry, L.Flags.get(k.mem, entry) | LDRP_ENTIRELY_PAGED);
  for (const s of sectionsOf(k, base, size)) if (locksOf(k, s.header) === 0) setSectionPageable(k, s, true);
  return base;
}

/** MmResetDriverPaging: sections are pageable by their names again; the others are brought in. Nothing happens without MmPageEntireDriver before. */
export function mmResetDriverPaging(k: Kernel, address: number): void {
  const { entry, base, size } = image(k, address);
  if (!isEntirelyPaged(k, address)) return;
  L.Flags.set(k.mem, entry, L.Flags.get(k.mem, entry) & ~LDRP_ENTIRELY_PAGED);
  for (const s of sectionsOf(k, base, size)) if (!isNamedPage(k, s.header)) setSectionPageable(k, s, false);
}
