import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, PFN_DATABASE } from '../mm/layout.ts';
import { LIST_END } from '../mm/pfn.ts';
import { ActiveAndValid, BadPageList, FreePageList, MMPFN, ModifiedPageList } from '../types/mm.ts';
import type { DebugCommand } from './command.ts';
import { table } from './text.ts';

const F = MMPFN.f;
const NAMES: readonly (readonly [location: number, name: string])[] = [
  [ActiveAndValid, 'in use'],
  [FreePageList, 'free'],
  [ModifiedPageList, 'in transition'],
  [BadPageList, 'removed or bad'],
];

/** Length of a page list as its links have it; -1 when the links lead in a circle or to a page that is not on the list. */
function listLength(k: Kernel, head: number, location: number): number {
  const limit = k.global.get('MmNumberOfPhysicalPages');
  let n = 0;
  for (let pfn = head; pfn !== LIST_END; pfn = k.mem.read32(PFN_DATABASE + pfn * MMPFN.size + F.Flink.offset)) {
    if (n++ > limit || pfn >= limit || (F.PageFlags.get(k.mem, PFN_DATABASE + pfn * MMPFN.size) & 7) !== location) return -1;
  }
  return n;
}

/** What is wrong with the books of physical memory, in words; empty when counts, states and lists agree. */
export function checkPages(k: Kernel): string[] {
  const wrong: string[] = [];
  const counts = countPages(k);
  const compare = (what: string, counted: number, found: number): void => {
    if (counted !== found) wrong.push(`${what}: ${counted} counted, ${found} found`);
  };
  compare('free pages', k.global.get('MmAvailablePages'), counts.get(FreePageList) ?? 0);
  compare(
    'the list of free pages',
    k.global.get('MmAvailablePages'),
    listLength(k, k.global.get('MmFreePageListHead'), FreePageList),
  );
  compare('pages in transition', k.global.get('MmModifiedPages'), counts.get(ModifiedPageList) ?? 0);
  compare(
    'the list of pages in transition',
    k.global.get('MmModifiedPages'),
    listLength(k, k.global.get('MmModifiedPageListHead'), ModifiedPageList),
  );
  for (const location of counts.keys())
    if (!NAMES.some(([l]) => l === location)) wrong.push(`${counts.get(location)} pages have the unknown state ${location}`);
  return wrong;
}

function countPages(k: Kernel): Map<number, number> {
  const counts = new Map<number, number>();
  const pages = k.global.get('MmNumberOfPhysicalPages');
  for (let pfn = 0; pfn < pages; pfn++) {
    const location = F.PageFlags.get(k.mem, PFN_DATABASE + pfn * MMPFN.size) & 7;
    counts.set(location, (counts.get(location) ?? 0) + 1);
  }
  return counts;
}

export const memusage: DebugCommand = {
  name: '!memusage',
  usage: '',
  doc: 'Counts the pages of RAM by what they are used for, and compares the counts of the memory manager with its lists.',
  run(k) {
    const counts = countPages(k);
    const g = k.global;
    const rows: [string, number][] = [
      ...NAMES.map(([location, name]): [string, number] => [`pages ${name}`, counts.get(location) ?? 0]),
      ['pages of special pool', g.get('MmSpecialPoolPagesInUse')],
      ['system PTEs in use', g.get('MmSystemPtesInUse')],
      ['pages in the page store', g.get('MmPagingFilePagesInUse')],
      ['faults on pages in transition', g.get('MmTransitionFaults')],
      ['pages read from the page store', g.get('MmPageReads')],
    ];
    const wrong = checkPages(k);
    return [
      `${g.get('MmNumberOfPhysicalPages')} pages of ${PAGE_SIZE} bytes`,
      ...table(rows.map(([name, n]) => [name, String(n)])),
      ...(wrong.length === 0 ? ['The books agree.'] : wrong),
    ];
  },
};
