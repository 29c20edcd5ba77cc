/** Drivers that make driver objects: IoCreateDriver, IoDeleteDriver. Source: public descriptions; neither has a WDK page. */
import { call, type NtExport, ntSteps, NTSTATUS, pointer, PVOID, ret, VOID } from '../exports/declare.ts';
import { obMakeTemporary } from '../ob/named.ts';
import { readString } from '../ob/string.ts';
import { DRVO_BUILTIN_DRIVER, DRVO_INITIALIZED } from '../types/io.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { createDriverObject, DRV, fillMajorFunctions } from './driver.ts';
import { ntSuccess } from './irp.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

export const createExports: NtExport[] = [
  ntSteps({
    name: 'IoCreateDriver',
    doc: 'Makes a driver object without an image of its own and calls its initialization routine; one that fails takes the object with it.',
    irql: PASSIVE,
    args: { DriverName: pointer('PUNICODE_STRING'), InitializationFunction: PVOID },
    returns: NTSTATUS,
    cycles: 600,
    status: 'full',
    frame: { Driver: ptr, Status: u32 },
    steps: {
      start(k, f, _rax, { DriverName, InitializationFunction }) {
        // Without a name the object gets one from a number that grows.
        const number = k.global.get('IopUniqueDeviceObjectNumber');
        if (!DriverName) k.global.set('IopUniqueDeviceObjectNumber', number + 1);
        const path = DriverName ? readString(k, DriverName) : `\\Driver\\${number.toString(16).toUpperCase().padStart(8, '0')}`;
        const made = createDriverObject(k, path, path.replace(/^.*\\/, ''));
        if (made.status !== STATUS_SUCCESS) return ret(made.status);
        f.set('Driver', made.driver);
        DRV.Flags.set(k.mem, made.driver, DRV.Flags.get(k.mem, made.driver) | DRVO_BUILTIN_DRIVER);
        DRV.DriverInit.set(k.mem, made.driver, InitializationFunction);
        return call(InitializationFunction, [made.driver, 0], 'initialized');
      },
      initialized(k, f, rax) {
        const driver = f.get('Driver');
        f.set('Status', rax);
        if (ntSuccess(rax)) {
          fillMajorFunctions(k, driver, false);
          DRV.Flags.set(k.mem, driver, DRV.Flags.get(k.mem, driver) | DRVO_INITIALIZED);
          return ret(rax);
        }
        obMakeTemporary(k, driver);
        return call(k.address('nt!ObfDereferenceObject'), [driver], 'gone');
      },
      gone: (_k, f) => ret(f.get('Status')),
    },
  }),
  ntSteps({
    name: 'IoDeleteDriver',
    doc: 'Gives up a driver object of IoCreateDriver.',
    irql: PASSIVE,
    args: { DriverObject: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: { Unused: u32 },
    steps: {
      start(k, _f, _rax, { DriverObject }) {
        obMakeTemporary(k, DriverObject);
        return call(k.address('nt!ObfDereferenceObject'), [DriverObject], 'gone');
      },
      gone: () => ret(),
    },
  }),
];
