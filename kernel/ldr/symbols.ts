import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { readAnsiZ, readUnicodeString } from '../rtl/string.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import type { CoffSymbol } from './coff.ts';
import { listExports } from './exportdir.ts';
import { TAG_LOADER, moduleEntries, moduleOf } from './modules.ts';

/**
 * Names of a driver's addresses. The COFF symbol table of its file is kept in pool, at KLDR_DATA_TABLE_ENTRY.NonPagedDebugInfo, so that a checkpoint has it: a count,
 * then for each symbol its RVA and the offset of its name (u32s, ascending RVAs), then the names.
 */

const L = KLDR_DATA_TABLE_ENTRY.f;

/** Keeps `symbols` with the module. Without pool they are lost, which costs names only. */
export function storeSymbols(k: Kernel, entry: number, symbols: readonly CoffSymbol[]): void {
  if (symbols.length === 0) return;
  const names = 4 + symbols.length * 8;
  const size = symbols.reduce((n, s) => n + s.name.length + 1, names);
  const at = exAllocatePool(k, NonPagedPoolNx, size, TAG_LOADER);
  if (!at) return;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, symbols.length, true);
  let text = names;
  symbols.forEach((s, i) => {
    view.setUint32(4 + i * 8, s.rva, true);
    view.setUint32(8 + i * 8, text, true);
    for (const c of s.name) bytes[text++] = c.charCodeAt(0);
    text++;
  });
  k.mem.writeBytes(at, bytes);
  L.NonPagedDebugInfo.set(k.mem, entry, at);
}

function coffSymbols(k: Kernel, entry: number): { name: string; address: number }[] {
  const at = L.NonPagedDebugInfo.get(k.mem, entry);
  if (!at) return [];
  const base = L.DllBase.get(k.mem, entry);
  return Array.from({ length: k.mem.read32(at) }, (_, i) => ({
    address: base + k.mem.read32(at + 4 + i * 8),
    name: readAnsiZ(k.mem, at + k.mem.read32(at + 8 + i * 8)),
  }));
}

/** Symbols of a loaded driver, ascending by address: its COFF symbols, its exports and its entry point. */
export function moduleSymbols(k: Kernel, entry: number): { name: string; address: number }[] {
  const list = [...coffSymbols(k, entry), ...listExports(k, L.DllBase.get(k.mem, entry))];
  const start = L.EntryPoint.get(k.mem, entry);
  if (start !== L.DllBase.get(k.mem, entry) && !list.some(s => s.address === start))
    list.push({ name: 'DriverEntry', address: start });
  return list.sort((a, b) => a.address - b.address);
}

/** Name of a module in symbols: `edu` for `edu.sys`. */
export function moduleShortName(k: Kernel, entry: number): string {
  return readUnicodeString(k.mem, entry + L.BaseDllName.offset).replace(/\.[^.]*$/, '');
}

/** `edu!EduInterrupt+0x12` for an address in a loaded driver (`edu+0x1234` without symbols before it), or null when it is in none. The kernel's own images are not asked. */
export function ldrSymbolAt(k: Kernel, address: number): string | null {
  const entry = moduleOf(k, address);
  if (!entry) return null;
  const name = moduleShortName(k, entry);
  let best: { name: string; address: number } | null = null;
  for (const s of moduleSymbols(k, entry)) if (s.address <= address) best = s;
  const from = best ? best.address : L.DllBase.get(k.mem, entry);
  const distance = address - from;
  const symbol = best ? `${name}!${best.name}` : name;
  return distance ? `${symbol}+0x${distance.toString(16)}` : symbol;
}

/** Address of `edu!EduInterrupt`, or null. The module's name is compared without case, the symbol's with it. */
export function ldrAddressOf(k: Kernel, symbol: string): number | null {
  const bang = symbol.indexOf('!');
  if (bang < 0) return null;
  const module = symbol.slice(0, bang).toLowerCase(),
    name = symbol.slice(bang + 1);
  for (const entry of moduleEntries(k))
    if (moduleShortName(k, entry).toLowerCase() === module)
      return moduleSymbols(k, entry).find(s => s.name === name)?.address ?? null;
  return null;
}
