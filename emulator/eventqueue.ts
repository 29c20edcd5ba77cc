/**
 * What is going to happen: events on the machine's one counter. An event is data (who, which, when, one number), never a closure, because the queue is
 * part of the machine's state: it is saved, restored and hashed.
 */
export interface ScheduledEvent {
  /** Due at the first instruction boundary at or after this cycle. */
  readonly cycle: number;
  /** Order of scheduling: events of one cycle fire in this order. */
  readonly sequence: number;
  /** `Device.id` of the owner. */
  readonly device: string;
  readonly name: string;
  readonly arg: number;
}

/** A binary heap by (cycle, sequence). At most one event for each (device, name). */
export class EventQueue {
  private heap: ScheduledEvent[] = [];
  private nextSequence = 0;

  get size(): number {
    return this.heap.length;
  }

  /** Cycle of the earliest event, or Infinity. */
  nextCycle(): number {
    const first = this.heap[0];
    return first === undefined ? Infinity : first.cycle;
  }

  /** Adds an event; one of the same device and name is replaced. Throws a RangeError for a cycle that is no whole number. */
  schedule(device: string, name: string, cycle: number, arg: number): void {
    if (!Number.isSafeInteger(cycle) || cycle < 0) throw new RangeError(`${device}: event ${name} at cycle ${cycle}`);
    this.cancel(device, name);
    this.heap.push({ cycle, sequence: this.nextSequence++, device, name, arg });
    this.up(this.heap.length - 1);
  }

  /** Removes the event of that device and name, if there is one. */
  cancel(device: string, name: string): void {
    // A machine has a dozen pending events: a scan is cheaper than keeping an index of heap places true.
    const at = this.heap.findIndex(e => e.device === device && e.name === name);
    if (at < 0) return;
    const last = this.heap.pop();
    if (last === undefined || at === this.heap.length) return;
    this.heap[at] = last;
    this.down(at);
    this.up(at);
  }

  /** Removes and returns the earliest event if it is due at `cycle`, else null. */
  takeDue(cycle: number): ScheduledEvent | null {
    const first = this.heap[0];
    if (first === undefined || first.cycle > cycle) return null;
    const last = this.heap.pop();
    if (last !== undefined && this.heap.length > 0) {
      this.heap[0] = last;
      this.down(0);
    }
    return first;
  }

  /** The events in the order in which they will fire. */
  list(): ScheduledEvent[] {
    return [...this.heap].sort(order);
  }

  /** Replaces everything with `events`, given in firing order; sequence numbers are given anew. */
  load(events: readonly ScheduledEvent[]): void {
    this.nextSequence = events.length;
    // Sorted by (cycle, sequence), an array is a heap already.
    this.heap = events.map((e, sequence) => ({ ...e, sequence }));
  }

  clear(): void {
    this.load([]);
  }

  private up(at: number): void {
    const heap = this.heap,
      event = heap[at];
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (order(heap[parent], event) <= 0) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  private down(at: number): void {
    const heap = this.heap,
      event = heap[at];
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && order(heap[child + 1], heap[child]) < 0) child++;
      if (order(event, heap[child]) <= 0) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = event;
  }
}

function order(a: ScheduledEvent, b: ScheduledEvent): number {
  return a.cycle - b.cycle || a.sequence - b.sequence;
}
