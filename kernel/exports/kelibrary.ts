/** The core kernel library's routines for debuggers and crash screens, the clock's notify routine, cycle accounts. Source: the WDK pages; ntosp.h for those without one. */
import { R8, RAX, RCX } from '../../hal/bus/cpu.ts';
import { listEntries } from '../ke/list.ts';
import { chargeThread } from '../ke/swap.ts';
import type { Kernel } from '../kernel.ts';
import { bugCheckTexts } from '../types/bugname.ts';
import { KPROCESS, KTHREAD } from '../types/ke.ts';
import { STRING } from '../types/rtl.ts';
import { BOOLEAN, KIRQL, type NtExport, ntCode, ntData, ntExport, pointer, PVOID, ULONG, ULONG64, VOID } from './declare.ts';

const T = KTHREAD.f;

/** SYNCH_LEVEL of x64 machines with several processors: below the clock, above every device. */
const SYNCH_LEVEL = 12;

/** Why the debugger is entered (DBG_STATUS_*). */
const DBG_STATUS_CONTROL_C = 1,
  DBG_STATUS_FATAL = 7;

/** An entry of the message table: code, length of the text, text, padded to 4 bytes. The table ends with a length of 0. */
const entrySize = (text: string): number => 8 + Math.ceil(text.length / 4) * 4;
const TEXTS = bugCheckTexts();

/** Cycles of a thread up to now. */
function cycleTime(k: Kernel, thread: number): bigint {
  if (thread === k.currentThread()) chargeThread(k, thread);
  return T.CycleTime.get(k.mem, thread);
}

/** Where the text of a bug check code lies and how long it is; null for a code without one. */
function findText(k: Kernel, code: number): { at: number; length: number } | null {
  const { mem } = k;
  for (let at = k.address('nt!KiBugCodeMessages'); ; ) {
    const length = mem.read32(at + 4);
    if (length === 0) return null;
    if (mem.read32(at) === code) return { at: at + 8, length };
    at += 8 + Math.ceil(length / 4) * 4;
  }
}

const breaks: NtExport[] = (
  [
    ['KeEnterKernelDebugger', 'Enters the kernel debugger for a failure that cannot be gone on from.', DBG_STATUS_FATAL],
    ['KeBreakinBreakpoint', 'Enters the kernel debugger because somebody at it asked for a break.', DBG_STATUS_CONTROL_C],
  ] as const
).map(([name, doc, status]) =>
  ntCode({
    name,
    doc,
    args: {},
    returns: VOID,
    cycles: 4,
    status: 'full',
    code(a) {
      a.movImm(RCX, status);
      a.nop(Math.max(0, 16 - a.here));
      a.jmp('nt!DbgBreakPointWithStatus');
    },
  }),
);

export const exports: NtExport[] = [
  ...breaks,
  ntCode({
    name: 'KeRaiseIrqlToSynchLevel',
    doc: 'Raises the IRQL to the level at which processors synchronize with each other (12) and returns the previous IRQL.',
    args: {},
    returns: KIRQL,
    cycles: 0,
    status: 'full',
    code(a) {
      a.readCr8(RAX);
      a.movImm(R8, SYNCH_LEVEL);
      a.writeCr8(R8);
      a.nop(Math.max(0, 16 - a.here));
      a.ret();
    },
  }),
  ntData({
    name: 'KiBugCodeMessages',
    internal: true,
    doc: 'Texts of the bug check codes.',
    size: TEXTS.reduce((sum, [, text]) => sum + entrySize(text), 8),
    status: 'full',
    init(k, address) {
      let at = address;
      for (const [code, text] of TEXTS) {
        k.mem.write32(at, code);
        k.mem.write32(at + 4, text.length);
        k.mem.writeBytes(
          at + 8,
          Uint8Array.from(text, c => c.charCodeAt(0)),
        );
        at += entrySize(text);
      }
      k.mem.write64(at, 0n);
    },
  }),
  ntExport({
    name: 'KeGetBugMessageText',
    doc: "Finds the text of a bug check code: stores where it lies, or prints it when there is nowhere to store that. FALSE for a code that has none.",
    args: { MessageId: ULONG, ReturnedString: pointer('PANSI_STRING') },
    returns: BOOLEAN,
    cycles: 400,
    status: 'full',
    impl(k, { MessageId, ReturnedString }) {
      const found = findText(k, MessageId);
      if (found === null) return false;
      if (ReturnedString === 0) {
        k.debugPrint(`${String.fromCharCode(...k.mem.readBytes(found.at, found.length))}\n`);
        return true;
      }
      k.mem.probe(ReturnedString, STRING.size, true);
      STRING.f.Length.set(k.mem, ReturnedString, found.length);
      STRING.f.MaximumLength.set(k.mem, ReturnedString, found.length);
      STRING.f.Buffer.set(k.mem, ReturnedString, found.at);
      return true;
    },
  }),
  ntExport({
    name: 'KeSetTimeUpdateNotifyRoutine',
    doc: 'Sets the routine that every clock interrupt calls, on each processor, with the id of the interrupted thread and its mode; NULL takes it back.',
    args: { NotifyRoutine: PVOID },
    returns: VOID,
    cycles: 20,
    status: 'full',
    impl: (k, { NotifyRoutine }) => k.global.set('KiTimeUpdateNotifyRoutine', NotifyRoutine),
  }),
  ntExport({
    name: 'KeQueryTotalCycleTimeThread',
    doc: 'Returns how many cycles a thread has run; stores the time stamp counter of that moment.',
    irql: { max: 'DISPATCH_LEVEL' },
    args: { Thread: pointer('PKTHREAD'), CycleTimeStamp: pointer('PULONG64') },
    returns: ULONG64,
    cycles: 40,
    status: 'full',
    impl(k, { Thread, CycleTimeStamp }) {
      if (CycleTimeStamp !== 0) k.mem.write64(CycleTimeStamp, BigInt(k.cpu.cycle));
      return cycleTime(k, Thread);
    },
  }),
  ntExport({
    name: 'PsQueryTotalCycleTimeProcess',
    doc: 'Returns how many cycles the threads of a process have run, those that have ended included; stores the time stamp counter of that moment.',
    irql: { max: 'PASSIVE_LEVEL' },
    args: { Process: pointer('PEPROCESS'), CycleTimeStamp: pointer('PULONG64') },
    returns: ULONG64,
    cycles: 100,
    status: 'full',
    impl(k, { Process, CycleTimeStamp }) {
      k.mem.write64(CycleTimeStamp, BigInt(k.cpu.cycle));
      let total = KPROCESS.f.CycleTime.get(k.mem, Process);
      for (const link of listEntries(k.mem, Process + KPROCESS.f.ThreadListHead.offset))
        total += cycleTime(k, link - T.ThreadListEntry.offset);
      return total;
    },
  }),
];
