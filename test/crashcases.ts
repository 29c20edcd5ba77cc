import { readFileSync } from 'node:fs';

/** A way in which the `crash` sample stops the machine, as the tables of its README say it: the tests compare them with what happens. */
export interface CrashCase {
  /** As it is written: `0x222048`. */
  ioctl: string;
  /** What the driver does. */
  what: string;
  /** Bug check: number and name. */
  code: number;
  name: string;
  /** The cell of parameter 1. */
  parameter: string;
  /** Title of the card's rule; null for those of the first table. */
  title: string | null;
  /** Routine of the driver in which the mistake was made: where the way back from the stop leads to. */
  back: string;
  /** The stop comes when the driver is unloaded. */
  unload: boolean;
}

const README = new URL('../samples/crash/README.md', import.meta.url);

/** All cases, in the order of the README. */
export function crashCases(): CrashCase[] {
  let rules = false;
  const cases: CrashCase[] = [];
  for (const line of readFileSync(README, 'utf8').split('\n')) {
    if (line.startsWith('## Rules')) rules = true;
    if (!line.startsWith('| 0x222')) continue;
    const cells = line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim());
    const [ioctl, what, stop, parameter] = cells as [string, string, string, string];
    const [code, name] = stop.split(' ');
    cases.push({
      ioctl,
      what,
      code: Number(code),
      name: name!,
      parameter,
      title: rules ? cells[4]! : null,
      back: cells.at(-1)!.replaceAll('`', ''),
      unload: what.includes('--unload'),
    });
  }
  return cases;
}
