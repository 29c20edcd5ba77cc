/** Writing the partition tables (MBR) of a disk. Source: IoWritePartitionTable, DRIVE_LAYOUT_INFORMATION, PARTITION_INFORMATION (WDK, obsolete routines). */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { IRP_MJ_READ, IRP_MJ_WRITE } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_DEVICE_NOT_READY, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, STATUS_UNSUCCESSFUL } from '../types/status.ts';
import { call, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, ULONG } from '../exports/declare.ts';
import { PDEVICE_OBJECT } from './call.ts';
import { ntSuccess } from './irp.ts';
import {
  DISK_SIGNATURE,
  diskFrame,
  type DiskFrame,
  end,
  ENTRY_SIZE,
  EXTENDED,
  requestSteps,
  LAYOUT_HEADER,
  SIGNATURE,
  SIGNATURE_AT,
  TABLE,
  TAG,
  transfer,
  UNUSED,
  validTable,
} from './partition.ts';

const IOCTL_DISK_GET_DRIVE_GEOMETRY = 0x70000;
const GEOMETRY_SIZE = 24;
/** The last cylinder that an entry can name. */
const MAX_CYLINDER = 1023;

interface WriteArgs {
  DeviceObject: number;
  SectorSize: number;
  SectorsPerTrack: number;
  NumberOfHeads: number;
  PartitionBuffer: number;
}

/** Cylinder, head and sector of a sector in the three bytes of an entry; what lies behind the last cylinder has the last of each. */
function writeChs(k: Kernel, at: number, sector: number, a: WriteArgs): void {
  const tracks = Math.max(a.SectorsPerTrack, 1),
    heads = Math.max(a.NumberOfHeads, 1);
  const beyond = Math.floor(sector / (tracks * heads)) > MAX_CYLINDER;
  const cylinder = beyond ? MAX_CYLINDER : Math.floor(sector / (tracks * heads));
  const head = beyond ? heads - 1 : Math.floor(sector / tracks) % heads;
  const number = beyond ? tracks : (sector % tracks) + 1;
  k.mem.write8(at, head & 0xff);
  k.mem.write8(at + 1, (number & 0x3f) | ((cylinder >>> 2) & 0xc0));
  k.mem.write8(at + 2, cylinder & 0xff);
}

/** Entry `n` of the layout, its offset and length in sectors. */
function layoutEntry(k: Kernel, a: WriteArgs, n: number): { at: number; type: number; start: number; count: number } {
  const at = a.PartitionBuffer + LAYOUT_HEADER + n * ENTRY_SIZE;
  const sectors = (v: bigint): number => Number(v / BigInt(Math.max(a.SectorSize, 1)));
  return { at, type: k.mem.read8(at + 24), start: sectors(k.mem.read64(at)), count: sectors(k.mem.read64(at + 8)) };
}

/** Puts entries of the layout that are to be rewritten into the table in the buffer. */
function fillTable(k: Kernel, f: DiskFrame, a: WriteArgs): void {
  const { mem } = k;
  const first = f.get('Number') * 4;
  for (let i = 0; i < 4 && first + i < mem.read32(a.PartitionBuffer); i++) {
    const e = layoutEntry(k, a, first + i);
    if (!mem.read8(e.at + 27)) continue;
    const to = f.get('Buffer') + TABLE + i * 16;
    mem.fill(to, 16, 0);
    if (e.type === UNUSED) continue;
    mem.write8(to, mem.read8(e.at + 25) ? 0x80 : 0);
    writeChs(k, to + 1, e.start, a);
    mem.write8(to + 4, e.type);
    writeChs(k, to + 5, e.start + e.count - 1, a);
    // Partitions count from their table; the tables of a chain from the first extended partition.
    mem.write32(to + 8, e.start - (EXTENDED.has(e.type) ? f.get('Base') : f.get('Sector')));
    mem.write32(to + 12, e.count);
  }
}

const readTable = (k: Kernel, f: DiskFrame, a: WriteArgs): Outcome => transfer(k, f, a.DeviceObject, a.SectorSize, IRP_MJ_READ);

/** The geometry is known, or not: then nothing is written. */
function measured(k: Kernel, f: DiskFrame, status: number, a: WriteArgs): Outcome {
  return ntSuccess(status) ? readTable(k, f, a) : end(k, f, STATUS_DEVICE_NOT_READY);
}

function tableRead(k: Kernel, f: DiskFrame, status: number, a: WriteArgs): Outcome {
  if (!ntSuccess(status)) return end(k, f, status);
  const { mem } = k;
  if (!validTable(k, f)) {
    if (f.get('Sector') === 0) return end(k, f, STATUS_UNSUCCESSFUL);
    // The sector of a new extended partition: it has no table yet.
    mem.fill(f.get('Buffer'), Math.max(a.SectorSize, 512), 0);
    mem.write16(f.get('Buffer') + SIGNATURE_AT, SIGNATURE);
  }
  if (f.get('Sector') === 0) mem.write32(f.get('Buffer') + DISK_SIGNATURE, mem.read32(a.PartitionBuffer + 4));
  fillTable(k, f, a);
  return transfer(k, f, a.DeviceObject, a.SectorSize, IRP_MJ_WRITE);
}

/** A table is on the disk: the layout's extended entry leads to the next. */
function tableWritten(k: Kernel, f: DiskFrame, status: number, a: WriteArgs): Outcome {
  if (!ntSuccess(status)) return end(k, f, status);
  const first = f.get('Number') * 4,
    count = k.mem.read32(a.PartitionBuffer);
  for (let i = first; i < first + 4 && i < count && first + 4 < count; i++) {
    const e = layoutEntry(k, a, i);
    if (!EXTENDED.has(e.type) || e.start <= f.get('Sector')) continue;
    if (f.get('Sector') === 0) f.set('Base', e.start);
    f.set('Sector', e.start);
    f.set('Number', f.get('Number') + 1);
    return readTable(k, f, a);
  }
  return end(k, f, STATUS_SUCCESS);
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'IoWritePartitionTable',
    doc: "Writes a disk's partition tables as a DRIVE_LAYOUT_INFORMATION has them: four entries each, the extended one of a table leading to the next; entries without RewritePartition stay.",
    irql: { max: 'PASSIVE_LEVEL' },
    args: {
      DeviceObject: PDEVICE_OBJECT,
      SectorSize: ULONG,
      SectorsPerTrack: ULONG,
      NumberOfHeads: ULONG,
      PartitionBuffer: PVOID,
    },
    returns: NTSTATUS,
    cycles: 900,
    status: 'full',
    frame: diskFrame,
    steps: {
      start(k, f, _rax, a) {
        const buffer = exAllocatePool(k, NonPagedPoolNx, Math.max(a.SectorSize, 512), TAG);
        if (!buffer) return ret(STATUS_INSUFFICIENT_RESOURCES);
        f.set('Buffer', buffer);
        // Number counts the tables here.
        for (const name of ['Sector', 'Base', 'Number'] as const) f.set(name, 0);
        keInitializeEvent(k, f.get('Event'), 0, false);
        const args = [
          IOCTL_DISK_GET_DRIVE_GEOMETRY,
          a.DeviceObject,
          0,
          0,
          buffer,
          GEOMETRY_SIZE,
          0,
          f.get('Event'),
          f.get('Iosb'),
        ];
        return call(k.address('nt!IoBuildDeviceIoControlRequest'), args, 'builtGeometry');
      },
      ...requestSteps(['builtGeometry', 'asked', 'answered'], measured),
      ...requestSteps(['built', 'sent', 'waited'], tableRead),
      ...requestSteps(['builtWrite', 'written', 'over'], tableWritten),
    },
  }),
];
