import { getFlags, IF, NT, RF, TF, VM, AC } from './flags';
import { beginFrame, beginFrameIn, checkFrame, frameWord, writeFrame } from './frame';
import { DF, GP, NO_ERROR_CODE, NP, raiseError, trap } from './trap';
import { SOURCE_EXCEPTION, SOURCE_SOFTWARE } from './interrupts';
import { CPL, FLAGS_REST, IDTR_BASE, IDTR_LIMIT, RIP, RSP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LIMIT, SEG_SS } from './layout';
import { sysLoad } from './mem';
import { isVirtual, systemLinear } from './mode';
import { accessOf, AR_CODE, AR_CONFORMING, AR_P, AR_S, descriptor, dplOf, findTssStack, isNull, loadTssStack, markAccessed, readDescriptor, restoreDescriptor, saveDescriptor, seg, selectorOf, setCode, setReal, setSegment, stackSelector, targetInside, TSS_WIDE, TYPE_INTERRUPT_GATE, TYPE_TASK_GATE } from './segments';
import { TASK_INTERRUPT, taskGate } from './task';

// Delivery outside IA-32e mode: the interrupt vector table of real-address mode (SDM vol. 3, 20.1.4), and the gates of protected and virtual-8086
// mode (6.12, 20.3). Each answers false with `trap` set when it does not succeed.

const IDT_BIT: u32 = 2, EXT_BIT: u32 = 1;

function refuse(cpu: usize, vector: u32, code: u32): bool {
  raiseError(cpu, vector, code);
  return false;
}

/** Real-address mode: FLAGS, CS, IP; there are no error codes. */
export function enterReal(cpu: usize, vector: u32, rip: u64): bool {
  if ((vector << 2) + 3 > load<u32>(cpu, IDTR_LIMIT)) return refuse(cpu, GP, 0);
  const entry = <u32>sysLoad(cpu, (load<u64>(cpu, IDTR_BASE) + <u64>(vector << 2)) & 0xffffffff, 4);
  if (trap) return false;
  beginFrame(cpu, 2);
  frameWord(<u64>(getFlags(cpu) & 0xffff));
  frameWord(<u64>selectorOf(cpu, SEG_CS));
  frameWord(rip);
  if (!checkFrame(cpu, 0)) return false;
  if ((entry & 0xffff) > load<u32>(seg(cpu, SEG_CS), SEG_LIMIT)) return refuse(cpu, GP, 0);
  store<u64>(cpu, writeFrame(cpu), RSP);
  setReal(cpu, SEG_CS, entry >> 16);
  store<u64>(cpu, <u64>(entry & 0xffff), RIP);
  store<u32>(cpu, load<u32>(cpu, FLAGS_REST) & ~(IF | TF | AC | RF), FLAGS_REST);
  return true;
}

/** Protected and virtual-8086 mode: interrupt, trap and task gates of 8 bytes. */
export function enterProtected(cpu: usize, vector: u32, source: u32, error: u32, rip: u64): bool {
  const ext: u32 = source == SOURCE_SOFTWARE ? 0 : EXT_BIT, gateError = (vector << 3) | IDT_BIT | ext;
  if ((vector << 3) + 7 > load<u32>(cpu, IDTR_LIMIT)) return refuse(cpu, GP, gateError);
  const gate = sysLoad(cpu, systemLinear(cpu, load<u64>(cpu, IDTR_BASE), vector << 3), 8);
  if (trap) return false;
  const rights = accessOf(gate), type = rights & 0x1f, wide = (type & TSS_WIDE) != 0, narrowed = type & ~TSS_WIDE;
  if (narrowed != (TYPE_INTERRUPT_GATE & ~TSS_WIDE) && narrowed != ((TYPE_INTERRUPT_GATE | 1) & ~TSS_WIDE) && type != TYPE_TASK_GATE) return refuse(cpu, GP, gateError);
  const cpl = load<u32>(cpu, CPL);
  if (source == SOURCE_SOFTWARE && dplOf(rights) < cpl) return refuse(cpu, GP, gateError);
  if ((rights & AR_P) == 0) return refuse(cpu, NP, gateError);
  const selector = <u32>(gate >> 16) & 0xffff;
  if (type == TYPE_TASK_GATE) return taskGate(cpu, selector, TASK_INTERRUPT, ext, rip, error);

  if (isNull(selector)) return refuse(cpu, GP, ext);
  if (!readDescriptor(cpu, selector, ext)) return false;
  const access = accessOf(descriptor), dpl = dplOf(access), codeError = (selector & 0xfffc) | ext, virtual = isVirtual(cpu);
  if ((access & (AR_S | AR_CODE)) != (AR_S | AR_CODE) || dpl > cpl) return refuse(cpu, GP, codeError);
  if ((access & AR_P) == 0) return refuse(cpu, NP, codeError);
  const level = (access & AR_CONFORMING) != 0 ? cpl : dpl, inner = level < cpl;
  // Virtual-8086 mode is left for level 0 only.
  if (virtual && level != 0) return refuse(cpu, GP, codeError);
  const target = (gate & 0xffff) | (wide ? (gate >> 32) & 0xffff0000 : 0);

  const bytes: u32 = wide ? 4 : 2;
  let stackError = ext;
  if (inner) {
    saveDescriptor();
    if (!findTssStack(cpu, level, 0, ext)) return false;
    restoreDescriptor();
    beginFrameIn(cpu, level, bytes);
    stackError |= stackSelector & 0xfffc;
    if (virtual) {
      frameWord(<u64>selectorOf(cpu, SEG_GS));
      frameWord(<u64>selectorOf(cpu, SEG_FS));
      frameWord(<u64>selectorOf(cpu, SEG_DS));
      frameWord(<u64>selectorOf(cpu, SEG_ES));
    }
    frameWord(<u64>selectorOf(cpu, SEG_SS));
    frameWord(load<u64>(cpu, RSP));
  } else beginFrame(cpu, bytes);
  // A fault's frame has RF set, so that an instruction breakpoint does not stop the instruction again.
  frameWord(<u64>(getFlags(cpu) | (source == SOURCE_EXCEPTION && vector != DF ? RF : 0)));
  frameWord(<u64>selectorOf(cpu, SEG_CS));
  frameWord(rip);
  if (error != NO_ERROR_CODE) frameWord(<u64>error);
  if (!checkFrame(cpu, stackError) || !targetInside(cpu, descriptor, target, ext)) return false;
  markAccessed(cpu);
  if (trap) return false;
  const sp = writeFrame(cpu);

  if (inner) loadTssStack(cpu, level);
  if (virtual) {
    setSegment(cpu, SEG_GS, 0, 0, 0, 0);
    setSegment(cpu, SEG_FS, 0, 0, 0, 0);
    setSegment(cpu, SEG_DS, 0, 0, 0, 0);
    setSegment(cpu, SEG_ES, 0, 0, 0, 0);
  }
  setCode(cpu, selector, level);
  store<u64>(cpu, sp, RSP);
  store<u64>(cpu, target, RIP);
  store<u32>(cpu, load<u32>(cpu, FLAGS_REST) & ~(TF | NT | RF | VM | ((type & 1) == 0 ? IF : 0)), FLAGS_REST);
  return true;
}
