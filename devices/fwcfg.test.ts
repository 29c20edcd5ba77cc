import { describe, expect, it } from 'vitest';
import { createFwCfg, FW_CFG_NB_CPUS, fwCfgNumber } from './fwcfg.ts';
import { TestBus } from './testbus.ts';

const FILE = Uint8Array.from({ length: 300 }, (_, i) => i * 7);

function plugged() {
  const bus = new TestBus();
  const device = createFwCfg({
    items: new Map([[FW_CFG_NB_CPUS, fwCfgNumber(3, 2)]]),
    files: [
      { name: 'etc/e820', data: FILE },
      { name: 'etc/a', data: Uint8Array.of(1) },
    ],
  });
  bus.plug(device);
  const read = (selector: number, count: number): number[] => {
    bus.out(0x510, selector, 2);
    return Array.from({ length: count }, () => bus.in(0x511));
  };
  /** A DMA request at 1000h; returns the control word after it. */
  const dma = (control: number, length: number, address: number): number => {
    const view = new DataView(new ArrayBuffer(16));
    [control, length, 0, address].forEach((v, i) => view.setUint32(i * 4, v));
    bus.memory.writeBytes(0x1000, new Uint8Array(view.buffer));
    bus.out(0x514, 0, 4);
    bus.out(0x518, 0x00100000, 4);
    return new DataView(bus.memory.readBytes(0x1000, 4).buffer).getUint32(0);
  };
  return { bus, device, read, dma };
}

describe('fw_cfg', () => {
  it('has the signature, the interface bits and numbers; zeros follow the end of an item', () => {
    const { read } = plugged();
    expect(String.fromCharCode(...read(0, 4))).toBe('QEMU');
    expect(read(1, 4)).toEqual([3, 0, 0, 0]);
    expect(read(FW_CFG_NB_CPUS, 4)).toEqual([3, 0, 0, 0]);
    expect(read(0x7ff, 2)).toEqual([0, 0]);
  });

  it('lists its files by name, big-endian, and gives them by selector', () => {
    const { read } = plugged();
    const directory = new DataView(Uint8Array.from(read(0x19, 4 + 2 * 64)).buffer);
    expect([directory.getUint32(0), directory.getUint32(4), directory.getUint16(8)]).toEqual([2, 1, 0x20]);
    expect([directory.getUint32(68), directory.getUint16(72)]).toEqual([300, 0x21]);
    const name = String.fromCharCode(...new Uint8Array(directory.buffer, 76, 9));
    expect(name).toBe('etc/e820\0');
    expect(read(0x21, 5)).toEqual([0, 7, 14, 21, 28]);
  });

  it('reads, skips and selects by DMA', () => {
    const { bus, dma } = plugged();
    expect([bus.in(0x514, 4), bus.in(0x518, 4)]).toEqual([0x554d4551, 0x47464320]);
    expect(dma((0x21 << 16) | 8 | 2, 4, 0x2000)).toBe(0);
    expect([...bus.memory.readBytes(0x2000, 4)]).toEqual([0, 7, 14, 21]);
    expect(dma(4, 290, 0)).toBe(0);
    expect(dma(2, 8, 0x2000)).toBe(0);
    expect([...bus.memory.readBytes(0x2000, 8)]).toEqual([...FILE.subarray(294), 0, 0]);
    expect(dma(16, 4, 0x2000)).toBe(1);
    expect(dma(2, 8, 0xfffffff0)).toBe(1);
  });

  it('saves where it stands', () => {
    const { bus, device, read } = plugged();
    read(0x21, 3);
    const saved = device.save();
    device.reset();
    device.load(saved);
    expect(bus.in(0x511)).toBe(21);
  });
});
