import { describe, expect, it } from 'vitest';
import { BootImageError, parseMultiboot } from './multiboot.ts';

interface ElfOptions {
  wide?: boolean;
  machine?: number;
  entry?: number | bigint;
  virtual?: number | bigint;
  address?: number;
  stored?: number;
  size?: number;
  flags?: number;
  /** Where the multiboot header lies in the segment; -1 for none. */
  header?: number;
}

/** An ELF file of one segment at file offset 1000h. */
function elf(options: ElfOptions = {}): Uint8Array {
  const {
    wide = false,
    machine = 3,
    virtual = 0x100000,
    address = Number(virtual),
    stored = 0x100,
    size = stored,
    flags = 0,
  } = options;
  const { entry = BigInt(virtual) + 0x20n, header = 0 } = options;
  const bytes = new Uint8Array(0x1000 + stored);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x7f454c46);
  bytes.set([wide ? 2 : 1, 1, 1], 4);
  view.setUint16(18, machine, true);
  const word = (at: number, value: number | bigint): void =>
    wide ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, Number(value), true);
  word(24, entry);
  word(wide ? 32 : 28, 64);
  view.setUint16(wide ? 54 : 42, wide ? 56 : 32, true);
  view.setUint16(wide ? 56 : 44, 1, true);
  view.setUint32(64, 1, true);
  const fields = [0x1000, virtual, address, stored, size];
  fields.forEach((value, i) => word(wide ? 72 + i * 8 : 68 + i * 4, value));
  if (header >= 0) putHeader(view, 0x1000 + header, flags);
  return bytes;
}

function putHeader(view: DataView, at: number, flags: number, addresses: readonly number[] = []): void {
  [0x1badb002, flags, -(0x1badb002 + flags), ...addresses].forEach((v, i) => view.setUint32(at + i * 4, v, true));
}

const refusal = (bytes: Uint8Array): string => {
  try {
    parseMultiboot('x.elf', bytes);
  } catch (error) {
    if (error instanceof BootImageError) return error.message;
    throw error;
  }
  return 'taken';
};

describe('multiboot images', () => {
  it('takes ELF32 and ELF64, with zeroed ends', () => {
    for (const wide of [false, true]) {
      const image = parseMultiboot('x.elf', elf({ wide, machine: wide ? 62 : 3, size: 0x5000, flags: 3 }));
      expect(image).toMatchObject({ kind: wide ? 'ELF64' : 'ELF32', entry: 0x100020, alignModules: true });
      expect(image.segments.map(s => [s.address, s.bytes.length, s.size])).toEqual([[0x100000, 0x100, 0x5000]]);
    }
  });

  it('enters at the physical address of the entry', () => {
    const image = parseMultiboot(
      'x.elf',
      elf({
        wide: true,
        machine: 62,
        virtual: 0xffff8000_00100000n,
        address: 0x200000,
        entry: 0xffff8000_00100080n,
      }),
    );
    expect([image.entry, image.segments[0]!.address]).toEqual([0x200080, 0x200000]);
  });

  it('takes load addresses of the header, whatever the file is', () => {
    const bytes = new Uint8Array(0x400).fill(0x90);
    putHeader(new DataView(bytes.buffer), 0x40, 0x10000, [0x200040, 0x200000, 0x200200, 0x201000, 0x200100]);
    const image = parseMultiboot('x.bin', bytes);
    expect(image).toMatchObject({ kind: 'header', entry: 0x200100, alignModules: false });
    expect(image.segments.map(s => [s.address, s.bytes.length, s.size])).toEqual([[0x200000, 0x200, 0x1000]]);
    putHeader(new DataView(bytes.buffer), 0x40, 0x10000, [0x200040, 0x200010, 0, 0, 0x200100]);
    const whole = parseMultiboot('x.bin', bytes);
    expect(whole.segments.map(s => [s.address, s.bytes.length, s.size])).toEqual([[0x200010, 0x3f0, 0x3f0]]);
  });

  it('says what is wrong with what it does not take', () => {
    expect(refusal(new Uint8Array(0))).toMatch(/^x.elf: not a multiboot image/);
    expect(refusal(Uint8Array.of(0x4d, 0x5a, 0, 0))).toMatch(/it is a DOS or Windows program/);
    expect(refusal(elf({ header: -1 }))).toMatch(/there is no multiboot 1 header/);
    expect(refusal(elf({ stored: 0x3000, header: 0x1ff8 }))).toMatch(/there is no multiboot 1 header/);
    expect(refusal(elf({ flags: 4 }))).toMatch(/requires a video mode/);
    expect(refusal(elf({ flags: 0x20 }))).toMatch(/requires features 0x20/);
    expect(refusal(elf({ machine: 183 }))).toMatch(/an ELF file for machine 183/);
    expect(refusal(elf().slice(0, 0x1080))).toMatch(/truncated: segment 0 ends at offset 4352; the file has 4224 bytes/);
    expect(refusal(elf({ wide: true, machine: 62, virtual: 2 ** 33 }))).toMatch(
      /segment 0 goes to 0x200000000; multiboot loads below 4 GiB/,
    );
    expect(refusal(elf({ wide: true, machine: 62, entry: 2 ** 33 }))).toMatch(/a 64-bit entry point, 0x200000000/);
    expect(refusal(elf({ entry: 0x300000 }))).toMatch(/entry point 0x300000 lies in nothing that is loaded/);
    expect(refusal(elf({ stored: 0x100, size: 0x80 }))).toMatch(/segment 0 has 256 bytes in the file and 128 in memory/);
    const bytes = new Uint8Array(0x400);
    putHeader(new DataView(bytes.buffer), 0, 0);
    expect(refusal(bytes)).toMatch(/neither an ELF file nor a multiboot header with load addresses/);
    bytes.fill(0);
    putHeader(new DataView(bytes.buffer), 0x40, 0x10000, [0x200040, 0x300000, 0, 0, 0x200100]);
    expect(refusal(bytes)).toMatch(/would begin before the file does/);
    putHeader(new DataView(bytes.buffer), 0x40, 0x10000, [0x200040, 0x200000, 0x210000, 0, 0x200100]);
    expect(refusal(bytes)).toMatch(/asks for 65536 bytes from offset 0; the file has 1024 bytes/);
    const multiboot2 = new Uint8Array(64);
    new DataView(multiboot2.buffer).setUint32(8, 0xe85250d6, true);
    expect(refusal(multiboot2)).toMatch(/it has a multiboot 2 header at offset 8/);
  });
});
