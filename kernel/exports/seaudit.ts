/** Auditing of opens. There is no audit policy, as on a Windows where none was set: nothing is to be audited, and these routines say so. Source: their WDK pages. */
import { BOOLEAN, CCHAR, type NtExport, ntExport, pointer, PVOID, VOID } from './declare.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const missing = 'no audit policy can be set: nothing is recorded';
const openArgs = {
  ObjectTypeName: pointer('PUNICODE_STRING'),
  Object: PVOID,
  AbsoluteObjectName: pointer('PUNICODE_STRING'),
  SecurityDescriptor: PVOID,
  AccessState: pointer('PACCESS_STATE'),
  ObjectCreated: BOOLEAN,
  AccessGranted: BOOLEAN,
  AccessMode: CCHAR,
  GenerateOnClose: pointer('PBOOLEAN'),
} as const;

export const auditExports: NtExport[] = [
  ...(['SeOpenObjectAuditAlarm', 'SeOpenObjectForDeleteAuditAlarm'] as const).map(name =>
    ntExport({
      name,
      doc: 'Records an attempt to open an object if that is audited; GenerateOnClose says whether the close will be recorded.',
      irql: PASSIVE,
      args: openArgs,
      returns: VOID,
      cycles: 60,
      status: 'partial',
      missing,
      impl: (k, { GenerateOnClose }) => k.mem.write8(GenerateOnClose, 0),
    }),
  ),
  ntExport({
    name: 'SeDeleteObjectAuditAlarm',
    doc: 'Records that an object whose open was audited is deleted.',
    irql: PASSIVE,
    args: { Object: PVOID, Handle: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'partial',
    missing,
    impl: () => undefined,
  }),
  ntExport({
    name: 'SeAuditingFileEvents',
    doc: 'Whether opens of files are audited.',
    irql: PASSIVE,
    args: { AccessGranted: BOOLEAN, SecurityDescriptor: PVOID },
    returns: BOOLEAN,
    cycles: 40,
    status: 'partial',
    missing,
    impl: () => false,
  }),
  ntExport({
    name: 'SeAuditingFileOrGlobalEvents',
    doc: 'Whether opens of files, or of everything, are audited.',
    irql: PASSIVE,
    args: { AccessGranted: BOOLEAN, SecurityDescriptor: PVOID, SubjectSecurityContext: PVOID },
    returns: BOOLEAN,
    cycles: 40,
    status: 'partial',
    missing,
    impl: () => false,
  }),
];
