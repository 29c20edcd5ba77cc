/** Threads, processors, critical regions and time. Source: the WDK page of each routine. */
import { DEFAULT_QUANTUM, setThreadAffinity, setThreadPriority, threadAffinity } from '../ke/ready.ts';
import { resetQuantum } from '../ke/thread.ts';
import { interruptTime, performanceCounter, PERFORMANCE_FREQUENCY, systemTime, tickCount } from '../ke/time.ts';
import { activeProcessorCount } from '../ke/processor.ts';
import { changeApcDisable } from '../ke/apc.ts';
import type { Kernel } from '../kernel.ts';
import { KTHREAD } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { BOOLEAN, KPRIORITY, LONG, LONGLONG, type NtExport, ntData, ntExport, NTSTATUS, pointer, ULONG, ULONG64, USHORT, VOID } from './declare.ts';

const T = KTHREAD.f;
const PKTHREAD = pointer('PKTHREAD');
const PASSIVE_OR_APC = { max: 'APC_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const STATUS_INVALID_PARAMETER = 0xc000000d;

const activeMask = (k: Kernel): bigint => k.global.get('KeActiveProcessors');
/** Processors that run; they are started in order. */
const activeCount = activeProcessorCount;

/** Critical regions hold normal kernel APCs back, guarded regions special ones too, by counts that are negative inside. */
const enter = (k: Kernel, which: 'KernelApcDisable' | 'SpecialApcDisable'): void => changeApcDisable(k, k.currentThread(), -1, which);
const leave = (k: Kernel, which: 'KernelApcDisable' | 'SpecialApcDisable'): void => changeApcDisable(k, k.currentThread(), 1, which);

const regions: NtExport[] = (
  [
    ['KeEnterCriticalRegion', 'Holds normal kernel APCs of the current thread back.', enter, 'KernelApcDisable'],
    ['KeLeaveCriticalRegion', 'Ends a critical region; APCs that were held back are delivered.', leave, 'KernelApcDisable'],
    ['KeEnterGuardedRegion', 'Holds all kernel APCs of the current thread back.', enter, 'SpecialApcDisable'],
    ['KeLeaveGuardedRegion', 'Ends a guarded region; APCs that were held back are delivered.', leave, 'SpecialApcDisable'],
  ] as const
).map(([name, doc, action, which]) =>
  ntExport({ name, doc, irql: PASSIVE_OR_APC, args: {}, returns: VOID, cycles: 15, status: 'full', impl: k => action(k, which) }),
);

const threads: NtExport[] = [
  ntExport({
    name: 'KeAreApcsDisabled',
    doc: 'TRUE inside a critical or guarded region.',
    irql: DISPATCH,
    args: {},
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: k => T.CombinedApcDisable.get(k.mem, k.currentThread()) !== 0,
  }),
  ntExport({
    name: 'KeAreAllApcsDisabled',
    doc: 'TRUE inside a guarded region or at APC_LEVEL and above.',
    irql: DISPATCH,
    args: {},
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: k => k.irql >= 1 || T.SpecialApcDisable.get(k.mem, k.currentThread()) !== 0,
  }),
  ntExport({
    name: 'KeSetPriorityThread',
    doc: 'Sets the run-time priority of a thread and returns the old one.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Thread: PKTHREAD, Priority: KPRIORITY },
    returns: KPRIORITY,
    cycles: 80,
    status: 'full',
    impl(k, { Thread, Priority }) {
      const old = T.Priority.get(k.mem, Thread);
      T.BasePriority.set(k.mem, Thread, Priority);
      T.PriorityDecrement.set(k.mem, Thread, 0);
      T.QuantumReset.set(k.mem, Thread, T.QuantumReset.get(k.mem, Thread) || DEFAULT_QUANTUM);
      resetQuantum(k, Thread);
      setThreadPriority(k, Thread, Math.max(1, Math.min(31, Priority)));
      return old;
    },
  }),
  ntExport({
    name: 'KeQueryPriorityThread',
    doc: 'Returns the current priority of a thread.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Thread: PKTHREAD },
    returns: KPRIORITY,
    cycles: 10,
    status: 'full',
    impl: (k, { Thread }) => T.Priority.get(k.mem, Thread),
  }),
  ntExport({
    name: 'KeSetBasePriorityThread',
    doc: "Sets a thread's base priority relative to its process's and returns the old difference.",
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Thread: PKTHREAD, Increment: LONG },
    returns: LONG,
    cycles: 80,
    status: 'full',
    impl(k, { Thread, Increment }) {
      const processBase = (k.mem.read8(T.Process.get(k.mem, Thread) + 0x280) << 24) >> 24;
      const old = T.BasePriority.get(k.mem, Thread) - processBase;
      const base = Math.max(1, Math.min(processBase >= 16 ? 31 : 15, processBase + Increment));
      T.BasePriority.set(k.mem, Thread, base);
      setThreadPriority(k, Thread, base);
      return old;
    },
  }),
  ntExport({
    name: 'KeQueryRuntimeThread',
    doc: 'Returns the clock ticks that a thread has run in kernel mode and stores those in user mode.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Thread: PKTHREAD, UserTime: pointer('PULONG') },
    returns: ULONG,
    cycles: 20,
    status: 'full',
    impl(k, { Thread, UserTime }) {
      k.mem.write32(UserTime, T.UserTime.get(k.mem, Thread));
      return T.KernelTime.get(k.mem, Thread);
    },
  }),
];

/** Restricts the current thread to those processors of a set that are active; a set without any changes nothing. The affinity that it had. */
function setAffinity(k: Kernel, affinity: bigint): bigint {
  const thread = k.currentThread();
  const old = BigInt(threadAffinity(k, thread));
  const wanted = Number(affinity & activeMask(k));
  if (wanted !== 0) setThreadAffinity(k, thread, wanted);
  return old;
}

const SYSTEM_AFFINITY_ACTIVE = 1 << 3;

/** KeSetSystemAffinityThread: whether a thread has an affinity of the system's (KTHREAD.MiscFlags), and which one its own is. */
function setSystemAffinity(k: Kernel, affinity: bigint): bigint {
  const thread = k.currentThread();
  const active = (T.MiscFlags.get(k.mem, thread) & SYSTEM_AFFINITY_ACTIVE) !== 0;
  const old = setAffinity(k, affinity);
  T.MiscFlags.set(k.mem, thread, T.MiscFlags.get(k.mem, thread) | SYSTEM_AFFINITY_ACTIVE);
  return active ? old : 0n;
}

/** Ends the affinity of the system's: the one of before, or (0) the thread's own. */
function revertAffinity(k: Kernel, affinity: bigint): void {
  const thread = k.currentThread();
  if (affinity !== 0n) {
    setAffinity(k, affinity);
    return;
  }
  T.MiscFlags.set(k.mem, thread, T.MiscFlags.get(k.mem, thread) & ~SYSTEM_AFFINITY_ACTIVE);
  setAffinity(k, k.mem.read64(thread + T.UserAffinity.offset));
}

const affinity: NtExport[] = [
  ...(['KeSetSystemAffinityThread', 'KeSetSystemAffinityThreadEx'] as const).map(name =>
    ntExport({
      name,
      doc: 'Restricts the current thread to a set of processors.',
      irql: DISPATCH,
      args: { Affinity: ULONG64 },
      returns: name === 'KeSetSystemAffinityThreadEx' ? ULONG64 : VOID,
      cycles: 60,
      status: 'full',
      impl: (k, { Affinity }) => setSystemAffinity(k, Affinity as bigint),
    }),
  ),
  ntExport({
    name: 'KeRevertToUserAffinityThread',
    doc: 'Gives the current thread its own affinity back.',
    irql: DISPATCH,
    args: {},
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl: k => revertAffinity(k, 0n),
  }),
  ntExport({
    name: 'KeRevertToUserAffinityThreadEx',
    doc: 'Gives the current thread an affinity that KeSetSystemAffinityThreadEx returned; 0: its own.',
    irql: DISPATCH,
    args: { Affinity: ULONG64 },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl: (k, { Affinity }) => revertAffinity(k, Affinity),
  }),
  ntExport({
    name: 'KeSetSystemGroupAffinityThread',
    doc: 'Restricts the current thread to processors of a group.',
    irql: DISPATCH,
    args: { Affinity: pointer('PGROUP_AFFINITY'), PreviousAffinity: pointer('PGROUP_AFFINITY') },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, { Affinity, PreviousAffinity }) {
      const wanted = k.mem.read16(Affinity + 8) === 0 ? k.mem.read64(Affinity) : 0n;
      if (PreviousAffinity !== 0) k.mem.probe(PreviousAffinity, 16, true);
      const changes = (wanted & activeMask(k)) !== 0n;
      const old = changes ? setSystemAffinity(k, wanted) : 0n;
      if (PreviousAffinity === 0) return;
      k.mem.write64(PreviousAffinity, old);
      k.mem.write64(PreviousAffinity + 8, 0n);
    },
  }),
  ntExport({
    name: 'KeRevertToUserGroupAffinityThread',
    doc: 'Gives the current thread the affinity back that KeSetSystemGroupAffinityThread stored.',
    irql: DISPATCH,
    args: { PreviousAffinity: pointer('PGROUP_AFFINITY') },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl: (k, { PreviousAffinity }) => revertAffinity(k, k.mem.read64(PreviousAffinity)),
  }),
];

const processors: NtExport[] = [
  ntExport({ name: 'KeQueryActiveProcessors', doc: 'Returns the set of active processors.', args: {}, returns: ULONG64, cycles: 10, status: 'full', impl: k => activeMask(k) }),
  ntExport({
    name: 'KeQueryActiveProcessorCount',
    doc: 'Returns the number of active processors and stores their set.',
    args: { ActiveProcessors: pointer('PKAFFINITY') },
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl(k, { ActiveProcessors }) {
      if (ActiveProcessors !== 0) k.mem.write64(ActiveProcessors, activeMask(k));
      return activeCount(k);
    },
  }),
  ...(['KeQueryActiveProcessorCountEx', 'KeQueryMaximumProcessorCountEx'] as const).map(name =>
    ntExport({
      name,
      doc: 'Returns the number of processors of a group, or of all groups (0xFFFF).',
      args: { GroupNumber: USHORT },
      returns: ULONG,
      cycles: 10,
      status: 'full',
      impl(k, { GroupNumber }) {
        if (GroupNumber !== 0 && GroupNumber !== 0xffff) return 0;
        return name === 'KeQueryMaximumProcessorCountEx' ? k.platform.cpus.length : activeCount(k);
      },
    }),
  ),
  ...(['KeQueryActiveGroupCount', 'KeQueryMaximumGroupCount'] as const).map(name =>
    ntExport({ name, doc: 'Returns the number of processor groups.', args: {}, returns: USHORT, cycles: 10, status: 'full', impl: () => 1 }),
  ),
  ntExport({ name: 'KeQueryMaximumProcessorCount', doc: 'Returns the largest number of processors.', args: {}, returns: ULONG, cycles: 10, status: 'full', impl: k => k.platform.cpus.length }),
  ntExport({
    name: 'KeQueryGroupAffinity',
    doc: 'Returns the set of active processors of a group.',
    args: { GroupNumber: USHORT },
    returns: ULONG64,
    cycles: 10,
    status: 'full',
    impl: (k, { GroupNumber }) => (GroupNumber === 0 ? activeMask(k) : 0n),
  }),
  ntExport({ name: 'KeQueryHighestNodeNumber', doc: 'Returns the highest node number.', args: {}, returns: USHORT, cycles: 10, status: 'full', impl: () => 0 }),
  ntExport({ name: 'KeGetCurrentNodeNumber', doc: 'Returns the node of the current processor.', args: {}, returns: USHORT, cycles: 10, status: 'full', impl: () => 0 }),
  ntExport({
    name: 'KeGetCurrentProcessorNumberEx',
    doc: 'Returns the index of the current processor and stores its group and number.',
    args: { ProcNumber: pointer('PPROCESSOR_NUMBER') },
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl(k, { ProcNumber }) {
      if (ProcNumber !== 0) k.mem.write32(ProcNumber, k.cpu.index << 16);
      return k.cpu.index;
    },
  }),
  ntExport({
    name: 'KeGetProcessorNumberFromIndex',
    doc: 'Converts a processor index to group and number.',
    args: { ProcIndex: ULONG, ProcNumber: pointer('PPROCESSOR_NUMBER') },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl(k, { ProcIndex, ProcNumber }) {
      if (ProcIndex >= activeCount(k)) return STATUS_INVALID_PARAMETER;
      k.mem.write32(ProcNumber, ProcIndex << 16);
      return 0;
    },
  }),
  ntExport({
    name: 'KeGetProcessorIndexFromNumber',
    doc: 'Converts group and number of a processor to its index.',
    args: { ProcNumber: pointer('PPROCESSOR_NUMBER') },
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl(k, { ProcNumber }) {
      const number = k.mem.read8(ProcNumber + 2);
      return k.mem.read16(ProcNumber) === 0 && number < activeCount(k) ? number : 0xffffffff;
    },
  }),
  ntExport({
    name: 'KeGetRecommendedSharedDataAlignment',
    doc: 'Returns the alignment at which data of different processors do not share a cache line.',
    args: {},
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: () => 64,
  }),
  ntExport({
    name: 'KeIsExecutingDpc',
    doc: 'TRUE while a DPC routine runs on the current processor.',
    args: {},
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: k => (KPRCB.f.DpcRoutineActive.get(k.mem, k.prcb) !== 0 ? 1 : 0),
  }),
  ntData({
    name: 'KeNumberProcessors',
    doc: 'Number of processors, a CCHAR.',
    size: 8,
    status: 'full',
    init: (k, at) => k.mem.write8(at, activeCount(k)),
  }),
];

const time: NtExport[] = [
  ntExport({ name: 'KeQueryTimeIncrement', doc: 'Returns the 100 ns units of a clock tick.', args: {}, returns: ULONG, cycles: 10, status: 'full', impl: k => k.config.clockPeriod }),
  ntExport({ name: 'KeQueryInterruptTime', doc: 'Returns the time since boot as of the last clock tick, in 100 ns units.', args: {}, returns: ULONG64, cycles: 10, status: 'full', impl: k => interruptTime(k) }),
  ntExport({
    name: 'KeQueryInterruptTimePrecise',
    doc: 'Returns the time since boot in 100 ns units and stores the performance counter.',
    args: { QpcTimeStamp: pointer('PULONG64') },
    returns: ULONG64,
    cycles: 40,
    status: 'full',
    impl(k, { QpcTimeStamp }) {
      k.mem.write64(QpcTimeStamp, performanceCounter(k));
      return performanceCounter(k) - bootOffset(k);
    },
  }),
  ntExport({ name: 'KeQueryUnbiasedInterruptTime', doc: 'Returns the time since boot without sleep, in 100 ns units.', args: {}, returns: ULONG64, cycles: 10, status: 'full', impl: k => interruptTime(k) }),
  ...(['KeQuerySystemTimePrecise', 'KeQuerySystemTime'] as const).map(name =>
    ntExport({
      name,
      doc: name === 'KeQuerySystemTime' ? 'Stores the system time as of the last clock tick.' : 'Stores the system time, to the performance counter.',
      args: { CurrentTime: pointer('PLARGE_INTEGER') },
      returns: VOID,
      cycles: 20,
      status: 'full',
      impl(k, { CurrentTime }) {
        const precise = k.global.get('KeBootTime') + performanceCounter(k) - bootOffset(k);
        k.mem.write64(CurrentTime as number, BigInt.asUintN(64, name === 'KeQuerySystemTime' ? systemTime(k) : precise));
      },
    }),
  ),
  ntExport({
    name: 'KeQueryTickCount',
    doc: 'Stores the number of clock ticks since boot.',
    args: { TickCount: pointer('PLARGE_INTEGER') },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: (k, { TickCount }) => k.mem.write64(TickCount, tickCount(k)),
  }),
  ntExport({
    name: 'KeQueryPerformanceCounter',
    module: 'hal.dll',
    doc: 'Returns the performance counter and stores its frequency.',
    args: { PerformanceFrequency: pointer('PLARGE_INTEGER') },
    returns: LONGLONG,
    cycles: 40,
    status: 'full',
    impl(k, { PerformanceFrequency }) {
      if (PerformanceFrequency !== 0) k.mem.write64(PerformanceFrequency, BigInt(PERFORMANCE_FREQUENCY));
      return performanceCounter(k);
    },
  }),
];

/** Performance counter at the moment when interrupt time was 0. */
const bootOffset = (k: Kernel): bigint => k.global.get('KiClockStart');

export const exports: NtExport[] = [...regions, ...threads, ...affinity, ...processors, ...time];
