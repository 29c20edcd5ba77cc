import type { Kernel } from '../kernel.ts';
import { directoryEntries, isDirectory, obLookup, obName, obPath } from '../ob/directory.ts';
import { obTypeOf } from '../ob/type.ts';
import { handleCount, pointerCount } from '../ob/object.ts';
import { openHandles } from '../ob/handle.ts';
import { readUnicodeString } from '../rtl/string.ts';
import { HANDLE_TABLE_ENTRY, OBJ_OPENLINK, OBJECT_HEADER_SIZE, OBJECT_SYMBOLIC_LINK, OBJECT_TYPE } from '../types/ob.ts';
import { EPROCESS } from '../types/ps.ts';
import { CommandError, type DebugCommand } from './command.ts';
import { allProcesses, findProcess, processName } from './processes.ts';
import { address, hex, parseAddress, table } from './text.ts';

/** Object at a path of the namespace, 0 when there is none. A symbolic link at its end is the link itself. */
export function findDirectoryObject(k: Kernel, path: string): number {
  const found = obLookup(k, path, { attributes: 0x40 | OBJ_OPENLINK });
  return found.status === 0 && found.remaining === '' ? found.object : 0;
}

/** `Device`, `Event`; `?` when the header makes no sense. */
export function typeName(k: Kernel, body: number): string {
  const type = obTypeOf(k, body);
  return type ? readUnicodeString(k.mem, type + OBJECT_TYPE.f.Name.offset) : '?';
}

const linkTarget = (k: Kernel, body: number): string => readUnicodeString(k.mem, body + OBJECT_SYMBOLIC_LINK.f.LinkTarget.offset);

export const object: DebugCommand = {
  name: '!object',
  usage: '[address | \\path]',
  doc: 'Shows an object and its name; a directory with what is in it.',
  run(k, args) {
    const text = args[0] ?? '\\';
    const body = text.startsWith('\\') ? findDirectoryObject(k, text) : parseAddress(k, text);
    if (!body) throw new CommandError(`there is no object ${text}`);
    if (k.mem.translate(body - OBJECT_HEADER_SIZE) < 0) throw new CommandError(`${address(body)} is not an object`);
    const type = typeName(k, body);
    const lines = [
      `Object: ${address(body)}  Type: (${address(obTypeOf(k, body))}) ${type}`,
      `    ObjectHeader: ${address(body - OBJECT_HEADER_SIZE)}`,
      `    HandleCount: ${handleCount(k, body)}  PointerCount: ${pointerCount(k, body)}`,
      ...(obPath(k, body) ? [`    Name: ${obPath(k, body)}`] : []),
      ...(type === 'SymbolicLink' ? [`    Target: ${linkTarget(k, body)}`] : []),
    ];
    if (!isDirectory(k, body)) return lines;
    const rows = directoryEntries(k, body).map(e => [
      address(e),
      typeName(k, e),
      obName(k, e) + (typeName(k, e) === 'SymbolicLink' ? ` -> ${linkTarget(k, e)}` : ''),
    ]);
    rows.sort((a, b) => (a[2]! < b[2]! ? -1 : a[2]! > b[2]! ? 1 : 0));
    return [...lines, ...table([['    Object', 'Type', 'Name'], ...rows.map(r => [`    ${r[0]}`, ...r.slice(1)])])];
  },
};

export const handle: DebugCommand = {
  name: '!handle',
  usage: '[handle | 0] [process id | EPROCESS]',
  doc: "Lists a process's handles, or shows one of them; without a process those of all.",
  run(k, args) {
    const wanted = args[0] ? parseAddress(k, args[0]) : 0;
    const processes = args[1] ? [findProcess(k, args[1])] : allProcesses(k);
    return processes.flatMap(p => {
      const handles = EPROCESS.f.ObjectTable.get(k.mem, p);
      if (!handles) return [];
      const rows = openHandles(k, handles)
        .filter(h => !wanted || h.handle === wanted)
        .map(h => [
          `${h.handle.toString(16).padStart(4, '0')}:`,
          `object ${address(h.object)}`,
          `access ${hex(HANDLE_TABLE_ENTRY.f.GrantedAccessBits.get(k.mem, h.entry) & 0x1ffffff)}`,
          typeName(k, h.object),
          obPath(k, h.object),
        ]);
      return [
        `Process ${address(p)} ${processName(k, p)}, handle table ${address(handles)}, ${rows.length} entries`,
        ...table(rows),
      ];
    });
  },
};
