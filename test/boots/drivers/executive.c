/* Uses the executive's lists, locks, work items and callbacks and the run-time library, and prints what it finds. */
#include <ntifs.h>

#define TAG 'cexE'

void *memmove(void *, const void *, size_t);
int memcmp(const void *, const void *, size_t);
int sprintf(char *, const char *, ...);
int swprintf(wchar_t *, const wchar_t *, ...);

typedef struct { SLIST_ENTRY Link; ULONG Value; } ITEM;

static SLIST_HEADER Head;
static FAST_MUTEX Mutex;
static ERESOURCE Resource;
static EX_RUNDOWN_REF Rundown;
static KEVENT Done, Gate;
static LONG Shared, Order;
static KSPIN_LOCK Lock;
static LIST_ENTRY List;

static void lists(void) {
  ITEM *items = ExAllocatePoolWithTag(NonPagedPool, 4 * sizeof(ITEM), TAG);
  InitializeSListHead(&Head);
  for (ULONG i = 0; i < 4; i++) {
    items[i].Value = i;
    ExpInterlockedPushEntrySList(&Head, &items[i].Link);
  }
  DbgPrint("depth %u", ExQueryDepthSList(&Head));
  ITEM *first = (ITEM *)ExpInterlockedPopEntrySList(&Head), *second = (ITEM *)ExpInterlockedPopEntrySList(&Head);
  DbgPrint("popped %u %u depth %u", first->Value, second->Value, ExQueryDepthSList(&Head));
  ITEM *rest = (ITEM *)ExpInterlockedFlushSList(&Head);
  DbgPrint("flushed %u %u empty %d", rest->Value, ((ITEM *)rest->Link.Next)->Value, ExpInterlockedPopEntrySList(&Head) == NULL);

  InitializeListHead(&List);
  KeInitializeSpinLock(&Lock);
  LIST_ENTRY a, b;
  PLIST_ENTRY before = ExInterlockedInsertTailList(&List, &a, &Lock);
  PLIST_ENTRY last = ExInterlockedInsertTailList(&List, &b, &Lock);
  PLIST_ENTRY head = ExInterlockedRemoveHeadList(&List, &Lock);
  DbgPrint("list %d %d %d", before == NULL, last == &a, head == &a);
  ExFreePoolWithTag(items, TAG);

  static NPAGED_LOOKASIDE_LIST look;
  ExInitializeNPagedLookasideList(&look, NULL, NULL, 0, 100, TAG, 0);
  PVOID x = ExAllocateFromNPagedLookasideList(&look);
  ExFreeToNPagedLookasideList(&look, x);
  PVOID y = ExAllocateFromNPagedLookasideList(&look);
  DbgPrint("lookaside %d %u %u", x == y, look.L.TotalAllocates, look.L.AllocateMisses);
  ExFreeToNPagedLookasideList(&look, y);
  ExDeleteNPagedLookasideList(&look);
}

static void memory(void) {
  unsigned char b[40];
  for (int i = 0; i < 40; i++) b[i] = (unsigned char)i;
  memmove(b + 3, b, 20);
  DbgPrint("up %u %u %u %u", b[3], b[4], b[22], b[23]);
  memmove(b, b + 3, 20);
  DbgPrint("down %u %u %u %u", b[0], b[1], b[19], b[20]);
  DbgPrint("cmp %d %d %d", memcmp("abc", "abd", 3) < 0, memcmp("abd", "abc", 3) > 0, memcmp("abc", "abd", 2));
  DbgPrint("compare %u", (ULONG)RtlCompareMemory("abcdef", "abcxef", 6));
}

static void text(void) {
  UNICODE_STRING s, t;
  ANSI_STRING n;
  WCHAR buffer[32];
  char c[64];
  RtlInitUnicodeString(&s, L"Unicode");
  DbgPrint("%wZ %S %ws %s %p %I64x %08x %5.2s|", &s, L"wide", L"w", "narrow", (PVOID)0x1234, 0x123456789abcULL, 0xbeef, "xyz");
  t.Buffer = buffer; t.MaximumLength = sizeof(buffer); t.Length = 0;
  RtlCopyUnicodeString(&t, &s);
  RtlAppendUnicodeToString(&t, L" and more");
  DbgPrint("%wZ %u %08x", &t, t.Length, RtlAppendUnicodeToString(&t, L" than the buffer has room for"));
  RtlUnicodeStringToAnsiString(&n, &t, TRUE);
  DbgPrint("%Z %d", &n, n.Buffer[n.Length]);
  RtlFreeAnsiString(&n);
  t.Length = 0;
  RtlIntegerToUnicodeString(48879, 16, &t);
  DbgPrint("%wZ %d", &t, RtlEqualUnicodeString(&s, &s, TRUE));
  DbgPrint("%d %s", sprintf(c, "%d-%c-%s", -7, 'x', "end"), c);
  DbgPrint("%d %S", swprintf(buffer, L"%s/%S", L"wide", "narrow"), buffer);
  UNICODE_STRING routine;
  RtlInitUnicodeString(&routine, L"KeSetEvent");
  DbgPrint("routine %d", MmGetSystemRoutineAddress(&routine) == (PVOID)(ULONG_PTR)KeSetEvent);
  RTL_OSVERSIONINFOW v = { sizeof(v) };
  RtlGetVersion(&v);
  DbgPrint("version %u.%u.%u", v.dwMajorVersion, v.dwMinorVersion, v.dwBuildNumber);
}

static VOID NTAPI waiter(PVOID context) {
  ULONG number = (ULONG)(ULONG_PTR)context;
  KeWaitForSingleObject(&Gate, Executive, KernelMode, FALSE, NULL);
  for (int i = 0; i < 3; i++) {
    ExAcquireFastMutex(&Mutex);
    LONG seen = Shared;
    LARGE_INTEGER wait = { .QuadPart = -20000 };
    KeDelayExecutionThread(KernelMode, FALSE, &wait);
    Shared = seen + 1;
    ExReleaseFastMutex(&Mutex);
  }
  KeEnterCriticalRegion();
  if (number == 0) ExAcquireResourceExclusiveLite(&Resource, TRUE);
  else ExAcquireResourceSharedLite(&Resource, TRUE);
  InterlockedIncrement(&Order);
  ExReleaseResourceLite(&Resource);
  KeLeaveCriticalRegion();
  if (ExAcquireRundownProtection(&Rundown)) ExReleaseRundownProtection(&Rundown);
  if (InterlockedDecrement(&Shared) == 6) KeSetEvent(&Done, 0, FALSE);
  PsTerminateSystemThread(STATUS_SUCCESS);
}

static void locks(void) {
  HANDLE thread;
  ExInitializeFastMutex(&Mutex);
  ExInitializeResourceLite(&Resource);
  ExInitializeRundownProtection(&Rundown);
  KeInitializeEvent(&Done, NotificationEvent, FALSE);
  KeInitializeEvent(&Gate, NotificationEvent, FALSE);
  for (ULONG i = 0; i < 3; i++) {
    PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, waiter, (PVOID)(ULONG_PTR)i);
    ZwClose(thread);
  }
  KeEnterCriticalRegion();
  ExAcquireResourceExclusiveLite(&Resource, TRUE);
  DbgPrint("exclusive %d shared count %u", ExIsResourceAcquiredExclusiveLite(&Resource), ExIsResourceAcquiredSharedLite(&Resource));
  KeSetEvent(&Gate, 0, FALSE);
  LARGE_INTEGER second = { .QuadPart = -10000000 };
  KeDelayExecutionThread(KernelMode, FALSE, &second);
  DbgPrint("waiting %u exclusive %u shared, order %d", ExGetExclusiveWaiterCount(&Resource), ExGetSharedWaiterCount(&Resource), Order);
  DbgPrint("counted %d irql %u", Shared, KeGetCurrentIrql());
  ExReleaseResourceLite(&Resource);
  KeLeaveCriticalRegion();
  KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
  DbgPrint("order %d", Order);
  ExAcquireRundownProtection(&Rundown);
  ExReleaseRundownProtection(&Rundown);
  ExWaitForRundownProtectionRelease(&Rundown);
  DbgPrint("rundown %d", ExAcquireRundownProtection(&Rundown));
  ExDeleteResourceLite(&Resource);
}

static VOID NTAPI work(PVOID context) {
  DbgPrint("work %p irql %u", context, KeGetCurrentIrql());
  KeSetEvent(&Done, 0, FALSE);
}

static VOID NTAPI notified(PVOID context, PVOID one, PVOID two) {
  DbgPrint("callback %p %p %p", context, one, two);
}

static void services(void) {
  static WORK_QUEUE_ITEM item;
  KeClearEvent(&Done);
  ExInitializeWorkItem(&item, work, (PVOID)0x77);
  ExQueueWorkItem(&item, DelayedWorkQueue);
  KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);

  UNICODE_STRING name;
  OBJECT_ATTRIBUTES attributes;
  PCALLBACK_OBJECT object;
  RtlInitUnicodeString(&name, L"\\Callback\\Executive");
  InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
  DbgPrint("open %08x", ExCreateCallback(&object, &attributes, FALSE, TRUE));
  DbgPrint("create %08x", ExCreateCallback(&object, &attributes, TRUE, TRUE));
  PVOID registration = ExRegisterCallback(object, notified, (PVOID)1);
  ExNotifyCallback(object, (PVOID)2, (PVOID)3);
  ExUnregisterCallback(registration);
  ExNotifyCallback(object, (PVOID)4, (PVOID)5);
  ObDereferenceObject(object);
}

static void bigframe(void) {
  volatile char frame[9000];
  frame[0] = 1;
  frame[8999] = 2;
  DbgPrint("frame %d", frame[0] + frame[8999]);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  (void)driver; (void)path;
  lists();
  memory();
  text();
  locks();
  services();
  bigframe();
  DbgPrint("executive done");
  return STATUS_SUCCESS;
}
