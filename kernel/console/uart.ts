/**
 * The console's serial port: a 16550 at COM1 (PC16550D data sheet, chapter 8). Sending is driven by interrupts: while the output ring has something, the UART
 * interrupts whenever its transmit FIFO has run empty, and the service routine refills it.
 */
import type { Kernel } from '../kernel.ts';
import { keInitializeDpc, keInsertQueueDpc } from '../ke/dpc.ts';
import { keInitializeEvent } from '../ke/event.ts';
import { connectInterrupt, interruptVector } from '../ke/interrupt.ts';
import { Latched } from '../types/ke.ts';
import { CON_OUTPUT_SIZE } from './globals.ts';
import { inputUsed, outputUsed, putInput, takeOutput } from './ring.ts';

const COM1 = 0x3f8,
  COM1_PIN = 4;
// Registers; RBR and THR, and IIR and FCR, share an address. With LCR.DLAB set, 0 and 1 are the divisor.
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
const IER_ERBFI = 1,
  IER_ETBEI = 2,
  IER_ELSI = 4;
const IIR_NONE = 1,
  IIR_TRANSMITTER_EMPTY = 2,
  IIR_MODEM_STATUS = 0;
/** FIFOs on and empty, receive trigger at 8 characters: what comes slower is reported by the timeout. */
const FCR_ENABLE = 0x87;
const LCR_8N1 = 3,
  LCR_DLAB = 0x80;
const MCR_DTR = 1,
  MCR_RTS = 2,
  MCR_OUT2 = 8;
const LSR_DR = 1;
const FIFO_DEPTH = 16;
/** 115,200 baud: the clock of 1.8432 MHz over 16. */
const DIVISOR = 1;
/** Cycles of a port access, beyond what the bus costs by itself. */
const PORT_CYCLES = 20;

const SynchronizationEvent = 1;

const read = (k: Kernel, register: number): number => k.cpu.portIn(COM1 + register, 1);
const write = (k: Kernel, register: number, value: number): void => k.cpu.portOut(COM1 + register, 1, value);

/** Does a UART answer? Its scratch register keeps what is written; nothing reads as all ones. */
function uartPresent(k: Kernel): boolean {
  return [0x55, 0xaa].every(pattern => {
    write(k, SCR, pattern);
    return read(k, SCR) === pattern;
  });
}

/** Programs the UART and connects its interrupt. False when there is none, or no memory for the interrupt object. */
export function uartInitialize(k: Kernel): boolean {
  if (!uartPresent(k)) return false;
  write(k, IER, 0);
  write(k, LCR, LCR_DLAB);
  write(k, DLL, DIVISOR & 0xff);
  write(k, DLM, DIVISOR >>> 8);
  write(k, LCR, LCR_8N1);
  write(k, FCR, FCR_ENABLE);
  write(k, MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
  keInitializeEvent(k, k.global.address('ConEvent'), SynchronizationEvent, false);
  keInitializeDpc(k, k.global.address('ConDpc'), k.address('nt!ConDpcRoutine'), 0);
  const { vector, irql } = interruptVector(k, COM1_PIN);
  // COM1 is an ISA interrupt: an edge. The service routine therefore goes on until the UART has no reason left.
  const interrupt = connectInterrupt(k, {
    vector,
    irql,
    mode: Latched,
    serviceRoutine: k.address('nt!ConInterruptService'),
    context: 0,
    shareVector: false,
  });
  if (!interrupt) return false;
  k.global.set('ConInterrupt', interrupt);
  k.global.set('ConPresent', 1);
  write(k, IER, IER_ERBFI | IER_ELSI);
  return true;
}

/** Makes the UART ask for output. Enabling the interrupt while the FIFO is empty raises it. */
export function startTransmitting(k: Kernel): void {
  if (k.global.get('ConTransmitting') || outputUsed(k) === 0) return;
  k.global.set('ConTransmitting', 1);
  write(k, IER, IER_ERBFI | IER_ETBEI | IER_ELSI);
}

/** Lets the thread look: it runs when the IRQL allows. */
export function wakeConsole(k: Kernel): void {
  keInsertQueueDpc(k, k.global.address('ConDpc'), 0, 0);
}

function transmit(k: Kernel): number {
  let sent = 0;
  for (; sent < FIFO_DEPTH; sent++) {
    const byte = takeOutput(k);
    if (byte < 0) break;
    write(k, THR, byte);
  }
  if (sent === 0) {
    k.global.set('ConTransmitting', 0);
    write(k, IER, IER_ERBFI | IER_ELSI);
  }
  return sent + 1;
}

/** Empties the receive FIFO into the input ring. What does not fit is lost, as on a port that is read too late. */
function receive(k: Kernel): number {
  let accesses = 1;
  while (read(k, LSR) & LSR_DR) {
    putInput(k, read(k, RBR));
    accesses += 2;
  }
  return accesses;
}

/** The service routine: false when the UART has not interrupted. */
export function uartService(k: Kernel): boolean {
  let accesses = 1;
  let claimed = false;
  const before = inputUsed(k);
  for (;;) {
    const reason = read(k, IIR) & 0x0f;
    if (reason & IIR_NONE) break;
    claimed = true;
    accesses++;
    if (reason === IIR_TRANSMITTER_EMPTY) accesses += transmit(k);
    else if (reason === IIR_MODEM_STATUS) read(k, MSR);
    // A line error is in the status that is read with the character; the character is taken as it came.
    else accesses += receive(k);
  }
  k.cpu.charge(accesses * PORT_CYCLES);
  const room = outputUsed(k) <= CON_OUTPUT_SIZE / 2 && (k.global.get('ConWantsRoom') !== 0 || k.global.get('ConDropped') !== 0);
  if (room) k.global.set('ConWantsRoom', 0);
  if (room || inputUsed(k) !== before) wakeConsole(k);
  return claimed;
}
