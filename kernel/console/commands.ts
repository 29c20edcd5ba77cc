/** The console's commands: one table, from which the dispatch and `help` derive. */
import { GuestFault } from '../../hal/bus/memory.ts';
import { OP_IOCTL, OP_READ, OP_WRITE } from '../../hal/bus/requests.ts';
import type { Kernel } from '../kernel.ts';
import { findOffer, offeredFiles } from './offers.ts';
import { requestRows, startCancel, startLoad, startTransfer, startUnload } from './requests.ts';
import { address, columns, CommandError, count, parseBytes, parseNumber, type Word, words } from './text.ts';
import * as views from './views.ts';

/** What a command gives: lines to show; nothing when it has started a request whose end will speak; or text for the terminal as it is. */
export type Result = string[] | null | { raw: string };

interface Command {
  name: string;
  /** As `help` shows them; [x] may be left out. */
  arguments?: string;
  help: string;
  /** How many words may follow the name. */
  words: readonly [min: number, max: number];
  run(k: Kernel, given: readonly Word[], line: string): Result;
}

/** Output buffer of an ioctl when no length is given, and the longest one. */
const DEFAULT_OUTPUT = 4096, MAX_TRANSFER = 0x100000;
/** Bytes that `mem` shows by itself, and at most. */
const DEFAULT_MEMORY = 128, MAX_MEMORY = 0x1000;
const CLEAR_SCREEN = '\x1b[2J\x1b[H';

const offered = (k: Kernel): string[] => columns(offeredFiles(k).map(f => [`  ${f.name}`, count(f.length, 'byte')]));

const COMMANDS: readonly Command[] = [
  {
    name: 'help',
    arguments: '[COMMAND]',
    help: 'lists the commands, or says what one does',
    words: [0, 1],
    run: (_k, [name]) => (name === undefined ? overview() : [usage(find(name.text)), `  ${find(name.text).help}`]),
  },
  { name: 'drivers', help: 'loaded images with base, size and driver object', words: [0, 0], run: k => views.drivers(k) },
  { name: 'devices', help: 'device objects with their driver and type', words: [0, 0], run: k => views.devices(k) },
  { name: 'devtree', help: 'the Plug and Play tree with drivers and states', words: [0, 0], run: k => views.devtree(k) },
  { name: 'threads', help: 'threads with process, state, priority and start routine', words: [0, 0], run: k => views.threads(k) },
  {
    name: 'objects',
    arguments: '[PATH]',
    help: 'lists a directory of the object namespace (\\ without a path)',
    words: [0, 1],
    run: (k, [path]) => views.objects(k, path?.text ?? '\\'),
  },
  {
    name: 'load',
    arguments: '[NAME]',
    help: 'loads a driver that was offered to the machine; lists what is offered without a name',
    words: [0, 1],
    run(k, [name]) {
      const files = offeredFiles(k);
      if (name === undefined) return files.length ? ['offered:', ...offered(k)] : ['nothing is offered: drop a .sys file on the page'];
      const file = findOffer(files, name.text);
      if (file === undefined) throw new CommandError(`no driver ${name.text} is offered${files.length ? '; there are:' : ': drop a .sys file on the page'}${files.map(f => ` ${f.name}`).join('')}`);
      startLoad(k, serviceName(file.name), file);
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
    arguments: 'NAME LENGTH',
    help: 'opens a device and reads; NAME is a driver, a Win32 name (\\\\.\\Echo) or a path (\\Device\\Echo)',
    words: [2, 2],
    run(k, [name, length]) {
      startTransfer(k, { op: OP_READ, target: name!.text, outLength: parseNumber(length!.text, 'LENGTH', MAX_TRANSFER) });
      return null;
    },
  },
  {
    name: 'write',
    arguments: 'NAME HEX|"TEXT"',
    help: 'opens a device and writes bytes (0a0b0c) or text to it',
    words: [2, Infinity],
    run(k, [name, ...data]) {
      startTransfer(k, { op: OP_WRITE, target: name!.text, input: parseBytes(data) });
      return null;
    },
  },
  {
    name: 'ioctl',
    arguments: 'NAME CODE [HEX|"TEXT"]',
    help: `opens a device and sends a control code with input bytes; the output buffer has ${DEFAULT_OUTPUT} bytes`,
    words: [2, Infinity],
    run(k, [name, code, ...data]) {
      startTransfer(k, { op: OP_IOCTL, target: name!.text, code: parseNumber(code!.text, 'CODE'), outLength: DEFAULT_OUTPUT, input: parseBytes(data) });
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
    help: 'shows memory; ADDRESS is hexadecimal or a symbol (nt!KeTickCount)',
    words: [1, 2],
    run: (k, [at, length]) => views.memory(k, views.addressOf(k, at!.text), length === undefined ? DEFAULT_MEMORY : parseNumber(length.text, 'LENGTH', MAX_MEMORY)),
  },
  { name: 'time', help: 'the system time', words: [0, 0], run: k => views.time(k) },
  { name: 'uptime', help: 'time since the system came up', words: [0, 0], run: k => views.uptime(k) },
  { name: 'clear', help: 'clears the screen', words: [0, 0], run: () => ({ raw: CLEAR_SCREEN }) },
];

/** `echo` of `echo.sys`. */
const serviceName = (name: string): string => name.replace(/\.sys$/i, '');

const usage = (c: Command): string => (c.arguments ? `${c.name} ${c.arguments}` : c.name);

function overview(): string[] {
  const rows = COMMANDS.map(c => [usage(c), c.help]);
  return [...columns(rows), `Keys: arrows, Home, End, Ctrl+U clears the line, Ctrl+C abandons it or stops waiting for a request.`];
}

function find(name: string): Command {
  const command = COMMANDS.find(c => c.name === name.toLowerCase());
  if (command === undefined) throw new CommandError(`'${name}' is not a command; 'help' lists them`);
  return command;
}

/** Carries a line out. What the person did wrong comes back as text, and so does a list in guest memory that leads nowhere. */
export function runCommand(k: Kernel, line: string): Result {
  try {
    const [name, ...given] = words(line);
    if (name === undefined) return null;
    const command = find(name.text);
    const [min, max] = command.words;
    if (given.length < min || given.length > max) throw new CommandError(`usage: ${usage(command)}`);
    return command.run(k, given, line);
  } catch (e) {
    if (e instanceof CommandError) return [e.message];
    if (e instanceof GuestFault) return [`the kernel's lists lead to ${address(e.address)}, which is not mapped`];
    throw e;
  }
}
