/** System services on handles: duplicating them, asking about their objects, setting their attributes. Source: the WDK page of each, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { OB_OPERATION_HANDLE_DUPLICATE } from '../ob/callbacks.ts';
import { obReferenceObjectByHandle, obReferenceProcessHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { objectFullName, writeObjectName } from '../ob/named.ts';
import { HEADER_SIZE, handleCount, nameInfo, obDereferenceDeferred, pointerCount } from '../ob/object.ts';
import { obCheckAccess, obSecurity } from '../ob/security.ts';
import { readString, wide } from '../ob/string.ts';
import { exportedType, mapAccess, obTypeOf, TYPE_MAINTAIN_HANDLE_COUNT, TYPE_SECURITY_REQUIRED, FIRST_TYPE_INDEX } from '../ob/type.ts';
import { EPROCESS } from '../types/ps.ts';
import { OB_FLAG_EXCLUSIVE, OB_FLAG_PERMANENT, OBJ_EXCLUSIVE, OBJ_INHERIT, OBJ_PERMANENT, OBJECT_HEADER, OBJECT_SYMBOLIC_LINK, OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import { STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS, STATUS_PROCESS_IS_TERMINATING, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, HANDLE, type NtExport, NTSTATUS, type Outcome, PVOID, ret, ULONG } from './declare.ts';
import { setHandleFlags } from './obopen.ts';
import { service, stepService } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
/** DUPLICATE_*. */
const DUPLICATE_CLOSE_SOURCE = 1, DUPLICATE_SAME_ACCESS = 2, DUPLICATE_SAME_ATTRIBUTES = 4;
const PROCESS_DUP_HANDLE = 0x40;

/** The table of a handle's process: its EPROCESS, with a reference. The target may be absent. */
function process(k: Kernel, handle: number): { status: number; object: number } {
  const r = obReferenceObjectByHandle(k, handle, PROCESS_DUP_HANDLE, exportedType(k, 'PsProcessType'), previousMode(k));
  if (r.status === STATUS_SUCCESS && !EPROCESS.f.ObjectTable.get(k.mem, r.object)) {
    obDereferenceDeferred(k, r.object);
    return { status: STATUS_PROCESS_IS_TERMINATING, object: 0 };
  }
  return r;
}

const duplicating: NtExport[] = stepService({
  name: 'DuplicateObject',
  doc: 'Makes another handle to the object of a handle, in the same or another process, or closes a handle of another process.',
  irql: PASSIVE,
  args: { SourceProcessHandle: HANDLE, SourceHandle: HANDLE, TargetProcessHandle: HANDLE, TargetHandle: PVOID, DesiredAccess: ULONG, HandleAttributes: ULONG, Options: ULONG },
  returns: NTSTATUS,
  cycles: 400,
  status: 'full',
  frame: { Source: ptr, Target: ptr, Object: ptr, Status: u32 },
  steps: {
    start(k, f, _rax, a) {
      f.set('Source', 0);
      f.set('Target', 0);
      f.set('Object', 0);
      if (a.TargetHandle) {
        k.mem.probe(a.TargetHandle, 8, true);
        k.mem.writePtr(a.TargetHandle, 0);
      }
      const mode = previousMode(k);
      const source = process(k, a.SourceProcessHandle);
      if (source.status !== STATUS_SUCCESS) return ret(source.status);
      f.set('Source', source.object);
      const object = obReferenceProcessHandle(k, source.object, a.SourceHandle, 0, 0, mode);
      if (object.status !== STATUS_SUCCESS) return finish(k, f, object.status);
      f.set('Object', object.object);
      // Without a target only the source is closed.
      if (!a.TargetProcessHandle) return closeSource(k, f, a, STATUS_SUCCESS);
      const target = process(k, a.TargetProcessHandle);
      if (target.status !== STATUS_SUCCESS) return closeSource(k, f, a, target.status);
      f.set('Target', target.object);
      const wanted = mapAccess(k, obTypeOf(k, object.object), a.DesiredAccess);
      let access = a.Options & DUPLICATE_SAME_ACCESS ? object.access : wanted;
      // More than the source handle allows is checked as if the object were opened.
      if ((access & ~object.access) !== 0) {
        const answer = obCheckAccess(k, object.object, a.DesiredAccess, mode);
        if (answer.status !== STATUS_SUCCESS) return closeSource(k, f, a, answer.status);
        access = answer.granted;
      }
      const attributes = a.Options & DUPLICATE_SAME_ATTRIBUTES ? object.attributes : a.HandleAttributes;
      return call(k.address('nt!ObpOpenHandle'), [object.object, access, attributes, mode, a.TargetHandle, OB_OPERATION_HANDLE_DUPLICATE, source.object, target.object], 'opened');
    },
    opened: (k, f, rax, a) => closeSource(k, f, a, rax),
    closed: (k, f) => finish(k, f, f.get('Status')),
    dropped: (k, f) => finish(k, f, f.get('Status')),
    done: (_k, f) => ret(f.get('Status')),
  },
});

interface DuplicateFrame {
  get(n: 'Source' | 'Target' | 'Object' | 'Status'): number;
  set(n: 'Source' | 'Target' | 'Object' | 'Status', v: number): void;
}

/** DUPLICATE_CLOSE_SOURCE closes whatever else happened. */
function closeSource(k: Kernel, f: DuplicateFrame, a: { SourceHandle: number; Options: number }, status: number): Outcome {
  f.set('Status', status);
  if (!(a.Options & DUPLICATE_CLOSE_SOURCE)) return finish(k, f, status);
  return call(k.address('nt!ObpCloseHandleOf'), [f.get('Source'), a.SourceHandle, previousMode(k)], 'closed');
}

/** Gives back what the call holds. */
function finish(k: Kernel, f: DuplicateFrame, status: number): Outcome {
  f.set('Status', status);
  for (const name of ['Source', 'Target'] as const) {
    const held = f.get(name);
    if (held) obDereferenceDeferred(k, held);
    f.set(name, 0);
  }
  const object = f.get('Object');
  if (!object) return ret(status);
  f.set('Object', 0);
  return call(k.address('nt!ObfDereferenceObject'), [object], 'done');
}

/** OBJECT_INFORMATION_CLASS. */
const ObjectBasicInformation = 0, ObjectNameInformation = 1, ObjectTypeInformation = 2, ObjectHandleFlagInformation = 4;
/** Bytes of PUBLIC_OBJECT_BASIC_INFORMATION and of OBJECT_TYPE_INFORMATION without its name. */
const BASIC_SIZE = 0x38, TYPE_SIZE = 0x68;

function basic(k: Kernel, object: number, access: number, handleAttributes: number, to: number): void {
  const { mem } = k;
  const flags = OBJECT_HEADER.f.Flags.get(mem, object - HEADER_SIZE);
  const info = nameInfo(k, object);
  const sd = obSecurity(k, object);
  mem.fill(to, BASIC_SIZE, 0);
  mem.write32(to, (handleAttributes & OBJ_INHERIT) | (flags & OB_FLAG_PERMANENT ? OBJ_PERMANENT : 0) | (flags & OB_FLAG_EXCLUSIVE ? OBJ_EXCLUSIVE : 0));
  mem.write32(to + 4, access);
  mem.write32(to + 8, handleCount(k, object));
  // The reference of this call does not count.
  mem.write32(to + 12, pointerCount(k, object) - 1);
  mem.write32(to + 0x24, info ? 0x10 + objectFullName(k, object).length * 2 + 2 : 0);
  mem.write32(to + 0x28, TYPE_SIZE + readString(k, obTypeOf(k, object) + OBJECT_TYPE.f.Name.offset).length * 2 + 2);
  mem.write32(to + 0x2c, sd ? 1 : 0);
  if (obTypeOf(k, object) === k.global.get('ObpSymbolicLinkObjectType')) mem.write64(to + 0x30, BigInt.asUintN(64, OBJECT_SYMBOLIC_LINK.f.CreationTime.get(mem, object)));
}

/** OBJECT_TYPE_INFORMATION with the name behind it. */
function typeInformation(k: Kernel, type: number, name: string, to: number): void {
  const { mem } = k;
  const t = OBJECT_TYPE.f;
  const i = OBJECT_TYPE_INITIALIZER.f;
  const info = type + t.TypeInfo.offset;
  mem.fill(to, TYPE_SIZE, 0);
  mem.write16(to, name.length * 2);
  mem.write16(to + 2, name.length * 2 + 2);
  mem.writePtr(to + 8, to + TYPE_SIZE);
  mem.write32(to + 0x10, t.TotalNumberOfObjects.get(mem, type));
  mem.write32(to + 0x14, t.TotalNumberOfHandles.get(mem, type));
  mem.write32(to + 0x28, t.HighWaterNumberOfObjects.get(mem, type));
  mem.write32(to + 0x2c, t.HighWaterNumberOfHandles.get(mem, type));
  mem.write32(to + 0x40, i.InvalidAttributes.get(mem, info));
  mem.copy(to + 0x44, info + i.GenericMapping.offset, 16);
  mem.write32(to + 0x54, i.ValidAccessMask.get(mem, info));
  const flags = i.ObjectTypeFlags.get(mem, info);
  mem.write8(to + 0x58, flags & TYPE_SECURITY_REQUIRED ? 1 : 0);
  mem.write8(to + 0x59, flags & TYPE_MAINTAIN_HANDLE_COUNT ? 1 : 0);
  mem.write8(to + 0x5a, Math.max(FIRST_TYPE_INDEX, t.Index.get(mem, type)));
  mem.write32(to + 0x5c, i.PoolType.get(mem, info));
  mem.writeBytes(to + TYPE_SIZE, wide(`${name}\0`));
}

function describe(k: Kernel, r: { object: number; access: number; attributes: number }, what: number, to: number, length: number, returned: number): number {
  const { mem } = k;
  const { object } = r;
  if (what === ObjectNameInformation) return writeObjectName(k, objectFullName(k, object), to, length, returned);
  const type = obTypeOf(k, object);
  const name = what === ObjectTypeInformation ? readString(k, type + OBJECT_TYPE.f.Name.offset) : '';
  const sizes: { readonly [what: number]: number } = { [ObjectBasicInformation]: BASIC_SIZE, [ObjectTypeInformation]: TYPE_SIZE + name.length * 2 + 2, [ObjectHandleFlagInformation]: 2 };
  const size = sizes[what];
  if (size === undefined) return STATUS_INVALID_INFO_CLASS;
  if (returned) mem.write32(returned, size);
  if (what === ObjectBasicInformation ? length !== size : length < size) return STATUS_INFO_LENGTH_MISMATCH;
  mem.probe(to, size, true);
  if (what === ObjectBasicInformation) basic(k, object, r.access, r.attributes, to);
  else if (what === ObjectTypeInformation) typeInformation(k, type, name, to);
  else {
    mem.write8(to, r.attributes & OBJ_INHERIT ? 1 : 0);
    mem.write8(to + 1, r.attributes & 1);
  }
  return STATUS_SUCCESS;
}

const asking: NtExport[] = [
  ...service({
    name: 'QueryObject',
    doc: 'Describes the object of a handle: counts (0), name (1), type (2), attributes of the handle (4).',
    irql: PASSIVE,
    args: { Handle: HANDLE, ObjectInformationClass: ULONG, ObjectInformation: PVOID, ObjectInformationLength: ULONG, ReturnLength: PVOID },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl(k, a) {
      const r = obReferenceObjectByHandle(k, a.Handle, 0, 0, previousMode(k));
      if (r.status !== STATUS_SUCCESS) return r.status;
      const status = describe(k, r, a.ObjectInformationClass, a.ObjectInformation, a.ObjectInformationLength, a.ReturnLength);
      obDereferenceDeferred(k, r.object);
      return status;
    },
  }),
  ...service({
    name: 'SetInformationObject',
    doc: 'Sets the attributes of a handle: inherited, protected from closing.',
    irql: PASSIVE,
    args: { Handle: HANDLE, ObjectInformationClass: ULONG, ObjectInformation: PVOID, ObjectInformationLength: ULONG },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      if (a.ObjectInformationClass !== ObjectHandleFlagInformation) return STATUS_INVALID_INFO_CLASS;
      if (a.ObjectInformationLength !== 2) return STATUS_INFO_LENGTH_MISMATCH;
      return setHandleFlags(k, a.Handle, k.mem.read8(a.ObjectInformation) !== 0, k.mem.read8(a.ObjectInformation + 1) !== 0, previousMode(k));
    },
  }),
];

export const zwHandleExports: NtExport[] = [...duplicating, ...asking];
