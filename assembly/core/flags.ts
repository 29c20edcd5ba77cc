import { FL_A, FL_B, FL_OP, FL_RES, FLAGS_REST } from './layout';

// Lazy flags. An instruction leaves its result and operands; a flag is computed when something asks.
//
// FL_RES, FL_A and FL_B are sign-extended to 64 bits from the operand size, so bit 63 is the operand's top bit.
// FL_OP: bits 0-3 kind; bits 4-5 log2 of the operand's size in bytes (shifts and multiplications only); bits 8-15 PF delta; bit 16 SF delta;
// bits 20-23 CF and OF given outright, whatever the kind says: what rotates, INC, BT and STC leave, which change one or two flags and keep the rest.
// The deltas let POPF, SAHF and IRET represent any combination (ZF = FL_RES == 0 always).

/** CF = OF = AF = 0 (AND, OR, XOR, TEST). */
export const FK_LOGIC: u32 = 0;
/** ADD and ADC: FL_RES = FL_A + FL_B (+ carry). */
export const FK_ADD: u32 = 1;
/** SUB, SBB, CMP, NEG: FL_RES = FL_A - FL_B (- borrow). */
export const FK_SUB: u32 = 2;
/** IMUL: CF = OF = the full product of FL_A and FL_B is not FL_RES. */
export const FK_MUL: u32 = 3;
/** Shifts by FL_B (already masked, not zero) of FL_A; FL_A is sign-extended for SAR, zero-extended for SHL and SHR. */
export const FK_SHL: u32 = 5;
export const FK_SHR: u32 = 6;
export const FK_SAR: u32 = 7;
/** CF, OF and AF are the RFLAGS bits in FL_A. */
export const FK_EXPLICIT: u32 = 8;

export const FL_PF_SHIFT: u32 = 8;
export const FL_SF_DELTA: u32 = 1 << 16;
/** CF is FL_CF, OF is FL_OF. */
export const FL_CF_GIVEN: u32 = 1 << 20, FL_CF: u32 = 1 << 21, FL_OF_GIVEN: u32 = 1 << 22, FL_OF: u32 = 1 << 23;

export const CF: u32 = 0x1, PF: u32 = 0x4, AF: u32 = 0x10, ZF: u32 = 0x40, SF: u32 = 0x80, TF: u32 = 0x100, IF: u32 = 0x200, DF: u32 = 0x400, OF: u32 = 0x800;
export const IOPL: u32 = 0x3000, NT: u32 = 0x4000, RF: u32 = 0x10000, VM: u32 = 0x20000, AC: u32 = 0x40000, VIF: u32 = 0x80000, VIP: u32 = 0x100000, ID: u32 = 0x200000;
/** The flags that are lazy. */
export const STATUS_FLAGS: u32 = CF | PF | AF | ZF | SF | OF;

export function carry(cpu: usize): bool {
  const op = load<u32>(cpu, FL_OP);
  if ((op & FL_CF_GIVEN) != 0) return (op & FL_CF) != 0;
  switch (op & 15) {
    case FK_LOGIC: return false;
    case FK_ADD: { const a = load<i64>(cpu, FL_A), b = load<i64>(cpu, FL_B), r = load<i64>(cpu, FL_RES); return ((a & b) | ((a | b) & ~r)) < 0; }
    case FK_SUB: { const a = load<i64>(cpu, FL_A), b = load<i64>(cpu, FL_B), r = load<i64>(cpu, FL_RES); return ((~a & b) | (~(a ^ b) & r)) < 0; }
    case FK_MUL: return productOverflows(cpu);
    case FK_SHL: {
      const bits: u64 = <u64>8 << ((op >> 4) & 3), n = load<u64>(cpu, FL_B);
      return n <= bits && ((load<u64>(cpu, FL_A) >> (bits - n)) & 1) != 0;
    }
    case FK_SHR: return ((load<u64>(cpu, FL_A) >> (load<u64>(cpu, FL_B) - 1)) & 1) != 0;
    case FK_SAR: return ((load<i64>(cpu, FL_A) >> (load<i64>(cpu, FL_B) - 1)) & 1) != 0;
    default: return (load<u32>(cpu, FL_A) & CF) != 0;
  }
}

export function overflow(cpu: usize): bool {
  const op = load<u32>(cpu, FL_OP);
  if ((op & FL_OF_GIVEN) != 0) return (op & FL_OF) != 0;
  switch (op & 15) {
    case FK_LOGIC: case FK_SAR: return false;
    case FK_ADD: { const a = load<i64>(cpu, FL_A), b = load<i64>(cpu, FL_B), r = load<i64>(cpu, FL_RES); return ((a ^ r) & (b ^ r)) < 0; }
    case FK_SUB: { const a = load<i64>(cpu, FL_A), b = load<i64>(cpu, FL_B), r = load<i64>(cpu, FL_RES); return ((a ^ b) & (a ^ r)) < 0; }
    case FK_MUL: return productOverflows(cpu);
    // OF is defined for a count of 1 only: top bit of the result xor the bit shifted out (SHL), top bit of the source (SHR).
    case FK_SHL: {
      const bits: u64 = <u64>8 << ((op >> 4) & 3), n = load<u64>(cpu, FL_B);
      const out = n <= bits && ((load<u64>(cpu, FL_A) >> (bits - n)) & 1) != 0;
      return (load<i64>(cpu, FL_RES) < 0) != out;
    }
    case FK_SHR: { const bits: u64 = <u64>8 << ((op >> 4) & 3); return load<u64>(cpu, FL_B) == 1 && ((load<u64>(cpu, FL_A) >> (bits - 1)) & 1) != 0; }
    default: return (load<u32>(cpu, FL_A) & OF) != 0;
  }
}

/** The upper 64 bits of a signed 64 by 64 bit product. */
export function multiplyHighSigned(a: i64, b: i64): i64 {
  return <i64>(multiplyHigh(<u64>a, <u64>b)) - (a < 0 ? b : 0) - (b < 0 ? a : 0);
}
/** The upper 64 bits of an unsigned 64 by 64 bit product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const low = al * bl, middle = ah * bl + (low >> 32), other = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (other >> 32);
}

function productOverflows(cpu: usize): bool {
  const a = load<i64>(cpu, FL_A), b = load<i64>(cpu, FL_B), r = load<i64>(cpu, FL_RES);
  if (((load<u32>(cpu, FL_OP) >> 4) & 3) != 3) return a * b != r;
  return multiplyHighSigned(a, b) != r >> 63;
}

export function adjust(cpu: usize): bool {
  switch (load<u32>(cpu, FL_OP) & 15) {
    case FK_ADD: case FK_SUB: return ((load<u64>(cpu, FL_A) ^ load<u64>(cpu, FL_B) ^ load<u64>(cpu, FL_RES)) & 0x10) != 0;
    case FK_EXPLICIT: return (load<u32>(cpu, FL_A) & AF) != 0;
    default: return false;
  }
}

export function zero(cpu: usize): bool { return load<u64>(cpu, FL_RES) == 0; }
export function sign(cpu: usize): bool { return (load<i64>(cpu, FL_RES) < 0) != ((load<u32>(cpu, FL_OP) & FL_SF_DELTA) != 0); }
export function parity(cpu: usize): bool { return (popcnt<u32>((load<u32>(cpu, FL_RES) ^ (load<u32>(cpu, FL_OP) >> FL_PF_SHIFT)) & 0xff) & 1) == 0; }

/** Condition code `cc` (the low four bits of Jcc). */
export function cond(cpu: usize, cc: u32): bool {
  let r: bool = false;
  switch (cc >> 1) {
    case 0: r = overflow(cpu); break;
    case 1: r = carry(cpu); break;
    case 2: r = load<u64>(cpu, FL_RES) == 0; break;
    case 3: r = load<u64>(cpu, FL_RES) == 0 || carry(cpu); break;
    case 4: r = sign(cpu); break;
    case 5: r = parity(cpu); break;
    case 6: r = sign(cpu) != overflow(cpu); break;
    default: r = load<u64>(cpu, FL_RES) == 0 || sign(cpu) != overflow(cpu); break;
  }
  return (cc & 1) != 0 ? !r : r;
}

/** The whole RFLAGS. Additions and subtractions, which leave the flags of most code, take a way of their own without further cases. */
export function getFlags(cpu: usize): u32 {
  const op = load<u32>(cpu, FL_OP), kind = op & 15, r = load<i64>(cpu, FL_RES);
  const rest = load<u32>(cpu, FLAGS_REST) | 2 | (r == 0 ? ZF : 0) | (parity(cpu) ? PF : 0) | (sign(cpu) ? SF : 0);
  if ((op & (FL_CF_GIVEN | FL_OF_GIVEN)) == 0) {
    if (kind == FK_EXPLICIT) return rest | (load<u32>(cpu, FL_A) & (CF | OF | AF));
    if (kind - FK_ADD <= FK_SUB - FK_ADD) {
      // a - b = r is r + b = a: the carries of a sum are the borrows of a difference with the first operand and the result exchanged.
      const x = load<i64>(cpu, FL_A), b = load<i64>(cpu, FL_B), a = kind == FK_ADD ? x : r, sum = kind == FK_ADD ? r : x;
      const c = (a & b) | ((a | b) & ~sum), o = (a ^ sum) & (b ^ sum);
      return rest | <u32>(<u64>c >> 63) | (<u32>(x ^ b ^ r) & AF) | (<u32>(<u64>o >> 52) & OF);
    }
  }
  return rest | (carry(cpu) ? CF : 0) | (adjust(cpu) ? AF : 0) | (overflow(cpu) ? OF : 0);
}

/** Sets the six status flags from an RFLAGS value. */
export function setStatus(cpu: usize, f: u32): void {
  const res: i64 = (f & ZF) != 0 ? 0 : 1;
  // parity of res: 0 -> even, 1 -> odd
  const even = (f & ZF) != 0, want = (f & PF) != 0;
  store<i64>(cpu, res, FL_RES);
  store<u64>(cpu, <u64>(f & (CF | OF | AF)), FL_A);
  store<u64>(cpu, 0, FL_B);
  store<u32>(cpu, FK_EXPLICIT | (even != want ? 1 << FL_PF_SHIFT : 0) | ((f & SF) != 0 ? FL_SF_DELTA : 0), FL_OP);
}

/** Puts the lazy fields into the one form that stands for their flags, so that equal states are equal bytes. */
export function materialize(cpu: usize): void { setStatus(cpu, getFlags(cpu)); }

/** Sets the whole RFLAGS; the caller has checked which bits may change. */
export function setFlags(cpu: usize, f: u32): void {
  setStatus(cpu, f);
  store<u32>(cpu, (f & ~STATUS_FLAGS & 0x3f7fd7) | 2, FLAGS_REST);
}

/** Result flags ZF SF PF from `res` (sign-extended), with CF, OF and AF given as RFLAGS bits. */
export function setExplicit(cpu: usize, res: i64, cfofaf: u32): void {
  store<i64>(cpu, res, FL_RES);
  store<u64>(cpu, <u64>cfofaf, FL_A);
  store<u32>(cpu, FK_EXPLICIT, FL_OP);
}

/** Replaces CF OF AF (as bits in `f`), keeps ZF SF PF as they are. */
export function keepZsp(cpu: usize, f: u32): void {
  const op = load<u32>(cpu, FL_OP);
  store<u64>(cpu, <u64>f, FL_A);
  store<u32>(cpu, (op & 0x1ff00) | FK_EXPLICIT, FL_OP);
}

/** Replaces CF and keeps every other flag. */
export function setCarry(cpu: usize, on: bool): void {
  store<u32>(cpu, (load<u32>(cpu, FL_OP) & ~FL_CF) | FL_CF_GIVEN | (on ? FL_CF : 0), FL_OP);
}
/** Replaces OF and keeps every other flag. */
export function setOverflow(cpu: usize, on: bool): void {
  store<u32>(cpu, (load<u32>(cpu, FL_OP) & ~FL_OF) | FL_OF_GIVEN | (on ? FL_OF : 0), FL_OP);
}
/** Replaces CF and OF and keeps every other flag (rotates). Both are 0 or 1. */
export function setCarryOverflow(cpu: usize, c: u32, o: u32): void {
  store<u32>(cpu, (load<u32>(cpu, FL_OP) & ~(FL_CF | FL_OF)) | FL_CF_GIVEN | FL_OF_GIVEN | c << 21 | o << 23, FL_OP);
}
