/** Passing an IRP to a driver. The dispatch routine returns to whoever called IofCallDriver: the call is a jump. */
import type { Kernel } from '../kernel.ts';
import { NO_MORE_IRP_STACK_LOCATIONS } from '../types/bugcodes.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT } from '../types/io.ts';
import { STATUS_INVALID_DEVICE_REQUEST } from '../types/status.ts';
import { jump, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, pointer, ret } from '../exports/declare.ts';
import { call } from '../exports/declare.ts';
import { readString } from '../ob/string.ts';
import { verifiedCallDriver } from '../verifier/irp.ts';
import { I, irpId, majorName, nextLocation, S, setIrpStatus } from './irp.ts';

export const PDEVICE_OBJECT = pointer('PDEVICE_OBJECT');
export const PDRIVER_OBJECT = pointer('PDRIVER_OBJECT');
export const PIRP = pointer('PIRP');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

/** Short name of a device's driver for people: `edu` of `\Driver\edu`. */
export function driverName(k: Kernel, device: number): string {
  const driver = DEVICE_OBJECT.f.DriverObject.get(k.mem, device);
  return driver ? readString(k, driver + DRIVER_OBJECT.f.DriverName.offset).replace(/^.*\\/, '') : 'nt';
}

/** Moves to the next stack location, that of the driver of `device`; its dispatch routine for the request. */
export function descend(k: Kernel, device: number, irp: number): number {
  const { mem } = k;
  const location = I.CurrentLocation.get(mem, irp) - 1;
  if (location <= 0)
    k.bugCheck(NO_MORE_IRP_STACK_LOCATIONS, irp, 0, 0, 0, 'an IRP was sent to a driver and has no stack location left for it');
  const stack = nextLocation(k, irp);
  I.CurrentLocation.set(mem, irp, location);
  I.CurrentStackLocation.set(mem, irp, stack);
  S.DeviceObject.set(mem, stack, device);
  const major = S.MajorFunction.get(mem, stack);
  const driver = DEVICE_OBJECT.f.DriverObject.get(mem, device);
  if (k.tracing && location === I.StackCount.get(mem, irp)) {
    k.trace('irp', 'begin', `${driverName(k, device)}!${majorName(major)}`, irpId(irp), {
      minor: S.MinorFunction.get(mem, stack),
    });
  }
  return mem.readPtr(driver + DRIVER_OBJECT.f.MajorFunction.offset + major * 8);
}

/** Moves to the next stack location and jumps into the driver of `device`. */
export function callDriver(k: Kernel, device: number, irp: number): Outcome {
  if (k.config.verifier) return verifiedCallDriver(k, device, irp);
  return jump(descend(k, device, irp), device, irp);
}

/** IoCallDriver as a step's outcome: the driver's status comes to step `then`. */
export const callDriverThen = (k: Kernel, device: number, irp: number, then: string): Outcome =>
  call(k.address('nt!IofCallDriver'), [device, irp], then);

const callRoutine = (name: string, doc: string): NtExport =>
  ntExport({
    name,
    doc,
    irql: DISPATCH,
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP },
    returns: NTSTATUS,
    cycles: 60,
    status: 'full',
    impl: (k, { DeviceObject, Irp }) => callDriver(k, DeviceObject, Irp),
  });

export const exports: NtExport[] = [
  callRoutine('IofCallDriver', 'Sends an IRP to the driver of a device.'),
  callRoutine('IoCallDriver', 'Sends an IRP to the driver of a device (the form that is not __fastcall).'),
  callRoutine('PoCallDriver', 'Sends a power IRP to the next lower driver.'),
  ntSteps({
    name: 'IopInvalidDeviceRequest',
    internal: true,
    doc: 'What MajorFunction[] is filled with: completes every IRP with STATUS_INVALID_DEVICE_REQUEST.',
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP },
    returns: NTSTATUS,
    cycles: 30,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Irp }) {
        setIrpStatus(k, Irp, STATUS_INVALID_DEVICE_REQUEST);
        return call(k.address('nt!IofCompleteRequest'), [Irp, 0], 'done');
      },
      done: () => ret(STATUS_INVALID_DEVICE_REQUEST),
    },
  }),
];
