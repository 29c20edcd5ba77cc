/** A part of a line of debugger text. */
export type Piece =
  { kind: 'text'; text: string } | { kind: 'address'; text: string; address: number } | { kind: 'symbol'; text: string };

/** Kernel addresses with or without a back-tick, and `module!routine+0x12` (not a type: those begin with an underscore). */
const LINK = /\b(?:([0-9a-f]{8}`[0-9a-f]{8}|(?:0x)?ffff[0-9a-f]{12})|([a-z_][\w.]*![A-Za-z?@$][\w?@$]*(?:\+0x[0-9a-f]+)?))\b/gi;

/** Cuts a line into text and what can be followed. The pieces' texts are the line. */
export function pieces(line: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  const text = (to: number): void => {
    if (to > at) out.push({ kind: 'text', text: line.slice(at, to) });
  };
  for (const match of line.matchAll(LINK)) {
    const [found, digits] = match;
    const value = digits === undefined ? null : BigInt.asIntN(64, BigInt(`0x${digits.replace(/^0x|`/gi, '')}`));
    // Zero is no address, and a number that is not canonical is none either.
    if (value !== null && (value === 0n || BigInt.asIntN(48, value) !== value)) continue;
    text(match.index);
    out.push(value === null ? { kind: 'symbol', text: found } : { kind: 'address', text: found, address: Number(value) });
    at = match.index + found.length;
  }
  text(line.length);
  return out;
}
