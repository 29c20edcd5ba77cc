/**
 * What a driver makes known to the system and has to take back: devices, names, routines that are to be called; and who holds a remove lock. Source: WDK, "Bug Check 0xC4"
 * (0x62, 0xD5, 0xD6), "Bug Check 0xC9" (0x201, 0x202, 0x240), "Bug Check 0xCE".
 */
import type { Kernel } from '../kernel.ts';
import { D, extensionFlags, extensionOf } from '../io/device.ts';
import { readString } from '../ob/string.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4, DRIVER_VERIFIER_IOMANAGER_VIOLATION as C9 } from '../types/bugcodes.ts';
import { DEVOBJ_EXTENSION, DOE_DELETE_PENDING } from '../types/io.ts';
import { VF_RECORD } from './globals.ts';
import type { Hook, HookArgs, Hooks } from './hook.ts';
import { returned } from './hook.ts';
import {
  calledByDriver,
  chain,
  DELETED,
  DEVICE,
  forget,
  live,
  note,
  REGISTRATION,
  remember,
  remove,
  REMOVE_LOCK,
  SYMBOLIC_LINK,
} from './state.ts';

const R = VF_RECORD.f;
const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
const succeeded = (value: unknown): boolean => (returned(value as number) & 0x80000000) === 0;

// ---- devices and their names ----

const deviceMade: Hook = {
  after(k, a, value) {
    if (succeeded(value) && calledByDriver(k)) remember(k, DEVICE, k.mem.readPtr(a['DeviceObject']!));
  },
};

/** A number for a name, any case, by whatever way it leads to the devices' names: the key of its record. */
function nameKey(k: Kernel, name: number): number {
  let h = 0x811c9dc5;
  const plain = readString(k, name)
    .toUpperCase()
    .replace(/^\\(DOSDEVICES|\?\?|GLOBAL\?\?)\\(GLOBAL\\)?/, '');
  for (const c of plain) h = Math.imul(h ^ c.charCodeAt(0), 0x01000193) >>> 0;
  return h * 16;
}

const linkMade: Hook = {
  after(k, a, value) {
    if (succeeded(value) && calledByDriver(k)) remember(k, SYMBOLIC_LINK, nameKey(k, a['SymbolicLinkName']!));
  },
};

const deviceDeleted: Hook = {
  before(k, a) {
    const device = a['DeviceObject']!;
    if (!calledByDriver(k)) return void forget(k, DEVICE, device);
    if (extensionFlags(k, device) & DOE_DELETE_PENDING)
      k.bugCheck(C9, 0x240, k.caller(), 0, device, 'IoDeleteDevice was given a device that has been deleted already');
    const below = DEVOBJ_EXTENSION.f.AttachedTo.get(k.mem, extensionOf(k, device));
    if (below)
      k.bugCheck(
        C9,
        0x201,
        k.caller(),
        0,
        device,
        `a device is deleted that is still attached to ${hex(below)}: IoDetachDevice comes first`,
      );
    forget(k, DEVICE, device);
    note(k, DELETED, device, { frames: 8 });
  },
};

const deviceDetached: Hook = {
  before(k, a) {
    const device = a['TargetDevice']!;
    if (calledByDriver(k) && D.AttachedDevice.get(k.mem, device) === 0)
      k.bugCheck(C9, 0x202, k.caller(), 0, device, 'IoDetachDevice was given a device that nothing is attached to');
  },
};

// ---- routines that are to be called ----

/** `key`: what the registration is taken back by; `routine`: what would be called. */
const registers = (key: (k: Kernel, a: HookArgs, value: number) => number, routine: string): Hook => ({
  after(k, a, value) {
    const n = returned(value);
    if (calledByDriver(k) && n !== 0) remember(k, REGISTRATION, key(k, a, n), { data: a[routine]! });
  },
});
/** The same for routines that return an NTSTATUS. */
const registersWithStatus = (key: (k: Kernel, a: HookArgs) => number, routine: string, removing?: string): Hook => ({
  after(k, a, value) {
    if (!calledByDriver(k) || !succeeded(value)) return;
    if (removing !== undefined && a[removing]) forget(k, REGISTRATION, key(k, a));
    else remember(k, REGISTRATION, key(k, a), { data: a[routine]! });
  },
});
const takesBack = (argument: string): Hook => ({ before: (k, a) => void forget(k, REGISTRATION, Number(a[argument]!)) });
const byRoutine = (argument: string) => (_k: Kernel, a: HookArgs) => a[argument]!;
const byResult = (argument: string) => (k: Kernel, a: HookArgs) => k.mem.readPtr(a[argument]!);
const notify = registersWithStatus(byRoutine('NotifyRoutine'), 'NotifyRoutine', 'Remove');
const notifyEx = registersWithStatus(byRoutine('NotifyInformation'), 'NotifyInformation', 'Remove');

// ---- remove locks ----

function* holders(k: Kernel, lock: number): Generator<number> {
  if (live(k, REMOVE_LOCK) === 0) return;
  for (const record of chain(k, REMOVE_LOCK, lock)) if (R.Key.get(k.mem, record) === lock) yield record;
}

/** Takes out the record of the hold with that tag; false, and the newest other tag, when there is none. */
function released(k: Kernel, lock: number, tag: number): { found: boolean; other: number } {
  let other = 0;
  for (const record of holders(k, lock)) {
    if (R.Data.get(k.mem, record) === tag) {
      remove(k, record);
      return { found: true, other };
    }
    other ||= R.Data.get(k.mem, record);
  }
  return { found: false, other };
}

const releasesLock = (subcode: number, name: string): Hook => ({
  before(k, a) {
    const lock = a['RemoveLock']!,
      tag = a['Tag']!;
    const { found, other } = released(k, lock, tag);
    if (found || !calledByDriver(k) || k.global.get('VfDropped') !== 0) return;
    k.bugCheck(
      C4,
      subcode,
      lock,
      tag,
      subcode === 0xd6 ? other : 0,
      `${name} was given the tag ${hex(tag)}, with which nobody holds the remove lock ${hex(lock)}`,
    );
  },
});

export const registeredHooks: Hooks = {
  IoCreateDevice: deviceMade,
  WdmlibIoCreateDeviceSecure: deviceMade,
  IoDeleteDevice: deviceDeleted,
  IoDetachDevice: deviceDetached,
  IoCreateSymbolicLink: linkMade,
  IoCreateUnprotectedSymbolicLink: linkMade,
  IoDeleteSymbolicLink: { before: (k, a) => void forget(k, SYMBOLIC_LINK, nameKey(k, a['SymbolicLinkName']!)) },

  PsSetCreateProcessNotifyRoutine: notify,
  PsSetCreateProcessNotifyRoutineEx: notify,
  PsSetCreateProcessNotifyRoutineEx2: notifyEx,
  PsSetCreateThreadNotifyRoutine: notify,
  PsSetCreateThreadNotifyRoutineEx: notifyEx,
  PsRemoveCreateThreadNotifyRoutine: takesBack('NotifyRoutine'),
  PsSetLoadImageNotifyRoutine: notify,
  PsSetLoadImageNotifyRoutineEx: notify,
  PsRemoveLoadImageNotifyRoutine: takesBack('NotifyRoutine'),
  ExRegisterCallback: registers((_k, _a, handle) => handle, 'CallbackFunction'),
  ExUnregisterCallback: takesBack('CallbackRegistration'),
  KeRegisterNmiCallback: registers((_k, _a, handle) => handle, 'CallbackRoutine'),
  KeDeregisterNmiCallback: takesBack('Handle'),
  KeRegisterBugCheckCallback: registers(byRoutine('CallbackRecord'), 'CallbackRoutine'),
  KeDeregisterBugCheckCallback: takesBack('CallbackRecord'),
  KeRegisterBugCheckReasonCallback: registers(byRoutine('CallbackRecord'), 'CallbackRoutine'),
  KeDeregisterBugCheckReasonCallback: takesBack('CallbackRecord'),
  IoConnectInterrupt: registersWithStatus(byResult('InterruptObject'), 'ServiceRoutine'),
  IoDisconnectInterrupt: takesBack('InterruptObject'),
  // IO_DISCONNECT_INTERRUPT_PARAMETERS.ConnectionContext.
  IoDisconnectInterruptEx: { before: (k, a) => void forget(k, REGISTRATION, k.mem.readPtr(a['Parameters']! + 8)) },
  IoRegisterPlugPlayNotification: registersWithStatus(byResult('NotificationEntry'), 'CallbackRoutine'),
  IoUnregisterPlugPlayNotification: takesBack('NotificationEntry'),
  IoUnregisterPlugPlayNotificationEx: takesBack('NotificationEntry'),

  IoInitializeRemoveLockEx: {
    before(k, a) {
      for (const record of [...holders(k, a['Lock']!)]) remove(k, record);
    },
  },
  IoAcquireRemoveLockEx: {
    after(k, a, value) {
      if (returned(value) === 0) remember(k, REMOVE_LOCK, a['RemoveLock']!, { data: a['Tag']!, frames: 6 });
    },
  },
  IoReleaseRemoveLockEx: releasesLock(0xd5, 'IoReleaseRemoveLock'),
  IoReleaseRemoveLockAndWaitEx: releasesLock(0xd6, 'IoReleaseRemoveLockAndWait'),
};

/** Memory goes: the remove locks in it are gone. */
export function removeLocksGone(k: Kernel, start: number, bytes: number): void {
  if (live(k, REMOVE_LOCK) === 0) return;
  for (const record of [...chain(k, REMOVE_LOCK, 0)]) {
    const lock = R.Key.get(k.mem, record);
    if (lock >= start && lock < start + bytes) remove(k, record);
  }
}
