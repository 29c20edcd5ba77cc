import type { Kernel } from '../kernel.ts';
import { DRIVER_IMAGES_BASE, DRIVER_IMAGES_END, PAGE_SIZE, PTE_NO_EXECUTE, PTE_WRITE } from '../mm/layout.ts';
import { mmAllocatePage, mmFreePage } from '../mm/pfn.ts';
import { mmReleasePage } from '../mm/paging.ts';
import { mmFreeEmptyTables, mmMapPage, mmProtectPage } from '../mm/pte.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import {
  DEFAULT_SECURITY_COOKIE,
  IMAGE_REL_BASED_DIR64,
  IMAGE_REL_BASED_HIGH,
  IMAGE_REL_BASED_HIGHLOW,
  IMAGE_SCN_MEM_DISCARDABLE,
  IMAGE_SCN_MEM_EXECUTE,
  IMAGE_SCN_MEM_WRITE,
} from '../types/pe.ts';
import { moduleEntries } from './modules.ts';
import type { ParsedImage } from './parse.ts';

/** Placing an image in memory: address space, pages, contents, relocation, protection. */

const L = KLDR_DATA_TABLE_ENTRY.f;
/** Images start at multiples of this. */
const GRANULARITY = 0x10000;
const up = (n: number, to: number): number => Math.ceil(n / to) * to;

/** The image's content in memory at its preferred base: headers and sections, zeros between. */
export function layImageOut(image: ParsedImage): Uint8Array {
  const out = new Uint8Array(up(image.sizeOfImage, PAGE_SIZE));
  if (image.flat) {
    out.set(image.bytes.subarray(0, Math.min(image.bytes.length, out.length)));
    for (const s of image.sections) if (s.virtualSize > s.rawSize) out.fill(0, s.rva + s.rawSize, s.rva + s.virtualSize);
    return out;
  }
  out.set(image.bytes.subarray(0, image.sizeOfHeaders));
  for (const s of image.sections) {
    const size = Math.min(s.rawSize, up(s.virtualSize || s.rawSize, PAGE_SIZE), out.length - s.rva);
    out.set(image.bytes.subarray(s.rawOffset, s.rawOffset + size), s.rva);
  }
  return out;
}

/** Adds the distance from the preferred base to every absolute address. `base` is the real one, unsigned 64 bits. */
export function relocate(image: ParsedImage, content: Uint8Array, base: bigint): void {
  const delta = BigInt.asUintN(64, base - image.imageBase);
  if (delta === 0n) return;
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const low = Number(delta & 0xffffffffn);
  for (const { rva, type } of image.relocations) {
    if (type === IMAGE_REL_BASED_DIR64) view.setBigUint64(rva, BigInt.asUintN(64, view.getBigUint64(rva, true) + delta), true);
    else if (type === IMAGE_REL_BASED_HIGHLOW) view.setUint32(rva, (view.getUint32(rva, true) + low) >>> 0, true);
    else view.setUint16(rva, view.getUint16(rva, true) + (type === IMAGE_REL_BASED_HIGH ? low >>> 16 : low & 0xffff), true);
  }
}

/** Address space for `size` bytes among the driver images; 0 when there is none. Addresses of unloaded drivers are used again only when the region has been used up once. */
export function reserveImageSpace(k: Kernel, size: number): number {
  const loaded = moduleEntries(k)
    .map(e => ({ start: L.DllBase.get(k.mem, e), end: L.DllBase.get(k.mem, e) + up(L.SizeOfImage.get(k.mem, e), GRANULARITY) }))
    .sort((a, b) => a.start - b.start);
  for (const start of [k.global.get('MmDriverImageHint'), DRIVER_IMAGES_BASE]) {
    let at = start;
    for (const m of loaded) if (m.end > at && m.start < at + size) at = m.end;
    if (at + size <= DRIVER_IMAGES_END) {
      k.global.set('MmDriverImageHint', at + up(size, GRANULARITY));
      return at;
    }
  }
  return 0;
}

/** Maps `content` at `base` into fresh pages. False, with nothing mapped, when RAM runs out. */
export function mapContent(k: Kernel, base: number, content: Uint8Array): boolean {
  for (let at = 0; at < content.length; at += PAGE_SIZE) {
    const pfn = mmAllocatePage(k, false);
    if (pfn >= 0) {
      k.platform.memory.writeBytes(pfn * PAGE_SIZE, content.subarray(at, at + PAGE_SIZE));
      if (mmMapPage(k, base + at, pfn, PTE_WRITE)) continue;
      mmFreePage(k, pfn);
    }
    releaseImageSpace(k, base, at + 1);
    return false;
  }
  return true;
}

/** Gives an image's address space back: its pages, and page tables that nothing else uses. */
export function releaseImageSpace(k: Kernel, base: number, size: number): void {
  unmapRange(k, base, size);
  mmFreeEmptyTables(k, base, size);
}

/** Unmaps and frees the pages of [base, base + size) that are mapped. */
function unmapRange(k: Kernel, base: number, size: number): void {
  for (let at = 0; at < size; at += PAGE_SIZE) mmReleasePage(k, base + at);
}

/**
 * Gives each section's pages the access that its header asks for; the headers are read-only. An image whose sections do not start on pages stays writable and
 * executable, as on NT.
 */
export function protectSections(k: Kernel, base: number, image: ParsedImage): void {
  if (image.flat) return;
  const protect = (rva: number, size: number, characteristics: number): void => {
    const clear = (characteristics & IMAGE_SCN_MEM_WRITE) === 0 ? PTE_WRITE : 0n;
    const set = (characteristics & IMAGE_SCN_MEM_EXECUTE) === 0 ? PTE_NO_EXECUTE : 0n;
    for (let at = rva; at < rva + size; at += PAGE_SIZE) mmProtectPage(k, base + at, clear, set);
  };
  protect(0, up(image.sizeOfHeaders, PAGE_SIZE), 0);
  for (const s of image.sections) protect(s.rva, up(s.virtualSize || s.rawSize, PAGE_SIZE), s.characteristics);
}

/**
 * Frees the pages of the discardable sections (INIT, .reloc) of a driver that has been initialized. The image's header in memory says what is discardable; the driver may have
 * changed it, so only pages of the image, `size` bytes from `base`, are touched.
 */
export function discardInitSections(k: Kernel, base: number, size: number): void {
  const nt = k.mem.read32(base + 0x3c);
  const count = nt + 24 <= PAGE_SIZE ? k.mem.read16(base + nt + 6) : 0,
    table = nt + 24 + k.mem.read16(base + nt + 20);
  if (count === 0 || table + count * 40 > size || k.mem.read32(base + nt + 24 + 32) < PAGE_SIZE) return;
  for (let i = 0; i < count; i++) {
    const h = base + table + i * 40;
    if (k.mem.translate(h) < 0 || !(k.mem.read32(h + 36) & IMAGE_SCN_MEM_DISCARDABLE)) continue;
    const rva = k.mem.read32(h + 12),
      length = up(k.mem.read32(h + 8) || k.mem.read32(h + 16), PAGE_SIZE);
    // The header's own page stays: others read it.
    if (rva >= PAGE_SIZE && rva % PAGE_SIZE === 0 && rva < size) unmapRange(k, base + rva, Math.min(length, size - rva));
  }
}

/** A cookie value that depends on the machine's seed and the image's base alone (48 bits, never 0 nor the default). */
export function securityCookie(seed: number, base: number): bigint {
  // splitmix64
  let z = BigInt.asUintN(64, BigInt(seed >>> 0) * 0x9e3779b97f4a7c15n + BigInt.asUintN(64, BigInt(base)));
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  const cookie = (z ^ (z >> 31n)) & 0xffffffffffffn;
  return cookie === 0n || cookie === DEFAULT_SECURITY_COOKIE ? DEFAULT_SECURITY_COOKIE + 1n : cookie;
}
