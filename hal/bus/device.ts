import type { PhysicalMemory } from './memory.ts';

/** What a checkpoint keeps of a device: plain data, compared and hashed by value, keys in declaration order. */
export type StateValue =
  number | string | boolean | null | bigint | Uint8Array | readonly StateValue[] | { readonly [name: string]: StateValue };
export type DeviceState = { readonly [name: string]: StateValue };

/** Guest time. One counter for the whole machine: cycles since reset. */
export interface Clock {
  /** Cycle of the instruction that is running (exact inside a port or MMIO access) or of the event being fired. */
  now(): number;
  /** Cycles a second (the TSC's frequency, machine configuration). */
  readonly frequency: number;
  /**
   * Calls `device.event(name, arg)` at `cycle` (at the first boundary at or after it). One pending event per (device, name): scheduling again moves it.
   * Events of one cycle fire in the order in which they were scheduled.
   */
  schedule(device: Device, name: string, cycle: number, arg?: number): void;
  cancel(device: Device, name: string): void;
}

/** One interrupt wire into the I/O APIC. Level: stays as it was last driven. */
export interface InterruptLine {
  set(level: boolean): void;
}

/**
 * What happens to the machine as a whole: the debug-exit port ends the run with a status; the processors' reset line is pulled; the power goes off (S5); the
 * processors lose their state while memory keeps its own (S3); and something ends that sleep.
 */
export type PowerEvent =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'reset'; readonly by: string }
  | { readonly kind: 'off' }
  | { readonly kind: 'sleep' }
  | { readonly kind: 'wake' };

/** What a device can reach of the machine. */
export interface Bus {
  readonly clock: Clock;
  /** System memory for DMA. Writes are seen by decoded code, checkpoints and watchpoints like any other. */
  readonly memory: PhysicalMemory;
  /** Claims I/O ports [base, base+length). Overlap throws. */
  claimPorts(device: Device, base: number, length: number): void;
  releasePorts(device: Device, base: number, length: number): void;
  /** Claims physical addresses [base, base+length) for registers. Overlap throws. */
  claimMmio(device: Device, base: number, length: number): void;
  releaseMmio(device: Device, base: number, length: number): void;
  /** I/O APIC pin (global system interrupt) `pin`. */
  interruptLine(pin: number): InterruptLine;
  /** Tells `heard` of every level that is driven onto pin `pin` from now on: on a PC an 8259 hangs on the same wires as the I/O APIC. */
  listen(pin: number, heard: (level: boolean) => void): void;
  /** The wire INTR, for the one device that answers the processors' acknowledge cycles; `acknowledge` gives the vector. A second one throws. */
  externalInterrupt(device: Device, acknowledge: () => number): InterruptLine;
  /** The running processor stops after its instruction, and the machine does what the event says. */
  power(event: PowerEvent): void;
  /** A message-signalled interrupt: a write of `data` to `address` (FEExxxxx). */
  msi(address: number, data: number): void;
  /** Bytes that leave the machine (a console's output, a finished request). Not state: the host's sink gets them at once. */
  output(device: Device, channel: string, data: Uint8Array): void;
}

/** A virtual device. Created for one machine, reset before it starts; all of its state goes through save and load. */
export interface Device {
  /** Unique in the machine, and stable: it names the device in checkpoints, logs and the debugger (`uart0`, `pci0.4.0`). */
  readonly id: string;
  /** What a person calls it. */
  readonly title: string;
  /** Called once; claims ports and addresses. */
  attach(bus: Bus): void;
  reset(): void;
  save(): DeviceState;
  load(state: DeviceState): void;
  /** `port` is absolute; size 1, 2 or 4. Called only for claimed ports; a port the device does not decode reads as all ones. */
  portRead?(port: number, size: number): number;
  portWrite?(port: number, size: number, value: number): void;
  /** `address` is absolute; size 1, 2, 4 (an 8-byte access arrives as two, low half first). */
  mmioRead?(address: number, size: number): number;
  mmioWrite?(address: number, size: number, value: number): void;
  event?(name: string, arg: number): void;
  /** Bytes from outside (a key, a line, a request), from the input log at its recorded cycle. */
  input?(channel: string, data: Uint8Array): void;
  /** For the debugger: registers as rows, decoded where the declaration has bit names. Pure: no side effects of a read. */
  inspect?(): readonly RegisterRow[];
}

export interface RegisterRow {
  name: string;
  /** Absolute port or address, when it has one. */
  address?: number;
  value: number | bigint;
  /** Named bits that are set, or fields as `NAME=value`. */
  bits?: string;
}

/** One thing that came from outside, at the cycle at which it entered. The list of them is all that a replay needs. */
export interface InputRecord {
  /** It enters at the first boundary at which every processor has reached this cycle... */
  cycle: number;
  /** ...and, with several processors, the machine this position: cycles alone do not tell their boundaries apart. */
  position?: number;
  device: string;
  channel: string;
  data: Uint8Array;
}
