/** Scatter/gather lists: what a buffer looks like to a device that gathers. */
import { mapRegistersFor, needsBounce, type Piece } from '../../hal/nt/dma.ts';
import type { Kernel } from '../kernel.ts';
import { ioFreeMdl, mdlForFrames } from '../mm/mdl.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { SCATTER_GATHER_ELEMENT, SCATTER_GATHER_LIST } from '../types/hal.ts';
import { MDL } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_NONE_MAPPED, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, struct, u64, u8 } from '../types/struct.ts';
import { A, adapterLimit, bounce, flushTransfer, freeMapRegisters, mdlPieces, pagesOf, takeMapRegisters } from './dma.ts';
import { listHandedOut, listPutBack } from '../verifier/memory.ts';

/** Behind the elements of a list: what is needed to end its use. SCATTER_GATHER_LIST.Reserved points here. */
const LIST_TAIL = struct('_SCATTER_GATHER_CONTEXT', {
  /** Map registers that the transfer bounces through, or 0. */
  Registers: ptr,
  Mdl: ptr,
  Va: ptr,
  Length: u64,
  /** MDL that BuildMdlFromScatterGatherList made. */
  NewMdl: ptr,
  /** The list lies in pool of the HAL's, not in a buffer of the driver's. */
  Owned: u8,
});
const T = LIST_TAIL.f;
const L = SCATTER_GATHER_LIST.f;

/** Bytes that the list of a buffer of so many elements needs. */
const listSize = (elements: number): number => L.Elements.offset + elements * SCATTER_GATHER_ELEMENT.size + LIST_TAIL.size;

/** What a list needs: bytes for itself, and map registers when it bounces. */
export function listNeeds(
  k: Kernel,
  adapter: number,
  mdl: number,
  va: number,
  length: number,
): { bytes: number; registers: number } {
  // Without an MDL only the length counts, and the worst case of it: a page each.
  if (!mdl) return { bytes: listSize(mapRegistersFor(length)), registers: mapRegistersFor(length) };
  const pieces = mdlPieces(k, mdl, va, length);
  const bounces = needsBounce(pieces, adapterLimit(k, adapter), A.ScatterGather.get(k.mem, adapter) !== 0);
  return { bytes: listSize(Math.max(pieces.length, 1)), registers: bounces ? pagesOf(pieces) : 0 };
}

/** Writes the list of a buffer for an adapter. False, with nothing taken, when there are no map registers or no memory to bounce through. */
export function writeList(
  k: Kernel,
  adapter: number,
  list: number,
  owned: boolean,
  buffer: { mdl: number; va: number; length: number; toDevice: boolean },
): boolean {
  const { mem } = k;
  const { mdl, va, length, toDevice } = buffer;
  const { registers } = listNeeds(k, adapter, mdl, va, length);
  let out: Piece[] = mdlPieces(k, mdl, va, length);
  let set = 0;
  if (registers) {
    set = takeMapRegisters(k, adapter, registers);
    const piece = set ? bounce(k, set, mdl, va, length, toDevice) : { pa: 0, length: 0 };
    if (piece.length !== length) {
      if (set) freeMapRegisters(k, set);
      return false;
    }
    out = [piece];
  }
  const tail = list + L.Elements.offset + out.length * SCATTER_GATHER_ELEMENT.size;
  L.NumberOfElements.set(mem, list, out.length);
  L.Reserved.set(mem, list, BigInt.asUintN(64, BigInt(tail)));
  out.forEach((p, i) => {
    const e = list + L.Elements.offset + i * SCATTER_GATHER_ELEMENT.size;
    SCATTER_GATHER_ELEMENT.f.Address.set(mem, e, BigInt(p.pa));
    SCATTER_GATHER_ELEMENT.f.Length.set(mem, e, p.length);
    SCATTER_GATHER_ELEMENT.f.Reserved.set(mem, e, 0n);
  });
  T.Registers.set(mem, tail, set);
  T.Mdl.set(mem, tail, mdl);
  T.Va.set(mem, tail, va);
  T.Length.set(mem, tail, BigInt(length));
  T.NewMdl.set(mem, tail, 0);
  T.Owned.set(mem, tail, owned ? 1 : 0);
  if (k.config.verifier) listHandedOut(k, adapter, list, length);
  return true;
}

const tailOf = (k: Kernel, list: number): number => k.mem.readPtr(list + L.Reserved.offset);

/** Ends the use of a list: data arrives where it belongs, map registers and the MDL of BuildMdlFromScatterGatherList go. Returns whether the list is pool of the HAL's. */
export function endList(k: Kernel, list: number, toDevice: boolean): boolean {
  const { mem } = k;
  if (k.config.verifier) listPutBack(k, list);
  const tail = tailOf(k, list);
  const set = T.Registers.get(mem, tail);
  const made = T.NewMdl.get(mem, tail);
  if (made) ioFreeMdl(k, made);
  if (set) {
    flushTransfer(k, set, T.Mdl.get(mem, tail), T.Va.get(mem, tail), Number(T.Length.get(mem, tail)), toDevice);
    freeMapRegisters(k, set);
  }
  return T.Owned.get(mem, tail) !== 0;
}

/** An MDL for the memory that a list describes: the original one, or a new one when the transfer goes through map registers. */
export function mdlOfList(k: Kernel, list: number, original: number, target: number): number {
  const { mem } = k;
  if (!original) return STATUS_INVALID_PARAMETER;
  const tail = tailOf(k, list);
  if (!T.Registers.get(mem, tail)) {
    mem.writePtr(target, original);
    return STATUS_SUCCESS;
  }
  if (T.NewMdl.get(mem, tail)) return STATUS_NONE_MAPPED;
  const element = list + L.Elements.offset;
  const pa = Number(SCATTER_GATHER_ELEMENT.f.Address.get(mem, element));
  const length = SCATTER_GATHER_ELEMENT.f.Length.get(mem, element);
  const first = Math.floor(pa / PAGE_SIZE);
  const count = Math.floor((pa + length - 1) / PAGE_SIZE) - first + 1;
  const made = mdlForFrames(
    k,
    Array.from({ length: count }, (_, i) => first + i),
  );
  if (!made) return STATUS_INSUFFICIENT_RESOURCES;
  MDL.f.ByteOffset.set(mem, made, pa % PAGE_SIZE);
  MDL.f.ByteCount.set(mem, made, length);
  T.NewMdl.set(mem, tail, made);
  mem.writePtr(target, made);
  return STATUS_SUCCESS;
}
