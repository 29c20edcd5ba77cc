import { cmGlobals } from './cm/globals.ts';
import { consoleGlobals } from './console/globals.ts';
import { exGlobals } from './ex/globals.ts';
import { ioGlobals } from './io/globals.ts';
import { keGlobals } from './ke/globals.ts';
import { ldrGlobals } from './ldr/globals.ts';
import { mmGlobals } from './mm/globals.ts';
import { obGlobals } from './ob/globals.ts';
import { pnpGlobals } from './pnp/globals.ts';
import { poGlobals } from './po/globals.ts';
import { psGlobals } from './ps/globals.ts';
import { requesterGlobals } from './requester/globals.ts';
import { seGlobals } from './se/globals.ts';
import { tmGlobals } from './tm/globals.ts';
import { verifierGlobals } from './verifier/globals.ts';
import type { VirtualMemory } from '../hal/bus/memory.ts';
import { type Field, type GuestType, type StructType, struct } from './types/struct.ts';

/** The kernel's own variables. They are one structure in ntoskrnl's .data, so all of the kernel's state is guest memory; each is a symbol (`nt!MmPoolHead`) too. */
const globalFields = {
  ...keGlobals,
  ...psGlobals,
  ...mmGlobals,
  ...exGlobals,
  ...obGlobals,
  ...ioGlobals,
  ...pnpGlobals,
  ...poGlobals,
  ...cmGlobals,
  ...ldrGlobals,
  ...seGlobals,
  ...tmGlobals,
  ...requesterGlobals,
  ...consoleGlobals,
  ...verifierGlobals,
};
export type GlobalFields = typeof globalFields;

export const KERNEL_GLOBALS: StructType<GlobalFields> = struct('_KERNEL_GLOBALS', globalFields, { align: 64 });

export type GlobalName = keyof GlobalFields;
export type GlobalValue<K extends GlobalName> = GlobalFields[K] extends GuestType<infer T> ? T : never;

/** Typed access to the kernel's variables: `k.global.get('PsActiveCount')`, `k.global.address('PsLoadedModuleList')` for list heads. */
export class Globals {
  readonly base: number;
  private readonly mem: () => VirtualMemory;
  constructor(base: number, mem: () => VirtualMemory) {
    this.base = base;
    this.mem = mem;
  }
  get<K extends GlobalName>(name: K): GlobalValue<K> {
    return (KERNEL_GLOBALS.f[name] as unknown as Field<GlobalValue<K>>).get(this.mem(), this.base);
  }
  set<K extends GlobalName>(name: K, value: GlobalValue<K>): void {
    (KERNEL_GLOBALS.f[name] as unknown as Field<GlobalValue<K>>).set(this.mem(), this.base, value);
  }
  address(name: GlobalName): number {
    return this.base + KERNEL_GLOBALS.f[name].offset;
  }
}
