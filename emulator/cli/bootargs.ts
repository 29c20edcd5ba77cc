import { UsageError } from './usage.ts';

export interface BootCommand {
  name: 'boot';
  /** The multiboot image. */
  file: string;
  cpus: number;
  scheduleSeed: number | null;
  append: string;
  ramBytes: number | null;
  serial: 'stdio' | 'none';
  initrd: string[];
  /** Guest seconds; null: no limit. */
  limit: number | null;
}

export const BOOT_USAGE = `kmode boot --multiboot FILE [options]   boot a multiboot 1 image (ELF32, ELF64, or with load addresses in its header) on a PC

Options:
  --cpus N             processors, 1 to 8 (default: 1)
  --schedule-seed S    how the processors are interleaved
  --append TEXT        the guest's command line
  --memory M           RAM: a number of MiB, or with K, M or G behind it (default: 128M)
  --initrd FILE        a module for the guest; may be given more than once
  --serial stdio|none  where COM1 goes (default: stdio)
  --limit SECONDS      end after that much guest time (default: none)

Exit status: what the guest writes to the debug-exit port F4h, times two, plus one (as QEMU's isa-debug-exit). So an even one is ours:
0 the guest turned the power off or reset the machine, 2 it can never go on (triple fault, or halted for ever), 64 wrong usage or bad file, 124 the limit.
`;

const UNITS: { readonly [unit: string]: number } = { '': 2 ** 20, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Parses the arguments after `kmode boot`; null asks for help. Throws a {@link UsageError} that names the argument. */
export function parseBoot(args: readonly string[]): BootCommand | null {
  const out: BootCommand = {
    name: 'boot',
    file: '',
    cpus: 1,
    scheduleSeed: null,
    append: '',
    ramBytes: null,
    serial: 'stdio',
    initrd: [],
    limit: null,
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const option = equals < 0 ? arg : arg.slice(0, equals);
    const value = (): string => {
      if (equals >= 0) return arg.slice(equals + 1);
      const next = args[++i];
      if (next === undefined) throw new UsageError(`kmode boot: ${option} needs a value`);
      return next;
    };
    switch (option) {
      case '--help':
      case '-h':
        return null;
      case '--multiboot':
        if (out.file !== '') throw new UsageError('kmode boot: --multiboot is given twice');
        out.file = value();
        break;
      case '--cpus':
        out.cpus = whole(value(), option, 1, 8);
        break;
      case '--schedule-seed':
        out.scheduleSeed = whole(value(), option, 0, 0xffffffff);
        break;
      case '--append':
        out.append = value();
        break;
      case '--memory':
        out.ramBytes = memory(value());
        break;
      case '--serial': {
        const where = value();
        if (where !== 'stdio' && where !== 'none') throw new UsageError(`kmode boot: --serial is stdio or none, not '${where}'`);
        out.serial = where;
        break;
      }
      case '--initrd':
        out.initrd.push(value());
        break;
      case '--limit': {
        const text = value(),
          seconds = Number(text);
        if (!(seconds > 0) || !Number.isFinite(seconds))
          throw new UsageError(`kmode boot: --limit '${text}' is not a number of seconds above 0`);
        out.limit = seconds;
        break;
      }
      default:
        throw new UsageError(
          arg.startsWith('-')
            ? `kmode boot: unknown option '${option}' (see kmode boot --help)`
            : `kmode boot: '${arg}' is not an option; the image is given as --multiboot FILE`,
        );
    }
  }
  if (out.file === '') throw new UsageError('kmode boot: which image? (kmode boot --multiboot FILE)');
  return out;
}

function whole(text: string, option: string, low: number, high: number): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (!(value >= low && value <= high))
    throw new UsageError(`kmode boot: ${option} '${text}' is not a whole number from ${low} to ${high}`);
  return value;
}

function memory(text: string): number {
  const match = /^(\d+)([KMG]?)$/i.exec(text);
  const bytes = match === null ? NaN : Number(match[1]) * UNITS[match[2].toUpperCase()];
  if (!(bytes >= 2 ** 20 && bytes <= 3 * 2 ** 30) || bytes % 4096 !== 0)
    throw new UsageError(
      `kmode boot: --memory '${text}' is not an amount of RAM from 1M to 3G (a number of MiB, or with K, M or G)`,
    );
  return bytes;
}
