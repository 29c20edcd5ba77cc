/** System information classes (winternl.h, and the documented parts of NtQuerySystemInformation): records made from the kernel's own lists. */
import type { Kernel } from '../kernel.ts';
import { listEntries } from '../ke/list.ts';
import { interruptTime, systemTime } from '../ke/time.ts';
import { moduleEntries } from '../ldr/modules.ts';
import { readAnsiZ } from '../rtl/string.ts';
import { readString, wide } from '../ob/string.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { ETHREAD, EPROCESS } from '../types/ps.ts';
import { KPROCESS, KTHREAD } from '../types/ke.ts';
import { OBJECT_TYPE } from '../types/ob.ts';
import { KPRCB } from '../types/prcb.ts';
import { entryAccess, entryAttributes, openHandles } from '../ob/handle.ts';
import { obTypeOf } from '../ob/type.ts';
import { activeProcessors, processorsOf } from '../ke/processor.ts';
import { MM_HIGHEST_USER_ADDRESS, PAGE_SIZE, prcbAddress } from '../mm/layout.ts';

const P = KPRCB.f;

export const SystemBasicInformation = 0,
  SystemTimeOfDayInformation = 3,
  SystemProcessInformation = 5,
  SystemModuleInformation = 11;
export const SystemKernelDebuggerInformation = 35,
  SystemCodeIntegrityInformation = 103;

/** A record that grows: fields at offsets. */
function record(size: number): {
  bytes: Uint8Array;
  u16(at: number, v: number): void;
  u32(at: number, v: number): void;
  u64(at: number, v: bigint | number): void;
} {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  return {
    bytes,
    u16: (at, v) => view.setUint16(at, v, true),
    u32: (at, v) => view.setUint32(at, v >>> 0, true),
    u64: (at, v) => view.setBigUint64(at, BigInt.asUintN(64, BigInt(v)), true),
  };
}

function basic(k: Kernel): Uint8Array {
  const r = record(0x40);
  const pages = k.global.get('MmNumberOfPhysicalPages');
  r.u32(0x04, k.config.clockPeriod);
  r.u32(0x08, PAGE_SIZE);
  r.u32(0x0c, pages);
  r.u32(0x10, 0);
  r.u32(0x14, pages - 1);
  r.u32(0x18, 0x10000);
  r.u64(0x20, 0x10000);
  r.u64(0x28, MM_HIGHEST_USER_ADDRESS);
  r.u64(0x30, (1n << BigInt(k.platform.cpus.length)) - 1n);
  r.bytes[0x38] = k.platform.cpus.length;
  return r.bytes;
}

function timeOfDay(k: Kernel): Uint8Array {
  const r = record(0x30);
  r.u64(0x00, systemTime(k) - interruptTime(k));
  r.u64(0x08, systemTime(k));
  return r.bytes;
}

/** RTL_PROCESS_MODULES: a count, then one entry of 0x128 bytes an image, in load order. */
function modules(k: Kernel): Uint8Array {
  const entries = moduleEntries(k);
  const f = KLDR_DATA_TABLE_ENTRY.f;
  const r = record(8 + entries.length * 0x128);
  r.u32(0, entries.length);
  entries.forEach((e, i) => {
    const at = 8 + i * 0x128;
    const path = readString(k, e + f.FullDllName.offset);
    r.u64(at + 0x10, f.DllBase.get(k.mem, e));
    r.u32(at + 0x18, f.SizeOfImage.get(k.mem, e));
    r.u32(at + 0x1c, f.Flags.get(k.mem, e));
    r.u16(at + 0x20, i);
    r.u16(at + 0x24, f.LoadCount.get(k.mem, e));
    r.u16(at + 0x26, path.lastIndexOf('\\') + 1);
    for (let c = 0; c < Math.min(path.length, 255); c++) r.bytes[at + 0x28 + c] = path.charCodeAt(c) & 0xff;
  });
  return r.bytes;
}

const PROCESS_RECORD = 0x100,
  THREAD_RECORD = 0x50;

/** SYSTEM_PROCESS_INFORMATION with its threads; `va` is where the record will lie, for the name's pointer. */
function processes(k: Kernel, va: number): Uint8Array {
  const { mem } = k;
  const R = EPROCESS.f,
    T = KTHREAD.f,
    E = ETHREAD.f;
  const parts: Uint8Array[] = [];
  let total = 0;
  for (const link of listEntries(mem, k.global.address('PsActiveProcessHead'))) {
    const process = link - R.ActiveProcessLinks.offset;
    const name = readAnsiZ(mem, process + R.ImageFileName.offset, 15);
    const threads = [...listEntries(mem, process + KPROCESS.f.ThreadListHead.offset)].map(t => t - T.ThreadListEntry.offset);
    const nameAt = PROCESS_RECORD + threads.length * THREAD_RECORD;
    const r = record(Math.ceil((nameAt + (name.length + 1) * 2) / 8) * 8);
    const id = R.UniqueProcessId.get(mem, process);
    r.u32(0x00, r.bytes.length);
    r.u32(0x04, threads.length);
    r.u64(0x20, R.CreateTime.get(mem, process));
    r.u16(0x38, name.length * 2);
    r.u16(0x3a, name.length * 2 + 2);
    r.u64(0x40, va + total + nameAt);
    r.u32(0x48, KPROCESS.f.BasePriority.get(mem, process));
    r.u64(0x50, id);
    r.u64(0x58, R.InheritedFromUniqueProcessId.get(mem, process));
    threads.forEach((t, i) => {
      const at = PROCESS_RECORD + i * THREAD_RECORD;
      r.u64(at + 0x10, E.CreateTime.get(mem, t));
      r.u64(at + 0x20, E.StartAddress.get(mem, t));
      r.u64(at + 0x28, id);
      r.u64(at + 0x30, mem.readPtr(t + E.Cid.offset + 8));
      r.u32(at + 0x38, T.Priority.get(mem, t));
      r.u32(at + 0x3c, T.BasePriority.get(mem, t));
      r.u32(at + 0x40, T.ContextSwitches.get(mem, t));
      r.u32(at + 0x44, T.State.get(mem, t));
      r.u32(at + 0x48, T.WaitReason.get(mem, t));
    });
    r.bytes.set(wide(name), nameAt);
    parts.push(r.bytes);
    total += r.bytes.length;
  }
  const out = new Uint8Array(total);
  let at = 0;
  parts.forEach((part, i) => {
    // The last record has no next one.
    if (i === parts.length - 1) part.fill(0, 0, 4);
    out.set(part, at);
    at += part.length;
  });
  return out;
}

/** SYSTEM_PROCESSOR_INFORMATION: architecture, family, model and stepping, processors. */
function processor(k: Kernel): Uint8Array {
  const r = record(12);
  r.u16(0, PROCESSOR_ARCHITECTURE_AMD64);
  r.u16(2, P.CpuType.get(k.mem, k.prcb));
  r.u16(4, P.CpuStep.get(k.mem, k.prcb));
  r.u16(6, k.platform.cpus.length);
  return r.bytes;
}
const PROCESSOR_ARCHITECTURE_AMD64 = 9;

/** SYSTEM_PERFORMANCE_INFORMATION: what is counted here of it; the rest is zero. */
function performance(k: Kernel): Uint8Array {
  const r = record(0x158);
  const counter = (i: number): number => k.mem.read32(k.global.address('IoReadOperationCount') + i * 4);
  const bytes = (i: number): bigint => k.mem.read64(k.global.address('IoReadTransferCount') + i * 8);
  const idle = prcbs(k).reduce((sum, at) => sum + BigInt(KTHREAD.f.KernelTime.get(k.mem, P.IdleThread.get(k.mem, at))), 0n);
  r.u64(0x00, idle * BigInt(k.config.clockPeriod));
  [0, 1, 2].forEach(i => r.u64(0x08 + i * 8, bytes(i)));
  [0, 1, 2].forEach(i => r.u32(0x20 + i * 4, counter(i)));
  const all = k.global.get('MmNumberOfPhysicalPages'),
    available = k.global.get('MmAvailablePages');
  r.u32(0x2c, available);
  r.u32(0x30, all - available);
  r.u32(0x34, all);
  r.u32(0x38, all - available);
  r.u32(0x44, k.global.get('MmTransitionFaults'));
  r.u32(0x54, k.global.get('MmPageReads'));
  const switches = prcbs(k).reduce((sum, at) => sum + P.KeContextSwitches.get(k.mem, at), 0);
  r.u32(0x120, switches);
  return r.bytes;
}

/** The processors that run. */
const prcbs = (k: Kernel): number[] => processorsOf(activeProcessors(k)).map(prcbAddress);

/** SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION of each processor: times in 100 ns, interrupts. */
function processorPerformance(k: Kernel): Uint8Array {
  const all = prcbs(k);
  const r = record(all.length * 0x30);
  const tick = BigInt(k.config.clockPeriod);
  all.forEach((at, i) => {
    const time = (v: number): bigint => BigInt(v) * tick;
    const to = i * 0x30;
    r.u64(to, time(KTHREAD.f.KernelTime.get(k.mem, P.IdleThread.get(k.mem, at))));
    r.u64(to + 8, time(P.KernelTime.get(k.mem, at)));
    r.u64(to + 16, time(P.UserTime.get(k.mem, at)));
    r.u64(to + 24, time(P.DpcTime.get(k.mem, at)));
    r.u64(to + 32, time(P.InterruptTime.get(k.mem, at)));
    r.u32(to + 40, P.InterruptCount.get(k.mem, at));
  });
  return r.bytes;
}

/** SYSTEM_INTERRUPT_INFORMATION of each processor. */
function interrupts(k: Kernel): Uint8Array {
  const all = prcbs(k);
  const r = record(all.length * 0x18);
  all.forEach((at, i) => r.u32(i * 0x18, P.KeContextSwitches.get(k.mem, at)));
  return r.bytes;
}

/** All handles of all processes: SYSTEM_HANDLE_INFORMATION (24 bytes each) or its extended form (40 bytes). */
function handles(k: Kernel, extended: boolean): Uint8Array {
  const { mem } = k;
  const found = [...listEntries(mem, k.global.address('PsActiveProcessHead'))].flatMap(link => {
    const process = link - EPROCESS.f.ActiveProcessLinks.offset;
    const table = EPROCESS.f.ObjectTable.get(mem, process);
    const pid = EPROCESS.f.UniqueProcessId.get(mem, process);
    return table ? openHandles(k, table).map(h => ({ ...h, pid })) : [];
  });
  const [head, size] = extended ? [0x10, 0x28] : [8, 0x18];
  const r = record(head + found.length * size);
  if (extended) r.u64(0, found.length);
  else r.u32(0, found.length);
  found.forEach((h, i) => {
    const at = head + i * size;
    const type = OBJECT_TYPE.f.Index.get(mem, obTypeOf(k, h.object));
    const access = entryAccess(k, h.entry),
      attributes = entryAttributes(k, h.entry);
    if (extended) {
      r.u64(at, h.object);
      r.u64(at + 8, h.pid);
      r.u64(at + 16, h.handle);
      r.u32(at + 24, access);
      r.u16(at + 30, type);
      r.u32(at + 32, attributes);
    } else {
      r.u16(at, h.pid);
      r.bytes[at + 4] = type;
      r.bytes[at + 5] = attributes;
      r.u16(at + 6, h.handle);
      r.u64(at + 8, h.object);
      r.u32(at + 16, access);
    }
  });
  return r.bytes;
}

/** RTL_PROCESS_MODULE_INFORMATION_EX of each image, one behind the other; the last says 0 as its successor's distance, in an entry of its own. */
function modulesEx(k: Kernel): Uint8Array {
  const SIZE = 0x148;
  const plain = modules(k);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const count = view.getUint32(0, true);
  const r = record(count * SIZE + 2);
  const out = new DataView(r.bytes.buffer);
  for (let i = 0; i < count; i++) {
    r.u16(i * SIZE, SIZE);
    r.bytes.set(plain.subarray(8 + i * 0x128, 8 + (i + 1) * 0x128), i * SIZE + 8);
    const base = view.getBigUint64(8 + i * 0x128 + 0x10, true);
    out.setBigUint64(i * SIZE + 0x138, base, true);
  }
  return r.bytes;
}

/** Classes with few numbers. Null for one that is not among them. */
function small(informationClass: number): Uint8Array | null {
  const sized = (size: number, fill: (r: ReturnType<typeof record>) => void): Uint8Array => {
    const r = record(size);
    fill(r);
    return r.bytes;
  };
  switch (informationClass) {
    case 33: // SystemExceptionInformation
      return sized(16, () => undefined);
    case 37: // SystemRegistryQuotaInformation: no quota
      return sized(16, r => r.u32(0, 0xffffffff));
    case SystemKernelDebuggerInformation:
      // KernelDebuggerEnabled, KernelDebuggerNotPresent.
      return Uint8Array.of(0, 1);
    case 90: // SystemBootEnvironmentInformation: no identifier, FirmwareTypeBios
      return sized(0x20, r => r.u32(0x10, 1));
    case SystemCodeIntegrityInformation:
      return sized(8, r => r.u32(0, 8));
    case 124: // SystemQueryPerformanceCounterInformation: version 1, the counter is the processor's
      return sized(12, r => [1, 1, 1].forEach((v, i) => r.u32(i * 4, v)));
    case 206: // SystemLeapSecondInformation: not enabled
      return sized(8, () => undefined);
    case 145: // SystemSecureBootInformation: neither capable nor enabled
      return Uint8Array.of(0, 0);
    case 149: // SystemKernelDebuggerInformationEx: not allowed, not enabled, not present
      return Uint8Array.of(0, 0, 0);
    case 196: // SystemKernelVaShadowInformation: the kernel is mapped while user mode runs
    case 201: // SystemSpeculationControlInformation: no mitigations
      return sized(4, () => undefined);
    default:
      return null;
  }
}

/** The record of a class, or null for one that is not there. `va` is where it will lie. */
export function systemInformation(k: Kernel, informationClass: number, va: number): Uint8Array | null {
  switch (informationClass) {
    case SystemBasicInformation:
      return basic(k);
    case SystemTimeOfDayInformation:
      return timeOfDay(k);
    case SystemProcessInformation:
      return processes(k, va);
    case SystemModuleInformation:
      return modules(k);
    case 1: // SystemProcessorInformation
      return processor(k);
    case 2: // SystemPerformanceInformation
      return performance(k);
    case 8: // SystemProcessorPerformanceInformation
      return processorPerformance(k);
    case 16: // SystemHandleInformation
      return handles(k, false);
    case 23: // SystemInterruptInformation
      return interrupts(k);
    case 64: // SystemExtendedHandleInformation
      return handles(k, true);
    case 77: // SystemModuleInformationEx
      return modulesEx(k);
    default:
      return small(informationClass);
  }
}
