// Shorthands for records that exist in several operand sizes.

export interface Size {
  /** Bits of the operand. */
  bits: 16 | 32 | 64;
  /** What stands in front of the encoding. */
  prefix: 'o16' | 'o32' | 'REX.W';
  /** AssemblyScript type. */
  type: 'u16' | 'u32' | 'u64';
  /** Immediate of full size (sign-extended from 32 bits for 64): encoding and place. */
  imm: 'iw' | 'id';
  immPlace: 'imm16' | 'imm32s';
  accumulator: 'AX' | 'EAX' | 'RAX';
}

/** The three sizes that prefixes select. */
export const sizes: Size[] = [
  { bits: 16, prefix: 'o16', type: 'u16', imm: 'iw', immPlace: 'imm16', accumulator: 'AX' },
  { bits: 32, prefix: 'o32', type: 'u32', imm: 'id', immPlace: 'imm32s', accumulator: 'EAX' },
  { bits: 64, prefix: 'REX.W', type: 'u64', imm: 'id', immPlace: 'imm32s', accumulator: 'RAX' },
];

/** Two upper-case hex digits. */
export const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0');

/** Names of the sixteen condition codes. */
export const conditions = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'];
/** Flags that a condition code reads, by its upper three bits. */
export const conditionFlags = ['o', 'c', 'z', 'cz', 's', 'p', 'so', 'zso'];
