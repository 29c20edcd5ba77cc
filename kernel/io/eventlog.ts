/**
 * The system event log. Drivers fill in an IO_ERROR_LOG_PACKET and write it; the machine keeps the last records in a ring in ntoskrnl's data (`!errlog` lists them) and prints each
 * to the debugger output. Source: IoAllocateErrorLogEntry, IoWriteErrorLogEntry, IO_ERROR_LOG_PACKET (WDK).
 */
import type { Kernel } from '../kernel.ts';
import { systemTime } from '../ke/time.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { readString, readWideZ } from '../ob/string.ts';
import { DRIVER_OBJECT, IO_TYPE_DEVICE, IO_TYPE_DRIVER } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { array, i64, ptr, struct, u32, u8 } from '../types/struct.ts';
import { statusName } from '../types/statusname.ts';
import { type NtExport, ntData, ntExport, PVOID, UCHAR, VOID } from '../exports/declare.ts';
import { D } from './device.ts';

const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;

/** In front of the IO_ERROR_LOG_PACKET that a driver fills in. */
const ERROR_LOG_ENTRY = struct('_ERROR_LOG_ENTRY', {
  Size: u32,
  DeviceObject: [8, ptr],
  DriverObject: ptr,
  Reserved: array(ptr, 3),
});
/** IO_ERROR_LOG_PACKET: where its parts are. ERROR_LOG_MAXIMUM_SIZE. */
const PACKET_DUMP_SIZE = 2,
  PACKET_STRINGS = 4,
  PACKET_STRING_OFFSET = 6,
  PACKET_ERROR_CODE = 12,
  PACKET_FINAL_STATUS = 20,
  PACKET_DUMP_DATA = 40,
  ERROR_LOG_MAXIMUM = 240;
/** Bytes of an IO_ERROR_LOG_PACKET with one dump word. */
const PACKET_SIZE = 0x30;
/** Bytes that entries may take which are allocated and not written yet (IOP_MAXIMUM_LOG_ALLOCATION). */
const MAXIMUM_ALLOCATED = 0x1000 * 100;

/** A record of the log: its text in Latin-1. */
const RECORDS = 64;
const EVENT_RECORD = struct('_IOP_EVENT_RECORD', { Time: i64, Length: u32, Text: array(u8, 244) }, { size: 0x100 });
const R = EVENT_RECORD.f;

const entryOf = (packet: number): number => packet - ERROR_LOG_ENTRY.size;
const hex = (v: number): string => `0x${v.toString(16)}`;

/** Writes a line into the event log: the ring and the debugger output. */
export function logEvent(k: Kernel, text: string): void {
  const n = k.global.get('IopEventLogCount');
  const at = k.address('nt!IopEventLog') + (n % RECORDS) * EVENT_RECORD.size;
  const kept = text.slice(0, EVENT_RECORD.size - R.Text.offset);
  R.Time.set(k.mem, at, systemTime(k));
  R.Length.set(k.mem, at, kept.length);
  k.mem.writeBytes(
    at + R.Text.offset,
    Uint8Array.from(kept, c => c.charCodeAt(0) & 0xff),
  );
  k.global.set('IopEventLogCount', n + 1);
  k.debugPrint(`event log: ${text}\n`);
}

export interface EventRecord {
  /** 100 ns units since 1601. */
  time: bigint;
  text: string;
}

/** What the log holds, oldest first. */
export function eventLog(k: Kernel): EventRecord[] {
  const n = k.global.get('IopEventLogCount');
  const base = k.address('nt!IopEventLog');
  const out: EventRecord[] = [];
  for (let i = Math.max(0, n - RECORDS); i < n; i++) {
    const at = base + (i % RECORDS) * EVENT_RECORD.size;
    const bytes = k.mem.readBytes(at + R.Text.offset, R.Length.get(k.mem, at));
    out.push({ time: R.Time.get(k.mem, at), text: String.fromCharCode(...bytes) });
  }
  return out;
}

/** A packet as a line: the driver, its error code, status, strings and dump data. */
function describe(k: Kernel, packet: number): string {
  const { mem } = k;
  const entry = entryOf(packet);
  const size = ERROR_LOG_ENTRY.f.Size.get(mem, entry);
  const strings: string[] = [];
  let at = packet + mem.read16(packet + PACKET_STRING_OFFSET);
  for (let i = 0; i < mem.read16(packet + PACKET_STRINGS) && at < packet + size; i++) {
    const text = readWideZ(k, at, (packet + size - at) >> 1);
    strings.push(text);
    at += (text.length + 1) * 2;
  }
  const dump: string[] = [];
  const words = Math.min(mem.read16(packet + PACKET_DUMP_SIZE), size - PACKET_DUMP_DATA) >> 2;
  for (let i = 0; i < words; i++) dump.push(hex(mem.read32(packet + PACKET_DUMP_DATA + i * 4)));
  const name = readString(k, ERROR_LOG_ENTRY.f.DriverObject.get(mem, entry) + DRIVER_OBJECT.f.DriverName.offset);
  const status = mem.read32(packet + PACKET_FINAL_STATUS);
  return (
    `${name}: error ${hex(mem.read32(packet + PACKET_ERROR_CODE))}, status ${hex(status)}` +
    `${strings.map(s => `, "${s}"`).join('')}${dump.length ? `, data ${dump.join(' ')}` : ''}`
  );
}

const allocated = (k: Kernel, by: number): void =>
  k.global.set('IopErrorLogAllocation', k.global.get('IopErrorLogAllocation') + by);

function free(k: Kernel, packet: number): void {
  const entry = entryOf(packet);
  allocated(k, -ERROR_LOG_ENTRY.f.Size.get(k.mem, entry));
  exFreePool(k, entry, 0);
}

/** A message that NT would show in a dialog box; this machine has nobody at the screen, so that it goes to the log as for a thread of session 0. */
export const hardErrorText = (status: number, text: string): string =>
  `hard error: ${statusName(status)}${text ? `, "${text}"` : ''}`;

export const exports: NtExport[] = [
  ntData({
    name: 'IopEventLog',
    internal: true,
    doc: 'The last records of the event log.',
    size: RECORDS * EVENT_RECORD.size,
    status: 'full',
  }),
  ntExport({
    name: 'IoAllocateErrorLogEntry',
    doc: 'Allocates an entry for the system event log; NULL for a size that cannot be, or when there is no memory for it.',
    irql: DISPATCH,
    args: { IoObject: PVOID, EntrySize: UCHAR },
    returns: PVOID,
    cycles: 250,
    status: 'full',
    impl(k, { IoObject, EntrySize }) {
      if (!IoObject || EntrySize < PACKET_SIZE || EntrySize > ERROR_LOG_MAXIMUM) return 0;
      const type = k.mem.read16(IoObject);
      if (type !== IO_TYPE_DEVICE && type !== IO_TYPE_DRIVER) return 0;
      if (k.global.get('IopErrorLogAllocation') + EntrySize > MAXIMUM_ALLOCATED) return 0;
      const entry = exAllocatePool(k, NonPagedPoolNx, ERROR_LOG_ENTRY.size + EntrySize, poolTag('IoEr'));
      if (!entry) return 0;
      k.mem.fill(entry, ERROR_LOG_ENTRY.size + EntrySize, 0);
      const f = ERROR_LOG_ENTRY.f;
      f.Size.set(k.mem, entry, EntrySize);
      f.DeviceObject.set(k.mem, entry, type === IO_TYPE_DEVICE ? IoObject : 0);
      f.DriverObject.set(k.mem, entry, type === IO_TYPE_DEVICE ? D.DriverObject.get(k.mem, IoObject) : IoObject);
      allocated(k, EntrySize);
      return entry + ERROR_LOG_ENTRY.size;
    },
  }),
  ntExport({
    name: 'IoWriteErrorLogEntry',
    doc: 'Writes an entry into the event log and frees it.',
    irql: DISPATCH,
    args: { ElEntry: PVOID },
    returns: VOID,
    cycles: 600,
    status: 'full',
    impl(k, { ElEntry }) {
      logEvent(k, describe(k, ElEntry));
      free(k, ElEntry);
    },
  }),
  ntExport({
    name: 'IoFreeErrorLogEntry',
    doc: 'Frees an entry for the event log that is not written after all.',
    irql: DISPATCH,
    args: { ElEntry: PVOID },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, { ElEntry }) => free(k, ElEntry),
  }),
];
