import { array, i32, i64, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { LIST_ENTRY, UNICODE_STRING } from './rtl.ts';

/** Before each object's body, at body - 30h. The optional headers lie before it; InfoMask says which. */
export const OBJECT_HEADER = struct('_OBJECT_HEADER', {
  PointerCount: i64, HandleCount: i64, NextToFree: [8, ptr], Lock: [0x10, u64], TypeIndex: u8, TraceFlags: u8, InfoMask: u8, Flags: u8, Reserved: u32,
  ObjectCreateInfo: [0x20, ptr], QuotaBlockCharged: [0x20, ptr], SecurityDescriptor: [0x28, ptr], Body: [0x30, u64],
}, { size: 0x38 });
export const OBJECT_HEADER_SIZE = 0x30;
/** OBJECT_HEADER.InfoMask: which optional headers there are. They stand before the header in this order, the creator information nearest to it. */
export const OB_INFO_CREATOR = 1, OB_INFO_NAME = 2, OB_INFO_HANDLE = 4, OB_INFO_QUOTA = 8, OB_INFO_PROCESS = 16;
/** OBJECT_HEADER.Flags */
export const OB_FLAG_NEW_OBJECT = 1, OB_FLAG_KERNEL_OBJECT = 2, OB_FLAG_KERNEL_ONLY_ACCESS = 4, OB_FLAG_EXCLUSIVE = 8, OB_FLAG_PERMANENT = 0x10, OB_FLAG_DEFAULT_SECURITY_QUOTA = 0x20;
export const OB_FLAG_SINGLE_HANDLE_ENTRY = 0x40, OB_FLAG_DELETED_INLINE = 0x80;

export const OBJECT_HEADER_CREATOR_INFO = struct('_OBJECT_HEADER_CREATOR_INFO', { TypeList: LIST_ENTRY, CreatorUniqueProcess: ptr, CreatorBackTraceIndex: u16 }, { size: 0x20 });
export const OBJECT_HEADER_NAME_INFO = struct('_OBJECT_HEADER_NAME_INFO', { Directory: to('_OBJECT_DIRECTORY'), Name: UNICODE_STRING, ReferenceCount: i32 }, { size: 0x20 });
export const OBJECT_HEADER_HANDLE_INFO = struct('_OBJECT_HEADER_HANDLE_INFO', { HandleCountDataBase: ptr, SingleEntryHandleCount: u32 }, { size: 0x10 });
export const OBJECT_HEADER_QUOTA_INFO = struct('_OBJECT_HEADER_QUOTA_INFO', {
  PagedPoolCharge: u32, NonPagedPoolCharge: u32, SecurityDescriptorCharge: u32, SecurityDescriptorQuotaBlock: [0x10, ptr], Reserved2: u64,
});
export const OBJECT_HEADER_PROCESS_INFO = struct('_OBJECT_HEADER_PROCESS_INFO', { ExclusiveProcess: ptr, Reserved: u64 });

export const GENERIC_MAPPING = struct('_GENERIC_MAPPING', { GenericRead: u32, GenericWrite: u32, GenericExecute: u32, GenericAll: u32 });
export const OBJECT_TYPE_INITIALIZER = struct('_OBJECT_TYPE_INITIALIZER', {
  Length: u16, ObjectTypeFlags: u16, ObjectTypeCode: u32, InvalidAttributes: u32, GenericMapping: GENERIC_MAPPING, ValidAccessMask: u32, RetainAccess: u32, PoolType: u32,
  DefaultPagedPoolCharge: u32, DefaultNonPagedPoolCharge: u32, DumpProcedure: ptr, OpenProcedure: ptr, CloseProcedure: ptr, DeleteProcedure: ptr, ParseProcedure: ptr,
  SecurityProcedure: ptr, QueryNameProcedure: ptr, OkayToCloseProcedure: ptr, WaitObjectFlagMask: u32, WaitObjectFlagOffset: u16, WaitObjectPointerOffset: u16,
});
export const OBJECT_TYPE = struct('_OBJECT_TYPE', {
  TypeList: LIST_ENTRY, Name: UNICODE_STRING, DefaultObject: ptr, Index: u8, TotalNumberOfObjects: [0x2c, u32], TotalNumberOfHandles: u32, HighWaterNumberOfObjects: u32,
  HighWaterNumberOfHandles: u32, TypeInfo: [0x40, OBJECT_TYPE_INITIALIZER], TypeLock: u64, Key: u32, CallbackList: [0xc8, LIST_ENTRY],
});

export const OBJECT_DIRECTORY_ENTRY = struct('_OBJECT_DIRECTORY_ENTRY', { ChainLink: to('_OBJECT_DIRECTORY_ENTRY'), Object: ptr, HashValue: u32 });
/** 37 hash buckets; a name's bucket is its upper-case hash modulo 37. */
export const OBJECT_DIRECTORY = struct('_OBJECT_DIRECTORY', {
  HashBuckets: array(ptr, 37), Lock: u64, DeviceMap: ptr, ShadowDirectory: to('_OBJECT_DIRECTORY'), NamespaceEntry: ptr, SessionObject: ptr, Flags: u32, SessionId: u32,
});
export const OBJECT_SYMBOLIC_LINK = struct('_OBJECT_SYMBOLIC_LINK', {
  CreationTime: i64, LinkTarget: UNICODE_STRING, DosDeviceDriveIndex: u32, Flags: u32, AccessMask: u32,
}, { size: 0x28 });

export const OBJECT_ATTRIBUTES = struct('_OBJECT_ATTRIBUTES', {
  Length: u32, RootDirectory: [8, ptr], ObjectName: to('_UNICODE_STRING'), Attributes: u32, SecurityDescriptor: [0x20, ptr], SecurityQualityOfService: ptr,
});
export const OBJ_INHERIT = 2, OBJ_PERMANENT = 0x10, OBJ_EXCLUSIVE = 0x20, OBJ_CASE_INSENSITIVE = 0x40, OBJ_OPENIF = 0x80, OBJ_OPENLINK = 0x100, OBJ_KERNEL_HANDLE = 0x200, OBJ_FORCE_ACCESS_CHECK = 0x400;
export const OBJECT_NAME_INFORMATION = struct('_OBJECT_NAME_INFORMATION', { Name: UNICODE_STRING });
export const OBJECT_HANDLE_INFORMATION = struct('_OBJECT_HANDLE_INFORMATION', { HandleAttributes: u32, GrantedAccess: u32 });

/**
 * A used entry: low word: bit 0 unlocked, bits 1-16 reference count, bits 17-19 attributes, bits 20-63 address bits 4-47 of the object header; GrantedAccess in 25 bits.
 * A free entry: NextFreeHandleEntry at +8.
 */
export const HANDLE_TABLE_ENTRY = struct('_HANDLE_TABLE_ENTRY', { LowValue: [0, u64], HighValue: [8, u64], GrantedAccessBits: [8, u32], NextFreeHandleEntry: [8, u64] });
export const HANDLE_TABLE_FREE_LIST = struct('_HANDLE_TABLE_FREE_LIST', {
  FreeListLock: u64, FirstFreeHandleEntry: ptr, LastFreeHandleEntry: ptr, HandleCount: i32, HighWaterMark: u32,
}, { size: 0x40 });
/** The low two bits of TableCode say how many levels the table has. */
export const HANDLE_TABLE = struct('_HANDLE_TABLE', {
  NextHandleNeedingPool: u32, ExtraInfoPages: i32, TableCode: u64, QuotaProcess: to('_EPROCESS'), HandleTableList: LIST_ENTRY, UniqueProcessId: u32, Flags: u32,
  HandleContentionEvent: u64, HandleTableLock: u64, FreeLists: HANDLE_TABLE_FREE_LIST,
});
