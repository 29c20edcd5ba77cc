/**
 * The ACPI tables of the PC (ACPI specification 6.5, chapter 5): RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET and DSDT, made once as bytes whose pointers and checksums are
 * still open, with a list of them. Our own firmware places the tables by that list; other firmware gets the same list as the table-loader script of fw_cfg.
 */
import type { PhysicalMemory } from '../../hal/bus/index.ts';
import {
  addressWindow,
  device,
  eisaId,
  integer,
  io,
  irqNoFlags,
  memory32Fixed,
  named,
  packageOf,
  resources,
  scope,
  string,
} from './aml.ts';

/** What the tables say about the board. */
export interface AcpiBoard {
  readonly cpus: number;
  /** Port of the PM1a event block; the control block is 4, the timer 8 behind it. */
  readonly pmBase: number;
  readonly sci: number;
  readonly sleepTypes: { readonly s3: number; readonly s5: number };
  readonly reset: { readonly port: number; readonly value: number };
  readonly hpet: { readonly base: number; readonly id: number };
  readonly pci: { readonly ioBase: number; readonly memoryBase: number; readonly memoryEnd: number };
  /** I/O APIC pin of INTA# of a PCI device number; the other pins follow it. */
  readonly intaPin: (device: number) => number;
}

export const TABLES_FILE = 'etc/acpi/tables',
  RSDP_FILE = 'etc/acpi/rsdp',
  LOADER_FILE = 'etc/table-loader';

type Place = { readonly file: typeof TABLES_FILE | typeof RSDP_FILE; readonly offset: number };
interface Pointer {
  readonly at: Place;
  readonly size: 4 | 8;
  /** Offset in the tables. */
  readonly target: number;
}
interface Checksum {
  readonly at: Place;
  readonly start: number;
  readonly length: number;
}

export interface AcpiTables {
  readonly tables: Uint8Array;
  readonly rsdp: Uint8Array;
  /** Offsets in the tables by signature. */
  readonly offsets: ReadonlyMap<string, number>;
  readonly pointers: readonly Pointer[];
  readonly checksums: readonly Checksum[];
}

const HEADER = 36;
const FACS_SIZE = 64;
/** The FACS is alone in the first page, which is of another kind of memory. */
const FIRST_TABLE = 0x1000;
const IOAPIC = 0xfec00000,
  LOCAL_APIC = 0xfee00000;
const CMOS_CENTURY = 0x32;
const RSDP_SIZE = 36,
  RSDP_SIZE_1 = 20;

/** A table that grows; numbers are little-endian. */
class Writer {
  readonly bytes: number[] = [];
  put(size: 1 | 2 | 4 | 8, ...values: readonly number[]): this {
    for (const value of values)
      for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) this.bytes.push(rest % 256);
    return this;
  }
  text(text: string, size: number): this {
    for (let i = 0; i < size; i++) this.bytes.push(i < text.length ? text.charCodeAt(i) : 0);
    return this;
  }
}

/** Generic address structure (5.2.3.2) in system I/O (space 1) or memory (space 0). */
function address(w: Writer, space: 0 | 1, bits: number, accessSize: number, at: number): void {
  w.put(1, space, bits, 0, accessSize).put(8, at);
}

/** Makes the tables of a board. */
export function buildAcpi(board: AcpiBoard): AcpiTables {
  const offsets = new Map<string, number>([['FACS', 0]]);
  const pointers: Pointer[] = [];
  const checksums: Checksum[] = [];
  const out = new Writer();
  out.text('FACS', 4).put(4, FACS_SIZE).put(4, 0, 0, 0, 0).put(8, 0).put(1, 1);
  const add = (signature: string, revision: number, body: readonly number[], links: readonly [number, 4 | 8, string][]): void => {
    while (out.bytes.length < FIRST_TABLE || out.bytes.length % 8 !== 0) out.put(1, 0);
    const offset = out.bytes.length,
      length = HEADER + body.length;
    offsets.set(signature, offset);
    out.text(signature, 4).put(4, length).put(1, revision, 0).text('KMODE', 6).text('KMODEPC', 8);
    out.put(4, 1).text('KMDE', 4).put(4, 1);
    out.bytes.push(...body);
    for (const [field, size, to] of links)
      pointers.push({ at: { file: TABLES_FILE, offset: offset + field }, size, target: offsets.get(to)! });
    checksums.push({ at: { file: TABLES_FILE, offset: offset + 9 }, start: offset, length });
  };
  add('DSDT', 2, dsdt(board), []);
  add('FACP', 3, fadt(board), [
    [36, 4, 'FACS'],
    [40, 4, 'DSDT'],
    [140, 8, 'DSDT'],
  ]);
  add('APIC', 3, madt(board), []);
  add('HPET', 1, hpet(board), []);
  const listed = ['FACP', 'APIC', 'HPET'];
  add(
    'RSDT',
    1,
    new Array<number>(listed.length * 4).fill(0),
    listed.map((s, i) => [HEADER + i * 4, 4, s]),
  );
  add(
    'XSDT',
    1,
    new Array<number>(listed.length * 8).fill(0),
    listed.map((s, i) => [HEADER + i * 8, 8, s]),
  );

  const rsdp = new Writer().text('RSD PTR ', 8).put(1, 0).text('KMODE', 6).put(1, 2).put(4, 0, RSDP_SIZE).put(8, 0).put(4, 0);
  pointers.push({ at: { file: RSDP_FILE, offset: 16 }, size: 4, target: offsets.get('RSDT')! });
  pointers.push({ at: { file: RSDP_FILE, offset: 24 }, size: 8, target: offsets.get('XSDT')! });
  checksums.push({ at: { file: RSDP_FILE, offset: 8 }, start: 0, length: RSDP_SIZE_1 });
  checksums.push({ at: { file: RSDP_FILE, offset: 32 }, start: 0, length: RSDP_SIZE });
  return { tables: Uint8Array.from(out.bytes), rsdp: Uint8Array.from(rsdp.bytes), offsets, pointers, checksums };
}

/** Writes the tables to `tablesAt` (a page) and the RSDP to `rsdpAt` (16-byte aligned). Returns the address of the FACS. */
export function placeAcpi(memory: PhysicalMemory, acpi: AcpiTables, tablesAt: number, rsdpAt: number): number {
  const files = { [TABLES_FILE]: acpi.tables.slice(), [RSDP_FILE]: acpi.rsdp.slice() };
  for (const { at, size, target } of acpi.pointers) {
    const view = new DataView(files[at.file].buffer);
    if (size === 4) view.setUint32(at.offset, tablesAt + target, true);
    else view.setBigUint64(at.offset, BigInt(tablesAt + target), true);
  }
  for (const { at, start, length } of acpi.checksums) {
    const bytes = files[at.file];
    bytes[at.offset] = 0;
    bytes[at.offset] = -bytes.subarray(start, start + length).reduce((sum, b) => sum + b, 0);
  }
  memory.writeBytes(tablesAt, files[TABLES_FILE]);
  memory.writeBytes(rsdpAt, files[RSDP_FILE]);
  return tablesAt + acpi.offsets.get('FACS')!;
}

/** The table-loader script: 128 bytes a command (QEMU, docs/specs/acpi: "BIOS linker/loader"). Pointers hold the offset of their target until the loader adds its address. */
export function acpiFiles(acpi: AcpiTables): { name: string; data: Uint8Array }[] {
  const COMMAND = 128;
  const tables = acpi.tables.slice(),
    rsdp = acpi.rsdp.slice();
  const commands: Writer[] = [
    new Writer().put(4, 1).text(RSDP_FILE, 56).put(4, 16).put(1, 2), // allocate in the F segment
    new Writer().put(4, 1).text(TABLES_FILE, 56).put(4, 0x1000).put(1, 1), // allocate high
  ];
  for (const { at, size, target } of acpi.pointers) {
    new DataView((at.file === TABLES_FILE ? tables : rsdp).buffer).setUint32(at.offset, target, true);
    commands.push(new Writer().put(4, 2).text(at.file, 56).text(TABLES_FILE, 56).put(4, at.offset).put(1, size));
  }
  for (const { at, start, length } of acpi.checksums)
    commands.push(new Writer().put(4, 3).text(at.file, 56).put(4, at.offset, start, length));
  const script = new Uint8Array(commands.length * COMMAND);
  commands.forEach((c, i) => script.set(c.bytes, i * COMMAND));
  return [
    { name: TABLES_FILE, data: tables },
    { name: RSDP_FILE, data: rsdp },
    { name: LOADER_FILE, data: script },
  ];
}

/** 5.2.9. */
function fadt({ pmBase, sci, reset }: AcpiBoard): readonly number[] {
  const w = new Writer();
  w.put(4, 0, 0).put(1, 0, 1).put(2, sci); // FACS and DSDT; desktop; SCI
  w.put(4, 0).put(1, 0, 0, 0, 0); // no SMI command port: always in ACPI mode
  w.put(4, pmBase, 0, pmBase + 4, 0, 0, pmBase + 8, 0, 0);
  w.put(1, 4, 2, 0, 4, 0, 0, 0, 0); // their lengths
  w.put(2, 0xfff, 0xfff, 0, 0).put(1, 0, 0, 0, 0, CMOS_CENTURY); // no C2 and C3
  w.put(2, 3).put(1, 0); // legacy devices and an 8042
  // WBINVD, C1, no sleep button, reset register. The timer has 24 bits; power button and RTC wake are in the fixed registers.
  w.put(4, 0x0001 | 0x0004 | 0x0020 | 0x0400);
  address(w, 1, 8, 1, reset.port);
  w.put(1, reset.value, 0, 0, 0).put(8, 0, 0);
  address(w, 1, 32, 2, pmBase);
  address(w, 1, 0, 0, 0);
  address(w, 1, 16, 2, pmBase + 4);
  address(w, 1, 0, 0, 0);
  address(w, 1, 0, 0, 0);
  address(w, 1, 32, 3, pmBase + 8);
  address(w, 1, 0, 0, 0);
  address(w, 1, 0, 0, 0);
  return w.bytes;
}

/** 5.2.12: every processor, the I/O APIC, where ISA interrupts arrive otherwise than at the pin of their number, and NMI at LINT1. */
function madt({ cpus, sci }: AcpiBoard): readonly number[] {
  const w = new Writer().put(4, LOCAL_APIC, 1);
  for (let n = 0; n < cpus; n++) w.put(1, 0, 8, n, n).put(4, 1);
  w.put(1, 1, 12, 0, 0).put(4, IOAPIC, 0);
  w.put(1, 2, 10, 0, 0).put(4, 2).put(2, 0); // IRQ 0 at pin 2
  w.put(1, 2, 10, 0, sci).put(4, sci).put(2, 0x0d); // the SCI is active high, level
  w.put(1, 4, 6, 0xff).put(2, 0).put(1, 1);
  return w.bytes;
}

/** IA-PC HPET specification, 3.2.4. */
function hpet({ hpet: { base, id } }: AcpiBoard): readonly number[] {
  const w = new Writer().put(4, id);
  address(w, 0, 64, 0, base);
  return w.put(1, 0).put(2, 0x80).put(1, 0).bytes;
}

function dsdt(board: AcpiBoard): readonly number[] {
  const { pci, pmBase, sci, sleepTypes } = board;
  const sleep = (type: number) => packageOf(integer(type), integer(type), integer(0), integer(0));
  const routes = Array.from({ length: 31 }, (_, i) => i + 1).flatMap(slot =>
    [0, 1, 2, 3].map(pin =>
      packageOf(integer(slot * 0x10000 + 0xffff), integer(pin), integer(0), integer(16 + ((board.intaPin(slot) - 16 + pin) & 3))),
    ),
  );
  const onBoard = (path: string, id: string, uid: number | null, ...what: readonly (readonly number[])[]) =>
    device(
      path,
      named('_HID', eisaId(id)),
      ...(uid === null ? [] : [named('_UID', integer(uid))]),
      named('_CRS', resources(...what)),
    );
  return [
    scope(
      '\\_SB',
      device(
        'PCI0',
        named('_HID', eisaId('PNP0A03')),
        named('_UID', integer(0)),
        named('_BBN', integer(0)),
        named(
          '_CRS',
          resources(
            addressWindow('bus', 0, 0),
            io(0xcf8, 8),
            addressWindow('io', pci.ioBase, 0xffff),
            addressWindow('memory', pci.memoryBase, pci.memoryEnd - 1),
          ),
        ),
        named('_PRT', packageOf(...routes)),
        device(
          'ISA',
          named('_ADR', integer(0x10000)),
          onBoard('PIC', 'PNP0000', null, io(0x20, 2), io(0xa0, 2), io(0x4d0, 2), irqNoFlags(2)),
          onBoard('TMR', 'PNP0100', null, io(0x40, 4), irqNoFlags(0)),
          onBoard('RTC', 'PNP0B00', null, io(0x70, 2), irqNoFlags(8)),
          onBoard('KBD', 'PNP0303', null, io(0x60, 1), io(0x64, 1), irqNoFlags(1)),
          onBoard('COM1', 'PNP0501', 1, io(0x3f8, 8), irqNoFlags(4)),
          onBoard('PMIO', 'PNP0C02', 1, io(pmBase, 12), irqNoFlags(sci)),
        ),
        device('FWCF', named('_HID', string('QEMU0002')), named('_STA', integer(0x0b)), named('_CRS', resources(io(0x510, 12)))),
        onBoard('HPET', 'PNP0103', 0, memory32Fixed(board.hpet.base, 0x400, false)),
      ),
      ...Array.from({ length: board.cpus }, (_, n) =>
        device(`CPU${n}`, named('_HID', string('ACPI0007')), named('_UID', integer(n))),
      ),
    ),
    named('\\_S3', sleep(sleepTypes.s3)),
    named('\\_S5', sleep(sleepTypes.s5)),
  ].flat();
}
