/** What the verifier does around which routine, joined by name. */
import type { Outcome, ReturnValue } from '../exports/declare.ts';
import type { Kernel } from '../kernel.ts';
import type { Hook, HookArgs, Hooks } from './hook.ts';
import { injectHooks } from './inject.ts';
import { irpHooks } from './irp.ts';
import { lockHooks } from './lock.ts';
import { dmaHooks, memoryHooks } from './memory.ts';
import { poolHooks } from './pool.ts';
import { registeredHooks } from './registered.ts';
import { threadHooks } from './thread.ts';

/** Both hooks, one after the other; rules come before injected failures. */
function both(first: Hook, second: Hook): Hook {
  const befores = [first.before, second.before].filter(f => f !== undefined);
  const afters = [first.after, second.after].filter(f => f !== undefined);
  return {
    ...(befores.length === 0
      ? {}
      : {
          before(k: Kernel, a: HookArgs): Outcome | void {
            for (const f of befores) {
              const instead = f(k, a);
              if (instead) return instead;
            }
          },
        }),
    ...(afters.length === 0
      ? {}
      : {
          after(k: Kernel, a: HookArgs, value: ReturnValue): void {
            for (const f of afters) f(k, a, value);
          },
        }),
  };
}

function join(...all: readonly Hooks[]): ReadonlyMap<string, Hook> {
  const joined = new Map<string, Hook>();
  for (const hooks of all)
    for (const [name, hook] of Object.entries(hooks)) {
      const before = joined.get(name);
      joined.set(name, before === undefined ? hook : both(before, hook));
    }
  return joined;
}

/** By routine. Step routines' `after` runs at the step that returns. */
export const verifierHooks: ReadonlyMap<string, Hook> = join(
  lockHooks,
  irpHooks,
  poolHooks,
  memoryHooks,
  dmaHooks,
  threadHooks,
  registeredHooks,
  injectHooks,
);
