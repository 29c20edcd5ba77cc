/**
 * The descriptor of a new object: what its creator says, what it inherits from its container, what the creator's token has by default. And changing a descriptor part by
 * part. Source: MS-DTYP 2.5.3.4 (CreateSecurityDescriptor), WDK pages of SeAssignSecurityEx and SeSetSecurityDescriptorInfo.
 */
import type { Kernel } from '../kernel.ts';
import {
  CONTAINER_INHERIT_ACE,
  DACL_SECURITY_INFORMATION,
  GROUP_SECURITY_INFORMATION,
  INHERIT_ONLY_ACE,
  INHERITED_ACE,
  LABEL_SECURITY_INFORMATION,
  NO_PROPAGATE_INHERIT_ACE,
  OBJECT_INHERIT_ACE,
  OWNER_SECURITY_INFORMATION,
  PROTECTED_DACL_SECURITY_INFORMATION,
  PROTECTED_SACL_SECURITY_INFORMATION,
  SACL_SECURITY_INFORMATION,
  SE_DACL_AUTO_INHERITED,
  SE_DACL_DEFAULTED,
  SE_DACL_PRESENT,
  SE_DACL_PROTECTED,
  SE_GROUP_DEFAULTED,
  SE_GROUP_OWNER,
  SE_OWNER_DEFAULTED,
  SE_SACL_AUTO_INHERITED,
  SE_SACL_DEFAULTED,
  SE_SACL_PRESENT,
  SE_SACL_PROTECTED,
  SYSTEM_MANDATORY_LABEL_ACE_TYPE,
  UNPROTECTED_DACL_SECURITY_INFORMATION,
  UNPROTECTED_SACL_SECURITY_INFORMATION,
} from '../types/se.ts';
import { STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_OWNER, STATUS_PRIVILEGE_NOT_HELD, STATUS_SUCCESS } from '../types/status.ts';
import { type Mapping, mapGeneric } from './accesscheck.ts';
import { type Ace, type Acl, isKnownAce } from './acl.ts';
import { type Descriptor, descriptorBytes } from './descriptor.ts';
import { CREATOR_GROUP, CREATOR_OWNER } from './sid.ts';
import { effectiveToken, type Subject } from './subject.ts';
import {
  hasPrivilege,
  SeRestorePrivilege,
  SeSecurityPrivilege,
  tokenDefaultDacl,
  tokenGroups,
  tokenOwner,
  tokenPrimaryGroup,
} from './token.ts';

/** AutoInheritFlags of SeAssignSecurityEx (ntifs.h). */
export const SEF_DACL_AUTO_INHERIT = 1,
  SEF_SACL_AUTO_INHERIT = 2,
  SEF_DEFAULT_DESCRIPTOR_FOR_OBJECT = 4,
  SEF_AVOID_PRIVILEGE_CHECK = 8,
  SEF_AVOID_OWNER_CHECK = 0x10,
  SEF_DEFAULT_OWNER_FROM_PARENT = 0x20,
  SEF_DEFAULT_GROUP_FROM_PARENT = 0x40,
  SEF_NO_PRIVILEGES = SEF_AVOID_PRIVILEGE_CHECK;

interface Context {
  owner: string;
  group: string;
  directory: boolean;
  mapping: Mapping;
  /** Mark what is inherited (auto-inheritance). */
  mark: boolean;
  objectType: string | null;
}

/** The entry as the new object has it for itself: generic rights mapped, creator SIDs replaced. */
const own = (a: Ace, c: Context): Ace => ({
  ...a,
  mask: mapGeneric(a.mask, c.mapping),
  sid: a.sid === CREATOR_OWNER ? c.owner : a.sid === CREATOR_GROUP ? c.group : a.sid,
});

/** What a container's entry becomes in a new object inside it. */
function inherit(a: Ace, c: Context): Ace[] {
  const inheritable = a.flags & (OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE);
  if (!inheritable || !isKnownAce(a.type)) return [];
  const marked = c.mark ? INHERITED_ACE : 0;
  const stop = (a.flags & NO_PROPAGATE_INHERIT_ACE) !== 0;
  const rest =
    a.flags & ~(OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE | NO_PROPAGATE_INHERIT_ACE | INHERIT_ONLY_ACE | INHERITED_ACE);
  // An entry for one kind of object counts for that kind only.
  const matches = a.inheritedObjectType === null || a.inheritedObjectType === c.objectType;
  if (!c.directory) return a.flags & OBJECT_INHERIT_ACE && matches ? [own({ ...a, flags: rest | marked }, c)] : [];
  if (!(a.flags & CONTAINER_INHERIT_ACE))
    // For the files inside only: it passes through.
    return stop ? [] : [{ ...a, flags: rest | OBJECT_INHERIT_ACE | INHERIT_ONLY_ACE | marked }];
  const mine = own(a, c);
  if (stop) return matches ? [{ ...mine, flags: rest | marked }] : [];
  const changed = mine.mask !== a.mask >>> 0 || mine.sid !== a.sid;
  if (!matches) return [{ ...a, flags: rest | inheritable | INHERIT_ONLY_ACE | marked }];
  // What means something else further down stays as it is for that, beside what it means here.
  return changed
    ? [
        { ...mine, flags: rest | marked },
        { ...a, flags: rest | inheritable | INHERIT_ONLY_ACE | marked },
      ]
    : [{ ...mine, flags: rest | inheritable | marked }];
}

const inheritAcl = (parent: Acl | null, c: Context): Ace[] => parent?.aces.flatMap(a => inherit(a, c)) ?? [];

/** Entries that the creator gives: mapped for the object itself, unless they are only for inheritance. */
const explicit = (list: Acl, c: Context): Ace[] => list.aces.map(a => (a.flags & INHERIT_ONLY_ACE ? a : own(a, c)));

export interface Assigned {
  status: number;
  descriptor: Descriptor;
}

/** True when the subject may make `sid` the owner of an object. */
export function mayOwn(k: Kernel, token: number, sid: string): boolean {
  const groups = tokenGroups(k, token);
  if (groups[0]!.sid === sid || groups.some(g => g.sid === sid && g.attributes & SE_GROUP_OWNER)) return true;
  return hasPrivilege(k, token, SeRestorePrivilege);
}

/** SeAssignSecurityEx: the descriptor of a new object. STATUS_INVALID_OWNER, STATUS_PRIVILEGE_NOT_HELD (a SACL without SeSecurityPrivilege). */
export function assignDescriptor(
  k: Kernel,
  subject: Subject,
  parent: Descriptor | null,
  given: Descriptor | null,
  options: { directory: boolean; mapping: Mapping; flags?: number; objectType?: string | null; kernel?: boolean },
): Assigned {
  const flags = options.flags ?? 0;
  const token = effectiveToken(subject);
  const fail = (status: number): Assigned => ({
    status,
    descriptor: { control: 0, owner: null, group: null, dacl: null, sacl: null },
  });
  const parentOwner = flags & SEF_DEFAULT_OWNER_FROM_PARENT ? parent?.owner : null;
  const parentGroup = flags & SEF_DEFAULT_GROUP_FROM_PARENT ? parent?.group : null;
  const owner = given?.owner ?? parentOwner ?? tokenOwner(k, token);
  const group = given?.group ?? parentGroup ?? tokenPrimaryGroup(k, token);
  if (given?.owner && !(flags & SEF_AVOID_OWNER_CHECK) && !options.kernel && !mayOwn(k, token, owner))
    return fail(STATUS_INVALID_OWNER);
  const base = { owner, group, directory: options.directory, mapping: options.mapping, objectType: options.objectType ?? null };
  let control = 0;

  const auto = (flags & SEF_DACL_AUTO_INHERIT) !== 0;
  const c: Context = { ...base, mark: auto };
  const inherited = given && given.control & SE_DACL_PROTECTED ? [] : inheritAcl(parent?.dacl ?? null, c);
  const givesDacl = given !== null && (given.control & SE_DACL_PRESENT) !== 0;
  let dacl: Acl | null;
  let hasDacl = true;
  if (givesDacl && !((given.control & SE_DACL_DEFAULTED || flags & SEF_DEFAULT_DESCRIPTOR_FOR_OBJECT) && inherited.length)) {
    dacl = given.dacl && { revision: given.dacl.revision, aces: explicit(given.dacl, c) };
    // With auto-inheritance the container's entries come behind the explicit ones.
    if (auto && dacl) dacl.aces.push(...inherited);
    control |= given.control & SE_DACL_PROTECTED;
  } else if (inherited.length) dacl = { revision: 2, aces: inherited };
  else {
    const list = tokenDefaultDacl(k, token);
    dacl = list && { revision: list.revision, aces: explicit(list, c) };
    hasDacl = list !== null;
    control |= hasDacl ? SE_DACL_DEFAULTED : 0;
  }
  if (hasDacl) control |= SE_DACL_PRESENT;
  if (auto && hasDacl) control |= SE_DACL_AUTO_INHERITED;

  const autoSacl = (flags & SEF_SACL_AUTO_INHERIT) !== 0;
  const cs: Context = { ...base, mark: autoSacl };
  const givesSacl = given !== null && (given.control & SE_SACL_PRESENT) !== 0;
  const audits = given?.sacl?.aces.some(a => a.type !== SYSTEM_MANDATORY_LABEL_ACE_TYPE) ?? false;
  if (
    givesSacl &&
    audits &&
    !(flags & SEF_AVOID_PRIVILEGE_CHECK) &&
    !options.kernel &&
    !hasPrivilege(k, token, SeSecurityPrivilege)
  )
    return fail(STATUS_PRIVILEGE_NOT_HELD);
  const fromParent = given && given.control & SE_SACL_PROTECTED ? [] : inheritAcl(parent?.sacl ?? null, cs);
  let sacl: Acl | null = null;
  if (givesSacl && !(given.control & SE_SACL_DEFAULTED && fromParent.length)) {
    sacl = given.sacl && { revision: given.sacl.revision, aces: explicit(given.sacl, cs) };
    if (autoSacl && sacl) sacl.aces.push(...fromParent);
    control |= SE_SACL_PRESENT | (given.control & SE_SACL_PROTECTED);
  } else if (fromParent.length) {
    sacl = { revision: 2, aces: fromParent };
    control |= SE_SACL_PRESENT;
  }
  if (autoSacl && control & SE_SACL_PRESENT) control |= SE_SACL_AUTO_INHERITED;
  if (!given?.owner) control |= SE_OWNER_DEFAULTED;
  if (!given?.group) control |= SE_GROUP_DEFAULTED;
  // What was taken from the token for want of anything else is part of the object now.
  control &= ~(SE_OWNER_DEFAULTED | SE_GROUP_DEFAULTED | SE_DACL_DEFAULTED);
  return { status: STATUS_SUCCESS, descriptor: { control, owner, group, dacl, sacl } };
}

/** The access that reading (or writing) parts of a descriptor needs: SeQuerySecurityAccessMask, SeSetSecurityAccessMask. */
export function securityAccess(information: number, set: boolean): number {
  let access = 0;
  if (set) {
    if (information & (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION)) access |= 0x80000;
    if (information & DACL_SECURITY_INFORMATION) access |= 0x40000;
  } else if (
    information &
    (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION)
  )
    access |= 0x20000;
  if (information & SACL_SECURITY_INFORMATION) access |= 0x1000000;
  return access;
}

/**
 * A list that inherits: what it inherited stays as it was, whatever the change says of it; the change's own entries go before that. One that is protected inherits
 * nothing, and all its entries are its own; one that was protected until now is taken as the change has it.
 */
function autoInherited(old: Acl | null, wasProtected: boolean, change: Acl | null, isProtected: boolean): Acl | null {
  if (!change) return null;
  if (isProtected) return { ...change, aces: change.aces.map(a => ({ ...a, flags: a.flags & ~INHERITED_ACE })) };
  if (wasProtected) return change;
  const inherited = old?.aces.filter(a => a.flags & INHERITED_ACE) ?? [];
  return {
    revision: Math.max(change.revision, old?.revision ?? 0),
    aces: [...change.aces.filter(a => !(a.flags & INHERITED_ACE)), ...inherited],
  };
}

/** SeSetSecurityDescriptorInfoEx: `old` with the parts that `information` names taken from `from`; `flags` are SEF_*_AUTO_INHERIT. */
export function changedDescriptor(
  old: Descriptor,
  from: Descriptor,
  information: number,
  mapping: Mapping,
  flags = 0,
): Descriptor {
  const out: Descriptor = { ...old };
  const context: Context = { owner: '', group: '', directory: false, mapping, mark: false, objectType: null };
  const mapped = (acl: Acl | null): Acl | null =>
    acl && {
      revision: acl.revision,
      aces: acl.aces.map(a => (a.flags & INHERIT_ONLY_ACE ? a : { ...a, mask: own(a, context).mask })),
    };
  if (information & OWNER_SECURITY_INFORMATION) out.owner = from.owner;
  if (information & GROUP_SECURITY_INFORMATION) out.group = from.group;
  if (information & DACL_SECURITY_INFORMATION) {
    const auto = (flags & SEF_DACL_AUTO_INHERIT) !== 0;
    out.dacl = mapped(from.dacl);
    if (auto)
      out.dacl = autoInherited(
        old.dacl,
        (old.control & SE_DACL_PROTECTED) !== 0,
        out.dacl,
        (from.control & SE_DACL_PROTECTED) !== 0,
      );
    const bits = SE_DACL_PRESENT | SE_DACL_DEFAULTED | SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED;
    out.control = (out.control & ~bits) | (from.control & bits) | (auto ? SE_DACL_AUTO_INHERITED : 0);
  }
  if (information & SACL_SECURITY_INFORMATION) {
    const labels =
      information & LABEL_SECURITY_INFORMATION
        ? []
        : (old.sacl?.aces.filter(a => a.type === SYSTEM_MANDATORY_LABEL_ACE_TYPE) ?? []);
    const auto = (flags & SEF_SACL_AUTO_INHERIT) !== 0;
    let list = mapped(from.sacl);
    if (auto) {
      const events = old.sacl && { ...old.sacl, aces: old.sacl.aces.filter(a => a.type !== SYSTEM_MANDATORY_LABEL_ACE_TYPE) };
      list = autoInherited(events, (old.control & SE_SACL_PROTECTED) !== 0, list, (from.control & SE_SACL_PROTECTED) !== 0);
    }
    out.sacl = list || labels.length ? { revision: list?.revision ?? 2, aces: [...labels, ...(list?.aces ?? [])] } : null;
    const bits = SE_SACL_PRESENT | SE_SACL_DEFAULTED | SE_SACL_PROTECTED | SE_SACL_AUTO_INHERITED;
    out.control = (out.control & ~bits) | (from.control & bits) | (auto ? SE_SACL_AUTO_INHERITED : 0);
  } else if (information & LABEL_SECURITY_INFORMATION) {
    const label = from.sacl?.aces.filter(a => a.type === SYSTEM_MANDATORY_LABEL_ACE_TYPE) ?? [];
    const others = old.sacl?.aces.filter(a => a.type !== SYSTEM_MANDATORY_LABEL_ACE_TYPE) ?? [];
    out.sacl = { revision: 2, aces: [...label, ...others] };
    out.control |= SE_SACL_PRESENT;
  }
  if (information & PROTECTED_DACL_SECURITY_INFORMATION) out.control |= SE_DACL_PROTECTED;
  if (information & UNPROTECTED_DACL_SECURITY_INFORMATION) out.control &= ~SE_DACL_PROTECTED;
  if (information & PROTECTED_SACL_SECURITY_INFORMATION) out.control |= SE_SACL_PROTECTED;
  if (information & UNPROTECTED_SACL_SECURITY_INFORMATION) out.control &= ~SE_SACL_PROTECTED;
  return out;
}

/** SeQuerySecurityDescriptorInfo: only the parts that `information` names. */
export function partialDescriptor(from: Descriptor, information: number): Descriptor {
  const dacl = (information & DACL_SECURITY_INFORMATION) !== 0;
  const sacl = (information & (SACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION)) !== 0;
  const label = (a: Ace): boolean => a.type === SYSTEM_MANDATORY_LABEL_ACE_TYPE;
  const wanted = (a: Ace): boolean =>
    label(a) ? (information & LABEL_SECURITY_INFORMATION) !== 0 : (information & SACL_SECURITY_INFORMATION) !== 0;
  const keep =
    (information & OWNER_SECURITY_INFORMATION ? SE_OWNER_DEFAULTED : 0) |
    (information & GROUP_SECURITY_INFORMATION ? SE_GROUP_DEFAULTED : 0) |
    (dacl ? SE_DACL_PRESENT | SE_DACL_DEFAULTED | SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED : 0) |
    (sacl ? SE_SACL_PRESENT | SE_SACL_DEFAULTED | SE_SACL_PROTECTED | SE_SACL_AUTO_INHERITED : 0);
  return {
    control: from.control & keep,
    owner: information & OWNER_SECURITY_INFORMATION ? from.owner : null,
    group: information & GROUP_SECURITY_INFORMATION ? from.group : null,
    dacl: dacl ? from.dacl : null,
    sacl: sacl && from.sacl ? { revision: from.sacl.revision, aces: from.sacl.aces.filter(wanted) } : null,
  };
}

/** Writes the parts of a descriptor that are asked for, self-relative. `length` holds the room and gets the need. */
export function writePart(k: Kernel, from: Descriptor, information: number, to: number, length: number): number {
  const bytes = descriptorBytes(partialDescriptor(from, information));
  const room = k.mem.read32(length);
  k.mem.write32(length, bytes.length);
  if (room < bytes.length) return STATUS_BUFFER_TOO_SMALL;
  k.mem.probe(to, bytes.length, true);
  k.mem.writeBytes(to, bytes);
  return STATUS_SUCCESS;
}
