/**
 * Odds and ends of a PC's chipset: the POST code port 80h, system control port A at 92h (gate A20 and a fast reset of the processors), and the reset control register at
 * CF9h (82371SB data sheet, 4.4.1).
 *
 * Gate A20 is a bit that can be set and read; a 64-bit machine has all of its address lines. What is written to port 80h leaves the machine on output channel `post`.
 */
import type { Bus, Device } from '../hal/bus/index.ts';
import {
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';

interface SystemControl {
  device: Device;
  bus: Bus;
  r: Record<'POST' | 'PORT_A' | 'RST_CNT', number>;
}

const POST = 0x80,
  PORT_A = 0x92,
  RST_CNT = 0xcf9;
const PORT_A_FAST_RESET = 0x01,
  PORT_A_A20 = 0x02;
const RST_CPU = 0x04;

const reg = registersOf<SystemControl>();
const POST_TABLE = registerTable<SystemControl>([
  reg('POST', { offset: 0, reset: 0, onWrite: (c, written) => c.bus.output(c.device, 'post', Uint8Array.of(written)) }),
]);
const PORT_A_TABLE = registerTable<SystemControl>([
  reg('PORT_A', {
    offset: 0,
    reset: PORT_A_A20,
    bits: { FAST_RESET: 0, A20: 1 },
    // A pulse: the bit must go from 0 to 1.
    onWrite: (c, written, old) => {
      if (written & ~old & PORT_A_FAST_RESET) c.bus.power({ kind: 'reset', by: 'port 92h' });
    },
  }),
]);
const RST_TABLE = registerTable<SystemControl>([
  reg('RST_CNT', {
    offset: 0,
    reset: 0,
    writable: 0x06,
    bits: { SYS_RST: 1, RST_CPU: 2 },
    onWrite: (c, written, old) => {
      if (written & ~old & RST_CPU) c.bus.power({ kind: 'reset', by: 'port CF9h' });
    },
  }),
]);
const TABLES = [
  [POST, POST_TABLE],
  [PORT_A, PORT_A_TABLE],
  [RST_CNT, RST_TABLE],
] as const;

/** The reset control register lies among the ports of the PCI host bridge, which leaves it to this device. */
export function createSystemControl(options: { id?: string } = {}): Device {
  const { id = 'sysctl' } = options;
  let c!: SystemControl;
  const tableOf = (port: number) => TABLES.find(([at]) => at === port)![1];
  const device: Device = {
    id,
    title: 'System control ports',
    attach(bus) {
      c = { device, bus, r: {} as SystemControl['r'] };
      for (const [port, table] of TABLES) {
        resetRegisters(table, c);
        bus.claimPorts(device, port, 1);
      }
    },
    reset: () => TABLES.forEach(([, table]) => resetRegisters(table, c)),
    save: () => saveState(c.r, {}),
    load: state => loadState(id, c.r, {}, state),
    portRead: (port, size) => readRegisters(tableOf(port), c, 0, size),
    portWrite: (port, size, value) => writeRegisters(tableOf(port), c, 0, size, value),
    inspect: () => TABLES.flatMap(([port, table]) => inspectRegisters(table, c, port)),
  };
  return device;
}
