/** ZwQuerySystemInformation. */
import { systemInformation } from '../ex/sysinfo.ts';
import { STATUS_DEBUGGER_INACTIVE, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS, STATUS_SUCCESS } from '../types/status.ts';
import { type NtExport, ntExport, NTSTATUS, PVOID, ULONG } from './declare.ts';
import { service } from './service.ts';

export const systemExports: NtExport[] = [
  ntExport({
    name: 'KdSystemDebugControl',
    doc: 'Commands to the kernel debugger; STATUS_DEBUGGER_INACTIVE when none is enabled.',
    args: { Command: ULONG, InputBuffer: PVOID, InputBufferLength: ULONG, OutputBuffer: PVOID, OutputBufferLength: ULONG, ReturnLength: PVOID, PreviousMode: ULONG },
    returns: NTSTATUS,
    cycles: 60,
    status: 'partial',
    missing: 'the debugger of this machine is outside of it and takes no commands from inside',
    impl: () => STATUS_DEBUGGER_INACTIVE,
  }),
  ...service({
    name: 'QuerySystemInformation',
    doc: 'Returns information about the system: basic facts, times, processes with their threads, handles, loaded modules.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { SystemInformationClass: ULONG, SystemInformation: PVOID, SystemInformationLength: ULONG, ReturnLength: PVOID },
    returns: NTSTATUS,
    cycles: 4000,
    status: 'partial',
    missing: 'of the classes that Windows documents, lookaside lists (45) and policy (134): STATUS_INVALID_INFO_CLASS',
    impl(k, { SystemInformationClass, SystemInformation, SystemInformationLength, ReturnLength }) {
      const bytes = systemInformation(k, SystemInformationClass, SystemInformation);
      if (bytes === null) return STATUS_INVALID_INFO_CLASS;
      if (ReturnLength) k.mem.probe(ReturnLength, 4, true);
      const fits = SystemInformationLength >= bytes.length;
      if (fits) k.mem.writeBytes(SystemInformation, bytes);
      if (ReturnLength) k.mem.write32(ReturnLength, bytes.length);
      return fits ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH;
    },
  }),
];
