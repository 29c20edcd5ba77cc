/**
 * An operation on a key as a system service: the key of the handle, the registry callbacks before, the work, the callbacks after (in reverse order). A callback that
 * refuses ends the operation; those asked before it are told how it ended. Source: "Handling Notifications" and the REG_* structures, WDK.
 */
import type { Kernel } from '../kernel.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { STATUS_CALLBACK_BYPASS, STATUS_KEY_DELETED, STATUS_SUCCESS, STATUS_TRANSACTION_NOT_ACTIVE } from '../types/status.ts';
import { array, ptr, u32, u64 } from '../types/struct.ts';
import {
  type ArgTypes,
  type ArgValues,
  call,
  type Frame,
  type NtExport,
  NTSTATUS,
  ntSteps,
  type Outcome,
  ret,
  type StepExport,
  wait,
} from '../exports/declare.ts';
import { stepService } from '../exports/service.ts';
import {
  anyCallbacks,
  beginCall,
  CALL,
  callbackContext,
  callbackRoutine,
  callbacksToTell,
  endCall,
  enterCallback,
  leaveCallback,
  objectContext,
} from './callbacks.ts';
import { isActive } from '../tm/protocol.ts';
import { isDeleted, keyOfObject, keyTransaction } from './registry.ts';

/** How many callbacks an operation tells: their contexts lie in its frame. */
const MAX_CALLBACKS = 16;

/** The largest REG_*_INFORMATION: of creating and opening. */
const INFO_SIZE = 0x88;

export const operationFrame = {
  Object: ptr,
  /** The key object that an open or create made. */
  Result: ptr,
  /** The transaction that a key is opened in, or null. */
  Transaction: ptr,
  /** The caller named the transaction; else it is that of the root. */
  Explicit: u32,
  Status: u32,
  Count: u32,
  Index: u32,
  Entries: array(ptr, MAX_CALLBACKS),
  Contexts: array(u64, MAX_CALLBACKS),
  ContextAt: u32,
  Disposition: u32,
  ResultObject: ptr,
  Info: array(u64, INFO_SIZE / 8),
  Call: CALL,
  RemainingName: UNICODE_STRING,
  Post: array(u64, 7),
  Extra: array(u64, 6),
} as const;
export type OperationFrame = Frame<typeof operationFrame>;

export interface Operation<A extends ArgTypes> {
  name: string;
  doc: string;
  args: A;
  cycles: number;
  status?: 'full' | 'partial';
  missing?: string;
  /** REG_NOTIFY_CLASS before and after. */
  pre: number;
  post: number;
  /** The object that the operation is on, with a reference. Default: the key of the first argument with these rights. */
  access: number;
  begin?: (k: Kernel, f: OperationFrame, a: ArgValues<A>) => { status: number; object: number };
  /** Fills the REG_*_INFORMATION at `at`; returns the offset of its CallContext, behind which ObjectContext lies. */
  info: (k: Kernel, at: number, object: number, a: ArgValues<A>, f: OperationFrame) => number;
  run: (k: Kernel, object: number, a: ArgValues<A>, f: OperationFrame) => number;
  /** The work waits: the event to wait for after `run` said STATUS_PENDING, and what the status is then. */
  wait?: (k: Kernel, f: OperationFrame, a: ArgValues<A>) => { event: number };
  afterWait?: (k: Kernel, f: OperationFrame, a: ArgValues<A>) => number;
  waitFor?: (k: Kernel, event: number) => 'blocked' | { status: number };
}

const entryAt = (k: Kernel, f: OperationFrame, i: number): number => k.mem.readPtr(f.address('Entries') + i * 8);

/** Whether a key object can be worked with. */
function keyStatus(k: Kernel, object: number): number {
  const tx = keyTransaction(k, object);
  if (tx && !isActive(k, tx)) return STATUS_TRANSACTION_NOT_ACTIVE;
  return isDeleted(k, keyOfObject(k, object), tx) ? STATUS_KEY_DELETED : STATUS_SUCCESS;
}

/** The key of a handle: STATUS_KEY_DELETED for one that is gone, STATUS_TRANSACTION_NOT_ACTIVE when its transaction has ended. */
function keyOf(k: Kernel, handle: number, access: number): { status: number; object: number } {
  const r = obReferenceObjectByHandle(k, handle, access, exportedType(k, 'CmKeyObjectType'), previousMode(k));
  if (r.status !== STATUS_SUCCESS) return { status: r.status, object: 0 };
  const status = keyStatus(k, r.object);
  if (status === STATUS_SUCCESS) return { status, object: r.object };
  obDereferenceDeferred(k, r.object);
  return { status, object: 0 };
}

/** Declares the Nt and Zw routines of an operation. */
export const keyService = <const A extends ArgTypes>(op: Operation<A>): NtExport[] =>
  stepService<A, typeof operationFrame>({ ...keySteps(op), irql: { max: 'PASSIVE_LEVEL' } });

/** Declares an operation that is a part of another routine: internal, under the name that it says. */
export const keyRoutine = <const A extends ArgTypes>(op: Operation<A>): NtExport =>
  ntSteps<A, typeof operationFrame>({ ...keySteps(op), internal: true });

function keySteps<const A extends ArgTypes>(op: Operation<A>): Omit<StepExport<A, typeof operationFrame>, 'kind' | 'layout'> {
  type Values = ArgValues<A>;

  const finish = (k: Kernel, f: OperationFrame): Outcome => {
    release(k, f);
    return ret(f.get('Status'));
  };

  const ask = (k: Kernel, f: OperationFrame, a: Values): Outcome => {
    const i = f.get('Index');
    if (i >= f.get('Count')) return work(k, f, a);
    const entry = entryAt(k, f, i);
    const at = f.address('Info') + f.get('ContextAt');
    k.mem.writePtr(at, 0);
    k.mem.writePtr(at + 8, objectContext(k, entry, f.get('Object')));
    beginCall(k, f.address('Call'), entry);
    return call(callbackRoutine(k, entry), [callbackContext(k, entry), op.pre, f.address('Info')], 'asked');
  };

  const work = (k: Kernel, f: OperationFrame, a: Values): Outcome => {
    f.set('Status', op.run(k, f.get('Object'), a, f));
    const event = op.wait?.(k, f, a).event;
    if (event) {
      const w = op.waitFor!(k, event);
      if (w === 'blocked') return wait('waited');
      f.set('Status', op.afterWait!(k, f, a));
    }
    return tell(k, f);
  };

  /** Tells the callback before the one of Index. */
  const tell = (k: Kernel, f: OperationFrame): Outcome => {
    const i = f.get('Index') - 1;
    if (i < 0 || !f.get('Count')) return finish(k, f);
    f.set('Index', i);
    const entry = entryAt(k, f, i);
    const at = f.address('Post');
    const object = f.get('Result') || f.get('Object');
    k.mem.writePtr(at, object);
    k.mem.write32(at + 8, f.get('Status'));
    k.mem.writePtr(at + 16, f.address('Info'));
    k.mem.write32(at + 24, f.get('Status'));
    k.mem.write64(at + 32, k.mem.read64(f.address('Contexts') + i * 8));
    k.mem.writePtr(at + 40, objectContext(k, entry, object));
    k.mem.writePtr(at + 48, 0);
    beginCall(k, f.address('Call'), entry);
    return call(callbackRoutine(k, entry), [callbackContext(k, entry), op.post, at], 'told');
  };

  return {
    name: op.name,
    doc: op.doc,
    args: op.args,
    returns: NTSTATUS,
    cycles: op.cycles,
    status: op.status ?? 'full',
    ...(op.missing === undefined ? {} : { missing: op.missing }),
    frame: operationFrame,
    steps: {
      start(k, f, _rax, a) {
        f.set('Count', 0);
        f.set('Index', 0);
        f.set('Object', 0);
        f.set('Result', 0);
        f.set('Transaction', 0);
        f.set('Explicit', 0);
        f.set('ResultObject', 0);
        f.set('Disposition', 0);
        k.mem.fill(f.address('Call'), CALL.size, 0);
        const handle = (a as { KeyHandle: number }).KeyHandle;
        const found = op.begin ? op.begin(k, f, a) : keyOf(k, handle, op.access);
        f.set('Object', found.object);
        if (found.status !== STATUS_SUCCESS) {
          release(k, f);
          return ret(found.status);
        }
        if (!anyCallbacks(k)) return work(k, f, a);
        const entries = callbacksToTell(k).slice(0, MAX_CALLBACKS);
        entries.forEach((entry, i) => {
          enterCallback(k, entry);
          k.mem.writePtr(f.address('Entries') + i * 8, entry);
        });
        f.set('Count', entries.length);
        k.mem.fill(f.address('Info'), INFO_SIZE, 0);
        f.set('ContextAt', op.info(k, f.address('Info'), found.object, a, f));
        return ask(k, f, a);
      },
      asked(k, f, rax, a) {
        endCall(k, f.address('Call'));
        const i = f.get('Index');
        k.mem.write64(f.address('Contexts') + i * 8, k.mem.read64(f.address('Info') + f.get('ContextAt')));
        if (rax !== STATUS_SUCCESS) {
          // A callback that says that it did the work itself, or that refuses. It is not told of the end itself.
          f.set('Status', rax === STATUS_CALLBACK_BYPASS ? STATUS_SUCCESS : rax);
          return tell(k, f);
        }
        f.set('Index', i + 1);
        return ask(k, f, a);
      },
      waited(k, f, _rax, a) {
        f.set('Status', op.afterWait!(k, f, a));
        return tell(k, f);
      },
      told(k, f, rax) {
        endCall(k, f.address('Call'));
        if (rax === STATUS_CALLBACK_BYPASS) f.set('Status', k.mem.read32(f.address('Post') + 24));
        return tell(k, f);
      },
    },
    abort: release,
  };
}

function release(k: Kernel, f: OperationFrame): void {
  endCall(k, f.address('Call'));
  for (let i = 0; i < f.get('Count'); i++) leaveCallback(k, entryAt(k, f, i));
  f.set('Count', 0);
  for (const name of ['Object', 'Result', 'Transaction'] as const) {
    const held = f.get(name);
    f.set(name, 0);
    if (held) obDereferenceDeferred(k, held);
  }
}
