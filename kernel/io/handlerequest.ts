/** Which driver a request on a file handle goes to: for the report of a service that came back with something left undone. */
import type { Kernel } from '../kernel.ts';
import { entryObject, findHandle } from '../ob/handle.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT, FILE_OBJECT, IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE } from '../types/io.ts';
import { UserMode } from '../types/ke.ts';
import { attachedDevice } from './device.ts';

/** Numbers of the services that become one IRP each (ke/services.ts), with its major function. */
const MAJORS = new Map([
  [0x06, IRP_MJ_READ],
  [0x07, IRP_MJ_DEVICE_CONTROL],
  [0x08, IRP_MJ_WRITE],
]);

/** The dispatch routine that system service `number` on `handle` went to; 0 for other services, or for what is not a file. */
export function dispatchRoutineOf(k: Kernel, number: number, handle: number): number {
  const major = MAJORS.get(number);
  return major === undefined ? 0 : dispatchRoutine(k, major, handle);
}

/** The dispatch routine for a major function of the device that a user handle leads to, or 0. */
export function dispatchRoutine(k: Kernel, major: number, handle: number): number {
  const { entry } = findHandle(k, handle, UserMode);
  const file = entry ? entryObject(k, entry) : 0;
  if (!file || obTypeOf(k, file) !== exportedType(k, 'IoFileObjectType')) return 0;
  const device = attachedDevice(k, FILE_OBJECT.f.DeviceObject.get(k.mem, file));
  const driver = DEVICE_OBJECT.f.DriverObject.get(k.mem, device);
  return k.mem.readPtr(driver + DRIVER_OBJECT.f.MajorFunction.offset + major * 8);
}
