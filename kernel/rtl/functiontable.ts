/** Which function an address of the guest's belongs to, over all loaded images (RtlLookupFunctionEntry). */
import type { Kernel } from '../kernel.ts';
import { listEntries } from '../ke/list.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { UNWIND_HISTORY_TABLE, UNWIND_HISTORY_TABLE_ENTRY } from '../types/trap.ts';
import { type FunctionEntry, type ImageRange, lookupFunctionEntry } from './unwind.ts';

const L = KLDR_DATA_TABLE_ENTRY.f,
  H = UNWIND_HISTORY_TABLE.f;
const HISTORY_ENTRIES = 12;
const MAX_MODULES = 1024;

/** The image that an address lies in: the kernel's own, or one of PsLoadedModuleList. */
export function imageAt(k: Kernel, address: number): ImageRange | null {
  for (const image of [k.images.nt, k.images.hal])
    if (address >= image.base && address < image.base + image.bytes.length) return { base: image.base, size: image.bytes.length };
  const head = k.address('nt!PsLoadedModuleList');
  if (k.mem.read64(head) === 0n) return null;
  for (const link of listEntries(k.mem, head, MAX_MODULES)) {
    const entry = link - L.InLoadOrderLinks.offset;
    const base = L.DllBase.get(k.mem, entry),
      size = L.SizeOfImage.get(k.mem, entry);
    if (address >= base && address < base + size) return { base, size };
  }
  return null;
}

export interface Found {
  image: ImageRange;
  entry: FunctionEntry;
}

/** The function of an address, or null for a leaf or for code of no image. */
export function functionAt(k: Kernel, address: number): Found | null {
  const image = imageAt(k, address);
  const entry = image === null ? null : lookupFunctionEntry(k.mem, image, address);
  return image === null || entry === null ? null : { image, entry };
}

const readEntry = (k: Kernel, at: number): FunctionEntry => ({
  at,
  begin: k.mem.read32(at),
  end: k.mem.read32(at + 4),
  unwind: k.mem.read32(at + 8),
});

/** The same with an UNWIND_HISTORY_TABLE (0 for none): functions that were found before are taken from it, others are noted in it. */
export function functionWithHistory(k: Kernel, address: number, history: number): Found | null {
  if (history === 0) return functionAt(k, address);
  const m = k.mem;
  const count = Math.min(H.Count.get(m, history), HISTORY_ENTRIES);
  const slot = (i: number): number => history + H.Entry.offset + i * UNWIND_HISTORY_TABLE_ENTRY.size;
  if (H.Search.get(m, history) !== 0) {
    for (let i = 0; i < count; i++) {
      const base = m.readPtr(slot(i));
      const entry = readEntry(k, m.readPtr(slot(i) + 8));
      if (address >= base + entry.begin && address < base + entry.end) {
        const image = imageAt(k, address);
        if (image !== null && image.base === base) return { image, entry };
      }
    }
  }
  const found = functionAt(k, address);
  if (found !== null && count < HISTORY_ENTRIES) {
    m.writePtr(slot(count), found.image.base);
    m.writePtr(slot(count) + 8, found.entry.at);
    H.Count.set(m, history, count + 1);
  }
  return found;
}
