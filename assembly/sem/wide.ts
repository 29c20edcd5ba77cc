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

/** The upper 128 bits of the product of two 128-bit numbers; at most 2 too small in the last place. */
export function multiplyHigh128(ah: u64, al: u64, bh: u64, bl: u64): void {
  multiply64(ah, bl);
  const h1 = hi64, l1 = lo64;
  multiply64(al, bh);
  const h2 = hi64, l2 = lo64;
  multiply64(ah, bh);
  const carry: u64 = l1 + l2 < l1 ? 1 : 0;
  let low = lo64 + h1, high = hi64 + (low < h1 ? 1 : 0);
  low += h2;
  high += low < h2 ? 1 : 0;
  low += carry;
  high += low < carry ? 1 : 0;
  hi64 = high; lo64 = low;
}

let restHigh: u64 = 0, restLow: u64 = 0;
/** floor(rest * 2^64 / d) for rest < d; leaves the remainder. */
function wideDigit(dh: u64, dl: u64): u64 {
  let q: u64 = 0xffffffffffffffff;
  if (restHigh < dh) {
    divide128(restHigh, restLow, dh);
    q = hi64;
  }
  // q * d, 192 bits, is at most two times d too large.
  multiply64(q, dl);
  const p0 = lo64;
  let p1 = hi64;
  multiply64(q, dh);
  p1 += lo64;
  let p2 = hi64 + (p1 < lo64 ? 1 : 0), low = p0;
  while (p2 > restHigh || (p2 == restHigh && (p1 > restLow || (p1 == restLow && low > 0)))) {
    q--;
    const borrow: u64 = low < dl ? 1 : 0;
    low -= dl;
    const more: u64 = p1 < dh || (p1 == dh && borrow != 0) ? 1 : 0;
    p1 -= dh + borrow;
    p2 -= more;
  }
  restHigh = restLow - p1 - (low != 0 ? 1 : 0);
  restLow = 0 - low;
  return q;
}
/** The first 128 bits after the point of n / d, cut off. n < d; d has its leading one at bit 127. */
export function divideFraction(nh: u64, nl: u64, dh: u64, dl: u64): void {
  restHigh = nh; restLow = nl;
  const high = wideDigit(dh, dl), low = wideDigit(dh, dl);
  hi64 = high; lo64 = low;
}
