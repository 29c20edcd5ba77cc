import { addressAt } from '../../hal/bus/memory.ts';
import type { BugCheck } from '../../hal/bus/guestos.ts';
import { sendNmi } from '../../hal/nt/apic.ts';
import { R12, R13, R14, R15, RBP, RBX, RDI, RSI, RSP } from '../../hal/bus/cpu.ts';
import { HIGH_LEVEL } from '../exports/declare.ts';
import type { BugCheckSignal, Kernel } from '../kernel.ts';
import { prcbAddress } from '../mm/layout.ts';
import { otherProcessors } from './processor.ts';
import { bugCheckName } from '../types/bugname.ts';
import { MULTIPLE_IRP_COMPLETE_REQUESTS } from '../types/bugcodes.ts';
import { KPRCB } from '../types/prcb.ts';
import { ETHREAD } from '../types/ps.ts';
import { KTRAP_FRAME } from '../types/trap.ts';
import { STATUS_DRIVER_ENTRYPOINT_NOT_FOUND } from '../types/status.ts';
import { walkContextOf } from '../rtl/context.ts';
import type { WalkContext } from '../rtl/unwind.ts';
import { cardOf } from '../verifier/card.ts';
import { canCallBack, keptAtStop } from './bugcallback.ts';
import { isKernelModule, moduleAt } from './modules.ts';
import { currentContext, modulesOf, symbolAt, trapContext, walkStack } from './stackwalk.ts';

/** Registers that KiBugCheckContext keeps, after RIP. */
const KEPT = [RSP, RBP, RBX, RSI, RDI, R12, R13, R14, R15] as const;
const IRP_TYPE = 6;
const IRP_THREAD_LIST_ENTRY = 0x20;
const TEXT_LIMIT = 255;

/**
 * KeBugCheckEx: the machine stops. Code, parameters and the registers at fault go to the kernel's variables, the other processors are stopped by an NMI, and every one is left in a
 * loop with interrupts off, at HIGH_LEVEL. A second bug check while the first is being reported changes nothing.
 */
export function stopMachine(k: Kernel, signal: BugCheckSignal): void {
  const g = k.global;
  const first = !isFreezing(k);
  if (first) {
    g.set('KiBugCheckData', [BigInt(signal.code), ...signal.parameters]);
    const context =
      signal.context !== 0
        ? walkContextOf(k.mem, signal.context)
        : signal.trapFrame === 0
          ? currentContext(k)
          : trapContext(k, signal.trapFrame);
    g.set(
      'KiBugCheckContext',
      [context.rip, ...KEPT.map(r => context.registers[r]!)].map(a => BigInt.asUintN(64, BigInt(a))),
    );
    g.set('KiBugCheckAddress', signal.trapFrame === 0 && signal.context === 0 ? signal.routine : context.rip);
    g.set('KiBugCheckIrql', signal.trapFrame === 0 ? k.irql : KTRAP_FRAME.f.PreviousIrql.get(k.mem, signal.trapFrame));
    g.set('KiBugCheckCpu', k.cpu.index);
    g.set('KiBugCheckCycle', BigInt(k.cpu.cycle));
    if (signal.text !== null) {
      k.mem.writeBytes(
        g.address('KiBugCheckTextBuffer'),
        Uint8Array.from(`${signal.text.slice(0, TEXT_LIMIT)}\0`, c => c.charCodeAt(0) & 0xff),
      );
      g.set('KiBugCheckText', g.address('KiBugCheckTextBuffer'));
    }
    const hex = (p: bigint): string => `0x${p.toString(16).toUpperCase().padStart(16, '0')}`;
    k.debugPrint(
      `\n*** Fatal System Error: 0x${signal.code.toString(16).padStart(8, '0')}\n                       (${signal.parameters.map(hex).join(',')})\n\n`,
    );
    for (const n of otherProcessors(k)) sendNmi(k.cpu, n);
  }
  if (first && canCallBack(k)) {
    // The others, which wait for this one, see that it has stopped when the drivers' routines have run.
    holdProcessor(k, signal.trapFrame);
    // From a step routine, whose stack is aligned for calls, this is one; from a plain routine a jump, whose return address is that of its caller.
    if (k.gate?.steps) {
      const rsp = k.cpu.gprPtr(RSP) - 8;
      k.mem.writePtr(rsp, k.cpu.rip);
      k.cpu.setGprPtr(RSP, rsp);
    }
    k.cpu.rip = k.address('nt!KiScanBugCheckCallbackList');
  } else {
    freezeProcessor(k, signal.trapFrame);
    k.cpu.rip = k.address('nt!KiFreezeProcessor');
  }
}

/**
 * This processor is to stay in KiFreezeProcessor: with interrupts off, at HIGH_LEVEL. `trapFrame` is the KTRAP_FRAME of what it ran, for the debugger; 0 when its own registers say that.
 */
export function freezeProcessor(k: Kernel, trapFrame: number): void {
  const bit = 1 << k.cpu.index;
  const frozen = k.global.get('KiFrozenProcessors');
  if ((frozen & bit) === 0) {
    k.global.set('KiFrozenProcessors', frozen | bit);
    if (trapFrame !== 0) k.mem.writePtr(k.global.address('KiFrozenTrapFrame') + k.cpu.index * 8, trapFrame);
  }
  holdProcessor(k, 0);
}

/** Interrupts off and at HIGH_LEVEL: nothing comes between from now on. */
function holdProcessor(k: Kernel, trapFrame: number): void {
  if (trapFrame !== 0) k.mem.writePtr(k.global.address('KiFrozenTrapFrame') + k.cpu.index * 8, trapFrame);
  k.cpu.cr8 = HIGH_LEVEL;
  k.cpu.rflags = 2;
}

/** A bug check is stopping the processors. */
export const isFreezing = (k: Kernel): boolean => k.mem.read64(k.global.address('KiBugCheckData')) !== 0n;

function keptContext(k: Kernel): WalkContext {
  const values = k.global.get('KiBugCheckContext').map(v => Number(BigInt.asIntN(64, v)));
  const registers = new Array<number>(16).fill(0);
  KEPT.forEach((r, i) => (registers[r] = values[i + 1]!));
  return { rip: values[0]!, registers };
}

/** The parameter that holds the address of an instruction or a routine at fault, for the codes that are about one (WDK, "Bug check code reference"). */
const ADDRESS_PARAMETER: { readonly [code: number]: number } = {
  0x08: 0,
  0x0a: 3,
  0xd1: 3,
  0x1e: 1,
  0x3b: 1,
  0x4a: 0,
  0x7e: 1,
  0x50: 2,
  0xc7: 1,
  0xc8: 2,
  0xe1: 0,
  0xe4: 2,
  0xcc: 2,
  0xcd: 2,
  0xd5: 2,
  0xd6: 2,
  0xfc: 0,
  0x7f: 3,
};

/** The IRP that the stop is about: the parameter that is one, else the newest of the thread that ran. */
function irpOf(k: Kernel, code: number, p1: number): number | null {
  if (code === MULTIPLE_IRP_COMPLETE_REQUESTS) return p1;
  const thread = KPRCB.f.CurrentThread.get(k.mem, prcbAddress(k.global.get('KiBugCheckCpu')));
  const head = thread + ETHREAD.f.IrpList.offset;
  if (k.mem.translate(head) < 0) return null;
  const link = addressAt(k.mem, head);
  if (link === head || link === 0 || k.mem.translate(link) < 0) return null;
  const irp = link - IRP_THREAD_LIST_ENTRY;
  return k.mem.translate(irp) >= 0 && k.mem.read16(irp) === IRP_TYPE ? irp : null;
}

/** The report of the stop, from guest memory; null while the system lives. */
export function bugCheckReport(k: Kernel): BugCheck | null {
  const at = k.global.address('KiBugCheckData');
  // Before the images are mapped there is nothing to read.
  if (k.mem.translate(at) < 0 || k.mem.read64(at) === 0n) return null;
  const [code64, p1, p2, p3, p4] = k.global.get('KiBugCheckData') as [bigint, bigint, bigint, bigint, bigint];
  const code = Number(code64);
  const parameters = [p1, p2, p3, p4] as const;
  const modules = modulesOf(k);
  const frames = walkStack(k, keptContext(k));
  const parameter = ADDRESS_PARAMETER[code];
  const named = parameter === undefined ? 0 : Number(BigInt.asIntN(64, parameters[parameter]!));
  const fault = k.global.get('KiBugCheckAddress') || named;
  const isDriver = (address: number): boolean => {
    const m = moduleAt(modules, address);
    return m !== null && !isKernelModule(m.name);
  };
  const guilty = isDriver(fault) ? fault : (frames.find(f => isDriver(f.address))?.address ?? 0);
  const driver = guilty === 0 ? null : moduleAt(modules, guilty)!.name;
  const address = guilty || fault || null;
  const text = k.global.get('KiBugCheckText');
  const report: BugCheck = {
    code,
    name: code === STATUS_DRIVER_ENTRYPOINT_NOT_FOUND ? 'DRIVER_ENTRYPOINT_NOT_FOUND' : bugCheckName(code),
    parameters,
    driver,
    routine: address === null ? null : symbolAt(k, modules, address),
    irql: k.global.get('KiBugCheckIrql'),
    address,
    irp: irpOf(k, code, Number(BigInt.asIntN(64, p1))),
    cycle: Number(k.global.get('KiBugCheckCycle')),
    cpu: k.global.get('KiBugCheckCpu'),
    stack: frames.map(f => ({ address: f.address, symbol: f.symbol })),
    ...(k.global.get('KiBugCheckKeptCount') === 0 ? {} : { kept: keptAtStop(k) }),
    ...(text === 0 ? {} : { text: readText(k, text) }),
  };
  return { ...report, ...cardOf(k, report, modules) };
}

function readText(k: Kernel, at: number): string {
  const bytes = k.mem.readBytes(at, TEXT_LIMIT + 1);
  return Array.from(bytes.subarray(0, bytes.indexOf(0)), b => String.fromCharCode(b)).join('');
}
