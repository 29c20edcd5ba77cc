/**
 * Firmware and boot loader of a machine that boots a multiboot image: what stands in memory and in the first processor when the image's first instruction runs
 * (Multiboot Specification 0.6.96, 3.2 and 3.3), and where the machine goes on after S3.
 */
import { CS, DS, ES, FS, GS, SS } from '../../hal/bus/index.ts';
import type { CpuView, PhysicalMemory } from '../../hal/bus/index.ts';
import type { Firmware, Machine } from '../machine.ts';
import { placeAcpi } from './acpi.ts';
import type { AcpiTables } from './acpi.ts';
import { initialiseBios } from './bios.ts';
import { acpiArea, BIOS_AREA, E820_RAM, EBDA, memoryMap, ONE_MIB } from './memorymap.ts';
import { BootImageError } from './multiboot.ts';
import type { BootImage } from './multiboot.ts';

export interface BootModule {
  /** The module's string in the information structure. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface BootOptions {
  /** For messages. */
  readonly file: string;
  readonly image: BootImage;
  readonly commandLine: string;
  readonly modules?: readonly BootModule[];
  readonly acpi: AcpiTables;
}

const LOADER_MAGIC = 0x2badb002;
const LOADER_NAME = 'kmode';
const PAGE = 0x1000;
/** Information flags (3.3): memory sizes, command line, modules, memory map, loader's name. */
const INFO_MEMORY = 0x001,
  INFO_COMMAND_LINE = 0x004,
  INFO_MODULES = 0x008,
  INFO_MEMORY_MAP = 0x040,
  INFO_LOADER_NAME = 0x200;
const INFO_SIZE = 120;
/** In the BIOS area: the RSDP, and as a boot loader's own descriptor table: null, flat code, flat data. */
const RSDP = BIOS_AREA,
  GDT = BIOS_AREA + 0xff00,
  CODE_SELECTOR = 0x08,
  DATA_SELECTOR = 0x10,
  CODE32 = 0xc09b,
  DATA32 = 0xc093,
  CODE16 = 0x9b,
  DATA16 = 0x93;
const CR0_PE_ET = 0x11,
  CR0_ET = 0x10;
const RAX = 0,
  RBX = 3;
/** Local APIC: spurious vector register with the APIC on; LINT0 takes the 8259, LINT1 is NMI, as firmware leaves the first processor. */
const APIC_SVR = 0xf0,
  APIC_LINT0 = 0x350,
  APIC_LINT1 = 0x360,
  SVR_ON = 0x1ff,
  LVT_EXTINT = 0x700,
  LVT_NMI = 0x400;
/** FACS: offset of the firmware waking vector (ACPI 6.5, table 5.12). */
const FACS_WAKING_VECTOR = 12;

/** The firmware that boots `options.image`. Its `boot` throws a {@link BootImageError} when image and modules do not fit into the machine's RAM. */
export function multibootFirmware(options: BootOptions): Firmware {
  const facsOf = ({ memory }: Machine): number => acpiArea(memory.size) + options.acpi.offsets.get('FACS')!;
  return {
    boot(machine) {
      placeAcpi(machine.memory, options.acpi, acpiArea(machine.memory.size), RSDP);
      initialiseBios(machine.memory, machine.cpus[0]);
      const info = load(machine.memory, options);
      enter32(machine.memory, machine.cpus[0], options.image.entry);
      machine.cpus[0].setGpr(RAX, BigInt(LOADER_MAGIC));
      machine.cpus[0].setGpr(RBX, BigInt(info));
      virtualWire(machine);
    },
    resume(machine) {
      const vector = machine.memory.read32(facsOf(machine) + FACS_WAKING_VECTOR);
      // Nowhere to go: the processors wait for ever, as on a board whose firmware finds no vector.
      if (vector === 0) return;
      enter16(machine.cpus[0], vector);
      virtualWire(machine);
    },
  };
}

/** Copies image, modules and information structure into memory; returns the address of the structure. */
function load(memory: PhysicalMemory, options: BootOptions): number {
  const { file, image, modules = [] } = options;
  const top = acpiArea(memory.size);
  for (const { address, bytes, size } of image.segments) {
    const last = address + size;
    if (last > top || (last > EBDA && address < ONE_MIB))
      throw new BootImageError(
        `${file}: its part at 0x${address.toString(16)}, ${size} bytes long, does not fit into the machine's RAM (${memory.size >> 20} MiB; usable from 0 to 0x${EBDA.toString(16)} and from 1 MiB to 0x${top.toString(16)})`,
      );
    memory.writeBytes(address, bytes);
    memory.fill(address + bytes.length, size - bytes.length, 0);
  }
  // Modules lie behind the image, page by page.
  let next = Math.max(ONE_MIB, ...image.segments.map(s => s.address + s.size));
  const places = modules.map(({ name, bytes }) => {
    const start = Math.ceil(next / PAGE) * PAGE;
    next = start + bytes.length;
    if (next > top)
      throw new BootImageError(
        `${name}: ${bytes.length} bytes do not fit behind the image into the machine's RAM (${memory.size >> 20} MiB)`,
      );
    memory.writeBytes(start, bytes);
    return { start, end: next };
  });
  const block = informationBlock(memory.size, options, places);
  const info = placeLow(options, block.size);
  memory.writeBytes(info, block.at(info));
  return info;
}

/** The highest page below the EBDA that holds `size` bytes and nothing of the image; it must not be in the way of an image that loads low. */
function placeLow({ file, image }: BootOptions, size: number): number {
  for (let at = Math.floor((EBDA - size) / PAGE) * PAGE; at >= PAGE; at -= PAGE)
    if (!image.segments.some(s => at < s.address + s.size && s.address < at + size)) return at;
  throw new BootImageError(`${file}: there is no room below 640 KiB for the ${size} bytes of the boot information`);
}

/** The information structure with everything it points to, as bytes for any address. */
function informationBlock(
  ramBytes: number,
  { file, commandLine, modules = [] }: BootOptions,
  places: readonly { start: number; end: number }[],
): { size: number; at(address: number): Uint8Array } {
  const text = (s: string): Uint8Array => new TextEncoder().encode(`${s}\0`);
  const map = memoryMap(ramBytes);
  const line = text(commandLine === '' ? file : `${file} ${commandLine}`),
    loader = text(LOADER_NAME),
    names = modules.map(m => text(m.name));
  let size = INFO_SIZE;
  const reserve = (bytes: number): number => {
    const at = size;
    size = (size + bytes + 7) & ~7;
    return at;
  };
  const mapAt = reserve(map.length * 24),
    modulesAt = reserve(modules.length * 16),
    lineAt = reserve(line.length),
    loaderAt = reserve(loader.length),
    namesAt = names.map(n => reserve(n.length));
  return {
    size,
    at(address) {
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      const put = (offset: number, value: number): void => view.setUint32(offset, value, true);
      put(0, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME);
      // In KiB: below the first hole, and from 1 MiB to the next one.
      put(4, EBDA >> 10);
      put(8, (map.find(r => r.base === ONE_MIB && r.type === E820_RAM)?.length ?? 0) / 1024);
      put(16, address + lineAt);
      put(20, modules.length);
      put(24, address + modulesAt);
      put(44, map.length * 24);
      put(48, address + mapAt);
      put(64, address + loaderAt);
      map.forEach(({ base, length, type }, i) => {
        const at = mapAt + i * 24;
        put(at, 20);
        view.setBigUint64(at + 4, BigInt(base), true);
        view.setBigUint64(at + 12, BigInt(length), true);
        put(at + 20, type);
      });
      places.forEach(({ start, end }, i) => {
        put(modulesAt + i * 16, start);
        put(modulesAt + i * 16 + 4, end);
        put(modulesAt + i * 16 + 8, address + namesAt[i]);
        bytes.set(names[i], namesAt[i]);
      });
      bytes.set(line, lineAt);
      bytes.set(loader, loaderAt);
      return bytes;
    },
  };
}

/** 32-bit protected mode, flat segments of 4 GiB, paging and interrupts off (3.2). */
function enter32(memory: PhysicalMemory, cpu: CpuView, entry: number): void {
  memory.write64(GDT, 0n);
  memory.write64(GDT + CODE_SELECTOR, 0x00cf9b000000ffffn);
  memory.write64(GDT + DATA_SELECTOR, 0x00cf93000000ffffn);
  cpu.setGdtr(GDT, 0x17);
  cpu.setCr(0, CR0_PE_ET);
  cpu.setSegment(CS, { selector: CODE_SELECTOR, base: 0, limit: 0xffffffff, access: CODE32 });
  for (const n of [DS, ES, FS, GS, SS])
    cpu.setSegment(n, { selector: DATA_SELECTOR, base: 0, limit: 0xffffffff, access: DATA32 });
  cpu.rip = entry;
}

/** Real mode at a waking vector: CS:IP with the vector's low four bits as IP (ACPI 6.5, 5.2.10). */
function enter16(cpu: Machine['cpus'][number], vector: number): void {
  cpu.setCr(0, CR0_ET);
  cpu.setSegment(CS, { selector: vector >>> 4, base: (vector >>> 4) << 4, limit: 0xffff, access: CODE16 });
  for (const n of [DS, ES, FS, GS, SS]) cpu.setSegment(n, { selector: 0, base: 0, limit: 0xffff, access: DATA16 });
  cpu.rip = vector & 15;
  cpu.start();
}

/** Interrupts of the 8259s reach the first processor through its local APIC (MultiProcessor Specification 1.4, 3.6.2.2). */
function virtualWire({ core }: Machine): void {
  core.apicWrite(0, APIC_SVR, SVR_ON);
  core.apicWrite(0, APIC_LINT0, LVT_EXTINT);
  core.apicWrite(0, APIC_LINT1, LVT_NMI);
}
