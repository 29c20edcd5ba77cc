/** Attaching to a device that is known by name or by pointer. Source: the WDK page of each routine. */
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { exportedType } from '../ob/type.ts';
import { IO_STATUS_BLOCK } from '../types/io.ts';
import { KernelMode } from '../types/ke.ts';
import { OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES } from '../types/ob.ts';
import { STATUS_NO_SUCH_DEVICE, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, pointer, PVOID, ret } from '../exports/declare.ts';
import { PDEVICE_OBJECT } from './call.ts';
import { attachDevice } from './device.ts';
import { relatedDevice } from './devicecalls.ts';
import { ntSuccess } from './irp.ts';

const FILE_READ_ATTRIBUTES = 0x80,
  FILE_NON_DIRECTORY_FILE = 0x40;

export const exports: NtExport[] = [
  ntSteps({
    name: 'IoAttachDevice',
    doc: 'Puts a device on top of the stack of a device that is known by its name.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { SourceDevice: PDEVICE_OBJECT, TargetDevice: pointer('PUNICODE_STRING'), AttachedDevice: PVOID },
    returns: NTSTATUS,
    cycles: 400,
    status: 'full',
    frame: { Handle: ptr, Attributes: OBJECT_ATTRIBUTES, Iosb: IO_STATUS_BLOCK, File: ptr, Status: u32 },
    steps: {
      start(k, f, _rax, { TargetDevice, AttachedDevice }) {
        k.mem.probe(AttachedDevice, 8, true);
        const a = f.get('Attributes');
        k.mem.fill(a, OBJECT_ATTRIBUTES.size, 0);
        OBJECT_ATTRIBUTES.f.Length.set(k.mem, a, OBJECT_ATTRIBUTES.size);
        OBJECT_ATTRIBUTES.f.ObjectName.set(k.mem, a, TargetDevice);
        OBJECT_ATTRIBUTES.f.Attributes.set(k.mem, a, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE);
        return call(
          k.address('nt!ZwOpenFile'),
          [f.address('Handle'), FILE_READ_ATTRIBUTES, a, f.get('Iosb'), 0, FILE_NON_DIRECTORY_FILE],
          'opened',
        );
      },
      opened(k, f, rax, { SourceDevice, AttachedDevice }) {
        if (!ntSuccess(rax)) return ret(rax);
        const r = obReferenceObjectByHandle(k, f.get('Handle'), 0, exportedType(k, 'IoFileObjectType'), KernelMode);
        f.set('File', r.object);
        f.set('Status', r.status);
        if (r.status === STATUS_SUCCESS) {
          const lower = attachDevice(k, SourceDevice, relatedDevice(k, r.object));
          k.mem.writePtr(AttachedDevice, lower);
          if (!lower) f.set('Status', STATUS_NO_SUCH_DEVICE);
        }
        // The file that was opened is closed now: its CLEANUP and CLOSE go to the source device, which is on top.
        return call(k.address('nt!ZwClose'), [f.get('Handle')], 'closed');
      },
      closed: (k, f) =>
        f.get('File') ? call(k.address('nt!ObfDereferenceObject'), [f.get('File')], 'done') : ret(f.get('Status')),
      done: (_k, f) => ret(f.get('Status')),
    },
  }),
  ntExport({
    name: 'IoAttachDeviceByPointer',
    doc: 'Puts a device on top of the stack that another is in.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { SourceDevice: PDEVICE_OBJECT, TargetDevice: PDEVICE_OBJECT },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl: (k, a) => (attachDevice(k, a.SourceDevice, a.TargetDevice) ? STATUS_SUCCESS : STATUS_NO_SUCH_DEVICE),
  }),
];
