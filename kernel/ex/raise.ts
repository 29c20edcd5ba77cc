import type { Kernel } from '../kernel.ts';
import { KMODE_EXCEPTION_NOT_HANDLED, SYSTEM_THREAD_EXCEPTION_NOT_HANDLED } from '../types/bugcodes.ts';

/**
 * A routine raises an NTSTATUS as an exception (ExRaiseStatus). Until structured exception handling is there nobody can catch it, so it is what NT makes of an exception
 * that nobody caught: in a system thread bug check 0x7E, elsewhere 0x1E; the exception's address is the caller's.
 */
export function raiseStatus(k: Kernel, status: number): never {
  const code = BigInt.asUintN(64, BigInt(status | 0));
  const caller = k.caller();
  if (k.irql === 0 && k.currentThreadProcess() === k.mem.readPtr(k.address('nt!PsInitialSystemProcess')))
    k.bugCheck(
      SYSTEM_THREAD_EXCEPTION_NOT_HANDLED,
      code,
      caller,
      0,
      0,
      'a kernel routine raised an exception that nobody handles',
    );
  k.bugCheck(KMODE_EXCEPTION_NOT_HANDLED, code, caller, 0, 0, 'a kernel routine raised an exception that nobody handles');
}
