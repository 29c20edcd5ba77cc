/** `fffff800`01234567` from a sign-extended address. */
export function hexAddress(va: number): string {
  const hex = BigInt.asUintN(64, BigInt(va)).toString(16).padStart(16, '0');
  return `${hex.slice(0, 8)}\`${hex.slice(8)}`;
}

/** 16 digits with WinDbg's back-tick. */
export function hex64(value: bigint): string {
  const hex = BigInt.asUintN(64, value).toString(16).padStart(16, '0');
  return `${hex.slice(0, 8)}\`${hex.slice(8)}`;
}

export const hexByte = (value: number): string => value.toString(16).padStart(2, '0');

/** An address that a 64-bit value could be, or null when it is not canonical. */
export function asAddress(value: bigint): number | null {
  const signed = BigInt.asIntN(64, value);
  return BigInt.asIntN(48, signed) === signed ? Number(signed) : null;
}

const IRQLS: { readonly [level: number]: string } = { 0: 'PASSIVE', 1: 'APC', 2: 'DISPATCH', 13: 'CLOCK', 14: 'IPI', 15: 'HIGH' };

/** `DISPATCH (2)`, `DIRQL (9)`. */
export function irqlName(level: number): string {
  return `${IRQLS[level] ?? 'DIRQL'} (${level})`;
}

/** `12.345 678 ms`-like: seconds with the digits a cycle needs. */
export function guestTime(seconds: number): string {
  return `${seconds.toFixed(6)} s`;
}

/** Digits in groups of three. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}
