/** Processes and threads for those who look at all of them: both by one id, handle tables, what few drivers ask. Source: ntifs.h and public symbols; WDK pages where there are. */
import type { Kernel } from '../kernel.ts';
import { lookupCid } from '../ps/cid.ts';
import { entryObject, handleEntry } from '../ob/handle.ts';
import { obReferenceObject } from '../ob/object.ts';
import { KTHREAD, ProcessObject, ThreadObject } from '../types/ke.ts';
import { HANDLE_TABLE } from '../types/ob.ts';
import { CTF_TERMINATED, EPROCESS, ETHREAD } from '../types/ps.ts';
import { STATUS_INVALID_CID, STATUS_SUCCESS, STATUS_UNSUCCESSFUL } from '../types/status.ts';
import { u64 } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type Frame,
  LONGLONG,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  pointer,
  PVOID,
  ret,
} from './declare.ts';

const P = EPROCESS.f;
const PPROCESS = pointer('PEPROCESS*'),
  PTHREAD = pointer('PETHREAD*');

const walkFrame = { Handle: u64 };

/** Calls the driver with the next handle that is in use. */
function nextHandle(k: Kernel, f: Frame<typeof walkFrame>, a: { HandleTable: number; Callback: number; Parameter: number }): Outcome {
  const limit = HANDLE_TABLE.f.NextHandleNeedingPool.get(k.mem, a.HandleTable);
  for (let handle = Number(f.get('Handle')) + 4; handle < limit; handle += 4) {
    const entry = handleEntry(k, a.HandleTable, handle);
    if (!entry || !entryObject(k, entry)) continue;
    f.set('Handle', BigInt(handle));
    return call(a.Callback, [a.HandleTable, entry, handle, a.Parameter], 'called');
  }
  return ret(false);
}

export const moreProcessExports: NtExport[] = [
  ntExport({
    name: 'PsLookupProcessThreadByCid',
    doc: 'Finds a thread, and if wanted its process, by a client id, and references them.',
    irql: { max: 'APC_LEVEL' },
    args: { Cid: pointer('PCLIENT_ID'), Process: PPROCESS, Thread: PTHREAD },
    returns: NTSTATUS,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      const { mem } = k;
      const thread = lookupCid(k, mem.readPtr(a.Cid + 8));
      const isThread = thread !== 0 && (mem.read8(thread) & 0x7f) === ThreadObject;
      if (!isThread || mem.readPtr(thread + ETHREAD.f.Cid.offset) !== mem.readPtr(a.Cid)) return STATUS_INVALID_CID;
      if (ETHREAD.f.CrossThreadFlags.get(mem, thread) & CTF_TERMINATED) return STATUS_INVALID_CID;
      const process = KTHREAD.f.Process.get(mem, thread);
      if ((mem.read8(process) & 0x7f) !== ProcessObject) return STATUS_INVALID_CID;
      if (a.Process) {
        obReferenceObject(k, process);
        mem.writePtr(a.Process, process);
      }
      obReferenceObject(k, thread);
      mem.writePtr(a.Thread, thread);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'PsReferenceProcessFilePointer',
    doc: 'The file object of the image that a process was made of, with a reference; STATUS_UNSUCCESSFUL for one that was not made of a file.',
    irql: { max: 'APC_LEVEL' },
    args: { Process: pointer('PEPROCESS'), FileObject: PVOID },
    returns: NTSTATUS,
    cycles: 60,
    status: 'partial',
    missing: 'no process here is made of a file (programs lie in the kernel), so there is no file to return',
    impl(k, a) {
      k.mem.probe(a.FileObject, 8, true);
      const file = P.ImageFilePointer.get(k.mem, a.Process);
      if (!file) return STATUS_UNSUCCESSFUL;
      obReferenceObject(k, file);
      k.mem.writePtr(a.FileObject, file);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'PsGetProcessExitTime',
    doc: 'Returns when the current process began to exit, 0 while it does not.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: {},
    returns: LONGLONG,
    cycles: 12,
    status: 'full',
    impl: k => P.ExitTime.get(k.mem, k.currentProcess()),
  }),
  ntExport({
    name: 'PsGetCurrentProcessWow64Process',
    doc: 'Returns the 32-bit PEB of the current process when it is a WOW64 process.',
    args: {},
    returns: PVOID,
    cycles: 12,
    status: 'full',
    impl: k => P.WoW64Process.get(k.mem, k.currentProcess()),
  }),
  ntExport({
    name: 'PsGetCurrentThreadTeb',
    doc: 'Returns the thread environment block of the current thread; NULL for one without a user mode.',
    args: {},
    returns: PVOID,
    cycles: 12,
    status: 'full',
    impl: k => KTHREAD.f.Teb.get(k.mem, k.currentThread()),
  }),
  ntSteps({
    name: 'ExEnumHandleTable',
    doc: 'Calls a routine with each handle of a table until it returns TRUE; stores that handle.',
    irql: { max: 'APC_LEVEL' },
    args: { HandleTable: PVOID, Callback: PVOID, Parameter: PVOID, Handle: pointer('PHANDLE') },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    frame: walkFrame,
    steps: {
      start(k, f, _rax, a) {
        f.set('Handle', 0n);
        return nextHandle(k, f, a);
      },
      called(k, f, rax, a) {
        if ((rax & 0xff) === 0) return nextHandle(k, f, a);
        if (a.Handle) k.mem.write64(a.Handle, f.get('Handle'));
        return ret(true);
      },
    },
  }),
];
