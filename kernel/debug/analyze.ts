import { bugCheckReport } from '../ke/bugcheck.ts';
import type { CardEvent, CrashCard } from '../../hal/bus/guestos.ts';
import type { DebugCommand } from './command.ts';
import { address, hex } from './text.ts';

/** What the parameters of a bug check are, for those that drivers cause most (WDK, "Bug check code reference"). */
const PARAMETERS: { readonly [code: number]: readonly string[] } = {
  0x0a: ['memory referenced', 'IRQL', '0: read, 1: write, 8: execute', 'address that referenced memory'],
  0x19: ['the pool block is corrupt in this way', 'pool entry', 'next pool entry', 'header of the pool entry'],
  0x1e: ['exception code', 'address of the exception', 'parameter 0 of the exception', 'parameter 1 of the exception'],
  0x3b: ['exception code', 'address of the instruction', 'address of the context record', 'zero'],
  0x44: ['address of the IRP', 'reserved', 'reserved', 'reserved'],
  0x4a: ['address of the system call or worker routine', 'current IRQL', 'zero', 'zero'],
  0x50: ['memory referenced', '0: read, 2: write, 0x10: execute', 'address that referenced memory', 'type of the page fault'],
  0x7e: ['exception code', 'address of the exception', 'address of the exception record', 'address of the context record'],
  0x7f: ['trap number', 'error code or address', 'reserved', 'reserved'],
  0xc2: ['what was done', 'see the bug check reference', 'see the bug check reference', 'see the bug check reference'],
  0xc4: [
    'subclass of the violation',
    'see the bug check reference',
    'see the bug check reference',
    'see the bug check reference',
  ],
  0xd1: ['memory referenced', 'IRQL', '0: read, 1: write, 8: execute', 'address that referenced memory'],
  0xfc: ['address executed', 'contents of the PTE', 'reserved', 'reserved'],
  0x133: [
    '0: one DPC or ISR took too long, 1: the system stayed too long at DISPATCH_LEVEL',
    'ticks spent',
    'ticks allowed',
    'address of the triage block',
  ],
  0x139: ['kind of corruption', 'address of the trap frame', 'address of the exception record', 'reserved'],
};

/** The card as text: the rule, what happened before, how to mend it. */
function cardLines(card: CrashCard): string[] {
  const events = (list: readonly CardEvent[]): string[] =>
    list.flatMap(e => [
      `  ${e.what}, at cycle ${hex(e.cycle)} on processor ${e.cpu}, IRQL ${e.irql}, thread ${address(e.thread)}`,
      ...e.stack.map(f => `    ${address(f.address)}  ${f.symbol}`),
    ]);
  return [
    '',
    `BROKEN RULE: ${card.title}`,
    `  ${card.rule}`,
    `  ${card.where}`,
    ...(card.before.length === 0 ? [] : ['BEFORE:', ...events(card.before)]),
    ...(card.injected.length === 0 ? [] : ['INJECTED FAILURES:', ...events(card.injected)]),
    'HOW TO MEND IT:',
    `  ${card.mend}`,
  ];
}

export const analyze: DebugCommand = {
  name: '!analyze',
  usage: '[-v]',
  doc: 'Explains the bug check that the machine stopped with.',
  run(k) {
    const b = bugCheckReport(k);
    if (!b) return ['The machine has not stopped with a bug check.'];
    const what = PARAMETERS[b.code];
    const text = 'text' in b && typeof b.text === 'string' ? b.text : null;
    return [
      `${b.name} (${b.code.toString(16)})`,
      ...(text ? [text] : []),
      'Arguments:',
      ...b.parameters.map((p, i) => `Arg${i + 1}: ${p.toString(16).padStart(16, '0')}${what ? `, ${what[i]}` : ''}`),
      '',
      `DRIVER: ${b.driver ?? 'none: the kernel itself'}`,
      `ROUTINE: ${b.routine ?? 'unknown'}`,
      `IRQL: ${b.irql}`,
      ...(b.address === null ? [] : [`ADDRESS: ${address(b.address)}`]),
      ...(b.irp === null ? [] : [`IRP: ${address(b.irp)}`]),
      `PROCESSOR: ${b.cpu}, cycle ${hex(b.cycle)}`,
      'STACK:',
      ...b.stack.map(f => `  ${address(f.address)}  ${f.symbol}`),
      ...(b.card === undefined ? [] : cardLines(b.card)),
      ...(b.cause === undefined
        ? []
        : ['CAUSE:', `  ${b.cause.what}: on processor ${b.cause.cpu}, before cycle ${hex(b.cause.cycle)}`]),
    ];
  },
};

export const bugcheck: DebugCommand = {
  name: '.bugcheck',
  usage: '',
  doc: 'Shows the code and the parameters of the bug check.',
  run(k) {
    const b = bugCheckReport(k);
    return b
      ? [
          `Bugcheck code ${b.code.toString(16).padStart(8, '0')}`,
          `Arguments ${b.parameters.map(p => p.toString(16).padStart(16, '0')).join(' ')}`,
        ]
      : ['No bug check.'];
  },
};
