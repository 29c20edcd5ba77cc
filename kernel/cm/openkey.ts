/** Opening and creating keys: ZwOpenKey(Ex), ZwCreateKey, and the end of key objects. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { type Attributes, lookupAttributes, readAttributes } from '../ob/attributes.ts';
import { obCreateHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { attributesSecurity } from '../ob/named.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { captureDescriptor, obCheckAccess, obDescriptor, typeMapping } from '../ob/security.ts';
import { allocateString, readString } from '../ob/string.ts';
import { exportedType, mapAccess, obTypeOf } from '../ob/type.ts';
import { poolTag } from '../ob/globals.ts';
import { assignDescriptor } from '../se/assign.ts';
import { dereferenceDescriptor, logDescriptor } from '../se/descriptor.ts';
import { currentSubject } from '../se/subject.ts';
import { KernelMode, UserMode } from '../types/ke.ts';
import { OBJ_CASE_INSENSITIVE, OBJ_FORCE_ACCESS_CHECK, OBJ_OPENLINK } from '../types/ob.ts';
import {
  STATUS_CHILD_MUST_BE_VOLATILE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_4,
  STATUS_KEY_DELETED,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
  STATUS_TRANSACTION_NOT_ACTIVE,
} from '../types/status.ts';
import { TRANSACTION_ENLIST } from '../types/tm.ts';
import { referenceHandle } from '../tm/object.ts';
import { isActive } from '../tm/protocol.ts';
import {
  type ArgTypes,
  call,
  type Frame,
  HANDLE,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { array, ptr, u32, u64 } from '../types/struct.ts';
import {
  beginCall,
  CALL,
  callbackContext,
  callbackRoutine,
  callbacksToTell,
  endCall,
  enterCallback,
  leaveCallback,
  objectContext,
  takeContext,
} from './callbacks.ts';
import { endWatches } from './notify.ts';
import { keyService, type OperationFrame } from './operation.ts';
import {
  CM_KEY_CONTROL_BLOCK,
  cmCreateKey,
  cmWalk,
  createKeyObject,
  dereferenceKey,
  isDeleted,
  KCB_SYM_LINK,
  KCB_VOLATILE,
  keyFlags,
  keyOfObject,
  keyTransaction,
  setKeyFlags,
} from './registry.ts';

const K = CM_KEY_CONTROL_BLOCK.f;
const PUNICODE_STRING = pointer('PUNICODE_STRING');
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const REG_CREATED_NEW_KEY = 1,
  REG_OPENED_EXISTING_KEY = 2;
/** CreateOptions and OpenOptions. */
const REG_OPTION_VOLATILE = 1,
  REG_OPTION_CREATE_LINK = 2,
  REG_OPTION_OPEN_LINK = 8,
  LEGAL_OPTIONS = 0x1f;
const KEY_CREATE_SUB_KEY = 4,
  KEY_CREATE_LINK = 0x20;
/** Longest name of a key, in characters. */
const MAX_KEY_NAME = 255;

interface OpenArguments {
  KeyHandle: number;
  DesiredAccess: number;
  ObjectAttributes: number;
  OpenOptions?: number;
  Class?: number;
  CreateOptions?: number;
  Disposition?: number;
  TransactionHandle?: number;
}

/** The object where the walk begins: \REGISTRY or the root of the attributes, with a reference; and the transaction that the key is opened in. */
function begin(k: Kernel, f: OperationFrame, a: OpenArguments): { status: number; object: number } {
  k.mem.probe(a.KeyHandle, 8, true);
  const fail = (status: number): { status: number; object: number } => ({ status, object: 0 });
  if (((a.OpenOptions ?? 0) | (a.CreateOptions ?? 0)) & ~LEGAL_OPTIONS)
    return fail(
      a.OpenOptions !== undefined && a.TransactionHandle !== undefined ? STATUS_INVALID_PARAMETER_4 : STATUS_INVALID_PARAMETER,
    );
  if (!a.ObjectAttributes) return fail(STATUS_INVALID_PARAMETER);
  const found = lookup(k, readAttributes(k, a.ObjectAttributes));
  if (found.status !== STATUS_SUCCESS) return fail(found.status);
  obReferenceObject(k, found.object);
  return { status: bindTransaction(k, f, found.object, a.TransactionHandle), object: found.object };
}

/** Finds the transaction: that of the handle, else that of the root key. It must be active; a root of another transaction will not do. */
function bindTransaction(k: Kernel, f: OperationFrame, root: number, handle: number | undefined): number {
  const inherited = keyTransaction(k, root);
  if (handle !== undefined) {
    const r = referenceHandle(k, 'TmTransactionObjectType', handle, TRANSACTION_ENLIST);
    if (r.status !== STATUS_SUCCESS) return r.status;
    f.set('Transaction', r.object);
    f.set('Explicit', 1);
    if (inherited && inherited !== r.object) return STATUS_INVALID_PARAMETER;
  } else if (inherited) {
    obReferenceObject(k, inherited);
    f.set('Transaction', inherited);
  }
  const tx = f.get('Transaction');
  return tx && !isActive(k, tx) ? STATUS_TRANSACTION_NOT_ACTIVE : STATUS_SUCCESS;
}

function lookup(k: Kernel, a: Attributes): { status: number; object: number; remaining: string } {
  const found = lookupAttributes(k, { ...a, attributes: (a.attributes | OBJ_CASE_INSENSITIVE) & ~OBJ_OPENLINK }, previousMode(k));
  if (found.status === STATUS_SUCCESS && obTypeOf(k, found.object) !== exportedType(k, 'CmKeyObjectType'))
    return { status: STATUS_OBJECT_TYPE_MISMATCH, object: 0, remaining: '' };
  return found;
}

/** The part of the name below the object where the walk begins, as a string that lies in the caller's. */
function remainingName(k: Kernel, at: number, objectAttributes: number): number {
  const { mem } = k;
  const name = mem.readPtr(objectAttributes + 0x10);
  const { remaining } = lookup(k, readAttributes(k, objectAttributes));
  const length = mem.read16(name);
  const rest = Math.min(length, remaining.replace(/^\\/, '').length * 2);
  mem.write16(at, rest);
  mem.write16(at + 2, rest);
  mem.writePtr(at + 8, mem.readPtr(name + 8) + length - rest);
  return at;
}

/** REG_CREATE_KEY_INFORMATION and REG_OPEN_KEY_INFORMATION (they are the same). */
function openInfo(k: Kernel, at: number, object: number, a: OpenArguments, f: OperationFrame): number {
  const { mem } = k;
  mem.writePtr(at, mem.readPtr(a.ObjectAttributes + 0x10));
  mem.writePtr(at + 0x08, object);
  mem.writePtr(at + 0x10, exportedType(k, 'CmKeyObjectType'));
  mem.write32(at + 0x18, a.CreateOptions ?? a.OpenOptions ?? 0);
  mem.writePtr(at + 0x20, a.Class ?? 0);
  mem.writePtr(at + 0x28, mem.readPtr(a.ObjectAttributes + 0x20));
  mem.writePtr(at + 0x30, mem.readPtr(a.ObjectAttributes + 0x28));
  mem.write32(at + 0x38, mapAccess(k, exportedType(k, 'CmKeyObjectType'), a.DesiredAccess));
  mem.write32(at + 0x3c, 0);
  mem.writePtr(at + 0x40, f.address('Disposition'));
  mem.writePtr(at + 0x48, f.address('ResultObject'));
  mem.writePtr(at + 0x60, f.get('Explicit') ? f.get('Transaction') : 0);
  // The _V1 structures have more at the end, and a version that says so.
  const attributes = mem.read32(a.ObjectAttributes + 0x18);
  mem.writePtr(at + 0x68, 1);
  mem.writePtr(at + 0x70, remainingName(k, f.address('RemainingName'), a.ObjectAttributes));
  mem.write32(at + 0x7c, attributes);
  mem.write8(at + 0x80, attributes & OBJ_FORCE_ACCESS_CHECK ? UserMode : previousMode(k));
  return 0x50;
}

/** Makes the last key of the path below `parent`. */
function createBelow(
  k: Kernel,
  parent: number,
  name: string,
  a: OpenArguments,
  attributes: Attributes,
  tx: number,
): { status: number; key: number } {
  const options = a.CreateOptions ?? 0;
  const fail = (status: number): { status: number; key: number } => ({ status, key: 0 });
  if (name.length > MAX_KEY_NAME) return fail(STATUS_OBJECT_NAME_INVALID);
  if (keyFlags(k, parent) & KCB_VOLATILE && !(options & REG_OPTION_VOLATILE)) return fail(STATUS_CHILD_MUST_BE_VOLATILE);
  const parentObject = createKeyObject(k, parent);
  if (!parentObject) return fail(STATUS_INSUFFICIENT_RESOURCES);
  const right = options & REG_OPTION_CREATE_LINK ? KEY_CREATE_SUB_KEY | KEY_CREATE_LINK : KEY_CREATE_SUB_KEY;
  const mode = previousMode(k);
  let status = obCheckAccess(k, parentObject, right, mode, attributes.attributes).status;
  const given = captureDescriptor(k, attributesSecurity(k, a.ObjectAttributes));
  if (status === STATUS_SUCCESS) status = given.status;
  const made =
    status === STATUS_SUCCESS
      ? assignDescriptor(k, currentSubject(k), obDescriptor(k, parentObject), given.descriptor, {
          directory: true,
          mapping: typeMapping(k, exportedType(k, 'CmKeyObjectType')),
          kernel: mode === KernelMode,
        })
      : null;
  obDereferenceDeferred(k, parentObject);
  if (!made || made.status !== STATUS_SUCCESS) return fail(made?.status ?? status);
  const security = logDescriptor(k, made.descriptor);
  if (!security) return fail(STATUS_INSUFFICIENT_RESOURCES);
  const { status: created, key } = cmCreateKey(k, parent, name, tx);
  if (created !== STATUS_SUCCESS) {
    dereferenceDescriptor(k, security);
    return fail(created);
  }
  const inherited = K.Security.get(k.mem, key);
  if (inherited) dereferenceDescriptor(k, inherited);
  K.Security.set(k.mem, key, security);
  if (options & REG_OPTION_VOLATILE) setKeyFlags(k, key, KCB_VOLATILE);
  if (options & REG_OPTION_CREATE_LINK) setKeyFlags(k, key, KCB_SYM_LINK);
  const classText = a.Class ? readString(k, a.Class) : '';
  if (classText) allocateString(k, key + K.Class.offset, classText, poolTag('CM  '));
  return { status: STATUS_SUCCESS, key };
}

/** Opens (or makes) the key and a handle to it. The key object stays in the frame for those who are told. */
function open(k: Kernel, object: number, a: OpenArguments, f: OperationFrame, create: boolean): number {
  const attributes = readAttributes(k, a.ObjectAttributes);
  const found = lookup(k, attributes);
  if (found.status !== STATUS_SUCCESS) return found.status;
  const from = keyOfObject(k, object);
  const tx = f.get('Transaction');
  if (isDeleted(k, from, tx)) return STATUS_KEY_DELETED;
  const openLink =
    (attributes.attributes & OBJ_OPENLINK) !== 0 ||
    (((a.OpenOptions ?? 0) | (a.CreateOptions ?? 0)) & REG_OPTION_OPEN_LINK) !== 0;
  const walk = cmWalk(k, from, found.remaining, openLink, 0, tx);
  let key = walk.key;
  // Only the last key of a path is made.
  if (walk.missing.length > (create ? 1 : 0)) return STATUS_OBJECT_NAME_NOT_FOUND;
  const fresh = walk.missing.length === 1;
  if (fresh) {
    const made = createBelow(k, walk.key, walk.missing[0]!, a, attributes, tx);
    if (made.status !== STATUS_SUCCESS) return made.status;
    key = made.key;
  }
  const body = createKeyObject(k, key, false, tx);
  if (!body) return STATUS_INSUFFICIENT_RESOURCES;
  f.set('Result', body);
  // The creator gets what it asks for.
  const answer = fresh
    ? { status: STATUS_SUCCESS, granted: mapAccess(k, obTypeOf(k, body), a.DesiredAccess) }
    : obCheckAccess(k, body, a.DesiredAccess, previousMode(k), attributes.attributes);
  if (answer.status !== STATUS_SUCCESS) return answer.status;
  const h = obCreateHandle(k, body, answer.granted, attributes.attributes);
  if (h.status !== STATUS_SUCCESS) return h.status;
  k.mem.writePtr(a.KeyHandle, h.handle);
  f.set('Disposition', fresh ? REG_CREATED_NEW_KEY : REG_OPENED_EXISTING_KEY);
  if (a.Disposition) k.mem.write32(a.Disposition, f.get('Disposition'));
  return STATUS_SUCCESS;
}

const openArgs = { KeyHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES } as const;

/** A service that opens a key; `create`: or makes it. */
const opens = (name: string, doc: string, args: typeof openArgs & ArgTypes, create = false): NtExport[] =>
  keyService({
    name,
    doc,
    args,
    cycles: (create ? 1800 : 1500) + ('TransactionHandle' in args ? 200 : 0),
    access: 0,
    pre: create ? 26 : 28,
    post: create ? 27 : 29,
    begin,
    info: openInfo,
    run: (k, object, a, f) => open(k, object, a, f, create),
  });

const createArgs = { TitleIndex: ULONG, Class: PUNICODE_STRING, CreateOptions: ULONG } as const;
const transaction = { TransactionHandle: HANDLE } as const;

const opening: NtExport[] = [
  ...opens('OpenKey', 'Opens an existing registry key.', openArgs),
  ...opens('OpenKeyEx', 'Opens an existing registry key with options.', { ...openArgs, OpenOptions: ULONG }),
  ...opens(
    'CreateKey',
    'Creates a registry key or opens the one that exists.',
    { ...openArgs, ...createArgs, Disposition: PVOID },
    true,
  ),
  ...opens('OpenKeyTransacted', 'Opens an existing registry key in a transaction.', { ...openArgs, ...transaction }),
  ...opens('OpenKeyTransactedEx', 'Opens an existing registry key in a transaction, with options.', {
    ...openArgs,
    OpenOptions: ULONG,
    ...transaction,
  }),
  ...opens(
    'CreateKeyTransacted',
    'Creates a registry key in a transaction, or opens the one that exists.',
    { ...openArgs, ...createArgs, ...transaction, Disposition: PVOID },
    true,
  ),
];

/** RegNtPreKeyHandleClose and after; RegNtCallbackObjectContextCleanup. */
const CLOSE_PRE = 14,
  CLOSE_POST = 25,
  CONTEXT_CLEANUP = 40;

const closeFrame = { Index: u32, Entry: ptr, Call: CALL, Info: array(u64, 7) } as const;
type CloseFrame = Frame<typeof closeFrame>;

/** Tells the callback of Index of a close, before (odd turn) or after. */
function tellClose(k: Kernel, f: CloseFrame, object: number, post: boolean): Outcome {
  const entries = callbacksToTell(k);
  const i = f.get('Index');
  const entry = post ? entries[entries.length - 1 - i] : entries[i];
  const at = f.address('Info');
  if (entry === undefined) {
    f.set('Index', 0);
    return post ? cleanup(k, f, object) : tellClose(k, f, object, true);
  }
  f.set('Index', i + 1);
  k.mem.fill(at, 56, 0);
  k.mem.writePtr(at, object);
  const context = objectContext(k, entry, object);
  if (post) {
    k.mem.writePtr(at + 40, context);
  } else k.mem.writePtr(at + 16, context);
  enterCallback(k, entry);
  f.set('Entry', entry);
  beginCall(k, f.address('Call'), entry);
  return call(
    callbackRoutine(k, entry),
    [callbackContext(k, entry), post ? CLOSE_POST : CLOSE_PRE, at],
    post ? 'toldPost' : 'toldPre',
  );
}

/** What callbacks kept with the object is theirs to free. */
function cleanup(k: Kernel, f: CloseFrame, object: number): Outcome {
  const next = takeContext(k, { body: object });
  if (!next) return ret();
  const at = f.address('Info');
  k.mem.fill(at, 24, 0);
  k.mem.writePtr(at, object);
  k.mem.writePtr(at + 8, next.context);
  return call(callbackRoutine(k, next.entry), [callbackContext(k, next.entry), CONTEXT_CLEANUP, at], 'cleaned');
}

function left(k: Kernel, f: CloseFrame): void {
  endCall(k, f.address('Call'));
  leaveCallback(k, f.get('Entry'));
}

const ending: NtExport[] = [
  ntSteps({
    name: 'CmpCloseKeyObject',
    internal: true,
    doc: 'Close procedure of key objects: with the last handle, who watches and the callbacks hear of it.',
    args: { Process: HANDLE, Object: PVOID, ProcessHandleCount: ULONG, SystemHandleCount: ULONG },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: closeFrame,
    steps: {
      start(k, f, _rax, { Object, SystemHandleCount }) {
        if (SystemHandleCount !== 1) return ret();
        endWatches(k, Object, 0);
        k.mem.fill(f.address('Call'), CALL.size, 0);
        f.set('Index', 0);
        return tellClose(k, f, Object, false);
      },
      toldPre(k, f, _rax, { Object }) {
        left(k, f);
        return tellClose(k, f, Object, false);
      },
      toldPost(k, f, _rax, { Object }) {
        left(k, f);
        return tellClose(k, f, Object, true);
      },
      cleaned: (k, f, _rax, { Object }) => cleanup(k, f, Object),
    },
  }),
  ntExport({
    name: 'CmpDeleteKeyObject',
    internal: true,
    doc: 'Delete procedure of key objects.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    impl(k, { Object }) {
      dereferenceKey(k, keyOfObject(k, Object));
      const tx = keyTransaction(k, Object);
      if (tx) obDereferenceDeferred(k, tx);
    },
  }),
  ntExport({
    name: 'CmpParseKey',
    internal: true,
    doc: 'Parse procedure of keys: marks the type as one that parses the rest of a path.',
    args: { ParseObject: PVOID },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: () => STATUS_OBJECT_TYPE_MISMATCH,
  }),
];

export const keyExports: NtExport[] = [...opening, ...ending];
