import { notePort } from '../core/debugregs';
import { portIn, portOut } from '../core/env';
import { DF, IOPL, VM } from '../core/flags';
import { CPL, CYCLES, DEBUG_ACTIVE, FLAGS_REST, RAX, RCX, RDI, RDX, RSI, SEG_ACCESS, SEG_BASE, SEG_ES, SEG_LIMIT, SEG_TR } from '../core/layout';
import { legacy, segmentAddress } from '../core/linear';
import { probe, sysLoad } from '../core/mem';
import { ACCESS_WRITE } from '../core/mmu';
import { OP_FLAGS, OP_IMM, OPF_REP, OPF_REPNE } from '../core/op';
import { loadAt, pointer, setPointer, setRegister, sourceAddress, storeAt } from '../core/operand';
import { seg, TSS_WIDE } from '../core/segments';
import { GP, raiseAgain, raiseError, trap } from '../core/trap';
import { clockCycle } from '../core/turns';

// Port input and output. Every access happens in an instruction that ends its block, so the host sees it at its cycle.

/** Cycles of one element of REP INS and REP OUTS. */
const ELEMENT_CYCLES: u64 = 20;

/** CPL against IOPL (not in virtual-8086 mode), else the I/O permission bitmap of the TSS (SDM vol. 1, 19.5): every bit of the ports touched must be clear. */
function portAllowed(cpu: usize, port: u32, size: u32): bool {
  const flags = load<u32>(cpu, FLAGS_REST);
  if (load<u32>(cpu, CPL) <= (flags & IOPL) >> 12 && (flags & VM) == 0) return true;
  const tr = seg(cpu, SEG_TR), limit = load<u32>(tr, SEG_LIMIT), base = load<u64>(tr, SEG_BASE);
  // A 16-bit TSS has no bitmap.
  if (limit >= 0x67 && (load<u32>(tr, SEG_ACCESS) & TSS_WIDE) != 0) {
    const at = <u32>sysLoad(cpu, base + 0x66, 2) + (port >> 3);
    if (trap) return false;
    // The processor always reads two bytes, which both have to be inside of the TSS.
    if (at + 1 <= limit) {
      const bits = <u32>sysLoad(cpu, base + at, 2) >> (port & 7);
      if (trap) return false;
      if ((bits & ((1 << size) - 1)) == 0) return true;
    }
  }
  raiseError(cpu, GP, 0);
  return false;
}

function input<T>(cpu: usize, port: u32): void {
  if (!portAllowed(cpu, port, sizeof<T>())) return;
  if (load<u32>(cpu, DEBUG_ACTIVE) != 0) notePort(cpu, port, sizeof<T>());
  clockCycle(cpu);
  setRegister<T>(cpu, RAX, <T>portIn(port, sizeof<T>()));
}
function output<T>(cpu: usize, port: u32): void {
  if (!portAllowed(cpu, port, sizeof<T>())) return;
  if (load<u32>(cpu, DEBUG_ACTIVE) != 0) notePort(cpu, port, sizeof<T>());
  clockCycle(cpu);
  portOut(port, sizeof<T>(), <u32>load<T>(cpu, RAX));
}
export function inImmediate<T>(cpu: usize, ip: usize): void { input<T>(cpu, <u32>load<u8>(ip, OP_IMM)); }
export function inDx<T>(cpu: usize, _ip: usize): void { input<T>(cpu, <u32>load<u16>(cpu, RDX)); }
export function outImmediate<T>(cpu: usize, ip: usize): void { output<T>(cpu, <u32>load<u8>(ip, OP_IMM)); }
export function outDx<T>(cpu: usize, _ip: usize): void { output<T>(cpu, <u32>load<u16>(cpu, RDX)); }

function repeated(ip: usize): bool { return (load<u8>(ip, OP_FLAGS) & (OPF_REP | OPF_REPNE)) != 0; }

/** After one element: moves the index register on, and with REP counts down and comes back until nothing is left. */
function elementDone<T>(cpu: usize, ip: usize, index: usize): void {
  const step = (load<u32>(cpu, FLAGS_REST) & DF) != 0 ? ~(<u64>sizeof<T>()) + 1 : <u64>sizeof<T>();
  setPointer(cpu, ip, index, pointer(cpu, ip, index) + step);
  if (!repeated(ip)) return;
  const left = pointer(cpu, ip, RCX) - 1;
  setPointer(cpu, ip, RCX, left);
  store<u64>(cpu, load<u64>(cpu, CYCLES) + ELEMENT_CYCLES, CYCLES);
  if (left != 0) raiseAgain();
}

/** INSB, INSW, INSD: the permission counts even if the count is 0; the store is checked before the port is read, because reading it may change the device. */
export function ins<T>(cpu: usize, ip: usize): void {
  // The right to the port counts even when nothing is moved.
  const port = <u32>load<u16>(cpu, RDX), offset = pointer(cpu, ip, RDI);
  if (!portAllowed(cpu, port, sizeof<T>()) || (repeated(ip) && pointer(cpu, ip, RCX) == 0)) return;
  const va = legacy(cpu) ? segmentAddress(cpu, SEG_ES, <u32>offset, sizeof<T>(), true) : offset;
  if (trap || !probe(cpu, va, sizeof<T>(), ACCESS_WRITE)) return;
  if (load<u32>(cpu, DEBUG_ACTIVE) != 0) notePort(cpu, port, sizeof<T>());
  clockCycle(cpu);
  storeAt<T>(cpu, va, <T>portIn(port, sizeof<T>()));
  if (!trap) elementDone<T>(cpu, ip, RDI);
}

/** OUTSB, OUTSW, OUTSD: from DS:RSI, or the segment that a prefix names. */
export function outs<T>(cpu: usize, ip: usize): void {
  const port = <u32>load<u16>(cpu, RDX);
  if (!portAllowed(cpu, port, sizeof<T>()) || (repeated(ip) && pointer(cpu, ip, RCX) == 0)) return;
  const va = sourceAddress(cpu, ip, pointer(cpu, ip, RSI), sizeof<T>(), false);
  if (trap) return;
  const v = loadAt<T>(cpu, va);
  if (trap) return;
  if (load<u32>(cpu, DEBUG_ACTIVE) != 0) notePort(cpu, port, sizeof<T>());
  clockCycle(cpu);
  portOut(port, sizeof<T>(), <u32>v);
  elementDone<T>(cpu, ip, RSI);
}
