import {
  APC_LEVEL,
  call,
  type Frame,
  type NtExport,
  ntCode,
  ntSteps,
  type Outcome,
  ret,
  ULONG,
  wait,
} from '../exports/declare.ts';
import { RBP, RSP } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { KTHREAD, KTIMER, KWAIT_BLOCK } from '../types/ke.ts';
import { array, ptr, u64, u8 } from '../types/struct.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { interruptTime } from './time.ts';
import { keDelay, keWait, THREAD_WAIT_OBJECTS } from './wait.ts';

/**
 * A wait that a kernel APC interrupts. The thread was woken with STATUS_KERNEL_APC, which no caller of a wait ever sees: the thread first comes here, keeps what its wait
 * was about (an APC routine may wait itself), runs the APCs, and waits on until the wait is really over.
 */

const T = KTHREAD.f;
const W = KWAIT_BLOCK.f;
const ALERTABLE = 1 << 4;
/** Objects of one wait that are kept: those in the thread's own wait blocks. More lie in an array of the caller's, which stays. */
const frame = {
  Blocks: ptr,
  Objects: array(ptr, THREAD_WAIT_OBJECTS),
  Due: u64,
  Count: u8,
  Type: u8,
  Timed: u8,
  Mode: u8,
  Alertable: u8,
  Reason: u8,
};
type F = Frame<typeof frame>;

function save(k: Kernel, f: F): void {
  const m = k.mem;
  const thread = k.currentThread();
  const blocks = T.WaitBlockList.get(m, thread);
  const count = T.WaitBlockCount.get(m, thread);
  const kept = Math.min(count, THREAD_WAIT_OBJECTS);
  f.set('Blocks', blocks);
  f.set(
    'Objects',
    Array.from({ length: THREAD_WAIT_OBJECTS }, (_, i) => (i < kept ? W.Object.get(m, blocks + i * KWAIT_BLOCK.size) : 0)),
  );
  f.set('Due', KTIMER.f.DueTime.get(m, thread + T.Timer.offset));
  f.set('Count', count);
  f.set('Type', count > 0 ? W.WaitType.get(m, blocks) : 0);
  f.set('Timed', T.WaitRegister.get(m, thread));
  f.set('Mode', T.WaitMode.get(m, thread));
  f.set('Alertable', (T.MiscFlags.get(m, thread) & ALERTABLE) !== 0 ? 1 : 0);
  f.set('Reason', T.WaitReason.get(m, thread));
}

/** Waits again for what is left of the wait. */
function waitOn(k: Kernel, f: F): Outcome {
  const m = k.mem;
  k.irql = 0;
  const count = f.get('Count');
  const blocks = f.get('Blocks');
  const objects =
    count <= THREAD_WAIT_OBJECTS
      ? f.get('Objects').slice(0, count)
      : Array.from({ length: count }, (_, i) => W.Object.get(m, blocks + i * KWAIT_BLOCK.size));
  const left = interruptTime(k) - f.get('Due');
  const timeout = f.get('Timed') === 0 ? null : left < 0n ? left : 0n;
  const mode = f.get('Mode'),
    alertable = f.get('Alertable') !== 0,
    reason = f.get('Reason');
  if (count === 0) {
    if (timeout === 0n) return ret(STATUS_SUCCESS);
    const result = keDelay(k, timeout ?? 0n, alertable, mode);
    return result === 'blocked' ? wait('over') : ret(result.status);
  }
  const result = keWait(k, objects, {
    any: f.get('Type') === 1,
    alertable,
    mode,
    timeout,
    reason,
    ...(count > THREAD_WAIT_OBJECTS ? { waitBlocks: blocks } : {}),
  });
  return result === 'blocked' ? wait('over') : ret(result.status);
}

export const apcWaitRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'KiContinueWait',
    internal: true,
    doc: 'Runs the kernel APCs that interrupted a wait, then goes on with the wait; returns its status.',
    args: {},
    returns: ULONG,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start(k, f) {
        save(k, f);
        k.irql = APC_LEVEL;
        return call(k.address('nt!KiDeliverApc'), [0], 'delivered');
      },
      delivered: (k, f) => waitOn(k, f),
      over: k => ret(k.rax64()),
    },
  }),
  ntCode({
    name: 'KiWaitInterruptedByApc',
    internal: true,
    doc: 'Where a waiting thread goes on when a kernel APC woke it: as if it had called this routine from where it stands, on a stack of any alignment.',
    args: {},
    returns: ULONG,
    cycles: 0,
    status: 'full',
    code(a) {
      a.prologPush(RBP);
      a.prologFrame(RBP, 0);
      a.andImm(RSP, -16);
      a.subImm(RSP, 0x20);
      a.call('nt!KiContinueWait');
      a.mov(RSP, RBP);
      a.pop(RBP);
      a.ret();
    },
  }),
];
