/* Who runs: thread, process and processor. */
#include <ntifs.h>
#include "../ktest.h"
#include "../kthread.h"

/* The headers make other names of these. */
PETHREAD NTAPI NtGetThread(VOID) __asm__("PsGetCurrentThread");
PEPROCESS NTAPI NtGetProcess(VOID) __asm__("PsGetCurrentProcess");

static volatile HANDLE SeenId;
static volatile PETHREAD SeenThread;
static volatile PEPROCESS SeenProcess;
static volatile ULONG SeenProcessor;

static VOID NTAPI LookAround(PVOID Context)
{
    if (Context != NULL)
        KeSetSystemAffinityThread((KAFFINITY)1 << (KtestProcessors - 1));
    SeenId = PsGetCurrentThreadId();
    SeenThread = NtGetThread();
    SeenProcess = NtGetProcess();
    SeenProcessor = KeGetCurrentProcessorNumber();
}

static VOID Current(VOID)
{
    PKTHREAD thread = StartThread(LookAround, (PVOID)1);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    OUTCOME(PsGetCurrentThread, "returns the thread that runs", SeenThread == (PETHREAD)thread && NtGetThread() == (PETHREAD)KeGetCurrentThread());
    OUTCOME(PsGetCurrentThread, "returns another one for each thread", SeenThread != NtGetThread());
    OUTCOME(PsGetCurrentThreadId, "returns the id of the thread that runs", SeenId == PsGetThreadId((PETHREAD)thread));
    OUTCOME(PsGetCurrentThreadId, "returns another one for each thread", SeenId != PsGetCurrentThreadId());
    OUTCOME(PsGetCurrentProcess, "returns the process of the thread that runs", SeenProcess == PsInitialSystemProcess);
    OUTCOME(PsGetCurrentProcess, "is IoGetCurrentProcess", NtGetProcess() == IoGetCurrentProcess());
    OUTCOME(KeGetCurrentProcessorNumber, "returns the number of the processor that runs the thread", SeenProcessor == KtestProcessors - 1);
    ObDereferenceObject(thread);
    KeSetSystemAffinityThread(1);
    OUTCOME(KeGetCurrentProcessorNumber, "counts processors from zero", KeGetCurrentProcessorNumber() == 0);
    KeRevertToUserAffinityThread();
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("currentthread");
    Current();
    KtestDone();
    return STATUS_SUCCESS;
}
