/** Structured exceptions as drivers use them: raising, unwinding, contexts, jumps. Source: "x64 exception handling" (Microsoft Learn), the SDK pages of the routines. */
import { RBP, RBX, RDI, RSI, R12, R13, R14, R15 } from '../../hal/bus/cpu.ts';
import type { VirtualMemory } from '../../hal/bus/memory.ts';
import { unhandledException } from '../ke/unhandled.ts';
import type { Kernel } from '../kernel.ts';
import { captureContext, ContextRegisters } from '../rtl/context.ts';
import { dispatchExceptionRoutines } from '../rtl/dispatchexception.ts';
import { functionWithHistory, imageAt } from '../rtl/functiontable.ts';
import { specificHandlerRoutine } from '../rtl/scopetable.ts';
import { consolidationRoutine, contextOfJump, restoreContext, unwindExRoutine } from '../rtl/unwindex.ts';
import { unwindFrame } from '../rtl/unwind.ts';
import { STATUS_ACCESS_VIOLATION, STATUS_DATATYPE_MISALIGNMENT, STATUS_LONGJUMP } from '../types/status.ts';
import { CONTEXT, EXCEPTION_NONCONTINUABLE, EXCEPTION_RECORD, JUMP_BUFFER } from '../types/trap.ts';
import { call, type Frame, type NtExport, ntExport, ntSteps, NTSTATUS, type Outcome, pointer, PVOID, ULONG, ULONG64, VOID } from './declare.ts';

const X = EXCEPTION_RECORD.f,
  C = CONTEXT.f,
  J = JUMP_BUFFER.f;
const PCONTEXT = pointer('PCONTEXT'),
  PRECORD = pointer('PEXCEPTION_RECORD'),
  PHISTORY = pointer('PUNWIND_HISTORY_TABLE'),
  PJUMP = pointer('_JBTYPE *');

const never = (): never => {
  throw new Error('a routine that does not return has returned');
};

/** Return address of a step routine's caller, and its RSP. */
const callerOf = (k: Kernel): { rip: number; rsp: number } => {
  const slot = k.argSlot(0) - 8;
  return { rip: k.mem.readPtr(slot), rsp: slot + 8 };
};

const raiseFrame = { Record: EXCEPTION_RECORD, Context: CONTEXT };

/** Fills the CONTEXT of the caller, and dispatches. */
function raiseFrom(k: Kernel, f: Frame<{ Context: typeof CONTEXT }>, record: number): Outcome {
  const { rip, rsp } = callerOf(k);
  captureContext(k, f.address('Context'), rip, rsp);
  X.ExceptionAddress.set(k.mem, record, rip);
  return call(k.address('nt!RtlDispatchException'), [record, f.address('Context')], 'dispatched');
}

const raising: NtExport[] = [
  ntSteps({
    name: 'KiRaiseException',
    internal: true,
    doc: 'Raises a status in the caller as an exception that cannot be continued.',
    args: { Status: NTSTATUS },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: raiseFrame,
    steps: {
      start(k, f, _rax, a) {
        const record = f.address('Record');
        k.mem.fill(record, EXCEPTION_RECORD.size, 0);
        X.ExceptionCode.set(k.mem, record, a.Status | 0);
        X.ExceptionFlags.set(k.mem, record, EXCEPTION_NONCONTINUABLE);
        return raiseFrom(k, f, record);
      },
      dispatched: (k, f) => unhandledException(k, 0, f.address('Record'), f.address('Context')),
    },
  }),
  ntSteps({
    name: 'RtlRaiseException',
    doc: 'Raises the exception that a record describes; returns when a handler says that execution is to go on.',
    args: { ExceptionRecord: PRECORD },
    returns: VOID,
    cycles: 200,
    status: 'full',
    frame: { Context: CONTEXT },
    steps: {
      start: (k, f, _rax, a) => raiseFrom(k, f, a.ExceptionRecord),
      dispatched(k, f, rax, a) {
        if ((rax & 0xff) === 0) unhandledException(k, 0, a.ExceptionRecord, f.address('Context'));
        return restoreContext(k, f.address('Context'), 0);
      },
    },
  }),
  ...(['ExRaiseStatus', 'RtlRaiseStatus'] as const).map(name =>
    ntExport({
      name,
      doc: 'Raises an exception with a status, which cannot be continued.',
      irql: { max: 'APC_LEVEL' },
      args: { Status: NTSTATUS },
      returns: VOID,
      cycles: 100,
      status: 'full',
      impl: (k, a) => k.raise(a.Status),
    }),
  ),
  ntExport({
    name: 'ExRaiseAccessViolation',
    doc: 'Raises STATUS_ACCESS_VIOLATION.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: {},
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: k => k.raise(STATUS_ACCESS_VIOLATION),
  }),
  ntExport({
    name: 'ExRaiseDatatypeMisalignment',
    doc: 'Raises STATUS_DATATYPE_MISALIGNMENT.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: {},
    returns: VOID,
    cycles: 100,
    status: 'full',
    impl: k => k.raise(STATUS_DATATYPE_MISALIGNMENT),
  }),
];

/** Tells where on the stack non-volatile registers were saved, for RtlVirtualUnwind's context pointers: 16 vector registers, then 16 integer ones. */
class NotedRegisters extends ContextRegisters {
  private readonly memory: VirtualMemory;
  private readonly pointers: number;
  constructor(m: VirtualMemory, context: number, pointers: number) {
    super(m, context);
    this.memory = m;
    this.pointers = pointers;
  }
  override load(register: number, from: number): void {
    super.load(register, from);
    if (this.pointers !== 0) this.memory.writePtr(this.pointers + 128 + register * 8, from);
  }
  override loadXmm(register: number, from: number): void {
    super.loadXmm(register, from);
    if (this.pointers !== 0) this.memory.writePtr(this.pointers + register * 8, from);
  }
}

const unwinding: NtExport[] = [
  ntExport({
    name: 'RtlCaptureContext',
    doc: "Stores the processor's registers, as they are for the caller.",
    irql: { max: 'DISPATCH_LEVEL' },
    args: { ContextRecord: PCONTEXT },
    returns: VOID,
    cycles: 80,
    status: 'full',
    impl(k, a) {
      const slot = k.argSlot(0) - 8;
      captureContext(k, a.ContextRecord, k.mem.readPtr(slot), slot + 8);
      return { do: 'ret', value: undefined };
    },
  }),
  ntExport({
    name: 'RtlRestoreContext',
    doc: 'Goes on with the registers of a context; with the record of a longjmp, with those of its jump buffer.',
    args: { ContextRecord: PCONTEXT, ExceptionRecord: PRECORD },
    returns: VOID,
    cycles: 80,
    status: 'full',
    impl: (k, a) => restoreContext(k, a.ContextRecord, a.ExceptionRecord),
  }),
  ntExport({
    name: 'RtlLookupFunctionEntry',
    doc: 'Finds the function table entry of an address and the base of its image; NULL for a leaf function.',
    args: { ControlPc: PVOID, ImageBase: pointer('PULONG64'), HistoryTable: PHISTORY },
    returns: PVOID,
    cycles: 120,
    status: 'full',
    impl(k, a) {
      k.mem.probe(a.ImageBase, 8, true);
      const found = functionWithHistory(k, a.ControlPc, a.HistoryTable);
      k.mem.writePtr(a.ImageBase, found?.image.base ?? imageAt(k, a.ControlPc)?.base ?? 0);
      return found?.entry.at ?? 0;
    },
  }),
  ntExport({
    name: 'RtlVirtualUnwind',
    doc: "Steps a context from a function to its caller and returns the function's handler of a kind, or NULL.",
    args: {
      HandlerType: ULONG,
      ImageBase: PVOID,
      ControlPc: PVOID,
      FunctionEntry: PVOID,
      ContextRecord: PCONTEXT,
      HandlerData: pointer('PVOID *'),
      EstablisherFrame: pointer('PULONG64'),
      ContextPointers: PVOID,
    },
    returns: PVOID,
    cycles: 200,
    status: 'full',
    impl(k, a) {
      const m = k.mem;
      m.probe(a.HandlerData, 8, true);
      m.probe(a.EstablisherFrame, 8, true);
      m.probe(a.ContextRecord, CONTEXT.size, true);
      const at = a.FunctionEntry;
      const entry = { at, begin: m.read32(at), end: m.read32(at + 4), unwind: m.read32(at + 8) };
      const r = new NotedRegisters(m, a.ContextRecord, a.ContextPointers);
      r.rip = a.ControlPc;
      const u = unwindFrame(m, { base: a.ImageBase, size: 0 }, entry, r, a.HandlerType);
      if (u.handler !== 0) m.writePtr(a.HandlerData, u.handlerData);
      m.writePtr(a.EstablisherFrame, u.establisher);
      return u.handler;
    },
  }),
  ntSteps({
    name: 'RtlUnwind',
    doc: 'Leaves the frames of the callers up to a target frame and goes on at an address in it (RtlUnwindEx without a context and history of the caller).',
    args: { TargetFrame: PVOID, TargetIp: PVOID, ExceptionRecord: PRECORD, ReturnValue: ULONG64 },
    returns: VOID,
    cycles: 50,
    status: 'full',
    frame: { Context: CONTEXT },
    steps: {
      start: (k, f, _rax, a) =>
        call(
          k.address('nt!RtlUnwindEx'),
          [a.TargetFrame, a.TargetIp, a.ExceptionRecord, a.ReturnValue, f.address('Context'), 0],
          'never',
        ),
      never,
    },
  }),
  ntSteps({
    name: '_local_unwind',
    doc: 'Leaves __try blocks by a jump: runs the termination handlers between here and a place in a frame.',
    args: { TargetFrame: PVOID, TargetIp: PVOID },
    returns: VOID,
    cycles: 50,
    status: 'full',
    frame: { Context: CONTEXT },
    steps: {
      start: (k, f, _rax, a) => call(k.address('nt!RtlUnwindEx'), [a.TargetFrame, a.TargetIp, 0, 0, f.address('Context'), 0], 'never'),
      never,
    },
  }),
  consolidationRoutine,
  unwindExRoutine,
  specificHandlerRoutine,
];

const SAVED = [
  [J.Rbx, RBX],
  [J.Rbp, RBP],
  [J.Rsi, RSI],
  [J.Rdi, RDI],
  [J.R12, R12],
  [J.R13, R13],
  [J.R14, R14],
  [J.R15, R15],
] as const;

/** setjmp: keeps the caller's registers. `frame` 0 means that a jump back only loads them; otherwise it unwinds to that frame. */
function setJump(k: Kernel, buffer: number, frame: bigint): number {
  const { mem, cpu } = k;
  mem.probe(buffer, JUMP_BUFFER.size, true);
  const slot = k.argSlot(0) - 8;
  mem.write64(buffer, frame);
  for (const [field, register] of SAVED) mem.write64(buffer + field.offset, cpu.gpr(register));
  J.Rsp.set(mem, buffer, BigInt.asUintN(64, BigInt(slot + 8)));
  J.Rip.set(mem, buffer, mem.read64(slot));
  J.MxCsr.set(mem, buffer, cpu.mxcsr);
  const x87 = new Uint8Array(160);
  cpu.saveX87(x87);
  J.FpCsr.set(mem, buffer, x87[0]! | (x87[1]! << 8));
  for (let i = 6; i < 16; i++) mem.writeBytes(buffer + J.Xmm6.offset + (i - 6) * 16, cpu.xmm(i));
  return 0;
}

const jumps: NtExport[] = [
  ntExport({
    name: '_setjmp',
    doc: "Keeps the caller's registers for longjmp, which then goes back without unwinding; returns 0.",
    args: { Buffer: PJUMP },
    returns: ULONG,
    cycles: 40,
    status: 'full',
    impl: (k, a) => setJump(k, a.Buffer, 0n),
  }),
  ntExport({
    name: '_setjmpex',
    doc: "Keeps the caller's registers and frame for longjmp, which then unwinds to it; returns 0.",
    args: { Buffer: PJUMP, Frame: ULONG64 },
    returns: ULONG,
    cycles: 40,
    status: 'full',
    impl: (k, a) => setJump(k, a.Buffer, a.Frame),
  }),
  ntSteps({
    name: 'longjmp',
    doc: 'Goes back to where setjmp kept the registers; setjmp returns again, with a value that is not 0.',
    args: { Buffer: PJUMP, Value: ULONG },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: { Record: EXCEPTION_RECORD, Context: CONTEXT },
    steps: {
      start(k, f, _rax, a) {
        const m = k.mem,
          record = f.address('Record'),
          context = f.address('Context');
        const value = a.Value === 0 ? 1 : a.Value;
        const target = m.readPtr(a.Buffer);
        if (target === 0) {
          captureContext(k, context, 0, 0);
          contextOfJump(k, context, a.Buffer);
          C.Rax.set(m, context, BigInt(value));
          return restoreContext(k, context, 0);
        }
        m.fill(record, EXCEPTION_RECORD.size, 0);
        X.ExceptionCode.set(m, record, STATUS_LONGJUMP | 0);
        X.NumberParameters.set(m, record, 1);
        m.writePtr(record + X.ExceptionInformation.offset, a.Buffer);
        return call(k.address('nt!RtlUnwindEx'), [target, m.readPtr(a.Buffer + J.Rip.offset), record, value, context, 0], 'never');
      },
      never,
    },
  }),
];

export const exceptionExports: readonly NtExport[] = [...dispatchExceptionRoutines, ...raising, ...unwinding, ...jumps];
