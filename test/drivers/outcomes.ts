/** The documented outcomes of routines: kernel/outcomes/*.tsv, one `routine<TAB>outcome` a line; `#` begins a comment. */
import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../kernel/outcomes/', import.meta.url);

/** Outcomes by routine, in the order of the files. Throws an Error for a line that is no pair, a pair that stands twice, or a routine that two files have. */
export function documentedOutcomes(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const owner = new Map<string, string>();
  for (const file of readdirSync(FOLDER)
    .filter(f => f.endsWith('.tsv'))
    .sort()) {
    const lines = readFileSync(new URL(file, FOLDER), 'utf8').split('\n');
    lines.forEach((line, i) => {
      if (line.trim() === '' || line.startsWith('#')) return;
      const where = `kernel/outcomes/${file}:${i + 1}`;
      const [routine, outcome, ...rest] = line.split('\t');
      if (!routine || !outcome || rest.length > 0 || outcome.includes('|'))
        throw new Error(`${where}: not routine<TAB>outcome: ${line}`);
      const other = owner.get(routine);
      if (other !== undefined && other !== file) throw new Error(`${where}: ${routine} has outcomes in ${other} already`);
      owner.set(routine, file);
      const list = found.get(routine) ?? [];
      if (list.includes(outcome)) throw new Error(`${where}: ${routine} has this outcome already`);
      list.push(outcome);
      found.set(routine, list);
    });
  }
  return found;
}
