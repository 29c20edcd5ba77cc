/** Transactions leave nothing behind: objects, keys and records of changes are all given back, however they ended. What each routine does is shown by test/drivers/ktm*. */
import { describe, expect, it } from 'vitest';
import { Machine } from '../../emulator/index.ts';
import { driverNames, testDriver } from '../drivers/suite.ts';

/**
 * Blocks of pool in use by objects, keys, records of changes, and strings of transactions: tag, how many in nonpaged and in paged pool. Their bytes may differ by what is too little for a block
 * of its own behind one of them.
 */
const used = (machine: Machine): string =>
  machine
    .command('!poolused')
    .filter(line => ['Obje', 'CM  ', 'CMuw', 'Tmtx'].some(tag => line.includes(tag)))
    .map(line => line.trim().split(/\s+/))
    .map(([tag, nonpaged, _nonpagedBytes, paged]) => `${tag} ${nonpaged} ${paged}`)
    .join('\n');

describe('transactions', () => {
  it.each(driverNames().filter(name => name.startsWith('ktm')))('%s leaves nothing behind', async name => {
    const driver = await testDriver(name);
    const machine = Machine.create({ verifier: true, limitSeconds: 60 });
    const round = (): string => {
      machine.load(driver.bytes, name);
      driver.script.run?.(machine, { name, testCase: 0, processors: 1 });
      expect(machine.runToIdle(20)).toBe(true);
      expect(machine.unload(name).status).toBe(0);
      machine.runToIdle(5);
      return used(machine);
    };
    // The first round makes the key of the service, and whatever is kept for good.
    const first = round();
    expect(first).toContain('Obje');
    expect(round()).toBe(first);
  });
});
