import type { UnwindOp } from './asm.ts';

const UWOP_PUSH_NONVOL = 0,
  UWOP_ALLOC_LARGE = 1,
  UWOP_ALLOC_SMALL = 2,
  UWOP_SET_FPREG = 3,
  UWOP_SAVE_NONVOL = 4,
  UWOP_SAVE_XMM128 = 8,
  UWOP_PUSH_MACHFRAME = 10;

/**
 * UNWIND_INFO of a routine from the prologue operations that the assembler noted, with its handler (an RVA) if it has one ("x64 exception handling", Microsoft Learn).
 * Codes go from the last operation to the first; the array has an even number of slots.
 */
export function encodeUnwindInfo(ops: readonly UnwindOp[], handler: { rva: number; flags: number } | null = null): Uint8Array {
  const slots: number[] = [];
  let frame = 0;
  let prolog = 0;
  for (const u of [...ops].reverse()) {
    prolog = Math.max(prolog, u.at);
    const code = (op: number, info: number): number => u.at | ((op | (info << 4)) << 8);
    switch (u.op) {
      case 'push':
        slots.push(code(UWOP_PUSH_NONVOL, u.reg));
        break;
      case 'alloc':
        if (u.size <= 128) slots.push(code(UWOP_ALLOC_SMALL, u.size / 8 - 1));
        else if (u.size < 0x80000) slots.push(code(UWOP_ALLOC_LARGE, 0), u.size / 8);
        else slots.push(code(UWOP_ALLOC_LARGE, 1), u.size & 0xffff, u.size >>> 16);
        break;
      case 'frame':
        frame = u.reg | ((u.offset / 16) << 4);
        slots.push(code(UWOP_SET_FPREG, 0));
        break;
      case 'save':
        slots.push(code(UWOP_SAVE_NONVOL, u.reg), u.offset / 8);
        break;
      case 'saveXmm':
        slots.push(code(UWOP_SAVE_XMM128, u.reg), u.offset / 16);
        break;
      case 'machframe':
        slots.push(code(UWOP_PUSH_MACHFRAME, u.error ? 1 : 0));
        break;
    }
  }
  const count = slots.length;
  if (count & 1) slots.push(0);
  if (prolog > 255) throw new RangeError(`a prologue of ${prolog} bytes cannot be described`);
  const tail = 4 + slots.length * 2;
  const out = new Uint8Array(tail + (handler === null ? 0 : 4));
  out.set([1 | ((handler?.flags ?? 0) << 3), prolog, count, frame]);
  if (handler !== null) new DataView(out.buffer).setUint32(tail, handler.rva, true);
  slots.forEach((s, i) => {
    out[4 + i * 2] = s & 0xff;
    out[5 + i * 2] = s >> 8;
  });
  return out;
}
