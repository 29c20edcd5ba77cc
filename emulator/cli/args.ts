import { MAX_CPUS } from '../config.ts';
import { parseBoot } from './bootargs.ts';
import type { BootCommand } from './bootargs.ts';
import { UsageError } from './usage.ts';

export { UsageError };

/** What the user asked for; or a message for the user that says what is wrong with it. */
export type Command =
  | { name: 'help'; topic: 'kmode' | 'run' | 'info' | 'boot' }
  | { name: 'version' }
  | { name: 'info'; file: string; json: boolean }
  | BootCommand
  | RunCommand;

/** One operation on the driver's device, in the order of the command line. */
export type Operation =
  | { kind: 'ioctl'; code: number; input: Uint8Array; outputLength: number }
  | { kind: 'read'; length: number; offset: number }
  | { kind: 'write'; data: Uint8Array; offset: number };

export interface RunCommand {
  name: 'run';
  file: string;
  /** NT or Win32 name of the device to open; null: the first one of the driver. */
  device: string | null;
  operations: Operation[];
  unload: boolean;
  /** Drivers that are loaded before the driver, by path. */
  with: string[];
  shutdown: boolean;
  trace: string | null;
  /** Ends the run at this cycle; null: the default limit of guest time. */
  cycles: number | null;
  /** Processors, 1 to 8. */
  cpus: number;
  /** Chooses how the processors take turns. */
  scheduleSeed: number;
  /** Whether the rules of drivers are checked as they run. */
  verifier: boolean;
  /** One in how many of a driver's allocations, mappings and calls of lower drivers fails; 0: none. */
  /** Who carries the operations out: a program in user mode, or threads of the kernel. */
  requester: 'user' | 'kernel';
  inject: { pool: number; map: number; lower: number; object: number };
  account: 'administrator' | 'user' | 'system';
  /** Chooses which fail. */
  injectSeed: number;
  json: boolean;
}

export const USAGE = `kmode runs Windows x64 kernel drivers on an emulated machine.

Usage:
  kmode run FILE.sys [options]   boot, load the driver, open its device, do the operations in order
  kmode info FILE.sys [--json]   sections, imports, and which of the imported routines exist here
  kmode boot --multiboot FILE    boot another operating system or a test on a PC without our kernel (kmode boot --help)
  kmode --help | --version

Options of run (operations are done in the order in which they are given):
  --ioctl CODE[:HEX[:LENGTH]]  DeviceIoControl with input bytes HEX; LENGTH bytes of output buffer (default: 4096, or as many as go in)
  --read N[@OFFSET]            ReadFile of N bytes, from byte OFFSET on
  --write HEX[@OFFSET]         WriteFile of these bytes, from byte OFFSET on
  --device NAME                open this device (\\\\.\\Name or \\Device\\Name) instead of the driver's first one
  --with FILE.sys              load this driver first (the one below a filter; may be given several times)
  --unload                     unload the driver at the end
  --shutdown                   shut the system down at the end: drivers that registered for it get IRP_MJ_SHUTDOWN
  --trace FILE.json            write a trace that ui.perfetto.dev and chrome://tracing open
  --cycles N                   stop at cycle N (default: 60 seconds of guest time)
  --cpus N                     processors, 1 to 8 (default 1)
  --schedule-seed S            how the processors take turns: the same seed, the same interleaving (default 1)
  --verifier off               do not check the rules of drivers as they run (default: on)
  --requester user|kernel      who carries the operations out: a program in ring 3 (default) or a kernel thread
  --account NAME               whose program that is: administrator (default), user or system
  --inject CLASS:1/N[,...]     make one in N calls of a class fail: pool (allocations), map (mappings), lower (IoCallDriver),
                               object (what makes or opens something)
  --inject-seed S              which of them fail: the same seed, the same failures (default 1)
  --json                       print one JSON object instead of text

Exit status: 0 done, 1 wrong usage or bad file, 2 the machine stopped with a bug check.

Example:
  kmode run samples/edu/edu.sys --ioctl 0x222000:0a000000
`;

/** Parses the arguments after `kmode`. Throws a {@link UsageError} that names the argument. */
export function parseArguments(args: readonly string[]): Command {
  const [first, ...rest] = args;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') return { name: 'help', topic: 'kmode' };
  if (first === '--version' || first === '-V') return { name: 'version' };
  if (first === 'run') return parseRun(rest);
  if (first === 'info') return parseInfo(rest);
  if (first === 'boot') return parseBoot(rest) ?? { name: 'help', topic: 'boot' };
  throw new UsageError(`unknown command '${first}'; there are run, info and boot (see kmode --help)`);
}

function parseInfo(args: readonly string[]): Command {
  let file: string | null = null;
  let json = false;
  for (const arg of args) {
    if (arg === '--help' || arg === '-h') return { name: 'help', topic: 'info' };
    if (arg === '--json') json = true;
    else if (arg.startsWith('-')) throw new UsageError(`kmode info: unknown option '${arg}'`);
    else if (file !== null) throw new UsageError(`kmode info: one file expected, '${arg}' is a second one`);
    else file = arg;
  }
  if (file === null) throw new UsageError('kmode info: which file?');
  return { name: 'info', file, json };
}

function parseRun(args: readonly string[]): Command {
  const out: RunCommand = {
    name: 'run',
    file: '',
    device: null,
    operations: [],
    unload: false,
    with: [],
    shutdown: false,
    trace: null,
    cycles: null,
    cpus: 1,
    scheduleSeed: 1,
    verifier: true,
    requester: 'user',
    inject: { pool: 0, map: 0, lower: 0, object: 0 },
    account: 'administrator',
    injectSeed: 1,
    json: false,
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const option = equals < 0 ? arg : arg.slice(0, equals);
    const value = (): string => {
      if (equals >= 0) return arg.slice(equals + 1);
      const next = args[++i];
      if (next === undefined) throw new UsageError(`kmode run: ${option} needs a value`);
      return next;
    };
    const flag = (): true => {
      if (equals >= 0) throw new UsageError(`kmode run: ${option} takes no value`);
      return true;
    };
    switch (option) {
      case '--help':
      case '-h':
        return { name: 'help', topic: 'run' };
      case '--ioctl':
        out.operations.push(parseIoctl(value()));
        break;
      case '--read':
        {
          const [length, offset] = parseAt(value(), '--read');
          out.operations.push({ kind: 'read', length: parseNumber(length, '--read', 0x7fffffff), offset });
        }
        break;
      case '--write':
        {
          const [data, offset] = parseAt(value(), '--write');
          out.operations.push({ kind: 'write', data: parseHex(data, '--write'), offset });
        }
        break;
      case '--device':
        out.device = value();
        break;
      case '--unload':
        out.unload = flag();
        break;
      case '--with':
        out.with.push(value());
        break;
      case '--shutdown':
        out.shutdown = flag();
        break;
      case '--trace':
        out.trace = value();
        break;
      case '--cycles':
        out.cycles = parseNumber(value(), '--cycles', Number.MAX_SAFE_INTEGER);
        break;
      case '--cpus':
        out.cpus = parseNumber(value(), '--cpus', MAX_CPUS);
        if (out.cpus < 1) throw new UsageError(`--cpus: there are 1 to ${MAX_CPUS} processors`);
        break;
      case '--schedule-seed':
        out.scheduleSeed = parseNumber(value(), '--schedule-seed', 0xffffffff);
        break;
      case '--verifier': {
        const wanted = value();
        if (wanted !== 'on' && wanted !== 'off') throw new UsageError(`--verifier: 'on' or 'off' expected, not '${wanted}'`);
        out.verifier = wanted === 'on';
        break;
      }
      case '--requester': {
        const wanted = value();
        if (wanted !== 'user' && wanted !== 'kernel')
          throw new UsageError(`--requester: 'user' or 'kernel' expected, not '${wanted}'`);
        out.requester = wanted;
        break;
      }
      case '--account': {
        const wanted = value();
        if (wanted !== 'administrator' && wanted !== 'user' && wanted !== 'system')
          throw new UsageError(`--account: 'administrator', 'user' or 'system' expected, not '${wanted}'`);
        out.account = wanted;
        break;
      }
      case '--inject':
        parseInject(value(), out.inject);
        break;
      case '--inject-seed':
        out.injectSeed = parseNumber(value(), '--inject-seed', 0xffffffff);
        break;
      case '--json':
        out.json = flag();
        break;
      default:
        if (arg.startsWith('-')) throw new UsageError(`kmode run: unknown option '${option}' (see kmode run --help)`);
        if (out.file !== '') throw new UsageError(`kmode run: one driver expected, '${arg}' is a second one`);
        out.file = arg;
    }
  }
  if (out.file === '') throw new UsageError('kmode run: which driver? (kmode run FILE.sys)');
  if (!out.verifier && Object.values(out.inject).some(oneIn => oneIn !== 0))
    throw new UsageError('--inject works with the verifier, which --verifier off takes away');
  return out;
}

/** `pool:1/50,map:1/20` */
function parseInject(text: string, into: RunCommand['inject']): void {
  for (const part of text.split(',')) {
    const found = /^(pool|map|lower|object):1\/(\d+)$/.exec(part);
    const oneIn = found === null ? 0 : Number(found[2]);
    if (found === null || oneIn < 1 || oneIn > 0xffffffff)
      throw new UsageError(`--inject: '${part}' is not pool:1/N, map:1/N, lower:1/N or object:1/N`);
    into[found[1] as keyof typeof into] = oneIn;
  }
}

/** `WHAT[@OFFSET]` */
function parseAt(text: string, option: string): [string, number] {
  const at = text.indexOf('@');
  return at < 0 ? [text, 0] : [text.slice(0, at), parseNumber(text.slice(at + 1), option, Number.MAX_SAFE_INTEGER)];
}

/** `CODE[:HEX[:LENGTH]]` */
function parseIoctl(text: string): Operation {
  const parts = text.split(':');
  if (parts.length > 3) throw new UsageError(`--ioctl ${text}: CODE, CODE:HEX or CODE:HEX:LENGTH expected`);
  const code = parseNumber(parts[0]!, '--ioctl', 0xffffffff);
  const input = parseHex(parts[1] ?? '', '--ioctl');
  const outputLength = parts[2] === undefined ? Math.max(4096, input.length) : parseNumber(parts[2], '--ioctl', 0x7fffffff);
  return { kind: 'ioctl', code, input, outputLength };
}

/** Decimal, or hexadecimal with 0x; `_` may group digits. */
function parseNumber(text: string, option: string, max: number): number {
  const digits = text.replace(/_/g, '');
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(digits) ? Number(digits) : NaN;
  if (!(value <= max)) throw new UsageError(`${option}: '${text}' is not a number from 0 to ${max}`);
  return value;
}

/** Bytes as pairs of hexadecimal digits; spaces may separate them. */
function parseHex(text: string, option: string): Uint8Array {
  const digits = text.replace(/^0x/i, '').replace(/[\s_]/g, '');
  if (digits.length % 2 !== 0)
    throw new UsageError(`${option}: '${text}' has an odd number of hexadecimal digits; each byte takes two`);
  if (!/^[0-9a-f]*$/i.test(digits)) throw new UsageError(`${option}: '${text}' is not hexadecimal bytes (like 0a000000)`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
