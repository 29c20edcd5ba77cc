/** System services on tokens. Source: the WDK page of each, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { readAttributes } from '../ob/attributes.ts';
import { obCreateHandle, obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { obAssignSecurity, obCheckAccess } from '../ob/security.ts';
import { exportedType } from '../ob/type.ts';
import { readAcl } from '../se/acl.ts';
import { integrityLevel, readSid, sidBytes, sidLength } from '../se/sid.ts';
import { currentSubject, effectiveToken, impersonation, primaryToken } from '../se/subject.ts';
import {
  allocateLuid, defaultPrivileges, duplicateToken, enabledPrivileges, hasPrivilege, presentPrivileges, SeTcbPrivilege, setDynamicPart, setGroupAttributes, setPrivileges, T, tokenDefaultDacl, tokenGroups,
  tokenIntegrity, tokenModified, tokenPrimaryGroup, dynamicPartFits,
} from '../se/token.ts';
import { groupInformation, tokenInformation, writePrivileges } from '../se/tokeninfo.ts';
import { isValidAcl } from '../se/descriptor.ts';
import { KernelMode } from '../types/ke.ts';
import {
  ACL, SE_GROUP_ENABLED, SE_GROUP_ENABLED_BY_DEFAULT, SE_GROUP_MANDATORY, SE_GROUP_OWNER, SE_GROUP_USE_FOR_DENY_ONLY, SE_PRIVILEGE_ENABLED, SE_PRIVILEGE_REMOVED, SecurityAnonymous, TokenImpersonation, TokenPrimary, TOKEN_UIACCESS, TOKEN_VIRTUALIZE_ALLOWED, TOKEN_VIRTUALIZE_ENABLED,
} from '../types/se.ts';
import {
  STATUS_ACCESS_VIOLATION, STATUS_ALLOTTED_SPACE_EXCEEDED, STATUS_BAD_IMPERSONATION_LEVEL, STATUS_BUFFER_TOO_SMALL, STATUS_CANT_DISABLE_MANDATORY, STATUS_CANT_ENABLE_DENY_ONLY, STATUS_CANT_OPEN_ANONYMOUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_ACL, STATUS_INVALID_INFO_CLASS, STATUS_INVALID_OWNER, STATUS_INVALID_PARAMETER, STATUS_INVALID_PRIMARY_GROUP, STATUS_INVALID_SID, STATUS_NO_SUCH_LOGON_SESSION, STATUS_NO_TOKEN, STATUS_NOT_ALL_ASSIGNED, STATUS_PRIVILEGE_NOT_HELD, STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, HANDLE, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG, VOID } from './declare.ts';
import { service } from './service.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const TOKEN_DUPLICATE = 2, TOKEN_QUERY = 8, TOKEN_QUERY_SOURCE = 0x10, TOKEN_ADJUST_PRIVILEGES = 0x20, TOKEN_ADJUST_GROUPS = 0x40, TOKEN_ADJUST_DEFAULT = 0x80, TOKEN_ADJUST_SESSIONID = 0x100;
const PROCESS_QUERY_INFORMATION = 0x400, THREAD_QUERY_INFORMATION = 0x40;

/** Runs `work` on the token of a handle, which is held meanwhile. */
export function withToken(k: Kernel, handle: number, access: number, work: (token: number) => number): number {
  const r = obReferenceObjectByHandle(k, handle, access, exportedType(k, 'SeTokenObjectType'), previousMode(k));
  if (r.status !== STATUS_SUCCESS) return r.status;
  const status = work(r.object);
  obDereferenceDeferred(k, r.object);
  return status;
}

/** A handle to an existing token after the access check, which is that of the caller's process (`asSelf`) or of whom the caller acts for. */
function openToken(k: Kernel, token: number, access: number, attributes: number, out: number, asSelf = false): number {
  const subject = currentSubject(k);
  const answer = obCheckAccess(k, token, access, previousMode(k), attributes, asSelf ? { ...subject, client: 0, level: 0 } : subject);
  if (answer.status !== STATUS_SUCCESS) return answer.status;
  const h = obCreateHandle(k, token, answer.granted, attributes);
  if (h.status === STATUS_SUCCESS) k.mem.writePtr(out, h.handle);
  return h.status;
}

function openProcessToken(k: Kernel, process: number, access: number, attributes: number, out: number): number {
  k.mem.probe(out, 8, true);
  const r = obReferenceObjectByHandle(k, process, PROCESS_QUERY_INFORMATION, exportedType(k, 'PsProcessType'), previousMode(k));
  if (r.status !== STATUS_SUCCESS) return r.status;
  const token = primaryToken(k, r.object);
  const status = token ? openToken(k, token, access, attributes, out) : STATUS_NO_TOKEN;
  obDereferenceDeferred(k, r.object);
  return status;
}

function openThreadToken(k: Kernel, thread: number, access: number, asSelf: boolean, attributes: number, out: number): number {
  k.mem.probe(out, 8, true);
  const r = obReferenceObjectByHandle(k, thread, THREAD_QUERY_INFORMATION, exportedType(k, 'PsThreadType'), previousMode(k));
  if (r.status !== STATUS_SUCCESS) return r.status;
  const found = impersonation(k, r.object);
  const status = !found ? STATUS_NO_TOKEN : found.level === SecurityAnonymous ? STATUS_CANT_OPEN_ANONYMOUS : openToken(k, found.token, access, attributes, out, asSelf);
  obDereferenceDeferred(k, r.object);
  return status;
}

const openProcessArgs = { ProcessHandle: HANDLE, DesiredAccess: ULONG } as const;
const openThreadArgs = { ThreadHandle: HANDLE, DesiredAccess: ULONG, OpenAsSelf: BOOLEAN } as const;
const open = { irql: PASSIVE, returns: NTSTATUS, cycles: 500, status: 'full' as const };

const opening: NtExport[] = [
  ...service({ ...open, name: 'OpenProcessToken', doc: 'Opens the primary token of a process.', args: { ...openProcessArgs, TokenHandle: PVOID }, impl: (k, a) => openProcessToken(k, a.ProcessHandle, a.DesiredAccess, 0, a.TokenHandle) }),
  ...service({
    ...open, name: 'OpenProcessTokenEx', doc: 'Opens the primary token of a process, with attributes for the handle.', args: { ...openProcessArgs, HandleAttributes: ULONG, TokenHandle: PVOID },
    impl: (k, a) => openProcessToken(k, a.ProcessHandle, a.DesiredAccess, a.HandleAttributes, a.TokenHandle),
  }),
  ...service({ ...open, name: 'OpenThreadToken', doc: 'Opens the token that a thread impersonates.', args: { ...openThreadArgs, TokenHandle: PVOID }, impl: (k, a) => openThreadToken(k, a.ThreadHandle, a.DesiredAccess, a.OpenAsSelf, 0, a.TokenHandle) }),
  ...service({
    ...open, name: 'OpenThreadTokenEx', doc: 'Opens the token that a thread impersonates, with attributes for the handle.', args: { ...openThreadArgs, HandleAttributes: ULONG, TokenHandle: PVOID },
    impl: (k, a) => openThreadToken(k, a.ThreadHandle, a.DesiredAccess, a.OpenAsSelf, a.HandleAttributes, a.TokenHandle),
  }),
];

/** SECURITY_QUALITY_OF_SERVICE of an OBJECT_ATTRIBUTES: its level; without one, impersonation. */
function qualityLevel(k: Kernel, attributes: number): number | null {
  const at = attributes ? k.mem.readPtr(attributes + 0x28) : 0;
  if (!at) return null;
  return k.mem.read32(at + 4);
}

const duplicating: NtExport[] = service({
  name: 'DuplicateToken', doc: 'Makes a copy of a token: primary, or for impersonation.', irql: PASSIVE,
  args: { ExistingTokenHandle: HANDLE, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, EffectiveOnly: BOOLEAN, TokenType: ULONG, NewTokenHandle: PVOID }, returns: NTSTATUS, cycles: 1500, status: 'full',
  impl(k, a) {
    k.mem.probe(a.NewTokenHandle, 8, true);
    if (a.TokenType !== TokenPrimary && a.TokenType !== TokenImpersonation) return STATUS_INVALID_PARAMETER;
    const attributes = readAttributes(k, a.ObjectAttributes);
    if (attributes.status !== STATUS_SUCCESS) return attributes.status;
    const r = obReferenceObjectByHandle(k, a.ExistingTokenHandle, TOKEN_DUPLICATE, exportedType(k, 'SeTokenObjectType'), previousMode(k));
    if (r.status !== STATUS_SUCCESS) return r.status;
    const status = duplicate(k, r.object, r.access, a, attributes.attributes);
    obDereferenceDeferred(k, r.object);
    return status;
  },
});

function duplicate(k: Kernel, token: number, oldAccess: number, a: { DesiredAccess: number; ObjectAttributes: number; EffectiveOnly: boolean; TokenType: number; NewTokenHandle: number }, attributes: number): number {
  const own = T.ImpersonationLevel.get(k.mem, token);
  const impersonates = T.TokenType.get(k.mem, token) === TokenImpersonation;
  const asked = qualityLevel(k, a.ObjectAttributes);
  const level = asked ?? (impersonates ? own : SecurityAnonymous);
  // A copy reaches no further than its original; a primary token is made only from one that may impersonate.
  if (level > 3) return STATUS_BAD_IMPERSONATION_LEVEL;
  if (impersonates && (a.TokenType === TokenPrimary ? own < 2 : level > own)) return STATUS_BAD_IMPERSONATION_LEVEL;
  const made = duplicateToken(k, token, { type: a.TokenType, level, effectiveOnly: a.EffectiveOnly });
  if (!made) return STATUS_INSUFFICIENT_RESOURCES;
  const given = a.ObjectAttributes ? k.mem.readPtr(a.ObjectAttributes + 0x20) : 0;
  let status = obAssignSecurity(k, made, given, 0, previousMode(k), false);
  if (status === STATUS_SUCCESS) {
    const h = obCreateHandle(k, made, a.DesiredAccess || oldAccess, attributes);
    status = h.status;
    if (status === STATUS_SUCCESS) k.mem.writePtr(a.NewTokenHandle, h.handle);
  }
  obDereferenceDeferred(k, made);
  return status;
}

const TokenLinkedToken = 19;

/** Classes whose length must be exact, or at least that of the structure. */
const query: NtExport[] = service({
  name: 'QueryInformationToken', doc: 'What a token says of one class.', irql: PASSIVE,
  args: { TokenHandle: HANDLE, TokenInformationClass: ULONG, TokenInformation: PVOID, TokenInformationLength: ULONG, ReturnLength: PVOID }, returns: NTSTATUS, cycles: 600, status: 'full',
  impl(k, a) {
    // The length is not optional.
    if (!a.ReturnLength) return STATUS_ACCESS_VIOLATION;
    k.mem.probe(a.ReturnLength, 4, true);
    const kind = a.TokenInformationClass;
    // The source needs a right of its own.
    return withToken(k, a.TokenHandle, kind === 7 ? TOKEN_QUERY_SOURCE : TOKEN_QUERY, token => {
      if (kind === 9 && T.TokenType.get(k.mem, token) !== TokenImpersonation) return STATUS_INVALID_INFO_CLASS;
      // TokenLinkedToken: a logon has another token only where user account control splits an administrator's.
      if (kind === TokenLinkedToken) return STATUS_NO_SUCH_LOGON_SESSION;
      const info = tokenInformation(k, token, kind);
      if (!info) return STATUS_INVALID_INFO_CLASS;
      k.mem.write32(a.ReturnLength, info.size);
      if (a.TokenInformationLength < info.size) return STATUS_BUFFER_TOO_SMALL;
      k.mem.probe(a.TokenInformation, info.size, true);
      info.write(a.TokenInformation);
      return STATUS_SUCCESS;
    });
  },
});

/** The SID at an address; null when it is none. */
function givenSid(k: Kernel, at: number): string | null {
  const REVISION = 1, MOST = 15;
  return at && k.mem.read8(at) === REVISION && k.mem.read8(at + 1) <= MOST ? readSid(k, at) : null;
}

function setFlag(k: Kernel, token: number, flag: number, on: boolean): void {
  const flags = T.TokenFlags.get(k.mem, token);
  T.TokenFlags.set(k.mem, token, on ? flags | flag : flags & ~flag);
}

function setInformation(k: Kernel, token: number, kind: number, from: number, length: number): number {
  const { mem } = k;
  const modified = (): number => {
    tokenModified(k, token);
    return STATUS_SUCCESS;
  };
  switch (kind) {
    case 4: {
      // TokenOwner: one of the groups that may be an owner, or the user.
      if (length < 8) return STATUS_INFO_LENGTH_MISMATCH;
      const sid = givenSid(k, mem.readPtr(from));
      if (sid === null) return STATUS_INVALID_SID;
      const index = tokenGroups(k, token).findIndex((g, i) => g.sid === sid && (i === 0 || g.attributes & SE_GROUP_OWNER) && !(g.attributes & SE_GROUP_USE_FOR_DENY_ONLY));
      if (index < 0) return STATUS_INVALID_OWNER;
      T.DefaultOwnerIndex.set(mem, token, index);
      return modified();
    }
    case 5: {
      // TokenPrimaryGroup: any group of the token.
      if (length < 8) return STATUS_INFO_LENGTH_MISMATCH;
      const sid = givenSid(k, mem.readPtr(from));
      if (sid === null) return STATUS_INVALID_SID;
      if (!tokenGroups(k, token).some(g => g.sid === sid)) return STATUS_INVALID_PRIMARY_GROUP;
      if (!dynamicPartFits(sid, tokenDefaultDacl(k, token))) return STATUS_ALLOTTED_SPACE_EXCEEDED;
      return setDynamicPart(k, token, sid, tokenDefaultDacl(k, token)) ? modified() : STATUS_INSUFFICIENT_RESOURCES;
    }
    case 6: {
      // TokenDefaultDacl
      if (length < 8) return STATUS_INFO_LENGTH_MISMATCH;
      const at = mem.readPtr(from);
      if (at && (ACL.f.AclSize.get(mem, at) < ACL.size || !isValidAcl(k, at))) return STATUS_INVALID_ACL;
      if (!dynamicPartFits(tokenPrimaryGroup(k, token), at ? readAcl(k, at) : null)) return STATUS_ALLOTTED_SPACE_EXCEEDED;
      return setDynamicPart(k, token, tokenPrimaryGroup(k, token), at ? readAcl(k, at) : null) ? modified() : STATUS_INSUFFICIENT_RESOURCES;
    }
    case 12: // TokenSessionId
      if (length !== 4) return STATUS_INFO_LENGTH_MISMATCH;
      if (!tcb(k)) return STATUS_PRIVILEGE_NOT_HELD;
      T.SessionId.set(mem, token, mem.read32(from));
      return modified();
    case 17: // TokenOrigin: only once.
      if (length < 8) return STATUS_INFO_LENGTH_MISMATCH;
      if (!tcb(k)) return STATUS_PRIVILEGE_NOT_HELD;
      if (!T.OriginatingLogonSession.get(mem, token)) T.OriginatingLogonSession.set(mem, token, mem.read64(from));
      return modified();
    case 25: {
      // TokenIntegrityLevel: downwards for everybody, upwards for the trusted base.
      if (length < 16) return STATUS_INFO_LENGTH_MISMATCH;
      const sid = readSid(k, mem.readPtr(from));
      const level = integrityLevel(sid);
      if (level < 0) return STATUS_INVALID_PARAMETER;
      if (level > tokenIntegrity(k, token) && !tcb(k)) return STATUS_PRIVILEGE_NOT_HELD;
      const index = T.IntegrityLevelIndex.get(mem, token);
      if (index === 0xffffffff) return STATUS_INVALID_PARAMETER;
      const to = mem.readPtr(T.UserAndGroups.get(mem, token) + index * 16);
      if (sidLength(k, to) !== sidBytes(sid).length) return STATUS_INVALID_PARAMETER;
      mem.writeBytes(to, sidBytes(sid));
      return modified();
    }
    case 23: // TokenVirtualizationAllowed
    case 26: // TokenUIAccess
      if (length !== 4) return STATUS_INFO_LENGTH_MISMATCH;
      if (!tcb(k)) return STATUS_PRIVILEGE_NOT_HELD;
      setFlag(k, token, kind === 23 ? TOKEN_VIRTUALIZE_ALLOWED : TOKEN_UIACCESS, mem.read32(from) !== 0);
      return modified();
    case 24: // TokenVirtualizationEnabled: only where it is allowed.
      if (length !== 4) return STATUS_INFO_LENGTH_MISMATCH;
      if (mem.read32(from) !== 0 && !(T.TokenFlags.get(mem, token) & TOKEN_VIRTUALIZE_ALLOWED)) return STATUS_INVALID_PARAMETER;
      setFlag(k, token, TOKEN_VIRTUALIZE_ENABLED, mem.read32(from) !== 0);
      return modified();
    case 27: // TokenMandatoryPolicy
      if (length < 4) return STATUS_INFO_LENGTH_MISMATCH;
      if (!tcb(k)) return STATUS_PRIVILEGE_NOT_HELD;
      if (mem.read32(from) & ~3) return STATUS_INVALID_PARAMETER;
      T.MandatoryPolicy.set(mem, token, mem.read32(from));
      return modified();
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

/** Kernel mode, or a user who is part of the trusted computing base. */
const tcb = (k: Kernel): boolean => previousMode(k) === KernelMode || hasPrivilege(k, effectiveToken(currentSubject(k)), SeTcbPrivilege);

/** TOKEN_PRIVILEGES or all of them: the changes that were made, as the previous state. */
function adjustPrivileges(k: Kernel, token: number, disableAll: boolean, list: number): { previous: { number: number; attributes: number }[]; missing: boolean; apply: () => void } {
  const present = presentPrivileges(k, token);
  let keep = present;
  const before = enabledPrivileges(k, token);
  let enabled = before;
  let missing = false;
  const previous: { number: number; attributes: number }[] = [];
  if (disableAll) enabled = 0n;
  else
    for (let i = 0; i < k.mem.read32(list); i++) {
      const luid = k.mem.read64(list + 4 + i * 12);
      const attributes = k.mem.read32(list + 12 + i * 12);
      const bit = luid < 64n ? 1n << luid : 0n;
      if (!(present & bit)) missing = true;
      else if (attributes & SE_PRIVILEGE_REMOVED) {
        keep &= ~bit;
        enabled &= ~bit;
      } else if (attributes & SE_PRIVILEGE_ENABLED) enabled |= bit;
      else enabled &= ~bit;
    }
  for (let n = 2; n < 64; n++) if ((before ^ enabled) & (1n << BigInt(n))) previous.push({ number: n, attributes: before & (1n << BigInt(n)) ? SE_PRIVILEGE_ENABLED : 0 });
  return {
    previous,
    missing,
    apply() {
      setPrivileges(k, token, keep, enabled, defaultPrivileges(k, token) & keep);
      tokenModified(k, token);
    },
  };
}

const setting: NtExport[] = [
  ...service({
    name: 'SetInformationToken', doc: 'Changes what a token says of one class.', irql: PASSIVE,
    args: { TokenHandle: HANDLE, TokenInformationClass: ULONG, TokenInformation: PVOID, TokenInformationLength: ULONG }, returns: NTSTATUS, cycles: 600, status: 'full',
    impl: (k, a) =>
      withToken(k, a.TokenHandle, a.TokenInformationClass === 12 ? TOKEN_ADJUST_DEFAULT | TOKEN_ADJUST_SESSIONID : TOKEN_ADJUST_DEFAULT, token =>
        setInformation(k, token, a.TokenInformationClass, a.TokenInformation, a.TokenInformationLength),
      ),
  }),
  ...service({
    name: 'AdjustPrivilegesToken', doc: 'Enables, disables or removes privileges of a token.', irql: PASSIVE,
    args: { TokenHandle: HANDLE, DisableAllPrivileges: BOOLEAN, NewState: PVOID, BufferLength: ULONG, PreviousState: PVOID, ReturnLength: PVOID }, returns: NTSTATUS, cycles: 600, status: 'full',
    impl(k, a) {
      if (!a.DisableAllPrivileges && !a.NewState) return STATUS_INVALID_PARAMETER;
      return withToken(k, a.TokenHandle, TOKEN_ADJUST_PRIVILEGES | (a.PreviousState ? TOKEN_QUERY : 0), token => {
        const r = adjustPrivileges(k, token, a.DisableAllPrivileges, a.NewState);
        const size = 4 + r.previous.length * 12;
        if (a.PreviousState) {
          k.mem.write32(a.ReturnLength, size);
          if (a.BufferLength < size) return STATUS_BUFFER_TOO_SMALL;
          k.mem.probe(a.PreviousState, size, true);
          k.mem.write32(a.PreviousState, r.previous.length);
          writePrivileges(k, a.PreviousState + 4, r.previous);
        }
        r.apply();
        return r.missing ? STATUS_NOT_ALL_ASSIGNED : STATUS_SUCCESS;
      });
    },
  }),
  ...service({
    name: 'AdjustGroupsToken', doc: 'Enables or disables groups of a token.', irql: PASSIVE,
    args: { TokenHandle: HANDLE, ResetToDefault: BOOLEAN, NewState: PVOID, BufferLength: ULONG, PreviousState: PVOID, ReturnLength: PVOID }, returns: NTSTATUS, cycles: 600, status: 'full',
    impl(k, a) {
      if (!a.ResetToDefault && !a.NewState) return STATUS_INVALID_PARAMETER;
      return withToken(k, a.TokenHandle, TOKEN_ADJUST_GROUPS | (a.PreviousState ? TOKEN_QUERY : 0), token => adjustGroups(k, token, a));
    },
  }),
];

/** Enables and disables groups: nothing of it when one of the changes is refused, or the buffer for the previous state is too small. */
function adjustGroups(k: Kernel, token: number, a: { ResetToDefault: boolean; NewState: number; BufferLength: number; PreviousState: number; ReturnLength: number }): number {
  const { mem } = k;
  const reset = a.ResetToDefault;
  const groups = tokenGroups(k, token);
  const wanted = new Map<string, boolean>();
  if (!reset) for (let i = 0; i < mem.read32(a.NewState); i++) wanted.set(readSid(k, mem.readPtr(a.NewState + 8 + i * 16)), (mem.read32(a.NewState + 16 + i * 16) & SE_GROUP_ENABLED) !== 0);
  const enabled = groups.map(g => (g.attributes & SE_GROUP_ENABLED) !== 0);
  // The user (the first one) is no group that can be switched.
  const changes = groups.map((g, i) => {
    const on = reset ? (g.attributes & SE_GROUP_ENABLED_BY_DEFAULT) !== 0 : wanted.get(g.sid);
    return i === 0 || on === undefined ? null : on;
  });
  for (const [i, on] of changes.entries()) {
    if (on === false && !reset && groups[i]!.attributes & SE_GROUP_MANDATORY) return STATUS_CANT_DISABLE_MANDATORY;
    if (on && groups[i]!.attributes & SE_GROUP_USE_FOR_DENY_ONLY) return STATUS_CANT_ENABLE_DENY_ONLY;
  }
  if (a.PreviousState) {
    const before = groups.filter((_, i) => changes[i] !== null && changes[i] !== enabled[i]);
    const previous = groupInformation(k, before);
    mem.write32(a.ReturnLength, previous.size);
    if (a.BufferLength < previous.size) return STATUS_BUFFER_TOO_SMALL;
    mem.probe(a.PreviousState, previous.size, true);
    previous.write(a.PreviousState);
  }
  changes.forEach((on, i) => {
    if (on !== null) setGroupAttributes(k, token, i, on ? groups[i]!.attributes | SE_GROUP_ENABLED : groups[i]!.attributes & ~SE_GROUP_ENABLED);
  });
  tokenModified(k, token);
  return !reset && [...wanted.keys()].some(s => !groups.some(g => g.sid === s)) ? STATUS_NOT_ALL_ASSIGNED : STATUS_SUCCESS;
}

const luids: NtExport[] = [
  ...service({
    name: 'AllocateLocallyUniqueId', doc: 'A number that is unique until the machine restarts.', irql: PASSIVE, args: { Luid: PVOID }, returns: NTSTATUS, cycles: 100, status: 'full',
    impl(k, { Luid }) {
      k.mem.probe(Luid, 8, true);
      k.mem.write64(Luid, allocateLuid(k));
      return STATUS_SUCCESS;
    },
  }),
  ntExport({ name: 'ExAllocateLocallyUniqueId', doc: 'A number that is unique until the machine restarts.', args: { Luid: PVOID }, returns: VOID, cycles: 30, status: 'full', impl: (k, { Luid }) => k.mem.write64(Luid, allocateLuid(k)) }),
];

export const zwTokenExports: NtExport[] = [...opening, ...duplicating, ...query, ...setting, ...luids];
