/** Executive support routines. Source: their WDK pages. */
import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { raiseStatus } from '../ex/raise.ts';
import { createUuid } from '../ex/uuid.ts';
import { KUSER_SHARED_DATA as SHARED, MM_USER_PROBE_ADDRESS } from '../mm/layout.ts';
import { KTHREAD, KUSER_SHARED_DATA } from '../types/ke.ts';
import { STATUS_DATATYPE_MISALIGNMENT, STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, CHAR, LONG, type NtExport, ntExport, NTSTATUS, pointer, PVOID, SIZE_T, ULONG, VOID } from './declare.ts';
import { callbackExports } from './excallback.ts';
import { interlockedExports } from './exinterlocked.ts';
import { listExports } from './exlist.ts';
import { poolExports } from './expool.ts';
import { resourceExports } from './exresource.ts';
import { pushLockExports } from './expushlock.ts';
import { rundownExports } from './exrundown.ts';
import { timerExports } from './extimer.ts';
import { spinLockExports } from './exspinlock.ts';
import { workExports } from './exwork.ts';

const PLARGE_INTEGER = pointer('PLARGE_INTEGER'),
  PULONG = pointer('PULONG');
const PASSIVE = { max: 'PASSIVE_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const;

/** KUSER_SHARED_DATA.TimeZoneBias: 100 ns units to take from system time to get local time. */
function timeZoneBias(k: Kernel): bigint {
  const at = SHARED + KUSER_SHARED_DATA.f.TimeZoneBias.offset;
  return (BigInt(k.mem.readI32(at + 4)) << 32n) | BigInt(k.mem.read32(at));
}

/** The common part of ProbeForRead and ProbeForWrite. */
function probeRange(k: Kernel, address: number, length: number, alignment: number): void {
  if (length === 0) return;
  if (((address % alignment) + alignment) % alignment !== 0) raiseStatus(k, STATUS_DATATYPE_MISALIGNMENT);
  // NT touches the first address that is never a user's, so that is the one in the exception.
  if (address < 0 || address + length > MM_USER_PROBE_ADDRESS) throw new GuestFault(14, 0, MM_USER_PROBE_ADDRESS);
}

const misc: NtExport[] = [
  ntExport({
    name: 'ExGetPreviousMode',
    doc: 'Returns the mode of the caller that the current thread works for.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: {},
    returns: CHAR,
    cycles: 8,
    status: 'full',
    impl: k => KTHREAD.f.PreviousMode.get(k.mem, k.currentThread()),
  }),
  ntExport({
    name: 'ProbeForRead',
    doc: 'Checks that a buffer lies in user space and is aligned; raises an exception if not.',
    irql: APC,
    args: { Address: PVOID, Length: SIZE_T, Alignment: ULONG },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, a) => probeRange(k, a.Address, a.Length, a.Alignment),
  }),
  ntExport({
    name: 'ProbeForWrite',
    doc: 'Checks that a buffer lies in user space, is aligned and can be written; raises an exception if not.',
    irql: APC,
    args: { Address: PVOID, Length: SIZE_T, Alignment: ULONG },
    returns: VOID,
    cycles: (_k, a) => 20 + Math.min(a.Length, 0x1000000) / 256,
    status: 'full',
    impl(k, a) {
      probeRange(k, a.Address, a.Length, a.Alignment);
      if (a.Length) k.mem.probe(a.Address, a.Length, true);
    },
  }),
  ntExport({
    name: 'ExUuidCreate',
    doc: 'Creates a universally unique identifier.',
    irql: PASSIVE,
    args: { Uuid: pointer('UUID *') },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      createUuid(k, a.Uuid);
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'ExSystemTimeToLocalTime',
    doc: 'Converts a system time to local time.',
    args: { SystemTime: PLARGE_INTEGER, LocalTime: PLARGE_INTEGER },
    returns: VOID,
    cycles: 15,
    status: 'full',
    impl: (k, a) => k.mem.write64(a.LocalTime, BigInt.asUintN(64, k.mem.read64(a.SystemTime) - timeZoneBias(k))),
  }),
  ntExport({
    name: 'ExLocalTimeToSystemTime',
    doc: 'Converts a local time to system time.',
    args: { LocalTime: PLARGE_INTEGER, SystemTime: PLARGE_INTEGER },
    returns: VOID,
    cycles: 15,
    status: 'full',
    impl: (k, a) => k.mem.write64(a.SystemTime, BigInt.asUintN(64, k.mem.read64(a.LocalTime) + timeZoneBias(k))),
  }),
  ntExport({
    name: 'ExIsProcessorFeaturePresent',
    doc: 'Tells whether the processor has a feature.',
    irql: PASSIVE,
    args: { ProcessorFeature: ULONG },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (k, a) =>
      a.ProcessorFeature < 64 && k.mem.read8(SHARED + KUSER_SHARED_DATA.f.ProcessorFeatures.offset + a.ProcessorFeature) !== 0,
  }),
  ntExport({
    name: 'ExVerifySuite',
    doc: 'Tells whether the system has a suite.',
    args: { SuiteType: ULONG },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (k, a) => ((k.mem.read32(SHARED + KUSER_SHARED_DATA.f.SuiteMask.offset) >>> (a.SuiteType & 31)) & 1) === 1,
  }),
  ntExport({
    name: 'ExSetTimerResolution',
    doc: 'Asks for another period of the clock interrupt; returns the period in 100 ns units.',
    irql: { max: 'APC_LEVEL' },
    args: { DesiredTime: ULONG, SetResolution: BOOLEAN },
    returns: ULONG,
    cycles: 60,
    status: 'partial',
    missing: 'the period is machine configuration and does not change',
    impl: k => k.config.clockPeriod,
  }),
  ntExport({
    name: 'ExQueryTimerResolution',
    doc: 'Returns the longest, shortest and current period of the clock interrupt, in 100 ns units.',
    args: { MaximumTime: PULONG, MinimumTime: PULONG, CurrentTime: PULONG },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      for (const at of [a.MaximumTime, a.MinimumTime, a.CurrentTime]) k.mem.write32(at, k.config.clockPeriod);
    },
  }),
  ntExport({
    name: 'ExGetFirmwareType',
    doc: 'Tells how the system was started: BIOS.',
    irql: { max: 'APC_LEVEL' },
    args: {},
    returns: LONG,
    cycles: 8,
    status: 'full',
    impl: () => 1,
  }),
  ntExport({
    name: 'ExIsSoftBoot',
    doc: 'Tells whether the system was started without a reset of the hardware.',
    irql: { max: 'APC_LEVEL' },
    args: {},
    returns: BOOLEAN,
    cycles: 8,
    status: 'full',
    impl: () => false,
  }),
];

export const exports: NtExport[] = [
  ...poolExports,
  ...listExports,
  ...interlockedExports,
  ...workExports,
  ...resourceExports,
  ...rundownExports,
  ...pushLockExports,
  ...spinLockExports,
  ...timerExports,
  ...callbackExports,
  ...misc,
];
