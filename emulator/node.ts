// What the library takes from the disk when it runs in Node. In a browser these are never called: the page passes the core and the images in.

type FileSystem = { readFileSync(path: string | URL): Uint8Array<ArrayBuffer>; existsSync(path: URL): boolean };

function fileSystem(): FileSystem {
  const host = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const fs = host.process?.getBuiltinModule?.('node:fs') as FileSystem | undefined;
  if (fs === undefined) throw new Error('there is no file system here: pass the compiled core and the bytes of the image');
  return fs;
}

/** The core beside the bundle (`dist/core.wasm`), or as the build leaves it (`build/core.wasm`). */
const CORE_PLACES = ['./core.wasm', '../build/core.wasm'];
let compiled: WebAssembly.Module | null = null;

/** The compiled core. Throws an Error that says how to build it when it is not there. */
export function loadCoreFromDisk(): WebAssembly.Module {
  if (compiled !== null) return compiled;
  const fs = fileSystem();
  const found = CORE_PLACES.map(place => new URL(place, import.meta.url)).find(url => fs.existsSync(url));
  if (found === undefined) throw new Error('core.wasm is not built: run `npm run build:core`');
  return (compiled = new WebAssembly.Module(fs.readFileSync(found)));
}

export function readFileFromDisk(path: string): Uint8Array {
  return new Uint8Array(fileSystem().readFileSync(path));
}
