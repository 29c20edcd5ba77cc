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
import { previousMode } from '../ob/mode.ts';
import { exportedType } from '../ob/type.ts';
import { currentSubject, effectiveToken } from '../se/subject.ts';
import { hasPrivilege, SeLoadDriverPrivilege } from '../se/token.ts';
import { psCreateSystemThread } from '../ps/thread.ts';
import {
  DO_DEVICE_INITIALIZING,
  DOE_UNLOAD_PENDING,
  DRVO_INITIALIZED,
  DRVO_LEGACY_DRIVER,
  DRVO_UNLOAD_INVOKED,
  FILE_STANDARD_INFORMATION,
  IO_STATUS_BLOCK,
} from '../types/io.ts';
import { KernelMode, KEVENT } from '../types/ke.ts';
import { OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES } from '../types/ob.ts';
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
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { statusName } from '../types/statusname.ts';
import { i32, ptr, struct, u32, u8 } from '../types/struct.ts';
import {
  call,
  type NtExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  VOID,
  wait,
  type Frame,
  next,
} from '../exports/declare.ts';
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
  /** The file's bytes, in nonpaged pool, and how many; 0 when the file is to be read. */
  Image: ptr,
  ImageLength: u32,
  /** The bytes were read for this packet, and go with it. */
  ImageRead: u32,
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

/** What the registry says of the service of a packet; a status when it cannot be loaded. */
function serviceToLoad(k: Kernel, packet: number): { service: string; file: string; objectPath: string } | number {
  const path = readString(k, packet + P.RegistryPath.offset);
  const service = serviceOf(path);
  const key = cmOpenPath(k, path);
  if (!key) return STATUS_OBJECT_NAME_NOT_FOUND;
  const file = cmQueryString(k, key, 'ImagePath') ?? `\\SystemRoot\\System32\\drivers\\${service}.sys`;
  // Type 2 is SERVICE_FILE_SYSTEM_DRIVER.
  const objectPath = `${cmQueryDword(k, key, 'Type') === 2 ? '\\FileSystem' : '\\Driver'}\\${service}`;
  if (obFind(k, objectPath, 0).status === STATUS_SUCCESS) return STATUS_IMAGE_ALREADY_LOADED;
  return { service, file, objectPath };
}

/** Gets the image of a packet: the bytes that came with it, or the file that the service names. */
function fetchImage(k: Kernel, packet: number): Outcome {
  const found = serviceToLoad(k, packet);
  if (typeof found === 'number') return ret(found);
  if (P.Image.get(k.mem, packet)) return next('fetched');
  return call(k.address('nt!IopReadImageFile'), [packet], 'fetched');
}

/** Maps the image, makes the driver object, and tells the image notify routines; DriverEntry comes after them. */
function mapAndEnter(
  k: Kernel,
  f: { set(n: 'Driver', v: number): void; get(n: 'RegistryPath'): number },
  packet: number,
): Outcome {
  const { mem } = k;
  const found = serviceToLoad(k, packet);
  const image = P.Image.get(mem, packet);
  if (typeof found === 'number' || !image) {
    freeReadImage(k, packet);
    return ret(typeof found === 'number' ? found : STATUS_OBJECT_NAME_NOT_FOUND);
  }
  const { service, file, objectPath } = found;
  let loaded;
  try {
    loaded = ldrLoadImage(k, mem.readBytes(image, P.ImageLength.get(mem, packet)), file.replace(/^.*\\/, ''), file);
  } catch (e) {
    if (!(e instanceof ImageError)) throw e;
    P.Message.set(mem, packet, messageBlock(k, e.message));
    return ret(e.status);
  } finally {
    freeReadImage(k, packet);
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

/** The bytes of an image that was read from its file are not needed once it is mapped. */
function freeReadImage(k: Kernel, packet: number): void {
  if (!P.ImageRead.get(k.mem, packet)) return;
  exFreePool(k, P.Image.get(k.mem, packet), 0);
  P.ImageRead.set(k.mem, packet, 0);
  P.Image.set(k.mem, packet, 0);
}

/** A path in the registry may leave out where Windows lies. */
const imagePath = (file: string): string => (file.startsWith('\\') ? file : `\\SystemRoot\\${file}`);
/** The longest driver that is read: what the nonpaged pool can spare. */
const MAXIMUM_IMAGE = 0x2000000;
const FILE_READ_DATA = 1,
  SYNCHRONIZE = 0x100000,
  FILE_SHARE_READ = 1,
  FILE_SYNCHRONOUS_IO_NONALERT = 0x20,
  FILE_NON_DIRECTORY_FILE = 0x40,
  FileStandardInformation = 5,
  STATUS_PENDING = 0x103;

const readFrame = {
  Handle: ptr,
  Path: UNICODE_STRING,
  Attributes: OBJECT_ATTRIBUTES,
  Iosb: IO_STATUS_BLOCK,
  Standard: FILE_STANDARD_INFORMATION,
  Block: ptr,
  Status: u32,
};
type ReadFrame = Frame<typeof readFrame>;

/** Ends the reading of a file with a status: the handle is closed, and without success the block goes. */
function closeImageFile(k: Kernel, f: ReadFrame, status: number): Outcome {
  f.set('Status', status);
  freeString(k, f.address('Path'));
  const block = f.get('Block');
  if (!ntSuccess(status) && block) {
    exFreePool(k, block, 0);
    f.set('Block', 0);
  }
  return f.get('Handle') ? call(k.address('nt!ZwClose'), [f.get('Handle')], 'closed') : ret(status);
}

/** Reads the file of a driver into pool, with the services that everybody has for that. */
const readImageFile = ntSteps({
  name: 'IopReadImageFile',
  internal: true,
  doc: "Reads the file that a service's ImagePath names into nonpaged pool, for its LOAD_PACKET.",
  args: { Packet: PVOID },
  returns: NTSTATUS,
  cycles: 1000,
  status: 'full',
  frame: readFrame,
  steps: {
    start(k, f, _rax, { Packet }) {
      const { mem } = k;
      f.set('Handle', 0);
      f.set('Block', 0);
      mem.fill(f.address('Path'), UNICODE_STRING.size, 0);
      const found = serviceToLoad(k, Packet);
      if (typeof found === 'number') return ret(found);
      if (!allocateString(k, f.address('Path'), imagePath(found.file), poolTag('Driv')))
        return ret(STATUS_INSUFFICIENT_RESOURCES);
      const o = OBJECT_ATTRIBUTES.f,
        attributes = f.address('Attributes');
      mem.fill(attributes, OBJECT_ATTRIBUTES.size, 0);
      o.Length.set(mem, attributes, OBJECT_ATTRIBUTES.size);
      o.ObjectName.set(mem, attributes, f.address('Path'));
      o.Attributes.set(mem, attributes, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE);
      const options = FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE;
      return call(
        k.address('nt!ZwOpenFile'),
        [f.address('Handle'), FILE_READ_DATA | SYNCHRONIZE, attributes, f.address('Iosb'), FILE_SHARE_READ, options],
        'opened',
      );
    },
    opened(k, f, rax) {
      if (!ntSuccess(rax)) {
        f.set('Handle', 0);
        return closeImageFile(k, f, rax);
      }
      return call(
        k.address('nt!ZwQueryInformationFile'),
        [f.get('Handle'), f.address('Iosb'), f.address('Standard'), FILE_STANDARD_INFORMATION.size, FileStandardInformation],
        'sized',
      );
    },
    sized(k, f, rax) {
      if (!ntSuccess(rax)) return closeImageFile(k, f, rax);
      const size = FILE_STANDARD_INFORMATION.f.EndOfFile.get(k.mem, f.address('Standard'));
      if (size <= 0n || size > BigInt(MAXIMUM_IMAGE)) return closeImageFile(k, f, STATUS_INVALID_IMAGE_FORMAT);
      const block = exAllocatePool(k, NonPagedPoolNx, Number(size), poolTag('Driv'));
      if (!block) return closeImageFile(k, f, STATUS_INSUFFICIENT_RESOURCES);
      f.set('Block', block);
      // From the start of the file; Standard is where that offset lies now.
      const length = Number(size);
      k.mem.write64(f.address('Standard'), 0n);
      return call(
        k.address('nt!ZwReadFile'),
        [f.get('Handle'), 0, 0, 0, f.address('Iosb'), block, length, f.address('Standard'), 0],
        'read',
      );
    },
    read(k, f, rax, { Packet }) {
      if (rax === STATUS_PENDING) throw new Error('a synchronous file answered STATUS_PENDING');
      if (!ntSuccess(rax)) return closeImageFile(k, f, rax);
      P.Image.set(k.mem, Packet, f.get('Block'));
      P.ImageLength.set(k.mem, Packet, k.mem.read32(f.address('Iosb') + 8));
      P.ImageRead.set(k.mem, Packet, 1);
      return closeImageFile(k, f, STATUS_SUCCESS);
    },
    closed: (_k, f) => ret(f.get('Status')),
  },
});

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

/** Kernel mode, or a user with the privilege. */
const mayLoadDrivers = (k: Kernel): boolean =>
  previousMode(k) === KernelMode || hasPrivilege(k, effectiveToken(currentSubject(k)), SeLoadDriverPrivilege);

export const exports: NtExport[] = [
  readImageFile,
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
      start: (k, _f, _rax, { Packet }) => fetchImage(k, Packet),
      fetched: (k, f, rax, { Packet }) =>
        P.Image.get(k.mem, Packet) ? mapAndEnter(k, f, Packet) : ret(ntSuccess(rax) ? STATUS_OBJECT_NAME_NOT_FOUND : rax),
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
    status: 'full',
    frame: { Packet: LOAD_PACKET },
    steps: {
      start(k, f, _rax, { DriverServiceName }) {
        if (!mayLoadDrivers(k)) return ret(STATUS_PRIVILEGE_NOT_HELD);
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
        if (!mayLoadDrivers(k)) return ret(STATUS_PRIVILEGE_NOT_HELD);
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
        return submit(k, packet, 'done', status => {
          // No thread could be had for it: the driver stays, and can be unloaded later.
          if (status === STATUS_INSUFFICIENT_RESOURCES)
            DRV.Flags.set(mem, driver, DRV.Flags.get(mem, driver) & ~DRVO_UNLOAD_INVOKED);
          return ret(status);
        });
      },
      done: (k, f) => ret(P.FinalStatus.get(k.mem, f.get('Packet'))),
    },
  }),
];
