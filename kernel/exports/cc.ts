/**
 * Cache maps of files. A file system that caches a file keeps its sizes in a SHARED_CACHE_MAP, which all file objects of the file share by SECTION_OBJECT_POINTERS. Source: the WDK page
 * of each routine (ntifs.h).
 */
import { keSetEvent } from '../ke/event.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { raiseStatus } from '../ex/raise.ts';
import { FILE_OBJECT } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { i64, ptr, struct, u32 } from '../types/struct.ts';
import { BOOLEAN, type NtExport, ntExport, pointer, PVOID, ULONG, VOID } from './declare.ts';

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
});
const S = SHARED_CACHE_MAP.f;
const F = FILE_OBJECT.f;
/** SECTION_OBJECT_POINTERS.SharedCacheMap */
const SHARED = 8;
const TAG = 0x63536343; // 'CcSc'
const APC = { max: 'APC_LEVEL' } as const;
const PFILE_OBJECT = pointer('PFILE_OBJECT');
/** What uninitialized file objects have in PrivateCacheMap: drivers test it for NULL. */
const missing = 'no data is cached: the routines that read, write and map cached data (CcCopyRead and its like) are not there';

const mapOf = (k: Kernel, file: number): number => {
  const pointers = F.SectionObjectPointer.get(k.mem, file);
  return pointers ? k.mem.readPtr(pointers + SHARED) : 0;
};

/** CC_FILE_SIZES: allocation size, file size, valid data length. */
function takeSizes(k: Kernel, map: number, sizes: number): void {
  S.AllocationSize.set(k.mem, map, BigInt.asIntN(64, k.mem.read64(sizes)));
  S.FileSize.set(k.mem, map, BigInt.asIntN(64, k.mem.read64(sizes + 8)));
  S.ValidDataLength.set(k.mem, map, BigInt.asIntN(64, k.mem.read64(sizes + 16)));
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
    missing,
    impl(k, a) {
      const { mem } = k;
      let map = mapOf(k, a.FileObject);
      if (!map) {
        map = exAllocatePool(k, NonPagedPoolNx, SHARED_CACHE_MAP.size, TAG);
        if (!map) return raiseStatus(k, STATUS_INSUFFICIENT_RESOURCES);
        mem.fill(map, SHARED_CACHE_MAP.size, 0);
        S.PinAccess.set(mem, map, a.PinAccess ? 1 : 0);
        S.FileObject.set(mem, map, a.FileObject);
        S.Callbacks.set(mem, map, a.Callbacks);
        S.LazyWriteContext.set(mem, map, a.LazyWriteContext);
        mem.writePtr(F.SectionObjectPointer.get(mem, a.FileObject) + SHARED, map);
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
    doc: 'Ends the caching of a file for a file object; with the last one the shared cache map goes and the event is set. TRUE when it has gone.',
    irql: APC,
    args: { FileObject: PFILE_OBJECT, TruncateSize: PVOID, UninitializeEvent: PVOID },
    returns: BOOLEAN,
    cycles: 150,
    status: 'partial',
    missing,
    impl(k, a) {
      const { mem } = k;
      const map = mapOf(k, a.FileObject);
      let gone = map === 0;
      if (F.PrivateCacheMap.get(mem, a.FileObject)) {
        F.PrivateCacheMap.set(mem, a.FileObject, 0);
        const left = S.OpenCount.get(mem, map) - 1;
        S.OpenCount.set(mem, map, left);
        if (left === 0) {
          mem.writePtr(F.SectionObjectPointer.get(mem, a.FileObject) + SHARED, 0);
          exFreePool(k, map, TAG);
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
    doc: 'Tells the cache of new sizes of a file.',
    irql: APC,
    args: { FileObject: PFILE_OBJECT, FileSizes: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'partial',
    missing,
    impl(k, a) {
      const map = mapOf(k, a.FileObject);
      if (map) takeSizes(k, map, a.FileSizes);
    },
  }),
  ntExport({
    name: 'CcFlushCache',
    doc: 'Writes changed data of a file back: there is none, so nothing is to be written.',
    irql: APC,
    args: { SectionObjectPointer: PVOID, FileOffset: PVOID, Length: ULONG, IoStatus: pointer('PIO_STATUS_BLOCK') },
    returns: VOID,
    cycles: 60,
    status: 'partial',
    missing,
    impl(k, { IoStatus }) {
      if (!IoStatus) return;
      k.mem.write32(IoStatus, STATUS_SUCCESS);
      k.mem.write64(IoStatus + 8, 0n);
    },
  }),
];
