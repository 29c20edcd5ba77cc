/** Whether two pieces of plain data (what structured cloning carries: objects, arrays, numbers, bigints, strings, null) are equal. */
export function sameAnswer(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(k => k in b && sameAnswer((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k]))
  );
}
