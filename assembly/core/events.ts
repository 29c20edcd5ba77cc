import { CPU_INDEX } from './layout';
import { event } from './env';

// What the core tells a trace. Nothing here changes state.

/** a = vector, b = 1 for an NMI. */
export const EVENT_INTERRUPT: u32 = 0;
/** a = CPL returned to, b = low half of the new RIP. */
export const EVENT_IRET: u32 = 1;
/** a = new CR8, b = old CR8. */
export const EVENT_CR8: u32 = 2;
/** a = vector, b = error code (0xFFFFFFFF: none). */
export const EVENT_EXCEPTION: u32 = 3;
/** a = vector, b = ISR's next highest vector in service or 0. */
export const EVENT_EOI: u32 = 4;

let tracing: u32 = 0;

/** Turns calls of `env.event` on or off. */
export function setTracing(on: u32): void { tracing = on; }

export function tell(cpu: usize, kind: u32, a: u32, b: u32): void {
  if (tracing != 0) event(kind, load<u32>(cpu, CPU_INDEX), a, b);
}
