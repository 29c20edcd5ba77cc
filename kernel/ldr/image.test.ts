import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fakeKernel } from '../testing/fakekernel.ts';
import {
  CODE,
  DATA,
  importSection,
  INIT,
  makeImage,
  NT,
  OPT,
  RDATA,
  relocationBlock,
  SECTION_TABLE,
} from '../testing/makeimage.ts';
import { PTE_NO_EXECUTE, PTE_WRITE } from '../mm/layout.ts';
import { mmGetPte } from '../mm/pte.ts';
import { DEFAULT_SECURITY_COOKIE } from '../types/pe.ts';
import { findModule, unloadedModules } from './modules.ts';
import { ImageError, ldrDriverInitialized, ldrLoadImage, ldrParse, ldrUnloadImage } from './image.ts';
import { ldrInfo } from './info.ts';
import { ldrAddressOf, ldrSymbolAt } from './symbols.ts';

const text = { name: '.text', rva: 0x1000, data: Uint8Array.from([0x33, 0xc0, 0xc3]), characteristics: CODE };
const failure = (f: () => unknown): ImageError => {
  try {
    f();
  } catch (e) {
    if (e instanceof ImageError) return e;
    throw e;
  }
  throw new Error('it was accepted');
};
const parseError = (bytes: Uint8Array): string => failure(() => ldrParse(bytes, 'x.sys')).message;
const edit = (bytes: Uint8Array, change: (v: DataView) => void): Uint8Array => {
  const copy = bytes.slice();
  change(new DataView(copy.buffer));
  return copy;
};

describe('bad images', () => {
  const good = makeImage({ sections: [text] });
  const cases: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /^x\.sys: at offset 0x0: the file has 0 bytes; expected the letters 'MZ'/],
    ['text', new TextEncoder().encode('#!/bin/sh\n'), /at offset 0x0: the file starts with 0x2123; expected the letters 'MZ'/],
    [
      'a DOS header alone',
      good.slice(0, 0x30),
      /at offset 0x0: the file ends after 0x30 bytes; expected a DOS header.*truncated/,
    ],
    ['a PE header beyond the end', edit(good, v => v.setUint32(0x3c, 0x100000, true)), /at offset 0x3c: e_lfanew is 0x100000/],
    ['another signature', edit(good, v => v.setUint32(NT, 0x454e, true)), /at offset 0x80: the signature is 'NE'/],
    [
      'a 32-bit driver',
      makeImage({ machine: 0x14c, sections: [text] }),
      /at offset 0x84: the machine is 0x14c \(32-bit x86\); expected an x64 image/,
    ],
    ['an ARM64 driver', makeImage({ machine: 0xaa64, sections: [text] }), /at offset 0x84: the machine is 0xaa64 \(ARM64\)/],
    [
      'a console program',
      makeImage({ subsystem: 3, sections: [text] }),
      /at offset 0xdc: the subsystem is 3 \(a Windows console program\); expected a kernel driver/,
    ],
    [
      'an object file',
      makeImage({ characteristics: 0, sections: [text] }),
      /at offset 0x96: characteristics 0x0: not an executable image/,
    ],
    [
      'a truncated section',
      good.slice(0, good.length - 0x100),
      /at offset 0x198: section \.text has 0x200 bytes at file offset 0x200, beyond the end of the file/,
    ],
    [
      'an alignment that is no power of two',
      edit(good, v => v.setUint32(OPT + 32, 0x1800, true)),
      /at offset 0xb8: SectionAlignment is 0x1800/,
    ],
    [
      'overlapping sections',
      makeImage({ sections: [text, { ...text, name: 'again' }] }),
      /section again starts at RVA 0x1000; expected 0x2000 or more/,
    ],
    [
      'a section outside the image',
      edit(good, v => v.setUint32(SECTION_TABLE + 8, 0x9000, true)),
      /section \.text covers RVA 0x1000 to 0xa000; expected sections inside SizeOfImage/,
    ],
    [
      'an entry point in no code',
      makeImage({ entry: 0x10, sections: [text] }),
      /the entry point is RVA 0x10, which is in no executable section/,
    ],
    [
      'an import directory outside the image',
      makeImage({ sections: [text], directories: { 1: [0x9000, 40] } }),
      /data directory 1 covers RVA 0x9000/,
    ],
    [
      'an import directory without data',
      makeImage({
        sections: [text, { name: 'bss', rva: 0x2000, data: new Uint8Array(0), virtualSize: 0x1000, characteristics: DATA }],
        directories: { 1: [0x2000, 40] },
      }),
      /the import directory is at RVA 0x2000, which no section has in the file/,
    ],
    [
      'a relocation outside the image',
      makeImage({
        sections: [text, { name: '.reloc', rva: 0x2000, data: relocationBlock(0x8000, [[10, 0]]), characteristics: RDATA }],
        directories: { 5: [0x2000, 10] },
      }),
      /a relocation of RVA 0x8000; expected an address inside the image/,
    ],
    [
      'a relocation block that is too long',
      makeImage({
        sections: [text, { name: '.reloc', rva: 0x2000, data: relocationBlock(0x1000, [[10, 0]]), characteristics: RDATA }],
        directories: { 5: [0x2000, 9] },
      }),
      /a relocation block of 0xa bytes/,
    ],
  ];
  for (const [what, bytes, message] of cases)
    it(`says what is wrong with ${what}`, () => {
      expect(parseError(bytes)).toMatch(message);
      // The status that a guest gets is an error, not information.
      expect(failure(() => ldrParse(bytes, 'x.sys')).status >>> 30).toBe(3);
    });

  it('says which import has no name', () => {
    const rva = 0x2000,
      imports = importSection(rva, 'ntoskrnl.exe', ['KeSetEvent']);
    new DataView(imports.data.buffer).setBigUint64(40, 0x7ffff000n, true);
    const bytes = makeImage({
      sections: [text, { name: '.idata', rva, data: imports.data, characteristics: DATA }],
      directories: { 1: [rva, 40] },
    });
    expect(parseError(bytes)).toMatch(/the name of import 1 of ntoskrnl\.exe is at RVA 0x7ffff000/);
  });

  it('never fails with anything but an ImageError, whatever the bytes are', () => {
    const sample = new Uint8Array(readFileSync(new URL('../../samples/edu/edu.sys', import.meta.url)));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 12 }),
        fc.nat(sample.length),
        (edits, length) => {
          const bytes = sample.slice(0, length % 3 === 0 ? length : sample.length);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          // Most bytes that matter are in the headers.
          for (const [at, value] of edits) if (at % 0x300 < bytes.length) bytes[at % 0x300] = value;
          try {
            ldrParse(bytes, 'mutant.sys');
          } catch (e) {
            expect(e).toBeInstanceOf(ImageError);
            expect((e as Error).message).toMatch(/^mutant\.sys: at offset 0x[0-9a-f]+: .*; expected /s);
          }
        },
      ),
      { numRuns: 1500, seed: 11 },
    );
  });
});

describe('loading', () => {
  const pointer = new Uint8Array(32);
  new DataView(pointer.buffer).setBigUint64(8, 0x140001000n, true);
  const imports = importSection(0x3000, 'ntoskrnl.exe', ['KeSetEvent', 'ZwNobodyWroteThis', 7]);
  const image = makeImage({
    sections: [
      text,
      { name: '.data', rva: 0x2000, data: pointer, virtualSize: 0x900, characteristics: DATA },
      { name: '.idata', rva: 0x3000, data: imports.data, characteristics: DATA },
      { name: 'INIT', rva: 0x4000, data: Uint8Array.of(0xc3), characteristics: INIT },
      {
        name: '.reloc',
        rva: 0x5000,
        data: relocationBlock(0x2000, [
          [10, 8],
          [0, 0],
        ]),
        characteristics: 0x42000040,
      },
    ],
    directories: { 1: [0x3000, 40], 5: [0x5000, 12] },
  });

  it('relocates, binds and protects', () => {
    const { k } = fakeKernel();
    const loaded = ldrLoadImage(k, image, 'test.sys', '\\??\\C:\\test.sys');
    expect(k.mem.readPtr(loaded.base + 0x2008)).toBe(loaded.base + 0x1000);
    expect(k.mem.readPtr(loaded.base + imports.iat)).toBe(k.address('nt!KeSetEvent'));
    expect(loaded.absent).toEqual(['ntoskrnl.exe!ZwNobodyWroteThis', 'ntoskrnl.exe!#7']);
    expect(k.mem.readPtr(loaded.base + imports.iat + 8)).toBe(k.images.absentBase);
    const access = (rva: number): string => {
      const pte = mmGetPte(k, loaded.base + rva);
      return `${pte & PTE_WRITE ? 'w' : '-'}${pte & PTE_NO_EXECUTE ? '-' : 'x'}`;
    };
    expect([0, 0x1000, 0x2000].map(access)).toEqual(['--', '-x', 'w-']);
    expect(k.mem.read8(loaded.base + 0x2000 + 0x8ff)).toBe(0);
    // The header in memory says where the image is.
    expect(k.mem.read64(loaded.base + OPT + 24)).toBe(BigInt.asUintN(64, BigInt(loaded.base)));
  });

  it('enters the loaded-module list and leaves it', () => {
    const { k } = fakeKernel();
    const free = k.global.get('MmAvailablePages');
    const loaded = ldrLoadImage(k, image, 'test.sys', '\\??\\C:\\test.sys');
    expect(findModule(k, 'TEST.SYS')).toBe(loaded.section);
    expect(failure(() => ldrLoadImage(k, image, 'test.sys', 'x')).message).toMatch(/a driver of this name is loaded/);
    expect(ldrSymbolAt(k, loaded.base + 0x1001)).toBe('test!DriverEntry+0x1');
    expect(ldrAddressOf(k, 'test!DriverEntry')).toBe(loaded.base + 0x1000);
    ldrUnloadImage(k, loaded.section);
    expect(findModule(k, 'test.sys')).toBe(0);
    expect(k.mem.translate(loaded.base)).toBe(-1);
    expect(unloadedModules(k)).toEqual([{ name: 'test.sys', start: loaded.base, end: loaded.base + 0x6000 }]);
    expect(free - k.global.get('MmAvailablePages')).toBeLessThanOrEqual(3); // page tables
  });

  it('frees the sections of initialization', () => {
    const { k } = fakeKernel();
    const loaded = ldrLoadImage(k, image, 'test.sys', 'x');
    ldrDriverInitialized(k, loaded.section);
    expect([0x3000, 0x4000, 0x5000].map(rva => k.mem.translate(loaded.base + rva) < 0)).toEqual([false, true, true]);
  });

  it('loads an image whose sections are aligned to less than a page', () => {
    const { k } = fakeKernel();
    const code = { name: '.text', rva: 0x280, data: Uint8Array.of(0xc3), characteristics: CODE };
    const bytes = makeImage({
      sectionAlignment: 0x80,
      imageBase: 0x10000n,
      entry: 0x280,
      sections: [code, { name: '.data', rva: 0x300, data: Uint8Array.of(0x11, 0x22), virtualSize: 0x200, characteristics: DATA }],
    });
    const loaded = ldrLoadImage(k, bytes, 'flat.sys', 'x');
    expect([k.mem.read8(loaded.base + 0x280), k.mem.read16(loaded.base + 0x300), k.mem.read8(loaded.base + 0x302)]).toEqual([
      0xc3, 0x2211, 0,
    ]);
    const pte = mmGetPte(k, loaded.base);
    expect([pte & PTE_WRITE, pte & PTE_NO_EXECUTE]).toEqual([PTE_WRITE, 0n]);
  });

  it('seeds the security cookie, and only one that has its default value', () => {
    const cookie = (initial: bigint, seed: number): bigint => {
      const { k } = fakeKernel({ seed });
      const config = new Uint8Array(0x100),
        view = new DataView(config.buffer);
      view.setUint32(0, 0xa0, true);
      view.setBigUint64(0x58, 0x1400020f0n, true);
      view.setBigUint64(0xf0, initial, true);
      const bytes = makeImage({
        sections: [text, { name: '.data', rva: 0x2000, data: config, characteristics: DATA }],
        directories: { 10: [0x2000, 0xa0] },
      });
      return k.mem.read64(ldrLoadImage(k, bytes, 'c.sys', 'x').base + 0x20f0);
    };
    const first = cookie(DEFAULT_SECURITY_COOKIE, 1);
    expect(first).not.toBe(DEFAULT_SECURITY_COOKIE);
    expect(first >> 48n).toBe(0n);
    expect(cookie(DEFAULT_SECURITY_COOKIE, 1)).toBe(first);
    expect(cookie(DEFAULT_SECURITY_COOKIE, 2)).not.toBe(first);
    expect(cookie(0x1234n, 1)).toBe(0x1234n);
  });

  it('refuses an image that says it cannot be moved', () => {
    const { k } = fakeKernel();
    const free = k.global.get('MmAvailablePages');
    const bytes = makeImage({ characteristics: 0x23, sections: [text] });
    expect(failure(() => ldrLoadImage(k, bytes, 'fixed.sys', 'x'))).toMatchObject({ status: 0xc0000018 });
    expect([findModule(k, 'fixed.sys'), k.global.get('MmAvailablePages')]).toEqual([0, free]);
  });

  it('describes a driver', () => {
    const info = ldrInfo(new Uint8Array(readFileSync(new URL('../../samples/hello/hello.sys', import.meta.url))), 'hello.sys');
    expect(info.imports).toEqual([{ module: 'ntoskrnl.exe', routines: ['DbgPrint'] }]);
    expect(info.sections[0]).toMatchObject({ name: '.text', rva: 0x1000, access: 'r-x' });
  });
});
