/**
 * Cancel-safe IRP queues. The driver gives six callbacks (insert, remove, peek, lock, unlock, complete); the library does the part that is hard to get right: whoever takes the
 * cancel routine away from an IRP owns it. DriverContext[3] of a queued IRP points to the queue, or to the IO_CSQ_IRP_CONTEXT that stands for the IRP.
 */
import type { Kernel } from '../kernel.ts';
import {
  IO_CSQ,
  IO_CSQ_IRP_CONTEXT,
  IO_TYPE_CSQ,
  IO_TYPE_CSQ_EX,
  IO_TYPE_CSQ_IRP_CONTEXT,
  IRP,
  SL_PENDING_RETURNED,
} from '../types/io.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32, u8 } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, pointer, PVOID, ret, VOID } from '../exports/declare.ts';
import { PDEVICE_OBJECT, PIRP } from './call.ts';
import { releaseCancelLock } from './cancel.ts';
import { currentLocation, I, ntSuccess, S } from './irp.ts';

const C = IO_CSQ.f;
const X = IO_CSQ_IRP_CONTEXT.f;
const PIO_CSQ = pointer('PIO_CSQ');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
/** DriverContext[3]. */
const QUEUE_SLOT = IRP.f.DriverContext.offset + 24;

const frame = { Irql: u8, Irp: ptr, Status: u32, Returned: ptr } as const;
type Name = 'Irql' | 'Irp' | 'Status' | 'Returned';
interface CsqFrame {
  get(n: Name): number;
  set(n: Name, v: number): void;
  address(n: Name): number;
}

const acquire = (k: Kernel, csq: number, f: CsqFrame, then: string): Outcome => {
  f.set('Irql', 0);
  return call(C.CsqAcquireLock.get(k.mem, csq), [csq, f.address('Irql')], then);
};
const release = (k: Kernel, csq: number, f: CsqFrame, then: string): Outcome =>
  call(C.CsqReleaseLock.get(k.mem, csq), [csq, f.get('Irql')], then);
const remove = (k: Kernel, csq: number, irp: number, then: string): Outcome =>
  call(C.CsqRemoveIrp.get(k.mem, csq), [csq, irp], then);

/** IoSetCancelRoutine(Irp, NULL): true when there was one, so that the IRP is the caller's. */
function takeCancelRoutine(k: Kernel, irp: number): boolean {
  const had = I.CancelRoutine.get(k.mem, irp) !== 0;
  I.CancelRoutine.set(k.mem, irp, 0);
  return had;
}

/** The IRP has left the queue: nothing points from one to the other. */
function unlink(k: Kernel, irp: number): void {
  const context = k.mem.readPtr(irp + QUEUE_SLOT);
  if (context && k.mem.read32(context) === IO_TYPE_CSQ_IRP_CONTEXT) X.Irp.set(k.mem, context, 0);
  k.mem.writePtr(irp + QUEUE_SLOT, 0);
}

/** The queue of a queued IRP. */
function queueOf(k: Kernel, irp: number): number {
  const at = k.mem.readPtr(irp + QUEUE_SLOT);
  return k.mem.read32(at) === IO_TYPE_CSQ_IRP_CONTEXT ? X.Csq.get(k.mem, at) : at;
}

const insertRoutine = (name: string, doc: string, extended: boolean): NtExport =>
  ntSteps({
    name,
    doc,
    irql: DISPATCH,
    args: { Csq: PIO_CSQ, Irp: PIRP, Context: PVOID, ...(extended ? { InsertContext: PVOID } : {}) } as {
      Csq: typeof PIO_CSQ;
      Irp: typeof PIRP;
      Context: typeof PVOID;
      InsertContext: typeof PVOID;
    },
    returns: extended ? NTSTATUS : VOID,
    cycles: 120,
    status: 'full',
    frame,
    steps: {
      start: (k, f, _rax, { Csq }) => acquire(k, Csq, f, 'locked'),
      locked(k, _f, _rax, { Csq, Irp, Context, InsertContext }) {
        const { mem } = k;
        if (Context) {
          X.Type.set(mem, Context, IO_TYPE_CSQ_IRP_CONTEXT);
          X.Irp.set(mem, Context, Irp);
          X.Csq.set(mem, Context, Csq);
        }
        mem.writePtr(Irp + QUEUE_SLOT, Context || Csq);
        const stack = currentLocation(k, Irp);
        S.Control.set(mem, stack, S.Control.get(mem, stack) | SL_PENDING_RETURNED);
        return call(
          C.CsqInsertIrp.get(mem, Csq),
          C.Type.get(mem, Csq) === IO_TYPE_CSQ_EX ? [Csq, Irp, InsertContext] : [Csq, Irp],
          'inserted',
        );
      },
      inserted(k, f, rax, { Csq, Irp }) {
        const { mem } = k;
        const status = C.Type.get(mem, Csq) === IO_TYPE_CSQ_EX ? rax : STATUS_SUCCESS;
        f.set('Status', status);
        if (!ntSuccess(status)) {
          unlink(k, Irp);
          const stack = currentLocation(k, Irp);
          S.Control.set(mem, stack, S.Control.get(mem, stack) & ~SL_PENDING_RETURNED);
          return release(k, Csq, f, 'done');
        }
        I.CancelRoutine.set(mem, Irp, k.address('nt!IopCsqCancelRoutine'));
        if (I.Cancel.get(mem, Irp) && takeCancelRoutine(k, Irp)) return remove(k, Csq, Irp, 'removed');
        return release(k, Csq, f, 'done');
      },
      // Cancelled before it was in the queue: it ends at once.
      removed(k, f, _rax, { Csq, Irp }) {
        unlink(k, Irp);
        return release(k, Csq, f, 'released');
      },
      released: (k, _f, _rax, { Csq, Irp }) => call(C.CsqCompleteCanceledIrp.get(k.mem, Csq), [Csq, Irp], 'done'),
      done: (_k, f) => ret(f.get('Status')),
    },
  });

/** Looks at the IRP that the peek callback gave: takes it, or asks for the next when its cancel routine is running. */
function consider(k: Kernel, f: CsqFrame, irp: number, csq: number, peekContext: number): Outcome {
  f.set('Irp', irp);
  if (!irp) return release(k, csq, f, 'done');
  if (!takeCancelRoutine(k, irp)) return call(C.CsqPeekNextIrp.get(k.mem, csq), [csq, irp, peekContext], 'peeked');
  return remove(k, csq, irp, 'removed');
}

export const exports: NtExport[] = [
  ...(['IoCsqInitialize', 'IoCsqInitializeEx'] as const).map(name =>
    ntExport({
      name,
      doc: "Sets up a cancel-safe IRP queue with the driver's callbacks.",
      args: {
        Csq: PIO_CSQ,
        CsqInsertIrp: PVOID,
        CsqRemoveIrp: PVOID,
        CsqPeekNextIrp: PVOID,
        CsqAcquireLock: PVOID,
        CsqReleaseLock: PVOID,
        CsqCompleteCanceledIrp: PVOID,
      },
      returns: NTSTATUS,
      cycles: 40,
      status: 'full',
      impl(k, a) {
        const { mem } = k;
        mem.probe(a.Csq, IO_CSQ.size, true);
        C.Type.set(mem, a.Csq, name === 'IoCsqInitialize' ? IO_TYPE_CSQ : IO_TYPE_CSQ_EX);
        C.CsqInsertIrp.set(mem, a.Csq, a.CsqInsertIrp);
        C.CsqRemoveIrp.set(mem, a.Csq, a.CsqRemoveIrp);
        C.CsqPeekNextIrp.set(mem, a.Csq, a.CsqPeekNextIrp);
        C.CsqAcquireLock.set(mem, a.Csq, a.CsqAcquireLock);
        C.CsqReleaseLock.set(mem, a.Csq, a.CsqReleaseLock);
        C.CsqCompleteCanceledIrp.set(mem, a.Csq, a.CsqCompleteCanceledIrp);
        C.ReservePointer.set(mem, a.Csq, 0);
        return STATUS_SUCCESS;
      },
    }),
  ),
  insertRoutine('IoCsqInsertIrp', 'Puts an IRP into a cancel-safe queue and marks it pending.', false),
  insertRoutine('IoCsqInsertIrpEx', 'IoCsqInsertIrp with a context for the insert callback, which may refuse.', true),
  ntSteps({
    name: 'IoCsqRemoveNextIrp',
    doc: 'Takes the next matching IRP from a cancel-safe queue; NULL when there is none.',
    irql: DISPATCH,
    args: { Csq: PIO_CSQ, PeekContext: PVOID },
    returns: PIRP,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start: (k, f, _rax, { Csq }) => acquire(k, Csq, f, 'locked'),
      locked: (k, _f, _rax, { Csq, PeekContext }) => call(C.CsqPeekNextIrp.get(k.mem, Csq), [Csq, 0, PeekContext], 'peeked'),
      peeked(k, f, _rax, { Csq, PeekContext }) {
        f.set('Returned', Number(BigInt.asIntN(64, k.rax64())));
        return consider(k, f, f.get('Returned'), Csq, PeekContext);
      },
      removed(k, f, _rax, { Csq }) {
        unlink(k, f.get('Irp'));
        return release(k, Csq, f, 'done');
      },
      done: (_k, f) => ret(f.get('Irp')),
    },
  }),
  ntSteps({
    name: 'IoCsqRemoveIrp',
    doc: 'Takes the IRP that a context stands for from a cancel-safe queue; NULL when it is not there any more.',
    irql: DISPATCH,
    args: { Csq: PIO_CSQ, Context: pointer('PIO_CSQ_IRP_CONTEXT') },
    returns: PIRP,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start: (k, f, _rax, { Csq }) => acquire(k, Csq, f, 'locked'),
      locked(k, f, _rax, { Csq, Context }) {
        const irp = X.Irp.get(k.mem, Context);
        const mine = irp !== 0 && takeCancelRoutine(k, irp);
        f.set('Irp', mine ? irp : 0);
        return mine ? remove(k, Csq, irp, 'removed') : release(k, Csq, f, 'done');
      },
      removed(k, f, _rax, { Csq }) {
        unlink(k, f.get('Irp'));
        return release(k, Csq, f, 'done');
      },
      done: (_k, f) => ret(f.get('Irp')),
    },
  }),
  ntSteps({
    name: 'IopCsqCancelRoutine',
    internal: true,
    doc: 'Cancel routine of IRPs in cancel-safe queues: takes the IRP out and has the driver complete it.',
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP },
    returns: VOID,
    cycles: 80,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, { Irp }) {
        releaseCancelLock(k, I.CancelIrql.get(k.mem, Irp));
        f.set('Returned', queueOf(k, Irp));
        return acquire(k, f.get('Returned'), f, 'locked');
      },
      locked: (k, f, _rax, { Irp }) => remove(k, f.get('Returned'), Irp, 'removed'),
      removed(k, f, _rax, { Irp }) {
        unlink(k, Irp);
        return release(k, f.get('Returned'), f, 'released');
      },
      released: (k, f, _rax, { Irp }) =>
        call(C.CsqCompleteCanceledIrp.get(k.mem, f.get('Returned')), [f.get('Returned'), Irp], 'done'),
      done: () => ret(),
    },
  }),
];
