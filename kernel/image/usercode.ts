/**
 * The images of user mode that the kernel makes for itself: `ntdll.dll` (a stub for each system service, the dispatchers that the kernel returns to, the start of a
 * thread) and `requester.exe`, the program that carries out what is asked from outside.
 */
import { R10, RAX, RBX, RCX, RDI, RDX, RSI, RSP } from '../../hal/bus/cpu.ts';
import { type NtExport, ntCode, VOID } from '../exports/declare.ts';
import { systemServices } from '../ke/services.ts';
import { APC_COMPLETION, REQUEST_BLOCK } from '../requester/block.ts';
import { STATUS_PENDING } from '../types/status.ts';
import { CONTEXT } from '../types/trap.ts';
import { type Assembler, mem } from './asm.ts';

const C = CONTEXT.f;
const B = REQUEST_BLOCK.f;
const CURRENT_THREAD = -2;
/** The lowest status that is an error. */
const FIRST_ERROR = 0xc0000000;
/** Where the dispatcher finds the exception record (ke/userapc.ts). */
const RECORD_OFFSET = 0x4f0;

const ntdll = (name: string, doc: string, code: (a: Assembler) => void): NtExport =>
  ntCode({ name, module: 'ntdll.dll', doc, args: {}, returns: VOID, cycles: 0, status: 'full', code });

const program = (name: string, doc: string, code: (a: Assembler) => void): NtExport =>
  ntCode({ name, module: 'requester.exe', internal: true, doc, args: {}, returns: VOID, cycles: 0, status: 'full', code });

/** mov r10, rcx ; mov eax, number ; syscall ; ret: what the stubs of ntdll have been since the first x64 Windows. */
function emitStub(a: Assembler, number: number): void {
  a.mov(R10, RCX);
  a.movImm(RAX, number);
  a.bytes(0x0f, 0x05);
  a.ret();
}

/** ntdll.dll for the services among the kernel's declarations. */
export function ntdllCode(exports: readonly NtExport[]): readonly NtExport[] {
  return [
    ...systemServices(exports).map(s =>
      ntdll(s.name, `Calls system service ${s.number.toString(16)}h.`, a => emitStub(a, s.number)),
    ),
    ntdll('RtlUserThreadStart', 'First instruction of a user thread: RCX is its start address, RDX its argument.', a => {
      a.prologAlloc(0x28);
      a.mov(RAX, RCX);
      a.mov(RCX, RDX);
      a.callIndirect(RAX);
      a.mov(RDX, RAX);
      a.movImm(RCX, CURRENT_THREAD);
      a.call('ntdll!NtTerminateThread');
      a.int3();
    }),
    ntdll(
      'KiUserApcDispatcher',
      'Where the kernel returns to for a user APC: RSP is on the CONTEXT that was interrupted, whose home fields hold the routine and its arguments.',
      a => {
        a.prologAllocated(CONTEXT.size);
        a.mov(RCX, mem(RSP, C.P1Home.offset));
        a.mov(RDX, mem(RSP, C.P2Home.offset));
        a.mov(8, mem(RSP, C.P3Home.offset));
        a.mov(RAX, mem(RSP, C.P4Home.offset));
        a.callIndirect(RAX);
        a.mov(RCX, RSP);
        a.movImm(RDX, 1);
        a.call('ntdll!NtContinue');
        a.int3();
      },
    ),
    ntdll(
      'KiUserExceptionDispatcher',
      'Where the kernel returns to for an exception: RSP is on the CONTEXT, behind it the EXCEPTION_RECORD. Nobody here handles one, so it gets its second chance.',
      a => {
        a.prologAllocated(CONTEXT.size);
        a.lea(RCX, mem(RSP, RECORD_OFFSET));
        a.mov(RDX, RSP);
        a.xor(8, 8, 4);
        a.call('ntdll!NtRaiseException');
        a.int3();
      },
    ),
  ];
}

/** Bytes of outgoing arguments: home area and eight more. */
const OUTGOING = 0x60;

/** The program. One call block (requester/block.ts) in RBX is all that it knows. */
export const requesterCode: readonly NtExport[] = [
  program(
    'ReqMain',
    'A thread of the requester: fetches what is to be called, calls it, waits for it if it is pending, tells how it ended; for ever.',
    a => {
      a.prologPush(RBX);
      a.prologPush(RSI);
      a.prologPush(RDI);
      a.prologAlloc(OUTGOING);
      a.mov(RBX, RCX);
      a.label('next');
      a.mov(RCX, RBX);
      a.callIndirect(mem(RBX, B.Take.offset));
      a.label('call');
      // The arguments: four in registers, the others above the home area.
      a.lea(RSI, mem(RBX, B.Arguments.offset + 32));
      a.lea(RDI, mem(RSP, 0x20));
      a.movImm(RCX, 8);
      a.repMovs(8);
      a.mov(RCX, mem(RBX, B.Arguments.offset));
      a.mov(RDX, mem(RBX, B.Arguments.offset + 8));
      a.mov(8, mem(RBX, B.Arguments.offset + 16));
      a.mov(9, mem(RBX, B.Arguments.offset + 24));
      a.callIndirect(mem(RBX, B.Service.offset));
      a.mov(mem(RBX, B.Status.offset), RAX, 4);
      // A service that failed at once queues no APC and sets no event.
      a.cmpImm(RAX, FIRST_ERROR, 4);
      a.jcc('ae', 'next');
      a.cmpImm(RAX, STATUS_PENDING, 4);
      a.jcc('e', 'pending');
      a.cmpImm(mem(RBX, B.Completion.offset), APC_COMPLETION, 4);
      a.jcc('e', 'wait');
      a.cmpImm(mem(RBX, B.Repeat.offset), 0, 4);
      a.jcc('e', 'next');
      a.dec(mem(RBX, B.Repeat.offset), 4);
      a.jmp('call');
      a.label('pending');
      a.mov(RCX, RBX);
      a.callIndirect(mem(RBX, B.Defer.offset));
      a.label('wait');
      a.mov(RCX, mem(RBX, B.Event.offset));
      a.movImm(RDX, 1);
      a.xor(8, 8, 4);
      a.callIndirect(mem(RBX, B.Wait.offset));
      a.cmpImm(mem(RBX, B.Completion.offset), APC_COMPLETION, 4);
      a.jcc('ne', 'completed');
      // The wait ends with each user APC; the one that is meant says so in the block.
      a.cmpImm(mem(RBX, B.Completed.offset), 0, 4);
      a.jcc('e', 'wait');
      a.label('completed');
      a.mov(RAX, mem(RBX, B.Iosb.offset), 4);
      a.mov(mem(RBX, B.Status.offset), RAX, 4);
      a.jmp('next');
    },
  ),
  program('ReqCompleted', 'APC routine of a request: RCX is the call block, RDX the status block.', a => {
    a.movImm(mem(RCX, B.Completed.offset), 1, 4);
    a.ret();
  }),
];
