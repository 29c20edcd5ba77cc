import type { Dispatch } from './dispatch.ts';
import { fixedCodes } from './dispatch.ts';
import { address, follow, followNext, next } from './text.ts';

// The text of generated/execute.ts: the function that runs decoded blocks.

/** Cycles and RIP are written back around a form that ends its block, so that it sees and may change both (REP charges what it moved). */
const coldEnd = `const start = limit - (acc >> 32) - <u64>load<u8>(ip, 11);
      store<u64>(cpu, start, CYCLES); store<u64>(cpu, load<u64>(ip, 32), RIP);
      call_indirect<void>(load<u32>(ip, 44), cpu, ip);
      acc -= (load<u64>(cpu, CYCLES) - start) << 32;
      if (trap) break;`;

const fixed: Record<string, string> = {
  CODE_COLD: `call_indirect<void>(load<u32>(ip, 44), cpu, ip); if (trap) break; ${next}`,
  CODE_COLD_JUMP: `${coldEnd} to = load<u64>(cpu, RIP); slot = 1; break;`,
  // Goes on without the run loop when the boundary has nothing to look at and the budget still ends before the APIC timer fires; privilege may have changed.
  CODE_COLD_END: `${coldEnd} if (load<u32>(cpu, ATTENTION) != 0 || load<u64>(cpu, TIMER_DUE) < limit) break;
      fast = <usize>load<u32>(cpu, FAST); jumps = jumpTable(cpu); to = load<u64>(cpu, RIP); slot = 1;
      const j = jumps + <usize>(((<u32>to ^ (<u32>to >> 10)) << 4) & JUMP_MASK);
      if (load<u64>(j) == to && load<u32>(j, 12) == linkGeneration) { const n = <usize>load<u32>(j, 8), c = acc - load<u64>(n); if (<i64>c >= 0) { slot = 0; acc = c; ip = n + 48; continue; } }
      break;`,
  CODE_COUNT: `store<u64>(cpu, load<u64>(cpu, BRANCHES) + 1, BRANCHES); ${next}`,
  // The same where RIP and the mode are known: the op's own link leads on (generation at 24, block at 28).
  CODE_COLD_NEXT: `${coldEnd} ${followNext}`,
  CODE_CONTINUE: follow('ip', false),
  CODE_STOP: 'store<u64>(cpu, load<u64>(ip, 32), RIP); break;',
  // Segment base in r0, nonzero r1 for a 32-bit address size (SDM vol. 1, 3.3.7: the address is zero-extended, then the base is added).
  CODE_EA: `let va: u64 = ${address}; if (load<u8>(ip, 3) != 0) va = <u64><u32>va; store<u64>(cpu, va + load<u64>(cpu + <usize>load<u8>(ip, 2)), EA); ${next}`,
  CODE_RAISE: 'raiseDecoded(cpu, ip); break;',
  // Outside 64-bit mode every memory operand goes through here: segment, limit and rights, 16- and 32-bit address arithmetic.
  CODE_EA_SEGMENT: `segmentOperand(cpu, ip); if (trap) break; ${next}`,
  // A conditional branch whose target lies outside of the code segment.
  CODE_RAISE_IF: `if (cond(cpu, <u32>load<u8>(ip, 13))) { raiseError(cpu, GP, 0); break; } ${next}`,
};

/** Text of generated/execute.ts; \`semantics\` maps a semantic function to its file. */
export function executeText(d: Dispatch, imports: string): string {
  const cases = d.bodies.map(
    (text, code) =>
      `      case ${code}: { // ${d.titles[code]}\n      ${code < fixedCodes.length ? fixed[fixedCodes[code]] : text}\n      }`,
  );
  return `// Made by gen/generate.ts from the records in isa/. Never edited by hand.
import * as layout from '../core/layout';
import { ATTENTION, BRANCHES, CYCLES, EA, FAST, FL_RES, RBP, RIP, RSP, SCRATCH, TIMER_DUE, XMM } from '../core/layout';
import { FAST_WRITE } from '../core/map';
import { canonical, ld8, ld16, ld32, ld64, ld128, ldw8, ldw16, ldw32, ldw64, st8, st16, st32, st64, st128, PAGE } from '../core/mem';
import { GP, raiseError, stackFault, trap } from '../core/trap';
import { linkGeneration } from '../core/mmu';
import { JUMP_MASK } from '../core/block';
import { jumpTable } from '../core/blocks';
import { carry, cond, overflow, parity, sign, zero } from '../core/flags';
import { misaligned } from '../core/operand';
import { segmentOperand } from '../core/linear';
import { raiseDecoded, transfer } from '../core/transfer';
${imports}

/** The op that set \`trap\`; 0 when a fetch did, with RIP already at the instruction. */
export let faultOp: usize = 0;

/**
 * Runs decoded code from block \`block\` until the budget does not cover the next block, a trap, or a form that must be looked at.
 * \`budget\` is cycles << 32 | instructions; \`limit\` is what CYCLES is when the cycles are used up. Returns what is left of it; the charge of \`block\` must be covered.
 */
export function execute(cpu: usize, block: usize, budget: u64, limit: u64): u64 {
  let fast = <usize>load<u32>(cpu, FAST), jumps = jumpTable(cpu);
  let acc: u64 = budget - load<u64>(block), ip: usize = block + 48, to: u64 = 0, slot: usize = 0;
  while (true) {
    switch (<u32>load<u16>(ip)) {
${cases.join('\n')}
      default: unreachable();
    }
    // Left the switch: a trap or an exit (slot is 0), or a transfer to \`to\` whose link or target is not known.
    if (slot == 0) { faultOp = ip; break; }
    faultOp = 0;
    store<u64>(cpu, to, RIP);
    if (<i64>acc < (<i64>1 << 32)) break;
    const b = transfer(cpu, to, slot);
    if (b == 0) break;
    const c = acc - load<u64>(b);
    if (<i64>c < 0) break;
    slot = 0;
    acc = c;
    ip = b + 48;
  }
  return acc;
}
`;
}
