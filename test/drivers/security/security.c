/* The access check of the reference monitor, and the descriptors that it reads: order of entries, owners, privileges, integrity, inheritance. */
#include <ntifs.h>
#include "../ktest.h"

#define SEF_DACL_AUTO_INHERIT 1
#define SEF_AVOID_PRIVILEGE_CHECK 8
#define SEF_AVOID_OWNER_CHECK 0x10
#define SEF_DEFAULT_OWNER_FROM_PARENT 0x20
#ifndef DISABLE_MAX_PRIVILEGE
#define DISABLE_MAX_PRIVILEGE 1
#endif
NTSTATUS NTAPI SeCreateAccessState(PACCESS_STATE, PVOID, ACCESS_MASK, PGENERIC_MAPPING);
VOID NTAPI SeDeleteAccessState(PACCESS_STATE);

static const GENERIC_MAPPING Mapping = {0x20001, 0x20002, 0x20004, 0x1f000f};
static SID World = {1, 1, {SECURITY_WORLD_SID_AUTHORITY}, {0}};
static SID System = {1, 1, {SECURITY_NT_AUTHORITY}, {18}};
static SID OwnerRights = {1, 1, {SECURITY_CREATOR_SID_AUTHORITY}, {4}};
static SID CreatorOwner = {1, 1, {SECURITY_CREATOR_SID_AUTHORITY}, {0}};
static SID Other = {1, 1, {SECURITY_NT_AUTHORITY}, {99}};
static struct { SID Sid; ULONG Second; } Admins = {{1, 2, {SECURITY_NT_AUTHORITY}, {32}}, 544};
static SECURITY_SUBJECT_CONTEXT Limited; /* a subject that is neither the system nor an administrator */
static PACCESS_TOKEN LimitedToken;

typedef struct _LIST { ACL Acl; UCHAR Room[400]; } LIST;
static NTSTATUS Status;
static ACCESS_MASK Granted;

static VOID Add(LIST *List, UCHAR Type, UCHAR Flags, ACCESS_MASK Mask, PSID Sid)
{
    PACE_HEADER ace;
    if (Type == ACCESS_ALLOWED_ACE_TYPE) RtlAddAccessAllowedAceEx(&List->Acl, ACL_REVISION, Flags, Mask, Sid);
    else
    {
        ULONG at = List->Acl.AceCount;
        /* The flags of audits are not for entries that allow: they come after. */
        RtlAddAccessAllowedAceEx(&List->Acl, ACL_REVISION, 0, Mask, Sid);
        RtlGetAce(&List->Acl, at, (PVOID *)&ace);
        ace->AceType = Type;
        ace->AceFlags = Flags;
    }
}
static VOID Fresh(LIST *List) { RtlCreateAcl(&List->Acl, sizeof(*List), ACL_REVISION); }

static VOID Descriptor(PSECURITY_DESCRIPTOR Sd, PSID Owner, LIST *Dacl)
{
    RtlCreateSecurityDescriptor(Sd, SECURITY_DESCRIPTOR_REVISION);
    RtlSetOwnerSecurityDescriptor(Sd, Owner, FALSE);
    RtlSetGroupSecurityDescriptor(Sd, Owner, FALSE);
    RtlSetDaclSecurityDescriptor(Sd, TRUE, Dacl ? &Dacl->Acl : NULL, FALSE);
}
static BOOLEAN Check(PSECURITY_DESCRIPTOR Sd, PSECURITY_SUBJECT_CONTEXT Subject, ACCESS_MASK Desired, ACCESS_MASK Before, KPROCESSOR_MODE Mode, PPRIVILEGE_SET *Used)
{
    Status = 0xdead; Granted = 0xdead;
    return SeAccessCheck(Sd, Subject, FALSE, Desired, Before, Used, (PGENERIC_MAPPING)&Mapping, Mode, &Granted, &Status);
}

static VOID Order(VOID)
{
    SECURITY_DESCRIPTOR sd;
    LIST list;
    PSECURITY_SUBJECT_CONTEXT s = &Limited;
    Descriptor(&sd, &System, NULL);
    OUTCOME(SeAccessCheck, "a null DACL grants everything", Check(&sd, s, 7, 0, UserMode, NULL) && Granted == 7 && Status == STATUS_SUCCESS);
    Fresh(&list); Descriptor(&sd, &System, &list);
    OUTCOME(SeAccessCheck, "an empty DACL grants nothing: STATUS_ACCESS_DENIED", !Check(&sd, s, 1, 0, UserMode, NULL) && Status == STATUS_ACCESS_DENIED);
    OUTCOME(SeAccessCheck, "kernel mode gets what it asks for", Check(&sd, s, 5, 2, KernelMode, NULL) && Granted == 7);
    OUTCOME(SeAccessCheck, "kernel mode gets everything with MAXIMUM_ALLOWED", Check(&sd, s, MAXIMUM_ALLOWED, 0, KernelMode, NULL) && Granted == 0x1f000f);
    OUTCOME(SeAccessCheck, "without a descriptor user mode is denied", !Check(NULL, s, 1, 0, UserMode, NULL) && Status == STATUS_ACCESS_DENIED);
    OUTCOME(SeAccessCheck, "nothing desired and nothing granted before is denied", !Check(&sd, s, 0, 0, UserMode, NULL) && Status == STATUS_ACCESS_DENIED);
    OUTCOME(SeAccessCheck, "nothing more desired keeps what was granted before", Check(&sd, s, 0, 4, UserMode, NULL) && Granted == 4);
    Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 3, &World);
    OUTCOME(SeAccessCheck, "an entry for a group of the token grants", Check(&sd, s, 3, 0, UserMode, NULL) && Granted == 3);
    OUTCOME(SeAccessCheck, "all that is desired must be granted", !Check(&sd, s, 7, 0, UserMode, NULL) && Status == STATUS_ACCESS_DENIED);
    OUTCOME(SeAccessCheck, "what was granted before is added", Check(&sd, s, 1, 8, UserMode, NULL) && Granted == 9);
    OUTCOME(SeAccessCheck, "MAXIMUM_ALLOWED gives all that the entries grant", Check(&sd, s, MAXIMUM_ALLOWED, 0, UserMode, NULL) && Granted == 3);
    OUTCOME(SeAccessCheck, "generic rights are mapped", Check(&sd, s, 0, 1, UserMode, NULL) && !Check(&sd, s, GENERIC_READ, 0, UserMode, NULL));
    Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 4, &Other);
    OUTCOME(SeAccessCheck, "entries for others do not count", !Check(&sd, s, 4, 0, UserMode, NULL));
    Add(&list, ACCESS_DENIED_ACE_TYPE, 0, 1, &World);
    OUTCOME(SeAccessCheck, "an entry that allows before one that denies wins", Check(&sd, s, 1, 0, UserMode, NULL));
    Fresh(&list);
    Add(&list, ACCESS_DENIED_ACE_TYPE, 0, 1, &World);
    Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 7, &World);
    OUTCOME(SeAccessCheck, "an entry that denies before one that allows wins", !Check(&sd, s, 1, 0, UserMode, NULL) && Check(&sd, s, 6, 0, UserMode, NULL));
    OUTCOME(SeAccessCheck, "MAXIMUM_ALLOWED leaves out what is denied first", Check(&sd, s, MAXIMUM_ALLOWED, 0, UserMode, NULL) && Granted == 6);
    Fresh(&list);
    Add(&list, ACCESS_ALLOWED_ACE_TYPE, INHERIT_ONLY_ACE, 7, &World);
    OUTCOME(SeAccessCheck, "an inherit-only entry does not count", !Check(&sd, s, 1, 0, UserMode, NULL));
    Fresh(&list);
    Add(&list, ACCESS_DENIED_ACE_TYPE, 0, 1, &Admins.Sid);
    Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 7, &Admins.Sid);
    Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 3, &World);
    OUTCOME(SeAccessCheck, "a group for denials only denies and does not allow", !Check(&sd, s, 1, 0, UserMode, NULL) && !Check(&sd, s, 4, 0, UserMode, NULL) && Check(&sd, s, 2, 0, UserMode, NULL));
}

static VOID Owners(VOID)
{
    SECURITY_DESCRIPTOR sd;
    LIST list;
    SECURITY_SUBJECT_CONTEXT self;
    SeCaptureSubjectContext(&self);
    OUTCOME(SeCaptureSubjectContext, "holds the primary token of the process", self.PrimaryToken != NULL && self.ClientToken == NULL);
    SeLockSubjectContext(&self);
    Fresh(&list); Descriptor(&sd, &System, &list);
    OUTCOME(SeAccessCheck, "the owner may read and change the DACL", Check(&sd, &self, READ_CONTROL | WRITE_DAC, 0, UserMode, NULL) && Granted == (READ_CONTROL | WRITE_DAC));
    OUTCOME(SeLockSubjectContext, "the access check works on a locked subject", SeAccessCheck(&sd, &self, TRUE, READ_CONTROL, 0, NULL, (PGENERIC_MAPPING)&Mapping, UserMode, &Granted, &Status));
    SeUnlockSubjectContext(&self);
    OUTCOME(SeUnlockSubjectContext, "the subject can be used again", Check(&sd, &self, READ_CONTROL, 0, UserMode, NULL));
    OUTCOME(SeAccessCheck, "who is not the owner may not", !Check(&sd, &Limited, READ_CONTROL, 0, UserMode, NULL));
    Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, READ_CONTROL, &OwnerRights);
    OUTCOME(SeAccessCheck, "an entry for OWNER RIGHTS takes the place of the owner's rights", !Check(&sd, &self, WRITE_DAC, 0, UserMode, NULL) && Check(&sd, &self, READ_CONTROL, 0, UserMode, NULL));
    SeReleaseSubjectContext(&self);
    OUTCOME(SeReleaseSubjectContext, "gives the tokens back", self.PrimaryToken == NULL);
}

static VOID Privileges(VOID)
{
    SECURITY_DESCRIPTOR sd;
    LIST list;
    PPRIVILEGE_SET used = NULL;
    SECURITY_SUBJECT_CONTEXT self;
    struct { ULONG Count, Control; LUID_AND_ATTRIBUTES Privilege[2]; } set = {2, PRIVILEGE_SET_ALL_NECESSARY, {{{SE_DEBUG_PRIVILEGE, 0}, 0}, {{SE_RESTORE_PRIVILEGE, 0}, 0}}};
    LUID debug = {SE_DEBUG_PRIVILEGE, 0}, restore = {SE_RESTORE_PRIVILEGE, 0};
    HANDLE token;
    struct { ULONG Count; LUID_AND_ATTRIBUTES Privilege[2]; } on = {2, {{{SE_SECURITY_PRIVILEGE, 0}, SE_PRIVILEGE_ENABLED}, {{SE_TAKE_OWNERSHIP_PRIVILEGE, 0}, SE_PRIVILEGE_ENABLED}}};
    SeCaptureSubjectContext(&self);
    OUTCOME(SeSinglePrivilegeCheck, "TRUE for an enabled privilege", SeSinglePrivilegeCheck(debug, UserMode));
    OUTCOME(SeSinglePrivilegeCheck, "FALSE for one that is not enabled", !SeSinglePrivilegeCheck(restore, UserMode));
    OUTCOME(SeSinglePrivilegeCheck, "TRUE for kernel mode, whatever the token has", SeSinglePrivilegeCheck(restore, KernelMode));
    OUTCOME(SePrivilegeCheck, "FALSE when one of all that are necessary is missing", !SePrivilegeCheck((PPRIVILEGE_SET)&set, &self, UserMode));
    OUTCOME(SePrivilegeCheck, "marks those that were used", (set.Privilege[0].Attributes & SE_PRIVILEGE_USED_FOR_ACCESS) && !(set.Privilege[1].Attributes & SE_PRIVILEGE_USED_FOR_ACCESS));
    OUTCOME(SePrivilegeCheck, "TRUE for kernel mode", SePrivilegeCheck((PPRIVILEGE_SET)&set, &self, KernelMode));
    set.Control = 0;
    OUTCOME(SePrivilegeCheck, "one is enough when not all are necessary", SePrivilegeCheck((PPRIVILEGE_SET)&set, &self, UserMode));
    Fresh(&list); Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 7, &System); Descriptor(&sd, &Other, &list);
    OUTCOME(SeAccessCheck, "ACCESS_SYSTEM_SECURITY without the privilege: STATUS_PRIVILEGE_NOT_HELD", !Check(&sd, &self, ACCESS_SYSTEM_SECURITY, 0, UserMode, NULL) && Status == STATUS_PRIVILEGE_NOT_HELD);
    OUTCOME(SeAccessCheck, "WRITE_OWNER without the privilege is denied", !Check(&sd, &self, WRITE_OWNER, 0, UserMode, NULL) && Status == STATUS_ACCESS_DENIED);
    CHECK(ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, OBJ_KERNEL_HANDLE, &token) == STATUS_SUCCESS);
    CHECK(ZwAdjustPrivilegesToken(token, FALSE, (PTOKEN_PRIVILEGES)&on, 0, NULL, NULL) == STATUS_SUCCESS);
    OUTCOME(SeAccessCheck, "SeSecurityPrivilege grants ACCESS_SYSTEM_SECURITY", Check(&sd, &self, ACCESS_SYSTEM_SECURITY, 0, UserMode, &used) && Granted == ACCESS_SYSTEM_SECURITY);
    OUTCOME(SeAccessCheck, "returns the privileges that were used", used && used->PrivilegeCount == 1 && used->Privilege[0].Luid.LowPart == SE_SECURITY_PRIVILEGE);
    {
        ACCESS_STATE state;
        UCHAR aux[0xe0] __attribute__((aligned(8)));
        CHECK(SeCreateAccessState(&state, aux, GENERIC_READ, (PGENERIC_MAPPING)&Mapping) == STATUS_SUCCESS);
        OUTCOME(SeCreateAccessState, "maps the desired access and holds the subject", state.RemainingDesiredAccess == Mapping.GenericRead && state.OriginalDesiredAccess == GENERIC_READ && state.SubjectSecurityContext.PrimaryToken);
        OUTCOME(SeAppendPrivileges, "adds privileges to an access state", SeAppendPrivileges(&state, used) == STATUS_SUCCESS && state.Privileges.InitialPrivilegeSet.PrivilegeCount == 1);
        CHECK(SeAppendPrivileges(&state, used) == STATUS_SUCCESS && SeAppendPrivileges(&state, used) == STATUS_SUCCESS);
        OUTCOME(SeAppendPrivileges, "more than three go into a larger set", SeAppendPrivileges(&state, used) == STATUS_SUCCESS && state.PrivilegesAllocated);
        SeDeleteAccessState(&state);
        OUTCOME(SeDeleteAccessState, "gives the subject back", state.SubjectSecurityContext.PrimaryToken == NULL);
    }
    SeFreePrivileges(used);
    OUTCOME(SeFreePrivileges, "frees the set that SeAccessCheck returned", TRUE);
    OUTCOME(SeAccessCheck, "SeTakeOwnershipPrivilege grants WRITE_OWNER", Check(&sd, &self, WRITE_OWNER, 0, UserMode, &used) && used && used->Privilege[0].Luid.LowPart == SE_TAKE_OWNERSHIP_PRIVILEGE);
    if (used) SeFreePrivileges(used);
    OUTCOME(SeAccessCheck, "returns no privileges when none were used", Check(&sd, &self, 1, 0, UserMode, &used) && used == NULL);
    on.Privilege[0].Attributes = on.Privilege[1].Attributes = 0;
    CHECK(ZwAdjustPrivilegesToken(token, FALSE, (PTOKEN_PRIVILEGES)&on, 0, NULL, NULL) == STATUS_SUCCESS);
    ZwClose(token);
    SeReleaseSubjectContext(&self);
}

/* A thread that impersonates: the client's token counts, if its level reaches. */
static VOID Impersonation(VOID)
{
    SECURITY_DESCRIPTOR sd;
    SECURITY_SUBJECT_CONTEXT s;
    LIST list;
    Fresh(&list); Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 1, &System); Add(&list, ACCESS_ALLOWED_ACE_TYPE, 0, 2, &World); Descriptor(&sd, &Other, &list);
    CHECK(PsImpersonateClient(PsGetCurrentThread(), LimitedToken, FALSE, FALSE, SecurityImpersonation) == STATUS_SUCCESS);
    SeCaptureSubjectContext(&s);
    OUTCOME(SeCaptureSubjectContext, "holds the token of an impersonating thread", s.ClientToken != NULL && s.ImpersonationLevel == SecurityImpersonation);
    OUTCOME(SeAccessCheck, "the impersonated token counts", !Check(&sd, &s, 1, 0, UserMode, NULL) && Check(&sd, &s, 2, 0, UserMode, NULL));
    SeReleaseSubjectContext(&s);
    PsRevertToSelf();
    CHECK(PsImpersonateClient(PsGetCurrentThread(), LimitedToken, FALSE, FALSE, SecurityIdentification) == STATUS_SUCCESS);
    SeCaptureSubjectContext(&s);
    OUTCOME(SeAccessCheck, "a token for identification only: STATUS_BAD_IMPERSONATION_LEVEL", !Check(&sd, &s, 2, 0, UserMode, NULL) && Status == STATUS_BAD_IMPERSONATION_LEVEL);
    SeReleaseSubjectContext(&s);
    PsRevertToSelf();
}

static VOID Labels(VOID)
{
    SECURITY_DESCRIPTOR sd;
    LIST dacl, sacl;
    SID high = {1, 1, {{0, 0, 0, 0, 0, 16}}, {0x5000}};
    SECURITY_SUBJECT_CONTEXT self;
    SeCaptureSubjectContext(&self);
    Fresh(&dacl); Add(&dacl, ACCESS_ALLOWED_ACE_TYPE, 0, 0x1f000f, &World); Descriptor(&sd, &Other, &dacl);
    Fresh(&sacl); Add(&sacl, 17, 0, 1 /* no write up */, &high);
    RtlSetSaclSecurityDescriptor(&sd, TRUE, &sacl.Acl, FALSE);
    OUTCOME(SeAccessCheck, "a label above the token's forbids writing", !Check(&sd, &self, 2, 0, UserMode, NULL) && Status == STATUS_ACCESS_DENIED);
    OUTCOME(SeAccessCheck, "a label above the token's leaves reading", Check(&sd, &self, 1, 0, UserMode, NULL));
    high.SubAuthority[0] = 0x1000;
    Fresh(&sacl); Add(&sacl, 17, 0, 1, &high);
    OUTCOME(SeAccessCheck, "a label below the token's changes nothing", Check(&sd, &self, 2, 0, UserMode, NULL));
    SeReleaseSubjectContext(&self);
}

static VOID Assigning(VOID)
{
    SECURITY_DESCRIPTOR parent, explicit;
    LIST dacl, mine;
    PSECURITY_DESCRIPTOR made = NULL;
    SECURITY_SUBJECT_CONTEXT self;
    BOOLEAN present, defaulted;
    PACL got = NULL;
    PSID owner = NULL;
    PACCESS_ALLOWED_ACE ace = NULL;
    SeCaptureSubjectContext(&self);
    OUTCOME(SeAssignSecurity, "without parent and explicit descriptor: the defaults of the token", SeAssignSecurity(NULL, NULL, &made, FALSE, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(made, &present, &got, &defaulted)) && present && got->AceCount == 2);
    OUTCOME(SeAssignSecurity, "the owner is the token's", NT_SUCCESS(RtlGetOwnerSecurityDescriptor(made, &owner, &defaulted)) && RtlEqualSid(owner, &Admins.Sid));
    OUTCOME(SeAssignSecurity, "generic rights are mapped", NT_SUCCESS(RtlGetAce(got, 0, (PVOID *)&ace)) && ace->Mask == Mapping.GenericAll);
    OUTCOME(SeValidSecurityDescriptor, "TRUE for a descriptor that SeAssignSecurity made", SeValidSecurityDescriptor(RtlLengthSecurityDescriptor(made), made));
    OUTCOME(SeValidSecurityDescriptor, "FALSE for a length that is too small", !SeValidSecurityDescriptor(RtlLengthSecurityDescriptor(made) - 4, made) && !SeValidSecurityDescriptor(10, made));
    *(UCHAR *)made = 9;
    OUTCOME(SeValidSecurityDescriptor, "FALSE for an unknown revision", !SeValidSecurityDescriptor(RtlLengthSecurityDescriptor(made), made));
    *(UCHAR *)made = 1;
    OUTCOME(SeDeassignSecurity, "frees the descriptor and clears the pointer", SeDeassignSecurity(&made) == STATUS_SUCCESS && made == NULL);

    Fresh(&dacl);
    Add(&dacl, ACCESS_ALLOWED_ACE_TYPE, OBJECT_INHERIT_ACE, 1, &World);
    Add(&dacl, ACCESS_ALLOWED_ACE_TYPE, CONTAINER_INHERIT_ACE, 2, &World);
    Add(&dacl, ACCESS_ALLOWED_ACE_TYPE, 0, 4, &World);
    Descriptor(&parent, &System, &dacl);
    CHECK(SeAssignSecurity(&parent, NULL, &made, FALSE, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
    RtlGetDaclSecurityDescriptor(made, &present, &got, &defaulted);
    OUTCOME(SeAssignSecurity, "an object inherits the entries for objects of its container", present && got->AceCount == 1 && NT_SUCCESS(RtlGetAce(got, 0, (PVOID *)&ace)) && ace->Mask == 1 && ace->Header.AceFlags == 0);
    SeDeassignSecurity(&made);
    CHECK(SeAssignSecurity(&parent, NULL, &made, TRUE, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
    RtlGetDaclSecurityDescriptor(made, &present, &got, &defaulted);
    OUTCOME(SeAssignSecurity, "a container passes entries for objects on, and has those for containers", got->AceCount == 2 && NT_SUCCESS(RtlGetAce(got, 0, (PVOID *)&ace)) && ace->Header.AceFlags == (OBJECT_INHERIT_ACE | INHERIT_ONLY_ACE) && NT_SUCCESS(RtlGetAce(got, 1, (PVOID *)&ace)) && ace->Header.AceFlags == CONTAINER_INHERIT_ACE);
    SeDeassignSecurity(&made);
    Fresh(&mine); Add(&mine, ACCESS_ALLOWED_ACE_TYPE, 0, GENERIC_READ, &Other); Descriptor(&explicit, &System, &mine);
    CHECK(SeAssignSecurity(&parent, &explicit, &made, FALSE, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
    RtlGetDaclSecurityDescriptor(made, &present, &got, &defaulted);
    OUTCOME(SeAssignSecurity, "an explicit DACL takes the place of inheritance", got->AceCount == 1 && NT_SUCCESS(RtlGetAce(got, 0, (PVOID *)&ace)) && ace->Mask == Mapping.GenericRead);
    SeDeassignSecurity(&made);
    CHECK(SeAssignSecurityEx(&parent, &explicit, &made, NULL, FALSE, SEF_DACL_AUTO_INHERIT, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
    RtlGetDaclSecurityDescriptor(made, &present, &got, &defaulted);
    OUTCOME(SeAssignSecurityEx, "with automatic inheritance the inherited entries come behind the explicit ones, marked", got->AceCount == 2 && NT_SUCCESS(RtlGetAce(got, 1, (PVOID *)&ace)) && (ace->Header.AceFlags & INHERITED_ACE) && ace->Mask == 1);
    SeDeassignSecurity(&made);
    CHECK(SeAssignSecurityEx(&parent, NULL, &made, NULL, FALSE, SEF_DEFAULT_OWNER_FROM_PARENT, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
    OUTCOME(SeAssignSecurityEx, "the owner can come from the parent", NT_SUCCESS(RtlGetOwnerSecurityDescriptor(made, &owner, &defaulted)) && RtlEqualSid(owner, &System));
    SeDeassignSecurity(&made);
    Fresh(&dacl); Add(&dacl, ACCESS_ALLOWED_ACE_TYPE, OBJECT_INHERIT_ACE | INHERIT_ONLY_ACE, 1, &CreatorOwner);
    CHECK(SeAssignSecurity(&parent, NULL, &made, FALSE, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
    RtlGetDaclSecurityDescriptor(made, &present, &got, &defaulted);
    OUTCOME(SeAssignSecurity, "CREATOR OWNER becomes the owner", NT_SUCCESS(RtlGetAce(got, 0, (PVOID *)&ace)) && RtlEqualSid(&ace->SidStart, &Admins.Sid));
    SeDeassignSecurity(&made);
    Descriptor(&explicit, &Other, &mine);
    OUTCOME(SeAssignSecurityEx, "an owner that the subject may not name: STATUS_INVALID_OWNER", SeAssignSecurityEx(NULL, &explicit, &made, NULL, FALSE, 0, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_INVALID_OWNER);
    OUTCOME(SeAssignSecurity, "an owner that the subject may not name: STATUS_INVALID_OWNER", SeAssignSecurity(NULL, &explicit, &made, FALSE, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_INVALID_OWNER);
    OUTCOME(SeAssignSecurityEx, "SEF_AVOID_OWNER_CHECK lets any owner pass", SeAssignSecurityEx(NULL, &explicit, &made, NULL, FALSE, SEF_AVOID_OWNER_CHECK, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
    SeDeassignSecurity(&made);
    Descriptor(&explicit, &System, &mine);
    {
        LIST sacl;
        Fresh(&sacl); Add(&sacl, 2 /* audit */, 0x40, 1, &World);
        RtlSetSaclSecurityDescriptor(&explicit, TRUE, &sacl.Acl, FALSE);
        OUTCOME(SeAssignSecurityEx, "a SACL without SeSecurityPrivilege: STATUS_PRIVILEGE_NOT_HELD", SeAssignSecurityEx(NULL, &explicit, &made, NULL, FALSE, 0, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_PRIVILEGE_NOT_HELD);
        OUTCOME(SeAssignSecurityEx, "SEF_AVOID_PRIVILEGE_CHECK lets a SACL pass", SeAssignSecurityEx(NULL, &explicit, &made, NULL, FALSE, SEF_AVOID_PRIVILEGE_CHECK, &self, (PGENERIC_MAPPING)&Mapping, PagedPool) == STATUS_SUCCESS);
        SeDeassignSecurity(&made);
    }
    SeReleaseSubjectContext(&self);
}

static VOID Parts(VOID)
{
    SECURITY_DESCRIPTOR sd, change;
    LIST dacl, other;
    UCHAR room[300] __attribute__((aligned(8)));
    ULONG length;
    SECURITY_INFORMATION info;
    PSECURITY_DESCRIPTOR held = &sd, captured = NULL, before;
    BOOLEAN present, defaulted;
    PACL got;
    PSID sid;
    OUTCOME(RtlCreateSecurityDescriptor, "an unknown revision: STATUS_UNKNOWN_REVISION", RtlCreateSecurityDescriptor(&sd, 2) == STATUS_UNKNOWN_REVISION);
    OUTCOME(RtlCreateSecurityDescriptor, "makes a descriptor without parts", RtlCreateSecurityDescriptor(&sd, 1) == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(&sd, &present, &got, &defaulted)) && !present);
    OUTCOME(RtlValidSecurityDescriptor, "TRUE for an empty descriptor", RtlValidSecurityDescriptor(&sd));
    OUTCOME(RtlLengthSecurityDescriptor, "an absolute descriptor without parts", RtlLengthSecurityDescriptor(&sd) == sizeof(SECURITY_DESCRIPTOR));
    Fresh(&dacl); Add(&dacl, ACCESS_ALLOWED_ACE_TYPE, 0, 1, &World);
    OUTCOME(RtlSetDaclSecurityDescriptor, "sets the list and its flags", RtlSetDaclSecurityDescriptor(&sd, TRUE, &dacl.Acl, TRUE) == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(&sd, &present, &got, &defaulted)) && present && defaulted && got == &dacl.Acl);
    OUTCOME(RtlSetDaclSecurityDescriptor, "takes the list away", RtlSetDaclSecurityDescriptor(&sd, FALSE, NULL, FALSE) == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(&sd, &present, &got, &defaulted)) && !present);
    Descriptor(&sd, &System, &dacl);
    OUTCOME(RtlLengthSecurityDescriptor, "counts the owner, the group and the lists", RtlLengthSecurityDescriptor(&sd) == sizeof(SECURITY_DESCRIPTOR) + 2 * 12 + sizeof(LIST));
    sd.Revision = 3;
    OUTCOME(RtlSetDaclSecurityDescriptor, "an unknown revision: STATUS_UNKNOWN_REVISION", RtlSetDaclSecurityDescriptor(&sd, TRUE, NULL, FALSE) == STATUS_UNKNOWN_REVISION);
    OUTCOME(RtlValidSecurityDescriptor, "FALSE for an unknown revision", !RtlValidSecurityDescriptor(&sd));
    sd.Revision = 1;
    ((PISID)sd.Owner)->SubAuthorityCount = 16;
    OUTCOME(RtlValidSecurityDescriptor, "FALSE for a bad identifier", !RtlValidSecurityDescriptor(&sd));
    ((PISID)sd.Owner)->SubAuthorityCount = 1;
    dacl.Acl.AceCount = 200;
    OUTCOME(RtlValidSecurityDescriptor, "FALSE for a list whose entries do not lie in it", !RtlValidSecurityDescriptor(&sd));
    dacl.Acl.AceCount = 1;
    info = DACL_SECURITY_INFORMATION; length = 0;
    OUTCOME(SeQuerySecurityDescriptorInfo, "a buffer that is too small: STATUS_BUFFER_TOO_SMALL and the length", SeQuerySecurityDescriptorInfo(&info, room, &length, &held) == STATUS_BUFFER_TOO_SMALL && length > sizeof(SECURITY_DESCRIPTOR_RELATIVE));
    length = sizeof(room);
    OUTCOME(SeQuerySecurityDescriptorInfo, "copies the parts that are asked for, self-relative", SeQuerySecurityDescriptorInfo(&info, room, &length, &held) == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(room, &present, &got, &defaulted)) && present && got->AceCount == 1);
    OUTCOME(SeQuerySecurityDescriptorInfo, "leaves out the others", NT_SUCCESS(RtlGetOwnerSecurityDescriptor(room, &sid, &defaulted)) && sid == NULL);
    OUTCOME(RtlValidRelativeSecurityDescriptor, "TRUE with the parts that are required", RtlValidRelativeSecurityDescriptor(room, length, DACL_SECURITY_INFORMATION));
    OUTCOME(RtlValidRelativeSecurityDescriptor, "FALSE when a required part is missing", !RtlValidRelativeSecurityDescriptor(room, length, OWNER_SECURITY_INFORMATION));
    OUTCOME(RtlSetDaclSecurityDescriptor, "a self-relative descriptor: STATUS_INVALID_SECURITY_DESCR", RtlSetDaclSecurityDescriptor(room, TRUE, NULL, FALSE) == STATUS_INVALID_SECURITY_DESCR);
    {
        extern NTSTATUS NTAPI SeCaptureSecurityDescriptor(PSECURITY_DESCRIPTOR, KPROCESSOR_MODE, POOL_TYPE, BOOLEAN, PSECURITY_DESCRIPTOR *);
        extern VOID NTAPI SeReleaseSecurityDescriptor(PSECURITY_DESCRIPTOR, KPROCESSOR_MODE, BOOLEAN);
        OUTCOME(SeCaptureSecurityDescriptor, "makes a self-relative copy", SeCaptureSecurityDescriptor(&sd, KernelMode, PagedPool, TRUE, &captured) == STATUS_SUCCESS && captured != &sd && (((PISECURITY_DESCRIPTOR)captured)->Control & SE_SELF_RELATIVE));
        SeReleaseSecurityDescriptor(captured, KernelMode, TRUE);
        OUTCOME(SeCaptureSecurityDescriptor, "without capture for kernel mode: the original", SeCaptureSecurityDescriptor(&sd, KernelMode, PagedPool, FALSE, &captured) == STATUS_SUCCESS && captured == &sd);
        SeReleaseSecurityDescriptor(captured, KernelMode, FALSE);
        OUTCOME(SeReleaseSecurityDescriptor, "frees a copy, and leaves an original alone", sd.Revision == 1);
        sd.Revision = 4;
        OUTCOME(SeCaptureSecurityDescriptor, "an unknown revision: STATUS_UNKNOWN_REVISION", SeCaptureSecurityDescriptor(&sd, KernelMode, PagedPool, TRUE, &captured) == STATUS_UNKNOWN_REVISION);
        sd.Revision = 1;
    }
    Fresh(&other); Add(&other, ACCESS_ALLOWED_ACE_TYPE, 0, GENERIC_READ, &Other); Descriptor(&change, &Other, &other);
    OUTCOME(SeSetSecurityDescriptorInfo, "an object's descriptor that is not self-relative: STATUS_BAD_DESCRIPTOR_FORMAT", SeSetSecurityDescriptorInfo(NULL, &info, &change, &held, PagedPool, (PGENERIC_MAPPING)&Mapping) == STATUS_BAD_DESCRIPTOR_FORMAT && held == (PSECURITY_DESCRIPTOR)&sd);
    static ULONG64 relative[128];
    ULONG size = sizeof relative;
    CHECK(RtlAbsoluteToSelfRelativeSD(&sd, relative, &size) == STATUS_SUCCESS);
    before = held = relative;
    OUTCOME(SeSetSecurityDescriptorInfo, "puts a new descriptor in place of the old one", SeSetSecurityDescriptorInfo(NULL, &info, &change, &held, PagedPool, (PGENERIC_MAPPING)&Mapping) == STATUS_SUCCESS && held != before);
    RtlGetDaclSecurityDescriptor(held, &present, &got, &defaulted);
    RtlGetOwnerSecurityDescriptor(held, &sid, &defaulted);
    OUTCOME(SeSetSecurityDescriptorInfo, "changes the parts that are named and keeps the others", got->AceCount == 1 && RtlEqualSid(sid, &System));
    ExFreePool(held);
    held = NULL;
    OUTCOME(SeSetSecurityDescriptorInfo, "an object without security: STATUS_NO_SECURITY_ON_OBJECT", SeSetSecurityDescriptorInfo(NULL, &info, &change, &held, PagedPool, (PGENERIC_MAPPING)&Mapping) == STATUS_NO_SECURITY_ON_OBJECT);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PACCESS_TOKEN own = PsReferencePrimaryToken(PsGetCurrentProcess());
    struct { ULONG Count; SID_AND_ATTRIBUTES Groups[2]; } disable = {2, {{&System, 0}, {&Admins.Sid, 0}}};
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("security");
    /* Whoever has the system's identifiers for denials only is nobody in particular. */
    CHECK(SeFilterToken(own, DISABLE_MAX_PRIVILEGE, (PTOKEN_GROUPS)&disable, NULL, NULL, &LimitedToken) == STATUS_SUCCESS);
    PsDereferencePrimaryToken(own);
    Limited.PrimaryToken = LimitedToken;
    Order();
    Owners();
    Privileges();
    Impersonation();
    Labels();
    Assigning();
    Parts();
    ObDereferenceObject(LimitedToken);
    KtestDone();
    return STATUS_SUCCESS;
}
