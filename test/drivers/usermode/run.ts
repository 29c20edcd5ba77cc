/** The program's side: what NtDeviceIoControlFile says to it, and what its buffers hold afterwards. */
import type { Machine } from '../../../emulator/index.ts';

const LENGTH = 0x1800;
const BUFFERED = 0,
  IN_DIRECT = 1,
  OUT_DIRECT = 2,
  NEITHER = 3;
const code = (n: number, method: number): number => 0x222000 + n * 4 + method;
const STATUS_ACCESS_VIOLATION = 0xc0000005;

function equal(what: string, got: unknown, wanted: unknown): void {
  if (String(got) !== String(wanted)) throw new Error(`${what}: ${String(got)}, expected ${String(wanted)}`);
}

export function run(machine: Machine): void {
  const file = machine.open('\\Device\\KtestUserMode');
  const bytes = Uint8Array.from({ length: LENGTH }, (_, i) => i);
  const inverted = file.ioctl(code(0, NEITHER), bytes, LENGTH);
  equal(
    'METHOD_NEITHER',
    inverted.data,
    bytes.map(b => ~b),
  );
  equal('modes', file.ioctl(code(1, BUFFERED)).status, 0);
  equal('Zw', file.ioctl(code(2, BUFFERED)).status, 0);
  equal(
    'METHOD_OUT_DIRECT',
    file.ioctl(code(3, OUT_DIRECT), new Uint8Array(0), LENGTH).data,
    bytes.map((_, i) => i * 3),
  );
  equal('METHOD_IN_DIRECT', file.ioctl(code(4, IN_DIRECT), new Uint8Array(4), LENGTH).status, 0);
  equal(
    'attached',
    file.ioctl(code(5, NEITHER), new Uint8Array(0), LENGTH).data,
    bytes.map((_, i) => i * 5),
  );
  for (const apc of [false, true]) {
    const first = file.ioctl(code(6, BUFFERED), new Uint8Array(4), 4, { apc });
    const last = machine.result(first.id, true);
    equal(`pending, apc ${String(apc)}`, [last.status, [...last.data]], [0, [0x0d, 0x60, 0, 0]]);
    equal(`done at once, apc ${String(apc)}`, file.ioctl(code(7, BUFFERED), new Uint8Array(4), 4, { apc }).status, 0);
  }
  // Addresses that are not the program's to give, or that nothing is at: a status, whatever the method, but for METHOD_NEITHER, whose driver looks itself.
  const kernel = 0xfffff78000000000n,
    unmapped = 0x12340000n,
    readOnly = 0x7ffe0000n;
  const send = (n: number, method: number, pointers: object): number =>
    file.ioctl(code(n, method), new Uint8Array(0), 0, { pointers }).status;
  for (const bad of [kernel, unmapped]) {
    equal('buffered input', send(7, BUFFERED, { input: bad, inputLength: 4 }), STATUS_ACCESS_VIOLATION);
    equal('buffered output', send(7, BUFFERED, { output: bad, outputLength: 4 }), STATUS_ACCESS_VIOLATION);
    equal('direct output', send(7, OUT_DIRECT, { output: bad, outputLength: 4 }), STATUS_ACCESS_VIOLATION);
    equal('neither', send(7, NEITHER, { output: bad, outputLength: 4 }), 0);
  }
  equal('read-only output', send(7, BUFFERED, { output: readOnly, outputLength: 4 }), STATUS_ACCESS_VIOLATION);
  equal('read-only direct output', send(7, OUT_DIRECT, { output: readOnly, outputLength: 4 }), STATUS_ACCESS_VIOLATION);
  equal('read-only input', send(7, BUFFERED, { input: readOnly, inputLength: 4 }), 0);
  equal('close', file.close().status, 0);
  const again = machine.open('\\Device\\KtestUserMode');
  again.ioctl(code(8, BUFFERED));
  again.close();
}
