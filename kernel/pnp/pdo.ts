/**
 * The bus driver's part: physical device objects and what they answer to Plug and Play and power requests. One dispatch routine serves the PCI bus and the root enumerator;
 * what differs is in the device node (bus, address, resources).
 */
import {
  PCI_COMMAND,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  type PciAddress,
  pciRead,
  pciReadBytes,
  pciWrite,
  pciWriteBytes,
} from '../../hal/nt/pci.ts';
import { cmOpenPath, cmQueryString, cmQueryStrings } from '../cm/registry.ts';
import type { Kernel } from '../kernel.ts';
import { PDEVICE_OBJECT, PIRP } from '../io/call.ts';
import { DRV } from '../io/driver.ts';
import { currentLocation, irpInformation, irpStatus, S, setIrpStatus } from '../io/irp.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObject } from '../ob/object.ts';
import { wide } from '../ob/string.ts';
import {
  IRP_MJ_PNP,
  IRP_MJ_POWER,
  IRP_MN_CANCEL_REMOVE_DEVICE,
  IRP_MN_CANCEL_STOP_DEVICE,
  IRP_MN_QUERY_BUS_INFORMATION,
  IRP_MN_QUERY_CAPABILITIES,
  IRP_MN_QUERY_DEVICE_RELATIONS,
  IRP_MN_QUERY_DEVICE_TEXT,
  IRP_MN_QUERY_ID,
  IRP_MN_QUERY_INTERFACE,
  IRP_MN_QUERY_POWER,
  IRP_MN_QUERY_REMOVE_DEVICE,
  IRP_MN_QUERY_RESOURCE_REQUIREMENTS,
  IRP_MN_QUERY_RESOURCES,
  IRP_MN_QUERY_STOP_DEVICE,
  IRP_MN_READ_CONFIG,
  IRP_MN_REMOVE_DEVICE,
  IRP_MN_SET_POWER,
  IRP_MN_START_DEVICE,
  IRP_MN_STOP_DEVICE,
  IRP_MN_SURPRISE_REMOVAL,
  IRP_MN_WRITE_CONFIG,
} from '../types/io.ts';
import { PagedPool } from '../types/mm.ts';
import {
  BUS_INTERFACE_STANDARD,
  CM_PARTIAL_RESOURCE_DESCRIPTOR,
  CmResourceTypeInterrupt,
  DEVICE_CAPABILITIES,
  IO_RESOURCE_DESCRIPTOR,
  IO_RESOURCE_REQUIREMENTS_LIST,
  PCIBus,
  PNP_BUS_INFORMATION,
} from '../types/pnp.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_NOT_SUPPORTED,
  STATUS_SUCCESS,
} from '../types/status.ts';
import {
  BOOLEAN,
  call,
  LONGLONG,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { u32 } from '../types/struct.ts';
import { enumPath, instancePath, N, nodeOf } from './node.ts';
import { DESCRIPTORS, resourceListSize } from './resources.ts';

/** GUIDs as their 16 bytes lie in memory. */
const GUID_BUS_TYPE_PCI = [0x93, 0x1a, 0xdf, 0xc8, 0x9f, 0xdc, 0xd2, 0x11, 0x84, 0xc2, 0x00, 0xc0, 0x4f, 0x9f, 0x2e, 0xeb];
const GUID_BUS_INTERFACE_STANDARD = [
  0x80, 0x82, 0x6b, 0x49, 0x25, 0x6f, 0xd0, 0x11, 0xbe, 0xaf, 0x08, 0x00, 0x2b, 0xe2, 0x09, 0x2f,
];
/** BUS_QUERY_ID_TYPE, DEVICE_TEXT_TYPE, DEVICE_RELATION_TYPE. */
const BusQueryDeviceID = 0,
  BusQueryHardwareIDs = 1,
  BusQueryCompatibleIDs = 2,
  BusQueryInstanceID = 3;
const DeviceTextDescription = 0,
  TargetDeviceRelation = 4;
const TAG = poolTag('Pci ');

/** Where the function of a node is; null when it is not a PCI device. Address holds device and function as DEVICE_CAPABILITIES.Address does. */
export function pciAddressOf(k: Kernel, node: number): PciAddress | null {
  if (N.InterfaceType.get(k.mem, node) !== PCIBus) return null;
  const address = N.Address.get(k.mem, node);
  return { bus: N.BusNumber.get(k.mem, node), device: address >>> 16, function: address & 0xffff };
}

type Answer = { status: number; information?: number | bigint };
const keep = (k: Kernel, irp: number): Answer => ({ status: irpStatus(k, irp), information: irpInformation(k, irp) });

function give(k: Kernel, bytes: Uint8Array): Answer {
  const block = exAllocatePool(k, PagedPool, bytes.length, TAG);
  if (!block) return { status: STATUS_INSUFFICIENT_RESOURCES };
  k.mem.writeBytes(block, bytes);
  return { status: STATUS_SUCCESS, information: block };
}

const strings = (list: readonly string[]): Uint8Array => wide(`${list.map(s => `${s}\0`).join('')}\0`);

function queryId(k: Kernel, node: number, type: number, irp: number): Answer {
  const path = instancePath(k, node);
  const cut = path.lastIndexOf('\\');
  const key = cmOpenPath(k, enumPath(path));
  const list = (name: string): Answer => {
    const ids = key ? cmQueryStrings(k, key, name) : [];
    return ids.length ? give(k, strings(ids)) : keep(k, irp);
  };
  switch (type) {
    case BusQueryDeviceID:
      return give(k, wide(`${path.slice(0, cut)}\0`));
    case BusQueryInstanceID:
      return give(k, wide(`${path.slice(cut + 1)}\0`));
    case BusQueryHardwareIDs:
      return list('HardwareID');
    case BusQueryCompatibleIDs:
      return list('CompatibleIDs');
    default:
      return keep(k, irp);
  }
}

function queryText(k: Kernel, node: number, type: number): Answer {
  const at = pciAddressOf(k, node);
  const key = cmOpenPath(k, enumPath(instancePath(k, node)));
  if (type === DeviceTextDescription) return give(k, wide(`${(key && cmQueryString(k, key, 'DeviceDesc')) || 'Device'}\0`));
  return give(k, wide(`${at ? `PCI bus ${at.bus}, device ${at.device}, function ${at.function}` : 'Root'}\0`));
}

function queryCapabilities(k: Kernel, node: number, capabilities: number): Answer {
  const f = DEVICE_CAPABILITIES.f;
  if (f.Version.get(k.mem, capabilities) !== 1) return { status: STATUS_INVALID_PARAMETER };
  f.Address.set(k.mem, capabilities, N.Address.get(k.mem, node));
  f.UINumber.set(k.mem, capabilities, 0xffffffff);
  // S0 -> D0, every sleeping state -> D3 (SYSTEM_POWER_STATE 1 is working; DEVICE_POWER_STATE 1 is D0, 4 is D3).
  [0, 1, 4, 4, 4, 4, 4].forEach((state, i) => k.mem.write32(capabilities + f.DeviceState.offset + i * 4, state));
  f.SystemWake.set(k.mem, capabilities, 0);
  f.DeviceWake.set(k.mem, capabilities, 0);
  return { status: STATUS_SUCCESS, information: 0 };
}

function queryResources(k: Kernel, node: number): Answer {
  const list = N.ResourceList.get(k.mem, node);
  if (!list) return { status: STATUS_SUCCESS, information: 0 };
  const count = k.mem.read32(list + DESCRIPTORS - 4);
  return give(k, k.mem.readBytes(list, resourceListSize(count)));
}

/** What the device needs, which is what it has: each range fixed where firmware put it. */
function queryRequirements(k: Kernel, node: number): Answer {
  const { mem } = k;
  const list = N.ResourceList.get(mem, node);
  if (!list) return { status: STATUS_SUCCESS, information: 0 };
  const count = mem.read32(list + DESCRIPTORS - 4);
  const size = IO_RESOURCE_REQUIREMENTS_LIST.size + (count - 1) * IO_RESOURCE_DESCRIPTOR.size;
  const block = exAllocatePool(k, PagedPool, size, TAG);
  if (!block) return { status: STATUS_INSUFFICIENT_RESOURCES };
  mem.fill(block, size, 0);
  const r = IO_RESOURCE_REQUIREMENTS_LIST.f;
  r.ListSize.set(mem, block, size);
  r.InterfaceType.set(mem, block, N.InterfaceType.get(mem, node));
  r.BusNumber.set(mem, block, N.BusNumber.get(mem, node));
  r.AlternativeLists.set(mem, block, 1);
  const first = block + r.List.offset;
  mem.write16(first, 1);
  mem.write16(first + 2, 1);
  mem.write32(first + 4, count);
  const c = CM_PARTIAL_RESOURCE_DESCRIPTOR.f;
  const d = IO_RESOURCE_DESCRIPTOR.f;
  for (let i = 0; i < count; i++) {
    const from = list + DESCRIPTORS + i * CM_PARTIAL_RESOURCE_DESCRIPTOR.size;
    const to = first + 8 + i * IO_RESOURCE_DESCRIPTOR.size;
    d.Type.set(mem, to, c.Type.get(mem, from));
    d.ShareDisposition.set(mem, to, c.ShareDisposition.get(mem, from));
    d.Flags.set(mem, to, c.Flags.get(mem, from));
    if (c.Type.get(mem, from) === CmResourceTypeInterrupt) {
      d.MinimumVector.set(mem, to, c.Vector.get(mem, from));
      d.MaximumVector.set(mem, to, c.Vector.get(mem, from));
    } else {
      const start = c.Start.get(mem, from);
      const length = c.Length.get(mem, from);
      d.Length.set(mem, to, length);
      d.Alignment.set(mem, to, length);
      d.MinimumAddress.set(mem, to, start);
      d.MaximumAddress.set(mem, to, start + BigInt(length) - 1n);
    }
  }
  return { status: STATUS_SUCCESS, information: block };
}

function queryBusInformation(k: Kernel, node: number): Answer {
  const block = exAllocatePool(k, PagedPool, PNP_BUS_INFORMATION.size, TAG);
  if (!block) return { status: STATUS_INSUFFICIENT_RESOURCES };
  k.mem.fill(block, PNP_BUS_INFORMATION.size, 0);
  if (pciAddressOf(k, node)) k.mem.writeBytes(block, Uint8Array.from(GUID_BUS_TYPE_PCI));
  PNP_BUS_INFORMATION.f.LegacyBusType.set(k.mem, block, N.InterfaceType.get(k.mem, node));
  PNP_BUS_INFORMATION.f.BusNumber.set(k.mem, block, N.BusNumber.get(k.mem, node));
  return { status: STATUS_SUCCESS, information: block };
}

/** DEVICE_RELATIONS with the device itself, referenced. */
function targetRelation(k: Kernel, device: number): Answer {
  const block = exAllocatePool(k, PagedPool, 16, TAG);
  if (!block) return { status: STATUS_INSUFFICIENT_RESOURCES };
  k.mem.write64(block, 1n);
  k.mem.writePtr(block + 8, device);
  obReferenceObject(k, device);
  return { status: STATUS_SUCCESS, information: block };
}

function queryInterface(k: Kernel, device: number, node: number, stack: number, irp: number): Answer {
  const { mem } = k;
  const guid = mem.readPtr(stack + S.Argument1.offset);
  const size = mem.read16(stack + S.Argument2.offset);
  const to = mem.readPtr(stack + S.Argument3.offset);
  const matches = GUID_BUS_INTERFACE_STANDARD.every((b, i) => mem.read8(guid + i) === b);
  if (!matches || !pciAddressOf(k, node)) return keep(k, irp);
  if (size < BUS_INTERFACE_STANDARD.size) return { status: STATUS_INVALID_PARAMETER };
  const f = BUS_INTERFACE_STANDARD.f;
  f.Size.set(mem, to, BUS_INTERFACE_STANDARD.size);
  f.Version.set(mem, to, 1);
  f.Context.set(mem, to, device);
  f.InterfaceReference.set(mem, to, k.address('nt!PciInterfaceReference'));
  f.InterfaceDereference.set(mem, to, k.address('nt!PciInterfaceReference'));
  f.TranslateBusAddress.set(mem, to, k.address('nt!PciTranslateBusAddress'));
  f.GetDmaAdapter.set(mem, to, k.address('nt!IoGetDmaAdapter'));
  f.SetBusData.set(mem, to, k.address('nt!PciSetBusData'));
  f.GetBusData.set(mem, to, k.address('nt!PciGetBusData'));
  return { status: STATUS_SUCCESS, information: 0 };
}

/** Turns a function's decoding and mastering on or off: what START and STOP mean for the bus. */
function enable(k: Kernel, node: number, on: boolean): void {
  const at = pciAddressOf(k, node);
  if (!at) return;
  const bits = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
  const command = pciRead(k.cpu, at, PCI_COMMAND, 2);
  pciWrite(k.cpu, at, PCI_COMMAND, 2, on ? command | bits : command & ~bits);
}

function configSpace(k: Kernel, node: number, stack: number, write: boolean): Answer {
  const at = pciAddressOf(k, node);
  if (!at) return { status: STATUS_NOT_SUPPORTED };
  const buffer = k.mem.readPtr(stack + S.Argument2.offset);
  const offset = k.mem.read32(stack + S.Argument3.offset);
  const length = k.mem.read32(stack + S.Argument4.offset);
  return { status: STATUS_SUCCESS, information: transferConfig(k, at, buffer, offset, length, write) };
}

/** Moves bytes between memory and configuration space; how many. */
function transferConfig(k: Kernel, at: PciAddress, buffer: number, offset: number, length: number, write: boolean): number {
  if (write) return pciWriteBytes(k.cpu, at, offset, k.mem.readBytes(buffer, length));
  const bytes = pciReadBytes(k.cpu, at, offset, length);
  k.mem.writeBytes(buffer, bytes);
  return bytes.length;
}

function answerPnp(k: Kernel, device: number, node: number, stack: number, irp: number): Answer {
  const argument = k.mem.read32(stack + S.Argument1.offset);
  switch (S.MinorFunction.get(k.mem, stack)) {
    case IRP_MN_START_DEVICE:
      enable(k, node, true);
      return { status: STATUS_SUCCESS, information: 0 };
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_REMOVE_DEVICE:
      enable(k, node, false);
      return { status: STATUS_SUCCESS, information: 0 };
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
      return { status: STATUS_SUCCESS, information: 0 };
    case IRP_MN_QUERY_ID:
      return queryId(k, node, argument, irp);
    case IRP_MN_QUERY_DEVICE_TEXT:
      return queryText(k, node, argument);
    case IRP_MN_QUERY_CAPABILITIES:
      return queryCapabilities(k, node, k.mem.readPtr(stack + S.Argument1.offset));
    case IRP_MN_QUERY_RESOURCES:
      return queryResources(k, node);
    case IRP_MN_QUERY_RESOURCE_REQUIREMENTS:
      return queryRequirements(k, node);
    case IRP_MN_QUERY_BUS_INFORMATION:
      return queryBusInformation(k, node);
    case IRP_MN_QUERY_DEVICE_RELATIONS:
      return argument === TargetDeviceRelation ? targetRelation(k, device) : keep(k, irp);
    case IRP_MN_QUERY_INTERFACE:
      return queryInterface(k, device, node, stack, irp);
    case IRP_MN_READ_CONFIG:
      return configSpace(k, node, stack, false);
    case IRP_MN_WRITE_CONFIG:
      return configSpace(k, node, stack, true);
    default:
      return keep(k, irp);
  }
}

function answerPower(k: Kernel, stack: number, irp: number): Answer {
  const minor = S.MinorFunction.get(k.mem, stack);
  return minor === IRP_MN_SET_POWER || minor === IRP_MN_QUERY_POWER ? { status: STATUS_SUCCESS, information: 0 } : keep(k, irp);
}

/** Makes a driver object's Plug and Play and power entries those of a bus driver. */
export function becomeBusDriver(k: Kernel, driver: number): void {
  for (const major of [IRP_MJ_PNP, IRP_MJ_POWER])
    k.mem.writePtr(driver + DRV.MajorFunction.offset + major * 8, k.address('nt!PipBusDispatch'));
}

const busData = (name: string, write: boolean): NtExport =>
  ntExport({
    name,
    internal: true,
    doc: `BUS_INTERFACE_STANDARD: ${write ? 'writes to' : 'reads from'} a device's configuration space.`,
    args: { Context: PDEVICE_OBJECT, DataType: ULONG, Buffer: PVOID, Offset: ULONG, Length: ULONG },
    returns: ULONG,
    cycles: 200,
    status: 'full',
    impl(k, { Context, Buffer, Offset, Length }) {
      const at = pciAddressOf(k, nodeOf(k, Context));
      return at ? transferConfig(k, at, Buffer, Offset, Length, write) : 0;
    },
  });

export const exports: NtExport[] = [
  ntSteps({
    name: 'PipBusDispatch',
    internal: true,
    doc: 'Dispatch routine of the bus drivers: answers Plug and Play and power requests that reach a physical device object.',
    args: { DeviceObject: PDEVICE_OBJECT, Irp: PIRP },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: { Status: u32 },
    steps: {
      start(k, f, _rax, { DeviceObject, Irp }) {
        const stack = currentLocation(k, Irp);
        const node = nodeOf(k, DeviceObject);
        const answer = !node
          ? keep(k, Irp)
          : S.MajorFunction.get(k.mem, stack) === IRP_MJ_PNP
            ? answerPnp(k, DeviceObject, node, stack, Irp)
            : answerPower(k, stack, Irp);
        setIrpStatus(k, Irp, answer.status, answer.information ?? 0);
        f.set('Status', answer.status);
        return call(k.address('nt!IofCompleteRequest'), [Irp, 0], 'done');
      },
      done: (_k, f) => ret(f.get('Status')),
    },
  }),
  ntExport({
    name: 'PciInterfaceReference',
    internal: true,
    doc: 'INTERFACE: reference and dereference; the bus outlives its interfaces.',
    args: { Context: PVOID },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl: () => undefined,
  }),
  ntExport({
    name: 'PciTranslateBusAddress',
    internal: true,
    doc: 'BUS_INTERFACE_STANDARD: bus addresses are processor addresses on this machine.',
    args: { Context: PVOID, BusAddress: LONGLONG, Length: ULONG, AddressSpace: PVOID, TranslatedAddress: PVOID },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl(k, { BusAddress, TranslatedAddress }) {
      k.mem.write64(TranslatedAddress, BigInt.asUintN(64, BusAddress));
      return true;
    },
  }),
  busData('PciSetBusData', true),
  busData('PciGetBusData', false),
];
