import { GuestFault, addressOfHalves, highHalf } from '../hal/bus/index.ts';
import type { CpuView, SegmentState } from '../hal/bus/index.ts';
import * as abi from './core/abi.ts';
import type { CoreExports } from './core/abi.ts';
import { MSR_PAGEABLE_KEYS } from '../hal/bus/index.ts';
import { PagedMemory } from './memory.ts';
import type { GuestRam, PagingState } from './memory.ts';

const TWO_32 = 0x1_0000_0000;
// Indexes of what every gate reads, as constants of this module: an access through the imported namespace is slower where modules are not bundled.
const CYCLES = abi.CYCLES >> 2,
  CR0 = abi.CR0 >> 2,
  CR3 = abi.CR3 >> 2,
  CR8 = abi.CR8 >> 2,
  CPL = abi.CPL >> 2,
  RIP = abi.RIP,
  ACTIVITY = abi.ACTIVITY >> 2;
const VECTOR_GP = 13;
/** ST(0) in an FXSAVE image. */
const FX_ST = 32;
const CR0_WP = 0x10000,
  CR0_PG = 0x80000000;
const APIC_TPR = 0x80;

/** What the view needs of the machine: the core, linear memory, and the bus as a processor sees it. */
export interface CpuHost {
  readonly core: CoreExports;
  readonly memory: WebAssembly.Memory;
  readonly ram: GuestRam;
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  physRead(cpu: number, pa: number, size: number): number;
  physWrite(cpu: number, pa: number, size: number, value: number): void;
}

/** MSRs that are nothing but a 64-bit field of the CPU structure (SDM vol. 4, table 2-2). */
const MSR_FIELDS = new Map<number, number>([
  [0x1b, abi.APIC_BASE],
  [0x174, abi.SYSENTER_CS],
  [0x175, abi.SYSENTER_ESP],
  [0x176, abi.SYSENTER_EIP],
  [0x1a0, abi.MISC_ENABLE],
  [0x277, abi.PAT],
  [MSR_PAGEABLE_KEYS, abi.PAGEABLE],
  [0xc0000080, abi.EFER],
  [0xc0000081, abi.STAR],
  [0xc0000082, abi.LSTAR],
  [0xc0000083, abi.CSTAR],
  [0xc0000084, abi.SFMASK],
  [0xc0000100, abi.FS_BASE],
  [0xc0000101, abi.GS_BASE],
  [0xc0000102, abi.KERNEL_GS_BASE],
  [0xc0000103, abi.TSC_AUX],
]);
const MSR_TSC = 0x10;
/** After these the core must recompute what it derives (mode, address checks). */
const MSR_DERIVES = new Set([0x1b, 0xc0000080]);

/** The processor that the core keeps at a base address in linear memory, read and written in place while it stands at an instruction boundary. */
export class Processor implements CpuView {
  readonly index: number;
  readonly mem: PagedMemory;
  private readonly host: CpuHost;
  private readonly core: CoreExports;
  /** Byte address of the CPU structure in linear memory. */
  private readonly base: number;
  private readonly u32: Uint32Array;
  private readonly bytes: Uint8Array;

  constructor(host: CpuHost, index: number) {
    this.index = index;
    this.host = host;
    this.core = host.core;
    this.base = host.core.cpuBase(index);
    this.u32 = new Uint32Array(host.memory.buffer, this.base, abi.CPU_SIZE / 4);
    this.bytes = new Uint8Array(host.memory.buffer, this.base, abi.CPU_SIZE);
    const u32 = this.u32;
    const paging: PagingState = {
      paging: () => (u32[CR0] & CR0_PG) !== 0,
      writeProtect: () => (u32[CR0] & CR0_WP) !== 0,
      root: () => (u32[CR3] & 0xfffff000) >>> 0,
      deviceRead: (pa, size) => host.physRead(index, pa, size),
      deviceWrite: (pa, size, value) => host.physWrite(index, pa, size, value),
    };
    this.mem = new PagedMemory(host.ram, paging);
  }

  gpr(n: number): bigint {
    return this.get64(n * 8);
  }
  setGpr(n: number, value: bigint): void {
    this.set64(n * 8, value);
  }
  gprLo(n: number): number {
    return this.u32[n * 2];
  }
  gprHi(n: number): number {
    return this.u32[n * 2 + 1];
  }
  setGpr32(n: number, lo: number, hi: number): void {
    this.u32[n * 2] = lo;
    this.u32[n * 2 + 1] = hi;
  }
  gprPtr(n: number): number {
    const high = this.u32[n * 2 + 1] | 0;
    if (high < -0x8000 || high > 0x7fff) throw new GuestFault(VECTOR_GP, 0, high * TWO_32 + this.u32[n * 2]);
    return high * TWO_32 + this.u32[n * 2];
  }
  setGprPtr(n: number, va: number): void {
    this.setPtr(n * 8, va);
  }

  get rip(): number {
    return this.getPtr(RIP);
  }
  set rip(va: number) {
    this.setPtr(RIP, va);
  }

  get rflags(): number {
    return this.core.flagsGet(this.index) >>> 0;
  }
  set rflags(value: number) {
    this.core.flagsSet(this.index, value);
  }

  cr(n: 0 | 2 | 3 | 4): number {
    return this.getPtr(crOffset(n));
  }
  setCr(n: 0 | 2 | 3 | 4, value: number): void {
    this.setPtr(crOffset(n), value);
    if (n === 2) return;
    this.core.setState(this.index);
    this.invalidate();
  }

  get cr8(): number {
    return this.u32[CR8];
  }
  set cr8(value: number) {
    if (!Number.isInteger(value) || value < 0 || value > 15) throw new RangeError(`CR8 holds 0 to 15, not ${value}`);
    // CR8 is bits 7-4 of the task priority register (SDM vol. 3, 10.8.6.1).
    this.core.apicWrite(this.index, APIC_TPR, value << 4);
  }

  get cpl(): number {
    return this.u32[CPL];
  }
  set cpl(value: number) {
    this.u32[CPL] = value;
    this.core.setState(this.index);
  }

  segment(n: number): SegmentState {
    const at = segmentOffset(n);
    const u32 = this.u32;
    return {
      selector: u32[(at + abi.SEG_SELECTOR) >> 2],
      base: this.getPtr(segmentBaseOffset(n)),
      limit: u32[(at + abi.SEG_LIMIT) >> 2],
      access: u32[(at + abi.SEG_ACCESS) >> 2],
    };
  }
  setSegment(n: number, state: SegmentState): void {
    const at = segmentOffset(n);
    this.u32[(at + abi.SEG_SELECTOR) >> 2] = state.selector;
    this.u32[(at + abi.SEG_LIMIT) >> 2] = state.limit;
    this.u32[(at + abi.SEG_ACCESS) >> 2] = state.access;
    this.setPtr(at + abi.SEG_BASE, state.base);
    this.setPtr(segmentBaseOffset(n), state.base);
    this.core.setState(this.index);
  }
  setGdtr(base: number, limit: number): void {
    this.setPtr(abi.GDTR_BASE, base);
    this.u32[abi.GDTR_LIMIT >> 2] = limit;
  }
  setIdtr(base: number, limit: number): void {
    this.setPtr(abi.IDTR_BASE, base);
    this.u32[abi.IDTR_LIMIT >> 2] = limit;
  }
  gdtr(): { base: number; limit: number } {
    return { base: this.getPtr(abi.GDTR_BASE), limit: this.u32[abi.GDTR_LIMIT >> 2] };
  }
  idtr(): { base: number; limit: number } {
    return { base: this.getPtr(abi.IDTR_BASE), limit: this.u32[abi.IDTR_LIMIT >> 2] };
  }

  rdmsr(index: number): bigint {
    if (index === MSR_TSC) return BigInt.asUintN(64, this.get64(abi.CYCLES) + this.get64(abi.TSC_OFFSET));
    const field = MSR_FIELDS.get(index);
    if (field === undefined) throw new RangeError(`there is no MSR 0x${index.toString(16)}`);
    return this.get64(field);
  }
  wrmsr(index: number, value: bigint): void {
    if (index === MSR_TSC) {
      this.set64(abi.TSC_OFFSET, value - this.get64(abi.CYCLES));
      return;
    }
    const field = MSR_FIELDS.get(index);
    if (field === undefined) throw new RangeError(`there is no MSR 0x${index.toString(16)}`);
    this.set64(field, value);
    if (MSR_DERIVES.has(index)) this.core.setState(this.index);
  }

  xmm(n: number): Uint8Array {
    const at = abi.XMM + n * 32;
    return this.bytes.subarray(at, at + 16);
  }
  ymmHigh(n: number): Uint8Array {
    const at = abi.XMM + n * 32 + 16;
    return this.bytes.subarray(at, at + 16);
  }
  saveX87(image: Uint8Array): void {
    const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
    view.setUint16(0, this.u32[abi.FCW >> 2], true);
    view.setUint16(2, this.u32[abi.FSW >> 2], true);
    view.setUint16(4, this.u32[abi.FTW >> 2], true);
    view.setUint16(6, this.u32[abi.FPU_OP >> 2], true);
    view.setBigUint64(8, this.get64(abi.FPU_IP), true);
    view.setBigUint64(16, this.get64(abi.FPU_DP), true);
    for (let i = 0; i < 8; i++) {
      const register = this.x87Register(i);
      image.set(this.bytes.subarray(register, register + 10), FX_ST + i * 16);
      image.fill(0, FX_ST + i * 16 + 10, FX_ST + i * 16 + 16);
    }
  }
  loadX87(image: Uint8Array): void {
    const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
    this.u32[abi.FCW >> 2] = view.getUint16(0, true);
    this.u32[abi.FSW >> 2] = view.getUint16(2, true);
    this.u32[abi.FTW >> 2] = view.getUint16(4, true);
    this.u32[abi.FPU_OP >> 2] = view.getUint16(6, true);
    this.set64(abi.FPU_IP, view.getBigUint64(8, true));
    this.set64(abi.FPU_DP, view.getBigUint64(16, true));
    for (let i = 0; i < 8; i++) this.bytes.set(image.subarray(FX_ST + i * 16, FX_ST + i * 16 + 10), this.x87Register(i));
  }
  /** Where ST(i) is: FSW bits 13-11 name the register on top. */
  private x87Register(i: number): number {
    return abi.ST + (((this.u32[abi.FSW >> 2] >>> 11) + i) & 7) * 16;
  }
  get xcr0(): number {
    return this.u32[abi.XCR0 >> 2];
  }
  set xcr0(value: number) {
    this.u32[abi.XCR0 >> 2] = value;
    this.core.setState(this.index);
    this.invalidate();
  }
  get mxcsr(): number {
    return this.u32[abi.MXCSR >> 2];
  }
  set mxcsr(value: number) {
    this.u32[abi.MXCSR >> 2] = value;
  }

  get cycle(): number {
    return this.u32[CYCLES + 1] * TWO_32 + this.u32[CYCLES];
  }
  /** Moves the processor's counter to `cycle`: how a halted processor gets to its next event. */
  setCycle(cycle: number): void {
    this.u32[CYCLES] = cycle;
    this.u32[CYCLES + 1] = highHalf(cycle);
  }
  charge(cycles: number): void {
    if (!(cycles >= 0)) throw new RangeError(`a charge of ${cycles} cycles`);
    this.setCycle(this.cycle + Math.floor(cycles));
  }
  /** Instructions retired since reset. */
  get instructions(): number {
    return this.u32[(abi.INSTRUCTIONS >> 2) + 1] * TWO_32 + this.u32[abi.INSTRUCTIONS >> 2];
  }

  get halted(): boolean {
    return this.u32[ACTIVITY] === abi.ACTIVITY_HALTED;
  }
  /** 0 running, 1 halted, 2 shut down, 3 waiting for a start-up IPI. */
  get activity(): number {
    return this.u32[ACTIVITY];
  }
  set activity(value: number) {
    this.u32[ACTIVITY] = value;
    this.core.setState(this.index);
  }

  /** The processor loses its state, as in S3: reset, and waiting for whoever starts it. Time goes on. */
  lose(): void {
    const time = this.u32.slice(CYCLES, CYCLES + 2),
      instructions = this.u32.slice(abi.INSTRUCTIONS >> 2, (abi.INSTRUCTIONS >> 2) + 2);
    this.core.reset(this.index);
    this.u32.set(time, CYCLES);
    this.u32.set(instructions, abi.INSTRUCTIONS >> 2);
    this.u32[ACTIVITY] = abi.ACTIVITY_WAIT_SIPI;
    this.core.setState(this.index);
  }
  /** Lets a processor that waits go on at RIP. */
  start(): void {
    this.u32[ACTIVITY] = abi.ACTIVITY_RUNNING;
    this.core.setState(this.index);
  }

  raise(vector: number, errorCode?: number, cr2 = 0): void {
    this.core.raiseException(this.index, vector, errorCode === undefined ? 0 : 1, errorCode ?? 0, cr2 >>> 0, highHalf(cr2));
  }

  invalidate(va?: number): void {
    this.mem.invalidate();
    if (va === undefined) this.core.hostTlbFlush(this.index, 1);
    else this.core.hostInvalidate(this.index, va >>> 0, highHalf(va));
  }

  portIn(port: number, size: number): number {
    return this.host.portIn(port, size);
  }
  portOut(port: number, size: number, value: number): void {
    this.host.portOut(port, size, value);
  }
  physRead(pa: number, size: number): number {
    return this.host.physRead(this.index, pa, size);
  }
  physWrite(pa: number, size: number, value: number): void {
    this.host.physWrite(this.index, pa, size, value);
  }

  private get64(offset: number): bigint {
    return (BigInt(this.u32[(offset >> 2) + 1]) << 32n) | BigInt(this.u32[offset >> 2]);
  }
  private set64(offset: number, value: bigint): void {
    this.u32[offset >> 2] = Number(value & 0xffffffffn);
    this.u32[(offset >> 2) + 1] = Number((value >> 32n) & 0xffffffffn);
  }
  /** An address field: sign-extended by its upper half. */
  private getPtr(offset: number): number {
    return addressOfHalves(this.u32[offset >> 2], this.u32[(offset >> 2) + 1]);
  }
  private setPtr(offset: number, va: number): void {
    this.u32[offset >> 2] = va >>> 0;
    this.u32[(offset >> 2) + 1] = highHalf(va);
  }
}

function crOffset(n: 0 | 2 | 3 | 4): number {
  return n === 0 ? abi.CR0 : n === 2 ? abi.CR2 : n === 3 ? abi.CR3 : abi.CR4;
}

function segmentOffset(n: number): number {
  if (!(n >= 0 && n <= 7)) throw new RangeError(`there is no segment register ${n}`);
  return abi.SEG + n * abi.SEG_SIZE;
}

/** FS and GS have their bases where an address can be formed with them; the others in the segment register. */
function segmentBaseOffset(n: number): number {
  return n === abi.SEG_FS ? abi.FS_BASE : n === abi.SEG_GS ? abi.GS_BASE : segmentOffset(n) + abi.SEG_BASE;
}
