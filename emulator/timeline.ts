import type { InputRecord } from '../hal/bus/index.ts';
import { footprint, thinnest } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Machine, Stop } from './machine.ts';

/** A course of events: what happened from the start, or from a fork of another course on, under its own inputs. */
export interface Branch {
  readonly id: number;
  /** The branch that this one left, and the cycle at which it did; null for the first. */
  readonly parent: { readonly id: number; readonly cycle: number } | null;
  /** The furthest cycle that was reached on it. */
  end: number;
  /** The furthest {@link Machine.position}. */
  endPosition: number;
  /** Ascending by cycle. Those before the fork are shared with the parent. */
  checkpoints: Checkpoint[];
  inputs: readonly InputRecord[];
}

export interface TimelineOptions {
  /** Cycles between checkpoints while running. Default 2,000,000 (20 ms of guest time at 100 MHz). */
  interval?: number;
  /** Bytes that checkpoints may take before old ones are thinned out. Default 256 MiB. */
  budget?: number;
}

/**
 * Time that can be gone back in. A machine is deterministic, so a moment of its past is a checkpoint before it, run forward under the recorded inputs.
 * Whoever gives an input or changes memory in the past leaves the old course: a new branch starts there, and the old one stays reachable.
 */
export class Timeline {
  readonly machine: Machine;
  private readonly interval: number;
  private readonly budget: number;
  private readonly list: Branch[] = [];
  private active: Branch;
  /** Bytes copied into checkpoints since they were last counted. */
  private copied = 0;
  /** Set while the timeline itself restores a checkpoint. */
  moving = false;

  /** The timeline begins where the machine stands. */
  constructor(machine: Machine, options: TimelineOptions = {}) {
    this.machine = machine;
    this.interval = options.interval ?? 2_000_000;
    this.budget = options.budget ?? 256 << 20;
    if (!(this.interval >= 1)) throw new RangeError(`a checkpoint every ${this.interval} cycles`);
    this.active = {
      id: 0,
      parent: null,
      end: machine.cycle,
      endPosition: machine.position,
      checkpoints: [machine.checkpoint()],
      inputs: machine.inputs.records,
    };
    this.list.push(this.active);
    machine.beforeChange = () => this.fork();
  }

  get branch(): Branch {
    return this.active;
  }
  get branches(): readonly Branch[] {
    return this.list;
  }
  /** Cycle before which nothing is known. */
  get start(): number {
    return this.active.checkpoints[0].cycle;
  }
  /** Whether the machine stands before the furthest point of its branch. */
  get inPast(): boolean {
    return this.machine.position < this.active.endPosition;
  }

  /** As Machine.run, taking checkpoints on the way. Up to the furthest point of the branch it is a replay: sinks stay silent. */
  run(until: number = Infinity, position: number = Infinity): Stop {
    const { machine } = this;
    for (;;) {
      const now = machine.cycle;
      const past = this.inPast;
      const slice = Math.min(until, this.lastCheckpoint(now).cycle + this.interval);
      machine.replaying = past;
      let stop: Stop;
      try {
        stop = machine.run(slice, Math.min(position, past ? this.active.endPosition : Infinity));
      } finally {
        machine.replaying = false;
        this.active.end = Math.max(this.active.end, machine.cycle);
        this.active.endPosition = Math.max(this.active.endPosition, machine.position);
      }
      if (stop.reason !== 'limit' || machine.cycle >= until || machine.position >= position) return stop;
      if (machine.cycle - this.lastCheckpoint(machine.cycle).cycle >= this.interval) this.keep(machine.checkpoint());
    }
  }

  /** Goes to the first boundary at or after `cycle`, in the past or in the future. Breakpoints do not stop it. Throws a RangeError for a time before the beginning. */
  goTo(cycle: number): Stop {
    if (cycle < this.start) throw new RangeError(`the timeline begins at cycle ${this.start}; ${cycle} is before that`);
    if (cycle < this.machine.cycle) this.restore(this.lastCheckpoint(cycle));
    return this.machine.withoutStops(() => this.run(cycle));
  }

  /** Goes to the boundary at `position` (see Machine.position), in the past or in the future. */
  goToPosition(position: number): Stop {
    if (position < this.machine.position) this.restore(this.lastCheckpointBefore(position + 1));
    return this.machine.withoutStops(() => this.run(Infinity, position));
  }

  /** The latest checkpoint of the active branch whose position is below `position`; the first one if there is none. */
  lastCheckpointBefore(position: number): Checkpoint {
    const { checkpoints } = this.active;
    return checkpoints.findLast(c => c.position < position) ?? checkpoints[0];
  }

  /** Puts the machine at a checkpoint of the active branch, with the branch's inputs to come. */
  restore(checkpoint: Checkpoint): void {
    this.active.inputs = this.machine.inputs.records;
    this.moveTo(checkpoint);
  }

  private moveTo(checkpoint: Checkpoint): void {
    this.moving = true;
    try {
      this.machine.restore(checkpoint);
    } finally {
      this.moving = false;
    }
    this.machine.inputs.load(this.active.inputs, checkpoint.inputPosition);
  }

  /** The latest checkpoint of the active branch at or before `cycle`. */
  lastCheckpoint(cycle: number): Checkpoint {
    const { checkpoints } = this.active;
    let low = 0,
      high = checkpoints.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (checkpoints[middle].cycle <= cycle) low = middle;
      else high = middle;
    }
    return checkpoints[low];
  }

  /** Takes a checkpoint of where the machine stands and keeps it with the others. */
  mark(): Checkpoint {
    const checkpoint = this.machine.checkpoint();
    this.keep(checkpoint);
    return checkpoint;
  }

  /** Changes to another branch, at `cycle` of it. Throws a RangeError for a branch that there is not. */
  switchTo(id: number, cycle: number): Stop {
    const branch = this.list.find(b => b.id === id);
    if (branch === undefined) throw new RangeError(`there is no branch ${id}`);
    this.active.inputs = this.machine.inputs.records;
    this.active = branch;
    this.moveTo(this.lastCheckpoint(Math.max(cycle, this.start)));
    return this.goTo(cycle);
  }

  /** An input or a change of memory is about to be made. In the past it starts a branch, which knows nothing of what came after. */
  private fork(): void {
    if (!this.inPast) return;
    const { machine, active } = this;
    active.inputs = machine.inputs.records;
    machine.inputs.dropFuture();
    this.active = {
      id: this.list.length,
      parent: { id: active.id, cycle: machine.cycle },
      end: machine.cycle,
      endPosition: machine.position,
      checkpoints: active.checkpoints.filter(c => c.position <= machine.position),
      inputs: machine.inputs.records,
    };
    this.list.push(this.active);
  }

  private keep(checkpoint: Checkpoint): void {
    const { checkpoints } = this.active;
    const at = checkpoints.findIndex(c => c.position >= checkpoint.position);
    if (at < 0) checkpoints.push(checkpoint);
    else if (checkpoints[at].position !== checkpoint.position) checkpoints.splice(at, 0, checkpoint);
    else return;
    this.copied += checkpoint.copied + (64 << 10);
    if (this.copied > this.budget) this.thin();
  }

  /** Gives up checkpoints until half of the budget is free. What was copied is an upper bound; only here it is counted what is really held. */
  private thin(): void {
    const all = (): Checkpoint[] => [...new Set(this.list.flatMap(b => b.checkpoints))];
    for (let held = footprint(all()); ; held = footprint(all())) {
      this.copied = held;
      if (held <= this.budget / 2) return;
      let dropped = 0;
      for (const branch of this.list) {
        for (let n = Math.ceil(branch.checkpoints.length / 4); n > 0; n--) {
          const at = thinnest(branch.checkpoints, Math.max(branch.end, this.machine.cycle));
          if (at < 0) break;
          branch.checkpoints.splice(at, 1);
          dropped++;
        }
      }
      if (dropped === 0) return;
    }
  }
}
