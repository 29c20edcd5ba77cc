/** The end of a thread that has requests outstanding: they are cancelled, and the thread lives until they have completed, because their completion runs in it. */
import type { Kernel } from '../kernel.ts';
import { keDelay } from '../ke/wait.ts';
import { listEntries } from '../rtl/list.ts';
import { ETHREAD } from '../types/ps.ts';
import { u32 } from '../types/struct.ts';
import { call, type NtExport, ntSteps, type Outcome, ret, VOID, wait } from '../exports/declare.ts';
import { dequeueIrpFromThread, I } from './irp.ts';

/** 100 ms from now; and how often: NT gives a driver five minutes to complete a cancelled request. */
const POLL_INTERVAL = -1_000_000n,
  POLLS = 3000;

const irpsOf = (k: Kernel, thread: number): number[] =>
  [...listEntries(k.mem, thread + ETHREAD.f.IrpList.offset)].map(link => link - I.ThreadListEntry.offset);

/** Has the current thread requests that are not done? */
export const hasOutstandingIrps = (k: Kernel): boolean => irpsOf(k, k.currentThread()).length > 0;

/** Cancels what is not cancelled yet and waits for the rest. A request that a driver never completes is cut loose. */
function cancelNext(k: Kernel, f: { get(n: 'Polls'): number; set(n: 'Polls', v: number): void }): Outcome {
  const irps = irpsOf(k, k.currentThread());
  const next = irps.find(irp => !I.Cancel.get(k.mem, irp));
  if (next) return call(k.address('nt!IoCancelIrp'), [next], 'cancelled');
  if (irps.length && f.get('Polls') < POLLS) {
    f.set('Polls', f.get('Polls') + 1);
    if (keDelay(k, POLL_INTERVAL, false, 0) === 'blocked') return wait('polled');
  }
  for (const irp of irps) {
    dequeueIrpFromThread(k, irp);
    I.Thread.set(k.mem, irp, 0);
  }
  return ret();
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'IopCancelThreadIo',
    internal: true,
    doc: 'Cancels the outstanding requests of the current thread and returns when they have completed (IoCancelThreadIo).',
    args: {},
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { Polls: u32 },
    steps: {
      start(k, f) {
        f.set('Polls', 0);
        return cancelNext(k, f);
      },
      cancelled: (k, f) => cancelNext(k, f),
      polled: (k, f) => cancelNext(k, f),
    },
  }),
];
