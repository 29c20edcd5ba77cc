/** What each sample does for a living, for tests that make it do so again and again. */
import { readFileSync } from 'node:fs';
import type { Machine } from '../../emulator/index.ts';

export interface Workload {
  name: string;
  image: Uint8Array;
  /** Device to open, if it has one. */
  device: string | null;
  /** Uses the open device; the driver is loaded. */
  use(file: ReturnType<Machine['open']>): void;
  /** Control code and input that the driver answers at once, and one that it keeps (0: none): for many IRPs. */
  quick: { code: number; input: number };
  pending: { major: 'read' | 'ioctl'; code: number } | null;
}

const image = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../samples/${name}/${name}.sys`, import.meta.url)));

const u32 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24);

/** The samples that are to survive everything; `crash` is not one of them. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'hello', image: image('hello'), device: null, use: () => undefined, quick: { code: 0, input: 0 }, pending: null },
  {
    name: 'echo',
    image: image('echo'),
    device: '\\\\.\\Echo',
    use(file) {
      file.ioctl(0x222000, Uint8Array.of(1, 2, 3));
      file.ioctl(0x222006, Uint8Array.of(9), 8);
      file.read(4);
      file.write(Uint8Array.of(1, 2));
      file.read(5);
      file.read(5);
      file.cancel();
    },
    quick: { code: 0x222000, input: 0x01020304 },
    pending: { major: 'read', code: 0 },
  },
  {
    name: 'ticker',
    image: image('ticker'),
    device: '\\\\.\\Ticker',
    use(file) {
      file.machine.runFor(0.03);
      file.ioctl(0x222000);
    },
    quick: { code: 0x222000, input: 0 },
    pending: null,
  },
  {
    name: 'edu',
    image: image('edu'),
    device: '\\\\.\\Edu0',
    use(file) {
      file.ioctl(0x222000, u32(5), 4);
      file.ioctl(0x222000, u32(10), 4);
    },
    quick: { code: 0x222000, input: 5 },
    pending: null,
  },
  {
    name: 'races',
    image: image('races'),
    device: '\\\\.\\Races',
    use: file => void file.ioctl(0x222000, u32(10)),
    quick: { code: 0x222000, input: 10 },
    pending: null,
  },
  {
    name: 'worker',
    image: image('worker'),
    device: '\\\\.\\Worker',
    use(file) {
      file.ioctl(0x222000, u32(1000));
      file.ioctl(0x222000, u32(50));
    },
    quick: { code: 0x222000, input: 1 },
    pending: null,
  },
  {
    name: 'sgdma',
    image: image('sgdma'),
    device: '\\\\.\\SgDma',
    use(file) {
      file.write(Uint8Array.of(1, 2, 3, 4, 5));
      file.read(5);
    },
    quick: { code: 0, input: 0 },
    pending: null,
  },
];
