/**
 * Data of cached files that a file system looks at and changes in place: CcMapData, CcPinRead and what belongs to them. A BCB holds a mapping of the pages in system space until it is
 * given back. Source: the WDK page of each routine (ntifs.h).
 */
import type { Kernel } from '../kernel.ts';
import { raiseStatus } from '../ex/raise.ts';
import { unmapSystemPages } from '../mm/iospace.ts';
import { markPageChanged, pageFrame, referenceView, releaseView } from '../mm/controlarea.ts';
import { PAGE_SIZE, PTE_NO_EXECUTE, PTE_WRITE } from '../mm/layout.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { mmMapPage } from '../mm/pte.ts';
import { mmReleaseSystemPtes, mmReserveSystemPtes } from '../mm/sysptes.ts';
import { poolTag } from '../ob/globals.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES } from '../types/status.ts';
import { i64, ptr, struct, u16, u32 } from '../types/struct.ts';
import { cachedRange, firstMissing } from './cc.ts';
import { BOOLEAN, call, type NtExport, ntExport, ntSteps, type Outcome, pointer, PVOID, ret, ULONG, VOID } from './declare.ts';

/** PUBLIC_BCB, and what this kernel needs behind it. */
const BCB = struct('_BCB', {
  NodeTypeCode: u16,
  NodeByteSize: u16,
  MappedLength: u32,
  MappedFileOffset: i64,
  Area: ptr,
  Base: ptr,
  First: u32,
  Pages: u32,
  References: u32,
});
const B = BCB.f;
const TAG = poolTag('CcBc');
const NODE_TYPE_BCB = 0x2fd;
const APC = { max: 'APC_LEVEL' } as const;
/** PIN_WAIT, MAP_WAIT: the caller may wait for data that are not in memory. */
const MAY_WAIT = 1;

const pinArgs = { FileObject: pointer('PFILE_OBJECT'), FileOffset: PVOID, Length: ULONG, Flags: ULONG, Bcb: PVOID, Buffer: PVOID } as const;
interface PinArguments {
  FileObject: number;
  FileOffset: number;
  Length: number;
  Flags: number;
  Bcb: number;
  Buffer: number;
}

/** Maps the range when all of its pages are there; until then it reads them, if the caller may wait. */
function pin(k: Kernel, a: PinArguments): Outcome {
  const { mem } = k;
  mem.probe(a.Bcb, 8, true);
  mem.probe(a.Buffer, 8, true);
  const offset = Number(BigInt.asIntN(64, mem.read64(a.FileOffset)));
  const { area, first, end } = cachedRange(k, a.FileObject, offset, a.Length);
  const missing = firstMissing(k, area, first, end);
  if (missing >= 0) return a.Flags & MAY_WAIT ? call(k.address('nt!MiReadFilePage'), [area, missing], 'paged') : ret(0);
  const pages = end - first;
  const base = mmReserveSystemPtes(k, pages);
  const bcb = base ? exAllocatePool(k, NonPagedPoolNx, BCB.size, TAG) : 0;
  let mapped = 0;
  while (bcb && mapped < pages && mmMapPage(k, base + mapped * PAGE_SIZE, pageFrame(k, area, first + mapped), PTE_WRITE | PTE_NO_EXECUTE))
    mapped++;
  if (mapped < pages || !bcb) {
    if (base) {
      unmapSystemPages(k, base, mapped);
      mmReleaseSystemPtes(k, base, pages);
    }
    if (bcb) exFreePool(k, bcb, TAG);
    raiseStatus(k, STATUS_INSUFFICIENT_RESOURCES);
  }
  // The mapping counts as a view: the pages are not given up under it.
  referenceView(k, area);
  B.NodeTypeCode.set(mem, bcb, NODE_TYPE_BCB);
  B.NodeByteSize.set(mem, bcb, BCB.size);
  B.MappedLength.set(mem, bcb, a.Length);
  B.MappedFileOffset.set(mem, bcb, BigInt(offset));
  B.Area.set(mem, bcb, area);
  B.Base.set(mem, bcb, base);
  B.First.set(mem, bcb, first);
  B.Pages.set(mem, bcb, pages);
  B.References.set(mem, bcb, 1);
  mem.writePtr(a.Bcb, bcb);
  mem.writePtr(a.Buffer, base + (offset % PAGE_SIZE));
  return ret(1);
}

const pinRoutine = (name: string, doc: string): NtExport =>
  ntSteps({
    name,
    doc,
    irql: APC,
    args: pinArgs,
    returns: BOOLEAN,
    cycles: 400,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, a) => pin(k, a),
      paged(k, _f, rax, a) {
        if ((rax | 0) < 0) raiseStatus(k, rax);
        return pin(k, a);
      },
    },
  });

/** Gives a mapping up with its last reference. */
function unpin(k: Kernel, bcb: number): void {
  const { mem } = k;
  const left = B.References.get(mem, bcb) - 1;
  B.References.set(mem, bcb, left);
  if (left > 0) return;
  const area = B.Area.get(mem, bcb),
    base = B.Base.get(mem, bcb),
    pages = B.Pages.get(mem, bcb);
  unmapSystemPages(k, base, pages);
  mmReleaseSystemPtes(k, base, pages);
  exFreePool(k, bcb, TAG);
  releaseView(k, area);
}

export const cachePinExports: NtExport[] = [
  pinRoutine('CcMapData', 'Maps data of a cached file, to be read in place. FALSE when some are not in memory and the caller may not wait.'),
  pinRoutine('CcPinRead', 'Maps data of a cached file and keeps them in memory, to be changed in place. FALSE when some are not in memory and the caller may not wait.'),
  ntExport({
    name: 'CcPinMappedData',
    doc: 'Keeps data that CcMapData mapped in memory, so that they may be changed. They stay anyhow here.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { FileObject: pointer('PFILE_OBJECT'), FileOffset: PVOID, Length: ULONG, Flags: ULONG, Bcb: PVOID },
    returns: BOOLEAN,
    cycles: 40,
    status: 'full',
    impl: (k, a) => B.NodeTypeCode.get(k.mem, k.mem.readPtr(a.Bcb)) === NODE_TYPE_BCB,
  }),
  ntExport({
    name: 'CcSetDirtyPinnedData',
    doc: 'Tells that data that are pinned were changed: they are written back.',
    irql: APC,
    args: { BcbVoid: PVOID, Lsn: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, { BcbVoid }) {
      const area = B.Area.get(k.mem, BcbVoid),
        first = B.First.get(k.mem, BcbVoid);
      for (let i = 0; i < B.Pages.get(k.mem, BcbVoid); i++) markPageChanged(k, area, first + i);
    },
  }),
  ntExport({
    name: 'CcRepinBcb',
    doc: 'Keeps data pinned a second time.',
    irql: APC,
    args: { Bcb: PVOID },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { Bcb }) => B.References.set(k.mem, Bcb, B.References.get(k.mem, Bcb) + 1),
  }),
  ntExport({
    name: 'CcUnpinData',
    doc: 'Gives back data that were mapped or pinned.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Bcb: PVOID },
    returns: VOID,
    cycles: 150,
    status: 'full',
    impl: (k, { Bcb }) => unpin(k, Bcb),
  }),
];
