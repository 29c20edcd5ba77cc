import type { CpuView } from '../../hal/bus/index.ts';
import type { CoreExports } from '../core/abi.ts';

// Interrupt hardware as the debugger shows it (SDM vol. 3, chapters 6 and 11; 82093AA datasheet). Nothing here changes state.

export interface IdtGate {
  vector: number;
  handler: number;
  selector: number;
  ist: number;
  dpl: number;
  /** 14 interrupt gate, 15 trap gate. */
  type: number;
}

/** Present gates of the processor's IDT. */
export function readIdt(cpu: CpuView): IdtGate[] {
  const { base, limit } = cpu.idtr();
  const gates: IdtGate[] = [];
  for (let vector = 0; vector < 256 && vector * 16 + 15 <= limit; vector++) {
    const at = base + vector * 16;
    if (cpu.mem.translate(at) < 0 || cpu.mem.translate(at + 15) < 0) continue;
    const low = cpu.mem.read32(at);
    const middle = cpu.mem.read32(at + 4);
    const high = cpu.mem.readI32(at + 8);
    if ((middle & 0x8000) === 0) continue;
    const offset = ((middle & 0xffff0000) >>> 0) + (low & 0xffff);
    gates.push({
      vector,
      handler: high * 0x1_0000_0000 + offset,
      selector: low >>> 16,
      ist: middle & 7,
      dpl: (middle >> 13) & 3,
      type: (middle >> 8) & 15,
    });
  }
  return gates;
}

export interface LocalApicState {
  id: number;
  tpr: number;
  ppr: number;
  /** Vectors requested and in service, highest first. */
  irr: number[];
  isr: number[];
  lvt: { name: string; value: number }[];
  initialCount: number;
  currentCount: number;
  divide: number;
}

const APIC_ID = 0x20,
  APIC_TPR = 0x80,
  APIC_PPR = 0xa0,
  APIC_ISR = 0x100,
  APIC_IRR = 0x200,
  APIC_DIVIDE = 0x3e0,
  APIC_INITIAL = 0x380,
  APIC_CURRENT = 0x390;
const LVT: readonly (readonly [string, number])[] = [
  ['timer', 0x320],
  ['thermal', 0x330],
  ['performance', 0x340],
  ['LINT0', 0x350],
  ['LINT1', 0x360],
  ['error', 0x370],
];
/** Divide configuration register, bits 3 and 1-0 (SDM vol. 3, figure 11-10). */
const DIVIDES = [2, 4, 8, 16, 32, 64, 128, 1];

/** A processor's local APIC. */
export function readLocalApic(core: CoreExports, cpu: number): LocalApicState {
  const read = (offset: number): number => core.apicRead(cpu, offset) >>> 0;
  const vectors = (base: number): number[] => {
    const list: number[] = [];
    for (let v = 255; v >= 0; v--) if ((read(base + (v >> 5) * 16) >>> (v & 31)) & 1) list.push(v);
    return list;
  };
  const d = read(APIC_DIVIDE);
  return {
    id: read(APIC_ID) >>> 24,
    tpr: read(APIC_TPR),
    ppr: read(APIC_PPR),
    irr: vectors(APIC_IRR),
    isr: vectors(APIC_ISR),
    lvt: LVT.map(([name, offset]) => ({ name, value: read(offset) })),
    initialCount: read(APIC_INITIAL),
    currentCount: read(APIC_CURRENT),
    divide: DIVIDES[((d >> 1) & 4) | (d & 3)]!,
  };
}

export interface IoApicPin {
  pin: number;
  vector: number;
  masked: boolean;
  level: boolean;
  activeLow: boolean;
  remoteIrr: boolean;
  /** Delivery status: an interrupt waits to be accepted. */
  pending: boolean;
  destination: number;
}

const IOREGSEL = 0x00,
  IOWIN = 0x10,
  PINS = 24;

/** The I/O APIC's redirection table. The register select is left as it was. */
export function readIoApic(core: CoreExports): IoApicPin[] {
  const selected = core.ioapicRead(IOREGSEL) >>> 0;
  const read = (index: number): number => {
    core.ioapicWrite(IOREGSEL, index);
    return core.ioapicRead(IOWIN) >>> 0;
  };
  const pins = Array.from({ length: PINS }, (_, pin) => {
    const low = read(0x10 + pin * 2),
      high = read(0x11 + pin * 2);
    return {
      pin,
      vector: low & 0xff,
      masked: (low & 0x10000) !== 0,
      level: (low & 0x8000) !== 0,
      activeLow: (low & 0x2000) !== 0,
      remoteIrr: (low & 0x4000) !== 0,
      pending: (low & 0x1000) !== 0,
      destination: high >>> 24,
    };
  });
  core.ioapicWrite(IOREGSEL, selected);
  return pins;
}
