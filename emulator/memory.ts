import { GuestFault, addressOfHalves, highHalf } from '../hal/bus/index.ts';
import type { PhysicalMemory, VirtualMemory } from '../hal/bus/index.ts';

const PAGE_SHIFT = 12;
const PAGE_SIZE = 0x1000;
const PAGE_MASK = 0xfff;
const CANONICAL_LIMIT = 2 ** 47;

/** Page flag of the core: written since the host last looked, and nothing else to do on a write. */
const PF_DIRTY = 1;

/**
 * Guest RAM, as bus masters, the kernel's routines and the debugger reach it. Every write that the host side makes to guest memory ends in
 * {@link wrote}, which keeps the three promises of a write: the page is marked dirty (checkpoints, hashes), decoded code in it is dropped, watchpoints are checked.
 */
export class GuestRam implements PhysicalMemory {
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private readonly words64: BigUint64Array;
  private readonly flags: Uint8Array;
  private readonly onWrite: (pa: number, length: number) => void;

  /**
   * @param memory linear memory of the core; never grows
   * @param base where RAM starts in it
   * @param flags the core's page flags, one byte a physical page
   * @param onWrite called after a write to a page that is not simply dirty already
   */
  constructor(
    memory: WebAssembly.Memory,
    base: number,
    size: number,
    flags: Uint8Array,
    onWrite: (pa: number, length: number) => void,
  ) {
    this.size = size;
    this.bytes = new Uint8Array(memory.buffer, base, size);
    this.view = new DataView(memory.buffer, base, size);
    this.words64 = new BigUint64Array(memory.buffer, base, size >>> 3);
    this.flags = flags;
    this.onWrite = onWrite;
  }

  /** The one function through which a write from the host side is made known. The bytes have just been written. */
  wrote(pa: number, length: number): void {
    const first = pa >>> PAGE_SHIFT,
      last = (pa + length - 1) >>> PAGE_SHIFT;
    if (first === last && this.flags[first] === PF_DIRTY) return;
    this.onWrite(pa, length);
  }

  // A DataView refuses an offset outside RAM with the RangeError that the contract asks for.
  read8(pa: number): number {
    return this.view.getUint8(pa);
  }
  read16(pa: number): number {
    return this.view.getUint16(pa, true);
  }
  read32(pa: number): number {
    return this.view.getUint32(pa, true);
  }
  read64(pa: number): bigint {
    return (pa & 7) === 0 && pa + 8 <= this.size && pa >= 0 ? this.words64[pa / 8] : this.view.getBigUint64(pa, true);
  }
  write8(pa: number, value: number): void {
    this.view.setUint8(pa, value);
    this.wrote(pa, 1);
  }
  write16(pa: number, value: number): void {
    this.view.setUint16(pa, value, true);
    this.wrote(pa, 2);
  }
  write32(pa: number, value: number): void {
    this.view.setUint32(pa, value, true);
    this.wrote(pa, 4);
  }
  write64(pa: number, value: bigint): void {
    if ((pa & 7) === 0 && pa + 8 <= this.size && pa >= 0) this.words64[pa / 8] = value;
    else this.view.setBigUint64(pa, value, true);
    this.wrote(pa, 8);
  }

  readBytes(pa: number, length: number): Uint8Array {
    this.check(pa, length);
    return this.bytes.slice(pa, pa + length);
  }
  writeBytes(pa: number, bytes: Uint8Array): void {
    this.check(pa, bytes.length);
    if (bytes.length === 0) return;
    this.bytes.set(bytes, pa);
    this.wrote(pa, bytes.length);
  }
  fill(pa: number, length: number, value: number): void {
    this.check(pa, length);
    if (length === 0) return;
    this.bytes.fill(value, pa, pa + length);
    this.wrote(pa, length);
  }

  private check(pa: number, length: number): void {
    if (!(pa >= 0 && length >= 0 && pa + length <= this.size)) {
      throw new RangeError(`physical address 0x${pa.toString(16)} + ${length} bytes: RAM ends at 0x${this.size.toString(16)}`);
    }
  }
}

/** What {@link PagedMemory} needs of its processor. */
export interface PagingState {
  /** CR0.PG: without it a linear address is a physical one. */
  paging(): boolean;
  /** CR0.WP: a write at CPL 0 respects read-only pages. */
  writeProtect(): boolean;
  /** Physical address of the PML4. */
  root(): number;
  /** An access to a physical address that is not RAM; size 1, 2 or 4. */
  deviceRead(pa: number, size: number): number;
  deviceWrite(pa: number, size: number, value: number): void;
}

const CACHE_ENTRIES = 1024;
const CACHE_MASK = CACHE_ENTRIES - 1;

const P = 1,
  RW = 2,
  PS = 0x80;
const ERROR_PRESENT = 1,
  ERROR_WRITE = 2,
  ERROR_RESERVED = 8;
const VECTOR_GP = 13,
  VECTOR_PF = 14;

/**
 * Memory through a processor's page tables at CPL 0 (SDM vol. 3, 4.5). The tables are walked here, in RAM, and a walk's result is remembered in a small
 * direct-mapped cache. The cache must not be observable: it is emptied (by counting up a generation) each time the guest has run, and by INVLPG and CR writes
 * that the kernel makes itself, so what a routine sees depends on the page tables alone and not on what happened to be asked before.
 */
export class PagedMemory implements VirtualMemory {
  private readonly ram: GuestRam;
  private readonly view: DataView;
  private readonly state: PagingState;

  private readonly readTag = new Float64Array(CACHE_ENTRIES).fill(0.5);
  private readonly writeTag = new Float64Array(CACHE_ENTRIES).fill(0.5);
  /** The page of RAM of an entry, for reads and for writes. */
  private readonly page = new Float64Array(CACHE_ENTRIES);
  /** Entries in use since the cache was last emptied; when there are few, emptying touches only them. */
  private readonly used = new Int32Array(CACHE_ENTRIES);
  private usedCount = 0;

  /** Results of the last walk: whether the page is writable, or why there is none (bits of the #PF error code). */
  private walkWritable = false;
  private walkError = 0;
  private walkKey = 0;
  onFault: ((va: number, write: boolean) => boolean) | null = null;
  refuses: ((va: number, key: number) => boolean) | null = null;

  constructor(ram: GuestRam, state: PagingState) {
    this.ram = ram;
    this.view = ram.view;
    this.state = state;
  }

  /** Forgets every remembered translation. */
  invalidate(): void {
    for (let n = 0; n < this.usedCount; n++) {
      const i = this.used[n]!;
      this.readTag[i] = 0.5;
      this.writeTag[i] = 0.5;
    }
    this.usedCount = 0;
  }

  read8(va: number): number {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK;
    if (this.readTag[i] === va - (lo & PAGE_MASK)) return this.view.getUint8(this.page[i] + (lo & PAGE_MASK));
    return this.readSlow(va, 1);
  }
  read16(va: number): number {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.readTag[i] === va - at && at <= PAGE_SIZE - 2) return this.view.getUint16(this.page[i] + at, true);
    return this.readSlow(va, 2);
  }
  read32(va: number): number {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.readTag[i] === va - at && at <= PAGE_SIZE - 4) return this.view.getUint32(this.page[i] + at, true);
    return this.readSlow(va, 4);
  }
  readI32(va: number): number {
    return this.read32(va) | 0;
  }
  read64(va: number): bigint {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.readTag[i] === va - at && at <= PAGE_SIZE - 8) return this.ram.read64(this.page[i] + at);
    const pa = this.span(va, 8, false);
    if (pa >= 0) return this.ram.read64(pa);
    return new DataView(this.readBytes(va, 8).buffer).getBigUint64(0, true);
  }
  readPtr(va: number): number {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    let low: number, high: number;
    if (this.readTag[i] === va - at && at <= PAGE_SIZE - 8) {
      const pa = this.page[i] + at;
      low = this.view.getUint32(pa, true);
      high = this.view.getInt32(pa + 4, true);
    } else {
      low = this.readSlow(va, 4);
      high = this.readSlow(va + 4, 4) | 0;
    }
    // Bits 63-47 of a canonical address are all equal, so the upper half lies in -8000h..7FFFh.
    if (high < -0x8000 || high > 0x7fff) throw new GuestFault(VECTOR_GP, 0, va);
    return addressOfHalves(low, high);
  }

  write8(va: number, value: number): void {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.writeTag[i] === va - at) {
      const pa = this.page[i] + at;
      this.view.setUint8(pa, value);
      this.ram.wrote(pa, 1);
    } else this.writeSlow(va, 1, value);
  }
  write16(va: number, value: number): void {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.writeTag[i] === va - at && at <= PAGE_SIZE - 2) {
      const pa = this.page[i] + at;
      this.view.setUint16(pa, value, true);
      this.ram.wrote(pa, 2);
    } else this.writeSlow(va, 2, value);
  }
  write32(va: number, value: number): void {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.writeTag[i] === va - at && at <= PAGE_SIZE - 4) {
      const pa = this.page[i] + at;
      this.view.setUint32(pa, value, true);
      this.ram.wrote(pa, 4);
    } else this.writeSlow(va, 4, value);
  }
  write64(va: number, value: bigint): void {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.writeTag[i] === va - at && at <= PAGE_SIZE - 8) this.ram.write64(this.page[i] + at, value);
    else this.write32Pair(va, Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
  }
  writePtr(va: number, value: number): void {
    this.write32Pair(va, value >>> 0, highHalf(value));
  }

  private write32Pair(va: number, low: number, high: number): void {
    const lo = va >>> 0,
      i = (lo >>> PAGE_SHIFT) & CACHE_MASK,
      at = lo & PAGE_MASK;
    if (this.writeTag[i] === va - at && at <= PAGE_SIZE - 8) {
      const pa = this.page[i] + at;
      this.view.setUint32(pa, low, true);
      this.view.setUint32(pa + 4, high, true);
      this.ram.wrote(pa, 8);
      return;
    }
    this.probe(va, 8, true);
    this.writeSlow(va, 4, low);
    this.writeSlow(va + 4, 4, high);
  }

  readBytes(va: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const chunk = Math.min(length - done, PAGE_SIZE - ((va + done) & PAGE_MASK));
      const pa = this.span(va + done, chunk, false);
      if (pa >= 0) out.set(this.ram.bytes.subarray(pa, pa + chunk), done);
      else for (let i = 0; i < chunk; i++) out[done + i] = this.readSlow(va + done + i, 1);
      done += chunk;
    }
    return out;
  }

  writeBytes(va: number, bytes: Uint8Array): void {
    this.probe(va, bytes.length, true);
    for (let done = 0; done < bytes.length;) {
      const chunk = Math.min(bytes.length - done, PAGE_SIZE - ((va + done) & PAGE_MASK));
      const pa = this.span(va + done, chunk, true);
      if (pa >= 0) this.ram.writeBytes(pa, bytes.subarray(done, done + chunk));
      else for (let i = 0; i < chunk; i++) this.writeSlow(va + done + i, 1, bytes[done + i]);
      done += chunk;
    }
  }

  fill(va: number, length: number, value: number): void {
    this.probe(va, length, true);
    for (let done = 0; done < length;) {
      const chunk = Math.min(length - done, PAGE_SIZE - ((va + done) & PAGE_MASK));
      const pa = this.span(va + done, chunk, true);
      if (pa >= 0) this.ram.fill(pa, chunk, value);
      else for (let i = 0; i < chunk; i++) this.writeSlow(va + done + i, 1, value);
      done += chunk;
    }
  }

  copy(to: number, from: number, length: number): void {
    if (length === 0) return;
    const source = this.span(from, length, false),
      target = this.span(to, length, true);
    if (source >= 0 && target >= 0) {
      this.ram.bytes.copyWithin(target, source, source + length);
      this.ram.wrote(target, length);
    } else {
      this.writeBytes(to, this.readBytes(from, length));
    }
  }

  probe(va: number, length: number, write: boolean): void {
    if (length <= 0) return;
    const last = va + length - 1;
    for (let page = va - ((va >>> 0) & PAGE_MASK); page <= last; page += PAGE_SIZE) {
      const address = Math.max(page, va),
        i = ((page >>> 0) >>> PAGE_SHIFT) & CACHE_MASK;
      if ((write ? this.writeTag : this.readTag)[i] !== page) this.physical(address, write);
    }
  }

  translate(va: number): number {
    const at = (va >>> 0) & PAGE_MASK,
      i = ((va >>> 0) >>> PAGE_SHIFT) & CACHE_MASK;
    if (this.readTag[i] === va - at) return this.page[i] + at;
    if (!isCanonical(va)) return -1;
    if (!this.state.paging()) return va;
    return this.walk(va);
  }

  /** Physical address of a range that lies in one page of RAM, or -1 when it crosses pages or is not RAM. Throws GuestFault when it may not be accessed. */
  private span(va: number, length: number, write: boolean): number {
    const at = (va >>> 0) & PAGE_MASK;
    if (at + length > PAGE_SIZE) return -1;
    const i = ((va >>> 0) >>> PAGE_SHIFT) & CACHE_MASK;
    if ((write ? this.writeTag : this.readTag)[i] === va - at) return this.page[i] + at;
    const pa = this.physical(va, write);
    return pa + length <= this.ram.size ? pa : -1;
  }

  private readSlow(va: number, size: 1 | 2 | 4): number {
    const pa = this.span(va, size, false);
    if (pa >= 0)
      return size === 1 ? this.view.getUint8(pa) : size === 2 ? this.view.getUint16(pa, true) : this.view.getUint32(pa, true);
    if (((va >>> 0) & PAGE_MASK) + size <= PAGE_SIZE) return this.state.deviceRead(this.physical(va, false), size);
    this.probe(va, size, false);
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readSlow(va + i, 1) << (8 * i);
    return value >>> 0;
  }

  private writeSlow(va: number, size: 1 | 2 | 4, value: number): void {
    const pa = this.span(va, size, true);
    if (pa >= 0) {
      if (size === 1) this.view.setUint8(pa, value);
      else if (size === 2) this.view.setUint16(pa, value, true);
      else this.view.setUint32(pa, value, true);
      this.ram.wrote(pa, size);
    } else if (((va >>> 0) & PAGE_MASK) + size <= PAGE_SIZE) {
      this.state.deviceWrite(this.physical(va, true), size, value);
    } else {
      this.probe(va, size, true);
      for (let i = 0; i < size; i++) this.writeSlow(va + i, 1, (value >>> (8 * i)) & 0xff);
    }
  }

  /** Translates and remembers. Throws GuestFault: #GP(0) for a non-canonical address, else #PF. */
  private physical(va: number, write: boolean): number {
    if (!isCanonical(va)) throw new GuestFault(VECTOR_GP, 0, va);
    let pa: number;
    if (!this.state.paging()) {
      pa = va;
      this.walkWritable = true;
      this.walkKey = 0;
    } else {
      pa = this.walk(va);
      if (pa < 0 || (write && !this.walkWritable && this.state.writeProtect())) {
        const present = pa >= 0 ? ERROR_PRESENT : this.walkError;
        if (this.onFault?.(va, write)) pa = this.walk(va);
        else throw new GuestFault(VECTOR_PF, present | (write ? ERROR_WRITE : 0), va);
      }
    }
    if (this.walkKey !== 0 && this.refuses?.(va, this.walkKey)) throw new GuestFault(VECTOR_PF, write ? ERROR_WRITE : 0, va);
    const writable = this.walkWritable || !this.state.writeProtect();
    if (pa < 0 || (write && !writable))
      throw new GuestFault(VECTOR_PF, pa < 0 ? this.walkError : ERROR_PRESENT | ERROR_WRITE, va);
    const at = (va >>> 0) & PAGE_MASK,
      page = pa - at;
    if (page >= 0 && page + PAGE_SIZE <= this.ram.size) {
      const i = ((va >>> 0) >>> PAGE_SHIFT) & CACHE_MASK;
      if (this.readTag[i] === 0.5 && this.writeTag[i] === 0.5) this.used[this.usedCount++] = i;
      this.readTag[i] = va - at;
      // One slot serves both kinds: a write entry that another page left must go.
      this.writeTag[i] = writable ? va - at : 0.5;
      this.page[i] = page;
    }
    return pa;
  }

  /** 4-level walk (SDM vol. 3, 4.5.4): the physical address, or -1 and walkError when an entry is not present or has reserved bits set. Sets walkWritable. */
  private walk(va: number): number {
    const lo = va >>> 0,
      hi = highHalf(va);
    let writable = RW;
    let table = this.state.root();
    for (let level = 4; level >= 1; level--) {
      const index =
        (level === 4 ? hi >>> 7 : level === 3 ? (hi << 2) | (lo >>> 30) : level === 2 ? lo >>> 21 : lo >>> 12) & 0x1ff;
      const at = table + index * 8;
      const entry = at + 8 <= this.ram.size ? this.view.getUint32(at, true) : 0;
      if ((entry & P) === 0) return this.noPage(0);
      const high = this.view.getUint32(at + 4, true);
      // Physical addresses have 32 bits here, so bits 51-32 of an entry are reserved.
      if ((high & 0xfffff) !== 0) return this.noPage(ERROR_PRESENT | ERROR_RESERVED);
      writable &= entry;
      const offsetMask = level === 1 ? PAGE_MASK : (entry & PS) === 0 ? 0 : level === 2 ? 0x1fffff : level === 3 ? 0x3fffffff : 0;
      if (offsetMask !== 0) {
        this.walkWritable = writable !== 0;
        this.walkKey = (high >>> 27) & 15;
        return ((entry & 0xfffff000 & ~offsetMask) | (lo & offsetMask)) >>> 0;
      }
      table = (entry & 0xfffff000) >>> 0;
    }
    return this.noPage(0);
  }

  private noPage(error: number): number {
    this.walkKey = 0;
    this.walkError = error;
    return -1;
  }
}

function isCanonical(va: number): boolean {
  return va >= -CANONICAL_LIMIT && va < CANONICAL_LIMIT;
}
