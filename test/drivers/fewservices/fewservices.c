/* Services that few drivers import: yielding, ports, settings of processes and of the system, performance counters, WMI events, the user's key; random numbers, names by a table. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

NTSYSAPI NTSTATUS NTAPI ZwYieldExecution(VOID);
NTSYSAPI NTSTATUS NTAPI ZwConnectPort(PHANDLE PortHandle, PUNICODE_STRING PortName, PSECURITY_QUALITY_OF_SERVICE SecurityQos, PVOID ClientView, PVOID ServerView, PULONG MaxMessageLength, PVOID ConnectionInformation,
                                      PULONG ConnectionInformationLength);
NTSYSAPI NTSTATUS NTAPI ZwRequestWaitReplyPort(HANDLE PortHandle, PVOID RequestMessage, PVOID ReplyMessage);
NTSYSAPI NTSTATUS NTAPI ZwSetSystemInformation(ULONG SystemInformationClass, PVOID SystemInformation, ULONG SystemInformationLength);
NTKERNELAPI NTSTATUS NTAPI IoWMIWriteEvent(PVOID WnodeEventItem);
NTSYSAPI NTSTATUS NTAPI RtlFormatCurrentUserKeyPath(PUNICODE_STRING CurrentUserKeyPath);
NTSYSAPI ULONG NTAPI RtlRandom(PULONG Seed);
NTSYSAPI ULONG NTAPI RtlRandomEx(PULONG Seed);
NTKERNELAPI BOOLEAN NTAPI FsRtlIsNameInExpression(PUNICODE_STRING Expression, PUNICODE_STRING Name, BOOLEAN IgnoreCase, PWCH UpcaseTable);
NTKERNELAPI UCHAR NTAPI PsGetProcessPriorityClass(PEPROCESS Process);
extern __declspec(dllimport) POBJECT_TYPE *LpcPortObjectType;
#undef NtGlobalFlag

static PDRIVER_OBJECT Self;
static KEVENT Ready, Begin;
static volatile LONG Ran;
static VOID NTAPI Runner(PVOID Context)
{
    GROUP_AFFINITY one = {1, 0, {0}}, before;
    UNREFERENCED_PARAMETER(Context);
    KeSetSystemGroupAffinityThread(&one, &before);
    KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    KeSetEvent(&Ready, 0, FALSE);
    KeWaitForSingleObject(&Begin, Executive, KernelMode, FALSE, NULL);
    Ran = 1;
}

/* Both threads may run on the first processor only, and have one priority: the other one waits until this one yields. */
static VOID Yielding(VOID)
{
    GROUP_AFFINITY one = {1, 0, {0}}, before;
    KeSetSystemGroupAffinityThread(&one, &before);
    KPRIORITY own = KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    OUTCOME(ZwYieldExecution, "STATUS_NO_YIELD_PERFORMED when no thread is ready", ZwYieldExecution() == STATUS_NO_YIELD_PERFORMED);
    PKTHREAD thread = StartThread(Runner, NULL);
    /* It runs, becomes like this one, and waits for Begin. */
    KeWaitForSingleObject(&Ready, Executive, KernelMode, FALSE, NULL);
    KeSetEvent(&Begin, 0, FALSE);
    BOOLEAN early = Ran != 0;
    NTSTATUS status = ZwYieldExecution();
    OUTCOME(ZwYieldExecution, "STATUS_SUCCESS, a ready thread of the same priority has run", !early && status == STATUS_SUCCESS && Ran);
    KeSetPriorityThread(KeGetCurrentThread(), own);
    KeRevertToUserGroupAffinityThread(&before);
    JoinThread(thread);
}

static VOID Ports(VOID)
{
    UNICODE_STRING missing = RTL_CONSTANT_STRING(L"\\KtestNoPort"), device = RTL_CONSTANT_STRING(L"\\Driver");
    HANDLE port = NULL, event;
    OBJECT_ATTRIBUTES none;
    InitializeObjectAttributes(&none, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    OUTCOME(ZwConnectPort, "STATUS_OBJECT_NAME_NOT_FOUND for a port that is not there", ZwConnectPort(&port, &missing, NULL, NULL, NULL, NULL, NULL, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    OUTCOME(ZwConnectPort, "STATUS_OBJECT_TYPE_MISMATCH for what is no port", ZwConnectPort(&port, &device, NULL, NULL, NULL, NULL, NULL, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    ZwCreateEvent(&event, EVENT_ALL_ACCESS, &none, NotificationEvent, FALSE);
    OUTCOME(ZwRequestWaitReplyPort, "STATUS_OBJECT_TYPE_MISMATCH for what is no port", ZwRequestWaitReplyPort(event, NULL, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    OUTCOME(LpcPortObjectType, "a handle to another object: STATUS_OBJECT_TYPE_MISMATCH", ObReferenceObjectByHandle(event, 0, *LpcPortObjectType, KernelMode, (PVOID *)&port, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    ZwClose(event);
    OUTCOME(ZwRequestWaitReplyPort, "STATUS_INVALID_HANDLE for what is no handle", ZwRequestWaitReplyPort((HANDLE)0x7ffffff0, NULL, NULL) == STATUS_INVALID_HANDLE);
}

static VOID Settings(VOID)
{
    UCHAR class[2] = {0, 4};
    ULONG mode = 1, flags, old;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"NtGlobalFlag");
    PULONG global = MmGetSystemRoutineAddress(&name);
    UCHAR before = PsGetProcessPriorityClass(PsGetCurrentProcess());
    NTSTATUS status = ZwSetInformationProcess(ZwCurrentProcess(), 18, class, sizeof class);
    OUTCOME(ZwSetInformationProcess, "STATUS_SUCCESS, the priority class", status == STATUS_SUCCESS && PsGetProcessPriorityClass(PsGetCurrentProcess()) == 4);
    class[1] = before;
    ZwSetInformationProcess(ZwCurrentProcess(), 18, class, sizeof class);
    class[1] = 77;
    OUTCOME(ZwSetInformationProcess, "STATUS_INVALID_PARAMETER for a class that there is not", ZwSetInformationProcess(ZwCurrentProcess(), 18, class, sizeof class) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwSetInformationProcess, "STATUS_INFO_LENGTH_MISMATCH for a wrong length", ZwSetInformationProcess(ZwCurrentProcess(), 12, &mode, 2) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwSetInformationProcess, "STATUS_INVALID_INFO_CLASS for a class that there is not", ZwSetInformationProcess(ZwCurrentProcess(), 9999, &mode, 4) == STATUS_INVALID_INFO_CLASS);
    OUTCOME(ZwSetInformationProcess, "STATUS_INVALID_HANDLE for what is no handle", ZwSetInformationProcess((HANDLE)0x7ffffff0, 12, &mode, 4) == STATUS_INVALID_HANDLE);
    old = *global;
    flags = old | 0x400;
    status = ZwSetSystemInformation(9, &flags, sizeof flags);
    OUTCOME(ZwSetSystemInformation, "STATUS_SUCCESS, the global flags", status == STATUS_SUCCESS && *global == flags);
    ZwSetSystemInformation(9, &old, sizeof old);
    OUTCOME(ZwSetSystemInformation, "STATUS_INFO_LENGTH_MISMATCH for a wrong length", ZwSetSystemInformation(9, &flags, 2) == STATUS_INFO_LENGTH_MISMATCH);
    OUTCOME(ZwSetSystemInformation, "STATUS_INVALID_INFO_CLASS for a class that there is not", ZwSetSystemInformation(9999, &flags, 4) == STATUS_INVALID_INFO_CLASS);
}

NTKERNELAPI NTSTATUS NTAPI RegisterProvider(PDEVICE_OBJECT DeviceObject, ULONG Action) __asm__("IoWMIRegistrationControl");
NTKERNELAPI NTSTATUS NTAPI OpenBlock(const GUID *Class, ULONG Access, PVOID *Block) __asm__("IoWMIOpenBlock");
NTKERNELAPI NTSTATUS NTAPI QueryBlock(PVOID Block, PULONG Length, PVOID Buffer) __asm__("IoWMIQueryAllData");
#define GUID_NOT_FOUND ((NTSTATUS)0xC0000295)

/* Providers may register; whoever looks for a class finds none, because there is nobody who asks them. */
static VOID Wmi(VOID)
{
    static const GUID nobody = {0x6b2ad5ff, 0x1d4c, 0x4e15, {0x9a, 0x55, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60}};
    PDEVICE_OBJECT device;
    PVOID block = NULL;
    ULONG length = 64;
    UCHAR data[64];
    CHECK(NT_SUCCESS(IoCreateDevice(Self, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)));
    NTSTATUS status = RegisterProvider(device, 1);
    OUTCOME(IoWMIRegistrationControl, "STATUS_SUCCESS for WMIREG_ACTION_REGISTER and _DEREGISTER", status == STATUS_SUCCESS && RegisterProvider(device, 2) == STATUS_SUCCESS);
    OUTCOME(IoWMIRegistrationControl, "STATUS_INVALID_PARAMETER for an action that there is not", RegisterProvider(device, 0) == STATUS_INVALID_PARAMETER && RegisterProvider(device, 6) == STATUS_INVALID_PARAMETER);
    IoDeleteDevice(device);
    OUTCOME(IoWMIOpenBlock, "STATUS_WMI_GUID_NOT_FOUND for a class that nobody provides", OpenBlock(&nobody, 1, &block) == GUID_NOT_FOUND && block == NULL);
    OUTCOME(IoWMIQueryAllData, "STATUS_WMI_GUID_NOT_FOUND when no driver implements the class", QueryBlock(block, &length, data) == GUID_NOT_FOUND);
}

static VOID Others(VOID)
{
    static ULONG event[32];
    HANDLE counters, again;
    UNICODE_STRING key, expected = RTL_CONSTANT_STRING(L"\\REGISTRY\\USER\\S-1-5-18");
    event[0] = sizeof event;
    OUTCOME(IoWMIWriteEvent, "STATUS_UNSUCCESSFUL when WMI is not available", IoWMIWriteEvent(event) == STATUS_UNSUCCESSFUL);
    event[0] = 0x7fffffff;
    OUTCOME(IoWMIWriteEvent, "STATUS_BUFFER_OVERFLOW for an event that is too long", IoWMIWriteEvent(event) == STATUS_BUFFER_OVERFLOW);
    Wmi();
    NTSTATUS status = RtlFormatCurrentUserKeyPath(&key);
    OUTCOME(RtlFormatCurrentUserKeyPath, "STATUS_SUCCESS, the key of the user for whom the thread acts", status == STATUS_SUCCESS && RtlEqualUnicodeString(&key, &expected, TRUE));
    RtlFreeUnicodeString(&key);
    status = HalAllocateHardwareCounters(NULL, 0, NULL, &counters);
    OUTCOME(HalAllocateHardwareCounters, "STATUS_SUCCESS and a handle", status == STATUS_SUCCESS && counters != NULL);
    again = (HANDLE)1;
    OUTCOME(HalAllocateHardwareCounters, "STATUS_INSUFFICIENT_RESOURCES and NULL while another driver has them", HalAllocateHardwareCounters(NULL, 0, NULL, &again) == STATUS_INSUFFICIENT_RESOURCES && again == NULL);
    OUTCOME(HalAllocateHardwareCounters, "STATUS_INVALID_PARAMETER for a count without groups", HalAllocateHardwareCounters(NULL, 1, NULL, &again) == STATUS_INVALID_PARAMETER);
    OUTCOME(HalAllocateHardwareCounters, "STATUS_NOT_SUPPORTED for single counters", HalAllocateHardwareCounters(NULL, 0, (PVOID)event, &again) == STATUS_NOT_SUPPORTED);
    OUTCOME(HalFreeHardwareCounters, "STATUS_INVALID_PARAMETER for what is no handle of counters", HalFreeHardwareCounters((HANDLE)0x1234) == STATUS_INVALID_PARAMETER);
    status = HalFreeHardwareCounters(counters);
    OUTCOME(HalFreeHardwareCounters, "STATUS_SUCCESS, they can be had again", status == STATUS_SUCCESS && HalAllocateHardwareCounters(NULL, 0, NULL, &counters) == STATUS_SUCCESS);
    HalFreeHardwareCounters(counters);
}

static VOID Random(VOID)
{
    ULONG seed = 1, ex = 1, low = 0, high = 0;
    BOOLEAN below = TRUE, changes = TRUE, exBelow = TRUE, exChanges = TRUE;
    for (ULONG i = 0; i < 200; i++)
    {
        ULONG before = seed, exBefore = ex, n = RtlRandom(&seed), m = RtlRandomEx(&ex);
        below &= n < MAXLONG;
        exBelow &= m < MAXLONG;
        changes &= seed != before;
        exChanges &= ex != exBefore;
        if (m < MAXLONG / 2)
            low++;
        else
            high++;
    }
    OUTCOME(RtlRandom, "a number below MAXLONG, and another seed", below && changes);
    OUTCOME(RtlRandomEx, "a number below MAXLONG, and another seed", exBelow && exChanges);
    OUTCOME(RtlRandomEx, "numbers in both halves of the range, about as many", low > 60 && high > 60);
    ULONG a = 5, b = 5;
    ULONG first = RtlRandomEx(&a), second = RtlRandomEx(&b);
    OUTCOME(RtlRandomEx, "callers who begin with one seed get different numbers", a == b && first != second);
}

static VOID Names(VOID)
{
    PWCH table = ExAllocatePoolWithTag(PagedPool, 0x20000, 'tpcU');
    UNICODE_STRING expression = RTL_CONSTANT_STRING(L"*.QX"), name = RTL_CONSTANT_STRING(L"file.ab");
    for (ULONG i = 0; i < 0x10000; i++)
        table[i] = (WCHAR)i;
    table['a'] = 'Q';
    table['b'] = 'X';
    OUTCOME(FsRtlIsNameInExpression, "with a table of the caller's that says what upper case is", FsRtlIsNameInExpression(&expression, &name, TRUE, table) && !FsRtlIsNameInExpression(&expression, &name, TRUE, NULL) && !FsRtlIsNameInExpression(&expression, &name, FALSE, table));
    ExFreePoolWithTag(table, 'tpcU');
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("fewservices");
    Self = DriverObject;
    KeInitializeEvent(&Ready, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Begin, SynchronizationEvent, FALSE);
    Yielding();
    Ports();
    Settings();
    Others();
    Random();
    Names();
    KtestDone();
    return STATUS_SUCCESS;
}
