/** What each sample does for a living, for tests that make it do so again and again. */
import { readFileSync } from 'node:fs';
import type { Machine } from '../../emulator/index.ts';
import { afterwards, before, ioctl, read, type Step, write } from './pump.ts';

export interface Workload {
  name: string;
  image: Uint8Array;
  /** Drivers that are loaded before it and unloaded after it. */
  below: readonly { name: string; image: Uint8Array }[];
  /** Device to open, if it has one. */
  device: string | null;
  /** Uses the open device; the driver is loaded. */
  use(file: ReturnType<Machine['open']>): void;
  /** What the pump sends, again and again: a third of it cancelled. */
  steps: readonly Step[];
  /** Number of the step that is still pending when the handle is closed. */
  last?: number;
}

const image = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../samples/${name}/${name}.sys`, import.meta.url)));

const u32 = (...values: number[]): Uint8Array =>
  Uint8Array.from(values.flatMap(value => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]));

const STATUS_CANCELLED = 0xc0000120,
  STATUS_INVALID_PARAMETER = 0xc000000d,
  STATUS_INVALID_DEVICE_REQUEST = 0xc0000010;

/** Reads that wait for a write, and all that echo does besides; the filter passes the same. */
const useEcho = (file: ReturnType<Machine['open']>): void => {
  file.ioctl(0x222000, Uint8Array.of(1, 2, 3));
  file.ioctl(0x222006, Uint8Array.of(9), 8);
  file.ioctl(0x222005, Uint8Array.of(9), 8);
  file.read(4);
  file.write(Uint8Array.of(1, 2));
  file.read(5);
  file.read(5);
  file.cancel();
};
const ECHO_STEPS: readonly Step[] = [
  ioctl(0x222000, [1]),
  ioctl(0x222006, [1]),
  afterwards(read(4), STATUS_CANCELLED),
  write(4),
  read(4),
  before(read(4), STATUS_CANCELLED),
];

const workload = (name: string, device: string | null, rest: Partial<Workload>): Workload => ({
  name,
  image: image(name),
  below: [],
  device: device === null ? null : `\\\\.\\${device}`,
  use: () => undefined,
  steps: [],
  ...rest,
});

/** The samples, all of them; `crash` does only what does not stop the machine. */
export const WORKLOADS: readonly Workload[] = [
  workload('hello', null, {}),
  workload('echo', 'Echo', { use: useEcho, steps: ECHO_STEPS, last: 2 }),
  workload('filter', 'Echo', { below: [{ name: 'echo', image: image('echo') }], use: useEcho, steps: ECHO_STEPS, last: 2 }),
  workload('stress', 'Stress', {
    use(file) {
      file.ioctl(0x222000, u32(30), 12);
      file.read(1);
      file.read(1);
      file.cancel();
      // Still at work when the driver is unloaded.
      file.ioctl(0x222004, u32(40));
    },
    // The driver's timer may be faster than the cancellation.
    steps: [
      ioctl(0x222000, [16]),
      read(4),
      afterwards(read(4), STATUS_CANCELLED, 0),
      read(1),
      before(read(1), STATUS_CANCELLED),
      read(2),
    ],
    last: 2,
  }),
  workload('ticker', 'Ticker', {
    use(file) {
      file.machine.runFor(0.03);
      file.ioctl(0x222000);
    },
    steps: [ioctl(0x222000, []), ioctl(0x222000, []), before(ioctl(0x222000, []), 0)],
  }),
  workload('edu', 'Edu0', {
    use(file) {
      file.ioctl(0x222000, u32(5), 4);
      file.ioctl(0x222004, Uint8Array.of(1, 2, 3), 3);
    },
    // The device cannot be stopped: a request that is cancelled is carried out.
    steps: [
      ioctl(0x222000, [5]),
      ioctl(0x222004, [1, 2]),
      afterwards(ioctl(0x222000, [6]), 0),
      ioctl(0x222004, [3, 4]),
      ioctl(0x222000, [7]),
      before(ioctl(0x222004, [3, 4]), 0),
    ],
  }),
  workload('sgdma', 'SgDma', {
    use(file) {
      file.write(Uint8Array.of(1, 2, 3, 4, 5));
      file.read(5);
    },
    steps: [write(8), read(8), afterwards(read(8), 0), write(4), read(4), before(write(8), 0)],
  }),
  workload('races', 'Races', {
    use(file) {
      file.ioctl(0x222000, u32(10));
      file.ioctl(0x222004, u32(10));
    },
    steps: [ioctl(0x222000, [10]), ioctl(0x222004, [10]), before(ioctl(0x222008, [10]), 0)],
  }),
  workload('seh', 'Seh', {
    use(file) {
      file.ioctl(0x222003, u32(0x10, 0, 4, 0));
      file.ioctl(0x222004, u32(10, 3), 4);
      file.ioctl(0x222004, u32(10, 0), 4);
      file.ioctl(0x222008, new Uint8Array(0), 16);
    },
    steps: [
      ioctl(0x222004, [10, 3]),
      ioctl(0x222008, []),
      before(ioctl(0x222004, [10, 3]), 0),
      { ...ioctl(0x222004, [10, 0]), expected: [STATUS_INVALID_PARAMETER] },
      ioctl(0x222004, [9, 2]),
      before(ioctl(0x222004, [10, 0]), STATUS_INVALID_PARAMETER),
    ],
  }),
  workload('worker', 'Worker', {
    use(file) {
      file.ioctl(0x222000, u32(1000), 4);
      file.ioctl(0x222000, u32(50), 4);
    },
    // While the thread is held, requests wait.
    steps: [
      ioctl(0x222004, [1]),
      afterwards(ioctl(0x222000, [9]), STATUS_CANCELLED),
      before(ioctl(0x222000, [9]), STATUS_CANCELLED),
      ioctl(0x222004, [0]),
      ioctl(0x222000, [9]),
      ioctl(0x222000, [20]),
    ],
  }),
  workload('crash', 'Crash', {
    use: file => void file.ioctl(0x222ffc),
    steps: [
      { ...ioctl(0x222ffc, []), expected: [STATUS_INVALID_DEVICE_REQUEST] },
      { ...ioctl(0x222ff8, [1]), expected: [STATUS_INVALID_DEVICE_REQUEST] },
      before(ioctl(0x222ffc, []), STATUS_INVALID_DEVICE_REQUEST),
    ],
  }),
];

/** Guest seconds in which a driver's unload, put off while it was in use, is to be done. */
const UNLOAD_SECONDS = 5;

/** Unloads a driver and waits until it is gone: the unload of one that is in use is carried out later. False: it stays. A machine that stops ends it. */
export function retire(machine: Machine, name: string): boolean {
  const loaded = (): boolean => machine.guest.modules().some(m => m.name.replace(/\.sys$/i, '') === name);
  const { status } = machine.unload(name);
  for (let n = 0; status >>> 31 === 0 && loaded() && n < UNLOAD_SECONDS * 50 && machine.bugCheck() === null; n++)
    machine.runFor(0.02);
  if (machine.bugCheck() !== null) return true;
  machine.runToIdle(1);
  return !loaded();
}
