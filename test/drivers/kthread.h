/*
 * Threads for the test drivers: begin one, wait for its end; and a sleep. Needs ntddk.h or ntifs.h before it.
 */
#ifndef KTHREAD_H
#define KTHREAD_H

/* A system thread that runs Routine(Context). The caller holds a reference, which JoinThread gives back. */
static __attribute__((unused)) PKTHREAD StartThread(PKSTART_ROUTINE Routine, PVOID Context)
{
    HANDLE handle;
    PVOID thread = NULL;
    OBJECT_ATTRIBUTES attributes;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, Routine, Context)))
        return NULL;
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    return (PKTHREAD)thread;
}

/* Waits until the thread has ended. */
static __attribute__((unused)) VOID JoinThread(PKTHREAD Thread)
{
    KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Thread);
}

/* Sleeps for some milliseconds. */
static __attribute__((unused)) VOID SleepMs(LONG Milliseconds)
{
    LARGE_INTEGER interval;
    interval.QuadPart = -10000LL * Milliseconds;
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

/* A relative time for waits and timers. */
static __attribute__((unused)) LARGE_INTEGER MsFromNow(LONG Milliseconds)
{
    LARGE_INTEGER due;
    due.QuadPart = -10000LL * Milliseconds;
    return due;
}

/* Interrupt time in 100 ns units, with its own clock tick's coarseness. */
static __attribute__((unused)) ULONGLONG Now(VOID)
{
    return *(volatile ULONGLONG *)0xFFFFF78000000008ULL;
}

#endif
