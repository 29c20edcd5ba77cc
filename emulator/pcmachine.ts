import type { MachineConfig, PowerEvent } from '../hal/bus/index.ts';
import { completeConfig } from './config.ts';
import { multibootFirmware } from './firmware/bootloader.ts';
import type { BootModule } from './firmware/bootloader.ts';
import { parseMultiboot } from './firmware/multiboot.ts';
import { Machine } from './machine.ts';
import type { StopReason } from './machine.ts';
import { loadCoreFromDisk } from './node.ts';
import { COM1, createPcBoard, unsentSerial } from './pcboard.ts';

export interface PcOptions extends Partial<MachineConfig> {
  /** The multiboot image. */
  image: Uint8Array;
  /** Its name: in messages, and the first word of its command line. Default `guest`. */
  file?: string;
  /** What follows the name on the command line. */
  append?: string;
  modules?: readonly BootModule[];
  /** The compiled core; in Node it is found beside the package. */
  core?: WebAssembly.Module;
}

/** How a run of {@link PcMachine.runFor} ended. */
export interface PcEnd {
  reason: StopReason;
  /** Exit status that the guest gave to the debug-exit port, else null. */
  exitCode: number | null;
  power: PowerEvent | null;
}

/** RAM of a PC when nobody says otherwise. */
const DEFAULT_RAM = 128 << 20;

/**
 * A PC that boots a multiboot image: the machine of `kmode boot`.
 *
 *     const pc = PcMachine.create({ image, cpus: 2 });
 *     const end = pc.runFor(10);           // guest seconds
 *     end.exitCode; pc.serialText();
 */
export class PcMachine extends Machine {
  private readonly serialSinks: ((bytes: Uint8Array) => void)[] = [];
  /** What COM1 had not sent yet when the guest ended the run. */
  private unsent: Uint8Array = new Uint8Array(0);

  /** Throws a BootImageError for a file that cannot be booted, a RangeError for a configuration that cannot be. */
  static create(options: PcOptions): PcMachine {
    const { image, file = 'guest', append = '', modules = [], core = loadCoreFromDisk(), ...rest } = options;
    const config = completeConfig({ ...rest, ramBytes: rest.ramBytes ?? DEFAULT_RAM });
    const parsed = parseMultiboot(file, image);
    const { devices, acpi } = createPcBoard(config);
    const machine = new PcMachine({
      core,
      config,
      devices,
      firmware: multibootFirmware({ file, image: parsed, commandLine: append, modules, acpi }),
    });
    machine.boot();
    return machine;
  }

  /** Runs until the guest ends the run, at most `seconds` of guest time. */
  runFor(seconds: number): PcEnd {
    return this.runTo(this.cycle + Math.floor(seconds * this.config.tscHz));
  }

  /** Runs until the guest ends the run, or to a cycle. */
  runTo(cycle: number): PcEnd {
    const { reason, power = null } = this.run(cycle);
    // A run ends in the middle of its last character; whoever reads the text wants it whole. No state changes.
    if (reason === 'power') {
      this.unsent = unsentSerial(this.devices);
      for (const sink of this.serialSinks) sink(this.unsent);
    }
    return { reason, power, exitCode: power?.kind === 'exit' ? power.code : null };
  }

  /** Sends bytes to COM1. */
  serialInput(bytes: Uint8Array): void {
    this.input(COM1, 'rx', bytes);
  }
  /** Calls `sink` with what comes out of COM1 from now on. */
  onSerial(sink: (bytes: Uint8Array) => void): void {
    this.serialSinks.push(sink);
    this.addOutputSink((device, channel, data) => {
      if (device === COM1 && channel === 'tx') sink(data);
    });
  }
  /** Everything that has come out of COM1, as Latin-1 text. */
  serialText(): string {
    const sent = this.output.since().filter(r => r.device === COM1 && r.channel === 'tx');
    return [...sent.map(r => r.data), this.unsent].map(bytes => String.fromCharCode(...bytes)).join('');
  }
}
