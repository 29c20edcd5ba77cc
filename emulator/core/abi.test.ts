import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compiledCore } from '../testing/longmode.ts';
import * as abi from './abi.ts';

/** The numeric constants that the core's sources declare: `export const A: usize = 0x10, B: usize = 0x18;`. */
function declared(file: string): Map<string, number> {
  const text = readFileSync(new URL(`../../assembly/core/${file}`, import.meta.url), 'utf8'),
    out = new Map<string, number>();
  for (const [, list] of text.matchAll(/^export const ([^;]+);/gm)) {
    for (const [, name, value] of list.matchAll(/(\w+): u(?:size|32) = (0x[0-9a-fA-F]+|\d+)(?=\s*(?:,|$))/g))
      out.set(name, Number(value));
  }
  return out;
}

const core = new Map(['layout.ts', 'map.ts', 'boundary.ts', 'events.ts', 'turns.ts'].flatMap(file => [...declared(file)]));

describe('the ABI', () => {
  it('has the same offsets and numbers as the core', () => {
    const mirrored = Object.entries(abi).filter(([name, value]) => typeof value === 'number' && name !== 'TLB_ENTRY_SIZE');
    expect(mirrored.length).toBeGreaterThan(60);
    for (const [name, value] of mirrored) expect([name, core.get(name)]).toEqual([name, value]);
  });

  it('names functions that the core exports', () => {
    const source = readFileSync(new URL('./abi.ts', import.meta.url), 'utf8');
    const names = [...source.slice(source.indexOf('interface CoreExports')).matchAll(/^ {2}(\w+)\(/gm)].map(m => m[1]);
    expect(names.length).toBeGreaterThan(30);
    const exports = new Set(WebAssembly.Module.exports(compiledCore()).map(e => e.name));
    expect(names.filter(name => !exports.has(name))).toEqual([]);
  });
});
