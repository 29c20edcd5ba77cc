import type { VirtualMemory } from '../../hal/bus/memory.ts';
import type { ModuleInfo } from '../../hal/bus/guestos.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { listEntries } from './list.ts';

const L = KLDR_DATA_TABLE_ENTRY.f;

function unicode(m: VirtualMemory, va: number): string {
  const length = m.read16(va);
  const buffer = m.readPtr(va + 8);
  let text = '';
  for (let i = 0; i < length; i += 2) text += String.fromCharCode(m.read16(buffer + i));
  return text;
}

/** The loaded images as PsLoadedModuleList has them: what the guest would see, so an entry that something unlinked is not here. `head` is the list head. */
export function loadedModules(m: VirtualMemory, head: number): ModuleInfo[] {
  if (m.translate(head) < 0 || m.read64(head) === 0n) return [];
  const found: ModuleInfo[] = [];
  for (const link of listEntries(m, head, 1024)) {
    const entry = link - L.InLoadOrderLinks.offset;
    found.push({
      name: unicode(m, entry + L.BaseDllName.offset),
      path: unicode(m, entry + L.FullDllName.offset),
      base: L.DllBase.get(m, entry),
      size: L.SizeOfImage.get(m, entry),
      entry: L.EntryPoint.get(m, entry),
    });
  }
  return found;
}

export function moduleAt(modules: readonly ModuleInfo[], address: number): ModuleInfo | null {
  return modules.find(x => address >= x.base && address < x.base + x.size) ?? null;
}

/** Images of the kernel itself: code there is never "the driver at fault". */
export const isKernelModule = (name: string): boolean => name === 'ntoskrnl.exe' || name === 'hal.dll';
