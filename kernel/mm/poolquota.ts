/** What processes are charged for pool: EPROCESS.ProcessQuotaUsage, in bytes by kind of pool. The system process is charged nothing. */
import type { Kernel } from '../kernel.ts';
import { EPROCESS } from '../types/ps.ts';

const usage = (process: number, poolType: number): number => process + EPROCESS.f.ProcessQuotaUsage.offset + (poolType & 1) * 8;
const peak = (process: number, poolType: number): number => process + EPROCESS.f.ProcessQuotaPeak.offset + (poolType & 1) * 8;

/** The process that pays for an allocation with quota now: the current one; 0 when that is the system process. */
export function payingProcess(k: Kernel): number {
  const process = k.currentProcess();
  return process === k.mem.readPtr(k.address('nt!PsInitialSystemProcess')) ? 0 : process;
}

export function chargePoolQuota(k: Kernel, process: number, poolType: number, bytes: number): void {
  const now = k.mem.read64(usage(process, poolType)) + BigInt(bytes);
  k.mem.write64(usage(process, poolType), now);
  if (now > k.mem.read64(peak(process, poolType))) k.mem.write64(peak(process, poolType), now);
}

export function returnPoolQuota(k: Kernel, process: number, poolType: number, bytes: number): void {
  k.mem.write64(usage(process, poolType), BigInt.asUintN(64, k.mem.read64(usage(process, poolType)) - BigInt(bytes)));
}
