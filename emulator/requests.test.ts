import { describe, expect, it } from 'vitest';
import { OP_IOCTL, PHASE_DONE, PHASE_PENDING, REPLY_HEADER, REQUEST_HEADER } from '../hal/bus/index.ts';
import type { Bus, Device, DeviceState, GuestOs } from '../hal/bus/index.ts';
import { bareMachine, hex } from './testing/longmode.ts';
import type { Machine } from './machine.ts';
import { request, Requests } from './requests.ts';

/** Answers an IOCTL with its input doubled, `code` cycles later; a code below 100 first says that it is pending, and stays so if it is 0. */
class Answerer implements Device {
  readonly id = 'requestport';
  readonly title = 'Answerer';
  private bus: Bus | null = null;
  private waiting: { id: number; value: number; code: number }[] = [];

  attach(bus: Bus): void {
    this.bus = bus;
  }
  reset(): void {
    this.waiting = [];
  }
  save(): DeviceState {
    return { waiting: this.waiting.map(w => ({ ...w })) };
  }
  load(state: DeviceState): void {
    this.waiting = (state.waiting as unknown as { id: number; value: number; code: number }[]).map(w => ({ ...w }));
  }
  input(channel: string, data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    expect([channel, view.getUint32(4, true)]).toEqual(['request', OP_IOCTL]);
    const [id, code, value] = [view.getUint32(0, true), view.getUint32(12, true), view.getUint8(REQUEST_HEADER)];
    if (code < 100) this.reply(id, 0x103, PHASE_PENDING, 0);
    if (code === 0) return;
    this.waiting.push({ id, value, code });
    this.bus?.clock.schedule(this, `answer ${id}`, this.bus.clock.now() + (code < 100 ? code * 100_000 : code), id);
  }
  event(_name: string, id: number): void {
    const at = this.waiting.findIndex(w => w.id === id),
      [{ value }] = this.waiting.splice(at, 1);
    this.reply(id, 0, PHASE_DONE, value * 2);
  }
  private reply(id: number, status: number, phase: number, byte: number): void {
    const out = new Uint8Array(REPLY_HEADER + 1),
      view = new DataView(out.buffer);
    [id, status, 1, 0, phase, 1].forEach((v, i) => view.setUint32(i * 4, v, true));
    out[REPLY_HEADER] = byte;
    this.bus?.output(this, 'reply', out);
  }
}

const guestOs: GuestOs = {
  name: 'test',
  boot: () => {},
  gate: () => {},
  booted: () => true,
  idle: () => true,
  bugCheck: () => null,
  modules: () => [],
  symbolAt: () => null,
  addressOf: () => null,
  command: () => [],
  inspect: () => null,
  restored: () => {},
  exportStatus: () => null,
};
/** jmp $ */
const machineWithAnswers = (): Machine => bareMachine({ code: hex('ebfe'), devices: [new Answerer()], guestOs });
const ask = (code: number, value: number): ReturnType<typeof request.ioctl> => request.ioctl(1, code, Uint8Array.of(value), 16);

describe('Requests', () => {
  it('runs the machine until the reply comes', () => {
    const machine = machineWithAnswers(),
      requests = new Requests(machine);
    const told: number[] = [];
    requests.onReply = reply => told.push(reply.id);
    const result = requests.wait(requests.submit(ask(250_000, 21)), 1_000_000);
    expect(result).toMatchObject({ id: 1, outcome: 'done', reply: { status: 0, information: 1n, data: Uint8Array.of(42) } });
    expect(machine.cycle).toBeGreaterThanOrEqual(250_000);
    expect(machine.cycle).toBeLessThan(500_000);
    expect(requests.wait(requests.submit(ask(1_000, 4)), 1_000_000)).toMatchObject({ id: 2, reply: { data: Uint8Array.of(8) } });
    expect(told).toEqual([1, 2]);
  });

  it('stops waiting for what is pending when the guest is idle, and waits on when asked to', () => {
    const machine = machineWithAnswers(),
      requests = new Requests(machine);
    const id = requests.submit(ask(5, 3));
    expect(requests.wait(id, 10_000_000)).toMatchObject({ outcome: 'pending', reply: { status: 0x103 } });
    expect(requests.wait(id, 10_000_000, true)).toMatchObject({ outcome: 'done', reply: { data: Uint8Array.of(6) } });
  });

  it('gives up at its limit', () => {
    const machine = machineWithAnswers(),
      requests = new Requests(machine);
    expect(requests.wait(requests.submit(ask(0, 3)), 300_000, true)).toMatchObject({
      outcome: 'limit',
      reply: { phase: PHASE_PENDING },
    });
    expect(machine.cycle).toBeGreaterThanOrEqual(300_000);
    expect(requests.wait(requests.submit(ask(9_000_000, 3)), 300_000)).toMatchObject({ outcome: 'limit', reply: null });
  });

  it('forgets with the machine: after a restore the replies and ids are those of that state', () => {
    const machine = machineWithAnswers(),
      requests = new Requests(machine);
    requests.wait(requests.submit(ask(1_000, 1)), 1_000_000);
    const checkpoint = machine.checkpoint();
    expect(requests.wait(requests.submit(ask(1_000, 2)), 1_000_000)).toMatchObject({ id: 2, reply: { data: Uint8Array.of(4) } });
    const hash = machine.stateHash();
    machine.restore(checkpoint);
    expect([requests.reply(1)?.data[0], requests.reply(2)]).toEqual([2, null]);
    expect(requests.wait(requests.submit(ask(1_000, 2)), 1_000_000)).toMatchObject({ id: 2, reply: { data: Uint8Array.of(4) } });
    expect(machine.stateHash()).toBe(hash);
  });
});
