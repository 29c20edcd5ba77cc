/*
 * Tokens by the Nt and Zw names: opening, copying, asking, switching privileges and groups; the token of a thread. And what a program may: run.ts sends a request, in whose dispatch routine the
 * previous mode is UserMode, so that the Nt forms look at rights and at addresses.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../io.h"

NTSTATUS NTAPI ZwAdjustGroupsToken(HANDLE Token, BOOLEAN Reset, PTOKEN_GROUPS NewState, ULONG Length, PTOKEN_GROUPS Previous, PULONG Needed);
BOOLEAN NTAPI PsIsThreadImpersonating(PETHREAD Thread);
SECURITY_IMPERSONATION_LEVEL NTAPI SeTokenImpersonationLevel(PACCESS_TOKEN Token);
NTSTATUS NTAPI ActAs(PETHREAD Thread, PACCESS_TOKEN Token, BOOLEAN CopyOnOpen, BOOLEAN EffectiveOnly, SECURITY_IMPERSONATION_LEVEL Level) __asm__("PsImpersonateClient");
VOID NTAPI Drop(PACCESS_TOKEN Token) __asm__("PsDereferenceImpersonationToken");

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)
#define WRITE_RESTRICTED_TOKEN 8
#ifndef SE_GROUP_ENABLED
#define SE_GROUP_ENABLED 4
#endif

static SID System = {1, 1, {SECURITY_NT_AUTHORITY}, {18}};
static SID World = {1, 1, {SECURITY_WORLD_SID_AUTHORITY}, {0}};
static SID Nobody = {1, 1, {SECURITY_NT_AUTHORITY}, {99}};
static struct { UCHAR Revision, Count; UCHAR Authority[6]; ULONG Sub[2]; } Admins = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};
static UCHAR Buffer[1024] __attribute__((aligned(8)));
static ULONG Length;
static PDEVICE_OBJECT Device;

/* The token object of a handle, which keeps it. A program's handle is looked at as the program's: the verifier sees to that. */
static PACCESS_TOKEN TokenOf(HANDLE Handle)
{
    PVOID object = NULL;
    CHECK(ObReferenceObjectByHandle(Handle, 0, *SeTokenObjectType, ObIsKernelHandle(Handle) ? KernelMode : ExGetPreviousMode(), &object, NULL) == STATUS_SUCCESS);
    ObDereferenceObject(object);
    return object;
}

/* A copy of the own token, for impersonation with a level, or primary. */
static HANDLE Copy(TOKEN_TYPE Type, SECURITY_IMPERSONATION_LEVEL Level)
{
    HANDLE own, copy = NULL;
    OBJECT_ATTRIBUTES a;
    SECURITY_QUALITY_OF_SERVICE quality = {sizeof quality, Level, SECURITY_STATIC_TRACKING, FALSE};
    CHECK(ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_ALL_ACCESS, OBJ_KERNEL_HANDLE, &own) == STATUS_SUCCESS);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    a.SecurityQualityOfService = &quality;
    CHECK(ZwDuplicateToken(own, TOKEN_ALL_ACCESS, &a, FALSE, Type, &copy) == STATUS_SUCCESS);
    ZwClose(own);
    return copy;
}

/* Each test once by the Nt and once by the Zw name: from kernel mode they do the same. */
#define OPENING(P)                                                                                                                                                                                  \
    static VOID P##Opening(VOID)                                                                                                                                                                    \
    {                                                                                                                                                                                               \
        HANDLE token = NULL, thief;                                                                                                                                                                 \
        PETHREAD self = PsGetCurrentThread();                                                                                                                                                       \
        PACCESS_TOKEN own = PsReferencePrimaryToken(PsGetCurrentProcess());                                                                                                                         \
        NTSTATUS status = P##OpenProcessToken(ZwCurrentProcess(), TOKEN_QUERY, &token);                                                                                                             \
        OUTCOME(P##OpenProcessToken, "STATUS_SUCCESS and a handle to the token of the process", status == STATUS_SUCCESS && TokenOf(token) == own);                                                 \
        ZwClose(token);                                                                                                                                                                             \
        OUTCOME(P##OpenProcessToken, "STATUS_INVALID_HANDLE for what is no handle", P##OpenProcessToken(NO_HANDLE, TOKEN_QUERY, &token) == STATUS_INVALID_HANDLE);                                  \
        OUTCOME(P##OpenProcessToken, "STATUS_OBJECT_TYPE_MISMATCH for what is no process", P##OpenProcessToken(ZwCurrentThread(), TOKEN_QUERY, &token) == STATUS_OBJECT_TYPE_MISMATCH);             \
        OUTCOME(P##OpenThreadToken, "STATUS_NO_TOKEN for a thread that does not impersonate", P##OpenThreadToken(ZwCurrentThread(), TOKEN_QUERY, TRUE, &token) == STATUS_NO_TOKEN);                 \
        OUTCOME(P##OpenThreadToken, "STATUS_INVALID_HANDLE for what is no handle", P##OpenThreadToken(NO_HANDLE, TOKEN_QUERY, TRUE, &token) == STATUS_INVALID_HANDLE);                              \
        OUTCOME(P##OpenThreadToken, "STATUS_OBJECT_TYPE_MISMATCH for what is no thread", P##OpenThreadToken(ZwCurrentProcess(), TOKEN_QUERY, TRUE, &token) == STATUS_OBJECT_TYPE_MISMATCH);         \
        thief = Copy(TokenImpersonation, SecurityImpersonation);                                                                                                                                    \
        CHECK(ActAs(self, TokenOf(thief), FALSE, FALSE, SecurityImpersonation) == STATUS_SUCCESS);                                                                                                  \
        status = P##OpenThreadToken(ZwCurrentThread(), TOKEN_QUERY, TRUE, &token);                                                                                                                  \
        OUTCOME(P##OpenThreadToken, "STATUS_SUCCESS and a handle to the token that the thread impersonates", status == STATUS_SUCCESS && TokenOf(token) == TokenOf(thief));                         \
        ZwClose(token);                                                                                                                                                                             \
        CHECK(ActAs(self, TokenOf(thief), FALSE, FALSE, SecurityAnonymous) == STATUS_SUCCESS);                                                                                                      \
        OUTCOME(P##OpenThreadToken, "STATUS_CANT_OPEN_ANONYMOUS at the level SecurityAnonymous", P##OpenThreadToken(ZwCurrentThread(), TOKEN_QUERY, TRUE, &token) == STATUS_CANT_OPEN_ANONYMOUS);   \
        PsRevertToSelf();                                                                                                                                                                           \
        ZwClose(thief);                                                                                                                                                                             \
        PsDereferencePrimaryToken(own);                                                                                                                                                             \
    }
OPENING(Nt)
OPENING(Zw)

/* With OBJ_FORCE_ACCESS_CHECK the kernel's opens are checked too: at the level SecurityIdentification the client can open nothing, the caller's own process can. */
static VOID AsSelf(VOID)
{
    HANDLE client = Copy(TokenImpersonation, SecurityIdentification), token = NULL;
    CHECK(ActAs(PsGetCurrentThread(), TokenOf(client), FALSE, FALSE, SecurityIdentification) == STATUS_SUCCESS);
    OUTCOME(ZwOpenThreadTokenEx, "OpenAsSelf FALSE: the check is that of the client, STATUS_BAD_IMPERSONATION_LEVEL for one that is identified only",
            ZwOpenThreadTokenEx(ZwCurrentThread(), TOKEN_QUERY, FALSE, OBJ_KERNEL_HANDLE | OBJ_FORCE_ACCESS_CHECK, &token) == STATUS_BAD_IMPERSONATION_LEVEL);
    OUTCOME(ZwOpenThreadTokenEx, "OpenAsSelf TRUE: the check is that of the caller's process",
            ZwOpenThreadTokenEx(ZwCurrentThread(), TOKEN_QUERY, TRUE, OBJ_KERNEL_HANDLE | OBJ_FORCE_ACCESS_CHECK, &token) == STATUS_SUCCESS && TokenOf(token) == TokenOf(client));
    ZwClose(token);
    PsRevertToSelf();
    ZwClose(client);
}

static VOID Duplicating(VOID)
{
    HANDLE own, copy, second = NULL;
    OBJECT_ATTRIBUTES a;
    SECURITY_QUALITY_OF_SERVICE quality = {sizeof quality, SecurityIdentification, SECURITY_STATIC_TRACKING, FALSE};
    CHECK(ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_ALL_ACCESS, OBJ_KERNEL_HANDLE, &own) == STATUS_SUCCESS);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    a.SecurityQualityOfService = &quality;
    NTSTATUS status = NtDuplicateToken(own, TOKEN_ALL_ACCESS, &a, FALSE, TokenImpersonation, &copy);
    OUTCOME(NtDuplicateToken, "STATUS_SUCCESS, a token for impersonation of the level that is asked for", status == STATUS_SUCCESS && SeTokenType(TokenOf(copy)) == TokenImpersonation && SeTokenImpersonationLevel(TokenOf(copy)) == SecurityIdentification);
    OUTCOME(SeTokenImpersonationLevel, "SecurityIdentification", SeTokenImpersonationLevel(TokenOf(copy)) == SecurityIdentification);
    a.SecurityQualityOfService = NULL;
    status = NtDuplicateToken(copy, TOKEN_QUERY, &a, FALSE, TokenImpersonation, &second);
    OUTCOME(NtDuplicateToken, "without a level that of the original", status == STATUS_SUCCESS && SeTokenImpersonationLevel(TokenOf(second)) == SecurityIdentification);
    ZwClose(second);
    a.SecurityQualityOfService = &quality;
    quality.ImpersonationLevel = SecurityImpersonation;
    OUTCOME(NtDuplicateToken, "STATUS_BAD_IMPERSONATION_LEVEL for a level above the original's", NtDuplicateToken(copy, TOKEN_QUERY, &a, FALSE, TokenImpersonation, &second) == STATUS_BAD_IMPERSONATION_LEVEL);
    OUTCOME(NtDuplicateToken, "STATUS_INVALID_PARAMETER for a type that there is not", NtDuplicateToken(own, TOKEN_QUERY, &a, FALSE, 3, &second) == STATUS_INVALID_PARAMETER);
    OUTCOME(NtDuplicateToken, "STATUS_INVALID_HANDLE for what is no handle", NtDuplicateToken(NO_HANDLE, TOKEN_QUERY, &a, FALSE, TokenPrimary, &second) == STATUS_INVALID_HANDLE);
    OUTCOME(NtDuplicateToken, "STATUS_OBJECT_TYPE_MISMATCH for what is no token", NtDuplicateToken(ZwCurrentProcess(), TOKEN_QUERY, &a, FALSE, TokenPrimary, &second) == STATUS_OBJECT_TYPE_MISMATCH);
    status = NtDuplicateToken(own, TOKEN_QUERY, &a, FALSE, TokenPrimary, &second);
    OUTCOME(NtDuplicateToken, "STATUS_SUCCESS, a primary token", status == STATUS_SUCCESS && SeTokenType(TokenOf(second)) == TokenPrimary && TokenOf(second) != TokenOf(own));
    ZwClose(second);
    status = NtDuplicateToken(own, TOKEN_QUERY, &a, TRUE, TokenPrimary, &second);
    CHECK(NT_SUCCESS(ZwQueryInformationToken(own, TokenPrivileges, Buffer, sizeof Buffer, &Length)));
    ULONG all = ((PTOKEN_PRIVILEGES)Buffer)->PrivilegeCount;
    CHECK(NT_SUCCESS(ZwQueryInformationToken(second, TokenPrivileges, Buffer, sizeof Buffer, &Length)));
    OUTCOME(NtDuplicateToken, "EffectiveOnly leaves out what is not enabled", status == STATUS_SUCCESS && ((PTOKEN_PRIVILEGES)Buffer)->PrivilegeCount < all);
    ZwClose(second);
    ZwClose(copy);
    ZwClose(own);
    copy = Copy(TokenImpersonation, SecurityDelegation);
    OUTCOME(SeTokenImpersonationLevel, "SecurityDelegation", SeTokenImpersonationLevel(TokenOf(copy)) == SecurityDelegation);
    ZwClose(copy);
}

static VOID Asking(VOID)
{
    HANDLE token = Copy(TokenPrimary, SecurityImpersonation);
    PTOKEN_USER user = (PVOID)Buffer;
    PTOKEN_STATISTICS statistics = (PVOID)Buffer;
    NTSTATUS status = NtQueryInformationToken(token, TokenUser, Buffer, sizeof Buffer, &Length);
    OUTCOME(NtQueryInformationToken, "STATUS_SUCCESS, TokenUser: who it is", status == STATUS_SUCCESS && RtlEqualSid(user->User.Sid, &System) && Length == sizeof(TOKEN_USER) + 12);
    status = NtQueryInformationToken(token, TokenStatistics, Buffer, sizeof Buffer, &Length);
    OUTCOME(NtQueryInformationToken, "STATUS_SUCCESS, TokenStatistics: type and logon session", status == STATUS_SUCCESS && Length == sizeof *statistics && statistics->TokenType == TokenPrimary && statistics->AuthenticationId.LowPart == 0x3e7);
    Length = 0;
    OUTCOME(NtQueryInformationToken, "STATUS_BUFFER_TOO_SMALL and the length that is needed", NtQueryInformationToken(token, TokenUser, NULL, 0, &Length) == STATUS_BUFFER_TOO_SMALL && Length == sizeof(TOKEN_USER) + 12);
    OUTCOME(NtQueryInformationToken, "STATUS_INVALID_INFO_CLASS for a class that there is not", NtQueryInformationToken(token, 9999, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(NtQueryInformationToken, "STATUS_INVALID_HANDLE for what is no handle", NtQueryInformationToken(NO_HANDLE, TokenUser, Buffer, sizeof Buffer, &Length) == STATUS_INVALID_HANDLE);
    OUTCOME(NtQueryInformationToken, "STATUS_OBJECT_TYPE_MISMATCH for what is no token", NtQueryInformationToken(ZwCurrentProcess(), TokenUser, Buffer, sizeof Buffer, &Length) == STATUS_OBJECT_TYPE_MISMATCH);
    ZwClose(token);
}

/* Whether the token has a privilege (-1: it does not), and whether that is enabled. */
static LONG Privilege(HANDLE Token, ULONG Number)
{
    PTOKEN_PRIVILEGES list = (PVOID)Buffer;
    CHECK(NT_SUCCESS(ZwQueryInformationToken(Token, TokenPrivileges, Buffer, sizeof Buffer, &Length)));
    for (ULONG i = 0; i < list->PrivilegeCount; i++)
        if (list->Privileges[i].Luid.LowPart == Number)
            return (list->Privileges[i].Attributes & SE_PRIVILEGE_ENABLED) != 0;
    return -1;
}

static VOID Privileges(VOID)
{
    HANDLE token = Copy(TokenPrimary, SecurityImpersonation);
    struct { ULONG Count; LUID_AND_ATTRIBUTES List[2]; } change = {1, {{{SE_SYSTEMTIME_PRIVILEGE, 0}, SE_PRIVILEGE_ENABLED}}}, before;
    PTOKEN_PRIVILEGES wanted = (PVOID)&change, previous = (PVOID)&before;
    ULONG needed = 0;
    CHECK(Privilege(token, SE_SYSTEMTIME_PRIVILEGE) == 0 && Privilege(token, SE_TCB_PRIVILEGE) == 1);
    OUTCOME(ZwAdjustPrivilegesToken, "STATUS_BUFFER_TOO_SMALL when the previous state does not fit: the length, and nothing is changed", ZwAdjustPrivilegesToken(token, FALSE, wanted, 4, previous, &needed) == STATUS_BUFFER_TOO_SMALL && needed == 16 && Privilege(token, SE_SYSTEMTIME_PRIVILEGE) == 0);
    NTSTATUS status = ZwAdjustPrivilegesToken(token, FALSE, wanted, sizeof before, previous, &needed);
    OUTCOME(ZwAdjustPrivilegesToken, "STATUS_SUCCESS, a privilege is enabled", status == STATUS_SUCCESS && Privilege(token, SE_SYSTEMTIME_PRIVILEGE) == 1);
    OUTCOME(ZwAdjustPrivilegesToken, "the previous state of what was changed, and its length", needed == 16 && before.Count == 1 && before.List[0].Luid.LowPart == SE_SYSTEMTIME_PRIVILEGE && !(before.List[0].Attributes & SE_PRIVILEGE_ENABLED));
    status = ZwAdjustPrivilegesToken(token, FALSE, previous, 0, NULL, NULL);
    OUTCOME(ZwAdjustPrivilegesToken, "STATUS_SUCCESS, a privilege is disabled", status == STATUS_SUCCESS && Privilege(token, SE_SYSTEMTIME_PRIVILEGE) == 0);
    change.Count = 2;
    change.List[1] = (LUID_AND_ATTRIBUTES){{60, 0}, SE_PRIVILEGE_ENABLED};
    status = ZwAdjustPrivilegesToken(token, FALSE, wanted, 0, NULL, NULL);
    OUTCOME(ZwAdjustPrivilegesToken, "STATUS_NOT_ALL_ASSIGNED for one that the token does not have; the others are changed", status == STATUS_NOT_ALL_ASSIGNED && Privilege(token, SE_SYSTEMTIME_PRIVILEGE) == 1);
    change.Count = 1;
    change.List[0].Attributes = SE_PRIVILEGE_REMOVED;
    status = ZwAdjustPrivilegesToken(token, FALSE, wanted, 0, NULL, NULL);
    OUTCOME(ZwAdjustPrivilegesToken, "SE_PRIVILEGE_REMOVED takes a privilege from the token", status == STATUS_SUCCESS && Privilege(token, SE_SYSTEMTIME_PRIVILEGE) == -1);
    OUTCOME(ZwAdjustPrivilegesToken, "STATUS_INVALID_PARAMETER without a new state", ZwAdjustPrivilegesToken(token, FALSE, NULL, 0, NULL, NULL) == STATUS_INVALID_PARAMETER);
    status = ZwAdjustPrivilegesToken(token, TRUE, NULL, 0, NULL, NULL);
    OUTCOME(ZwAdjustPrivilegesToken, "DisableAllPrivileges disables all of them", status == STATUS_SUCCESS && Privilege(token, SE_TCB_PRIVILEGE) == 0 && Privilege(token, SE_CHANGE_NOTIFY_PRIVILEGE) == 0);
    OUTCOME(ZwAdjustPrivilegesToken, "STATUS_INVALID_HANDLE for what is no handle", ZwAdjustPrivilegesToken(NO_HANDLE, TRUE, NULL, 0, NULL, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwAdjustPrivilegesToken, "STATUS_OBJECT_TYPE_MISMATCH for what is no token", ZwAdjustPrivilegesToken(ZwCurrentProcess(), TRUE, NULL, 0, NULL, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    ZwClose(token);
}

/* Whether a group of the token counts (-1: it has no such group). */
static LONG GroupOf(HANDLE Token, PSID Sid)
{
    PTOKEN_GROUPS list = (PVOID)Buffer;
    CHECK(NT_SUCCESS(ZwQueryInformationToken(Token, TokenGroups, Buffer, sizeof Buffer, &Length)));
    for (ULONG i = 0; i < list->GroupCount; i++)
        if (RtlEqualSid(list->Groups[i].Sid, Sid))
            return (list->Groups[i].Attributes & SE_GROUP_ENABLED) != 0;
    return -1;
}

static VOID Groups(VOID)
{
    HANDLE token = Copy(TokenPrimary, SecurityImpersonation), denying = NULL;
    TOKEN_GROUPS change = {1, {{&Admins, 0}}};
    struct { ULONG Count; SID_AND_ATTRIBUTES Groups[2]; } two = {2, {{&Admins, 0}, {&Nobody, 0}}};
    ULONG64 before[8];
    PTOKEN_GROUPS previous = (PVOID)before;
    ULONG needed = 0, length = sizeof(TOKEN_GROUPS) + 16;
    CHECK(GroupOf(token, &Admins) == 1);
    OUTCOME(ZwAdjustGroupsToken, "STATUS_BUFFER_TOO_SMALL when the previous state does not fit: the length, and nothing is changed", ZwAdjustGroupsToken(token, FALSE, &change, 8, previous, &needed) == STATUS_BUFFER_TOO_SMALL && needed == length && GroupOf(token, &Admins) == 1);
    NTSTATUS status = ZwAdjustGroupsToken(token, FALSE, &change, sizeof before, previous, &needed);
    OUTCOME(ZwAdjustGroupsToken, "STATUS_SUCCESS, a group is disabled", status == STATUS_SUCCESS && GroupOf(token, &Admins) == 0);
    OUTCOME(ZwAdjustGroupsToken, "the previous state of what was changed, and its length", needed == length && previous->GroupCount == 1 && RtlEqualSid(previous->Groups[0].Sid, &Admins) && (previous->Groups[0].Attributes & SE_GROUP_ENABLED));
    status = ZwAdjustGroupsToken(token, FALSE, previous, 0, NULL, NULL);
    OUTCOME(ZwAdjustGroupsToken, "STATUS_SUCCESS, a group is enabled", status == STATUS_SUCCESS && GroupOf(token, &Admins) == 1);
    status = ZwAdjustGroupsToken(token, FALSE, (PTOKEN_GROUPS)&two, 0, NULL, NULL);
    OUTCOME(ZwAdjustGroupsToken, "STATUS_NOT_ALL_ASSIGNED for one that the token does not have; the others are changed", status == STATUS_NOT_ALL_ASSIGNED && GroupOf(token, &Admins) == 0);
    status = ZwAdjustGroupsToken(token, TRUE, NULL, 0, NULL, NULL);
    OUTCOME(ZwAdjustGroupsToken, "ResetToDefault: as they are by default", status == STATUS_SUCCESS && GroupOf(token, &Admins) == 1);
    change.Groups[0].Sid = &World;
    OUTCOME(ZwAdjustGroupsToken, "STATUS_CANT_DISABLE_MANDATORY for a mandatory group", ZwAdjustGroupsToken(token, FALSE, &change, 0, NULL, NULL) == STATUS_CANT_DISABLE_MANDATORY && GroupOf(token, &World) == 1);
    OUTCOME(ZwAdjustGroupsToken, "STATUS_INVALID_PARAMETER without a new state", ZwAdjustGroupsToken(token, FALSE, NULL, 0, NULL, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwAdjustGroupsToken, "STATUS_INVALID_HANDLE for what is no handle", ZwAdjustGroupsToken(NO_HANDLE, TRUE, NULL, 0, NULL, NULL) == STATUS_INVALID_HANDLE);
    OUTCOME(ZwAdjustGroupsToken, "STATUS_OBJECT_TYPE_MISMATCH for what is no token", ZwAdjustGroupsToken(ZwCurrentProcess(), TRUE, NULL, 0, NULL, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    /* A group that only denies stays so. */
    PACCESS_TOKEN filtered;
    change.Groups[0] = (SID_AND_ATTRIBUTES){&Admins, 0};
    CHECK(SeFilterToken(TokenOf(token), 0, &change, NULL, NULL, &filtered) == STATUS_SUCCESS);
    CHECK(ObOpenObjectByPointer(filtered, OBJ_KERNEL_HANDLE, NULL, TOKEN_ALL_ACCESS, *SeTokenObjectType, KernelMode, &denying) == STATUS_SUCCESS);
    change.Groups[0].Attributes = SE_GROUP_ENABLED;
    OUTCOME(ZwAdjustGroupsToken, "STATUS_CANT_ENABLE_DENY_ONLY for a group that is for denials only", ZwAdjustGroupsToken(denying, FALSE, &change, 0, NULL, NULL) == STATUS_CANT_ENABLE_DENY_ONLY && GroupOf(denying, &Admins) == 0);
    ZwClose(denying);
    ObDereferenceObject(filtered);
    ZwClose(token);
}

/* References of an object: OBJECT_HEADER.PointerCount, 30h bytes before it, which handles add to in steps that differ. */
static LONG_PTR References(PVOID Object)
{
    return *(volatile LONG_PTR *)((PUCHAR)Object - 0x30);
}

static VOID Impersonating(VOID)
{
    PETHREAD self = PsGetCurrentThread();
    HANDLE token = Copy(TokenImpersonation, SecurityIdentification), primary = Copy(TokenPrimary, SecurityImpersonation);
    BOOLEAN copy, only;
    SECURITY_IMPERSONATION_LEVEL level = 9;
    NTSTATUS status = PsAssignImpersonationToken(self, token);
    PACCESS_TOKEN held = PsReferenceImpersonationToken(self, &copy, &only, &level);
    OUTCOME(PsAssignImpersonationToken, "STATUS_SUCCESS, the thread impersonates the token at its level", status == STATUS_SUCCESS && PsIsThreadImpersonating(self) && held == TokenOf(token) && level == SecurityIdentification);
    LONG_PTR references = References(held);
    Drop(held);
    OUTCOME(PsDereferenceImpersonationToken, "gives back one reference", References(held) == references - 1);
    Drop(NULL);
    OUTCOME(PsDereferenceImpersonationToken, "nothing happens for NULL", PsIsThreadImpersonating(self));
    OUTCOME(PsAssignImpersonationToken, "STATUS_BAD_TOKEN_TYPE for a primary token", PsAssignImpersonationToken(self, primary) == STATUS_BAD_TOKEN_TYPE && PsIsThreadImpersonating(self));
    OUTCOME(PsAssignImpersonationToken, "STATUS_INVALID_HANDLE for what is no handle", PsAssignImpersonationToken(self, NO_HANDLE) == STATUS_INVALID_HANDLE);
    OUTCOME(PsAssignImpersonationToken, "STATUS_OBJECT_TYPE_MISMATCH for what is no token", PsAssignImpersonationToken(self, ZwCurrentProcess()) == STATUS_OBJECT_TYPE_MISMATCH);
    status = PsAssignImpersonationToken(self, NULL);
    OUTCOME(PsAssignImpersonationToken, "NULL ends the impersonation", status == STATUS_SUCCESS && !PsIsThreadImpersonating(self));

    TOKEN_GROUPS only1 = {1, {{&World, 0}}};
    PACCESS_TOKEN restricted, writing;
    CHECK(SeFilterToken(TokenOf(primary), 0, NULL, NULL, &only1, &restricted) == STATUS_SUCCESS);
    CHECK(SeFilterToken(TokenOf(primary), WRITE_RESTRICTED_TOKEN, NULL, NULL, &only1, &writing) == STATUS_SUCCESS);
    OUTCOME(SeTokenIsWriteRestricted, "TRUE for a token that is restricted for writing", SeTokenIsWriteRestricted(writing));
    OUTCOME(SeTokenIsWriteRestricted, "FALSE for one that is not restricted, or restricted for everything", !SeTokenIsWriteRestricted(TokenOf(primary)) && !SeTokenIsWriteRestricted(restricted));
    ObDereferenceObject(restricted);
    ObDereferenceObject(writing);
    ZwClose(token);
    ZwClose(primary);
}

/* A handle of the program's own to an object, with few rights. */
static HANDLE Weak(PVOID Object, POBJECT_TYPE Type, ACCESS_MASK Access)
{
    HANDLE handle = NULL;
    CHECK(ObOpenObjectByPointer(Object, 0, NULL, Access, Type, KernelMode, &handle) == STATUS_SUCCESS);
    return handle;
}

/* In the name of a program; `User` is a buffer of its own, in which the answers go. */
static VOID FromUserMode(PUCHAR User)
{
    PETHREAD self = PsGetCurrentThread();
    PHANDLE out = (PHANDLE)User;
    PULONG length = (PULONG)(User + 8);
    HANDLE process = Weak(PsGetCurrentProcess(), *PsProcessType, SYNCHRONIZE), thread = Weak(self, *PsThreadType, SYNCHRONIZE), kernel = Copy(TokenImpersonation, SecurityIdentification);
    PACCESS_TOKEN own = PsReferencePrimaryToken(PsGetCurrentProcess());
    HANDLE token = Weak(own, *SeTokenObjectType, READ_CONTROL);

    OUTCOME(NtOpenProcessToken, "from user mode, STATUS_ACCESS_DENIED for a handle without PROCESS_QUERY_INFORMATION", NtOpenProcessToken(process, TOKEN_QUERY, out) == STATUS_ACCESS_DENIED);
    OUTCOME(NtOpenProcessToken, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", NtOpenProcessToken(ZwCurrentProcess(), TOKEN_QUERY, (PHANDLE)Buffer) == STATUS_ACCESS_VIOLATION);
    NTSTATUS status = NtOpenProcessToken(ZwCurrentProcess(), TOKEN_QUERY, out);
    OUTCOME(NtOpenProcessToken, "from user mode, with the right: STATUS_SUCCESS", status == STATUS_SUCCESS && TokenOf(*out) == own);
    ZwClose(*out);
    /* The privilege is switched off for the time of the call. */
    struct { ULONG Count; LUID_AND_ATTRIBUTES List[1]; } off = {1, {{{SE_SECURITY_PRIVILEGE, 0}, 0}}}, before;
    HANDLE full;
    CHECK(ObOpenObjectByPointer(own, OBJ_KERNEL_HANDLE, NULL, TOKEN_ALL_ACCESS, *SeTokenObjectType, KernelMode, &full) == STATUS_SUCCESS);
    CHECK(ZwAdjustPrivilegesToken(full, FALSE, (PTOKEN_PRIVILEGES)&off, sizeof before, (PTOKEN_PRIVILEGES)&before, &Length) == STATUS_SUCCESS);
    status = NtOpenProcessToken(ZwCurrentProcess(), ACCESS_SYSTEM_SECURITY, out);
    OUTCOME(NtOpenProcessToken, "from user mode, STATUS_PRIVILEGE_NOT_HELD for ACCESS_SYSTEM_SECURITY without SeSecurityPrivilege", status == STATUS_PRIVILEGE_NOT_HELD);
    CHECK(ZwAdjustPrivilegesToken(full, FALSE, (PTOKEN_PRIVILEGES)&before, 0, NULL, NULL) == STATUS_SUCCESS);
    ZwClose(full);
    OUTCOME(NtOpenThreadToken, "from user mode, STATUS_ACCESS_DENIED for a handle without THREAD_QUERY_INFORMATION", NtOpenThreadToken(thread, TOKEN_QUERY, TRUE, out) == STATUS_ACCESS_DENIED);
    CHECK(ActAs(self, TokenOf(kernel), FALSE, FALSE, SecurityIdentification) == STATUS_SUCCESS);
    OUTCOME(NtOpenThreadToken, "from user mode, OpenAsSelf FALSE: the client's token cannot be opened at the level SecurityIdentification", NtOpenThreadToken(ZwCurrentThread(), TOKEN_QUERY, FALSE, out) == STATUS_BAD_IMPERSONATION_LEVEL);
    status = NtOpenThreadToken(ZwCurrentThread(), TOKEN_QUERY, TRUE, out);
    OUTCOME(NtOpenThreadToken, "from user mode, OpenAsSelf TRUE: the process's own rights count", status == STATUS_SUCCESS && TokenOf(*out) == TokenOf(kernel));
    ZwClose(*out);
    PsRevertToSelf();

    OUTCOME(NtDuplicateToken, "from user mode, STATUS_ACCESS_DENIED for a handle without TOKEN_DUPLICATE", NtDuplicateToken(token, TOKEN_QUERY, NULL, FALSE, TokenPrimary, out) == STATUS_ACCESS_DENIED);
    OUTCOME(NtDuplicateToken, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", NtDuplicateToken(token, TOKEN_QUERY, NULL, FALSE, TokenPrimary, (PHANDLE)Buffer) == STATUS_ACCESS_VIOLATION);
    OUTCOME(NtDuplicateToken, "from user mode, STATUS_INVALID_HANDLE for a handle of the kernel's", NtDuplicateToken(kernel, TOKEN_QUERY, NULL, FALSE, TokenPrimary, out) == STATUS_INVALID_HANDLE);
    OUTCOME(NtQueryInformationToken, "from user mode, STATUS_ACCESS_DENIED for a handle without TOKEN_QUERY", NtQueryInformationToken(token, TokenUser, User + 16, 64, length) == STATUS_ACCESS_DENIED);
    ZwClose(token);
    token = Weak(own, *SeTokenObjectType, TOKEN_QUERY);
    OUTCOME(NtQueryInformationToken, "STATUS_ACCESS_VIOLATION without a place for the length", NtQueryInformationToken(token, TokenUser, User + 16, 64, NULL) == STATUS_ACCESS_VIOLATION);
    OUTCOME(NtQueryInformationToken, "from user mode, STATUS_ACCESS_VIOLATION for an address of the kernel's", NtQueryInformationToken(token, TokenUser, Buffer, sizeof Buffer, length) == STATUS_ACCESS_VIOLATION);
    OUTCOME(NtQueryInformationToken, "from user mode, with the right: STATUS_SUCCESS", NtQueryInformationToken(token, TokenType, User + 16, 64, length) == STATUS_SUCCESS && *(PULONG)(User + 16) == TokenPrimary && *length == 4);
    ZwClose(token);
    ZwClose(process);
    ZwClose(thread);
    ZwClose(kernel);
    PsDereferencePrimaryToken(own);
}

static NTSTATUS NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    CHECK(ExGetPreviousMode() == UserMode);
    FromUserMode(Irp->UserBuffer);
    KtestDone();
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI Create(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    IoDeleteDevice(Device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    KtestBegin("nttokens");
    Device = NewDevice(DriverObject, L"\\Device\\KtestTokens", 0);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DriverObject->MajorFunction[IRP_MJ_CLOSE] = Create;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    DriverObject->DriverUnload = Unload;
    NtOpening();
    ZwOpening();
    AsSelf();
    Duplicating();
    Asking();
    Privileges();
    Groups();
    Impersonating();
    return STATUS_SUCCESS;
}
