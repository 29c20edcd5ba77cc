import { DF, zero } from '../core/flags';
import { alone, raiseAgain, trap } from '../core/trap';
import { inSegment, legacy, segmentAddress } from '../core/linear';
import { ATTENTION, CYCLES, FLAGS_REST, RAX, RCX, RDI, RSI, RUN_LIMIT, SEG_ES } from '../core/layout';
import { span } from '../core/mem';
import { OP_ADDRESS_SIZE, OP_FLAGS, OP_SEGMENT, OPF_REPNE } from '../core/op';
import { loadAt, pointer, setPointer, setRegister, sourceAddress, storeAt } from '../core/operand';
import { cmp } from './alu';

// String instructions (SDM vol. 2, MOVS, STOS, LODS, SCAS, CMPS, REP). The source is DS:RSI with an optional FS or GS base (outside 64-bit mode, any segment), the destination ES:RDI.
//
// A repeated one ends its block. It costs a cycle an element, charged in CYCLES as it goes, and stops between two elements when the run's limit is
// reached: its registers say how far it came, and it goes on at its own RIP (TRAP_AGAIN). So it is cut at the same element whatever the slices are.

/** Linear address of the source element: DS:SI, or another segment by prefix; of the destination, always ES:DI. After each: `if (trap) return`. */
function sourceOf<T>(cpu: usize, ip: usize): u64 { return sourceAddress(cpu, ip, pointer(cpu, ip, RSI), sizeof<T>(), false); }
function targetOf<T>(cpu: usize, ip: usize, write: bool): u64 {
  const offset = pointer(cpu, ip, RDI);
  return legacy(cpu) ? segmentAddress(cpu, SEG_ES, <u32>offset, sizeof<T>(), write) : offset;
}
/** What is added to a pointer after each element. */
function stepOf<T>(cpu: usize): u64 { return (load<u32>(cpu, FLAGS_REST) & DF) != 0 ? 0 - <u64>sizeof<T>() : <u64>sizeof<T>(); }
function advance(cpu: usize, ip: usize, at: usize, by: u64): void { setPointer(cpu, ip, at, pointer(cpu, ip, at) + by); }

export function movs<T>(cpu: usize, ip: usize): void {
  const from = sourceOf<T>(cpu, ip);
  if (trap) return;
  const v = loadAt<T>(cpu, from);
  if (trap) return;
  const to = targetOf<T>(cpu, ip, true);
  if (trap) return;
  storeAt<T>(cpu, to, v);
  if (trap) return;
  const step = stepOf<T>(cpu);
  advance(cpu, ip, RSI, step);
  advance(cpu, ip, RDI, step);
}
export function stos<T>(cpu: usize, ip: usize): void {
  const to = targetOf<T>(cpu, ip, true);
  if (trap) return;
  storeAt<T>(cpu, to, load<T>(cpu, RAX));
  if (trap) return;
  advance(cpu, ip, RDI, stepOf<T>(cpu));
}
export function lods<T>(cpu: usize, ip: usize): void {
  const from = sourceOf<T>(cpu, ip);
  if (trap) return;
  const v = loadAt<T>(cpu, from);
  if (trap) return;
  setRegister<T>(cpu, RAX, v);
  advance(cpu, ip, RSI, stepOf<T>(cpu));
}
export function scas<T>(cpu: usize, ip: usize): void {
  const at = targetOf<T>(cpu, ip, false);
  if (trap) return;
  const v = loadAt<T>(cpu, at);
  if (trap) return;
  cmp<T>(cpu, load<T>(cpu, RAX), v);
  advance(cpu, ip, RDI, stepOf<T>(cpu));
}
export function cmps<T>(cpu: usize, ip: usize): void {
  // The destination is read first: when both fault, it is the one that is reported.
  const second = targetOf<T>(cpu, ip, false);
  if (trap) return;
  const b = loadAt<T>(cpu, second);
  if (trap) return;
  const first = sourceOf<T>(cpu, ip);
  if (trap) return;
  const a = loadAt<T>(cpu, first);
  if (trap) return;
  cmp<T>(cpu, a, b);
  const step = stepOf<T>(cpu);
  advance(cpu, ip, RSI, step);
  advance(cpu, ip, RDI, step);
}

/** After `n` elements: counts them and charges them; whether the instruction goes on now. When it does not, `trap` or RIP is set. */
function counted(cpu: usize, ip: usize, n: u64): bool {
  const left = pointer(cpu, ip, RCX) - n;
  setPointer(cpu, ip, RCX, left);
  const now = load<u64>(cpu, CYCLES) + n;
  store<u64>(cpu, now, CYCLES);
  if (left == 0) return false;
  if (now >= load<u64>(cpu, RUN_LIMIT) || (alone && load<u32>(cpu, ATTENTION) != 0)) { raiseAgain(); return false; }
  return true;
}

/** Elements that the run's limit still has room for, at least one. */
function room(cpu: usize): u64 {
  const now = load<u64>(cpu, CYCLES), limit = load<u64>(cpu, RUN_LIMIT);
  return limit > now ? limit - now : 1;
}

/** Elements from host address `at` to the end of its page. */
function toPageEnd<T>(va: u64): u64 { return (0x1000 - (va & 0xfff)) / sizeof<T>(); }
function least(a: u64, b: u64): u64 { return a < b ? a : b; }

export function repMovs<T>(cpu: usize, ip: usize): void {
  if (pointer(cpu, ip, RCX) == 0) return;
  while (true) {
    const bulk = movsBulk<T>(cpu, ip);
    if (trap) return;
    if (bulk == 0) { movs<T>(cpu, ip); if (trap) return; }
    if (!counted(cpu, ip, bulk == 0 ? 1 : bulk)) return;
  }
}

/** Whether elements may go many at once: upwards, and with addresses that do not wrap within a page. */
function inBulk(cpu: usize, ip: usize): bool {
  return !alone && (load<u32>(cpu, FLAGS_REST) & DF) == 0 && (load<u8>(ip, OP_ADDRESS_SIZE) == 3 || legacy(cpu));
}
/** Whether all of the next `n` elements lie in their segments and before the place where the address registers wrap. */
function bulkInSegment<T>(cpu: usize, ip: usize, n: u64, source: bool): bool {
  if (!legacy(cpu)) return true;
  const size = n * sizeof<T>(), end: u64 = load<u8>(ip, OP_ADDRESS_SIZE) == 1 ? 0x10000 : <u64>1 << 32, to = pointer(cpu, ip, RDI);
  if (to + size > end || !inSegment(cpu, SEG_ES, <u32>to, <u32>size, true)) return false;
  if (!source) return true;
  const from = pointer(cpu, ip, RSI);
  return from + size <= end && inSegment(cpu, <usize>load<u8>(ip, OP_SEGMENT), <u32>from, <u32>size, false);
}

/** Moves as many elements as two pages allow at once; 0 when they must go one by one. */
function movsBulk<T>(cpu: usize, ip: usize): u64 {
  if (!inBulk(cpu, ip)) return 0;
  const from = sourceOf<T>(cpu, ip);
  if (trap) return 0;
  const to = targetOf<T>(cpu, ip, true);
  if (trap) return 0;
  const source = span(cpu, from, false), target = span(cpu, to, true);
  if (source == 0 || target == 0) return 0;
  let n = least(least(pointer(cpu, ip, RCX), room(cpu)), least(toPageEnd<T>(from), toPageEnd<T>(to)));
  // A target that begins inside of the source reads what was just written: only the distance can go at once.
  if (target > source && <u64>(target - source) < n * sizeof<T>()) n = <u64>(target - source) / sizeof<T>();
  if (n == 0 || !bulkInSegment<T>(cpu, ip, n, true)) return 0;
  memory.copy(target, source, <usize>(n * sizeof<T>()));
  advance(cpu, ip, RSI, n * sizeof<T>());
  advance(cpu, ip, RDI, n * sizeof<T>());
  return n;
}

export function repStos<T>(cpu: usize, ip: usize): void {
  if (pointer(cpu, ip, RCX) == 0) return;
  while (true) {
    const bulk = stosBulk<T>(cpu, ip);
    if (trap) return;
    if (bulk == 0) { stos<T>(cpu, ip); if (trap) return; }
    if (!counted(cpu, ip, bulk == 0 ? 1 : bulk)) return;
  }
}

function stosBulk<T>(cpu: usize, ip: usize): u64 {
  if (!inBulk(cpu, ip)) return 0;
  const to = targetOf<T>(cpu, ip, true);
  if (trap) return 0;
  const target = span(cpu, to, true);
  if (target == 0) return 0;
  const n = least(least(pointer(cpu, ip, RCX), room(cpu)), toPageEnd<T>(to)), v = load<T>(cpu, RAX);
  if (n == 0 || !bulkInSegment<T>(cpu, ip, n, false)) return 0;
  if (sizeof<T>() == 1 || v == <T>0) memory.fill(target, <u8>v, <usize>(n * sizeof<T>()));
  else for (let i: u64 = 0; i < n; i++) store<T>(target + <usize>(i * sizeof<T>()), v);
  advance(cpu, ip, RDI, n * sizeof<T>());
  return n;
}

export function repLods<T>(cpu: usize, ip: usize): void {
  if (pointer(cpu, ip, RCX) == 0) return;
  do { lods<T>(cpu, ip); if (trap) return; } while (counted(cpu, ip, 1));
}

/** Whether REPE (or REPNE) stops because of the comparison: after the element was counted, so that it is done even if the count is not. */
function decided(cpu: usize, ip: usize): bool { return zero(cpu) == ((load<u8>(ip, OP_FLAGS) & OPF_REPNE) != 0); }

export function repScas<T>(cpu: usize, ip: usize): void {
  if (pointer(cpu, ip, RCX) == 0) return;
  while (true) {
    scas<T>(cpu, ip);
    if (trap) return;
    if (decided(cpu, ip)) { last(cpu, ip); return; }
    if (!counted(cpu, ip, 1)) return;
  }
}
export function repCmps<T>(cpu: usize, ip: usize): void {
  if (pointer(cpu, ip, RCX) == 0) return;
  while (true) {
    cmps<T>(cpu, ip);
    if (trap) return;
    if (decided(cpu, ip)) { last(cpu, ip); return; }
    if (!counted(cpu, ip, 1)) return;
  }
}

/** The element that ends a comparison: counted and charged; the instruction is complete. */
function last(cpu: usize, ip: usize): void {
  setPointer(cpu, ip, RCX, pointer(cpu, ip, RCX) - 1);
  store<u64>(cpu, load<u64>(cpu, CYCLES) + 1, CYCLES);
}
