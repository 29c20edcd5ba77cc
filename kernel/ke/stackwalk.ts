import type { ModuleInfo } from '../../hal/bus/guestos.ts';
import { GuestFault, addressAt, addressOfHalves } from '../../hal/bus/memory.ts';
import { R12, R13, R14, R15, RBP, RBX, RDI, RSI, RSP } from '../../hal/bus/cpu.ts';
import { kernelSymbolAt } from '../image/symbols.ts';
import type { Kernel } from '../kernel.ts';
import { ldrSymbolAt } from '../ldr/symbols.ts';
import { imageAt } from '../rtl/functiontable.ts';
import { type ImageRange, virtualUnwind, type WalkContext } from '../rtl/unwind.ts';
import { KTRAP_FRAME } from '../types/trap.ts';
import { loadedModules, moduleAt } from './modules.ts';

const F = KTRAP_FRAME.f;

/** The loaded images, as the guest's list has them. */
export const modulesOf = (k: Kernel): ModuleInfo[] => loadedModules(k.mem, k.address('nt!PsLoadedModuleList'));

/** The images of user mode that the kernel made (ntdll, the program of the current process), as far as they are mapped where the processor is. */
export const userModules = (k: Kernel): ModuleInfo[] =>
  k.images.user
    .filter(i => k.mem.translate(i.base) >= 0)
    .map(i => ({ name: i.name, path: `C:\\Windows\\System32\\${i.name}`, base: i.base, size: i.bytes.length, entry: 0 }));

/** `driver!symbol+0x12`, `driver+0x1234` when there is no symbol, or null outside all images. */
export function symbolAt(k: Kernel, modules: readonly ModuleInfo[], address: number): string | null {
  const own = kernelSymbolAt(k.images, address);
  if (own !== null) return own;
  const image = moduleAt(modules, address);
  if (image === null) return null;
  try {
    return ldrSymbolAt(k, address);
  } catch (error) {
    // The image's own tables lead into nothing: its name and an offset will do.
    if (!(error instanceof GuestFault)) throw error;
    return `${image.name.replace(/\.[^.]*$/, '')}+0x${(address - image.base).toString(16)}`;
  }
}

/** Registers of the code that a KTRAP_FRAME interrupted. R12 to R15 are not in it: they are those that the processor has now. */
export function trapContext(k: Kernel, trapFrame: number): WalkContext {
  const registers = new Array<number>(16).fill(0);
  for (const r of [R12, R13, R14, R15]) registers[r] = addressOfHalves(k.cpu.gprLo(r), k.cpu.gprHi(r));
  registers[RBX] = addressAt(k.mem, trapFrame + F.Rbx.offset);
  registers[RDI] = addressAt(k.mem, trapFrame + F.Rdi.offset);
  registers[RSI] = addressAt(k.mem, trapFrame + F.Rsi.offset);
  registers[RBP] = addressAt(k.mem, trapFrame + F.Rbp.offset);
  registers[RSP] = addressAt(k.mem, trapFrame + F.Rsp.offset);
  return { rip: addressAt(k.mem, trapFrame + F.Rip.offset), registers };
}

/** Registers of the processor as it stands. */
export function currentContext(k: Kernel): WalkContext {
  const registers: number[] = [];
  for (let r = 0; r < 16; r++) registers.push(addressOfHalves(k.cpu.gprLo(r), k.cpu.gprHi(r)));
  return { rip: k.cpu.rip, registers };
}

export interface StackEntry {
  address: number;
  symbol: string;
  rsp: number;
}

/**
 * Unwinds a stack from `context` outwards by the images' unwind data, one frame at a time; what is yielded is the same object again, changed. It ends at a return address of 0,
 * where nothing can be read, or after `limit` frames.
 */
function* unwound(
  k: Kernel,
  context: WalkContext,
  limit: number,
  imageOf: (address: number) => ImageRange | null,
): Generator<WalkContext> {
  const c: WalkContext = { rip: context.rip, registers: [...context.registers] };
  let image: ImageRange | null = null;
  let afterCall = false;
  for (let i = 0; i < limit && c.rip !== 0; i++) {
    yield c;
    const rsp = c.registers[RSP]!;
    try {
      if (image === null || c.rip < image.base || c.rip >= image.base + image.size) image = imageOf(c.rip);
      // Code outside every image has no unwind data, except when something was called there: then the return address is on top.
      if (image === null && i > 0) return;
      afterCall = virtualUnwind(k.mem, image, c, afterCall);
    } catch (error) {
      if (error instanceof GuestFault || error instanceof RangeError) return;
      throw error;
    }
    if (c.registers[RSP]! === rsp) return;
  }
}

/** The frames of a stack, innermost first, with symbols. */
export function walkStack(k: Kernel, context: WalkContext, limit = 64): StackEntry[] {
  const modules = modulesOf(k);
  const images = [...modules, ...userModules(k)];
  const frames: StackEntry[] = [];
  for (const c of unwound(k, context, limit, address => moduleAt(images, address)))
    frames.push({
      address: c.rip,
      rsp: c.registers[RSP]!,
      symbol: symbolAt(k, modules, c.rip) ?? `0x${BigInt.asUintN(64, BigInt(c.rip)).toString(16)}`,
    });
  return frames;
}

/** Where the routine that runs is and its callers, innermost first, without symbols: what is cheap enough to be kept with every allocation. */
export function captureStack(k: Kernel, limit: number): number[] {
  const found: number[] = [];
  for (const c of unwound(k, currentContext(k), limit, address => imageAt(k, address))) found.push(c.rip);
  return found;
}
