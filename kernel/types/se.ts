import { array, ptr, struct, u16, u32, u8 } from './struct.ts';
import { to } from './reference.ts';

export const SID = struct('_SID', { Revision: u8, SubAuthorityCount: u8, IdentifierAuthority: array(u8, 6), SubAuthority: array(u32, 1) });
export const ACL = struct('_ACL', { AclRevision: u8, Sbz1: u8, AclSize: u16, AceCount: u16, Sbz2: u16 });
export const ACE_HEADER = struct('_ACE_HEADER', { AceType: u8, AceFlags: u8, AceSize: u16 });
export const ACCESS_ALLOWED_ACE = struct('_ACCESS_ALLOWED_ACE', { Header: ACE_HEADER, Mask: [4, u32], SidStart: u32 });
/** Absolute form: pointers. */
export const SECURITY_DESCRIPTOR = struct('_SECURITY_DESCRIPTOR', { Revision: u8, Sbz1: u8, Control: u16, Owner: [8, ptr], Group: ptr, Sacl: to('_ACL'), Dacl: to('_ACL') });
/** Self-relative form: offsets from its start. */
export const SECURITY_DESCRIPTOR_RELATIVE = struct('_SECURITY_DESCRIPTOR_RELATIVE', { Revision: u8, Sbz1: u8, Control: u16, Owner: u32, Group: u32, Sacl: u32, Dacl: u32 });
export const SE_OWNER_DEFAULTED = 1, SE_GROUP_DEFAULTED = 2, SE_DACL_PRESENT = 4, SE_DACL_DEFAULTED = 8, SE_SACL_PRESENT = 0x10, SE_SACL_DEFAULTED = 0x20, SE_SELF_RELATIVE = 0x8000;
export const ACCESS_ALLOWED_ACE_TYPE = 0, ACCESS_DENIED_ACE_TYPE = 1;
