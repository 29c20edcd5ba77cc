import { readFileSync } from 'node:fs';
import { createRtc } from '../../devices/index.ts';
import { Machine } from '../../emulator/machine.ts';
import { loadCoreFromDisk } from '../../emulator/node.ts';
import type { GuestOs, MachineConfig, Platform } from '../../hal/bus/index.ts';
import { createKernel } from '../../kernel/index.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { ldrLoadImage } from '../../kernel/ldr/image.ts';
import { psCreateSystemThread } from '../../kernel/ps/thread.ts';

/** A machine with the kernel and a clock, nothing else: for tests of the kernel's own parts. */
export interface KernelMachine {
  machine: Machine;
  os: GuestOs;
  /** What the guest printed, line by line. */
  lines: string[];
}

export function kernelMachine(config: Partial<MachineConfig> = {}): KernelMachine {
  const os = createKernel();
  const machine = new Machine({ core: loadCoreFromDisk(), devices: [createRtc({ epoch: 1767225600 })], guestOs: os, config });
  const lines: string[] = [];
  machine.addTraceSink(e => {
    if (e.kind === 'debug') lines.push(...e.name.split('\n').filter(l => l !== ''));
  });
  machine.boot();
  return { machine, os, lines };
}

/** Runs until the kernel has come up; throws when it takes more than `limit` cycles. */
export function runToIdle(m: KernelMachine, limit = 10_000_000): void {
  for (let at = 500_000; !m.os.booted(); at += 500_000) {
    if (at > limit) throw new Error('the kernel did not come up');
    m.machine.run(at);
  }
}

/** A kernel object over the machine's memory, as a debugger would make it. */
export function kernelOf(m: KernelMachine): Kernel {
  return new Kernel(m.machine as Platform, (m.os as unknown as { kernel: Kernel }).kernel.images);
}

/** Loads a test driver and starts its entry point in a system thread. */
export function startDriver(m: KernelMachine, name: string): void {
  const k = kernelOf(m);
  const file = new Uint8Array(readFileSync(new URL(`drivers/${name}.sys`, import.meta.url)));
  const image = ldrLoadImage(k, file, 'test.sys', '\\??\\test.sys');
  if (!psCreateSystemThread(k, k.mem.readPtr(k.address('nt!PsInitialSystemProcess')), image.entry, 0))
    throw new Error('no thread');
  for (const cpu of m.machine.cpus) cpu.invalidate();
}
