import type { VirtualMemory } from '../../hal/bus/memory.ts';
import { RSP } from '../../hal/bus/cpu.ts';

/**
 * Unwinding by .pdata and .xdata ("x64 exception handling", Microsoft Learn): which function an address belongs to, and what the registers were in its caller. Pure
 * over guest memory.
 */

const UWOP_PUSH_NONVOL = 0,
  UWOP_ALLOC_LARGE = 1,
  UWOP_ALLOC_SMALL = 2,
  UWOP_SET_FPREG = 3,
  UWOP_SAVE_NONVOL = 4,
  UWOP_SAVE_NONVOL_FAR = 5;
const UWOP_EPILOG = 6,
  UWOP_SAVE_XMM128 = 8,
  UWOP_SAVE_XMM128_FAR = 9,
  UWOP_PUSH_MACHFRAME = 10;
const UNW_FLAG_CHAININFO = 4;
const IMAGE_DIRECTORY_ENTRY_EXCEPTION = 3;

/** Registers during a walk: integer registers as addresses (bits 48-63 as sign), by number. */
export interface WalkContext {
  rip: number;
  registers: number[];
}

export interface ImageRange {
  readonly base: number;
  readonly size: number;
}

export interface FunctionEntry {
  begin: number;
  end: number;
  unwind: number;
}

/** The RUNTIME_FUNCTION that covers `address`, as RVAs, or null: the address is in a leaf function (or not in code). */
export function lookupFunctionEntry(m: VirtualMemory, image: ImageRange, address: number): FunctionEntry | null {
  const pe = image.base + m.read32(image.base + 0x3c);
  const directory = pe + 24 + 112 + IMAGE_DIRECTORY_ENTRY_EXCEPTION * 8;
  const table = image.base + m.read32(directory);
  const count = Math.floor(m.read32(directory + 4) / 12);
  const rva = address - image.base;
  let low = 0,
    high = count - 1;
  while (low <= high) {
    const mid = (low + high) >> 1;
    const at = table + mid * 12;
    if (rva < m.read32(at)) high = mid - 1;
    else if (rva >= m.read32(at + 4)) low = mid + 1;
    else return { begin: m.read32(at), end: m.read32(at + 4), unwind: m.read32(at + 8) };
  }
  return null;
}

/** A 64-bit value as an address without a check: bits 32-63 are taken as they are. */
const address = (m: VirtualMemory, at: number): number => (m.read32(at + 4) | 0) * 0x100000000 + m.read32(at);

/** Undoes one unwind operation; `offset` is how far into the function RIP is. True when a machine frame gave RIP and RSP themselves. */
function undoCodes(m: VirtualMemory, image: ImageRange, entry: FunctionEntry, c: WalkContext, offset: number): boolean {
  const info = image.base + entry.unwind;
  const flags = m.read8(info) >> 3;
  const count = m.read8(info + 2);
  const frame = m.read8(info + 3);
  const frameRegister = frame & 15,
    frameOffset = (frame >> 4) * 16;
  let machineFrame = false;
  for (let i = 0; i < count;) {
    const at = info + 4 + i * 2;
    const prolog = m.read8(at),
      op = m.read8(at + 1) & 15,
      more = m.read8(at + 1) >> 4;
    const done = offset >= prolog;
    const slots =
      op === UWOP_ALLOC_LARGE
        ? more === 0
          ? 2
          : 3
        : op === UWOP_SAVE_NONVOL || op === UWOP_SAVE_XMM128 || op === UWOP_EPILOG
          ? 2
          : op === UWOP_SAVE_NONVOL_FAR || op === UWOP_SAVE_XMM128_FAR
            ? 3
            : 1;
    i += slots;
    if (!done) continue;
    const rsp = c.registers[RSP]!;
    switch (op) {
      case UWOP_PUSH_NONVOL:
        c.registers[more] = address(m, rsp);
        c.registers[RSP] = rsp + 8;
        break;
      case UWOP_ALLOC_LARGE:
        c.registers[RSP] = rsp + (more === 0 ? m.read16(at + 2) * 8 : m.read32(at + 2));
        break;
      case UWOP_ALLOC_SMALL:
        c.registers[RSP] = rsp + more * 8 + 8;
        break;
      case UWOP_SET_FPREG:
        c.registers[RSP] = c.registers[frameRegister]! - frameOffset;
        break;
      case UWOP_SAVE_NONVOL:
        c.registers[more] = address(m, rsp + m.read16(at + 2) * 8);
        break;
      case UWOP_SAVE_NONVOL_FAR:
        c.registers[more] = address(m, rsp + m.read32(at + 2));
        break;
      case UWOP_PUSH_MACHFRAME: {
        const at2 = rsp + (more === 1 ? 8 : 0);
        c.rip = address(m, at2);
        c.registers[RSP] = address(m, at2 + 24);
        machineFrame = true;
        break;
      }
      case UWOP_EPILOG:
      case UWOP_SAVE_XMM128:
      case UWOP_SAVE_XMM128_FAR:
        break;
      default:
        throw new RangeError(`unwind code ${op} at ${at} is not one that the format has`);
    }
  }
  if (flags & UNW_FLAG_CHAININFO) {
    const chained = info + 4 + ((count + 1) & ~1) * 2;
    const parent = { begin: m.read32(chained), end: m.read32(chained + 4), unwind: m.read32(chained + 8) };
    return undoCodes(m, image, parent, c, Infinity) || machineFrame;
  }
  return machineFrame;
}

/**
 * True if RIP stands in the epilogue, which has undone part of the prologue already: `add rsp, imm` / `lea rsp, [reg+disp]`, pops, then ret. In it the rest of
 * the epilogue is carried out instead of the unwind codes.
 */
function finishEpilogue(m: VirtualMemory, c: WalkContext): boolean {
  let at = c.rip;
  const registers = [...c.registers];
  const b = (n: number): number => m.read8(at + n);
  if ((b(0) & 0xf8) === 0x48 && b(1) === 0x83 && b(2) === 0xc4) {
    registers[RSP] = registers[RSP]! + ((b(3) << 24) >> 24);
    at += 4;
  } else if ((b(0) & 0xf8) === 0x48 && b(1) === 0x81 && b(2) === 0xc4) {
    registers[RSP] = registers[RSP]! + m.readI32(at + 3);
    at += 7;
  } else if ((b(0) & 0xfe) === 0x48 && b(1) === 0x8d && (b(2) & 0x38) === 0x20 && (b(2) & 0xc0) !== 0xc0) {
    const base = (b(2) & 7) | ((b(0) & 1) << 3);
    if (b(2) >> 6 === 1) {
      registers[RSP] = registers[base]! + ((b(3) << 24) >> 24);
      at += 4;
    } else if (b(2) >> 6 === 2) {
      registers[RSP] = registers[base]! + m.readI32(at + 3);
      at += 7;
    }
  }
  for (;;) {
    const rex = (b(0) & 0xf0) === 0x40;
    const op = rex ? b(1) : b(0);
    if ((op & 0xf8) !== 0x58) break;
    registers[(op & 7) | (rex && b(0) & 1 ? 8 : 0)] = address(m, registers[RSP]!);
    registers[RSP] = registers[RSP]! + 8;
    at += rex ? 2 : 1;
  }
  const isRet = b(0) === 0xc3 || b(0) === 0xc2 || (b(0) === 0xf3 && b(1) === 0xc3);
  if (!isRet) return false;
  c.rip = address(m, registers[RSP]!);
  registers[RSP] = registers[RSP]! + 8;
  c.registers = registers;
  return true;
}

/**
 * Steps from a function to its caller (RtlVirtualUnwind without handlers). `entry` null means a leaf: the return address is at RSP. Throws GuestFault when the stack
 * or the unwind data cannot be read, RangeError for unwind data that is not valid.
 */
export function virtualUnwind(m: VirtualMemory, image: ImageRange | null, c: WalkContext): void {
  const entry = image ? lookupFunctionEntry(m, image, c.rip) : null;
  if (image && entry) {
    const offset = c.rip - image.base - entry.begin;
    if (finishEpilogue(m, c)) return;
    if (undoCodes(m, image, entry, c, offset)) return;
  }
  const rsp = c.registers[RSP]!;
  c.rip = address(m, rsp);
  c.registers[RSP] = rsp + 8;
}
