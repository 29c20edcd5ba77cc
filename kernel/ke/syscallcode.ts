import { R10, R11, R8, R9, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from '../../hal/bus/cpu.ts';
import { type NtExport, ntCode, ntExport, NTSTATUS, PVOID, VOID } from '../exports/declare.ts';
import { type Assembler, gs, mem, sym } from '../image/asm.ts';
import { PRCB_OFFSET } from '../mm/layout.ts';
import { APC_INDEX_MISMATCH, IRQL_GT_ZERO_AT_SYSTEM_SERVICE } from '../types/bugcodes.ts';
import { KAPC_STATE, KTHREAD } from '../types/ke.ts';
import { KPCR, KPRCB } from '../types/prcb.ts';
import { STATUS_INVALID_SYSTEM_SERVICE } from '../types/status.ts';
import { KTRAP_FRAME } from '../types/trap.ts';
import { dispatchRoutineOf } from '../io/handlerequest.ts';
import { SERVICE_LIMIT } from './services.ts';

/**
 * The way of a system service: SYSCALL, a KTRAP_FRAME at the top of the thread's kernel stack, the service, user APCs, SYSRET. What NT's KiSystemCall64 and
 * KiSystemServiceExit do (Intel SDM vol. 2, SYSCALL and SYSRET; the frame is that of interrupts, so that a debugger and NtContinue see one thing).
 */

const F = KTRAP_FRAME.f;
const T = KTHREAD.f;
const FRAME_POINTER = 0x80;
const field = (name: keyof typeof F): ReturnType<typeof mem> => mem(RBP, F[name].offset - FRAME_POINTER);
const thread = (name: keyof typeof T, extra = 0): ReturnType<typeof mem> => mem(RBX, T[name].offset + extra);
const prcb = (name: keyof typeof KPRCB.f): ReturnType<typeof gs> => gs(PRCB_OFFSET + KPRCB.f[name].offset);
const currentThread = prcb('CurrentThread');

const USER_CODE = 0x33,
  USER_DATA = 0x2b;
/** KTRAP_FRAME.ExceptionActive: what made the frame. */
export const FRAME_INTERRUPT = 0,
  FRAME_EXCEPTION = 1,
  FRAME_SERVICE = 2;
/** Room for the arguments of a service: the home area and fifteen more, a multiple of 16. */
const ARGUMENTS = 0xa0;

/** Registers in a KTRAP_FRAME that every entry saves, and those of SSE. */
export const FRAME_REGISTERS = [
  ['Rax', RAX],
  ['Rcx', RCX],
  ['Rdx', RDX],
  ['R8', R8],
  ['R9', R9],
  ['R10', R10],
  ['R11', R11],
  ['Rbx', RBX],
  ['Rdi', RDI],
  ['Rsi', RSI],
] as const;
export const FRAME_XMM = ['Xmm0', 'Xmm1', 'Xmm2', 'Xmm3', 'Xmm4', 'Xmm5'] as const;

/** UserApcPending of the thread whose address is in `reg`. */
const userApcPending = (reg: number): ReturnType<typeof mem> =>
  mem(reg, T.ApcState.offset + KAPC_STATE.f.UserApcPendingAll.offset);

/**
 * On the way to user mode, with RBP on the trap frame: delivers the user APCs that are due, at APC_LEVEL with interrupts on. Interrupts are off afterwards, and nothing is
 * due. RAX and RCX are lost.
 */
export function emitUserApcs(a: Assembler): void {
  a.label('apcs');
  a.cli();
  a.mov(RAX, currentThread);
  a.testImm(userApcPending(RAX), 0xff, 1);
  a.jcc('e', 'noApcs');
  a.movImm(RAX, 1);
  a.writeCr8(RAX);
  a.sti();
  a.lea(RCX, mem(RBP, -FRAME_POINTER));
  a.call('nt!KiDeliverUserApc');
  a.cli();
  a.movImm(RAX, 0);
  a.writeCr8(RAX);
  a.jmp('apcs');
  a.label('noApcs');
}

export const syscallCode: readonly NtExport[] = [
  ntCode({
    name: 'KiSystemCall64',
    internal: true,
    doc: 'Where SYSCALL goes: builds a KTRAP_FRAME on the kernel stack, calls the service whose number is in EAX, and goes back.',
    args: {},
    returns: VOID,
    cycles: 0,
    status: 'full',
    code(a) {
      // RCX has the return address, R11 the flags, R10 the first argument. GS and RSP are still the program's.
      a.swapgs();
      a.mov(gs(KPCR.f.UserRsp.offset), RSP);
      a.mov(RSP, prcb('RspBase'));
      a.subImm(RSP, 0x28);
      a.machineFrame(false);
      a.prologAlloc(8);
      a.prologPush(RBP);
      a.prologAlloc(F.Rbp.offset);
      a.prologFrame(RBP, FRAME_POINTER);
      a.mov(field('Rip'), RCX);
      a.mov(field('EFlags'), R11, 4);
      a.movImm(field('SegCs'), USER_CODE, 4);
      a.movImm(field('SegSs'), USER_DATA, 4);
      // SYSCALL has used RCX for the return address; the stubs keep the first argument in R10.
      for (const [name, r] of FRAME_REGISTERS) a.mov(field(name), r === RCX ? R10 : r);
      a.mov(RCX, gs(KPCR.f.UserRsp.offset));
      a.mov(field('Rsp'), RCX);
      a.stmxcsr(field('MxCsr'));
      a.ldmxcsr(prcb('MxCsr'));
      FRAME_XMM.forEach((name, i) => a.storeXmm(field(name), i));
      a.movImm(field('PreviousMode'), 1, 1);
      a.movImm(field('PreviousIrql'), 0, 1);
      a.movImm(field('ExceptionActive'), FRAME_SERVICE, 1);
      a.mov(RBX, currentThread);
      a.mov(RCX, thread('TrapFrame'));
      a.mov(field('TrapFrame'), RCX);
      a.lea(RCX, mem(RBP, -FRAME_POINTER));
      a.mov(thread('TrapFrame'), RCX);
      a.mov(thread('SystemCallNumber'), RAX, 4);
      a.mov(thread('FirstArgument'), R10);
      a.movImm(thread('PreviousMode'), 1, 1);
      a.sti();

      // A number beyond the table is the one of no service.
      a.mov(RAX, RAX, 4);
      a.cmpImm(RAX, SERVICE_LIMIT, 4);
      a.jcc('b', 'valid');
      a.movImm(RAX, SERVICE_LIMIT - 1);
      a.label('valid');
      a.lea(R11, sym('nt!KiServiceTable'));
      a.op([0x63], R10, mem(R11, 0, RAX, 4), { w: true }); // movsxd r10, [r11 + rax * 4]
      a.mov(RAX, R10);
      a.op([0xc1], 7, R10, { w: true, imm: 4, immSize: 1 }); // sar r10, 4
      a.add(R10, R11);
      a.subImm(RSP, ARGUMENTS);
      a.andImm(RAX, 15, 4);
      a.jcc('e', 'call');
      // The arguments on the program's stack. An address of the kernel is not one of them: the probe address faults in its place.
      a.mov(RSI, field('Rsp'));
      a.addImm(RSI, 0x28);
      a.mov(RCX, sym('nt!MmUserProbeAddress'));
      a.cmp(RSI, RCX);
      a.jcc('b', 'copy');
      a.mov(RSI, RCX);
      a.label('copy');
      a.lea(RDI, mem(RSP, 0x20));
      a.mov(RCX, RAX, 4);
      a.label('copyArguments');
      a.repMovs(8);
      a.label('call');
      a.mov(RCX, field('Rcx'));
      a.inc(prcb('KeSystemCalls'), 4);
      a.callIndirect(R10);

      a.label('done');
      // NtContinue has filled the frame with something else.
      a.cmpImm(field('ExceptionActive'), FRAME_SERVICE, 1);
      a.jcc('ne', 'exit');
      a.mov(field('Rax'), RAX);
      a.label('exit');
      a.mov(RBX, currentThread);
      a.readCr8(RAX);
      a.or(RAX, thread('CombinedApcDisable'), 4);
      a.movzx(RCX, thread('ApcStateIndex'), 1);
      a.or(RAX, RCX, 4);
      a.jcc('e', 'clean');
      a.lea(RCX, mem(RBP, -FRAME_POINTER));
      a.call('nt!KiServiceExitCheck');
      a.label('clean');
      emitUserApcs(a);
      a.mov(RCX, field('TrapFrame'));
      a.mov(thread('TrapFrame'), RCX);
      a.ldmxcsr(field('MxCsr'));
      a.cmpImm(field('ExceptionActive'), FRAME_SERVICE, 1);
      a.jcc('ne', 'full');
      a.mov(RAX, field('Rax'));
      a.mov(RBX, field('Rbx'));
      a.mov(RDI, field('Rdi'));
      a.mov(RSI, field('Rsi'));
      a.mov(RCX, field('Rip'));
      a.mov(R11, field('EFlags'), 4);
      a.mov(R8, field('Rbp'));
      a.mov(R9, field('Rsp'));
      a.mov(RBP, R8);
      a.mov(RSP, R9);
      // What the kernel had in the other volatile registers is not the program's business.
      for (const r of [RDX, R8, R9, R10]) a.xor(r, r, 8);
      a.swapgs();
      a.bytes(0x48, 0x0f, 0x07); // sysretq

      a.label('full');
      FRAME_XMM.forEach((name, i) => a.loadXmm(i, field(name)));
      for (const [name, r] of FRAME_REGISTERS) a.mov(r, field(name));
      a.lea(RSP, mem(RBP, F.Rbp.offset - FRAME_POINTER));
      a.mov(RBP, mem(RSP, 0));
      a.addImm(RSP, 0x10);
      a.swapgs();
      a.iretq();

      // A page fault of the copy above goes on here (ke/exception.ts).
      a.label('badArguments');
      a.movImm(RAX, 0xc0000005);
      a.jmp('done');
    },
  }),
  ntCode({
    name: 'KiSystemCall32',
    internal: true,
    doc: 'Where SYSCALL of a 32-bit program goes: there are none, so it is an invalid service.',
    args: {},
    returns: VOID,
    cycles: 0,
    status: 'full',
    code: a => a.jmp('nt!KiSystemCall64'),
  }),
  ntExport({
    name: 'KiInvalidSystemService',
    internal: true,
    doc: 'What the numbers of no service lead to.',
    args: {},
    returns: NTSTATUS,
    cycles: 20,
    status: 'full',
    impl: () => STATUS_INVALID_SYSTEM_SERVICE,
  }),
  ntExport({
    name: 'KiServiceExitCheck',
    internal: true,
    doc: 'A service was about to return to user mode at a raised IRQL, with APCs disabled or attached to another process: stops the machine.',
    args: { TrapFrame: PVOID },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl(k) {
      const current = k.currentThread();
      const number = T.SystemCallNumber.get(k.mem, current);
      const entry = k.mem.readI32(k.address('nt!KiServiceTable') + Math.min(number, SERVICE_LIMIT - 1) * 4);
      const service = k.address('nt!KiServiceTable') + (entry >> 4);
      if (k.irql > 0)
        k.bugCheckBy(
          dispatchRoutineOf(k, number, T.FirstArgument.get(k.mem, current)),
          IRQL_GT_ZERO_AT_SYSTEM_SERVICE,
          service,
          k.irql,
          'a system service returned to user mode at a raised IRQL',
        );
      const index = T.ApcStateIndex.get(k.mem, current);
      k.bugCheck(
        APC_INDEX_MISMATCH,
        service,
        index << 8,
        T.CombinedApcDisable.get(k.mem, current),
        0,
        index
          ? 'a system service returned to user mode attached to another process'
          : 'a system service returned to user mode with APCs disabled',
      );
    },
  }),
  ntCode({
    name: 'KiStartUserThread',
    internal: true,
    doc: 'First instruction of a user thread: RBX is its start address, RSI its argument. Goes to user mode as if a service had been called there.',
    args: {},
    returns: VOID,
    cycles: 0,
    status: 'full',
    code(a) {
      // The frame that PspUserThreadStartup fills lies where SYSCALL would build it.
      a.prologAlloc(KTRAP_FRAME.size + ARGUMENTS);
      a.mov(RCX, RBX);
      a.mov(RDX, RSI);
      a.lea(R8, mem(RSP, ARGUMENTS));
      a.call('nt!PspUserThreadStartup');
      a.lea(RBP, mem(RSP, ARGUMENTS + FRAME_POINTER));
      a.jmp('nt!KiSystemCall64.exit');
    },
  }),
];
