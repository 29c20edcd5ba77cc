import type { CpuView } from '../hal/bus/cpu.ts';
import { R9, RCX, RSP } from '../hal/bus/cpu.ts';
import { GuestFault } from '../hal/bus/memory.ts';
import { type ArgTypes, type ArgValues, type ExportInfo, HIGH_LEVEL, type Outcome, type ReturnValue } from './exports/declare.ts';
import type { BuiltImage, Gate, KernelImages } from './image/build.ts';
import { callOfAbsentRoutine } from './image/absent.ts';
import { isFreezing, stopMachine } from './ke/bugcheck.ts';
import { shootDown } from './ke/shootdown.ts';
import { switchThread } from './ke/swap.ts';
import { BugCheckSignal, type Kernel, RaiseSignal } from './kernel.ts';
import type { Hook, HookArgs } from './verifier/hook.ts';
import { verifierHooks } from './verifier/hooks.ts';
import { brokenIrqlRule, highestIrql, irqlViolation, lowestIrql } from './verifier/irql.ts';
import { isKernelAddress, MM_USER_PROBE_ADDRESS } from './mm/layout.ts';
import { missingPage } from './mm/view.ts';
import { previousMode } from './ob/mode.ts';
import { applyOutcome, costOf, frameAt, readEntryArgs, runStep, setReturnValue } from './steps.ts';
import { UserMode } from './types/ke.ts';
import { ETHREAD } from './types/ps.ts';
import { STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR } from './types/status.ts';
import { STEP_EPILOGUE } from './image/build.ts';

const GATE_LENGTH = 3;
const VECTOR_UD = 6,
  VECTOR_PF = 14;
/** Page-fault error code: a write. */
const PF_WRITE = 2;

/** A gate with what is needed on every pass made ready. */
interface ReadyGate extends Gate {
  info: ExportInfo<ArgTypes> | undefined;
  /** Bounds of the IRQL rule that holds for any arguments. */
  irqlMin: number;
  irqlMax: number;
  /** Address of the code. */
  stub: number;
  /** What the verifier does around the routine. */
  hook: Hook | undefined;
  /** A system service, whose faults on a program's addresses are statuses. */
  service: boolean;
  /** Its arguments that are addresses of the caller's. */
  probed: readonly string[];
}

function prepare(image: BuiltImage, gate: Gate): ReadyGate {
  const info = (gate.plain ?? gate.steps) as ExportInfo<ArgTypes> | undefined;
  return {
    ...gate,
    stub: image.base + gate.stub,
    service: SERVICE_NAME.test(gate.name),
    probed: gate.argNames.filter(
      (name, i) => gate.argTypes[i]!.pointer && gate.argTypes[i]!.name !== 'HANDLE' && !UNPROBED.has(name),
    ),
    info,
    hook: info === undefined ? undefined : verifierHooks.get(info.name),
    irqlMin: lowestIrql(info?.irql ?? {}),
    irqlMax: highestIrql(info?.irql ?? {}),
  };
}

/** Gates by address, as tables over the code of both images. A gate is made ready when it is first passed: of two thousand, a machine at rest has passed two hundred. */
export class GateTable {
  private readonly images: { image: BuiltImage; end: number; table: (ReadyGate | undefined)[] }[];
  constructor(images: KernelImages) {
    this.images = [images.nt, images.hal].map((image: BuiltImage) => {
      const text = image.sections[0]!;
      const table = new Array<ReadyGate | undefined>(text.rva + text.size + GATE_LENGTH);
      return { image, end: image.base + table.length, table };
    });
  }
  /** The gate whose instruction ends at `rip`. */
  at(rip: number): ReadyGate | undefined {
    const [nt, hal] = this.images;
    const { image, end, table } = rip >= nt!.image.base && rip < nt!.end ? nt! : hal!;
    if (rip < image.base || rip >= end) return undefined;
    const rva = rip - image.base;
    const ready = table[rva];
    if (ready !== undefined) return ready;
    const gate = image.gates.get(rva);
    return gate && (table[rva] = prepare(image, gate));
  }
}

/** The verifier's check of every call: the IRQL rule that the declaration states, and what it adds for these arguments. */
function checkIrql(k: Kernel, gate: ReadyGate, args: ArgValues<ArgTypes>): void {
  const irql = k.cpu.cr8;
  const rule = gate.info!.irql!;
  // While the system stops, drivers' bug check routines run at HIGH_LEVEL and may print.
  if (irql === HIGH_LEVEL && isFreezing(k)) return;
  if (irql > gate.irqlMax || irql < gate.irqlMin) irqlViolation(k, gate.info!.name, rule, args as HookArgs);
  const sharpened = rule.when?.(args, k);
  if (sharpened !== undefined && brokenIrqlRule(irql, sharpened)) irqlViolation(k, gate.info!.name, sharpened, args as HookArgs);
}

function run(k: Kernel, gate: ReadyGate, cpu: CpuView): void {
  const e = gate.info;
  if (gate.kind === 'absent' || e === undefined) {
    callOfAbsentRoutine(k, gate.slot);
    return;
  }
  if (gate.kind !== 'resume' && k.tracing) k.trace('gate', 'at', gate.name);
  if (gate.plain) {
    const rsp = cpu.gprPtr(RSP);
    const args = readEntryArgs(gate, cpu, rsp);
    // Variadic routines walk their arguments in memory, and the stub stores only three of the four registers.
    if (e.variadic) cpu.mem.write64(rsp + 0x20, cpu.gpr(R9));
    const hook = k.config.verifier ? gate.hook : undefined;
    if (gate.service && !argumentsAreCallers(k, gate, args)) {
      refuseArguments(gate, cpu);
      return;
    }
    if (e.irql !== undefined && k.config.verifier) checkIrql(k, gate, args);
    const instead = hook?.before?.(k, args as HookArgs);
    const value = instead ?? gate.plain.impl(k, args);
    if (typeof value === 'object' && value !== null) {
      const outcome = value as Outcome;
      if (hook?.after !== undefined && outcome.do === 'ret') hook.after(k, args as HookArgs, outcome.value);
      applyOutcome(k, gate, cpu, outcome, e, args, switchThread);
      return;
    }
    hook?.after?.(k, args as HookArgs, value as ReturnValue);
    setReturnValue(cpu, value as ReturnValue);
    cpu.charge(costOf(k, e, args));
    return;
  }
  const entry = gate.kind === 'start' ? readEntryArgs(gate, cpu, cpu.gprPtr(RSP) + gate.frameSize) : undefined;
  if (entry !== undefined && gate.service && !argumentsAreCallers(k, gate, entry)) {
    refuseArguments(gate, cpu);
    return;
  }
  if (!k.config.verifier) {
    const { outcome, args } = runStep(k, gate, cpu, entry);
    applyOutcome(k, gate, cpu, outcome, e, args, switchThread);
    return;
  }
  if (entry !== undefined) {
    if (e.irql !== undefined) checkIrql(k, gate, entry);
    const instead = gate.hook?.before?.(k, entry as HookArgs);
    if (instead) {
      applyOutcome(k, gate, cpu, instead, e, entry, switchThread);
      return;
    }
  }
  const { outcome, args } = runStep(k, gate, cpu, entry);
  if (gate.hook?.after !== undefined && outcome.do === 'ret') gate.hook.after(k, args as HookArgs, outcome.value);
  applyOutcome(k, gate, cpu, outcome, e, args, switchThread);
}

/** System services are routines whose names start with Nt. */
const SERVICE_NAME = /^nt!Nt[A-Z]/;
/** Arguments that are passed on as they are, or that the service looks at itself (METHOD_NEITHER takes any address). */
const UNPROBED: ReadonlySet<string> = new Set(['ApcRoutine', 'ApcContext', 'InputBuffer', 'OutputBuffer', 'EnlistmentKey']);

/** ProbeForRead and ProbeForWrite of a service's own arguments, as far as they are about which half an address lies in: false when a program gave an address of the kernel. */
function argumentsAreCallers(k: Kernel, gate: ReadyGate, args: ArgValues<ArgTypes>): boolean {
  if (previousMode(k) !== UserMode) return true;
  for (const name of gate.probed) {
    const address = args[name] as number;
    if (!(address >= 0 && address < MM_USER_PROBE_ADDRESS)) return false;
  }
  return true;
}

/** The service ends before it has begun: the frame of a step routine holds nothing yet that it could give back. */
function refuseArguments(gate: ReadyGate, cpu: CpuView): void {
  if (gate.steps) cpu.rip = gate.stub + STEP_EPILOGUE;
  setReturnValue(cpu, STATUS_ACCESS_VIOLATION);
}

/**
 * A system service that was called from user mode touched an address that the caller gave and that is not good, or raised an exception: the service ends with a status, as those of NT do, whose
 * accesses to user memory are under handlers. A step routine gives back what its frame holds. False: the fault is somebody else's.
 */
function failService(k: Kernel, gate: ReadyGate, cpu: CpuView, fault: GuestFault | RaiseSignal): boolean {
  if (!gate.service || previousMode(k) !== UserMode) return false;
  const raised = fault instanceof RaiseSignal;
  if (!raised && fault.vector === VECTOR_PF && isKernelAddress(fault.address)) return false;
  let status = raised ? fault.status : STATUS_ACCESS_VIOLATION;
  if (!raised && missingPage(k, fault.address, { write: (fault.errorCode & PF_WRITE) !== 0 })) {
    // A page of a file: the fault reads it, and the gate runs again; unless that was tried and failed.
    const mark = ETHREAD.f.ActiveFaultCount;
    if (mark.get(k.mem, k.currentThread()) === 0) return false;
    mark.set(k.mem, k.currentThread(), 0);
    status = STATUS_IN_PAGE_ERROR;
  }
  if (gate.steps) {
    gate.steps.abort?.(k, frameAt(gate, cpu.mem, cpu.gprPtr(RSP)));
    cpu.rip = gate.stub + STEP_EPILOGUE;
  }
  setReturnValue(cpu, status);
  return true;
}

/**
 * A routine raised an exception. From a plain routine that is a jump, so that its caller is where the exception is; from a step routine a call, because its frame
 * must be on the stack for its abort step when a handler unwinds it. The address of the gate is the return address: the frame counts as that of a routine that runs.
 */
function raiseInCaller(k: Kernel, gate: ReadyGate, cpu: CpuView, status: number): void {
  if (gate.steps) {
    const rsp = cpu.gprPtr(RSP) - 8;
    cpu.mem.writePtr(rsp, cpu.rip - GATE_LENGTH);
    cpu.setGprPtr(RSP, rsp);
  }
  cpu.setGpr32(RCX, status, 0);
  cpu.rip = k.address('nt!KiRaiseException');
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
    if ((error instanceof GuestFault || error instanceof RaiseSignal) && failService(k, gate, cpu, error)) {
      // The caller has its status.
    } else if (error instanceof GuestFault) {
      cpu.rip = rip - GATE_LENGTH;
      cpu.raise(error.vector, error.errorCode, error.address);
    } else if (error instanceof RaiseSignal) {
      raiseInCaller(k, gate, cpu, error.status);
    } else if (error instanceof BugCheckSignal) {
      stopMachine(k, error);
    } else throw error;
  } finally {
    k.gate = null;
  }
  if (k.stale.length !== 0) {
    const stale = k.stale;
    k.stale = [];
    shootDown(k, cpu, stale);
  }
}
