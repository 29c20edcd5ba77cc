import { GuestFault, type VirtualMemory, addressAt } from '../../hal/bus/memory.ts';
import { RSP } from '../../hal/bus/cpu.ts';

/**
 * Unwinding by .pdata and .xdata ("x64 exception handling", Microsoft Learn): which function an address belongs to, and what the registers were in its caller. Pure
 * over guest memory. The registers are where the caller has them: as numbers for a walk of the stack, in a CONTEXT in guest memory for the guest (rtl/context.ts).
 */

const UWOP_PUSH_NONVOL = 0,
  UWOP_ALLOC_LARGE = 1,
  UWOP_ALLOC_SMALL = 2,
  UWOP_SET_FPREG = 3,
  UWOP_SAVE_NONVOL = 4,
  UWOP_SAVE_NONVOL_FAR = 5,
  UWOP_EPILOG = 6,
  UWOP_SPARE = 7,
  UWOP_SAVE_XMM128 = 8,
  UWOP_SAVE_XMM128_FAR = 9,
  UWOP_PUSH_MACHFRAME = 10;
export const UNW_FLAG_NHANDLER = 0,
  UNW_FLAG_EHANDLER = 1,
  UNW_FLAG_UHANDLER = 2,
  UNW_FLAG_CHAININFO = 4;
const IMAGE_DIRECTORY_ENTRY_EXCEPTION = 3;
/** Bit of a RUNTIME_FUNCTION's unwind data: it is the RVA of another RUNTIME_FUNCTION. */
const RUNTIME_FUNCTION_INDIRECT = 1;
/** Chains of entries longer than this lead in a circle. */
const MAX_CHAIN = 32;

/** Registers that an unwind step reads and changes. Addresses are numbers sign-extended from 48 bits; `load` takes all 64 bits from the stack. */
export interface UnwindRegisters {
  rip: number;
  get(register: number): number;
  set(register: number, value: number): void;
  /** The register's value is in memory at `from`. */
  load(register: number, from: number): void;
  loadXmm(register: number, from: number): void;
}

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
  /** Address of the RUNTIME_FUNCTION. */
  at: number;
  begin: number;
  end: number;
  unwind: number;
}

/** What an unwind step found besides the registers of the caller. */
export interface Unwound {
  /** The frame's handler of the kind that was asked for, or 0, and its data. */
  handler: number;
  handlerData: number;
  /** What identifies the frame: RSP after the prologue, or the frame pointer's base. */
  establisher: number;
  /** It was not called, but came by an interrupt or a fault. */
  interrupted: boolean;
}

const readEntry = (m: VirtualMemory, at: number): FunctionEntry => ({
  at,
  begin: m.read32(at),
  end: m.read32(at + 4),
  unwind: m.read32(at + 8),
});

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
    else {
      const unwind = m.read32(at + 8);
      return unwind & RUNTIME_FUNCTION_INDIRECT
        ? readEntry(m, image.base + unwind - RUNTIME_FUNCTION_INDIRECT)
        : readEntry(m, at);
    }
  }
  return null;
}

class WalkRegisters implements UnwindRegisters {
  private readonly m: VirtualMemory;
  private readonly c: WalkContext;
  constructor(m: VirtualMemory, c: WalkContext) {
    this.m = m;
    this.c = c;
  }
  get rip(): number {
    return this.c.rip;
  }
  set rip(value: number) {
    this.c.rip = value;
  }
  get(register: number): number {
    return this.c.registers[register]!;
  }
  set(register: number, value: number): void {
    this.c.registers[register] = value;
  }
  load(register: number, from: number): void {
    this.c.registers[register] = addressAt(this.m, from);
  }
  loadXmm(): void {
    // A walk of the stack needs no vector registers.
  }
}

/** Header of an UNWIND_INFO. */
interface UnwindInfo {
  at: number;
  version: number;
  flags: number;
  prolog: number;
  count: number;
  frameRegister: number;
  frameOffset: number;
}

function readInfo(m: VirtualMemory, at: number): UnwindInfo {
  const first = m.read8(at),
    frame = m.read8(at + 3);
  return {
    at,
    version: first & 7,
    flags: first >> 3,
    prolog: m.read8(at + 1),
    count: m.read8(at + 2),
    frameRegister: frame & 15,
    frameOffset: (frame >> 4) * 16,
  };
}

/** Where the codes end, on a 4-byte boundary: the chained entry, or the handler and its data. */
const tailOf = (info: UnwindInfo): number => info.at + 4 + ((info.count + 1) & ~1) * 2;

/** How many slots of two bytes a code takes. */
function slotsOf(op: number, more: number): number {
  switch (op) {
    case UWOP_ALLOC_LARGE:
      return more === 0 ? 2 : 3;
    case UWOP_SAVE_NONVOL:
    case UWOP_EPILOG:
    case UWOP_SAVE_XMM128:
      return 2;
    case UWOP_SAVE_NONVOL_FAR:
    case UWOP_SAVE_XMM128_FAR:
    case UWOP_SPARE:
      return 3;
    default:
      return 1;
  }
}

/** Undoes the operations of a prologue of which `offset` bytes have been executed. True when a machine frame gave RIP and RSP themselves. */
function undoCodes(m: VirtualMemory, info: UnwindInfo, r: UnwindRegisters, offset: number): boolean {
  let machineFrame = false;
  for (let i = 0; i < info.count;) {
    const at = info.at + 4 + i * 2;
    const op = m.read8(at + 1) & 15,
      more = m.read8(at + 1) >> 4;
    i += slotsOf(op, more);
    if (op !== UWOP_EPILOG && offset < m.read8(at)) continue;
    const rsp = r.get(RSP);
    switch (op) {
      case UWOP_PUSH_NONVOL:
        r.load(more, rsp);
        r.set(RSP, rsp + 8);
        break;
      case UWOP_ALLOC_LARGE:
        r.set(RSP, rsp + (more === 0 ? m.read16(at + 2) * 8 : m.read32(at + 2)));
        break;
      case UWOP_ALLOC_SMALL:
        r.set(RSP, rsp + more * 8 + 8);
        break;
      case UWOP_SET_FPREG:
        r.set(RSP, r.get(info.frameRegister) - info.frameOffset);
        break;
      case UWOP_SAVE_NONVOL:
        r.load(more, rsp + m.read16(at + 2) * 8);
        break;
      case UWOP_SAVE_NONVOL_FAR:
        r.load(more, rsp + m.read32(at + 2));
        break;
      case UWOP_SAVE_XMM128:
        r.loadXmm(more, rsp + m.read16(at + 2) * 16);
        break;
      case UWOP_SAVE_XMM128_FAR:
        r.loadXmm(more, rsp + m.read32(at + 2));
        break;
      case UWOP_PUSH_MACHFRAME: {
        const frame = rsp + (more === 1 ? 8 : 0);
        r.rip = addressAt(m, frame);
        r.set(RSP, addressAt(m, frame + 24));
        machineFrame = true;
        break;
      }
      case UWOP_EPILOG:
      case UWOP_SPARE:
        break;
      default:
        throw new RangeError(`unwind code ${op} at ${at} is not one that the format has`);
    }
  }
  return machineFrame;
}

/** The UNWIND_INFO of a function's own entry: the end of the chain that an entry of a part of it starts. */
function primaryInfo(m: VirtualMemory, image: ImageRange, entry: FunctionEntry): { entry: FunctionEntry; info: UnwindInfo } {
  let at = { entry, info: readInfo(m, image.base + entry.unwind) };
  for (let n = 0; at.info.flags & UNW_FLAG_CHAININFO; n++) {
    if (n === MAX_CHAIN) throw new RangeError('the chain of unwind entries has no end');
    const parent = readEntry(m, tailOf(at.info));
    at = { entry: parent, info: readInfo(m, image.base + parent.unwind) };
  }
  return at;
}

/** Version 2 lists its epilogues: true when the function has one that contains `offset`. Null when the codes say nothing about epilogues. */
function inListedEpilogue(m: VirtualMemory, info: UnwindInfo, length: number, offset: number): boolean | null {
  if (info.version < 2) return null;
  let size = 0,
    found = false;
  // They come first, one a slot; an odd number of them is followed by an empty one.
  for (let i = 0; i < info.count; i++) {
    const at = info.at + 4 + i * 2;
    const low = m.read8(at),
      op = m.read8(at + 1) & 15,
      more = m.read8(at + 1) >> 4;
    if (op !== UWOP_EPILOG) break;
    // The first code has the size of all of them, and whether one is at the very end; the others say how far from the end they start.
    let start: number;
    if (!found) {
      found = true;
      size = low;
      if ((more & 1) === 0) continue;
      start = length - size;
    } else {
      if (low === 0 && more === 0) continue;
      start = length - (low | (more << 8));
    }
    if (offset >= start && offset < start + size) return true;
  }
  return found ? false : null;
}

/** Where a jump goes that an epilogue may end in, or null for another instruction; Infinity stands for a target in memory or in a register. */
function jumpTarget(m: VirtualMemory, at: number): number | null {
  const b = m.read8(at);
  if (b === 0xeb) return at + 2 + ((m.read8(at + 1) << 24) >> 24);
  if (b === 0xe9) return at + 5 + m.readI32(at + 1);
  const rex = (b & 0xf8) === 0x48 ? 1 : 0;
  if (m.read8(at + rex) !== 0xff) return null;
  const modrm = m.read8(at + rex + 1);
  // jmp [rip+disp], or jmp through a register with REX.W, which compilers put there to mark a tail call.
  return modrm === 0x25 || (rex === 1 && (modrm & 0xf8) === 0xe0) ? Infinity : null;
}

/**
 * True if RIP stands in an epilogue, which has undone part of the prologue already: `add rsp, imm` / `lea rsp, [fp+disp]`, pops, then a return or a jump out of the function.
 * The rest of it is carried out instead of the unwind codes.
 */
function finishEpilogue(
  m: VirtualMemory,
  image: ImageRange,
  entry: FunctionEntry,
  info: UnwindInfo,
  r: UnwindRegisters,
): boolean {
  let at = r.rip;
  let rsp = r.get(RSP);
  const b = (n: number): number => m.read8(at + n);
  const signed8 = (n: number): number => (b(n) << 24) >> 24;
  if ((b(0) & 0xf8) === 0x48 && b(1) === 0x83 && b(2) === 0xc4) {
    rsp += signed8(3);
    at += 4;
  } else if ((b(0) & 0xf8) === 0x48 && b(1) === 0x81 && b(2) === 0xc4) {
    rsp += m.readI32(at + 3);
    at += 7;
  } else if ((b(0) & 0xfe) === 0x48 && b(1) === 0x8d && (b(2) & 0x38) === 0x20) {
    const base = (b(2) & 7) | ((b(0) & 1) << 3);
    if (info.frameRegister === 0 || base !== info.frameRegister || (b(2) & 7) === 4) return false;
    switch (b(2) >> 6) {
      case 0:
        rsp = r.get(base);
        at += 3;
        break;
      case 1:
        rsp = r.get(base) + signed8(3);
        at += 4;
        break;
      case 2:
        rsp = r.get(base) + m.readI32(at + 3);
        at += 7;
        break;
      default:
        return false;
    }
  }
  const pops: [register: number, from: number][] = [];
  for (;;) {
    const rex = (b(0) & 0xf0) === 0x40;
    const op = rex ? b(1) : b(0);
    if ((op & 0xf8) !== 0x58) break;
    pops.push([(op & 7) | (rex && b(0) & 1 ? 8 : 0), rsp]);
    rsp += 8;
    at += rex ? 2 : 1;
  }
  const isReturn = b(0) === 0xc3 || b(0) === 0xc2 || (b(0) === 0xf3 && b(1) === 0xc3);
  if (!isReturn) {
    const target = jumpTarget(m, at);
    if (target === null) return false;
    const rva = target - image.base;
    // A jump within the function is no tail call, unless it goes to its start with the frame given back.
    const outside = rva < entry.begin || rva >= entry.end;
    if (!outside && !(rva === entry.begin && (info.flags & UNW_FLAG_CHAININFO) === 0 && at !== r.rip)) return false;
    const elsewhere = target === Infinity ? null : lookupFunctionEntry(m, image, target);
    if (
      elsewhere !== null &&
      outside &&
      primaryInfo(m, image, elsewhere).entry.begin === primaryInfo(m, image, entry).entry.begin
    )
      return false;
  }
  for (const [register, from] of pops) r.load(register, from);
  r.rip = addressAt(m, rsp);
  r.set(RSP, rsp + 8);
  return true;
}

/** Has the frame pointer been set when `offset` bytes of the function have run? */
function framePointerSet(m: VirtualMemory, info: UnwindInfo, offset: number): boolean {
  if (info.frameRegister === 0) return false;
  if (offset >= info.prolog || info.flags & UNW_FLAG_CHAININFO) return true;
  for (let i = 0; i < info.count;) {
    const at = info.at + 4 + i * 2;
    const op = m.read8(at + 1) & 15;
    if (op === UWOP_SET_FPREG) return offset >= m.read8(at);
    i += slotsOf(op, m.read8(at + 1) >> 4);
  }
  return false;
}

/**
 * RtlVirtualUnwind: steps from a function to its caller and tells the frame's handler of the kinds in `handlerType`. A function has none while it is in its prologue or an epilogue.
 * Throws GuestFault when the stack or the unwind data cannot be read, RangeError for unwind data that is not valid.
 */
export function unwindFrame(
  m: VirtualMemory,
  image: ImageRange,
  entry: FunctionEntry,
  r: UnwindRegisters,
  handlerType: number,
  afterCall = false,
): Unwound {
  const offset = r.rip - image.base - entry.begin;
  let info = readInfo(m, image.base + entry.unwind);
  const establisher = framePointerSet(m, info, offset) ? r.get(info.frameRegister) - info.frameOffset : r.get(RSP);
  const none: Unwound = { handler: 0, handlerData: 0, establisher, interrupted: false };
  const listed = !afterCall && inListedEpilogue(m, info, entry.end - entry.begin, offset);
  const inProlog = offset < info.prolog && (info.flags & UNW_FLAG_CHAININFO) === 0;
  if (!inProlog && listed !== false && finishEpilogue(m, image, entry, info, r)) return none;
  let machineFrame = undoCodes(m, info, r, offset);
  for (let n = 0; info.flags & UNW_FLAG_CHAININFO; n++) {
    if (n === MAX_CHAIN) throw new RangeError('the chain of unwind entries has no end');
    info = readInfo(m, image.base + m.read32(tailOf(info) + 8));
    machineFrame = undoCodes(m, info, r, Infinity) || machineFrame;
  }
  if (!machineFrame) popReturn(m, r);
  if (inProlog || (info.flags & handlerType) === 0) {
    none.interrupted = machineFrame;
    return none;
  }
  const tail = tailOf(info);
  return { handler: image.base + m.read32(tail), handlerData: tail + 4, establisher, interrupted: machineFrame };
}

function popReturn(m: VirtualMemory, r: UnwindRegisters): void {
  const rsp = r.get(RSP);
  r.rip = addressAt(m, rsp);
  r.set(RSP, rsp + 8);
}

/** A step over a function without unwind data, a leaf: the return address is at RSP. */
export const unwindLeaf = popReturn;

/**
 * Steps from a function to its caller, without handlers, over registers that are numbers. `afterCall`: the function stands after a call that it made, so that it cannot be in its
 * epilogue. Returns that for its caller: false when what it came from was an interrupt or a fault.
 */
export function virtualUnwind(m: VirtualMemory, image: ImageRange | null, c: WalkContext, afterCall = false): boolean {
  const r = new WalkRegisters(m, c);
  const entry = image ? lookupFunctionEntry(m, image, c.rip) : null;
  if (image && entry) return !unwindFrame(m, image, entry, r, UNW_FLAG_NHANDLER, afterCall).interrupted;
  unwindLeaf(m, r);
  return true;
}

/** Runs `read`; false when it could not be done: the stack or the unwind data lead into nothing. */
export function tryUnwind(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof GuestFault || error instanceof RangeError) return false;
    throw error;
  }
}
