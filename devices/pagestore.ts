/**
 * The page store (`hal/bus/pagestore.ts` has the registers): pages that the memory manager has written out. A command is done when the write of the register is; a
 * read of an empty slot gives zeros, and a command with a slot or a page that does not exist does nothing.
 */
import {
  PAGE_STORE_BASE,
  PAGE_STORE_DISCARD,
  PAGE_STORE_IDENT,
  PAGE_STORE_LENGTH,
  PAGE_STORE_READ,
  PAGE_STORE_WRITE,
  PS_COMMAND,
  PS_IDENT,
  PS_PAGE,
  PS_SLOT,
  PS_SLOTS,
} from '../hal/bus/index.ts';
import type { Bus, Device, StateValue } from '../hal/bus/index.ts';
import { inspectRegisters, readRegisters, registersOf, registerTable, resetRegisters, writeRegisters } from './register.ts';

const PAGE_SIZE = 0x1000;

interface PageStore {
  bus: Bus;
  slots: number;
  r: Record<'SLOT' | 'PAGE', number>;
  /** Contents by slot. The arrays never change, so checkpoints share them. */
  pages: Map<number, Uint8Array>;
}

const reg = registersOf<PageStore>();
const REGISTERS = registerTable<PageStore>([
  reg('IDENT', { offset: PS_IDENT, width: 32, access: 'ro', value: () => PAGE_STORE_IDENT }),
  reg('SLOTS', { offset: PS_SLOTS, width: 32, access: 'ro', value: p => p.slots }),
  reg('SLOT', { offset: PS_SLOT, width: 32, reset: 0 }),
  reg('PAGE', { offset: PS_PAGE, width: 32, reset: 0 }),
  reg('COMMAND', { offset: PS_COMMAND, width: 32, access: 'wo', onWrite: command }),
  reg('IN_USE', { value: p => p.pages.size }),
]);

function command(p: PageStore, code: number): void {
  const { SLOT: slot, PAGE: page } = p.r;
  if (slot === 0 || slot >= p.slots) return;
  if (code === PAGE_STORE_DISCARD) p.pages.delete(slot);
  if ((page + 1) * PAGE_SIZE > p.bus.memory.size) return;
  if (code === PAGE_STORE_WRITE) p.pages.set(slot, p.bus.memory.readBytes(page * PAGE_SIZE, PAGE_SIZE));
  else if (code === PAGE_STORE_READ) {
    const found = p.pages.get(slot);
    if (found) p.bus.memory.writeBytes(page * PAGE_SIZE, found);
    else p.bus.memory.fill(page * PAGE_SIZE, PAGE_SIZE, 0);
  }
}

/** 4096 slots (16 MiB) unless said. */
export function createPageStore(options: { id?: string; base?: number; slots?: number } = {}): Device {
  const { id = 'pagestore', base = PAGE_STORE_BASE, slots = 4096 } = options;
  let p!: PageStore;
  const device: Device = {
    id,
    title: 'Page store',
    attach(bus) {
      p = { bus, slots, r: {} as PageStore['r'], pages: new Map() };
      resetRegisters(REGISTERS, p);
      bus.claimPorts(device, base, PAGE_STORE_LENGTH);
    },
    reset() {
      resetRegisters(REGISTERS, p);
      p.pages.clear();
    },
    save: () => ({
      slot: p.r.SLOT,
      page: p.r.PAGE,
      pages: [...p.pages].sort((a, b) => a[0] - b[0]).map(([slot, data]) => ({ slot, data })),
    }),
    load(state) {
      const saved = state as { slot: number; page: number; pages: readonly StateValue[] };
      p.r.SLOT = saved.slot;
      p.r.PAGE = saved.page;
      p.pages = new Map((saved.pages as readonly { slot: number; data: Uint8Array }[]).map(e => [e.slot, e.data]));
    },
    portRead: (port, size) => readRegisters(REGISTERS, p, port - base, size),
    portWrite: (port, size, value) => writeRegisters(REGISTERS, p, port - base, size, value),
    inspect: () => inspectRegisters(REGISTERS, p, base),
  };
  return device;
}
