import { array, i32, ptr, struct, u16, u32, u64, u8 } from './struct.ts';
import { CLIENT_ID } from './ps.ts';

/** Start of the TEB, which GS leads to in user mode. */
export const NT_TIB = struct('_NT_TIB', {
  ExceptionList: ptr, StackBase: ptr, StackLimit: ptr, SubSystemTib: ptr, FiberData: ptr, ArbitraryUserPointer: ptr, Self: ptr,
});

/** Thread environment block: the fields that have a meaning without a Win32 layer. */
export const TEB = struct('_TEB', {
  NtTib: NT_TIB, EnvironmentPointer: ptr, ClientId: CLIENT_ID, ActiveRpcHandle: ptr, ThreadLocalStoragePointer: ptr, ProcessEnvironmentBlock: ptr, LastErrorValue: u32,
  CountOfOwnedCriticalSections: u32, StaticUnicodeString: [0x1258, array(u64, 2)], DeallocationStack: [0x1478, ptr],
}, { size: 0x1838 });

/** Process environment block. */
export const PEB = struct('_PEB', {
  InheritedAddressSpace: u8, ReadImageFileExecOptions: u8, BeingDebugged: u8, BitField: u8, Mutant: [8, ptr], ImageBaseAddress: ptr, Ldr: ptr, ProcessParameters: ptr,
  NumberOfProcessors: [0xb8, u32], NtGlobalFlag: u32, OSMajorVersion: [0x118, u32], OSMinorVersion: u32, OSBuildNumber: u16, OSCSDVersion: u16, OSPlatformId: u32,
  ImageSubsystem: u32, ImageSubsystemMajorVersion: u32, ImageSubsystemMinorVersion: u32, ActiveProcessAffinityMask: [0x138, u64], SessionId: [0x2c0, i32],
}, { size: 0x7c8 });
