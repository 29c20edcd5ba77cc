/** Security identifiers, access control lists and security descriptors. Source: their WDK pages; MS-DTYP 2.4. */
import type { Kernel } from '../kernel.ts';
import { wideBytes } from '../rtl/string.ts';
import { isValidAcl, isValidDescriptor } from '../se/descriptor.ts';
import { isValidSid, readSid, sidLength } from '../se/sid.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { PagedPool } from '../types/mm.ts';
import {
  ACE_HEADER,
  ACL,
  SECURITY_DESCRIPTOR as SD,
  SECURITY_DESCRIPTOR_RELATIVE as SDR,
  SE_DACL_DEFAULTED,
  SE_DACL_PRESENT,
  SE_GROUP_DEFAULTED,
  SE_OWNER_DEFAULTED,
  SE_SACL_DEFAULTED,
  SE_SACL_PRESENT,
  SE_SELF_RELATIVE,
  SYSTEM_MANDATORY_LABEL_ACE_TYPE,
} from '../types/se.ts';
import {
  STATUS_ALLOTTED_SPACE_EXCEEDED,
  STATUS_BAD_DESCRIPTOR_FORMAT,
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INVALID_ACL,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_SECURITY_DESCR,
  STATUS_INVALID_SID,
  STATUS_NO_MEMORY,
  STATUS_REVISION_MISMATCH,
  STATUS_SUCCESS,
  STATUS_UNKNOWN_REVISION,
} from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, pointer, PVOID, UCHAR, ULONG } from './declare.ts';

const PSID = pointer('PSID'),
  PACL = pointer('PACL'),
  PSD = pointer('PSECURITY_DESCRIPTOR'),
  PBOOLEAN = pointer('PBOOLEAN');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const;
const SID_REVISION = 1,
  SID_MAX_SUB_AUTHORITIES = 15,
  SECURITY_DESCRIPTOR_REVISION = 1;


const sids: NtExport[] = [
  ntExport({
    name: 'RtlLengthSid',
    doc: 'Bytes of a security identifier.',
    irql: APC,
    args: { Sid: PSID },
    returns: ULONG,
    cycles: 8,
    status: 'full',
    impl: (k, a) => sidLength(k, a.Sid),
  }),
  ntExport({
    name: 'RtlLengthRequiredSid',
    doc: 'Bytes that a security identifier with a number of sub-authorities takes.',
    irql: APC,
    args: { SubAuthorityCount: ULONG },
    returns: ULONG,
    cycles: 6,
    status: 'full',
    impl: (_k, a) => 8 + a.SubAuthorityCount * 4,
  }),
  ntExport({
    name: 'RtlValidSid',
    doc: 'Tells whether a security identifier is well formed.',
    irql: APC,
    args: { Sid: PSID },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (k, a) => isValidSid(k, a.Sid),
  }),
  ntExport({
    name: 'RtlSubAuthoritySid',
    doc: 'Address of a sub-authority.',
    irql: APC,
    args: { Sid: PSID, SubAuthority: ULONG },
    returns: PVOID,
    cycles: 6,
    status: 'full',
    impl: (_k, a) => a.Sid + 8 + a.SubAuthority * 4,
  }),
  ntExport({
    name: 'RtlSubAuthorityCountSid',
    doc: 'Address of the number of sub-authorities.',
    args: { Sid: PSID },
    returns: PVOID,
    cycles: 6,
    status: 'full',
    impl: (_k, a) => a.Sid + 1,
  }),
  ntExport({
    name: 'RtlInitializeSid',
    doc: 'Initializes a security identifier without its sub-authorities.',
    irql: APC,
    args: { Sid: PSID, IdentifierAuthority: PVOID, SubAuthorityCount: UCHAR },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      if (a.SubAuthorityCount > SID_MAX_SUB_AUTHORITIES) return STATUS_INVALID_PARAMETER;
      k.mem.write8(a.Sid, SID_REVISION);
      k.mem.write8(a.Sid + 1, a.SubAuthorityCount);
      k.mem.copy(a.Sid + 2, a.IdentifierAuthority, 6);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlEqualSid',
    doc: 'Tells whether two security identifiers are equal.',
    args: { Sid1: PSID, Sid2: PSID },
    returns: BOOLEAN,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      const length = sidLength(k, a.Sid1);
      if (length !== sidLength(k, a.Sid2)) return false;
      for (let i = 0; i < length; i++) if (k.mem.read8(a.Sid1 + i) !== k.mem.read8(a.Sid2 + i)) return false;
      return true;
    },
  }),
  ntExport({
    name: 'RtlCopySid',
    doc: 'Copies a security identifier.',
    irql: APC,
    args: { DestinationSidLength: ULONG, DestinationSid: PSID, SourceSid: PSID },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      const length = sidLength(k, a.SourceSid);
      if (length > a.DestinationSidLength) return STATUS_BUFFER_TOO_SMALL;
      k.mem.copy(a.DestinationSid, a.SourceSid, length);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlConvertSidToUnicodeString',
    doc: 'Text of a security identifier: S-1-5-18.',
    irql: APC,
    args: { UnicodeString: pointer('PUNICODE_STRING'), Sid: PSID, AllocateDestinationString: BOOLEAN },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      if (!isValidSid(k, a.Sid)) return STATUS_INVALID_SID;
      const text = readSid(k, a.Sid);
      const bytes = wideBytes(text);
      if (a.AllocateDestinationString) {
        const buffer = exAllocatePool(k, PagedPool, bytes.length + 2, 0x69536553);
        if (!buffer) return STATUS_NO_MEMORY;
        k.mem.write16(a.UnicodeString + 2, bytes.length + 2);
        k.mem.writePtr(a.UnicodeString + 8, buffer);
      } else if (k.mem.read16(a.UnicodeString + 2) < bytes.length) return STATUS_BUFFER_OVERFLOW;
      const buffer = k.mem.readPtr(a.UnicodeString + 8);
      k.mem.writeBytes(buffer, bytes);
      if (k.mem.read16(a.UnicodeString + 2) >= bytes.length + 2) k.mem.write16(buffer + bytes.length, 0);
      k.mem.write16(a.UnicodeString, bytes.length);
      return STATUS_SUCCESS;
    },
  }),
];

const ACL_REVISION = 2,
  ACL_REVISION_DS = 4;
/** First byte after the last entry, or 0 when the entries do not fit into the list. (Addresses of the kernel are negative numbers.) */
function firstFreeAce(k: Kernel, acl: number): number {
  const end = acl + ACL.f.AclSize.get(k.mem, acl);
  let at = acl + ACL.size;
  for (let i = 0; i < ACL.f.AceCount.get(k.mem, acl); i++) {
    if (at + ACE_HEADER.size > end) return 0;
    if (ACE_HEADER.f.AceSize.get(k.mem, at) < ACE_HEADER.size) return 0;
    at += ACE_HEADER.f.AceSize.get(k.mem, at);
  }
  return at <= end ? at : 0;
}

/** Inheritance, INHERITED_ACE. */
const VALID_INHERIT_FLAGS = 0x1f;
const VALID_MANDATORY_POLICY = 7;

function addAce(k: Kernel, acl: number, revision: number, flags: number, mask: number, sid: number, type: number): number {
  if (!isValidSid(k, sid)) return STATUS_INVALID_SID;
  if (flags & ~VALID_INHERIT_FLAGS) return STATUS_INVALID_PARAMETER;
  if (ACL.f.AclRevision.get(k.mem, acl) > ACL_REVISION_DS || revision > ACL_REVISION_DS) return STATUS_REVISION_MISMATCH;
  const at = firstFreeAce(k, acl),
    size = 8 + sidLength(k, sid);
  if (!at) return STATUS_INVALID_ACL;
  if (at + size > acl + ACL.f.AclSize.get(k.mem, acl)) return STATUS_ALLOTTED_SPACE_EXCEEDED;
  k.mem.write8(at, type);
  k.mem.write8(at + 1, flags);
  k.mem.write16(at + 2, size);
  k.mem.write32(at + 4, mask);
  k.mem.copy(at + 8, sid, size - 8);
  ACL.f.AceCount.set(k.mem, acl, ACL.f.AceCount.get(k.mem, acl) + 1);
  if (revision > ACL.f.AclRevision.get(k.mem, acl)) ACL.f.AclRevision.set(k.mem, acl, revision);
  return STATUS_SUCCESS;
}

const acls: NtExport[] = [
  ntExport({
    name: 'RtlCreateAcl',
    doc: 'Initializes an access control list without entries.',
    irql: APC,
    args: { Acl: PACL, AclLength: ULONG, AclRevision: ULONG },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      if (a.AclLength < ACL.size) return STATUS_BUFFER_TOO_SMALL;
      if (a.AclRevision < ACL_REVISION || a.AclRevision > ACL_REVISION_DS || a.AclLength > 0xffff) return STATUS_INVALID_PARAMETER;
      k.mem.fill(a.Acl, ACL.size, 0);
      ACL.f.AclRevision.set(k.mem, a.Acl, a.AclRevision);
      ACL.f.AclSize.set(k.mem, a.Acl, a.AclLength & ~3);
      return STATUS_SUCCESS;
    },
  }),
  ...(
    [
      ['RtlAddAccessAllowedAce', 0],
      ['RtlAddAccessDeniedAce', 1],
    ] as const
  ).map(([name, type]) =>
    ntExport({
      name,
      doc: `Adds an entry that ${type ? 'denies' : 'allows'} access.`,
      irql: APC,
      args: { Acl: PACL, AceRevision: ULONG, AccessMask: ULONG, Sid: PSID },
      returns: NTSTATUS,
      cycles: 40,
      status: 'full',
      impl: (k, a) => addAce(k, a.Acl, a.AceRevision, 0, a.AccessMask, a.Sid, type),
    }),
  ),
  ntExport({
    name: 'RtlAddAccessAllowedAceEx',
    doc: 'Adds an entry that allows access, with inheritance flags.',
    irql: APC,
    args: { Acl: PACL, AceRevision: ULONG, AceFlags: ULONG, AccessMask: ULONG, Sid: PSID },
    returns: NTSTATUS,
    cycles: 40,
    status: 'full',
    impl: (k, a) => addAce(k, a.Acl, a.AceRevision, a.AceFlags, a.AccessMask, a.Sid, 0),
  }),
  ntExport({
    name: 'RtlAddAccessDeniedAceEx',
    doc: 'Adds an entry that denies access, with inheritance flags.',
    args: { Acl: PACL, AceRevision: ULONG, AceFlags: ULONG, AccessMask: ULONG, Sid: PSID },
    returns: NTSTATUS,
    cycles: 40,
    status: 'full',
    impl: (k, a) => addAce(k, a.Acl, a.AceRevision, a.AceFlags, a.AccessMask, a.Sid, 1),
  }),
  ntExport({
    name: 'RtlAddMandatoryAce',
    doc: 'Adds an entry that labels an object with an integrity level and its policy.',
    args: { Acl: PACL, AceRevision: ULONG, AceFlags: ULONG, Sid: PSID, AceType: UCHAR, AccessMask: ULONG },
    returns: NTSTATUS,
    cycles: 40,
    status: 'full',
    impl(k, a) {
      if (a.AceType !== SYSTEM_MANDATORY_LABEL_ACE_TYPE || a.AccessMask & ~VALID_MANDATORY_POLICY) return STATUS_INVALID_PARAMETER;
      return addAce(k, a.Acl, a.AceRevision, a.AceFlags, a.AccessMask, a.Sid, a.AceType);
    },
  }),
  ntExport({
    name: 'RtlAddAce',
    doc: 'Inserts entries into an access control list, before the one of an index or (MAXULONG) at the end.',
    irql: APC,
    args: { Acl: PACL, AceRevision: ULONG, StartingAceIndex: ULONG, AceList: PVOID, AceListLength: ULONG },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      const end = firstFreeAce(k, a.Acl);
      if (!end || a.AceRevision > ACL_REVISION_DS) return STATUS_INVALID_PARAMETER;
      let count = 0;
      let at = 0;
      while (at + ACE_HEADER.size <= a.AceListLength) {
        const size = ACE_HEADER.f.AceSize.get(k.mem, a.AceList + at);
        if (size < ACE_HEADER.size) return STATUS_INVALID_PARAMETER;
        at += size;
        count++;
      }
      if (at !== a.AceListLength) return STATUS_INVALID_PARAMETER;
      if (end + at > a.Acl + ACL.f.AclSize.get(k.mem, a.Acl)) return STATUS_BUFFER_TOO_SMALL;
      let to = a.Acl + ACL.size;
      for (let i = 0; i < Math.min(a.StartingAceIndex, ACL.f.AceCount.get(k.mem, a.Acl)); i++) to += ACE_HEADER.f.AceSize.get(k.mem, to);
      const fresh = at ? k.mem.readBytes(a.AceList, at) : new Uint8Array(0);
      const moved = end > to ? k.mem.readBytes(to, end - to) : new Uint8Array(0);
      if (moved.length) k.mem.writeBytes(to + at, moved);
      if (at) k.mem.writeBytes(to, fresh);
      ACL.f.AceCount.set(k.mem, a.Acl, ACL.f.AceCount.get(k.mem, a.Acl) + count);
      if (a.AceRevision > ACL.f.AclRevision.get(k.mem, a.Acl)) ACL.f.AclRevision.set(k.mem, a.Acl, a.AceRevision);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlDeleteAce',
    doc: 'Takes an entry out of an access control list.',
    irql: APC,
    args: { Acl: PACL, AceIndex: ULONG },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const end = firstFreeAce(k, a.Acl);
      const count = ACL.f.AceCount.get(k.mem, a.Acl);
      if (!end || a.AceIndex >= count) return STATUS_INVALID_PARAMETER;
      let at = a.Acl + ACL.size;
      for (let i = 0; i < a.AceIndex; i++) at += ACE_HEADER.f.AceSize.get(k.mem, at);
      const size = ACE_HEADER.f.AceSize.get(k.mem, at);
      if (end > at + size) k.mem.writeBytes(at, k.mem.readBytes(at + size, end - at - size));
      k.mem.fill(end - size, size, 0);
      ACL.f.AceCount.set(k.mem, a.Acl, count - 1);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlGetAce',
    doc: 'Returns the address of an entry of an access control list.',
    irql: APC,
    args: { Acl: PACL, AceIndex: ULONG, Ace: PVOID },
    returns: NTSTATUS,
    cycles: 30,
    status: 'full',
    impl(k, a) {
      if (a.AceIndex >= ACL.f.AceCount.get(k.mem, a.Acl) || !firstFreeAce(k, a.Acl)) return STATUS_INVALID_PARAMETER;
      let at = a.Acl + ACL.size;
      for (let i = 0; i < a.AceIndex; i++) at += ACE_HEADER.f.AceSize.get(k.mem, at);
      k.mem.writePtr(a.Ace, at);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlValidAcl',
    doc: 'Tells whether an access control list is well formed.',
    args: { Acl: PACL },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl: (k, a) => a.Acl !== 0 && isValidAcl(k, a.Acl),
  }),
];

type Part = 'Owner' | 'Group' | 'Sacl' | 'Dacl';
const control = (k: Kernel, sd: number): number => SD.f.Control.get(k.mem, sd);
/** Address of a part of a descriptor of either form; 0 when it has none. */
function part(k: Kernel, sd: number, name: Part): number {
  if (!(control(k, sd) & SE_SELF_RELATIVE)) return SD.f[name].get(k.mem, sd);
  const offset = SDR.f[name].get(k.mem, sd);
  return offset ? sd + offset : 0;
}
const present = (name: Part): number => (name === 'Dacl' ? SE_DACL_PRESENT : name === 'Sacl' ? SE_SACL_PRESENT : 0);
const defaulted = (name: Part): number =>
  ({ Owner: SE_OWNER_DEFAULTED, Group: SE_GROUP_DEFAULTED, Dacl: SE_DACL_DEFAULTED, Sacl: SE_SACL_DEFAULTED })[name];
const partLength = (k: Kernel, name: Part, at: number): number =>
  at === 0 ? 0 : name === 'Owner' || name === 'Group' ? sidLength(k, at) : ACL.f.AclSize.get(k.mem, at);
const round4 = (n: number): number => (n + 3) & ~3;
const PARTS: readonly Part[] = ['Sacl', 'Dacl', 'Owner', 'Group'];

/** Part as it counts: an access control list only if the control says that it is there. */
const usedPart = (k: Kernel, sd: number, name: Part): number =>
  present(name) && !(control(k, sd) & present(name)) ? 0 : part(k, sd, name);
const descriptorLength = (k: Kernel, sd: number): number =>
  PARTS.reduce((n, name) => n + round4(partLength(k, name, usedPart(k, sd, name))), control(k, sd) & SE_SELF_RELATIVE ? SDR.size : SD.size);

function setPart(k: Kernel, sd: number, name: Part, value: number, isPresent: boolean, isDefault: boolean): number {
  if (SD.f.Revision.get(k.mem, sd) !== SECURITY_DESCRIPTOR_REVISION) return STATUS_UNKNOWN_REVISION;
  let flags = control(k, sd);
  if (flags & SE_SELF_RELATIVE) return STATUS_INVALID_SECURITY_DESCR;
  flags &= ~(present(name) | defaulted(name));
  if (isPresent) flags |= present(name) | (isDefault ? defaulted(name) : 0);
  SD.f.Control.set(k.mem, sd, flags);
  SD.f[name].set(k.mem, sd, isPresent ? value : 0);
  return STATUS_SUCCESS;
}

const descriptors: NtExport[] = [
  ntExport({
    name: 'RtlCreateSecurityDescriptor',
    doc: 'Initializes an absolute security descriptor without parts.',
    irql: PASSIVE,
    args: { SecurityDescriptor: PSD, Revision: ULONG },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      if (a.Revision !== SECURITY_DESCRIPTOR_REVISION) return STATUS_UNKNOWN_REVISION;
      k.mem.fill(a.SecurityDescriptor, SD.size, 0);
      SD.f.Revision.set(k.mem, a.SecurityDescriptor, SECURITY_DESCRIPTOR_REVISION);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlValidSecurityDescriptor',
    doc: 'Tells whether a security descriptor is well formed.',
    irql: PASSIVE,
    args: { SecurityDescriptor: PSD },
    returns: BOOLEAN,
    cycles: 40,
    status: 'full',
    impl: (k, a) => isValidDescriptor(k, a.SecurityDescriptor),
  }),
  ntExport({
    name: 'RtlLengthSecurityDescriptor',
    doc: 'Bytes of a security descriptor with its parts.',
    irql: PASSIVE,
    args: { SecurityDescriptor: PSD },
    returns: ULONG,
    cycles: 40,
    status: 'full',
    impl: (k, a) => descriptorLength(k, a.SecurityDescriptor),
  }),
  ...(['Dacl', 'Sacl'] as const).flatMap(name => [
    ntExport({
      name: `RtlSet${name}SecurityDescriptor`,
      doc: `Sets the ${name === 'Dacl' ? 'discretionary' : 'system'} access control list of a security descriptor.`,
      irql: name === 'Dacl' ? PASSIVE : APC,
      args: { SecurityDescriptor: PSD, Present: BOOLEAN, Acl: PACL, Defaulted: BOOLEAN },
      returns: NTSTATUS,
      cycles: 20,
      status: 'full' as const,
      impl: (k: Kernel, a: { SecurityDescriptor: number; Present: boolean; Acl: number; Defaulted: boolean }) =>
        setPart(k, a.SecurityDescriptor, name, a.Acl, a.Present, a.Defaulted),
    }),
    ntExport({
      name: `RtlGet${name}SecurityDescriptor`,
      doc: `Returns the ${name === 'Dacl' ? 'discretionary' : 'system'} access control list of a security descriptor.`,
      irql: APC,
      args: { SecurityDescriptor: PSD, Present: PBOOLEAN, Acl: PVOID, Defaulted: PBOOLEAN },
      returns: NTSTATUS,
      cycles: 20,
      status: 'full' as const,
      impl(k: Kernel, a: { SecurityDescriptor: number; Present: number; Acl: number; Defaulted: number }) {
        if (SD.f.Revision.get(k.mem, a.SecurityDescriptor) !== SECURITY_DESCRIPTOR_REVISION) return STATUS_UNKNOWN_REVISION;
        const flags = control(k, a.SecurityDescriptor),
          there = (flags & present(name)) !== 0;
        k.mem.write8(a.Present, there ? 1 : 0);
        if (there) {
          k.mem.writePtr(a.Acl, part(k, a.SecurityDescriptor, name));
          k.mem.write8(a.Defaulted, flags & defaulted(name) ? 1 : 0);
        }
        return STATUS_SUCCESS;
      },
    }),
  ]),
  ...(['Owner', 'Group'] as const).flatMap(name => [
    ntExport({
      name: `RtlSet${name}SecurityDescriptor`,
      doc: `Sets the ${name.toLowerCase()} of a security descriptor.`,
      irql: APC,
      args: { SecurityDescriptor: PSD, Sid: PSID, Defaulted: BOOLEAN },
      returns: NTSTATUS,
      cycles: 20,
      status: 'full' as const,
      impl: (k: Kernel, a: { SecurityDescriptor: number; Sid: number; Defaulted: boolean }) =>
        setPart(k, a.SecurityDescriptor, name, a.Sid, true, a.Defaulted),
    }),
    ntExport({
      name: `RtlGet${name}SecurityDescriptor`,
      doc: `Returns the ${name.toLowerCase()} of a security descriptor.`,
      irql: name === 'Owner' ? PASSIVE : APC,
      args: { SecurityDescriptor: PSD, Sid: PVOID, Defaulted: PBOOLEAN },
      returns: NTSTATUS,
      cycles: 20,
      status: 'full' as const,
      impl(k: Kernel, a: { SecurityDescriptor: number; Sid: number; Defaulted: number }) {
        if (SD.f.Revision.get(k.mem, a.SecurityDescriptor) !== SECURITY_DESCRIPTOR_REVISION) return STATUS_UNKNOWN_REVISION;
        k.mem.writePtr(a.Sid, part(k, a.SecurityDescriptor, name));
        k.mem.write8(a.Defaulted, control(k, a.SecurityDescriptor) & defaulted(name) ? 1 : 0);
        return STATUS_SUCCESS;
      },
    }),
  ]),
  ntExport({
    name: 'RtlAbsoluteToSelfRelativeSD',
    doc: 'Copies an absolute security descriptor into one block.',
    irql: APC,
    args: { AbsoluteSecurityDescriptor: PSD, SelfRelativeSecurityDescriptor: PSD, BufferLength: pointer('PULONG') },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl(k, { AbsoluteSecurityDescriptor: from, SelfRelativeSecurityDescriptor: to, BufferLength }) {
      if (control(k, from) & SE_SELF_RELATIVE) return STATUS_BAD_DESCRIPTOR_FORMAT;
      const length = descriptorLength(k, from) - SD.size + SDR.size,
        room = k.mem.read32(BufferLength);
      k.mem.write32(BufferLength, length);
      if (room < length) return STATUS_BUFFER_TOO_SMALL;
      k.mem.fill(to, length, 0);
      SDR.f.Revision.set(k.mem, to, SECURITY_DESCRIPTOR_REVISION);
      SDR.f.Control.set(k.mem, to, control(k, from) | SE_SELF_RELATIVE);
      let at = SDR.size;
      for (const name of PARTS) {
        const source = usedPart(k, from, name);
        if (!source) continue;
        const bytes = partLength(k, name, source);
        k.mem.copy(to + at, source, bytes);
        SDR.f[name].set(k.mem, to, at);
        at += round4(bytes);
      }
      return STATUS_SUCCESS;
    },
  }),
];

export const securityExports: NtExport[] = [...sids, ...acls, ...descriptors];
