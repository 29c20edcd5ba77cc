import { endOfInterrupt, startPeriodicTimer } from '../../hal/nt/apic.ts';
import { DISPATCH_LEVEL, jump, type NtExport, ntExport, pointer, ULONG, VOID } from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { KUSER_SHARED_DATA as SHARED_PAGE } from '../mm/layout.ts';
import { DPC_WATCHDOG_VIOLATION } from '../types/bugcodes.ts';
import { KernelMode, KTHREAD, KUSER_SHARED_DATA } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ETHREAD } from '../types/ps.ts';
import { KTRAP_FRAME } from '../types/trap.ts';
import { requestQueuedDpcs } from './dpc.ts';
import { CLOCK_VECTOR, requestDispatch } from './ready.ts';
import { chargeThread } from './swap.ts';
import { checkTimers, startTimerHand } from './timer.ts';
import {
  interruptTime,
  PERFORMANCE_FREQUENCY,
  performanceCounter,
  setInterruptTime,
  setSystemTime,
  setTickCount,
  systemTime,
  tickCount,
} from './time.ts';

const P = KPRCB.f;
const T = KTHREAD.f;

/** Ticks of the local APIC timer in a clock period; throws a RangeError when the configuration does not give at least one. */
export function clockCount(k: Kernel): number {
  const count = Math.floor((k.config.clockPeriod * k.config.apicHz) / 10_000_000);
  if (!(count >= 1 && count <= 0xffffffff))
    throw new RangeError(`a clock period of ${k.config.clockPeriod} x 100 ns is ${count} ticks of the APIC timer`);
  return count;
}

/** Starts the clock interrupt of this processor. The first one keeps the time; the others charge their threads, look after their timers and watch their DPCs. */
export function startProcessorClock(k: Kernel): void {
  P.ClockOwner.set(k.mem, k.prcb, k.cpu.index === 0 ? 1 : 0);
  P.DpcTimeLimit.set(k.mem, k.prcb, k.config.dpcWatchdogTicks);
  P.DpcWatchdogPeriod.set(k.mem, k.prcb, k.config.dpcWatchdogTicks);
  startTimerHand(k);
  startPeriodicTimer(k.cpu, CLOCK_VECTOR, clockCount(k));
}

/** Sets the clocks in KUSER_SHARED_DATA and starts the clock interrupt of the first processor. `now` is system time. */
export function startClock(k: Kernel, now: bigint): void {
  const shared = KUSER_SHARED_DATA.f;
  setInterruptTime(k, 0n);
  setSystemTime(k, now);
  setTickCount(k, 0n);
  // Milliseconds = ticks * multiplier >> 24.
  shared.TickCountMultiplier.set(k.mem, SHARED_PAGE, Math.floor((k.config.clockPeriod * 16777216) / 10000));
  shared.QpcFrequency.set(k.mem, SHARED_PAGE, BigInt(PERFORMANCE_FREQUENCY));
  k.global.set('KeBootTime', now);
  k.global.set('KiClockStart', performanceCounter(k));
  k.global.set('KeMaximumIncrement', k.config.clockPeriod);
  k.global.set('KeDpcWatchdogTicks', k.config.dpcWatchdogTicks);
  k.global.set('KeDpcWatchdogTriageBlock', [0xaebecede, 0x10001, 0, 0, 0, 0, 0, 0]);
  startProcessorClock(k);
}

/** Counts the ticks spent in one DPC and at DISPATCH_LEVEL or above; too many of either stop the machine (WDK, bug check 0x133). */
function watchDpcs(k: Kernel, trapFrame: number, irql: number): void {
  const { mem, prcb } = k;
  const triage = k.global.address('KeDpcWatchdogTriageBlock');
  if (P.DpcRoutineActive.get(mem, prcb) !== 0 && P.CurrentDpcRoutine.get(mem, prcb) !== 0) {
    const count = P.DpcTimeCount.get(mem, prcb) + 1;
    P.DpcTimeCount.set(mem, prcb, count);
    P.DpcTime.set(mem, prcb, P.DpcTime.get(mem, prcb) + 1);
    const limit = P.DpcTimeLimit.get(mem, prcb);
    if (limit !== 0 && count > limit) k.bugCheckAt(trapFrame, DPC_WATCHDOG_VIOLATION, 0, count, limit, triage);
  }
  const period = P.DpcWatchdogPeriod.get(mem, prcb);
  const idle = P.CurrentThread.get(mem, prcb) === P.IdleThread.get(mem, prcb) && P.DpcRoutineActive.get(mem, prcb) === 0;
  const count = irql >= DISPATCH_LEVEL && !idle ? P.DpcWatchdogCount.get(mem, prcb) + 1 : 0;
  P.DpcWatchdogCount.set(mem, prcb, count);
  if (period !== 0 && count > period) k.bugCheckAt(trapFrame, DPC_WATCHDOG_VIOLATION, 1, period, triage, 0);
}

/** Charges the tick to who was interrupted, and ends the quantum of a thread that has used it up. */
function chargeTick(k: Kernel, irql: number, mode: number): void {
  const { mem, prcb } = k;
  const thread = P.CurrentThread.get(mem, prcb);
  const time = mode === KernelMode ? 'KernelTime' : 'UserTime';
  P[time].set(mem, prcb, P[time].get(mem, prcb) + 1);
  if (irql > DISPATCH_LEVEL) P.InterruptTime.set(mem, prcb, P.InterruptTime.get(mem, prcb) + 1);
  if (irql < DISPATCH_LEVEL) T[time].set(mem, thread, T[time].get(mem, thread) + 1);
  if (thread === P.IdleThread.get(mem, prcb)) return;
  chargeThread(k, thread);
  if (T.CycleTime.get(mem, thread) < T.QuantumTarget.get(mem, thread) || P.QuantumEnd.get(mem, prcb) !== 0) return;
  P.QuantumEnd.set(mem, prcb, 1);
  requestDispatch(k);
}

/** KPROCESSOR_MODE of the code that was interrupted. */
const previousMode = (k: Kernel, trapFrame: number): number => KTRAP_FRAME.f.SegCs.get(k.mem, trapFrame) & 1;

export const clockRoutines: readonly NtExport[] = [
  ntExport({
    name: 'KeClockInterruptNotify',
    internal: true,
    doc: 'The clock interrupt: advances interrupt time, system time and the tick count (on the processor that keeps the time), looks for due timers, charges the running thread, watches for DPCs that do not end.',
    args: { TrapFrame: pointer('PKTRAP_FRAME'), Vector: ULONG },
    returns: VOID,
    cycles: 200,
    status: 'full',
    impl(k, { TrapFrame }) {
      const { mem, prcb } = k;
      if (P.ClockOwner.get(mem, prcb) !== 0) {
        const period = BigInt(k.config.clockPeriod);
        setInterruptTime(k, interruptTime(k) + period);
        setSystemTime(k, systemTime(k) + period);
        setTickCount(k, tickCount(k) + 1n);
      }
      P.ClockInterrupts.set(mem, prcb, P.ClockInterrupts.get(mem, prcb) + 1);
      checkTimers(k, interruptTime(k));
      requestQueuedDpcs(k);
      const irql = KTRAP_FRAME.f.PreviousIrql.get(mem, TrapFrame);
      chargeTick(k, irql, previousMode(k, TrapFrame));
      watchDpcs(k, TrapFrame, irql);
      endOfInterrupt(k.cpu);
      const notify = k.global.get('KiTimeUpdateNotifyRoutine');
      // The level stays raised until the trap returns: nothing interrupts the driver's routine but an IPI.
      if (notify !== 0)
        return jump(notify, k.mem.readPtr(k.currentThread() + ETHREAD.f.Cid.offset + 8), previousMode(k, TrapFrame));
    },
  }),
];
