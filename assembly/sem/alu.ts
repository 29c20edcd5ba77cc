import { carry, FK_ADD, FK_LOGIC, FK_SUB, FL_CF, FL_CF_GIVEN } from '../core/flags';
import { FL_A, FL_B, FL_OP, FL_RES } from '../core/layout';

// Addition, subtraction, logic and comparison. Each leaves its lazy flags (core/flags.ts).

/** Sign-extends a value of any operand size. */
export function extend<T>(v: T): i64 {
  if (sizeof<T>() == 1) return <i64><i8>v;
  if (sizeof<T>() == 2) return <i64><i16>v;
  if (sizeof<T>() == 4) return <i64><i32>v;
  return <i64>v;
}

function flags<T>(cpu: usize, kind: u32, r: T, a: T, b: T): void {
  store<i64>(cpu, extend<T>(r), FL_RES);
  store<i64>(cpu, extend<T>(a), FL_A);
  store<i64>(cpu, extend<T>(b), FL_B);
  store<u32>(cpu, kind, FL_OP);
}

function logicFlags<T>(cpu: usize, r: T): T {
  store<i64>(cpu, extend<T>(r), FL_RES);
  store<u32>(cpu, FK_LOGIC, FL_OP);
  return r;
}

export function add<T>(cpu: usize, a: T, b: T): T {
  const r = <T>(a + b);
  flags<T>(cpu, FK_ADD, r, a, b);
  return r;
}
export function adc<T>(cpu: usize, a: T, b: T): T {
  const r = <T>(a + b + <T>(carry(cpu) ? 1 : 0));
  flags<T>(cpu, FK_ADD, r, a, b);
  return r;
}
export function sub<T>(cpu: usize, a: T, b: T): T {
  const r = <T>(a - b);
  flags<T>(cpu, FK_SUB, r, a, b);
  return r;
}
export function sbb<T>(cpu: usize, a: T, b: T): T {
  const r = <T>(a - b - <T>(carry(cpu) ? 1 : 0));
  flags<T>(cpu, FK_SUB, r, a, b);
  return r;
}
export function cmp<T>(cpu: usize, a: T, b: T): void { flags<T>(cpu, FK_SUB, <T>(a - b), a, b); }
export function and<T>(cpu: usize, a: T, b: T): T { return logicFlags<T>(cpu, <T>(a & b)); }
export function or<T>(cpu: usize, a: T, b: T): T { return logicFlags<T>(cpu, <T>(a | b)); }
export function xor<T>(cpu: usize, a: T, b: T): T { return logicFlags<T>(cpu, <T>(a ^ b)); }
export function test<T>(cpu: usize, a: T, b: T): void { logicFlags<T>(cpu, <T>(a & b)); }

/** INC and DEC keep CF. */
export function inc<T>(cpu: usize, a: T): T {
  const cf = carry(cpu), r = <T>(a + <T>1);
  flags<T>(cpu, FK_ADD | FL_CF_GIVEN | (cf ? FL_CF : 0), r, a, <T>1);
  return r;
}
export function dec<T>(cpu: usize, a: T): T {
  const cf = carry(cpu), r = <T>(a - <T>1);
  flags<T>(cpu, FK_SUB | FL_CF_GIVEN | (cf ? FL_CF : 0), r, a, <T>1);
  return r;
}

export function neg<T>(cpu: usize, a: T): T { return sub<T>(cpu, <T>0, a); }
/** NOT changes no flag. */
export function not<T>(_cpu: usize, a: T): T { return <T>~a; }
