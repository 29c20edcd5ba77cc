import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { describeImage } from '../../emulator/board.ts';
import { Machine, OperationError } from '../../emulator/index.ts';
import { kmode, sample, sampleBytes } from '../boots/support.ts';

// Files that are no driver, and drivers' files that are damaged at a place where it is known what must be said. One machine gets them all, and still works.

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const edu = sampleBytes('edu');

/** Offsets of an image's headers (PE specification). */
function layout(bytes: Uint8Array): { nt: number; optional: number; sections: number; count: number; view: DataView } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const nt = view.getUint32(0x3c, true);
  return { nt, optional: nt + 24, sections: nt + 24 + view.getUint16(nt + 20, true), count: view.getUint16(nt + 6, true), view };
}
const { nt: NT, optional: OPTIONAL, sections: SECTIONS, count: COUNT } = layout(edu);
const directory = (n: number): number => OPTIONAL + 112 + 8 * n;
/** Offset in the file of what is at `rva`. */
function offsetOf(rva: number): number {
  const { view } = layout(edu);
  for (let i = 0; i < COUNT; i++) {
    const header = SECTIONS + 40 * i,
      start = view.getUint32(header + 12, true);
    if (rva >= start && rva < start + view.getUint32(header + 16, true)) return view.getUint32(header + 20, true) + rva - start;
  }
  throw new Error(`RVA ${rva} is in no section`);
}
const IMPORTS = offsetOf(layout(edu).view.getUint32(directory(1), true));

const change = (edit: (view: DataView) => void) => (): Uint8Array => {
  const copy = edu.slice();
  edit(new DataView(copy.buffer));
  return copy;
};
const put32 = (at: number, value: number): (() => Uint8Array) => change(v => v.setUint32(at, value, true));
const put16 = (at: number, value: number): (() => Uint8Array) => change(v => v.setUint16(at, value, true));
const hex = (n: number): string => n.toString(16);

/** A relocation directory put over the unused end of the last section of the headers' page is not to be had in edu, which has none: this one lies in .rdata. */
const relocations = (page: number, entry: number, size = 12): (() => Uint8Array) =>
  change(v => {
    const rdata = SECTIONS + 40,
      at = v.getUint32(rdata + 20, true),
      rva = v.getUint32(rdata + 12, true);
    v.setUint32(directory(5), rva, true);
    v.setUint32(directory(5) + 4, 12, true);
    v.setUint32(at, page, true);
    v.setUint32(at + 4, size, true);
    v.setUint16(at + 8, entry, true);
    v.setUint16(at + 10, 0, true);
  });

const CASES: readonly { what: string; bytes: () => Uint8Array; offset?: number; says: RegExp }[] = [
  { what: 'an empty file', bytes: () => new Uint8Array(0), offset: 0, says: /the file has 0 bytes; expected the letters 'MZ'/ },
  {
    what: 'a script',
    bytes: () => new TextEncoder().encode('#!/bin/sh\nexit 0\n'),
    offset: 0,
    says: /expected the letters 'MZ'/,
  },
  { what: 'an ELF program', bytes: () => Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, ...edu.subarray(4)), offset: 0, says: /'MZ'/ },
  { what: 'a file cut in its DOS header', bytes: () => edu.slice(0, 0x3e), offset: 0, says: /a DOS header, .*truncated/ },
  {
    what: 'a file cut in its PE header',
    bytes: () => edu.slice(0, NT + 10),
    offset: 0x3c,
    says: /expected the offset of a PE header inside the file/,
  },
  {
    what: 'a file cut in its optional header',
    bytes: () => edu.slice(0, OPTIONAL + 50),
    says: /the file ends after .*expected .*truncated/,
  },
  { what: 'a file cut in its section headers', bytes: () => edu.slice(0, SECTIONS + 60), says: /expected/ },
  {
    what: 'a file cut in its code',
    bytes: () => edu.slice(0, 0x500),
    offset: SECTIONS + 16,
    says: /section \.text .*beyond the end of the file/,
  },
  { what: 'no PE signature', bytes: put32(NT, 0x12345678), offset: NT, says: /the signature is 0x12345678; expected 'PE/ },
  { what: 'a 32-bit driver', bytes: put16(NT + 4, 0x14c), offset: NT + 4, says: /0x14c \(32-bit x86\); expected an x64 image/ },
  { what: 'an ARM64 driver', bytes: put16(NT + 4, 0xaa64), offset: NT + 4, says: /0xaa64 \(ARM64\); expected an x64 image/ },
  { what: 'a PE32 optional header', bytes: put16(OPTIONAL, 0x10b), offset: OPTIONAL, says: /magic is 0x10b; expected PE32\+/ },
  {
    what: 'a user-mode program',
    bytes: () => new Uint8Array(readFileSync(fixture('program.exe'))),
    says: /subsystem is 3 \(a Windows console program\); expected a kernel driver/,
  },
  {
    what: 'a user-mode DLL',
    bytes: () => new Uint8Array(readFileSync(fixture('program.dll'))),
    says: /the subsystem is [23] \(a Windows .* program\); expected a kernel driver/,
  },
  { what: 'an EFI program', bytes: put16(OPTIONAL + 68, 10), offset: OPTIONAL + 68, says: /an EFI application/ },
  { what: 'no entry point', bytes: put32(OPTIONAL + 16, 0), says: /no entry point .*expected the address of DriverEntry/ },
  {
    what: 'an entry point in data',
    bytes: put32(OPTIONAL + 16, 0x2000),
    offset: OPTIONAL + 16,
    says: /in no executable section/,
  },
  { what: 'an entry point outside', bytes: put32(OPTIONAL + 16, 0xfffffff0), offset: OPTIONAL + 16, says: /inside the image/ },
  {
    what: 'a huge SizeOfImage',
    bytes: put32(OPTIONAL + 56, 0xfffff000),
    offset: OPTIONAL + 56,
    says: /SizeOfImage is 0xfffff000; expected 1 to/,
  },
  {
    what: 'a SizeOfImage that RAM cannot hold',
    bytes: put32(OPTIONAL + 56, 0x7000000),
    says: /there is no memory for its 0x7000000 bytes/,
  },
  { what: 'a SizeOfImage of 0', bytes: put32(OPTIONAL + 56, 0), offset: OPTIONAL + 56, says: /SizeOfImage is 0x0/ },
  { what: 'section alignment 0', bytes: put32(OPTIONAL + 32, 0), offset: OPTIONAL + 32, says: /a power of two/ },
  {
    what: 'a section beyond the file',
    bytes: put32(SECTIONS + 20, 0x10000),
    offset: SECTIONS + 16,
    says: /section \.text .*beyond the end of the file/,
  },
  {
    what: 'a section that wraps round',
    bytes: put32(SECTIONS + 20, 0xffffff00),
    offset: SECTIONS + 16,
    says: /beyond the end of the file/,
  },
  {
    what: 'overlapping sections',
    bytes: put32(SECTIONS + 40 + 12, 0x1000),
    offset: SECTIONS + 40 + 12,
    says: /section \.rdata starts at RVA 0x1000; expected 0x2000 or more/,
  },
  {
    what: 'a section outside the image',
    bytes: put32(SECTIONS + 8, 0x7fffffff),
    offset: SECTIONS + 8,
    says: /expected sections inside SizeOfImage/,
  },
  { what: 'more sections than there is room for', bytes: put16(NT + 6, 0xffff), offset: NT + 6, says: /65535 section headers/ },
  {
    what: 'an import directory outside the image',
    bytes: put32(directory(1), 0x100000),
    offset: directory(1),
    says: /data directory 1 covers/,
  },
  {
    what: 'imports of a module without a name',
    bytes: put32(IMPORTS + 12, 0x70000000),
    offset: IMPORTS + 12,
    says: /the name of an imported module is at RVA 0x70000000/,
  },
  {
    what: 'an import list outside the image',
    bytes: put32(IMPORTS, 0x70000000),
    offset: IMPORTS,
    says: /the import list of ntoskrnl\.exe is at RVA 0x70000000/,
  },
  {
    what: 'an import address table outside the image',
    bytes: put32(IMPORTS + 16, 0x70000000),
    offset: IMPORTS + 16,
    says: /import address table of ntoskrnl\.exe/,
  },
  {
    what: 'an import whose name is nowhere',
    bytes: change(v => v.setBigUint64(offsetOf(v.getUint32(IMPORTS, true)), 0x7fff0000n, true)),
    says: /the name of import 1 of ntoskrnl\.exe is at RVA 0x7fff0000, which no section has/,
  },
  {
    what: 'an import list without an end',
    bytes: change(v => {
      for (let at = offsetOf(v.getUint32(IMPORTS, true)); at + 8 <= v.byteLength; at += 8) v.setBigUint64(at, 1n << 63n, true);
    }),
    says: /expected/,
  },
  {
    what: 'a relocation out of range',
    bytes: relocations(0x7000000, 0xa010),
    says: /a relocation of RVA 0x7000010; expected an address inside the image/,
  },
  { what: 'a relocation of an unknown kind', bytes: relocations(0x1000, 0xf010), says: /relocation .*expected/ },
  {
    what: 'a relocation block that never ends',
    bytes: relocations(0x1000, 0xa010, 0xfffffff0),
    says: /a relocation block of 0xfffffff0 bytes/,
  },
  { what: 'a relocation block of size 0', bytes: relocations(0x1000, 0xa010, 0), says: /a relocation block of 0x0 bytes/ },
];

describe('files that are refused', () => {
  const machine = Machine.create();
  const hello = sampleBytes('hello');

  it.each(CASES)('$what', ({ bytes, offset, says }) => {
    const modules = machine.guest.modules().length;
    let refusal: unknown;
    try {
      machine.load(bytes(), 'wrong');
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(OperationError);
    const { message, status, bugCheck } = refusal as OperationError;
    expect(bugCheck).toBeNull();
    expect(message).toMatch(/^load of wrong: wrong\.sys: /);
    expect(message).toMatch(says);
    if (offset !== undefined) expect(message).toContain(`at offset 0x${hex(offset)}: `);
    expect(status! >>> 30).toBe(3);
    expect(machine.guest.modules().length).toBe(modules);
    machine.load(hello, 'hello');
    expect(machine.unload('hello').status).toBe(0);
  });

  it('wherever a file is cut, it is refused, or only names and padding were lost', () => {
    const { view } = layout(edu);
    let end = 0;
    for (let i = 0; i < COUNT; i++)
      end = Math.max(end, view.getUint32(SECTIONS + 40 * i + 20, true) + view.getUint32(SECTIONS + 40 * i + 16, true));
    for (let length = 0; length < edu.length; length++) {
      let message = '';
      try {
        describeImage('cut.sys', edu.slice(0, length));
      } catch (error) {
        expect((error as Error).name).toBe('ImageError');
        ({ message } = error as Error);
      }
      if (length < end) expect(message).toMatch(/^cut\.sys: at offset 0x[0-9a-f]+: .*; expected /s);
      else expect(message).toBe('');
    }
  });
});

it('a file that is too large for the machine: says so, and how large that is', () => {
  const machine = Machine.create({ ramBytes: 32 << 20 });
  const large = new Uint8Array(24 << 20);
  large.set(edu);
  expect(() => machine.load(large, 'large')).toThrow(
    /load of large: its 25165824 bytes do not fit into the machine, which has 32 MiB of RAM/,
  );
  machine.load(sample('hello'));
});

describe('drivers that give up', () => {
  it('leaves nothing of a driver whose DriverEntry failed, though it left its device and link', () => {
    const machine = Machine.create();
    for (let i = 0; i < 3; i++)
      expect(() => machine.load(fixture('leaves.sys'))).toThrow(
        /leaves\.sys: DriverEntry returned STATUS_INSUFFICIENT_RESOURCES/,
      );
    expect(() => machine.open('\\Device\\Leaves')).toThrow(/STATUS_OBJECT_NAME_NOT_FOUND/);
    expect(machine.guest.modules().map(m => m.name)).toEqual(['ntoskrnl.exe', 'hal.dll']);
    machine.load(sample('echo'));
    expect(machine.open('\\\\.\\Echo').write(Uint8Array.of(1)).status).toBe(0);
  });

  it('loads others while a DriverEntry waits for ever', () => {
    const machine = Machine.create({ limitSeconds: 0.5 });
    expect(() => machine.load(fixture('sleeps.sys'))).toThrow(/load of sleeps: it was not done within 0\.5 guest seconds/);
    machine.load(sample('echo'));
    expect(machine.open('\\\\.\\Echo').write(Uint8Array.of(1)).status).toBe(0);
  });

  it('loads a driver that imports a routine which does not exist and does not call it', () => {
    const machine = Machine.create();
    machine.load(fixture('unused.sys'));
    expect(machine.bugCheck()).toBeNull();
  });

  it('is told of a forgotten request by the verifier', () => {
    const machine = Machine.create({ limitSeconds: 0.5 });
    machine.load(fixture('forgets.sys'));
    expect(machine.open('\\Device\\Forgets').read(4).outcome).toBe('bugcheck');
    expect(machine.bugCheck()).toMatchObject({ code: 0xc9, driver: 'forgets.sys' });
  });

  it('without the verifier cannot tell a forgotten request from a slow one, but goes on', () => {
    const machine = Machine.create({ limitSeconds: 0.5, verifier: false });
    machine.load(fixture('forgets.sys'));
    const file = machine.open('\\Device\\Forgets'),
      request = file.read(4);
    expect(request.outcome).not.toBe('done');
    machine.load(sample('echo'));
    expect(machine.open('\\\\.\\Echo').write(Uint8Array.of(1)).status).toBe(0);
    expect(machine.bugCheck()).toBeNull();
  });
});

describe('the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kmode-bad-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([2, 5, 9, 12, 18, 23, 30, 33])('says the same in one line, case %i', n => {
    const { bytes, says } = CASES[n]!,
      file = join(folder, 'wrong.sys');
    writeFileSync(file, bytes());
    for (const args of [
      ['run', file],
      ['info', file],
    ]) {
      const { status, stdout, stderr } = kmode(...args);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toMatch(/^kmode: wrong\.sys: at offset 0x[0-9a-f]+: [^\n]*; expected [^\n]*\n$/);
      expect(stderr).toMatch(says);
    }
  });
});
