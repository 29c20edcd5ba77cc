/* Security identifiers, lists and descriptors, put together by hand as drivers do for their devices; and the well-known ones in SeExports. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI ULONG NTAPI RtlLengthRequiredSid(ULONG SubAuthorityCount);
NTSYSAPI NTSTATUS NTAPI RtlGetSaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PBOOLEAN SaclPresent, PACL *Sacl, PBOOLEAN SaclDefaulted);
NTSYSAPI NTSTATUS NTAPI RtlSetSaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, BOOLEAN SaclPresent, PACL Sacl, BOOLEAN SaclDefaulted);

static SID_IDENTIFIER_AUTHORITY NtAuthority = {{0, 0, 0, 0, 0, 5}};
static ULONG AdministratorsRoom[8], SystemRoom[8];
static PSID Administrators = AdministratorsRoom, System = SystemRoom;

static VOID Sids(VOID)
{
    ULONG other[8];
    OUTCOME(RtlLengthRequiredSid, "the bytes of a SID with so many subauthorities", RtlLengthRequiredSid(0) == 8 && RtlLengthRequiredSid(2) == 16);
    NTSTATUS status = RtlInitializeSid(Administrators, &NtAuthority, 2);
    OUTCOME(RtlInitializeSid, "STATUS_SUCCESS, revision, authority and count are set", status == STATUS_SUCCESS && ((PISID)Administrators)->Revision == 1 && ((PISID)Administrators)->SubAuthorityCount == 2 && ((PISID)Administrators)->IdentifierAuthority.Value[5] == 5);
    OUTCOME(RtlInitializeSid, "STATUS_INVALID_PARAMETER for more than 15 subauthorities", RtlInitializeSid(other, &NtAuthority, 16) == STATUS_INVALID_PARAMETER);
    PULONG first = RtlSubAuthoritySid(Administrators, 0), second = RtlSubAuthoritySid(Administrators, 1);
    *first = SECURITY_BUILTIN_DOMAIN_RID;
    *second = DOMAIN_ALIAS_RID_ADMINS;
    OUTCOME(RtlSubAuthoritySid, "the address of the subauthority", (PUCHAR)first == (PUCHAR)Administrators + 8 && second == first + 1 && ((PISID)Administrators)->SubAuthority[1] == DOMAIN_ALIAS_RID_ADMINS);
    OUTCOME(RtlLengthSid, "the bytes of the SID", RtlLengthSid(Administrators) == 16);
    RtlInitializeSid(System, &NtAuthority, 1);
    *RtlSubAuthoritySid(System, 0) = SECURITY_LOCAL_SYSTEM_RID;
    RtlCopyMemory(other, Administrators, 16);
    OUTCOME(RtlEqualSid, "TRUE for equal SIDs", RtlEqualSid(Administrators, other));
    *RtlSubAuthoritySid(other, 1) = DOMAIN_ALIAS_RID_USERS;
    OUTCOME(RtlEqualSid, "FALSE for others", !RtlEqualSid(Administrators, other) && !RtlEqualSid(Administrators, System));

    WCHAR room[16];
    UNICODE_STRING text = {0, sizeof room, room}, small = {0, 10, room}, allocated = {0, 0, NULL}, expected = RTL_CONSTANT_STRING(L"S-1-5-32-544");
    status = RtlConvertSidToUnicodeString(&text, Administrators, FALSE);
    OUTCOME(RtlConvertSidToUnicodeString, "STATUS_SUCCESS, the text is in the caller's buffer", status == STATUS_SUCCESS && RtlEqualUnicodeString(&text, &expected, FALSE) && text.Buffer == room);
    OUTCOME(RtlConvertSidToUnicodeString, "STATUS_BUFFER_OVERFLOW when the caller's buffer is too small", RtlConvertSidToUnicodeString(&small, Administrators, FALSE) == STATUS_BUFFER_OVERFLOW);
    status = RtlConvertSidToUnicodeString(&allocated, Administrators, TRUE);
    OUTCOME(RtlConvertSidToUnicodeString, "with AllocateDestinationString in a buffer that RtlFreeUnicodeString frees", status == STATUS_SUCCESS && RtlEqualUnicodeString(&allocated, &expected, FALSE) && allocated.Buffer != NULL);
    RtlFreeUnicodeString(&allocated);
    ((PISID)other)->Revision = 9;
    OUTCOME(RtlConvertSidToUnicodeString, "STATUS_INVALID_SID for what is no SID", RtlConvertSidToUnicodeString(&text, other, FALSE) == STATUS_INVALID_SID);
}

static ULONG64 AclRoom[16];
static PACL Acl = (PACL)AclRoom;

static VOID Acls(VOID)
{
    ULONG64 small[4];
    PACL tiny = (PACL)small;
    NTSTATUS status = RtlCreateAcl(Acl, sizeof AclRoom, ACL_REVISION);
    OUTCOME(RtlCreateAcl, "STATUS_SUCCESS, an empty list", status == STATUS_SUCCESS && Acl->AclRevision == ACL_REVISION && Acl->AclSize == sizeof AclRoom && Acl->AceCount == 0);
    OUTCOME(RtlCreateAcl, "STATUS_BUFFER_TOO_SMALL for less than a header", RtlCreateAcl(tiny, sizeof(ACL) - 1, ACL_REVISION) == STATUS_BUFFER_TOO_SMALL);
    OUTCOME(RtlCreateAcl, "STATUS_INVALID_PARAMETER for a revision that there is not", RtlCreateAcl(tiny, sizeof small, 1) == STATUS_INVALID_PARAMETER);
    OUTCOME(RtlCreateAcl, "STATUS_INVALID_PARAMETER for more than 65535 bytes", RtlCreateAcl(tiny, 0x10000, ACL_REVISION) == STATUS_INVALID_PARAMETER);
    status = RtlAddAccessAllowedAce(Acl, ACL_REVISION, FILE_ALL_ACCESS, Administrators);
    PACCESS_ALLOWED_ACE ace = (PACCESS_ALLOWED_ACE)(Acl + 1);
    OUTCOME(RtlAddAccessAllowedAce, "STATUS_SUCCESS, an entry for the SID", status == STATUS_SUCCESS && Acl->AceCount == 1 && ace->Header.AceType == ACCESS_ALLOWED_ACE_TYPE && ace->Header.AceSize == 8 + 16 &&
            ace->Mask == FILE_ALL_ACCESS && RtlEqualSid(&ace->SidStart, Administrators));
    status = RtlAddAccessAllowedAce(Acl, ACL_REVISION, GENERIC_READ, System);
    OUTCOME(RtlAddAccessAllowedAce, "at the end of the list", status == STATUS_SUCCESS && Acl->AceCount == 2 && ((PACCESS_ALLOWED_ACE)((PUCHAR)ace + ace->Header.AceSize))->Mask == GENERIC_READ);
    RtlCreateAcl(tiny, sizeof small, ACL_REVISION);
    RtlAddAccessAllowedAce(tiny, ACL_REVISION, GENERIC_READ, System);
    OUTCOME(RtlAddAccessAllowedAce, "STATUS_ALLOTTED_SPACE_EXCEEDED when it does not fit", RtlAddAccessAllowedAce(tiny, ACL_REVISION, GENERIC_READ, System) == STATUS_ALLOTTED_SPACE_EXCEEDED && tiny->AceCount == 1);
    OUTCOME(RtlAddAccessAllowedAce, "STATUS_REVISION_MISMATCH for a revision that there is not", RtlAddAccessAllowedAce(Acl, 7, GENERIC_READ, System) == STATUS_REVISION_MISMATCH);
    OUTCOME(RtlAddAccessAllowedAce, "STATUS_INVALID_SID for what is no SID", RtlAddAccessAllowedAce(Acl, ACL_REVISION, GENERIC_READ, small + 1) == STATUS_INVALID_SID);
    tiny->AceCount = 50;
    OUTCOME(RtlAddAccessAllowedAce, "STATUS_INVALID_ACL for what is no list", RtlAddAccessAllowedAce(tiny, ACL_REVISION, GENERIC_READ, System) == STATUS_INVALID_ACL);
}

static VOID Descriptors(VOID)
{
    SECURITY_DESCRIPTOR d;
    ULONG64 relative[32];
    ULONG length;
    BOOLEAN present = 7, defaulted = 7;
    PACL list = NULL;
    PSID sid = (PSID)1;
    RtlCreateSecurityDescriptor(&d, SECURITY_DESCRIPTOR_REVISION);
    NTSTATUS status = RtlGetOwnerSecurityDescriptor(&d, &sid, &defaulted);
    OUTCOME(RtlGetOwnerSecurityDescriptor, "NULL when there is none", status == STATUS_SUCCESS && sid == NULL);
    sid = (PSID)1;
    status = RtlGetGroupSecurityDescriptor(&d, &sid, &defaulted);
    OUTCOME(RtlGetGroupSecurityDescriptor, "NULL when there is none", status == STATUS_SUCCESS && sid == NULL);
    status = RtlGetDaclSecurityDescriptor(&d, &present, &list, &defaulted);
    OUTCOME(RtlGetDaclSecurityDescriptor, "DaclPresent is FALSE when there is none", status == STATUS_SUCCESS && !present && list == NULL);
    present = 7;
    status = RtlGetSaclSecurityDescriptor(&d, &present, &list, &defaulted);
    OUTCOME(RtlGetSaclSecurityDescriptor, "SaclPresent is FALSE when there is none", status == STATUS_SUCCESS && !present && list == NULL);
    RtlSetOwnerSecurityDescriptor(&d, Administrators, TRUE);
    RtlSetGroupSecurityDescriptor(&d, System, FALSE);
    RtlSetDaclSecurityDescriptor(&d, TRUE, Acl, FALSE);
    status = RtlGetOwnerSecurityDescriptor(&d, &sid, &defaulted);
    OUTCOME(RtlGetOwnerSecurityDescriptor, "STATUS_SUCCESS, the owner, and whether it is a default", status == STATUS_SUCCESS && sid == Administrators && defaulted == TRUE);
    status = RtlGetGroupSecurityDescriptor(&d, &sid, &defaulted);
    OUTCOME(RtlGetGroupSecurityDescriptor, "STATUS_SUCCESS, the group, and whether it is a default", status == STATUS_SUCCESS && sid == System && defaulted == FALSE);
    status = RtlGetDaclSecurityDescriptor(&d, &present, &list, &defaulted);
    OUTCOME(RtlGetDaclSecurityDescriptor, "STATUS_SUCCESS, the list, and whether it is a default", status == STATUS_SUCCESS && present == TRUE && list == Acl && !defaulted);
    RtlSetDaclSecurityDescriptor(&d, TRUE, NULL, TRUE);
    status = RtlGetDaclSecurityDescriptor(&d, &present, &list, &defaulted);
    OUTCOME(RtlGetDaclSecurityDescriptor, "a NULL list that is present", status == STATUS_SUCCESS && present == TRUE && list == NULL && defaulted == TRUE);
    RtlSetDaclSecurityDescriptor(&d, TRUE, Acl, FALSE);
    ACL empty;
    RtlCreateAcl(&empty, sizeof empty, ACL_REVISION);
    RtlSetSaclSecurityDescriptor(&d, TRUE, &empty, TRUE);
    status = RtlGetSaclSecurityDescriptor(&d, &present, &list, &defaulted);
    OUTCOME(RtlGetSaclSecurityDescriptor, "STATUS_SUCCESS, the list, and whether it is a default", status == STATUS_SUCCESS && present == TRUE && list == &empty && defaulted == TRUE);

    length = 8;
    status = RtlAbsoluteToSelfRelativeSD(&d, relative, &length);
    OUTCOME(RtlAbsoluteToSelfRelativeSD, "STATUS_BUFFER_TOO_SMALL and the length that is needed", status == STATUS_BUFFER_TOO_SMALL && length > 8 && length <= sizeof relative);
    status = RtlAbsoluteToSelfRelativeSD(&d, relative, &length);
    PISECURITY_DESCRIPTOR_RELATIVE r = (PVOID)relative;
    OUTCOME(RtlAbsoluteToSelfRelativeSD, "STATUS_SUCCESS, all parts behind one another", status == STATUS_SUCCESS && (r->Control & SE_SELF_RELATIVE) && r->Owner && r->Group && r->Dacl && r->Sacl &&
            RtlEqualSid((PUCHAR)relative + r->Owner, Administrators) && ((PACL)((PUCHAR)relative + r->Dacl))->AceCount == 2);
    status = RtlGetOwnerSecurityDescriptor(relative, &sid, &defaulted);
    OUTCOME(RtlGetOwnerSecurityDescriptor, "the owner of a self-relative descriptor", status == STATUS_SUCCESS && sid == (PUCHAR)relative + r->Owner && defaulted == TRUE);
    status = RtlGetDaclSecurityDescriptor(relative, &present, &list, &defaulted);
    OUTCOME(RtlGetDaclSecurityDescriptor, "the list of a self-relative descriptor", status == STATUS_SUCCESS && present && list == (PACL)((PUCHAR)relative + r->Dacl));
    OUTCOME(RtlAbsoluteToSelfRelativeSD, "STATUS_BAD_DESCRIPTOR_FORMAT for one that is self-relative", RtlAbsoluteToSelfRelativeSD(relative, relative, &length) == STATUS_BAD_DESCRIPTOR_FORMAT);
    d.Revision = 9;
    OUTCOME(RtlGetOwnerSecurityDescriptor, "STATUS_UNKNOWN_REVISION", RtlGetOwnerSecurityDescriptor(&d, &sid, &defaulted) == STATUS_UNKNOWN_REVISION);
    OUTCOME(RtlGetGroupSecurityDescriptor, "STATUS_UNKNOWN_REVISION", RtlGetGroupSecurityDescriptor(&d, &sid, &defaulted) == STATUS_UNKNOWN_REVISION);
    OUTCOME(RtlGetDaclSecurityDescriptor, "STATUS_UNKNOWN_REVISION", RtlGetDaclSecurityDescriptor(&d, &present, &list, &defaulted) == STATUS_UNKNOWN_REVISION);
    OUTCOME(RtlGetSaclSecurityDescriptor, "STATUS_UNKNOWN_REVISION", RtlGetSaclSecurityDescriptor(&d, &present, &list, &defaulted) == STATUS_UNKNOWN_REVISION);
}

/* S-1-AUTHORITY-FIRST[-SECOND] */
static BOOLEAN Is(PSID Sid, UCHAR Authority, UCHAR Count, ULONG First, ULONG Second)
{
    PISID s = Sid;
    return RtlValidSid(Sid) && s->IdentifierAuthority.Value[5] == Authority && s->SubAuthorityCount == Count && s->SubAuthority[0] == First && (Count < 2 || s->SubAuthority[1] == Second);
}

/* The table as today's headers have it: mingw's ends with Windows 2000. */
typedef struct
{
    LUID Privileges1[23];
    PSID Sids1[19];
    PSID AuthenticatedUsers, Restricted, Anonymous;
    LUID Undock, SyncAgent, EnableDelegation;
    PSID LocalService, NetworkService;
    LUID ManageVolume, Impersonate, CreateGlobal, TrustedCredManAccess, Relabel, IncreaseWorkingSet, TimeZone, CreateSymbolicLink;
    PSID IUser, UntrustedMandatory, LowMandatory, MediumMandatory, HighMandatory, SystemMandatory, OwnerRights, AllAppPackages, UserModeDrivers, ProcTrustWinTcb, TrustedInstaller;
    LUID DelegateSessionUserImpersonate;
} EXPORTS;

static VOID WellKnown(VOID)
{
    EXPORTS *e = (EXPORTS *)SeExports;
    OUTCOME(SeExports, "privileges: SeCreateTokenPrivilege is 2, SeRemoteShutdownPrivilege 24", e->Privileges1[0].LowPart == 2 && e->Privileges1[5].LowPart == 7 && e->Privileges1[22].LowPart == 24);
    OUTCOME(SeExports, "security identifiers: null, everyone, local system, administrators", Is(e->Sids1[0], 0, 1, 0, 0) && Is(e->Sids1[1], 1, 1, 0, 0) && Is(e->Sids1[10], 5, 1, 18, 0) && Is(e->Sids1[11], 5, 2, 32, 544) && RtlEqualSid(e->Sids1[11], Administrators));
    OUTCOME(SeExports, "authenticated users, restricted, anonymous", Is(e->AuthenticatedUsers, 5, 1, 11, 0) && Is(e->Restricted, 5, 1, 12, 0) && Is(e->Anonymous, 5, 1, 7, 0));
    OUTCOME(SeExports, "privileges that came later, to SeCreateSymbolicLinkPrivilege", e->Undock.LowPart == 25 && e->EnableDelegation.LowPart == 27 && e->ManageVolume.LowPart == 28 && e->Impersonate.LowPart == 29 &&
            e->CreateGlobal.LowPart == 30 && e->TrustedCredManAccess.LowPart == 31 && e->Relabel.LowPart == 32 && e->IncreaseWorkingSet.LowPart == 33 && e->TimeZone.LowPart == 34 && e->CreateSymbolicLink.LowPart == 35 && e->DelegateSessionUserImpersonate.LowPart == 36);
    OUTCOME(SeExports, "services, integrity levels, owner rights, application packages, user-mode drivers", Is(e->LocalService, 5, 1, 19, 0) && Is(e->NetworkService, 5, 1, 20, 0) && Is(e->IUser, 5, 1, 17, 0) && Is(e->UntrustedMandatory, 16, 1, 0, 0) && Is(e->MediumMandatory, 16, 1, 0x2000, 0) &&
            Is(e->SystemMandatory, 16, 1, 0x4000, 0) && Is(e->OwnerRights, 3, 1, 4, 0) && Is(e->AllAppPackages, 15, 2, 2, 1) && RtlValidSid(e->UserModeDrivers) && RtlValidSid(e->TrustedInstaller) && Is(e->ProcTrustWinTcb, 19, 2, 512, 8192));
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("sids");
    Sids();
    Acls();
    Descriptors();
    WellKnown();
    KtestDone();
    return STATUS_SUCCESS;
}
