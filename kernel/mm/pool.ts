import { addressOfHalves } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { BAD_POOL_CALLER, BAD_POOL_HEADER } from '../types/bugcodes.ts';
import { MM_HIGHEST_USER_ADDRESS, MM_SYSTEM_RANGE_START, PAGE_SIZE, pageOffset } from './layout.ts';
import { injectKernelFailure } from '../verifier/inject.ts';
import { poolFreed } from '../verifier/pool.ts';
import { insertHeadList, removeEntryList } from '../rtl/list.ts';
import { POOL_DESCRIPTOR, POOL_LISTS } from './globals.ts';
import {
  allocateBigPages,
  allocatePoolPages,
  bigPageEntry,
  freeBigPages,
  freePoolPages,
  inPool,
  isPoolPageInUse,
} from './poolpages.ts';
import { mmPageIn } from './paging.ts';
import { chargePoolQuota, returnPoolQuota } from './poolquota.ts';
import { inSpecialPool, specialBlockAt, specialFree, specialProcessBilled } from './specialpool.ts';

/*
 * Pool as x64 NT has it: each block has a 16-byte POOL_HEADER; sizes count 16-byte units; blocks of one page lie end to end and know the size of the one
 * before, so that neighbours coalesce. Free blocks are on a list for their size, linked through their first 16 bytes. Allocations of more than a page less
 * the header take whole pages and have no header: a table remembers them.
 */

const HEADER = 16;
const UNIT = 16;
const UNITS_PER_PAGE = PAGE_SIZE / UNIT;
/** Largest block with a header. */
const SMALL_MAX = PAGE_SIZE - HEADER;
/** Smallest block: a header and the links of a free one. */
const MIN_UNITS = 2;

// Byte offsets in POOL_HEADER.
const PREVIOUS_SIZE = 0,
  BLOCK_SIZE = 2,
  POOL_TYPE = 3,
  TAG = 4,
  BILLED = 8;
/** POOL_HEADER.PoolType while the block is in use: this bit and bit 0 of the pool type (paged). */
const IN_USE = 0x02;

const F = POOL_DESCRIPTOR.f;
const LIST_HEADS = F.ListHeads.offset,
  SUMMARY = F.ListSummary.offset;

/** Descriptor of the pool that `poolType` names. Types with bit 0 are paged. NonPagedPool and NonPagedPoolNx share one. */
function descriptor(k: Kernel, poolType: number): number {
  return k.global.address(poolType & 1 ? 'MmPagedPool' : 'MmNonPagedPool');
}

function setHeader(k: Kernel, block: number, previous: number, units: number, type: number): void {
  k.mem.write32(block, (previous | (units << 16) | (type << 24)) >>> 0);
}

function insertFree(k: Kernel, pool: number, block: number, units: number): void {
  const head = pool + LIST_HEADS + (units - 1) * 16;
  insertHeadList(k.mem, head, block + HEADER);
  const word = pool + SUMMARY + ((units - 1) >>> 5) * 4;
  k.mem.write32(word, (k.mem.read32(word) | (1 << ((units - 1) & 31))) >>> 0);
}

/** A link in freed memory, which anybody can have written over: 0 for one that is no address. */
function linkAt(k: Kernel, at: number): number {
  const high = k.mem.readI32(at + 4);
  return high < -0x8000 || high > 0x7fff ? 0 : addressOfHalves(k.mem.read32(at), high);
}

/** Whether an address can be read, after bringing its page back if it was trimmed. */
const isThere = (k: Kernel, address: number): boolean => k.mem.translate(address) >= 0 || mmPageIn(k, address);

function removeFree(k: Kernel, pool: number, block: number, units: number): void {
  const link = block + HEADER;
  const flink = linkAt(k, link),
    blink = linkAt(k, link + 8);
  if (!isThere(k, flink) || !isThere(k, blink) || k.mem.readPtr(flink + 8) !== link || k.mem.readPtr(blink) !== link)
    k.bugCheck(BAD_POOL_HEADER, 3, link, flink, blink, 'the pool freelist is corrupt');
  removeEntryList(k.mem, link);
  const head = pool + LIST_HEADS + (units - 1) * 16;
  if (k.mem.readPtr(head) === head) {
    const word = pool + SUMMARY + ((units - 1) >>> 5) * 4;
    k.mem.write32(word, (k.mem.read32(word) & ~(1 << ((units - 1) & 31))) >>> 0);
  }
}

/** Smallest list with at least `units` that has a block; 0 when there is none. */
function findList(k: Kernel, pool: number, units: number): number {
  for (let w = (units - 1) >>> 5; w < POOL_LISTS / 32; w++) {
    let bits = k.mem.read32(pool + SUMMARY + w * 4);
    if (w === (units - 1) >>> 5) bits = (bits & (0xffffffff << ((units - 1) & 31))) >>> 0;
    if (bits) return w * 32 + (31 - Math.clz32(bits & -bits)) + 1;
  }
  return 0;
}

const isPageStart = (address: number): boolean => pageOffset(address) === 0;

function bump(k: Kernel, pool: number, field: 'RunningAllocs' | 'RunningDeAllocs', bytes: number): void {
  F[field].set(k.mem, pool, F[field].get(k.mem, pool) + 1);
  const total = pool + F.TotalBytes.offset;
  k.mem.writePtr(total, k.mem.readPtr(total) + bytes);
}

/**
 * Allocates pool: 16-byte aligned, page-aligned from a page up; contents undefined (what was there before). 0 bytes count as 1. Returns 0 when there is not enough.
 * @param poolType POOL_TYPE; bit 0 = paged. Bits for quota, raising and must-succeed are the callers' business.
 * @param bytes from 0; more than the pool holds gives 0
 * @param tag four characters, little endian
 * @param process EPROCESS that pays for it (a block with a header), or 0
 */
export function exAllocatePool(k: Kernel, poolType: number, bytes: number, tag: number, process = 0): number {
  if (k.config.verifier && injectKernelFailure(k)) return 0;
  const pool = descriptor(k, poolType);
  // The protected-pool bit does not belong to the tag.
  const realTag = (tag & 0x7fffffff) >>> 0;
  if (bytes > SMALL_MAX || (poolType & 4 && bytes > SMALL_MAX - 48)) {
    const va = bytes < 0x40000000 ? allocateBigPages(k, pool, bytes, realTag) : 0;
    if (va) bump(k, pool, 'RunningAllocs', bytes);
    return va;
  }
  const units = Math.max(MIN_UNITS, Math.ceil((Math.max(bytes, 1) + HEADER) / UNIT));
  const list = findList(k, pool, units);
  let block: number, have: number, previous: number;
  if (list) {
    block = k.mem.readPtr(pool + LIST_HEADS + (list - 1) * 16) - HEADER;
    have = k.mem.read8(block + BLOCK_SIZE);
    if (have !== list)
      k.bugCheck(
        BAD_POOL_HEADER,
        0x20,
        block,
        block + list * UNIT,
        k.mem.read32(block),
        'the size in the header of a free pool block is corrupt',
      );
    removeFree(k, pool, block, list);
    previous = k.mem.read8(block + PREVIOUS_SIZE);
  } else {
    block = allocatePoolPages(k, pool, 1);
    if (!block) return 0;
    have = UNITS_PER_PAGE;
    previous = 0;
  }
  const rest = have - units;
  const taken = rest >= MIN_UNITS ? units : have;
  setHeader(k, block, previous, taken & 0xff, (poolType & 1) | IN_USE);
  k.mem.write32(block + TAG, realTag);
  k.mem.writePtr(block + 8, process);
  if (rest >= MIN_UNITS) {
    const free = block + units * UNIT;
    setHeader(k, free, units, rest, 0);
    k.mem.write32(free + TAG, 0);
    insertFree(k, pool, free, rest);
    const after = free + rest * UNIT;
    if (!isPageStart(after)) k.mem.write8(after + PREVIOUS_SIZE, rest);
  }
  if (process) chargePoolQuota(k, process, poolType, taken * UNIT);
  bump(k, pool, 'RunningAllocs', taken * UNIT);
  return block + HEADER;
}

/**
 * Frees pool. A bad address, a second free or a damaged header is the guest's fault: bug check 0xC2 or 0x19 with the WDK's subcodes.
 * @param tag 0 for any; else it must be the allocation's
 */
export function exFreePool(k: Kernel, va: number, tag: number): void {
  if (k.config.verifier) poolFreed(k, va);
  if (inSpecialPool(k, va)) {
    specialFree(k, va, tag);
    return;
  }
  if (va >= 0 && va <= MM_HIGHEST_USER_ADDRESS)
    k.bugCheck(
      BAD_POOL_CALLER,
      va < 0x10000 ? 0x46 : 0x40,
      va,
      va < 0x10000 ? 0 : MM_SYSTEM_RANGE_START,
      0,
      'an address that is not in any pool was freed',
    );
  const pool = inPool(k, va);
  if (!pool) k.bugCheck(BAD_POOL_CALLER, 0x42, va, 0, 0, 'an address that was never in any pool was freed');
  const wanted = (tag & 0x7fffffff) >>> 0;
  if (isPageStart(va)) {
    const entry = bigPageEntry(k, va);
    if (entry === null)
      k.bugCheck(
        BAD_POOL_HEADER,
        0x22,
        va,
        0,
        0,
        'the address being freed has no tracking entry: it was freed before, or never allocated',
      );
    if (wanted && entry.tag !== wanted)
      k.bugCheck(
        BAD_POOL_CALLER,
        0x0a,
        va,
        entry.tag,
        wanted,
        'the pool block was freed with another tag than it was allocated with',
      );
    freeBigPages(k, pool, va);
    bump(k, pool, 'RunningDeAllocs', -entry.bytes);
    return;
  }
  const block = va - HEADER;
  if (k.mem.translate(va) < 0 && isPoolPageInUse(k, pool, va - pageOffset(va))) mmPageIn(k, va);
  if (pageOffset(va) % UNIT !== 0 || k.mem.translate(block) < 0)
    k.bugCheck(BAD_POOL_CALLER, 0x99, va, 0, 0, 'an address that no pool block starts at was freed');
  const type = k.mem.read8(block + POOL_TYPE);
  const previous = k.mem.read8(block + PREVIOUS_SIZE);
  const units = k.mem.read8(block + BLOCK_SIZE) || UNITS_PER_PAGE;
  if (type === 0) k.bugCheck(BAD_POOL_CALLER, 7, 0, k.mem.read32(block), va, 'a pool block was freed that is free already');
  if (!(type & IN_USE) || (type & 1) !== (pool === k.global.address('MmPagedPool') ? 1 : 0)) {
    // The type byte cannot have come from this allocator.
    k.bugCheck(BAD_POOL_CALLER, 0x99, va, 0, 0, 'the header of the pool block being freed is corrupt, or no block starts there');
  }
  const blockTag = k.mem.read32(block + TAG);
  const after = block + units * UNIT;
  if (pageOffset(block) + units * UNIT > PAGE_SIZE)
    k.bugCheck(BAD_POOL_HEADER, 0x20, block, after, k.mem.read32(block), 'the size in a pool block header is corrupt');
  if (!isPageStart(after) && k.mem.read8(after + PREVIOUS_SIZE) !== (units & 0xff))
    k.bugCheck(
      BAD_POOL_HEADER,
      0x20,
      block,
      after,
      k.mem.read32(block),
      'the pool block before this one was overrun: sizes in neighbouring headers do not agree',
    );
  const before = previous ? block - previous * UNIT : 0;
  if (previous && (pageOffset(block) < previous * UNIT || (k.mem.read8(before + BLOCK_SIZE) || UNITS_PER_PAGE) !== previous))
    k.bugCheck(
      BAD_POOL_HEADER,
      0x20,
      before,
      block,
      k.mem.read32(block),
      'the size of the previous block in a pool block header is corrupt',
    );
  if (wanted && blockTag !== wanted)
    k.bugCheck(
      BAD_POOL_CALLER,
      0x0a,
      va,
      blockTag,
      wanted,
      'the pool block was freed with another tag than it was allocated with',
    );

  bump(k, pool, 'RunningDeAllocs', -units * UNIT);
  const billed = k.mem.readPtr(block + BILLED);
  if (billed) returnPoolQuota(k, billed, type, units * UNIT);
  let start = block,
    size = units,
    back = previous;
  if (!isPageStart(after) && k.mem.read8(after + POOL_TYPE) === 0) {
    const more = k.mem.read8(after + BLOCK_SIZE);
    removeFree(k, pool, after, more);
    size += more;
  }
  // The freed block's own header keeps saying that it is free, so that a second free is recognised even after it was joined to the one before.
  setHeader(k, block, previous, units & 0xff, 0);
  if (before && k.mem.read8(before + POOL_TYPE) === 0) {
    removeFree(k, pool, before, previous);
    start = before;
    size += previous;
    back = k.mem.read8(before + PREVIOUS_SIZE);
  }
  if (size === UNITS_PER_PAGE) {
    freePoolPages(k, pool, start, 1);
    return;
  }
  setHeader(k, start, back, size, 0);
  insertFree(k, pool, start, size);
  const end = start + size * UNIT;
  if (!isPageStart(end)) k.mem.write8(end + PREVIOUS_SIZE, size);
}

/** EPROCESS that was charged for the block at `va`, or 0. */
export function poolProcessBilled(k: Kernel, va: number): number {
  if (inSpecialPool(k, va)) return specialProcessBilled(k, va);
  return inPool(k, va) && !isPageStart(va) ? k.mem.readPtr(va - HEADER + BILLED) : 0;
}

/** What a pool address belongs to, for the debugger and for quota: start and size of the allocation, its tag; null when there is none. */
export function poolBlockAt(
  k: Kernel,
  address: number,
): { start: number; bytes: number; tag: number; free: boolean; big: boolean } | null {
  const special = specialBlockAt(k, address);
  if (special) return { ...special, free: special.freed, big: special.bytes >= PAGE_SIZE };
  const pool = inPool(k, address);
  if (!pool) return null;
  const page = address - pageOffset(address);
  if (!isPoolPageInUse(k, pool, page)) return null;
  // An allocation of several pages is known by its first page.
  const base = POOL_DESCRIPTOR.f.Base.get(k.mem, pool);
  for (let first = page; first >= base && isPoolPageInUse(k, pool, first); first -= PAGE_SIZE) {
    const big = bigPageEntry(k, first);
    if (!big) continue;
    if (page < first + big.bytes) return { start: first, bytes: big.bytes, tag: big.tag, free: false, big: true };
    break;
  }
  for (let block = page; block < page + PAGE_SIZE;) {
    const units = k.mem.read8(block + BLOCK_SIZE) || UNITS_PER_PAGE;
    if (address < block + units * UNIT)
      return {
        start: block + HEADER,
        bytes: units * UNIT - HEADER,
        tag: k.mem.read32(block + TAG),
        free: k.mem.read8(block + POOL_TYPE) === 0,
        big: false,
      };
    block += units * UNIT;
  }
  return null;
}
