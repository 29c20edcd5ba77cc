/** Where the security descriptor of a device lies; apart from the device code so that the object manager can use it. */
import type { Kernel } from '../kernel.ts';
import { DEVICE_OBJECT, FILE_OBJECT } from '../types/io.ts';

/** Offset of DEVICE_OBJECT.SecurityDescriptor. */
export const DEVICE_SECURITY = DEVICE_OBJECT.f.SecurityDescriptor.offset;

export const deviceOfFile = (k: Kernel, file: number): number => FILE_OBJECT.f.DeviceObject.get(k.mem, file);
