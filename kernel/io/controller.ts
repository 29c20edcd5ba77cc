/**
 * Controller objects: a physical controller that several device objects share. A device that wants it waits in the controller's device queue by the wait block in its own
 * DEVICE_OBJECT (Queue); when its turn comes its ControllerControl routine runs and says whether the controller is kept. Source: the WDK page of each routine.
 */
import type { Kernel } from '../kernel.ts';
import { obCreateObject } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { CONTROLLER_OBJECT, DEVICE_OBJECT, IO_TYPE_CONTROLLER, WAIT_CONTEXT_BLOCK } from '../types/io.ts';
import { ptr } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, type Outcome, pointer, PVOID, ret, ULONG, VOID } from '../exports/declare.ts';
import { PDEVICE_OBJECT } from './call.ts';
import { initializeDeviceQueue } from './device.ts';
import { insertDeviceQueue, removeDeviceQueue } from './startio.ts';

const C = CONTROLLER_OBJECT.f;
const W = WAIT_CONTEXT_BLOCK.f;
const PCONTROLLER_OBJECT = pointer('PCONTROLLER_OBJECT');
const DISPATCH = { min: 'DISPATCH_LEVEL', max: 'DISPATCH_LEVEL' } as const;
/** IO_ALLOCATION_ACTION: the controller is kept until IoFreeController. */
const KeepObject = 1;

const wcbOf = (device: number): number => device + DEVICE_OBJECT.f.Queue.offset;

/** Calls the ControllerControl routine of a device whose turn it is: (DeviceObject, CurrentIrp, MapRegisterBase = NULL, Context). */
function control(k: Kernel, wcb: number): Outcome {
  const device = W.DeviceObject.get(k.mem, wcb);
  const irp = DEVICE_OBJECT.f.CurrentIrp.get(k.mem, device);
  return call(W.DeviceRoutine.get(k.mem, wcb), [device, irp, 0, W.DeviceContext.get(k.mem, wcb)], 'controlled');
}

/** Gives the controller to the next device that waits; with none it is free. */
function passOn(k: Kernel, controller: number): Outcome {
  const wcb = removeDeviceQueue(k, controller + C.DeviceWaitQueue.offset, null);
  return wcb ? control(k, wcb) : ret();
}

export const exports: NtExport[] = [
  ntExport({
    name: 'IoCreateController',
    doc: 'Creates a controller object with an extension of the given size, filled with zeros; NULL without memory.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Size: ULONG },
    returns: PCONTROLLER_OBJECT,
    cycles: 900,
    status: 'full',
    impl(k, { Size }) {
      const type = exportedType(k, 'IoControllerObjectType');
      const controller = obCreateObject(k, type, CONTROLLER_OBJECT.size + Size);
      if (!controller) return 0;
      C.Type.set(k.mem, controller, IO_TYPE_CONTROLLER);
      C.Size.set(k.mem, controller, CONTROLLER_OBJECT.size + Size);
      C.ControllerExtension.set(k.mem, controller, controller + CONTROLLER_OBJECT.size);
      initializeDeviceQueue(k, controller + C.DeviceWaitQueue.offset);
      return controller;
    },
  }),
  ntSteps({
    name: 'IoDeleteController',
    doc: 'Deletes a controller object.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { ControllerObject: PCONTROLLER_OBJECT },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: { Spare: ptr },
    steps: {
      start: (k, _f, _rax, { ControllerObject }) => call(k.address('nt!ObfDereferenceObject'), [ControllerObject], 'done'),
      done: () => ret(),
    },
  }),
  ntSteps({
    name: 'IoAllocateController',
    doc: "Calls a driver's ControllerControl routine as soon as the controller is free: at once, or from IoFreeController.",
    irql: DISPATCH,
    args: { ControllerObject: PCONTROLLER_OBJECT, DeviceObject: PDEVICE_OBJECT, ExecutionRoutine: PVOID, Context: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { Spare: ptr },
    steps: {
      start(k, _f, _rax, { ControllerObject, DeviceObject, ExecutionRoutine, Context }) {
        const wcb = wcbOf(DeviceObject);
        k.mem.probe(wcb, WAIT_CONTEXT_BLOCK.size, true);
        W.DeviceObject.set(k.mem, wcb, DeviceObject);
        W.DeviceRoutine.set(k.mem, wcb, ExecutionRoutine);
        W.DeviceContext.set(k.mem, wcb, Context);
        if (insertDeviceQueue(k, ControllerObject + C.DeviceWaitQueue.offset, wcb, null)) return ret();
        return control(k, wcb);
      },
      controlled: (k, _f, rax, { ControllerObject }) => (rax === KeepObject ? ret() : passOn(k, ControllerObject)),
    },
  }),
  ntSteps({
    name: 'IoFreeController',
    doc: 'Gives a controller back: the next device that waits for it gets it.',
    irql: DISPATCH,
    args: { ControllerObject: PCONTROLLER_OBJECT },
    returns: VOID,
    cycles: 80,
    status: 'full',
    frame: { Spare: ptr },
    steps: {
      start: (k, _f, _rax, { ControllerObject }) => passOn(k, ControllerObject),
      controlled: (k, _f, rax, { ControllerObject }) => (rax === KeepObject ? ret() : passOn(k, ControllerObject)),
    },
  }),
];
