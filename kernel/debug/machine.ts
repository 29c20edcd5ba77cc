import type { Kernel } from '../kernel.ts';
import { interruptChain } from '../ke/interrupt.ts';
import { tickCount, interruptTime, systemTime } from '../ke/time.ts';
import { mmGetPte } from '../mm/pte.ts';
import {
  PTE_ACCESSED,
  PTE_CACHE_DISABLE,
  PTE_DIRTY,
  PTE_GLOBAL,
  PTE_LARGE,
  PTE_NO_EXECUTE,
  PTE_PFN_MASK,
  PTE_USER,
  PTE_VALID,
  PTE_WRITE,
  PTE_WRITE_THROUGH,
  low48,
  pdeAddress,
  ppeAddress,
  prcbAddress,
  pteAddress,
  pxeAddress,
} from '../mm/layout.ts';
import { mmPageReferences } from '../mm/pfn.ts';
import { listEntries } from '../rtl/list.ts';
import { KDPC, KDPC_DATA, KINTERRUPT, KTIMER, KTIMER_TABLE, KTIMER_TABLE_ENTRY } from '../types/ke.ts';
import { KPRCB } from '../types/prcb.ts';
import type { DebugCommand } from './command.ts';
import { address, addressAndSymbol, hex, parseAddress, parseNumber, seconds, table } from './text.ts';

const D = KDPC.f,
  I = KINTERRUPT.f,
  T = KTIMER.f,
  P = KPRCB.f;

export interface QueuedDpc {
  dpc: number;
  cpu: number;
  routine: number;
  context: number;
  importance: number;
}

/** DPCs in the processors' queues, in the order in which they will run. */
export function queuedDpcs(k: Kernel): QueuedDpc[] {
  const found: QueuedDpc[] = [];
  for (const cpu of k.platform.cpus)
    for (let kind = 0; kind < 2; kind++) {
      const data = prcbAddress(cpu.index) + P.DpcData.offset + kind * KDPC_DATA.size;
      for (let link = k.mem.readPtr(data), n = 0; link && n < 4096; link = k.mem.readPtr(link), n++) {
        const dpc = link - D.DpcListEntry.offset;
        found.push({
          dpc,
          cpu: cpu.index,
          routine: D.DeferredRoutine.get(k.mem, dpc),
          context: D.DeferredContext.get(k.mem, dpc),
          importance: D.Importance.get(k.mem, dpc),
        });
      }
    }
  return found;
}

export const IMPORTANCE = ['low', 'medium', 'high', 'medium high'];

export const dpcs: DebugCommand = {
  name: '!dpcs',
  usage: '',
  doc: 'Lists the DPCs that are queued.',
  run(k) {
    const list = queuedDpcs(k);
    if (list.length === 0) return ['No DPCs are queued.'];
    return table([
      ['CPU', 'KDPC', 'Importance', 'Routine', 'Context'],
      ...list.map(d => [
        String(d.cpu),
        address(d.dpc),
        IMPORTANCE[d.importance] ?? String(d.importance),
        addressAndSymbol(k, d.routine),
        address(d.context),
      ]),
    ]);
  },
};

export interface SetTimer {
  timer: number;
  cpu: number;
  due: bigint;
  period: number;
  dpc: number;
}

/** Timers that are set, by due time. */
export function setTimers(k: Kernel): SetTimer[] {
  const found: SetTimer[] = [];
  for (const cpu of k.platform.cpus) {
    const entries = prcbAddress(cpu.index) + P.TimerTable.offset + KTIMER_TABLE.f.TimerEntries.offset;
    for (let hand = 0; hand < 512; hand++) {
      const head = entries + hand * KTIMER_TABLE_ENTRY.size + KTIMER_TABLE_ENTRY.f.Entry.offset;
      if (k.mem.readPtr(head) === 0) continue;
      for (const link of listEntries(k.mem, head)) {
        const timer = link - T.TimerListEntry.offset;
        found.push({
          timer,
          cpu: cpu.index,
          due: T.DueTime.get(k.mem, timer),
          period: T.Period.get(k.mem, timer),
          dpc: T.Dpc.get(k.mem, timer),
        });
      }
    }
  }
  return found.sort((a, b) => (a.due < b.due ? -1 : a.due > b.due ? 1 : a.timer - b.timer));
}

export const timer: DebugCommand = {
  name: '!timer',
  usage: '',
  doc: 'Lists the timers that are set, with the time until they are due.',
  run(k) {
    const now = interruptTime(k);
    const list = setTimers(k);
    return [
      `Interrupt time ${seconds(now)}, ticks ${tickCount(k)}`,
      ...(list.length
        ? table([
            ['CPU', 'KTIMER', 'due in', 'period', 'DPC'],
            ...list.map(t => [
              String(t.cpu),
              address(t.timer),
              seconds(t.due - now),
              t.period ? `${t.period} ms` : '',
              t.dpc ? `${address(t.dpc)} ${addressAndSymbol(k, D.DeferredRoutine.get(k.mem, t.dpc))}` : '',
            ]),
          ])
        : ['No timers are set.']),
    ];
  },
};

export const time: DebugCommand = {
  name: '!time',
  usage: '',
  doc: 'Shows the system time, the time since the start and the ticks.',
  run: k => [`System time ${systemTime(k)} (100 ns since 1601), up ${seconds(interruptTime(k))}, ${tickCount(k)} ticks`],
};

export interface VectorService {
  vector: number;
  /** First service routine's name. */
  service: string | null;
  serviceAddress: number | null;
  interrupts: number[];
}

/** Vectors that have service routines. */
export function connectedVectors(k: Kernel): VectorService[] {
  const rows: VectorService[] = [];
  for (let vector = 0x20; vector < 0x100; vector++) {
    const chain = interruptChain(k, vector);
    if (chain.length === 0) continue;
    const routine = I.ServiceRoutine.get(k.mem, chain[0]!) || I.MessageServiceRoutine.get(k.mem, chain[0]!);
    rows.push({
      vector,
      service: routine ? addressAndSymbol(k, routine).replace(/^\S+ /, '') : null,
      serviceAddress: routine || null,
      interrupts: chain,
    });
  }
  return rows;
}

export const idt: DebugCommand = {
  name: '!idt',
  usage: '[-a | vector]',
  doc: 'Shows the interrupt descriptor table with the connected service routines; -a shows every gate.',
  run(k, args) {
    const only = args[0] && args[0] !== '-a' ? parseNumber(k, args[0], -1) : -1;
    const { base, limit } = k.cpu.idtr();
    const services = new Map(connectedVectors(k).map(v => [v.vector, v]));
    const lines = [`Dumping IDT: ${address(base)}`, ''];
    for (let v = 0; v < (limit + 1) / 16; v++) {
      const at = base + v * 16,
        service = services.get(v);
      if (only >= 0 ? v !== only : args[0] !== '-a' && !service) continue;
      const handler = (k.mem.read32(at + 8) | 0) * 0x100000000 + k.mem.read16(at + 6) * 0x10000 + k.mem.read16(at);
      lines.push(
        `${v.toString(16).padStart(2, '0')}: ${addressAndSymbol(k, handler)}${k.mem.read8(at + 4) & 7 ? `  stack IST${k.mem.read8(at + 4) & 7}` : ''}`,
      );
      for (const i of service?.interrupts ?? [])
        lines.push(
          `        ${addressAndSymbol(k, I.ServiceRoutine.get(k.mem, i) || I.MessageServiceRoutine.get(k.mem, i))}  (KINTERRUPT ${address(i)}, IRQL ${I.Irql.get(k.mem, i)}, ${I.Mode.get(k.mem, i) ? 'latched' : 'level'})`,
        );
    }
    return lines;
  },
};

const BITS: readonly [bigint, string, string][] = [
  [PTE_GLOBAL, 'G', '-'],
  [PTE_LARGE, 'L', '-'],
  [PTE_DIRTY, 'D', '-'],
  [PTE_ACCESSED, 'A', '-'],
  [PTE_CACHE_DISABLE, 'N', '-'],
  [PTE_WRITE_THROUGH, 'T', '-'],
  [PTE_USER, 'U', 'K'],
  [PTE_WRITE, 'W', 'R'],
  [PTE_NO_EXECUTE, '-', 'E'],
  [PTE_VALID, 'V', '-'],
];

export const pte: DebugCommand = {
  name: '!pte',
  usage: 'address',
  doc: 'Shows the page-table entries for an address, from PML4 to PTE.',
  run(k, args) {
    const va = parseAddress(k, args[0]);
    const lines = [`VA ${address(va)}`];
    let table = k.cpu.cr(3) - (k.cpu.cr(3) % 0x1000);
    const names = ['PTE', 'PDE', 'PPE', 'PXE'],
      self = [pteAddress, pdeAddress, ppeAddress, pxeAddress];
    for (let level = 3; level >= 0; level--) {
      const entry = k.platform.memory.read64(table + (Math.floor(low48(va) / (0x1000 * 512 ** level)) % 512) * 8);
      const valid = (entry & PTE_VALID) !== 0n;
      const pfn = (entry & PTE_PFN_MASK) >> 12n;
      lines.push(
        `${names[level]} at ${address(self[level]!(va))} contains ${entry.toString(16).padStart(16, '0')}  ${valid ? `pfn ${pfn.toString(16)}  ${BITS.map(([bit, on, off]) => (entry & bit ? on : off)).join('')}` : 'not valid'}`,
      );
      if (!valid || (level > 0 && entry & PTE_LARGE)) break;
      table = Number(entry & PTE_PFN_MASK);
    }
    const leaf = mmGetPte(k, va);
    if (leaf & PTE_VALID)
      lines.push(
        `Physical address ${hex((leaf & PTE_PFN_MASK) + BigInt(low48(va) % 0x1000))}, page references ${mmPageReferences(k, Number((leaf & PTE_PFN_MASK) >> 12n))}`,
      );
    return lines;
  },
};

export const vm: DebugCommand = {
  name: '!vm',
  usage: '',
  doc: 'Shows how much memory is in use.',
  run: k => [
    `Physical memory: ${k.global.get('MmNumberOfPhysicalPages')} pages (${k.global.get('MmNumberOfPhysicalPages') * 4} KB), ${k.global.get('MmAvailablePages')} available`,
    `System PTEs in use: ${k.global.get('MmSystemPtesInUse')}`,
  ],
};

export const irql: DebugCommand = {
  name: '!irql',
  usage: '[processor]',
  doc: "Shows a processor's IRQL.",
  run(k, args) {
    const n = parseNumber(k, args[0], k.cpu.index),
      cpu = k.platform.cpus[n];
    const names: { readonly [level: number]: string } = {
      0: 'PASSIVE_LEVEL',
      1: 'APC_LEVEL',
      2: 'DISPATCH_LEVEL',
      13: 'CLOCK_LEVEL',
      14: 'IPI_LEVEL',
      15: 'HIGH_LEVEL',
    };
    return cpu
      ? [`Current IRQL of processor ${n} -- ${cpu.cr8} (${names[cpu.cr8] ?? 'DIRQL'})`]
      : [`There is no processor ${n}.`];
  },
};
