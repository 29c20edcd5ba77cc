/** UUIDs: ExUuidCreate, and the identities that the kernel itself gives out. */
import type { Kernel } from '../kernel.ts';
import { nextRandom } from '../ke/random.ts';
import { systemTime } from '../ke/time.ts';

/** Gregorian calendar's start (UUID epoch, 1582-10-15) before 1601, in 100 ns units. */
const UUID_EPOCH = 5748192000000000n;

/** A time-based UUID (RFC 4122, version 1): each later than the one before. */
export function createUuid(k: Kernel, to: number): void {
  let time = systemTime(k) + UUID_EPOCH;
  const last = k.global.get('ExpUuidLastTime');
  if (time <= last) time = last + 1n;
  k.global.set('ExpUuidLastTime', time);
  let sequence = k.global.get('ExpUuidSequence');
  if (!sequence) {
    sequence = Number(nextRandom(k) & 0x3fffn) | 0x8000;
    k.global.set('ExpUuidSequence', sequence);
  }
  const node = nextRandom(k);
  k.mem.probe(to, 16, true);
  k.mem.write32(to, Number(time & 0xffffffffn));
  k.mem.write16(to + 4, Number((time >> 32n) & 0xffffn));
  k.mem.write16(to + 6, Number((time >> 48n) & 0x0fffn) | 0x1000);
  k.mem.write8(to + 8, sequence >>> 8);
  k.mem.write8(to + 9, sequence & 0xff);
  // A random node id has the multicast bit.
  for (let i = 0; i < 6; i++) k.mem.write8(to + 10 + i, Number((node >> BigInt(i * 8)) & 0xffn) | (i === 0 ? 1 : 0));
}
