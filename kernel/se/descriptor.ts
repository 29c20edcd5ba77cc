/**
 * Security descriptors: who owns an object, who may do what with it, what is audited. Read into a value, written back as a self-relative block. The descriptors that
 * objects hold lie in paged pool behind a SECURITY_DESCRIPTOR_HEADER that counts who holds them. Source: MS-DTYP 2.4.6.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { PagedPool } from '../types/mm.ts';
import {
  ACL,
  SE_DACL_PRESENT,
  SE_SACL_PRESENT,
  SE_SELF_RELATIVE,
  SECURITY_DESCRIPTOR as SD,
  SECURITY_DESCRIPTOR_HEADER,
  SECURITY_DESCRIPTOR_RELATIVE as SDR,
} from '../types/se.ts';
import { type Acl, aclBytes, readAcl } from './acl.ts';
import { isValidSid, readSid, sidBytes, sidLength } from './sid.ts';

export const SECURITY_DESCRIPTOR_REVISION = 1;

export interface Descriptor {
  control: number;
  owner: string | null;
  group: string | null;
  /** Null with SE_DACL_PRESENT: everybody may do everything. */
  dacl: Acl | null;
  sacl: Acl | null;
}

export type Part = 'Owner' | 'Group' | 'Sacl' | 'Dacl';

export const controlOf = (k: Kernel, sd: number): number => SD.f.Control.get(k.mem, sd);
export const presentBit = (name: Part): number => (name === 'Dacl' ? SE_DACL_PRESENT : name === 'Sacl' ? SE_SACL_PRESENT : 0);

/** Address of a part of a descriptor of either form; 0 when it has none. */
export function descriptorPart(k: Kernel, sd: number, name: Part): number {
  if (!(controlOf(k, sd) & SE_SELF_RELATIVE)) return SD.f[name].get(k.mem, sd);
  const offset = SDR.f[name].get(k.mem, sd);
  return offset ? sd + offset : 0;
}

/** A part as it counts: a list only if the control says that it is there. */
export const usedPart = (k: Kernel, sd: number, name: Part): number =>
  presentBit(name) && !(controlOf(k, sd) & presentBit(name)) ? 0 : descriptorPart(k, sd, name);

/** Reads a descriptor of either form. */
export function readDescriptor(k: Kernel, sd: number): Descriptor {
  const sid = (name: Part): string | null => {
    const at = usedPart(k, sd, name);
    return at ? readSid(k, at) : null;
  };
  const acl = (name: Part): Acl | null => {
    const at = usedPart(k, sd, name);
    return at ? readAcl(k, at) : null;
  };
  return {
    control: controlOf(k, sd) & ~SE_SELF_RELATIVE,
    owner: sid('Owner'),
    group: sid('Group'),
    dacl: acl('Dacl'),
    sacl: acl('Sacl'),
  };
}

/** A descriptor as one self-relative block: SACL, DACL, owner, group. */
export function descriptorBytes(d: Descriptor): Uint8Array {
  const parts: readonly (readonly [name: Part, bytes: Uint8Array | null])[] = [
    ['Sacl', d.sacl && aclBytes(d.sacl)],
    ['Dacl', d.dacl && aclBytes(d.dacl)],
    ['Owner', d.owner === null ? null : sidBytes(d.owner)],
    ['Group', d.group === null ? null : sidBytes(d.group)],
  ];
  const out = new Uint8Array(SDR.size + parts.reduce((n, [, b]) => n + (b?.length ?? 0), 0));
  const view = new DataView(out.buffer);
  out[0] = SECURITY_DESCRIPTOR_REVISION;
  view.setUint16(2, d.control | SE_SELF_RELATIVE, true);
  let at = SDR.size;
  for (const [name, bytes] of parts) {
    if (!bytes) continue;
    view.setUint32(SDR.f[name].offset, at, true);
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** True for a list whose entries lie in it. */
export function isValidAcl(k: Kernel, acl: number): boolean {
  const revision = ACL.f.AclRevision.get(k.mem, acl);
  const end = acl + ACL.f.AclSize.get(k.mem, acl);
  let at = acl + ACL.size;
  if (revision < 2 || revision > 4 || at > end) return false;
  for (let n = ACL.f.AceCount.get(k.mem, acl); n > 0; n--) {
    if (at + 4 > end) return false;
    const size = k.mem.read16(at + 2);
    if (size < 4 || size % 4 || at + size > end) return false;
    at += size;
  }
  return true;
}

/** True for a descriptor of either form that is well formed: RtlValidSecurityDescriptor. */
export function isValidDescriptor(k: Kernel, sd: number): boolean {
  if (!sd || SD.f.Revision.get(k.mem, sd) !== SECURITY_DESCRIPTOR_REVISION) return false;
  for (const name of ['Owner', 'Group'] as const) {
    const at = descriptorPart(k, sd, name);
    if (at && !isValidSid(k, at)) return false;
  }
  for (const name of ['Sacl', 'Dacl'] as const) {
    const at = usedPart(k, sd, name);
    if (at && !isValidAcl(k, at)) return false;
  }
  return true;
}

/** True when the block of `length` bytes is a self-relative descriptor whose parts all lie in it: RtlValidRelativeSecurityDescriptor. */
export function isValidRelative(k: Kernel, sd: number, length: number): boolean {
  if (length < SDR.size || SDR.f.Revision.get(k.mem, sd) !== SECURITY_DESCRIPTOR_REVISION) return false;
  if (!(controlOf(k, sd) & SE_SELF_RELATIVE)) return false;
  for (const name of ['Owner', 'Group', 'Sacl', 'Dacl'] as const) {
    const offset = presentBit(name) && !(controlOf(k, sd) & presentBit(name)) ? 0 : SDR.f[name].get(k.mem, sd);
    if (!offset) continue;
    const fixed = 8;
    if (offset % 4 || offset < SDR.size || offset + fixed > length) return false;
    const size = presentBit(name) ? ACL.f.AclSize.get(k.mem, sd + offset) : sidLength(k, sd + offset);
    if (offset + size > length) return false;
    if (presentBit(name) ? !isValidAcl(k, sd + offset) : !isValidSid(k, sd + offset)) return false;
  }
  return true;
}

const TAG = poolTag('SeSd');

/** Puts a descriptor into pool as a plain block, for callers that free it with SeDeassignSecurity or ExFreePool. 0 without pool. */
export function poolDescriptor(k: Kernel, d: Descriptor, pool = PagedPool): number {
  const bytes = descriptorBytes(d);
  const at = exAllocatePool(k, pool, bytes.length, TAG);
  if (at) k.mem.writeBytes(at, bytes);
  return at;
}

const HEADER = SECURITY_DESCRIPTOR_HEADER.size;
const R = SECURITY_DESCRIPTOR_HEADER.f.RefCount;

/** Keeps a descriptor for an object: one reference. The address of its self-relative form, or 0 without pool. */
export function logDescriptor(k: Kernel, d: Descriptor): number {
  const bytes = descriptorBytes(d);
  const block = exAllocatePool(k, PagedPool, HEADER + bytes.length, poolTag('ObSc'));
  if (!block) return 0;
  k.mem.fill(block, HEADER, 0);
  R.set(k.mem, block, 1);
  k.mem.writeBytes(block + HEADER, bytes);
  return block + HEADER;
}

export const referenceDescriptor = (k: Kernel, sd: number, by = 1): void =>
  R.set(k.mem, sd - HEADER, R.get(k.mem, sd - HEADER) + by);

/** Gives references to a kept descriptor back; the last frees it. */
export function dereferenceDescriptor(k: Kernel, sd: number, by = 1): void {
  const count = R.get(k.mem, sd - HEADER) - by;
  R.set(k.mem, sd - HEADER, count);
  if (count === 0) exFreePool(k, sd - HEADER, 0);
}
