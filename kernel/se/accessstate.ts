/** ACCESS_STATE: who asks for which access to an object, and what of it was granted; the I/O manager hands it to drivers with IRP_MJ_CREATE. */
import type { Kernel } from '../kernel.ts';
import { exFreePool } from '../mm/pool.ts';
import { freeString } from '../ob/string.ts';
import { ACCESS_STATE, AUX_ACCESS_DATA, TOKEN_HAS_TRAVERSE_PRIVILEGE } from '../types/se.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { mapGeneric, readMapping } from './accesscheck.ts';
import { captureSubject, effectiveToken, readSubject, releaseSubject } from './subject.ts';
import { allocateLuid, T } from './token.ts';

const A = ACCESS_STATE.f;

/** What was desired is granted: nothing remains. */
export function grantAccessState(k: Kernel, state: number, granted: number): void {
  A.PreviouslyGrantedAccess.set(k.mem, state, granted);
  A.RemainingDesiredAccess.set(k.mem, state, 0);
}

/** SeCreateAccessState on the current subject. `mapping` may be 0. */
export function createAccessState(k: Kernel, state: number, aux: number, access: number, mapping: number): number {
  k.mem.probe(state, ACCESS_STATE.size, true);
  k.mem.probe(aux, AUX_ACCESS_DATA.size, true);
  k.mem.fill(state, ACCESS_STATE.size, 0);
  k.mem.fill(aux, AUX_ACCESS_DATA.size, 0);
  captureSubject(k, k.currentThread(), k.currentThreadProcess(), state + A.SubjectSecurityContext.offset);
  A.OperationID.set(k.mem, state, allocateLuid(k));
  A.AuxData.set(k.mem, state, aux);
  AUX_ACCESS_DATA.f.PrivilegesUsed.set(k.mem, aux, state + A.Privileges.offset);
  let desired = access;
  if (mapping) {
    k.mem.copy(aux + AUX_ACCESS_DATA.f.GenericMapping.offset, mapping, 16);
    desired = mapGeneric(access, readMapping(k, mapping)) | (access & 0x02000000);
  }
  A.OriginalDesiredAccess.set(k.mem, state, access);
  A.RemainingDesiredAccess.set(k.mem, state, desired);
  const token = effectiveToken(readSubject(k, state + A.SubjectSecurityContext.offset));
  if (T.TokenFlags.get(k.mem, token) & TOKEN_HAS_TRAVERSE_PRIVILEGE) A.Flags.set(k.mem, state, TOKEN_HAS_TRAVERSE_PRIVILEGE);
  return STATUS_SUCCESS;
}

/** Gives back what an access state holds. */
export function deleteAccessState(k: Kernel, state: number): void {
  if (A.PrivilegesAllocated.get(k.mem, state)) {
    exFreePool(k, AUX_ACCESS_DATA.f.PrivilegesUsed.get(k.mem, A.AuxData.get(k.mem, state)), 0);
    A.PrivilegesAllocated.set(k.mem, state, 0);
  }
  freeString(k, state + A.ObjectName.offset);
  freeString(k, state + A.ObjectTypeName.offset);
  releaseSubject(k, state + A.SubjectSecurityContext.offset);
}
