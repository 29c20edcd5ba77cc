// Breakpoints of the host: sorted linear addresses. A block ends before one and a block that starts at one says so (B_BREAK), so
// that running without breakpoints costs nothing. They are not part of the machine's state.

const LIMIT: u32 = 256;
const table: usize = memory.data(256 * 8, 8);
let count: u32 = 0;

/** Where the host writes the addresses (u64 each, ascending, at most 256) before setBreakpoints. */
export function breakpointTable(): usize { return table; }

/** The first `n` addresses of the table count from now on; the caller drops decoded code. */
export function setBreakpointCount(n: u32): void { count = n < LIMIT ? n : LIMIT; }

/** Whether there is a breakpoint at `rip`. */
export function breakpointAt(rip: u64): bool {
  let low: u32 = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1, at = load<u64>(table + (<usize>middle << 3));
    if (at == rip) return true;
    if (at < rip) low = middle + 1; else high = middle;
  }
  return false;
}
