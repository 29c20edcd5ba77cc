/** RtlUnwindEx: leaves frames up to a target, calling the termination handlers of each. */
import {
  call,
  type Frame,
  ntCode,
  type NtExport,
  ntSteps,
  type Outcome,
  pointer,
  PVOID,
  resume,
  ULONG64,
  VOID,
} from '../exports/declare.ts';
import { R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from '../../hal/bus/cpu.ts';
import { mem } from '../image/asm.ts';
import { unhandledException } from '../ke/unhandled.ts';
import type { Kernel } from '../kernel.ts';
import {
  STATUS_BAD_STACK,
  STATUS_INVALID_DISPOSITION,
  STATUS_LONGJUMP,
  STATUS_UNWIND,
  STATUS_UNWIND_CONSOLIDATE,
} from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import {
  CONTEXT,
  DISPATCHER_CONTEXT,
  EXCEPTION_COLLIDED_UNWIND,
  EXCEPTION_EXIT_UNWIND,
  EXCEPTION_RECORD,
  EXCEPTION_TARGET_UNWIND,
  EXCEPTION_UNWINDING,
  ExceptionCollidedUnwind,
  ExceptionContinueSearch,
  JUMP_BUFFER,
} from '../types/trap.ts';
import { captureContext, ContextRegisters, loadContext } from './context.ts';
import { fillDispatcher } from './dispatchexception.ts';
import { abortFrame, isFrameAddress } from './frames.ts';
import { functionAt, functionWithHistory } from './functiontable.ts';
import { UNW_FLAG_NHANDLER, UNW_FLAG_UHANDLER, unwindFrame, unwindLeaf } from './unwind.ts';

const D = DISPATCHER_CONTEXT.f,
  X = EXCEPTION_RECORD.f,
  C = CONTEXT.f,
  J = JUMP_BUFFER.f;
const MAX_FRAMES = 1024;

/**
 * Current is the context of the frame that is being left, Previous that of its caller; they change places after each frame, so that no copy is needed. One is the caller's
 * CONTEXT, the other this frame's.
 */
const frame = {
  Local: CONTEXT,
  Record: EXCEPTION_RECORD,
  Dispatcher: DISPATCHER_CONTEXT,
  Current: ptr,
  Previous: ptr,
  RecordAt: ptr,
  Establisher: ptr,
  Flags: u32,
};
type F = Frame<typeof frame>;

interface Target {
  TargetFrame: number;
  TargetIp: number;
  ReturnValue: bigint;
  HistoryTable: number;
}

/** The integer registers of a jump buffer, in its order, by where a CONTEXT has them. */
const JUMP_REGISTERS = [
  [J.Rbx, C.Rbx],
  [J.Rsp, C.Rsp],
  [J.Rbp, C.Rbp],
  [J.Rsi, C.Rsi],
  [J.Rdi, C.Rdi],
  [J.R12, C.R12],
  [J.R13, C.R13],
  [J.R14, C.R14],
  [J.R15, C.R15],
  [J.Rip, C.Rip],
] as const;
const XMM6 = C.FltSave.offset + 0xa0 + 6 * 16;

/** The registers that setjmp kept, into a CONTEXT. */
export function contextOfJump(k: Kernel, context: number, buffer: number): void {
  const m = k.mem;
  m.probe(buffer, JUMP_BUFFER.size, false);
  for (const [from, to] of JUMP_REGISTERS) m.write64(context + to.offset, m.read64(buffer + from.offset));
  C.MxCsr.set(m, context, J.MxCsr.get(m, buffer));
  m.writeBytes(context + XMM6, m.readBytes(buffer + J.Xmm6.offset, 160));
}

/** The frame under which a consolidating callback runs: home space, the CONTEXT, the registers of the target, and what an interrupt in the target would have pushed. */
const CONSOLIDATE_CONTEXT = 0x20,
  CONSOLIDATE_REGISTERS = 0x30,
  CONSOLIDATE_XMM = 0x70,
  CONSOLIDATE_MACHINE = 0x110,
  CONSOLIDATE_SIZE = 0x140;
const CONSOLIDATE_SAVED = [
  [RBX, C.Rbx],
  [RBP, C.Rbp],
  [RSI, C.Rsi],
  [RDI, C.Rdi],
  [R12, C.R12],
  [R13, C.R13],
  [R14, C.R14],
  [R15, C.R15],
] as const;

/**
 * Calls the routine in ExceptionInformation[0] with the record; it returns where the target goes on. It runs below everything that has been left, whose memory it may still need (the
 * exception object of a C++ throw lies there), but to whoever walks the stack its caller is the target: the unwind data of RcFrameConsolidation says so.
 */
function consolidate(k: Kernel, context: number, record: number): Outcome {
  const m = k.mem;
  const at = Math.floor((k.cpu.gprPtr(RSP) - CONSOLIDATE_SIZE) / 16) * 16;
  m.probe(at, CONSOLIDATE_SIZE, true);
  m.writePtr(at + CONSOLIDATE_CONTEXT, context);
  CONSOLIDATE_SAVED.forEach(([, from], i) => m.write64(at + CONSOLIDATE_REGISTERS + i * 8, m.read64(context + from.offset)));
  m.copy(at + CONSOLIDATE_XMM, context + XMM6, 160);
  const machine = at + CONSOLIDATE_MACHINE;
  m.fill(machine, 0x28, 0);
  m.write64(machine, m.read64(context + C.Rip.offset));
  m.write64(machine + 0x18, m.read64(context + C.Rsp.offset));
  k.cpu.setGprPtr(RSP, at);
  k.cpu.setGprPtr(RCX, record);
  k.cpu.setGprPtr(RAX, m.readPtr(record + X.ExceptionInformation.offset));
  k.cpu.rip = k.address('nt!RcFrameConsolidation');
  return resume;
}

/** Machine code around the callback; entered with its frame built. */
export const consolidationRoutine: NtExport = ntCode({
  name: 'RcFrameConsolidation',
  internal: true,
  doc: 'Calls a consolidating callback on behalf of the frame that an unwind goes to, and goes on where it says.',
  args: {},
  returns: VOID,
  cycles: 0,
  status: 'full',
  code(a) {
    a.machineFrame(false);
    a.prologAllocated(CONSOLIDATE_MACHINE);
    CONSOLIDATE_SAVED.forEach(([reg], i) => a.prologSaved(reg, CONSOLIDATE_REGISTERS + i * 8));
    for (let i = 0; i < 10; i++) a.prologSavedXmm(6 + i, CONSOLIDATE_XMM + i * 16);
    a.callIndirect(RAX);
    a.mov(RCX, mem(RSP, CONSOLIDATE_CONTEXT));
    a.mov(mem(RCX, C.Rip.offset), RAX);
    a.xor(RDX, RDX, 4);
    a.call('nt!RtlRestoreContext');
    a.hlt();
  },
});

/** RtlRestoreContext: goes on with a CONTEXT; the record of a longjmp (which may be absent) says that the jump buffer's registers count, that of a consolidation that its callback comes first. */
export function restoreContext(k: Kernel, context: number, record: number): Outcome {
  if (record !== 0 && X.ExceptionCode.get(k.mem, record) >>> 0 === STATUS_LONGJUMP && X.NumberParameters.get(k.mem, record) >= 1)
    contextOfJump(k, context, k.mem.readPtr(record + X.ExceptionInformation.offset));
  if (
    record !== 0 &&
    X.ExceptionCode.get(k.mem, record) >>> 0 === STATUS_UNWIND_CONSOLIDATE &&
    X.NumberParameters.get(k.mem, record) >= 1
  )
    return consolidate(k, context, record);
  loadContext(k, context);
  return resume;
}

/** All frames up to the target are left: goes on in it. */
function arrive(k: Kernel, f: F, t: Target): Outcome {
  const current = f.get('Current'),
    record = f.get('RecordAt');
  k.mem.write64(current + C.Rax.offset, t.ReturnValue);
  if (X.ExceptionCode.get(k.mem, record) >>> 0 !== STATUS_UNWIND_CONSOLIDATE) C.Rip.set(k.mem, current, BigInt(t.TargetIp));
  return restoreContext(k, current, record);
}

/** Asks the handler of the frame in Dispatcher to clean up. */
function ask(k: Kernel, f: F, t: Target): Outcome {
  const m = k.mem,
    dispatcher = f.address('Dispatcher'),
    record = f.get('RecordAt');
  if (D.EstablisherFrame.get(m, dispatcher) === t.TargetFrame) f.set('Flags', f.get('Flags') | EXCEPTION_TARGET_UNWIND);
  X.ExceptionFlags.set(m, record, f.get('Flags'));
  D.TargetIp.set(m, dispatcher, t.TargetIp);
  m.write64(f.get('Current') + C.Rax.offset, t.ReturnValue);
  f.set('Flags', f.get('Flags') & ~(EXCEPTION_COLLIDED_UNWIND | EXCEPTION_TARGET_UNWIND));
  return call(
    k.address('nt!RtlpExecuteHandlerForUnwind'),
    [record, D.EstablisherFrame.get(m, dispatcher), f.get('Current'), dispatcher],
    'disposed',
  );
}

/** Leaves frames until one has a termination handler, or the target is reached. */
function leave(k: Kernel, f: F, t: Target): Outcome {
  const m = k.mem;
  for (let n = 0; n < MAX_FRAMES; n++) {
    const current = f.get('Current'),
      previous = f.get('Previous');
    const r = new ContextRegisters(m, current);
    const rip = r.rip;
    const found = functionWithHistory(k, rip, t.HistoryTable);
    if (found === null) {
      unwindLeaf(m, r);
    } else {
      m.copy(previous, current, CONTEXT.size);
      const unwound = unwindFrame(m, found.image, found.entry, new ContextRegisters(m, previous), UNW_FLAG_UHANDLER);
      const frameAddress = unwound.establisher;
      if (!isFrameAddress(k, frameAddress) || (t.TargetFrame !== 0 && t.TargetFrame < frameAddress)) k.raise(STATUS_BAD_STACK);
      f.set('Establisher', frameAddress);
      if (frameAddress !== t.TargetFrame) abortFrame(k, rip, r.get(RSP));
      if (unwound.handler !== 0) {
        fillDispatcher(k, f.address('Dispatcher'), found, unwound, rip, current, t.HistoryTable);
        return ask(k, f, t);
      }
      if (frameAddress === t.TargetFrame && t.TargetFrame !== 0) return arrive(k, f, t);
      f.set('Current', previous);
      f.set('Previous', current);
    }
    if (!isFrameAddress(k, new ContextRegisters(m, f.get('Current')).get(RSP))) break;
  }
  return leftTooMuch(k, f, t);
}

/** The stack has ended. That is what an exit unwind (no target) is for; otherwise the target is no frame, and there is nothing to go on with. */
function leftTooMuch(k: Kernel, f: F, t: Target): Outcome {
  if (t.TargetFrame !== 0) k.raise(STATUS_BAD_STACK);
  return unhandledException(k, 0, f.get('RecordAt'), f.get('Current'));
}

function disposed(k: Kernel, f: F, disposition: number, t: Target): Outcome {
  const m = k.mem,
    dispatcher = f.address('Dispatcher');
  switch (disposition) {
    case ExceptionContinueSearch: {
      if (f.get('Establisher') === t.TargetFrame && t.TargetFrame !== 0) return arrive(k, f, t);
      const current = f.get('Current');
      f.set('Current', f.get('Previous'));
      f.set('Previous', current);
      return leave(k, f, t);
    }
    case ExceptionCollidedUnwind: {
      // This unwind has come to one that had not ended, whose frames are left already: it goes on where that one was.
      const current = f.get('Current'),
        previous = f.get('Previous');
      const from = D.ContextRecord.get(m, dispatcher);
      const rip = D.ControlPc.get(m, dispatcher);
      m.copy(current, from, CONTEXT.size);
      m.copy(previous, current, CONTEXT.size);
      const found = functionAt(k, rip);
      const r = new ContextRegisters(m, previous);
      r.rip = rip;
      if (found !== null) unwindFrame(m, found.image, found.entry, r, UNW_FLAG_NHANDLER);
      D.ContextRecord.set(m, dispatcher, current);
      f.set('Establisher', D.EstablisherFrame.get(m, dispatcher));
      f.set('Flags', f.get('Flags') | EXCEPTION_COLLIDED_UNWIND);
      return ask(k, f, t);
    }
    default:
      k.raise(STATUS_INVALID_DISPOSITION);
  }
}

export const unwindExRoutine: NtExport = ntSteps({
  name: 'RtlUnwindEx',
  doc: 'Leaves the frames of the callers up to a target frame, running their termination handlers, and goes on at an address in it.',
  args: {
    TargetFrame: PVOID,
    TargetIp: PVOID,
    ExceptionRecord: pointer('PEXCEPTION_RECORD'),
    ReturnValue: ULONG64,
    OriginalContext: pointer('PCONTEXT'),
    HistoryTable: pointer('PUNWIND_HISTORY_TABLE'),
  },
  returns: VOID,
  cycles: 600,
  status: 'full',
  frame,
  steps: {
    start(k, f, _rax, a) {
      const m = k.mem;
      const slot = k.argSlot(0) - 8;
      captureContext(k, a.OriginalContext, m.readPtr(slot), slot + 8);
      f.set('Current', a.OriginalContext);
      f.set('Previous', f.address('Local'));
      f.set('Establisher', 0);
      m.fill(f.address('Dispatcher'), DISPATCHER_CONTEXT.size, 0);
      let record = a.ExceptionRecord;
      if (record === 0) {
        record = f.address('Record');
        m.fill(record, EXCEPTION_RECORD.size, 0);
        X.ExceptionCode.set(m, record, STATUS_UNWIND | 0);
        X.ExceptionAddress.set(m, record, m.readPtr(slot));
      }
      f.set('RecordAt', record);
      f.set('Flags', EXCEPTION_UNWINDING | (a.TargetFrame === 0 ? EXCEPTION_EXIT_UNWIND : 0));
      return leave(k, f, a);
    },
    disposed: (k, f, rax, a) => disposed(k, f, rax, a),
  },
});
