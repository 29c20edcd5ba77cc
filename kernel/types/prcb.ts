import { array, i16, i32, i64, i8, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { LIST_ENTRY, SINGLE_LIST_ENTRY } from './rtl.ts';
import { SLIST_HEADER, GENERAL_LOOKASIDE_POOL } from './ex.ts';
import { KDPC, KDPC_DATA, KGATE, KSPIN_LOCK_QUEUE, KTIMER_TABLE } from './ke.ts';
import { KPROCESSOR_STATE } from './trap.ts';

export const PP_LOOKASIDE_LIST = struct('_PP_LOOKASIDE_LIST', { P: to('_GENERAL_LOOKASIDE'), L: to('_GENERAL_LOOKASIDE') });

/** All that belongs to one processor. */
export const KPRCB = struct('_KPRCB', {
  MxCsr: u32, LegacyNumber: u8, ReservedMustBeZero: u8, InterruptRequest: u8, IdleHalt: u8, CurrentThread: to('_KTHREAD'), NextThread: to('_KTHREAD'),
  IdleThread: to('_KTHREAD'), NestingLevel: u8, ClockOwner: u8, PendingTickFlags: u8, IdleState: u8, Number: u32, RspBase: u64, PrcbLock: u64, PriorityState: ptr,
  CpuType: i8, CpuID: i8, CpuStep: u16, MHz: u32, HalReserved: array(u64, 8), MinorVersion: u16, MajorVersion: u16, BuildType: u8, CpuVendor: u8,
  CoresPerPhysicalProcessor: u8, LogicalProcessorsPerCore: u8, TscFrequency: u64, ParentNode: [0xc0, ptr], GroupSetMember: u64, Group: u8, GroupIndex: u8,
  InitialApicId: [0xd4, u32], ScbOffset: u32, ApicMask: u32, AcpiReserved: ptr, CFlushSize: u32, PrcbFlags: u32, ProcessorState: [0x100, KPROCESSOR_STATE],
  ProcessorSignature: [0x6c8, u32], ProcessorFlags: u32, LockQueue: [0x6f0, array(KSPIN_LOCK_QUEUE, 17)], PPLookasideList: [0x800, array(PP_LOOKASIDE_LIST, 16)],
  PPNxPagedLookasideList: [0x900, array(GENERAL_LOOKASIDE_POOL, 32)], PPNPagedLookasideList: [0x1500, array(GENERAL_LOOKASIDE_POOL, 32)],
  PPPagedLookasideList: [0x2100, array(GENERAL_LOOKASIDE_POOL, 32)], DeferredReadyListHead: [0x2d08, SINGLE_LIST_ENTRY],
  MmPageFaultCount: [0x2d10, i32], KeSystemCalls: [0x2d38, u32], KeContextSwitches: u32, IoReadOperationCount: [0x2d5c, i32], IoWriteOperationCount: i32,
  IoOtherOperationCount: i32, IoReadTransferCount: i64, IoWriteTransferCount: i64, IoOtherTransferCount: i64, PacketBarrier: i32, TargetCount: i32, IpiFrozen: u32,
  IsrDpcStats: [0x2d90, ptr], DeviceInterrupts: u32, LookasideIrpFloat: i32, InterruptLastCount: u32, InterruptRate: u32, PairPrcb: [0x2db0, to('_KPRCB')],
  InterruptObjectPool: [0x3080, SLIST_HEADER], CurrentDpcRoutine: [0x30a0, ptr], CurrentDpcStartTime: [0x30b0, u64], DpcData: [0x30c0, array(KDPC_DATA, 2)],
  DpcStack: [0x3110, ptr], MaximumDpcQueueDepth: i32, DpcRequestRate: u32, MinimumDpcRate: u32, DpcLastCount: u32, ThreadDpcEnable: u8, QuantumEnd: u8,
  DpcRoutineActive: u8, IdleSchedule: u8, DpcRequestSummary: [0x312c, i32], NormalDpcState: [0x312c, i16], ThreadDpcState: [0x312e, i16], LastTick: [0x3134, u32],
  ClockInterrupts: u32, ReadyScanTick: u32, InterruptObject: [0x3140, array(ptr, 256)], TimerTable: [0x3940, KTIMER_TABLE], DpcGate: [0x7b80, KGATE],
  CallDpc: [0x7ba0, KDPC], ClockKeepAlive: i32, NmiActive: [0x7be6, u8], MceActive: u8, DpcWatchdogPeriod: i32, DpcWatchdogCount: i32, KeSpinLockOrdering: i32,
  DpcWatchdogProfileCumulativeDpcThreshold: u32, CachedPtes: ptr, WaitListHead: LIST_ENTRY, WaitLock: u64, ReadySummary: u32, AffinitizedSelectionMask: i32,
  QueueIndex: u32, DpcWatchdogSequenceNumber: [0x7c2c, u32], TimerExpirationDpc: [0x7c30, KDPC], ScbQueue: [0x7c70, array(u64, 2)],
  DispatcherReadyListHead: [0x7c80, array(LIST_ENTRY, 32)], InterruptCount: u32, KernelTime: u32, UserTime: u32, DpcTime: u32, InterruptTime: u32,
  AdjustDpcThreshold: u32, DebuggerSavedIRQL: u8, DpcTimeCount: [0x7e9c, u32], DpcTimeLimit: u32, PeriodicCount: u32, PeriodicBias: u32, AvailableTime: u32,
  KeExceptionDispatchCount: u32, ReadyThreadCount: u32, ReadyQueueExpectedRunTime: u64, StartCycles: u64, DpcWatchdogProfileSingleDpcThreshold: [0x7f00, u32],
  CachedStack: [0x7f08, ptr], PageColor: u32, ExceptionStackActive: [0x7f26, u8], ExceptionStack: [0x7f28, ptr], CycleTime: [0x7f38, u64],
}, { size: 0xaf00, align: 64 });
/** KPRCB.DpcRequestSummary */
export const DPC_NORMAL_PROCESSING_ACTIVE = 1, DPC_NORMAL_PROCESSING_REQUESTED = 2, DPC_NORMAL_TIMER_EXPIRATION = 8;

/** GS base in kernel mode. The PRCB is part of it: gs:[188h] is the current thread, gs:[1A4h] the processor's number. */
export const KPCR = struct('_KPCR', {
  GdtBase: ptr, TssBase: to('_KTSS64'), UserRsp: u64, Self: to('_KPCR'), CurrentPrcb: to('_KPRCB'), LockArray: ptr, Used_Self: ptr, IdtBase: to('_KIDTENTRY64'),
  Irql: [0x50, u8], SecondLevelCacheAssociativity: u8, ObsoleteNumber: u8, MajorVersion: [0x60, u16], MinorVersion: u16, StallScaleFactor: u32,
  KernelReserved: [0x80, array(u32, 15)], SecondLevelCacheSize: u32, HalReserved: array(u32, 16), KdVersionBlock: [0x108, ptr], Prcb: [0x180, KPRCB],
}, { align: 4096 });
