/** KEY_*_INFORMATION and KEY_VALUE_*_INFORMATION as bytes, and the rule by which they are handed out. Source: the WDK page of each structure. */
import type { Kernel } from '../kernel.ts';
import { readString, wide } from '../ob/string.ts';
import {
  KEY_BASIC_INFORMATION,
  KEY_NODE_INFORMATION,
  KeyBasicInformation,
  KeyCachedInformation,
  KeyFlagsInformation,
  KeyFullInformation,
  KeyHandleTagsInformation,
  KeyNameInformation,
  KeyNodeInformation,
  KeyValueBasicInformation,
  KeyValueFullInformation,
  KeyValueFullInformationAlign64,
  KeyValuePartialInformation,
  KeyValuePartialInformationAlign64,
  KeyVirtualizationInformation,
} from '../types/cm.ts';
import { STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS } from '../types/status.ts';
import {
  CM_KEY_CONTROL_BLOCK,
  CM_KEY_VALUE,
  KCB_SYM_LINK,
  KCB_VOLATILE,
  keyFlags,
  keyName,
  keyPath,
  keyTime,
  keyValues,
  subKeys,
} from './registry.ts';

const K = CM_KEY_CONTROL_BLOCK.f;
const V = CM_KEY_VALUE.f;
/** Offset of Class in a KEY_FULL_INFORMATION: the structure itself is longer by its padding. */
const FULL_CLASS = 44;

/** Hands an information structure out: `fixed` bytes must fit, the rest is cut. */
export function give(k: Kernel, bytes: Uint8Array, fixed: number, to: number, length: number, resultLength: number): number {
  if (resultLength) k.mem.write32(resultLength, bytes.length);
  if (length < fixed) return STATUS_BUFFER_TOO_SMALL;
  k.mem.probe(to, Math.min(length, bytes.length), true);
  k.mem.writeBytes(to, bytes.subarray(0, Math.min(length, bytes.length)));
  return length < bytes.length ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/** Little-endian words and texts, one after the other. */
class Builder {
  private readonly out: number[] = [];
  get length(): number {
    return this.out.length;
  }
  u32(v: number): this {
    for (let i = 0; i < 4; i++) this.out.push((v >>> (8 * i)) & 0xff);
    return this;
  }
  u64(v: bigint): this {
    return this.u32(Number(v & 0xffffffffn)).u32(Number((v >> 32n) & 0xffffffffn));
  }
  add(b: Uint8Array): this {
    for (const x of b) this.out.push(x);
    return this;
  }
  align(to: number): this {
    while (this.out.length % to) this.out.push(0);
    return this;
  }
  bytes(): Uint8Array {
    return Uint8Array.from(this.out);
  }
}

/** A value as KEY_VALUE_*_INFORMATION. */
export function valueInformation(k: Kernel, value: number, kind: number): { bytes: Uint8Array; fixed: number } | null {
  const name = wide(readString(k, value + V.Name.offset));
  const type = V.Type.get(k.mem, value);
  const length = V.DataLength.get(k.mem, value);
  const data = length ? k.mem.readBytes(V.Data.get(k.mem, value), length) : new Uint8Array(0);
  const b = new Builder();
  switch (kind) {
    case KeyValueBasicInformation:
      return { bytes: b.u32(0).u32(type).u32(name.length).add(name).bytes(), fixed: 12 };
    case KeyValueFullInformation:
    case KeyValueFullInformationAlign64: {
      const unit = kind === KeyValueFullInformation ? 4 : 8;
      const offset = Math.ceil((20 + name.length) / unit) * unit;
      return {
        bytes: b.u32(0).u32(type).u32(offset).u32(length).u32(name.length).add(name).align(unit).add(data).bytes(),
        fixed: 20,
      };
    }
    case KeyValuePartialInformation:
      return { bytes: b.u32(0).u32(type).u32(length).add(data).bytes(), fixed: 12 };
    case KeyValuePartialInformationAlign64:
      return { bytes: b.u32(type).u32(length).add(data).bytes(), fixed: 8 };
    default:
      return null;
  }
}

/** A key as KEY_*_INFORMATION, as transaction `tx` (0: none) sees it. */
export function keyInformation(k: Kernel, key: number, kind: number, tx = 0): { bytes: Uint8Array; fixed: number } | null {
  const { mem } = k;
  const name = wide(keyName(k, key, tx));
  const className = wide(readString(k, key + K.Class.offset));
  const time = keyTime(k, key, tx);
  const b = new Builder();
  switch (kind) {
    case KeyBasicInformation:
      return { bytes: b.u64(time).u32(0).u32(name.length).add(name).bytes(), fixed: KEY_BASIC_INFORMATION.size };
    case KeyNodeInformation: {
      const offset = className.length ? Math.ceil((24 + name.length) / 4) * 4 : 0xffffffff;
      b.u64(time).u32(0).u32(offset).u32(className.length).u32(name.length).add(name);
      return { bytes: (className.length ? b.align(4).add(className) : b).bytes(), fixed: KEY_NODE_INFORMATION.size };
    }
    case KeyFullInformation: {
      const keys = subKeys(k, key, tx);
      const values = keyValues(k, key, tx);
      const longest = (list: readonly number[]): number => list.reduce((most, n) => Math.max(most, n), 0);
      b.u64(time)
        .u32(0)
        .u32(className.length ? FULL_CLASS : 0xffffffff)
        .u32(className.length)
        .u32(keys.length);
      b.u32(longest(keys.map(s => keyName(k, s, tx).length * 2))).u32(longest(keys.map(s => mem.read16(s + K.Class.offset))));
      b.u32(values.length)
        .u32(longest(values.map(v => mem.read16(v + V.Name.offset))))
        .u32(longest(values.map(v => V.DataLength.get(mem, v))));
      return { bytes: b.add(className).bytes(), fixed: FULL_CLASS };
    }
    case KeyNameInformation: {
      const path = wide(keyPath(k, key, tx));
      return { bytes: b.u32(path.length).add(path).bytes(), fixed: 4 };
    }
    case KeyCachedInformation: {
      const longest = (list: readonly number[]): number => list.reduce((most, n) => Math.max(most, n), 0);
      const keys = subKeys(k, key, tx);
      const values = keyValues(k, key, tx);
      b.u64(time).u32(0).u32(keys.length);
      b.u32(longest(keys.map(s => keyName(k, s, tx).length * 2))).u32(values.length);
      b.u32(longest(values.map(v => mem.read16(v + V.Name.offset)))).u32(longest(values.map(v => V.DataLength.get(mem, v))));
      return { bytes: b.u32(name.length).align(8).bytes(), fixed: 40 };
    }
    case KeyFlagsInformation:
      // UserFlags, then the flags of the key: volatile 1, symbolic link 2.
      return {
        bytes: b
          .u32(0)
          .u32((keyFlags(k, key) & KCB_VOLATILE ? 1 : 0) | (keyFlags(k, key) & KCB_SYM_LINK ? 2 : 0))
          .u32(0)
          .bytes(),
        fixed: 12,
      };
    case KeyHandleTagsInformation:
    case KeyVirtualizationInformation:
      return { bytes: b.u32(0).bytes(), fixed: 4 };
    default:
      return null;
  }
}
