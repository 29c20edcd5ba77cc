import type { CpuView } from '../hal/bus/cpu.ts';
import { RSP } from '../hal/bus/cpu.ts';
import { GuestFault } from '../hal/bus/memory.ts';
import type { ArgTypes, ArgValues, ExportInfo, IrqlName, IrqlRule, Outcome } from './exports/declare.ts';
import type { BuiltImage, Gate, KernelImages } from './image/build.ts';
import { callOfAbsentRoutine } from './image/absent.ts';
import { stopMachine } from './ke/bugcheck.ts';
import { switchThread } from './ke/swap.ts';
import { BugCheckSignal, type Kernel } from './kernel.ts';
import { applyOutcome, readEntryArgs, runStep } from './steps.ts';

const GATE_LENGTH = 3;
const VECTOR_UD = 6;

const LEVELS: { readonly [name in IrqlName]: { min: number; max: number } } = {
  PASSIVE_LEVEL: { min: 0, max: 0 },
  APC_LEVEL: { min: 1, max: 1 },
  DISPATCH_LEVEL: { min: 2, max: 2 },
  DIRQL: { min: 3, max: 12 },
  HIGH_LEVEL: { min: 15, max: 15 },
};

/** Gates by address, as dense tables over the code of both images. */
export class GateTable {
  private readonly images: { base: number; end: number; table: (Gate | undefined)[] }[];
  constructor(images: KernelImages) {
    this.images = [images.nt, images.hal].map((image: BuiltImage) => {
      const text = image.sections[0]!;
      const table = new Array<Gate | undefined>(text.rva + text.size + GATE_LENGTH);
      for (const [rva, gate] of image.gates) table[rva] = { ...gate, stub: image.base + gate.stub };
      return { base: image.base, end: image.base + table.length, table };
    });
  }
  /** The gate whose instruction ends at `rip`. */
  at(rip: number): Gate | undefined {
    for (const image of this.images) if (rip >= image.base && rip < image.end) return image.table[rip - image.base];
    return undefined;
  }
}

/** Text of a broken IRQL rule, or null. */
function brokenRule(rule: IrqlRule | undefined, irql: number): string | null {
  if (rule?.max !== undefined && irql > LEVELS[rule.max].max) return `must be called at IRQL <= ${rule.max}`;
  if (rule?.min !== undefined && irql < LEVELS[rule.min].min) return `must be called at IRQL >= ${rule.min}`;
  return null;
}

/** DRIVER_VERIFIER_DETECTED_VIOLATION and the parameter that stands for "a rule of the IRQL family was broken" (WDK, bug check 0xC4). */
const DRIVER_VERIFIER_DETECTED_VIOLATION = 0xc4;
const RULE_IRQL_APC_LTE = 0x20002, RULE_IRQL_DISPATCH = 0x20003, RULE_IRQL_KE_DISPATCH_LTE = 0x2000f;

function ruleNumber(rule: IrqlRule): number {
  if (rule.max === 'DISPATCH_LEVEL') return RULE_IRQL_KE_DISPATCH_LTE;
  return rule.min !== undefined && rule.max === undefined ? RULE_IRQL_DISPATCH : RULE_IRQL_APC_LTE;
}

/** The verifier's check of every call: the IRQL rule that the declaration states. */
function checkIrql(k: Kernel, e: ExportInfo<ArgTypes>, args: ArgValues<ArgTypes>): void {
  const irql = k.cpu.cr8;
  const sharpened = e.irql!.when?.(args);
  for (const rule of [e.irql!, sharpened]) {
    const broken = brokenRule(rule, irql);
    if (broken === null) continue;
    const text = `${e.name} ${broken}; the IRQL is ${irql}`;
    k.bugCheck(DRIVER_VERIFIER_DETECTED_VIOLATION, ruleNumber(rule!), k.global.address('KiBugCheckTextBuffer'), k.caller(), irql, text);
  }
}

function cost(k: Kernel, e: ExportInfo<ArgTypes>, args: ArgValues<ArgTypes>): number {
  return typeof e.cycles === 'number' ? e.cycles : e.cycles(k, args);
}

function asOutcome(value: unknown): Outcome {
  return typeof value === 'object' && value !== null ? (value as Outcome) : { do: 'ret', value: value as number | bigint | boolean | undefined };
}

function run(k: Kernel, gate: Gate, cpu: CpuView): void {
  const e = (gate.plain ?? gate.steps) as ExportInfo<ArgTypes> | undefined;
  if (gate.kind === 'absent' || e === undefined) {
    callOfAbsentRoutine(k, gate.slot);
    return;
  }
  if (k.tracing && gate.kind !== 'resume') k.trace('gate', 'at', gate.name);
  let args: ArgValues<ArgTypes>;
  let outcome: Outcome;
  if (gate.plain) {
    const rsp = cpu.gprPtr(RSP);
    args = readEntryArgs(gate, cpu, rsp);
    // Variadic routines walk their arguments in memory, and the stub stores only three of the four registers.
    if (e.variadic) cpu.mem.write64(rsp + 0x20, cpu.gpr(9));
    if (k.config.verifier && e.irql) checkIrql(k, e, args);
    outcome = asOutcome(gate.plain.impl(k, args));
  } else {
    if (gate.kind === 'start' && k.config.verifier && e.irql) checkIrql(k, e, readEntryArgs(gate, cpu, cpu.gprPtr(RSP) + gate.frameSize));
    ({ outcome, args } = runStep(k, gate, cpu));
  }
  applyOutcome(k, gate, cpu, outcome, () => cost(k, e, args), switchThread);
}

/**
 * The processor stands after a gate instruction: runs the routine that the address names. What the guest did wrong becomes an exception with RIP at the gate
 * (so the gate runs again if the fault is repaired) or a bug check; only errors of ours are thrown.
 */
export function dispatchGate(k: Kernel, gates: GateTable, cpu: CpuView): void {
  const rip = cpu.rip;
  const gate = gates.at(rip);
  if (gate === undefined || cpu.cpl !== 0) {
    cpu.rip = rip - GATE_LENGTH;
    cpu.raise(VECTOR_UD);
    return;
  }
  k.cpu = cpu;
  k.mem = cpu.mem;
  k.gate = gate;
  try {
    run(k, gate, cpu);
  } catch (error) {
    if (error instanceof GuestFault) {
      cpu.rip = rip - GATE_LENGTH;
      cpu.raise(error.vector, error.errorCode, error.address);
    } else if (error instanceof BugCheckSignal) {
      stopMachine(k, error);
    } else throw error;
  } finally {
    k.gate = null;
  }
}
