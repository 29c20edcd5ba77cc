import { GuestFault } from '../../hal/bus/memory.ts';
import type { Kernel } from '../kernel.ts';
import { ABSENT_SLOTS } from '../ke/globals.ts';
import { bindAbsentRoutine } from '../image/absent.ts';
import { KLDR_DATA_TABLE_ENTRY } from '../types/ldr.ts';
import { thunkedAddress } from '../mm/thunks.ts';
import { verifiedAddress } from '../verifier/thunks.ts';
import { findExport } from './exportdir.ts';
import { findModule } from './modules.ts';
import type { ParsedImage } from './parse.ts';

const L = KLDR_DATA_TABLE_ENTRY.f;

/** An export of a loaded image; one whose directory leads outside mapped memory has none. */
function exportOf(k: Kernel, base: number, wanted: string | number): number | string | null {
  try {
    return findExport(k, base, wanted);
  } catch (e) {
    if (e instanceof GuestFault) return null;
    throw e;
  }
}

/** Follows an export through forwarders (`hal.dll` forwards what moved into the kernel). */
function resolve(k: Kernel, module: string, wanted: string | number, depth = 0): number | null {
  const e = findModule(
    k,
    /\.[a-z]+$/i.test(module)
      ? module
      : `${module}.${module.toLowerCase() === 'ntoskrnl' ? 'exe' : module.toLowerCase() === 'hal' ? 'dll' : 'sys'}`,
  );
  const found = e ? exportOf(k, L.DllBase.get(k.mem, e), wanted) : null;
  if (typeof found !== 'string') return found;
  const dot = found.lastIndexOf('.');
  return depth < 8 && dot > 0 ? resolve(k, found.slice(0, dot), found.slice(dot + 1), depth + 1) : null;
}

const isKernel = (module: string): boolean => /^(ntoskrnl\.exe|hal\.dll)$/i.test(module);

/** Address of `routine` in a loaded module, or null. */
export function resolveExport(k: Kernel, module: string, routine: string): number | null {
  return resolve(k, module, routine);
}

export interface Binding {
  /** `ntoskrnl.exe!ZwFoo`: imports that nobody answers; they were bound to traps. */
  absent: string[];
  /** False when there were more absent imports than there are traps. */
  complete: boolean;
}

/**
 * Finds the imports of `image` and stores their addresses with `store`. One that no loaded module exports gets a trap of its own name, so that the driver
 * loads and only a call of it stops the machine. The kernel's ordinals differ from build to build: an import of it by ordinal is absent.
 */
export function bindImports(k: Kernel, image: ParsedImage, store: (rva: number, address: number) => void): Binding {
  const absent: string[] = [];
  for (const { module, symbols } of image.imports)
    for (const s of symbols) {
      let address = s.name !== null ? resolve(k, module, s.name) : isKernel(module) ? null : resolve(k, module, s.ordinal);
      if (address === null) {
        const name = `${module}!${s.name ?? `#${s.ordinal}`}`;
        if (k.global.get('KiAbsentCount') >= ABSENT_SLOTS) return { absent, complete: false };
        absent.push(name);
        address = bindAbsentRoutine(k, name);
      }
      store(s.iatRva, k.config.verifier ? verifiedAddress(k, thunkedAddress(k, address)) : address);
    }
  return { absent, complete: true };
}
