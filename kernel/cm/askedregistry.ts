/**
 * The registry routines of the run-time library when registry callbacks are registered: they go the way of the system services then (as they always do on Windows), so that the
 * callbacks hear of each operation and can refuse it.
 */
import {
  call,
  type Frame,
  HANDLE,
  type NtExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  PVOID,
  ret,
  ULONG,
} from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { readWideZ, wide } from '../ob/string.ts';
import { PagedPool } from '../types/mm.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_MORE_ENTRIES, STATUS_SUCCESS } from '../types/status.ts';
import { array, ptr, u32, u64 } from '../types/struct.ts';
import { ntSuccess } from '../io/irp.ts';

/** What is asked for. */
export const AskOpen = 0,
  AskCreate = 1,
  AskSet = 2,
  AskDelete = 3,
  AskQuery = 4,
  AskEnumerate = 5;

const TAG = poolTag('CMas');
const KEY_ALL_ACCESS = 0xf003f;
const OBJECT_ATTRIBUTES_SIZE = 0x30;
/** OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE. */
const ATTRIBUTES = 0x240;
const KeyValueBasicInformation = 0,
  KeyValuePartialInformation = 2;
/** Room for the fixed part of an answer: whether the operation may be done is what counts, and a status of too small a buffer says that it may. */
const ROOM = 16;

/** OBJECT_ATTRIBUTES of a full path in a block of pool, which nt!CmpAskRegistry frees; 0 without pool. */
export function attributesOfPath(k: Kernel, path: string): number {
  const { mem } = k;
  const text = wide(path);
  const name = OBJECT_ATTRIBUTES_SIZE;
  const block = exAllocatePool(k, PagedPool, name + UNICODE_STRING.size + text.length + 2, TAG);
  if (!block) return 0;
  mem.fill(block, name + UNICODE_STRING.size, 0);
  mem.write32(block, OBJECT_ATTRIBUTES_SIZE);
  mem.writePtr(block + 0x10, block + name);
  mem.write32(block + 0x18, ATTRIBUTES);
  mem.write16(block + name, text.length);
  mem.write16(block + name + 2, text.length);
  mem.writePtr(block + name + 8, block + name + UNICODE_STRING.size);
  mem.writeBytes(block + name + UNICODE_STRING.size, text);
  return block;
}

const frame = {
  Attributes: ptr,
  Handle: u64,
  Name: UNICODE_STRING,
  Status: u32,
  Index: u32,
  Answer: array(u64, ROOM / 8),
  Length: u32,
  Disposition: u32,
} as const;
type F = Frame<typeof frame>;

interface Args {
  Handle: number;
  Kind: number;
  ValueName: number;
  ValueType: number;
  ValueData: number;
  ValueLength: number;
}

const handleOf = (f: F, a: Args): number | bigint => a.Handle || f.get('Handle');

function free(k: Kernel, f: F): void {
  const block = f.get('Attributes');
  f.set('Attributes', 0);
  if (block) exFreePool(k, block, TAG);
}

/** The key is open: does what is asked for. */
function work(k: Kernel, f: F, a: Args): Outcome {
  const name = f.address('Name'),
    handle = handleOf(f, a);
  const text = a.ValueName ? readWideZ(k, a.ValueName) : '';
  k.mem.write16(name, text.length * 2);
  k.mem.write16(name + 2, text.length * 2);
  k.mem.writePtr(name + 8, a.ValueName);
  switch (a.Kind) {
    case AskSet:
      return call(k.address('nt!ZwSetValueKey'), [handle, name, 0, a.ValueType, a.ValueData, a.ValueLength], 'worked');
    case AskDelete:
      return call(k.address('nt!ZwDeleteValueKey'), [handle, name], 'worked');
    case AskQuery: {
      const args = [handle, name, KeyValuePartialInformation, f.address('Answer'), ROOM, f.address('Length')];
      return call(k.address('nt!ZwQueryValueKey'), args, 'worked');
    }
    case AskEnumerate: {
      const args = [handle, f.get('Index'), KeyValueBasicInformation, f.address('Answer'), ROOM, f.address('Length')];
      return call(k.address('nt!ZwEnumerateValueKey'), args, 'enumerated');
    }
    default:
      return close(k, f, a, STATUS_SUCCESS);
  }
}

/** STATUS_BUFFER_OVERFLOW and STATUS_BUFFER_TOO_SMALL: it is there, and nobody refuses it. */
const allowed = (status: number): boolean => ntSuccess(status) || status === 0x80000005 || status === 0xc0000023;

function close(k: Kernel, f: F, a: Args, status: number): Outcome {
  f.set('Status', status);
  if (a.Handle) return ret(status);
  return call(k.address('nt!ZwClose'), [f.get('Handle')], 'closed');
}

export const askedRegistryExports: NtExport[] = [
  ntSteps({
    name: 'CmpAskRegistry',
    internal: true,
    doc: 'Opens or makes a key (or takes the handle), does something with one of its values by the system services, and closes it. Frees the attributes.',
    args: {
      Attributes: PVOID,
      Handle: HANDLE,
      Kind: ULONG,
      ValueName: PVOID,
      ValueType: ULONG,
      ValueData: PVOID,
      ValueLength: ULONG,
    },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        f.set('Attributes', a.Attributes);
        f.set('Index', 0);
        if (a.Handle) return work(k, f, a);
        if (!a.Attributes) return ret(STATUS_INSUFFICIENT_RESOURCES);
        f.set('Handle', 0n);
        const open = [f.address('Handle'), KEY_ALL_ACCESS, a.Attributes];
        return a.Kind === AskCreate || a.Kind === AskSet
          ? call(k.address('nt!ZwCreateKey'), [...open, 0, 0, 0, f.address('Disposition')], 'opened')
          : call(k.address('nt!ZwOpenKey'), open, 'opened');
      },
      opened(k, f, rax, a) {
        free(k, f);
        return ntSuccess(rax) ? work(k, f, a) : ret(rax);
      },
      worked: (k, f, rax, a) => close(k, f, a, a.Kind === AskQuery && allowed(rax) ? STATUS_SUCCESS : rax),
      enumerated(k, f, rax, a) {
        if (!allowed(rax)) return close(k, f, a, rax === STATUS_NO_MORE_ENTRIES ? STATUS_SUCCESS : rax);
        f.set('Index', f.get('Index') + 1);
        return work(k, f, a);
      },
      closed: (_k, f) => ret(f.get('Status')),
    },
    abort: free,
  }),
];
