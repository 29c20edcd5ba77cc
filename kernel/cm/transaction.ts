import type { Kernel } from '../kernel.ts';
export const cmHasChanges = (_k: Kernel, _tx: number): boolean => false;
export function cmCommitTransaction(_k: Kernel, _tx: number): void {}
export function cmRollbackTransaction(_k: Kernel, _tx: number): void {}
