import { addressAt } from '../../hal/bus/memory.ts';
import {
  call,
  DISPATCH_LEVEL,
  type Frame,
  HIGH_LEVEL,
  jump,
  type NtExport,
  ntSteps,
  type Outcome,
  pointer,
  ret,
  ULONG,
  VOID,
} from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { unloadedModules } from '../ldr/modules.ts';
import { mmAccessFault } from '../mm/fault.ts';
import { missingPage } from '../mm/view.ts';
import { previousMode } from '../ob/mode.ts';
import { ETHREAD } from '../types/ps.ts';
import { isKernelAddress } from '../mm/layout.ts';
import { mmIsPageable } from '../mm/paging.ts';
import { mmGetPte } from '../mm/pte.ts';
import { specialPoolFault } from '../mm/specialpool.ts';
import {
  ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY,
  ATTEMPTED_WRITE_TO_READONLY_MEMORY,
  DRIVER_IRQL_NOT_LESS_OR_EQUAL,
  DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
  IRQL_NOT_LESS_OR_EQUAL,
  KERNEL_SECURITY_CHECK_FAILURE,
  MACHINE_CHECK_EXCEPTION,
  NMI_HARDWARE_FAILURE,
  PAGE_FAULT_IN_NONPAGED_AREA,
  UNEXPECTED_KERNEL_MODE_TRAP,
} from '../types/bugcodes.ts';
import { CONTEXT, CONTEXT_FULL, EXCEPTION_RECORD, KTRAP_FRAME } from '../types/trap.ts';
import { ptr, u32, u8 } from '../types/struct.ts';
import { R12, R13, R14, R15 } from '../../hal/bus/cpu.ts';
import { freezeProcessor, isFreezing } from './bugcheck.ts';
import { divideErrorStatus } from './divide.ts';
import { dispatchUserException } from './userapc.ts';
import { isKernelModule, moduleAt } from './modules.ts';
import { firstNmiCallback, nextNmiCallback, nmiCallback } from './nmi.ts';
import { storeFloatState } from '../rtl/context.ts';
import { restoreContext } from '../rtl/unwindex.ts';
import { modulesOf, trapContext, walkStack } from './stackwalk.ts';
import { unhandledException } from './unhandled.ts';

const F = KTRAP_FRAME.f;
const X = EXCEPTION_RECORD.f;
const C = CONTEXT.f;

const STATUS_ACCESS_VIOLATION = 0xc0000005,
  STATUS_IN_PAGE_ERROR = 0xc0000006,
  STATUS_ILLEGAL_INSTRUCTION = 0xc000001d,
  STATUS_PRIVILEGED_INSTRUCTION = 0xc0000096;
const STATUS_BREAKPOINT = 0x80000003,
  STATUS_SINGLE_STEP = 0x80000004,
  STATUS_DATATYPE_MISALIGNMENT = 0x80000002,
  STATUS_ASSERTION_FAILURE = 0xc0000420;
const STATUS_INTEGER_OVERFLOW = 0xc0000095,
  STATUS_ARRAY_BOUNDS_EXCEEDED = 0xc000008c,
  STATUS_STACK_BUFFER_OVERRUN = 0xc0000409;
const STATUS_FLOAT_INVALID_OPERATION = 0xc0000090,
  STATUS_FLOAT_MULTIPLE_TRAPS = 0xc00002b5,
  STATUS_FLOAT_DIVIDE_BY_ZERO = 0xc000008e;
const STATUS_FLOAT_OVERFLOW = 0xc0000091,
  STATUS_FLOAT_UNDERFLOW = 0xc0000093,
  STATUS_FLOAT_INEXACT_RESULT = 0xc000008f;

const RFLAGS_IF = 0x200;
const VECTOR_NMI = 2,
  VECTOR_PF = 14;

// Page-fault error code (Intel SDM vol. 3, 4.7).
const PF_PRESENT = 1,
  PF_WRITE = 2,
  PF_INSTRUCTION = 16;

const frame = { Record: EXCEPTION_RECORD, Context: CONTEXT, Callback: ptr, Handled: u8, OldIrql: u8, PageStatus: u32 };
type Fr = Frame<typeof frame>;

/** An exception as software sees it: status, address of the instruction, parameters. */
interface Exception {
  status: number;
  address: number;
  parameters: readonly bigint[];
}

/** Whether the code at `rip` is a driver's: not in the kernel's own images. */
function isDriverCode(k: Kernel, rip: number): boolean {
  const module = moduleAt(modulesOf(k), rip);
  return module === null || !isKernelModule(module.name);
}

/**
 * A page fault in kernel mode that nothing can repair (MmAccessFault). Gives the exception for an address that user mode could have mapped; anything else is a bug
 * check: at DISPATCH_LEVEL and above by whose code it was, below it by what is wrong with the address.
 */
function pageFault(k: Kernel, trapFrame: number): Exception {
  const va = addressAt(k.mem, trapFrame + F.FaultAddress.offset);
  const rip = addressAt(k.mem, trapFrame + F.Rip.offset);
  const error = Number(F.ErrorCode.get(k.mem, trapFrame) & 0xffffffffn);
  // With interrupts off the fault cannot be repaired at any IRQL; the parameter then says 0xFF.
  const masked = (F.EFlags.get(k.mem, trapFrame) & RFLAGS_IF) === 0;
  const irql = masked ? 0xff : F.PreviousIrql.get(k.mem, trapFrame);
  const write = (error & PF_WRITE) !== 0,
    execute = (error & PF_INSTRUCTION) !== 0;
  const access = execute ? 8 : write ? 1 : 0;
  if (fromUser(k, trapFrame))
    return { status: STATUS_ACCESS_VIOLATION, address: rip, parameters: [BigInt(access), BigInt.asUintN(64, BigInt(va))] };
  const gone = unloadedModules(k).findLast(m => va >= m.start && va < m.end);
  if (gone !== undefined && mmGetPte(k, va) === 0n)
    k.bugCheckAt(
      trapFrame,
      DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
      va,
      access,
      rip,
      0,
      `${gone.name} has been unloaded, and 0x${BigInt.asUintN(64, BigInt(va)).toString(16)} was in it`,
    );
  const special = specialPoolFault(k, va, isDriverCode(k, rip));
  if (special) k.bugCheckAt(trapFrame, special.code, va, write ? 1 : 0, rip, 0, special.text);
  if (irql >= DISPATCH_LEVEL) {
    const text = mmIsPageable(k, va)
      ? `pageable memory was ${execute ? 'run' : write ? 'written' : 'read'} at IRQL ${irql}`
      : null;
    k.bugCheckAt(
      trapFrame,
      isDriverCode(k, rip) ? DRIVER_IRQL_NOT_LESS_OR_EQUAL : IRQL_NOT_LESS_OR_EQUAL,
      va,
      irql,
      access,
      rip,
      text,
    );
  }
  if (isKernelAddress(va)) {
    const pte = mmGetPte(k, va);
    if ((error & PF_PRESENT) !== 0 && execute)
      k.bugCheckAt(trapFrame, ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY, va, pte, trapFrame, 2);
    if ((error & PF_PRESENT) !== 0 && write) k.bugCheckAt(trapFrame, ATTEMPTED_WRITE_TO_READONLY_MEMORY, va, pte, trapFrame, 0xb);
    const NOT_PRESENT_PAGE_TABLE = 2;
    k.bugCheckAt(
      trapFrame,
      PAGE_FAULT_IN_NONPAGED_AREA,
      va,
      execute ? 0x10 : write ? 2 : 0,
      rip,
      pte === 0n ? NOT_PRESENT_PAGE_TABLE : 0,
    );
  }
  return { status: STATUS_ACCESS_VIOLATION, address: rip, parameters: [BigInt(access), BigInt.asUintN(64, BigInt(va))] };
}

const fromUser = (k: Kernel, trapFrame: number): boolean => (F.SegCs.get(k.mem, trapFrame) & 3) !== 0;

/** The arguments of a system service could not be read from the program's stack: the service fails. */
function failsService(k: Kernel, trapFrame: number): boolean {
  if (addressAt(k.mem, trapFrame + F.Rip.offset) !== k.address('nt!KiSystemCall64.copyArguments')) return false;
  k.mem.writePtr(trapFrame + F.Rip.offset, k.address('nt!KiSystemCall64.badArguments'));
  return true;
}

/** An exception of a program is its own affair: ntdll is told, and if its stack cannot hold the record the process ends. */
function userException(k: Kernel, trapFrame: number, e: Exception): Outcome {
  if (dispatchUserException(k, trapFrame, e)) return ret();
  return call(k.address('nt!PspTerminateCurrentProcess'), [e.status], 'never');
}

/** The page is there now: back to the instruction. */
function repaired(k: Kernel, trapFrame: number): boolean {
  if ((F.EFlags.get(k.mem, trapFrame) & RFLAGS_IF) === 0) return false;
  const error = Number(F.ErrorCode.get(k.mem, trapFrame) & 0xffffffffn);
  return mmAccessFault(
    k,
    addressAt(k.mem, trapFrame + F.FaultAddress.offset),
    { write: (error & PF_WRITE) !== 0, execute: (error & PF_INSTRUCTION) !== 0 },
    F.PreviousIrql.get(k.mem, trapFrame),
  );
}

/**
 * A page of a file that is to be read before the access can go on: the routine that reads it is called, in the thread that touched the page. Null when the fault is another, or comes
 * where a thread cannot wait.
 */
function readsPage(k: Kernel, trapFrame: number): Outcome | null {
  if ((F.EFlags.get(k.mem, trapFrame) & RFLAGS_IF) === 0 || F.PreviousIrql.get(k.mem, trapFrame) >= DISPATCH_LEVEL) return null;
  const error = Number(F.ErrorCode.get(k.mem, trapFrame) & 0xffffffffn);
  const va = addressAt(k.mem, trapFrame + F.FaultAddress.offset);
  const missing = missingPage(k, va, { write: (error & PF_WRITE) !== 0, execute: (error & PF_INSTRUCTION) !== 0 });
  return missing ? call(k.address('nt!MiReadFilePage'), [missing.area, missing.page], 'paged') : null;
}

/** A page could not be read: STATUS_IN_PAGE_ERROR with the access, the address and the status of the read. */
function inPageError(k: Kernel, trapFrame: number, status: number): Exception {
  const error = Number(F.ErrorCode.get(k.mem, trapFrame) & 0xffffffffn);
  const va = addressAt(k.mem, trapFrame + F.FaultAddress.offset);
  const access = error & PF_INSTRUCTION ? 8 : error & PF_WRITE ? 1 : 0;
  return {
    status: STATUS_IN_PAGE_ERROR,
    address: addressAt(k.mem, trapFrame + F.Rip.offset),
    parameters: [BigInt(access), BigInt.asUintN(64, BigInt(va)), BigInt(status >>> 0)],
  };
}

/** The read is over. After one that failed a system service that a program called ends with the status (gate.ts looks at the mark); to everybody else it is an exception. */
function paged(k: Kernel, f: Fr, trapFrame: number, status: number): Outcome {
  if ((status | 0) >= 0) return ret();
  const thread = k.currentThread();
  const mark = ETHREAD.f.ActiveFaultCount;
  const rip = addressAt(k.mem, trapFrame + F.Rip.offset);
  if (!fromUser(k, trapFrame) && !isDriverCode(k, rip) && previousMode(k) !== 0 && mark.get(k.mem, thread) === 0) {
    mark.set(k.mem, thread, 1);
    return ret();
  }
  mark.set(k.mem, thread, 0);
  f.set('PageStatus', status);
  return raise(k, f, trapFrame, VECTOR_PF);
}

/** #XM: the unmasked condition that MXCSR shows, in the order of the processor's priority. */
function simdStatus(k: Kernel): number {
  const mxcsr = k.cpu.mxcsr;
  const unmasked = mxcsr & ~(mxcsr >> 7) & 0x3f;
  const order: readonly [number, number][] = [
    [1, STATUS_FLOAT_INVALID_OPERATION],
    [4, STATUS_FLOAT_DIVIDE_BY_ZERO],
    [2, STATUS_FLOAT_INVALID_OPERATION],
    [8, STATUS_FLOAT_OVERFLOW],
    [16, STATUS_FLOAT_UNDERFLOW],
    [32, STATUS_FLOAT_INEXACT_RESULT],
  ];
  return order.find(([bit]) => (unmasked & bit) !== 0)?.[1] ?? STATUS_FLOAT_MULTIPLE_TRAPS;
}

/** What a trap means to software, or a stop for those that mean that the machine is broken. */
function describe(k: Kernel, trapFrame: number, vector: number): Exception {
  const rip = addressAt(k.mem, trapFrame + F.Rip.offset);
  const plain = (status: number, at = rip, parameters: readonly bigint[] = []): Exception => ({
    status,
    address: at,
    parameters,
  });
  switch (vector) {
    case 0:
      return plain(divideErrorStatus(k, trapFrame));
    case 1:
      return plain(STATUS_SINGLE_STEP);
    case 3:
      return plain(STATUS_BREAKPOINT, rip - 1, [0n]);
    case 4:
      return plain(STATUS_INTEGER_OVERFLOW, rip - 1);
    case 5:
      return plain(STATUS_ARRAY_BOUNDS_EXCEEDED);
    case 6:
      return plain(STATUS_ILLEGAL_INSTRUCTION);
    case 13:
      // A general protection fault has no address: the second parameter is all ones, as for every access violation without one.
      return plain(
        isPrivileged(k, rip) ? STATUS_PRIVILEGED_INSTRUCTION : STATUS_ACCESS_VIOLATION,
        rip,
        isPrivileged(k, rip) ? [] : [0n, 0xffffffffffffffffn],
      );
    case 14:
      return pageFault(k, trapFrame);
    case 17:
      return plain(STATUS_DATATYPE_MISALIGNMENT);
    case 18:
      k.bugCheckAt(trapFrame, MACHINE_CHECK_EXCEPTION);
    // falls through: bugCheckAt does not return
    case 19:
      return plain(simdStatus(k));
    case 0x29:
      return plain(STATUS_STACK_BUFFER_OVERRUN, rip - 2, [k.mem.read64(trapFrame + F.Rcx.offset) & 0xffffffffn]);
    case 0x2c:
      return plain(STATUS_ASSERTION_FAILURE, rip - 2);
    case 0x2d:
      return plain(STATUS_BREAKPOINT, rip - 2, [0n]);
    default:
      if (fromUser(k, trapFrame)) return plain(STATUS_ACCESS_VIOLATION, rip, [0n, 0xffffffffffffffffn]);
      // Double fault, invalid TSS, segment and stack faults, x87: nothing in kernel mode may cause them.
      k.bugCheckAt(trapFrame, UNEXPECTED_KERNEL_MODE_TRAP, vector, trapFrame, addressAt(k.mem, trapFrame + F.Rsp.offset), rip);
  }
}

/** #GP by an instruction that only CPL 0 may execute cannot happen at CPL 0, except through a bad operand: then it is an access violation. */
function isPrivileged(k: Kernel, rip: number): boolean {
  if (k.mem.translate(rip) < 0) return false;
  const op = k.mem.read8(rip);
  const hlt = 0xf4,
    cli = 0xfa,
    sti = 0xfb;
  return op === hlt || op === cli || op === sti;
}

function fillRecord(k: Kernel, record: number, e: Exception): void {
  const m = k.mem;
  m.fill(record, EXCEPTION_RECORD.size, 0);
  m.write32(record, e.status);
  X.ExceptionAddress.set(m, record, e.address);
  X.NumberParameters.set(m, record, e.parameters.length);
  e.parameters.forEach((p, i) => m.write64(record + X.ExceptionInformation.offset + i * 8, p));
}

const INTEGER = ['Rax', 'Rcx', 'Rdx', 'Rbx', 'Rsp', 'Rbp', 'Rsi', 'Rdi', 'R8', 'R9', 'R10', 'R11'] as const;

/** KeContextFromKframes: the CONTEXT of the code that a trap frame interrupted. */
function fillContext(k: Kernel, context: number, trapFrame: number): void {
  const m = k.mem;
  m.fill(context, CONTEXT.size, 0);
  C.ContextFlags.set(m, context, CONTEXT_FULL | 4);
  for (const r of INTEGER) m.write64(context + C[r].offset, m.read64(trapFrame + F[r].offset));
  [R12, R13, R14, R15].forEach((r, i) => m.write64(context + C.R12.offset + i * 8, k.cpu.gpr(r)));
  m.write64(context + C.Rip.offset, m.read64(trapFrame + F.Rip.offset));
  C.EFlags.set(m, context, F.EFlags.get(m, trapFrame));
  C.SegCs.set(m, context, F.SegCs.get(m, trapFrame));
  C.SegSs.set(m, context, F.SegSs.get(m, trapFrame));
  const xmm = context + C.FltSave.offset + 0xa0;
  storeFloatState(k, context);
  C.MxCsr.set(m, context, F.MxCsr.get(m, trapFrame));
  for (let i = 0; i < 6; i++) m.writeBytes(xmm + i * 16, m.readBytes(trapFrame + F.Xmm0.offset + i * 16, 16));
}

/**
 * DbgBreakPoint asks for the debugger. Whoever watches the machine is one, and can stop it there with a breakpoint of their own, so the call is reported and answered with
 * "go on", as KdTrap does under a debugger. An INT 3 of the driver's own is an exception like any other.
 */
function isBreakRequest(k: Kernel, e: Exception): boolean {
  return (
    e.status === STATUS_BREAKPOINT &&
    (e.address === k.address('nt!DbgBreakPoint') || e.address === k.address('nt!DbgBreakPointWithStatus'))
  );
}

/** A non-maskable interrupt: another processor stops the machine, or drivers have asked for it (KeRegisterNmiCallback). */
function nmi(k: Kernel, f: Fr, trapFrame: number): Outcome {
  if (isFreezing(k)) {
    freezeProcessor(k, trapFrame);
    return jump(k.address('nt!KiFreezeProcessor'));
  }
  f.set('OldIrql', k.irql);
  f.set('Handled', 0);
  k.irql = HIGH_LEVEL;
  return callNmiCallback(k, f, trapFrame, firstNmiCallback(k));
}

/** Calls the next routine, which is told whether one before it has taken the interrupt for its own. Nobody's is a failure of the hardware. */
function callNmiCallback(k: Kernel, f: Fr, trapFrame: number, callback: number): Outcome {
  if (callback !== 0) {
    f.set('Callback', callback);
    const { routine, context } = nmiCallback(k, callback);
    return call(routine, [context, f.get('Handled')], 'nmi');
  }
  if (f.get('Handled') === 0) k.bugCheckAt(trapFrame, NMI_HARDWARE_FAILURE, 0x4f4454);
  k.irql = f.get('OldIrql');
  return ret();
}

function dispatch(k: Kernel, f: Fr, trapFrame: number, vector: number): Outcome {
  if (vector === VECTOR_NMI) return nmi(k, f, trapFrame);
  f.set('PageStatus', 0);
  if (vector === VECTOR_PF) {
    if (repaired(k, trapFrame)) return ret();
    const reading = readsPage(k, trapFrame);
    if (reading) return reading;
    if (failsService(k, trapFrame)) return ret();
  }
  return raise(k, f, trapFrame, vector);
}

/** The trap as an exception of the code that it interrupted. */
function raise(k: Kernel, f: Fr, trapFrame: number, vector: number): Outcome {
  const failed = f.get('PageStatus');
  const e = failed ? inPageError(k, trapFrame, failed) : describe(k, trapFrame, vector);
  if (fromUser(k, trapFrame)) return userException(k, trapFrame, e);
  if (isBreakRequest(k, e)) {
    const caller = walkStack(k, trapContext(k, trapFrame))[1];
    k.debugPrint(`Break instruction exception - code 80000003${caller === undefined ? '' : `, called from ${caller.symbol}`}\n`);
    return ret();
  }
  const record = f.get('Record'),
    context = f.get('Context');
  fillRecord(k, record, e);
  fillContext(k, context, trapFrame);
  if (vector === 0x29) k.bugCheckAt(trapFrame, KERNEL_SECURITY_CHECK_FAILURE, e.parameters[0]!, trapFrame, record, 0);
  if (F.PreviousMode.get(k.mem, trapFrame) !== 0) unhandledException(k, trapFrame, record, context);
  return call(k.address('nt!RtlDispatchException'), [record, context], 'dispatched');
}

export const exceptionRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'KiExceptionDispatch',
    internal: true,
    doc: 'Turns a processor exception into an EXCEPTION_RECORD and a CONTEXT and looks for a handler; without one it stops the machine.',
    args: { TrapFrame: pointer('PKTRAP_FRAME'), Vector: ULONG },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame,
    steps: {
      start: (k, f, _rax, { TrapFrame, Vector }) => dispatch(k, f, TrapFrame, Vector),
      paged: (k, f, rax, { TrapFrame }) => paged(k, f, TrapFrame, rax),
      dispatched(k, f, rax, { TrapFrame }) {
        if ((rax & 0xff) === 0) unhandledException(k, TrapFrame, f.get('Record'), f.get('Context'));
        return restoreContext(k, f.get('Context'), 0);
      },
      nmi(k, f, rax, { TrapFrame }) {
        if ((rax & 0xff) !== 0) f.set('Handled', 1);
        return callNmiCallback(k, f, TrapFrame, nextNmiCallback(k, f.get('Callback')));
      },
      never: () => {
        throw new Error('a thread that has ended ran again');
      },
    },
  }),
];
