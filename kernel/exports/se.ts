/** Security reference monitor: subjects, access checks, privileges, access states. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';

import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { readMapping, seAccessCheck } from '../se/accesscheck.ts';
import { captureSubject, currentSubject, effectiveToken, readSubject, releaseSubject, type Subject } from '../se/subject.ts';
import { enabledPrivileges, hasPrivilege, T } from '../se/token.ts';
import { processImageName } from '../ps/name.ts';
import { KernelMode } from '../types/ke.ts';
import { PagedPool } from '../types/mm.ts';
import { ACCESS_STATE, AUX_ACCESS_DATA, PRIVILEGE_SET, PRIVILEGE_SET_ALL_NECESSARY, SE_PRIVILEGE_USED_FOR_ACCESS } from '../types/se.ts';
import { STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, CCHAR, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG, ULONG64, VOID } from './declare.ts';
import { service } from './service.ts';
import { createAccessState, deleteAccessState } from '../se/accessstate.ts';
import { withToken } from './zwtoken.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const PSUBJECT = pointer('PSECURITY_SUBJECT_CONTEXT');
const PPRIVILEGE_SET = pointer('PPRIVILEGE_SET');
const TAG = poolTag('SePr');
/** LUID_AND_ATTRIBUTES. */
const ENTRY = 12;
const INITIAL_PRIVILEGES = 3;
const A = ACCESS_STATE.f;

/** A PRIVILEGE_SET in pool that lists privileges that were used; 0 for none. */
function privilegeSet(k: Kernel, numbers: readonly number[]): number {
  if (!numbers.length) return 0;
  const at = exAllocatePool(k, PagedPool, PRIVILEGE_SET.size + numbers.length * ENTRY, TAG);
  if (!at) return 0;
  k.mem.write32(at, numbers.length);
  k.mem.write32(at + 4, 0);
  numbers.forEach((n, i) => {
    k.mem.write64(at + 8 + i * ENTRY, BigInt(n));
    k.mem.write32(at + 16 + i * ENTRY, SE_PRIVILEGE_USED_FOR_ACCESS);
  });
  return at;
}

/** SePrivilegeCheck for a user: all of them, or any; those that were found are marked as used. */
function checkPrivileges(k: Kernel, set: number, subject: Subject): boolean {
  const enabled = enabledPrivileges(k, effectiveToken(subject));
  const count = k.mem.read32(set);
  let found = 0;
  for (let i = 0; i < count; i++) {
    const at = set + 8 + i * ENTRY;
    const number = k.mem.read64(at);
    if (number >= 64n || !(enabled & (1n << number))) continue;
    k.mem.write32(at + 8, (k.mem.read32(at + 8) | SE_PRIVILEGE_USED_FOR_ACCESS) >>> 0);
    found++;
  }
  if (subject.client && subject.level < 2) return false;
  return k.mem.read32(set + 4) & PRIVILEGE_SET_ALL_NECESSARY ? found === count : found > 0 || count === 0;
}

const subjects: NtExport[] = [
  ntExport({
    name: 'SeCaptureSubjectContext', doc: 'Takes down who the current thread acts for, and holds the tokens.', irql: PASSIVE, args: { SubjectContext: PSUBJECT }, returns: VOID, cycles: 120, status: 'full',
    impl(k, { SubjectContext }) {
      k.mem.probe(SubjectContext, 0x20, true);
      captureSubject(k, k.currentThread(), k.currentThreadProcess(), SubjectContext);
    },
  }),
  ntExport({
    name: 'SeCaptureSubjectContextEx', doc: 'SeCaptureSubjectContext for a given thread (may be NULL: none) and process.', irql: PASSIVE,
    args: { Thread: PVOID, Process: PVOID, SubjectContext: PSUBJECT }, returns: VOID, cycles: 120, status: 'full',
    impl(k, { Thread, Process, SubjectContext }) {
      k.mem.probe(SubjectContext, 0x20, true);
      captureSubject(k, Thread, Process, SubjectContext);
    },
  }),
  ntExport({ name: 'SeReleaseSubjectContext', doc: 'Gives back what SeCaptureSubjectContext took.', irql: PASSIVE, args: { SubjectContext: PSUBJECT }, returns: VOID, cycles: 60, status: 'full', impl: (k, a) => releaseSubject(k, a.SubjectContext) }),
  // A token changes only inside one gate, which nothing interrupts; the lock counts who holds it, so that an unlock without one is seen.
  ...([['SeLockSubjectContext', 'Keeps the tokens of a subject from changing.', 1], ['SeUnlockSubjectContext', 'Lets the tokens of a subject change again.', -1]] as const).map(([name, doc, by]) =>
    ntExport({
      name, doc, irql: PASSIVE, args: { SubjectContext: PSUBJECT }, returns: VOID, cycles: 40, status: 'full',
      impl(k, { SubjectContext }) {
        const s = readSubject(k, SubjectContext);
        for (const token of [s.client, s.primary]) if (token) T.TokenLock.set(k.mem, token, T.TokenLock.get(k.mem, token) + by);
      },
    }),
  ),
];

const checks: NtExport[] = [
  ntExport({
    name: 'SeAccessCheck',
    doc: 'Whether a subject may have access to an object of a security descriptor.',
    irql: PASSIVE,
    args: {
      SecurityDescriptor: PVOID, SubjectSecurityContext: PSUBJECT, SubjectContextLocked: BOOLEAN, DesiredAccess: ULONG, PreviouslyGrantedAccess: ULONG, Privileges: PVOID,
      GenericMapping: PVOID, AccessMode: CCHAR, GrantedAccess: PVOID, AccessStatus: PVOID,
    },
    returns: BOOLEAN,
    cycles: 500,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.GrantedAccess, 4, true);
      k.mem.probe(a.AccessStatus, 4, true);
      if (a.Privileges) k.mem.probe(a.Privileges, 8, true);
      const subject = readSubject(k, a.SubjectSecurityContext);
      const answer = seAccessCheck(k, a.SecurityDescriptor, subject, a.DesiredAccess, a.PreviouslyGrantedAccess, readMapping(k, a.GenericMapping), a.AccessMode);
      if (a.Privileges) k.mem.writePtr(a.Privileges, privilegeSet(k, answer.privileges));
      k.mem.write32(a.GrantedAccess, answer.granted);
      k.mem.write32(a.AccessStatus, answer.status);
      return answer.status === STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'SeSinglePrivilegeCheck', doc: 'Whether the current thread has a privilege; kernel mode has all.', irql: PASSIVE, args: { PrivilegeValue: ULONG64, PreviousMode: CCHAR }, returns: BOOLEAN, cycles: 100, status: 'full',
    impl(k, { PrivilegeValue, PreviousMode }) {
      if (PreviousMode === KernelMode) return true;
      const s = currentSubject(k);
      if (s.client && s.level < 2) return false;
      return PrivilegeValue < 64n && hasPrivilege(k, effectiveToken(s), Number(PrivilegeValue));
    },
  }),
  ntExport({
    name: 'SePrivilegeCheck', doc: 'Whether a subject has all (or one) of a set of privileges.', irql: PASSIVE,
    args: { RequiredPrivileges: PPRIVILEGE_SET, SubjectSecurityContext: PSUBJECT, AccessMode: CCHAR }, returns: BOOLEAN, cycles: 120, status: 'full',
    impl: (k, a) => a.AccessMode === KernelMode || checkPrivileges(k, a.RequiredPrivileges, readSubject(k, a.SubjectSecurityContext)),
  }),
  ntExport({
    name: 'SeFreePrivileges', doc: 'Frees the set of privileges that SeAccessCheck returned.', irql: PASSIVE, args: { Privileges: PPRIVILEGE_SET }, returns: VOID, cycles: 60, status: 'full',
    impl(k, { Privileges }) {
      if (Privileges) exFreePool(k, Privileges, 0);
    },
  }),
  ntExport({
    name: 'SeAppendPrivileges', doc: 'Adds privileges that were used to an access state.', irql: PASSIVE, args: { AccessState: pointer('PACCESS_STATE'), Privileges: PPRIVILEGE_SET }, returns: NTSTATUS, cycles: 120, status: 'full',
    impl: (k, a) => appendPrivileges(k, a.AccessState, a.Privileges),
  }),
  ...service({
    name: 'PrivilegeCheck', doc: 'Whether a token that a client impersonates has privileges.', irql: PASSIVE, args: { ClientToken: PVOID, RequiredPrivileges: PPRIVILEGE_SET, Result: PVOID }, returns: NTSTATUS, cycles: 300, status: 'full',
    impl(k, a) {
      k.mem.probe(a.Result, 1, true);
      return withToken(k, a.ClientToken, 8, token => {
        k.mem.write8(a.Result, checkPrivileges(k, a.RequiredPrivileges, { client: 0, level: 2, primary: token }) ? 1 : 0);
        return STATUS_SUCCESS;
      });
    },
  }),
];

/** Used privileges go into the access state: into its own three places, or into a larger set in AUX_ACCESS_DATA. */
function appendPrivileges(k: Kernel, state: number, set: number): number {
  const aux = A.AuxData.get(k.mem, state);
  const at = AUX_ACCESS_DATA.f.PrivilegesUsed.get(k.mem, aux);
  const count = k.mem.read32(at);
  const more = k.mem.read32(set);
  let to = at;
  const own = state + A.Privileges.offset;
  if (count + more > INITIAL_PRIVILEGES) {
    to = exAllocatePool(k, PagedPool, PRIVILEGE_SET.size + (count + more) * ENTRY, TAG);
    if (!to) return STATUS_BUFFER_TOO_SMALL;
    k.mem.copy(to, at, PRIVILEGE_SET.size + count * ENTRY);
    if (at !== own) exFreePool(k, at, 0);
    A.PrivilegesAllocated.set(k.mem, state, 1);
    AUX_ACCESS_DATA.f.PrivilegesUsed.set(k.mem, aux, to);
  }
  if (more) k.mem.copy(to + 8 + count * ENTRY, set + 8, more * ENTRY);
  k.mem.write32(to, count + more);
  return STATUS_SUCCESS;
}

const PACCESS_STATE = pointer('PACCESS_STATE');
const states: NtExport[] = [
  ntExport({
    name: 'SeCreateAccessState', doc: 'Initializes an ACCESS_STATE: who asks, and for what.', irql: PASSIVE,
    args: { AccessState: PACCESS_STATE, AuxData: PVOID, DesiredAccess: ULONG, GenericMapping: PVOID }, returns: NTSTATUS, cycles: 300, status: 'full',
    impl: (k, a) => createAccessState(k, a.AccessState, a.AuxData, a.DesiredAccess, a.GenericMapping),
  }),
  ntExport({ name: 'SeDeleteAccessState', doc: 'Gives back what an ACCESS_STATE holds.', irql: PASSIVE, args: { AccessState: PACCESS_STATE }, returns: VOID, cycles: 100, status: 'full', impl: (k, a) => deleteAccessState(k, a.AccessState) }),
  ntExport({
    name: 'SeSetAccessStateGenericMapping', doc: 'Sets what the generic rights mean in an ACCESS_STATE.', irql: PASSIVE, args: { AccessState: PACCESS_STATE, GenericMapping: PVOID }, returns: VOID, cycles: 40, status: 'full',
    impl: (k, a) => k.mem.copy(A.AuxData.get(k.mem, a.AccessState) + AUX_ACCESS_DATA.f.GenericMapping.offset, a.GenericMapping, 16),
  }),
];

const images: NtExport[] = [
  ntExport({
    name: 'SeLocateProcessImageName', doc: 'The full name of the image of a process, in a buffer that the caller frees.', irql: PASSIVE, args: { Process: PVOID, ImageFileName: PVOID }, returns: NTSTATUS, cycles: 500, status: 'full',
    impl(k, { Process, ImageFileName }) {
      k.mem.probe(ImageFileName, 8, true);
      const name = imagePath(k, Process);
      const block = exAllocatePool(k, PagedPool, 16 + name.length * 2 + 2, poolTag('SeNs'));
      if (!block) return 0xc0000017;
      k.mem.write16(block, name.length * 2);
      k.mem.write16(block + 2, name.length * 2 + 2);
      k.mem.writePtr(block + 8, block + 16);
      for (let i = 0; i <= name.length; i++) k.mem.write16(block + 16 + i * 2, i < name.length ? name.charCodeAt(i) : 0);
      k.mem.writePtr(ImageFileName, block);
      return STATUS_SUCCESS;
    },
  }),
];

/** Where the audit name of a process comes from: its image. A system process has none: an empty name. */
function imagePath(k: Kernel, process: number): string {
  return process === k.mem.readPtr(k.address('nt!PsInitialSystemProcess')) ? '' : processImageName(k, process);
}

export const exports: NtExport[] = [...subjects, ...checks, ...states, ...images];
