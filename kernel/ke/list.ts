import type { VirtualMemory } from '../../hal/bus/memory.ts';
import { KERNEL_SECURITY_CHECK_FAILURE } from '../types/bugcodes.ts';
import * as list from '../rtl/list.ts';

/** The dispatcher's lists: as `rtl/list.ts`, but removal checks that the neighbours point back, as the WDK's RemoveEntryList does since Windows 8. */
export { initializeListHead, insertHeadList, insertTailList, isListEmpty } from '../rtl/list.ts';

const FAST_FAIL_CORRUPT_LIST_ENTRY = 3;

interface ListChecker {
  readonly mem: VirtualMemory;
  bugCheck(code: number, p1?: number | bigint, p2?: number | bigint, p3?: number | bigint, p4?: number | bigint): never;
}

/** Takes an entry out; true if the list is empty now. A corrupt list is bug check 0x139, as `int 29h` with FAST_FAIL_CORRUPT_LIST_ENTRY reports it. */
export function removeEntryList(k: ListChecker, entry: number): boolean {
  const m = k.mem;
  if (m.readPtr(m.readPtr(entry) + 8) !== entry || m.readPtr(m.readPtr(entry + 8)) !== entry)
    k.bugCheck(KERNEL_SECURITY_CHECK_FAILURE, FAST_FAIL_CORRUPT_LIST_ENTRY, 0, entry);
  return list.removeEntryList(m, entry);
}

/** Entries of a list in order. A list that does not come back to its head within `limit` entries is cut there. */
export function* listEntries(m: VirtualMemory, head: number, limit = 65536): Generator<number> {
  let entry = m.readPtr(head);
  for (let i = 0; entry !== head && i < limit; i++) {
    const next = m.readPtr(entry);
    yield entry;
    entry = next;
  }
}
