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
import { MM_HIGHEST_USER_ADDRESS, PAGE_SIZE } from '../mm/layout.ts';

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
  const P = EPROCESS.f,
    T = KTHREAD.f,
    E = ETHREAD.f;
  const parts: Uint8Array[] = [];
  let total = 0;
  for (const link of listEntries(mem, k.global.address('PsActiveProcessHead'))) {
    const process = link - P.ActiveProcessLinks.offset;
    const name = readAnsiZ(mem, process + P.ImageFileName.offset, 15);
    const threads = [...listEntries(mem, process + KPROCESS.f.ThreadListHead.offset)].map(t => t - T.ThreadListEntry.offset);
    const nameAt = PROCESS_RECORD + threads.length * THREAD_RECORD;
    const r = record(Math.ceil((nameAt + (name.length + 1) * 2) / 8) * 8);
    const id = P.UniqueProcessId.get(mem, process);
    r.u32(0x00, r.bytes.length);
    r.u32(0x04, threads.length);
    r.u64(0x20, P.CreateTime.get(mem, process));
    r.u16(0x38, name.length * 2);
    r.u16(0x3a, name.length * 2 + 2);
    r.u64(0x40, va + total + nameAt);
    r.u32(0x48, KPROCESS.f.BasePriority.get(mem, process));
    r.u64(0x50, id);
    r.u64(0x58, P.InheritedFromUniqueProcessId.get(mem, process));
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
    case SystemKernelDebuggerInformation:
      // KernelDebuggerEnabled, KernelDebuggerNotPresent.
      return Uint8Array.of(0, 1);
    case SystemCodeIntegrityInformation: {
      const r = record(8);
      r.u32(0, 8);
      return r.bytes;
    }
    default:
      return null;
  }
}
