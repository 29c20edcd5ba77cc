/**
 * The access check: may this subject do that with an object of this descriptor? In order: what the owner may always do, privileges, the mandatory label, then the
 * entries of the DACL in their order; for a restricted token the DACL a second time with its restricting SIDs. Source: MS-DTYP 2.5.3.2, "How AccessCheck Works".
 */
import type { Kernel } from '../kernel.ts';
import { KernelMode } from '../types/ke.ts';
import {
  ACCESS_ALLOWED_ACE_TYPE,
  ACCESS_ALLOWED_OBJECT_ACE_TYPE,
  ACCESS_DENIED_ACE_TYPE,
  ACCESS_DENIED_CALLBACK_ACE_TYPE,
  ACCESS_DENIED_OBJECT_ACE_TYPE,
  INHERIT_ONLY_ACE,
  SE_DACL_PRESENT,
  SecurityImpersonation,
  SYSTEM_MANDATORY_LABEL_ACE_TYPE,
  TOKEN_WRITE_RESTRICTED,
} from '../types/se.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_BAD_IMPERSONATION_LEVEL,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { GENERIC_ALL, GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE, MAXIMUM_ALLOWED } from '../ob/type.ts';
import type { Acl } from './acl.ts';
import { type Descriptor, readDescriptor } from './descriptor.ts';
import { integrityLevel, OWNER_RIGHTS } from './sid.ts';
import { effectiveToken, type Subject } from './subject.ts';
import {
  type Group,
  groupsMatch,
  hasPrivilege,
  restrictedSids,
  SeSecurityPrivilege,
  SeTakeOwnershipPrivilege,
  T,
  tokenGroups,
  tokenIntegrity,
} from './token.ts';

export const READ_CONTROL = 0x20000,
  WRITE_DAC = 0x40000,
  WRITE_OWNER = 0x80000,
  SYNCHRONIZE = 0x100000,
  ACCESS_SYSTEM_SECURITY = 0x01000000;
const DELETE = 0x10000;
/** The mask of a label entry. */
const NO_WRITE_UP = 1,
  NO_READ_UP = 2,
  NO_EXECUTE_UP = 4;
const LEVEL_MEDIUM = 0x2000;
const TOKEN_MANDATORY_POLICY_NO_WRITE_UP = 1;

/** What the generic rights mean: read, write, execute, all. */
export type Mapping = readonly [read: number, write: number, execute: number, all: number];

export const readMapping = (k: Kernel, at: number): Mapping => [
  k.mem.read32(at),
  k.mem.read32(at + 4),
  k.mem.read32(at + 8),
  k.mem.read32(at + 12),
];

/** RtlMapGenericMask. */
export function mapGeneric(access: number, mapping: Mapping): number {
  let result = access & 0x0fffffff;
  [GENERIC_READ, GENERIC_WRITE, GENERIC_EXECUTE, GENERIC_ALL].forEach((bit, i) => {
    if ((access & bit) !== 0) result |= mapping[i]!;
  });
  return result >>> 0;
}

export interface AccessAnswer {
  status: number;
  granted: number;
  /** Numbers of the privileges that were needed. */
  privileges: number[];
}

/** One walk along a DACL. For `maximum` all that the entries give; else what of `desired` they leave open. */
function walkDacl(
  dacl: Acl,
  groups: readonly Group[],
  owner: boolean,
  mapping: Mapping,
  desired: number,
  maximum: boolean,
): number {
  let granted = 0;
  let denied = 0;
  for (const a of dacl.aces) {
    if (a.flags & INHERIT_ONLY_ACE) continue;
    const allows =
      a.type === ACCESS_ALLOWED_ACE_TYPE ||
      // Without a list of object types an entry for one type gives nothing.
      (a.type === ACCESS_ALLOWED_OBJECT_ACE_TYPE && a.objectType === null);
    const denies =
      a.type === ACCESS_DENIED_ACE_TYPE ||
      a.type === ACCESS_DENIED_OBJECT_ACE_TYPE ||
      // Conditions are not evaluated; an unknown one denies and does not allow.
      a.type === ACCESS_DENIED_CALLBACK_ACE_TYPE;
    if (!allows && !denies) continue;
    if (a.sid === OWNER_RIGHTS ? !owner : !groupsMatch(groups, a.sid, denies)) continue;
    const mask = mapGeneric(a.mask, mapping);
    if (allows) granted |= mask & ~denied;
    else denied |= mask & ~granted;
    if (!maximum && ((desired & ~granted) === 0 || desired & denied & ~granted)) break;
  }
  return granted >>> 0;
}

/** What the mandatory label of the object leaves for a token of that integrity. */
function mandatoryMask(k: Kernel, sd: Descriptor, token: number, mapping: Mapping): number {
  const label = sd.sacl?.aces.find(a => a.type === SYSTEM_MANDATORY_LABEL_ACE_TYPE && !(a.flags & INHERIT_ONLY_ACE));
  const level = label ? integrityLevel(label.sid) : LEVEL_MEDIUM;
  const policy = label ? label.mask : NO_WRITE_UP;
  if (tokenIntegrity(k, token) >= level || !(T.MandatoryPolicy.get(k.mem, token) & TOKEN_MANDATORY_POLICY_NO_WRITE_UP))
    return 0xffffffff;
  let allowed = SYNCHRONIZE;
  if (!(policy & NO_READ_UP)) allowed |= mapping[0] | READ_CONTROL;
  if (!(policy & NO_EXECUTE_UP)) allowed |= mapping[2];
  if (!(policy & NO_WRITE_UP)) allowed |= mapping[1] | DELETE | WRITE_DAC | WRITE_OWNER;
  return allowed >>> 0;
}

/**
 * The check on a descriptor value. `desired` may contain generic rights and MAXIMUM_ALLOWED; `previous` is granted already. A caller from kernel mode gets what it wants.
 */
export function checkAccess(
  k: Kernel,
  sd: Descriptor | null,
  subject: Subject,
  desiredAccess: number,
  previous: number,
  mapping: Mapping,
  mode: number,
): AccessAnswer {
  const deny = (status: number): AccessAnswer => ({ status, granted: 0, privileges: [] });
  const give = (granted: number, privileges: number[] = []): AccessAnswer => ({
    status: STATUS_SUCCESS,
    granted: granted >>> 0,
    privileges,
  });
  let desired = mapGeneric(desiredAccess, mapping);
  const maximum = (desired & MAXIMUM_ALLOWED) !== 0;
  desired = (desired & ~MAXIMUM_ALLOWED) >>> 0;
  if (mode === KernelMode) return give(desired | previous | (maximum ? mapping[3] : 0));
  if (desired === 0 && !maximum) return previous ? give(previous) : deny(STATUS_ACCESS_DENIED);
  if (!sd) return deny(STATUS_ACCESS_DENIED);
  if (subject.client && subject.level < SecurityImpersonation) return deny(STATUS_BAD_IMPERSONATION_LEVEL);
  const token = effectiveToken(subject);
  const groups = tokenGroups(k, token);
  const restricted = restrictedSids(k, token);
  const owned = (list: readonly Group[]): boolean => sd.owner !== null && groupsMatch(list, sd.owner, false);
  const owner =
    owned(groups) && (restricted.length === 0 || owned(restricted.map(g => ({ ...g, attributes: g.attributes | 4 }))));
  const privileges: number[] = [];
  let held = previous;
  if (desired & ACCESS_SYSTEM_SECURITY) {
    if (!hasPrivilege(k, token, SeSecurityPrivilege)) return deny(STATUS_PRIVILEGE_NOT_HELD);
    privileges.push(SeSecurityPrivilege);
    held |= ACCESS_SYSTEM_SECURITY;
  }
  const all = (sd.control & SE_DACL_PRESENT) === 0 || sd.dacl === null;
  const limit = mandatoryMask(k, sd, token, mapping);
  if ((desired & ~held & ~limit & ~WRITE_OWNER) !== 0) return deny(STATUS_ACCESS_DENIED);
  // An entry for OWNER RIGHTS takes the place of what owners may do by themselves.
  if (owner && !sd.dacl?.aces.some(a => a.sid === OWNER_RIGHTS && !(a.flags & INHERIT_ONLY_ACE))) {
    held |= (maximum ? READ_CONTROL | WRITE_DAC : desired & (READ_CONTROL | WRITE_DAC)) & limit;
  }
  let granted = held;
  if (all) granted |= maximum ? mapping[3] | desired : desired;
  else {
    const want = (desired & ~held) >>> 0;
    let found = walkDacl(sd.dacl!, groups, owner, mapping, want, maximum);
    const writeOnly = (T.TokenFlags.get(k.mem, token) & TOKEN_WRITE_RESTRICTED) !== 0;
    if (restricted.length) {
      const list: Group[] = [{ sid: '', attributes: 0 }, ...restricted.map(g => ({ ...g, attributes: g.attributes | 4 }))];
      const second = walkDacl(sd.dacl!, list, owner, mapping, want, maximum);
      // A write-restricted token is restricted only where it would change something.
      const free = writeOnly ? ~(mapping[1] & ~(mapping[0] | mapping[2])) : 0;
      found &= second | free;
    }
    granted |= maximum ? found : found & desired;
  }
  granted &= limit | previous | ACCESS_SYSTEM_SECURITY;
  if ((desired & ~granted & WRITE_OWNER) !== 0 && hasPrivilege(k, token, SeTakeOwnershipPrivilege)) {
    granted |= WRITE_OWNER;
    privileges.push(SeTakeOwnershipPrivilege);
  }
  granted >>>= 0;
  if ((desired & ~granted) !== 0 || granted === 0) return deny(STATUS_ACCESS_DENIED);
  return give(granted, privileges);
}

/** The same for a descriptor in guest memory; 0 is none, which only kernel mode gets past. */
export const seAccessCheck = (
  k: Kernel,
  sd: number,
  subject: Subject,
  desired: number,
  previous: number,
  mapping: Mapping,
  mode: number,
): AccessAnswer =>
  checkAccess(k, sd && mode !== KernelMode ? readDescriptor(k, sd) : null, subject, desired, previous, mapping, mode);
