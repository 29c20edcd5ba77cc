// ktest: cases=3 compiler=clang
/* Sections and their views, in a process and in system space, and the virtual memory of a process. Cases from 1 on end in a bug check. */
#include <ntifs.h>
#include "../ktest.h"

#define NOINLINE __attribute__((noinline))
#define BETWEEN() __asm__ volatile("nop")
#define TAG 'csPK'
#define NOT_A_HANDLE ((HANDLE)0x7FF4)

NTKERNELAPI NTSTATUS NTAPI MmMapViewInSystemSpace(PVOID Section, PVOID *MappedBase, PSIZE_T ViewSize);
NTKERNELAPI NTSTATUS NTAPI MmUnmapViewInSystemSpace(PVOID MappedBase);
NTKERNELAPI NTSTATUS NTAPI MmMapViewInSessionSpace(PVOID Section, PVOID *MappedBase, PSIZE_T ViewSize);
NTKERNELAPI NTSTATUS NTAPI MmUnmapViewInSessionSpace(PVOID MappedBase);
NTKERNELAPI NTSTATUS NTAPI MmMapUserAddressesToPage(PVOID BaseAddress, SIZE_T NumberOfBytes, PVOID PageAddress);
NTKERNELAPI HANDLE NTAPI MmSecureVirtualMemory(PVOID Address, SIZE_T Size, ULONG ProbeMode);
NTKERNELAPI VOID NTAPI MmUnsecureVirtualMemory(HANDLE SecureHandle);
NTSYSAPI NTSTATUS NTAPI ZwProtectVirtualMemory(HANDLE ProcessHandle, PVOID *BaseAddress, PSIZE_T RegionSize, ULONG NewProtect, PULONG OldProtect);
NTSYSAPI NTSTATUS NTAPI ZwFlushVirtualMemory(HANDLE ProcessHandle, PVOID *BaseAddress, PSIZE_T RegionSize, PIO_STATUS_BLOCK IoStatus);
NTSYSAPI NTSTATUS NTAPI ZwSetInformationVirtualMemory(HANDLE ProcessHandle, ULONG Class, ULONG_PTR Entries, PVOID Ranges, PVOID Information, ULONG Length);
NTSYSAPI NTSTATUS NTAPI ZwQueryVirtualMemory(HANDLE ProcessHandle, PVOID BaseAddress, ULONG Class, PVOID Information, SIZE_T Length, PSIZE_T ReturnLength);
NTKERNELAPI NTSTATUS NTAPI MmAddVerifierThunks(PVOID ThunkBuffer, ULONG ThunkBufferSize);

typedef struct
{
    PVOID BaseAddress, AllocationBase;
    ULONG AllocationProtect;
    SIZE_T RegionSize;
    ULONG State, Protect, Type;
} BASIC_INFORMATION;

static HANDLE NewSection(ULONG pages, ULONG protect)
{
    HANDLE h = NULL;
    LARGE_INTEGER size;
    OBJECT_ATTRIBUTES oa;
    InitializeObjectAttributes(&oa, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    size.QuadPart = pages * PAGE_SIZE;
    ZwCreateSection(&h, SECTION_ALL_ACCESS, &oa, &size, protect, SEC_COMMIT, NULL);
    return h;
}

static NOINLINE VOID Poke(volatile UCHAR *p) { *p = 1; }
static NOINLINE UCHAR Peek(volatile UCHAR *p) { return *p; }
static NOINLINE NTSTATUS Touches(PVOID p, BOOLEAN write)
{
    volatile NTSTATUS code = STATUS_SUCCESS;
    if (write)
    {
        __try { Poke(p); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    }
    else
    {
        __try { Peek(p); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    }
    return code;
}

static VOID Creating(VOID)
{
    HANDLE h = NULL, again = NULL;
    LARGE_INTEGER size, none;
    OBJECT_ATTRIBUTES oa, named, wrong;
    UNICODE_STRING name, nowhere;
    size.QuadPart = 3 * PAGE_SIZE - 7;
    none.QuadPart = 0;
    InitializeObjectAttributes(&oa, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(ZwCreateSection, "STATUS_SUCCESS and a handle", ZwCreateSection(&h, SECTION_ALL_ACCESS, &oa, &size, PAGE_READWRITE, SEC_COMMIT, NULL) == STATUS_SUCCESS && h);
    ZwClose(h);
    OUTCOME(ZwCreateSection, "STATUS_INVALID_PAGE_PROTECTION for a protection that is not valid", ZwCreateSection(&h, SECTION_ALL_ACCESS, &oa, &size, 0x3, SEC_COMMIT, NULL) == STATUS_INVALID_PAGE_PROTECTION);
    OUTCOME(ZwCreateSection, "STATUS_INVALID_PARAMETER_4 without a size", ZwCreateSection(&h, SECTION_ALL_ACCESS, &oa, &none, PAGE_READWRITE, SEC_COMMIT, NULL) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(ZwCreateSection, "STATUS_INVALID_PARAMETER_6 for attributes that are not valid", ZwCreateSection(&h, SECTION_ALL_ACCESS, &oa, &size, PAGE_READWRITE, 0, NULL) == STATUS_INVALID_PARAMETER_6);
    OUTCOME(ZwCreateSection, "STATUS_INVALID_HANDLE for a file handle that is none", ZwCreateSection(&h, SECTION_ALL_ACCESS, &oa, &size, PAGE_READWRITE, SEC_COMMIT, NOT_A_HANDLE) == STATUS_INVALID_HANDLE);
    RtlInitUnicodeString(&name, L"\\KtestSection");
    InitializeObjectAttributes(&named, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    CHECK(ZwCreateSection(&h, SECTION_ALL_ACCESS, &named, &size, PAGE_READWRITE, SEC_COMMIT, NULL) == STATUS_SUCCESS);
    OUTCOME(ZwCreateSection, "STATUS_OBJECT_NAME_COLLISION for a name that is taken", ZwCreateSection(&again, SECTION_ALL_ACCESS, &named, &size, PAGE_READWRITE, SEC_COMMIT, NULL) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(ZwOpenSection, "STATUS_SUCCESS and a handle", ZwOpenSection(&again, SECTION_MAP_READ, &named) == STATUS_SUCCESS && again);
    ZwClose(again);
    RtlInitUnicodeString(&nowhere, L"\\KtestNoSection");
    InitializeObjectAttributes(&wrong, &nowhere, OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(ZwOpenSection, "STATUS_OBJECT_NAME_NOT_FOUND for a name that there is not", ZwOpenSection(&again, SECTION_MAP_READ, &wrong) == STATUS_OBJECT_NAME_NOT_FOUND);
    RtlInitUnicodeString(&nowhere, L"\\Device");
    OUTCOME(ZwOpenSection, "STATUS_OBJECT_TYPE_MISMATCH for an object that is no section", ZwOpenSection(&again, SECTION_MAP_READ, &wrong) == STATUS_OBJECT_TYPE_MISMATCH);
    RtlInitUnicodeString(&nowhere, L"Relative");
    OUTCOME(ZwOpenSection, "STATUS_OBJECT_PATH_SYNTAX_BAD for a path that is none", ZwOpenSection(&again, SECTION_MAP_READ, &wrong) == STATUS_OBJECT_PATH_SYNTAX_BAD);
    ZwClose(h);
}

static VOID Views(VOID)
{
    HANDLE h = NewSection(4, PAGE_READWRITE), readOnly = NewSection(1, PAGE_READONLY);
    PUCHAR a = NULL, b = NULL, c = NULL, taken;
    SIZE_T size = 0;
    LARGE_INTEGER offset;
    NTSTATUS status = ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&a, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE);
    OUTCOME(ZwMapViewOfSection, "STATUS_SUCCESS with base and size of the view", status == STATUS_SUCCESS && a && size == 4 * PAGE_SIZE);
    CHECK(a[0] == 0 && a[4 * PAGE_SIZE - 1] == 0);
    a[PAGE_SIZE + 5] = 0x77;
    offset.QuadPart = PAGE_SIZE;
    size = PAGE_SIZE;
    status = ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&b, 0, 0, &offset, &size, ViewUnmap, 0, PAGE_READONLY);
    OUTCOME(ZwMapViewOfSection, "a view from an offset on shows the same memory", status == STATUS_SUCCESS && size == PAGE_SIZE && b[5] == 0x77);
    OUTCOME(ZwMapViewOfSection, "a view that is read-only cannot be written", Touches(b, TRUE) == STATUS_ACCESS_VIOLATION && Touches(b, FALSE) == STATUS_SUCCESS);
    taken = a;
    size = 0;
    OUTCOME(ZwMapViewOfSection, "STATUS_CONFLICTING_ADDRESSES for addresses that are taken", ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&taken, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_CONFLICTING_ADDRESSES);
    c = (PUCHAR)0x56780000;
    size = 0;
    OUTCOME(ZwMapViewOfSection, "at the requested address", ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&c, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_SUCCESS && c == (PUCHAR)0x56780000);
    size = 5 * PAGE_SIZE;
    taken = NULL;
    OUTCOME(ZwMapViewOfSection, "STATUS_INVALID_VIEW_SIZE beyond the end of the section", ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&taken, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_INVALID_VIEW_SIZE);
    size = 0;
    OUTCOME(ZwMapViewOfSection, "STATUS_SECTION_PROTECTION for a protection that the section does not allow", ZwMapViewOfSection(readOnly, NtCurrentProcess(), (PVOID *)&taken, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_SECTION_PROTECTION);
    OUTCOME(ZwMapViewOfSection, "STATUS_INVALID_PAGE_PROTECTION for a protection that is not valid", ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&taken, 0, 0, NULL, &size, ViewUnmap, 0, 0) == STATUS_INVALID_PAGE_PROTECTION);
    /* Of 32 address bits 7 are zero: below 32 MiB. */
    size = 0;
    taken = NULL;
    OUTCOME(ZwMapViewOfSection, "ZeroBits: the upper bits of the address are zero", ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&taken, 7, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_SUCCESS && (ULONG_PTR)taken + size <= 0x2000000 && taken[PAGE_SIZE + 5] == 0x77);
    ZwUnmapViewOfSection(NtCurrentProcess(), taken);
    size = 0;
    taken = NULL;
    OUTCOME(ZwMapViewOfSection, "STATUS_NO_MEMORY when ZeroBits leaves no room", ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&taken, 20, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_NO_MEMORY);
    OUTCOME(ZwMapViewOfSection, "STATUS_INVALID_PARAMETER_4 for 21 zero bits", ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&taken, 21, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(ZwUnmapViewOfSection, "STATUS_SUCCESS", ZwUnmapViewOfSection(NtCurrentProcess(), a) == STATUS_SUCCESS && !MmIsAddressValid(a));
    OUTCOME(ZwUnmapViewOfSection, "other views of the section stay", b[5] == 0x77 && c[PAGE_SIZE + 5] == 0x77);
    OUTCOME(ZwUnmapViewOfSection, "STATUS_NOT_MAPPED_VIEW for an address that no view is at", ZwUnmapViewOfSection(NtCurrentProcess(), a) == STATUS_NOT_MAPPED_VIEW);
    OUTCOME(ZwUnmapViewOfSection, "an address inside of the view", ZwUnmapViewOfSection(NtCurrentProcess(), c + PAGE_SIZE + 9) == STATUS_SUCCESS && !MmIsAddressValid(c));
    {
        PVOID base = b;
        IO_STATUS_BLOCK io;
        size = 0;
        OUTCOME(ZwFlushVirtualMemory, "STATUS_SUCCESS for a view", ZwFlushVirtualMemory(NtCurrentProcess(), &base, &size, &io) == STATUS_SUCCESS && size == PAGE_SIZE);
        base = a;
        OUTCOME(ZwFlushVirtualMemory, "STATUS_NOT_MAPPED_VIEW for an address that no view is at", ZwFlushVirtualMemory(NtCurrentProcess(), &base, &size, &io) == STATUS_NOT_MAPPED_VIEW);
    }
    ZwUnmapViewOfSection(NtCurrentProcess(), b);
    ZwClose(h);
    ZwClose(readOnly);
}

static VOID SystemViews(VOID)
{
    HANDLE h = NewSection(3, PAGE_READWRITE);
    PVOID section;
    PUCHAR a = NULL, b = NULL, user = NULL;
    SIZE_T size = 0, part = PAGE_SIZE, large = 4 * PAGE_SIZE, whole = 0;
    CHECK(ObReferenceObjectByHandle(h, SECTION_ALL_ACCESS, NULL, KernelMode, &section, NULL) == STATUS_SUCCESS);
    OUTCOME(MmMapViewInSystemSpace, "STATUS_SUCCESS with base and size of the view", MmMapViewInSystemSpace(section, (PVOID *)&a, &size) == STATUS_SUCCESS && size == 3 * PAGE_SIZE && (ULONG_PTR)a > (ULONG_PTR)MmSystemRangeStart);
    a[9] = 0x55;
    OUTCOME(MmMapViewInSystemSpace, "a part of the section", MmMapViewInSystemSpace(section, (PVOID *)&b, &part) == STATUS_SUCCESS && part == PAGE_SIZE && b[9] == 0x55);
    ZwMapViewOfSection(h, NtCurrentProcess(), (PVOID *)&user, 0, 0, NULL, &whole, ViewUnmap, 0, PAGE_READWRITE);
    OUTCOME(MmMapViewInSystemSpace, "the same memory as the views of processes", user && user[9] == 0x55);
    ZwUnmapViewOfSection(NtCurrentProcess(), user);
    OUTCOME(MmMapViewInSystemSpace, "STATUS_INVALID_VIEW_SIZE beyond the end of the section", MmMapViewInSystemSpace(section, (PVOID *)&user, &large) == STATUS_INVALID_VIEW_SIZE);
    OUTCOME(MmUnmapViewInSystemSpace, "STATUS_SUCCESS", MmUnmapViewInSystemSpace(a) == STATUS_SUCCESS && !MmIsAddressValid(a) && b[9] == 0x55);
    OUTCOME(MmUnmapViewInSystemSpace, "STATUS_NOT_MAPPED_VIEW for an address that no view is at", MmUnmapViewInSystemSpace(a) == STATUS_NOT_MAPPED_VIEW);
    MmUnmapViewInSystemSpace(b);
    size = 0;
    OUTCOME(MmMapViewInSessionSpace, "STATUS_SUCCESS with base and size of the view", MmMapViewInSessionSpace(section, (PVOID *)&a, &size) == STATUS_SUCCESS && size == 3 * PAGE_SIZE && a[9] == 0x55);
    OUTCOME(MmMapViewInSessionSpace, "STATUS_INVALID_VIEW_SIZE beyond the end of the section", MmMapViewInSessionSpace(section, (PVOID *)&b, &large) == STATUS_INVALID_VIEW_SIZE);
    OUTCOME(MmUnmapViewInSessionSpace, "STATUS_SUCCESS", MmUnmapViewInSessionSpace(a) == STATUS_SUCCESS && !MmIsAddressValid(a));
    OUTCOME(MmUnmapViewInSessionSpace, "STATUS_NOT_MAPPED_VIEW for an address that no view is at", MmUnmapViewInSessionSpace(a) == STATUS_NOT_MAPPED_VIEW);
    ObDereferenceObject(section);
    ZwClose(h);
}

static PUCHAR Allocate(SIZE_T bytes, ULONG type, ULONG protect)
{
    PVOID base = NULL;
    SIZE_T size = bytes;
    return NT_SUCCESS(ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, protect)) ? base : NULL;
}
static NTSTATUS AllocateAt(PVOID base, SIZE_T bytes, ULONG type, ULONG protect)
{
    return ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &bytes, type, protect);
}
static NTSTATUS Free(PVOID base, SIZE_T bytes, ULONG type)
{
    return ZwFreeVirtualMemory(NtCurrentProcess(), &base, &bytes, type);
}
static NTSTATUS Protect(PVOID base, SIZE_T bytes, ULONG protect, PULONG old)
{
    return ZwProtectVirtualMemory(NtCurrentProcess(), &base, &bytes, protect, old);
}

static VOID Virtual(VOID)
{
    ULONG flags = 0;
    PVOID base = (PVOID)0x23451234;
    SIZE_T size = 10, length = 0;
    BASIC_INFORMATION info;
    ULONG old = 0;
    PUCHAR a, r;
    struct { PVOID Address; SIZE_T Bytes; } range;
    NTSTATUS status = ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    OUTCOME(ZwAllocateVirtualMemory, "STATUS_SUCCESS with base and size in whole pages", status == STATUS_SUCCESS && base == (PVOID)0x23450000 && size == 2 * PAGE_SIZE);
    a = base;
    OUTCOME(ZwAllocateVirtualMemory, "committed memory is zeroed", a[0] == 0 && a[2 * PAGE_SIZE - 1] == 0);
    OUTCOME(ZwAllocateVirtualMemory, "STATUS_CONFLICTING_ADDRESSES for addresses that are taken", AllocateAt(a, PAGE_SIZE, MEM_RESERVE, PAGE_READWRITE) == STATUS_CONFLICTING_ADDRESSES);
    r = Allocate(16 * PAGE_SIZE, MEM_RESERVE, PAGE_READWRITE);
    OUTCOME(ZwAllocateVirtualMemory, "reserved memory cannot be accessed", r && Touches(r, FALSE) == STATUS_ACCESS_VIOLATION);
    OUTCOME(ZwAllocateVirtualMemory, "a part of what is reserved can be committed", AllocateAt(r + 4 * PAGE_SIZE, 2 * PAGE_SIZE, MEM_COMMIT, PAGE_READWRITE) == STATUS_SUCCESS && Touches(r + 5 * PAGE_SIZE, TRUE) == STATUS_SUCCESS && Touches(r + 6 * PAGE_SIZE, FALSE) == STATUS_ACCESS_VIOLATION);
    OUTCOME(ZwAllocateVirtualMemory, "STATUS_CONFLICTING_ADDRESSES to commit what is not reserved", AllocateAt((PVOID)0x60000000, PAGE_SIZE, MEM_COMMIT, PAGE_READWRITE) == STATUS_CONFLICTING_ADDRESSES);
    base = NULL;
    size = PAGE_SIZE;
    OUTCOME(ZwAllocateVirtualMemory, "ZeroBits: the upper bits of the address are zero", ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 7, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == STATUS_SUCCESS && base && (ULONG_PTR)base + size <= 0x2000000);
    size = 0;
    ZwFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
    base = NULL;
    size = PAGE_SIZE;
    OUTCOME(ZwAllocateVirtualMemory, "STATUS_NO_MEMORY when ZeroBits leaves no room", ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 20, &size, MEM_RESERVE, PAGE_READWRITE) == STATUS_NO_MEMORY);
    OUTCOME(ZwAllocateVirtualMemory, "STATUS_INVALID_PAGE_PROTECTION for a protection that is not valid", AllocateAt(NULL, PAGE_SIZE, MEM_COMMIT, 0x99) == STATUS_INVALID_PAGE_PROTECTION);
    OUTCOME(ZwAllocateVirtualMemory, "STATUS_INVALID_PARAMETER_2, _3, _4 or _5 for the parameter that is not valid",
            AllocateAt((PVOID)0xFFFFF80000000000ULL, PAGE_SIZE, MEM_COMMIT, PAGE_READWRITE) == STATUS_INVALID_PARAMETER_2 && AllocateAt(NULL, 0, MEM_COMMIT, PAGE_READWRITE) == STATUS_INVALID_PARAMETER_4 && AllocateAt(NULL, PAGE_SIZE, 0, PAGE_READWRITE) == STATUS_INVALID_PARAMETER_5);
    base = NULL;
    size = PAGE_SIZE;
    OUTCOME(ZwAllocateVirtualMemory, "STATUS_INVALID_HANDLE for a process handle that is none", ZwAllocateVirtualMemory(NOT_A_HANDLE, &base, 0, &size, MEM_COMMIT, PAGE_READWRITE) == STATUS_INVALID_HANDLE);

    OUTCOME(ZwQueryVirtualMemory, "STATUS_SUCCESS with state, protection and type",
            ZwQueryVirtualMemory(NtCurrentProcess(), r + 4 * PAGE_SIZE + 5, 0, &info, sizeof info, &length) == STATUS_SUCCESS && length == sizeof info && info.BaseAddress == r + 4 * PAGE_SIZE &&
                info.AllocationBase == r && info.RegionSize == 2 * PAGE_SIZE && info.State == MEM_COMMIT && info.Protect == PAGE_READWRITE && info.Type == MEM_PRIVATE);
    OUTCOME(ZwQueryVirtualMemory, "reserved memory", ZwQueryVirtualMemory(NtCurrentProcess(), r, 0, &info, sizeof info, NULL) == STATUS_SUCCESS && info.State == MEM_RESERVE && info.Protect == 0 && info.RegionSize == 4 * PAGE_SIZE);
    OUTCOME(ZwQueryVirtualMemory, "free memory", ZwQueryVirtualMemory(NtCurrentProcess(), (PVOID)0x60000000, 0, &info, sizeof info, NULL) == STATUS_SUCCESS && info.State == MEM_FREE && info.Protect == PAGE_NOACCESS && info.AllocationBase == NULL);
    OUTCOME(ZwQueryVirtualMemory, "STATUS_INFO_LENGTH_MISMATCH for a buffer that is too small", ZwQueryVirtualMemory(NtCurrentProcess(), r, 0, &info, 8, NULL) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwQueryVirtualMemory, "STATUS_INVALID_INFO_CLASS for a class that there is not", ZwQueryVirtualMemory(NtCurrentProcess(), r, 0x77, &info, sizeof info, NULL) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwQueryVirtualMemory, "STATUS_INVALID_PARAMETER for an address outside of the process", ZwQueryVirtualMemory(NtCurrentProcess(), (PVOID)0xFFFFF80000000000ULL, 0, &info, sizeof info, NULL) == STATUS_INVALID_PARAMETER);

    OUTCOME(ZwProtectVirtualMemory, "STATUS_SUCCESS with the old protection", Protect(a, PAGE_SIZE, PAGE_READONLY, &old) == STATUS_SUCCESS && old == PAGE_READWRITE && Touches(a, TRUE) == STATUS_ACCESS_VIOLATION && Touches(a + PAGE_SIZE, TRUE) == STATUS_SUCCESS);
    OUTCOME(ZwProtectVirtualMemory, "STATUS_NOT_COMMITTED for reserved memory", Protect(r, PAGE_SIZE, PAGE_READONLY, &old) == STATUS_NOT_COMMITTED);
    OUTCOME(ZwProtectVirtualMemory, "STATUS_CONFLICTING_ADDRESSES for free memory", Protect((PVOID)0x60000000, PAGE_SIZE, PAGE_READONLY, &old) == STATUS_CONFLICTING_ADDRESSES);
    OUTCOME(ZwProtectVirtualMemory, "STATUS_INVALID_PAGE_PROTECTION for a protection that is not valid", Protect(a, PAGE_SIZE, 0x99, &old) == STATUS_INVALID_PAGE_PROTECTION);
    Protect(a, PAGE_SIZE, PAGE_READWRITE, &old);

    range.Address = a;
    range.Bytes = 2 * PAGE_SIZE;
    OUTCOME(ZwSetInformationVirtualMemory, "STATUS_SUCCESS for a prefetch", ZwSetInformationVirtualMemory(NtCurrentProcess(), 0, 1, &range, &flags, sizeof flags) == STATUS_SUCCESS && MmIsAddressValid(a));
    OUTCOME(ZwSetInformationVirtualMemory, "STATUS_INVALID_PARAMETER_2 for a class that there is not", ZwSetInformationVirtualMemory(NtCurrentProcess(), 0x55, 1, &range, &flags, sizeof flags) == STATUS_INVALID_PARAMETER_2);
    OUTCOME(ZwSetInformationVirtualMemory, "STATUS_INVALID_PARAMETER_3 without ranges", ZwSetInformationVirtualMemory(NtCurrentProcess(), 0, 0, &range, &flags, sizeof flags) == STATUS_INVALID_PARAMETER_3);
    OUTCOME(ZwSetInformationVirtualMemory, "STATUS_INVALID_PARAMETER_5 without flags, or with some", ZwSetInformationVirtualMemory(NtCurrentProcess(), 0, 1, &range, NULL, sizeof flags) == STATUS_INVALID_PARAMETER_5 && (flags = 1, ZwSetInformationVirtualMemory(NtCurrentProcess(), 0, 1, &range, &flags, sizeof flags)) == STATUS_INVALID_PARAMETER_5);
    OUTCOME(ZwSetInformationVirtualMemory, "STATUS_INVALID_PARAMETER_6 for flags of another size", ZwSetInformationVirtualMemory(NtCurrentProcess(), 0, 1, &range, &flags, 8) == STATUS_INVALID_PARAMETER_6);
    OUTCOME(ZwSetInformationVirtualMemory, "STATUS_INVALID_HANDLE for a process handle that is none", (flags = 0, ZwSetInformationVirtualMemory(NOT_A_HANDLE, 0, 1, &range, &flags, sizeof flags)) == STATUS_INVALID_HANDLE);

    OUTCOME(ZwFreeVirtualMemory, "MEM_DECOMMIT takes pages back and leaves the range reserved", Free(r + 4 * PAGE_SIZE, PAGE_SIZE, MEM_DECOMMIT) == STATUS_SUCCESS && Touches(r + 4 * PAGE_SIZE, FALSE) == STATUS_ACCESS_VIOLATION && Touches(r + 5 * PAGE_SIZE, FALSE) == STATUS_SUCCESS);
    OUTCOME(ZwFreeVirtualMemory, "STATUS_FREE_VM_NOT_AT_BASE with size 0 inside of the range", Free(r + PAGE_SIZE, 0, MEM_RELEASE) == STATUS_FREE_VM_NOT_AT_BASE);
    OUTCOME(ZwFreeVirtualMemory, "STATUS_UNABLE_TO_FREE_VM beyond the end of the range", Free(r, 400 * PAGE_SIZE, MEM_RELEASE) == STATUS_UNABLE_TO_FREE_VM);
    OUTCOME(ZwFreeVirtualMemory, "STATUS_INVALID_PARAMETER_4 for a type that is not valid", Free(r, 0, MEM_RELEASE | MEM_DECOMMIT) == STATUS_INVALID_PARAMETER_4);
    OUTCOME(ZwFreeVirtualMemory, "MEM_RELEASE frees the whole range", Free(r, 0, MEM_RELEASE) == STATUS_SUCCESS && Touches(r + 5 * PAGE_SIZE, FALSE) == STATUS_ACCESS_VIOLATION);
    OUTCOME(ZwFreeVirtualMemory, "STATUS_MEMORY_NOT_ALLOCATED for memory that is free", Free(r, 0, MEM_RELEASE) == STATUS_MEMORY_NOT_ALLOCATED);
    Free(a, 0, MEM_RELEASE);
}

static VOID Securing(VOID)
{
    PUCHAR a = Allocate(2 * PAGE_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    ULONG old;
    HANDLE h = MmSecureVirtualMemory(a, 2 * PAGE_SIZE, PAGE_READWRITE);
    OUTCOME(MmSecureVirtualMemory, "a handle", h != NULL);
    OUTCOME(MmSecureVirtualMemory, "the memory cannot be freed", !NT_SUCCESS(Free(a, 0, MEM_RELEASE)) && Touches(a, TRUE) == STATUS_SUCCESS);
    OUTCOME(MmSecureVirtualMemory, "the memory cannot be made less accessible", !NT_SUCCESS(Protect(a, 2 * PAGE_SIZE, PAGE_READONLY, &old)) && !NT_SUCCESS(Protect(a, PAGE_SIZE, PAGE_NOACCESS, &old)));
    OUTCOME(MmSecureVirtualMemory, "NULL for memory that is not there", MmSecureVirtualMemory((PVOID)0x60000000, PAGE_SIZE, PAGE_READONLY) == NULL);
    MmUnsecureVirtualMemory(h);
    OUTCOME(MmUnsecureVirtualMemory, "the memory can be changed and freed again", NT_SUCCESS(Protect(a, 2 * PAGE_SIZE, PAGE_READONLY, &old)));
    OUTCOME(MmSecureVirtualMemory, "NULL when the memory is not as accessible as asked", MmSecureVirtualMemory(a, PAGE_SIZE, PAGE_READWRITE) == NULL);
    CHECK(NT_SUCCESS(Free(a, 0, MEM_RELEASE)));
}

static ULONG Copies;
static NTSTATUS NTAPI Copy(PMDL Destination, PMDL Source, PVOID Context)
{
    PUCHAR to = MmMapLockedPagesSpecifyCache(Destination, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    PUCHAR from = MmMapLockedPagesSpecifyCache(Source, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    CHECK(Context == &Copies);
    Copies++;
    RtlCopyMemory(to, from, PAGE_SIZE);
    MmUnmapLockedPages(to, Destination);
    MmUnmapLockedPages(from, Source);
    return STATUS_SUCCESS;
}

static VOID Replacing(VOID)
{
    PUCHAR a = Allocate(4 * PAGE_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), page = MmAllocateNonCachedMemory(PAGE_SIZE);
    PHYSICAL_ADDRESS zero, high;
    SIZE_T size = PAGE_SIZE;
    PMDL mdl;
    page[3] = 0x41;
    OUTCOME(MmMapUserAddressesToPage, "every page of the range becomes the page", MmMapUserAddressesToPage(a, 2 * PAGE_SIZE, page) == STATUS_SUCCESS && a[3] == 0x41 && a[PAGE_SIZE + 3] == 0x41);
    a[7] = 0x42;
    CHECK(page[7] == 0x42 && a[PAGE_SIZE + 7] == 0x42);
    OUTCOME(MmMapUserAddressesToPage, "STATUS_INVALID_PARAMETER_1 for a range that is not the process's", MmMapUserAddressesToPage((PVOID)0x60000000, PAGE_SIZE, page) == STATUS_INVALID_PARAMETER_1);
    OUTCOME(MmMapUserAddressesToPage, "STATUS_INVALID_PARAMETER_3 for a page that is not there", MmMapUserAddressesToPage(a, PAGE_SIZE, NULL) == STATUS_INVALID_PARAMETER_3);

    zero.QuadPart = 0;
    high.QuadPart = 0x7FFFFFFFFFFFFFFF;
    mdl = MmAllocatePagesForMdl(zero, high, zero, PAGE_SIZE);
    a[2 * PAGE_SIZE] = 0x61;
    OUTCOME(MmRotatePhysicalView, "to a frame buffer, with the contents copied",
            MmRotatePhysicalView(a + 2 * PAGE_SIZE, &size, mdl, 0, Copy, &Copies) == STATUS_SUCCESS && Copies == 1 && a[2 * PAGE_SIZE] == 0x61 &&
                (PFN_NUMBER)(MmGetPhysicalAddress(a + 2 * PAGE_SIZE).QuadPart >> PAGE_SHIFT) == MmGetMdlPfnArray(mdl)[0]);
    a[2 * PAGE_SIZE] = 0x62;
    OUTCOME(MmRotatePhysicalView, "to regular memory, with the contents copied",
            MmRotatePhysicalView(a + 2 * PAGE_SIZE, &size, NULL, 2, Copy, &Copies) == STATUS_SUCCESS && Copies == 2 && a[2 * PAGE_SIZE] == 0x62 &&
                (PFN_NUMBER)(MmGetPhysicalAddress(a + 2 * PAGE_SIZE).QuadPart >> PAGE_SHIFT) != MmGetMdlPfnArray(mdl)[0]);
    OUTCOME(MmRotatePhysicalView, "without a copy", MmRotatePhysicalView(a + 2 * PAGE_SIZE, &size, mdl, 1, NULL, NULL) == STATUS_SUCCESS && Copies == 2 && MmRotatePhysicalView(a + 2 * PAGE_SIZE, &size, NULL, 3, NULL, NULL) == STATUS_SUCCESS && a[2 * PAGE_SIZE] == 0);
    OUTCOME(MmRotatePhysicalView, "STATUS_INVALID_PARAMETER_1 for a range that is not the process's", MmRotatePhysicalView((PVOID)0x60000000, &size, mdl, 0, NULL, NULL) == STATUS_INVALID_PARAMETER_1);
    OUTCOME(MmRotatePhysicalView, "STATUS_INVALID_PARAMETER_4 for a direction that is not valid", MmRotatePhysicalView(a + 2 * PAGE_SIZE, &size, mdl, 4, NULL, NULL) == STATUS_INVALID_PARAMETER_4);
    CHECK(NT_SUCCESS(Free(a, 0, MEM_RELEASE)));
    CHECK(page[3] == 0x41);
    MmFreePagesFromMdl(mdl);
    ExFreePool(mdl);
    MmFreeNonCachedMemory(page, PAGE_SIZE);
}

static ULONG Pristine(VOID) { return 1; }
static ULONG Replacement(VOID) { return 2; }

static VOID Verifier(VOID)
{
    ULONG flags = 0;
    PVOID thunk[2] = {(PVOID)Pristine, (PVOID)Replacement}, bad[2] = {(PVOID)0x10000, (PVOID)Replacement};
    SECTION_OBJECT_POINTERS pointers = {0};
    OUTCOME(MmIsVerifierEnabled, "STATUS_SUCCESS and the options while the verifier is active", MmIsVerifierEnabled(&flags) == STATUS_SUCCESS && (flags & 1));
    OUTCOME(MmAddVerifierThunks, "STATUS_SUCCESS", MmAddVerifierThunks(thunk, sizeof thunk) == STATUS_SUCCESS);
    OUTCOME(MmAddVerifierThunks, "STATUS_INVALID_PARAMETER_1 for a routine that is no driver's", MmAddVerifierThunks(bad, sizeof bad) == STATUS_INVALID_PARAMETER_1);
    OUTCOME(MmAddVerifierThunks, "STATUS_INVALID_PARAMETER_2 for a size that is no pairs", MmAddVerifierThunks(thunk, 7) == STATUS_INVALID_PARAMETER_2);
    OUTCOME(MmFlushImageSection, "TRUE when the file has no image section", MmFlushImageSection(&pointers, 0));
    pointers.ImageSectionObject = &pointers;
    OUTCOME(MmFlushImageSection, "FALSE when it is in use", !MmFlushImageSection(&pointers, 0));
}

static NOINLINE VOID Stop(ULONG Case)
{
    if (Case == 1)
    {
        OUTCOME_BUGCHECK(MmUnsecureVirtualMemory, "bug check 0x1A for a handle that is none", 0x1A);
        MmUnsecureVirtualMemory((HANDLE)0x1234560);
    }
    else
    {
        KIRQL irql;
        PVOID base = NULL;
        SIZE_T size = PAGE_SIZE;
        OUTCOME_BUGCHECK(ZwAllocateVirtualMemory, "bug check 0xC4 above PASSIVE_LEVEL (verifier)", 0xC4);
        KeRaiseIrql(APC_LEVEL, &irql);
        ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_COMMIT, PAGE_READWRITE);
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("sections");
    if (KtestCase)
    {
        Stop(KtestCase);
        return STATUS_SUCCESS;
    }
    Creating();
    Views();
    SystemViews();
    Virtual();
    Securing();
    Replacing();
    Verifier();
    KtestDone();
    return STATUS_SUCCESS;
}
