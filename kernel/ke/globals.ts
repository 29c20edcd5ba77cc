import { KTB_FLUSH_PACKET } from '../types/ke.ts';
import { MAXIMUM_PROCESSORS } from './processor.ts';
import { array, i64, ptr, u32, u64, u8 } from '../types/struct.ts';

/** Size in bytes of the ring in which DbgPrint's text is kept (NT's default print buffer is 4 KiB; one page is too little to be useful here). */
export const KD_PRINT_BUFFER_SIZE = 0x8000;
/** Slots for imports that no routine answers: see image/traps. */
export const ABSENT_SLOTS = 1024;

/** Components of debug messages (DPFLTR_*_ID) that a filter is kept for. */
export const DEBUG_COMPONENTS = 160;

/** Queued spin locks of the system (KSPIN_LOCK_QUEUE_NUMBER). */
export const QUEUED_SPIN_LOCKS = 17;

/** Variables of ke in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. */
export const keGlobals = {
  /** 0 while phase 0 or 1 runs, 2 when the system has come up. */
  InitializationPhase: u32,
  /** What the boot loader says about physical memory: see BootMemory in mm/layout.ts. */
  LoaderFirstFreePage: u32,
  LoaderPages: u32,
  LoaderPoolBase: u64,
  LoaderPoolSize: u64,
  LoaderDirectoryTable: u64,
  /** State of the generator behind cookies and other random numbers of the kernel; starts with the machine's seed. */
  KiRandomState: u64,
  /** The system's queued spin locks, by number. */
  KiQueuedSpinLocks: array(u64, QUEUED_SPIN_LOCKS),
  /** KAFFINITY of the processors that have been started. */
  KeActiveProcessors: u64,
  KeBugcheckCallbackListHead: array(ptr, 2),
  KeBugCheckReasonCallbackListHead: array(ptr, 2),
  /** The routine of the driver that has the display (HalAcquireDisplayOwnership), or 0. */
  HalpResetDisplayParameters: ptr,
  /** The boot screen: INBV_DISPLAY_STATE, whether texts are not shown, their colour. */
  InbvDisplayState: u32,
  InbvStringsHidden: u32,
  InbvTextColor: u32,
  /** By component: the levels (a bit each) whose messages are not shown. */
  KdpHiddenLevels: array(u32, DEBUG_COMPONENTS),
  /** A driver has the performance counters (HalAllocateHardwareCounters). */
  HalpCountersTaken: u32,
  /** What bug check routines handed over (ke/bugcallback.ts): record, reason, address, length. */
  KiBugCheckKeptCount: u32,
  KiBugCheckKept: array(u64, 64),
  KiBugCheckSecondaryBuffer: array(u8, 0x400),
  /** Bug check code and its four parameters; the code is 0 while the system lives. */
  KiBugCheckData: array(u64, 5),
  /** Instruction at fault, or 0. */
  KiBugCheckAddress: ptr,
  KiBugCheckIrp: ptr,
  KiBugCheckCycle: u64,
  KiBugCheckCpu: u32,
  KiBugCheckIrql: u32,
  /** ASCIIZ text that explains the stop (a verifier rule, the name of an absent routine), or 0. */
  KiBugCheckText: ptr,
  KiBugCheckTextBuffer: array(u8, 256),
  /** RIP, RSP, RBP, RBX, RSI, RDI, R12-R15 of the code that stopped, for walking its stack. */
  KiBugCheckContext: array(u64, 10),
  /** Clock: increment in 100 ns units, boot time, total ticks at which the watchdog fires. */
  /** Performance counter when interrupt time was 0. */
  KiClockStart: u64,
  KeMaximumIncrement: u32,
  KeDpcWatchdogTicks: u32,
  KeBootTime: i64,
  /** By processor: timer hand that the last clock interrupt looked at; whether timers wait to be expired. */
  KiLastTimerHand: array(u32, MAXIMUM_PROCESSORS),
  KiTimerExpiryRequested: array(u32, MAXIMUM_PROCESSORS),
  /** DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK, whose address is a parameter of DPC_WATCHDOG_VIOLATION: signature and revision. */
  KeDpcWatchdogTriageBlock: array(u32, 8),
  /** By processor: what others ask of it by an interprocessor interrupt (ke/ipi.ts). */
  KiIpiRequest: array(u32, MAXIMUM_PROCESSORS),
  /** By processor: translations that it wants the others to drop. */
  KiTbFlushPacket: array(KTB_FLUSH_PACKET, MAXIMUM_PROCESSORS),
  /** KeIpiGenericCall: whether one is under way, its routine and argument, how many processors have come to it and how many have finished. */
  KiIpiCallActive: u32,
  KiIpiCallArrived: u32,
  KiIpiCallDone: u32,
  KiIpiCallRoutine: ptr,
  KiIpiCallContext: u64,
  /** KeGenericCallDpc: one at a time. */
  KiGenericCallDpcActive: u32,
  /** Routines for non-maskable interrupts, a singly linked list (ke/nmi.ts). */
  KiNmiCallbackListHead: ptr,
  /** Processors that a bug check has stopped, a bit each, and the KTRAP_FRAMEs of what they ran. */
  KiFrozenProcessors: u32,
  KiFrozenTrapFrame: array(ptr, MAXIMUM_PROCESSORS),
  /** What KeSetTimeUpdateNotifyRoutine set, or 0. */
  KiTimeUpdateNotifyRoutine: ptr,
  /** Interrupts that nobody had connected, by count. */
  KiUnexpectedInterruptCount: u32,
  /** I/O APIC redirection: vector + 1 that each pin was given, 0 for none. */
  HalpPinVector: array(u32, 24),
  /** Names (ASCIIZ in pool) of absent routines by trap slot. */
  KiAbsentCount: u32,
  KiAbsentNames: array(ptr, ABSENT_SLOTS),
  /** DbgPrint ring: total bytes ever written; the byte n is at n mod size. */
  KdPrintWritten: u64,
  KdPrintBuffer: array(u8, KD_PRINT_BUFFER_SIZE),
  /** Kernel stacks: see ke/stack.ts. */
  KiStackFreeList: ptr,
  KiLargeStackFreeList: ptr,
  KiStackNextSlot: u32,
  KiStackCount: u32,
} as const;
