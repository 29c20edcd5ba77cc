/**
 * Completing an IRP. IofCompleteRequest walks up the stack locations and calls the completion routines that asked for this outcome; any of them may take the IRP
 * back with STATUS_MORE_PROCESSING_REQUIRED. What is left is done in the context of the thread that made the request, by a special kernel APC: copying the buffer
 * to the requester, writing the status block, signalling the event. An IRP whose issuer waits for it in the same call does without the APC.
 */
import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { keSetEvent } from '../ke/event.ts';
import { keInitializeApc, keInsertQueueApc } from '../ke/apc.ts';
import { keInsertQueue } from '../ke/queue.ts';
import { ioFreeMdl, mmUnlockPages } from '../mm/mdl.ts';
import { exFreePool } from '../mm/pool.ts';
import { missingPage } from '../mm/view.ts';
import { dereference, obDereferenceDeferred, pointerCount } from '../ob/object.ts';
import { MULTIPLE_IRP_COMPLETE_REQUESTS } from '../types/bugcodes.ts';
import {
  FILE_OBJECT,
  FO_SKIP_COMPLETION_PORT,
  FO_SYNCHRONOUS_IO,
  IO_COMPLETION_CONTEXT,
  IO_TYPE_IRP,
  IRP_ASSOCIATED_IRP,
  IRP_BUFFERED_IO,
  IRP_CLOSE_OPERATION,
  IRP_CREATE_OPERATION,
  IRP_DEALLOCATE_BUFFER,
  IRP_DEFER_IO_COMPLETION,
  IRP_INPUT_OPERATION,
  IRP_OB_QUERY_NAME,
  IRP_PAGING_IO,
  IRP_SYNCHRONOUS_API,
  IRP_SYNCHRONOUS_PAGING_IO,
  PACKET_IRP,
  SL_INVOKE_ON_CANCEL,
  SL_INVOKE_ON_ERROR,
  SL_INVOKE_ON_SUCCESS,
  SL_PENDING_RETURNED,
} from '../types/io.ts';
import { KAPC, KernelMode } from '../types/ke.ts';
import { MDL, MDL_PAGES_LOCKED } from '../types/mm.ts';
import { STATUS_ACCESS_VIOLATION, STATUS_MORE_PROCESSING_REQUIRED, STATUS_VERIFY_REQUIRED } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, CCHAR, type NtExport, ntExport, ntSteps, type Outcome, PVOID, ret, VOID } from '../exports/declare.ts';
import {
  apcState,
  checkCompletion,
  checkCompletionRoutine,
  checkPendingCarried,
  locationCompleted,
  noteCompletion,
} from '../verifier/irp.ts';
import { PIRP } from './call.ts';
import {
  currentLocation,
  dequeueIrpFromThread,
  I,
  ioFreeIrp,
  irpId,
  irpInformation,
  irpStatus,
  ntError,
  ntSuccess,
  S,
  setIrpStatus,
  STACK_LOCATION_SIZE,
} from './irp.ts';

/** What the I/O manager forgets of a stack location when its driver has done with it. */
function clearLocation(k: Kernel, location: number): void {
  const { mem } = k;
  S.MinorFunction.set(mem, location, 0);
  S.Flags.set(mem, location, 0);
  S.Control.set(mem, location, 0);
  mem.fill(location + S.Argument1.offset, 0x20, 0);
  S.FileObject.set(mem, location, 0);
}

/** Routine, Irql and Apcs are for the verifier: the completion routine that was called, and what it has to leave as it was. */
type WalkLocal = 'Irp' | 'Location' | 'Boost' | 'Routine' | 'Irql' | 'Apcs';

interface WalkFrame {
  get(name: WalkLocal): number;
  set(name: WalkLocal, value: number): void;
}

/** Goes up the stack locations from `f.Location` to the next completion routine that wants to be called, or to the end. */
function walk(k: Kernel, f: WalkFrame): Outcome {
  const { mem } = k;
  const irp = f.get('Irp');
  const stackCount = I.StackCount.get(mem, irp);
  let location = f.get('Location');
  for (;;) {
    const at = I.CurrentLocation.get(mem, irp);
    if (at > stackCount + 1) return finish(k, irp, f.get('Boost'));
    if (k.config.verifier) locationCompleted(k, irp, location);
    const control = S.Control.get(mem, location);
    const status = irpStatus(k, irp);
    I.PendingReturned.set(mem, irp, control & SL_PENDING_RETURNED);
    if (at === stackCount + 1 && k.tracing)
      k.trace('irp', 'end', 'IRP', irpId(irp), { status, information: Number(irpInformation(k, irp)) });
    const wanted = ntSuccess(status) ? SL_INVOKE_ON_SUCCESS : SL_INVOKE_ON_ERROR;
    const cancel = I.Cancel.get(mem, irp) ? SL_INVOKE_ON_CANCEL : 0;
    if ((control & (wanted | cancel)) !== 0) {
      const routine = S.CompletionRoutine.get(mem, location);
      const context = S.Context.get(mem, location);
      clearLocation(k, location);
      // The routine was set by the driver above, which is the one that its device argument names; a driver that sent an IRP of its own has no location.
      const device = at === stackCount + 1 ? 0 : S.DeviceObject.get(mem, currentLocation(k, irp));
      f.set('Location', location);
      if (k.config.verifier) {
        f.set('Routine', routine);
        f.set('Irql', k.irql);
        f.set('Apcs', apcState(k));
      }
      return call(routine, [device, irp, context], 'returned');
    }
    if (I.PendingReturned.get(mem, irp) && at <= stackCount) {
      const upper = currentLocation(k, irp);
      S.Control.set(mem, upper, S.Control.get(mem, upper) | SL_PENDING_RETURNED);
    }
    clearLocation(k, location);
    location += STACK_LOCATION_SIZE;
    ascend(k, irp);
  }
}

/** One location up: the header's idea of the current location. */
function ascend(k: Kernel, irp: number): void {
  I.CurrentLocation.set(k.mem, irp, I.CurrentLocation.get(k.mem, irp) + 1);
  I.CurrentStackLocation.set(k.mem, irp, currentLocation(k, irp) + STACK_LOCATION_SIZE);
}

/** All drivers have seen the end of the request; now its issuer. */
function finish(k: Kernel, irp: number, boost: number): Outcome {
  const { mem } = k;
  const flags = I.Flags.get(mem, irp);
  if (flags & IRP_ASSOCIATED_IRP) {
    const master = I.MasterIrp.get(mem, irp);
    const left = I.IrpCount.get(mem, master) - 1;
    I.IrpCount.set(mem, master, left);
    freeMdls(k, irp, true);
    ioFreeIrp(k, irp);
    return left === 0 ? call(k.address('nt!IofCompleteRequest'), [master, boost], 'done') : ret();
  }
  const auxiliary = I.AuxiliaryBuffer.get(mem, irp);
  if (auxiliary) {
    exFreePool(k, auxiliary, 0);
    I.AuxiliaryBuffer.set(mem, irp, 0);
  }
  // Close and paging requests have an issuer that waits for an event of its own; they need no thread context.
  if (flags & (IRP_PAGING_IO | IRP_CLOSE_OPERATION)) {
    mem.copy(I.UserIosb.get(mem, irp), irp + I.IoStatus.offset, 0x10);
    const event = I.UserEvent.get(mem, irp);
    if (flags & (IRP_SYNCHRONOUS_PAGING_IO | IRP_CLOSE_OPERATION)) ioFreeIrp(k, irp);
    if (event) keSetEvent(k, event, boost);
    return ret();
  }
  for (let mdl = I.MdlAddress.get(mem, irp); mdl; mdl = MDL.f.Next.get(mem, mdl)) {
    if ((MDL.f.MdlFlags.get(mem, mdl) & MDL_PAGES_LOCKED) !== 0) mmUnlockPages(k, mdl);
  }
  if (flags & IRP_DEFER_IO_COMPLETION && !I.PendingReturned.get(mem, irp)) return ret();
  const thread = I.Thread.get(mem, irp);
  if (!thread) {
    // The issuing thread is gone (a cancelled request that took its time): nobody is told.
    dropIrp(k, irp, I.OriginalFileObject.get(mem, irp));
    return ret();
  }
  const apc = irp + I.Apc.offset;
  const file = I.OriginalFileObject.get(mem, irp);
  const environment = I.ApcEnvironment.get(mem, irp);
  // The APC lies over the fields of Tail.Overlay: the file object travels as its first argument.
  keInitializeApc(k, apc, thread, {
    environment,
    kernelRoutine: k.address('nt!IopCompleteRequest'),
    rundownRoutine: k.address('nt!IopAbortRequest'),
    normalRoutine: 0,
    mode: KernelMode,
    normalContext: 0,
  });
  keInsertQueueApc(k, apc, file, 0, boost);
  return ret();
}

function freeMdls(k: Kernel, irp: number, unlock: boolean): void {
  for (let mdl = I.MdlAddress.get(k.mem, irp); mdl;) {
    const next = MDL.f.Next.get(k.mem, mdl);
    if (unlock && (MDL.f.MdlFlags.get(k.mem, mdl) & MDL_PAGES_LOCKED) !== 0) mmUnlockPages(k, mdl);
    ioFreeMdl(k, mdl);
    mdl = next;
  }
  I.MdlAddress.set(k.mem, irp, 0);
}

/** Gives everything that an IRP holds back without telling anybody. */
export function dropIrp(k: Kernel, irp: number, file: number): void {
  const { mem } = k;
  const flags = I.Flags.get(mem, irp);
  const buffer = I.SystemBuffer.get(mem, irp);
  if (flags & IRP_BUFFERED_IO && flags & IRP_DEALLOCATE_BUFFER && buffer) exFreePool(k, buffer, 0);
  freeMdls(k, irp, false);
  const event = I.UserEvent.get(mem, irp);
  if (event && file && !(flags & IRP_SYNCHRONOUS_API)) obDereferenceDeferred(k, event);
  if (file && !(flags & IRP_CREATE_OPERATION)) obDereferenceDeferred(k, file);
  ioFreeIrp(k, irp);
}

/**
 * The part of a completion that belongs to the requesting thread, which is the current one: copy back, status block, event, APC. The IRP is freed. Returns the file
 * object whose reference the IRP held and which the caller now gives back, or 0.
 */
export function completeInThread(k: Kernel, irp: number, file: number): number {
  const { mem } = k;
  const flags = I.Flags.get(mem, irp);
  const pending = I.PendingReturned.get(mem, irp) !== 0;
  if (flags & IRP_BUFFERED_IO) copyBack(k, irp, flags);
  const status = irpStatus(k, irp);
  const information = irpInformation(k, irp);

  freeMdls(k, irp, false);
  dequeueIrpFromThread(k, irp);
  countOperation(k, irp, information);

  const event = I.UserEvent.get(mem, irp);
  const synchronous =
    (flags & IRP_SYNCHRONOUS_API) !== 0 || (file !== 0 && (FILE_OBJECT.f.Flags.get(mem, file) & FO_SYNCHRONOUS_IO) !== 0);
  // An error that the dispatch routine returned itself is the caller's to see: no status block, no event.
  const reported = !ntError(status) || pending;
  if (reported) {
    const iosb = I.UserIosb.get(mem, irp);
    if (iosb && (!ntError(status) || !synchronous || pending))
      unlessUserFault(
        k,
        iosb,
        () => mem.copy(iosb, irp + I.IoStatus.offset, 0x10),
        () => undefined,
      );
    if (event) keSetEvent(k, event, 0);
    if (file && (!event || (FILE_OBJECT.f.Flags.get(mem, file) & FO_SYNCHRONOUS_IO && !(flags & IRP_OB_QUERY_NAME)))) {
      keSetEvent(k, file + FILE_OBJECT.f.Event.offset, 0);
      FILE_OBJECT.f.FinalStatus.set(mem, file, status);
    }
  }
  // A driver's own event (IoBuildDeviceIoControlRequest) is no object; one from a handle is.
  if (event && file && !(flags & IRP_SYNCHRONOUS_API)) obDereferenceDeferred(k, event);
  const apcRoutine = I.UserApcRoutine.get(mem, irp);
  const port = file && !(flags & IRP_CREATE_OPERATION) ? FILE_OBJECT.f.CompletionContext.get(mem, file) : 0;
  const skipsPort = file !== 0 && (FILE_OBJECT.f.Flags.get(mem, file) & FO_SKIP_COMPLETION_PORT) !== 0;
  if (apcRoutine && file && reported && !(flags & IRP_CREATE_OPERATION)) {
    const apc = irp + I.Apc.offset;
    const context = I.UserApcContext.get(mem, irp);
    const mode = I.RequestorMode.get(mem, irp);
    const iosb = I.UserIosb.get(mem, irp);
    keInitializeApc(k, apc, k.currentThread(), {
      environment: 0,
      kernelRoutine: k.address('nt!IopUserCompletion'),
      rundownRoutine: k.address('nt!IopUserRundown'),
      normalRoutine: apcRoutine,
      mode,
      normalContext: context,
    });
    keInsertQueueApc(k, apc, iosb, 0, 2);
  } else if (port && reported && I.UserApcContext.get(mem, irp) && !(skipsPort && !pending && ntSuccess(status))) {
    postToPort(k, irp, port);
  } else {
    ioFreeIrp(k, irp);
  }
  return flags & IRP_CREATE_OPERATION ? 0 : file;
}

/**
 * Copies what a buffered request brought to the requester, and frees the system buffer. NT trusts IoStatus.Information; where it, or the program meanwhile, made the
 * requester's buffer too small to be written, the request ends with STATUS_ACCESS_VIOLATION instead.
 */
function copyBack(k: Kernel, irp: number, flags: number): void {
  const { mem } = k;
  const buffer = I.SystemBuffer.get(mem, irp);
  const to = I.UserBuffer.get(mem, irp);
  const status = irpStatus(k, irp);
  const information = irpInformation(k, irp);
  const wanted = flags & IRP_INPUT_OPERATION && information !== 0n && status !== STATUS_VERIFY_REQUIRED && !ntError(status);
  if (wanted && buffer && to)
    unlessUserFault(
      k,
      to,
      () => mem.copy(to, buffer, Number(information)),
      () => setIrpStatus(k, irp, STATUS_ACCESS_VIOLATION, 0),
    );
  if (flags & IRP_DEALLOCATE_BUFFER && buffer) exFreePool(k, buffer, 0);
  I.Flags.set(mem, irp, flags & ~(IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER));
}

/** Does `work`, which writes memory of the requester at `to`; a fault in user memory is the requester's own and ends in `instead`. */
function unlessUserFault(k: Kernel, to: number, work: () => void, instead: () => void): void {
  try {
    work();
  } catch (e) {
    // A page of a file that is not there yet is no fault of the requester's: it is read, and this runs again.
    if (!(e instanceof GuestFault) || to < 0 || e.address < 0 || missingPage(k, e.address, { write: true })) throw e;
    instead();
  }
}

/** An asynchronous request on a file with a completion port: the IRP itself is the packet, and is freed by whoever takes it. */
function postToPort(k: Kernel, irp: number, context: number): void {
  const { mem } = k;
  I.CompletionKey.set(mem, irp, IO_COMPLETION_CONTEXT.f.Key.get(mem, context));
  I.PacketType.set(mem, irp, PACKET_IRP);
  keInsertQueue(k, IO_COMPLETION_CONTEXT.f.Port.get(mem, context), irp + I.ListEntry.offset, false);
}

/** The counters of transfers by kind, which performance tools show. */
function countOperation(k: Kernel, irp: number, information: bigint): void {
  const { mem } = k;
  const flags = I.Flags.get(mem, irp);
  const kind = flags & 0x100 ? 0 : flags & 0x200 ? 1 : 2;
  const count = k.global.address('IoReadOperationCount') + kind * 4;
  mem.write32(count, mem.read32(count) + 1);
  if (information === 0n) return;
  const bytes = k.global.address('IoReadTransferCount') + kind * 8;
  mem.write64(bytes, BigInt.asUintN(64, mem.read64(bytes) + information));
}

const completeRoutine = (name: string, doc: string): NtExport =>
  ntSteps({
    name,
    doc,
    irql: { max: 'DISPATCH_LEVEL' },
    args: { Irp: PIRP, PriorityBoost: CCHAR },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: { Irp: ptr, Location: ptr, Boost: u32, Routine: ptr, Irql: u32, Apcs: u32 },
    steps: {
      start(k, f, _rax, { Irp, PriorityBoost }) {
        const { mem } = k;
        if (k.config.verifier) checkCompletion(k, Irp);
        if (I.Type.get(mem, Irp) !== IO_TYPE_IRP || I.CurrentLocation.get(mem, Irp) > I.StackCount.get(mem, Irp) + 1) {
          k.bugCheck(MULTIPLE_IRP_COMPLETE_REQUESTS, Irp, 0xeae, 0, 0, 'a driver completed an IRP that was completed already');
        }
        if (k.config.verifier) noteCompletion(k, Irp);
        f.set('Irp', Irp);
        f.set('Boost', PriorityBoost & 0xff);
        f.set('Location', currentLocation(k, Irp));
        ascend(k, Irp);
        return walk(k, f);
      },
      returned(k, f, rax) {
        if (k.config.verifier) checkCompletionRoutine(k, f.get('Routine'), f.get('Irql'), f.get('Apcs'));
        if (rax === STATUS_MORE_PROCESSING_REQUIRED) return ret();
        if (k.config.verifier) checkPendingCarried(k, f.get('Routine'), f.get('Irp'));
        f.set('Location', f.get('Location') + STACK_LOCATION_SIZE);
        ascend(k, f.get('Irp'));
        return walk(k, f);
      },
      done: () => ret(),
    },
  });

/** KKERNEL_ROUTINE and KRUNDOWN_ROUTINE get the APC; the IRP is around it. */
const irpOfApc = (apc: number): number => apc - I.Apc.offset;
const kernelRoutineArgs = {
  Apc: PVOID,
  NormalRoutine: PVOID,
  NormalContext: PVOID,
  SystemArgument1: PVOID,
  SystemArgument2: PVOID,
};

export const exports: NtExport[] = [
  completeRoutine('IofCompleteRequest', 'Ends a request: calls the completion routines and tells its issuer.'),
  completeRoutine('IoCompleteRequest', 'Ends a request (the form that is not __fastcall).'),
  ntSteps({
    name: 'IopCompleteRequest',
    internal: true,
    doc: 'Special kernel APC: ends a request in the context of the thread that made it.',
    args: kernelRoutineArgs,
    returns: VOID,
    cycles: 150,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Apc }) {
        const file = completeInThread(k, irpOfApc(Apc), KAPC.f.SystemArgument1.get(k.mem, Apc));
        if (!file) return ret();
        // Hardly ever is this the last reference, which alone can call somebody.
        if (pointerCount(k, file) === 1) return call(k.address('nt!ObfDereferenceObject'), [file], 'done');
        dereference(k, file);
        return ret();
      },
      done: () => ret(),
    },
  }),
  ntExport({
    name: 'IopAbortRequest',
    internal: true,
    doc: 'Rundown routine of the completion APC: the thread ended before it could run.',
    args: { Apc: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, { Apc }) => {
      dequeueIrpFromThread(k, irpOfApc(Apc));
      dropIrp(k, irpOfApc(Apc), KAPC.f.SystemArgument1.get(k.mem, Apc));
    },
  }),
  ntExport({
    name: 'IopUserCompletion',
    internal: true,
    doc: "Kernel routine of the APC that calls the requester's completion routine: frees the IRP that held it.",
    args: kernelRoutineArgs,
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { Apc }) => ioFreeIrp(k, irpOfApc(Apc)),
  }),
  ntExport({
    name: 'IopUserRundown',
    internal: true,
    doc: "Rundown routine of the requester's completion APC.",
    args: { Apc: PVOID },
    returns: VOID,
    cycles: 40,
    status: 'full',
    impl: (k, { Apc }) => ioFreeIrp(k, irpOfApc(Apc)),
  }),
];
