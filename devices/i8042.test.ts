import { describe, expect, it } from 'vitest';
import { createI8042 } from './i8042.ts';
import { keyToSet1, set1ToSet2, translateByte } from './scancodes.ts';
import { TestBus } from './testbus.ts';

/** A cycle is a microsecond. */
const FREQUENCY = 1_000_000;
const DATA = 0x60,
  COMMAND = 0x64;
const OBF = 0x01,
  AUX = 0x20,
  TIMEOUT = 0x40;
const BYTE = 2_000;

function plugged() {
  const bus = new TestBus({ frequency: FREQUENCY });
  const device = createI8042();
  bus.plug(device);
  const read = (count: number) =>
    Array.from({ length: count }, () => {
      for (let i = 0; i < 10 && !(bus.in(COMMAND) & OBF); i++) bus.advance(BYTE / 2);
      if (!(bus.in(COMMAND) & OBF)) throw new Error('no byte came');
      return bus.in(DATA);
    });
  return {
    bus,
    device,
    read,
    command: (byte: number, data?: number) => {
      bus.out(COMMAND, byte);
      if (data !== undefined) bus.out(DATA, data);
    },
    keyboard: (...bytes: number[]) => bytes.forEach(byte => bus.out(DATA, byte)),
    type: (text: string) => device.input!('keyname', new TextEncoder().encode(text)),
    silent: () => {
      bus.advance(10 * BYTE);
      return (bus.in(COMMAND) & OBF) === 0;
    },
  };
}

describe('scan codes', () => {
  it('translate back and forth for every key', () => {
    for (let make = 1; make < 0x80; make++) {
      const codes = set1ToSet2(make);
      expect(translateByte(codes[0]!)).toBe(make);
    }
  });

  it.each([
    ['KeyA', [0x1c]],
    ['Escape', [0x76]],
    ['Enter', [0x5a]],
    ['F7', [0x83]],
    ['ArrowUp', [0xe0, 0x75]],
    ['F12', [0x07]],
    ['Space', [0x29]],
    ['Digit1', [0x16]],
    ['NumpadAdd', [0x79]],
  ])('%s is %j in set 2', (name, set2) => {
    expect(keyToSet1(`+${name}`).flatMap(set1ToSet2)).toEqual(set2);
  });

  it('know names, presses and releases', () => {
    expect(keyToSet1('KeyA')).toEqual([0x1e, 0x9e]);
    expect(keyToSet1('-ArrowUp')).toEqual([0xe0, 0xc8]);
    expect(() => keyToSet1('toString')).toThrow(RangeError);
  });
});

describe('keys', () => {
  it('arrive as set 1 with an interrupt each byte', () => {
    const m = plugged();
    m.device.input!('key', Uint8Array.of(0x1e, 0x9e));
    expect(m.bus.line(1)).toBe(false);
    m.bus.advance(BYTE);
    expect(m.bus.line(1)).toBe(true);
    expect(m.bus.in(DATA)).toBe(0x1e);
    expect(m.bus.line(1)).toBe(false);
    expect(m.read(1)).toEqual([0x9e]);
    expect(m.silent()).toBe(true);
    expect(m.bus.edges.get(1)).toBe(2);
  });

  it('wait while the output buffer is full: a byte is never overwritten', () => {
    const m = plugged();
    m.type('KeyH KeyI');
    m.bus.advance(100 * BYTE);
    expect(m.read(4)).toEqual([0x23, 0xa3, 0x17, 0x97]);
  });

  it('with prefixes come through translation unharmed', () => {
    const m = plugged();
    m.type('ArrowUp Pause');
    expect(m.read(10)).toEqual([0xe0, 0x48, 0xe0, 0xc8, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]);
  });

  it('are set 2 without translation', () => {
    const m = plugged();
    m.command(0x60, 0x01);
    m.type('KeyA');
    expect(m.read(3)).toEqual([0x1c, 0xf0, 0x1c]);
  });

  it('are lost while scanning is disabled, and with an overrun code when the buffer is full', () => {
    const m = plugged();
    m.keyboard(0xf5);
    expect(m.read(1)).toEqual([0xfa]);
    m.type('KeyA');
    expect(m.silent()).toBe(true);
    m.keyboard(0xf4);
    expect(m.read(1)).toEqual([0xfa]);
    m.device.input!('key', new Uint8Array(20).fill(0x1e));
    expect(m.read(17)).toEqual([...new Array<number>(16).fill(0x1e), 0xff]);
    expect(m.silent()).toBe(true);
  });

  it('stay in the keyboard while the controller holds its clock', () => {
    const m = plugged();
    m.command(0xad);
    m.type('+KeyA');
    expect(m.silent()).toBe(true);
    m.command(0xae);
    expect(m.read(1)).toEqual([0x1e]);
  });

  it('give no interrupt when the command byte has it off', () => {
    const m = plugged();
    m.command(0x60, 0x40);
    m.type('+KeyA');
    expect(m.read(1)).toEqual([0x1e]);
    expect(m.bus.edges.get(1)).toBeUndefined();
  });

  it('come by no other channel', () => {
    expect(() => plugged().device.input!('rx', Uint8Array.of(1))).toThrow(/no input channel/);
  });
});

describe('controller commands', () => {
  it('test the controller and both interfaces', () => {
    const m = plugged();
    m.command(0xaa);
    expect(m.read(1)).toEqual([0x55]);
    expect(m.bus.in(COMMAND) & 0x04).toBe(0x04);
    m.command(0xab);
    expect(m.read(1)).toEqual([0x00]);
    m.command(0xa9);
    expect(m.read(1)).toEqual([0x00]);
  });

  it('read and write the command byte and RAM', () => {
    const m = plugged();
    m.command(0x60, 0x47);
    m.command(0x20);
    expect(m.read(1)).toEqual([0x47]);
    m.command(0x7f, 0x99);
    m.command(0x3f);
    expect(m.read(1)).toEqual([0x99]);
    m.command(0xad);
    m.command(0x20);
    expect(m.read(1)).toEqual([0x57]);
  });

  it('read and write the output port, whose bit 0 resets', () => {
    const m = plugged();
    m.command(0xd1, 0x01);
    m.command(0xd0);
    expect(m.read(1).map(b => b & 3)).toEqual([0x01]);
    m.command(0xfe);
    expect(m.bus.powerEvents).toEqual([{ kind: 'reset', by: 'i8042' }]);
    m.command(0xff);
    expect(m.bus.powerEvents.length).toBe(1);
  });

  it('put bytes into the output buffer as if a device had sent them', () => {
    const m = plugged();
    m.command(0x60, 0x03);
    m.command(0xd2, 0x12);
    expect([m.bus.line(1), m.bus.line(12)]).toEqual([true, false]);
    expect(m.bus.in(COMMAND) & AUX).toBe(0);
    expect(m.read(1)).toEqual([0x12]);
    m.command(0xd3, 0x34);
    expect([m.bus.line(1), m.bus.line(12)]).toEqual([false, true]);
    expect(m.bus.in(COMMAND) & AUX).toBe(AUX);
    expect(m.read(1)).toEqual([0x34]);
    expect(m.bus.line(12)).toBe(false);
  });

  it('time out on the second port, where nothing is', () => {
    const m = plugged();
    m.command(0xa8);
    m.command(0xd4, 0xff);
    expect(m.bus.in(COMMAND) & (OBF | AUX | TIMEOUT)).toBe(OBF | AUX | TIMEOUT);
    expect(m.read(1)).toEqual([0xfe]);
    expect(m.bus.in(COMMAND) & TIMEOUT).toBe(0);
  });
});

describe('keyboard commands', () => {
  it('reset, with the self test half a second later', () => {
    const m = plugged();
    m.keyboard(0xff);
    expect(m.read(1)).toEqual([0xfa]);
    m.bus.advance(400_000);
    expect(m.bus.in(COMMAND) & OBF).toBe(0);
    m.bus.advance(200_000);
    expect(m.bus.in(DATA)).toBe(0xaa);
  });

  it('identify (translated), echo, set lights and rate', () => {
    const m = plugged();
    m.keyboard(0xf2);
    expect(m.read(3)).toEqual([0xfa, 0xab, 0x41]);
    m.keyboard(0xee);
    expect(m.read(1)).toEqual([0xee]);
    m.keyboard(0xed);
    expect(m.read(1)).toEqual([0xfa]);
    m.keyboard(0x05);
    expect(m.read(1)).toEqual([0xfa]);
    expect(m.device.inspect!().find(row => row.name === 'KBD_LEDS')?.value).toBe(5);
    m.keyboard(0xf3, 0x20);
    expect(m.read(2)).toEqual([0xfa, 0xfa]);
  });

  it('tell and change the scan code set', () => {
    const m = plugged();
    m.command(0x60, 0x01);
    m.keyboard(0xf0);
    expect(m.read(1)).toEqual([0xfa]);
    m.keyboard(0x00);
    expect(m.read(2)).toEqual([0xfa, 0x02]);
    m.keyboard(0xf0);
    m.read(1);
    m.keyboard(0x01);
    expect(m.read(1)).toEqual([0xfa]);
    m.type('KeyA');
    expect(m.read(2)).toEqual([0x1e, 0x9e]);
    m.keyboard(0xf0);
    m.read(1);
    m.keyboard(0x03);
    expect(m.read(1)).toEqual([0xfe]);
  });

  it('resend the last byte, and refuse what they do not know', () => {
    const m = plugged();
    m.keyboard(0xee);
    m.read(1);
    m.keyboard(0xfe);
    expect(m.read(1)).toEqual([0xee]);
    m.keyboard(0xef);
    expect(m.read(1)).toEqual([0xfe]);
  });

  it('let a command take the place of an argument', () => {
    const m = plugged();
    m.keyboard(0xed);
    m.read(1);
    m.keyboard(0xf4);
    expect(m.read(1)).toEqual([0xfa]);
    expect(m.device.inspect!().find(row => row.name === 'KBD_LEDS')?.value).toBe(0);
  });
});

describe('state', () => {
  it('goes through save and load with bytes under way', () => {
    const m = plugged();
    m.type('KeyA KeyB');
    m.bus.advance(BYTE);
    m.command(0x60);
    const saved = m.device.save();
    m.bus.out(DATA, 0x00);
    m.read(1);
    m.device.load(saved);
    expect(m.device.save()).toEqual(saved);
    m.bus.out(DATA, 0x41);
    expect(m.read(4)).toEqual([0x1e, 0x9e, 0x30, 0xb0]);
  });
});
