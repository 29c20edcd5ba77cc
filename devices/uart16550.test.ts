import { describe, expect, it } from 'vitest';
import { TestBus } from './testbus.ts';
import { createUart16550 } from './uart16550.ts';

const BASE = 0x3f8;
const PIN = 4;
const RBR = 0,
  THR = 0,
  DLL = 0,
  DLM = 1,
  IER = 1,
  IIR = 2,
  FCR = 2,
  LCR = 3,
  MCR = 4,
  LSR = 5,
  MSR = 6,
  SCR = 7;
/** 10 bits at 115,200 baud on a clock of 115.2 MHz. */
const CHARACTER = 10_000;

/** 8 data bits, no parity, one stop bit, 115,200 baud, OUT2 on. */
function plugged() {
  const bus = new TestBus({ frequency: 115_200_000 });
  const uart = createUart16550();
  bus.plug(uart);
  const m = {
    bus,
    uart,
    in: (register: number) => bus.in(BASE + register),
    out: (register: number, value: number) => bus.out(BASE + register, value),
    feed: (...bytes: number[]) => uart.input!('rx', Uint8Array.from(bytes)),
  };
  m.out(LCR, 0x03);
  m.out(MCR, 0x0b);
  return m;
}

describe('16550A at reset (data sheet, table I)', () => {
  it('has an empty transmitter, no interrupt and no FIFO', () => {
    const bus = new TestBus();
    bus.plug(createUart16550());
    expect([IER, IIR, LCR, MCR, LSR].map(r => bus.in(BASE + r))).toEqual([0, 1, 0, 0, 0x60]);
    expect(bus.in(BASE + MSR) & 0x0f).toBe(0);
    expect(bus.line(PIN)).toBe(false);
  });

  it('keeps the scratch register, and the divisor behind DLAB', () => {
    const m = plugged();
    m.out(SCR, 0xa5);
    m.out(LCR, 0x83);
    m.out(DLL, 0x12);
    m.out(DLM, 0x34);
    expect([m.in(DLL), m.in(DLM)]).toEqual([0x12, 0x34]);
    m.out(LCR, 0x03);
    expect(m.in(IER)).toBe(0);
    expect(m.in(SCR)).toBe(0xa5);
    m.out(IER, 0xff);
    expect(m.in(IER)).toBe(0x0f);
  });
});

describe('transmitter', () => {
  it('gives a byte out when its last bit has been sent', () => {
    const m = plugged();
    m.out(THR, 0x41);
    expect(m.in(LSR) & 0x60).toBe(0x20);
    m.bus.advance(CHARACTER - 1);
    expect(m.bus.text('tx')).toBe('');
    m.bus.advance(1);
    expect(m.bus.text('tx')).toBe('A');
    expect(m.in(LSR) & 0x60).toBe(0x60);
  });

  it.each([
    ['9600 baud', 12, 0x03, 12 * CHARACTER],
    ['7 data bits, parity, 2 stop bits', 1, 0x0e, 11_000],
    ['5 data bits, 1.5 stop bits', 1, 0x04, 7_500],
    ['divisor 0', 0, 0x03, 65536 * CHARACTER],
  ])('takes the time of its bits: %s', (_what, divisor, lcr, cycles) => {
    const m = plugged();
    m.out(LCR, 0x80);
    m.out(DLL, divisor & 0xff);
    m.out(DLM, divisor >> 8);
    m.out(LCR, lcr);
    m.out(THR, 0x1f);
    m.bus.advance(cycles - 1);
    expect(m.bus.outputs.length).toBe(0);
    m.bus.advance(1);
    expect(m.bus.outputs.length).toBe(1);
  });

  it('holds one byte without FIFOs, sixteen with, besides the shift register', () => {
    const m = plugged();
    m.out(FCR, 0x01);
    for (const c of 'abcdefghijklmnopqrstuvwxyz') m.out(THR, c.charCodeAt(0));
    m.bus.advance(30 * CHARACTER);
    expect(m.bus.text('tx')).toBe('abcdefghijklmnopq');
    m.out(FCR, 0x00);
    for (const c of '123') m.out(THR, c.charCodeAt(0));
    m.bus.advance(30 * CHARACTER);
    expect(m.bus.text('tx')).toBe('abcdefghijklmnopq13');
  });

  it('interrupts when the holding register is empty; reading IIR or writing THR clears it', () => {
    const m = plugged();
    m.out(IER, 0x02);
    expect(m.bus.line(PIN)).toBe(true);
    expect(m.in(IIR)).toBe(0x02);
    expect(m.in(IIR)).toBe(0x01);
    expect(m.bus.line(PIN)).toBe(false);
    m.out(THR, 1);
    m.out(THR, 2);
    expect(m.in(IIR)).toBe(0x01);
    m.bus.advance(CHARACTER);
    expect(m.bus.line(PIN)).toBe(true);
    m.out(THR, 3);
    expect(m.bus.line(PIN)).toBe(false);
  });

  it('delays that interrupt after a lone byte in the FIFO by a character less its stop bit, not after several', () => {
    const m = plugged();
    m.out(FCR, 0x01);
    m.out(IER, 0x02);
    m.in(IIR);
    m.out(THR, 1);
    m.bus.advance(9_000 - 1);
    expect(m.bus.line(PIN)).toBe(false);
    m.bus.advance(1);
    expect(m.in(IIR)).toBe(0xc2);
    m.bus.advance(CHARACTER);

    m.out(THR, 1);
    m.out(THR, 2);
    m.out(THR, 3);
    m.bus.advance(2 * CHARACTER - 1);
    expect(m.bus.line(PIN)).toBe(false);
    m.bus.advance(1);
    expect(m.bus.line(PIN)).toBe(true);
  });

  it('sends nothing while the break bit holds the line', () => {
    const m = plugged();
    m.out(LCR, 0x43);
    m.out(THR, 0x41);
    m.bus.advance(CHARACTER);
    expect(m.bus.text('tx')).toBe('');
    expect(m.in(LSR)).toBe(0x60);
  });
});

describe('receiver', () => {
  it('takes bytes at the speed of the line', () => {
    const m = plugged();
    m.out(FCR, 0x01);
    m.feed(0x61, 0x62);
    m.bus.advance(CHARACTER - 1);
    expect(m.in(LSR) & 1).toBe(0);
    m.bus.advance(1);
    expect(m.in(LSR) & 1).toBe(1);
    expect(m.in(RBR)).toBe(0x61);
    expect(m.in(LSR) & 1).toBe(0);
    m.bus.advance(CHARACTER);
    expect(m.in(RBR)).toBe(0x62);
  });

  it('overwrites its buffer on an overrun without FIFOs, and says so until LSR is read', () => {
    const m = plugged();
    m.out(IER, 0x05);
    m.feed(1, 2);
    m.bus.advance(2 * CHARACTER);
    expect(m.in(IIR)).toBe(0x06);
    expect(m.in(LSR) & 0x03).toBe(0x03);
    expect(m.in(LSR) & 0x03).toBe(0x01);
    expect(m.in(IIR)).toBe(0x04);
    expect(m.in(RBR)).toBe(2);
    expect(m.in(IIR)).toBe(0x01);
  });

  it('keeps sixteen bytes in the FIFO and loses the seventeenth', () => {
    const m = plugged();
    m.out(FCR, 0x01);
    m.feed(...Array.from({ length: 17 }, (_, i) => i));
    m.bus.advance(17 * CHARACTER);
    expect(m.in(LSR) & 0x02).toBe(0x02);
    expect(Array.from({ length: 16 }, () => m.in(RBR))).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(m.in(LSR) & 1).toBe(0);
  });

  it.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])('with FCR %i interrupts at %i bytes, and no longer below', (fcr, level) => {
    const m = plugged();
    m.out(FCR, fcr);
    m.out(IER, 0x01);
    m.feed(...new Array<number>(level).fill(7));
    m.bus.advance((level - 1) * CHARACTER);
    expect(m.bus.line(PIN)).toBe(false);
    m.bus.advance(CHARACTER);
    expect(m.in(IIR)).toBe(0xc4);
    m.in(RBR);
    expect(m.in(IIR)).toBe(0xc1);
  });

  it('has a timeout four characters after the last one, or after the last read', () => {
    const m = plugged();
    m.out(FCR, 0xc1);
    m.out(IER, 0x01);
    m.feed(1, 2);
    m.bus.advance(6 * CHARACTER - 1);
    expect(m.bus.line(PIN)).toBe(false);
    m.bus.advance(1);
    expect(m.in(IIR)).toBe(0xcc);
    m.in(RBR);
    expect(m.in(IIR)).toBe(0xc1);
    m.bus.advance(4 * CHARACTER);
    expect(m.in(IIR)).toBe(0xcc);
    m.in(RBR);
    m.bus.advance(9 * CHARACTER);
    expect(m.in(IIR)).toBe(0xc1);
  });

  it('reports a break with the character at the top of the FIFO', () => {
    const m = plugged();
    m.out(FCR, 0x01);
    m.out(IER, 0x04);
    m.feed(0x61);
    m.uart.input!('break', new Uint8Array(0));
    m.bus.advance(2 * CHARACTER);
    expect(m.in(LSR) & 0x90).toBe(0x80);
    expect(m.in(IIR)).toBe(0xc1);
    m.in(RBR);
    expect(m.in(IIR)).toBe(0xc6);
    expect(m.in(LSR) & 0x90).toBe(0x90);
    expect(m.in(LSR) & 0x90).toBe(0);
    expect(m.in(RBR)).toBe(0);
  });

  it('cuts characters to the word length', () => {
    const m = plugged();
    m.out(LCR, 0x02);
    m.feed(0xff);
    m.bus.advance(CHARACTER);
    expect(m.in(RBR)).toBe(0x7f);
  });

  it('is emptied by FCR bit 1 and by switching FIFOs on or off', () => {
    const m = plugged();
    m.out(FCR, 0x01);
    m.feed(1);
    m.bus.advance(CHARACTER);
    m.out(FCR, 0x03);
    expect(m.in(LSR) & 1).toBe(0);
    m.feed(1);
    m.bus.advance(CHARACTER);
    m.out(FCR, 0xc0);
    expect(m.in(LSR) & 1).toBe(0);
    expect(m.in(IIR)).toBe(0x01);
  });
});

describe('modem control', () => {
  it('lets interrupts through only with OUT2', () => {
    const m = plugged();
    m.out(MCR, 0x03);
    m.out(IER, 0x02);
    expect(m.bus.line(PIN)).toBe(false);
    m.out(MCR, 0x0b);
    expect(m.bus.line(PIN)).toBe(true);
  });

  it('shows changed lines until MSR is read; ring counts when it ends', () => {
    const m = plugged();
    m.out(IER, 0x08);
    expect(m.in(MSR)).toBe(0xb0);
    m.uart.input!('modem', Uint8Array.of(0b1111));
    expect(m.bus.line(PIN)).toBe(false);
    m.uart.input!('modem', Uint8Array.of(0b0010));
    expect(m.in(IIR)).toBe(0x00);
    expect(m.in(MSR)).toBe(0x2d);
    expect(m.in(MSR)).toBe(0x20);
    expect(m.in(IIR)).toBe(0x01);
  });

  it('loops back data and modem lines, away from the outside', () => {
    const m = plugged();
    m.out(MCR, 0x10);
    m.in(MSR);
    for (const [mcr, msr] of [
      [0x11, 0x20],
      [0x12, 0x10],
      [0x14, 0x40],
      [0x18, 0x80],
    ] as const) {
      m.out(MCR, mcr);
      expect(m.in(MSR) & 0xf0).toBe(msr);
    }
    m.out(THR, 0x5a);
    m.feed(0x77);
    m.bus.advance(CHARACTER);
    expect(m.in(RBR)).toBe(0x5a);
    expect(m.in(LSR) & 1).toBe(0);
    expect(m.bus.text('tx')).toBe('');
  });
});

describe('priorities (data sheet, table IV)', () => {
  it('are line status, data, transmitter, modem', () => {
    const m = plugged();
    m.out(IER, 0x0f);
    m.feed(1, 2);
    m.bus.advance(2 * CHARACTER);
    m.uart.input!('modem', Uint8Array.of(0));
    expect(m.in(IIR)).toBe(0x06);
    m.in(LSR);
    expect(m.in(IIR)).toBe(0x04);
    m.in(RBR);
    expect(m.in(IIR)).toBe(0x02);
    expect(m.in(IIR)).toBe(0x00);
    m.in(MSR);
    expect(m.in(IIR)).toBe(0x01);
  });
});

describe('state', () => {
  it('goes through save and load in the middle of everything', () => {
    const m = plugged();
    m.out(FCR, 0x41);
    m.feed(1, 2, 3);
    m.out(THR, 0x41);
    m.out(THR, 0x42);
    m.bus.advance(CHARACTER + 5);
    const saved = m.uart.save();
    m.bus.advance(10 * CHARACTER);
    m.out(FCR, 0);
    m.uart.load(saved);
    expect(m.uart.save()).toEqual(saved);
    expect(m.in(RBR)).toBe(1);
    expect(m.in(LSR) & 0x61).toBe(0x20);
  });

  it('is shown to the debugger without side effects', () => {
    const m = plugged();
    m.feed(0x61);
    m.bus.advance(CHARACTER);
    const before = m.uart.save();
    const rows = m.uart.inspect!();
    expect(m.uart.save()).toEqual(before);
    expect(rows.find(row => row.name === 'LSR')).toEqual({ name: 'LSR', address: 0x3fd, value: 0x61, bits: 'TEMT THRE DR' });
    expect(rows.find(row => row.name === 'RBR')?.value).toBe(0x61);
  });

  it('has no other input channels', () => {
    expect(() => plugged().uart.input!('key', Uint8Array.of(1))).toThrow(/no input channel/);
  });
});
