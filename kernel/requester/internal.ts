/**
 * Requests that the kernel makes of itself (the console's commands): the same blocks as those that come through the port, carried out by the same threads, so that
 * there is one way to open, read and load. The answer goes to a REQUEST_PACKET of whoever asks.
 */
import { PHASE_DONE, PHASE_PENDING, REQUEST_HEADER, type Request } from '../../hal/bus/requests.ts';
import { keSetEvent } from '../ke/event.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES } from '../types/status.ts';
import { ptr, struct, u32, u64 } from '../types/struct.ts';
import { INTERNAL_QUEUE_LENGTH } from './globals.ts';

const TAG = poolTag('Reqi');

/** A request under way. It stays where it is until its Phase is {@link ANSWERED}. */
export const REQUEST_PACKET = struct('_REQUEST_PACKET', {
  /** In: the block; the requester frees it. */
  Request: ptr,
  /** In: KEVENT that is set with each answer. */
  Event: ptr,
  /** Out: {@link ASKED}, {@link OUTSTANDING}, {@link ANSWERED}. */
  Phase: u32,
  /** Out: NTSTATUS. */
  Status: u32,
  Information: u64,
  /** Out: what was read, or a message: a pool block that the asker frees, or 0. */
  Data: ptr,
  DataLength: u32,
});
const P = REQUEST_PACKET.f;

/** REQUEST_PACKET.Phase: no answer yet; STATUS_PENDING was returned and the IRP is outstanding; done. */
export const ASKED = 0,
  OUTSTANDING = 1,
  ANSWERED = 2;

/** Builds a request's block in nonpaged pool (hal/bus/requests.ts has the layout), with room for `dataLength` bytes of data; `data` is where they go. 0 without pool. */
export function makeRequestBlock(
  k: Kernel,
  r: Omit<Request, 'id' | 'data'>,
  dataLength: number,
): { block: number; data: number } {
  const name = Uint8Array.from(r.name ?? '', c => c.charCodeAt(0) & 0x7f);
  const block = exAllocatePool(k, NonPagedPoolNx, REQUEST_HEADER + name.length + dataLength, TAG);
  if (!block) return { block, data: 0 };
  [0, r.op, r.handle ?? 0, r.code ?? 0, r.outLength ?? 0, name.length, dataLength, r.flags ?? 0].forEach((value, i) =>
    k.mem.write32(block + i * 4, value),
  );
  k.mem.writeBytes(block + REQUEST_HEADER, name);
  return { block, data: block + REQUEST_HEADER + name.length };
}

/** Gives a packet to the requester. False, and nothing has happened, when too many wait already. */
export function submitInternalRequest(k: Kernel, packet: number, block: number, event: number): boolean {
  const tail = k.global.get('ReqInternalTail');
  if ((tail - k.global.get('ReqInternalHead')) >>> 0 === INTERNAL_QUEUE_LENGTH) return false;
  k.mem.fill(packet, REQUEST_PACKET.size, 0);
  P.Request.set(k.mem, packet, block);
  P.Event.set(k.mem, packet, event);
  k.mem.writePtr(k.global.address('ReqInternalQueue') + (tail % INTERNAL_QUEUE_LENGTH) * 8, packet);
  k.global.set('ReqInternalTail', tail + 1);
  keSetEvent(k, k.global.address('ReqEvent'), 0);
  return true;
}

export const internalPending = (k: Kernel): boolean => k.global.get('ReqInternalHead') !== k.global.get('ReqInternalTail');

/** The requester's side: the oldest packet, or 0. */
export function takeInternalRequest(k: Kernel): number {
  if (!internalPending(k)) return 0;
  const head = k.global.get('ReqInternalHead');
  k.global.set('ReqInternalHead', head + 1);
  return k.mem.readPtr(k.global.address('ReqInternalQueue') + (head % INTERNAL_QUEUE_LENGTH) * 8);
}

/** Answers a packet; the data are copied. Without pool for the copy the answer goes without them, as STATUS_INSUFFICIENT_RESOURCES. */
export function answerInternalRequest(
  k: Kernel,
  packet: number,
  status: number,
  information: bigint,
  phase: number,
  data: number,
  length: number,
): void {
  const { mem } = k;
  const copy = length ? exAllocatePool(k, NonPagedPoolNx, length, TAG) : 0;
  if (copy) mem.copy(copy, data, length);
  P.Status.set(mem, packet, length && !copy ? STATUS_INSUFFICIENT_RESOURCES : status);
  P.Information.set(mem, packet, information);
  P.Data.set(mem, packet, copy);
  P.DataLength.set(mem, packet, copy ? length : 0);
  P.Phase.set(mem, packet, phase === PHASE_PENDING ? OUTSTANDING : phase === PHASE_DONE ? ANSWERED : ASKED);
  keSetEvent(k, P.Event.get(mem, packet), 0);
}
