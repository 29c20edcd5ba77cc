import type { Machine } from './machine.ts';

/** The name under which changes made by a debugger stand in the input log. */
export const DEBUGGER = 'debugger';

/** A change from outside that no device takes: bytes of RAM, a general register (0-15), RIP or RFLAGS. */
export type Poke =
  | { kind: 'memory'; address: number; bytes: Uint8Array }
  | { kind: 'register'; cpu: number; register: number | 'rip' | 'rflags'; value: bigint };

const KIND_MEMORY = 0,
  KIND_REGISTER = 1;
const REGISTER_RIP = 16,
  REGISTER_RFLAGS = 17;
const HEADER = 16;

/** A change as bytes of an input record. `address` is physical. Throws a RangeError for a register that there is not. */
export function encodePoke(change: Poke): Uint8Array {
  const body = change.kind === 'memory' ? change.bytes : new Uint8Array(0);
  const out = new Uint8Array(HEADER + body.length),
    view = new DataView(out.buffer);
  if (change.kind === 'memory') {
    view.setUint8(0, KIND_MEMORY);
    view.setBigUint64(8, BigInt(change.address), true);
    out.set(body, HEADER);
  } else {
    const number = change.register === 'rip' ? REGISTER_RIP : change.register === 'rflags' ? REGISTER_RFLAGS : change.register;
    if (!Number.isInteger(number) || number < 0 || number > REGISTER_RFLAGS)
      throw new RangeError(`there is no register ${number}`);
    view.setUint8(0, KIND_REGISTER);
    view.setUint8(1, change.cpu);
    view.setUint8(2, number);
    view.setBigUint64(8, BigInt.asUintN(64, change.value), true);
  }
  return out;
}

/** Makes the change. */
export function applyPoke(machine: Machine, data: Uint8Array): void {
  const view = new DataView(data.buffer, data.byteOffset, data.length),
    value = view.getBigUint64(8, true);
  if (view.getUint8(0) === KIND_MEMORY) {
    machine.ram.writeBytes(Number(value), data.subarray(HEADER));
    for (const cpu of machine.cpus) cpu.mem.invalidate();
    return;
  }
  const cpu = machine.cpus[view.getUint8(1)],
    register = view.getUint8(2);
  if (register === REGISTER_RIP) cpu.rip = Number(BigInt.asIntN(64, value));
  else if (register === REGISTER_RFLAGS) cpu.rflags = Number(value);
  else cpu.setGpr(register, value);
}
