import type { Kernel } from '../kernel.ts';
import { type Boundary, boundaryAt } from '../rtl/frames.ts';
import { walkContextOf } from '../rtl/context.ts';
import { KMODE_EXCEPTION_NOT_HANDLED, SYSTEM_SERVICE_EXCEPTION, SYSTEM_THREAD_EXCEPTION_NOT_HANDLED } from '../types/bugcodes.ts';
import { EXCEPTION_RECORD } from '../types/trap.ts';
import { walkStack } from './stackwalk.ts';

const X = EXCEPTION_RECORD.f;

/** Who would have been asked last: the outermost frame that lets no exception out. A service that the request thread calls has no Zw routine around it. */
function lastAsked(k: Kernel, context: number): Boundary | null {
  for (const { symbol, address } of walkStack(k, walkContextOf(k.mem, context), 256)) {
    const boundary = boundaryAt(k, address);
    if (boundary !== null) return boundary;
    if (/^nt!Nt[A-Z]/.test(symbol)) return 'service';
  }
  return null;
}

/**
 * Nobody handles an exception: which stop it is depends on whose handler would have been the last one on the stack. System services and system threads have one
 * that stops the machine; DPCs and interrupts, on stacks of their own, have none. `trapFrame` is 0 for an exception that software raised.
 */
export function unhandledException(k: Kernel, trapFrame: number, record: number, context: number): never {
  const m = k.mem;
  const status = X.ExceptionCode.get(m, record);
  const address = m.read64(record + X.ExceptionAddress.offset);
  // Exception codes are shown sign-extended in parameters that hold an NTSTATUS.
  switch (lastAsked(k, context)) {
    case 'service':
      k.bugCheckIn(context, trapFrame, SYSTEM_SERVICE_EXCEPTION, status >>> 0, address, context, 0);
    // falls through: bugCheckIn does not return
    case 'thread':
      k.bugCheckIn(context, trapFrame, SYSTEM_THREAD_EXCEPTION_NOT_HANDLED, status, address, record, context);
    // falls through
    default: {
      const count = X.NumberParameters.get(m, record);
      const parameter = (n: number): bigint => (n < count ? m.read64(record + X.ExceptionInformation.offset + n * 8) : 0n);
      k.bugCheckIn(context, trapFrame, KMODE_EXCEPTION_NOT_HANDLED, status, address, parameter(0), parameter(1));
    }
  }
}
