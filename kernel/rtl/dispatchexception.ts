/**
 * RtlDispatchException: asks the handlers of the frames on the stack, innermost first, whether they take an exception. The order of calls and what is passed to a handler is that of
 * "x64 exception handling" (Microsoft Learn).
 */
import {
  BOOLEAN,
  call,
  type Frame,
  type NtExport,
  ntCode,
  ntExport,
  ntSteps,
  type Outcome,
  pointer,
  PVOID,
  ret,
  ULONG,
} from '../exports/declare.ts';
import { R9, RSP } from '../../hal/bus/cpu.ts';
import { mem } from '../image/asm.ts';
import type { Kernel } from '../kernel.ts';
import { STATUS_INVALID_DISPOSITION, STATUS_NONCONTINUABLE_EXCEPTION } from '../types/status.ts';
import { ptr, u32 } from '../types/struct.ts';
import {
  CONTEXT,
  DISPATCHER_CONTEXT,
  EXCEPTION_NESTED_CALL,
  EXCEPTION_NONCONTINUABLE,
  EXCEPTION_RECORD,
  EXCEPTION_STACK_INVALID,
  EXCEPTION_UNWIND,
  ExceptionCollidedUnwind,
  ExceptionContinueExecution,
  ExceptionContinueSearch,
  ExceptionNestedException,
} from '../types/trap.ts';
import { ContextRegisters } from './context.ts';
import { boundaryAt, isFrameAddress } from './frames.ts';
import { type Found, functionAt } from './functiontable.ts';
import { tryUnwind, UNW_FLAG_EHANDLER, UNW_FLAG_UHANDLER, unwindFrame, unwindLeaf, type Unwound } from './unwind.ts';

const D = DISPATCHER_CONTEXT.f;
const FLAGS = EXCEPTION_RECORD.f.ExceptionFlags;
/** Frames after which a walk that does not come to an end is given up. */
const MAX_FRAMES = 1024;

/** Where the thunks keep the address of the DISPATCHER_CONTEXT in their frame, for their own handlers. */
const SAVED_DISPATCHER = 0x20;

/** The state of a search between two handlers: the context of the next frame's code, and what the handler was told. */
const frame = { Context: CONTEXT, Dispatcher: DISPATCHER_CONTEXT, Flags: u32, NestedFrame: ptr, ControlPc: ptr };
type F = Frame<typeof frame>;

/** Describes a frame to its handler. */
export function fillDispatcher(
  k: Kernel,
  at: number,
  found: Found,
  unwound: Unwound,
  controlPc: number,
  context: number,
  history: number,
): void {
  const m = k.mem;
  D.ControlPc.set(m, at, controlPc);
  D.ImageBase.set(m, at, found.image.base);
  D.FunctionEntry.set(m, at, found.entry.at);
  D.EstablisherFrame.set(m, at, unwound.establisher);
  D.ContextRecord.set(m, at, context);
  D.LanguageHandler.set(m, at, unwound.handler);
  D.HandlerData.set(m, at, unwound.handlerData);
  D.HistoryTable.set(m, at, history);
  D.ScopeIndex.set(m, at, 0);
}

const asked = (k: Kernel, f: F, record: number, context: number): Outcome => {
  FLAGS.set(k.mem, record, f.get('Flags'));
  const dispatcher = f.address('Dispatcher');
  return call(
    k.address('nt!RtlpExecuteHandlerForException'),
    [record, D.EstablisherFrame.get(k.mem, dispatcher), context, dispatcher],
    'disposed',
  );
};

/** Goes outwards from the frame of Context to the next one with a handler, and asks it; the routine returns FALSE when there is none. */
function search(k: Kernel, f: F, record: number, context: number): Outcome {
  const at = f.address('Context');
  const r = new ContextRegisters(k.mem, at);
  for (let n = 0; n < MAX_FRAMES; n++) {
    const rip = r.rip;
    if (rip === 0 || boundaryAt(k, rip) !== null) return ret(false);
    let found: Found | null = null;
    let unwound: Unwound | null = null;
    const walked = tryUnwind(() => {
      found = functionAt(k, rip);
      if (found === null) unwindLeaf(k.mem, r);
      else unwound = unwindFrame(k.mem, (found as Found).image, (found as Found).entry, r, UNW_FLAG_EHANDLER);
    });
    const u = unwound as Unwound | null;
    if (!walked || (u !== null && !isFrameAddress(k, u.establisher))) {
      FLAGS.set(k.mem, record, f.get('Flags') | EXCEPTION_STACK_INVALID);
      return ret(false);
    }
    if (u !== null && u.handler !== 0) {
      fillDispatcher(k, f.address('Dispatcher'), found as unknown as Found, u, rip, at, 0);
      return asked(k, f, record, context);
    }
    if (!isFrameAddress(k, r.get(RSP))) return ret(false);
  }
  return ret(false);
}

/** An exception in a termination handler: its unwind had come to a frame, and the search goes on there, after the scopes that are done. */
function takeOver(k: Kernel, f: F, record: number, context: number): Outcome {
  const m = k.mem,
    at = f.address('Dispatcher'),
    own = f.address('Context');
  m.copy(own, D.ContextRecord.get(m, at), CONTEXT.size);
  const rip = D.ControlPc.get(m, at);
  const r = new ContextRegisters(m, own);
  r.rip = rip;
  const found = functionAt(k, rip);
  if (found !== null) unwindFrame(m, found.image, found.entry, r, UNW_FLAG_EHANDLER);
  D.ContextRecord.set(m, at, own);
  return asked(k, f, record, context);
}

function disposed(k: Kernel, f: F, disposition: number, record: number, context: number): Outcome {
  const m = k.mem;
  let flags = f.get('Flags') | (FLAGS.get(m, record) & EXCEPTION_NONCONTINUABLE);
  const dispatcher = f.address('Dispatcher');
  const establisher = D.EstablisherFrame.get(m, dispatcher);
  if (f.get('NestedFrame') === establisher && disposition !== ExceptionNestedException) {
    flags &= ~EXCEPTION_NESTED_CALL;
    f.set('NestedFrame', 0);
  }
  f.set('Flags', flags);
  switch (disposition) {
    case ExceptionContinueExecution:
      if (flags & EXCEPTION_NONCONTINUABLE) k.raise(STATUS_NONCONTINUABLE_EXCEPTION);
      return ret(true);
    case ExceptionContinueSearch:
      return search(k, f, record, context);
    case ExceptionNestedException:
      // The handler that raised this exception was asked on behalf of an outer frame; until the search is past that one, handlers are told that they are nested.
      f.set('Flags', flags | EXCEPTION_NESTED_CALL);
      if (establisher > f.get('NestedFrame')) f.set('NestedFrame', establisher);
      return search(k, f, record, context);
    case ExceptionCollidedUnwind:
      return takeOver(k, f, record, context);
    default:
      k.raise(STATUS_INVALID_DISPOSITION);
  }
}

const HANDLER_ARGUMENTS = {
  ExceptionRecord: pointer('PEXCEPTION_RECORD'),
  EstablisherFrame: PVOID,
  ContextRecord: pointer('PCONTEXT'),
  DispatcherContext: pointer('PDISPATCHER_CONTEXT'),
} as const;

const thunk = (name: string, doc: string, handler: string, flags: number): NtExport =>
  ntCode({
    name,
    internal: true,
    doc,
    args: HANDLER_ARGUMENTS,
    returns: ULONG,
    cycles: 0,
    status: 'full',
    code(a) {
      a.prologAlloc(0x28);
      a.handler(handler, flags);
      a.mov(mem(RSP, SAVED_DISPATCHER), R9);
      a.callMem(mem(R9, D.LanguageHandler.offset));
      a.nop();
      a.addImm(RSP, 0x28);
      a.ret();
    },
  });

export const dispatchExceptionRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'RtlDispatchException',
    internal: true,
    doc: 'Asks the handlers of the frames on the stack whether they take an exception; TRUE when the code that raised it is to go on, FALSE when nobody takes it.',
    args: { ExceptionRecord: pointer('PEXCEPTION_RECORD'), ContextRecord: pointer('PCONTEXT') },
    returns: BOOLEAN,
    cycles: 400,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        k.mem.copy(f.address('Context'), a.ContextRecord, CONTEXT.size);
        k.mem.fill(f.address('Dispatcher'), DISPATCHER_CONTEXT.size, 0);
        f.set('Flags', FLAGS.get(k.mem, a.ExceptionRecord) & EXCEPTION_NONCONTINUABLE);
        f.set('NestedFrame', 0);
        return search(k, f, a.ExceptionRecord, a.ContextRecord);
      },
      disposed: (k, f, rax, a) => disposed(k, f, rax, a.ExceptionRecord, a.ContextRecord),
    },
  }),
  thunk(
    'RtlpExecuteHandlerForException',
    "Calls a frame's handler for an exception; a frame of its own on the stack shows to a later exception that this one is being handled.",
    'nt!RtlpExceptionHandler',
    UNW_FLAG_EHANDLER,
  ),
  thunk(
    'RtlpExecuteHandlerForUnwind',
    "Calls a frame's handler for an unwind; a frame of its own on the stack shows to a later exception or unwind how far this one has come.",
    'nt!RtlpUnwindHandler',
    UNW_FLAG_EHANDLER | UNW_FLAG_UHANDLER,
  ),
  ntExport({
    name: 'RtlpExceptionHandler',
    internal: true,
    doc: 'An exception was raised inside a handler for another one: tells the dispatcher for which frame that handler was asked.',
    args: HANDLER_ARGUMENTS,
    returns: ULONG,
    cycles: 40,
    status: 'full',
    impl(k, a) {
      const m = k.mem;
      if (FLAGS.get(m, a.ExceptionRecord) & EXCEPTION_UNWIND) return ExceptionContinueSearch;
      const saved = m.readPtr(a.EstablisherFrame + SAVED_DISPATCHER);
      D.EstablisherFrame.set(m, a.DispatcherContext, D.EstablisherFrame.get(m, saved));
      return ExceptionNestedException;
    },
  }),
  ntExport({
    name: 'RtlpUnwindHandler',
    internal: true,
    doc: 'An exception or an unwind has come to an unwind that has not ended: hands over how far that one has come.',
    args: HANDLER_ARGUMENTS,
    returns: ULONG,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const m = k.mem;
      const saved = m.readPtr(a.EstablisherFrame + SAVED_DISPATCHER);
      const target = D.TargetIp.get(m, a.DispatcherContext);
      m.copy(a.DispatcherContext, saved, DISPATCHER_CONTEXT.size);
      D.TargetIp.set(m, a.DispatcherContext, target);
      return ExceptionCollidedUnwind;
    },
  }),
];
