import { CF, setStatus } from './flags';
import { RANDOM } from './layout';
import { cpuAt, cpuCount } from './map';

// RDRAND and RDSEED (SDM vol. 1, 7.3.17): SplitMix64 from the machine's seed, a sequence of its own for each processor. It is part of the state, so that a run repeats.

const STEP: u64 = 0x9e3779b97f4a7c15;

function mix(v: u64): u64 {
  let z = v;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/** Starts every processor's sequence from the machine's seed. */
export function setRandomSeed(seed: u32): void {
  for (let i: u32 = 0; i < cpuCount; i++) store<u64>(cpuAt(i), mix((<u64>seed << 8) + i + STEP), RANDOM);
}

/** The next random number, with CF set: there always is one. */
export function nextRandom(cpu: usize): u64 {
  const state = load<u64>(cpu, RANDOM) + STEP;
  store<u64>(cpu, state, RANDOM);
  setStatus(cpu, CF);
  return mix(state);
}
