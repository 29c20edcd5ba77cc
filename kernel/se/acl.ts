/** Access control lists as values. Entries of unknown types keep their bytes. Source: MS-DTYP 2.4.4, 2.4.5. */
import type { Kernel } from '../kernel.ts';
import {
  ACCESS_ALLOWED_ACE_TYPE,
  ACCESS_ALLOWED_CALLBACK_ACE_TYPE,
  ACCESS_DENIED_ACE_TYPE,
  ACCESS_DENIED_CALLBACK_ACE_TYPE,
  ACL,
  SYSTEM_AUDIT_ACE_TYPE,
  SYSTEM_MANDATORY_LABEL_ACE_TYPE,
} from '../types/se.ts';
import { sidBytes, sidText } from './sid.ts';

export const ACL_REVISION = 2,
  ACL_REVISION_DS = 4;

export interface Ace {
  type: number;
  flags: number;
  mask: number;
  sid: string;
  /** The GUIDs of an object entry, as hexadecimal digits; null when it has none. */
  objectType: string | null;
  inheritedObjectType: string | null;
  /** What follows the SID: the condition of a callback entry. */
  rest: Uint8Array;
}

export interface Acl {
  revision: number;
  aces: Ace[];
}

const PLAIN = new Set([
  ACCESS_ALLOWED_ACE_TYPE,
  ACCESS_DENIED_ACE_TYPE,
  SYSTEM_AUDIT_ACE_TYPE,
  3,
  ACCESS_ALLOWED_CALLBACK_ACE_TYPE,
  ACCESS_DENIED_CALLBACK_ACE_TYPE,
  13,
  14,
  SYSTEM_MANDATORY_LABEL_ACE_TYPE,
  18,
  19,
  20,
]);
const OBJECT = new Set([5, 6, 7, 8, 11, 12, 15, 16]);
const NO_BYTES = new Uint8Array(0);

export const isObjectAce = (type: number): boolean => OBJECT.has(type);
export const isKnownAce = (type: number): boolean => PLAIN.has(type) || OBJECT.has(type);

/** A plain entry. */
export const ace = (type: number, flags: number, mask: number, sid: string): Ace => ({
  type,
  flags,
  mask,
  sid,
  objectType: null,
  inheritedObjectType: null,
  rest: NO_BYTES,
});
export const allow = (mask: number, sid: string, flags = 0): Ace => ace(ACCESS_ALLOWED_ACE_TYPE, flags, mask, sid);

const hex = (bytes: Uint8Array): string => [...bytes].map(b => b.toString(16).padStart(2, '0')).join('');
const unhex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], b => parseInt(b, 16));

/** Reads an entry of `size` bytes. */
function readAce(k: Kernel, at: number, size: number): Ace {
  const bytes = k.mem.readBytes(at, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = bytes[0]!;
  const out: Ace = {
    type,
    flags: bytes[1]!,
    mask: size >= 8 ? view.getUint32(4, true) : 0,
    sid: '',
    objectType: null,
    inheritedObjectType: null,
    rest: NO_BYTES,
  };
  let sid = 8;
  if (OBJECT.has(type) && size >= 12) {
    const flags = view.getUint32(8, true);
    sid = 12;
    if (flags & 1) {
      out.objectType = hex(bytes.subarray(sid, sid + 16));
      sid += 16;
    }
    if (flags & 2) {
      out.inheritedObjectType = hex(bytes.subarray(sid, sid + 16));
      sid += 16;
    }
  } else if (!PLAIN.has(type)) return { ...out, rest: bytes.slice(4) };
  if (sid + 8 > size || sid + 8 + bytes[sid + 1]! * 4 > size) return { ...out, rest: bytes.slice(4) };
  out.sid = sidText(bytes, sid);
  out.rest = bytes.slice(sid + 8 + bytes[sid + 1]! * 4);
  return out;
}

/** Reads the list at `at`; entries that reach beyond its end are left out. */
export function readAcl(k: Kernel, at: number): Acl {
  const end = at + ACL.f.AclSize.get(k.mem, at);
  const aces: Ace[] = [];
  let next = at + ACL.size;
  for (let n = ACL.f.AceCount.get(k.mem, at); n > 0 && next + 4 <= end; n--) {
    const size = k.mem.read16(next + 2);
    if (size < 4 || next + size > end) break;
    aces.push(readAce(k, next, size));
    next += size;
  }
  return { revision: ACL.f.AclRevision.get(k.mem, at), aces };
}

/** An entry as the guest has it. */
export function aceBytes(a: Ace): Uint8Array {
  const parts: Uint8Array[] = [];
  if (a.sid === '') parts.push(a.rest);
  else {
    const head = new Uint8Array(OBJECT.has(a.type) ? 8 : 4);
    const view = new DataView(head.buffer);
    view.setUint32(0, a.mask >>> 0, true);
    parts.push(head);
    if (OBJECT.has(a.type)) view.setUint32(4, (a.objectType ? 1 : 0) | (a.inheritedObjectType ? 2 : 0), true);
    if (a.objectType) parts.push(unhex(a.objectType));
    if (a.inheritedObjectType) parts.push(unhex(a.inheritedObjectType));
    parts.push(sidBytes(a.sid), a.rest);
  }
  const size = 4 + parts.reduce((n, p) => n + p.length, 0);
  const out = new Uint8Array(Math.ceil(size / 4) * 4);
  out[0] = a.type;
  out[1] = a.flags;
  new DataView(out.buffer).setUint16(2, out.length, true);
  let at = 4;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** A list as the guest has it. */
export function aclBytes(acl: Acl): Uint8Array {
  const entries = acl.aces.map(aceBytes);
  const out = new Uint8Array(ACL.size + entries.reduce((n, e) => n + e.length, 0));
  const view = new DataView(out.buffer);
  out[0] = acl.aces.some(a => OBJECT.has(a.type)) ? ACL_REVISION_DS : acl.revision || ACL_REVISION;
  view.setUint16(2, out.length, true);
  view.setUint16(4, entries.length, true);
  let at = ACL.size;
  for (const e of entries) {
    out.set(e, at);
    at += e.length;
  }
  return out;
}
