import { array, i32, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { to } from './reference.ts';
import { M128A } from './rtl.ts';

/** What an interrupt stub pushes below the processor's own frame (which starts at ErrorCode or Rip): the volatile registers. */
export const KTRAP_FRAME = struct('_KTRAP_FRAME', {
  P1Home: u64, P2Home: u64, P3Home: u64, P4Home: u64, P5: u64, PreviousMode: u8, PreviousIrql: u8, FaultIndicator: u8, ExceptionActive: u8, MxCsr: u32,
  Rax: u64, Rcx: u64, Rdx: u64, R8: u64, R9: u64, R10: u64, R11: u64, GsBase: u64, Xmm0: M128A, Xmm1: M128A, Xmm2: M128A, Xmm3: M128A, Xmm4: M128A, Xmm5: M128A,
  FaultAddress: u64, Dr0: u64, Dr1: u64, Dr2: u64, Dr3: u64, Dr6: u64, Dr7: u64, DebugControl: u64, LastBranchToRip: u64, LastBranchFromRip: u64,
  LastExceptionToRip: u64, LastExceptionFromRip: u64, SegDs: u16, SegEs: u16, SegFs: u16, SegGs: u16, TrapFrame: u64, Rbx: u64, Rdi: u64, Rsi: u64, Rbp: u64,
  ErrorCode: u64, Rip: u64, SegCs: u16, Fill0: u8, Logging: u8, EFlags: [0x178, u32], Rsp: [0x180, u64], SegSs: [0x188, u16],
}, { size: 0x190, align: 16 });

/** Non-volatile registers, saved when a thread gives up the processor or an exception is dispatched. */
export const KEXCEPTION_FRAME = struct('_KEXCEPTION_FRAME', {
  P1Home: u64, P2Home: u64, P3Home: u64, P4Home: u64, P5: u64, Spare1: u64,
  Xmm6: M128A, Xmm7: M128A, Xmm8: M128A, Xmm9: M128A, Xmm10: M128A, Xmm11: M128A, Xmm12: M128A, Xmm13: M128A, Xmm14: M128A, Xmm15: M128A,
  TrapFrame: u64, OutputBuffer: u64, OutputLength: u64, Spare2: u64, MxCsr: u64, Rbp: u64, Rbx: u64, Rdi: u64, Rsi: u64, R12: u64, R13: u64, R14: u64, R15: u64,
  Return: u64,
}, { size: 0x140, align: 16 });

/** Top of the kernel stack of a thread that does not run. */
export const KSWITCH_FRAME = struct('_KSWITCH_FRAME', {
  P1Home: u64, P2Home: u64, P3Home: u64, P4Home: u64, P5Home: u64, ApcBypass: u8, Rbp: [0x30, u64], Return: u64,
}, { size: 0x40, align: 16 });

/** The frame that the processor pushes for an interrupt, without an error code. */
export const MACHINE_FRAME = struct('_MACHINE_FRAME', { Rip: u64, SegCs: u16, EFlags: [0x10, u32], Rsp: [0x18, u64], SegSs: u16 }, { size: 0x28 });

/** FXSAVE image. */
export const XSAVE_FORMAT = struct('_XSAVE_FORMAT', {
  ControlWord: u16, StatusWord: u16, TagWord: u8, ErrorOpcode: [6, u16], ErrorOffset: u32, ErrorSelector: u16, DataOffset: [0x10, u32], DataSelector: u16,
  MxCsr: [0x18, u32], MxCsr_Mask: u32, FloatRegisters: array(M128A, 8), XmmRegisters: array(M128A, 16),
}, { size: 0x200, align: 16 });

/** XSAVE area in the standard format: the FXSAVE image, the header, and the upper halves of the YMM registers (Intel SDM vol. 1, 13.4). */
export const XSAVE_AREA = struct('_XSAVE_AREA', { LegacyState: XSAVE_FORMAT, Mask: [0x200, u64], CompactionMask: u64, YmmHigh: [0x240, array(M128A, 16)] }, { size: 0x340, align: 64 });
export const XSTATE_MASK_LEGACY_FLOATING_POINT = 1, XSTATE_MASK_LEGACY_SSE = 2, XSTATE_MASK_GSSE = 4;
export const XSTATE_CONTEXT = struct('_XSTATE_CONTEXT', { Mask: u64, Length: u32, Reserved1: u32, Area: to('_XSAVE_AREA'), Buffer: ptr });
export const XSTATE_SAVE = struct('_XSTATE_SAVE', { Prev: to('_XSTATE_SAVE'), Thread: to('_KTHREAD'), Level: u8, XStateContext: [0x18, XSTATE_CONTEXT] });

export const CONTEXT = struct('_CONTEXT', {
  P1Home: u64, P2Home: u64, P3Home: u64, P4Home: u64, P5Home: u64, P6Home: u64, ContextFlags: u32, MxCsr: u32, SegCs: u16, SegDs: u16, SegEs: u16, SegFs: u16, SegGs: u16,
  SegSs: u16, EFlags: u32, Dr0: u64, Dr1: u64, Dr2: u64, Dr3: u64, Dr6: u64, Dr7: u64, Rax: u64, Rcx: u64, Rdx: u64, Rbx: u64, Rsp: u64, Rbp: u64, Rsi: u64, Rdi: u64,
  R8: u64, R9: u64, R10: u64, R11: u64, R12: u64, R13: u64, R14: u64, R15: u64, Rip: u64, FltSave: XSAVE_FORMAT, VectorRegister: array(M128A, 26),
  VectorControl: u64, DebugControl: u64, LastBranchToRip: u64, LastBranchFromRip: u64, LastExceptionToRip: u64, LastExceptionFromRip: u64,
}, { size: 0x4d0, align: 16 });
export const CONTEXT_AMD64 = 0x00100000, CONTEXT_CONTROL = 0x00100001, CONTEXT_INTEGER = 0x00100002, CONTEXT_SEGMENTS = 0x00100004, CONTEXT_FLOATING_POINT = 0x00100008;
export const CONTEXT_FULL = 0x0010000b;

export const EXCEPTION_RECORD = struct('_EXCEPTION_RECORD', {
  ExceptionCode: i32, ExceptionFlags: u32, ExceptionRecord: to('_EXCEPTION_RECORD'), ExceptionAddress: ptr, NumberParameters: u32, ExceptionInformation: [0x20, array(u64, 15)],
});
export const EXCEPTION_NONCONTINUABLE = 1, EXCEPTION_UNWINDING = 2, EXCEPTION_EXIT_UNWIND = 4, EXCEPTION_STACK_INVALID = 8, EXCEPTION_NESTED_CALL = 0x10,
  EXCEPTION_TARGET_UNWIND = 0x20, EXCEPTION_COLLIDED_UNWIND = 0x40, EXCEPTION_UNWIND = 0x66;
/** What a handler answers (EXCEPTION_DISPOSITION). */
export const ExceptionContinueExecution = 0, ExceptionContinueSearch = 1, ExceptionNestedException = 2, ExceptionCollidedUnwind = 3;
export const EXCEPTION_POINTERS = struct('_EXCEPTION_POINTERS', { ExceptionRecord: to('_EXCEPTION_RECORD'), ContextRecord: to('_CONTEXT') });


/** What a language handler is told about the frame that it is asked for ("x64 exception handling", Microsoft Learn). */
export const DISPATCHER_CONTEXT = struct('_DISPATCHER_CONTEXT', {
  ControlPc: ptr, ImageBase: ptr, FunctionEntry: to('_IMAGE_RUNTIME_FUNCTION_ENTRY'), EstablisherFrame: ptr, TargetIp: ptr, ContextRecord: to('_CONTEXT'), LanguageHandler: ptr,
  HandlerData: ptr, HistoryTable: to('_UNWIND_HISTORY_TABLE'), ScopeIndex: u32, Fill0: u32,
});
/** Functions that an unwind has found already. Search says whether the table is to be used at all. */
export const UNWIND_HISTORY_TABLE_ENTRY = struct('_UNWIND_HISTORY_TABLE_ENTRY', { ImageBase: ptr, FunctionEntry: to('_IMAGE_RUNTIME_FUNCTION_ENTRY') });
export const UNWIND_HISTORY_TABLE = struct('_UNWIND_HISTORY_TABLE', {
  Count: u32, LocalHint: u8, GlobalHint: u8, Search: u8, Once: u8, LowAddress: u64, HighAddress: u64, Entry: array(UNWIND_HISTORY_TABLE_ENTRY, 12),
});
/** jmp_buf of x64. */
export const JUMP_BUFFER = struct('_JUMP_BUFFER', {
  Frame: u64, Rbx: u64, Rsp: u64, Rbp: u64, Rsi: u64, Rdi: u64, R12: u64, R13: u64, R14: u64, R15: u64, Rip: u64, MxCsr: u32, FpCsr: u16, Spare: u16, Xmm6: M128A, Xmm7: M128A,
  Xmm8: M128A, Xmm9: M128A, Xmm10: M128A, Xmm11: M128A, Xmm12: M128A, Xmm13: M128A, Xmm14: M128A, Xmm15: M128A,
}, { size: 0x100, align: 16 });

export const KDESCRIPTOR = struct('_KDESCRIPTOR', { Limit: [6, u16], Base: [8, ptr] });
export const KSPECIAL_REGISTERS = struct('_KSPECIAL_REGISTERS', {
  Cr0: u64, Cr2: u64, Cr3: u64, Cr4: u64, KernelDr0: u64, KernelDr1: u64, KernelDr2: u64, KernelDr3: u64, KernelDr6: u64, KernelDr7: u64, Gdtr: KDESCRIPTOR, Idtr: KDESCRIPTOR,
  Tr: u16, Ldtr: u16, MxCsr: u32, DebugControl: u64, LastBranchToRip: u64, LastBranchFromRip: u64, LastExceptionToRip: u64, LastExceptionFromRip: u64, Cr8: u64,
  MsrGsBase: u64, MsrGsSwap: u64, MsrStar: u64, MsrLStar: u64, MsrCStar: u64, MsrSyscallMask: u64, Xcr0: u64, MsrFsBase: u64, SpecialPadding0: u64,
}, { size: 0xf0 });
export const KPROCESSOR_STATE = struct('_KPROCESSOR_STATE', { SpecialRegisters: KSPECIAL_REGISTERS, ContextFrame: CONTEXT });

/** Interrupt gate (SDM vol. 3, 6.14.1). */
export const KIDTENTRY64 = struct('_KIDTENTRY64', {
  OffsetLow: u16, Selector: u16, IstIndex: u8, Type: u8, OffsetMiddle: u16, OffsetHigh: u32, Reserved1: u32,
});
/** 64-bit task state segment (SDM vol. 3, 7.7). Ist[0] is not used: IST numbers start at 1. */
export const KTSS64 = struct('_KTSS64', {
  Reserved0: u32, Rsp0: [4, u64], Rsp1: [0xc, u64], Rsp2: [0x14, u64], Ist0: [0x1c, u64], Ist1: [0x24, u64], Ist2: [0x2c, u64], Ist3: [0x34, u64], Ist4: [0x3c, u64],
  Ist5: [0x44, u64], Ist6: [0x4c, u64], Ist7: [0x54, u64], Reserved1: [0x5c, u64], Reserved2: [0x64, u16], IoMapBase: [0x66, u16],
}, { size: 0x68 });
