/** Generic tables: splay trees (RTL_GENERIC_TABLE) and AVL trees (RTL_AVL_TABLE) whose elements are compared, allocated and freed by routines of the driver. Source: their WDK pages. */
import type { Kernel } from '../kernel.ts';
import { avlDelete, avlFirst, avlInsert, avlNext } from '../rtl/avl.ts';
import { initializeListHead, insertTailList, removeEntryList } from '../rtl/list.ts';
import {
  deleteSplay,
  firstOf,
  initializeSplayLinks,
  insertSplayChild,
  realNext,
  splay,
  splayLeft,
  splayRight,
  subtreeNext,
} from '../rtl/splay.ts';
import { RTL_AVL_TABLE } from '../types/rtl.ts';
import { STATUS_NO_MATCH, STATUS_SUCCESS } from '../types/status.ts';
import { array, ptr, struct, u32 } from '../types/struct.ts';
import { BOOLEAN, call, type Frame, type NtExport, ntExport, ntSteps, type Outcome, pointer, PVOID, ret, ULONG, VOID } from './declare.ts';

const GenericLessThan = 0,
  GenericEqual = 2;
const TableEmptyTree = 0,
  TableFoundNode = 1,
  TableInsertAsLeft = 2,
  TableInsertAsRight = 3;

const RTL_GENERIC_TABLE = struct('_RTL_GENERIC_TABLE', {
  TableRoot: ptr,
  InsertOrderList: array(ptr, 2),
  OrderedPointer: ptr,
  WhichOrderedElement: u32,
  NumberGenericTableElements: u32,
  CompareRoutine: ptr,
  AllocateRoutine: ptr,
  FreeRoutine: ptr,
  TableContext: ptr,
});
const G = RTL_GENERIC_TABLE.f,
  A = RTL_AVL_TABLE.f;
/** TABLE_ENTRY_HEADER: links, for splay trees a list entry, then the element. */
const SPLAY_LIST_ENTRY = 0x18,
  SPLAY_DATA = 0x28,
  AVL_DATA = 0x20;

/** What the two kinds of tables differ in. `node` addresses are those of the links. */
interface Kind {
  suffix: '' | 'Avl';
  data: number;
  count: number;
  compare: number;
  allocate: number;
  free: number;
  root(k: Kernel, table: number): number;
  left(k: Kernel, node: number): number;
  right(k: Kernel, node: number): number;
  link(k: Kernel, table: number, parent: number, node: number, result: number): void;
  unlink(k: Kernel, table: number, node: number): void;
  /** A lookup has come to this node. */
  touch(k: Kernel, table: number, node: number): void;
}

const splayKind: Kind = {
  suffix: '',
  data: SPLAY_DATA,
  count: G.NumberGenericTableElements.offset,
  compare: G.CompareRoutine.offset,
  allocate: G.AllocateRoutine.offset,
  free: G.FreeRoutine.offset,
  root: (k, table) => G.TableRoot.get(k.mem, table),
  left: (k, node) => splayLeft(k.mem, node),
  right: (k, node) => splayRight(k.mem, node),
  link(k, table, parent, node, result) {
    const m = k.mem;
    initializeSplayLinks(m, node);
    if (result !== TableEmptyTree) insertSplayChild(m, parent, node, result === TableInsertAsLeft);
    insertTailList(m, table + G.InsertOrderList.offset, node + SPLAY_LIST_ENTRY);
    G.TableRoot.set(m, table, splay(m, node));
  },
  unlink(k, table, node) {
    const m = k.mem;
    G.TableRoot.set(m, table, deleteSplay(m, node, true));
    removeEntryList(m, node + SPLAY_LIST_ENTRY);
    G.WhichOrderedElement.set(m, table, 0);
    G.OrderedPointer.set(m, table, table + G.InsertOrderList.offset);
  },
  touch: (k, table, node) => G.TableRoot.set(k.mem, table, splay(k.mem, node)),
};

const avlKind: Kind = {
  suffix: 'Avl',
  data: AVL_DATA,
  count: A.NumberGenericTableElements.offset,
  compare: A.CompareRoutine.offset,
  allocate: A.AllocateRoutine.offset,
  free: A.FreeRoutine.offset,
  root: (k, table) => k.mem.readPtr(table + 16),
  left: (k, node) => k.mem.readPtr(node + 8),
  right: (k, node) => k.mem.readPtr(node + 16),
  link(k, table, parent, node, result) {
    const deeper = avlInsert(k.mem, table, result === TableEmptyTree ? table : parent, node, result === TableInsertAsLeft);
    if (deeper) A.DepthOfTree.set(k.mem, table, A.DepthOfTree.get(k.mem, table) + 1);
    A.OrderedPointer.set(k.mem, table, 0);
    A.WhichOrderedElement.set(k.mem, table, 0);
  },
  unlink(k, table, node) {
    const m = k.mem;
    A.DeleteCount.set(m, table, A.DeleteCount.get(m, table) + 1);
    // An enumeration that stands at the node goes on after the one before it.
    if (A.RestartKey.get(m, table) === node) A.RestartKey.set(m, table, avlNext(m, table, node, false));
    if (avlDelete(m, table, node)) A.DepthOfTree.set(m, table, A.DepthOfTree.get(m, table) - 1);
    A.OrderedPointer.set(m, table, 0);
    A.WhichOrderedElement.set(m, table, 0);
  },
  touch: () => undefined,
};

const addCount = (k: Kernel, kind: Kind, table: number, by: number): void =>
  k.mem.write32(table + kind.count, k.mem.read32(table + kind.count) + by);

const frame = { Node: ptr, Result: u32, Found: ptr };
type F = Frame<typeof frame>;
/** At this level memory and routines of the caller's must be nonpaged, which the routines find out by touching them. */
const DISPATCH = { max: 'DISPATCH_LEVEL' } as const;
const TABLE = pointer('PRTL_GENERIC_TABLE');

/** The node that the search has come to is compared with the element that is looked for. */
const compareWith = (k: Kernel, kind: Kind, f: F, table: number, buffer: number, node: number): Outcome => {
  f.set('Node', node);
  return call(k.mem.readPtr(table + kind.compare), [table, buffer, node + kind.data], 'compared');
};

type Done = (k: Kernel, kind: Kind, f: F, table: number) => Outcome;

/** The steps of a search; `done` runs when Result and Node say where the element is or would be. */
function searching(kind: Kind, done: Done) {
  return {
    start(k: Kernel, f: F, _rax: number, a: { Table: number; Buffer: number }): Outcome {
      const root = kind.root(k, a.Table);
      f.set('Result', TableEmptyTree);
      f.set('Node', 0);
      return root === 0 ? done(k, kind, f, a.Table) : compareWith(k, kind, f, a.Table, a.Buffer, root);
    },
    compared(k: Kernel, f: F, rax: number, a: { Table: number; Buffer: number }): Outcome {
      const node = f.get('Node'),
        answer = rax >>> 0;
      if (answer === GenericEqual) {
        f.set('Result', TableFoundNode);
        return done(k, kind, f, a.Table);
      }
      const next = answer === GenericLessThan ? kind.left(k, node) : kind.right(k, node);
      if (next !== 0) return compareWith(k, kind, f, a.Table, a.Buffer, next);
      f.set('Result', answer === GenericLessThan ? TableInsertAsLeft : TableInsertAsRight);
      return done(k, kind, f, a.Table);
    },
  };
}

const addressOf = (k: Kernel): number => Number(BigInt.asIntN(64, k.rax64()));

/** Allocates and links the new element, whose place is known. */
function allocate(k: Kernel, kind: Kind, table: number, size: number): Outcome {
  return call(k.mem.readPtr(table + kind.allocate), [table, size + kind.data], 'allocated');
}
function linkNew(k: Kernel, kind: Kind, table: number, buffer: number, size: number, parent: number, result: number, isNew: number): Outcome {
  const node = addressOf(k);
  if (node === 0) {
    if (isNew) k.mem.write8(isNew, 0);
    return ret(0);
  }
  k.mem.probe(node, kind.data + size, true);
  kind.link(k, table, parent, node, result);
  addCount(k, kind, table, 1);
  k.mem.copy(node + kind.data, buffer, size);
  if (isNew) k.mem.write8(isNew, 1);
  return ret(node + kind.data);
}

function tableRoutines(kind: Kind): NtExport[] {
  const s = kind.suffix;
  const full = `Full${s}`;
  const insertArgs = { Table: TABLE, Buffer: PVOID, BufferSize: ULONG, NewElement: pointer('PBOOLEAN') };
  return [
    ntSteps({
      name: `RtlInsertElementGenericTable${s}`,
      doc: 'Inserts a copy of an element, unless an equal one is there; returns the one that is in the table, or NULL when it could not be allocated.',
      irql: DISPATCH,
      args: insertArgs,
      returns: PVOID,
      cycles: 150,
      status: 'full',
      frame,
      steps: {
        start: (k, f, rax, a) => inserting(kind).start(k, f, rax, a),
        compared: (k, f, rax, a) => inserting(kind).compared(k, f, rax, a),
        allocated: (k, f, _rax, a) =>
          linkNew(k, kind, a.Table, a.Buffer, a.BufferSize, f.get('Node'), f.get('Result'), a.NewElement),
      },
    }),
    ntSteps({
      name: `RtlInsertElementGenericTable${full}`,
      doc: 'Inserts a copy of an element at the place that RtlLookupElementGenericTableFull found.',
      irql: DISPATCH,
      args: { ...insertArgs, NodeOrParent: PVOID, SearchResult: ULONG },
      returns: PVOID,
      cycles: 150,
      status: 'full',
      frame,
      steps: {
        start(k, _f, _rax, a) {
          if (a.SearchResult !== TableFoundNode) return allocate(k, kind, a.Table, a.BufferSize);
          kind.touch(k, a.Table, a.NodeOrParent);
          if (a.NewElement) k.mem.write8(a.NewElement, 0);
          return ret(a.NodeOrParent + kind.data);
        },
        allocated: (k, _f, _rax, a) =>
          linkNew(k, kind, a.Table, a.Buffer, a.BufferSize, a.NodeOrParent, a.SearchResult, a.NewElement),
      },
    }),
    ntSteps({
      name: `RtlDeleteElementGenericTable${s}`,
      doc: 'Takes an element out and frees it; FALSE when it is not in the table.',
      irql: DISPATCH,
      args: { Table: TABLE, Buffer: PVOID },
      returns: BOOLEAN,
      cycles: 150,
      status: 'full',
      frame,
      steps: {
        ...searching(kind, (k, _kind, f, table) => {
          if (f.get('Result') !== TableFoundNode) return ret(false);
          const node = f.get('Node');
          kind.unlink(k, table, node);
          addCount(k, kind, table, -1);
          return call(k.mem.readPtr(table + kind.free), [table, node], 'freed');
        }),
        freed: () => ret(true),
      },
    }),
    ntSteps({
      name: `RtlLookupElementGenericTable${s}`,
      doc: 'Finds an element; NULL when it is not in the table.',
      irql: DISPATCH,
      args: { Table: TABLE, Buffer: PVOID },
      returns: PVOID,
      cycles: 100,
      status: 'full',
      frame,
      steps: searching(kind, (k, _kind, f, table) => {
        if (f.get('Result') !== TableFoundNode) return ret(0);
        kind.touch(k, table, f.get('Node'));
        return ret(f.get('Node') + kind.data);
      }),
    }),
    ntSteps({
      name: `RtlLookupElementGenericTable${full}`,
      doc: 'Finds an element, or the place where it would be inserted.',
      irql: DISPATCH,
      args: { Table: TABLE, Buffer: PVOID, NodeOrParent: pointer('PVOID *'), SearchResult: pointer('TABLE_SEARCH_RESULT *') },
      returns: PVOID,
      cycles: 100,
      status: 'full',
      frame,
      steps: {
        start: (k, f, rax, a) => lookingUp(kind, a).start(k, f, rax, a),
        compared: (k, f, rax, a) => lookingUp(kind, a).compared(k, f, rax, a),
      },
    }),
    ntExport({
      name: `RtlNumberGenericTableElements${s}`,
      doc: 'Returns how many elements a table has.',
      args: { Table: TABLE },
      returns: ULONG,
      cycles: 5,
      status: 'full',
      impl: (k, a) => k.mem.read32(a.Table + kind.count),
    }),
    ntExport({
      name: `RtlIsGenericTableEmpty${s}`,
      doc: 'Tells whether a table has no elements.',
      args: { Table: TABLE },
      returns: BOOLEAN,
      cycles: 5,
      status: 'full',
      impl: (k, a) => kind.root(k, a.Table) === 0,
    }),
  ];
}

const inserting = (kind: Kind): ReturnType<typeof searching> & { [step: string]: unknown } =>
  searching(kind, (k, _kind, f, table) => {
    const isNew = Number(BigInt.asIntN(64, k.arg(3)));
    if (f.get('Result') === TableFoundNode) {
      kind.touch(k, table, f.get('Node'));
      if (isNew) k.mem.write8(isNew, 0);
      return ret(f.get('Node') + kind.data);
    }
    return allocate(k, kind, table, Number(k.arg(2) & 0xffffffffn));
  });

const lookingUp = (kind: Kind, a: { NodeOrParent: number; SearchResult: number }): ReturnType<typeof searching> =>
  searching(kind, (k, _kind, f, table) => {
    const node = f.get('Node'),
      found = f.get('Result') === TableFoundNode;
    if (found) kind.touch(k, table, node);
    k.mem.writePtr(a.NodeOrParent, node);
    k.mem.write32(a.SearchResult, f.get('Result'));
    return ret(found ? node + kind.data : 0);
  });

const initialize = (name: string, doc: string, fill: (k: Kernel, table: number, routines: readonly number[]) => void): NtExport =>
  ntExport({
    name,
    doc,
    irql: DISPATCH,
    args: { Table: TABLE, CompareRoutine: PVOID, AllocateRoutine: PVOID, FreeRoutine: PVOID, TableContext: PVOID },
    returns: VOID,
    cycles: 30,
    status: 'full',
    impl: (k, a) => fill(k, a.Table, [a.CompareRoutine, a.AllocateRoutine, a.FreeRoutine, a.TableContext]),
  });

const fillRoutines = (k: Kernel, at: number, routines: readonly number[]): void =>
  routines.forEach((r, i) => k.mem.writePtr(at + i * 8, r));

/** Steps along an AVL table from the node that a restart key names, and keeps where it is. */
function enumerateAvl(k: Kernel, table: number, keyAt: number): number {
  const m = k.mem,
    key = m.readPtr(keyAt);
  const node = key === 0 ? avlFirst(m, table) : avlNext(m, table, key);
  if (node !== 0) m.writePtr(keyAt, node);
  return node === 0 ? 0 : node + AVL_DATA;
}

/** The element with a number in order of insertion: the walk starts where the last one ended, when that is nearer. */
function elementOf(k: Kernel, table: number, index: number): number {
  const m = k.mem;
  const count = G.NumberGenericTableElements.get(m, table);
  if (index >= count) return 0;
  const head = table + G.InsertOrderList.offset;
  let entry = m.readPtr(head);
  for (let i = 0; i < index; i++) entry = m.readPtr(entry);
  // WhichOrderedElement counts from 1; 0 says that OrderedPointer is the head.
  G.OrderedPointer.set(m, table, entry);
  G.WhichOrderedElement.set(m, table, index + 1);
  return entry - SPLAY_LIST_ENTRY + SPLAY_DATA;
}

const enumerations: NtExport[] = [
  initialize('RtlInitializeGenericTable', 'Makes an empty table (a splay tree) of elements that a driver routine compares.', (k, table, routines) => {
    k.mem.fill(table, RTL_GENERIC_TABLE.size, 0);
    initializeListHead(k.mem, table + G.InsertOrderList.offset);
    G.OrderedPointer.set(k.mem, table, table + G.InsertOrderList.offset);
    fillRoutines(k, table + G.CompareRoutine.offset, routines);
  }),
  initialize('RtlInitializeGenericTableAvl', 'Makes an empty table (an AVL tree) of elements that a driver routine compares.', (k, table, routines) => {
    k.mem.fill(table, RTL_AVL_TABLE.size, 0);
    k.mem.writePtr(table, table);
    fillRoutines(k, table + A.CompareRoutine.offset, routines);
  }),
  ntExport({
    name: 'RtlEnumerateGenericTable',
    doc: 'Returns the elements in order, one a call; the tree is splayed at each. NULL after the last.',
    args: { Table: TABLE, Restart: BOOLEAN },
    returns: PVOID,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const root = G.TableRoot.get(k.mem, a.Table);
      if (root === 0) return 0;
      const node = a.Restart ? firstOf(k.mem, root) : realNext(k.mem, root, true);
      if (node === 0) return 0;
      G.TableRoot.set(k.mem, a.Table, splay(k.mem, node));
      return node + SPLAY_DATA;
    },
  }),
  ntExport({
    name: 'RtlEnumerateGenericTableWithoutSplaying',
    doc: 'Returns the elements in order, one a call, from a restart key on, and leaves the tree as it is.',
    args: { Table: TABLE, RestartKey: pointer('PVOID *') },
    returns: PVOID,
    cycles: 50,
    status: 'full',
    impl(k, a) {
      const m = k.mem,
        key = m.readPtr(a.RestartKey);
      const node = key === 0 ? firstOf(m, G.TableRoot.get(m, a.Table)) : realNext(m, key, true);
      if (node === 0) return 0;
      m.writePtr(a.RestartKey, node);
      return node + SPLAY_DATA;
    },
  }),
  ntExport({
    name: 'RtlGetElementGenericTable',
    doc: 'Returns the element with a number in order of insertion; NULL beyond the last.',
    args: { Table: TABLE, I: ULONG },
    returns: PVOID,
    cycles: 40,
    status: 'full',
    impl: (k, a) => elementOf(k, a.Table, a.I),
  }),
  ntExport({
    name: 'RtlEnumerateGenericTableAvl',
    doc: 'Returns the elements in order, one a call; NULL after the last.',
    args: { Table: TABLE, Restart: BOOLEAN },
    returns: PVOID,
    cycles: 50,
    status: 'full',
    impl(k, a) {
      if (a.Restart) A.RestartKey.set(k.mem, a.Table, 0);
      return enumerateAvl(k, a.Table, a.Table + A.RestartKey.offset);
    },
  }),
  ntExport({
    name: 'RtlEnumerateGenericTableWithoutSplayingAvl',
    doc: 'Returns the elements in order, one a call, from a restart key on.',
    args: { Table: TABLE, RestartKey: pointer('PVOID *') },
    returns: PVOID,
    cycles: 50,
    status: 'full',
    impl: (k, a) => enumerateAvl(k, a.Table, a.RestartKey),
  }),
  ntExport({
    name: 'RtlGetElementGenericTableAvl',
    doc: 'Returns the element with a number in order; NULL beyond the last.',
    args: { Table: TABLE, I: ULONG },
    returns: PVOID,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      const m = k.mem;
      if (a.I >= A.NumberGenericTableElements.get(m, a.Table)) return 0;
      let node = avlFirst(m, a.Table);
      for (let i = 0; i < a.I; i++) node = avlNext(m, a.Table, node);
      A.OrderedPointer.set(m, a.Table, node);
      A.WhichOrderedElement.set(m, a.Table, a.I + 1);
      return node + AVL_DATA;
    },
  }),
  ntSteps({
    name: 'RtlLookupFirstMatchingElementGenericTableAvl',
    doc: 'Finds the first of several elements that compare equal, and the key to enumerate the others from.',
    irql: DISPATCH,
    args: { Table: TABLE, Buffer: PVOID, RestartKey: pointer('PVOID *') },
    returns: PVOID,
    cycles: 120,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        f.set('Found', 0);
        const root = avlKind.root(k, a.Table);
        return root === 0 ? firstMatch(k, f, a.RestartKey) : compareWith(k, avlKind, f, a.Table, a.Buffer, root);
      },
      compared(k, f, rax, a) {
        const node = f.get('Node'),
          answer = rax >>> 0;
        if (answer === GenericEqual) f.set('Found', node);
        const next = answer === GenericLessThan || answer === GenericEqual ? avlKind.left(k, node) : avlKind.right(k, node);
        return next === 0 ? firstMatch(k, f, a.RestartKey) : compareWith(k, avlKind, f, a.Table, a.Buffer, next);
      },
    },
  }),
  ntSteps({
    name: 'RtlEnumerateGenericTableLikeADirectory',
    doc: 'Returns the elements that a match routine accepts, one a call, also when elements were deleted in between.',
    irql: DISPATCH,
    args: {
      Table: TABLE,
      MatchFunction: PVOID,
      MatchData: PVOID,
      NextFlag: ULONG,
      RestartKey: pointer('PVOID *'),
      DeleteCount: pointer('PULONG'),
      Buffer: PVOID,
    },
    returns: PVOID,
    cycles: 150,
    status: 'full',
    frame,
    steps: {
      start(k, f, _rax, a) {
        const m = k.mem,
          key = m.readPtr(a.RestartKey);
        // While nothing was deleted, the key is where the enumeration was; otherwise it is looked for again by its contents.
        if (key !== 0 && m.read32(a.DeleteCount) === A.DeleteCount.get(m, a.Table))
          return match(k, f, a, a.NextFlag ? avlNext(m, a.Table, key) : key);
        m.write32(a.DeleteCount, A.DeleteCount.get(m, a.Table));
        f.set('Found', 0);
        const root = avlKind.root(k, a.Table);
        return root === 0 ? ret(0) : compareWith(k, avlKind, f, a.Table, a.Buffer, root);
      },
      compared(k, f, rax, a) {
        const m = k.mem,
          node = f.get('Node'),
          answer = rax >>> 0;
        if (answer === GenericEqual) return match(k, f, a, a.NextFlag ? avlNext(m, a.Table, node) : node);
        if (answer === GenericLessThan) f.set('Found', node);
        const next = answer === GenericLessThan ? avlKind.left(k, node) : avlKind.right(k, node);
        return next === 0 ? match(k, f, a, f.get('Found')) : compareWith(k, avlKind, f, a.Table, a.Buffer, next);
      },
      matched(k, f, rax, a) {
        const node = f.get('Node'),
          status = rax >>> 0;
        if (status === STATUS_SUCCESS) {
          k.mem.writePtr(a.RestartKey, node);
          return ret(node + AVL_DATA);
        }
        if (status === STATUS_NO_MATCH) return match(k, f, a, avlNext(k.mem, a.Table, node));
        // STATUS_NO_MORE_MATCHES: nothing that follows can match.
        return ret(0);
      },
    },
  }),
];

function firstMatch(k: Kernel, f: F, keyAt: number): Outcome {
  const found = f.get('Found');
  if (keyAt) k.mem.writePtr(keyAt, found);
  return ret(found === 0 ? 0 : found + AVL_DATA);
}

/** Asks the match routine about a node; without one the node matches. */
function match(k: Kernel, f: F, a: { Table: number; MatchFunction: number; MatchData: number; RestartKey: number }, node: number): Outcome {
  if (node === 0) return ret(0);
  f.set('Node', node);
  if (a.MatchFunction !== 0) return call(a.MatchFunction, [a.Table, node + AVL_DATA, a.MatchData], 'matched');
  k.mem.writePtr(a.RestartKey, node);
  return ret(node + AVL_DATA);
}

const LINKS = pointer('PRTL_SPLAY_LINKS');
const linksRoutine = (name: string, doc: string, step: (k: Kernel, links: number) => number): NtExport =>
  ntExport({ name, doc, irql: DISPATCH, args: { Links: LINKS }, returns: PVOID, cycles: 60, status: 'full', impl: (k, a) => step(k, a.Links) });

const links: NtExport[] = [
  linksRoutine('RtlSplay', 'Makes a node the root of its splay tree.', (k, at) => splay(k.mem, at)),
  linksRoutine('RtlDelete', 'Takes a node out of a splay tree, which is splayed at its parent; returns the root, NULL for an empty tree.', (k, at) =>
    deleteSplay(k.mem, at, true),
  ),
  linksRoutine('RtlSubtreeSuccessor', 'Returns the node after a node within its subtree, or NULL.', (k, at) => subtreeNext(k.mem, at, true)),
  linksRoutine('RtlSubtreePredecessor', 'Returns the node before a node within its subtree, or NULL.', (k, at) =>
    subtreeNext(k.mem, at, false),
  ),
  linksRoutine('RtlRealSuccessor', 'Returns the node after a node in the tree, or NULL.', (k, at) => realNext(k.mem, at, true)),
  linksRoutine('RtlRealPredecessor', 'Returns the node before a node in the tree, or NULL.', (k, at) => realNext(k.mem, at, false)),
  ntExport({
    name: 'RtlDeleteNoSplay',
    doc: 'Takes a node out of a splay tree and leaves its shape; the root is changed if it has to be.',
    irql: DISPATCH,
    args: { Links: LINKS, Root: pointer('PRTL_SPLAY_LINKS *') },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k, a) {
      k.mem.writePtr(a.Root, deleteSplay(k.mem, a.Links, false));
    },
  }),
];

export const tableExports: readonly NtExport[] = [...tableRoutines(splayKind), ...tableRoutines(avlKind), ...enumerations, ...links];
