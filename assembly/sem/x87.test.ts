import { describe, expect, test } from 'vitest';
import * as abi from '../../emulator/core/abi.ts';
import { type Box, CODE, createBox, DATA, frame, get, hex, load, read64, reg, run, set, setReg, setSegment, vectorOf } from '../core/testbox.ts';

// What an Intel processor (family 6, model 85) made of each: before, | after. Columns: name | code, control word, status word, abridged tags, ST(0), ST(1), memory at RDI | the
// same after. ST(2) to ST(7) are 1; an 80-bit number is its sign and exponent, then its significand.
const CASES = `
FADD to nearest             | d8c1 37f 0000 7f 3fff8000000000000000 3fbf8000000000000001 -                   | 37f 0220 7f 3fff8000000000000001 3fbf8000000000000001 00000000000000000000
FADD up                     | d8c1 b7f 0000 7f 3fff8000000000000000 3fbf8000000000000001 -                   | b7f 0220 7f 3fff8000000000000001 3fbf8000000000000001 00000000000000000000
FADD to 24 bits             | d8c1 07f 0000 7f 3fff8000000000000000 3fe6ffffffffffffffff -                   | 07f 0020 7f 3fff8000000000000000 3fe6ffffffffffffffff 00000000000000000000
FADD to 53 bits             | d8c1 27f 0000 7f 3fff8000000000000000 3fc9ffffffffffffffff -                   | 27f 0020 7f 3fff8000000000000000 3fc9ffffffffffffffff 00000000000000000000
FSUB to -0 rounding down    | d8e1 77f 0000 7f 3fff8000000000000000 3fff8000000000000000 -                   | 77f 0000 7f 80000000000000000000 3fff8000000000000000 00000000000000000000
FSUB of infinities          | d8e1 37f 0000 7f 7fff8000000000000000 7fff8000000000000000 -                   | 37f 0001 7f ffffc000000000000000 7fff8000000000000000 00000000000000000000
FMUL overflow               | d8c9 37f 0000 7f 7ffeffffffffffffffff 40008000000000000000 -                   | 37f 0228 7f 7fff8000000000000000 40008000000000000000 00000000000000000000
FMUL overflow towards zero  | d8c9 f7f 0000 7f 7ffeffffffffffffffff 40008000000000000000 -                   | f7f 0028 7f 7ffeffffffffffffffff 40008000000000000000 00000000000000000000
FMUL overflow unmasked      | d8c9 377 0000 7f 7ffeffffffffffffffff 40008000000000000000 -                   | 377 8088 7f 1fffffffffffffffffff 40008000000000000000 00000000000000000000
FMUL underflow              | d8c9 37f 0000 7f 00018000000000000000 3ffe8000000000000001 -                   | 37f 0030 7f 00004000000000000000 3ffe8000000000000001 00000000000000000000
FMUL exact denormal         | d8c9 37f 0000 7f 00018000000000000000 3ffe8000000000000000 -                   | 37f 0000 7f 00004000000000000000 3ffe8000000000000000 00000000000000000000
FMUL underflow unmasked     | d8c9 36f 0000 7f 00018000000000000000 3ffe8000000000000001 -                   | 36f 8090 7f 60008000000000000001 3ffe8000000000000001 00000000000000000000
FMUL 0 * infinity           | d8c9 37f 0000 7f 00000000000000000000 7fff8000000000000000 -                   | 37f 0001 7f ffffc000000000000000 7fff8000000000000000 00000000000000000000
FDIV 1/3                    | d8f1 37f 0000 7f 3fff8000000000000000 4000c000000000000000 -                   | 37f 0220 7f 3ffdaaaaaaaaaaaaaaab 4000c000000000000000 00000000000000000000
FDIV by zero                | d8f1 37f 0000 7f c0008000000000000000 00000000000000000000 -                   | 37f 0004 7f ffff8000000000000000 00000000000000000000 00000000000000000000
FDIV by zero unmasked       | d8f1 37b 0000 7f 3fff8000000000000000 00000000000000000000 -                   | 37b 8084 7f 3fff8000000000000000 00000000000000000000 00000000000000000000
FDIV 0/0                    | d8f1 37f 0000 7f 00000000000000000000 80000000000000000000 -                   | 37f 0001 7f ffffc000000000000000 80000000000000000000 00000000000000000000
FADD of two QNaNs           | d8c1 37f 0000 7f 7fffc000000000000001 ffffc000000000000002 -                   | 37f 0000 7f ffffc000000000000002 ffffc000000000000002 00000000000000000000
FADD SNaN and QNaN          | d8c1 37f 0000 7f 7fffa000000000000000 ffffc000000000000002 -                   | 37f 0001 7f ffffc000000000000002 ffffc000000000000002 00000000000000000000
FADD unnormal               | d8c1 37f 0000 7f 3fff0000000000000000 3fff8000000000000000 -                   | 37f 0001 7f ffffc000000000000000 3fff8000000000000000 00000000000000000000
FADD pseudo-denormal        | d8c1 37f 0000 7f 00008000000000000000 00008000000000000000 -                   | 37f 0002 7f 00028000000000000000 00008000000000000000 00000000000000000000
FADD denormal unmasked      | d8c1 37d 0000 7f 00000000000000000001 3fff8000000000000000 -                   | 37d 8082 7f 00000000000000000001 3fff8000000000000000 00000000000000000000
FADD m32 denormal           | d807 37f 0000 7f 3fff8000000000000000 3fff8000000000000000 01000000            | 37f 0022 7f 3fff8000000000000000 3fff8000000000000000 01000000000000000000
FADD empty                  | d8c1 37f 0000 fe 3fff8000000000000000 3fff8000000000000000 -                   | 37f 0041 ff ffffc000000000000000 3fff8000000000000000 00000000000000000000
FADD empty unmasked         | d8c1 37e 0000 fe 3fff8000000000000000 3fff8000000000000000 -                   | 37e 80c1 fe 3fff8000000000000000 3fff8000000000000000 00000000000000000000
FSQRT 2                     | d9fa 37f 0000 7f 40008000000000000000 3fff8000000000000000 -                   | 37f 0020 7f 3fffb504f333f9de6484 3fff8000000000000000 00000000000000000000
FSQRT -1                    | d9fa 37f 0000 7f bfff8000000000000000 3fff8000000000000000 -                   | 37f 0001 7f ffffc000000000000000 3fff8000000000000000 00000000000000000000
FSQRT -0                    | d9fa 37f 0000 7f 80000000000000000000 3fff8000000000000000 -                   | 37f 0000 7f 80000000000000000000 3fff8000000000000000 00000000000000000000
FRNDINT 2.5                 | d9fc 37f 0000 7f 4000a000000000000000 3fff8000000000000000 -                   | 37f 0020 7f 40008000000000000000 3fff8000000000000000 00000000000000000000
FRNDINT 2.5 up              | d9fc b7f 0000 7f 4000a000000000000000 3fff8000000000000000 -                   | b7f 0220 7f 4000c000000000000000 3fff8000000000000000 00000000000000000000
FSCALE                      | d9fd 37f 0000 7f 4000c000000000000000 c000a000000000000000 -                   | 37f 0000 7f 3ffec000000000000000 c000a000000000000000 00000000000000000000
FSCALE beyond wrapping      | d9fd 340 0000 7f 3fff8000000000000000 400fc000000000000000 -                   | 340 82a8 7f 7fff8000000000000000 400fc000000000000000 00000000000000000000
FXTRACT -12                 | d9f4 37f 0000 7f c002c000000000000000 3fff8000000000000000 -                   | 37f 3800 ff bfffc000000000000000 4000c000000000000000 00000000000000000000
FXTRACT 0                   | d9f4 37f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 3804 ff 00000000000000000000 ffff8000000000000000 00000000000000000000
FPREM                       | d9f8 37f 0000 7f 4005c000000000000000 4001a000000000000000 -                   | 37f 4200 7f 3fff8000000000000000 4001a000000000000000 00000000000000000000
FPREM1                      | d9f5 37f 0000 7f 4005c000000000000000 4001e000000000000000 -                   | 37f 4100 7f c0008000000000000000 4001e000000000000000 00000000000000000000
FPREM incomplete            | d9f8 37f 0000 7f 4063fedcba9876543211 3fff8000000000000001 -                   | 37f 0400 7f 403eca8641e048d159e4 3fff8000000000000001 00000000000000000000
FPREM by zero               | d9f8 37f 4500 7f 3fff8000000000000000 00000000000000000000 -                   | 37f 4101 7f ffffc000000000000000 00000000000000000000 00000000000000000000
FXAM -infinity              | d9e5 37f 0000 7f ffff8000000000000000 3fff8000000000000000 -                   | 37f 0700 7f ffff8000000000000000 3fff8000000000000000 00000000000000000000
FXAM denormal               | d9e5 37f 0000 7f 00000000000000000001 3fff8000000000000000 -                   | 37f 4400 7f 00000000000000000001 3fff8000000000000000 00000000000000000000
FXAM empty                  | d9e5 37f 0000 fe 80000000000000000000 3fff8000000000000000 -                   | 37f 4300 fe 80000000000000000000 3fff8000000000000000 00000000000000000000
FCOM less                   | d8d1 37f 0000 7f 3fff8000000000000000 40008000000000000000 -                   | 37f 0100 7f 3fff8000000000000000 40008000000000000000 00000000000000000000
FCOM QNaN                   | d8d1 37f 0000 7f 7fffc000000000000000 40008000000000000000 -                   | 37f 4501 7f 7fffc000000000000000 40008000000000000000 00000000000000000000
FUCOM QNaN                  | dde1 37f 0000 7f 7fffc000000000000000 40008000000000000000 -                   | 37f 4500 7f 7fffc000000000000000 40008000000000000000 00000000000000000000
FCOMPP QNaN unmasked        | ded9 37e 0000 7f 7fffc000000000000000 40008000000000000000 -                   | 37e c581 7f 7fffc000000000000000 40008000000000000000 00000000000000000000
FLD m32 SNaN                | d907 37f 0000 7f 3fff8000000000000000 3fff8000000000000000 0100807f            | 37f 3801 ff 7fffc000010000000000 3fff8000000000000000 0100807f000000000000
FLD m64 denormal            | dd07 37f 0000 7f 3fff8000000000000000 3fff8000000000000000 0100000000000000    | 37f 3802 ff 3bcd8000000000000000 3fff8000000000000000 01000000000000000000
FLD m64 denormal unmasked   | dd07 37d 0000 7f 3fff8000000000000000 3fff8000000000000000 0100000000000000    | 37d b882 ff 3bcd8000000000000000 3fff8000000000000000 01000000000000000000
FLD m80 SNaN                | db2f 37f 0000 7f 3fff8000000000000000 3fff8000000000000000 00000000000000a0ff7f| 37f 3800 ff 7fffa000000000000000 3fff8000000000000000 00000000000000a0ff7f
FLD full stack              | dd07 37f 0000 ff 3fff8000000000000000 3fff8000000000000000 000000000000f03f    | 37f 3a41 ff ffffc000000000000000 3fff8000000000000000 000000000000f03f0000
FLDPI down                  | d9eb 77f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | 77f 3800 ff 4000c90fdaa22168c234 00000000000000000000 00000000000000000000
FLDPI                       | d9eb 37f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 3800 ff 4000c90fdaa22168c235 00000000000000000000 00000000000000000000
FLDL2T up                   | d9e9 b7f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | b7f 3800 ff 4000d49a784bcd1b8aff 00000000000000000000 00000000000000000000
FLDL2T                      | d9e9 37f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 3800 ff 4000d49a784bcd1b8afe 00000000000000000000 00000000000000000000
FST m32                     | d917 37f 0000 7f 3ffbcccccccccccccccd 3fff8000000000000000 -                   | 37f 0220 7f 3ffbcccccccccccccccd 3fff8000000000000000 cdcccc3d000000000000
FST m32 overflow            | d917 37f 0000 7f 7ffeffffffffffffffff 3fff8000000000000000 -                   | 37f 0228 7f 7ffeffffffffffffffff 3fff8000000000000000 0000807f000000000000
FST m32 overflow unmasked   | d917 377 0000 7f 7ffeffffffffffffffff 3fff8000000000000000 -                   | 377 8088 7f 7ffeffffffffffffffff 3fff8000000000000000 00000000000000000000
FSTP m32 underflow unmasked | d91f 36f 0000 7f 00018000000000000000 3fff8000000000000000 -                   | 36f 8090 7f 00018000000000000000 3fff8000000000000000 00000000000000000000
FSTP m64                    | dd1f 37f 0000 7f 3ffbcccccccccccccccd 3fff8000000000000000 -                   | 37f 0a20 7e 3fff8000000000000000 3fff8000000000000000 9a9999999999b93f0000
FSTP m64 denormal           | dd1f 37f 0000 7f 3bcd8000000000000001 3fff8000000000000000 -                   | 37f 0830 7e 3fff8000000000000000 3fff8000000000000000 01000000000000000000
FIST m16                    | df17 37f 0000 7f 400dfffe800000000000 3fff8000000000000000 -                   | 37f 0020 7f 400dfffe800000000000 3fff8000000000000000 ff7f0000000000000000
FIST m16 too large          | df17 37f 0000 7f 400e8000000000000000 3fff8000000000000000 -                   | 37f 0001 7f 400e8000000000000000 3fff8000000000000000 00800000000000000000
FISTP m32 nearest even      | db1f 37f 0000 7f 4000a000000000000000 3fff8000000000000000 -                   | 37f 0820 7e 3fff8000000000000000 3fff8000000000000000 02000000000000000000
FISTTP m64                  | dd0f 37f 0000 7f c03cffffffffffffffff 3fff8000000000000000 -                   | 37f 0820 7e 3fff8000000000000000 3fff8000000000000000 01000000000000c00000
FISTP m64 least             | df3f 37f 0000 7f c03e8000000000000000 3fff8000000000000000 -                   | 37f 0800 7e 3fff8000000000000000 3fff8000000000000000 00000000000000800000
FISTP m64 too large         | df3f 37f 0000 7f 403e8000000000000000 3fff8000000000000000 -                   | 37f 0801 7e 3fff8000000000000000 3fff8000000000000000 00000000000000800000
FILD m64                    | df2f 37f 0000 7f 00000000000000000000 3fff8000000000000000 ffffffffffffff7f    | 37f 3800 ff 403dfffffffffffffffe 00000000000000000000 ffffffffffffff7f0000
FBLD                        | df27 37f 0000 7f 00000000000000000000 3fff8000000000000000 78563412907856341280| 37f 3800 ff c037db4da5d31879a700 00000000000000000000 78563412907856341280
FBSTP                       | df37 37f 0000 7f c01dedcba987654321f0 3fff8000000000000000 -                   | 37f 0a20 7e 3fff8000000000000000 3fff8000000000000000 00377794190000000080
FBSTP too large             | df37 37f 0000 7f 403ade0b6b3a76400000 3fff8000000000000000 -                   | 37f 0801 7e 3fff8000000000000000 3fff8000000000000000 00000000000000c0ffff
FST ST(3)                   | ddd3 37f 0000 7f 4000c000000000000000 3fff8000000000000000 -                   | 37f 0000 7f 4000c000000000000000 3fff8000000000000000 00000000000000000000
FXCH empty                  | d9c9 37f 0000 fd 4000c000000000000000 3fff8000000000000000 -                   | 37f 0041 ff ffffc000000000000000 4000c000000000000000 00000000000000000000
FINCSTP                     | d9f7 37f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 0800 7f 3fff8000000000000000 3fff8000000000000000 00000000000000000000
FFREE                       | ddc1 37f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 0000 7d 00000000000000000000 3fff8000000000000000 00000000000000000000
FNCLEX                      | dbe2 37f 007f 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 0000 7f 00000000000000000000 3fff8000000000000000 00000000000000000000
FNINIT                      | dbe3 37f 3800 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 0000 00 3fff8000000000000000 3fff8000000000000000 00000000000000000000
F2XM1 0.5                   | d9f0 37f 0000 7f 3ffe8000000000000000 3fff8000000000000000 -                   | 37f 0020 7f 3ffdd413cccfe7799211 3fff8000000000000000 00000000000000000000
F2XM1 -infinity             | d9f0 37f 0000 7f ffff8000000000000000 3fff8000000000000000 -                   | 37f 0000 7f bfff8000000000000000 3fff8000000000000000 00000000000000000000
FYL2X log2 10               | d9f1 37f 0000 7f 4002a000000000000000 3fff8000000000000000 -                   | 37f 0820 7e 4000d49a784bcd1b8afe 3fff8000000000000000 00000000000000000000
FYL2X log2 0                | d9f1 37f 0000 7f 00000000000000000000 3fff8000000000000000 -                   | 37f 0804 7e ffff8000000000000000 3fff8000000000000000 00000000000000000000
FYL2XP1                     | d9f9 37f 0000 7f 3ffb8000000000000000 4000c000000000000000 -                   | 37f 0a20 7e 3ffd8657c9e0b67286ed 3fff8000000000000000 00000000000000000000
FPTAN 1                     | d9f2 37f 0000 7f 3fff8000000000000000 3fff8000000000000000 -                   | 37f 3820 ff 3fff8000000000000000 3fffc75922e5f71d2dc5 00000000000000000000
FPATAN 1, 3                 | d9f3 37f 0000 7f 4000c000000000000000 3fff8000000000000000 -                   | 37f 0820 7e 3ffda4bc7d1934f70924 3fff8000000000000000 00000000000000000000
FPATAN -1, -1               | d9f3 37f 0000 7f bfff8000000000000000 bfff8000000000000000 -                   | 37f 0a20 7e c00096cbe3f9990e91a8 3fff8000000000000000 00000000000000000000
FSIN 1                      | d9fe 37f 0000 7f 3fff8000000000000000 3fff8000000000000000 -                   | 37f 0220 7f 3ffed76aa47848677021 3fff8000000000000000 00000000000000000000
FSIN pi                     | d9fe 37f 0000 7f 4000c90fdaa22168c235 3fff8000000000000000 -                   | 37f 0220 7f bfbf8000000000000000 3fff8000000000000000 00000000000000000000
FSIN 2^62                   | d9fe 37f 0000 7f 403d8000000000000000 3fff8000000000000000 -                   | 37f 0020 7f bffeb506a9dd559cf157 3fff8000000000000000 00000000000000000000
FSIN 2^63                   | d9fe 37f 4100 7f 403e8000000000000000 3fff8000000000000000 -                   | 37f 4500 7f 403e8000000000000000 3fff8000000000000000 00000000000000000000
FCOS infinity               | d9ff 37f 0000 7f 7fff8000000000000000 3fff8000000000000000 -                   | 37f 0001 7f ffffc000000000000000 3fff8000000000000000 00000000000000000000
FCOS 2                      | d9ff 37f 0000 7f 40008000000000000000 3fff8000000000000000 -                   | 37f 0220 7f bffdd51132ba9b902522 3fff8000000000000000 00000000000000000000
FSINCOS 0.5                 | d9fb 37f 0000 7f 3ffe8000000000000000 3fff8000000000000000 -                   | 37f 3a20 ff 3ffee0a94032dbea7cee 3ffdf57743a2582f7f44 00000000000000000000
FSINCOS denormal            | d9fb 37f 0000 7f 00000000000000000001 3fff8000000000000000 -                   | 37f 3832 ff 3fff8000000000000000 00000000000000000001 00000000000000000000
`;

const FPU_IP = 0x540, FPU_DP = 0x548, FPU_OP = 0x550;
const CR0_MP = 2n, CR0_EM = 4n, CR0_TS = 8n, CR0_NE = 32n;

function word(b: Box, at: number, v?: number): number {
  if (v !== undefined) b.view.setUint32(b.cpu + at, v, true);
  return b.view.getUint32(b.cpu + at, true);
}
const top = (b: Box): number => (word(b, abi.FSW) >> 11) & 7;
function setSt(b: Box, i: number, text: string): void {
  const at = b.cpu + abi.ST + ((top(b) + i) & 7) * 16;
  b.view.setBigUint64(at, BigInt(`0x${text.slice(4)}`), true);
  b.view.setBigUint64(at + 8, BigInt(`0x${text.slice(0, 4)}`), true);
}
function st(b: Box, i: number): string {
  const at = b.cpu + abi.ST + ((top(b) + i) & 7) * 16;
  return b.view.getBigUint64(at + 8, true).toString(16).padStart(4, '0') + b.view.getBigUint64(at, true).toString(16).padStart(16, '0');
}
const ONE = '3fff8000000000000000', TWO = '40008000000000000000';
/** A program with the x87 as FNINIT leaves it, ones in every register and all of them in use; RDI points at DATA. */
function fpu(code: string, { fcw = 0x37f, fsw = 0, ftw = 0xff } = {}): Box {
  const b = createBox(code);
  word(b, abi.FCW, fcw); word(b, abi.FSW, fsw); word(b, abi.FTW, ftw);
  for (let i = 0; i < 8; i++) setSt(b, i, ONE);
  setReg(b, 'rdi', BigInt(DATA));
  return b;
}
function cr0(b: Box, set1: bigint, clear = 0n): Box {
  set(b, abi.CR0, (get(b, abi.CR0) | set1) & ~clear);
  b.core.setState(0);
  return b;
}

describe('x87 instructions as on a processor', () => {
  for (const line of CASES.trim().split('\n')) {
    const [name, before, after] = line.split('|').map(s => s.trim());
    test(name, () => {
      const [code, fcw, fsw, ftw, st0, st1, memory] = before.split(/\s+/);
      const b = fpu(code, { fcw: parseInt(fcw, 16), fsw: parseInt(fsw, 16), ftw: parseInt(ftw, 16) });
      setSt(b, 0, st0); setSt(b, 1, st1);
      if (memory !== '-') load(b, DATA, hex(memory));
      run(b, 1);
      expect(get(b, abi.RIP)).toBe(BigInt(CODE + code.length / 2));
      const digits = (v: number, n: number): string => v.toString(16).padStart(n, '0');
      const bytes = Buffer.from(b.bytes.subarray(b.ram + DATA, b.ram + DATA + 10)).toString('hex');
      expect([digits(word(b, abi.FCW), 3), digits(word(b, abi.FSW), 4), digits(word(b, abi.FTW), 2), st(b, 0), st(b, 1), bytes].join(' ')).toBe(after);
    });
  }
});

describe('x87 exceptions and pointers', () => {
  test('an unmasked exception is reported by the next waiting instruction, not by FNSTSW', () => {
    const b = fpu('d8 37 dfe0 d9e8 f4' /* fdiv dword [rdi]; fnstsw ax; fld1; hlt */, { fcw: 0x37b, ftw: 0x7f });
    load(b, DATA, hex('00000000'));
    expect(vectorOf(b)).toBe(16);
    expect(frame(b).rip).toBe(BigInt(CODE + 4));
    expect(Number(reg(b, 'rax')) & 0xffff).toBe(0x8084);
    // Opcode and operand of the one that went wrong (SDM vol. 1, 8.1.8 and 8.1.9).
    expect([get(b, FPU_IP), get(b, FPU_DP), word(b, FPU_OP)]).toEqual([BigInt(CODE), BigInt(DATA), 0x037 & 0x7ff]);
  });
  test('MMX and WAIT report it too; FNINIT, FNCLEX, FNSTENV and FNSAVE do not', () => {
    for (const code of ['0ffcc1', '0f77', '9b', 'd9e8', 'd92f', 'd927', 'dd27']) expect(vectorOf(fpu(code + 'f4', { fcw: 0x37e, fsw: 0x8081 }))).toBe(16);
    for (const code of ['dbe3', 'dbe2', 'd937', 'dd37', 'd93f', 'dd3f', 'dbe0']) expect(vectorOf(fpu(code + 'f4', { fcw: 0x37e, fsw: 0x8081 }))).toBe(-1);
  });
  test('FLDCW that unmasks a sticky flag makes it pending', () => {
    const b = fpu('d92f 9b f4', { fsw: 1 });
    load(b, DATA, hex('7e03'));
    expect(vectorOf(b)).toBe(16);
    expect(word(b, abi.FSW)).toBe(0x8081);
  });
  test('FDP is the offset in the segment, also after an address-size override', () => {
    for (const code of ['65 d8 34 25 00 00 00 00', '65 67 d8 34 25 00 00 00 00']) {
      const b = fpu(code, { fcw: 0x37b });
      set(b, abi.GS_BASE, BigInt(DATA));
      run(b, 1);
      expect([word(b, abi.FSW), get(b, FPU_DP), word(b, FPU_OP)]).toEqual([0x8084, 0n, 0x34]);
    }
  });
  test('a store that cannot be made changes nothing', () => {
    const b = fpu('d91d 00000000 f4'.replace('00000000', '00000010') /* fstp dword [rip + 10000000h], past what is mapped */);
    setSt(b, 0, '3ffbcccccccccccccccd');
    expect(vectorOf(b)).toBe(14);
    expect([word(b, abi.FSW), word(b, abi.FTW), get(b, FPU_IP)]).toEqual([0, 0xff, 0n]);
  });
  test('CR0.EM and CR0.TS: #NM for x87, #UD or #NM for MMX, WAIT only with MP', () => {
    expect(vectorOf(cr0(fpu('d9e8f4'), CR0_EM))).toBe(7);
    expect(vectorOf(cr0(fpu('d9e8f4'), CR0_TS))).toBe(7);
    expect(vectorOf(cr0(fpu('0ffcc1f4'), CR0_EM))).toBe(6);
    expect(vectorOf(cr0(fpu('0ffcc1f4'), CR0_TS))).toBe(7);
    expect(vectorOf(cr0(fpu('9bf4'), CR0_EM | CR0_TS, CR0_MP))).toBe(-1);
    expect(vectorOf(cr0(fpu('9bf4'), CR0_TS | CR0_MP))).toBe(7);
  });
  test('with CR0.NE clear a waiting instruction drives FERR# and stands still; IGNNE# lets it run until the exception is cleared', () => {
    // fdiv st0, st7; fld1; fld1; fnclex; fdiv st0, st7; wait; hlt
    const b = cr0(fpu('d8f7 d9e8 d9e8 dbe2 d8f7 9b f4', { fcw: 0x37b, ftw: 0xcf }), 0n, CR0_NE);
    setSt(b, 7, '00000000000000000000');
    const awake = (): void => { word(b, abi.ACTIVITY, 0); b.core.setState(0); };
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect([get(b, abi.RIP), b.log, word(b, abi.FTW)]).toEqual([BigInt(CODE + 2), ['ferr 1'], 0xcf]);
    // An interrupt comes, and its handler returns: nothing has changed.
    awake();
    expect(run(b)).toBe(abi.EXIT_HALT);
    expect(get(b, abi.RIP)).toBe(BigInt(CODE + 2));
    awake();
    b.core.ignne(1);
    word(b, abi.FTW, 0);
    b.log.length = 0;
    expect(run(b)).toBe(abi.EXIT_HALT);
    // FNCLEX took both lines back; the second division finds empty registers, which is masked, so that WAIT goes by.
    expect([get(b, abi.RIP), b.log]).toEqual([BigInt(CODE + 12), ['ferr 0']]);
  });
  test('FNSTENV: tag word, pointers without selectors, 28 or 14 bytes; all exceptions masked afterwards', () => {
    const environment = (code: string): Box => {
      const b = fpu(`d9d0 ${code} f4`, { fcw: 0x340, ftw: 0x7f, fsw: 0x3000 });
      // ST(0) is R6, R7 is empty, then R0.
      setSt(b, 0, '00000000000000000001'); setSt(b, 2, '00000000000000000000'); setSt(b, 3, '7fff8000000000000000');
      set(b, FPU_DP, 0x12345678n);
      expect(vectorOf(b)).toBe(-1);
      expect(word(b, abi.FCW)).toBe(0x37f);
      return b;
    };
    const wide = environment('d937'), narrow = environment('66d937');
    const at = (b: Box, bytes: number, i: number): number => Number(read64(b, DATA + i * bytes) & ((1n << BigInt(bytes * 8)) - 1n));
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(i => at(wide, 4, i))).toEqual([0xffff0340, 0xffff3000, 0xffffe009, CODE, 0, 0x12345678, 0xffff0000, 0]);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(i => at(narrow, 2, i))).toEqual([0x340, 0x3000, 0xe009, CODE & 0xffff, 0, 0x5678, 0, 0]);
  });
});

test('FXRSTOR64 keeps 48 bits of FIP and FDP; FXSAVE64 stores them sign-extended', () => {
  const b = fpu('480fae0f 480fae8700020000 f4');
  load(b, DATA, hex('7f03000000000000' + '8877665544332211' + '88776655448322a1' + '801f0000'));
  expect(vectorOf(b)).toBe(-1);
  expect([get(b, FPU_IP), get(b, FPU_DP)]).toEqual([0x334455667788n, 0xffff834455667788n]);
  expect([read64(b, DATA + 0x208), read64(b, DATA + 0x210)]).toEqual([0x334455667788n, 0xffff834455667788n]);
});

describe('x87 environments outside 64-bit mode', () => {
  /** FDIV dword [rDI] by zero, then FNSTENV [rDI + 16], with segment bases of 1000h; the environment as hex. */
  function environment(code: string, access: number, real = false): string {
    const b = fpu(`${code} f4`, { fcw: 0x37b });
    if (real) { set(b, abi.CR0, 0x30n); set(b, abi.EFER, 0n); set(b, abi.RIP, 0n); }
    setSegment(b, abi.SEG_CS, real ? 0x1000 : 8, access, real ? BigInt(CODE) : 0n);
    for (const s of [abi.SEG_DS, abi.SEG_SS]) setSegment(b, s, 0x10, 0xc093, 0x1000n);
    b.core.setState(0);
    setReg(b, 'rdi', BigInt(DATA - 0x1000));
    load(b, DATA, hex('00000000'));
    expect(run(b)).toBe(abi.EXIT_HALT);
    return Buffer.from(b.bytes.subarray(b.ram + DATA + 16, b.ram + DATA + 44)).toString('hex');
  }
  const CODE32 = 0xc09b, CODE16 = 0x809b, REAL = 0x9b;
  test('FDP is the offset in its segment; the size is that of operands', () => {
    expect(environment('d837 d97710', CODE32)).toBe('7b03ffff8480ffff0000ffff000001000000370000f001000000ffff');
    expect(environment('d837 66d97710', CODE32).slice(0, 28)).toBe('7b038480000000000000' + '00f00000');
    expect(environment('67d837 67d97710', CODE16).slice(0, 28)).toBe('7b038480000000000000' + '00f00000');
  });
  test('real mode: 20 and 32 bits of address, the opcode beside them', () => {
    expect(environment('67d837 67d97710', REAL, true).slice(0, 28)).toBe('7b03848000000000' + '3700' + '00f0' + '0010');
    expect(environment('67d837 6667d97710', REAL, true)).toBe('7b03ffff8480ffff0000ffff0000ffff3700000000f0ffff00100000');
  });
});

describe('MMX', () => {
  test('marks every register in use, sets TOP to 0, leaves ones above the result', () => {
    const b = fpu('0ffcc1 f4' /* paddb mm0, mm1 */, { fsw: 0x2800, ftw: 0 });
    expect(vectorOf(b)).toBe(-1);
    expect([word(b, abi.FSW), word(b, abi.FTW), st(b, 0), st(b, 1)]).toEqual([0, 0xff, 'ffff0000000000000000', ONE]);
  });
  test('EMMS empties the stack', () => {
    const b = fpu('0f77 f4', { fsw: 0x2800 });
    expect(vectorOf(b)).toBe(-1);
    expect([word(b, abi.FSW), word(b, abi.FTW)]).toEqual([0, 0]);
  });
  test('a conversion from memory does not touch the stack', () => {
    const b = fpu('0f2a07 f4' /* cvtpi2ps xmm0, [rdi] */, { fsw: 0x2800, ftw: 0 });
    expect(vectorOf(b)).toBe(-1);
    expect([word(b, abi.FSW), word(b, abi.FTW)]).toEqual([0x2800, 0]);
  });
});
