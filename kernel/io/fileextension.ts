/** What a file object has besides, in a block of its own (FILE_OBJECT.FileObjectExtension): the device at which its requests begin, and whether sharing is looked at. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { FILE_OBJECT } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';

const FILE_EXTENSION = struct('_IOP_FILE_OBJECT_EXTENSION', { Flags: u32, TopDeviceObjectHint: [8, ptr] });
const X = FILE_EXTENSION.f;
const IGNORE_SHARE_ACCESS = 4;

const extensionOf = (k: Kernel, file: number): number => FILE_OBJECT.f.FileObjectExtension.get(k.mem, file);

/** Gives a file object its extension. STATUS_SUCCESS or STATUS_INSUFFICIENT_RESOURCES. */
export function extendFile(k: Kernel, file: number, hint: number, ignoreShare: boolean): number {
  const block = exAllocatePool(k, NonPagedPoolNx, FILE_EXTENSION.size, poolTag('IoFe'));
  if (!block) return STATUS_INSUFFICIENT_RESOURCES;
  X.Flags.set(k.mem, block, ignoreShare ? IGNORE_SHARE_ACCESS : 0);
  X.TopDeviceObjectHint.set(k.mem, block, hint);
  FILE_OBJECT.f.FileObjectExtension.set(k.mem, file, block);
  return STATUS_SUCCESS;
}

/** The device at which the requests of a file begin (IoCreateFileSpecifyDeviceObjectHint), or 0. */
export function deviceHint(k: Kernel, file: number): number {
  const block = extensionOf(k, file);
  return block ? X.TopDeviceObjectHint.get(k.mem, block) : 0;
}

/** Was the file opened with IO_IGNORE_SHARE_ACCESS_CHECK? */
export function ignoresShareAccess(k: Kernel, file: number): boolean {
  const block = extensionOf(k, file);
  return block !== 0 && (X.Flags.get(k.mem, block) & IGNORE_SHARE_ACCESS) !== 0;
}
