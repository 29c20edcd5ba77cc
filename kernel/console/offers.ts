/** Files that were offered to the machine through the request port (hal/bus/requests.ts). */
import {
  COMMAND_OFFER_DATA,
  COMMAND_OFFER_NAME,
  OFFER_NAME_MAX,
  REQUEST_PORT_BASE,
  RP_ADDRESS,
  RP_COMMAND,
  RP_OFFER,
  RP_OFFER_LENGTH,
} from '../../hal/bus/requests.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { portPresent } from '../requester/port.ts';
import { NonPagedPoolNx } from '../types/mm.ts';

const read = (k: Kernel, register: number): number => k.cpu.portIn(REQUEST_PORT_BASE + register, 4) >>> 0;
const write = (k: Kernel, register: number, value: number): void => k.cpu.portOut(REQUEST_PORT_BASE + register, 4, value >>> 0);

export interface OfferedFile {
  index: number;
  name: string;
  length: number;
}

/** The offered files in the order in which they came; what is not ASCII in a name becomes `?`. Without pool for the names: an empty list. */
export function offeredFiles(k: Kernel): OfferedFile[] {
  const count = portPresent(k) ? read(k, RP_OFFER) : 0;
  const buffer = count ? exAllocatePool(k, NonPagedPoolNx, 4 + OFFER_NAME_MAX, poolTag('ConO')) : 0;
  if (!buffer) return [];
  write(k, RP_ADDRESS, k.mem.translate(buffer));
  const files = Array.from({ length: count }, (_, index) => {
    write(k, RP_OFFER, index);
    write(k, RP_COMMAND, COMMAND_OFFER_NAME);
    const bytes = k.mem.readBytes(buffer + 4, Math.min(OFFER_NAME_MAX, k.mem.read32(buffer)));
    return {
      index,
      name: Array.from(bytes, b => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '?')).join(''),
      length: read(k, RP_OFFER_LENGTH),
    };
  });
  exFreePool(k, buffer, 0);
  return files;
}

/** Brings a file's bytes to `to`, nonpaged pool with room for them (its pages are one run of physical memory). */
export function fetchOffer(k: Kernel, file: OfferedFile, to: number): void {
  write(k, RP_OFFER, file.index);
  write(k, RP_ADDRESS, k.mem.translate(to));
  write(k, RP_COMMAND, COMMAND_OFFER_DATA);
}

/** The file that a person means: `echo.sys`, or `echo` for short; case does not count. */
export function findOffer(files: readonly OfferedFile[], name: string): OfferedFile | undefined {
  const wanted = name.toLowerCase();
  return files.find(f => f.name.toLowerCase() === wanted) ?? files.find(f => f.name.toLowerCase() === `${wanted}.sys`);
}
