/**
 * Fault injection ("Randomized Low Resources Simulation" of Driver Verifier): calls that a driver makes fail now and then, as the seed says. Which do is a function of the
 * seed and of the number of such calls before, so the same run fails at the same places.
 */
import { raiseStatus } from '../ex/raise.ts';
import { ret, type Outcome } from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { POOL_QUOTA_FAIL_INSTEAD_OF_RAISE, POOL_RAISE_IF_ALLOCATION_FAILURE } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_MEMORY } from '../types/status.ts';
import type { HookArgs, Hooks } from './hook.ts';
import { calledByDriver, INJECTED, note } from './state.ts';

/** Classes of calls, in the order of VfInjectOneIn. */
export const INJECT_POOL = 0,
  INJECT_MAP = 1,
  INJECT_LOWER = 2,
  INJECT_OBJECT = 3,
  INJECT_KERNEL = 4;
export const INJECT_NAMES = ['pool', 'map', 'lower', 'object', 'kernel'] as const;

/** A well mixed 32-bit number of three (the finalizer of MurmurHash3). */
function mix(seed: number, kind: number, n: number): number {
  let h = (seed ^ Math.imul(n, 0x9e3779b1) ^ Math.imul(kind + 1, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Whether the call that runs is to fail. Counts the call, and writes a failure down. */
export function injectFailure(k: Kernel, kind: number): boolean {
  const oneIn = k.mem.read32(k.global.address('VfInjectOneIn') + kind * 4);
  if (oneIn === 0) return false;
  const at = k.global.address('VfInjectDecisions') + kind * 4;
  const n = k.mem.read32(at);
  k.mem.write32(at, n + 1);
  if (mix(k.global.get('VfInjectSeed'), kind, n) % oneIn !== 0) return false;
  const number = k.global.get('VfInjectFailures') + 1;
  k.global.set('VfInjectFailures', number);
  note(k, INJECTED, k.caller(), { data: kind, size: number });
  return true;
}

/**
 * Whether an allocation of the kernel's own is to fail. Drivers are not tested by this but the kernel is: nothing that it does for anybody may rely on there being memory. No
 * machine setting asks for it.
 */
export const injectKernelFailure = (k: Kernel): boolean => k.gate !== null && injectFailure(k, INJECT_KERNEL);

const failing = (kind: number, value: number, raises?: (a: HookArgs) => boolean) => ({
  before(k: Kernel, a: HookArgs): Outcome | void {
    if (!calledByDriver(k) || !injectFailure(k, kind)) return;
    if (raises?.(a)) raiseStatus(k, STATUS_INSUFFICIENT_RESOURCES);
    return ret(value);
  },
});

const nothing = failing(INJECT_POOL, 0);
const noExtension = failing(INJECT_POOL, STATUS_INSUFFICIENT_RESOURCES);
const noString = failing(INJECT_POOL, STATUS_NO_MEMORY);
const refused = failing(INJECT_OBJECT, STATUS_INSUFFICIENT_RESOURCES);
const noObject = failing(INJECT_OBJECT, 0);
const unmapped = failing(INJECT_MAP, 0);
const noView = failing(INJECT_MAP, STATUS_INSUFFICIENT_RESOURCES);
const notLocked = failing(INJECT_MAP, 0, () => true);
const poolType = failing(INJECT_POOL, 0, a => (a['PoolType']! & POOL_RAISE_IF_ALLOCATION_FAILURE) !== 0);
const quota = failing(INJECT_POOL, 0, a => (a['PoolType']! & POOL_QUOTA_FAIL_INSTEAD_OF_RAISE) === 0);
const poolFlags = failing(INJECT_POOL, 0, a => (Number(a['Flags']!) & 0x20) !== 0);

/** Routines that make, open or register something and return an NTSTATUS. */
const REFUSED = [
  ...['IoCreateDevice', 'IoCreateSymbolicLink', 'IoCreateUnprotectedSymbolicLink', 'IoCreateFile', 'IoCreateFileEx'],
  ...['IoCreateFileSpecifyDeviceObjectHint', 'IoGetDeviceObjectPointer', 'IoAttachDevice', 'IoAttachDeviceByPointer'],
  ...['IoAttachDeviceToDeviceStackSafe', 'IoConnectInterrupt', 'IoConnectInterruptEx', 'IoInitializeTimer'],
  ...[
    'IoRegisterDeviceInterface',
    'IoOpenDeviceRegistryKey',
    'IoOpenDeviceInterfaceRegistryKey',
    'IoRegisterPlugPlayNotification',
  ],
  ...['IoRegisterShutdownNotification', 'IoRegisterLastChanceShutdownNotification', 'IoWMIOpenBlock', 'IoCreateDriver'],
  ...['PsCreateSystemThread', 'ObOpenObjectByPointer', 'ObOpenObjectByPointerWithTag', 'ObOpenObjectByName'],
  ...['ObReferenceObjectByName', 'ObRegisterCallbacks', 'ExCreateCallback', 'CmRegisterCallback', 'CmRegisterCallbackEx'],
  ...['ZwCreateFile', 'ZwOpenFile', 'ZwCreateDirectoryObject', 'ZwOpenDirectoryObject', 'ZwCreateSymbolicLinkObject'],
  ...[
    'ZwOpenSymbolicLinkObject',
    'ZwDuplicateObject',
    'ZwOpenProcess',
    'ZwOpenThread',
    'ZwDuplicateToken',
    'ZwOpenProcessTokenEx',
  ],
  ...['ZwOpenThreadTokenEx', 'ZwCreateEvent', 'ZwOpenEvent', 'ZwCreateSemaphore', 'ZwCreateMutant', 'ZwCreateTimer'],
  ...['ZwOpenSection', 'ZwCreateSection', 'ZwOpenKey', 'ZwOpenKeyEx', 'ZwCreateKey', 'ZwCreateIoCompletion'],
] as const;
/** The same for those that return an address. */
const NO_OBJECT = [
  ...['IoAttachDeviceToDeviceStack', 'IoCreateController', 'IoCreateNotificationEvent', 'IoCreateSynchronizationEvent'],
  ...['IoCreateStreamFileObject', 'IoCreateStreamFileObjectLite', 'ExRegisterCallback', 'ExAllocateTimer'],
] as const;

/** What fails, and what it then returns. */
export const injectHooks: Hooks = {
  ...Object.fromEntries(REFUSED.map(name => [name, refused])),
  ...Object.fromEntries(NO_OBJECT.map(name => [name, noObject])),
  ExAllocatePool: poolType,
  ExAllocatePoolWithTag: poolType,
  ExAllocatePoolWithTagPriority: poolType,
  ExAllocatePoolWithQuotaTag: quota,
  ExAllocatePoolWithQuota: quota,
  ExAllocatePool2: poolFlags,
  ExAllocatePool3: poolFlags,
  IoAllocateMdl: nothing,
  IoAllocateIrp: nothing,
  IoAllocateIrpEx: nothing,
  IoMakeAssociatedIrp: nothing,
  IoBuildAsynchronousFsdRequest: nothing,
  IoBuildSynchronousFsdRequest: nothing,
  IoBuildDeviceIoControlRequest: nothing,
  IoAllocateWorkItem: nothing,
  IoAllocateErrorLogEntry: nothing,
  IoGetDmaAdapter: nothing,
  HalAllocateCommonBuffer: nothing,
  HalAllocateCommonBufferEx: nothing,
  HalAllocateCommonBufferWithBounds: nothing,
  MmAllocateContiguousMemory: nothing,
  MmAllocateContiguousMemorySpecifyCache: nothing,
  MmAllocateContiguousMemorySpecifyCacheNode: nothing,
  MmAllocateContiguousNodeMemory: nothing,
  MmAllocateNonCachedMemory: nothing,
  MmAllocatePagesForMdl: nothing,
  MmAllocatePagesForMdlEx: nothing,
  MmAllocateMappingAddress: nothing,
  IoAllocateDriverObjectExtension: noExtension,
  RtlCreateUnicodeString: nothing,
  RtlDuplicateUnicodeString: noString,
  MmMapIoSpace: unmapped,
  MmMapIoSpaceEx: unmapped,
  MmMapLockedPagesSpecifyCache: {
    // With BugCheckOnFailure the driver has asked for a stop instead: that is a rule of its own.
    before: (k, a) => (a['BugCheckOnFailure'] ? undefined : unmapped.before(k, a)),
  },
  MmProbeAndLockPages: notLocked,
  HalGetScatterGatherList: noView,
  HalGetScatterGatherListEx: noView,
  HalBuildScatterGatherList: noView,
  HalBuildScatterGatherListEx: noView,
  HalAllocateAdapterChannel: noView,
  HalAllocateAdapterChannelEx: noView,
  MmMapViewInSystemSpace: noView,
  ZwMapViewOfSection: noView,
};
