import { instructionAt } from '../../emulator/inspect/code.ts';
import { DriverMachine } from '../../emulator/library.ts';
import { offerFile, request, Requests } from '../../emulator/requests.ts';
import { RunControl } from '../../emulator/runcontrol.ts';
import { Timeline } from '../../emulator/timeline.ts';
import type { MachineConfig, Reply } from '../../hal/bus/index.ts';
import coreUrl from '../../build/core.wasm?url';

/** Guest cycles between checkpoints: going back replays at most this. */
const CHECKPOINT_INTERVAL = 20_000_000;
/** Guest seconds that booting, and loading a driver, may take. */
const BOOT_SECONDS = 10;

/** The machine with its past, and what gives it orders. */
export interface Setup {
  machine: DriverMachine;
  timeline: Timeline;
  control: RunControl;
  requests: Requests;
}

/** The built samples by file name: whatever there is in samples/. */
const SAMPLES = Object.fromEntries(
  Object.entries(import.meta.glob<string>('../../samples/*/*.sys', { query: '?url', import: 'default', eager: true })).map(
    ([path, url]) => [path.replace(/^.*\//, ''), url],
  ),
);

/** The compiled core and the samples, fetched at once. */
export async function fetchParts(): Promise<{ core: WebAssembly.Module; samples: Map<string, Uint8Array> }> {
  const names = Object.keys(SAMPLES).sort();
  const [core, ...files] = await Promise.all([compile(coreUrl), ...names.map(name => fetchBytes(SAMPLES[name]!))]);
  return { core, samples: new Map(names.map((name, i) => [name, files[i]!])) };
}

/** A machine that stands before its first instruction, recorded from there on. A setting that no machine can have throws a RangeError. `watch` is called before anything runs. */
export function makeMachine(core: WebAssembly.Module, config: Partial<MachineConfig>, watch: (setup: Setup) => void): Setup {
  const machine = DriverMachine.create({ ...config, core, boot: false });
  machine.boot();
  const timeline = new Timeline(machine, { interval: CHECKPOINT_INTERVAL });
  const setup = {
    machine,
    timeline,
    requests: new Requests(machine, timeline),
    control: new RunControl(timeline, (cpu, va) => {
      const d = instructionAt(cpu, va);
      return { length: d.length, call: d.kind === 'call' };
    }),
  };
  watch(setup);
  return setup;
}

/** Runs until the kernel is up. Throws an Error when it does not come up. */
export function bootKernel({ machine, timeline }: Setup): void {
  const slice = Math.floor(machine.config.tscHz / 1000);
  const end = machine.cycle + BOOT_SECONDS * machine.config.tscHz;
  while (!machine.guest.booted()) {
    const { reason } = timeline.run(machine.cycle + slice);
    const bug = machine.bugCheck();
    if (reason !== 'limit')
      throw new Error(
        `the kernel did not come up: ${bug === null ? reason : `${bug.name} in ${bug.routine ?? 'an unknown routine'}`}`,
      );
    if (machine.cycle >= end) throw new Error(`the kernel did not come up within ${BOOT_SECONDS} guest seconds`);
  }
}

/** Offers the samples to the console's `load`, and loads one of them. Resolves with the reply, or null when the machine stopped or took too long. */
export function loadSample({ machine, requests }: Setup, samples: ReadonlyMap<string, Uint8Array>, name: string): Reply | null {
  for (const [file, bytes] of samples) offerFile(machine, file, bytes);
  const image = samples.get(`${name}.sys`);
  if (image === undefined) throw new Error(`there is no sample '${name}'`);
  const id = requests.submit(request.load(name, image));
  return requests.wait(id, BOOT_SECONDS * machine.config.tscHz, true).reply;
}

async function compile(url: string): Promise<WebAssembly.Module> {
  const response = await found(url);
  // Some hosts send another type than application/wasm, which streaming refuses.
  if (response.headers.get('content-type')?.startsWith('application/wasm')) return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

async function fetchBytes(url: string): Promise<Uint8Array> {
  return new Uint8Array(await (await found(url)).arrayBuffer());
}

async function found(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} was not found on the server: ${response.status} ${response.statusText}`);
  return response;
}
