/* Interlocked operations: the inline ones of the compiler, and those of the kernel that take a spin lock. */
#include <ntddk.h>
#include "../ktest.h"
#include "../kthread.h"

static KSPIN_LOCK Lock;
static volatile LONG Long;
static volatile LONG64 Quad;
static ULONG Ulong;
static LARGE_INTEGER Large;

static VOID Inlines(VOID)
{
    volatile PVOID pointer = (PVOID)0x1111;
    volatile LONG value = 5;
    OUTCOME(InterlockedIncrement, "returns the incremented value", InterlockedIncrement(&value) == 6 && value == 6);
    value = 0x7fffffff;
    OUTCOME(InterlockedIncrement, "wraps around at the largest value", InterlockedIncrement(&value) == (LONG)0x80000000);
    value = 1;
    OUTCOME(InterlockedDecrement, "returns the decremented value", InterlockedDecrement(&value) == 0 && InterlockedDecrement(&value) == -1 && value == -1);
    value = 10;
    OUTCOME(InterlockedExchange, "stores the value and gives the old one", InterlockedExchange(&value, 20) == 10 && value == 20);
    OUTCOME(InterlockedExchangeAdd, "returns the value of before and adds", InterlockedExchangeAdd(&value, 5) == 20 && value == 25);
    OUTCOME(InterlockedExchangeAdd, "a negative value subtracts", InterlockedExchangeAdd(&value, -30) == 25 && value == -5);
    OUTCOME(InterlockedCompareExchange, "stores the new value when the old one is as expected", InterlockedCompareExchange(&value, 7, -5) == -5 && value == 7);
    OUTCOME(InterlockedCompareExchange, "changes nothing when it is not, and returns the value", InterlockedCompareExchange(&value, 9, -5) == 7 && value == 7);
    OUTCOME(InterlockedCompareExchangePointer, "stores the new pointer when the old one is as expected", InterlockedCompareExchangePointer(&pointer, (PVOID)0x2222, (PVOID)0x1111) == (PVOID)0x1111 && pointer == (PVOID)0x2222);
    OUTCOME(InterlockedCompareExchangePointer, "changes nothing when it is not, and returns the pointer", InterlockedCompareExchangePointer(&pointer, NULL, (PVOID)0x1111) == (PVOID)0x2222 && pointer == (PVOID)0x2222);
    LONG64 quad = 0x123456789aLL, exchange = 0x5555555555LL, expected = 0x123456789aLL;
    OUTCOME(ExInterlockedCompareExchange64, "stores the new value when the old one is as expected", ExInterlockedCompareExchange64(&quad, &exchange, &expected, &Lock) == expected && quad == exchange);
    OUTCOME(ExInterlockedCompareExchange64, "changes nothing when it is not, and returns the value", ExInterlockedCompareExchange64(&quad, &expected, &expected, &Lock) == exchange && quad == exchange);
}

static VOID Routines(VOID)
{
    KIRQL irql;
    LARGE_INTEGER add;
    KeInitializeSpinLock(&Lock);
    Ulong = 0xfffffff0;
    OUTCOME(ExInterlockedAddUlong, "returns the value of before and adds", ExInterlockedAddUlong(&Ulong, 8, &Lock) == 0xfffffff0 && Ulong == 0xfffffff8);
    OUTCOME(ExInterlockedAddUlong, "wraps around", ExInterlockedAddUlong(&Ulong, 16, &Lock) == 0xfffffff8 && Ulong == 8);
    Large.QuadPart = 0xffffffff;
    add.QuadPart = 1;
    OUTCOME(ExInterlockedAddLargeInteger, "returns the value of before and adds in 64 bits", ExInterlockedAddLargeInteger(&Large, add, &Lock).QuadPart == 0xffffffff && Large.QuadPart == 0x100000000);
    add.QuadPart = -0x100000001LL;
    OUTCOME(ExInterlockedAddLargeInteger, "a negative value subtracts", ExInterlockedAddLargeInteger(&Large, add, &Lock).QuadPart == 0x100000000 && Large.QuadPart == -1);
    KeRaiseIrql(DISPATCH_LEVEL + 1, &irql);
    ULONG before = ExInterlockedAddUlong(&Ulong, 1, &Lock);
    add.QuadPart = 2;
    LONGLONG large = ExInterlockedAddLargeInteger(&Large, add, &Lock).QuadPart;
    KIRQL after = KeGetCurrentIrql();
    KeLowerIrql(irql);
    OUTCOME(ExInterlockedAddUlong, "works at any IRQL and restores it", before == 8 && after == DISPATCH_LEVEL + 1);
    OUTCOME(ExInterlockedAddLargeInteger, "works at any IRQL and restores it", large == -1 && Large.QuadPart == 1 && after == DISPATCH_LEVEL + 1);
    CHECK(Lock == 0);
}

enum { THREADS = 4, ROUNDS = 1000 };
static VOID NTAPI Hammer(PVOID Context)
{
    LARGE_INTEGER three = {.QuadPart = 3};
    KeSetSystemAffinityThread((KAFFINITY)1 << ((ULONG_PTR)Context % KtestProcessors));
    for (int i = 0; i < ROUNDS; i++)
    {
        InterlockedIncrement(&Long);
        InterlockedExchangeAdd(&Long, 2);
        InterlockedDecrement(&Long);
        LONG64 old, new;
        do
        {
            old = Quad;
            new = old + 5;
        } while (ExInterlockedCompareExchange64((PLONGLONG)&Quad, &new, &old, &Lock) != old);
        ExInterlockedAddUlong(&Ulong, 1, &Lock);
        ExInterlockedAddLargeInteger(&Large, three, &Lock);
    }
}

static VOID Stress(VOID)
{
    PKTHREAD threads[THREADS];
    Ulong = 0;
    Large.QuadPart = 0;
    for (ULONG_PTR i = 0; i < THREADS; i++)
        threads[i] = StartThread(Hammer, (PVOID)i);
    for (int i = 0; i < THREADS; i++)
        JoinThread(threads[i]);
    OUTCOME(InterlockedExchangeAdd, "no addition is lost when all processors add", Long == 2 * THREADS * ROUNDS);
    OUTCOME(ExInterlockedCompareExchange64, "no change is lost when all processors change the value", Quad == 5ll * THREADS * ROUNDS);
    OUTCOME(ExInterlockedAddUlong, "no addition is lost when all processors add", Ulong == THREADS * ROUNDS);
    OUTCOME(ExInterlockedAddLargeInteger, "no addition is lost when all processors add", Large.QuadPart == 3ll * THREADS * ROUNDS);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("interlocked");
    Inlines();
    Routines();
    Stress();
    KtestDone();
    return STATUS_SUCCESS;
}
