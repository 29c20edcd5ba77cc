import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { IMAGE_EXPORT_DIRECTORY } from '../types/pe.ts';

/** Export directories of mapped images, read from guest memory: a driver that edits one changes what is found. */

const E = IMAGE_EXPORT_DIRECTORY.f;
/** PE header: offset of the first data directory from the signature, in PE32+. */
const FIRST_DIRECTORY = 24 + 112;

interface ExportDirectory {
  base: number;
  /** RVA range of the directory: an export whose RVA lies in it is a forwarder. */
  rva: number;
  size: number;
  address: number;
}

function directory(k: Kernel, base: number): ExportDirectory | null {
  if (k.mem.translate(base) < 0 || k.mem.read16(base) !== 0x5a4d) return null;
  const nt = base + k.mem.read32(base + 0x3c);
  const rva = k.mem.read32(nt + FIRST_DIRECTORY),
    size = k.mem.read32(nt + FIRST_DIRECTORY + 4);
  return rva ? { base, rva, size, address: base + rva } : null;
}

/** ASCIIZ text at `va`. */
export function readAsciiZ(k: Kernel, va: number, limit = 512): string {
  let s = '';
  for (let i = 0; i < limit; i++) {
    const c = k.mem.read8(va + i);
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

/** Address or forwarder (`ntoskrnl.KeFoo`) of entry `index` of the address table; null when the entry is empty. */
function entry(k: Kernel, d: ExportDirectory, index: number): number | string | null {
  if (index < 0 || index >= E.NumberOfFunctions.get(k.mem, d.address)) return null;
  const rva = k.mem.read32(d.base + E.AddressOfFunctions.get(k.mem, d.address) + index * 4);
  if (rva === 0) return null;
  return rva >= d.rva && rva < d.rva + d.size ? readAsciiZ(k, d.base + rva) : d.base + rva;
}

/** Finds an export by name (binary search, as the names are sorted) or by ordinal. */
export function findExport(k: Kernel, base: number, wanted: string | number): number | string | null {
  const d = directory(k, base);
  if (!d) return null;
  if (typeof wanted === 'number') return entry(k, d, wanted - E.Base.get(k.mem, d.address));
  const names = base + E.AddressOfNames.get(k.mem, d.address);
  let low = 0,
    high = E.NumberOfNames.get(k.mem, d.address) - 1;
  while (low <= high) {
    const mid = (low + high) >> 1;
    const name = readAsciiZ(k, base + k.mem.read32(names + mid * 4));
    if (name === wanted) return entry(k, d, k.mem.read16(base + E.AddressOfNameOrdinals.get(k.mem, d.address) + mid * 2));
    if (name < wanted) low = mid + 1;
    else high = mid - 1;
  }
  return null;
}

/** All named exports with their addresses; forwarders are left out. Of a directory that leads outside mapped memory, those before the place where it does. */
export function listExports(k: Kernel, base: number): { name: string; address: number }[] {
  const list: { name: string; address: number }[] = [];
  try {
    collectExports(k, base, list);
  } catch (e) {
    // The directory is the driver's own data, and nobody checks it before a person asks for names.
    if (!(e instanceof GuestFault)) throw e;
  }
  return list;
}

function collectExports(k: Kernel, base: number, list: { name: string; address: number }[]): void {
  const d = directory(k, base);
  if (!d) return;
  const count = Math.min(E.NumberOfNames.get(k.mem, d.address), 65536);
  const names = base + E.AddressOfNames.get(k.mem, d.address),
    ordinals = base + E.AddressOfNameOrdinals.get(k.mem, d.address);
  for (let i = 0; i < count; i++) {
    const at = entry(k, d, k.mem.read16(ordinals + i * 2));
    if (typeof at === 'number') list.push({ name: readAsciiZ(k, base + k.mem.read32(names + i * 4)), address: at });
  }
}
