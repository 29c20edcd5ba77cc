import { closeSync, openSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describeImage } from '../board.ts';
import { formatAddress, Machine, OperationError } from '../index.ts';
import type { BugCheck, OpenFile, OperationResult } from '../index.ts';
import type { Operation, RunCommand } from './args.ts';
import { readInput } from './input.ts';
import { bugCheckReport, bugCheckText, hexBytes, statusText } from './report.ts';
import type { CauseReport, OperationReport, RunReport } from './report.ts';

/** Guest seconds after which a run ends that nobody limited. */
export const DEFAULT_LIMIT_SECONDS = 60;
/** Guest cycles between checkpoints, for the way back from a bug check. */
const CHECKPOINT_INTERVAL = 20_000_000;
const STATUS_OBJECT_NAME_NOT_FOUND = 0xc0000034,
  STATUS_NO_SUCH_DEVICE = 0xc000000e;

/** Something the user has to mend: the file, the driver's refusal. Exit status 1. */
export class RunError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RunError';
  }
}

/** Opens a file to write to before anything runs, so that a bad name costs nothing; throws a RunError that names it. */
function openOutput(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    const { code } = error as { code?: string };
    throw new RunError(
      code === 'ENOENT'
        ? `${path}: there is no folder for it`
        : code === 'EISDIR'
          ? `${path}: is a folder`
          : `${path}: cannot be written (${code ?? String(error)})`,
    );
  }
}

/** Boots, loads, opens, operates, unloads. Returns what happened; throws a RunError only before the machine has started. */
export function runDriver(command: RunCommand): RunReport {
  const bytes = readInput(command.file, 'a driver');
  describeImage(basename(command.file), bytes);
  const service = basename(command.file).replace(/\.sys$/i, '');
  const others = command.with.map(path => {
    const image = readInput(path, 'a driver');
    describeImage(basename(path), image);
    return [basename(path).replace(/\.sys$/i, ''), image] as const;
  });
  const { cpus, scheduleSeed, verifier, requester, account, inject, injectSeed } = command;
  const machine = Machine.create({
    cpus,
    scheduleSeed,
    verifier,
    requester,
    account,
    injectPool: inject.pool,
    injectMap: inject.map,
    injectLower: inject.lower,
    injectObject: inject.object,
    injectSeed,
    limitSeconds: DEFAULT_LIMIT_SECONDS,
    timeline: { interval: CHECKPOINT_INTERVAL },
  });
  const limit = command.cycles ?? machine.cycle + DEFAULT_LIMIT_SECONDS * machine.config.tscHz;
  const trace = command.trace === null ? null : { file: openOutput(command.trace), collector: machine.startTrace() };
  const report: RunReport = {
    ok: false,
    error: null,
    cycles: 0,
    instructions: 0,
    stateHash: '',
    debug: [],
    results: [],
    bugcheck: null,
    missingOpcodes: [],
  };
  const limitText =
    command.cycles === null
      ? `the default limit of ${DEFAULT_LIMIT_SECONDS} seconds of guest time (cycle ${limit})`
      : `cycle ${command.cycles}`;
  /** Every operation may take what is left of the run. */
  const bound = (): void => void (machine.operationLimit = Math.max(0, limit - machine.cycle));

  try {
    for (const [name, image] of others) {
      bound();
      machine.load(image, name);
    }
    bound();
    machine.load(bytes, service);
    if (command.operations.length > 0) {
      bound();
      const file = openDevice(machine, command.device, service);
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
    if (command.shutdown && machine.bugCheck() === null && machine.cycle < limit) {
      bound();
      const { status, outcome } = machine.shutdown();
      if (outcome === 'done' && status >= 0x80000000) report.error = `shutdown: status ${statusText(status)}`;
    }
    if (machine.bugCheck() === null) machine.runToIdle(Math.max(0, Math.min(1, (limit - machine.cycle) / machine.config.tscHz)));
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    if (error.bugCheck === null) report.error = error.message;
  }
  trace?.collector.stop();
  const bugCheck = machine.bugCheck();
  if (bugCheck === null && machine.cycle >= limit) {
    report.error = `${report.error === null ? '' : `${report.error}; `}stopped at ${limitText}${whereabouts(machine)}`;
  }
  report.ok = bugCheck === null && report.error === null;
  report.cycles = machine.cycle;
  report.instructions = machine.instructions;
  report.stateHash = machine.stateHash();
  report.debug = machine.debugLines();
  report.missingOpcodes = machine.missingOpcodes();
  report.bugcheck = bugCheck === null ? null : bugCheckReport(bugCheck, findCause(machine, bugCheck));
  if (trace !== null) {
    writeFileSync(trace.file, JSON.stringify(machine.chromeTrace(trace.collector)));
    closeSync(trace.file);
  }
  return report;
}

/** Goes back from the bug check to the instruction that led to it, and says where and when that is. The machine stands there afterwards. */
function findCause(machine: Machine, { cause }: BugCheck): CauseReport | null {
  if (cause === undefined) return null;
  const stop = machine.control.toCause();
  if (stop.reason !== 'step') return null;
  const { rip, cycle } = machine.cpus[stop.cpu]!;
  return { what: cause.what, cycle, cpu: stop.cpu, address: formatAddress(rip), symbol: machine.guest.symbolAt(rip) };
}

/** Where the machine stands, for a message about something that does not end. */
function whereabouts(machine: Machine): string {
  const irps = machine.command('!irp').filter(line => line.includes('\\Driver\\'));
  const inFlight = irps.length === 0 ? '' : `; in flight: ${irps.map(line => line.replace(/ {2,}/g, ' ')).join(', ')}`;
  if (machine.cpus.every(cpu => cpu.halted)) return `; the machine was idle${inFlight}`;
  const { rip } = machine.cpus[machine.currentCpu]!;
  return `${inFlight}; the processor was at ${machine.guest.symbolAt(rip) ?? `0x${BigInt.asUintN(64, BigInt(rip)).toString(16)}`}`;
}

/** Opens the device that was named, or the driver's own. */
function openDevice(machine: Machine, device: string | null, service: string): OpenFile {
  try {
    return machine.open(device ?? `driver:${service}`);
  } catch (error) {
    if (
      device !== null ||
      !(error instanceof OperationError) ||
      (error.status !== STATUS_OBJECT_NAME_NOT_FOUND && error.status !== STATUS_NO_SUCH_DEVICE)
    )
      throw error;
    throw new OperationError(
      `${service}.sys has no device that could be opened; expected one with a name (--device NAME opens another driver's)`,
      error.status,
      'done',
      null,
    );
  }
}

function perform(file: OpenFile, operation: Operation): OperationResult {
  switch (operation.kind) {
    case 'ioctl':
      return file.ioctl(operation.code, operation.input, operation.outputLength);
    case 'read':
      return file.read(operation.length, { offset: operation.offset });
    case 'write':
      return file.write(operation.data, { offset: operation.offset });
  }
}

/**
 * Operations that were pending (a write completes the read before it, a timer an IRP that waits for it): runs until they are done, and takes their final results.
 * One that the driver never completes ends the run.
 */
function settle(machine: Machine, pending: readonly { at: number; id: number; operation: Operation }[], report: RunReport): void {
  for (const p of pending) {
    const result = machine.result(p.id, true);
    report.results[p.at] = describe(p.operation, result.outcome === 'limit' ? { ...result, outcome: 'pending' } : result);
    if (machine.bugCheck() !== null) return;
    if (result.outcome !== 'done') {
      report.error ??= `${report.results[p.at]!.op} was never completed: the driver must complete its IRP, or cancel it when the handle is closed`;
    }
  }
}

const at = ({ offset }: { offset: number }): string => (offset === 0 ? '' : `@0x${offset.toString(16)}`);

function describe(operation: Operation, result: OperationResult): OperationReport {
  const op =
    operation.kind === 'ioctl'
      ? `ioctl 0x${operation.code.toString(16)}`
      : operation.kind === 'read'
        ? `read ${operation.length}${at(operation)}`
        : `write ${operation.data.length}${at(operation)}`;
  return {
    op,
    status: statusText(result.status),
    outcome: result.outcome,
    information: Number(result.information),
    data: hexBytes(result.data),
  };
}

/** The report as text: debugger output, results, how it ended. */
export function runText(report: RunReport, command: RunCommand): string {
  const lines = [...report.debug];
  for (const r of report.results) {
    const failed = Number(r.status) >= 0x80000000;
    lines.push(
      `${r.op}: ${r.outcome === 'done' ? (failed ? `failed, status ${r.status}` : `status ${r.status}, ${r.information} bytes`) : r.outcome}${r.data === '' ? '' : ` ${r.data}`}`,
    );
  }
  if (report.bugcheck !== null) lines.push(bugCheckText(report.bugcheck));
  if (report.missingOpcodes.length > 0) {
    const met = report.missingOpcodes.map(({ opcode, count }) => `${opcode} (${count}x)`);
    lines.push(`the processor has no such instruction: ${met.join(', ')}`);
  }
  lines.push(`${report.cycles} cycles, ${report.instructions} instructions, state ${report.stateHash}`);
  if (command.trace !== null) lines.push(`trace written to ${command.trace}: open it at https://ui.perfetto.dev`);
  return lines.join('\n');
}
