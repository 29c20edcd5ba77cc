/**
 * Naming a device that a bus driver has reported: what it is, where it is, what it can do and what it needs, asked of its physical device object, and written into the
 * node and the device's key under Enum. Source: WDK, IRP_MN_QUERY_ID, IRP_MN_QUERY_CAPABILITIES, IRP_MN_QUERY_DEVICE_TEXT, "Device Instance IDs".
 */
import type { Kernel } from '../kernel.ts';
import { cmCreatePath, cmQueryDword, cmQueryString, cmSetValue, regDword, regMultiSz, regSz } from '../cm/registry.ts';
import { ntSuccess } from '../io/irp.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { allocateString, equalNoCase, freeString, readWideZ } from '../ob/string.ts';
import { PNP_DETECTED_FATAL_ERROR } from '../types/bugcodes.ts';
import { REG_DWORD, REG_MULTI_SZ, REG_SZ } from '../types/cm.ts';
import {
  IRP_MN_QUERY_BUS_INFORMATION,
  IRP_MN_QUERY_CAPABILITIES,
  IRP_MN_QUERY_DEVICE_TEXT,
  IRP_MN_QUERY_ID,
  IRP_MN_QUERY_RESOURCE_REQUIREMENTS,
  IRP_MN_QUERY_RESOURCES,
} from '../types/io.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { DEVICE_CAPABILITIES, PNP_BUS_INFORMATION } from '../types/pnp.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, STATUS_UNSUCCESSFUL } from '../types/status.ts';
import { type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret } from '../exports/declare.ts';
import {
  allNodes,
  CAPABILITY_HARDWARE_DISABLED,
  CAPABILITY_UNIQUE_ID,
  changeNodeFlags,
  CM_PROB_DISABLED,
  CM_PROB_DUPLICATE_DEVICE,
  CM_PROB_HARDWARE_DISABLED,
  CM_PROB_INVALID_DATA,
  DeviceNodeInitialized,
  DNF_GONE,
  DNF_NEEDS_DRIVERS,
  enumKey,
  enumPath,
  instancePath,
  N,
  serviceName,
} from './node.ts';
import { resourceListBytes, translateResources } from './resources.ts';
import { sendFrame, sendPnp } from './send.ts';

/** BUS_QUERY_ID_TYPE, DEVICE_TEXT_TYPE. */
const BusQueryDeviceID = 0,
  BusQueryHardwareIDs = 1,
  BusQueryCompatibleIDs = 2,
  BusQueryInstanceID = 3,
  BusQueryContainerID = 5;
const DeviceTextDescription = 0,
  DeviceTextLocationInformation = 1;
const LANGUAGE_US = 0x409;
/** Longest device and instance id, in characters (MAX_DEVICE_ID_LEN). */
const MAX_DEVICE_ID_LEN = 200;
/** First parameter of bug check 0xCA, and the fourth where an id is wrong. */
const PNP_ERR_DUPLICATE_PDO = 1,
  PNP_ERR_BOGUS_ID = 3;
const DEVICE_ID = 1,
  UNIQUE_ID = 2,
  HARDWARE_IDS = 3,
  COMPATIBLE_IDS = 4;
const CONFIGFLAG_DISABLED = 1;
const TAG = poolTag('Devn');

const pointerOf = (information: bigint): number => Number(BigInt.asIntN(64, information));

/** The text that a request returned, whose block is freed; empty without one. */
function takeText(k: Kernel, status: number, information: bigint): string {
  const at = pointerOf(information);
  if (!at || !ntSuccess(status)) return '';
  const text = readWideZ(k, at, 1024);
  exFreePool(k, at, 0);
  return text;
}

/** The texts of a REG_MULTI_SZ that a request returned. */
function takeTexts(k: Kernel, status: number, information: bigint): string[] {
  const first = pointerOf(information);
  if (!first || !ntSuccess(status)) return [];
  const out: string[] = [];
  for (let at = first; out.length < 256;) {
    const text = readWideZ(k, at, 1024);
    if (text === '') break;
    out.push(text);
    at += text.length * 2 + 2;
  }
  exFreePool(k, first, 0);
  return out;
}

/** Bug check 0xCA for an id with characters that no id may have (WDK, its parameter 3): 20h to 7Fh without the comma; the backslash is for ids that are no instance ids. `kind` is the fourth parameter. */
function checkId(k: Kernel, node: number, id: string, kind: number): void {
  const allowed = kind === UNIQUE_ID ? /^[\x20-\x2b\x2d-\x5b\x5d-\x7f]*$/ : /^[\x20-\x2b\x2d-\x7f]*$/;
  if (id.length <= MAX_DEVICE_ID_LEN && allowed.test(id)) return;
  k.bugCheck(
    PNP_DETECTED_FATAL_ERROR,
    PNP_ERR_BOGUS_ID,
    N.PhysicalDeviceObject.get(k.mem, node),
    0,
    kind,
    `the bus driver ${serviceName(k, N.Parent.get(k.mem, node))} named a device "${id.slice(0, 60)}": ids have at most ${MAX_DEVICE_ID_LEN} characters of 20h to 7Fh and no comma, and end with a zero`,
  );
}

/** What makes an instance id unique that is so only under its parent: the depth of the device and a number that stands for the parent. */
function parentPrefix(k: Kernel, node: number): string {
  let depth = 0;
  for (let at = N.Parent.get(k.mem, node); at; at = N.Parent.get(k.mem, at)) depth++;
  let hash = 0;
  for (const c of instancePath(k, N.Parent.get(k.mem, node)).toUpperCase()) hash = (hash * 37 + c.charCodeAt(0)) >>> 0;
  return `${depth.toString(16)}&${hash.toString(16)}&0`;
}

/** Gives the node its instance path; false without pool. */
function setPath(k: Kernel, node: number, path: string): boolean {
  freeString(k, node + N.InstancePath.offset);
  return allocateString(k, node + N.InstancePath.offset, path, TAG);
}

/** The device cannot be used, for the reason that the problem code says. */
function fail(k: Kernel, node: number, problem: number, status: number): Outcome {
  N.State.set(k.mem, node, DeviceNodeInitialized);
  N.Problem.set(k.mem, node, problem);
  return ret(status);
}

/** CM_DEVCAP_*: the bits of the registry's Capabilities value. */
const registryCapabilities = (flags: number): number =>
  ((flags >>> 2) & 0xff) | (flags & CAPABILITY_HARDWARE_DISABLED ? 0x100 : 0);

/** What the requests ask for, before the bus driver fills it in (WDK, IRP_MN_QUERY_CAPABILITIES). */
export function initializeCapabilities(k: Kernel, at: number): void {
  const f = DEVICE_CAPABILITIES.f;
  k.mem.fill(at, DEVICE_CAPABILITIES.size, 0);
  f.Size.set(k.mem, at, DEVICE_CAPABILITIES.size);
  f.Version.set(k.mem, at, 1);
  f.Address.set(k.mem, at, 0xffffffff);
  f.UINumber.set(k.mem, at, 0xffffffff);
}

/** Keeps what a request for capabilities gave. */
export function keepCapabilities(k: Kernel, node: number, at: number): void {
  const f = DEVICE_CAPABILITIES.f;
  N.Capabilities.set(k.mem, node, f.Flags.get(k.mem, at));
  N.Address.set(k.mem, node, f.Address.get(k.mem, at));
  N.UINumber.set(k.mem, node, f.UINumber.get(k.mem, at));
}

/** Keeps the resources that the device has already, raw and as the processor sees them; frees the list that the bus driver made. */
function takeResources(k: Kernel, node: number, information: bigint): void {
  const list = pointerOf(information);
  if (!list) return;
  const size = resourceListBytes(k, list);
  const copies = [N.ResourceList, N.ResourceListTranslated].map(field => {
    const block = size ? exAllocatePool(k, NonPagedPoolNx, size, TAG) : 0;
    if (block) k.mem.copy(block, list, size);
    field.set(k.mem, node, block);
    return block;
  });
  exFreePool(k, list, 0);
  if (copies[1]) translateResources(k, copies[1]);
}

const query = (k: Kernel, f: Parameters<typeof sendPnp>[1], node: number, id: number, then: string): Outcome =>
  sendPnp(k, f, N.PhysicalDeviceObject.get(k.mem, node), IRP_MN_QUERY_ID, [id], then);
const queryText = (k: Kernel, f: Parameters<typeof sendPnp>[1], node: number, type: number, then: string): Outcome =>
  sendPnp(k, f, N.PhysicalDeviceObject.get(k.mem, node), IRP_MN_QUERY_DEVICE_TEXT, [type, LANGUAGE_US], then);
const ask = (k: Kernel, f: Parameters<typeof sendPnp>[1], node: number, minor: number, then: string): Outcome =>
  sendPnp(k, f, N.PhysicalDeviceObject.get(k.mem, node), minor, [], then);

/** Another device with the node's name, or 0. */
const namesake = (k: Kernel, node: number): number =>
  allNodes(k).find(n => n !== node && equalNoCase(instancePath(k, n), instancePath(k, node))) ?? 0;

/** Writes a string into the device's key. */
function note(k: Kernel, node: number, name: string, value: string): void {
  const key = enumKey(k, node);
  if (key && value !== '') cmSetValue(k, key, name, REG_SZ, regSz(value));
}
function noteList(k: Kernel, node: number, name: string, values: readonly string[]): void {
  const key = enumKey(k, node);
  if (key && values.length) cmSetValue(k, key, name, REG_MULTI_SZ, regMultiSz(values));
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'PipIdentifyDevice',
    internal: true,
    doc: 'Asks the bus driver who a new device is, and makes its key in the registry.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 800,
    status: 'full',
    frame: { ...sendFrame, Capabilities: DEVICE_CAPABILITIES },
    steps: {
      start: (k, f, _rax, { Node }) => query(k, f, Node, BusQueryDeviceID, 'deviceId'),
      deviceId(k, f, rax, { Node }) {
        const pdo = N.PhysicalDeviceObject.get(k.mem, Node);
        const id = takeText(k, rax, f.get('Information'));
        if (!/^[^\\]+\\[^\\]+$/.test(id)) return fail(k, Node, CM_PROB_INVALID_DATA, STATUS_UNSUCCESSFUL);
        checkId(k, Node, id, DEVICE_ID);
        if (!setPath(k, Node, id)) return fail(k, Node, CM_PROB_INVALID_DATA, STATUS_INSUFFICIENT_RESOURCES);
        initializeCapabilities(k, f.get('Capabilities'));
        return sendPnp(k, f, pdo, IRP_MN_QUERY_CAPABILITIES, [f.get('Capabilities')], 'capabilities');
      },
      capabilities(k, f, rax, { Node }) {
        if (!ntSuccess(rax)) initializeCapabilities(k, f.get('Capabilities'));
        keepCapabilities(k, Node, f.get('Capabilities'));
        return query(k, f, Node, BusQueryInstanceID, 'instanceId');
      },
      instanceId(k, f, rax, { Node }) {
        const pdo = N.PhysicalDeviceObject.get(k.mem, Node);
        const id = takeText(k, rax, f.get('Information'));
        checkId(k, Node, id, UNIQUE_ID);
        const unique = (N.Capabilities.get(k.mem, Node) & CAPABILITY_UNIQUE_ID) !== 0;
        if (unique && id === '') return fail(k, Node, CM_PROB_INVALID_DATA, STATUS_UNSUCCESSFUL);
        const full = unique ? id : `${parentPrefix(k, Node)}${id === '' ? '' : `&${id}`}`;
        if (!setPath(k, Node, `${instancePath(k, Node)}\\${full}`))
          return fail(k, Node, CM_PROB_INVALID_DATA, STATUS_INSUFFICIENT_RESOURCES);
        const other = namesake(k, Node);
        if (other) {
          const sameBus = N.Parent.get(k.mem, other) === N.Parent.get(k.mem, Node);
          if (sameBus && !(N.Flags.get(k.mem, other) & DNF_GONE))
            k.bugCheck(
              PNP_DETECTED_FATAL_ERROR,
              PNP_ERR_DUPLICATE_PDO,
              pdo,
              N.PhysicalDeviceObject.get(k.mem, other),
              0,
              `the bus driver ${serviceName(k, N.Parent.get(k.mem, Node))} reported two devices with the same device and instance id, ${instancePath(k, Node)}: instance ids must differ under one parent`,
            );
          return fail(k, Node, CM_PROB_DUPLICATE_DEVICE, STATUS_UNSUCCESSFUL);
        }
        const key = cmCreatePath(k, enumPath(instancePath(k, Node)));
        if (!key) return fail(k, Node, CM_PROB_INVALID_DATA, STATUS_INSUFFICIENT_RESOURCES);
        const flags = N.Capabilities.get(k.mem, Node);
        cmSetValue(k, key, 'Capabilities', REG_DWORD, regDword(registryCapabilities(flags)));
        if (cmQueryDword(k, key, 'ConfigFlags') === null) cmSetValue(k, key, 'ConfigFlags', REG_DWORD, regDword(0));
        for (const [name, field] of [
          ['Address', N.Address],
          ['UINumber', N.UINumber],
        ] as const)
          if (field.get(k.mem, Node) !== 0xffffffff) cmSetValue(k, key, name, REG_DWORD, regDword(field.get(k.mem, Node)));
        return queryText(k, f, Node, DeviceTextDescription, 'description');
      },
      description(k, f, rax, { Node }) {
        const text = takeText(k, rax, f.get('Information'));
        // A description that somebody has installed is better than the bus driver's.
        const key = enumKey(k, Node);
        if (key && cmQueryString(k, key, 'DeviceDesc') === null) note(k, Node, 'DeviceDesc', text);
        return queryText(k, f, Node, DeviceTextLocationInformation, 'location');
      },
      location(k, f, rax, { Node }) {
        note(k, Node, 'LocationInformation', takeText(k, rax, f.get('Information')));
        return query(k, f, Node, BusQueryHardwareIDs, 'hardwareIds');
      },
      hardwareIds(k, f, rax, { Node }) {
        const ids = takeTexts(k, rax, f.get('Information'));
        for (const id of ids) checkId(k, Node, id, HARDWARE_IDS);
        noteList(k, Node, 'HardwareID', ids);
        return query(k, f, Node, BusQueryCompatibleIDs, 'compatibleIds');
      },
      compatibleIds(k, f, rax, { Node }) {
        const ids = takeTexts(k, rax, f.get('Information'));
        for (const id of ids) checkId(k, Node, id, COMPATIBLE_IDS);
        noteList(k, Node, 'CompatibleIDs', ids);
        return query(k, f, Node, BusQueryContainerID, 'containerId');
      },
      containerId(k, f, rax, { Node }) {
        note(k, Node, 'ContainerID', takeText(k, rax, f.get('Information')));
        return ask(k, f, Node, IRP_MN_QUERY_BUS_INFORMATION, 'busInformation');
      },
      busInformation(k, f, rax, { Node }) {
        const at = pointerOf(f.get('Information'));
        const b = PNP_BUS_INFORMATION.f;
        // InterfaceTypeUndefined and an unknown number, when the bus driver does not say.
        N.InterfaceType.set(k.mem, Node, 0xffffffff);
        N.BusNumber.set(k.mem, Node, 0xffffffff);
        if (ntSuccess(rax) && at) {
          k.mem.copy(Node + N.BusTypeGuid.offset, at + b.BusTypeGuid.offset, 16);
          N.InterfaceType.set(k.mem, Node, b.LegacyBusType.get(k.mem, at));
          N.BusNumber.set(k.mem, Node, b.BusNumber.get(k.mem, at));
          exFreePool(k, at, 0);
        }
        return ask(k, f, Node, IRP_MN_QUERY_RESOURCES, 'resources');
      },
      resources(k, f, rax, { Node }) {
        if (ntSuccess(rax)) takeResources(k, Node, f.get('Information'));
        return ask(k, f, Node, IRP_MN_QUERY_RESOURCE_REQUIREMENTS, 'requirements');
      },
      requirements(k, f, rax, { Node }) {
        const list = ntSuccess(rax) ? pointerOf(f.get('Information')) : 0;
        if (list) exFreePool(k, list, 0);
        const key = enumKey(k, Node);
        if (N.Capabilities.get(k.mem, Node) & CAPABILITY_HARDWARE_DISABLED)
          return fail(k, Node, CM_PROB_HARDWARE_DISABLED, STATUS_SUCCESS);
        if (key && (cmQueryDword(k, key, 'ConfigFlags') ?? 0) & CONFIGFLAG_DISABLED)
          return fail(k, Node, CM_PROB_DISABLED, STATUS_SUCCESS);
        N.State.set(k.mem, Node, DeviceNodeInitialized);
        changeNodeFlags(k, Node, DNF_NEEDS_DRIVERS);
        return ret(STATUS_SUCCESS);
      },
    },
  }),
];
