/**
 * Idle devices: once a second a counter of each device that registered goes up, and its driver sets it to 0 when the device is used. When it reaches the device's time,
 * IRP_MN_SET_POWER is sent. Source: WDK, PoRegisterDeviceForIdleDetection, PoSetDeviceBusyEx, PoStartDeviceBusy.
 */
import type { Kernel } from '../kernel.ts';
import { PDEVICE_OBJECT } from '../io/call.ts';
import { D, extensionOf, X } from '../io/device.ts';
import { keInitializeDpc } from '../ke/dpc.ts';
import { keCancelTimer, keInitializeTimerEx, keSetTimer } from '../ke/timer.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { initializeListHead, insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { IRP_MN_SET_POWER } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import {
  call,
  type Frame,
  type NtExport,
  ntExport,
  ntSteps,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { deviceState, PowerDeviceD0, PowerDeviceMaximum } from './power.ts';

/** What DEVOBJ_EXTENSION.Dope points to. The address of IdleCount is what drivers get. */
const POWER_EXTENSION = struct('_DEVICE_OBJECT_POWER_EXTENSION', {
  IdleCount: u32,
  BusyCount: u32,
  ConservationIdleTime: u32,
  PerformanceIdleTime: u32,
  DeviceObject: ptr,
  IdleList: LIST_ENTRY,
  IdleState: u32,
});
const E = POWER_EXTENSION.f;
const TAG = poolTag('Dope');
const SECOND = 10_000_000n;

const FILE_DEVICE_DISK = 0x07,
  FILE_DEVICE_MASS_STORAGE = 0x2d;
/** Seconds, for disks that leave it to the system: what a new Windows has for its disk on battery and on mains. */
const DISK_CONSERVATION = 600,
  DISK_PERFORMANCE = 1200;
const STANDARD = 0xffffffff;

const head = (k: Kernel): number => k.global.address('PopIdleDetectList');
const extensions = (k: Kernel): number[] => [...listEntries(k.mem, head(k))].map(at => at - E.IdleList.offset);

/** The timer and its DPC, at their first use. */
function initialize(k: Kernel): void {
  if (k.mem.readPtr(head(k))) return;
  initializeListHead(k.mem, head(k));
  keInitializeDpc(k, k.global.address('PopIdleScanDpc'), k.address('nt!PopScanIdleList'), 0);
  keInitializeTimerEx(k, k.global.address('PopIdleScanTimer'), false);
}

const dopeOf = (k: Kernel, device: number): number => X.Dope.get(k.mem, extensionOf(k, device));
const isRegistered = (k: Kernel, dope: number): boolean => k.mem.readPtr(dope + E.IdleList.offset) !== 0;

/** The device is not counted any more. The counter stays where it is as long as the device: its driver may still write to it. */
function stop(k: Kernel, dope: number): void {
  if (!isRegistered(k, dope)) return;
  removeEntryList(k.mem, dope + E.IdleList.offset);
  k.mem.writePtr(dope + E.IdleList.offset, 0);
  if (!extensions(k).length) keCancelTimer(k, k.global.address('PopIdleScanTimer'));
}

/** A device that is being deleted. */
export function endIdleDetection(k: Kernel, device: number): void {
  const dope = dopeOf(k, device);
  if (dope) stop(k, dope);
}
/** Its memory goes. */
export function freeIdleDetection(k: Kernel, device: number): void {
  const dope = dopeOf(k, device);
  if (dope) exFreePool(k, dope, TAG);
  X.Dope.set(k.mem, extensionOf(k, device), 0);
}

/** Starts or goes on counting; the counter, or 0 without pool. */
function begin(k: Kernel, device: number, conservation: number, performance: number, state: number): number {
  const { mem } = k;
  initialize(k);
  let dope = dopeOf(k, device);
  if (!dope) {
    dope = exAllocatePool(k, NonPagedPoolNx, POWER_EXTENSION.size, TAG);
    if (!dope) return 0;
    mem.fill(dope, POWER_EXTENSION.size, 0);
    E.DeviceObject.set(mem, dope, device);
    X.Dope.set(mem, extensionOf(k, device), dope);
  }
  E.IdleCount.set(mem, dope, 0);
  E.ConservationIdleTime.set(mem, dope, conservation);
  E.PerformanceIdleTime.set(mem, dope, performance);
  E.IdleState.set(mem, dope, state);
  if (!isRegistered(k, dope)) {
    const first = !extensions(k).length;
    insertTailList(mem, head(k), dope + E.IdleList.offset);
    if (first) keSetTimer(k, k.global.address('PopIdleScanTimer'), -SECOND, 1000, k.global.address('PopIdleScanDpc'));
  }
  return dope + E.IdleCount.offset;
}

const scanFrame = { Next: ptr } as const;

/** Counts on for the devices after `Next`; the first whose time has come is told, and the scan goes on behind it. */
function scan(k: Kernel, f: Frame<typeof scanFrame>): Outcome {
  const { mem } = k;
  const all = extensions(k);
  const from = f.get('Next') ? all.indexOf(f.get('Next')) : 0;
  for (let i = from; i >= 0 && i < all.length; i++) {
    const dope = all[i]!;
    if (E.BusyCount.get(mem, dope) !== 0) continue;
    const count = E.IdleCount.get(mem, dope) + 1;
    E.IdleCount.set(mem, dope, count);
    const device = E.DeviceObject.get(mem, dope);
    // The machine runs on mains: the policy is performance.
    if (count !== E.PerformanceIdleTime.get(mem, dope) || deviceState(k, device) !== PowerDeviceD0) continue;
    if (i + 1 < all.length) f.set('Next', all[i + 1]!);
    const then = i + 1 < all.length ? 'sent' : 'last';
    return call(k.address('nt!PoRequestPowerIrp'), [device, IRP_MN_SET_POWER, E.IdleState.get(mem, dope), 0, 0, 0], then);
  }
  return ret();
}

const busy = (name: string, doc: string, change: (k: Kernel, dope: number) => void): NtExport =>
  ntExport({
    name,
    doc,
    args: { IdlePointer: pointer('PULONG') },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl(k, { IdlePointer }) {
      k.mem.probe(IdlePointer, 4, true);
      change(k, IdlePointer - E.IdleCount.offset);
    },
  });

export const exports: NtExport[] = [
  ntExport({
    name: 'PoRegisterDeviceForIdleDetection',
    doc: 'Starts, changes or stops the counting of the time in which a device is not used; returns the counter that its driver resets, or NULL.',
    irql: { max: 'APC_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT, ConservationIdleTime: ULONG, PerformanceIdleTime: ULONG, State: ULONG },
    returns: pointer('PULONG'),
    cycles: 150,
    status: 'full',
    impl(k, a) {
      if (!a.ConservationIdleTime && !a.PerformanceIdleTime) {
        endIdleDetection(k, a.DeviceObject);
        return 0;
      }
      if (a.State <= PowerDeviceD0 || a.State >= PowerDeviceMaximum) return 0;
      const type = D.DeviceType.get(k.mem, a.DeviceObject);
      const isDisk = type === FILE_DEVICE_DISK || type === FILE_DEVICE_MASS_STORAGE;
      const standard = a.ConservationIdleTime === STANDARD || a.PerformanceIdleTime === STANDARD;
      if (standard && !isDisk) return 0;
      const conservation = a.ConservationIdleTime === STANDARD ? DISK_CONSERVATION : a.ConservationIdleTime;
      const performance = a.PerformanceIdleTime === STANDARD ? DISK_PERFORMANCE : a.PerformanceIdleTime;
      return begin(k, a.DeviceObject, conservation, performance, a.State);
    },
  }),
  busy('PoSetDeviceBusyEx', 'Says that a device is being used: its idle time starts anew.', (k, dope) =>
    E.IdleCount.set(k.mem, dope, 0),
  ),
  busy(
    'PoStartDeviceBusy',
    'Says that a device is in use from now on: its idle time is not counted until PoEndDeviceBusy.',
    (k, dope) => {
      E.BusyCount.set(k.mem, dope, E.BusyCount.get(k.mem, dope) + 1);
    },
  ),
  busy('PoEndDeviceBusy', 'Ends what PoStartDeviceBusy began; with the last the idle time starts anew.', (k, dope) => {
    const count = E.BusyCount.get(k.mem, dope) - 1;
    E.BusyCount.set(k.mem, dope, count);
    if (count === 0) E.IdleCount.set(k.mem, dope, 0);
  }),
  ntSteps({
    name: 'PopScanIdleList',
    internal: true,
    doc: 'DPC, once a second: counts the idle time of the devices on.',
    args: { Dpc: PVOID, DeferredContext: PVOID, SystemArgument1: PVOID, SystemArgument2: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: scanFrame,
    steps: {
      start(k, f) {
        f.set('Next', 0);
        return scan(k, f);
      },
      sent: (k, f) => scan(k, f),
      last: () => ret(),
    },
  }),
];
