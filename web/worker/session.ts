import { describeImage } from '../../emulator/board.ts';
import { instructionAt } from '../../emulator/inspect/code.ts';
import { readRegisters } from '../../emulator/inspect/registers.ts';
import type { RegisterSet } from '../../emulator/inspect/registers.ts';
import { DriverMachine } from '../../emulator/library.ts';
import type { Stop } from '../../emulator/machine.ts';
import { Pacing } from '../../emulator/pacing.ts';
import { request } from '../../emulator/requests.ts';
import { RunControl } from '../../emulator/runcontrol.ts';
import type { ControlStop } from '../../emulator/runcontrol.ts';
import type { Timeline } from '../../emulator/timeline.ts';
import type { ModuleInfo, Reply } from '../../hal/bus/index.ts';
import coreUrl from '../../build/core.wasm?url';
import eduUrl from '../../samples/edu/edu.sys?url';
import type {
  Breakpoint,
  CpuView,
  DeviceView,
  DisassemblyLine,
  InterruptView,
  KernelTable,
  KernelTopic,
  MachineApi,
  Mark,
  MemoryView,
  RunState,
  StackLine,
  Status,
  StepKind,
  TimelineView,
} from '../protocol.ts';
import { Pump } from './pump.ts';
import {
  cpuView,
  devicesView,
  disassemblyView,
  evaluateIn,
  interruptView,
  kernelView,
  memoryView,
  stackFrames,
  stackView,
} from './views.ts';

/** Guest cycles between checkpoints: going back replays at most this. */
const CHECKPOINT_INTERVAL = 20_000_000;
/** Marks kept for the timeline. */
const MAX_MARKS = 4000;
/** Milliseconds between reports while running. */
const REPORT_MS = 250;
/** Guest seconds that loading a driver may take before the page says that it does not end. */
const LOAD_LIMIT_SECONDS = 10;

const STOP_WORDS: { readonly [reason: string]: string } = {
  limit: 'paused',
  step: 'stepped',
  breakpoint: 'breakpoint',
  watch: 'a watched address was touched',
  bugcheck: 'the machine stopped with a bug check',
  shutdown: 'triple fault: the processor shut down',
  idle: 'halted, and nothing will wake it',
  stopped: 'paused',
  address: 'there',
  interrupt: 'an interrupt was delivered',
  start: 'the beginning of the recording',
};

/** The machine behind the page: runs it in short slices, answers the panels, steps forwards and backwards. */
export class Session implements MachineApi {
  private machine!: DriverMachine;
  private timelineOf!: Timeline;
  private control!: RunControl;
  private pacing!: Pacing;
  private state: RunState = 'booting';
  private message = 'starting';
  private version = 0;
  private running = false;
  private readonly pump = new Pump(() => this.slice());
  private statusSink: ((status: Status) => void) | null = null;
  private consoleSink: ((bytes: Uint8Array) => void) | null = null;
  private consoleEarly: Uint8Array[] = [];
  private marks: Mark[] = [];
  private list: Breakpoint[] = [];
  private nextBreakpoint = 1;
  private registers: RegisterSet | null = null;
  private shown: RegisterSet | null = null;
  private lastReport = 0;
  private meter = { ms: 0, cycle: 0, instructions: 0, speed: 0, mips: 0 };
  private readonly waiting = new Map<number, (reply: Reply | null) => void>();

  // ---- life ----

  async start(options: { speed?: number } = {}): Promise<void> {
    try {
      const [core, edu] = await Promise.all([
        WebAssembly.compileStreaming(fetch(coreUrl)).catch(() => compileBytes(coreUrl)),
        fetchBytes(eduUrl),
      ]);
      // Booting is not paced: the page is there as soon as the machine is.
      this.machine = DriverMachine.create({ core, boot: false, timeline: { interval: CHECKPOINT_INTERVAL } });
      this.machine.addOutputSink((device, channel, data) => this.output(device, channel, data));
      this.machine.start();
      // Recorded from reset: one can step back into the boot.
      this.timelineOf = this.machine.timeline;
      this.timelineOf.mark();
      this.control = new RunControl(this.timelineOf, (cpu, va) => {
        const d = instructionAt(cpu, va);
        return { length: d.length, call: d.kind === 'call' };
      });
      this.machine.requests.onReply = reply => this.replied(reply);
      this.machine.addTraceSink(event => {
        if (event.phase === 'end') return;
        const kind = event.kind === 'isr' ? 'interrupt' : event.kind === 'dpc' ? 'dpc' : event.kind === 'irp' ? 'irp' : null;
        if (kind === null || /clock/i.test(event.name)) return;
        this.marks.push({ cycle: event.cycle, kind, name: event.name });
        if (this.marks.length > MAX_MARKS) this.marks = this.marks.slice(-MAX_MARKS / 2);
      });
      this.pacing = new Pacing({ tscHz: this.machine.config.tscHz, speed: options.speed ?? 1 });
      this.machine.load(edu, 'edu');
      this.run();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  private fail(error: unknown): void {
    this.running = false;
    this.state = 'failed';
    this.message = error instanceof Error ? error.message : String(error);
    console.error(error);
    this.report();
  }

  onStatus(callback: (status: Status) => void): void {
    this.statusSink = callback;
    this.report();
  }
  onConsole(callback: (bytes: Uint8Array) => void): void {
    this.consoleSink = callback;
    for (const bytes of this.consoleEarly.splice(0)) callback(bytes);
  }
  private output(device: string, channel: string, data: Uint8Array): void {
    if (device !== 'uart0' || channel !== 'tx') return;
    if (this.consoleSink) this.consoleSink(data);
    else this.consoleEarly.push(data);
  }
  consoleInput(bytes: Uint8Array): void {
    if (this.state === 'booting' || this.state === 'failed') return;
    this.machine.input('uart0', 'rx', bytes);
    if (this.running) this.pump.wake();
    else this.changed();
  }

  // ---- running ----

  run(): void {
    if (this.running || this.state === 'failed' || this.state === 'crashed') return;
    this.running = true;
    this.state = 'running';
    this.message = 'running';
    this.pacing.start(performance.now(), this.machine.cycle);
    this.meter = { ...this.meter, ms: performance.now(), cycle: this.machine.cycle, instructions: this.machine.instructions };
    this.pump.wake();
    this.report();
  }

  async pause(): Promise<void> {
    if (this.running) this.stopped({ reason: 'stopped', cpu: this.machine.currentCpu, cycle: this.machine.cycle });
  }

  private halted(): boolean {
    return this.machine.cpus.every(cpu => cpu.halted);
  }

  /** One slice of at most 8 ms; returns when the next is wanted. */
  private slice(): number | null {
    if (!this.running) return null;
    try {
      const { machine } = this;
      const before = performance.now(),
        from = machine.cycle;
      const wasHalted = this.halted();
      const plan = this.pacing.plan(before, from, wasHalted ? machine.nextActivity(Number.MAX_SAFE_INTEGER) : null);
      let stop: Stop | null = null;
      if (plan.until > from) {
        stop = this.timelineOf.run(plan.until);
        const after = performance.now();
        if (!wasHalted) this.pacing.measured(machine.cycle - from, after - before);
        if (stop.reason !== 'limit') {
          this.stopped(stop);
          return null;
        }
      }
      const now = performance.now();
      if (now - this.lastReport >= REPORT_MS) this.report();
      return plan.waitMs;
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  /** The machine stands still: says why. */
  private stopped(stop: Stop | ControlStop): void {
    this.running = false;
    this.state = stop.reason === 'bugcheck' || stop.reason === 'shutdown' ? 'crashed' : 'paused';
    if (stop.reason !== 'bugcheck' && this.machine.bugCheck() !== null) this.state = 'crashed';
    this.message = STOP_WORDS[stop.reason] ?? stop.reason;
    if (stop.reason === 'breakpoint') {
      const hit = this.list.find(b => b.address === this.machine.cpus[this.machine.currentCpu]!.rip);
      if (hit) {
        hit.hits++;
        this.message = `breakpoint ${hit.id}: ${hit.expression}`;
      }
    }
    if (stop.reason === 'bugcheck' || stop.reason === 'shutdown') {
      for (const resolve of this.waiting.values()) resolve(null);
      this.waiting.clear();
    }
    this.changed();
  }

  private changed(): void {
    this.shown = this.registers;
    this.registers = readRegisters(this.machine.cpus[this.machine.currentCpu]!);
    this.report();
  }

  private report(): void {
    const now = performance.now();
    this.lastReport = now;
    this.version++;
    if (!this.statusSink) return;
    if (this.state === 'booting' || this.machine === undefined) {
      this.statusSink({
        state: this.state,
        version: this.version,
        cycle: 0,
        time: 0,
        instructions: 0,
        speed: 0,
        chosenSpeed: 1,
        mips: 0,
        irql: 0,
        rip: 0,
        symbol: null,
        message: this.message,
        thread: null,
        end: 0,
        branch: 0,
        branches: 1,
        bugCheck: null,
      });
      return;
    }
    const { machine } = this;
    const cpu = machine.cpus[machine.currentCpu]!;
    if (this.running && now - this.meter.ms >= REPORT_MS) {
      const seconds = (now - this.meter.ms) / 1000;
      const { cycle, instructions } = machine;
      this.meter = {
        ms: now,
        cycle,
        instructions,
        speed: (cycle - this.meter.cycle) / machine.config.tscHz / seconds,
        mips: (instructions - this.meter.instructions) / seconds / 1e6,
      };
    }
    const state: RunState = !this.running
      ? this.state
      : this.pacing.state === 'behind'
        ? 'behind'
        : this.halted()
          ? 'halted'
          : 'running';
    this.statusSink({
      state,
      version: this.version,
      cycle: machine.cycle,
      time: machine.cycle / machine.config.tscHz,
      instructions: machine.instructions,
      speed: this.meter.speed,
      chosenSpeed: this.pacing.speed,
      mips: this.meter.mips,
      irql: cpu.cr8,
      rip: cpu.rip,
      symbol: machine.guestOs?.symbolAt(cpu.rip) ?? null,
      message: this.message,
      thread: null,
      end: Math.max(this.timelineOf.branch.end, machine.cycle),
      branch: this.timelineOf.branch.id,
      branches: this.timelineOf.branches.length,
      bugCheck: machine.bugCheck(),
    });
  }

  setSpeed(speed: number): void {
    this.pacing.setSpeed(speed, performance.now(), this.machine.cycle);
    if (this.running) this.pump.wake();
    this.report();
  }

  // ---- stepping ----

  async step(kind: StepKind): Promise<void> {
    if (this.state === 'booting' || this.state === 'failed') return;
    const wasRunning = this.running;
    this.running = false;
    if (
      !wasRunning &&
      this.state === 'crashed' &&
      (kind === 'into' || kind === 'over' || kind === 'out' || kind === 'interrupt')
    ) {
      throw new Error('the machine has stopped with a bug check: one can only step back from here');
    }
    this.stopped(this.doStep(kind));
  }

  private doStep(kind: StepKind): ControlStop {
    const { control } = this;
    switch (kind) {
      case 'into':
        return control.stepInto();
      case 'over':
        return control.stepOver();
      case 'out': {
        const [frame] = stackFrames(this.machine);
        if (frame === undefined) throw new Error('no caller was found: the stack walk ends here');
        return control.stepOut(frame.address);
      }
      case 'back':
        return control.stepBack();
      case 'back-over':
        return control.stepBack();
      case 'interrupt':
        return control.nextInterrupt();
      case 'back-interrupt':
        return control.previousInterrupt();
      case 'back-breakpoint':
        return control.runBack();
      case 'to-end':
        return control.toCycle(this.timelineOf.branch.end);
      case 'to-start':
        return control.toCycle(this.timelineOf.start);
    }
  }

  async goTo(cycle: number): Promise<void> {
    this.running = false;
    this.stopped(this.control.toCycle(Math.max(cycle, this.timelineOf.start)));
  }
  async runToAddress(address: number): Promise<void> {
    this.running = false;
    this.stopped(this.control.toAddress(address));
  }

  // ---- views ----

  async disassembly(address: number | null, before: number, count: number): Promise<DisassemblyLine[]> {
    return disassemblyView(this.ready(), address, before, count);
  }
  async cpu(): Promise<CpuView> {
    return cpuView(this.ready(), this.running ? null : this.shown);
  }
  async stack(count: number): Promise<StackLine[]> {
    return stackView(this.ready(), count);
  }
  async memory(address: number, length: number): Promise<MemoryView> {
    return memoryView(this.ready(), address, Math.min(length, 4096));
  }
  async interrupts(): Promise<InterruptView> {
    return interruptView(this.ready());
  }
  async kernel(topic: KernelTopic): Promise<KernelTable> {
    return kernelView(this.ready(), topic);
  }
  async devices(): Promise<DeviceView[]> {
    return devicesView(this.ready());
  }
  async modules(): Promise<ModuleInfo[]> {
    return this.ready().guestOs!.modules();
  }
  async timeline(): Promise<TimelineView> {
    const { branch, start } = this.timelineOf;
    return {
      start,
      end: Math.max(branch.end, this.machine.cycle),
      checkpoints: branch.checkpoints.map(c => c.cycle),
      marks: this.marks.slice(-1000),
    };
  }
  async evaluate(expression: string): Promise<number> {
    return evaluateIn(this.ready(), expression);
  }
  async stateHash(): Promise<string> {
    return this.ready().stateHash();
  }
  async command(line: string): Promise<string[]> {
    return this.ready().guestOs!.command(line);
  }
  private ready(): DriverMachine {
    if (this.state === 'booting') throw new Error('the machine is starting');
    return this.machine;
  }

  // ---- breakpoints ----

  async breakpoints(): Promise<Breakpoint[]> {
    return this.list.map(b => ({ ...b }));
  }
  async addBreakpoint(expression: string): Promise<Breakpoint> {
    const address = evaluateIn(this.ready(), expression);
    const same = this.list.find(b => b.address === address);
    if (same) return { ...same };
    const made: Breakpoint = {
      id: this.nextBreakpoint++,
      address,
      symbol: this.machine.guestOs?.symbolAt(address) ?? null,
      expression,
      hits: 0,
    };
    this.list.push(made);
    this.machine.setBreakpoints(this.list.map(b => b.address));
    this.report();
    return { ...made };
  }
  async removeBreakpoint(id: number): Promise<void> {
    this.list = this.list.filter(b => b.id !== id);
    this.machine.setBreakpoints(this.list.map(b => b.address));
    this.report();
  }

  // ---- drivers ----

  async loadDriver(fileName: string, bytes: Uint8Array): Promise<string> {
    this.ready();
    if (this.state === 'crashed')
      throw new Error('the machine has stopped with a bug check: go back to before it, then load the driver');
    // Throws with the file's name, the offset and what was expected.
    describeImage(fileName, bytes);
    const service = fileName.replace(/^.*[\\/]/, '').replace(/\.sys$/i, '');
    const wasPaused = !this.running;
    const id = this.machine.requests.submit(request.load(service, bytes));
    const reply = await new Promise<Reply | null>((resolve, reject) => {
      this.waiting.set(id, resolve);
      const end = this.machine.cycle + LOAD_LIMIT_SECONDS * this.machine.config.tscHz;
      const watch = setInterval(() => {
        if (!this.waiting.has(id)) clearInterval(watch);
        else if (this.machine.cycle > end) {
          clearInterval(watch);
          this.waiting.delete(id);
          reject(
            new Error(
              `${fileName}: DriverEntry has not returned after ${LOAD_LIMIT_SECONDS} seconds of guest time. The machine goes on; pause it to see where it is.`,
            ),
          );
        }
      }, 200);
      this.run();
    });
    if (wasPaused) await this.pause();
    const { bugCheck } = { bugCheck: this.machine.bugCheck() };
    if (reply === null)
      throw new Error(`${fileName}: the machine stopped while loading it${bugCheck ? `: ${bugCheck.name}` : ''}`);
    if (reply.status >= 0x80000000)
      throw new Error(
        `${fileName} was not loaded: status 0x${reply.status.toString(16)}${reply.data.length ? `, ${new TextDecoder().decode(reply.data)}` : ''}`,
      );
    return `${fileName} is loaded at 0x${reply.information.toString(16)}`;
  }

  private replied(reply: Reply): void {
    const resolve = this.waiting.get(reply.id);
    if (!resolve || reply.phase === 0) return;
    this.waiting.delete(reply.id);
    resolve(reply);
  }
}

async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** For servers that do not send `application/wasm`. */
async function compileBytes(url: string): Promise<WebAssembly.Module> {
  return WebAssembly.compile((await fetchBytes(url)) as Uint8Array<ArrayBuffer>);
}
