// The part of the WebAssembly JavaScript interface that the host uses. The language's own libraries do not declare it outside of a browser.
declare namespace WebAssembly {
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  const Memory: { new (descriptor: { initial: number; maximum?: number }): Memory };

  interface Module {
    readonly [brand: symbol]: never;
  }
  const Module: { new (bytes: BufferSource): Module; exports(module: Module): { name: string; kind: string }[] };

  type ExportValue = (...args: number[]) => number;
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  const Instance: { new (module: Module, imports?: Record<string, Record<string, unknown>>): Instance };

  type BufferSource = ArrayBufferView | ArrayBuffer;
  function compile(bytes: BufferSource): Promise<Module>;
  function compileStreaming(source: Promise<unknown>): Promise<Module>;
}
