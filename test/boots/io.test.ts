import { describe, expect, it } from 'vitest';
import { Machine } from '../../emulator/index.ts';
import { POOL_DESCRIPTOR } from '../../kernel/mm/globals.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { machineWith, sample, u32, u32s } from './support.ts';

const driver = (name: string): string => new URL(`drivers/${name}.sys`, import.meta.url).pathname;
const STATUS_SUCCESS = 0,
  STATUS_DEVICE_BUSY = 0x80000011,
  STATUS_DELETE_PENDING = 0xc0000056;

describe('the I/O manager, the object manager and the registry', () => {
  for (const verifier of [false, true])
    it(`do what a driver expects of them${verifier ? ', with the verifier watching' : ''}`, () => {
      const machine = Machine.create({ limitSeconds: 60, verifier });
      machine.load(driver('io'));
      const lines = machine.debugLines();
      expect(lines.filter(line => line.startsWith('FAILED'))).toEqual([]);
      expect(lines.filter(line => line.startsWith('ok')).length).toBe(89);
      expect(lines).toContain('io done');
      expect(machine.unload('io').status).toBe(STATUS_SUCCESS);
      expect(machine.debugLines().at(-1)).toBe('io unloaded');
      expect(machine.guest.modules().map(m => m.name)).toEqual(['ntoskrnl.exe', 'hal.dll']);
    });
});

describe('a read and a write', () => {
  for (const requester of ['user', 'kernel'] as const)
    it(`begin where they are told to, by a requester in ${requester} mode`, () => {
      const machine = Machine.create({ limitSeconds: 60, requester });
      machine.load(driver('io'));
      const file = machine.open('\\\\.\\IoTest');
      const offsets = (data: Uint8Array): bigint[] => [...new BigInt64Array(data.slice(0, 16).buffer)];
      for (const offset of [0x1000, 0x12_3456_7890n, 2 ** 52]) {
        expect(file.write(Uint8Array.of(1, 2, 3), { offset })).toMatchObject({ status: STATUS_SUCCESS, information: 3n });
        const read = file.read(16, { offset: BigInt(offset) + 8n });
        expect(read.status).toBe(STATUS_SUCCESS);
        expect(offsets(read.data)).toEqual([BigInt(offset) + 8n, BigInt(offset)]);
      }
      expect(() => file.read(16, { offset: 2n ** 60n })).toThrow(/56 bits/);
      // FILE_WRITE_TO_END_OF_FILE goes to the driver as it is.
      file.write(Uint8Array.of(1), { offset: -1 });
      expect(offsets(file.read(16, { offset: 1 }).data)).toEqual([1n, -1n]);
      expect(file.read(2).data).toEqual(Uint8Array.of(0x5a, 0x5a));
    });
});

describe('the end of a request', () => {
  for (const clockPeriod of [1000, 3001, 10000])
    it(`reaches its thread, also when that is preempted by a clock of ${clockPeriod / 10} us`, () => {
      const machine = machineWith('edu', { clockPeriod, limitSeconds: 1 });
      const file = machine.open('\\\\.\\Edu0');
      for (let i = 0; i < 80; i++) {
        const sent = Uint8Array.from({ length: 64 }, (_, j) => i + j);
        expect(file.ioctl(0x222004, sent)).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS, data: sent });
      }
    });
});

const EDU = 'PCI\\VEN_1234&DEV_11E8';
const factorial = (machine: Machine, n: number): number[] => {
  const file = machine.open('\\Driver\\edu');
  const result = u32s(file.ioctl(0x222000, u32(n), 4).data);
  file.close();
  return result;
};

describe('Plug and Play', () => {
  it('stops a device and starts it again', () => {
    const machine = machineWith('edu');
    expect(machine.pnp(EDU, 'stop').status).toBe(STATUS_SUCCESS);
    const stopped = machine.open('\\Driver\\edu');
    expect(stopped.ioctl(0x222000, u32(3), 4).status).toBe(0xc00000a3); // STATUS_DEVICE_NOT_READY
    stopped.close();
    expect(machine.pnp(EDU, 'start').status).toBe(STATUS_SUCCESS);
    expect(factorial(machine, 4)).toEqual([24]);
  });

  it('does not remove a device that is open, and unloads the driver with its last device', () => {
    const machine = machineWith('edu');
    const file = machine.open('\\\\.\\Edu0');
    expect(machine.pnp(EDU, 'remove').status).toBe(STATUS_DEVICE_BUSY);
    expect(u32s(file.ioctl(0x222000, u32(5), 4).data)).toEqual([120]);
    file.close();
    expect(machine.pnp(EDU, 'remove').status).toBe(STATUS_SUCCESS);
    expect(machine.debugLines().slice(-2)).toEqual(['edu: removed', 'edu: unloaded']);
    expect(machine.guest.modules().map(m => m.name)).toEqual(['ntoskrnl.exe', 'hal.dll']);
    machine.load(sample('edu'));
    expect(factorial(machine, 6)).toEqual([720]);
  });

  it('lets the drivers of a device that was torn out go when the last handle is closed, and finds a new one', () => {
    const machine = machineWith('edu');
    const file = machine.open('\\\\.\\Edu0');
    expect(machine.pnp(EDU, 'surprise').status).toBe(STATUS_SUCCESS);
    expect([STATUS_DELETE_PENDING, 0xc00000a3]).toContain(file.ioctl(0x222000, u32(5), 4).status);
    expect(machine.debugLines()).not.toContain('edu: removed');
    expect(() => machine.open('\\\\.\\Edu0')).toThrow();
    file.close();
    machine.runToIdle();
    expect(machine.debugLines().slice(-2)).toEqual(['edu: removed', 'edu: unloaded']);
    expect(machine.pnp(EDU, 'start').status).toBe(0xc000000e); // STATUS_NO_SUCH_DEVICE
    machine.pnp('', 'enumerate');
    machine.load(sample('edu'));
    expect(factorial(machine, 3)).toEqual([6]);
  });
});

describe('memory', () => {
  const F = POOL_DESCRIPTOR.f;
  /** Blocks in use in both pools. */
  const blocks = (machine: Machine): number => {
    const k = (machine.guest as unknown as { k: Kernel }).k;
    return (['MmNonPagedPool', 'MmPagedPool'] as const)
      .map(pool => k.global.address(pool))
      .reduce((sum, pool) => sum + F.RunningAllocs.get(k.mem, pool) - F.RunningDeAllocs.get(k.mem, pool), 0);
  };

  it('is all given back when drivers have been loaded, used and unloaded', () => {
    const machine = Machine.create({ limitSeconds: 10 });
    const cycle = (): void => {
      machine.load(sample('echo'));
      const echo = machine.open('\\\\.\\Echo');
      echo.ioctl(0x222000, Uint8Array.of(1, 2, 3));
      echo.ioctl(0x222006, Uint8Array.of(9), 8);
      echo.write(Uint8Array.of(1, 2));
      echo.read(5);
      echo.read(5);
      echo.close();
      machine.unload('echo');
      machine.load(sample('edu'));
      factorial(machine, 5);
      machine.pnp(EDU, 'stop');
      machine.pnp(EDU, 'start');
      machine.unload('edu');
      machine.runToIdle();
    };
    cycle();
    cycle();
    const before = blocks(machine);
    const CYCLES = 3;
    for (let i = 0; i < CYCLES; i++) cycle();
    // Only the names of unloaded drivers are kept, two a cycle.
    expect(blocks(machine) - before).toBe(2 * CYCLES);
  });
});
