/** Where the security descriptor of a key lies; apart from the registry so that the object manager can use it. */
import type { Kernel } from '../kernel.ts';
import { keyOfObject, keyTransaction } from './registry.ts';
import { CM_KEY_CONTROL_BLOCK } from './structures.ts';
import { beginSecurityChange } from './transaction.ts';

const K = CM_KEY_CONTROL_BLOCK.f;

/** Address of the pointer to a key's descriptor as the transaction of the key object sees it; 0 without a key. */
export function keySecurity(k: Kernel, body: number): number {
  const key = keyOfObject(k, body);
  if (!key) return 0;
  const tx = keyTransaction(k, body);
  const own = tx !== 0 && K.LockTrans.get(k.mem, key) === tx && K.PendingSecurity.get(k.mem, key) !== 0;
  return key + (own ? K.PendingSecurity.offset : K.Security.offset);
}

/** Before the descriptor of a key is replaced. STATUS_TRANSACTIONAL_CONFLICT, STATUS_TRANSACTION_NOT_ACTIVE, STATUS_INSUFFICIENT_RESOURCES. */
export const beginKeySecurity = (k: Kernel, body: number): number =>
  beginSecurityChange(k, keyOfObject(k, body), keyTransaction(k, body));
