import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { mmMarkPageableSections } from '../mm/pageable.ts';
import { removeThunks } from '../mm/thunks.ts';
import { KLDR_DATA_TABLE_ENTRY, LDRP_ENTRY_NATIVE, LDRP_IMAGE_INTEGRITY_FORCED, LDRP_MM_LOADED } from '../types/ldr.ts';
import {
  DEFAULT_SECURITY_COOKIE,
  IMAGE_DIRECTORY_ENTRY_EXCEPTION,
  IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY,
} from '../types/pe.ts';
import { STATUS_CONFLICTING_ADDRESSES, STATUS_IMAGE_ALREADY_LOADED, STATUS_INSUFFICIENT_RESOURCES } from '../types/status.ts';
import { bindImports } from './bind.ts';
import { ImageError } from './error.ts';
import {
  discardInitSections,
  layImageOut,
  mapContent,
  protectSections,
  relocate,
  reserveImageSpace,
  securityCookie,
  releaseImageSpace,
} from './map.ts';
import { findModule, insertModule, removeModule } from './modules.ts';
import { type ParsedImage, ldrParse } from './parse.ts';
import { storeSymbols } from './symbols.ts';

export { ImageError, ldrParse };
export type { ParsedImage };

const L = KLDR_DATA_TABLE_ENTRY.f;

export interface LoadedImage {
  base: number;
  size: number;
  /** Address of DriverEntry; equal to `base` when the image has no entry point. */
  entry: number;
  /** KLDR_DATA_TABLE_ENTRY: what DRIVER_OBJECT.DriverSection gets. */
  section: number;
  /** Imports that are bound to traps: `ntoskrnl.exe!ZwFoo`. */
  absent: string[];
}

/**
 * Loads a driver's file into the machine: checks it, maps it below the other images, relocates it, seeds its security cookie, binds its imports, protects its
 * sections and enters it into PsLoadedModuleList. Throws an {@link ImageError} with the NTSTATUS to return when it cannot be loaded; then nothing has changed.
 * @param bytes the .sys file
 * @param name base name with extension: `edu.sys`
 * @param path full NT path for the loaded-module list
 */
export function ldrLoadImage(k: Kernel, bytes: Uint8Array, name: string, path: string): LoadedImage {
  if (findModule(k, name))
    throw new ImageError(
      name,
      0,
      'a driver of this name is loaded',
      'another name, or that driver unloaded first',
      STATUS_IMAGE_ALREADY_LOADED,
    );
  const image = ldrParse(bytes, name);
  const size = Math.ceil(image.sizeOfImage / PAGE_SIZE) * PAGE_SIZE;
  const noMemory = (what: string): ImageError =>
    new ImageError(
      name,
      0,
      `there is no ${what} for its 0x${size.toString(16)} bytes`,
      'a machine with more of it free',
      STATUS_INSUFFICIENT_RESOURCES,
    );
  if (image.relocsStripped && image.relocations.length === 0)
    throw new ImageError(
      name,
      0,
      `the image has no relocations (IMAGE_FILE_RELOCS_STRIPPED) and its base 0x${image.imageBase.toString(16)} is not free`,
      'relocations, or a kernel address as base',
      STATUS_CONFLICTING_ADDRESSES,
    );
  const base = reserveImageSpace(k, size);
  if (!base) throw noMemory('address space');

  const content = layImageOut(image);
  const unsigned = BigInt.asUintN(64, BigInt(base));
  relocate(image, content, unsigned);
  const view = new DataView(content.buffer);
  if (image.securityCookie && view.getBigUint64(image.securityCookie, true) === DEFAULT_SECURITY_COOKIE)
    view.setBigUint64(image.securityCookie, securityCookie(k.config.seed, base), true);
  // The header says where the image is, as the loader leaves it.
  const header = view.getUint32(0x3c, true);
  view.setBigUint64(header + 24 + 24, unsigned, true);
  const binding = bindImports(k, image, (rva, address) => view.setBigUint64(rva, BigInt.asUintN(64, BigInt(address)), true));
  if (!binding.complete) throw noMemory('trap left for its missing imports and no memory');
  if (!mapContent(k, base, content)) throw noMemory('memory');
  protectSections(k, base, image);

  const pdata = image.directories[IMAGE_DIRECTORY_ENTRY_EXCEPTION]!;
  const section = insertModule(k, {
    base,
    size,
    name,
    path,
    entry: image.entry ? base + image.entry : base,
    checksum: image.checksum,
    timeDateStamp: image.timeDateStamp,
    exceptionTable: pdata.rva ? base + pdata.rva : 0,
    exceptionTableSize: pdata.size,
    flags:
      LDRP_ENTRY_NATIVE |
      LDRP_MM_LOADED |
      (image.dllCharacteristics & IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY ? LDRP_IMAGE_INTEGRITY_FORCED : 0),
  });
  if (!section) {
    releaseImageSpace(k, base, size);
    throw noMemory('pool');
  }
  if (!image.flat) mmMarkPageableSections(k, base, size);
  storeSymbols(k, section, image.symbols);
  return { base, size, entry: image.entry ? base + image.entry : base, section, absent: binding.absent };
}

/** After DriverEntry succeeded: frees the sections that are only needed once. `section` is the KLDR_DATA_TABLE_ENTRY. */
export function ldrDriverInitialized(k: Kernel, section: number): void {
  discardInitSections(k, L.DllBase.get(k.mem, section), L.SizeOfImage.get(k.mem, section));
}

/** Unmaps an image and takes it off the list. Nothing of it may be in use any more. */
export function ldrUnloadImage(k: Kernel, section: number): void {
  removeThunks(k, L.DllBase.get(k.mem, section), L.SizeOfImage.get(k.mem, section));
  releaseImageSpace(k, L.DllBase.get(k.mem, section), L.SizeOfImage.get(k.mem, section));
  removeModule(k, section);
}
