/**
 * THREADINFOCLASS: what can be asked of a thread and what can be set. Source: the pages of ZwSetInformationThread, NtQueryInformationThread and GetThreadInformation, ntddk.h for
 * the numbers and structures. Where the documentation says no more than a name, this machine does what Windows 10 is known to answer.
 */
import { setThreadAffinity, setThreadPriority } from '../ke/ready.ts';
import { activeProcessors } from '../ke/processor.ts';
import { performanceCounter } from '../ke/time.ts';
import type { Kernel } from '../kernel.ts';
import { previousMode } from '../ob/mode.ts';
import { readString, wide } from '../ob/string.ts';
import { isListEmpty } from '../rtl/list.ts';
import { currentSubject, effectiveToken } from '../se/subject.ts';
import { hasPrivilege, SeDebugPrivilege, SeIncreaseBasePriorityPrivilege } from '../se/token.ts';
import { KernelMode, KTHREAD, THREAD_DISABLE_BOOST } from '../types/ke.ts';
import {
  CLIENT_ID,
  CTF_BREAK_ON_TERMINATION,
  CTF_HIDE_FROM_DEBUGGER,
  CTF_IO_PRIORITY_SHIFT,
  CTF_PAGE_PRIORITY_SHIFT,
  CTF_TERMINATED,
  EPROCESS,
  ETHREAD,
} from '../types/ps.ts';
import {
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
  STATUS_UNSUCCESSFUL,
} from '../types/status.ts';
import { nameThread } from './name.ts';

const T = KTHREAD.f,
  E = ETHREAD.f;

export const ThreadBasicInformation = 0,
  ThreadTimes = 1,
  ThreadPriority = 2,
  ThreadBasePriority = 3,
  ThreadAffinityMask = 4,
  ThreadImpersonationToken = 5,
  ThreadQuerySetWin32StartAddress = 9,
  ThreadPerformanceCount = 11,
  ThreadAmILastThread = 12,
  ThreadIdealProcessor = 13,
  ThreadPriorityBoost = 14,
  ThreadIsIoPending = 16,
  ThreadHideFromDebugger = 17,
  ThreadBreakOnTermination = 18,
  ThreadIsTerminated = 20,
  ThreadLastSystemCall = 21,
  ThreadIoPriority = 22,
  ThreadCycleTime = 23,
  ThreadPagePriority = 24,
  ThreadActualBasePriority = 25,
  ThreadGroupInformation = 30,
  ThreadIdealProcessorEx = 33,
  ThreadSuspendCount = 35,
  ThreadNameInformation = 38,
  ThreadActualGroupAffinity = 41,
  ThreadSubsystemInformation = 45,
  ThreadPowerThrottlingState = 49;

const HIGH_PRIORITY = 31,
  LOW_REALTIME_PRIORITY = 16,
  /** MEMORY_PRIORITY_VERY_LOW to MEMORY_PRIORITY_NORMAL. */
  LOWEST_PAGE_PRIORITY = 1,
  HIGHEST_PAGE_PRIORITY = 5,
  /** IoPriorityNormal; what lies above it only the kernel may give. */
  IO_PRIORITY_NORMAL = 2,
  IO_PRIORITY_CRITICAL = 4;
/** POWER_THROTTLING_THREAD_STATE: version, and the mechanisms that there are. */
const THROTTLING_VERSION = 1,
  THROTTLE_EXECUTION_SPEED = 1;
/** KTHREAD.ThreadFlags3 here: the power throttling state, which mechanisms are controlled and which are on. */
const THROTTLING_CONTROLLED = 1 << 30,
  THROTTLING_ON = 1 << 31;

/** What is written out, as the structure of a class. */
export interface ThreadAnswer {
  size: number;
  write(to: number): void;
}

const bit = (k: Kernel, thread: number, flag: number): boolean => (E.CrossThreadFlags.get(k.mem, thread) & flag) !== 0;

function setBits(k: Kernel, thread: number, mask: number, value: number): void {
  E.CrossThreadFlags.set(k.mem, thread, ((E.CrossThreadFlags.get(k.mem, thread) & ~mask) | value) >>> 0);
}

/** GROUP_AFFINITY: there is one group. */
function writeGroupAffinity(k: Kernel, to: number, mask: bigint): void {
  k.mem.write64(to, mask);
  k.mem.write64(to + 8, 0n);
}

const affinityOf = (k: Kernel, thread: number): bigint => k.mem.read64(thread + T.UserAffinity.offset);

/** The answer of a class; a status when there is none. */
export function threadInformation(k: Kernel, thread: number, kind: number): ThreadAnswer | number {
  const { mem } = k;
  const ulong = (value: number): ThreadAnswer => ({ size: 4, write: to => mem.write32(to, value >>> 0) });
  const u64 = (value: bigint): ThreadAnswer => ({ size: 8, write: to => mem.write64(to, BigInt.asUintN(64, value)) });
  const flags = E.CrossThreadFlags.get(mem, thread);
  switch (kind) {
    case ThreadBasicInformation:
      return {
        size: 0x30,
        write(to) {
          mem.write32(to, E.ExitStatus.get(mem, thread) >>> 0);
          mem.writePtr(to + 8, T.Teb.get(mem, thread));
          mem.copy(to + 16, thread + E.Cid.offset, CLIENT_ID.size);
          mem.write64(to + 32, affinityOf(k, thread));
          mem.write32(to + 40, T.Priority.get(mem, thread) >>> 0);
          mem.write32(to + 44, T.BasePriority.get(mem, thread) >>> 0);
        },
      };
    case ThreadTimes:
      return {
        size: 0x20,
        write(to) {
          const ticks = (field: 'KernelTime' | 'UserTime'): bigint =>
            BigInt(T[field].get(mem, thread)) * BigInt(k.config.clockPeriod);
          mem.write64(to, BigInt.asUintN(64, E.CreateTime.get(mem, thread)));
          mem.write64(to + 8, bit(k, thread, CTF_TERMINATED) ? BigInt.asUintN(64, E.ExitTime.get(mem, thread)) : 0n);
          mem.write64(to + 16, ticks('KernelTime'));
          mem.write64(to + 24, ticks('UserTime'));
        },
      };
    case ThreadQuerySetWin32StartAddress:
      return { size: 8, write: to => mem.writePtr(to, E.Win32StartAddress.get(mem, thread)) };
    case ThreadPerformanceCount:
      return u64(performanceCounter(k));
    case ThreadAmILastThread:
      return ulong(EPROCESS.f.ActiveThreads.get(mem, T.Process.get(mem, k.currentThread())) === 1 ? 1 : 0);
    case ThreadPriorityBoost:
      return ulong(T.ThreadFlags.get(mem, thread) & THREAD_DISABLE_BOOST ? 1 : 0);
    case ThreadIsIoPending:
      return ulong(isListEmpty(mem, thread + E.IrpList.offset) ? 0 : 1);
    case ThreadHideFromDebugger:
      return { size: 1, write: to => mem.write8(to, bit(k, thread, CTF_HIDE_FROM_DEBUGGER) ? 1 : 0) };
    case ThreadBreakOnTermination:
      return ulong(bit(k, thread, CTF_BREAK_ON_TERMINATION) ? 1 : 0);
    case ThreadIsTerminated:
      return ulong(bit(k, thread, CTF_TERMINATED) ? 1 : 0);
    case ThreadLastSystemCall:
      // Of a thread that runs it is not known.
      if (thread === k.currentThread() || !T.Teb.get(mem, thread)) return STATUS_UNSUCCESSFUL;
      return {
        size: 16,
        write(to) {
          mem.writePtr(to, T.FirstArgument.get(mem, thread));
          mem.write16(to + 8, T.SystemCallNumber.get(mem, thread));
        },
      };
    case ThreadIoPriority:
      return ulong((flags >>> CTF_IO_PRIORITY_SHIFT) & 7);
    case ThreadCycleTime:
      return {
        size: 16,
        write(to) {
          mem.write64(to, T.CycleTime.get(mem, thread));
          mem.write64(to + 8, 0n);
        },
      };
    case ThreadPagePriority:
      return ulong((flags >>> CTF_PAGE_PRIORITY_SHIFT) & 7);
    case ThreadActualBasePriority:
      return ulong(T.BasePriority.get(mem, thread));
    case ThreadGroupInformation:
      return { size: 16, write: to => writeGroupAffinity(k, to, affinityOf(k, thread)) };
    case ThreadActualGroupAffinity:
      return { size: 16, write: to => writeGroupAffinity(k, to, mem.read64(thread + T.Affinity.offset)) };
    case ThreadIdealProcessorEx:
      return ulong(T.UserIdealProcessor.get(mem, thread) << 16);
    case ThreadSuspendCount:
      return ulong(T.SuspendCount.get(mem, thread));
    case ThreadNameInformation: {
      const block = E.ThreadName.get(mem, thread);
      const name = wide(block ? readString(k, block) : '');
      return {
        size: 16 + name.length,
        write(to) {
          mem.write16(to, name.length);
          mem.write16(to + 2, name.length);
          mem.writePtr(to + 8, name.length ? to + 16 : 0);
          mem.writeBytes(to + 16, name);
        },
      };
    }
    case ThreadSubsystemInformation:
      return ulong(0);
    case ThreadPowerThrottlingState: {
      const state = T.ThreadFlags3.get(mem, thread);
      return {
        size: 12,
        write(to) {
          mem.write32(to, THROTTLING_VERSION);
          mem.write32(to + 4, state & THROTTLING_CONTROLLED ? THROTTLE_EXECUTION_SPEED : 0);
          mem.write32(to + 8, state & THROTTLING_ON ? THROTTLE_EXECUTION_SPEED : 0);
        },
      };
    }
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

/** A priority that the thread keeps. */
function setPriority(k: Kernel, thread: number, priority: number): void {
  T.BasePriority.set(k.mem, thread, priority);
  T.PriorityDecrement.set(k.mem, thread, 0);
  setThreadPriority(k, thread, priority);
}

const allowed = (k: Kernel, privilege: number): boolean =>
  previousMode(k) === KernelMode || hasPrivilege(k, effectiveToken(currentSubject(k)), privilege);

/** ThreadAffinityMask and ThreadGroupInformation: active processors only, and at least one. */
function setAffinity(k: Kernel, thread: number, mask: bigint, group: number): number {
  const wanted = mask < 0x100000000n ? Number(mask) : 0;
  if (wanted === 0 || group !== 0 || (wanted & ~activeProcessors(k)) !== 0) return STATUS_INVALID_PARAMETER;
  k.mem.write64(thread + T.UserAffinity.offset, mask);
  setThreadAffinity(k, thread, wanted);
  return STATUS_SUCCESS;
}

function setIdealProcessor(k: Kernel, thread: number, number: number): number {
  if (number > 31 || !((activeProcessors(k) >> number) & 1)) return STATUS_INVALID_PARAMETER;
  T.IdealProcessor.set(k.mem, thread, number);
  T.UserIdealProcessor.set(k.mem, thread, number);
  return STATUS_SUCCESS;
}

/** The sizes that the classes which can be set have; HideFromDebugger has nothing to say. */
const SET_SIZES: { readonly [kind: number]: number } = {
  [ThreadPriority]: 4,
  [ThreadBasePriority]: 4,
  [ThreadAffinityMask]: 8,
  [ThreadQuerySetWin32StartAddress]: 8,
  [ThreadIdealProcessor]: 4,
  [ThreadPriorityBoost]: 4,
  [ThreadHideFromDebugger]: 0,
  [ThreadBreakOnTermination]: 4,
  [ThreadIoPriority]: 4,
  [ThreadPagePriority]: 4,
  [ThreadActualBasePriority]: 4,
  [ThreadGroupInformation]: 16,
  [ThreadIdealProcessorEx]: 4,
  [ThreadNameInformation]: 16,
  [ThreadPowerThrottlingState]: 12,
};

/** Sets a class of `length` bytes at `from`. ThreadImpersonationToken is the reference monitor's. */
export function setThreadInformation(k: Kernel, thread: number, kind: number, from: number, length: number): number {
  const { mem } = k;
  const size = SET_SIZES[kind];
  if (size === undefined) return STATUS_INVALID_INFO_CLASS;
  if (length !== size) return STATUS_INFO_LENGTH_MISMATCH;
  if (previousMode(k) !== KernelMode && from % 4 !== 0) return STATUS_DATATYPE_MISALIGNMENT;
  const value = size === 4 ? mem.readI32(from) : 0;
  switch (kind) {
    case ThreadPriority:
      if (value <= 0 || value > HIGH_PRIORITY) return STATUS_INVALID_PARAMETER;
      if (value >= LOW_REALTIME_PRIORITY && !allowed(k, SeIncreaseBasePriorityPrivilege)) return STATUS_PRIVILEGE_NOT_HELD;
      setPriority(k, thread, value);
      return STATUS_SUCCESS;
    case ThreadBasePriority: {
      // An increment over the process's; +15 and -15 mean the end of the class's range.
      if ((value < -2 || value > 2) && value !== -15 && value !== 15) return STATUS_INVALID_PARAMETER;
      const own = T.BasePriority.get(mem, thread);
      const realTime = own >= LOW_REALTIME_PRIORITY;
      const [low, high] = realTime ? [LOW_REALTIME_PRIORITY, HIGH_PRIORITY] : [1, LOW_REALTIME_PRIORITY - 1];
      setPriority(k, thread, Math.max(low, Math.min(high, own + value)));
      return STATUS_SUCCESS;
    }
    case ThreadActualBasePriority:
      if (value <= 0 || value > HIGH_PRIORITY) return STATUS_INVALID_PARAMETER;
      if (value > T.BasePriority.get(mem, thread) && !allowed(k, SeIncreaseBasePriorityPrivilege))
        return STATUS_PRIVILEGE_NOT_HELD;
      setPriority(k, thread, value);
      return STATUS_SUCCESS;
    case ThreadAffinityMask:
      return setAffinity(k, thread, mem.read64(from), 0);
    case ThreadGroupInformation:
      return setAffinity(k, thread, mem.read64(from), mem.read16(from + 8));
    case ThreadQuerySetWin32StartAddress:
      E.Win32StartAddress.set(mem, thread, mem.readPtr(from));
      return STATUS_SUCCESS;
    case ThreadIdealProcessor:
      return setIdealProcessor(k, thread, value >>> 0);
    case ThreadIdealProcessorEx: {
      // PROCESSOR_NUMBER: group, number, reserved; the one of before comes back in its place.
      if (mem.read16(from) !== 0 || mem.read8(from + 3) !== 0) return STATUS_INVALID_PARAMETER;
      const old = T.UserIdealProcessor.get(mem, thread);
      const status = setIdealProcessor(k, thread, mem.read8(from + 2));
      if (status === STATUS_SUCCESS) mem.write32(from, old << 16);
      return status;
    }
    case ThreadPriorityBoost: {
      const flags = T.ThreadFlags.get(mem, thread);
      T.ThreadFlags.set(mem, thread, value ? flags | THREAD_DISABLE_BOOST : flags & ~THREAD_DISABLE_BOOST);
      return STATUS_SUCCESS;
    }
    case ThreadHideFromDebugger:
      setBits(k, thread, 0, CTF_HIDE_FROM_DEBUGGER);
      return STATUS_SUCCESS;
    case ThreadBreakOnTermination:
      if (!allowed(k, SeDebugPrivilege)) return STATUS_PRIVILEGE_NOT_HELD;
      setBits(k, thread, CTF_BREAK_ON_TERMINATION, value ? CTF_BREAK_ON_TERMINATION : 0);
      return STATUS_SUCCESS;
    case ThreadIoPriority: {
      if (value < 0 || value > IO_PRIORITY_CRITICAL) return STATUS_INVALID_PARAMETER;
      if (value > IO_PRIORITY_NORMAL && !allowed(k, SeIncreaseBasePriorityPrivilege)) return STATUS_PRIVILEGE_NOT_HELD;
      setBits(k, thread, 7 << CTF_IO_PRIORITY_SHIFT, value << CTF_IO_PRIORITY_SHIFT);
      return STATUS_SUCCESS;
    }
    case ThreadPagePriority:
      if (value < LOWEST_PAGE_PRIORITY || value > HIGHEST_PAGE_PRIORITY) return STATUS_INVALID_PARAMETER;
      setBits(k, thread, 7 << CTF_PAGE_PRIORITY_SHIFT, value << CTF_PAGE_PRIORITY_SHIFT);
      return STATUS_SUCCESS;
    case ThreadNameInformation:
      return nameThread(k, thread, readString(k, from));
    default: {
      const control = mem.read32(from + 4),
        state = mem.read32(from + 8);
      if (mem.read32(from) !== THROTTLING_VERSION || control & ~THROTTLE_EXECUTION_SPEED || state & ~control)
        return STATUS_INVALID_PARAMETER;
      const rest = T.ThreadFlags3.get(mem, thread) & ~(THROTTLING_CONTROLLED | THROTTLING_ON);
      T.ThreadFlags3.set(mem, thread, (rest | (control ? THROTTLING_CONTROLLED : 0) | (state ? THROTTLING_ON : 0)) >>> 0);
      return STATUS_SUCCESS;
    }
  }
}
