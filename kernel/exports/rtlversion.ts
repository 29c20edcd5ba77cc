/** The version of the system, and conditions on it. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { KUSER_SHARED_DATA as SHARED } from '../mm/layout.ts';
import { KUSER_SHARED_DATA } from '../types/ke.ts';
import { RTL_OSVERSIONINFOEXW } from '../types/rtl.ts';
import { STATUS_INVALID_PARAMETER, STATUS_REVISION_MISMATCH, STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, pointer, ULONG, ULONG64 } from './declare.ts';

const PULONG = pointer('PULONG');

const NT_MAJOR = KUSER_SHARED_DATA.f.NtMajorVersion.offset,
  NT_MINOR = KUSER_SHARED_DATA.f.NtMinorVersion.offset,
  NT_BUILD = KUSER_SHARED_DATA.f.NtBuildNumber.offset;
const version = (k: Kernel): { major: number; minor: number; build: number } => ({
  major: k.mem.read32(SHARED + NT_MAJOR),
  minor: k.mem.read32(SHARED + NT_MINOR),
  build: k.mem.read32(SHARED + NT_BUILD) & 0xffff,
});

/** NTDDI_WIN10_VB: OSVER in the upper half, then service pack and release of it. */
const NTDDI_RUNNING = 0x0a000008;

const VER_EQUAL = 1,
  VER_GREATER = 2,
  VER_GREATER_EQUAL = 3,
  VER_LESS = 4,
  VER_LESS_EQUAL = 5,
  VER_AND = 6,
  VER_OR = 7,
  VER_SUITENAME_BIT = 6;

function compareVersion(condition: number, have: number, wanted: number): boolean {
  switch (condition) {
    case VER_EQUAL:
      return have === wanted;
    case VER_GREATER:
      return have > wanted;
    case VER_GREATER_EQUAL:
      return have >= wanted;
    case VER_LESS:
      return have < wanted;
    case VER_LESS_EQUAL:
      return have <= wanted;
    default:
      return false;
  }
}

export const versionExports: NtExport[] = [
  ntExport({
    name: 'RtlGetVersion',
    doc: 'Fills in a structure with the version of the system.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { VersionInformation: pointer('PRTL_OSVERSIONINFOW') },
    returns: NTSTATUS,
    cycles: 40,
    status: 'full',
    impl(k, a) {
      const f = RTL_OSVERSIONINFOEXW.f,
        at = a.VersionInformation,
        size = f.dwOSVersionInfoSize.get(k.mem, at),
        v = version(k);
      k.mem.probe(at, size === RTL_OSVERSIONINFOEXW.size ? size : 0x114, true);
      f.dwMajorVersion.set(k.mem, at, v.major);
      f.dwMinorVersion.set(k.mem, at, v.minor);
      f.dwBuildNumber.set(k.mem, at, v.build);
      f.dwPlatformId.set(k.mem, at, 2); // VER_PLATFORM_WIN32_NT
      k.mem.write16(at + f.szCSDVersion.offset, 0);
      if (size === RTL_OSVERSIONINFOEXW.size) {
        f.wServicePackMajor.set(k.mem, at, 0);
        f.wServicePackMinor.set(k.mem, at, 0);
        f.wSuiteMask.set(k.mem, at, k.mem.read32(SHARED + KUSER_SHARED_DATA.f.SuiteMask.offset) & 0xffff);
        f.wProductType.set(k.mem, at, k.mem.read8(SHARED + KUSER_SHARED_DATA.f.NtProductType.offset));
        f.wReserved.set(k.mem, at, 0);
      }
      return STATUS_SUCCESS;
    },
  }),
  ntExport({
    name: 'PsGetVersion',
    doc: 'Returns the version of the system (obsolete); FALSE on a free build.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { MajorVersion: PULONG, MinorVersion: PULONG, BuildNumber: PULONG, CSDVersion: pointer('PUNICODE_STRING') },
    returns: BOOLEAN,
    cycles: 40,
    status: 'full',
    impl(k, a) {
      const v = version(k);
      if (a.MajorVersion) k.mem.write32(a.MajorVersion, v.major);
      if (a.MinorVersion) k.mem.write32(a.MinorVersion, v.minor);
      if (a.BuildNumber) k.mem.write32(a.BuildNumber, v.build);
      if (a.CSDVersion) {
        k.mem.write32(a.CSDVersion, 0);
        k.mem.writePtr(a.CSDVersion + 8, 0);
      }
      return false;
    },
  }),
  ntExport({
    name: 'RtlVerifyVersionInfo',
    doc: 'Compares the version of the system with a condition for each field.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { VersionInfo: pointer('PRTL_OSVERSIONINFOEXW'), TypeMask: ULONG, ConditionMask: ULONG64 },
    returns: NTSTATUS,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      if (!a.TypeMask || !a.ConditionMask) return STATUS_INVALID_PARAMETER;
      const f = RTL_OSVERSIONINFOEXW.f,
        v = version(k),
        at = a.VersionInfo;
      // Bits VER_MINORVERSION ... VER_PRODUCT_TYPE; a condition takes three bits of the mask for each.
      const asked = (bit: number): boolean => (a.TypeMask & (1 << bit)) !== 0;
      const condition = (bit: number): number => Number((a.ConditionMask >> BigInt(bit * 3)) & 7n);
      const parts: [number, number, number][] = [
        [1, v.major, f.dwMajorVersion.get(k.mem, at)],
        [0, v.minor, f.dwMinorVersion.get(k.mem, at)],
        [5, 0, f.wServicePackMajor.get(k.mem, at)],
        [4, 0, f.wServicePackMinor.get(k.mem, at)],
      ];
      // The parts of a version are one number: the first that differs decides, unless it had to be equal.
      const tested = parts.filter(([bit]) => asked(bit));
      for (const [i, [bit, have, wanted]] of tested.entries()) {
        const how = condition(bit);
        if (have === wanted && how >= VER_GREATER && how <= VER_LESS_EQUAL && i < tested.length - 1) continue;
        if (!compareVersion(how, have, wanted)) return STATUS_REVISION_MISMATCH;
        if (have !== wanted) break;
      }
      const others: [number, number, number][] = [
        [2, v.build, f.dwBuildNumber.get(k.mem, at)],
        [3, 2, f.dwPlatformId.get(k.mem, at)],
        [7, k.mem.read8(SHARED + KUSER_SHARED_DATA.f.NtProductType.offset), f.wProductType.get(k.mem, at)],
      ];
      for (const [bit, have, wanted] of others)
        if (asked(bit) && !compareVersion(condition(bit), have, wanted)) return STATUS_REVISION_MISMATCH;
      if (!asked(VER_SUITENAME_BIT)) return STATUS_SUCCESS;
      const wanted = f.wSuiteMask.get(k.mem, at),
        common = k.mem.read32(SHARED + KUSER_SHARED_DATA.f.SuiteMask.offset) & wanted;
      const how = condition(VER_SUITENAME_BIT);
      if (how !== VER_AND && how !== VER_OR) return STATUS_INVALID_PARAMETER;
      return (how === VER_AND ? common === wanted : common !== 0) ? STATUS_SUCCESS : STATUS_REVISION_MISMATCH;
    },
  }),
  ntExport({
    name: 'RtlIsNtDdiVersionAvailable',
    doc: 'Tells whether the system is at least of an NTDDI version.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Version: ULONG },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (_k, a) => a.Version <= NTDDI_RUNNING,
  }),
  ntExport({
    name: 'RtlIsServicePackVersionInstalled',
    doc: 'Tells whether the system is of the major version of an NTDDI value and has at least its service pack.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Version: ULONG },
    returns: BOOLEAN,
    cycles: 10,
    status: 'full',
    impl: (_k, a) => a.Version >>> 16 === NTDDI_RUNNING >>> 16 && a.Version <= NTDDI_RUNNING,
  }),
];

