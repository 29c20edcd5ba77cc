import { expect, it } from 'vitest';
import type { PhysicalMemory } from '../../hal/bus/index.ts';
import { completeConfig } from '../config.ts';
import { createPcBoard } from '../pcboard.ts';
import { acpiFiles, placeAcpi, RSDP_FILE, TABLES_FILE } from './acpi.ts';
import { device, eisaId, integer, named, packageOf, resources } from './aml.ts';

const TABLES = 0x40000,
  RSDP = 0xf0000;
const { acpi } = createPcBoard(completeConfig({ cpus: 3 }));

function placed(): DataView {
  const view = new DataView(new ArrayBuffer(1 << 20));
  placeAcpi({ writeBytes: (pa, bytes) => new Uint8Array(view.buffer).set(bytes, pa) } as PhysicalMemory, acpi, TABLES, RSDP);
  return view;
}
const sum = (view: DataView, at: number, length: number): number =>
  new Uint8Array(view.buffer, at, length).reduce((total, byte) => (total + byte) & 0xff, 0);
const text = (view: DataView, at: number, length: number): string =>
  String.fromCharCode(...new Uint8Array(view.buffer, at, length));

it('leads from the RSDP to every table, each with a good checksum', () => {
  const view = placed();
  expect([text(view, RSDP, 8), sum(view, RSDP, 20), sum(view, RSDP, 36)]).toEqual(['RSD PTR ', 0, 0]);
  const rsdt = view.getUint32(RSDP + 16, true),
    xsdt = Number(view.getBigUint64(RSDP + 24, true));
  const listed = Array.from({ length: (view.getUint32(rsdt + 4, true) - 36) / 4 }, (_, i) =>
    view.getUint32(rsdt + 36 + i * 4, true),
  );
  const wide = listed.map((_, i) => Number(view.getBigUint64(xsdt + 36 + i * 8, true)));
  expect(wide).toEqual(listed);
  expect(listed.map(at => text(view, at, 4))).toEqual(['FACP', 'APIC', 'HPET']);
  const fadt = listed[0];
  const facs = view.getUint32(fadt + 36, true),
    dsdt = view.getUint32(fadt + 40, true);
  expect([text(view, facs, 4), text(view, dsdt, 4), facs % 64]).toEqual(['FACS', 'DSDT', 0]);
  for (const at of [rsdt, xsdt, dsdt, ...listed])
    expect([text(view, at, 4), sum(view, at, view.getUint32(at + 4, true))]).toEqual([text(view, at, 4), 0]);
  expect([view.getUint16(fadt + 46, true), view.getUint32(fadt + 56, true), view.getUint32(fadt + 76, true)]).toEqual([
    9, 0x600, 0x608,
  ]);
  const madt = listed[1];
  const processors = [...new Uint8Array(view.buffer, madt + 44, 24)].filter((_, i) => i % 8 === 3);
  expect(processors).toEqual([0, 1, 2]);
});

it('gives other firmware the same tables with a script', () => {
  const files = new Map(acpiFiles(acpi).map(f => [f.name, f.data]));
  const script = new DataView(files.get('etc/table-loader')!.slice().buffer);
  const memory = placed();
  const base: Record<string, number> = { [TABLES_FILE]: TABLES, [RSDP_FILE]: RSDP };
  const copies = new Map([TABLES_FILE, RSDP_FILE].map(name => [name, new DataView(files.get(name)!.slice().buffer)]));
  const name = (at: number): string => text(script, at, 56).replace(/\0.*/s, '');
  for (let at = 0; at < script.byteLength; at += 128) {
    const command = script.getUint32(at, true);
    const file = copies.get(name(at + 4))!;
    if (command === 2) {
      const offset = script.getUint32(at + 116, true),
        to = base[name(at + 60)];
      if (script.getUint8(at + 120) === 4) file.setUint32(offset, file.getUint32(offset, true) + to, true);
      else file.setBigUint64(offset, file.getBigUint64(offset, true) + BigInt(to), true);
    } else if (command === 3) {
      const [offset, start, length] = [60, 64, 68].map(field => script.getUint32(at + field, true));
      file.setUint8(offset, 0);
      file.setUint8(offset, -sum(file, start, length));
    }
  }
  for (const [file, view] of copies)
    expect(new Uint8Array(view.buffer)).toEqual(new Uint8Array(memory.buffer, base[file], view.byteLength));
});

it('writes AML as the specification encodes it', () => {
  expect(eisaId('PNP0A03')).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  expect([integer(1), integer(0x80), integer(0x1234), integer(0x12345678)].map(a => a.length)).toEqual([1, 2, 3, 5]);
  expect(named('\\_S5', packageOf(integer(0)))).toEqual([0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x03, 0x01, 0x00]);
  expect(device('A', new Array<number>(0x40).fill(0x5a)).slice(0, 8)).toEqual([0x5b, 0x82, 0x46, 0x04, 0x41, 0x5f, 0x5f, 0x5f]);
  expect(resources()).toEqual([0x11, 0x05, 0x0a, 0x02, 0x79, 0x00]);
});
