import { describe, expect, it } from 'vitest';
import { kernelMachine, runToIdle, startDriver } from './kernelmachine.ts';

describe('the executive and the run-time library', () => {
  it('serves a driver that uses lists, locks, work items, callbacks and strings', () => {
    const m = kernelMachine({ verifier: true });
    runToIdle(m);
    startDriver(m, 'executive');
    const end = m.machine.cycle + 600_000_000;
    while (m.machine.cycle < end && m.os.bugCheck() === null && !m.lines.includes('executive done'))
      m.machine.run(m.machine.cycle + 5_000_000);
    expect(m.os.bugCheck()).toBeNull();
    expect(m.lines).toEqual([
      'depth 4',
      'popped 3 2 depth 2',
      'flushed 1 0 empty 1',
      'list 1 1 1',
      'lookaside 1 2 1',
      'up 0 1 19 23',
      'down 0 1 19 17',
      'cmp 1 1 0',
      'compare 3',
      'Unicode wide w narrow 0000000000001234 123456789abc 0000beef    xy|',
      'Unicode and more 32 c0000023',
      'Unicode and more 0',
      'BEEF 1',
      '8 -7-x-end',
      '11 wide/narrow',
      'routine 1',
      'version 10.0.19045',
      'exclusive 1 shared count 1',
      // Three threads counted to nine under the fast mutex, each giving up the processor in the middle.
      'waiting 1 exclusive 2 shared, order 0',
      'counted 9 irql 0',
      'order 3',
      'rundown 0',
      'work 0000000000000077 irql 0',
      'open c0000034',
      'create 00000000',
      'callback 0000000000000001 0000000000000002 0000000000000003',
      'frame 3',
      'executive done',
    ]);
  });
});
