import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { insertTailList, initializeListHead, listEntries, removeEntryList } from '../rtl/list.ts';
import { allocateUnicodeString, freeUnicodeString, readUnicodeString } from '../rtl/string.ts';
import { KLDR_DATA_TABLE_ENTRY, LDRP_ENTRY_NATIVE, LDRP_ENTRY_PROCESSED, LDRP_IMAGE_DLL, LDRP_MM_LOADED } from '../types/ldr.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { systemTime } from '../ke/time.ts';
import { UNLOADED_DRIVER, UNLOADED_DRIVERS } from './globals.ts';

/** The list of loaded images. */

const L = KLDR_DATA_TABLE_ENTRY.f;
export const TAG_LOADER = 0x644c6d4d; // 'MmLd'

export interface NewModule {
  base: number;
  size: number;
  entry: number;
  /** `edu.sys` */
  name: string;
  /** `\??\C:\drivers\edu.sys` */
  path: string;
  checksum: number;
  timeDateStamp: number;
  exceptionTable: number;
  exceptionTableSize: number;
  flags: number;
}

/** Enters an image at the end of PsLoadedModuleList. Address of its KLDR_DATA_TABLE_ENTRY, or 0 when there is no pool. */
export function insertModule(k: Kernel, m: NewModule): number {
  const e = exAllocatePool(k, NonPagedPoolNx, KLDR_DATA_TABLE_ENTRY.size, TAG_LOADER);
  if (!e) return 0;
  k.mem.fill(e, KLDR_DATA_TABLE_ENTRY.size, 0);
  if (!allocateUnicodeString(k, e + L.FullDllName.offset, m.path, TAG_LOADER)) {
    exFreePool(k, e, TAG_LOADER);
    return 0;
  }
  if (!allocateUnicodeString(k, e + L.BaseDllName.offset, m.name, TAG_LOADER)) {
    freeUnicodeString(k, e + L.FullDllName.offset);
    exFreePool(k, e, TAG_LOADER);
    return 0;
  }
  L.DllBase.set(k.mem, e, m.base);
  L.EntryPoint.set(k.mem, e, m.entry);
  L.SizeOfImage.set(k.mem, e, m.size);
  L.SizeOfImageNotRounded.set(k.mem, e, m.size);
  L.Flags.set(k.mem, e, m.flags);
  L.LoadCount.set(k.mem, e, 1);
  L.CheckSum.set(k.mem, e, m.checksum);
  L.TimeDateStamp.set(k.mem, e, m.timeDateStamp);
  L.ExceptionTable.set(k.mem, e, m.exceptionTable);
  L.ExceptionTableSize.set(k.mem, e, m.exceptionTableSize);
  insertTailList(k.mem, k.global.address('PsLoadedModuleList'), e + L.InLoadOrderLinks.offset);
  return e;
}

/** Takes an image off the list and frees its entry; it is remembered among the unloaded drivers. */
export function removeModule(k: Kernel, e: number): void {
  const count = k.global.get('MmUnloadedDriverCount');
  const slot = k.global.address('MmUnloadedDrivers') + (count % UNLOADED_DRIVERS) * UNLOADED_DRIVER.size;
  const base = L.DllBase.get(k.mem, e);
  const old = UNLOADED_DRIVER.f.NameBuffer.get(k.mem, slot);
  if (old) exFreePool(k, old, 0);
  // The name's buffer moves to the list of unloaded drivers.
  k.mem.copy(slot, e + L.BaseDllName.offset, 16);
  UNLOADED_DRIVER.f.StartAddress.set(k.mem, slot, base);
  UNLOADED_DRIVER.f.EndAddress.set(k.mem, slot, base + L.SizeOfImage.get(k.mem, e));
  UNLOADED_DRIVER.f.CurrentTime.set(k.mem, slot, systemTime(k));
  k.global.set('MmUnloadedDriverCount', count + 1);
  freeUnicodeString(k, e + L.FullDllName.offset);
  removeEntryList(k.mem, e + L.InLoadOrderLinks.offset);
  const debug = L.NonPagedDebugInfo.get(k.mem, e);
  if (debug) exFreePool(k, debug, 0);
  exFreePool(k, e, TAG_LOADER);
}

/** Names and ranges of the drivers that were unloaded, oldest first. */
export function unloadedModules(k: Kernel): { name: string; start: number; end: number }[] {
  const count = k.global.get('MmUnloadedDriverCount');
  const list: { name: string; start: number; end: number }[] = [];
  for (let n = Math.max(0, count - UNLOADED_DRIVERS); n < count; n++) {
    const slot = k.global.address('MmUnloadedDrivers') + (n % UNLOADED_DRIVERS) * UNLOADED_DRIVER.size;
    list.push({
      name: readUnicodeString(k.mem, slot),
      start: UNLOADED_DRIVER.f.StartAddress.get(k.mem, slot),
      end: UNLOADED_DRIVER.f.EndAddress.get(k.mem, slot),
    });
  }
  return list;
}

/** Addresses of the KLDR_DATA_TABLE_ENTRY structures, in load order. */
export function moduleEntries(k: Kernel): number[] {
  return [...listEntries(k.mem, k.global.address('PsLoadedModuleList'))].map(link => link - L.InLoadOrderLinks.offset);
}

/** Entry of the loaded image with the base name `name` (any case), or 0. */
export function findModule(k: Kernel, name: string): number {
  const wanted = name.toLowerCase();
  for (const e of moduleEntries(k)) if (readUnicodeString(k.mem, e + L.BaseDllName.offset).toLowerCase() === wanted) return e;
  return 0;
}

/** Entry of the loaded image that `address` lies in, or 0. */
export function moduleOf(k: Kernel, address: number): number {
  for (const e of moduleEntries(k)) {
    const base = L.DllBase.get(k.mem, e);
    if (address >= base && address < base + L.SizeOfImage.get(k.mem, e)) return e;
  }
  return 0;
}

function insertKernelImage(k: Kernel, base: number, name: string, flags: number): void {
  const nt = base + k.mem.read32(base + 0x3c);
  const exception = nt + 24 + 112 + 3 * 8;
  const inserted = insertModule(k, {
    base,
    name,
    path: `\\SystemRoot\\system32\\${name}`,
    flags,
    size: k.mem.read32(nt + 24 + 56),
    entry: base + k.mem.read32(nt + 24 + 16),
    checksum: k.mem.read32(nt + 24 + 64),
    timeDateStamp: k.mem.read32(nt + 8),
    exceptionTable: base + k.mem.read32(exception),
    exceptionTableSize: k.mem.read32(exception + 4),
  });
  if (!inserted) throw new Error(`there is no pool for the loader's entry of ${name}`);
}

/** Enters the kernel and the HAL, which are mapped. Called once at boot, when there is pool. */
export function ldrInitialize(k: Kernel): void {
  initializeListHead(k.mem, k.global.address('PsLoadedModuleList'));
  insertKernelImage(k, k.images.nt.base, k.images.nt.name, LDRP_ENTRY_PROCESSED | LDRP_ENTRY_NATIVE | LDRP_MM_LOADED);
  insertKernelImage(
    k,
    k.images.hal.base,
    k.images.hal.name,
    LDRP_ENTRY_PROCESSED | LDRP_ENTRY_NATIVE | LDRP_MM_LOADED | LDRP_IMAGE_DLL,
  );
}
