// ktest: cases=2
/* What a driver asks about the system it runs on, and what the compiler asks of it. */
#include <ntifs.h>
#include "../ktest.h"

NTSYSAPI NTSTATUS NTAPI RtlGetVersion(PRTL_OSVERSIONINFOW VersionInformation);
NTKERNELAPI BOOLEAN NTAPI PsGetVersion(PULONG MajorVersion, PULONG MinorVersion, PULONG BuildNumber, PUNICODE_STRING CSDVersion);
NTKERNELAPI NTSTATUS NTAPI ExUuidCreate(UUID *Uuid);
NTKERNELAPI NTSTATUS NTAPI KdDisableDebugger(VOID);
#undef NtBuildNumber
#undef InitSafeBootMode
#undef KdDebuggerEnabled
#undef KdDebuggerNotPresent
#undef KeNumberProcessors
typedef KAFFINITY(NTAPI *QUERY_PROCESSORS)(VOID);

static PVOID Find(PCWSTR Name)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Name);
    return MmGetSystemRoutineAddress(&name);
}

static VOID Versions(VOID)
{
    RTL_OSVERSIONINFOEXW v;
    ULONG major = 0, minor = 9, build = 0;
    UNICODE_STRING pack = {9, 9, (PWSTR)1};
    v.dwOSVersionInfoSize = sizeof(RTL_OSVERSIONINFOW);
    v.wSuiteMask = 0x7777;
    NTSTATUS status = RtlGetVersion((PRTL_OSVERSIONINFOW)&v);
    OUTCOME(RtlGetVersion, "STATUS_SUCCESS, version and build of the system", status == STATUS_SUCCESS && v.dwMajorVersion == 10 && v.dwMinorVersion == 0 && v.dwBuildNumber == 19045 && v.dwPlatformId == VER_PLATFORM_WIN32_NT && v.szCSDVersion[0] == 0);
    OUTCOME(RtlGetVersion, "with the size of RTL_OSVERSIONINFOW nothing behind it is written", v.wSuiteMask == 0x7777);
    v.dwOSVersionInfoSize = sizeof v;
    v.wProductType = 77;
    status = RtlGetVersion((PRTL_OSVERSIONINFOW)&v);
    OUTCOME(RtlGetVersion, "with the size of RTL_OSVERSIONINFOEXW service pack, suites and product type too", status == STATUS_SUCCESS && v.wServicePackMajor == 0 && v.wSuiteMask != 0x7777 && v.wProductType >= VER_NT_WORKSTATION && v.wProductType <= VER_NT_SERVER);
    BOOLEAN checked = PsGetVersion(&major, &minor, &build, &pack);
    OUTCOME(PsGetVersion, "version, build, and the name of the service pack", major == 10 && minor == 0 && build == 19045 && pack.Length == 0);
    OUTCOME(PsGetVersion, "FALSE for a free build", !checked);
    OUTCOME(PsGetVersion, "every parameter is optional", !PsGetVersion(NULL, NULL, NULL, NULL));
    PULONG number = Find(L"NtBuildNumber");
    OUTCOME(NtBuildNumber, "the number of the build, and F in the highest digit for a free one", number && (*number & 0xffff) == v.dwBuildNumber && *number >> 28 == 0xf);
    PULONG safe = Find(L"InitSafeBootMode");
    OUTCOME(InitSafeBootMode, "0 when the system was not started in safe mode", safe && *safe == 0);
}

static VOID Processors(VOID)
{
    CCHAR *count = Find(L"KeNumberProcessors");
    OUTCOME(KeNumberProcessors, "how many processors there are", count && *count == (CCHAR)KtestProcessors);
    QUERY_PROCESSORS query = (QUERY_PROCESSORS)Find(L"KeQueryActiveProcessors");
    OUTCOME(KeQueryActiveProcessors, "a bit for each active processor", query && query() == ((KAFFINITY)1 << KtestProcessors) - 1);
}

static VOID Debugger(VOID)
{
    PBOOLEAN enabled = Find(L"KdDebuggerEnabled"), absent = Find(L"KdDebuggerNotPresent");
    OUTCOME(KdDebuggerEnabled, "FALSE without a debugger", enabled && !*enabled);
    OUTCOME(KdDebuggerNotPresent, "TRUE without a debugger", absent && *absent);
    OUTCOME(KdDisableDebugger, "STATUS_DEBUGGER_INACTIVE without a debugger", KdDisableDebugger() == STATUS_DEBUGGER_INACTIVE);
}

static VOID Others(VOID)
{
    UUID a, b;
    NTSTATUS first = ExUuidCreate(&a), second = ExUuidCreate(&b);
    OUTCOME(ExUuidCreate, "STATUS_SUCCESS or RPC_NT_UUID_LOCAL_ONLY, an identifier", NT_SUCCESS(first) && NT_SUCCESS(second) && (a.Data4[0] & 0xc0) == 0x80);
    OUTCOME(ExUuidCreate, "another one each time", RtlCompareMemory(&a, &b, sizeof a) != sizeof a);
    PCONFIGURATION_INFORMATION c = IoGetConfigurationInformation();
    ULONG disks = c->DiskCount;
    c->DiskCount++;
    OUTCOME(IoGetConfigurationInformation, "the counts that all drivers share and may change", IoGetConfigurationInformation() == c && IoGetConfigurationInformation()->DiskCount == disks + 1);
    c->DiskCount--;
    OUTCOME(IoGetConfigurationInformation, "the version of the structure is its size", c->Version >= sizeof(CONFIGURATION_INFORMATION));
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

/* What compilers call with the size of a large frame in RAX: nothing but flags, R10 and R11 may change. */
static __attribute__((noinline)) BOOLEAN KeepsRegisters(PVOID Check, ULONG64 Size)
{
    ULONG64 rax = Size, rcx = 0x1111, rdx = 0x2222, r8 = 0x3333, r9 = 0x4444;
    register ULONG64 r8_ __asm__("r8") = r8, r9_ __asm__("r9") = r9;
    __asm__ volatile("call *%[check]" : "+a"(rax), "+c"(rcx), "+d"(rdx), "+r"(r8_), "+r"(r9_) : [check] "b"(Check) : "r10", "r11", "memory", "cc");
    return rax == Size && rcx == 0x1111 && rdx == 0x2222 && r8_ == 0x3333 && r9_ == 0x4444;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("systeminfo");
    if (KtestCase == 1)
    {
        VOID (*pure)(VOID) = Find(L"_purecall");
        OUTCOME_BUGCHECK(_purecall, "ends in an exception that nobody handles", 0x7e);
        pure();
    }
    Versions();
    Processors();
    Debugger();
    Others();
    OUTCOME(__chkstk, "a frame that the stack has room for: registers stay as they are", KeepsRegisters(Find(L"__chkstk"), 0x2800));
    DbgBreakPoint();
    OUTCOME(DbgBreakPoint, "the debugger that watches the machine hears of it, and the caller goes on", TRUE);
    KtestDone();
    return STATUS_SUCCESS;
}
