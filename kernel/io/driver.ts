/** Driver objects: making them, what hangs on them, and how they end. */
import type { Kernel } from '../kernel.ts';
import { ldrUnloadImage } from '../ldr/image.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { obInsertNamed } from '../ob/directory.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateObject, obDereferenceDeferred } from '../ob/object.ts';
import { allocateString, freeString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { removeHeadList } from '../rtl/list.ts';
import { DRIVER_EXTENSION, DRIVER_OBJECT, IO_CLIENT_EXTENSION, IO_TYPE_DRIVER, IRP_MJ_MAXIMUM_FUNCTION } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_OBJECT_NAME_COLLISION, STATUS_SUCCESS } from '../types/status.ts';

export const DRV = DRIVER_OBJECT.f;
export const DRX = DRIVER_EXTENSION.f;
const EXT = IO_CLIENT_EXTENSION.f;
const TAG = poolTag('Driv');

export interface NewDriver {
  status: number;
  driver: number;
}

/**
 * Makes the driver object `path` (`\Driver\edu`) with every entry of MajorFunction[] the invalid-request routine. The caller has one reference, the name the other.
 * `serviceName` is the last part of the driver's registry path.
 */
export function createDriverObject(k: Kernel, path: string, serviceName: string): NewDriver {
  const { mem } = k;
  const driver = obCreateObject(k, exportedType(k, 'IoDriverObjectType'), DRIVER_OBJECT.size + DRIVER_EXTENSION.size, {
    named: true,
    permanent: true,
  });
  if (!driver) return { status: STATUS_INSUFFICIENT_RESOURCES, driver: 0 };
  const extension = driver + DRIVER_OBJECT.size;
  DRV.Type.set(mem, driver, IO_TYPE_DRIVER);
  DRV.Size.set(mem, driver, DRIVER_OBJECT.size);
  DRV.DriverExtension.set(mem, driver, extension);
  DRX.DriverObject.set(mem, extension, driver);
  DRV.HardwareDatabase.set(mem, driver, k.global.address('CmRegistryMachineHardwareDescriptionSystemName'));
  fillMajorFunctions(k, driver, true);
  const named =
    allocateString(k, driver + DRV.DriverName.offset, path, TAG) &&
    allocateString(k, extension + DRX.ServiceKeyName.offset, serviceName, TAG);
  const status = named ? obInsertNamed(k, path, driver) : STATUS_INSUFFICIENT_RESOURCES;
  if (status !== STATUS_SUCCESS) {
    obDereferenceDeferred(k, driver);
    return { status, driver: 0 };
  }
  return { status, driver };
}

/** Fills MajorFunction[]; `all`, or only where a driver left a null pointer (NT repairs those after DriverEntry). */
export function fillMajorFunctions(k: Kernel, driver: number, all: boolean): void {
  const invalid = k.address('nt!IopInvalidDeviceRequest');
  for (let i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++) {
    const at = driver + DRV.MajorFunction.offset + i * 8;
    if (all || k.mem.readPtr(at) === 0) k.mem.writePtr(at, invalid);
  }
}

/** Gives back what a driver object holds, its image too; for its delete procedure. */
export function freeDriverParts(k: Kernel, driver: number): void {
  const { mem } = k;
  const extension = DRV.DriverExtension.get(mem, driver);
  for (let at = DRX.ClientDriverExtension.get(mem, extension); at;) {
    const next = EXT.NextExtension.get(mem, at);
    exFreePool(k, at, 0);
    at = next;
  }
  DRX.ClientDriverExtension.set(mem, extension, 0);
  const callbacks = DRX.FsFilterCallbacks.get(mem, extension);
  if (callbacks) exFreePool(k, callbacks, 0);
  DRX.FsFilterCallbacks.set(mem, extension, 0);
  const section = DRV.DriverSection.get(mem, driver);
  if (section) ldrUnloadImage(k, section);
  DRV.DriverSection.set(mem, driver, 0);
  freeString(k, extension + DRX.ServiceKeyName.offset);
  freeString(k, driver + DRV.DriverName.offset);
}

/** Adds `size` zeroed bytes to a driver object under an identification address: IoAllocateDriverObjectExtension. */
export function allocateDriverExtension(
  k: Kernel,
  driver: number,
  id: number,
  size: number,
): { status: number; extension: number } {
  const { mem } = k;
  if (findDriverExtension(k, driver, id)) return { status: STATUS_OBJECT_NAME_COLLISION, extension: 0 };
  const block = exAllocatePool(k, NonPagedPoolNx, IO_CLIENT_EXTENSION.size + size, TAG);
  if (!block) return { status: STATUS_INSUFFICIENT_RESOURCES, extension: 0 };
  mem.fill(block, IO_CLIENT_EXTENSION.size + size, 0);
  const head = DRV.DriverExtension.get(mem, driver);
  EXT.NextExtension.set(mem, block, DRX.ClientDriverExtension.get(mem, head));
  EXT.ClientIdentificationAddress.set(mem, block, id);
  DRX.ClientDriverExtension.set(mem, head, block);
  return { status: STATUS_SUCCESS, extension: block + IO_CLIENT_EXTENSION.size };
}

/** The extension of that identification address, or 0: IoGetDriverObjectExtension. */
export function findDriverExtension(k: Kernel, driver: number, id: number): number {
  const head = DRV.DriverExtension.get(k.mem, driver);
  for (let at = DRX.ClientDriverExtension.get(k.mem, head); at; at = EXT.NextExtension.get(k.mem, at)) {
    if (EXT.ClientIdentificationAddress.get(k.mem, at) === id) return at + IO_CLIENT_EXTENSION.size;
  }
  return 0;
}

/** A request to be called again after DriverEntry (IoRegisterDriverReinitialization), at IopDriverReinitializeQueueHead. Layout: links, driver, routine, context. */
export const REINIT_SIZE = 0x28;

/** Takes the oldest request; null when there is none. */
export function nextReinitialization(k: Kernel): { driver: number; routine: number; context: number } | null {
  const entry = removeHeadList(k.mem, k.global.address('IopDriverReinitializeQueueHead'));
  if (!entry) return null;
  const r = { driver: k.mem.readPtr(entry + 0x10), routine: k.mem.readPtr(entry + 0x18), context: k.mem.readPtr(entry + 0x20) };
  exFreePool(k, entry, 0);
  return r;
}
