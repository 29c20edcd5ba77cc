// 128-bit integers for the x87: products, quotients. Two halves come back in globals.

/** The high and low half of the last result; of a division, quotient and remainder. */
export let hi64: u64 = 0;
export let lo64: u64 = 0;

/** a * b, 128 bits. */
export function multiply64(a: u64, b: u64): void {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const low = al * bl, m1 = ah * bl, m2 = al * bh;
  const middle = (low >> 32) + (m1 & 0xffffffff) + (m2 & 0xffffffff);
  hi64 = ah * bh + (m1 >> 32) + (m2 >> 32) + (middle >> 32);
  lo64 = (middle << 32) | (low & 0xffffffff);
}

/** high:low / d and its remainder, by two steps of 32 bits (Knuth, TAOCP vol. 2, 4.3.1, algorithm D). `d` has bit 63 set and high < d. */
export function divide128(high: u64, low: u64, d: u64): void {
  const dh = d >> 32, dl = d & 0xffffffff;
  const q1 = digit(high, low >> 32, d, dh, dl);
  const rest = (high << 32) + (low >> 32) - q1 * d;
  const q0 = digit(rest, low & 0xffffffff, d, dh, dl);
  hi64 = (q1 << 32) | q0;
  lo64 = (rest << 32) + (low & 0xffffffff) - q0 * d;
}

/** One quotient digit of 32 bits: (rest:next) / d. */
function digit(rest: u64, next: u64, d: u64, dh: u64, dl: u64): u64 {
  let q = rest / dh, r = rest % dh;
  while (q >> 32 != 0 || q * dl > ((r << 32) | next)) {
    q--;
    r += dh;
    if (r >> 32 != 0) break;
  }
  return q;
}
