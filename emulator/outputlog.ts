/** Bytes that left the machine, with the cycle at which they did. */
export interface OutputRecord {
  readonly cycle: number;
  readonly device: string;
  readonly channel: string;
  readonly data: Uint8Array;
}

interface Node {
  readonly record: OutputRecord;
  readonly before: Node | null;
  /** Number of records up to and including this one. */
  readonly count: number;
}

/** A place in the output: what a checkpoint remembers. */
export type OutputPlace = { readonly last: object | null };

/**
 * What the machine has put out on the way to its present state. A linked list from the newest record back, so that every checkpoint (also of another
 * branch of time) keeps its own past at the cost of one reference. Output is not state: the machine cannot read it.
 */
export class OutputLog {
  private last: Node | null = null;

  add(record: OutputRecord): void {
    this.last = { record, before: this.last, count: (this.last?.count ?? 0) + 1 };
  }

  get count(): number {
    return this.last?.count ?? 0;
  }

  /** The records from number `from` on, oldest first. */
  since(from = 0): OutputRecord[] {
    const out: OutputRecord[] = [];
    for (let node = this.last; node !== null && node.count > from; node = node.before) out.push(node.record);
    return out.reverse();
  }

  /** The newest record from number `from` on for which `pick` gives something, as what it gives; null if there is none. */
  findLast<T>(pick: (record: OutputRecord) => T | null, from = 0): T | null {
    for (let node = this.last; node !== null && node.count > from; node = node.before) {
      const found = pick(node.record);
      if (found !== null) return found;
    }
    return null;
  }

  place(): OutputPlace {
    return { last: this.last };
  }

  goTo(place: OutputPlace): void {
    this.last = place.last as Node | null;
  }
}
