/** The console's commands: one table, from which the dispatch and `help` derive. */
import { bigIntToAddress, GuestFault } from '../../hal/bus/memory.ts';
import { offsetFields, OP_IOCTL, OP_READ, OP_WRITE } from '../../hal/bus/requests.ts';
import { CommandError, debugCommand, commands as DEBUGGER } from '../debug/index.ts';
import { evaluate } from '../debug/text.ts';
import type { Kernel } from '../kernel.ts';
import { findOffer, offeredFiles } from './offers.ts';
import { requestRows, startCancel, startLoad, startTransfer, startUnload } from './requests.ts';
import { address, columns, count, parseBytes, parseNumber, type Word, words } from './text.ts';
import * as views from './views.ts';

/** What a command gives: lines to show; nothing when it has started a request whose end will speak; or text for the terminal as it is. */
export type Result = string[] | null | { raw: string };

interface Command {
  name: string;
  /** As `help` shows them; [x] may be left out. */
  arguments?: string;
  /** A few words for the list. */
  help: string;
  /** What `help COMMAND` says beyond that. */
  more?: readonly string[];
  /** How many words may follow the name. */
  words: readonly [min: number, max: number];
  run(k: Kernel, given: readonly Word[]): Result;
}

/** Output buffer of an ioctl when no length is given, and the longest one. */
const DEFAULT_OUTPUT = 4096,
  MAX_TRANSFER = 0x100000;
/** Bytes that `mem` shows by itself, and at most. */
const DEFAULT_MEMORY = 128,
  MAX_MEMORY = 0x1000;
const CLEAR_SCREEN = '\x1b[2J\x1b[H';
const OFFSET = 'N is the byte at which to begin; without it, 0.';

const isOffset = (word: Word | undefined): boolean => word !== undefined && !word.quoted && word.text.startsWith('@');

/** `@0x200`: the fields of the request that say where it begins. */
function parseOffset(word: Word | undefined): { code?: number; flags?: number } {
  if (word === undefined) return {};
  if (!isOffset(word)) throw new CommandError(`@N expected, like @0x200, not '${word.text}'`);
  return offsetFields(BigInt(parseNumber(word.text.slice(1), 'N', 2 ** 53)));
}

const NAME = 'NAME is a driver (echo), a Win32 name (\\\\.\\Echo) or a path of the namespace (\\Device\\Echo).';

const offered = (k: Kernel): string[] => columns(offeredFiles(k).map(f => [`  ${f.name}`, count(f.length, 'byte')]));

const COMMANDS: readonly Command[] = [
  {
    name: 'help',
    arguments: '[COMMAND]',
    help: 'lists the commands, or explains one',
    words: [0, 1],
    run: (k, [name]) => (name === undefined ? overview() : explain(k, name.text)),
  },
  { name: 'drivers', help: 'loaded images with base, size and driver object', words: [0, 0], run: k => views.drivers(k) },
  { name: 'devices', help: 'device objects with their driver and type', words: [0, 0], run: k => views.devices(k) },
  { name: 'devtree', help: 'the Plug and Play tree with drivers and states', words: [0, 0], run: k => views.devtree(k) },
  { name: 'threads', help: 'threads with state, priority and start routine', words: [0, 0], run: k => views.threads(k) },
  {
    name: 'objects',
    arguments: '[PATH]',
    help: 'lists a directory of the object namespace',
    more: ['Without PATH: the root. Of an object that is no directory it shows type and address.'],
    words: [0, 1],
    run: (k, [path]) => views.objects(k, path?.text ?? '\\'),
  },
  {
    name: 'load',
    arguments: '[NAME [ID]...]',
    help: 'loads an offered driver; alone: lists them',
    more: [
      'A file is offered by dropping it on the page; its name without .sys is that of the service.',
      'ID: hardware ids of the devices that it drives (PCI\\VEN_1234&DEV_11E8); without any it is tried',
      'on every PCI device that has no driver.',
    ],
    words: [0, Infinity],
    run(k, [name, ...ids]) {
      const files = offeredFiles(k);
      if (name === undefined)
        return files.length ? ['offered:', ...offered(k)] : ['nothing is offered: drop a .sys file on the page'];
      const file = findOffer(files, name.text);
      if (file === undefined)
        throw new CommandError(
          `no driver ${name.text} is offered${files.length ? '; there are:' : ': drop a .sys file on the page'}${files.map(f => ` ${f.name}`).join('')}`,
        );
      startLoad(
        k,
        serviceName(file.name),
        file,
        ids.map(id => id.text),
      );
      return null;
    },
  },
  {
    name: 'unload',
    arguments: 'NAME',
    help: 'unloads a driver, its devices first',
    words: [1, 1],
    run(k, [name]) {
      startUnload(k, serviceName(name!.text));
      return null;
    },
  },
  {
    name: 'read',
    arguments: 'NAME LENGTH [@N]',
    help: 'opens a device, reads from it and closes it',
    more: [NAME, OFFSET],
    words: [2, 3],
    run(k, [name, length, at]) {
      startTransfer(k, {
        op: OP_READ,
        target: name!.text,
        outLength: parseNumber(length!.text, 'LENGTH', MAX_TRANSFER),
        ...parseOffset(at),
      });
      return null;
    },
  },
  {
    name: 'write',
    arguments: 'NAME HEX|"TEXT" [@N]',
    help: 'opens a device, writes bytes or text, closes it',
    more: [
      NAME,
      'HEX is pairs of digits: 0a0b0c. In a text \\n, \\r, \\t, \\0, \\" and \\\\ stand for what they do in C.',
      OFFSET,
    ],
    words: [2, Infinity],
    run(k, [name, ...data]) {
      const at = isOffset(data.at(-1)) ? data.pop() : undefined;
      startTransfer(k, { op: OP_WRITE, target: name!.text, input: parseBytes(data), ...parseOffset(at) });
      return null;
    },
  },
  {
    name: 'ioctl',
    arguments: 'NAME CODE [HEX|"TEXT"]',
    help: 'opens a device, sends a control code, closes it',
    more: [NAME, `CODE is decimal or 0x...; then the input. The output buffer has ${DEFAULT_OUTPUT} bytes.`],
    words: [2, Infinity],
    run(k, [name, code, ...data]) {
      startTransfer(k, {
        op: OP_IOCTL,
        target: name!.text,
        code: parseNumber(code!.text, 'CODE'),
        outLength: DEFAULT_OUTPUT,
        input: parseBytes(data),
      });
      return null;
    },
  },
  {
    name: 'requests',
    help: 'requests that have not ended',
    words: [0, 0],
    run(k) {
      const rows = requestRows(k);
      return rows.length ? columns(rows, [0]) : ['none is outstanding'];
    },
  },
  {
    name: 'cancel',
    arguments: 'N',
    help: 'cancels a request that is pending',
    words: [1, 1],
    run(k, [number]) {
      startCancel(k, parseNumber(number!.text, 'N'));
      return null;
    },
  },
  {
    name: 'mem',
    arguments: 'ADDRESS [LENGTH]',
    help: 'shows memory',
    more: [
      `ADDRESS is hexadecimal, a symbol (nt!IoFileObjectType), or a sum of these. ${DEFAULT_MEMORY} bytes unless said; ?? cannot be read.`,
    ],
    words: [1, 2],
    run: (k, [at, length]) =>
      views.memory(
        k,
        addressOf(k, at!.text),
        length === undefined ? DEFAULT_MEMORY : parseNumber(length.text, 'LENGTH', MAX_MEMORY),
      ),
  },
  { name: 'time', help: 'the system time', words: [0, 0], run: k => views.time(k) },
  { name: 'uptime', help: 'time since the system came up', words: [0, 0], run: k => views.uptime(k) },
  { name: 'clear', help: 'clears the screen', words: [0, 0], run: () => ({ raw: CLEAR_SCREEN }) },
];

/** `echo` of `echo.sys`. */
const serviceName = (name: string): string => name.replace(/\.sys$/i, '');

const usage = (c: { name: string; arguments?: string }): string => (c.arguments ? `${c.name} ${c.arguments}` : c.name);

function addressOf(k: Kernel, text: string): number {
  const value = evaluate(k, text);
  const signed = BigInt.asIntN(64, value);
  if (BigInt.asIntN(48, signed) !== signed) throw new CommandError(`'${text}' is no address: bits 47 to 63 must be equal`);
  return bigIntToAddress(value);
}

/** The debugger's commands, without those that the console has itself under the same name. */
const debuggerNames = (): string[] => DEBUGGER.map(c => c.name).filter(name => !COMMANDS.some(c => c.name === name));

/** Words as lines of at most 78 characters. */
function fill(names: readonly string[]): string[] {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last === undefined || last.length + name.length > 77) lines.push(`  ${name}`);
    else lines[lines.length - 1] = `${last} ${name}`;
  }
  return lines;
}

function overview(): string[] {
  return [
    ...columns(COMMANDS.map(c => [usage(c), c.help])),
    'Debugger commands (help !irp explains one):',
    ...fill(debuggerNames()),
    'Keys: arrows, Home, End. Ctrl+U clears the line, Ctrl+C abandons it or stops',
    'waiting for a request.',
  ];
}

function explain(k: Kernel, name: string): string[] {
  const own = COMMANDS.find(c => c.name === name.toLowerCase());
  if (own === undefined && debuggerNames().some(n => n === name || n === `!${name}`)) return debugCommand(k, `help ${name}`);
  if (own === undefined) throw unknown(name);
  return [usage(own), ...[own.help, ...(own.more ?? [])].map(line => `    ${line}`)];
}

const unknown = (name: string): CommandError => new CommandError(`'${name}' is not a command; 'help' lists them`);

/** Carries a line out. What the person did wrong comes back as text, and so does a list in guest memory that leads nowhere. */
export function runCommand(k: Kernel, line: string): Result {
  try {
    const first = line.trim().split(/\s+/)[0]!;
    if (first === '') return null;
    const command = COMMANDS.find(c => c.name === first.toLowerCase());
    if (command === undefined) {
      if (debuggerNames().includes(first)) return debugCommand(k, line);
      throw unknown(first);
    }
    const given = words(line).slice(1);
    const [min, max] = command.words;
    if (given.length < min || given.length > max) throw new CommandError(`usage: ${usage(command)}`);
    return command.run(k, given);
  } catch (e) {
    if (e instanceof CommandError) return [e.message];
    if (e instanceof GuestFault) return [`the kernel's lists lead to ${address(e.address)}, which is not mapped`];
    throw e;
  }
}
