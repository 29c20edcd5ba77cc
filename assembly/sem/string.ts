import { DF, zero } from '../core/flags';
import { alone, raiseAgain, trap } from '../core/trap';
import { ATTENTION, CYCLES, FLAGS_REST, RAX, RCX, RDI, RSI, RUN_LIMIT } from '../core/layout';
import { span } from '../core/mem';
import { OP_ADDRESS_SIZE, OP_FLAGS, OP_INDEX, OPF_REPNE } from '../core/op';
import { loadAt, setRegister, storeAt } from '../core/operand';
import { cmp } from './alu';

// String instructions (SDM vol. 2, MOVS, STOS, LODS, SCAS, CMPS, REP). The source is DS:RSI with an optional FS or GS base, the destination ES:RDI.
//
// A repeated one ends its block. It costs a cycle an element, charged in CYCLES as it goes, and stops between two elements when the run's limit is
// reached: its registers say how far it came, and it goes on at its own RIP (TRAP_AGAIN). So it is cut at the same element whatever the slices are.

/** Address registers and count have the address size: with 32 bits, the upper half is cleared when they are written. */
function pointer(cpu: usize, ip: usize, at: usize): u64 {
  return load<u8>(ip, OP_ADDRESS_SIZE) == 2 ? <u64>load<u32>(cpu + at) : load<u64>(cpu + at);
}
function setPointer(cpu: usize, ip: usize, at: usize, v: u64): void {
  store<u64>(cpu + at, load<u8>(ip, OP_ADDRESS_SIZE) == 2 ? <u64><u32>v : v);
}
/** Linear address of the source operand. */
function sourceOf(cpu: usize, ip: usize): u64 { return pointer(cpu, ip, RSI) + load<u64>(cpu + <usize>load<u8>(ip, OP_INDEX)); }
/** What is added to a pointer after each element. */
function stepOf<T>(cpu: usize): u64 { return (load<u32>(cpu, FLAGS_REST) & DF) != 0 ? 0 - <u64>sizeof<T>() : <u64>sizeof<T>(); }
function advance(cpu: usize, ip: usize, at: usize, by: u64): void { setPointer(cpu, ip, at, pointer(cpu, ip, at) + by); }

export function movs<T>(cpu: usize, ip: usize): void {
  const v = loadAt<T>(cpu, sourceOf(cpu, ip));
  if (trap) return;
  storeAt<T>(cpu, pointer(cpu, ip, RDI), v);
  if (trap) return;
  const step = stepOf<T>(cpu);
  advance(cpu, ip, RSI, step);
  advance(cpu, ip, RDI, step);
}
export function stos<T>(cpu: usize, ip: usize): void {
  storeAt<T>(cpu, pointer(cpu, ip, RDI), load<T>(cpu, RAX));
  if (trap) return;
  advance(cpu, ip, RDI, stepOf<T>(cpu));
}
export function lods<T>(cpu: usize, ip: usize): void {
  const v = loadAt<T>(cpu, sourceOf(cpu, ip));
  if (trap) return;
  setRegister<T>(cpu, RAX, v);
  advance(cpu, ip, RSI, stepOf<T>(cpu));
}
export function scas<T>(cpu: usize, ip: usize): void {
  const v = loadAt<T>(cpu, pointer(cpu, ip, RDI));
  if (trap) return;
  cmp<T>(cpu, load<T>(cpu, RAX), v);
  advance(cpu, ip, RDI, stepOf<T>(cpu));
}
export function cmps<T>(cpu: usize, ip: usize): void {
  // The destination is read first: when both fault, it is the one that is reported.
  const b = loadAt<T>(cpu, pointer(cpu, ip, RDI));
  if (trap) return;
  const a = loadAt<T>(cpu, sourceOf(cpu, ip));
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
    if (bulk == 0) { movs<T>(cpu, ip); if (trap) return; }
    if (!counted(cpu, ip, bulk == 0 ? 1 : bulk)) return;
  }
}

/** Moves as many elements as two pages allow at once; 0 when they must go one by one. */
function movsBulk<T>(cpu: usize, ip: usize): u64 {
  if (alone || (load<u32>(cpu, FLAGS_REST) & DF) != 0 || load<u8>(ip, OP_ADDRESS_SIZE) == 2) return 0;
  const from = sourceOf(cpu, ip), to = load<u64>(cpu, RDI);
  const source = span(cpu, from, false), target = span(cpu, to, true);
  if (source == 0 || target == 0) return 0;
  let n = least(least(load<u64>(cpu, RCX), room(cpu)), least(toPageEnd<T>(from), toPageEnd<T>(to)));
  // A target that begins inside of the source reads what was just written: only the distance can go at once.
  if (target > source && <u64>(target - source) < n * sizeof<T>()) n = <u64>(target - source) / sizeof<T>();
  if (n == 0) return 0;
  memory.copy(target, source, <usize>(n * sizeof<T>()));
  advance(cpu, ip, RSI, n * sizeof<T>());
  advance(cpu, ip, RDI, n * sizeof<T>());
  return n;
}

export function repStos<T>(cpu: usize, ip: usize): void {
  if (pointer(cpu, ip, RCX) == 0) return;
  while (true) {
    const bulk = stosBulk<T>(cpu, ip);
    if (bulk == 0) { stos<T>(cpu, ip); if (trap) return; }
    if (!counted(cpu, ip, bulk == 0 ? 1 : bulk)) return;
  }
}

function stosBulk<T>(cpu: usize, ip: usize): u64 {
  if (alone || (load<u32>(cpu, FLAGS_REST) & DF) != 0 || load<u8>(ip, OP_ADDRESS_SIZE) == 2) return 0;
  const to = load<u64>(cpu, RDI), target = span(cpu, to, true);
  if (target == 0) return 0;
  const n = least(least(load<u64>(cpu, RCX), room(cpu)), toPageEnd<T>(to)), v = load<T>(cpu, RAX);
  if (n == 0) return 0;
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
