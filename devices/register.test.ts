import { describe, expect, it } from 'vitest';
import {
  describeBits,
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';

interface Model {
  r: Record<'CTRL' | 'FLAGS' | 'WIDE' | 'BANKED', number>;
  s: { reads: number };
}

const reg = registersOf<Model>();
const TABLE = registerTable<Model>([
  reg('CTRL', { offset: 0, reset: 0x81, writable: 0x0f, bits: { ON: 0, MODE: [3, 1], BUSY: 7 } }),
  reg('FLAGS', { offset: 1, reset: 0xff, writable: 0, writeOneClears: 0xf0, onRead: m => void m.s.reads++ }),
  reg('WIDE', { offset: 4, width: 32, reset: 0x12345678 }),
  reg('BANKED', { offset: 2, reset: 7, when: m => (m.r.CTRL & 1) !== 0 }),
  reg('SUM', { offset: 3, access: 'ro', value: m => m.r.CTRL + 1 }),
]);

function model(): Model {
  const m: Model = { r: {} as Model['r'], s: { reads: 0 } };
  resetRegisters(TABLE, m);
  return m;
}

describe('register tables', () => {
  it('mask writes, clear by ones, and decode banks', () => {
    const m = model();
    writeRegisters(TABLE, m, 0, 1, 0xf6);
    expect(readRegisters(TABLE, m, 0, 1)).toBe(0x86);
    writeRegisters(TABLE, m, 1, 1, 0x3f);
    expect(readRegisters(TABLE, m, 1, 1)).toBe(0xcf);
    expect(readRegisters(TABLE, m, 2, 1)).toBe(0xff);
    writeRegisters(TABLE, m, 0, 1, 0x01);
    expect(readRegisters(TABLE, m, 2, 1)).toBe(7);
    expect(readRegisters(TABLE, m, 3, 1)).toBe(0x82);
    writeRegisters(TABLE, m, 3, 1, 0);
    expect(readRegisters(TABLE, m, 3, 1)).toBe(0x82);
  });

  it('split wide accesses and merge narrow ones', () => {
    const m = model();
    expect(readRegisters(TABLE, m, 5, 2)).toBe(0x3456);
    writeRegisters(TABLE, m, 6, 1, 0xab);
    expect(readRegisters(TABLE, m, 4, 4)).toBe(0x12ab5678);
    expect(readRegisters(TABLE, m, 0, 4)).toBe(0x8207ff81);
    writeRegisters(TABLE, m, 4, 4, 0xffffffff);
    expect(m.r.WIDE).toBe(0xffffffff);
  });

  it('show registers without reading them', () => {
    const m = model();
    const rows = inspectRegisters(TABLE, m, 0x100);
    expect(m.s.reads).toBe(0);
    expect(rows[0]).toEqual({ name: 'CTRL', address: 0x100, value: 0x81, bits: 'BUSY MODE=0 ON' });
    expect(rows.map(row => row.name)).toEqual(['CTRL', 'FLAGS', 'WIDE', 'BANKED', 'SUM']);
    expect(describeBits({ TOP: 31, LOW: [15, 0] }, 0x80001234)).toBe('TOP LOW=4660');
  });

  it('save and load by name, and refuse another shape', () => {
    const m = model();
    writeRegisters(TABLE, m, 4, 4, 5);
    const saved = saveState(m.r, m.s);
    expect(saved).toEqual({ registers: { CTRL: 0x81, FLAGS: 0xff, WIDE: 5, BANKED: 7 }, reads: 0 });
    const other = model();
    loadState('x', other.r, other.s, saved);
    expect(saveState(other.r, other.s)).toEqual(saved);
    expect(() => loadState('x', other.r, other.s, { registers: { CTRL: 1 }, reads: 0 })).toThrow(/x: the saved state/);
  });

  it('refuse a name twice', () => {
    expect(() => registerTable([reg('A', { value: () => 0 }), reg('A', { value: () => 0 })])).toThrow(/twice/);
  });
});
