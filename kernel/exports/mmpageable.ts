/** Pageable driver sections and trimming. Source: their WDK pages. */
import { mmLockSection, mmLockSectionByHandle, mmPageEntireDriver, mmResetDriverPaging, mmUnlockSection } from '../mm/pageable.ts';
import { mmTrimAll, mmWriteModifiedPage } from '../mm/paging.ts';
import { BOOLEAN, type NtExport, ntExport, PVOID, VOID } from './declare.ts';

const APC = { max: 'APC_LEVEL' } as const;

export const pageableExports: NtExport[] = [
  ntExport({
    name: 'MmLockPagableDataSection',
    doc: 'Locks the section of a driver that an address lies in into memory, and returns a handle for it.',
    irql: APC,
    args: { AddressWithinSection: PVOID },
    returns: PVOID,
    cycles: 500,
    status: 'full',
    impl: (k, a) => mmLockSection(k, a.AddressWithinSection),
  }),
  ntExport({
    name: 'MmLockPagableSectionByHandle',
    doc: 'Locks a section into memory by its handle.',
    irql: APC,
    args: { ImageSectionHandle: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, a) => mmLockSectionByHandle(k, a.ImageSectionHandle),
  }),
  ntExport({
    name: 'MmUnlockPagableImageSection',
    doc: 'Releases a section that was locked.',
    irql: APC,
    args: { ImageSectionHandle: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: (k, a) => mmUnlockSection(k, a.ImageSectionHandle),
  }),
  ntExport({
    name: 'MmPageEntireDriver',
    doc: "Makes all of a driver's sections pageable; returns the base of its image.",
    irql: APC,
    args: { AddressWithinSection: PVOID },
    returns: PVOID,
    cycles: 300,
    status: 'full',
    impl: (k, a) => mmPageEntireDriver(k, a.AddressWithinSection),
  }),
  ntExport({
    name: 'MmResetDriverPaging',
    doc: "Gives a driver's sections the paging that they had when it was loaded.",
    irql: APC,
    args: { AddressWithinSection: PVOID },
    returns: VOID,
    cycles: 300,
    status: 'full',
    impl: (k, a) => mmResetDriverPaging(k, a.AddressWithinSection),
  }),
  ntExport({
    name: 'MmTrimAllSystemPagableMemory',
    doc: 'Trims all pageable memory of the kernel half that is not locked; with PurgeTransition the pages are also written out. Returns whether anything was trimmed (not documented; used by tests of drivers).',
    irql: APC,
    args: { PurgeTransition: BOOLEAN },
    returns: BOOLEAN,
    cycles: 20000,
    status: 'full',
    impl(k, { PurgeTransition }) {
      const trimmed = mmTrimAll(k);
      if (PurgeTransition) while (mmWriteModifiedPage(k));
      return trimmed > 0;
    },
  }),
];
