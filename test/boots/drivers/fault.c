/* One way to go wrong for each CASE: built once a case, as fault-CASE.sys. DriverEntry runs in a system thread. */
#include <ntddk.h>

static KDPC Dpc;
static KSPIN_LOCK Lock;
static KEVENT Event;
static volatile int Zero;

__attribute__((noinline)) static int Recurse(int n)
{
    volatile char space[900];
    space[n % 900] = n;
    return Recurse(n + 1) + space[5];
}

static VOID NTAPI DpcRoutine(PKDPC dpc, PVOID context, PVOID a, PVOID b)
{
#if CASE == 6
    for (;;)
        ;
#elif CASE == 7
    *(volatile int *)0x1234 = 5;
#elif CASE == 8
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
#elif CASE == 9
    Zero = 5 / Zero;
#elif CASE == 23
    KIRQL irql;
    KeRaiseIrql(5, &irql);
#endif
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KIRQL irql;
    KeInitializeSpinLock(&Lock);
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    KeInitializeDpc(&Dpc, DpcRoutine, NULL);
#if CASE == 1
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    *(volatile int *)0xdeadbeef000 = 1;
#elif CASE == 2
    return *(volatile int *)0xfffff8a012345678;
#elif CASE == 3
    *(volatile int *)0x10 = 1;
#elif CASE == 4
    Zero = 5 / Zero;
#elif CASE == 5
    KeAcquireSpinLock(&Lock, &irql);
    for (;;)
        ;
#elif CASE >= 6 && CASE <= 9 || CASE == 23
    KeInsertQueueDpc(&Dpc, NULL, NULL);
#elif CASE == 10
    return Recurse(0);
#elif CASE == 11
    __asm__ volatile("mov $3, %ecx; int $0x29");
#elif CASE == 12
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
#elif CASE == 13
    KeBugCheckEx(0xE2, 1, 2, 3, 4);
#elif CASE == 14
    *(volatile char *)(PVOID)DriverEntry = 1;
#elif CASE == 15
    ((VOID (*)(VOID))(PVOID)&Event)();
#elif CASE == 16
    *(volatile int *)0x8000000000000000 = 1;
#elif CASE == 17
    __asm__ volatile("ud2");
#elif CASE == 18
    KeSetEvent((PKEVENT)0x20, 0, FALSE);
#elif CASE == 19
    KeRaiseIrql(HIGH_LEVEL, &irql);
    KeSetEvent(&Event, 0, FALSE);
#elif CASE == 20
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeSetEvent((PKEVENT)0xfffff8a012345678, 0, FALSE);
#elif CASE == 21
    __asm__ volatile("int3");
#elif CASE == 22
    {
        volatile int minus = -1, least = 0x80000000;
        Zero = least / minus;
    }
#endif
    return STATUS_SUCCESS;
}
