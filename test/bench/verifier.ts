/** What the verifier costs: host time of requests to `echo`, sent from inside the machine, with and without it. `npx tsx test/bench/verifier.ts`. */
import { readFileSync } from 'node:fs';
import { Machine } from '../../emulator/index.ts';
import { ioctl, startPump } from '../soak/pump.ts';

const IRPS = 2000;
const file = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, import.meta.url)));

/** Microseconds of processor time that one request takes. */
function microseconds(verifier: boolean): number {
  const machine = Machine.create({ limitSeconds: 60, verifier });
  const pump = startPump(machine);
  machine.load(file('../../samples/echo/echo.sys'), 'echo');
  const send = (): unknown => pump('\\\\.\\Echo', [ioctl(0x222000, [1])], IRPS);
  send();
  const before = process.cpuUsage();
  for (let n = 0; n < 3; n++) send();
  const { user } = process.cpuUsage(before);
  return user / (3 * IRPS);
}

const off = microseconds(false);
const on = microseconds(true);
console.log(
  `one request to echo and back: ${off.toFixed(1)} us without the verifier, ${on.toFixed(1)} us with it (${(on / off).toFixed(1)} times)`,
);
