import { existsSync, readFileSync } from 'node:fs';
import type { Bus, Device, DeviceState, InterruptLine } from '../../hal/bus/index.ts';
import { CS, DS, ES, RSP, SS, TR } from '../../hal/bus/index.ts';
import { Machine } from '../machine.ts';
import type { MachineOptions } from '../machine.ts';

// A machine without an operating system, for tests: 64-bit mode at CPL 0, memory mapped one to one, an interrupt table to fill in.

const PML4 = 0x1000,
  PDPT = 0x2000,
  PD = 0x3000,
  GDT = 0x7000,
  TSS = 0x7800,
  IDT = 0x8000;
/** Where code goes, and where the stack begins (downwards). */
export const CODE = 0x10000,
  STACK = 0xfff0;
const CR0 = 0x80050033,
  CR4 = 0x6a0,
  EFER_NXE_LMA_LME_SCE = 0xd01n,
  MSR_EFER = 0xc0000080;
const CODE64 = 0xa09b,
  DATA = 0xc093,
  TSS_BUSY = 0x8b;

/** The core as the build left it. Throws when it is not built: a test that skips itself would say nothing. */
export function compiledCore(): WebAssembly.Module {
  const file = process.env.KMODE_CORE ?? new URL('../../build/core.wasm', import.meta.url);
  if (!existsSync(file)) throw new Error('build/core.wasm is missing: npm run build:core');
  return (compiled ??= new WebAssembly.Module(new Uint8Array(readFileSync(file))));
}
let compiled: WebAssembly.Module | undefined;

export interface BareOptions extends Omit<MachineOptions, 'core'> {
  /** Code at {@link CODE}; execution starts there. */
  code: Uint8Array;
  /** Offsets in the code of interrupt handlers, by vector. */
  handlers?: { readonly [vector: number]: number };
}

/** A machine that stands at the first byte of `code`. */
export function bareMachine(options: BareOptions): Machine {
  const { code, handlers = {}, ...rest } = options;
  const machine = new Machine({ ...rest, core: compiledCore(), config: { ramBytes: 4 << 20, ...rest.config } });
  machine.boot();
  const { ram } = machine;
  ram.write64(PML4, BigInt(PDPT | 3));
  for (let gib = 0; gib < 4; gib++) {
    ram.write64(PDPT + gib * 8, BigInt((PD + gib * 0x1000) | 3));
    for (let i = 0; i < 512; i++) ram.write64(PD + gib * 0x1000 + i * 8, BigInt(gib * 2 ** 30 + i * 2 ** 21 + 0x83));
  }
  ram.write64(GDT + 8, 0x00af9b000000ffffn);
  ram.write64(GDT + 16, 0x00cf93000000ffffn);
  ram.write64(GDT + 24, 0x00008b0000000067n | (BigInt(TSS) << 16n));
  for (const [vector, offset] of Object.entries(handlers)) {
    const at = IDT + Number(vector) * 16,
      to = CODE + offset;
    // 64-bit interrupt gate, present, DPL 0 (SDM vol. 3, figure 6-8).
    ram.write64(at, (BigInt(to >>> 16) << 48n) | (0x8en << 40n) | (8n << 16n) | BigInt(to & 0xffff));
    ram.write64(at + 8, 0n);
  }
  ram.writeBytes(CODE, code);
  for (const cpu of machine.cpus) {
    cpu.setCr(3, PML4);
    cpu.setCr(4, CR4);
    cpu.wrmsr(MSR_EFER, EFER_NXE_LMA_LME_SCE);
    cpu.setSegment(CS, { selector: 8, base: 0, limit: 0xffffffff, access: CODE64 });
    for (const n of [SS, DS, ES]) cpu.setSegment(n, { selector: 16, base: 0, limit: 0xffffffff, access: DATA });
    cpu.setSegment(TR, { selector: 24, base: TSS, limit: 0x67, access: TSS_BUSY });
    cpu.setGdtr(GDT, 0x27);
    cpu.setIdtr(IDT, 0xfff);
    cpu.setCr(0, CR0);
    cpu.rip = CODE;
    // Every processor starts here, without a start-up IPI.
    cpu.activity = 0;
    for (let n = 0; n < 16; n++) cpu.setGpr(n, 0n);
    cpu.setGpr(RSP, BigInt(STACK - cpu.index * 0x1000));
  }
  return machine;
}

/** Hexadecimal digits as bytes; white space is ignored. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], b => parseInt(b, 16));
}

/**
 * A device that shows exact time. OUT to 700h schedules a pulse on I/O APIC pin 5; IN from 700h gives the cycle of the access; IN from 704h gives the
 * number of pulses so far times 2^16, plus the bytes that came in.
 */
export class PulseDevice implements Device {
  readonly id = 'pulse0';
  readonly title = 'Pulse generator';
  private bus: Bus | null = null;
  private line: InterruptLine | null = null;
  private pulses = 0;
  private received = 0;
  /** What was asked of it, for tests: not state. */
  readonly seen: string[] = [];

  attach(bus: Bus): void {
    this.bus = bus;
    this.line = bus.interruptLine(5);
    bus.claimPorts(this, 0x700, 8);
  }
  reset(): void {
    this.pulses = 0;
    this.received = 0;
  }
  save(): DeviceState {
    return { pulses: this.pulses, received: this.received };
  }
  load(state: DeviceState): void {
    this.pulses = Number(state.pulses);
    this.received = Number(state.received);
  }
  portRead(port: number): number {
    return port === 0x700 ? this.clock.now() >>> 0 : this.pulses * 0x10000 + this.received;
  }
  portWrite(port: number, _size: number, value: number): void {
    this.seen.push(`${port.toString(16)} <- ${value.toString(16)} @${this.clock.now()}`);
    if (port === 0x700) this.clock.schedule(this, 'pulse', this.clock.now() + 20 + (value & 0x3ff));
    if (port === 0x704) this.bus?.output(this, 'out', Uint8Array.of(value));
    if (port === 0x705) throw new Error('the pulse generator is broken');
  }
  event(): void {
    this.pulses++;
    this.line?.set(true);
    this.line?.set(false);
  }
  input(_channel: string, data: Uint8Array): void {
    this.received += data.length;
    this.line?.set(true);
    this.line?.set(false);
  }
  private get clock(): Bus['clock'] {
    if (this.bus === null) throw new Error('not attached');
    return this.bus.clock;
  }
}

/** Routes I/O APIC pin 5 to vector 51h of processor 0, edge-triggered (82093AA, IOREDTBL). */
export function routePulse(machine: Machine): void {
  const cpu = machine.cpus[0];
  cpu.physWrite(0xfec00000, 4, 0x10 + 2 * 5);
  cpu.physWrite(0xfec00010, 4, 0x51);
  cpu.physWrite(0xfec00000, 4, 0x11 + 2 * 5);
  cpu.physWrite(0xfec00010, 4, 0);
}

/**
 * A guest that does a bit of everything: memory, a periodic APIC timer interrupt, port I/O that reads the exact cycle, device interrupts, HLT.
 *
 *     start:  mov ebx,0FEE00000h ; mov dword [rbx+0F0h],1FFh ; mov dword [rbx+320h],20040h ; mov dword [rbx+3E0h],0Bh ; mov dword [rbx+380h],1777
 *             sti ; mov edi,20000h ; xor eax,eax ; xor ecx,ecx ; mov r8,9E3779B97F4A7C15h
 *     loop:   add rax,r8 ; rol rax,7 ; mov [rdi+rcx*8],rax ; mov rdx,rax ; shr rdx,32 ; xor [rdi+rcx*4+8000h],edx
 *             inc ecx ; and ecx,7FFh ; test cl,3Fh ; jnz loop
 *             mov edx,700h ; out dx,eax ; in eax,dx ; add r9,rax ; test ecx,1FFh ; jnz loop ; hlt ; jmp loop
 *     +100:   push rax ; inc qword [18000h] ; mov eax,0FEE00000h ; mov dword [rax+0B0h],0 ; pop rax ; iretq
 *     +140:   push rax ; push rdx ; mov edx,704h ; in eax,dx ; add [18008h],eax ; mov eax,0FEE00000h ; mov dword [rax+0B0h],0 ; pop rdx ; pop rax ; iretq
 */
export const BUSY_GUEST = ((): Uint8Array => {
  const bytes = new Uint8Array(0x180);
  bytes.set(
    hex(`
    bb0000e0fe c783f0000000ff010000 c7832003000040000200 c783e00300000b000000 c78380030000f1060000 fb bf00000200 31c0 31c9 49b8157c4a7fb979379e
    4c01c0 48c1c007 488904cf 4889c2 48c1ea20 31948f00800000 ffc1 81e1ff070000 f6c13f 75da
    ba00070000 ef ed 4901c1 f7c1ff010000 75c8 f4 ebc5`),
  );
  bytes.set(hex('50 48ff042500800100 b80000e0fe c780b000000000000000 58 48cf'), 0x100);
  bytes.set(hex('50 52 ba04070000 ed 01042508800100 b80000e0fe c780b000000000000000 5a 58 48cf'), 0x140);
  return bytes;
})();

/** {@link BUSY_GUEST} with its device and its interrupts routed. */
export function busyMachine(options: Omit<BareOptions, 'code' | 'handlers' | 'devices'> = {}): Machine {
  const machine = bareMachine({
    ...options,
    code: BUSY_GUEST,
    handlers: { 0x40: 0x100, 0x51: 0x140 },
    devices: [new PulseDevice()],
  });
  routePulse(machine);
  return machine;
}
