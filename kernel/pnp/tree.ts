/**
 * The device tree is changed by one thread at a time: whoever loads a Plug and Play driver, removes a device, or works off what drivers asked for. `PipProcessTree` then does
 * what there is to do, one device after the other, until the tree is at rest; what a step has done is in the nodes, so that nothing has to be remembered between them.
 */
import type { Kernel } from '../kernel.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import { u32 } from '../types/struct.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { call, next, type NtExport, ntSteps, NTSTATUS, type Outcome, PVOID, ret, wait } from '../exports/declare.ts';
import {
  allNodes,
  changeNodeFlags,
  DeviceNodeAwaitingQueuedRemoval,
  DeviceNodeInitialized,
  DeviceNodeRemoved,
  DeviceNodeStarted,
  DeviceNodeUninitialized,
  DNF_GONE,
  DNF_NEEDS_DRIVERS,
  DNF_NEEDS_ENUMERATION,
  DNF_NEEDS_STATE,
  DNF_RESTART,
  N,
  nodeFlags,
} from './node.ts';

/** Makes the lock. Runs at boot. */
export function initializeTreeLock(k: Kernel): void {
  keInitializeEvent(k, k.global.address('PiEngineLock'), 1, true);
}

/** Calls an internal routine with two arguments while the tree is locked; its status comes to step `then`. */
export const withTree = (k: Kernel, routine: string, a: number, b: number, then: string): Outcome =>
  call(k.address('nt!PipWithTree'), [k.address(`nt!${routine}`), a, b], then);

function unlock(k: Kernel): void {
  k.global.set('PiEngineOwner', 0);
  keSetEvent(k, k.global.address('PiEngineLock'), 0);
}

/** The next thing to do in the tree; null when it is at rest. */
function nextTask(k: Kernel): { routine: string; node: number } | null {
  const { mem } = k;
  const nodes = allNodes(k);
  const find = (routine: string, wanted: (node: number, flags: number, state: number) => boolean) => {
    const node = nodes.find(n => wanted(n, nodeFlags(k, n), N.State.get(mem, n)));
    return node ? { routine, node } : null;
  };
  const leaving = (state: number): boolean => state === DeviceNodeAwaitingQueuedRemoval || state === DeviceNodeRemoved;
  return (
    find('PipSurpriseRemove', (_n, flags, state) => (flags & DNF_GONE) !== 0 && !leaving(state)) ??
    find('PipRestartDevice', (_n, flags, state) => (flags & DNF_RESTART) !== 0 && state === DeviceNodeStarted) ??
    find('PipQueryDeviceState', (_n, flags, state) => (flags & DNF_NEEDS_STATE) !== 0 && state === DeviceNodeStarted) ??
    find('PipEnumerateDevice', (_n, flags, state) => (flags & DNF_NEEDS_ENUMERATION) !== 0 && state === DeviceNodeStarted) ??
    find('PipIdentifyDevice', (n, _flags, state) => state === DeviceNodeUninitialized && !N.Problem.get(mem, n)) ??
    find('PipConfigureDevice', (_n, flags, state) => (flags & DNF_NEEDS_DRIVERS) !== 0 && state === DeviceNodeInitialized)
  );
}

/** The flag that a task answers is taken back before it is done: it may come again meanwhile. */
const ANSWERS: { readonly [routine: string]: number } = {
  PipRestartDevice: DNF_RESTART,
  PipQueryDeviceState: DNF_NEEDS_STATE,
  PipEnumerateDevice: DNF_NEEDS_ENUMERATION,
  PipConfigureDevice: DNF_NEEDS_DRIVERS,
};

function work(k: Kernel): Outcome {
  const task = nextTask(k);
  if (!task) return ret(STATUS_SUCCESS);
  changeNodeFlags(k, task.node, 0, ANSWERS[task.routine] ?? 0);
  return call(k.address(`nt!${task.routine}`), [task.node], 'done');
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'PipWithTree',
    internal: true,
    doc: 'Calls a routine with the device tree locked; a thread that has the lock already goes on with it.',
    args: { Routine: PVOID, First: PVOID, Second: PVOID },
    returns: NTSTATUS,
    cycles: 100,
    status: 'full',
    frame: { Taken: u32 },
    steps: {
      start(k, f, _rax, { Routine, First, Second }) {
        f.set('Taken', 0);
        if (k.global.get('PiEngineOwner') === k.currentThread()) return call(Routine, [First, Second], 'done');
        return keWait(k, [k.global.address('PiEngineLock')]) === 'blocked' ? wait('locked') : next('locked', 0);
      },
      locked(k, f, _rax, { Routine, First, Second }) {
        f.set('Taken', 1);
        k.global.set('PiEngineOwner', k.currentThread());
        return call(Routine, [First, Second], 'done');
      },
      done(k, f, rax) {
        if (f.get('Taken')) unlock(k);
        return ret(rax);
      },
    },
    abort(k, f) {
      if (f.get('Taken') && k.global.get('PiEngineOwner') === k.currentThread()) unlock(k);
    },
  }),
  ntSteps({
    name: 'PipProcessTree',
    internal: true,
    doc: 'Does what is to be done to the devices of the tree: tears out what is gone, asks for states and children, names new devices, gives them drivers and starts them.',
    args: { Unused: PVOID, Unused2: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: { Unused: u32 },
    steps: { start: k => work(k), done: k => work(k) },
  }),
];
