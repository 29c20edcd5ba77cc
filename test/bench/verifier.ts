/** What the verifier costs: host time of requests to `echo`, sent from inside the machine, with and without it. `npx tsx test/bench/verifier.ts`. */
import { readFileSync } from 'node:fs';
import { Machine } from '../../emulator/index.ts';

const IRPS = 2000;
const file = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, import.meta.url)));

/** Microseconds of processor time that one request takes. */
function microseconds(verifier: boolean): number {
  const machine = Machine.create({ limitSeconds: 60, verifier });
  machine.load(file('../soak/pump/pump.sys'), 'pump');
  machine.load(file('../../samples/echo/echo.sys'), 'echo');
  const pump = machine.open('\\\\.\\Pump');
  const input = new Uint8Array(20 + 128);
  const view = new DataView(input.buffer);
  [IRPS, 0, 0x222000, 1, 0].forEach((v, i) => view.setUint32(i * 4, v, true));
  Array.from('\\DosDevices\\Echo').forEach((c, i) => view.setUint16(20 + i * 2, c.charCodeAt(0), true));
  pump.ioctl(0x222000, input, 16);
  const before = process.cpuUsage();
  for (let n = 0; n < 3; n++) pump.ioctl(0x222000, input, 16);
  const { user } = process.cpuUsage(before);
  return user / (3 * IRPS);
}

const off = microseconds(false);
const on = microseconds(true);
console.log(
  `one request to echo and back: ${off.toFixed(1)} us without the verifier, ${on.toFixed(1)} us with it (${(on / off).toFixed(1)} times)`,
);
