// F16C: conversions between binary16 and binary32 (SDM vol. 1, 14.4).

import { sseBegin, sseFaults } from './fp';
import { fpFromHalf, fpRound, fpToHalf } from './softfloat';

export function vcvtph2ps(cpu: usize, d: usize, s: usize): void {
  sseBegin(cpu);
  const r0 = fpFromHalf(load<u16>(s)), r1 = fpFromHalf(load<u16>(s, 2)), r2 = fpFromHalf(load<u16>(s, 4)), r3 = fpFromHalf(load<u16>(s, 6));
  if (sseFaults(cpu)) return;
  store<u32>(d, r0); store<u32>(d, r1, 4); store<u32>(d, r2, 8); store<u32>(d, r3, 12);
}
/** imm8 bits 1-0 are the rounding mode unless bit 2 says "as MXCSR". The upper half of the lane is zeroed. */
export function vcvtps2ph(cpu: usize, d: usize, s: usize, imm: u32): void {
  sseBegin(cpu);
  if ((imm & 4) == 0) fpRound(imm & 3);
  const r0 = fpToHalf(load<u32>(s)), r1 = fpToHalf(load<u32>(s, 4)), r2 = fpToHalf(load<u32>(s, 8)), r3 = fpToHalf(load<u32>(s, 12));
  if (sseFaults(cpu)) return;
  store<u16>(d, r0); store<u16>(d, r1, 2); store<u16>(d, r2, 4); store<u16>(d, r3, 6);
  store<u64>(d, 0, 8);
}
