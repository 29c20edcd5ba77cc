import type { MachineBus } from './bus.ts';
import type { CoreExports } from './core/abi.ts';
import type { GuestRam } from './memory.ts';

const LOCAL_APIC = 0xfee0_0000,
  IO_APIC = 0xfec0_0000;

/** The physical address space as a processor sees it: RAM from 0 up, the APICs at their places, devices, and nothing elsewhere. */
export class PhysicalSpace {
  private readonly core: CoreExports;
  private readonly ram: GuestRam;
  private readonly bus: MachineBus;

  constructor(core: CoreExports, ram: GuestRam, bus: MachineBus) {
    this.core = core;
    this.ram = ram;
    this.bus = bus;
  }

  /** A read of 1, 2 or 4 bytes by processor `cpu` (each has its own local APIC at the same address). */
  read(cpu: number, pa: number, size: number): number {
    if (pa < this.ram.size) return size === 1 ? this.ram.read8(pa) : size === 2 ? this.ram.read16(pa) : this.ram.read32(pa);
    const page = (pa & 0xfffff000) >>> 0;
    if (page === LOCAL_APIC) return this.core.apicRead(cpu, pa & 0xfff) >>> 0;
    if (page === IO_APIC) return this.core.ioapicRead(pa & 0xfff) >>> 0;
    return this.bus.mmioRead(pa, size);
  }

  write(cpu: number, pa: number, size: number, value: number): void {
    const page = (pa & 0xfffff000) >>> 0;
    if (pa < this.ram.size) {
      if (size === 1) this.ram.write8(pa, value);
      else if (size === 2) this.ram.write16(pa, value);
      else this.ram.write32(pa, value);
    } else if (page === LOCAL_APIC) this.core.apicWrite(cpu, pa & 0xfff, value);
    else if (page === IO_APIC) this.core.ioapicWrite(pa & 0xfff, value);
    else this.bus.mmioWrite(pa, size, value);
  }

  /** What an instruction reads from a device: 8 bytes are two accesses, low half first; the upper half goes back to the core by itself. */
  deviceRead(pa: number, size: number): number {
    if (size < 8) return this.bus.mmioRead(pa, size);
    const low = this.bus.mmioRead(pa, 4);
    this.core.setMmioHigh(this.bus.mmioRead(pa + 4, 4));
    return low;
  }

  deviceWrite(pa: number, size: number, lo: number, hi: number): void {
    this.bus.mmioWrite(pa, Math.min(size, 4), lo);
    if (size === 8) this.bus.mmioWrite(pa + 4, 4, hi);
  }
}
