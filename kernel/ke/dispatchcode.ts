import { RAX, RBX, RCX, RDX, RSI, RSP } from '../../hal/bus/cpu.ts';
import { type NtExport, ntCode, VOID } from '../exports/declare.ts';
import { type Assembler, gs, sym } from '../image/asm.ts';
import { PRCB_OFFSET } from '../mm/layout.ts';
import { KDPC_DATA } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';

/** How often a processor that stops looks whether the others have. */
const FREEZE_TURNS = 100000;

const P = KPRCB.f;
const prcb = (name: keyof typeof P): ReturnType<typeof gs> => gs(PRCB_OFFSET + P[name].offset);

const code = (name: string, doc: string, emit: (a: Assembler) => void): NtExport =>
  ntCode({ name, internal: true, doc, args: {}, returns: VOID, cycles: 0, status: 'full', code: emit });

/** The dispatcher's machine code: what must choose stacks or loop with interrupts off. */
export const dispatchCode: readonly NtExport[] = [
  code(
    'KiDispatchInterrupt',
    'DISPATCH_LEVEL software interrupt: retires the DPC queue on the DPC stack, then lets another thread have the processor if one was chosen.',
    a => {
      a.prologPush(RBX);
      a.prologAlloc(0x20);
      a.prologFrame(RBX, 0);
      a.call('nt!KiAcknowledgeDispatch');
      a.cmpImm(prcb('DpcRequestSummary'), 0, 4);
      a.jcc('e', 'switch');
      a.mov(RSP, prcb('DpcStack'));
      a.subImm(RSP, 0x20);
      a.call('nt!KiRetireDpcList');
      a.mov(RSP, RBX);
      a.label('switch');
      a.cmpImm(prcb('QuantumEnd'), 0, 1);
      a.jcc('ne', 'swap');
      a.cmpImm(prcb('NextThread'), 0, 8);
      a.jcc('e', 'out');
      a.label('swap');
      a.call('nt!KiSwapThread');
      a.label('out');
      a.mov(RSP, RBX);
      a.addImm(RSP, 0x20);
      a.pop(RBX);
      a.ret();
    },
  ),
  code(
    'KiIdleLoop',
    'The idle thread, at DISPATCH_LEVEL: retires DPCs, gives the processor to a thread that is ready, else halts until an interrupt.',
    a => {
      a.prologAlloc(0x28);
      a.label('again');
      a.cli();
      a.cmpImm(prcb('DpcRequestSummary'), 0, 4);
      a.jcc('ne', 'retire');
      // A DPC of low importance has requested nothing; a processor with nothing else to do takes it.
      a.cmpImm(gs(PRCB_OFFSET + P.DpcData.offset + KDPC_DATA.f.DpcQueueDepth.offset), 0, 4);
      a.jcc('ne', 'retire');
      a.cmpImm(prcb('NextThread'), 0, 8);
      a.jcc('ne', 'swap');
      // The interrupt that STI lets in is taken only after HLT has begun, so none is missed between the checks and the halt.
      a.sti();
      a.hlt();
      a.jmp('again');
      a.label('retire');
      a.sti();
      a.call('nt!KiRetireDpcList');
      a.jmp('again');
      a.label('swap');
      a.sti();
      a.call('nt!KiSwapThread');
      a.jmp('again');
    },
  ),
  code('KiSystemStartup', 'First instruction of the kernel: brings the managers up, then becomes the idle thread.', a => {
    a.prologAlloc(0x28);
    a.call('nt!KiInitializeKernel');
    a.movImm(RAX, 2);
    a.writeCr8(RAX);
    a.sti();
    a.call('nt!KiIdleLoop');
    a.int3();
  }),
  code('KiStartSystemThread', 'First instruction of a system thread: RBX is the start routine, RSI its context.', a => {
    a.prologAlloc(0x20);
    a.mov(RCX, RBX);
    a.mov(RDX, RSI);
    a.call('nt!PspSystemThreadStartup');
    a.int3();
  }),
  code(
    'KiFreezeProcessor',
    'Where a processor stays after a bug check: it halts when all of them have come here, or have had the time to.',
    a => {
      a.cli();
      a.movImm(RCX, FREEZE_TURNS);
      a.label('others');
      a.mov(RAX, sym('nt!KiFrozenProcessors'), 4);
      a.cmp(RAX, sym('nt!KeActiveProcessors'), 4);
      a.jcc('e', 'forever');
      a.pause();
      a.dec(RCX);
      a.jcc('ne', 'others');
      a.label('forever');
      a.cli();
      a.hlt();
      a.jmp('forever');
    },
  ),
];
