import type { Kernel } from '../kernel.ts';
import { KAPC_STATE, KTHREAD, MISC_ALERTABLE, UserMode, Waiting } from '../types/ke.ts';
import { isListEmpty } from './list.ts';
import { unwaitThread } from './signal.ts';
import { STATUS_ALERTED } from './wait.ts';

/** Alerts: what ends an alertable wait with STATUS_ALERTED, now or when the thread next begins one. KTHREAD.Alerted keeps one for each mode (WDK, "Waits and APCs"). */

const T = KTHREAD.f;

/** KeAlertThread: ends an alertable wait of the thread in `mode` or a less trusted one, else leaves the alert for the next; whether one was there already. */
export function keAlertThread(k: Kernel, thread: number, mode: number): boolean {
  const m = k.mem;
  const flag = thread + T.Alerted.offset + mode;
  if (m.read8(flag) !== 0) return true;
  const alertable = T.State.get(m, thread) === Waiting && (T.MiscFlags.get(m, thread) & MISC_ALERTABLE) !== 0;
  if (alertable && mode <= T.WaitMode.get(m, thread)) unwaitThread(k, thread, STATUS_ALERTED, 0);
  else m.write8(flag, 1);
  return false;
}

/** KeTestAlertThread of the current thread: takes an alert for `mode` and says whether there was one; without one, user APCs that are queued become due. */
export function keTestAlertThread(k: Kernel, mode: number): boolean {
  const m = k.mem;
  const thread = k.currentThread();
  const flag = thread + T.Alerted.offset + mode;
  if (m.read8(flag) !== 0) {
    m.write8(flag, 0);
    return true;
  }
  const state = thread + T.ApcState.offset;
  if (mode === UserMode && !isListEmpty(m, state + 16)) KAPC_STATE.f.UserApcPendingAll.set(m, state, 1);
  return false;
}
