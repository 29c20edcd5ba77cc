/* Who a thread acts for: subjects, impersonation that is ended, suspended and taken up again, access masks, security of objects, descriptors that are kept. */
#include <ntifs.h>
#include "../ktest.h"

VOID NTAPI SeCaptureSubjectContextEx(PETHREAD Thread, PEPROCESS Process, PSECURITY_SUBJECT_CONTEXT Subject);
NTSTATUS NTAPI ZwPrivilegeCheck(HANDLE Token, PPRIVILEGE_SET Privileges, PBOOLEAN Result);
NTSTATUS NTAPI ObSetSecurityObjectByPointer(PVOID Object, SECURITY_INFORMATION Information, PSECURITY_DESCRIPTOR Descriptor);
NTSTATUS NTAPI NtQuerySecurityObject(HANDLE Handle, SECURITY_INFORMATION Information, PSECURITY_DESCRIPTOR Descriptor, ULONG Length, PULONG Needed);
NTSTATUS NTAPI NtSetSecurityObject(HANDLE Handle, SECURITY_INFORMATION Information, PSECURITY_DESCRIPTOR Descriptor);
NTSTATUS NTAPI ZwOpenProcessTokenEx(HANDLE Process, ACCESS_MASK Access, ULONG Attributes, PHANDLE Token);
BOOLEAN NTAPI PsIsThreadImpersonating(PETHREAD Thread);
NTSTATUS NTAPI NtImpersonateClient(PETHREAD Thread, PACCESS_TOKEN Token, BOOLEAN CopyOnOpen, BOOLEAN EffectiveOnly, SECURITY_IMPERSONATION_LEVEL Level) __asm__("PsImpersonateClient");
VOID NTAPI NtRevert(PETHREAD Thread) __asm__("PsRevertThreadToSelf");
NTSTATUS NTAPI SeCreateAccessState(PACCESS_STATE State, PVOID AuxData, ACCESS_MASK Access, PGENERIC_MAPPING Mapping);
VOID NTAPI SeDeleteAccessState(PACCESS_STATE State);
VOID NTAPI SeSetAccessStateGenericMapping(PACCESS_STATE State, PGENERIC_MAPPING Mapping);
VOID NTAPI NtQueryMask(SECURITY_INFORMATION Information, PACCESS_MASK Access) __asm__("SeQuerySecurityAccessMask");
VOID NTAPI NtSetMask(SECURITY_INFORMATION Information, PACCESS_MASK Access) __asm__("SeSetSecurityAccessMask");

NTSTATUS NTAPI ObLogSecurityDescriptor(PSECURITY_DESCRIPTOR Descriptor, PSECURITY_DESCRIPTOR *Kept, ULONG References);
VOID NTAPI ObReferenceSecurityDescriptor(PSECURITY_DESCRIPTOR Descriptor, ULONG Count);
VOID NTAPI ObDereferenceSecurityDescriptor(PSECURITY_DESCRIPTOR Descriptor, ULONG Count);

static SECURITY_QUALITY_OF_SERVICE Quality = {sizeof Quality, SecurityImpersonation, SECURITY_STATIC_TRACKING, FALSE};

static VOID Subjects(VOID)
{
    SECURITY_SUBJECT_CONTEXT subject;
    RtlFillMemory(&subject, sizeof subject, 0x77);
    SeCaptureSubjectContextEx(PsGetCurrentThread(), PsInitialSystemProcess, &subject);
    PACCESS_TOKEN primary = PsReferencePrimaryToken(PsInitialSystemProcess);
    OUTCOME(SeCaptureSubjectContextEx, "the primary token of the process", subject.PrimaryToken == primary && SeQuerySubjectContextToken(&subject) == primary && subject.ClientToken == NULL);
    SeReleaseSubjectContext(&subject);

    SECURITY_CLIENT_CONTEXT client;
    PETHREAD self = PsGetCurrentThread();
    NTSTATUS status = SeCreateClientSecurity(self, &Quality, FALSE, &client);
    CHECK(NT_SUCCESS(status) && NT_SUCCESS(SeImpersonateClientEx(&client, NULL)));
    CHECK(PsIsThreadImpersonating(self));
    SeCaptureSubjectContextEx(self, PsInitialSystemProcess, &subject);
    OUTCOME(SeCaptureSubjectContextEx, "the client's token of a thread that impersonates", subject.ClientToken != NULL && subject.ImpersonationLevel == SecurityImpersonation);
    SeReleaseSubjectContext(&subject);
    SeCaptureSubjectContextEx(NULL, PsInitialSystemProcess, &subject);
    OUTCOME(SeCaptureSubjectContextEx, "no client's token without a thread", subject.ClientToken == NULL && subject.PrimaryToken == primary);
    SeReleaseSubjectContext(&subject);

    SE_IMPERSONATION_STATE state;
    OUTCOME(PsDisableImpersonation, "TRUE, and the thread does not impersonate for now", PsDisableImpersonation(self, &state) && !PsIsThreadImpersonating(self) && state.Token != NULL && state.Level == SecurityImpersonation);
    PsRestoreImpersonation(self, &state);
    OUTCOME(PsRestoreImpersonation, "the thread impersonates again", PsIsThreadImpersonating(self));
    NtRevert(self);
    OUTCOME(PsRevertThreadToSelf, "the thread acts for its process again", !PsIsThreadImpersonating(self));
    NtRevert(self);
    OUTCOME(PsRevertThreadToSelf, "nothing happens to one that does not impersonate", !PsIsThreadImpersonating(self));
    OUTCOME(PsDisableImpersonation, "FALSE for a thread that does not impersonate", !PsDisableImpersonation(self, &state) && state.Token == NULL);
    SeDeleteClientSecurity(&client);
    PsDereferencePrimaryToken(primary);
}

static VOID Privileges(VOID)
{
    HANDLE token;
    BOOLEAN result = 7;
    PRIVILEGE_SET set = {1, PRIVILEGE_SET_ALL_NECESSARY, {{{SE_TCB_PRIVILEGE, 0}, 0}}};
    CHECK(NT_SUCCESS(ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_QUERY, OBJ_KERNEL_HANDLE, &token)));
    OUTCOME(ZwPrivilegeCheck, "STATUS_SUCCESS and TRUE for a privilege that is enabled, which is marked as used", ZwPrivilegeCheck(token, &set, &result) == STATUS_SUCCESS && result == TRUE && (set.Privilege[0].Attributes & SE_PRIVILEGE_USED_FOR_ACCESS));
    set.Privilege[0].Luid.LowPart = 60;
    OUTCOME(ZwPrivilegeCheck, "FALSE for one that the token does not have", ZwPrivilegeCheck(token, &set, &result) == STATUS_SUCCESS && result == FALSE);
    OUTCOME(ZwPrivilegeCheck, "STATUS_INVALID_HANDLE", ZwPrivilegeCheck((HANDLE)(ULONG_PTR)0x7ffff0, &set, &result) == STATUS_INVALID_HANDLE);
    ZwClose(token);
}

static VOID Masks(VOID)
{
    ACCESS_MASK access = 0;
    NtQueryMask(OWNER_SECURITY_INFORMATION, &access);
    BOOLEAN owner = access == READ_CONTROL;
    NtQueryMask(SACL_SECURITY_INFORMATION, &access);
    OUTCOME(SeQuerySecurityAccessMask, "READ_CONTROL for owner, group and DACL, ACCESS_SYSTEM_SECURITY for the SACL", owner && access == ACCESS_SYSTEM_SECURITY);
    NtSetMask(OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION, &access);
    owner = access == WRITE_OWNER;
    NtSetMask(DACL_SECURITY_INFORMATION, &access);
    OUTCOME(SeSetSecurityAccessMask, "WRITE_OWNER for owner and group, WRITE_DAC for the DACL, ACCESS_SYSTEM_SECURITY for the SACL", owner && access == WRITE_DAC && (NtSetMask(SACL_SECURITY_INFORMATION, &access), access == ACCESS_SYSTEM_SECURITY));
    OUTCOME(SeAuditingFileEvents, "FALSE without an audit policy", !SeAuditingFileEvents(TRUE, NULL) && !SeAuditingFileEvents(FALSE, NULL));
}

/* An event's descriptor is read, changed by handle and by pointer. */
static VOID Objects(VOID)
{
    HANDLE handle;
    PVOID event;
    ULONG64 room[64];
    ULONG needed = 0, length;
    OBJECT_ATTRIBUTES a;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\KtestSecure");
    BOOLEAN defaulted, present;
    PSID owner;
    PACL dacl;
    InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(NT_SUCCESS(ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE)));
    OUTCOME(NtQuerySecurityObject, "STATUS_BUFFER_TOO_SMALL and the length that is needed", NtQuerySecurityObject(handle, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, NULL, 0, &needed) == STATUS_BUFFER_TOO_SMALL && needed > 0 && needed <= sizeof room);
    OUTCOME(NtQuerySecurityObject, "STATUS_SUCCESS, the parts that are asked for", NtQuerySecurityObject(handle, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, room, needed, &length) == STATUS_SUCCESS && NT_SUCCESS(RtlGetOwnerSecurityDescriptor(room, &owner, &defaulted)) && owner != NULL && RtlValidSid(owner));
    OUTCOME(NtQuerySecurityObject, "STATUS_INVALID_HANDLE", NtQuerySecurityObject((HANDLE)(ULONG_PTR)0x7ffff0, OWNER_SECURITY_INFORMATION, room, sizeof room, &length) == STATUS_INVALID_HANDLE);

    SECURITY_DESCRIPTOR d;
    ULONG64 list[8];
    RtlCreateSecurityDescriptor(&d, SECURITY_DESCRIPTOR_REVISION);
    RtlCreateAcl((PACL)list, sizeof list, ACL_REVISION);
    RtlAddAccessAllowedAce((PACL)list, ACL_REVISION, EVENT_MODIFY_STATE, SeExports->SeWorldSid);
    RtlSetDaclSecurityDescriptor(&d, TRUE, (PACL)list, FALSE);
    NTSTATUS status = NtSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &d);
    CHECK(NT_SUCCESS(NtQuerySecurityObject(handle, DACL_SECURITY_INFORMATION, room, sizeof room, &length)));
    OUTCOME(NtSetSecurityObject, "STATUS_SUCCESS, the object has the part", status == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(room, &present, &dacl, &defaulted)) && present && dacl->AceCount == 1 && ((PACCESS_ALLOWED_ACE)(dacl + 1))->Mask == EVENT_MODIFY_STATE);
    OUTCOME(NtSetSecurityObject, "STATUS_INVALID_HANDLE", NtSetSecurityObject((HANDLE)(ULONG_PTR)0x7ffff0, DACL_SECURITY_INFORMATION, &d) == STATUS_INVALID_HANDLE);
    RtlAddAccessAllowedAce((PACL)list, ACL_REVISION, SYNCHRONIZE, SeExports->SeLocalSystemSid);
    ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &event, NULL);
    status = ObSetSecurityObjectByPointer(event, DACL_SECURITY_INFORMATION, &d);
    CHECK(NT_SUCCESS(NtQuerySecurityObject(handle, DACL_SECURITY_INFORMATION, room, sizeof room, &length)));
    OUTCOME(ObSetSecurityObjectByPointer, "STATUS_SUCCESS, the object has the part", status == STATUS_SUCCESS && NT_SUCCESS(RtlGetDaclSecurityDescriptor(room, &present, &dacl, &defaulted)) && present && dacl->AceCount == 2);
    ObDereferenceObject(event);
    ZwClose(handle);

    PSECURITY_DESCRIPTOR kept = NULL;
    length = sizeof room;
    CHECK(NT_SUCCESS(RtlAbsoluteToSelfRelativeSD(&d, room, &length)));
    status = ObLogSecurityDescriptor(room, &kept, 1);
    OUTCOME(ObLogSecurityDescriptor, "STATUS_SUCCESS, a copy that is kept", status == STATUS_SUCCESS && kept != NULL && kept != (PSECURITY_DESCRIPTOR)room && RtlValidSecurityDescriptor(kept) && NT_SUCCESS(RtlGetDaclSecurityDescriptor(kept, &present, &dacl, &defaulted)) && present && dacl->AceCount == 2);
    ObReferenceSecurityDescriptor(kept, 2);
    ObDereferenceSecurityDescriptor(kept, 1);
    OUTCOME(ObReferenceSecurityDescriptor, "the descriptor stays for each reference", RtlValidSecurityDescriptor(kept));
    ObDereferenceSecurityDescriptor(kept, 1);
    OUTCOME(ObDereferenceSecurityDescriptor, "the descriptor stays until the last reference is gone", RtlValidSecurityDescriptor(kept));
    ObDereferenceSecurityDescriptor(kept, 1);
}

#ifndef SEF_DACL_AUTO_INHERIT
#define SEF_DACL_AUTO_INHERIT 1
#endif
#ifndef SE_DACL_AUTO_INHERITED
#define SE_DACL_AUTO_INHERITED 0x400
#endif
#ifndef SE_DACL_PROTECTED
#define SE_DACL_PROTECTED 0x1000
#endif
#define FROM_PARENT 0x10 /* INHERITED_ACE */
#define CHANGE(held, change, flags) SeSetSecurityDescriptorInfoEx(NULL, &Dacl, change, &(held), flags, PagedPool, &Generic)

static SECURITY_INFORMATION Dacl = DACL_SECURITY_INFORMATION;
static GENERIC_MAPPING Generic = {1, 2, 4, 0x1f0007};

/* A self-relative descriptor with a list of two entries: one of its own, one that says it is inherited. */
static PSECURITY_DESCRIPTOR Made(PVOID Room, ULONG Size, ACCESS_MASK Own, ACCESS_MASK Inherited, USHORT Control)
{
    SECURITY_DESCRIPTOR d;
    ULONG64 list[12];
    RtlCreateSecurityDescriptor(&d, SECURITY_DESCRIPTOR_REVISION);
    RtlSetOwnerSecurityDescriptor(&d, SeExports->SeLocalSystemSid, FALSE);
    RtlSetGroupSecurityDescriptor(&d, SeExports->SeLocalSystemSid, FALSE);
    RtlCreateAcl((PACL)list, sizeof list, ACL_REVISION);
    RtlAddAccessAllowedAceEx((PACL)list, ACL_REVISION, 0, Own, SeExports->SeWorldSid);
    RtlAddAccessAllowedAceEx((PACL)list, ACL_REVISION, FROM_PARENT, Inherited, SeExports->SeWorldSid);
    RtlSetDaclSecurityDescriptor(&d, TRUE, (PACL)list, FALSE);
    d.Control |= Control;
    CHECK(RtlAbsoluteToSelfRelativeSD(&d, Room, &Size) == STATUS_SUCCESS);
    return Room;
}

/* Whether the list has these entries (mask, flags), and no others. */
static BOOLEAN Has(PSECURITY_DESCRIPTOR Descriptor, ACCESS_MASK Mask1, UCHAR Flags1, ACCESS_MASK Mask2, UCHAR Flags2)
{
    BOOLEAN present, defaulted;
    PACL list;
    PACCESS_ALLOWED_ACE first, second;
    if (!NT_SUCCESS(RtlGetDaclSecurityDescriptor(Descriptor, &present, &list, &defaulted)) || !present || list->AceCount != 2) return FALSE;
    first = (PACCESS_ALLOWED_ACE)(list + 1);
    second = (PACCESS_ALLOWED_ACE)((PUCHAR)first + first->Header.AceSize);
    return first->Mask == Mask1 && first->Header.AceFlags == Flags1 && second->Mask == Mask2 && second->Header.AceFlags == Flags2;
}

/* An object whose list inherits: what it inherited cannot be changed at the object. */
static VOID Inheriting(VOID)
{
    static ULONG64 old[32], change[32];
    PSECURITY_DESCRIPTOR held = Made(old, sizeof old, 0x10, 0x20, SE_DACL_AUTO_INHERITED), bad;
    SECURITY_DESCRIPTOR absolute;
    Made(change, sizeof change, GENERIC_READ, 0x80, 0);
    NTSTATUS status = CHANGE(held, change, 0);
    OUTCOME(SeSetSecurityDescriptorInfoEx, "no flags: the list is that of the change, generic rights mapped", status == STATUS_SUCCESS && held != (PSECURITY_DESCRIPTOR)old && Has(held, 1, 0, 0x80, FROM_PARENT));
    ExFreePool(held);
    held = old;
    status = CHANGE(held, change, SEF_DACL_AUTO_INHERIT);
    OUTCOME(SeSetSecurityDescriptorInfoEx, "SEF_DACL_AUTO_INHERIT: the change's own entries, and what the object inherited before", status == STATUS_SUCCESS && Has(held, 1, 0, 0x20, FROM_PARENT) && (((PISECURITY_DESCRIPTOR)held)->Control & SE_DACL_AUTO_INHERITED));
    ExFreePool(held);
    held = old;
    Made(change, sizeof change, GENERIC_READ, 0x80, SE_DACL_PROTECTED);
    status = CHANGE(held, change, SEF_DACL_AUTO_INHERIT);
    OUTCOME(SeSetSecurityDescriptorInfoEx, "SEF_DACL_AUTO_INHERIT and a change that is protected: its entries, none of them inherited", status == STATUS_SUCCESS && Has(held, 1, 0, 0x80, 0) && (((PISECURITY_DESCRIPTOR)held)->Control & SE_DACL_PROTECTED));
    ExFreePool(held);
    held = Made(old, sizeof old, 0x10, 0x20, SE_DACL_PROTECTED);
    Made(change, sizeof change, GENERIC_READ, 0x80, 0);
    status = CHANGE(held, change, SEF_DACL_AUTO_INHERIT);
    OUTCOME(SeSetSecurityDescriptorInfoEx, "SEF_DACL_AUTO_INHERIT and an object that was protected: the change's entries as they are", status == STATUS_SUCCESS && Has(held, 1, 0, 0x80, FROM_PARENT) && !(((PISECURITY_DESCRIPTOR)held)->Control & SE_DACL_PROTECTED));
    ExFreePool(held);
    bad = NULL;
    OUTCOME(SeSetSecurityDescriptorInfoEx, "STATUS_NO_SECURITY_ON_OBJECT for an object without a descriptor", CHANGE(bad, change, 0) == STATUS_NO_SECURITY_ON_OBJECT && bad == NULL);
    RtlCreateSecurityDescriptor(&absolute, SECURITY_DESCRIPTOR_REVISION);
    bad = &absolute;
    OUTCOME(SeSetSecurityDescriptorInfoEx, "STATUS_BAD_DESCRIPTOR_FORMAT for an object's descriptor that is not self-relative", CHANGE(bad, change, 0) == STATUS_BAD_DESCRIPTOR_FORMAT);
}

/* What an open says of itself to the audit, in the state of the open. Nothing is audited where no policy asks for it. */
static VOID Opens(VOID)
{
    ACCESS_STATE state;
    static ULONG64 aux[64], room[32];
    GENERIC_MAPPING other = {0x10, 0x20, 0x40, 0x70};
    UNICODE_STRING type = RTL_CONSTANT_STRING(L"Event"), name = RTL_CONSTANT_STRING(L"\\KtestAudited");
    BOOLEAN close = 7, deleting = 7;
    CHECK(SeCreateAccessState(&state, (PVOID)aux, GENERIC_READ, &Generic) == STATUS_SUCCESS);
    SeSetAccessStateGenericMapping(&state, &other);
    /* AUX_ACCESS_DATA begins with a pointer to the privileges; the mapping is next. */
    OUTCOME(SeSetAccessStateGenericMapping, "the mapping is in the auxiliary data of the state", RtlCompareMemory((PUCHAR)state.AuxData + 8, &other, sizeof other) == sizeof other);
    Made(room, sizeof room, 1, 2, 0);
    SeLockSubjectContext(&state.SubjectSecurityContext);
    SeOpenObjectAuditAlarm(&type, &state, &name, room, &state, FALSE, TRUE, UserMode, &close);
    SeOpenObjectForDeleteAuditAlarm(&type, &state, &name, room, &state, FALSE, TRUE, UserMode, &deleting);
    SeUnlockSubjectContext(&state.SubjectSecurityContext);
    OUTCOME(SeOpenObjectAuditAlarm, "GenerateOnClose is FALSE without an audit policy", close == FALSE);
    OUTCOME(SeOpenObjectForDeleteAuditAlarm, "GenerateOnClose is FALSE without an audit policy", deleting == FALSE);
    close = deleting = 7;
    SeOpenObjectAuditAlarm(&type, NULL, NULL, room, &state, FALSE, FALSE, KernelMode, &close);
    SeOpenObjectForDeleteAuditAlarm(&type, NULL, NULL, room, &state, FALSE, FALSE, KernelMode, &deleting);
    OUTCOME(SeOpenObjectAuditAlarm, "nothing for an access of the kernel's, without object and name", close == FALSE);
    OUTCOME(SeOpenObjectForDeleteAuditAlarm, "nothing for an access of the kernel's, without object and name", deleting == FALSE);
    SeDeleteAccessState(&state);
    HANDLE event;
    PVOID object;
    OBJECT_ATTRIBUTES none;
    InitializeObjectAttributes(&none, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(NT_SUCCESS(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &none, NotificationEvent, FALSE)) && NT_SUCCESS(ObReferenceObjectByHandle(event, 0, *ExEventObjectType, KernelMode, &object, NULL)));
    LONG_PTR before = ((volatile LONG_PTR *)object)[-6]; /* OBJECT_HEADER.PointerCount */
    SeDeleteObjectAuditAlarm(object, event);
    OUTCOME(SeDeleteObjectAuditAlarm, "without an audit policy nothing happens, and the object and its handle stay the caller's", ((volatile LONG_PTR *)object)[-6] == before && ZwSetEvent(event, NULL) == STATUS_SUCCESS);
    ObDereferenceObject(object);
    ZwClose(event);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("subjects");
    Subjects();
    Privileges();
    Masks();
    Objects();
    Inheriting();
    Opens();
    KtestDone();
    return STATUS_SUCCESS;
}
