import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../emulator/index.ts';
import { machineWith, u32 } from './support.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const pair = (a: number, b: number): Uint8Array => Uint8Array.of(...u32(a), ...u32(b));

describe('a driver with __try', () => {
  it('runs filters from the inside out, then what is to be cleaned up, then the handler', () => {
    const seh = machineWith('seh').open('\\\\.\\Seh');
    expect(text(seh.ioctl(0x222008, new Uint8Array(), 16).data)).toBe('123bacx');
  });

  it('turns faults into statuses', () => {
    const machine = machineWith('seh'),
      seh = machine.open('\\\\.\\Seh');
    expect(seh.ioctl(0x222004, pair(10, 3), 4)).toMatchObject({ status: 0, data: u32(3) });
    expect(seh.ioctl(0x222004, pair(10, 0), 4).status).toBe(0xc000000d);
    // A kernel address, and one that is not mapped.
    const range = (address: bigint): Uint8Array => {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setBigUint64(0, address, true);
      bytes[8] = 16;
      return bytes;
    };
    expect(seh.ioctl(0x222003, range(0xfffff78000000000n), 0).status).toBe(0xc0000005);
    expect(seh.ioctl(0x222003, range(0x0000700000000000n), 0).status).toBe(0xc0000005);
    expect(machine.bugCheck()).toBeNull();
    expect(machine.unload('seh').status).toBe(0);
  });

  it('stops the machine for an exception that nobody takes, with the stack down to the request', () => {
    const machine = machineWith('seh');
    machine.open('\\\\.\\Seh').ioctl(0x22200c, new Uint8Array(), 0);
    const stop = machine.bugCheck()!;
    expect(stop).toMatchObject({ code: 0x3b, driver: 'seh.sys', irql: 0 });
    expect(stop.parameters[0]).toBe(0xe0000001n);
    const names = stop.stack.map(f => f.symbol.replace(/\+.*/, ''));
    expect(names.slice(0, 4)).toEqual(['seh!Third', 'seh!Second', 'seh!First', 'seh!SehDeviceControl']);
    expect(names).toContain('nt!NtDeviceIoControlFile');
  });
});

describe("a crash report's stack", () => {
  it('shows the frames under a processor fault: the driver, the kernel, the request', () => {
    const machine = machineWith('crash');
    machine.open('\\\\.\\Crash').ioctl(0x22200c, new Uint8Array(), 0);
    const names = machine.bugCheck()!.stack.map(f => f.symbol.replace(/\+.*/, ''));
    expect(names[0]).toMatch(/^crash!Crash/);
    expect(names).toContain('crash!CrashDeviceControl');
    expect(names).toContain('nt!NtDeviceIoControlFile');
  });

  it("goes from the DPC's stack through the interrupt to the code that was interrupted", () => {
    // Case 3 of the test driver: a DPC that executes an undefined instruction while the driver's thread loops.
    const bytes = Buffer.from(readFileSync(new URL('../drivers/seh/seh.sys', import.meta.url)));
    bytes.writeUInt32LE(3, bytes.indexOf('KTEST-SETUP-HERE') + 16);
    const machine = Machine.create({ limitSeconds: 10 });
    expect(() => machine.load(new Uint8Array(bytes), 'seh')).toThrow();
    const stop = machine.bugCheck()!;
    expect(stop).toMatchObject({ code: 0x1e, driver: 'seh.sys', irql: 2 });
    const names = stop.stack.map(f => f.symbol.replace(/\+.*/, ''));
    const at = ['nt!KiRetireDpcList', 'nt!KiDispatchInterrupt', 'nt!KiDpcInterrupt'].map(name => names.indexOf(name));
    expect(at[0]).toBeGreaterThan(0);
    expect([at[1], at[2]]).toEqual([at[0]! + 1, at[0]! + 2]);
    expect(names.slice(0, at[0]).every(name => name.startsWith('seh!'))).toBe(true);
    expect(names.slice(at[2]! + 1).some(name => name.startsWith('seh!'))).toBe(true);
    expect(names.at(-1)).toBe('nt!KiStartSystemThread');
  });
});
