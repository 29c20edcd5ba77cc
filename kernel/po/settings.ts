/**
 * What drivers tell the power manager of the system, and what it tells them: registrations against sleep, marks of who woke the system, power settings. This machine runs on mains,
 * with its display on, and does not sleep by itself. Source: the WDK page of each routine; values of the settings: wdm.h.
 */
import type { Kernel } from '../kernel.ts';
import { PIRP } from '../io/call.ts';
import { I } from '../io/irp.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { guidText } from '../pnp/interface.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../types/status.ts';
import { array, ptr, struct, u32, u64, u8 } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const TAG = poolTag('Popw');

/** PoRegisterSystemState's handle: what keeps the system from sleeping. */
const SYSTEM_STATE = struct('_POP_SYSTEM_STATE', { Link: LIST_ENTRY, Flags: u32 });
/** EXECUTION_STATE: ES_SYSTEM_REQUIRED, ES_DISPLAY_REQUIRED, ES_USER_PRESENT. */
const ES_VALID = 0x7;

/** PoRegisterPowerSettingCallback's handle. */
const SETTING = struct('_POP_SETTING_REGISTRATION', {
  Link: LIST_ENTRY,
  Signature: u32,
  Guid: [0x18, array(u8, 16)],
  Callback: ptr,
  Context: u64,
  ValueLength: u32,
  Value: [0x40, array(u8, 16)],
});
const G = SETTING.f;
const SIGNATURE = 0x67655350;

/** IRP.Flags of a wait/wake request whose device has woken the system. */
const IRP_SYSTEM_WAKE = 0x80000000;

const list = (k: Kernel, name: 'PopSystemStateList' | 'PopSettingList'): number => {
  const at = k.global.address(name);
  if (k.mem.readPtr(at) === 0) initializeListHead(k.mem, at);
  return at;
};

const number = (value: number): number[] => [value, 0, 0, 0];
/** GUID_TYPICAL_POWER_SAVINGS, the balanced scheme, as it lies in memory. */
const BALANCED = [0x22, 0x42, 0x1b, 0x38, 0x94, 0xf6, 0xf0, 0x41, 0x96, 0x85, 0xff, 0x5b, 0xb2, 0x60, 0xdf, 0x2e];
/** The settings of this machine, by GUID. */
const VALUES: { readonly [guid: string]: readonly number[] } = {
  // GUID_ACDC_POWER_SOURCE: PoAc.
  '{5d3e9a59-e9d5-4b00-a6bd-ff34ff516548}': number(0),
  // GUID_BATTERY_PERCENTAGE_REMAINING: a machine without a battery says 100.
  '{a7ad8041-b45a-4cae-87a3-eecbb468a9e1}': number(100),
  // GUID_MONITOR_POWER_ON, GUID_CONSOLE_DISPLAY_STATE (on), GUID_LIDSWITCH_STATE_CHANGE (open).
  '{02731015-4510-4526-99e6-e5a17ebd1aea}': number(1),
  '{6fe69556-704a-47a0-8f24-c28d936fda47}': number(1),
  '{ba3e0f4d-b817-4094-a2d1-d56379e6a0f3}': number(1),
  // GUID_SYSTEM_AWAYMODE: no.
  '{98a7f580-01f7-48aa-9c0f-44352c29e5c0}': number(0),
  // GUID_POWERSCHEME_PERSONALITY, GUID_ACTIVE_POWERSCHEME.
  '{245d8541-3943-4422-b025-13a784f679b7}': BALANCED,
  '{31f9f286-5084-42fe-b720-2b0264993763}': BALANCED,
};

const states: NtExport[] = [
  ntExport({
    name: 'PoRegisterSystemState',
    doc: 'Says that the system, its display or its user is busy until further notice; returns a handle, or NULL.',
    irql: { max: 'APC_LEVEL' },
    args: { StateHandle: PVOID, Flags: ULONG },
    returns: PVOID,
    cycles: 150,
    status: 'full',
    impl(k, { StateHandle, Flags }) {
      const { mem } = k;
      const known = StateHandle && [...listEntries(mem, list(k, 'PopSystemStateList'))].includes(StateHandle) ? StateHandle : 0;
      if (StateHandle && !known) return 0;
      const handle = known || exAllocatePool(k, NonPagedPoolNx, SYSTEM_STATE.size, TAG);
      if (!handle) return 0;
      if (!known) insertTailList(mem, list(k, 'PopSystemStateList'), handle);
      SYSTEM_STATE.f.Flags.set(mem, handle, Flags & ES_VALID);
      return handle;
    },
  }),
  ntExport({
    name: 'PoUnregisterSystemState',
    doc: 'Takes back what PoRegisterSystemState registered.',
    irql: { max: 'APC_LEVEL' },
    args: { StateHandle: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl(k, { StateHandle }) {
      if (![...listEntries(k.mem, list(k, 'PopSystemStateList'))].includes(StateHandle)) return;
      removeEntryList(k.mem, StateHandle);
      exFreePool(k, StateHandle, TAG);
    },
  }),
  ntExport({
    name: 'PoSetSystemWake',
    doc: 'Marks a wait/wake request as one that has woken the system.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: VOID,
    cycles: 30,
    status: 'partial',
    missing: 'the mark is kept; the system keeps no list of who woke it, as it never sleeps',
    impl: (k, { Irp }) => I.Flags.set(k.mem, Irp, (I.Flags.get(k.mem, Irp) | IRP_SYSTEM_WAKE) >>> 0),
  }),
  ntExport({
    name: 'PoGetSystemWake',
    doc: 'Says whether a request was marked as one that has woken the system.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl: (k, { Irp }) => (I.Flags.get(k.mem, Irp) & IRP_SYSTEM_WAKE) !== 0,
  }),
];

const settings: NtExport[] = [
  ntSteps({
    name: 'PoRegisterPowerSettingCallback',
    doc: 'Registers a routine for a power setting, which is called at once with the value that the setting has.',
    irql: PASSIVE,
    args: { DeviceObject: PVOID, SettingGuid: PVOID, Callback: PVOID, Context: PVOID, Handle: pointer('PVOID*') },
    returns: NTSTATUS,
    cycles: 250,
    status: 'partial',
    missing: 'the settings of this machine do not change: the first call is the only one',
    frame: { Unused: u32 },
    steps: {
      start(k, _f, _rax, a) {
        const { mem } = k;
        if (a.Handle) mem.probe(a.Handle, 8, true);
        const value = VALUES[guidText(k, a.SettingGuid)];
        const at = exAllocatePool(k, NonPagedPoolNx, SETTING.size, TAG);
        if (!at) return ret(STATUS_INSUFFICIENT_RESOURCES);
        mem.fill(at, SETTING.size, 0);
        G.Signature.set(mem, at, SIGNATURE);
        mem.copy(at + G.Guid.offset, a.SettingGuid, 16);
        G.Callback.set(mem, at, a.Callback);
        mem.writePtr(at + G.Context.offset, a.Context);
        insertTailList(mem, list(k, 'PopSettingList'), at);
        if (a.Handle) mem.writePtr(a.Handle, at);
        if (!value) return ret(STATUS_SUCCESS);
        mem.writeBytes(at + G.Value.offset, Uint8Array.from(value));
        G.ValueLength.set(mem, at, value.length);
        return call(a.Callback, [at + G.Guid.offset, at + G.Value.offset, value.length, a.Context], 'told');
      },
      told: () => ret(STATUS_SUCCESS),
    },
  }),
  ntExport({
    name: 'PoUnregisterPowerSettingCallback',
    doc: 'Takes back a registration for a power setting.',
    irql: PASSIVE,
    args: { Handle: PVOID },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl(k, { Handle }) {
      if (![...listEntries(k.mem, list(k, 'PopSettingList'))].includes(Handle)) return STATUS_INVALID_PARAMETER;
      removeEntryList(k.mem, Handle);
      exFreePool(k, Handle, TAG);
      return STATUS_SUCCESS;
    },
  }),
];

export const exports: NtExport[] = [...states, ...settings];
