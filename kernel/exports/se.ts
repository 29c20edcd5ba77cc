/** Security: this machine has one subject, the system, which may do everything. What drivers ask of the reference monitor is answered accordingly. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { GENERIC_MAPPING } from '../types/ob.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, CCHAR, type NtExport, ntExport, pointer, PVOID, ULONG, ULONG64, VOID } from './declare.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
/** SECURITY_SUBJECT_CONTEXT: ClientToken, ImpersonationLevel, PrimaryToken, ProcessAuditId. */
const SUBJECT_CONTEXT_SIZE = 0x20;
const MAXIMUM_ALLOWED = 0x02000000, GENERIC_BITS = [0x80000000, 0x40000000, 0x20000000, 0x10000000] as const;
const missing = 'there are no tokens: every subject is the system';

/** RtlMapGenericMask with a GENERIC_MAPPING in memory. */
function mapGeneric(k: Kernel, access: number, mapping: number): number {
  const masks = GENERIC_MAPPING.fields.map(f => k.mem.read32(mapping + f.offset));
  let result = access & 0x0fffffff;
  GENERIC_BITS.forEach((bit, i) => {
    if ((access & bit) !== 0) result |= masks[i]!;
  });
  if ((access & MAXIMUM_ALLOWED) !== 0) result = (result & ~MAXIMUM_ALLOWED) | masks[3]!;
  return result >>> 0;
}

const context = (name: string, doc: string, write: boolean): NtExport =>
  ntExport({
    name, doc, irql: PASSIVE, args: { SubjectContext: PVOID }, returns: VOID, cycles: 60, status: 'partial', missing,
    impl(k, { SubjectContext }) {
      if (write) k.mem.fill(SubjectContext, SUBJECT_CONTEXT_SIZE, 0);
    },
  });

export const exports: NtExport[] = [
  context('SeCaptureSubjectContext', 'Takes down who the current thread acts for.', true),
  context('SeReleaseSubjectContext', 'Gives back what SeCaptureSubjectContext took.', false),
  context('SeLockSubjectContext', 'Keeps a subject from changing.', false),
  context('SeUnlockSubjectContext', 'Lets a subject change again.', false),
  ntExport({
    name: 'SeAccessCheck',
    doc: 'Whether a subject may have access to an object.',
    irql: PASSIVE,
    args: {
      SecurityDescriptor: PVOID, SubjectSecurityContext: PVOID, SubjectContextLocked: BOOLEAN, DesiredAccess: ULONG, PreviouslyGrantedAccess: ULONG, Privileges: PVOID,
      GenericMapping: PVOID, AccessMode: CCHAR, GrantedAccess: PVOID, AccessStatus: PVOID,
    },
    returns: BOOLEAN,
    cycles: 300,
    status: 'partial',
    missing,
    impl(k, a) {
      k.mem.probe(a.GrantedAccess, 4, true);
      k.mem.probe(a.AccessStatus, 4, true);
      if (a.Privileges) k.mem.writePtr(a.Privileges, 0);
      k.mem.write32(a.GrantedAccess, (mapGeneric(k, a.DesiredAccess, a.GenericMapping) | a.PreviouslyGrantedAccess) >>> 0);
      k.mem.write32(a.AccessStatus, STATUS_SUCCESS);
      return true;
    },
  }),
  ntExport({
    name: 'SeSinglePrivilegeCheck', doc: 'Whether the current thread has a privilege.', irql: PASSIVE, args: { PrivilegeValue: ULONG64, PreviousMode: CCHAR }, returns: BOOLEAN,
    cycles: 100, status: 'partial', missing, impl: () => true,
  }),
  ntExport({
    name: 'SePrivilegeCheck', doc: 'Whether a subject has a set of privileges.', irql: PASSIVE,
    args: { RequiredPrivileges: pointer('PPRIVILEGE_SET'), SubjectSecurityContext: PVOID, AccessMode: CCHAR }, returns: BOOLEAN, cycles: 120, status: 'partial', missing, impl: () => true,
  }),
  ntExport({
    name: 'SeTokenIsAdmin', doc: 'Whether a token belongs to an administrator.', irql: PASSIVE, args: { Token: PVOID }, returns: BOOLEAN, cycles: 60, status: 'partial', missing, impl: () => true,
  }),
];
