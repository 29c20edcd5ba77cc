import type { VirtualMemory } from '../../hal/bus/memory.ts';

/** A type that a field can have: how many bytes, how aligned, how read and written. */
export interface GuestType<T> {
  readonly name: string;
  readonly size: number;
  readonly align: number;
  read(mem: VirtualMemory, va: number): T;
  write(mem: VirtualMemory, va: number, value: T): void;
}

/** A field of a structure: a type at an offset. `get` and `set` take the address of the structure. */
export interface Field<T> {
  readonly name: string;
  readonly offset: number;
  readonly type: GuestType<T>;
  get(mem: VirtualMemory, base: number): T;
  set(mem: VirtualMemory, base: number, value: T): void;
}

function scalar<T>(name: string, size: number, read: GuestType<T>['read'], write: GuestType<T>['write']): GuestType<T> {
  return { name, size, align: size, read, write };
}

export const u8 = scalar<number>('UChar', 1, (m, a) => m.read8(a), (m, a, v) => m.write8(a, v));
export const i8 = scalar<number>('Char', 1, (m, a) => (m.read8(a) << 24) >> 24, (m, a, v) => m.write8(a, v & 0xff));
export const u16 = scalar<number>('Uint2B', 2, (m, a) => m.read16(a), (m, a, v) => m.write16(a, v));
export const i16 = scalar<number>('Int2B', 2, (m, a) => (m.read16(a) << 16) >> 16, (m, a, v) => m.write16(a, v & 0xffff));
export const u32 = scalar<number>('Uint4B', 4, (m, a) => m.read32(a), (m, a, v) => m.write32(a, v >>> 0));
export const i32 = scalar<number>('Int4B', 4, (m, a) => m.readI32(a), (m, a, v) => m.write32(a, v >>> 0));
export const u64 = scalar<bigint>('Uint8B', 8, (m, a) => m.read64(a), (m, a, v) => m.write64(a, BigInt.asUintN(64, v)));
export const i64 = scalar<bigint>('Int8B', 8, (m, a) => BigInt.asIntN(64, m.read64(a)), (m, a, v) => m.write64(a, BigInt.asUintN(64, v)));
/** An untyped pointer, as an address (sign-extended number). */
export const ptr = scalar<number>('Ptr64 Void', 8, (m, a) => m.readPtr(a), (m, a, v) => m.writePtr(a, v));

/** A pointer that the debugger shows with the type it points to. The thunk allows recursive structures. */
export function ptrTo(target: () => { readonly name: string }): GuestType<number> & { readonly target: () => { readonly name: string } } {
  return { ...ptr, name: 'Ptr64', target };
}

/** Fixed-length array; reading gives all the elements. */
export function array<T>(element: GuestType<T>, count: number): GuestType<T[]> & { readonly element: GuestType<T>; readonly count: number } {
  return {
    name: `[${count}] ${element.name}`,
    size: element.size * count,
    align: element.align,
    element,
    count,
    read: (m, a) => Array.from({ length: count }, (_, i) => element.read(m, a + i * element.size)),
    write: (m, a, v) => {
      if (v.length !== count) throw new RangeError(`${count} elements expected, ${v.length} given`);
      v.forEach((x, i) => element.write(m, a + i * element.size, x));
    },
  };
}

type FieldSpec = GuestType<never> | GuestType<unknown> | readonly [offset: number, type: unknown];
type TypeOf<S> = S extends readonly [number, infer G] ? (G extends GuestType<infer T> ? T : never) : S extends GuestType<infer T> ? T : never;

export interface StructType<F> extends GuestType<number> {
  /** Fields in order of declaration. */
  readonly fields: readonly Field<unknown>[];
  /** Fields by name. */
  readonly f: { readonly [K in keyof F]: Field<TypeOf<F[K]>> };
}

/**
 * Declares a guest structure once: accessors, `dt` and symbols derive from it. A field is a type (placed after the one before it, naturally
 * aligned) or `[offset, type]`; unions are fields with equal offsets. Offsets are those of x64 Windows 10 22H2 (build 19045) where they are public.
 * As a field's type, a structure reads as its own address.
 */
export function struct<const F extends { readonly [name: string]: FieldSpec }>(name: string, spec: F, options: { size?: number; align?: number } = {}): StructType<F> {
  const fields: Field<unknown>[] = [];
  let end = 0;
  let high = 0;
  let align = options.align ?? 1;
  for (const [fieldName, s] of Object.entries(spec)) {
    const placed = Array.isArray(s) as boolean;
    const type = (placed ? (s as readonly [number, GuestType<unknown>])[1] : s) as GuestType<unknown>;
    const offset = placed ? (s as readonly [number, unknown])[0] : Math.ceil(end / type.align) * type.align;
    fields.push({
      name: fieldName,
      offset,
      type,
      get: (m, base) => type.read(m, base + offset),
      set: (m, base, v) => type.write(m, base + offset, v),
    });
    end = offset + type.size;
    high = Math.max(high, end);
    align = Math.max(align, type.align);
  }
  const size = options.size ?? Math.ceil(high / align) * align;
  if (size < high) throw new RangeError(`${name}: fields end at 0x${high.toString(16)}, beyond the declared size 0x${size.toString(16)}`);
  return {
    name,
    size,
    align,
    fields,
    f: Object.fromEntries(fields.map(x => [x.name, x])) as unknown as StructType<F>['f'],
    read: (_m, a) => a,
    write: () => {
      throw new Error(`${name} is a structure: set its fields`);
    },
  };
}
