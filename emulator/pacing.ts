/**
 * Interactive pacing: how many cycles the machine may run now, so that guest time keeps to wall time times a speed and the page answers at once. Pure
 * logic over times that the caller passes in; it decides where slices end and nothing else, and slices do not show in the machine's state.
 */
export interface PacingOptions {
  /** Cycles of a guest second. */
  tscHz: number;
  /** Guest seconds a wall second. Default 1. */
  speed?: number;
  /** Wall milliseconds that one slice may take. Default 8. */
  sliceMs?: number;
}

export interface SlicePlan {
  /** Run to this cycle; not beyond the present one when it is too early. */
  until: number;
  /** Wall milliseconds to wait before the next slice, 0 for at once. */
  waitMs: number;
}

/** How the machine is doing, for the display. */
export type PaceState = 'on time' | 'behind';

/** When the guest is further behind than this, it is not made to catch up: a tab that was asleep must not run hot afterwards. */
const MAX_BACKLOG_MS = 100;
/** First guess at how fast the machine runs: low, so that the first slice cannot be too long. */
const FIRST_RATE = 10_000;
/** A machine that has nothing to do is looked at again after this time even if its next event is far. */
const MAX_WAIT_MS = 250;

export class Pacing {
  private readonly tscHz: number;
  private readonly sliceMs: number;
  private rate = FIRST_RATE;
  private factor: number;
  private originMs = 0;
  private originCycle = 0;
  private started = false;
  private late = false;

  constructor(options: PacingOptions) {
    this.tscHz = options.tscHz;
    this.sliceMs = options.sliceMs ?? 8;
    this.factor = options.speed ?? 1;
    if (!(this.tscHz > 0 && this.sliceMs > 0 && this.factor > 0))
      throw new RangeError('pacing needs a frequency, a slice and a speed above 0');
  }

  get speed(): number {
    return this.factor;
  }
  get state(): PaceState {
    return this.late ? 'behind' : 'on time';
  }

  /** Changes the speed from now on. */
  setSpeed(speed: number, nowMs: number, cycle: number): void {
    if (!(speed > 0)) throw new RangeError(`a speed of ${speed}`);
    this.factor = speed;
    this.start(nowMs, cycle);
  }

  /** The machine starts, or goes on after a pause or a jump in time: guest time counts from here. */
  start(nowMs: number, cycle: number): void {
    this.originMs = nowMs;
    this.originCycle = cycle;
    this.started = true;
    this.late = false;
  }

  /**
   * What to run now. `nextActivity` is the cycle at which a halted machine has something to do next (Infinity for never), or null
   * while it is not halted: a halted machine is not woken for nothing.
   */
  plan(nowMs: number, cycle: number, nextActivity: number | null): SlicePlan {
    if (!this.started) this.start(nowMs, cycle);
    const perMs = (this.tscHz * this.factor) / 1000;
    let due = this.originCycle + (nowMs - this.originMs) * perMs;
    const backlog = (due - cycle) / perMs;
    this.late = backlog > MAX_BACKLOG_MS;
    if (this.late) {
      this.start(nowMs - MAX_BACKLOG_MS, cycle);
      this.late = true;
      due = cycle + MAX_BACKLOG_MS * perMs;
    }
    if (nextActivity !== null && nextActivity > due) {
      // Nothing happens before: the guest's clock is moved on when it is due, without running anything.
      const wait = (Math.min(nextActivity, due + MAX_WAIT_MS * perMs) - due) / perMs;
      return { until: Math.floor(due), waitMs: Math.min(MAX_WAIT_MS, Math.max(1, wait)) };
    }
    if (due < cycle + 1) return { until: cycle, waitMs: Math.max(1, (cycle - due) / perMs) };
    // The sleep up to the next activity takes no time; the slice begins there.
    return { until: Math.floor(Math.min(due, Math.max(cycle, nextActivity ?? 0) + this.rate * this.sliceMs)), waitMs: 0 };
  }

  /** Tells how long a slice took, so that the next one fits. `cycles` that were slept through in HLT do not count; 0 changes nothing. */
  measured(cycles: number, tookMs: number): void {
    if (cycles <= 0) return;
    // A slice that is over before the clock moved says only that there is room.
    const rate = tookMs > 0 ? cycles / tookMs : this.rate * 2;
    this.rate = Math.max(1, Math.min(rate, this.rate * 2) * 0.5 + this.rate * 0.5);
  }
}
