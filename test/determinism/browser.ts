/** The script in a browser's worker: gets the compiled core and the drivers, answers with the hashes. */
import { Machine } from '../../emulator/index.ts';
import { play } from './script.ts';
import type { Drivers } from './script.ts';

/** What a worker's global object has, as far as it is used here. */
interface WorkerScope {
  onmessage: ((event: { data: { core: Uint8Array<ArrayBuffer>; drivers: Drivers; cycles: number[] } }) => void) | null;
  postMessage(message: { hashes: string[]; instructions: number } | { error: string }): void;
}
const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data: { core, drivers, cycles } }) => {
  try {
    const machine = Machine.create({ boot: false, core: await WebAssembly.compile(core) });
    const hashes = play(machine, drivers, cycles);
    scope.postMessage({ hashes, instructions: machine.instructions });
  } catch (error) {
    scope.postMessage({ error: String(error) });
  }
};
