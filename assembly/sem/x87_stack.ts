// The x87 register stack, its tags, and what an instruction does with the exceptions that it raised (SDM vol. 1, 8.1 and 8.5 - 8.7).

import { CR0_NE } from '../core/crbits';
import { ferrCleared, stopsForFerr } from '../core/ferr';
import { CR0, EA, FCW, FPU_DP, FPU_IP, FPU_OP, FS_BASE, FSW, FTW, GS_BASE, SEG, SEG_BASE, SEG_SIZE, ST } from '../core/layout';
import { is64 } from '../core/mode';
import { OP_BASE, OP_BYTES, OP_FLAGS, OP_IMM, OP_INDEX, OP_LENGTH, OP_NEXT, OP_R0, OPF_MEMORY } from '../core/op';
import { ea } from '../core/operand';
import { MF, raise } from '../core/trap';
import { begin, beginWithPrecision, IE, INDEFINITE_SE, INDEFINITE_SIG, OE, outSE, outSig, raise87, raised, roundedUp, setOut, setRoundedUp, SF, UE } from './x87_real';

/** Condition codes, exception summary and busy bit of the status word. */
export const C0: u32 = 0x100, C1: u32 = 0x200, C2: u32 = 0x400, C3: u32 = 0x4000, ES: u32 = 0x80, BUSY: u32 = 0x8000;
export const CONDITIONS: u32 = 0x4700;
const TOP_SHIFT: u32 = 11;
/** Exceptions that are found before the operation: #IS, #IA, #D, #Z. */
const PRE_COMPUTATION: u32 = 7;

export function topOf(cpu: usize): u32 { return (load<u32>(cpu, FSW) >> TOP_SHIFT) & 7; }
export function setTop(cpu: usize, top: u32): void { store<u32>(cpu, (load<u32>(cpu, FSW) & ~(<u32>7 << TOP_SHIFT)) | ((top & 7) << TOP_SHIFT), FSW); }
/** Where ST(i) is. */
export function stack(cpu: usize, i: u32): usize { return cpu + ST + (<usize>((topOf(cpu) + i) & 7) << 4); }
export function seOf(at: usize): u32 { return <u32>load<u16>(at, 8); }
export function sigOf87(at: usize): u64 { return load<u64>(at); }
export function isEmpty(cpu: usize, i: u32): bool { return ((load<u32>(cpu, FTW) >> ((topOf(cpu) + i) & 7)) & 1) == 0; }
/** Marks ST(i) as holding something. */
export function fill(cpu: usize, i: u32): void { store<u32>(cpu, load<u32>(cpu, FTW) | (1 << ((topOf(cpu) + i) & 7)), FTW); }
export function free(cpu: usize, i: u32): void { store<u32>(cpu, load<u32>(cpu, FTW) & ~(<u32>1 << ((topOf(cpu) + i) & 7)), FTW); }
/** Writes ST(i). */
export function put(cpu: usize, i: u32, se: u32, sig: u64): void {
  const at = stack(cpu, i);
  store<u64>(at, sig);
  store<u64>(at, <u64>se, 8);
  fill(cpu, i);
}
export function putOut(cpu: usize, i: u32): void { put(cpu, i, outSE, outSig); }
export function pop(cpu: usize): void {
  free(cpu, 0);
  setTop(cpu, topOf(cpu) + 1);
}
/** The register operand ST(i) of the op. */
export function operandOf(ip: usize, slot: usize): u32 { return <u32>load<u8>(ip + slot) & 7; }

// ---- the course of an instruction -----------------------------------------------------------------------------------------------------

/** A waiting instruction begins: true if an unmasked exception of an earlier one is pending, which is now reported. */
export function waits(cpu: usize): bool {
  if ((load<u32>(cpu, FSW) & ES) == 0) return false;
  if ((load<u64>(cpu, CR0) & CR0_NE) == 0) return stopsForFerr(cpu);
  raise(cpu, MF);
  return true;
}

/** The operands in memory are there: the arithmetic begins. Nothing of the state changes before settle(). */
export function start87(cpu: usize): void { begin(load<u32>(cpu, FCW)); }
/** The same for an instruction under precision control. */
export function startPrecise(cpu: usize): void { beginWithPrecision(load<u32>(cpu, FCW)); }

/** An operand is missing; the real indefinite takes the place of the result. C1 stays clear. */
export function underflow(): void {
  raise87(IE | SF);
  setRoundedUp(false);
  setOut(INDEFINITE_SE, INDEFINITE_SIG);
}
/** There is no room for a push. */
export function overflow87(): void {
  raise87(IE | SF);
  setRoundedUp(true);
  setOut(INDEFINITE_SE, INDEFINITE_SIG);
}

/** FIP: where the instruction is. Control instructions leave it alone. */
export function setPointer(cpu: usize, ip: usize): void { store<u64>(cpu, load<u64>(ip, OP_NEXT) - <u64>load<u8>(ip, OP_LENGTH), FPU_IP); }

/** The address of the memory operand within its segment, as FDP has it. */
function pointer(cpu: usize, ip: usize): u64 {
  const index = load<u8>(ip, OP_INDEX);
  let at = ea(cpu, ip);
  if (index == FS_BASE || index == GS_BASE) return at - load<u64>(cpu + <usize>index);
  if (load<u8>(ip, OP_BASE) != EA) return at;
  // A micro-op has added the segment's base, which it names: by its number outside 64-bit mode.
  const named = <usize>load<u8>(ip - OP_BYTES, OP_R0);
  if (is64(cpu)) return at - load<u64>(cpu + named);
  at -= load<u64>(cpu + SEG + named * SEG_SIZE, SEG_BASE);
  return at & 0xffffffff;
}

/**
 * Enters the raised exceptions and the instruction's address into the state, after everything that could fault. True: an exception that is found
 * before the operation is unmasked, so that operands and stack stay as they are. Operand pointer and opcode (which the decoder left in the immediate)
 * are kept when an exception is unmasked: its handler, entered by the next waiting instruction, looks at them (SDM vol. 1, 8.1.8 and 8.1.9).
 */
export function settle(cpu: usize, ip: usize): bool {
  setPointer(cpu, ip);
  const fsw = load<u32>(cpu, FSW) & ~C1;
  let flags = raised;
  const unmasked = flags & ~load<u32>(cpu, FCW) & 0x3f, before = (unmasked & PRE_COMPUTATION) != 0;
  if (before) flags &= PRE_COMPUTATION | SF;
  const up = roundedUp && (!before || (flags & SF) != 0);
  store<u32>(cpu, fsw | flags | (up ? C1 : 0) | (unmasked != 0 ? ES | BUSY : 0), FSW);
  if (unmasked != 0) {
    if ((load<u8>(ip, OP_FLAGS) & OPF_MEMORY) != 0) store<u64>(cpu, pointer(cpu, ip), FPU_DP);
    store<u32>(cpu, <u32>load<u16>(ip, OP_IMM), FPU_OP);
  }
  return before;
}
/** Whether an instruction with its result in memory stores it: not when anything but #P is unmasked. */
export function mayStore(cpu: usize): bool { return (raised & ~load<u32>(cpu, FCW) & (PRE_COMPUTATION | OE | UE)) == 0; }

/** ES and B follow from the flags and the masks, after either was written. */
export function summarize(cpu: usize): void {
  const fsw = load<u32>(cpu, FSW) & ~(ES | BUSY);
  const pending = (fsw & ~load<u32>(cpu, FCW) & 0x3f) != 0;
  store<u32>(cpu, pending ? fsw | ES | BUSY : fsw, FSW);
  if (!pending) ferrCleared();
}
/** Sets C3, C2, C1 and C0. */
export function setConditions(cpu: usize, bits: u32): void { store<u32>(cpu, (load<u32>(cpu, FSW) & ~CONDITIONS) | bits, FSW); }

/** Two operands, one of which may be missing. */
export function missing(cpu: usize, i: u32, j: u32): bool { return isEmpty(cpu, i) || isEmpty(cpu, j); }
/** Commits outSE:outSig to ST(i) unless the instruction faults. True: it was committed. */
export function commit(cpu: usize, ip: usize, i: u32): bool {
  if (settle(cpu, ip)) return false;
  putOut(cpu, i);
  return true;
}
/** Pushes outSE:outSig, or what an overflow of the stack makes of it. A denormal operand does not hinder a load even unmasked. */
export function push87(cpu: usize, ip: usize): void {
  if (!isEmpty(cpu, 7) && (raised & SF) == 0) {
    begin(load<u32>(cpu, FCW));
    overflow87();
  }
  if (settle(cpu, ip) && (raised & IE) != 0) return;
  setTop(cpu, topOf(cpu) - 1);
  putOut(cpu, 0);
}
