// The core's ABI as TypeScript sees it: offsets of assembly/core/layout.ts and map.ts, exit reasons and event kinds, and the exports.

export const GPR = 0x00,
  RSP = 0x20;
export const FS_BASE = 0x88,
  GS_BASE = 0x90,
  EA = 0x98,
  RIP = 0xa0,
  CYCLES = 0xa8,
  INSTRUCTIONS = 0xb0;
export const FL_RES = 0xb8,
  FL_A = 0xc0,
  FL_B = 0xc8,
  FL_OP = 0xd0,
  FLAGS_REST = 0xd4;
export const CPL = 0xd8,
  MODE = 0xdc,
  INT_SHADOW = 0xe0,
  ACTIVITY = 0xe4,
  ATTENTION = 0xe8,
  CPU_INDEX = 0xec,
  TSC_OFFSET = 0xf0,
  TSC_AUX = 0xf8;
export const XMM = 0x100,
  MXCSR = 0x300,
  FCW = 0x304,
  FSW = 0x308,
  FTW = 0x30c,
  ST = 0x310;
export const CR0 = 0x390,
  CR2 = 0x398,
  CR3 = 0x3a0,
  CR4 = 0x3a8,
  CR8 = 0x3b0,
  XCR0 = 0x3b8,
  DR = 0x3c0;
export const EFER = 0x400,
  STAR = 0x408,
  LSTAR = 0x410,
  CSTAR = 0x418,
  SFMASK = 0x420,
  KERNEL_GS_BASE = 0x428,
  APIC_BASE = 0x430,
  PAT = 0x438,
  PAGEABLE = 0xf40,
  MISC_ENABLE = 0x440;
export const SYSENTER_CS = 0x448,
  SYSENTER_ESP = 0x450,
  SYSENTER_EIP = 0x458;
export const GDTR_BASE = 0x460,
  IDTR_BASE = 0x468,
  GDTR_LIMIT = 0x470,
  IDTR_LIMIT = 0x474;
export const SEG = 0x480,
  SEG_SIZE = 24,
  SEG_SELECTOR = 0,
  SEG_LIMIT = 4,
  SEG_ACCESS = 8,
  SEG_BASE = 16;
export const SEG_ES = 0,
  SEG_CS = 1,
  SEG_SS = 2,
  SEG_DS = 3,
  SEG_FS = 4,
  SEG_GS = 5,
  SEG_LDTR = 6,
  SEG_TR = 7;
export const FPU_IP = 0x540,
  FPU_DP = 0x548,
  FPU_OP = 0x550;
export const DEBUGCTL = 0x558,
  DB_PENDING = 0x560,
  DEBUG_ACTIVE = 0x564,
  PMC_ACTIVE = 0x56c;
export const SCRATCH = 0x580,
  FAST = 0x5c0,
  TLB_LARGE = 0x5c4,
  TIMER_DUE = 0x5c8,
  NMI_PENDING = 0x5d0,
  RUN_LIMIT = 0x5e0,
  APIC = 0x600,
  CPU_SIZE = 0x1000;
export const TLB = 0x2000,
  TLB_ENTRIES = 1024,
  ITLB = 0x6000,
  ITLB_ENTRIES = 256,
  TLB_ENTRY_SIZE = 16;
export const BOARD = 0x300000,
  BOARD_SIZE = 0x1000,
  RAM_BASE = 0x4000000;

export const EXIT_BUDGET = 0,
  EXIT_HALT = 1,
  EXIT_GATE = 2,
  EXIT_BREAKPOINT = 3,
  EXIT_WATCH = 4,
  EXIT_TRIPLE_FAULT = 5,
  EXIT_STOP = 6,
  EXIT_STEP = 7,
  EXIT_TURN = 8,
  EXIT_ASLEEP = 9;
export const CLOCK_SEEN = 0x300258;
export const ACTIVITY_RUNNING = 0,
  ACTIVITY_HALTED = 1,
  ACTIVITY_SHUTDOWN = 2,
  ACTIVITY_WAIT_SIPI = 3,
  ACTIVITY_MWAIT = 4;
export const EVENT_INTERRUPT = 0,
  EVENT_IRET = 1,
  EVENT_CR8 = 2,
  EVENT_EXCEPTION = 3,
  EVENT_EOI = 4;

/** What the core asks of its host; 64-bit values are two halves. See assembly/core/env.ts. */
export interface CoreImports {
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  mmioRead(pa: number, size: number): number;
  mmioWrite(pa: number, size: number, lo: number, hi: number): void;
  event(kind: number, cpu: number, a: number, b: number): void;
  /** The vector that the 8259 gives in the acknowledge cycle; absent where there is none. */
  interruptAcknowledge?(): number;
  /** FERR# changes (CR0.NE clear): the board makes IRQ 13 of it and answers a write to port F0h with `ignne`. */
  ferr?(level: number): void;
}

/** What the core offers: assembly/README.md, "The ABI", describes each. Answers are 32-bit integers: `>>> 0` makes an address of one. */
export interface CoreExports {
  init(ramBytes: number, cpus: number): void;
  reset(cpu: number): void;
  cpuBase(cpu: number): number;
  ramBase(): number;
  pageFlags(): number;
  run(cpu: number, untilLo: number, untilHi: number): number;
  runAll(eventLo: number, eventHi: number, untilLo: number, untilHi: number, atLo: number, atHi: number): number;
  frontierCycle(): number;
  schedulePosition(): number;
  currentCpu(): number;
  clockRead(cpu: number): void;
  isAwake(cpu: number): number;
  setScheduleSeed(seed: number): void;
  setTurnLimit(cycles: number): void;
  requestStop(): void;
  setState(cpu: number): void;
  flagsGet(cpu: number): number;
  flagsSet(cpu: number, flags: number): void;
  translate(cpu: number, lo: number, hi: number, access: number): number;
  hostWrote(pa: number, length: number): void;
  hostTlbFlush(cpu: number, all: number): void;
  hostInvalidate(cpu: number, lo: number, hi: number): void;
  clearDirty(): void;
  flushCode(): void;
  forgetStops(): void;
  breakpointTable(): number;
  setBreakpoints(count: number): void;
  watchTable(): number;
  setWatch(count: number): void;
  watchHit(): number;
  watchKind(): number;
  setGateRange(index: number, startLo: number, startHi: number, endLo: number, endHi: number): void;
  raiseException(cpu: number, vector: number, hasError: number, error: number, cr2lo: number, cr2hi: number): number;
  ioapicLine(pin: number, level: number): void;
  intrLine(level: number): void;
  ignne(level: number): void;
  ioapicRead(offset: number): number;
  ioapicWrite(offset: number, value: number): void;
  apicRead(cpu: number, offset: number): number;
  apicWrite(cpu: number, offset: number, value: number): void;
  msi(address: number, data: number): void;
  nextTimer(cpu: number): number;
  setCpuidConfig(tscHz: number, hypervisor: number): void;
  setRandomSeed(seed: number): void;
  setApicDivider(divider: number): void;
  setMmioHigh(value: number): void;
  setTracing(on: number): void;
  opsMissing(): number;
  flagsMaterialize(cpu: number): void;
  blocksDecoded(): number;
  codeFlushes(): number;
}

/** Linear memory for a machine with `ramBytes` (a multiple of 64 KiB) of RAM. It never grows: growing would detach every view of it. */
export function createMemory(ramBytes: number, _cpus: number): WebAssembly.Memory {
  const pages = (RAM_BASE + ramBytes) / 65536;
  return new WebAssembly.Memory({ initial: Math.ceil(pages), maximum: Math.ceil(pages) });
}

/** A core that lives in `memory` and asks `imports` about ports and devices. `init` comes next. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory, imports: CoreImports): CoreExports {
  const instance = new WebAssembly.Instance(module, {
    env: { memory, interruptAcknowledge: () => 0xff, ferr: () => {}, ...imports } as never,
  });
  return instance.exports as unknown as CoreExports;
}
