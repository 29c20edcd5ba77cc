import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describeImage } from '../board.ts';
import { Machine, OperationError } from '../index.ts';
import type { OpenFile, OperationResult } from '../index.ts';
import type { Operation, RunCommand } from './args.ts';
import { bugCheckReport, bugCheckText, hexBytes, statusText } from './report.ts';
import type { OperationReport, RunReport } from './report.ts';

/** Guest seconds after which a run ends that nobody limited. */
export const DEFAULT_LIMIT_SECONDS = 60;
const STATUS_PENDING = 0x103;

/** Something the user has to mend: the file, the driver's refusal. Exit status 1. */
export class RunError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RunError';
  }
}

/** Reads a file; throws a RunError that names it. */
export function readInput(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    const { code } = error as { code?: string };
    throw new RunError(code === 'ENOENT' ? `${path}: there is no such file` : code === 'EISDIR' ? `${path}: is a folder, not a driver` : `${path}: cannot be read (${code ?? String(error)})`);
  }
}

/** Boots, loads, opens, operates, unloads. Returns what happened; throws a RunError only before the machine has started. */
export function runDriver(command: RunCommand): RunReport {
  const bytes = readInput(command.file);
  describeImage(basename(command.file), bytes);
  const service = basename(command.file).replace(/\.sys$/i, '');
  const machine = Machine.create({ limitSeconds: DEFAULT_LIMIT_SECONDS });
  const limit = command.cycles ?? machine.cycle + DEFAULT_LIMIT_SECONDS * machine.config.tscHz;
  const trace = command.trace === null ? null : machine.startTrace();
  const report: RunReport = { ok: false, error: null, cycles: 0, instructions: 0, stateHash: '', debug: [], results: [], bugcheck: null };
  const limitText = command.cycles === null ? `the default limit of ${DEFAULT_LIMIT_SECONDS} seconds of guest time (cycle ${limit})` : `cycle ${command.cycles}`;
  /** Every operation may take what is left of the run. */
  const bound = (): void => void (machine.operationLimit = Math.max(0, limit - machine.cycle));

  try {
    bound();
    machine.load(bytes, service);
    if (command.operations.length > 0) {
      bound();
      const file = machine.open(command.device ?? `driver:${service}`);
      const pending: { at: number; id: number; operation: Operation }[] = [];
      for (const operation of command.operations) {
        bound();
        const result = perform(file, operation);
        if (result.outcome === 'pending') pending.push({ at: report.results.length, id: result.id, operation });
        report.results.push(describe(operation, result));
        if (result.outcome !== 'done' && result.outcome !== 'pending') break;
      }
      if (machine.bugCheck() === null) {
        bound();
        settle(machine, pending, report);
      }
      if (machine.bugCheck() === null && machine.cycle < limit) {
        bound();
        file.close();
      }
    }
    if (command.unload && machine.bugCheck() === null && machine.cycle < limit) {
      bound();
      const { status, outcome } = machine.unload(service);
      if (outcome === 'done' && status >= 0x80000000) report.error = `unload of ${service}: status ${statusText(status)}`;
    }
    if (machine.bugCheck() === null) machine.runToIdle(Math.max(0, Math.min(1, (limit - machine.cycle) / machine.config.tscHz)));
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    if (error.bugCheck === null) report.error = error.message;
  }
  trace?.stop();
  const bugCheck = machine.bugCheck();
  if (bugCheck === null && machine.cycle >= limit && report.error === null) report.error = `stopped at ${limitText}${whereabouts(machine)}`;
  else if (report.error !== null && machine.cycle >= limit) report.error += `: ${limitText} was reached${whereabouts(machine)}`;
  report.ok = bugCheck === null && report.error === null;
  report.cycles = machine.cycle;
  report.instructions = machine.instructions;
  report.stateHash = machine.stateHash();
  report.debug = machine.debugLines();
  report.bugcheck = bugCheck === null ? null : bugCheckReport(bugCheck);
  if (trace !== null) writeFileSync(command.trace!, JSON.stringify(machine.chromeTrace(trace)));
  return report;
}

/** Where the machine stands, for a message about something that does not end. */
function whereabouts(machine: Machine): string {
  if (machine.cpus.every(cpu => cpu.halted)) return '; the machine was idle';
  const { rip } = machine.cpus[machine.currentCpu]!;
  return `; the processor was at ${machine.guest.symbolAt(rip) ?? `0x${BigInt.asUintN(64, BigInt(rip)).toString(16)}`}`;
}

function perform(file: OpenFile, operation: Operation): OperationResult {
  switch (operation.kind) {
    case 'ioctl': return file.ioctl(operation.code, operation.input, operation.outputLength);
    case 'read': return file.read(operation.length);
    case 'write': return file.write(operation.data);
  }
}

/** Operations that were pending may be done by now (a write completed the read before it): takes their final results. */
function settle(machine: Machine, pending: readonly { at: number; id: number; operation: Operation }[], report: RunReport): void {
  // Replies of requests that a later operation completed may still be on their way.
  if (pending.length > 0) machine.runToIdle(Math.min(1, machine.operationLimit / machine.config.tscHz));
  for (const p of pending) {
    const result = machine.result(p.id);
    report.results[p.at] = describe(p.operation, result);
    if (result.status === STATUS_PENDING) {
      report.error ??= `${report.results[p.at]!.op} was never completed: its IRP is still pending and the machine is idle. The driver must complete it, or cancel it when the handle is closed.`;
    }
  }
}

function describe(operation: Operation, result: OperationResult): OperationReport {
  const op = operation.kind === 'ioctl' ? `ioctl 0x${operation.code.toString(16)}` : operation.kind === 'read' ? `read ${operation.length}` : `write ${operation.data.length}`;
  return { op, status: statusText(result.status), outcome: result.outcome, information: Number(result.information), data: hexBytes(result.data) };
}

/** The report as text: debugger output, results, how it ended. */
export function runText(report: RunReport, command: RunCommand): string {
  const lines = [...report.debug];
  for (const r of report.results) {
    const failed = Number(r.status) >= 0x80000000;
    lines.push(`${r.op}: ${r.outcome === 'done' ? (failed ? `failed, status ${r.status}` : `status ${r.status}, ${r.information} bytes`) : r.outcome}${r.data === '' ? '' : ` ${r.data}`}`);
  }
  if (report.bugcheck !== null) lines.push(bugCheckText(report.bugcheck));
  lines.push(`${report.cycles} cycles, ${report.instructions} instructions, state ${report.stateHash}`);
  if (command.trace !== null) lines.push(`trace written to ${command.trace}: open it at https://ui.perfetto.dev`);
  return lines.join('\n');
}
