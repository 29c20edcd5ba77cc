import { updateAttention } from '../core/boundary';
import { EVENT_IRET, tell } from '../core/events';
import { AC, DF, ID, IF, IOPL, NT, RF, setFlags, STATUS_FLAGS, TF, VIF, VIP, VM } from '../core/flags';
import { ATTENTION, CPL, FAST, FAST_IMPLICIT, FLAGS_REST, GDTR_BASE, GDTR_LIMIT, NMI_BLOCKED, RIP, RSP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LIMIT, SEG_SS } from '../core/layout';
import { setStackPointer, stackPointer } from '../core/linear';
import { canonical, FAST_INDEX, PAGE } from '../core/mem';
import { is64, isLong, isReal, isVirtual, updateMode } from '../core/mode';
import { OP_NEXT } from '../core/op';
import { accessOf, AR_ACCESSED, AR_CODE, AR_CONFORMING, AR_DB, AR_L, AR_P, AR_S, AR_WRITABLE, checkReturnCode, descriptor, dplOf, dropPrivilegedSegments, markAccessed, returnTo, seg, setCode, setFlatSegment, setReal, setSegment, targetInside } from '../core/segments';
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

/**
 * The usual case of IRETQ in few steps: from 64-bit code to 64-bit code, with everything that it reads in the fast tables and accessed descriptors. False, with nothing done, if something is
 * otherwise.
 */
function returnQuickly(cpu: usize): bool {
  const rest = load<u32>(cpu, FLAGS_REST), cpl = load<u32>(cpu, CPL), sp = load<u64>(cpu, RSP);
  if (!is64(cpu) || !isLong(cpu) || (rest & NT) != 0) return false;
  const e = <usize>load<u32>(cpu, FAST) + <usize>(<u32>(sp >> 8) & FAST_INDEX);
  if (load<u64>(e) != ((sp + 39) & PAGE)) return false;
  const f = <usize>(<u32>sp + load<u32>(e, 8)), rip = load<u64>(f), cs = <u32>load<u16>(f, 8), flags = load<u32>(f, 16), ss = <u32>load<u16>(f, 32), level = cs & 3;
  if (((cs | ss) & 4) != 0 || cs < 8 || (cs | 7) > load<u32>(cpu, GDTR_LIMIT) || (ss | 7) > load<u32>(cpu, GDTR_LIMIT) || level < cpl || (ss & 3) != level || !canonical(rip)) return false;
  const set = <usize>load<u32>(cpu, FAST_IMPLICIT), gdt = load<u64>(cpu, GDTR_BASE), codeAt = gdt + <u64>(cs & 0xfff8), c = set + <usize>(<u32>(codeAt >> 8) & FAST_INDEX);
  if (load<u64>(c) != ((codeAt + 7) & PAGE)) return false;
  const code = load<u64>(<usize>(<u32>codeAt + load<u32>(c, 8))), access = accessOf(code);
  if ((access & (AR_P | AR_S | AR_CODE | AR_CONFORMING | AR_ACCESSED | AR_L | AR_DB)) != (AR_P | AR_S | AR_CODE | AR_ACCESSED | AR_L) || dplOf(access) != level) return false;
  if (ss < 4) {
    if (level == 3) return false;
    setSegment(cpu, SEG_SS, ss, level << 5, 0, 0);
  } else {
    const stackAt = gdt + <u64>(ss & 0xfff8), s = set + <usize>(<u32>(stackAt >> 8) & FAST_INDEX);
    if (load<u64>(s) != ((stackAt + 7) & PAGE)) return false;
    const stack = load<u64>(<usize>(<u32>stackAt + load<u32>(s, 8))), rights = accessOf(stack);
    if ((rights & (AR_P | AR_S | AR_CODE | AR_WRITABLE | AR_ACCESSED)) != (AR_P | AR_S | AR_WRITABLE | AR_ACCESSED) || dplOf(rights) != level) return false;
    setFlatSegment(cpu, SEG_SS, ss, rights, stack);
  }
  const mask = iretFlags<u64>(cpu);
  if (level != cpl) dropPrivilegedSegments(cpu, level);
  setFlatSegment(cpu, SEG_CS, cs, access, code);
  store<u32>(cpu, level, CPL);
  store<u64>(cpu, load<u64>(f, 24), RSP);
  store<u64>(cpu, rip, RIP);
  setFlags(cpu, (rest & ~mask) | (flags & mask));
  const now = load<u32>(cpu, FLAGS_REST), same = load<u32>(cpu, ATTENTION) == 0 && load<u32>(cpu, NMI_BLOCKED) == 0 && (now & (TF | RF)) == 0 && (now & ~rest & IF) == 0;
  store<u32>(cpu, 0, NMI_BLOCKED);
  tell(cpu, EVENT_IRET, level, <u32>rip);
  if (level != cpl || ((load<u32>(cpu, FLAGS_REST) ^ rest) & AC) != 0) updateMode(cpu);
  if (!same) updateAttention(cpu);
  return true;
}

export function iret<T>(cpu: usize, ip: usize): void {
  if (sizeof<T>() == 8 && returnQuickly(cpu)) return;
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
  const mask = iretFlags<T>(cpu), code64 = is64(cpu);
  let rsp: u64 = 0, ss: u32 = 0;
  if (code64) {
    rsp = stackItem<T>(cpu, 3 * n); if (trap) return;
    ss = <u32>stackItem<T>(cpu, 4 * n) & 0xffff; if (trap) return;
  }
  if (real) {
    if (rip > <u64>load<u32>(seg(cpu, SEG_CS), SEG_LIMIT)) { raiseError(cpu, GP, 0); return; }
    setStackPointer(cpu, stackPointer(cpu, <i64>(3 * n)));
    setReal(cpu, SEG_CS, cs);
  } else {
    if (sizeof<T>() == 4 && (flags & VM) != 0 && load<u32>(cpu, CPL) == 0 && !isLong(cpu)) { toVirtual(cpu, rip, cs, flags); return; }
    if (!checkReturnCode(cpu, cs) || !targetInside(cpu, descriptor, rip, 0)) return;
    // 64-bit mode always pops SS:RSP, the others on a return to an outer level.
    if (code64 || (cs & 3) != load<u32>(cpu, CPL)) {
      if (!code64) { rsp = stackItem<T>(cpu, 3 * n); if (trap) return; }
      if (!code64) { ss = <u32>stackItem<T>(cpu, 4 * n) & 0xffff; if (trap) return; }
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
  setFlags(cpu, (load<u32>(cpu, FLAGS_REST) & ~mask) | (flags & mask));
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
