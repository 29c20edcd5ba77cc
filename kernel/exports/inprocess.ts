import type { Kernel } from '../kernel.ts';
import { inAddressSpace } from '../mm/process.ts';
import { CURRENT_PROCESS, obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { STATUS_SUCCESS } from '../types/status.ts';

/** Runs `work` in the address space of the process of a handle: a status when there is none. */
export function inProcess(k: Kernel, handle: number, access: number, work: (process: number) => number): number {
  if (handle === CURRENT_PROCESS) return work(k.currentProcess());
  const found = obReferenceObjectByHandle(k, handle, access, exportedType(k, 'PsProcessType'), previousMode(k));
  if (found.status !== STATUS_SUCCESS) return found.status;
  const status = inAddressSpace(k, found.object, () => work(found.object));
  obDereferenceDeferred(k, found.object);
  return status;
}
