/** The registry routines of the run-time library (WDK: RtlQueryRegistryValues, RtlWriteRegistryValue, ...). */
import { AskCreate, AskDelete, AskEnumerate, AskOpen, AskQuery, AskSet, askedRegistryExports, attributesOfPath } from '../cm/askedregistry.ts';
import { anyCallbacks } from '../cm/callbacks.ts';
import { cmCreatePath, cmDeleteValue, cmOpenPath, cmSetValue, cmWalk, CM_KEY_VALUE, findValue, keyOfObject, keyPath, keyValues } from '../cm/registry.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { KernelMode } from '../types/ke.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { poolTag } from '../ob/globals.ts';
import { readString, readWideZ, wide } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { REG_EXPAND_SZ, REG_MULTI_SZ, REG_NONE, REG_SZ } from '../types/cm.ts';
import { PagedPool } from '../types/mm.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { type ArgTypes, call, type NtExport, ntSteps, NTSTATUS, type Outcome, pointer, PVOID, ret, ULONG } from './declare.ts';

const PCWSTR = pointer('PCWSTR');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

const RTL_REGISTRY_HANDLE = 0x40000000, RTL_REGISTRY_OPTIONAL = 0x80000000;
/** RelativeTo: absolute, services, control, Windows NT\CurrentVersion, DeviceMap, user. */
const BASES = [
  '',
  '\\Registry\\Machine\\System\\CurrentControlSet\\Services',
  '\\Registry\\Machine\\System\\CurrentControlSet\\Control',
  '\\Registry\\Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion',
  '\\Registry\\Machine\\Hardware\\DeviceMap',
  '\\Registry\\User\\.Default',
];

/** The node that RelativeTo and Path name; made when `create`. 0 with the status when there is none. */
function resolve(k: Kernel, relativeTo: number, path: number, create: boolean): { status: number; node: number } {
  const missing = { status: STATUS_OBJECT_NAME_NOT_FOUND, node: 0 };
  if ((relativeTo & RTL_REGISTRY_HANDLE) !== 0) {
    const found = obReferenceObjectByHandle(k, path, 0, exportedType(k, 'CmKeyObjectType'), KernelMode);
    if (found.status !== STATUS_SUCCESS) return { status: found.status, node: 0 };
    const node = keyOfObject(k, found.object);
    obDereferenceDeferred(k, found.object);
    return { status: STATUS_SUCCESS, node };
  }
  const base = BASES[relativeTo & 0xff];
  if (base === undefined) return { status: STATUS_INVALID_PARAMETER, node: 0 };
  const text = path ? readWideZ(k, path) : '';
  const full = base === '' ? text : text === '' ? base : `${base}\\${text}`;
  const node = create ? cmCreatePath(k, full) : cmOpenPath(k, full);
  return node ? { status: STATUS_SUCCESS, node } : create ? { status: STATUS_INSUFFICIENT_RESOURCES, node: 0 } : missing;
}

/** RTL_QUERY_REGISTRY_TABLE. */
const TABLE = struct('_RTL_QUERY_REGISTRY_TABLE', { QueryRoutine: ptr, Flags: u32, Name: [0x10, ptr], EntryContext: ptr, DefaultType: u32, DefaultData: [0x28, ptr], DefaultLength: u32 });
const T = TABLE.f;
const SUBKEY = 1, TOPKEY = 2, REQUIRED = 4, NOVALUE = 8, NOEXPAND = 0x10, DIRECT = 0x20, DELETE_AFTER = 0x40, TYPECHECK = 0x100;
const TYPECHECK_SHIFT = 24;

/** One value that is to be handed over: to a query routine, or (RTL_QUERY_REGISTRY_DIRECT) into a variable. */
interface Delivery {
  name: string;
  type: number;
  data: Uint8Array;
}

function deliveryOf(k: Kernel, value: number): Delivery {
  const { mem } = k;
  const f = CM_KEY_VALUE.f;
  const length = f.DataLength.get(mem, value);
  return { name: readString(k, value + f.Name.offset), type: f.Type.get(mem, value), data: length ? mem.readBytes(f.Data.get(mem, value), length) : new Uint8Array(0) };
}

/** Everything that an entry of the table asks for. The node is the one that RTL_QUERY_REGISTRY_SUBKEY and TOPKEY have made current. */
function deliveries(k: Kernel, entry: number, node: number): { status: number; list: Delivery[] } {
  const { mem } = k;
  const flags = T.Flags.get(mem, entry);
  const namePointer = T.Name.get(mem, entry);
  const fromDefault = (name: string): { status: number; list: Delivery[] } => {
    const type = T.DefaultType.get(mem, entry) & 0xffffff;
    if ((flags & REQUIRED) !== 0) return { status: STATUS_OBJECT_NAME_NOT_FOUND, list: [] };
    if (type === REG_NONE) return { status: STATUS_SUCCESS, list: [] };
    const at = T.DefaultData.get(mem, entry);
    let length = T.DefaultLength.get(mem, entry);
    if (length === 0 && (type === REG_SZ || type === REG_EXPAND_SZ)) length = (readWideZ(k, at).length + 1) * 2;
    return { status: STATUS_SUCCESS, list: [{ name, type, data: mem.readBytes(at, length) }] };
  };
  if ((flags & NOVALUE) !== 0) return { status: STATUS_SUCCESS, list: [{ name: '', type: REG_NONE, data: new Uint8Array(0) }] };
  if (namePointer === 0) {
    if ((flags & DIRECT) !== 0) return { status: STATUS_INVALID_PARAMETER, list: [] };
    const list = keyValues(k, node).map(v => deliveryOf(k, v));
    return list.length === 0 && (flags & REQUIRED) !== 0 ? { status: STATUS_OBJECT_NAME_NOT_FOUND, list } : { status: STATUS_SUCCESS, list };
  }
  const name = readWideZ(k, namePointer);
  const value = findValue(k, node, name);
  if (!value) return fromDefault(name);
  const { type, data } = deliveryOf(k, value);
  const strings = type === REG_MULTI_SZ && (flags & NOEXPAND) === 0 && (flags & DIRECT) === 0;
  return { status: STATUS_SUCCESS, list: strings ? multiStrings(data).map(d => ({ name, type: REG_SZ, data: d })) : [{ name, type, data }] };
}

/** A REG_MULTI_SZ as single zero-terminated strings. */
function multiStrings(data: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let start = 0, at = 0; at + 1 < data.length; at += 2) {
    if (data[at] !== 0 || data[at + 1] !== 0) continue;
    if (at === start) break;
    out.push(data.slice(start, at + 2));
    start = at + 2;
  }
  return out;
}

/** RTL_QUERY_REGISTRY_DIRECT: the value goes into the variable that EntryContext names. */
function store(k: Kernel, entry: number, { type, data }: Delivery): number {
  const { mem } = k;
  const to = T.EntryContext.get(mem, entry);
  const expected = T.DefaultType.get(mem, entry) >>> TYPECHECK_SHIFT;
  if ((T.Flags.get(mem, entry) & TYPECHECK) !== 0 && expected !== type) return STATUS_OBJECT_TYPE_MISMATCH;
  if (type === REG_SZ || type === REG_EXPAND_SZ || type === REG_MULTI_SZ) {
    // A UNICODE_STRING: with a buffer, which must be long enough; without, it gets one that the caller frees.
    let buffer = mem.readPtr(to + 8);
    if (buffer === 0) {
      if (data.length > 0xffff) return STATUS_BUFFER_TOO_SMALL;
      buffer = exAllocatePool(k, PagedPool, Math.max(2, data.length), poolTag('Rqrv'));
      if (!buffer) return STATUS_INSUFFICIENT_RESOURCES;
      mem.writePtr(to + 8, buffer);
      mem.write16(to + 2, data.length);
    } else if (mem.read16(to + 2) < data.length) return STATUS_BUFFER_TOO_SMALL;
    mem.writeBytes(buffer, data);
    mem.write16(to, Math.max(0, data.length - (type === REG_MULTI_SZ ? 0 : 2)));
    return STATUS_SUCCESS;
  }
  if (data.length <= 4) {
    mem.writeBytes(to, data);
    return STATUS_SUCCESS;
  }
  // Longer data: EntryContext starts with the buffer's length (a negative one: without length and type in front of the data).
  const length = mem.readI32(to);
  if (length < 0) {
    if (-length < data.length) return STATUS_BUFFER_TOO_SMALL;
    mem.writeBytes(to, data);
    return STATUS_SUCCESS;
  }
  if (length < data.length + 8) return STATUS_BUFFER_TOO_SMALL;
  mem.write32(to, data.length);
  mem.write32(to + 4, type);
  mem.writeBytes(to + 8, data);
  return STATUS_SUCCESS;
}

interface QueryFrame {
  get(n: 'Top' | 'Node' | 'Entry' | 'Index' | 'Block' | 'Asked'): number;
  set(n: 'Top' | 'Node' | 'Entry' | 'Index' | 'Block' | 'Asked', v: number): void;
}

/** Goes on with the table: from the delivery that the frame's Index names, through this entry's, then the next entry. */
/** The variables of an environment block (NAME=VALUE, each with a zero, an empty one at the end); without a block, those that the system itself has. */
function variables(k: Kernel, block: number): Map<string, string> {
  const out = new Map([['SYSTEMROOT', 'C:\\Windows'], ['SYSTEMDRIVE', 'C:']]);
  if (!block) return out;
  out.clear();
  for (let at = block; ;) {
    const line = readWideZ(k, at);
    if (line === '') return out;
    const end = line.indexOf('=', 1);
    if (end > 0) out.set(line.slice(0, end).toUpperCase(), line.slice(end + 1));
    at += line.length * 2 + 2;
  }
}

/** A REG_EXPAND_SZ with its %variables% replaced; it is a REG_SZ then. Unknown ones stay. */
function expanded(k: Kernel, d: Delivery, environment: number): Delivery {
  if (d.type !== REG_EXPAND_SZ) return d;
  let text = '';
  for (let i = 0; i + 1 < d.data.length; i += 2) text += String.fromCharCode(d.data[i]! | (d.data[i + 1]! << 8));
  const known = variables(k, environment);
  return { name: d.name, type: REG_SZ, data: wide(text.replace(/%([^%]+)%/g, (whole, name: string) => known.get(name.toUpperCase()) ?? whole)) };
}

function proceed(k: Kernel, f: QueryFrame, context: number, environment: number): Outcome {
  const { mem } = k;
  for (;;) {
    const entry = f.get('Entry');
    const routine = T.QueryRoutine.get(mem, entry), flags = T.Flags.get(mem, entry);
    if (routine === 0 && (flags & (SUBKEY | DIRECT)) === 0) return ret(STATUS_SUCCESS);
    if (f.get('Index') === 0) {
      if ((flags & (TOPKEY | SUBKEY)) !== 0) f.set('Node', f.get('Top'));
      if ((flags & SUBKEY) !== 0) {
        const name = T.Name.get(mem, entry);
        if (name === 0) return ret(STATUS_INVALID_PARAMETER);
        const walk = cmWalk(k, f.get('Top'), readWideZ(k, name));
        if (walk.missing.length > 0) {
          if ((flags & REQUIRED) !== 0) return ret(STATUS_OBJECT_NAME_NOT_FOUND);
          f.set('Entry', entry + TABLE.size);
          continue;
        }
        f.set('Node', walk.key);
        // With a routine, all values of the subkey go to it; without one, the entries after this one look there.
        if (routine === 0) {
          f.set('Entry', entry + TABLE.size);
          continue;
        }
      }
    }
    const subkey = (flags & SUBKEY) !== 0;
    // Registry callbacks are asked once for an entry, before its values are handed over.
    if (f.get('Index') === 0 && !f.get('Asked') && (flags & NOVALUE) === 0 && anyCallbacks(k)) {
      const name = subkey ? 0 : T.Name.get(mem, entry);
      f.set('Asked', 1);
      return call(k.address('nt!CmpAskRegistry'), [attributesOfPath(k, keyPath(k, f.get('Node'))), 0, name ? AskQuery : AskEnumerate, name, 0, 0, 0], 'asked');
    }
    const { status, list } = subkey ? allValues(k, f.get('Node')) : deliveries(k, entry, f.get('Node'));
    if (status !== STATUS_SUCCESS) return ret(status);
    const found = list[f.get('Index')];
    const delivery = found && (flags & NOEXPAND) === 0 ? expanded(k, found, environment) : found;
    if (delivery === undefined) {
      if ((flags & DELETE_AFTER) !== 0 && f.get('Index') > 0 && T.Name.get(mem, entry)) cmDeleteValue(k, f.get('Node'), readWideZ(k, T.Name.get(mem, entry)));
      f.set('Index', 0);
      f.set('Asked', 0);
      f.set('Entry', entry + TABLE.size);
      continue;
    }
    f.set('Index', f.get('Index') + 1);
    if ((flags & DIRECT) !== 0) {
      const stored = store(k, entry, delivery);
      if (stored !== STATUS_SUCCESS) return ret(stored);
      continue;
    }
    // Name and data lie in a pool block of their own while the routine runs.
    const name = wide(`${delivery.name}\0`);
    const dataAt = Math.ceil(name.length / 8) * 8;
    const block = exAllocatePool(k, PagedPool, dataAt + Math.max(1, delivery.data.length), poolTag('Rqrv'));
    if (!block) return ret(STATUS_INSUFFICIENT_RESOURCES);
    mem.writeBytes(block, name);
    mem.writeBytes(block + dataAt, delivery.data);
    f.set('Block', block);
    const none = (flags & NOVALUE) !== 0;
    return call(routine, [none ? 0 : block, delivery.type, none ? 0 : block + dataAt, delivery.data.length, context, T.EntryContext.get(mem, entry)], 'queried');
  }
}

const allValues = (k: Kernel, node: number): { status: number; list: Delivery[] } => ({
  status: STATUS_SUCCESS,
  list: keyValues(k, node).map(v => deliveryOf(k, v)),
});

const frame = { Top: ptr, Node: ptr, Entry: ptr, Index: u32, Block: ptr, Asked: u32 } as const;

const queryRoutine = (name: string, doc: string): NtExport =>
  ntSteps({
    name,
    doc,
    irql: PASSIVE,
    args: { RelativeTo: ULONG, Path: PCWSTR, QueryTable: PVOID, Context: PVOID, Environment: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, { RelativeTo, Path, QueryTable, Context, Environment }) {
        const { status, node } = resolve(k, RelativeTo, Path, false);
        if (status !== STATUS_SUCCESS) return ret((RelativeTo & RTL_REGISTRY_OPTIONAL) !== 0 ? STATUS_SUCCESS : status);
        f.set('Top', node);
        f.set('Node', node);
        f.set('Entry', QueryTable);
        f.set('Index', 0);
        f.set('Block', 0);
        f.set('Asked', 0);
        return proceed(k, f, Context, Environment);
      },
      asked(k, f, rax, { Context, Environment }) {
        // A value that is not there may have a default.
        if (rax >>> 0 >= 0xc0000000 && rax >>> 0 !== STATUS_OBJECT_NAME_NOT_FOUND) return ret(rax);
        return proceed(k, f, Context, Environment);
      },
      queried(k, f, rax, { Context, Environment }) {
        exFreePool(k, f.get('Block'), 0);
        f.set('Block', 0);
        // STATUS_BUFFER_TOO_SMALL from a routine means "skip the rest of this entry"; any other error ends the query.
        if (rax >>> 0 >= 0xc0000000 && rax >>> 0 !== STATUS_BUFFER_TOO_SMALL) return ret(rax);
        return proceed(k, f, Context, Environment);
      },
    },
    abort(k, f) {
      const block = f.get('Block');
      if (block) exFreePool(k, block, 0);
    },
  });

interface KeyArguments {
  RelativeTo: number;
  Path: number;
  ValueName: number;
  ValueType: number;
  ValueData: number;
  ValueLength: number;
}

/** A routine for one key: by itself, or, when registry callbacks want to hear of it, by the system services. */
const keyRoutine = (d: { name: string; doc: string; args: ArgTypes; cycles: number; kind: number; impl: (k: Kernel, a: KeyArguments) => number }): NtExport =>
  ntSteps({
    name: d.name,
    doc: d.doc,
    irql: PASSIVE,
    args: d.args,
    returns: NTSTATUS,
    cycles: d.cycles,
    status: 'full',
    frame: {},
    steps: {
      start(k, _f, _rax, values) {
        const a = values as unknown as KeyArguments;
        if (!anyCallbacks(k)) return ret(d.impl(k, a));
        const handle = (a.RelativeTo & RTL_REGISTRY_HANDLE) !== 0;
        const base = BASES[a.RelativeTo & 0xff];
        if (!handle && base === undefined) return ret(STATUS_INVALID_PARAMETER);
        const text = handle || !a.Path ? '' : readWideZ(k, a.Path);
        const path = !base ? text : text === '' ? base : `${base}\\${text}`;
        // The system service makes the last key of a path only.
        if (!handle && (d.kind === AskCreate || d.kind === AskSet)) cmCreatePath(k, path.slice(0, Math.max(path.lastIndexOf('\\'), 0)));
        const attributes = handle ? 0 : attributesOfPath(k, path);
        return call(
          k.address('nt!CmpAskRegistry'),
          [attributes, handle ? a.Path : 0, d.kind, a.ValueName ?? 0, a.ValueType ?? 0, a.ValueData ?? 0, a.ValueLength ?? 0],
          'asked',
        );
      },
      asked: (_k, _f, rax) => ret(rax),
    },
  });

export const exports: NtExport[] = [
  queryRoutine('RtlQueryRegistryValues', 'Asks for several values of a key by a table: into variables, or through query routines.'),
  queryRoutine('RtlQueryRegistryValuesEx', 'RtlQueryRegistryValues for keys that programs may write: a type is checked where the table asks for it (RTL_QUERY_REGISTRY_TYPECHECK), as there.'),
  keyRoutine({
    name: 'RtlWriteRegistryValue',
    doc: 'Sets a value of a key that RelativeTo and Path name; the key is made when it is not there.',
    args: { RelativeTo: ULONG, Path: PCWSTR, ValueName: PCWSTR, ValueType: ULONG, ValueData: PVOID, ValueLength: ULONG },
    cycles: 900,
    kind: AskSet,
    impl(k, a) {
      const data = a.ValueLength ? k.mem.readBytes(a.ValueData, a.ValueLength) : new Uint8Array(0);
      const { status, node } = resolve(k, a.RelativeTo, a.Path, true);
      return status === STATUS_SUCCESS ? cmSetValue(k, node, a.ValueName ? readWideZ(k, a.ValueName) : '', a.ValueType, data) : status;
    },
  }),
  keyRoutine({
    name: 'RtlDeleteRegistryValue',
    doc: 'Deletes a value of a key that RelativeTo and Path name.',
    args: { RelativeTo: ULONG, Path: PCWSTR, ValueName: PCWSTR },
    cycles: 700,
    kind: AskDelete,
    impl(k, a) {
      const { status, node } = resolve(k, a.RelativeTo, a.Path, false);
      return status === STATUS_SUCCESS ? cmDeleteValue(k, node, readWideZ(k, a.ValueName)) : status;
    },
  }),
  keyRoutine({
    name: 'RtlCheckRegistryKey',
    doc: 'Says whether a key exists: STATUS_SUCCESS when it does.',
    args: { RelativeTo: ULONG, Path: PCWSTR },
    cycles: 500,
    kind: AskOpen,
    impl: (k, a) => resolve(k, a.RelativeTo, a.Path, false).status,
  }),
  keyRoutine({
    name: 'RtlCreateRegistryKey',
    doc: 'Makes a key (and those above it) that RelativeTo and Path name.',
    args: { RelativeTo: ULONG, Path: PCWSTR },
    cycles: 900,
    kind: AskCreate,
    impl: (k, a) => resolve(k, a.RelativeTo, a.Path, true).status,
  }),
  ...askedRegistryExports,
];
