import { describe, expect, it } from 'vitest';
import { documentedOutcomes } from './outcomes.ts';
import { driverNames, isCurrent, PROCESSORS, runDriver, testDriver } from './suite.ts';

const documented = documentedOutcomes();

describe.each(driverNames())('test driver %s', name => {
  it('is built from its present source', () => {
    expect(isCurrent(name), `run test/drivers/build.sh ${name}`).toBe(true);
  });

  it.each(PROCESSORS)('finds the kernel as documented on %i processors', async processors => {
    const driver = await testDriver(name);
    for (let testCase = 0; testCase < driver.cases; testCase++) {
      const { failures, passed } = runDriver(driver, testCase, processors);
      expect(failures, `case ${testCase}`).toEqual([]);
      const unknown = passed.filter(pair => {
        const [routine, outcome] = pair.split('|');
        return !documented.get(routine!)?.includes(outcome!);
      });
      expect(unknown, 'outcomes that kernel/outcomes/ does not list').toEqual([]);
    }
  });
});
