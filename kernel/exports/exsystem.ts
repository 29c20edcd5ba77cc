/** ZwQuerySystemInformation, and the language's exception handler. */
import { systemInformation } from '../ex/sysinfo.ts';
import { STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS, STATUS_SUCCESS } from '../types/status.ts';
import { type NtExport, ntExport, NTSTATUS, pointer, PVOID, ULONG } from './declare.ts';
import { service } from './service.ts';

const ExceptionContinueSearch = 1;

export const systemExports: NtExport[] = [
  ...service({
    name: 'QuerySystemInformation',
    doc: 'Returns information about the system: basic facts, processes with their threads, loaded modules.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { SystemInformationClass: ULONG, SystemInformation: PVOID, SystemInformationLength: ULONG, ReturnLength: PVOID },
    returns: NTSTATUS,
    cycles: 4000,
    status: 'partial',
    missing: 'classes 0 (basic), 3 (time of day), 5 (processes), 11 (modules), 35 (debugger) and 103 (code integrity) only; others give STATUS_INVALID_INFO_CLASS',
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
  ntExport({
    name: '__C_specific_handler',
    doc: 'Language handler of C code with __try: looks for a filter or a __finally block of the function.',
    args: { ExceptionRecord: pointer('PEXCEPTION_RECORD'), EstablisherFrame: PVOID, ContextRecord: pointer('PCONTEXT'), DispatcherContext: PVOID },
    returns: ULONG,
    cycles: 100,
    status: 'partial',
    missing: 'exceptions are not dispatched to handlers yet: a fault inside __try is a bug check, as one outside of it; called by hand it asks to search on',
    impl: () => ExceptionContinueSearch,
  }),
];
