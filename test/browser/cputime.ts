/** Processor time that a browser uses, for tests of what an idle page costs. Linux: from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks a second of /proc's times: 100 on every Linux that Node runs on (USER_HZ). */
const TICKS = 100;

interface ProcessTimes {
  parent: number;
  seconds: number;
}

function processTimes(): Map<number, ProcessTimes> {
  const all = new Map<number, ProcessTimes>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    if (stat === null) continue;
    // proc(5): the name, in parentheses, may have spaces; the parent is field 4, utime 14, stime 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    all.set(Number(name), { parent: Number(fields[1]), seconds: (Number(fields[11]) + Number(fields[12])) / TICKS });
  }
  return all;
}

/** Processes come and go between listing and reading. */
function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH') return null;
    throw error;
  }
}

/** Seconds of processor time that the process whose command line has `marker`, and all below it, have used. */
export function cpuSeconds(marker: string): number {
  const all = processTimes();
  const roots = [...all.keys()].filter(pid => pid !== process.pid && read(`/proc/${pid}/cmdline`)?.includes(marker));
  if (roots.length === 0) throw new Error(`no process has ${marker} in its command line`);
  const family = new Set(roots);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, { parent }] of all) {
      if (family.has(pid) || !family.has(parent)) continue;
      family.add(pid);
      grown = true;
    }
  }
  return [...family].reduce((sum, pid) => sum + (all.get(pid)?.seconds ?? 0), 0);
}
