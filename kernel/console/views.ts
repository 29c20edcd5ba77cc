/** What the console's commands show of the kernel: lists read from guest memory, as lines of text. */
import type { Kernel } from '../kernel.ts';
import { CommandError } from '../debug/command.ts';
import { interruptTime, systemTime } from '../ke/time.ts';
import { listEntries } from '../ke/list.ts';
import { modulesOf, symbolAt } from '../ke/stackwalk.ts';
import { attachedDevice, D, driverDevices } from '../io/device.ts';
import { DRV } from '../io/driver.ts';
import { directoryEntries, isDirectory, linkTarget, obLookup, obName, obPath } from '../ob/directory.ts';
import { obFind } from '../ob/attributes.ts';
import { readString } from '../ob/string.ts';
import { exportedType, obTypeOf } from '../ob/type.ts';
import { instancePath, N, NODE_STATE_NAMES, serviceName, children } from '../pnp/node.ts';
import { writeTimeFields } from '../rtl/time.ts';
import { DEVICE_TYPE_NAMES } from './devicetypes.ts';
import { KTHREAD } from '../types/ke.ts';
import { OBJ_CASE_INSENSITIVE, OBJ_OPENLINK, OBJECT_TYPE } from '../types/ob.ts';
import { EPROCESS, ETHREAD } from '../types/ps.ts';
import { TIME_FIELDS } from '../types/rtl.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { statusName } from '../types/statusname.ts';
import { address, columns, count, hex, hexDump, plainAddress } from './text.ts';

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Driver objects of a directory of the namespace. */
function driversIn(k: Kernel, path: string): number[] {
  const directory = obFind(k, path, k.global.get('ObpDirectoryObjectType'));
  if (directory.status !== STATUS_SUCCESS) return [];
  return directoryEntries(k, directory.object).filter(o => obTypeOf(k, o) === exportedType(k, 'IoDriverObjectType'));
}
/** All driver objects that have a name, in the order of their names. */
function allDrivers(k: Kernel): { name: string; driver: number }[] {
  return ['\\Driver', '\\FileSystem']
    .flatMap(path => driversIn(k, path).map(driver => ({ name: obPath(k, driver), driver })))
    .sort(byName);
}

/** Loaded images in load order, each with its driver object; then driver objects without an image. */
export function drivers(k: Kernel): string[] {
  const objects = allDrivers(k);
  const rows = [['image', 'base', 'size', 'driver object', 'name']];
  for (const m of modulesOf(k)) {
    const owner = objects.find(o => DRV.DriverStart.get(k.mem, o.driver) === m.base);
    rows.push([m.name, address(m.base), `0x${hex(m.size)}`, owner ? address(owner.driver) : '-', owner?.name ?? '']);
  }
  for (const o of objects) if (!DRV.DriverStart.get(k.mem, o.driver)) rows.push(['-', '-', '-', address(o.driver), o.name]);
  return columns(rows, [2]);
}

/** Device objects by driver, oldest first. */
export function devices(k: Kernel): string[] {
  const rows = [['device object', 'name', 'driver', 'type', 'attached to it']];
  for (const { name, driver } of allDrivers(k)) {
    for (const device of driverDevices(k, driver).reverse()) {
      const type = D.DeviceType.get(k.mem, device);
      const top = attachedDevice(k, device);
      rows.push([
        address(device),
        obPath(k, device) || '(unnamed)',
        name,
        DEVICE_TYPE_NAMES[type] ?? `0x${hex(type)}`,
        top === device ? '' : readString(k, D.DriverObject.get(k.mem, top) + DRV.DriverName.offset),
      ]);
    }
  }
  return columns(rows);
}

/** The Plug and Play tree: each device under the one that found it. */
export function devtree(k: Kernel): string[] {
  const root = k.global.get('IopRootDeviceNode');
  if (!root) return ['there is no device tree'];
  const lines: string[] = [];
  const walk = (node: number, depth: number): void => {
    const service = serviceName(k, node);
    const state = N.State.get(k.mem, node);
    const problem = N.Problem.get(k.mem, node);
    lines.push(
      `${'  '.repeat(depth)}${instancePath(k, node)}  ${service || '(no driver)'}  ${NODE_STATE_NAMES[state] ?? `0x${hex(state)}`}${problem ? `, problem ${problem}` : ''}`,
    );
    for (const child of children(k, node)) walk(child, depth + 1);
  };
  walk(root, 0);
  return lines;
}

/** KTHREAD.State */
const THREAD_STATES = [
  'initialized',
  'ready',
  'running',
  'standby',
  'terminated',
  'waiting',
  'transition',
  'deferred ready',
  'gate wait',
];

/** The threads of every process. */
export function threads(k: Kernel): string[] {
  const rows = [['process', 'thread', 'object', 'state', 'priority', 'start']];
  const modules = modulesOf(k);
  for (const link of listEntries(k.mem, k.global.address('PsActiveProcessHead'), 4096)) {
    const process = link - EPROCESS.f.ActiveProcessLinks.offset;
    const name = EPROCESS.f.ImageFileName.get(k.mem, process)
      .map(c => String.fromCharCode(c))
      .join('')
      .replace(/\0.*$/s, '');
    for (const entry of listEntries(k.mem, process + EPROCESS.f.ThreadListHead.offset, 4096)) {
      const thread = entry - ETHREAD.f.ThreadListEntry.offset;
      const start = ETHREAD.f.StartAddress.get(k.mem, thread);
      rows.push([
        name,
        hex(k.mem.read32(thread + ETHREAD.f.Cid.offset + 8)),
        address(thread),
        THREAD_STATES[KTHREAD.f.State.get(k.mem, thread)] ?? '?',
        `${KTHREAD.f.Priority.get(k.mem, thread)}`,
        symbolAt(k, modules, start) ?? plainAddress(start),
      ]);
    }
  }
  return columns(rows, [1, 4]);
}

/** A directory of the namespace; of something else, what it is. */
export function objects(k: Kernel, path: string): string[] {
  // The target of a link in the middle of the path is followed, a link at its end is shown.
  const found = obLookup(k, path, { attributes: OBJ_CASE_INSENSITIVE | OBJ_OPENLINK });
  if (found.status !== STATUS_SUCCESS)
    throw new CommandError(`${path}: ${statusName(found.status)}; 'objects' alone lists the root of the namespace`);
  const describe = (o: number): string[] => {
    const type = obTypeOf(k, o);
    const link = type === k.global.get('ObpSymbolicLinkObjectType') ? ` -> ${linkTarget(k, o)}` : '';
    return [readString(k, type + OBJECT_TYPE.f.Name.offset), address(o), obName(k, o) + link];
  };
  if (!isDirectory(k, found.object)) return columns([describe(found.object)]);
  const entries = directoryEntries(k, found.object).map(o => ({ name: obName(k, o).toLowerCase(), row: describe(o) }));
  return entries.length ? columns(entries.sort(byName).map(e => e.row)) : ['(empty)'];
}

const PAGE = 0x1000;

/** Bytes at a virtual address; what is not mapped, or is a device's, shows as ??. */
export function memory(k: Kernel, at: number, length: number): string[] {
  const bytes: (number | null)[] = [];
  const ram = k.platform.memory;
  for (let i = 0; i < length;) {
    const va = at + i;
    const run = Math.min(length - i, PAGE - (((va % PAGE) + PAGE) % PAGE));
    const pa = k.mem.translate(va);
    if (pa < 0 || pa + run > ram.size) for (let n = 0; n < run; n++) bytes.push(null);
    else bytes.push(...ram.readBytes(pa, run));
    i += run;
  }
  return hexDump(bytes, offset => address(at + offset));
}

const two = (n: number): string => `${n}`.padStart(2, '0');

/** The system time, as of the last clock interrupt. */
export function time(k: Kernel): string[] {
  const at = k.global.address('ConTimeFields');
  const f = TIME_FIELDS.f;
  writeTimeFields(k.mem, systemTime(k), at);
  const get = (field: { get(m: typeof k.mem, base: number): number }): number => field.get(k.mem, at);
  return [
    `${get(f.Year)}-${two(get(f.Month))}-${two(get(f.Day))} ${two(get(f.Hour))}:${two(get(f.Minute))}:${two(get(f.Second))}.${`${get(f.Milliseconds)}`.padStart(3, '0')} UTC`,
  ];
}

export function uptime(k: Kernel): string[] {
  const ms = Number(interruptTime(k) / 10_000n);
  const s = Math.floor(ms / 1000);
  const days = Math.floor(s / 86400);
  return [
    `${days ? `${count(days, 'day')}, ` : ''}${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}.${`${ms % 1000}`.padStart(3, '0')}`,
  ];
}
