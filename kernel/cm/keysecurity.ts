/** Where the security descriptor of a key lies; apart from the registry so that the object manager can use it. */
import type { Kernel } from '../kernel.ts';
import { CM_KEY_CONTROL_BLOCK, keyOfObject } from './registry.ts';

/** Address of the pointer to a key's descriptor, from a key object; 0 without a key. */
export function keySecurity(k: Kernel, body: number): number {
  const key = keyOfObject(k, body);
  return key ? key + CM_KEY_CONTROL_BLOCK.f.Security.offset : 0;
}
