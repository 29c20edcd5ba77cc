import * as cm from './cm.ts';
import * as ex from './ex.ts';
import * as hal from './hal.ts';
import * as io from './io.ts';
import * as ke from './ke.ts';
import * as ldr from './ldr.ts';
import * as mm from './mm.ts';
import * as ob from './ob.ts';
import * as pe from './pe.ts';
import * as pnp from './pnp.ts';
import * as prcb from './prcb.ts';
import * as ps from './ps.ts';
import * as rtl from './rtl.ts';
import * as se from './se.ts';
import * as tm from './tm.ts';
import * as trap from './trap.ts';
import type { StructType } from './struct.ts';

function isStruct(x: unknown): x is StructType<unknown> {
  return typeof x === 'object' && x !== null && 'fields' in x && 'size' in x;
}

function collect(): ReadonlyMap<string, StructType<unknown>> {
  const found = new Map<string, StructType<unknown>>();
  for (const file of [rtl, ke, trap, prcb, ex, mm, ps, ob, io, pnp, hal, cm, se, tm, ldr, pe])
    for (const value of [...Object.values(file), ...Object.values(io.Parameters)]) if (isStruct(value)) found.set(value.name, value);
  return found;
}

/** All declared structures by NT name (`_KTHREAD`). */
export const structures = collect();

/** A structure by name as people type it: `nt!_KTHREAD`, `_kthread`, `kthread`; undefined when there is none. */
export function findStructure(name: string): StructType<unknown> | undefined {
  const bare = name.replace(/^.*!/, '').replace(/^_?/, '_').toLowerCase();
  for (const [key, value] of structures) if (key.toLowerCase() === bare) return value;
  return undefined;
}
