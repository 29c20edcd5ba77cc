import { BOARD, BOARD_SIZE } from './map';
import { sendMessage } from './apic';

// The I/O APIC: 24 pins, each with a redirection entry that says which message its assertion sends (82093AA data sheet, and
// the EOI register of version 20h). State at BOARD.

const SELECT: usize = BOARD, ID: usize = BOARD + 4;
/** One bit a pin: its line is asserted. */
const LINES: usize = BOARD + 8;
/** Redirection entries, u64 each. */
const ENTRIES: usize = BOARD + 0x40;
export const IOAPIC_PINS: u32 = 24;

const RTE_STATUS: u64 = 0x1000, RTE_REMOTE_IRR: u64 = 0x4000, RTE_LEVEL: u64 = 0x8000, RTE_MASKED: u64 = 0x10000, RTE_LOGICAL: u64 = 0x800;

function entryAt(pin: u32): usize { return ENTRIES + (<usize>pin << 3); }

export function ioapicReset(): void {
  memory.fill(BOARD, 0, BOARD_SIZE);
  for (let pin: u32 = 0; pin < IOAPIC_PINS; pin++) store<u64>(entryAt(pin), RTE_MASKED);
}

/** Reads IOREGSEL (offset 0) or IOWIN (offset 10h). */
export function ioapicRead(offset: u32): u32 {
  const select = load<u32>(SELECT);
  if (offset < 0x10) return offset == 0 ? select : 0;
  if (offset != 0x10) return 0;
  if (select >= 0x10 && select < 0x10 + IOAPIC_PINS * 2) return load<u32>(ENTRIES + (<usize>(select - 0x10) << 2));
  switch (select) {
    case 0: case 2: return load<u32>(ID);
    case 1: return 0x20 | ((IOAPIC_PINS - 1) << 16);
    default: return 0;
  }
}

/** Writes IOREGSEL (0), IOWIN (10h) or EOI (40h). */
export function ioapicWrite(offset: u32, v: u32): void {
  if (offset == 0) { store<u32>(SELECT, v & 0xff); return; }
  if (offset == 0x40) { ioapicEoi(v & 0xff); return; }
  if (offset != 0x10) return;
  const select = load<u32>(SELECT);
  if (select == 0) { store<u32>(ID, v & 0x0f000000); return; }
  if (select < 0x10 || select >= 0x10 + IOAPIC_PINS * 2) return;
  const pin = (select - 0x10) >> 1, at = entryAt(pin);
  let entry = load<u64>(at);
  if ((select & 1) == 0) {
    const kept = RTE_STATUS | RTE_REMOTE_IRR;
    entry = (entry & (0xffffffff00000000 | kept)) | (<u64>v & 0x1ffff & ~kept);
    // An edge entry has no remote IRR: software clears a stuck one by switching to edge and back.
    if ((entry & RTE_LEVEL) == 0) entry &= ~RTE_REMOTE_IRR;
  } else {
    entry = (entry & 0xffffffff) | (<u64>(v & 0xff000000) << 32);
  }
  store<u64>(at, entry);
  serviceLevel(pin);
}

/**
 * Drives a pin: `level` 1 asserts it, 0 releases it. The wire says "asserted", not "high": an entry's polarity bit is stored
 * and reads back, and describes the board's wiring.
 */
export function ioapicLine(pin: u32, level: u32): void {
  if (pin >= IOAPIC_PINS) return;
  const bit = <u32>1 << pin, lines = load<u32>(LINES);
  if (level == 0) { store<u32>(LINES, lines & ~bit); return; }
  store<u32>(LINES, lines | bit);
  const entry = load<u64>(entryAt(pin));
  if ((entry & RTE_LEVEL) != 0) serviceLevel(pin);
  // An edge on a masked pin is lost, as the data sheet says.
  else if ((lines & bit) == 0 && (entry & RTE_MASKED) == 0) send(entry);
}

/** A level-triggered pin that is asserted, unmasked and not being serviced sends its message. */
function serviceLevel(pin: u32): void {
  const at = entryAt(pin), entry = load<u64>(at);
  if ((entry & RTE_LEVEL) == 0 || (entry & (RTE_MASKED | RTE_REMOTE_IRR)) != 0 || (load<u32>(LINES) >> pin & 1) == 0) return;
  if (send(entry)) store<u64>(at, entry | RTE_REMOTE_IRR);
}

function send(entry: u64): bool {
  const mode = <u32>(entry >> 8) & 7;
  return sendMessage(<u32>(entry >> 56), (entry & RTE_LOGICAL) != 0, mode, <u32>entry & 0xff, (entry & RTE_LEVEL) != 0);
}

/** EOI of `vector`, broadcast by a local APIC or written to the EOI register: level entries with that vector may send again. */
export function ioapicEoi(vector: u32): void {
  for (let pin: u32 = 0; pin < IOAPIC_PINS; pin++) {
    const at = entryAt(pin), entry = load<u64>(at);
    if ((entry & RTE_LEVEL) == 0 || (entry & RTE_REMOTE_IRR) == 0 || (<u32>entry & 0xff) != vector) continue;
    store<u64>(at, entry & ~RTE_REMOTE_IRR);
    serviceLevel(pin);
  }
}
