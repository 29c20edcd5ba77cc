/** Variables that the kernel exports. Source: wdm.h, ntddk.h, ntifs.h. */
import type { Kernel } from '../kernel.ts';
import { MM_HIGHEST_USER_ADDRESS, MM_SYSTEM_RANGE_START, MM_USER_PROBE_ADDRESS } from '../mm/layout.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { ANSI, OEM } from '../rtl/codepage.ts';
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

/** A security identifier: authority and sub-authorities. */
type Sid = readonly [authority: number, ...sub: number[]];
const SIDS: readonly Sid[] = [
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
  [5, 11], // authenticated users
  [5, 12], // restricted
  [5, 7], // anonymous
];
const LATER_SIDS: readonly Sid[] = [
  [5, 17], // the anonymous user of the web server
  [16, 0], // integrity levels: untrusted, low, medium, high, system
  [16, 0x1000],
  [16, 0x2000],
  [16, 0x3000],
  [16, 0x4000],
  [3, 4], // owner rights
  [15, 2, 1], // all application packages
  [5, 84, 0, 0, 0, 0, 0], // user-mode drivers
  [19, 512, 8192], // a protected process of the trusted computing base
  [5, 80, 956008885, 3418522649, 1831038044, 1853292631, 2271478464], // the installer of system files
];

const numbers = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);
/** SE_EXPORTS (ntifs.h) as it grew: numbers are privileges (LUIDs), SeCreateTokenPrivilege first; the rest are identifiers, whose addresses the table has. */
const SE_EXPORTS: readonly (number | Sid)[] = [
  ...numbers(2, 24),
  ...SIDS,
  ...numbers(25, 27),
  [5, 19], // local service
  [5, 20], // network service
  ...numbers(28, 35),
  ...LATER_SIDS,
  36,
];

function writeSid(k: Kernel, at: number, [authority, ...sub]: Sid): void {
  k.mem.fill(at, 8, 0);
  k.mem.write8(at, 1);
  k.mem.write8(at + 1, sub.length);
  k.mem.write8(at + 7, authority!);
  sub.forEach((s, i) => k.mem.write32(at + 8 + i * 4, s));
}

/** The table, and the identifiers behind it. */
function buildSeExports(k: Kernel, at: number): void {
  const sidBytes = (sid: Sid): number => Math.ceil((4 + sid.length * 4) / 8) * 8;
  const size = SE_EXPORTS.reduce<number>((sum, e) => sum + 8 + (typeof e === 'number' ? 0 : sidBytes(e)), 0);
  const table = exAllocatePool(k, NonPagedPoolNx, size, 0x78456553);
  if (!table) throw new Error('there is no pool for SeExports');
  let behind = table + SE_EXPORTS.length * 8;
  SE_EXPORTS.forEach((e, i) => {
    if (typeof e === 'number') return k.mem.write64(table + i * 8, BigInt(e));
    writeSid(k, behind, e);
    k.mem.writePtr(table + i * 8, behind);
    behind += sidBytes(e);
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
  long('NlsAnsiCodePage', 'Number of the ANSI code page.', ANSI.number),
  long('NlsOemCodePage', 'Number of the OEM code page.', OEM.number),
  byte('NlsMbCodePageTag', 'The ANSI code page has characters of several bytes.', 0),
  byte('NlsMbOemCodePageTag', 'The OEM code page has characters of several bytes.', 0),
  ntData({
    name: 'SeExports',
    doc: 'Address of a table of privileges and well-known security identifiers (SE_EXPORTS).',
    size: 8,
    status: 'full',
    init: buildSeExports,
  }),
];
