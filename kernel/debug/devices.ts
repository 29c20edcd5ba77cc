import type { Kernel } from '../kernel.ts';
import { obPath } from '../ob/directory.ts';
import { findDirectoryObject } from './objects.ts';
import { readUnicodeString } from '../rtl/string.ts';
import { children, N, NODE_STATE_NAMES, PROBLEM_NAMES } from '../pnp/node.ts';
import {
  DEVICE_OBJECT,
  DEVOBJ_EXTENSION,
  DO_BUFFERED_IO,
  DO_BUS_ENUMERATED_DEVICE,
  DO_DEVICE_HAS_NAME,
  DO_DEVICE_INITIALIZING,
  DO_DIRECT_IO,
  DO_EXCLUSIVE,
  DO_POWER_PAGABLE,
  DRIVER_EXTENSION,
  DRIVER_OBJECT,
  IO_TYPE_DEVICE,
  IO_TYPE_DRIVER,
  IRP_MJ_NAMES,
} from '../types/io.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { address, addressAndSymbol, hex, parseAddress } from './text.ts';

const D = DEVICE_OBJECT.f,
  V = DRIVER_OBJECT.f,
  X = DEVOBJ_EXTENSION.f;
const MAX_STACK = 64;

/** `\Device\Edu0`, or `(no name)`. */
export const deviceName = (k: Kernel, device: number): string => obPath(k, device) || '(no name)';
export const driverName = (k: Kernel, driver: number): string =>
  driver ? readUnicodeString(k.mem, driver + V.DriverName.offset) : '(none)';
export const driverNameOf = (k: Kernel, device: number): string => driverName(k, D.DriverObject.get(k.mem, device));

/** Device objects of a driver. */
export function devicesOf(k: Kernel, driver: number): number[] {
  const list: number[] = [];
  for (let at = V.DeviceObject.get(k.mem, driver); at && list.length < 4096; at = D.NextDevice.get(k.mem, at)) list.push(at);
  return list;
}

/** A device stack from its top to its bottom, of which `device` is a member. */
export function deviceStack(k: Kernel, device: number): number[] {
  let top = device;
  for (let i = 0; i < MAX_STACK && D.AttachedDevice.get(k.mem, top); i++) top = D.AttachedDevice.get(k.mem, top);
  const stack = [top];
  for (let at = top; stack.length < MAX_STACK; stack.push(at)) {
    at = X.AttachedTo.get(k.mem, D.DeviceObjectExtension.get(k.mem, at));
    if (!at) break;
  }
  return stack;
}

function object(k: Kernel, text: string | undefined, directory: string, type: number, what: string): number {
  if (!text) throw new CommandError(`the address or name of a ${what} is expected`);
  const at =
    text.startsWith('\\') || !/^[0-9a-f`x@$+-]+$/i.test(text)
      ? findDirectoryObject(k, text.startsWith('\\') ? text : `${directory}\\${text}`)
      : parseAddress(k, text);
  if (!at) throw new CommandError(`there is no ${what} ${text}`);
  if (k.mem.translate(at) < 0 || k.mem.read16(at) !== type) throw new CommandError(`${address(at)} is not a ${what}`);
  return at;
}

const FLAGS: readonly [number, string][] = [
  [DO_BUFFERED_IO, 'DO_BUFFERED_IO'],
  [DO_DIRECT_IO, 'DO_DIRECT_IO'],
  [DO_EXCLUSIVE, 'DO_EXCLUSIVE'],
  [DO_DEVICE_HAS_NAME, 'DO_DEVICE_HAS_NAME'],
  [DO_DEVICE_INITIALIZING, 'DO_DEVICE_INITIALIZING'],
  [DO_BUS_ENUMERATED_DEVICE, 'DO_BUS_ENUMERATED_DEVICE'],
  [DO_POWER_PAGABLE, 'DO_POWER_PAGABLE'],
];

export const devobj: DebugCommand = {
  name: '!devobj',
  usage: 'address | name',
  doc: 'Shows a device object.',
  run(k, args) {
    const d = object(k, args[0], '\\Device', IO_TYPE_DEVICE, 'device object');
    const flags = D.Flags.get(k.mem, d);
    const extension = D.DeviceObjectExtension.get(k.mem, d),
      attached = D.AttachedDevice.get(k.mem, d),
      below = X.AttachedTo.get(k.mem, extension),
      node = X.DeviceNode.get(k.mem, extension);
    return [
      `Device object (${address(d)}) is for: ${deviceName(k, d)}, driver ${driverNameOf(k, d)} (${address(D.DriverObject.get(k.mem, d))})`,
      `Type ${hex(D.DeviceType.get(k.mem, d))}, reference count ${D.ReferenceCount.get(k.mem, d)}, stack size ${D.StackSize.get(k.mem, d)}`,
      `Flags ${hex(flags)} ${FLAGS.filter(([bit]) => flags & bit)
        .map(([, n]) => n)
        .join(' | ')}, characteristics ${hex(D.Characteristics.get(k.mem, d))}`,
      `Device extension ${address(D.DeviceExtension.get(k.mem, d))}, device object extension ${address(extension)}, extension flags ${hex(X.ExtensionFlags.get(k.mem, extension))}`,
      ...(attached ? [`AttachedDevice (upper) ${address(attached)} ${driverNameOf(k, attached)}`] : []),
      ...(below ? [`AttachedTo (lower) ${address(below)} ${driverNameOf(k, below)}`] : []),
      ...(node ? [`Device node ${address(node)}`] : []),
      D.CurrentIrp.get(k.mem, d) ? `Current IRP ${address(D.CurrentIrp.get(k.mem, d))}` : 'Device queue is not busy.',
    ];
  },
};

export const devstack: DebugCommand = {
  name: '!devstack',
  usage: 'address | name',
  doc: 'Shows the stack of devices that a device object belongs to, the uppermost first.',
  run(k, args) {
    const d = object(k, args[0], '\\Device', IO_TYPE_DEVICE, 'device object');
    const stack = deviceStack(k, d);
    const lines = stack.map(
      at =>
        `${at === d ? '>' : ' '} ${address(at)}  ${driverNameOf(k, at).padEnd(20)}  ${address(D.DeviceExtension.get(k.mem, at))}  ${deviceName(k, at)}`,
    );
    const node = X.DeviceNode.get(k.mem, D.DeviceObjectExtension.get(k.mem, stack[stack.length - 1]!));
    return [
      '  !DevObj            !DrvObj               !DevExt            ObjectName',
      ...lines,
      ...(node
        ? [
            `Device node ${address(node)}: ${readUnicodeString(k.mem, node + N.InstancePath.offset)}, service ${readUnicodeString(k.mem, node + N.ServiceName.offset) || '(none)'}`,
          ]
        : []),
    ];
  },
};

export const drvobj: DebugCommand = {
  name: '!drvobj',
  usage: 'address | name',
  doc: 'Shows a driver object: its devices and its routines.',
  run(k, args) {
    const d = object(k, args[0], '\\Driver', IO_TYPE_DRIVER, 'driver object');
    const extension = V.DriverExtension.get(k.mem, d);
    const routine = (name: string, at: number): string => `${name.padEnd(36)} ${at ? addressAndSymbol(k, at) : '(none)'}`;
    return [
      `Driver object (${address(d)}) is for: ${driverName(k, d)}`,
      `Driver start ${address(V.DriverStart.get(k.mem, d))}, size ${hex(V.DriverSize.get(k.mem, d))}, flags ${hex(V.Flags.get(k.mem, d))}, section ${address(V.DriverSection.get(k.mem, d))}`,
      'Device object list:',
      ...devicesOf(k, d).map(at => `  ${address(at)}  ${deviceName(k, at)}`),
      routine('DriverEntry', V.DriverInit.get(k.mem, d)),
      routine('DriverStartIo', V.DriverStartIo.get(k.mem, d)),
      routine('DriverUnload', V.DriverUnload.get(k.mem, d)),
      routine('AddDevice', extension ? DRIVER_EXTENSION.f.AddDevice.get(k.mem, extension) : 0),
      'Dispatch routines:',
      ...V.MajorFunction.get(k.mem, d).map((at, i) => `[${i.toString(16).padStart(2, '0')}] ${routine(IRP_MJ_NAMES[i]!, at)}`),
    ];
  },
};

function nodeLines(k: Kernel, node: number, depth: number): string[] {
  const pad = '  '.repeat(depth);
  const state = N.State.get(k.mem, node),
    problem = N.Problem.get(k.mem, node),
    service = readUnicodeString(k.mem, node + N.ServiceName.offset);
  return [
    `${pad}DevNode ${address(node)} for PDO ${address(N.PhysicalDeviceObject.get(k.mem, node))}`,
    `${pad}  InstancePath is "${readUnicodeString(k.mem, node + N.InstancePath.offset)}"`,
    ...(service ? [`${pad}  ServiceName is "${service}"`] : []),
    `${pad}  State = ${NODE_STATE_NAMES[state] ?? hex(state)} (${hex(state)})${problem ? `, problem ${hex(problem)} ${PROBLEM_NAMES[problem] ?? ''}`.trimEnd() : ''}`,
  ];
}

function tree(k: Kernel, node: number, depth: number): string[] {
  return [...nodeLines(k, node, depth), ...children(k, node).flatMap(c => tree(k, c, depth + 1))];
}

/** The root of the device tree, or 0 before there is one. */
export const rootNode = (k: Kernel): number => k.global.get('IopRootDeviceNode');

export const devnode: DebugCommand = {
  name: '!devnode',
  usage: '[0 | address] [1]',
  doc: 'Shows a device node; 0 is the root, and 1 shows those below it too.',
  run(k, args) {
    const wanted = args[0] ? parseAddress(k, args[0]) : 0;
    const node = wanted || rootNode(k);
    if (!node) return ['There is no device tree yet.'];
    return (args[1] ?? (wanted ? '0' : '1')) === '1' ? tree(k, node, 0) : nodeLines(k, node, 0);
  },
};
