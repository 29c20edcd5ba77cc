import { formatAddress, GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { analyze, bugcheck } from './analyze.ts';
import { verifier } from './verifier.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { devnode, devobj, devstack, drvobj } from './devices.ts';
import { dt } from './dt.ts';
import { errlog } from './errlog.ts';
import { irp } from './irps.ts';
import { lm } from './lm.ts';
import { dpcs, idt, irql, pte, time, timer, vm } from './machine.ts';
import { da, db, dd, dps, dq, ds, dS, du, dw, ln, x } from './memory.ts';
import { handle, object } from './objects.ts';
import { memusage } from './memusage.ts';
import { pool, poolused } from './pool.ts';
import { process, ready, running, thread } from './processes.ts';
import { pcr, prcb, processors } from './processors.ts';
import { stack } from './stacks.ts';
import { evaluate, table } from './text.ts';

export { CommandError, type DebugCommand } from './command.ts';
export { inspect, type TableRow, type TableView } from './inspect.ts';

const help: DebugCommand = {
  name: 'help',
  usage: '[command]',
  doc: 'Lists the commands, or explains one.',
  run(_k, args) {
    if (!args[0]) return table(commands.map(c => [c.name, c.usage, c.doc]));
    const c = commands.find(x => x.name === args[0] || x.name === `!${args[0]}`);
    if (!c) throw new CommandError(`there is no command ${args[0]}`);
    return [`${c.name} ${c.usage}`.trim(), `    ${c.doc}`];
  },
};

const evaluation: DebugCommand = {
  name: '?',
  usage: 'expression',
  doc: 'Shows the value of an expression.',
  run(k, args) {
    const value = evaluate(k, args.join(''));
    return [
      `Evaluate expression: ${BigInt.asIntN(64, value)} = ${value
        .toString(16)
        .padStart(16, '0')
        .replace(/^(.{8})/, '$1`')}`,
    ];
  },
};

/** All commands, in the order in which `help` lists them. */
export const commands: readonly DebugCommand[] = [
  analyze,
  verifier,
  bugcheck,
  lm,
  dt,
  irp,
  errlog,
  process,
  thread,
  ready,
  running,
  processors,
  pcr,
  prcb,
  stack,
  devobj,
  drvobj,
  devstack,
  devnode,
  object,
  handle,
  pool,
  poolused,
  memusage,
  pte,
  vm,
  idt,
  dpcs,
  timer,
  time,
  irql,
  db,
  dw,
  dd,
  dq,
  dps,
  da,
  du,
  ds,
  dS,
  ln,
  x,
  evaluation,
  help,
];

/**
 * Carries out a debugger command. Pure over guest memory. An unknown command or a bad argument throws a {@link CommandError}; memory that is not mapped becomes
 * a line that says so.
 */
export function debugCommand(k: Kernel, line: string): string[] {
  const [name, ...args] = line.trim().split(/\s+/);
  const command = commands.find(c => c.name === name);
  if (!command)
    throw new CommandError(`${name || 'an empty line'} is not a command; there are ${commands.map(c => c.name).join(', ')}`);
  try {
    return command.run(k, args);
  } catch (e) {
    if (e instanceof GuestFault) return [`Memory at ${formatAddress(e.address)} cannot be read.`];
    throw e;
  }
}
