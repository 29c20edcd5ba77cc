/** Who acts: the primary token of a process, the token that a thread impersonates, and the two together as a subject. */
import type { Kernel } from '../kernel.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import { KTHREAD } from '../types/ke.ts';
import { SECURITY_SUBJECT_CONTEXT, TokenPrimary } from '../types/se.ts';
import { duplicateToken } from './token.ts';

const SC = SECURITY_SUBJECT_CONTEXT.f;
/** ETHREAD.CrossThreadFlags: the thread impersonates. */
const CTF_ACTIVE_IMPERSONATION = 8;

/** The primary token of a process, or 0. EPROCESS.Token is an EX_FAST_REF: the low four bits are a count, of which this kernel uses none. */
export function primaryToken(k: Kernel, process: number): number {
  const at = process + EPROCESS.f.Token.offset;
  return k.mem.readPtr(at) - (k.mem.read32(at) & 15);
}

/** Gives a process its primary token; the process takes over the caller's reference. */
export const setPrimaryToken = (k: Kernel, process: number, token: number): void =>
  k.mem.writePtr(process + EPROCESS.f.Token.offset, token);

/** A new process is who its creator is. False without pool. */
export function inheritToken(k: Kernel, process: number, parent: number): boolean {
  const from = primaryToken(k, parent);
  if (!from) return true;
  const token = duplicateToken(k, from, { type: TokenPrimary, level: 2 });
  if (token) setPrimaryToken(k, process, token);
  return token !== 0;
}

/** The end of a process: its token goes. */
export function releasePrimaryToken(k: Kernel, process: number): void {
  const token = primaryToken(k, process);
  if (!token) return;
  setPrimaryToken(k, process, 0);
  obDereferenceDeferred(k, token);
}

export interface Impersonation {
  token: number;
  level: number;
  effectiveOnly: boolean;
  copyOnOpen: boolean;
}

/** What a thread impersonates, or null. PS_CLIENT_SECURITY_CONTEXT: level in bits 0-1, effective only in bit 2, the token above. */
export function impersonation(k: Kernel, thread: number): Impersonation | null {
  if (!(ETHREAD.f.CrossThreadFlags.get(k.mem, thread) & CTF_ACTIVE_IMPERSONATION)) return null;
  const at = thread + ETHREAD.f.ClientSecurity.offset;
  const low = k.mem.read32(at) & 7;
  return {
    token: k.mem.readPtr(at) - low,
    level: low & 3,
    effectiveOnly: (low & 4) !== 0,
    copyOnOpen: false,
  };
}

/** The thread acts as `token` from now on (0: as itself again). The thread takes a reference of its own. */
export function setImpersonation(k: Kernel, thread: number, token: number, level: number, effectiveOnly: boolean): void {
  const before = impersonation(k, thread);
  const flags = ETHREAD.f.CrossThreadFlags.get(k.mem, thread);
  if (token) obReferenceObject(k, token);
  k.mem.writePtr(thread + ETHREAD.f.ClientSecurity.offset, token ? token + (level & 3) + (effectiveOnly ? 4 : 0) : 0);
  ETHREAD.f.CrossThreadFlags.set(k.mem, thread, token ? flags | CTF_ACTIVE_IMPERSONATION : flags & ~CTF_ACTIVE_IMPERSONATION);
  if (before) obDereferenceDeferred(k, before.token);
}

export interface Subject {
  /** What the thread impersonates, or 0. */
  client: number;
  level: number;
  primary: number;
}

/** Who a thread acts as. Its process's own token counts even while it is attached to another. */
export function threadSubject(k: Kernel, thread: number): Subject {
  const client = impersonation(k, thread);
  return {
    client: client?.token ?? 0,
    level: client?.level ?? 0,
    primary: primaryToken(k, KTHREAD.f.Process.get(k.mem, thread)),
  };
}
export const currentSubject = (k: Kernel): Subject => threadSubject(k, k.currentThread());

/** The token that counts. */
export const effectiveToken = (s: Subject): number => s.client || s.primary;

/** Reads a SECURITY_SUBJECT_CONTEXT. */
export const readSubject = (k: Kernel, at: number): Subject => ({
  client: SC.ClientToken.get(k.mem, at),
  level: SC.ImpersonationLevel.get(k.mem, at),
  primary: SC.PrimaryToken.get(k.mem, at),
});

/** Fills a SECURITY_SUBJECT_CONTEXT and holds the tokens. */
export function captureSubject(k: Kernel, thread: number, process: number, at: number): void {
  const client = thread ? impersonation(k, thread) : null;
  const primary = primaryToken(k, process);
  k.mem.fill(at, SECURITY_SUBJECT_CONTEXT.size, 0);
  if (client) {
    obReferenceObject(k, client.token);
    SC.ClientToken.set(k.mem, at, client.token);
    SC.ImpersonationLevel.set(k.mem, at, client.level);
  }
  if (primary) obReferenceObject(k, primary);
  SC.PrimaryToken.set(k.mem, at, primary);
  SC.ProcessAuditId.set(k.mem, at, EPROCESS.f.UniqueProcessId.get(k.mem, process));
}

/** Gives back what {@link captureSubject} took. */
export function releaseSubject(k: Kernel, at: number): void {
  const s = readSubject(k, at);
  SC.ClientToken.set(k.mem, at, 0);
  SC.PrimaryToken.set(k.mem, at, 0);
  if (s.client) obDereferenceDeferred(k, s.client);
  if (s.primary) obDereferenceDeferred(k, s.primary);
}
