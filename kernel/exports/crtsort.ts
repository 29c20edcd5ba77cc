/** qsort and bsearch, whose comparisons are the driver's, and what a call of a pure virtual function is. Source: Microsoft's run-time library reference. */
import type { Kernel } from '../kernel.ts';
import { STATUS_NOT_IMPLEMENTED } from '../types/status.ts';
import { u32 } from '../types/struct.ts';
import { call, type Frame, LONG, type NtExport, ntExport, ntSteps, type Outcome, pointer, PVOID, ret, SIZE_T, VOID } from './declare.ts';

const COMPARE = pointer('int (__cdecl *)(const void *, const void *)');
const sortFrame = { Index: u32, Low: u32, High: u32 };

interface Sort {
  Base: number;
  Number: number;
  Width: number;
  Compare: number;
}

/**
 * One element after another is put in its place among those before it, which are in order already: the place is found by halving, so the driver is asked about log2(n) times for
 * each.
 */
function nextElement(f: Frame<typeof sortFrame>, a: Sort): Outcome {
  const index = f.get('Index') + 1;
  if (index >= a.Number) return ret();
  f.set('Index', index);
  f.set('Low', 0);
  f.set('High', index);
  return compareMiddle(f, a);
}

function compareMiddle(f: Frame<typeof sortFrame>, a: Sort): Outcome {
  const middle = (f.get('Low') + f.get('High')) >>> 1;
  return call(a.Compare, [a.Base + f.get('Index') * a.Width, a.Base + middle * a.Width], 'compared');
}

/** Moves the element to its place; those from there on go up by one. */
function place(k: Kernel, a: Sort, index: number, to: number): void {
  if (index === to) return;
  const element = k.mem.readBytes(a.Base + index * a.Width, a.Width);
  k.mem.copy(a.Base + (to + 1) * a.Width, a.Base + to * a.Width, (index - to) * a.Width);
  k.mem.writeBytes(a.Base + to * a.Width, element);
}

export const sortExports: readonly NtExport[] = [
  ntSteps({
    name: 'qsort',
    doc: 'Sorts an array in place, in the order that a routine gives.',
    args: { Base: PVOID, Number: SIZE_T, Width: SIZE_T, Compare: COMPARE },
    returns: VOID,
    cycles: (_k, a) => 50 + Math.min(a.Number, 0x100000) * 30,
    status: 'full',
    frame: sortFrame,
    steps: {
      start(k, f, _rax, a) {
        if (a.Number < 2 || a.Width === 0) return ret();
        k.mem.probe(a.Base, a.Number * a.Width, true);
        f.set('Index', 0);
        return nextElement(f, a);
      },
      compared(k, f, rax, a) {
        const middle = (f.get('Low') + f.get('High')) >>> 1;
        if ((rax | 0) < 0) f.set('High', middle);
        else f.set('Low', middle + 1);
        if (f.get('Low') < f.get('High')) return compareMiddle(f, a);
        place(k, a, f.get('Index'), f.get('Low'));
        return nextElement(f, a);
      },
    },
  }),
  ntSteps({
    name: 'bsearch',
    doc: 'Finds an element of a sorted array that a routine says is equal to a key; NULL when there is none.',
    args: { Key: PVOID, Base: PVOID, Number: SIZE_T, Width: SIZE_T, Compare: COMPARE },
    returns: PVOID,
    cycles: 80,
    status: 'full',
    frame: { Low: u32, High: u32 },
    steps: {
      start(_k, f, _rax, a) {
        f.set('Low', 0);
        f.set('High', a.Number);
        return a.Number === 0 ? ret(0) : call(a.Compare, [a.Key, a.Base + (a.Number >>> 1) * a.Width], 'compared');
      },
      compared(_k, f, rax, a) {
        const middle = (f.get('Low') + f.get('High')) >>> 1;
        if (rax === 0) return ret(a.Base + middle * a.Width);
        if ((rax | 0) < 0) f.set('High', middle);
        else f.set('Low', middle + 1);
        if (f.get('Low') >= f.get('High')) return ret(0);
        return call(a.Compare, [a.Key, a.Base + ((f.get('Low') + f.get('High')) >>> 1) * a.Width], 'compared');
      },
    },
  }),
  ntExport({
    name: '_purecall',
    doc: 'What the slot of a pure virtual function leads to: raises STATUS_NOT_IMPLEMENTED.',
    args: {},
    returns: LONG,
    cycles: 20,
    status: 'full',
    impl: k => k.raise(STATUS_NOT_IMPLEMENTED),
  }),
];
