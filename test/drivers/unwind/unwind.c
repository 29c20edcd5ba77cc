// ktest: cases=2 compiler=clang
/*
 * What exception handling is made of: function tables, virtual unwinding, contexts, jumps; and the routines that tell who called. Case 1 ends in a bug check.
 */
#include <ntddk.h>
#include "../ktest.h"

#define NOINLINE __attribute__((noinline))
typedef struct { ULONG Begin, End, Unwind; } FUNCTION;
typedef struct { PVOID ImageBase; FUNCTION *Function; } HISTORY_ENTRY;
typedef struct { ULONG Count; UCHAR LocalHint, GlobalHint, Search, Once; ULONG64 Low, High; HISTORY_ENTRY Entry[12]; } HISTORY;
typedef struct { PVOID Xmm[16]; PULONG64 Integer[16]; } POINTERS;
typedef struct { ULONG64 R[32]; } __attribute__((aligned(16))) JUMP;

NTSYSAPI FUNCTION *NTAPI RtlLookupFunctionEntry(ULONG64 pc, PULONG64 base, PVOID history);
NTSYSAPI PVOID NTAPI RtlVirtualUnwind(ULONG type, ULONG64 base, ULONG64 pc, FUNCTION *f, PCONTEXT c, PVOID *data, PULONG64 frame, PVOID pointers);
NTSYSAPI VOID NTAPI RtlUnwind(PVOID frame, PVOID ip, PEXCEPTION_RECORD r, PVOID value);
NTSYSAPI VOID NTAPI RtlUnwindEx(PVOID frame, PVOID ip, PEXCEPTION_RECORD r, PVOID value, PCONTEXT c, PVOID history);
NTSYSAPI VOID NTAPI RtlCaptureContext(PCONTEXT c);
NTSYSAPI VOID NTAPI RtlRestoreContext(PCONTEXT c, PEXCEPTION_RECORD r);
NTSYSAPI PVOID NTAPI RtlPcToFileHeader(PVOID pc, PVOID *base);
NTSYSAPI VOID NTAPI RtlRaiseStatus(NTSTATUS status);
VOID _local_unwind(PVOID frame, PVOID ip);
/* Under names of our own: the headers say that these throw nothing, and then clang leaves out the __finally blocks that a jump runs. */
int SetJumpEx(PVOID buffer, PVOID frame) __asm__("_setjmpex") __attribute__((returns_twice));
int SetJump(PVOID buffer, PVOID frame) __asm__("_setjmp") __attribute__((returns_twice));
VOID LongJump(PVOID buffer, int value) __asm__("longjmp");
#undef RtlGetCallersAddress
NTSYSAPI VOID NTAPI RtlGetCallersAddress(PVOID *address, PVOID *caller);

static PDRIVER_OBJECT Driver;

/* ---- who called ---- */

static PVOID Chain[16];
static ULONG Count;
static NOINLINE ULONG Deepest(int how)
{
    RtlZeroMemory(Chain, sizeof Chain);
    if (how == 0) Count = RtlWalkFrameChain(Chain, 16, 0);
    else if (how == 1) Count = RtlCaptureStackBackTrace(0, 16, Chain, NULL);
    else if (how == 2) Count = RtlCaptureStackBackTrace(1, 2, Chain, &Count);
    else RtlGetCallersAddress(&Chain[0], &Chain[1]);
    __asm__ volatile("");
    return Count;
}
static NOINLINE ULONG Deeper(int how) { ULONG n = Deepest(how); __asm__ volatile(""); return n + 1; }
static NOINLINE ULONG Deep(int how) { ULONG n = Deeper(how); __asm__ volatile(""); return n + 1; }
static BOOLEAN In(PVOID pc, PVOID function, ULONG size) { return (PUCHAR)pc > (PUCHAR)function && (PUCHAR)pc <= (PUCHAR)function + size; }

static VOID Callers(VOID)
{
    Deep(0);
    OUTCOME(RtlWalkFrameChain, "stores the return addresses of the callers, innermost first", Count >= 4 && In(Chain[0], Deepest, 256) && In(Chain[1], Deeper, 64) && In(Chain[2], Deep, 64));
    OUTCOME(RtlWalkFrameChain, "returns how many there are", Count < 16 && Chain[Count - 1] != NULL && Chain[Count] == NULL);
    PVOID two[3] = {0};
    OUTCOME(RtlWalkFrameChain, "stores at most as many as asked for", RtlWalkFrameChain(two, 2, 0) == 2 && two[1] != NULL && two[2] == NULL);
    Deep(1);
    OUTCOME(RtlCaptureStackBackTrace, "stores the return addresses of the callers, innermost first", Count >= 4 && In(Chain[0], Deepest, 256) && In(Chain[1], Deeper, 64) && In(Chain[2], Deep, 64));
    Deep(2);
    OUTCOME(RtlCaptureStackBackTrace, "skips frames and stores at most as many as asked for", In(Chain[0], Deeper, 64) && In(Chain[1], Deep, 64) && Chain[2] == NULL);
    ULONG hash = 0, other = 0;
    RtlCaptureStackBackTrace(0, 2, Chain, &hash);
    RtlCaptureStackBackTrace(0, 3, Chain, &other);
    OUTCOME(RtlCaptureStackBackTrace, "gives a hash of the addresses", hash != 0 && other != hash);
    Deep(3);
    OUTCOME(RtlGetCallersAddress, "the return address of the calling routine", In(Chain[0], Deeper, 64));
    OUTCOME(RtlGetCallersAddress, "the return address of its caller", In(Chain[1], Deep, 64));
}

/* ---- function tables ---- */

static NOINLINE VOID Lookups(VOID)
{
    ULONG64 base = 0;
    FUNCTION *f = RtlLookupFunctionEntry((ULONG64)Deeper + 4, &base, NULL);
    OUTCOME(RtlLookupFunctionEntry, "finds the function of an address and the base of its image", f && base == (ULONG64)Driver->DriverStart && base + f->Begin == (ULONG64)Deeper && base + f->End > (ULONG64)Deeper);
    OUTCOME(RtlLookupFunctionEntry, "NULL for an address in no image", RtlLookupFunctionEntry(0x10000, &base, NULL) == NULL);
    HISTORY h;
    RtlZeroMemory(&h, sizeof h);
    FUNCTION *a = RtlLookupFunctionEntry((ULONG64)Deeper + 4, &base, &h);
    OUTCOME(RtlLookupFunctionEntry, "notes what it found in the history table", a == f && h.Count == 1 && h.Entry[0].Function == f && h.Entry[0].ImageBase == Driver->DriverStart);
    h.Search = 1;
    a = RtlLookupFunctionEntry((ULONG64)Deeper + 8, &base, &h);
    OUTCOME(RtlLookupFunctionEntry, "takes a function from the history table", a == f && h.Count == 1);
    PVOID image = NULL;
    OUTCOME(RtlPcToFileHeader, "returns the base of the image of an address", RtlPcToFileHeader((PVOID)Deeper, &image) == Driver->DriverStart && image == Driver->DriverStart);
    OUTCOME(RtlPcToFileHeader, "NULL for an address in no image", RtlPcToFileHeader((PVOID)0x10000, &image) == NULL && image == NULL);
}

/* ---- contexts and virtual unwinding ---- */

static CONTEXT Here;
static NOINLINE VOID OneStep(VOID)
{
    ULONG64 base, frame = 0;
    PVOID data = NULL;
    POINTERS pointers;
    RtlZeroMemory(&pointers, sizeof pointers);
    RtlCaptureContext(&Here);
    OUTCOME(RtlCaptureContext, "Rip is in the caller", In((PVOID)Here.Rip, OneStep, 1024));
    OUTCOME(RtlCaptureContext, "Rsp is the caller's", Here.Rsp < (ULONG64)&frame + 512 && Here.Rsp > (ULONG64)&frame - 0x1000);
    OUTCOME(RtlCaptureContext, "ContextFlags say that all of it is there", (Here.ContextFlags & CONTEXT_FULL) == CONTEXT_FULL);
    CONTEXT c = Here;
    FUNCTION *f = RtlLookupFunctionEntry(c.Rip, &base, NULL);
    PVOID handler = RtlVirtualUnwind(0, base, c.Rip, f, &c, &data, &frame, &pointers);
    OUTCOME(RtlVirtualUnwind, "the context becomes that of the caller", c.Rip == (ULONG64)__builtin_return_address(0) && c.Rsp > Here.Rsp);
    OUTCOME(RtlVirtualUnwind, "NULL for a function without a handler of the kind", handler == NULL);
    BOOLEAN noted = FALSE;
    for (int i = 0; i < 16; i++)
        if (pointers.Integer[i] && *pointers.Integer[i] == (&c.Rax)[i]) noted = TRUE;
    OUTCOME(RtlVirtualUnwind, "the context pointers say where registers were saved", noted);
    OUTCOME(RtlVirtualUnwind, "gives the frame's establisher address", frame >= Here.Rsp && frame < c.Rsp);
}

static NOINLINE VOID Guarded(VOID)
{
    ULONG64 base, frame;
    PVOID data = NULL;
    __try
    {
        RtlCaptureContext(&Here);
        CONTEXT c = Here;
        FUNCTION *f = RtlLookupFunctionEntry(c.Rip, &base, NULL);
        PVOID handler = RtlVirtualUnwind(1, base, c.Rip, f, &c, &data, &frame, NULL);
        OUTCOME(RtlVirtualUnwind, "returns the function's exception handler and its data", handler != NULL && data != NULL && *(PULONG)data >= 1);
        handler = RtlVirtualUnwind(1, base, (ULONG64)Guarded, f, &(CONTEXT){.Rsp = Here.Rsp}, &data, &frame, NULL);
        OUTCOME(RtlVirtualUnwind, "no handler while the function is in its prologue", handler == NULL);
    }
    __except (1) { CHECK(FALSE); }
}

/* Every address of a function that is called with breakpoints would be too slow: instead unwinding is tried from each instruction of its prologue and epilogue by hand. */
__asm__(".text\n\t.p2align 4\n\t.globl Stepped\n\t.def Stepped; .scl 2; .type 32; .endef\n\t.seh_proc Stepped\nStepped:\n\tpushq %rbx\n\t.seh_pushreg %rbx\n\t"
        "pushq %rdi\n\t.seh_pushreg %rdi\n\tsubq $0x48, %rsp\n\t.seh_stackalloc 0x48\n\tmovaps %xmm6, 0x30(%rsp)\n\t.seh_savexmm %xmm6, 0x30\n\t.seh_endprologue\n\tnop\n\t"
        "movaps 0x30(%rsp), %xmm6\n\taddq $0x48, %rsp\n\tpopq %rdi\n\tpopq %rbx\n\tret\n\t.seh_endproc");
extern VOID Stepped(VOID);

static VOID Unwinding(VOID)
{
    /* Offset, and how many bytes of stack the function uses there: push, push, sub, body, add, pop, pop, ret. */
    static const struct { UCHAR at; UCHAR depth; } places[] = {{0, 0}, {1, 8}, {2, 16}, {6, 0x58}, {11, 0x58}, {12, 0x58}, {17, 0x58}, {21, 16}, {22, 8}, {23, 0}};
    static ULONG64 __attribute__((aligned(16))) stack[64];
    BOOLEAN right = TRUE, saved = TRUE;
    ULONG64 base, frame;
    PVOID data;
    FUNCTION *f = RtlLookupFunctionEntry((ULONG64)Stepped, &base, NULL);
    for (ULONG i = 0; i < sizeof places / sizeof *places; i++)
    {
        CONTEXT c;
        RtlZeroMemory(&c, sizeof c);
        for (int j = 0; j < 64; j++) stack[j] = 0x1000 + j;
        /* The return address at index 41, RBX and RDI below it. */
        c.Rsp = (ULONG64)&stack[41] - places[i].depth;
        c.Rbx = 0x1111;
        c.Rdi = 0x2222;
        RtlVirtualUnwind(0, base, (ULONG64)Stepped + places[i].at, f, &c, &data, &frame, NULL);
        if (c.Rip != 0x1000 + 41 || c.Rsp != (ULONG64)&stack[42]) right = FALSE, DbgPrint("at %d: rip %I64x\n", places[i].at, c.Rip);
        if (c.Rbx != (places[i].depth >= 8 ? 0x1000 + 40 : 0x1111) || c.Rdi != (places[i].depth >= 16 ? 0x1000 + 39 : 0x2222)) saved = FALSE;
    }
    OUTCOME(RtlVirtualUnwind, "unwinds from every place of a prologue and an epilogue", right);
    OUTCOME(RtlVirtualUnwind, "restores the non-volatile registers that were saved", saved);
    CONTEXT c;
    RtlZeroMemory(&c, sizeof c);
    c.Rsp = (ULONG64)&stack[41] - 0x58;
    RtlVirtualUnwind(0, base, (ULONG64)Stepped + 12, f, &c, &data, &frame, NULL);
    OUTCOME(RtlVirtualUnwind, "restores vector registers that were saved", *(PULONG64)&c.Xmm6 == *(PULONG64)((PUCHAR)&stack[41] - 0x58 + 0x30));
}

static volatile ULONG Times;
static VOID Contexts(VOID)
{
    CONTEXT c;
    Times = 0;
    RtlCaptureContext(&c);
    Times++;
    if (Times < 3) RtlRestoreContext(&c, NULL);
    OUTCOME(RtlRestoreContext, "goes on where the context was captured", Times == 3);
}

/* ---- jumps ---- */

static JUMP Jump;
static volatile ULONG Finals;
static NOINLINE VOID JumpFrom(int value)
{
    __try { LongJump(&Jump, value); } __finally { Finals++; }
}
static VOID Jumps(VOID)
{
    volatile int passes = 0;
    Finals = 0;
    int got = SetJump(&Jump, NULL);
    passes++;
    if (passes == 1) { OUTCOME(_setjmp, "returns 0 when it is called", got == 0); JumpFrom(7); }
    OUTCOME(_setjmp, "returns again with the value of longjmp", passes == 2 && got == 7);
    OUTCOME(longjmp, "without a frame it unwinds nothing", Finals == 0);
    passes = 0;
    got = SetJump(&Jump, NULL);
    passes++;
    if (passes == 1) JumpFrom(0);
    OUTCOME(longjmp, "a value of 0 becomes 1", passes == 2 && got == 1);
}
/* With a frame the jump unwinds: __finally blocks run on the way. */
static volatile int First = -1;
static NOINLINE int JumpOverFrames(VOID)
{
    volatile int passes = 0;
    int got = SetJumpEx(&Jump, NULL);
    if (passes == 0) First = got;
    passes++;
    if (passes == 1)
    {
        CONTEXT c = {0};
        ULONG64 base, frame;
        PVOID data;
        RtlCaptureContext(&c);
        RtlVirtualUnwind(0, (ULONG64)Driver->DriverStart, c.Rip, RtlLookupFunctionEntry(c.Rip, &base, NULL), &c, &data, &frame, NULL);
        Jump.R[0] = frame;
        JumpFrom(9);
    }
    return passes == 2 ? got : -1;
}

/* ---- leaving frames by hand ---- */

extern int Leave(int how, PVOID routine);
static ULONG FinalsBefore, ChainBefore;
static PVOID SeenBy[16];

/* Called when the frames below the target are left: says where that goes on. */
static PVOID Consolidate(PEXCEPTION_RECORD record)
{
    FinalsBefore = Finals;
    ChainBefore = RtlWalkFrameChain(SeenBy, 16, 0);
    return (PVOID)record->ExceptionInformation[1];
}

static NOINLINE VOID LeaveTo(PVOID frame, PVOID ip, int how)
{
    CONTEXT c;
    __try
    {
        if (how == 0) RtlUnwind(frame, ip, NULL, (PVOID)55);
        else if (how == 1) RtlUnwindEx(frame, ip, NULL, (PVOID)66, &c, NULL);
        else if (how == 3)
        {
            EXCEPTION_RECORD r;
            RtlZeroMemory(&r, sizeof r);
            r.ExceptionCode = 0x80000029; /* STATUS_UNWIND_CONSOLIDATE */
            r.NumberParameters = 2;
            r.ExceptionInformation[0] = (ULONG_PTR)Consolidate;
            r.ExceptionInformation[1] = (ULONG_PTR)ip;
            RtlUnwindEx(frame, NULL, &r, (PVOID)88, &c, NULL);
        }
        else _local_unwind(frame, ip);
    }
    __finally { Finals++; }
}
/* Calls LeaveTo(its frame, the label, how); EAX at the label is the result. */
__asm__(".text\n\t.p2align 4\n\t.globl Leave\n\t.def Leave; .scl 2; .type 32; .endef\n\t.seh_proc Leave\nLeave:\n\tpushq %rbx\n\t.seh_pushreg %rbx\n\tsubq $0x20, %rsp\n\t"
        ".seh_stackalloc 0x20\n\t.seh_endprologue\n\tmovl %ecx, %r8d\n\tmovq %rdx, %rax\n\tmovq $0x5ab5ab, %rbx\n\tmovq %rsp, %rcx\n\tleaq 1f(%rip), %rdx\n\tcallq *%rax\n\t"
        "movl $-1, %eax\n1:\n\tcmpq $0x5ab5ab, %rbx\n\tje 2f\n\tmovl $-2, %eax\n2:\n\taddq $0x20, %rsp\n\tpopq %rbx\n\tret\n\t.seh_endproc");
extern int Leave(int how, PVOID routine);

static VOID Leaving(VOID)
{
    Finals = 0;
    OUTCOME(RtlUnwind, "goes on at the target with the return value", Leave(0, LeaveTo) == 55);
    OUTCOME(RtlUnwind, "runs the termination handlers of the frames that are left", Finals == 1);
    OUTCOME(RtlUnwindEx, "goes on at the target with the return value", Leave(1, LeaveTo) == 66);
    OUTCOME(RtlUnwindEx, "runs the termination handlers of the frames that are left", Finals == 2);
    int result = Leave(3, LeaveTo);
    OUTCOME(RtlUnwindEx, "STATUS_UNWIND_CONSOLIDATE: the callback says where the target goes on", result == 88 && FinalsBefore == 3 && Finals == 3);
    BOOLEAN left = FALSE, target = FALSE;
    for (ULONG i = 0; i < ChainBefore; i++)
    {
        left |= In(SeenBy[i], LeaveTo, 256);
        target |= In(SeenBy[i], Leave, 64);
    }
    OUTCOME(RtlUnwindEx, "STATUS_UNWIND_CONSOLIDATE: to a stack walk the callback's caller is the target", target && !left);
    OUTCOME(RtlRestoreContext, "calls the callback of a record of STATUS_UNWIND_CONSOLIDATE first", result == 88);
    Finals = 2;
    OUTCOME(_local_unwind, "goes on at the target and runs the termination handlers between", Leave(2, LeaveTo) == 0 && Finals == 3);
    Finals = 0;
    OUTCOME(longjmp, "unwinds to the frame of _setjmpex", JumpOverFrames() == 9 && Finals == 1);
    OUTCOME(_setjmpex, "returns 0 when it is called", First == 0);
    /* A target that is no frame: the frames above it were passed. */
    NTSTATUS code = 0;
    __try { RtlUnwind((PVOID)((ULONG64)&code & ~15ull), (PVOID)Leaving, NULL, NULL); } __except (1) { code = GetExceptionCode(); }
    CHECK(code == 0xC0000028 || code == 0);
}

/* What it prints is itself the report: the lines arrive or the outcomes are missing. */
static VOID Assertion(VOID)
{
    RtlAssert("1 == 2", "\nKTEST pass RtlAssert|reports the file", 42, "\nKTEST pass RtlAssert|reports the message, then the expression ");
    RtlAssert("\nKTEST pass RtlAssert|the message may be NULL", "unwind.c", 43, NULL);
}

static VOID NTAPI Unload(PDRIVER_OBJECT driver) {}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    KtestBegin("unwind");
    driver->DriverUnload = Unload;
    Driver = driver;
    if (KtestCase == 1)
    {
        OUTCOME_BUGCHECK(RtlUnwindEx, "a target that is no frame raises STATUS_BAD_STACK", 0x7E);
        RtlUnwind((PVOID)((ULONG64)&driver - 0x800), (PVOID)Leaving, NULL, NULL);
    }
    Callers();
    Lookups();
    OneStep();
    Guarded();
    Unwinding();
    Contexts();
    Jumps();
    Leaving();
    Assertion();
    KtestDone();
    return STATUS_SUCCESS;
}
