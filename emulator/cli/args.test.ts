import { expect, test } from 'vitest';
import { parseArguments, UsageError } from './args.ts';

const bad = (line: string): string => {
  try {
    parseArguments(line.split(' '));
  } catch (e) {
    if (e instanceof UsageError) return e.message;
    throw e;
  }
  throw new Error(`'${line}' was accepted`);
};

test('operations keep their order', () => {
  const c = parseArguments(
    'run x.sys --read 5 --write 6162 --read 4@0x1_0000_0000 --write=aa@512 --ioctl 0x222000:0a000000 --ioctl=2236420 --ioctl 0x222005:01:16 --unload --json --cycles 1_000'.split(
      ' ',
    ),
  );
  expect(c).toMatchObject({
    name: 'run',
    file: 'x.sys',
    unload: true,
    json: true,
    cycles: 1000,
    operations: [
      { kind: 'read', length: 5, offset: 0 },
      { kind: 'write', data: Uint8Array.of(0x61, 0x62), offset: 0 },
      { kind: 'read', length: 4, offset: 0x100000000 },
      { kind: 'write', data: Uint8Array.of(0xaa), offset: 512 },
      { kind: 'ioctl', code: 0x222000, input: Uint8Array.of(10, 0, 0, 0), outputLength: 4096 },
      { kind: 'ioctl', code: 0x222004, input: new Uint8Array(0), outputLength: 4096 },
      { kind: 'ioctl', code: 0x222005, input: Uint8Array.of(1), outputLength: 16 },
    ],
  });
});

test('an output buffer holds at least as much as goes in', () => {
  expect(parseArguments(['run', 'x.sys', '--ioctl', `0x222004:${'00'.repeat(5000)}`])).toMatchObject({
    operations: [{ outputLength: 5000 }],
  });
});

test('help and version', () => {
  expect(parseArguments([])).toEqual({ name: 'help', topic: 'kmode' });
  expect(parseArguments(['run', '--help'])).toEqual({ name: 'help', topic: 'run' });
  expect(parseArguments(['--version'])).toEqual({ name: 'version' });
});

test('what is wrong is named', () => {
  expect(bad('walk x.sys')).toMatch(/unknown command 'walk'/);
  expect(bad('run')).toMatch(/which driver/);
  expect(bad('run x.sys --iocl 1')).toMatch(/unknown option '--iocl'/);
  expect(bad('run x.sys y.sys')).toMatch(/'y.sys' is a second one/);
  expect(bad('run x.sys --write 123')).toMatch(/odd number/);
  expect(bad('run x.sys --write zz')).toMatch(/not hexadecimal/);
  expect(bad('run x.sys --ioctl 0x1ffffffff')).toMatch(/not a number from 0 to 4294967295/);
  expect(bad('run x.sys --read 4@')).toMatch(/--read: '' is not a number/);
  expect(bad('run x.sys --read')).toMatch(/--read needs a value/);
  expect(bad('run x.sys --unload=1')).toMatch(/takes no value/);
  expect(bad('info')).toMatch(/which file/);
});
