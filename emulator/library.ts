import type { BugCheck, GuestOs, MachineConfig, ModuleInfo, Reply } from '../hal/bus/index.ts';
import { CONSOLE, createBoard, KEYBOARD, statusName } from './board.ts';
import type { Checkpoint } from './checkpoint.ts';
import { toChromeTrace } from './chrometrace.ts';
import type { ChromeTrace } from './chrometrace.ts';
import { completeConfig } from './config.ts';
import { missingOpcodes } from './core/missing.ts';
import type { MissingOpcode } from './core/missing.ts';
import { DEBUG_OUTPUT, Machine } from './machine.ts';
import { loadCoreFromDisk, readFileFromDisk } from './node.ts';
import { request, Requests } from './requests.ts';
import type { RequestResult, TransferOptions } from './requests.ts';
import { RunControl } from './runcontrol.ts';
import { Timeline } from './timeline.ts';
import type { TimelineOptions } from './timeline.ts';
import { TraceCollector } from './trace.ts';

export interface CreateOptions extends Partial<MachineConfig> {
  /** The compiled core. In Node it is found by itself; a browser fetches `core.wasm` and compiles it first. */
  core?: WebAssembly.Module;
  /** Keep checkpoints from the start, so that time can be gone back in. Also turned on by the first use of `timeline` or `control`. */
  timeline?: boolean | TimelineOptions;
  /** Guest seconds that one operation may take. Default 60. */
  limitSeconds?: number;
  /** Do not boot yet. */
  boot?: boolean;
}

/** What an operation gave. */
export interface OperationResult {
  /** NTSTATUS, unsigned; STATUS_PENDING (0x103) while it is outstanding. */
  status: number;
  /** IoStatus.Information. */
  information: bigint;
  /** What the driver returned: the output buffer's first `information` bytes. */
  data: Uint8Array;
  /** `done`; `pending` when the guest is idle and the IRP outstanding; or why the machine stopped before. */
  outcome: RequestResult['outcome'];
  /** To ask for the final result later: {@link DriverMachine.result}. */
  id: number;
}

/** An operation failed whose result the caller needs to go on (load, open). */
export class OperationError extends Error {
  /** NTSTATUS, or null when there is none because the machine stopped or nothing came back in time. */
  readonly status: number | null;
  readonly outcome: RequestResult['outcome'];
  readonly bugCheck: BugCheck | null;
  constructor(message: string, status: number | null, outcome: RequestResult['outcome'], bugCheck: BugCheck | null) {
    super(message);
    this.name = 'OperationError';
    this.status = status;
    this.outcome = outcome;
    this.bugCheck = bugCheck;
  }
}

/** A number of the general registers, RIP and RFLAGS by name, unsigned 64-bit. */
export type Registers = Record<
  | 'rax'
  | 'rcx'
  | 'rdx'
  | 'rbx'
  | 'rsp'
  | 'rbp'
  | 'rsi'
  | 'rdi'
  | 'r8'
  | 'r9'
  | 'r10'
  | 'r11'
  | 'r12'
  | 'r13'
  | 'r14'
  | 'r15'
  | 'rip'
  | 'rflags',
  bigint
>;
const REGISTER_NAMES = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

const NT_SUCCESS_LIMIT = 0x8000_0000;
const BOOT_SECONDS = 10;
const STATUS_PENDING = 0x103,
  STATUS_INSUFFICIENT_RESOURCES = 0xc000009a;

/**
 * The machine that the package exports as `Machine`: the standard board with the NT kernel, booted, and the operations of a driver test.
 *
 *     const machine = Machine.create();
 *     machine.load('samples/echo/echo.sys');
 *     const echo = machine.open('\\\\.\\Echo');
 *     echo.write(Uint8Array.of(1, 2, 3));
 *     expect(echo.read(3).data).toEqual(Uint8Array.of(1, 2, 3));
 *     expect(machine.debugLines()).toContain('echo: loaded');
 *
 * Everything is synchronous: an operation runs the machine until it is done, or until it is pending and nothing else happens.
 */
export class DriverMachine extends Machine {
  readonly requests: Requests;
  /** Cycles that one operation may take. */
  operationLimit: number;
  private history: Timeline | null = null;
  private controller: RunControl | null = null;
  private readonly timelineOptions: TimelineOptions;

  /** Makes a machine, boots it until it is idle, and returns it. Throws a RangeError for a configuration that cannot be, an OperationError if it does not come up. */
  static create(options: CreateOptions = {}): DriverMachine {
    const { core = loadCoreFromDisk(), timeline = false, limitSeconds = 60, boot = true, ...config } = options;
    const complete = completeConfig(config);
    const { devices, guestOs } = createBoard(complete);
    const machine = new DriverMachine(
      core,
      complete,
      devices,
      guestOs,
      limitSeconds,
      typeof timeline === 'object' ? timeline : {},
    );
    if (boot) machine.start();
    if (timeline !== false) machine.history = new Timeline(machine, machine.timelineOptions);
    return machine;
  }

  private constructor(
    core: WebAssembly.Module,
    config: MachineConfig,
    devices: ReturnType<typeof createBoard>['devices'],
    guestOs: GuestOs,
    limitSeconds: number,
    timelineOptions: TimelineOptions,
  ) {
    super({ core, config, devices, guestOs });
    this.operationLimit = Math.floor(limitSeconds * config.tscHz);
    this.timelineOptions = timelineOptions;
    this.requests = new Requests(this, { run: until => (this.history ?? this).run(until) });
  }

  /** Boots and runs until the kernel is up. Called by create. */
  start(): void {
    this.boot();
    const slice = this.config.tscHz / 1000,
      end = this.cycle + BOOT_SECONDS * this.config.tscHz;
    while (!this.guest.booted()) {
      if (this.cycle >= end)
        throw new OperationError(`the kernel did not come up within ${BOOT_SECONDS} guest seconds`, null, 'limit', null);
      const { reason } = this.run(this.cycle + slice);
      if (reason !== 'limit')
        throw new OperationError(
          `the kernel did not come up: ${describeStop(reason, this.bugCheck())}`,
          null,
          reason,
          this.bugCheck(),
        );
    }
  }

  /** The guest operating system: symbols, modules, debugger commands. */
  get guest(): GuestOs {
    if (this.guestOs === null) throw new Error('this machine has no guest operating system');
    return this.guestOs;
  }
  /** The machine's past. It begins at the first use of this. */
  get timeline(): Timeline {
    return (this.history ??= new Timeline(this, this.timelineOptions));
  }
  /** Stepping and running, forwards and backwards. */
  get control(): RunControl {
    return (this.controller ??= new RunControl(this.timeline));
  }

  /** Goes to a checkpoint. What was given since is forgotten, and if the past was kept, it begins anew there: {@link timeline} is another one afterwards. */
  override restore(checkpoint: Checkpoint): void {
    super.restore(checkpoint);
    if (this.history === null || this.history.moving) return;
    this.history = new Timeline(this, this.timelineOptions);
    this.controller = null;
  }

  // ---- drivers and files ----

  /**
   * Loads a driver: the bytes of a .sys, or in Node its path. `name` is the service's name, by default the file's. Returns the image as the loaded-module
   * list has it. Throws an OperationError with the NTSTATUS when the image or DriverEntry is refused, or with the bug check when it killed the machine.
   */
  load(image: Uint8Array | string, name?: string): ModuleInfo {
    const bytes = typeof image === 'string' ? readFileFromDisk(image) : image;
    const service = name ?? (typeof image === 'string' ? baseName(image) : 'driver');
    const result = this.perform(request.load(service, bytes), true);
    if (result.outcome === 'done' && result.status === STATUS_INSUFFICIENT_RESOURCES && result.data.length === 0) {
      const room = `the machine, which has ${this.config.ramBytes >> 20} MiB of RAM (machine setting 'ramBytes')`;
      throw new OperationError(
        `load of ${service}: its ${bytes.length} bytes do not fit into ${room}`,
        result.status,
        'done',
        null,
      );
    }
    this.mustSucceed(`load of ${service}`, result);
    const base = Number(BigInt.asIntN(64, result.information));
    const module = this.guest.modules().find(m => m.base === base);
    if (module === undefined)
      throw new Error(`${service} was loaded at ${base.toString(16)}, but is not in the loaded-module list`);
    return module;
  }

  /** Unloads a driver by its service's name. */
  unload(name: string): OperationResult {
    return this.perform(request.unload(name), true);
  }

  /** Opens a device by its NT or Win32 name (`\\.\Echo`, `\Device\Echo`). Throws an OperationError with the NTSTATUS when that is refused. */
  open(path: string, options: { synchronous?: boolean } = {}): OpenFile {
    const result = this.perform(request.open(path, options.synchronous), true);
    this.mustSucceed(`open of ${path}`, result);
    return new OpenFile(this, Number(result.information), path);
  }

  /** Ends the process whose program carries out the requests: its handles are closed and what it has outstanding is cancelled. Another one takes its place. */
  exitRequester(status = 0): OperationResult {
    return this.perform(request.exit(status), true);
  }

  /** Plug and Play on a device node: its instance path, and what happens to it. */
  pnp(instance: string, action: Parameters<typeof request.pnp>[1]): OperationResult {
    return this.perform(request.pnp(instance, action), true);
  }

  /** Shuts the system down as far as drivers hear of it: those that registered get IRP_MJ_SHUTDOWN. The machine itself stays on. */
  shutdown(): OperationResult {
    return this.perform(request.shutdown(), true);
  }

  /** Puts a request in and runs until it is done (or, without `complete`, pending with the guest idle). */
  perform(what: ReturnType<typeof request.load>, complete = false): OperationResult {
    return toResult(this.requests.wait(this.requests.submit(what), this.operationLimit, complete));
  }

  /** What an earlier operation has come to; with `wait`, the machine runs until it is done. */
  result(id: number, wait = false): OperationResult {
    if (wait) return toResult(this.requests.wait(id, this.operationLimit, true));
    const reply = this.requests.reply(id);
    return toResult({ id, reply, outcome: reply !== null && reply.phase === 1 ? 'done' : 'pending' });
  }

  /** Runs until nothing is runnable in the guest, at most `seconds` of guest time. Returns whether it is idle. */
  runToIdle(seconds = 1): boolean {
    const end = this.cycle + Math.floor(seconds * this.config.tscHz),
      slice = Math.max(1, Math.floor(this.config.tscHz / 1000));
    while (!this.guest.idle()) {
      if (this.cycle >= end) return false;
      if ((this.history ?? this).run(Math.min(end, this.cycle + slice)).reason !== 'limit') return this.guest.idle();
    }
    return true;
  }

  /** Runs for a time: guest seconds. */
  runFor(seconds: number): void {
    (this.history ?? this).run(this.cycle + Math.floor(seconds * this.config.tscHz));
  }

  // ---- console ----

  /** Types on the keyboard: names of keys as KeyboardEvent.code has them (`KeyA Enter`, `+ShiftLeft KeyB -ShiftLeft`). */
  keys(names: string): void {
    this.input(KEYBOARD.device, 'keyname', new TextEncoder().encode(names));
  }
  /** Sends text to the serial console. */
  type(text: string): void {
    this.input(CONSOLE.device, CONSOLE.input, new TextEncoder().encode(text));
  }
  /** What the serial console has shown. */
  consoleText(): string {
    return this.textOf(CONSOLE.device, CONSOLE.output);
  }
  /** Debugger output (DbgPrint), line by line; a last line that has no end yet is included. */
  debugLines(): string[] {
    const text = this.textOf(DEBUG_OUTPUT, 'text').replaceAll('\r\n', '\n');
    const lines = text.split('\n');
    if (lines[lines.length - 1] === '') lines.pop();
    return lines;
  }

  private textOf(device: string, channel: string): string {
    const decoder = new TextDecoder();
    return this.output
      .since()
      .filter(r => r.device === device && r.channel === channel)
      .map(r => decoder.decode(r.data, { stream: true }))
      .join('');
  }

  // ---- looking ----

  registers(cpu = this.currentCpu): Registers {
    const view = this.cpus[cpu];
    const general = REGISTER_NAMES.map((name, i) => [name, view.gpr(i)] as const);
    return {
      ...Object.fromEntries(general),
      rip: BigInt.asUintN(64, BigInt(view.rip)),
      rflags: BigInt(view.rflags),
    } as Registers;
  }
  /** Bytes at a virtual address through the current processor's page tables. Throws a GuestFault where nothing is mapped. */
  readMemory(va: number, length: number): Uint8Array {
    return this.cpus[this.currentCpu].mem.readBytes(va, length);
  }
  /** Changes memory at a virtual address, as a debugger does; recorded like an input. Throws a RangeError where nothing is mapped. */
  writeMemory(va: number, bytes: Uint8Array): void {
    const { mem } = this.cpus[this.currentCpu];
    for (let done = 0; done < bytes.length;) {
      const chunk = Math.min(bytes.length - done, 0x1000 - (((va + done) >>> 0) & 0xfff)),
        pa = mem.translate(va + done);
      if (pa < 0 || pa + chunk > this.ram.size) throw new RangeError(`nothing is mapped at 0x${(va + done).toString(16)}`);
      this.poke({ kind: 'memory', address: pa, bytes: bytes.subarray(done, done + chunk) });
      done += chunk;
    }
  }
  /**
   * Opcodes that this processor does not have and that the guest executed, each of which raised #UD; most frequent first. Counted since the machine was
   * made: the counts are not its state, going back in time does not take them back.
   */
  missingOpcodes(): MissingOpcode[] {
    return missingOpcodes(this.core, this.linear);
  }
  /** A debugger command (`!irp`, `lm`, `dt nt!_KTHREAD`): lines of text. An unknown one throws an Error that names those there are. */
  command(line: string): string[] {
    return this.guest.command(line);
  }

  /** Collects a trace until `stop` is called on what this returns. */
  startTrace(): TraceCollector {
    return new TraceCollector(this);
  }
  /** A collected trace as Chrome trace-event JSON (Perfetto opens it). */
  chromeTrace(trace: TraceCollector): ChromeTrace {
    return toChromeTrace(trace.events, { tscHz: this.config.tscHz, cpus: this.config.cpus, dropped: trace.dropped });
  }

  private mustSucceed(what: string, result: OperationResult): void {
    if (result.outcome !== 'done') {
      const why =
        result.outcome === 'limit'
          ? `it was not done within ${this.operationLimit / this.config.tscHz} guest seconds`
          : describeStop(result.outcome, this.bugCheck());
      throw new OperationError(`${what}: ${why}`, null, result.outcome, this.bugCheck());
    }
    if (result.status >= NT_SUCCESS_LIMIT) {
      const text = new TextDecoder().decode(result.data);
      const number = `0x${result.status.toString(16).padStart(8, '0')}`,
        name = statusName(result.status);
      const why = text !== '' ? `${text} (${number})` : name === number ? `status ${number}` : `${name} (${number})`;
      throw new OperationError(`${what}: ${why}`, result.status, 'done', null);
    }
  }
}

/** An open handle to a device. */
export class OpenFile {
  readonly machine: DriverMachine;
  readonly handle: number;
  readonly path: string;

  constructor(machine: DriverMachine, handle: number, path: string) {
    this.machine = machine;
    this.handle = handle;
    this.path = path;
  }
  /** DeviceIoControl. `outLength` is the output buffer's length: by default 4096, or as long as the input. */
  ioctl(
    code: number,
    input: Uint8Array = new Uint8Array(0),
    outLength: number = Math.max(4096, input.length),
    options: TransferOptions = {},
  ): OperationResult {
    return this.machine.perform(request.ioctl(this.handle, code, input, outLength, options));
  }
  read(length: number, options: TransferOptions = {}): OperationResult {
    return this.machine.perform(request.read(this.handle, length, options));
  }
  write(data: Uint8Array, options: TransferOptions = {}): OperationResult {
    return this.machine.perform(request.write(this.handle, data, options));
  }
  /** Cancels what is outstanding on the handle. */
  cancel(): OperationResult {
    return this.machine.perform(request.cancel(this.handle));
  }
  close(): OperationResult {
    return this.machine.perform(request.close(this.handle));
  }
}

function toResult({
  id,
  reply,
  outcome,
}: {
  id: number;
  reply: Reply | null;
  outcome: RequestResult['outcome'];
}): OperationResult {
  return {
    id,
    outcome,
    status: reply?.status ?? STATUS_PENDING,
    information: reply?.information ?? 0n,
    data: reply?.data ?? new Uint8Array(0),
  };
}

function describeStop(reason: string, bugCheck: BugCheck | null): string {
  if (bugCheck !== null)
    return `bug check 0x${bugCheck.code.toString(16)} ${bugCheck.name}${bugCheck.routine === null ? '' : ` in ${bugCheck.routine}`}`;
  if (reason === 'power') return 'the guest switched the machine off, or reset it';
  return `the machine stopped (${reason})`;
}

function baseName(path: string): string {
  const file = path.split(/[\\/]/).pop() ?? path;
  return file.replace(/\.sys$/i, '');
}
