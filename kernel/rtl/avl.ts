/**
 * AVL trees over RTL_BALANCED_LINKS in guest memory: parent, left child, right child, balance (-1 left side higher, 1 right side). The tree hangs as the right child of
 * RTL_AVL_TABLE.BalancedRoot, which is the parent of the first node.
 */
import type { VirtualMemory } from '../../hal/bus/memory.ts';

const PARENT = 0,
  LEFT = 8,
  RIGHT = 16,
  BALANCE = 24;

const get = (m: VirtualMemory, node: number, field: number): number => m.readPtr(node + field);
const balanceOf = (m: VirtualMemory, node: number): number => (m.read8(node + BALANCE) << 24) >> 24;
const setBalance = (m: VirtualMemory, node: number, balance: number): void => m.write8(node + BALANCE, balance & 0xff);
const other = (side: number): number => (side === LEFT ? RIGHT : LEFT);
const weight = (side: number): number => (side === LEFT ? -1 : 1);
const sideOf = (m: VirtualMemory, node: number): number => (get(m, get(m, node, PARENT), LEFT) === node ? LEFT : RIGHT);

function link(m: VirtualMemory, parent: number, side: number, node: number): void {
  m.writePtr(parent + side, node);
  if (node !== 0) m.writePtr(node + PARENT, parent);
}

/** The child at `side` of `node` takes its place. */
function rotate(m: VirtualMemory, node: number, side: number): number {
  const up = get(m, node, side),
    parent = get(m, node, PARENT),
    at = sideOf(m, node);
  link(m, node, side, get(m, up, other(side)));
  link(m, up, other(side), node);
  link(m, parent, at, up);
  return up;
}

/** A node whose `side` is two levels higher is rotated; returns the new top, and whether the subtree became lower. */
function rebalance(m: VirtualMemory, node: number, side: number): { top: number; lower: boolean } {
  const up = get(m, node, side),
    w = weight(side);
  const balance = balanceOf(m, up);
  if (balance !== -w) {
    const top = rotate(m, node, side);
    setBalance(m, node, balance === 0 ? w : 0);
    setBalance(m, up, balance === 0 ? -w : 0);
    return { top, lower: balance !== 0 };
  }
  const middle = get(m, up, other(side));
  const inner = balanceOf(m, middle);
  rotate(m, up, other(side));
  const top = rotate(m, node, side);
  setBalance(m, node, inner === w ? -w : 0);
  setBalance(m, up, inner === -w ? w : 0);
  setBalance(m, middle, 0);
  return { top, lower: true };
}

/** Links a new node below `parent` (the table's root for an empty tree) and balances. True when the tree became a level deeper. */
export function avlInsert(m: VirtualMemory, root: number, parent: number, node: number, left: boolean): boolean {
  m.writePtr(node + LEFT, 0);
  m.writePtr(node + RIGHT, 0);
  m.write64(node + BALANCE, 0n);
  link(m, parent, parent === root || !left ? RIGHT : LEFT, node);
  let child = node;
  for (let at = parent; at !== root; child = at, at = get(m, at, PARENT)) {
    const side = sideOf(m, child),
      balance = balanceOf(m, at) + weight(side);
    if (balance === 0) {
      setBalance(m, at, 0);
      return false;
    }
    if (Math.abs(balance) === 2) {
      rebalance(m, at, side);
      return false;
    }
    setBalance(m, at, balance);
  }
  return true;
}

function outermost(m: VirtualMemory, node: number, side: number): number {
  let n = node;
  for (let next = get(m, n, side); next !== 0; next = get(m, n, side)) n = next;
  return n;
}

/** A node with two children changes places with its successor. */
function exchange(m: VirtualMemory, node: number): void {
  const successor = outermost(m, get(m, node, RIGHT), LEFT);
  const parent = get(m, node, PARENT),
    at = sideOf(m, node),
    left = get(m, node, LEFT),
    right = get(m, node, RIGHT),
    balance = balanceOf(m, node);
  const itsParent = get(m, successor, PARENT),
    itsRight = get(m, successor, RIGHT),
    itsBalance = balanceOf(m, successor);
  link(m, parent, at, successor);
  link(m, successor, LEFT, left);
  if (itsParent === node) link(m, successor, RIGHT, node);
  else {
    link(m, successor, RIGHT, right);
    link(m, itsParent, LEFT, node);
  }
  link(m, node, RIGHT, itsRight);
  m.writePtr(node + LEFT, 0);
  setBalance(m, successor, balance);
  setBalance(m, node, itsBalance);
}

/** Takes a node out and balances. True when the tree became a level lower. */
export function avlDelete(m: VirtualMemory, root: number, node: number): boolean {
  if (get(m, node, LEFT) !== 0 && get(m, node, RIGHT) !== 0) exchange(m, node);
  let at = get(m, node, PARENT),
    side = sideOf(m, node);
  link(m, at, side, get(m, node, LEFT) || get(m, node, RIGHT));
  while (at !== root) {
    const balance = balanceOf(m, at) - weight(side);
    let top = at;
    if (Math.abs(balance) === 2) {
      const done = rebalance(m, at, other(side));
      top = done.top;
      if (!done.lower) return false;
    } else {
      setBalance(m, at, balance);
      if (balance !== 0) return false;
    }
    at = get(m, top, PARENT);
    side = sideOf(m, top);
  }
  return true;
}

/** The first node in order of the tree below the table's root, or 0. */
export const avlFirst = (m: VirtualMemory, root: number): number => {
  const top = get(m, root, RIGHT);
  return top === 0 ? 0 : outermost(m, top, LEFT);
};

/** The next node in order (or the one before), or 0. */
export function avlNext(m: VirtualMemory, root: number, node: number, forward = true): number {
  const side = forward ? RIGHT : LEFT;
  const below = get(m, node, side);
  if (below !== 0) return outermost(m, below, other(side));
  let n = node;
  for (;;) {
    const parent = get(m, n, PARENT);
    if (parent === root) return 0;
    if (get(m, parent, other(side)) === n) return parent;
    n = parent;
  }
}
