/** Views in system space, video memory, and what else maps or replaces pages. Source: their WDK pages and ntddk.h. */
import type { Kernel } from '../kernel.ts';
import { mmIoSpaceActive, mmMapIoSpace, mmUnmapIoSpace } from '../mm/iospace.ts';
import { PTE_WRITE } from '../mm/layout.ts';
import { mdlForFrames, mdlFrame, mdlPages } from '../mm/mdl.ts';
import { exFreePool } from '../mm/pool.ts';
import { mmMapSystemView, mmUnmapSystemView } from '../mm/section.ts';
import { mmAddVerifierThunks } from '../mm/thunks.ts';
import { mmMapUserAddressesToPage, rotatableFrames, rotate } from '../mm/usermap.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_NOT_SUPPORTED,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { ptr } from '../types/struct.ts';
import {
  BOOLEAN,
  call,
  type NtExport,
  ntExport,
  ntSteps,
  NTSTATUS,
  PHYSICAL_ADDRESS,
  pointer,
  PVOID,
  ret,
  SIZE_T,
  ULONG,
  VOID,
} from './declare.ts';
import { protection } from './mm.ts';

const DISPATCH = { max: 'DISPATCH_LEVEL' } as const,
  APC = { max: 'APC_LEVEL' } as const,
  PASSIVE = { max: 'PASSIVE_LEVEL' } as const;
const address = (value: bigint): number => Number(BigInt.asUintN(52, value));
/** The most that is mapped at once: the region of system PTEs. */
const MAXIMUM = 0x20000000;

/** A view of a section in the system's address space, or in the session's: there is one session, whose space is the system's. */
function mapView(k: Kernel, a: { readonly Section: number; readonly MappedBase: number; readonly ViewSize: number }): number {
  k.mem.probe(a.MappedBase, 8, true);
  k.mem.probe(a.ViewSize, 8, true);
  const view = mmMapSystemView(k, a.Section, Number(k.mem.read64(a.ViewSize)));
  if (view.status !== STATUS_SUCCESS) return view.status;
  k.mem.writePtr(a.MappedBase, view.base);
  k.mem.write64(a.ViewSize, BigInt(view.size));
  return STATUS_SUCCESS;
}

const viewArgs = { Section: PVOID, MappedBase: pointer('PVOID *'), ViewSize: pointer('PSIZE_T') } as const;
const viewRoutines = (space: string): NtExport[] => [
  ntExport({
    name: `MmMapViewIn${space}Space`,
    doc: `Maps a view of a section into the ${space.toLowerCase()}'s address space.`,
    irql: APC,
    args: viewArgs,
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl: mapView,
  }),
  ntExport({
    name: `MmUnmapViewIn${space}Space`,
    doc: `Unmaps a view that MmMapViewIn${space}Space mapped.`,
    irql: APC,
    args: { MappedBase: PVOID },
    returns: NTSTATUS,
    cycles: 1200,
    status: 'full',
    impl: (k, { MappedBase }) => (mmUnmapSystemView(k, MappedBase) ? STATUS_SUCCESS : STATUS_NOT_MAPPED_VIEW),
  }),
];

/** MM_ROTATE_DIRECTION. */
const MmToFrameBuffer = 0,
  MmToRegularMemory = 2,
  MmMaximumRotateDirection = 4;
/** What verified drivers are checked for: special pool, IRQL, pool tracking, I/O, deadlocks, DMA, security, miscellaneous. */
const VERIFIER_FLAGS = 0x9bb;

const rotateFrame = { Source: ptr, Pool: ptr };

export const viewExports: NtExport[] = [
  ...viewRoutines('System'),
  ...viewRoutines('Session'),
  ntExport({
    name: 'MmMapVideoDisplay',
    doc: 'Maps the memory of a video adapter into system space.',
    irql: PASSIVE,
    args: { PhysicalAddress: PHYSICAL_ADDRESS, NumberOfBytes: SIZE_T, CacheType: ULONG },
    returns: PVOID,
    cycles: 2000,
    status: 'full',
    impl: (k, a) =>
      a.NumberOfBytes && a.NumberOfBytes <= MAXIMUM ? mmMapIoSpace(k, address(a.PhysicalAddress), a.NumberOfBytes, a.CacheType, PTE_WRITE) : 0,
  }),
  ntExport({
    name: 'MmMapVideoDisplayEx',
    doc: 'Maps the memory of a video adapter into system space with the given page protection.',
    irql: PASSIVE,
    args: { PhysicalAddress: PHYSICAL_ADDRESS, NumberOfBytes: SIZE_T, Protect: ULONG },
    returns: PVOID,
    cycles: 2000,
    status: 'full',
    impl(k, a) {
      const p = protection(a.Protect);
      return p && a.NumberOfBytes && a.NumberOfBytes <= MAXIMUM ? mmMapIoSpace(k, address(a.PhysicalAddress), a.NumberOfBytes, p.cache, p.bits) : 0;
    },
  }),
  ntExport({
    name: 'MmUnmapVideoDisplay',
    doc: 'Unmaps the memory of a video adapter.',
    irql: PASSIVE,
    args: { BaseAddress: PVOID, NumberOfBytes: SIZE_T },
    returns: VOID,
    cycles: 1000,
    status: 'full',
    impl: (k, a) => mmUnmapIoSpace(k, a.BaseAddress, a.NumberOfBytes),
  }),
  ntExport({
    name: 'MmIsIoSpaceActive',
    doc: 'Tells whether part of a range of device memory is mapped into system space.',
    irql: DISPATCH,
    args: { StartAddress: PHYSICAL_ADDRESS, NumberOfBytes: SIZE_T },
    returns: BOOLEAN,
    cycles: 5000,
    status: 'full',
    impl: (k, a) => mmIoSpaceActive(k, address(a.StartAddress), a.NumberOfBytes),
  }),
  ntExport({
    name: 'MmIsVerifierEnabled',
    doc: 'Tells whether Driver Verifier is active, and with which options.',
    args: { VerifierFlags: pointer('PULONG') },
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl(k, a) {
      k.mem.write32(a.VerifierFlags, k.config.verifier ? VERIFIER_FLAGS : 0);
      return k.config.verifier ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    },
  }),
  ntExport({
    name: 'MmAddVerifierThunks',
    doc: 'Has drivers that are loaded later call other routines in the place of those that a driver exports, while the verifier is active.',
    irql: PASSIVE,
    args: { ThunkBuffer: PVOID, ThunkBufferSize: ULONG },
    returns: NTSTATUS,
    cycles: 500,
    status: 'full',
    impl: (k, a) => (k.config.verifier ? mmAddVerifierThunks(k, a.ThunkBuffer, a.ThunkBufferSize) : STATUS_NOT_SUPPORTED),
  }),
  ntExport({
    name: 'MmFlushImageSection',
    doc: 'Flushes the image section of a file, if it has one that nobody uses. FALSE when it is in use.',
    irql: APC,
    args: { SectionPointer: pointer('PSECTION_OBJECT_POINTERS'), FlushType: ULONG },
    returns: BOOLEAN,
    cycles: 100,
    status: 'full',
    // SECTION_OBJECT_POINTERS.ImageSectionObject: no section of an image exists here unless somebody else made one, who then uses it.
    impl: (k, a) => k.mem.readPtr(a.SectionPointer + 16) === 0,
  }),
  ntExport({
    name: 'MmMapUserAddressesToPage',
    doc: 'Maps every page of a range of user memory to one page.',
    irql: APC,
    args: { BaseAddress: PVOID, NumberOfBytes: SIZE_T, PageAddress: PVOID },
    returns: NTSTATUS,
    cycles: 1500,
    status: 'full',
    impl: (k, a) => mmMapUserAddressesToPage(k, a.BaseAddress, a.NumberOfBytes, a.PageAddress),
  }),
  ntSteps({
    name: 'MmRotatePhysicalView',
    doc: 'Puts other pages under a range of user memory: those of a frame buffer, or ordinary ones, with the contents copied by a routine of the driver.',
    irql: APC,
    args: {
      VirtualAddress: PVOID,
      NumberOfBytes: pointer('PSIZE_T'),
      NewMdl: pointer('PMDL'),
      Direction: ULONG,
      CopyFunction: PVOID,
      Context: PVOID,
    },
    returns: NTSTATUS,
    cycles: 2000,
    status: 'full',
    frame: rotateFrame,
    steps: {
      start(k, f, _rax, a) {
        const bytes = Number(k.mem.read64(a.NumberOfBytes));
        f.set('Source', 0);
        f.set('Pool', 0);
        if (a.Direction >= MmMaximumRotateDirection) return ret(STATUS_INVALID_PARAMETER_4);
        const source = rotatableFrames(k, a.VirtualAddress, bytes);
        if (source === null) return ret(STATUS_INVALID_PARAMETER_1);
        const toFrames = a.Direction < MmToRegularMemory;
        if (toFrames && (!a.NewMdl || mdlPages(k, a.NewMdl) < source.length)) return ret(STATUS_INVALID_PARAMETER_3);
        // With regular memory as the target, pages are made for it first, so that there is something to copy to.
        const fresh = toFrames ? null : rotate.freshPages(k, source.length);
        if (!toFrames && fresh === null) return ret(STATUS_INSUFFICIENT_RESOURCES);
        const target = toFrames ? a.NewMdl : mdlForFrames(k, fresh!);
        const old = target ? mdlForFrames(k, source) : 0;
        if (!old) {
          if (fresh) rotate.giveBack(k, fresh);
          if (target && !toFrames) exFreePool(k, target, 0);
          return ret(STATUS_INSUFFICIENT_RESOURCES);
        }
        f.set('Source', old);
        f.set('Pool', toFrames ? 0 : target);
        if (a.Direction !== MmToFrameBuffer && a.Direction !== MmToRegularMemory) return finish(k, f, a);
        if (a.CopyFunction) return call(a.CopyFunction, [target, old, a.Context], 'copied');
        rotate.copy(k, source, source.map((_, i) => mdlFrame(k, target, i)));
        return finish(k, f, a);
      },
      copied(k, f, rax, a) {
        if ((rax | 0) >= 0) return finish(k, f, a);
        const made = f.get('Pool');
        if (made) {
          rotate.giveBack(k, Array.from({ length: mdlPages(k, made) }, (_, i) => mdlFrame(k, made, i)));
          exFreePool(k, made, 0);
        }
        exFreePool(k, f.get('Source'), 0);
        return ret(rax >>> 0);
      },
    },
  }),
];

/** The new pages take their place. */
function finish(
  k: Kernel,
  f: { get(name: 'Source' | 'Pool'): number },
  a: { readonly VirtualAddress: number; readonly NewMdl: number },
): ReturnType<typeof ret> {
  const made = f.get('Pool'),
    old = f.get('Source');
  const count = mdlPages(k, old);
  const target = made || a.NewMdl;
  const ok = rotate.replace(k, a.VirtualAddress, Array.from({ length: count }, (_, i) => mdlFrame(k, target, i)), made !== 0);
  exFreePool(k, old, 0);
  if (made) exFreePool(k, made, 0);
  return ret(ok ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES);
}

