/** kmode: an x86-64 machine with an NT-style kernel that runs real Windows x64 kernel drivers. */
export { DriverMachine as Machine, OpenFile, OperationError } from './library.ts';
export type { CreateOptions, OperationResult, Registers } from './library.ts';
export type { MissingOpcode } from './core/missing.ts';
export type { Checkpoint } from './checkpoint.ts';
export type { Stop, StopReason } from './machine.ts';
export { toChromeTrace } from './chrometrace.ts';
export type { ChromeTrace } from './chrometrace.ts';
export { TraceCollector } from './trace.ts';
export { Timeline } from './timeline.ts';
export type { Branch } from './timeline.ts';
export { RunControl } from './runcontrol.ts';
export type { ControlStop } from './runcontrol.ts';
export { Pacing } from './pacing.ts';
export { GuestFault, formatAddress } from '../hal/bus/index.ts';
export type { BugCheck, MachineConfig, ModuleInfo, TraceEvent } from '../hal/bus/index.ts';
