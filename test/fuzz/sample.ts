// `npm run -s vectors:sample -- [--seed S] [--each N] > FILE`: vectors of every form, N of each, made on this machine's processor; an even sample of what the fuzzer tries.

import type { Form } from '../../assembly/gen/tables.ts';
import { hostProblem } from './host.ts';
import { Generator } from './generate.ts';
import { Judge } from './judge.ts';
import { Random } from './random.ts';
import { fitted, kindOf, vectorOf } from './report.ts';
import { chooseForms, classOf } from './select.ts';
import { identify } from './undefined.ts';
import { CLASSES, type Vector } from '../vectors/format.ts';
import { CODE } from '../vectors/machine.ts';
import { AT } from '../vectors/state.ts';

const TF = 0x100,
  AC = 0x40000;
/** Cases tried for one vector before it is given up. */
const TRIES = 60;

/** Whether a vector says nothing that depends on what the fuzzer has in CODE, and on what single-stepping and EFLAGS.AC mean to this processor. */
function portable(state: Uint8Array, vector: Vector, address: bigint | null): boolean {
  if (address !== null && address >= BigInt(CODE.linear) - 64n && address < BigInt(CODE.linear + CODE.size)) return false;
  const before = new DataView(state.buffer).getUint32(AT.rflags, true),
    after = parseInt(vector.a.rflags ?? '0', 16);
  if ((after & TF) !== 0 || ((before & AC) !== 0 && vector.k !== 'int')) return false;
  // A branch into its own bytes or into what is before them.
  const rip = vector.a.rip === undefined ? NaN : parseInt(vector.a.rip, 16) - parseInt(vector.b.rip!, 16);
  return !(rip < vector.c.length / 2 && rip > -64);
}

/** Vectors of a form: those that complete and one that faults, if one comes up, `each` in all. */
function sampleForm(judge: Judge, generator: Generator, form: Form, each: number): Vector[] {
  const out: Vector[] = [];
  let faults = 0;
  for (let tries = 0; tries < TRIES * each && out.length < each; tries++) {
    const made = generator.single(form);
    if (made === null) return [];
    // What follows a branch is no part of a vector.
    const found = identify(made.code, 64);
    if (found?.form !== form) continue;
    const c = fitted({ ...made, code: made.code.slice(0, Math.min(found.fields.length, made.code.length)) }, kindOf(made));
    const { result, view } = judge.onHost(c);
    const vector = vectorOf(c, result, view);
    if (vector === null || !portable(c.state, vector, generator.address)) continue;
    // A fault says less than a result; some forms have nothing else.
    if (vector.f !== null && (faults > 0 || tries < TRIES / 2)) continue;
    if (vector.f !== null) faults++;
    out.push(vector);
  }
  return out;
}

function main(): number {
  const args = process.argv.slice(2);
  const option = (name: string, otherwise: number): number => {
    const at = args.indexOf(name);
    return at < 0 ? otherwise : Number(args[at + 1]);
  };
  const problem = hostProblem();
  if (problem !== null) {
    process.stderr.write(`vectors:sample: ${problem}\n`);
    return 2;
  }
  const each = option('--each', 2);
  const { chosen } = chooseForms({ bits: 64, pattern: null, classes: null });
  chosen.sort((a, b) => CLASSES.indexOf(classOf(a)) - CLASSES.indexOf(classOf(b)));
  const judge = new Judge();
  try {
    const generator = new Generator(new Random(option('--seed', 1)), 64);
    const lines: string[] = [];
    const without: string[] = [];
    for (const form of chosen) {
      const vectors = sampleForm(judge, generator, form, each);
      if (vectors.length === 0) without.push(form.record.syntax);
      for (const vector of vectors) lines.push(JSON.stringify(vector));
    }
    process.stdout.write(lines.join('\n') + '\n');
    process.stderr.write(`${lines.length} vectors of ${chosen.length - without.length} forms; none of: ${without.join('; ')}\n`);
  } finally {
    judge.close();
  }
  return 0;
}

if (process.argv[1] && import.meta.url === new URL(process.argv[1], 'file://').href) process.exitCode = main();
