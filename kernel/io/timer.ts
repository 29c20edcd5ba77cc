/** The timer that each device object may have: once a second, at DISPATCH_LEVEL, the driver's IoTimer routine is called. One KTIMER and DPC serve all of them. */
import type { Kernel } from '../kernel.ts';
import { keInitializeDpc } from '../ke/dpc.ts';
import { keCancelTimer, keInitializeTimerEx, keSetTimer } from '../ke/timer.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { DEVICE_OBJECT, IO_TIMER, IO_TYPE_TIMER } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, VOID } from '../exports/declare.ts';
import { PDEVICE_OBJECT } from './call.ts';

const T = IO_TIMER.f;
const SECOND = 10_000_000n;
const DRIVER_VERIFIER_IOMANAGER_VIOLATION = 0xc9;

const timerOf = (k: Kernel, device: number): number => DEVICE_OBJECT.f.Timer.get(k.mem, device);

/** Makes the one timer of the I/O manager; runs at boot. */
export function initializeIoTimers(k: Kernel): void {
  const head = k.global.address('IopTimerQueueHead');
  k.mem.writePtr(head, head);
  k.mem.writePtr(head + 8, head);
  keInitializeDpc(k, k.global.address('IopTimerDpc'), k.address('nt!IopTimerDispatch'), 0);
  keInitializeTimerEx(k, k.global.address('IopTimer'), false);
}

function setRunning(k: Kernel, device: number, on: boolean): void {
  const timer = timerOf(k, device);
  if (!timer || (T.TimerFlag.get(k.mem, timer) !== 0) === on) return;
  T.TimerFlag.set(k.mem, timer, on ? 1 : 0);
  const running = k.global.get('IopTimerCount') + (on ? 1 : -1);
  k.global.set('IopTimerCount', running);
  if (on && running === 1) keSetTimer(k, k.global.address('IopTimer'), -SECOND, 1000, k.global.address('IopTimerDpc'));
  else if (running === 0) keCancelTimer(k, k.global.address('IopTimer'));
}

/** Stops a device's timer and takes it off the list, for a device that is being deleted. */
export function stopDeviceTimer(k: Kernel, device: number): void {
  const timer = timerOf(k, device);
  if (!timer || !k.mem.readPtr(timer + T.TimerList.offset)) return;
  setRunning(k, device, false);
  removeEntryList(k.mem, timer + T.TimerList.offset);
  k.mem.writePtr(timer + T.TimerList.offset, 0);
}

/** The next running timer at or after `entry` in the list. A timer that went away meanwhile ends the round. */
function nextTimer(k: Kernel, f: { get(n: 'Next'): number; set(n: 'Next', v: number): void }): Outcome {
  const head = k.global.address('IopTimerQueueHead');
  const all = [...listEntries(k.mem, head)];
  for (let i = all.indexOf(f.get('Next')); i >= 0 && i < all.length; i++) {
    const timer = all[i]! - T.TimerList.offset;
    if (T.TimerFlag.get(k.mem, timer) === 0) continue;
    f.set('Next', all[i + 1] ?? 0);
    return call(T.TimerRoutine.get(k.mem, timer), [T.DeviceObject.get(k.mem, timer), T.Context.get(k.mem, timer)], 'called');
  }
  return ret();
}

const startStop = (name: string, doc: string, on: boolean): NtExport =>
  ntExport({
    name,
    doc,
    irql: { max: 'DISPATCH_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, { DeviceObject }) => setRunning(k, DeviceObject, on),
  });

export const exports: NtExport[] = [
  ntExport({
    name: 'IoInitializeTimer',
    doc: 'Gives a device object a timer routine; IoStartTimer starts it.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT, TimerRoutine: PVOID, Context: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, { DeviceObject, TimerRoutine, Context }) {
      const { mem } = k;
      let timer = timerOf(k, DeviceObject);
      if (timer && k.config.verifier)
        k.bugCheck(
          DRIVER_VERIFIER_IOMANAGER_VIOLATION,
          0xa,
          DeviceObject,
          0,
          0,
          'IoInitializeTimer was called for a device whose timer is initialised',
        );
      if (!timer) {
        timer = exAllocatePool(k, NonPagedPoolNx, IO_TIMER.size, poolTag('IoTi'));
        if (!timer) return STATUS_INSUFFICIENT_RESOURCES;
        mem.fill(timer, IO_TIMER.size, 0);
        T.Type.set(mem, timer, IO_TYPE_TIMER);
        T.DeviceObject.set(mem, timer, DeviceObject);
        DEVICE_OBJECT.f.Timer.set(mem, DeviceObject, timer);
        insertTailList(mem, k.global.address('IopTimerQueueHead'), timer + T.TimerList.offset);
      }
      T.TimerRoutine.set(mem, timer, TimerRoutine);
      T.Context.set(mem, timer, Context);
      return STATUS_SUCCESS;
    },
  }),
  startStop('IoStartTimer', "Starts the once-a-second calls of a device's timer routine.", true),
  startStop('IoStopTimer', "Stops the calls of a device's timer routine.", false),
  ntSteps({
    name: 'IopTimerDispatch',
    internal: true,
    doc: 'DPC: calls the timer routine of each device whose timer runs.',
    args: { Dpc: PVOID, Context: PVOID, Argument1: PVOID, Argument2: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { Next: ptr },
    steps: {
      start(k, f) {
        f.set('Next', k.mem.readPtr(k.global.address('IopTimerQueueHead')));
        return nextTimer(k, f);
      },
      called: (k, f) => nextTimer(k, f),
    },
  }),
];
