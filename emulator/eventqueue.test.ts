import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from './eventqueue.ts';

const drain = (q: EventQueue): string[] => {
  const out: string[] = [];
  for (let e = q.takeDue(Infinity); e !== null; e = q.takeDue(Infinity)) out.push(`${e.cycle} ${e.device}.${e.name} ${e.arg}`);
  return out;
};

describe('EventQueue', () => {
  it('fires by cycle, and in order of scheduling within a cycle', () => {
    const q = new EventQueue();
    q.schedule('a', 'x', 30, 0);
    q.schedule('b', 'x', 10, 1);
    q.schedule('a', 'y', 10, 2);
    q.schedule('c', 'x', 20, 3);
    expect(q.nextCycle()).toBe(10);
    expect(q.takeDue(9)).toBeNull();
    expect(drain(q)).toEqual(['10 b.x 1', '10 a.y 2', '20 c.x 3', '30 a.x 0']);
    expect(q.nextCycle()).toBe(Infinity);
  });

  it('has one event for each device and name: scheduling again moves it to the end of its new cycle', () => {
    const q = new EventQueue();
    q.schedule('a', 'x', 10, 0);
    q.schedule('b', 'x', 10, 1);
    q.schedule('a', 'x', 10, 2);
    expect(drain(q)).toEqual(['10 b.x 1', '10 a.x 2']);
  });

  it('refuses cycles that are none', () => {
    const q = new EventQueue();
    for (const cycle of [-1, 1.5, NaN, Infinity]) expect(() => q.schedule('a', 'x', cycle, 0)).toThrow(RangeError);
  });

  it('agrees with a sorted list, whatever is scheduled, cancelled, saved and loaded', () => {
    const action = fc.record({
      what: fc.constantFrom('schedule', 'cancel', 'reload'),
      device: fc.integer({ min: 0, max: 4 }),
      name: fc.integer({ min: 0, max: 3 }),
      cycle: fc.integer({ min: 0, max: 12 }),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), actions => {
        let q = new EventQueue(),
          model: { key: string; cycle: number }[] = [];
        for (const { what, device, name, cycle } of actions) {
          const key = `${device}.${name}`;
          if (what === 'reload') {
            const saved = q.list();
            q = new EventQueue();
            q.load(saved);
            continue;
          }
          model = model.filter(e => e.key !== key);
          if (what === 'schedule') {
            model.push({ key, cycle });
            q.schedule(String(device), String(name), cycle, 0);
          } else q.cancel(String(device), String(name));
        }
        // Array.prototype.sort is stable: equal cycles stay in order of scheduling.
        const expected = [...model].sort((a, b) => a.cycle - b.cycle).map(e => `${e.cycle} ${e.key} 0`);
        expect(drain(q)).toEqual(expected);
      }),
    );
  });
});
