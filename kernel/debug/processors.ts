/** What belongs to one processor: `~`, `!pcr`, `!prcb`. */
import { KPCR, KPRCB } from '../types/prcb.ts';
import { KDPC_DATA } from '../types/ke.ts';
import type { Kernel } from '../kernel.ts';
import { activeProcessors } from '../ke/processor.ts';
import { modulesOf, symbolAt } from '../ke/stackwalk.ts';
import { pcrAddress, prcbAddress } from '../mm/layout.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { address, hex, parseNumber, table } from './text.ts';

const P = KPRCB.f;
const C = KPCR.f;

/** The processor that a command names, the first one without a name. Throws a CommandError for one that has not been started. */
function chosen(k: Kernel, argument: string | undefined): number {
  const n = parseNumber(k, argument, k.cpu.index);
  if (!(n >= 0 && n < 32 && (activeProcessors(k) >> n) & 1)) throw new CommandError(`there is no processor ${n}`);
  return n;
}

const isFrozen = (k: Kernel, n: number): boolean => ((k.global.get('KiFrozenProcessors') >> n) & 1) !== 0;

/** What a processor does, in a word. */
function stateOf(k: Kernel, n: number): string {
  if (((activeProcessors(k) >> n) & 1) === 0) return 'not started';
  if (isFrozen(k, n)) return 'frozen';
  const prcb = prcbAddress(n);
  if (P.DpcRoutineActive.get(k.mem, prcb) !== 0) return 'DPC';
  if (P.CurrentThread.get(k.mem, prcb) !== P.IdleThread.get(k.mem, prcb)) return 'thread';
  return k.platform.cpus[n]!.halted ? 'idle' : 'idle loop';
}

export const processors: DebugCommand = {
  name: '~',
  usage: '',
  doc: 'Lists the processors: what each does and where it stands.',
  run(k) {
    const modules = modulesOf(k);
    return table([
      ['CPU', 'state', 'IRQL', 'at', 'cycle'],
      ...k.platform.cpus.map(cpu => [
        String(cpu.index),
        stateOf(k, cpu.index),
        String(cpu.cr8),
        symbolAt(k, modules, cpu.rip) ?? address(cpu.rip),
        String(cpu.cycle),
      ]),
    ]);
  },
};

const lines = (rows: readonly (readonly [string, string])[]): string[] =>
  rows.map(([name, value]) => `    ${name.padStart(16)}: ${value}`);

export const pcr: DebugCommand = {
  name: '!pcr',
  usage: '[processor]',
  doc: "Shows a processor's control region.",
  run(k, args) {
    const n = chosen(k, args[0]);
    const at = pcrAddress(n),
      prcb = prcbAddress(n);
    const { mem: m } = k;
    return [
      `KPCR for Processor ${n} at ${address(at)}:`,
      ...lines([
        ['Major', `${C.MajorVersion.get(m, at)} Minor ${C.MinorVersion.get(m, at)}`],
        ['SelfPcr', address(C.Self.get(m, at))],
        ['Prcb', address(C.CurrentPrcb.get(m, at))],
        ['Irql', String(k.platform.cpus[n]!.cr8)],
        ['IDT', address(C.IdtBase.get(m, at))],
        ['GDT', address(C.GdtBase.get(m, at))],
        ['TSS', address(C.TssBase.get(m, at))],
        ['CurrentThread', address(P.CurrentThread.get(m, prcb))],
        ['NextThread', address(P.NextThread.get(m, prcb))],
        ['IdleThread', address(P.IdleThread.get(m, prcb))],
        ['DpcQueue', `${KDPC_DATA.f.DpcQueueDepth.get(m, prcb + P.DpcData.offset)} queued`],
      ]),
    ];
  },
};

export const prcb: DebugCommand = {
  name: '!prcb',
  usage: '[processor]',
  doc: "Shows a processor's control block: what it runs and what it has counted.",
  run(k, args) {
    const n = chosen(k, args[0]);
    const at = prcbAddress(n);
    const { mem: m } = k;
    return [
      `PRCB for Processor ${n} at ${address(at)}:`,
      `Current IRQL -- ${k.platform.cpus[n]!.cr8}`,
      `Threads--  Current ${address(P.CurrentThread.get(m, at))} Next ${address(P.NextThread.get(m, at))} Idle ${address(P.IdleThread.get(m, at))}`,
      `Processor Index ${n} Number (${P.Group.get(m, at)}, ${P.GroupIndex.get(m, at)}) GroupSetMember ${hex(P.GroupSetMember.get(m, at))} APIC ID ${P.InitialApicId.get(m, at)}`,
      `Ready summary ${hex(P.ReadySummary.get(m, at))}, context switches ${P.KeContextSwitches.get(m, at)}`,
      `Interrupt Count -- ${P.InterruptCount.get(m, at)}, clock ${P.ClockInterrupts.get(m, at)}${P.ClockOwner.get(m, at) ? ' (keeps the time)' : ''}`,
      `DPCs -- ${KDPC_DATA.f.DpcCount.get(m, at + P.DpcData.offset)} queued since boot, ${KDPC_DATA.f.DpcQueueDepth.get(m, at + P.DpcData.offset)} waiting`,
      `Times -- Dpc ${P.DpcTime.get(m, at)} Interrupt ${P.InterruptTime.get(m, at)} Kernel ${P.KernelTime.get(m, at)} User ${P.UserTime.get(m, at)}`,
    ];
  },
};
