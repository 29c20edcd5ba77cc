// Both processors side by side: runs batches of cases, finds the first instruction that they disagree about, and makes a disagreement smaller.

import { AT, STATE_SIZE } from '../vectors/state.ts';
import { ENDLESS, LINE, MAX_CASE, MAX_RESULT, putCase, RESULT, resultLength, type Case } from './case.ts';
import { differences, endingOf, same, type Results } from './compare.ts';
import { Host } from './host.ts';
import { CoreMachine, LONG_LIMIT } from './machine.ts';
import { forms, ignoredAfter, undefinedFlags } from './undefined.ts';

/** Time that making a case smaller may take: each trial of one with a loop around split locks may take a second. */
const SHRINK_MS = 5000;
/** Cases in a batch. */
export const BATCH = 1024;
const CASE_BYTES = 3072,
  RESULT_BYTES = 8192;

/** A case that the processors disagree about. */
export interface Disagreement {
  case: Case;
  what: string[];
}

function results(bytes: number): Results {
  const buffer = Buffer.alloc(bytes);
  return { bytes: buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length) };
}

/** Whether the case of the result at `at` did not end. */
function isEndless({ view }: Results, at: number): boolean {
  return view.getUint32(at + RESULT.EXCEPTION, true) === ENDLESS;
}

/** Runs cases on the host and on the core. */
export class Judge {
  private readonly host: Host;
  readonly core = new CoreMachine();
  private readonly batch: Buffer;
  private readonly batchView: DataView;
  private readonly fromHost: Results;
  private readonly fromCore: Results;
  /** Cases whose only differences are undefined. */
  undefinedOnly = 0;
  /** Instructions that the core executed and the host was compared with. */
  executed = 0;
  /** Cases that did not end on either side. */
  endless = 0;

  constructor() {
    const caseBytes = BATCH * CASE_BYTES + MAX_CASE,
      resultBytes = BATCH * RESULT_BYTES + MAX_RESULT;
    this.host = new Host(caseBytes, resultBytes);
    this.batch = Buffer.alloc(caseBytes);
    this.batchView = new DataView(this.batch.buffer, this.batch.byteOffset, this.batch.length);
    this.fromHost = results(resultBytes);
    this.fromCore = results(resultBytes);
  }

  close(): void {
    this.host.close();
  }

  /** Runs at most BATCH cases; gives those that differ. With `twice`, every so many cases also run one instruction at a time on the core. */
  run(cases: readonly Case[], twice = 0): Disagreement[] {
    const suspects: Case[] = [];
    const found: Disagreement[] = [];
    for (let first = 0; first < cases.length;) {
      let at = 0,
        last = first;
      for (; last < cases.length && at + MAX_CASE <= this.batch.length; last++)
        at = putCase(this.batch, this.batchView, at, cases[last]!);
      this.host.start(this.batch, at, last - first);
      const offsets: number[] = [];
      let end = 0;
      for (let i = first; i < last; i++) {
        offsets.push(end);
        if (end + MAX_RESULT > this.fromCore.bytes.length) throw new Error('results do not fit');
        const here = end;
        end = this.onCore(cases[i]!, end, false);
        this.executed += this.core.executed;
        if (twice > 0 && i % twice === 0) {
          const after = this.onCore(cases[i]!, end, true);
          if (after - end !== end - here || !same(this.fromCore, here, this.fromCore, end)) {
            const what = differences(this.fromCore, here, this.fromCore, end, null);
            found.push({ case: cases[i]!, what: what.map(w => `in a block: ${w.replaceAll('the host has', 'alone')}`) });
          }
        }
      }
      this.host.finish(this.fromHost.bytes);
      for (let i = first, atHost = 0; i < last; i++) {
        const mine = offsets[i - first]!;
        if (isEndless(this.fromCore, mine) && isEndless(this.fromHost, atHost)) this.endless++;
        else if (!same(this.fromCore, mine, this.fromHost, atHost)) suspects.push(cases[i]!);
        atHost += resultLength(this.fromHost.view, atHost);
      }
      first = last;
    }
    for (const c of suspects) {
      const d = this.examine(c);
      if (d) found.push(d);
    }
    return found;
  }

  private onCore(c: Case, at: number, alone: boolean, limit?: number): number {
    try {
      return this.core.run(c, this.fromCore.bytes, this.fromCore.view, at, alone, limit);
    } catch (error) {
      if (!(error instanceof Error && error.name === 'RuntimeError')) throw error; // a WebAssembly trap: the core has crashed
      this.core.build();
      this.fromCore.bytes.fill(0, at, at + RESULT.HEADER);
      this.fromCore.view.setUint32(at + RESULT.EXCEPTION, 0xdead, true);
      return at + RESULT.HEADER;
    }
  }

  /** Runs one case on both sides; the results are at the start of both buffers. */
  private both(c: Case): void {
    const bytes = putCase(this.batch, this.batchView, 0, c);
    this.host.start(this.batch, bytes, 1);
    this.onCore(c, 0, false);
    this.host.finish(this.fromHost.bytes);
    // A loop that takes long has an end too.
    if (isEndless(this.fromCore, 0) && !isEndless(this.fromHost, 0)) this.onCore(c, 0, false, LONG_LIMIT);
  }

  /** The state that the host reports for a case, and its exception. */
  onHost(c: Case): { result: Buffer; view: DataView } {
    this.both(c);
    const length = resultLength(this.fromHost.view, 0);
    const result = Buffer.from(this.fromHost.bytes.subarray(0, length));
    return { result, view: new DataView(result.buffer, result.byteOffset, length) };
  }

  /** A case that differed: the shortest part of it that differs in something defined, with what differs; null when there is none. */
  examine(c: Case): Disagreement | null {
    let before = c.state,
      earlier = 0;
    for (let n = 1; n <= c.starts.length; n++) {
      const end = n < c.starts.length ? c.starts[n]! : c.code.length;
      const part: Case =
        n === c.starts.length
          ? c
          : { ...c, code: c.code.slice(0, end), starts: c.starts.slice(0, n), forms: c.forms.slice(0, n) };
      this.both(part);
      if (isEndless(this.fromHost, 0) && isEndless(this.fromCore, 0)) {
        this.endless++;
        return null;
      }
      const after = Uint8Array.from(this.fromHost.bytes.subarray(0, STATE_SIZE));
      if (!same(this.fromCore, 0, this.fromHost, 0)) {
        const ignored = ignoredAfter(
          part.code.subarray(part.starts.at(-1)!),
          c.bits,
          before,
          after,
          endingOf(this.fromCore, 0),
          endingOf(this.fromHost, 0),
        );
        // An earlier instruction may have read what follows it as data.
        const flags = new DataView(ignored.state.buffer);
        flags.setUint32(AT.rflags, flags.getUint32(AT.rflags, true) | earlier, true);
        // Around a loop, what is undefined in one turn is an operand of the next.
        if (part.forms.includes(0) && (earlier !== 0 || part.forms.some(n => forms[n - 1]?.record.undefined)))
          ignored.everything = true;
        // An approximation of bytes of code that follow it.
        const inexact = (n: number) => forms[n - 1]?.record.undefined?.some(u => u === 'approximate' || u === 'transcendental');
        if (part.forms.slice(0, -1).some(inexact)) ignored.everything = true;
        const what = differences(this.fromCore, 0, this.fromHost, 0, ignored);
        if (what.length > 0) return { case: part, what };
        this.undefinedOnly++;
        return null;
      }
      before = after;
      earlier |= undefinedFlags(part.code.subarray(part.starts.at(-1)!), c.bits);
    }
    return null;
  }

  /** In at most SHRINK_MS: a smaller case with the same kind of disagreement. */
  shrink(d: Disagreement): Disagreement {
    if (d.what.some(w => w.startsWith('in a block'))) return d;
    let best = d,
      trials = 600;
    const until = performance.now() + SHRINK_MS;
    const attempt = (c: Case): boolean => {
      if (trials-- <= 0 || performance.now() > until) return false;
      const smaller = this.examine(c);
      if (!smaller) return false;
      best = smaller;
      return true;
    };
    for (let progress = true; progress && trials > 0;) {
      progress = false;
      for (const candidate of smallerCases(best.case)) {
        if (!attempt(candidate)) continue;
        progress = true;
        break;
      }
    }
    return best;
  }
}

/** Cases that are one step smaller. */
function* smallerCases(c: Case): Generator<Case> {
  for (let i = 0; c.starts.length > 1 && i < c.starts.length; i++) {
    const from = c.starts[i]!,
      to = i + 1 < c.starts.length ? c.starts[i + 1]! : c.code.length;
    const code = new Uint8Array([...c.code.subarray(0, from), ...c.code.subarray(to)]);
    yield {
      ...c,
      code,
      starts: c.starts.filter((_, k) => k !== i).map(s => (s > from ? s - (to - from) : s)),
      forms: c.forms.filter((_, k) => k !== i),
    };
  }
  if (c.starts.length === 1) {
    for (let i = 0; i < c.code.length && isPrefix(c.code[i]!); i++) {
      yield { ...c, code: new Uint8Array([...c.code.subarray(0, i), ...c.code.subarray(i + 1)]) };
    }
  }
  for (const address of c.lines.keys()) {
    const lines = new Map(c.lines);
    lines.delete(address);
    yield { ...c, lines };
  }
  const zero = (at: number, size: number, to = 0): Case | null => {
    const view = new DataView(c.state.buffer, c.state.byteOffset);
    let changed = false;
    const state = c.state.slice();
    for (let i = 0; i < size; i++) {
      const want = i < 4 ? (to >>> (8 * i)) & 255 : 0;
      if (view.getUint8(at + i) !== want) changed = true;
      state[at + i] = want;
    }
    return changed ? { ...c, state } : null;
  };
  const places: [number, number, number][] = [
    ...Array.from({ length: 16 }, (_, i): [number, number, number] => [i * 8, 8, 0]),
    [AT.rflags, 8, 0x202],
    [AT.fsbase, 8, 0],
    [AT.gsbase, 8, 0],
    [AT.mxcsr, 4, 0x1f80],
    [AT.fcw, 2, 0x37f],
    [AT.fsw, 2, 0],
    ...Array.from({ length: 64 }, (_, i): [number, number, number] => [AT.ymm + i * 8, 8, 0]),
    ...Array.from({ length: 8 }, (_, i): [number, number, number] => [AT.st + i * 16, 10, 0]),
    [AT.ftw, 1, 0],
  ];
  for (const [at, size, to] of places) {
    const smaller = zero(at, size, to);
    if (smaller) yield smaller;
  }
  for (const [address, bytes] of c.lines) {
    for (let i = 0; i < LINE; i += 8) {
      if (bytes.subarray(i, i + 8).every(b => b === 0)) continue;
      const copy = bytes.slice();
      copy.fill(0, i, i + 8);
      yield { ...c, lines: new Map(c.lines).set(address, copy) };
    }
  }
}

function isPrefix(b: number): boolean {
  return [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(b) || (b & 0xf0) === 0x40;
}
