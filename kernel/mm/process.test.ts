import { beforeEach, describe, expect, it } from 'vitest';
import type { Kernel } from '../kernel.ts';
import { fakeKernel } from '../testing/fakekernel.ts';
import { KPROCESS, KTHREAD } from '../types/ke.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import { KPRCB } from '../types/prcb.ts';
import { initializeListHead, insertTailList } from '../rtl/list.ts';
import { STATUS_ACCESS_VIOLATION, STATUS_CONFLICTING_ADDRESSES, STATUS_PARTIAL_COPY, STATUS_SUCCESS } from '../types/status.ts';
import { mmAccessFault } from './fault.ts';
import { prcbAddress, USER_SHARED_DATA } from './layout.ts';
import { exAllocatePool } from './pool.ts';
import {
  inAddressSpace,
  mmAllocateUserMemory,
  mmCleanAddressSpace,
  mmCopyVirtualMemory,
  mmCreateAddressSpace,
  mmDeleteAddressSpace,
  mmFreeUserMemory,
  mmProtectUserMemory,
  mmWriteUser,
} from './process.ts';
import { mmGetPte, mmMapPage } from './pte.ts';
import { initializeRegions, PAGE_EXECUTE_READ, PAGE_READONLY, PAGE_READWRITE, regionsOf } from './region.ts';

const TAG = 0x74736554;
let k: Kernel;
let free: () => number;

/** A process with an address space, in the list of active ones; the fake processor's thread belongs to the first. */
function makeProcess(): number {
  const process = exAllocatePool(k, NonPagedPoolNx, EPROCESS.size, TAG);
  k.mem.fill(process, EPROCESS.size, 0);
  initializeRegions(k, process);
  KPROCESS.f.DirectoryTableBase.set(k.mem, process, BigInt(mmCreateAddressSpace(k)));
  insertTailList(k.mem, k.global.address('PsActiveProcessHead'), process + EPROCESS.f.ActiveProcessLinks.offset);
  return process;
}

beforeEach(() => {
  k = fakeKernel().k;
  for (const cpu of k.platform.cpus) cpu.mem.onFault = (va, write) => mmAccessFault(k, va, { write });
  k.global.set('LoaderDirectoryTable', BigInt(k.cpu.cr(3)));
  initializeListHead(k.mem, k.global.address('PsActiveProcessHead'));
  initializeListHead(k.mem, k.global.address('MmViewListHead'));
  const thread = exAllocatePool(k, NonPagedPoolNx, ETHREAD.size, TAG);
  k.mem.fill(thread, ETHREAD.size, 0);
  KPRCB.f.CurrentThread.set(k.mem, prcbAddress(0), thread);
  const system = makeProcess();
  k.mem.writePtr(thread + KTHREAD.f.ApcState.offset + 0x20, system);
  k.cpu.setCr(3, Number(KPROCESS.f.DirectoryTableBase.get(k.mem, system)));
  free = () => k.global.get('MmAvailablePages');
});

describe('an address space', () => {
  it('makes pages on first touch, zeroed, and gives every page back', () => {
    const before = free();
    const process = makeProcess();
    const tables = before - free();
    expect(tables).toBe(4);
    const r = mmAllocateUserMemory(k, process, { base: 0, bytes: 0x5000, protect: PAGE_READWRITE });
    expect(r.status).toBe(STATUS_SUCCESS);
    expect(before - free()).toBe(tables);
    inAddressSpace(k, process, () => {
      expect(k.mem.read32(r.base + 0x1ffe)).toBe(0);
      k.mem.write32(r.base + 0x4000, 7);
      expect(k.mem.translate(r.base + 0x3000)).toBe(-1);
    });
    expect(EPROCESS.f.NumberOfPrivatePages.get(k.mem, process)).toBe(3n);
    mmCleanAddressSpace(k, process);
    expect(regionsOf(k, process)).toEqual([]);
    expect(EPROCESS.f.NumberOfPrivatePages.get(k.mem, process)).toBe(0n);
    mmDeleteAddressSpace(k, Number(KPROCESS.f.DirectoryTableBase.get(k.mem, process)));
    expect(free()).toBe(before);
  });

  it('gives page tables back with the last page that they map', () => {
    const process = makeProcess();
    const touch = (base: number): void => {
      const r = mmAllocateUserMemory(k, process, { base, bytes: 0x1000, protect: PAGE_READWRITE });
      expect(r.status).toBe(STATUS_SUCCESS);
      inAddressSpace(k, process, () => k.mem.write32(base, 7));
    };
    // The levels above stay, once made.
    touch(0x400000);
    mmFreeUserMemory(k, process, 0x400000);
    const before = free();
    const BASES = [0x600000, 0x610000, 0xa00000, 0xc00000];
    BASES.forEach(touch);
    expect(before - free()).toBe(BASES.length + 3);
    mmFreeUserMemory(k, process, 0x600000);
    inAddressSpace(k, process, () => expect(k.mem.read32(0x610000)).toBe(7));
    for (const base of BASES.slice(1)) mmFreeUserMemory(k, process, base);
    expect(free()).toBe(before);
    touch(0x600000);
    inAddressSpace(k, process, () => expect(k.mem.read32(0x600000)).toBe(7));
  });

  it('shares the kernel half, also what is mapped in it later', () => {
    const process = makeProcess();
    // A region of the kernel's half that no entry of the PML4 covers yet.
    const va = -0x500000000000;
    expect(mmMapPage(k, va, 0x200, 2n)).toBe(true);
    inAddressSpace(k, process, () => expect(k.mem.translate(va)).toBe(0x200000));
  });

  it('has the shared page, which user mode can only read', () => {
    const process = makeProcess();
    inAddressSpace(k, process, () => expect(mmGetPte(k, USER_SHARED_DATA) & 7n).toBe(5n));
  });

  it('refuses what a region does not allow, and what no region has', () => {
    const process = makeProcess();
    const r = mmAllocateUserMemory(k, process, { base: 0x400000, bytes: 0x1000, protect: PAGE_READONLY });
    expect(mmAllocateUserMemory(k, process, { base: 0x400000, bytes: 0x1000, protect: PAGE_READWRITE }).status).toBe(
      STATUS_CONFLICTING_ADDRESSES,
    );
    inAddressSpace(k, process, () => {
      expect(k.mem.read8(r.base)).toBe(0);
      expect(() => k.mem.write8(r.base, 1)).toThrow('guest fault');
      expect(() => k.mem.read8(r.base + 0x1000)).toThrow('guest fault');
    });
    expect(mmProtectUserMemory(k, process, r.base, PAGE_READWRITE)).toEqual({ status: STATUS_SUCCESS, old: PAGE_READONLY });
    inAddressSpace(k, process, () => {
      k.mem.write8(r.base, 1);
      expect(k.mem.read8(r.base)).toBe(1);
    });
    expect(mmFreeUserMemory(k, process, r.base)).toBe(STATUS_SUCCESS);
    inAddressSpace(k, process, () => expect(() => k.mem.read8(r.base)).toThrow('guest fault'));
  });

  it('makes nothing at DISPATCH_LEVEL', () => {
    const process = makeProcess();
    const r = mmAllocateUserMemory(k, process, { base: 0, bytes: 0x1000, protect: PAGE_READWRITE });
    inAddressSpace(k, process, () => {
      k.irql = 2;
      expect(() => k.mem.read8(r.base)).toThrow('guest fault');
      k.irql = 1;
      expect(k.mem.read8(r.base)).toBe(0);
    });
  });

  it('is written by the kernel whatever its pages allow', () => {
    const process = makeProcess();
    const r = mmAllocateUserMemory(k, process, { base: 0, bytes: 0x2000, protect: PAGE_EXECUTE_READ });
    expect(mmWriteUser(k, process, r.base + 0xffe, Uint8Array.of(1, 2, 3, 4))).toBe(true);
    inAddressSpace(k, process, () => expect(k.mem.read32(r.base + 0xffe)).toBe(0x04030201));
    expect(mmWriteUser(k, process, 0x10, Uint8Array.of(1))).toBe(false);
  });
});

describe('MmCopyVirtualMemory', () => {
  it('copies between processes and says how far it came', () => {
    const a = makeProcess(),
      b = makeProcess();
    const from = mmAllocateUserMemory(k, a, { base: 0x10000, bytes: 0x3000, protect: PAGE_READWRITE });
    const to = mmAllocateUserMemory(k, b, { base: 0x20000, bytes: 0x2000, protect: PAGE_READWRITE });
    const bytes = Uint8Array.from({ length: 0x1800 }, (_, i) => i * 7);
    mmWriteUser(k, a, from.base + 0x10, bytes);
    const copy = (length: number, at = to.base + 0x5) =>
      mmCopyVirtualMemory(k, { process: a, address: from.base + 0x10 }, { process: b, address: at }, length, true);
    expect(copy(0x1800)).toEqual({ status: STATUS_SUCCESS, copied: 0x1800 });
    expect(inAddressSpace(k, b, () => k.mem.readBytes(to.base + 5, 0x1800))).toEqual(bytes);
    expect(copy(0x2800)).toEqual({ status: STATUS_PARTIAL_COPY, copied: 0x1ffb });
    expect(copy(4, 0x90000)).toEqual({ status: STATUS_ACCESS_VIOLATION, copied: 0 });
    expect(copy(4, -0x1000)).toEqual({ status: STATUS_ACCESS_VIOLATION, copied: 0 });
  });
});
