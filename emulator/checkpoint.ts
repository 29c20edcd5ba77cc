import type { DeviceState, InputRecord, MachineConfig, StateValue } from '../hal/bus/index.ts';
import type { BusClaims } from './bus.ts';
import { boardBytes, cpuBytes, HASHED_RANGES, stateReplaced } from './corestate.ts';
import { DirtyPages } from './dirty.ts';
import type { DirtySet } from './dirty.ts';
import { ByteWriter, copyState, encodeState } from './encode.ts';
import type { ScheduledEvent } from './eventqueue.ts';
import { formatHash, hashBytes, hashWords, RamHash } from './hash.ts';
import type { Machine } from './machine.ts';
import type { OutputPlace } from './outputlog.ts';

const PAGE_SIZE = 0x1000;
const LEAF_BITS = 7,
  LEAF_PAGES = 1 << LEAF_BITS,
  LEAF_MASK = LEAF_PAGES - 1;
/** Bytes of one checkpoint apart from its pages, roughly: what thinning counts. */
const SMALL_STATE = 64 << 10;

/** The bytes of a page as they were; shared by all checkpoints between which it did not change. null = all zeros. */
type PageVersion = Uint8Array | null;
type Leaf = readonly PageVersion[];

/** Everything but RAM, as plain data. */
interface SmallState {
  /** For each processor its CPU structure and translation caches, as they are in linear memory. */
  cpus: Uint8Array[];
  /** What processors share: the I/O APIC. */
  board: Uint8Array;
  devices: { id: string; state: DeviceState }[];
  claims: BusClaims;
  events: ScheduledEvent[];
}

/** The whole state of a machine at an instruction boundary. Immutable; shares unchanged pages with its neighbours. */
export interface Checkpoint {
  readonly cycle: number;
  /** {@link Machine.position}. */
  readonly position: number;
  /** Processor whose turn it was. */
  readonly cpu: number;
  readonly instructions: number;
  readonly config: MachineConfig;
  readonly pages: readonly Leaf[];
  readonly small: SmallState;
  readonly inputs: readonly InputRecord[];
  readonly inputPosition: number;
  readonly output: OutputPlace;
  /** Bytes of pages that this checkpoint had to copy. */
  readonly copied: number;
}

/**
 * Takes and restores checkpoints of one machine, and hashes it. What RAM looked like at the last checkpoint or restore is kept as a table of
 * page versions, so that taking one copies the pages that were dirtied since, and restoring one writes the pages that differ.
 */
export class StateKeeper {
  private readonly machine: Machine;
  private readonly dirty: DirtySet;
  private readonly toHash: DirtySet;
  private readonly ramHash: RamHash;
  /** RAM is this, except for the pages in `dirty`. */
  private table: readonly Leaf[];

  constructor(machine: Machine) {
    this.machine = machine;
    const pages = new DirtyPages(machine.pageFlags, () => machine.core.clearDirty());
    this.dirty = pages.watch();
    this.toHash = pages.watch();
    this.ramHash = new RamHash(machine.ram.bytes);
    const empty: Leaf = new Array<PageVersion>(LEAF_PAGES).fill(null);
    this.table = new Array<Leaf>(Math.ceil(machine.ram.size / PAGE_SIZE / LEAF_PAGES)).fill(empty);
  }

  take(): Checkpoint {
    const { machine } = this;
    const table = [...this.table],
      fresh = new Set<number>();
    let copied = 0;
    for (const page of this.dirty.take()) {
      const leafNumber = page >> LEAF_BITS;
      if (!fresh.has(leafNumber)) {
        table[leafNumber] = [...table[leafNumber]];
        fresh.add(leafNumber);
      }
      (table[leafNumber] as PageVersion[])[page & LEAF_MASK] = machine.ram.bytes.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
      copied += PAGE_SIZE;
    }
    this.table = table;
    return {
      cycle: machine.cycle,
      position: machine.position,
      cpu: machine.currentCpu,
      instructions: machine.instructions,
      config: machine.config,
      pages: table,
      small: saveSmall(machine),
      inputs: machine.inputs.records,
      inputPosition: machine.inputs.position,
      output: machine.output.place(),
      copied,
    };
  }

  /** Puts the machine into a checkpoint's state. Throws an Error if it is a checkpoint of a machine of another configuration. */
  restore(checkpoint: Checkpoint): void {
    const { machine } = this;
    if (JSON.stringify(checkpoint.config) !== JSON.stringify(machine.config))
      throw new Error('the checkpoint is of a machine with another configuration');
    const changed = new Set(this.dirty.take());
    for (let leafNumber = 0; leafNumber < this.table.length; leafNumber++) {
      const was = this.table[leafNumber],
        leaf = checkpoint.pages[leafNumber];
      if (was === leaf) continue;
      for (let i = 0; i < LEAF_PAGES; i++) if (was[i] !== leaf[i]) changed.add((leafNumber << LEAF_BITS) | i);
    }
    for (const page of changed) {
      const version = checkpoint.pages[page >> LEAF_BITS][page & LEAF_MASK];
      if (version === null) machine.ram.bytes.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
      else machine.ram.bytes.set(version, page * PAGE_SIZE);
      this.toHash.mark(page);
    }
    this.table = checkpoint.pages;
    loadSmall(machine, checkpoint.small);
    machine.inputs.load(checkpoint.inputs, checkpoint.inputPosition);
    machine.output.goTo(checkpoint.output);
  }

  /**
   * 64 bits over the machine's whole state as 16 hex digits: RAM, processors with their TLBs, APICs, devices, events, configuration. What belongs to the
   * host (decoded code, dirty flags, breakpoints, unentered inputs) has no part in it.
   */
  hash(): string {
    for (const page of this.toHash.take()) this.ramHash.update(page);
    const { machine } = this,
      ram = this.ramHash.value(),
      out = new ByteWriter(),
      part = { lo: 0, hi: 0 };
    const addWords = (bytes: Uint8Array, seed: number): void => {
      hashWords(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2), seed, part);
      out.u32(part.lo);
      out.u32(part.hi);
    };
    out.u32(ram.lo);
    out.u32(ram.hi);
    for (const cpu of machine.cpus) {
      const bytes = cpuBytes(machine.linear, machine.core, cpu.index);
      out.u32(cpu.rflags);
      HASHED_RANGES.forEach(([start, end], i) => addWords(bytes.subarray(start, end), i));
    }
    addWords(boardBytes(machine.linear), 0);
    out.sized(encodeState({ ...machine.config }));
    out.sized(encodeState(devicesAndEvents(machine)));
    hashBytes(out.finish(), 0, part);
    return formatHash(part);
  }
}

function saveSmall(machine: Machine): SmallState {
  return {
    cpus: machine.cpus.map(cpu => cpuBytes(machine.linear, machine.core, cpu.index).slice()),
    board: boardBytes(machine.linear).slice(),
    devices: [...machine.devices.values()].map(device => ({ id: device.id, state: copyState(device.save()) })),
    claims: machine.bus.claims(),
    events: machine.events.list(),
  };
}

function loadSmall(machine: Machine, small: SmallState): void {
  if (small.devices.length !== machine.devices.size) throw new Error('the checkpoint is of a machine with other devices');
  for (const { id, state } of small.devices) {
    const device = machine.devices.get(id);
    if (device === undefined) throw new Error(`the checkpoint has a device '${id}', this machine has none`);
    device.load(copyState(state));
  }
  machine.bus.loadClaims(small.claims, id => machine.devices.get(id));
  machine.events.load(small.events);
  // After the devices: a device's load may drive its interrupt line, and the lines' levels are part of the I/O APIC's state.
  boardBytes(machine.linear).set(small.board);
  machine.cpus.forEach((cpu, i) => {
    cpuBytes(machine.linear, machine.core, i).set(small.cpus[i]);
    cpu.mem.invalidate();
  });
  // Decoded code and what is derived from the processors' state are of the machine as it was.
  stateReplaced(machine.core, machine.cpus.length);
  machine.guestOs?.restored();
}

function devicesAndEvents(machine: Machine): StateValue {
  return {
    devices: [...machine.devices.values()].map(device => ({ id: device.id, state: device.save() })),
    claims: machine.bus.claims() as unknown as StateValue,
    events: machine.events.list().map(({ cycle, device, name, arg }) => ({ cycle, device, name, arg })),
  };
}

/** Bytes that a set of checkpoints keeps alive: pages that several of them share count once. */
export function footprint(checkpoints: readonly Checkpoint[]): number {
  const leaves = new Set<Leaf>(),
    versions = new Set<Uint8Array>();
  for (const checkpoint of checkpoints) {
    for (const leaf of checkpoint.pages) {
      if (leaves.has(leaf)) continue;
      leaves.add(leaf);
      for (const version of leaf) if (version !== null) versions.add(version);
    }
  }
  return versions.size * PAGE_SIZE + leaves.size * LEAF_PAGES * 8 + checkpoints.length * SMALL_STATE;
}

/**
 * Which checkpoint to give up when there are too many: the one that leaves the smallest hole for its age, so that the recent past stays dense and the
 * distant past coarse. Never the first nor the last. Returns an index, or -1 when nothing can go. `checkpoints` ascend by cycle.
 */
export function thinnest(checkpoints: readonly Checkpoint[], now: number): number {
  let best = -1,
    bestScore = Infinity;
  for (let i = 1; i < checkpoints.length - 1; i++) {
    const hole = checkpoints[i + 1].cycle - checkpoints[i - 1].cycle,
      age = Math.max(1, now - checkpoints[i].cycle);
    const score = hole / age;
    if (score < bestScore) {
      best = i;
      bestScore = score;
    }
  }
  return best;
}
