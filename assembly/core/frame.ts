import { CPL, RSP, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SS } from './layout';
import { canonical } from './mem';
import { ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, translateData } from './mmu';
import { is64, isLong } from './mode';
import { accessOf, AR_DB, baseOf, inLimit, limitOf, seg, stackDescriptor, stackFromTss } from './segments';
import { storeTranslated } from './physical';
import { raiseError, SS, trap } from './trap';

// A frame on a stack that need not be the present one: interrupts in the modes outside IA-32e mode, call gates, task switches.
// First the words are collected, then all of them are checked, then written; so a stack that faults leaves everything as it was.

const WORDS: usize = memory.data(48 * 8, 8);
let count: u32 = 0, size: u32 = 4;
let base: u64 = 0, limit: u32 = 0, access: u32 = 0, top: u64 = 0, mask: u64 = 0, rights: u32 = 0;

/** Starts a frame on the present stack, of words of `bytes` (2, 4, 8). */
export function beginFrame(cpu: usize, bytes: u32): void {
  const s = seg(cpu, SEG_SS), code64 = is64(cpu);
  begin(code64 ? 0 : load<u64>(s, SEG_BASE), load<u32>(s, SEG_LIMIT), load<u32>(s, SEG_ACCESS), load<u64>(cpu, RSP), code64, load<u32>(cpu, CPL), bytes);
}

/** Starts a frame on the stack that stackFromTss found, at privilege `level`; in IA-32e mode its segment is null and its pointer has 64 bits. */
export function beginFrameIn(cpu: usize, level: u32, bytes: u32): void {
  const d = stackDescriptor;
  if (isLong(cpu)) begin(0, 0, 0, stackFromTss, true, level, bytes);
  else begin(baseOf(d), limitOf(d), accessOf(d), stackFromTss, false, level, bytes);
}

function begin(segmentBase: u64, segmentLimit: u32, segmentAccess: u32, pointer: u64, flat: bool, level: u32, bytes: u32): void {
  count = 0; size = bytes;
  base = segmentBase; limit = segmentLimit; access = segmentAccess; top = pointer;
  mask = flat ? ~(<u64>0) : (segmentAccess & AR_DB) != 0 ? 0xffffffff : 0xffff;
  rights = ACCESS_WRITE | (level == 3 ? ACCESS_USER : ACCESS_IMPLICIT);
}

/** Adds the next word down. */
export function frameWord(v: u64): void {
  store<u64>(WORDS + (<usize>count << 3), v);
  count++;
}

/** Checks the stack segment's limit and the translations of the whole frame; #SS(`error`) or #PF. */
export function checkFrame(cpu: usize, error: u32): bool {
  for (let i: u32 = 1; i <= count; i++) {
    const offset = (top - <u64>(i * size)) & mask, va = linear(offset);
    if (mask == ~(<u64>0) ? !canonical(va) || !canonical(va + size - 1) : !inLimit(access, limit, <u32>offset, size)) { raiseError(cpu, SS, error); return false; }
    translateData(cpu, va, rights);
    if (!trap && ((va ^ (va + size - 1)) >> 12) != 0) translateData(cpu, linear(offset + size - 1), rights);
    if (trap) return false;
  }
  return true;
}

function linear(offset: u64): u64 { return mask == ~(<u64>0) ? offset : (base + offset) & 0xffffffff; }

/** Writes the checked frame; answers RSP below it: with a 16-bit stack only SP moves. */
export function writeFrame(cpu: usize): u64 {
  for (let i: u32 = 1; i <= count; i++) {
    const va = linear((top - <u64>(i * size)) & mask), v = load<u64>(WORDS + (<usize>(i - 1) << 3));
    if (((va ^ (va + size - 1)) >> 12) == 0) storeTranslated(cpu, va, translateData(cpu, va, rights), size, v);
    else for (let k: u32 = 0; k < size; k++) storeTranslated(cpu, va + k, translateData(cpu, va + k, rights), 1, (v >> (k << 3)) & 0xff);
  }
  const after = (top - <u64>(count * size)) & mask;
  return mask == 0xffff ? (top & ~mask) | after : after;
}
