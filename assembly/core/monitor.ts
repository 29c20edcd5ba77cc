import { ACTIVITY, CPL, MISC_ENABLE, MONITOR_ARMED, MONITOR_BREAKS, MONITOR_LINE, MONITOR_PA, RCX } from './layout';
import { ACTIVITY_MWAIT, updateAttention } from './boundary';
import { probe } from './mem';
import { RAM_BASE, ramSize } from './map';
import { translateData } from './mmu';
import { GP, raise, raiseError, trap, UD } from './trap';

// MONITOR and MWAIT (SDM vol. 3, 9.10.4). The monitored range is one line of 64 bytes. MONITOR keeps a copy of it; a store to the line
// is noticed at the next boundary of the waiting processor, because its contents differ. So a store of the same value does not wake it,
// which software cannot tell from a store that came before MONITOR.

/** Bytes of the monitored range: CPUID leaf 5 says the same. */
export const MONITOR_BYTES: u32 = 64;
/** IA32_MISC_ENABLE: MONITOR and MWAIT are there. */
export const MISC_ENABLE_MONITOR: u64 = 0x40000;
/** MWAIT's ECX: a masked interrupt ends the wait too. */
const BREAK_ON_MASKED: u32 = 1;

/** CPL 0 only, and only while IA32_MISC_ENABLE[18] is set; #UD otherwise. */
function allowed(cpu: usize): bool {
  if (load<u32>(cpu, CPL) == 0 && (load<u64>(cpu, MISC_ENABLE) & MISC_ENABLE_MONITOR) != 0) return true;
  raise(cpu, UD);
  return false;
}

/** MONITOR of the byte at `va`: checked as a load of it. There are no extensions in ECX. */
export function armMonitor(cpu: usize, va: u64): void {
  if (!allowed(cpu)) return;
  if (load<u32>(cpu, RCX) != 0) { raiseError(cpu, GP, 0); return; }
  if (!probe(cpu, va, 1, 0)) return;
  const pa = translateData(cpu, va, 0) & ~(MONITOR_BYTES - 1);
  if (trap) return;
  // A range that is not ordinary memory is not monitored.
  const inRam = pa < ramSize;
  store<u32>(cpu, inRam ? 1 : 0, MONITOR_ARMED);
  store<u32>(cpu, inRam ? pa : 0, MONITOR_PA);
  if (inRam) memory.copy(cpu + MONITOR_LINE, RAM_BASE + <usize>pa, MONITOR_BYTES);
}

/** Whether the monitored line has been written since MONITOR. */
function written(cpu: usize): bool {
  const copy = cpu + MONITOR_LINE, line = RAM_BASE + <usize>load<u32>(cpu, MONITOR_PA);
  for (let i: usize = 0; i < MONITOR_BYTES; i += 8) if (load<u64>(copy + i) != load<u64>(line + i)) return true;
  return false;
}

/** MWAIT: waits unless nothing is armed or the line was written already. EAX is a hint. */
export function monitorWait(cpu: usize): void {
  if (!allowed(cpu)) return;
  const extensions = load<u32>(cpu, RCX);
  if ((extensions & ~BREAK_ON_MASKED) != 0) { raiseError(cpu, GP, 0); return; }
  if (load<u32>(cpu, MONITOR_ARMED) == 0 || written(cpu)) { disarm(cpu); return; }
  store<u32>(cpu, extensions & BREAK_ON_MASKED, MONITOR_BREAKS);
  store<u32>(cpu, ACTIVITY_MWAIT, ACTIVITY);
  updateAttention(cpu);
}

/** The copy goes too, so that equal states are equal bytes. */
export function disarm(cpu: usize): void {
  store<u32>(cpu, 0, MONITOR_ARMED);
  store<u32>(cpu, 0, MONITOR_PA);
  store<u32>(cpu, 0, MONITOR_BREAKS);
  memory.fill(cpu + MONITOR_LINE, 0, MONITOR_BYTES);
}

/** Whether a processor in MWAIT goes on without an interrupt being delivered: the line was written, or an interrupt waits that is masked and may break. */
export function monitorDone(cpu: usize, interruptPending: bool): bool {
  return written(cpu) || (interruptPending && load<u32>(cpu, MONITOR_BREAKS) != 0);
}
