import type { ArgType, CodeExport, DataExport, NtExport, PlainExport, StepExport } from '../exports/declare.ts';
import { KERNEL_GLOBALS } from '../globals.ts';
import { ABSENT_SLOTS } from '../ke/globals.ts';
import { HAL_BASE, NTDLL_BASE, NTOSKRNL_BASE, PROGRAM_BASE } from '../mm/layout.ts';
import { type StructType, struct } from '../types/struct.ts';
import { type Assembled, Assembler } from './asm.ts';
import { type ExportEntry, SCN_CODE, SCN_DATA, SCN_RDATA, sectionRvas, writeExportDirectory, writePe } from './pe.ts';
import { encodeUnwindInfo } from './unwindinfo.ts';
import { ntdllCode, requesterCode } from './usercode.ts';

/** Where a step routine's frame keeps the number of the step that runs next, from RSP. Below are the outgoing arguments (home space and up to eight more). */
export const FRAME_STEP = 0x60;
/** Where the locals start. */
export const FRAME_LOCALS = 0x70;
/** Most arguments that a step can pass to a guest routine. */
export const MAX_CALL_ARGUMENTS = 12;

/** Distances in a stub: see kernel/README.md. */
export const PLAIN_GATE = 0x10,
  PLAIN_RESUME = 0x13,
  STEP_GATE = 0x17,
  STEP_RESUME = 0x1a,
  STEP_EPILOGUE = 0x1d;
const PLAIN_SIZE = 0x20,
  STEP_SIZE = 0x30;

/** What a gate's address says. */
export interface Gate {
  kind: 'plain' | 'start' | 'resume' | 'absent';
  /** `nt!KeSetEvent` */
  name: string;
  /** Address of the stub's first byte. */
  stub: number;
  plain?: PlainExport;
  steps?: StepExport;
  argNames: readonly string[];
  argTypes: readonly ArgType<unknown>[];
  /** Bytes between RSP at the gate and the return address. */
  frameSize: number;
  stepNames: readonly string[];
  stepNumbers: ReadonlyMap<string, number>;
  layout?: StructType<{ readonly [name: string]: never }>;
  /** Slot of an absent routine. */
  slot: number;
}

export interface BuiltImage {
  /** `ntoskrnl.exe` */
  name: string;
  base: number;
  /** The whole image as mapped, headers included. */
  bytes: Uint8Array;
  sections: { name: string; rva: number; size: number; write: boolean; execute: boolean }[];
  /** Entry point, an RVA. */
  entry: number;
  /** Gates by the RVA after the instruction. */
  gates: Map<number, Gate>;
}

export interface KernelImages {
  nt: BuiltImage;
  hal: BuiltImage;
  /** The images of user mode: ntdll and the programs. They have no gates. */
  user: readonly BuiltImage[];
  /** `nt!KeSetEvent` -> address. Exports, internal routines, the kernel's variables. */
  symbols: Map<string, number>;
  /** Symbols of code by address, ascending: for names of addresses. */
  sorted: { address: number; size: number; name: string }[];
  /** First trap stub for absent imports; slots are {@link PLAIN_SIZE} apart. */
  absentBase: number;
  globalsBase: number;
  exports: readonly NtExport[];
  /** Declarations by routine name (both modules). */
  byName: Map<string, NtExport>;
  data: { export: DataExport; address: number }[];
}

const isHal = (e: NtExport): boolean => e.module === 'hal.dll';
const PREFIXES = { 'ntoskrnl.exe': 'nt', 'hal.dll': 'hal', 'ntdll.dll': 'ntdll', 'requester.exe': 'requester' } as const;
type Prefix = (typeof PREFIXES)[keyof typeof PREFIXES];
/** `nt!X`, `hal!X`, `ntdll!X`. */
export const symbolOf = (e: NtExport): string => `${PREFIXES[e.module ?? 'ntoskrnl.exe']}!${e.name}`;

/** Routines that drivers built for older systems import from hal.dll though they live in the kernel: hal.dll forwards them, as that of Windows 10 2004 and later does. */
const HAL_FORWARDS = [
  'ExAcquireFastMutex',
  'ExReleaseFastMutex',
  'ExTryToAcquireFastMutex',
  'KeAcquireInStackQueuedSpinLock',
  'KeAcquireInStackQueuedSpinLockRaiseToSynch',
  'KeAcquireQueuedSpinLock',
  'KeAcquireSpinLock',
  'KeAcquireSpinLockRaiseToDpc',
  'KeAcquireSpinLockRaiseToSynch',
  'KeFlushWriteBuffer',
  'KeGetCurrentIrql',
  'KeLowerIrql',
  'KeQueryPerformanceCounter',
  'KeRaiseIrql',
  'KeRaiseIrqlToDpcLevel',
  'KeReleaseInStackQueuedSpinLock',
  'KeReleaseQueuedSpinLock',
  'KeReleaseSpinLock',
  'KeStallExecutionProcessor',
  'KfAcquireSpinLock',
  'KfLowerIrql',
  'KfRaiseIrql',
  'KfReleaseSpinLock',
  'IoFreeMapRegisters',
  'IoMapTransfer',
  'IoFlushAdapterBuffers',
  'IoFreeAdapterChannel',
  'READ_PORT_UCHAR',
  'READ_PORT_USHORT',
  'READ_PORT_ULONG',
  'WRITE_PORT_UCHAR',
  'WRITE_PORT_USHORT',
  'WRITE_PORT_ULONG',
  'READ_PORT_BUFFER_UCHAR',
  'READ_PORT_BUFFER_USHORT',
  'READ_PORT_BUFFER_ULONG',
  'WRITE_PORT_BUFFER_UCHAR',
  'WRITE_PORT_BUFFER_USHORT',
  'WRITE_PORT_BUFFER_ULONG',
];

/** A routine assembled and placed. */
interface Placed {
  name: string;
  rva: number;
  code: Assembled;
  /** Leaf machine code without prologue has no .pdata, which is how unwinding knows that it is a leaf. */
  pdata: boolean;
}

function assemblePlain(): Assembled {
  const a = new Assembler();
  a.homeArguments();
  a.gate('plain');
  a.ret();
  a.bytes(...new Array<number>(PLAIN_SIZE - a.here).fill(0xcc));
  return a.finish();
}

function assembleSteps(frameSize: number): Assembled {
  const a = new Assembler();
  a.homeArguments();
  a.prologAlloc(frameSize, true);
  a.gate('start');
  a.gate('resume');
  a.bytes(0x48, 0x81, 0xc4);
  a.imm32(frameSize);
  a.ret();
  a.bytes(...new Array<number>(STEP_SIZE - a.here).fill(0xcc));
  return a.finish();
}

function assembleCode(e: CodeExport): Assembled {
  const a = new Assembler();
  e.code(a);
  const done = a.finish();
  if (done.gates.size)
    throw new Error(
      `${e.name}: machine code reaches the kernel through the stubs of internal routines, not through gates of its own`,
    );
  return done;
}

/** RSP is 8 below a 16-byte boundary when a routine starts, so the frame is an odd number of quadwords. */
const roundFrame = (locals: number): number => Math.ceil((FRAME_LOCALS + locals - 8) / 16) * 16 + 8;

/** The locals of a step routine as a structure; also kept in the declaration's `layout`. */
function layoutOf(e: StepExport): StructType<{ readonly [name: string]: never }> {
  const layout = struct(`_${e.name}_FRAME`, e.frame, { align: 16 });
  e.layout = layout as StepExport['layout'];
  return layout as unknown as StructType<{ readonly [name: string]: never }>;
}

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Collects the code of one module, from the declarations. */
function placeCode(
  list: readonly NtExport[],
  module: string,
  absent: number,
): { text: Placed[]; size: number; gates: Map<number, Gate>; absentRva: number } {
  const text: Placed[] = [];
  const gates = new Map<number, Gate>();
  let rva = 0x1000;
  const put = (name: string, code: Assembled, pdata: boolean): number => {
    rva = align(rva, 16);
    const at = rva;
    text.push({ name, rva: at, code, pdata });
    rva += code.bytes.length;
    return at;
  };
  const plainCode = assemblePlain();
  const stepCode = new Map<number, Assembled>();
  const none = {
    argNames: [] as string[],
    argTypes: [] as ArgType<unknown>[],
    frameSize: 0,
    stepNames: [] as string[],
    stepNumbers: new Map<string, number>(),
    slot: -1,
  };
  for (const e of list) {
    const name = symbolOf(e);
    if (e.kind === 'plain') {
      const stub = put(name, plainCode, true);
      gates.set(stub + PLAIN_RESUME, {
        ...none,
        kind: 'plain',
        name,
        stub,
        plain: e,
        argNames: Object.keys(e.args),
        argTypes: Object.values(e.args),
      });
    } else if (e.kind === 'steps') {
      const layout = layoutOf(e);
      const frameSize = roundFrame(layout.size);
      let code = stepCode.get(frameSize);
      if (!code) stepCode.set(frameSize, (code = assembleSteps(frameSize)));
      const stub = put(name, code, true);
      const stepNames = Object.keys(e.steps);
      const gate: Gate = {
        ...none,
        kind: 'start',
        name,
        stub,
        steps: e,
        argNames: Object.keys(e.args),
        argTypes: Object.values(e.args),
        frameSize,
        stepNames,
        stepNumbers: new Map(stepNames.map((s, i) => [s, i])),
        layout,
      };
      gates.set(stub + STEP_GATE + 3, gate);
      gates.set(stub + STEP_RESUME + 3, { ...gate, kind: 'resume' });
    } else if (e.kind === 'code') {
      const code = assembleCode(e);
      put(name, code, code.unwind.length > 0);
    }
  }
  let absentRva = 0;
  for (let slot = 0; slot < absent; slot++) {
    const stub = put(`${module}!KiAbsentRoutine${slot}`, plainCode, true);
    if (slot === 0) absentRva = stub;
    gates.set(stub + PLAIN_RESUME, { ...none, kind: 'absent', name: `${module}!KiAbsentRoutine`, stub, slot });
  }
  return { text, size: rva - 0x1000, gates, absentRva };
}

interface ModulePlan {
  module: Prefix;
  name: string;
  base: number;
  list: readonly NtExport[];
  absent: number;
  globals: boolean;
  entry: string | null;
}

/** Builds one image except for its fixups; symbols are entered as they are placed. */
function planModule(
  p: ModulePlan,
  symbols: Map<string, number>,
): {
  finish(forwards: readonly ExportEntry[]): BuiltImage;
  absentBase: number;
  globalsBase: number;
  data: { export: DataExport; address: number }[];
  sorted: { address: number; size: number; name: string }[];
} {
  const code = placeCode(p.list, p.module, p.absent);
  const sorted: { address: number; size: number; name: string }[] = [];
  const define = (name: string, address: number): void => {
    if (symbols.has(name)) throw new Error(`${name} is declared twice`);
    symbols.set(name, address);
  };
  for (const t of code.text) {
    define(t.name, p.base + t.rva);
    sorted.push({ address: p.base + t.rva, size: t.code.bytes.length, name: t.name });
    for (const [label, at] of t.code.labels) symbols.set(`${t.name}.${label}`, p.base + t.rva + at);
  }

  // .rdata: unwind information, shared between routines with the same prologue.
  const infos = new Map<string, number>();
  const infoBytes: number[] = [];
  const withPdata = code.text.filter(t => t.pdata);
  const infoOfCode = new Map<Assembled, number>();
  const infoOffsets = withPdata.map(t => {
    const known = infoOfCode.get(t.code);
    if (known !== undefined) return known;
    const h = t.code.handler;
    const handler = h === null ? null : { rva: symbols.get(h.symbol)! - p.base, flags: h.flags };
    const bytes = encodeUnwindInfo(t.code.unwind, handler);
    const key = bytes.join();
    let at = infos.get(key);
    if (at === undefined) {
      at = infoBytes.length;
      infos.set(key, at);
      for (const b of bytes) infoBytes.push(b);
      while (infoBytes.length % 4) infoBytes.push(0);
    }
    infoOfCode.set(t.code, at);
    return at;
  });

  // .data: the kernel's variables, then the exported ones.
  let dataSize = p.globals ? align(KERNEL_GLOBALS.size, 64) : 16;
  const dataPlaces = p.list
    .filter(e => e.kind === 'data')
    .map(e => {
      dataSize = align(dataSize, Math.min(64, e.size >= 16 ? 16 : 8));
      const at = dataSize;
      dataSize += e.size;
      return { export: e, at };
    });

  const sizes = [code.size, infoBytes.length, withPdata.length * 12, dataSize];
  const rvas = sectionRvas([...sizes, 1]);
  const [textRva, rdataRva, pdataRva, dataRva, edataRva] = rvas as [number, number, number, number, number];
  if (p.globals) for (const f of KERNEL_GLOBALS.fields) define(`${p.module}!${f.name}`, p.base + dataRva + f.offset);
  const data = dataPlaces.map(d => ({ export: d.export, address: p.base + dataRva + d.at }));
  for (const d of data) {
    // A variable that is one of the kernel's globals and exported too is one thing with one address.
    if (!symbols.has(symbolOf(d.export))) define(symbolOf(d.export), d.address);
    else d.address = symbols.get(symbolOf(d.export))!;
  }

  return {
    absentBase: p.base + code.absentRva,
    globalsBase: p.base + dataRva,
    data,
    sorted,
    finish(forwards) {
      const text = new Uint8Array(code.size).fill(0xcc);
      for (const t of code.text) {
        const at = t.rva - textRva;
        text.set(t.code.bytes, at);
        const view = new DataView(text.buffer, at);
        for (const f of t.code.fixups) {
          const target = symbols.get(f.symbol);
          if (target === undefined) throw new Error(`${t.name} refers to ${f.symbol}, which no declaration defines`);
          view.setInt32(f.at, target + f.addend - (p.base + t.rva + f.end), true);
        }
      }
      const pdata = new Uint8Array(withPdata.length * 12);
      const pv = new DataView(pdata.buffer);
      withPdata.forEach((t, i) => {
        pv.setUint32(i * 12, t.rva, true);
        pv.setUint32(i * 12 + 4, t.rva + t.code.bytes.length, true);
        pv.setUint32(i * 12 + 8, rdataRva + infoOffsets[i]!, true);
      });
      const own = p.list.filter(e => !e.internal).map(e => ({ name: e.name, target: symbols.get(symbolOf(e))! - p.base }));
      const names = new Set(own.map(e => e.name));
      const edata = writeExportDirectory(p.name, [...own, ...forwards.filter(f => !names.has(f.name))], edataRva);
      const entry = p.entry === null ? 0 : symbols.get(p.entry)! - p.base;
      const bytes = writePe({
        base: p.base,
        entry,
        sections: [
          { name: '.text', data: text, characteristics: SCN_CODE },
          { name: '.rdata', data: Uint8Array.from(infoBytes.length ? infoBytes : [0]), characteristics: SCN_RDATA },
          { name: '.pdata', data: pdata.length ? pdata : new Uint8Array(12), characteristics: SCN_RDATA },
          { name: '.data', data: new Uint8Array(dataSize), characteristics: SCN_DATA },
          { name: '.edata', data: edata, characteristics: SCN_RDATA },
        ],
        exportDirectory: { rva: edataRva, size: edata.length },
        exceptionDirectory: { rva: pdataRva, size: pdata.length },
      });
      const names2 = ['.text', '.rdata', '.pdata', '.data', '.edata'];
      const sectionSizes = [...sizes, edata.length];
      return {
        name: p.name,
        base: p.base,
        bytes,
        entry,
        gates: code.gates,
        sections: names2.map((name, i) => ({
          name,
          rva: rvas[i]!,
          size: Math.max(sectionSizes[i]!, 1),
          write: name === '.data',
          execute: name === '.text',
        })),
      };
    },
  };
}

/**
 * Makes `ntoskrnl.exe` and `hal.dll` from the declarations. The result depends on them alone, so one build serves every machine of a process. Each
 * module's export directory also forwards the other's routines where drivers are known to look for them there.
 */
export function buildKernelImages(exports: readonly NtExport[], entry: string): KernelImages {
  const symbols = new Map<string, number>();
  const byName = new Map<string, NtExport>();
  for (const e of exports) {
    if (byName.has(e.name)) throw new Error(`${e.name} is declared twice`);
    byName.set(e.name, e);
  }
  const ntPlan = planModule(
    {
      module: 'nt',
      name: 'ntoskrnl.exe',
      base: NTOSKRNL_BASE,
      list: exports.filter(e => !isHal(e)),
      absent: ABSENT_SLOTS,
      globals: true,
      entry,
    },
    symbols,
  );
  const halPlan = planModule(
    { module: 'hal', name: 'hal.dll', base: HAL_BASE, list: exports.filter(isHal), absent: 0, globals: false, entry: null },
    symbols,
  );
  const ntForwards = exports.filter(e => isHal(e) && !e.internal).map(e => ({ name: e.name, target: `hal.${e.name}` }));
  const halForwards = HAL_FORWARDS.filter(n => byName.has(n) && !isHal(byName.get(n)!)).map(name => ({
    name,
    target: `ntoskrnl.${name}`,
  }));
  const userPlans = [
    { module: 'ntdll', name: 'ntdll.dll', base: NTDLL_BASE, list: ntdllCode(exports) },
    { module: 'requester', name: 'requester.exe', base: PROGRAM_BASE, list: requesterCode },
  ].map(p => planModule({ ...p, module: p.module as Prefix, absent: 0, globals: false, entry: null }, symbols));
  return {
    nt: ntPlan.finish(ntForwards),
    hal: halPlan.finish(halForwards),
    user: userPlans.map(p => p.finish([])),
    symbols,
    sorted: [...ntPlan.sorted, ...halPlan.sorted, ...userPlans.flatMap(p => p.sorted)].sort((a, b) => a.address - b.address),
    absentBase: ntPlan.absentBase,
    globalsBase: ntPlan.globalsBase,
    exports,
    byName,
    data: [...ntPlan.data, ...halPlan.data],
  };
}
