/**
 * Operations on keys that are asked for through routines for all objects: reading and changing the security descriptor, and the name. Registry callbacks hear of them too; the
 * routines for objects come here when a callback is registered. Source: REG_QUERY_KEY_SECURITY_INFORMATION, REG_SET_KEY_SECURITY_INFORMATION, REG_QUERY_KEY_NAME (WDK).
 */
import { type HandleObject, obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { objectFullName, writeObjectName } from '../ob/named.ts';
import { obReferenceObject } from '../ob/object.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { securityAccess } from '../se/assign.ts';
import type { Kernel } from '../kernel.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { HANDLE, type NtExport, PVOID, ULONG } from '../exports/declare.ts';
import { anyCallbacks } from './callbacks.ts';
import { keyRoutine } from './operation.ts';

/** What the routines for all objects do with a descriptor: in kernel/exports/sedescriptor.ts. */
export interface SecurityWork {
  query(k: Kernel, object: number, information: number, descriptor: number, length: number, needed: number): number;
  set(k: Kernel, object: number, information: number, descriptor: number, mode: number): number;
}

/** The object is a key, and somebody wants to hear of what is done with it. */
export const isWatchedKey = (k: Kernel, object: number): boolean =>
  anyCallbacks(k) && obTypeOf(k, object) === exportedType(k, 'CmKeyObjectType');

/** The key, for reading its descriptor or for setting it. */
const keyForSecurity = (k: Kernel, a: { Handle: number; SecurityInformation: number }, set: boolean): HandleObject =>
  obReferenceObjectByHandle(
    k,
    a.Handle,
    securityAccess(a.SecurityInformation, set),
    exportedType(k, 'CmKeyObjectType'),
    previousMode(k),
  );

export const sharedOperations = (work: SecurityWork): NtExport[] => [
  keyRoutine({
    name: 'CmpQueryKeySecurity',
    doc: 'NtQuerySecurityObject of a key.',
    args: { Handle: HANDLE, SecurityInformation: ULONG, SecurityDescriptor: PVOID, Length: ULONG, LengthNeeded: PVOID },
    cycles: 600,
    access: 0,
    pre: 36,
    post: 37,
    begin: (k, _f, a) => keyForSecurity(k, a, false),
    info(k, at, object, a, f) {
      const own = f.address('Extra');
      k.mem.write32(own, a.SecurityInformation);
      k.mem.write32(own + 8, a.Length);
      [object, own, a.SecurityDescriptor, own + 8].forEach((v, i) => k.mem.writePtr(at + i * 8, v));
      return 32;
    },
    run: (k, object, a) => work.query(k, object, a.SecurityInformation, a.SecurityDescriptor, a.Length, a.LengthNeeded),
  }),
  keyRoutine({
    name: 'CmpSetKeySecurity',
    doc: 'NtSetSecurityObject of a key.',
    args: { Handle: HANDLE, SecurityInformation: ULONG, SecurityDescriptor: PVOID },
    cycles: 700,
    access: 0,
    pre: 38,
    post: 39,
    begin: (k, _f, a) => keyForSecurity(k, a, true),
    info(k, at, object, a, f) {
      const own = f.address('Extra');
      k.mem.write32(own, a.SecurityInformation);
      [object, own, a.SecurityDescriptor].forEach((v, i) => k.mem.writePtr(at + i * 8, v));
      return 24;
    },
    run: (k, object, a) => work.set(k, object, a.SecurityInformation, a.SecurityDescriptor, previousMode(k)),
  }),
  keyRoutine({
    name: 'CmpQueryKeyName',
    doc: 'ObQueryNameString of a key.',
    args: { Object: PVOID, ObjectNameInfo: PVOID, Length: ULONG, ReturnLength: PVOID },
    cycles: 500,
    access: 0,
    pre: 47,
    post: 48,
    begin(k, _f, a) {
      obReferenceObject(k, a.Object);
      return { status: STATUS_SUCCESS, object: a.Object };
    },
    info(k, at, object, a) {
      k.mem.writePtr(at, object);
      k.mem.writePtr(at + 8, a.ObjectNameInfo);
      k.mem.write32(at + 16, a.Length);
      k.mem.writePtr(at + 24, a.ReturnLength);
      return 32;
    },
    run: (k, object, a) => writeObjectName(k, objectFullName(k, object), a.ObjectNameInfo, a.Length, a.ReturnLength),
  }),
];
