import type { StateValue } from '../hal/bus/index.ts';

const TAG_NULL = 0,
  TAG_FALSE = 1,
  TAG_TRUE = 2,
  TAG_NUMBER = 3,
  TAG_BIGINT = 4,
  TAG_STRING = 5,
  TAG_BYTES = 6,
  TAG_ARRAY = 7,
  TAG_OBJECT = 8;
const MIN_INT64 = -(2n ** 63n),
  MAX_UINT64 = 2n ** 64n;

/**
 * The canonical encoding of a device's saved state: equal values give equal bytes, on every host. Keys are written in declaration order, because the order
 * is the device's own and never changes. Throws a TypeError for what is no plain data, a RangeError for a number that is neither finite nor a 64-bit integer.
 */
export function encodeState(value: StateValue): Uint8Array {
  const writer = new ByteWriter();
  write(writer, value);
  return writer.finish();
}

function write(out: ByteWriter, value: StateValue): void {
  if (value === null) out.u8(TAG_NULL);
  else if (value === false) out.u8(TAG_FALSE);
  else if (value === true) out.u8(TAG_TRUE);
  else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`${value} in a device's state`);
    out.u8(TAG_NUMBER);
    // -0 and 0 are the same number to whoever reads the state back.
    out.f64(value === 0 ? 0 : value);
  } else if (typeof value === 'bigint') {
    if (value < MIN_INT64 || value >= MAX_UINT64) throw new RangeError(`${value} in a device's state is no 64-bit value`);
    out.u8(TAG_BIGINT);
    out.u8(value < 0n ? 1 : 0);
    out.u64(BigInt.asUintN(64, value));
  } else if (typeof value === 'string') {
    out.u8(TAG_STRING);
    out.sized(new TextEncoder().encode(value));
  } else if (value instanceof Uint8Array) {
    out.u8(TAG_BYTES);
    out.sized(value);
  } else if (Array.isArray(value)) {
    out.u8(TAG_ARRAY);
    out.u32(value.length);
    for (const item of value) write(out, item);
  } else if (typeof value === 'object') {
    const entries = Object.entries(value);
    out.u8(TAG_OBJECT);
    out.u32(entries.length);
    for (const [name, item] of entries) {
      out.sized(new TextEncoder().encode(name));
      write(out, item);
    }
  } else {
    throw new TypeError(`a ${typeof value} in a device's state`);
  }
}

/** A copy that shares nothing with the original that could change. */
export function copyState<T extends StateValue>(value: T): T {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return value.slice() as unknown as T;
  if (Array.isArray(value)) return value.map(copyState) as unknown as T;
  const out: Record<string, StateValue> = {};
  for (const [name, item] of Object.entries(value as { [name: string]: StateValue })) out[name] = copyState(item);
  return out as unknown as T;
}

/** A byte buffer that grows; numbers are little endian. */
export class ByteWriter {
  private bytes = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  private length = 0;

  u8(value: number): void {
    this.room(1);
    this.view.setUint8(this.length, value);
    this.length += 1;
  }
  u32(value: number): void {
    this.room(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }
  u64(value: bigint): void {
    this.room(8);
    this.view.setBigUint64(this.length, value, true);
    this.length += 8;
  }
  f64(value: number): void {
    this.room(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }
  raw(value: Uint8Array): void {
    this.room(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }
  /** A length and the bytes. */
  sized(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value);
  }
  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  private room(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}
