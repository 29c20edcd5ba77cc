/**
 * System services by number. SYSCALL brings a number in EAX; KiServiceTable says where the service is and how many of its arguments lie on the caller's stack. Services are the
 * declarations whose names start with Nt; their numbers are those of Windows 10 22H2 as far as they are listed here, the rest follow in alphabetical order.
 */
import type { NtExport, PlainExport, StepExport } from '../exports/declare.ts';
import { ntData } from '../exports/declare.ts';

/** Entries of the table; the processor's code compares with it. */
export const SERVICE_LIMIT = 0x200;
/** First number of the services whose Windows number is not listed. */
const FIRST_OTHER = 0x80;

const NUMBERS: { readonly [name: string]: number } = {
  NtWaitForSingleObject: 0x04,
  NtReadFile: 0x06,
  NtDeviceIoControlFile: 0x07,
  NtWriteFile: 0x08,
  NtReleaseSemaphore: 0x0a,
  NtSetInformationThread: 0x0d,
  NtSetEvent: 0x0e,
  NtClose: 0x0f,
  NtQueryObject: 0x10,
  NtQueryInformationFile: 0x11,
  NtOpenKey: 0x12,
  NtEnumerateValueKey: 0x13,
  NtQueryKey: 0x16,
  NtQueryValueKey: 0x17,
  NtAllocateVirtualMemory: 0x18,
  NtQueryInformationProcess: 0x19,
  NtSetInformationProcess: 0x1c,
  NtCreateKey: 0x1d,
  NtFreeVirtualMemory: 0x1e,
  NtReleaseMutant: 0x20,
  NtQueryInformationToken: 0x21,
  NtQueryVirtualMemory: 0x23,
  NtOpenThreadToken: 0x24,
  NtQueryInformationThread: 0x25,
  NtOpenProcess: 0x26,
  NtSetInformationFile: 0x27,
  NtMapViewOfSection: 0x28,
  NtUnmapViewOfSection: 0x2a,
  NtTerminateProcess: 0x2c,
  NtOpenThreadTokenEx: 0x2f,
  NtOpenProcessTokenEx: 0x30,
  NtQueryPerformanceCounter: 0x31,
  NtEnumerateKey: 0x32,
  NtOpenFile: 0x33,
  NtDelayExecution: 0x34,
  NtQueryDirectoryFile: 0x35,
  NtQuerySystemInformation: 0x36,
  NtOpenSection: 0x37,
  NtQueryTimer: 0x38,
  NtFsControlFile: 0x39,
  NtWriteVirtualMemory: 0x3a,
  NtDuplicateObject: 0x3c,
  NtQueryAttributesFile: 0x3d,
  NtClearEvent: 0x3e,
  NtReadVirtualMemory: 0x3f,
  NtOpenEvent: 0x40,
  NtAdjustPrivilegesToken: 0x41,
  NtDuplicateToken: 0x42,
  NtContinue: 0x43,
  NtQueueApcThread: 0x45,
  NtYieldExecution: 0x46,
  NtCreateEvent: 0x48,
  NtQueryVolumeInformationFile: 0x49,
  NtCreateSection: 0x4a,
  NtFlushBuffersFile: 0x4b,
  NtProtectVirtualMemory: 0x50,
  NtQuerySection: 0x51,
  NtResumeThread: 0x52,
  NtTerminateThread: 0x53,
  NtCreateFile: 0x55,
  NtQueryEvent: 0x56,
  NtOpenDirectoryObject: 0x58,
  NtWaitForMultipleObjects: 0x5b,
  NtSetInformationObject: 0x5c,
  NtCancelIoFile: 0x5d,
  NtPowerInformation: 0x5f,
  NtSetValueKey: 0x60,
  NtCancelTimer: 0x61,
  NtSetTimer: 0x62,
};

export interface Service {
  name: string;
  number: number;
  /** Arguments after the four that are in registers. */
  stackArguments: number;
}

/** Is this routine a system service? Its Nt name says so. */
export const isService = (e: NtExport): e is PlainExport | StepExport =>
  (e.kind === 'plain' || e.kind === 'steps') && /^Nt[A-Z]/.test(e.name);

const known = new WeakMap<readonly NtExport[], readonly Service[]>();

/** The services among the declarations, with their numbers. Throws an Error when there are more than the table has room for. */
export function systemServices(exports: readonly NtExport[]): readonly Service[] {
  const before = known.get(exports);
  if (before) return before;
  let other = FIRST_OTHER;
  const services = exports
    .filter(isService)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(e => ({
      name: e.name,
      number: NUMBERS[e.name] ?? other++,
      stackArguments: Math.max(0, Object.keys(e.args).length - 4),
    }));
  if (other > SERVICE_LIMIT || services.some(s => s.stackArguments > 15))
    throw new Error('there are more system services, or arguments, than the service table has room for');
  known.set(exports, services);
  return services;
}

export const serviceTables: readonly NtExport[] = [
  ntData({
    name: 'KiServiceTable',
    internal: true,
    doc: 'Where the system services are: the distance from this table times 16, plus the number of arguments on the stack.',
    size: SERVICE_LIMIT * 4,
    status: 'full',
    init(k, address) {
      const entry = (routine: number, stackArguments: number): number => (((routine - address) << 4) | stackArguments) >>> 0;
      const invalid = entry(k.address('nt!KiInvalidSystemService'), 0);
      for (let i = 0; i < SERVICE_LIMIT; i++) k.mem.write32(address + i * 4, invalid);
      for (const s of systemServices(k.images.exports))
        k.mem.write32(address + s.number * 4, entry(k.address(`nt!${s.name}`), s.stackArguments));
    },
  }),
  ntData({
    name: 'KeServiceDescriptorTable',
    internal: true,
    doc: 'KSERVICE_TABLE_DESCRIPTOR: the service table, its counters, its length, the argument table.',
    size: 0x20,
    status: 'full',
    init(k, address) {
      k.mem.writePtr(address, k.address('nt!KiServiceTable'));
      k.mem.write64(address + 8, 0n);
      k.mem.write64(address + 16, BigInt(SERVICE_LIMIT));
      k.mem.write64(address + 24, 0n);
    },
  }),
];
