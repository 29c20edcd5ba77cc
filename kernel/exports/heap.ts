/** Heaps in kernel mode: blocks of paged pool that belong together and go together. Source: RtlCreateHeap, RtlAllocateHeap, RtlFreeHeap, RtlDestroyHeap (WDK, ntifs.h). */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { PagedPool } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { STATUS_NO_MEMORY } from '../types/status.ts';
import { ptr, struct, u32, u64 } from '../types/struct.ts';
import { BOOLEAN, type NtExport, ntExport, PVOID, SIZE_T, ULONG } from './declare.ts';

const HEAP = struct('_RTL_KHEAP', {
  Signature: u32,
  Flags: u32,
  Blocks: LIST_ENTRY,
  /** Bytes that a heap which does not grow may give out, and those that are. */
  Limit: u64,
  Used: u64,
});
/** In front of each block. */
const BLOCK = struct('_RTL_KHEAP_BLOCK', { Link: LIST_ENTRY, Size: u64, Heap: ptr });
const H = HEAP.f,
  B = BLOCK.f;
const TAG = poolTag('Heap');
const SIGNATURE = 0xeeffeeff;
const HEAP_GROWABLE = 2,
  HEAP_GENERATE_EXCEPTIONS = 4,
  HEAP_ZERO_MEMORY = 8;
const APC = { max: 'APC_LEVEL' } as const;
const isHeap = (k: Kernel, heap: number): boolean => heap !== 0 && H.Signature.get(k.mem, heap) === SIGNATURE;

/** A block of at least one byte; 0 without memory, or beyond the limit of a heap that does not grow. */
function allocate(k: Kernel, heap: number, size: number, zero: boolean): number {
  const { mem } = k;
  const used = H.Used.get(mem, heap) + BigInt(Number.isFinite(size) ? size : 0);
  const fits = Number.isFinite(size) && (H.Flags.get(mem, heap) & HEAP_GROWABLE || used <= H.Limit.get(mem, heap));
  const at = fits ? exAllocatePool(k, PagedPool, BLOCK.size + Math.max(size, 1), TAG) : 0;
  if (!at) return 0;
  if (zero) mem.fill(at, BLOCK.size + size, 0);
  B.Size.set(mem, at, BigInt(size));
  B.Heap.set(mem, at, heap);
  insertTailList(mem, heap + H.Blocks.offset, at);
  H.Used.set(mem, heap, used);
  return at + BLOCK.size;
}

function free(k: Kernel, heap: number, block: number): void {
  const { mem } = k;
  H.Used.set(mem, heap, H.Used.get(mem, heap) - B.Size.get(mem, block));
  removeEntryList(mem, block);
  B.Heap.set(mem, block, 0);
  exFreePool(k, block, TAG);
}

export const heapExports: NtExport[] = [
  ntExport({
    name: 'RtlCreateHeap',
    doc: 'Makes a heap; NULL without memory. One that does not grow gives out at most ReserveSize bytes.',
    irql: APC,
    args: { Flags: ULONG, HeapBase: PVOID, ReserveSize: SIZE_T, CommitSize: SIZE_T, Lock: PVOID, Parameters: PVOID },
    returns: PVOID,
    cycles: 400,
    status: 'partial',
    missing: "the memory is pool: the caller's (HeapBase), its commit routine and a lock of its own are not used",
    impl(k, a) {
      if (a.HeapBase) return 0;
      const heap = exAllocatePool(k, PagedPool, HEAP.size, TAG);
      if (!heap) return 0;
      k.mem.fill(heap, HEAP.size, 0);
      H.Signature.set(k.mem, heap, SIGNATURE);
      H.Flags.set(k.mem, heap, a.ReserveSize ? a.Flags : a.Flags | HEAP_GROWABLE);
      H.Limit.set(k.mem, heap, Number.isFinite(a.ReserveSize) ? BigInt(a.ReserveSize) : 0xffffffffffffffffn);
      initializeListHead(k.mem, heap + H.Blocks.offset);
      return heap;
    },
  }),
  ntExport({
    name: 'RtlAllocateHeap',
    doc: 'Allocates a block of a heap, zeroed if wanted; NULL without memory, or STATUS_NO_MEMORY is raised.',
    irql: APC,
    args: { HeapHandle: PVOID, Flags: ULONG, Size: SIZE_T },
    returns: PVOID,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      if (!isHeap(k, a.HeapHandle)) return 0;
      const flags = a.Flags | H.Flags.get(k.mem, a.HeapHandle);
      const at = allocate(k, a.HeapHandle, a.Size, (flags & HEAP_ZERO_MEMORY) !== 0);
      if (!at && flags & HEAP_GENERATE_EXCEPTIONS) k.raise(STATUS_NO_MEMORY);
      return at;
    },
  }),
  ntExport({
    name: 'RtlFreeHeap',
    doc: 'Frees a block of a heap; FALSE for what is none.',
    irql: APC,
    args: { HeapHandle: PVOID, Flags: ULONG, BaseAddress: PVOID },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    impl(k, a) {
      if (!a.BaseAddress) return true;
      const block = a.BaseAddress - BLOCK.size;
      if (!isHeap(k, a.HeapHandle) || B.Heap.get(k.mem, block) !== a.HeapHandle) return false;
      free(k, a.HeapHandle, block);
      return true;
    },
  }),
  ntExport({
    name: 'RtlDestroyHeap',
    doc: 'Frees a heap with all of its blocks: NULL; or the handle back when it is none.',
    irql: APC,
    args: { HeapHandle: PVOID },
    returns: PVOID,
    cycles: 400,
    status: 'full',
    impl(k, { HeapHandle }) {
      if (!isHeap(k, HeapHandle)) return HeapHandle;
      for (const block of [...listEntries(k.mem, HeapHandle + H.Blocks.offset)]) free(k, HeapHandle, block);
      H.Signature.set(k.mem, HeapHandle, 0);
      exFreePool(k, HeapHandle, TAG);
      return 0;
    },
  }),
];
