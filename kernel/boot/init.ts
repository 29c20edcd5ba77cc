import { initializeLocalApic, ioApicPins, maskPin } from '../../hal/nt/apic.ts';
import { readRealTimeClock } from '../../hal/nt/rtc.ts';
import { call, type Frame, next, type NtExport, ntExport, ntSteps, type Outcome, PVOID, ret, VOID } from '../exports/declare.ts';
import { startClock } from '../ke/clock.ts';
import { DEFAULT_MAXIMUM_DPC_QUEUE_DEPTH } from '../ke/dpc.ts';
import { initializeListHead } from '../ke/list.ts';
import { nextRandom } from '../ke/random.ts';
import { readyListHead, SPURIOUS_VECTOR } from '../ke/ready.ts';
import { UNIX_EPOCH_IN_NT_TIME } from '../ke/time.ts';
import { initializeTimerTable } from '../ke/timer.ts';
import type { Kernel } from '../kernel.ts';
import { ldrInitialize } from '../ldr/modules.ts';
import { mmInitialize } from '../mm/init.ts';
import type { BootMemory } from '../mm/layout.ts';
import { KUSER_SHARED_DATA as SHARED_PAGE, prcbAddress } from '../mm/layout.ts';
import { obInitNamespace, obInitTypes, obSetDeleteProcedure } from '../ob/init.ts';
import { exportedType } from '../ob/type.ts';
import { initializeCidTable } from '../ps/cid.ts';
import { initializeIdleProcess, psCreateSystemProcess } from '../ps/process.ts';
import { initializeIdleThread, psCreateSystemThread } from '../ps/thread.ts';
import { seInit } from '../se/init.ts';
import { KUSER_SHARED_DATA } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { EPROCESS } from '../types/ps.ts';
import { u32 } from '../types/struct.ts';
import { PHASE_0, PHASE_1 } from './phases.ts';
import { initializeProcessor } from './startup.ts';

const P = KPRCB.f;

/** What the boot loader wrote into the kernel's variables. */
function bootMemory(k: Kernel): BootMemory {
  return {
    firstFreePage: k.global.get('LoaderFirstFreePage'),
    pages: k.global.get('LoaderPages'),
    poolBase: Number(k.global.get('LoaderPoolBase')),
    poolSize: Number(k.global.get('LoaderPoolSize')),
    directoryTable: Number(k.global.get('LoaderDirectoryTable')),
  };
}

/** The dispatcher's part of a processor's KPRCB: empty ready queues and timer table. */
export function initializeDispatcher(k: Kernel, processor: number): void {
  const prcb = prcbAddress(processor);
  for (let priority = 0; priority < 32; priority++) initializeListHead(k.mem, readyListHead(prcb, priority));
  initializeListHead(k.mem, prcb + P.WaitListHead.offset);
  initializeTimerTable(k, processor);
  P.MaximumDpcQueueDepth.set(k.mem, prcb, DEFAULT_MAXIMUM_DPC_QUEUE_DEPTH);
  P.MinimumDpcRate.set(k.mem, prcb, 3);
}

const BUILD_NUMBER = 19045;
const PF_FEATURES = [2, 3, 6, 8, 9, 10, 12, 13, 14, 17, 23, 28, 36, 37, 38, 39, 40];
const SYSTEM_ROOT = 'C:\\Windows';

/** The page that everybody can read: version, processor features, where Windows is. Times are the clock's. */
/** What the kernel enables in XCR0: x87, SSE and AVX state; and the size of an XSAVE area with it. */
const XSTATE_FEATURES = 7,
  XSTATE_SIZE = 832;

function initializeSharedPage(k: Kernel, pages: number): void {
  const f = KUSER_SHARED_DATA.f;
  const set = (at: number, width: 1 | 2 | 4, value: number): void =>
    width === 1
      ? k.mem.write8(SHARED_PAGE + at, value)
      : width === 2
        ? k.mem.write16(SHARED_PAGE + at, value)
        : k.mem.write32(SHARED_PAGE + at, value);
  set(f.ImageNumberLow.offset, 2, 0x8664);
  set(f.ImageNumberHigh.offset, 2, 0x8664);
  for (let i = 0; i < SYSTEM_ROOT.length; i++) set(f.NtSystemRoot.offset + i * 2, 2, SYSTEM_ROOT.charCodeAt(i));
  set(f.NtBuildNumber.offset, 4, BUILD_NUMBER);
  set(f.NtProductType.offset, 4, 1);
  set(f.ProductTypeIsValid.offset, 1, 1);
  set(f.NativeProcessorArchitecture.offset, 2, 9);
  set(f.NtMajorVersion.offset, 4, 10);
  set(f.NtMinorVersion.offset, 4, 0);
  for (const feature of PF_FEATURES) set(f.ProcessorFeatures.offset + feature, 1, 1);
  set(f.NumberOfPhysicalPages.offset, 4, pages);
  set(f.SuiteMask.offset, 4, 0x110);
  set(f.CyclesPerYield.offset, 2, 40);
  set(f.Cookie.offset, 4, Number(nextRandom(k) & 0xffffffffn));
  set(f.LargePageMinimum.offset, 4, 0x200000);
  set(f.ActiveProcessorCount.offset, 4, 1);
  set(f.ActiveGroupCount.offset, 1, 1);
  set(f.TestRetInstruction.offset, 1, 0xc3);
  // XSTATE_CONFIGURATION: enabled and volatile features, size, control flags (compaction off), offset and size of each component.
  const xstate = f.XState.offset;
  for (const [at, value] of [
    [0, XSTATE_FEATURES],
    [8, XSTATE_FEATURES],
    [16, XSTATE_SIZE],
    [24, 0],
    [28, 160],
    [32, 160],
    [36, 256],
    [40, 576],
    [44, 256],
  ])
    set(xstate + at, 4, value);
}

/** Phase 0, on the boot stack at HIGH_LEVEL: everything that other parts stand on, in NT's order. */
function phase0(k: Kernel): void {
  const boot = bootMemory(k);
  k.global.set('KeActiveProcessors', 1n);
  k.global.set('KiRandomState', BigInt.asUintN(64, BigInt(Math.trunc(k.config.seed))));
  mmInitialize(k, boot);
  initializeDispatcher(k, 0);
  initializeListHead(k.mem, k.global.address('PsActiveProcessHead'));
  initializeIdleThread(k, initializeIdleProcess(k), k.global.address('KiInitialThread'), 0);
  initializeSharedPage(k, boot.pages);
  ldrInitialize(k);

  initializeLocalApic(k.cpu, SPURIOUS_VECTOR);
  for (let pin = 0; pin < ioApicPins(k.cpu); pin++) maskPin(k.cpu, pin);
  const seconds = readRealTimeClock(k.cpu) ?? k.config.rtcEpoch;
  startClock(k, BigInt(Math.trunc(seconds)) * 10_000_000n + UNIX_EPOCH_IN_NT_TIME);

  for (const { export: e, address } of k.images.data) e.init?.(k, address);
  obInitTypes(k, Number(nextRandom(k) & 0xffffffffn));
  obSetDeleteProcedure(k, exportedType(k, 'PsThreadType'), k.address('nt!PspThreadDelete'));
  obSetDeleteProcedure(k, exportedType(k, 'PsProcessType'), k.address('nt!PspProcessDelete'));
  initializeCidTable(k);
  const system = psCreateSystemProcess(k, 'System');
  if (!system) throw new Error('the system process could not be made');
  k.mem.writePtr(k.address('nt!PsInitialSystemProcess'), system);
  obInitNamespace(k, system, EPROCESS.f.UniqueProcessId.get(k.mem, system));
  seInit(k, system);
  for (const initialize of PHASE_0) initialize(k);
  if (!psCreateSystemThread(k, system, k.address('nt!Phase1Initialization'), 0, 31))
    throw new Error('the thread of phase 1 could not be made');
  k.global.set('InitializationPhase', 1);
}

const frame = { Index: u32 };

function callNext(k: Kernel, f: Frame<typeof frame>): Outcome {
  const index = f.get('Index');
  const name = PHASE_1[index];
  if (name === undefined) {
    k.global.set('InitializationPhase', 2);
    return ret();
  }
  f.set('Index', index + 1);
  return call(k.address(name), [], 'initialized');
}

export const bootRoutines: readonly NtExport[] = [
  ntExport({
    name: 'KiInitializeKernel',
    internal: true,
    doc: 'Initialization with interrupts off: of the system (phase 0) on the boot processor, of itself on every other one.',
    args: {},
    returns: VOID,
    cycles: 100000,
    status: 'full',
    impl: k => {
      k.cpu.xcr0 = XSTATE_FEATURES;
      if (k.cpu.index === 0) phase0(k);
      else initializeProcessor(k);
    },
  }),
  ntSteps({
    name: 'Phase1Initialization',
    internal: true,
    doc: 'Phase 1 of initialization, in a system thread: the managers that need threads, waits and drivers.',
    args: { Context: PVOID },
    returns: VOID,
    cycles: 1000,
    status: 'full',
    frame,
    steps: {
      start(k, f) {
        f.set('Index', 0);
        return callNext(k, f);
      },
      initialized(k, f, status) {
        if ((status | 0) < 0) k.bugCheck(0x32, status, f.get('Index'), 0, 0, `${PHASE_1[f.get('Index') - 1]} failed`);
        return next('more', 0);
      },
      more: (k, f) => callNext(k, f),
    },
  }),
];
