/**
 * The test device that kvm-unit-tests know as `pc-testdev`, with the registers of QEMU's device of that name:
 *
 * | where | |
 * |---|---|
 * | ports E0-E3 | four bytes that read back; accesses of any size |
 * | ports E4-E7 | takes the address of a page that a hypervisor should forget: nothing to do here, as no translation outlives what the processor's TLBs hold |
 * | ports E8-EB | the same four bytes as E0-E3 |
 * | ports 2000-2017 | a byte drives the interrupt line of that number: 0 low, else high |
 * | addresses FF000000-FF00FFFF | memory that is not RAM |
 */
import type { Bus, Device, InterruptLine } from '../hal/bus/index.ts';
import { isaPin } from './i8259.ts';

const DATA = 0xe0,
  FLUSH = 0xe4,
  DATA_BYTES = 0xe8,
  LINES = 0x2000,
  LINE_COUNT = 24,
  MEMORY = 0xff000000,
  MEMORY_SIZE = 0x10000;

type State = { data: Uint8Array; memory: Uint8Array };

export function createPcTestdev(options: { id?: string } = {}): Device {
  const { id = 'testdev' } = options;
  let lines: InterruptLine[] = [];
  const s: State = { data: new Uint8Array(4), memory: new Uint8Array(MEMORY_SIZE) };
  const device: Device = {
    id,
    title: 'Test device (pc-testdev)',
    attach(bus: Bus) {
      bus.claimPorts(device, DATA, 12);
      bus.claimPorts(device, LINES, LINE_COUNT);
      bus.claimMmio(device, MEMORY, MEMORY_SIZE);
      lines = Array.from({ length: LINE_COUNT }, (_, n) => bus.interruptLine(isaPin(n)));
    },
    reset() {
      s.data.fill(0);
      s.memory.fill(0);
    },
    save: () => structuredClone(s),
    load(state) {
      const saved = state as State;
      s.data.set(saved.data);
      s.memory.set(saved.memory);
    },
    portRead(port, size) {
      if (port >= LINES || (port >= FLUSH && port < DATA_BYTES)) return 0;
      return get(s.data, port & 3, size);
    },
    portWrite(port, size, value) {
      if (port >= LINES) lines[port - LINES]!.set((value & 0xff) !== 0);
      else if (port < FLUSH || port >= DATA_BYTES) put(s.data, port & 3, size, value);
    },
    mmioRead: (address, size) => get(s.memory, address - MEMORY, size),
    mmioWrite: (address, size, value) => put(s.memory, address - MEMORY, size, value),
  };
  return device;
}

/** Little-endian; bytes beyond the end read as 0 and are not written. */
function get(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

function put(bytes: Uint8Array, at: number, size: number, value: number): void {
  for (let i = 0; i < size && at + i < bytes.length; i++) bytes[at + i] = value >>> (8 * i);
}
