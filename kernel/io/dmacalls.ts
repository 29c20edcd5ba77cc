/** The routines of DMA_OPERATIONS, and IoGetDmaAdapter. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { mmFreeContiguous } from '../mm/contiguous.ts';
import { exFreePool } from '../mm/pool.ts';
import { DMA_OPERATIONS } from '../types/hal.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_NOT_SUPPORTED } from '../types/status.ts';
import {
  BOOLEAN,
  LONGLONG,
  type NtExport,
  ntData,
  ntExport,
  ntSteps,
  NTSTATUS,
  pointer,
  PVOID,
  ret,
  ULONG,
  ULONG64,
  VOID,
} from '../exports/declare.ts';
import { PDEVICE_OBJECT } from './call.ts';
import { A, allocateCommonBuffer, createAdapter, flushTransfer, freeMapRegisters, mapTransfer, R } from './dma.ts';
import { listCalls } from './dmalistcalls.ts';
import { controlled, newRequest, releaseAdapter, request, serve, serveFrame } from './dmaqueue.ts';
import { version3Calls, version3Operations } from './dmav3.ts';

const PDMA_ADAPTER = pointer('PDMA_ADAPTER');
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const DISPATCH_ONLY = { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' } as const;
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

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
  ...version3Operations,
};

const hal = { module: 'hal.dll' as const };

/** Bytes of DMA_OPERATIONS in each version: up to PutScatterGatherList, BuildMdlFromScatterGatherList, CancelMappedTransfer (Windows 8) and what came after it. */
const OPERATIONS_SIZE = {
  1: DMA_OPERATIONS.f.CalculateScatterGatherList.offset,
  2: DMA_OPERATIONS.f.GetDmaAdapterInfo.offset,
  3: DMA_OPERATIONS.size,
} as const;

const operationAddress = (k: Kernel, routine: string): number =>
  k.images.symbols.get(`hal!${routine}`) ?? k.address(`nt!${routine}`);

const adapters: NtExport[] = [
  ...([1, 2, 3] as const).map(version =>
    ntData({
      name: `HalpDmaOperations${version}`,
      internal: true,
      doc: `DMA_OPERATIONS of adapters of version ${version}.`,
      size: OPERATIONS_SIZE[version],
      status: 'full',
      init(k, address) {
        DMA_OPERATIONS.f.Size.set(k.mem, address, OPERATIONS_SIZE[version]);
        for (const f of DMA_OPERATIONS.fields)
          if (f.name !== 'Size' && f.offset < OPERATIONS_SIZE[version])
            k.mem.writePtr(address + f.offset, operationAddress(k, OPERATIONS[f.name] ?? 'HalpDmaNotSupported'));
      },
    }),
  ),
  ntExport({
    name: 'HalpDmaNotSupported',
    internal: true,
    doc: 'What operations of version 3 point to that this HAL does not have.',
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
    status: 'full',
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
    doc: "Calls a driver's AdapterControl routine when the adapter and the map registers that it needs are free.",
    irql: DISPATCH_ONLY,
    args: {
      DmaAdapter: PDMA_ADAPTER,
      DeviceObject: PDEVICE_OBJECT,
      NumberOfMapRegisters: ULONG,
      ExecutionRoutine: PVOID,
      Context: ULONG64,
    },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: serveFrame,
    steps: {
      start(k, f, _rax, a) {
        if (a.NumberOfMapRegisters > A.MaximumMapRegisters.get(k.mem, a.DmaAdapter)) return ret(STATUS_INSUFFICIENT_RESOURCES);
        const wait = newRequest(k, {
          device: a.DeviceObject,
          routine: a.ExecutionRoutine,
          context: a.Context,
          registers: a.NumberOfMapRegisters,
        });
        return wait ? request(k, f, a.DmaAdapter, wait) : ret(STATUS_INSUFFICIENT_RESOURCES);
      },
      controlled,
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
  ntSteps({
    ...hal,
    name: 'IoFreeAdapterChannel',
    doc: 'Gives an adapter back that AdapterControl kept, with its map registers; who waits for it is called.',
    irql: DISPATCH_ONLY,
    args: { DmaAdapter: PDMA_ADAPTER },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: serveFrame,
    steps: { start: (k, f, _rax, { DmaAdapter }) => releaseAdapter(k, f, DmaAdapter), controlled },
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
    frame: serveFrame,
    steps: {
      start(k, f, _rax, { MapRegisterBase }) {
        if (!MapRegisterBase) return ret();
        const adapter = R.Adapter.get(k.mem, MapRegisterBase);
        freeMapRegisters(k, MapRegisterBase);
        f.set('Result', 0);
        return serve(k, f, adapter);
      },
      controlled,
    },
  }),
];

export const exports: NtExport[] = [...adapters, ...channels, ...listCalls, ...version3Calls];
