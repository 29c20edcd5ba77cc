/**
 * Processes with a user mode. Their programs are images that the kernel builds for itself (image/usercode.ts): ntdll with the stubs of the services and the dispatchers,
 * and one program. A thread starts in ntdll's RtlUserThreadStart, by a trap frame that looks as if it had called a service there.
 */
import { highHalf } from '../../hal/bus/memory.ts';
import { call, type NtExport, ntSteps, type Outcome, pointer, PVOID, ret, VOID } from '../exports/declare.ts';
import type { BuiltImage } from '../image/build.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from '../mm/layout.ts';
import { createAccountToken } from '../se/accounts.ts';
import { releasePrimaryToken, setPrimaryToken } from '../se/subject.ts';
import { mmAllocateUserMemory, mmFreeUserMemory, mmWriteUser } from '../mm/process.ts';
import { PAGE_EXECUTE_READ, PAGE_READONLY, PAGE_READWRITE } from '../mm/region.ts';
import { KTHREAD, MISC_SYSTEM_THREAD, UserMode } from '../types/ke.ts';
import { EPROCESS, ETHREAD, PSF_CREATE_REPORTED } from '../types/ps.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { KTRAP_FRAME } from '../types/trap.ts';
import { NT_TIB, PEB, TEB } from '../types/user.ts';
import { FRAME_EXCEPTION } from '../ke/syscallcode.ts';
import { prepareStack } from '../ke/thread.ts';
import { giveUserState } from '../ke/xstate.ts';
import { EXTENDED, PLAIN, SUBSYSTEMS } from './notify.ts';
import { psCreateProcess } from './process.ts';
import { psCreateThreadObject, psDiscardThread } from './thread.ts';

const T = KTHREAD.f;
const P = EPROCESS.f;
const F = KTRAP_FRAME.f;

/** Where the PEB and the TEBs lie, and the stacks. */
const ENVIRONMENT_BASE = 0xe000000000,
  STACK_BASE = 0xe100000000,
  STACK_SIZE = 0x10000;
const BUILD_NUMBER = 19045;

/** Maps an image that was built by the kernel into a process: each section with its protection. False without memory. */
function mapUserImage(k: Kernel, process: number, image: BuiltImage): boolean {
  const parts = [
    { rva: 0, size: PAGE_SIZE, protect: PAGE_READONLY },
    ...image.sections.map(s => ({
      rva: s.rva,
      size: Math.ceil(s.size / PAGE_SIZE) * PAGE_SIZE,
      protect: s.execute ? PAGE_EXECUTE_READ : s.write ? PAGE_READWRITE : PAGE_READONLY,
    })),
  ];
  return parts.every(part => {
    const r = mmAllocateUserMemory(k, process, { base: image.base + part.rva, bytes: part.size, protect: part.protect });
    return r.status === STATUS_SUCCESS && mmWriteUser(k, process, r.base, image.bytes.subarray(part.rva, part.rva + part.size));
  });
}

/** Fields of a structure as bytes, for memory of another process. */
function bytesOf(size: number, fields: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of fields) {
    view.setUint32(at, value >>> 0, true);
    if (value > 0xffffffff) view.setUint32(at + 4, highHalf(value), true);
  }
  return bytes;
}

/** The program is that of the machine's account: a token of its own takes the place of the system's. False without memory. */
function logOn(k: Kernel, process: number): boolean {
  if (k.config.account === 'system') return true;
  const token = createAccountToken(k, k.config.account);
  if (!token) return false;
  releasePrimaryToken(k, process);
  setPrimaryToken(k, process, token);
  return true;
}

/** A process with a user mode that runs `image`: address space, ntdll, the program, a PEB. It has no thread yet. EPROCESS, or 0 without memory. */
export function psCreateUserProcess(k: Kernel, image: BuiltImage): number {
  const process = psCreateProcess(k, image.name);
  if (!process || !logOn(k, process)) return 0;
  const ntdll = k.images.user.find(i => i.name === 'ntdll.dll');
  if (!ntdll) throw new Error('there is no ntdll.dll among the images of user mode');
  const peb = mmAllocateUserMemory(k, process, { base: 0, from: ENVIRONMENT_BASE, bytes: PEB.size, protect: PAGE_READWRITE });
  const f = PEB.f;
  const fields = bytesOf(PEB.size, [
    [f.ImageBaseAddress.offset, image.base],
    [f.NumberOfProcessors.offset, k.platform.cpus.length],
    [f.OSMajorVersion.offset, 10],
    [f.OSBuildNumber.offset, BUILD_NUMBER],
    [f.OSPlatformId.offset, 2],
    [f.ImageSubsystem.offset, 1],
    [f.ActiveProcessAffinityMask.offset, 2 ** k.platform.cpus.length - 1],
  ]);
  if (
    !mapUserImage(k, process, ntdll) ||
    !mapUserImage(k, process, image) ||
    peb.status !== STATUS_SUCCESS ||
    !mmWriteUser(k, process, peb.base, fields)
  )
    return 0;
  P.Peb.set(k.mem, process, peb.base);
  P.SectionBaseAddress.set(k.mem, process, image.base);
  return process;
}

/** A thread of a process with a user mode: it calls `start(argument)` there. It does not run before `readyThread`. Its ETHREAD with one reference, which goes when it ends; 0 without memory. */
export function psCreateUserThread(k: Kernel, process: number, start: number, argument: number): number {
  const stack = mmAllocateUserMemory(k, process, { base: 0, from: STACK_BASE, bytes: STACK_SIZE, protect: PAGE_READWRITE });
  const teb = mmAllocateUserMemory(k, process, { base: 0, from: ENVIRONMENT_BASE, bytes: TEB.size, protect: PAGE_READWRITE });
  const made = [stack, teb].filter(region => region.status === STATUS_SUCCESS);
  let thread = made.length === 2 ? psCreateThreadObject(k, process, start, argument) : 0;
  if (thread && !giveUserState(k, thread)) {
    psDiscardThread(k, thread);
    thread = 0;
  }
  if (!thread) {
    for (const region of made) mmFreeUserMemory(k, process, region.base);
    return 0;
  }
  prepareStack(k, thread, T.InitialStack.get(k.mem, thread), {
    rip: k.address('nt!KiStartUserThread'),
    rbx: start,
    rsi: argument,
  });
  T.MiscFlags.set(k.mem, thread, T.MiscFlags.get(k.mem, thread) & ~MISC_SYSTEM_THREAD);
  T.Teb.set(k.mem, thread, teb.base);
  const tib = NT_TIB.f;
  const id = (at: 0 | 8): number => k.mem.readPtr(thread + ETHREAD.f.Cid.offset + at);
  const fields = bytesOf(TEB.size, [
    [tib.StackBase.offset, stack.base + stack.bytes],
    [tib.StackLimit.offset, stack.base],
    [tib.Self.offset, teb.base],
    [TEB.f.ClientId.offset, id(0)],
    [TEB.f.ClientId.offset + 8, id(8)],
    [TEB.f.ProcessEnvironmentBlock.offset, P.Peb.get(k.mem, process)],
    [TEB.f.DeallocationStack.offset, stack.base],
  ]);
  // Without a page for it the thread faults on its first step, which ends the process: the caller hears of that.
  mmWriteUser(k, process, teb.base, fields);
  return thread;
}

/** The frame from which a new thread goes to user mode: RtlUserThreadStart(start, argument) on its stack. */
function fillStartFrame(k: Kernel, trapFrame: number, start: number, argument: number): void {
  const { mem } = k;
  const teb = T.Teb.get(mem, k.currentThread());
  const stack = NT_TIB.f.StackBase.get(mem, teb);
  mem.fill(trapFrame, KTRAP_FRAME.size, 0);
  mem.writePtr(trapFrame + F.Rip.offset, k.address('ntdll!RtlUserThreadStart'));
  mem.writePtr(trapFrame + F.Rcx.offset, start);
  mem.writePtr(trapFrame + F.Rdx.offset, argument);
  // As after a call: 8 below a multiple of 16, with room for the home area above.
  mem.writePtr(trapFrame + F.Rsp.offset, stack - 0x28);
  F.SegCs.set(mem, trapFrame, 0x33);
  F.SegSs.set(mem, trapFrame, 0x2b);
  F.EFlags.set(mem, trapFrame, 0x202);
  F.MxCsr.set(mem, trapFrame, 0x1f80);
  F.PreviousMode.set(mem, trapFrame, UserMode);
  F.ExceptionActive.set(mem, trapFrame, FRAME_EXCEPTION);
}

/** The drivers hear of the process with its first thread, then of the thread. */
function tellOfThread(k: Kernel): Outcome {
  const thread = k.currentThread();
  const id = (at: 0 | 8): number => k.mem.readPtr(thread + ETHREAD.f.Cid.offset + at);
  return call(k.address('nt!PspCallThreadNotifyRoutines'), [id(0), id(8), 1, PLAIN | EXTENDED | SUBSYSTEMS], 'told');
}

export const userThreadRoutines: readonly NtExport[] = [
  ntSteps({
    name: 'PspUserThreadStartup',
    internal: true,
    doc: 'First routine of a user thread, in kernel mode: tells who registered for the creation of processes and threads, and prepares the frame from which it goes to user mode.',
    args: { Start: PVOID, Argument: PVOID, TrapFrame: pointer('PKTRAP_FRAME') },
    returns: VOID,
    cycles: 300,
    status: 'full',
    frame: {},
    steps: {
      start(k) {
        const process = k.currentThreadProcess();
        const flags = P.Flags.get(k.mem, process);
        if (flags & PSF_CREATE_REPORTED) return tellOfThread(k);
        P.Flags.set(k.mem, process, flags | PSF_CREATE_REPORTED);
        return call(k.address('nt!PspCallProcessNotifyRoutines'), [process, 1, 0, 0, 0], 'reported');
      },
      reported: (k, _f, rax) =>
        (rax | 0) < 0 ? call(k.address('nt!PspTerminateCurrentProcess'), [rax], 'never') : tellOfThread(k),
      told(k, _f, _rax, a) {
        fillStartFrame(k, a.TrapFrame, a.Start, a.Argument);
        T.PreviousMode.set(k.mem, k.currentThread(), UserMode);
        return ret();
      },
      never: () => {
        throw new Error('a thread that has ended ran again');
      },
    },
  }),
];
