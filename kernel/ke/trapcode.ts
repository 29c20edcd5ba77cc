import { RAX, RBP, RCX, RDX, RSP } from '../../hal/bus/cpu.ts';
import { type NtExport, ntCode, VOID } from '../exports/declare.ts';
import { type Assembler, gs, mem } from '../image/asm.ts';
import { PRCB_OFFSET } from '../mm/layout.ts';
import { KPRCB } from '../types/prcb.ts';
import { KTRAP_FRAME } from '../types/trap.ts';
import { emitUserApcs, FRAME_REGISTERS, FRAME_XMM } from './syscallcode.ts';

/**
 * Entries from the IDT. Each completes a KTRAP_FRAME below what the processor pushed, so that every register of the interrupted code is in memory while the kernel
 * works, then calls a routine of the kernel with the frame, and goes back through IRETQ.
 */

const F = KTRAP_FRAME.f;
/** RBP points 80h into the frame, so that the whole of it is in reach of a one-byte displacement, as on x64 NT. */
const FRAME_POINTER = 0x80;
const field = (name: keyof typeof F, extra = 0): ReturnType<typeof mem> => mem(RBP, F[name].offset - FRAME_POINTER + extra);

const RPL_USER = 1;
const RFLAGS_IF = 0x200;

interface Entry {
  /** The routine that gets the frame (RCX) and the vector (EDX). */
  handler: string;
  /** Vector for EDX; for device interrupts it is what the thunk pushed in the place of an error code. */
  vector: number | 'pushed';
  /** The processor pushes an error code; otherwise a zero is pushed in its place. */
  errorCode?: boolean;
  /** An interrupt: the IRQL is raised to this (or to the vector's class) on the way in and restored on the way out. */
  irql?: number | 'vector';
  /** CR2 is saved in FaultAddress. */
  pageFault?: boolean;
  /** Interrupts stay off: nothing may come between on a stack of its own. */
  masked?: boolean;
}

function emitEntry(a: Assembler, e: Entry): void {
  const errorPushed = e.errorCode === true || e.vector === 'pushed';
  a.machineFrame(errorPushed);
  if (!errorPushed) a.prologPushError(0);
  a.prologPush(RBP);
  a.prologAlloc(F.Rbp.offset);
  a.prologFrame(RBP, FRAME_POINTER);
  for (const [name, r] of FRAME_REGISTERS) a.mov(field(name), r);
  if (e.pageFault) {
    a.bytes(0x0f, 0x20, 0xd0); // mov rax, cr2
    a.mov(field('FaultAddress'), RAX);
  }
  a.testImm(field('SegCs'), RPL_USER, 1);
  a.jcc('e', 'kernel');
  a.swapgs();
  a.label('kernel');
  a.mov(RAX, field('SegCs'), 4);
  a.andImm(RAX, RPL_USER, 4);
  a.mov(field('PreviousMode'), RAX, 1);
  a.readCr8(RAX);
  a.mov(field('PreviousIrql'), RAX, 1);
  a.stmxcsr(field('MxCsr'));
  a.ldmxcsr(gs(PRCB_OFFSET + KPRCB.f.MxCsr.offset));
  FRAME_XMM.forEach((name, i) => a.storeXmm(field(name), i));
  a.cld();
  if (e.irql !== undefined) {
    if (e.irql === 'vector') {
      a.mov(RAX, field('ErrorCode'), 4);
      a.shr(RAX, 4, 4);
    } else a.movImm(RAX, e.irql);
    a.writeCr8(RAX);
    a.sti();
  } else if (!e.masked) {
    // A fault leaves interrupts as the interrupted code had them.
    a.testImm(field('EFlags'), RFLAGS_IF, 4);
    a.jcc('e', 'masked');
    a.sti();
    a.label('masked');
  }
  a.lea(RCX, mem(RBP, -FRAME_POINTER));
  if (e.vector === 'pushed') a.mov(RDX, field('ErrorCode'), 4);
  else a.movImm(RDX, e.vector);
  a.call(e.handler);
  a.cli();
  if (e.irql !== undefined) {
    a.movzx(RAX, field('PreviousIrql'), 1);
    a.writeCr8(RAX);
  }
  if (!e.masked) {
    a.testImm(field('SegCs'), RPL_USER, 1);
    a.jcc('e', 'restore');
    emitUserApcs(a);
    a.label('restore');
  }
  a.ldmxcsr(field('MxCsr'));
  FRAME_XMM.forEach((name, i) => a.loadXmm(i, field(name)));
  a.testImm(field('SegCs'), RPL_USER, 1);
  a.jcc('e', 'exit');
  a.swapgs();
  a.label('exit');
  for (const [name, r] of FRAME_REGISTERS) a.mov(r, field(name));
  a.lea(RSP, mem(RBP, F.Rbp.offset - FRAME_POINTER));
  a.pop(RBP);
  a.addImm(RSP, 8);
  a.iretq();
}

const entry = (name: string, doc: string, e: Entry): NtExport =>
  ntCode({ name, internal: true, doc, args: {}, returns: VOID, cycles: 0, status: 'full', code: a => emitEntry(a, e) });

const EXCEPTION = 'nt!KiExceptionDispatch';

/** Exceptions by vector (Intel SDM vol. 3, table 6-1), under NT's names. `ist` numbers of the three that must not use the current stack are in boot/processor.ts. */
export const TRAPS: readonly {
  vector: number;
  name: string;
  errorCode?: boolean;
  user?: boolean;
  pageFault?: boolean;
  ist?: number;
  masked?: boolean;
}[] = [
  { vector: 0, name: 'KiDivideErrorFault' },
  { vector: 1, name: 'KiDebugTrapOrFault' },
  { vector: 2, name: 'KiNmiInterrupt', ist: 2, masked: true },
  { vector: 3, name: 'KiBreakpointTrap', user: true },
  { vector: 4, name: 'KiOverflowTrap', user: true },
  { vector: 5, name: 'KiBoundFault' },
  { vector: 6, name: 'KiInvalidOpcodeFault' },
  { vector: 7, name: 'KiNpxNotAvailableFault' },
  { vector: 8, name: 'KiDoubleFaultAbort', errorCode: true, ist: 1 },
  { vector: 9, name: 'KiNpxSegmentOverrunAbort' },
  { vector: 10, name: 'KiInvalidTssFault', errorCode: true },
  { vector: 11, name: 'KiSegmentNotPresentFault', errorCode: true },
  { vector: 12, name: 'KiStackFault', errorCode: true },
  { vector: 13, name: 'KiGeneralProtectionFault', errorCode: true },
  { vector: 14, name: 'KiPageFault', errorCode: true, pageFault: true },
  { vector: 16, name: 'KiFloatingErrorFault' },
  { vector: 17, name: 'KiAlignmentFault', errorCode: true },
  { vector: 18, name: 'KiMcheckAbort', ist: 3 },
  { vector: 19, name: 'KiXmmException' },
  { vector: 0x29, name: 'KiRaiseSecurityCheckFailure', user: true },
  { vector: 0x2c, name: 'KiRaiseAssertion', user: true },
  { vector: 0x2d, name: 'KiDebugServiceTrap', user: true },
];

/** Thunks of vectors that belong to nobody yet: push the vector, go on in the common entry. 16 bytes each. */
const INTERRUPT_THUNK_SIZE = 16;
export const interruptThunk = (base: number, vector: number): number => base + vector * INTERRUPT_THUNK_SIZE;

export const trapCode: readonly NtExport[] = [
  ...TRAPS.map(t =>
    entry(t.name, `Entry of exception vector ${t.vector}.`, {
      handler: EXCEPTION,
      vector: t.vector,
      ...(t.errorCode ? { errorCode: true } : {}),
      ...(t.pageFault ? { pageFault: true } : {}),
      ...(t.masked ? { masked: true } : {}),
    }),
  ),
  entry('KiApcInterrupt', 'Entry of the APC_LEVEL software interrupt (vector 0x1F).', {
    handler: 'nt!KiDeliverApcInterrupt',
    vector: 0x1f,
    irql: 1,
  }),
  entry('KiDpcInterrupt', 'Entry of the DISPATCH_LEVEL software interrupt (vector 0x2F).', {
    handler: 'nt!KiDispatchInterrupt',
    vector: 0x2f,
    irql: 2,
  }),
  entry('HalpClockInterrupt', 'Entry of the clock interrupt (vector 0xD1).', {
    handler: 'nt!KeClockInterruptNotify',
    vector: 0xd1,
    irql: 13,
  }),
  entry('KiIpiInterrupt', 'Entry of interprocessor interrupts (vector 0xE1).', {
    handler: 'nt!KiIpiProcessRequests',
    vector: 0xe1,
    irql: 14,
  }),
  entry('HalpSpuriousInterrupt', 'Entry of the local APIC spurious interrupt, which gets no EOI.', {
    handler: 'nt!KiSpuriousInterrupt',
    vector: 0xdf,
    irql: 15,
  }),
  entry('KiInterruptCommon', 'Entry of device interrupts: the thunk has pushed the vector.', {
    handler: 'nt!KiInterruptDispatch',
    vector: 'pushed',
    irql: 'vector',
  }),
  ntCode({
    name: 'KxIsrThunks',
    internal: true,
    doc: 'One thunk for each vector: pushes it and jumps to KiInterruptCommon.',
    args: {},
    returns: VOID,
    cycles: 0,
    status: 'full',
    code: a => {
      for (let vector = 0; vector < 256; vector++) {
        a.pushImm(vector);
        a.jmp('nt!KiInterruptCommon');
        a.nop(INTERRUPT_THUNK_SIZE - 10);
      }
    },
  }),
];
