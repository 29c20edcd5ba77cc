import { address, condition, follow, jumpTo, loadFrom, next, storeTo } from './text.ts';

// Bodies of the switch that are not "read operands, call, write the result": stack and branch instructions.

/** Which kind of r/m the body is for. */
export type Variant = 'reg' | 'mem';

const stack = 'stackFault(cpu); ';
const push = (value: string): string =>
  `const sp = load<u64>(cpu, RSP) - 8; ${storeTo('s', 'u64', 'sp', value, stack)} store<u64>(cpu, sp, RSP);`;
const register = 'load<u64>(cpu + <usize>load<u8>(ip, 2))';
/** Declares `v`: the 64-bit r/m operand. */
const source = (variant: Variant): string =>
  variant === 'reg' ? `const v: u64 = ${register};` : `const va = ${address}; ${loadFrom('v', 'u64', 'va')}`;

/** Text of a `hot:` body by name; `cc` is the record's condition code. */
export const templates: Record<string, (variant: Variant, cc: number) => string> = {
  // SDM vol. 2: PUSH pushes the value that RSP has before the instruction.
  push: () => `const v: u64 = ${register}; ${push('v')} ${next}`,
  pushImmediate: () => `${push('load<u64>(ip, 16)')} ${next}`,
  // POP RSP: the value popped wins over the increment.
  pop: () =>
    `const sp = load<u64>(cpu, RSP); ${loadFrom('v', 'u64', 'sp', stack)} store<u64>(cpu, sp + 8, RSP); store<u64>(cpu + <usize>load<u8>(ip, 2), v); ${next}`,
  leave: () =>
    `const sp = load<u64>(cpu, RBP); ${loadFrom('v', 'u64', 'sp', stack)} store<u64>(cpu, sp + 8, RSP); store<u64>(cpu, v, RBP); ${next}`,
  jump: () => follow('ip', true),
  jcc: (_, cc) => `if (${condition(cc)}) ${follow('ip', true)} else ${follow('ip', false)}`,
  call: () => `${push('load<u64>(ip, 32)')} ${follow('ip', true)}`,
  // The target is read, then the return address is written, then RIP changes: a fault in any of them leaves everything as it was.
  callIndirect: variant =>
    `${source(variant)} to = v; if (!canonical(to)) { raiseError(cpu, GP, 0); break; } ${push('load<u64>(ip, 32)')} ${jumpTo('')}`,
  jumpIndirect: variant => `${source(variant)} to = v; ${jumpTo('')}`,
  ret: () =>
    `const sp = load<u64>(cpu, RSP); ${loadFrom('v', 'u64', 'sp', stack)} to = v; ${jumpTo('store<u64>(cpu, sp + 8, RSP);')}`,
};
