/* Tokens: opening, asking, changing, copying and restricting them; acting as somebody else. And services on threads, events and timers. */
#include <ntifs.h>
#include "../ktest.h"

#ifndef SE_GROUP_INTEGRITY
#define SE_GROUP_INTEGRITY 0x20
#endif
#ifndef TIMER_ALL_ACCESS
#define TIMER_ALL_ACCESS 0x1f0003
#endif
BOOLEAN NTAPI PsIsThreadImpersonating(PETHREAD);
#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
static SID System = {1, 1, {SECURITY_NT_AUTHORITY}, {18}};
static SID World = {1, 1, {SECURITY_WORLD_SID_AUTHORITY}, {0}};
static SID Other = {1, 1, {SECURITY_NT_AUTHORITY}, {99}};
static SID Low = {1, 1, {{0, 0, 0, 0, 0, 16}}, {0x1000}};
static UCHAR Buffer[1024] __attribute__((aligned(8)));
static ULONG Length;

static VOID MoreClasses(HANDLE token);
static VOID MoreChanges(HANDLE token);

static VOID Asking(VOID)
{
    HANDLE token;
    PTOKEN_USER user = (PVOID)Buffer;
    PTOKEN_GROUPS groups = (PVOID)Buffer;
    PTOKEN_PRIVILEGES privileges = (PVOID)Buffer;
    PTOKEN_STATISTICS statistics = (PVOID)Buffer;
    PTOKEN_OWNER owner = (PVOID)Buffer;
    PTOKEN_DEFAULT_DACL dacl = (PVOID)Buffer;
    PTOKEN_SOURCE source = (PVOID)Buffer;
    SID_AND_ATTRIBUTES *label = (PVOID)Buffer;
    OUTCOME(ZwOpenProcessTokenEx, "opens the token of a process", ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_ALL_ACCESS, OBJ_KERNEL_HANDLE, &token) == STATUS_SUCCESS && ObIsKernelHandle(token));
    OUTCOME(ZwOpenProcessTokenEx, "a handle that is none: STATUS_INVALID_HANDLE", ZwOpenProcessTokenEx(NO_HANDLE, TOKEN_QUERY, 0, &token) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwOpenProcessTokenEx, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwOpenProcessTokenEx(ZwCurrentThread(), TOKEN_QUERY, 0, &token) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ZwQueryInformationToken, "TokenUser", ZwQueryInformationToken(token, TokenUser, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && RtlEqualSid(user->User.Sid, &System));
    OUTCOME(ZwQueryInformationToken, "TokenGroups", ZwQueryInformationToken(token, TokenGroups, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && groups->GroupCount >= 3);
    OUTCOME(ZwQueryInformationToken, "TokenPrivileges", ZwQueryInformationToken(token, TokenPrivileges, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && privileges->PrivilegeCount > 20 && Length == 4 + privileges->PrivilegeCount * 12);
    OUTCOME(ZwQueryInformationToken, "TokenOwner", ZwQueryInformationToken(token, TokenOwner, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && RtlValidSid(owner->Owner));
    OUTCOME(ZwQueryInformationToken, "TokenDefaultDacl", ZwQueryInformationToken(token, TokenDefaultDacl, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && dacl->DefaultDacl->AceCount == 2);
    OUTCOME(ZwQueryInformationToken, "TokenSource", ZwQueryInformationToken(token, TokenSource, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && source->SourceName[0] == '*');
    OUTCOME(ZwQueryInformationToken, "TokenType", ZwQueryInformationToken(token, TokenType, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && *(PULONG)Buffer == TokenPrimary);
    OUTCOME(ZwQueryInformationToken, "TokenStatistics", ZwQueryInformationToken(token, TokenStatistics, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && statistics->AuthenticationId.LowPart == 0x3e7 && statistics->TokenType == TokenPrimary);
    OUTCOME(ZwQueryInformationToken, "TokenIntegrityLevel", ZwQueryInformationToken(token, TokenIntegrityLevel, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && *RtlSubAuthoritySid(label->Sid, 0) == 0x4000);
    OUTCOME(ZwQueryInformationToken, "too small a buffer: STATUS_BUFFER_TOO_SMALL and the length", ZwQueryInformationToken(token, TokenUser, Buffer, 4, &Length) == STATUS_BUFFER_TOO_SMALL && Length == 28);
    OUTCOME(ZwQueryInformationToken, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwQueryInformationToken(token, 9999, Buffer, sizeof(Buffer), &Length) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwQueryInformationToken, "a handle that is none: STATUS_INVALID_HANDLE", ZwQueryInformationToken(NO_HANDLE, TokenUser, Buffer, sizeof(Buffer), &Length) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwQueryInformationToken, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwQueryInformationToken(ZwCurrentProcess(), TokenUser, Buffer, sizeof(Buffer), &Length) == STATUS_OBJECT_TYPE_MISMATCH);
    MoreClasses(token);
    MoreChanges(token);
    ZwClose(token);
}

static VOID Copies(VOID)
{
    HANDLE token, copy, thread;
    OBJECT_ATTRIBUTES a;
    SECURITY_QUALITY_OF_SERVICE qos = {sizeof(qos), SecurityImpersonation, 0, FALSE};
    ULONG session = 0;
    PSID sid = &Other;
    SID_AND_ATTRIBUTES label = {&Low, SE_GROUP_INTEGRITY};
    TOKEN_DEFAULT_DACL none = {NULL};
    CHECK(ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_ALL_ACCESS, OBJ_KERNEL_HANDLE, &token) == STATUS_SUCCESS);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    a.SecurityQualityOfService = &qos;
    OUTCOME(ZwDuplicateToken, "a token for impersonation", ZwDuplicateToken(token, TOKEN_ALL_ACCESS, &a, FALSE, TokenImpersonation, &copy) == STATUS_SUCCESS && ZwQueryInformationToken(copy, TokenImpersonationLevel, Buffer, 4, &Length) == STATUS_SUCCESS && *(PULONG)Buffer == SecurityImpersonation);
    OUTCOME(ZwDuplicateToken, "a bad type: STATUS_INVALID_PARAMETER", ZwDuplicateToken(token, 0, &a, FALSE, 7, &thread) == STATUS_INVALID_PARAMETER);
    qos.ImpersonationLevel = SecurityDelegation;
    OUTCOME(ZwDuplicateToken, "a level above the original's: STATUS_BAD_IMPERSONATION_LEVEL", ZwDuplicateToken(copy, 0, &a, FALSE, TokenImpersonation, &thread) == STATUS_BAD_IMPERSONATION_LEVEL);
    OUTCOME(ZwDuplicateToken, "a handle that is none: STATUS_INVALID_HANDLE", ZwDuplicateToken(NO_HANDLE, 0, &a, FALSE, TokenPrimary, &thread) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwDuplicateToken, "EffectiveOnly leaves out what is not enabled", (qos.ImpersonationLevel = SecurityImpersonation, ZwDuplicateToken(token, TOKEN_ALL_ACCESS, &a, TRUE, TokenPrimary, &thread)) == STATUS_SUCCESS && ZwQueryInformationToken(thread, TokenPrivileges, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && ((PTOKEN_PRIVILEGES)Buffer)->PrivilegeCount < 20);
    ZwClose(thread);

    OUTCOME(ZwSetInformationToken, "TokenOwner: one that the token may not name is STATUS_INVALID_OWNER", ZwSetInformationToken(copy, TokenOwner, &sid, 8) == STATUS_INVALID_OWNER);
    sid = &System;
    OUTCOME(ZwSetInformationToken, "TokenOwner", ZwSetInformationToken(copy, TokenOwner, &sid, 8) == STATUS_SUCCESS && ZwQueryInformationToken(copy, TokenOwner, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && RtlEqualSid(((PTOKEN_OWNER)Buffer)->Owner, &System));
    sid = &World;
    OUTCOME(ZwSetInformationToken, "TokenPrimaryGroup", ZwSetInformationToken(copy, TokenPrimaryGroup, &sid, 8) == STATUS_SUCCESS && ZwQueryInformationToken(copy, TokenPrimaryGroup, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && RtlEqualSid(((PTOKEN_PRIMARY_GROUP)Buffer)->PrimaryGroup, &World));
    sid = &Other;
    OUTCOME(ZwSetInformationToken, "TokenPrimaryGroup: one that the token has not is STATUS_INVALID_PRIMARY_GROUP", ZwSetInformationToken(copy, TokenPrimaryGroup, &sid, 8) == STATUS_INVALID_PRIMARY_GROUP);
    OUTCOME(ZwSetInformationToken, "TokenDefaultDacl", ZwSetInformationToken(copy, TokenDefaultDacl, &none, 8) == STATUS_SUCCESS && ZwQueryInformationToken(copy, TokenDefaultDacl, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && ((PTOKEN_DEFAULT_DACL)Buffer)->DefaultDacl == NULL);
    session = 7;
    OUTCOME(ZwSetInformationToken, "TokenSessionId", ZwSetInformationToken(copy, TokenSessionId, &session, 4) == STATUS_SUCCESS && ZwQueryInformationToken(copy, TokenSessionId, Buffer, 4, &Length) == STATUS_SUCCESS && *(PULONG)Buffer == 7);
    OUTCOME(ZwSetInformationToken, "TokenIntegrityLevel", ZwSetInformationToken(copy, TokenIntegrityLevel, &label, sizeof(label)) == STATUS_SUCCESS && ZwQueryInformationToken(copy, TokenIntegrityLevel, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && *RtlSubAuthoritySid(((SID_AND_ATTRIBUTES *)Buffer)->Sid, 0) == 0x1000);
    OUTCOME(ZwSetInformationToken, "a wrong length: STATUS_INFO_LENGTH_MISMATCH", ZwSetInformationToken(copy, TokenSessionId, &session, 3) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwSetInformationToken, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwSetInformationToken(copy, 9999, &session, 4) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwSetInformationToken, "a handle that is none: STATUS_INVALID_HANDLE", ZwSetInformationToken(NO_HANDLE, TokenSessionId, &session, 4) == STATUS_INVALID_HANDLE);

    OUTCOME(ZwOpenThreadTokenEx, "a thread that does not impersonate: STATUS_NO_TOKEN", ZwOpenThreadTokenEx(ZwCurrentThread(), TOKEN_QUERY, TRUE, OBJ_KERNEL_HANDLE, &thread) == STATUS_NO_TOKEN);
    OUTCOME(ZwSetInformationThread, "ThreadImpersonationToken", ZwSetInformationThread(ZwCurrentThread(), ThreadImpersonationToken, &copy, sizeof(copy)) == STATUS_SUCCESS && PsIsThreadImpersonating(PsGetCurrentThread()));
    OUTCOME(ZwOpenThreadTokenEx, "the token that a thread impersonates", ZwOpenThreadTokenEx(ZwCurrentThread(), TOKEN_QUERY, TRUE, OBJ_KERNEL_HANDLE, &thread) == STATUS_SUCCESS && ZwQueryInformationToken(thread, TokenSessionId, Buffer, 4, &Length) == STATUS_SUCCESS && *(PULONG)Buffer == 7);
    ZwClose(thread);
    OUTCOME(ZwOpenThreadTokenEx, "a handle that is none: STATUS_INVALID_HANDLE", ZwOpenThreadTokenEx(NO_HANDLE, TOKEN_QUERY, TRUE, OBJ_KERNEL_HANDLE, &thread) == STATUS_INVALID_HANDLE);
    {
        HANDLE zero = NULL;
        CHECK(ZwSetInformationThread(ZwCurrentThread(), ThreadImpersonationToken, &zero, sizeof(zero)) == STATUS_SUCCESS && !PsIsThreadImpersonating(PsGetCurrentThread()));
        OUTCOME(ZwSetInformationThread, "a primary token to impersonate: STATUS_BAD_TOKEN_TYPE", ZwSetInformationThread(ZwCurrentThread(), ThreadImpersonationToken, &token, sizeof(token)) == STATUS_BAD_TOKEN_TYPE);
    }
    ZwClose(copy);
    ZwClose(token);
}

static VOID Threads(VOID)
{
    LONG priority = 12, bad = 99;
    KPRIORITY before = KeQueryPriorityThread((PKTHREAD)PsGetCurrentThread());
    OUTCOME(ZwSetInformationThread, "ThreadPriority", ZwSetInformationThread(ZwCurrentThread(), ThreadPriority, &priority, 4) == STATUS_SUCCESS && KeQueryPriorityThread((PKTHREAD)PsGetCurrentThread()) == 12);
    OUTCOME(ZwSetInformationThread, "a priority that there is not: STATUS_INVALID_PARAMETER", ZwSetInformationThread(ZwCurrentThread(), ThreadPriority, &bad, 4) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwSetInformationThread, "a wrong length: STATUS_INFO_LENGTH_MISMATCH", ZwSetInformationThread(ZwCurrentThread(), ThreadPriority, &priority, 3) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwSetInformationThread, "an unknown class: STATUS_INVALID_INFO_CLASS", ZwSetInformationThread(ZwCurrentThread(), 9999, &priority, 4) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwSetInformationThread, "a handle that is none: STATUS_INVALID_HANDLE", ZwSetInformationThread(NO_HANDLE, ThreadPriority, &priority, 4) == STATUS_INVALID_HANDLE);
    priority = before;
    ZwSetInformationThread(ZwCurrentThread(), ThreadPriority, &priority, 4);
    {
        LUID one, two;
        OUTCOME(ZwAllocateLocallyUniqueId, "gives a number", ZwAllocateLocallyUniqueId(&one) == STATUS_SUCCESS && (one.LowPart || one.HighPart));
        OUTCOME(ZwAllocateLocallyUniqueId, "another one each time", ZwAllocateLocallyUniqueId(&two) == STATUS_SUCCESS && RtlCompareMemory(&one, &two, 8) != 8);
    }
    {
        UCHAR power[76];
        OUTCOME(ZwPowerInformation, "SystemPowerCapabilities", ZwPowerInformation(SystemPowerCapabilities, NULL, 0, power, sizeof(power)) == STATUS_SUCCESS && power[6] /* SystemS5 */);
        OUTCOME(ZwPowerInformation, "SystemBatteryState", ZwPowerInformation(SystemBatteryState, NULL, 0, Buffer, 32) == STATUS_SUCCESS && Buffer[0] == 1);
        OUTCOME(ZwPowerInformation, "too small a buffer: STATUS_BUFFER_TOO_SMALL", ZwPowerInformation(SystemPowerCapabilities, NULL, 0, power, 3) == STATUS_BUFFER_TOO_SMALL);
        OUTCOME(ZwPowerInformation, "an input that the level does not have: STATUS_INVALID_PARAMETER", ZwPowerInformation(SystemPowerCapabilities, power, sizeof(power), power, sizeof(power)) == STATUS_INVALID_PARAMETER);
    }
}

/* What a token says of itself beyond the classes that the WDK's page names: the flags, and the lists that are empty where there are no app containers and claims. */
static VOID MoreClasses(HANDLE token)
{
    struct { ULONG SidCount, SidLength; SID_AND_ATTRIBUTES *Sids; ULONG RestrictedCount, RestrictedLength; SID_AND_ATTRIBUTES *Restricted; ULONG PrivilegeCount, PrivilegeLength; PVOID Privileges; LUID Id; } *all = (PVOID)Buffer;
    ULONG number = 9, i, empty = 0;
    static const ULONG Lists[] = {30, 37, 38}, Claims[] = {33, 34, 35, 36, 39}, Numbers[] = {29, 32, 40, 42, 43, 46, 47};
    OUTCOME(ZwQueryInformationToken, "TokenGroupsAndPrivileges", ZwQueryInformationToken(token, 13, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && all->SidCount >= 4 && RtlEqualSid(all->Sids[0].Sid, &System) && all->PrivilegeCount > 20 && all->PrivilegeLength == all->PrivilegeCount * 12 && all->Id.LowPart == 0x3e7);
    for (i = 0; i < 3; i++) empty += ZwQueryInformationToken(token, Lists[i], Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && *(PULONG)Buffer == 0;
    for (i = 0; i < 5; i++) empty += ZwQueryInformationToken(token, Claims[i], Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && Length == 16 && *(PUSHORT)Buffer == 1 && ((PULONG)Buffer)[1] == 0;
    for (i = 0; i < 7; i++) empty += ZwQueryInformationToken(token, Numbers[i], &number, 4, &Length) == STATUS_SUCCESS && number == 0;
    OUTCOME(ZwQueryInformationToken, "claims, capabilities and app containers: there are none", empty == 15);
    OUTCOME(ZwQueryInformationToken, "TokenLinkedToken: STATUS_NO_SUCH_LOGON_SESSION where no logon was split", ZwQueryInformationToken(token, 19, Buffer, sizeof(Buffer), &Length) == STATUS_NO_SUCH_LOGON_SESSION);
    OUTCOME(ZwQueryInformationToken, "TokenSessionId", ZwQueryInformationToken(token, TokenSessionId, &number, 4, &Length) == STATUS_SUCCESS && number == 0);
    OUTCOME(ZwQueryInformationToken, "TokenPrimaryGroup", ZwQueryInformationToken(token, TokenPrimaryGroup, Buffer, sizeof(Buffer), &Length) == STATUS_SUCCESS && RtlValidSid(((PTOKEN_PRIMARY_GROUP)Buffer)->PrimaryGroup));
    OUTCOME(ZwQueryInformationToken, "TokenImpersonationLevel fails for a token that is not for impersonation", ZwQueryInformationToken(token, TokenImpersonationLevel, &number, 4, &Length) == STATUS_INVALID_INFO_CLASS);
}

static VOID MoreChanges(HANDLE token)
{
    static const ULONG ReadOnly[] = {TokenUser, TokenGroups, TokenPrivileges, TokenSource, TokenStatistics};
    static UCHAR space[0x2000] __attribute__((aligned(8)));
    static ULONG one = 1, none = 0;
    ULONG i, refused = 0, seen = 9;
    PACL acl = (PACL)space, given = acl;
    SID bad = {7, 1, {SECURITY_NT_AUTHORITY}, {18}};
    PSID sid = &bad;
    HANDLE copy;
    OBJECT_ATTRIBUTES a;
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwDuplicateToken(token, TOKEN_ALL_ACCESS, &a, FALSE, TokenPrimary, &copy) == STATUS_SUCCESS);
    for (i = 0; i < 5; i++) refused += ZwSetInformationToken(copy, ReadOnly[i], Buffer, sizeof(Buffer)) == STATUS_INVALID_INFO_CLASS;
    OUTCOME(ZwSetInformationToken, "classes that can only be read: STATUS_INVALID_INFO_CLASS", refused == 5);
    OUTCOME(ZwSetInformationToken, "a SID that is none: STATUS_INVALID_SID", ZwSetInformationToken(copy, TokenOwner, &sid, 8) == STATUS_INVALID_SID && ZwSetInformationToken(copy, TokenPrimaryGroup, &sid, 8) == STATUS_INVALID_SID);
    RtlCreateAcl(acl, sizeof(space), ACL_REVISION);
    while (RtlAddAccessAllowedAce(acl, ACL_REVISION, GENERIC_READ, &World) == STATUS_SUCCESS && acl->AceCount < 250) continue;
    OUTCOME(ZwSetInformationToken, "a default DACL that the token has no room for: STATUS_ALLOTTED_SPACE_EXCEEDED", ZwSetInformationToken(copy, TokenDefaultDacl, &given, 8) == STATUS_ALLOTTED_SPACE_EXCEEDED);
    OUTCOME(ZwSetInformationToken, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwSetInformationToken(ZwCurrentProcess(), TokenSessionId, &one, 4) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ZwSetInformationToken, "TokenVirtualizationEnabled: only where it is allowed", ZwSetInformationToken(copy, 24, &one, 4) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwSetInformationToken, "TokenVirtualizationAllowed", ZwSetInformationToken(copy, 23, &one, 4) == STATUS_SUCCESS && ZwQueryInformationToken(copy, 23, &seen, 4, &Length) == STATUS_SUCCESS && seen == 1 && ZwSetInformationToken(copy, 24, &one, 4) == STATUS_SUCCESS);
    OUTCOME(ZwQueryInformationToken, "TokenVirtualizationEnabled", ZwQueryInformationToken(copy, 24, &seen, 4, &Length) == STATUS_SUCCESS && seen == 1 && ZwSetInformationToken(copy, 24, &none, 4) == STATUS_SUCCESS && ZwQueryInformationToken(copy, 24, &seen, 4, &Length) == STATUS_SUCCESS && seen == 0);
    OUTCOME(ZwSetInformationToken, "TokenUIAccess", ZwSetInformationToken(copy, 26, &one, 4) == STATUS_SUCCESS && ZwQueryInformationToken(copy, 26, &seen, 4, &Length) == STATUS_SUCCESS && seen == 1);
    OUTCOME(ZwSetInformationToken, "TokenMandatoryPolicy", ZwSetInformationToken(copy, 27, &one, 4) == STATUS_SUCCESS && ZwQueryInformationToken(copy, 27, &seen, 4, &Length) == STATUS_SUCCESS && seen == 1);
    ZwClose(copy);
}

static VOID Drivers(VOID)
{
    PACCESS_TOKEN own = PsReferencePrimaryToken(PsGetCurrentProcess()), filtered, impersonated;
    struct { ULONG Count; SID_AND_ATTRIBUTES Groups[1]; } disable = {1, {{&System, 0}}}, only = {1, {{&World, 0}}};
    LUID id = {0, 0};
    PULONG type = NULL;
    ULONG number = 0;
    BOOLEAN copyOnOpen, effectiveOnly;
    SECURITY_IMPERSONATION_LEVEL level = 0;
    SECURITY_CLIENT_CONTEXT client;
    SECURITY_QUALITY_OF_SERVICE qos = {sizeof(qos), SecurityImpersonation, SECURITY_STATIC_TRACKING, FALSE};
    SECURITY_SUBJECT_CONTEXT subject;
    OUTCOME(PsReferencePrimaryToken, "the token of a process", own != NULL && SeTokenType(own) == TokenPrimary);
    OUTCOME(SeTokenIsAdmin, "TRUE for the system", SeTokenIsAdmin(own));
    OUTCOME(SeTokenIsRestricted, "FALSE for the system", !SeTokenIsRestricted(own));
    OUTCOME(SeTokenType, "TokenPrimary for that of a process", SeTokenType(own) == TokenPrimary);
    OUTCOME(SeQueryAuthenticationIdToken, "the logon session of the token", SeQueryAuthenticationIdToken(own, &id) == STATUS_SUCCESS && id.LowPart == 0x3e7);
    OUTCOME(SeQuerySessionIdToken, "the session of the token", SeQuerySessionIdToken(own, &number) == STATUS_SUCCESS && number == 0);
    OUTCOME(SeQueryInformationToken, "information in a buffer that the caller frees", SeQueryInformationToken(own, TokenType, (PVOID *)&type) == STATUS_SUCCESS && *type == TokenPrimary);
    ExFreePool(type);
    OUTCOME(SeQueryInformationToken, "the session as a number", SeQueryInformationToken(own, TokenSessionId, (PVOID *)Buffer) == STATUS_SUCCESS && *(PULONG)Buffer == 0);
    OUTCOME(SeQueryInformationToken, "an unknown class: STATUS_INVALID_INFO_CLASS", SeQueryInformationToken(own, 9999, (PVOID *)&type) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(SeFilterToken, "a copy with groups for denials only", SeFilterToken(own, 0, (PTOKEN_GROUPS)&disable, NULL, NULL, &filtered) == STATUS_SUCCESS && filtered != own && SeTokenIsAdmin(filtered));
    ObDereferenceObject(filtered);
    OUTCOME(SeFilterToken, "restricting identifiers make a restricted token", SeFilterToken(own, 0, NULL, NULL, (PTOKEN_GROUPS)&only, &filtered) == STATUS_SUCCESS && SeTokenIsRestricted(filtered));
    OUTCOME(SeTokenIsRestricted, "TRUE with restricting identifiers", SeTokenIsRestricted(filtered));
    OUTCOME(SeFilterToken, "unknown flags: STATUS_INVALID_PARAMETER", SeFilterToken(own, 0x1000, NULL, NULL, NULL, &impersonated) == STATUS_INVALID_PARAMETER);

    OUTCOME(PsImpersonateClient, "a thread acts as the owner of a token", PsImpersonateClient(PsGetCurrentThread(), filtered, TRUE, FALSE, SecurityImpersonation) == STATUS_SUCCESS && PsIsThreadImpersonating(PsGetCurrentThread()));
    impersonated = PsReferenceImpersonationToken(PsGetCurrentThread(), &copyOnOpen, &effectiveOnly, &level);
    OUTCOME(PsReferenceImpersonationToken, "the token and the level of an impersonation", impersonated && level == SecurityImpersonation && SeTokenIsRestricted(impersonated));
    PsDereferenceImpersonationToken(impersonated);
    OUTCOME(SeCreateClientSecurity, "takes down who a thread acts as", SeCreateClientSecurity(PsGetCurrentThread(), &qos, FALSE, &client) == STATUS_SUCCESS && client.ClientToken);
    OUTCOME(PsImpersonateClient, "without a token the thread is itself again", PsImpersonateClient(PsGetCurrentThread(), NULL, FALSE, FALSE, SecurityImpersonation) == STATUS_SUCCESS && !PsIsThreadImpersonating(PsGetCurrentThread()));
    OUTCOME(PsReferenceImpersonationToken, "NULL for a thread that does not impersonate", PsReferenceImpersonationToken(PsGetCurrentThread(), &copyOnOpen, &effectiveOnly, &level) == NULL);
    OUTCOME(SeImpersonateClientEx, "a thread acts as the client", SeImpersonateClientEx(&client, NULL) == STATUS_SUCCESS && PsIsThreadImpersonating(PsGetCurrentThread()));
    PsRevertToSelf();
    OUTCOME(PsRevertToSelf, "ends an impersonation", !PsIsThreadImpersonating(PsGetCurrentThread()));
    SeImpersonateClient(&client, NULL);
    OUTCOME(SeImpersonateClient, "a thread acts as the client", PsIsThreadImpersonating(PsGetCurrentThread()));
    qos.ImpersonationLevel = SecurityDelegation;
    {
        SECURITY_CLIENT_CONTEXT second;
        OUTCOME(SeCreateClientSecurity, "a level above the client's: STATUS_BAD_IMPERSONATION_LEVEL", SeCreateClientSecurity(PsGetCurrentThread(), &qos, FALSE, &second) == STATUS_BAD_IMPERSONATION_LEVEL);
        qos.ImpersonationLevel = SecurityIdentification;
        SeCaptureSubjectContext(&subject);
        OUTCOME(SeCreateClientSecurityFromSubjectContext, "takes down a subject", SeCreateClientSecurityFromSubjectContext(&subject, &qos, FALSE, &second) == STATUS_SUCCESS && second.ClientToken);
        SeReleaseSubjectContext(&subject);
        ObDereferenceObject(second.ClientToken);
    }
    PsRevertToSelf();
    ObDereferenceObject(client.ClientToken);
    ObDereferenceObject(filtered);
    PsDereferencePrimaryToken(own);
    OUTCOME(PsDereferencePrimaryToken, "gives the token back", TRUE);
    {
        PUNICODE_STRING image = NULL;
        OUTCOME(SeLocateProcessImageName, "a string that the caller frees", SeLocateProcessImageName(PsGetCurrentProcess(), &image) == STATUS_SUCCESS && image != NULL);
        if (image) ExFreePool(image);
    }
}

static VOID Events(VOID)
{
    OBJECT_ATTRIBUTES a;
    UNICODE_STRING name;
    HANDLE event, again, timer;
    LONG previous = 9;
    BOOLEAN state = 9;
    LARGE_INTEGER now = {{0, 0}}, soon;
    soon.QuadPart = -10000;
    RtlInitUnicodeString(&name, L"\\BaseNamedObjects\\KtestEvent");
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(ZwCreateEvent, "makes an event", ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE) == STATUS_SUCCESS);
    OUTCOME(ZwCreateEvent, "a name that is taken: STATUS_OBJECT_NAME_COLLISION", ZwCreateEvent(&again, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(ZwCreateEvent, "a type that there is not: STATUS_INVALID_PARAMETER", ZwCreateEvent(&again, EVENT_ALL_ACCESS, &a, 7, FALSE) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwOpenEvent, "opens an event by its name", ZwOpenEvent(&again, EVENT_ALL_ACCESS, &a) == STATUS_SUCCESS);
    OUTCOME(ZwSetEvent, "returns the previous state", ZwSetEvent(again, &previous) == STATUS_SUCCESS && previous == 0 && ZwSetEvent(event, &previous) == STATUS_SUCCESS && previous == 1);
    OUTCOME(ZwSetEvent, "a handle that is none: STATUS_INVALID_HANDLE", ZwSetEvent(NO_HANDLE, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwSetEvent, "another type: STATUS_OBJECT_TYPE_MISMATCH", ZwSetEvent(ZwCurrentProcess(), NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(ZwWaitForSingleObject, "an object that is signaled: STATUS_SUCCESS", ZwWaitForSingleObject(event, FALSE, &now) == STATUS_SUCCESS);
    ZwClose(again);
    ZwClose(event);
    OUTCOME(ZwOpenEvent, "a name that there is not: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenEvent(&again, EVENT_ALL_ACCESS, &a) == STATUS_OBJECT_NAME_NOT_FOUND);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &a, SynchronizationEvent, FALSE) == STATUS_SUCCESS);
    OUTCOME(ZwWaitForSingleObject, "the time is over: STATUS_TIMEOUT", ZwWaitForSingleObject(event, FALSE, &soon) == STATUS_TIMEOUT);
    OUTCOME(ZwWaitForSingleObject, "a handle that is none: STATUS_INVALID_HANDLE", ZwWaitForSingleObject(NO_HANDLE, FALSE, &now) == STATUS_INVALID_HANDLE);
    ZwClose(event);

    OUTCOME(ZwCreateTimer, "makes a timer", ZwCreateTimer(&timer, TIMER_ALL_ACCESS, &a, NotificationTimer) == STATUS_SUCCESS);
    OUTCOME(ZwCreateTimer, "a type that there is not: STATUS_INVALID_PARAMETER_4", ZwCreateTimer(&again, TIMER_ALL_ACCESS, &a, 7) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(ZwSetTimer, "sets a timer and returns the previous state", ZwSetTimer(timer, &soon, NULL, NULL, FALSE, 0, &state) == STATUS_SUCCESS && state == FALSE && ZwWaitForSingleObject(timer, FALSE, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwSetTimer, "a negative period: STATUS_INVALID_PARAMETER_6", ZwSetTimer(timer, &soon, NULL, NULL, FALSE, -1, &state) == STATUS_INVALID_PARAMETER_6);
    OUTCOME(ZwSetTimer, "a handle that is none: STATUS_INVALID_HANDLE", ZwSetTimer(NO_HANDLE, &soon, NULL, NULL, FALSE, 0, &state) == STATUS_INVALID_HANDLE);
    soon.QuadPart = -100000000;
    CHECK(ZwSetTimer(timer, &soon, NULL, NULL, FALSE, 0, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwCancelTimer, "cancels a timer that was set", ZwCancelTimer(timer, &state) == STATUS_SUCCESS && ZwWaitForSingleObject(timer, FALSE, &now) == STATUS_TIMEOUT);
    OUTCOME(ZwCancelTimer, "a handle that is none: STATUS_INVALID_HANDLE", ZwCancelTimer(NO_HANDLE, &state) == STATUS_INVALID_HANDLE);
    ZwClose(timer);
    RtlInitUnicodeString(&name, L"\\BaseNamedObjects\\KtestTimer");
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(ZwOpenTimer, "a name that there is not: STATUS_OBJECT_NAME_NOT_FOUND", ZwOpenTimer(&again, TIMER_ALL_ACCESS, &a) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(ZwCreateTimer(&timer, TIMER_ALL_ACCESS, &a, NotificationTimer) == STATUS_SUCCESS);
    OUTCOME(ZwOpenTimer, "opens a timer by its name", ZwOpenTimer(&again, TIMER_ALL_ACCESS, &a) == STATUS_SUCCESS);
    ZwClose(again);
    OUTCOME(ZwCreateTimer, "a name that is taken: STATUS_OBJECT_NAME_COLLISION", ZwCreateTimer(&again, TIMER_ALL_ACCESS, &a, NotificationTimer) == STATUS_OBJECT_NAME_COLLISION);
    ZwClose(timer);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("tokens");
    Asking();
    Copies();
    Threads();
    Drivers();
    Events();
    KtestDone();
    return STATUS_SUCCESS;
}
