import { initializeLocalApic, sendInit, sendStartup } from '../../hal/nt/apic.ts';
import { startupCode } from '../../hal/nt/startup.ts';
import { R8, RAX, RCX, RDX, RSP } from '../../hal/bus/cpu.ts';
import {
  call,
  type Frame,
  HIGH_LEVEL,
  next,
  type NtExport,
  ntCode,
  NTSTATUS,
  ntSteps,
  type Outcome,
  PVOID,
  ret,
  VOID,
} from '../exports/declare.ts';
import { mem } from '../image/asm.ts';
import { startProcessorClock } from '../ke/clock.ts';
import { activeProcessorCount, activeProcessors } from '../ke/processor.ts';
import { SPURIOUS_VECTOR } from '../ke/ready.ts';
import { spreadProcess } from '../ke/thread.ts';
import type { Kernel } from '../kernel.ts';
import {
  GDT_OFFSET,
  IDLE_STACK_TOP,
  IDT_OFFSET,
  KUSER_SHARED_DATA as SHARED_PAGE,
  PAGE_SIZE,
  pcrAddress,
  prcbAddress,
  PTE_LARGE,
  PTE_VALID,
  PTE_WRITE,
} from '../mm/layout.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { mmAllocateContiguousPages, mmFreePage } from '../mm/pfn.ts';
import { initializeIdleThread } from '../ps/thread.ts';
import { MULTIPROCESSOR_CONFIGURATION_NOT_SUPPORTED } from '../types/bugcodes.ts';
import { KUSER_SHARED_DATA } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ETHREAD } from '../types/ps.ts';
import { u32 } from '../types/struct.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { CONTEXT, KPROCESSOR_STATE, KSPECIAL_REGISTERS } from '../types/trap.ts';
import { initializeDispatcher } from './init.ts';
import {
  CR0,
  CR4,
  EFER,
  GDT_LIMIT,
  IDT_LIMIT,
  KGDT64_R0_CODE,
  KGDT64_R0_DATA,
  KGDT64_R3_CMTEB,
  KGDT64_R3_DATA,
  KGDT64_SYS_TSS,
  setProcessorMsrs,
  writeProcessorArea,
} from './processor.ts';

/**
 * The other processors: INIT to all of them, then one after the other the HAL puts real-mode code below 1 MiB and sends start-up, start-up (Intel SDM vol. 3, 8.4.4.1). The code goes to 64-bit mode; HalpLMStub
 * loads the state that lies in the processor's KPRCB, as after a sleep; KiSystemStartup initializes the processor and makes it idle.
 */

/** Page of the real-mode code: free memory on every PC. */
const STARTUP_PAGE = 0x8;
/** CR3 holds 32 bits in real mode. */
const LAST_PAGE_BELOW_4_GIB = 0xfffff;
const EFER_LMA = 0x400;
const TAG = 0x54656c64; // 'dleT'
const NonPagedPoolNx = 512;

/** Microseconds of the sequence, and how often the boot processor looks whether the other one has come up. */
const INIT_DELAY = 10000,
  STARTUP_DELAY = 200,
  POLL_DELAY = 100,
  POLLS = 10000;

const S = KSPECIAL_REGISTERS.f;
const STATE_SIZE = KPROCESSOR_STATE.size;

const stateOf = (processor: number): number => prcbAddress(processor) + KPRCB.f.ProcessorState.offset;

/** Page tables for the moment of starting: the kernel's, and the low memory where the code lies mapped to itself. First of three page frames; -1 without memory. */
function buildTables(k: Kernel): number {
  const first = mmAllocateContiguousPages(k, 3, 0x100, LAST_PAGE_BELOW_4_GIB, 0, true);
  if (first < 0) return -1;
  const { memory } = k.platform;
  const [pml4, pdpt, directory] = [0, 1, 2].map(i => (first + i) * PAGE_SIZE) as [number, number, number];
  memory.writeBytes(pml4, memory.readBytes(Number(k.global.get('LoaderDirectoryTable')), PAGE_SIZE));
  memory.write64(pml4, BigInt(pdpt) | PTE_VALID | PTE_WRITE);
  memory.write64(pdpt, BigInt(directory) | PTE_VALID | PTE_WRITE);
  memory.write64(directory, PTE_VALID | PTE_WRITE | PTE_LARGE);
  return first;
}

/** The registers with which a processor enters KiSystemStartup. */
function writeState(k: Kernel, processor: number): void {
  const { mem: m } = k;
  const at = stateOf(processor);
  const pcr = pcrAddress(processor);
  m.fill(at, STATE_SIZE, 0);
  const special = at + KPROCESSOR_STATE.f.SpecialRegisters.offset;
  S.Cr0.set(m, special, BigInt(CR0));
  S.Cr3.set(m, special, k.global.get('LoaderDirectoryTable'));
  S.Cr4.set(m, special, BigInt(CR4));
  S.Cr8.set(m, special, BigInt(HIGH_LEVEL));
  m.write16(special + S.Gdtr.offset + 6, GDT_LIMIT);
  m.writePtr(special + S.Gdtr.offset + 8, pcr + GDT_OFFSET);
  m.write16(special + S.Idtr.offset + 6, IDT_LIMIT);
  m.writePtr(special + S.Idtr.offset + 8, pcr + IDT_OFFSET);
  S.Tr.set(m, special, KGDT64_SYS_TSS);
  S.MxCsr.set(m, special, 0x1f80);
  S.MsrGsBase.set(m, special, BigInt.asUintN(64, BigInt(pcr)));
  const context = at + KPROCESSOR_STATE.f.ContextFrame.offset;
  // As if called: the return address of 0 ends every walk of this stack.
  m.writePtr(context + CONTEXT.f.Rsp.offset, pcr + IDLE_STACK_TOP - 0x58);
  m.writePtr(context + CONTEXT.f.Rip.offset, k.address('nt!KiSystemStartup'));
}

/** Everything of a processor that does not need it to run. False without memory. */
function prepareProcessor(k: Kernel, processor: number, tables: number): boolean {
  const thread = exAllocatePool(k, NonPagedPoolNx, ETHREAD.size, TAG);
  if (!thread) return false;
  k.mem.fill(thread, ETHREAD.size, 0);
  writeProcessorArea(k, processor, false);
  initializeDispatcher(k, processor);
  initializeIdleThread(k, k.global.address('KiInitialProcess'), thread, processor);
  writeState(k, processor);
  k.platform.memory.writeBytes(
    STARTUP_PAGE * PAGE_SIZE,
    startupCode({
      page: STARTUP_PAGE * PAGE_SIZE,
      cr0: CR0,
      cr3: tables * PAGE_SIZE,
      cr4: CR4,
      efer: Number(EFER) & ~EFER_LMA,
      entry: k.address('hal!HalpLMStub'),
      argument: stateOf(processor),
    }),
  );
  return true;
}

/** KiInitializeKernel on a processor that has been started: its own registers, its interrupt controller and clock; then it is active. */
export function initializeProcessor(k: Kernel): void {
  const n = k.cpu.index;
  setProcessorMsrs(k, k.cpu, pcrAddress(n));
  initializeLocalApic(k.cpu, SPURIOUS_VECTOR);
  startProcessorClock(k);
  k.global.set('KeActiveProcessors', BigInt(activeProcessors(k) | (1 << n)));
  const count = activeProcessorCount(k);
  k.mem.write8(k.address('nt!KeNumberProcessors'), count);
  KUSER_SHARED_DATA.f.ActiveProcessorCount.set(k.mem, SHARED_PAGE, count);
  KPRCB.f.StartCycles.set(k.mem, k.prcb, BigInt(k.cpu.cycle));
}

const frame = { Number: u32, Tables: u32, Polls: u32 };
type F = Frame<typeof frame>;

const stall = (k: Kernel, microseconds: number, then: string): Outcome =>
  call(k.address('hal!KeStallExecutionProcessor'), [microseconds], then);

const isActive = (k: Kernel, processor: number): boolean => ((activeProcessors(k) >> processor) & 1) !== 0;

/** Starts the next processor; after the last one threads may use them all. */
function startNext(k: Kernel, f: F): Outcome {
  const n = f.get('Number');
  if (n < k.platform.cpus.length) {
    if (!prepareProcessor(k, n, f.get('Tables'))) return ret(STATUS_INSUFFICIENT_RESOURCES);
    f.set('Polls', 0);
    sendStartup(k.cpu, n, STARTUP_PAGE);
    return stall(k, STARTUP_DELAY, 'again');
  }
  for (let i = 0; i < 3; i++) mmFreePage(k, f.get('Tables') + i);
  spreadProcess(k, k.mem.readPtr(k.address('nt!PsInitialSystemProcess')));
  return ret(STATUS_SUCCESS);
}

function waitFor(k: Kernel, f: F): Outcome {
  const n = f.get('Number');
  if (isActive(k, n)) {
    f.set('Number', n + 1);
    return next('more');
  }
  const polls = f.get('Polls') + 1;
  f.set('Polls', polls);
  if (polls > POLLS) k.bugCheck(MULTIPROCESSOR_CONFIGURATION_NOT_SUPPORTED, n, 0, 0, 0, `processor ${n} does not start`);
  return stall(k, POLL_DELAY, 'wait');
}

export const startupRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'KeStartAllProcessors',
    internal: true,
    doc: 'Phase 1: starts the other processors and lets the threads that there are use them.',
    args: {},
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start(k, f) {
        if (k.platform.cpus.length === 1) return ret(STATUS_SUCCESS);
        const tables = buildTables(k);
        if (tables < 0) return ret(STATUS_INSUFFICIENT_RESOURCES);
        f.set('Tables', tables);
        f.set('Number', 1);
        for (let n = 1; n < k.platform.cpus.length; n++) sendInit(k.cpu, n);
        return stall(k, INIT_DELAY, 'more');
      },
      more: (k, f) => startNext(k, f),
      again(k, f) {
        if (!isActive(k, f.get('Number'))) sendStartup(k.cpu, f.get('Number'), STARTUP_PAGE);
        return waitFor(k, f);
      },
      wait: (k, f) => waitFor(k, f),
    },
  }),
  ntCode({
    name: 'HalpLMStub',
    module: 'hal.dll',
    internal: true,
    doc: 'First code of a started processor in 64-bit mode, on no stack: loads the KPROCESSOR_STATE at RCX and goes on at its RIP.',
    args: { State: PVOID },
    returns: VOID,
    cycles: 0,
    status: 'full',
    code(a) {
      const special = (name: keyof typeof S, extra = 0): ReturnType<typeof mem> =>
        mem(R8, KPROCESSOR_STATE.f.SpecialRegisters.offset + S[name].offset + extra);
      const context = (name: 'Rsp' | 'Rip'): ReturnType<typeof mem> =>
        mem(R8, KPROCESSOR_STATE.f.ContextFrame.offset + CONTEXT.f[name].offset);
      const LIMIT = 6;
      const MSR_GS_BASE = 0xc0000101;
      a.mov(R8, RCX);
      a.mov(RAX, special('Cr3'));
      a.bytes(0x0f, 0x22, 0xd8); // mov cr3, rax
      a.op([0x0f, 0x01], 2, special('Gdtr', LIMIT)); // lgdt
      a.op([0x0f, 0x01], 3, special('Idtr', LIMIT)); // lidt
      a.movImm(RAX, KGDT64_R0_DATA);
      a.bytes(0x8e, 0xd0, 0x8e, 0xd8, 0x8e, 0xc0); // mov ss, eax; mov ds, eax; mov es, eax
      a.movImm(RAX, KGDT64_R3_CMTEB | 3);
      a.bytes(0x8e, 0xe0); // mov fs, eax
      a.movImm(RAX, KGDT64_R3_DATA | 3);
      a.bytes(0x8e, 0xe8); // mov gs, eax
      a.mov(RAX, special('Ldtr'), 2);
      a.bytes(0x0f, 0x00, 0xd0); // lldt ax
      a.mov(RAX, special('Tr'), 2);
      a.bytes(0x0f, 0x00, 0xd8); // ltr ax
      a.mov(RAX, special('MsrGsBase'), 4);
      a.mov(RDX, special('MsrGsBase', 4), 4);
      a.movImm(RCX, MSR_GS_BASE);
      a.bytes(0x0f, 0x30); // wrmsr
      a.ldmxcsr(special('MxCsr'));
      a.mov(RAX, special('Cr8'));
      a.writeCr8(RAX);
      a.mov(RSP, context('Rsp'));
      a.pushImm(KGDT64_R0_CODE);
      a.op([0xff], 6, context('Rip')); // push
      a.bytes(0x48, 0xcb); // retfq
    },
  }),
];
