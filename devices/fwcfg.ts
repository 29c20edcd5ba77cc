/**
 * The firmware configuration device of QEMU (https://www.qemu.org/docs/master/specs/fw_cfg.html): read-only items by number and files by name, through a selector and
 * a data port, or by DMA.
 *
 * All items are made when the machine is built. Writes to items, which the specification calls obsolete, are ignored; a DMA write ends with the error bit.
 */
import type { Bus, Device } from '../hal/bus/index.ts';

export interface FwCfgFile {
  /** At most 55 bytes of ASCII: `etc/e820`. */
  name: string;
  data: Uint8Array;
}

export const FW_CFG_SIGNATURE = 0x00,
  FW_CFG_ID = 0x01,
  FW_CFG_UUID = 0x02,
  FW_CFG_RAM_SIZE = 0x03,
  FW_CFG_NOGRAPHIC = 0x04,
  FW_CFG_NB_CPUS = 0x05,
  FW_CFG_BOOT_MENU = 0x0e,
  FW_CFG_MAX_CPUS = 0x0f,
  FW_CFG_FILE_DIR = 0x19,
  FW_CFG_FILE_FIRST = 0x20;
const NAME_SIZE = 56,
  ENTRY_SIZE = 64;
/** Bit 14 of the selector asks for write access, bit 15 selects the items of an architecture. */
const WRITE_CHANNEL = 0x4000;
const ID_TRADITIONAL = 1,
  ID_DMA = 2;
const DMA_ERROR = 1,
  DMA_READ = 2,
  DMA_SKIP = 4,
  DMA_SELECT = 8,
  DMA_WRITE = 16;
/** What the DMA address register reads as, big-endian "QEMU CFG". */
const DMA_SIGNATURE_HIGH = 0x51454d55,
  DMA_SIGNATURE_LOW = 0x20434647;

type State = { selector: number; offset: number; dmaHigh: number };

/** A little-endian item of 2, 4 or 8 bytes. */
export function fwCfgNumber(value: number, bytes: 2 | 4 | 8): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0, rest = value; i < bytes; i++, rest = Math.floor(rest / 256)) out[i] = rest % 256;
  return out;
}

/** Ports 510-511 (selector and data) and 514-51B (DMA address). `items` by selector; `files` get selectors from 20h on, in the order of their names. */
export function createFwCfg(options: {
  id?: string;
  base?: number;
  items: ReadonlyMap<number, Uint8Array>;
  files?: readonly FwCfgFile[];
}): Device {
  const { id = 'fwcfg', base = 0x510 } = options;
  const items = new Map<number, Uint8Array>([
    [FW_CFG_SIGNATURE, new TextEncoder().encode('QEMU')],
    [FW_CFG_ID, fwCfgNumber(ID_TRADITIONAL | ID_DMA, 4)],
    ...options.items,
  ]);
  const files = [...(options.files ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  files.forEach(({ data }, i) => items.set(FW_CFG_FILE_FIRST + i, data));
  items.set(FW_CFG_FILE_DIR, directory(id, files));

  let bus!: Bus;
  const s: State = { selector: 0, offset: 0, dmaHigh: 0 };
  const selected = (): Uint8Array => items.get(s.selector & ~WRITE_CHANNEL) ?? new Uint8Array(0);
  const select = (key: number): void => {
    s.selector = key;
    s.offset = 0;
  };
  const nextByte = (): number => {
    const byte = selected()[s.offset] ?? 0;
    s.offset++;
    return byte;
  };
  const dma = (at: number): void => {
    const { memory } = bus;
    if (at + 16 > memory.size) return;
    const control = swap(memory.read32(at)),
      length = swap(memory.read32(at + 4)),
      high = swap(memory.read32(at + 8)),
      address = swap(memory.read32(at + 12));
    if (control & DMA_SELECT) select(control >>> 16);
    const item = selected();
    let status = 0;
    if (control & DMA_READ) {
      if (high !== 0 || address + length > memory.size) status = DMA_ERROR;
      else {
        // What lies behind the end of an item reads as zeros.
        const bytes = new Uint8Array(length);
        bytes.set(item.subarray(s.offset, s.offset + length));
        memory.writeBytes(address, bytes);
        s.offset += length;
      }
    } else if (control & DMA_WRITE) status = DMA_ERROR;
    else if (control & DMA_SKIP) s.offset += length;
    memory.write32(at, swap(status));
  };
  const device: Device = {
    id,
    title: 'Firmware configuration (fw_cfg)',
    attach(to) {
      bus = to;
      bus.claimPorts(device, base, 2);
      bus.claimPorts(device, base + 4, 8);
    },
    reset: () => void Object.assign(s, { selector: 0, offset: 0, dmaHigh: 0 }),
    save: () => ({ ...s }),
    load: state => void Object.assign(s, state),
    portRead(port, size) {
      const offset = port - base;
      if (offset === 1 && size === 1) return nextByte();
      if (offset === 4 && size === 4) return swap(DMA_SIGNATURE_HIGH);
      if (offset === 8 && size === 4) return swap(DMA_SIGNATURE_LOW);
      return 0;
    },
    portWrite(port, size, value) {
      const offset = port - base;
      if (offset === 0 && size === 2) select(value);
      else if (offset === 4 && size === 4) s.dmaHigh = swap(value);
      else if (offset === 8 && size === 4) {
        const high = s.dmaHigh;
        s.dmaHigh = 0;
        if (high === 0) dma(swap(value));
      }
    },
    inspect: () => [
      { name: 'SELECTOR', value: s.selector, address: base },
      { name: 'OFFSET', value: s.offset },
    ],
  };
  return device;
}

/** The file directory: a count, then size, selector and name of each file; numbers are big-endian. */
function directory(id: string, files: readonly FwCfgFile[]): Uint8Array {
  const out = new Uint8Array(4 + files.length * ENTRY_SIZE);
  const view = new DataView(out.buffer);
  view.setUint32(0, files.length);
  files.forEach(({ name, data }, i) => {
    const text = new TextEncoder().encode(name);
    if (text.length >= NAME_SIZE) throw new Error(`${id}: the name of file '${name}' has more than ${NAME_SIZE - 1} bytes`);
    view.setUint32(4 + i * ENTRY_SIZE, data.length);
    view.setUint16(8 + i * ENTRY_SIZE, FW_CFG_FILE_FIRST + i);
    out.set(text, 12 + i * ENTRY_SIZE);
  });
  return out;
}

function swap(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
