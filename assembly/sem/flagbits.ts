import { AF, carry, CF, DF, getFlags, OF, PF, setCarry, setStatus, SF, ZF } from '../core/flags';
import { CR4, FLAGS_REST, FS_BASE, GS_BASE, RAX } from '../core/layout';
import { ld8, canonical } from '../core/mem';
import { CR4_FSGSBASE } from '../core/crbits';
import { OP_R0 } from '../core/op';
import { ea, register, setRegister } from '../core/operand';
import { GP, raise, raiseError, UD } from '../core/trap';

// Instructions on single flags, the segment bases, and those that do nothing here but fault.

export function lahf(cpu: usize, _ip: usize): void { store<u8>(cpu, <u8>getFlags(cpu), RAX + 1); }
export function sahf(cpu: usize, _ip: usize): void {
  setStatus(cpu, (getFlags(cpu) & OF) | (<u32>load<u8>(cpu, RAX + 1) & (SF | ZF | AF | PF | CF)));
}
export function clc(cpu: usize, _ip: usize): void { setCarry(cpu, false); }
export function stc(cpu: usize, _ip: usize): void { setCarry(cpu, true); }
export function cmc(cpu: usize, _ip: usize): void { setCarry(cpu, !carry(cpu)); }
export function cld(cpu: usize, _ip: usize): void { store<u32>(cpu, load<u32>(cpu, FLAGS_REST) & ~DF, FLAGS_REST); }
export function std(cpu: usize, _ip: usize): void { store<u32>(cpu, load<u32>(cpu, FLAGS_REST) | DF, FLAGS_REST); }

/** CLFLUSH and CLWB touch a line as a load of one byte does. */
export function clflush(cpu: usize, ip: usize): void { ld8(cpu, ea(cpu, ip)); }

function allowed(cpu: usize): bool {
  if ((load<u64>(cpu, CR4) & CR4_FSGSBASE) != 0) return true;
  raise(cpu, UD);
  return false;
}
function readBase<T>(cpu: usize, ip: usize, base: usize): void {
  if (allowed(cpu)) setRegister<T>(cpu, <usize>load<u8>(ip, OP_R0), <T>load<u64>(cpu + base));
}
function writeBase<T>(cpu: usize, ip: usize, base: usize): void {
  if (!allowed(cpu)) return;
  const v = <u64>register<T>(cpu, ip, OP_R0);
  if (!canonical(v)) { raiseError(cpu, GP, 0); return; }
  store<u64>(cpu + base, v);
}
export function rdfsbase<T>(cpu: usize, ip: usize): void { readBase<T>(cpu, ip, FS_BASE); }
export function rdgsbase<T>(cpu: usize, ip: usize): void { readBase<T>(cpu, ip, GS_BASE); }
export function wrfsbase<T>(cpu: usize, ip: usize): void { writeBase<T>(cpu, ip, FS_BASE); }
export function wrgsbase<T>(cpu: usize, ip: usize): void { writeBase<T>(cpu, ip, GS_BASE); }
