/**
 * __C_specific_handler: __try, __except and __finally of C. A function's scope table lists its guarded ranges, inner ones first: begin, end, the filter (1 for
 * EXCEPTION_EXECUTE_HANDLER) or the termination handler, and where the __except block starts, 0 for a __finally ("x64 exception handling", Microsoft Learn).
 */
import { call, type Frame, type NtExport, ntSteps, type Outcome, pointer, PVOID, ret, ULONG } from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import { u32 } from '../types/struct.ts';
import {
  DISPATCHER_CONTEXT,
  EXCEPTION_POINTERS,
  EXCEPTION_RECORD,
  EXCEPTION_TARGET_UNWIND,
  EXCEPTION_UNWIND,
  ExceptionContinueExecution,
  ExceptionContinueSearch,
} from '../types/trap.ts';

const D = DISPATCHER_CONTEXT.f,
  X = EXCEPTION_RECORD.f;
const EXECUTE_HANDLER = 1;

const frame = { Pointers: EXCEPTION_POINTERS, Scope: u32 };
type F = Frame<typeof frame>;
interface Args {
  ExceptionRecord: number;
  EstablisherFrame: number;
  ContextRecord: number;
  DispatcherContext: number;
}

interface Scope {
  begin: number;
  end: number;
  handler: number;
  jump: number;
}

/** A function's scope table and where in it control is, as RVAs. */
class Scopes {
  readonly base: number;
  readonly count: number;
  readonly pc: number;
  private readonly k: Kernel;
  private readonly at: number;
  constructor(k: Kernel, dispatcher: number) {
    const m = k.mem;
    this.k = k;
    this.base = D.ImageBase.get(m, dispatcher);
    this.at = D.HandlerData.get(m, dispatcher);
    this.count = m.read32(this.at);
    this.pc = D.ControlPc.get(m, dispatcher) - this.base;
  }
  get(i: number): Scope {
    const m = this.k.mem,
      at = this.at + 4 + i * 16;
    return { begin: m.read32(at), end: m.read32(at + 4), handler: m.read32(at + 8), jump: m.read32(at + 12) };
  }
}

const inside = (s: Scope, rva: number): boolean => rva >= s.begin && rva < s.end;

/** The frame is searched: asks the filters of the scopes that control is in, from `first` on. */
function filter(k: Kernel, f: F, a: Args, first: number): Outcome {
  const scopes = new Scopes(k, a.DispatcherContext);
  for (let i = first; i < scopes.count; i++) {
    const s = scopes.get(i);
    if (!inside(s, scopes.pc) || s.jump === 0) continue;
    f.set('Scope', i);
    if (s.handler === EXECUTE_HANDLER) return execute(k, a, scopes, s);
    return call(scopes.base + s.handler, [f.address('Pointers'), a.EstablisherFrame], 'filtered');
  }
  return ret(ExceptionContinueSearch);
}

/** The frame takes the exception: everything inside it is unwound, then its __except block runs with the code in EAX. */
function execute(k: Kernel, a: Args, scopes: Scopes, s: Scope): Outcome {
  const m = k.mem;
  return call(
    k.address('nt!RtlUnwindEx'),
    [
      a.EstablisherFrame,
      scopes.base + s.jump,
      a.ExceptionRecord,
      X.ExceptionCode.get(m, a.ExceptionRecord) >>> 0,
      D.ContextRecord.get(m, a.DispatcherContext),
      D.HistoryTable.get(m, a.DispatcherContext),
    ],
    'unwound',
  );
}

/** The frame is left: runs the termination handlers of the scopes that control is in and the target is not. */
function terminate(k: Kernel, a: Args): Outcome {
  const m = k.mem;
  const scopes = new Scopes(k, a.DispatcherContext);
  const last = (X.ExceptionFlags.get(m, a.ExceptionRecord) & EXCEPTION_TARGET_UNWIND) !== 0;
  const target = last ? D.TargetIp.get(m, a.DispatcherContext) - scopes.base : -1;
  for (let i = D.ScopeIndex.get(m, a.DispatcherContext); i < scopes.count; i++) {
    const s = scopes.get(i);
    if (!inside(s, scopes.pc)) continue;
    if (last && sharesScope(scopes, s, target)) break;
    if (s.jump !== 0) {
      // The __except block that is the target belongs to this scope: those around it stay.
      if (last && s.jump === target) break;
      continue;
    }
    D.ScopeIndex.set(m, a.DispatcherContext, i + 1);
    return call(scopes.base + s.handler, [1, a.EstablisherFrame], 'terminated');
  }
  return ret(ExceptionContinueSearch);
}

/** Is the target in the same guarded body (which may be in several pieces)? Then the unwind stays inside of it. */
function sharesScope(scopes: Scopes, s: Scope, target: number): boolean {
  for (let i = 0; i < scopes.count; i++) {
    const t = scopes.get(i);
    if (inside(t, target) && t.jump === s.jump && t.handler === s.handler) return true;
  }
  return false;
}

export const specificHandlerRoutine: NtExport = ntSteps({
  name: '__C_specific_handler',
  doc: 'The language handler of C: runs the filters, __except blocks and __finally blocks of a function with __try.',
  args: {
    ExceptionRecord: pointer('PEXCEPTION_RECORD'),
    EstablisherFrame: PVOID,
    ContextRecord: pointer('PCONTEXT'),
    DispatcherContext: pointer('PDISPATCHER_CONTEXT'),
  },
  returns: ULONG,
  cycles: 150,
  status: 'full',
  frame,
  steps: {
    start(k, f, _rax, a) {
      if (X.ExceptionFlags.get(k.mem, a.ExceptionRecord) & EXCEPTION_UNWIND) return terminate(k, a);
      k.mem.writePtr(f.address('Pointers'), a.ExceptionRecord);
      k.mem.writePtr(f.address('Pointers') + 8, a.ContextRecord);
      return filter(k, f, a, D.ScopeIndex.get(k.mem, a.DispatcherContext));
    },
    filtered(k, f, rax, a) {
      const answer = rax | 0;
      if (answer < 0) return ret(ExceptionContinueExecution);
      if (answer === 0) return filter(k, f, a, f.get('Scope') + 1);
      const scopes = new Scopes(k, a.DispatcherContext);
      return execute(k, a, scopes, scopes.get(f.get('Scope')));
    },
    terminated: (k, _f, _rax, a) => terminate(k, a),
    unwound: () => {
      throw new Error('RtlUnwindEx returned');
    },
  },
});
