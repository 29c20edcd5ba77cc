/**
 * System services. A service is one routine with two names: `NtX` trusts the thread's previous mode, `ZwX` is what a driver calls: it makes the previous mode
 * KernelMode for the time of the call, so that kernel addresses and kernel handles are taken ("Using Nt and Zw versions of the native system services routines", WDK).
 */
import { previousMode, setPreviousMode } from '../ob/mode.ts';
import { KernelMode } from '../types/ke.ts';
import { u8 } from '../types/struct.ts';
import { type ArgTypes, call, type FrameSpec, type NtExport, ntExport, ntSteps, type PlainExport, ret, type StepExport } from './declare.ts';

/** Services of which ntoskrnl exports the Nt form too. */
const NT_EXPORTED = new Set([
  'Close', 'CreateEvent', 'CreateFile', 'CreateSection', 'DeleteFile', 'DeviceIoControlFile', 'DuplicateObject', 'DuplicateToken', 'FsControlFile', 'LockFile',
  'MapViewOfSection', 'NotifyChangeDirectoryFile', 'OpenFile', 'OpenProcess', 'OpenProcessToken', 'OpenThread', 'OpenThreadToken', 'QueryDirectoryFile',
  'QueryInformationFile', 'QueryInformationProcess', 'QueryInformationThread', 'QueryInformationToken', 'QuerySecurityObject', 'QuerySystemInformation',
  'QueryVolumeInformationFile', 'ReadFile', 'SetEvent', 'SetInformationFile', 'SetInformationProcess', 'SetInformationThread', 'SetSecurityObject',
  'SetVolumeInformationFile', 'UnlockFile', 'WaitForSingleObject', 'WriteFile', 'AllocateVirtualMemory', 'FreeVirtualMemory',
  'CommitComplete', 'CommitEnlistment', 'CommitTransaction', 'CreateEnlistment', 'CreateResourceManager', 'CreateTransaction', 'CreateTransactionManager',
  'EnumerateTransactionObject', 'GetNotificationResourceManager', 'OpenEnlistment', 'OpenResourceManager', 'OpenTransaction', 'OpenTransactionManager',
  'PrePrepareComplete', 'PrePrepareEnlistment', 'PrepareComplete', 'PrepareEnlistment', 'QueryInformationEnlistment', 'QueryInformationResourceManager',
  'QueryInformationTransaction', 'QueryInformationTransactionManager', 'ReadOnlyEnlistment', 'RecoverEnlistment', 'RecoverResourceManager',
  'RecoverTransactionManager', 'RenameTransactionManager', 'RollbackComplete', 'RollbackEnlistment', 'RollbackTransaction', 'SetInformationEnlistment',
  'SetInformationResourceManager', 'SetInformationTransaction', 'SetInformationTransactionManager',
]);

const ntForm = (name: string): { name: string; internal?: boolean } => ({ name: `Nt${name}`, ...(NT_EXPORTED.has(name) ? {} : { internal: true }) });

/** Declares a service that neither calls the guest nor waits: its Nt and Zw routines. `name` has no prefix. */
export function service<const A extends ArgTypes>(d: Omit<PlainExport<A>, 'kind'>): NtExport[] {
  return [
    ntExport<A>({ ...d, ...ntForm(d.name) }),
    ntExport<A>({
      ...d,
      name: `Zw${d.name}`,
      impl(k, a) {
        const mode = previousMode(k);
        setPreviousMode(k, KernelMode);
        try {
          return d.impl(k, a);
        } finally {
          setPreviousMode(k, mode);
        }
      },
    }),
  ];
}

/** Declares a service with steps. The Zw routine calls the Nt routine, so that the mode is kept in its frame while the thread waits. */
export function stepService<const A extends ArgTypes, const F extends FrameSpec>(d: Omit<StepExport<A, F>, 'kind' | 'layout'>): NtExport[] {
  const count = Object.keys(d.args).length;
  const { name, module, doc, irql, args, returns, status, missing } = d;
  const frame = { PreviousMode: u8 };
  return [
    ntSteps<A, F>({ ...d, ...ntForm(name) }),
    ntSteps<A, typeof frame>({
      name: `Zw${name}`,
      doc,
      args,
      returns,
      status,
      cycles: 60,
      ...(module === undefined ? {} : { module }),
      ...(irql === undefined ? {} : { irql }),
      ...(missing === undefined ? {} : { missing }),
      frame,
      steps: {
        start(k, f) {
          f.set('PreviousMode', previousMode(k));
          setPreviousMode(k, KernelMode);
          return call(
            k.address(`nt!Nt${name}`),
            Array.from({ length: count }, (_, i) => k.arg(i)),
            'done',
          );
        },
        done(k, f) {
          setPreviousMode(k, f.get('PreviousMode'));
          return ret(k.rax64());
        },
      },
      abort: (k, f) => setPreviousMode(k, f.get('PreviousMode')),
    }),
  ];
}
