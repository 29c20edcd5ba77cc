import type { Kernel } from '../kernel.ts';
import { EX_WORK_QUEUE } from '../ex/globals.ts';
import { KERNEL_GLOBALS } from '../globals.ts';
import { POOL_DESCRIPTOR } from '../mm/globals.ts';
import { DEVICE_NODE } from '../pnp/node.ts';
import { readUnicodeString, readAnsiString } from '../rtl/string.ts';
import { findStructure, structures } from '../types/index.ts';
import type { Field, GuestType, StructType } from '../types/struct.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { address, hex, parseAddress, symbol, tagText } from './text.ts';

/** Structures that are this kernel's own. */
const OWN: readonly StructType<unknown>[] = [
  DEVICE_NODE,
  POOL_DESCRIPTOR,
  EX_WORK_QUEUE,
  KERNEL_GLOBALS,
] as unknown as StructType<unknown>[];

function find(name: string): StructType<unknown> {
  const wanted = name.replace(/^.*!/, '').replace(/^_?/, '_').toLowerCase();
  const found = findStructure(name) ?? OWN.find(s => s.name.toLowerCase() === wanted);
  if (!found) throw new CommandError(`there is no structure ${name}`);
  return found;
}

const isStruct = (t: GuestType<unknown>): t is StructType<unknown> => 'fields' in t;
const isArray = (t: GuestType<unknown>): t is GuestType<unknown[]> & { element: GuestType<unknown>; count: number } =>
  'element' in t;

/** A type as WinDbg names it. */
function typeName(t: GuestType<unknown>): string {
  if (isArray(t)) return `[${t.count}] ${typeName(t.element)}`;
  if ('target' in t) return `Ptr64 ${(t as { target(): { name: string } }).target().name}`;
  return t.name;
}

/** A field's value in one line. */
function valueText(k: Kernel, field: Field<unknown>, base: number): string {
  const at = base + field.offset,
    t = field.type;
  if (isStruct(t)) {
    if (t.name === '_UNICODE_STRING') return `_UNICODE_STRING "${readUnicodeString(k.mem, at)}"`;
    if (t.name === '_STRING') return `_STRING "${readAnsiString(k.mem, at)}"`;
    if (t.name === '_LIST_ENTRY') return `_LIST_ENTRY [ ${address(k.mem.readPtr(at))} - ${address(k.mem.readPtr(at + 8))} ]`;
    return t.name;
  }
  if (isArray(t)) {
    if (t.element.name === 'UChar' && t.count <= 256) {
      const bytes = k.mem.readBytes(at, t.count);
      const end = bytes.indexOf(0);
      const text = String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
      if (text && /^[\x20-\x7e]+$/.test(text)) return `[${t.count}]  "${text}"`;
    }
    return typeName(t);
  }
  const value = t.read(k.mem, at);
  if (t.name.startsWith('Ptr64'))
    return (value as number) === 0
      ? '(null)'
      : `${address(value as number)} ${'target' in t ? typeName(t).slice(6) : 'Void'}${pointee(k, value as number)}`;
  if (field.name === 'PoolTag' || field.name === 'Tag') return `${hex(value as number)} '${tagText(value as number)}'`;
  return typeof value === 'number' && value < 0 ? String(value) : hex(value as number | bigint);
}

/** Name of a routine that a pointer points to. */
function pointee(k: Kernel, value: number): string {
  const name = symbol(k, value);
  return name.includes('!') ? `  (${name})` : '';
}

/** Lines of `dt`: fields with their offsets, and their values if there is an address. `only` limits it to fields that begin so. */
export function dumpStructure(k: Kernel, s: StructType<unknown>, base: number | null, only: readonly string[] = []): string[] {
  const chosen = s.fields.filter(f => only.length === 0 || only.some(o => f.name.toLowerCase().startsWith(o.toLowerCase())));
  if (chosen.length === 0) throw new CommandError(`${s.name} has no field ${only.join(' or ')}`);
  const width = Math.max(...chosen.map(f => f.name.length));
  return chosen.map(
    f =>
      `   +0x${f.offset.toString(16).padStart(3, '0')} ${f.name.padEnd(width)} : ${base === null ? typeName(f.type) : valueText(k, f, base)}`,
  );
}

export const dt: DebugCommand = {
  name: 'dt',
  usage: '[module!]type [address [field ...]]',
  doc: 'Shows the fields of a structure, with their values if an address is given; a type with * lists names.',
  run(k, args) {
    const [type, at, ...only] = args;
    if (!type) throw new CommandError('dt expects the name of a structure, for example: dt nt!_KTHREAD');
    if (type.includes('*')) {
      const pattern = new RegExp(
        `^${type
          .replace(/^.*!/, '')
          .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
          .replace(/\*/g, '.*')}$`,
        'i',
      );
      return [...structures.values(), ...OWN]
        .map(s => s.name)
        .filter(n => pattern.test(n) || pattern.test(n.slice(1)))
        .sort()
        .map(n => `nt!${n}`);
    }
    const s = find(type);
    const base = at === undefined || at === '-v' ? null : parseAddress(k, at);
    return [
      `nt!${s.name}${base === null ? `, 0x${s.size.toString(16)} bytes` : ` at ${address(base)}`}`,
      ...dumpStructure(k, s, base, only),
    ];
  },
};
