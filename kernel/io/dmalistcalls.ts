/** The operations of DMA_OPERATIONS on scatter/gather lists. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
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
import { PDEVICE_OBJECT } from './call.ts';
import { A, bytesOf, mdlPieces } from './dma.ts';
import { endList, listNeeds, mdlOfList } from './dmalist.ts';
import { controlled, newRequest, request, serve, serveFrame, type ServeFrame } from './dmaqueue.ts';

const PDMA_ADAPTER = pointer('PDMA_ADAPTER');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const DISPATCH_ONLY = { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' } as const;
const hal = { module: 'hal.dll' as const };

export const listArgs = {
  DmaAdapter: PDMA_ADAPTER,
  DeviceObject: PDEVICE_OBJECT,
  Mdl: PVOID,
  CurrentVa: PVOID,
  Length: ULONG,
  ExecutionRoutine: PVOID,
  Context: ULONG64,
  WriteToDevice: BOOLEAN,
} as const;

interface ListRequest {
  DmaAdapter: number;
  DeviceObject: number;
  Mdl: number;
  CurrentVa: number;
  Length: number;
  ExecutionRoutine: number;
  Context: bigint;
  WriteToDevice: boolean;
  transferContext?: number;
}

/** Asks for a list in `buffer`, or in pool when that is 0; the driver's routine is called with it when the adapter is free. */
export function askForList(k: Kernel, f: ServeFrame, a: ListRequest, buffer: number, room: number): Outcome {
  const { bytes, registers } = listNeeds(k, a.DmaAdapter, a.Mdl, a.CurrentVa, a.Length);
  if (bytesOf(mdlPieces(k, a.Mdl, a.CurrentVa, a.Length)) < a.Length) return ret(STATUS_BUFFER_TOO_SMALL);
  if (registers > A.MaximumMapRegisters.get(k.mem, a.DmaAdapter)) return ret(STATUS_INSUFFICIENT_RESOURCES);
  if (buffer !== 0 && room < bytes) return ret(STATUS_BUFFER_TOO_SMALL);
  const at = buffer || exAllocatePool(k, NonPagedPoolNx, bytes, poolTag('Sgl '));
  if (!at) return ret(STATUS_INSUFFICIENT_RESOURCES);
  const wait = newRequest(k, {
    device: a.DeviceObject,
    routine: a.ExecutionRoutine,
    context: a.Context,
    transferContext: a.transferContext ?? 0,
    list: { at, owned: buffer === 0, mdl: a.Mdl, va: a.CurrentVa, length: a.Length, toDevice: a.WriteToDevice },
  });
  if (wait) return request(k, f, a.DmaAdapter, wait);
  if (buffer === 0) exFreePool(k, at, 0);
  return ret(STATUS_INSUFFICIENT_RESOURCES);
}

export const listCalls: NtExport[] = [
  ntSteps({
    ...hal,
    name: 'HalGetScatterGatherList',
    doc: 'Builds a scatter/gather list of a buffer and calls the driver with it, when the adapter is free.',
    irql: DISPATCH_ONLY,
    args: listArgs,
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: serveFrame,
    steps: { start: (k, f, _rax, a) => askForList(k, f, a, 0, 0), controlled },
  }),
  ntSteps({
    ...hal,
    name: 'HalPutScatterGatherList',
    doc: 'Ends a transfer by scatter/gather list, frees the list and its map registers; who waits for them is called.',
    irql: DISPATCH_ONLY,
    args: { DmaAdapter: PDMA_ADAPTER, ScatterGather: PVOID, WriteToDevice: BOOLEAN },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: serveFrame,
    steps: {
      start(k, f, _rax, { DmaAdapter, ScatterGather, WriteToDevice }) {
        if (endList(k, ScatterGather, WriteToDevice)) exFreePool(k, ScatterGather, 0);
        f.set('Result', 0);
        return serve(k, f, DmaAdapter);
      },
      controlled,
    },
  }),
  ntExport({
    ...hal,
    name: 'HalCalculateScatterGatherListSize',
    internal: true,
    doc: 'Bytes and map registers that the scatter/gather list of a buffer needs.',
    irql: DISPATCH,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      Mdl: PVOID,
      CurrentVa: PVOID,
      Length: ULONG,
      ScatterGatherListSize: PVOID,
      NumberOfMapRegisters: PVOID,
    },
    returns: NTSTATUS,
    cycles: 150,
    status: 'full',
    impl(k, a) {
      const { bytes, registers } = listNeeds(k, a.DmaAdapter, a.Mdl, a.CurrentVa, a.Length);
      if (a.Mdl && bytesOf(mdlPieces(k, a.Mdl, a.CurrentVa, a.Length)) < a.Length) return STATUS_BUFFER_TOO_SMALL;
      if (registers > A.MaximumMapRegisters.get(k.mem, a.DmaAdapter)) return STATUS_INSUFFICIENT_RESOURCES;
      k.mem.write32(a.ScatterGatherListSize, bytes);
      if (a.NumberOfMapRegisters) k.mem.write32(a.NumberOfMapRegisters, registers);
      return STATUS_SUCCESS;
    },
  }),
  ntSteps({
    ...hal,
    name: 'HalBuildScatterGatherList',
    internal: true,
    doc: "GetScatterGatherList into a buffer of the driver's.",
    irql: DISPATCH_ONLY,
    args: { ...listArgs, ScatterGatherBuffer: PVOID, ScatterGatherLength: ULONG },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: serveFrame,
    steps: { start: (k, f, _rax, a) => askForList(k, f, a, a.ScatterGatherBuffer, a.ScatterGatherLength), controlled },
  }),
  ntExport({
    ...hal,
    name: 'HalBuildMdlFromScatterGatherList',
    internal: true,
    doc: 'An MDL for the memory that a scatter/gather list describes: the original one, or one of the copy that the transfer goes through.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, ScatterGather: PVOID, OriginalMdl: PVOID, TargetMdl: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    impl: (k, a) => mdlOfList(k, a.ScatterGather, a.OriginalMdl, a.TargetMdl),
  }),
];
