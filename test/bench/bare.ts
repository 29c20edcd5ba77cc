import { readFileSync } from 'node:fs';
import * as abi from '../../emulator/core/abi.ts';
import type { CoreExports } from '../../emulator/core/abi.ts';

/** A processor with RAM and nothing else, in 64-bit mode at CPL 0, its memory mapped identically with 4 KiB pages. */
export interface Bare {
  core: CoreExports;
  view: DataView;
  cpu: number;
  ram: number;
  /** Calls guest code and runs it to its return; gives back RAX and the instructions it took. */
  /** Puts the processor at an address with a value in RDI, without running it. */
  place(entry: number, rdi: number): void;
  call(entry: number, rdi: number, rsi: number): { rax: number; instructions: number; cycles: number };
}

const RAM_BYTES = 64 << 20;
const PAGE_TABLES = 0x100000;
const CODE = 0x10000,
  STACK = 0x90000,
  GDT = 0x7000,
  IDT = 0x5000,
  RETURN = 0x8000;
const CR0_PE_ET_NE_WP_PG = 0x80010031,
  CR4_PAE_OSFXSR = 0x620,
  EFER_LME_LMA_NX = 0xd00;
const CODE64 = 0xa09b,
  DATA = 0xc093;

/** @param image flat code for address 0x10000 */
export function createBare(wasm: Uint8Array, image: Uint8Array): Bare {
  const memory = abi.createMemory(RAM_BYTES, 1);
  const ports = new Uint8Array(256);
  const core = abi.instantiate(new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>), memory, {
    portIn: port => ports[port & 255]!,
    portOut: (port, _size, value) => void (ports[port & 255] = value),
    mmioRead: () => 0,
    mmioWrite: () => {},
    event: () => {},
  });
  core.init(RAM_BYTES, 1);
  core.setApicDivider(1);
  const view = new DataView(memory.buffer);
  const ram = core.ramBase() >>> 0,
    cpu = core.cpuBase(0) >>> 0;
  const put64 = (pa: number, v: bigint): void => view.setBigUint64(ram + pa, v, true);

  new Uint8Array(memory.buffer).set(image, ram + CODE);
  put64(PAGE_TABLES, BigInt(PAGE_TABLES + 0x1000) | 3n);
  put64(PAGE_TABLES + 0x1000, BigInt(PAGE_TABLES + 0x2000) | 3n);
  for (let i = 0; i < 32; i++) put64(PAGE_TABLES + 0x2000 + 8 * i, BigInt(PAGE_TABLES + 0x10000 + 0x1000 * i) | 3n);
  for (let i = 0; i < 16384; i++) put64(PAGE_TABLES + 0x10000 + 8 * i, BigInt(i * 4096) | 3n);
  put64(GDT + 8, 0x00cf92000000ffffn);
  put64(GDT + 16, 0x00cf92000000ffffn);
  put64(GDT + 24, 0x00af9a000000ffffn);
  view.setUint8(ram + RETURN, 0xf4);

  const set64 = (at: number, v: bigint): void => view.setBigUint64(cpu + at, v, true);
  const set32 = (at: number, v: number): void => view.setUint32(cpu + at, v, true);
  const segment = (n: number, selector: number, access: number): void => {
    const at = abi.SEG + n * abi.SEG_SIZE;
    set32(at + abi.SEG_SELECTOR, selector);
    set32(at + abi.SEG_LIMIT, 0xffffffff);
    set32(at + abi.SEG_ACCESS, access);
    set64(at + abi.SEG_BASE, 0n);
  };
  set64(abi.CR0, BigInt(CR0_PE_ET_NE_WP_PG));
  set64(abi.CR3, BigInt(PAGE_TABLES));
  set64(abi.CR4, BigInt(CR4_PAE_OSFXSR));
  set64(abi.EFER, BigInt(EFER_LME_LMA_NX));
  segment(abi.SEG_CS, 24, CODE64);
  for (const n of [abi.SEG_SS, abi.SEG_DS, abi.SEG_ES, abi.SEG_FS, abi.SEG_GS]) segment(n, 16, DATA);
  set64(abi.GDTR_BASE, BigInt(GDT));
  set32(abi.GDTR_LIMIT, 31);
  set64(abi.IDTR_BASE, BigInt(IDT));
  set32(abi.IDTR_LIMIT, 0xfff);
  set32(abi.CPL, 0);
  core.flagsSet(0, 2);
  core.setState(0);
  core.hostWrote(0, 0x200000);

  const number64 = (at: number): number => view.getUint32(cpu + at, true) + view.getUint32(cpu + at + 4, true) * 2 ** 32;
  const place = (entry: number, rdi: number, rsi = 0): void => {
    put64(STACK - 8, BigInt(RETURN));
    set64(abi.GPR + 4 * 8, BigInt(STACK - 8));
    set64(abi.GPR + 7 * 8, BigInt(rdi));
    set64(abi.GPR + 6 * 8, BigInt(rsi));
    set64(abi.RIP, BigInt(entry));
    set32(abi.ACTIVITY, abi.ACTIVITY_RUNNING);
    core.flagsSet(0, 2);
    core.setState(0);
  };
  return {
    core,
    view,
    cpu,
    ram,
    place,
    call(entry, rdi, rsi) {
      place(entry, rdi, rsi);
      const instructions = number64(abi.INSTRUCTIONS),
        cycles = number64(abi.CYCLES);
      const reason = core.run(0, 0xffffffff, 0xfffff);
      const rip = number64(abi.RIP);
      if (reason !== abi.EXIT_HALT || rip !== RETURN + 1)
        throw new Error(`the guest did not return: exit ${reason}, RIP 0x${rip.toString(16)}`);
      return {
        rax: view.getUint32(cpu + abi.GPR, true),
        instructions: number64(abi.INSTRUCTIONS) - instructions,
        cycles: number64(abi.CYCLES) - cycles,
      };
    },
  };
}

/** The benchmark image, and the addresses in its table. */
export function benchImage(): { image: Uint8Array; entry(n: number): number } {
  const image = readFileSync(new URL('./guest/bench64.bin', import.meta.url));
  return { image, entry: n => Number(image.readBigUInt64LE(n * 8)) };
}
export const HEAP = 0x1000000;
export const IDT_BASE = IDT;
