import { evaluate } from '../../emulator/inspect/evaluate.ts';
import { codeAddress, codeListing } from '../../emulator/inspect/code.ts';
import { readIdt, readIoApic, readLocalApic } from '../../emulator/inspect/interrupts.ts';
import { FLAGS, readRegisters } from '../../emulator/inspect/registers.ts';
import type { RegisterSet } from '../../emulator/inspect/registers.ts';
import type { Machine } from '../../emulator/machine.ts';
import type {
  CpuView,
  DeviceView,
  DisassemblyLine,
  InterruptSource,
  InterruptView,
  KernelTable,
  KernelTopic,
  MemoryView,
  StackLine,
} from '../protocol.ts';

/** Who drives which I/O APIC pin on the standard board (emulator/board.ts). */
const PIN_DEVICES: { readonly [pin: number]: string } = {
  1: 'i8042',
  2: 'pit',
  4: 'uart0',
  8: 'rtc',
  12: 'i8042',
  16: 'PCI INTA',
  17: 'PCI INTB',
  18: 'PCI INTC',
  19: 'PCI INTD',
  20: 'requestport',
};

// What the panels show, made from the machine as it stands. Nothing here changes anything.

const RSP = 4;

export function disassemblyView(
  machine: Machine,
  index: number,
  address: number | null,
  before: number,
  count: number,
): DisassemblyLine[] {
  const cpu = machine.cpus[index]!;
  return codeListing(cpu, machine.guestOs, address ?? codeAddress(cpu), before, count).map(l => ({
    address: l.address,
    bytes: l.bytes,
    text: l.text,
    label: l.label,
    target: l.target,
    targetSymbol: l.targetSymbol,
    breakpoint: machine.breakpoints.includes(l.address),
  }));
}

/** `last` is what the registers were when the machine last stood still. */
export function cpuView(machine: Machine, index: number, last: RegisterSet | null): CpuView {
  const now = readRegisters(machine.cpus[index]!);
  const before = new Map(last?.general.map(r => [r.name, r.value]));
  const symbol = (value: bigint): string | null => {
    const signed = BigInt.asIntN(64, value);
    return BigInt.asIntN(48, signed) === signed ? (machine.guestOs?.symbolAt(Number(signed)) ?? null) : null;
  };
  const rip = BigInt.asUintN(64, BigInt(now.rip));
  return {
    registers: [
      { name: 'rip', value: rip, changed: false, symbol: symbol(rip) },
      ...now.general.map(r => ({
        name: r.name,
        value: r.value,
        changed: last !== null && before.get(r.name) !== r.value,
        symbol: symbol(r.value),
      })),
    ],
    flags: FLAGS.map(([name, bit]) => ({
      name,
      set: ((now.rflags >> bit) & 1) === 1,
      changed: last !== null && (((now.rflags ^ last.rflags) >> bit) & 1) === 1,
    })),
    control: now.control,
    cpl: now.cpl,
    irql: now.irql,
  };
}

export function stackView(machine: Machine, index: number, count: number): StackLine[] {
  const cpu = machine.cpus[index]!;
  const os = machine.guestOs;
  const frames = new Set(stackFrames(machine, index).map(f => f.slot));
  const rsp = Number(BigInt.asIntN(64, cpu.gpr(RSP)));
  const lines: StackLine[] = [];
  for (let i = 0; i < count; i++) {
    const address = rsp + i * 8;
    if (cpu.mem.translate(address) < 0 || cpu.mem.translate(address + 7) < 0) break;
    const value = cpu.mem.read64(address);
    const signed = BigInt.asIntN(64, value);
    const symbol = BigInt.asIntN(48, signed) === signed ? (os?.symbolAt(Number(signed)) ?? null) : null;
    lines.push({ address, value, symbol, frame: frames.has(address) });
  }
  return lines;
}

/** Where the stack walk found return addresses: the slot that holds each, and the address. */
export interface StackFrame {
  slot: number;
  address: number;
}

/** Return addresses on processor `index` by the images' unwind data, innermost first; empty when the walk finds none. */
export function stackFrames(machine: Machine, index: number): StackFrame[] {
  const frames = machine.guestOs?.inspect('stack', index) as StackFrame[] | undefined;
  return frames ?? [];
}

export function memoryView(machine: Machine, index: number, address: number, length: number): MemoryView {
  const { mem } = machine.cpus[index]!;
  const bytes = Array.from({ length }, (_, i) => (mem.translate(address + i) < 0 ? -1 : mem.read8(address + i)));
  return { address, bytes, symbol: machine.guestOs?.symbolAt(address) ?? null, note: null };
}

interface InterruptRow {
  vector: number;
  service: string | null;
  serviceAddress: number | null;
}

export function interruptView(machine: Machine, index: number): InterruptView {
  const cpu = machine.cpus[index]!;
  const os = machine.guestOs;
  const services = new Map(((os?.inspect('idt', index) as InterruptRow[] | undefined) ?? []).map(r => [r.vector, r]));
  const apic = readLocalApic(machine.core, index);
  const timer = apic.lvt.find(l => l.name === 'timer')!.value;
  return {
    idt: readIdt(cpu).map(g => ({
      vector: g.vector,
      handler: g.handler,
      symbol: os?.symbolAt(g.handler) ?? null,
      ist: g.ist,
      dpl: g.dpl,
      service: services.get(g.vector)?.service ?? null,
      serviceAddress: services.get(g.vector)?.serviceAddress ?? null,
    })),
    apic: {
      id: apic.id,
      tpr: apic.tpr,
      ppr: apic.ppr,
      irr: apic.irr,
      isr: apic.isr,
      lvt: apic.lvt,
      timer:
        (timer & 0x10000) !== 0
          ? 'masked'
          : `vector 0x${(timer & 0xff).toString(16)}, ${['one-shot', 'periodic', 'TSC deadline'][(timer >> 17) & 3] ?? '?'}, ${apic.currentCount} of ${apic.initialCount}, divided by ${apic.divide}`,
    },
    ioapic: readIoApic(machine.core).map(p => ({
      pin: p.pin,
      vector: p.vector,
      masked: p.masked,
      level: p.level,
      pending: p.pending,
      remoteIrr: p.remoteIrr,
      line: false,
      device: PIN_DEVICES[p.pin] ?? null,
    })),
  };
}

const connected = (machine: Machine): InterruptRow[] => (machine.guestOs?.inspect('idt') as InterruptRow[] | undefined) ?? [];

/** Vectors that a device's service routine is connected to. */
export const connectedVectors = (machine: Machine): number[] => connected(machine).map(r => r.vector);

/** What can be waited for: every connected interrupt. */
export function interruptSources(machine: Machine): InterruptSource[] {
  return connected(machine).map(r => ({ vector: r.vector, name: r.service ?? `vector 0x${r.vector.toString(16)}` }));
}

export function kernelView(machine: Machine, topic: KernelTopic): KernelTable {
  return machine.guestOs!.inspect(topic) as KernelTable;
}

export function devicesView(machine: Machine): DeviceView[] {
  return [...machine.devices.values()].map(d => ({ id: d.id, title: d.title, registers: [...(d.inspect?.() ?? [])] }));
}

export const evaluateIn = (machine: Machine, index: number, expression: string): number =>
  evaluate(expression, machine.cpus[index]!, machine.guestOs);
