import type { TraceEvent } from '../../hal/bus/index.ts';
import type { Mark } from '../protocol.ts';

/** Marks kept of one branch of time. */
const MOST = 4000;

/** What happened when, for the timeline strip: service routines, DPCs, requests, bug checks, by branch of time. */
export class Marks {
  private readonly byBranch = new Map<number, Mark[]>([[0, []]]);

  /** Notes an event of the trace that is worth a mark. The clock is not: it ticks all the time. */
  note(branch: number, event: TraceEvent): void {
    if (event.phase !== 'begin') return;
    const kind = event.kind === 'isr' ? 'interrupt' : event.kind === 'dpc' || event.kind === 'irp' ? event.kind : null;
    if (kind !== null) this.add(branch, { cycle: event.cycle, kind, name: event.name });
  }

  add(branch: number, mark: Mark): void {
    const list = this.of(branch);
    list.push(mark);
    if (list.length > MOST) list.splice(0, MOST / 2);
  }

  /** A new branch left `parent` at `cycle`: what was before that is its past too. */
  fork(branch: number, parent: number, cycle: number): void {
    this.byBranch.set(
      branch,
      this.of(parent).filter(m => m.cycle <= cycle),
    );
  }

  of(branch: number): Mark[] {
    let list = this.byBranch.get(branch);
    if (list === undefined) this.byBranch.set(branch, (list = []));
    return list;
  }
}
