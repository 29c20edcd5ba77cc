// ktest: cases=8 compiler=clang
/*
 * Structured exceptions: __try, __except and __finally as clang compiles them, over .pdata, .xdata and __C_specific_handler. clang guards calls, so what raises is in functions
 * of its own. Cases 1 to 7 end in the stop that an exception nobody takes is.
 */
#include <ntddk.h>
#include "../ktest.h"

#define NOINLINE __attribute__((noinline))
/* clang 14 puts no instruction between a guarded call and the next guarded range: the return address would count as inside of both. */
#define BETWEEN() __asm__ volatile("nop")
#define STATUS_OF_OURS ((NTSTATUS)0xE0001234)

NTSYSAPI VOID NTAPI RtlRaiseException(PEXCEPTION_RECORD Record);
NTSYSAPI VOID NTAPI RtlRaiseStatus(NTSTATUS Status);
NTKERNELAPI VOID NTAPI ExRaiseDatatypeMisalignment(VOID);
NTKERNELAPI VOID NTAPI ExRaiseAccessViolation(VOID);

/* The order in which handlers ran, as letters. */
static char Trace[32];
static ULONG Traced;
static NOINLINE VOID Note(char c) { Trace[Traced++ & 31] = c; }
static BOOLEAN TraceIs(const char *s)
{
    ULONG i = 0;
    while (s[i] && s[i] == Trace[i]) i++;
    BOOLEAN same = s[i] == 0 && i == Traced;
    if (!same) DbgPrint("the trace is %s, not %s\n", Trace, s);
    Traced = 0;
    RtlZeroMemory(Trace, sizeof Trace);
    return same;
}

static volatile ULONG *BadPointer = (volatile ULONG *)0x10000;
static NOINLINE ULONG ReadBad(void) { return *BadPointer; }
static NOINLINE VOID WriteBad(void) { *BadPointer = 1; }
static NOINLINE int Divide(int a, int b)
{
    int q;
    __asm__ volatile("movl %1, %%eax\n\tcltd\n\tidivl %2\n\tmovl %%eax, %0" : "=r"(q) : "r"(a), "r"(b) : "eax", "edx");
    return q;
}
static NOINLINE VOID Raise(NTSTATUS status) { ExRaiseStatus(status); }

/* ---- what is raised, and what a filter sees ---- */

static EXCEPTION_RECORD Seen;
static CONTEXT SeenContext;
static NOINLINE LONG Look(PEXCEPTION_POINTERS p, LONG answer)
{
    Seen = *p->ExceptionRecord;
    SeenContext = *p->ContextRecord;
    return answer;
}

static VOID Raising(VOID)
{
    NTSTATUS code = 0;
    __try { Raise(STATUS_OF_OURS); } __except (Look(GetExceptionInformation(), 1)) { code = GetExceptionCode(); }
    OUTCOME(ExRaiseStatus, "raises the status as an exception that a handler takes", code == STATUS_OF_OURS && Seen.ExceptionCode == STATUS_OF_OURS);
    OUTCOME(ExRaiseStatus, "the exception cannot be continued", (Seen.ExceptionFlags & EXCEPTION_NONCONTINUABLE) != 0);
    OUTCOME(ExRaiseStatus, "the exception's address is in the caller",
            (ULONG_PTR)Seen.ExceptionAddress >= (ULONG_PTR)Raise && (ULONG_PTR)Seen.ExceptionAddress < (ULONG_PTR)Raise + 64);
    OUTCOME(__C_specific_handler, "a filter gets the exception record and the context", SeenContext.Rip == (ULONG_PTR)Seen.ExceptionAddress);
    code = 0;
    __try { RtlRaiseStatus(STATUS_OF_OURS + 1); } __except (Look(GetExceptionInformation(), 1)) { code = GetExceptionCode(); }
    OUTCOME(RtlRaiseStatus, "raises the status as an exception that cannot be continued", code == STATUS_OF_OURS + 1 && (Seen.ExceptionFlags & 1));
    code = 0;
    __try { ExRaiseAccessViolation(); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    OUTCOME(ExRaiseAccessViolation, "raises STATUS_ACCESS_VIOLATION", code == STATUS_ACCESS_VIOLATION);
    code = 0;
    __try { ExRaiseDatatypeMisalignment(); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    OUTCOME(ExRaiseDatatypeMisalignment, "raises STATUS_DATATYPE_MISALIGNMENT", code == STATUS_DATATYPE_MISALIGNMENT);
}

static VOID Faulting(VOID)
{
    NTSTATUS code = 0;
    __try { ReadBad(); } __except (Look(GetExceptionInformation(), 1)) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "takes an access violation", code == STATUS_ACCESS_VIOLATION);
    CHECK(Seen.NumberParameters == 2 && Seen.ExceptionInformation[0] == 0 && Seen.ExceptionInformation[1] == 0x10000);
    __try { WriteBad(); } __except (Look(GetExceptionInformation(), 1)) { code = 1; }
    CHECK(code == 1 && Seen.ExceptionInformation[0] == 1);
    CHECK((ULONG_PTR)Seen.ExceptionAddress >= (ULONG_PTR)WriteBad && (ULONG_PTR)Seen.ExceptionAddress < (ULONG_PTR)WriteBad + 32);
    code = 0;
    __try { Divide(1, 0); } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "takes a division by zero", code == STATUS_INTEGER_DIVIDE_BY_ZERO);
    __try { DbgBreakPoint(); __asm__ volatile("nop"); code = 2; } __except (EXCEPTION_EXECUTE_HANDLER) { code = GetExceptionCode(); }
    CHECK(code == 2);
}

/* ---- filters: search on, go on, take ---- */

static NOINLINE LONG Filter(char c, LONG answer) { Note(c); return answer; }

static NOINLINE VOID Inner(void)
{
    __try { Raise(STATUS_OF_OURS); } __except (Filter('a', EXCEPTION_CONTINUE_SEARCH)) { Note('!'); }
}
static NOINLINE VOID Middle(void)
{
    __try { Inner(); } __finally { Note('f'); }
}

static NOINLINE LONG Mend(PEXCEPTION_POINTERS p)
{
    /* The divisor was zero: the division is tried again with another. ECX, or whichever register holds it, is in the context. */
    p->ContextRecord->Rip += 2;
    p->ContextRecord->Rax = 77;
    return EXCEPTION_CONTINUE_EXECUTION;
}
static NOINLINE ULONG IllegalInstruction(ULONG before)
{
    ULONG result = before;
    __asm__ volatile("movl $5, %%eax\n\tud2\n\tmovl %%eax, %0" : "=r"(result) : : "eax");
    return result;
}

static VOID Filters(VOID)
{
    __try { Middle(); } __except (Filter('b', EXCEPTION_EXECUTE_HANDLER)) { Note('x'); }
    OUTCOME(__C_specific_handler, "EXCEPTION_CONTINUE_SEARCH goes on to the outer handler", TraceIs("abfx"));
    ULONG value = 0;
    __try { value = IllegalInstruction(1); } __except (Mend(GetExceptionInformation())) { value = 0; }
    OUTCOME(__C_specific_handler, "EXCEPTION_CONTINUE_EXECUTION goes on with the changed context", value == 77);
    /* Two scopes of one function. */
    __try
    {
        __try { Raise(STATUS_OF_OURS); } __except (Filter('1', EXCEPTION_CONTINUE_SEARCH)) { Note('!'); }
    }
    __except (Filter('2', EXCEPTION_EXECUTE_HANDLER)) { Note('y'); }
    OUTCOME(__C_specific_handler, "asks the scopes of one function from the inside out", TraceIs("12y"));
}

/* ---- termination handlers ---- */

static NOINLINE VOID Normal(void)
{
    __try { Note('n'); } __finally { Note(AbnormalTermination() ? 'A' : 'N'); }
}
static NOINLINE VOID Abnormal(void)
{
    __try
    {
        __try { Raise(STATUS_OF_OURS); BETWEEN(); } __finally { Note(AbnormalTermination() ? 'A' : 'N'); }
    }
    __finally { Note('o'); }
}
static NOINLINE int LeaveByGoto(int early)
{
    __try
    {
        Note('t');
        if (early) goto out;
        Note('l');
    }
    __finally { Note('f'); }
    Note('e');
out:
    Note('o');
    return early;
}
static NOINLINE int LeaveByReturn(void)
{
    __try { Note('t'); return 1; } __finally { Note('f'); }
    return 2;
}
static NOINLINE int LeaveWord(void)
{
    __try { Note('t'); __leave; } __finally { Note('f'); }
    return 3;
}

static VOID Terminations(VOID)
{
    Normal();
    OUTCOME(__C_specific_handler, "a __finally block runs at the normal end", TraceIs("nN"));
    __try { Abnormal(); } __except (Filter('F', 1)) { Note('x'); }
    OUTCOME(__C_specific_handler, "__finally blocks run after the filter, inner ones first, abnormally", TraceIs("FAox"));
    CHECK(LeaveByGoto(1) == 1 && TraceIs("tfo"));
    CHECK(LeaveByGoto(0) == 0 && TraceIs("tlfeo"));
    CHECK(LeaveByReturn() == 1 && TraceIs("tf"));
    CHECK(LeaveWord() == 3 && TraceIs("tf"));
}

/* ---- exceptions inside of handlers ---- */

/* The frame whose filter raises is asked about that exception too: a filter that always raised would never end. */
static NOINLINE LONG RaisingFilter(NTSTATUS code)
{
    Note('r');
    if (code == STATUS_OF_OURS) Raise(STATUS_OF_OURS + 7);
    return EXCEPTION_CONTINUE_SEARCH;
}
static NOINLINE VOID FilterThatRaises(void)
{
    __try { Raise(STATUS_OF_OURS); } __except (RaisingFilter(GetExceptionCode())) { Note('!'); }
}
static NOINLINE VOID FinallyThatRaises(void)
{
    __try
    {
        __try { Raise(STATUS_OF_OURS); BETWEEN(); } __finally { Note('f'); Raise(STATUS_OF_OURS + 9); BETWEEN(); }
    }
    __finally { Note('g'); }
}
static NOINLINE VOID HandlerThatRaises(void)
{
    __try { Raise(STATUS_OF_OURS); } __except (1) { Note('h'); Raise(STATUS_OF_OURS + 3); }
}
static NOINLINE VOID FilterThatRecovers(void)
{
    __try { Raise(STATUS_OF_OURS); } __except (Filter('p', 1)) { Note('q'); }
}
static NOINLINE LONG FilterWithATryOfItsOwn(void)
{
    FilterThatRecovers();
    return 1;
}

static VOID Nested(VOID)
{
    NTSTATUS code = 0;
    __try { FilterThatRaises(); } __except (Look(GetExceptionInformation(), 1)) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "an exception in a filter goes to the outer handlers", code == STATUS_OF_OURS + 7 && TraceIs("rr"));
    code = 0;
    __try { FinallyThatRaises(); } __except (Look(GetExceptionInformation(), 1)) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "an exception in a __finally block takes the place of the first", code == STATUS_OF_OURS + 9 && TraceIs("fg"));
    code = 0;
    __try { HandlerThatRaises(); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "an exception in an __except block goes outwards", code == STATUS_OF_OURS + 3 && TraceIs("h"));
    __try { Raise(STATUS_OF_OURS); } __except (FilterWithATryOfItsOwn()) { Note('z'); }
    OUTCOME(__C_specific_handler, "a filter may take exceptions of its own", TraceIs("pqz"));
    /* A thousand times: nothing piles up on the stack. */
    ULONG taken = 0;
    for (int i = 0; i < 1000; i++)
        __try { Raise(STATUS_OF_OURS); } __except (1) { taken++; }
    CHECK(taken == 1000);
}

/* ---- RtlRaiseException ---- */

static NOINLINE ULONG RaiseRecord(ULONG flags)
{
    EXCEPTION_RECORD r;
    RtlZeroMemory(&r, sizeof r);
    r.ExceptionCode = STATUS_OF_OURS;
    r.ExceptionFlags = flags;
    r.NumberParameters = 2;
    r.ExceptionInformation[0] = 11;
    r.ExceptionInformation[1] = 22;
    RtlRaiseException(&r);
    return 5;
}

static VOID Records(VOID)
{
    ULONG value = 0;
    NTSTATUS code = 0;
    __try { RaiseRecord(0); } __except (Look(GetExceptionInformation(), 1)) { value = 1; }
    OUTCOME(RtlRaiseException, "passes the record with its parameters", value == 1 && Seen.NumberParameters == 2 && Seen.ExceptionInformation[1] == 22);
    OUTCOME(RtlRaiseException, "sets ExceptionAddress to the caller",
            (ULONG_PTR)Seen.ExceptionAddress >= (ULONG_PTR)RaiseRecord && (ULONG_PTR)Seen.ExceptionAddress < (ULONG_PTR)RaiseRecord + 160);
    value = 0;
    __try { value = RaiseRecord(0); } __except (Look(GetExceptionInformation(), EXCEPTION_CONTINUE_EXECUTION)) { value = 1; }
    OUTCOME(RtlRaiseException, "returns when a filter says to continue", value == 5);
    __try
    {
        __try { value = RaiseRecord(EXCEPTION_NONCONTINUABLE); }
        __except (GetExceptionCode() == STATUS_OF_OURS ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH) { value = 1; }
    }
    __except (1) { code = GetExceptionCode(); }
    OUTCOME(RtlRaiseException, "continuing what cannot be continued is STATUS_NONCONTINUABLE_EXCEPTION", code == STATUS_NONCONTINUABLE_EXCEPTION);
}

/* ---- through kernel routines ---- */

static VOID InKernelRoutines(VOID)
{
    NTSTATUS code = 0;
    UNICODE_STRING s;
    __try { RtlInitUnicodeString(&s, (PCWSTR)BadPointer); } __except (Look(GetExceptionInformation(), 1)) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "takes a fault inside of a kernel routine", code == STATUS_ACCESS_VIOLATION && Seen.ExceptionInformation[1] == 0x10000);

    code = 0;
    __try { ProbeForRead((PVOID)0x10000, 16, 1); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForRead, "does not touch a buffer that lies in user space", code == 0);
    __try { ProbeForRead((PVOID)0x10002, 16, 4); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForRead, "STATUS_DATATYPE_MISALIGNMENT for a buffer that is not aligned", code == STATUS_DATATYPE_MISALIGNMENT);
    code = 0;
    __try { ProbeForRead((PVOID)&s, 16, 1); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForRead, "STATUS_ACCESS_VIOLATION for a kernel address", code == STATUS_ACCESS_VIOLATION);
    code = 0;
    __try { ProbeForRead((PVOID)0x7FFFFFFE0000, 0x100000, 1); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForRead, "STATUS_ACCESS_VIOLATION for a buffer that leaves user space", code == STATUS_ACCESS_VIOLATION);
    code = 0;
    __try { ProbeForRead((PVOID)&s, 0, 1); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForRead, "a length of zero is not checked", code == 0);
    __try { ProbeForWrite((PVOID)0x10002, 16, 4); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForWrite, "STATUS_DATATYPE_MISALIGNMENT for a buffer that is not aligned", code == STATUS_DATATYPE_MISALIGNMENT);
    code = 0;
    __try { ProbeForWrite((PVOID)0x10000, 16, 1); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForWrite, "STATUS_ACCESS_VIOLATION for a buffer that is not mapped", code == STATUS_ACCESS_VIOLATION);
    code = 0;
    __try { ProbeForWrite((PVOID)&s, 16, 1); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForWrite, "STATUS_ACCESS_VIOLATION for a kernel address", code == STATUS_ACCESS_VIOLATION);
    code = 0;
    __try { ProbeForWrite((PVOID)&s, 0, 1); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(ProbeForWrite, "a length of zero is not checked", code == 0);

    /* Routines that raise instead of returning a status. */
    KSEMAPHORE semaphore;
    KeInitializeSemaphore(&semaphore, 1, 2);
    code = 0;
    __try { KeReleaseSemaphore(&semaphore, 0, 5, FALSE); } __except (1) { code = GetExceptionCode(); }
    CHECK(code == STATUS_SEMAPHORE_LIMIT_EXCEEDED && KeReadStateSemaphore(&semaphore) == 1);
    KMUTEX mutex;
    KeInitializeMutex(&mutex, 0);
    code = 0;
    __try { KeReleaseMutex(&mutex, FALSE); } __except (1) { code = GetExceptionCode(); }
    CHECK(code == STATUS_MUTANT_NOT_OWNED);
}

/* An exception in a routine that the kernel calls, taken by the driver routine that called the kernel. */
static NTSTATUS NTAPI RaiseInCompletion(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    Note('c');
    Raise(STATUS_OF_OURS);
    return STATUS_SUCCESS;
}
static VOID ThroughCompletion(VOID)
{
    NTSTATUS code = 0;
    PIRP irp = IoAllocateIrp(2, FALSE);
    IoSetNextIrpStackLocation(irp);
    IoSetCompletionRoutine(irp, RaiseInCompletion, NULL, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    irp->IoStatus.Status = STATUS_SUCCESS;
    __try { IofCompleteRequest(irp, IO_NO_INCREMENT); } __except (1) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "an exception crosses the kernel routine that called the driver", code == STATUS_OF_OURS && TraceIs("c"));
    IoFreeIrp(irp);
}

/* ---- raised IRQL ---- */

static KDPC Dpc;
static KEVENT DpcDone;
static NTSTATUS InDpcCode;
static KIRQL InDpcIrql;
static VOID NTAPI DpcRoutine(PKDPC dpc, PVOID context, PVOID a, PVOID b)
{
    __try { IllegalInstruction(1); } __except (1) { InDpcCode = GetExceptionCode(); InDpcIrql = KeGetCurrentIrql(); }
    KeSetEvent(&DpcDone, 0, FALSE);
}

static VOID Raised(VOID)
{
    KIRQL old;
    NTSTATUS code = 0;
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    __try { Divide(7, 0); } __except (Filter('d', 1)) { code = GetExceptionCode(); }
    OUTCOME(__C_specific_handler, "handlers run at DISPATCH_LEVEL", code == STATUS_INTEGER_DIVIDE_BY_ZERO && KeGetCurrentIrql() == DISPATCH_LEVEL && TraceIs("d"));
    KeLowerIrql(old);
    /* The handler does not lower the IRQL that was raised inside of the __try block. */
    __try { KeRaiseIrql(DISPATCH_LEVEL, &old); Divide(7, 0); } __except (1) { code = KeGetCurrentIrql(); }
    KeLowerIrql(old);
    OUTCOME(__C_specific_handler, "the IRQL stays as it was when the exception was raised", code == DISPATCH_LEVEL);
    KeInitializeEvent(&DpcDone, NotificationEvent, FALSE);
    KeInitializeDpc(&Dpc, DpcRoutine, NULL);
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    KeWaitForSingleObject(&DpcDone, Executive, KernelMode, FALSE, NULL);
    OUTCOME(__C_specific_handler, "takes an exception in a DPC", InDpcCode == STATUS_ILLEGAL_INSTRUCTION && InDpcIrql == DISPATCH_LEVEL);
}

/* Non-volatile registers have their values after an exception that went over several frames. */
static NOINLINE VOID Clobber(int depth)
{
    register ULONG64 a __asm__("rbx") = 0x1111 * depth, b __asm__("r12") = 0x2222, c __asm__("r15") = 0x3333;
    __asm__ volatile("pxor %%xmm6, %%xmm6\n\tpxor %%xmm15, %%xmm15" : "+r"(a), "+r"(b), "+r"(c) : : "xmm6", "xmm15");
    if (depth) Clobber(depth - 1);
    else Raise(STATUS_OF_OURS);
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c));
}
static NOINLINE VOID TakeIt(void)
{
    __try { Clobber(4); } __except (1) { Note('k'); }
}
static VOID NonVolatile(VOID)
{
    ULONG64 in[2] = {0x123456789abcdef0, 0xfedcba9876543210}, out6[2], out15[2], rbx, r12, r15;
    __asm__ volatile("movabsq $0xfedcba9812345678, %%rbx\n\tmovabsq $0x8765432112345678, %%r12\n\tmovabsq $0xa5a5a5a55a5a5a5a, %%r15\n\t"
                     "movdqu (%3), %%xmm6\n\tmovdqu (%3), %%xmm15\n\tsubq $32, %%rsp\n\tcall *%4\n\taddq $32, %%rsp\n\t"
                     "movq %%rbx, %0\n\tmovq %%r12, %1\n\tmovq %%r15, %2\n\tmovdqu %%xmm6, (%5)\n\tmovdqu %%xmm15, (%6)"
                     : "=m"(rbx), "=m"(r12), "=m"(r15)
                     : "r"(in), "r"(TakeIt), "S"(out6), "D"(out15)
                     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "rbx", "r12", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm15", "memory");
    BOOLEAN integers = rbx == 0xfedcba9812345678 && r12 == 0x8765432112345678 && r15 == 0xa5a5a5a55a5a5a5a;
    BOOLEAN vectors = out6[0] == in[0] && out6[1] == in[1] && out15[0] == in[0] && out15[1] == in[1];
    OUTCOME(__C_specific_handler, "an __except block has the registers of its function", integers && vectors && TraceIs("k"));
}

/* ---- stops ---- */

static VOID NTAPI FaultingDpc(PKDPC dpc, PVOID context, PVOID a, PVOID b) { IllegalInstruction(1); }
static NTSTATUS NTAPI Thread(PVOID context) { RaiseRecord(0); return 0; }

static VOID Stop(VOID)
{
    KIRQL old;
    HANDLE thread;
    switch (KtestCase)
    {
    case 1: /* In a system thread: 0x7E. */
        OUTCOME_BUGCHECK(ExRaiseStatus, "bug check 0x7E in a system thread when nobody takes it", 0x7E);
        Raise(STATUS_OF_OURS);
        break;
    case 2:
        OUTCOME_BUGCHECK(__C_specific_handler, "handlers that all search on leave the exception unhandled", 0x7E);
        __try { Middle(); } __except (Filter('b', EXCEPTION_CONTINUE_SEARCH)) { Note('!'); }
        break;
    case 3: /* A DPC has no handler under it. */
        OUTCOME_BUGCHECK(__C_specific_handler, "an exception does not leave a DPC: bug check 0x1E", 0x1E);
        KeInitializeDpc(&Dpc, FaultingDpc, NULL);
        __try { KeInsertQueueDpc(&Dpc, NULL, NULL); for (;;) __asm__ volatile("pause"); } __except (1) { Note('!'); }
        break;
    case 4: /* A bad kernel address is no exception. */
        OUTCOME_BUGCHECK(__C_specific_handler, "is not asked about a kernel address that is not mapped: bug check 0x50", 0x50);
        BadPointer = (volatile ULONG *)0xFFFFA00000000000;
        __try { ReadBad(); } __except (1) { Note('!'); }
        break;
    case 5:
        OUTCOME_BUGCHECK(__C_specific_handler, "is not asked about a page fault at DISPATCH_LEVEL: bug check 0xD1", 0xD1);
        KeRaiseIrql(DISPATCH_LEVEL, &old);
        __try { ReadBad(); } __except (1) { Note('!'); }
        break;
    case 6:
        OUTCOME_BUGCHECK(RtlRaiseException, "bug check when nobody takes the exception", 0x7E);
        PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, (PKSTART_ROUTINE)Thread, NULL);
        ZwWaitForSingleObject(thread, FALSE, NULL);
        break;
    case 7:
        OUTCOME_BUGCHECK(RtlRaiseStatus, "bug check when nobody takes the exception", 0x7E);
        RtlRaiseStatus(STATUS_OF_OURS);
        break;
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT driver) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KtestBegin("seh");
    driver->DriverUnload = Unload;
    if (KtestCase != 0)
    {
        Stop();
        return STATUS_UNSUCCESSFUL;
    }
    Raising();
    Faulting();
    Filters();
    Terminations();
    Nested();
    Records();
    InKernelRoutines();
    ThroughCompletion();
    Raised();
    NonVolatile();
    KtestDone();
    return STATUS_SUCCESS;
}
