/* Heaps in kernel mode, the boot screen that this machine does not have, walking the threads of a process, hives that are none. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

NTKERNELAPI VOID NTAPI InbvAcquireDisplayOwnership(VOID);
NTKERNELAPI VOID NTAPI InbvNotifyDisplayOwnershipLost(PVOID ResetDisplayParameters);
NTKERNELAPI BOOLEAN NTAPI InbvIsBootDriverInstalled(VOID);
NTKERNELAPI BOOLEAN NTAPI InbvEnableDisplayString(BOOLEAN Enable);
NTKERNELAPI BOOLEAN NTAPI InbvDisplayString(PCSTR String);
NTKERNELAPI BOOLEAN NTAPI InbvResetDisplay(VOID);
NTKERNELAPI ULONG NTAPI InbvSetTextColor(ULONG Color);
NTKERNELAPI VOID NTAPI InbvSetScrollRegion(ULONG Left, ULONG Top, ULONG Right, ULONG Bottom);
NTKERNELAPI VOID NTAPI InbvSolidColorFill(ULONG Left, ULONG Top, ULONG Right, ULONG Bottom, ULONG Color);
NTSYSAPI NTSTATUS NTAPI ZwGetNextThread(HANDLE ProcessHandle, HANDLE ThreadHandle, ACCESS_MASK DesiredAccess, ULONG HandleAttributes, ULONG Flags, PHANDLE NewThreadHandle);
NTSYSAPI NTSTATUS NTAPI ZwUnloadKey(POBJECT_ATTRIBUTES TargetKey);

static VOID Heaps(VOID)
{
    PVOID heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
    OUTCOME(RtlCreateHeap, "a heap", heap != NULL);
    PUCHAR block = RtlAllocateHeap(heap, HEAP_ZERO_MEMORY, 100), other = RtlAllocateHeap(heap, 0, 5000);
    BOOLEAN zero = TRUE;
    for (ULONG i = 0; i < 100; i++)
        zero &= block[i] == 0;
    OUTCOME(RtlAllocateHeap, "a block, aligned to 16 bytes", block && other && ((ULONG_PTR)block & 15) == 0 && ((ULONG_PTR)other & 15) == 0);
    OUTCOME(RtlAllocateHeap, "HEAP_ZERO_MEMORY: its bytes are zero", zero);
    OUTCOME(RtlFreeHeap, "TRUE, the block is free", RtlFreeHeap(heap, 0, block) == TRUE);
    PVOID second = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
    OUTCOME(RtlFreeHeap, "FALSE for a block of another heap", RtlFreeHeap(second, 0, other) == FALSE);
    RtlDestroyHeap(second);
    RtlAllocateHeap(heap, 0, 16);
    OUTCOME(RtlDestroyHeap, "NULL, the heap is gone with its blocks", RtlDestroyHeap(heap) == NULL);
    heap = RtlCreateHeap(0, NULL, 0x1000, 0x1000, NULL, NULL);
    block = RtlAllocateHeap(heap, 0, 0x800);
    OUTCOME(RtlAllocateHeap, "NULL when a heap that does not grow has no room", block && RtlAllocateHeap(heap, 0, 0x900) == NULL);
    RtlFreeHeap(heap, 0, block);
    block = RtlAllocateHeap(heap, 0, 0x900);
    OUTCOME(RtlFreeHeap, "its bytes can be had again", block != NULL);
    RtlDestroyHeap(heap);
    ULONG nothing[16] = {0};
    OUTCOME(RtlDestroyHeap, "the handle for what is no heap", RtlDestroyHeap(nothing) == (PVOID)nothing);
}

static ULONG Resets;
static BOOLEAN NTAPI Reset(ULONG Columns, ULONG Rows)
{
    Resets += Columns == 80 && Rows == 50;
    return TRUE;
}

static VOID Screen(VOID)
{
    OUTCOME(InbvIsBootDriverInstalled, "FALSE without a screen", !InbvIsBootDriverInstalled());
    OUTCOME(InbvDisplayString, "TRUE while the kernel has the screen", InbvDisplayString("heaps: a text for the boot screen\n"));
    OUTCOME(InbvEnableDisplayString, "whether texts were shown before", InbvEnableDisplayString(FALSE) && !InbvEnableDisplayString(TRUE));
    InbvNotifyDisplayOwnershipLost(Reset);
    OUTCOME(InbvDisplayString, "FALSE while a driver has it", !InbvDisplayString("not shown"));
    OUTCOME(InbvNotifyDisplayOwnershipLost, "the screen is a driver's", Resets == 0);
    InbvAcquireDisplayOwnership();
    OUTCOME(InbvAcquireDisplayOwnership, "the driver's routine resets the screen, and it is the kernel's again", Resets == 1 && InbvDisplayString(""));
    InbvNotifyDisplayOwnershipLost(NULL);
    InbvAcquireDisplayOwnership();
    OUTCOME(InbvResetDisplay, "FALSE without a driver for the screen", !InbvResetDisplay());
    ULONG before = InbvSetTextColor(15);
    /* Where there is no screen there is nothing to see of these, and who has it stays the same. */
    InbvSetScrollRegion(0, 0, 639, 479);
    OUTCOME(InbvSetScrollRegion, "without a screen nothing changes: texts are taken as before", InbvDisplayString("") && !InbvIsBootDriverInstalled());
    InbvSolidColorFill(0, 0, 639, 479, 4);
    OUTCOME(InbvSolidColorFill, "without a screen nothing is drawn, and the colour of texts stays", InbvDisplayString("") && InbvSetTextColor(15) == 15);
    OUTCOME(InbvSetTextColor, "the colour of before", InbvSetTextColor(before) == 15);
}

static KEVENT Go;
static VOID NTAPI Waits(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&Go, Executive, KernelMode, FALSE, NULL);
}

static VOID Walking(VOID)
{
    HANDLE at = NULL, next;
    PVOID object;
    BOOLEAN own = FALSE, other = FALSE;
    ULONG count = 0;
    NTSTATUS status;
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    PKTHREAD thread = StartThread(Waits, NULL);
    while ((status = ZwGetNextThread(ZwCurrentProcess(), at, THREAD_ALL_ACCESS, OBJ_KERNEL_HANDLE, 0, &next)) == STATUS_SUCCESS && count++ < 500)
    {
        ObReferenceObjectByHandle(next, 0, *PsThreadType, KernelMode, &object, NULL);
        own |= object == KeGetCurrentThread();
        other |= object == thread;
        ObDereferenceObject(object);
        if (at)
            ZwClose(at);
        at = next;
    }
    OUTCOME(ZwGetNextThread, "STATUS_SUCCESS and a handle to each thread of the process in turn", own && other && count > 2);
    OUTCOME(ZwGetNextThread, "STATUS_NO_MORE_ENTRIES after the last", status == STATUS_NO_MORE_ENTRIES);
    ZwClose(at);
    OUTCOME(ZwGetNextThread, "STATUS_INVALID_PARAMETER for flags", ZwGetNextThread(ZwCurrentProcess(), NULL, THREAD_ALL_ACCESS, OBJ_KERNEL_HANDLE, 1, &next) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwGetNextThread, "STATUS_INVALID_HANDLE for what is no handle", ZwGetNextThread((HANDLE)0x7ffffff0, NULL, THREAD_ALL_ACCESS, OBJ_KERNEL_HANDLE, 0, &next) == STATUS_INVALID_HANDLE);
    KeSetEvent(&Go, 0, FALSE);
    JoinThread(thread);
    UNICODE_STRING key = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\Software"), missing = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\KtestNothing");
    OBJECT_ATTRIBUTES there, gone;
    InitializeObjectAttributes(&there, &key, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    InitializeObjectAttributes(&gone, &missing, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    OUTCOME(ZwUnloadKey, "STATUS_INVALID_PARAMETER for a key that is no hive's root", ZwUnloadKey(&there) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwUnloadKey, "STATUS_OBJECT_NAME_NOT_FOUND for a key that is not there", ZwUnloadKey(&gone) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("heaps");
    Heaps();
    Screen();
    Walking();
    KtestDone();
    return STATUS_SUCCESS;
}
