/* Threads that hold values in YMM and x87 registers between KeSaveExtendedProcessorState and KeRestoreExtendedProcessorState: through waits, preemption and changes of
   processor, while others and DPCs do the same. */
#include <ntifs.h>

NTKERNELAPI KAFFINITY NTAPI KeSetSystemAffinityThreadEx(KAFFINITY Affinity);
NTKERNELAPI VOID NTAPI KeRevertToUserAffinityThreadEx(KAFFINITY Affinity);

#define MASK 7
#define MAXIMUM 8
#define ROUNDS 12
#define SPIN 4000000

typedef struct { ULONG64 Ymm[16][4]; LONG64 St[8]; } VALUES;

static LONG Count;
static volatile LONG Wrong[5], Dpcs;
enum { WAITS, PREEMPTION, MIGRATION, NESTING, DPCS };
static const char *Names[] = { "waits", "preemption", "migration", "nesting", "DPCs" };

static VOID Fill(VALUES *v, ULONG64 seed)
{
    for (int r = 0; r < 16; r++)
        for (int i = 0; i < 4; i++)
            v->Ymm[r][i] = (seed + 1) * 0x9e3779b97f4a7c15ull + r * 0x100 + i;
    for (int i = 0; i < 8; i++)
        v->St[i] = (LONG64)(seed + 1) * 0x12345678 + i;
}

#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD(r) "vmovdqu " #r "*32(%0), %%ymm" #r "\n\t"
#define STORE(r) "vmovdqu %%ymm" #r ", " #r "*32(%0)\n\t"
#define FILD(i) "fildq 512+" #i "*8(%0)\n\t"
#define FISTP(i) "fistpq 512+" #i "*8(%0)\n\t"
#define LOAD_ALL EACH(LOAD) "fninit\n\t" FILD(7) FILD(6) FILD(5) FILD(4) FILD(3) FILD(2) FILD(1) FILD(0)
#define STORE_ALL EACH(STORE) FISTP(0) FISTP(1) FISTP(2) FISTP(3) FISTP(4) FISTP(5) FISTP(6) FISTP(7)
#define VECTORS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* Macros: a function would save and restore the low halves for its caller. */
#define Load(v) __asm__ volatile(LOAD_ALL : : "r"(v) : VECTORS, "memory")
#define Store(v) __asm__ volatile(STORE_ALL : : "r"(v) : VECTORS, "memory")

/* `from`: 0 compares everything, 2 the upper halves, which no compiled code touches in between. */
static VOID Check(const VALUES *want, const VALUES *got, int from, int what)
{
    BOOLEAN right = TRUE;
    for (int r = 0; r < 16; r++)
        for (int i = from; i < 4; i++)
            right = right && want->Ymm[r][i] == got->Ymm[r][i];
    for (int i = 0; i < 8; i++)
        right = right && want->St[i] == got->St[i];
    if (!right)
        InterlockedIncrement(&Wrong[what]);
}

static VOID NTAPI Clobber(PKDPC Dpc, PVOID Context, PVOID A, PVOID B)
{
    static VALUES mine[MAXIMUM], got[MAXIMUM];
    ULONG n = KeGetCurrentProcessorNumberEx(NULL);
    XSTATE_SAVE save;
    if (KeSaveExtendedProcessorState(MASK, &save) != STATUS_SUCCESS)
        InterlockedIncrement(&Wrong[DPCS]);
    Fill(&mine[n], 1000 + n);
    Load(&mine[n]);
    Store(&got[n]);
    Load(&mine[n]);
    Check(&mine[n], &got[n], 0, DPCS);
    KeRestoreExtendedProcessorState(&save);
    InterlockedIncrement(&Dpcs);
}

static VOID NTAPI Holder(PVOID Context)
{
    static VALUES own[MAXIMUM * 2], other[MAXIMUM * 2], got[MAXIMUM * 2];
    ULONG n = (ULONG)(ULONG_PTR)Context;
    LARGE_INTEGER soon = { .QuadPart = -10000 };
    XSTATE_SAVE outer, inner;
    if (KeSaveExtendedProcessorState(MASK, &outer) != STATUS_SUCCESS)
        InterlockedIncrement(&Wrong[WAITS]);
    for (int i = 0; i < ROUNDS; i++) {
        Fill(&own[n], n * 100 + i);
        Load(&own[n]);
        KeDelayExecutionThread(KernelMode, FALSE, &soon);
        Store(&got[n]);
        Check(&own[n], &got[n], 2, WAITS);
    }
    for (int i = 0; i < 3; i++) {
        ULONG64 left = SPIN;
        VALUES *at;
        Fill(&own[n], n * 100 + 50 + i);
        __asm__ volatile(LOAD_ALL "1: dec %1\n\tjnz 1b\n\tmov %2, %0\n\t" STORE_ALL : "=&r"(at), "+r"(left) : "r"(&got[n]), "0"(&own[n]) : VECTORS, "memory");
        Check(&own[n], &got[n], 0, PREEMPTION);
    }
    for (int i = 0; i < ROUNDS; i++) {
        Fill(&own[n], n * 100 + 70 + i);
        Load(&own[n]);
        KAFFINITY old = KeSetSystemAffinityThreadEx((KAFFINITY)1 << (n + i) % Count);
        Store(&got[n]);
        Check(&own[n], &got[n], 2, MIGRATION);
        KeRevertToUserAffinityThreadEx(old);
    }
    Load(&own[n]);
    if (KeSaveExtendedProcessorState(MASK, &inner) != STATUS_SUCCESS)
        InterlockedIncrement(&Wrong[NESTING]);
    Fill(&other[n], n * 100 + 99);
    Load(&other[n]);
    KeDelayExecutionThread(KernelMode, FALSE, &soon);
    Store(&got[n]);
    Check(&other[n], &got[n], 2, NESTING);
    KeRestoreExtendedProcessorState(&inner);
    KeDelayExecutionThread(KernelMode, FALSE, &soon);
    Store(&got[n]);
    Check(&own[n], &got[n], 2, NESTING);
    KeRestoreExtendedProcessorState(&outer);
    PsTerminateSystemThread(0);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static KTIMER timers[MAXIMUM];
    static KDPC dpcs[MAXIMUM];
    PVOID threads[MAXIMUM * 2];
    LARGE_INTEGER soon = { .QuadPart = -10000 };
    Count = (LONG)KeQueryActiveProcessorCount(NULL);
    for (LONG n = 0; n < Count; n++) {
        KeInitializeDpc(&dpcs[n], Clobber, NULL);
        KeSetTargetProcessorDpc(&dpcs[n], (CCHAR)n);
        KeInitializeTimer(&timers[n]);
        KeSetTimerEx(&timers[n], soon, 10, &dpcs[n]);
    }
    for (LONG n = 0; n < Count * 2; n++) {
        HANDLE handle;
        PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Holder, (PVOID)(ULONG_PTR)n);
        ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &threads[n], NULL);
        ZwClose(handle);
    }
    for (LONG n = 0; n < Count * 2; n++) {
        KeWaitForSingleObject(threads[n], Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(threads[n]);
    }
    for (LONG n = 0; n < Count; n++)
        KeCancelTimer(&timers[n]);
    for (int i = 0; i < 5; i++)
        DbgPrint("%s: %ld wrong\n", Names[i], Wrong[i]);
    DbgPrint("DPCs ran: %s\n", Dpcs >= 10 ? "often" : "seldom");
    DbgPrint("processors done\n");
    return STATUS_SUCCESS;
}
