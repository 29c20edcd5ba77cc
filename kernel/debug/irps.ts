import type { Kernel } from '../kernel.ts';
import {
  IO_STACK_LOCATION,
  IO_TYPE_IRP,
  IRP,
  IRP_MJ_NAMES,
  SL_INVOKE_ON_CANCEL,
  SL_INVOKE_ON_ERROR,
  SL_INVOKE_ON_SUCCESS,
  SL_PENDING_RETURNED,
  Parameters,
  IRP_MJ_DEVICE_CONTROL,
  IRP_MJ_INTERNAL_DEVICE_CONTROL,
  IRP_MJ_READ,
  IRP_MJ_WRITE,
} from '../types/io.ts';
import { statusName } from '../types/statusname.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { deviceName, driverNameOf } from './devices.ts';
import { poolBlocks } from './poolwalk.ts';
import { address, addressAndSymbol, hex, parseAddress } from './text.ts';

const I = IRP.f,
  S = IO_STACK_LOCATION.f;
const TAG_IRP = 0x20707249;

const looksLikeIrp = (k: Kernel, at: number): boolean =>
  k.mem.translate(at) >= 0 &&
  I.Type.get(k.mem, at) === IO_TYPE_IRP &&
  I.Size.get(k.mem, at) === IRP.size + I.StackCount.get(k.mem, at) * IO_STACK_LOCATION.size;

/** All IRPs that are in pool. */
export function allIrps(k: Kernel): number[] {
  const found: number[] = [];
  for (const b of poolBlocks(k)) if (!b.free && b.tag === TAG_IRP && looksLikeIrp(k, b.start)) found.push(b.start);
  return found;
}

export const stackLocation = (irp: number, index: number): number => irp + IRP.size + index * IO_STACK_LOCATION.size;

export const majorName = (major: number): string => IRP_MJ_NAMES[major] ?? `major ${hex(major)}`;

/** What the driver that has the IRP is asked for, in a few words. */
export function requestText(k: Kernel, location: number): string {
  const major = S.MajorFunction.get(k.mem, location);
  const name = majorName(major).replace(/^IRP_MJ_/, '');
  if (major === IRP_MJ_DEVICE_CONTROL || major === IRP_MJ_INTERNAL_DEVICE_CONTROL)
    return `${name} ${hex(Parameters.DeviceIoControl.f.IoControlCode.get(k.mem, location))}`;
  if (major === IRP_MJ_READ || major === IRP_MJ_WRITE) return `${name} ${Parameters.Read.f.Length.get(k.mem, location)} bytes`;
  const minor = S.MinorFunction.get(k.mem, location);
  return minor ? `${name} minor ${hex(minor)}` : name;
}

function controlText(control: number): string {
  const names: string[] = [];
  if (control & SL_INVOKE_ON_SUCCESS) names.push('Success');
  if (control & SL_INVOKE_ON_ERROR) names.push('Error');
  if (control & SL_INVOKE_ON_CANCEL) names.push('Cancel');
  if (control & SL_PENDING_RETURNED) names.push('pending');
  return names.join(' ');
}

function describe(k: Kernel, irp: number): string[] {
  if (!looksLikeIrp(k, irp))
    throw new CommandError(
      `${address(irp)} is not an IRP (its type is ${k.mem.translate(irp) < 0 ? 'not mapped' : I.Type.get(k.mem, irp)})`,
    );
  const count = I.StackCount.get(k.mem, irp),
    current = I.CurrentLocation.get(k.mem, irp);
  const cancel = I.CancelRoutine.get(k.mem, irp),
    mdl = I.MdlAddress.get(k.mem, irp),
    buffer = I.SystemBuffer.get(k.mem, irp),
    thread = I.Thread.get(k.mem, irp);
  const status = k.mem.read32(irp + I.IoStatus.offset);
  const lines = [
    `Irp is ${current > count ? 'complete' : 'active'} with ${count} stack location${count === 1 ? '' : 's'}, current location ${current}`,
    `  Flags ${hex(I.Flags.get(k.mem, irp))}, ${I.RequestorMode.get(k.mem, irp) ? 'user' : 'kernel'} mode${I.PendingReturned.get(k.mem, irp) ? ', pending returned' : ''}${I.Cancel.get(k.mem, irp) ? ', cancelled' : ''}`,
    `  Status ${statusName(status)}, information ${hex(k.mem.read64(irp + I.IoStatus.offset + 8))}`,
    `  Mdl ${address(mdl)}, system buffer ${address(buffer)}, user buffer ${address(I.UserBuffer.get(k.mem, irp))}`,
    `  Thread ${address(thread)}${cancel ? `, cancel routine ${addressAndSymbol(k, cancel)}` : ''}`,
  ];
  for (let i = 0; i < count; i++) {
    const s = stackLocation(irp, i),
      device = S.DeviceObject.get(k.mem, s),
      routine = S.CompletionRoutine.get(k.mem, s);
    lines.push(
      `${current === i + 1 ? '>' : ' '}[${majorName(S.MajorFunction.get(k.mem, s))} (${hex(S.MajorFunction.get(k.mem, s))}), ${hex(S.MinorFunction.get(k.mem, s))}] ${controlText(S.Control.get(k.mem, s))}`.trimEnd(),
    );
    lines.push(
      `      device ${device ? `${address(device)} ${deviceName(k, device)} (${driverNameOf(k, device)})` : '(none)'}, file ${address(S.FileObject.get(k.mem, s))}`,
    );
    if (routine) lines.push(`      completion ${addressAndSymbol(k, routine)}, context ${address(S.Context.get(k.mem, s))}`);
    const args = [S.Argument1, S.Argument2, S.Argument3, S.Argument4].map(f =>
      k.mem
        .read64(s + f.offset)
        .toString(16)
        .padStart(8, '0'),
    );
    lines.push(`      args ${args.join(' ')}`);
  }
  return lines;
}

export const irp: DebugCommand = {
  name: '!irp',
  usage: '[address]',
  doc: 'Shows an IRP with its stack locations; without an address lists all IRPs there are.',
  run(k, args) {
    if (args[0]) return describe(k, parseAddress(k, args[0]));
    const list = allIrps(k);
    if (list.length === 0) return ['There are no IRPs.'];
    return list.map(at => {
      const current = I.CurrentLocation.get(k.mem, at),
        count = I.StackCount.get(k.mem, at);
      if (current > count) return `${address(at)}  complete or not sent, ${count} locations`;
      const s = stackLocation(at, current - 1),
        device = S.DeviceObject.get(k.mem, s);
      return `${address(at)}  ${requestText(k, s)}  ${device ? `${deviceName(k, device)} (${driverNameOf(k, device)})` : ''}  thread ${address(I.Thread.get(k.mem, at))}`;
    });
  },
};
