/**
 * What drivers registered for the time of a stop (KeRegisterBugCheckCallback, KeRegisterBugCheckReasonCallback): called on the processor that stops, at HIGH_LEVEL with interrupts
 * off, before it freezes. A routine that faults ends the calls. What the routines hand over is kept for the report (KiBugCheckKept).
 */
import { addressOfHalves, addressAt } from '../../hal/bus/memory.ts';
import { call, type Frame, jump, type NtExport, ntExport, ntSteps, type Outcome, VOID } from '../exports/declare.ts';
import { RSP } from '../../hal/bus/cpu.ts';
import type { Kernel } from '../kernel.ts';
import { isFrameAddress } from '../rtl/frames.ts';
import { array, ptr, struct, u32, u64, u8 } from '../types/struct.ts';
import { LIST_ENTRY } from '../types/rtl.ts';
import { initializeListHead, insertTailList, removeEntryList } from './list.ts';

export const KBUGCHECK_CALLBACK_RECORD = struct('_KBUGCHECK_CALLBACK_RECORD', {
  Entry: LIST_ENTRY,
  CallbackRoutine: ptr,
  Buffer: ptr,
  Length: u32,
  Component: [0x28, ptr],
  Checksum: u64,
  State: u8,
});
export const KBUGCHECK_REASON_CALLBACK_RECORD = struct('_KBUGCHECK_REASON_CALLBACK_RECORD', {
  Entry: LIST_ENTRY,
  CallbackRoutine: ptr,
  Component: ptr,
  Checksum: u64,
  Reason: u32,
  State: u8,
});
const KBUGCHECK_SECONDARY_DUMP_DATA = struct('_KBUGCHECK_SECONDARY_DUMP_DATA', {
  InBuffer: ptr,
  InBufferLength: u32,
  MaximumAllowed: u32,
  Guid: array(u8, 16),
  OutBuffer: ptr,
  OutBufferLength: u32,
});
const KBUGCHECK_ADD_PAGES = struct('_KBUGCHECK_ADD_PAGES', {
  Context: ptr,
  Flags: u32,
  BugCheckCode: u32,
  Address: u64,
  Count: u64,
});
const B = KBUGCHECK_CALLBACK_RECORD.f,
  R = KBUGCHECK_REASON_CALLBACK_RECORD.f,
  S = KBUGCHECK_SECONDARY_DUMP_DATA.f,
  A = KBUGCHECK_ADD_PAGES.f;

const BufferEmpty = 0,
  BufferInserted = 1,
  BufferStarted = 2,
  BufferFinished = 3;
const KbCallbackSecondaryDumpData = 2,
  KbCallbackAddPages = 4,
  KbCallbackRemovePages = 6,
  KbCallbackTriageDumpData = 7;
const KB_ADD_PAGES_FLAG_ADDITIONAL_RANGES_EXIST = 0x80000000;
/** Calls of one routine that goes on asking for another range. */
const MAX_RANGES = 64;
/** Bytes of driver data that a dump takes, and the page that a routine may fill. */
const MAXIMUM_SECONDARY_DATA = 0x10000,
  SECONDARY_BUFFER = 0x400;
/** What is kept: quadwords for each (record, kind, address, length). */
const KEPT = 16;

type Kind = 'reason' | 'buffer';
const headOf = (k: Kernel, kind: Kind): number =>
  k.global.address(kind === 'reason' ? 'KeBugCheckReasonCallbackListHead' : 'KeBugcheckCallbackListHead');
const stateAt = (kind: Kind): number => (kind === 'reason' ? R.State.offset : B.State.offset);

/** The sum that shows whether somebody has written over a record. */
function checksum(k: Kernel, kind: Kind, record: number): bigint {
  const m = k.mem;
  const word = (offset: number): bigint => m.read64(record + offset);
  const sum =
    kind === 'reason'
      ? word(R.CallbackRoutine.offset) + BigInt(R.Reason.get(m, record)) + word(R.Component.offset)
      : word(B.CallbackRoutine.offset) + word(B.Buffer.offset) + BigInt(B.Length.get(m, record)) + word(B.Component.offset);
  return BigInt.asUintN(64, sum);
}

function register(k: Kernel, kind: Kind, record: number, fill: () => void): boolean {
  const m = k.mem;
  m.probe(record, kind === 'reason' ? KBUGCHECK_REASON_CALLBACK_RECORD.size : KBUGCHECK_CALLBACK_RECORD.size, true);
  if (m.read8(record + stateAt(kind)) !== BufferEmpty) return false;
  fill();
  m.write64(record + (kind === 'reason' ? R.Checksum.offset : B.Checksum.offset), checksum(k, kind, record));
  m.write8(record + stateAt(kind), BufferInserted);
  const head = headOf(k, kind);
  if (m.readPtr(head) === 0) initializeListHead(m, head);
  insertTailList(m, head, record);
  return true;
}

/** KeRegisterBugCheckCallback: false for a record that is in use. */
export const registerBugCheckCallback = (
  k: Kernel,
  record: number,
  routine: number,
  buffer: number,
  length: number,
  component: number,
): boolean =>
  register(k, 'buffer', record, () => {
    B.CallbackRoutine.set(k.mem, record, routine);
    B.Buffer.set(k.mem, record, buffer);
    B.Length.set(k.mem, record, length);
    B.Component.set(k.mem, record, component);
  });

/** KeRegisterBugCheckReasonCallback: false for a record that is in use. */
export const registerReasonCallback = (k: Kernel, record: number, routine: number, reason: number, component: number): boolean =>
  register(k, 'reason', record, () => {
    R.CallbackRoutine.set(k.mem, record, routine);
    R.Reason.set(k.mem, record, reason);
    R.Component.set(k.mem, record, component);
  });

/** KeDeregisterBugCheckCallback and its reason form: false for a record that is not registered. */
export function deregisterCallback(k: Kernel, kind: Kind, record: number): boolean {
  if (k.mem.read8(record + stateAt(kind)) !== BufferInserted) return false;
  k.mem.write8(record + stateAt(kind), BufferEmpty);
  removeEntryList(k, record);
  return true;
}

/** Something is registered, and the stack of the code that stops can be used to call it. */
export function canCallBack(k: Kernel): boolean {
  const m = k.mem;
  const any = (['reason', 'buffer'] as const).some(kind => {
    const head = headOf(k, kind);
    return m.readPtr(head) !== 0 && m.readPtr(head) !== head;
  });
  if (!any && !k.global.get('HalpResetDisplayParameters')) return false;
  const rsp = addressOfHalves(k.cpu.gprLo(RSP), k.cpu.gprHi(RSP));
  return isFrameAddress(k, rsp) && isFrameAddress(k, rsp - 0xc00);
}

const frame = { Record: ptr, Kind: u32, Count: u32, Data: array(u64, 16), Buffer: array(u8, SECONDARY_BUFFER) };
type F = Frame<typeof frame>;

/** The next record of a list that is whole, or 0 at its end. */
function nextRecord(k: Kernel, kind: Kind, after: number): number {
  const head = headOf(k, kind);
  const record = k.mem.readPtr(after === 0 ? head : after);
  return record === head ? 0 : record;
}

function keep(k: Kernel, record: number, kind: number, address: bigint, length: bigint): void {
  const count = k.global.get('KiBugCheckKeptCount');
  if (count >= KEPT) return;
  const at = k.global.address('KiBugCheckKept') + count * 32;
  k.mem.writePtr(at, record);
  k.mem.write64(at + 8, BigInt(kind));
  k.mem.write64(at + 16, address);
  k.mem.write64(at + 24, length);
  k.global.set('KiBugCheckKeptCount', count + 1);
}

const code = (k: Kernel): number => Number(k.mem.read64(k.global.address('KiBugCheckData')) & 0xffffffffn);

/** Calls a reason routine with the structure of its reason; null for one that there is nothing to ask. */
function askReason(k: Kernel, f: F, record: number): Outcome | null {
  const m = k.mem,
    data = f.address('Data');
  const reason = R.Reason.get(m, record);
  let size = 0;
  switch (reason) {
    case KbCallbackSecondaryDumpData:
      size = KBUGCHECK_SECONDARY_DUMP_DATA.size;
      m.fill(data, size, 0);
      S.InBuffer.set(m, data, f.address('Buffer'));
      S.InBufferLength.set(m, data, SECONDARY_BUFFER);
      S.MaximumAllowed.set(m, data, MAXIMUM_SECONDARY_DATA);
      break;
    case KbCallbackAddPages:
    case KbCallbackRemovePages:
      size = KBUGCHECK_ADD_PAGES.size;
      if (f.get('Count') === 0) m.fill(data, size, 0);
      A.Flags.set(m, data, 0);
      A.Address.set(m, data, 0n);
      A.Count.set(m, data, 0n);
      A.BugCheckCode.set(m, data, code(k));
      break;
    case KbCallbackTriageDumpData:
      // KBUGCHECK_TRIAGE_DUMP_DATA: array, flags, sizes, code and parameters.
      size = 0x38;
      m.fill(data, size, 0);
      m.write32(data + 0x10, code(k));
      for (let i = 0; i < 4; i++) m.write64(data + 0x18 + i * 8, m.read64(k.global.address('KiBugCheckData') + 8 + i * 8));
      break;
    default:
      return null;
  }
  m.write8(record + R.State.offset, BufferStarted);
  return call(R.CallbackRoutine.get(m, record), [reason, record, data, size], 'answered');
}

/** Keeps what a reason routine gave; true when it has more. */
function takeAnswer(k: Kernel, f: F, record: number): boolean {
  const m = k.mem,
    data = f.address('Data');
  const reason = R.Reason.get(m, record);
  if (reason === KbCallbackSecondaryDumpData) {
    const length = S.OutBufferLength.get(m, data),
      at = m.read64(data + S.OutBuffer.offset);
    if (at === 0n || length === 0 || length > MAXIMUM_SECONDARY_DATA) return false;
    const own =
      at >= BigInt.asUintN(64, BigInt(f.address('Buffer'))) &&
      at < BigInt.asUintN(64, BigInt(f.address('Buffer') + SECONDARY_BUFFER));
    if (!own) keep(k, record, reason, at, BigInt(length));
    else {
      // The buffer goes with this frame: its contents move to a place that stays.
      const to = k.global.address('KiBugCheckSecondaryBuffer');
      m.copy(to, Number(BigInt.asIntN(64, at)), Math.min(length, SECONDARY_BUFFER));
      keep(k, record, reason, BigInt.asUintN(64, BigInt(to)), BigInt(Math.min(length, SECONDARY_BUFFER)));
    }
    return false;
  }
  if (reason !== KbCallbackAddPages && reason !== KbCallbackRemovePages) return false;
  const count = A.Count.get(m, data);
  if (count !== 0n) keep(k, record, reason, A.Address.get(m, data), count * 4096n);
  f.set('Count', f.get('Count') + 1);
  return (A.Flags.get(m, data) & KB_ADD_PAGES_FLAG_ADDITIONAL_RANGES_EXIST) !== 0 && f.get('Count') < MAX_RANGES;
}

/** The text screen of a stop. */
const DISPLAY_COLUMNS = 80,
  DISPLAY_ROWS = 50;

const KIND_REASON = 0,
  KIND_BUFFER = 1;

/** Calls the next routine: reasons first, which add to the dump, then those that put their devices into a known state. */
function callNext(k: Kernel, f: F): Outcome {
  const m = k.mem;
  for (;;) {
    const kind: Kind = f.get('Kind') === KIND_REASON ? 'reason' : 'buffer';
    const head = headOf(k, kind);
    const record = m.readPtr(head) === 0 ? 0 : nextRecord(k, kind, f.get('Record'));
    if (record === 0) {
      if (kind === 'buffer') return jump(k.address('nt!KiEndBugCheck'));
      f.set('Kind', KIND_BUFFER);
      f.set('Record', 0);
      continue;
    }
    f.set('Record', record);
    const sum = m.read64(record + (kind === 'reason' ? R.Checksum.offset : B.Checksum.offset));
    if (m.read8(record + stateAt(kind)) !== BufferInserted || sum !== checksum(k, kind, record)) continue;
    if (kind === 'reason') {
      f.set('Count', 0);
      const asked = askReason(k, f, record);
      if (asked !== null) return asked;
      continue;
    }
    m.write8(record + B.State.offset, BufferStarted);
    return call(B.CallbackRoutine.get(m, record), [B.Buffer.get(m, record), B.Length.get(m, record)], 'called');
  }
}

export const bugCallbackRoutines: readonly NtExport[] = [
  ntExport({
    name: 'KiEndBugCheck',
    internal: true,
    doc: 'Every routine of a driver has been called: the processor that stopped the system freezes.',
    args: {},
    returns: VOID,
    cycles: 0,
    status: 'full',
    impl(k) {
      k.global.set('KiFrozenProcessors', k.global.get('KiFrozenProcessors') | (1 << k.cpu.index));
      return jump(k.address('nt!KiFreezeProcessor'));
    },
  }),
  ntSteps({
    name: 'KiScanBugCheckCallbackList',
    internal: true,
    doc: 'Calls the routines that drivers registered for the time of a bug check, then stops the processor.',
    args: {},
    returns: VOID,
    cycles: 0,
    status: 'full',
    frame,
    steps: {
      start(k, f) {
        f.set('Kind', KIND_REASON);
        f.set('Record', 0);
        f.set('Count', 0);
        const display = k.global.get('HalpResetDisplayParameters');
        if (!display) return callNext(k, f);
        // The display's driver may have faulted in it: it is asked once.
        k.global.set('HalpResetDisplayParameters', 0);
        return call(display, [DISPLAY_COLUMNS, DISPLAY_ROWS], 'displayed');
      },
      displayed: callNext,
      answered(k, f) {
        const record = f.get('Record');
        if (takeAnswer(k, f, record)) {
          const again = askReason(k, f, record);
          if (again !== null) return again;
        }
        k.mem.write8(record + R.State.offset, BufferFinished);
        return callNext(k, f);
      },
      called(k, f) {
        const m = k.mem,
          record = f.get('Record');
        keep(k, record, 0, m.read64(record + B.Buffer.offset), BigInt(B.Length.get(m, record)));
        m.write8(record + B.State.offset, BufferFinished);
        return callNext(k, f);
      },
    },
  }),
];

/** What the routines handed over, for the report: whose it is, and where it lies. */
export function keptAtStop(k: Kernel): { component: string; reason: number; address: bigint; length: bigint }[] {
  const m = k.mem;
  return Array.from({ length: Math.min(k.global.get('KiBugCheckKeptCount'), KEPT) }, (_, i) => {
    const at = k.global.address('KiBugCheckKept') + i * 32;
    const record = m.readPtr(at),
      reason = Number(m.read64(at + 8));
    const name = record + (reason === 0 ? B.Component.offset : R.Component.offset);
    return { component: shortName(k, name), reason, address: m.read64(at + 16), length: m.read64(at + 24) };
  });
}

function shortName(k: Kernel, pointerAt: number): string {
  const m = k.mem;
  if (m.translate(pointerAt) < 0) return '';
  const at = addressAt(m, pointerAt);
  let text = '';
  for (let i = 0; i < 32 && m.translate(at + i) >= 0; i++) {
    const c = m.read8(at + i);
    if (c === 0) break;
    text += String.fromCharCode(c);
  }
  return text;
}
