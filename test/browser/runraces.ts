/**
 * npm run races: the races sample over many schedule seeds. Each seed is run twice, and (with --chromium) once in Chromium too; all must leave the same result and state. Under a lock
 * there is one result.
 *
 *     npm run -s races -- --seeds 1000 --chromium
 */
import { launchChromium } from './chromium.ts';
import { raceInChromium } from './raceinchromium.ts';
import { racesDriver } from '../races/driver.ts';
import { INTERLOCKED, LOCKED, race } from '../races/race.ts';
import type { Outcome } from '../races/race.ts';

const args = process.argv.slice(2);
const seedsAt = args.indexOf('--seeds');
const count = seedsAt < 0 ? 1000 : Number(args[seedsAt + 1]);
if (!(Number.isInteger(count) && count > 0)) {
  console.error('races: --seeds takes a whole number above 0');
  process.exit(2);
}

const driver = racesDriver();
const seeds = Array.from({ length: count }, (_, i) => i + 1);
const same = (a: Outcome, b: Outcome): boolean => a.counter === b.counter && a.hash === b.hash;
const problems: string[] = [];
const progress = (text: string): void => void (process.stderr.isTTY && process.stderr.write(`\r${text}   `));

const outcomes: Outcome[] = [];
for (const seed of seeds) {
  const [first, second] = [race(driver, seed), race(driver, seed)];
  if (!same(first, second)) problems.push(`seed ${seed}: ${JSON.stringify(first)}, then ${JSON.stringify(second)}`);
  outcomes.push(first);
  progress(`${seed} of ${count} seeds`);
}
const results = new Set(outcomes.map(o => o.counter));
const { expected } = outcomes[0]!;
console.log(
  `without a lock: ${results.size} results over ${count} seeds, ${Math.min(...results)} to ${Math.max(...results)} of ${expected}; each seed twice`,
);

for (const [name, code] of [
  ['under a spin lock', LOCKED],
  ['interlocked', INTERLOCKED],
] as const) {
  const locked = new Set(seeds.map(seed => race(driver, seed, code).counter));
  console.log(`${name}: ${[...locked].join(', ')} over ${count} seeds`);
  if (locked.size !== 1 || !locked.has(expected)) problems.push(`${name} there is more than one result, or not ${expected}`);
}

if (args.includes('--chromium')) {
  const browser = await launchChromium();
  try {
    const CHUNK = 50;
    for (let at = 0; at < count; at += CHUNK) {
      const part = seeds.slice(at, at + CHUNK);
      const there = await raceInChromium(browser.context, part);
      part.forEach((seed, i) => {
        if (!same(outcomes[at + i]!, there[i]!))
          problems.push(`seed ${seed}: ${JSON.stringify(outcomes[at + i])} in Node, ${JSON.stringify(there[i])} in Chromium`);
      });
      progress(`${at + part.length} of ${count} seeds in Chromium`);
    }
    console.log(`in Chromium: the same results and states over ${count} seeds`);
  } finally {
    await browser.close();
  }
}

for (const problem of problems) console.error(`races: ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
