import type { Kernel } from '../kernel.ts';
import { walkThreadStack } from './stacks.ts';
import { listEntries } from '../rtl/list.ts';
import {
  KTHREAD,
  KWAIT_BLOCK,
  DISPATCHER_HEADER,
  KPROCESS,
  EventNotificationObject,
  EventSynchronizationObject,
  MutantObject,
  ProcessObject,
  QueueObject,
  SemaphoreObject,
  ThreadObject,
  TimerNotificationObject,
  TimerSynchronizationObject,
  Waiting,
} from '../types/ke.ts';
import { IRP } from '../types/io.ts';
import { KPRCB } from '../types/prcb.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import { prcbAddress } from '../mm/layout.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { address, addressAndSymbol, hex, parseAddress, table } from './text.ts';

const P = EPROCESS.f,
  T = KTHREAD.f,
  E = ETHREAD.f,
  W = KWAIT_BLOCK.f;

/** Processes that are linked: what the guest itself would find. */
export const allProcesses = (k: Kernel): number[] =>
  [...listEntries(k.mem, k.global.address('PsActiveProcessHead'))].map(e => e - P.ActiveProcessLinks.offset);

export function processName(k: Kernel, process: number): string {
  const bytes = k.mem.readBytes(process + P.ImageFileName.offset, 15);
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? 15 : end));
}
export const processId = (k: Kernel, process: number): number => P.UniqueProcessId.get(k.mem, process);

export const threadsOf = (k: Kernel, process: number): number[] =>
  [...listEntries(k.mem, process + P.ThreadListHead.offset)].map(e => e - E.ThreadListEntry.offset);
export const threadId = (k: Kernel, thread: number): number => k.mem.readPtr(thread + E.Cid.offset + 8);

/** Threads of all processes and the processors' idle threads. */
export function allThreads(k: Kernel): number[] {
  const idle = k.platform.cpus.map(c => KPRCB.f.IdleThread.get(k.mem, prcbAddress(c.index))).filter(t => t !== 0);
  return [...idle, ...allProcesses(k).flatMap(p => threadsOf(k, p))];
}

/** A process by address, id or name. */
export function findProcess(k: Kernel, text: string): number {
  const byName = allProcesses(k).find(p => processName(k, p).toLowerCase() === text.toLowerCase());
  if (byName) return byName;
  const value = parseAddress(k, text);
  const found = allProcesses(k).find(p => p === value || processId(k, p) === value);
  if (!found) throw new CommandError(`there is no process ${text}`);
  return found;
}

const STATES = ['INITIALIZED', 'READY', 'RUNNING', 'STANDBY', 'TERMINATED', 'WAIT', 'TRANSITION', 'DEFERREDREADY', 'GATEWAIT'];
const REASONS = [
  'Executive',
  'FreePage',
  'PageIn',
  'PoolAllocation',
  'DelayExecution',
  'Suspended',
  'UserRequest',
  'WrExecutive',
  'WrFreePage',
  'WrPageIn',
  'WrPoolAllocation',
  'WrDelayExecution',
  'WrSuspended',
  'WrUserRequest',
  'WrEventPair',
  'WrQueue',
  'WrLpcReceive',
  'WrLpcReply',
  'WrVirtualMemory',
  'WrPageOut',
  'WrRendezvous',
  'WrKeyedEvent',
  'WrTerminated',
  'WrProcessInSwap',
  'WrCpuRateControl',
  'WrCalloutStack',
  'WrKernel',
  'WrResource',
  'WrPushLock',
  'WrMutex',
  'WrQuantumEnd',
  'WrDispatchInt',
  'WrPreempted',
  'WrYieldExecution',
  'WrFastMutex',
  'WrGuardedMutex',
  'WrRundown',
];
const OBJECTS: { readonly [type: number]: string } = {
  [EventNotificationObject]: 'NotificationEvent',
  [EventSynchronizationObject]: 'SynchronizationEvent',
  [MutantObject]: 'Mutant',
  [ProcessObject]: 'Process',
  [QueueObject]: 'Queue',
  [SemaphoreObject]: 'Semaphore',
  [ThreadObject]: 'Thread',
  [TimerNotificationObject]: 'NotificationTimer',
  [TimerSynchronizationObject]: 'SynchronizationTimer',
};

export const threadState = (k: Kernel, thread: number): string => STATES[T.State.get(k.mem, thread)] ?? 'UNKNOWN';
export const waitReason = (k: Kernel, thread: number): string => REASONS[T.WaitReason.get(k.mem, thread)] ?? 'unknown';
export const objectKind = (k: Kernel, object: number): string =>
  OBJECTS[DISPATCHER_HEADER.f.Type.get(k.mem, object) & 0x7f] ?? 'object';

/** Objects that a waiting thread waits for. */
export function waitObjects(k: Kernel, thread: number): number[] {
  if (T.State.get(k.mem, thread) !== Waiting) return [];
  const first = T.WaitBlockList.get(k.mem, thread),
    count = T.WaitBlockCount.get(k.mem, thread);
  if (!first) return [];
  return Array.from({ length: Math.min(count, 64) }, (_, i) => W.Object.get(k.mem, first + i * KWAIT_BLOCK.size)).filter(
    o => o !== 0,
  );
}

/** IRPs that a thread started and that are not complete. */
export const threadIrps = (k: Kernel, thread: number): number[] =>
  [...listEntries(k.mem, thread + E.IrpList.offset)].map(e => e - IRP.f.ThreadListEntry.offset);

export function describeThread(k: Kernel, thread: number, stack: boolean): string[] {
  const state = threadState(k, thread);
  const process = k.mem.readPtr(thread + E.Cid.offset),
    owner = T.Process.get(k.mem, thread);
  const running = k.platform.cpus.find(c => KPRCB.f.CurrentThread.get(k.mem, prcbAddress(c.index)) === thread);
  return [
    `THREAD ${address(thread)}  Cid ${process.toString(16).padStart(4, '0')}.${threadId(k, thread).toString(16).padStart(4, '0')}  ${state}${running ? ` on processor ${running.index}` : ''}`,
    ...(state === 'WAIT'
      ? [
          `    wait reason ${waitReason(k, thread)}, ${T.WaitMode.get(k.mem, thread) ? 'user' : 'kernel'} mode`,
          ...waitObjects(k, thread).map(o => `        ${address(o)}  ${objectKind(k, o)}`),
        ]
      : []),
    ...threadIrps(k, thread).map(i => `    IRP ${address(i)}`),
    `    Owning process ${address(owner)} ${processName(k, owner)}`,
    `    Start address ${addressAndSymbol(k, E.StartAddress.get(k.mem, thread))}`,
    `    Stack ${address(T.StackLimit.get(k.mem, thread))} - ${address(T.StackBase.get(k.mem, thread))}, current ${address(T.KernelStack.get(k.mem, thread))}`,
    `    Priority ${T.Priority.get(k.mem, thread)}, base ${T.BasePriority.get(k.mem, thread)}, context switches ${T.ContextSwitches.get(k.mem, thread)}, APC disable ${T.KernelApcDisable.get(k.mem, thread)}`,
    ...(stack ? walkThreadStack(k, thread).map(f => `        ${address(f.rsp)}  ${f.symbol}`) : []),
  ];
}

export const thread: DebugCommand = {
  name: '!thread',
  usage: '[address]',
  doc: 'Shows a thread with its wait, its IRPs and its stack; without an address the current one.',
  run: (k, args) => describeThread(k, args[0] ? parseAddress(k, args[0]) : k.currentThread(), true),
};

function describeProcess(k: Kernel, process: number, flags: number): string[] {
  const threads = threadsOf(k, process);
  return [
    `PROCESS ${address(process)}`,
    `    SessionId: none  Cid: ${processId(k, process).toString(16).padStart(4, '0')}  Image: ${processName(k, process)}`,
    `    DirBase: ${KPROCESS.f.DirectoryTableBase.get(k.mem, process).toString(16)}  ObjectTable: ${address(P.ObjectTable.get(k.mem, process))}  Threads: ${threads.length}`,
    ...(flags & 2 ? threads.flatMap(t => describeThread(k, t, (flags & 4) !== 0).map(l => `    ${l}`)) : []),
  ];
}

export const process: DebugCommand = {
  name: '!process',
  usage: '[0 | address | id | name] [flags]',
  doc: 'Shows a process, or with 0 all of them; flag 2 adds the threads, 4 their stacks.',
  run(k, args) {
    const all = args[0] === '0';
    const flags = args[1] ? Number(parseAddress(k, args[1])) : all ? 0 : 6;
    const list = all ? allProcesses(k) : [args[0] ? findProcess(k, args[0]) : k.currentProcess()];
    return list.flatMap(p => describeProcess(k, p, flags));
  },
};

export const ready: DebugCommand = {
  name: '!ready',
  usage: '',
  doc: 'Lists the threads that are ready to run, by processor and priority.',
  run: k =>
    k.platform.cpus.flatMap(cpu => {
      const prcb = prcbAddress(cpu.index),
        summary = KPRCB.f.ReadySummary.get(k.mem, prcb);
      const lines: string[] = [];
      for (let priority = 31; priority >= 0; priority--) {
        if (!((summary >>> priority) & 1)) continue;
        for (const e of listEntries(k.mem, prcb + KPRCB.f.DispatcherReadyListHead.offset + priority * 16))
          lines.push(`  priority ${priority}: ${address(e - T.WaitListEntry.offset)}`);
      }
      return [
        `Processor ${cpu.index}: ${lines.length ? `ready summary ${hex(summary)}` : 'no threads in READY state'}`,
        ...lines,
      ];
    }),
};

export const running: DebugCommand = {
  name: '!running',
  usage: '',
  doc: 'Shows what the processors run.',
  run: k =>
    table([
      ['CPU', 'IRQL', 'current thread', 'next thread', 'idle thread'],
      ...k.platform.cpus.map(cpu => {
        const prcb = prcbAddress(cpu.index);
        return [
          String(cpu.index),
          String(cpu.cr8),
          ...[KPRCB.f.CurrentThread, KPRCB.f.NextThread, KPRCB.f.IdleThread].map(f => address(f.get(k.mem, prcb))),
        ];
      }),
    ]),
};
