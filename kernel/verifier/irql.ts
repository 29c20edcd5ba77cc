/** The IRQL rule of every call: which stop a call at the wrong level is. Source: WDK, "Bug Check 0xC4" and "Bug Check 0xC9". */
import type { IrqlName, IrqlRule } from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION as C4, DRIVER_VERIFIER_IOMANAGER_VIOLATION as C9 } from '../types/bugcodes.ts';
import { KINTERRUPT, KTHREAD } from '../types/ke.ts';
import type { HookArgs } from './hook.ts';

/** The IRQLs that a name in a rule stands for: the lowest and the highest. */
const LOWEST: { readonly [name in IrqlName]: number } = {
  PASSIVE_LEVEL: 0,
  APC_LEVEL: 1,
  DISPATCH_LEVEL: 2,
  DIRQL: 3,
  HIGH_LEVEL: 15,
};
const HIGHEST: { readonly [name in IrqlName]: number } = {
  PASSIVE_LEVEL: 0,
  APC_LEVEL: 1,
  DISPATCH_LEVEL: 2,
  DIRQL: 12,
  HIGH_LEVEL: 15,
};

export const lowestIrql = ({ min = 0 }: IrqlRule): number => (typeof min === 'number' ? min : LOWEST[min]);
export const highestIrql = ({ max = 15 }: IrqlRule): number => (typeof max === 'number' ? max : HIGHEST[max]);
export const brokenIrqlRule = (irql: number, rule: IrqlRule): boolean => irql > highestIrql(rule) || irql < lowestIrql(rule);

/** Subcode and parameters 3 and 4 by routine; parameter 2 is the IRQL. */
type Violation = (k: Kernel, a: HookArgs) => readonly [subcode: number, p3?: number, p4?: number];

const allocated: Violation = (_k, a) => [a['PoolType']! & 1 ? 1 : 2, a['PoolType']!, Math.min(a['NumberOfBytes']!, 0xffffffff)];
const allocated2: Violation = (_k, a) => [
  Number(a['Flags']!) & 0x100 ? 1 : 2,
  Number(a['Flags']!) & 0x100 ? 1 : 0,
  Math.min(a['NumberOfBytes']!, 0xffffffff),
];
const freed: Violation = (k, a) => [k.irql > 2 ? 0x12 : 0x11, k.irql > 2 ? 0 : 1, a['P']!];
const apcDisable = (k: Kernel): number => KTHREAD.f.CombinedApcDisable.get(k.mem, k.currentThread());
const waited: Violation = (k, a) => {
  const timeout = a['Timeout'] ?? 0;
  return [k.irql > 2 ? 0x120 : timeout === 0 ? 0x121 : 0x122, a['Object'] ?? 0, timeout];
};

const BY_ROUTINE: { readonly [routine: string]: Violation } = {
  ExAllocatePool: allocated,
  ExAllocatePoolWithTag: allocated,
  ExAllocatePoolWithTagPriority: allocated,
  ExAllocatePoolWithQuota: allocated,
  ExAllocatePoolWithQuotaTag: allocated,
  ExAllocatePool2: allocated2,
  ExAllocatePool3: allocated2,
  ExFreePool: freed,
  ExFreePoolWithTag: freed,
  ExFreePool2: freed,
  ExAcquireFastMutex: (_k, a) => [0x33, a['FastMutex']!],
  ExTryToAcquireFastMutex: (_k, a) => [0x33, a['FastMutex']!],
  ExReleaseFastMutex: (_k, a) => [0x34, a['FastMutex']!],
  ExAcquireFastMutexUnsafe: (k, a) => [0x39, apcDisable(k), a['FastMutex']!],
  ExReleaseFastMutexUnsafe: (k, a) => [0x3a, apcDisable(k), a['FastMutex']!],
  ExAcquireResourceExclusiveLite: (k, a) => [0x37, apcDisable(k), a['Resource']!],
  ExAcquireResourceSharedLite: (k, a) => [0x37, apcDisable(k), a['Resource']!],
  ExReleaseResourceLite: (k, a) => [0x38, apcDisable(k), a['Resource']!],
  ExAcquireSpinLockShared: (_k, a) => [0x42, a['SpinLock']!],
  ExAcquireSpinLockExclusive: (_k, a) => [0x42, a['SpinLock']!],
  ExAcquireSpinLockSharedAtDpcLevel: (_k, a) => [0x40, a['SpinLock']!],
  ExAcquireSpinLockExclusiveAtDpcLevel: (_k, a) => [0x40, a['SpinLock']!],
  ExReleaseSpinLockShared: (_k, a) => [0x32, a['SpinLock']!],
  ExReleaseSpinLockExclusive: (_k, a) => [0x32, a['SpinLock']!],
  ExReleaseSpinLockSharedFromDpcLevel: (_k, a) => [0x41, a['SpinLock']!],
  ExReleaseSpinLockExclusiveFromDpcLevel: (_k, a) => [0x41, a['SpinLock']!],
  KeAcquireInterruptSpinLock: (k, a) => [0x42, KINTERRUPT.f.ActualLock.get(k.mem, a['Interrupt']!)],
  KeSetEvent: (_k, a) => [0x80, a['Event']!],
  KeWaitForSingleObject: waited,
  KeWaitForMultipleObjects: waited,
  KeWaitForMutexObject: waited,
  KeEnterCriticalRegion: () => [0x11a],
  KeLeaveCriticalRegion: () => [0x11b],
  MmProbeAndLockPages: (_k, a) => [0x70, a['MemoryDescriptorList'] ?? 0, a['AccessMode'] ?? 0],
  MmMapIoSpace: (_k, a) => [0x73, Number(a['PhysicalAddress'] ?? 0), a['NumberOfBytes'] ?? 0],
  MmMapLockedPages: (_k, a) => [a['AccessMode'] ? 0x75 : 0x74, a['MemoryDescriptorList'] ?? 0, a['AccessMode'] ?? 0],
  MmMapLockedPagesSpecifyCache: (_k, a) => [a['AccessMode'] ? 0x77 : 0x76, a['MemoryDescriptorList'] ?? 0, a['AccessMode'] ?? 0],
  MmUnlockPages: (_k, a) => [0x78, a['MemoryDescriptorList'] ?? 0],
  MmUnmapLockedPages: (_k, a) => [0x79, a['BaseAddress'] ?? 0, a['MemoryDescriptorList'] ?? 0],
  MmUnmapIoSpace: (_k, a) => [0x7b, a['BaseAddress'] ?? 0, a['NumberOfBytes'] ?? 0],
  MmAllocatePagesForMdl: () => [0x7e, 2],
  MmAllocatePagesForMdlEx: () => [0x7e, 2],
  MmFreePagesFromMdl: () => [0x7e, 2],
};

/** Families of the DDI compliance rules, by the prefix of a routine's name and its highest level. */
function complianceRule(name: string, rule: IrqlRule): number {
  if (rule.min === 'DISPATCH_LEVEL' && rule.max !== 'APC_LEVEL' && rule.max !== 'PASSIVE_LEVEL') return 0x20003;
  const family = name.slice(0, 2);
  if (rule.max === 'PASSIVE_LEVEL')
    return { Ex: 0x20008, Io: 0x2000a, Ob: 0x2001b, Ps: 0x2001c, Rt: 0x2001e, Zw: 0x2001f, Nt: 0x2001f }[family] ?? 0x2000a;
  if (rule.max === 'APC_LEVEL') return { Ex: 0x20006, Io: 0x20009, Ke: 0x20010, Mm: 0x20019 }[family] ?? 0x20002;
  return 0x20011;
}

/** Stops the machine for a call of `name` at an IRQL that breaks `rule`. */
export function irqlViolation(k: Kernel, name: string, rule: IrqlRule, a: HookArgs): never {
  const irql = k.irql;
  const bound = irql > highestIrql(rule) ? `<= ${rule.max}` : `>= ${rule.min}`;
  const text = `${name} must be called at IRQL ${bound}; the IRQL is ${irql}`;
  if (name === 'IofCallDriver' || name === 'IoCallDriver' || name === 'PoCallDriver') k.bugCheck(C9, 0x10, irql, 0, 0, text);
  if (name === 'IofCompleteRequest' || name === 'IoCompleteRequest') k.bugCheck(C9, 0x0e, irql, a['Irp']!, 0, text);
  if (name.startsWith('Zw'))
    k.bugCheck(C4, 0xe6, k.caller(), irql, KTHREAD.f.SpecialApcDisable.get(k.mem, k.currentThread()), text);
  const violation = BY_ROUTINE[name]?.(k, a);
  if (violation !== undefined) {
    const [subcode, p3, p4] = violation;
    // For waits the reference says: address of the IRQL.
    const p2 = subcode >= 0x120 && subcode <= 0x122 ? k.global.address('KiBugCheckIrql') : irql;
    k.bugCheck(C4, subcode, p2, p3 ?? 0, p4 ?? 0, text);
  }
  k.bugCheck(C4, complianceRule(name, rule), k.global.address('KiBugCheckTextBuffer'), k.caller(), irql, text);
}
