import type { Kernel } from '../kernel.ts';
import { POOL_DESCRIPTOR } from '../mm/globals.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { specialBlocks } from '../mm/specialpool.ts';
import { bigPageEntry, isPoolPageInUse } from '../mm/poolpages.ts';

export interface PoolBlock {
  pool: 'nonpaged' | 'paged';
  start: number;
  bytes: number;
  tag: number;
  free: boolean;
}

const F = POOL_DESCRIPTOR.f;
/** First pages of the nonpaged pool hold the pools' own tables, and no blocks; their headers would be nonsense. */
const isHeader = (k: Kernel, block: number, previous: number, left: number): boolean => {
  const units = k.mem.read8(block + 2),
    type = k.mem.read8(block + 3);
  return (
    k.mem.read8(block) === previous && (type === 0 || type === 2 || type === 3) && units <= left && (units !== 0 || left === 256)
  );
};

/** Every block of the pools, in the order of addresses, special pool after the others. A page whose headers do not fit together ends early. */
export function* poolBlocks(k: Kernel): Generator<PoolBlock> {
  for (const name of ['MmNonPagedPool', 'MmPagedPool'] as const) {
    const pool = k.global.address(name),
      kind = name === 'MmPagedPool' ? 'paged' : 'nonpaged';
    const base = F.Base.get(k.mem, pool),
      pages = F.Pages.get(k.mem, pool);
    let left = F.TotalPages.get(k.mem, pool);
    for (let i = 0; i < pages && left > 0; i++) {
      const page = base + i * PAGE_SIZE;
      if (!isPoolPageInUse(k, pool, page)) continue;
      left--;
      // A page that is paged out: its blocks cannot be told without bringing it back.
      if (k.mem.translate(page) < 0 && !bigPageEntry(k, page)) continue;
      const big = bigPageEntry(k, page);
      if (big) {
        yield { pool: kind, start: page, bytes: big.bytes, tag: big.tag, free: false };
        const more = Math.ceil(big.bytes / PAGE_SIZE) - 1;
        i += more;
        left -= more;
        continue;
      }
      for (let at = 0, previous = 0; at < 256;) {
        const block = page + at * 16;
        if (!isHeader(k, block, previous, 256 - at)) break;
        const units = k.mem.read8(block + 2) || 256;
        yield {
          pool: kind,
          start: block + 16,
          bytes: units * 16 - 16,
          tag: k.mem.read32(block + 4),
          free: k.mem.read8(block + 3) === 0,
        };
        previous = units & 0xff;
        at += units;
      }
    }
  }
  for (const b of specialBlocks(k))
    yield { pool: b.poolType & 1 ? 'paged' : 'nonpaged', start: b.start, bytes: b.bytes, tag: b.tag, free: false };
}
