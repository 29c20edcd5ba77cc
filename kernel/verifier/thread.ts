/** Critical regions, waits, handles and objects. Source: WDK, "Bug Check 0xC4", "Bug Check 0x1", "Bug Check 0x93". */
import type { Kernel } from '../kernel.ts';
import { pointerCount } from '../ob/object.ts';
import { findHandle, isKernelHandle } from '../ob/handle.ts';
import { mmIsPageable } from '../mm/paging.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4, INVALID_KERNEL_HANDLE } from '../types/bugcodes.ts';
import { KernelMode, KTHREAD, UserMode } from '../types/ke.ts';
import type { Hook, HookArgs, Hooks } from './hook.ts';
import { calledByDriver, CLOSED, DEREFERENCED, find, note, remember, remove, REGION, SYSTEM_THREAD, forget } from './state.ts';
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

/** A kernel handle is closed that is not open. */
const closing: Hook = {
  before(k, a) {
    const handle = a['Handle']!;
    if (!calledByDriver(k) || !isKernelHandle(handle)) return;
    if (findHandle(k, handle, KernelMode).entry === 0)
      k.bugCheck(INVALID_KERNEL_HANDLE, handle, 1, 0, 0, 'ZwClose was given a kernel handle that is not open');
    note(k, CLOSED, handle, { frames: 8 });
  },
};

/** Waits in user mode let the kernel stack be paged out, and with it what lies on it. */
const userWait: Hook = {
  before(k, a) {
    const object = a['Object']!;
    const thread = k.currentThread();
    if (!calledByDriver(k) || a['WaitMode'] !== UserMode) return;
    if (object >= T.StackLimit.get(k.mem, thread) && object < T.StackBase.get(k.mem, thread))
      k.bugCheck(C4, 0x123, object, 0, 0, 'a thread waits with UserMode for an object on its kernel stack');
  },
};

/** An object that the dispatcher works with must be resident. */
const resident = (argument: string): Hook => ({
  before(k, a) {
    const object = a[argument]!;
    if (calledByDriver(k) && mmIsPageable(k, object))
      k.bugCheck(C4, 0xe1, object, 0, 0, 'a synchronization object lies in pageable memory');
  },
});

export const threadHooks: Hooks = {
  ZwClose: closing,
  KeWaitForSingleObject: userWait,
  KeInitializeEvent: resident('Event'),
  KeInitializeMutex: resident('Mutex'),
  KeInitializeSemaphore: resident('Semaphore'),
  KeInitializeTimer: resident('Timer'),
  KeInitializeTimerEx: resident('Timer'),
  ExQueueWorkItem: {
    before(k, a) {
      const item = a['WorkItem']!;
      if (calledByDriver(k) && mmIsPageable(k, item))
        k.bugCheck(C4, 0x131, item, 0, 0, 'a work item lies in pageable memory: the queue is worked on at DISPATCH_LEVEL');
    },
  },
  KeEnterCriticalRegion: { after: entered },
  KeEnterGuardedRegion: { after: entered },
  KeLeaveCriticalRegion: { before: k => leaving(k, 'KernelApcDisable', 'KeLeaveCriticalRegion') },
  KeLeaveGuardedRegion: { before: k => leaving(k, 'SpecialApcDisable', 'KeLeaveGuardedRegion') },
  ObfReferenceObject: referenced(1),
  ObfDereferenceObject: referenced(-1),
  ObReferenceObjectByHandle: {
    before(k, a) {
      if (!calledByDriver(k)) return;
      const handle = a['Handle']!;
      if (handle === 0) k.bugCheck(C4, 0xf5, 0, a['ObjectType'] ?? 0, 0, 'ObReferenceObjectByHandle was given a NULL handle');
      const process = k.currentProcess();
      if (a['AccessMode'] === KernelMode && handle > 0 && process !== k.mem.readPtr(k.address('nt!PsInitialSystemProcess')))
        k.bugCheck(
          C4,
          0xf6,
          handle,
          process,
          k.caller(),
          `ObReferenceObjectByHandle was given the handle ${handle.toString(16)} of a user process, with KernelMode: no access is checked`,
        );
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
