/* A few services by their Nt names: memory, threads; and a question about auditing. */
#include <ntifs.h>
#include "../ktest.h"

NTSTATUS NTAPI NtOpenThread(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, PCLIENT_ID Cid);
BOOLEAN NTAPI NtAuditingGlobal(BOOLEAN Granted, PSECURITY_DESCRIPTOR Descriptor, PSECURITY_SUBJECT_CONTEXT Subject) __asm__("SeAuditingFileOrGlobalEvents");

#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)

static VOID Memory(VOID)
{
    PVOID base = NULL;
    SIZE_T size = 0x1800;
    NTSTATUS status = NtAllocateVirtualMemory(ZwCurrentProcess(), &base, 0, &size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    BOOLEAN usable = FALSE;
    if (NT_SUCCESS(status))
    {
        *(volatile ULONG *)base = 5;
        usable = *(volatile ULONG *)base == 5 && ((volatile UCHAR *)base)[0x1fff] == 0;
    }
    OUTCOME(NtAllocateVirtualMemory, "STATUS_SUCCESS, whole pages of zeros", status == STATUS_SUCCESS && usable && size == 0x2000);
    OUTCOME(NtAllocateVirtualMemory, "STATUS_INVALID_HANDLE", NtAllocateVirtualMemory(NO_HANDLE, &base, 0, &size, MEM_COMMIT, PAGE_READWRITE) == STATUS_INVALID_HANDLE);
    SIZE_T all = 0;
    PVOID from = base;
    OUTCOME(NtFreeVirtualMemory, "STATUS_SUCCESS, the range is gone", NtFreeVirtualMemory(ZwCurrentProcess(), &from, &all, MEM_RELEASE) == STATUS_SUCCESS && !MmIsAddressValid(base));
    OUTCOME(NtFreeVirtualMemory, "STATUS_INVALID_HANDLE", NtFreeVirtualMemory(NO_HANDLE, &from, &all, MEM_RELEASE) == STATUS_INVALID_HANDLE);
}

static VOID Threads(VOID)
{
    HANDLE handle;
    PVOID thread = NULL;
    OBJECT_ATTRIBUTES a;
    CLIENT_ID self = {PsGetCurrentProcessId(), PsGetCurrentThreadId()}, nobody = {NULL, (HANDLE)0x7ffffffc};
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    NTSTATUS status = NtOpenThread(&handle, THREAD_ALL_ACCESS, &a, &self);
    CHECK(NT_SUCCESS(ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, &thread, NULL)));
    OUTCOME(NtOpenThread, "STATUS_SUCCESS and a handle to the thread of an id", status == STATUS_SUCCESS && thread == PsGetCurrentThread());
    ObDereferenceObject(thread);
    ZwClose(handle);
    OUTCOME(NtOpenThread, "STATUS_INVALID_CID for an id that nobody has", NtOpenThread(&handle, THREAD_ALL_ACCESS, &a, &nobody) == STATUS_INVALID_CID);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("ntservices");
    Memory();
    Threads();
    OUTCOME(SeAuditingFileOrGlobalEvents, "FALSE without an audit policy", !NtAuditingGlobal(TRUE, NULL, NULL) && !NtAuditingGlobal(FALSE, NULL, NULL));
    KtestDone();
    return STATUS_SUCCESS;
}
