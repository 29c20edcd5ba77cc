import { highHalf } from '../hal/bus/memory.ts';
import { R8, R9, RAX, RCX, RDX, RSP } from '../hal/bus/cpu.ts';
import type { CpuView } from '../hal/bus/cpu.ts';
import type { VirtualMemory } from '../hal/bus/memory.ts';
import type { ArgTypes, ArgValues, ExportInfo, Frame, FrameSpec, Outcome, ReturnValue, StepExport } from './exports/declare.ts';
import {
  FRAME_LOCALS,
  FRAME_STEP,
  type Gate,
  MAX_CALL_ARGUMENTS,
  PLAIN_RESUME,
  STEP_EPILOGUE,
  STEP_RESUME,
} from './image/build.ts';
import type { Kernel } from './kernel.ts';
import { KERNEL_SECURITY_CHECK_FAILURE } from './types/bugcodes.ts';
import type { Field, StructType } from './types/struct.ts';

const ARGUMENT_REGISTERS = [RCX, RDX, R8, R9] as const;

const FAST_FAIL_STACK_COOKIE_CHECK_FAILURE = 2;

/** Cycles of the PAUSE that a retried gate stands for. */
const RETRY_CYCLES = 40;

/** A step routine's locals where they are: on the guest stack. */
class StackFrame<F> implements Frame<F> {
  readonly base: number;
  private readonly layout: StructType<F>;
  private readonly mem: VirtualMemory;
  constructor(layout: StructType<F>, mem: VirtualMemory, base: number) {
    this.layout = layout;
    this.mem = mem;
    this.base = base;
  }
  private field(name: keyof F): Field<never> {
    const f = this.layout.f[name] as unknown as Field<never> | undefined;
    if (!f) throw new Error(`${this.layout.name} has no local ${String(name)}`);
    return f;
  }
  get<K extends keyof F>(name: K): ReturnType<Frame<F>['get']> & never {
    return this.field(name).get(this.mem, this.base);
  }
  set<K extends keyof F>(name: K, value: unknown): void {
    this.field(name).set(this.mem, this.base, value as never);
  }
  address(name: keyof F): number {
    return this.base + this.field(name).offset;
  }
}

/** The locals of the step routine whose frame starts at `rsp` (RSP inside the routine). */
export function frameAt(gate: Gate, mem: VirtualMemory, rsp: number): Frame<FrameSpec> {
  return new StackFrame(gate.layout!, mem, rsp + FRAME_LOCALS) as unknown as Frame<FrameSpec>;
}

/** Declared arguments at the entry of a routine: registers first, the rest above the home area. */
export function readEntryArgs(gate: Gate, cpu: CpuView, rsp: number): ArgValues<ArgTypes> {
  const values: Record<string, unknown> = {};
  const { argNames, argTypes } = gate;
  for (let i = 0; i < argNames.length; i++) {
    if (i < 4) {
      const r = ARGUMENT_REGISTERS[i]!;
      values[argNames[i]!] = argTypes[i]!.from(cpu.gprLo(r), cpu.gprHi(r));
    } else {
      const slot = rsp + 8 + i * 8;
      values[argNames[i]!] = argTypes[i]!.from(cpu.mem.read32(slot), cpu.mem.read32(slot + 4));
    }
  }
  return values as ArgValues<ArgTypes>;
}

/** Declared arguments of a step routine that goes on: all from memory, `rsp` being the address of the return address. */
export function readHomeArgs(gate: Gate, mem: VirtualMemory, rsp: number): ArgValues<ArgTypes> {
  const values: Record<string, unknown> = {};
  const { argNames, argTypes } = gate;
  for (let i = 0; i < argNames.length; i++) {
    const slot = rsp + 8 + i * 8;
    values[argNames[i]!] = argTypes[i]!.from(mem.read32(slot), mem.read32(slot + 4));
  }
  return values as ArgValues<ArgTypes>;
}

/** Sets a register to a number (sign-extended when negative) or to a 64-bit value. */
function setRegister(cpu: CpuView, r: number, value: number | bigint): void {
  if (typeof value === 'bigint') cpu.setGpr(r, BigInt.asUintN(64, value));
  else cpu.setGpr32(r, value >>> 0, highHalf(value));
}

/** What a routine returns, into RAX. */
export function setReturnValue(cpu: CpuView, value: ReturnValue): void {
  if (value === undefined) cpu.setGpr32(RAX, 0, 0);
  else if (typeof value === 'boolean') cpu.setGpr32(RAX, value ? 1 : 0, 0);
  else setRegister(cpu, RAX, value);
}

/** Puts arguments where a routine expects them: `home` is the address of its home area. */
function passArguments(cpu: CpuView, args: readonly (number | bigint)[], home: number): void {
  for (let i = 4; i < args.length; i++) {
    const value = args[i]!;
    if (typeof value === 'bigint') cpu.mem.write64(home + i * 8, BigInt.asUintN(64, value));
    else cpu.mem.writePtr(home + i * 8, value);
  }
  for (let i = 0; i < args.length && i < 4; i++) setRegister(cpu, ARGUMENT_REGISTERS[i]!, args[i]!);
}

/** Where a thread goes on that a routine puts to wait. */
function resumePoint(gate: Gate): number {
  return gate.stub + (gate.steps ? STEP_RESUME : PLAIN_RESUME);
}

function stepNumber(gate: Gate, name: string): number {
  const n = gate.stepNumbers.get(name);
  if (n === undefined) throw new Error(`${gate.name} has no step ${name}`);
  return n;
}

/** Step routine's part of a gate: which step runs, with which arguments; `entry` are those of the first step, if they have been read already. */
export function runStep(
  k: Kernel,
  gate: Gate,
  cpu: CpuView,
  entry?: ArgValues<ArgTypes>,
): { outcome: Outcome; args: ArgValues<ArgTypes> } {
  const e = gate.steps as StepExport;
  const rsp = cpu.gprPtr(RSP);
  const returnSlot = rsp + gate.frameSize;
  let args: ArgValues<ArgTypes>;
  let name: string;
  if (gate.kind === 'start') {
    args = entry ?? readEntryArgs(gate, cpu, returnSlot);
    // The stub stores three of the four registers; later steps read the fourth argument from its home too.
    cpu.mem.write32(returnSlot + 0x20, cpu.gprLo(R9));
    cpu.mem.write32(returnSlot + 0x24, cpu.gprHi(R9));
    cpu.mem.write32(rsp + FRAME_STEP, 0);
    name = 'start';
  } else {
    args = readHomeArgs(gate, cpu.mem, returnSlot);
    const n = cpu.mem.read32(rsp + FRAME_STEP);
    const found = gate.stepNames[n];
    // Only code of the guest's that writes over its kernel stack can have done this.
    if (found === undefined)
      k.bugCheck(
        KERNEL_SECURITY_CHECK_FAILURE,
        FAST_FAIL_STACK_COOKIE_CHECK_FAILURE,
        rsp,
        0,
        0,
        `the frame of ${gate.name} on the stack is destroyed`,
      );
    name = found;
  }
  const outcome = e.steps[name]!(k, frameAt(gate, cpu.mem, rsp), cpu.gprLo(RAX), args);
  return { outcome, args };
}

/** What a call of a routine costs, in cycles. */
export const costOf = (k: Kernel, e: ExportInfo<ArgTypes>, args: ArgValues<ArgTypes>): number =>
  typeof e.cycles === 'number' ? e.cycles : e.cycles(k, args);

/** Carries out how a routine or a step ended. Its cost is charged when the routine ends; `switchThread` saves the current thread at an address and runs another. */
export function applyOutcome(
  k: Kernel,
  gate: Gate,
  cpu: CpuView,
  outcome: Outcome,
  e: ExportInfo<ArgTypes>,
  args: ArgValues<ArgTypes>,
  switchThread: (k: Kernel, resumeAt: number) => void,
): void {
  const steps = gate.steps !== undefined;
  switch (outcome.do) {
    case 'ret':
      setReturnValue(cpu, outcome.value);
      if (steps) cpu.rip = gate.stub + STEP_EPILOGUE;
      cpu.charge(costOf(k, e, args));
      return;
    case 'jump': {
      const rsp = cpu.gprPtr(RSP) + gate.frameSize;
      if (outcome.args.length > Math.max(4, gate.argNames.length))
        throw new Error(`${gate.name} jumps with more arguments than its caller made room for`);
      passArguments(cpu, outcome.args, rsp + 8);
      cpu.setGprPtr(RSP, rsp);
      cpu.rip = outcome.to;
      cpu.charge(costOf(k, e, args));
      return;
    }
    case 'call': {
      if (!steps) throw new Error(`${gate.name} is a plain routine and cannot call the guest`);
      if (outcome.args.length > MAX_CALL_ARGUMENTS) throw new Error(`${gate.name} passes ${outcome.args.length} arguments`);
      const rsp = cpu.gprPtr(RSP);
      cpu.mem.probe(rsp - 8, 8, true);
      cpu.mem.write32(rsp + FRAME_STEP, stepNumber(gate, outcome.then));
      passArguments(cpu, outcome.args, rsp);
      cpu.mem.writePtr(rsp - 8, gate.stub + STEP_RESUME);
      cpu.setGprPtr(RSP, rsp - 8);
      cpu.rip = outcome.to;
      return;
    }
    case 'wait':
      if (steps) {
        if (outcome.then === undefined) throw new Error(`${gate.name} waits without saying which step is next`);
        cpu.mem.write32(cpu.gprPtr(RSP) + FRAME_STEP, stepNumber(gate, outcome.then));
      }
      cpu.charge(costOf(k, e, args));
      switchThread(k, resumePoint(gate));
      return;
    case 'next':
      if (!steps) throw new Error(`${gate.name} is a plain routine and has no steps`);
      cpu.mem.write32(cpu.gprPtr(RSP) + FRAME_STEP, stepNumber(gate, outcome.then));
      cpu.rip = gate.stub + STEP_RESUME;
      cpu.charge(outcome.cycles);
      return;
    case 'resume':
      cpu.charge(costOf(k, e, args));
      return;
    case 'retry':
      cpu.rip -= 3;
      cpu.charge(RETRY_CYCLES);
      return;
  }
}
