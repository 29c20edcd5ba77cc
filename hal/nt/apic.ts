import type { CpuView } from '../bus/cpu.ts';

/** The interrupt controllers, reached through their registers (Intel SDM vol. 3, chapter 10; 82093AA I/O APIC datasheet). */

const LOCAL_APIC = 0xfee00000,
  IO_APIC = 0xfec00000;
const EOI = 0xb0,
  ICR_LOW = 0x300,
  ICR_HIGH = 0x310,
  DESTINATION_FORMAT = 0xe0,
  LOGICAL_DESTINATION = 0xd0,
  SPURIOUS = 0xf0;
const LVT_TIMER = 0x320,
  LVT_THERMAL = 0x330,
  LVT_PERFORMANCE = 0x340,
  LVT_LINT0 = 0x350,
  LVT_LINT1 = 0x360,
  LVT_ERROR = 0x370;
const TIMER_INITIAL_COUNT = 0x380,
  TIMER_DIVIDE = 0x3e0;
const APIC_ENABLE = 0x100,
  LVT_MASKED = 0x10000,
  LVT_NMI = 0x400,
  TIMER_PERIODIC = 0x20000,
  DIVIDE_BY_1 = 0xb;

/** Fields of the interrupt command register (Intel SDM vol. 3, 10.6.1). */
const ICR_NMI = 0x400,
  ICR_INIT = 0x500,
  ICR_STARTUP = 0x600,
  ICR_ASSERT = 0x4000,
  ICR_SELF = 0x40000;

const IOREGSEL = 0,
  IOWIN = 0x10;
const IOAPIC_VERSION = 1,
  REDIRECTION = 0x10;
const ENTRY_LOWEST_PRIORITY = 0x100,
  ENTRY_LOGICAL = 0x800,
  ENTRY_MASKED = 0x10000,
  ENTRY_LEVEL = 0x8000,
  ENTRY_ACTIVE_LOW = 0x2000;

const write = (cpu: CpuView, register: number, value: number): void => cpu.physWrite(LOCAL_APIC + register, 4, value);

/** Ends the interrupt in service with the highest priority. */
export function endOfInterrupt(cpu: CpuView): void {
  write(cpu, EOI, 0);
}

/** Sends a fixed interrupt to this processor: the local APIC holds it back while the priority masks it. */
export function sendSelfInterrupt(cpu: CpuView, vector: number): void {
  write(cpu, ICR_LOW, ICR_SELF | ICR_ASSERT | vector);
}

function sendMessage(cpu: CpuView, apicId: number, command: number): void {
  write(cpu, ICR_HIGH, apicId << 24);
  write(cpu, ICR_LOW, ICR_ASSERT | command);
}

/** Sends a fixed interrupt to the processor with this APIC ID. */
export function sendInterrupt(cpu: CpuView, apicId: number, vector: number): void {
  sendMessage(cpu, apicId, vector);
}

/** Sends a non-maskable interrupt to another processor. */
export function sendNmi(cpu: CpuView, apicId: number): void {
  sendMessage(cpu, apicId, ICR_NMI);
}

/** Resets another processor: it then waits for a start-up message (Intel SDM vol. 3, 8.4.4.1). */
export function sendInit(cpu: CpuView, apicId: number): void {
  sendMessage(cpu, apicId, ICR_INIT);
}

/** Starts a processor that waits, in real mode at physical address `page` * 4096 (0-255). One that runs takes no notice. */
export function sendStartup(cpu: CpuView, apicId: number, page: number): void {
  sendMessage(cpu, apicId, ICR_STARTUP | page);
}

/** Enables the local APIC of a processor: flat logical destinations, everything but the timer masked, LINT1 is NMI. */
export function initializeLocalApic(cpu: CpuView, spuriousVector: number): void {
  write(cpu, DESTINATION_FORMAT, 0xffffffff);
  write(cpu, LOGICAL_DESTINATION, 1 << (24 + cpu.index));
  for (const lvt of [LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_ERROR]) write(cpu, lvt, LVT_MASKED);
  write(cpu, LVT_LINT1, LVT_NMI);
  write(cpu, SPURIOUS, APIC_ENABLE | spuriousVector);
}

/** Starts the local APIC timer as a periodic interrupt every `count` ticks of its clock. */
export function startPeriodicTimer(cpu: CpuView, vector: number, count: number): void {
  write(cpu, TIMER_DIVIDE, DIVIDE_BY_1);
  write(cpu, LVT_TIMER, TIMER_PERIODIC | vector);
  write(cpu, TIMER_INITIAL_COUNT, count);
}

export function ioApicRead(cpu: CpuView, register: number): number {
  cpu.physWrite(IO_APIC + IOREGSEL, 4, register);
  return cpu.physRead(IO_APIC + IOWIN, 4) >>> 0;
}
export function ioApicWrite(cpu: CpuView, register: number, value: number): void {
  cpu.physWrite(IO_APIC + IOREGSEL, 4, register);
  cpu.physWrite(IO_APIC + IOWIN, 4, value >>> 0);
}

/** Number of pins of the I/O APIC, from its version register. */
export const ioApicPins = (cpu: CpuView): number => ((ioApicRead(cpu, IOAPIC_VERSION) >> 16) & 0xff) + 1;

export interface PinRoute {
  vector: number;
  level: boolean;
  activeLow: boolean;
  /** The processors that may get the interrupt, a bit each: one is addressed by its ID, of several the one with the lowest priority takes it. */
  processors: number;
}

/** Routes a pin and lets its interrupts through. */
export function enablePin(cpu: CpuView, pin: number, route: PinRoute): void {
  const { processors } = route;
  const single = (processors & (processors - 1)) === 0;
  ioApicWrite(cpu, REDIRECTION + pin * 2 + 1, (single ? 31 - Math.clz32(processors) : processors) << 24);
  ioApicWrite(
    cpu,
    REDIRECTION + pin * 2,
    route.vector |
      (single ? 0 : ENTRY_LOGICAL | ENTRY_LOWEST_PRIORITY) |
      (route.level ? ENTRY_LEVEL : 0) |
      (route.activeLow ? ENTRY_ACTIVE_LOW : 0),
  );
}

export function maskPin(cpu: CpuView, pin: number): void {
  ioApicWrite(cpu, REDIRECTION + pin * 2, ENTRY_MASKED);
}

/** What a device writes where to interrupt (Intel SDM vol. 3, 10.11). */
export interface MessageRoute {
  address: number;
  data: number;
}

const MESSAGE_ADDRESS = 0xfee00000,
  MESSAGE_REDIRECTION = 8,
  MESSAGE_LOGICAL = 4,
  MESSAGE_LOWEST_PRIORITY = 0x100;

/** The message for a vector on `processors` (a bit each): one is addressed by its ID, of several the one with the lowest priority takes it. Edge-triggered. */
export function messageFor(vector: number, processors: number): MessageRoute {
  const single = (processors & (processors - 1)) === 0;
  return single
    ? { address: MESSAGE_ADDRESS + (31 - Math.clz32(processors)) * 0x1000, data: vector }
    : {
        address: MESSAGE_ADDRESS + processors * 0x1000 + MESSAGE_REDIRECTION + MESSAGE_LOGICAL,
        data: vector | MESSAGE_LOWEST_PRIORITY,
      };
}
