/** File system library: comparing names, and which errors a file system handles. Source: the WDK page of each routine (ntifs.h). */
import { readString } from '../ob/string.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { DRIVER_EXTENSION, DRIVER_OBJECT } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_ACCESS_VIOLATION, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, pointer, PVOID } from './declare.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const STATUS_DATATYPE_MISALIGNMENT = 0x80000002,
  STATUS_ILLEGAL_INSTRUCTION = 0xc000001d,
  STATUS_INSTRUCTION_MISALIGNMENT = 0xc00000aa;

const upper = (s: string): string => s.toUpperCase();

/** Errors that a file system handles by itself; the others are bugs (FsRtlIsNtstatusExpected). */
const isExpected = (status: number): boolean =>
  ![
    STATUS_DATATYPE_MISALIGNMENT,
    STATUS_ACCESS_VIOLATION,
    STATUS_ILLEGAL_INSTRUCTION,
    STATUS_INSTRUCTION_MISALIGNMENT,
  ].includes(status >>> 0);

/** FS_FILTER_CALLBACKS: its size, a reserved word, and six pairs of routines. */
const FS_FILTER_CALLBACKS_SIZE = 0x68;

export const fsrtlExports: NtExport[] = [
  ntExport({
    name: 'FsRtlRegisterFileSystemFilterCallbacks',
    doc: 'Gives the routines by which a file system, or a filter, hears of what the memory manager and the cache do with its files.',
    irql: PASSIVE,
    args: { FilterDriverObject: pointer('PDRIVER_OBJECT'), Callbacks: PVOID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl(k, { FilterDriverObject, Callbacks }) {
      if (!FilterDriverObject || !Callbacks) return STATUS_INVALID_PARAMETER;
      const extension = DRIVER_OBJECT.f.DriverExtension.get(k.mem, FilterDriverObject);
      const kept = exAllocatePool(k, NonPagedPoolNx, FS_FILTER_CALLBACKS_SIZE, poolTag('FSfc'));
      if (!kept) return STATUS_INSUFFICIENT_RESOURCES;
      k.mem.fill(kept, FS_FILTER_CALLBACKS_SIZE, 0);
      k.mem.copy(kept, Callbacks, Math.min(FS_FILTER_CALLBACKS_SIZE, k.mem.read32(Callbacks)));
      const old = DRIVER_EXTENSION.f.FsFilterCallbacks.get(k.mem, extension);
      if (old) exFreePool(k, old, 0);
      DRIVER_EXTENSION.f.FsFilterCallbacks.set(k.mem, extension, kept);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'FsRtlAreNamesEqual',
    doc: 'Compares two names, with or without regard to case.',
    irql: PASSIVE,
    args: { ConstantNameA: PUNICODE_STRING, ConstantNameB: PUNICODE_STRING, IgnoreCase: BOOLEAN, UpcaseTable: PVOID },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const [x, y] = [readString(k, a.ConstantNameA), readString(k, a.ConstantNameB)];
      return a.IgnoreCase ? upper(x) === upper(y) : x === y;
    },
  }),
  ntExport({
    name: 'FsRtlIsNtstatusExpected',
    doc: 'Says whether an exception is one that a file system may handle: not an access violation and its like.',
    args: { Ntstatus: NTSTATUS },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (_k, { Ntstatus }) => isExpected(Ntstatus),
  }),
  ntExport({
    name: 'FsRtlNormalizeNtstatus',
    doc: 'Gives an exception back if it is expected, else the generic one.',
    args: { Exception: NTSTATUS, GenericException: NTSTATUS },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: (_k, a) => (isExpected(a.Exception) ? a.Exception : a.GenericException),
  }),
];
