import { addressOfHalves } from '../../hal/bus/memory.ts';
import type { CpuView } from '../../hal/bus/cpu.ts';
import type { VirtualMemory } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import type { GuestType, StructType } from '../types/struct.ts';

/** Interrupt request levels of x64 NT. */
export const PASSIVE_LEVEL = 0, APC_LEVEL = 1, DISPATCH_LEVEL = 2, CLOCK_LEVEL = 13, IPI_LEVEL = 14, HIGH_LEVEL = 15;
export type IrqlName = 'PASSIVE_LEVEL' | 'APC_LEVEL' | 'DISPATCH_LEVEL' | 'DIRQL' | 'HIGH_LEVEL';

/** Where an argument lives and how it is read: a register or a stack slot of the Microsoft x64 convention, narrowed to its C type. */
export interface ArgType<T> {
  readonly name: string;
  /** `lo` and `hi` are the halves of the 8-byte slot, unsigned. */
  from(lo: number, hi: number): T;
  /** For PVOID-like types: the address may be anything, a non-canonical one is kept as it is and faults when it is used. */
  readonly pointer?: boolean;
}

const arg = <T>(name: string, from: ArgType<T>['from'], pointer?: boolean): ArgType<T> => ({ name, from, ...(pointer ? { pointer } : {}) });

export const VOID = arg('VOID', () => undefined);
export const PVOID = arg<number>('PVOID', addressOfHalves, true);
export const HANDLE = arg<number>('HANDLE', addressOfHalves, true);
export const ULONG = arg<number>('ULONG', lo => lo);
export const LONG = arg<number>('LONG', lo => lo | 0);
export const NTSTATUS = arg<number>('NTSTATUS', lo => lo);
export const USHORT = arg<number>('USHORT', lo => lo & 0xffff);
export const SHORT = arg<number>('SHORT', lo => (lo << 16) >> 16);
export const UCHAR = arg<number>('UCHAR', lo => lo & 0xff);
export const CHAR = arg<number>('CHAR', lo => (lo << 24) >> 24);
export const CCHAR = CHAR;
export const BOOLEAN = arg<boolean>('BOOLEAN', lo => (lo & 0xff) !== 0);
export const KIRQL = UCHAR;
export const KPRIORITY = LONG;
export const ULONG64 = arg<bigint>('ULONG64', (lo, hi) => (BigInt(hi) << 32n) | BigInt(lo));
export const LONGLONG = arg<bigint>('LONGLONG', (lo, hi) => BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo)));
/** A length or count: exact up to 2^53; beyond that it is Infinity, which no allocation can satisfy. */
export const SIZE_T = arg<number>('SIZE_T', (lo, hi) => (hi < 0x200000 ? hi * 0x100000000 + lo : Infinity));
export const PHYSICAL_ADDRESS = LONGLONG;
/** A pointer with the name that the WDK gives it, for documentation. */
export const pointer = (name: string): ArgType<number> => arg(name, addressOfHalves, true);

export type ArgTypes = { readonly [name: string]: ArgType<unknown> };
export type ArgValues<A> = { [K in keyof A]: A[K] extends ArgType<infer T> ? T : never };

/** Bounds of the IRQL of a call: names, or numbers where the bound is that of an object (an interrupt's DIRQL). */
export interface IrqlRule {
  max?: IrqlName | number;
  min?: IrqlName | number;
}

/** What every declaration says. `status` is `full`, or `partial` with what is missing in words. A routine that is not declared is absent. */
export interface ExportInfo<A> {
  name: string;
  /** Default `ntoskrnl.exe`. */
  module?: 'ntoskrnl.exe' | 'hal.dll' | 'ntdll.dll' | 'requester.exe';
  /** Has a stub and a symbol (`nt!IopCloseFile`), but is not in the export directory: drivers cannot import it. */
  internal?: boolean;
  /** One sentence: what it does. The WDK page is the source. */
  doc: string;
  /** Rule that the verifier checks on every call; `when` may sharpen it by the arguments and what the thread did before. Absent = any IRQL. */
  irql?: IrqlRule & { when?: (a: ArgValues<A>, k: Kernel) => IrqlRule | undefined };
  args: A;
  returns: ArgType<unknown>;
  /** Cost, charged at exit; a function of the arguments where the work depends on them. */
  cycles: number | ((k: Kernel, a: ArgValues<A>) => number);
  status: 'full' | 'partial';
  missing?: string;
  /** Takes `...` after its fixed arguments: read the rest with `k.vararg(n)`. */
  variadic?: boolean;
}

/** A routine's return value: RAX. Numbers are sign-extended if negative; `undefined` leaves RAX undefined (0). */
export type ReturnValue = number | bigint | boolean | undefined | void;

/** A routine that neither calls the guest nor waits. Its effects happen at entry. */
export interface PlainExport<A extends ArgTypes = ArgTypes> extends ExportInfo<A> {
  kind: 'plain';
  impl(k: Kernel, a: ArgValues<A>): ReturnValue | Outcome;
}

/**
 * How a step ends.
 * - ret: the routine returns `value`.
 * - jump: tail call: the frame is dropped, registers are loaded, and `to` returns to the routine's caller.
 * - call: calls a guest routine (a driver's, or an export's stub); when it returns, step `then` runs with its RAX.
 * - wait: the current thread has been put to wait by a ke routine (k.ke.block...); when it runs again, step `then` gets the wait status. From a plain routine: the wait status is the return value.
 * - resume: the routine has loaded the processor's registers itself (a CONTEXT); it goes on with them.
 * - next: goes on with step `then` after an interrupt window, charging `cycles` (splits long work).
 */
export type Outcome =
  | { do: 'ret'; value: ReturnValue }
  | { do: 'jump'; to: number; args: readonly (number | bigint)[] }
  | { do: 'call'; to: number; args: readonly (number | bigint)[]; then: string }
  | { do: 'wait'; then?: string }
  | { do: 'next'; then: string; cycles: number }
  | { do: 'resume' }
  | { do: 'retry' };

export const ret = (value?: ReturnValue): Outcome => ({ do: 'ret', value });
export const jump = (to: number, ...args: (number | bigint)[]): Outcome => ({ do: 'jump', to, args });
export const call = (to: number, args: readonly (number | bigint)[], then: string): Outcome => ({ do: 'call', to, args, then });
export const wait = (then?: string): Outcome => (then === undefined ? { do: 'wait' } : { do: 'wait', then });
export const next = (then: string, cycles = 0): Outcome => ({ do: 'next', then, cycles });
export const resume: Outcome = { do: 'resume' };
/** A lock that guest code holds is in the way: charges a PAUSE and runs the gate again. Nothing may have been changed. */
export const retry: Outcome = { do: 'retry' };

/** A step routine's locals: a structure on the guest stack. `get`/`set` by field name. */
export interface Frame<F> {
  readonly base: number;
  get<K extends keyof F>(name: K): F[K] extends GuestType<infer T> ? T : never;
  set<K extends keyof F>(name: K, value: F[K] extends GuestType<infer T> ? T : never): void;
  /** Where a local is: for pointers to it. */
  address(name: keyof F): number;
}
export type FrameSpec = { readonly [name: string]: GuestType<never> | GuestType<unknown> };

/** One step: reads its frame, does its part, says how it ends. `rax` is what the call or wait before it gave (low half; `k.rax64()` for all of it). */
export type Step<A, F> = (k: Kernel, f: Frame<F>, rax: number, a: ArgValues<A>) => Outcome;

/** A routine that calls guest code or waits: named steps, locals on the guest stack, no host state between them. The first step is `start`. */
export interface StepExport<A extends ArgTypes = ArgTypes, F extends FrameSpec = FrameSpec> extends ExportInfo<A> {
  kind: 'steps';
  frame: F;
  /** Filled by the image builder: layout of the frame on the stack. */
  layout?: StructType<F>;
  steps: { start: Step<A, F>; [name: string]: Step<A, F> };
  /** Runs when the frame is unwound or the thread terminated in the middle: gives back what the frame holds. */
  abort?: (k: Kernel, f: Frame<F>) => void;
}

/** Machine code in the image: for routines that are hot and trivial, and for locks. */
export interface CodeExport<A extends ArgTypes = ArgTypes> extends ExportInfo<A> {
  kind: 'code';
  /** Writes the routine with the assembler of kernel/image/asm.ts. Position is known; other exports by name. */
  code(asm: import('../image/asm.ts').Assembler): void;
}

/** A variable that the image exports. */
export interface DataExport {
  kind: 'data';
  name: string;
  module?: 'ntoskrnl.exe' | 'hal.dll' | 'ntdll.dll' | 'requester.exe';
  /** Has a symbol, but is not in the export directory. */
  internal?: boolean;
  doc: string;
  size: number;
  /** Runs at boot, after the image is mapped, with the variable's address. */
  init?(k: Kernel, address: number): void;
  status: 'full' | 'partial';
  missing?: string;
}

export type NtExport = PlainExport | StepExport | CodeExport | DataExport;

/** Declares a plain routine. Internal routines (not exported to drivers, but with an address and a stub) set `internal` and carry the name that NT uses for them. */
export function ntExport<const A extends ArgTypes>(d: Omit<PlainExport<A>, 'kind'>): PlainExport {
  return { kind: 'plain', ...d } as unknown as PlainExport;
}
export function ntSteps<const A extends ArgTypes, const F extends FrameSpec>(d: Omit<StepExport<A, F>, 'kind' | 'layout'>): StepExport {
  return { kind: 'steps', ...d } as unknown as StepExport;
}
export function ntCode<const A extends ArgTypes>(d: Omit<CodeExport<A>, 'kind'>): CodeExport {
  return { kind: 'code', ...d } as unknown as CodeExport;
}
export function ntData(d: Omit<DataExport, 'kind'>): DataExport {
  return { kind: 'data', ...d };
}

/** What a routine sees of the processor that called it; `k.cpu` and `k.mem` are those of the gate that is running. */
export type { CpuView, VirtualMemory };
