/** Variables that the kernel exports. Source: wdm.h, ntddk.h, ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { MM_HIGHEST_USER_ADDRESS, MM_SYSTEM_RANGE_START, MM_USER_PROBE_ADDRESS } from '../mm/layout.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { type NtExport, ntData } from './declare.ts';

const pointer = (name: string, doc: string, value: number): NtExport =>
  ntData({ name, doc, size: 8, status: 'full', init: (k, at) => k.mem.writePtr(at, value) });
const long = (name: string, doc: string, value: number): NtExport =>
  ntData({ name, doc, size: 4, status: 'full', init: (k, at) => k.mem.write32(at, value) });
const byte = (name: string, doc: string, value: number): NtExport =>
  ntData({ name, doc, size: 1, status: 'full', init: (k, at) => k.mem.write8(at, value) });

/** A free build of 19045. */
const BUILD = (0xf0000000 | 19045) >>> 0;

/** Bytes of the security identifiers in SE_EXPORTS, in their order: authority and sub-authorities. */
const WELL_KNOWN_SIDS: readonly (readonly [authority: number, ...sub: number[]])[] = [
  [0, 0], // null
  [1, 0], // world
  [2, 0], // local
  [3, 0], // creator owner
  [3, 1], // creator group
  [5], // NT authority
  [5, 1], // dialup
  [5, 2], // network
  [5, 3], // batch
  [5, 4], // interactive
  [5, 18], // local system
  [5, 32, 544], // administrators
  [5, 32, 545], // users
  [5, 32, 546], // guests
  [5, 32, 547], // power users
  [5, 32, 548], // account operators
  [5, 32, 549], // system operators
  [5, 32, 550], // print operators
  [5, 32, 551], // backup operators
];
const SIDS_AFTER: readonly (readonly [authority: number, ...sub: number[]])[] = [
  [5, 11], // authenticated users
  [5, 12], // restricted
  [5, 7], // anonymous
];
/** Numbers of the privileges at the start of SE_EXPORTS (LUIDs), SeCreateTokenPrivilege first. */
const PRIVILEGES = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24];

function writeSid(k: Kernel, at: number, [authority, ...sub]: readonly [number, ...number[]]): void {
  k.mem.fill(at, 8, 0);
  k.mem.write8(at, 1);
  k.mem.write8(at + 1, sub.length);
  k.mem.write8(at + 7, authority);
  sub.forEach((s, i) => k.mem.write32(at + 8 + i * 4, s));
}

/** SE_EXPORTS: privileges, then the addresses of well-known security identifiers, then the privileges and identifiers that came later. */
function buildSeExports(k: Kernel, at: number): void {
  const all = [...WELL_KNOWN_SIDS, ...SIDS_AFTER];
  const privileges = PRIVILEGES.length * 8;
  const later = [25, 26, 27]; // undock, sync agent, enable delegation
  const size = privileges + WELL_KNOWN_SIDS.length * 8 + later.length * 8 + SIDS_AFTER.length * 8;
  const table = exAllocatePool(k, NonPagedPoolNx, size + all.length * 16, 0x78456553);
  if (!table) throw new Error('there is no pool for SeExports');
  PRIVILEGES.forEach((p, i) => k.mem.write64(table + i * 8, BigInt(p)));
  let pointers = table + privileges;
  all.forEach((sid, i) => {
    if (i === WELL_KNOWN_SIDS.length)
      for (const p of [...later]) {
        k.mem.write64(pointers, BigInt(p));
        pointers += 8;
      }
    const to = table + size + i * 16;
    writeSid(k, to, sid);
    k.mem.writePtr(pointers, to);
    pointers += 8;
  });
  k.mem.writePtr(at, table);
}

export const exports: NtExport[] = [
  ntData({
    name: 'NtBuildNumber',
    doc: 'Number of the build; the high bits say that it is a free one.',
    size: 4,
    status: 'full',
    init: (k, at) => k.mem.write32(at, BUILD),
  }),
  ntData({ name: 'PsLoadedModuleList', doc: 'Head of the list of loaded images.', size: LIST_ENTRY.size, status: 'full' }),
  pointer('MmHighestUserAddress', 'Highest address of user space.', MM_HIGHEST_USER_ADDRESS),
  pointer('MmUserProbeAddress', 'First address beyond what a user-mode buffer may reach.', MM_USER_PROBE_ADDRESS),
  pointer('MmSystemRangeStart', 'Lowest address of system space.', MM_SYSTEM_RANGE_START),
  byte('Mm64BitPhysicalAddress', 'Physical addresses may have more than 32 bits.', 1),
  byte('KdDebuggerEnabled', 'A kernel debugger is enabled.', 0),
  byte('KdDebuggerNotPresent', 'No kernel debugger answers.', 1),
  long('NtGlobalFlag', 'Global debugging flags.', 0),
  long('InitSafeBootMode', 'The kind of safe mode that the system was started in, 0 for none.', 0),
  long('NlsAnsiCodePage', 'Number of the ANSI code page.', 1252),
  long('NlsOemCodePage', 'Number of the OEM code page.', 1252),
  byte('NlsMbCodePageTag', 'The ANSI code page has characters of several bytes.', 0),
  byte('NlsMbOemCodePageTag', 'The OEM code page has characters of several bytes.', 0),
  ntData({
    name: 'SeExports',
    doc: 'Address of a table of privileges and well-known security identifiers (SE_EXPORTS).',
    size: 8,
    status: 'partial',
    missing: 'privileges and identifiers that came after Windows 2000',
    init: buildSeExports,
  }),
];
