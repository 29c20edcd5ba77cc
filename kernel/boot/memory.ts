import type { PhysicalMemory } from '../../hal/bus/memory.ts';
import type { BuiltImage, KernelImages } from '../image/build.ts';
import {
  type BootMemory,
  DOUBLE_FAULT_STACK_TOP,
  DPC_STACK_TOP,
  GDT_OFFSET,
  IDLE_STACK_TOP,
  IDT_OFFSET,
  IO_APIC_PA,
  IO_APIC_VA,
  KERNEL_STACK_SIZE,
  KUSER_SHARED_DATA,
  LARGE_PAGE_SIZE,
  LOCAL_APIC_PA,
  LOCAL_APIC_VA,
  low48,
  MACHINE_CHECK_STACK_TOP,
  NMI_STACK_TOP,
  NONPAGED_POOL_BASE,
  PAGE_SIZE,
  PAGED_POOL_BASE,
  PCR_SIZE,
  PFN_DATABASE,
  PROCESSOR_AREA,
  PROCESSOR_BASE,
  PTE_ACCESSED,
  PTE_CACHE_DISABLE,
  PTE_DIRTY,
  PTE_GLOBAL,
  PTE_NO_EXECUTE,
  PTE_PFN_MASK,
  PTE_SELF_MAP_INDEX,
  PTE_USER,
  PTE_VALID,
  PTE_WRITE,
  PTE_WRITE_THROUGH,
  SPECIAL_POOL_BASE,
  SPECIAL_POOL_TABLE,
  SYSTEM_PTES_BASE,
  TSS_OFFSET,
  USER_SHARED_DATA,
} from '../mm/layout.ts';

/**
 * What the boot loader does to memory: the kernel's images, page tables for all that the kernel needs before it can map things itself, and the nonpaged pool, one
 * range of physical memory at the top of RAM.
 */

/** The first MiB is left to devices of old; it holds nothing of the kernel. */
const FIRST_PAGE = 0x100;
const MIN_RAM = 16 * 1024 * 1024;
const TABLE_BITS = PTE_VALID | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY;
const DATA = PTE_VALID | PTE_WRITE | PTE_NO_EXECUTE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL;

/** Page tables under construction. Pages come from the bottom of free RAM, one after the other. */
export class TableBuilder {
  readonly memory: PhysicalMemory;
  readonly root: number;
  private nextPage: number;
  private readonly limit: number;

  constructor(memory: PhysicalMemory, firstPage: number, limitPage: number) {
    this.memory = memory;
    this.nextPage = firstPage;
    this.limit = limitPage;
    this.root = this.take();
    memory.write64(this.root + PTE_SELF_MAP_INDEX * 8, BigInt(this.root) | TABLE_BITS | PTE_NO_EXECUTE);
  }
  /** Physical address of `count` fresh pages in a row, zeroed. */
  take(count = 1): number {
    const pa = this.nextPage * PAGE_SIZE;
    this.nextPage += count;
    if (this.nextPage > this.limit) throw new RangeError('there is not enough RAM for the kernel');
    this.memory.fill(pa, count * PAGE_SIZE, 0);
    return pa;
  }
  get firstFreePage(): number {
    return this.nextPage;
  }
  /** Physical address of the entry of level `level` for `va` (0 = PTE, 2 = PDPTE), with the tables above it. */
  private entry(va: number, level: number, user: boolean): number {
    let table = this.root;
    for (let l = 3; l > level; l--) {
      const at = table + (Math.floor(low48(va) / (PAGE_SIZE * 512 ** l)) % 512) * 8;
      let e = this.memory.read64(at);
      if (!(e & PTE_VALID)) {
        e = BigInt(this.take()) | TABLE_BITS | (user ? PTE_USER : 0n);
        this.memory.write64(at, e);
      }
      table = Number(e & PTE_PFN_MASK);
    }
    return table + (Math.floor(low48(va) / (PAGE_SIZE * 512 ** level)) % 512) * 8;
  }
  map(va: number, pa: number, pages: number, bits: bigint): void {
    for (let i = 0; i < pages; i++)
      this.memory.write64(this.entry(va + i * PAGE_SIZE, 0, (bits & PTE_USER) !== 0n), BigInt(pa + i * PAGE_SIZE) | bits);
  }
  /** Makes sure that the page-directory-pointer table of `va` exists: processes made later share it. */
  reserve(va: number): void {
    this.entry(va, 2, false);
  }
}

function mapImage(t: TableBuilder, image: BuiltImage): void {
  const pages = image.bytes.length / PAGE_SIZE;
  const pa = t.take(pages);
  t.memory.writeBytes(pa, image.bytes);
  const READ_ONLY = PTE_VALID | PTE_ACCESSED | PTE_GLOBAL;
  t.map(image.base, pa, 1, READ_ONLY | PTE_NO_EXECUTE);
  for (const s of image.sections) {
    const bits = READ_ONLY | (s.write ? PTE_WRITE | PTE_DIRTY : 0n) | (s.execute ? 0n : PTE_NO_EXECUTE);
    t.map(image.base + s.rva, pa + s.rva, Math.ceil(s.size / PAGE_SIZE), bits);
  }
}

function mapProcessorArea(t: TableBuilder, index: number): void {
  const base = PROCESSOR_BASE + index * PROCESSOR_AREA;
  const fresh = (offset: number, bytes: number): void => t.map(base + offset, t.take(bytes / PAGE_SIZE), bytes / PAGE_SIZE, DATA);
  fresh(0, PCR_SIZE);
  for (const offset of [GDT_OFFSET, IDT_OFFSET, TSS_OFFSET]) fresh(offset, PAGE_SIZE);
  for (const top of [IDLE_STACK_TOP, DPC_STACK_TOP, DOUBLE_FAULT_STACK_TOP, NMI_STACK_TOP, MACHINE_CHECK_STACK_TOP])
    fresh(top - KERNEL_STACK_SIZE, KERNEL_STACK_SIZE);
}

/** A quarter of RAM, between 4 and 256 MiB, in units of 2 MiB. */
const poolBytes = (ram: number): number => Math.max(2, Math.min(128, Math.floor(ram / 4 / LARGE_PAGE_SIZE))) * LARGE_PAGE_SIZE;

/** Lays memory out. Throws a RangeError when RAM is less than 16 MiB. */
export function buildMemory(memory: PhysicalMemory, images: KernelImages, processors: number): BootMemory {
  if (memory.size < MIN_RAM)
    throw new RangeError(`the kernel needs at least 16 MiB of RAM, the machine has ${memory.size} bytes`);
  const poolSize = poolBytes(memory.size);
  const poolBase = Math.floor((memory.size - poolSize) / LARGE_PAGE_SIZE) * LARGE_PAGE_SIZE;
  const t = new TableBuilder(memory, FIRST_PAGE, poolBase / PAGE_SIZE);
  mapImage(t, images.nt);
  mapImage(t, images.hal);
  const shared = t.take();
  t.map(KUSER_SHARED_DATA, shared, 1, DATA);
  t.map(USER_SHARED_DATA, shared, 1, PTE_VALID | PTE_USER | PTE_NO_EXECUTE | PTE_ACCESSED);
  for (let i = 0; i < processors; i++) mapProcessorArea(t, i);
  const DEVICE = DATA | PTE_CACHE_DISABLE | PTE_WRITE_THROUGH;
  t.map(LOCAL_APIC_VA, LOCAL_APIC_PA, 1, DEVICE);
  t.map(IO_APIC_VA, IO_APIC_PA, 1, DEVICE);
  // NonPagedPool is executable, as on x64 NT before drivers asked for NonPagedPoolNx.
  t.map(NONPAGED_POOL_BASE, poolBase, poolSize / PAGE_SIZE, DATA & ~PTE_NO_EXECUTE);
  memory.fill(poolBase, poolSize, 0);
  for (const va of [PFN_DATABASE, PAGED_POOL_BASE, SYSTEM_PTES_BASE, SPECIAL_POOL_BASE, SPECIAL_POOL_TABLE]) t.reserve(va);
  return {
    firstFreePage: t.firstFreePage,
    pages: Math.floor(memory.size / PAGE_SIZE),
    poolBase,
    poolSize,
    directoryTable: t.root,
  };
}
