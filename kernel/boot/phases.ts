import { cmInitialize } from '../cm/init.ts';
import { exInitialize } from '../ex/work.ts';
import { ioInit } from '../io/init.ts';
import { mmInitializeSections } from '../mm/section.ts';
import { vfInitialize } from '../verifier/state.ts';
import { tmInitialize } from '../tm/object.ts';
import type { Kernel } from '../kernel.ts';
import { pnpInit } from '../pnp/enumerate.ts';

/**
 * Who is initialized when. Each manager adds itself here.
 *
 * Phase 0 runs on the boot stack at HIGH_LEVEL with the pool, the module list, object types and namespace, the system process in place: plain functions.
 */
export const PHASE_0: readonly ((k: Kernel) => void)[] = [
  vfInitialize,
  exInitialize,
  mmInitializeSections,
  cmInitialize,
  tmInitialize,
  ioInit,
  pnpInit,
];

/** Phase 1 runs in a system thread at PASSIVE_LEVEL: internal routines (usually step routines) without arguments that return an NTSTATUS, by symbol. */
export const PHASE_1: readonly string[] = [
  'nt!KeStartAllProcessors',
  'nt!KiStartDpcThreads',
  'nt!ReqInitialize',
  'nt!ConInitialize',
];
