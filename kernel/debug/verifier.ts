import { all, logged, readRecord, VF_LIVE_KINDS, type Recorded } from '../verifier/state.ts';
import { describeRecord } from '../verifier/card.ts';
import { INJECT_NAMES } from '../verifier/inject.ts';
import { INJECTED } from '../verifier/state.ts';
import { modulesOf, symbolAt } from '../ke/stackwalk.ts';
import type { Kernel } from '../kernel.ts';
import type { DebugCommand } from './command.ts';
import { address } from './text.ts';

/** The frame of a stack that a person wants to see first: the first outside of the kernel. */
function caller(k: Kernel, r: Recorded): string {
  const modules = modulesOf(k);
  const names = r.stack.map(a => symbolAt(k, modules, a) ?? address(a));
  return names.find(n => !/^(nt|hal)!/.test(n)) ?? names[0] ?? '';
}

const line = (k: Kernel, r: Recorded): string => `  cycle ${r.cycle}  ${describeRecord(r)}  ${caller(k, r)}`;

export const verifier: DebugCommand = {
  name: '!verifier',
  usage: '[-log]',
  doc: 'Shows what the verifier knows: what drivers hold, and failures that were injected; with -log the last things that they gave back.',
  run(k, args) {
    if (!k.config.verifier) return ['The verifier is off.'];
    if (args.includes('-log')) return [...logged(k)].map(at => line(k, readRecord(k, at)));
    const held = VF_LIVE_KINDS.flatMap(kind => [...all(k, kind)].map(at => readRecord(k, at))).sort(
      (a, b) => a.sequence - b.sequence,
    );
    const injected = [...logged(k)]
      .map(at => readRecord(k, at))
      .filter(r => r.kind === INJECTED)
      .reverse();
    const rates = INJECT_NAMES.map((name, i) => ({ name, oneIn: k.mem.read32(k.global.address('VfInjectOneIn') + i * 4) }))
      .filter(r => r.oneIn !== 0)
      .map(r => `${r.name} 1/${r.oneIn}`);
    return [
      `Held by drivers: ${held.length}${k.global.get('VfDropped') === 0 ? '' : `, and ${k.global.get('VfDropped')} that found no room here`}`,
      ...held.map(r => line(k, r)),
      rates.length === 0
        ? 'No failures are injected.'
        : `Failures are injected: ${rates.join(', ')}, seed ${k.global.get('VfInjectSeed')}; ${k.global.get('VfInjectFailures')} so far`,
      ...injected.map(r => line(k, r)),
    ];
  },
};
