/**
 * The request port: the door through which requests from outside enter the machine (`hal/bus/requests.ts` has the registers and the
 * protocol). Requests wait in a queue; the interrupt line is high while there are any. The kernel takes them by DMA and sends replies back the same way.
 * Offered files lie here until the kernel fetches them; they interrupt nobody.
 */
import {
  COMMAND_FETCH,
  COMMAND_OFFER_DATA,
  COMMAND_OFFER_NAME,
  COMMAND_REFUSE,
  COMMAND_REPLY,
  decodeOffer,
  REPLY_HEADER,
  REQUEST_HEADER,
  REQUEST_PORT_BASE,
  REQUEST_PORT_LENGTH,
  REQUEST_PORT_PIN,
  RP_ADDRESS,
  RP_COMMAND,
  RP_IDENT,
  RP_LENGTH,
  RP_OFFER,
  RP_OFFER_LENGTH,
  RP_PENDING,
  RP_REPLY_LENGTH,
} from '../hal/bus/index.ts';
import type { Bus, Device, InterruptLine } from '../hal/bus/index.ts';
import {
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';

type State = { queue: Uint8Array[]; offers: { name: string; data: Uint8Array }[] };

interface RequestPort {
  device: Device;
  bus: Bus;
  line: InterruptLine;
  r: Record<'ADDRESS' | 'REPLY_LENGTH' | 'OFFER', number>;
  s: State;
}

/** 'kmrq', little endian. */
const IDENT = 0x71726d6b;

const reg = registersOf<RequestPort>();

const REGISTERS = registerTable<RequestPort>([
  reg('PENDING', { offset: RP_PENDING, width: 32, access: 'ro', value: p => p.s.queue.length }),
  reg('LENGTH', { offset: RP_LENGTH, width: 32, access: 'ro', value: p => p.s.queue[0]?.length ?? 0 }),
  reg('ADDRESS', { offset: RP_ADDRESS, width: 32, reset: 0 }),
  reg('REPLY_LENGTH', { offset: RP_REPLY_LENGTH, width: 32, reset: 0 }),
  reg('COMMAND', { offset: RP_COMMAND, width: 32, access: 'wo', onWrite: command }),
  reg('IDENT', { offset: RP_IDENT, width: 32, access: 'ro', value: () => IDENT }),
  reg('OFFERS', { offset: RP_OFFER, width: 32, access: 'ro', value: p => p.s.offers.length }),
  reg('OFFER', { offset: RP_OFFER, width: 32, access: 'wo', reset: 0 }),
  reg('OFFER_LENGTH', { offset: RP_OFFER_LENGTH, width: 32, access: 'ro', value: p => p.s.offers[p.r.OFFER]?.data.length ?? 0 }),
]);

/**
 * Input channel `request` takes one encoded request a record, `offer` one encoded offer; output channel `reply` gives one encoded reply a call.
 * A file that is offered under a name that is taken (case does not count, as for files on Windows) replaces the one before.
 * The id is `requestport` unless said.
 */
export function createRequestPort(options: { id?: string; base?: number; pin?: number } = {}): Device {
  const { id = 'requestport', base = REQUEST_PORT_BASE, pin = REQUEST_PORT_PIN } = options;
  let p!: RequestPort;
  const device: Device = {
    id,
    title: 'Request port',
    attach(bus) {
      p = { device, bus, line: bus.interruptLine(pin), r: {} as RequestPort['r'], s: { queue: [], offers: [] } };
      resetRegisters(REGISTERS, p);
      bus.claimPorts(device, base, REQUEST_PORT_LENGTH);
    },
    reset() {
      resetRegisters(REGISTERS, p);
      p.s.queue = [];
      p.s.offers = [];
      p.line.set(false);
    },
    save: () => saveState(p.r, p.s),
    load: state => loadState(id, p.r, p.s, state),
    portRead: (port, size) => readRegisters(REGISTERS, p, port - base, size),
    portWrite: (port, size, value) => writeRegisters(REGISTERS, p, port - base, size, value),
    input(channel, data) {
      if (channel === 'offer') return offer(p, data);
      if (channel !== 'request') throw new Error(`${id} has no input channel "${channel}": it takes "request", "offer"`);
      if (data.length < REQUEST_HEADER)
        throw new RangeError(`a request has at least ${REQUEST_HEADER} bytes, this one ${data.length}`);
      p.s.queue.push(data.slice());
      p.line.set(true);
    },
    inspect: () => inspectRegisters(REGISTERS, p, base),
  };
  return device;
}

function command(p: RequestPort, code: number): void {
  if (code === COMMAND_FETCH) fetch(p);
  else if (code === COMMAND_REPLY) reply(p);
  else if (code === COMMAND_REFUSE) refuse(p);
  else if (code === COMMAND_OFFER_NAME) offeredName(p);
  else if (code === COMMAND_OFFER_DATA) offeredData(p);
}

function offer(p: RequestPort, data: Uint8Array): void {
  const file = decodeOffer(data);
  const at = p.s.offers.findIndex(o => o.name.toLowerCase() === file.name.toLowerCase());
  if (at < 0) p.s.offers.push(file);
  else p.s.offers[at] = file;
}

/** Nothing happens when there is no file of the selected number or when the buffer is not in RAM; the same for its data. */
function offeredName(p: RequestPort): void {
  const file = p.s.offers[p.r.OFFER];
  if (!file) return;
  const name = new TextEncoder().encode(file.name);
  if (!inMemory(p, p.r.ADDRESS, 4 + name.length)) return;
  p.bus.memory.write32(p.r.ADDRESS, name.length);
  p.bus.memory.writeBytes(p.r.ADDRESS + 4, name);
}

function offeredData(p: RequestPort): void {
  const file = p.s.offers[p.r.OFFER];
  if (file && inMemory(p, p.r.ADDRESS, file.data.length)) p.bus.memory.writeBytes(p.r.ADDRESS, file.data);
}

function fetch(p: RequestPort): void {
  take(p, p.s.queue[0]);
}

function refuse(p: RequestPort): void {
  take(p, p.s.queue[0]?.subarray(0, REQUEST_HEADER));
}

/** Nothing happens when the queue is empty or when the buffer is not in RAM: the request stays at the head. */
function take(p: RequestPort, head: Uint8Array | undefined): void {
  if (!head || !inMemory(p, p.r.ADDRESS, head.length)) return;
  p.bus.memory.writeBytes(p.r.ADDRESS, head);
  p.s.queue.shift();
  p.line.set(p.s.queue.length > 0);
}

/** A reply that is shorter than its header, or not in RAM, goes nowhere. */
function reply(p: RequestPort): void {
  const length = p.r.REPLY_LENGTH;
  if (length < REPLY_HEADER || !inMemory(p, p.r.ADDRESS, length)) return;
  p.bus.output(p.device, 'reply', p.bus.memory.readBytes(p.r.ADDRESS, length));
}

function inMemory(p: RequestPort, address: number, length: number): boolean {
  return address + length <= p.bus.memory.size;
}
