/* Access control lists by hand: entries of all kinds are added, inserted, found and deleted; and the parts of a security descriptor are set. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI NTSTATUS NTAPI RtlAddAccessDeniedAce(PACL Acl, ULONG Revision, ACCESS_MASK Mask, PSID Sid);
NTSYSAPI NTSTATUS NTAPI RtlAddAccessDeniedAceEx(PACL Acl, ULONG Revision, ULONG Flags, ACCESS_MASK Mask, PSID Sid);
NTSYSAPI NTSTATUS NTAPI RtlAddMandatoryAce(PACL Acl, ULONG Revision, ULONG Flags, PSID Sid, UCHAR Type, ACCESS_MASK Mask);
NTSYSAPI BOOLEAN NTAPI RtlValidAcl(PACL Acl);
NTSYSAPI PUCHAR NTAPI RtlSubAuthorityCountSid(PSID Sid);
NTSYSAPI NTSTATUS NTAPI RtlSetSaclSecurityDescriptor(PSECURITY_DESCRIPTOR Descriptor, BOOLEAN Present, PACL Sacl, BOOLEAN Defaulted);

static SID_IDENTIFIER_AUTHORITY NtAuthority = {{0, 0, 0, 0, 0, 5}};
static ULONG SystemRoom[4], AdminsRoom[4], OtherRoom[8], NoSid[4];
static PSID System = SystemRoom, Admins = AdminsRoom, Other = OtherRoom;
static ULONG64 Room[32], SmallRoom[3];
static PACL Acl = (PACL)Room, Small = (PACL)SmallRoom;

static VOID Sids(VOID)
{
    RtlInitializeSid(System, &NtAuthority, 1);
    *RtlSubAuthoritySid(System, 0) = SECURITY_LOCAL_SYSTEM_RID;
    RtlInitializeSid(Admins, &NtAuthority, 2);
    *RtlSubAuthoritySid(Admins, 0) = SECURITY_BUILTIN_DOMAIN_RID;
    *RtlSubAuthoritySid(Admins, 1) = DOMAIN_ALIAS_RID_ADMINS;
    OUTCOME(RtlValidSid, "TRUE for a well-formed SID", RtlValidSid(System) && RtlValidSid(Admins));
    OUTCOME(RtlValidSid, "FALSE for another revision", !RtlValidSid(NoSid));
    RtlCopyMemory(OtherRoom, System, 12);
    ((PISID)Other)->SubAuthorityCount = 16;
    OUTCOME(RtlValidSid, "FALSE for more than 15 subauthorities", !RtlValidSid(Other));
    OUTCOME(RtlSubAuthorityCountSid, "the address of the number of subauthorities", RtlSubAuthorityCountSid(Admins) == (PUCHAR)Admins + 1 && *RtlSubAuthorityCountSid(Admins) == 2);
    RtlZeroMemory(OtherRoom, sizeof OtherRoom);
    OUTCOME(RtlCopySid, "STATUS_SUCCESS, the SID is copied", RtlCopySid(16, Other, Admins) == STATUS_SUCCESS && RtlEqualSid(Other, Admins) && OtherRoom[4] == 0);
    RtlZeroMemory(OtherRoom, sizeof OtherRoom);
    OUTCOME(RtlCopySid, "STATUS_BUFFER_TOO_SMALL, nothing is copied", RtlCopySid(15, Other, Admins) == STATUS_BUFFER_TOO_SMALL && OtherRoom[0] == 0);
}

static PACCESS_ALLOWED_ACE Entry(PACL List, ULONG Index)
{
    PVOID ace = NULL;
    return NT_SUCCESS(RtlGetAce(List, Index, &ace)) ? ace : NULL;
}

static BOOLEAN Is(PACL List, ULONG Index, UCHAR Type, UCHAR Flags, ACCESS_MASK Mask, PSID Sid)
{
    PACCESS_ALLOWED_ACE ace = Entry(List, Index);
    return ace && ace->Header.AceType == Type && ace->Header.AceFlags == Flags && ace->Mask == Mask && ace->Header.AceSize == 8 + RtlLengthSid(Sid) && RtlEqualSid(&ace->SidStart, Sid);
}

static VOID Adding(VOID)
{
    RtlCreateAcl(Acl, sizeof Room, ACL_REVISION);
    RtlCreateAcl(Small, sizeof SmallRoom, ACL_REVISION);
    OUTCOME(RtlAddAccessDeniedAce, "STATUS_SUCCESS, an entry that denies, at the end", RtlAddAccessDeniedAce(Acl, ACL_REVISION, 0x11, System) == STATUS_SUCCESS && Acl->AceCount == 1 && Is(Acl, 0, ACCESS_DENIED_ACE_TYPE, 0, 0x11, System));
    OUTCOME(RtlAddAccessAllowedAceEx, "STATUS_SUCCESS, an entry that allows, with its inheritance", RtlAddAccessAllowedAceEx(Acl, ACL_REVISION, OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE, 0x22, Admins) == STATUS_SUCCESS && Is(Acl, 1, ACCESS_ALLOWED_ACE_TYPE, 3, 0x22, Admins));
    OUTCOME(RtlAddAccessDeniedAceEx, "STATUS_SUCCESS, an entry that denies, with its inheritance", RtlAddAccessDeniedAceEx(Acl, ACL_REVISION, INHERIT_ONLY_ACE, 0x33, System) == STATUS_SUCCESS && Is(Acl, 2, ACCESS_DENIED_ACE_TYPE, INHERIT_ONLY_ACE, 0x33, System));
    SID_IDENTIFIER_AUTHORITY label = {{0, 0, 0, 0, 0, 16}};
    RtlInitializeSid(Other, &label, 1);
    *RtlSubAuthoritySid(Other, 0) = 0x3000;
    OUTCOME(RtlAddMandatoryAce, "STATUS_SUCCESS, a label with its policy", RtlAddMandatoryAce(Acl, ACL_REVISION, 0, Other, 17, 1) == STATUS_SUCCESS && Is(Acl, 3, 17, 0, 1, Other));
    OUTCOME(RtlAddMandatoryAce, "STATUS_INVALID_PARAMETER for a policy or a type that there is not", RtlAddMandatoryAce(Acl, ACL_REVISION, 0, Other, 17, 0x100) == STATUS_INVALID_PARAMETER && RtlAddMandatoryAce(Acl, ACL_REVISION, 0, Other, 0, 1) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlAddMandatoryAce, "STATUS_ALLOTTED_SPACE_EXCEEDED when it does not fit", RtlAddMandatoryAce(Small, ACL_REVISION, 0, Other, 17, 1) == STATUS_ALLOTTED_SPACE_EXCEEDED);
    OUTCOME(RtlAddMandatoryAce, "STATUS_INVALID_SID for what is no SID", RtlAddMandatoryAce(Acl, ACL_REVISION, 0, NoSid, 17, 1) == STATUS_INVALID_SID);
    OUTCOME(RtlAddAccessDeniedAce, "STATUS_ALLOTTED_SPACE_EXCEEDED when it does not fit", RtlAddAccessDeniedAce(Small, ACL_REVISION, 1, Admins) == STATUS_ALLOTTED_SPACE_EXCEEDED && Small->AceCount == 0);
    OUTCOME(RtlAddAccessAllowedAceEx, "STATUS_ALLOTTED_SPACE_EXCEEDED when it does not fit", RtlAddAccessAllowedAceEx(Small, ACL_REVISION, 0, 1, Admins) == STATUS_ALLOTTED_SPACE_EXCEEDED);
    OUTCOME(RtlAddAccessDeniedAceEx, "STATUS_ALLOTTED_SPACE_EXCEEDED when it does not fit", RtlAddAccessDeniedAceEx(Small, ACL_REVISION, 0, 1, Admins) == STATUS_ALLOTTED_SPACE_EXCEEDED);
    OUTCOME(RtlAddAccessDeniedAce, "STATUS_INVALID_SID for what is no SID", RtlAddAccessDeniedAce(Acl, ACL_REVISION, 1, NoSid) == STATUS_INVALID_SID);
    OUTCOME(RtlAddAccessAllowedAceEx, "STATUS_INVALID_SID for what is no SID", RtlAddAccessAllowedAceEx(Acl, ACL_REVISION, 0, 1, NoSid) == STATUS_INVALID_SID);
    OUTCOME(RtlAddAccessDeniedAceEx, "STATUS_INVALID_SID for what is no SID", RtlAddAccessDeniedAceEx(Acl, ACL_REVISION, 0, 1, NoSid) == STATUS_INVALID_SID);
    OUTCOME(RtlAddAccessDeniedAce, "STATUS_REVISION_MISMATCH for a revision that there is not", RtlAddAccessDeniedAce(Acl, 5, 1, System) == STATUS_REVISION_MISMATCH);
    OUTCOME(RtlAddAccessAllowedAceEx, "STATUS_REVISION_MISMATCH for a revision that there is not", RtlAddAccessAllowedAceEx(Acl, 5, 0, 1, System) == STATUS_REVISION_MISMATCH);
    OUTCOME(RtlAddAccessDeniedAceEx, "STATUS_REVISION_MISMATCH for a revision that there is not", RtlAddAccessDeniedAceEx(Acl, 5, 0, 1, System) == STATUS_REVISION_MISMATCH);
    OUTCOME(RtlAddAccessAllowedAceEx, "STATUS_INVALID_PARAMETER for flags that there are not", RtlAddAccessAllowedAceEx(Acl, ACL_REVISION, 0x40, 1, System) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlAddAccessDeniedAceEx, "STATUS_INVALID_PARAMETER for flags that there are not", RtlAddAccessDeniedAceEx(Acl, ACL_REVISION, 0x40, 1, System) == STATUS_INVALID_PARAMETER);
    Small->AceCount = 9;
    OUTCOME(RtlAddAccessDeniedAce, "STATUS_INVALID_ACL for what is no list", RtlAddAccessDeniedAce(Small, ACL_REVISION, 1, System) == STATUS_INVALID_ACL);
    OUTCOME(RtlAddAccessAllowedAceEx, "STATUS_INVALID_ACL for what is no list", RtlAddAccessAllowedAceEx(Small, ACL_REVISION, 0, 1, System) == STATUS_INVALID_ACL);
    OUTCOME(RtlAddAccessDeniedAceEx, "STATUS_INVALID_ACL for what is no list", RtlAddAccessDeniedAceEx(Small, ACL_REVISION, 0, 1, System) == STATUS_INVALID_ACL);
    OUTCOME(RtlValidAcl, "TRUE for a well-formed list", RtlValidAcl(Acl));
    OUTCOME(RtlValidAcl, "FALSE for entries that leave the list", !RtlValidAcl(Small));
    RtlCreateAcl(Small, sizeof SmallRoom, ACL_REVISION);
    Small->AclRevision = 9;
    OUTCOME(RtlValidAcl, "FALSE for another revision", !RtlValidAcl(Small));
    Small->AclRevision = ACL_REVISION;
}

/* The list has: deny 11 (System), allow 22 (Admins), deny 33 (System), label 1. */
static VOID Inserting(VOID)
{
    ULONG64 list[8];
    PVOID ace;
    ULONG bytes = Entry(Acl, 0)->Header.AceSize + Entry(Acl, 1)->Header.AceSize;
    RtlCopyMemory(list, Acl + 1, bytes);
    OUTCOME(RtlGetAce, "STATUS_SUCCESS, the address of the entry", RtlGetAce(Acl, 1, &ace) == STATUS_SUCCESS && ((PACCESS_ALLOWED_ACE)ace)->Mask == 0x22);
    OUTCOME(RtlGetAce, "STATUS_INVALID_PARAMETER for an index beyond the list", RtlGetAce(Acl, 4, &ace) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlAddAce, "STATUS_SUCCESS, several entries before the one of an index", RtlAddAce(Acl, ACL_REVISION, 1, list, bytes) == STATUS_SUCCESS && Acl->AceCount == 6 && Is(Acl, 0, 1, 0, 0x11, System) && Is(Acl, 1, 1, 0, 0x11, System) && Is(Acl, 2, 0, 3, 0x22, Admins) && Is(Acl, 3, 0, 3, 0x22, Admins) && Is(Acl, 5, 17, 0, 1, Other));
    OUTCOME(RtlAddAce, "MAXULONG adds at the end", RtlAddAce(Acl, ACL_REVISION, MAXULONG, list, Entry(Acl, 0)->Header.AceSize) == STATUS_SUCCESS && Acl->AceCount == 7 && Is(Acl, 6, 1, 0, 0x11, System));
    OUTCOME(RtlAddAce, "STATUS_BUFFER_TOO_SMALL when they do not fit", RtlAddAce(Small, ACL_REVISION, 0, list, bytes) == STATUS_BUFFER_TOO_SMALL && Small->AceCount == 0);
    OUTCOME(RtlAddAce, "STATUS_INVALID_PARAMETER for a revision that there is not or entries that are cut", RtlAddAce(Acl, 7, 0, list, bytes) == STATUS_INVALID_PARAMETER && RtlAddAce(Acl, ACL_REVISION, 0, list, bytes - 4) == STATUS_INVALID_PARAMETER && Acl->AceCount == 7);
    Small->AceCount = 9;
    OUTCOME(RtlAddAce, "STATUS_INVALID_PARAMETER for what is no list", RtlAddAce(Small, ACL_REVISION, 0, list, 20) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlDeleteAce, "STATUS_INVALID_PARAMETER for what is no list", RtlDeleteAce(Small, 0) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlDeleteAce, "STATUS_SUCCESS, the entries behind it move up", RtlDeleteAce(Acl, 1) == STATUS_SUCCESS && Acl->AceCount == 6 && Is(Acl, 1, 0, 3, 0x22, Admins) && Is(Acl, 4, 17, 0, 1, Other) && Is(Acl, 5, 1, 0, 0x11, System));
    OUTCOME(RtlDeleteAce, "STATUS_INVALID_PARAMETER for an index beyond the list", RtlDeleteAce(Acl, 6) == STATUS_INVALID_PARAMETER && Acl->AceCount == 6);
}

static VOID Parts(VOID)
{
    SECURITY_DESCRIPTOR d;
    BOOLEAN present, defaulted;
    PACL list;
    PSID sid;
    ULONG64 relative[64];
    ULONG length = sizeof relative;
    RtlCreateSecurityDescriptor(&d, SECURITY_DESCRIPTOR_REVISION);
    OUTCOME(RtlSetSaclSecurityDescriptor, "STATUS_SUCCESS, the list is the descriptor's", RtlSetSaclSecurityDescriptor(&d, TRUE, Acl, TRUE) == STATUS_SUCCESS && d.Sacl == Acl && (d.Control & (SE_SACL_PRESENT | SE_SACL_DEFAULTED)) == (SE_SACL_PRESENT | SE_SACL_DEFAULTED));
    OUTCOME(RtlSetSaclSecurityDescriptor, "FALSE takes the list out", RtlSetSaclSecurityDescriptor(&d, FALSE, Acl, TRUE) == STATUS_SUCCESS && d.Sacl == NULL && !(d.Control & SE_SACL_PRESENT));
    OUTCOME(RtlSetOwnerSecurityDescriptor, "STATUS_SUCCESS, the SID is the descriptor's", RtlSetOwnerSecurityDescriptor(&d, Admins, FALSE) == STATUS_SUCCESS && d.Owner == Admins && RtlGetOwnerSecurityDescriptor(&d, &sid, &defaulted) == STATUS_SUCCESS && sid == Admins && !defaulted);
    OUTCOME(RtlSetOwnerSecurityDescriptor, "whether it is a default", RtlSetOwnerSecurityDescriptor(&d, Admins, TRUE) == STATUS_SUCCESS && (d.Control & SE_OWNER_DEFAULTED));
    OUTCOME(RtlSetOwnerSecurityDescriptor, "NULL takes the owner out", RtlSetOwnerSecurityDescriptor(&d, NULL, FALSE) == STATUS_SUCCESS && d.Owner == NULL && !(d.Control & SE_OWNER_DEFAULTED));
    OUTCOME(RtlSetGroupSecurityDescriptor, "STATUS_SUCCESS, the SID is the descriptor's", RtlSetGroupSecurityDescriptor(&d, System, FALSE) == STATUS_SUCCESS && d.Group == System);
    OUTCOME(RtlSetGroupSecurityDescriptor, "whether it is a default", RtlSetGroupSecurityDescriptor(&d, System, TRUE) == STATUS_SUCCESS && (d.Control & SE_GROUP_DEFAULTED));
    OUTCOME(RtlSetGroupSecurityDescriptor, "NULL takes the group out", RtlSetGroupSecurityDescriptor(&d, NULL, FALSE) == STATUS_SUCCESS && d.Group == NULL);
    RtlSetDaclSecurityDescriptor(&d, TRUE, NULL, FALSE);
    CHECK(RtlGetDaclSecurityDescriptor(&d, &present, &list, &defaulted) == STATUS_SUCCESS && present && !list);
    CHECK(RtlAbsoluteToSelfRelativeSD(&d, relative, &length) == STATUS_SUCCESS);
    OUTCOME(RtlSetSaclSecurityDescriptor, "STATUS_INVALID_SECURITY_DESCR for a self-relative descriptor", RtlSetSaclSecurityDescriptor(relative, TRUE, Acl, FALSE) == STATUS_INVALID_SECURITY_DESCR);
    OUTCOME(RtlSetOwnerSecurityDescriptor, "STATUS_INVALID_SECURITY_DESCR for a self-relative descriptor", RtlSetOwnerSecurityDescriptor(relative, System, FALSE) == STATUS_INVALID_SECURITY_DESCR);
    OUTCOME(RtlSetGroupSecurityDescriptor, "STATUS_INVALID_SECURITY_DESCR for a self-relative descriptor", RtlSetGroupSecurityDescriptor(relative, System, FALSE) == STATUS_INVALID_SECURITY_DESCR);
    d.Revision = 9;
    OUTCOME(RtlSetSaclSecurityDescriptor, "STATUS_UNKNOWN_REVISION", RtlSetSaclSecurityDescriptor(&d, TRUE, Acl, FALSE) == STATUS_UNKNOWN_REVISION);
    OUTCOME(RtlSetOwnerSecurityDescriptor, "STATUS_UNKNOWN_REVISION", RtlSetOwnerSecurityDescriptor(&d, System, FALSE) == STATUS_UNKNOWN_REVISION);
    OUTCOME(RtlSetGroupSecurityDescriptor, "STATUS_UNKNOWN_REVISION", RtlSetGroupSecurityDescriptor(&d, System, FALSE) == STATUS_UNKNOWN_REVISION);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("acls");
    Sids();
    Adding();
    Inserting();
    Parts();
    KtestDone();
    return STATUS_SUCCESS;
}
