/**
 * DMA adapters: the HAL's view of a bus master. IoGetDmaAdapter gives a DMA_ADAPTER whose DMA_OPERATIONS point to the routines below. Logical addresses are physical addresses: the
 * machine has no IOMMU. A transfer that the device cannot reach, or cannot gather, goes through map registers (hal/nt/dma.ts): pages below the device's limit, to which data is copied
 * before a write to the device and from which it is copied by FlushAdapterBuffers after a read.
 */
import { addressLimit, DMA_PAGE, joinPieces, mapRegistersFor, needsBounce, type Piece } from '../../hal/nt/dma.ts';
import type { Kernel } from '../kernel.ts';
import { mmAllocateContiguous, mmFreeContiguous } from '../mm/contiguous.ts';
import { mdlFrame } from '../mm/mdl.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { mmGetPhysicalAddress } from '../mm/pte.ts';
import { poolTag } from '../ob/globals.ts';
import { insertTailList, removeHeadList, initializeListHead } from '../rtl/list.ts';
import { DEVICE_DESCRIPTION, DMA_ADAPTER, SCATTER_GATHER_ELEMENT, SCATTER_GATHER_LIST } from '../types/hal.ts';
import { MDL, NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { ptr, struct, u32, u64, u8 } from '../types/struct.ts';

/** Behind the DMA_ADAPTER that drivers see. */
export const ADAPTER_OBJECT = struct('_ADAPTER_OBJECT', {
  DmaHeader: DMA_ADAPTER,
  /** Highest physical address that the device reaches. */
  AddressLimit: u64,
  MaximumMapRegisters: u32,
  MapRegistersInUse: u32,
  MaximumLength: u32,
  Master: u8,
  ScatterGather: u8,
  DeviceObject: ptr,
  /** WAIT_CONTEXT_BLOCKs that wait for map registers, in DEVICE_OBJECT.Queue. */
  WaitQueue: LIST_ENTRY,
});
/** What AllocateAdapterChannel hands out as MapRegisterBase. */
export const MAP_REGISTER_SET = struct('_MAP_REGISTER_SET', {
  Adapter: ptr,
  Count: u32,
  /** Bytes of the bounce buffer that the current transfer uses. */
  Used: u32,
  /** Bounce buffer: address and physical address; 0 while none was needed. */
  BounceVa: ptr,
  BouncePa: u64,
});
export const A = ADAPTER_OBJECT.f;
export const R = MAP_REGISTER_SET.f;
const M = MDL.f;
const TAG = poolTag('Adap');

/** Makes an adapter for what a DEVICE_DESCRIPTION says; `registers` is what IoGetDmaAdapter returns as NumberOfMapRegisters. 0 without pool or for a description of an unknown version. */
export function createAdapter(k: Kernel, device: number, description: number): { adapter: number; registers: number } {
  const { mem } = k;
  const d = DEVICE_DESCRIPTION.f;
  const version = d.Version.get(mem, description);
  if (version > 3) return { adapter: 0, registers: 0 };
  const adapter = exAllocatePool(k, NonPagedPoolNx, ADAPTER_OBJECT.size, TAG);
  if (!adapter) return { adapter: 0, registers: 0 };
  mem.fill(adapter, ADAPTER_OBJECT.size, 0);
  const limit = addressLimit({
    width: version === 3 ? d.DmaAddressWidth.get(mem, description) : 0,
    dma32: d.Dma32BitAddresses.get(mem, description) !== 0,
    dma64: version >= 2 && d.Dma64BitAddresses.get(mem, description) !== 0,
    master: d.Master.get(mem, description) !== 0,
  });
  const registers = mapRegistersFor(d.MaximumLength.get(mem, description));
  DMA_ADAPTER.f.Version.set(mem, adapter, version === 3 ? 3 : 1);
  DMA_ADAPTER.f.Size.set(mem, adapter, ADAPTER_OBJECT.size);
  DMA_ADAPTER.f.DmaOperations.set(mem, adapter, k.address('nt!HalpDmaOperations'));
  A.AddressLimit.set(mem, adapter, BigInt(limit));
  A.MaximumMapRegisters.set(mem, adapter, registers);
  A.MaximumLength.set(mem, adapter, d.MaximumLength.get(mem, description));
  A.Master.set(mem, adapter, d.Master.get(mem, description));
  A.ScatterGather.set(mem, adapter, d.ScatterGather.get(mem, description));
  A.DeviceObject.set(mem, adapter, device);
  initializeListHead(mem, adapter + A.WaitQueue.offset);
  return { adapter, registers };
}

export const adapterLimit = (k: Kernel, adapter: number): number => Number(A.AddressLimit.get(k.mem, adapter));

/** A buffer that processor and device share: contiguous and below the device's limit. */
export function allocateCommonBuffer(k: Kernel, adapter: number, length: number): { va: number; pa: number } {
  const va = mmAllocateContiguous(k, length, 0, adapterLimit(k, adapter), 0);
  return { va, pa: va ? mmGetPhysicalAddress(k, va) : 0 };
}

/** The physical pieces of [va, va + length) of an MDL chain, joined; fewer bytes when the chain is shorter. */
export function mdlPieces(k: Kernel, mdl: number, va: number, length: number): Piece[] {
  const { mem } = k;
  const pieces: Piece[] = [];
  let offset = va - (M.StartVa.get(mem, mdl) + M.ByteOffset.get(mem, mdl));
  let left = length;
  for (let at = mdl; at && left > 0; at = M.Next.get(mem, at)) {
    const bytes = M.ByteCount.get(mem, at);
    if (offset >= bytes) {
      offset -= bytes;
      continue;
    }
    let position = M.ByteOffset.get(mem, at) + offset;
    let here = Math.min(left, bytes - offset);
    left -= here;
    while (here > 0) {
      const inPage = position % DMA_PAGE;
      const n = Math.min(here, DMA_PAGE - inPage);
      pieces.push({ pa: mdlFrame(k, at, Math.floor(position / DMA_PAGE)) * DMA_PAGE + inPage, length: n });
      position += n;
      here -= n;
    }
    offset = 0;
  }
  return joinPieces(pieces);
}

/** Takes map registers; 0 when the adapter has too few free (or there is no pool). */
export function takeMapRegisters(k: Kernel, adapter: number, count: number): number {
  const { mem } = k;
  const used = A.MapRegistersInUse.get(mem, adapter);
  if (used && used + count > A.MaximumMapRegisters.get(mem, adapter)) return 0;
  const set = exAllocatePool(k, NonPagedPoolNx, MAP_REGISTER_SET.size, TAG);
  if (!set) return 0;
  mem.fill(set, MAP_REGISTER_SET.size, 0);
  R.Adapter.set(mem, set, adapter);
  R.Count.set(mem, set, count);
  A.MapRegistersInUse.set(mem, adapter, used + count);
  return set;
}

export function freeMapRegisters(k: Kernel, set: number): void {
  const { mem } = k;
  const adapter = R.Adapter.get(mem, set);
  const bounce = R.BounceVa.get(mem, set);
  if (bounce) mmFreeContiguous(k, bounce);
  A.MapRegistersInUse.set(mem, adapter, A.MapRegistersInUse.get(mem, adapter) - R.Count.get(mem, set));
  exFreePool(k, set, TAG);
}

/** The bounce buffer of a set, of all its pages; 0 without memory below the limit. */
function bounceBuffer(k: Kernel, set: number): number {
  const have = R.BounceVa.get(k.mem, set);
  if (have) return have;
  const va = mmAllocateContiguous(k, R.Count.get(k.mem, set) * DMA_PAGE, 0, adapterLimit(k, R.Adapter.get(k.mem, set)), 0);
  R.BounceVa.set(k.mem, set, va);
  if (va) R.BouncePa.set(k.mem, set, BigInt(mmGetPhysicalAddress(k, va)));
  return va;
}

function gather(k: Kernel, pieces: readonly Piece[], to: number): void {
  let at = to;
  for (const p of pieces) {
    k.mem.writeBytes(at, k.platform.memory.readBytes(p.pa, p.length));
    at += p.length;
  }
}

function scatter(k: Kernel, from: number, pieces: readonly Piece[]): void {
  let at = from;
  for (const p of pieces) {
    k.platform.memory.writeBytes(p.pa, k.mem.readBytes(at, p.length));
    at += p.length;
  }
}

/** Sets a transfer up: where the device finds it, and how much of it lies there in one piece. Length 0 when there is no memory to bounce through. */
export function mapTransfer(k: Kernel, set: number, mdl: number, va: number, length: number, toDevice: boolean): Piece {
  const { mem } = k;
  const pieces = mdlPieces(k, mdl, va, length);
  const adapter = set ? R.Adapter.get(mem, set) : 0;
  const first = pieces[0] ?? { pa: 0, length: 0 };
  if (!adapter) return first;
  const gathers = A.ScatterGather.get(mem, adapter) !== 0;
  if (!needsBounce(gathers ? [first] : pieces, adapterLimit(k, adapter), gathers)) return first;
  const buffer = bounceBuffer(k, set);
  const used = R.Used.get(mem, set);
  const room = R.Count.get(mem, set) * DMA_PAGE - used;
  const total = Math.min(
    pieces.reduce((sum, p) => sum + p.length, 0),
    room,
  );
  if (!buffer || total <= 0) return { pa: 0, length: 0 };
  if (toDevice) gather(k, mdlPieces(k, mdl, va, total), buffer + used);
  R.Used.set(mem, set, used + total);
  return { pa: Number(R.BouncePa.get(mem, set)) + used, length: total };
}

/** Ends a transfer: what the device wrote into the bounce buffer goes to where it belongs. */
export function flushTransfer(k: Kernel, set: number, mdl: number, va: number, length: number, toDevice: boolean): void {
  if (!set || !R.Used.get(k.mem, set)) return;
  if (!toDevice) scatter(k, R.BounceVa.get(k.mem, set), mdlPieces(k, mdl, va, length));
  R.Used.set(k.mem, set, 0);
}

/** Bytes of a SCATTER_GATHER_LIST with so many elements. */
export const scatterGatherSize = (elements: number): number =>
  SCATTER_GATHER_LIST.f.Elements.offset + elements * SCATTER_GATHER_ELEMENT.size;

/**
 * Writes a SCATTER_GATHER_LIST for a transfer. With bouncing the list has one element and `Reserved` holds the map register set; what is needed to flush it at the end
 * (MDL, address, length) follows the elements. False without memory.
 */
export function writeScatterGather(
  k: Kernel,
  adapter: number,
  list: number,
  mdl: number,
  va: number,
  length: number,
  toDevice: boolean,
): boolean {
  const { mem } = k;
  const pieces = mdlPieces(k, mdl, va, length);
  let out: Piece[] = pieces;
  let set = 0;
  if (needsBounce(pieces, adapterLimit(k, adapter), true)) {
    set = takeMapRegisters(k, adapter, mapRegistersFor(length));
    const buffer = set ? bounceBuffer(k, set) : 0;
    if (!buffer) {
      if (set) freeMapRegisters(k, set);
      return false;
    }
    if (toDevice) gather(k, pieces, buffer);
    R.Used.set(mem, set, length);
    out = [{ pa: Number(R.BouncePa.get(mem, set)), length }];
  }
  SCATTER_GATHER_LIST.f.NumberOfElements.set(mem, list, out.length);
  SCATTER_GATHER_LIST.f.Reserved.set(mem, list, BigInt.asUintN(64, BigInt(set)));
  out.forEach((p, i) => {
    const e = list + SCATTER_GATHER_LIST.f.Elements.offset + i * SCATTER_GATHER_ELEMENT.size;
    SCATTER_GATHER_ELEMENT.f.Address.set(mem, e, BigInt(p.pa));
    SCATTER_GATHER_ELEMENT.f.Length.set(mem, e, p.length);
    SCATTER_GATHER_ELEMENT.f.Reserved.set(mem, e, 0n);
  });
  const tail = list + scatterGatherSize(out.length);
  mem.writePtr(tail, mdl);
  mem.writePtr(tail + 8, va);
  mem.write64(tail + 16, BigInt(length));
  return true;
}
/** Bytes behind the elements that {@link writeScatterGather} uses. */
export const SCATTER_GATHER_TAIL = 24;

/** Ends the use of a list: flushes and frees what it bounced through. The list itself is the caller's. */
export function endScatterGather(k: Kernel, list: number, toDevice: boolean): void {
  const { mem } = k;
  const set = Number(BigInt.asIntN(64, SCATTER_GATHER_LIST.f.Reserved.get(mem, list)));
  if (!set) return;
  const tail = list + scatterGatherSize(SCATTER_GATHER_LIST.f.NumberOfElements.get(mem, list));
  flushTransfer(k, set, mem.readPtr(tail), mem.readPtr(tail + 8), Number(mem.read64(tail + 16)), toDevice);
  freeMapRegisters(k, set);
}

/** Queues a WAIT_CONTEXT_BLOCK for map registers. */
export function waitForRegisters(k: Kernel, adapter: number, wcb: number): void {
  insertTailList(k.mem, adapter + A.WaitQueue.offset, wcb);
}
/** The next that waits, taken off the queue; 0 when nobody does. */
export const nextWaiting = (k: Kernel, adapter: number): number => removeHeadList(k.mem, adapter + A.WaitQueue.offset);
