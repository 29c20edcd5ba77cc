import { hearsIntr } from './apic';
import { interruptAcknowledge } from './env';
import { APIC_BASE, CPU_INDEX, EXTINT_PENDING } from './layout';
import { BOARD, cpuAt, cpuCount } from './map';
import { arrived } from './turns';

// External interrupts of an 8259 (SDM vol. 3, 11.5.1 and 7.3.1). Its output is the wire INTR. A processor hears it through LINT0 when that local vector table
// entry is unmasked with delivery mode ExtINT, directly when its local APIC is off, or as an ExtINT message of the I/O APIC. The vector comes from the 8259 in the
// acknowledge cycle; TPR, IRR and ISR take no part.

/** Level of INTR, u32; state. The I/O APIC has the places before. */
const INTR: usize = BOARD + 0x200;

/** The 8259 drives INTR. */
export function intrLine(level: u32): void {
  if (load<u32>(INTR) == level) return;
  store<u32>(INTR, level);
  for (let n: u32 = 0; n < cpuCount; n++) arrived(cpuAt(n));
}

/** Whether an external interrupt would be delivered at the next boundary with IF set. */
export function intrPending(cpu: usize): bool {
  if (load<u32>(cpu, EXTINT_PENDING) != 0) return true;
  if (load<u32>(INTR) == 0) return false;
  // Without a local APIC, LINT0 of the processor that boots is its INTR pin.
  if ((load<u64>(cpu, APIC_BASE) & 0x800) == 0) return load<u32>(cpu, CPU_INDEX) == 0;
  return hearsIntr(cpu);
}

/** An ExtINT message arrives. */
export function requestExtInt(cpu: usize): void {
  store<u32>(cpu, 1, EXTINT_PENDING);
  arrived(cpu);
}

/** The interrupt-acknowledge cycle: the vector that the 8259 gives (its spurious one if the request has gone). */
export function acknowledgeIntr(cpu: usize): u32 {
  store<u32>(cpu, 0, EXTINT_PENDING);
  return interruptAcknowledge() & 0xff;
}
