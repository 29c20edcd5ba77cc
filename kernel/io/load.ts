/**
 * Loading and unloading drivers. NT does it in a system thread, so that DriverEntry and DriverUnload run in the system process whoever asked; here the thread is a
 * new one for each request, so that a DriverEntry that never returns holds up nobody else. The request travels in a LOAD_PACKET on the asker's stack.
 */
import type { Kernel } from '../kernel.ts';
import { cmOpenPath, cmQueryDword, cmQueryString, SERVICES_PATH } from '../cm/registry.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { ImageError, ldrDriverInitialized, ldrLoadImage, ldrUnloadImage } from '../ldr/image.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { obFind } from '../ob/attributes.ts';
import { obMakeTemporary } from '../ob/named.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, freeString, readString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { psCreateSystemThread } from '../ps/thread.ts';
import {
  DO_DEVICE_INITIALIZING,
  DOE_UNLOAD_PENDING,
  DRVO_INITIALIZED,
  DRVO_LEGACY_DRIVER,
  DRVO_UNLOAD_INVOKED,
} from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { IMAGE_ADDRESSING_MODE_32BIT, IMAGE_SYSTEM_MODE_IMAGE } from '../types/ps.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import {
  STATUS_IMAGE_ALREADY_LOADED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { statusName } from '../types/statusname.ts';
import { i32, ptr, struct, u32, u8 } from '../types/struct.ts';
import { call, type NtExport, ntSteps, NTSTATUS, type Outcome, pointer, PVOID, ret, VOID, wait } from '../exports/declare.ts';
import { stepService } from '../exports/service.ts';
import { withTree } from '../pnp/tree.ts';
import { checkUnloadedDriver } from '../verifier/unload.ts';
import { D, driverDevices, setExtensionFlags, unloadable } from './device.ts';
import { createDriverObject, DRV, DRX, fillMajorFunctions, nextReinitialization } from './driver.ts';
import { ntSuccess } from './irp.ts';

const PUNICODE_STRING = pointer('PUNICODE_STRING');

/** A request to load or unload, on the stack of the thread that waits for it. */
export const LOAD_PACKET = struct('_LOAD_PACKET', {
  Event: KEVENT,
  /** The service's registry path; for an unload, the driver is known already. */
  RegistryPath: UNICODE_STRING,
  DriverObject: ptr,
  /** The file's bytes, in nonpaged pool, and how many; 0 when there are none. */
  Image: ptr,
  ImageLength: u32,
  FinalStatus: i32,
  Unload: u8,
  /** Out: base of the loaded image. */
  ImageBase: ptr,
  /** Out: pool block with a zero-terminated message for a person, when the image was refused; the asker frees it. */
  Message: ptr,
});
const P = LOAD_PACKET.f;

/** `edu` of `\Registry\Machine\System\CurrentControlSet\Services\edu`. */
export const serviceOf = (path: string): string => path.replace(/^.*\\/, '');

/** Maps the image, makes the driver object, and tells the image notify routines; DriverEntry comes after them. */
function mapAndEnter(
  k: Kernel,
  f: { set(n: 'Driver', v: number): void; get(n: 'RegistryPath'): number },
  packet: number,
): Outcome {
  const { mem } = k;
  const path = readString(k, packet + P.RegistryPath.offset);
  const service = serviceOf(path);
  const key = cmOpenPath(k, path);
  if (!key) return ret(STATUS_OBJECT_NAME_NOT_FOUND);
  const image = P.Image.get(mem, packet);
  const file = cmQueryString(k, key, 'ImagePath') ?? `\\SystemRoot\\System32\\drivers\\${service}.sys`;
  // Type 2 is SERVICE_FILE_SYSTEM_DRIVER.
  const objectPath = `${cmQueryDword(k, key, 'Type') === 2 ? '\\FileSystem' : '\\Driver'}\\${service}`;
  if (obFind(k, objectPath, 0).status === STATUS_SUCCESS) return ret(STATUS_IMAGE_ALREADY_LOADED);
  // There is no file system: an image comes with the request that loads it.
  if (!image) return ret(STATUS_OBJECT_NAME_NOT_FOUND);
  let loaded;
  try {
    loaded = ldrLoadImage(k, mem.readBytes(image, P.ImageLength.get(mem, packet)), file.replace(/^.*\\/, ''), file);
  } catch (e) {
    if (!(e instanceof ImageError)) throw e;
    P.Message.set(mem, packet, messageBlock(k, e.message));
    return ret(e.status);
  }
  if (loaded.entry === loaded.base) {
    ldrUnloadImage(k, loaded.section);
    P.Message.set(
      mem,
      packet,
      messageBlock(
        k,
        `${service}.sys: the image has no entry point (AddressOfEntryPoint is 0); expected the address of DriverEntry`,
      ),
    );
    return ret(STATUS_INVALID_IMAGE_FORMAT);
  }
  P.ImageBase.set(mem, packet, loaded.base);
  const made = createDriverObject(k, objectPath, service);
  f.set('Driver', made.driver);
  if (!made.driver) {
    ldrUnloadImage(k, loaded.section);
    return ret(made.status);
  }
  const driver = made.driver;
  P.DriverObject.set(mem, packet, driver);
  DRV.DriverStart.set(mem, driver, loaded.base);
  DRV.DriverSize.set(mem, driver, loaded.size);
  DRV.DriverSection.set(mem, driver, loaded.section);
  DRV.DriverInit.set(mem, driver, loaded.entry);
  const registryPath = f.get('RegistryPath');
  if (!allocateString(k, registryPath, canonicalPath(service), poolTag('Driv')))
    return call(k.address('nt!IopRefuseDriver'), [driver, STATUS_INSUFFICIENT_RESOURCES], 'refused');
  const name = loaded.section + KLDR_DATA_TABLE_ENTRY.f.FullDllName.offset;
  const properties = IMAGE_ADDRESSING_MODE_32BIT | IMAGE_SYSTEM_MODE_IMAGE;
  return call(k.address('nt!PsCallImageNotifyRoutines'), [name, 0, loaded.base, loaded.size, properties], 'mapped');
}

/** What DriverEntry gets: the path through the control set that CurrentControlSet links to. */
const canonicalPath = (service: string): string => `\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services\\${service}`;

/** A pool block with the text (Latin-1) and a zero; 0 without pool: the message is lost then, the status is not. */
function messageBlock(k: Kernel, text: string): number {
  const bytes = Uint8Array.from(`${text}\0`, c => c.charCodeAt(0) & 0xff);
  const block = exAllocatePool(k, NonPagedPoolNx, bytes.length, poolTag('Mesg'));
  if (block) k.mem.writeBytes(block, bytes);
  return block;
}

/** A driver has initialised: its devices are open to everybody, its table is complete, its INIT sections go. */
function ready(k: Kernel, driver: number): void {
  const { mem } = k;
  const addDevice = DRX.AddDevice.get(mem, DRV.DriverExtension.get(mem, driver));
  fillMajorFunctions(k, driver, false);
  for (const device of driverDevices(k, driver)) D.Flags.set(mem, device, D.Flags.get(mem, device) & ~DO_DEVICE_INITIALIZING);
  DRV.Flags.set(mem, driver, DRV.Flags.get(mem, driver) | DRVO_INITIALIZED | (addDevice ? 0 : DRVO_LEGACY_DRIVER));
  ldrDriverInitialized(k, DRV.DriverSection.get(mem, driver));
}

/** Calls the routines that wait for a second chance; after them the Plug and Play manager brings devices. */
function reinitialize(k: Kernel, driver: number): Outcome {
  const next = nextReinitialization(k);
  if (!next)
    return DRX.AddDevice.get(k.mem, DRV.DriverExtension.get(k.mem, driver))
      ? withTree(k, 'PipDriverLoaded', driver, 0, 'devices')
      : ret(STATUS_SUCCESS);
  const extension = DRV.DriverExtension.get(k.mem, next.driver);
  const count = DRX.Count.get(k.mem, extension) + 1;
  DRX.Count.set(k.mem, extension, count);
  return call(next.routine, [next.driver, next.context, count], 'reinitialized');
}

/** Finds the driver of a service. */
export function driverOfService(k: Kernel, service: string): number {
  for (const directory of ['\\Driver', '\\FileSystem']) {
    const found = obFind(k, `${directory}\\${service}`, exportedType(k, 'IoDriverObjectType'));
    if (found.status === STATUS_SUCCESS) return found.object;
  }
  return 0;
}

/** Starts a system thread for a packet; the asker waits for its event. STATUS_INSUFFICIENT_RESOURCES without one. */
function startThread(k: Kernel, packet: number): boolean {
  return (
    psCreateSystemThread(
      k,
      k.mem.readPtr(k.address('nt!PsInitialSystemProcess')),
      k.address('nt!IopLoadUnloadDriver'),
      packet,
    ) !== 0
  );
}

/** The asker's side: hands the packet over and waits. */
function submit(k: Kernel, packet: number, then: string, immediately: (status: number) => Outcome): Outcome {
  keInitializeEvent(k, packet + P.Event.offset, 0, false);
  if (!startThread(k, packet)) return immediately(STATUS_INSUFFICIENT_RESOURCES);
  return keWait(k, [packet + P.Event.offset]) === 'blocked' ? wait(then) : immediately(P.FinalStatus.get(k.mem, packet));
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'IopLoadDriver',
    internal: true,
    doc: 'Loads the image of a service, makes its driver object, calls DriverEntry, and gives a Plug and Play driver its devices.',
    args: { Packet: PVOID },
    returns: NTSTATUS,
    cycles: 4000,
    status: 'full',
    frame: { Driver: ptr, RegistryPath: UNICODE_STRING },
    steps: {
      start: (k, f, _rax, { Packet }) => mapAndEnter(k, f, Packet),
      refused: (_k, _f, rax) => ret(rax),
      mapped: (k, f) => call(DRV.DriverInit.get(k.mem, f.get('Driver')), [f.get('Driver'), f.get('RegistryPath')], 'entered'),
      entered(k, f, rax, { Packet }) {
        freeString(k, f.get('RegistryPath'));
        if (!ntSuccess(rax))
          P.Message.set(
            k.mem,
            Packet,
            messageBlock(
              k,
              `${serviceOf(readString(k, Packet + P.RegistryPath.offset))}.sys: DriverEntry returned ${statusName(rax)}`,
            ),
          );
        if (!ntSuccess(rax)) return call(k.address('nt!IopRefuseDriver'), [f.get('Driver'), rax], 'refused');
        ready(k, f.get('Driver'));
        return reinitialize(k, f.get('Driver'));
      },
      reinitialized: (k, f) => reinitialize(k, f.get('Driver')),
      devices: (_k, _f, rax) => ret(rax),
    },
  }),
  ntSteps({
    name: 'IopRefuseDriver',
    internal: true,
    doc: 'Undoes a load after DriverEntry failed: deletes what devices it left and the driver object with its image; returns the status.',
    args: { DriverObject: PVOID, Status: NTSTATUS },
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { DriverObject }) {
        const [device] = driverDevices(k, DriverObject);
        if (device) return call(k.address('nt!IoDeleteDevice'), [device], 'start');
        obMakeTemporary(k, DriverObject);
        return call(k.address('nt!ObfDereferenceObject'), [DriverObject], 'gone');
      },
      gone: (_k, _f, _rax, { Status }) => ret(Status),
    },
  }),
  ntSteps({
    name: 'IopUnloadDriver',
    internal: true,
    doc: 'Calls DriverUnload and gives up the driver object; the image goes with its last reference.',
    args: { DriverObject: PVOID },
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { DriverObject }) {
        const unload = DRV.DriverUnload.get(k.mem, DriverObject);
        return unload ? call(unload, [DriverObject], 'unloaded') : ret(STATUS_INVALID_DEVICE_REQUEST);
      },
      unloaded(k, _f, _rax, { DriverObject }) {
        if (k.config.verifier) checkUnloadedDriver(k, DriverObject, DRV.DriverUnload.get(k.mem, DriverObject));
        obMakeTemporary(k, DriverObject);
        return call(k.address('nt!ObfDereferenceObject'), [DriverObject], 'gone');
      },
      gone: () => ret(STATUS_SUCCESS),
    },
  }),
  ntSteps({
    name: 'IopLoadUnloadDriver',
    internal: true,
    doc: 'System thread: carries out one LOAD_PACKET and tells the thread that waits for it.',
    args: { Packet: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, { Packet }) {
        if (P.Unload.get(k.mem, Packet))
          return call(k.address('nt!IopUnloadDriver'), [P.DriverObject.get(k.mem, Packet)], 'done');
        return call(k.address('nt!IopLoadDriver'), [Packet], 'done');
      },
      done(k, _f, rax, { Packet }) {
        P.FinalStatus.set(k.mem, Packet, rax);
        keSetEvent(k, Packet + P.Event.offset, 0);
        return ret();
      },
    },
  }),
  ntSteps({
    name: 'IopUnloadDriverThread',
    internal: true,
    doc: 'System thread: unloads a driver whose last reference has gone after its unload was asked for.',
    args: { DriverObject: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { DriverObject }) => call(k.address('nt!IopUnloadDriver'), [DriverObject], 'done'),
      done: () => ret(),
    },
  }),
  ntSteps({
    name: 'IopSubmitLoad',
    internal: true,
    doc: 'Loads the driver that a LOAD_PACKET describes, in a system thread, and waits for it.',
    args: { Packet: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { Packet }) => submit(k, Packet, 'done', status => ret(status)),
      done: (k, _f, _rax, { Packet }) => ret(P.FinalStatus.get(k.mem, Packet)),
    },
  }),
  ...stepService({
    name: 'LoadDriver',
    doc: 'Loads the driver of a service.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { DriverServiceName: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 400,
    status: 'partial',
    missing: 'there is no file system: only images that were brought into the machine beforehand can be loaded',
    frame: { Packet: LOAD_PACKET },
    steps: {
      start(k, f, _rax, { DriverServiceName }) {
        const packet = f.get('Packet');
        k.mem.fill(packet, LOAD_PACKET.size, 0);
        if (!allocateString(k, packet + P.RegistryPath.offset, readString(k, DriverServiceName), poolTag('Driv')))
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        return call(k.address('nt!IopSubmitLoad'), [packet], 'done');
      },
      done(k, f, rax) {
        const packet = f.get('Packet');
        freeString(k, packet + P.RegistryPath.offset);
        const message = P.Message.get(k.mem, packet);
        if (message) exFreePool(k, message, 0);
        return ret(rax);
      },
    },
  }),
  ...stepService({
    name: 'UnloadDriver',
    doc: 'Unloads the driver of a service; while its devices are in use the unload is put off until they are not.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { DriverServiceName: PUNICODE_STRING },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: { Packet: LOAD_PACKET },
    steps: {
      start(k, f, _rax, { DriverServiceName }) {
        const { mem } = k;
        const path = readString(k, DriverServiceName);
        if (!path.toLowerCase().startsWith(SERVICES_PATH.toLowerCase()) && !/\\services\\/i.test(path))
          return ret(STATUS_INVALID_PARAMETER);
        const driver = driverOfService(k, serviceOf(path));
        if (!driver) return ret(STATUS_OBJECT_NAME_NOT_FOUND);
        // A driver without an unload routine stays, and so does a Plug and Play driver: its devices are removed first.
        if (!DRV.DriverUnload.get(mem, driver) || !DRV.DriverSection.get(mem, driver)) return ret(STATUS_INVALID_DEVICE_REQUEST);
        if (DRV.Flags.get(mem, driver) & DRVO_UNLOAD_INVOKED) return ret(STATUS_INVALID_DEVICE_REQUEST);
        for (const device of driverDevices(k, driver)) setExtensionFlags(k, device, DOE_UNLOAD_PENDING);
        if (!unloadable(k, driver)) return ret(STATUS_SUCCESS);
        DRV.Flags.set(mem, driver, DRV.Flags.get(mem, driver) | DRVO_UNLOAD_INVOKED);
        const packet = f.get('Packet');
        mem.fill(packet, LOAD_PACKET.size, 0);
        P.DriverObject.set(mem, packet, driver);
        P.Unload.set(mem, packet, 1);
        return submit(k, packet, 'done', status => ret(status));
      },
      done: (k, f) => ret(P.FinalStatus.get(k.mem, f.get('Packet'))),
    },
  }),
];
