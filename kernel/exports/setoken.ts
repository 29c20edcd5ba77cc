/** Tokens as drivers use them: what they say, filtered copies, impersonation. Source: the WDK page of each, and ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { ADMINISTRATORS, readSid } from '../se/sid.ts';
import { effectiveToken, impersonation, primaryToken, readSubject, setImpersonation, threadSubject } from '../se/subject.ts';
import { createToken, duplicateToken, freeTokenParts, groupsMatch, type Group, presentPrivileges, privilegeMask, SeChangeNotifyPrivilege, T, tokenGroups, tokenIntegrity, tokenSpec } from '../se/token.ts';
import { tokenInformation } from '../se/tokeninfo.ts';
import { KTHREAD } from '../types/ke.ts';
import { PagedPool } from '../types/mm.ts';
import {
  SE_GROUP_ENABLED, SE_GROUP_ENABLED_BY_DEFAULT, SE_GROUP_INTEGRITY, SE_GROUP_MANDATORY, SE_GROUP_OWNER, SE_GROUP_USE_FOR_DENY_ONLY, SECURITY_CLIENT_CONTEXT, SecurityIdentification,
  TOKEN_CONTROL, TOKEN_IS_RESTRICTED, TOKEN_SANDBOX_INERT, TOKEN_WRITE_RESTRICTED, TokenImpersonation, TokenPrimary,
} from '../types/se.ts';
import {
  STATUS_BAD_IMPERSONATION_LEVEL, STATUS_BAD_TOKEN_TYPE, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_INFO_CLASS, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY, STATUS_SUCCESS,
} from '../types/status.ts';
import { type ArgType, BOOLEAN, type IrqlRule, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG, VOID } from './declare.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const APC = { max: 'APC_LEVEL' } as const;
const PACCESS_TOKEN = pointer('PACCESS_TOKEN');
const PETHREAD = pointer('PETHREAD');

const ofToken = (name: string, doc: string, returns: ArgType<unknown>, impl: (k: Kernel, token: number) => number | boolean, irql: IrqlRule = APC): NtExport =>
  ntExport({ name, doc, irql, args: { Token: PACCESS_TOKEN }, returns, cycles: 60, status: 'full', impl: (k, a) => impl(k, a.Token) });

/** TOKEN_INFORMATION_CLASS values that SeQueryInformationToken hands out as the value itself. */
const TokenSessionId = 12, TokenIntegrityLevel = 25;

const facts: NtExport[] = [
  ofToken('SeTokenIsAdmin', 'Whether a token belongs to an administrator.', BOOLEAN, (k, t) => groupsMatch(tokenGroups(k, t), ADMINISTRATORS, false), PASSIVE),
  ofToken('SeTokenIsRestricted', 'Whether a token has restricting identifiers.', BOOLEAN, (k, t) => (T.TokenFlags.get(k.mem, t) & TOKEN_IS_RESTRICTED) !== 0, PASSIVE),
  ofToken('SeTokenIsWriteRestricted', 'Whether a token is restricted for writing only.', BOOLEAN, (k, t) => (T.TokenFlags.get(k.mem, t) & TOKEN_WRITE_RESTRICTED) !== 0),
  ofToken('SeTokenType', 'Whether a token is a primary one (1) or one for impersonation (2).', ULONG, (k, t) => T.TokenType.get(k.mem, t)),
  ofToken('SeTokenImpersonationLevel', 'How far a token may be impersonated.', ULONG, (k, t) => T.ImpersonationLevel.get(k.mem, t)),
  ntExport({
    name: 'SeQueryAuthenticationIdToken', doc: 'The logon session of a token.', irql: PASSIVE, args: { Token: PACCESS_TOKEN, AuthenticationId: PVOID }, returns: NTSTATUS, cycles: 50, status: 'full',
    impl(k, a) {
      k.mem.write64(a.AuthenticationId, T.AuthenticationId.get(k.mem, a.Token));
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'SeQuerySessionIdToken', doc: 'The terminal services session of a token.', irql: PASSIVE, args: { Token: PACCESS_TOKEN, SessionId: PVOID }, returns: NTSTATUS, cycles: 50, status: 'full',
    impl(k, a) {
      k.mem.write32(a.SessionId, T.SessionId.get(k.mem, a.Token));
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'SeQueryInformationToken', doc: 'What a token says of one class, in a buffer that the caller frees (the session and the integrity level: the number itself).', irql: PASSIVE,
    args: { Token: PACCESS_TOKEN, TokenInformationClass: ULONG, TokenInformation: PVOID }, returns: NTSTATUS, cycles: 300, status: 'full',
    impl(k, a) {
      k.mem.probe(a.TokenInformation, 8, true);
      if (a.TokenInformationClass === TokenSessionId || a.TokenInformationClass === TokenIntegrityLevel) {
        k.mem.write32(a.TokenInformation, a.TokenInformationClass === TokenSessionId ? T.SessionId.get(k.mem, a.Token) : tokenIntegrity(k, a.Token));
        return STATUS_SUCCESS;
      }
      const info = tokenInformation(k, a.Token, a.TokenInformationClass);
      if (!info) return STATUS_INVALID_INFO_CLASS;
      const at = exAllocatePool(k, PagedPool, info.size, poolTag('SeTi'));
      if (!at) return STATUS_INSUFFICIENT_RESOURCES;
      info.write(at);
      k.mem.writePtr(a.TokenInformation, at);
      return STATUS_SUCCESS;
    },
  }),
];

/** Flags of SeFilterToken. */
const DISABLE_MAX_PRIVILEGE = 1, SANDBOX_INERT = 2, LUA_TOKEN = 4, WRITE_RESTRICTED = 8;

/** The SIDs of a TOKEN_GROUPS; empty for a null pointer. */
function groupList(k: Kernel, at: number): Group[] {
  if (!at) return [];
  return Array.from({ length: k.mem.read32(at) }, (_, i) => ({ sid: readSid(k, k.mem.readPtr(at + 8 + i * 16)), attributes: k.mem.read32(at + 16 + i * 16) }));
}

/** A copy of a token that may do less: SeFilterToken and NtFilterToken. 0 without pool. */
export function filterToken(k: Kernel, token: number, flags: number, disable: number, remove: number, restrict: number): { status: number; token: number } {
  if (flags & ~(DISABLE_MAX_PRIVILEGE | SANDBOX_INERT | LUA_TOKEN | WRITE_RESTRICTED)) return { status: STATUS_INVALID_PARAMETER, token: 0 };
  const spec = tokenSpec(k, token);
  const disabled = new Set(groupList(k, disable).map(g => g.sid));
  const groups = spec.groups.map(g =>
    disabled.has(g.sid) && !(g.attributes & SE_GROUP_INTEGRITY)
      ? { sid: g.sid, attributes: (g.attributes & ~(SE_GROUP_ENABLED | SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_OWNER | SE_GROUP_MANDATORY)) | SE_GROUP_USE_FOR_DENY_ONLY }
      : g,
  );
  let removed = 0n;
  if (remove) for (let i = 0; i < k.mem.read32(remove); i++) removed |= privilegeMask(Number(k.mem.read64(remove + 4 + i * 12)));
  const notify = privilegeMask(SeChangeNotifyPrivilege);
  const present = flags & DISABLE_MAX_PRIVILEGE ? spec.present & notify : spec.present & ~removed;
  const restricting = groupList(k, restrict).map(g => ({ sid: g.sid, attributes: SE_GROUP_MANDATORY | SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED }));
  // A token that is restricted already stays so: what both lists name.
  const restricted = spec.restricted.length ? (restricting.length ? spec.restricted.filter(g => restricting.some(r => r.sid === g.sid)) : spec.restricted) : restricting;
  const owner = groups[spec.owner]!.attributes & SE_GROUP_OWNER ? spec.owner : 0;
  const made = createToken(k, {
    ...spec, groups, restricted, owner, present, enabled: spec.enabled & present, enabledByDefault: spec.enabledByDefault & present, parent: T.TokenId.get(k.mem, token),
    flags: spec.flags | (flags & SANDBOX_INERT ? TOKEN_SANDBOX_INERT : 0) | (flags & WRITE_RESTRICTED ? TOKEN_WRITE_RESTRICTED : 0),
  });
  return made ? { status: STATUS_SUCCESS, token: made } : { status: STATUS_NO_MEMORY, token: 0 };
}

const C = SECURITY_CLIENT_CONTEXT.f;

/** Fills a SECURITY_CLIENT_CONTEXT for a client's token. */
function clientSecurity(k: Kernel, token: number, level: number, effectiveOnly: boolean, qos: number, remote: boolean, to: number): number {
  const { mem } = k;
  mem.probe(to, SECURITY_CLIENT_CONTEXT.size, true);
  const wanted = mem.read32(qos + 4);
  const tracking = mem.read8(qos + 8);
  const only = mem.read8(qos + 9) !== 0;
  const type = T.TokenType.get(mem, token);
  if (type === TokenImpersonation && wanted > level) return STATUS_BAD_IMPERSONATION_LEVEL;
  mem.fill(to, SECURITY_CLIENT_CONTEXT.size, 0);
  let client = token;
  // Static tracking: a copy as the client is now. Dynamic: the client's own token.
  if (!tracking) {
    client = duplicateToken(k, token, { type: TokenImpersonation, level: wanted, effectiveOnly: only });
    if (!client) return STATUS_INSUFFICIENT_RESOURCES;
  } else {
    obReferenceObject(k, token);
    if (remote) controlOf(k, token, to + C.ClientTokenControl.offset);
  }
  mem.write32(to, 12);
  mem.write32(to + 4, wanted);
  mem.write8(to + 8, tracking);
  mem.write8(to + 9, only ? 1 : 0);
  C.ClientToken.set(mem, to, client);
  C.DirectlyAccessClientToken.set(mem, to, tracking ? 1 : 0);
  C.DirectAccessEffectiveOnly.set(mem, to, tracking && (effectiveOnly || only) ? 1 : 0);
  C.ServerIsRemote.set(mem, to, remote ? 1 : 0);
  return STATUS_SUCCESS;
}

/** TOKEN_CONTROL: which token it was, and in what state. */
function controlOf(k: Kernel, token: number, to: number): void {
  const f = TOKEN_CONTROL.f;
  k.mem.write64(to + f.TokenId.offset, T.TokenId.get(k.mem, token));
  k.mem.write64(to + f.AuthenticationId.offset, T.AuthenticationId.get(k.mem, token));
  k.mem.write64(to + f.ModifiedId.offset, T.ModifiedId.get(k.mem, token));
  k.mem.copy(to + f.TokenSource.offset, token, 16);
}

/** A server thread (0: the current one) acts as the client of a context. */
function impersonateClient(k: Kernel, context: number, thread: number): number {
  const direct = C.DirectlyAccessClientToken.get(k.mem, context) !== 0;
  const only = direct ? C.DirectAccessEffectiveOnly.get(k.mem, context) !== 0 : k.mem.read8(context + 9) !== 0;
  return impersonateToken(k, thread || k.currentThread(), C.ClientToken.get(k.mem, context), k.mem.read32(context + 4), only);
}

/** PsImpersonateClient: a primary token is copied first. Who may not impersonate that client identifies it only. */
export function impersonateToken(k: Kernel, thread: number, token: number, level: number, effectiveOnly: boolean): number {
  if (!token) {
    setImpersonation(k, thread, 0, 0, false);
    return STATUS_SUCCESS;
  }
  const own = primaryToken(k, KTHREAD.f.Process.get(k.mem, thread));
  const user = (t: number): string => tokenGroups(k, t)[0]!.sid;
  const may =
    level <= SecurityIdentification ||
    !own ||
    (presentPrivileges(k, own) & privilegeMask(29)) !== 0n ||
    T.AuthenticationId.get(k.mem, own) === T.AuthenticationId.get(k.mem, token) ||
    user(own) === user(token);
  const allowed = may ? level : SecurityIdentification;
  if (T.TokenType.get(k.mem, token) !== TokenPrimary) {
    setImpersonation(k, thread, token, allowed, effectiveOnly);
    return STATUS_SUCCESS;
  }
  const copy = duplicateToken(k, token, { type: TokenImpersonation, level: allowed, effectiveOnly });
  if (!copy) return STATUS_NO_MEMORY;
  setImpersonation(k, thread, copy, allowed, effectiveOnly);
  obDereferenceDeferred(k, copy);
  return STATUS_SUCCESS;
}

const clientArgs = { ClientContext: pointer('PSECURITY_CLIENT_CONTEXT') } as const;
const clients: NtExport[] = [
  ntExport({
    name: 'SeFilterToken', doc: 'Makes a copy of a token that has less: groups for denials only, privileges removed, restricting identifiers added.', irql: APC,     args: { ExistingToken: PACCESS_TOKEN, Flags: ULONG, SidsToDisable: PVOID, PrivilegesToDelete: PVOID, RestrictedSids: PVOID, FilteredToken: PVOID }, returns: NTSTATUS, cycles: 1500, status: 'partial',
    missing: 'LUA_TOKEN makes no difference',
    impl(k, a) {
      k.mem.probe(a.FilteredToken, 8, true);
      const r = filterToken(k, a.ExistingToken, a.Flags, a.SidsToDisable, a.PrivilegesToDelete, a.RestrictedSids);
      if (r.token) k.mem.writePtr(a.FilteredToken, r.token);
      return r.status;
    },
  }),
  ntExport({
    name: 'SeCreateClientSecurity', doc: 'Takes down who a client thread is, to act as it later.', irql: PASSIVE,
    args: { ClientThread: PETHREAD, ClientSecurityQos: PVOID, RemoteSession: BOOLEAN, ...clientArgs }, returns: NTSTATUS, cycles: 800, status: 'full',
    impl(k, a) {
      const s = threadSubject(k, a.ClientThread);
      const client = impersonation(k, a.ClientThread);
      return clientSecurity(k, effectiveToken(s), client ? client.level : 3, client?.effectiveOnly ?? false, a.ClientSecurityQos, a.RemoteSession, a.ClientContext);
    },
  }),
  ntExport({
    name: 'SeCreateClientSecurityFromSubjectContext', doc: 'SeCreateClientSecurity for a subject that was captured.', irql: PASSIVE,
    args: { SubjectContext: PVOID, ClientSecurityQos: PVOID, ServerIsRemote: BOOLEAN, ...clientArgs }, returns: NTSTATUS, cycles: 800, status: 'full',
    impl(k, a) {
      const s = readSubject(k, a.SubjectContext);
      return clientSecurity(k, effectiveToken(s), s.client ? s.level : 3, false, a.ClientSecurityQos, a.ServerIsRemote, a.ClientContext);
    },
  }),
  ntExport({ name: 'SeImpersonateClient', doc: 'Lets a server thread act as a client.', irql: PASSIVE, args: { ...clientArgs, ServerThread: PETHREAD }, returns: VOID, cycles: 400, status: 'full', impl: (k, a) => void impersonateClient(k, a.ClientContext, a.ServerThread) }),
  ntExport({ name: 'SeImpersonateClientEx', doc: 'Lets a server thread act as a client; says whether it does.', irql: PASSIVE, args: { ...clientArgs, ServerThread: PETHREAD }, returns: NTSTATUS, cycles: 400, status: 'full', impl: (k, a) => impersonateClient(k, a.ClientContext, a.ServerThread) }),
];

const impersonating: NtExport[] = [
  ntExport({
    name: 'PsReferencePrimaryToken', doc: 'The primary token of a process, with a reference.', irql: PASSIVE, args: { Process: pointer('PEPROCESS') }, returns: PACCESS_TOKEN, cycles: 60, status: 'full',
    impl(k, { Process }) {
      const token = primaryToken(k, Process);
      if (token) obReferenceObject(k, token);
      return token;
    },
  }),
  ntExport({
    name: 'PsReferenceImpersonationToken', doc: 'The token that a thread impersonates, with a reference; NULL when it does not.', irql: PASSIVE,
    args: { Thread: PETHREAD, CopyOnOpen: PVOID, EffectiveOnly: PVOID, ImpersonationLevel: PVOID }, returns: PACCESS_TOKEN, cycles: 60, status: 'full',
    impl(k, a) {
      const found = impersonation(k, a.Thread);
      if (!found) return 0;
      k.mem.write8(a.CopyOnOpen, found.copyOnOpen ? 1 : 0);
      k.mem.write8(a.EffectiveOnly, found.effectiveOnly ? 1 : 0);
      k.mem.write32(a.ImpersonationLevel, found.level);
      obReferenceObject(k, found.token);
      return found.token;
    },
  }),
  ...(['PsDereferencePrimaryToken', 'PsDereferenceImpersonationToken'] as const).map(name =>
    ntExport({
      name, doc: 'Gives back a token that Ps...Token returned.', irql: { max: 'APC_LEVEL' }, args: { Token: PACCESS_TOKEN }, returns: VOID, cycles: 50, status: 'full',
      impl: (k, { Token }) => {
        if (Token) obDereferenceDeferred(k, Token as number);
      },
    }),
  ),
  ntExport({
    name: 'PsImpersonateClient', doc: 'Lets a thread act as the owner of a token; without a token as itself again.', irql: PASSIVE,
    args: { Thread: PETHREAD, Token: PACCESS_TOKEN, CopyOnOpen: BOOLEAN, EffectiveOnly: BOOLEAN, ImpersonationLevel: ULONG }, returns: NTSTATUS, cycles: 300, status: 'full',
    impl: (k, a) => impersonateToken(k, a.Thread, a.Token, a.ImpersonationLevel, a.EffectiveOnly),
  }),
  ntExport({ name: 'PsRevertToSelf', doc: 'Ends the impersonation of the current thread.', irql: PASSIVE, args: {}, returns: VOID, cycles: 100, status: 'full', impl: k => setImpersonation(k, k.currentThread(), 0, 0, false) }),
  ntExport({ name: 'PsRevertThreadToSelf', doc: 'Ends the impersonation of a thread.', irql: PASSIVE, args: { Thread: PETHREAD }, returns: VOID, cycles: 100, status: 'full', impl: (k, { Thread }) => setImpersonation(k, Thread, 0, 0, false) }),
  ntExport({
    name: 'PsDisableImpersonation', doc: 'Suspends an impersonation and says what it was.', irql: PASSIVE, args: { Thread: PETHREAD, ImpersonationState: PVOID }, returns: BOOLEAN, cycles: 100, status: 'full',
    impl(k, { Thread, ImpersonationState: to }) {
      const found = impersonation(k, Thread);
      k.mem.probe(to, 16, true);
      k.mem.fill(to, 16, 0);
      if (!found) return false;
      obReferenceObject(k, found.token);
      k.mem.writePtr(to, found.token);
      k.mem.write8(to + 8, found.copyOnOpen ? 1 : 0);
      k.mem.write8(to + 9, found.effectiveOnly ? 1 : 0);
      k.mem.write32(to + 12, found.level);
      setImpersonation(k, Thread, 0, 0, false);
      return true;
    },
  }),
  ntExport({
    name: 'PsRestoreImpersonation', doc: 'Takes an impersonation up again that PsDisableImpersonation suspended.', irql: PASSIVE, args: { Thread: PETHREAD, ImpersonationState: PVOID }, returns: VOID, cycles: 100, status: 'full',
    impl(k, { Thread, ImpersonationState: from }) {
      const token = k.mem.readPtr(from);
      setImpersonation(k, Thread, token, k.mem.read32(from + 12), k.mem.read8(from + 9) !== 0);
      if (token) obDereferenceDeferred(k, token);
    },
  }),
  ntExport({
    name: 'PsAssignImpersonationToken', doc: 'Lets a thread act as the owner of the token of a handle; NULL ends it.', irql: PASSIVE, args: { Thread: PETHREAD, Token: PVOID }, returns: NTSTATUS, cycles: 300, status: 'full',
    impl: (k, a) => assignImpersonationHandle(k, a.Thread, a.Token),
  }),
  ntExport({
    name: 'SepTokenDeleteMethod', internal: true, doc: 'Delete procedure of tokens.', args: { Object: PVOID }, returns: VOID, cycles: 80, status: 'full', impl: (k, { Object }) => freeTokenParts(k, Object),
  }),
];

/** Ends an impersonation (handle 0) or begins one with the token of a handle, which must be one for impersonation. */
export function assignImpersonationHandle(k: Kernel, thread: number, handle: number): number {
  if (!handle) {
    setImpersonation(k, thread, 0, 0, false);
    return STATUS_SUCCESS;
  }
  return withImpersonationToken(k, handle, token => impersonateToken(k, thread, token, T.ImpersonationLevel.get(k.mem, token), false));
}

function withImpersonationToken(k: Kernel, handle: number, work: (token: number) => number): number {
  const r = obReferenceObjectByHandle(k, handle, 4, exportedType(k, 'SeTokenObjectType'), previousMode(k));
  if (r.status !== STATUS_SUCCESS) return r.status;
  const status = T.TokenType.get(k.mem, r.object) === TokenImpersonation ? work(r.object) : STATUS_BAD_TOKEN_TYPE;
  obDereferenceDeferred(k, r.object);
  return status;
}

export const tokenExports: NtExport[] = [...facts, ...clients, ...impersonating];
