import { array, i32, i64, ptr, struct, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { LIST_ENTRY } from './rtl.ts';
import { KPROCESS, KSEMAPHORE, KTHREAD } from './ke.ts';

export const CLIENT_ID = struct('_CLIENT_ID', { UniqueProcess: ptr, UniqueThread: ptr });

export const ETHREAD = struct('_ETHREAD', {
  Tcb: KTHREAD, CreateTime: i64, ExitTime: i64, KeyedWaitChain: [0x438, LIST_ENTRY], PostBlockList: [0x448, LIST_ENTRY], StartAddress: [0x450, ptr],
  TerminationPort: ptr, ActiveTimerListLock: u64, ActiveTimerListHead: LIST_ENTRY, Cid: CLIENT_ID, KeyedWaitSemaphore: KSEMAPHORE, ClientSecurity: u64,
  IrpList: LIST_ENTRY, TopLevelIrp: u64, DeviceToVerify: to('_DEVICE_OBJECT'), Win32StartAddress: ptr, ChargeOnlySession: ptr, LegacyPowerObject: ptr,
  ThreadListEntry: LIST_ENTRY, RundownProtect: u64, ThreadLock: u64, ReadClusterSize: u32, MmLockOrdering: i32, CrossThreadFlags: u32, SameThreadPassiveFlags: u32,
  SameThreadApcFlags: u32, CacheManagerActive: u8, DisablePageFaultClustering: u8, ActiveFaultCount: u8, LockOrderState: u8, AlpcMessageId: [0x528, u64],
  ExitStatus: [0x548, i32], CacheManagerCount: u32, IoBoostCount: u32, IoQoSBoostCount: u32, IoQoSThrottleCount: u32, KernelStackReference: u32,
  BoostList: LIST_ENTRY, DeboostList: LIST_ENTRY, BoostListLock: u64, IrpListLock: u64, WorkOnBehalfThread: [0x5c0, ptr], UserFsBase: [0x5e8, u64], UserGsBase: u64,
  ThreadName: [0x610, to('_UNICODE_STRING')],
}, { size: 0x898, align: 16 });
/** ETHREAD.CrossThreadFlags */
export const CTF_TERMINATED = 1, CTF_THREAD_INSERTED = 2;
export const CTF_HIDE_FROM_DEBUGGER = 4, CTF_BREAK_ON_TERMINATION = 0x20;
/** ETHREAD.CrossThreadFlags: three bits each from here: IO_PRIORITY_HINT, and the priority of the thread's pages. */
export const CTF_IO_PRIORITY_SHIFT = 9, CTF_PAGE_PRIORITY_SHIFT = 12;
/** ETHREAD.SameThreadPassiveFlags: a worker thread is carrying out a work item. */
export const STF_ACTIVE_EX_WORKER = 1;

export const EPROCESS = struct('_EPROCESS', {
  Pcb: KPROCESS, ProcessLock: u64, UniqueProcessId: ptr, ActiveProcessLinks: LIST_ENTRY, RundownProtect: u64, Flags2: u32, Flags: u32, CreateTime: i64,
  ProcessQuotaUsage: array(u64, 2), ProcessQuotaPeak: array(u64, 2), PeakVirtualSize: u64, VirtualSize: u64, SessionProcessLinks: LIST_ENTRY, ExceptionPortData: ptr,
  Token: u64, MmReserved: u64, AddressCreationLock: u64, PageTableCommitmentLock: u64, NumberOfPrivatePages: [0x4f8, u64], NumberOfLockedPages: u64, Win32Process: ptr,
  Job: ptr, SectionObject: ptr, SectionBaseAddress: ptr, Cookie: u32, WorkingSetWatch: [0x530, ptr], Win32WindowStation: ptr, InheritedFromUniqueProcessId: ptr,
  OwnerProcessId: u64, Peb: ptr, Session: ptr, Spare1: ptr, QuotaBlock: ptr, ObjectTable: to('_HANDLE_TABLE'), DebugPort: ptr, WoW64Process: ptr, DeviceMap: ptr,
  EtwDataSource: ptr, PageDirectoryPte: u64, ImageFilePointer: to('_FILE_OBJECT'), ImageFileName: array(u8, 15), PriorityClass: u8, SecurityPort: ptr,
  SeAuditProcessCreationInfo: ptr, JobLinks: LIST_ENTRY, HighestUserAddress: ptr, ThreadListHead: LIST_ENTRY, ActiveThreads: u32, ImagePathHash: u32,
  DefaultHardErrorProcessing: u32, LastThreadExitStatus: i32, ReadOperationCount: [0x610, i64], WriteOperationCount: i64, OtherOperationCount: i64,
  ReadTransferCount: i64, WriteTransferCount: i64, OtherTransferCount: i64, CommitChargeLimit: u64, CommitCharge: u64, CommitChargePeak: u64,
  MmProcessLinks: [0x7c0, LIST_ENTRY], ModifiedPageCount: u32, ExitStatus: i32, VadRoot: u64, VadHint: ptr, VadCount: u64, ExitTime: [0x840, i64],
  ActiveThreadsHighWatermark: [0x858, u32], ThreadListLock: [0x860, u64], SignatureLevel: [0x878, u8], SectionSignatureLevel: u8, Protection: u8, HangCount: u8, Flags3: u32,
  SequenceNumber: [0x8f8, u64], CreateInterruptTime: u64,
}, { size: 0xa40, align: 16 });
/** EPROCESS.Flags */
export const PSF_CREATE_REPORTED = 1, PSF_PROCESS_EXITING = 4, PSF_PROCESS_DELETE = 8;

/** A registered notify routine: its function, run-down protection while it is called, and how it was registered. */
export const NOTIFY_SLOT = struct('_PSP_NOTIFY_SLOT', { Function: ptr, Rundown: u64, Kind: u32 }, { align: 8 });

/** What a process notify routine of the extended kind is told of a new process. */
export const PS_CREATE_NOTIFY_INFO = struct('_PS_CREATE_NOTIFY_INFO', {
  Size: u64, Flags: u32, ParentProcessId: [0x10, ptr], CreatingThreadId: CLIENT_ID, FileObject: ptr, ImageFileName: to('_UNICODE_STRING'),
  CommandLine: to('_UNICODE_STRING'), CreationStatus: i32,
}, { align: 8 });

/** What an image notify routine is told. Properties: addressing mode in bits 0-7, bit 8 system mode. */
export const IMAGE_INFO = struct('_IMAGE_INFO', { Properties: u32, ImageBase: [8, ptr], ImageSelector: u32, ImageSize: [0x18, u64], ImageSectionNumber: u32 }, { align: 8 });
export const IMAGE_ADDRESSING_MODE_32BIT = 3, IMAGE_SYSTEM_MODE_IMAGE = 0x100;
