/**
 * The debug-exit port, as QEMU's `isa-debug-exit` documents it: a write of V ends the run with the exit status (V << 1) | 1, so that a guest can never report success
 * by chance. Reads give 0.
 */
import type { Bus, Device } from '../hal/bus/index.ts';

/** At port 0xF4, 4 bytes wide, unless said. */
export function createDebugExit(options: { id?: string; base?: number } = {}): Device {
  const { id = 'debugexit', base = 0xf4 } = options;
  let bus!: Bus;
  const device: Device = {
    id,
    title: 'Debug exit port',
    attach(to) {
      bus = to;
      bus.claimPorts(device, base, 4);
    },
    reset: () => {},
    save: () => ({}),
    load: () => {},
    portRead: () => 0,
    // An exit status has 8 bits on every host that matters; the machine keeps all of them.
    portWrite: (_port, _size, value) => bus.power({ kind: 'exit', code: ((value << 1) | 1) >>> 0 }),
  };
  return device;
}
