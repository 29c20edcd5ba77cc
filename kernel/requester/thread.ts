/**
 * Requester threads of the kernel, for the machine setting `requester: 'kernel'`, and what they share with the program that does the same in user mode (user.ts). Each takes a request
 * from the port, carries it out through the system services with handles of the process's own table and user buffers, answers, and takes the next. A thread that is in a request may block
 * there; so there is always one more that waits for the port.
 */
import {
  byteOffset,
  OP_CANCEL,
  OP_CLOSE,
  OP_IOCTL,
  OP_LOAD,
  OP_OPEN,
  OP_PNP,
  OP_SHUTDOWN,
  OP_READ,
  OP_UNLOAD,
  OP_WRITE,
  PHASE_DONE,
  PHASE_PENDING,
} from '../../hal/bus/requests.ts';
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keDelay, keWait } from '../ke/wait.ts';
import { mmMakeResident } from '../mm/fault.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { exFreePool } from '../mm/pool.ts';
import { mmAllocateUserMemory, mmFreeUserMemory } from '../mm/process.ts';
import { PAGE_READWRITE } from '../mm/region.ts';
import { poolTag } from '../ob/globals.ts';
import { dispatchRoutine } from '../io/handlerequest.ts';
import { obCreateHandle } from '../ob/handle.ts';
import { setPreviousMode } from '../ob/mode.ts';
import { obCreateObject } from '../ob/object.ts';
import { allocateString, freeString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { psCreateSystemThread } from '../ps/thread.ts';
import { APC_INDEX_MISMATCH, IRQL_GT_ZERO_AT_SYSTEM_SERVICE } from '../types/bugcodes.ts';
import { IO_STATUS_BLOCK, IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE } from '../types/io.ts';
import { KernelMode, KEVENT, KTHREAD } from '../types/ke.ts';
import { OBJ_CASE_INSENSITIVE, OBJECT_ATTRIBUTES } from '../types/ob.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { i64, ptr, u32 } from '../types/struct.ts';
import { type Frame, call, next, type NtExport, ntSteps, type Outcome, PVOID, ret, VOID, wait } from '../exports/declare.ts';
import { driverOfService, LOAD_PACKET, serviceOf } from '../io/load.ts';
import { ntError, ntSuccess } from '../io/irp.ts';
import { SERVICES_PATH } from '../cm/registry.ts';
import { answerInternalRequest, internalPending, REQUEST_PACKET, takeInternalRequest } from './internal.ts';
import { fetchRequest, maskPort, portPending, readRequest, refuseRequest, type RequestFields, sendReply } from './port.ts';
import { devicePath } from './path.ts';
import { withTree } from '../pnp/tree.ts';
import { createService } from './service.ts';
import { createUserRequester } from './user.ts';

/** Each thread's user buffers lie in a slot of its own. */
export const FIRST_SLOT = 0x10000000,
  SLOT_SIZE = 0x1000000;
export const GENERIC_READ_WRITE_SYNCHRONIZE = 0xc0100000;
export const FILE_NON_DIRECTORY_FILE = 0x40,
  FILE_SYNCHRONOUS_IO_NONALERT = 0x20,
  FILE_OPEN = 1,
  FILE_SHARE_READ_WRITE = 3;
export const OPEN_SYNCHRONOUS = 1;
/** 10 ms from now, and how often. */
const UNLOAD_POLL_INTERVAL = -100_000n,
  UNLOAD_POLLS = 10;

export const frame = {
  /** Block with the request, and where its user buffers start. */
  Request: ptr,
  /** REQUEST_PACKET of the part of the kernel that asks; 0: the request came through the port. */
  Asker: ptr,
  Slot: ptr,
  InputPages: u32,
  OutputPages: u32,
  Output: ptr,
  /** The service that was called, for the checks on return. */
  Service: ptr,
  Event: ptr,
  EventHandle: ptr,
  Handle: ptr,
  Iosb: IO_STATUS_BLOCK,
  Offset: i64,
  Attributes: OBJECT_ATTRIBUTES,
  Name: UNICODE_STRING,
  Packet: LOAD_PACKET,
  Polls: u32,
} as const;
export type F = Frame<typeof frame>;

/** Makes the user buffers of a request: the input (filled) at the slot's start, the output behind it with a page between that is not there. */
export function makeBuffers(k: Kernel, f: F, r: RequestFields, inputLength: number, outputLength: number): boolean {
  const slot = f.get('Slot');
  const process = k.currentThreadProcess();
  const inputPages = Math.ceil(inputLength / PAGE_SIZE);
  const outputPages = Math.ceil(outputLength / PAGE_SIZE);
  if ((inputPages + outputPages + 2) * PAGE_SIZE > SLOT_SIZE) return false;
  const output = slot + (inputPages + 1) * PAGE_SIZE;
  const make = (base: number, bytes: number): boolean =>
    bytes === 0 ||
    (mmAllocateUserMemory(k, process, { base, bytes, protect: PAGE_READWRITE }).status === STATUS_SUCCESS &&
      mmMakeResident(k, base, bytes, true));
  f.set('InputPages', inputPages);
  f.set('OutputPages', outputPages);
  f.set('Output', outputLength ? output : 0);
  if (!make(slot, inputLength) || !make(output, outputLength)) {
    freeBuffers(k, f);
    return false;
  }
  if (inputLength) k.mem.copy(slot, r.data, inputLength);
  return true;
}

/** Gives the user buffers of a request back, as far as they were made. */
export function freeBuffers(k: Kernel, f: F): void {
  const process = k.currentThreadProcess();
  if (f.get('InputPages')) mmFreeUserMemory(k, process, f.get('Slot'));
  if (f.get('OutputPages')) mmFreeUserMemory(k, process, f.get('Slot') + (f.get('InputPages') + 1) * PAGE_SIZE);
  f.set('InputPages', 0);
  f.set('OutputPages', 0);
}

/** Waits for the port in the name of `mode`, or takes a request from it and starts on it. */
export function takeRequest(
  k: Kernel,
  f: F,
  mode: number,
  begin: (k: Kernel, f: F, r: RequestFields) => Outcome,
  interrupted: (k: Kernel) => Outcome = () => next('take', 0),
): Outcome {
  const count = (name: 'ReqIdleThreads' | 'ReqActive', by: number): void => k.global.set(name, k.global.get(name) + by);
  const asker = takeInternalRequest(k);
  const request = asker ? REQUEST_PACKET.f.Request.get(k.mem, asker) : portPending(k) ? fetchRequest(k) : 0;
  f.set('Asker', asker);
  if (!request && portPending(k)) {
    refuseRequest(k);
    return next('take', 200);
  }
  if (!request) {
    maskPort(k, false);
    const waited = keWait(k, [k.global.address('ReqEvent')], { mode, reason: 15 });
    if (waited === 'blocked') return wait('woken');
    // Not for the event, but because the thread has an APC to run first, or is to end.
    return waited.status === STATUS_SUCCESS ? next('take', 0) : interrupted(k);
  }
  count('ReqIdleThreads', -1);
  count('ReqActive', 1);
  f.set('Request', request);
  f.set('InputPages', 0);
  f.set('OutputPages', 0);
  // Somebody must be there for the next one, now and when this thread blocks in a driver.
  if (k.global.get('ReqIdleThreads') === 0) startRequester(k);
  if (portPending(k) || internalPending(k)) keSetEvent(k, k.global.address('ReqEvent'), 0);
  else maskPort(k, false);
  return begin(k, f, readRequest(k, request));
}

/** Starts one more requester thread; it counts as idle until it takes a request. */
export function startRequester(k: Kernel): boolean {
  const number = k.global.get('ReqThreads');
  const process = k.global.get('ReqProcess');
  const thread =
    k.config.requester === 'kernel'
      ? psCreateSystemThread(k, process, k.address('nt!ReqThread'), number)
      : createUserRequester(k, process, number);
  if (!thread) return false;
  k.global.set('ReqThreads', number + 1);
  k.global.set('ReqIdleThreads', k.global.get('ReqIdleThreads') + 1);
  return true;
}

/** Calls a system service as a driver would, with KernelMode as the previous mode: status block, name and handle are in the frame, which is no user memory. */
function serve(k: Kernel, f: F, service: string, args: readonly (number | bigint)[], then: string): Outcome {
  const address = k.address(`nt!${service}`);
  f.set('Service', address);
  setPreviousMode(k, KernelMode);
  return call(address, args, then);
}

/** The dispatch routine that a transfer went to, for the report of what it left behind; 0 for other requests. */
function transferRoutine(k: Kernel, f: F): number {
  const { op, handle } = readRequest(k, f.get('Request'));
  const major = op === OP_READ ? IRP_MJ_READ : op === OP_WRITE ? IRP_MJ_WRITE : op === OP_IOCTL ? IRP_MJ_DEVICE_CONTROL : -1;
  return major < 0 ? 0 : dispatchRoutine(k, major, handle);
}

/** What KiSystemServiceExit checks before it goes back to user mode. */
function checkReturn(k: Kernel, f: F): void {
  setPreviousMode(k, KernelMode);
  const service = f.get('Service');
  if (k.irql > 0)
    k.bugCheckBy(
      transferRoutine(k, f),
      IRQL_GT_ZERO_AT_SYSTEM_SERVICE,
      service,
      k.irql,
      'a system service returned to user mode at a raised IRQL',
    );
  const thread = k.currentThread();
  const disabled = KTHREAD.f.CombinedApcDisable.get(k.mem, thread);
  if (disabled) {
    const index = KTHREAD.f.ApcStateIndex.get(k.mem, thread);
    k.bugCheck(APC_INDEX_MISMATCH, service, index << 8, disabled, 0, 'a system service returned to user mode with APCs disabled');
  }
}

/** Starts on a request in kernel mode. */
export function begin(k: Kernel, f: F, r: RequestFields): Outcome {
  const { mem } = k;
  switch (r.op) {
    case OP_OPEN: {
      const path = devicePath(k, r.name);
      if (!path) return answer(k, f, STATUS_OBJECT_NAME_NOT_FOUND);
      if (!allocateString(k, f.get('Name'), path, poolTag('Reqn'))) return answer(k, f, STATUS_INSUFFICIENT_RESOURCES);
      const a = f.get('Attributes');
      mem.fill(a, OBJECT_ATTRIBUTES.size, 0);
      OBJECT_ATTRIBUTES.f.Length.set(mem, a, OBJECT_ATTRIBUTES.size);
      OBJECT_ATTRIBUTES.f.ObjectName.set(mem, a, f.get('Name'));
      OBJECT_ATTRIBUTES.f.Attributes.set(mem, a, OBJ_CASE_INSENSITIVE);
      const options = FILE_NON_DIRECTORY_FILE | (r.flags & OPEN_SYNCHRONOUS ? FILE_SYNCHRONOUS_IO_NONALERT : 0);
      return serve(
        k,
        f,
        'NtCreateFile',
        [
          f.address('Handle'),
          GENERIC_READ_WRITE_SYNCHRONIZE,
          a,
          f.get('Iosb'),
          0,
          0x80,
          FILE_SHARE_READ_WRITE,
          FILE_OPEN,
          options,
          0,
          0,
        ],
        'opened',
      );
    }
    case OP_CLOSE:
      return serve(k, f, 'NtClose', [r.handle], 'closed');
    case OP_CANCEL:
      return serve(k, f, 'NtCancelIoFileEx', [r.handle, 0, f.get('Iosb')], 'closed');
    case OP_READ:
    case OP_WRITE: {
      const write = r.op === OP_WRITE;
      if (!makeBuffers(k, f, r, write ? r.dataLength : 0, write ? 0 : r.outLength))
        return answer(k, f, STATUS_INSUFFICIENT_RESOURCES);
      f.set('Offset', byteOffset(r));
      clearIosb(k, f);
      const [buffer, length] = write ? [f.get('Slot'), r.dataLength] : [f.get('Output'), r.outLength];
      return serve(
        k,
        f,
        write ? 'NtWriteFile' : 'NtReadFile',
        [r.handle, f.get('EventHandle'), 0, 0, f.get('Iosb'), buffer, length, f.address('Offset'), 0],
        'sent',
      );
    }
    case OP_IOCTL: {
      if (!makeBuffers(k, f, r, r.dataLength, r.outLength)) return answer(k, f, STATUS_INSUFFICIENT_RESOURCES);
      clearIosb(k, f);
      const input = r.dataLength ? f.get('Slot') : 0;
      return serve(
        k,
        f,
        'NtDeviceIoControlFile',
        [r.handle, f.get('EventHandle'), 0, 0, f.get('Iosb'), r.code, input, r.dataLength, f.get('Output'), r.outLength],
        'sent',
      );
    }
    case OP_LOAD: {
      const service = createService(k, r.name);
      if (!service) return answer(k, f, STATUS_INVALID_PARAMETER);
      const packet = f.get('Packet');
      mem.fill(packet, LOAD_PACKET.size, 0);
      if (!allocateString(k, packet + LOAD_PACKET.f.RegistryPath.offset, `${SERVICES_PATH}\\${service}`, poolTag('Reqn')))
        return answer(k, f, STATUS_INSUFFICIENT_RESOURCES);
      LOAD_PACKET.f.Image.set(mem, packet, r.data);
      LOAD_PACKET.f.ImageLength.set(mem, packet, r.dataLength);
      return call(k.address('nt!IopSubmitLoad'), [packet], 'loaded');
    }
    case OP_UNLOAD: {
      const driver = driverOfService(k, serviceOf(r.name));
      if (!driver) return answer(k, f, STATUS_OBJECT_NAME_NOT_FOUND);
      return withTree(k, 'PipRemoveDriverDevices', driver, 0, 'devicesRemoved');
    }
    case OP_PNP:
      if (!allocateString(k, f.get('Name'), r.name, poolTag('Reqn'))) return answer(k, f, STATUS_INSUFFICIENT_RESOURCES);
      return withTree(k, 'PipDeviceAction', f.get('Name'), r.code, 'acted');
    case OP_SHUTDOWN:
      return call(k.address('nt!IopShutdownSystem'), [], 'ended');
    default:
      return answer(k, f, STATUS_INVALID_PARAMETER);
  }
}

function clearIosb(k: Kernel, f: F): void {
  k.mem.write64(f.get('Iosb'), 0n);
  k.mem.write64(f.get('Iosb') + 8, 0n);
}

/** Tells whoever made the request. `data` is an address. */
export function reply(k: Kernel, f: F, status: number, information: bigint, phase: number, data: number, length: number): void {
  const asker = f.get('Asker');
  if (asker) answerInternalRequest(k, asker, status, information, phase, data, length);
  else sendReply(k, k.mem.read32(f.get('Request')), status, information, phase, data, length);
}

/** Ends a request: the reply, and back to the port. `data` is an address. */
export function answer(k: Kernel, f: F, status: number, information = 0n, data = 0, length = 0): Outcome {
  const request = f.get('Request');
  reply(k, f, status, information, PHASE_DONE, data, length);
  freeBuffers(k, f);
  exFreePool(k, request, 0);
  k.global.set('ReqActive', k.global.get('ReqActive') - 1);
  k.global.set('ReqIdleThreads', k.global.get('ReqIdleThreads') + 1);
  return next('take', 200);
}

/** Ends a transfer: what the status block says. */
export function answerTransfer(k: Kernel, f: F, status: number): Outcome {
  const r = readRequest(k, f.get('Request'));
  const information = ntError(status) ? 0n : k.mem.read64(f.get('Iosb') + 8);
  const length = r.op === OP_WRITE ? 0 : information > BigInt(r.outLength) ? r.outLength : Number(information);
  return answer(k, f, status, information, f.get('Output'), length);
}

/**
 * Answers an unload when the driver is gone. An unload is put off while the driver is in use: by a close that is on its way, which is waited for as `sc stop` does, or by
 * somebody's handle, for which it is not: the driver goes when that is closed.
 */
function awaitUnload(k: Kernel, f: F): Outcome {
  const polls = f.get('Polls');
  if (polls === UNLOAD_POLLS || !driverOfService(k, serviceOf(readRequest(k, f.get('Request')).name)))
    return answer(k, f, STATUS_SUCCESS);
  f.set('Polls', polls + 1);
  return keDelay(k, UNLOAD_POLL_INTERVAL, false, KernelMode) === 'blocked' ? wait('polled') : next('polled', 0);
}

/** Length of an ASCIIZ message. */
function textLength(k: Kernel, at: number): number {
  let n = 0;
  while (k.mem.read8(at + n) !== 0) n++;
  return n;
}

/** The steps of the operations that are the kernel's own: load, unload, Plug and Play. */
export const kernelSteps = {
  loaded(k: Kernel, f: F, rax: number): Outcome {
    const packet = f.get('Packet');
    const p = LOAD_PACKET.f;
    freeString(k, packet + p.RegistryPath.offset);
    const message = p.Message.get(k.mem, packet);
    const length = message ? textLength(k, message) : 0;
    const base = ntSuccess(rax) ? BigInt.asUintN(64, BigInt(p.ImageBase.get(k.mem, packet))) : 0n;
    const done = answer(k, f, rax, base, message, length);
    if (message) exFreePool(k, message, 0);
    return done;
  },
  devicesRemoved(k: Kernel, f: F, rax: number): Outcome {
    if (!ntSuccess(rax)) return answer(k, f, rax);
    const service = serviceOf(readRequest(k, f.get('Request')).name);
    // A Plug and Play driver goes with its last device; then there is nothing left to unload.
    if (!driverOfService(k, service)) return answer(k, f, STATUS_SUCCESS);
    if (!allocateString(k, f.get('Name'), `${SERVICES_PATH}\\${service}`, poolTag('Reqn')))
      return answer(k, f, STATUS_INSUFFICIENT_RESOURCES);
    f.set('Polls', 0);
    return call(k.address('nt!NtUnloadDriver'), [f.get('Name')], 'unloaded');
  },
  unloaded(k: Kernel, f: F, rax: number): Outcome {
    freeString(k, f.get('Name'));
    return ntSuccess(rax) ? awaitUnload(k, f) : answer(k, f, rax);
  },
  polled: (k: Kernel, f: F): Outcome => awaitUnload(k, f),
  ended: (k: Kernel, f: F, rax: number): Outcome => answer(k, f, rax),
  acted(k: Kernel, f: F, rax: number): Outcome {
    freeString(k, f.get('Name'));
    return answer(k, f, rax);
  },
};

export const exports: NtExport[] = [
  ntSteps({
    name: 'ReqThread',
    internal: true,
    doc: 'System thread of the requester process: takes requests from outside and carries them out, for ever.',
    args: { Number: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, { Number: number }) {
        f.set('Slot', FIRST_SLOT + number * SLOT_SIZE);
        const event = obCreateObject(k, exportedType(k, 'ExEventObjectType'), KEVENT.size);
        if (!event) return ret();
        keInitializeEvent(k, event, 0, false);
        f.set('Event', event);
        const h = obCreateHandle(k, event, 0x1f0003);
        f.set('EventHandle', h.handle);
        return h.status === STATUS_SUCCESS ? takeRequest(k, f, KernelMode, begin) : ret();
      },
      take: (k, f) => takeRequest(k, f, KernelMode, begin),
      woken: (k, f) => takeRequest(k, f, KernelMode, begin),
      opened(k, f, rax) {
        checkReturn(k, f);
        freeString(k, f.get('Name'));
        return answer(k, f, rax, ntSuccess(rax) ? BigInt(f.get('Handle')) : 0n);
      },
      closed(k, f, rax) {
        checkReturn(k, f);
        return answer(k, f, rax);
      },
      sent(k, f, rax) {
        checkReturn(k, f);
        if (rax !== STATUS_PENDING) return answerTransfer(k, f, rax);
        reply(k, f, STATUS_PENDING, 0n, PHASE_PENDING, 0, 0);
        k.global.set('ReqActive', k.global.get('ReqActive') - 1);
        k.global.set('ReqPending', k.global.get('ReqPending') + 1);
        return keWait(k, [f.get('Event')]) === 'blocked' ? wait('completed') : next('completed', 0);
      },
      completed(k, f) {
        k.global.set('ReqActive', k.global.get('ReqActive') + 1);
        k.global.set('ReqPending', k.global.get('ReqPending') - 1);
        return answerTransfer(k, f, k.mem.read32(f.get('Iosb')));
      },
      ...kernelSteps,
    },
  }),
];
