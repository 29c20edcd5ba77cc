/** Splay trees over RTL_SPLAY_LINKS in guest memory: parent, left child, right child. The root's parent is the root itself. */
import type { VirtualMemory } from '../../hal/bus/memory.ts';

const PARENT = 0,
  LEFT = 8,
  RIGHT = 16;
export const SPLAY_LINKS_SIZE = 24;

const other = (side: number): number => (side === LEFT ? RIGHT : LEFT);
const child = (m: VirtualMemory, node: number, side: number): number => m.readPtr(node + side);
export const splayLeft = (m: VirtualMemory, node: number): number => child(m, node, LEFT);
export const splayRight = (m: VirtualMemory, node: number): number => child(m, node, RIGHT);
const parentOf = (m: VirtualMemory, node: number): number => m.readPtr(node + PARENT);
const isRoot = (m: VirtualMemory, node: number): boolean => parentOf(m, node) === node;
const sideOf = (m: VirtualMemory, node: number): number => (child(m, parentOf(m, node), LEFT) === node ? LEFT : RIGHT);

/** RtlInitializeSplayLinks: a tree of one node. */
export function initializeSplayLinks(m: VirtualMemory, node: number): void {
  m.writePtr(node + PARENT, node);
  m.writePtr(node + LEFT, 0);
  m.writePtr(node + RIGHT, 0);
}

/** RtlInsertAsLeftChild, RtlInsertAsRightChild. */
export function insertSplayChild(m: VirtualMemory, parent: number, node: number, left: boolean): void {
  m.writePtr(parent + (left ? LEFT : RIGHT), node);
  m.writePtr(node + PARENT, parent);
}

/** Moves a node up one level; its parent becomes its child. */
function rotateUp(m: VirtualMemory, node: number): void {
  const parent = parentOf(m, node);
  const side = sideOf(m, node);
  const wasRoot = isRoot(m, parent);
  const grand = parentOf(m, parent);
  const grandSide = wasRoot ? LEFT : sideOf(m, parent);
  const inner = child(m, node, other(side));
  m.writePtr(parent + side, inner);
  if (inner !== 0) m.writePtr(inner + PARENT, parent);
  m.writePtr(node + other(side), parent);
  m.writePtr(parent + PARENT, node);
  if (wasRoot) m.writePtr(node + PARENT, node);
  else {
    m.writePtr(node + PARENT, grand);
    m.writePtr(grand + grandSide, node);
  }
}

/** RtlSplay: makes a node the root of its tree by double rotations; returns it. */
export function splay(m: VirtualMemory, node: number): number {
  while (!isRoot(m, node)) {
    const parent = parentOf(m, node);
    if (!isRoot(m, parent)) rotateUp(m, sideOf(m, node) === sideOf(m, parent) ? parent : node);
    rotateUp(m, node);
  }
  return node;
}

function outermost(m: VirtualMemory, node: number, side: number): number {
  let n = node;
  for (let next = child(m, n, side); next !== 0; next = child(m, n, side)) n = next;
  return n;
}

/** RtlSubtreeSuccessor, RtlSubtreePredecessor: the next node within the subtree of a node, or 0. */
export const subtreeNext = (m: VirtualMemory, node: number, forward: boolean): number => {
  const first = child(m, node, forward ? RIGHT : LEFT);
  return first === 0 ? 0 : outermost(m, first, forward ? LEFT : RIGHT);
};

/** RtlRealSuccessor, RtlRealPredecessor: the next node of the tree, or 0. */
export function realNext(m: VirtualMemory, node: number, forward: boolean): number {
  const below = subtreeNext(m, node, forward);
  if (below !== 0) return below;
  let n = node;
  while (!isRoot(m, n)) {
    const parent = parentOf(m, n);
    if (child(m, parent, forward ? LEFT : RIGHT) === n) return parent;
    n = parent;
  }
  return 0;
}

/** The first node in order of the tree with this root, or 0. */
export const firstOf = (m: VirtualMemory, root: number): number => (root === 0 ? 0 : outermost(m, root, LEFT));

/** Puts `replacement` (0 for nothing) where `node` was; returns the root of the tree, given what it was. */
function replaceNode(m: VirtualMemory, node: number, replacement: number, root: number): number {
  if (isRoot(m, node)) {
    if (replacement !== 0) m.writePtr(replacement + PARENT, replacement);
    return replacement;
  }
  const parent = parentOf(m, node);
  m.writePtr(parent + sideOf(m, node), replacement);
  if (replacement !== 0) m.writePtr(replacement + PARENT, parent);
  return root;
}

const rootOf = (m: VirtualMemory, node: number): number => {
  let n = node;
  while (!isRoot(m, n)) n = parentOf(m, n);
  return n;
};

/** A node with two children changes places with its predecessor, so that it has at most one. */
function exchangeWithPredecessor(m: VirtualMemory, node: number): void {
  const predecessor = subtreeNext(m, node, false);
  const [left, right, parent] = [child(m, node, LEFT), child(m, node, RIGHT), parentOf(m, node)];
  const wasRoot = isRoot(m, node);
  const side = wasRoot ? LEFT : sideOf(m, node);
  const itsLeft = child(m, predecessor, LEFT),
    itsParent = parentOf(m, predecessor);
  m.writePtr(predecessor + RIGHT, right);
  m.writePtr(right + PARENT, predecessor);
  if (itsParent === node) {
    m.writePtr(predecessor + LEFT, node);
    m.writePtr(node + PARENT, predecessor);
  } else {
    m.writePtr(predecessor + LEFT, left);
    m.writePtr(left + PARENT, predecessor);
    m.writePtr(itsParent + RIGHT, node);
    m.writePtr(node + PARENT, itsParent);
  }
  m.writePtr(node + LEFT, itsLeft);
  if (itsLeft !== 0) m.writePtr(itsLeft + PARENT, node);
  m.writePtr(node + RIGHT, 0);
  if (wasRoot) m.writePtr(predecessor + PARENT, predecessor);
  else {
    m.writePtr(predecessor + PARENT, parent);
    m.writePtr(parent + side, predecessor);
  }
}

/** RtlDelete (with splaying of the parent) and RtlDeleteNoSplay: takes a node out and returns the root of what is left, or 0. */
export function deleteSplay(m: VirtualMemory, node: number, splaying: boolean): number {
  if (child(m, node, LEFT) !== 0 && child(m, node, RIGHT) !== 0) exchangeWithPredecessor(m, node);
  const only = child(m, node, LEFT) || child(m, node, RIGHT);
  if (isRoot(m, node)) return replaceNode(m, node, only, 0);
  const parent = parentOf(m, node);
  replaceNode(m, node, only, 0);
  return splaying ? splay(m, parent) : rootOf(m, parent);
}
