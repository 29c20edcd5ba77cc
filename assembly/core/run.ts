import { B_BREAK, B_CHARGE, B_HEADER, B_LENGTH, B_RIP, BREAK_DEBUG, BREAK_HOST, MODE_ALONE, MODE_COUNT } from './block';
import { findBlock } from './blocks';
import { codeBreakpoints, DEBUGCTL_BTF, DR6_BS, pend, reportDebug } from './debugregs';
import { ACTIVITY_RUNNING, ATTENTION_COUNT, ATTENTION_EXIT, boundary, EXIT_BREAKPOINT, EXIT_BUDGET, EXIT_TRIPLE_FAULT, GO, GO_ONE, setRunning, SHADOW_MOV_SS, ACTIVITY_SHUTDOWN } from './boundary';
import { RF, TF } from './flags';
import { deliverFault } from './interrupts';
import { ACTIVITY, ATTENTION, BRANCHES, CPL, CYCLES, DEBUGCTL, FLAGS_REST, INSTRUCTIONS, INT_SHADOW, MODE, PMC_ACTIVE, REPEATING, RIP, RUN_LIMIT, TIMER_DUE } from './layout';
import { pmcRoom, pmcSync } from './pmc';
import { beginHold, drain, endHold } from './storebuffer';
import { OP_BYTES, OP_CODE, OP_COUNT_AFTER, OP_CYCLES, OP_CYCLES_AFTER, OP_FLAGS, OP_LENGTH, OP_NEXT, OPF_LOCK, OPF_REP, OPF_REPNE, OPF_START } from './op';
import { legacy } from './linear';
import { clearTrap, DB, entered, forgetEntry, raise, setAlone, trap, TRAP_AGAIN, TRAP_REDO } from './trap';
import { execute, faultOp } from '../generated/execute';
import { CODE_COUNT } from '../generated/tables';

// The run loop: blocks as long as the budget covers them, single instructions where an exact position is needed.

/** Cycles that `execute` runs at most in one call: an engine cannot replace a function while it runs, so long calls would stay in its first, slow code. */
const CALL_CYCLES: u64 = 1000000;

/** Cycles that a string instruction runs at most before it comes back to the loop: its charge must fit beside the budget. */
const REPEAT_CYCLES: u64 = 1 << 29;

/** RIP at which the last run stopped for a breakpoint; the next run passes it. Belongs to the host. */
let stoppedAt: u64 = 0;
/** No instruction is at this (non-canonical) address. */
const NOWHERE: u64 = 1 << 63;
let stoppedCpu: usize = 0;

/** A breakpoint that a run stopped at before is forgotten when the host goes elsewhere. */
export function forgetBreakpoint(): void { stoppedCpu = 0; }

/**
 * Runs the processor until CYCLES has reached `until`, at the first instruction boundary there, or until something else ends the run: see EXIT_* in boundary.ts.
 * However a run is cut into calls, the same boundaries are reached in the same state. `turnEnd` is the cycle at which another processor has its turn (2^64 - 1: there are no turns).
 */
export function runCpu(cpu: usize, until: u64, turnEnd: u64): u32 {
  const pass = stoppedCpu == cpu && load<u64>(cpu, RIP) == stoppedAt;
  // Another processor's turn does not move the one that stopped.
  if (stoppedCpu == cpu) stoppedCpu = 0;
  drain(cpu);
  setRunning(cpu);
  const reason = loop(cpu, until, pass ? stoppedAt : NOWHERE, turnEnd);
  setRunning(0);
  return reason;
}

function loop(cpu: usize, until: u64, passAt: u64, turnEnd: u64): u32 {
  let held = false, redo = false, pass = passAt, level = load<u32>(cpu, CPL), counts = load<u32>(cpu, ACTIVITY) == ACTIVITY_RUNNING;
  while (true) {
    if (load<u32>(cpu, PMC_ACTIVE) != 0 && counts) pmcSync(cpu, level);
    const now = load<u64>(cpu, CYCLES), shadow = load<u32>(cpu, INT_SHADOW);
    let one = redo;
    if (!redo) {
      // An exit that the last instruction asked for comes first: it is no part of the state that the host may save at a budget stop.
      if (now >= until && (load<u32>(cpu, ATTENTION) & ATTENTION_EXIT) == 0) return EXIT_BUDGET;
      if (load<u32>(cpu, ATTENTION) != 0 || now >= load<u64>(cpu, TIMER_DUE)) {
        const answer = boundary(cpu);
        if (answer < GO) return answer;
        // A delivery took cycles and moved RIP: look again.
        if (answer == GO && (load<u64>(cpu, CYCLES) != now || (load<u32>(cpu, ATTENTION) & ~ATTENTION_COUNT) != 0)) continue;
        one = answer == GO_ONE;
      }
    }
    const due = load<u64>(cpu, TIMER_DUE);
    let limit = due < until ? due : until;
    level = load<u32>(cpu, CPL);
    counts = true;
    if (load<u32>(cpu, PMC_ACTIVE) != 0) {
      const room = pmcRoom(cpu);
      if (room < limit - now) limit = now + room;
    }
    store<u64>(cpu, limit - now < REPEAT_CYCLES ? limit : now + REPEAT_CYCLES, RUN_LIMIT);
    const flags = load<u32>(cpu, FLAGS_REST), trapFlag = (flags & TF) != 0, repeating = load<u32>(cpu, REPEATING) != 0;
    const rip = load<u64>(cpu, RIP);

    let b = findBlock(cpu, rip, one ? MODE_ALONE : 0);
    if (trap == 0 && load<u16>(b, B_BREAK) != 0) {
      if ((load<u16>(b, B_BREAK) & BREAK_HOST) != 0 && pass != rip && !redo) {
        // boundary() has taken the interrupt shadow for this instruction, which does not run now.
        store<u32>(cpu, shadow, INT_SHADOW);
        stoppedAt = rip;
        stoppedCpu = cpu;
        return EXIT_BREAKPOINT;
      }
      if ((load<u16>(b, B_BREAK) & BREAK_DEBUG) != 0 && (flags & RF) == 0 && shadow != SHADOW_MOV_SS && !redo && !repeating) {
        reportDebug(cpu, codeBreakpoints(cpu, rip));
        raise(cpu, DB);
        deliverFault(cpu, 0);
        pass = NOWHERE;
        if (load<u32>(cpu, ACTIVITY) == ACTIVITY_SHUTDOWN) return EXIT_TRIPLE_FAULT;
        continue;
      }
      one = true;
      b = findBlock(cpu, rip, MODE_ALONE);
    }
    // The last instruction of a turn runs alone, however the run is cut: its store may be held.
    const blockLimit = turnEnd <= limit ? turnEnd - 1 : limit;
    if (trap == 0 && !one && now + (load<u64>(b, B_CHARGE) >> 32) > blockLimit) {
      one = true;
      b = findBlock(cpu, rip, MODE_ALONE);
    }
    if (trap != 0) {
      // The first byte of the instruction, or of its part in the next page, cannot be fetched.
      deliverFault(cpu, 0);
      redo = false;
      pass = NOWHERE;
      if (load<u32>(cpu, ACTIVITY) == ACTIVITY_SHUTDOWN) return EXIT_TRIPLE_FAULT;
      continue;
    }

    let budget: u64;
    if (one) {
      budget = load<u64>(b, B_CHARGE) | 0xffffffff;
      setAlone(1);
      const charge = load<u64>(b, B_CHARGE) >> 32;
      if (now + charge >= turnEnd && (load<u8>(b + B_HEADER, OP_FLAGS) & (OPF_LOCK | OPF_REP | OPF_REPNE)) == 0) {
        beginHold(cpu);
        held = true;
      }
    } else {
      const left = blockLimit - now;
      budget = ((left < CALL_CYCLES ? left : CALL_CYCLES) << 32) | 0xffffffff;
      if (budget >> 32 < load<u64>(b, B_CHARGE) >> 32) budget = load<u64>(b, B_CHARGE) | 0xffffffff;
    }
    // RF covers this instruction; IRET may load it anew.
    if ((flags & RF) != 0) store<u32>(cpu, flags & ~RF, FLAGS_REST);
    if (trapFlag) forgetEntry();
    const end = now + (budget >> 32);
    const rest = execute(cpu, b, budget, end);
    setAlone(0);
    if (held) {
      held = false;
      endHold(cpu, trap == 0);
    }
    store<u64>(cpu, end - <u64>(<i64>rest >> 32), CYCLES);
    store<u64>(cpu, load<u64>(cpu, INSTRUCTIONS) + <u64>(0xffffffff - <u32>rest), INSTRUCTIONS);
    redo = false;
    if (repeating && trap != TRAP_REDO) store<u32>(cpu, 0, REPEATING);
    if (trap == 0) {
      pass = NOWHERE;
      if (one && trapFlag) singleStepTrap(cpu, b);
    } else if (trap == TRAP_REDO) {
      giveBack(cpu, faultOp);
      uncountBranch(cpu, faultOp);
      clearTrap();
      redo = true;
    } else if (trap == TRAP_AGAIN) {
      giveBack(cpu, faultOp);
      clearTrap();
      pass = load<u64>(cpu, RIP);
      store<u32>(cpu, 1, REPEATING);
      if (one && trapFlag) singleStepTrap(cpu, 0);
    } else {
      pass = NOWHERE;
      const op = faultOp;
      if (op != 0) {
        giveBack(cpu, op);
        uncountBranch(cpu, op);
      }
      deliverFault(cpu, op != 0 ? <u32>load<u8>(op, OP_FLAGS) : 0);
    }
  }
}

/** A branch that faulted, or has to run again, has been counted by the op before it. */
function uncountBranch(cpu: usize, op: usize): void {
  if ((load<u32>(cpu, MODE) & MODE_COUNT) == 0 || (load<u8>(op, OP_FLAGS) & OPF_START) != 0) return;
  if (load<u16>(op - OP_BYTES, OP_CODE) == <u16>CODE_COUNT) store<u64>(cpu, load<u64>(cpu, BRANCHES) - 1, BRANCHES);
}

/** The block was charged as a whole; takes back what `op` and the ops after it cost, and puts RIP at op's instruction. */
function giveBack(cpu: usize, op: usize): void {
  store<u64>(cpu, load<u64>(cpu, CYCLES) - <u64>load<u16>(op, OP_CYCLES_AFTER) - <u64>load<u8>(op, OP_CYCLES), CYCLES);
  store<u64>(cpu, load<u64>(cpu, INSTRUCTIONS) - <u64>load<u16>(op, OP_COUNT_AFTER) - 1, INSTRUCTIONS);
  const rip = load<u64>(op, OP_NEXT) - <u64>load<u8>(op, OP_LENGTH);
  store<u64>(cpu, legacy(cpu) ? rip & 0xffffffff : rip, RIP);
}

/**
 * #DB after an instruction that started with TF set (SDM vol. 3, 18.3.1.4); DR6.BS says why. Not after one that went through the IDT, nor after one that loaded SS. With IA32_DEBUGCTL.BTF
 * only after a branch: after the one-instruction block at `b` when RIP is not the next instruction.
 */
function singleStepTrap(cpu: usize, b: usize): void {
  if (entered() || load<u32>(cpu, INT_SHADOW) == SHADOW_MOV_SS) return;
  if ((load<u64>(cpu, DEBUGCTL) & DEBUGCTL_BTF) != 0 && (b == 0 || load<u64>(cpu, RIP) == load<u64>(b, B_RIP) + <u64>load<u16>(b, B_LENGTH))) return;
  pend(cpu, DR6_BS);
}
