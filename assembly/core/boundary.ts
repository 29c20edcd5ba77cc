import { acceptInterrupt, highestPending } from './apic';
import { apicTimerFire } from './apictimer';
import { reportDebug } from './debugregs';
import { EVENT_EXCEPTION, EVENT_INTERRUPT, tell } from './events';
import { IF, RF, TF } from './flags';
import { initProcessor } from './reset';
import { deliver, SOURCE_EXTERNAL } from './interrupts';
import { acknowledgeIntr, intrPending } from './intr';
import { ACTIVITY, ATTENTION, CYCLES, DB_PENDING, FLAGS_REST, INIT_PENDING, INT_SHADOW, NMI_BLOCKED, NMI_PENDING, PMC_ACTIVE, RIP, TIMER_DUE } from './layout';
import { disarm, monitorDone } from './monitor';
import { pmcRestart } from './pmc';
import { DB, NMI, NO_ERROR_CODE } from './trap';

// What happens between two instructions. The run loop calls boundary() when ATTENTION is not zero or CYCLES has reached TIMER_DUE.

/** Exit reasons of `run`. */
export const EXIT_BUDGET: u32 = 0, EXIT_HALT: u32 = 1, EXIT_GATE: u32 = 2, EXIT_BREAKPOINT: u32 = 3, EXIT_WATCH: u32 = 4, EXIT_TRIPLE_FAULT: u32 = 5, EXIT_STOP: u32 = 6, EXIT_STEP: u32 = 7;
/** The processor's turn is over (schedule.ts); `run` itself never gives it to the host. */
export const EXIT_TURN: u32 = 8;
/** Of several processors one halted with interrupts disabled; the others may go on. */
export const EXIT_ASLEEP: u32 = 9;
/** Answers of boundary() besides exit reasons: go on at RIP; or run exactly one instruction, whatever the budget, and come back. */
export const GO: u32 = 0x100, GO_ONE: u32 = 0x101;

/** Reasons in ATTENTION. */
export const ATTENTION_INTERRUPT: u32 = 1, ATTENTION_SHADOW: u32 = 2, ATTENTION_NMI: u32 = 4, ATTENTION_ACTIVITY: u32 = 8, ATTENTION_TRAP_FLAG: u32 = 16, ATTENTION_EXIT: u32 = 32, ATTENTION_DEBUG: u32 = 64;
/** A performance counter is active: the run loop looks at every boundary that could change the privilege level, and nothing else happens there. */
export const ATTENTION_COUNT: u32 = 128;
/** An INIT that the processor sent itself. */
export const ATTENTION_INIT: u32 = 256;
/** INT_SHADOW: after STI interrupts wait for one instruction; after MOV SS and POP SS, NMIs and debug traps too (SDM vol. 3, 6.8.3). */
export const SHADOW_STI: u32 = 1, SHADOW_MOV_SS: u32 = 2;

export const ACTIVITY_RUNNING: u32 = 0, ACTIVITY_HALTED: u32 = 1, ACTIVITY_SHUTDOWN: u32 = 2, ACTIVITY_WAIT_SIPI: u32 = 3, ACTIVITY_MWAIT: u32 = 4;

/** Exit reason + 1 that the running processor leaves with at its next boundary. */
let pendingExit: u32 = 0;
/** The processor inside `run`, or 0. */
let running: usize = 0;

/** The run loop starts (or, with 0, ends) running a processor. */
export function setRunning(cpu: usize): void {
  running = cpu;
  if (cpu != 0) updateAttention(cpu);
}

export function runningCpu(): usize { return running; }

/** Makes `run` return `reason` at the next boundary: after the current instruction, or at once in the next `run`. The first request wins; the end of a turn, which is remembered elsewhere, gives way to any other. */
export function requestExit(reason: u32): void {
  if (pendingExit == 0 || pendingExit == EXIT_TURN + 1) pendingExit = reason + 1;
  if (running != 0) store<u32>(running, load<u32>(running, ATTENTION) | ATTENTION_EXIT, ATTENTION);
}

/** The host replaced the state: a request made in the old one is void. */
export function forgetExit(): void { pendingExit = 0; }

/** Recomputes ATTENTION: after a change of IF, TF, the interrupt shadow, ACTIVITY, TPR, IRR or ISR. */
export function updateAttention(cpu: usize): void {
  let a: u32 = 0;
  const flags = load<u32>(cpu, FLAGS_REST);
  if ((flags & IF) != 0 && (highestPending(cpu) != 0 || intrPending(cpu))) a |= ATTENTION_INTERRUPT;
  if ((flags & (TF | RF)) != 0) a |= ATTENTION_TRAP_FLAG;
  if (load<u32>(cpu, INT_SHADOW) != 0) a |= ATTENTION_SHADOW;
  if (load<u32>(cpu, DB_PENDING) != 0) a |= ATTENTION_DEBUG;
  if (load<u32>(cpu, NMI_PENDING) != 0 && load<u32>(cpu, NMI_BLOCKED) == 0) a |= ATTENTION_NMI;
  if (load<u32>(cpu, ACTIVITY) != ACTIVITY_RUNNING) a |= ATTENTION_ACTIVITY;
  if (load<u32>(cpu, PMC_ACTIVE) != 0) a |= ATTENTION_COUNT;
  if (load<u32>(cpu, INIT_PENDING) != 0) a |= ATTENTION_INIT;
  if (pendingExit != 0 && cpu == running) a |= ATTENTION_EXIT;
  store<u32>(cpu, a, ATTENTION);
}

/**
 * At an instruction boundary with RIP, CYCLES and RFLAGS written back: fires the APIC timer if it is due, delivers what is
 * deliverable (one event), and says whether to go on: GO, GO_ONE (the interrupt shadow, TF or RF covers the next instruction), or an exit reason.
 */
export function boundary(cpu: usize): u32 {
  if (load<u64>(cpu, CYCLES) >= load<u64>(cpu, TIMER_DUE)) apicTimerFire(cpu);
  if (pendingExit != 0) {
    const reason = pendingExit - 1;
    pendingExit = 0;
    updateAttention(cpu);
    return reason;
  }
  if (load<u32>(cpu, INIT_PENDING) != 0) initProcessor(cpu);
  const activity = load<u32>(cpu, ACTIVITY);
  if (activity == ACTIVITY_SHUTDOWN) return EXIT_TRIPLE_FAULT;
  if (activity == ACTIVITY_WAIT_SIPI) return EXIT_HALT;
  const debug = load<u32>(cpu, DB_PENDING);
  if (debug != 0 && load<u32>(cpu, INT_SHADOW) != SHADOW_MOV_SS) {
    store<u32>(cpu, 0, DB_PENDING);
    reportDebug(cpu, debug);
    tell(cpu, EVENT_EXCEPTION, DB, 0);
    return external(cpu, DB);
  }
  if (load<u32>(cpu, INT_SHADOW) != 0) {
    // The next instruction runs before anything is delivered; the shadow is over when it starts.
    store<u32>(cpu, 0, INT_SHADOW);
    updateAttention(cpu);
    return GO_ONE;
  }
  if (load<u32>(cpu, NMI_PENDING) != 0 && load<u32>(cpu, NMI_BLOCKED) == 0) {
    store<u32>(cpu, load<u32>(cpu, NMI_PENDING) - 1, NMI_PENDING);
    store<u32>(cpu, 1, NMI_BLOCKED);
    tell(cpu, EVENT_INTERRUPT, NMI, 1);
    return external(cpu, NMI);
  }
  if ((load<u32>(cpu, FLAGS_REST) & IF) != 0) {
    // An external interrupt has no priority class: it comes before those of the local APIC.
    if (intrPending(cpu)) {
      const vector = acknowledgeIntr(cpu);
      tell(cpu, EVENT_INTERRUPT, vector, 0);
      return external(cpu, vector);
    }
    const vector = highestPending(cpu);
    if (vector != 0) {
      acceptInterrupt(cpu, vector);
      tell(cpu, EVENT_INTERRUPT, vector, 0);
      return external(cpu, vector);
    }
  }
  updateAttention(cpu);
  if (activity == ACTIVITY_HALTED) return EXIT_HALT;
  if (activity == ACTIVITY_MWAIT) {
    if (!endMonitor(cpu)) return EXIT_HALT;
  }
  return (load<u32>(cpu, FLAGS_REST) & (TF | RF)) != 0 ? GO_ONE : GO;
}

/** Ends an MWAIT whose line was written, or that a masked interrupt breaks. Returns whether it did. */
export function endMonitor(cpu: usize): bool {
  if (!monitorDone(cpu, highestPending(cpu) != 0)) return false;
  wake(cpu);
  updateAttention(cpu);
  return true;
}

/** A halted or waiting processor runs again. */
function wake(cpu: usize): void {
  if (load<u32>(cpu, ACTIVITY) == ACTIVITY_RUNNING) return;
  if (load<u32>(cpu, ACTIVITY) == ACTIVITY_MWAIT) disarm(cpu);
  if (load<u32>(cpu, PMC_ACTIVE) != 0) pmcRestart(cpu);
  store<u32>(cpu, ACTIVITY_RUNNING, ACTIVITY);
}

function external(cpu: usize, vector: u32): u32 {
  wake(cpu);
  deliver(cpu, vector, SOURCE_EXTERNAL, NO_ERROR_CODE, load<u64>(cpu, RIP));
  updateAttention(cpu);
  return load<u32>(cpu, ACTIVITY) == ACTIVITY_SHUTDOWN ? EXIT_TRIPLE_FAULT : GO;
}
