/** Callback objects. Source: WDK, "Callback objects". */
import type { Kernel } from '../kernel.ts';
import { keClearEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { initializeListHead, insertTailList, removeEntryList } from '../rtl/list.ts';
import { readAttributes } from '../ob/attributes.ts';
import { obInsertNamed, obLookup } from '../ob/directory.ts';
import { freeObject, obCreateObject, obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { CALLBACK_OBJECT, CALLBACK_REGISTRATION } from '../types/ex.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type Frame,
  type NtExport,
  ntExport,
  NTSTATUS,
  ntSteps,
  type Outcome,
  pointer,
  PVOID,
  ret,
  VOID,
  wait,
} from './declare.ts';

const C = CALLBACK_OBJECT.f,
  R = CALLBACK_REGISTRATION.f;
const SIGNATURE = 0x6c6c6143; // 'Call'
const TAG_REGISTRATION = 0x52626343; // 'CcbR'

/** The object of a name, made if it is not there and `create` says so; referenced. */
function openCallback(k: Kernel, attributes: number, create: boolean, multiple: boolean): { status: number; object: number } {
  const a = readAttributes(k, attributes);
  if (a.status !== STATUS_SUCCESS) return { status: a.status, object: 0 };
  const type = exportedType(k, 'ExCallbackObjectType');
  if (a.path) {
    const found = obLookup(k, a.path, { attributes: a.attributes });
    if (found.status === STATUS_SUCCESS) {
      if (obTypeOf(k, found.object) !== type) return { status: STATUS_OBJECT_TYPE_MISMATCH, object: 0 };
      obReferenceObject(k, found.object);
      return { status: STATUS_SUCCESS, object: found.object };
    }
    if (!create || found.status !== STATUS_OBJECT_NAME_NOT_FOUND) return { status: found.status, object: 0 };
  }
  const object = obCreateObject(k, type, CALLBACK_OBJECT.size, { named: a.path !== '' });
  if (!object) return { status: STATUS_INSUFFICIENT_RESOURCES, object: 0 };
  C.Signature.set(k.mem, object, SIGNATURE);
  C.AllowMultipleCallbacks.set(k.mem, object, multiple ? 1 : 0);
  initializeListHead(k.mem, object + C.RegisteredCallbacks.offset);
  const status = a.path ? obInsertNamed(k, a.path, object) : STATUS_SUCCESS;
  if (status === STATUS_SUCCESS) return { status, object };
  freeObject(k, object);
  return { status, object: 0 };
}

const frame = { Object: ptr, Current: ptr, Argument1: ptr, Argument2: ptr };

/** Calls the registration after `Current`; not those that somebody waits to take back. */
function notifyNext(k: Kernel, f: Frame<typeof frame>): Outcome {
  const object = f.get('Object'),
    head = object + C.RegisteredCallbacks.offset;
  const current = f.get('Current');
  let next = k.mem.readPtr(current || head);
  while (next !== head && R.UnregisterWaiting.get(k.mem, next)) next = k.mem.readPtr(next);
  f.set('Current', 0);
  if (current) leave(k, current);
  if (next === head) {
    obDereferenceDeferred(k, object);
    return ret();
  }
  R.Busy.set(k.mem, next, R.Busy.get(k.mem, next) + 1);
  f.set('Current', next);
  return call(R.CallbackFunction.get(k.mem, next), [R.CallbackContext.get(k.mem, next), f.get('Argument1'), f.get('Argument2')], 'next');
}

/** A notification has left a registration: who waits for that to take it back looks again. */
function leave(k: Kernel, registration: number): void {
  const busy = R.Busy.get(k.mem, registration) - 1;
  R.Busy.set(k.mem, registration, busy);
  if (busy === 0 && R.UnregisterWaiting.get(k.mem, registration)) keSetEvent(k, k.global.address('ExpCallbackEvent'), 0);
}

/** Takes a registration back, or waits until no notification is in it. As on Windows, a routine that takes its own registration back waits for ever. */
function unregister(k: Kernel, registration: number): Outcome {
  const event = k.global.address('ExpCallbackEvent');
  while (R.Busy.get(k.mem, registration)) {
    R.UnregisterWaiting.set(k.mem, registration, 1);
    keClearEvent(k, event);
    if (keWait(k, [event]) === 'blocked') return wait('left');
  }
  removeRegistration(k, registration);
  return ret();
}

function removeRegistration(k: Kernel, registration: number): void {
  removeEntryList(k.mem, registration);
  obDereferenceDeferred(k, R.CallbackObject.get(k.mem, registration));
  exFreePool(k, registration, TAG_REGISTRATION);
}

export const callbackExports: NtExport[] = [
  ntExport({
    name: 'ExCreateCallback',
    doc: 'Opens a callback object, or creates it.',
    irql: { max: 'APC_LEVEL' },
    args: { CallbackObject: PVOID, ObjectAttributes: pointer('POBJECT_ATTRIBUTES'), Create: BOOLEAN, AllowMultipleCallbacks: BOOLEAN },
    returns: NTSTATUS,
    cycles: 600,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.CallbackObject, 8, true);
      const opened = openCallback(k, a.ObjectAttributes, a.Create, a.AllowMultipleCallbacks);
      k.mem.writePtr(a.CallbackObject, opened.object);
      return opened.status;
    },
  }),
  ntExport({
    name: 'ExRegisterCallback',
    doc: 'Registers a routine with a callback object; NULL when it allows one only and has one.',
    irql: { max: 'APC_LEVEL' },
    args: { CallbackObject: PVOID, CallbackFunction: PVOID, CallbackContext: PVOID },
    returns: PVOID,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const head = a.CallbackObject + C.RegisteredCallbacks.offset;
      if (!C.AllowMultipleCallbacks.get(k.mem, a.CallbackObject) && k.mem.readPtr(head) !== head) return 0;
      const r = exAllocatePool(k, NonPagedPoolNx, CALLBACK_REGISTRATION.size, TAG_REGISTRATION);
      if (!r) return 0;
      k.mem.fill(r, CALLBACK_REGISTRATION.size, 0);
      R.CallbackObject.set(k.mem, r, a.CallbackObject);
      R.CallbackFunction.set(k.mem, r, a.CallbackFunction);
      R.CallbackContext.set(k.mem, r, a.CallbackContext);
      obReferenceObject(k, a.CallbackObject);
      insertTailList(k.mem, head, r);
      return r;
    },
  }),
  ntSteps({
    name: 'ExUnregisterCallback',
    doc: 'Takes a registered routine back; waits for notifications that are under way in it.',
    irql: { max: 'APC_LEVEL' },
    args: { CallbackRegistration: PVOID },
    returns: VOID,
    cycles: 150,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, a) => unregister(k, a.CallbackRegistration),
      left: (k, _f, _rax, a) => unregister(k, a.CallbackRegistration),
    },
  }),
  ntSteps({
    name: 'ExNotifyCallback',
    doc: 'Calls the routines registered with a callback object, in their order.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { CallbackObject: PVOID, Argument1: PVOID, Argument2: PVOID },
    returns: VOID,
    cycles: 80,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        const head = a.CallbackObject + C.RegisteredCallbacks.offset;
        if (k.mem.readPtr(head) === head) return ret();
        obReferenceObject(k, a.CallbackObject);
        f.set('Object', a.CallbackObject);
        f.set('Current', 0);
        f.set('Argument1', a.Argument1);
        f.set('Argument2', a.Argument2);
        return notifyNext(k, f);
      },
      next: (k, f) => notifyNext(k, f),
    },
    abort(k, f) {
      if (f.get('Current')) leave(k, f.get('Current'));
      if (f.get('Object')) obDereferenceDeferred(k, f.get('Object'));
      f.set('Current', 0);
      f.set('Object', 0);
    },
  }),
];
