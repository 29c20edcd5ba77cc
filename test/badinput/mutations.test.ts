import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Machine, OperationError } from '../../emulator/index.ts';
import { sample } from '../boots/support.ts';

// Real images with random damage, loaded into one machine that goes back to a checkpoint each time. Whatever the guest does, it is a status or a bug check
// or the end of its time; an Error of any other kind is ours.

const RUNS = 1000;
/** Guest cycles that one load may take: 20 ms. */
const LIMIT = 2_000_000;

const images = ['hello', 'echo', 'edu'].map(name => new Uint8Array(readFileSync(sample(name))));
const HEADERS = 0x400;

type Damage = { kind: 'byte' | 'bit' | 'dword'; at: number; value: number } | { kind: 'cut'; at: number };

/** Half of the damage goes to the headers, where it matters most. `at` is a share of the range in 2^20 parts. */
const damage = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('byte' as const, 'bit' as const, 'dword' as const),
      at: fc.nat(0xfffff),
      value: fc.nat(0xffffffff),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: fc.nat(0xfffff) }) },
);
const mutation = fc.record({
  image: fc.nat(images.length - 1),
  headers: fc.boolean(),
  damages: fc.array(damage, { minLength: 1, maxLength: 4 }),
});

function mutate(original: Uint8Array, headers: boolean, damages: readonly Damage[]): Uint8Array {
  let bytes = original.slice();
  for (const d of damages) {
    const range = headers ? Math.min(HEADERS, bytes.length) : bytes.length;
    const at = Math.floor((d.at / 0x100000) * range);
    if (d.kind === 'cut') bytes = bytes.slice(0, at);
    else if (bytes.length < 4) continue;
    else if (d.kind === 'byte') bytes[at] = d.value & 0xff;
    else if (d.kind === 'bit') bytes[at] = bytes[at]! ^ (1 << (d.value & 7));
    else new DataView(bytes.buffer).setUint32(Math.min(at, bytes.length - 4), d.value, true);
  }
  return bytes;
}

test(`${RUNS} damaged images: refused, stopped or run, and never an error of ours`, () => {
  const machine = Machine.create();
  const clean = machine.checkpoint();
  const hash = machine.stateHash();
  const outcomes = new Map<string, number>();
  const count = (what: string): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
  fc.assert(
    fc.property(mutation, ({ image, headers, damages }) => {
      machine.restore(clean);
      machine.operationLimit = LIMIT;
      const bytes = mutate(images[image]!, headers, damages as Damage[]);
      try {
        machine.load(bytes, 'mutant');
        count('loaded');
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        count(error.bugCheck ? 'bug check' : error.outcome === 'done' ? 'refused' : error.outcome);
        return;
      }
      machine.operationLimit = LIMIT;
      machine.unload('mutant');
    }),
    { numRuns: RUNS, seed: 20260101 },
  );
  machine.restore(clean);
  expect(machine.stateHash()).toBe(hash);
  // The damage reaches both what the loader checks and what it cannot know.
  expect(outcomes.get('refused')).toBeGreaterThan(RUNS / 20);
  expect(outcomes.get('loaded')).toBeGreaterThan(RUNS / 20);
});
