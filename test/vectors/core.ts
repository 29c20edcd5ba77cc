// Loads the built core for a machine without devices.

import { existsSync, readFileSync } from 'node:fs';
import { createMemory, instantiate, type CoreExports } from '../../emulator/core/abi.ts';

const CORE_FILE = new URL('../../build/core.wasm', import.meta.url);

/** Whether `npm run build:core` has made the core. */
export const coreIsBuilt = (): boolean => existsSync(CORE_FILE);

let compiled: WebAssembly.Module | undefined;

/** A core and the linear memory that it lives in. */
export interface CoreInstance {
  memory: WebAssembly.Memory;
  exports: CoreExports;
}

/** A new instance with one processor. Nothing answers at its ports and device addresses: reads give ones, as on an empty bus. */
export function loadCore(ramBytes: number): CoreInstance {
  compiled ??= new WebAssembly.Module(readFileSync(CORE_FILE));
  const memory = createMemory(ramBytes, 1);
  const exports = instantiate(compiled, memory, {
    portIn: () => 0xffffffff,
    portOut: () => {},
    mmioRead: () => 0xffffffff,
    mmioWrite: () => {},
    event: () => {},
  });
  return { memory, exports };
}
