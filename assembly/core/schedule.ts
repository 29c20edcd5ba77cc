import { ACTIVITY_HALTED, ACTIVITY_MWAIT, endMonitor, EXIT_ASLEEP, EXIT_BUDGET, EXIT_HALT, EXIT_TURN } from './boundary';
import { IF } from './flags';
import { ACTIVITY, CYCLES, FLAGS_REST, TIMER_DUE } from './layout';
import { BOARD, cpuAt, cpuCount } from './map';
import { runCpu } from './run';
import { awake, comeTo, CURRENT, TURN_END } from './turns';

// Whose turn it is. Processors take turns; a turn ends at a cycle that a seed chooses, or when its processor waits. The next turn is
// that of the processor that is furthest behind, so that all of them stay in step. Everything that decides is machine state (at BOARD),
// and nothing depends on where the host cut a run: the seed alone chooses the interleaving.
//
// The machine's time is the cycle that every processor has reached (frontier). A processor that sleeps does not count until
// its timer is due or something wakes it; its own counter then goes to the cycle at which that happened.

/** State of the generator that turn lengths are drawn from (u64). */
const RANDOM: usize = BOARD + 0x250;
/** Turns given so far (u64). */
const TURNS: usize = BOARD + 0x260;

const NEVER: u64 = ~(<u64>0);
/** Turn lengths, in cycles: a sixteenth of the turns has up to SHORT, the others up to LONG, all lengths equally likely. */
const SHORT: u64 = 16;
let long: u64 = 1024;

/** Starts the generator from `seed`. */
export function seedSchedule(seed: u32): void { store<u64>(RANDOM, <u64>seed); }

/** For measurements: the longest turn in cycles. */
export function setTurnLimit(cycles: u32): void { long = cycles > 1 ? <u64>cycles : 1; }

/** SplitMix64: neighbouring seeds give unrelated sequences. */
function random(): u64 {
  let z = load<u64>(RANDOM) + 0x9e3779b97f4a7c15;
  store<u64>(RANDOM, z);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

function turnLength(): u64 {
  const r = random();
  return 1 + (r >> 4) % ((r & 15) == 0 ? SHORT : long);
}

/** The cycle from which on the processor has something to do: its own if it is awake, else its timer's; NEVER if only others can wake it. */
function readyAt(cpu: usize): u64 {
  if (awake(cpu)) return load<u64>(cpu, CYCLES);
  if (load<u32>(cpu, ACTIVITY) != ACTIVITY_HALTED && load<u32>(cpu, ACTIVITY) != ACTIVITY_MWAIT) return NEVER;
  const due = load<u64>(cpu, TIMER_DUE), now = load<u64>(cpu, CYCLES);
  return due > now ? due : now;
}

/** The earliest cycle at which a processor other than `but` has something to do. */
function othersReady(but: usize): u64 {
  let first = NEVER;
  for (let n: u32 = 0; n < cpuCount; n++) {
    const cpu = cpuAt(n);
    if (cpu == but) continue;
    const at = readyAt(cpu);
    if (at < first) first = at;
  }
  return first;
}

function least(a: u64, b: u64): u64 { return a < b ? a : b; }

/** The cycle that every processor has reached: the machine's time, which never goes back. */
export function frontier(): u64 {
  const cpu = cpuAt(load<u32>(CURRENT)), now = load<u64>(cpu, CYCLES);
  return cpuCount == 1 ? now : least(now, othersReady(cpu));
}

/** The processor whose turn it is. */
export function currentCpu(): u32 { return load<u32>(CURRENT); }

/** All processors' cycles and the number of turns together: it grows with every boundary and every turn, so that it tells any two moments apart. */
export function position(): u64 {
  let sum = load<u64>(TURNS);
  for (let n: u32 = 0; n < cpuCount; n++) sum += load<u64>(cpuAt(n), CYCLES);
  return sum;
}

/**
 * Runs the processors in turn. No processor runs past cycle `event`, unless it is there already. Returns EXIT_BUDGET as soon as the frontier has reached
 * `event` or `until`, or position() has reached `at`; EXIT_HALT when nothing can wake any processor; and whatever else ended a
 * processor's run: it is the current one then.
 */
export function runProcessors(event: u64, until: u64, at: u64): u32 {
  const soon = least(event, until);
  while (true) {
    const cpu = cpuAt(load<u32>(CURRENT)), now = load<u64>(cpu, CYCLES), others = othersReady(cpu);
    if (least(now, others) >= soon) return EXIT_BUDGET;
    const left = at == NEVER ? NEVER : roomTo(at);
    if (left == 0) return EXIT_BUDGET;
    const own = readyAt(cpu);
    if (own > now && others > now) {
      // It waits, and nobody else has come this far: time goes on to what happens next.
      if (lookAtMonitors()) continue;
      const next = least(least(own, others), least(soon, left == NEVER ? NEVER : now + left));
      if (next == NEVER) return EXIT_HALT;
      store<u64>(cpu, next, CYCLES);
      continue;
    }
    if (now >= load<u64>(TURN_END) || now >= event || own > now) {
      nextTurn();
      continue;
    }
    let limit = least(load<u64>(TURN_END), event);
    // The frontier reaches `until` within this turn only if the others are there already.
    if (others >= until) limit = least(limit, until);
    if (left != NEVER) limit = least(limit, now + left);
    const reason = runCpu(cpu, limit, cpuCount == 1 ? NEVER : load<u64>(TURN_END));
    // Who halts for good has perhaps something to tell the host.
    if (reason == EXIT_HALT && (load<u32>(cpu, FLAGS_REST) & IF) == 0 && load<u32>(cpu, ACTIVITY) == ACTIVITY_HALTED) return EXIT_ASLEEP;
    if (reason != EXIT_BUDGET && reason != EXIT_HALT && reason != EXIT_TURN) return reason;
  }
}

function roomTo(at: u64): u64 {
  const here = position();
  return here < at ? at - here : 0;
}

/** Processors in MWAIT see what the turn that ends here has written. Returns whether one goes on. */
function lookAtMonitors(): bool {
  let any = false;
  for (let n: u32 = 0; n < cpuCount; n++) {
    const cpu = cpuAt(n);
    if (load<u32>(cpu, ACTIVITY) != ACTIVITY_MWAIT || awake(cpu) || !endMonitor(cpu)) continue;
    comeTo(cpu);
    any = true;
  }
  return any;
}

/** Gives the turn to the processor that is furthest behind. */
function nextTurn(): void {
  lookAtMonitors();
  let best: u32 = 0, bestAt = NEVER, second = NEVER, company = false;
  for (let n: u32 = 0; n < cpuCount; n++) {
    const at = readyAt(cpuAt(n));
    if (at < bestAt) { second = bestAt; best = n; bestAt = at; }
    else if (at < second) second = at;
  }
  const cpu = cpuAt(best);
  // Who waits in MWAIT is company too: when a turn ends, it looks at its line.
  for (let n: u32 = 0; n < cpuCount; n++) if (n != best && (awake(cpuAt(n)) || load<u32>(cpuAt(n), ACTIVITY) == ACTIVITY_MWAIT)) company = true;
  store<u32>(CURRENT, best);
  store<u64>(TURNS, load<u64>(TURNS) + 1);
  store<u64>(cpu, bestAt, CYCLES);
  const end = bestAt + turnLength();
  // Alone, a processor has nobody to take turns with before another's timer is due; and a turn ends when it wakes one.
  store<u64>(TURN_END, company || second < end ? end : second);
}
