/** Opening handles to objects: the access check, the drivers that are asked (ObRegisterCallbacks), the handle. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { keWait } from '../ke/wait.ts';
import { readAttributes } from '../ob/attributes.ts';
import { callbacksFor, enterCallback, freeCallbacks, leaveCallback, MAX_CALLBACKS, OB_OPERATION_HANDLE_CREATE, OB_OPERATION_HANDLE_DUPLICATE, readCallback, registerCallbacks, removeCallbacks } from '../ob/callbacks.ts';
import { findHandle, obCreateHandle, OBJ_PROTECT_CLOSE, setEntryAttributes, entryAttributes } from '../ob/handle.ts';
import { attributesSecurity, insertObject } from '../ob/named.ts';
import { createInformation, freeCreateInformation, keepCreateInformation } from '../ob/createinfo.ts';
import { dereference, deferDeletion, obCreateObject, obReferenceObject } from '../ob/object.ts';
import { obCheckAccess } from '../ob/security.ts';
import { mapAccess, obTypeOf } from '../ob/type.ts';
import { obCreateType } from '../ob/init.ts';
import { readString } from '../ob/string.ts';
import { ACCESS_STATE } from '../types/se.ts';
import { EPROCESS } from '../types/ps.ts';
import { OBJ_INHERIT, OBJ_KERNEL_HANDLE, OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS } from '../types/status.ts';
import { array, ptr, u32, u64 } from '../types/struct.ts';
import { call, CCHAR, type Frame, HANDLE, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, pointer, PVOID, ret, ULONG, VOID, wait } from './declare.ts';

const POBJECT_TYPE = pointer('POBJECT_TYPE');
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

/** What ObpOpenHandle keeps: OB_PRE_OPERATION_INFORMATION with its parameters, the same afterwards, and what each callback left for itself. */
const frame = {
  Items: array(ptr, MAX_CALLBACKS),
  Contexts: array(u64, MAX_CALLBACKS),
  Count: u32,
  Index: u32,
  Original: u32,
  Status: u32,
  Handle: ptr,
  Info: array(u64, 6),
  Parameters: array(u64, 3),
} as const;
type OpenFrame = Frame<typeof frame>;
interface OpenArguments {
  Object: number;
  DesiredAccess: number;
  Attributes: number;
  AccessMode: number;
  Handle: number;
  Operation: number;
  SourceProcess: number;
  TargetProcess: number;
}

const itemAt = (k: Kernel, f: OpenFrame, i: number): number => k.mem.readPtr(f.address('Items') + i * 8);

/** Makes the handle, with the rights that the callbacks have left. */
function makeHandle(k: Kernel, f: OpenFrame, a: OpenArguments, access: number): number {
  const own = !a.TargetProcess || a.TargetProcess === k.currentProcess();
  const h = obCreateHandle(k, a.Object, access, a.Attributes, own ? 0 : EPROCESS.f.ObjectTable.get(k.mem, a.TargetProcess));
  f.set('Handle', h.handle);
  f.set('Status', h.status);
  return h.status;
}

/** Fills what a callback gets. Operation, flags, object, type, call context; then the status (afterwards only) and the parameters. */
function information(k: Kernel, f: OpenFrame, a: OpenArguments, context: bigint, post: boolean): number {
  const at = f.address('Info');
  k.mem.write32(at, a.Operation);
  k.mem.write32(at + 4, a.Attributes & OBJ_KERNEL_HANDLE ? 1 : 0);
  k.mem.writePtr(at + 8, a.Object);
  k.mem.writePtr(at + 16, obTypeOf(k, a.Object));
  k.mem.write64(at + 24, context);
  if (post) k.mem.write32(at + 32, f.get('Status'));
  k.mem.writePtr(at + (post ? 40 : 32), f.address('Parameters'));
  return at;
}

/** Calls the next callback before the operation; after the last the handle is made. */
function before(k: Kernel, f: OpenFrame, a: OpenArguments): Outcome {
  for (let i = f.get('Index'); i < f.get('Count'); i++) {
    const c = readCallback(k, itemAt(k, f, i));
    if (!c.pre) continue;
    f.set('Index', i);
    return call(c.pre, [c.context, information(k, f, a, 0n, false)], 'asked');
  }
  const parameters = f.address('Parameters');
  const access = k.mem.read32(parameters);
  makeHandle(k, f, a, access);
  k.mem.fill(parameters, 24, 0);
  k.mem.write32(parameters, f.get('Status') === STATUS_SUCCESS ? access : 0);
  f.set('Index', f.get('Count'));
  return after(k, f, a);
}

/** Tells the callbacks in reverse order; then gives them back. */
function after(k: Kernel, f: OpenFrame, a: OpenArguments): Outcome {
  for (let i = f.get('Index') - 1; i >= 0; i--) {
    const c = readCallback(k, itemAt(k, f, i));
    if (!c.post) continue;
    f.set('Index', i);
    return call(c.post, [c.context, information(k, f, a, k.mem.read64(f.address('Contexts') + i * 8), true)], 'told');
  }
  release(k, f);
  if (f.get('Status') === STATUS_SUCCESS && a.Handle) k.mem.writePtr(a.Handle, f.get('Handle'));
  return ret(f.get('Status'));
}

function release(k: Kernel, f: OpenFrame): void {
  for (let i = 0; i < f.get('Count'); i++) leaveCallback(k, readCallback(k, itemAt(k, f, i)).entry);
  f.set('Count', 0);
}

const opening: NtExport[] = [
  ntSteps({
    name: 'ObpOpenHandle',
    internal: true,
    doc: 'Opens a handle to an object: access check, ObRegisterCallbacks routines before, the handle, the routines after.',
    args: { Object: PVOID, DesiredAccess: ULONG, Attributes: ULONG, AccessMode: CCHAR, Handle: PVOID, Operation: ULONG, SourceProcess: PVOID, TargetProcess: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        f.set('Count', 0);
        const answer =
          a.Operation === OB_OPERATION_HANDLE_DUPLICATE
            ? { status: STATUS_SUCCESS, granted: mapAccess(k, obTypeOf(k, a.Object), a.DesiredAccess) }
            : obCheckAccess(k, a.Object, a.DesiredAccess, a.AccessMode, a.Attributes);
        if (answer.status !== STATUS_SUCCESS) return ret(answer.status);
        const callbacks = callbacksFor(k, obTypeOf(k, a.Object), a.Operation);
        if (!callbacks.length) {
          const status = makeHandle(k, f, a, answer.granted);
          if (status === STATUS_SUCCESS && a.Handle) k.mem.writePtr(a.Handle, f.get('Handle'));
          return ret(status);
        }
        callbacks.forEach((c, i) => {
          enterCallback(k, c.entry);
          k.mem.writePtr(f.address('Items') + i * 8, c.item);
          k.mem.write64(f.address('Contexts') + i * 8, 0n);
        });
        f.set('Count', callbacks.length);
        f.set('Index', 0);
        f.set('Original', answer.granted);
        const parameters = f.address('Parameters');
        k.mem.write32(parameters, answer.granted);
        k.mem.write32(parameters + 4, answer.granted);
        k.mem.writePtr(parameters + 8, a.SourceProcess);
        k.mem.writePtr(parameters + 16, a.TargetProcess);
        return before(k, f, a);
      },
      asked(k, f, _rax, a) {
        const i = f.get('Index');
        k.mem.write64(f.address('Contexts') + i * 8, k.mem.read64(f.address('Info') + 24));
        // A callback may take rights away; it cannot give any.
        const parameters = f.address('Parameters');
        k.mem.write32(parameters, (k.mem.read32(parameters) & f.get('Original')) >>> 0);
        f.set('Index', i + 1);
        return before(k, f, a);
      },
      told: (k, f, _rax, a) => after(k, f, a),
    },
    abort: release,
  }),
  ...(['ObOpenObjectByPointer', 'ObOpenObjectByPointerWithTag'] as const).map(name => {
    const tagged = name.endsWith('Tag');
    return ntSteps({
      name,
      doc: `Opens a handle to an object that the caller has a pointer to${tagged ? ', with a tag for tracing' : ''}.`,
      irql: { max: 'APC_LEVEL' },
      args: {
        Object: PVOID, HandleAttributes: ULONG, PassedAccessState: PVOID, DesiredAccess: ULONG, ObjectType: POBJECT_TYPE, AccessMode: CCHAR, ...(tagged ? { Tag: ULONG } : {}), Handle: PVOID,
      },
      returns: NTSTATUS,
      cycles: 150,
      status: 'full',
      frame: {},
      steps: {
        start(k, _f, _rax, values) {
          const a = values as { Object: number; HandleAttributes: number; PassedAccessState: number; DesiredAccess: number; ObjectType: number; AccessMode: number; Handle: number };
          k.mem.probe(a.Handle, 8, true);
          if (a.ObjectType && obTypeOf(k, a.Object) !== a.ObjectType) return ret(STATUS_OBJECT_TYPE_MISMATCH);
          const state = a.PassedAccessState;
          const access = state ? ACCESS_STATE.f.RemainingDesiredAccess.get(k.mem, state) | ACCESS_STATE.f.PreviouslyGrantedAccess.get(k.mem, state) : a.DesiredAccess;
          return call(k.address('nt!ObpOpenHandle'), [a.Object, access >>> 0, a.HandleAttributes, a.AccessMode, a.Handle, OB_OPERATION_HANDLE_CREATE, 0, 0], 'done');
        },
        done: (_k, _f, rax) => ret(rax),
      },
    });
  }),
];

const callbacks: NtExport[] = [
  ntExport({
    name: 'ObRegisterCallbacks',
    doc: 'Registers routines that are called before and after a handle to a process or thread is opened or duplicated.',
    irql: { max: 'APC_LEVEL' },
    args: { CallbackRegistration: PVOID, RegistrationHandle: PVOID },
    returns: NTSTATUS,
    cycles: 600,
    status: 'partial',
    missing: 'images are not checked for a signature (STATUS_ACCESS_DENIED)',
    impl(k, a) {
      k.mem.probe(a.RegistrationHandle, 8, true);
      const r = registerCallbacks(k, a.CallbackRegistration);
      if (r.entry) k.mem.writePtr(a.RegistrationHandle, r.entry);
      return r.status;
    },
  }),
  ntSteps({
    name: 'ObUnRegisterCallbacks',
    doc: 'Takes back what ObRegisterCallbacks registered, and waits for callbacks that are running.',
    irql: { max: 'APC_LEVEL' },
    args: { RegistrationHandle: PVOID },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { RegistrationHandle }) {
        const event = removeCallbacks(k, RegistrationHandle);
        if (event && keWait(k, [event]) === 'blocked') return wait('idle');
        freeCallbacks(k, RegistrationHandle);
        return ret();
      },
      idle(k, _f, _rax, { RegistrationHandle }) {
        freeCallbacks(k, RegistrationHandle);
        return ret();
      },
    },
  }),
  ntExport({
    name: 'ObSetHandleAttributes',
    doc: 'Sets whether a handle is inherited and whether it may be closed.',
    irql: PASSIVE,
    args: { Handle: HANDLE, HandleFlags: PVOID, PreviousMode: CCHAR },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl: (k, a) => setHandleFlags(k, a.Handle, k.mem.read8(a.HandleFlags) !== 0, k.mem.read8(a.HandleFlags + 1) !== 0, a.PreviousMode),
  }),
];

/** OBJECT_HANDLE_FLAG_INFORMATION of a handle. */
export function setHandleFlags(k: Kernel, handle: number, inherit: boolean, protect: boolean, mode: number): number {
  const { entry } = findHandle(k, handle, mode);
  if (!entry) return STATUS_INVALID_HANDLE;
  setEntryAttributes(k, entry, (entryAttributes(k, entry) & ~(OBJ_PROTECT_CLOSE | OBJ_INHERIT)) | (inherit ? OBJ_INHERIT : 0) | (protect ? OBJ_PROTECT_CLOSE : 0));
  return STATUS_SUCCESS;
}

const creating: NtExport[] = [
  ntExport({
    name: 'ObCreateObject',
    doc: 'Allocates an object of a type; ObInsertObject gives it the name and the security that the attributes say.',
    irql: { max: 'APC_LEVEL' },
    args: { ProbeMode: CCHAR, ObjectType: POBJECT_TYPE, ObjectAttributes: POBJECT_ATTRIBUTES, OwnershipMode: CCHAR, ParseContext: PVOID, ObjectBodySize: ULONG, PagedPoolCharge: ULONG, NonPagedPoolCharge: ULONG, Object: PVOID },
    returns: NTSTATUS,
    cycles: 600,
    status: 'full',
    impl(k, { ObjectType, ObjectAttributes, ObjectBodySize, Object }) {
      k.mem.probe(Object, 8, true);
      const a = readAttributes(k, ObjectAttributes);
      if (a.status !== STATUS_SUCCESS) return a.status;
      const invalid = OBJECT_TYPE_INITIALIZER.f.InvalidAttributes.get(k.mem, ObjectType + OBJECT_TYPE.f.TypeInfo.offset);
      if (a.attributes & invalid) return STATUS_INVALID_PARAMETER;
      const body = obCreateObject(k, ObjectType, ObjectBodySize, { named: a.path !== '' });
      if (!body) return STATUS_INSUFFICIENT_RESOURCES;
      const status = keepCreateInformation(k, body, a, attributesSecurity(k, ObjectAttributes));
      if (status !== STATUS_SUCCESS) {
        if (dereference(k, body) === 0) deferDeletion(k, body);
        return status;
      }
      k.mem.writePtr(Object, body);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'ObInsertObject',
    doc: "Gives an object that ObCreateObject made its name and security, opens the first handle to it, and gives the creator's reference back.",
    irql: PASSIVE,
    args: { Object: PVOID, PassedAccessState: PVOID, DesiredAccess: ULONG, ObjectPointerBias: ULONG, NewObject: PVOID, Handle: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    impl: (k, a) => insert(k, a.Object, a.DesiredAccess, a.ObjectPointerBias, a.NewObject, a.Handle),
  }),
  ntExport({
    name: 'ObCreateObjectType',
    doc: 'Makes a new type of objects.',
    irql: PASSIVE,
    args: { TypeName: pointer('PUNICODE_STRING'), ObjectTypeInitializer: PVOID, SecurityDescriptor: PVOID, ObjectType: PVOID },
    returns: NTSTATUS,
    cycles: 1000,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.ObjectType, 8, true);
      const name = readString(k, a.TypeName);
      const length = OBJECT_TYPE_INITIALIZER.f.Length.get(k.mem, a.ObjectTypeInitializer);
      if (name === '' || name.includes('\\') || length !== OBJECT_TYPE_INITIALIZER.size) return STATUS_INVALID_PARAMETER;
      const type = obCreateType(k, { name, mapping: [0, 0, 0, 0], validAccess: 0 });
      if (!type) return STATUS_OBJECT_NAME_COLLISION;
      const info = type + OBJECT_TYPE.f.TypeInfo.offset;
      k.mem.copy(info, a.ObjectTypeInitializer, OBJECT_TYPE_INITIALIZER.size);
      k.mem.writePtr(a.ObjectType, type);
      return STATUS_SUCCESS;
    },
  }),
];

function insert(k: Kernel, object: number, access: number, bias: number, newObject: number, out: number): number {
  if (out) k.mem.probe(out, 8, true);
  if (newObject) k.mem.probe(newObject, 8, true);
  const created = createInformation(k, object);
  const placed = insertObject(k, object, created.attributes, created.securityDescriptor);
  freeCreateInformation(k, object);
  let status = placed.status;
  if ((status | 0) >= 0) {
    if (bias) obReferenceObject(k, placed.object, bias);
    if (out) {
      const answer = placed.existed ? obCheckAccess(k, placed.object, access, 0, created.attributes.attributes) : { status: STATUS_SUCCESS, granted: mapAccess(k, obTypeOf(k, object), access) };
      const h = answer.status === STATUS_SUCCESS ? obCreateHandle(k, placed.object, answer.granted, created.attributes.attributes) : { status: answer.status, handle: 0 };
      if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
      else status = h.status;
    }
    if (newObject) k.mem.writePtr(newObject, placed.object);
  }
  // The reference of the creation goes when there is a handle, and always when nothing came of it.
  if ((out || (status | 0) < 0 || placed.existed) && dereference(k, object) === 0) deferDeletion(k, object);
  return status;
}

export const obOpenExports: NtExport[] = [...opening, ...callbacks, ...creating];
