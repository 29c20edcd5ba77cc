import { POOL_DESCRIPTOR } from '../mm/globals.ts';
import { PAGE_SIZE, pageBase } from '../mm/layout.ts';
import { poolBlockAt } from '../mm/pool.ts';
import type { DebugCommand } from './command.ts';
import { poolBlocks } from './poolwalk.ts';
import { address, hex, parseAddress, table, tagText } from './text.ts';

export const pool: DebugCommand = {
  name: '!pool',
  usage: '[address]',
  doc: 'Shows the pool block that an address belongs to and its neighbours; without an address how much of the pools is in use.',
  run(k, args) {
    if (!args[0])
      return (['MmNonPagedPool', 'MmPagedPool'] as const).flatMap(name => {
        const at = k.global.address(name),
          f = POOL_DESCRIPTOR.f;
        return [
          `${name === 'MmPagedPool' ? 'Paged' : 'Nonpaged'} pool at ${address(f.Base.get(k.mem, at))}: ${f.TotalPages.get(k.mem, at)} of ${f.Pages.get(k.mem, at)} pages in use, ${f.TotalBytes.get(k.mem, at)} bytes allocated`,
          `  ${f.RunningAllocs.get(k.mem, at)} allocations, ${f.RunningDeAllocs.get(k.mem, at)} frees`,
        ];
      });
    const at = parseAddress(k, args[0]);
    const block = poolBlockAt(k, at);
    if (!block) return [`${address(at)} is not in a pool block.`];
    const page = block.big ? block.start : pageBase(block.start - 16);
    const rows = [...poolBlocks(k)]
      .filter(b => (block.big ? b.start === block.start : b.start >= page && b.start < page + PAGE_SIZE))
      .map(b => [
        at >= b.start - 16 && at < b.start + b.bytes ? '*' : ' ',
        address(b.start),
        `size ${hex(b.bytes)}`,
        b.free ? 'Free' : 'Allocated',
        b.free ? '' : tagText(b.tag),
      ]);
    return [
      `Pool page ${address(page)} region is ${[...poolBlocks(k)].find(b => b.start === block.start)?.pool ?? 'unknown'} pool`,
      ...table(rows),
    ];
  },
};

export const poolused: DebugCommand = {
  name: '!poolused',
  usage: '',
  doc: 'Lists what the pools are used for, by tag, the largest users first.',
  run(k) {
    const byTag = new Map<number, { nonpaged: [number, number]; paged: [number, number] }>();
    for (const b of poolBlocks(k)) {
      if (b.free) continue;
      const entry = byTag.get(b.tag) ?? { nonpaged: [0, 0], paged: [0, 0] };
      entry[b.pool][0]++;
      entry[b.pool][1] += b.bytes;
      byTag.set(b.tag, entry);
    }
    const rows = [...byTag].sort((a, b) => b[1].nonpaged[1] + b[1].paged[1] - a[1].nonpaged[1] - a[1].paged[1] || a[0] - b[0]);
    return table([
      ['Tag', 'NonPaged', 'bytes', 'Paged', 'bytes'],
      ...rows.map(([tag, e]) => [tagText(tag), ...e.nonpaged.map(String), ...e.paged.map(String)]),
    ]);
  },
};
