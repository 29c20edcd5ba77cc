import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Machine, OperationError } from '../../emulator/index.ts';
import { kmode, sample } from '../boots/support.ts';

// Drivers that misbehave. Each is refused or stopped with a message that names it and what went wrong; the machine goes on, or can be gone back in.

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

function refused(act: () => unknown): OperationError {
  try {
    act();
  } catch (error) {
    if (error instanceof OperationError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** The machine still loads and unloads a driver. */
function stillWorks(machine: Machine): void {
  machine.operationLimit = machine.config.tscHz;
  machine.load(sample('hello'));
  expect(machine.unload('hello').status).toBe(0);
  expect(machine.debugLines()).toContain('hello: goodbye');
}

test('DriverEntry fails: the status by name, and the image is gone', () => {
  const machine = Machine.create();
  const error = refused(() => machine.load(fixture('fails.sys')));
  expect(error).toMatchObject({ status: 0xc00000c0, bugCheck: null });
  expect(error.message).toMatch(/fails\.sys: DriverEntry returned STATUS_DEVICE_DOES_NOT_EXIST/);
  expect(machine.guest.modules().map(m => m.name)).not.toContain('fails.sys');
  stillWorks(machine);
});

test('DriverEntry faults: bug check 0x7E at the instruction; before it, the machine is usable', () => {
  const machine = Machine.create();
  const before = machine.checkpoint();
  const { bugCheck } = refused(() => machine.load(fixture('faults.sys')));
  expect(bugCheck).toMatchObject({ code: 0x7e, driver: 'faults.sys', irql: 0 });
  expect(bugCheck!.parameters[0]).toBe(0xffffffffc0000005n);
  expect(bugCheck!.routine).toMatch(/^faults!DriverEntry\+0x/);
  machine.restore(before);
  stillWorks(machine);
});

test('DriverEntry never returns: the message says where it is, and other drivers still load', () => {
  const machine = Machine.create({ limitSeconds: 0.2 });
  const error = refused(() => machine.load(fixture('spins.sys')));
  expect(error).toMatchObject({ outcome: 'limit', status: null, bugCheck: null });
  expect(error.message).toMatch(/spins/);
  stillWorks(machine);
  const { status, stderr } = kmode('run', fixture('spins.sys'), '--cycles', '5_000_000');
  expect(status).toBe(1);
  expect(stderr).toMatch(/spins.*cycle 5000000.*spins!DriverEntry/s);
});

test('an import that does not exist: the driver loads, and the call stops the machine by the routine’s name', () => {
  const machine = Machine.create();
  const { bugCheck } = refused(() => machine.load(fixture('absent.sys')));
  expect(bugCheck).toMatchObject({ driver: 'absent.sys' });
  expect(bugCheck!.text).toMatch(/ntoskrnl\.exe!KmodeNoSuchRoutine/);
  expect(bugCheck!.stack.some(f => f.symbol.startsWith('absent!DriverEntry'))).toBe(true);
  const info = kmode('info', fixture('absent.sys'));
  expect(info.stdout).toMatch(/absent\s+KmodeNoSuchRoutine/);
});

test('a driver without DriverUnload stays: STATUS_INVALID_DEVICE_REQUEST', () => {
  const machine = Machine.create();
  machine.load(fixture('stays.sys'));
  expect(machine.unload('stays').status).toBe(0xc0000010);
  expect(machine.guest.modules().map(m => m.name)).toContain('stays.sys');
  stillWorks(machine);
});

test('a request that is never completed: the message names it, its device and its IRP', () => {
  const { status, stdout, stderr } = kmode('run', fixture('stays.sys'), '--read', '4', '--cycles', '50_000_000');
  expect(status).toBe(1);
  expect(stdout).toMatch(/read 4: pending/);
  expect(stderr).toMatch(/read 4 was never completed/);
  expect(stderr).toMatch(/\\Device\\Stays/);
});

test.each([
  [
    'program.exe',
    /program\.exe: at offset 0x[0-9a-f]+: the subsystem is 3 \(a Windows console program\); expected a kernel driver/,
  ],
  ['absent.c', /absent\.c: at offset 0x0: .*'MZ'/],
  ['nothing.sys', /nothing\.sys: there is no such file/],
])('kmode run %s: one line, no stack trace, exit status 1', (name, message) => {
  const { status, stdout, stderr } = kmode('run', fixture(name));
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});
