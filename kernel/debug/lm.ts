import { readUnicodeString } from '../rtl/string.ts';
import { moduleEntries, unloadedModules } from '../ldr/modules.ts';
import { userModules } from '../ke/stackwalk.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import type { DebugCommand } from './command.ts';
import { address, table } from './text.ts';

const L = KLDR_DATA_TABLE_ENTRY.f;

export const lm: DebugCommand = {
  name: 'lm',
  usage: '[name]',
  doc: 'Lists the loaded images, those of the current process too, and the drivers that were unloaded.',
  run(k, args) {
    const wanted = (args[0] ?? '')
      .replace(/^m(?=.)/, '')
      .replace(/\*/g, '')
      .toLowerCase();
    const rows = moduleEntries(k)
      .map(e => ({
        name: readUnicodeString(k.mem, e + L.BaseDllName.offset),
        path: readUnicodeString(k.mem, e + L.FullDllName.offset),
        base: L.DllBase.get(k.mem, e),
        size: L.SizeOfImage.get(k.mem, e),
      }))
      .filter(m => m.name.toLowerCase().includes(wanted))
      .map(m => [address(m.base), address(m.base + m.size), m.name, m.path]);
    rows.push(
      ...userModules(k)
        .filter(m => m.name.includes(wanted))
        .map(m => [address(m.base), address(m.base + m.size), m.name, m.path]),
    );
    const unloaded = unloadedModules(k).map(m => [address(m.start), address(m.end), m.name]);
    return [
      ...table([['start', 'end', 'module', 'path'], ...rows]),
      ...(unloaded.length ? ['', 'Unloaded modules:', ...table(unloaded)] : []),
    ];
  },
};
