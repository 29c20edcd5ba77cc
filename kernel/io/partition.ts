/** Partition tables of disks (MBR): reading them, and changing the type of a partition; partitionwrite.ts writes them. Source: IoReadPartitionTable, IoSetPartitionInformation (WDK, obsolete routines). */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { IO_STATUS_BLOCK, IRP_MJ_READ, IRP_MJ_WRITE } from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_PENDING, STATUS_SUCCESS, STATUS_UNSUCCESSFUL } from '../types/status.ts';
import { i64, ptr, u32 } from '../types/struct.ts';
import { BOOLEAN, call, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, ULONG, wait } from '../exports/declare.ts';
import { callDriverThen, PDEVICE_OBJECT } from './call.ts';
import { ntSuccess } from './irp.ts';

export const TAG = poolTag('Part');
/** A sector with a table: four entries of 16 bytes at 1BEh, 55h AAh at 1FEh. An entry: +0 boot indicator, +4 type, +8 first sector, +12 sectors. */
export const TABLE = 0x1be,
  SIGNATURE_AT = 0x1fe,
  SIGNATURE = 0xaa55,
  DISK_SIGNATURE = 0x1b8;
/** DRIVE_LAYOUT_INFORMATION: count, signature, then PARTITION_INFORMATION entries. */
export const LAYOUT_HEADER = 8,
  ENTRY_SIZE = 0x20,
  MAXIMUM_ENTRIES = 64;
/** Partition types (ntdddisk.h): unused, the two kinds of extended ones, and those that a file system of Windows may be on. */
export const UNUSED = 0,
  EXTENDED = new Set([0x05, 0x0f]),
  RECOGNIZED = new Set([0x01, 0x04, 0x06, 0x07, 0x0b, 0x0c, 0x0e]);

export const diskFrame = {
  Event: KEVENT,
  Iosb: IO_STATUS_BLOCK,
  Offset: i64,
  Buffer: ptr,
  Layout: ptr,
  Count: u32,
  /** Sector of the table that is read, and of the first extended partition, from which the others count. */
  Sector: u32,
  Base: u32,
  Number: u32,
  Status: u32,
} as const;
export interface DiskFrame {
  get(n: Exclude<keyof typeof diskFrame, 'Offset'>): number;
  set(n: 'Buffer' | 'Layout' | 'Count' | 'Sector' | 'Base' | 'Number' | 'Status', v: number): void;
  address(n: 'Offset'): number;
}

/** Reads or writes the sector of the frame: steps `built`, `sent` and `waited` lead to `done`. */
export function transfer(k: Kernel, f: DiskFrame, device: number, size: number, major: number): Outcome {
  keInitializeEvent(k, f.get('Event'), 0, false);
  k.mem.write64(f.address('Offset'), BigInt(f.get('Sector')) * BigInt(size));
  return call(
    k.address('nt!IoBuildSynchronousFsdRequest'),
    [major, device, f.get('Buffer'), size, f.address('Offset'), f.get('Event'), f.get('Iosb')],
    major === IRP_MJ_READ ? 'built' : 'builtWrite',
  );
}

export const irpOf = (k: Kernel): number => Number(BigInt.asIntN(64, k.rax64()));

/** The status of a transfer that is over: what the driver returned, or the status block when it had to be waited for. */
export function transferred(k: Kernel, f: DiskFrame, rax: number, waited: boolean): number {
  return waited ? k.mem.read32(f.get('Iosb')) : rax;
}

/**
 * The steps of a request to the disk after its IRP was built (step `built`): it is sent (`sent` is next), waited for if it pends (`waited`), and `then` goes on with its status.
 */
export const requestSteps = <A extends { DeviceObject: number }>(
  [built, sent, waited]: readonly [string, string, string],
  then: (k: Kernel, f: DiskFrame, status: number, a: A) => Outcome,
) => ({
  [built](k: Kernel, f: DiskFrame, _rax: number, a: A): Outcome {
    const irp = irpOf(k);
    return irp ? callDriverThen(k, a.DeviceObject, irp, sent) : end(k, f, STATUS_INSUFFICIENT_RESOURCES);
  },
  [sent](k: Kernel, f: DiskFrame, rax: number, a: A): Outcome {
    if (rax === STATUS_PENDING && keWait(k, [f.get('Event')]) === 'blocked') return wait(waited);
    return then(k, f, transferred(k, f, rax, rax === STATUS_PENDING), a);
  },
  [waited]: (k: Kernel, f: DiskFrame, rax: number, a: A): Outcome => then(k, f, transferred(k, f, rax, true), a),
});

export const validTable = (k: Kernel, f: DiskFrame): boolean => k.mem.read16(f.get('Buffer') + SIGNATURE_AT) === SIGNATURE;

export function end(k: Kernel, f: DiskFrame, status: number): Outcome {
  exFreePool(k, f.get('Buffer'), TAG);
  return ret(status);
}

/** Takes the entries of a table over into the layout; the sector of the next table of the chain, or 0. */
function readEntries(k: Kernel, f: DiskFrame, size: number, recognizedOnly: boolean): number {
  const { mem } = k;
  let link = 0;
  for (let i = 0; i < 4; i++) {
    const at = f.get('Buffer') + TABLE + i * 16;
    const type = mem.read8(at + 4);
    const extended = EXTENDED.has(type);
    // The first table's extended partition is the base of the chain; within the chain the sectors of tables count from there, those of partitions from their table.
    const start = extended && f.get('Sector') ? f.get('Base') + mem.read32(at + 8) : f.get('Sector') + mem.read32(at + 8);
    if (extended && !link) link = start;
    const recognized = RECOGNIZED.has(type & 0x7f);
    if (recognizedOnly && !recognized) continue;
    const n = f.get('Count');
    if (n === MAXIMUM_ENTRIES) continue;
    const entry = f.get('Layout') + LAYOUT_HEADER + n * ENTRY_SIZE;
    const real = type !== UNUSED && !extended;
    if (real) f.set('Number', f.get('Number') + 1);
    mem.fill(entry, ENTRY_SIZE, 0);
    if (type !== UNUSED) {
      mem.write64(entry, BigInt(start) * BigInt(size));
      mem.write64(entry + 8, BigInt(mem.read32(at + 12)) * BigInt(size));
      mem.write32(entry + 16, mem.read32(at + 8));
      mem.write32(entry + 20, real ? f.get('Number') : 0);
      mem.write8(entry + 24, type);
      mem.write8(entry + 25, mem.read8(at) & 0x80 ? 1 : 0);
      mem.write8(entry + 26, recognized ? 1 : 0);
    }
    f.set('Count', n + 1);
  }
  return link;
}

/** Gives the layout to the caller, or nothing when no table could be read. */
function finish(k: Kernel, f: DiskFrame, out: number, status: number): Outcome {
  if (!ntSuccess(status)) exFreePool(k, f.get('Layout'), 0);
  else k.mem.write32(f.get('Layout'), f.get('Count'));
  k.mem.writePtr(out, ntSuccess(status) ? f.get('Layout') : 0);
  return end(k, f, status);
}

interface ReadArgs {
  DeviceObject: number;
  SectorSize: number;
  ReturnRecognizedPartitions: boolean;
  PartitionBuffer: number;
}

function tableRead(k: Kernel, f: DiskFrame, status: number, a: ReadArgs): Outcome {
  const first = f.get('Sector') === 0;
  if (!ntSuccess(status)) return finish(k, f, a.PartitionBuffer, first ? status : STATUS_SUCCESS);
  if (!validTable(k, f)) return finish(k, f, a.PartitionBuffer, STATUS_SUCCESS);
  if (first) k.mem.write32(f.get('Layout') + 4, k.mem.read32(f.get('Buffer') + DISK_SIGNATURE));
  const link = readEntries(k, f, a.SectorSize, a.ReturnRecognizedPartitions);
  if (!link || f.get('Count') >= MAXIMUM_ENTRIES) return finish(k, f, a.PartitionBuffer, STATUS_SUCCESS);
  if (first) f.set('Base', link);
  // A chain that leads back is no chain.
  if (link <= f.get('Sector')) return finish(k, f, a.PartitionBuffer, STATUS_SUCCESS);
  f.set('Sector', link);
  return transfer(k, f, a.DeviceObject, a.SectorSize, IRP_MJ_READ);
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'IoReadPartitionTable',
    doc: 'Reads the partition tables of a disk into a DRIVE_LAYOUT_INFORMATION of nonpaged pool, which the caller frees.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT, SectorSize: ULONG, ReturnRecognizedPartitions: BOOLEAN, PartitionBuffer: PVOID },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    frame: diskFrame,
    steps: {
      start(k, f, _rax, a) {
        k.mem.probe(a.PartitionBuffer, 8, true);
        const size = Math.max(a.SectorSize, 512);
        const buffer = exAllocatePool(k, NonPagedPoolNx, size, TAG);
        const layout = buffer
          ? exAllocatePool(k, NonPagedPoolNx, LAYOUT_HEADER + MAXIMUM_ENTRIES * ENTRY_SIZE, poolTag('Plyt'))
          : 0;
        k.mem.writePtr(a.PartitionBuffer, 0);
        if (!layout) {
          if (buffer) exFreePool(k, buffer, TAG);
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        }
        k.mem.fill(layout, LAYOUT_HEADER + MAXIMUM_ENTRIES * ENTRY_SIZE, 0);
        f.set('Buffer', buffer);
        f.set('Layout', layout);
        for (const name of ['Count', 'Sector', 'Base', 'Number'] as const) f.set(name, 0);
        return transfer(k, f, a.DeviceObject, a.SectorSize, IRP_MJ_READ);
      },
      built(k, f, _rax, a) {
        const irp = irpOf(k);
        return irp
          ? callDriverThen(k, a.DeviceObject, irp, 'sent')
          : finish(k, f, a.PartitionBuffer, STATUS_INSUFFICIENT_RESOURCES);
      },
      sent(k, f, rax, a) {
        if (rax === STATUS_PENDING && keWait(k, [f.get('Event')]) === 'blocked') return wait('waited');
        return tableRead(k, f, transferred(k, f, rax, rax === STATUS_PENDING), a);
      },
      waited: (k, f, rax, a) => tableRead(k, f, transferred(k, f, rax, true), a),
    },
  }),
  ntSteps({
    name: 'IoSetPartitionInformation',
    doc: "Changes the type of one of a disk's partitions: primary ones are counted first, then those in extended partitions.",
    irql: { max: 'PASSIVE_LEVEL' },
    args: { DeviceObject: PDEVICE_OBJECT, SectorSize: ULONG, PartitionNumber: ULONG, PartitionType: ULONG },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    frame: diskFrame,
    steps: {
      start(k, f, _rax, a) {
        const buffer = exAllocatePool(k, NonPagedPoolNx, Math.max(a.SectorSize, 512), TAG);
        if (!buffer) return ret(STATUS_INSUFFICIENT_RESOURCES);
        f.set('Buffer', buffer);
        for (const name of ['Sector', 'Base', 'Number'] as const) f.set(name, 0);
        return transfer(k, f, a.DeviceObject, a.SectorSize, IRP_MJ_READ);
      },
      ...requestSteps(['built', 'sent', 'waited'], changeType),
      ...requestSteps(['builtWrite', 'written', 'over'], end),
    },
  }),
];

/** A table is in the buffer: the partition, if it is one of this table's, gets its type, and the table is written back; else the chain goes on. */
function changeType(
  k: Kernel,
  f: DiskFrame,
  status: number,
  a: { DeviceObject: number; SectorSize: number; PartitionNumber: number; PartitionType: number },
): Outcome {
  if (!ntSuccess(status)) return end(k, f, status);
  if (!validTable(k, f)) return end(k, f, STATUS_UNSUCCESSFUL);
  let link = 0;
  for (let i = 0; i < 4; i++) {
    const at = f.get('Buffer') + TABLE + i * 16;
    const type = k.mem.read8(at + 4);
    if (EXTENDED.has(type)) link ||= f.get('Base') + k.mem.read32(at + 8);
    if (type === UNUSED || EXTENDED.has(type)) continue;
    f.set('Number', f.get('Number') + 1);
    if (f.get('Number') !== a.PartitionNumber) continue;
    k.mem.write8(at + 4, a.PartitionType & 0xff);
    return transfer(k, f, a.DeviceObject, a.SectorSize, IRP_MJ_WRITE);
  }
  if (link <= f.get('Sector')) return end(k, f, STATUS_UNSUCCESSFUL);
  if (f.get('Sector') === 0) f.set('Base', link);
  f.set('Sector', link);
  return transfer(k, f, a.DeviceObject, a.SectorSize, IRP_MJ_READ);
}
