import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../emulator/cli/args.ts';
import { runDriver, runText } from '../../emulator/cli/run.ts';
import { crashCases } from '../crashcases.ts';
import { sample } from './support.ts';

// What `kmode run` says of every way in which `crash` stops the machine. (That the process itself ends with status 2 and these words is in crash.test.ts.)

const run = (...options: string[]) => {
  const command = parseArguments(['run', sample('crash'), ...options]);
  if (command.name !== 'run') throw new Error('this is not a run');
  const report = runDriver(command);
  return { report, text: runText(report, command) };
};

describe('the command line', () => {
  it.each(crashCases())('tells of "$what"', row => {
    const { report, text } = run('--ioctl', row.ioctl, ...(row.unload ? ['--unload'] : []));
    expect(report.ok).toBe(false);
    const b = report.bugcheck!;
    expect([Number(b.code), b.name, b.driver]).toEqual([row.code, row.name, 'crash.sys']);
    expect(b.card).not.toBeNull();
    if (row.title !== null) expect(b.card!.title).toBe(row.title);
    expect(b.cause).not.toBeNull();
    expect(b.cause!.symbol!.replace(/\+.*/, '')).toBe(`crash!${row.back}`);
    expect(text).toContain(`*** STOP ${b.code} ${row.name}`);
    expect(text).toContain(`    rule        ${b.card!.title}\n`);
    expect(text).toContain(`    cause       ${b.cause!.symbol} at cycle ${b.cause!.cycle}, processor ${b.cause!.cpu}: `);
  });
});
