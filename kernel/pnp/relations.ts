/**
 * Which children a bus driver has, and how its devices are. Source: WDK, IRP_MN_QUERY_DEVICE_RELATIONS, IRP_MN_QUERY_PNP_DEVICE_STATE, bug check 0xCA.
 */
import type { Kernel } from '../kernel.ts';
import { D, extensionFlags, extensionOf, X } from '../io/device.ts';
import { ntSuccess } from '../io/irp.ts';
import { exFreePool } from '../mm/pool.ts';
import { PNP_DETECTED_FATAL_ERROR } from '../types/bugcodes.ts';
import {
  DO_BUS_ENUMERATED_DEVICE,
  DO_DEVICE_INITIALIZING,
  DOE_DELETE_PENDING,
  IO_TYPE_DEVICE,
  IRP_MN_QUERY_DEVICE_RELATIONS,
  IRP_MN_QUERY_PNP_DEVICE_STATE,
} from '../types/io.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, type Frame, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret } from '../exports/declare.ts';
import {
  changeNodeFlags,
  children,
  CM_PROB_DEVICE_NOT_THERE,
  CM_PROB_FAILED_POST_START,
  CM_PROB_HARDWARE_DISABLED,
  DNF_ENUMERATED,
  DNF_GONE,
  DNF_REPORTED,
  DNF_RESTART,
  N,
  newNode,
  nodeFlags,
  nodeOf,
  serviceName,
} from './node.ts';
import { sendFrame, sendPnp } from './send.ts';

/** DEVICE_RELATION_TYPE */
export const BusRelations = 0,
  EjectionRelations = 1,
  PowerRelations = 2,
  RemovalRelations = 3,
  TargetDeviceRelation = 4,
  SingleBusRelations = 5;

/** PNP_DEVICE_STATE */
const PNP_DEVICE_DISABLED = 0x1,
  PNP_DEVICE_FAILED = 0x4,
  PNP_DEVICE_REMOVED = 0x8,
  PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED = 0x10;

/** First parameter of bug check 0xCA. */
const PNP_ERR_DUPLICATE_PDO = 1,
  PNP_ERR_INVALID_PDO = 2,
  PNP_ERR_PDO_DELETED = 4,
  PNP_ERR_NULL_PDO = 8;

/** The node of what must be a physical device object that the Plug and Play manager knows; something else is bug check 0xCA. */
export function nodeOfPdo(k: Kernel, routine: string, device: number): number {
  const node = device && D.Type.get(k.mem, device) === IO_TYPE_DEVICE ? nodeOf(k, device) : 0;
  if (!node)
    k.bugCheck(
      PNP_DETECTED_FATAL_ERROR,
      PNP_ERR_INVALID_PDO,
      device,
      0,
      0,
      `${routine} was called with an object that is no physical device object of the device tree: pass the PDO that AddDevice was given`,
    );
  return node;
}

/** The pointers of a DEVICE_RELATIONS; none of a null pointer. */
export function relationObjects(k: Kernel, relations: number): number[] {
  return relations
    ? Array.from({ length: Math.min(k.mem.read32(relations), 4096) }, (_, i) => k.mem.readPtr(relations + 8 + i * 8))
    : [];
}

/** A physical device object as the bus reported it; what is wrong with it stops the machine. */
function checkPdo(k: Kernel, node: number, pdo: number): void {
  const bus = N.PhysicalDeviceObject.get(k.mem, node);
  const stop = (why: number, text: string): never =>
    k.bugCheck(PNP_DETECTED_FATAL_ERROR, why, pdo || bus, bus, 0, `the bus driver ${serviceName(k, node)} reported ${text}`);
  if (!pdo) stop(PNP_ERR_NULL_PDO, 'a null pointer among its children');
  if (D.Type.get(k.mem, pdo) !== IO_TYPE_DEVICE) stop(PNP_ERR_INVALID_PDO, 'a child that is no device object');
  if (extensionFlags(k, pdo) & DOE_DELETE_PENDING)
    stop(
      PNP_ERR_PDO_DELETED,
      'a child that it has deleted: a device object goes when IRP_MN_REMOVE_DEVICE has come and it is not reported any more',
    );
  if (X.AttachedTo.get(k.mem, extensionOf(k, pdo)))
    stop(PNP_ERR_INVALID_PDO, 'a child that is attached to another device: only the bottom of a stack can be a child');
}

/**
 * Compares a bus driver's list with the nodes that there are: new ones are made, those that are missing are marked. An entry whose reference the tree keeps is cleared in the
 * list, so that the others can be given back.
 */
function compare(k: Kernel, node: number, relations: number): void {
  const { mem } = k;
  for (const child of children(k, node)) changeNodeFlags(k, child, 0, DNF_ENUMERATED);
  relationObjects(k, relations).forEach((pdo, i) => {
    checkPdo(k, node, pdo);
    let child = nodeOf(k, pdo);
    if (child && nodeFlags(k, child) & DNF_ENUMERATED)
      k.bugCheck(
        PNP_DETECTED_FATAL_ERROR,
        PNP_ERR_DUPLICATE_PDO,
        pdo,
        pdo,
        0,
        `the bus driver ${serviceName(k, node)} reported the same child twice in one list`,
      );
    if (!child) {
      child = newNode(k, node, pdo);
      // Without pool for it the child stays unknown until its bus is asked again.
      if (!child) return;
      changeNodeFlags(k, child, DNF_REPORTED);
      D.Flags.set(mem, pdo, (D.Flags.get(mem, pdo) | DO_BUS_ENUMERATED_DEVICE) & ~DO_DEVICE_INITIALIZING);
      mem.writePtr(relations + 8 + i * 8, 0);
    }
    changeNodeFlags(k, child, DNF_ENUMERATED);
  });
  for (const child of children(k, node)) {
    if ((nodeFlags(k, child) & (DNF_REPORTED | DNF_ENUMERATED)) !== DNF_REPORTED) continue;
    changeNodeFlags(k, child, DNF_GONE);
    N.AfterRemoval.set(mem, child, 0);
  }
}

const listFrame = { ...sendFrame, Relations: ptr, Index: u32 } as const;

/** Gives the references of a list back one after the other, then frees it; what follows is `then`. */
export function releaseRelations(k: Kernel, f: Frame<typeof listFrame>, step: string, then: () => Outcome): Outcome {
  const relations = f.get('Relations');
  const objects = relationObjects(k, relations);
  let index = f.get('Index');
  while (index < objects.length && !objects[index]) index++;
  f.set('Index', index + 1);
  if (index < objects.length) return call(k.address('nt!ObfDereferenceObject'), [objects[index]!], step);
  if (relations) exFreePool(k, relations, 0);
  return then();
}

/** What a device's state asks for. */
function obeyState(k: Kernel, node: number, state: number): void {
  N.PnpState.set(k.mem, node, state);
  const failed = (state & PNP_DEVICE_FAILED) !== 0;
  if (state & PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED && !(state & (PNP_DEVICE_REMOVED | PNP_DEVICE_DISABLED))) {
    changeNodeFlags(k, node, DNF_RESTART);
    return;
  }
  const problem =
    state & PNP_DEVICE_REMOVED
      ? CM_PROB_DEVICE_NOT_THERE
      : state & PNP_DEVICE_DISABLED
        ? CM_PROB_HARDWARE_DISABLED
        : failed
          ? CM_PROB_FAILED_POST_START
          : 0;
  if (!problem) return;
  changeNodeFlags(k, node, DNF_GONE);
  N.AfterRemoval.set(k.mem, node, problem);
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'PipEnumerateDevice',
    internal: true,
    doc: 'Asks the drivers of a device for its children: new ones get a node, missing ones are marked.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: listFrame,
    steps: {
      start: (k, f, _rax, { Node }) =>
        sendPnp(k, f, N.PhysicalDeviceObject.get(k.mem, Node), IRP_MN_QUERY_DEVICE_RELATIONS, [BusRelations], 'answered'),
      answered(k, f, rax, { Node }) {
        const relations = ntSuccess(rax) ? Number(BigInt.asIntN(64, f.get('Information'))) : 0;
        f.set('Relations', relations);
        f.set('Index', 0);
        // Without a list nothing has changed; a bus without children says so with an empty one.
        if (relations) compare(k, Node, relations);
        return releaseRelations(k, f, 'released', () => ret(STATUS_SUCCESS));
      },
      released: (k, f) => releaseRelations(k, f, 'released', () => ret(STATUS_SUCCESS)),
    },
  }),
  ntSteps({
    name: 'PipQueryDeviceState',
    internal: true,
    doc: 'Asks the drivers of a device how it is: one that has failed, was removed or disabled is torn out; one that needs other resources is stopped and started.',
    args: { Node: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: sendFrame,
    steps: {
      start: (k, f, _rax, { Node }) =>
        sendPnp(k, f, N.PhysicalDeviceObject.get(k.mem, Node), IRP_MN_QUERY_PNP_DEVICE_STATE, [], 'answered'),
      answered(k, f, rax, { Node }) {
        if (ntSuccess(rax)) obeyState(k, Node, Number(f.get('Information') & 0xffffffffn));
        return ret(STATUS_SUCCESS);
      },
    },
  }),
];
