/** The request port as its driver sees it: eight I/O ports, DMA, and a level-triggered interrupt that stays on while requests wait. */
import {
  COMMAND_FETCH,
  COMMAND_REFUSE,
  COMMAND_REPLY,
  PHASE_DONE,
  REPLY_HEADER,
  REQUEST_HEADER,
  REQUEST_PORT_BASE,
  REQUEST_PORT_PIN,
  RP_ADDRESS,
  RP_COMMAND,
  RP_IDENT,
  RP_LENGTH,
  RP_PENDING,
  RP_REPLY_LENGTH,
} from '../../hal/bus/requests.ts';
import { ioApicRead, ioApicWrite } from '../../hal/nt/apic.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES } from '../types/status.ts';

const IDENT = 0x71726d6b;
const TAG = poolTag('Reqp');
const read = (k: Kernel, register: number): number => k.cpu.portIn(REQUEST_PORT_BASE + register, 4) >>> 0;
const write = (k: Kernel, register: number, value: number): void => k.cpu.portOut(REQUEST_PORT_BASE + register, 4, value >>> 0);

/** Is there a request port in this machine? */
export const portPresent = (k: Kernel): boolean => read(k, RP_IDENT) === IDENT;
/** Requests that wait. */
export const portPending = (k: Kernel): number => read(k, RP_PENDING);

/** I/O APIC redirection entry: its mask bit (82093AA, 3.2.4). */
const REDIRECTION = 0x10 + REQUEST_PORT_PIN * 2,
  MASKED = 0x10000;

/** Lets the port's interrupt through or holds it back. While a thread takes the requests it is held back, as the line stays on until the last is taken. */
export function maskPort(k: Kernel, masked: boolean): void {
  const entry = ioApicRead(k.cpu, REDIRECTION);
  ioApicWrite(k.cpu, REDIRECTION, masked ? entry | MASKED : entry & ~MASKED);
}

/** Takes the first request by DMA: a block of nonpaged pool (physically contiguous), or 0 when there is none or no pool for it. */
export function fetchRequest(k: Kernel): number {
  const length = read(k, RP_LENGTH);
  if (length < REQUEST_HEADER) return 0;
  const buffer = exAllocatePool(k, NonPagedPoolNx, length, TAG);
  if (!buffer) return 0;
  write(k, RP_ADDRESS, k.mem.translate(buffer));
  write(k, RP_COMMAND, COMMAND_FETCH);
  return buffer;
}

/** A block of 32 bytes that is always there, and in one page. */
function spareHeader(k: Kernel): number {
  const at = k.global.address('ReqSpareHeader');
  return at + ((32 - (at & 31)) & 31);
}

/** Answers the first request for which there is no pool with STATUS_INSUFFICIENT_RESOURCES, without having fetched it. */
export function refuseRequest(k: Kernel): void {
  const header = spareHeader(k);
  write(k, RP_ADDRESS, k.mem.translate(header));
  write(k, RP_COMMAND, COMMAND_REFUSE);
  sendReply(k, k.mem.read32(header), STATUS_INSUFFICIENT_RESOURCES, 0n, PHASE_DONE, 0, 0);
}

export interface RequestFields {
  id: number;
  op: number;
  handle: number;
  code: number;
  outLength: number;
  nameLength: number;
  dataLength: number;
  flags: number;
  /** UTF-8. */
  name: string;
  /** Address of the data. */
  data: number;
}

/** The fields of a fetched request. */
export function readRequest(k: Kernel, at: number): RequestFields {
  const f = (i: number): number => k.mem.read32(at + i * 4);
  const nameLength = f(5);
  return {
    id: f(0),
    op: f(1),
    handle: f(2),
    code: f(3),
    outLength: f(4),
    nameLength,
    dataLength: f(6),
    flags: f(7),
    name: utf8(k.mem.readBytes(at + REQUEST_HEADER, nameLength)),
    data: at + REQUEST_HEADER + nameLength,
  };
}

/** UTF-8 to UTF-16 (RFC 3629); a malformed sequence gives U+FFFD. */
function utf8(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length;) {
    const b = bytes[i++]!;
    const more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : b >= 0xe0 && b < 0xf0 ? 2 : b >= 0xf0 && b < 0xf5 ? 3 : -1;
    let code = more === 0 ? b : more === 1 ? b & 0x1f : more === 2 ? b & 0x0f : b & 0x07;
    let bad = more < 0;
    for (let n = 0; n < more && !bad; n++) {
      const next = bytes[i];
      if (next === undefined || (next & 0xc0) !== 0x80) bad = true;
      else {
        code = (code << 6) | (next & 0x3f);
        i++;
      }
    }
    text += bad ? '\ufffd' : String.fromCodePoint(Math.min(code, 0x10ffff));
  }
  return text;
}

/** Sends a reply. `data` is an address, `length` its bytes. Without pool for the copy the reply goes without its data, as STATUS_INSUFFICIENT_RESOURCES. */
export function sendReply(
  k: Kernel,
  id: number,
  status: number,
  information: bigint,
  phase: number,
  data: number,
  length: number,
): void {
  let buffer = exAllocatePool(k, NonPagedPoolNx, REPLY_HEADER + length, TAG);
  let bytes = length;
  let result = status;
  if (!buffer && length) {
    bytes = 0;
    result = STATUS_INSUFFICIENT_RESOURCES;
    buffer = exAllocatePool(k, NonPagedPoolNx, REPLY_HEADER, TAG);
  }
  const spare = buffer === 0;
  if (spare) buffer = spareHeader(k);
  const { mem } = k;
  mem.fill(buffer, REPLY_HEADER, 0);
  mem.write32(buffer, id);
  mem.write32(buffer + 4, result);
  mem.write64(buffer + 8, BigInt.asUintN(64, information));
  mem.write32(buffer + 16, phase);
  mem.write32(buffer + 20, bytes);
  if (bytes) mem.copy(buffer + REPLY_HEADER, data, bytes);
  write(k, RP_ADDRESS, mem.translate(buffer));
  write(k, RP_REPLY_LENGTH, REPLY_HEADER + bytes);
  write(k, RP_COMMAND, COMMAND_REPLY);
  if (!spare) exFreePool(k, buffer, TAG);
}
