import type { VirtualMemory } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { KUSER_SHARED_DATA as SHARED_PAGE } from '../mm/layout.ts';
import { KUSER_SHARED_DATA } from '../types/ke.ts';

const INTERRUPT_TIME = SHARED_PAGE + KUSER_SHARED_DATA.f.InterruptTime.offset;
const SYSTEM_TIME = SHARED_PAGE + KUSER_SHARED_DATA.f.SystemTime.offset;
const TICK_COUNT = SHARED_PAGE + KUSER_SHARED_DATA.f.TickCount.offset;

/** 100 ns units from 1601-01-01 to 1970-01-01. */
export const UNIX_EPOCH_IN_NT_TIME = 116444736000000000n;

const readTime = (m: VirtualMemory, at: number): bigint => (BigInt(m.readI32(at + 4)) << 32n) | BigInt(m.read32(at));

/** KSYSTEM_TIME: readers without a lock take High1Time, LowPart and High2Time until both highs agree, so High2Time is written first. */
function writeTime(m: VirtualMemory, at: number, value: bigint): void {
  const low = Number(value & 0xffffffffn),
    high = Number(BigInt.asUintN(32, value >> 32n));
  m.write32(at + 8, high);
  m.write32(at, low);
  m.write32(at + 4, high);
}

/** Time since boot in 100 ns units, as of the last clock interrupt (KeQueryInterruptTime). */
export const interruptTime = (k: Kernel): bigint => readTime(k.mem, INTERRUPT_TIME);
/** UTC in 100 ns units since 1601, as of the last clock interrupt (KeQuerySystemTime). */
export const systemTime = (k: Kernel): bigint => readTime(k.mem, SYSTEM_TIME);
/** Clock interrupts since boot (KeQueryTickCount). */
export const tickCount = (k: Kernel): bigint => k.mem.read64(TICK_COUNT);

export const setInterruptTime = (k: Kernel, value: bigint): void => writeTime(k.mem, INTERRUPT_TIME, value);
export const setSystemTime = (k: Kernel, value: bigint): void => writeTime(k.mem, SYSTEM_TIME, value);
export function setTickCount(k: Kernel, value: bigint): void {
  writeTime(k.mem, TICK_COUNT, value);
  KUSER_SHARED_DATA.f.TickCountLowDeprecated.set(k.mem, SHARED_PAGE, Number(value & 0xffffffffn));
}

/** Frequency of the performance counter: 10 MHz, as on every Windows 10 with an invariant TSC. */
export const PERFORMANCE_FREQUENCY = 10_000_000;

/** The performance counter: the cycle counter, scaled to 10 MHz (KeQueryPerformanceCounter). */
export function performanceCounter(k: Kernel): bigint {
  return (BigInt(k.cpu.cycle) * BigInt(PERFORMANCE_FREQUENCY)) / BigInt(k.config.tscHz);
}
