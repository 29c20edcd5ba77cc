/** What somebody outside does to a device: starts, stops, removes it, or tears it out. */
import type { Kernel } from '../kernel.ts';
import { ntSuccess } from '../io/irp.ts';
import { driverOfService } from '../io/load.ts';
import { equalNoCase, readString } from '../ob/string.ts';
import {
  STATUS_INVALID_DEVICE_STATE,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_SUCH_DEVICE,
  STATUS_PLUGPLAY_NO_DEVICE,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, type NtExport, ntSteps, NTSTATUS, type Outcome, pointer, ret, ULONG } from '../exports/declare.ts';
import { enumeratePci } from './enumerate.ts';
import {
  allNodes,
  changeNodeFlags,
  DeviceNodeStarted,
  DNF_NEEDS_DRIVERS,
  DNF_NEEDS_ENUMERATION,
  DNF_REPORTED,
  hasDriver,
  instancePath,
  N,
  nodeFlags,
  serviceName,
} from './node.ts';

/** Actions of PipDeviceAction: OP_PNP's codes. */
const ENUMERATE = 0,
  START = 1,
  STOP = 2,
  REMOVE = 3,
  SURPRISE = 4;

/** The node whose instance path is, or begins with, a text; several that begin with it are ambiguous, and the first in the tree is taken. */
export function findNode(k: Kernel, path: string): number {
  const nodes = allNodes(k);
  return (
    nodes.find(n => equalNoCase(instancePath(k, n), path)) ??
    nodes.find(n => path !== '' && instancePath(k, n).toUpperCase().startsWith(path.toUpperCase())) ??
    0
  );
}

const process = (k: Kernel): Outcome => call(k.address('nt!PipProcessTree'), [0, 0], 'processed');

function start(k: Kernel, f: { set(n: 'Status' | 'Child', v: number): void }, node: number): Outcome {
  if (hasDriver(k, node))
    return N.State.get(k.mem, node) === DeviceNodeStarted
      ? ret(STATUS_INVALID_DEVICE_STATE)
      : call(k.address('nt!PipStartDevice'), [node], 'done');
  if (nodeFlags(k, node) & DNF_REPORTED) {
    N.Problem.set(k.mem, node, 0);
    changeNodeFlags(k, node, DNF_NEEDS_DRIVERS);
    f.set('Child', node);
    return process(k);
  }
  const service = serviceName(k, node);
  const loaded = service ? driverOfService(k, service) : 0;
  return loaded ? call(k.address('nt!PipDriverLoaded'), [loaded, 0], 'done') : ret(STATUS_PLUGPLAY_NO_DEVICE);
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'PipDeviceAction',
    internal: true,
    doc: 'Does to a device, named by its instance path, what somebody outside asks for: enumerate (0), start (1), stop (2), query-remove and remove (3), surprise removal (4).',
    args: { InstancePath: pointer('PUNICODE_STRING'), Action: ULONG },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Driver: ptr, Child: ptr, Status: u32 },
    steps: {
      start(k, f, _rax, { InstancePath, Action }) {
        const { mem } = k;
        const path = readString(k, InstancePath);
        f.set('Driver', 0);
        f.set('Child', 0);
        f.set('Status', STATUS_SUCCESS);
        if (Action === ENUMERATE && path === '') {
          enumeratePci(k);
          return ret(STATUS_SUCCESS);
        }
        const node = findNode(k, path);
        if (!node) return ret(STATUS_NO_SUCH_DEVICE);
        f.set('Driver', N.FunctionDriver.get(mem, node));
        switch (Action) {
          case ENUMERATE:
            changeNodeFlags(k, node, DNF_NEEDS_ENUMERATION);
            return process(k);
          case START:
            return start(k, f, node);
          case STOP:
            return call(k.address('nt!PipStopDevice'), [node], 'done');
          case REMOVE:
            return call(k.address('nt!PipRemoveDevice'), [node], 'removed');
          case SURPRISE:
            return call(k.address('nt!PipSurpriseRemove'), [node], 'done');
          default:
            return ret(STATUS_INVALID_PARAMETER);
        }
      },
      removed(k, f, rax) {
        f.set('Status', rax);
        return ntSuccess(rax) && f.get('Driver')
          ? call(k.address('nt!PipUnloadIfUnused'), [f.get('Driver')], 'unloaded')
          : ret(rax);
      },
      unloaded: (_k, f) => ret(f.get('Status')),
      done(k, f, rax) {
        f.set('Status', rax);
        return process(k);
      },
      processed(k, f) {
        const child = f.get('Child');
        if (child && N.State.get(k.mem, child) !== DeviceNodeStarted) return ret(STATUS_PLUGPLAY_NO_DEVICE);
        return ret(f.get('Status'));
      },
    },
  }),
];
