/** Work queues. Source: the WDK pages of ExQueueWorkItem and of bug check 0xE1. */
import type { Kernel } from '../kernel.ts';
import { addWorker, exQueueWorkItem, workQueue } from '../ex/work.ts';
import { EX_WORK_QUEUE } from '../ex/globals.ts';
import { keWait } from '../ke/wait.ts';
import { removeHeadList } from '../rtl/list.ts';
import { WORKER_THREAD_RETURNED_AT_BAD_IRQL } from '../types/bugcodes.ts';
import { WORK_QUEUE_ITEM } from '../types/ex.ts';
import { ETHREAD, STF_ACTIVE_EX_WORKER } from '../types/ps.ts';
import { ptr } from '../types/struct.ts';
import { call, type Frame, type NtExport, ntExport, ntSteps, type Outcome, PASSIVE_LEVEL, pointer, ULONG, VOID, wait } from './declare.ts';

const Q = EX_WORK_QUEUE.f;
/** KWAIT_REASON WrQueue. */
const WR_QUEUE = 15;

const frame = { Queue: ptr, Item: ptr, Routine: ptr, Parameter: ptr };

function setActive(k: Kernel, active: boolean): void {
  const thread = k.currentThread();
  const flags = ETHREAD.f.SameThreadPassiveFlags.get(k.mem, thread);
  ETHREAD.f.SameThreadPassiveFlags.set(k.mem, thread, active ? flags | STF_ACTIVE_EX_WORKER : flags & ~STF_ACTIVE_EX_WORKER);
}

function bump(k: Kernel, queue: number, field: 'Idle' | 'Processed', by: number): void {
  Q[field].set(k.mem, queue, Q[field].get(k.mem, queue) + by);
}

/** Runs the next item, or waits for one. */
function nextItem(k: Kernel, f: Frame<typeof frame>): Outcome {
  const queue = f.get('Queue');
  for (;;) {
    const item = removeHeadList(k.mem, queue + Q.Items.offset);
    if (item) return runItem(k, f, queue, item);
    if (keWait(k, [queue + Q.Event.offset], { reason: WR_QUEUE }) === 'blocked') {
      bump(k, queue, 'Idle', 1);
      return wait('woken');
    }
  }
}

function runItem(k: Kernel, f: Frame<typeof frame>, queue: number, item: number): Outcome {
  const routine = WORK_QUEUE_ITEM.f.WorkerRoutine.get(k.mem, item),
    parameter = WORK_QUEUE_ITEM.f.Parameter.get(k.mem, item);
  k.mem.writePtr(item, 0);
  f.set('Item', item);
  f.set('Routine', routine);
  f.set('Parameter', parameter);
  if (Q.Idle.get(k.mem, queue) === 0) addWorker(k, (queue - workQueue(k, 0)) / EX_WORK_QUEUE.size);
  setActive(k, true);
  bump(k, queue, 'Processed', 1);
  return call(routine, [parameter], 'done');
}

export const workExports: NtExport[] = [
  ntExport({
    name: 'ExQueueWorkItem',
    doc: 'Queues a work item for a system worker thread.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { WorkItem: pointer('PWORK_QUEUE_ITEM'), QueueType: ULONG },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl: (k, a) => exQueueWorkItem(k, a.WorkItem, a.QueueType),
  }),
  ntSteps({
    name: 'ExpWorkerThread',
    internal: true,
    doc: 'A system worker thread: carries out the items of its queue for ever.',
    args: { QueueIndex: ULONG },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        f.set('Queue', workQueue(k, a.QueueIndex));
        return nextItem(k, f);
      },
      woken(k, f) {
        bump(k, f.get('Queue'), 'Idle', -1);
        return nextItem(k, f);
      },
      done(k, f) {
        if (k.irql !== PASSIVE_LEVEL)
          k.bugCheck(
            WORKER_THREAD_RETURNED_AT_BAD_IRQL,
            f.get('Routine'),
            k.irql,
            f.get('Parameter'),
            f.get('Item'),
            'a work item returned at another IRQL than PASSIVE_LEVEL',
          );
        setActive(k, false);
        return nextItem(k, f);
      },
    },
  }),
];
