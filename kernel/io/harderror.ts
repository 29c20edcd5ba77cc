/**
 * Errors that a person at the screen should know of: media that must be looked at again, and hard errors. Nobody sits at this machine's screen; a message that NT shows in a
 * dialog box goes to the event log, as it does for threads of session 0. Source: the WDK page of each routine.
 */
import type { Kernel } from '../kernel.ts';
import { readString } from '../ob/string.ts';
import { ETHREAD } from '../types/ps.ts';
import { FILE_READ_ACCESS, FILE_WRITE_ACCESS, IRP_MJ_DEVICE_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL } from '../types/io.ts';
import { KernelMode } from '../types/ke.ts';
import { STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  pointer,
  PVOID,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import { driverName, PDEVICE_OBJECT, PIRP } from './call.ts';
import { hardErrorText, logEvent } from './eventlog.ts';
import { currentLocation, I, irpStatus, S, setIrpStatus } from './irp.ts';

const APC = { max: 'APC_LEVEL' } as const;
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const PETHREAD = pointer('PETHREAD');
/** ETHREAD.CrossThreadFlags: hard errors are not shown for this thread. */
const CTF_HARD_ERRORS_DISABLED = 0x10;
/** IO_STACK_LOCATION.Flags of a control request: what the handle allows (wdm.h). */
export const SL_READ_ACCESS_GRANTED = 1,
  SL_WRITE_ACCESS_GRANTED = 4;

const disabled = (k: Kernel, thread: number): boolean =>
  (ETHREAD.f.CrossThreadFlags.get(k.mem, thread) & CTF_HARD_ERRORS_DISABLED) !== 0;

export const exports: NtExport[] = [
  ntExport({
    name: 'IoSetThreadHardErrorMode',
    doc: 'Turns hard errors of the current thread on or off; returns whether they were on.',
    irql: DISPATCH,
    args: { EnableHardErrors: BOOLEAN },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl(k, { EnableHardErrors }) {
      const thread = k.currentThread();
      const before = !disabled(k, thread);
      const flags = ETHREAD.f.CrossThreadFlags.get(k.mem, thread);
      ETHREAD.f.CrossThreadFlags.set(
        k.mem,
        thread,
        EnableHardErrors ? flags & ~CTF_HARD_ERRORS_DISABLED : flags | CTF_HARD_ERRORS_DISABLED,
      );
      return before;
    },
  }),
  ntSteps({
    name: 'IoRaiseHardError',
    doc: 'Reports that an IRP failed by an error of the device, and completes the IRP without data.',
    irql: APC,
    args: { Irp: PIRP, Vpb: PVOID, RealDeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: { Spare: ptr },
    steps: {
      start(k, _f, _rax, { Irp, RealDeviceObject }) {
        const status = irpStatus(k, Irp);
        const thread = I.Thread.get(k.mem, Irp) || k.currentThread();
        if (!disabled(k, thread)) logEvent(k, hardErrorText(status, driverName(k, RealDeviceObject)));
        setIrpStatus(k, Irp, status, 0);
        return call(k.address('nt!IofCompleteRequest'), [Irp, 1], 'done');
      },
      done: () => ret(),
    },
  }),
  ntExport({
    name: 'IoRaiseInformationalHardError',
    doc: 'Tells the user why a request failed; FALSE when hard errors are off for the thread.',
    irql: APC,
    args: { ErrorStatus: NTSTATUS, String: pointer('PUNICODE_STRING'), Thread: PETHREAD },
    returns: BOOLEAN,
    cycles: 400,
    status: 'full',
    impl(k, { ErrorStatus, String, Thread }) {
      if (disabled(k, Thread || k.currentThread())) return false;
      logEvent(k, hardErrorText(ErrorStatus, readString(k, String)));
      return true;
    },
  }),
  ntExport({
    name: 'IoSetHardErrorOrVerifyDevice',
    doc: "Notes in an IRP's thread which device the file system is to have verified.",
    irql: DISPATCH,
    args: { Irp: PIRP, DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl(k, { Irp, DeviceObject }) {
      const thread = I.Thread.get(k.mem, Irp);
      if (thread) ETHREAD.f.DeviceToVerify.set(k.mem, thread, DeviceObject);
    },
  }),
  ntExport({
    name: 'IoSetDeviceToVerify',
    doc: 'Sets the device that a thread is to have verified.',
    irql: DISPATCH,
    args: { Thread: PETHREAD, DeviceObject: PDEVICE_OBJECT },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Thread, DeviceObject }) => ETHREAD.f.DeviceToVerify.set(k.mem, Thread, DeviceObject),
  }),
  ntExport({
    name: 'IoGetDeviceToVerify',
    doc: 'The device that a thread is to have verified, or NULL.',
    irql: DISPATCH,
    args: { Thread: PETHREAD },
    returns: PDEVICE_OBJECT,
    cycles: 20,
    status: 'full',
    impl: (k, { Thread }) => ETHREAD.f.DeviceToVerify.get(k.mem, Thread),
  }),
  ntExport({
    name: 'IoValidateDeviceIoControlAccess',
    doc: 'Whether the sender of a control request from user mode opened the device for reading or writing.',
    args: { Irp: PIRP, RequiredAccess: ULONG },
    returns: NTSTATUS,
    cycles: 40,
    status: 'full',
    impl(k, { Irp, RequiredAccess }) {
      const stack = currentLocation(k, Irp);
      const major = S.MajorFunction.get(k.mem, stack);
      if (major !== IRP_MJ_DEVICE_CONTROL && major !== IRP_MJ_FILE_SYSTEM_CONTROL) return STATUS_INVALID_PARAMETER;
      if (RequiredAccess & ~(FILE_READ_ACCESS | FILE_WRITE_ACCESS)) return STATUS_INVALID_PARAMETER;
      if (I.RequestorMode.get(k.mem, Irp) === KernelMode) return STATUS_SUCCESS;
      const granted = S.Flags.get(k.mem, stack);
      const refused =
        (RequiredAccess & FILE_READ_ACCESS && !(granted & SL_READ_ACCESS_GRANTED)) ||
        (RequiredAccess & FILE_WRITE_ACCESS && !(granted & SL_WRITE_ACCESS_GRANTED));
      return refused ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
    },
  }),
];
