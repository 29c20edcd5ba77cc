import type { Mark } from './protocol.ts';

/** A stretch of time, in cycles. */
export interface Span {
  from: number;
  to: number;
}

/** Marks nearer than this part of the strip's width are taken for what is pointed at. */
const NEAR = 0.004;
/** Cycles that the strip shows at the least. */
const NARROWEST = 1000;

/** The cycle at a fraction (0 to 1) of the strip. */
export const cycleAt = (span: Span, fraction: number): number => Math.round(span.from + fraction * (span.to - span.from));

/** The mark that is pointed at, or null. */
export function nearestMark(marks: readonly Mark[], span: Span, fraction: number): Mark | null {
  const at = cycleAt(span, fraction);
  let best: Mark | null = null,
    distance = (span.to - span.from) * NEAR;
  for (const mark of marks) {
    const d = Math.abs(mark.cycle - at);
    if (d <= distance) {
      best = mark;
      distance = d;
    }
  }
  return best;
}

/** The span made wider or narrower by `factor`, the cycle at `fraction` staying where it is. All of the time there is gives null: no zoom. */
export function zoomed(span: Span, all: Span, fraction: number, factor: number): Span | null {
  const width = Math.max(NARROWEST, (span.to - span.from) * factor);
  if (width >= all.to - all.from) return null;
  const at = span.from + fraction * (span.to - span.from);
  const from = Math.min(Math.max(all.from, at - fraction * width), all.to - width);
  return { from: Math.round(from), to: Math.round(from + width) };
}
