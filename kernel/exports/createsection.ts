/**
 * ZwCreateSection. A section of a file needs the file system: it is asked to hold the file still (FastIo, or a filter's callback), for the size, and to make the file longer. Source:
 * the WDK page of ZwCreateSection; "AcquireFileForNtCreateSection" in FAST_IO_DISPATCH; FS_FILTER_CALLBACKS and FS_FILTER_PARAMETERS (ntifs.h).
 */
import { relatedDevice } from '../io/devicecalls.ts';
import { baseDevice } from '../io/device.ts';
import { fastIo } from '../io/request.ts';
import type { Kernel } from '../kernel.ts';
import { areaOfFile, firstMissingPage, growArea, imageOfFile, openFileArea, referenceSection, releaseSection } from '../mm/controlarea.ts';
import { imageFromData } from '../mm/imagesection.ts';
import { mmCreateFileSection, mmCreateImageSection, mmCreateSection } from '../mm/section.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { insertAndOpen } from '../ob/named.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { DEVICE_OBJECT, DRIVER_EXTENSION, DRIVER_OBJECT, FILE_OBJECT, FILE_STANDARD_INFORMATION } from '../types/io.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_FSFILTER_OP_COMPLETED_SUCCESSFULLY,
  STATUS_INVALID_FILE_FOR_SECTION,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_6,
  STATUS_MAPPED_FILE_SIZE_ZERO,
  STATUS_SECTION_TOO_BIG,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { array, i64, ptr, struct, u32, u64, u8 } from '../types/struct.ts';
import { call, type Frame, HANDLE, next, type NtExport, NTSTATUS, type Outcome, pointer, PVOID, ret, ULONG } from './declare.ts';
import { stepService } from './service.ts';

const SEC_IMAGE = 0x1000000,
  SEC_RESERVE = 0x4000000,
  SEC_COMMIT = 0x8000000;
const PAGE_READONLY = 0x02,
  PAGE_READWRITE = 0x04,
  PAGE_WRITECOPY = 0x08,
  PAGE_EXECUTE = 0x10,
  PAGE_EXECUTE_READ = 0x20,
  PAGE_EXECUTE_READWRITE = 0x40,
  PAGE_EXECUTE_WRITECOPY = 0x80;
/** The rights to a file that a section of it needs. */
const FILE_READ_DATA = 1,
  FILE_WRITE_DATA = 2,
  FILE_EXECUTE = 0x20;
const FILE_RIGHTS: { readonly [protect: number]: number } = {
  [PAGE_READONLY]: FILE_READ_DATA,
  [PAGE_READWRITE]: FILE_READ_DATA | FILE_WRITE_DATA,
  [PAGE_WRITECOPY]: FILE_READ_DATA,
  [PAGE_EXECUTE]: FILE_EXECUTE,
  [PAGE_EXECUTE_READ]: FILE_EXECUTE | FILE_READ_DATA,
  [PAGE_EXECUTE_READWRITE]: FILE_EXECUTE | FILE_READ_DATA | FILE_WRITE_DATA,
  [PAGE_EXECUTE_WRITECOPY]: FILE_EXECUTE | FILE_READ_DATA,
};
/** The most that a section may have: what the user half could hold of it. */
const MAXIMUM_SECTION = 0x7fff_0000_0000;
/** Offsets in FAST_IO_DISPATCH. */
const FAST_IO_ACQUIRE = 0x58,
  FAST_IO_RELEASE = 0x60;
const FileStandardInformation = 5,
  FileEndOfFileInformation = 20;
/** FS_FILTER_CALLBACK_DATA, for section synchronization; FS_FILTER_CALLBACKS.PreAcquireForSectionSynchronization. */
const FS_FILTER_CALLBACK_DATA = struct('_FS_FILTER_CALLBACK_DATA', {
  SizeOfFsFilterCallbackData: u32,
  Operation: u8,
  DeviceObject: [8, ptr],
  FileObject: ptr,
  SyncType: u32,
  PageProtection: u32,
  Parameters: [0x20, array(u64, 3)],
});
const FS_FILTER_ACQUIRE_FOR_SECTION_SYNCHRONIZATION = -1,
  PRE_ACQUIRE = 0x08,
  SyncTypeCreateSection = 1;

const frame = {
  File: ptr,
  Device: ptr,
  Standard: FILE_STANDARD_INFORMATION,
  /** Bytes of the file, and of the section. */
  FileSize: i64,
  Size: i64,
  Status: u32,
  Acquired: u8,
  Filter: FS_FILTER_CALLBACK_DATA,
  /** Control area of the data of an image while they are read. */
  Data: ptr,
  CompletionContext: ptr,
} as const;
type Fr = Frame<typeof frame>;

interface Arguments {
  SectionHandle: number;
  DesiredAccess: number;
  ObjectAttributes: number;
  MaximumSize: number;
  SectionPageProtection: number;
  AllocationAttributes: number;
  FileHandle: number;
}

const writable = (protect: number): boolean => ((FILE_RIGHTS[protect & 0xff] ?? 0) & FILE_WRITE_DATA) !== 0;
const wantedSize = (k: Kernel, a: Arguments): number => (a.MaximumSize ? Number(BigInt.asIntN(64, k.mem.read64(a.MaximumSize))) : 0);

/** A section of pages of its own. */
function ownSection(k: Kernel, a: Arguments, kind: number): number {
  if (kind === SEC_IMAGE) return STATUS_INVALID_FILE_FOR_SECTION;
  const size = wantedSize(k, a);
  if (size <= 0) return STATUS_INVALID_PARAMETER_4;
  if (size > MAXIMUM_SECTION) return STATUS_SECTION_TOO_BIG;
  k.mem.probe(a.SectionHandle, 8, true);
  const made = mmCreateSection(k, size, a.SectionPageProtection & 0xff, kind === SEC_RESERVE);
  return made.status === STATUS_SUCCESS
    ? insertAndOpen(k, made.section, a.ObjectAttributes, a.DesiredAccess, a.SectionHandle)
    : made.status;
}

/** Asks the file system's filter callback, if it has one, whether the file may be mapped now. */
function askFilter(k: Kernel, f: Fr, a: Arguments): Outcome {
  const { mem } = k;
  const device = baseDevice(k, f.get('Device'));
  const driver = DEVICE_OBJECT.f.DriverObject.get(mem, device);
  const callbacks = DRIVER_EXTENSION.f.FsFilterCallbacks.get(mem, DRIVER_OBJECT.f.DriverExtension.get(mem, driver));
  const routine = callbacks ? mem.readPtr(callbacks + PRE_ACQUIRE) : 0;
  if (!routine) return acquire(k, f);
  const D = FS_FILTER_CALLBACK_DATA.f;
  const data = f.address('Filter');
  mem.fill(data, FS_FILTER_CALLBACK_DATA.size, 0);
  D.SizeOfFsFilterCallbackData.set(mem, data, FS_FILTER_CALLBACK_DATA.size);
  D.Operation.set(mem, data, FS_FILTER_ACQUIRE_FOR_SECTION_SYNCHRONIZATION & 0xff);
  D.DeviceObject.set(mem, data, device);
  D.FileObject.set(mem, data, f.get('File'));
  D.SyncType.set(mem, data, SyncTypeCreateSection);
  D.PageProtection.set(mem, data, a.SectionPageProtection);
  f.set('CompletionContext', 0);
  return call(routine, [data, f.address('CompletionContext')], 'asked');
}

/** Has the file system hold the file still. */
function acquire(k: Kernel, f: Fr): Outcome {
  const routine = fastIo(k, baseDevice(k, f.get('Device')), FAST_IO_ACQUIRE);
  if (!routine) return askSize(k, f);
  return call(routine, [f.get('File')], 'acquired');
}

const askSize = (k: Kernel, f: Fr): Outcome =>
  call(
    k.address('nt!IoQueryFileInformation'),
    [f.get('File'), FileStandardInformation, FILE_STANDARD_INFORMATION.size, f.address('Standard'), 0],
    'sized',
  );

/** The routine ends with a status: the file system may have its file back first. */
function finish(k: Kernel, f: Fr, status: number): Outcome {
  f.set('Status', status);
  const routine = f.get('Acquired') ? fastIo(k, baseDevice(k, f.get('Device')), FAST_IO_RELEASE) : 0;
  return routine ? call(routine, [f.get('File')], 'released') : done(k, f);
}

function done(k: Kernel, f: Fr): Outcome {
  const file = f.get('File');
  f.set('File', 0);
  obDereferenceDeferred(k, file);
  return ret(f.get('Status'));
}

function create(k: Kernel, f: Fr, a: Arguments): Outcome {
  const { mem } = k;
  const file = f.get('File');
  const size = Number(f.get('Size')),
    fileSize = Number(f.get('FileSize'));
  const area = areaOfFile(k, file);
  if (area && !growArea(k, area, Math.ceil(size / 0x1000))) return finish(k, f, STATUS_INVALID_PARAMETER_4);
  mem.probe(a.SectionHandle, 8, true);
  const made = mmCreateFileSection(k, file, size, fileSize, a.SectionPageProtection & 0xff);
  if (made.status !== STATUS_SUCCESS) return finish(k, f, made.status);
  return finish(k, f, insertAndOpen(k, made.section, a.ObjectAttributes, a.DesiredAccess, a.SectionHandle));
}

/** Reads the whole file of an image, unless it is one already. */
function readImage(k: Kernel, f: Fr, fileSize: bigint): Outcome {
  if (fileSize === 0n || fileSize > BigInt(MAXIMUM_IMAGE)) return finish(k, f, STATUS_INVALID_FILE_FOR_SECTION);
  const size = Number(fileSize);
  if (imageOfFile(k, f.get('File'))) return next('paged');
  const data = openFileArea(k, f.get('File'), size, size);
  if (!data) return finish(k, f, STATUS_INSUFFICIENT_RESOURCES);
  f.set('Data', data);
  return next('paged');
}
const MAXIMUM_IMAGE = 0x4000000;

function releaseData(k: Kernel, f: Fr): void {
  const data = f.get('Data');
  f.set('Data', 0);
  if (data) releaseSection(k, data);
}

/** The next page of the file that is not there; when all are, the section is made. */
function nextPage(k: Kernel, f: Fr, a: Arguments): Outcome {
  const file = f.get('File'),
    data = f.get('Data');
  const missing = data ? firstMissingPage(k, data) : -1;
  if (missing >= 0) return call(k.address('nt!MiReadFilePage'), [data, missing], 'paged');
  let area = imageOfFile(k, file);
  if (area) referenceSection(k, area);
  else {
    const made = imageFromData(k, file, data);
    releaseData(k, f);
    if (made.status !== STATUS_SUCCESS) return finish(k, f, made.status);
    area = made.area;
  }
  releaseData(k, f);
  k.mem.probe(a.SectionHandle, 8, true);
  const section = mmCreateImageSection(k, area, a.SectionPageProtection & 0xff);
  if (section.status !== STATUS_SUCCESS) return finish(k, f, section.status);
  return finish(k, f, insertAndOpen(k, section.section, a.ObjectAttributes, a.DesiredAccess, a.SectionHandle));
}

export const createSectionExports: NtExport[] = stepService({
  name: 'CreateSection',
  doc: 'Creates a section, of a file or of pages of its own, and opens a handle to it.',
  irql: { max: 'PASSIVE_LEVEL' },
  args: {
    SectionHandle: PVOID,
    DesiredAccess: ULONG,
    ObjectAttributes: pointer('POBJECT_ATTRIBUTES'),
    MaximumSize: PVOID,
    SectionPageProtection: ULONG,
    AllocationAttributes: ULONG,
    FileHandle: HANDLE,
  },
  returns: NTSTATUS,
  cycles: 3000,
  status: 'full',
  frame,
  steps: {
    start(k, f, _rax, a) {
      f.set('File', 0);
      f.set('Acquired', 0);
      f.set('Data', 0);
      const kind = a.AllocationAttributes & (SEC_COMMIT | SEC_RESERVE | SEC_IMAGE);
      if (kind === 0 || (kind & (kind - 1)) !== 0) return ret(STATUS_INVALID_PARAMETER_6);
      const rights = FILE_RIGHTS[a.SectionPageProtection & 0xff];
      if (rights === undefined) return ret(STATUS_INVALID_PAGE_PROTECTION);
      if (!a.FileHandle) return ret(ownSection(k, a, kind));
      const file = obReferenceObjectByHandle(k, a.FileHandle, rights, exportedType(k, 'IoFileObjectType'), previousMode(k));
      if (file.status !== STATUS_SUCCESS) return ret(file.status);
      f.set('File', file.object);
      f.set('Device', relatedDevice(k, file.object));
      // A driver that keeps no SECTION_OBJECT_POINTERS for its files does not have them mapped.
      if (!FILE_OBJECT.f.SectionObjectPointer.get(k.mem, file.object))
        return finish(k, f, STATUS_INVALID_FILE_FOR_SECTION);
      return askFilter(k, f, a);
    },
    asked(k, f, rax) {
      if ((rax | 0) < 0) return finish(k, f, rax);
      // The callback has done all that there was to do.
      return rax === STATUS_FSFILTER_OP_COMPLETED_SUCCESSFULLY ? askSize(k, f) : acquire(k, f);
    },
    acquired(k, f) {
      f.set('Acquired', 1);
      return askSize(k, f);
    },
    sized(k, f, rax, a) {
      if ((rax | 0) < 0) return finish(k, f, rax);
      const fileSize = FILE_STANDARD_INFORMATION.f.EndOfFile.get(k.mem, f.address('Standard'));
      if (a.AllocationAttributes & SEC_IMAGE) return readImage(k, f, fileSize);
      const wanted = wantedSize(k, a);
      if (wanted < 0 || wanted > MAXIMUM_SECTION) return finish(k, f, STATUS_SECTION_TOO_BIG);
      if (wanted === 0 && fileSize === 0n) return finish(k, f, STATUS_MAPPED_FILE_SIZE_ZERO);
      const size = BigInt(wanted) || fileSize;
      f.set('Size', size);
      f.set('FileSize', fileSize);
      if (size <= fileSize) return create(k, f, a);
      if (!writable(a.SectionPageProtection)) return finish(k, f, STATUS_SECTION_TOO_BIG);
      f.set('FileSize', size);
      return call(k.address('nt!IoSetInformation'), [f.get('File'), FileEndOfFileInformation, 8, f.address('Size')], 'extended');
    },
    paged(k, f, rax, a) {
      if ((rax | 0) >= 0) return nextPage(k, f, a);
      releaseData(k, f);
      return finish(k, f, rax);
    },
    extended: (k, f, rax, a) => ((rax | 0) < 0 ? finish(k, f, rax) : create(k, f, a)),
    released: (k, f) => done(k, f),
  },
  abort(k, f) {
    const file = f.get('File');
    releaseData(k, f);
    if (file) obDereferenceDeferred(k, file);
  },
});
