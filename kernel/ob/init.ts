/** Brings the object manager up: the types, the namespace's directories, the system process's handle table. Runs once, when the pool works. */
import type { Kernel } from '../kernel.ts';
import { OBJECT_HEADER, OBJECT_HEADER_SIZE, OBJECT_TYPE, OBJECT_TYPE_INITIALIZER } from '../types/ob.ts';
import { EventNotificationObject } from '../types/ke.ts';
import { EPROCESS } from '../types/ps.ts';
import { NonPagedPoolNx, PagedPool } from '../types/mm.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { createLinkObject, directoryFind, directoryInsert, obCreateDirectory, obInsertNamed } from './directory.ts';
import { poolTag } from './globals.ts';
import { obCreateHandleTable } from './handle.ts';
import { obCreateObject } from './object.ts';
import { readString } from './string.ts';
import {
  FIRST_TYPE_INDEX,
  encodeTypeIndex,
  initializeType,
  MAX_TYPES,
  type ObjectTypeSpec,
  TYPE_CASE_INSENSITIVE,
  TYPE_MAINTAIN_HANDLE_COUNT,
  TYPE_SECURITY_REQUIRED,
  TYPE_UNNAMED_ONLY,
} from './type.ts';

/** Rights of files and devices: winnt.h FILE_GENERIC_READ, _WRITE, _EXECUTE, FILE_ALL_ACCESS. */
const FILE_MAPPING = [0x120089, 0x120116, 0x1200a0, 0x1f01ff] as const;
/** FILE_OBJECT.Event: what a wait for a file waits for. */
const FILE_EVENT_OFFSET = 0x98;

/** The types that exist before their managers start, each with the variable that holds its address. Order is the order of their indices. */
const TYPES: readonly (ObjectTypeSpec & { variable: string; global?: boolean })[] = [
  {
    variable: 'ObpTypeObjectType',
    global: true,
    name: 'Type',
    mapping: [0x20000, 0x20000, 0x20000, 0xf0001],
    validAccess: 0xf0001,
  },
  {
    variable: 'ObpDirectoryObjectType',
    global: true,
    name: 'Directory',
    flags: TYPE_CASE_INSENSITIVE,
    poolType: PagedPool,
    mapping: [0x20003, 0x2000c, 0x20003, 0xf000f],
    validAccess: 0xf000f,
  },
  {
    variable: 'ObpSymbolicLinkObjectType',
    global: true,
    name: 'SymbolicLink',
    flags: TYPE_CASE_INSENSITIVE,
    poolType: PagedPool,
    mapping: [0x20001, 0x20000, 0x20001, 0xf0001],
    validAccess: 0xf0001,
    deleteProcedure: 'ObpDeleteSymbolicLink',
  },
  {
    variable: 'SeTokenObjectType',
    name: 'Token',
    flags: TYPE_SECURITY_REQUIRED,
    poolType: PagedPool,
    mapping: [0x2001a, 0x201e0, 0x20005, 0xf01ff],
    validAccess: 0xf01ff,
    deleteProcedure: 'SepTokenDeleteMethod',
  },
  { variable: 'PsJobType', name: 'Job', waitable: true, mapping: [0x20004, 0x2000b, 0x120000, 0x1f003f], validAccess: 0x1f003f },
  {
    variable: 'PsProcessType',
    name: 'Process',
    flags: TYPE_SECURITY_REQUIRED | TYPE_UNNAMED_ONLY,
    waitable: true,
    mapping: [0x20410, 0x20bea, 0x121001, 0x1fffff],
    validAccess: 0x1fffff,
  },
  {
    variable: 'PsThreadType',
    name: 'Thread',
    flags: TYPE_SECURITY_REQUIRED | TYPE_UNNAMED_ONLY,
    waitable: true,
    mapping: [0x20048, 0x20437, 0x121800, 0x1fffff],
    validAccess: 0x1fffff,
  },
  {
    variable: 'ExEventObjectType',
    name: 'Event',
    waitable: true,
    mapping: [0x20001, 0x20002, 0x120000, 0x1f0003],
    validAccess: 0x1f0003,
  },
  {
    variable: 'ExMutantObjectType',
    name: 'Mutant',
    waitable: true,
    mapping: [0x20001, 0x20000, 0x120000, 0x1f0001],
    validAccess: 0x1f0001,
  },
  { variable: 'ExCallbackObjectType', name: 'Callback', mapping: [0x20000, 0x20001, 0x120000, 0x1f0001], validAccess: 0x1f0001 },
  {
    variable: 'ExSemaphoreObjectType',
    name: 'Semaphore',
    waitable: true,
    mapping: [0x20001, 0x20002, 0x120000, 0x1f0003],
    validAccess: 0x1f0003,
  },
  {
    variable: 'ExTimerObjectType',
    name: 'Timer',
    waitable: true,
    mapping: [0x20001, 0x20002, 0x120000, 0x1f0003],
    validAccess: 0x1f0003,
    deleteProcedure: 'ExpDeleteTimer',
  },
  { variable: 'LpcPortObjectType', name: 'ALPC Port', mapping: [0x20001, 0x10000, 0, 0x1f0001], validAccess: 0x1f0001 },
  { variable: 'IoAdapterObjectType', name: 'Adapter', mapping: FILE_MAPPING, validAccess: 0x1f01ff },
  { variable: 'IoControllerObjectType', name: 'Controller', mapping: FILE_MAPPING, validAccess: 0x1f01ff },
  {
    variable: 'IoDeviceObjectType',
    name: 'Device',
    flags: TYPE_CASE_INSENSITIVE | TYPE_SECURITY_REQUIRED,
    mapping: FILE_MAPPING,
    validAccess: 0x1f01ff,
    deleteProcedure: 'IopDeleteDevice',
    parseProcedure: 'IopParseDevice',
  },
  {
    variable: 'IoDriverObjectType',
    name: 'Driver',
    flags: TYPE_CASE_INSENSITIVE,
    mapping: FILE_MAPPING,
    validAccess: 0x1f01ff,
    deleteProcedure: 'IopDeleteDriver',
  },
  {
    variable: 'IoFileObjectType',
    name: 'File',
    flags: TYPE_CASE_INSENSITIVE | TYPE_SECURITY_REQUIRED | TYPE_MAINTAIN_HANDLE_COUNT,
    waitOffset: FILE_EVENT_OFFSET,
    mapping: FILE_MAPPING,
    validAccess: 0x1f01ff,
    closeProcedure: 'IopCloseFile',
    deleteProcedure: 'IopDeleteFile',
    parseProcedure: 'IopParseFile',
  },
  {
    variable: 'IoCompletionObjectType',
    name: 'IoCompletion',
    waitable: true,
    mapping: [0x20001, 0x20002, 0x120000, 0x1f0003],
    validAccess: 0x1f0003,
    deleteProcedure: 'IopDeleteIoCompletion',
  },
  {
    variable: 'MmSectionObjectType',
    name: 'Section',
    poolType: PagedPool,
    mapping: [0x20005, 0x20002, 0x20008, 0xf001f],
    validAccess: 0x1f001f,
    deleteProcedure: 'MiDeleteSection',
  },
  {
    variable: 'CmKeyObjectType',
    name: 'Key',
    flags: TYPE_CASE_INSENSITIVE | TYPE_SECURITY_REQUIRED,
    poolType: PagedPool,
    mapping: [0x20019, 0x20006, 0x20019, 0xf003f],
    validAccess: 0x1f003f,
    closeProcedure: 'CmpCloseKeyObject',
    deleteProcedure: 'CmpDeleteKeyObject',
    parseProcedure: 'CmpParseKey',
  },
  {
    variable: 'TmTransactionManagerObjectType',
    name: 'TmTm',
    flags: TYPE_SECURITY_REQUIRED,
    mapping: [0x20001, 0x2001e, 0x20000, 0xf003f],
    validAccess: 0x1f003f,
    closeProcedure: 'TmpCloseTransactionManager',
    deleteProcedure: 'TmpDeleteTransactionManager',
  },
  {
    variable: 'TmTransactionObjectType',
    name: 'TmTx',
    flags: TYPE_SECURITY_REQUIRED,
    waitable: true,
    mapping: [0x120001, 0x12003e, 0x120018, 0x1f003f],
    validAccess: 0x1f007f,
    closeProcedure: 'TmpCloseTransaction',
    deleteProcedure: 'TmpDeleteTransaction',
  },
  {
    variable: 'TmResourceManagerObjectType',
    name: 'TmRm',
    flags: TYPE_SECURITY_REQUIRED,
    waitable: true,
    mapping: [0x120001, 0x12007e, 0x12005c, 0x1f007f],
    validAccess: 0x1f007f,
    closeProcedure: 'TmpCloseResourceManager',
    deleteProcedure: 'TmpDeleteResourceManager',
  },
  {
    variable: 'TmEnlistmentObjectType',
    name: 'TmEn',
    flags: TYPE_SECURITY_REQUIRED,
    mapping: [0x20001, 0x2001e, 0x2001c, 0xf001f],
    validAccess: 0xf001f,
    closeProcedure: 'TmpCloseEnlistment',
    deleteProcedure: 'TmpDeleteEnlistment',
  },
];

/** Names of the exported variables that hold types, for exports/ob.ts. */
export const TYPE_VARIABLES: readonly string[] = TYPES.filter(t => !t.global).map(t => t.variable);

/** Makes a further type; its object lies in `\ObjectTypes`. 0 when there is one of that name. */
export function obCreateType(k: Kernel, spec: ObjectTypeSpec): number {
  const index = k.global.get('ObpTypeCount') + FIRST_TYPE_INDEX;
  if (index >= MAX_TYPES) throw new Error('too many object types');
  const first = k.global.get('ObpTypeObjectType');
  const existing = k.global.get('ObpTypeDirectoryObject');
  if (existing && directoryFind(k, existing, spec.name, true)) return 0;
  const type = first ? obCreateObject(k, first, OBJECT_TYPE.size, { named: true, permanent: true }) : firstType(k);
  if (!type) throw new Error(`no pool for object type ${spec.name}`);
  k.global.set('ObpTypeCount', index - FIRST_TYPE_INDEX + 1);
  initializeType(k, type, index, spec);
  const directory = k.global.get('ObpTypeDirectoryObject');
  if (directory) directoryInsert(k, directory, spec.name, type);
  return type;
}

/** The type of types describes itself, so its object is built by hand: a header without optional parts. */
function firstType(k: Kernel): number {
  const header = exAllocatePool(k, NonPagedPoolNx, OBJECT_HEADER_SIZE + OBJECT_TYPE.size, poolTag('ObjT'));
  if (!header) return 0;
  k.mem.fill(header, OBJECT_HEADER_SIZE + OBJECT_TYPE.size, 0);
  OBJECT_HEADER.f.PointerCount.set(k.mem, header, 1n);
  OBJECT_HEADER.f.TypeIndex.set(k.mem, header, encodeTypeIndex(k, header, FIRST_TYPE_INDEX));
  return header + OBJECT_HEADER_SIZE;
}

/** Gives a type its delete procedure, a routine `(PVOID Object)` of the kernel that may call drivers: for managers that start after this one. */
export function obSetDeleteProcedure(k: Kernel, type: number, routine: number): void {
  OBJECT_TYPE_INITIALIZER.f.DeleteProcedure.set(k.mem, type + OBJECT_TYPE.f.TypeInfo.offset, routine);
}

/** Phase 0: types only, so that the first process and thread can be objects. `random` (from the machine's seed) becomes the cookie. */
export function obInitTypes(k: Kernel, random: number): void {
  k.global.set('ObHeaderCookie', random & 0xff);
  const list = k.global.address('ObpHandleTableListHead');
  k.mem.writePtr(list, list);
  k.mem.writePtr(list + 8, list);
  const event = k.global.address('ObpDefaultObject');
  k.mem.write8(event, EventNotificationObject);
  k.mem.write8(event + 2, 6);
  k.mem.write32(event + 4, 1);
  k.mem.writePtr(event + 8, event + 8);
  k.mem.writePtr(event + 16, event + 8);
  for (const { variable, ...spec } of TYPES) k.mem.writePtr(k.address(`nt!${variable}`), obCreateType(k, spec));
}

const DIRECTORIES = [
  '\\ObjectTypes',
  '\\Device',
  '\\Driver',
  '\\FileSystem',
  '\\GLOBAL??',
  '\\Callback',
  '\\KernelObjects',
  '\\BaseNamedObjects',
  '\\Security',
  '\\Sessions',
  '\\ArcName',
  '\\NLS',
] as const;

const LINKS = [
  ['\\DosDevices', '\\??'],
  ['\\GLOBAL??\\GLOBALROOT', ''],
  ['\\GLOBAL??\\Global', '\\GLOBAL??'],
  // What the session manager makes of its key `DOS Devices`; their targets are there when a driver is.
  ['\\GLOBAL??\\AUX', '\\DosDevices\\COM1'],
  ['\\GLOBAL??\\MAILSLOT', '\\Device\\MailSlot'],
  ['\\GLOBAL??\\NUL', '\\Device\\Null'],
  ['\\GLOBAL??\\PIPE', '\\Device\\NamedPipe'],
  ['\\GLOBAL??\\PRN', '\\DosDevices\\LPT1'],
  ['\\GLOBAL??\\UNC', '\\Device\\Mup'],
] as const;

/** Phase 1: the namespace, and the handle table of the system process. `process` is its EPROCESS. */
export function obInitNamespace(k: Kernel, process: number, processId: number): void {
  const root = obCreateDirectory(k, { named: false });
  if (!root) throw new Error('no pool for the root directory');
  k.global.set('ObpRootDirectoryObject', root);
  for (const path of DIRECTORIES) {
    const directory = obCreateDirectory(k);
    check(obInsertNamed(k, path, directory), path);
    if (path === '\\ObjectTypes') k.global.set('ObpTypeDirectoryObject', directory);
    if (path === '\\GLOBAL??') k.global.set('ObpGlobalDosDevices', directory);
  }
  for (const [path, target] of LINKS)
    check(obInsertNamed(k, path, createLinkObject(k, target, { permanent: true, time: 0n })), path);
  const table = k.global.address('ObTypeIndexTable');
  for (let i = FIRST_TYPE_INDEX + 1; i < FIRST_TYPE_INDEX + k.global.get('ObpTypeCount'); i++) {
    const type = k.mem.readPtr(table + i * 8);
    check(
      directoryInsert(k, k.global.get('ObpTypeDirectoryObject'), readString(k, type + OBJECT_TYPE.f.Name.offset), type),
      '\\ObjectTypes',
    );
  }
  const handles = obCreateHandleTable(k, process, processId);
  if (!handles) throw new Error('no pool for the handle table of the system process');
  k.global.set('ObpKernelHandleTable', handles);
  EPROCESS.f.ObjectTable.set(k.mem, process, handles);
}

function check(status: number, what: string): void {
  if (status !== STATUS_SUCCESS) throw new Error(`${what} could not be made: 0x${status.toString(16)}`);
}
