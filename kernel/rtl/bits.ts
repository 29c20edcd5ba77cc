import type { VirtualMemory } from '../../hal/bus/memory.ts';

/**
 * Bitmaps in guest memory: bit n is bit n mod 32 of the 32-bit word n / 32. RtlFindClearBits and friends and the memory manager's page bitmaps are the same
 * functions. `size` is in bits.
 */

export function testBit(mem: VirtualMemory, buffer: number, bit: number): boolean {
  return ((mem.read32(buffer + (bit >>> 5) * 4) >>> (bit & 31)) & 1) === 1;
}

/** Mask of `count` bits from bit `from` of a word. */
function maskOf(from: number, count: number): number {
  return (count === 32 ? 0xffffffff : ((2 ** count - 1) << from) >>> 0) >>> 0;
}

/** Sets or clears `count` bits from `start`. */
export function fillBits(mem: VirtualMemory, buffer: number, start: number, count: number, set: boolean): void {
  for (let bit = start, left = count; left > 0;) {
    const inWord = Math.min(32 - (bit & 31), left);
    const mask = maskOf(bit & 31, inWord);
    const at = buffer + (bit >>> 5) * 4;
    const old = mem.read32(at);
    mem.write32(at, (set ? old | mask : old & ~mask) >>> 0);
    bit += inWord;
    left -= inWord;
  }
}

/** Whether all of `count` bits from `start` are `set`. */
export function areBits(mem: VirtualMemory, buffer: number, start: number, count: number, set: boolean): boolean {
  for (let bit = start, left = count; left > 0;) {
    const inWord = Math.min(32 - (bit & 31), left);
    const mask = maskOf(bit & 31, inWord);
    const word = mem.read32(buffer + (bit >>> 5) * 4);
    if (((set ? word : ~word) & mask) >>> 0 !== mask) return false;
    bit += inWord;
    left -= inWord;
  }
  return true;
}

/** Length of the run of bits equal to `set` that starts at `start`, at most `limit`. */
export function runLength(mem: VirtualMemory, buffer: number, size: number, start: number, set: boolean, limit = size): number {
  let n = 0;
  while (start + n < size && n < limit) {
    const bit = start + n;
    const raw = mem.read32(buffer + (bit >>> 5) * 4);
    // Bits that differ from the wanted value, from this one up.
    const other = ((set ? ~raw : raw) >>> (bit & 31)) >>> 0;
    const same = other === 0 ? 32 - (bit & 31) : 31 - Math.clz32(other & -other);
    n += same;
    if (other !== 0) break;
  }
  return Math.min(n, limit, size - start);
}

function findIn(mem: VirtualMemory, buffer: number, from: number, to: number, size: number, count: number, set: boolean): number {
  for (let bit = from; bit < to;) {
    const skip = runLength(mem, buffer, size, bit, !set);
    bit += skip;
    if (bit >= to || bit + count > size) return -1;
    const run = runLength(mem, buffer, size, bit, set, count);
    if (run >= count) return bit;
    bit += run;
  }
  return -1;
}

/** First run of `count` bits equal to `set`, searched from `hint` and then from the start; -1 when there is none. */
export function findBits(mem: VirtualMemory, buffer: number, size: number, count: number, hint: number, set: boolean): number {
  if (count > size) return -1;
  const start = hint < size ? hint : 0;
  const found = findIn(mem, buffer, start, size, size, count, set);
  return found >= 0 || start === 0 ? found : findIn(mem, buffer, 0, start, size, count, set);
}

/** How many bits are set. */
export function countBits(mem: VirtualMemory, buffer: number, size: number): number {
  let n = 0;
  for (let bit = 0; bit < size; bit += 32) {
    let word = mem.read32(buffer + bit / 8);
    if (size - bit < 32) word = (word & maskOf(0, size - bit)) >>> 0;
    for (; word; word = (word & (word - 1)) >>> 0) n++;
  }
  return n;
}
