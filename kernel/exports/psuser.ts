/** Routines about processes with a user mode. Source: the WDK page of each; ntifs.h. */
import { mmCopyVirtualMemory } from '../mm/process.ts';
import { I } from '../io/irp.ts';
import { UserMode } from '../types/ke.ts';
import { STATUS_SUCCESS, STATUS_UNSUCCESSFUL } from '../types/status.ts';
import { CCHAR, type NtExport, ntExport, NTSTATUS, pointer, PVOID, SIZE_T } from './declare.ts';

const PEPROCESS = pointer('PEPROCESS');
const NO_SESSION = 0xffffffff;

export const exports: NtExport[] = [
  ntExport({
    name: 'MmCopyVirtualMemory',
    doc: 'Copies memory from one process to another, or within one.',
    irql: { max: 'APC_LEVEL' },
    args: {
      SourceProcess: PEPROCESS,
      SourceAddress: PVOID,
      TargetProcess: PEPROCESS,
      TargetAddress: PVOID,
      BufferSize: SIZE_T,
      PreviousMode: CCHAR,
      ReturnSize: pointer('PSIZE_T'),
    },
    returns: NTSTATUS,
    cycles: (_k, a) => 200 + Math.min(a.BufferSize, 0x10000000) / 8,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.ReturnSize, 8, true);
      const from = { process: a.SourceProcess, address: a.SourceAddress },
        to = { process: a.TargetProcess, address: a.TargetAddress };
      const r = mmCopyVirtualMemory(k, from, to, a.BufferSize, a.PreviousMode === UserMode);
      k.mem.write64(a.ReturnSize, BigInt(r.copied));
      return r.status;
    },
  }),
  ntExport({
    name: 'IoGetRequestorSessionId',
    doc: 'The session of the process whose thread made a request.',
    irql: { max: 'APC_LEVEL' },
    args: { Irp: pointer('PIRP'), SessionId: pointer('PULONG') },
    returns: NTSTATUS,
    cycles: 30,
    status: 'full',
    impl(k, { Irp, SessionId }) {
      const thread = I.Thread.get(k.mem, Irp);
      k.mem.write32(SessionId, thread ? 0 : NO_SESSION);
      return thread ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
    },
  }),
];
