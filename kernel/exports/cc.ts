/**
 * The cache manager: a file system that caches a file reads and writes its data through these routines. The pages are those of the file's control area (mm/controlarea.ts), which views
 * of the file share; so what is written through one is seen through the other. A SHARED_CACHE_MAP keeps the sizes, and all file objects of the file share it by
 * SECTION_OBJECT_POINTERS. Source: the WDK page of each routine (ntifs.h).
 */
import { keSetEvent } from '../ke/event.ts';
import type { Kernel } from '../kernel.ts';
import {
  areaOfFile,
  areaPages,
  growArea,
  markPageChanged,
  openFileArea,
  pageFrame,
  pageState,
  purgePages,
  releaseSection,
  setAreaFileSize,
} from '../mm/controlarea.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { raiseStatus } from '../ex/raise.ts';
import { FILE_OBJECT, FO_WRITE_THROUGH, IO_STATUS_BLOCK, SECTION_OBJECT_POINTERS } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { i64, ptr, struct, u32 } from '../types/struct.ts';
import { BOOLEAN, call, type Frame, type NtExport, ntExport, ntSteps, type Outcome, pointer, PVOID, ret, ULONG, VOID } from './declare.ts';
import { cachePinExports } from './ccpin.ts';

/** The members that this kernel uses. */
const SHARED_CACHE_MAP = struct('_SHARED_CACHE_MAP', {
  OpenCount: u32,
  PinAccess: u32,
  FileSize: i64,
  ValidDataLength: i64,
  AllocationSize: i64,
  FileObject: ptr,
  Callbacks: ptr,
  LazyWriteContext: ptr,
  /** CONTROL_AREA, which counts the map as a section. */
  Area: ptr,
});
const S = SHARED_CACHE_MAP.f;
const F = FILE_OBJECT.f;
const TAG = 0x63536343; // 'CcSc'
const APC = { max: 'APC_LEVEL' } as const;
const PFILE_OBJECT = pointer('PFILE_OBJECT');

const mapOf = (k: Kernel, file: number): number => {
  const pointers = F.SectionObjectPointer.get(k.mem, file);
  return pointers ? SECTION_OBJECT_POINTERS.f.SharedCacheMap.get(k.mem, pointers) : 0;
};

/** CC_FILE_SIZES: allocation size, file size, valid data length. */
function takeSizes(k: Kernel, map: number, sizes: number): void {
  S.AllocationSize.set(k.mem, map, BigInt.asIntN(64, k.mem.read64(sizes)));
  S.FileSize.set(k.mem, map, BigInt.asIntN(64, k.mem.read64(sizes + 8)));
  S.ValidDataLength.set(k.mem, map, BigInt.asIntN(64, k.mem.read64(sizes + 16)));
}

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);
const offsetAt = (k: Kernel, at: number): number => Number(BigInt.asIntN(64, k.mem.read64(at)));

/** The area of a file and the pages of a range; memory for more of them is made if there is not enough. Raises without pool. */
export function cachedRange(k: Kernel, file: number, offset: number, length: number): { area: number; first: number; end: number } {
  const area = areaOfFile(k, file);
  if (!area || !growArea(k, area, pagesOf(offset + length))) raiseStatus(k, STATUS_INSUFFICIENT_RESOURCES);
  return { area, first: Math.floor(offset / PAGE_SIZE), end: pagesOf(offset + length) };
}

/** The first page of a range that is not there; -1 when all are. */
export function firstMissing(k: Kernel, area: number, first: number, end: number): number {
  for (let page = first; page < end; page++) if (pageState(k, area, page) !== 'present') return page;
  return -1;
}

/** Moves bytes between a buffer and pages that are there. */
function move(k: Kernel, area: number, offset: number, length: number, buffer: number, write: boolean): void {
  const { memory } = k.platform;
  k.mem.probe(buffer, length, !write);
  for (let done = 0; done < length;) {
    const page = Math.floor((offset + done) / PAGE_SIZE),
      at = (offset + done) % PAGE_SIZE;
    const part = Math.min(length - done, PAGE_SIZE - at);
    const physical = pageFrame(k, area, page) * PAGE_SIZE + at;
    if (write) {
      memory.writeBytes(physical, k.mem.readBytes(buffer + done, part));
      markPageChanged(k, area, page);
    } else k.mem.writeBytes(buffer + done, memory.readBytes(physical, part));
    done += part;
  }
}

const copyArgs = { FileObject: PFILE_OBJECT, FileOffset: PVOID, Length: ULONG, Wait: BOOLEAN, Buffer: PVOID } as const;
interface CopyArguments {
  FileObject: number;
  FileOffset: number;
  Length: number;
  Wait: boolean;
  Buffer: number;
}

/** Copies when all pages are there; until then it reads them, if the caller may wait. */
function copy(k: Kernel, a: CopyArguments, write: boolean, done: () => Outcome): Outcome {
  const offset = offsetAt(k, a.FileOffset);
  const { area, first, end } = cachedRange(k, a.FileObject, offset, a.Length);
  const missing = a.Length ? firstMissing(k, area, first, end) : -1;
  if (missing >= 0) return a.Wait ? call(k.address('nt!MiReadFilePage'), [area, missing], 'paged') : ret(0);
  move(k, area, offset, a.Length, a.Buffer, write);
  return done();
}

const read = (k: Kernel, a: CopyArguments & { IoStatus: number }): Outcome =>
  copy(k, a, false, () => {
    k.mem.write32(a.IoStatus, STATUS_SUCCESS);
    k.mem.write64(a.IoStatus + 8, BigInt(a.Length));
    return ret(1);
  });

const flushFrame = { Iosb: IO_STATUS_BLOCK } as const;
const write = (k: Kernel, f: Frame<typeof flushFrame>, a: CopyArguments): Outcome =>
  copy(k, a, true, () => {
    if (!(F.Flags.get(k.mem, a.FileObject) & FO_WRITE_THROUGH)) return ret(1);
    const { area, first, end } = cachedRange(k, a.FileObject, offsetAt(k, a.FileOffset), a.Length);
    return call(k.address('nt!MiFlushFilePages'), [area, first, end - first, f.address('Iosb')], 'written');
  });

/** A page could not be read or written: the caller's exception. */
const orRaise = (k: Kernel, status: number): void => {
  if ((status | 0) < 0) raiseStatus(k, status);
};

/** The pages of a range of a file; all of them without an offset. Null when nothing of the file is in memory. */
function rangeOf(k: Kernel, pointers: number, fileOffset: number, length: number): { area: number; first: number; count: number } | null {
  const area = SECTION_OBJECT_POINTERS.f.DataSectionObject.get(k.mem, pointers);
  if (!area) return null;
  const offset = fileOffset ? offsetAt(k, fileOffset) : 0;
  const first = Math.floor(offset / PAGE_SIZE);
  const end = fileOffset && length ? pagesOf(offset + length) : areaPages(k, area);
  return { area, first, count: Math.max(0, Math.min(end, areaPages(k, area)) - first) };
}

export const ccExports: NtExport[] = [
  ntExport({
    name: 'CcInitializeCacheMap',
    doc: 'Begins the caching of a file for a file object: the first makes the shared cache map, the others join it.',
    irql: APC,
    args: { FileObject: PFILE_OBJECT, FileSizes: PVOID, PinAccess: BOOLEAN, Callbacks: PVOID, LazyWriteContext: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'partial',
    missing: 'there is no lazy writer: changed data are written by CcFlushCache, when caching of the file ends, and for files with FO_WRITE_THROUGH; the callbacks are not called',
    impl(k, a) {
      const { mem } = k;
      let map = mapOf(k, a.FileObject);
      if (!map) {
        const fileSize = Number(BigInt.asIntN(64, mem.read64(a.FileSizes + 8)));
        map = exAllocatePool(k, NonPagedPoolNx, SHARED_CACHE_MAP.size, TAG);
        const area = map ? openFileArea(k, a.FileObject, fileSize, fileSize) : 0;
        if (!area) {
          if (map) exFreePool(k, map, TAG);
          return raiseStatus(k, STATUS_INSUFFICIENT_RESOURCES);
        }
        mem.fill(map, SHARED_CACHE_MAP.size, 0);
        S.Area.set(mem, map, area);
        S.PinAccess.set(mem, map, a.PinAccess ? 1 : 0);
        S.FileObject.set(mem, map, a.FileObject);
        S.Callbacks.set(mem, map, a.Callbacks);
        S.LazyWriteContext.set(mem, map, a.LazyWriteContext);
        SECTION_OBJECT_POINTERS.f.SharedCacheMap.set(mem, F.SectionObjectPointer.get(mem, a.FileObject), map);
      }
      takeSizes(k, map, a.FileSizes);
      if (F.PrivateCacheMap.get(mem, a.FileObject)) return undefined;
      F.PrivateCacheMap.set(mem, a.FileObject, map);
      S.OpenCount.set(mem, map, S.OpenCount.get(mem, map) + 1);
      return undefined;
    },
  }),
  ntExport({
    name: 'CcUninitializeCacheMap',
    doc: 'Ends the caching of a file for a file object; with the last one the shared cache map goes, changed data are written, and the event is set. TRUE when the map has gone.',
    irql: APC,
    args: { FileObject: PFILE_OBJECT, TruncateSize: PVOID, UninitializeEvent: PVOID },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      const map = mapOf(k, a.FileObject);
      let gone = map === 0;
      if (map && a.TruncateSize) truncate(k, map, BigInt.asIntN(64, mem.read64(a.TruncateSize)));
      if (F.PrivateCacheMap.get(mem, a.FileObject)) {
        F.PrivateCacheMap.set(mem, a.FileObject, 0);
        const left = S.OpenCount.get(mem, map) - 1;
        S.OpenCount.set(mem, map, left);
        if (left === 0) {
          SECTION_OBJECT_POINTERS.f.SharedCacheMap.set(mem, F.SectionObjectPointer.get(mem, a.FileObject), 0);
          const area = S.Area.get(mem, map);
          exFreePool(k, map, TAG);
          releaseSection(k, area);
          gone = true;
        }
      }
      // CACHE_UNINITIALIZE_EVENT: a link, then the event.
      if (gone && a.UninitializeEvent) keSetEvent(k, a.UninitializeEvent + 8, 0);
      return gone;
    },
  }),
  ntExport({
    name: 'CcSetFileSizes',
    doc: 'Tells the cache of new sizes of a file: what lies beyond a new end is dropped.',
    irql: APC,
    args: { FileObject: PFILE_OBJECT, FileSizes: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl(k, a) {
      const map = mapOf(k, a.FileObject);
      if (!map) return;
      const before = S.FileSize.get(k.mem, map);
      takeSizes(k, map, a.FileSizes);
      const now = S.FileSize.get(k.mem, map);
      if (now < before) truncate(k, map, now);
      else if (!growArea(k, S.Area.get(k.mem, map), pagesOf(Number(now)))) raiseStatus(k, STATUS_INSUFFICIENT_RESOURCES);
      setAreaFileSize(k, S.Area.get(k.mem, map), now);
    },
  }),
  ntSteps({
    name: 'CcFlushCache',
    doc: 'Writes changed data of a file back, all of it or a range.',
    irql: APC,
    args: { SectionObjectPointer: PVOID, FileOffset: PVOID, Length: ULONG, IoStatus: pointer('PIO_STATUS_BLOCK') },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: flushFrame,
    steps: {
      start(k, f, _rax, a) {
        k.mem.fill(f.address('Iosb'), IO_STATUS_BLOCK.size, 0);
        const range = rangeOf(k, a.SectionObjectPointer, a.FileOffset, a.Length);
        if (range) return call(k.address('nt!MiFlushFilePages'), [range.area, range.first, range.count, f.address('Iosb')], 'flushed');
        if (a.IoStatus) k.mem.fill(a.IoStatus, IO_STATUS_BLOCK.size, 0);
        return ret();
      },
      flushed(k, f, rax, a) {
        if (!a.IoStatus) return ret();
        k.mem.copy(a.IoStatus, f.address('Iosb'), IO_STATUS_BLOCK.size);
        k.mem.write32(a.IoStatus, rax);
        return ret();
      },
    },
  }),
  ntExport({
    name: 'CcPurgeCacheSection',
    doc: 'Drops data of a file without writing them. FALSE when some of them are in use: mapped, or pinned.',
    irql: APC,
    args: { SectionObjectPointer: PVOID, FileOffset: PVOID, Length: ULONG, Flags: ULONG },
    returns: BOOLEAN,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const range = rangeOf(k, a.SectionObjectPointer, a.FileOffset, a.Length);
      return !range || purgePages(k, range.area, range.first, range.count);
    },
  }),
  ntSteps({
    name: 'CcCopyRead',
    doc: 'Copies data of a cached file to a buffer. FALSE when some are not in memory and the caller may not wait; raises the status of a read that fails.',
    irql: APC,
    args: { ...copyArgs, IoStatus: pointer('PIO_STATUS_BLOCK') },
    returns: BOOLEAN,
    cycles: 200,
    status: 'full',
    frame: flushFrame,
    steps: {
      start: (k, _f, _rax, a) => read(k, a),
      paged(k, _f, rax, a) {
        orRaise(k, rax);
        return read(k, a);
      },
    },
  }),
  ntSteps({
    name: 'CcCopyWrite',
    doc: 'Copies data from a buffer to a cached file. FALSE when pages have to be read first and the caller may not wait; raises the status of a transfer that fails.',
    irql: APC,
    args: copyArgs,
    returns: BOOLEAN,
    cycles: 200,
    status: 'full',
    frame: flushFrame,
    steps: {
      start: (k, f, _rax, a) => write(k, f, a),
      paged(k, f, rax, a) {
        orRaise(k, rax);
        return write(k, f, a);
      },
      written(k, _f, rax) {
        orRaise(k, rax);
        return ret(1);
      },
    },
  }),
  ntExport({
    name: 'CcGetFileObjectFromSectionPtrs',
    doc: 'The file object by which a file is cached; NULL when it is not.',
    irql: APC,
    args: { SectionObjectPointer: PVOID },
    returns: PFILE_OBJECT,
    cycles: 30,
    status: 'full',
    impl(k, a) {
      const map = SECTION_OBJECT_POINTERS.f.SharedCacheMap.get(k.mem, a.SectionObjectPointer);
      return map ? S.FileObject.get(k.mem, map) : 0;
    },
  }),
  ntExport({
    name: 'CcCanIWrite',
    doc: 'Tells whether so much may be written to a cached file now: as long as there is memory for it.',
    irql: APC,
    args: { FileObject: PFILE_OBJECT, BytesToWrite: ULONG, Wait: BOOLEAN, Retrying: ULONG },
    returns: BOOLEAN,
    cycles: 40,
    status: 'partial',
    missing: 'a caller that may wait is not kept waiting until there is room',
    impl: (k, a) => pagesOf(a.BytesToWrite) < k.global.get('MmAvailablePages'),
  }),
  ...cachePinExports,
];

/** A file ends earlier: whole pages behind its end are dropped, the rest of the last one becomes zeros. */
function truncate(k: Kernel, map: number, size: bigint): void {
  const area = S.Area.get(k.mem, map);
  const first = pagesOf(Number(size));
  purgePages(k, area, first, areaPages(k, area) - first);
  for (let page = first; page < areaPages(k, area); page++) markPageChanged(k, area, page, false);
  const rest = Number(size) % PAGE_SIZE;
  const frame = rest ? pageFrame(k, area, Math.floor(Number(size) / PAGE_SIZE)) : -1;
  if (frame >= 0) k.platform.memory.fill(frame * PAGE_SIZE + rest, PAGE_SIZE - rest, 0);
  setAreaFileSize(k, area, size);
}
