/** System services that fit nowhere else: flushing with flags, attributes by name, power information, threads. Source: the WDK page of each. */
import type { Kernel } from '../kernel.ts';
import { abandon, base, begin, type Common, newIrp, send } from '../io/request.ts';
import { nextLocation, S } from '../io/irp.ts';
import { obReferenceObjectByHandle } from '../ob/handle.ts';
import { previousMode } from '../ob/mode.ts';
import { obDereferenceDeferred } from '../ob/object.ts';
import { exportedType } from '../ob/type.ts';
import { IRP_MJ_FLUSH_BUFFERS } from '../types/io.ts';
import { STATUS_BUFFER_TOO_SMALL, STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../types/status.ts';
import { HANDLE, type NtExport, NTSTATUS, PVOID, ULONG } from './declare.ts';
import { service, stepService } from './service.ts';
import { setThreadInformation, ThreadImpersonationToken, ThreadNameInformation } from '../ps/threadinfo.ts';
import { assignImpersonationHandle } from './setoken.ts';

const PASSIVE = { max: 'PASSIVE_LEVEL' } as const;

interface Flush extends Common {
  Flags: number;
  Parameters: number;
  ParametersSize: number;
}
/** FLUSH_FLAGS_*: what of the file is to be flushed; they become the minor function. */
const FLUSH_MINOR: { readonly [flags: number]: number } = { 0: 0, 1: 1, 2: 2, 4: 3 };

const files: NtExport[] = [
  ...stepService({
    ...base,
    name: 'FlushBuffersFileEx',
    doc: 'Asks a driver to write out what it has buffered, with flags.',
    args: { FileHandle: HANDLE, Flags: ULONG, Parameters: PVOID, ParametersSize: ULONG, IoStatusBlock: PVOID },
    steps: begin<Flush>(
      () => 0,
      (k, f, a) => {
        const minor = FLUSH_MINOR[a.Flags];
        if (minor === undefined || a.Parameters || a.ParametersSize) return abandon(k, f, STATUS_INVALID_PARAMETER);
        const irp = newIrp(k, f, a, IRP_MJ_FLUSH_BUFFERS);
        if (!irp) return abandon(k, f, STATUS_INSUFFICIENT_RESOURCES);
        S.MinorFunction.set(k.mem, nextLocation(k, irp), minor);
        return send(k, f, true);
      },
    ),
  }),
];

/** POWER_INFORMATION_LEVEL. */
const SystemPowerCapabilities = 4, SystemBatteryState = 5, ProcessorInformation = 11, SystemPowerInformation = 12, LastWakeTime = 14, LastSleepTime = 15, SystemExecutionState = 16, PlatformInformation = 66;
const MHZ = 1000;

/** What this machine has to say of a level: a desktop on mains that knows S0 and S5 only. Null for a level that it does not know. */
function powerInformation(k: Kernel, level: number): Uint8Array | null {
  const bytes = (size: number): { out: Uint8Array; view: DataView } => {
    const out = new Uint8Array(size);
    return { out, view: new DataView(out.buffer) };
  };
  switch (level) {
    case SystemPowerCapabilities: {
      const { out } = bytes(76);
      out[0] = 1; // PowerButtonPresent
      out[6] = 1; // SystemS5
      return out;
    }
    case SystemBatteryState: {
      const { out } = bytes(32);
      out[0] = 1; // AcOnLine
      return out;
    }
    case ProcessorInformation: {
      const { out, view } = bytes(24 * k.platform.cpus.length);
      // Number, MaxMhz, CurrentMhz, MhzLimit, MaxIdleState, CurrentIdleState
      for (let i = 0; i < k.platform.cpus.length; i++) [i, MHZ, MHZ, MHZ, 1, 0].forEach((v, n) => view.setUint32(i * 24 + n * 4, v, true));
      return out;
    }
    case SystemPowerInformation: {
      const { out, view } = bytes(16);
      view.setUint32(4, 100, true);
      return out;
    }
    case LastWakeTime:
    case LastSleepTime:
      return bytes(8).out;
    case SystemExecutionState:
      return bytes(4).out;
    case PlatformInformation:
      // POWER_PLATFORM_INFORMATION: no connected standby.
      return bytes(1).out;
    default:
      return null;
  }
}

const power: NtExport[] = service({
  name: 'PowerInformation',
  doc: 'Asks what the system knows of power: what the platform can do, batteries, processors.',
  irql: PASSIVE,
  args: { InformationLevel: ULONG, InputBuffer: PVOID, InputBufferLength: ULONG, OutputBuffer: PVOID, OutputBufferLength: ULONG },
  returns: NTSTATUS,
  cycles: 300,
  status: 'full',
  impl(k, a) {
    const info = powerInformation(k, a.InformationLevel);
    if (!info || a.InputBuffer || a.InputBufferLength || !a.OutputBuffer) return STATUS_INVALID_PARAMETER;
    if (a.OutputBufferLength < info.length) return STATUS_BUFFER_TOO_SMALL;
    k.mem.probe(a.OutputBuffer, info.length, true);
    k.mem.writeBytes(a.OutputBuffer, info);
    return STATUS_SUCCESS;
  },
});

const THREAD_SET_INFORMATION = 0x20, THREAD_SET_THREAD_TOKEN = 0x80, THREAD_SET_LIMITED_INFORMATION = 0x400;

function setThread(k: Kernel, thread: number, kind: number, from: number, length: number): number {
  if (kind !== ThreadImpersonationToken) return setThreadInformation(k, thread, kind, from, length);
  if (length !== 8) return STATUS_INFO_LENGTH_MISMATCH;
  return assignImpersonationHandle(k, thread, k.mem.readPtr(from));
}

const threads: NtExport[] = service({
  name: 'SetInformationThread',
  doc: 'Changes a thread: its priorities, its processors, what it impersonates, its name.',
  irql: PASSIVE,
  args: { ThreadHandle: HANDLE, ThreadInformationClass: ULONG, ThreadInformation: PVOID, ThreadInformationLength: ULONG },
  returns: NTSTATUS,
  cycles: 400,
  status: 'full',
  impl(k, a) {
    const kind = a.ThreadInformationClass;
    const access = kind === ThreadImpersonationToken ? THREAD_SET_THREAD_TOKEN : kind === ThreadNameInformation ? THREAD_SET_LIMITED_INFORMATION : THREAD_SET_INFORMATION;
    const r = obReferenceObjectByHandle(k, a.ThreadHandle, access, exportedType(k, 'PsThreadType'), previousMode(k));
    if (r.status !== STATUS_SUCCESS) return r.status;
    const status = setThread(k, r.object, kind, a.ThreadInformation, a.ThreadInformationLength);
    obDereferenceDeferred(k, r.object);
    return status;
  },
});

export const zwMiscExports: NtExport[] = [...files, ...power, ...threads];
