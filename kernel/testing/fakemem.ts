import { GuestFault, addressOfHalves, highHalf } from '../../hal/bus/memory.ts';
import type { PhysicalMemory, VirtualMemory } from '../../hal/bus/memory.ts';

const PAGE = 0x1000;

/** RAM for unit tests: an ArrayBuffer. */
export class FakePhysical implements PhysicalMemory {
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(size: number) {
    this.size = size;
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }
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
    return this.view.getBigUint64(pa, true);
  }
  write8(pa: number, value: number): void {
    this.view.setUint8(pa, value);
  }
  write16(pa: number, value: number): void {
    this.view.setUint16(pa, value, true);
  }
  write32(pa: number, value: number): void {
    this.view.setUint32(pa, value, true);
  }
  write64(pa: number, value: bigint): void {
    this.view.setBigUint64(pa, value, true);
  }
  private check(pa: number, length: number): void {
    if (!(pa >= 0 && length >= 0 && pa + length <= this.size))
      throw new RangeError(`physical address 0x${pa.toString(16)} + ${length} is outside RAM`);
  }
  readBytes(pa: number, length: number): Uint8Array {
    this.check(pa, length);
    return this.bytes.slice(pa, pa + length);
  }
  writeBytes(pa: number, bytes: Uint8Array): void {
    this.check(pa, bytes.length);
    this.bytes.set(bytes, pa);
  }
  fill(pa: number, length: number, value: number): void {
    this.check(pa, length);
    this.bytes.fill(value, pa, pa + length);
  }
}

/** Virtual memory for unit tests: walks real 4-level page tables in a {@link FakePhysical}, as the processor does at CPL 0 with CR0.WP set. */
export class FakeVirtual implements VirtualMemory {
  readonly ram: FakePhysical;
  /** Physical address of the PML4: CR3. */
  root: number;
  onFault: ((va: number, write: boolean) => boolean) | null = null;
  refuses: ((va: number, key: number) => boolean) | null = null;
  constructor(ram: FakePhysical, root: number) {
    this.ram = ram;
    this.root = root;
  }

  /** The walk's leaf: physical address, or -1 with the page-fault error bits. */
  private walk(va: number, write: boolean): { pa: number; error: number } {
    const low = va < 0 ? va + 0x1000000000000 : va;
    let table = this.root;
    for (let level = 3; level >= 0; level--) {
      const unit = PAGE * 512 ** level;
      const entry = this.ram.read64(table + (Math.floor(low / unit) % 512) * 8);
      if (!(entry & 1n)) return { pa: -1, error: write ? 2 : 0 };
      if (write && !(entry & 2n)) return { pa: -1, error: 3 };
      table = Number(entry & 0x000ffffffffff000n);
      if (level === 0 || (level <= 2 && entry & 0x80n)) return { pa: table - (table % unit) + (low % unit), error: 0 };
    }
    throw new Error('a page walk has four levels');
  }
  private address(va: number, write: boolean): number {
    let r = this.walk(va, write);
    if (r.pa < 0 && this.onFault?.(va, write)) r = this.walk(va, write);
    if (r.pa < 0) throw new GuestFault(14, r.error, va);
    return r.pa;
  }
  translate(va: number): number {
    return this.walk(va, false).pa;
  }
  probe(va: number, length: number, write: boolean): void {
    for (let at = va; at < va + length; at += PAGE - (((at % PAGE) + PAGE) % PAGE)) this.address(at, write);
  }
  read8(va: number): number {
    return this.ram.read8(this.address(va, false));
  }
  read16(va: number): number {
    return this.read8(va) | (this.read8(va + 1) << 8);
  }
  read32(va: number): number {
    return (this.read16(va) | (this.read16(va + 2) << 16)) >>> 0;
  }
  readI32(va: number): number {
    return this.read32(va) | 0;
  }
  read64(va: number): bigint {
    return (BigInt(this.read32(va + 4)) << 32n) | BigInt(this.read32(va));
  }
  readPtr(va: number): number {
    const high = this.readI32(va + 4);
    if (high < -0x8000 || high > 0x7fff) throw new GuestFault(13, 0, va);
    return addressOfHalves(this.read32(va), high);
  }
  write8(va: number, value: number): void {
    this.ram.write8(this.address(va, true), value & 0xff);
  }
  write16(va: number, value: number): void {
    this.probe(va, 2, true);
    this.write8(va, value);
    this.write8(va + 1, value >>> 8);
  }
  write32(va: number, value: number): void {
    this.probe(va, 4, true);
    this.write16(va, value & 0xffff);
    this.write16(va + 2, value >>> 16);
  }
  write64(va: number, value: bigint): void {
    this.probe(va, 8, true);
    this.write32(va, Number(value & 0xffffffffn));
    this.write32(va + 4, Number((value >> 32n) & 0xffffffffn));
  }
  writePtr(va: number, value: number): void {
    this.probe(va, 8, true);
    this.write32(va, value >>> 0);
    this.write32(va + 4, highHalf(value));
  }
  readBytes(va: number, length: number): Uint8Array {
    this.probe(va, length, false);
    return Uint8Array.from({ length }, (_, i) => this.read8(va + i));
  }
  writeBytes(va: number, bytes: Uint8Array): void {
    this.probe(va, bytes.length, true);
    bytes.forEach((b, i) => this.write8(va + i, b));
  }
  fill(va: number, length: number, value: number): void {
    this.probe(va, length, true);
    for (let i = 0; i < length; i++) this.write8(va + i, value);
  }
  copy(to: number, from: number, length: number): void {
    const bytes = this.readBytes(from, length);
    this.writeBytes(to, bytes);
  }

  /** Maps `length` bytes at `va` to `pa`, both page-aligned, read-write, with new page tables from `tables()`. */
  map(va: number, pa: number, length: number, tables: () => number): void {
    for (let off = 0; off < length; off += PAGE) {
      const low = va + off < 0 ? va + off + 0x1000000000000 : va + off;
      let table = this.root;
      for (let level = 3; level > 0; level--) {
        const at = table + (Math.floor(low / (PAGE * 512 ** level)) % 512) * 8;
        if (!(this.ram.read64(at) & 1n)) this.ram.write64(at, BigInt(tables()) | 3n);
        table = Number(this.ram.read64(at) & 0x000ffffffffff000n);
      }
      this.ram.write64(table + (Math.floor(low / PAGE) % 512) * 8, BigInt(pa + off) | 3n);
    }
  }
}

/** RAM with `length` bytes of it mapped at `base` (page-aligned): enough for a test of routines that only touch memory. */
export function fakeMemory(base: number, length = 0x100000): FakeVirtual {
  const ram = new FakePhysical(length + 0x200000);
  let next = length + PAGE;
  const mem = new FakeVirtual(ram, length);
  mem.map(base, 0, length, () => (next += PAGE) - PAGE);
  return mem;
}
