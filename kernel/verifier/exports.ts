import type { NtExport } from '../exports/declare.ts';
import { exports as irp } from './irp.ts';
import { exports as thunks } from './thunks.ts';

/** The verifier's own routines. */
export const exports: NtExport[] = [...irp, ...thunks];
