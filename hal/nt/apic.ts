import type { CpuView } from '../bus/cpu.ts';

/** The interrupt controllers, reached through their registers (Intel SDM vol. 3, chapter 10; 82093AA I/O APIC datasheet). */

const LOCAL_APIC = 0xfee00000,
  IO_APIC = 0xfec00000;
const EOI = 0xb0,
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

const IOREGSEL = 0,
  IOWIN = 0x10;
const IOAPIC_VERSION = 1,
  REDIRECTION = 0x10;
const ENTRY_MASKED = 0x10000,
  ENTRY_LEVEL = 0x8000,
  ENTRY_ACTIVE_LOW = 0x2000;

const write = (cpu: CpuView, register: number, value: number): void => cpu.physWrite(LOCAL_APIC + register, 4, value);

/** Ends the interrupt in service with the highest priority. */
export function endOfInterrupt(cpu: CpuView): void {
  write(cpu, EOI, 0);
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
  /** Number of the processor that gets the interrupt. */
  processor: number;
}

/** Routes a pin and lets its interrupts through. */
export function enablePin(cpu: CpuView, pin: number, route: PinRoute): void {
  ioApicWrite(cpu, REDIRECTION + pin * 2 + 1, route.processor << 24);
  ioApicWrite(
    cpu,
    REDIRECTION + pin * 2,
    route.vector | (route.level ? ENTRY_LEVEL : 0) | (route.activeLow ? ENTRY_ACTIVE_LOW : 0),
  );
}

export function maskPin(cpu: CpuView, pin: number): void {
  ioApicWrite(cpu, REDIRECTION + pin * 2, ENTRY_MASKED);
}
