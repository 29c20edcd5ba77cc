/**
 * A 64-bit hash as two 32-bit halves. Not cryptographic: it tells states apart, and is computed with 32-bit integer operations alone, so that it is the
 * same and fast on every host.
 */
export interface Hash64 {
  lo: number;
  hi: number;
}

// Odd multipliers with well-mixed bits (the first 32 bits of the fractional parts of square roots of primes, made odd).
const M1 = 0x6a09e667,
  M2 = 0xbb67ae85,
  M3 = 0x3c6ef373,
  M4 = 0xa54ff53b,
  M5 = 0x510e527f,
  M6 = 0x9b05688d;

/** The hash of `words` with a seed. Both lanes see every word; each step is a bijection of the lane for a given word, and of the word for a given lane. */
export function hashWords(words: Uint32Array, seed: number, out: Hash64): void {
  let a = seed ^ M5,
    b = Math.imul(seed, M6) ^ words.length;
  for (let i = 0; i < words.length; i++) {
    const w = words[i];
    a ^= Math.imul(w, M1);
    a = Math.imul((a << 15) | (a >>> 17), M2);
    b = (b + Math.imul(w, M3)) | 0;
    b = Math.imul((b << 13) | (b >>> 19), M4);
  }
  a = (a + b) | 0;
  b ^= a;
  out.lo = finish((a + Math.imul(b, M1)) | 0) >>> 0;
  out.hi = finish((b + Math.imul(out.lo, M3)) | 0) >>> 0;
}

/** Spreads every input bit over the word (xor-shift and multiply, three rounds). */
function finish(x: number): number {
  x = Math.imul(x ^ (x >>> 16), M2);
  x = Math.imul(x ^ (x >>> 15), M4);
  return x ^ (x >>> 16);
}

/** The hash of bytes; a length that is no multiple of 4 is padded with zeros, the length itself counts. */
export function hashBytes(bytes: Uint8Array, seed: number, out: Hash64): void {
  const words = new Uint32Array((bytes.length + 7) >> 2);
  new Uint8Array(words.buffer).set(bytes);
  words[words.length - 1] = bytes.length;
  hashWords(words, seed, out);
}

/** 16 hex digits. */
export function formatHash(hash: Hash64): string {
  return (hash.hi >>> 0).toString(16).padStart(8, '0') + (hash.lo >>> 0).toString(16).padStart(8, '0');
}

const PAGE_WORDS = 1024;

function allZero(words: Uint32Array): boolean {
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

/**
 * The hash of RAM: the sum, modulo 2^64, of a hash for each page that is not all zeros, seeded with the page's number. Being a sum, it is kept
 * up to date by the pages that changed.
 */
export class RamHash {
  private readonly words: Uint32Array;
  private readonly pageLo: Uint32Array;
  private readonly pageHi: Uint32Array;
  private sumLo = 0;
  private sumHi = 0;

  /** @param ram all of RAM; it is all zeros now, or every page that is not will be given to {@link update} */
  constructor(ram: Uint8Array) {
    this.words = new Uint32Array(ram.buffer, ram.byteOffset, ram.length >> 2);
    this.pageLo = new Uint32Array(ram.length / 4096);
    this.pageHi = new Uint32Array(ram.length / 4096);
  }

  /** Page `page` may have changed. */
  update(page: number): void {
    const words = this.words.subarray(page * PAGE_WORDS, (page + 1) * PAGE_WORDS);
    const hash = { lo: 0, hi: 0 };
    if (!allZero(words)) hashWords(words, page + 1, hash);
    this.add(hash.lo, hash.hi, 1);
    this.add(this.pageLo[page], this.pageHi[page], -1);
    this.pageLo[page] = hash.lo;
    this.pageHi[page] = hash.hi;
  }

  value(): Hash64 {
    return { lo: this.sumLo, hi: this.sumHi };
  }

  private add(lo: number, hi: number, sign: 1 | -1): void {
    const low = this.sumLo + sign * lo;
    const carry = low > 0xffffffff ? 1 : low < 0 ? -1 : 0;
    this.sumLo = low >>> 0;
    this.sumHi = (this.sumHi + sign * hi + carry) >>> 0;
  }
}
