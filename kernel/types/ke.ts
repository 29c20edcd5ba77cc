import { array, i16, i32, i64, i8, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { LIST_ENTRY, SINGLE_LIST_ENTRY } from './rtl.ts';

// KOBJECTS: DISPATCHER_HEADER.Type and the type bytes of other kernel objects.
export const EventNotificationObject = 0, EventSynchronizationObject = 1, MutantObject = 2, ProcessObject = 3, QueueObject = 4;
export const SemaphoreObject = 5, ThreadObject = 6, GateObject = 7, TimerNotificationObject = 8, TimerSynchronizationObject = 9;
export const ApcObject = 0x12, DpcObject = 0x13, DeviceQueueObject = 0x14, InterruptObject = 0x16, ThreadedDpcObject = 0x18;

// KTHREAD.State
export const Initialized = 0, Ready = 1, Running = 2, Standby = 3, Terminated = 4, Waiting = 5, Transition = 6, DeferredReady = 7;
// KWAIT_BLOCK.WaitType
export const WaitAll = 0, WaitAny = 1, WaitNotification = 2, WaitDequeue = 3;
// KWAIT_BLOCK.BlockState
export const WaitBlockBypassStart = 0, WaitBlockBypassComplete = 1, WaitBlockSuspendBypassStart = 2, WaitBlockSuspendBypassComplete = 3, WaitBlockActive = 4, WaitBlockInactive = 5;
// KDPC.Importance
export const LowImportance = 0, MediumImportance = 1, HighImportance = 2, MediumHighImportance = 3;
// KPROCESSOR_MODE
export const KernelMode = 0, UserMode = 1;
// KINTERRUPT_MODE
export const LevelSensitive = 0, Latched = 1;

/** First member of everything that a thread can wait for. The first four bytes mean something else for each type; bit 7 of Type is the object's lock. */
export const DISPATCHER_HEADER = struct('_DISPATCHER_HEADER', {
  Lock: [0, i32], Type: [0, u8], Signalling: [1, u8], Size: [2, u8], Reserved1: [3, u8],
  TimerControlFlags: [1, u8], Hand: [2, u8], TimerMiscFlags: [3, u8],
  ThreadControlFlags: [2, u8], DebugActive: [3, u8], DpcActive: [2, u8],
  SignalState: [4, i32], WaitListHead: [8, LIST_ENTRY],
});
/** TimerMiscFlags bit: the timer is in a timer table list. */
export const TIMER_INSERTED = 0x40;
export const TIMER_EXPIRED = 0x80;
/** TimerControlFlags bit: the due time was absolute. */
export const TIMER_ABSOLUTE = 1;

export const KEVENT = struct('_KEVENT', { Header: DISPATCHER_HEADER });
export const KGATE = struct('_KGATE', { Header: DISPATCHER_HEADER });
export const KSEMAPHORE = struct('_KSEMAPHORE', { Header: DISPATCHER_HEADER, Limit: i32 }, { size: 0x20 });
export const KMUTANT = struct('_KMUTANT', {
  Header: DISPATCHER_HEADER, MutantListEntry: LIST_ENTRY, OwnerThread: to('_KTHREAD'), Abandoned: [0x30, u8], ApcDisable: [0x31, u8],
});
export const KTIMER = struct('_KTIMER', {
  Header: DISPATCHER_HEADER, DueTime: u64, TimerListEntry: LIST_ENTRY, Dpc: to('_KDPC'), Processor: u16, TimerType: u16, Period: [0x3c, u32],
});
export const KQUEUE = struct('_KQUEUE', {
  Header: DISPATCHER_HEADER, EntryListHead: LIST_ENTRY, CurrentCount: u32, MaximumCount: u32, ThreadListHead: LIST_ENTRY,
});

export const KDPC = struct('_KDPC', {
  TargetInfoAsUlong: [0, u32], Type: [0, u8], Importance: [1, u8], Number: [2, u16], DpcListEntry: [8, SINGLE_LIST_ENTRY], ProcessorHistory: [0x10, u64],
  DeferredRoutine: ptr, DeferredContext: ptr, SystemArgument1: ptr, SystemArgument2: ptr, DpcData: to('_KDPC_DATA'),
});
export const KDPC_LIST = struct('_KDPC_LIST', { ListHead: SINGLE_LIST_ENTRY, LastEntry: to('_SINGLE_LIST_ENTRY') });
export const KDPC_DATA = struct('_KDPC_DATA', {
  DpcList: KDPC_LIST, DpcLock: u64, DpcQueueDepth: i32, DpcCount: u32, ActiveDpc: to('_KDPC'),
});

export const KSPIN_LOCK_QUEUE = struct('_KSPIN_LOCK_QUEUE', { Next: to('_KSPIN_LOCK_QUEUE'), Lock: ptr });
export const KLOCK_QUEUE_HANDLE = struct('_KLOCK_QUEUE_HANDLE', { LockQueue: KSPIN_LOCK_QUEUE, OldIrql: u8 });

export const KDEVICE_QUEUE_ENTRY = struct('_KDEVICE_QUEUE_ENTRY', { DeviceListEntry: LIST_ENTRY, SortKey: u32, Inserted: u8 }, { size: 0x18 });
/** Busy is bit 0 of the byte at 20h; NT keeps a hint in the rest of that quadword. */
export const KDEVICE_QUEUE = struct('_KDEVICE_QUEUE', { Type: i16, Size: i16, DeviceListHead: LIST_ENTRY, Lock: u64, Busy: u8 }, { size: 0x28 });

export const KWAIT_BLOCK = struct('_KWAIT_BLOCK', {
  WaitListEntry: LIST_ENTRY, WaitType: u8, BlockState: u8, WaitKey: u16, SpareLong: i32, Thread: to('_KTHREAD'), Object: ptr, SparePtr: ptr,
});

export const KAPC = struct('_KAPC', {
  Type: u8, AllFlags: u8, Size: u8, SpareByte1: u8, SpareLong0: u32, Thread: to('_KTHREAD'), ApcListEntry: LIST_ENTRY, KernelRoutine: ptr, RundownRoutine: ptr,
  NormalRoutine: ptr, NormalContext: ptr, SystemArgument1: ptr, SystemArgument2: ptr, ApcStateIndex: i8, ApcMode: i8, Inserted: u8,
});
export const KAPC_STATE = struct('_KAPC_STATE', {
  ApcListHead: array(LIST_ENTRY, 2), Process: to('_KPROCESS'), InProgressFlags: u8, KernelApcPending: u8, UserApcPendingAll: u8,
});
/** KAPC_STATE.InProgressFlags */
export const KERNEL_APC_IN_PROGRESS = 1, SPECIAL_APC_IN_PROGRESS = 2;

export const GROUP_AFFINITY = struct('_GROUP_AFFINITY', { Mask: u64, Group: u16, Reserved: array(u16, 3) });
export const PROCESSOR_NUMBER = struct('_PROCESSOR_NUMBER', { Group: u16, Number: u8, Reserved: u8 });
export const KAFFINITY_EX = struct('_KAFFINITY_EX', { Count: u16, Size: u16, Reserved: u32, Bitmap: array(u64, 20) });

/** Several small fields share the space of the wait blocks' spare words: that is where 64-bit NT keeps them. */
export const KTHREAD = struct('_KTHREAD', {
  Header: DISPATCHER_HEADER, SListFaultAddress: ptr, QuantumTarget: u64, InitialStack: ptr, StackLimit: ptr, StackBase: ptr, ThreadLock: u64, CycleTime: u64,
  CurrentRunTime: u32, ExpectedRunTime: u32, KernelStack: ptr, StateSaveArea: ptr, SchedulingGroup: ptr, WaitRegister: u8, Running: u8, Alerted: array(u8, 2),
  MiscFlags: u32, ThreadFlags: u32, Tag: u8, SystemHeteroCpuPolicy: u8, UserHeteroCpuPolicy: u8, SpecCtrl: u8, SystemCallNumber: u32, ReadyTime: u32,
  FirstArgument: ptr, TrapFrame: to('_KTRAP_FRAME'), ApcState: [0x98, KAPC_STATE], Priority: [0xc3, i8], UserIdealProcessor: [0xc4, u32],
  WaitStatus: [0xc8, i64], WaitBlockList: to('_KWAIT_BLOCK'), WaitListEntry: LIST_ENTRY, Queue: to('_DISPATCHER_HEADER'), Teb: ptr, RelativeTimerBias: u64,
  Timer: [0x100, KTIMER], WaitBlock: [0x140, array(KWAIT_BLOCK, 4)],
  ContextSwitches: [0x154, u32], State: [0x184, u8], WaitIrql: [0x186, u8], WaitMode: [0x187, i8], WaitTime: [0x1b4, u32],
  KernelApcDisable: [0x1e4, i16], SpecialApcDisable: [0x1e6, i16], CombinedApcDisable: [0x1e4, u32],
  ThreadCounters: [0x168, ptr], XStateSave: [0x198, ptr], Win32Thread: [0x1c8, ptr],
  ThreadFlags2: [0x200, u32], QueueListEntry: [0x208, LIST_ENTRY], NextProcessor: [0x218, u32], QueuePriority: [0x21c, i32], Process: [0x220, to('_KPROCESS')],
  UserAffinity: [0x228, GROUP_AFFINITY], PreviousMode: [0x232, i8], BasePriority: [0x233, i8], PriorityDecrement: [0x234, i8], Preempted: [0x235, u8],
  AdjustReason: [0x236, u8], AdjustIncrement: [0x237, i8], AffinityVersion: [0x238, u64],
  Affinity: [0x240, GROUP_AFFINITY], ApcStateIndex: [0x24a, u8], WaitBlockCount: [0x24b, u8], IdealProcessor: [0x24c, u32], NpxState: [0x250, u64],
  SavedApcState: [0x258, KAPC_STATE], WaitReason: [0x283, u8], SuspendCount: [0x284, i8], Saturation: [0x285, i8], SListFaultCount: [0x286, u16],
  SchedulerApc: [0x288, KAPC], ResourceIndex: [0x289, u8], QuantumReset: [0x28b, u8], KernelTime: [0x28c, u32], WaitPrcb: [0x2c8, to('_KPRCB')],
  LegoData: [0x2d0, ptr], CallbackNestingLevel: [0x2db, u8], UserTime: [0x2dc, u32], SuspendEvent: [0x2e0, KEVENT], ThreadListEntry: [0x2f8, LIST_ENTRY],
  MutantListHead: [0x308, LIST_ENTRY], AbEntrySummary: u8, AbWaitEntryCount: u8, AbAllocationRegionCount: u8, SystemPriority: i8, SecureThreadCookie: u32,
  LockEntries: ptr, PriorityFloorCounts: [0x338, array(u8, 16)], PriorityFloorSummary: [0x358, u32], KeReferenceCount: [0x364, i16],
  ReadOperationCount: [0x380, i64], WriteOperationCount: i64, OtherOperationCount: i64, ReadTransferCount: i64, WriteTransferCount: i64, OtherTransferCount: i64,
  QueuedScb: ptr, ThreadTimerDelay: u32, ThreadFlags3: u32, KernelWaitTime: [0x3e0, u64], UserWaitTime: u64,
}, { size: 0x430, align: 16 });
/** KTHREAD.ThreadFlags: EnableStackSwap: the kernel stack may be paged out during a wait in user mode. */
export const THREAD_ENABLE_STACK_SWAP = 1 << 4;
/** KTHREAD.ThreadFlags: DisableBoost: waking gives the thread no more than its base priority. */
export const THREAD_DISABLE_BOOST = 1 << 1;
/** KTHREAD.MiscFlags */
export const MISC_WAIT_NEXT = 1 << 2, MISC_SYSTEM_AFFINITY_ACTIVE = 1 << 3;
export const MISC_ALERTABLE = 1 << 4, MISC_TIMER_ACTIVE = 1 << 9, MISC_SYSTEM_THREAD = 1 << 10, MISC_APC_QUEUEABLE = 1 << 14;

export const KPROCESS = struct('_KPROCESS', {
  Header: DISPATCHER_HEADER, ProfileListHead: LIST_ENTRY, DirectoryTableBase: u64, ThreadListHead: LIST_ENTRY, ProcessLock: u32, ProcessTimerDelay: u32,
  DeepFreezeStartTime: u64, Affinity: KAFFINITY_EX, ReadyListHead: [0x158, LIST_ENTRY], SwapListEntry: SINGLE_LIST_ENTRY, ActiveProcessors: [0x170, KAFFINITY_EX],
  ProcessFlags: [0x278, i32], ActiveGroupsMask: u32, BasePriority: i8, QuantumReset: i8, Visited: i8, Flags: u8, ThreadSeed: [0x284, array(u16, 20)],
  IdealProcessor: [0x2c4, array(u16, 20)], IdealNode: [0x304, array(u16, 20)], IdealGlobalNode: [0x344, u16], StackCount: [0x348, u32],
  ProcessListEntry: [0x350, LIST_ENTRY], CycleTime: u64, ContextSwitches: u64, SchedulingGroup: ptr, FreezeCount: u32, KernelTime: u32, UserTime: u32, ReadyTime: u32,
  UserDirectoryTableBase: u64, AddressPolicy: u8, InstrumentationCallback: [0x3d8, ptr], SecureState: u64, KernelWaitTime: u64, UserWaitTime: u64,
}, { size: 0x438 });

/** Addresses that a KTB_FLUSH_PACKET has room for. */
export const MAXIMUM_FLUSH_ADDRESSES = 14;
/** This kernel's own: what a processor wants the others to drop from their TLBs: who has yet to do so (a bit each), and the addresses. */
export const KTB_FLUSH_PACKET = struct('_KTB_FLUSH_PACKET', { Pending: u32, Count: u32, Addresses: array(ptr, MAXIMUM_FLUSH_ADDRESSES) }, { size: 0x78 });

export const ISRDPCSTATS = struct('_ISRDPCSTATS', {
  IsrTime: u64, IsrTimeStart: u64, IsrCount: u64, DpcTime: u64, DpcTimeStart: u64, DpcCount: u64, IsrActive: u8,
}, { size: 0x40 });

export const KINTERRUPT = struct('_KINTERRUPT', {
  Type: i16, Size: i16, InterruptListEntry: [8, LIST_ENTRY], ServiceRoutine: ptr, MessageServiceRoutine: ptr, MessageIndex: u32, ServiceContext: [0x30, ptr],
  SpinLock: u64, TickCount: u32, ActualLock: [0x48, ptr], DispatchAddress: ptr, Vector: u32, Irql: u8, SynchronizeIrql: u8, FloatingSave: u8, Connected: u8,
  Number: u32, ShareVector: u8, EmulateActiveBoth: u8, ActiveCount: u16, InternalState: i32, Mode: u32, Polarity: u32, ServiceCount: u32, DispatchCount: u32,
  PassiveEvent: [0x80, to('_KEVENT')], TrapFrame: to('_KTRAP_FRAME'), DisconnectData: ptr, ServiceThread: to('_KTHREAD'), ConnectionData: ptr, IntTrackEntry: ptr,
  IsrDpcStats: ISRDPCSTATS, RedirectObject: [0xf0, ptr],
}, { size: 0x100 });

export const KTIMER_TABLE_ENTRY = struct('_KTIMER_TABLE_ENTRY', { Lock: u64, Entry: LIST_ENTRY, Time: u64 });
/** 256 lists of timers (twice: high-resolution ones apart), a timer is in the list of its due time's clock tick modulo 256. */
export const KTIMER_TABLE = struct('_KTIMER_TABLE', {
  TimerExpiry: array(ptr, 64), TimerEntries: array(KTIMER_TABLE_ENTRY, 512),
}, { size: 0x4218 });

export const KSYSTEM_TIME = struct('_KSYSTEM_TIME', { LowPart: u32, High1Time: i32, High2Time: i32 });

/** Page that every process sees read-only at 7FFE0000h and the kernel at FFFFF780`00000000. */
export const KUSER_SHARED_DATA = struct('_KUSER_SHARED_DATA', {
  TickCountLowDeprecated: u32, TickCountMultiplier: u32, InterruptTime: KSYSTEM_TIME, SystemTime: KSYSTEM_TIME, TimeZoneBias: KSYSTEM_TIME,
  ImageNumberLow: u16, ImageNumberHigh: u16, NtSystemRoot: array(u16, 260), MaxStackTraceDepth: u32, CryptoExponent: u32, TimeZoneId: u32, LargePageMinimum: u32,
  AitSamplingValue: u32, AppCompatFlag: u32, RNGSeedVersion: u64, GlobalValidationRunlevel: u32, TimeZoneBiasStamp: i32, NtBuildNumber: u32, NtProductType: u32,
  ProductTypeIsValid: u8, NativeProcessorArchitecture: [0x26a, u16], NtMajorVersion: u32, NtMinorVersion: u32, ProcessorFeatures: array(u8, 64),
  TimeSlip: [0x2bc, u32], AlternativeArchitecture: u32, BootId: u32, SystemExpirationDate: i64, SuiteMask: u32, KdDebuggerEnabled: u8, MitigationPolicies: u8,
  CyclesPerYield: u16, ActiveConsoleId: u32, DismountCount: u32, ComPlusPackage: u32, LastSystemRITEventTickCount: u32, NumberOfPhysicalPages: u32, SafeBootMode: u8,
  VirtualizationFlags: u8, SharedDataFlags: [0x2f0, u32], TestRetInstruction: [0x2f8, u64], QpcFrequency: i64, SystemCall: u32, TickCount: [0x320, KSYSTEM_TIME],
  TickCountQuad: [0x320, u64], Cookie: [0x330, u32], ConsoleSessionForegroundProcessId: [0x338, i64], TimeUpdateLock: u64, BaselineSystemTimeQpc: u64,
  BaselineInterruptTimeQpc: u64, QpcSystemTimeIncrement: u64, QpcInterruptTimeIncrement: u64, QpcSystemTimeIncrementShift: u8, QpcInterruptTimeIncrementShift: u8,
  UnparkedProcessorCount: u16, ImageFileExecutionOptions: [0x3a0, u32], LangGenerationCount: u32,
  InterruptTimeBias: [0x3b0, u64], QpcBias: u64, ActiveProcessorCount: u32, ActiveGroupCount: u8, QpcData: [0x3c6, u16], TimeZoneBiasEffectiveStart: [0x3c8, i64],
  TimeZoneBiasEffectiveEnd: i64, XState: [0x3d8, u64],
}, { size: 0x720 });
