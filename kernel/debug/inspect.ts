import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { children, N, NODE_STATE_NAMES } from '../pnp/node.ts';
import { directoryEntries, isDirectory, obName, obPath } from '../ob/directory.ts';
import { readUnicodeString } from '../rtl/string.ts';
import { DRIVER_OBJECT, IO_STACK_LOCATION, IRP } from '../types/io.ts';
import { KDPC, KTHREAD } from '../types/ke.ts';
import { interruptTime } from '../ke/time.ts';
import { ETHREAD } from '../types/ps.ts';
import { deviceName, devicesOf, driverName, driverNameOf, rootNode } from './devices.ts';
import { allIrps, requestText, stackLocation } from './irps.ts';
import { connectedVectors, IMPORTANCE, queuedDpcs, setTimers } from './machine.ts';
import { findDirectoryObject, typeName } from './objects.ts';
import { allThreads, objectKind, processName, threadId, threadState, waitObjects, waitReason } from './processes.ts';
import { stackSlots } from './stacks.ts';
import { address, seconds, symbol } from './text.ts';

/** A row of a panel: what to show by column, and the object that it is about. Cells with an address are links. */
export interface TableRow {
  address: number | null;
  cells: { text: string; address?: number }[];
}
export interface TableView {
  columns: string[];
  rows: TableRow[];
}

const cell = (text: string | number | bigint, at?: number): TableRow['cells'][number] =>
  at ? { text: String(text), address: at } : { text: String(text) };
const link = (k: Kernel, at: number): TableRow['cells'][number] => cell(at ? symbol(k, at) : '', at);

/**
 * A row for each of `items`. What a driver has damaged must not hide the rest: an object that cannot be read is shown as such, and a list that cannot be followed ends in a
 * row that says so.
 */
function rowsOf<T>(items: () => Iterable<T>, addressOf: (item: T) => number, cells: (item: T) => TableRow['cells']): TableRow[] {
  const rows: TableRow[] = [];
  const guarded = (at: number, make: () => TableRow['cells']): void => {
    try {
      rows.push({ address: at || null, cells: make() });
    } catch (e) {
      if (!(e instanceof GuestFault)) throw e;
      rows.push({
        address: at || null,
        cells: [at ? cell(address(at), at) : cell('?'), cell(`damaged: memory at ${address(e.address)} cannot be read`)],
      });
    }
  };
  let list: readonly T[] = [];
  try {
    list = [...items()];
  } catch (e) {
    if (!(e instanceof GuestFault)) throw e;
    rows.push({ address: null, cells: [cell('?'), cell(`the list is damaged at ${address(e.address)}`)] });
  }
  for (const item of list) guarded(addressOf(item), () => cells(item));
  return rows;
}

const threads = (k: Kernel): TableView => ({
  columns: ['thread', 'id', 'process', 'state', 'priority', 'waits for', 'start', 'switches'],
  rows: rowsOf(
    () => allThreads(k),
    t => t,
    t => [
      cell(address(t), t),
      cell(threadId(k, t).toString(16)),
      cell(processName(k, KTHREAD.f.Process.get(k.mem, t)), KTHREAD.f.Process.get(k.mem, t)),
      cell(threadState(k, t).toLowerCase()),
      cell(KTHREAD.f.Priority.get(k.mem, t)),
      cell(
        threadState(k, t) === 'WAIT'
          ? `${waitReason(k, t)}${
              waitObjects(k, t).length
                ? `: ${waitObjects(k, t)
                    .map(o => objectKind(k, o))
                    .join(', ')}`
                : ''
            }`
          : '',
        waitObjects(k, t)[0],
      ),
      link(k, ETHREAD.f.StartAddress.get(k.mem, t)),
      cell(KTHREAD.f.ContextSwitches.get(k.mem, t)),
    ],
  ),
});

const dpcTable = (k: Kernel): TableView => ({
  columns: ['DPC', 'processor', 'importance', 'routine', 'context'],
  rows: rowsOf(
    () => queuedDpcs(k),
    d => d.dpc,
    d => [
      cell(address(d.dpc), d.dpc),
      cell(d.cpu),
      cell(IMPORTANCE[d.importance] ?? d.importance),
      link(k, d.routine),
      cell(address(d.context), d.context),
    ],
  ),
});

const irpTable = (k: Kernel): TableView => ({
  columns: ['IRP', 'request', 'device', 'driver', 'location', 'thread', 'cancel routine'],
  rows: rowsOf(
    () => allIrps(k),
    irp => irp,
    irp => {
      const current = IRP.f.CurrentLocation.get(k.mem, irp),
        count = IRP.f.StackCount.get(k.mem, irp);
      const s = current >= 1 && current <= count ? stackLocation(irp, current - 1) : 0;
      const device = s ? IO_STACK_LOCATION.f.DeviceObject.get(k.mem, s) : 0,
        thread = IRP.f.Thread.get(k.mem, irp);
      return [
        cell(address(irp), irp),
        cell(s ? requestText(k, s) : 'complete or not sent'),
        cell(device ? deviceName(k, device) : '', device),
        cell(device ? driverNameOf(k, device) : ''),
        cell(`${current} of ${count}`),
        cell(thread ? address(thread) : '', thread),
        link(k, IRP.f.CancelRoutine.get(k.mem, irp)),
      ];
    },
  ),
});

const timerTable = (k: Kernel): TableView => ({
  columns: ['timer', 'due in', 'period', 'DPC routine', 'processor'],
  rows: rowsOf(
    () => setTimers(k),
    t => t.timer,
    t => [
      cell(address(t.timer), t.timer),
      cell(seconds(t.due - interruptTime(k))),
      cell(t.period ? `${t.period} ms` : ''),
      link(k, t.dpc ? KDPC.f.DeferredRoutine.get(k.mem, t.dpc) : 0),
      cell(t.cpu),
    ],
  ),
});

/** Driver objects in `\Driver` and `\FileSystem`. */
function driverObjects(k: Kernel): number[] {
  return ['\\Driver', '\\FileSystem'].flatMap(path => {
    const directory = findDirectoryObject(k, path);
    return directory ? directoryEntries(k, directory).filter(o => typeName(k, o) === 'Driver') : [];
  });
}

const drivers = (k: Kernel): TableView => ({
  columns: ['driver', 'start', 'size', 'devices', 'unload'],
  rows: rowsOf(
    () => driverObjects(k),
    d => d,
    d => [
      cell(driverName(k, d), d),
      cell(address(DRIVER_OBJECT.f.DriverStart.get(k.mem, d)), DRIVER_OBJECT.f.DriverStart.get(k.mem, d)),
      cell(`0x${DRIVER_OBJECT.f.DriverSize.get(k.mem, d).toString(16)}`),
      cell(
        devicesOf(k, d)
          .map(v => deviceName(k, v))
          .join(', '),
      ),
      link(k, DRIVER_OBJECT.f.DriverUnload.get(k.mem, d)),
    ],
  ),
});

function devtree(k: Kernel): TableView {
  const nodes: { node: number; depth: number }[] = [];
  const visit = (node: number, depth: number): void => {
    nodes.push({ node, depth });
    for (const c of children(k, node)) visit(c, depth + 1);
  };
  const all = (): typeof nodes => {
    if (rootNode(k)) visit(rootNode(k), 0);
    return nodes;
  };
  return {
    columns: ['device', 'service', 'state', 'PDO'],
    rows: rowsOf(
      all,
      n => n.node,
      ({ node, depth }) => {
        const pdo = N.PhysicalDeviceObject.get(k.mem, node),
          state = N.State.get(k.mem, node);
        return [
          cell(`${'  '.repeat(depth)}${readUnicodeString(k.mem, node + N.InstancePath.offset)}`, node),
          cell(readUnicodeString(k.mem, node + N.ServiceName.offset)),
          cell((NODE_STATE_NAMES[state] ?? `0x${state.toString(16)}`).replace(/^DeviceNode/, '')),
          cell(pdo ? address(pdo) : '', pdo),
        ];
      },
    ),
  };
}

/** Objects below a directory, to a depth that only a directory inside itself could exceed. */
function namedObjects(k: Kernel, directory: number, depth = 0): number[] {
  return directoryEntries(k, directory).flatMap(o => [
    o,
    ...(isDirectory(k, o) && depth < 8 ? namedObjects(k, o, depth + 1) : []),
  ]);
}

function objects(k: Kernel): TableView {
  const root = k.global.get('ObpRootDirectoryObject');
  const rows = rowsOf(
    () => (root ? namedObjects(k, root) : []),
    o => o,
    o => [cell(obPath(k, o) || obName(k, o), o), cell(typeName(k, o))],
  );
  rows.sort((a, b) => (a.cells[0]!.text < b.cells[0]!.text ? -1 : 1));
  return { columns: ['name', 'type'], rows };
}

const VIEWS: { readonly [what: string]: (k: Kernel) => unknown } = {
  threads,
  dpcs: dpcTable,
  irps: irpTable,
  timers: timerTable,
  drivers,
  devtree,
  objects,
  idt: k => connectedVectors(k).map(({ vector, service, serviceAddress }) => ({ vector, service, serviceAddress })),
  stack: stackSlots,
};

/** Structured views for panels, by name; an unknown name throws an Error that lists them. */
export function inspect(k: Kernel, what: string): unknown {
  const view = VIEWS[what];
  if (!view) throw new Error(`there is no view ${what}; there are ${Object.keys(VIEWS).join(', ')}`);
  return view(k);
}
