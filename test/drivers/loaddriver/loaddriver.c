/*
 * ZwLoadDriver: a driver whose image lies in a file system. The file system is memfs.h; the images are made here, byte by byte: a header and one section with a DriverEntry of a few
 * instructions, which need no relocation and import nothing.
 */
#include <ntifs.h>
#include "../ktest.h"
#include "../memfs.h"

#define SERVICES L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"
#define CODE 0x1000
#define RAW 0x200

NTSYSAPI NTSTATUS NTAPI ZwLoadDriver(PUNICODE_STRING Service);
NTSYSAPI NTSTATUS NTAPI ZwUnloadDriver(PUNICODE_STRING Service);
extern __declspec(dllimport) POBJECT_TYPE *IoDriverObjectType;

enum { Good, Refusing, Garbage, Broken, Files };
static MEMFILE All[Files] = {{L"\\good.sys", 0x400}, {L"\\refusing.sys", 0x400}, {L"\\garbage.sys", 0x400}, {L"\\broken.sys", 0x400}};

static VOID Put(PUCHAR At, ULONG Bytes, ULONGLONG Value)
{
    for (; Bytes; Bytes--, Value >>= 8)
        *At++ = (UCHAR)Value;
}

/* DriverEntry(rcx = driver object): lea rax,[unload] ; mov [rcx+68h],rax ; mov eax,STATUS ; ret ; unload: ret */
static VOID MakeImage(PUCHAR File, NTSTATUS Status)
{
    static const UCHAR code[] = {0x48, 0x8D, 0x05, 0x0A, 0, 0, 0, 0x48, 0x89, 0x41, 0x68, 0xB8, 0, 0, 0, 0, 0xC3, 0xC3};
    PUCHAR nt = File + 0x80, optional = nt + 0x18, section = optional + 0xF0;
    RtlZeroMemory(File, 0x400);
    Put(File, 2, 0x5A4D);               /* e_magic: MZ */
    Put(File + 0x3C, 4, 0x80);          /* e_lfanew */
    Put(nt, 4, 0x4550);                 /* PE */
    Put(nt + 4, 2, 0x8664);             /* Machine: x64 */
    Put(nt + 6, 2, 1);                  /* NumberOfSections */
    Put(nt + 0x14, 2, 0xF0);            /* SizeOfOptionalHeader */
    Put(nt + 0x16, 2, 0x22);            /* Characteristics: executable, large addresses */
    Put(optional, 2, 0x20B);            /* Magic: PE32+ */
    Put(optional + 4, 4, 0x200);        /* SizeOfCode */
    Put(optional + 0x10, 4, CODE);      /* AddressOfEntryPoint */
    Put(optional + 0x14, 4, CODE);      /* BaseOfCode */
    Put(optional + 0x18, 8, 0x140000000ULL);
    Put(optional + 0x20, 4, 0x1000);    /* SectionAlignment, FileAlignment */
    Put(optional + 0x24, 4, 0x200);
    Put(optional + 0x28, 2, 6);         /* versions of the system and of the subsystem */
    Put(optional + 0x30, 2, 6);
    Put(optional + 0x38, 4, 0x2000);    /* SizeOfImage, SizeOfHeaders */
    Put(optional + 0x3C, 4, RAW);
    Put(optional + 0x44, 2, 1);         /* Subsystem: native */
    Put(optional + 0x6C, 4, 16);        /* NumberOfRvaAndSizes */
    RtlCopyMemory(section, ".text", 5);
    Put(section + 8, 4, sizeof code);   /* VirtualSize, VirtualAddress, SizeOfRawData, PointerToRawData */
    Put(section + 12, 4, CODE);
    Put(section + 16, 4, 0x200);
    Put(section + 20, 4, RAW);
    Put(section + 36, 4, 0x60000020);   /* code that may be executed and read */
    RtlCopyMemory(File + RAW, code, sizeof code);
    Put(File + RAW + 12, 4, (ULONG)Status);
}

/* A key below Services that says where the image is. */
static VOID Register(PCWSTR Key, PCWSTR Image)
{
    UNICODE_STRING path, type, imagePath;
    OBJECT_ATTRIBUTES a;
    HANDLE key;
    ULONG kernelDriver = 1;
    RtlInitUnicodeString(&path, Key);
    InitializeObjectAttributes(&a, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateKey(&key, KEY_ALL_ACCESS, &a, 0, NULL, 0, NULL) == STATUS_SUCCESS);
    RtlInitUnicodeString(&type, L"Type");
    RtlInitUnicodeString(&imagePath, L"ImagePath");
    ZwSetValueKey(key, &type, 0, REG_DWORD, &kernelDriver, sizeof kernelDriver);
    if (Image)
        ZwSetValueKey(key, &imagePath, 0, REG_EXPAND_SZ, (PVOID)Image, (ULONG)(wcslen(Image) + 1) * sizeof(WCHAR));
    ZwClose(key);
}

static NTSTATUS Load(PCWSTR Key)
{
    UNICODE_STRING path;
    RtlInitUnicodeString(&path, Key);
    return ZwLoadDriver(&path);
}

static BOOLEAN IsLoaded(PCWSTR Name)
{
    UNICODE_STRING name;
    PDRIVER_OBJECT driver;
    BOOLEAN right;
    RtlInitUnicodeString(&name, Name);
    if (!NT_SUCCESS(ObReferenceObjectByName(&name, OBJ_CASE_INSENSITIVE, NULL, 0, *IoDriverObjectType, KernelMode, NULL, (PVOID *)&driver)))
        return FALSE;
    right = driver->DriverSize == 0x2000 && driver->DriverUnload == (PDRIVER_UNLOAD)((PUCHAR)driver->DriverStart + CODE + 0x11);
    ObDereferenceObject(driver);
    return right;
}

static VOID Loading(VOID)
{
    UNICODE_STRING good;
    OUTCOME(ZwLoadDriver, "STATUS_SUCCESS: the image that the service names is read from its file system, and its DriverEntry called", Load(SERVICES L"KtestGood") == STATUS_SUCCESS && IsLoaded(L"\\Driver\\KtestGood"));
    CHECK(All[Good].Opens == All[Good].Closes && All[Good].Opens == 1);
    OUTCOME(ZwLoadDriver, "STATUS_IMAGE_ALREADY_LOADED for a driver that is loaded", Load(SERVICES L"KtestGood") == STATUS_IMAGE_ALREADY_LOADED);
    RtlInitUnicodeString(&good, SERVICES L"KtestGood");
    OUTCOME(ZwUnloadDriver, "a driver that was loaded from a file goes", ZwUnloadDriver(&good) == STATUS_SUCCESS && !IsLoaded(L"\\Driver\\KtestGood"));
    CHECK(Load(SERVICES L"KtestGood") == STATUS_SUCCESS && ZwUnloadDriver(&good) == STATUS_SUCCESS);
    OUTCOME(ZwLoadDriver, "the status of a DriverEntry that fails", Load(SERVICES L"KtestRefusing") == STATUS_DEVICE_BUSY && !IsLoaded(L"\\Driver\\KtestRefusing"));
    OUTCOME(ZwLoadDriver, "STATUS_INVALID_IMAGE_NOT_MZ for a file that is no image", Load(SERVICES L"KtestGarbage") == STATUS_INVALID_IMAGE_NOT_MZ);
    All[Broken].FailReads = STATUS_DEVICE_DATA_ERROR;
    OUTCOME(ZwLoadDriver, "the file system's status when the file cannot be read", Load(SERVICES L"KtestBroken") == STATUS_DEVICE_DATA_ERROR && All[Broken].Opens == All[Broken].Closes);
    OUTCOME(ZwLoadDriver, "STATUS_OBJECT_NAME_NOT_FOUND for a file that there is not", Load(SERVICES L"KtestGone") == STATUS_OBJECT_NAME_NOT_FOUND);
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
    KtestBegin("loaddriver");
    CHECK(KtestCase == 0 && MemMount(DriverObject, L"\\Device\\KtestImages", All, Files) == STATUS_SUCCESS);
    MakeImage(All[Good].Data, STATUS_SUCCESS);
    MakeImage(All[Refusing].Data, STATUS_DEVICE_BUSY);
    Register(SERVICES L"KtestGood", L"\\Device\\KtestImages\\good.sys");
    Register(SERVICES L"KtestRefusing", L"\\Device\\KtestImages\\refusing.sys");
    Register(SERVICES L"KtestGarbage", L"\\Device\\KtestImages\\garbage.sys");
    Register(SERVICES L"KtestBroken", L"\\Device\\KtestImages\\broken.sys");
    Register(SERVICES L"KtestGone", L"\\Device\\KtestImages\\gone.sys");
    Loading();
    KtestDone();
    return STATUS_SUCCESS;
}
