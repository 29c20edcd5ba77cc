/** The routines that the kernel is to cover: test/api/ (routines of the WDK by section; what drivers in the wild import). */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const API = new URL('../api/', import.meta.url);
const rows = (file: string): string[][] =>
  readFileSync(new URL(file, API), 'utf8')
    .split('\n')
    .slice(1)
    .filter(line => line !== '')
    .map(line => line.split('\t'));

export interface ListedRoutine {
  name: string;
  /** `export` (of ntoskrnl or hal), `inline` (a macro or function of a header), `callback`, `dma-operations` (a member of DMA_OPERATIONS), `library`, `type`, `export:FILE`. */
  kind: string;
  /** Sections of the WDK's documentation, outermost part only. */
  sections: string[];
}

/** Sections that are covered; the others come later (Plug and Play beyond what stands, power, WMI...). */
export const NAMED_SECTIONS: readonly string[] = [
  'Initialization and Unload',
  'IRPs',
  'Synchronization',
  'Memory Allocation and Buffer Management',
  'DMA',
  'PIO',
  'Interrupts',
  'Driver-Managed Queues',
  'Driver System Processes and Threads',
  'Run-Time Library (RTL) Routines',
  'Data Conversions',
  'Access to Driver-Managed Objects',
  'Security Reference Monitor Routines',
  'Error Handling',
  'Executive Library Support Routines',
  'Core Kernel Library Support Routines',
  'Processor Group Compatibility Library',
  'ZwXxx / NtXxx Routines',
];

const outermost = (section: string): string => (section.startsWith('ZwXxx') ? section : section.split(' / ')[0]!);

export function listedRoutines(): ListedRoutine[] {
  return rows('kernel-routines.tsv').map(([name, kind, section]) => ({
    name: name!,
    kind: kind!,
    sections: [...new Set(section!.split('; ').map(outermost))],
  }));
}

const KERNEL_MODULES = ['ntoskrnl.exe', 'hal.dll'];

/** Names that drivers import from the kernel and the HAL, most frequent first: those among the first `ranks` of all imports. */
export function rankedRoutines(ranks: number): string[] {
  return rows('import-frequency.tsv')
    .slice(0, ranks)
    .filter(([, module]) => KERNEL_MODULES.includes(module!.replace('?', '')))
    .map(([name]) => name!);
}

/** What single drivers import that need nothing but the kernel and the HAL. */
export function importSets(): string[][] {
  return gunzipSync(readFileSync(new URL('import-sets.jsonl.gz', API)))
    .toString('utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as { modules: string[]; routines: string[] })
    .filter(set => set.modules.every(m => KERNEL_MODULES.includes(m.toLowerCase())))
    .map(set => set.routines);
}
