/**
 * What drivers may do with IRPs ("I/O Verification" of Driver Verifier). IovCallDriver stands between IofCallDriver and the dispatch routine and looks at how the routine
 * returns. Source: WDK, "Bug Check 0xC9", "Bug Check 0xC4", "Pending IRPs".
 */
import type { Kernel } from '../kernel.ts';
import { call, type Frame, jump, type NtExport, ntSteps, NTSTATUS, type Outcome, pointer, ret } from '../exports/declare.ts';
import { DEVICE_OBJECT, IO_TYPE_DEVICE, IO_TYPE_IRP, IRP, SL_PENDING_RETURNED } from '../types/io.ts';
import {
  DRIVER_VERIFIER_DETECTED_VIOLATION as C4,
  DRIVER_VERIFIER_IOMANAGER_VIOLATION as C9,
  MULTIPLE_IRP_COMPLETE_REQUESTS,
} from '../types/bugcodes.ts';
import { KTHREAD } from '../types/ke.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_PENDING } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { descend } from '../io/call.ts';
import { currentLocation, I, irpStatus, nextLocation, S, setIrpStatus, STACK_LOCATION_SIZE } from '../io/irp.ts';
import { VF_RECORD } from './globals.ts';
import type { HookArgs, Hooks } from './hook.ts';
import { INJECT_LOWER, injectFailure } from './inject.ts';
import {
  calledByDriver,
  chain,
  COMPLETED,
  find,
  FREED,
  forget,
  IRP_ALLOCATED,
  IRP_SENT,
  isDriverAddress,
  logged,
  note,
  readRecord,
  remember,
  remove,
} from './state.ts';

const R = VF_RECORD.f;
const RFLAGS_IF = 0x200;
const IRP_MJ_CLOSE = 2,
  IRP_MJ_CLEANUP = 0x12,
  IRP_MJ_POWER = 0x16,
  IRP_MJ_PNP = 0x1b;

// VF_RECORD.Flags of IRP_SENT: the stack location was completed; its driver had marked the IRP pending then; its driver has sent the IRP on. Size: the status that it was completed with.
const DONE = 1,
  DONE_PENDING = 2,
  PASSED = 4;

const frame = { Routine: ptr, Irql: u32, ApcDisable: u32, Record: ptr, Location: ptr, Major: u32 } as const;

const apcDisable = (k: Kernel): number => KTHREAD.f.CombinedApcDisable.get(k.mem, k.currentThread());

/** A completed IRP's memory may be gone: then there is nothing to read its type from. */
const isIrp = (k: Kernel, irp: number): boolean => k.mem.translate(irp) >= 0 && I.Type.get(k.mem, irp) === IO_TYPE_IRP;

/** Whether the log says that an IRP at this address was completed, and nothing was allocated there since. */
function wasCompleted(k: Kernel, irp: number): boolean {
  for (const record of logged(k)) {
    if (R.Key.get(k.mem, record) !== irp) continue;
    const { kind } = readRecord(k, record);
    if (kind === COMPLETED) return true;
  }
  return false;
}

/** What IofCallDriver is given: an IRP with a stack location left, a device, nothing of this driver's left in it. */
export function checkSend(k: Kernel, device: number, irp: number): void {
  const { mem } = k;
  if (device === 0) k.bugCheck(C9, 0x204, k.caller(), irp, 0, 'IoCallDriver was given NULL as a device object');
  if (!isIrp(k, irp)) k.bugCheck(C9, 3, irp, 0, 0, 'IoCallDriver was given something that is not an IRP');
  if (mem.translate(device) < 0 || DEVICE_OBJECT.f.Type.get(mem, device) !== IO_TYPE_DEVICE)
    k.bugCheck(C9, 4, device, 0, 0, 'IoCallDriver was given something that is not a device object');
  if ((k.cpu.rflags & RFLAGS_IF) === 0) k.bugCheck(C4, 0xc0, irp, 0, 0, 'IoCallDriver was called with interrupts disabled');
  const cancel = I.CancelRoutine.get(mem, irp);
  if (cancel) k.bugCheck(C9, 0x203, k.caller(), irp, device, 'an IRP is passed down that still has a cancel routine');
}

/** IofCallDriver under the verifier: an injected failure, or the dispatch routine with IovCallDriver around it. */
export function verifiedCallDriver(k: Kernel, device: number, irp: number): Outcome {
  checkSend(k, device, irp);
  const major = S.MajorFunction.get(k.mem, nextLocation(k, irp));
  const fromDriver = I.CurrentLocation.get(k.mem, irp) <= I.StackCount.get(k.mem, irp) || calledByDriver(k);
  const mayFail = major !== IRP_MJ_CLOSE && major !== IRP_MJ_CLEANUP && major !== IRP_MJ_POWER && major !== IRP_MJ_PNP;
  if (fromDriver && mayFail && injectFailure(k, INJECT_LOWER)) return jump(k.address('nt!IovFailRequest'), device, irp);
  return jump(k.address('nt!IovCallDriver'), device, irp);
}

/** The stack location of an IRP is completed: for the return of the dispatch routine that had it. */
export function locationCompleted(k: Kernel, irp: number, location: number): void {
  for (const record of chain(k, IRP_SENT, location)) {
    if (R.Key.get(k.mem, record) !== location || (R.Flags.get(k.mem, record) & DONE) !== 0) continue;
    R.Size.set(k.mem, record, irpStatus(k, irp));
    R.Flags.set(
      k.mem,
      record,
      R.Flags.get(k.mem, record) | DONE | (S.Control.get(k.mem, location) & SL_PENDING_RETURNED ? DONE_PENDING : 0),
    );
  }
}

/** A dispatch routine has returned. */
function checkReturn(k: Kernel, f: Frame<typeof frame>, device: number, irp: number, status: number): void {
  const { mem } = k;
  const routine = f.get('Routine');
  if ((k.cpu.rflags & RFLAGS_IF) === 0)
    k.bugCheckBy(routine, C4, 0xc1, routine, 'a dispatch routine returned with interrupts disabled');
  if (k.irql !== f.get('Irql'))
    k.bugCheckBy(
      routine,
      C9,
      5,
      device,
      `a dispatch routine was called at IRQL ${f.get('Irql')} and returned at IRQL ${k.irql}`,
      f.get('Irql'),
      k.irql,
    );
  if (apcDisable(k) !== f.get('ApcDisable'))
    k.bugCheckBy(
      routine,
      C4,
      0xc5,
      routine,
      'a dispatch routine returned in another critical or guarded region than it was called in',
      apcDisable(k),
      f.get('ApcDisable'),
    );
  const record = f.get('Record');
  if (record === 0) return;
  const flags = R.Flags.get(mem, record);
  const completedWith = R.Size.get(mem, record);
  remove(k, record);
  if (!isDriverAddress(routine)) return;
  const done = (flags & DONE) !== 0;
  // While the location is not completed the IRP is there, and the driver's mark with it.
  const marked = done ? (flags & DONE_PENDING) !== 0 : (S.Control.get(mem, f.get('Location')) & SL_PENDING_RETURNED) !== 0;
  if (status === 0xffffffff)
    k.bugCheckBy(
      routine,
      C9,
      0x225,
      routine,
      'a dispatch routine returned -1, which is no status: a variable that nobody set?',
      irp,
      device,
    );
  if (f.get('Major') === IRP_MJ_POWER) return;
  if (status === STATUS_PENDING) {
    // A filter may leave the mark to its completion routine, which has a rule of its own.
    if (!marked && (flags & PASSED) === 0)
      k.bugCheckBy(
        routine,
        C9,
        0x23d,
        routine,
        'a dispatch routine returned STATUS_PENDING without IoMarkIrpPending',
        irp,
        device,
      );
    return;
  }
  if (!done)
    k.bugCheckBy(
      routine,
      C9,
      marked ? 0x23e : 0x226,
      routine,
      marked
        ? 'a dispatch routine marked the IRP pending and did not return STATUS_PENDING'
        : 'a dispatch routine returned without completing the IRP, passing it on or returning STATUS_PENDING',
      irp,
      device,
    );
  if (marked)
    k.bugCheckBy(
      routine,
      C9,
      0x23e,
      routine,
      'a dispatch routine marked the IRP pending and did not return STATUS_PENDING',
      irp,
      device,
    );
  if (status !== completedWith)
    k.bugCheckBy(
      routine,
      C9,
      0x224,
      routine,
      `a dispatch routine completed the IRP with status 0x${completedWith.toString(16)} and returned 0x${status.toString(16)}`,
      irp,
      device,
    );
}

/** Before IofCompleteRequest does anything. Called by drivers and the kernel. */
export function checkCompletion(k: Kernel, irp: number): void {
  const { mem } = k;
  if (!isIrp(k, irp))
    k.bugCheck(
      MULTIPLE_IRP_COMPLETE_REQUESTS,
      irp,
      0xeae,
      0,
      0,
      wasCompleted(k, irp)
        ? 'a driver completed an IRP that was completed already'
        : 'IoCompleteRequest was given something that is not an IRP',
    );
  const status = irpStatus(k, irp);
  if (status === STATUS_PENDING || status === 0xffffffff)
    k.bugCheck(C9, 6, status, irp, 0, 'an IRP was completed with a status that means it is not complete');
  const cancel = I.CancelRoutine.get(mem, irp);
  if (cancel) k.bugCheck(C9, 7, cancel, irp, 0, 'an IRP was completed while its cancel routine was still set');
}

/** Writes down who completes an IRP (after the checks, so that what is in the log was allowed). */
export function noteCompletion(k: Kernel, irp: number): void {
  if (I.CurrentLocation.get(k.mem, irp) <= I.StackCount.get(k.mem, irp) + 1)
    note(k, COMPLETED, irp, { size: irpStatus(k, irp), frames: 6, tag: I.CurrentLocation.get(k.mem, irp) });
}

/** What a completion routine left behind. `before`: IRQL and APC state when it was called; `location` is the one whose routine it was. */
export function checkCompletionRoutine(k: Kernel, routine: number, irql: number, apcs: number): void {
  if (k.irql !== irql)
    k.bugCheckBy(
      routine,
      C4,
      0xfa,
      routine,
      `a completion routine was called at IRQL ${irql} and returned at IRQL ${k.irql}`,
      irql,
      k.irql,
    );
  if (apcDisable(k) !== apcs)
    k.bugCheckBy(
      routine,
      C4,
      0xfb,
      routine,
      'a completion routine returned in another critical or guarded region than it was called in',
      apcDisable(k),
      apcs,
    );
}

/** A completion routine that lets the IRP go on up must have carried the pending mark over to its driver's location. */
export function checkPendingCarried(k: Kernel, routine: number, irp: number): void {
  const { mem } = k;
  if (!isDriverAddress(routine) || !I.PendingReturned.get(mem, irp)) return;
  if (I.CurrentLocation.get(mem, irp) > I.StackCount.get(mem, irp)) return;
  if ((S.Control.get(mem, currentLocation(k, irp)) & SL_PENDING_RETURNED) !== 0) return;
  k.bugCheckBy(
    routine,
    C9,
    0x228,
    routine,
    'a completion routine did not call IoMarkIrpPending though Irp->PendingReturned is set',
    irp,
    0,
  );
}

/** The current state of APCs, for a frame that will be compared with it. */
export const apcState = apcDisable;

const irpArgs = { DeviceObject: pointer('PDEVICE_OBJECT'), Irp: pointer('PIRP') };

export const exports: NtExport[] = [
  ntSteps({
    name: 'IovCallDriver',
    internal: true,
    doc: 'IofCallDriver under the verifier: calls the dispatch routine and looks at how it returns.',
    args: irpArgs,
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, { DeviceObject, Irp }) {
        const routine = descend(k, DeviceObject, Irp);
        const location = currentLocation(k, Irp);
        for (const above of chain(k, IRP_SENT, location + STACK_LOCATION_SIZE))
          if (R.Key.get(k.mem, above) === location + STACK_LOCATION_SIZE && R.Data.get(k.mem, above) === Irp)
            R.Flags.set(k.mem, above, R.Flags.get(k.mem, above) | PASSED);
        f.set('Routine', routine);
        f.set('Irql', k.irql);
        f.set('ApcDisable', apcDisable(k));
        f.set('Location', location);
        f.set('Major', S.MajorFunction.get(k.mem, location));
        f.set('Record', remember(k, IRP_SENT, location, { data: Irp, more: DeviceObject, frames: 1, owner: 0 }));
        return call(routine, [DeviceObject, Irp], 'returned');
      },
      returned(k, f, rax, { DeviceObject, Irp }) {
        const status = k.rax64();
        checkReturn(k, f, DeviceObject, Irp, rax);
        return ret(status);
      },
    },
    abort(k, f) {
      const record = f.get('Record');
      if (record) remove(k, record);
    },
  }),
  ntSteps({
    name: 'IovFailRequest',
    internal: true,
    doc: 'An injected failure: the request fails before the lower driver sees it.',
    args: irpArgs,
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { DeviceObject, Irp }) {
        descend(k, DeviceObject, Irp);
        setIrpStatus(k, Irp, STATUS_INSUFFICIENT_RESOURCES);
        return call(k.address('nt!IofCompleteRequest'), [Irp, 0], 'done');
      },
      done: () => ret(STATUS_INSUFFICIENT_RESOURCES),
    },
  }),
];

const allocated = {
  after(k: Kernel, _a: HookArgs, value: unknown): void {
    if (value && calledByDriver(k)) remember(k, IRP_ALLOCATED, value as number, { size: IRP.size + STACK_LOCATION_SIZE });
  },
};

export const irpHooks: Hooks = {
  IoAllocateIrp: allocated,
  IoAllocateIrpEx: allocated,
  IoBuildAsynchronousFsdRequest: allocated,
  IoFreeIrp: {
    before(k, { Irp: irp = 0 }) {
      if (!isIrp(k, irp)) k.bugCheck(C9, 1, irp, 0, 0, 'IoFreeIrp was given something that is not an IRP');
      const entry = irp + I.ThreadListEntry.offset;
      if (k.mem.readPtr(entry) !== entry && k.mem.readPtr(entry) !== 0)
        k.bugCheck(C9, 2, irp, 0, 0, 'IoFreeIrp was given an IRP that is still linked to a thread');
      note(k, FREED, irp, { frames: 6 });
    },
  },
};

/** An IRP's memory goes back to the pool. */
export const irpFreed = (k: Kernel, irp: number): void => void forget(k, IRP_ALLOCATED, irp);
/** True for an IRP that a driver allocated and that is not freed yet. */
export const isAllocatedIrp = (k: Kernel, irp: number): boolean => find(k, IRP_ALLOCATED, irp) !== 0;
