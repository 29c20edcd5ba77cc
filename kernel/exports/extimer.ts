/**
 * EX_TIMER: timers that the system allocates. One begins with a KTIMER, so that threads can wait for it; its DPC calls the driver's callback, sets a periodic one again and
 * carries out a deletion that waited for it. Source: WDK, "ExXxxTimer Routines and EX_TIMER Objects" and the page of each routine.
 */
import { keInitializeDpc } from '../ke/dpc.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { interruptTime } from '../ke/time.ts';
import { keCancelTimer, keInitializeTimerEx, keSetTimer, timerInserted } from '../ke/timer.ts';
import { keWait } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { TIMER_OR_DPC_INVALID } from '../types/bugcodes.ts';
import { EX_TIMER } from '../types/ex.ts';
import { KDPC, KTIMER } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { ptr } from '../types/struct.ts';
import { BOOLEAN, call, type Frame, LONGLONG, type NtExport, ntExport, ntSteps, type Outcome, pointer, PVOID, ret, ULONG, VOID, wait } from './declare.ts';

const X = EX_TIMER.f;
const PEX_TIMER = pointer('PEX_TIMER');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const TAG_TIMER = 0x6d547845; // 'ExTm'

/** EX_TIMER.Attributes (wdm.h) */
const HIGH_RESOLUTION = 4,
  NO_WAKE = 8,
  NOTIFICATION = 0x80000000;
const KNOWN_ATTRIBUTES = HIGH_RESOLUTION | NO_WAKE | (NOTIFICATION | 0);
/** EX_TIMER.State: the callback runs; the timer is to be freed when it is over; a thread waits for that. */
const RUNNING = 1,
  DELETING = 2,
  WAITED = 4;

/** Invalid use of a timer is a bug check; the WDK does not say which, so it is the one for timers. */
const misuse = (k: Kernel, timer: number, text: string): never => k.bugCheck(TIMER_OR_DPC_INVALID, 0, timer, 0, 0, text);

const state = (k: Kernel, timer: number): number => X.State.get(k.mem, timer);
const setState = (k: Kernel, timer: number, bits: number, on: boolean): void =>
  X.State.set(k.mem, timer, on ? state(k, timer) | bits : state(k, timer) & ~bits);

function allocateTimer(k: Kernel, callback: number, context: number, attributes: number): number {
  if ((attributes & HIGH_RESOLUTION) !== 0 && (attributes & NO_WAKE) !== 0)
    misuse(k, 0, 'ExAllocateTimer: EX_TIMER_HIGH_RESOLUTION and EX_TIMER_NO_WAKE exclude each other');
  if ((attributes & ~KNOWN_ATTRIBUTES) !== 0) misuse(k, 0, `ExAllocateTimer: unknown attributes 0x${attributes.toString(16)}`);
  const timer = exAllocatePool(k, NonPagedPoolNx, EX_TIMER.size, TAG_TIMER);
  if (timer === 0) return 0;
  k.mem.fill(timer, EX_TIMER.size, 0);
  keInitializeTimerEx(k, timer, (attributes & NOTIFICATION) === 0);
  keInitializeDpc(k, timer + X.Dpc.offset, k.address('nt!ExpTimerDpcRoutine'), timer);
  keInitializeEvent(k, timer + X.Idle.offset, 0, true);
  X.Callback.set(k.mem, timer, callback);
  X.Context.set(k.mem, timer, context);
  X.Attributes.set(k.mem, timer, attributes);
  return timer;
}

/** Takes the timer out of its queue: true if it was set and its callback has not been queued yet. */
function cancel(k: Kernel, timer: number): boolean {
  X.Period.set(k.mem, timer, 0n);
  return keCancelTimer(k, timer);
}

function setTimer(k: Kernel, timer: number, due: bigint, period: bigint): boolean {
  if ((X.Attributes.get(k.mem, timer) & HIGH_RESOLUTION) !== 0 && due > 0n)
    misuse(k, timer, 'ExSetTimer: the due time of a high-resolution timer must be relative (negative)');
  if (period < 0n || period > 0x7fffffffn) misuse(k, timer, 'ExSetTimer: the period must not exceed MAXLONG');
  const was = cancel(k, timer);
  X.Period.set(k.mem, timer, period);
  keSetTimer(k, timer, due, 0, timer + X.Dpc.offset);
  return was;
}

const deleteFrame = { Timer: ptr };

/** The memory of a timer that nobody uses any more; then the driver's delete callback. */
function freeTimer(k: Kernel, timer: number, then: string, otherwise: Outcome): Outcome {
  const callback = X.DeleteCallback.get(k.mem, timer),
    context = X.DeleteContext.get(k.mem, timer);
  exFreePool(k, timer, TAG_TIMER);
  return callback === 0 ? otherwise : call(callback, [context], then);
}

/** EXT_DELETE_PARAMETERS: Version, Reserved, DeleteCallback, DeleteContext. */
function readDeleteParameters(k: Kernel, timer: number, parameters: number): void {
  if (parameters === 0) return;
  X.DeleteCallback.set(k.mem, timer, k.mem.readPtr(parameters + 8));
  X.DeleteContext.set(k.mem, timer, k.mem.readPtr(parameters + 16));
}

/** Sets a periodic timer again, in step with its first due time; a period shorter than a clock tick means every tick. */
function restart(k: Kernel, timer: number, period: bigint): void {
  let due = KTIMER.f.DueTime.get(k.mem, timer) + period;
  const now = interruptTime(k);
  if (due <= now) due = now + 1n;
  keSetTimer(k, timer, now - due, 0, timer + X.Dpc.offset);
}

const dpcFrame = { Timer: ptr };

function afterCallback(k: Kernel, f: Frame<typeof dpcFrame>): Outcome {
  const timer = f.get('Timer');
  setState(k, timer, RUNNING, false);
  if ((state(k, timer) & DELETING) !== 0) return (state(k, timer) & WAITED) !== 0 ? idle(k, timer) : freeTimer(k, timer, 'deleted', ret());
  return idle(k, timer);
}

function idle(k: Kernel, timer: number): Outcome {
  keSetEvent(k, timer + X.Idle.offset, 0);
  return ret();
}

export const timerExports: NtExport[] = [
  ntSteps({
    name: 'ExpTimerDpcRoutine',
    internal: true,
    doc: "DPC of a system-allocated timer that expired: sets a periodic one again, calls the driver's callback, frees a timer that is to be deleted.",
    args: { Dpc: PVOID, Timer: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: dpcFrame,
    steps: {
      start(k, f, _rax, { Timer }) {
        f.set('Timer', Timer);
        const callback = X.Callback.get(k.mem, Timer);
        const period = X.Period.get(k.mem, Timer);
        const again = period !== 0n && (state(k, Timer) & DELETING) === 0 && !timerInserted(k, Timer);
        // The signal state that expiring has set stays; setting the timer would clear it.
        const signaled = k.mem.read32(Timer + 4);
        if (again) restart(k, Timer, period);
        if (again) k.mem.write32(Timer + 4, signaled);
        setState(k, Timer, RUNNING, true);
        k.mem.write32(Timer + X.Idle.offset + 4, 0);
        return callback === 0 ? afterCallback(k, f) : call(callback, [Timer, X.Context.get(k.mem, Timer)], 'called');
      },
      called: (k, f) => afterCallback(k, f),
      deleted: () => ret(),
    },
  }),
  ntExport({
    name: 'ExAllocateTimer',
    doc: 'Allocates a timer object with an optional callback; NULL without memory.',
    irql: DISPATCH,
    args: { Callback: PVOID, CallbackContext: PVOID, Attributes: ULONG },
    returns: PEX_TIMER,
    cycles: 200,
    status: 'full',
    impl: (k, a) => allocateTimer(k, a.Callback, a.CallbackContext, a.Attributes | 0),
  }),
  ntExport({
    name: 'ExSetTimer',
    doc: 'Sets a timer to a due time, absolute or (negative) relative, with a period in 100 ns units; returns whether that cancelled an earlier setting.',
    irql: DISPATCH,
    args: { Timer: PEX_TIMER, DueTime: LONGLONG, Period: LONGLONG, Parameters: PVOID },
    returns: BOOLEAN,
    cycles: 160,
    status: 'full',
    impl: (k, a) => setTimer(k, a.Timer, a.DueTime, a.Period),
  }),
  ntExport({
    name: 'ExCancelTimer',
    doc: 'Cancels a timer that is set; returns whether it was.',
    irql: DISPATCH,
    args: { Timer: PEX_TIMER, Parameters: PVOID },
    returns: BOOLEAN,
    cycles: 80,
    status: 'full',
    impl: (k, { Timer }) => cancel(k, Timer),
  }),
  ntSteps({
    name: 'ExDeleteTimer',
    doc: 'Deletes a timer, cancelling it and waiting for its callback if asked to; returns whether it cancelled the timer.',
    irql: { ...DISPATCH, when: a => (a.Wait ? { max: 'APC_LEVEL' } : undefined) },
    args: { Timer: PEX_TIMER, Cancel: BOOLEAN, Wait: BOOLEAN, Parameters: PVOID },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    frame: deleteFrame,
    steps: {
      start(k, f, _rax, { Timer, Cancel, Wait, Parameters }) {
        if (Wait && !Cancel) misuse(k, Timer, 'ExDeleteTimer: Wait is TRUE, so Cancel must be TRUE too');
        f.set('Timer', Timer);
        readDeleteParameters(k, Timer, Parameters);
        X.Period.set(k.mem, Timer, 0n);
        setState(k, Timer, DELETING, true);
        const cancelled = Cancel && keCancelTimer(k, Timer);
        // A callback that is queued and has not begun is one that the timer's expiration has promised: it still comes.
        const busy = (state(k, Timer) & RUNNING) !== 0 || timerInserted(k, Timer) || dpcQueued(k, Timer);
        if (!busy) return freeTimer(k, Timer, cancelled ? 'cancelled' : 'deleted', ret(cancelled));
        if (!Wait) return ret(cancelled);
        setState(k, Timer, WAITED, true);
        k.mem.write32(Timer + X.Idle.offset + 4, 0);
        return keWait(k, [Timer + X.Idle.offset]) === 'blocked' ? wait('idle') : freeTimer(k, Timer, 'deleted', ret(false));
      },
      idle: (k, f) => freeTimer(k, f.get('Timer'), 'deleted', ret(false)),
      cancelled: () => ret(true),
      deleted: () => ret(false),
    },
  }),
];

const dpcQueued = (k: Kernel, timer: number): boolean => KDPC.f.DpcData.get(k.mem, timer + X.Dpc.offset) !== 0;
