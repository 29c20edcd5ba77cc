import {
  decodeReply,
  encodeOffer,
  encodeRequest,
  offsetFields,
  OP_CANCEL,
  OP_CLOSE,
  OP_EXIT,
  OP_IOCTL,
  OP_LOAD,
  OP_OPEN,
  OP_PNP,
  OP_SHUTDOWN,
  OP_READ,
  OP_UNLOAD,
  OP_WRITE,
  PHASE_PENDING,
  TRANSFER_APC,
  TRANSFER_POINTERS,
  TRANSFER_REPEAT_SHIFT,
} from '../hal/bus/index.ts';
import type { Reply, Request } from '../hal/bus/index.ts';
import type { Machine, Stop, StopReason } from './machine.ts';

/** Device and channels through which requests go in and replies come out. */
export const REQUEST_DEVICE = 'requestport';
const REQUEST_CHANNEL = 'request',
  REPLY_CHANNEL = 'reply',
  OFFER_CHANNEL = 'offer';

/** Cycles to go on for before the machine is looked at again. Only a slice: it does not show in the state. */
const SLICE = 100_000;

/** How a request ended, as far as it did. */
export interface RequestResult {
  id: number;
  /** Its final reply; or, while it is outstanding, the one that says STATUS_PENDING; null if there is none. */
  reply: Reply | null;
  /** Why waiting ended. */
  outcome: 'done' | 'pending' | 'limit' | Exclude<StopReason, 'limit'>;
}

/** How a {@link Requests} advances its machine: Machine.run, or a timeline's. */
export interface Runner {
  run(until: number): Stop;
}

/**
 * The host's side of the request port (hal/bus/requests.ts). A request is an input like a key: it is recorded, enters at a cycle, and a thread in the guest
 * carries it out. `submit` only puts it in; `wait` runs the machine. Replies are read from what the machine has put out on the way to its present state,
 * so after a restore they are those of that state.
 */
export class Requests {
  private readonly machine: Machine;
  private readonly runner: Runner;
  /** Request that {@link wait} runs the machine for. */
  private awaited = 0;
  /** Called for each reply as it comes, once. */
  onReply: (reply: Reply) => void = () => {};

  constructor(machine: Machine, runner: Runner = machine) {
    this.machine = machine;
    this.runner = runner;
    machine.addOutputSink((device, channel, data) => {
      if (device !== REQUEST_DEVICE || channel !== REPLY_CHANNEL) return;
      const reply = decodeReply(data);
      // The machine stops where the reply left it, not at the end of a slice: the next request follows at once.
      if (reply.id === this.awaited) machine.stop();
      this.onReply(reply);
    });
  }

  /** Puts a request in and returns its id. Ids count up from 1 in the input log, so that the same requests have the same ids in every run. */
  submit(request: Omit<Request, 'id'>): number {
    const id = 1 + this.machine.inputs.records.filter(r => r.device === REQUEST_DEVICE && r.channel === REQUEST_CHANNEL).length;
    this.machine.input(REQUEST_DEVICE, REQUEST_CHANNEL, encodeRequest({ ...request, id }));
    return id;
  }

  /** The latest reply to a request, or null. `from` leaves out the output records before that number. */
  reply(id: number, from = 0): Reply | null {
    return this.machine.output.findLast(record => {
      if (record.device !== REQUEST_DEVICE || record.channel !== REPLY_CHANNEL) return null;
      const reply = decodeReply(record.data);
      return reply.id === id ? reply : null;
    }, from);
  }

  /**
   * Runs until the request is done; or it is pending and the guest is idle; or the machine stops for another reason; or `limit` cycles have passed.
   * With `complete`, pending is not enough: it waits until the request is done.
   */
  wait(id: number, limit: number, complete = false): RequestResult {
    this.awaited = id;
    try {
      return this.runUntil(id, this.machine.cycle + limit, complete);
    } finally {
      this.awaited = 0;
    }
  }

  private runUntil(id: number, end: number, complete: boolean): RequestResult {
    let reply = this.reply(id);
    for (;;) {
      if (reply !== null && reply.phase !== PHASE_PENDING) return { id, reply, outcome: 'done' };
      if (reply !== null && !complete && this.machine.guestOs?.idle() !== false) return { id, reply, outcome: 'pending' };
      if (this.machine.cycle >= end) return { id, reply, outcome: 'limit' };
      const seen = this.machine.output.count;
      const stop = this.runner.run(Math.min(end, this.machine.cycle + SLICE));
      const news = this.reply(id, seen);
      reply = news ?? reply;
      if (stop.reason !== 'limit' && !(stop.reason === 'stopped' && news !== null)) return { id, reply, outcome: stop.reason };
    }
  }
}

/**
 * Offers a file to the machine under a name (`echo.sys`): it waits in the request port until somebody in the guest asks for it, as the console's `load` does.
 * An offer is an input like any other; the same name again replaces the file. Throws a RangeError for an empty or too long name.
 */
export function offerFile(machine: Machine, name: string, bytes: Uint8Array): void {
  machine.input(REQUEST_DEVICE, OFFER_CHANNEL, encodeOffer({ name, data: bytes }));
}

/** How the requester's program makes a transfer. */
export interface TransferOptions {
  /** Where in the file a read or write begins, in bytes (0 if it is not given); -2: where the last one ended, through a synchronous handle. */
  offset?: number | bigint;
  /** The end is told by an APC in user mode, not by an event. */
  apc?: boolean;
  /** Calls of the service beyond the first, as long as it succeeds at once (ioctl only): for measurements. */
  repeat?: number;
  /** The addresses and lengths that the service gets, whatever they are, in place of buffers made for it. */
  pointers?: { input?: bigint; inputLength?: number; output?: bigint; outputLength?: number };
}

function transfer(o: TransferOptions): { flags: number; data?: Uint8Array } {
  const flags = (o.apc ? TRANSFER_APC : 0) | (o.pointers ? TRANSFER_POINTERS : 0);
  if (!o.pointers) return { flags };
  const data = new Uint8Array(32);
  const view = new DataView(data.buffer);
  const { input = 0n, inputLength = 0, output = 0n, outputLength = 0 } = o.pointers;
  [input, BigInt(inputLength), output, BigInt(outputLength)].forEach((v, i) =>
    view.setBigUint64(i * 8, BigInt.asUintN(64, v), true),
  );
  return { flags, data };
}

/** A transfer at a byte offset: a read or a write. */
function transferAt(o: TransferOptions): Partial<Request> {
  const rest = transfer(o),
    at = offsetFields(BigInt(o.offset ?? 0));
  return { ...rest, code: at.code, flags: (rest.flags | at.flags) >>> 0 };
}

/** The requests there are (hal/bus/requests.ts says what each field means to the kernel). */
export const request = {
  load: (service: string, image: Uint8Array): Omit<Request, 'id'> => ({ op: OP_LOAD, name: service, data: image }),
  unload: (service: string): Omit<Request, 'id'> => ({ op: OP_UNLOAD, name: service }),
  open: (path: string, synchronous = false): Omit<Request, 'id'> => ({ op: OP_OPEN, name: path, flags: synchronous ? 1 : 0 }),
  close: (handle: number): Omit<Request, 'id'> => ({ op: OP_CLOSE, handle }),
  read: (handle: number, length: number, options: TransferOptions = {}): Omit<Request, 'id'> => ({
    op: OP_READ,
    handle,
    outLength: length,
    ...transferAt(options),
  }),
  write: (handle: number, data: Uint8Array, options: TransferOptions = {}): Omit<Request, 'id'> => ({
    op: OP_WRITE,
    handle,
    data,
    ...transferAt(options),
  }),
  ioctl: (
    handle: number,
    code: number,
    data: Uint8Array,
    outLength: number,
    options: TransferOptions = {},
  ): Omit<Request, 'id'> => {
    const rest = transfer(options);
    return {
      op: OP_IOCTL,
      handle,
      code,
      data,
      outLength,
      ...rest,
      flags: (rest.flags | ((options.repeat ?? 0) << TRANSFER_REPEAT_SHIFT)) >>> 0,
    };
  },
  /** Ends the requester's process with an exit status. */
  exit: (status: number): Omit<Request, 'id'> => ({ op: OP_EXIT, code: status }),
  shutdown: (): Omit<Request, 'id'> => ({ op: OP_SHUTDOWN }),
  cancel: (handle: number): Omit<Request, 'id'> => ({ op: OP_CANCEL, handle }),
  /** Enumerate, start, stop, remove, surprise removal: codes 0 to 4. */
  pnp: (instance: string, action: 'enumerate' | 'start' | 'stop' | 'remove' | 'surprise'): Omit<Request, 'id'> => ({
    op: OP_PNP,
    name: instance,
    code: ['enumerate', 'start', 'stop', 'remove', 'surprise'].indexOf(action),
  }),
};
