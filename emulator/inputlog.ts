import type { InputRecord } from '../hal/bus/index.ts';

/**
 * Everything that came from outside, by the cycle at which it enters. The log and the machine's configuration are all that a replay needs. Records before
 * `position` have entered; the others are still to come (they were given for a later cycle, or the machine was taken back to before them).
 */
export class InputLog {
  private list: readonly InputRecord[] = [];
  private next = 0;

  /** All records, by cycle. The array is never changed, only replaced. */
  get records(): readonly InputRecord[] {
    return this.list;
  }
  /** Number of records that have entered: part of the machine's state. */
  get position(): number {
    return this.next;
  }
  set position(value: number) {
    if (!Number.isInteger(value) || value < 0 || value > this.list.length)
      throw new RangeError(`input position ${value} of ${this.list.length}`);
    this.next = value;
  }

  /** Cycle of the next record to enter, or Infinity. */
  nextCycle(): number {
    return this.next < this.list.length ? this.list[this.next].cycle : Infinity;
  }

  /** Position (see InputRecord) that the next record waits for, or Infinity if it waits for its cycle alone. */
  nextPosition(): number {
    return this.next < this.list.length ? (this.list[this.next].position ?? Infinity) : Infinity;
  }

  /** Takes the next record if it is due at `cycle` and `position`, else null. */
  takeDue(cycle: number, position: number): InputRecord | null {
    const record = this.list[this.next];
    if (record === undefined || record.cycle > cycle || (record.position ?? 0) > position) return null;
    return this.list[this.next++];
  }

  /** Adds a record after those of its own cycle. It must not lie before a record that has entered. */
  add(record: InputRecord): void {
    let at = this.list.length;
    while (at > this.next && this.list[at - 1].cycle > record.cycle) at--;
    if (at > 0 && this.list[at - 1].cycle > record.cycle)
      throw new RangeError(`an input for cycle ${record.cycle}, after one that entered at ${this.list[at - 1].cycle}`);
    this.list = [...this.list.slice(0, at), record, ...this.list.slice(at)];
  }

  /** Puts in a record as one that has entered just now: the change has been made already. */
  addEntered(record: InputRecord): void {
    this.list = [...this.list.slice(0, this.next), record, ...this.list.slice(this.next)];
    this.next++;
  }

  /** Forgets the records that have not entered: what a branch of the timeline starts with. */
  dropFuture(): void {
    this.list = this.list.slice(0, this.next);
  }

  /** Replaces the log, for a replay; the position must be one of its own. */
  load(records: readonly InputRecord[], position: number): void {
    for (let i = 1; i < records.length; i++) {
      if (records[i].cycle < records[i - 1].cycle)
        throw new RangeError(`input ${i} is for cycle ${records[i].cycle}, before the one that precedes it`);
    }
    this.list = records;
    this.position = position;
  }
}
