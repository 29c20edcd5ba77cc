/** Executable images as sections (SEC_IMAGE): the file's pages as they lie in memory, with the protections that its sections ask for. Source: PE/COFF specification, "Section Flags". */
import { layImageOut } from '../ldr/map.ts';
import { ImageError, ldrParse } from '../ldr/parse.ts';
import { IMAGE_SCN_MEM_EXECUTE, IMAGE_SCN_MEM_READ, IMAGE_SCN_MEM_WRITE } from '../types/pe.ts';
import { STATUS_NO_MEMORY, STATUS_SUCCESS } from '../types/status.ts';
import type { Kernel } from '../kernel.ts';
import { areaContent, createImageArea } from './controlarea.ts';
import { PAGE_SIZE } from './layout.ts';

const PAGE_NOACCESS = 1,
  PAGE_READONLY = 2,
  PAGE_WRITECOPY = 8,
  PAGE_EXECUTE = 0x10,
  PAGE_EXECUTE_READ = 0x20,
  PAGE_EXECUTE_WRITECOPY = 0x80;

/** PAGE_* of a section of the image. Writes go to copies: the file is not changed. */
function protectionOf(characteristics: number): number {
  const execute = (characteristics & IMAGE_SCN_MEM_EXECUTE) !== 0;
  if (characteristics & IMAGE_SCN_MEM_WRITE) return execute ? PAGE_EXECUTE_WRITECOPY : PAGE_WRITECOPY;
  if (characteristics & IMAGE_SCN_MEM_READ) return execute ? PAGE_EXECUTE_READ : PAGE_READONLY;
  return execute ? PAGE_EXECUTE : PAGE_NOACCESS;
}

/** The control area of a file as an image, from the control area of its data, all of which is there. A status when it is no image, or memory is short. */
export function imageFromData(k: Kernel, file: number, data: number): { status: number; area: number } {
  try {
    const image = ldrParse(areaContent(k, data), 'image', true);
    const pages = Math.ceil(image.sizeOfImage / PAGE_SIZE);
    // Between the sections there is nothing.
    const protections = new Uint8Array(pages).fill(image.flat ? PAGE_EXECUTE_WRITECOPY : PAGE_NOACCESS);
    if (!image.flat) {
      protections.fill(PAGE_READONLY, 0, Math.ceil(image.sizeOfHeaders / PAGE_SIZE));
      for (const s of image.sections) {
        const size = s.virtualSize || s.rawSize;
        protections.fill(protectionOf(s.characteristics), s.rva / PAGE_SIZE, Math.ceil((s.rva + size) / PAGE_SIZE));
      }
    }
    const area = createImageArea(k, file, { base: image.imageBase, content: layImageOut(image), protections });
    return { status: area ? STATUS_SUCCESS : STATUS_NO_MEMORY, area };
  } catch (e) {
    if (!(e instanceof ImageError)) throw e;
    return { status: e.status, area: 0 };
  }
}
