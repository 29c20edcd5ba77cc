/**
 * Object types. A type is itself an object (of type `Type`, in `\ObjectTypes`), and an object's header names its type by an index into
 * ObTypeIndexTable. The index in a header is encoded: XORed with a cookie of this boot and with a byte of the header's own address, so that a
 * pool overflow cannot forge a type (Windows 10).
 */
import type { Kernel } from '../kernel.ts';
import { OBJECT_HEADER, OBJECT_HEADER_SIZE, OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { poolTag } from './globals.ts';
import { allocateString } from './string.ts';

/** The first index that is given to a type: 0 means a free slot and 1 an object that is being deleted. */
export const FIRST_TYPE_INDEX = 2;
export const MAX_TYPES = 256;

/** OBJECT_TYPE_INITIALIZER.ObjectTypeFlags. */
export const TYPE_CASE_INSENSITIVE = 0x01,
  TYPE_UNNAMED_ONLY = 0x02,
  TYPE_USE_DEFAULT_OBJECT = 0x04,
  TYPE_SECURITY_REQUIRED = 0x08,
  TYPE_MAINTAIN_HANDLE_COUNT = 0x10;

export interface ObjectTypeSpec {
  name: string;
  /** NT's pool for the bodies: 0 nonpaged, 1 paged, 0x200 nonpaged without execution. */
  poolType?: number;
  flags?: number;
  /** read, write, execute, all: what the generic rights mean for this type. */
  mapping: readonly [number, number, number, number];
  validAccess: number;
  /** Names of the kernel's own routines (`IopCloseFile`); they may call drivers. */
  closeProcedure?: string;
  deleteProcedure?: string;
  parseProcedure?: string;
  /** Offset in the body of the dispatcher object that a wait for the object waits for, when the body does not start with one. */
  waitOffset?: number;
  /** An object of this type can be waited for because its body starts with a DISPATCHER_HEADER. */
  waitable?: boolean;
}

export const GENERIC_READ = 0x80000000,
  GENERIC_WRITE = 0x40000000,
  GENERIC_EXECUTE = 0x20000000,
  GENERIC_ALL = 0x10000000;
export const MAXIMUM_ALLOWED = 0x02000000;
export const STANDARD_RIGHTS_READ = 0x20000,
  STANDARD_RIGHTS_REQUIRED = 0xf0000,
  SYNCHRONIZE = 0x100000,
  DELETE = 0x10000;

/**
 * Makes an object type and enters it in ObTypeIndexTable. The body comes from the caller when the type itself must be an object
 * (`obCreateTypeObject`); this function fills it in.
 */
export function initializeType(k: Kernel, type: number, index: number, spec: ObjectTypeSpec): void {
  const { mem } = k;
  const f = OBJECT_TYPE.f;
  const info = type + f.TypeInfo.offset;
  const i = OBJECT_TYPE_INITIALIZER.f;
  if (!allocateString(k, type + f.Name.offset, spec.name, poolTag('ObNm')))
    throw new Error(`no pool for the name of object type ${spec.name}`);
  const list = type + f.TypeList.offset;
  mem.writePtr(list, list);
  mem.writePtr(list + 8, list);
  const callbacks = type + f.CallbackList.offset;
  mem.writePtr(callbacks, callbacks);
  mem.writePtr(callbacks + 8, callbacks);
  f.Index.set(mem, type, index);
  i.Length.set(mem, info, OBJECT_TYPE_INITIALIZER.size);
  i.ObjectTypeFlags.set(mem, info, (spec.flags ?? 0) | (spec.waitOffset === undefined ? 0 : TYPE_USE_DEFAULT_OBJECT));
  const mapping = info + i.GenericMapping.offset;
  spec.mapping.forEach((mask, n) => mem.write32(mapping + n * 4, mask));
  i.ValidAccessMask.set(mem, info, spec.validAccess);
  i.PoolType.set(mem, info, spec.poolType ?? NonPagedPoolNx);
  const procedure = (name: string | undefined): number => (name ? k.address(`nt!${name}`) : 0);
  i.CloseProcedure.set(mem, info, procedure(spec.closeProcedure));
  i.DeleteProcedure.set(mem, info, procedure(spec.deleteProcedure));
  i.ParseProcedure.set(mem, info, procedure(spec.parseProcedure));
  // A small number here is an offset into the body, as NT has it for files: the object to wait for is part of the object.
  f.DefaultObject.set(mem, type, spec.waitOffset ?? (spec.waitable ? 0 : k.global.address('ObpDefaultObject')));
  mem.writePtr(k.global.address('ObTypeIndexTable') + index * 8, type);
}

/** The type of an object, from its header. */
export function obTypeOf(k: Kernel, body: number): number {
  const header = body - OBJECT_HEADER_SIZE;
  const index = OBJECT_HEADER.f.TypeIndex.get(k.mem, header) ^ headerByte(header) ^ k.global.get('ObHeaderCookie');
  return k.mem.readPtr(k.global.address('ObTypeIndexTable') + index * 8);
}

/** What a header must hold so that it decodes to `index`. */
export function encodeTypeIndex(k: Kernel, header: number, index: number): number {
  return index ^ headerByte(header) ^ k.global.get('ObHeaderCookie');
}

/** Bits 8-15 of the header's address. `%` keeps the low bits of a negative double exact. */
function headerByte(header: number): number {
  return (((header % 0x10000) + 0x10000) % 0x10000) >>> 8;
}

/** The object that a wait for `body` waits for, or 0 when objects of its type cannot be waited for. */
export function obWaitObject(k: Kernel, body: number): number {
  const type = obTypeOf(k, body);
  const object = OBJECT_TYPE.f.DefaultObject.get(k.mem, type);
  if (object >= 0 && object < 0x10000) return body + object;
  return object === k.global.address('ObpDefaultObject') ? 0 : object;
}

/** Replaces the generic rights of `access` by what they mean for the type (RtlMapGenericMask). */
export function mapAccess(k: Kernel, type: number, access: number): number {
  const mapping = type + OBJECT_TYPE.f.TypeInfo.offset + OBJECT_TYPE_INITIALIZER.f.GenericMapping.offset;
  const valid = OBJECT_TYPE_INITIALIZER.f.ValidAccessMask.get(k.mem, type + OBJECT_TYPE.f.TypeInfo.offset);
  let result = access & 0x0dffffff;
  [GENERIC_READ, GENERIC_WRITE, GENERIC_EXECUTE, GENERIC_ALL].forEach((bit, n) => {
    if ((access & bit) !== 0) result |= k.mem.read32(mapping + n * 4);
  });
  if ((access & MAXIMUM_ALLOWED) !== 0) result |= valid;
  return result >>> 0;
}

/** The address of a well-known type, from the variable that exports it (`IoFileObjectType`). */
export const exportedType = (k: Kernel, variable: string): number => k.mem.readPtr(k.address(`nt!${variable}`));
