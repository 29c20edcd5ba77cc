// Masked moves and gathers: vector instructions that access memory element by element, only where a mask says so, and without #AC
// (SDM vol. 2, VMASKMOV, VPGATHERDD).

import { RESULT, XMM } from '../core/layout';
import { legacy, segmentAddress } from '../core/linear';
import { alignmentChecked, ld8, probe, st8 } from '../core/mem';
import { ACCESS_WRITE } from '../core/mmu';
import { OP_ADDRESS_SIZE, OP_BASE, OP_CC, OP_DISP, OP_INDEX, OP_R0, OP_R1, OP_R2, OP_SEGMENT } from '../core/op';
import { ea, loadAt, storeAt, writeVector } from '../core/operand';
import { raise, trap, UD } from '../core/trap';

function vector(cpu: usize, ip: usize, field: usize): usize { return cpu + XMM + (<usize>load<u8>(ip + field) << 5); }

/** Whether the sign bit of a mask element is set. */
function selected<T>(mask: T): bool { return (<u64>mask >> (sizeof<T>() * 8 - 1)) != 0; }

/** An element at any address, whatever alignment checking says. */
function loadElement<T>(cpu: usize, va: u64): T {
  if ((va & (sizeof<T>() - 1)) == 0 || !alignmentChecked(cpu)) return loadAt<T>(cpu, va);
  if (!probe(cpu, va, sizeof<T>(), 0)) return 0;
  let v: u64 = 0;
  for (let i: u64 = 0; i < sizeof<T>(); i++) {
    v |= <u64>ld8(cpu, va + i) << (i << 3);
    if (trap) return 0;
  }
  return <T>v;
}
function storeElement<T>(cpu: usize, va: u64, v: T): void {
  if ((va & (sizeof<T>() - 1)) == 0 || !alignmentChecked(cpu)) { storeAt<T>(cpu, va, v); return; }
  for (let i: u64 = 0; i < sizeof<T>(); i++) {
    st8(cpu, va + i, <u8>(<u64>v >> (i << 3)));
    if (trap) return;
  }
}

/** Linear address of the element at byte `i` of a masked move's operand. Outside 64-bit mode `ea` is the operand's offset, and only what the mask selects is checked. */
function elementAddress(cpu: usize, ip: usize, i: usize, size: u32, write: bool): u64 {
  const at = ea(cpu, ip) + i;
  return legacy(cpu) ? segmentAddress(cpu, <usize>load<u8>(ip, OP_SEGMENT), <u32>at, size, write) : at;
}

function maskLoad<T>(cpu: usize, ip: usize, size: usize): void {
  const mask = vector(cpu, ip, OP_R1), to = cpu + RESULT;
  for (let i: usize = 0; i < size; i += sizeof<T>()) {
    let v: T = 0;
    if (selected<T>(load<T>(mask + i))) {
      const va = elementAddress(cpu, ip, i, sizeof<T>(), false);
      if (trap) return;
      v = loadElement<T>(cpu, va);
      if (trap) return;
    }
    store<T>(to + i, v);
  }
  writeVector(vector(cpu, ip, OP_R0), to, size == 32);
}
export function maskLoad128<T>(cpu: usize, ip: usize): void { maskLoad<T>(cpu, ip, 16); }
export function maskLoad256<T>(cpu: usize, ip: usize): void { maskLoad<T>(cpu, ip, 32); }

function maskStore<T>(cpu: usize, ip: usize, size: usize): void {
  const mask = vector(cpu, ip, OP_R1), from = vector(cpu, ip, OP_R2);
  // Every element is checked before the first one is written.
  for (let i: usize = 0; i < size; i += sizeof<T>()) {
    if (!selected<T>(load<T>(mask + i))) continue;
    const va = elementAddress(cpu, ip, i, sizeof<T>(), true);
    if (trap || !probe(cpu, va, sizeof<T>(), ACCESS_WRITE)) return;
  }
  for (let i: usize = 0; i < size; i += sizeof<T>()) {
    if (!selected<T>(load<T>(mask + i))) continue;
    storeElement<T>(cpu, elementAddress(cpu, ip, i, sizeof<T>(), true), load<T>(from + i));
    if (trap) return;
  }
}
export function maskStore128<T>(cpu: usize, ip: usize): void { maskStore<T>(cpu, ip, 16); }
export function maskStore256<T>(cpu: usize, ip: usize): void { maskStore<T>(cpu, ip, 32); }

/**
 * Elements of type T at base + I-typed index << scale. An element that is loaded is written and its mask element cleared before the next, so that a fault leaves
 * what was done done, and the instruction goes on from there. The decoder left base, displacement and segment in the op, and the number of the index register with the scale << 4 in OP_CC.
 */
function gather<I, T>(cpu: usize, ip: usize, size: usize): void {
  const to = vector(cpu, ip, OP_R0), indices = cpu + XMM + (<usize>(load<u8>(ip, OP_CC) & 15) << 5), mask = vector(cpu, ip, OP_R2);
  if (to == indices || to == mask || indices == mask) { raise(cpu, UD); return; }
  const base = load<u64>(cpu + <usize>load<u8>(ip, OP_BASE)) + load<u64>(ip, OP_DISP), segment = load<u64>(cpu + <usize>load<u8>(ip, OP_INDEX));
  const scale = <u64>(load<u8>(ip, OP_CC) >> 4), narrow = load<u8>(ip, OP_ADDRESS_SIZE) == 2, segmented = legacy(cpu);
  const count = size / (sizeof<I>() > sizeof<T>() ? sizeof<I>() : sizeof<T>());
  // Before the first access every mask element becomes all ones or zero, and what lies above the vector length is zeroed: a fault leaves it so. The destination's
  // upper part is zeroed with the first element that is written (observed on an Intel processor; the SDM does not say).
  for (let at: usize = 0; at < size; at += sizeof<T>()) store<T>(mask + at, selected<T>(load<T>(mask + at)) ? <T>-1 : 0);
  if (size == 16) v128.store(mask, i64x2.splat(0), 16);
  for (let i: usize = 0; i < count; i++) {
    const at = i * sizeof<T>();
    if (load<T>(mask + at) == 0) continue;
    let address = base + (<u64><i64>load<I>(indices + i * sizeof<I>()) << scale);
    if (narrow) address &= 0xffffffff;
    address = segmented ? segmentAddress(cpu, <usize>load<u8>(ip, OP_SEGMENT), <u32>address, sizeof<T>(), false) : address + segment;
    if (trap) return;
    const v = loadElement<T>(cpu, address);
    if (trap) return;
    store<T>(to + at, v);
    if (size == 16) v128.store(to, i64x2.splat(0), 16);
    store<T>(mask + at, 0);
  }
  for (let at = count * sizeof<T>(); at < 32; at += 8) { store<u64>(to + at, 0); store<u64>(mask + at, 0); }
}
export function gather128<I, T>(cpu: usize, ip: usize): void { gather<I, T>(cpu, ip, 16); }
export function gather256<I, T>(cpu: usize, ip: usize): void { gather<I, T>(cpu, ip, 32); }
