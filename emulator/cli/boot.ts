import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import { PcMachine } from '../pcmachine.ts';
import type { PcEnd } from '../pcmachine.ts';
import type { BootCommand } from './bootargs.ts';
import { readInput } from './input.ts';

/** Exit statuses of our own: even numbers, which no guest can give through the debug-exit port. */
export const BOOT_BAD = 64;
const BOOT_DONE = 0,
  BOOT_STUCK = 2,
  BOOT_LIMIT = 124;
/** Guest seconds between two looks at standard input. */
const SLICE_SECONDS = 0.01;

/** Boots the image and runs it to its end; returns the exit status. Throws an InputError or a BootImageError for files that cannot be used. */
export async function bootGuest(command: BootCommand): Promise<number> {
  const machine = PcMachine.create({
    image: readInput(command.file, 'an image'),
    file: basename(command.file),
    append: command.append,
    modules: command.initrd.map(path => ({ name: basename(path), bytes: readInput(path, 'a module') })),
    cpus: command.cpus,
    ramBytes: command.ramBytes ?? undefined,
    scheduleSeed: command.scheduleSeed ?? undefined,
  });
  const end = command.limit === null ? Infinity : Math.floor(command.limit * machine.config.tscHz);
  if (command.serial === 'none') return report(machine.runTo(end), machine);
  machine.onSerial(bytes => writeAll(bytes));
  const stdin = new StandardInput();
  try {
    const slice = Math.max(1, Math.floor(SLICE_SECONDS * machine.config.tscHz));
    for (;;) {
      for (const bytes of stdin.take()) machine.serialInput(bytes);
      const result = machine.runTo(Math.min(end, machine.cycle + slice));
      if (result.reason !== 'limit' || machine.cycle >= end) return report(result, machine);
      // Lets what has arrived on standard input in.
      await new Promise<void>(resolve => setImmediate(resolve));
    }
  } finally {
    stdin.close();
  }
}

/** What arrives on standard input while the machine runs. A terminal gives single keys, so that the guest sees each one. */
class StandardInput {
  private waiting: Uint8Array[] = [];
  private readonly raw = process.stdin.isTTY;

  constructor() {
    if (this.raw) process.stdin.setRawMode(true);
    process.stdin.on('data', this.arrived);
    process.stdin.on('error', this.close);
  }
  private readonly arrived = (data: Uint8Array): void => {
    // In raw mode nobody turns Ctrl-] into a signal: it is the way out.
    if (this.raw && data.includes(0x1d)) {
      this.close();
      process.exit(BOOT_DONE);
    }
    this.waiting.push(new Uint8Array(data));
  };
  take(): Uint8Array[] {
    const out = this.waiting;
    this.waiting = [];
    return out;
  }
  readonly close = (): void => {
    process.stdin.off('data', this.arrived);
    if (this.raw) process.stdin.setRawMode(false);
    process.stdin.destroy();
  };
}

/** A pipe that is full is waited for: nothing of the guest's output is lost. */
function writeAll(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EAGAIN') throw error;
    }
  }
}

function report(end: PcEnd, machine: PcMachine): number {
  if (end.exitCode !== null) return end.exitCode;
  switch (end.reason) {
    case 'power':
      if (end.power?.kind === 'reset') console.error(`kmode: the guest reset the machine (${end.power.by})`);
      return BOOT_DONE;
    case 'limit':
      console.error(`kmode: stopped at the limit, cycle ${machine.cycle}${places(machine)}`);
      return BOOT_LIMIT;
    case 'shutdown':
      console.error(`kmode: a triple fault at cycle ${machine.cycle}${places(machine)}`);
      return BOOT_STUCK;
    default:
      console.error(`kmode: the machine stopped (${end.reason}) at cycle ${machine.cycle}${places(machine)}`);
      return BOOT_STUCK;
  }
}

/** `; processor 0 at 00401234, processor 1 halted at ...` */
function places(machine: PcMachine): string {
  const what = ['', ' halted', ' shut down', ' waiting for a start-up IPI'];
  return machine.cpus
    .map(cpu => `; processor ${cpu.index}${what[cpu.activity] ?? ''} at 0x${BigInt.asUintN(64, BigInt(cpu.rip)).toString(16)}`)
    .join('');
}
