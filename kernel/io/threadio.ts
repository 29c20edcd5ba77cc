/** The end of a thread that has requests outstanding: they are cancelled, and the thread lives until they have completed, because their completion runs in it. */
import type { Kernel } from '../kernel.ts';
import { keDelay } from '../ke/wait.ts';
import { psExitCurrentThread } from '../ps/thread.ts';
import { listEntries } from '../rtl/list.ts';
import { ETHREAD } from '../types/ps.ts';
import { u32 } from '../types/struct.ts';
import { call, type NtExport, ntSteps, NTSTATUS, type Outcome, VOID, wait } from '../exports/declare.ts';
import { dequeueIrpFromThread, I } from './irp.ts';

/** 100 ms from now; and how often: NT gives a driver five minutes to complete a cancelled request. */
const POLL_INTERVAL = -1_000_000n,
  POLLS = 3000;

const irpsOf = (k: Kernel, thread: number): number[] =>
  [...listEntries(k.mem, thread + ETHREAD.f.IrpList.offset)].map(link => link - I.ThreadListEntry.offset);

/** Has the current thread requests that are not done? */
export const hasOutstandingIrps = (k: Kernel): boolean => irpsOf(k, k.currentThread()).length > 0;

/** Cancels what is not cancelled yet, waits for the rest, and ends the thread. A request that a driver never completes is cut loose. */
function cancelNext(k: Kernel, f: { get(n: 'Polls'): number; set(n: 'Polls', v: number): void }, status: number): Outcome {
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
  psExitCurrentThread(k, status);
  return wait('never');
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'IopExitThread',
    internal: true,
    doc: 'Ends the current thread after its outstanding requests have been cancelled and have completed (IoCancelThreadIo).',
    args: { ExitStatus: NTSTATUS },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { Polls: u32 },
    steps: {
      start(k, f, _rax, { ExitStatus }) {
        f.set('Polls', 0);
        return cancelNext(k, f, ExitStatus);
      },
      cancelled: (k, f, _rax, { ExitStatus }) => cancelNext(k, f, ExitStatus),
      polled: (k, f, _rax, { ExitStatus }) => cancelNext(k, f, ExitStatus),
      never: () => {
        throw new Error('a thread that has ended ran again');
      },
    },
  }),
];
