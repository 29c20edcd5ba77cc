import { updateAttention } from '../core/boundary';
import { EVENT_IRET, tell } from '../core/events';
import { AC, DF, getFlags, ID, IF, IOPL, NT, RF, setFlags, STATUS_FLAGS, TF, VIF, VIP, VM } from '../core/flags';
import { CPL, FLAGS_REST, NMI_BLOCKED, RIP, RSP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LIMIT, SEG_SS } from '../core/layout';
import { setStackPointer, stackPointer } from '../core/linear';
import { is64, isLong, isReal, isVirtual, updateMode } from '../core/mode';
import { OP_NEXT } from '../core/op';
import { checkReturnCode, descriptor, markAccessed, returnTo, seg, setCode, setReal, targetInside } from '../core/segments';
import { stackItem } from './far';
import { taskReturn } from '../core/task';
import { GP, raiseError, trap } from '../core/trap';

// IRET, IRETD and IRETQ in every mode (SDM vol. 2, IRET).

/** RFLAGS bits that IRET may change: IF by IOPL, IOPL at level 0 only; with 16 bits none above. */
function iretFlags<T>(cpu: usize): u32 {
  const cpl = load<u32>(cpu, CPL), iopl = (load<u32>(cpu, FLAGS_REST) & IOPL) >> 12;
  let mask = STATUS_FLAGS | TF | DF | NT;
  if (sizeof<T>() > 2) mask |= AC | ID | RF;
  if (cpl <= iopl) mask |= IF;
  if (cpl == 0) mask |= IOPL | (sizeof<T>() > 2 && !isReal(cpu) ? VIF | VIP : 0);
  return mask;
}

export function iret<T>(cpu: usize, ip: usize): void {
  const n = <u64>sizeof<T>();
  const real = isReal(cpu), nested = !real && (load<u32>(cpu, FLAGS_REST) & NT) != 0;
  if (nested) {
    if (isLong(cpu)) { raiseError(cpu, GP, 0); return; }
    if (taskReturn(cpu, load<u64>(ip, OP_NEXT))) tell(cpu, EVENT_IRET, load<u32>(cpu, CPL), load<u32>(cpu, RIP));
    return;
  }
  // Virtual-8086 mode without IOPL 3 leaves IRET to the monitor.
  if (real && isVirtual(cpu) && (load<u32>(cpu, FLAGS_REST) & IOPL) != IOPL) { raiseError(cpu, GP, 0); return; }
  const rip = stackItem<T>(cpu, 0); if (trap) return;
  const cs = <u32>stackItem<T>(cpu, n) & 0xffff; if (trap) return;
  const flags = <u32>stackItem<T>(cpu, 2 * n); if (trap) return;
  const mask = iretFlags<T>(cpu);
  if (real) {
    if (rip > <u64>load<u32>(seg(cpu, SEG_CS), SEG_LIMIT)) { raiseError(cpu, GP, 0); return; }
    setStackPointer(cpu, stackPointer(cpu, <i64>(3 * n)));
    setReal(cpu, SEG_CS, cs);
  } else {
    if (sizeof<T>() == 4 && (flags & VM) != 0 && load<u32>(cpu, CPL) == 0 && !isLong(cpu)) { toVirtual(cpu, rip, cs, flags); return; }
    if (!checkReturnCode(cpu, cs) || !targetInside(cpu, descriptor, rip, 0)) return;
    // 64-bit mode always pops SS:RSP, the others on a return to an outer level.
    if (is64(cpu) || (cs & 3) != load<u32>(cpu, CPL)) {
      const rsp = stackItem<T>(cpu, 3 * n); if (trap) return;
      const ss = <u32>stackItem<T>(cpu, 4 * n) & 0xffff; if (trap) return;
      if (!returnTo(cpu, cs, ss)) return;
      updateMode(cpu);
      setStackPointer(cpu, rsp);
    } else {
      markAccessed(cpu);
      if (trap) return;
      setStackPointer(cpu, stackPointer(cpu, <i64>(3 * n)));
      setCode(cpu, cs, cs & 3);
    }
  }
  store<u64>(cpu, rip, RIP);
  setFlags(cpu, (getFlags(cpu) & ~mask) | (flags & mask));
  done(cpu, cs & 3);
}

function done(cpu: usize, level: u32): void {
  store<u32>(cpu, 0, NMI_BLOCKED);
  tell(cpu, EVENT_IRET, level, load<u32>(cpu, RIP));
  updateMode(cpu);
  updateAttention(cpu);
}

/** From level 0 into virtual-8086 mode (SDM vol. 3, 20.2.5): ESP and all segment registers are popped too. */
function toVirtual(cpu: usize, rip: u64, cs: u32, flags: u32): void {
  const sp = stackItem<u32>(cpu, 12); if (trap) return;
  const ss = <u32>stackItem<u32>(cpu, 16); if (trap) return;
  const es = <u32>stackItem<u32>(cpu, 20); if (trap) return;
  const ds = <u32>stackItem<u32>(cpu, 24); if (trap) return;
  const fs = <u32>stackItem<u32>(cpu, 28); if (trap) return;
  const gs = <u32>stackItem<u32>(cpu, 32); if (trap) return;
  if (rip > 0xffff) { raiseError(cpu, GP, 0); return; }
  setFlags(cpu, flags & 0x3f7fd7);
  setReal(cpu, SEG_CS, cs);
  setReal(cpu, SEG_SS, ss & 0xffff);
  setReal(cpu, SEG_ES, es & 0xffff);
  setReal(cpu, SEG_DS, ds & 0xffff);
  setReal(cpu, SEG_FS, fs & 0xffff);
  setReal(cpu, SEG_GS, gs & 0xffff);
  store<u32>(cpu, 3, CPL);
  store<u64>(cpu, sp, RSP);
  store<u64>(cpu, rip, RIP);
  done(cpu, 3);
}
