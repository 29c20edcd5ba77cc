import { describe, expect, it } from 'vitest';
import { checkPages } from '../debug/memusage.ts';
import {
  PAGE_STORE_BASE,
  PAGE_STORE_DISCARD,
  PAGE_STORE_IDENT,
  PAGE_STORE_READ,
  PAGE_STORE_WRITE,
  PS_COMMAND,
  PS_IDENT,
  PS_PAGE,
  PS_SLOT,
  PS_SLOTS,
} from '../../hal/bus/pagestore.ts';
import type { Kernel } from '../kernel.ts';
import { fakeKernel } from '../testing/fakekernel.ts';
import { PagedPool } from '../types/mm.ts';
import { mmAccessFault } from './fault.ts';
import { PAGE_SIZE } from './layout.ts';
import { mmIsPagedOut, mmPageIn, mmReclaimPage, mmTrimAll, mmTrimPage, mmWriteModifiedPage } from './paging.ts';
import { mmAllocatePage, mmFreePage, mmReferencePage } from './pfn.ts';
import { exAllocatePool, exFreePool } from './pool.ts';
import { mmIsAddressValid } from './pte.ts';

const TAG = 0x74736554;

/** A kernel whose processor has a page store at its ports. */
function machine(): Kernel {
  const { k, ram } = fakeKernel();
  const slots = new Map<number, Uint8Array>();
  let slot = 0,
    page = 0;
  k.cpu.portIn = port => (port === PAGE_STORE_BASE + PS_IDENT ? PAGE_STORE_IDENT : port === PAGE_STORE_BASE + PS_SLOTS ? 64 : 0);
  k.cpu.portOut = (port, _size, value) => {
    if (port === PAGE_STORE_BASE + PS_SLOT) slot = value;
    else if (port === PAGE_STORE_BASE + PS_PAGE) page = value;
    else if (port === PAGE_STORE_BASE + PS_COMMAND) {
      if (value === PAGE_STORE_WRITE) slots.set(slot, ram.readBytes(page * PAGE_SIZE, PAGE_SIZE));
      else if (value === PAGE_STORE_READ) ram.writeBytes(page * PAGE_SIZE, slots.get(slot)!);
      else if (value === PAGE_STORE_DISCARD) slots.delete(slot);
    }
  };
  k.mem.onFault = (va, write) => mmAccessFault(k, va, { write, own: true });
  return k;
}

describe('pageable memory', () => {
  it('goes into transition and comes back as it was', () => {
    const k = machine();
    const va = exAllocatePool(k, PagedPool, 2 * PAGE_SIZE, TAG);
    k.mem.write32(va + 8, 0x12345678);
    const page = k.mem.translate(va);
    expect(mmTrimPage(k, va)).toBe(true);
    expect([mmIsAddressValid(k, va), mmIsPagedOut(k, va)]).toEqual([false, true]);
    expect(mmTrimPage(k, va)).toBe(false);
    expect(checkPages(k)).toEqual([]);
    expect(k.mem.read32(va + 8)).toBe(0x12345678);
    expect(k.mem.translate(va)).toBe(page);
    expect(checkPages(k)).toEqual([]);
  });

  it('is written to the page store and read back, into another page', () => {
    const k = machine();
    const free = k.global.get('MmAvailablePages');
    const va = exAllocatePool(k, PagedPool, PAGE_SIZE, TAG);
    k.mem.fill(va, PAGE_SIZE, 0x5a);
    mmTrimAll(k);
    const before = k.global.get('MmAvailablePages');
    while (mmWriteModifiedPage(k));
    expect(k.global.get('MmAvailablePages')).toBeGreaterThan(before);
    expect(k.global.get('MmPagingFilePagesInUse')).toBeGreaterThan(0);
    expect(mmIsPagedOut(k, va)).toBe(true);
    expect(k.mem.readBytes(va, PAGE_SIZE).every(b => b === 0x5a)).toBe(true);
    // Freed while it is out: the slot is given back too.
    mmTrimPage(k, va);
    while (mmWriteModifiedPage(k));
    const used = k.global.get('MmPagingFilePagesInUse');
    exFreePool(k, va, TAG);
    expect(k.global.get('MmPagingFilePagesInUse')).toBe(used - 1);
    expect(checkPages(k)).toEqual([]);
    expect(free - k.global.get('MmAvailablePages')).toBeLessThan(4);
  });

  it('stays when somebody holds the page', () => {
    const k = machine();
    const va = exAllocatePool(k, PagedPool, PAGE_SIZE, TAG);
    const pfn = k.mem.translate(va) / PAGE_SIZE;
    mmReferencePage(k, pfn);
    expect(mmTrimPage(k, va)).toBe(false);
    mmFreePage(k, pfn);
    expect(mmTrimPage(k, va)).toBe(true);
  });

  it('gives its pages to who needs some when RAM is used up', () => {
    const k = machine();
    const va = exAllocatePool(k, PagedPool, 8 * PAGE_SIZE, TAG);
    for (let i = 0; i < 8; i++) k.mem.write8(va + i * PAGE_SIZE, i + 1);
    const taken: number[] = [];
    while (k.global.get('MmAvailablePages') > 0) taken.push(mmAllocatePage(k, false));
    const more = mmAllocatePage(k, false);
    expect(more).toBeGreaterThan(0);
    expect(mmIsPagedOut(k, va)).toBe(true);
    mmFreePage(k, more);
    expect(Array.from({ length: 8 }, (_, i) => k.mem.read8(va + i * PAGE_SIZE))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    for (const pfn of taken) mmFreePage(k, pfn);
    expect(checkPages(k)).toEqual([]);
  });

  it('is not brought back for code at DISPATCH_LEVEL', () => {
    const k = machine();
    const va = exAllocatePool(k, PagedPool, PAGE_SIZE, TAG);
    mmTrimPage(k, va);
    expect(mmAccessFault(k, va, { write: false }, 2)).toBe(false);
    expect(mmAccessFault(k, va, { write: false }, 1)).toBe(true);
  });

  it('stays in RAM without a page store', () => {
    const { k } = fakeKernel();
    k.cpu.portIn = () => 0xffffffff;
    const va = exAllocatePool(k, PagedPool, PAGE_SIZE, TAG);
    mmTrimAll(k);
    expect(mmReclaimPage(k)).toBe(false);
    expect(mmPageIn(k, va)).toBe(true);
  });
});
