import { describe, expect, it } from 'vitest';
import type { Clock, Device, PhysicalMemory } from '../hal/bus/index.ts';
import { MachineBus } from './bus.ts';

const device = (id: string): Device => ({
  id,
  title: id,
  attach: () => {},
  reset: () => {},
  save: () => ({}),
  load: () => {},
  portRead: port => port + 1,
  mmioRead: address => address & 0xff,
});
const bus = (): MachineBus =>
  new MachineBus({
    clock: {} as Clock,
    memory: { size: 0x100000 } as PhysicalMemory,
    ioapicLine: () => {},
    intrLine: () => {},
    power: () => {},
    msi: () => {},
    output: () => {},
  });

describe('MachineBus', () => {
  it('finds who answers, by port and by address', () => {
    const b = bus(),
      one = device('one'),
      two = device('two');
    b.claimPorts(one, 0x3f8, 8);
    b.claimMmio(two, 0xd0000000, 0x1000);
    b.claimMmio(one, 0xc0000000, 0x10);
    b.claimMmio(one, 0xfff00000, 0x100000);
    expect([b.portIn(0x3f8, 1), b.portIn(0x3ff, 1), b.portIn(0x400, 1), b.portIn(0x3f7, 2), b.portIn(0, 4)]).toEqual([
      0x3f9, 0x400, 0xff, 0xffff, 0xffffffff,
    ]);
    const owners = [0xbfffffff, 0xc0000000, 0xc000000f, 0xc0000010, 0xd0000fff, 0xd0001000, 0xffffffff].map(
      a => b.deviceAt(a)?.id ?? '-',
    );
    expect(owners).toEqual(['-', 'one', 'one', '-', 'two', '-', 'one']);
    expect([b.mmioRead(0xd0000012, 4), b.mmioRead(0xd0001000, 4)]).toEqual([0x12, 0xffffffff]);
  });

  it('lets nobody claim what another has, or RAM, or what there is not', () => {
    const b = bus(),
      one = device('one'),
      two = device('two');
    b.claimPorts(one, 0x100, 4);
    b.claimMmio(one, 0xc0000000, 0x1000);
    expect(() => b.claimPorts(two, 0x103, 1)).toThrow(/which one has/);
    expect(() => b.claimMmio(two, 0xbffff000, 0x1001)).toThrow(/which one has/);
    expect(() => b.claimMmio(two, 0xff000, 0x1000)).toThrow(/RAM/);
    expect(() => b.claimPorts(two, 0xffff, 2)).toThrow(RangeError);
    expect(() => b.releasePorts(two, 0x100, 4)).toThrow(/does not have/);
    expect(() => b.interruptLine(24)).toThrow(RangeError);
    b.releasePorts(one, 0x100, 4);
    b.claimPorts(two, 0x100, 4);
  });

  it('gives its claims as data and takes them back', () => {
    const b = bus(),
      one = device('one'),
      two = device('two');
    b.claimPorts(one, 0x60, 1);
    b.claimPorts(one, 0x64, 1);
    b.claimMmio(two, 0xd0000000, 0x1000);
    const claims = b.claims();
    expect(claims).toEqual({
      ports: [
        { device: 'one', base: 0x60, length: 1 },
        { device: 'one', base: 0x64, length: 1 },
      ],
      mmio: [{ device: 'two', base: 0xd0000000, length: 0x1000 }],
    });
    b.releaseMmio(two, 0xd0000000, 0x1000);
    b.claimMmio(two, 0xe0000000, 0x1000);
    expect(b.claims()).not.toEqual(claims);
    b.loadClaims(claims, id => (id === 'one' ? one : two));
    expect([b.deviceAt(0xd0000000)?.id, b.deviceAt(0xe0000000)]).toEqual(['two', undefined]);
    expect(b.claims()).toEqual(claims);
  });
});
