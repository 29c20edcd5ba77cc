import { beforeAll, describe, expect, it } from 'vitest';
import type { Machine } from '../../emulator/index.ts';
import { crashCases } from '../crashcases.ts';
import type { CrashCase } from '../crashcases.ts';
import { kmode, machineWith, sample } from './support.ts';

// Every rule that the verifier checks, broken by the `crash` sample: the tables of its README are what is compared.

const all = crashCases();
const rows = all.filter(row => row.title !== null);

/** Cases about things that were made, acquired or given back before: their cards say by whom. */
const WITH_PAST =
  /pool|timer|DPC|work item|resource|lookaside|acquired|two orders|below DISPATCH|held|critical region$|MDL|unlocked|common|adapter|completed twice|stack location|freed|loses|thread ends/;

describe.each([1, 4])('the rules of drivers, on %i processors', cpus => {
  let machine: Machine;
  let before: ReturnType<Machine['checkpoint']>;
  let file: ReturnType<Machine['open']>;
  beforeAll(() => {
    machine = machineWith('crash', { cpus, limitSeconds: 5 });
    file = machine.open('\\\\.\\Crash');
    before = machine.checkpoint();
  });

  /** Stops the machine in the way of the case. */
  function die(row: CrashCase): void {
    machine.restore(before);
    void machine.timeline;
    const result = file.ioctl(Number(row.ioctl));
    if (!row.unload) return expect(result.outcome).toBe('bugcheck');
    expect(result.outcome).toBe('done');
    file.close();
    expect(machine.unload('crash').outcome).toBe('bugcheck');
  }

  it.each(rows)('$what: $name', row => {
    die(row);
    const b = machine.bugCheck()!;
    expect(b.code).toBe(row.code);
    expect(b.name).toBe(row.name);
    expect(b.driver).toBe('crash.sys');
    expect(b.routine).toMatch(/^crash!/);
    const subcode = /(?:parameter 4: )?(0x[0-9A-F]+|\d+)\b/.exec(row.parameter);
    if (subcode !== null) expect(b.parameters[row.parameter.startsWith('parameter 4') ? 3 : 0]).toBe(BigInt(subcode[1]!));
    const card = b.card!;
    expect(card.title).toBe(row.title);
    expect(card.rule).not.toBe('');
    expect(card.mend).not.toBe('');
    expect(card.where).toContain('crash!');
    if (WITH_PAST.test(row.title!)) {
      for (const e of card.before) {
        expect(e.cycle).toBeLessThanOrEqual(b.cycle);
        expect(e.stack.length).toBeGreaterThan(0);
      }
    }
    const told = machine.command('!analyze').join('\n');
    expect(told).toContain(`BROKEN RULE: ${row.title}`);
    for (const e of card.before) expect(told).toContain(e.what);
  });

  it.each(all)('the way back from "$what" leads to $back', row => {
    die(row);
    const stop = machine.bugCheck()!;
    expect(machine.control.toCause()).toMatchObject({ reason: 'step' });
    expect(machine.bugCheck()).toBeNull();
    const { rip, cycle } = machine.cpus[stop.cause!.cpu]!;
    expect(machine.guest.symbolAt(rip)!.replace(/\+.*/, '')).toBe(`crash!${row.back}`);
    expect(cycle).toBeLessThan(stop.cycle);
    // And forward again to the same stop.
    machine.timeline.run(stop.cycle + 1_000_000);
    expect(machine.bugCheck()).toEqual(stop);
  });
});

describe('a card', () => {
  /** What the driver did before, by case: the routine that must be on a stack of the card. */
  const PAST: readonly (readonly [ioctl: number, what: RegExp, routine: RegExp])[] = [
    [0x222018, /64 bytes of nonpaged pool .*allocated/, /crash!PoolOverrun/],
    [0x222020, /freed/, /crash!PoolUseAfterFree/],
    [0x222034, /timer .* set/, /crash!TimerFreed/],
    [0x222040, /resource .* initialized/, /crash!ResourceFreed/],
    [0x222048, /acquired while .* was held/, /crash!SpinLockOrder/],
    [0x222074, /region entered/, /crash!RegionKept/],
    [0x222094, /locked/, /crash!MdlLockedTwice/],
    [0x2220a0, /freed/, /crash!CommonBufferFreedTwice/],
    [0x2220dc, /freed/, /crash!IrpTouched/],
  ];

  it.each(PAST)('of IOCTL %d leads back to what was done before', (ioctl, what, routine) => {
    const machine = machineWith('crash');
    void machine.timeline;
    machine.open('\\\\.\\Crash').ioctl(ioctl);
    const event = machine.bugCheck()!.card!.before.findLast(e => what.test(e.what))!;
    expect(event.stack.map(f => f.symbol).join(' ')).toMatch(routine);
    // The machine goes back to just before it: the driver stands in the call.
    machine.timeline.goTo(event.cycle - 1);
    expect(machine.bugCheck()).toBeNull();
    const { rip } = machine.cpus[event.cpu]!;
    expect(machine.guest.symbolAt(rip)!.replace(/\+.*/, '')).toBe(event.stack[0]!.symbol.replace(/\+.*/, ''));
    // And forward again to the same stop.
    machine.run(machine.cycle + 10_000_000);
    expect(machine.bugCheck()!.card!.before.some(e => e.cycle === event.cycle)).toBe(true);
  });

  it('is in the report of the command line and in its JSON', () => {
    const text = kmode('run', sample('crash'), '--ioctl', '0x222020');
    expect(text.status).toBe(2);
    expect(text.stdout).toMatch(/rule +pool used after it was freed/);
    expect(text.stdout).toMatch(/before\n +64 bytes of nonpaged pool at 0x[0-9a-f]+, tag 'Crsh', allocated \(cycle \d+/);
    expect(text.stdout).toMatch(/mend +Set the pointer to NULL/);
    const json = kmode('run', sample('crash'), '--ioctl', '0x222028', '--unload', '--json');
    expect(json.status).toBe(2);
    const report = JSON.parse(json.stdout) as { bugcheck: { code: string; card: { id: string; before: { what: string }[] } } };
    expect(report.bugcheck.code).toBe('0xc4');
    expect(report.bugcheck.card.id).toBe('c4:62');
    expect(report.bugcheck.card.before.map(e => e.what)).toEqual([expect.stringMatching(/64 bytes of nonpaged pool/)]);
  });

  it('is not there without the verifier, and the machine dies of the damage or not at all', () => {
    const machine = machineWith('crash', { verifier: false });
    const file = machine.open('\\\\.\\Crash');
    expect(file.ioctl(0x222050).outcome).toBe('done');
    expect(file.ioctl(0x2220b8).outcome).toBe('done');
    expect(file.ioctl(0x222074).outcome).not.toBe('limit');
  });
});
