/**
 * Routines that may have caused notifications: they do their work at once, then call the callbacks of the resource managers that were told, and wait for the outcome if they are to. What a
 * callback does itself is delivered after it has returned, by whoever called it. Source: "ResourceManagerNotification callback", WDK.
 */
import type { Kernel } from '../kernel.ts';
import { keWait } from '../ke/wait.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { array, i64, ptr, struct, u32, u64 } from '../types/struct.ts';
import {
  KENLISTMENT,
  KRESOURCEMANAGER,
  TRANSACTION_NOTIFY_PREPARE,
  TRANSACTION_NOTIFY_PREPREPARE,
  TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT,
} from '../types/tm.ts';
import {
  type ArgTypes,
  type ArgValues,
  type ArgType,
  call,
  type Frame,
  NTSTATUS,
  type Outcome,
  ret,
  type StepExport,
  wait,
} from '../exports/declare.ts';
import { nextDelivery, readPacket, RECOVERY_ARGUMENT_SIZE, takePacket, writeRecoveryArgument } from './notify.ts';
import { rollbackEnlistment, setClock } from './protocol.ts';

/** A thread that delivers; it lies in the frame of the routine. */
const DELIVERER = struct('_TMP_DELIVERER', { Link: array(ptr, 2), Thread: ptr, Active: u32 });
const D = DELIVERER.f;

const frame = {
  Status: u32,
  /** An object that is held until the routine ends. */
  Held: ptr,
  /** The object whose end the routine waits for, or null. */
  WaitFor: ptr,
  Notification: u32,
  Enlistment: ptr,
  ResourceManager: ptr,
  Clock: i64,
  Argument: array(u64, RECOVERY_ARGUMENT_SIZE / 8),
  Deliverer: DELIVERER,
} as const;
export type DeliverFrame = Frame<typeof frame>;

/** What the work of a routine came to. */
export interface Result {
  status: number;
  /** An object that the work referenced: given back at the end. */
  held?: number;
  /** The routine waits for that object. */
  wait?: boolean;
}

export interface Delivering<A extends ArgTypes> {
  name: string;
  doc: string;
  args: A;
  cycles: number;
  status?: 'full' | 'partial';
  missing?: string;
  internal?: boolean;
  returns?: ArgType<unknown>;
  work: (k: Kernel, a: ArgValues<A>) => Result;
  /** The status when the work succeeded and its notifications are delivered (and the wait is over). */
  after?: (k: Kernel, held: number) => number;
}

const isDelivering = (k: Kernel): boolean =>
  [...listEntries(k.mem, k.global.address('TmpDelivererListHead'))].some(at => D.Thread.get(k.mem, at) === k.currentThread());

function stop(k: Kernel, f: DeliverFrame): void {
  const at = f.address('Deliverer');
  if (!D.Active.get(k.mem, at)) return;
  D.Active.set(k.mem, at, 0);
  removeEntryList(k.mem, at);
}

function release(k: Kernel, f: DeliverFrame): void {
  stop(k, f);
  for (const name of ['Enlistment', 'Held'] as const) {
    const held = f.get(name);
    f.set(name, 0);
    if (held) obDereferenceDeferred(k, held);
  }
}

/** A callback that fails while it could still say no has said no. */
const REFUSABLE = TRANSACTION_NOTIFY_PREPREPARE | TRANSACTION_NOTIFY_PREPARE | TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT;

/** The declaration of a routine that works, delivers and perhaps waits. */
export function delivering<const A extends ArgTypes>(d: Delivering<A>): Omit<StepExport<A, typeof frame>, 'kind' | 'layout'> {
  const finish = (k: Kernel, f: DeliverFrame): Outcome => {
    const status = d.after && f.get('Status') === STATUS_SUCCESS ? d.after(k, f.get('Held')) : f.get('Status');
    release(k, f);
    return ret(status);
  };

  const next = (k: Kernel, f: DeliverFrame): Outcome => {
    const packet = nextDelivery(k);
    if (!packet) {
      stop(k, f);
      const object = f.get('WaitFor');
      return object && keWait(k, [object]) === 'blocked' ? wait('over') : finish(k, f);
    }
    const n = readPacket(k, packet);
    takePacket(k, packet);
    // The reference of the packet.
    f.set('Enlistment', n.enlistment || n.rm);
    f.set('ResourceManager', n.rm);
    f.set('Notification', n.notification);
    f.set('Clock', n.clock);
    if (n.argument) writeRecoveryArgument(k, n.enlistment, f.address('Argument'));
    const R = KRESOURCEMANAGER.f;
    const key = n.enlistment ? KENLISTMENT.f.Key.get(k.mem, n.enlistment) : 0;
    return call(
      R.NotificationRoutine.get(k.mem, n.rm),
      [
        n.enlistment,
        R.Key.get(k.mem, n.rm),
        key,
        n.notification,
        f.address('Clock'),
        n.argument,
        n.argument ? f.address('Argument') : 0,
      ],
      'delivered',
    );
  };

  return {
    name: d.name,
    doc: d.doc,
    irql: { max: 'PASSIVE_LEVEL' },
    args: d.args,
    returns: d.returns ?? NTSTATUS,
    cycles: d.cycles,
    status: d.status ?? 'full',
    ...(d.missing === undefined ? {} : { missing: d.missing }),
    ...(d.internal === undefined ? {} : { internal: d.internal }),
    frame,
    steps: {
      start(k, f, _rax, a) {
        for (const name of ['Held', 'WaitFor', 'Enlistment', 'ResourceManager'] as const) f.set(name, 0);
        k.mem.fill(f.address('Deliverer'), DELIVERER.size, 0);
        const r = d.work(k, a);
        f.set('Status', r.status);
        f.set('Held', r.held ?? 0);
        f.set('WaitFor', r.wait ? (r.held ?? 0) : 0);
        if (isDelivering(k)) return finish(k, f);
        const at = f.address('Deliverer');
        D.Thread.set(k.mem, at, k.currentThread());
        D.Active.set(k.mem, at, 1);
        insertTailList(k.mem, k.global.address('TmpDelivererListHead'), at);
        return next(k, f);
      },
      delivered(k, f, rax) {
        const enlistment = f.get('Enlistment');
        if (enlistment !== f.get('ResourceManager')) {
          setClock(k, enlistment, f.get('Clock'));
          if (rax >>> 31 && f.get('Notification') & REFUSABLE) rollbackEnlistment(k, enlistment, 0);
        }
        f.set('Enlistment', 0);
        obDereferenceDeferred(k, enlistment);
        return next(k, f);
      },
      over: (k, f) => finish(k, f),
    },
    abort: release,
  };
}
