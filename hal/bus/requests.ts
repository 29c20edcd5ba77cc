/**
 * Requests from outside: how "load this driver", "open its device", "send this IOCTL" enter the machine. The host puts a request into the
 * request port (a device, `devices/requestport.ts`), which interrupts; the kernel fetches it by DMA, a requester thread carries it out, and the reply goes
 * back through the same device. So a request is an input like a key, and nothing outside ever calls a guest routine.
 *
 * Request, little endian: u32 id, u32 op, u32 handle, u32 code, u32 outLength, u32 nameLength (bytes of UTF-8), u32 dataLength, u32 flags, then name, then data.
 * Reply: u32 id, u32 status (NTSTATUS), u32 information lo, hi, u32 phase, u32 dataLength, u32 reserved x2, then data.
 *
 * The port is also the machine's only source of files, as it has no disk: the outside offers files by name, and the kernel lists them and fetches one when somebody
 * in the machine (the console's `load`) asks for it. Offer: u32 nameLength (bytes of UTF-8, 1 to OFFER_NAME_MAX), then name, then the file's bytes.
 */

/** `name` = service name (`edu`), `data` = the .sys file. Information of the reply: base of the image. */
export const OP_LOAD = 1;
/** `name` = service name. */
export const OP_UNLOAD = 2;
/**
 * `name` = NT or Win32 path (`\\.\Echo`, `\Device\Echo`), or `driver:NAME` for the first named device object of that service (of a Plug and Play
 * driver: once its device has started). Information: handle. flags bit 0: synchronous file object. STATUS_NO_SUCH_DEVICE when the driver has no named device.
 * The data of a failed OP_LOAD's reply is text (UTF-8): the image check's message, with file, offset and what was expected.
 */
export const OP_OPEN = 3;
export const OP_CLOSE = 4;
/** outLength bytes, from the byte offset that {@link offsetFields} puts into the request. */
export const OP_READ = 5;
/** `data`, at the byte offset that {@link offsetFields} puts into the request. */
export const OP_WRITE = 6;
/** `code` = control code, `data` = input buffer, outLength = output buffer. */
export const OP_IOCTL = 7;
/** Cancels what the handle has outstanding (NtCancelIoFile). */
export const OP_CANCEL = 8;
/** `name` = instance path of a device node (`PCI\VEN_1234&DEV_11E8...`); code: 0 enumerate, 1 start, 2 stop, 3 query-remove and remove, 4 surprise removal. */
export const OP_PNP = 9;
/** The system shuts down: drivers that registered for it get IRP_MJ_SHUTDOWN. */
export const OP_SHUTDOWN = 11;

/** Ends the requester's process with the exit status `code` (NtTerminateProcess); another one takes its place for the requests that follow. */
export const OP_EXIT = 10;

/** Flags of a transfer (read, write, ioctl): completion by an APC in place of an event; and `data` is not the input but four u64 that are passed as they are: input address, input length, output address, output length. */
export const TRANSFER_APC = 2;
export const TRANSFER_POINTERS = 4;
/** The flags from this bit on: how often the program calls the service again as long as that succeeds at once, before it tells how the last call ended (ioctl). */
export const TRANSFER_REPEAT_SHIFT = 8;

/**
 * The fields of a read or write that hold its byte offset: bits 0 to 31 in `code`, bits 32 to 55 in `flags` from bit 8 on; the bits above are copies of bit 55. -2 is
 * FILE_USE_FILE_POINTER_POSITION, -1 in a write FILE_WRITE_TO_END_OF_FILE (NtReadFile, NtWriteFile). Throws a RangeError for one that does not fit.
 */
export function offsetFields(offset: bigint): { code: number; flags: number } {
  if (BigInt.asIntN(56, offset) !== offset)
    throw new RangeError(`a byte offset has 56 bits with its sign, this one is ${offset}`);
  return { code: Number(offset & 0xffffffffn), flags: Number(((offset >> 32n) & 0xffffffn) << 8n) };
}

/** The byte offset of a read or write, of its fields. */
export const byteOffset = (r: { code: number; flags: number }): bigint =>
  BigInt.asIntN(56, (BigInt(r.flags >>> 8) << 32n) | BigInt(r.code));

/** The operation returned STATUS_PENDING; a PHASE_DONE reply follows when its IRP completes. */
export const PHASE_PENDING = 0;
export const PHASE_DONE = 1;

/** Request port registers: eight u32 ports from REQUEST_PORT_BASE. */
export const REQUEST_PORT_BASE = 0x600;
export const REQUEST_PORT_LENGTH = 0x20;
/** R: number of requests waiting. The interrupt line is high while it is not 0. */
export const RP_PENDING = 0x00;
/** R: length in bytes of the request at the head of the queue. */
export const RP_LENGTH = 0x04;
/** RW: physical address of the buffer (below 4 GiB, physically contiguous), low 32 bits. */
export const RP_ADDRESS = 0x08;
/** RW: length of the reply for COMMAND_REPLY. */
export const RP_REPLY_LENGTH = 0x0c;
/** W: command. */
export const RP_COMMAND = 0x10;
/** R: 'kmrq' 0x71726d6b. */
export const RP_IDENT = 0x14;
/** R: number of offered files. W: selects one of them, from 0, for RP_OFFER_LENGTH and the offer commands. */
export const RP_OFFER = 0x18;
/** R: length in bytes of the selected file; 0 when there is none of that number. */
export const RP_OFFER_LENGTH = 0x1c;
/** Copies the request at the head to the buffer and removes it. */
export const COMMAND_FETCH = 1;
/** Sends the reply that is in the buffer. */
export const COMMAND_REPLY = 2;
/** Writes the name of the selected offered file to the buffer: u32 length, then that many bytes of UTF-8 (at most OFFER_NAME_MAX). */
export const COMMAND_OFFER_NAME = 3;
/** Writes the bytes of the selected offered file to the buffer: RP_OFFER_LENGTH of them. */
export const COMMAND_OFFER_DATA = 4;
/** Writes the header of the first request to the buffer and takes the request from the queue: what a guest without memory for the whole answers to. */
export const COMMAND_REFUSE = 5;
/** Longest name of an offered file, in bytes of UTF-8. */
export const OFFER_NAME_MAX = 255;
/** I/O APIC pin of the request port: level, active high. */
export const REQUEST_PORT_PIN = 20;

export interface Request {
  id: number;
  op: number;
  handle?: number;
  code?: number;
  outLength?: number;
  name?: string;
  data?: Uint8Array;
  flags?: number;
}

export interface Reply {
  id: number;
  status: number;
  information: bigint;
  phase: number;
  data: Uint8Array;
}

export const REQUEST_HEADER = 32;
export const REPLY_HEADER = 32;

/** Throws a RangeError for a field that does not fit. */
export function encodeRequest(r: Request): Uint8Array {
  const name = new TextEncoder().encode(r.name ?? '');
  const data = r.data ?? new Uint8Array(0);
  const out = new Uint8Array(REQUEST_HEADER + name.length + data.length);
  const view = new DataView(out.buffer);
  const fields = [r.id, r.op, r.handle ?? 0, r.code ?? 0, r.outLength ?? 0, name.length, data.length, r.flags ?? 0];
  fields.forEach((value, i) => {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
      throw new RangeError(`request field ${i} is not a 32-bit value: ${value}`);
    view.setUint32(i * 4, value, true);
  });
  out.set(name, REQUEST_HEADER);
  out.set(data, REQUEST_HEADER + name.length);
  return out;
}

export interface Offer {
  name: string;
  data: Uint8Array;
}

/** A file to offer, as the request port's input channel `offer` takes it. Throws a RangeError for an empty name or one that is too long. */
export function encodeOffer(offer: Offer): Uint8Array {
  const name = new TextEncoder().encode(offer.name);
  if (name.length === 0 || name.length > OFFER_NAME_MAX)
    throw new RangeError(`the name of an offered file has 1 to ${OFFER_NAME_MAX} bytes, this one ${name.length}`);
  const out = new Uint8Array(4 + name.length + offer.data.length);
  new DataView(out.buffer).setUint32(0, name.length, true);
  out.set(name, 4);
  out.set(offer.data, 4 + name.length);
  return out;
}

/** Throws a RangeError when the bytes are not an offer. */
export function decodeOffer(bytes: Uint8Array): Offer {
  const length = bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  if (length === 0 || length > OFFER_NAME_MAX || bytes.length < 4 + length)
    throw new RangeError(`an offer of ${bytes.length} bytes says that its name has ${length}`);
  return { name: new TextDecoder().decode(bytes.subarray(4, 4 + length)), data: bytes.slice(4 + length) };
}

/** Throws a RangeError when the bytes are not a reply. */
export function decodeReply(bytes: Uint8Array): Reply {
  if (bytes.length < REPLY_HEADER) throw new RangeError(`a reply has at least ${REPLY_HEADER} bytes, this one ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(20, true);
  if (bytes.length < REPLY_HEADER + length)
    throw new RangeError(`the reply says ${length} bytes of data, there are ${bytes.length - REPLY_HEADER}`);
  return {
    id: view.getUint32(0, true),
    status: view.getUint32(4, true),
    information: (BigInt(view.getUint32(12, true)) << 32n) | BigInt(view.getUint32(8, true)),
    phase: view.getUint32(16, true),
    data: bytes.slice(REPLY_HEADER, REPLY_HEADER + length),
  };
}
