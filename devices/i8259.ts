/**
 * The two 8259A programmable interrupt controllers of a PC (Intel 8259A data sheet, order 231468): IRQ 0 to 7 on the first, IRQ 8 to 15 on the second, whose output
 * is IRQ 2 of the first; with the edge/level control registers of PCI chipsets (82371SB data sheet, 4.5: ELCR1 and ELCR2).
 *
 * Not modelled: the 8080 mode of ICW4 (its acknowledge cycle has three bytes, which no x86 makes) and buffered mode (pins that software does not see).
 */
import type { Bus, Device, InterruptLine, RegisterRow } from '../hal/bus/index.ts';

/** One chip: plain data, so that it is its own checkpoint. */
type Pic = {
  irr: number;
  imr: number;
  isr: number;
  /** Levels of the eight inputs. */
  lines: number;
  /** Edge/level control: bit n makes input n level-triggered. */
  elcr: number;
  /** ICW2: upper five bits of the vector. */
  base: number;
  /** ICW3: inputs with a second chip, or the second chip's number. */
  cascade: number;
  /** ICW1 and ICW4 as written. */
  icw1: number;
  icw4: number;
  /** Which ICW the odd port expects next: 2, 3, 4, or 0 when initialised. */
  expect: number;
  /** Input of the lowest priority. */
  lowest: number;
  rotateOnAutoEoi: boolean;
  specialMask: boolean;
  /** The next read of the even port gives ISR instead of IRR; a poll command waits for any read. */
  readIsr: boolean;
  poll: boolean;
};
type State = { master: Pic; slave: Pic };

const MASTER = 0x20,
  SLAVE = 0xa0,
  ELCR1 = 0x4d0;
const ICW1 = 0x10,
  ICW1_LEVEL = 0x08,
  ICW1_SINGLE = 0x02,
  ICW1_ICW4 = 0x01;
const ICW4_SPECIAL_FULLY_NESTED = 0x10,
  ICW4_AUTO_EOI = 0x02;
const OCW3 = 0x08,
  OCW3_POLL = 0x04;
const CASCADE = 2;
const SPURIOUS = 7;
/** The timer, the keyboard, the cascade, the clock and the coprocessor are edge-triggered on every board (82371SB, 4.5). */
const ELCR_WRITABLE = [0xf8, 0xde] as const;

/** I/O APIC pin that shares its wire with an IRQ: IRQ 0 arrives at pin 2 there (the MADT says so too). */
export function isaPin(irq: number): number {
  return irq === 0 ? 2 : irq;
}

/** The pair at ports 20h, 21h, A0h, A1h, 4D0h, 4D1h, listening to pins 1 to 15 of the board. */
export function createI8259(options: { id?: string } = {}): Device {
  const { id = 'pic' } = options;
  let intr!: InterruptLine;
  const s: State = { master: newPic(0), slave: newPic(0) };
  /** INTR follows after every change: first the second chip's output, then the first chip's. */
  const update = (): void => {
    setInput(s.master, CASCADE, requested(s.slave, false) >= 0);
    intr.set(requested(s.master, true) >= 0);
  };
  const acknowledge = (): number => {
    let input = requested(s.master, true);
    let vector: number;
    if (input !== CASCADE) {
      if (input >= 0) take(s.master, input);
      vector = s.master.base | (input >= 0 ? input : SPURIOUS);
    } else {
      take(s.master, CASCADE);
      input = requested(s.slave, false);
      if (input >= 0) take(s.slave, input);
      vector = s.slave.base | (input >= 0 ? input : SPURIOUS);
      // The second chip's output falls in its acknowledge cycle, so that a further request is an edge for the first.
      setInput(s.master, CASCADE, false);
    }
    update();
    return vector;
  };
  const device: Device = {
    id,
    title: 'Interrupt controllers (8259A)',
    attach(bus: Bus) {
      intr = bus.externalInterrupt(device, acknowledge);
      for (let irq = 0; irq < 16; irq++) {
        if (irq === CASCADE) continue;
        bus.listen(isaPin(irq), level => {
          setInput(irq < 8 ? s.master : s.slave, irq & 7, level);
          update();
        });
      }
      for (const base of [MASTER, SLAVE, ELCR1]) bus.claimPorts(device, base, 2);
    },
    reset() {
      // The lines stay as the devices drive them.
      Object.assign(s.master, newPic(s.master.lines));
      Object.assign(s.slave, newPic(s.slave.lines));
      update();
    },
    save: () => ({ master: { ...s.master }, slave: { ...s.slave } }),
    load(state) {
      const saved = state as State;
      Object.assign(s.master, saved.master);
      Object.assign(s.slave, saved.slave);
    },
    portRead(port, size) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= readByte(s, port + i) << (8 * i);
      update();
      return value >>> 0;
    },
    portWrite(port, size, value) {
      for (let i = 0; i < size; i++) writeByte(s, port + i, (value >>> (8 * i)) & 0xff);
      update();
    },
    inspect: () => [...inspect('', s.master, MASTER), ...inspect('2', s.slave, SLAVE)],
  };
  return device;
}

function newPic(lines: number): Pic {
  return {
    irr: 0,
    imr: 0,
    isr: 0,
    lines,
    elcr: 0,
    base: 0,
    cascade: 0,
    icw1: 0,
    icw4: 0,
    // The data sheet leaves the state before ICW1 open. Here nothing is requested until a chip is initialised.
    expect: 1,
    lowest: 7,
    rotateOnAutoEoi: false,
    specialMask: false,
    readIsr: false,
    poll: false,
  };
}

function levelTriggered(p: Pic, input: number): boolean {
  return (p.icw1 & ICW1_LEVEL) !== 0 || ((p.elcr >> input) & 1) !== 0;
}

/** An input changes. An edge is latched while the line stays high: when it falls before the acknowledge cycle, the request goes (data sheet, "Edge triggered"). */
function setInput(p: Pic, input: number, level: boolean): void {
  const bit = 1 << input;
  if (!level) {
    p.lines &= ~bit;
    p.irr &= ~bit;
    return;
  }
  if (levelTriggered(p, input) || !(p.lines & bit)) p.irr |= bit;
  p.lines |= bit;
}

/** Distance from the highest priority: 0 is the highest. */
function rank(p: Pic, input: number): number {
  return (input - p.lowest - 1) & 7;
}

function highest(p: Pic, set: number): number {
  for (let i = 1; i <= 8; i++) if (set & (1 << ((p.lowest + i) & 7))) return (p.lowest + i) & 7;
  return -1;
}

/** The input for which the chip asks for an interrupt, or -1. */
function requested(p: Pic, master: boolean): number {
  if (p.expect !== 0) return -1;
  const input = highest(p, p.irr & ~p.imr);
  if (input < 0) return -1;
  let serving = p.isr;
  // Special mask mode: what is masked does not hold back lower priorities.
  if (p.specialMask) serving &= ~p.imr;
  // Special fully nested mode: the second chip may ask again while one of its inputs is served.
  if (master && p.icw4 & ICW4_SPECIAL_FULLY_NESTED && input === CASCADE) serving &= ~(1 << CASCADE);
  const busy = highest(p, serving);
  return busy >= 0 && rank(p, busy) <= rank(p, input) ? -1 : input;
}

/** The acknowledge cycle of an input. */
function take(p: Pic, input: number): void {
  const bit = 1 << input;
  if (!levelTriggered(p, input)) p.irr &= ~bit;
  if (!(p.icw4 & ICW4_AUTO_EOI)) p.isr |= bit;
  else if (p.rotateOnAutoEoi) p.lowest = input;
}

function chipAt(s: State, port: number): Pic {
  return port === SLAVE || port === SLAVE + 1 ? s.slave : s.master;
}

function readByte(s: State, port: number): number {
  if (port === ELCR1) return s.master.elcr;
  if (port === ELCR1 + 1) return s.slave.elcr;
  const p = chipAt(s, port);
  if (p.poll) {
    p.poll = false;
    const input = requested(p, p === s.master);
    if (input < 0) return 0;
    take(p, input);
    return 0x80 | input;
  }
  if (port & 1) return p.imr;
  return p.readIsr ? p.isr : p.irr;
}

function writeByte(s: State, port: number, value: number): void {
  if (port === ELCR1 || port === ELCR1 + 1) {
    const p = port === ELCR1 ? s.master : s.slave;
    p.elcr = value & ELCR_WRITABLE[port - ELCR1];
    // A line that is high asks again when it becomes level-triggered.
    p.irr |= p.lines & p.elcr;
    return;
  }
  const p = chipAt(s, port);
  if (port & 1) writeOdd(p, value);
  else if (value & ICW1) initialise(p, value);
  else if (value & OCW3) operate3(p, value);
  else operate2(p, value);
}

/** ICW1 (data sheet, "Initialization command words"): edge sense circuit reset, mask and special mask cleared, priority 7 to input 7, status read set to IRR. */
function initialise(p: Pic, icw1: number): void {
  Object.assign(p, { ...newPic(p.lines), elcr: p.elcr, icw1, expect: 2 });
  for (let input = 0; input < 8; input++) if (levelTriggered(p, input)) p.irr |= p.lines & (1 << input);
}

function writeOdd(p: Pic, value: number): void {
  switch (p.expect) {
    case 2:
      p.base = value & 0xf8;
      p.expect = p.icw1 & ICW1_SINGLE ? (p.icw1 & ICW1_ICW4 ? 4 : 0) : 3;
      break;
    case 3:
      p.cascade = value;
      p.expect = p.icw1 & ICW1_ICW4 ? 4 : 0;
      break;
    case 4:
      p.icw4 = value;
      p.expect = 0;
      break;
    default:
      p.imr = value;
  }
}

/** OCW2: end of interrupt and rotation. Bits 7 to 5 are R, SL, EOI. */
function operate2(p: Pic, value: number): void {
  const command = value >>> 5;
  // Non-specific: the input of the highest priority in service. In special mask mode a masked one is not cleared so.
  const input = command & 2 ? value & 7 : highest(p, p.specialMask ? p.isr & ~p.imr : p.isr);
  switch (command) {
    case 0: // rotate in automatic EOI mode: clear
    case 4: // and set
      p.rotateOnAutoEoi = command === 4;
      break;
    case 1: // non-specific EOI
    case 3: // specific EOI
    case 5: // rotate on non-specific EOI
    case 7: // rotate on specific EOI
      if (input < 0) break;
      p.isr &= ~(1 << input);
      if (command & 4) p.lowest = input;
      break;
    case 6: // set priority
      p.lowest = input;
      break;
    default: // no operation
  }
}

/** OCW3: special mask mode (ESMM, SMM), poll, which register is read (RR, RIS). */
function operate3(p: Pic, value: number): void {
  if (value & 0x40) p.specialMask = (value & 0x20) !== 0;
  if (value & OCW3_POLL) p.poll = true;
  if (value & 0x02) p.readIsr = (value & 1) !== 0;
}

function inspect(suffix: string, p: Pic, port: number): RegisterRow[] {
  return [
    { name: `IRR${suffix}`, value: p.irr, address: port },
    { name: `ISR${suffix}`, value: p.isr },
    { name: `IMR${suffix}`, value: p.imr, address: port + 1 },
    { name: `ICW2${suffix}`, value: p.base },
    { name: `ELCR${suffix}`, value: p.elcr, address: ELCR1 + (port === SLAVE ? 1 : 0) },
  ];
}
