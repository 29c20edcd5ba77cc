/**
 * Doubles as decimal text, exactly: the value is mantissa x 2^exponent, and all arithmetic is on integers, so that every host gives the same digits.
 * `bits` is the IEEE 754 representation. Rounding is to nearest, ties to even on the exact value.
 */

interface Decoded {
  negative: boolean;
  /** NaN or infinity as text, or null. */
  special: 'nan' | 'inf' | null;
  mantissa: bigint;
  exponent: number;
}

function decode(bits: bigint): Decoded {
  const negative = bits >> 63n === 1n;
  const field = Number((bits >> 52n) & 0x7ffn),
    fraction = bits & 0xfffffffffffffn;
  if (field === 0x7ff) return { negative, special: fraction ? 'nan' : 'inf', mantissa: 0n, exponent: 0 };
  return field === 0
    ? { negative, special: null, mantissa: fraction, exponent: -1074 }
    : { negative, special: null, mantissa: fraction | 0x10000000000000n, exponent: field - 1075 };
}

/** round(value x 10^digits) as an integer. */
function scaled(d: Decoded, digits: number): bigint {
  let n = d.mantissa,
    den = 1n;
  if (digits >= 0) n *= 10n ** BigInt(digits);
  else den *= 10n ** BigInt(-digits);
  if (d.exponent >= 0) n <<= BigInt(d.exponent);
  else den <<= BigInt(-d.exponent);
  const q = n / den,
    twice = (n % den) * 2n;
  return twice > den || (twice === den && q & 1n) ? q + 1n : q;
}

function fixed(d: Decoded, precision: number): string {
  const text = scaled(d, precision)
    .toString()
    .padStart(precision + 1, '0');
  return precision ? `${text.slice(0, -precision)}.${text.slice(-precision)}` : text;
}

/** Digits (precision + 1 of them) and decimal exponent. */
function scientific(d: Decoded, precision: number): { digits: string; exponent: number } {
  if (d.mantissa === 0n) return { digits: '0'.repeat(precision + 1), exponent: 0 };
  // log10(2) as a fraction is close enough for a first guess; rounding may add a digit.
  let exponent = Math.floor(((d.mantissa.toString(2).length - 1 + d.exponent) * 30103) / 100000);
  for (;;) {
    const digits = scaled(d, precision - exponent).toString();
    if (digits.length === precision + 1) return { digits, exponent };
    exponent += digits.length > precision + 1 ? 1 : -1;
  }
}

function exponential(d: Decoded, precision: number, letter: string): string {
  const { digits, exponent } = scientific(d, precision);
  return `${digits[0]}${precision ? `.${digits.slice(1)}` : ''}${letter}${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(3, '0')}`;
}

/** Text of a double without its sign for %e, %f and %g (the letter's case counts), and whether it is negative. `alternate` keeps %g's zeros. */
export function formatDouble(
  bits: bigint,
  conversion: string,
  precision: number,
  alternate: boolean,
): { text: string; negative: boolean } {
  const d = decode(bits);
  const lower = conversion.toLowerCase();
  let text: string;
  if (d.special) text = d.special === 'nan' ? '1.#QNAN' : '1.#INF';
  else if (lower === 'f') text = fixed(d, precision);
  else if (lower === 'e') text = exponential(d, precision, conversion);
  else {
    const p = precision || 1;
    const { exponent } = scientific(d, p - 1);
    text = exponent < -4 || exponent >= p ? exponential(d, p - 1, conversion === 'G' ? 'E' : 'e') : fixed(d, p - 1 - exponent);
    if (!alternate && text.includes('.')) text = text.replace(/\.?0+(?=e|E|$)/, '');
  }
  return { text, negative: d.negative };
}
