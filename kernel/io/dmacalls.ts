/** The routines of DMA_OPERATIONS, and IoGetDmaAdapter. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { mapRegistersFor, needsBounce } from '../../hal/nt/dma.ts';
import { mmFreeContiguous } from '../mm/contiguous.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { DEVICE_OBJECT, WAIT_CONTEXT_BLOCK } from '../types/io.ts';
import { DMA_OPERATIONS, KeepObject, DeallocateObjectKeepRegisters } from '../types/hal.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_NOT_SUPPORTED,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, u8 } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type Frame,
  LONGLONG,
  type NtExport,
  ntData,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { PDEVICE_OBJECT } from './call.ts';
import {
  A,
  allocateCommonBuffer,
  createAdapter,
  adapterLimit,
  endScatterGather,
  flushTransfer,
  freeMapRegisters,
  mapTransfer,
  mdlPieces,
  nextWaiting,
  R,
  SCATTER_GATHER_TAIL,
  scatterGatherSize,
  takeMapRegisters,
  waitForRegisters,
  writeScatterGather,
} from './dma.ts';

const PDMA_ADAPTER = pointer('PDMA_ADAPTER');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const DISPATCH_ONLY = { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' } as const;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const W = WAIT_CONTEXT_BLOCK.f;
const wcbOf = (device: number): number => device + DEVICE_OBJECT.f.Queue.offset;

/** What the operations table points to, by member. */
const OPERATIONS: { readonly [member: string]: string } = {
  PutDmaAdapter: 'HalPutDmaAdapter',
  AllocateCommonBuffer: 'HalAllocateCommonBuffer',
  FreeCommonBuffer: 'HalFreeCommonBuffer',
  AllocateAdapterChannel: 'HalAllocateAdapterChannel',
  FlushAdapterBuffers: 'IoFlushAdapterBuffers',
  FreeAdapterChannel: 'IoFreeAdapterChannel',
  FreeMapRegisters: 'IoFreeMapRegisters',
  MapTransfer: 'IoMapTransfer',
  GetDmaAlignment: 'HalGetDmaAlignment',
  ReadDmaCounter: 'HalReadDmaCounter',
  GetScatterGatherList: 'HalGetScatterGatherList',
  PutScatterGatherList: 'HalPutScatterGatherList',
  CalculateScatterGatherList: 'HalCalculateScatterGatherListSize',
  BuildScatterGatherList: 'HalBuildScatterGatherList',
  BuildMdlFromScatterGatherList: 'HalBuildMdlFromScatterGatherList',
  AllocateCommonBufferEx: 'HalAllocateCommonBufferEx',
};

/** Keeps the IRP of a driver's StartIo for its routine: what DeviceObject->CurrentIrp was. */
const irpOf = (k: Kernel, device: number): number => DEVICE_OBJECT.f.CurrentIrp.get(k.mem, device);

const channelFrame = { Registers: ptr, Adapter: ptr, Wcb: ptr } as const;
type ChannelFrame = Frame<typeof channelFrame>;

/** Calls the AdapterControl routine of a WAIT_CONTEXT_BLOCK with fresh map registers. */
function runControl(k: Kernel, f: ChannelFrame, adapter: number, wcb: number, registers: number): Outcome {
  f.set('Adapter', adapter);
  f.set('Wcb', wcb);
  f.set('Registers', registers);
  const device = W.DeviceObject.get(k.mem, wcb);
  return call(
    W.DeviceRoutine.get(k.mem, wcb),
    [device, W.CurrentIrp.get(k.mem, wcb), registers, W.DeviceContext.get(k.mem, wcb)],
    'controlled',
  );
}

/** Serves who waits for map registers, if there are enough now. */
function serveNext(k: Kernel, f: ChannelFrame, adapter: number): Outcome {
  const wcb = nextWaiting(k, adapter);
  if (!wcb) return ret();
  const registers = takeMapRegisters(k, adapter, W.NumberOfMapRegisters.get(k.mem, wcb));
  if (!registers) {
    waitForRegisters(k, adapter, wcb);
    return ret();
  }
  return runControl(k, f, adapter, wcb, registers);
}

/** What AdapterControl returned decides who keeps the registers; then the next gets its turn. */
const controlled = (k: Kernel, f: ChannelFrame, rax: number): Outcome => {
  const registers = f.get('Registers');
  if (rax !== KeepObject && rax !== DeallocateObjectKeepRegisters) freeMapRegisters(k, registers);
  return serveNext(k, f, f.get('Adapter'));
};

function buildList(
  k: Kernel,
  adapter: number,
  mdl: number,
  va: number,
  length: number,
  toDevice: boolean,
  buffer: number,
): boolean {
  return writeScatterGather(k, adapter, buffer, mdl, va, length, toDevice);
}
const listBytes = (k: Kernel, mdl: number, va: number, length: number): number =>
  scatterGatherSize(Math.max(1, mdlPieces(k, mdl, va, length).length)) + SCATTER_GATHER_TAIL;

const hal = { module: 'hal.dll' as const };

const adapters: NtExport[] = [
  ntData({
    name: 'HalpDmaOperations',
    internal: true,
    doc: 'DMA_OPERATIONS of every adapter.',
    size: DMA_OPERATIONS.size,
    status: 'full',
    init(k, address) {
      DMA_OPERATIONS.f.Size.set(k.mem, address, DMA_OPERATIONS.size);
      for (const f of DMA_OPERATIONS.fields) {
        if (f.name === 'Size') continue;
        const routine = OPERATIONS[f.name] ?? 'HalpDmaNotSupported';
        k.mem.writePtr(address + f.offset, k.images.symbols.get(`hal!${routine}`) ?? k.address(`nt!${routine}`));
      }
    },
  }),
  ntExport({
    name: 'HalpDmaNotSupported',
    internal: true,
    doc: 'What operations of version 3 adapters point to that this HAL does not have.',
    args: {},
    returns: NTSTATUS,
    cycles: 10,
    status: 'full',
    impl: () => STATUS_NOT_SUPPORTED,
  }),
  ntExport({
    name: 'IoGetDmaAdapter',
    doc: 'Returns the DMA adapter of a physical device, made for what the driver says of the device.',
    irql: PASSIVE,
    args: { PhysicalDeviceObject: PDEVICE_OBJECT, DeviceDescription: PVOID, NumberOfMapRegisters: PVOID },
    returns: PDMA_ADAPTER,
    cycles: 600,
    status: 'partial',
    missing: 'of the operations of version 3 adapters only AllocateCommonBufferEx is there',
    impl(k, a) {
      k.mem.probe(a.NumberOfMapRegisters, 4, true);
      const { adapter, registers } = createAdapter(k, a.PhysicalDeviceObject, a.DeviceDescription);
      k.mem.write32(a.NumberOfMapRegisters, registers);
      return adapter;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalGetAdapter',
    doc: 'Returns the DMA adapter for a device description (the form before Plug and Play).',
    irql: PASSIVE,
    args: { DeviceDescription: PVOID, NumberOfMapRegisters: PVOID },
    returns: PDMA_ADAPTER,
    cycles: 600,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.NumberOfMapRegisters, 4, true);
      const { adapter, registers } = createAdapter(k, 0, a.DeviceDescription);
      k.mem.write32(a.NumberOfMapRegisters, registers);
      return adapter;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalPutDmaAdapter',
    doc: 'Gives a DMA adapter back.',
    irql: PASSIVE,
    args: { DmaAdapter: PDMA_ADAPTER },
    returns: VOID,
    cycles: 200,
    status: 'full',
    impl: (k, { DmaAdapter }) => exFreePool(k, DmaAdapter, 0),
  }),
  ntExport({
    ...hal,
    name: 'HalAllocateCommonBuffer',
    doc: 'Allocates memory that the processor and the device can both reach.',
    irql: PASSIVE,
    args: { DmaAdapter: PDMA_ADAPTER, Length: ULONG, LogicalAddress: PVOID, CacheEnabled: BOOLEAN },
    returns: PVOID,
    cycles: 1500,
    status: 'full',
    impl(k, { DmaAdapter, Length, LogicalAddress }) {
      k.mem.probe(LogicalAddress, 8, true);
      const { va, pa } = allocateCommonBuffer(k, DmaAdapter, Length);
      k.mem.write64(LogicalAddress, BigInt(pa));
      return va;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalAllocateCommonBufferEx',
    internal: true,
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
      const limit = MaximumAddress ? k.mem.read64(MaximumAddress) : 0xffffffffffffffffn;
      const saved = A.AddressLimit.get(k.mem, DmaAdapter);
      if (limit < saved) A.AddressLimit.set(k.mem, DmaAdapter, limit);
      const { va, pa } = allocateCommonBuffer(k, DmaAdapter, Length);
      A.AddressLimit.set(k.mem, DmaAdapter, saved);
      k.mem.write64(LogicalAddress, BigInt(pa));
      return va;
    },
  }),
  ntExport({
    ...hal,
    name: 'HalFreeCommonBuffer',
    doc: 'Frees a common buffer.',
    irql: PASSIVE,
    args: { DmaAdapter: PDMA_ADAPTER, Length: ULONG, LogicalAddress: LONGLONG, VirtualAddress: PVOID, CacheEnabled: BOOLEAN },
    returns: VOID,
    cycles: 800,
    status: 'full',
    impl: (k, { VirtualAddress }) => mmFreeContiguous(k, VirtualAddress),
  }),
  ntExport({
    ...hal,
    name: 'HalGetDmaAlignment',
    internal: true,
    doc: 'Alignment that buffers for DMA need.',
    irql: PASSIVE,
    args: { DmaAdapter: PDMA_ADAPTER },
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: () => 1,
  }),
  ntExport({
    ...hal,
    name: 'HalReadDmaCounter',
    doc: 'Bytes left of a transfer of the system DMA controller; this machine has none.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER },
    returns: ULONG,
    cycles: 10,
    status: 'full',
    impl: () => 0,
  }),
];

const channels: NtExport[] = [
  ntSteps({
    ...hal,
    name: 'HalAllocateAdapterChannel',
    doc: "Calls a driver's AdapterControl routine when the map registers that it needs are free.",
    irql: DISPATCH_ONLY,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      DeviceObject: PDEVICE_OBJECT,
      NumberOfMapRegisters: ULONG,
      ExecutionRoutine: PVOID,
      Context: PVOID,
    },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: channelFrame,
    steps: {
      start(k, f, _rax, a) {
        const { mem } = k;
        if (a.NumberOfMapRegisters > A.MaximumMapRegisters.get(mem, a.DmaAdapter)) return ret(STATUS_INSUFFICIENT_RESOURCES);
        const wcb = wcbOf(a.DeviceObject);
        W.DeviceRoutine.set(mem, wcb, a.ExecutionRoutine);
        W.DeviceContext.set(mem, wcb, a.Context);
        W.NumberOfMapRegisters.set(mem, wcb, a.NumberOfMapRegisters);
        W.DeviceObject.set(mem, wcb, a.DeviceObject);
        W.CurrentIrp.set(mem, wcb, irpOf(k, a.DeviceObject));
        const registers = takeMapRegisters(k, a.DmaAdapter, a.NumberOfMapRegisters);
        if (registers) return runControl(k, f, a.DmaAdapter, wcb, registers);
        waitForRegisters(k, a.DmaAdapter, wcb);
        return ret(STATUS_SUCCESS);
      },
      controlled(k, f, rax) {
        const next = controlled(k, f, rax);
        return next.do === 'ret' ? ret(STATUS_SUCCESS) : next;
      },
    },
  }),
  ntExport({
    ...hal,
    name: 'IoMapTransfer',
    doc: 'Sets up map registers for (a part of) a transfer and returns the address that the device uses.',
    irql: DISPATCH,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      Mdl: PVOID,
      MapRegisterBase: PVOID,
      CurrentVa: PVOID,
      Length: PVOID,
      WriteToDevice: BOOLEAN,
    },
    returns: LONGLONG,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.Length, 4, true);
      const piece = mapTransfer(k, a.MapRegisterBase, a.Mdl, a.CurrentVa, k.mem.read32(a.Length), a.WriteToDevice);
      k.mem.write32(a.Length, piece.length);
      return BigInt(piece.pa);
    },
  }),
  ntExport({
    ...hal,
    name: 'IoFlushAdapterBuffers',
    doc: 'Ends a transfer: data that the device wrote through map registers arrives in its buffer.',
    irql: DISPATCH,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      Mdl: PVOID,
      MapRegisterBase: PVOID,
      CurrentVa: PVOID,
      Length: ULONG,
      WriteToDevice: BOOLEAN,
    },
    returns: BOOLEAN,
    cycles: 300,
    status: 'full',
    impl(k, a) {
      flushTransfer(k, a.MapRegisterBase, a.Mdl, a.CurrentVa, a.Length, a.WriteToDevice);
      return true;
    },
  }),
  ntExport({
    ...hal,
    name: 'IoFreeAdapterChannel',
    doc: "Gives the system DMA controller's channel back; a bus master has none, so there is nothing to give back.",
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: () => undefined,
  }),
  ntSteps({
    ...hal,
    name: 'IoFreeMapRegisters',
    doc: 'Gives map registers back; who waits for them is called.',
    irql: DISPATCH_ONLY,
    args: { DmaAdapter: PDMA_ADAPTER, MapRegisterBase: PVOID, NumberOfMapRegisters: ULONG },
    returns: VOID,
    cycles: 150,
    status: 'full',
    frame: channelFrame,
    steps: {
      start(k, f, _rax, { MapRegisterBase }) {
        if (!MapRegisterBase) return ret();
        const adapter = R.Adapter.get(k.mem, MapRegisterBase);
        freeMapRegisters(k, MapRegisterBase);
        return serveNext(k, f, adapter);
      },
      controlled,
    },
  }),
];

const listArgs = {
  DmaAdapter: PDMA_ADAPTER,
  DeviceObject: PDEVICE_OBJECT,
  Mdl: PVOID,
  CurrentVa: PVOID,
  Length: ULONG,
  ExecutionRoutine: PVOID,
  Context: PVOID,
  WriteToDevice: BOOLEAN,
} as const;

const lists: NtExport[] = [
  ntSteps({
    ...hal,
    name: 'HalGetScatterGatherList',
    doc: 'Builds a scatter/gather list of a buffer and calls the driver with it.',
    irql: DISPATCH_ONLY,
    args: listArgs,
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: { List: ptr },
    steps: {
      start(k, f, _rax, a) {
        const list = exAllocatePool(k, NonPagedPoolNx, listBytes(k, a.Mdl, a.CurrentVa, a.Length), poolTag('Sgl '));
        if (!list) return ret(STATUS_INSUFFICIENT_RESOURCES);
        if (!buildList(k, a.DmaAdapter, a.Mdl, a.CurrentVa, a.Length, a.WriteToDevice, list)) {
          exFreePool(k, list, 0);
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        }
        f.set('List', list);
        return call(a.ExecutionRoutine, [a.DeviceObject, irpOf(k, a.DeviceObject), list, a.Context], 'called');
      },
      called: () => ret(STATUS_SUCCESS),
    },
  }),
  ntExport({
    ...hal,
    name: 'HalPutScatterGatherList',
    doc: 'Ends a transfer by scatter/gather list and frees the list.',
    irql: DISPATCH_ONLY,
    args: { DmaAdapter: PDMA_ADAPTER, ScatterGather: PVOID, WriteToDevice: BOOLEAN },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl(k, { ScatterGather, WriteToDevice }) {
      endScatterGather(k, ScatterGather, WriteToDevice);
      exFreePool(k, ScatterGather, 0);
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
      if (!a.Mdl) {
        k.mem.write32(a.ScatterGatherListSize, scatterGatherSize(mapRegistersFor(a.Length)) + SCATTER_GATHER_TAIL);
        if (a.NumberOfMapRegisters) k.mem.write32(a.NumberOfMapRegisters, mapRegistersFor(a.Length));
        return STATUS_SUCCESS;
      }
      k.mem.write32(a.ScatterGatherListSize, listBytes(k, a.Mdl, a.CurrentVa, a.Length));
      const bounced = needsBounce(mdlPieces(k, a.Mdl, a.CurrentVa, a.Length), adapterLimit(k, a.DmaAdapter), true);
      if (a.NumberOfMapRegisters) k.mem.write32(a.NumberOfMapRegisters, bounced ? mapRegistersFor(a.Length) : 0);
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
    frame: { Unused: u8 },
    steps: {
      start(k, _f, _rax, a) {
        if (a.ScatterGatherLength < listBytes(k, a.Mdl, a.CurrentVa, a.Length)) return ret(STATUS_BUFFER_TOO_SMALL);
        if (!buildList(k, a.DmaAdapter, a.Mdl, a.CurrentVa, a.Length, a.WriteToDevice, a.ScatterGatherBuffer))
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        return call(a.ExecutionRoutine, [a.DeviceObject, irpOf(k, a.DeviceObject), a.ScatterGatherBuffer, a.Context], 'called');
      },
      called: () => ret(STATUS_SUCCESS),
    },
  }),
  ntExport({
    ...hal,
    name: 'HalBuildMdlFromScatterGatherList',
    internal: true,
    doc: 'An MDL for the memory that a scatter/gather list describes.',
    irql: DISPATCH,
    args: { DmaAdapter: PDMA_ADAPTER, ScatterGather: PVOID, OriginalMdl: PVOID, TargetMdl: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    impl(k, a) {
      // Without bouncing, what the list describes is what the MDL does; a bounced list has no pages of the caller's.
      if (k.mem.read64(a.ScatterGather + 8) !== 0n) return STATUS_INVALID_PARAMETER;
      k.mem.writePtr(a.TargetMdl, a.OriginalMdl);
      return STATUS_SUCCESS;
    },
  }),
];

export const exports: NtExport[] = [...adapters, ...channels, ...lists];
