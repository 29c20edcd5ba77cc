import { endOfInterrupt } from '../../hal/nt/apic.ts';
import {
  call,
  type Frame,
  next,
  type NtExport,
  ntExport,
  ntSteps,
  type Outcome,
  pointer,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { DRIVER_VERIFIER_DETECTED_VIOLATION, IRQL_UNEXPECTED_VALUE } from '../types/bugcodes.ts';
import { KINTERRUPT, LevelSensitive } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import { ptr, u32 } from '../types/struct.ts';
import { traceName } from './dpcroutine.ts';
import { connectedInterrupt, INTERRUPT_INACTIVE } from './interrupt.ts';

const I = KINTERRUPT.f;
const P = KPRCB.f;

const frame = { Interrupt: ptr, First: ptr, Handled: u32 };
type F = Frame<typeof frame>;

const routineOf = (k: Kernel, interrupt: number): number =>
  I.MessageServiceRoutine.get(k.mem, interrupt) || I.ServiceRoutine.get(k.mem, interrupt);

/** Says how many processors are inside the service routines of a vector: none of its KINTERRUPTs is freed meanwhile. */
function countActive(k: Kernel, first: number, by: number): void {
  I.ActiveCount.set(k.mem, first, I.ActiveCount.get(k.mem, first) + by);
}

/** Takes the interrupt's lock and calls its service routine at its synchronization IRQL. */
function service(k: Kernel, f: F): Outcome {
  const m = k.mem;
  const interrupt = f.get('Interrupt');
  if (I.InternalState.get(m, interrupt) === INTERRUPT_INACTIVE) return goOn(k, f, false);
  const lock = I.ActualLock.get(m, interrupt);
  if (m.read64(lock) !== 0n) return next('again', 40);
  m.write64(lock, 1n);
  k.irql = I.SynchronizeIrql.get(m, interrupt);
  I.ServiceCount.set(m, interrupt, I.ServiceCount.get(m, interrupt) + 1);
  if (k.tracing) k.trace('isr', 'begin', traceName(k, routineOf(k, interrupt)));
  const message = I.MessageServiceRoutine.get(m, interrupt);
  const context = m.read64(interrupt + I.ServiceContext.offset);
  if (message !== 0) return call(message, [interrupt, context, I.MessageIndex.get(m, interrupt)], 'serviced');
  return call(I.ServiceRoutine.get(m, interrupt), [interrupt, context], 'serviced');
}

/** After a service routine: the next of the vector, or the end of the interrupt. */
function goOn(k: Kernel, f: F, handled: boolean): Outcome {
  const m = k.mem;
  const interrupt = f.get('Interrupt');
  const following = m.readPtr(interrupt + I.InterruptListEntry.offset) - I.InterruptListEntry.offset;
  const level = I.Mode.get(m, interrupt) === LevelSensitive;
  // A level-triggered line that still has a reason interrupts again; an edge may stand for several devices, so the chain is run until nobody claims it.
  if (following === f.get('First')) {
    if (!level && f.get('Handled') !== 0 && following !== interrupt) {
      f.set('Handled', 0);
      f.set('Interrupt', following);
      return service(k, f);
    }
  } else if (!(level && handled)) {
    f.set('Interrupt', following);
    return service(k, f);
  }
  countActive(k, f.get('First'), -1);
  endOfInterrupt(k.cpu);
  return ret();
}

export const interruptRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'KiInterruptDispatch',
    internal: true,
    doc: 'Calls the service routines that are connected to a vector, each under its interrupt spin lock, then ends the interrupt.',
    args: { TrapFrame: pointer('PKTRAP_FRAME'), Vector: ULONG },
    returns: VOID,
    cycles: 40,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, { Vector, TrapFrame }) {
        P.InterruptCount.set(k.mem, k.prcb, P.InterruptCount.get(k.mem, k.prcb) + 1);
        const first = connectedInterrupt(k, Vector);
        if (first === 0) {
          k.global.set('KiUnexpectedInterruptCount', k.global.get('KiUnexpectedInterruptCount') + 1);
          endOfInterrupt(k.cpu);
          return ret();
        }
        I.TrapFrame.set(k.mem, first, TrapFrame);
        countActive(k, first, 1);
        f.set('First', first);
        f.set('Interrupt', first);
        f.set('Handled', 0);
        return service(k, f);
      },
      again: (k, f) => service(k, f),
      serviced(k, f, rax, { Vector }) {
        const m = k.mem;
        const interrupt = f.get('Interrupt');
        const expected = I.SynchronizeIrql.get(m, interrupt);
        if (k.tracing) k.trace('isr', 'end', traceName(k, routineOf(k, interrupt)));
        if (k.irql !== expected && k.config.verifier)
          k.bugCheckBy(
            routineOf(k, interrupt),
            DRIVER_VERIFIER_DETECTED_VIOLATION,
            0x111,
            routineOf(k, interrupt),
            `a service routine was called at IRQL ${expected} and returned at IRQL ${k.irql}`,
            expected,
            k.irql,
          );
        if (k.irql !== expected)
          k.bugCheck(
            IRQL_UNEXPECTED_VALUE,
            (k.irql << 16) | (expected << 8),
            0,
            routineOf(k, interrupt),
            0,
            `a service routine returned at IRQL ${k.irql}`,
          );
        m.write64(I.ActualLock.get(m, interrupt), 0n);
        k.irql = Vector >> 4;
        const handled = (rax & 0xff) !== 0;
        if (handled) f.set('Handled', 1);
        return goOn(k, f, handled);
      },
    },
  }),
  ntExport({
    name: 'KiSpuriousInterrupt',
    internal: true,
    doc: 'The local APIC had nothing to deliver after all: no EOI.',
    args: { TrapFrame: pointer('PKTRAP_FRAME'), Vector: ULONG },
    returns: VOID,
    cycles: 10,
    status: 'full',
    impl(k) {
      k.global.set('KiUnexpectedInterruptCount', k.global.get('KiUnexpectedInterruptCount') + 1);
    },
  }),
];
