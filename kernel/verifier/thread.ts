/** Critical regions, waits, handles and objects. Source: WDK, "Bug Check 0xC4", "Bug Check 0x1", "Bug Check 0x93". */
import type { Kernel } from '../kernel.ts';
import { pointerCount } from '../ob/object.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4 } from '../types/bugcodes.ts';
import { KTHREAD } from '../types/ke.ts';
import type { HookArgs, Hooks } from './hook.ts';
import { calledByDriver, DEREFERENCED, find, note, remember, remove, REGION, SYSTEM_THREAD, forget } from './state.ts';
import { locksAtThreadEnd } from './lock.ts';

const T = KTHREAD.f;

function entered(k: Kernel): void {
  if (!calledByDriver(k)) return;
  remember(k, REGION, k.currentThread(), { frames: 8 });
}
/** Leaving a region that was never entered; else the newest entry of this thread is over. */
function leaving(k: Kernel, field: 'KernelApcDisable' | 'SpecialApcDisable', routine: string): void {
  const thread = k.currentThread();
  if (T[field].get(k.mem, thread) === 0)
    k.bugCheck(C4, 0x3e, 0, 0, 0, `${routine} was called by a thread that is not in such a region`);
  const record = find(k, REGION, thread);
  if (record) remove(k, record);
}

const referenced = (by: 1 | -1) => ({
  before(k: Kernel, a: HookArgs): void {
    const object = a['Object']!;
    if (!calledByDriver(k) || k.mem.translate(object - 0x30) < 0) return;
    const count = pointerCount(k, object);
    if (count <= 0)
      k.bugCheck(
        C4,
        0x3f,
        object,
        count + by,
        0,
        `an object was ${by > 0 ? 'referenced' : 'dereferenced'} whose reference count is ${count}: it has been deleted`,
      );
    if (by < 0) note(k, DEREFERENCED, object, { size: count - 1, frames: 8 });
  },
});

export const threadHooks: Hooks = {
  KeEnterCriticalRegion: { after: entered },
  KeEnterGuardedRegion: { after: entered },
  KeLeaveCriticalRegion: { before: k => leaving(k, 'KernelApcDisable', 'KeLeaveCriticalRegion') },
  KeLeaveGuardedRegion: { before: k => leaving(k, 'SpecialApcDisable', 'KeLeaveGuardedRegion') },
  ObfReferenceObject: referenced(1),
  ObfDereferenceObject: referenced(-1),
  ObReferenceObjectByHandle: {
    before(k, a) {
      if (calledByDriver(k) && a['Handle'] === 0)
        k.bugCheck(C4, 0xf5, 0, a['ObjectType'] ?? 0, 0, 'ObReferenceObjectByHandle was given a NULL handle');
    },
  },
};

/** A system thread of a driver starts. */
export const threadStarts = (k: Kernel, thread: number, start: number): void =>
  void remember(k, SYSTEM_THREAD, thread, { data: start });

/** A thread that never ran is taken back. */
export const threadDiscarded = (k: Kernel, thread: number): void => void forget(k, SYSTEM_THREAD, thread);

/** The current thread ends. */
export function threadEnds(k: Kernel, thread: number): void {
  locksAtThreadEnd(k, thread);
  forget(k, SYSTEM_THREAD, thread);
}
