import { describe, expect, it } from 'vitest';
import { asAddress, hex64, hexAddress, irqlName } from './format.ts';
import { keyFor, KEYS } from './keys.ts';
import { pieces } from './linked.ts';
import { sameAnswer } from './same.ts';
import { cycleAt, nearestMark, zoomed } from './strip.ts';

const key = (name: string, shiftKey = false, ctrlKey = false) =>
  keyFor({ key: name, shiftKey, ctrlKey, altKey: false, metaKey: false });

describe('numbers as the page writes them', () => {
  it('writes addresses with a back-tick, kernel addresses too', () => {
    expect([hexAddress(-0x8000000000), hexAddress(0x1000), hex64(0xfffff80002a04006n)]).toEqual([
      'ffffff80`00000000',
      '00000000`00001000',
      'fffff800`02a04006',
    ]);
  });
  it('takes only canonical values for addresses', () => {
    expect([asAddress(0xffff800000000000n), asAddress(0x0000800000000000n), asAddress(5n)]).toEqual([-0x800000000000, null, 5]);
  });
  it('names IRQLs', () => {
    expect([irqlName(0), irqlName(2), irqlName(7)]).toEqual(['PASSIVE (0)', 'DISPATCH (2)', 'DIRQL (7)']);
  });
});

describe('keys', () => {
  it('are debuggers’, and leave the browser its own', () => {
    expect([key('F5'), key('F11'), key('F10'), key('F11', true), key('F9'), key('F5', false, true), key('a')]).toEqual([
      'run',
      'into',
      'over',
      'out',
      'interrupt',
      null,
      null,
    ]);
  });
  it('mean one thing each', () => {
    expect(new Set(KEYS.map(k => `${k.key} ${k.shift ?? false}`)).size).toBe(KEYS.length);
  });
});

describe('links in debugger text', () => {
  it('finds addresses and symbols, no types and no zeros', () => {
    const line = 'fffff800`10011ab0 edu!EduIsr+0x4 dt nt!_IRP 00000000`00000000';
    const found = pieces(line);
    expect(found.map(p => p.text).join('')).toBe(line);
    expect(found.filter(p => p.kind !== 'text').map(p => p.text)).toEqual(['fffff800`10011ab0', 'edu!EduIsr+0x4']);
  });
});

describe('sameAnswer', () => {
  it('compares by value', () => {
    expect(sameAnswer([{ a: 1n, b: null }], [{ a: 1n, b: null }])).toBe(true);
    for (const [a, b] of [
      [[1], [2]],
      [[1], [1, 2]],
      [{ a: 1 }, { b: 1 }],
      [null, {}],
      [[], {}],
      [1n, 1],
    ])
      expect(sameAnswer(a, b)).toBe(false);
  });
});

describe('the time strip', () => {
  const all = { from: 0, to: 100_000 };
  it('zooms around the pointer, within all the time there is', () => {
    const half = zoomed(all, all, 0.5, 0.5)!;
    expect(half).toEqual({ from: 25_000, to: 75_000 });
    expect(cycleAt(half, 0.5)).toBe(50_000);
    expect(zoomed(half, all, 0.5, 2)).toBeNull();
    expect(zoomed(all, all, 1, 0.5)).toEqual({ from: 50_000, to: 100_000 });
  });
  it('takes the mark that is nearest, if it is near', () => {
    const marks = [
      { cycle: 50_000, kind: 'dpc' as const, name: 'a' },
      { cycle: 50_200, kind: 'dpc' as const, name: 'b' },
    ];
    expect(nearestMark(marks, all, 0.5019)?.name).toBe('b');
    expect(nearestMark(marks, all, 0.6)).toBeNull();
  });
});
