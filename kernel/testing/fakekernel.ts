import type { CpuView, SegmentState } from '../../hal/bus/cpu.ts';
import type { MachineConfig, Platform, TraceEvent } from '../../hal/bus/guestos.ts';
import { buildMemory } from '../boot/memory.ts';
import { allExports } from '../exports/index.ts';
import type { PlainExport } from '../exports/declare.ts';
import { buildKernelImages, type KernelImages } from '../image/build.ts';
import { BugCheckSignal, Kernel } from '../kernel.ts';
import { ldrInitialize } from '../ldr/modules.ts';
import { mmInitialize } from '../mm/init.ts';
import type { BootMemory } from '../mm/layout.ts';
import { FakePhysical, FakeVirtual } from './fakemem.ts';

/** A processor without a core: registers that can be set and read, memory through real page tables. */
function fakeCpu(mem: FakeVirtual, index: number): CpuView {
  const gprs = new BigUint64Array(16);
  const crs = new Map<number, number>([[3, mem.root]]);
  const segments = new Map<number, SegmentState>();
  const never = (what: string) => (): never => {
    throw new Error(`the fake processor has no ${what}`);
  };
  return {
    index,
    mem,
    gpr: n => gprs[n]!,
    setGpr: (n, v) => void (gprs[n] = v),
    gprLo: n => Number(gprs[n]! & 0xffffffffn),
    gprHi: n => Number(gprs[n]! >> 32n),
    setGpr32: (n, lo, hi) => void (gprs[n] = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)),
    gprPtr: n => Number(BigInt.asIntN(64, gprs[n]!)),
    setGprPtr: (n, va) => void (gprs[n] = BigInt.asUintN(64, BigInt(va))),
    rip: 0,
    rflags: 2,
    cr: n => crs.get(n) ?? 0,
    setCr: (n, v) => {
      crs.set(n, v);
      if (n === 3) mem.root = v;
    },
    cr8: 0,
    cpl: 0,
    segment: n => segments.get(n) ?? { selector: 0, base: 0, limit: 0, access: 0 },
    setSegment: (n, s) => void segments.set(n, s),
    setGdtr: () => undefined,
    setIdtr: () => undefined,
    gdtr: () => ({ base: 0, limit: 0 }),
    idtr: () => ({ base: 0, limit: 0 }),
    rdmsr: never('MSRs'),
    wrmsr: never('MSRs'),
    xmm: () => new Uint8Array(16),
    ymmHigh: () => new Uint8Array(16),
    saveX87: never('x87 state'),
    loadX87: never('x87 state'),
    xcr0: 7,
    mxcsr: 0x1f80,
    cycle: 0,
    charge: () => undefined,
    halted: false,
    raise: never('exceptions'),
    invalidate: () => undefined,
    portIn: never('ports'),
    portOut: never('ports'),
    physRead: never('devices'),
    physWrite: never('devices'),
  };
}

const CONFIG: MachineConfig = {
  ramBytes: 32 * 1024 * 1024,
  cpus: 1,
  tscHz: 100e6,
  apicHz: 100e6,
  rtcEpoch: 1767225600,
  clockPeriod: 156250,
  dpcWatchdogTicks: 64,
  verifier: false,
  injectPool: 0,
  injectMap: 0,
  injectLower: 0,
  injectObject: 0,
  injectSeed: 1,
  requester: 'user',
  account: 'administrator',
  scheduleSeed: 1,
  seed: 1,
};

let images: KernelImages | null = null;
/** RAM as it is after initialization, by configuration: making it takes longer than most tests. */
const prepared = new Map<string, { ram: Uint8Array; directoryTable: number }>();

export interface FakeKernel {
  k: Kernel;
  ram: FakePhysical;
  /** Text of DbgPrint and other events. */
  events: TraceEvent[];
}

/** A kernel whose memory manager and loader are up, on RAM without a processor: for unit tests of routines that only work on memory. */
export function fakeKernel(config: Partial<MachineConfig> = {}): FakeKernel {
  const complete = { ...CONFIG, ...config };
  const key = JSON.stringify(complete);
  images ??= buildKernelImages(allExports, 'nt!KiSystemStartup');
  const ram = new FakePhysical(complete.ramBytes);
  const ready = prepared.get(key);
  if (ready) ram.bytes.set(ready.ram);
  const boot = ready ?? buildMemory(ram, images, complete.cpus);
  const events: TraceEvent[] = [];
  const platform: Platform = {
    config: complete,
    memory: ram,
    clock: { now: () => 0, frequency: complete.tscHz, schedule: () => undefined, cancel: () => undefined },
    cpus: Array.from({ length: complete.cpus }, (_, i) => fakeCpu(new FakeVirtual(ram, boot.directoryTable), i)),
    setGateRanges: () => undefined,
    trace: e => void events.push(e),
    tracing: true,
  };
  const k = new Kernel(platform, images);
  if (!ready) {
    k.global.set('KeActiveProcessors', 1n);
    mmInitialize(k, boot as BootMemory);
    ldrInitialize(k);
    prepared.set(key, { ram: ram.bytes.slice(), directoryTable: boot.directoryTable });
  }
  return { k, ram, events };
}

/** Calls a plain routine by name with arguments by name; integers, pointers and booleans. */
export function callExport(k: Kernel, name: string, args: { readonly [name: string]: unknown }): unknown {
  const e = k.images.byName.get(name);
  if (e?.kind !== 'plain') throw new Error(`${name} is not a plain routine`);
  return (e as PlainExport).impl(k, args as never);
}

/** Code and parameters of the bug check that `f` ends in, or null when it ends normally. */
export function bugCheckOf(f: () => unknown): { code: number; parameters: readonly bigint[] } | null {
  try {
    f();
  } catch (e) {
    if (e instanceof BugCheckSignal) return { code: e.code, parameters: e.parameters };
    throw e;
  }
  return null;
}
