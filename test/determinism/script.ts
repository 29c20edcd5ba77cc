/**
 * What the outside does to a machine in the determinism tests: drivers are loaded, the edu device computes and moves memory by DMA, the ticker runs, somebody types on the keyboard
 * and on the serial line, and a busy driver keeps the processor from sleeping. Data and plain functions only, so that Node and a browser run the same.
 */
import { encodeRequest, OP_IOCTL, OP_LOAD, OP_OPEN } from '../../hal/bus/index.ts';
import type { Machine } from '../../emulator/index.ts';

/** The drivers' files. */
export interface Drivers {
  busy: Uint8Array;
  edu: Uint8Array;
  ticker: Uint8Array;
}

export interface ScriptInput {
  cycle: number;
  device: string;
  channel: string;
  data: Uint8Array;
}

/** Cycles after which the states are compared. */
export const CHECKPOINTS = [1_000_000, 10_000_000, 100_000_000] as const;

const FIRST = 250_000,
  /** By now everything is loaded and opened. */
  OPENED = 700_000,
  END = CHECKPOINTS[2];
const EDU_FACTORIAL = 0x222000,
  EDU_DMA = 0x222004,
  COUNTS = 0x222000;
const TEXT = 'The quick brown fox jumps over the lazy dog. 0123456789\r';
const KEYS = 'KeyH KeyE KeyL KeyP Enter +ShiftLeft KeyD KeyT -ShiftLeft Space KeyX Backspace ArrowUp Escape Enter'.split(' ');

const requestInput = (cycle: number, request: Parameters<typeof encodeRequest>[0]): ScriptInput => ({
  cycle,
  device: 'requestport',
  channel: 'request',
  data: encodeRequest(request),
});
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const u32 = (n: number): Uint8Array => Uint8Array.of(n, n >>> 8, n >>> 16, n >>> 24);

/** Loads and opens: the requests with ids 1 to 6. Everything comes `later` cycles later: the more processors there are, the longer they take to come up. */
export function opening(drivers: Drivers, later = 0): ScriptInput[] {
  return (['ticker', 'edu', 'busy'] as const).flatMap((name, i) => [
    requestInput(later + FIRST + i * 120_000, { id: 2 * i + 1, op: OP_LOAD, name, data: drivers[name] }),
    requestInput(later + FIRST + i * 120_000 + 60_000, { id: 2 * i + 2, op: OP_OPEN, name: `driver:${name}` }),
  ]);
}

/** What follows, with the handles that the opens gave. Irregular, but the same every time: a linear congruential generator chooses. */
export function work(handles: { ticker: number; edu: number; busy: number }, later = 0): ScriptInput[] {
  const inputs: ScriptInput[] = [];
  let seed = 12345,
    id = 7;
  const choose = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 16) % n;
  };
  for (let cycle = OPENED + later, n = 0; cycle < END; cycle += 20_000 + choose(180_000), n++) {
    switch (n % 6) {
      case 0:
      case 3: {
        const length = 1 + choose(4096),
          start = choose(256);
        const data = Uint8Array.from({ length }, (_, i) => start + i * 7);
        inputs.push(requestInput(cycle, { id: id++, op: OP_IOCTL, handle: handles.edu, code: EDU_DMA, outLength: length, data }));
        break;
      }
      case 1:
        inputs.push({ cycle, device: 'i8042', channel: 'keyname', data: bytes(KEYS[choose(KEYS.length)]!) });
        break;
      case 2:
        inputs.push({ cycle, device: 'uart0', channel: 'rx', data: bytes(TEXT[choose(TEXT.length)]!) });
        break;
      case 4:
        inputs.push(
          requestInput(cycle, {
            id: id++,
            op: OP_IOCTL,
            handle: handles.edu,
            code: EDU_FACTORIAL,
            outLength: 4,
            data: u32(choose(13)),
          }),
        );
        break;
      default:
        inputs.push(
          requestInput(cycle, {
            id: id++,
            op: OP_IOCTL,
            handle: n % 4 === 1 ? handles.ticker : handles.busy,
            code: COUNTS,
            outLength: 16,
          }),
        );
    }
  }
  return inputs;
}

/** Advances a machine to a cycle: in one go, in slices, with stops on the way. */
export type Runner = (machine: Machine, until: number) => void;

export const inOneGo: Runner = (machine, until) => void machine.run(until);

/** Runs a machine that has just been made (`boot: false`) through the script until `end`. Returns its hash at each of the cycles. */
export function play(
  machine: Machine,
  drivers: Drivers,
  cycles: readonly number[] = CHECKPOINTS,
  run: Runner = inOneGo,
  later = 0,
): string[] {
  machine.boot();
  const enter = (list: readonly ScriptInput[]): void => list.forEach(i => machine.input(i.device, i.channel, i.data, i.cycle));
  enter(opening(drivers, later));
  run(machine, OPENED - 20_000 + later);
  const handle = (id: number): number => {
    const reply = machine.requests.reply(id);
    if (reply === null || reply.status !== 0)
      throw new Error(`request ${id} of the script: ${reply === null ? 'no reply' : `status ${reply.status.toString(16)}`}`);
    return Number(reply.information);
  };
  [1, 3, 5].forEach(handle);
  enter(work({ ticker: handle(2), edu: handle(4), busy: handle(6) }, later));
  return cycles.map(cycle => {
    run(machine, cycle);
    return machine.stateHash();
  });
}
