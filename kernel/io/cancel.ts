/**
 * Cancelling. One spin lock for the whole system guards the cancel routine of every IRP: IoCancelIrp takes the routine away under the lock and calls it with
 * the lock held; the routine gives it back with the IRQL that the IRP carries.
 */
import type { Kernel } from '../kernel.ts';
import { listEntries } from '../rtl/list.ts';
import { CANCEL_STATE_IN_COMPLETED_IRP, SPIN_LOCK_NOT_OWNED } from '../types/bugcodes.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import { STATUS_NOT_FOUND, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  HANDLE,
  KIRQL,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  PVOID,
  ret,
  retry,
  VOID,
} from '../exports/declare.ts';
import { stepService } from '../exports/service.ts';
import { previousMode } from '../ob/mode.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { exportedType } from '../ob/type.ts';
import { cancelLockPassedOn, cancelLockReleased } from '../verifier/lock.ts';
import { PIRP } from './call.ts';
import { currentLocation, I, S } from './irp.ts';

const DISPATCH_LEVEL = 2;

/** Takes the cancel lock at DISPATCH_LEVEL; the IRQL before, or -1 when somebody holds it (nothing has changed then: end with `retry`). */
export function acquireCancelLock(k: Kernel): number {
  if (k.global.get('IopCancelSpinLock') !== 0n) return -1;
  const irql = k.irql;
  if (irql < DISPATCH_LEVEL) k.irql = DISPATCH_LEVEL;
  k.global.set('IopCancelSpinLock', 1n);
  return irql;
}

export function releaseCancelLock(k: Kernel, irql: number): void {
  if (k.global.get('IopCancelSpinLock') === 0n)
    k.bugCheck(
      SPIN_LOCK_NOT_OWNED,
      k.global.address('IopCancelSpinLock'),
      0,
      0,
      0,
      'the cancel spin lock was released by somebody who does not hold it',
    );
  k.global.set('IopCancelSpinLock', 0n);
  if (k.config.verifier) cancelLockReleased(k);
  k.irql = irql;
}

/** Marks an IRP cancelled and calls its cancel routine, if it has one: RAX of step `then` is whether it had. */
export const cancelIrpThen = (k: Kernel, irp: number, then: string): Outcome => call(k.address('nt!IoCancelIrp'), [irp], then);

/** The first IRP of a process's threads for a file that is not cancelled yet; `onlyThread` limits the search to one thread. 0 when there is none. */
function nextToCancel(k: Kernel, process: number, file: number, onlyThread: number, iosb: number): number {
  const { mem } = k;
  for (const link of listEntries(mem, process + EPROCESS.f.ThreadListHead.offset)) {
    const thread = link - ETHREAD.f.ThreadListEntry.offset;
    if (onlyThread && thread !== onlyThread) continue;
    for (const entry of listEntries(mem, thread + ETHREAD.f.IrpList.offset)) {
      const irp = entry - I.ThreadListEntry.offset;
      if (I.OriginalFileObject.get(mem, irp) !== file || I.Cancel.get(mem, irp)) continue;
      if (iosb && I.UserIosb.get(mem, irp) !== iosb) continue;
      return irp;
    }
  }
  return 0;
}

function cancelIo(
  name: string,
  doc: string,
  args: { [n: string]: typeof HANDLE | typeof PVOID },
  ownThread: boolean,
): NtExport[] {
  type F = { get(n: 'File' | 'Request' | 'Iosb' | 'Count'): number };
  const more = (k: Kernel, f: F): Outcome => {
    const irp = nextToCancel(k, k.currentProcess(), f.get('File'), ownThread ? k.currentThread() : 0, f.get('Request'));
    if (irp) return cancelIrpThen(k, irp, 'more');
    k.mem.write32(f.get('Iosb'), outcome(f));
    k.mem.write64(f.get('Iosb') + 8, 0n);
    return call(k.address('nt!ObfDereferenceObject'), [f.get('File')], 'done');
  };
  const outcome = (f: F): number => (f.get('Count') || ownThread ? STATUS_SUCCESS : STATUS_NOT_FOUND);
  return stepService({
    name,
    doc,
    irql: { max: 'PASSIVE_LEVEL' },
    args,
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { File: ptr, Iosb: ptr, Request: ptr, Count: u32 },
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a['IoStatusBlock'] as number, 0x10, true);
        const r = obReferenceObjectByHandle(
          k,
          a['FileHandle'] as number,
          0,
          exportedType(k, 'IoFileObjectType'),
          previousMode(k),
        );
        if (r.status !== STATUS_SUCCESS) return ret(r.status);
        f.set('File', r.object);
        f.set('Iosb', a['IoStatusBlock'] as number);
        f.set('Request', ownThread ? 0 : (a['IoRequestToCancel'] as number));
        f.set('Count', 0);
        return more(k, f);
      },
      more(k, f) {
        f.set('Count', f.get('Count') + 1);
        return more(k, f);
      },
      done: (_k, f) => ret(outcome(f)),
    },
  });
}

export const exports: NtExport[] = [
  ntExport({
    name: 'IoAcquireCancelSpinLock',
    doc: "Takes the system's cancel spin lock and raises to DISPATCH_LEVEL.",
    irql: { max: 'DISPATCH_LEVEL' },
    args: { Irql: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl(k, { Irql }) {
      k.mem.probe(Irql, 1, true);
      const irql = acquireCancelLock(k);
      if (irql < 0) return retry;
      k.mem.write8(Irql, irql);
    },
  }),
  ntExport({
    name: 'IoReleaseCancelSpinLock',
    doc: 'Gives the cancel spin lock back and goes to the given IRQL.',
    irql: { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' },
    args: { Irql: KIRQL },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, { Irql }) => releaseCancelLock(k, Irql),
  }),
  ntSteps({
    name: 'IoCancelIrp',
    doc: 'Marks an IRP as cancelled and calls its cancel routine, if it has one.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { Irp: PIRP },
    returns: BOOLEAN,
    cycles: 120,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Irp }) {
        const { mem } = k;
        mem.probe(Irp, 0xd0, true);
        const irql = acquireCancelLock(k);
        if (irql < 0) return retry;
        I.Cancel.set(mem, Irp, 1);
        const routine = I.CancelRoutine.get(mem, Irp);
        I.CancelRoutine.set(mem, Irp, 0);
        if (!routine) {
          releaseCancelLock(k, irql);
          return ret(false);
        }
        if (I.CurrentLocation.get(mem, Irp) > I.StackCount.get(mem, Irp) + 1) {
          k.bugCheck(CANCEL_STATE_IN_COMPLETED_IRP, Irp, routine, 0, 0, 'a completed IRP still has a cancel routine');
        }
        I.CancelIrql.set(mem, Irp, irql);
        if (k.config.verifier) cancelLockPassedOn(k);
        return call(routine, [S.DeviceObject.get(mem, currentLocation(k, Irp)), Irp], 'called');
      },
      called: () => ret(true),
    },
  }),
  ...cancelIo(
    'CancelIoFile',
    'Cancels what the calling thread has outstanding for a file.',
    { FileHandle: HANDLE, IoStatusBlock: PVOID },
    true,
  ),
  ...cancelIo(
    'CancelIoFileEx',
    'Cancels what the calling process has outstanding for a file; all of it or the request with a given status block.',
    { FileHandle: HANDLE, IoRequestToCancel: PVOID, IoStatusBlock: PVOID },
    false,
  ),
];
