/**
 * DMA adapters: the HAL's view of a bus master. IoGetDmaAdapter gives a DMA_ADAPTER whose DMA_OPERATIONS point to the routines of dmacalls.ts. Logical addresses are physical addresses: the
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
import { initializeListHead } from '../rtl/list.ts';
import { DEVICE_DESCRIPTION, DMA_ADAPTER } from '../types/hal.ts';
import { MDL, NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { ptr, struct, u32, u64, u8 } from '../types/struct.ts';
import { mapRegistersHandedOut, mapRegistersPutBack } from '../verifier/memory.ts';

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
  /** An AdapterControl routine runs, or has returned KeepObject: others wait. */
  Busy: u8,
  /** Version of the DEVICE_DESCRIPTION. */
  DescriptionVersion: u8,
  DeviceObject: ptr,
  /** Map registers that FreeAdapterChannel frees: those of a routine that returned KeepObject. */
  Kept: ptr,
  /** DMA_WAITs: who waits for the adapter or for map registers, in order. */
  WaitQueue: LIST_ENTRY,
});
/** A part of the bounce buffer that a transfer uses. */
const BOUNCED = struct('_MAP_REGISTER_ENTRY', { Va: ptr, Length: u32, Offset: u32 });
/** What AllocateAdapterChannel hands out as MapRegisterBase. */
export const MAP_REGISTER_SET = struct('_MAP_REGISTER_SET', {
  Adapter: ptr,
  Count: u32,
  /** Bytes of the bounce buffer that the current transfers use. */
  Used: u32,
  /** Bounce buffer: address and physical address; 0 while none was needed. */
  BounceVa: ptr,
  BouncePa: u64,
  /** BOUNCED entries that are in use; `Count` of them follow. */
  Entries: u32,
});
export const A = ADAPTER_OBJECT.f;
export const R = MAP_REGISTER_SET.f;
const B = BOUNCED.f;
const M = MDL.f;
const TAG = poolTag('Adap');
const entryAt = (set: number, i: number): number => set + MAP_REGISTER_SET.size + i * BOUNCED.size;

/**
 * Makes an adapter for what a DEVICE_DESCRIPTION says; `registers` is what IoGetDmaAdapter returns as NumberOfMapRegisters. 0 without pool, for a description of an unknown version, and for
 * a device that is no bus master: the machine has no system DMA controller.
 */
export function createAdapter(k: Kernel, device: number, description: number): { adapter: number; registers: number } {
  const { mem } = k;
  const d = DEVICE_DESCRIPTION.f;
  const version = d.Version.get(mem, description);
  const none = { adapter: 0, registers: 0 };
  if (version > 3 || !d.Master.get(mem, description)) return none;
  const adapter = exAllocatePool(k, NonPagedPoolNx, ADAPTER_OBJECT.size, TAG);
  if (!adapter) return none;
  mem.fill(adapter, ADAPTER_OBJECT.size, 0);
  const limit = addressLimit({
    width: version === 3 ? d.DmaAddressWidth.get(mem, description) : 0,
    dma32: d.Dma32BitAddresses.get(mem, description) !== 0,
    dma64: version >= 2 && d.Dma64BitAddresses.get(mem, description) !== 0,
  });
  const registers = mapRegistersFor(d.MaximumLength.get(mem, description));
  DMA_ADAPTER.f.Version.set(mem, adapter, 1);
  DMA_ADAPTER.f.Size.set(mem, adapter, ADAPTER_OBJECT.size);
  DMA_ADAPTER.f.DmaOperations.set(mem, adapter, k.address(`nt!HalpDmaOperations${version === 3 ? 3 : version === 2 ? 2 : 1}`));
  A.DescriptionVersion.set(mem, adapter, version);
  A.AddressLimit.set(mem, adapter, BigInt(limit));
  A.MaximumMapRegisters.set(mem, adapter, registers);
  A.MaximumLength.set(mem, adapter, d.MaximumLength.get(mem, description));
  A.Master.set(mem, adapter, 1);
  A.ScatterGather.set(mem, adapter, d.ScatterGather.get(mem, description));
  A.DeviceObject.set(mem, adapter, device);
  initializeListHead(mem, adapter + A.WaitQueue.offset);
  return { adapter, registers };
}

export const adapterLimit = (k: Kernel, adapter: number): number => Number(A.AddressLimit.get(k.mem, adapter));

/** A buffer that processor and device share: contiguous, between `lowest` and the lower of `highest` and the device's limit. */
export function allocateCommonBuffer(
  k: Kernel,
  adapter: number,
  length: number,
  lowest = 0,
  highest = Number.MAX_SAFE_INTEGER,
): { va: number; pa: number } {
  const va = mmAllocateContiguous(k, Math.max(length, DMA_PAGE), lowest, Math.min(highest, adapterLimit(k, adapter)), 0);
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

export const bytesOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, p) => sum + p.length, 0);

/** The pages that pieces touch: the map registers of a list. */
export const pagesOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, p) => sum + Math.ceil(((p.pa % DMA_PAGE) + p.length) / DMA_PAGE), 0);

/** Are so many map registers free? */
export const registersFree = (k: Kernel, adapter: number, count: number): boolean =>
  A.MapRegistersInUse.get(k.mem, adapter) + count <= A.MaximumMapRegisters.get(k.mem, adapter);

/** Takes map registers; 0 when the adapter has too few free (or there is no pool). */
export function takeMapRegisters(k: Kernel, adapter: number, count: number): number {
  const { mem } = k;
  if (!registersFree(k, adapter, count)) return 0;
  const size = entryAt(0, Math.max(count, 1));
  const set = exAllocatePool(k, NonPagedPoolNx, size, TAG);
  if (!set) return 0;
  mem.fill(set, size, 0);
  R.Adapter.set(mem, set, adapter);
  R.Count.set(mem, set, count);
  A.MapRegistersInUse.set(mem, adapter, A.MapRegistersInUse.get(mem, adapter) + count);
  if (k.config.verifier) mapRegistersHandedOut(k, adapter, set, count);
  return set;
}

/** Map registers with their pages; 0 when there are not so many, or no memory that the device reaches. */
export function takeBuffered(k: Kernel, adapter: number, count: number): number {
  const set = takeMapRegisters(k, adapter, count);
  if (!set || bounceBuffer(k, set)) return set;
  freeMapRegisters(k, set);
  return 0;
}

export function freeMapRegisters(k: Kernel, set: number): void {
  const { mem } = k;
  const adapter = R.Adapter.get(mem, set);
  const bounce = R.BounceVa.get(mem, set);
  if (k.config.verifier) mapRegistersPutBack(k, set);
  if (bounce) mmFreeContiguous(k, bounce);
  A.MapRegistersInUse.set(mem, adapter, A.MapRegistersInUse.get(mem, adapter) - R.Count.get(mem, set));
  exFreePool(k, set, TAG);
}

/** The bounce buffer of a set, of all its pages; 0 without memory below the limit. */
function bounceBuffer(k: Kernel, set: number): number {
  const have = R.BounceVa.get(k.mem, set);
  if (have) return have;
  const pages = Math.max(R.Count.get(k.mem, set), 1);
  const va = mmAllocateContiguous(k, pages * DMA_PAGE, 0, adapterLimit(k, R.Adapter.get(k.mem, set)), 0);
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

/** Gives [va, va + length) a place in the bounce buffer of a set, as much of it as there is room for. Length 0 without memory or room. */
export function bounce(k: Kernel, set: number, mdl: number, va: number, length: number, toDevice: boolean): Piece {
  const { mem } = k;
  const buffer = bounceBuffer(k, set);
  const used = R.Used.get(mem, set);
  const index = R.Entries.get(mem, set);
  const total = Math.min(length, Math.max(R.Count.get(mem, set), 1) * DMA_PAGE - used);
  if (!buffer || total <= 0 || index >= Math.max(R.Count.get(mem, set), 1)) return { pa: 0, length: 0 };
  if (toDevice) gather(k, mdlPieces(k, mdl, va, total), buffer + used);
  const entry = entryAt(set, index);
  B.Va.set(mem, entry, va);
  B.Length.set(mem, entry, total);
  B.Offset.set(mem, entry, used);
  R.Entries.set(mem, set, index + 1);
  R.Used.set(mem, set, used + total);
  return { pa: Number(R.BouncePa.get(mem, set)) + used, length: total };
}

/** Sets a transfer up: where the device finds it, and how much of it lies there in one piece. Length 0 when there is no memory to bounce through. */
export function mapTransfer(k: Kernel, set: number, mdl: number, va: number, length: number, toDevice: boolean): Piece {
  const pieces = mdlPieces(k, mdl, va, length);
  const adapter = set ? R.Adapter.get(k.mem, set) : 0;
  const first = pieces[0] ?? { pa: 0, length: 0 };
  if (!adapter) return first;
  const gathers = A.ScatterGather.get(k.mem, adapter) !== 0;
  if (!needsBounce(gathers ? [first] : pieces, adapterLimit(k, adapter), gathers)) return first;
  return bounce(k, set, mdl, va, bytesOf(pieces), toDevice);
}

/** Ends a transfer: what the device wrote into the bounce buffer goes to where it belongs, and the buffer is free for the next. */
export function flushTransfer(k: Kernel, set: number, mdl: number, va: number, length: number, toDevice: boolean): void {
  if (!set) return;
  const { mem } = k;
  for (let i = 0; i < R.Entries.get(mem, set) && !toDevice; i++) {
    const entry = entryAt(set, i);
    const from = B.Va.get(mem, entry);
    const begin = Math.max(from, va);
    const end = Math.min(from + B.Length.get(mem, entry), va + length);
    if (begin >= end) continue;
    scatter(k, R.BounceVa.get(mem, set) + B.Offset.get(mem, entry) + (begin - from), mdlPieces(k, mdl, begin, end - begin));
  }
  R.Entries.set(mem, set, 0);
  R.Used.set(mem, set, 0);
}
