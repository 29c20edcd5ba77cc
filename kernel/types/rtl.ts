import { i32, i64, ptr, struct, u16, u32, u64, u8, array } from './struct.ts';
import { to } from './reference.ts';

/** Doubly linked circular list: the head is an entry itself, an empty list points to itself. */
export const LIST_ENTRY = struct('_LIST_ENTRY', { Flink: to('_LIST_ENTRY'), Blink: to('_LIST_ENTRY') });
export const SINGLE_LIST_ENTRY = struct('_SINGLE_LIST_ENTRY', { Next: to('_SINGLE_LIST_ENTRY') });

/** Counted UTF-16 string; lengths in bytes, no terminator promised. */
export const UNICODE_STRING = struct('_UNICODE_STRING', { Length: u16, MaximumLength: u16, Buffer: [8, ptr] });
/** ANSI_STRING: the same with bytes. */
export const STRING = struct('_STRING', { Length: u16, MaximumLength: u16, Buffer: [8, ptr] });

export const LARGE_INTEGER = struct('_LARGE_INTEGER', { LowPart: [0, u32], HighPart: [4, i32], QuadPart: [0, i64] });
export const ULARGE_INTEGER = struct('_ULARGE_INTEGER', { LowPart: [0, u32], HighPart: [4, u32], QuadPart: [0, u64] });
export const M128A = struct('_M128A', { Low: u64, High: i64 }, { align: 16 });
export const GUID = struct('_GUID', { Data1: u32, Data2: u16, Data3: u16, Data4: array(u8, 8) });
export const LUID = struct('_LUID', { LowPart: u32, HighPart: i32 });

export const RTL_BITMAP = struct('_RTL_BITMAP', { SizeOfBitMap: u32, Buffer: [8, ptr] });
export const RTL_BITMAP_RUN = struct('_RTL_BITMAP_RUN', { StartingIndex: u32, NumberOfBits: u32 });

export const TIME_FIELDS = struct('_TIME_FIELDS', {
  Year: u16, Month: u16, Day: u16, Hour: u16, Minute: u16, Second: u16, Milliseconds: u16, Weekday: u16,
});

export const RTL_OSVERSIONINFOW = struct('_OSVERSIONINFOW', {
  dwOSVersionInfoSize: u32, dwMajorVersion: u32, dwMinorVersion: u32, dwBuildNumber: u32, dwPlatformId: u32, szCSDVersion: array(u16, 128),
});
export const RTL_OSVERSIONINFOEXW = struct('_OSVERSIONINFOEXW', {
  dwOSVersionInfoSize: u32, dwMajorVersion: u32, dwMinorVersion: u32, dwBuildNumber: u32, dwPlatformId: u32, szCSDVersion: array(u16, 128),
  wServicePackMajor: u16, wServicePackMinor: u16, wSuiteMask: u16, wProductType: u8, wReserved: u8,
});

export const RTL_BALANCED_NODE = struct('_RTL_BALANCED_NODE', {
  Left: [0, ptr], Right: [8, ptr], ParentValue: [16, u64],
});
export const RTL_AVL_TREE = struct('_RTL_AVL_TREE', { Root: to('_RTL_BALANCED_NODE') });
export const RTL_RB_TREE = struct('_RTL_RB_TREE', { Root: to('_RTL_BALANCED_NODE'), Min: to('_RTL_BALANCED_NODE') });

/** One node of an RTL_AVL_TABLE; the caller's data follow at +20h. */
export const RTL_BALANCED_LINKS = struct('_RTL_BALANCED_LINKS', {
  Parent: to('_RTL_BALANCED_LINKS'), LeftChild: to('_RTL_BALANCED_LINKS'), RightChild: to('_RTL_BALANCED_LINKS'), Balance: [0x18, u8],
}, { size: 0x20 });
export const RTL_AVL_TABLE = struct('_RTL_AVL_TABLE', {
  BalancedRoot: RTL_BALANCED_LINKS, OrderedPointer: ptr, WhichOrderedElement: u32, NumberGenericTableElements: u32, DepthOfTree: u32,
  RestartKey: [0x38, to('_RTL_BALANCED_LINKS')], DeleteCount: u32, CompareRoutine: [0x48, ptr], AllocateRoutine: ptr, FreeRoutine: ptr, TableContext: ptr,
});

/** RUNTIME_FUNCTION of .pdata: three RVAs. */
export const RUNTIME_FUNCTION = struct('_IMAGE_RUNTIME_FUNCTION_ENTRY', { BeginAddress: u32, EndAddress: u32, UnwindInfoAddress: u32 });

export const RTL_QUERY_REGISTRY_TABLE = struct('_RTL_QUERY_REGISTRY_TABLE', {
  QueryRoutine: ptr, Flags: u32, Name: [0x10, ptr], EntryContext: ptr, DefaultType: u32, DefaultData: [0x28, ptr], DefaultLength: u32,
}, { size: 0x38 });
