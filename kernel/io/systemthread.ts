/** Threads that belong to a device or a driver: the object stays for as long as the thread. Source: the WDK page of IoCreateSystemThread. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { obReferenceObject } from '../ob/object.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES } from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import { call, HANDLE, type NtExport, ntSteps, NTSTATUS, pointer, PVOID, ret, ULONG, VOID } from '../exports/declare.ts';
import { ntSuccess } from './irp.ts';

/** What the thread gets from who makes it. */
const START = struct('_IOP_THREAD_START', { IoObject: ptr, Routine: ptr, Context: ptr });
const TAG = poolTag('IoTh');

export const ioThreadExports: NtExport[] = [
  ntSteps({
    name: 'IoCreateSystemThread',
    doc: 'Creates a thread that runs in kernel mode and holds a device or driver object until it has ended. Its routine just returns.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: {
      IoObject: PVOID,
      ThreadHandle: pointer('PHANDLE'),
      DesiredAccess: ULONG,
      ObjectAttributes: pointer('POBJECT_ATTRIBUTES'),
      ProcessHandle: HANDLE,
      ClientId: pointer('PCLIENT_ID'),
      StartRoutine: PVOID,
      StartContext: PVOID,
    },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: { Start: ptr, Status: u32 },
    steps: {
      start(k, f, _rax, a) {
        const start = exAllocatePool(k, NonPagedPoolNx, START.size, TAG);
        if (!start) return ret(STATUS_INSUFFICIENT_RESOURCES);
        START.f.IoObject.set(k.mem, start, a.IoObject);
        START.f.Routine.set(k.mem, start, a.StartRoutine);
        START.f.Context.set(k.mem, start, a.StartContext);
        obReferenceObject(k, a.IoObject);
        f.set('Start', start);
        const { ThreadHandle, DesiredAccess, ObjectAttributes, ProcessHandle, ClientId } = a;
        const args = [
          ThreadHandle,
          DesiredAccess,
          ObjectAttributes,
          ProcessHandle,
          ClientId,
          k.address('nt!IopThreadStart'),
          start,
        ];
        return call(k.address('nt!PsCreateSystemThread'), args, 'made');
      },
      made(k, f, rax, { IoObject }) {
        if (ntSuccess(rax)) return ret(rax);
        f.set('Status', rax);
        exFreePool(k, f.get('Start'), TAG);
        return call(k.address('nt!ObfDereferenceObject'), [IoObject], 'released');
      },
      released: (_k, f) => ret(f.get('Status')),
    },
  }),
  ntSteps({
    name: 'IopThreadStart',
    internal: true,
    doc: 'First routine of such a thread: runs the driver’s, then lets the object go.',
    args: { Start: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    frame: { IoObject: ptr },
    steps: {
      start(k: Kernel, f, _rax, { Start }) {
        const routine = START.f.Routine.get(k.mem, Start);
        const context = START.f.Context.get(k.mem, Start);
        f.set('IoObject', START.f.IoObject.get(k.mem, Start));
        exFreePool(k, Start, TAG);
        return call(routine, [context], 'ended');
      },
      ended: (k, f) => call(k.address('nt!ObfDereferenceObject'), [f.get('IoObject')], 'released'),
      released: () => ret(),
    },
  }),
];
