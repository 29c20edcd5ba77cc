import { carry, CF, FK_LOGIC, overflow, setCarry, setExplicit, setOverflow, setStatus, ZF } from '../core/flags';
import { FL_OP, FL_RES } from '../core/layout';
import { legacy, segmentAddress } from '../core/linear';
import { OP_ADDRESS_SIZE, OP_BYTES, OP_R0, OP_R1, OP_SEGMENT } from '../core/op';
import { ea, loadAt, narrowed, loadForWriteAt, register, storeAt } from '../core/operand';
import { trap } from '../core/trap';
import { extend } from './alu';

// Single bits, counts of bits, and the bit-field instructions of BMI1, BMI2 and ADX (SDM vol. 2).

function indexOf<T>(n: T): u64 { return <u64>n & ((sizeof<T>() << 3) - 1); }

/** BT and its relatives change CF alone (OF, SF, AF and PF are undefined, ZF stays). The bit number is taken modulo the size. */
export function bt<T>(cpu: usize, a: T, n: T): void { setCarry(cpu, ((<u64>a >> indexOf<T>(n)) & 1) != 0); }
export function bts<T>(cpu: usize, a: T, n: T): T { bt<T>(cpu, a, n); return <T>(<u64>a | (<u64>1 << indexOf<T>(n))); }
export function btr<T>(cpu: usize, a: T, n: T): T { bt<T>(cpu, a, n); return <T>(<u64>a & ~(<u64>1 << indexOf<T>(n))); }
export function btc<T>(cpu: usize, a: T, n: T): T { bt<T>(cpu, a, n); return <T>(<u64>a ^ (<u64>1 << indexOf<T>(n))); }

/** With memory and a register, the bit number is a signed offset from the operand: the unit that holds the bit is accessed. */
function unitAddress<T>(cpu: usize, ip: usize, write: bool): u64 {
  const unit = extend<T>(register<T>(cpu, ip, OP_R1)) >> (sizeof<T>() == 8 ? 6 : sizeof<T>() == 4 ? 5 : 4);
  const va = ea(cpu, ip) + <u64>(unit * sizeof<T>());
  // Outside 64-bit mode `ea` is the operand's offset, not checked yet (records: bytes 0).
  if (legacy(cpu)) return segmentAddress(cpu, <usize>load<u8>(ip, OP_SEGMENT), <u32>narrowed(ip, va), sizeof<T>(), write);
  if (load<u8>(ip, OP_ADDRESS_SIZE) == 3) return va;
  // The offset wraps at 32 bits, and the segment base, which the micro-op before this one has added already, comes on top.
  const base = load<u64>(cpu + <usize>load<u8>(ip - OP_BYTES, OP_R0));
  return base + <u64><u32>(va - base);
}
export function btFar<T>(cpu: usize, ip: usize): void {
  const va = unitAddress<T>(cpu, ip, false);
  if (trap) return;
  const v = loadAt<T>(cpu, va);
  if (trap) return;
  bt<T>(cpu, v, register<T>(cpu, ip, OP_R1));
}
export function btsFar<T>(cpu: usize, ip: usize): void {
  const va = unitAddress<T>(cpu, ip, true);
  if (trap) return;
  const v = loadForWriteAt<T>(cpu, va);
  if (trap) return;
  storeAt<T>(cpu, va, bts<T>(cpu, v, register<T>(cpu, ip, OP_R1)));
}
export function btrFar<T>(cpu: usize, ip: usize): void {
  const va = unitAddress<T>(cpu, ip, true);
  if (trap) return;
  const v = loadForWriteAt<T>(cpu, va);
  if (trap) return;
  storeAt<T>(cpu, va, btr<T>(cpu, v, register<T>(cpu, ip, OP_R1)));
}
export function btcFar<T>(cpu: usize, ip: usize): void {
  const va = unitAddress<T>(cpu, ip, true);
  if (trap) return;
  const v = loadForWriteAt<T>(cpu, va);
  if (trap) return;
  storeAt<T>(cpu, va, btc<T>(cpu, v, register<T>(cpu, ip, OP_R1)));
}

/** BSF, BSR: a zero source sets ZF and leaves the destination, as AMD documents and Intel does. */
export function bsf<T>(cpu: usize, a: T, b: T): T {
  store<i64>(cpu, extend<T>(b), FL_RES);
  store<u32>(cpu, FK_LOGIC, FL_OP);
  return <u64>b == 0 ? a : <T>ctz<u64>(<u64>b);
}
export function bsr<T>(cpu: usize, a: T, b: T): T {
  store<i64>(cpu, extend<T>(b), FL_RES);
  store<u32>(cpu, FK_LOGIC, FL_OP);
  return <u64>b == 0 ? a : <T>(63 - clz<u64>(<u64>b));
}
/** TZCNT, LZCNT: CF says that the source is zero, ZF that the result is. */
export function tzcnt<T>(cpu: usize, b: T): T {
  const r: u64 = <u64>b == 0 ? sizeof<T>() << 3 : ctz<u64>(<u64>b);
  setExplicit(cpu, <i64>r, <u64>b == 0 ? CF : 0);
  return <T>r;
}
export function lzcnt<T>(cpu: usize, b: T): T {
  const r: u64 = clz<u64>(<u64>b) - (64 - (sizeof<T>() << 3));
  setExplicit(cpu, <i64>r, <u64>b == 0 ? CF : 0);
  return <T>r;
}
/** POPCNT: ZF by the source, all other flags clear. */
export function popcount<T>(cpu: usize, b: T): T {
  setStatus(cpu, <u64>b == 0 ? ZF : 0);
  return <T>popcnt<u64>(<u64>b);
}

/** Result flags SF and ZF, CF as given, OF clear. */
function fieldFlags<T>(cpu: usize, r: T, cf: bool): T {
  setExplicit(cpu, extend<T>(r), cf ? CF : 0);
  return r;
}
export function andn<T>(cpu: usize, a: T, b: T): T { return fieldFlags<T>(cpu, <T>(~a & b), false); }
export function blsr<T>(cpu: usize, b: T): T { return fieldFlags<T>(cpu, <T>(b & (b - <T>1)), b == <T>0); }
export function blsmsk<T>(cpu: usize, b: T): T { return fieldFlags<T>(cpu, <T>(b ^ (b - <T>1)), b == <T>0); }
export function blsi<T>(cpu: usize, b: T): T { return fieldFlags<T>(cpu, <T>(b & (<T>0 - b)), b != <T>0); }
/** BEXTR: start in bits 7-0 of the control, length in bits 15-8. */
export function bextr<T>(cpu: usize, a: T, control: T): T {
  const start = <u64>control & 0xff, length = (<u64>control >> 8) & 0xff;
  const shifted: u64 = start < 64 ? <u64>a >> start : 0;
  return fieldFlags<T>(cpu, <T>(length < 64 ? shifted & ((<u64>1 << length) - 1) : shifted), false);
}
export function bzhi<T>(cpu: usize, a: T, b: T): T {
  const n = <u64>b & 0xff, bits: u64 = sizeof<T>() << 3;
  return fieldFlags<T>(cpu, n < bits ? <T>(<u64>a & ((<u64>1 << n) - 1)) : a, n >= bits);
}
/** PDEP: the low bits of `a`, in order, to where `mask` has ones. */
export function pdep<T>(_cpu: usize, a: T, mask: T): T {
  let r: u64 = 0, left = <u64>mask, source = <u64>a;
  while (left != 0) {
    const bit = left & (0 - left);
    if ((source & 1) != 0) r |= bit;
    source >>= 1;
    left ^= bit;
  }
  return <T>r;
}
/** PEXT: the bits of `a` where `mask` has ones, packed. */
export function pext<T>(_cpu: usize, a: T, mask: T): T {
  let r: u64 = 0, left = <u64>mask, at: u64 = 0;
  while (left != 0) {
    const bit = left & (0 - left);
    if ((<u64>a & bit) != 0) r |= <u64>1 << at;
    at++;
    left ^= bit;
  }
  return <T>r;
}

function countOf<T>(n: T): u64 { return <u64>n & ((sizeof<T>() << 3) - 1); }
/** Shifts and rotates without flags. */
export function rorx<T>(_cpu: usize, a: T, n: T): T { return rotr<T>(a, <T>(<u64>n & ((sizeof<T>() << 3) - 1))); }
export function shlx<T>(_cpu: usize, a: T, n: T): T { return <T>(<u64>a << countOf<T>(n)); }
export function shrx<T>(_cpu: usize, a: T, n: T): T { return <T>(<u64>a >> countOf<T>(n)); }
export function sarx<T>(_cpu: usize, a: T, n: T): T { return <T>(extend<T>(a) >> <i64>countOf<T>(n)); }

/** ADCX adds with CF, ADOX with OF; each changes that flag alone. */
export function adcx<T>(cpu: usize, a: T, b: T): T {
  const r = <T>(a + b + <T>(carry(cpu) ? 1 : 0));
  setCarry(cpu, carriesOut<T>(a, b, r));
  return r;
}
export function adox<T>(cpu: usize, a: T, b: T): T {
  const r = <T>(a + b + <T>(overflow(cpu) ? 1 : 0));
  setOverflow(cpu, carriesOut<T>(a, b, r));
  return r;
}
function carriesOut<T>(a: T, b: T, r: T): bool { return ((extend<T>(a) & extend<T>(b)) | ((extend<T>(a) | extend<T>(b)) & ~extend<T>(r))) < 0; }

/** CRC32 with the polynomial 11EDC6F41 (Castagnoli), bits in reflected order; 32-bit result in a 32- or 64-bit register. */
export function crc32<T, S>(_cpu: usize, a: T, b: S): T {
  let c = <u32>a, v = <u64>b;
  for (let i: usize = 0; i < sizeof<S>(); i++) {
    c ^= <u32>v & 0xff;
    v >>= 8;
    for (let k = 0; k < 8; k++) c = (c >> 1) ^ (0x82f63b78 & (0 - (c & 1)));
  }
  return <T>c;
}
