/** The race in a browser's worker: gets the compiled core and the driver (base64) and seeds, answers with what each left. */
import { race } from './race.ts';
import type { Outcome } from './race.ts';

/** What a worker's global object has, as far as it is used here. */
interface WorkerScope {
  onmessage: ((event: { data: { core: string; driver: string; seeds: number[] } }) => Promise<void>) | null;
  postMessage(message: { outcomes: Outcome[] } | { error: string }): void;
}
const decode = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data: { core, driver, seeds } }) => {
  try {
    const compiled = await WebAssembly.compile(decode(core));
    scope.postMessage({ outcomes: seeds.map(seed => race(decode(driver), seed, undefined, { core: compiled })) });
  } catch (error) {
    scope.postMessage({ error: String(error) });
  }
};
