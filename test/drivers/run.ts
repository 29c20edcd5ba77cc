/** `npx tsx test/drivers/run.ts NAME [CASE] [--cpus N]`: runs a test driver and shows what it says. Without a case, all of them; without processors, 1 and 4. */
import { documentedOutcomes } from './outcomes.ts';
import { PROCESSORS, runDriver, testDriver } from './suite.ts';

const args = process.argv.slice(2);
const cpus = args.indexOf('--cpus');
const processors = cpus < 0 ? PROCESSORS : [Number(args.splice(cpus, 2)[1])];
const [name, only] = args;
if (name === undefined) throw new Error('usage: npx tsx test/drivers/run.ts NAME [CASE] [--cpus N]');
const driver = await testDriver(name);
const documented = documentedOutcomes();
for (const count of processors) {
  for (let testCase = 0; testCase < driver.cases; testCase++) {
    if (only !== undefined && Number(only) !== testCase) continue;
    const { lines, failures, passed } = runDriver(driver, testCase, count);
    console.log(`== ${name}, case ${testCase}, ${count} processors\n${lines.join('\n')}`);
    const unknown = passed.filter(p => !documented.get(p.split('|')[0]!)?.includes(p.split('|')[1]!));
    for (const pair of unknown) console.log(`NOT LISTED in kernel/outcomes: ${pair}`);
    for (const failure of failures) console.log(`FAILED: ${failure}`);
    console.log(`${passed.length} outcomes seen, ${failures.length} failures`);
    if (failures.length > 0 || unknown.length > 0) process.exitCode = 1;
  }
}
