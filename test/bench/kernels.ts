/** The benchmark kernels, in the order of the guests' tables. Repeat counts make a run of each about a quarter of a second. */
export const KERNELS = [
  { name: 'alu', entry: 0, reps: 360, v86Reps: 300 },
  { name: 'sieve', entry: 1, reps: 6, v86Reps: 10 },
  { name: 'hash', entry: 2, reps: 18, v86Reps: 40 },
  { name: 'list', entry: 3, reps: 960, v86Reps: 2000 },
  { name: 'fib', entry: 4, reps: 90, v86Reps: 120 },
  { name: 'vm', entry: 5, reps: 90, v86Reps: 200 },
] as const;

/** Entries of `bench64.bin` that are not MIPS figures: 1000 x (out + in), 1000 x (int + iretq), and the handler of the latter. */
export const ENTRY_PIO = 6,
  ENTRY_INT = 7,
  ENTRY_ISR = 8;

/** Marks the repeat table in `bench32.rom`. */
export const REPS_MARK = new Uint8Array([0x22, 0x52, 0x45, 0x50]);

/** Middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

export const geomean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
