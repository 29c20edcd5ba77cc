import type { VirtualMemory } from './memory.ts';

/** General register numbers, as instructions encode them. */
export const RAX = 0,
  RCX = 1,
  RDX = 2,
  RBX = 3,
  RSP = 4,
  RBP = 5,
  RSI = 6,
  RDI = 7;
export const R8 = 8,
  R9 = 9,
  R10 = 10,
  R11 = 11,
  R12 = 12,
  R13 = 13,
  R14 = 14,
  R15 = 15;

/** Segment register numbers of {@link CpuView.segment}. */
export const ES = 0,
  CS = 1,
  SS = 2,
  DS = 3,
  FS = 4,
  GS = 5,
  LDTR = 6,
  TR = 7;

/**
 * Not a register that software can reach, but one that the kernel sets through {@link CpuView.wrmsr}: bit n says that supervisor-mode pages with protection key n
 * (bits 59-62 of the page-table entry) count as not present while CR8 is 2 and more. The verifier has pageable memory watched with it.
 */
export const MSR_PAGEABLE_KEYS = 0x4b4d0001;

export interface SegmentState {
  selector: number;
  base: number;
  limit: number;
  /** Descriptor bits 40-55 (type, S, DPL, P, AVL, L, D/B, G), limit bits 16-19 masked off. */
  access: number;
}

/** What a processor looks like to the kernel, the HAL and the debugger while it stands at an instruction boundary. */
export interface CpuView {
  /** 0-based number of the processor. */
  readonly index: number;
  /** Memory through this processor's page tables. */
  readonly mem: VirtualMemory;

  /** A general register as an unsigned 64-bit value. */
  gpr(n: number): bigint;
  setGpr(n: number, value: bigint): void;
  /** Low half of a general register, unsigned. */
  gprLo(n: number): number;
  gprHi(n: number): number;
  setGpr32(n: number, lo: number, hi: number): void;
  /** A general register as an address; throws GuestFault (#GP) if it is not canonical. */
  gprPtr(n: number): number;
  setGprPtr(n: number, va: number): void;
  rip: number;
  rflags: number;
  /** CR0, CR2, CR3, CR4 as they are; CR8 is {@link cr8}. */
  cr(n: 0 | 2 | 3 | 4): number;
  setCr(n: 0 | 2 | 3 | 4, value: number): void;
  /** The task priority, which is the IRQL on x64 NT. Setting it does not deliver anything before the next instruction boundary. */
  cr8: number;
  cpl: number;
  segment(n: number): SegmentState;
  setSegment(n: number, state: SegmentState): void;
  setGdtr(base: number, limit: number): void;
  setIdtr(base: number, limit: number): void;
  gdtr(): { base: number; limit: number };
  idtr(): { base: number; limit: number };
  /** Reads an MSR as RDMSR would; an unknown one throws a RangeError. */
  rdmsr(index: number): bigint;
  wrmsr(index: number, value: bigint): void;
  /** 16 bytes of XMMn, a live view. */
  xmm(n: number): Uint8Array;
  /** Bits 255 to 128 of YMMn, a live view. */
  ymmHigh(n: number): Uint8Array;
  mxcsr: number;
  /** Writes the x87 state into the first 24 and the register bytes (32 to 159) of an FXSAVE64 image (Intel SDM vol. 1, 10.5.1); `image` has 160 bytes or more. */
  saveX87(image: Uint8Array): void;
  /** Loads what {@link saveX87} wrote. */
  loadX87(image: Uint8Array): void;
  /** Which state XSAVE and XRSTOR handle, and so which vector instructions exist (Intel SDM vol. 1, 13.3). */
  xcr0: number;

  /** Position in time: cycles since reset. */
  readonly cycle: number;
  /** Charges cycles to the routine that is running (effects at entry, cost at exit). */
  charge(cycles: number): void;
  readonly halted: boolean;

  /** Delivers an exception through the IDT with RIP as it stands. */
  raise(vector: number, errorCode?: number, cr2?: number): void;
  /** INVLPG, or a reload of CR3 that flushes everything when no address is given; for page-table edits made by the kernel. */
  invalidate(va?: number): void;

  /** Port I/O as the IN and OUT instructions do it (size 1, 2 or 4). */
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  /** An access by physical address as the processor would make it: RAM, APICs, or a device's registers (size 1, 2, 4). */
  physRead(pa: number, size: number): number;
  physWrite(pa: number, size: number, value: number): void;
}
