import { CONSOLE, describeImage, statusName } from '../../emulator/board.ts';
import { codeAddress } from '../../emulator/inspect/code.ts';
import { readRegisters } from '../../emulator/inspect/registers.ts';
import type { RegisterSet } from '../../emulator/inspect/registers.ts';
import type { DriverMachine } from '../../emulator/library.ts';
import { Pacing } from '../../emulator/pacing.ts';
import { offerFile, request } from '../../emulator/requests.ts';
import type { ControlStop } from '../../emulator/runcontrol.ts';
import { PHASE_PENDING } from '../../hal/bus/index.ts';
import type { ModuleInfo, Reply, Request } from '../../hal/bus/index.ts';
import type {
  Breakpoint,
  CpuView,
  DeviceView,
  DisassemblyLine,
  InterruptFilter,
  InterruptSource,
  InterruptView,
  KernelTable,
  KernelTopic,
  MachineApi,
  MemoryView,
  RunState,
  StackLine,
  StartOptions,
  Status,
  StepKind,
  TimelineView,
} from '../protocol.ts';
import { BOOTING } from '../protocol.ts';
import { bootKernel, fetchParts, loadSample, makeMachine } from './boot.ts';
import type { Setup } from './boot.ts';
import { Breakpoints } from './breakpoints.ts';
import { ConsoleMirror } from './console.ts';
import type { ConsoleSink } from './console.ts';
import { Marks } from './marks.ts';
import { Pump } from './pump.ts';
import { arrived, runTo, step } from './steps.ts';
import type { StepContext } from './steps.ts';
import * as views from './views.ts';

/** Milliseconds between two reports while the machine runs, and while it only idles. */
const REPORT_MS = 250;
const IDLE_REPORT_MS = 1000;
/** Milliseconds after which panels ask again although nothing but the clock has ticked. */
const QUIET_VIEW_MS = 5000;
/** While nothing but the clock ticks, ticks are run this many milliseconds' worth at a time. Whatever comes from outside still enters at once. */
const QUIET_WAIT_MS = 60;
/** Milliseconds that the worker may work before it looks for messages. */
const SLICE_MS = 8;
/** Guest seconds that loading a driver may take before the page says that it does not end. */
const LOAD_SECONDS = 10;
/** Marks that the timeline strip is given. */
const SHOWN_MARKS = 1500;

const STOP_WORDS: { readonly [reason in ControlStop['reason']]?: string } = {
  limit: 'stopped: what was looked for has not come within ten guest seconds',
  step: 'stepped',
  watch: 'a watched address was touched',
  bugcheck: 'stopped by a bug check',
  shutdown: 'triple fault: the processor shut down',
  power: 'the guest switched the machine off, or reset it',
  idle: 'halted, and nothing will ever wake it',
  stopped: 'paused',
  address: 'here',
  interrupt: 'an interrupt was delivered',
  start: 'this is the beginning: the machine has just been switched on',
};

/** The machine behind the page: runs it in short slices, answers the panels, steps forwards and backwards, loads drivers. */
export class Session implements MachineApi {
  private setup: Setup | null = null;
  private pacing = new Pacing({ tscHz: 1 });
  private state: RunState = 'booting';
  private message = 'starting';
  private running = false;
  private visible = true;
  /** A step is under way; `cancel` asks it to end. */
  private stepping: { cancel: boolean } | null = null;
  private readonly pump = new Pump(() => this.slice());
  private statusSink: ((status: Status) => void) | null = null;
  private console: ConsoleMirror | null = null;
  private consoleSink: ConsoleSink | null = null;
  private readonly marks = new Marks();
  private breakpointList: Breakpoints | null = null;
  private version = 0;
  private lastReport = 0;
  /** Trace events so far (the clock gives none), and how many there were when the panels last asked. */
  private activity = 0;
  private lastActivity = 0;
  private lastView = { ms: 0, activity: 0 };
  /** Number of the processor that the page looks at and steps. */
  private selected = 0;
  /** Registers of every processor as the machine stands, and as it stood before. */
  private registers: RegisterSet[] = [];
  private before: RegisterSet[] = [];
  private meter = { ms: 0, cycle: 0, instructions: 0, speed: 0, mips: 0 };
  private readonly waiting = new Map<number, { pendingToo: boolean; resolve: (reply: Reply | null) => void }>();

  // ---- life ----

  async start(options: StartOptions = {}): Promise<string> {
    try {
      const { core, samples } = await fetchParts();
      const { cpus, scheduleSeed } = options;
      const setup = makeMachine(core, { cpus, scheduleSeed }, ({ machine, timeline, requests }) => {
        const mirror = new ConsoleMirror(machine.output, CONSOLE.device, CONSOLE.output);
        this.console = mirror;
        machine.addOutputSink((device, channel, data) => mirror.sent(device, channel, data));
        machine.addTraceSink(event => {
          if (event.kind !== 'gate' && event.kind !== 'irql') this.activity++;
          this.marks.note(timeline.branch.id, event);
        });
        requests.onReply = reply => this.replied(reply);
        if (this.consoleSink) mirror.attach(this.consoleSink);
      });
      bootKernel(setup);
      const driver = options.driver === undefined ? 'edu' : options.driver;
      const reply = driver === null ? null : loadSample(setup, samples, driver);
      this.setup = setup;
      this.breakpointList = new Breakpoints(setup.machine);
      this.pacing = new Pacing({ tscHz: setup.machine.config.tscHz, speed: options.speed ?? 1, sliceMs: SLICE_MS });
      this.state = 'paused';
      this.message = 'booted';
      if (setup.machine.bugCheck() !== null) this.stopped({ reason: 'bugcheck', cpu: 0, cycle: setup.machine.cycle });
      else if (options.paused) this.changed();
      else this.run();
      if (driver === null) return 'booted';
      if (reply === null || reply.status >= 0x80000000)
        throw new Error(`${driver}.sys was not loaded: ${reply === null ? 'the machine stopped' : failure(reply)}`);
      return `${driver}.sys is loaded`;
    } catch (error) {
      if (this.setup === null) this.fail(error);
      throw error;
    }
  }

  /** kmode itself has failed: nothing more can be done with this machine. */
  private fail(error: unknown): void {
    this.running = false;
    this.state = 'failed';
    this.message = error instanceof Error ? error.message : String(error);
    console.error(error);
    this.report();
  }

  private get ready(): Setup {
    if (this.setup === null) throw new Error('the machine is starting');
    return this.setup;
  }
  private get machine(): DriverMachine {
    return this.ready.machine;
  }

  onStatus(callback: (status: Status) => void): void {
    this.statusSink = callback;
    this.report();
  }
  onConsole(callback: ConsoleSink): void {
    this.consoleSink = callback;
    this.console?.attach(callback);
  }

  consoleInput(bytes: Uint8Array): void {
    if (this.setup === null || this.state === 'failed' || this.state === 'crashed') return;
    this.input(() => this.machine.input(CONSOLE.device, CONSOLE.input, bytes));
  }

  /** Does something that enters the machine from outside. In the past, that begins a new branch of time. */
  private input(act: () => void): void {
    const { machine, timeline } = this.ready;
    const parent = timeline.branch.id;
    act();
    if (timeline.branch.id !== parent) this.marks.fork(timeline.branch.id, parent, machine.cycle);
    if (this.running) this.pump.wake();
    else this.report();
  }

  setVisible(visible: boolean): void {
    if (this.visible === visible) return;
    this.visible = visible;
    if (!visible || this.setup === null) return;
    // Guest time stood still meanwhile: nobody looked.
    this.pacing.start(performance.now(), this.machine.cycle);
    if (this.running) this.pump.wake();
    this.report();
  }

  // ---- running ----

  run(): void {
    if (this.running || this.setup === null || this.state === 'failed' || this.stepping !== null) return;
    if (this.state === 'crashed') throw new Error('the machine has stopped with a bug check: step back to before it, then run');
    this.running = true;
    this.state = 'running';
    this.message = 'running';
    const now = performance.now();
    this.pacing.start(now, this.machine.cycle);
    this.meter = { ms: now, cycle: this.machine.cycle, instructions: this.machine.instructions, speed: 0, mips: 0 };
    this.pump.wake();
    this.report();
  }

  async pause(): Promise<void> {
    if (this.stepping) this.stepping.cancel = true;
    else if (this.running) this.stopped({ reason: 'stopped', cpu: this.selected, cycle: this.machine.cycle });
  }

  private halted(): boolean {
    return this.machine.cpus.every(cpu => cpu.halted);
  }

  /** One turn of at most a slice; returns in how many milliseconds the next is wanted, or null for not at all. */
  private slice(): number | null {
    if (!this.running || !this.visible) return null;
    try {
      const { machine, timeline } = this.ready;
      const begun = performance.now(),
        activity = this.activity;
      let waitMs = 0;
      for (let now = begun; waitMs === 0 && now - begun < SLICE_MS; now = performance.now()) {
        const from = machine.cycle,
          halted = this.halted(),
          replayed = timeline.inPast;
        const plan = this.pacing.plan(now, from, halted ? machine.nextActivity(Number.MAX_SAFE_INTEGER) : null);
        waitMs = plan.waitMs;
        if (plan.until <= from) continue;
        const stop = timeline.run(plan.until);
        if (!halted) this.pacing.measured(machine.cycle - from, performance.now() - now);
        if (replayed) this.console!.sync();
        if (stop.reason !== 'limit') {
          this.stopped(stop);
          return null;
        }
      }
      const idle = this.halted();
      if (begun - this.lastReport >= (idle ? IDLE_REPORT_MS : REPORT_MS)) this.report();
      if (this.activity !== activity) this.lastActivity = begun;
      return idle && begun - this.lastActivity > IDLE_REPORT_MS ? Math.max(waitMs, QUIET_WAIT_MS) : waitMs;
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  /** The machine stands still: says why. */
  private stopped(stop: ControlStop): void {
    const { machine } = this;
    this.running = false;
    this.selected = machine.bugCheck()?.cpu ?? stop.cpu;
    this.state = machine.bugCheck() !== null || stop.reason === 'shutdown' ? 'crashed' : 'paused';
    this.message = STOP_WORDS[stop.reason] ?? stop.reason;
    if (stop.reason === 'breakpoint') this.message = this.breakpointList!.hit(machine.cpus[stop.cpu]!.rip);
    if (stop.reason === 'bugcheck')
      this.marks.add(this.ready.timeline.branch.id, {
        cycle: stop.cycle,
        kind: 'bugcheck',
        name: machine.bugCheck()?.name ?? 'bug check',
      });
    if (this.state === 'crashed') {
      for (const { resolve } of this.waiting.values()) resolve(null);
      this.waiting.clear();
    }
    this.console!.sync();
    this.changed();
  }

  private changed(): void {
    this.before = this.registers;
    this.registers = this.machine.cpus.map(readRegisters);
    this.report();
  }

  async selectCpu(cpu: number): Promise<void> {
    if (this.machine.cpus[cpu] === undefined)
      throw new RangeError(`there is no processor ${cpu}; there are ${this.machine.cpus.length}`);
    this.selected = cpu;
    // The panels ask again, although nothing has happened in the machine.
    this.lastView.ms = -Infinity;
    this.report();
  }

  /** Tells the page how things are. Panels ask again when the version is another one. */
  private report(): void {
    const now = performance.now();
    this.lastReport = now;
    if (this.setup === null) {
      this.statusSink?.({ ...BOOTING, state: this.state, message: this.message });
      return;
    }
    const { machine, timeline } = this.setup;
    const cpu = machine.cpus[this.selected]!;
    const rip = codeAddress(cpu);
    const halted = this.halted();
    const quiet = this.running && halted && this.activity === this.lastView.activity;
    if (!quiet || now - this.lastView.ms >= QUIET_VIEW_MS) {
      this.version++;
      this.lastView = { ms: now, activity: this.activity };
    }
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
    this.statusSink?.({
      state: !this.running ? this.state : this.pacing.state === 'behind' ? 'behind' : halted ? 'halted' : 'running',
      version: this.version,
      cycle: machine.cycle,
      time: machine.cycle / machine.config.tscHz,
      instructions: machine.instructions,
      speed: this.meter.speed,
      chosenSpeed: this.pacing.speed,
      mips: this.meter.mips,
      processors: machine.cpus.map(c => ({ turn: c.index === machine.currentCpu, halted: c.halted })),
      cpu: this.selected,
      irql: cpu.cr8,
      rip,
      symbol: machine.guest.symbolAt(rip),
      message: this.message,
      end: Math.max(timeline.branch.end, machine.cycle),
      branch: timeline.branch.id,
      branches: timeline.branches.length,
      bugCheck: machine.bugCheck(),
    });
  }

  setSpeed(speed: number): void {
    this.pacing.setSpeed(speed, performance.now(), this.machine.cycle);
    if (this.running) this.pump.wake();
    this.report();
  }

  // ---- stepping ----

  async step(kind: StepKind, filter: InterruptFilter = 'devices'): Promise<void> {
    if (this.state === 'crashed' && (kind === 'into' || kind === 'over' || kind === 'out' || kind === 'interrupt'))
      throw new Error('the machine has stopped with a bug check: from here there is only the way back');
    await this.moving(kind, c => step(c, kind, filter));
  }
  async goTo(cycle: number): Promise<void> {
    await this.moving('to there', c => arrived(c, c.control.toCycle(Math.max(cycle, c.timeline.start))));
  }
  async runToAddress(address: number): Promise<void> {
    await this.moving('to there', c => runTo(c, address, () => true));
  }
  async switchBranch(id: number): Promise<void> {
    await this.moving('to there', c => {
      const branch = c.timeline.branches.find(b => b.id === id);
      const stop = c.timeline.switchTo(id, branch?.end ?? 0);
      return { ...stop, cpu: c.cpu, reason: 'address' };
    });
  }

  /** Stops what is running and moves the machine in time by `act`. While one such move is under way others are not begun. */
  private async moving(what: string, act: (c: StepContext) => Promise<ControlStop> | ControlStop): Promise<void> {
    if (this.setup === null || this.state === 'failed' || this.stepping !== null) return;
    const token = (this.stepping = { cancel: false });
    this.running = false;
    let asked = performance.now();
    const context: StepContext = {
      ...this.setup,
      cpu: this.selected,
      breathe: async () => {
        const now = performance.now();
        if (now - asked >= SLICE_MS) {
          if (now - this.lastReport >= REPORT_MS) {
            this.state = 'running';
            this.message = `running: ${what}`;
            this.report();
          }
          await this.pump.breathe();
          asked = performance.now();
        }
        return token.cancel;
      },
    };
    let stop: ControlStop;
    try {
      stop = await act(context);
    } finally {
      this.stepping = null;
      if (this.state === 'running') this.state = 'paused';
    }
    this.stopped(stop);
  }

  // ---- views ----

  async disassembly(address: number | null, before: number, count: number): Promise<DisassemblyLine[]> {
    return views.disassemblyView(this.machine, this.selected, address, before, count);
  }
  async cpu(): Promise<CpuView> {
    return views.cpuView(this.machine, this.selected, this.running ? null : (this.before[this.selected] ?? null));
  }
  async stack(count: number): Promise<StackLine[]> {
    return views.stackView(this.machine, this.selected, count);
  }
  async memory(address: number, length: number): Promise<MemoryView> {
    return views.memoryView(this.machine, this.selected, address, Math.min(length, 4096));
  }
  async interrupts(): Promise<InterruptView> {
    return views.interruptView(this.machine, this.selected);
  }
  async interruptSources(): Promise<InterruptSource[]> {
    return views.interruptSources(this.machine);
  }
  async kernel(topic: KernelTopic): Promise<KernelTable> {
    return views.kernelView(this.machine, topic);
  }
  async devices(): Promise<DeviceView[]> {
    return views.devicesView(this.machine);
  }
  async modules(): Promise<ModuleInfo[]> {
    return this.machine.guest.modules();
  }
  async timeline(): Promise<TimelineView> {
    const { machine, timeline } = this.ready;
    const { branch, start } = timeline;
    return {
      start,
      end: Math.max(branch.end, machine.cycle),
      tscHz: machine.config.tscHz,
      marks: this.marks.of(branch.id).slice(-SHOWN_MARKS),
      branches: timeline.branches.map(b => ({ id: b.id, from: b.parent?.cycle ?? start, end: b.end })),
    };
  }
  async evaluate(expression: string): Promise<number> {
    return views.evaluateIn(this.machine, this.selected, expression);
  }
  async stateHash(): Promise<string> {
    return this.machine.stateHash();
  }
  async command(line: string): Promise<string[]> {
    return this.machine.guest.command(line, this.selected);
  }

  // ---- breakpoints ----

  async breakpoints(): Promise<Breakpoint[]> {
    return this.breakpointList?.list() ?? [];
  }
  async addBreakpoint(expression: string): Promise<Breakpoint> {
    const made = this.breakpointList!.add(expression, views.evaluateIn(this.machine, this.selected, expression));
    this.report();
    return made;
  }
  async removeBreakpoint(id: number): Promise<void> {
    this.breakpointList!.remove(id);
    this.report();
  }

  // ---- drivers and requests ----

  async loadDriver(fileName: string, bytes: Uint8Array): Promise<string> {
    const { machine } = this;
    if (this.state === 'crashed')
      throw new Error(
        `${fileName} was not loaded: the machine has stopped with a bug check. Step back to before it, then load the driver.`,
      );
    // Throws with the file's name, the offset and what was expected.
    describeImage(fileName, bytes);
    const file = fileName.replace(/^.*[\\/]/, '');
    const service = file.replace(/\.sys$/i, '');
    this.input(() => offerFile(machine, file, bytes));
    const wasPaused = !this.running;
    const reply = await this.send(request.load(service, bytes), LOAD_SECONDS, false);
    if (reply === 'limit')
      throw new Error(
        `${fileName}: loading it has not ended after ${LOAD_SECONDS} seconds of guest time. The machine goes on: pause it to see what DriverEntry does.`,
      );
    if (wasPaused) await this.pause();
    if (reply === null) throw new Error(`${fileName}: the machine stopped while loading it, see above.`);
    if (reply.status >= 0x80000000) throw new Error(`${fileName} was not loaded: ${failure(reply)}`);
    return `${file} is loaded at ${machine.guest.symbolAt(Number(BigInt.asIntN(64, reply.information))) ?? ''} 0x${reply.information.toString(16)}`.replace(
      '  ',
      ' ',
    );
  }

  async perform(what: Omit<Request, 'id'>): Promise<Reply | null> {
    const reply = await this.send(what, Infinity, true);
    return reply === 'limit' ? null : reply;
  }

  /** Puts a request in and lets the machine run until its reply (`pendingToo`: or the word that it is pending) is there. Null when the machine stops for good before. */
  private send(what: Omit<Request, 'id'>, seconds: number, pendingToo: boolean): Promise<Reply | null | 'limit'> {
    const { machine, requests } = this.ready;
    let id = 0;
    this.input(() => (id = requests.submit(what)));
    return new Promise(resolve => {
      const end = machine.cycle + seconds * machine.config.tscHz;
      const watch = setInterval(() => {
        if (machine.cycle < end || !this.waiting.delete(id)) return;
        clearInterval(watch);
        resolve('limit');
      }, REPORT_MS);
      this.waiting.set(id, {
        pendingToo,
        resolve: reply => {
          clearInterval(watch);
          resolve(reply);
        },
      });
      this.run();
    });
  }

  private replied(reply: Reply): void {
    const waiter = this.waiting.get(reply.id);
    if (!waiter || (reply.phase === PHASE_PENDING && !waiter.pendingToo)) return;
    this.waiting.delete(reply.id);
    waiter.resolve(reply);
  }
}

/** Why a request failed: the kernel's own words if there are some, and the status. */
function failure(reply: Reply): string {
  const text = new TextDecoder().decode(reply.data);
  return `${text === '' ? '' : `${text}: `}${statusName(reply.status)} (0x${reply.status.toString(16)})`;
}
