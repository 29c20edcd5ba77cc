import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { CID_ENTRIES } from './globals.ts';

const TAG = 0x43707350; // 'PspC'
const NonPagedPoolNx = 512;
/** The system process is 4; ids are multiples of 4, as handles are. */
const FIRST_CID = 4;

/** Makes the table of ids. Throws an Error without pool: this is boot. */
export function initializeCidTable(k: Kernel): void {
  const table = exAllocatePool(k, NonPagedPoolNx, CID_ENTRIES * 8, TAG);
  if (!table) throw new Error('no pool for the table of process and thread ids');
  k.mem.fill(table, CID_ENTRIES * 8, 0);
  k.global.set('PspCidTable', table);
  k.global.set('PspNextCid', FIRST_CID);
}

/** Gives a process or thread the next free id; 0 when all are taken. */
export function allocateCid(k: Kernel, object: number): number {
  const table = k.global.get('PspCidTable');
  const start = k.global.get('PspNextCid') / 4;
  for (let i = 0; i < CID_ENTRIES - 1; i++) {
    const index = 1 + ((start - 1 + i) % (CID_ENTRIES - 1));
    if (k.mem.readPtr(table + index * 8) !== 0) continue;
    k.mem.writePtr(table + index * 8, object);
    k.global.set('PspNextCid', (1 + (index % (CID_ENTRIES - 1))) * 4);
    return index * 4;
  }
  return 0;
}

export function freeCid(k: Kernel, cid: number): void {
  k.mem.writePtr(k.global.get('PspCidTable') + (cid / 4) * 8, 0);
}

/** The process or thread with an id, or 0. Ids' two low bits do not count. */
export function lookupCid(k: Kernel, cid: number): number {
  const index = Math.floor(cid / 4);
  if (!(index > 0 && index < CID_ENTRIES)) return 0;
  return k.mem.readPtr(k.global.get('PspCidTable') + index * 8);
}
