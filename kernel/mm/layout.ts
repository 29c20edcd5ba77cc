import { addressOfHalves } from '../../hal/bus/memory.ts';
/**
 * The kernel's address space. Regions lie where x64 NT had them before their bases were randomised, so that an address tells a reader what it belongs to.
 * All addresses are sign-extended numbers.
 */

const va = (hi: number, lo: number): number => addressOfHalves(lo, hi);

export const PAGE_SIZE = 0x1000;
export const LARGE_PAGE_SIZE = 0x200000;
export const MM_USER_PROBE_ADDRESS = 0x7fffffff0000;
export const MM_HIGHEST_USER_ADDRESS = 0x7ffffffeffff;
/** First address of the upper canonical half. */
export const MM_SYSTEM_RANGE_START = va(0xffff8000, 0);

/** The page tables map themselves through this PML4 entry (Intel SDM vol. 3, 4.5 for the walk; the self-map is NT's own idea). */
export const PTE_SELF_MAP_INDEX = 0x1ed;
export const PTE_BASE = va(0xfffff680, 0);
export const PDE_BASE = va(0xfffff6fb, 0x40000000);
export const PPE_BASE = va(0xfffff6fb, 0x7da00000);
export const PXE_BASE = va(0xfffff6fb, 0x7dbed000);

/** The page that the kernel shares with everybody: read-write here, read-only for user mode at 0x7FFE0000. */
export const KUSER_SHARED_DATA = va(0xfffff780, 0);
export const USER_SHARED_DATA = 0x7ffe0000;

/** Images of user mode: ntdll, and the program of a process. */
export const NTDLL_BASE = 0x7ffb00000000,
  PROGRAM_BASE = 0x7ff700000000;

/** Images: the kernel, the HAL, then the drivers one after the other. */
export const NTOSKRNL_BASE = va(0xfffff800, 0x02a00000);
export const HAL_BASE = va(0xfffff800, 0x04a00000);
export const DRIVER_IMAGES_BASE = va(0xfffff800, 0x10000000);
export const DRIVER_IMAGES_END = va(0xfffff800, 0x40000000);

/** System page-table entries: MDL mappings, I/O space, contiguous memory. */
export const SYSTEM_PTES_BASE = va(0xfffff880, 0x10000000);
export const SYSTEM_PTES_END = va(0xfffff880, 0x30000000);

/** Kernel stacks: slots of 32 KiB, the stack in the upper 24 KiB, below it pages that are never mapped. */
export const KERNEL_STACKS_BASE = va(0xfffff880, 0x40000000);
export const KERNEL_STACKS_END = va(0xfffff880, 0x60000000);
export const KERNEL_STACK_SIZE = 0x6000;
export const KERNEL_STACK_SLOT = 0x8000;

/** One area for each processor: KPCR with its KPRCB, GDT, IDT, TSS, interrupt stacks, the DPC stack and the idle thread's stack. */
export const PROCESSOR_BASE = va(0xfffff880, 0x00800000);
export const PROCESSOR_AREA = 0x80000;
export const PCR_OFFSET = 0;
/** KPRCB inside the KPCR. */
export const PRCB_OFFSET = 0x180;
export const PCR_SIZE = 0x10000;
export const GDT_OFFSET = 0x10000;
export const IDT_OFFSET = 0x11000;
export const TSS_OFFSET = 0x12000;
/** Tops of stacks; the page below each is not mapped. */
export const IDLE_STACK_TOP = 0x20000;
export const DPC_STACK_TOP = 0x28000;
export const DOUBLE_FAULT_STACK_TOP = 0x30000;
export const NMI_STACK_TOP = 0x38000;
export const MACHINE_CHECK_STACK_TOP = 0x40000;

export const PAGED_POOL_BASE = va(0xfffff8a0, 0);
export const PAGED_POOL_END = va(0xfffff8a0, 0x10000000);

export const PFN_DATABASE = va(0xfffffa80, 0);
/** Nonpaged pool: virtual minus physical is constant (see {@link BootMemory}). */
export const NONPAGED_POOL_BASE = va(0xfffffa80, 0x40000000);

/** Special pool: blocks on pages of their own (mm/specialpool.ts), and the records of its blocks. */
export const SPECIAL_POOL_BASE = va(0xfffff980, 0);
export const SPECIAL_POOL_TABLE = va(0xfffff980, 0x40000000);

/** Registers that the HAL maps for itself. */
export const LOCAL_APIC_VA = va(0xffffffff, 0xfffe0000);
export const IO_APIC_VA = va(0xffffffff, 0xfffe1000);

/** Physical addresses of the interrupt controllers (Intel SDM vol. 3, 10.4.1; 82093AA). */
export const LOCAL_APIC_PA = 0xfee00000;
export const IO_APIC_PA = 0xfec00000;

/** Page-table entry bits (Intel SDM vol. 3, 4.5; the software bits are NT's). */
export const PTE_VALID = 0x001n;
export const PTE_WRITE = 0x002n;
export const PTE_USER = 0x004n;
export const PTE_WRITE_THROUGH = 0x008n;
export const PTE_CACHE_DISABLE = 0x010n;
export const PTE_ACCESSED = 0x020n;
export const PTE_DIRTY = 0x040n;
export const PTE_LARGE = 0x080n;
export const PTE_GLOBAL = 0x100n;
export const PTE_NO_EXECUTE = 1n << 63n;
export const PTE_PFN_MASK = 0x000ffffffffff000n;

/** What the boot loader did with physical memory; kept in the kernel's globals (`MmBoot*`). */
export interface BootMemory {
  /** First page that the memory manager may hand out above 1 MiB; everything from here to the end of RAM, except the pool, is free. */
  firstFreePage: number;
  pages: number;
  /** Physical base and size in bytes of the nonpaged pool. */
  poolBase: number;
  poolSize: number;
  /** Physical address of the system process's PML4. */
  directoryTable: number;
}

const down = (x: number): number => Math.floor(x);

/** Address of the page-table entry that maps `address`, in the self-map. */
export const pteAddress = (address: number): number => PTE_BASE + down(low48(address) / 0x1000) * 8;
/** Address of the page-directory entry that covers `address`. */
export const pdeAddress = (address: number): number => PDE_BASE + down(low48(address) / 0x200000) * 8;
/** Address of the page-directory-pointer entry that covers `address`. */
export const ppeAddress = (address: number): number => PPE_BASE + down(low48(address) / 0x40000000) * 8;
/** Address of the PML4 entry that covers `address`. */
export const pxeAddress = (address: number): number => PXE_BASE + down(low48(address) / 0x8000000000) * 8;

/** The 48 translated bits of an address, unsigned. */
export const low48 = (address: number): number => (address < 0 ? address + 0x1000000000000 : address);

export const isKernelAddress = (address: number): boolean => address < 0;
/** Where in its page an address lies; of a negative number too, since `>>>` takes the low bits of its two's complement. */
export const pageOffset = (address: number): number => (address >>> 0) & (PAGE_SIZE - 1);
export const pageBase = (address: number): number => address - pageOffset(address);
/** Pages that [address, address + length) touches (ADDRESS_AND_SIZE_TO_SPAN_PAGES). */
export const spanPages = (address: number, length: number): number => Math.ceil((pageOffset(address) + length) / PAGE_SIZE);

/** Address of processor `index`'s KPCR. */
export const pcrAddress = (index: number): number => PROCESSOR_BASE + index * PROCESSOR_AREA + PCR_OFFSET;
/** Address of processor `index`'s KPRCB. */
export const prcbAddress = (index: number): number => pcrAddress(index) + PRCB_OFFSET;
