import type { TraceEvent } from '../hal/bus/index.ts';
import * as abi from './core/abi.ts';
import type { Machine } from './machine.ts';

export interface TraceOptions {
  /** Events kept; when there are more, the oldest go. Default 1,000,000. */
  limit?: number;
}

/**
 * Collects what the kernel and the core tell while a machine runs: IRQL changes (from CR8), service routines, DPCs, IRPs, threads.
 * Nothing of it can be observed by the guest. Several collectors may listen to one machine.
 */
export class TraceCollector {
  private list: TraceEvent[] = [];
  private readonly limit: number;
  private readonly detach: () => void;
  /** Events that were dropped because there were too many. */
  dropped = 0;

  constructor(machine: Machine, options: TraceOptions = {}) {
    this.limit = options.limit ?? 1_000_000;
    if (!(this.limit >= 2)) throw new RangeError(`a trace of ${this.limit} events`);
    const undoTrace = machine.addTraceSink(event => this.add(event));
    const undoCore = machine.addCoreSink(event => {
      if (machine.replaying) return;
      const { cycle, cpu } = event;
      if (event.kind === abi.EVENT_CR8)
        this.add({ cycle, cpu, kind: 'irql', phase: 'value', name: 'irql', args: { value: event.a } });
      else if (event.kind === abi.EVENT_INTERRUPT) {
        this.add({
          cycle,
          cpu,
          kind: 'interrupt',
          phase: 'at',
          name: event.b === 1 ? 'NMI' : `vector ${hex(event.a)}`,
          args: { vector: event.a },
        });
      } else if (event.kind === abi.EVENT_EXCEPTION) {
        this.add({
          cycle,
          cpu,
          kind: 'interrupt',
          phase: 'at',
          name: `exception ${event.a}`,
          args: { vector: event.a, ...(event.b === 0xffffffff ? {} : { error: event.b }) },
        });
      }
    });
    this.detach = () => {
      undoTrace();
      undoCore();
    };
    for (const cpu of machine.cpus)
      this.add({ cycle: cpu.cycle, cpu: cpu.index, kind: 'irql', phase: 'value', name: 'irql', args: { value: cpu.cr8 } });
  }

  get events(): readonly TraceEvent[] {
    return this.list;
  }

  /** Stops listening. What was collected stays. */
  stop(): void {
    this.detach();
  }

  private add(event: TraceEvent): void {
    this.list.push(event);
    // Dropping half at once keeps the cost of a full trace constant an event.
    if (this.list.length <= this.limit) return;
    const half = this.limit >> 1;
    this.dropped += this.list.length - half;
    this.list = this.list.slice(-half);
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
