/** Run-time library: debug output, memory, images. Source: their WDK pages. */
import { R10, R11, RAX, RSP } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { gs, mem } from '../image/asm.ts';
import { DEBUG_COMPONENTS } from '../ke/globals.ts';
import { currentContext, walkStack } from '../ke/stackwalk.ts';
import { findExport } from '../ldr/exportdir.ts';
import { moduleOf } from '../ldr/modules.ts';
import { formatText } from '../rtl/format.ts';
import { readAnsiZ } from '../rtl/string.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { STATUS_DEBUGGER_INACTIVE, STATUS_INVALID_PARAMETER_1, STATUS_SUCCESS } from '../types/status.ts';
import {
  BOOLEAN,
  LONGLONG,
  type NtExport,
  ntCode,
  ntExport,
  NTSTATUS,
  pointer,
  PVOID,
  SIZE_T,
  ULONG,
  ULONG64,
  USHORT,
  VOID,
} from './declare.ts';
import { bitExports } from './rtlbits.ts';
import { securityExports } from './rtlsecurity.ts';
import { stringExports } from './rtlstring.ts';
import { versionExports } from './rtlversion.ts';

const PSTR = pointer('PCSTR'),
  PULONG = pointer('PULONG'),
  VA_LIST = pointer('va_list');

/** DbgPrint sends at most this many bytes ("Reading and filtering debugging messages", WDK). */
const DBG_PRINT_LIMIT = 512;

function print(k: Kernel, format: string, list: number, prefix = ''): number {
  k.debugPrint((prefix + formatText(k.mem, format, list, false)).slice(0, DBG_PRINT_LIMIT));
  return STATUS_SUCCESS;
}

/** The message of DbgPrint is of this component and level ("Reading and filtering debugging messages", WDK). */
const DPFLTR_DEFAULT_ID = 101,
  DPFLTR_INFO_LEVEL = 3;

/** A level up to 31 is the number of a bit, a larger one is a mask. */
const levelMask = (level: number): number => (level < 32 ? (1 << level) >>> 0 : level);

/** Whether messages of a component and level are shown: all are that nobody has switched off. */
function isShown(k: Kernel, component: number, level: number): boolean {
  if (component >= DEBUG_COMPONENTS) return true;
  return (levelMask(level) & ~k.mem.read32(k.global.address('KdpHiddenLevels') + component * 4)) !== 0;
}

const debug: NtExport[] = [
  ntExport({
    name: 'DbgPrint',
    doc: 'Sends a formatted message to the kernel debugger.',
    irql: { max: 'DIRQL' },
    args: { Format: PSTR },
    returns: ULONG,
    cycles: 800,
    status: 'full',
    variadic: true,
    impl: (k, a) => (isShown(k, DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL) ? print(k, readAnsiZ(k.mem, a.Format), k.vaList()) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'DbgPrintEx',
    doc: 'Sends a formatted message of a component and level to the kernel debugger. All levels are shown that DbgSetDebugFilterState has not switched off.',
    irql: { max: 'DIRQL' },
    args: { ComponentId: ULONG, Level: ULONG, Format: PSTR },
    returns: ULONG,
    cycles: 800,
    status: 'full',
    variadic: true,
    impl: (k, a) => (isShown(k, a.ComponentId, a.Level) ? print(k, readAnsiZ(k.mem, a.Format), k.vaList()) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'vDbgPrintEx',
    doc: 'Sends a message formatted with a va_list to the kernel debugger.',
    irql: { max: 'DIRQL' },
    args: { ComponentId: ULONG, Level: ULONG, Format: PSTR, List: VA_LIST },
    returns: ULONG,
    cycles: 800,
    status: 'full',
    impl: (k, a) => (isShown(k, a.ComponentId, a.Level) ? print(k, readAnsiZ(k.mem, a.Format), a.List) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'vDbgPrintExWithPrefix',
    doc: 'Sends a message formatted with a va_list, after a prefix, to the kernel debugger.',
    irql: { max: 'DIRQL' },
    args: { Prefix: PSTR, ComponentId: ULONG, Level: ULONG, Format: PSTR, List: VA_LIST },
    returns: ULONG,
    cycles: 800,
    status: 'full',
    impl: (k, a) => (isShown(k, a.ComponentId, a.Level) ? print(k, readAnsiZ(k.mem, a.Format), a.List, readAnsiZ(k.mem, a.Prefix)) : STATUS_SUCCESS),
  }),
  ntExport({
    name: 'DbgPrintReturnControlC',
    doc: 'Sends a formatted message to the kernel debugger (obsolete).',
    args: { Format: PSTR },
    returns: ULONG,
    cycles: 800,
    status: 'full',
    variadic: true,
    impl: (k, a) => print(k, readAnsiZ(k.mem, a.Format), k.vaList()),
  }),
  ntExport({
    name: 'DbgQueryDebugFilterState',
    doc: 'Tells whether messages of a component and level are shown.',
    args: { ComponentId: ULONG, Level: ULONG },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: (k, a) => (isShown(k, a.ComponentId, a.Level) ? 1 : 0),
  }),
  ntExport({
    name: 'DbgSetDebugFilterState',
    doc: 'Chooses whether messages of a component and level are shown.',
    args: { ComponentId: ULONG, Level: ULONG, State: BOOLEAN },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl(k, a) {
      if (a.ComponentId >= DEBUG_COMPONENTS) return STATUS_INVALID_PARAMETER_1;
      const at = k.global.address('KdpHiddenLevels') + a.ComponentId * 4;
      const hidden = k.mem.read32(at);
      const levels = levelMask(a.Level);
      k.mem.write32(at, (a.State ? hidden & ~levels : hidden | levels) >>> 0);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'RtlAssert',
    doc: 'Reports an assertion that failed to the kernel debugger.',
    args: { FailedAssertion: PSTR, FileName: PSTR, LineNumber: ULONG, Message: PSTR },
    returns: VOID,
    cycles: 800,
    status: 'full',
    // With no debugger to answer, NT's question whether to break or to ignore has no reply; the caller goes on, as after DbgBreakPoint here.
    impl(k, a) {
      k.debugPrint(
        `\n*** Assertion failed: ${a.Message ? readAnsiZ(k.mem, a.Message) : ''}${readAnsiZ(k.mem, a.FailedAssertion)}\n***   Source File: ${readAnsiZ(k.mem, a.FileName)}, line ${a.LineNumber}\n\n`,
      );
    },
  }),
  ...(['KdDisableDebugger', 'KdEnableDebugger'] as const).map(name =>
    ntExport({
      name,
      doc: 'Turns the kernel debugger off or on; there is none, so it cannot.',
      args: {},
      returns: NTSTATUS,
      cycles: 10,
      status: 'full',
      impl: () => STATUS_DEBUGGER_INACTIVE,
    }),
  ),
  ntExport({
    name: 'KdRefreshDebuggerNotPresent',
    doc: 'Asks again whether a kernel debugger answers: TRUE when none does.',
    args: {},
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: () => true,
  }),
  ntCode({
    name: 'DbgBreakPoint',
    doc: 'Breaks into the kernel debugger.',
    args: {},
    returns: VOID,
    cycles: 4,
    status: 'full',
    code(a) {
      a.int3();
      a.ret();
      a.bytes(...new Array<number>(14).fill(0xcc));
    },
  }),
  ntCode({
    name: 'DbgBreakPointWithStatus',
    doc: 'Breaks into the kernel debugger with a status in ECX.',
    args: { Status: ULONG },
    returns: VOID,
    cycles: 4,
    status: 'full',
    code(a) {
      a.int3();
      a.ret();
      a.bytes(...new Array<number>(14).fill(0xcc));
    },
  }),
];

const memory: NtExport[] = [
  ntExport({
    name: 'RtlCompareMemory',
    doc: 'Returns how many bytes two blocks of memory have in common from their start.',
    args: { Source1: PVOID, Source2: PVOID, Length: SIZE_T },
    returns: SIZE_T,
    cycles: (_k, a) => 20 + Math.min(a.Length, 65536) / 8,
    status: 'full',
    impl(k, a) {
      let n = 0;
      while (n < a.Length && k.mem.read8(a.Source1 + n) === k.mem.read8(a.Source2 + n)) n++;
      return n;
    },
  }),
  ntExport({
    name: 'RtlCompareMemoryUlong',
    doc: 'Returns how many bytes from a start repeat a 32-bit pattern.',
    args: { Source: PVOID, Length: SIZE_T, Pattern: ULONG },
    returns: SIZE_T,
    cycles: (_k, a) => 20 + Math.min(a.Length, 65536) / 4,
    status: 'full',
    impl(k, a) {
      if (a.Source % 4 || a.Length % 4) return 0;
      let n = 0;
      while (n < a.Length && k.mem.read32(a.Source + n) === a.Pattern) n += 4;
      return n;
    },
  }),
  ntExport({
    name: 'RtlPrefetchMemoryNonTemporal',
    doc: 'Hints that memory will be used soon.',
    args: { Source: PVOID, Length: SIZE_T },
    returns: VOID,
    cycles: 8,
    status: 'full',
    impl: () => undefined,
  }),
  ntCode({
    name: '__chkstk',
    doc: 'Touches the pages of a large stack frame, whose size is in RAX, so that they exist.',
    args: {},
    returns: VOID,
    cycles: 10,
    status: 'full',
    code(a) {
      // Kernel stacks are never grown, so only the limit is checked: from the caller's RSP down to the end of the frame, page by page.
      a.mov(R10, RSP);
      a.sub(R10, RAX);
      a.mov(R11, gs(0x188)); // current thread
      a.nop();
      a.mov(R11, mem(R11, 0x30)); // KTHREAD.StackLimit
      a.cmp(R10, R11);
      a.jcc('ae', 'out');
      a.testImm(mem(R10), 0, 1); // below the stack: the page fault is the overflow
      a.label('out');
      a.ret();
    },
  }),
];

const PE_DIRECTORY = 24 + 112;
/** Address of the PE header of a mapped image, or 0. */
function ntHeader(k: Kernel, base: number): number {
  if (!base || k.mem.translate(base) < 0 || k.mem.read16(base) !== 0x5a4d) return 0;
  const nt = base + k.mem.read32(base + 0x3c);
  return k.mem.translate(nt) >= 0 && k.mem.read32(nt) === 0x4550 ? nt : 0;
}

const images: NtExport[] = [
  ntExport({
    name: 'RtlImageNtHeader',
    doc: 'Returns the PE header of a mapped image.',
    args: { Base: PVOID },
    returns: PVOID,
    cycles: 30,
    status: 'full',
    impl: (k, a) => ntHeader(k, a.Base),
  }),
  ntExport({
    name: 'RtlImageDirectoryEntryToData',
    doc: 'Returns the address and size of a data directory of an image.',
    args: { Base: PVOID, MappedAsImage: BOOLEAN, DirectoryEntry: USHORT, Size: PULONG },
    returns: PVOID,
    cycles: 40,
    status: 'full',
    impl(k, a) {
      const base = a.Base % 4 ? a.Base - (a.Base % 4) : a.Base,
        nt = ntHeader(k, base);
      if (!nt || a.DirectoryEntry >= k.mem.read32(nt + 24 + 108)) return 0;
      const entry = nt + PE_DIRECTORY + a.DirectoryEntry * 8,
        rva = k.mem.read32(entry);
      if (!rva) return 0;
      k.mem.write32(a.Size, k.mem.read32(entry + 4));
      if (a.MappedAsImage) return base + rva;
      const table = nt + 24 + k.mem.read16(nt + 20);
      for (let i = 0; i < k.mem.read16(nt + 6); i++) {
        const h = table + i * 40,
          start = k.mem.read32(h + 12);
        if (rva >= start && rva < start + k.mem.read32(h + 16)) return base + (rva - start) + k.mem.read32(h + 20);
      }
      return 0;
    },
  }),
  ntExport({
    name: 'RtlFindExportedRoutineByName',
    doc: 'Returns the address of a routine that an image exports.',
    args: { Base: PVOID, Name: PSTR },
    returns: PVOID,
    cycles: 400,
    status: 'full',
    impl(k, a) {
      const found = findExport(k, a.Base, readAnsiZ(k.mem, a.Name));
      return typeof found === 'number' ? found : 0;
    },
  }),
  ntExport({
    name: 'RtlPcToFileHeader',
    doc: 'Returns the base of the image that an address lies in, 0 when it is in none.',
    args: { PcValue: PVOID, BaseOfImage: PVOID },
    returns: PVOID,
    cycles: 100,
    status: 'full',
    impl(k, a) {
      const e = moduleOf(k, a.PcValue);
      const base = e ? KLDR_DATA_TABLE_ENTRY.f.DllBase.get(k.mem, e) : 0;
      k.mem.writePtr(a.BaseOfImage, base);
      return base;
    },
  }),
  ...(['RtlCaptureStackBackTrace', 'RtlWalkFrameChain'] as const).map(name =>
    ntExport({
      name,
      doc: 'Stores the return addresses of the callers and returns how many there are.',
      args:
        name === 'RtlWalkFrameChain'
          ? { BackTrace: PVOID, FramesToCapture: ULONG, Flags: ULONG }
          : { FramesToSkip: ULONG, FramesToCapture: ULONG, BackTrace: PVOID, BackTraceHash: PULONG },
      returns: ULONG,
      cycles: 1500,
      status: 'full',
      impl(k, a) {
        const skip = name === 'RtlWalkFrameChain' ? 0 : (a.FramesToSkip as number),
          count = Math.min(a.FramesToCapture as number, 64);
        // The walk starts in this routine's own stub.
        const frames = walkStack(k, currentContext(k), skip + count + 1).slice(1 + skip);
        let hash = 0;
        frames.forEach((f, i) => {
          k.mem.writePtr((a.BackTrace as number) + i * 8, f.address);
          hash = (hash + (f.address >>> 0)) >>> 0;
        });
        if (name !== 'RtlWalkFrameChain' && a.BackTraceHash) k.mem.write32(a.BackTraceHash as number, hash);
        return frames.length;
      },
    }),
  ),
];

const callers: NtExport[] = [
  ntExport({
    name: 'RtlGetCallersAddress',
    doc: "Returns where the calling routine was called, and where its caller was: the return addresses of both.",
    args: { CallersAddress: pointer('PVOID *'), CallersCaller: pointer('PVOID *') },
    returns: VOID,
    cycles: 800,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.CallersAddress, 8, true);
      k.mem.probe(a.CallersCaller, 8, true);
      // This stub, the calling routine, its caller, and the caller of that.
      const frames = walkStack(k, currentContext(k), 4);
      k.mem.writePtr(a.CallersAddress, frames[2]?.address ?? 0);
      k.mem.writePtr(a.CallersCaller, frames[3]?.address ?? 0);
    },
  }),
];

const constant = (name: string, doc: string, value: bigint): NtExport =>
  ntExport({ name, doc, args: {}, returns: LONGLONG, cycles: 4, status: 'full', impl: () => value });

const wide: NtExport[] = [
  ntExport({
    name: 'RtlUlongByteSwap',
    doc: 'Reverses the bytes of 32 bits.',
    args: { Source: ULONG },
    returns: ULONG,
    cycles: 4,
    status: 'full',
    impl: (_k, a) => (((a.Source & 0xff) << 24) | ((a.Source & 0xff00) << 8) | ((a.Source >>> 8) & 0xff00) | (a.Source >>> 24)) >>> 0,
  }),
  ntExport({
    name: 'RtlUshortByteSwap',
    doc: 'Reverses the bytes of 16 bits.',
    args: { Source: USHORT },
    returns: USHORT,
    cycles: 4,
    status: 'full',
    impl: (_k, a) => ((a.Source & 0xff) << 8) | (a.Source >>> 8),
  }),
  constant('RtlGetSuiteMask', 'Returns the suites that the system has.', 0x110n),
  ntExport({
    name: 'RtlGetEnabledExtendedFeatures',
    doc: 'Tells which extended processor features are enabled.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { FeatureMask: ULONG64 },
    returns: ULONG64,
    cycles: 10,
    status: 'full',
    // x87, SSE and AVX state.
    impl: (_k, a) => a.FeatureMask & 7n,
  }),
];

export const exports: NtExport[] = [
  ...debug,
  ...versionExports,
  ...memory,
  ...stringExports,
  ...bitExports,
  ...images,
  ...callers,
  ...wide,
  ...securityExports,
];
