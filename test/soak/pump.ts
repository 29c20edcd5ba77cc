/** The pump (pump/pump.c): a driver that sends requests to another one's device, many at the cost of a few from outside. */
import { readFileSync } from 'node:fs';
import type { Machine } from '../../emulator/index.ts';

const IOCTL_PUMP = 0x222000;
const MAJOR = { read: 3, write: 4, ioctl: 14 } as const;
const HOW = { plain: 0, afterwards: 1, before: 2 } as const;
const STEPS = 8,
  STEP_SIZE = 24,
  DEVICE_CHARACTERS = 32,
  RESULT_SIZE = 24;

/** One request of the pump's list. */
export interface Step {
  major: keyof typeof MAJOR;
  code: number;
  length: number;
  input: readonly number[];
  /** Whether it is cancelled, after it was sent or before. */
  cancel: keyof typeof HOW;
  /** Statuses that it may end with: one or two. */
  expected: readonly number[];
}

const request = (major: Step['major'], code: number, length: number, input: readonly number[]): Step => ({
  major,
  code,
  length,
  input,
  cancel: 'plain',
  expected: [0],
});
/** A control request with up to two ULONGs of input, and room for 64 bytes of output. */
export const ioctl = (code: number, input: readonly number[]): Step => request('ioctl', code, input.length * 4, input);
export const read = (length: number): Step => request('read', 0, length, []);
export const write = (length: number): Step => request('write', 0, length, [0x04030201, 0x08070605]);
/** Cancelled after it was sent, through the handle. */
export const afterwards = (step: Step, ...expected: number[]): Step => ({ ...step, cancel: 'afterwards', expected });
/** Cancelled before it is sent. */
export const before = (step: Step, ...expected: number[]): Step => ({ ...step, cancel: 'before', expected });

export interface Pumped {
  sent: number;
  /** How many were cancelled, and how many ended so. */
  cancelAsked: number;
  cancelled: number;
}

/** Loads the pump into a machine. The function that comes back sends `irps` requests (rounded up to whole lists); it throws an Error when one does not end as expected. */
export function startPump(machine: Machine): (device: string, steps: readonly Step[], irps: number, last?: number) => Pumped {
  machine.load(new Uint8Array(readFileSync(new URL('pump/pump.sys', import.meta.url))), 'pump');
  const file = machine.open('\\\\.\\Pump');
  return (device, steps, irps, last) => {
    if (steps.length > STEPS) throw new Error(`more than ${STEPS} steps`);
    const input = new Uint8Array(12 + STEPS * STEP_SIZE + DEVICE_CHARACTERS * 2);
    const view = new DataView(input.buffer);
    [irps, steps.length, last === undefined ? 0 : last + 1].forEach((v, i) => view.setUint32(i * 4, v, true));
    steps.forEach((s, i) => {
      const at = 12 + i * STEP_SIZE;
      input[at] = MAJOR[s.major];
      input[at + 1] = HOW[s.cancel];
      view.setUint16(at + 2, s.length, true);
      [s.code, s.input[0] ?? 0, s.input[1] ?? 0, s.expected[0]!, s.expected[1] ?? s.expected[0]!].forEach((v, n) =>
        view.setUint32(at + 4 + n * 4, v, true),
      );
    });
    Array.from(device.replace('\\\\.\\', '\\DosDevices\\')).forEach((c, i) =>
      view.setUint16(12 + STEPS * STEP_SIZE + i * 2, c.charCodeAt(0), true),
    );
    const result = file.ioctl(IOCTL_PUMP, input, RESULT_SIZE);
    const bug = machine.bugCheck();
    if (bug !== null) throw new Error(`${device}: ${bug.name} in ${bug.routine ?? '?'}: ${bug.text ?? ''}`);
    if (result.outcome !== 'done' || result.status !== 0)
      throw new Error(`${device}: the pump ended with ${result.outcome}, status 0x${result.status.toString(16)}`);
    const out = new DataView(result.data.slice().buffer);
    const [sent, cancelAsked, cancelled, unexpected, step, status] = [0, 4, 8, 12, 16, 20].map(at => out.getUint32(at, true)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    if (unexpected > 0) throw new Error(`${device}: step ${step} of the pump's list ended with 0x${status.toString(16)}`);
    return { sent, cancelAsked, cancelled };
  };
}
