/**
 * Access tokens: who a process or an impersonating thread is. A TOKEN's fixed part is followed by its groups (SID_AND_ATTRIBUTES and the SIDs); the primary group and the
 * default DACL, which may be replaced, lie in a block of their own (DynamicPart). Privileges are three 64-bit masks, one bit a privilege.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateObject, obDereferenceDeferred } from '../ob/object.ts';
import { obReplaceSecurity, typeMapping } from '../ob/security.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { PagedPool } from '../types/mm.ts';
import {
  SE_DACL_PRESENT,
  SE_GROUP_ENABLED,
  SE_GROUP_INTEGRITY,
  SE_GROUP_OWNER,
  SE_GROUP_USE_FOR_DENY_ONLY,
  SecurityImpersonation,
  TOKEN,
  TOKEN_DYNAMIC_CHARGE,
  TOKEN_HAS_TRAVERSE_PRIVILEGE,
  TOKEN_IS_RESTRICTED,
  TokenPrimary,
} from '../types/se.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { mapGeneric } from './accesscheck.ts';
import { type Acl, aclBytes, readAcl } from './acl.ts';
import {
  ADMINISTRATORS,
  AUTHENTICATED_USERS,
  integrityLevel,
  LABEL_SYSTEM,
  LOCAL_SYSTEM,
  readSid,
  sidBytes,
  WORLD,
} from './sid.ts';

export const T = TOKEN.f;
const TAG = poolTag('SeTd');

/** Privileges by their number (LUID), MS-LSAD 3.1.1.2.1. */
export const SeCreateTokenPrivilege = 2,
  SeAssignPrimaryTokenPrivilege = 3,
  SeTcbPrivilege = 7,
  SeSecurityPrivilege = 8,
  SeTakeOwnershipPrivilege = 9,
  SeLoadDriverPrivilege = 10,
  SeIncreaseBasePriorityPrivilege = 14,
  SeCreatePermanentPrivilege = 16,
  SeBackupPrivilege = 17,
  SeRestorePrivilege = 18,
  SeDebugPrivilege = 20,
  SeChangeNotifyPrivilege = 23,
  SeImpersonatePrivilege = 29,
  SeRelabelPrivilege = 32;
const LAST_PRIVILEGE = 36;

export interface Group {
  sid: string;
  attributes: number;
}

/** All that a token is made from. */
export interface TokenSpec {
  type: number;
  level: number;
  authenticationId: bigint;
  /** The first one is the user. */
  groups: readonly Group[];
  restricted: readonly Group[];
  present: bigint;
  enabled: bigint;
  enabledByDefault: bigint;
  owner: number;
  primaryGroup: string;
  defaultDacl: Acl | null;
  source: string;
  flags: number;
  sessionId: number;
  parent: bigint;
  originating: bigint;
  mandatoryPolicy: number;
}

export const privilegeMask = (...numbers: readonly number[]): bigint => numbers.reduce((m, n) => m | (1n << BigInt(n)), 0n);

/** ExAllocateLocallyUniqueId: a number that comes only once while the machine runs. */
export function allocateLuid(k: Kernel): bigint {
  const luid = k.global.get('ExpLuid');
  k.global.set('ExpLuid', luid + 1n);
  return luid;
}

const groupBytes = (groups: readonly Group[]): number => groups.reduce((n, g) => n + 16 + sidBytes(g.sid).length, 0);

/** Writes SID_AND_ATTRIBUTES at `at` and the SIDs behind them; where the next thing goes. */
function writeGroups(k: Kernel, at: number, groups: readonly Group[]): number {
  let text = at + groups.length * 16;
  groups.forEach((g, i) => {
    const bytes = sidBytes(g.sid);
    k.mem.writePtr(at + i * 16, text);
    k.mem.write32(at + i * 16 + 8, g.attributes >>> 0);
    k.mem.write32(at + i * 16 + 12, 0);
    k.mem.writeBytes(text, bytes);
    text += bytes.length;
  });
  return text;
}

/** Whether a primary group and a default DACL fit into what a token has room for. */
export const dynamicPartFits = (primaryGroup: string, dacl: Acl | null): boolean =>
  sidBytes(primaryGroup).length + (dacl ? aclBytes(dacl).length : 0) <= TOKEN_DYNAMIC_CHARGE;

/** Replaces a token's primary group and default DACL. False without pool; then it is as it was. */
export function setDynamicPart(k: Kernel, token: number, primaryGroup: string, dacl: Acl | null): boolean {
  const sid = sidBytes(primaryGroup);
  const list = dacl ? aclBytes(dacl) : null;
  const at = exAllocatePool(k, PagedPool, sid.length + (list?.length ?? 0), TAG);
  if (!at) return false;
  k.mem.writeBytes(at, sid);
  if (list) k.mem.writeBytes(at + sid.length, list);
  const old = T.DynamicPart.get(k.mem, token);
  T.DynamicPart.set(k.mem, token, at);
  T.PrimaryGroup.set(k.mem, token, at);
  T.DefaultDacl.set(k.mem, token, list ? at + sid.length : 0);
  T.DynamicCharged.set(k.mem, token, TOKEN_DYNAMIC_CHARGE);
  T.DynamicAvailable.set(k.mem, token, Math.max(0, TOKEN_DYNAMIC_CHARGE - sid.length - (list?.length ?? 0)));
  if (old) exFreePool(k, old, 0);
  return true;
}

/** Who may open a token: whom its own default list names, as for any object that its user makes. False without pool. */
function protectToken(k: Kernel, token: number, spec: TokenSpec): boolean {
  const { defaultDacl, groups, owner, primaryGroup } = spec;
  const mapping = typeMapping(k, obTypeOf(k, token));
  const dacl = defaultDacl && { ...defaultDacl, aces: defaultDacl.aces.map(a => ({ ...a, mask: mapGeneric(a.mask, mapping) })) };
  const control = dacl ? SE_DACL_PRESENT : 0;
  return (
    obReplaceSecurity(k, token, { control, owner: groups[owner]!.sid, group: primaryGroup, sacl: null, dacl }) === STATUS_SUCCESS
  );
}

/** Makes a token object with one reference, which is the caller's; 0 without pool. */
export function createToken(k: Kernel, spec: TokenSpec): number {
  const { mem } = k;
  const variable = Math.ceil((groupBytes(spec.groups) + groupBytes(spec.restricted)) / 8) * 8;
  const token = obCreateObject(k, exportedType(k, 'SeTokenObjectType'), TOKEN.size + variable, { named: true });
  if (!token) return 0;
  for (let i = 0; i < 8; i++) mem.write8(token + i, i < spec.source.length ? spec.source.charCodeAt(i) : 0x20);
  T.TokenId.set(mem, token, allocateLuid(k));
  T.AuthenticationId.set(mem, token, spec.authenticationId);
  T.ParentTokenId.set(mem, token, spec.parent);
  T.OriginatingLogonSession.set(mem, token, spec.originating);
  T.ExpirationTime.set(mem, token, 0x7fffffffffffffffn);
  T.ModifiedId.set(mem, token, allocateLuid(k));
  setPrivileges(k, token, spec.present, spec.enabled, spec.enabledByDefault);
  T.SessionId.set(mem, token, spec.sessionId);
  T.UserAndGroupCount.set(mem, token, spec.groups.length);
  T.RestrictedSidCount.set(mem, token, spec.restricted.length);
  T.VariableLength.set(mem, token, variable);
  T.DefaultOwnerIndex.set(mem, token, spec.owner);
  T.TokenType.set(mem, token, spec.type);
  T.ImpersonationLevel.set(mem, token, spec.level);
  let flags = spec.flags & ~(TOKEN_IS_RESTRICTED | TOKEN_HAS_TRAVERSE_PRIVILEGE);
  if (spec.restricted.length) flags |= TOKEN_IS_RESTRICTED;
  if (spec.enabled & privilegeMask(SeChangeNotifyPrivilege)) flags |= TOKEN_HAS_TRAVERSE_PRIVILEGE;
  T.TokenFlags.set(mem, token, flags);
  T.MandatoryPolicy.set(mem, token, spec.mandatoryPolicy);
  const label = spec.groups.findIndex(g => g.attributes & SE_GROUP_INTEGRITY);
  T.IntegrityLevelIndex.set(mem, token, label < 0 ? 0xffffffff : label);
  const groups = token + T.VariablePart.offset;
  T.UserAndGroups.set(mem, token, groups);
  const restricted = writeGroups(k, groups, spec.groups);
  T.RestrictedSids.set(mem, token, spec.restricted.length ? restricted : 0);
  writeGroups(k, restricted, spec.restricted);
  if (setDynamicPart(k, token, spec.primaryGroup, spec.defaultDacl) && protectToken(k, token, spec)) return token;
  obDereferenceDeferred(k, token);
  return 0;
}

/** Sets the privilege masks. */
export function setPrivileges(k: Kernel, token: number, present: bigint, enabled: bigint, byDefault: bigint): void {
  const at = token + T.Privileges.offset;
  k.mem.write64(at, present);
  k.mem.write64(at + 8, enabled);
  k.mem.write64(at + 16, byDefault);
}

export const presentPrivileges = (k: Kernel, token: number): bigint => k.mem.read64(token + T.Privileges.offset);
export const enabledPrivileges = (k: Kernel, token: number): bigint => k.mem.read64(token + T.Privileges.offset + 8);
export const defaultPrivileges = (k: Kernel, token: number): bigint => k.mem.read64(token + T.Privileges.offset + 16);

export const hasPrivilege = (k: Kernel, token: number, privilege: number): boolean =>
  (enabledPrivileges(k, token) & (1n << BigInt(privilege))) !== 0n;

/** The privileges of a mask, in order. */
export function privilegeNumbers(mask: bigint): number[] {
  const out: number[] = [];
  for (let n = 2; n <= LAST_PRIVILEGE; n++) if (mask & (1n << BigInt(n))) out.push(n);
  return out;
}

/** A change of what the token says: who has looked at it sees it by the new ModifiedId. */
export const tokenModified = (k: Kernel, token: number): void => T.ModifiedId.set(k.mem, token, allocateLuid(k));

export function readGroups(k: Kernel, at: number, count: number): Group[] {
  return Array.from({ length: count }, (_, i) => ({
    sid: readSid(k, k.mem.readPtr(at + i * 16)),
    attributes: k.mem.read32(at + i * 16 + 8),
  }));
}
/** The user and the groups of a token. */
export const tokenGroups = (k: Kernel, token: number): Group[] =>
  readGroups(k, T.UserAndGroups.get(k.mem, token), T.UserAndGroupCount.get(k.mem, token));
export const restrictedSids = (k: Kernel, token: number): Group[] =>
  readGroups(k, T.RestrictedSids.get(k.mem, token), T.RestrictedSidCount.get(k.mem, token));
export const setGroupAttributes = (k: Kernel, token: number, index: number, attributes: number): void =>
  k.mem.write32(T.UserAndGroups.get(k.mem, token) + index * 16 + 8, attributes >>> 0);

export const tokenDefaultDacl = (k: Kernel, token: number): Acl | null => {
  const at = T.DefaultDacl.get(k.mem, token);
  return at ? readAcl(k, at) : null;
};
export const tokenPrimaryGroup = (k: Kernel, token: number): string => readSid(k, T.PrimaryGroup.get(k.mem, token));
export const tokenOwner = (k: Kernel, token: number): string => tokenGroups(k, token)[T.DefaultOwnerIndex.get(k.mem, token)]!.sid;

/** Level of the token's mandatory label; a token without one is of medium integrity. */
export function tokenIntegrity(k: Kernel, token: number): number {
  const index = T.IntegrityLevelIndex.get(k.mem, token);
  return index === 0xffffffff ? 0x2000 : integrityLevel(tokenGroups(k, token)[index]!.sid);
}

/** True when the list names a SID that counts: enabled, or for a denial also one that is kept for denials. */
export const groupsMatch = (groups: readonly Group[], sid: string, deny: boolean): boolean =>
  groups.some(
    (g, i) =>
      g.sid === sid &&
      !(g.attributes & SE_GROUP_INTEGRITY) &&
      (g.attributes & SE_GROUP_USE_FOR_DENY_ONLY ? deny : i === 0 || (g.attributes & SE_GROUP_ENABLED) !== 0),
  );

/** What a token is, to make another from it. */
export function tokenSpec(k: Kernel, token: number): TokenSpec {
  const { mem } = k;
  return {
    type: T.TokenType.get(mem, token),
    level: T.ImpersonationLevel.get(mem, token),
    authenticationId: T.AuthenticationId.get(mem, token),
    groups: tokenGroups(k, token),
    restricted: restrictedSids(k, token),
    present: presentPrivileges(k, token),
    enabled: enabledPrivileges(k, token),
    enabledByDefault: defaultPrivileges(k, token),
    owner: T.DefaultOwnerIndex.get(mem, token),
    primaryGroup: tokenPrimaryGroup(k, token),
    defaultDacl: tokenDefaultDacl(k, token),
    source: String.fromCharCode(...mem.readBytes(token, 8)),
    flags: T.TokenFlags.get(mem, token),
    sessionId: T.SessionId.get(mem, token),
    parent: T.ParentTokenId.get(mem, token),
    originating: T.OriginatingLogonSession.get(mem, token),
    mandatoryPolicy: T.MandatoryPolicy.get(mem, token),
  };
}

/** A copy of a token; with `effectiveOnly` only what is enabled now stays. 0 without pool. */
export function duplicateToken(
  k: Kernel,
  token: number,
  options: { type: number; level: number; effectiveOnly?: boolean },
): number {
  const spec = tokenSpec(k, token);
  const only = options.effectiveOnly ?? false;
  const kept = spec.groups.map((group, index) => ({ group, index }));
  const left = only
    ? kept.filter(
        ({ group, index }) =>
          index === 0 ||
          group.attributes & (SE_GROUP_ENABLED | SE_GROUP_INTEGRITY | SE_GROUP_USE_FOR_DENY_ONLY) ||
          index === spec.owner,
      )
    : kept;
  return createToken(k, {
    ...spec,
    type: options.type,
    level: options.type === TokenPrimary ? SecurityImpersonation : options.level,
    groups: left.map(g => g.group),
    owner: Math.max(
      0,
      left.findIndex(g => g.index === spec.owner),
    ),
    present: only ? spec.enabled : spec.present,
  });
}

/** Gives back what a token holds, for its delete procedure. */
export function freeTokenParts(k: Kernel, token: number): void {
  const dynamic = T.DynamicPart.get(k.mem, token);
  if (dynamic) exFreePool(k, dynamic, 0);
  T.DynamicPart.set(k.mem, token, 0);
}

/** LUID of the logon session of the system. */
export const SYSTEM_LUID = 0x3e7n;

/** The token of the system process: it is the local system, and has all privileges. */
export const SYSTEM_TOKEN: TokenSpec = {
  type: TokenPrimary,
  level: SecurityImpersonation,
  authenticationId: SYSTEM_LUID,
  groups: [
    { sid: LOCAL_SYSTEM, attributes: 0 },
    { sid: ADMINISTRATORS, attributes: SE_GROUP_OWNER | 6 },
    { sid: WORLD, attributes: 7 },
    { sid: AUTHENTICATED_USERS, attributes: 7 },
    { sid: LABEL_SYSTEM, attributes: 0x60 },
  ],
  restricted: [],
  present: privilegeMask(...Array.from({ length: 35 }, (_, i) => i + 2).filter(n => ![6, 24, 26, 27].includes(n))),
  enabled: privilegeMask(4, 7, 11, 13, 14, 15, 16, 20, 21, 23, 29, 30, 33, 34, 35, 36),
  enabledByDefault: privilegeMask(4, 7, 11, 13, 14, 15, 16, 20, 21, 23, 29, 30, 33, 34, 35, 36),
  owner: 1,
  primaryGroup: LOCAL_SYSTEM,
  defaultDacl: {
    revision: 2,
    aces: [
      {
        type: 0,
        flags: 0,
        mask: 0x10000000,
        sid: LOCAL_SYSTEM,
        objectType: null,
        inheritedObjectType: null,
        rest: new Uint8Array(0),
      },
      {
        type: 0,
        flags: 0,
        mask: 0xa0020000,
        sid: ADMINISTRATORS,
        objectType: null,
        inheritedObjectType: null,
        rest: new Uint8Array(0),
      },
    ],
  },
  source: '*SYSTEM*',
  flags: 0x2000,
  sessionId: 0,
  parent: 0n,
  originating: 0n,
  mandatoryPolicy: 1,
};
