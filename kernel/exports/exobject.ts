/** Synchronization objects with handles: the Zw services for events, semaphores, mutants and timers, and IoCreate*Event. Source: the WDK page of each. */
import { keClearEvent, keInitializeEvent, keInitializeMutant, keInitializeSemaphore, keReleaseMutant, keReleaseSemaphore, keResetEvent, keSetEvent } from '../ke/event.ts';
import { cancelTimerObject, ETIMER, initializeTimerObject, setTimerObject, timerApcRoutines } from '../ex/timerapc.ts';
import type { Kernel } from '../kernel.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { insertAndOpen, openNamed } from '../ob/named.ts';
import { obCreateObject, obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { DISPATCHER_HEADER, KEVENT, KMUTANT, KSEMAPHORE } from '../types/ke.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_6,
  STATUS_MUTANT_NOT_OWNED,
  STATUS_SEMAPHORE_LIMIT_EXCEEDED,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { BOOLEAN, HANDLE, LONG, type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG, VOID } from './declare.ts';
import { service } from './service.ts';

const POBJECT_ATTRIBUTES = pointer('POBJECT_ATTRIBUTES');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

const EVENT_MODIFY_STATE = 2, SEMAPHORE_MODIFY_STATE = 2, TIMER_MODIFY_STATE = 2;

/** Makes an object of a type, initialises its body, names it and opens a handle. */
function create(k: Kernel, variable: string, size: number, initialize: (body: number) => void, attributes: number, access: number, out: number): number {
  k.mem.probe(out, 8, true);
  const body = obCreateObject(k, exportedType(k, variable), size, { named: true });
  if (!body) return STATUS_INSUFFICIENT_RESOURCES;
  initialize(body);
  return insertAndOpen(k, body, attributes, access, out);
}

/** Runs `act` on the object of a handle; the handle's status when it is none of that type. */
function withObject(k: Kernel, handle: number, access: number, variable: string, act: (body: number) => number): number {
  const found = obReferenceObjectByHandle(k, handle, access, exportedType(k, variable), previousMode(k));
  if (found.status !== STATUS_SUCCESS) return found.status;
  try {
    return act(found.object);
  } finally {
    obDereferenceDeferred(k, found.object);
  }
}

const open = (name: string, variable: string, doc: string): NtExport[] =>
  service({
    name,
    doc,
    irql: PASSIVE,
    args: { Handle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES },
    returns: NTSTATUS,
    cycles: 700,
    status: 'full',
    impl: (k, { Handle, DesiredAccess, ObjectAttributes }) => openNamed(k, ObjectAttributes, exportedType(k, variable), DesiredAccess, Handle),
  });

/** ZwSetEvent and its like: a handle, and where the previous state goes. */
const eventService = (name: string, doc: string, act: (k: Kernel, event: number) => number): NtExport[] =>
  service({
    name,
    doc,
    irql: PASSIVE,
    args: { EventHandle: HANDLE, PreviousState: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, { EventHandle, PreviousState }) {
      if (PreviousState) k.mem.probe(PreviousState, 4, true);
      return withObject(k, EventHandle, EVENT_MODIFY_STATE, 'ExEventObjectType', event => {
        const previous = act(k, event);
        if (PreviousState) k.mem.write32(PreviousState, previous >>> 0);
        return STATUS_SUCCESS;
      });
    },
  });

const events: NtExport[] = [
  ...service({
    name: 'CreateEvent',
    doc: 'Creates an event object and opens a handle to it.',
    irql: PASSIVE,
    args: { EventHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, EventType: ULONG, InitialState: BOOLEAN },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      if (a.EventType > 1) return STATUS_INVALID_PARAMETER;
      return create(k, 'ExEventObjectType', KEVENT.size, e => keInitializeEvent(k, e, a.EventType, a.InitialState), a.ObjectAttributes, a.DesiredAccess, a.EventHandle);
    },
  }),
  ...open('OpenEvent', 'ExEventObjectType', 'Opens a handle to a named event.'),
  ...eventService('SetEvent', 'Sets an event to signaled.', (k, e) => keSetEvent(k, e, 1)),
  ...eventService('ResetEvent', 'Sets an event to not signaled and returns its previous state.', (k, e) => keResetEvent(k, e)),
  ...service({
    name: 'ClearEvent',
    doc: 'Sets an event to not signaled.',
    irql: PASSIVE,
    args: { EventHandle: HANDLE },
    returns: NTSTATUS,
    cycles: 250,
    status: 'full',
    impl: (k, { EventHandle }) =>
      withObject(k, EventHandle, EVENT_MODIFY_STATE, 'ExEventObjectType', e => {
        keClearEvent(k, e);
        return STATUS_SUCCESS;
      }),
  }),
];

const others: NtExport[] = [
  ...service({
    name: 'CreateSemaphore',
    doc: 'Creates a semaphore object and opens a handle to it.',
    irql: PASSIVE,
    args: { SemaphoreHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, InitialCount: LONG, MaximumCount: LONG },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      if (a.MaximumCount <= 0 || a.InitialCount < 0 || a.InitialCount > a.MaximumCount) return STATUS_INVALID_PARAMETER;
      return create(k, 'ExSemaphoreObjectType', KSEMAPHORE.size, s => keInitializeSemaphore(k, s, a.InitialCount, a.MaximumCount), a.ObjectAttributes, a.DesiredAccess, a.SemaphoreHandle);
    },
  }),
  ...open('OpenSemaphore', 'ExSemaphoreObjectType', 'Opens a handle to a named semaphore.'),
  ...service({
    name: 'ReleaseSemaphore',
    doc: 'Adds to the count of a semaphore.',
    irql: PASSIVE,
    args: { SemaphoreHandle: HANDLE, ReleaseCount: LONG, PreviousCount: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, { SemaphoreHandle, ReleaseCount, PreviousCount }) {
      if (ReleaseCount <= 0) return STATUS_INVALID_PARAMETER;
      if (PreviousCount) k.mem.probe(PreviousCount, 4, true);
      return withObject(k, SemaphoreHandle, SEMAPHORE_MODIFY_STATE, 'ExSemaphoreObjectType', s => {
        const previous = keReleaseSemaphore(k, s, 1, ReleaseCount);
        if (previous === null) return STATUS_SEMAPHORE_LIMIT_EXCEEDED;
        if (PreviousCount) k.mem.write32(PreviousCount, previous >>> 0);
        return STATUS_SUCCESS;
      });
    },
  }),
  ...service({
    name: 'CreateMutant',
    doc: 'Creates a mutex object and opens a handle to it.',
    irql: PASSIVE,
    args: { MutantHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, InitialOwner: BOOLEAN },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl: (k, a) => create(k, 'ExMutantObjectType', KMUTANT.size, m => keInitializeMutant(k, m, a.InitialOwner, 0), a.ObjectAttributes, a.DesiredAccess, a.MutantHandle),
  }),
  ...open('OpenMutant', 'ExMutantObjectType', 'Opens a handle to a named mutex.'),
  ...service({
    name: 'ReleaseMutant',
    doc: 'Releases a mutex that the current thread owns.',
    irql: PASSIVE,
    args: { MutantHandle: HANDLE, PreviousCount: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, { MutantHandle, PreviousCount }) {
      if (PreviousCount) k.mem.probe(PreviousCount, 4, true);
      return withObject(k, MutantHandle, 0, 'ExMutantObjectType', m => {
        const previous = keReleaseMutant(k, m, 1);
        if (previous === null) return STATUS_MUTANT_NOT_OWNED;
        if (PreviousCount) k.mem.write32(PreviousCount, previous >>> 0);
        return STATUS_SUCCESS;
      });
    },
  }),
];

const timers: NtExport[] = [
  ntExport({
    name: 'ExpDeleteTimer',
    internal: true,
    doc: 'Delete procedure of timer objects: takes the timer out of the table.',
    args: { Object: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, { Object }) => void cancelTimerObject(k, Object),
  }),
  ...service({
    name: 'CreateTimer',
    doc: 'Creates a timer object and opens a handle to it.',
    irql: PASSIVE,
    args: { TimerHandle: PVOID, DesiredAccess: ULONG, ObjectAttributes: POBJECT_ATTRIBUTES, TimerType: ULONG },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    impl(k, a) {
      if (a.TimerType > 1) return STATUS_INVALID_PARAMETER_4;
      return create(k, 'ExTimerObjectType', ETIMER.size, t => initializeTimerObject(k, t, a.TimerType === 1), a.ObjectAttributes, a.DesiredAccess, a.TimerHandle);
    },
  }),
  ...open('OpenTimer', 'ExTimerObjectType', 'Opens a handle to a named timer.'),
  ...service({
    name: 'SetTimer',
    doc: 'Starts a timer object; with a routine, the calling thread runs it each time the timer expires.',
    irql: PASSIVE,
    args: { TimerHandle: HANDLE, DueTime: PVOID, TimerApcRoutine: PVOID, TimerContext: PVOID, WakeTimer: BOOLEAN, Period: LONG, PreviousState: PVOID },
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    impl(k, a) {
      if (a.Period < 0) return STATUS_INVALID_PARAMETER_6;
      const due = BigInt.asIntN(64, k.mem.read64(a.DueTime));
      if (a.PreviousState) k.mem.probe(a.PreviousState, 1, true);
      return withObject(k, a.TimerHandle, TIMER_MODIFY_STATE, 'ExTimerObjectType', t => {
        const signaled = DISPATCHER_HEADER.f.SignalState.get(k.mem, t) !== 0;
        setTimerObject(k, t, { due, period: a.Period, routine: a.TimerApcRoutine, context: a.TimerContext, mode: previousMode(k) });
        if (a.PreviousState) k.mem.write8(a.PreviousState, signaled ? 1 : 0);
        return STATUS_SUCCESS;
      });
    },
  }),
  ...service({
    name: 'CancelTimer',
    doc: 'Stops a timer object; CurrentState says whether it was signaled.',
    irql: PASSIVE,
    args: { TimerHandle: HANDLE, CurrentState: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    impl(k, { TimerHandle, CurrentState }) {
      if (CurrentState) k.mem.probe(CurrentState, 1, true);
      return withObject(k, TimerHandle, TIMER_MODIFY_STATE, 'ExTimerObjectType', t => {
        cancelTimerObject(k, t);
        if (CurrentState) k.mem.write8(CurrentState, DISPATCHER_HEADER.f.SignalState.get(k.mem, t) !== 0 ? 1 : 0);
        return STATUS_SUCCESS;
      });
    },
  }),
];

export const objectExports: NtExport[] = [...events, ...others, ...timers, ...timerApcRoutines];
