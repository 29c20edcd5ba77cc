import type { DriverMachine } from '../../emulator/library.ts';
import type { Breakpoint } from '../protocol.ts';

/** The person's breakpoints. They are no part of the machine's state: going back in time keeps them. */
export class Breakpoints {
  private readonly machine: DriverMachine;
  private items: Breakpoint[] = [];
  private next = 1;

  constructor(machine: DriverMachine) {
    this.machine = machine;
  }

  list(): Breakpoint[] {
    return this.items.map(b => ({ ...b }));
  }

  /** Sets one at `address`; one that is there already stays as it is. */
  add(expression: string, address: number): Breakpoint {
    const same = this.items.find(b => b.address === address);
    if (same) return { ...same };
    const symbol = this.machine.guest.symbolAt(address);
    const made: Breakpoint = { id: this.next, address, symbol, expression, hits: 0 };
    // Throws when the core cannot hold one more: then there is none more.
    this.machine.setBreakpoints([...this.items.map(b => b.address), address]);
    this.next++;
    this.items.push(made);
    return { ...made };
  }

  remove(id: number): void {
    this.items = this.items.filter(b => b.id !== id);
    this.machine.setBreakpoints(this.items.map(b => b.address));
  }

  /** The machine has stopped before the instruction at `rip`: counts it, and says which breakpoint that was. */
  hit(rip: number): string {
    const b = this.items.find(item => item.address === rip);
    if (!b) return 'breakpoint';
    b.hits++;
    return `breakpoint ${b.id}: ${b.symbol ?? b.expression}`;
  }
}
