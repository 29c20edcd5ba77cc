/** Brings the registry up: the tree, and `\\REGISTRY` in the namespace. Runs once, after the namespace. */
import type { Kernel } from '../kernel.ts';
import { obInsertNamed } from '../ob/directory.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { cmInit } from './registry.ts';

export function cmInitialize(k: Kernel): void {
  const root = cmInit(k);
  if (!root || obInsertNamed(k, '\\REGISTRY', root) !== STATUS_SUCCESS) throw new Error('\\REGISTRY could not be made');
}
