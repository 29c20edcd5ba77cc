/**
 * Prefix tables: path names, and the longest of them that a name begins with, component by component. The named pipe file system finds its pipes in one. Source: ntifs.h and the
 * WDK pages of RtlInsertUnicodePrefix and its family.
 *
 * Names with the same number of components are one splay tree, ordered without regard to case; the trees are a list from the table, most components first, that ends at the
 * table. Names that differ only by case are a ring through CaseMatch, of which one is in the tree.
 */
import type { Kernel } from '../kernel.ts';
import { readUnicodeString, upcaseChar } from '../rtl/string.ts';
import {
  deleteSplay,
  firstOf,
  initializeSplayLinks,
  insertSplayChild,
  realNext,
  splay,
  splayLeft,
  splayRight,
  SPLAY_LINKS_SIZE,
} from '../rtl/splay.ts';
import { array, ptr, struct, u16, u8 } from '../types/struct.ts';
import { BOOLEAN, type NtExport, ntExport, pointer, ULONG, VOID } from './declare.ts';

const UNICODE_PREFIX_TABLE = struct('_UNICODE_PREFIX_TABLE', {
  NodeTypeCode: u16,
  NameLength: u16,
  NextPrefixTree: ptr,
  LastNextEntry: ptr,
});
const UNICODE_PREFIX_TABLE_ENTRY = struct('_UNICODE_PREFIX_TABLE_ENTRY', {
  NodeTypeCode: u16,
  NameLength: u16,
  NextPrefixTree: ptr,
  CaseMatch: ptr,
  Links: array(u8, SPLAY_LINKS_SIZE),
  Prefix: ptr,
});
const T = UNICODE_PREFIX_TABLE.f,
  E = UNICODE_PREFIX_TABLE_ENTRY.f;
const TYPE_TABLE = 0x0800,
  TYPE_ROOT = 0x0801,
  TYPE_CHILD = 0x0802,
  TYPE_CASE_MATCH = 0x0803;

const links = (entry: number): number => entry + E.Links.offset;
const entryOf = (node: number): number => node - E.Links.offset;
const prefixOf = (k: Kernel, entry: number): string => readUnicodeString(k.mem, E.Prefix.get(k.mem, entry));
const fold = (text: string): string => text.replace(/[^]/g, c => String.fromCharCode(upcaseChar(c.charCodeAt(0))));

/** Components of a name; `\` alone has none, so that it is looked for last. */
const components = (name: string): number => (name === '\\' || name === '' ? 0 : name.slice(1).split('\\').length);

/** The first `count` components of a name. */
const truncated = (name: string, count: number): string => {
  if (count === 0) return name.startsWith('\\') ? '\\' : '';
  return name[0] + name.slice(1).split('\\').slice(0, count).join('\\');
};

/** Place of the tree for names of `count` components: what points to it, and its root's entry, or 0 when there is none. */
function findTree(k: Kernel, table: number, count: number): { before: number; tree: number } {
  let before = table;
  for (;;) {
    const tree = E.NextPrefixTree.get(k.mem, before);
    if (tree === table || E.NameLength.get(k.mem, tree) < count) return { before, tree: 0 };
    if (E.NameLength.get(k.mem, tree) === count) return { before, tree };
    before = tree;
  }
}

/** Another entry is the root of a tree now. */
function setRoot(k: Kernel, before: number, old: number, root: number): void {
  if (old === root) return;
  const { mem } = k;
  E.NextPrefixTree.set(mem, root, E.NextPrefixTree.get(mem, old));
  E.NextPrefixTree.set(mem, old, 0);
  E.NodeTypeCode.set(mem, old, TYPE_CHILD);
  E.NodeTypeCode.set(mem, root, TYPE_ROOT);
  E.NextPrefixTree.set(mem, before, root);
}

/** Searches a tree for a name without regard to case: the entry, or the last one that was looked at and the side. */
function search(k: Kernel, tree: number, name: string): { entry: number; found: boolean; left: boolean } {
  const wanted = fold(name);
  for (let entry = tree; ; ) {
    const own = fold(prefixOf(k, entry));
    if (own === wanted) return { entry, found: true, left: false };
    const left = wanted < own;
    const next = left ? splayLeft(k.mem, links(entry)) : splayRight(k.mem, links(entry));
    if (next === 0) return { entry, found: false, left };
    entry = entryOf(next);
  }
}

/** The entries that differ from one only by case, itself first. */
function ring(k: Kernel, entry: number): number[] {
  const all = [entry];
  for (let e = E.CaseMatch.get(k.mem, entry); e !== entry; e = E.CaseMatch.get(k.mem, e)) all.push(e);
  return all;
}

function insert(k: Kernel, table: number, prefix: number, entry: number): boolean {
  const { mem } = k;
  const name = readUnicodeString(mem, prefix);
  const count = components(name);
  E.NameLength.set(mem, entry, count);
  E.Prefix.set(mem, entry, prefix);
  E.NextPrefixTree.set(mem, entry, 0);
  E.CaseMatch.set(mem, entry, entry);
  initializeSplayLinks(mem, links(entry));
  const { before, tree } = findTree(k, table, count);
  if (tree === 0) {
    E.NodeTypeCode.set(mem, entry, TYPE_ROOT);
    E.NextPrefixTree.set(mem, entry, E.NextPrefixTree.get(mem, before));
    E.NextPrefixTree.set(mem, before, entry);
    return true;
  }
  const place = search(k, tree, name);
  if (place.found) {
    if (ring(k, place.entry).some(e => prefixOf(k, e) === name)) return false;
    E.NodeTypeCode.set(mem, entry, TYPE_CASE_MATCH);
    E.CaseMatch.set(mem, entry, E.CaseMatch.get(mem, place.entry));
    E.CaseMatch.set(mem, place.entry, entry);
    return true;
  }
  E.NodeTypeCode.set(mem, entry, TYPE_CHILD);
  insertSplayChild(mem, links(place.entry), links(entry), place.left);
  setRoot(k, before, tree, entryOf(splay(mem, links(entry))));
  return true;
}

function find(k: Kernel, table: number, fullName: number, caseInsensitiveIndex: number): number {
  const { mem } = k;
  const name = readUnicodeString(mem, fullName);
  const most = components(name);
  let before = table;
  for (let tree = T.NextPrefixTree.get(mem, table); tree !== table; before = tree, tree = E.NextPrefixTree.get(mem, tree)) {
    const count = E.NameLength.get(mem, tree);
    if (count > most) continue;
    const wanted = truncated(name, count);
    const place = search(k, tree, wanted);
    if (!place.found) continue;
    const exact = wanted.slice(0, caseInsensitiveIndex);
    const entry = ring(k, place.entry).find(e => prefixOf(k, e).startsWith(exact));
    if (entry === undefined) continue;
    setRoot(k, before, tree, entryOf(splay(mem, links(place.entry))));
    return entry;
  }
  return 0;
}

function remove(k: Kernel, table: number, entry: number): void {
  const { mem } = k;
  T.LastNextEntry.set(mem, table, 0);
  const others = ring(k, entry).slice(1);
  const previous = others.at(-1);
  if (previous !== undefined) E.CaseMatch.set(mem, previous, E.CaseMatch.get(mem, entry));
  if (E.NodeTypeCode.get(mem, entry) === TYPE_CASE_MATCH) return;
  const { before, tree } = findTree(k, table, E.NameLength.get(mem, entry));
  if (tree === 0) return;
  if (previous !== undefined) {
    // Another spelling takes its place in the tree.
    const heir = previous;
    const parent = mem.readPtr(links(entry));
    mem.copy(links(heir), links(entry), SPLAY_LINKS_SIZE);
    E.NodeTypeCode.set(mem, heir, TYPE_CHILD);
    for (const child of [splayLeft(mem, links(heir)), splayRight(mem, links(heir))]) if (child !== 0) mem.writePtr(child, links(heir));
    if (parent === links(entry)) mem.writePtr(links(heir), links(heir));
    else mem.writePtr(parent + (splayLeft(mem, parent) === links(entry) ? 8 : 16), links(heir));
    if (tree === entry) setRoot(k, before, entry, heir);
    return;
  }
  const next = E.NextPrefixTree.get(mem, tree);
  const root = deleteSplay(mem, links(entry), true);
  if (root === 0) {
    E.NextPrefixTree.set(mem, before, next);
    return;
  }
  setRoot(k, before, tree, entryOf(root));
}

/** The first entry of the first tree from `tree` on, or 0 at the table. */
const firstEntry = (k: Kernel, table: number, tree: number): number => (tree === table ? 0 : entryOf(firstOf(k.mem, links(tree))));

/** The entry after one: its other spellings, the rest of its tree, the next tree. */
function following(k: Kernel, table: number, entry: number): number {
  const { mem } = k;
  const match = E.CaseMatch.get(mem, entry);
  if (E.NodeTypeCode.get(mem, match) === TYPE_CASE_MATCH) return match;
  const next = realNext(mem, links(match), true);
  if (next !== 0) return entryOf(next);
  const { tree } = findTree(k, table, E.NameLength.get(mem, entry));
  return tree === 0 ? 0 : firstEntry(k, table, E.NextPrefixTree.get(mem, tree));
}

const PTABLE = pointer('PUNICODE_PREFIX_TABLE'),
  PENTRY = pointer('PUNICODE_PREFIX_TABLE_ENTRY'),
  PUNICODE_STRING = pointer('PUNICODE_STRING');
const APC = { max: 'APC_LEVEL' } as const;

export const prefixExports: NtExport[] = [
  ntExport({
    name: 'RtlInitializeUnicodePrefix',
    doc: 'Makes an empty prefix table.',
    irql: APC,
    args: { PrefixTable: PTABLE },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl(k, { PrefixTable }) {
      T.NodeTypeCode.set(k.mem, PrefixTable, TYPE_TABLE);
      T.NameLength.set(k.mem, PrefixTable, 0);
      T.NextPrefixTree.set(k.mem, PrefixTable, PrefixTable);
      T.LastNextEntry.set(k.mem, PrefixTable, 0);
    },
  }),
  ntExport({
    name: 'RtlInsertUnicodePrefix',
    doc: 'Puts a prefix into a table; the string and the entry stay the caller’s. FALSE if the same spelling is in it already.',
    irql: APC,
    args: { PrefixTable: PTABLE, Prefix: PUNICODE_STRING, PrefixTableEntry: PENTRY },
    returns: BOOLEAN,
    cycles: 150,
    status: 'full',
    impl: (k, { PrefixTable, Prefix, PrefixTableEntry }) => insert(k, PrefixTable, Prefix, PrefixTableEntry),
  }),
  ntExport({
    name: 'RtlFindUnicodePrefix',
    doc: 'The longest prefix of a name, or NULL. Characters from CaseInsensitiveIndex on match without regard to case, those before it exactly.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { PrefixTable: PTABLE, FullName: PUNICODE_STRING, CaseInsensitiveIndex: ULONG },
    returns: PENTRY,
    cycles: 150,
    status: 'full',
    impl: (k, { PrefixTable, FullName, CaseInsensitiveIndex }) => find(k, PrefixTable, FullName, CaseInsensitiveIndex),
  }),
  ntExport({
    name: 'RtlRemoveUnicodePrefix',
    doc: 'Takes an entry out of its table.',
    irql: APC,
    args: { PrefixTable: PTABLE, PrefixTableEntry: PENTRY },
    returns: VOID,
    cycles: 120,
    status: 'full',
    impl: (k, { PrefixTable, PrefixTableEntry }) => remove(k, PrefixTable, PrefixTableEntry),
  }),
  ntExport({
    name: 'RtlNextUnicodePrefix',
    doc: 'The entries of a table one after another, from the first with Restart; NULL after the last.',
    irql: APC,
    args: { PrefixTable: PTABLE, Restart: BOOLEAN },
    returns: PENTRY,
    cycles: 60,
    status: 'full',
    impl(k, { PrefixTable, Restart }) {
      const last = Restart ? 0 : T.LastNextEntry.get(k.mem, PrefixTable);
      const entry = last
        ? following(k, PrefixTable, last)
        : firstEntry(k, PrefixTable, T.NextPrefixTree.get(k.mem, PrefixTable));
      T.LastNextEntry.set(k.mem, PrefixTable, entry);
      return entry;
    },
  }),
];
