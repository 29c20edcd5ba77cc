/**
 * Requests of the console: `load`, `unload`, `read`, `write`, `ioctl`, `cancel`. The requester's threads carry them out (kernel/requester/internal.ts), so a driver that
 * never answers holds up one of those and not the prompt. A transfer is three requests: open, transfer, close.
 */
import {
  OP_CANCEL,
  OP_CLOSE,
  OP_IOCTL,
  OP_LOAD,
  OP_OPEN,
  OP_READ,
  OP_UNLOAD,
  OP_WRITE,
  type Request,
} from '../../hal/bus/requests.ts';
import { CommandError } from '../debug/command.ts';
import { driverOfService } from '../io/load.ts';
import { ntSuccess } from '../io/irp.ts';
import { interruptTime } from '../ke/time.ts';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { ANSWERED, makeRequestBlock, OUTSTANDING, REQUEST_PACKET, submitInternalRequest } from '../requester/internal.ts';
import { INTERNAL_QUEUE_LENGTH } from '../requester/globals.ts';
import { insertTailList, listEntries, removeEntryList } from '../rtl/list.ts';
import { readAnsiZ } from '../rtl/string.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { STATUS_NOT_FOUND, STATUS_OBJECT_NAME_NOT_FOUND } from '../types/status.ts';
import { statusName } from '../types/statusname.ts';
import { array, ptr, struct, u32, u64, u8 } from '../types/struct.ts';
import { fetchOffer, type OfferedFile } from './offers.ts';
import { address, count, hex, hexDump } from './text.ts';

const TAG = poolTag('ConR');
const TARGET_SIZE = 128;

/** CON_REQUEST.Stage */
const OPENING = 0,
  TRANSFER = 1,
  CLOSING = 2,
  SINGLE = 3;

export const CON_REQUEST = struct('_CON_REQUEST', {
  Link: LIST_ENTRY,
  Packet: REQUEST_PACKET,
  /** How the person refers to it; 0 until somebody has to. */
  Number: u32,
  /** OP_READ and so on: what the person asked for. */
  Operation: u32,
  Stage: u32,
  /** It has been said that the request is pending. */
  Announced: u8,
  /** Interrupt time when it was first seen to be pending. */
  Since: u64,
  /** As the request has them (hal/bus/requests.ts). */
  Code: u32,
  Flags: u32,
  OutLength: u32,
  /** In the requester's process. */
  Handle: u32,
  /** Input of the transfer: a pool block, or 0. */
  Input: ptr,
  InputLength: u32,
  /** What the person named, ASCIIZ. */
  Target: array(u8, TARGET_SIZE),
});
const R = CON_REQUEST.f;
const P = REQUEST_PACKET.f;

export interface RequestSpec {
  op: number;
  target: string;
  code?: number;
  flags?: number;
  outLength?: number;
  input?: Uint8Array;
}

const packetOf = (request: number): number => request + R.Packet.offset;
const targetOf = (k: Kernel, request: number): string => readAnsiZ(k.mem, request + R.Target.offset, TARGET_SIZE);

/** The requests that have not ended, oldest first. */
export const conRequests = (k: Kernel): number[] =>
  [...listEntries(k.mem, k.global.address('ConRequestListHead'))].map(link => link - R.Link.offset);

/** The number of a request; it gets one when it is first spoken of. */
function numberOf(k: Kernel, request: number): number {
  const given = R.Number.get(k.mem, request);
  if (given) return given;
  const number = k.global.get('ConRequestCount') + 1;
  k.global.set('ConRequestCount', number);
  R.Number.set(k.mem, request, number);
  return number;
}

/** `read echo`, `ioctl edu 0x222000` */
function describe(k: Kernel, request: number): string {
  const target = targetOf(k, request);
  switch (R.Operation.get(k.mem, request)) {
    case OP_LOAD:
      return `load ${target}`;
    case OP_UNLOAD:
      return `unload ${target}`;
    case OP_READ:
      return `read ${target} ${R.OutLength.get(k.mem, request)}`;
    case OP_WRITE:
      return `write ${target}`;
    case OP_IOCTL:
      return `ioctl ${target} 0x${hex(R.Code.get(k.mem, request))}`;
    default:
      return `cancel ${target}`;
  }
}

/** What `requests` shows: number, what, how far it is. */
export function requestRows(k: Kernel): string[][] {
  return conRequests(k).map(request => {
    const outstanding = P.Phase.get(k.mem, packetOf(request)) === OUTSTANDING;
    const stage = R.Stage.get(k.mem, request);
    const state = outstanding ? 'pending' : stage === OPENING ? 'opening' : stage === CLOSING ? 'closing' : 'in the driver';
    return [`${numberOf(k, request)}`, describe(k, request), state];
  });
}

function allocate(k: Kernel, s: RequestSpec): number {
  if (!k.global.get('ReqProcess'))
    throw new CommandError('this machine has no request port, and so nobody who carries out requests');
  if (s.target.length >= TARGET_SIZE) throw new CommandError(`a name has at most ${TARGET_SIZE - 1} characters`);
  if (conRequests(k).length >= INTERNAL_QUEUE_LENGTH)
    throw new CommandError(`there are ${INTERNAL_QUEUE_LENGTH} requests already: 'requests' lists them, 'cancel N' ends one`);
  const request = exAllocatePool(k, NonPagedPoolNx, CON_REQUEST.size, TAG);
  if (!request) throw new CommandError('there is no nonpaged pool left for a request');
  const { mem } = k;
  mem.fill(request, CON_REQUEST.size, 0);
  R.Operation.set(mem, request, s.op);
  R.Code.set(mem, request, s.code ?? 0);
  R.Flags.set(mem, request, s.flags ?? 0);
  R.OutLength.set(mem, request, s.outLength ?? 0);
  mem.writeBytes(
    request + R.Target.offset,
    Uint8Array.from(s.target, c => c.charCodeAt(0)),
  );
  return request;
}

/** Sends a block to the requester; false without pool for it. */
function submit(
  k: Kernel,
  request: number,
  r: Omit<Request, 'id' | 'data'>,
  fill: (data: number) => void = () => {},
  length = 0,
): boolean {
  const { block, data } = makeRequestBlock(k, r, length);
  if (!block) return false;
  fill(data);
  if (submitInternalRequest(k, packetOf(request), block, k.global.address('ConEvent'))) return true;
  exFreePool(k, block, 0);
  return false;
}

/** Enters a request that has been sent: the prompt waits for it. */
function enter(k: Kernel, request: number, sent: boolean): void {
  if (!sent) {
    release(k, request);
    throw new CommandError('there is no nonpaged pool left for a request');
  }
  insertTailList(k.mem, k.global.address('ConRequestListHead'), request + R.Link.offset);
  k.global.set('ConForeground', request);
}

function release(k: Kernel, request: number): void {
  const input = R.Input.get(k.mem, request);
  if (input) exFreePool(k, input, 0);
  exFreePool(k, request, TAG);
}

/** The request has ended. */
function end(k: Kernel, request: number): void {
  removeEntryList(k.mem, request + R.Link.offset);
  if (k.global.get('ConForeground') === request) k.global.set('ConForeground', 0);
  release(k, request);
}

/** Starts a read, write or ioctl of the device that `target` names: a driver's service, a Win32 name, or a path of the namespace. */
export function startTransfer(k: Kernel, s: RequestSpec): void {
  const request = allocate(k, s);
  if (s.input?.length) {
    const input = exAllocatePool(k, NonPagedPoolNx, s.input.length, TAG);
    if (!input) {
      release(k, request);
      throw new CommandError('there is no nonpaged pool left for the data');
    }
    k.mem.writeBytes(input, s.input);
    R.Input.set(k.mem, request, input);
    R.InputLength.set(k.mem, request, s.input.length);
  }
  R.Stage.set(k.mem, request, OPENING);
  const name = !s.target.startsWith('\\') && driverOfService(k, s.target) ? `\\Driver\\${s.target}` : s.target;
  enter(k, request, submit(k, request, { op: OP_OPEN, name }));
}

/** Loads an offered file as the driver of a service; `ids` are the hardware ids that it is for (pnp/match.ts), none to let the kernel choose. */
export function startLoad(k: Kernel, service: string, file: OfferedFile, ids: readonly string[]): void {
  const request = allocate(k, { op: OP_LOAD, target: service });
  R.Stage.set(k.mem, request, SINGLE);
  enter(
    k,
    request,
    submit(
      k,
      request,
      { op: OP_LOAD, name: ids.length ? `${service}=${ids.join(';')}` : service },
      data => fetchOffer(k, file, data),
      file.length,
    ),
  );
}

export function startUnload(k: Kernel, service: string): void {
  const request = allocate(k, { op: OP_UNLOAD, target: service });
  R.Stage.set(k.mem, request, SINGLE);
  enter(k, request, submit(k, request, { op: OP_UNLOAD, name: service }));
}

/** Cancels what request `number` has outstanding in its driver. */
export function startCancel(k: Kernel, number: number): void {
  const victim = conRequests(k).find(r => R.Number.get(k.mem, r) === number);
  if (victim === undefined) throw new CommandError(`there is no request ${number}: 'requests' lists them`);
  if (R.Stage.get(k.mem, victim) !== TRANSFER)
    throw new CommandError(`request ${number} (${describe(k, victim)}) has nothing outstanding that could be cancelled`);
  const request = allocate(k, { op: OP_CANCEL, target: `${number}` });
  R.Stage.set(k.mem, request, SINGLE);
  enter(k, request, submit(k, request, { op: OP_CANCEL, handle: R.Handle.get(k.mem, victim) }));
}

/** The person does not want to wait for the request in the foreground: what to tell, or null when there is none. */
export function leaveForeground(k: Kernel): string | null {
  const request = k.global.get('ConForeground');
  if (!request) return null;
  k.global.set('ConForeground', 0);
  R.Announced.set(k.mem, request, 1);
  return `request ${numberOf(k, request)} (${describe(k, request)}) goes on; its end will be announced`;
}

/** How long the prompt waits for a request that is pending before it says so and comes back, in 100 ns units: most end in less. */
const PATIENCE = 1_000_000n;

function lastsLong(k: Kernel, request: number): boolean {
  const now = interruptTime(k);
  const since = R.Since.get(k.mem, request);
  if (since === 0n) R.Since.set(k.mem, request, now);
  return since !== 0n && now - since >= PATIENCE;
}

/** Timeout of the wait for the request in the foreground, as keWait takes it: none while the driver has not answered at all. */
export function patience(k: Kernel): bigint | null {
  const request = k.global.get('ConForeground');
  return P.Phase.get(k.mem, packetOf(request)) === OUTSTANDING ? -PATIENCE : null;
}

/** What happened to requests since this was asked last: the lines to say, or null when nothing did. */
export function requestNews(k: Kernel): string[] | null {
  for (const request of conRequests(k)) {
    const phase = P.Phase.get(k.mem, packetOf(request));
    if (phase === OUTSTANDING && !R.Announced.get(k.mem, request) && lastsLong(k, request)) {
      R.Announced.set(k.mem, request, 1);
      if (k.global.get('ConForeground') === request) k.global.set('ConForeground', 0);
      return [`pending (request ${numberOf(k, request)})`];
    }
    if (phase === ANSWERED) return advance(k, request);
  }
  return null;
}

/** A stage of a request has been answered: what to say, and on to the next stage. */
function advance(k: Kernel, request: number): string[] {
  const { mem } = k;
  const packet = packetOf(request);
  const status = P.Status.get(mem, packet);
  const stage = R.Stage.get(mem, request);
  // Who does not watch the request any more is told which one it was.
  const background = k.global.get('ConForeground') !== request;
  const label = (lines: string[]): string[] =>
    background ? [`request ${numberOf(k, request)} (${describe(k, request)}): ${lines[0] ?? ''}`, ...lines.slice(1)] : lines;
  if (stage === OPENING) {
    if (!ntSuccess(status)) {
      const lines = label([openFailure(k, targetOf(k, request), status)]);
      end(k, request);
      return lines;
    }
    R.Handle.set(mem, request, Number(P.Information.get(mem, packet)));
    R.Stage.set(mem, request, TRANSFER);
    if (transfer(k, request)) return [];
    return [...label(['there is no nonpaged pool left for the request']), ...close(k, request)];
  }
  if (stage === CLOSING) {
    const lines = ntSuccess(status) ? [] : label([`closing: ${statusName(status)}`]);
    end(k, request);
    return lines;
  }
  const data = P.Data.get(mem, packet);
  const bytes = data ? mem.readBytes(data, P.DataLength.get(mem, packet)) : new Uint8Array(0);
  if (data) exFreePool(k, data, 0);
  if (stage === TRANSFER) {
    const lines = label([
      `${statusName(status)}, ${count(P.Information.get(mem, packet), 'byte')}`,
      ...hexDump([...bytes], at => hex(at, 8)),
    ]);
    return [...lines, ...close(k, request)];
  }
  const lines = label([outcome(k, request, status, bytes)]);
  end(k, request);
  return lines;
}

function transfer(k: Kernel, request: number): boolean {
  const { mem } = k;
  const input = R.Input.get(mem, request);
  const length = R.InputLength.get(mem, request);
  const r = {
    op: R.Operation.get(mem, request),
    handle: R.Handle.get(mem, request),
    code: R.Code.get(mem, request),
    flags: R.Flags.get(mem, request),
    outLength: R.OutLength.get(mem, request),
  };
  return submit(k, request, r, data => mem.copy(data, input, length), length);
}

/** Goes on to closing the device. Without pool for that the handle stays, and this says so. */
function close(k: Kernel, request: number): string[] {
  R.Stage.set(k.mem, request, CLOSING);
  const handle = R.Handle.get(k.mem, request);
  if (submit(k, request, { op: OP_CLOSE, handle })) return [];
  end(k, request);
  return [`handle 0x${hex(handle)} of the requester stays open: there is no nonpaged pool left for closing it`];
}

function openFailure(k: Kernel, target: string, status: number): string {
  if (driverOfService(k, target)) return `cannot open a device of ${target}: ${statusName(status)} ('devices' lists what it has)`;
  const hint =
    status === STATUS_OBJECT_NAME_NOT_FOUND
      ? `: there is no driver or device of that name ('drivers', 'devices' and 'load' list what there is)`
      : '';
  return `cannot open ${target}: ${statusName(status)}${hint}`;
}

/** What a request of one stage came to. `bytes`: the loader's message. */
function outcome(k: Kernel, request: number, status: number, bytes: Uint8Array): string {
  const target = targetOf(k, request);
  const operation = R.Operation.get(k.mem, request);
  if (operation === OP_CANCEL)
    return status === STATUS_NOT_FOUND
      ? `request ${target} has nothing outstanding that could be cancelled`
      : `cancel ${target}: ${statusName(status)}`;
  if (operation === OP_UNLOAD) {
    if (!ntSuccess(status)) return `cannot unload ${target}: ${statusName(status)}`;
    return driverOfService(k, target)
      ? `${target} will be unloaded when nobody has its devices open any more`
      : `${target} unloaded`;
  }
  if (ntSuccess(status))
    return `${target} loaded at ${address(Number(BigInt.asIntN(64, P.Information.get(k.mem, packetOf(request)))))}`;
  const message = Array.from(bytes, b => String.fromCharCode(b)).join('');
  return `cannot load ${target}: ${statusName(status)}${message ? `: ${message}` : ''}`;
}
