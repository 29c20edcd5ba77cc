// SHA-1 and SHA-256 rounds and message schedules (SDM vol. 2, SHA1RNDS4 and following; FIPS 180-4).
// The working variables stand in a register with the first of them in the highest element.

const A: usize = 12, B: usize = 8, C: usize = 4, D: usize = 0;

// ---- SHA-1 --------------------------------------------------------------------------------------------------------------------

function choose(x: u32, y: u32, z: u32): u32 { return (x & y) ^ (~x & z); }
function majority(x: u32, y: u32, z: u32): u32 { return (x & y) ^ (x & z) ^ (y & z); }

/** The round function of phase 0-3, with its constant. */
function phase(which: u32, b: u32, c: u32, d: u32): u32 {
  switch (which) {
    case 0: return choose(b, c, d) + 0x5a827999;
    case 1: return (b ^ c ^ d) + 0x6ed9eba1;
    case 2: return majority(b, c, d) + 0x8f1bbcdc;
    default: return (b ^ c ^ d) + 0xca62c1d6;
  }
}

/** Four rounds; the first message element already has E added. */
export function sha1rnds4(_cpu: usize, dst: usize, src: usize, imm: u32): void {
  let a = load<u32>(dst, A), b = load<u32>(dst, B), c = load<u32>(dst, C), d = load<u32>(dst, D), e: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    const next = phase(imm & 3, b, c, d) + rotl<u32>(a, 5) + load<u32>(src + (A - (i << 2))) + e;
    e = d; d = c; c = rotl<u32>(b, 30); b = a; a = next;
  }
  store<u32>(dst, a, A); store<u32>(dst, b, B); store<u32>(dst, c, C); store<u32>(dst, d, D);
}
export function sha1nexte(_cpu: usize, dst: usize, src: usize): void {
  const e = rotl<u32>(load<u32>(dst, A), 30) + load<u32>(src, A);
  v128.store(dst, v128.load(src));
  store<u32>(dst, e, A);
}
export function sha1msg1(_cpu: usize, dst: usize, src: usize): void {
  const w0 = load<u32>(dst, A), w1 = load<u32>(dst, B), w2 = load<u32>(dst, C), w3 = load<u32>(dst, D), w4 = load<u32>(src, A), w5 = load<u32>(src, B);
  store<u32>(dst, w2 ^ w0, A); store<u32>(dst, w3 ^ w1, B); store<u32>(dst, w4 ^ w2, C); store<u32>(dst, w5 ^ w3, D);
}
export function sha1msg2(_cpu: usize, dst: usize, src: usize): void {
  const w13 = load<u32>(src, B), w14 = load<u32>(src, C), w15 = load<u32>(src, D);
  const w16 = rotl<u32>(load<u32>(dst, A) ^ w13, 1), w17 = rotl<u32>(load<u32>(dst, B) ^ w14, 1);
  const w18 = rotl<u32>(load<u32>(dst, C) ^ w15, 1), w19 = rotl<u32>(load<u32>(dst, D) ^ w16, 1);
  store<u32>(dst, w16, A); store<u32>(dst, w17, B); store<u32>(dst, w18, C); store<u32>(dst, w19, D);
}

// ---- SHA-256: ABEF in one register, CDGH in the other ----------------------------------------------------------------------------

function bigSigma0(x: u32): u32 { return rotr<u32>(x, 2) ^ rotr<u32>(x, 13) ^ rotr<u32>(x, 22); }
function bigSigma1(x: u32): u32 { return rotr<u32>(x, 6) ^ rotr<u32>(x, 11) ^ rotr<u32>(x, 25); }
function smallSigma0(x: u32): u32 { return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3); }
function smallSigma1(x: u32): u32 { return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10); }

/** Two rounds; `wk` (XMM0) holds the sums of message and constant in its low elements. */
export function sha256rnds2(_cpu: usize, dst: usize, src: usize, wk: usize): void {
  let a = load<u32>(src, A), b = load<u32>(src, B), e = load<u32>(src, C), f = load<u32>(src, D);
  let c = load<u32>(dst, A), d = load<u32>(dst, B), g = load<u32>(dst, C), h = load<u32>(dst, D);
  const wk0 = load<u32>(wk), wk1 = load<u32>(wk, 4);
  for (let i: u32 = 0; i < 2; i++) {
    const t = choose(e, f, g) + bigSigma1(e) + (i == 0 ? wk0 : wk1) + h;
    const next = t + majority(a, b, c) + bigSigma0(a);
    h = g; g = f; f = e; e = t + d;
    d = c; c = b; b = a; a = next;
  }
  store<u32>(dst, a, A); store<u32>(dst, b, B); store<u32>(dst, e, C); store<u32>(dst, f, D);
}
export function sha256msg1(_cpu: usize, dst: usize, src: usize): void {
  const w0 = load<u32>(dst), w1 = load<u32>(dst, 4), w2 = load<u32>(dst, 8), w3 = load<u32>(dst, 12), w4 = load<u32>(src);
  store<u32>(dst, w0 + smallSigma0(w1)); store<u32>(dst, w1 + smallSigma0(w2), 4);
  store<u32>(dst, w2 + smallSigma0(w3), 8); store<u32>(dst, w3 + smallSigma0(w4), 12);
}
export function sha256msg2(_cpu: usize, dst: usize, src: usize): void {
  const w14 = load<u32>(src, 8), w15 = load<u32>(src, 12);
  const w16 = load<u32>(dst) + smallSigma1(w14), w17 = load<u32>(dst, 4) + smallSigma1(w15);
  const w18 = load<u32>(dst, 8) + smallSigma1(w16), w19 = load<u32>(dst, 12) + smallSigma1(w17);
  store<u32>(dst, w16); store<u32>(dst, w17, 4); store<u32>(dst, w18, 8); store<u32>(dst, w19, 12);
}
