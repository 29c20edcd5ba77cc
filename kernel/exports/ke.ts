/** Dispatcher objects, waits, timers, DPCs. Source: the WDK page of each routine. */
import { keInitializeDpc, keInsertQueueDpc, keRemoveQueueDpc, keSetImportanceDpc, keSetTargetProcessorDpc } from '../ke/dpc.ts';
import {
  keClearEvent,
  keInitializeEvent,
  keInitializeMutant,
  keInitializeSemaphore,
  kePulseEvent,
  keReleaseMutant,
  keReleaseSemaphore,
  keResetEvent,
  keSetEvent,
} from '../ke/event.ts';
import { raiseStatus } from '../ex/raise.ts';
import { signalState, STATUS_ABANDONED } from '../ke/signal.ts';
import { KMUTANT } from '../types/ke.ts';
import { keCancelTimer, keInitializeTimerEx, keSetTimer } from '../ke/timer.ts';
import { activeProcessorCount } from '../ke/processor.ts';
import { dispatcherHeld, holdDispatcher, keDelay, keWait, type WaitOptions } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import { STATUS_MUTANT_NOT_OWNED, STATUS_SEMAPHORE_LIMIT_EXCEEDED } from '../types/status.ts';
import {
  BOOLEAN, CHAR, KPRIORITY, LONG, LONGLONG, type NtExport, ntExport, NTSTATUS, type Outcome, pointer, PVOID, UCHAR, ULONG, VOID, wait,
} from './declare.ts';
import { exports as calls } from './kecalls.ts';
import { exports as guarded } from './keguarded.ts';
import { exports as library } from './kelibrary.ts';
import { exports as locks } from './kelock.ts';
import { exports as threads } from './kethread.ts';
import { exports as queues } from './kequeue.ts';
import { exports as schedule } from './keschedule.ts';
import { exports as queuedLocks } from './kequeuedlock.ts';
import { exports as system } from './kesystem.ts';

const PKEVENT = pointer('PKEVENT'), PKSEMAPHORE = pointer('PKSEMAPHORE'), PKMUTEX = pointer('PKMUTEX'), PKTIMER = pointer('PKTIMER'), PKDPC = pointer('PKDPC');
const PLARGE_INTEGER = pointer('PLARGE_INTEGER');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

/** Reads an optional timeout: null when the pointer is. */
const timeoutAt = (k: Kernel, at: number): bigint | null => (at === 0 ? null : BigInt.asIntN(64, k.mem.read64(at)));

/** A wait may only block at APC_LEVEL and below; with a timeout of zero it is allowed at DISPATCH_LEVEL. After a call with Wait = TRUE the kernel itself is at DISPATCH_LEVEL. */
const waitRule = (a: { Timeout: number }, k: Kernel): { max: 'APC_LEVEL' } | undefined =>
  (a.Timeout === 0 || k.mem.read64(a.Timeout) !== 0n) && !dispatcherHeld(k) ? { max: 'APC_LEVEL' } : undefined;

/** Release by a thread that does not own the mutant. */
const notOwned = (k: Kernel, mutant: number): never =>
  raiseStatus(k, (KMUTANT.f.Abandoned.get(k.mem, mutant) & 1) !== 0 ? STATUS_ABANDONED : STATUS_MUTANT_NOT_OWNED);

/** The previous state that a routine with a Wait argument returns; with Wait = TRUE the dispatcher stays held. */
function thenHold(k: Kernel, previous: number, hold: boolean): number {
  if (hold) holdDispatcher(k);
  return previous;
}

function waitOutcome(k: Kernel, objects: readonly number[], options: WaitOptions): Outcome | number {
  const result = keWait(k, objects, options);
  return result === 'blocked' ? wait() : result.status;
}

const events: NtExport[] = [
  ntExport({
    name: 'KeInitializeEvent',
    doc: 'Initializes an event object of the notification or synchronization kind.',
    irql: {},
    args: { Event: PKEVENT, Type: ULONG, State: BOOLEAN },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Event, Type, State }) => keInitializeEvent(k, Event, Type, State),
  }),
  ntExport({
    name: 'KeSetEvent',
    doc: 'Sets an event object to signaled and returns its previous state.',
    irql: { ...DISPATCH, when: a => (a.Wait ? { max: 'APC_LEVEL' } : undefined) },
    args: { Event: PKEVENT, Increment: KPRIORITY, Wait: BOOLEAN },
    returns: LONG,
    cycles: 120,
    status: 'full',
    impl: (k, { Event, Increment, Wait }) => thenHold(k, keSetEvent(k, Event, Increment), Wait),
  }),
  ntExport({
    name: 'KeResetEvent',
    doc: 'Resets an event object to not signaled and returns its previous state.',
    irql: DISPATCH,
    args: { Event: PKEVENT },
    returns: LONG,
    cycles: 30,
    status: 'full',
    impl: (k, { Event }) => keResetEvent(k, Event),
  }),
  ntExport({
    name: 'KeClearEvent',
    doc: 'Resets an event object to not signaled.',
    irql: DISPATCH,
    args: { Event: PKEVENT },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: (k, { Event }) => keClearEvent(k, Event),
  }),
  ntExport({
    name: 'KePulseEvent',
    doc: 'Wakes the threads that wait for an event now and leaves it not signaled; returns its previous state.',
    irql: DISPATCH,
    args: { Event: PKEVENT, Increment: KPRIORITY, Wait: BOOLEAN },
    returns: LONG,
    cycles: 120,
    status: 'full',
    impl: (k, { Event, Increment, Wait }) => thenHold(k, kePulseEvent(k, Event, Increment), Wait),
  }),
  ...(['KeReadStateEvent', 'KeReadStateSemaphore', 'KeReadStateMutex', 'KeReadStateMutant', 'KeReadStateTimer'] as const).map(name =>
    ntExport({
      name,
      doc: 'Returns the signal state of the object.',
      ...(name === 'KeReadStateSemaphore' ? {} : { irql: DISPATCH }),
      args: { Object: PVOID },
      returns: name === 'KeReadStateTimer' ? BOOLEAN : LONG,
      cycles: 10,
      status: 'full',
      impl: (k, { Object }) => (name === 'KeReadStateTimer' ? signalState(k, Object as number) !== 0 : signalState(k, Object as number)),
    }),
  ),
  ntExport({
    name: 'KeInitializeSemaphore',
    doc: 'Initializes a semaphore with a count and a limit.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Semaphore: PKSEMAPHORE, Count: LONG, Limit: LONG },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Semaphore, Count, Limit }) => keInitializeSemaphore(k, Semaphore, Count, Limit),
  }),
  ntExport({
    name: 'KeReleaseSemaphore',
    doc: 'Adds to the count of a semaphore and returns the previous count; raises STATUS_SEMAPHORE_LIMIT_EXCEEDED beyond the limit.',
    irql: { ...DISPATCH, when: a => (a.Wait ? { max: 'PASSIVE_LEVEL' } : undefined) },
    args: { Semaphore: PKSEMAPHORE, Increment: KPRIORITY, Adjustment: LONG, Wait: BOOLEAN },
    returns: LONG,
    cycles: 120,
    status: 'full',
    impl: (k, { Semaphore, Increment, Adjustment, Wait }) =>
      thenHold(k, keReleaseSemaphore(k, Semaphore, Increment, Adjustment) ?? raiseStatus(k, STATUS_SEMAPHORE_LIMIT_EXCEEDED), Wait),
  }),
  ntExport({
    name: 'KeInitializeMutex',
    doc: 'Initializes a mutex: free. Kernel APCs are off while a thread holds it.',
    args: { Mutex: PKMUTEX, Level: ULONG },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Mutex }) => keInitializeMutant(k, Mutex, false, 1),
  }),
  ntExport({
    name: 'KeInitializeMutant',
    doc: 'Initializes a mutant, owned by the current thread or free.',
    args: { Mutant: pointer('PKMUTANT'), InitialOwner: BOOLEAN },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Mutant, InitialOwner }) => keInitializeMutant(k, Mutant, InitialOwner, 0),
  }),
  ntExport({
    name: 'KeReleaseMutex',
    doc: 'Releases a mutex and returns its previous state, 0 when it is free now; raises STATUS_MUTANT_NOT_OWNED for a thread that does not own it.',
    irql: DISPATCH,
    args: { Mutex: PKMUTEX, Wait: BOOLEAN },
    returns: LONG,
    cycles: 120,
    status: 'full',
    impl: (k, { Mutex, Wait }) => thenHold(k, keReleaseMutant(k, Mutex, 1) ?? notOwned(k, Mutex), Wait),
  }),
  ntExport({
    name: 'KeReleaseMutant',
    doc: 'Releases a mutant, or abandons it, and returns its previous state.',
    irql: DISPATCH,
    args: { Mutant: pointer('PKMUTANT'), Increment: KPRIORITY, Abandoned: BOOLEAN, Wait: BOOLEAN },
    returns: LONG,
    cycles: 120,
    status: 'full',
    impl: (k, { Mutant, Increment, Abandoned, Wait }) =>
      thenHold(k, keReleaseMutant(k, Mutant, Increment, Abandoned) ?? notOwned(k, Mutant), Wait),
  }),
];

const waits: NtExport[] = [
  ...(['KeWaitForSingleObject', 'KeWaitForMutexObject'] as const).map(name =>
    ntExport({
      name,
      doc: 'Waits until a dispatcher object is signaled, or a timeout passes.',
      irql: { ...DISPATCH, when: waitRule },
      args: { Object: PVOID, WaitReason: ULONG, WaitMode: CHAR, Alertable: BOOLEAN, Timeout: PLARGE_INTEGER },
      returns: NTSTATUS,
      cycles: 200,
      status: 'full',
      impl: (k, { Object, WaitReason, WaitMode, Alertable, Timeout }) =>
        waitOutcome(k, [Object], { mode: WaitMode, alertable: Alertable, timeout: timeoutAt(k, Timeout), reason: WaitReason }),
    }),
  ),
  ntExport({
    name: 'KeWaitForMultipleObjects',
    doc: 'Waits until one or all of several dispatcher objects are signaled, or a timeout passes.',
    irql: { ...DISPATCH, when: waitRule },
    args: { Count: ULONG, Object: PVOID, WaitType: ULONG, WaitReason: ULONG, WaitMode: CHAR, Alertable: BOOLEAN, Timeout: PLARGE_INTEGER, WaitBlockArray: PVOID },
    returns: NTSTATUS,
    cycles: (_k, { Count }) => 200 + Count * 30,
    status: 'full',
    impl(k, a) {
      const objects = Array.from({ length: Math.min(a.Count, 65) }, (_, i) => k.mem.readPtr(a.Object + i * 8));
      return waitOutcome(k, objects, {
        any: a.WaitType !== 0,
        mode: a.WaitMode,
        alertable: a.Alertable,
        timeout: timeoutAt(k, a.Timeout),
        reason: a.WaitReason,
        waitBlocks: a.WaitBlockArray,
      });
    },
  }),
  ntExport({
    name: 'KeDelayExecutionThread',
    doc: 'Puts the current thread to sleep for an interval.',
    irql: { max: 'APC_LEVEL' },
    args: { WaitMode: CHAR, Alertable: BOOLEAN, Interval: PLARGE_INTEGER },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, { WaitMode, Alertable, Interval }) {
      const result = keDelay(k, BigInt.asIntN(64, k.mem.read64(Interval)), Alertable, WaitMode);
      if (result === 'blocked') return wait();
      return result.status;
    },
  }),
];

const timers: NtExport[] = [
  ntExport({
    name: 'KeInitializeTimer',
    doc: 'Initializes a notification timer.',
    irql: DISPATCH,
    args: { Timer: PKTIMER },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Timer }) => keInitializeTimerEx(k, Timer, false),
  }),
  ntExport({
    name: 'KeInitializeTimerEx',
    doc: 'Initializes a notification or synchronization timer.',
    irql: DISPATCH,
    args: { Timer: PKTIMER, Type: ULONG },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Timer, Type }) => keInitializeTimerEx(k, Timer, Type === 1),
  }),
  ntExport({
    name: 'KeSetTimer',
    doc: 'Sets a timer to a due time, absolute or (negative) relative, with an optional DPC; returns whether it was set already.',
    irql: DISPATCH,
    args: { Timer: PKTIMER, DueTime: LONGLONG, Dpc: PKDPC },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    impl: (k, { Timer, DueTime, Dpc }) => keSetTimer(k, Timer, DueTime, 0, Dpc),
  }),
  ntExport({
    name: 'KeSetTimerEx',
    doc: 'Sets a timer that fires once or with a period in milliseconds; returns whether it was set already.',
    irql: DISPATCH,
    args: { Timer: PKTIMER, DueTime: LONGLONG, Period: LONG, Dpc: PKDPC },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    impl: (k, { Timer, DueTime, Period, Dpc }) => keSetTimer(k, Timer, DueTime, Period, Dpc),
  }),
  ntExport({
    name: 'KeSetCoalescableTimer',
    doc: 'Sets a timer whose expiration may be delayed by up to a tolerance; here it never is.',
    irql: DISPATCH,
    args: { Timer: PKTIMER, DueTime: LONGLONG, Period: ULONG, TolerableDelay: ULONG, Dpc: PKDPC },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    impl: (k, { Timer, DueTime, Period, Dpc }) => keSetTimer(k, Timer, DueTime, Period, Dpc),
  }),
  ntExport({
    name: 'KeCancelTimer',
    doc: 'Takes a timer out of the timer queue; returns whether it was set.',
    irql: DISPATCH,
    args: { Timer: PKTIMER },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, { Timer }) => keCancelTimer(k, Timer),
  }),
];

const dpcs: NtExport[] = [
  ...(['KeInitializeDpc', 'KeInitializeThreadedDpc'] as const).map(name =>
    ntExport({
      name,
      doc: name === 'KeInitializeDpc' ? 'Initializes a DPC object.' : 'Initializes a threaded DPC object: its routine runs at PASSIVE_LEVEL in a thread of the highest priority.',
      args: { Dpc: PKDPC, DeferredRoutine: PVOID, DeferredContext: PVOID },
      returns: VOID,
      cycles: 20,
      status: 'full',
      impl: (k, { Dpc, DeferredRoutine, DeferredContext }) => keInitializeDpc(k, Dpc, DeferredRoutine, DeferredContext, name === 'KeInitializeThreadedDpc'),
    }),
  ),
  ntExport({
    name: 'KeInsertQueueDpc',
    doc: 'Queues a DPC; returns FALSE if it is queued already.',
    args: { Dpc: PKDPC, SystemArgument1: PVOID, SystemArgument2: PVOID },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, { Dpc }) => keInsertQueueDpc(k, Dpc, k.arg(1), k.arg(2)),
  }),
  ntExport({
    name: 'KeRemoveQueueDpc',
    doc: 'Takes a DPC out of the queue; returns whether it was queued.',
    args: { Dpc: PKDPC },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl: (k, { Dpc }) => keRemoveQueueDpc(k, Dpc),
  }),
  ntExport({
    name: 'KeSetImportanceDpc',
    doc: 'Says how urgently a DPC is to run.',
    args: { Dpc: PKDPC, Importance: ULONG },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: (k, { Dpc, Importance }) => keSetImportanceDpc(k, Dpc, Importance),
  }),
  ntExport({
    name: 'KeSetTargetProcessorDpc',
    doc: 'Says on which processor a DPC is to run.',
    args: { Dpc: PKDPC, Number: UCHAR },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: (k, { Dpc, Number }) => keSetTargetProcessorDpc(k, Dpc, Number),
  }),
  ntExport({
    name: 'KeSetTargetProcessorDpcEx',
    doc: 'Says on which processor, by group and number, a DPC is to run.',
    args: { Dpc: PKDPC, ProcNumber: pointer('PPROCESSOR_NUMBER') },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, { Dpc, ProcNumber }) {
      const group = k.mem.read16(ProcNumber), number = k.mem.read8(ProcNumber + 2);
      if (group !== 0 || number >= activeProcessorCount(k)) return 0xc000000d;
      keSetTargetProcessorDpc(k, Dpc, number);
      return 0;
    },
  }),
];


export const exports: NtExport[] = [...library, ...events, ...waits, ...timers, ...dpcs, ...locks, ...queuedLocks, ...guarded, ...threads, ...schedule, ...queues, ...system, ...calls];
