/**
 * Pages of files on their way in and out. A fault on a page that is not there reads it (MiReadFilePage), in the thread that touched it; pages that were changed are written by
 * ZwFlushVirtualMemory, by the cache manager, and by a worker thread when the last section and view of the file have gone.
 */
import {
  call,
  type Frame,
  type NtExport,
  ntSteps,
  NTSTATUS,
  type Outcome,
  PVOID,
  ret,
  ULONG,
  VOID,
  wait,
} from '../exports/declare.ts';
import { keClearEvent, keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { keWait } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import { IO_STATUS_BLOCK } from '../types/io.ts';
import { KEVENT } from '../types/ke.ts';
import { MDL, MDL_IO_PAGE_READ, MDL_MAPPED_TO_SYSTEM_VA } from '../types/mm.ts';
import {
  STATUS_END_OF_FILE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_MEMORY,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../types/status.ts';
import { i64, ptr, u32 } from '../types/struct.ts';
import {
  CONTROL_AREA,
  deleteCleanArea,
  isPageChanged,
  markPageChanged,
  pageFrame,
  pageState,
  setPageAbsent,
  setPageFrame,
  setPageReading,
} from './controlarea.ts';
import { PAGE_SIZE } from './layout.ts';
import { mdlForFrames, mdlFrame, mmUnmapLockedPages } from './mdl.ts';
import { mmAllocatePage, mmFreePage } from './pfn.ts';
import { exFreePool } from './pool.ts';
import { protectPageInViews } from './view.ts';

const C = CONTROL_AREA.f;

/** What a transfer of one page needs while it is under way. */
const transfer = { Mdl: ptr, Iosb: IO_STATUS_BLOCK, Event: KEVENT, Offset: i64 } as const;
type Transfer = Pick<Frame<typeof transfer>, 'get' | 'set' | 'address'>;

/** Sends the frame to or from its place in the file; the routine goes on with step `sent`. Null without pool. */
function sendPage(k: Kernel, f: Transfer, area: number, page: number, pfn: number, write: boolean): Outcome | null {
  const { mem } = k;
  const mdl = mdlForFrames(k, [pfn]);
  if (!mdl) return null;
  if (!write) MDL.f.MdlFlags.set(mem, mdl, MDL.f.MdlFlags.get(mem, mdl) | MDL_IO_PAGE_READ);
  f.set('Mdl', mdl);
  mem.write64(f.address('Offset'), BigInt(page) * BigInt(PAGE_SIZE));
  mem.fill(f.address('Iosb'), IO_STATUS_BLOCK.size, 0);
  keInitializeEvent(k, f.address('Event'), 0, false);
  const routine = write ? 'nt!IoSynchronousPageWrite' : 'nt!IoPageRead';
  const file = C.FileObject.get(mem, area);
  return call(k.address(routine), [file, mdl, f.address('Offset'), f.address('Event'), f.address('Iosb')], 'sent');
}

/** The transfer is over: gives the MDL back. Its status. `sent` is what the dispatch routine returned, which counts when no IRP was ever made. */
function pageArrived(k: Kernel, f: Transfer, sent: number): number {
  const { mem } = k;
  const mdl = f.get('Mdl');
  if (MDL.f.MdlFlags.get(mem, mdl) & MDL_MAPPED_TO_SYSTEM_VA) mmUnmapLockedPages(k, MDL.f.MappedSystemVa.get(mem, mdl), mdl);
  exFreePool(k, mdl, 0);
  f.set('Mdl', 0);
  const answered = mem.read32(f.address('Event') + 4) !== 0;
  return answered ? mem.read32(f.address('Iosb')) : sent;
}

const isError = (status: number): boolean => (status | 0) < 0;

/** Puts the page that was read in its place, or gives it up; who waited for it looks again. Beyond the end of the file a page is zeros. */
function takeRead(k: Kernel, f: Transfer, area: number, page: number, sent: number): Outcome {
  const pfn = mdlFrame(k, f.get('Mdl'), 0);
  const status = pageArrived(k, f, sent);
  const failed = isError(status) && status !== STATUS_END_OF_FILE;
  if (failed) {
    setPageAbsent(k, area, page);
    mmFreePage(k, pfn);
  } else setPageFrame(k, area, page, pfn);
  keSetEvent(k, area + C.PageArrived.offset, 0);
  return ret(failed ? status : STATUS_SUCCESS);
}

const flushFrame = { ...transfer, Page: u32, Written: u32 } as const;

/** Writes the next changed page of the range; after the last the routine returns. */
function writeNext(k: Kernel, f: Frame<typeof flushFrame>, a: { ControlArea: number; First: number; Count: number }): Outcome {
  const { mem } = k;
  const area = a.ControlArea;
  const end = Math.min(a.First + a.Count, C.Pages.get(mem, area));
  const fileEnd = Number(C.FileSize.get(mem, area));
  for (let page = f.get('Page'); page < end; page++) {
    if (!isPageChanged(k, area, page)) continue;
    protectPageInViews(k, area, page);
    markPageChanged(k, area, page, false);
    // A file that was cut off meanwhile has no place for it.
    if (page * PAGE_SIZE >= fileEnd) continue;
    f.set('Page', page);
    const sent = sendPage(k, f, area, page, pageFrame(k, area, page), true);
    if (sent) return sent;
    markPageChanged(k, area, page);
    return ret(STATUS_INSUFFICIENT_RESOURCES);
  }
  return ret(STATUS_SUCCESS);
}

function written(k: Kernel, f: Frame<typeof flushFrame>, a: FlushArguments, sent: number): Outcome {
  const page = f.get('Page');
  const status = pageArrived(k, f, sent);
  if (a.IoStatus) k.mem.copy(a.IoStatus, f.address('Iosb'), 16);
  if (isError(status)) {
    markPageChanged(k, a.ControlArea, page);
    if (a.IoStatus) k.mem.write32(a.IoStatus, status);
    return ret(status);
  }
  f.set('Page', page + 1);
  return writeNext(k, f, a);
}
interface FlushArguments {
  ControlArea: number;
  First: number;
  Count: number;
  IoStatus: number;
}

export const exports: NtExport[] = [
  ntSteps({
    name: 'MiReadFilePage',
    internal: true,
    doc: 'Brings a page of a file into its control area by a paging read, or waits for somebody else who does.',
    args: { ControlArea: PVOID, Page: ULONG },
    returns: NTSTATUS,
    cycles: 300,
    status: 'full',
    frame: transfer,
    steps: {
      start(k, f, _rax, { ControlArea, Page }) {
        const state = pageState(k, ControlArea, Page);
        if (state === 'present') return ret(STATUS_SUCCESS);
        if (state === 'reading') {
          const arrived = ControlArea + C.PageArrived.offset;
          keClearEvent(k, arrived);
          return keWait(k, [arrived]) === 'blocked' ? wait('again') : ret(STATUS_SUCCESS);
        }
        const pfn = mmAllocatePage(k, true);
        if (pfn < 0) return ret(STATUS_NO_MEMORY);
        const sent = sendPage(k, f, ControlArea, Page, pfn, false);
        if (sent) {
          setPageReading(k, ControlArea, Page);
          return sent;
        }
        mmFreePage(k, pfn);
        return ret(STATUS_INSUFFICIENT_RESOURCES);
      },
      again: () => ret(STATUS_SUCCESS),
      sent(k, f, rax, { ControlArea, Page }) {
        if (rax === STATUS_PENDING && keWait(k, [f.address('Event')]) === 'blocked') return wait('arrived');
        return takeRead(k, f, ControlArea, Page, rax);
      },
      arrived: (k, f, _rax, { ControlArea, Page }) => takeRead(k, f, ControlArea, Page, STATUS_SUCCESS),
    },
  }),
  ntSteps({
    name: 'MiFlushFilePages',
    internal: true,
    doc: 'Writes those of a range of pages of a control area back to the file that were changed; stops at the first that cannot be written.',
    args: { ControlArea: PVOID, First: ULONG, Count: ULONG, IoStatus: PVOID },
    returns: NTSTATUS,
    cycles: 200,
    status: 'full',
    frame: flushFrame,
    steps: {
      start(k, f, _rax, a) {
        f.set('Page', a.First);
        return writeNext(k, f, a);
      },
      sent(k, f, rax, a) {
        if (rax === STATUS_PENDING && keWait(k, [f.address('Event')]) === 'blocked') return wait('arrived');
        return written(k, f, a, rax);
      },
      arrived: (k, f, _rax, a) => written(k, f, a, STATUS_SUCCESS),
    },
  }),
  ntSteps({
    name: 'MiCleanControlArea',
    internal: true,
    doc: 'Worker: writes back what was changed of a file that nobody has mapped any more, and gives its pages up.',
    args: { ControlArea: PVOID },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: {},
    steps: {
      start: (k, _f, _rax, { ControlArea }) =>
        call(k.address('nt!MiFlushFilePages'), [ControlArea, 0, C.Pages.get(k.mem, ControlArea), 0], 'flushed'),
      flushed(k, _f, _rax, { ControlArea }) {
        deleteCleanArea(k, ControlArea);
        return ret();
      },
    },
  }),
];
