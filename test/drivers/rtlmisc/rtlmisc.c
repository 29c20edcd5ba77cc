/* Small routines of the run-time library that most drivers import: memory, strings, bit maps, images, names of GUIDs. */
#include <ntifs.h>
#include <ntimage.h>
#undef RtlAnsiStringToUnicodeSize
#include "../ktest.h"

NTSYSAPI PIMAGE_NT_HEADERS NTAPI RtlImageNtHeader(PVOID Base);
NTSYSAPI PVOID NTAPI RtlImageDirectoryEntryToData(PVOID Base, BOOLEAN MappedAsImage, USHORT DirectoryEntry, PULONG Size);
NTSYSAPI LONG NTAPI RtlCompareUnicodeStrings(PCWCH String1, SIZE_T String1Length, PCWCH String2, SIZE_T String2Length, BOOLEAN CaseInSensitive);
NTSYSAPI WCHAR NTAPI RtlAnsiCharToUnicodeChar(PUCHAR *SourceCharacter);
NTSYSAPI ULONG NTAPI RtlRandomEx(PULONG Seed);
NTSYSAPI ULONG NTAPI RtlRandom(PULONG Seed);
/* The kernel's, not the compiler's own. */
PVOID KernelMemmove(PVOID To, const VOID *From, SIZE_T Count) __asm__("memmove");
PVOID KernelMemcpy(PVOID To, const VOID *From, SIZE_T Count) __asm__("memcpy");
PVOID KernelMemset(PVOID To, int Value, SIZE_T Count) __asm__("memset");

static UCHAR Bytes[64], Others[64];

static BOOLEAN AreBytes(PUCHAR At, ULONG Count, UCHAR First, UCHAR Step)
{
    for (ULONG i = 0; i < Count; i++)
        if (At[i] != (UCHAR)(First + i * Step))
            return FALSE;
    return TRUE;
}

static VOID Memory(VOID)
{
    PVOID result;
    for (ULONG i = 0; i < 64; i++)
        Bytes[i] = (UCHAR)i;
    result = KernelMemcpy(Others, Bytes, 64);
    OUTCOME(memcpy, "copies and returns the destination", result == Others && AreBytes(Others, 64, 0, 1));
    result = KernelMemmove(Bytes + 8, Bytes, 32);
    OUTCOME(memmove, "copies upwards between areas that overlap, and returns the destination", result == Bytes + 8 && AreBytes(Bytes + 8, 32, 0, 1) && Bytes[40] == 40);
    for (ULONG i = 0; i < 64; i++)
        Bytes[i] = (UCHAR)i;
    KernelMemmove(Bytes, Bytes + 8, 32);
    OUTCOME(memmove, "copies downwards between areas that overlap", AreBytes(Bytes, 32, 8, 1) && Bytes[32] == 32);
    result = KernelMemset(Bytes + 1, 0x1a5, 62);
    OUTCOME(memset, "fills with the low byte of the value, and returns the destination", result == Bytes + 1 && AreBytes(Bytes + 1, 62, 0xa5, 0) && Bytes[0] == 8 && Bytes[63] == 63);
    KernelMemset(Bytes, 1, 0);
    KernelMemcpy(Bytes, Others, 0);
    OUTCOME(memset, "nothing for a length of 0", Bytes[0] == 8);
    OUTCOME(memcpy, "nothing for a length of 0", Bytes[0] == 8);
    OUTCOME(RtlCompareMemory, "how many bytes match before the first that differs", RtlCompareMemory("abcdef", "abcXef", 6) == 3);
    OUTCOME(RtlCompareMemory, "the length when all match", RtlCompareMemory("abcdef", "abcdef", 6) == 6 && RtlCompareMemory("a", "b", 0) == 0);
}

static VOID Strings(VOID)
{
    UNICODE_STRING a = RTL_CONSTANT_STRING(L"\\Device\\"), b = RTL_CONSTANT_STRING(L"\\device\\Foo"), empty = {0, 0, NULL}, made;
    OUTCOME(RtlPrefixUnicodeString, "TRUE when the first string begins the second", RtlPrefixUnicodeString(&a, &a, FALSE) && RtlPrefixUnicodeString(&empty, &a, FALSE));
    OUTCOME(RtlPrefixUnicodeString, "FALSE when it does not, also for a difference in case", !RtlPrefixUnicodeString(&a, &b, FALSE) && !RtlPrefixUnicodeString(&b, &a, TRUE));
    OUTCOME(RtlPrefixUnicodeString, "with CaseInSensitive whatever the case", RtlPrefixUnicodeString(&a, &b, TRUE));
    OUTCOME(RtlUpcaseUnicodeChar, "the letter in upper case", RtlUpcaseUnicodeChar(L'a') == L'A' && RtlUpcaseUnicodeChar(0xe4) == 0xc4 && RtlUpcaseUnicodeChar(0x3b1) == 0x391 && RtlUpcaseUnicodeChar(0x44f) == 0x42f);
    OUTCOME(RtlUpcaseUnicodeChar, "what has no upper case stays", RtlUpcaseUnicodeChar(L'7') == L'7' && RtlUpcaseUnicodeChar(L'A') == L'A' && RtlUpcaseUnicodeChar(0xdf) == 0xdf);
    UCHAR text[] = "x\x80y";
    PUCHAR at = text;
    WCHAR c = RtlAnsiCharToUnicodeChar(&at);
    OUTCOME(RtlAnsiCharToUnicodeChar, "the character, and the pointer goes on", c == L'x' && at == text + 1);
    OUTCOME(RtlAnsiCharToUnicodeChar, "by the ANSI code page", RtlAnsiCharToUnicodeChar(&at) == 0x20ac && at == text + 2);
    UNICODE_STRING ask = RTL_CONSTANT_STRING(L"RtlAnsiStringToUnicodeSize");
    ULONG(NTAPI *sizeOf)(PANSI_STRING) = MmGetSystemRoutineAddress(&ask);
    ANSI_STRING five = RTL_CONSTANT_STRING("12345"), nothing = {0, 0, NULL};
    OUTCOME(RtlAnsiStringToUnicodeSize, "the bytes of the string as a wide one, with its terminator", sizeOf && sizeOf(&five) == 12 && sizeOf(&nothing) == 2);
    BOOLEAN ok = RtlCreateUnicodeString(&made, L"hello");
    OUTCOME(RtlCreateUnicodeString, "TRUE and a copy with a terminator, which RtlFreeUnicodeString frees", ok && made.Length == 10 && made.MaximumLength == 12 && made.Buffer[0] == L'h' && made.Buffer[5] == 0);
    RtlFreeUnicodeString(&made);
    OUTCOME(RtlCompareUnicodeStrings, "0 for equal strings, negative and positive for less and greater", RtlCompareUnicodeStrings(L"abc", 3, L"abc", 3, FALSE) == 0 && RtlCompareUnicodeStrings(L"abb", 3, L"abc", 3, FALSE) < 0 && RtlCompareUnicodeStrings(L"b", 1, L"abc", 3, FALSE) > 0);
    OUTCOME(RtlCompareUnicodeStrings, "the shorter of strings that begin alike is less", RtlCompareUnicodeStrings(L"ab", 2, L"abc", 3, FALSE) < 0 && RtlCompareUnicodeStrings(L"abc", 2, L"abd", 2, FALSE) == 0);
    OUTCOME(RtlCompareUnicodeStrings, "with CaseInSensitive whatever the case", RtlCompareUnicodeStrings(L"ABC", 3, L"abc", 3, TRUE) == 0 && RtlCompareUnicodeStrings(L"ABC", 3, L"abc", 3, FALSE) != 0);
    CHAR narrow[8];
    ULONG length = 99;
    NTSTATUS status = RtlUnicodeToMultiByteN(narrow, sizeof narrow, &length, L"ab\x20ac", 6);
    OUTCOME(RtlUnicodeToMultiByteN, "STATUS_SUCCESS, bytes by the ANSI code page and how many", status == STATUS_SUCCESS && length == 3 && narrow[0] == 'a' && (UCHAR)narrow[2] == 0x80);
    status = RtlUnicodeToMultiByteN(narrow, 2, &length, L"xyz", 6);
    OUTCOME(RtlUnicodeToMultiByteN, "STATUS_SUCCESS and as much as fits", status == STATUS_SUCCESS && length == 2 && narrow[0] == 'x' && narrow[1] == 'y' && (UCHAR)narrow[2] == 0x80);
    OUTCOME(RtlUnicodeToMultiByteN, "the count is optional", RtlUnicodeToMultiByteN(narrow, sizeof narrow, NULL, L"q", 2) == STATUS_SUCCESS && narrow[0] == 'q');
    GUID guid = {0x4d36e978, 0xe325, 0x11ce, {0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}};
    UNICODE_STRING name, expected = RTL_CONSTANT_STRING(L"{4d36e978-e325-11ce-bfc1-08002be10318}");
    status = RtlStringFromGUID(&guid, &name);
    OUTCOME(RtlStringFromGUID, "STATUS_SUCCESS, the name of the GUID in a buffer that RtlFreeUnicodeString frees", status == STATUS_SUCCESS && RtlEqualUnicodeString(&name, &expected, TRUE) && name.Buffer[38] == 0);
    RtlFreeUnicodeString(&name);
}

static VOID Bits(VOID)
{
    RTL_BITMAP map;
    ULONG room[2] = {0xffffffff, 1};
    RtlInitializeBitMap(&map, room, 40);
    OUTCOME(RtlInitializeBitMap, "the map has the bits of the buffer, which stay as they are", map.SizeOfBitMap == 40 && map.Buffer == room && room[0] == 0xffffffff && RtlNumberOfSetBits(&map) == 33);
}

extern UCHAR ImageBase __asm__("__ImageBase");

static VOID Images(VOID)
{
    PUCHAR base = &ImageBase;
    PIMAGE_NT_HEADERS nt = RtlImageNtHeader(base);
    static UCHAR nothing[256];
    OUTCOME(RtlImageNtHeader, "the PE header of an image", nt != NULL && nt->Signature == IMAGE_NT_SIGNATURE && (PUCHAR)nt == base + ((PIMAGE_DOS_HEADER)base)->e_lfanew);
    OUTCOME(RtlImageNtHeader, "NULL for what is no image", RtlImageNtHeader(nothing) == NULL && RtlImageNtHeader(NULL) == NULL);
    ULONG size = 0;
    PIMAGE_DATA_DIRECTORY directory = &nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    PUCHAR imports = RtlImageDirectoryEntryToData(base, TRUE, IMAGE_DIRECTORY_ENTRY_IMPORT, &size);
    OUTCOME(RtlImageDirectoryEntryToData, "address and size of a directory", imports == base + directory->VirtualAddress && size == directory->Size && size != 0);
    OUTCOME(RtlImageDirectoryEntryToData, "NULL for a directory that the image does not have", RtlImageDirectoryEntryToData(base, TRUE, IMAGE_DIRECTORY_ENTRY_SECURITY, &size) == NULL && RtlImageDirectoryEntryToData(base, TRUE, 40, &size) == NULL);
    OUTCOME(RtlImageDirectoryEntryToData, "NULL for what is no image", RtlImageDirectoryEntryToData(nothing, TRUE, IMAGE_DIRECTORY_ENTRY_IMPORT, &size) == NULL);
    /* A file as it is on the disk: sections lie where their raw data is. */
    PUCHAR copy = ExAllocatePoolWithTag(PagedPool, nt->OptionalHeader.SizeOfImage, 'gmIK');
    PIMAGE_SECTION_HEADER section = IMAGE_FIRST_SECTION(nt);
    RtlZeroMemory(copy, nt->OptionalHeader.SizeOfImage);
    RtlCopyMemory(copy, base, nt->OptionalHeader.SizeOfHeaders);
    for (ULONG i = 0; i < nt->FileHeader.NumberOfSections; i++, section++)
        if (directory->VirtualAddress >= section->VirtualAddress && directory->VirtualAddress < section->VirtualAddress + section->SizeOfRawData)
            break;
    imports = RtlImageDirectoryEntryToData(copy, FALSE, IMAGE_DIRECTORY_ENTRY_IMPORT, &size);
    OUTCOME(RtlImageDirectoryEntryToData, "in a file that is not mapped as an image, by its raw data", imports == copy + directory->VirtualAddress - section->VirtualAddress + section->PointerToRawData);
    ExFreePoolWithTag(copy, 'gmIK');
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("rtlmisc");
    Memory();
    Strings();
    Bits();
    Images();
    KtestDone();
    return STATUS_SUCCESS;
}
