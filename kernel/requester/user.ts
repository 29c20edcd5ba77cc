/**
 * The requester in user mode: a process whose threads run `requester.exe` (image/usercode.ts). A thread asks for work by NtTakeRequest, which also tells how the last call
 * ended; the kernel fills the thread's call block (block.ts) in user memory, and the program calls the service by SYSCALL. So previous mode, probing, user buffers and
 * completion by event or APC are those of any program. What is the kernel's own to do (load, unload, Plug and Play) it does in NtTakeRequest itself.
 */
import {
  byteOffset,
  OP_CANCEL,
  OP_CLOSE,
  OP_EXIT,
  OP_IOCTL,
  OP_OPEN,
  OP_READ,
  OP_WRITE,
  PHASE_DONE,
  PHASE_PENDING,
  TRANSFER_APC,
  TRANSFER_POINTERS,
  TRANSFER_REPEAT_SHIFT,
} from '../../hal/bus/requests.ts';
import { type Frame, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, pointer, ret } from '../exports/declare.ts';
import type { BuiltImage } from '../image/build.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { readyThread } from '../ke/ready.ts';
import type { Kernel } from '../kernel.ts';
import { mmAllocateUserMemory, mmFreeUserMemory, mmWriteUser } from '../mm/process.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { PAGE_READWRITE } from '../mm/region.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateHandle } from '../ob/handle.ts';
import { setPreviousMode } from '../ob/mode.ts';
import { obCreateObject, obDereferenceDeferred } from '../ob/object.ts';
import { wide } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { psCreateUserProcess, psCreateUserThread } from '../ps/user.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { KernelMode, KEVENT, UserMode } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { OBJ_CASE_INSENSITIVE, OBJECT_ATTRIBUTES } from '../types/ob.ts';
import { LIST_ENTRY, UNICODE_STRING } from '../types/rtl.ts';
import {
  STATUS_ACCESS_DENIED,
  STATUS_ALERTED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NAME_TOO_LONG,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { APC_COMPLETION, EVENT_COMPLETION, PATH_UNITS, REQUEST_BLOCK } from './block.ts';
import { answerInternalRequest } from './internal.ts';
import { devicePath } from './path.ts';
import { readRequest, type RequestFields, sendReply } from './port.ts';
import {
  answer,
  answerTransfer,
  begin,
  type F,
  FILE_NON_DIRECTORY_FILE,
  FILE_OPEN,
  FILE_SHARE_READ_WRITE,
  FILE_SYNCHRONOUS_IO_NONALERT,
  FIRST_SLOT,
  frame,
  GENERIC_READ_WRITE_SYNCHRONIZE,
  kernelSteps,
  makeBuffers,
  OPEN_SYNCHRONOUS,
  SLOT_SIZE,
  startRequester,
  takeRequest,
} from './thread.ts';

/** One thread of the requester, and the request that its program is carrying out: what the frame of the kernel's thread holds is kept here between two calls of NtTakeRequest. */
const REQUESTER_RECORD = struct('_REQUESTER_RECORD', {
  Link: LIST_ENTRY,
  Process: ptr,
  Block: ptr,
  Slot: ptr,
  /** 0: the program has none. */
  Request: ptr,
  Asker: ptr,
  InputPages: u32,
  OutputPages: u32,
  Output: ptr,
  /** The outside was told that it is pending. */
  Deferred: u32,
});
const R = REQUESTER_RECORD.f;
const B = REQUEST_BLOCK.f;
const TAG = poolTag('Requ');

/** The call blocks lie here, one for each thread. */
const FIRST_BLOCK = 0x8000000,
  BLOCK_SPACE = 0x10000;
const EVENT_ALL_ACCESS = 0x1f0003;
const CURRENT_PROCESS = -1;
const STATUS_USER_APC = 0xc0;

/** The program of the requester's process. */
export function requesterImage(k: Kernel): BuiltImage {
  const image = k.images.user.find(i => i.name === 'requester.exe');
  if (!image) throw new Error('there is no requester.exe among the images of user mode');
  return image;
}

const recordsOf = (k: Kernel, process: number): number[] =>
  [...listEntries(k.mem, k.global.address('ReqRecordListHead'))].filter(r => R.Process.get(k.mem, r) === process);

const recordOfBlock = (k: Kernel, block: number): number =>
  recordsOf(k, k.currentThreadProcess()).find(r => R.Block.get(k.mem, r) === block) ?? 0;

/** A thread of the requester's process with its call block. ETHREAD, or 0 without memory. */
export function createUserRequester(k: Kernel, process: number, number: number): number {
  const { mem } = k;
  const r = mmAllocateUserMemory(k, process, {
    base: FIRST_BLOCK + number * BLOCK_SPACE,
    bytes: REQUEST_BLOCK.size,
    protect: PAGE_READWRITE,
  });
  if (r.status !== STATUS_SUCCESS) return 0;
  const record = exAllocatePool(k, NonPagedPoolNx, REQUESTER_RECORD.size, TAG);
  const stubs = new Uint8Array(B.Arguments.offset);
  const view = new DataView(stubs.buffer);
  const stub = (at: number, name: string): void => view.setBigUint64(at, BigInt(k.address(`ntdll!${name}`)), true);
  stub(B.Service.offset, 'NtTestAlert');
  stub(B.Take.offset, 'NtTakeRequest');
  stub(B.Defer.offset, 'NtDeferRequest');
  stub(B.Wait.offset, 'NtWaitForSingleObject');
  const thread =
    record && mmWriteUser(k, process, r.base, stubs) ? psCreateUserThread(k, process, k.address('requester!ReqMain'), r.base) : 0;
  if (!thread) {
    if (record) exFreePool(k, record, TAG);
    mmFreeUserMemory(k, process, r.base);
    return 0;
  }
  mem.fill(record, REQUESTER_RECORD.size, 0);
  R.Process.set(mem, record, process);
  R.Block.set(mem, record, r.base);
  R.Slot.set(mem, record, FIRST_SLOT + number * SLOT_SIZE);
  insertTailList(mem, k.global.address('ReqRecordListHead'), record);
  readyThread(k, thread);
  return thread;
}

/** The requester's process has ended: its requests are answered, and a new process is made for those that come. */
export function replaceUserRequester(k: Kernel, process: number): void {
  const { mem } = k;
  const count = (name: 'ReqActive' | 'ReqPending'): void => k.global.set(name, k.global.get(name) - 1);
  for (const record of recordsOf(k, process)) {
    const request = R.Request.get(mem, record);
    if (request) {
      const status = readRequest(k, request).op === OP_EXIT ? STATUS_SUCCESS : STATUS_PROCESS_IS_TERMINATING;
      const asker = R.Asker.get(mem, record);
      if (asker) answerInternalRequest(k, asker, status, 0n, PHASE_DONE, 0, 0);
      else sendReply(k, mem.read32(request), status, 0n, PHASE_DONE, 0, 0);
      count(R.Deferred.get(mem, record) ? 'ReqPending' : 'ReqActive');
      exFreePool(k, request, 0);
    }
    removeEntryList(mem, record);
    exFreePool(k, record, TAG);
  }
  k.global.set('ReqIdleThreads', 0);
  k.global.set('ReqThreads', 0);
  const next = psCreateUserProcess(k, requesterImage(k));
  k.global.set('ReqProcess', next);
  if (!next || !startRequester(k))
    k.debugPrint('There is no memory for a new requester process: requests will not be answered.\n');
}

type Fr = Frame<typeof frame & { Record: typeof ptr }>;

/** Has the program call a service: the block says which. */
function serve(k: Kernel, f: F, block: number, service: string, args: readonly (number | bigint)[], apc = false): Outcome {
  const { mem } = k;
  const record = recordOfBlock(k, block);
  for (const name of ['Request', 'Asker', 'InputPages', 'OutputPages', 'Output'] as const) R[name].set(mem, record, f.get(name));
  R.Deferred.set(mem, record, 0);
  B.Service.set(mem, block, k.address(`ntdll!${service}`));
  for (let i = 0; i < 12; i++) mem.write64(block + B.Arguments.offset + i * 8, BigInt.asUintN(64, BigInt(args[i] ?? 0)));
  B.Completion.set(mem, block, apc ? APC_COMPLETION : EVENT_COMPLETION);
  B.Completed.set(mem, block, 0);
  B.Repeat.set(mem, block, 0);
  mem.fill(block + B.Iosb.offset, 0x10, 0);
  return leave(k, STATUS_SUCCESS);
}

/** Back to the program. */
function leave(k: Kernel, status: number): Outcome {
  setPreviousMode(k, UserMode);
  return ret(status);
}

/** NtCreateFile with everything that it points to in the block. */
function serveOpen(k: Kernel, f: F, block: number, r: RequestFields): Outcome {
  const { mem } = k;
  const path = devicePath(k, r.name);
  if (!path) return answer(k, f, STATUS_OBJECT_NAME_NOT_FOUND);
  if (path.length > PATH_UNITS) return answer(k, f, STATUS_NAME_TOO_LONG);
  const name = block + B.Name.offset,
    attributes = block + B.Attributes.offset;
  const text = wide(path);
  mem.writeBytes(block + B.Path.offset, text);
  UNICODE_STRING.f.Length.set(mem, name, text.length);
  UNICODE_STRING.f.MaximumLength.set(mem, name, text.length);
  UNICODE_STRING.f.Buffer.set(mem, name, block + B.Path.offset);
  mem.fill(attributes, OBJECT_ATTRIBUTES.size, 0);
  OBJECT_ATTRIBUTES.f.Length.set(mem, attributes, OBJECT_ATTRIBUTES.size);
  OBJECT_ATTRIBUTES.f.ObjectName.set(mem, attributes, name);
  OBJECT_ATTRIBUTES.f.Attributes.set(mem, attributes, OBJ_CASE_INSENSITIVE);
  const options = FILE_NON_DIRECTORY_FILE | (r.flags & OPEN_SYNCHRONOUS ? FILE_SYNCHRONOUS_IO_NONALERT : 0);
  const iosb = block + B.Iosb.offset;
  return serve(k, f, block, 'NtCreateFile', [
    block + B.Handle.offset,
    GENERIC_READ_WRITE_SYNCHRONIZE,
    attributes,
    iosb,
    0,
    0x80,
    FILE_SHARE_READ_WRITE,
    FILE_OPEN,
    options,
    0,
    0,
  ]);
}

/** The buffers of a transfer: made for it, or as the request names them. Null without memory. */
function transferBuffers(
  k: Kernel,
  f: F,
  r: RequestFields,
): { input: bigint; inputLength: number; output: bigint; outputLength: number } | null {
  if (r.flags & TRANSFER_POINTERS) {
    const value = (n: number): bigint => (r.dataLength >= n * 8 + 8 ? k.mem.read64(r.data + n * 8) : 0n);
    return {
      input: value(0),
      inputLength: Number(value(1) & 0xffffffffn),
      output: value(2),
      outputLength: Number(value(3) & 0xffffffffn),
    };
  }
  const inputLength = r.op === OP_READ ? 0 : r.dataLength,
    outputLength = r.op === OP_WRITE ? 0 : r.outLength;
  if (!makeBuffers(k, f, r, inputLength, outputLength)) return null;
  return { input: BigInt(inputLength ? f.get('Slot') : 0), inputLength, output: BigInt(f.get('Output')), outputLength };
}

function serveTransfer(k: Kernel, f: F, block: number, r: RequestFields): Outcome {
  const b = transferBuffers(k, f, r);
  if (!b) return answer(k, f, STATUS_INSUFFICIENT_RESOURCES);
  const apc = (r.flags & TRANSFER_APC) !== 0;
  const common = [
    r.handle,
    apc ? 0 : B.Event.get(k.mem, block),
    apc ? k.address('requester!ReqCompleted') : 0,
    apc ? block : 0,
    block + B.Iosb.offset,
  ];
  if (r.op === OP_IOCTL) {
    const served = serve(
      k,
      f,
      block,
      'NtDeviceIoControlFile',
      [...common, r.code, b.input, b.inputLength, b.output, b.outputLength],
      apc,
    );
    B.Repeat.set(k.mem, block, r.flags >>> TRANSFER_REPEAT_SHIFT);
    return served;
  }
  k.mem.write64(block + B.Offset.offset, BigInt.asUintN(64, byteOffset(r)));
  const write = r.op === OP_WRITE;
  const [buffer, length] = write ? [b.input, b.inputLength] : [b.output, b.outputLength];
  return serve(k, f, block, write ? 'NtWriteFile' : 'NtReadFile', [...common, buffer, length, block + B.Offset.offset, 0], apc);
}

/** Starts on a request: the program's part by way of the block, the kernel's own here. */
const beginUser =
  (block: number) =>
  (k: Kernel, f: F, r: RequestFields): Outcome => {
    switch (r.op) {
      case OP_OPEN:
        return serveOpen(k, f, block, r);
      case OP_CLOSE:
        return serve(k, f, block, 'NtClose', [r.handle]);
      case OP_CANCEL:
        return serve(k, f, block, 'NtCancelIoFileEx', [r.handle, 0, block + B.Iosb.offset]);
      case OP_READ:
      case OP_WRITE:
      case OP_IOCTL:
        return serveTransfer(k, f, block, r);
      case OP_EXIT:
        return serve(k, f, block, 'NtTerminateProcess', [CURRENT_PROCESS, r.code]);
      default:
        return begin(k, f, r);
    }
  };

/** Answers what the program has carried out. The step ends as {@link answer} does. */
function finish(k: Kernel, f: F, block: number, record: number): Outcome {
  const { mem } = k;
  for (const name of ['Request', 'Asker', 'InputPages', 'OutputPages', 'Output'] as const) f.set(name, R[name].get(mem, record));
  R.Request.set(mem, record, 0);
  if (R.Deferred.get(mem, record)) {
    k.global.set('ReqActive', k.global.get('ReqActive') + 1);
    k.global.set('ReqPending', k.global.get('ReqPending') - 1);
  }
  const status = B.Status.get(mem, block);
  const r = readRequest(k, f.get('Request'));
  switch (r.op) {
    case OP_OPEN:
      return answer(k, f, status, status >>> 31 ? 0n : BigInt(B.Handle.get(mem, block)));
    case OP_READ:
    case OP_WRITE:
    case OP_IOCTL: {
      mem.copy(f.get('Iosb'), block + B.Iosb.offset, 0x10);
      // Buffers that the request named itself are the asker's to look at.
      if (!(r.flags & TRANSFER_POINTERS)) return answerTransfer(k, f, status);
      return answer(k, f, status, status >>> 30 === 3 ? 0n : mem.read64(f.get('Iosb') + 8));
    }
    default:
      return answer(k, f, status);
  }
}

/** The thread's event and the handle to it, in the handle table of the process; made on its first call. */
function makeEvent(k: Kernel, block: number): number {
  const event = obCreateObject(k, exportedType(k, 'ExEventObjectType'), KEVENT.size);
  if (!event) return STATUS_INSUFFICIENT_RESOURCES;
  const SynchronizationEvent = 1;
  keInitializeEvent(k, event, SynchronizationEvent, false);
  const h = obCreateHandle(k, event, EVENT_ALL_ACCESS);
  // The handle holds the event; it goes with the process.
  obDereferenceDeferred(k, event);
  if (h.status === STATUS_SUCCESS) B.Event.set(k.mem, block, h.handle);
  return h.status;
}

export const userRequesterRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'NtTakeRequest',
    internal: true,
    doc: "The requester's program asks for its next call, and tells how the last one ended. Waits until there is one.",
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Block: pointer('PREQUEST_BLOCK') },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { ...frame, Record: ptr },
    steps: {
      start(k, f, _rax, { Block }) {
        const record = recordOfBlock(k, Block);
        if (!record) return ret(STATUS_ACCESS_DENIED);
        k.mem.probe(Block, REQUEST_BLOCK.size, true);
        setPreviousMode(k, KernelMode);
        f.set('Record', record);
        f.set('Slot', R.Slot.get(k.mem, record));
        if (B.Event.get(k.mem, Block) === 0) {
          const status = makeEvent(k, Block);
          if (status !== STATUS_SUCCESS) return leave(k, status);
        }
        return R.Request.get(k.mem, record) ? finish(k, asF(f), Block, record) : take(k, f, Block);
      },
      take: (k, f, _rax, { Block }) => take(k, f, Block),
      woken(k, f, rax, { Block }) {
        if (rax === STATUS_USER_APC || rax === STATUS_ALERTED) {
          return nothingToCall(k, Block);
        }
        return take(k, f, Block);
      },
      loaded: (k, f, rax) => kernelSteps.loaded(k, asF(f), rax),
      devicesRemoved: (k, f, rax) => kernelSteps.devicesRemoved(k, asF(f), rax),
      unloaded: (k, f, rax) => kernelSteps.unloaded(k, asF(f), rax),
      polled: (k, f) => kernelSteps.polled(k, asF(f)),
      ended: (k, f, rax) => kernelSteps.ended(k, asF(f), rax),
      acted: (k, f, rax) => kernelSteps.acted(k, asF(f), rax),
    },
  }),
  ntExport({
    name: 'NtDeferRequest',
    internal: true,
    doc: "The service that the requester's program called is pending: whoever asked is told.",
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Block: pointer('PREQUEST_BLOCK') },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, { Block }) {
      const { mem } = k;
      const record = recordOfBlock(k, Block);
      const request = record ? R.Request.get(mem, record) : 0;
      if (!request || R.Deferred.get(mem, record)) return STATUS_ACCESS_DENIED;
      const asker = R.Asker.get(mem, record);
      const pending = 0x103;
      if (asker) answerInternalRequest(k, asker, pending, 0n, PHASE_PENDING, 0, 0);
      else sendReply(k, mem.read32(request), pending, 0n, PHASE_PENDING, 0, 0);
      R.Deferred.set(mem, record, 1);
      k.global.set('ReqActive', k.global.get('ReqActive') - 1);
      k.global.set('ReqPending', k.global.get('ReqPending') + 1);
      return STATUS_SUCCESS;
    },
  }),
];

/** Waits for a request and starts on it. */
const take = (k: Kernel, f: Fr, block: number): Outcome =>
  takeRequest(k, asF(f), UserMode, beginUser(block), kernel => nothingToCall(kernel, block));

/** Somebody wants to end this thread, or has queued an APC: the program has nothing to call, and comes again. */
function nothingToCall(k: Kernel, block: number): Outcome {
  B.Service.set(k.mem, block, k.address('ntdll!NtTestAlert'));
  return leave(k, STATUS_USER_APC);
}

/** The frame as the code that both requesters share sees it. */
const asF = (f: Fr): F => f as unknown as F;
