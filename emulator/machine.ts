import type {
  BugCheck,
  Clock,
  CpuView,
  Device,
  GuestOs,
  InputRecord,
  MachineConfig,
  PhysicalMemory,
  Platform,
  PowerEvent,
  TraceEvent,
} from '../hal/bus/index.ts';
import { highHalf } from '../hal/bus/index.ts';
import { MachineBus } from './bus.ts';
import { completeConfig } from './config.ts';
import * as abi from './core/abi.ts';
import type { CoreExports } from './core/abi.ts';
import { Processor } from './cpuview.ts';
import { readWatchHit, setBreakpoints, setGateRanges, setWatches } from './debug.ts';
import type { Watch, WatchHit } from './debug.ts';
import { applyPoke, DEBUGGER, encodePoke } from './poke.ts';
import type { Poke } from './poke.ts';
import { EventQueue } from './eventqueue.ts';
import { InputLog } from './inputlog.ts';
import { GuestRam } from './memory.ts';
import { StateKeeper } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import { OutputLog } from './outputlog.ts';
import { PhysicalSpace } from './physical.ts';

const TWO_32 = 0x1_0000_0000;
/** Stands for "no limit": any cycle that is reached is below it. */
const FOREVER = Number.MAX_SAFE_INTEGER;
const PAGE_SIZE = 0x1000;

/** The name under which the guest's debugger output (DbgPrint) stands in the output log. */
export const DEBUG_OUTPUT = 'debug';

/** Gets bytes that leave the machine: which device, on which of its channels. */
export type OutputSink = (device: string, channel: string, data: Uint8Array) => void;

/** Why {@link Machine.run} returned. */
export type StopReason =
  /** The cycle that was asked for is reached. */
  | 'limit'
  /** RIP is at a breakpoint; the next run passes it. */
  | 'breakpoint'
  /** An instruction or a kernel routine touched a watched range; it is complete. */
  | 'watch'
  /** The guest operating system stopped with a bug check. */
  | 'bugcheck'
  /** A triple fault: the processor shut down. */
  | 'shutdown'
  /** Halted, and nothing is scheduled that could ever wake the machine. Only without a limit. */
  | 'idle'
  /** {@link Machine.stop} was called. */
  | 'stopped'
  /** The guest ended the run through the debug-exit port, pulled the reset line, or turned the power off: `Stop.power` says which and how. */
  | 'power';

export interface Stop {
  reason: StopReason;
  /** Processor that stopped, or the one whose turn it is. */
  cpu: number;
  cycle: number;
  /** With reason `power`. Nothing has been done about it: a run that goes on goes on after the instruction. */
  power?: PowerEvent;
}

/** What stands in for firmware and a boot loader on a machine without a guest operating system of ours. */
export interface Firmware {
  /** Builds the memory image and processor state that a boot loader leaves. The machine is fresh, its devices are reset. */
  boot(machine: Machine): void;
  /** After S3: all processors are reset, memory is as it was; sets the first one to where the operating system wants to go on. */
  resume(machine: Machine): void;
}

/** What the core tells while tracing is on: see assembly/core/events.ts for the kinds and what `a` and `b` are. */
export interface CoreEvent {
  kind: number;
  cpu: number;
  cycle: number;
  a: number;
  b: number;
}

export interface MachineOptions {
  config?: Partial<MachineConfig>;
  /** The compiled core (`build/core.wasm`). */
  core: WebAssembly.Module;
  devices?: readonly Device[];
  guestOs?: GuestOs | null;
  firmware?: Firmware | null;
}

/**
 * The machine: one instance of the core, its memory, the devices around it, and the one counter that everything runs on.
 *
 *     const machine = new Machine({ core: await WebAssembly.compile(bytes), devices: [...], guestOs });
 *     machine.boot();                       // devices reset, guestOs builds the memory image
 *     const stop = machine.run(1_000_000);  // to cycle 1,000,000, or an earlier reason to stop
 *     machine.cpus[0].rip; machine.memory.read32(0x1000);
 *
 * `run(a); run(b)` leaves the same state as `run(b)`: a run stops at the first instruction boundary at or after its limit, before the events
 * that are due there; they fire when the machine goes on.
 */
export class Machine implements Platform {
  readonly config: MachineConfig;
  readonly core: CoreExports;
  readonly linear: WebAssembly.Memory;
  readonly ram: GuestRam;
  readonly memory: PhysicalMemory;
  readonly cpus: readonly Processor[];
  readonly clock: Clock;
  readonly bus: MachineBus;
  readonly events = new EventQueue();
  readonly inputs = new InputLog();
  readonly devices: ReadonlyMap<string, Device>;
  readonly guestOs: GuestOs | null;
  private readonly firmware: Firmware | null;
  /** What a device asked for during the instruction that ran last. */
  private powerAsked: PowerEvent | null = null;
  /** One byte a physical page; the core and the host's write function share it. */
  readonly pageFlags: Uint8Array;

  /** What the machine has put out on the way to where it is. */
  readonly output = new OutputLog();
  private outputSinks: readonly OutputSink[] = [];
  /** Set while the past is run again: sinks are not told of what they were told before. */
  replaying = false;
  private readonly keeper: StateKeeper;
  private readonly space: PhysicalSpace;
  private traceSinks: readonly ((event: TraceEvent) => void)[] = [];
  private coreSinks: readonly ((event: CoreEvent) => void)[] = [];
  private breakpointList: readonly number[] = [];
  private watchList: readonly Watch[] = [];
  /** Called before an input or a change from outside: a timeline that stands in the past starts a branch. */
  beforeChange: () => void = () => {};

  /** Shared with the core: the latest cycle that software of several processors has read from a clock (two halves). */
  private readonly clockSeen: Uint32Array;
  private running = false;
  /** Cycle up to which the core has been told to run: an event scheduled before it stops the core. */
  private limit = 0;
  /** With several processors: the event cycle that the core was told, which none of them passes. */
  private eventLimit = Infinity;
  /** Cycle of the event that is being fired, or -1. */
  private firing = -1;
  private stopAsked = false;
  private failure: { error: unknown } | null = null;

  constructor(options: MachineOptions) {
    this.config = completeConfig(options.config);
    const { ramBytes, cpus } = this.config;
    this.linear = abi.createMemory(ramBytes, cpus);
    this.core = abi.instantiate(options.core, this.linear, {
      // Nothing may be thrown through the core: see failed().
      portIn: (port, size) => {
        try {
          return this.bus.portIn(port, size);
        } catch (error) {
          return this.failed(error);
        }
      },
      portOut: (port, size, value) => {
        try {
          this.bus.portOut(port, size, value >>> 0);
        } catch (error) {
          this.failed(error);
        }
      },
      mmioRead: (pa, size) => {
        try {
          return this.space.deviceRead(pa >>> 0, size);
        } catch (error) {
          return this.failed(error);
        }
      },
      mmioWrite: (pa, size, lo, hi) => {
        try {
          this.space.deviceWrite(pa >>> 0, size, lo >>> 0, hi >>> 0);
        } catch (error) {
          this.failed(error);
        }
      },
      event: (kind, cpu, a, b) => {
        try {
          this.coreEvent({ kind, cpu, cycle: this.cpus[cpu].cycle, a: a >>> 0, b: b >>> 0 });
        } catch (error) {
          this.failed(error);
        }
      },
      interruptAcknowledge: () => {
        try {
          return this.bus.acknowledge();
        } catch (error) {
          return this.failed(error);
        }
      },
    });
    this.core.init(ramBytes, cpus);
    this.core.setCpuidConfig(this.config.tscHz, 0);
    this.core.setRandomSeed(this.config.seed);
    this.core.setApicDivider(this.config.tscHz / this.config.apicHz);
    this.core.setScheduleSeed(this.config.scheduleSeed);
    this.clockSeen = new Uint32Array(this.linear.buffer, abi.CLOCK_SEEN, 2);
    this.pageFlags = new Uint8Array(this.linear.buffer, this.core.pageFlags() >>> 0, ramBytes / PAGE_SIZE);
    this.ram = new GuestRam(this.linear, this.core.ramBase() >>> 0, ramBytes, this.pageFlags, (pa, length) =>
      this.core.hostWrote(pa, length),
    );
    this.memory = this.ram;
    this.clock = {
      now: () => (this.firing >= 0 ? this.firing : this.clockCycle()),
      frequency: this.config.tscHz,
      schedule: (device, name, cycle, arg = 0) => {
        this.events.schedule(device.id, name, cycle, arg);
        if (cycle < this.limit) this.interruptCore(cycle);
        else this.eventsChanged();
      },
      cancel: (device, name) => {
        this.events.cancel(device.id, name);
        this.eventsChanged();
      },
    };
    this.bus = new MachineBus({
      clock: this.clock,
      memory: this.ram,
      ioapicLine: (pin, level) => this.core.ioapicLine(pin, level ? 1 : 0),
      // INTR is wired to LINT0 of every processor and, as on a PC, to pin 0 of the I/O APIC.
      intrLine: level => {
        this.core.intrLine(level ? 1 : 0);
        this.core.ioapicLine(0, level ? 1 : 0);
      },
      power: event => {
        this.powerAsked ??= event;
        if (this.running) this.core.requestStop();
      },
      msi: (address, data) => this.core.msi(address, data),
      output: (device, channel, data) => this.putOut(device.id, channel, data),
    });
    this.space = new PhysicalSpace(this.core, this.ram, this.bus);
    const host = {
      core: this.core,
      memory: this.linear,
      ram: this.ram,
      portIn: (port: number, size: number) => this.bus.portIn(port, size),
      portOut: (port: number, size: number, value: number) => this.bus.portOut(port, size, value),
      physRead: (cpu: number, pa: number, size: number) => this.space.read(cpu, pa, size),
      physWrite: (cpu: number, pa: number, size: number, value: number) => this.space.write(cpu, pa, size, value),
    };
    this.cpus = Array.from({ length: cpus }, (_, i) => new Processor(host, i));
    const devices = new Map<string, Device>();
    for (const device of options.devices ?? []) {
      if (devices.has(device.id) || device.id === DEBUGGER) throw new Error(`there are two devices called '${device.id}'`);
      devices.set(device.id, device);
    }
    this.devices = devices;
    for (const device of devices.values()) device.attach(this.bus);
    this.guestOs = options.guestOs ?? null;
    this.firmware = options.firmware ?? null;
    this.keeper = new StateKeeper(this);
  }

  /** Resets the devices and lets the guest operating system build what a boot loader would leave. The machine then stands before its first instruction. */
  boot(): void {
    for (const device of this.devices.values()) device.reset();
    this.guestOs?.boot(this);
    this.firmware?.boot(this);
  }

  /** The machine's time: the cycle that every processor has reached (which is awake: a sleeping one comes to where the others are). */
  get cycle(): number {
    return this.cpus.length === 1 ? this.cpus[0].cycle : this.core.frontierCycle();
  }
  /** A number that grows with every boundary of any processor, and so tells any two moments apart. With one processor it is the cycle. */
  get position(): number {
    return this.cpus.length === 1 ? this.cpus[0].cycle : this.core.schedulePosition();
  }
  /** Number of the processor whose turn it is. */
  get currentCpu(): number {
    return this.cpus.length === 1 ? 0 : this.core.currentCpu();
  }
  /** Instructions retired by all processors. */
  get instructions(): number {
    return this.cpus.reduce((sum, cpu) => sum + cpu.instructions, 0);
  }

  /**
   * Runs until the first instruction boundary at or after cycle `until` or {@link position} `position`, or an earlier reason to stop. An error thrown by a device, the kernel's
   * host code or a sink is ours, not the guest's: the machine stops there and the error is thrown from here.
   */
  run(until: number = Infinity, position: number = Infinity): Stop {
    if (this.running) throw new Error('the machine is running already: run() was called from inside of it');
    this.running = true;
    this.stopAsked = false;
    try {
      return this.loop(this.cpus.length === 1 ? Math.min(until, position) : until, position);
    } finally {
      this.running = false;
      this.limit = 0;
    }
  }

  /** Asks a run that is under way (from a sink) to stop at the next boundary. */
  stop(): void {
    this.stopAsked = true;
    if (this.running) this.core.requestStop();
  }

  private loop(until: number, position: number): Stop {
    const several = this.cpus.length > 1;
    if (several && this.dead()) return this.stopped('bugcheck');
    for (;;) {
      const now = this.cycle;
      if (this.stopAsked) return this.stopped('stopped');
      if (now >= until || (several && this.position >= position)) return this.stopped('limit');
      this.fireDue(now);
      if (this.powerAsked !== null) {
        const stop = this.takePower(this.powerAsked);
        if (stop !== null) return stop;
        continue;
      }

      const next = Math.min(until, this.events.nextCycle(), this.inputs.nextCycle());
      const target = Math.min(next, FOREVER);
      this.limit = target;
      const reason = several ? this.runAll(until, position) : this.core.run(0, target >>> 0, highHalf(target));
      this.limit = 0;
      const cpu = this.cpus[this.currentCpu];
      // The guest may have changed its page tables, which other processors may share.
      for (const { mem } of this.cpus) mem.invalidate();
      if (this.failure !== null) {
        const { error } = this.failure;
        this.failure = null;
        throw error;
      }
      // At once, not when the machine goes on: what was asked for is not part of a checkpoint.
      if (this.powerAsked !== null) {
        const stop = this.takePower(this.powerAsked);
        if (stop !== null) return stop;
        continue;
      }
      switch (reason) {
        case abi.EXIT_BUDGET:
        case abi.EXIT_STOP:
          break;
        case abi.EXIT_GATE:
          if (this.guestOs === null) throw new Error('a gate instruction, but no guest operating system');
          if (several) this.core.clockRead(cpu.index);
          this.guestOs.gate(cpu);
          break;
        case abi.EXIT_ASLEEP:
          if (this.dead()) return this.stopped('bugcheck');
          break;
        case abi.EXIT_HALT: {
          if (this.guestOs !== null && !this.interruptible(cpu) && this.guestOs.bugCheck() !== null)
            return this.stopped('bugcheck');
          // Several processors sleep inside of the core; here nothing can wake any of them.
          if (several) return this.stopped('idle');
          // Nothing is deliverable: time goes on to the next thing that happens.
          const halted = cpu.cycle,
            timer = this.core.nextTimer(cpu.index);
          const wake = Math.min(next, timer > halted ? timer : Infinity);
          if (wake === Infinity) return this.stopped('idle');
          if (wake > halted) cpu.setCycle(wake);
          break;
        }
        case abi.EXIT_BREAKPOINT:
          return this.stopped('breakpoint');
        case abi.EXIT_WATCH:
          return this.stopped('watch');
        case abi.EXIT_TRIPLE_FAULT:
          return this.stopped('shutdown');
        default:
          throw new Error(`the core returned exit reason ${reason}`);
      }
    }
  }

  /** Does what a device asked for, or says that the run stops for it. While the past is run again, a stop for it has been seen already. */
  private takePower(event: PowerEvent): Stop | null {
    this.powerAsked = null;
    if (event.kind === 'sleep' || event.kind === 'wake') {
      for (const cpu of this.cpus) cpu.lose();
      if (event.kind === 'wake') this.firmware?.resume(this);
      return null;
    }
    return this.replaying ? null : { ...this.stopped('power'), power: event };
  }

  private stopped(reason: StopReason): Stop {
    return { reason, cpu: this.currentCpu, cycle: this.cycle };
  }

  /** The guest operating system has stopped with a bug check, and the processor that ran into it has come to its last instruction. */
  private dead(): boolean {
    if (this.guestOs === null || this.guestOs.bugCheck() === null) return false;
    return this.cpus.some(cpu => cpu.halted && !this.interruptible(cpu));
  }

  private interruptible(cpu: CpuView): boolean {
    return (cpu.rflags & 0x200) !== 0;
  }

  /** Runs all processors in turn (assembly/core/schedule.ts) to the next event, input or limit, or an exit of one of them. */
  private runAll(until: number, position: number): number {
    const event = (this.eventLimit = Math.min(this.events.nextCycle(), FOREVER));
    const input = this.inputs.nextCycle(),
      due = input <= this.cycle;
    // An input whose cycle is there waits for its position only.
    const soft = Math.min(until, due ? FOREVER : input, FOREVER),
      at = Math.min(position, due ? this.inputs.nextPosition() : FOREVER, FOREVER);
    this.limit = event;
    try {
      return this.core.runAll(...halves(event), ...halves(soft), ...halves(at));
    } finally {
      this.eventLimit = Infinity;
    }
  }

  /** With several processors the core goes by the next event, also when that has gone away: it must hear of the change at once, as it would after a stop. */
  private eventsChanged(): void {
    if (this.limit !== 0 && this.cpus.length > 1 && this.events.nextCycle() !== this.eventLimit) this.core.requestStop();
  }

  /** Cycle of the processor whose turn it is, but never less than what software on another one has seen. */
  private clockCycle(): number {
    const { cycle } = this.cpus[this.currentCpu];
    return this.cpus.length === 1 ? cycle : Math.max(cycle, this.clockSeen[1] * TWO_32 + this.clockSeen[0]);
  }

  /** Fires the events and lets in the inputs that are due, by cycle; at the same cycle events come first. */
  private fireDue(now: number): void {
    for (;;) {
      const eventCycle = this.events.nextCycle(),
        inputCycle = this.inputs.nextCycle();
      if (eventCycle > now && inputCycle > now) return;
      if (eventCycle <= inputCycle) {
        this.fireEvent(now);
      } else {
        const record = this.inputs.takeDue(now, this.position);
        if (record === null) {
          // It waits for its position; an event that is due already does not wait for it.
          if (eventCycle > now) return;
          this.fireEvent(now);
          continue;
        }
        this.enter(record);
      }
    }
  }

  private fireEvent(now: number): void {
    const event = this.events.takeDue(now);
    if (event === null) return;
    this.firing = event.cycle;
    try {
      this.device(event.device).event?.(event.name, event.arg);
    } finally {
      this.firing = -1;
    }
  }

  private enter(record: InputRecord): void {
    this.firing = record.cycle;
    try {
      if (record.device === DEBUGGER) applyPoke(this, record.data);
      else this.device(record.device).input?.(record.channel, record.data);
    } finally {
      this.firing = -1;
    }
  }

  private device(id: string): Device {
    const device = this.devices.get(id);
    if (device === undefined) throw new Error(`there is no device '${id}'; there are ${[...this.devices.keys()].join(', ')}`);
    return device;
  }

  /**
   * Gives a device bytes from outside: a key, a line, a request. They enter at `cycle` (now, if not given) and are recorded in the input log.
   * Not from inside a run: the cycle would depend on the host.
   */
  input(device: string, channel: string, data: Uint8Array, cycle: number = this.cycle): void {
    this.mustStand('input');
    this.beforeChange();
    if (this.device(device).input === undefined) throw new Error(`device '${device}' takes no input`);
    if (!Number.isSafeInteger(cycle) || cycle < this.cycle)
      throw new RangeError(`an input for cycle ${cycle}; the machine is at ${this.cycle}`);
    this.inputs.add({ cycle, ...this.place(cycle), device, channel, data: data.slice() });
  }

  /** Changes memory or a register from outside (the debugger). It is an input like a key, except that it is visible at once. */
  poke(change: Poke): void {
    this.mustStand('poke');
    this.beforeChange();
    const data = encodePoke(change);
    // What is due here comes first, as it would if the change were replayed from the log.
    this.fireDue(this.cycle);
    const record = { cycle: this.cycle, ...this.place(this.cycle), device: DEBUGGER, channel: change.kind, data };
    this.enter(record);
    this.inputs.addEntered(record);
  }

  /** What a record needs besides its cycle to enter, when it is replayed, at the boundary at which it entered now. */
  private place(cycle: number): { position?: number } {
    return this.cpus.length > 1 && cycle <= this.cycle ? { position: this.position } : {};
  }

  private putOut(device: string, channel: string, data: Uint8Array): void {
    const copy = data.slice();
    this.output.add({ cycle: this.clock.now(), device, channel, data: copy });
    if (!this.replaying) for (const sink of this.outputSinks) sink(device, channel, copy);
  }
  /** Tells `sink` of what leaves the machine, as it happens (not while the past is run again), until the returned function is called. */
  addOutputSink(sink: OutputSink): () => void {
    this.outputSinks = [...this.outputSinks, sink];
    return () => {
      this.outputSinks = this.outputSinks.filter(s => s !== sink);
    };
  }

  // ---- state ----

  /** The whole state, to come back to. Cheap: it copies the pages that changed since the last one. */
  checkpoint(): Checkpoint {
    this.mustStand('checkpoint');
    return this.keeper.take();
  }
  /** Goes back (or forth) to a checkpoint. Inputs given since it was taken are forgotten. */
  restore(checkpoint: Checkpoint): void {
    this.mustStand('restore');
    this.keeper.restore(checkpoint);
  }
  /** 64-bit hash of the whole state, 16 hex digits. */
  stateHash(): string {
    this.mustStand('stateHash');
    return this.keeper.hash();
  }
  private mustStand(what: string): void {
    if (this.running) throw new Error(`${what}() while the machine runs`);
  }

  bugCheck(): BugCheck | null {
    return this.guestOs?.bugCheck() ?? null;
  }

  // ---- Platform ----

  setGateRanges(ranges: readonly { start: number; end: number }[]): void {
    setGateRanges(this.core, ranges);
  }
  trace(event: TraceEvent): void {
    if (event.kind === 'debug') this.putOut(DEBUG_OUTPUT, 'text', new TextEncoder().encode(event.name));
    if (!this.replaying) for (const sink of this.traceSinks) sink(event);
  }
  get tracing(): boolean {
    return this.traceSinks.length > 0 && !this.replaying;
  }
  /** Tells `sink` of what the guest operating system traces until the returned function is called. Never observable by the guest. */
  addTraceSink(sink: (event: TraceEvent) => void): () => void {
    this.traceSinks = [...this.traceSinks, sink];
    return () => {
      this.traceSinks = this.traceSinks.filter(s => s !== sink);
    };
  }
  /** Tells `sink` of interrupts, exceptions, IRET and CR8 changes until the returned function is called. Never observable by the guest. */
  addCoreSink(sink: (event: CoreEvent) => void): () => void {
    this.setCoreSinks([...this.coreSinks, sink]);
    return () => this.setCoreSinks(this.coreSinks.filter(s => s !== sink));
  }
  private setCoreSinks(sinks: readonly ((event: CoreEvent) => void)[]): void {
    this.coreSinks = sinks;
    this.core.setTracing(sinks.length > 0 ? 1 : 0);
  }
  private coreEvent(event: CoreEvent): void {
    for (const sink of this.coreSinks) sink(event);
  }

  // ---- stops of a debugger: none of them is state ----

  get breakpoints(): readonly number[] {
    return this.breakpointList;
  }
  /** Linear addresses at which a run stops before the instruction. Replaces those that were set. Throws a RangeError for more than the core holds. */
  setBreakpoints(addresses: readonly number[]): void {
    const sorted = [...new Set(addresses)];
    setBreakpoints(this.linear, this.core, sorted);
    this.breakpointList = sorted;
  }
  get watches(): readonly Watch[] {
    return this.watchList;
  }
  /** Ranges whose access stops a run after the instruction that made it. Replaces those that were set. */
  setWatches(watches: readonly Watch[]): void {
    setWatches(this.linear, this.core, watches);
    this.watchList = watches;
  }
  /** The access behind the last stop with reason `watch`. */
  get watchHit(): WatchHit {
    return readWatchHit(this.core, this.watchList);
  }
  /** Does something without breakpoints and watches. */
  withoutStops<T>(act: () => T): T {
    const breakpoints = this.breakpointList,
      watches = this.watchList;
    if (breakpoints.length === 0 && watches.length === 0) return act();
    this.setBreakpoints([]);
    this.setWatches([]);
    try {
      return act();
    } finally {
      this.setBreakpoints(breakpoints);
      this.setWatches(watches);
    }
  }

  /** When something happens next that could wake a halted processor: cycle of the next event, input or timer, at least one cycle from now, at most `limit`. */
  nextActivity(limit: number): number {
    const timer = Math.min(...this.cpus.map(cpu => this.core.nextTimer(cpu.index)));
    return Math.min(limit, Math.max(this.cycle + 1, Math.min(this.events.nextCycle(), this.inputs.nextCycle(), timer)));
  }

  /** An event was scheduled before the cycle to which the core runs: the core stops at the next boundary and is given a nearer limit. */
  private interruptCore(cycle: number): void {
    this.limit = cycle;
    this.core.requestStop();
  }

  /** An error inside of an import of the core is kept, the core stops at the next boundary, and run() throws it. Answers what the guest reads meanwhile. */
  private failed(error: unknown): number {
    this.failure ??= { error };
    this.core.requestStop();
    return 0xffffffff;
  }
}

/** A cycle as the core takes it: lower and upper half; {@link FOREVER} as all ones, its "never". */
function halves(cycle: number): [number, number] {
  return cycle === FOREVER ? [-1, -1] : [cycle >>> 0, highHalf(cycle)];
}
