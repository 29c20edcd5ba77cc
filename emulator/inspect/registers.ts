import type { CpuView } from '../../hal/bus/index.ts';

const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
/** In the order in which people read them. */
const ORDER = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];

/** RFLAGS bits by name, highest first (SDM vol. 1, 3.4.3). */
export const FLAGS: readonly (readonly [name: string, bit: number])[] = [
  ['AC', 18],
  ['RF', 16],
  ['NT', 14],
  ['OF', 11],
  ['DF', 10],
  ['IF', 9],
  ['TF', 8],
  ['SF', 7],
  ['ZF', 6],
  ['AF', 4],
  ['PF', 2],
  ['CF', 0],
];

/** A processor's registers by name, unsigned 64-bit. */
export interface RegisterSet {
  general: { name: string; value: bigint }[];
  rip: number;
  rflags: number;
  control: { name: string; value: bigint }[];
  cpl: number;
  irql: number;
}

export function readRegisters(cpu: CpuView): RegisterSet {
  return {
    general: ORDER.map(n => ({ name: NAMES[n]!, value: cpu.gpr(n) })),
    rip: cpu.rip,
    rflags: cpu.rflags,
    control: [
      { name: 'cr0', value: BigInt(cpu.cr(0)) },
      { name: 'cr2', value: BigInt.asUintN(64, BigInt(cpu.cr(2))) },
      { name: 'cr3', value: BigInt(cpu.cr(3)) },
      { name: 'cr4', value: BigInt(cpu.cr(4)) },
      { name: 'cr8', value: BigInt(cpu.cr8) },
      { name: 'gs', value: BigInt.asUintN(64, BigInt(cpu.segment(5).base)) },
    ],
    cpl: cpu.cpl,
    irql: cpu.cr8,
  };
}

/** Number of a general register by its 64-bit name, or -1. */
export const registerNumber = (name: string): number => NAMES.indexOf(name.toLowerCase());
