/**
 * Devices that a driver has found by itself, and the resources that it claims to look for them: for hardware that no bus can name. Source: WDK, IoReportDetectedDevice,
 * IoReportResourceForDetection.
 */
import type { Kernel } from '../kernel.ts';
import { PDEVICE_OBJECT, PDRIVER_OBJECT } from '../io/call.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, equalNoCase } from '../ob/string.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { CM_FULL_RESOURCE_DESCRIPTOR, CM_PARTIAL_RESOURCE_DESCRIPTOR, CM_RESOURCE_LIST } from '../types/pnp.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  STATUS_UNSUCCESSFUL,
} from '../types/status.ts';
import { BOOLEAN, LONG, type NtExport, ntExport, NTSTATUS, PVOID, ULONG } from '../exports/declare.ts';
import { claimCollides, claimKey, claimValue, writeClaim } from './claims.ts';
import { createDetectedDevice } from './enumerate.ts';
import { driverService } from './match.ts';
import {
  allNodes,
  changeNodeFlags,
  DeviceNodeStarted,
  DNF_DETECTED,
  hasDriver,
  N,
  nodeFlags,
  nodeOf,
  serviceName,
} from './node.ts';
import { resourceListBytes, translateResources } from './resources.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const LIST_HEADER = CM_RESOURCE_LIST.f.List.offset;
const FULL_HEADER = CM_FULL_RESOURCE_DESCRIPTOR.size - CM_PARTIAL_RESOURCE_DESCRIPTOR.size;
const MAX_LIST = 0x10000;

/** A resource list whose counts stay within `size` bytes. */
function isValid(k: Kernel, list: number, size: number): boolean {
  if (size < LIST_HEADER + FULL_HEADER || size > MAX_LIST) return false;
  let at = list + LIST_HEADER;
  for (let full = k.mem.read32(list); full > 0; full--) {
    if (at + FULL_HEADER > list + size) return false;
    at += FULL_HEADER + k.mem.read32(at + FULL_HEADER - 4) * CM_PARTIAL_RESOURCE_DESCRIPTOR.size;
    if (at > list + size) return false;
  }
  return resourceListBytes(k, list) <= size;
}

export const exports: NtExport[] = [
  ntExport({
    name: 'IoReportResourceForDetection',
    doc: 'Claims raw resources for a driver that looks for a device which no bus reports; a list without entries gives them back.',
    irql: PASSIVE,
    args: {
      DriverObject: PDRIVER_OBJECT,
      DriverList: PVOID,
      DriverListSize: ULONG,
      DeviceObject: PDEVICE_OBJECT,
      DeviceList: PVOID,
      DeviceListSize: ULONG,
      ConflictDetected: PVOID,
    },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      mem.probe(a.ConflictDetected, 1, true);
      const [list, size, device] = a.DeviceList
        ? [a.DeviceList, a.DeviceListSize, a.DeviceObject]
        : [a.DriverList, a.DriverListSize, 0];
      const key = claimKey(k, a.DriverObject, '');
      const value = claimValue(k, device);
      const given = list !== 0 && size >= LIST_HEADER && mem.read32(list) !== 0;
      if (given && !isValid(k, list, size)) return STATUS_UNSUCCESSFUL;
      const bytes = given ? mem.readBytes(list, resourceListBytes(k, list)) : new Uint8Array(0);
      // A device that nobody has started yet needs its resources too.
      const conflict = given && claimCollides(k, bytes, a.DriverObject, key, value, true);
      mem.write8(a.ConflictDetected, conflict ? 1 : 0);
      return conflict ? STATUS_CONFLICTING_ADDRESSES : writeClaim(k, key, value, bytes);
    },
  }),
  ntExport({
    name: 'IoReportDetectedDevice',
    doc: 'Makes a device of the root enumerator for hardware that a driver has found by itself. It counts as started, and the driver attaches its device to it.',
    irql: PASSIVE,
    args: {
      DriverObject: PDRIVER_OBJECT,
      LegacyBusType: LONG,
      BusNumber: ULONG,
      SlotNumber: ULONG,
      ResourceList: PVOID,
      ResourceRequirements: PVOID,
      ResourceAssigned: BOOLEAN,
      DeviceObject: PVOID,
    },
    returns: NTSTATUS,
    cycles: 2000,
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      mem.probe(a.DeviceObject, 8, true);
      const own = mem.readPtr(a.DeviceObject);
      if (own && nodeOf(k, own)) return STATUS_INVALID_PARAMETER;
      if (a.ResourceList && !isValid(k, a.ResourceList, MAX_LIST)) return STATUS_INVALID_PARAMETER;
      const service = driverService(k, a.DriverObject);
      if (a.ResourceList && !a.ResourceAssigned) {
        const bytes = k.mem.readBytes(a.ResourceList, resourceListBytes(k, a.ResourceList));
        if (claimCollides(k, bytes, 0, '', '', true)) return STATUS_CONFLICTING_ADDRESSES;
      }
      // What the driver had found before it was unloaded is still there.
      const known = own ? undefined : allNodes(k).find(n => isDetected(k, n, service, a.BusNumber, a.SlotNumber));
      const node = known ?? createDetectedDevice(k, service, own, a.LegacyBusType, a.BusNumber, a.SlotNumber);
      if (!node) return STATUS_INSUFFICIENT_RESOURCES;
      keepResources(k, node, a.ResourceList);
      changeNodeFlags(k, node, DNF_DETECTED);
      N.FunctionDriver.set(mem, node, a.DriverObject);
      N.State.set(mem, node, DeviceNodeStarted);
      N.Problem.set(mem, node, 0);
      if (!serviceName(k, node)) allocateString(k, node + N.ServiceName.offset, service, poolTag('Devn'));
      mem.writePtr(a.DeviceObject, N.PhysicalDeviceObject.get(mem, node));
      return STATUS_SUCCESS;
    },
  }),
];

const isDetected = (k: Kernel, node: number, service: string, bus: number, slot: number): boolean =>
  (nodeFlags(k, node) & DNF_DETECTED) !== 0 &&
  !hasDriver(k, node) &&
  equalNoCase(serviceName(k, node), service) &&
  N.BusNumber.get(k.mem, node) === bus &&
  N.Address.get(k.mem, node) === slot;

/** Copies the resources with which the device was found. */
function keepResources(k: Kernel, node: number, list: number): void {
  const size = list ? resourceListBytes(k, list) : 0;
  for (const field of [N.ResourceList, N.ResourceListTranslated]) {
    const old = field.get(k.mem, node);
    const block = size ? exAllocatePool(k, NonPagedPoolNx, size, poolTag('Cmrl')) : 0;
    if (block) k.mem.copy(block, list, size);
    if (block && field === N.ResourceListTranslated) translateResources(k, block);
    field.set(k.mem, node, block);
    if (old) exFreePool(k, old, 0);
  }
}
