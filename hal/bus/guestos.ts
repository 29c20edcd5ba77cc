import type { CpuView } from './cpu.ts';
import type { PhysicalMemory } from './memory.ts';
import type { Clock } from './device.ts';

/** Configuration of the machine that the guest can observe. Part of every checkpoint and hash. */
export interface MachineConfig {
  /** Bytes of RAM. Default 64 MiB. */
  ramBytes: number;
  /** Default 1. */
  cpus: number;
  /** TSC frequency in Hz. Default 100 MHz. */
  tscHz: number;
  /** Local APIC timer frequency in Hz (before its divider); divides tscHz. Default 100 MHz. */
  apicHz: number;
  /** What the RTC says at reset, seconds since 1970-01-01 UTC. Default 2026-01-01T00:00:00Z. */
  rtcEpoch: number;
  /** Clock interrupt period in 100 ns units. Default 156250 (15.625 ms). */
  clockPeriod: number;
  /** Time at DISPATCH_LEVEL or above after which the DPC watchdog stops the machine, in clock ticks. Default 64 (1 s). */
  dpcWatchdogTicks: number;
  /** Check the rules of drivers as they run: IRQL, pool, IRPs, locks, ... (the stops of Driver Verifier). */
  verifier: boolean;
  /** Fault injection, with the verifier: one in how many of a driver's allocations, mappings, calls of lower drivers, and objects made or opened fails; 0: none. */
  injectPool: number;
  injectMap: number;
  injectLower: number;
  injectObject: number;
  /** Chooses which. */
  injectSeed: number;
  /** Who carries out requests from outside: a program in user mode (the default), or threads of the kernel. */
  requester: 'user' | 'kernel';
  /** Whose program the one in user mode is: an administrator's (the default), an ordinary user's, or the system's own. */
  account: 'administrator' | 'user' | 'system';
  /** Seed of everything that is random for the guest (security cookies, RDRAND). */
  seed: number;
  /** Seed of the interleaving of several processors: with the same seed they always take the same turns. Default 1. */
  scheduleSeed: number;
}

/** What the platform gives the guest operating system's host-side code. */
export interface Platform {
  readonly config: MachineConfig;
  readonly memory: PhysicalMemory;
  readonly clock: Clock;
  readonly cpus: readonly CpuView[];
  /** Registers the linear ranges in which the gate instruction is a gate. At most four. */
  setGateRanges(ranges: readonly { start: number; end: number }[]): void;
  /** For the trace and the panels; never observable by the guest. */
  trace(event: TraceEvent): void;
  /** True while somebody wants trace events (so that names need not be made up otherwise). */
  readonly tracing: boolean;
}

/** What happened, for the trace file and the timeline. `name` is `driver!routine` or `nt!routine`. */
export interface TraceEvent {
  cycle: number;
  cpu: number;
  kind: 'isr' | 'dpc' | 'irp' | 'irql' | 'thread' | 'interrupt' | 'debug' | 'gate';
  /** `begin` and `end` bracket; `at` is a moment; `value` sets a counter. */
  phase: 'begin' | 'end' | 'at' | 'value';
  name: string;
  /** Pairs begin with end for things that overlap (an IRP's address). */
  id?: string;
  args?: { readonly [name: string]: string | number };
}

/** Something that a driver did before it broke a rule. */
export interface CardEvent {
  /** `64 bytes of nonpaged pool at 0xffff..., tag 'Crsh', allocated` */
  what: string;
  /** Address of the thing. */
  object: number;
  /** When: `timeline.goTo(cycle - 1)` takes the machine back to just before it. */
  cycle: number;
  cpu: number;
  irql: number;
  thread: number;
  /** Return addresses with names, innermost first. */
  stack: readonly { address: number; symbol: string }[];
}

/** A bug check in plain words. */
export interface CrashCard {
  /** `c4:1001`: bug check and subcode, as far as the rule depends on it. */
  id: string;
  title: string;
  /** The rule that was broken. */
  rule: string;
  /** Routine, IRQL, thread, IRP. */
  where: string;
  thread: number;
  /** What led to it, oldest first. */
  before: readonly CardEvent[];
  mend: string;
  /** Failures that were injected, oldest first. */
  injected: readonly (CardEvent & { number: number })[];
}

/**
 * Where a stop has its cause: the last instruction of a driver's before `cycle` on processor `cpu` for which the rest holds. `RunControl.toCause` goes there.
 */
export interface CrashCause {
  /** `64 bytes of nonpaged pool at 0xffff..., tag 'Crsh', allocated` */
  what: string;
  /** That processor's cycle. */
  cycle: number;
  cpu: number;
  /** The driver's image, [start, end). */
  code: { start: number; end: number };
  /** The instruction is the call that returns to here. */
  returns?: number;
  /** The instruction is executed at this IRQL or below: it is the one that raised it. */
  irql?: number;
  /** The instruction is the last one that wrote these physical addresses, [start, end), on any processor. */
  written?: { start: number; end: number };
}

export interface BugCheck {
  code: number;
  /** `DRIVER_IRQL_NOT_LESS_OR_EQUAL` */
  name: string;
  parameters: readonly [bigint, bigint, bigint, bigint];
  /** File name of the driver at fault (`crash.sys`), or null. */
  driver: string | null;
  /** `crash!CrashDeviceControl+0x12` as far as symbols go, or null. */
  routine: string | null;
  irql: number;
  /** Address of the instruction at fault, or null. */
  address: number | null;
  irp: number | null;
  cycle: number;
  cpu: number;
  /** Return addresses with names, innermost first. */
  stack: readonly { address: number; symbol: string }[];
  /** What drivers' bug check routines handed over: whose, for which reason (KBUGCHECK_CALLBACK_REASON; 0: its buffer), and where it lies. */
  kept?: readonly { component: string; reason: number; address: bigint; length: bigint }[];
  /** What a person should know beside the parameters: the verifier's rule, the name of an absent routine. */
  text?: string;
  /** The rule that was broken and what led to it; absent for a bug check that is about none. */
  card?: CrashCard;
  /** Where to go back to; absent when no driver is at fault. */
  cause?: CrashCause;
}

/** A loaded image as the guest's own loaded-module list has it. */
export interface ModuleInfo {
  name: string;
  base: number;
  size: number;
  entry: number;
  path: string;
}

/** A guest operating system whose kernel runs on the host's side of the gate. All of its state is in guest memory. */
export interface GuestOs {
  readonly name: string;
  /** Builds the memory image and processor state that a boot loader would leave; the platform then runs the processors. */
  boot(platform: Platform): void;
  /** The processor stands after a gate instruction. Never throws for what the guest did. */
  gate(cpu: CpuView): void;
  /** The kernel has come up: idle, requester waiting. Reads guest memory. */
  booted(): boolean;
  /** Nothing is runnable and no request from outside is being carried out (pending ones may be outstanding). */
  idle(): boolean;
  bugCheck(): BugCheck | null;
  /** Loaded-module list as the guest has it. */
  modules(): ModuleInfo[];
  /** `driver!symbol+0x12` for an address, or null; `nt!KeSetEvent` to an address, or null. */
  symbolAt(address: number): string | null;
  addressOf(symbol: string): number | null;
  /** A debugger command (`!irp`, `!process 0 0`, `dt nt!_IRP addr`, `lm`, `!devstack`): lines of text. Pure over guest memory; an unknown one throws an Error naming the commands there are. `cpu` is the processor that registers and the stack are of (default: the first). */
  command(line: string, cpu?: number): string[];
  /** Structured views for panels: `threads`, `dpcs`, `irps`, `devtree`, `drivers`, `idt`, `timers`; `stack` and `idt` of processor `cpu` (default: the first). Pure over guest memory. */
  inspect(what: string, cpu?: number): unknown;
  /** Called when the machine was restored: derived host-side caches are dropped. */
  restored(): void;
  /** Which kernel routines exist, for `kmode info`: null when it does not, else its status. */
  exportStatus(module: string, routine: string): 'full' | 'partial' | null;
}
