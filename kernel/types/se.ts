import { array, i64, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { UNICODE_STRING } from './rtl.ts';

export const SID = struct('_SID', { Revision: u8, SubAuthorityCount: u8, IdentifierAuthority: array(u8, 6), SubAuthority: array(u32, 1) });
export const ACL = struct('_ACL', { AclRevision: u8, Sbz1: u8, AclSize: u16, AceCount: u16, Sbz2: u16 });
export const ACE_HEADER = struct('_ACE_HEADER', { AceType: u8, AceFlags: u8, AceSize: u16 });
export const ACCESS_ALLOWED_ACE = struct('_ACCESS_ALLOWED_ACE', { Header: ACE_HEADER, Mask: [4, u32], SidStart: u32 });
/** Absolute form: pointers. */
export const SECURITY_DESCRIPTOR = struct('_SECURITY_DESCRIPTOR', { Revision: u8, Sbz1: u8, Control: u16, Owner: [8, ptr], Group: ptr, Sacl: to('_ACL'), Dacl: to('_ACL') });
/** Self-relative form: offsets from its start. */
export const SECURITY_DESCRIPTOR_RELATIVE = struct('_SECURITY_DESCRIPTOR_RELATIVE', { Revision: u8, Sbz1: u8, Control: u16, Owner: u32, Group: u32, Sacl: u32, Dacl: u32 });
export const SE_OWNER_DEFAULTED = 1, SE_GROUP_DEFAULTED = 2, SE_DACL_PRESENT = 4, SE_DACL_DEFAULTED = 8, SE_SACL_PRESENT = 0x10, SE_SACL_DEFAULTED = 0x20, SE_SELF_RELATIVE = 0x8000;
export const SE_DACL_AUTO_INHERIT_REQ = 0x100, SE_SACL_AUTO_INHERIT_REQ = 0x200, SE_DACL_AUTO_INHERITED = 0x400, SE_SACL_AUTO_INHERITED = 0x800, SE_DACL_PROTECTED = 0x1000, SE_SACL_PROTECTED = 0x2000;
export const SE_RM_CONTROL_VALID = 0x4000;
export const ACCESS_ALLOWED_ACE_TYPE = 0, ACCESS_DENIED_ACE_TYPE = 1, SYSTEM_AUDIT_ACE_TYPE = 2, ACCESS_ALLOWED_OBJECT_ACE_TYPE = 5, ACCESS_DENIED_OBJECT_ACE_TYPE = 6, SYSTEM_AUDIT_OBJECT_ACE_TYPE = 7;
export const ACCESS_ALLOWED_CALLBACK_ACE_TYPE = 9, ACCESS_DENIED_CALLBACK_ACE_TYPE = 10, SYSTEM_MANDATORY_LABEL_ACE_TYPE = 17;
/** ACE_HEADER.AceFlags. */
export const OBJECT_INHERIT_ACE = 1, CONTAINER_INHERIT_ACE = 2, NO_PROPAGATE_INHERIT_ACE = 4, INHERIT_ONLY_ACE = 8, INHERITED_ACE = 0x10, VALID_INHERIT_FLAGS = 0x1f;

/** SECURITY_INFORMATION. */
export const OWNER_SECURITY_INFORMATION = 1, GROUP_SECURITY_INFORMATION = 2, DACL_SECURITY_INFORMATION = 4, SACL_SECURITY_INFORMATION = 8, LABEL_SECURITY_INFORMATION = 0x10;
export const UNPROTECTED_SACL_SECURITY_INFORMATION = 0x10000000, UNPROTECTED_DACL_SECURITY_INFORMATION = 0x20000000, PROTECTED_SACL_SECURITY_INFORMATION = 0x40000000;
export const PROTECTED_DACL_SECURITY_INFORMATION = 0x80000000;

/** In front of a descriptor that an object holds: how many objects and callers hold it. */
export const SECURITY_DESCRIPTOR_HEADER = struct('_SECURITY_DESCRIPTOR_HEADER', { Link: array(u64, 2), RefCount: u32, FullHash: u32, Aligned: u64 }, { size: 0x20 });

export const SID_AND_ATTRIBUTES = struct('_SID_AND_ATTRIBUTES', { Sid: ptr, Attributes: u32 }, { size: 16 });
export const SE_GROUP_MANDATORY = 1, SE_GROUP_ENABLED_BY_DEFAULT = 2, SE_GROUP_ENABLED = 4, SE_GROUP_OWNER = 8, SE_GROUP_USE_FOR_DENY_ONLY = 0x10, SE_GROUP_INTEGRITY = 0x20;
export const SE_GROUP_INTEGRITY_ENABLED = 0x40, SE_GROUP_LOGON_ID = 0xc0000000;
export const SE_PRIVILEGE_ENABLED_BY_DEFAULT = 1, SE_PRIVILEGE_ENABLED = 2, SE_PRIVILEGE_REMOVED = 4, SE_PRIVILEGE_USED_FOR_ACCESS = 0x80000000;
/** Followed by LUID_AND_ATTRIBUTES, 12 bytes each. */
export const PRIVILEGE_SET = struct('_PRIVILEGE_SET', { PrivilegeCount: u32, Control: u32 });
export const PRIVILEGE_SET_ALL_NECESSARY = 1;

export const TokenPrimary = 1, TokenImpersonation = 2;
export const SecurityAnonymous = 0, SecurityIdentification = 1, SecurityImpersonation = 2, SecurityDelegation = 3;
/** TOKEN.TokenFlags. */
export const TOKEN_HAS_TRAVERSE_PRIVILEGE = 1, TOKEN_HAS_BACKUP_PRIVILEGE = 2, TOKEN_HAS_RESTORE_PRIVILEGE = 4, TOKEN_WRITE_RESTRICTED = 8, TOKEN_IS_RESTRICTED = 0x10, TOKEN_SANDBOX_INERT = 0x40;
export const TOKEN_VIRTUALIZE_ALLOWED = 0x200, TOKEN_VIRTUALIZE_ENABLED = 0x400, TOKEN_UIACCESS = 0x1000;
/** TOKEN.DynamicCharged: what a token has room for, of its primary group and default DACL together. */
export const TOKEN_DYNAMIC_CHARGE = 0x1000;

export const SEP_TOKEN_PRIVILEGES = struct('_SEP_TOKEN_PRIVILEGES', { Present: u64, Enabled: u64, EnabledByDefault: u64 });
export const TOKEN_SOURCE = struct('_TOKEN_SOURCE', { SourceName: array(u8, 8), SourceIdentifier: [8, u64] });
export const TOKEN = struct('_TOKEN', {
  TokenSource: TOKEN_SOURCE, TokenId: [0x10, u64], AuthenticationId: u64, ParentTokenId: u64, ExpirationTime: i64, TokenLock: ptr, ModifiedId: u64, Privileges: SEP_TOKEN_PRIVILEGES,
  AuditPolicy: array(u8, 0x1f), SessionId: [0x78, u32], UserAndGroupCount: u32, RestrictedSidCount: u32, VariableLength: u32, DynamicCharged: u32, DynamicAvailable: u32, DefaultOwnerIndex: u32,
  UserAndGroups: [0x98, ptr], RestrictedSids: ptr, PrimaryGroup: ptr, DynamicPart: ptr, DefaultDacl: to('_ACL'), TokenType: u32, ImpersonationLevel: u32, TokenFlags: u32, TokenInUse: u8,
  IntegrityLevelIndex: [0xd0, u32], MandatoryPolicy: u32, LogonSession: ptr, OriginatingLogonSession: u64, SidHash: array(u64, 34), RestrictedSidHash: array(u64, 34), pSecurityAttributes: ptr,
  Package: ptr, Capabilities: ptr, CapabilityCount: u32, CapabilitiesHash: [0x328, array(u64, 34)], LowboxNumberEntry: ptr, LowboxHandlesEntry: ptr, pClaimAttributes: ptr, TrustLevelSid: ptr,
  TrustLinkedToken: ptr, IntegrityLevelSidValue: ptr, TokenSidValues: ptr, IndexEntry: ptr, DiagnosticInfo: ptr, BnoIsolationHandlesEntry: ptr, SessionObject: ptr, VariablePart: u64,
});

export const SECURITY_SUBJECT_CONTEXT = struct('_SECURITY_SUBJECT_CONTEXT', { ClientToken: to('_TOKEN'), ImpersonationLevel: u32, PrimaryToken: [0x10, to('_TOKEN')], ProcessAuditId: ptr });
export const SECURITY_QUALITY_OF_SERVICE = struct('_SECURITY_QUALITY_OF_SERVICE', { Length: u32, ImpersonationLevel: u32, ContextTrackingMode: u8, EffectiveOnly: u8 });
export const TOKEN_CONTROL = struct('_TOKEN_CONTROL', { TokenId: array(u32, 2), AuthenticationId: array(u32, 2), ModifiedId: array(u32, 2), TokenSource: array(u32, 4) });
export const SECURITY_CLIENT_CONTEXT = struct('_SECURITY_CLIENT_CONTEXT', {
  SecurityQos: SECURITY_QUALITY_OF_SERVICE, ClientToken: [0x10, to('_TOKEN')], DirectlyAccessClientToken: u8, DirectAccessEffectiveOnly: u8, ServerIsRemote: u8, ClientTokenControl: [0x1c, TOKEN_CONTROL],
});
export const ACCESS_STATE = struct('_ACCESS_STATE', {
  OperationID: u64, SecurityEvaluated: u8, GenerateAudit: u8, GenerateOnClose: u8, PrivilegesAllocated: u8, Flags: u32, RemainingDesiredAccess: u32, PreviouslyGrantedAccess: u32,
  OriginalDesiredAccess: u32, SubjectSecurityContext: [0x20, SECURITY_SUBJECT_CONTEXT], SecurityDescriptor: ptr, AuxData: ptr, Privileges: [0x50, array(u32, 11)], AuditPrivileges: u8,
  ObjectName: [0x80, UNICODE_STRING], ObjectTypeName: UNICODE_STRING,
});
/** What ACCESS_STATE.AuxData points to. */
export const AUX_ACCESS_DATA = struct('_AUX_ACCESS_DATA', { PrivilegesUsed: ptr, GenericMapping: array(u32, 4), AccessesToAudit: u32, MaximumAuditMask: u32, TransactionId: array(u64, 2) }, { size: 0xe0 });
