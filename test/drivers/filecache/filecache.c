// ktest: compiler=clang
/* The cache manager, as a file system uses it: copying data through the cache, looking at them in place, writing them back. The files are those of memfs.h. */
#include <ntifs.h>
#include "../ktest.h"
#include "../memfs.h"

#define NOINLINE __attribute__((noinline))

enum { Plain, Written, Broken, Through, Files };
static MEMFILE All[Files] = {{L"\\plain", 0x5123}, {L"\\written", 0x4000}, {L"\\broken", 0x2000}, {L"\\through", 0x2000}};
static const PCWSTR Paths[Files] = {L"\\Device\\KtestCached\\plain", L"\\Device\\KtestCached\\written", L"\\Device\\KtestCached\\broken", L"\\Device\\KtestCached\\through"};
static HANDLE Handles[Files];
static PFILE_OBJECT Objects[Files];
static CACHE_MANAGER_CALLBACKS Callbacks;

static CC_FILE_SIZES Sizes(ULONG Bytes)
{
    CC_FILE_SIZES sizes;
    sizes.AllocationSize.QuadPart = (Bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    sizes.FileSize.QuadPart = sizes.ValidDataLength.QuadPart = Bytes;
    return sizes;
}

static PFILE_OBJECT Begin(ULONG File)
{
    CC_FILE_SIZES sizes = Sizes(All[File].Size);
    Handles[File] = MemOpen(Paths[File]);
    CHECK(ObReferenceObjectByHandle(Handles[File], 0, *IoFileObjectType, KernelMode, (PVOID *)&Objects[File], NULL) == STATUS_SUCCESS);
    CcInitializeCacheMap(Objects[File], &sizes, TRUE, &Callbacks, NULL);
    return Objects[File];
}

static BOOLEAN Finish(ULONG File)
{
    ULONG i;
    BOOLEAN gone = CcUninitializeCacheMap(Objects[File], NULL, NULL);
    LARGE_INTEGER time;
    time.QuadPart = -20000;
    ObDereferenceObject(Objects[File]);
    ZwClose(Handles[File]);
    for (i = 0; i < 100 && (All[File].Pointers.DataSectionObject || All[File].Closes < All[File].Opens); i++)
        KeDelayExecutionThread(KernelMode, FALSE, &time);
    return gone && !All[File].Pointers.DataSectionObject && All[File].Closes == All[File].Opens;
}

/* Calls that may raise are in functions of their own: clang guards calls. */
static NOINLINE BOOLEAN DoRead(PFILE_OBJECT File, LONGLONG Offset, ULONG Length, BOOLEAN Wait, PVOID Buffer, PIO_STATUS_BLOCK Iosb)
{
    LARGE_INTEGER offset;
    offset.QuadPart = Offset;
    return CcCopyRead(File, &offset, Length, Wait, Buffer, Iosb);
}
static NOINLINE BOOLEAN DoWrite(PFILE_OBJECT File, LONGLONG Offset, ULONG Length, BOOLEAN Wait, PVOID Buffer)
{
    LARGE_INTEGER offset;
    offset.QuadPart = Offset;
    return CcCopyWrite(File, &offset, Length, Wait, Buffer);
}
static NTSTATUS ReadRaises(PFILE_OBJECT File, PVOID Buffer)
{
    volatile NTSTATUS status = STATUS_SUCCESS;
    IO_STATUS_BLOCK iosb;
    __try { DoRead(File, 0, 16, TRUE, Buffer, &iosb); } __except (EXCEPTION_EXECUTE_HANDLER) { status = GetExceptionCode(); }
    return status;
}
static NTSTATUS WriteRaises(PFILE_OBJECT File, PVOID Buffer)
{
    volatile NTSTATUS status = STATUS_SUCCESS;
    __try { DoWrite(File, 5, 16, TRUE, Buffer); } __except (EXCEPTION_EXECUTE_HANDLER) { status = GetExceptionCode(); }
    return status;
}

static VOID Reading(VOID)
{
    PFILE_OBJECT file = Begin(Plain);
    UCHAR buffer[0x3000];
    IO_STATUS_BLOCK iosb;
    ULONG i, right = 0;
    OUTCOME(CcInitializeCacheMap, "makes the shared cache map of the file", All[Plain].Pointers.SharedCacheMap && file->PrivateCacheMap);
    OUTCOME(CcGetFileObjectFromSectionPtrs, "the file object by which the file is cached", CcGetFileObjectFromSectionPtrs(&All[Plain].Pointers) == file);
    OUTCOME(CcCopyRead, "FALSE for data that are not in memory when the caller may not wait", !DoRead(file, 0x800, 0x2000, FALSE, buffer, &iosb) && All[Plain].PagingReads == 0);
    OUTCOME(CcCopyRead, "TRUE with the data, and how many", DoRead(file, 0x800, 0x2000, TRUE, buffer, &iosb) && iosb.Status == STATUS_SUCCESS && iosb.Information == 0x2000);
    for (i = 0; i < 0x2000; i++)
        right += buffer[i] == MemPattern(Plain, 0x800 + i);
    OUTCOME(CcCopyRead, "reads each page once", right == 0x2000 && All[Plain].PagingReads == 3 && DoRead(file, 0x900, 0x1000, FALSE, buffer, &iosb) && All[Plain].PagingReads == 3);
    OUTCOME(CcUninitializeCacheMap, "TRUE when the map has gone, and the file is closed", Finish(Plain) && !All[Plain].Pointers.SharedCacheMap);
    OUTCOME(CcGetFileObjectFromSectionPtrs, "NULL for a file that is not cached", CcGetFileObjectFromSectionPtrs(&All[Plain].Pointers) == NULL);
    All[Broken].FailReads = STATUS_DEVICE_DATA_ERROR;
    file = Begin(Broken);
    OUTCOME(CcCopyRead, "raises the status of a read that fails", ReadRaises(file, buffer) == STATUS_DEVICE_DATA_ERROR);
    OUTCOME(CcCopyWrite, "raises the status of a read that it needs", WriteRaises(file, buffer) == STATUS_DEVICE_DATA_ERROR);
    All[Broken].FailReads = 0;
    CHECK(Finish(Broken));
}

static VOID Writing(VOID)
{
    PFILE_OBJECT file = Begin(Written);
    UCHAR buffer[0x1800];
    IO_STATUS_BLOCK iosb;
    LARGE_INTEGER offset;
    HANDLE section = NULL;
    PVOID view = NULL;
    SIZE_T size = 0;
    CC_FILE_SIZES sizes;
    OBJECT_ATTRIBUTES a;
    RtlFillMemory(buffer, sizeof buffer, 0xEE);
    OUTCOME(CcCanIWrite, "TRUE while there is memory", CcCanIWrite(file, 0x1000, FALSE, FALSE));
    OUTCOME(CcCanIWrite, "FALSE for more than there is", !CcCanIWrite(file, 0xF0000000, FALSE, FALSE));
    OUTCOME(CcCopyWrite, "FALSE when a page has to be read first and the caller may not wait", !DoWrite(file, 0x10, 16, FALSE, buffer));
    OUTCOME(CcCopyWrite, "TRUE: the data are in the cache, and not in the file yet", DoWrite(file, 0x10, 0x1800, TRUE, buffer) && DoRead(file, 0x1000, 16, FALSE, buffer + 16, &iosb) && buffer[16] == 0xEE && All[Written].Data[0x1000] != 0xEE && All[Written].PagingWrites == 0);
    InitializeObjectAttributes(&a, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateSection(&section, SECTION_ALL_ACCESS, &a, NULL, PAGE_READONLY, SEC_COMMIT, Handles[Written]) == STATUS_SUCCESS);
    CHECK(ZwMapViewOfSection(section, NtCurrentProcess(), &view, 0, 0, NULL, &size, ViewUnmap, 0, PAGE_READONLY) == STATUS_SUCCESS);
    OUTCOME(CcCopyWrite, "a view of the file shows what was written", ((PUCHAR)view)[0x1000] == 0xEE);
    offset.QuadPart = 0;
    OUTCOME(CcPurgeCacheSection, "FALSE while the file is mapped", !CcPurgeCacheSection(&All[Written].Pointers, &offset, 0x1000, FALSE));
    ZwUnmapViewOfSection(NtCurrentProcess(), view);
    ZwClose(section);
    CcFlushCache(&All[Written].Pointers, &offset, 0x1000, &iosb);
    OUTCOME(CcFlushCache, "writes the changed data of a range", iosb.Status == STATUS_SUCCESS && All[Written].Data[0x10] == 0xEE && All[Written].Data[0x1000] != 0xEE && All[Written].PagingWrites == 1);
    All[Written].FailWrites = STATUS_DEVICE_NOT_READY;
    CcFlushCache(&All[Written].Pointers, NULL, 0, &iosb);
    OUTCOME(CcFlushCache, "the status of a write that fails", iosb.Status == STATUS_DEVICE_NOT_READY);
    All[Written].FailWrites = 0;
    CcFlushCache(&All[Written].Pointers, NULL, 0, &iosb);
    OUTCOME(CcFlushCache, "writes all changed data without an offset", iosb.Status == STATUS_SUCCESS && All[Written].Data[0x1000] == 0xEE);
    CcFlushCache(&All[Plain].Pointers, NULL, 0, &iosb);
    OUTCOME(CcFlushCache, "STATUS_SUCCESS for a file of which nothing is cached", iosb.Status == STATUS_SUCCESS);
    RtlFillMemory(buffer, 16, 0xDD);
    CHECK(DoWrite(file, 0x2000, 16, TRUE, buffer));
    OUTCOME(CcPurgeCacheSection, "TRUE: data are dropped without being written", CcPurgeCacheSection(&All[Written].Pointers, NULL, 0, FALSE) && DoRead(file, 0x2000, 1, TRUE, buffer, &iosb) && buffer[0] == MemPattern(Written, 0x2000));
    /* A file that becomes shorter, and longer again. */
    sizes = Sizes(0x1100);
    All[Written].Size = 0x1100;
    DoRead(file, 0x1000, 0x800, TRUE, buffer, &iosb);
    CcSetFileSizes(file, &sizes);
    sizes = Sizes(0x5000);
    All[Written].Size = 0x5000;
    CcSetFileSizes(file, &sizes);
    RtlFillMemory(buffer, 16, 0xBB);
    OUTCOME(CcSetFileSizes, "data behind an end that came nearer are zeros", DoRead(file, 0x10F0, 0x20, TRUE, buffer, &iosb) && buffer[0xF] == 0xEE && buffer[0x10] == 0);
    OUTCOME(CcSetFileSizes, "a longer file can be written to its new end", DoWrite(file, 0x4FF0, 16, TRUE, buffer));
    OUTCOME(CcUninitializeCacheMap, "changed data are written when caching ends", Finish(Written) && All[Written].Data[0x4FF0] == 0xEE);
    file = Begin(Through);
    file->Flags |= FO_WRITE_THROUGH;
    RtlFillMemory(buffer, 16, 0xAB);
    OUTCOME(CcCopyWrite, "a file with FO_WRITE_THROUGH is written at once", DoWrite(file, 0x1004, 16, TRUE, buffer) && All[Through].Data[0x1004] == 0xAB && All[Through].PagingWrites == 1);
    CHECK(Finish(Through));
}

static VOID InPlace(VOID)
{
    PFILE_OBJECT file = Begin(Plain);
    PVOID bcb = NULL, mapped = NULL, pinned = NULL, buffer = NULL;
    LARGE_INTEGER offset;
    IO_STATUS_BLOCK iosb;
    offset.QuadPart = 0x2345;
    OUTCOME(CcMapData, "FALSE for data that are not in memory when the caller may not wait", !CcMapData(file, &offset, 16, 0, &mapped, &buffer));
    OUTCOME(CcMapData, "TRUE with the address of the data", CcMapData(file, &offset, 16, MAP_WAIT, &mapped, &buffer) && *(PUCHAR)buffer == MemPattern(Plain, 0x2345));
    OUTCOME(CcPinMappedData, "TRUE for data that are mapped", CcPinMappedData(file, &offset, 16, PIN_WAIT, &mapped));
    CcUnpinData(mapped);
    offset.QuadPart = 0x0FF8;
    OUTCOME(CcPinRead, "FALSE for data that are not in memory when the caller may not wait", !CcPinRead(file, &offset, 16, 0, &bcb, &buffer));
    OUTCOME(CcPinRead, "TRUE with the address of the data, over a page boundary", CcPinRead(file, &offset, 16, PIN_WAIT, &bcb, &pinned) && ((PUCHAR)pinned)[0] == MemPattern(Plain, 0xFF8) && ((PUCHAR)pinned)[15] == MemPattern(Plain, 0x1007));
    ((PUCHAR)pinned)[15] = 0x99;
    CcSetDirtyPinnedData(bcb, NULL);
    CcRepinBcb(bcb);
    CcUnpinData(bcb);
    OUTCOME(CcRepinBcb, "the data stay until they are given back as often", ((PUCHAR)pinned)[15] == 0x99 && !CcPurgeCacheSection(&All[Plain].Pointers, NULL, 0, FALSE));
    CcUnpinData(bcb);
    CcFlushCache(&All[Plain].Pointers, NULL, 0, &iosb);
    OUTCOME(CcSetDirtyPinnedData, "what was changed in place is written", All[Plain].Data[0x1007] == 0x99);
    OUTCOME(CcUnpinData, "the data may be dropped again", CcPurgeCacheSection(&All[Plain].Pointers, NULL, 0, FALSE));
    CHECK(Finish(Plain));
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    MemUnmount();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("filecache");
    CHECK(KtestCase == 0 && MemMount(DriverObject, L"\\Device\\KtestCached", All, Files) == STATUS_SUCCESS);
    Reading();
    Writing();
    InPlace();
    KtestDone();
    return STATUS_SUCCESS;
}
