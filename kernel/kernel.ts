import type { CpuView } from '../hal/bus/cpu.ts';
import type { MachineConfig, Platform } from '../hal/bus/guestos.ts';
import { GuestFault, type VirtualMemory } from '../hal/bus/memory.ts';
import { R8, R9, RAX, RCX, RDX, RSP } from '../hal/bus/cpu.ts';
import { kdPrint } from './ke/print.ts';
import { Globals } from './globals.ts';
import type { Gate, KernelImages } from './image/build.ts';
import { prcbAddress } from './mm/layout.ts';
import { MAXIMUM_FLUSH_ADDRESSES } from './types/ke.ts';

interface StopDetails {
  text?: string | null;
  trapFrame?: number;
  routine?: number;
  context?: number;
}

/** Thrown by {@link Kernel.bugCheck}; the gate dispatcher turns it into the stop. Never leaves the kernel. */
export class BugCheckSignal extends Error {
  readonly code: number;
  readonly parameters: readonly bigint[];
  readonly text: string | null;
  /** Address of the KTRAP_FRAME of the code at fault; 0 when the stop comes from the routine that runs. */
  readonly trapFrame: number;
  /** Address of the routine at fault when it has returned already and the stack cannot tell; else 0. */
  readonly routine: number;
  /** Address of the CONTEXT of the code at fault, when an exception was dispatched; else 0. */
  readonly context: number;
  constructor(code: number, parameters: readonly (number | bigint)[], at: StopDetails = {}) {
    super(`bug check 0x${(code >>> 0).toString(16)}`);
    this.name = 'BugCheckSignal';
    this.code = code >>> 0;
    this.parameters = parameters.map(p => BigInt.asUintN(64, BigInt(p)));
    this.text = at.text ?? null;
    this.trapFrame = at.trapFrame ?? 0;
    this.routine = at.routine ?? 0;
    this.context = at.context ?? 0;
  }
}

/** Thrown by a routine that raises an exception in its caller ({@link Kernel.raise}); the gate dispatcher turns it into a call of KiRaiseException. Never leaves the kernel. */
export class RaiseSignal extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`exception 0x${(status >>> 0).toString(16)}`);
    this.name = 'RaiseSignal';
    this.status = status >>> 0;
  }
}

const VECTOR_GP = 13;

/** Offsets in the KPRCB that the hot paths read directly (types/prcb.ts has them by name; a test compares). */
const PRCB_CURRENT_THREAD = 8;
const KTHREAD_APC_STATE_PROCESS = 0xb8;
const THREAD_PROCESS = 0x220;

/**
 * The kernel as its routines see it. Holds only constants (the platform, the images, addresses) and, while a gate runs, which processor is in it; all
 * of the kernel's state is in guest memory.
 */
export class Kernel {
  readonly platform: Platform;
  readonly config: MachineConfig;
  readonly images: KernelImages;
  /** The kernel's own variables, in ntoskrnl's .data. */
  readonly global: Globals;
  /** The processor that is in the gate. */
  cpu: CpuView;
  /** Its memory. */
  mem: VirtualMemory;
  /** The gate that runs, for `arg` and `vararg`; null outside a gate (boot, the debugger). */
  gate: Gate | null = null;
  /** Addresses whose translations the gate that runs took back. */
  stale: number[] = [];

  constructor(platform: Platform, images: KernelImages) {
    this.platform = platform;
    this.config = platform.config;
    this.images = images;
    this.cpu = platform.cpus[0]!;
    this.mem = this.cpu.mem;
    this.global = new Globals(images.globalsBase, () => this.mem);
  }

  /** Address of a stub, of machine code or of a variable in the kernel's images, by its symbol: `nt!KeSetEvent`. Throws an Error for one that is not declared. */
  address(name: string): number {
    const a = this.images.symbols.get(name);
    if (a === undefined) throw new Error(`${name} is not declared`);
    return a;
  }

  /** KPRCB of the processor that is in the gate. */
  get prcb(): number {
    return prcbAddress(this.cpu.index);
  }
  /** KTHREAD of the thread that is running. */
  currentThread(): number {
    return this.mem.readPtr(this.prcb + PRCB_CURRENT_THREAD);
  }
  /** EPROCESS to which the current thread is attached (PsGetCurrentProcess, IoGetCurrentProcess). */
  currentProcess(): number {
    return this.mem.readPtr(this.currentThread() + KTHREAD_APC_STATE_PROCESS);
  }
  /** EPROCESS that owns the current thread, whatever it is attached to (PsGetThreadProcess). */
  currentThreadProcess(): number {
    return this.mem.readPtr(this.currentThread() + THREAD_PROCESS);
  }

  /** The IRQL, which is CR8. */
  get irql(): number {
    return this.cpu.cr8;
  }
  /** A level that CR8 cannot hold is #GP, as MOV CR8 makes of it (Intel SDM vol. 3, 10.8.6): it came from the guest. */
  set irql(level: number) {
    if (level < 0 || level > 15) throw new GuestFault(VECTOR_GP, 0, 0);
    this.cpu.cr8 = level;
  }

  /** Address of the 8-byte stack slot of argument `n` (from 0) of the routine that runs. Slots 0 to 3 are its home area, valid in a gate. */
  argSlot(n: number): number {
    return this.cpu.gprPtr(RSP) + (this.gate?.frameSize ?? 0) + 8 + n * 8;
  }
  /** Argument `n` of the routine that runs, all 64 bits. */
  arg(n: number): bigint {
    if (this.gate?.kind === 'plain' && n < 4) return this.cpu.gpr([RCX, RDX, R8, R9][n]!);
    return this.mem.read64(this.argSlot(n));
  }
  /** Variadic argument `n`, counted from the first after the declared ones. */
  vararg(n: number): bigint {
    return this.mem.read64(this.vaList() + n * 8);
  }
  /** Address of the first variadic argument: what `va_start` gives on x64. */
  vaList(): number {
    return this.argSlot(this.gate?.argNames.length ?? 0);
  }
  /** RAX in full: the result of the guest routine that a step called. */
  rax64(): bigint {
    return this.cpu.gpr(RAX);
  }
  /** Return address of the routine that runs: who called it. */
  caller(): number {
    return this.mem.readPtr(this.cpu.gprPtr(RSP) + (this.gate?.frameSize ?? 0));
  }

  /** Stops the machine: the guest is at fault. Does not return. Parameters are addresses (numbers) or 64-bit values; `text` explains the stop to a person. */
  bugCheck(
    code: number,
    p1: number | bigint = 0,
    p2: number | bigint = 0,
    p3: number | bigint = 0,
    p4: number | bigint = 0,
    text: string | null = null,
  ): never {
    throw new BugCheckSignal(code, [p1, p2, p3, p4], { text });
  }
  /** The same for what a routine left behind that has returned: the report names it. */
  bugCheckBy(
    routine: number,
    code: number,
    p1: number | bigint,
    p2: number | bigint,
    text: string,
    p3: number | bigint = 0,
    p4: number | bigint = 0,
  ): never {
    throw new BugCheckSignal(code, [p1, p2, p3, p4], { text, routine });
  }
  /** The same for code that was interrupted or faulted: the report starts at its KTRAP_FRAME. */
  bugCheckAt(
    trapFrame: number,
    code: number,
    p1: number | bigint = 0,
    p2: number | bigint = 0,
    p3: number | bigint = 0,
    p4: number | bigint = 0,
    text: string | null = null,
  ): never {
    throw new BugCheckSignal(code, [p1, p2, p3, p4], { text, trapFrame });
  }

  /** The same for an exception that nobody handles: the report starts at the CONTEXT that was dispatched. */
  bugCheckIn(
    context: number,
    trapFrame: number,
    code: number,
    p1: number | bigint,
    p2: number | bigint,
    p3: number | bigint,
    p4: number | bigint,
  ): never {
    throw new BugCheckSignal(code, [p1, p2, p3, p4], { trapFrame, context });
  }
  /** The routine that runs raises an NTSTATUS as an exception, which its caller's handlers may take (ExRaiseStatus). Nothing may have been changed. Does not return. */
  raise(status: number): never {
    throw new RaiseSignal(status);
  }

  /** True while somebody wants trace events. */
  get tracing(): boolean {
    return this.platform.tracing;
  }
  /** A trace event at the current cycle of the current processor. */
  trace(
    kind: 'isr' | 'dpc' | 'irp' | 'irql' | 'thread' | 'interrupt' | 'debug' | 'gate',
    phase: 'begin' | 'end' | 'at' | 'value',
    name: string,
    id?: string,
    args?: { readonly [name: string]: string | number },
  ): void {
    this.platform.trace({
      cycle: this.cpu.cycle,
      cpu: this.cpu.index,
      kind,
      phase,
      name,
      ...(id === undefined ? {} : { id }),
      ...(args === undefined ? {} : { args }),
    });
  }

  /** Text of DbgPrint: into the kernel's print buffer (guest memory) and to the host's sink as a `debug` event. */
  debugPrint(text: string): void {
    kdPrint(this, text);
  }

  /**
   * The kernel took a translation back: INVLPG on this processor, and at the end of the gate on the others (ke/shootdown.ts). Outside a gate the machine stands, and all
   * processors drop it at once.
   */
  invalidate(va: number): void {
    if (this.gate === null) for (const cpu of this.platform.cpus) cpu.invalidate(va);
    else {
      this.cpu.invalidate(va);
      if (this.platform.cpus.length > 1) this.stale.push(va);
    }
  }

  /** KeFlushEntireTb: all translations, on all processors. */
  invalidateAll(): void {
    this.cpu.invalidate();
    if (this.gate === null) for (const cpu of this.platform.cpus) cpu.invalidate();
    // More than a packet has room for means everything.
    else if (this.platform.cpus.length > 1) for (let n = 0; n <= MAXIMUM_FLUSH_ADDRESSES; n++) this.stale.push(0);
  }
}
