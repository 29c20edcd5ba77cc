/** Power: what state devices and the system are in. Source: the WDK page of each routine. */
import type { Kernel } from '../kernel.ts';
import { D, extensionOf, X } from '../io/device.ts';
import { PDEVICE_OBJECT, PIRP } from '../io/call.ts';
import { allNodes, DeviceNodeStarted, N } from '../pnp/node.ts';
import { sendFrame, sendPnp } from '../pnp/send.ts';
import { DO_POWER_PAGABLE, IRP_MJ_POWER, IRP_MN_SET_POWER } from '../types/io.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { u32 } from '../types/struct.ts';
import { type Frame, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, ret, ULONG, VOID } from '../exports/declare.ts';

const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
/** POWER_STATE_TYPE. */
export const SystemPowerState = 0,
  DevicePowerState = 1;
/** DEVICE_POWER_STATE, SYSTEM_POWER_STATE, POWER_ACTION. */
export const PowerDeviceD0 = 1,
  PowerDeviceMaximum = 5;
const PowerSystemShutdown = 6,
  PowerActionShutdownOff = 6;

/** DEVOBJ_EXTENSION.PowerFlags: the system state in bits 0-3, the device state in bits 4-7. */
function exchangeState(k: Kernel, device: number, type: number, state: number): number {
  const x = extensionOf(k, device);
  const flags = X.PowerFlags.get(k.mem, x);
  const shift = type === SystemPowerState ? 0 : 4;
  X.PowerFlags.set(k.mem, x, (flags & ~(0xf << shift)) | ((state & 0xf) << shift));
  return (flags >> shift) & 0xf;
}

/** The DEVICE_POWER_STATE that a device's driver said last. */
export const deviceState = (k: Kernel, device: number): number => (X.PowerFlags.get(k.mem, extensionOf(k, device)) >> 4) & 0xf;

/** Power requests of a device must come at PASSIVE_LEVEL. */
export const isPageable = (k: Kernel, device: number): boolean => (D.Flags.get(k.mem, device) & DO_POWER_PAGABLE) !== 0;

const shutdownFrame = { ...sendFrame, Index: u32 } as const;

/** Tells the next device of the shutdown: children before their parents, as the parents are needed until then. */
function shutNext(k: Kernel, f: Frame<typeof shutdownFrame>): Outcome {
  const nodes = allNodes(k).reverse();
  let index = f.get('Index');
  while (index < nodes.length && N.State.get(k.mem, nodes[index]!) !== DeviceNodeStarted) index++;
  f.set('Index', index + 1);
  if (index >= nodes.length) return ret(STATUS_SUCCESS);
  const device = N.PhysicalDeviceObject.get(k.mem, nodes[index]!);
  const parameters = [0, SystemPowerState, PowerSystemShutdown, PowerActionShutdownOff];
  return sendPnp(k, f, device, IRP_MN_SET_POWER, parameters, 'told', IRP_MJ_POWER);
}

export const exports: NtExport[] = [
  ntExport({
    name: 'PoStartNextPowerIrp',
    doc: 'Says that a driver is ready for the next power IRP. Since Windows Vista the power manager does not wait for it, so that there is nothing to do.',
    irql: DISPATCH,
    args: { Irp: PIRP },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: () => undefined,
  }),
  ntExport({
    name: 'PoSetPowerState',
    doc: 'Notes the power state that a device has now; returns the one before.',
    irql: { ...DISPATCH, when: a => (a.State === PowerDeviceD0 ? undefined : { max: 'APC_LEVEL' }) },
    args: { DeviceObject: PDEVICE_OBJECT, Type: ULONG, State: ULONG },
    returns: ULONG,
    cycles: 60,
    status: 'full',
    impl: (k, { DeviceObject, Type, State }) => exchangeState(k, DeviceObject, Type, State),
  }),
  ntSteps({
    name: 'PopShutdownDevices',
    internal: true,
    doc: 'Sends IRP_MN_SET_POWER for the system state PowerSystemShutdown to every device that runs.',
    args: {},
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: shutdownFrame,
    steps: {
      start(k, f) {
        f.set('Index', 0);
        return shutNext(k, f);
      },
      told: (k, f) => shutNext(k, f),
    },
  }),
];
