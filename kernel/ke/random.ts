import type { Kernel } from '../kernel.ts';

/** The kernel's random numbers, 64 bits at a time (SplitMix64). They follow from the machine's seed alone, so that a run repeats. */
export function nextRandom(k: Kernel): bigint {
  const state = BigInt.asUintN(64, k.global.get('KiRandomState') + 0x9e3779b97f4a7c15n);
  k.global.set('KiRandomState', state);
  let z = state;
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}
