/**
 * Conversions between guest cycles and the clocks of devices. Integer arithmetic only, so that every host computes the same cycle:
 * a product of a cycle count and a frequency leaves the exact range of a double within a minute of guest time, hence BigInt.
 */

/** Cycles that `count` periods of a clock of `rate` Hz take, rounded up: nothing a device does ends early. */
export function cyclesOf(frequency: number, count: number, rate: number): number {
  return Number((BigInt(count) * BigInt(frequency) + BigInt(rate) - 1n) / BigInt(rate));
}

/** Whole periods of a clock of `rate` Hz in `cycles` cycles. The first cycle of period n is `cyclesOf(frequency, n, rate)`. */
export function ticksIn(frequency: number, cycles: number, rate: number): number {
  return Number((BigInt(cycles) * BigInt(rate)) / BigInt(frequency));
}

/** Cycles in `us` microseconds, rounded up. */
export function microseconds(frequency: number, us: number): number {
  return cyclesOf(frequency, us, 1_000_000);
}
