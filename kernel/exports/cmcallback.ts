/** Registry callbacks: registering, contexts of key objects, identities of keys. Source: the WDK page of each ("Configuration Manager Routines"). */
import type { Kernel } from '../kernel.ts';
import { callbackContext, callbackRoutine, findCallback, freeCallback, registerCallback, removeCallback, setObjectContext, takeContext } from '../cm/callbacks.ts';
import { cmFullName, keyOfObject, keyPath, keyTransaction } from '../cm/registry.ts';
import { keWait } from '../ke/wait.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { readString } from '../ob/string.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { PagedPool } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../types/status.ts';
import { array, ptr, u64 } from '../types/struct.ts';
import { call, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, pointer, PVOID, ret, ULONG, ULONG64, VOID, wait } from './declare.ts';

const APC = { max: 'APC_LEVEL' } as const;
/** Where callbacks of the old kind (CmRegisterCallback) stand among the others. */
const OLD_ALTITUDE = '425000';
const CONTEXT_CLEANUP = 40;

function register(k: Kernel, routine: number, altitude: string, context: number, cookie: number, old: boolean): number {
  k.mem.probe(cookie, 8, true);
  if (!/^\d+(\.\d+)?$/.test(altitude)) return STATUS_INVALID_PARAMETER;
  const r = registerCallback(k, routine, altitude, context, old);
  if (r.status === STATUS_SUCCESS) k.mem.write64(cookie, r.cookie);
  return r.status;
}

/** Gives the contexts of a callback that goes back to it, one after the other; then it is freed. */
function giveBack(k: Kernel, f: { address(n: 'Info'): number; get(n: 'Entry'): number }): Outcome {
  const entry = f.get('Entry');
  const next = takeContext(k, { entry });
  if (!next) {
    freeCallback(k, entry);
    return ret(STATUS_SUCCESS);
  }
  const at = f.address('Info');
  k.mem.fill(at, 24, 0);
  k.mem.writePtr(at, next.body);
  k.mem.writePtr(at + 8, next.context);
  return call(callbackRoutine(k, entry), [callbackContext(k, entry), CONTEXT_CLEANUP, at], 'given');
}

/** The key of a key object, or 0. */
const keyOf = (k: Kernel, object: number): number => (object && obTypeOf(k, object) === exportedType(k, 'CmKeyObjectType') ? keyOfObject(k, object) : 0);

export const cmCallbackExports: NtExport[] = [
  ntExport({
    name: 'CmRegisterCallbackEx', doc: 'Registers a routine that is asked before and told after operations on the registry.', irql: APC,
    args: { Function: PVOID, Altitude: pointer('PUNICODE_STRING'), Driver: PVOID, Context: PVOID, Cookie: PVOID, Reserved: PVOID }, returns: NTSTATUS, cycles: 400, status: 'full',
    impl: (k, a) => register(k, a.Function, readString(k, a.Altitude), a.Context, a.Cookie, false),
  }),
  ntExport({
    name: 'CmRegisterCallback', doc: 'Registers a routine that is asked before and told after operations on the registry (the old form, without an altitude).', irql: APC,
    args: { Function: PVOID, Context: PVOID, Cookie: PVOID }, returns: NTSTATUS, cycles: 400, status: 'full',
    impl: (k, a) => register(k, a.Function, OLD_ALTITUDE, a.Context, a.Cookie, true),
  }),
  ntSteps({
    name: 'CmUnRegisterCallback', doc: 'Takes a registry callback back, waits for calls that are under way, and gives its contexts back.', irql: APC, args: { Cookie: ULONG64 }, returns: NTSTATUS, cycles: 300, status: 'full',
    frame: { Entry: ptr, Info: array(u64, 3) },
    steps: {
      start(k, f, _rax, { Cookie }) {
        const entry = findCallback(k, Cookie);
        if (!entry) return ret(STATUS_INVALID_PARAMETER);
        f.set('Entry', entry);
        const event = removeCallback(k, entry);
        if (event && keWait(k, [event]) === 'blocked') return wait('idle');
        return giveBack(k, f);
      },
      idle: (k, f) => giveBack(k, f),
      given: (k, f) => giveBack(k, f),
    },
  }),
  ntExport({
    name: 'CmGetCallbackVersion', doc: 'Version of the registry callbacks: 1.1.', irql: APC, args: { Major: PVOID, Minor: PVOID }, returns: VOID, cycles: 20, status: 'full',
    impl(k, { Major, Minor }) {
      if (Major) k.mem.write32(Major, 1);
      if (Minor) k.mem.write32(Minor, 1);
    },
  }),
  ntExport({
    name: 'CmSetCallbackObjectContext', doc: 'Keeps a context of a callback with a key object; NULL takes it away.', irql: APC,
    args: { Object: PVOID, Cookie: pointer('PLARGE_INTEGER'), NewContext: PVOID, OldContext: PVOID }, returns: NTSTATUS, cycles: 150, status: 'full',
    impl(k, a) {
      const entry = findCallback(k, k.mem.read64(a.Cookie));
      if (!entry || !keyOf(k, a.Object)) return STATUS_INVALID_PARAMETER;
      const r = setObjectContext(k, entry, a.Object, a.NewContext);
      if (a.OldContext) k.mem.writePtr(a.OldContext, r.old);
      return r.status;
    },
  }),
  ntExport({
    name: 'CmGetBoundTransaction', doc: 'The transaction that a key object belongs to, or NULL.', irql: APC, args: { Cookie: PVOID, Object: PVOID }, returns: PVOID, cycles: 30, status: 'full',
    impl: (k, a) => (keyOf(k, a.Object) ? keyTransaction(k, a.Object) : 0),
  }),
  ntExport({
    name: 'CmCallbackGetKeyObjectID', doc: 'A number that stands for the key of a key object, and its full name, which lives as long as the key.', irql: APC,
    args: { Cookie: PVOID, Object: PVOID, ObjectID: PVOID, ObjectName: PVOID }, returns: NTSTATUS, cycles: 200, status: 'full',
    impl(k, a) {
      const key = keyOf(k, a.Object);
      if (!key) return STATUS_INVALID_PARAMETER;
      if (a.ObjectName) {
        const name = cmFullName(k, key);
        if (!name) return STATUS_INSUFFICIENT_RESOURCES;
        k.mem.writePtr(a.ObjectName, name);
      }
      if (a.ObjectID) k.mem.writePtr(a.ObjectID, key);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'CmCallbackGetKeyObjectIDEx', doc: 'A number that stands for the key of a key object, and a copy of its full name, which CmCallbackReleaseKeyObjectIDEx frees.', irql: APC,
    args: { Cookie: PVOID, Object: PVOID, ObjectID: PVOID, ObjectName: PVOID, Flags: ULONG }, returns: NTSTATUS, cycles: 250, status: 'full',
    impl(k, a) {
      const key = keyOf(k, a.Object);
      if (!key || a.Flags) return STATUS_INVALID_PARAMETER;
      if (a.ObjectName) {
        const name = keyPath(k, key);
        const at = exAllocatePool(k, PagedPool, 16 + name.length * 2 + 2, poolTag('CMno'));
        if (!at) return STATUS_INSUFFICIENT_RESOURCES;
        k.mem.write16(at, name.length * 2);
        k.mem.write16(at + 2, name.length * 2 + 2);
        k.mem.writePtr(at + 8, at + 16);
        for (let i = 0; i <= name.length; i++) k.mem.write16(at + 16 + i * 2, i < name.length ? name.charCodeAt(i) : 0);
        k.mem.writePtr(a.ObjectName, at);
      }
      if (a.ObjectID) k.mem.writePtr(a.ObjectID, key);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({ name: 'CmCallbackReleaseKeyObjectIDEx', doc: 'Frees the name that CmCallbackGetKeyObjectIDEx returned.', irql: APC, args: { ObjectName: PVOID }, returns: VOID, cycles: 60, status: 'full', impl: (k, a) => exFreePool(k, a.ObjectName, 0) }),
];
