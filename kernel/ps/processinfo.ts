/**
 * PROCESSINFOCLASS: what can be asked of a process. Source: the page of NtQueryInformationProcess, ntddk.h for the numbers and structures; classes that it only names answer as
 * Windows 10 does for a 64-bit process that nobody debugs.
 */
import type { Kernel } from '../kernel.ts';
import { openHandles } from '../ob/handle.ts';
import { wide } from '../ob/string.ts';
import { listEntries } from '../rtl/list.ts';
import { KPROCESS, KTHREAD } from '../types/ke.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import { STATUS_INVALID_INFO_CLASS, STATUS_PORT_NOT_SET } from '../types/status.ts';
import { processImageName } from './name.ts';

const E = EPROCESS.f,
  P = KPROCESS.f,
  T = KTHREAD.f;

export interface ProcessAnswer {
  size: number;
  write(to: number): void;
}

/** KAFFINITY of a process: the first word of its bitmap. */
const affinityOf = (k: Kernel, process: number): bigint =>
  k.mem.read64(process + P.Affinity.offset + 8) || (1n << BigInt(k.platform.cpus.length)) - 1n;

/** Ticks that a process has run: those of the threads that it has, and of those that have ended. */
function ticks(k: Kernel, process: number, field: 'KernelTime' | 'UserTime'): bigint {
  let sum = P[field].get(k.mem, process);
  for (const link of listEntries(k.mem, process + E.ThreadListHead.offset))
    sum += T[field].get(k.mem, link - ETHREAD.f.ThreadListEntry.offset);
  return BigInt(sum) * BigInt(k.config.clockPeriod);
}

/** A UNICODE_STRING with its text behind it. */
function text(k: Kernel, value: string): ProcessAnswer {
  const bytes = wide(value);
  return {
    size: 16 + bytes.length + 2,
    write(to) {
      k.mem.write16(to, bytes.length);
      k.mem.write16(to + 2, bytes.length + 2);
      k.mem.writePtr(to + 8, to + 16);
      k.mem.writeBytes(to + 16, bytes);
    },
  };
}

/** The answer of a class; a status when there is none. */
export function processInformation(k: Kernel, process: number, kind: number): ProcessAnswer | number {
  const { mem } = k;
  const ulong = (value: number): ProcessAnswer => ({ size: 4, write: to => mem.write32(to, value >>> 0) });
  const longs = (values: readonly (number | bigint)[]): ProcessAnswer => ({
    size: values.length * 8,
    write: to => values.forEach((v, i) => mem.write64(to + i * 8, BigInt.asUintN(64, BigInt(v)))),
  });
  switch (kind) {
    case 0: // ProcessBasicInformation
      return {
        size: 0x30,
        write(to) {
          mem.write32(to, E.ExitStatus.get(mem, process) >>> 0);
          mem.writePtr(to + 8, E.Peb.get(mem, process));
          mem.write64(to + 16, affinityOf(k, process));
          mem.write32(to + 24, P.BasePriority.get(mem, process) >>> 0);
          mem.writePtr(to + 32, E.UniqueProcessId.get(mem, process));
          mem.writePtr(to + 40, E.InheritedFromUniqueProcessId.get(mem, process));
        },
      };
    case 2: // ProcessIoCounters
      return longs(
        (
          [
            'ReadOperationCount',
            'WriteOperationCount',
            'OtherOperationCount',
            'ReadTransferCount',
            'WriteTransferCount',
            'OtherTransferCount',
          ] as const
        ).map(name => E[name].get(mem, process)),
      );
    case 3: {
      // ProcessVmCounters: address space, working set (the pages that are there), pool and page file (neither is charged).
      const pages = E.NumberOfPrivatePages.get(mem, process) * 4096n;
      return longs([
        E.PeakVirtualSize.get(mem, process),
        E.VirtualSize.get(mem, process),
        0,
        pages,
        pages,
        0,
        0,
        0,
        0,
        pages,
        pages,
      ]);
    }
    case 4: // ProcessTimes
      return longs([
        E.CreateTime.get(mem, process),
        E.ExitTime.get(mem, process),
        ticks(k, process, 'KernelTime'),
        ticks(k, process, 'UserTime'),
      ]);
    case 7: // ProcessDebugPort: no debugger
    case 26: // ProcessWow64Information: no process is a 32-bit one
      return longs([0]);
    case 12: // ProcessDefaultHardErrorMode
      return ulong(E.DefaultHardErrorProcessing.get(mem, process));
    case 18: // ProcessPriorityClass: in the background
      return {
        size: 2,
        write(to) {
          mem.write8(to, 0);
          mem.write8(to + 1, E.PriorityClass.get(mem, process));
        },
      };
    case 20: // ProcessHandleCount
      return ulong(E.ObjectTable.get(mem, process) ? openHandles(k, E.ObjectTable.get(mem, process)).length : 0);
    case 21: // ProcessAffinityMask
      return longs([affinityOf(k, process)]);
    case 22: // ProcessPriorityBoost: not disabled
    case 24: // ProcessSessionInformation: there is the one session
      return ulong(0);
    case 27: // ProcessImageFileName
      return text(k, processImageName(k, process));
    case 29: // ProcessBreakOnTermination
      return ulong(E.Flags.get(mem, process) & PSF_BREAK_ON_TERMINATION ? 1 : 0);
    case 30: // ProcessDebugObjectHandle
      return STATUS_PORT_NOT_SET;
    case 31: // ProcessDebugFlags: PROCESS_DEBUG_INHERIT
      return ulong(1);
    case 33: // ProcessIoPriority: IoPriorityNormal
      return ulong(2);
    case 36: // ProcessCookie
      return ulong(E.Cookie.get(mem, process));
    case 38: // ProcessCycleTime
      return longs([P.CycleTime.get(mem, process), 0]);
    case 39: // ProcessPagePriority: MEMORY_PRIORITY_NORMAL
      return ulong(5);
    case 61: // ProcessProtectionInformation
      return { size: 1, write: to => mem.write8(to, E.Protection.get(mem, process)) };
    case 75: // ProcessSubsystemInformation: Win32
      return ulong(0);
    default:
      return STATUS_INVALID_INFO_CLASS;
  }
}

/** EPROCESS.Flags: the end of the process stops the machine. */
const PSF_BREAK_ON_TERMINATION = 0x2000;
