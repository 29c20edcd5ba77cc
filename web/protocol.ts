import type { BugCheck, ModuleInfo, RegisterRow, Reply, Request } from '../hal/bus/index.ts';

/**
 * What the page and the worker say to each other. The worker owns the machine; the page only asks and shows. Everything here is plain data that
 * structured cloning carries (bigint included).
 */

export type RunState =
  /** Being made; nothing to show yet. */
  | 'booting'
  /** Executing, at most at the chosen speed. */
  | 'running'
  /** Running, but the processor waits for an interrupt. */
  | 'halted'
  /** Running slower than the chosen speed: the host cannot keep up. */
  | 'behind'
  | 'paused'
  /** Stopped by a bug check or a shutdown; stepping back is possible. */
  | 'crashed'
  /** kmode itself failed; `message` says how. */
  | 'failed';

export interface Status {
  state: RunState;
  /** Counts up whenever the machine's state may have changed: panels ask again when it differs from what they show. */
  version: number;
  cycle: number;
  /** Guest time in seconds. */
  time: number;
  instructions: number;
  /** Guest seconds a wall second, as achieved, and as chosen. */
  speed: number;
  chosenSpeed: number;
  /** Million guest instructions a second, while running. */
  mips: number;
  /** The processors, and which of them is looked at: `irql`, `rip` and `symbol` are that one's. */
  processors: ProcessorStatus[];
  cpu: number;
  irql: number;
  /** Linear address of the next instruction. */
  rip: number;
  symbol: string | null;
  /** Why the machine stopped, in words, with the thing named. */
  message: string;
  /** Cycle of the latest moment that is recorded; `cycle` is before it when one looks at the past. */
  end: number;
  /** Number of the branch of history one is on, and how many there are. */
  branch: number;
  branches: number;
  bugCheck: BugCheck | null;
}

/** What the page tells of a processor that it does not look at. */
export interface ProcessorStatus {
  /** The machine stands in its turn: it executes the next instruction. */
  turn: boolean;
  /** Waits for an interrupt, or to be started. */
  halted: boolean;
}

/** What a page shows before the worker has said anything. */
export const BOOTING: Status = {
  state: 'booting',
  version: 0,
  cycle: 0,
  time: 0,
  instructions: 0,
  speed: 0,
  chosenSpeed: 1,
  mips: 0,
  processors: [{ turn: true, halted: false }],
  cpu: 0,
  irql: 0,
  rip: 0,
  symbol: null,
  message: 'starting',
  end: 0,
  branch: 0,
  branches: 1,
  bugCheck: null,
};

/** Which interrupts *next interrupt* stops at: those of devices (and exceptions), all with the clock, or one vector. */
export type InterruptFilter = 'devices' | 'all' | number;

/** A connected interrupt: its vector, and its service routine's name. */
export interface InterruptSource {
  vector: number;
  name: string;
}

export interface StartOptions {
  /** Guest seconds a wall second. Default 1. */
  speed?: number;
  /** Name of the sample that is loaded. Default `edu`; null for none. */
  driver?: string | null;
  /** Stand still when booted. */
  paused?: boolean;
  /** Number of processors, 1 to 8. Default 1. */
  cpus?: number;
  /** Seed of the order in which several processors take their turns, 0 to 0xffffffff. Default 1. */
  scheduleSeed?: number;
}

export type StepKind =
  | 'into'
  | 'over'
  | 'out'
  | 'back'
  | 'back-over'
  | 'back-out'
  | 'interrupt'
  | 'back-interrupt'
  | 'back-breakpoint'
  /** From a bug check back to what caused it: the last instruction of the driver at fault. */
  | 'back-cause'
  | 'to-end'
  | 'to-start';

export interface DisassemblyLine {
  address: number;
  bytes: string;
  text: string;
  /** `crash!CrashLoop` when a symbol starts here. */
  label: string | null;
  /** Branch or memory target that the line names, and what it is called. */
  target: number | null;
  targetSymbol: string | null;
  breakpoint: boolean;
}

export interface RegisterView {
  name: string;
  value: bigint;
  /** Differs from what it was when the machine last stopped. */
  changed: boolean;
  symbol: string | null;
}

export interface CpuView {
  registers: RegisterView[];
  /** RFLAGS in letters, set ones capital: `Zf`. */
  flags: { name: string; set: boolean; changed: boolean }[];
  control: { name: string; value: bigint }[];
  cpl: number;
  irql: number;
}

export interface StackLine {
  address: number;
  value: bigint;
  symbol: string | null;
  /** A return address that a stack walk found. */
  frame: boolean;
}

export interface MemoryView {
  address: number;
  /** -1 for a byte that is not mapped. */
  bytes: number[];
  symbol: string | null;
  /** `nonpaged pool, tag Crsh, 0x40 bytes` or the like, when known. */
  note: string | null;
}

export interface InterruptView {
  idt: {
    vector: number;
    handler: number;
    symbol: string | null;
    ist: number;
    dpl: number;
    service: string | null;
    serviceAddress: number | null;
  }[];
  apic: {
    id: number;
    tpr: number;
    ppr: number;
    irr: number[];
    isr: number[];
    timer: string;
    lvt: { name: string; value: number }[];
  };
  ioapic: {
    pin: number;
    vector: number;
    masked: boolean;
    level: boolean;
    pending: boolean;
    remoteIrr: boolean;
    line: boolean;
    device: string | null;
  }[];
}

/** A row of a kernel panel: what to show by column, and what the row's object is (for the link). */
export interface KernelRow {
  address: number | null;
  cells: { text: string; address?: number }[];
}
export interface KernelTable {
  columns: string[];
  rows: KernelRow[];
}
export type KernelTopic = 'threads' | 'dpcs' | 'irps' | 'timers' | 'drivers' | 'devtree' | 'objects';

export interface DeviceView {
  id: string;
  title: string;
  registers: RegisterRow[];
}

/** A moment on the timeline. */
export interface Mark {
  cycle: number;
  kind: 'interrupt' | 'dpc' | 'irp' | 'bugcheck';
  name: string;
}
export interface TimelineView {
  start: number;
  end: number;
  /** Cycles of a guest second. */
  tscHz: number;
  marks: Mark[];
  /** The courses of events there are: each left another one at `from` and was followed to `end`. */
  branches: { id: number; from: number; end: number }[];
}

export interface Breakpoint {
  id: number;
  address: number;
  symbol: string | null;
  /** What was typed. */
  expression: string;
  hits: number;
}

/** The worker's face, as comlink wraps it. A rejected promise carries an Error whose message is for the reader. */
export interface MachineApi {
  /** Makes the machine, boots it, offers the samples and loads one. Resolves with what happened, in words, when it is running. */
  start(options?: StartOptions): Promise<string>;
  /** Calls back on every change of state, and a few times a second while running. */
  onStatus(callback: (status: Status) => void): void;
  /** What COM1 sent: bytes to append; with `anew`, all that is to be shown. */
  onConsole(callback: (bytes: Uint8Array, anew: boolean) => void): void;
  consoleInput(bytes: Uint8Array): void;
  run(): void;
  pause(): Promise<void>;
  /** One step. A step that is under way is ended by `pause`; meanwhile others are ignored. */
  step(kind: StepKind, filter?: InterruptFilter): Promise<void>;
  /** Looks at another processor: registers, stack, code, interrupts and steps are that one's, until another one stops the machine. */
  selectCpu(cpu: number): Promise<void>;
  /** Goes to the end of another course of events. */
  switchBranch(id: number): Promise<void>;
  /** A page that nobody sees does nothing. */
  setVisible(visible: boolean): void;
  /** Goes to a cycle, in the past or the future. */
  goTo(cycle: number): Promise<void>;
  runToAddress(address: number): Promise<void>;
  setSpeed(speed: number): void;
  disassembly(address: number | null, before: number, count: number): Promise<DisassemblyLine[]>;
  cpu(): Promise<CpuView>;
  stack(count: number): Promise<StackLine[]>;
  memory(address: number, length: number): Promise<MemoryView>;
  interrupts(): Promise<InterruptView>;
  interruptSources(): Promise<InterruptSource[]>;
  kernel(topic: KernelTopic): Promise<KernelTable>;
  devices(): Promise<DeviceView[]>;
  modules(): Promise<ModuleInfo[]>;
  timeline(): Promise<TimelineView>;
  /** Address of an expression: hex, `module!symbol`, a register, sums of these. */
  evaluate(expression: string): Promise<number>;
  breakpoints(): Promise<Breakpoint[]>;
  addBreakpoint(expression: string): Promise<Breakpoint>;
  removeBreakpoint(id: number): Promise<void>;
  /** A debugger command (`!irp`, `dt nt!_KTHREAD @rax`): lines of text. */
  command(line: string): Promise<string[]>;
  /** Loads a driver file; resolves with what happened, in words. Bad files reject with a clear message. */
  loadDriver(fileName: string, bytes: Uint8Array): Promise<string>;
  /** Carries out a request from outside; the machine runs meanwhile. Resolves with its first reply (which may say that it is pending), or null if the machine stops for good. */
  perform(what: Omit<Request, 'id'>): Promise<Reply | null>;
  /** State hash of the whole machine, 16 hex digits. */
  stateHash(): Promise<string>;
}
