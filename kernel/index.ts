import type { CpuView } from '../hal/bus/cpu.ts';
import type { BugCheck, GuestOs, ModuleInfo, Platform } from '../hal/bus/guestos.ts';
import { buildMemory } from './boot/memory.ts';
import { enablePaging, setUpProcessor } from './boot/processor.ts';
import { debugCommand, inspect } from './debug/index.ts';
import { allExports } from './exports/index.ts';
import { dispatchGate, GateTable } from './gate.ts';
import { buildKernelImages, type KernelImages } from './image/build.ts';
import { Kernel } from './kernel.ts';
import { bugCheckReport } from './ke/bugcheck.ts';
import { loadedModules } from './ke/modules.ts';
import { modulesOf, symbolAt } from './ke/stackwalk.ts';
import { ldrAddressOf } from './ldr/symbols.ts';
import { requestsInProgress } from './requester/state.ts';
import { KPRCB } from './types/prcb.ts';
import { mmAccessFault } from './mm/fault.ts';
import { prcbAddress } from './mm/layout.ts';
import { KEY_DRIVER } from './mm/paging.ts';
import { DISPATCH_LEVEL } from './exports/declare.ts';

let built: { images: KernelImages; gates: GateTable } | null = null;

/** The images depend on the declarations alone, so every machine of a process shares them. */
function kernelImages(): { images: KernelImages; gates: GateTable } {
  if (built === null) {
    const images = buildKernelImages(allExports, 'nt!KiSystemStartup');
    built = { images, gates: new GateTable(images) };
  }
  return built;
}

/** The NT kernel as the machine's guest operating system. All of its state is in guest memory; the object only knows which machine it belongs to. */
class NtOs implements GuestOs {
  readonly name = 'NT 10.0.19045';
  private kernel: Kernel | null = null;

  private get k(): Kernel {
    if (this.kernel === null) throw new Error('the kernel has not been booted');
    // Outside a gate the first processor's view of memory is as good as any: the kernel's half is the same everywhere.
    if (this.kernel.gate === null) {
      this.kernel.cpu = this.kernel.platform.cpus[0]!;
      this.kernel.mem = this.kernel.cpu.mem;
    }
    return this.kernel;
  }

  /** The kernel as a debugger sees it that looks at processor `cpu`. Inside a gate it stays with the processor of the gate. */
  private seenFrom(cpu: number): Kernel {
    const { k } = this;
    if (k.gate !== null) return k;
    const view = k.platform.cpus[cpu];
    if (view === undefined) throw new RangeError(`there is no processor ${cpu}; there are ${k.platform.cpus.length}`);
    k.cpu = view;
    k.mem = view.mem;
    return k;
  }

  boot(platform: Platform): void {
    const { images } = kernelImages();
    const boot = buildMemory(platform.memory, images, platform.cpus.length);
    // The kernel starts the other processors itself.
    enablePaging(platform.cpus[0]!, boot.directoryTable);
    platform.setGateRanges([images.nt, images.hal].map(i => ({ start: i.base, end: i.base + i.bytes.length })));
    this.kernel = new Kernel(platform, images);
    const k = this.kernel;
    // A routine's own access to a page that is made on first use: only while a gate of that processor runs, never for who looks from outside.
    for (const cpu of platform.cpus)
      cpu.mem.onFault = (va, write) => k.gate !== null && k.cpu === cpu && mmAccessFault(k, va, { write, own: true });
    // Under the verifier a routine that is called at DISPATCH_LEVEL with a driver's pageable memory faults, as the driver would.
    if (platform.config.verifier)
      for (const cpu of platform.cpus)
        cpu.mem.refuses = (_va, key) => key === KEY_DRIVER && cpu.cr8 >= DISPATCH_LEVEL && k.gate !== null && k.cpu === cpu;
    k.global.set('LoaderFirstFreePage', boot.firstFreePage);
    k.global.set('LoaderPages', boot.pages);
    k.global.set('LoaderPoolBase', BigInt(boot.poolBase));
    k.global.set('LoaderPoolSize', BigInt(boot.poolSize));
    k.global.set('LoaderDirectoryTable', BigInt(boot.directoryTable));
    setUpProcessor(k, platform.cpus[0]!);
  }

  gate(cpu: CpuView): void {
    if (this.kernel === null) throw new Error('the kernel has not been booted');
    dispatchGate(this.kernel, kernelImages().gates, cpu);
  }

  booted(): boolean {
    return this.k.global.get('InitializationPhase') === 2 && this.idle();
  }

  idle(): boolean {
    const k = this.k;
    if (k.global.get('InitializationPhase') !== 2 || requestsInProgress(k) !== 0) return false;
    return k.platform.cpus.every(cpu => {
      const prcb = prcbAddress(cpu.index);
      return (
        KPRCB.f.CurrentThread.get(k.mem, prcb) === KPRCB.f.IdleThread.get(k.mem, prcb) &&
        KPRCB.f.NextThread.get(k.mem, prcb) === 0 &&
        KPRCB.f.ReadySummary.get(k.mem, prcb) === 0 &&
        KPRCB.f.DpcRequestSummary.get(k.mem, prcb) === 0 &&
        cpu.halted
      );
    });
  }

  bugCheck(): BugCheck | null {
    return bugCheckReport(this.k);
  }

  modules(): ModuleInfo[] {
    const k = this.k;
    return loadedModules(k.mem, k.address('nt!PsLoadedModuleList'));
  }

  symbolAt(address: number): string | null {
    const k = this.k;
    return symbolAt(k, modulesOf(k), address);
  }

  addressOf(symbol: string): number | null {
    const k = this.k;
    return k.images.symbols.get(symbol) ?? ldrAddressOf(k, symbol);
  }

  command(line: string, cpu = 0): string[] {
    return debugCommand(this.seenFrom(cpu), line);
  }

  inspect(what: string, cpu = 0): unknown {
    return inspect(this.seenFrom(cpu), what);
  }

  restored(): void {
    // Nothing is derived from guest memory on the host's side.
  }

  exportStatus(module: string, routine: string): 'full' | 'partial' | null {
    const { images } = kernelImages();
    const name = module.toLowerCase();
    if (name !== 'ntoskrnl.exe' && name !== 'hal.dll') return null;
    const e = images.byName.get(routine);
    return e === undefined || e.internal ? null : e.status;
  }
}

/** A new instance of the operating system, for one machine. */
export function createKernel(): GuestOs {
  return new NtOs();
}
