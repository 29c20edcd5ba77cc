import type { CoreExports } from './abi.ts';

/** An opcode that the machine met and that no instruction form has. */
export interface MissingOpcode {
  /** As the Intel SDM writes it: `0F 3A CC`, `VEX.0F38 90`. */
  opcode: string;
  /** How often it raised #UD. */
  count: number;
}

const MAPS = ['', '0F ', '0F 38 ', '0F 3A ', 'VEX.0F ', 'VEX.0F38 ', 'VEX.0F3A '];

/** Opcodes that raised #UD because they are not there, most frequent first. `memory` is the core's linear memory. */
export function missingOpcodes(core: CoreExports, memory: WebAssembly.Memory): MissingOpcode[] {
  const counts = new Uint32Array(memory.buffer, core.opsMissing() >>> 0, MAPS.length * 256);
  const found: MissingOpcode[] = [];
  counts.forEach((count, i) => {
    if (count !== 0) found.push({ opcode: MAPS[i >> 8] + (i & 0xff).toString(16).toUpperCase().padStart(2, '0'), count });
  });
  return found.sort((a, b) => b.count - a.count || (a.opcode < b.opcode ? -1 : 1));
}
