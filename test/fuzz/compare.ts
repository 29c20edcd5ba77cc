// Compares what two processors made of a case.

import { getHex, REPORTED, AT, STATE_SIZE } from '../vectors/state.ts';
import { RESULT, resultLength, resultLines, SELECTOR_NAMES } from './case.ts';
import { adjacent, closeEnough, type Ending, type Ignored } from './undefined.ts';

/** Results in one buffer, by offset. */
export interface Results {
  bytes: Buffer;
  view: DataView;
}

/** How the result at `at` ended. */
export function endingOf({ view }: Results, at: number): Ending {
  return {
    exception: view.getUint32(at + RESULT.EXCEPTION, true),
    cr2: view.getBigUint64(at + RESULT.CR2, true),
    error: view.getUint32(at + RESULT.ERROR, true),
  };
}

/** Whether two results are the same in everything; quick. */
export function same(a: Results, atA: number, b: Results, atB: number): boolean {
  const length = resultLength(a.view, atA);
  if (length !== resultLength(b.view, atB)) return false;
  if (a.bytes.compare(b.bytes, atB, atB + RESULT.FIP, atA, atA + RESULT.FIP) !== 0) return false;
  return (
    length === RESULT.HEADER ||
    a.bytes.compare(b.bytes, atB + RESULT.HEADER, atB + length, atA + RESULT.HEADER, atA + length) === 0
  );
}

const name = (exception: number) => (exception === 0x100 ? 'endless' : `exception ${exception}`);
const hex = (n: number | bigint) => n.toString(16);

/** What differs between the core's result and the host's, in words; bits that `ignored` names are left out. */
export function differences(core: Results, atCore: number, host: Results, atHost: number, ignored: Ignored | null): string[] {
  const out: string[] = [];
  if (ignored?.everything) return out;
  const field = (what: string, at: number, size: 2 | 4) => {
    const read = (r: Results, from: number) =>
      size === 2 ? r.view.getUint16(from + at, true) : r.view.getUint32(from + at, true);
    const mine = read(core, atCore),
      theirs = read(host, atHost);
    if (mine !== theirs)
      out.push(what === '' ? `${name(mine)}, the host has ${name(theirs)}` : `${what} ${hex(mine)}, the host has ${hex(theirs)}`);
  };
  field('', RESULT.EXCEPTION, 4);
  if (!ignored?.address) field('error code', RESULT.ERROR, 4);
  const cr2 = (r: Results, at: number) => r.view.getBigUint64(at + RESULT.CR2, true);
  if (!ignored?.address && cr2(core, atCore) !== cr2(host, atHost))
    out.push(`CR2 ${hex(cr2(core, atCore))}, the host has ${hex(cr2(host, atHost))}`);
  SELECTOR_NAMES.forEach((selector, i) => field(selector, RESULT.SELECTORS + i * 2, 2));
  const mine = core.bytes.subarray(atCore, atCore + STATE_SIZE),
    theirs = host.bytes.subarray(atHost, atHost + STATE_SIZE);
  const mask = ignored?.state;
  for (const [register, place] of REPORTED) {
    for (let i = place.offset; i < place.offset + place.size; i++) {
      if (((mine[i]! ^ theirs[i]!) & ~(mask?.[i] ?? 0)) === 0 || close(ignored, mine, theirs, i)) continue;
      out.push(`${register} ${getHex(mine, place)}, the host has ${getHex(theirs, place)}`);
      break;
    }
  }
  if (!ignored?.memory) memory(core, atCore, host, atHost, out);
  return out;
}

function close(ignored: Ignored | null, mine: Uint8Array, theirs: Uint8Array, at: number): boolean {
  for (const register of ignored?.lastPlace ?? []) {
    if (at < register || at >= register + 10) continue;
    const value = (image: Uint8Array) => new DataView(image.buffer, image.byteOffset + register, 10);
    return adjacent(value(mine), value(theirs));
  }
  const nan = ignored?.anyNan;
  if (nan && at >= nan.at && at < nan.at + 32) {
    const isNan = (image: Uint8Array) => {
      const view = new DataView(image.buffer, image.byteOffset);
      return Number.isNaN(nan.lane === 4 ? view.getFloat32(at & ~3, true) : view.getFloat64(at & ~7, true));
    };
    return isNan(mine) && isNan(theirs);
  }
  const lanes = ignored?.approximate;
  if (!lanes || at < lanes.at || at >= lanes.at + lanes.lanes * 4) return false;
  const lane = (image: Uint8Array) => new DataView(image.buffer, image.byteOffset + AT.ymm).getUint32((at - AT.ymm) & ~3, true);
  return closeEnough(lane(mine), lane(theirs));
}

function memory(core: Results, atCore: number, host: Results, atHost: number, out: string[]): void {
  const mine = resultLines(core.bytes, core.view, atCore),
    theirs = resultLines(host.bytes, host.view, atHost);
  let reported = 0;
  for (const address of new Set([...mine.keys(), ...theirs.keys()])) {
    const a = mine.get(address),
      b = theirs.get(address);
    for (let i = 0; i < 64; i++) {
      if ((a?.[i] ?? 0) === (b?.[i] ?? 0) || reported++ > 8) continue;
      out.push(`[${hex(address + i)}] ${hex(a?.[i] ?? 0)}, the host has ${hex(b?.[i] ?? 0)}`);
    }
  }
}
