/**
 * I/O request packets. An IRP is a header and one stack location for each driver that it may pass; CurrentLocation counts down from StackCount + 1 as the request
 * goes down the stack of devices and up again as it completes.
 */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { specialAllocate } from '../mm/specialpool.ts';
import { poolTag } from '../ob/globals.ts';
import { insertHeadList, removeEntryList } from '../rtl/list.ts';
import { MULTIPLE_IRP_COMPLETE_REQUESTS } from '../types/bugcodes.ts';
import { IO_STACK_LOCATION, IO_TYPE_IRP, IRP, IRP_MJ_NAMES } from '../types/io.ts';
import { KTHREAD } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { ETHREAD } from '../types/ps.ts';

export const I = IRP.f;
export const S = IO_STACK_LOCATION.f;
export const STACK_LOCATION_SIZE = IO_STACK_LOCATION.size;
const TAG = poolTag('Irp ');

/** Bytes of an IRP with that many stack locations (IoSizeOfIrp). */
export const irpSize = (stackSize: number): number => IRP.size + stackSize * STACK_LOCATION_SIZE;

/** Makes `size` bytes at `irp` an IRP that no driver has had yet. */
export function ioInitializeIrp(k: Kernel, irp: number, size: number, stackSize: number): void {
  const { mem } = k;
  mem.fill(irp, size, 0);
  I.Type.set(mem, irp, IO_TYPE_IRP);
  I.Size.set(mem, irp, size);
  I.StackCount.set(mem, irp, stackSize);
  I.CurrentLocation.set(mem, irp, stackSize + 1);
  I.ApcEnvironment.set(mem, irp, KTHREAD.f.ApcStateIndex.get(mem, k.currentThread()));
  const link = irp + I.ThreadListEntry.offset;
  mem.writePtr(link, link);
  mem.writePtr(link + 8, link);
  I.CurrentStackLocation.set(mem, irp, irp + IRP.size + stackSize * STACK_LOCATION_SIZE);
}

/** Allocates an IRP; 0 without pool. `stackSize` is 1 to 127. */
export function ioAllocateIrp(k: Kernel, stackSize: number): number {
  const size = irpSize(stackSize);
  // Under the verifier an IRP has pages of its own, so that who touches it after its end is found.
  const irp =
    (k.config.verifier && specialAllocate(k, NonPagedPoolNx, size, TAG)) || exAllocatePool(k, NonPagedPoolNx, size, TAG);
  if (irp) ioInitializeIrp(k, irp, size, stackSize);
  return irp;
}

/** Frees an IRP. One that is none (freed before, most often) stops the machine with MULTIPLE_IRP_COMPLETE_REQUESTS. */
export function ioFreeIrp(k: Kernel, irp: number): void {
  if (I.Type.get(k.mem, irp) !== IO_TYPE_IRP)
    k.bugCheck(MULTIPLE_IRP_COMPLETE_REQUESTS, irp, 0, 0, 0, 'IoFreeIrp was given something that is not an IRP');
  I.Type.set(k.mem, irp, 0);
  exFreePool(k, irp, 0);
}

/** The stack location of the driver that has the IRP. */
export const currentLocation = (k: Kernel, irp: number): number => I.CurrentStackLocation.get(k.mem, irp);
/** The stack location that the next lower driver will get. */
export const nextLocation = (k: Kernel, irp: number): number => I.CurrentStackLocation.get(k.mem, irp) - STACK_LOCATION_SIZE;

/** Links an IRP to the current thread, which answers for it until it completes. */
export function queueIrpToThread(k: Kernel, irp: number): void {
  insertHeadList(k.mem, k.currentThread() + ETHREAD.f.IrpList.offset, irp + I.ThreadListEntry.offset);
}

export function dequeueIrpFromThread(k: Kernel, irp: number): void {
  const link = irp + I.ThreadListEntry.offset;
  removeEntryList(k.mem, link);
  k.mem.writePtr(link, link);
  k.mem.writePtr(link + 8, link);
}

export const irpStatus = (k: Kernel, irp: number): number => k.mem.read32(irp + I.IoStatus.offset);
export const irpInformation = (k: Kernel, irp: number): bigint => k.mem.read64(irp + I.IoStatus.offset + 8);
export function setIrpStatus(k: Kernel, irp: number, status: number, information: number | bigint = 0): void {
  k.mem.write32(irp + I.IoStatus.offset, status);
  k.mem.write64(irp + I.IoStatus.offset + 8, BigInt.asUintN(64, BigInt(information)));
}

/** NT_SUCCESS, NT_ERROR and NT_WARNING of an unsigned status. */
export const ntSuccess = (status: number): boolean => status >>> 0 < 0x80000000;
export const ntError = (status: number): boolean => status >>> 30 === 3;

/** What the trace calls an IRP: by its address. */
export const irpId = (irp: number): string => BigInt.asUintN(64, BigInt(irp)).toString(16);
export const majorName = (major: number): string => IRP_MJ_NAMES[major] ?? `IRP_MJ_${major}`;
