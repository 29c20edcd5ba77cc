import { IMAGE_SCN_MEM_DISCARDABLE, IMAGE_SCN_MEM_EXECUTE, IMAGE_SCN_MEM_READ, IMAGE_SCN_MEM_WRITE } from '../types/pe.ts';
import { ldrParse } from './parse.ts';

/** What a .sys file is, for people. */
export interface ImageInfo {
  file: string;
  imageBase: bigint;
  entry: number;
  sizeOfImage: number;
  sectionAlignment: number;
  timeDateStamp: number;
  relocations: number;
  sections: { name: string; rva: number; size: number; access: string; discardable: boolean }[];
  imports: { module: string; routines: string[] }[];
}

/** Sections and imports of a driver's file. Throws an ImageError for a file that could not be loaded. Imports by ordinal are `#12`. */
export function ldrInfo(bytes: Uint8Array, file = 'image'): ImageInfo {
  const image = ldrParse(bytes, file);
  return {
    file,
    imageBase: image.imageBase,
    entry: image.entry,
    sizeOfImage: image.sizeOfImage,
    sectionAlignment: image.sectionAlignment,
    timeDateStamp: image.timeDateStamp,
    relocations: image.relocations.length,
    sections: image.sections.map(s => ({
      name: s.name,
      rva: s.rva,
      size: s.virtualSize || s.rawSize,
      access:
        (s.characteristics & IMAGE_SCN_MEM_READ ? 'r' : '-') +
        (s.characteristics & IMAGE_SCN_MEM_WRITE ? 'w' : '-') +
        (s.characteristics & IMAGE_SCN_MEM_EXECUTE ? 'x' : '-'),
      discardable: (s.characteristics & IMAGE_SCN_MEM_DISCARDABLE) !== 0,
    })),
    imports: image.imports.map(m => ({ module: m.module, routines: m.symbols.map(s => s.name ?? `#${s.ordinal}`) })),
  };
}
