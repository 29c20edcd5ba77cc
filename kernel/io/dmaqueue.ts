/**
 * Who waits for a DMA adapter. One AdapterControl or AdapterListControl routine of an adapter runs at a time; the others, and those for which there are too few map registers, wait
 * in the order in which they came. Whoever gives something back serves the first of them, on its own stack.
 */
import type { Kernel } from '../kernel.ts';
import { call, type Frame, type Outcome, ret } from '../exports/declare.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { insertTailList, removeEntryList } from '../rtl/list.ts';
import { DeallocateObjectKeepRegisters, KeepObject } from '../types/hal.ts';
import { DEVICE_OBJECT } from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { ptr, struct, u32, u64, u8 } from '../types/struct.ts';
import { A, freeMapRegisters, takeMapRegisters } from './dma.ts';
import { listNeeds, writeList } from './dmalist.ts';

/** A request that waits, or whose routine runs. */
const DMA_WAIT = struct('_DMA_WAIT', {
  Link: LIST_ENTRY,
  DeviceObject: ptr,
  Irp: ptr,
  Routine: ptr,
  Context: u64,
  /** DMA_TRANSFER_CONTEXT of a version 3 request, or 0: it can be cancelled. */
  TransferContext: ptr,
  /** Map registers of a channel. */
  Registers: u32,
  /** The request is for a list, not for a channel. */
  IsList: u8,
  ToDevice: u8,
  OwnedList: u8,
  List: ptr,
  Mdl: ptr,
  Va: ptr,
  Length: u32,
});
const W = DMA_WAIT.f;
const TAG = poolTag('DmaW');

export interface Request {
  device: number;
  routine: number;
  context: bigint;
  transferContext?: number;
  registers?: number;
  list?: { at: number; owned: boolean; mdl: number; va: number; length: number; toDevice: boolean };
}

/** A request in pool; 0 without. */
export function newRequest(k: Kernel, r: Request): number {
  const { mem } = k;
  const at = exAllocatePool(k, NonPagedPoolNx, DMA_WAIT.size, TAG);
  if (!at) return 0;
  mem.fill(at, DMA_WAIT.size, 0);
  W.DeviceObject.set(mem, at, r.device);
  // What DeviceObject->CurrentIrp is now: the IRP of the StartIo routine that asks.
  W.Irp.set(mem, at, DEVICE_OBJECT.f.CurrentIrp.get(mem, r.device));
  W.Routine.set(mem, at, r.routine);
  W.Context.set(mem, at, r.context);
  W.TransferContext.set(mem, at, r.transferContext ?? 0);
  W.Registers.set(mem, at, r.registers ?? 0);
  if (r.list) {
    W.IsList.set(mem, at, 1);
    W.List.set(mem, at, r.list.at);
    W.OwnedList.set(mem, at, r.list.owned ? 1 : 0);
    W.Mdl.set(mem, at, r.list.mdl);
    W.Va.set(mem, at, r.list.va);
    W.Length.set(mem, at, r.list.length);
    W.ToDevice.set(mem, at, r.list.toDevice ? 1 : 0);
  }
  return at;
}

export const serveFrame = { Adapter: ptr, Wait: ptr, Registers: ptr, Result: u32 } as const;
export type ServeFrame = Frame<typeof serveFrame>;

/** Takes what a request needs; false when that is not free now. */
function grant(k: Kernel, f: ServeFrame, adapter: number, wait: number): boolean {
  const { mem } = k;
  if (!W.IsList.get(mem, wait)) {
    const registers = takeMapRegisters(k, adapter, W.Registers.get(mem, wait));
    f.set('Registers', registers);
    return registers !== 0;
  }
  return writeList(k, adapter, W.List.get(mem, wait), W.OwnedList.get(mem, wait) !== 0, {
    mdl: W.Mdl.get(mem, wait),
    va: W.Va.get(mem, wait),
    length: W.Length.get(mem, wait),
    toDevice: W.ToDevice.get(mem, wait) !== 0,
  });
}

/** Calls the routine of the first who waits, if the adapter and the registers are free; else the routine that serves is done. */
export function serve(k: Kernel, f: ServeFrame, adapter: number): Outcome {
  const { mem } = k;
  const head = adapter + A.WaitQueue.offset;
  const wait = mem.readPtr(head);
  if (wait === head || A.Busy.get(mem, adapter) || !grant(k, f, adapter, wait)) return ret(f.get('Result'));
  removeEntryList(mem, wait);
  A.Busy.set(mem, adapter, 1);
  f.set('Adapter', adapter);
  f.set('Wait', wait);
  const third = W.IsList.get(mem, wait) ? W.List.get(mem, wait) : f.get('Registers');
  const args = [W.DeviceObject.get(mem, wait), W.Irp.get(mem, wait), third, W.Context.get(mem, wait)];
  return call(W.Routine.get(mem, wait), args, 'controlled');
}

/** Queues a request and serves whoever is first: the step `start` of the routines that ask. */
export function request(k: Kernel, f: ServeFrame, adapter: number, wait: number): Outcome {
  insertTailList(k.mem, adapter + A.WaitQueue.offset, wait);
  f.set('Result', STATUS_SUCCESS);
  return serve(k, f, adapter);
}

/** The step `controlled`: what an AdapterControl routine returned decides who keeps adapter and registers. An AdapterListControl routine returns nothing, and keeps its list. */
export const controlled = (k: Kernel, f: ServeFrame, rax: number): Outcome => {
  const { mem } = k;
  const adapter = f.get('Adapter');
  const wait = f.get('Wait');
  const isList = W.IsList.get(mem, wait) !== 0;
  exFreePool(k, wait, TAG);
  if (!isList && rax === KeepObject) {
    A.Kept.set(mem, adapter, f.get('Registers'));
    return ret(f.get('Result'));
  }
  if (!isList && rax !== DeallocateObjectKeepRegisters) freeMapRegisters(k, f.get('Registers'));
  A.Busy.set(mem, adapter, 0);
  return serve(k, f, adapter);
};

/** FreeAdapterChannel: the adapter, and the registers of the routine that kept it, are free. */
export function releaseAdapter(k: Kernel, f: ServeFrame, adapter: number): Outcome {
  const kept = A.Kept.get(k.mem, adapter);
  f.set('Result', 0);
  if (kept) {
    A.Kept.set(k.mem, adapter, 0);
    freeMapRegisters(k, kept);
    A.Busy.set(k.mem, adapter, 0);
  }
  return serve(k, f, adapter);
}

/** Takes the waiting request of a transfer context off the queue; false when it does not wait (any more). */
export function cancelRequest(k: Kernel, adapter: number, device: number, transferContext: number): boolean {
  const { mem } = k;
  const head = adapter + A.WaitQueue.offset;
  for (let wait = mem.readPtr(head); wait !== head; wait = mem.readPtr(wait)) {
    if (W.TransferContext.get(mem, wait) !== transferContext || W.DeviceObject.get(mem, wait) !== device) continue;
    removeEntryList(mem, wait);
    if (W.OwnedList.get(mem, wait)) exFreePool(k, W.List.get(mem, wait), 0);
    exFreePool(k, wait, TAG);
    return true;
  }
  return false;
}

/** What a list request needs that its adapter could ever give: 0, or why not. */
export const listRegisters = (k: Kernel, adapter: number, mdl: number, va: number, length: number): number =>
  listNeeds(k, adapter, mdl, va, length).registers;
