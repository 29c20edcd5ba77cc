import { describe, expect, it } from 'vitest';
import { allExports } from '../exports/index.ts';
import { ldrParse } from '../ldr/parse.ts';
import { KPRCB } from '../types/prcb.ts';
import { KTHREAD } from '../types/ke.ts';
import { buildKernelImages, PLAIN_GATE, STEP_GATE, STEP_RESUME } from './build.ts';
import { kernelSymbolAt } from './symbols.ts';

const images = buildKernelImages(allExports, 'nt!KiSystemStartup');

const u32 = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
const text = (bytes: Uint8Array, at: number): string => {
  let s = '';
  for (; bytes[at] !== 0; at++) s += String.fromCharCode(bytes[at]!);
  return s;
};

/** Export directory of an image whose file is laid out as it is mapped. */
function readExports(bytes: Uint8Array): { name: string; rva: number }[] {
  const directory = u32(bytes, u32(bytes, 0x3c) + 24 + 112);
  const count = u32(bytes, directory + 24),
    functions = u32(bytes, directory + 28),
    names = u32(bytes, directory + 32),
    ordinals = u32(bytes, directory + 36);
  return Array.from({ length: count }, (_, i) => ({
    name: text(bytes, u32(bytes, names + i * 4)),
    rva: u32(bytes, functions + (bytes[ordinals + i * 2]! | (bytes[ordinals + i * 2 + 1]! << 8)) * 4),
  }));
}

describe('the kernel images', () => {
  it.each(['nt', 'hal'] as const)('%s is an image that the loader accepts', which => {
    const image = images[which];
    const parsed = ldrParse(image.bytes, image.name);
    expect(parsed.sizeOfImage).toBe(image.bytes.length);
    expect(parsed.sections.map(s => s.name)).toEqual(['.text', '.rdata', '.pdata', '.data', '.edata']);
  });

  it('exports every declared routine at its stub, sorted for the binary search', () => {
    const list = readExports(images.nt.bytes);
    const names = list.map(e => e.name);
    expect(names).toEqual([...names].sort());
    const byName = new Map(list.map(e => [e.name, e.rva]));
    for (const e of allExports) {
      if (e.internal) expect(byName.has(e.name)).toBe(false);
      else if (e.module !== 'hal.dll') expect(byName.get(e.name)! + images.nt.base).toBe(images.symbols.get(`nt!${e.name}`));
    }
  });

  it('forwards what hal.dll has, both ways', () => {
    const nt = new Map(readExports(images.nt.bytes).map(e => [e.name, e.rva]));
    const hal = new Map(readExports(images.hal.bytes).map(e => [e.name, e.rva]));
    expect(text(images.nt.bytes, nt.get('KeStallExecutionProcessor')!)).toBe('hal.KeStallExecutionProcessor');
    expect(text(images.hal.bytes, hal.get('KfRaiseIrql')!)).toBe('ntoskrnl.KfRaiseIrql');
  });

  it('starts every stub with 16 bytes that can be moved, then a gate', () => {
    for (const image of [images.nt, images.hal])
      for (const gate of image.gates.values()) {
        const at = gate.stub;
        expect([...image.bytes.subarray(at, at + 16)]).toEqual([
          0x48, 0x89, 0x4c, 0x24, 8, 0x48, 0x89, 0x54, 0x24, 0x10, 0x4c, 0x89, 0x44, 0x24, 0x18, 0x90,
        ]);
        const gates = gate.steps ? [STEP_GATE, STEP_RESUME] : [PLAIN_GATE];
        for (const g of gates) expect([...image.bytes.subarray(at + g, at + g + 3)]).toEqual([0x0f, 0x01, 0xc1]);
        // Frames keep RSP aligned inside, which is what SSE moves in called routines need.
        if (gate.steps) expect((gate.frameSize + 8) % 16).toBe(0);
      }
  });

  it('has sorted .pdata that covers every stub', () => {
    const pe = u32(images.nt.bytes, 0x3c);
    const table = u32(images.nt.bytes, pe + 24 + 112 + 24),
      size = u32(images.nt.bytes, pe + 24 + 112 + 28);
    const rows = Array.from(
      { length: size / 12 },
      (_, i) => [u32(images.nt.bytes, table + i * 12), u32(images.nt.bytes, table + i * 12 + 4)] as const,
    );
    rows.forEach(([begin, end], i) => {
      expect(end).toBeGreaterThan(begin);
      if (i > 0) expect(begin).toBeGreaterThanOrEqual(rows[i - 1]![1]);
    });
    for (const gate of images.nt.gates.values())
      expect(rows.some(([begin, end]) => gate.stub >= begin && gate.stub < end)).toBe(true);
  });

  it('names addresses', () => {
    const at = images.symbols.get('nt!KeSetEvent')!;
    expect(kernelSymbolAt(images, at)).toBe('nt!KeSetEvent');
    expect(kernelSymbolAt(images, at + 0x13)).toBe('nt!KeSetEvent+0x13');
    expect(kernelSymbolAt(images, 0)).toBeNull();
  });

  it('is the same every time', () => {
    const again = buildKernelImages(allExports, 'nt!KiSystemStartup');
    expect(Buffer.from(again.nt.bytes).equals(Buffer.from(images.nt.bytes))).toBe(true);
  });
});

describe('offsets that the kernel reads without a structure', () => {
  it('are those of the structures', () => {
    expect(KPRCB.f.CurrentThread.offset).toBe(8);
    expect(KTHREAD.f.ApcState.offset + 0x20).toBe(0xb8);
    expect(KTHREAD.f.Process.offset).toBe(0x220);
  });
});
