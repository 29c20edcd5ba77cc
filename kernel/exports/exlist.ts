/** Sequenced lists, interlocked lists and lookaside lists. Source: their WDK pages. */
import { R8, R9, R10, RAX, RBX, RCX, RDX } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { mem } from '../image/asm.ts';
import { exFreePool } from '../mm/pool.ts';
import { insertHeadList, insertTailList, removeEntryList, removeHeadList } from '../rtl/list.ts';
import { GENERAL_LOOKASIDE_POOL } from '../types/ex.ts';
import { NonPagedPool, PagedPool } from '../types/mm.ts';
import { STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_5, STATUS_SUCCESS } from '../types/status.ts';
import {
  call,
  LONGLONG,
  type IrqlRule,
  type NtExport,
  ntCode,
  ntExport,
  NTSTATUS,
  ntSteps,
  type Outcome,
  pointer,
  PVOID,
  ret,
  SIZE_T,
  ULONG,
  USHORT,
  VOID,
} from './declare.ts';
import { ptr } from '../types/struct.ts';
import { locked } from './exinterlocked.ts';

const PSLIST_HEADER = pointer('PSLIST_HEADER'),
  PSLIST_ENTRY = pointer('PSLIST_ENTRY'),
  PLIST_ENTRY = pointer('PLIST_ENTRY'),
  PKSPIN_LOCK = pointer('PKSPIN_LOCK');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

// CMPXCHG16B compares RDX:RAX and stores RCX:RBX: low the depth and sequence number, high the first entry. Each change counts the sequence number up, so
// that a list which changed and changed back in between is not taken for unchanged.
const slist: NtExport[] = [
  ntCode({
    name: 'ExpInterlockedPushEntrySList',
    doc: 'Puts an entry at the front of a sequenced list and returns the entry that was first.',
    args: { ListHead: PSLIST_HEADER, ListEntry: PSLIST_ENTRY },
    returns: PSLIST_ENTRY,
    cycles: 30,
    status: 'full',
    code(a) {
      a.prologPush(RBX);
      a.mov(R8, RCX);
      a.mov(R9, RDX);
      a.mov(RAX, mem(R8));
      a.mov(RDX, mem(R8, 8));
      a.nop();
      a.label('again');
      a.mov(R10, RDX);
      a.andImm(R10, -16);
      a.mov(mem(R9), R10);
      a.lea(RBX, mem(RAX, 0x10001));
      a.mov(RCX, R9);
      a.lockCmpxchg16b(mem(R8));
      a.jcc('ne', 'again');
      a.mov(RAX, R10);
      a.pop(RBX);
      a.ret();
    },
  }),
  ntCode({
    name: 'ExpInterlockedPopEntrySList',
    doc: 'Takes the first entry off a sequenced list; NULL when it is empty.',
    args: { ListHead: PSLIST_HEADER },
    returns: PSLIST_ENTRY,
    cycles: 30,
    status: 'full',
    code(a) {
      a.prologPush(RBX);
      a.mov(R8, RCX);
      a.mov(RAX, mem(R8));
      a.mov(RDX, mem(R8, 8));
      a.nop(5);
      a.label('again');
      a.mov(R9, RDX);
      a.andImm(R9, -16);
      a.jcc('e', 'empty');
      a.mov(RCX, mem(R9));
      a.lea(RBX, mem(RAX, 0xffff));
      a.lockCmpxchg16b(mem(R8));
      a.jcc('ne', 'again');
      a.mov(RAX, R9);
      a.pop(RBX);
      a.ret();
      a.label('empty');
      a.xor(RAX, RAX, 4);
      a.pop(RBX);
      a.ret();
    },
  }),
  ntCode({
    name: 'ExpInterlockedFlushSList',
    doc: 'Takes all entries off a sequenced list and returns the first.',
    args: { ListHead: PSLIST_HEADER },
    returns: PSLIST_ENTRY,
    cycles: 30,
    status: 'full',
    code(a) {
      a.prologPush(RBX);
      a.mov(R8, RCX);
      a.mov(RAX, mem(R8));
      a.mov(RDX, mem(R8, 8));
      a.nop(5);
      a.label('again');
      a.xor(RCX, RCX, 4);
      a.lea(RBX, mem(RAX, 0x10000));
      a.andImm(RBX, -0x10000);
      a.lockCmpxchg16b(mem(R8));
      a.jcc('ne', 'again');
      a.mov(RAX, RDX);
      a.andImm(RAX, -16);
      a.pop(RBX);
      a.ret();
    },
  }),
  ntExport({
    name: 'ExQueryDepthSList',
    doc: 'Returns the number of entries of a sequenced list.',
    irql: DISPATCH,
    args: { ListHead: PSLIST_HEADER },
    returns: USHORT,
    cycles: 8,
    status: 'full',
    impl: (k, a) => k.mem.read16(a.ListHead),
  }),
  ntExport({
    name: 'InitializeSListHead',
    doc: 'Makes a sequenced list empty.',
    args: { ListHead: PSLIST_HEADER },
    returns: VOID,
    cycles: 8,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.ListHead, 16, true);
      k.mem.write64(a.ListHead, 0n);
      k.mem.write64(a.ListHead + 8, 0n);
    },
  }),
];

const interlocked: NtExport[] = [
  ntExport({
    name: 'ExInterlockedInsertHeadList',
    doc: 'Puts an entry at the head of a list under a spin lock; returns the entry that was first, NULL when there was none.',
    args: { ListHead: PLIST_ENTRY, ListEntry: PLIST_ENTRY, Lock: PKSPIN_LOCK },
    returns: PLIST_ENTRY,
    cycles: 40,
    status: 'full',
    impl: (k, a) =>
      locked(k, a.Lock, () => {
        const first = k.mem.readPtr(a.ListHead);
        insertHeadList(k.mem, a.ListHead, a.ListEntry);
        return first === a.ListHead ? 0 : first;
      }),
  }),
  ntExport({
    name: 'ExInterlockedInsertTailList',
    doc: 'Puts an entry at the tail of a list under a spin lock; returns the entry that was last, NULL when there was none.',
    args: { ListHead: PLIST_ENTRY, ListEntry: PLIST_ENTRY, Lock: PKSPIN_LOCK },
    returns: PLIST_ENTRY,
    cycles: 40,
    status: 'full',
    impl: (k, a) =>
      locked(k, a.Lock, () => {
        const last = k.mem.readPtr(a.ListHead + 8);
        insertTailList(k.mem, a.ListHead, a.ListEntry);
        return last === a.ListHead ? 0 : last;
      }),
  }),
  ntExport({
    name: 'ExInterlockedRemoveHeadList',
    doc: 'Takes the first entry off a list under a spin lock; NULL when it is empty.',
    args: { ListHead: PLIST_ENTRY, Lock: PKSPIN_LOCK },
    returns: PLIST_ENTRY,
    cycles: 40,
    status: 'full',
    impl: (k, a) => locked(k, a.Lock, () => removeHeadList(k.mem, a.ListHead)),
  }),
  ntExport({
    name: 'ExInterlockedAddUlong',
    doc: 'Adds to an unsigned long under a spin lock and returns its old value.',
    args: { Addend: pointer('PULONG'), Increment: ULONG, Lock: PKSPIN_LOCK },
    returns: ULONG,
    cycles: 40,
    status: 'full',
    impl: (k, a) =>
      locked(k, a.Lock, () => {
        const old = k.mem.read32(a.Addend);
        k.mem.write32(a.Addend, (old + a.Increment) >>> 0);
        return old;
      }),
  }),
  ntExport({
    name: 'ExInterlockedAddLargeInteger',
    doc: 'Adds to a large integer under a spin lock and returns its old value.',
    args: { Addend: pointer('PLARGE_INTEGER'), Increment: LONGLONG, Lock: PKSPIN_LOCK },
    returns: LONGLONG,
    cycles: 40,
    status: 'full',
    impl: (k, a) =>
      locked(k, a.Lock, () => {
        const old = k.mem.read64(a.Addend);
        k.mem.write64(a.Addend, BigInt.asUintN(64, old + a.Increment));
        return old;
      }),
  }),
];

const L = GENERAL_LOOKASIDE_POOL.f;
/** Depth that a list starts with, and the most that it may get. */
const INITIAL_DEPTH = 4,
  MAXIMUM_DEPTH = 256;

interface LookasideSetup {
  list: number;
  /** Bytes of the structure. */
  size: number;
  type: number;
  allocate: number;
  free: number;
  entrySize: number;
  tag: number;
  head: 'ExNPagedLookasideListHead' | 'ExPagedLookasideListHead' | 'ExPoolLookasideListHead';
}

function initializeLookaside(k: Kernel, s: LookasideSetup): void {
  k.mem.fill(s.list, s.size, 0);
  L.Depth.set(k.mem, s.list, INITIAL_DEPTH);
  L.MaximumDepth.set(k.mem, s.list, MAXIMUM_DEPTH);
  L.Type.set(k.mem, s.list, s.type);
  L.Tag.set(k.mem, s.list, s.tag);
  L.Size.set(k.mem, s.list, s.entrySize);
  L.Allocate.set(k.mem, s.list, s.allocate || k.address('nt!ExAllocatePoolWithTag'));
  L.Free.set(k.mem, s.list, s.free || k.address('nt!ExFreePool'));
  insertTailList(k.mem, k.global.address(s.head), s.list + L.ListEntry.offset);
}

/** Takes the first free entry off a lookaside list; 0 when there is none. */
function popEntry(k: Kernel, list: number): number {
  const first = k.mem.readPtr(list + 8);
  if (!first) return 0;
  k.mem.writePtr(list + 8, k.mem.readPtr(first));
  k.mem.write64(list, k.mem.read64(list) + 0xffffn);
  return first;
}

/** Frees the entries one by one, by the driver's routine if there is one. */
function freeEntries(k: Kernel, list: number, extended: boolean): Outcome {
  const routine = L.Free.get(k.mem, list);
  for (let entry = popEntry(k, list); entry; entry = popEntry(k, list)) {
    if (routine !== k.address('nt!ExFreePool')) return call(routine, extended ? [entry, list] : [entry], 'freed');
    exFreePool(k, entry, 0);
  }
  return ret();
}

const emptying = (name: string, doc: string, unlink: boolean, extended: boolean, irql: IrqlRule = DISPATCH): NtExport =>
  ntSteps({
    name,
    doc,
    irql,
    args: { Lookaside: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { List: ptr },
    steps: {
      start(k, f, _rax, a) {
        f.set('List', a.Lookaside);
        if (unlink) removeEntryList(k.mem, a.Lookaside + L.ListEntry.offset);
        return freeEntries(k, a.Lookaside, extended);
      },
      freed: (k, f) => freeEntries(k, f.get('List'), extended),
    },
  });

/** Puts an entry on a lookaside list. */
function pushEntry(k: Kernel, list: number, entry: number): void {
  k.mem.writePtr(entry, k.mem.readPtr(list + 8));
  k.mem.writePtr(list + 8, entry);
  k.mem.write64(list, k.mem.read64(list) + 0x10001n);
}
const depthOf = (k: Kernel, list: number): number => k.mem.read16(list);

const counter = (k: Kernel, list: number, field: 'TotalAllocates' | 'AllocateMisses' | 'TotalFrees' | 'FreeMisses'): void =>
  L[field].set(k.mem, list, L[field].get(k.mem, list) + 1);

const pagedLookaside: NtExport[] = [
  ntSteps({
    name: 'ExAllocateFromPagedLookasideList',
    doc: 'Takes the first free entry off a paged lookaside list, or has a new one allocated.',
    irql: { max: 'APC_LEVEL' },
    args: { Lookaside: PVOID },
    returns: PVOID,
    cycles: 60,
    status: 'full',
    frame: { List: ptr },
    steps: {
      start(k, _f, _rax, { Lookaside: list }) {
        counter(k, list, 'TotalAllocates');
        const entry = popEntry(k, list);
        if (entry) return ret(entry);
        counter(k, list, 'AllocateMisses');
        return call(L.Allocate.get(k.mem, list), [L.Type.get(k.mem, list), L.Size.get(k.mem, list), L.Tag.get(k.mem, list)], 'allocated');
      },
      allocated: k => ret(k.rax64()),
    },
  }),
  ntSteps({
    name: 'ExFreeToPagedLookasideList',
    doc: 'Gives an entry back to a paged lookaside list, or has it freed when the list is full.',
    irql: { max: 'APC_LEVEL' },
    args: { Lookaside: PVOID, Entry: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { List: ptr },
    steps: {
      start(k, _f, _rax, { Lookaside: list, Entry }) {
        counter(k, list, 'TotalFrees');
        if (depthOf(k, list) < L.Depth.get(k.mem, list)) {
          pushEntry(k, list, Entry);
          return ret();
        }
        counter(k, list, 'FreeMisses');
        return call(L.Free.get(k.mem, list), [Entry], 'freed');
      },
      freed: () => ret(),
    },
  }),
];

const initializeArgs = { Lookaside: PVOID, Allocate: PVOID, Free: PVOID, Flags: ULONG, Size: SIZE_T, Tag: ULONG, Depth: USHORT } as const;
const EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL = 1,
  EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE = 2;

const lookaside: NtExport[] = [
  ntExport({
    name: 'ExInitializeNPagedLookasideList',
    doc: 'Initializes a lookaside list for nonpaged entries of one size.',
    irql: DISPATCH,
    args: initializeArgs,
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, a) =>
      initializeLookaside(k, {
        list: a.Lookaside,
        size: 0x80,
        type: NonPagedPool | (a.Flags & 0x210),
        allocate: a.Allocate,
        free: a.Free,
        entrySize: a.Size,
        tag: a.Tag,
        head: 'ExNPagedLookasideListHead',
      }),
  }),
  ntExport({
    name: 'ExInitializePagedLookasideList',
    doc: 'Initializes a lookaside list for pageable entries of one size.',
    irql: { max: 'APC_LEVEL' },
    args: initializeArgs,
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, a) =>
      initializeLookaside(k, {
        list: a.Lookaside,
        size: 0x80,
        type: PagedPool | (a.Flags & 0x10),
        allocate: a.Allocate,
        free: a.Free,
        entrySize: a.Size,
        tag: a.Tag,
        head: 'ExPagedLookasideListHead',
      }),
  }),
  ntExport({
    name: 'ExInitializeLookasideListEx',
    doc: 'Initializes a lookaside list whose routines get the list as an argument.',
    irql: DISPATCH,
    args: { Lookaside: PVOID, Allocate: PVOID, Free: PVOID, PoolType: ULONG, Flags: ULONG, Size: SIZE_T, Tag: ULONG, Depth: USHORT },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    impl(k, a) {
      if (![NonPagedPool, PagedPool, 512].includes(a.PoolType)) return STATUS_INVALID_PARAMETER_4;
      if (a.Flags & ~(EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL | EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE) || a.Flags === 3)
        return STATUS_INVALID_PARAMETER_5;
      const raise = a.Flags & EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL ? 0x10 : a.Flags & EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE ? 8 : 0;
      initializeLookaside(k, {
        list: a.Lookaside,
        size: 0x60,
        type: a.PoolType | raise,
        allocate: a.Allocate,
        free: a.Free,
        entrySize: a.Size,
        tag: a.Tag,
        head: 'ExPoolLookasideListHead',
      });
      return STATUS_SUCCESS;
    },
  }),
  emptying('ExDeleteNPagedLookasideList', 'Frees the entries of a nonpaged lookaside list and ends it.', true, false),
  emptying('ExDeletePagedLookasideList', 'Frees the entries of a paged lookaside list and ends it.', true, false, { max: 'APC_LEVEL' }),
  emptying('ExDeleteLookasideListEx', 'Frees the entries of a lookaside list and ends it.', true, true),
  emptying('ExFlushLookasideListEx', 'Frees the entries of a lookaside list.', false, true),
];

export const listExports: NtExport[] = [...slist, ...interlocked, ...lookaside, ...pagedLookaside];
