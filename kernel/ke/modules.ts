import { GuestFault, type VirtualMemory } from '../../hal/bus/memory.ts';
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

function readModule(m: VirtualMemory, entry: number): ModuleInfo {
  return {
    name: unicode(m, entry + L.BaseDllName.offset),
    path: unicode(m, entry + L.FullDllName.offset),
    base: L.DllBase.get(m, entry),
    size: L.SizeOfImage.get(m, entry),
    entry: L.EntryPoint.get(m, entry),
  };
}

/**
 * The loaded images as PsLoadedModuleList has them: what the guest would see, so an entry that something unlinked is not here, and a list that leads into nothing ends
 * there. `head` is the list head.
 */
export function loadedModules(m: VirtualMemory, head: number): ModuleInfo[] {
  const found: ModuleInfo[] = [];
  try {
    // Before the loader is up the head is zero.
    if (m.read64(head) === 0n) return [];
    for (const link of listEntries(m, head, 1024)) found.push(readModule(m, link - L.InLoadOrderLinks.offset));
  } catch (error) {
    if (!(error instanceof GuestFault)) throw error;
  }
  return found;
}

export function moduleAt(modules: readonly ModuleInfo[], address: number): ModuleInfo | null {
  return modules.find(x => address >= x.base && address < x.base + x.size) ?? null;
}

/** Images of the kernel itself: code there is never "the driver at fault". */
export const isKernelModule = (name: string): boolean => name === 'ntoskrnl.exe' || name === 'hal.dll';
