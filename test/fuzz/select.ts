// Which forms a Linux process can try on the host's processor, and which it cannot, with the reason.

import type { Form } from '../../assembly/gen/tables.ts';
import { cpuFeatures } from './host.ts';
import { forms } from './undefined.ts';
import { traitsOf } from './generate.ts';
import type { Bits } from './case.ts';

/** Features that /proc/cpuinfo calls otherwise than the SDM. */
const FEATURE_NAMES: Record<string, string> = {
  SSE3: 'pni',
  'SSE4.1': 'sse4_1',
  'SSE4.2': 'sse4_2',
  LZCNT: 'abm',
  SHA: 'sha_ni',
  PREFETCHW: '3dnowprefetch',
  CMPXCHG16B: 'cx16',
  CMPXCHG8B: 'cx8',
  FXSR: 'fxsr',
  X87: 'fpu',
  FPU: 'fpu',
  RDPID: 'rdpid',
  CLFSH: 'clflush',
  MONITOR: 'monitor',
  LAHF: 'lahf_lm',
  PREFETCH: 'sse',
};

/** Instructions whose outcome the operating system or the machine makes, not the processor's instruction set. */
const UNFIT: readonly [RegExp, string][] = [
  [/^(SYSCALL|SYSENTER|SYSEXITQ?|SYSRETQ?)\b/, 'calls the operating system'],
  [/^(SGDT|SIDT|SLDT|SMSW|STR)\b/, 'the operating system imitates it (UMIP)'],
  [
    /^(RDTSC|RDTSCP|RDPMC|RDRAND|RDSEED|RDPID|CPUID|XGETBV|VMCALL|MONITOR|MWAIT|UMONITOR|UMWAIT|TPAUSE)\b/,
    'says what this machine is',
  ],
  [/^(XSAVE|XRSTOR)/, 'the components that are enabled differ'],
  [/^(RDPKRU|WRPKRU)/, 'protection keys are per page and the host has none'],
];

/** Why a form cannot be compared here, or null. */
export function reasonAgainst(form: Form, bits: Bits): string | null {
  const { mode, syntax, cpuid } = form.record;
  if (bits === 64 ? mode === 'not64' : mode === '64') return `not in ${bits}-bit mode`;
  for (const [pattern, reason] of UNFIT) if (pattern.test(syntax)) return reason;
  for (const feature of (cpuid ?? '').split(/[\s,+&]+/).filter(f => f !== '')) {
    const name = FEATURE_NAMES[feature] ?? feature.toLowerCase().replace('.', '_');
    if (!cpuFeatures().has(name)) return `the host has no ${feature}`;
  }
  return null;
}

/** The class of test/vectors/FORMAT.md that a form belongs to. */
export function classOf(form: Form): string {
  const t = traitsOf(form);
  const { syntax, ends, cpl0 } = form.record;
  if (form.encoding.vex && /[xy]mm|MXCSR|VZERO/.test(syntax)) return 'avx';
  if (t.mmx) return 'mmx';
  if (t.stack && !t.vector && !/^F?X(SAVE|RSTOR)/.test(syntax)) return 'x87';
  if (t.vector) return 'sse';
  if (
    cpl0 ||
    (ends === true && !/^POPF/.test(syntax)) ||
    /Sreg|CR0|DR0|^(CLI|STI|IN|OUT|LAR|LSL|VERR|VERW|UD\d|L[DEFGS]S) ?/.test(syntax)
  )
    return 'sys';
  return 'int';
}

export interface Choice {
  bits: Bits;
  /** Text or pattern that encoding or syntax must contain. */
  pattern: RegExp | null;
  classes: readonly string[] | null;
}

/** The forms that can be tried, and the others by reason. */
export function chooseForms({ bits, pattern, classes }: Choice): { chosen: Form[]; left: Map<string, Form[]> } {
  const chosen: Form[] = [];
  const left = new Map<string, Form[]>();
  for (const form of forms) {
    if (pattern && !pattern.test(form.record.syntax) && !pattern.test(form.record.encoding)) continue;
    if (classes && !classes.includes(classOf(form))) continue;
    const reason = reasonAgainst(form, bits);
    if (reason === null) chosen.push(form);
    else left.set(reason, [...(left.get(reason) ?? []), form]);
  }
  return { chosen, left };
}
