// ktest: compiler=clang
/*
 * Sections of files. The driver is a small file system (memfs.h) and its user at once: pages come by paging reads when they are touched, changed ones go back by paging writes when
 * they are flushed and when nobody has the file mapped any more.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../memfs.h"

#define NOINLINE __attribute__((noinline))
#ifndef SEC_IMAGE
#define SEC_IMAGE 0x1000000
#endif
#define NO_HANDLE ((HANDLE)(ULONG_PTR)0x7ffff0)

NTKERNELAPI NTSTATUS NTAPI MmMapViewInSystemSpace(PVOID Section, PVOID *MappedBase, PSIZE_T ViewSize);
NTKERNELAPI NTSTATUS NTAPI MmUnmapViewInSystemSpace(PVOID MappedBase);
NTSYSAPI NTSTATUS NTAPI ZwFlushVirtualMemory(HANDLE Process, PVOID *BaseAddress, PSIZE_T RegionSize, PIO_STATUS_BLOCK IoStatus);
NTSYSAPI NTSTATUS NTAPI ZwQueryVirtualMemory(HANDLE Process, PVOID BaseAddress, ULONG Class, PVOID Information, SIZE_T Length, PSIZE_T ReturnLength);
NTKERNELAPI NTSTATUS NTAPI IoPageRead(PFILE_OBJECT File, PMDL Mdl, PLARGE_INTEGER Offset, PKEVENT Event, PIO_STATUS_BLOCK Iosb);
NTKERNELAPI NTSTATUS NTAPI IoSynchronousPageWrite(PFILE_OBJECT File, PMDL Mdl, PLARGE_INTEGER Offset, PKEVENT Event, PIO_STATUS_BLOCK Iosb);
NTKERNELAPI NTSTATUS NTAPI IoQueryFileInformation(PFILE_OBJECT File, FILE_INFORMATION_CLASS Class, ULONG Length, PVOID Information, PULONG Returned);
NTKERNELAPI NTSTATUS NTAPI IoSetInformation(PFILE_OBJECT File, FILE_INFORMATION_CLASS Class, ULONG Length, PVOID Information);

enum { Plain, Written, Empty, Growing, NoPointers, Locked, SizeLess, Broken, Slow, Copied, Image, Files };
static MEMFILE All[Files] = {
    {L"\\plain", 0x5123}, {L"\\written", 0x4000}, {L"\\empty", 0}, {L"\\growing", 0x1000}, {L"\\nopointers", 0x1000, NULL, {0}, TRUE}, {L"\\locked", 0x1000}, {L"\\sizeless", 0x1000},
    {L"\\broken", 0x2000}, {L"\\slow", 0x3000}, {L"\\copied", 0x2000}, {L"\\image", 0xA00},
};
static const PCWSTR Paths[Files] = {L"\\Device\\KtestFs\\plain", L"\\Device\\KtestFs\\written", L"\\Device\\KtestFs\\empty", L"\\Device\\KtestFs\\growing", L"\\Device\\KtestFs\\nopointers",
                                    L"\\Device\\KtestFs\\locked", L"\\Device\\KtestFs\\sizeless", L"\\Device\\KtestFs\\broken", L"\\Device\\KtestFs\\slow", L"\\Device\\KtestFs\\copied", L"\\Device\\KtestFs\\image"};

/* FS_FILTER_CALLBACKS, whose first callback is asked before a section is made. */
typedef struct { ULONG Size; UCHAR Operation, Reserved; PDEVICE_OBJECT Device; PFILE_OBJECT File; ULONG SyncType, PageProtection; } FILTER_DATA;
typedef NTSTATUS(NTAPI *FILTER_CALLBACK)(FILTER_DATA *Data, PVOID *Context);
typedef struct { ULONG Size, Reserved; FILTER_CALLBACK PreAcquireForSection, Others[11]; } FILTER_CALLBACKS;

static ULONG FilterAsked;

static NTSTATUS NTAPI MayMap(FILTER_DATA *Data, PVOID *Context)
{
    MEMFILE *file = Data->File->FsContext;
    UNREFERENCED_PARAMETER(Context);
    FilterAsked++;
    CHECK(Data->Operation == (UCHAR)-1 && Data->Device == MemDevice && Data->SyncType == 1);
    return file->Locked ? STATUS_FILE_LOCK_CONFLICT : STATUS_SUCCESS;
}

static NTSTATUS Section(HANDLE File, LONGLONG Size, ULONG Protect, ULONG Attributes, PHANDLE Handle)
{
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER size;
    size.QuadPart = Size;
    *Handle = NULL;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwCreateSection(Handle, SECTION_ALL_ACCESS, &attributes, Size ? &size : NULL, Protect, Attributes, File);
}

/* A section of a file, with the file closed again: the section keeps it. */
static HANDLE SectionOf(ULONG File, ULONG Protect)
{
    HANDLE file = MemOpen(Paths[File]), section;
    CHECK(file && Section(file, 0, Protect, SEC_COMMIT, &section) == STATUS_SUCCESS);
    ZwClose(file);
    return section;
}

static PUCHAR Map(HANDLE Section, ULONG Protect)
{
    PVOID base = NULL;
    SIZE_T size = 0;
    NTSTATUS status = ZwMapViewOfSection(Section, NtCurrentProcess(), &base, 0, 0, NULL, &size, ViewUnmap, 0, Protect);
    CHECK(status == STATUS_SUCCESS);
    return base;
}
static VOID Unmap(PVOID Base) { CHECK(ZwUnmapViewOfSection(NtCurrentProcess(), Base) == STATUS_SUCCESS); }

static NTSTATUS Flush(PVOID Base, SIZE_T Size, PIO_STATUS_BLOCK Iosb)
{
    return ZwFlushVirtualMemory(NtCurrentProcess(), &Base, &Size, Iosb);
}

static VOID SleepMs(LONG Milliseconds)
{
    LARGE_INTEGER time;
    time.QuadPart = -10000LL * Milliseconds;
    KeDelayExecutionThread(KernelMode, FALSE, &time);
}

/* Waits until the memory manager has let go of a file. */
static BOOLEAN Gone(ULONG File)
{
    ULONG i;
    for (i = 0; i < 100 && (All[File].Pointers.DataSectionObject || All[File].Closes < All[File].Opens); i++)
        SleepMs(2);
    return !All[File].Pointers.DataSectionObject && All[File].Closes == All[File].Opens;
}

static NOINLINE UCHAR Peek(volatile UCHAR *p) { return *p; }
static NOINLINE VOID Poke(volatile UCHAR *p, UCHAR value) { *p = value; }

static ULONG_PTR InPage[3];
static LONG Note(PEXCEPTION_POINTERS Pointers)
{
    ULONG i;
    for (i = 0; i < 3; i++)
        InPage[i] = i < Pointers->ExceptionRecord->NumberParameters ? Pointers->ExceptionRecord->ExceptionInformation[i] : 0;
    return EXCEPTION_EXECUTE_HANDLER;
}
static NOINLINE NTSTATUS Touch(PUCHAR p, BOOLEAN write)
{
    volatile NTSTATUS code = STATUS_SUCCESS;
    __try
    {
        if (write) Poke(p, 1);
        else Peek(p);
    }
    __except (Note(GetExceptionInformation()))
    {
        code = GetExceptionCode();
    }
    return code;
}

static VOID Creating(VOID)
{
    HANDLE file = MemOpen(Paths[Plain]), section, other;
    OUTCOME(ZwCreateSection, "a section of a file: STATUS_SUCCESS, and the file system is asked for its size", Section(file, 0, PAGE_READONLY, SEC_COMMIT, &section) == STATUS_SUCCESS && All[Plain].Pointers.DataSectionObject);
    OUTCOME(ZwCreateSection, "the file system holds the file still meanwhile", All[Plain].Acquires == 1 && All[Plain].Releases == 1 && FilterAsked == 1);
    OUTCOME(ZwCreateSection, "STATUS_SECTION_TOO_BIG for a size beyond the end of a file that the section may not write", Section(file, 0x9000, PAGE_READONLY, SEC_COMMIT, &other) == STATUS_SECTION_TOO_BIG && All[Plain].Releases == 2);
    ZwClose(section);
    ZwClose(file);

    file = MemOpen(Paths[Empty]);
    OUTCOME(ZwCreateSection, "STATUS_MAPPED_FILE_SIZE_ZERO for an empty file without a size", Section(file, 0, PAGE_READWRITE, SEC_COMMIT, &section) == STATUS_MAPPED_FILE_SIZE_ZERO);
    ZwClose(file);

    file = MemOpen(Paths[Growing]);
    OUTCOME(ZwCreateSection, "a larger size makes the file longer", Section(file, 0x2800, PAGE_READWRITE, SEC_COMMIT, &section) == STATUS_SUCCESS && All[Growing].Size == 0x2800 && All[Growing].Extended == 1);
    OUTCOME(ZwCreateSection, "the file system's status when it cannot make the file longer", Section(file, 0x100000, PAGE_READWRITE, SEC_COMMIT, &other) == STATUS_DISK_FULL);
    OUTCOME(ZwCreateSection, "STATUS_SECTION_TOO_BIG for more than a section can have", Section(NULL, 0x7FFFFFFFFFFFFFF, PAGE_READWRITE, SEC_COMMIT, &other) == STATUS_SECTION_TOO_BIG);
    ZwClose(section);
    ZwClose(file);

    file = MemOpen(Paths[NoPointers]);
    OUTCOME(ZwCreateSection, "STATUS_INVALID_FILE_FOR_SECTION for a file that its driver does not have mapped", Section(file, 0, PAGE_READONLY, SEC_COMMIT, &section) == STATUS_INVALID_FILE_FOR_SECTION);
    ZwClose(file);

    file = MemOpen(Paths[Locked]);
    All[Locked].Locked = TRUE;
    OUTCOME(ZwCreateSection, "STATUS_FILE_LOCK_CONFLICT for a file that is locked", Section(file, 0, PAGE_READONLY, SEC_COMMIT, &section) == STATUS_FILE_LOCK_CONFLICT);
    ZwClose(file);

    file = MemOpen(Paths[SizeLess]);
    All[SizeLess].NoSize = TRUE;
    OUTCOME(ZwCreateSection, "the file system's status when it does not say the size", Section(file, 0, PAGE_READONLY, SEC_COMMIT, &section) == STATUS_UNEXPECTED_NETWORK_ERROR && All[SizeLess].Releases == 1);
    ZwClose(file);
}

static VOID Reading(VOID)
{
    HANDLE section = SectionOf(Plain, PAGE_READONLY);
    PUCHAR view = Map(section, PAGE_READONLY);
    ULONG i, right = 0, before = All[Plain].PagingReads;
    OUTCOME(ZwMapViewOfSection, "a view of a file: nothing is read before it is touched", view && All[Plain].PagingReads == (LONG)before);
    OUTCOME(ZwMapViewOfSection, "a view of a file: a touch reads the page", Peek(view + 0x2345) == MemPattern(Plain, 0x2345) && All[Plain].PagingReads == (LONG)before + 1);
    OUTCOME(ZwMapViewOfSection, "a view of a file: the read is paging I/O of a page", (All[Plain].LastFlags & (IRP_PAGING_IO | IRP_NOCACHE | IRP_SYNCHRONOUS_PAGING_IO)) == (IRP_PAGING_IO | IRP_NOCACHE | IRP_SYNCHRONOUS_PAGING_IO) && All[Plain].LastLength == PAGE_SIZE);
    for (i = 0; i < All[Plain].Size; i++)
        right += view[i] == MemPattern(Plain, i);
    OUTCOME(ZwMapViewOfSection, "a view of a file: each page is read once", right == All[Plain].Size && All[Plain].PagingReads == (LONG)before + 6);
    for (right = 0, i = All[Plain].Size; i < 6 * PAGE_SIZE; i++)
        right += view[i] == 0;
    OUTCOME(ZwMapViewOfSection, "a view of a file: zeros behind its end", right == 6 * PAGE_SIZE - All[Plain].Size);
    OUTCOME(ZwMapViewOfSection, "a view of a file: STATUS_ACCESS_VIOLATION for a write to a view that is read-only", Touch(view, TRUE) == STATUS_ACCESS_VIOLATION);
    {
        /* Another section of the file shows the same pages. */
        HANDLE second = SectionOf(Plain, PAGE_READONLY);
        PUCHAR other = Map(second, PAGE_READONLY);
        OUTCOME(ZwCreateSection, "sections of one file share its pages", Peek(other + 0x4000) == MemPattern(Plain, 0x4000) && All[Plain].PagingReads == (LONG)before + 6 && MmGetPhysicalAddress(other + 0x4000).QuadPart == MmGetPhysicalAddress(view + 0x4000).QuadPart);
        Unmap(other);
        ZwClose(second);
    }
    ZwClose(section);
    CHECK(Peek(view + 0x100) == MemPattern(Plain, 0x100));
    Unmap(view);
    OUTCOME(ZwUnmapViewOfSection, "the file is closed when its last section and view have gone", Gone(Plain) && All[Plain].PagingWrites == 0);
}

/* A read that is completed later, one that fails; and touches by the kernel's own routines. */
static VOID Waiting(VOID)
{
    HANDLE section;
    PUCHAR view;
    UCHAR copy[16];
    PMDL mdl;
    All[Slow].Slow = TRUE;
    section = SectionOf(Slow, PAGE_READONLY);
    view = Map(section, PAGE_READONLY);
    OUTCOME(ZwMapViewOfSection, "a view of a file: the thread waits for a read that is pending", Peek(view + 5) == MemPattern(Slow, 5) && All[Slow].PagingReads == 1);
    CHECK(RtlCompareMemory(view + PAGE_SIZE, All[Slow].Data + PAGE_SIZE, 64) == 64 && All[Slow].PagingReads == 2);
    mdl = IoAllocateMdl(view + 2 * PAGE_SIZE, PAGE_SIZE, FALSE, FALSE, NULL);
    MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
    CHECK(All[Slow].PagingReads == 3);
    RtlCopyMemory(copy, MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority), sizeof copy);
    CHECK(copy[3] == MemPattern(Slow, 2 * PAGE_SIZE + 3));
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    Unmap(view);
    ZwClose(section);

    All[Broken].FailReads = STATUS_DEVICE_DATA_ERROR;
    section = SectionOf(Broken, PAGE_READWRITE);
    view = Map(section, PAGE_READWRITE);
    OUTCOME(ZwMapViewOfSection, "a view of a file: STATUS_IN_PAGE_ERROR with access, address and status when the page cannot be read",
            Touch(view + 0x10, FALSE) == STATUS_IN_PAGE_ERROR && InPage[0] == 0 && InPage[1] == (ULONG_PTR)(view + 0x10) && (ULONG)InPage[2] == (ULONG)STATUS_DEVICE_DATA_ERROR);
    CHECK(Touch(view + 0x10, TRUE) == STATUS_IN_PAGE_ERROR && InPage[0] == 1);
    All[Broken].FailReads = 0;
    CHECK(Touch(view + 0x10, FALSE) == STATUS_SUCCESS);
    Unmap(view);
    ZwClose(section);
    CHECK(Gone(Slow) && Gone(Broken));
}

static VOID Writing(VOID)
{
    HANDLE section = SectionOf(Written, PAGE_READWRITE);
    PUCHAR view = Map(section, PAGE_READWRITE), twin = Map(section, PAGE_READONLY), base = view;
    SIZE_T size = 0;
    IO_STATUS_BLOCK iosb;
    Poke(view + 0x1010, 0xA5);
    OUTCOME(ZwMapViewOfSection, "a view of a file: a write is seen in other views, and not in the file yet", Peek(twin + 0x1010) == 0xA5 && All[Written].Data[0x1010] != 0xA5 && All[Written].PagingWrites == 0);
    OUTCOME(ZwFlushVirtualMemory, "a changed page is written to the file", Flush(view, 0, &iosb) == STATUS_SUCCESS && All[Written].Data[0x1010] == 0xA5);
    OUTCOME(ZwFlushVirtualMemory, "pages that were not changed are not written", All[Written].PagingWrites == 1);
    OUTCOME(ZwFlushVirtualMemory, "the I/O status of the last write", iosb.Status == STATUS_SUCCESS && iosb.Information == PAGE_SIZE);
    OUTCOME(ZwFlushVirtualMemory, "a size of zero means the rest of the view", ZwFlushVirtualMemory(NtCurrentProcess(), (PVOID *)&base, &size, &iosb) == STATUS_SUCCESS && base == view && size == 0x4000 && All[Written].PagingWrites == 1);
    Poke(view + 0x1020, 0x5A);
    Poke(view + 0x3000, 0x77);
    OUTCOME(ZwFlushVirtualMemory, "only the range is written", Flush(view + 0x1000, PAGE_SIZE, &iosb) == STATUS_SUCCESS && All[Written].Data[0x1020] == 0x5A && All[Written].Data[0x3000] != 0x77 && All[Written].PagingWrites == 2);
    All[Written].FailWrites = STATUS_DEVICE_NOT_READY;
    OUTCOME(ZwFlushVirtualMemory, "the status of a write that fails", Flush(view, 0, &iosb) == STATUS_DEVICE_NOT_READY && iosb.Status == STATUS_DEVICE_NOT_READY);
    All[Written].FailWrites = 0;
    OUTCOME(ZwFlushVirtualMemory, "a page whose write failed is still to be written", Flush(view, 0, &iosb) == STATUS_SUCCESS && All[Written].Data[0x3000] == 0x77);
    OUTCOME(ZwFlushVirtualMemory, "STATUS_INVALID_HANDLE for a process handle that is none", ZwFlushVirtualMemory(NO_HANDLE, (PVOID *)&base, &size, &iosb) == STATUS_INVALID_HANDLE);
    base = (PVOID)0xFFFFF80000000000ULL;
    OUTCOME(ZwFlushVirtualMemory, "STATUS_INVALID_PARAMETER_2 for an address outside of the process", ZwFlushVirtualMemory(NtCurrentProcess(), (PVOID *)&base, &size, &iosb) == STATUS_INVALID_PARAMETER_2);
    Poke(view + 0x2222, 0x99);
    Unmap(twin);
    Unmap(view);
    ZwClose(section);
    OUTCOME(ZwUnmapViewOfSection, "what was changed of a file is written when nobody has it mapped any more", Gone(Written) && All[Written].Data[0x2222] == 0x99);
}

/* PAGE_WRITECOPY: a process writes to copies of its own. */
static VOID Copying(VOID)
{
    HANDLE section = SectionOf(Copied, PAGE_WRITECOPY);
    PUCHAR view = Map(section, PAGE_WRITECOPY), other = Map(section, PAGE_READONLY);
    PVOID none = NULL;
    SIZE_T size = 0;
    UCHAR before = Peek(view + 8);
    Poke(view + 8, (UCHAR)(before + 1));
    OUTCOME(ZwMapViewOfSection, "PAGE_WRITECOPY: a write goes to a copy", Peek(view + 8) == (UCHAR)(before + 1) && Peek(other + 8) == before);
    Poke(view + PAGE_SIZE + 8, 3);
    OUTCOME(ZwMapViewOfSection, "STATUS_SECTION_PROTECTION for a view that may write what its section may not", ZwMapViewOfSection(section, NtCurrentProcess(), &none, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_READWRITE) == STATUS_SECTION_PROTECTION);
    Unmap(view);
    Unmap(other);
    ZwClose(section);
    CHECK(Gone(Copied) && All[Copied].PagingWrites == 0 && All[Copied].Data[8] == before);
}

static VOID InSystemSpace(VOID)
{
    HANDLE section = SectionOf(Plain, PAGE_READWRITE);
    PVOID object = NULL, base = NULL;
    SIZE_T size = 0;
    LONG reads = All[Plain].PagingReads;
    CHECK(ObReferenceObjectByHandle(section, SECTION_ALL_ACCESS, NULL, KernelMode, &object, NULL) == STATUS_SUCCESS);
    OUTCOME(MmMapViewInSystemSpace, "a view of a file: pages are read when they are touched", MmMapViewInSystemSpace(object, &base, &size) == STATUS_SUCCESS && All[Plain].PagingReads == reads && Peek((PUCHAR)base + 0x3456) == MemPattern(Plain, 0x3456) && All[Plain].PagingReads == reads + 1);
    Poke((PUCHAR)base + 0x3456, 0x42);
    CHECK(MmUnmapViewInSystemSpace(base) == STATUS_SUCCESS);
    ObDereferenceObject(object);
    ZwClose(section);
    OUTCOME(MmUnmapViewInSystemSpace, "what was changed of a file is written", Gone(Plain) && All[Plain].Data[0x3456] == 0x42);
    All[Plain].Data[0x3456] = MemPattern(Plain, 0x3456);
}

typedef struct { PVOID BaseAddress, AllocationBase; ULONG AllocationProtect; SIZE_T RegionSize; ULONG State, Protect, Type; } BASIC;

static VOID Reserving(VOID)
{
    HANDLE section;
    PUCHAR view, twin;
    PVOID at;
    SIZE_T size = PAGE_SIZE;
    BASIC info;
    OUTCOME(ZwCreateSection, "SEC_RESERVE: STATUS_SUCCESS", Section(NULL, 8 * PAGE_SIZE, PAGE_READWRITE, SEC_RESERVE, &section) == STATUS_SUCCESS);
    view = Map(section, PAGE_READWRITE);
    twin = Map(section, PAGE_READWRITE);
    OUTCOME(ZwCreateSection, "SEC_RESERVE: a page that is not committed cannot be touched", Touch(view + 2 * PAGE_SIZE, FALSE) == STATUS_ACCESS_VIOLATION && ZwQueryVirtualMemory(NtCurrentProcess(), view, 0, &info, sizeof info, NULL) == STATUS_SUCCESS && info.State == MEM_RESERVE && info.Type == MEM_MAPPED);
    at = view + 2 * PAGE_SIZE;
    OUTCOME(ZwAllocateVirtualMemory, "MEM_COMMIT in a view of a reserved section commits pages of the section", ZwAllocateVirtualMemory(NtCurrentProcess(), &at, 0, &size, MEM_COMMIT, PAGE_READWRITE) == STATUS_SUCCESS && Touch(view + 2 * PAGE_SIZE, TRUE) == STATUS_SUCCESS && Peek(twin + 2 * PAGE_SIZE) == 1);
    CHECK(Touch(view + 3 * PAGE_SIZE, FALSE) == STATUS_ACCESS_VIOLATION);
    OUTCOME(ZwQueryVirtualMemory, "a part of a reserved section that is committed", ZwQueryVirtualMemory(NtCurrentProcess(), view + 2 * PAGE_SIZE, 0, &info, sizeof info, NULL) == STATUS_SUCCESS && info.State == MEM_COMMIT && info.RegionSize == PAGE_SIZE && info.AllocationBase == view);
    Unmap(view);
    Unmap(twin);
    ZwClose(section);
}

static VOID Asking(VOID)
{
    HANDLE section = SectionOf(Plain, PAGE_READONLY);
    PUCHAR view = Map(section, PAGE_READONLY);
    struct { UNICODE_STRING Name; WCHAR Text[64]; } name;
    struct { PVOID Base; ULONG Protect, Type; SIZE_T Size, Commit; } region;
    struct { PVOID Address; ULONG_PTR Attributes; } pages[2] = {{view, 0}, {view + PAGE_SIZE, 0}};
    UNICODE_STRING wanted;
    SIZE_T length = 0;
    Peek(view);
    RtlInitUnicodeString(&wanted, Paths[Plain]);
    OUTCOME(ZwQueryVirtualMemory, "MemoryMappedFilenameInformation: the name of the file", ZwQueryVirtualMemory(NtCurrentProcess(), view + 5, 2, &name, sizeof name, &length) == STATUS_SUCCESS && RtlEqualUnicodeString(&name.Name, &wanted, TRUE));
    OUTCOME(ZwQueryVirtualMemory, "MemoryMappedFilenameInformation: too small a buffer", ZwQueryVirtualMemory(NtCurrentProcess(), view, 2, &name, 20, &length) == STATUS_BUFFER_OVERFLOW && length > 20);
    OUTCOME(ZwQueryVirtualMemory, "MemoryMappedFilenameInformation: STATUS_INVALID_ADDRESS where no file is mapped", ZwQueryVirtualMemory(NtCurrentProcess(), (PVOID)0x60000000, 2, &name, sizeof name, &length) == STATUS_INVALID_ADDRESS);
    OUTCOME(ZwQueryVirtualMemory, "MemoryRegionInformation: the whole allocation", ZwQueryVirtualMemory(NtCurrentProcess(), view + 2 * PAGE_SIZE, 3, &region, sizeof region, &length) == STATUS_SUCCESS && region.Base == view && region.Size == 6 * PAGE_SIZE && region.Protect == PAGE_READONLY);
    OUTCOME(ZwQueryVirtualMemory, "MemoryWorkingSetExInformation: which pages are there", ZwQueryVirtualMemory(NtCurrentProcess(), NULL, 4, pages, sizeof pages, &length) == STATUS_SUCCESS && (pages[0].Attributes & 1) && ((pages[0].Attributes >> 4) & 0x7FF) == PAGE_READONLY && !(pages[1].Attributes & 1));
    OUTCOME(ZwQueryVirtualMemory, "STATUS_INVALID_HANDLE for a process handle that is none", ZwQueryVirtualMemory(NO_HANDLE, view, 0, &region, 48, &length) == STATUS_INVALID_HANDLE);
    Unmap(view);
    ZwClose(section);
    CHECK(Gone(Plain));
}

static VOID Put(PUCHAR At, ULONG Bytes, ULONGLONG Value)
{
    for (; Bytes; Bytes--, Value >>= 8)
        *At++ = (UCHAR)Value;
}

/* A program for x64 with code at 1000h, constants at 2000h and variables at 3000h, linked for 200000000h. */
static VOID MakeImage(PUCHAR File)
{
    static const ULONG sections[3][4] = {{0x1000, 0x400, 0x60000020}, {0x2000, 0x600, 0x40000040}, {0x3000, 0x800, 0xC0000040}};
    PUCHAR nt = File + 0x80, optional = nt + 0x18;
    ULONG i;
    RtlZeroMemory(File, 0xA00);
    Put(File, 2, 0x5A4D);
    Put(File + 0x3C, 4, 0x80);
    Put(nt, 4, 0x4550);
    Put(nt + 4, 2, 0x8664);
    Put(nt + 6, 2, 3);
    Put(nt + 0x14, 2, 0xF0);
    Put(nt + 0x16, 2, 0x22);
    Put(optional, 2, 0x20B);
    Put(optional + 0x10, 4, 0x1000);
    Put(optional + 0x18, 8, 0x200000000ULL);
    Put(optional + 0x20, 4, 0x1000);
    Put(optional + 0x24, 4, 0x200);
    Put(optional + 0x30, 2, 6);
    Put(optional + 0x38, 4, 0x5000);
    Put(optional + 0x3C, 4, 0x400);
    Put(optional + 0x44, 2, 3); /* a console program */
    Put(optional + 0x6C, 4, 16);
    for (i = 0; i < 3; i++)
    {
        PUCHAR header = optional + 0xF0 + i * 40;
        header[0] = '.';
        header[1] = (UCHAR)('a' + i);
        Put(header + 8, 4, 0x1000);
        Put(header + 12, 4, sections[i][0]);
        Put(header + 16, 4, 0x200);
        Put(header + 20, 4, sections[i][1]);
        Put(header + 36, 4, sections[i][2]);
        File[sections[i][1] + 5] = (UCHAR)(0xC0 + i);
    }
}

static ULONG ProtectionAt(PVOID Address, PULONG Type)
{
    BASIC info;
    CHECK(ZwQueryVirtualMemory(NtCurrentProcess(), Address, 0, &info, sizeof info, NULL) == STATUS_SUCCESS);
    *Type = info.Type;
    return info.Protect;
}

/* SEC_IMAGE: the file as it lies in memory. */
static VOID Images(VOID)
{
    HANDLE file = MemOpen(Paths[Image]), section, other;
    PVOID first = NULL, second = NULL;
    SIZE_T size = 0;
    ULONG type;
    PUCHAR view;
    OUTCOME(ZwCreateSection, "SEC_IMAGE: STATUS_INVALID_IMAGE_NOT_MZ for a file that is no image", Section(file, 0, PAGE_EXECUTE, SEC_IMAGE, &section) == STATUS_INVALID_IMAGE_NOT_MZ && !All[Image].Pointers.ImageSectionObject);
    ZwClose(file);
    CHECK(Gone(Image));
    MakeImage(All[Image].Data);
    file = MemOpen(Paths[Image]);
    OUTCOME(ZwCreateSection, "SEC_IMAGE: STATUS_SUCCESS for an image", Section(file, 0, PAGE_EXECUTE, SEC_IMAGE, &section) == STATUS_SUCCESS && All[Image].Pointers.ImageSectionObject);
    OUTCOME(ZwMapViewOfSection, "an image lies where it is linked for", ZwMapViewOfSection(section, NtCurrentProcess(), &first, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_EXECUTE) == STATUS_SUCCESS && first == (PVOID)0x200000000ULL && size == 0x5000);
    view = first;
    OUTCOME(ZwMapViewOfSection, "an image: sections lie at their addresses, zeros behind their data", Peek(view) == 'M' && Peek(view + 0x1005) == 0xC0 && Peek(view + 0x2005) == 0xC1 && Peek(view + 0x3005) == 0xC2 && Peek(view + 0x3300) == 0);
    OUTCOME(ZwQueryVirtualMemory, "an image: the protection of each section", ProtectionAt(view, &type) == PAGE_READONLY && type == 0x1000000 && ProtectionAt(view + 0x1000, &type) == PAGE_EXECUTE_READ && ProtectionAt(view + 0x2000, &type) == PAGE_READONLY && ProtectionAt(view + 0x3000, &type) == PAGE_WRITECOPY);
    OUTCOME(ZwMapViewOfSection, "an image: code and constants cannot be written, nothing is behind the last section", Touch(view + 0x1000, TRUE) == STATUS_ACCESS_VIOLATION && Touch(view + 0x2000, TRUE) == STATUS_ACCESS_VIOLATION && Touch(view + 0x4000, FALSE) == STATUS_ACCESS_VIOLATION);
    CHECK(Touch(view + 0x3005, TRUE) == STATUS_SUCCESS);
    size = 0;
    OUTCOME(ZwMapViewOfSection, "an image whose place is taken: STATUS_IMAGE_NOT_AT_BASE", ZwMapViewOfSection(section, NtCurrentProcess(), &second, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_EXECUTE) == STATUS_IMAGE_NOT_AT_BASE && second && second != first);
    OUTCOME(ZwMapViewOfSection, "an image: a write is the process's own", Peek(view + 0x3005) == 1 && Peek((PUCHAR)second + 0x3005) == 0xC2 && All[Image].Data[0x805] == 0xC2);
    CHECK(Section(file, 0, PAGE_EXECUTE, SEC_IMAGE, &other) == STATUS_SUCCESS);
    OUTCOME(MmFlushImageSection, "FALSE while the image is mapped", !MmFlushImageSection(&All[Image].Pointers, MmFlushForWrite));
    Unmap(first);
    Unmap(second);
    ZwClose(other);
    ZwClose(section);
    ZwClose(file);
    OUTCOME(MmFlushImageSection, "TRUE when nobody uses the image any more", Gone(Image) && MmFlushImageSection(&All[Image].Pointers, MmFlushForWrite) && !All[Image].Pointers.ImageSectionObject && All[Image].PagingWrites == 0);
}

/* The routines that a file system's own cache would call. */
static VOID ByHand(PDRIVER_OBJECT Driver)
{
    HANDLE handle = MemOpen(Paths[Plain]);
    PFILE_OBJECT file = NULL;
    PUCHAR page = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, 'gaPK');
    PMDL mdl = IoAllocateMdl(page, PAGE_SIZE, FALSE, FALSE, NULL);
    LARGE_INTEGER offset, end;
    IO_STATUS_BLOCK iosb;
    KEVENT event;
    FILE_STANDARD_INFORMATION info;
    ULONG returned = 0;
    NTSTATUS status;
    ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    offset.QuadPart = 0x2000;
    status = IoPageRead(file, mdl, &offset, &event, &iosb);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    OUTCOME(IoPageRead, "reads a page; event and status block tell of the end", NT_SUCCESS(status) && iosb.Status == STATUS_SUCCESS && iosb.Information == PAGE_SIZE && page[7] == MemPattern(Plain, 0x2007));
    KeClearEvent(&event);
    offset.QuadPart = 0x9000;
    status = IoPageRead(file, mdl, &offset, &event, &iosb);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    OUTCOME(IoPageRead, "the file system's status", iosb.Status == STATUS_END_OF_FILE && status == STATUS_END_OF_FILE);
    KeClearEvent(&event);
    RtlFillMemory(page, PAGE_SIZE, 0x33);
    offset.QuadPart = 0x1000;
    status = IoSynchronousPageWrite(file, mdl, &offset, &event, &iosb);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    OUTCOME(IoSynchronousPageWrite, "writes a page; event and status block tell of the end", NT_SUCCESS(status) && iosb.Status == STATUS_SUCCESS && All[Plain].Data[0x1FFF] == 0x33 && All[Plain].Data[0x2000] == MemPattern(Plain, 0x2000));
    OUTCOME(IoSynchronousPageWrite, "is paging I/O", (All[Plain].LastFlags & IRP_PAGING_IO) && (All[Plain].LastFlags & IRP_NOCACHE));
    OUTCOME(IoQueryFileInformation, "asks the driver of the file", IoQueryFileInformation(file, FileStandardInformation, sizeof info, &info, &returned) == STATUS_SUCCESS && info.EndOfFile.QuadPart == 0x5123 && returned == sizeof info);
    OUTCOME(IoQueryFileInformation, "the driver's status", IoQueryFileInformation(file, FileBasicInformation, sizeof info, &info, &returned) == STATUS_INVALID_PARAMETER);
    end.QuadPart = 0x5000;
    OUTCOME(IoSetInformation, "has the driver change it", IoSetInformation(file, FileEndOfFileInformation, sizeof end, &end) == STATUS_SUCCESS && All[Plain].Size == 0x5000);
    end.QuadPart = 0x7000000;
    OUTCOME(IoSetInformation, "the driver's status", IoSetInformation(file, FileEndOfFileInformation, sizeof end, &end) == STATUS_DISK_FULL);
    OUTCOME(FsRtlRegisterFileSystemFilterCallbacks, "STATUS_INVALID_PARAMETER without callbacks", FsRtlRegisterFileSystemFilterCallbacks(Driver, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(FsRtlRegisterFileSystemFilterCallbacks, "the callback is asked before a section is made", FilterAsked > 0);
    IoFreeMdl(mdl);
    ExFreePoolWithTag(page, 'gaPK');
    ObDereferenceObject(file);
    ZwClose(handle);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    MemUnmount();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    FILTER_CALLBACKS callbacks = {sizeof callbacks, 0, MayMap, {0}};
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("filesections");
    CHECK(KtestCase == 0);
    CHECK(MemMount(DriverObject, L"\\Device\\KtestFs", All, Files) == STATUS_SUCCESS);
    OUTCOME(FsRtlRegisterFileSystemFilterCallbacks, "STATUS_SUCCESS", FsRtlRegisterFileSystemFilterCallbacks(DriverObject, (PFS_FILTER_CALLBACKS)&callbacks) == STATUS_SUCCESS);
    Creating();
    CHECK(Gone(Plain) && Gone(Growing));
    Reading();
    Waiting();
    Writing();
    Copying();
    InSystemSpace();
    Reserving();
    Asking();
    Images();
    ByHand(DriverObject);
    KtestDone();
    return STATUS_SUCCESS;
}
