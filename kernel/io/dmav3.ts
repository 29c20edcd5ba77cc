/** The operations of DMA_OPERATIONS version 3 (Windows 8 and later): transfers by offset, requests that can be cancelled or must be granted at once. Source: the WDK page of each. */
import { DMA_PAGE } from '../../hal/nt/dma.ts';
import {
  BOOLEAN,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
  ULONG64,
  VOID,
} from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { mmFreeContiguous } from '../mm/contiguous.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { mmGetPhysicalAddress } from '../mm/pte.ts';
import { poolTag } from '../ob/globals.ts';
import { DeallocateObject, DeallocateObjectKeepRegisters, SCATTER_GATHER_ELEMENT, SCATTER_GATHER_LIST } from '../types/hal.ts';
import { MDL, NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_NOT_IMPLEMENTED,
  STATUS_NOT_SUPPORTED,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { PDEVICE_OBJECT } from './call.ts';
import {
  A,
  adapterLimit,
  allocateCommonBuffer,
  bytesOf,
  flushTransfer,
  freeMapRegisters,
  mapTransfer,
  mdlPieces,
  pagesOf,
  registersFree,
  takeMapRegisters,
} from './dma.ts';
import { listNeeds, writeList } from './dmalist.ts';
import { askForList } from './dmalistcalls.ts';
import { cancelRequest, controlled, newRequest, request, serve, serveFrame, type ServeFrame } from './dmaqueue.ts';

const PDMA_ADAPTER = pointer('PDMA_ADAPTER');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const hal = { module: 'hal.dll' as const, internal: true as const };

const DMA_SYNCHRONOUS_CALLBACK = 1;
/** DMA_TRANSFER_CONTEXT_VERSION1 and the size of a context. */
const CONTEXT_VERSION = 1,
  CONTEXT_SIZE = 128;
const ELEMENTS = SCATTER_GATHER_LIST.f.Elements.offset;

/** What the operations point to, by member. */
export const version3Operations: { readonly [member: string]: string } = {
  AllocateCommonBufferEx: 'HalAllocateCommonBufferEx',
  GetDmaAdapterInfo: 'HalGetDmaAdapterInfo',
  GetDmaTransferInfo: 'HalGetDmaTransferInfo',
  InitializeDmaTransferContext: 'HalInitializeDmaTransferContext',
  AllocateAdapterChannelEx: 'HalAllocateAdapterChannelEx',
  ConfigureAdapterChannel: 'HalConfigureAdapterChannel',
  CancelAdapterChannel: 'HalCancelAdapterChannel',
  MapTransferEx: 'HalMapTransferEx',
  GetScatterGatherListEx: 'HalGetScatterGatherListEx',
  BuildScatterGatherListEx: 'HalBuildScatterGatherListEx',
  FlushAdapterBuffersEx: 'HalFlushAdapterBuffersEx',
  FreeAdapterObject: 'HalFreeAdapterObject',
  FlushDmaBuffer: 'HalFlushDmaBuffer',
  GetDmaDomain: 'HalGetDmaDomain',
  AllocateCommonBufferWithBounds: 'HalAllocateCommonBufferWithBounds',
  AllocateCommonBufferVector: 'HalAllocateCommonBufferVector',
  GetCommonBufferFromVectorByIndex: 'HalGetCommonBufferFromVectorByIndex',
  FreeCommonBufferFromVector: 'HalFreeCommonBufferFromVector',
  FreeCommonBufferVector: 'HalFreeCommonBufferVector',
};

/** Version 3 counts from the start of the MDL. */
const vaOf = (k: Kernel, mdl: number, offset: bigint): number =>
  MDL.f.StartVa.get(k.mem, mdl) + MDL.f.ByteOffset.get(k.mem, mdl) + Number(offset);

/** Would a request that must not wait have to? */
const mustWait = (k: Kernel, adapter: number, registers: number): boolean => {
  const head = adapter + A.WaitQueue.offset;
  return A.Busy.get(k.mem, adapter) !== 0 || k.mem.readPtr(head) !== head || !registersFree(k, adapter, registers);
};

const information: NtExport[] = [
  ntExport({
    ...hal,
    name: 'HalGetDmaAdapterInfo',
    doc: 'Abilities of an adapter (DMA_ADAPTER_INFO version 1); STATUS_NOT_SUPPORTED for other versions.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, AdapterInfo: PVOID },
    returns: NTSTATUS,
    cycles: 40,
    status: 'full',
    impl(k, { DmaAdapter, AdapterInfo: at }) {
      if (k.mem.read32(at) !== 1) return STATUS_NOT_SUPPORTED;
      // ReadDmaCounterAvailable, ScatterGatherLimit, DmaAddressWidth, Flags, MinimumTransferUnit
      k.mem.write32(at + 4, 0);
      k.mem.write32(at + 8, A.ScatterGather.get(k.mem, DmaAdapter) ? A.MaximumMapRegisters.get(k.mem, DmaAdapter) : 1);
      k.mem.write32(at + 12, Math.ceil(Math.log2(adapterLimit(k, DmaAdapter) + 1)));
      k.mem.write32(at + 16, 0);
      k.mem.write32(at + 20, 1);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalGetDmaTransferInfo',
    doc: 'What a transfer needs (DMA_TRANSFER_INFO version 1): map registers, elements, bytes of a list; STATUS_NOT_SUPPORTED for other versions.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, Mdl: PVOID, Offset: ULONG64, Length: ULONG, WriteOnly: BOOLEAN, TransferInfo: PVOID },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl(k, a) {
      if (k.mem.read32(a.TransferInfo) !== 1) return STATUS_NOT_SUPPORTED;
      const va = vaOf(k, a.Mdl, a.Offset);
      const pieces = mdlPieces(k, a.Mdl, va, a.Length);
      k.mem.write32(a.TransferInfo + 4, pagesOf(pieces));
      k.mem.write32(a.TransferInfo + 8, pieces.length);
      k.mem.write32(a.TransferInfo + 12, listNeeds(k, a.DmaAdapter, a.Mdl, va, a.Length).bytes);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalInitializeDmaTransferContext',
    doc: 'Makes the context by which a request for DMA resources can be cancelled.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, DmaTransferContext: PVOID },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, { DmaTransferContext }) {
      if (!DmaTransferContext) return STATUS_INVALID_PARAMETER;
      k.mem.fill(DmaTransferContext, CONTEXT_SIZE, 0);
      k.mem.write32(DmaTransferContext, CONTEXT_VERSION);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalConfigureAdapterChannel',
    doc: 'A function of a system DMA controller; a bus master has none.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, FunctionNumber: ULONG, Context: PVOID },
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: () => STATUS_NOT_IMPLEMENTED,
  }),
  ntExport({
    ...hal,
    name: 'HalFlushDmaBuffer',
    doc: 'Makes caches and memory agree on a buffer; they always do on this machine.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, Mdl: PVOID, ReadOperation: BOOLEAN },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl: () => STATUS_SUCCESS,
  }),
  ntExport({
    ...hal,
    name: 'HalGetDmaDomain',
    doc: 'The remapping domain of an adapter: NULL, there is no remapping hardware.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER },
    returns: PVOID,
    cycles: 10,
    status: 'full',
    impl: () => 0,
  }),
];

const listExArgs = {
  DmaAdapter: PDMA_ADAPTER,
  DeviceObject: PDEVICE_OBJECT,
  DmaTransferContext: PVOID,
  Mdl: PVOID,
  Offset: ULONG64,
  Length: ULONG,
  Flags: ULONG,
  ExecutionRoutine: PVOID,
  Context: ULONG64,
  WriteToDevice: BOOLEAN,
} as const;

interface ListExRequest {
  DmaAdapter: number;
  DeviceObject: number;
  DmaTransferContext: number;
  Mdl: number;
  Offset: bigint;
  Length: number;
  Flags: number;
  ExecutionRoutine: number;
  Context: bigint;
  WriteToDevice: boolean;
}

/** GetScatterGatherListEx and BuildScatterGatherListEx: a list now or never, or one that the driver is called with. */
function listEx(k: Kernel, f: ServeFrame, a: ListExRequest, buffer: number, room: number, result: number): Outcome {
  const va = vaOf(k, a.Mdl, a.Offset);
  const { bytes, registers } = listNeeds(k, a.DmaAdapter, a.Mdl, va, a.Length);
  const now = (a.Flags & DMA_SYNCHRONOUS_CALLBACK) !== 0;
  if ((!now && !a.ExecutionRoutine) || (a.ExecutionRoutine === 0 && result === 0)) return ret(STATUS_INVALID_PARAMETER);
  if (now && mustWait(k, a.DmaAdapter, registers)) return ret(STATUS_INSUFFICIENT_RESOURCES);
  const ask = { ...a, CurrentVa: va, transferContext: a.DmaTransferContext };
  if (a.ExecutionRoutine) return askForList(k, f, ask, buffer, room);
  if (bytesOf(mdlPieces(k, a.Mdl, va, a.Length)) < a.Length || (buffer !== 0 && room < bytes))
    return ret(STATUS_BUFFER_TOO_SMALL);
  const list = buffer || exAllocatePool(k, NonPagedPoolNx, bytes, poolTag('Sgl '));
  const made =
    list !== 0 && writeList(k, a.DmaAdapter, list, buffer === 0, { mdl: a.Mdl, va, length: a.Length, toDevice: a.WriteToDevice });
  if (!made && list && buffer === 0) exFreePool(k, list, 0);
  if (!made) return ret(STATUS_INSUFFICIENT_RESOURCES);
  k.mem.writePtr(result, list);
  return ret(STATUS_SUCCESS);
}

/** Elements of a transfer as the driver's buffer has room for them; returns the bytes that they cover. */
function mapInto(
  k: Kernel,
  a: { Mdl: number; MapRegisterBase: number; WriteToDevice: boolean; ScatterGatherBuffer: number },
  va: number,
  length: number,
  room: number,
): number {
  let covered = 0;
  let count = 0;
  while (covered < length && count < room) {
    const piece = mapTransfer(k, a.MapRegisterBase, a.Mdl, va + covered, length - covered, a.WriteToDevice);
    if (piece.length === 0) break;
    if (a.ScatterGatherBuffer) {
      const e = a.ScatterGatherBuffer + ELEMENTS + count * SCATTER_GATHER_ELEMENT.size;
      SCATTER_GATHER_ELEMENT.f.Address.set(k.mem, e, BigInt(piece.pa));
      SCATTER_GATHER_ELEMENT.f.Length.set(k.mem, e, piece.length);
      SCATTER_GATHER_ELEMENT.f.Reserved.set(k.mem, e, 0n);
    }
    covered += piece.length;
    count++;
  }
  if (a.ScatterGatherBuffer) SCATTER_GATHER_LIST.f.NumberOfElements.set(k.mem, a.ScatterGatherBuffer, count);
  return covered;
}

const transfers: NtExport[] = [
  ntSteps({
    ...hal,
    name: 'HalAllocateAdapterChannelEx',
    doc: 'AllocateAdapterChannel with a context by which it can be cancelled; or at once, without a routine, or not at all.',
    irql: DISPATCH,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      DeviceObject: PDEVICE_OBJECT,
      DmaTransferContext: PVOID,
      NumberOfMapRegisters: ULONG,
      Flags: ULONG,
      ExecutionRoutine: PVOID,
      ExecutionContext: ULONG64,
      MapRegisterBase: PVOID,
    },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: serveFrame,
    steps: {
      start(k, f, _rax, a) {
        const { mem } = k;
        const now = (a.Flags & DMA_SYNCHRONOUS_CALLBACK) !== 0;
        if ((!now && !a.ExecutionRoutine) || (!a.ExecutionRoutine && !a.MapRegisterBase)) return ret(STATUS_INVALID_PARAMETER);
        if (a.NumberOfMapRegisters > A.MaximumMapRegisters.get(mem, a.DmaAdapter)) return ret(STATUS_INSUFFICIENT_RESOURCES);
        if (now && mustWait(k, a.DmaAdapter, a.NumberOfMapRegisters)) return ret(STATUS_INSUFFICIENT_RESOURCES);
        if (!a.ExecutionRoutine) {
          const registers = takeMapRegisters(k, a.DmaAdapter, a.NumberOfMapRegisters);
          if (!registers) return ret(STATUS_INSUFFICIENT_RESOURCES);
          A.Busy.set(mem, a.DmaAdapter, 1);
          A.Kept.set(mem, a.DmaAdapter, registers);
          mem.writePtr(a.MapRegisterBase, registers);
          return ret(STATUS_SUCCESS);
        }
        const wait = newRequest(k, {
          device: a.DeviceObject,
          routine: a.ExecutionRoutine,
          context: a.ExecutionContext,
          transferContext: a.DmaTransferContext,
          registers: a.NumberOfMapRegisters,
        });
        return wait ? request(k, f, a.DmaAdapter, wait) : ret(STATUS_INSUFFICIENT_RESOURCES);
      },
      controlled,
    },
  }),
  ntExport({
    ...hal,
    name: 'HalCancelAdapterChannel',
    doc: 'Takes back a request for DMA resources that still waits; FALSE when there is none.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, DeviceObject: PDEVICE_OBJECT, DmaTransferContext: PVOID },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl: (k, a) => cancelRequest(k, a.DmaAdapter, a.DeviceObject, a.DmaTransferContext),
  }),
  ntSteps({
    ...hal,
    name: 'HalFreeAdapterObject',
    doc: 'Gives back an adapter that AllocateAdapterChannelEx gave without a routine, with or without its map registers.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, AllocationAction: ULONG },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: serveFrame,
    steps: {
      start(k, f, _rax, { DmaAdapter, AllocationAction }) {
        f.set('Result', 0);
        const kept = A.Kept.get(k.mem, DmaAdapter);
        if (AllocationAction !== DeallocateObject && AllocationAction !== DeallocateObjectKeepRegisters) return ret();
        A.Kept.set(k.mem, DmaAdapter, 0);
        A.Busy.set(k.mem, DmaAdapter, 0);
        if (AllocationAction === DeallocateObject && kept) freeMapRegisters(k, kept);
        return serve(k, f, DmaAdapter);
      },
      controlled,
    },
  }),
  ntExport({
    ...hal,
    name: 'HalMapTransferEx',
    doc: 'Sets up a transfer in as many pieces as the buffer for the list has room for; Length says how much that is.',
    irql: DISPATCH,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      Mdl: PVOID,
      MapRegisterBase: PVOID,
      Offset: ULONG64,
      DeviceOffset: ULONG,
      Length: PVOID,
      WriteToDevice: BOOLEAN,
      ScatterGatherBuffer: PVOID,
      ScatterGatherBufferLength: ULONG,
      DmaCompletionRoutine: PVOID,
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.Length, 4, true);
      const room = a.ScatterGatherBuffer
        ? Math.floor((a.ScatterGatherBufferLength - ELEMENTS) / SCATTER_GATHER_ELEMENT.size)
        : Infinity;
      // Completion routines are for system DMA controllers.
      if (room < 1 || a.DmaCompletionRoutine) return STATUS_INVALID_PARAMETER;
      const length = k.mem.read32(a.Length);
      const covered = mapInto(k, a, vaOf(k, a.Mdl, a.Offset), length, room);
      k.mem.write32(a.Length, covered);
      return covered === 0 && length !== 0 ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalFlushAdapterBuffersEx',
    doc: 'FlushAdapterBuffers by offset.',
    irql: DISPATCH,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      Mdl: PVOID,
      MapRegisterBase: PVOID,
      Offset: ULONG64,
      Length: ULONG,
      WriteToDevice: BOOLEAN,
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      if (!a.Mdl) return STATUS_INVALID_PARAMETER;
      flushTransfer(k, a.MapRegisterBase, a.Mdl, vaOf(k, a.Mdl, a.Offset), a.Length, a.WriteToDevice);
      return STATUS_SUCCESS;
    },
  }),
  ntSteps({
    ...hal,
    name: 'HalGetScatterGatherListEx',
    doc: 'GetScatterGatherList with a context by which it can be cancelled, or at once or not at all.',
    irql: DISPATCH,
    args: { ...listExArgs, DmaCompletionRoutine: PVOID, CompletionContext: PVOID, ScatterGatherList: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: serveFrame,
    steps: { start: (k, f, _rax, a) => listEx(k, f, a, 0, 0, a.ScatterGatherList), controlled },
  }),
  ntSteps({
    ...hal,
    name: 'HalBuildScatterGatherListEx',
    doc: "GetScatterGatherListEx into a buffer of the driver's.",
    irql: DISPATCH,
    args: {
      ...listExArgs,
      ScatterGatherBuffer: PVOID,
      ScatterGatherLength: ULONG,
      DmaCompletionRoutine: PVOID,
      CompletionContext: PVOID,
      ScatterGatherList: PVOID,
    },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: serveFrame,
    steps: {
      start: (k, f, _rax, a) => listEx(k, f, a, a.ScatterGatherBuffer, a.ScatterGatherLength, a.ScatterGatherList),
      controlled,
    },
  }),
];

const limitAt = (k: Kernel, at: number, otherwise: number): number =>
  at ? Number(k.mem.read64(at) & 0x1fffffffffffffn) : otherwise;

/** DMA_COMMON_BUFFER_VECTOR, opaque to drivers: count, bytes of an element, then the elements' addresses. */
const VECTOR_ELEMENTS = 16;

function freeVector(k: Kernel, vector: number): void {
  const count = k.mem.read32(vector);
  for (let i = 0; i < count; i++) {
    const va = k.mem.readPtr(vector + VECTOR_ELEMENTS + i * 8);
    if (va) mmFreeContiguous(k, va);
  }
  exFreePool(k, vector, 0);
}

const buffers: NtExport[] = [
  ntExport({
    ...hal,
    name: 'HalAllocateCommonBufferEx',
    doc: 'Allocates a common buffer below a given address.',
    irql: PASSIVE,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      MaximumAddress: PVOID,
      Length: ULONG,
      LogicalAddress: PVOID,
      CacheEnabled: BOOLEAN,
      PreferredNode: ULONG,
    },
    returns: PVOID,
    cycles: 1500,
    status: 'full',
    impl(k, { DmaAdapter, MaximumAddress, Length, LogicalAddress }) {
      k.mem.probe(LogicalAddress, 8, true);
      const { va, pa } = allocateCommonBuffer(k, DmaAdapter, Length, 0, limitAt(k, MaximumAddress, Number.MAX_SAFE_INTEGER));
      k.mem.write64(LogicalAddress, BigInt(pa));
      return va;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalAllocateCommonBufferWithBounds',
    doc: 'Allocates a common buffer between two addresses.',
    irql: PASSIVE,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      MinimumAddress: PVOID,
      MaximumAddress: PVOID,
      Length: ULONG,
      Flags: ULONG,
      CacheType: PVOID,
      PreferredNode: ULONG,
      LogicalAddress: PVOID,
    },
    returns: PVOID,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.LogicalAddress, 8, true);
      const lowest = limitAt(k, a.MinimumAddress, 0);
      const highest = limitAt(k, a.MaximumAddress, Number.MAX_SAFE_INTEGER);
      const { va, pa } = allocateCommonBuffer(k, a.DmaAdapter, a.Length, lowest, highest);
      k.mem.write64(a.LogicalAddress, BigInt(pa));
      return va;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalAllocateCommonBufferVector',
    doc: 'Allocates several common buffers of one size.',
    irql: PASSIVE,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      LowAddress: ULONG64,
      HighAddress: ULONG64,
      CacheType: ULONG,
      IdealNode: ULONG,
      Flags: ULONG,
      NumberOfElements: ULONG,
      SizeOfElements: ULONG64,
      VectorOut: PVOID,
    },
    returns: NTSTATUS,
    cycles: (_k, a) => 500 + 1500 * Math.min(a.NumberOfElements, 256),
    status: 'full',
    impl(k, a) {
      if (a.NumberOfElements === 0 || a.SizeOfElements === 0n || a.NumberOfElements > 0x10000) return STATUS_INVALID_PARAMETER;
      const bytes = VECTOR_ELEMENTS + a.NumberOfElements * 8;
      const vector = exAllocatePool(k, NonPagedPoolNx, bytes, poolTag('DmaV'));
      if (!vector) return STATUS_INSUFFICIENT_RESOURCES;
      k.mem.fill(vector, bytes, 0);
      k.mem.write32(vector, a.NumberOfElements);
      const size = Math.ceil(Number(a.SizeOfElements) / DMA_PAGE) * DMA_PAGE;
      for (let i = 0; i < a.NumberOfElements; i++) {
        const { va } = allocateCommonBuffer(
          k,
          a.DmaAdapter,
          size,
          Number(a.LowAddress),
          Number(a.HighAddress & 0x1fffffffffffffn),
        );
        if (!va) {
          freeVector(k, vector);
          return STATUS_INSUFFICIENT_RESOURCES;
        }
        k.mem.writePtr(vector + VECTOR_ELEMENTS + i * 8, va);
      }
      k.mem.writePtr(a.VectorOut, vector);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalGetCommonBufferFromVectorByIndex',
    doc: 'One of the common buffers of a vector.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, Vector: PVOID, Index: ULONG, VirtualAddressOut: PVOID, LogicalAddressOut: PVOID },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl(k, a) {
      const va = a.Index < k.mem.read32(a.Vector) ? k.mem.readPtr(a.Vector + VECTOR_ELEMENTS + a.Index * 8) : 0;
      k.mem.writePtr(a.VirtualAddressOut, va);
      k.mem.write64(a.LogicalAddressOut, va ? BigInt(mmGetPhysicalAddress(k, va)) : 0n);
    },
  }),
  ntExport({
    ...hal,
    name: 'HalFreeCommonBufferFromVector',
    doc: 'Frees one of the common buffers of a vector.',
    irql: PASSIVE,
    args: { DmaAdapter: PDMA_ADAPTER, Vector: PVOID, Index: ULONG },
    returns: VOID,
    cycles: 800,
    status: 'full',
    impl(k, { Vector, Index }) {
      const at = Vector + VECTOR_ELEMENTS + Index * 8;
      const va = Index < k.mem.read32(Vector) ? k.mem.readPtr(at) : 0;
      if (!va) return;
      mmFreeContiguous(k, va);
      k.mem.writePtr(at, 0);
    },
  }),
  ntExport({
    ...hal,
    name: 'HalFreeCommonBufferVector',
    doc: 'Frees the common buffers of a vector, and the vector.',
    irql: PASSIVE,
    args: { DmaAdapter: PDMA_ADAPTER, Vector: PVOID },
    returns: VOID,
    cycles: 800,
    status: 'full',
    impl: (k, { Vector }) => freeVector(k, Vector),
  }),
];

export const version3Calls: NtExport[] = [...information, ...transfers, ...buffers];
