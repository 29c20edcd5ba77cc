import { describe, expect, it } from 'vitest';
import * as rp from '../hal/bus/requests.ts';
import { createRequestPort } from './requestport.ts';
import { TestBus } from './testbus.ts';

const port = (offset: number) => rp.REQUEST_PORT_BASE + offset;

function plugged() {
  const bus = new TestBus();
  const device = createRequestPort();
  bus.plug(device);
  return { bus, device };
}

describe('request port', () => {
  it('identifies itself and is empty after reset', () => {
    const { bus } = plugged();
    expect(bus.in(port(rp.RP_IDENT), 4)).toBe(0x71726d6b);
    expect(bus.in(port(rp.RP_PENDING), 4)).toBe(0);
    expect(bus.line(rp.REQUEST_PORT_PIN)).toBe(false);
  });

  it('hands requests over in order, with the line high while any waits', () => {
    const { bus, device } = plugged();
    const first = rp.encodeRequest({ id: 1, op: rp.OP_OPEN, name: '\\\\.\\Echo' });
    const second = rp.encodeRequest({ id: 2, op: rp.OP_WRITE, handle: 4, data: Uint8Array.of(1, 2, 3) });
    device.input!('request', first);
    device.input!('request', second);
    expect(bus.line(rp.REQUEST_PORT_PIN)).toBe(true);
    expect(bus.in(port(rp.RP_PENDING), 4)).toBe(2);
    expect(bus.in(port(rp.RP_LENGTH), 4)).toBe(32 + 8);

    bus.out(port(rp.RP_ADDRESS), 0x1000, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_FETCH, 4);
    expect(bus.memory.readBytes(0x1000, first.length)).toEqual(first);
    expect(bus.line(rp.REQUEST_PORT_PIN)).toBe(true);

    bus.out(port(rp.RP_COMMAND), rp.COMMAND_FETCH, 4);
    expect(bus.memory.readBytes(0x1000, second.length)).toEqual(second);
    expect(bus.line(rp.REQUEST_PORT_PIN)).toBe(false);
  });

  it('gives up a request for its header', () => {
    const { bus, device } = plugged();
    const big = rp.encodeRequest({ id: 3, op: rp.OP_WRITE, handle: 4, data: new Uint8Array(100).fill(9) });
    device.input!('request', big);
    bus.out(port(rp.RP_ADDRESS), 0x1000, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_REFUSE, 4);
    expect(bus.memory.readBytes(0x1000, 33)).toEqual(Uint8Array.of(...big.subarray(0, 32), 0));
    expect([bus.in(port(rp.RP_PENDING), 4), bus.line(rp.REQUEST_PORT_PIN)]).toEqual([0, false]);
  });

  it('sends the reply that is in the buffer', () => {
    const { bus } = plugged();
    bus.memory.write32(0x2000, 7);
    bus.memory.write32(0x2004, 0xc0000010);
    bus.memory.write32(0x2008, 5);
    bus.memory.write32(0x2010, rp.PHASE_DONE);
    bus.memory.write32(0x2014, 2);
    bus.memory.write16(0x2020, 0xbbaa);
    bus.out(port(rp.RP_ADDRESS), 0x2000, 4);
    bus.out(port(rp.RP_REPLY_LENGTH), 34, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_REPLY, 4);
    expect(bus.outputs.map(o => [o.device, o.channel])).toEqual([['requestport', 'reply']]);
    expect(rp.decodeReply(bus.outputs[0]!.data)).toEqual({
      id: 7,
      status: 0xc0000010,
      information: 5n,
      phase: rp.PHASE_DONE,
      data: Uint8Array.of(0xaa, 0xbb),
    });
  });

  it('keeps the request when the buffer is outside of RAM, and sends nothing from there', () => {
    const { bus, device } = plugged();
    device.input!('request', rp.encodeRequest({ id: 1, op: rp.OP_CLOSE }));
    bus.out(port(rp.RP_ADDRESS), bus.memory.size - 8, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_FETCH, 4);
    expect(bus.in(port(rp.RP_PENDING), 4)).toBe(1);
    bus.out(port(rp.RP_REPLY_LENGTH), 64, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_REPLY, 4);
    expect(bus.outputs).toEqual([]);
  });

  it('lists offered files and hands them over', () => {
    const { bus, device } = plugged();
    expect(bus.in(port(rp.RP_OFFER), 4)).toBe(0);
    device.input!('offer', rp.encodeOffer({ name: 'hello.sys', data: Uint8Array.of(1, 2, 3) }));
    device.input!('offer', rp.encodeOffer({ name: 'écho.sys', data: Uint8Array.of(4, 5, 6, 7) }));
    expect(bus.in(port(rp.RP_OFFER), 4)).toBe(2);
    expect(bus.line(rp.REQUEST_PORT_PIN)).toBe(false);

    bus.out(port(rp.RP_OFFER), 1, 4);
    expect(bus.in(port(rp.RP_OFFER_LENGTH), 4)).toBe(4);
    bus.out(port(rp.RP_ADDRESS), 0x1000, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_OFFER_NAME, 4);
    const length = bus.memory.read32(0x1000);
    expect(new TextDecoder().decode(bus.memory.readBytes(0x1004, length))).toBe('écho.sys');
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_OFFER_DATA, 4);
    expect(bus.memory.readBytes(0x1000, 5)).toEqual(Uint8Array.of(4, 5, 6, 7, bus.memory.read8(0x1004)));
  });

  it('replaces a file that is offered again, whatever the case of its name', () => {
    const { bus, device } = plugged();
    device.input!('offer', rp.encodeOffer({ name: 'hello.sys', data: Uint8Array.of(1, 2, 3) }));
    device.input!('offer', rp.encodeOffer({ name: 'HELLO.SYS', data: Uint8Array.of(9) }));
    expect(bus.in(port(rp.RP_OFFER), 4)).toBe(1);
    expect(bus.in(port(rp.RP_OFFER_LENGTH), 4)).toBe(1);
  });

  it('has no length and writes nothing for a file that is not there, or to a buffer outside of RAM', () => {
    const { bus, device } = plugged();
    device.input!('offer', rp.encodeOffer({ name: 'a', data: Uint8Array.of(1, 2, 3) }));
    bus.out(port(rp.RP_OFFER), 1, 4);
    expect(bus.in(port(rp.RP_OFFER_LENGTH), 4)).toBe(0);
    bus.memory.write32(0x1000, 0x55555555);
    bus.out(port(rp.RP_ADDRESS), 0x1000, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_OFFER_NAME, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_OFFER_DATA, 4);
    expect(bus.memory.read32(0x1000)).toBe(0x55555555);
    bus.out(port(rp.RP_OFFER), 0, 4);
    bus.out(port(rp.RP_ADDRESS), bus.memory.size - 2, 4);
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_OFFER_DATA, 4);
    expect(bus.memory.read16(bus.memory.size - 2)).toBe(0);
  });

  it('refuses offers without a name or shorter than they say', () => {
    const { device } = plugged();
    expect(() => device.input!('offer', Uint8Array.of(0, 0, 0, 0))).toThrow(RangeError);
    expect(() => device.input!('offer', Uint8Array.of(9, 0, 0, 0, 0x61))).toThrow(RangeError);
    expect(() => rp.encodeOffer({ name: '', data: new Uint8Array(1) })).toThrow(RangeError);
    expect(() => rp.encodeOffer({ name: 'x'.repeat(256), data: new Uint8Array(1) })).toThrow(RangeError);
  });

  it('refuses other channels and truncated requests', () => {
    const { device } = plugged();
    expect(() => device.input!('key', new Uint8Array(32))).toThrow(/request/);
    expect(() => device.input!('request', new Uint8Array(31))).toThrow(RangeError);
  });

  it('saves and loads its queue and registers', () => {
    const { bus, device } = plugged();
    device.input!('request', rp.encodeRequest({ id: 9, op: rp.OP_CLOSE }));
    device.input!('offer', rp.encodeOffer({ name: 'hello.sys', data: Uint8Array.of(1, 2, 3) }));
    bus.out(port(rp.RP_ADDRESS), 0x3000, 4);
    const saved = device.save();
    bus.out(port(rp.RP_COMMAND), rp.COMMAND_FETCH, 4);
    bus.out(port(rp.RP_ADDRESS), 0, 4);
    device.reset();
    device.load(saved);
    expect(bus.in(port(rp.RP_OFFER_LENGTH), 4)).toBe(3);
    expect(bus.in(port(rp.RP_PENDING), 4)).toBe(1);
    expect(bus.in(port(rp.RP_ADDRESS), 4)).toBe(0x3000);
    expect(device.save()).toEqual(saved);
    expect(() => device.load({ registers: {}, queue: [] })).toThrow(/saved state/);
  });
});
