import * as status from './status.ts';

/** Where several names have one value, the one that people expect. */
const preferred: readonly string[] = ['STATUS_SUCCESS', 'STATUS_ABANDONED'];

function build(): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const [name, value] of Object.entries(status))
    if (typeof value === 'number' && (!names.has(value) || preferred.includes(name))) names.set(value, name);
  return names;
}

const byValue = build();

/** `STATUS_PENDING`, or the number in hex when it has no name. */
export function statusName(value: number): string {
  return byValue.get(value >>> 0) ?? `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
