/**
 * Notification of Plug and Play events to drivers: interfaces that come and go, devices that are about to be removed. Source: WDK, IoRegisterPlugPlayNotification and the
 * notification structures. Interface changes are told by a worker thread after the change; who has a device open is asked before its removal, in the thread that removes it.
 */
import {
  call,
  type Frame,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { acquireRundown, releaseRundown } from '../exports/exrundown.ts';
import { exQueueWorkItem } from '../ex/work.ts';
import { baseDevice } from '../io/device.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obDereferenceDeferred, obReferenceObject } from '../ob/object.ts';
import { wide } from '../ob/string.ts';
import { initializeListHead, insertTailList, removeEntryList } from '../rtl/list.ts';
import { WORK_QUEUE_ITEM } from '../types/ex.ts';
import { FILE_OBJECT } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY, UNICODE_STRING } from '../types/rtl.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { array, ptr, struct, u16, u32, u64, u8 } from '../types/struct.ts';
import { PDEVICE_OBJECT } from '../io/call.ts';
import { nodeOfPdo } from './relations.ts';
import { guidText, interfaceLinks } from './interface.ts';

/** IO_NOTIFICATION_EVENT_CATEGORY */
export const EventCategoryHardwareProfileChange = 1,
  EventCategoryDeviceInterfaceChange = 2,
  EventCategoryTargetDeviceChange = 3;
const INCLUDE_EXISTING_INTERFACES = 1;

/** Last byte of the first group of the events' GUIDs, cb3a40xx-46f0-11d0-b08f-00609713053f. */
export const DEVICE_INTERFACE_ARRIVAL = 0x04,
  DEVICE_INTERFACE_REMOVAL = 0x05,
  TARGET_DEVICE_QUERY_REMOVE = 0x06,
  TARGET_DEVICE_REMOVE_CANCELLED = 0x07,
  TARGET_DEVICE_REMOVE_COMPLETE = 0x08;
const EVENT_GUID = [0x00, 0x40, 0x3a, 0xcb, 0xf0, 0x46, 0xd0, 0x11, 0xb0, 0x8f, 0x00, 0x60, 0x97, 0x13, 0x05, 0x3f];
const eventGuid = (event: number): Uint8Array => Uint8Array.from([event, ...EVENT_GUID.slice(1)]);

/** A registration. */
const ENTRY = struct('_NOTIFICATION_ENTRY', {
  Link: LIST_ENTRY,
  /** Held while the routine runs. */
  Rundown: u64,
  Category: u32,
  Class: [0x20, array(u8, 16)],
  FileObject: [0x30, ptr],
  /** Physical device of the file object. */
  Target: ptr,
  DriverObject: ptr,
  Routine: ptr,
  Context: u64,
});
const E = ENTRY.f;

/** An interface change that a worker thread is to tell of. */
const EVENT = struct('_INTERFACE_EVENT', {
  Item: WORK_QUEUE_ITEM,
  Event: u32,
  /** The only entry that is told, or 0. */
  Only: ptr,
  Class: array(u8, 16),
  Name: UNICODE_STRING,
});
const V = EVENT.f;

/** What routines get: the header and the members of the two kinds. */
const NOTIFICATION = struct('_PLUGPLAY_NOTIFICATION', {
  Version: u16,
  Size: u16,
  Event: [4, array(u8, 16)],
  InterfaceClassGuid: [0x14, array(u8, 16)],
  SymbolicLinkName: [0x28, ptr],
});
const INTERFACE_SIZE = 0x30,
  TARGET_SIZE = 0x20,
  TARGET_FILE_OBJECT = 0x18;
const TAG = poolTag('PnPn');

const head = (k: Kernel): number => {
  const at = k.global.address('PnpNotificationListHead');
  if (k.mem.readPtr(at) === 0) initializeListHead(k.mem, at);
  return at;
};

const sameBytes = (k: Kernel, a: number, b: number): boolean =>
  k.mem.read64(a) === k.mem.read64(b) && k.mem.read64(a + 8) === k.mem.read64(b + 8);

/** Queues the news of an interface. Without pool it is lost. */
export function postInterfaceChange(k: Kernel, event: number, classGuid: Uint8Array, link: string, only = 0): void {
  const { mem } = k;
  const bytes = wide(link);
  const at = exAllocatePool(k, NonPagedPoolNx, EVENT.size + bytes.length + 2, TAG);
  if (!at) return;
  mem.fill(at, EVENT.size + bytes.length + 2, 0);
  mem.writeBytes(at + EVENT.size, bytes);
  mem.writeBytes(at + V.Class.offset, classGuid);
  V.Event.set(mem, at, event);
  V.Only.set(mem, at, only);
  const name = at + V.Name.offset;
  UNICODE_STRING.f.Length.set(mem, name, bytes.length);
  UNICODE_STRING.f.MaximumLength.set(mem, name, bytes.length + 2);
  UNICODE_STRING.f.Buffer.set(mem, name, at + EVENT.size);
  mem.writePtr(at + WORK_QUEUE_ITEM.f.WorkerRoutine.offset, k.address('nt!PipNotifyInterfaceChange'));
  mem.writePtr(at + WORK_QUEUE_ITEM.f.Parameter.offset, at);
  exQueueWorkItem(k, at, 1);
}

const walkFrame = { Entry: ptr, Next: ptr, Status: u32, Notification: NOTIFICATION };
type WalkFrame = Frame<typeof walkFrame>;

/** Calls the routine of the next entry that `wanted` says yes to, with the notification at that address; the walk ends with `done`. */
function callNext(
  k: Kernel,
  f: WalkFrame,
  wanted: (entry: number) => boolean,
  done: () => Outcome,
  notification = f.address('Notification'),
): Outcome {
  const { mem } = k;
  for (let at = f.get('Next'); at !== head(k); at = mem.readPtr(at)) {
    if (!wanted(at) || !acquireRundown(k, at + E.Rundown.offset, 1)) continue;
    f.set('Entry', at);
    f.set('Next', mem.readPtr(at));
    if (E.Category.get(mem, at) === EventCategoryTargetDeviceChange)
      mem.writePtr(notification + TARGET_FILE_OBJECT, E.FileObject.get(mem, at));
    return call(E.Routine.get(mem, at), [notification, E.Context.get(mem, at)], 'called');
  }
  return done();
}

function begin(k: Kernel, f: WalkFrame, event: number, size: number): void {
  const at = f.address('Notification');
  k.mem.fill(at, NOTIFICATION.size, 0);
  NOTIFICATION.f.Version.set(k.mem, at, 1);
  NOTIFICATION.f.Size.set(k.mem, at, size);
  k.mem.writeBytes(at + NOTIFICATION.f.Event.offset, eventGuid(event));
  f.set('Next', k.mem.readPtr(head(k)));
  f.set('Status', STATUS_SUCCESS);
}
const endCall = (k: Kernel, f: WalkFrame): void => releaseRundown(k, f.get('Entry') + E.Rundown.offset, 1);

const nextInterface = (k: Kernel, f: WalkFrame, event: number): Outcome =>
  callNext(
    k,
    f,
    entry =>
      E.Category.get(k.mem, entry) === EventCategoryDeviceInterfaceChange &&
      (V.Only.get(k.mem, event) === 0 || V.Only.get(k.mem, event) === entry) &&
      sameBytes(k, entry + E.Class.offset, event + V.Class.offset),
    () => {
      exFreePool(k, event, TAG);
      return ret();
    },
  );

const isTarget = (k: Kernel, entry: number, target: number): boolean =>
  E.Category.get(k.mem, entry) === EventCategoryTargetDeviceChange && E.Target.get(k.mem, entry) === target;

const nextTarget = (k: Kernel, f: WalkFrame, target: number): Outcome =>
  callNext(
    k,
    f,
    entry => isTarget(k, entry, target),
    () => ret(f.get('Status')),
  );

/** An event of a driver's own making that a worker thread is to tell of; the notification follows it. */
const CUSTOM_EVENT = struct('_CUSTOM_DEVICE_EVENT', { Item: WORK_QUEUE_ITEM, Device: ptr, Callback: ptr, Context: u64 });
const C = CUSTOM_EVENT.f;
/** Smallest TARGET_DEVICE_CUSTOM_NOTIFICATION: up to NameBufferOffset. */
const CUSTOM_SIZE = 0x24;

/** The events of the system itself, which no driver may make up. */
function isSystemEvent(k: Kernel, notification: number): boolean {
  const guid = k.mem.readBytes(notification + NOTIFICATION.f.Event.offset, 16);
  return [TARGET_DEVICE_QUERY_REMOVE, TARGET_DEVICE_REMOVE_CANCELLED, TARGET_DEVICE_REMOVE_COMPLETE].some(event =>
    eventGuid(event).every((b, i) => b === guid[i]),
  );
}

/** What is wrong with a driver's event; STATUS_SUCCESS for nothing. */
function checkCustom(k: Kernel, routine: string, device: number, notification: number): number {
  nodeOfPdo(k, routine, device);
  k.mem.probe(notification, CUSTOM_SIZE, true);
  if (isSystemEvent(k, notification)) return STATUS_INVALID_DEVICE_REQUEST;
  return NOTIFICATION.f.Size.get(k.mem, notification) < CUSTOM_SIZE ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

/** Tells the next driver of an event of a device. */
const nextCustom = (k: Kernel, f: WalkFrame, device: number, notification: number, done: () => Outcome): Outcome =>
  callNext(k, f, entry => isTarget(k, entry, device), done, notification);

/** Everybody has been told. */
const told = (k: Kernel, event: number): Outcome => {
  const callback = C.Callback.get(k.mem, event);
  return callback ? call(callback, [C.Context.get(k.mem, event)], 'finished') : endCustom(k, event);
};

function endCustom(k: Kernel, event: number): Outcome {
  const device = C.Device.get(k.mem, event);
  exFreePool(k, event, TAG);
  return call(k.address('nt!ObfDereferenceObject'), [device], 'done');
}

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

export const exports: NtExport[] = [
  ntSteps({
    name: 'PipNotifyInterfaceChange',
    internal: true,
    doc: 'Worker: tells the drivers that registered for an interface class what has happened to an interface of it.',
    args: { Event: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: walkFrame,
    steps: {
      start(k, f, _rax, { Event }) {
        begin(k, f, V.Event.get(k.mem, Event), INTERFACE_SIZE);
        const at = f.address('Notification');
        k.mem.writeBytes(at + NOTIFICATION.f.InterfaceClassGuid.offset, k.mem.readBytes(Event + V.Class.offset, 16));
        NOTIFICATION.f.SymbolicLinkName.set(k.mem, at, Event + V.Name.offset);
        return nextInterface(k, f, Event);
      },
      called(k, f, _rax, { Event }) {
        endCall(k, f);
        return nextInterface(k, f, Event);
      },
    },
  }),
  ntSteps({
    name: 'PipNotifyTargetDeviceChange',
    internal: true,
    doc: 'Tells the drivers that registered for files on a physical device of its removal; a query that one refuses ends with its status.',
    args: { PhysicalDeviceObject: PVOID, Event: ULONG },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: walkFrame,
    steps: {
      start(k, f, _rax, a) {
        begin(k, f, a.Event, TARGET_SIZE);
        return nextTarget(k, f, a.PhysicalDeviceObject);
      },
      called(k, f, rax, a) {
        endCall(k, f);
        if (a.Event === TARGET_DEVICE_QUERY_REMOVE && (rax | 0) < 0) return ret(rax);
        return nextTarget(k, f, a.PhysicalDeviceObject);
      },
    },
  }),
  ntSteps({
    name: 'IoReportTargetDeviceChange',
    doc: 'Tells the drivers that registered for files on a device of an event of its driver, and returns when all know.',
    irql: PASSIVE,
    args: { PhysicalDeviceObject: PDEVICE_OBJECT, NotificationStructure: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: walkFrame,
    steps: {
      start(k, f, _rax, a) {
        const status = checkCustom(k, 'IoReportTargetDeviceChange', a.PhysicalDeviceObject, a.NotificationStructure);
        if (status !== STATUS_SUCCESS) return ret(status);
        f.set('Next', k.mem.readPtr(head(k)));
        return nextCustom(k, f, a.PhysicalDeviceObject, a.NotificationStructure, () => ret(STATUS_SUCCESS));
      },
      called(k, f, _rax, a) {
        endCall(k, f);
        return nextCustom(k, f, a.PhysicalDeviceObject, a.NotificationStructure, () => ret(STATUS_SUCCESS));
      },
    },
  }),
  ntExport({
    name: 'IoReportTargetDeviceChangeAsynchronous',
    doc: 'Has a worker thread tell the drivers that registered for files on a device of an event of its driver; then it calls a routine of the caller.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { PhysicalDeviceObject: PDEVICE_OBJECT, NotificationStructure: PVOID, Callback: PVOID, Context: PVOID },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      const status = checkCustom(k, 'IoReportTargetDeviceChangeAsynchronous', a.PhysicalDeviceObject, a.NotificationStructure);
      if (status !== STATUS_SUCCESS) return status;
      const size = NOTIFICATION.f.Size.get(mem, a.NotificationStructure);
      const at = exAllocatePool(k, NonPagedPoolNx, CUSTOM_EVENT.size + size, TAG);
      if (!at) return STATUS_INSUFFICIENT_RESOURCES;
      mem.fill(at, CUSTOM_EVENT.size, 0);
      mem.copy(at + CUSTOM_EVENT.size, a.NotificationStructure, size);
      obReferenceObject(k, a.PhysicalDeviceObject);
      C.Device.set(mem, at, a.PhysicalDeviceObject);
      C.Callback.set(mem, at, a.Callback);
      mem.writePtr(at + C.Context.offset, a.Context);
      mem.writePtr(at + WORK_QUEUE_ITEM.f.WorkerRoutine.offset, k.address('nt!PipReportCustomEvent'));
      mem.writePtr(at + WORK_QUEUE_ITEM.f.Parameter.offset, at);
      exQueueWorkItem(k, at, 1);
      return STATUS_PENDING;
    },
  }),
  ntSteps({
    name: 'PipReportCustomEvent',
    internal: true,
    doc: "Worker: tells of a driver's event, and the driver of the end.",
    args: { Event: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: walkFrame,
    steps: {
      start(k, f, _rax, { Event }) {
        f.set('Next', k.mem.readPtr(head(k)));
        return nextCustom(k, f, C.Device.get(k.mem, Event), Event + CUSTOM_EVENT.size, () => told(k, Event));
      },
      called(k, f, _rax, { Event }) {
        endCall(k, f);
        return nextCustom(k, f, C.Device.get(k.mem, Event), Event + CUSTOM_EVENT.size, () => told(k, Event));
      },
      finished: (k, _f, _rax, { Event }) => endCustom(k, Event),
      done: () => ret(),
    },
  }),
  ntSteps({
    name: 'IoRegisterPlugPlayNotification',
    doc: 'Registers a routine for interfaces of a class that come and go, for the removal of the device of a file, or for changes of the hardware profile.',
    irql: PASSIVE,
    args: {
      EventCategory: ULONG,
      EventCategoryFlags: ULONG,
      EventCategoryData: PVOID,
      DriverObject: PVOID,
      CallbackRoutine: PVOID,
      Context: PVOID,
      NotificationEntry: pointer('PVOID*'),
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Unused: u64 },
    steps: {
      start(k, _f, _rax, a) {
        const { mem } = k;
        mem.probe(a.NotificationEntry, 8, true);
        const isProfile = a.EventCategory === EventCategoryHardwareProfileChange;
        if (a.EventCategory < 1 || a.EventCategory > 3 || (isProfile ? a.EventCategoryData !== 0 : a.EventCategoryData === 0))
          return ret(STATUS_INVALID_PARAMETER);
        const entry = exAllocatePool(k, NonPagedPoolNx, ENTRY.size, TAG);
        if (!entry) return ret(STATUS_INSUFFICIENT_RESOURCES);
        mem.fill(entry, ENTRY.size, 0);
        E.Category.set(mem, entry, a.EventCategory);
        E.DriverObject.set(mem, entry, a.DriverObject);
        E.Routine.set(mem, entry, a.CallbackRoutine);
        mem.writePtr(entry + E.Context.offset, a.Context);
        if (a.EventCategory === EventCategoryDeviceInterfaceChange)
          mem.writeBytes(entry + E.Class.offset, mem.readBytes(a.EventCategoryData, 16));
        else if (!isProfile) {
          E.FileObject.set(mem, entry, a.EventCategoryData);
          E.Target.set(mem, entry, baseDevice(k, FILE_OBJECT.f.DeviceObject.get(mem, a.EventCategoryData)));
        }
        // The driver stays loaded as long as it is registered.
        obReferenceObject(k, a.DriverObject);
        insertTailList(mem, head(k), entry);
        mem.writePtr(a.NotificationEntry, entry);
        if (a.EventCategory === EventCategoryDeviceInterfaceChange && a.EventCategoryFlags & INCLUDE_EXISTING_INTERFACES)
          for (const link of interfaceLinks(k, guidText(k, a.EventCategoryData), 0, false))
            postInterfaceChange(k, DEVICE_INTERFACE_ARRIVAL, mem.readBytes(a.EventCategoryData, 16), link, entry);
        return ret(STATUS_SUCCESS);
      },
    },
  }),
  ...(['IoUnregisterPlugPlayNotification', 'IoUnregisterPlugPlayNotificationEx'] as const).map(name =>
    ntSteps({
      name,
      doc: 'Takes back a registration for Plug and Play events, once its routine is not running.',
      irql: PASSIVE,
      args: { NotificationEntry: PVOID },
      returns: NTSTATUS,
      cycles: 150,
      status: 'full',
      frame: { Unused: u64 },
      steps: {
        start: (k, _f, _rax, { NotificationEntry }) =>
          call(k.address('nt!ExWaitForRundownProtectionRelease'), [NotificationEntry + E.Rundown.offset], 'idle'),
        idle(k, _f, _rax, { NotificationEntry }) {
          const driver = E.DriverObject.get(k.mem, NotificationEntry);
          removeEntryList(k.mem, NotificationEntry);
          exFreePool(k, NotificationEntry, TAG);
          obDereferenceDeferred(k, driver);
          return ret(STATUS_SUCCESS);
        },
      },
    }),
  ),
];
