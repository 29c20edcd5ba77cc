// SSE moves, shuffles and unpacks: instructions that only carry bits from one place to another.
// A memory source lies zero-extended in SCRATCH, so a load that zeroes the rest of the register is a whole-register copy.

/** MOVAPS, MOVUPS, MOVDQA, MOVNTPS, LDDQU..., loads of MOVSS, MOVSD, MOVD, MOVQ, and stores of the low part. */
export function mov128(_cpu: usize, d: usize, s: usize): void { v128.store(d, v128.load(s)); }
/** MOVSS xmm, xmm: the upper elements stay. */
export function movLow32(_cpu: usize, d: usize, s: usize): void { store<u32>(d, load<u32>(s)); }
/** MOVSD xmm, xmm; MOVLPS and MOVLPD xmm, m64. */
export function movLow64(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u64>(s)); }
/** MOVHPS and MOVHPD xmm, m64; MOVLHPS. */
export function movLowToHigh(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u64>(s), 8); }
/** MOVHPS and MOVHPD m64, xmm; MOVHLPS. */
export function movHighToLow(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u64>(s, 8)); }
/** MOVQ xmm, xmm and MOVD/MOVQ xmm, r: the rest is zeroed. */
export function movZero64(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u64>(s)); store<u64>(d, 0, 8); }
export function movZero32(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u32>(s)); store<u64>(d, 0, 8); }
/** MOVD r/m32, xmm; EXTRACTPS and the like: a general register is zero-extended. */
export function movdToGpr(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u32>(s)); }

export function movsldup(_cpu: usize, d: usize, s: usize): void { const a = v128.load(s); v128.store(d, i8x16.shuffle(a, a, 0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11)); }
export function movshdup(_cpu: usize, d: usize, s: usize): void { const a = v128.load(s); v128.store(d, i8x16.shuffle(a, a, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15)); }
export function movddup(_cpu: usize, d: usize, s: usize): void { const a = load<u64>(s); store<u64>(d, a); store<u64>(d, a, 8); }

export function movmskps(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64>i32x4.bitmask(v128.load(s))); }
export function movmskpd(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64>i64x2.bitmask(v128.load(s))); }
export function pmovmskb(_cpu: usize, d: usize, s: usize): void { store<u64>(d, <u64>i8x16.bitmask(v128.load(s))); }

// ---- unpack: UNPCKLPS and PUNPCKLDQ are the same bits, and so on -------------------------------------------------------------

export function punpcklbw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.shuffle(v128.load(d), v128.load(s), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)); }
export function punpckhbw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i8x16.shuffle(v128.load(d), v128.load(s), 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)); }
export function punpcklwd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.shuffle(v128.load(d), v128.load(s), 0, 8, 1, 9, 2, 10, 3, 11)); }
export function punpckhwd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.shuffle(v128.load(d), v128.load(s), 4, 12, 5, 13, 6, 14, 7, 15)); }
export function punpckldq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.shuffle(v128.load(d), v128.load(s), 0, 4, 1, 5)); }
export function punpckhdq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.shuffle(v128.load(d), v128.load(s), 2, 6, 3, 7)); }
export function punpcklqdq(_cpu: usize, d: usize, s: usize): void { store<u64>(d, load<u64>(s), 8); }
export function punpckhqdq(_cpu: usize, d: usize, s: usize): void { const h = load<u64>(s, 8); store<u64>(d, load<u64>(d, 8)); store<u64>(d, h, 8); }

// ---- shuffles with an immediate ----------------------------------------------------------------------------------------------

/** Element `i` (0-3) of a shuffle's imm8, as a byte offset for elements of 4 bytes. */
function at4(imm: u32, i: u32): usize { return <usize>((imm >> (i << 1)) & 3) << 2; }
function at2(imm: u32, i: u32): usize { return <usize>((imm >> (i << 1)) & 3) << 1; }

export function pshufd(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const a = load<u32>(s + at4(imm, 0)), b = load<u32>(s + at4(imm, 1)), c = load<u32>(s + at4(imm, 2)), e = load<u32>(s + at4(imm, 3));
  store<u32>(d, a); store<u32>(d, b, 4); store<u32>(d, c, 8); store<u32>(d, e, 12);
}
function shuffleWords(d: usize, s: usize, imm: u32): void {
  const a = load<u16>(s + at2(imm, 0)), b = load<u16>(s + at2(imm, 1)), c = load<u16>(s + at2(imm, 2)), e = load<u16>(s + at2(imm, 3));
  store<u16>(d, a); store<u16>(d, b, 2); store<u16>(d, c, 4); store<u16>(d, e, 6);
}
export function pshuflw(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d, load<u64>(s, 8), 8); shuffleWords(d, s, imm); }
export function pshufhw(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d, load<u64>(s)); shuffleWords(d + 8, s + 8, imm); }
export function shufps(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const a = load<u32>(d + at4(imm, 0)), b = load<u32>(d + at4(imm, 1)), c = load<u32>(s + at4(imm, 2)), e = load<u32>(s + at4(imm, 3));
  store<u32>(d, a); store<u32>(d, b, 4); store<u32>(d, c, 8); store<u32>(d, e, 12);
}
export function shufpd(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const a = load<u64>(d + (<usize>(imm & 1) << 3)), b = load<u64>(s + (<usize>(imm & 2) << 2));
  store<u64>(d, a); store<u64>(d, b, 8);
}

// ---- insert and extract: PINSRx, PEXTRx, INSERTPS ------------------------------------------------------------------------------

export function pinsrb(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u8>(d + (imm & 15), load<u8>(s)); }
export function pinsrw(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u16>(d + ((imm & 7) << 1), load<u16>(s)); }
export function pinsrd(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u32>(d + ((imm & 3) << 2), load<u32>(s)); }
export function pinsrq(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d + ((imm & 1) << 3), load<u64>(s)); }
export function pextrb(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d, <u64>load<u8>(s + (imm & 15))); }
export function pextrw(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d, <u64>load<u16>(s + ((imm & 7) << 1))); }
/** PEXTRD and EXTRACTPS. */
export function pextrd(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d, <u64>load<u32>(s + ((imm & 3) << 2))); }
export function pextrq(_cpu: usize, d: usize, s: usize, imm: u32): void { store<u64>(d, load<u64>(s + ((imm & 1) << 3))); }

function insertElement(d: usize, element: u32, imm: u32): void {
  store<u32>(d + (((imm >> 4) & 3) << 2), element);
  for (let i: u32 = 0; i < 4; i++) if ((imm >> i & 1) != 0) store<u32>(d + (i << 2), 0);
}
/** INSERTPS xmm, xmm: imm8 bits 7-6 choose the source element. */
export function insertpsReg(_cpu: usize, d: usize, s: usize, imm: u32): void { insertElement(d, load<u32>(s + ((imm >> 6) << 2)), imm); }
/** INSERTPS xmm, m32: the one element read. */
export function insertpsMem(_cpu: usize, d: usize, s: usize, imm: u32): void { insertElement(d, load<u32>(s), imm); }

// ---- blends and alignment --------------------------------------------------------------------------------------------------------

export function blendps(_cpu: usize, d: usize, s: usize, imm: u32): void {
  for (let i: u32 = 0; i < 4; i++) if ((imm >> i & 1) != 0) store<u32>(d + (i << 2), load<u32>(s + (i << 2)));
}
export function blendpd(_cpu: usize, d: usize, s: usize, imm: u32): void {
  for (let i: u32 = 0; i < 2; i++) if ((imm >> i & 1) != 0) store<u64>(d + (i << 3), load<u64>(s + (i << 3)));
}
export function pblendw(_cpu: usize, d: usize, s: usize, imm: u32): void {
  for (let i: u32 = 0; i < 8; i++) if ((imm >> i & 1) != 0) store<u16>(d + (i << 1), load<u16>(s + (i << 1)));
}
/** Takes from `s` the elements whose mask element has its top bit set; the mask is XMM0. */
export function pblendvb(_cpu: usize, d: usize, s: usize, mask: usize): void { v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i8x16.shr_s(v128.load(mask), 7))); }
export function blendvps(_cpu: usize, d: usize, s: usize, mask: usize): void { v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i32x4.shr_s(v128.load(mask), 31))); }
export function blendvpd(_cpu: usize, d: usize, s: usize, mask: usize): void { v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i64x2.shr_s(v128.load(mask), 63))); }

/** Bytes imm8 to imm8 + 15 of the 32 bytes (d above s). */
export function palignr(_cpu: usize, d: usize, s: usize, imm: u32): void {
  const s0 = load<u64>(s), s1 = load<u64>(s, 8), d0 = load<u64>(d), d1 = load<u64>(d, 8);
  const word = imm >> 3, bits: u64 = (imm & 7) << 3;
  const q0 = word == 0 ? s0 : word == 1 ? s1 : word == 2 ? d0 : word == 3 ? d1 : 0;
  const q1 = word == 0 ? s1 : word == 1 ? d0 : word == 2 ? d1 : 0;
  const q2 = word == 0 ? d0 : word == 1 ? d1 : 0;
  store<u64>(d, bits == 0 ? q0 : (q0 >> bits) | (q1 << (64 - bits)));
  store<u64>(d, bits == 0 ? q1 : (q1 >> bits) | (q2 << (64 - bits)), 8);
}
export function pshufb(_cpu: usize, d: usize, s: usize): void {
  // An index with bit 7 set gives zero, as every index above 15 does for swizzle; bits 6-4 do not count.
  v128.store(d, i8x16.swizzle(v128.load(d), v128.and(v128.load(s), i8x16.splat(<i8>0x8f))));
}

// ---- PMOVSX and PMOVZX: the low elements, widened ----------------------------------------------------------------------------------

export function pmovsxbw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.extend_low_i8x16_s(v128.load(s))); }
export function pmovsxwd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.extend_low_i16x8_s(v128.load(s))); }
export function pmovsxdq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.extend_low_i32x4_s(v128.load(s))); }
export function pmovsxbd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load(s)))); }
export function pmovsxwq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(v128.load(s)))); }
export function pmovsxbq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load(s))))); }
export function pmovzxbw(_cpu: usize, d: usize, s: usize): void { v128.store(d, i16x8.extend_low_i8x16_u(v128.load(s))); }
export function pmovzxwd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.extend_low_i16x8_u(v128.load(s))); }
export function pmovzxdq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.extend_low_i32x4_u(v128.load(s))); }
export function pmovzxbd(_cpu: usize, d: usize, s: usize): void { v128.store(d, i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load(s)))); }
export function pmovzxwq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(v128.load(s)))); }
export function pmovzxbq(_cpu: usize, d: usize, s: usize): void { v128.store(d, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load(s))))); }
