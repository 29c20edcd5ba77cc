/** What the transaction manager's objects have in common: their lists, identities, handles and descriptors. */
import type { Kernel } from '../kernel.ts';
import { createUuid } from '../ex/uuid.ts';
import { readAttributes } from '../ob/attributes.ts';
import { obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { attributesSecurity, insertAndOpen } from '../ob/named.ts';
import { obCreateObject, obDereferenceDeferred } from '../ob/object.ts';
import { obCheckAccess } from '../ob/security.ts';
import { exportedType, mapAccess } from '../ob/type.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { isValidAcl, usedPart } from '../se/descriptor.ts';
import { isValidSid } from '../se/sid.ts';
import { OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_ACL,
  STATUS_INVALID_SID,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { KENLISTMENT, KRESOURCEMANAGER, KTM, KTMOBJECT_NAMESPACE_LINK, KTRANSACTION } from '../types/tm.ts';

export type TmTypeName =
  'TmTransactionManagerObjectType' | 'TmTransactionObjectType' | 'TmResourceManagerObjectType' | 'TmEnlistmentObjectType';

/** Where KTMOBJECT_NAMESPACE_LINK and the identity lie in the body of each kind. */
const KINDS: { readonly [name in TmTypeName]: { size: number; link: number; id: number } } = {
  TmTransactionManagerObjectType: { size: KTM.size, link: KTM.f.Namespace.offset, id: KTM.f.TmIdentity.offset },
  TmTransactionObjectType: { size: KTRANSACTION.size, link: KTRANSACTION.f.Namespace.offset, id: KTRANSACTION.f.UOW.offset },
  TmResourceManagerObjectType: {
    size: KRESOURCEMANAGER.size,
    link: KRESOURCEMANAGER.f.Namespace.offset,
    id: KRESOURCEMANAGER.f.RmId.offset,
  },
  TmEnlistmentObjectType: { size: KENLISTMENT.size, link: KENLISTMENT.f.Namespace.offset, id: KENLISTMENT.f.EnlistmentId.offset },
};
const EXPIRED = KTMOBJECT_NAMESPACE_LINK.f.Expired.offset;

/** Phase 0: lists. */
export function tmInitialize(k: Kernel): void {
  for (const head of [
    'TmpTmListHead',
    'TmpTransactionListHead',
    'TmpLogListHead',
    'TmpDeliveryListHead',
    'TmpDelivererListHead',
  ] as const)
    initializeListHead(k.mem, k.global.address(head));
}

export const sameGuid = (k: Kernel, a: number, b: number): boolean =>
  [0, 4, 8, 12].every(i => k.mem.read32(a + i) === k.mem.read32(b + i));
export const copyGuid = (k: Kernel, from: number, to: number): void => k.mem.writeBytes(to, k.mem.readBytes(from, 16));
/** -1, 0 or 1: an order of identities, for enumerating. */
export function compareGuid(k: Kernel, a: number, b: number): number {
  for (const i of [0, 4, 8, 12]) {
    const d = k.mem.read32(a + i) - k.mem.read32(b + i);
    if (d) return d < 0 ? -1 : 1;
  }
  return 0;
}

/** The identity of an object of a kind. */
export const idOf = (kind: TmTypeName, body: number): number => body + KINDS[kind].id;

/** The object can no longer be found by its identity: its last handle is closed. */
export const isExpired = (k: Kernel, kind: TmTypeName, body: number): boolean =>
  k.mem.read32(body + KINDS[kind].link + EXPIRED) !== 0;
export const setExpired = (k: Kernel, kind: TmTypeName, body: number): void =>
  k.mem.write32(body + KINDS[kind].link + EXPIRED, 1);

/** Objects of a kind in a list of theirs, those that can be found. */
export function* objectsIn(k: Kernel, kind: TmTypeName, head: number): Generator<number> {
  for (const link of [...listEntries(k.mem, head)]) {
    const body = link - KINDS[kind].link;
    if (!isExpired(k, kind, body)) yield body;
  }
}

/** The object with that identity in a list, or 0. */
export function findById(k: Kernel, kind: TmTypeName, head: number, guid: number): number {
  for (const body of objectsIn(k, kind, head)) if (sameGuid(k, idOf(kind, body), guid)) return body;
  return 0;
}

/** DesiredAccess has no rights but those of the type (and the generic ones): else STATUS_ACCESS_DENIED. */
export function checkDesired(k: Kernel, kind: TmTypeName, access: number): number {
  const type = exportedType(k, kind);
  const valid = OBJECT_TYPE_INITIALIZER.f.ValidAccessMask.get(k.mem, type + OBJECT_TYPE.f.TypeInfo.offset);
  // MAXIMUM_ALLOWED and ACCESS_SYSTEM_SECURITY are rights of any object.
  return mapAccess(k, type, access) & ~valid & ~0x3000000 ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

/** What a caller's descriptor has wrong with it: STATUS_INVALID_SID, STATUS_INVALID_ACL. */
function checkDescriptor(k: Kernel, sd: number): number {
  if (!sd) return STATUS_SUCCESS;
  for (const part of ['Owner', 'Group'] as const) {
    const at = usedPart(k, sd, part);
    if (at && !isValidSid(k, at)) return STATUS_INVALID_SID;
  }
  for (const part of ['Sacl', 'Dacl'] as const) {
    const at = usedPart(k, sd, part);
    if (at && !isValidAcl(k, at)) return STATUS_INVALID_ACL;
  }
  return STATUS_SUCCESS;
}

/**
 * Makes an object of a kind with an identity (`guid`, or a new one for 0), in the list of its kind, with one reference.
 * Checks attributes and descriptor first. The body is zeroed but for link and identity.
 */
export function createTmObject(
  k: Kernel,
  kind: TmTypeName,
  attributes: number,
  guid: number,
  head: number,
): { status: number; body: number } {
  const a = readAttributes(k, attributes);
  const status = a.status === STATUS_SUCCESS ? checkDescriptor(k, attributesSecurity(k, attributes)) : a.status;
  if (status !== STATUS_SUCCESS) return { status, body: 0 };
  const body = obCreateObject(k, exportedType(k, kind), KINDS[kind].size, { named: a.path !== '' });
  if (!body) return { status: STATUS_INSUFFICIENT_RESOURCES, body: 0 };
  if (guid) copyGuid(k, guid, idOf(kind, body));
  else createUuid(k, idOf(kind, body));
  insertTailList(k.mem, head, body + KINDS[kind].link);
  return { status: STATUS_SUCCESS, body };
}

/** Takes an object out of the list of its kind: it is being deleted. */
export const unlinkTmObject = (k: Kernel, kind: TmTypeName, body: number): void =>
  void removeEntryList(k.mem, body + KINDS[kind].link);

/** Names a new object and opens a handle to it; without one it cannot be found. */
export function openNew(k: Kernel, kind: TmTypeName, body: number, attributes: number, access: number, out: number): number {
  const status = insertAndOpen(k, body, attributes, access, out);
  if (status !== STATUS_SUCCESS) setExpired(k, kind, body);
  return status;
}

/** Opens a handle to an object that was found. */
export function openFound(k: Kernel, body: number, attributes: number, access: number, out: number): number {
  const a = readAttributes(k, attributes);
  if (a.status !== STATUS_SUCCESS) return a.status;
  const answer = obCheckAccess(k, body, access, previousMode(k), a.attributes);
  if (answer.status !== STATUS_SUCCESS) return answer.status;
  const h = obCreateHandle(k, body, answer.granted, a.attributes);
  if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
  return h.status;
}

/** The object of a handle, with a reference. */
export const referenceHandle = (
  k: Kernel,
  kind: TmTypeName,
  handle: number,
  access: number,
): { status: number; object: number } => obReferenceObjectByHandle(k, handle, access, exportedType(k, kind), previousMode(k));

/** Runs `work` on the object of a handle, which is held meanwhile. */
export function withTmObject(
  k: Kernel,
  kind: TmTypeName,
  handle: number,
  access: number,
  work: (body: number) => number,
): number {
  const r = referenceHandle(k, kind, handle, access);
  if (r.status !== STATUS_SUCCESS) return r.status;
  const status = work(r.object);
  obDereferenceDeferred(k, r.object);
  return status;
}
