/** Threads' processors, their floating point and stacks, and time without sleep. Source: the WDK page of each routine; ntosp.h for KeSetAffinityThread and KeFlushEntireTb. */
import { setThreadAffinity } from '../ke/ready.ts';
import { performanceCounter } from '../ke/time.ts';
import { activeProcessors } from '../ke/processor.ts';
import type { Kernel } from '../kernel.ts';
import { INVALID_AFFINITY_SET } from '../types/bugcodes.ts';
import { KTHREAD, THREAD_ENABLE_STACK_SWAP } from '../types/ke.ts';
import { BOOLEAN, CHAR, type NtExport, ntExport, NTSTATUS, pointer, ULONG64, VOID } from './declare.ts';

const T = KTHREAD.f;
const PKTHREAD = pointer('PKTHREAD');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;


const setIdeal = (k: Kernel, thread: number, processor: number): number => {
  const old = T.UserIdealProcessor.get(k.mem, thread);
  if ((activeProcessors(k) >> processor) & 1) {
    T.IdealProcessor.set(k.mem, thread, processor);
    T.UserIdealProcessor.set(k.mem, thread, processor);
  }
  return old;
};

export const exports: NtExport[] = [
  ntExport({
    name: 'KeSetAffinityThread',
    doc: 'Restricts a thread to a set of processors and returns the one that it had; a set without an active processor is a bug check.',
    irql: DISPATCH,
    args: { Thread: PKTHREAD, Affinity: ULONG64 },
    returns: ULONG64,
    cycles: 100,
    status: 'full',
    impl(k, { Thread, Affinity }) {
      const active = activeProcessors(k);
      const wanted = Number(BigInt.asUintN(32, Affinity)) & active;
      if (wanted === 0 || Affinity >> 32n !== 0n || Number(Affinity) !== wanted)
        k.bugCheck(INVALID_AFFINITY_SET, Thread, Affinity, active, 0, 'KeSetAffinityThread: the set must be of active processors, and not empty');
      const old = k.mem.read64(Thread + T.UserAffinity.offset);
      k.mem.write64(Thread + T.UserAffinity.offset, BigInt(wanted));
      setThreadAffinity(k, Thread, wanted);
      return old;
    },
  }),
  ntExport({
    name: 'KeSetIdealProcessorThread',
    doc: 'Says on which processor a thread is best run and returns the one of before; one that is not active changes nothing.',
    irql: DISPATCH,
    args: { Thread: PKTHREAD, Processor: CHAR },
    returns: CHAR,
    cycles: 40,
    status: 'full',
    impl: (k, { Thread, Processor }) => setIdeal(k, Thread, Processor & 0xff),
  }),
  ntExport({
    name: 'KeSetKernelStackSwapEnable',
    doc: "Says whether the current thread's kernel stack may be paged out while it waits in user mode; returns whether it might before. Stacks stay resident here.",
    irql: { max: 'APC_LEVEL' },
    args: { Enable: BOOLEAN },
    returns: BOOLEAN,
    cycles: 15,
    status: 'full',
    impl(k, { Enable }) {
      const thread = k.currentThread();
      const flags = T.ThreadFlags.get(k.mem, thread);
      T.ThreadFlags.set(k.mem, thread, Enable ? flags | THREAD_ENABLE_STACK_SWAP : flags & ~THREAD_ENABLE_STACK_SWAP);
      return (flags & THREAD_ENABLE_STACK_SWAP) !== 0;
    },
  }),
  ntExport({
    name: 'KeFlushEntireTb',
    doc: 'Drops the translations that processors keep, on all processors.',
    irql: DISPATCH,
    args: { Invalid: BOOLEAN, AllProcessors: BOOLEAN },
    returns: VOID,
    cycles: 500,
    status: 'full',
    impl: k => k.invalidateAll(),
  }),
  ntExport({
    name: 'KeSaveFloatingPointState',
    doc: 'Lets the caller use floating point until it calls KeRestoreFloatingPointState. SSE state belongs to every thread on x64, so there is nothing to save.',
    irql: DISPATCH,
    args: { FloatSave: pointer('PKFLOATING_SAVE') },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, { FloatSave }) {
      // KFLOATING_SAVE is one unused ULONG on x64; it keeps MXCSR, which is what the caller may have changed by then.
      k.mem.write32(FloatSave, k.cpu.mxcsr);
      return 0;
    },
  }),
  ntExport({
    name: 'KeRestoreFloatingPointState',
    doc: 'Ends the use of floating point that KeSaveFloatingPointState began.',
    irql: DISPATCH,
    args: { FloatSave: pointer('PKFLOATING_SAVE') },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, { FloatSave }) {
      k.cpu.mxcsr = k.mem.read32(FloatSave) & 0xffff;
      return 0;
    },
  }),
  ntExport({
    name: 'KeQueryUnbiasedInterruptTimePrecise',
    doc: 'Returns the time since boot without sleep in 100 ns units and stores the performance counter.',
    args: { QpcTimeStamp: pointer('PULONG64') },
    returns: ULONG64,
    cycles: 40,
    status: 'full',
    impl(k, { QpcTimeStamp }) {
      const counter = performanceCounter(k);
      k.mem.write64(QpcTimeStamp, counter);
      return counter - k.global.get('KiClockStart');
    },
  }),
];
