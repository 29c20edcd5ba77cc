import type { BugCheck, CardEvent, CrashCard } from '../../hal/bus/index.ts';
import { formatAddress } from '../../hal/bus/index.ts';
import type { MissingOpcode } from '../index.ts';

/** One operation's outcome, as `--json` prints it. */
export interface OperationReport {
  op: string;
  /** NTSTATUS as 0x-hex. */
  status: string;
  /** `done`, `pending`, `limit`, `bugcheck`, ... */
  outcome: string;
  information: number;
  /** Returned bytes, hexadecimal. */
  data: string;
}

export interface BugCheckReport {
  code: string;
  name: string;
  parameters: string[];
  driver: string | null;
  routine: string | null;
  irql: number;
  address: string | null;
  irp: string | null;
  text: string | null;
  stack: { address: string; symbol: string }[];
  kept?: { component: string; reason: number; address: string; length: number }[];
  /** The rule that was broken, in words; null for a bug check that is about none. */
  card: CardReport | null;
  /** Where the driver made the mistake; null when it is not known. */
  cause: CauseReport | null;
}

/** The instruction that led to the stop, and when it is executed: a debugger can go back to that cycle. */
export interface CauseReport {
  what: string;
  cycle: number;
  cpu: number;
  address: string;
  symbol: string | null;
}

export interface EventReport {
  what: string;
  cycle: number;
  cpu: number;
  irql: number;
  thread: string;
  object: string;
  stack: { address: string; symbol: string }[];
}

export interface CardReport {
  id: string;
  title: string;
  rule: string;
  where: string;
  mend: string;
  before: EventReport[];
  injected: EventReport[];
}

export interface RunReport {
  ok: boolean;
  /** What went wrong besides a bug check, in words; null if nothing did. */
  error: string | null;
  cycles: number;
  instructions: number;
  stateHash: string;
  debug: string[];
  results: OperationReport[];
  bugcheck: BugCheckReport | null;
  /** Opcodes that the guest executed and that the processor does not have. */
  missingOpcodes: MissingOpcode[];
}

const hex = (v: bigint | number): string => `0x${v.toString(16)}`;
export const hexBytes = (bytes: Uint8Array): string => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');
export const statusText = (status: number): string => `0x${(status >>> 0).toString(16).padStart(8, '0')}`;

export function bugCheckReport(b: BugCheck, cause: CauseReport | null = null): BugCheckReport {
  return {
    code: hex(b.code),
    name: b.name,
    parameters: b.parameters.map(p => `0x${BigInt.asUintN(64, p).toString(16).padStart(16, '0')}`),
    driver: b.driver,
    routine: b.routine,
    irql: b.irql,
    address: b.address === null ? null : formatAddress(b.address),
    irp: b.irp === null ? null : formatAddress(b.irp),
    text: b.text ?? null,
    stack: b.stack.map(f => ({ address: formatAddress(f.address), symbol: f.symbol })),
    card: b.card === undefined ? null : cardReport(b.card),
    cause,
    ...(b.kept === undefined
      ? {}
      : {
          kept: b.kept.map(d => ({
            component: d.component,
            reason: d.reason,
            address: `0x${d.address.toString(16)}`,
            length: Number(d.length),
          })),
        }),
  };
}

const eventReport = (e: CardEvent): EventReport => ({
  what: e.what,
  cycle: e.cycle,
  cpu: e.cpu,
  irql: e.irql,
  thread: formatAddress(e.thread),
  object: formatAddress(e.object),
  stack: e.stack.map(f => ({ address: formatAddress(f.address), symbol: f.symbol })),
});

const cardReport = (c: CrashCard): CardReport => ({
  id: c.id,
  title: c.title,
  rule: c.rule,
  where: c.where,
  mend: c.mend,
  before: c.before.map(eventReport),
  injected: c.injected.map(eventReport),
});

const eventLines = (e: EventReport): string[] => [
  `      ${e.what} (cycle ${e.cycle}, processor ${e.cpu}, IRQL ${e.irql}, thread ${e.thread})`,
  ...e.stack.slice(0, 6).map(f => `        ${f.address}  ${f.symbol}`),
];

const IRQL_NAMES: { readonly [level: number]: string } = {
  0: 'PASSIVE_LEVEL',
  1: 'APC_LEVEL',
  2: 'DISPATCH_LEVEL',
  13: 'CLOCK_LEVEL',
  14: 'IPI_LEVEL',
  15: 'HIGH_LEVEL',
};
export const irqlName = (level: number): string => IRQL_NAMES[level] ?? `DIRQL ${level}`;

/** The bug check as a person reads it: what, who, where, how it came there. */
export function bugCheckText(b: BugCheckReport): string {
  const lines = [
    '',
    `*** STOP ${b.code} ${b.name}`,
    `    parameters  ${b.parameters.join(' ')}`,
    `    driver      ${b.driver ?? 'unknown'}`,
    `    routine     ${b.routine ?? 'unknown'}`,
    `    IRQL        ${b.irql} (${irqlName(b.irql)})`,
  ];
  if (b.address !== null) lines.push(`    address     ${b.address}`);
  if (b.irp !== null) lines.push(`    IRP         ${b.irp}`);
  if (b.text !== null) lines.push(`    ${b.text}`);
  if (b.stack.length > 0) lines.push('    stack', ...b.stack.map(f => `      ${f.address}  ${f.symbol}`));
  if (b.card !== null) {
    lines.push('', `    rule        ${b.card.title}`, `      ${b.card.rule}`, `    where       ${b.card.where}`);
    if (b.card.before.length > 0) lines.push('    before', ...b.card.before.flatMap(eventLines));
    if (b.card.injected.length > 0) lines.push('    injected failures', ...b.card.injected.flatMap(eventLines));
    lines.push(`    mend        ${b.card.mend}`);
  }
  if (b.cause !== null)
    lines.push(
      `    cause       ${b.cause.symbol ?? b.cause.address} at cycle ${b.cause.cycle}, processor ${b.cause.cpu}: ${b.cause.what}`,
    );
  if (b.kept !== undefined)
    lines.push(
      "    data of the drivers' bug check routines",
      ...b.kept.map(d => `      ${d.component}: ${d.length} bytes at ${d.address}`),
    );
  return lines.join('\n');
}
